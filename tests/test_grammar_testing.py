"""Questions that set things against each other: who is tested against whom, and what is no test."""

from __future__ import annotations

import pytest

from agent.grammar.query import Refusal
from agent.grammar.steps import Associate, FilterLayer, LayerArg, Plan, Ref, SearchWords
from agent.question import parse
from prompts import load_prompts

GLOSSARY = load_prompts().glossary
PLACES = ("Gale", "Hellas Planitia")


def planned(question: str) -> Plan:
    found = parse(question, GLOSSARY, PLACES)
    assert isinstance(found, Plan), found
    return found


def trials(question: str) -> list[str]:
    """The tests of a question: ``gullies ~ impact crater 40``, with side, null and strata behind."""
    plan = planned(question)
    names = {step.name: step.text for step in plan.steps if isinstance(step, SearchWords)}

    def name(layer: LayerArg) -> str:
        if isinstance(layer, Ref) and layer.step in names:
            return names[layer.step]
        step = next(s for s in plan.steps if isinstance(layer, Ref) and s.name == layer.step)
        assert isinstance(step, FilterLayer)
        return f"{name(step.layer)}*"

    return [
        " ".join(
            [f"{name(step.layer)} ~ {name(step.other)} {step.distance_km:g}"]
            + [value for value in (step.side, step.null, step.strata) if value]
        )
        for step in plan.steps
        if isinstance(step, Associate)
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Do gullies go hand in hand with craters?",
        "is there any tie between gullies and craters",
        "gullies vs craters correlation?",
        "whether gullies show an affinity for craters, this I would like to test",
        "test gullies against craters for spatial dependence",
        "do gullies keep their distance from craters",
        "Do gullies steer clear of craters?",
        "Are gullies attracted by craters?",
        "Gullies seem to hug the craters. Is this real or just luck?",
        "Do gullies occur suspiciously close to craters?",
        "Are gullies significantly closer to craters than random points would be?",
        "is it by accident that gullies sit next to craters",
        "What's the probability that gullies lie that near craters by pure luck",
        "gullies x craters: more than you'd expect from a random scatter?",
        "Do gullies have anything to do with craters?",
        "Are gullies overrepresented around craters?",
        "Are there more gullies near craters than chance would allow?",
        "Is being close to craters significantly more common for gullies?",
        "is there statistically a lack of gullies near craters",
        "So we have these gullies, and we have craters. Is there an association between the two?",
        "Do gullies and craters co-occur?",
        "gullies craters associated yes or no",
        "Do gullies get more common near craters, beyond what throwing darts at the map would give?",
    ],
)
def test_association_is_said_in_many_ways(question: str) -> None:
    assert trials(question) == ["gullies ~ impact crater 40"]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Test at 60 km whether gullies keep away from dunes.", ["gullies ~ sand dunes 60"]),
        ("Do gullies shun dunes? Use 60 km.", ["gullies ~ sand dunes 60"]),
        ("gullies vs dunes, association test, 30 mi", ["gullies ~ sand dunes 48.2803"]),
        (
            "Are gullies farther from dunes than chance allows?",
            ["gullies ~ sand dunes 40 farther"],
        ),
        (
            "Are gullies tied to dunes even when both simply follow the elevation?",
            ["gullies ~ sand dunes 40 strata elevation"],
        ),
        (
            "Do gullies lie near dunes more than elevation alone would explain?",
            ["gullies ~ sand dunes 40 strata elevation"],
        ),
        (
            "Is the co-occurrence of gullies with dunes more than a shared latitude?",
            ["gullies ~ sand dunes 40"],
        ),
        (
            "Under a rotation null, are gullies and dunes still associated?",
            ["gullies ~ sand dunes 40 rotation"],
        ),
        ("North of 30 N, are gullies associated with dunes?", ["gullies* ~ sand dunes 40"]),
        ("Do gullies in Gale prefer dunes within 5 km?", ["gullies* ~ sand dunes 5"]),
    ],
)
def test_distance_side_null_and_limits(question: str, expected: list[str]) -> None:
    assert trials(question) == expected


CONES = ["pitted cones ~ outflow channel 40", "pitted cones ~ lava flow 40"]


@pytest.mark.parametrize(
    "question",
    [
        "Are pitted cones more likely mud or lava?",
        "pitted cones: mud or magma?",
        "Volcanic or sedimentary, the pitted cones?",
        "Do pitted cones go with outflow channels (mud) or with lava flows (rootless cones)?",
        "pitted cones - associated with outflow channels or with lava flows? test both",
        "Are the pitted cones sedimentary or volcanic? Test them please against outflow channels and against "
        "lava flows.",
        "If pitted cones were fed by flood sediments they should lie by outflow channels; if volcanic, by "
        "lava flows. Which of the two do they go with?",
        "What attracts pitted cones, outflow channels or lava flows? Test the cones against each of the two.",
        "Some say floods made the pitted cones, others lava.",
    ],
)
def test_hypotheses_become_tests_of_each_candidate(question: str) -> None:
    assert sorted(trials(question)) == sorted(CONES)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What feeds the deltas: valley networks or floods?", ["valley network", "outflow channel"]),
        ("Were the deltas set off by quakes on grabens or on wrinkle ridges?", ["graben", "wrinkle ridges"]),
        (
            "Test whether ice made the deltas: against aprons, and against lava.",
            ["lobate debris apron", "lava flow"],
        ),
        ("Are the deltas volcanic?", ["lava flow"]),
        ("Did water or lava carve the deltas?", ["valley network", "lava flow"]),
        ("Do the data support a glacial origin of the deltas?", ["lobate debris apron"]),
        ("Do deltas come from marsquakes on graben or from impacts?", ["graben", "impact crater"]),
    ],
)
def test_the_subject_is_what_is_explained(question: str, expected: list[str]) -> None:
    assert trials(question) == [f"delta ~ {name} 40" for name in expected]


def test_a_process_is_tested_by_its_landform_and_the_answer_says_so() -> None:
    notes = planned("Are pitted cones more likely mud or lava?").notes
    assert "“mud” was tested by nearness to outflow channels" in notes
    assert "Lying near something is evidence for a common origin, not proof of it" in notes
    # Scalloped depressions stand for ground ice, but not for their own.
    assert trials("What explains scalloped depressions better, ground ice or wind?") == [
        "scalloped depressions ~ polygons 40",
        "scalloped depressions ~ yardangs 40",
    ]


def test_several_subjects_are_tested_apart() -> None:
    found = trials("Are gullies and dunes nearer to craters than chance?")
    assert found == ["gullies ~ impact crater 40", "sand dunes ~ impact crater 40"]


@pytest.mark.parametrize(
    "question",
    [
        "Where are gullies near craters?",
        "Are gullies near craters?",
        "Are there any gullies near lava?",
        "How many landslides are there within 50 km of grabens?",
        "Which craters contain dunes?",
        "Could you by any chance show me gullies near craters?",
        "Find gullies made by water",
        "Do gullies cut craters?",
        "gullies on ice or lava",
        "Are dunes made of sand or dust?",
        "Were the landslides made of mud?",
        "Are dunes higher than gullies, significantly?",
        "Do dunes and yardangs point the same way?",
        "does the number of gullies depend on latitude?",
        "Map dunes and yardangs",
        "Are there mud volcanoes?",
        "Is there water in the gullies?",
        "list landslides near graben or wrinkle ridges",
    ],
)
def test_what_is_no_test(question: str) -> None:
    assert isinstance(parse(question, GLOSSARY, PLACES), Refusal) or not trials(question)


@pytest.mark.parametrize(
    ("question", "others"),
    [
        ("I doubt that landslides have anything to do with graben. Test it.", ["graben"]),
        ("I don't believe that landslides are tied to graben. Prove me wrong.", ["graben"]),
        ("Have landslides a tendency to lie near graben?", ["graben"]),
        ("Are landslides likelier to sit beside graben than elsewhere?", ["graben"]),
        ("landslides & graben: same origin? do the stats", ["graben"]),
        ("associate(landslides, graben, 40 km)", ["graben"]),
        ("If landslides are old, they must be near graben more than by accident.", ["graben"]),
        (
            "Theory A: landslides go with graben. Theory B: landslides go with gullies. Run both tests.",
            ["graben", "gullies"],
        ),
        ("Which of graben and gullies do the landslides go with?", ["graben", "gullies"]),
        ("Which is the likelier origin of the landslides, graben or gullies?", ["graben", "gullies"]),
        ("Landslides (near graben or near gullies): which is the better explanation?", ["graben", "gullies"]),
        ("I know dunes and craters. What of the landslides? Test them against graben.", ["graben"]),
    ],
)
def test_doubt_and_rival_hypotheses_are_tested(question: str, others: list[str]) -> None:
    assert trials(question) == [f"landslide ~ {other} 40" for other in others]


@pytest.mark.parametrize(
    "question",
    [
        "I am told that landslides are near graben. Where are they?",
        "Do landslides have a tendency to point north?",
        "Landslides (near graben): how many?",
        "Are graben (rift valleys) near gullies?",
        "Where do landslides occur where graben occur?",
    ],
)
def test_what_is_told_or_only_sounds_like_it_is_no_test(question: str) -> None:
    assert isinstance(parse(question, GLOSSARY, PLACES), Refusal) or not trials(question)


@pytest.mark.parametrize(
    ("question", "suggestion"),
    [
        ("Why are there pitted cones?", "Test pitted cones against outflow channels and against lava flows."),
        ("What caused the landslides?", "Test landslides against grabens."),
        ("What formed the plains?", "Test plains against lava flows and against outflow channels."),
    ],
)
def test_a_cause_stays_declined_but_what_can_be_tested_is_offered(question: str, suggestion: str) -> None:
    refusal = parse(question, GLOSSARY, PLACES)
    assert isinstance(refusal, Refusal)
    assert refusal.kind == "cause"
    assert refusal.suggestion == suggestion
    assert trials(suggestion)


def test_processes_name_landforms_of_the_glossary_and_a_source() -> None:
    keys = {term.key for term in GLOSSARY}
    for process in load_prompts().processes:
        assert process.words
        assert process.landforms
        assert set(process.landforms) <= keys, process.key
        assert any(character.isdigit() for character in process.source)

"""Questions in, plans out: the grammar through its one door, `agent.question.parse`."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.grammar.followups.context import KnownLayer, PlanContext
from agent.grammar.lexicon import normalise, number_words
from agent.grammar.query import QuestionBack, Refusal, describe
from agent.grammar.steps import Associate, Plan, Ref, SearchWords
from agent.question import check_question, parse
from prompts import load_prompts
from retrieval.errors import QuestionError

GLOSSARY = load_prompts().glossary
PLACES = ("Gale", "Hellas Planitia", "Olympus Mons", "Argyre Planitia", "Utopia Planitia", "Say", "Jezero")
PLACES += ("Ma'adim Vallis", "Chasma Australe", "Lacus Doris", "Lacus Minor")


def ask(question: str, context: PlanContext | None = None, **options: Any) -> Plan | QuestionBack | Refusal:
    return parse(question, GLOSSARY, PLACES, context, **options)


def planned(question: str, context: PlanContext | None = None, **options: Any) -> Plan:
    plan = ask(question, context, **options)
    assert isinstance(plan, Plan), plan
    return plan


def formula(plan: Plan) -> str:
    """A plan's results as one formula: ``near[40](gullies, impact crater){min_lat_deg=20}``."""
    steps = {step.name: step for step in plan.steps}

    def value(argument: Any) -> str:
        if isinstance(argument, Ref):
            return written(steps[argument.step]) + (f".{argument.figure}" if argument.figure else "")
        return argument if isinstance(argument, str) else f"{argument:g}"

    def written(step: Any) -> str:
        simple = {"search_words": "{s.text}", "search_example": "like {s.example}"}
        simple |= {"load_catalogue": "{s.file}", "find_place": "place {s.place}"}
        if step.tool in simple:
            return simple[step.tool].format(s=step)
        if step.tool in ("near", "without", "downslope"):
            return f"{step.tool}[{step.distance_km:g}]({value(step.layer)}, {value(step.other)})"
        if step.tool == "overlap":
            return f"overlap({value(step.layer)}, {value(step.other)})"
        if step.tool == "nearest":
            return f"nearest[{step.count or 'all'}]({value(step.layer)}, {value(step.other)})"
        if step.tool == "novelty":
            return f"new[{step.distance_km:g}]({value(step.layer)}, {value(step.catalogue)})"
        if step.tool == "merge_features":
            return f"merged[{value(step.distance_km or 'touching')}]({value(step.layer)})"
        if step.tool == "union":
            return "(" + " | ".join(map(value, step.layers)) + ")"
        plain = [(k, v) for k, v in step if k not in ("name", "tool", "layer", "where") and v is not None]
        limits = [*(f"{k}={value(v)}" for k, v in plain), *(step.where or ())]
        return f"{value(step.layer)}{{{','.join(limits)}}}"

    def further(step: Any) -> str:
        # What is done besides, with its options and, where there are two, its layers.
        names = {"layer", "layers", "other", "catalogue", "name", "tool", "distance_km"}
        options = [v for k, v in step if k not in names and v is not None]
        words = [value(part) for v in options for part in (v if isinstance(v, tuple) else (v,))]
        two = getattr(step, "other", None) or getattr(step, "catalogue", None)
        layers = f"({value(step.layer)}, {value(two)})" if two else ""
        return f" +{step.tool}" + (f"[{', '.join(words)}]" if words else "") + layers

    found = " ; ".join(map(value, plan.results)) or " ; ".join(map(written, plan.steps))
    refs = [result for result in plan.results if isinstance(result, Ref)]
    refs += [ref for step in plan.steps for ref in step.refs()]
    shown = {ref.step for ref in refs}
    extra = [further(step) for step in plan.steps if _is_further(step, shown)]
    return found + "".join(dict.fromkeys(extra))


def _is_further(step: Any, shown: set[str]) -> bool:
    if step.tool == "draw_map":
        return bool(step.projection or step.place or step.colour_by)
    if step.tool == "associate":
        return bool(step.side or step.null)
    plain = step.tool in ("search_words", "search_example", "load_catalogue", "find_place", "summarise")
    return not plain and step.name not in shown


def _written_down() -> list[list[tuple[str, str]]]:
    lines = (Path(__file__).parent / "questions.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    refused, asked = (
        [(question, said[2:]) for question, said in pairs if said.startswith(mark)] for mark in ("! ", "? ")
    )
    return [[pair for pair in pairs if pair[1][:2] not in ("! ", "? ")], refused, asked]


PLANS, REFUSALS, ASKED = _written_down()

# The field's own questions, as the people who compose them write them down.
FIELD = """
Do gullies cut viscous lobes? gullies and debris tongues on the same wall; aspect.
Where has ice vanished? moraine-like arcuate ridges not glacier-like forms, 25-65 degrees.
Eskers? sinuous ridges downslope of lineated valley fill, not inverted channels.
Integrated glacial landsystems? debris apron, valley fill, crater fill in chains within 30 km.
Is brain terrain confined to glacial fill?
Ground-ice limit? scallops and polygons and expanded craters, by latitude.
Former ice mantle? the lowest latitude of pedestal craters, against layered ejecta.
Mud or rootless cones? pitted cones and outflow deposits, not lava margins.
Fan or delta? a fan at a valley mouth; steep front, outlet, bench.
Snowmelt-fed fans? fans and alcoves; distance to glacial forms.
Open-basin lakes? inlet and outlet and fan and layered deposits in one closed basin.
Ocean margin? deltas and benches in one elevation band.
Groundwater? theatre-headed valleys and deltas on floors below -4,000 m.
Flood source to sink? chaos, outflow channel, streamlined islands, cones, ordered downslope.
Exhumed rivers? inverted channels and yardangs.
Has the wind changed? azimuths of yardangs, dunes and streaks in the same place.
Ash outside the mapped unit? yardangs and layering, not the mapped unit.
Active CO2 processes? dunes and linear gullies, by latitude.
Do slope streaks avoid bedrock cliffs? aspect, dust.
Seismic landslides? landslides within N km of grabens and wrinkle ridges against random.
Ice-lubricated landslides? longitudinal furrows and landslides by latitude, not aprons.
Lava-ice contact? platy lava and rootless cones and channels.
Caves? pit chains and rilles on volcano flanks; isolated pits.
Spiders off the polar layered deposits? araneiforms poleward of 75 S, not the unit.
Landing analogues? like this tile, delta within 20 km, |lat| < 30, low slope and elevation.
""".strip().splitlines()


@pytest.mark.parametrize(("question", "expected"), PLANS, ids=[question for question, _ in PLANS])
def test_phrasings(question: str, expected: str) -> None:
    assert formula(planned(question)) == expected


@pytest.mark.parametrize(("question", "kind"), REFUSALS, ids=[question for question, _ in REFUSALS])
def test_refusals_say_why_and_what_instead(question: str, kind: str) -> None:
    refusal = ask(question)
    assert isinstance(refusal, Refusal), formula(refusal)
    assert refusal.kind == kind
    assert refusal.reason
    assert isinstance(ask(refusal.suggestion), Plan)


@pytest.mark.parametrize(("question", "missing"), ASKED, ids=[question for question, _ in ASKED])
def test_asks_for_what_is_missing(question: str, missing: str) -> None:
    back = ask(question)
    assert isinstance(back, QuestionBack), back
    assert back.missing == missing
    assert back.text.endswith("?")
    assert all(isinstance(ask(suggestion), Plan) for suggestion in back.suggestions)


@pytest.mark.parametrize("question", FIELD)
def test_the_fields_questions_get_a_plan_or_an_honest_refusal(question: str) -> None:
    answer = ask(question)
    if "like this tile" in question:
        assert isinstance(answer, QuestionBack)
        assert answer.missing == "example"
        return
    assert isinstance(answer, Plan)
    searched = [step for step in answer.steps if step.tool == "search_words"]
    assert searched
    assert all(step.text for step in searched)
    assert {"summarise", "draw_map"} <= {step.tool for step in answer.steps}


def test_the_example_works_exactly() -> None:
    plan = planned("Where are pitted cones within 40 km of outflow channels, north of 20 degrees?")
    cones, channels, near, limited, measured, drawn = plan.steps
    assert (cones.tool, cones.text) == ("search_words", "pitted cones")
    assert (channels.tool, channels.text) == ("search_words", "outflow channel")
    assert near.tool == "near"
    assert near.layer == Ref(step=cones.name)
    assert near.other == Ref(step=channels.name)
    assert near.distance_km == 40
    assert limited.arguments({Ref(step=near.name): "L3"}) == {"layer": "L3", "min_lat_deg": 20}
    assert (measured.tool, measured.layer) == ("summarise", Ref(step=limited.name))
    assert drawn.arguments({Ref(step=limited.name): "L4", Ref(step=channels.name): "L2"}) == {
        "layers": ["L4", "L2"]
    }
    assert not plan.unparsed
    assert not plan.notes


@pytest.mark.parametrize(("question", "expected"), PLANS, ids=[question for question, _ in PLANS])
def test_steps_refer_only_to_steps_before(question: str, expected: str) -> None:
    plan = planned(question)
    known: set[str] = set()
    for step in plan.steps:
        assert {ref.step for ref in step.refs()} <= known, expected
        assert step.name not in known
        known.add(step.name)
    assert describe(plan.query)


def test_assumptions_are_stated() -> None:
    assert planned("gullies near craters").notes == (
        "“Near” was taken as within 40 km, as the question gives no distance",
    )
    assert "neither in the same tile" in planned("gullies without craters").notes[0]
    assert "within 30 degrees of the equator" in planned("equatorial gullies").notes[0]
    assert "both hemispheres" in planned("gullies between 30 and 60 degrees").notes[0]
    assert "either of them" in planned("gullies and craters").notes[0]
    assert "beyond them" in " ".join(planned("do gullies follow craters south of 30 S?").notes)
    assert "finer than a tile" in planned("where is brain terrain?").notes[0]
    assert "“larger than 5 km” was left out" in planned("craters larger than 5 km").notes[0]
    assert "over the width of a tile" in planned("gullies on pole-facing slopes").notes[0]
    assert "only with a number" in planned("dunes on gentle slopes").notes[0]
    assert "which outflow channels are meant" in planned("cones near outflow channels near chaos").notes[0]
    assert "Downslope of" in planned("gullies downslope of cliffs").notes[0]
    assert "farther from every entry than 25.6 km" in planned("craters not in craters.csv").notes[0]
    assert "all ground observed" in planned("do gullies differ in elevation?").notes[0]
    assert "is no condition" in " ".join(planned("gullies near craters at the same elevation").notes)
    assert (
        planned("are gullies nearer to craters than chance, allowing for latitude?")
        .notes[0]
        .startswith("The null model keeps latitudes")
    )


def test_large_tiles_widen_what_near_means() -> None:
    assert formula(planned("gullies near craters", tile_km=60)) == "near[120](gullies, impact crater)"
    assert formula(planned("gullies without craters", tile_km=60)) == "without[96](gullies, impact crater)"


def test_spelling_is_corrected_aloud() -> None:
    plan = planned("whre are the outlfow chanels")
    assert formula(plan) == "outflow channel"
    assert "I read “outlfow” as “outflow”" in plan.notes
    assert plan.unparsed == ("whre",)


def test_what_is_not_understood_is_kept() -> None:
    assert planned("gullies flibber near craters, wobble").unparsed == ("flibber", "wobble")


def test_a_definition_is_asked_for_with_a_search() -> None:
    plan = planned("What are yardangs?")
    assert plan.query.intents == ("about",)
    assert formula(plan) == "yardangs"


def test_the_body_is_the_indexs() -> None:
    assert isinstance(ask("craters on the Moon", body="moon"), Plan)
    assert isinstance(ask("martian craters"), Plan)
    refusal = ask("craters on Mars", body="lowell")
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "this index shows Lowell, not Mars"
    assert isinstance(parse("dunes in Lowell crater", GLOSSARY, ("Lowell",)), Plan)


def test_a_small_glossary_works() -> None:
    one = tuple(term for term in GLOSSARY if term.key == "yardangs")
    assert isinstance(parse("yardangs", one, ()), Plan)
    refusal = parse("hello", one, ())
    assert isinstance(refusal, Refusal)
    assert refusal.suggestion


# Follow-up questions

BEFORE = "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?"


def context(question: str = BEFORE) -> PlanContext:
    layers = [
        ("L1", "pitted cones"),
        ("L2", "outflow channel"),
        ("L3", "pitted cones near"),
        ("L4", "limited"),
    ]
    catalogue = KnownLayer(id="L5", title="craters.csv", kind="catalogue", count=5)
    return PlanContext(
        layers=(*(KnownLayer(id=name, title=title, count=5) for name, title in layers), catalogue),
        result="L4",
        base="L3",
        query=planned(question).query,
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("and south of the equator?", "L3{max_lat_deg=0}"),
        ("And south of it?", "L3{max_lat_deg=20}"),
        ("south of 30 S?", "L3{max_lat_deg=-30}"),
        ("only the ones above 0.8", "L4{min_probability=0.8}"),
        ("only those south of 40 N", "L4{max_lat_deg=40}"),
        ("how many of those are north of 50 degrees?", "L4{min_lat_deg=50}"),
        ("which of them are not near lava flows?", "without[40](L4, lava flow)"),
        ("and near lava flows?", "near[40](L4, lava flow)"),
        ("are they aligned?", "L4 +orientation"),
        ("how many are there?", "L4"),
        ("export them as csv", "L4 +export_layer[csv]"),
        ("map them", "L4"),
        ("draw a map of L1 and L2", "L1 ; L2"),
        ("export L1 as GeoPackage", "L1 +export_layer[gpkg]"),
        ("Which way are the features of L3 oriented?", "L3 +orientation"),
        ("L1 near L2", "near[40](L1, L2)"),
        ("gullies near them", "near[40](gullies, L4)"),
        ("what about yardangs?", "near[40](yardangs, outflow channel){min_lat_deg=20}"),
        ("and yardangs?", "near[40](yardangs, outflow channel){min_lat_deg=20}"),
        ("what about yardangs south of 10 S?", "near[40](yardangs, outflow channel){max_lat_deg=-10}"),
        ("what about outflow channels?", "outflow channel{min_lat_deg=20}"),
        ("and where are yardangs?", "yardangs"),
        ("only those on slopes below 5 degrees", "L4{slope_deg <= 5}"),
        ("which of those face north?", "L4{aspect_deg between 315 and 45}"),
        ("which of those are downslope of L2 within 20 km?", "downslope[20](L4, L2)"),
        ("the five of those nearest to L2", "nearest[5](L4, L2)"),
        ("how far are they from L2?", "nearest[all](L4, L2)"),
        ("merge them within 20 km", "merged[20](L4)"),
        ("how does their density vary with elevation?", "L4 +density[elevation]"),
        ("what is their slope?", "L4 +sample_context[slope]"),
        ("are they higher than dunes?", "L4 ; sand dunes +compare[elevation](L4, sand dunes)"),
        ("are yardangs higher than those?", "yardangs ; L4 +compare[elevation](yardangs, L4)"),
        ("are they at the same elevation as L1?", "L4 ; L1 +compare[elevation](L4, L1)"),
        ("do they point east-west?", "L4 +orientation[90]"),
        ("are they parallel to L1?", "L4 ; L1 +orientation(L4, L1)"),
        ("which of those are new to the catalogue?", "new[25.6](L4, L5)"),
        ("which craters are not in the catalogue?", "new[25.6](impact crater, L5)"),
        ("how well do they match the catalogue?", "L4 +evaluate_layer(L4, L5)"),
        ("show them on a globe", "L4 +draw_map[orthographic]"),
        ("show them on a map of Gale", "L4 +draw_map[regional, Gale]"),
        ("draw them on a polar map coloured by probability", "L4 +draw_map[polar, probability]"),
    ],
)
def test_follow_ups(question: str, expected: str) -> None:
    assert formula(planned(question, context())) == expected


def test_a_map_or_file_of_existing_layers_is_one_step() -> None:
    assert [step.tool for step in planned("draw a map of L1 and L2", context()).steps] == ["draw_map"]
    assert [step.tool for step in planned("export them", context()).steps] == ["export_layer"]
    assert [step.tool for step in planned("summarise L2", context()).steps] == ["summarise"]


def test_layers_are_called_by_their_titles() -> None:
    assert describe(planned("L1 near L2", context()).query) == "pitted cones near outflow channel"


def test_it_may_be_a_place() -> None:
    after = context("gullies near craters, north of Olympus Mons")
    assert formula(planned("and south of it?", after)) == "L3{max_lat_deg=place Olympus Mons.lat_deg}"


@pytest.mark.parametrize("name", ["Wind region 1", "Wind region 2", "Wind region 21"])
def test_places_that_differ_by_a_number_are_told_apart(name: str) -> None:
    places = (*PLACES, "Wind region 1", "Wind region 2", "Wind region 21")
    plan = parse(f"Which way do yardangs in {name} point?", GLOSSARY, places)
    assert isinstance(plan, Plan)
    assert [step.place for step in plan.steps if step.tool == "filter_layer"] == [name]
    back = parse("yardangs in Wind region", GLOSSARY, places)
    assert isinstance(back, QuestionBack)
    assert back.text == "Several places are called “Wind region”: which number do you mean?"


def test_follow_ups_need_something_before() -> None:
    for question in (
        "and south of the equator?",
        "only the ones above 0.8",
        "and north of it?",
        "export them",
    ):
        back = ask(question)
        assert isinstance(back, QuestionBack), question
        assert back.text.endswith("?")


# Laws


def spelled(number: int) -> str:
    ones = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    names = [*ones.split(), "sixteen", "seventeen", "eighteen", "nineteen"]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    if number < 20:
        return names[number]
    if number < 100:
        rest = number % 10
        return tens[number // 10 - 2] + (f"-{names[rest]}" if rest else "")
    if number < 1000:
        rest = number % 100
        return f"{names[number // 100]} hundred" + (f" and {spelled(rest)}" if rest else "")
    rest = number % 1000
    return f"{spelled(number // 1000)} thousand" + (f" {spelled(rest)}" if rest else "")


@given(st.integers(2, 999_999))
def test_spelled_numbers_are_read(number: int) -> None:
    assert number_words(f"within {spelled(number)} km") == f"within {number} km"


def test_one_is_mostly_a_pronoun() -> None:
    assert number_words("the one within one km") == "the one within 1 km"


@given(
    st.one_of(st.integers(1, 600), st.floats(0.1, 600).map(lambda value: round(value, 2))),
    st.sampled_from(
        [("km", 1), (" km", 1), (" kilometres", 1), (" miles", 1.609344), (" tiles", 16), ("-mile", 1.609344)]
    ),
    st.sampled_from(["within {} of", "up to {} from", "no more than {} away from", "less than {} from"]),
)
def test_any_distance_comes_through(number: float, unit: tuple[str, float], wording: str) -> None:
    question = f"gullies {wording.format(f'{number}{unit[0]}')} craters"
    near = next(step for step in planned(question).steps if step.tool == "near")
    assert near.distance_km == pytest.approx(number * unit[1])


@given(st.integers(-90, 90), st.sampled_from(["north", "south"]))
def test_any_latitude_comes_through(latitude: int, side: str) -> None:
    hemisphere = "N" if latitude > 0 else "S"
    signed, worded = f"{latitude}", f"{abs(latitude)}°{hemisphere}"
    for text in (signed, worded):
        limit = next(s for s in planned(f"gullies {side} of {text}").steps if s.tool == "filter_layer")
        assert (limit.min_lat_deg if side == "north" else limit.max_lat_deg) == latitude


@given(st.text(max_size=300))
def test_any_text_gets_an_answer(text: str) -> None:
    answer = ask(text)
    assert isinstance(answer, Plan | QuestionBack | Refusal)
    assert answer == ask(text)


WORDS = sorted(
    {word for question, _ in PLANS + REFUSALS for word in question.split()} | {"L1", "[L2]", "and", "that"}
)


@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join))
def test_any_jumble_of_known_words_gets_an_answer(text: str) -> None:
    answer = ask(text, context())
    assert isinstance(answer, Plan | QuestionBack | Refusal)
    if isinstance(answer, Plan):
        assert answer.steps


@given(st.text(max_size=120))
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once).split() == normalise(normalise(once)).split()


@pytest.mark.parametrize(
    "text", ["near " * 800, "1-" * 2000, "how do " + "a " * 1990, "xqzvw " * 660, '"' * 4000]
)
def test_long_nonsense_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    answer = ask(text[:4000])
    assert isinstance(answer, Plan | QuestionBack | Refusal)
    assert time.process_time() - started < 5


def test_planning_takes_milliseconds() -> None:
    planned(BEFORE)
    started = time.process_time()
    for _ in range(10):
        planned(BEFORE)
    assert (time.process_time() - started) / 10 < 0.1


# The door


def test_questions_are_checked() -> None:
    assert check_question("  Where?  ", 100) == "Where?"
    for text in ("", "   ", "?!"):
        with pytest.raises(QuestionError, match="empty"):
            check_question(text, 100)
    with pytest.raises(QuestionError, match="101 characters"):
        check_question("a" * 101, 100)


@pytest.mark.parametrize(
    ("question", "tests"),
    [
        ("Are pitted cones nearer to outflow channels than chance allows?", [("p", "o", 40.0)]),
        ("Are pitted cones associated with outflow channels?", [("p", "o", 40.0)]),
        ("Do pitted cones avoid outflow channels?", [("p", "o", 40.0)]),
        (
            "Do pitted cones lie within 90 km of outflow channels more often than by chance?",
            [("p", "o", 90.0)],
        ),
        ("Do pitted cones overlap outflow channels more often than expected by chance?", [("p", "o", 25.6)]),
        ("are pitted cones near outflow channels", []),
    ],
)
def test_a_question_about_chance_becomes_a_test(question: str, tests: list[tuple[str, str, float]]) -> None:
    plan = planned(question)
    searches = {step.name: step.text[0] for step in plan.steps if isinstance(step, SearchWords)}
    made = [step for step in plan.steps if isinstance(step, Associate)]
    found = [(searches[step.layer.step], searches[step.other.step], step.distance_km) for step in made]
    assert found == [(a, b, pytest.approx(km)) for a, b, km in tests]
    assert plan.unparsed == ()


def test_limits_hold_for_the_whole_that_is_tested() -> None:
    plan = planned("Are gullies south of 30 S nearer to craters than chance allows?")
    (step,) = [step for step in plan.steps if isinstance(step, Associate)]
    assert step.layer.step.startswith("filter_layer")
    assert step.other.step.startswith("search_words")

"""Questions with known answers: the suite, plans held against plans, and runs of right and wrong models."""

import inspect
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
from agent.evaluate.expected import KINDS, verdict_of
from agent.evaluate.facts import expected_verdict, kind_of_pair
from agent.evaluate.ground import Ground, compared
from agent.evaluate.plans import Layer, Match, match_layer, match_measure, read_calls
from agent.evaluate.report import agent_text
from agent.evaluate.run import ask_all
from agent.evaluate.scoring import Score, score, share, summed
from agent.evaluate.suite import QUESTIONS_FOLDER, Question, read_suite
from prompts import load_prompts
from retrieval.corpus.lowell import LowellSource
from retrieval.errors import SettingsError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder, PatternSource
from tests.openai_server import Call, Reply, Say, openai_server
from tools import TOOLS

FAMILIES = {
    "find",
    "count",
    "near",
    "region",
    "latitude",
    "orientation",
    "association",
    "comparison",
    "similarity",
    "hypotheses",
    "follow_up",
    "unanswerable",
    "ambiguous",
}
SEED = 11  # as in test_evaluate_associations: a process makes it once


@pytest.fixture(scope="module")
def suite() -> list[Question]:
    return read_suite(QUESTIONS_FOLDER, kinds=tuple(KINDS))


@pytest.fixture(scope="module")
def ground(tiny_index: TileIndex, pattern_encoder: PatternEncoder, pattern_source: PatternSource) -> Ground:
    table = pattern_source.labels(tiny_index.grid)
    labels = table.iloc[tiny_index.tiles.numbers].reset_index(drop=True)
    return Ground(tiny_index, pattern_encoder, load_prompts(), labels, SEED)


# The suite


def test_the_suite_is_large_and_many_worded(suite: list[Question]) -> None:
    assert len(suite) >= 120
    assert {question.family for question in suite} == FAMILIES
    assert all(len(question.wordings) >= 2 for question in suite)
    texts = [text.casefold() for question in suite for text in question.wordings]
    assert len(set(texts)) >= 0.98 * len(texts)  # a follow-up may be put alike after other questions


def test_expected_calls_are_calls_that_exist(suite: list[Question]) -> None:
    known = {term.key for term in load_prompts().glossary}
    parameters = {tool.__name__: set(inspect.signature(tool).parameters) - {"ws"} for tool in TOOLS}
    for question in suite:
        for tools, arguments, _ in question.calls:
            for tool in tools.split("|"):
                assert tool in parameters, question.id
            assert set(arguments) <= set.union(*(parameters[tool] for tool in tools.split("|"))), question.id
            if tools == "search_words":
                assert arguments["text"] in known, question.id
        layers = question.plan.layers
        assert all(layer.way != "unknown" for layer in layers.values()), question.id
        assert question.calls or question.kind in ("declined", "absent", "asks", "explained"), question.id


def test_suites_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no questions"):
        read_suite(tmp_path)
    good = "- {id: a, ask: [Where], expect: asks}\n"
    (tmp_path / "one.yaml").write_text(good)
    assert [question.kind for question in read_suite(tmp_path, ["one"], 1, ["asks"])] == ["asks"]
    with pytest.raises(SettingsError, match="no family 'two'"):
        read_suite(tmp_path, ["two"])
    for text in ("- {id: b, ask: [], expect: asks}", "- {id: b}", "a: [", "- {id: b, ask: [x], expect: y}"):
        (tmp_path / "two.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"two\.yaml"):
            read_suite(tmp_path, kinds=["asks"])
    (tmp_path / "two.yaml").write_text(good)
    with pytest.raises(SettingsError, match="same id"):
        read_suite(tmp_path)


# Plans


def by_words(key: str, found: Layer) -> bool:
    return key.replace("_", " ") == found.sought.replace("_", " ")


def plan_of(*calls: tuple[str, dict[str, Any]]) -> Any:
    return read_calls((tool, given, (f"L{number}",)) for number, (tool, given) in enumerate(calls, 1))


def against(
    wanted: Sequence[tuple[str, dict[str, Any]]], made: Sequence[tuple[str, dict[str, Any]]]
) -> Match:
    """How the last layer of some calls fits the last layer of others."""
    one, two = plan_of(*wanted).layers, plan_of(*made).layers
    return match_layer(list(one.values())[-1], list(two.values())[-1], by_words)


SEARCHES: list[tuple[str, dict[str, Any]]] = [
    ("search_words", {"text": "gullies"}),
    ("search_words", {"text": "delta"}),
]
NEAR: tuple[str, dict[str, Any]] = ("near", {"layer": "L1", "other": "L2", "distance_km": 40})


def test_the_order_of_conditions_does_not_count() -> None:
    wanted = [*SEARCHES, NEAR, ("filter_layer", {"layer": "L3", "min_lat_deg": 10, "max_lat_deg": 60})]
    first = [
        *SEARCHES,
        ("filter_layer", {"layer": "L1", "where": ["latitude >= 10"]}),
        ("filter_layer", {"layer": "L3", "max_lat_deg": 60.0}),
        ("near", {"layer": "L4", "other": "L2", "distance_km": 40.2}),
    ]
    assert against(wanted, first) == Match(True, 5, 5)


def test_another_value_is_a_wrong_argument_of_the_right_plan() -> None:
    other = ("near", {"layer": "L1", "other": "L2", "distance_km": 25})
    assert against([*SEARCHES, NEAR], [*SEARCHES, other]) == Match(True, 2, 3)


@pytest.mark.parametrize(
    "made",
    [
        [*SEARCHES, ("near", {"layer": "L2", "other": "L1", "distance_km": 40})],
        [*SEARCHES, ("without", {"layer": "L1", "other": "L2", "distance_km": 40})],
        [*SEARCHES, NEAR, ("filter_layer", {"layer": "L3", "max_lat_deg": 0})],
        SEARCHES[:1],
    ],
    ids=["turned round", "another relation", "a condition too many", "none"],
)
def test_other_plans_are_told_apart(made: list[tuple[str, dict[str, Any]]]) -> None:
    match = against([*SEARCHES, NEAR], made)
    assert not match.same or match.right < match.total - 1
    assert match.total == 3


def test_a_chain_is_no_two_relations_of_one_thing() -> None:
    three = [*SEARCHES, ("search_words", {"text": "chaos"})]
    chain = [
        ("near", {"layer": "L2", "other": "L3", "distance_km": 45}),
        ("near", {"layer": "L1", "other": "L4", "distance_km": 40}),
    ]
    flat = [
        ("near", {"layer": "L1", "other": "L2", "distance_km": 40}),
        ("near", {"layer": "L4", "other": "L3", "distance_km": 45}),
    ]
    assert against([*three, *chain], [*three, *chain]) == Match(True, 5, 5)
    assert not against([*three, *chain], [*three, *flat]).same


def test_the_same_tile_is_near() -> None:
    either = ("overlap|near", {"layer": "L1", "other": "L2", "distance_km": [5, 60]})
    assert against([*SEARCHES, either], [*SEARCHES, ("overlap", {"layer": "L1", "other": "L2"})]).same
    assert against([*SEARCHES, either], [*SEARCHES, NEAR]) == Match(True, 3, 3)
    short = ("near", {"layer": "L1", "other": "L2", "distance_km": 20})
    overlap = ("overlap", {"layer": "L1", "other": "L2"})
    assert against([*SEARCHES, overlap], [*SEARCHES, short]).same
    assert not against([*SEARCHES, overlap], [*SEARCHES, NEAR]).same


def test_a_union_holds_its_parts_in_any_order() -> None:
    ends: list[tuple[str, dict[str, Any]]] = [
        ("search_words", {"text": "polygons"}),
        ("filter_layer", {"layer": "L1", "min_lat_deg": 50}),
        ("filter_layer", {"layer": "L1", "max_lat_deg": -50}),
    ]
    wanted = [*ends, ("union", {"layers": ["L2", "L3"]})]
    assert against(wanted, [*ends, ("union", {"layers": ["L3", "L2"]})]) == Match(True, 4, 4)
    assert not against(wanted, ends[:2]).same


def test_a_test_of_two_layers_may_be_turned_round() -> None:
    values = {"distance_km": [20, 60]}
    wanted = plan_of(*SEARCHES, ("associate", {"layer": "L1", "other": "L2", **values})).measures[0]
    found = plan_of(*SEARCHES, ("associate", {"layer": "L2", "other": "L1", "distance_km": 50})).measures[0]
    assert match_measure(wanted, found, by_words) == Match(True, 3, 3)
    far = plan_of(*SEARCHES, ("associate", {"layer": "L1", "other": "L2", "distance_km": 90})).measures[0]
    assert match_measure(wanted, far, by_words) == Match(True, 2, 3)


@given(st.floats(1, 1000), st.floats(0.5, 2))
def test_a_number_is_right_within_a_hundredth(asked_km: float, share_of_it: float) -> None:
    wanted = ("near", {"layer": "L1", "other": "L2", "distance_km": asked_km})
    made = ("near", {"layer": "L1", "other": "L2", "distance_km": asked_km * share_of_it})
    right = against([*SEARCHES, wanted], [*SEARCHES, made]).right == 3
    assert right == (abs(share_of_it - 1) <= 0.01) or abs(abs(share_of_it - 1) - 0.01) < 1e-9


# The truth


def test_relations_are_those_of_the_sphere(ground: Ground) -> None:
    one, two = ground.truth("gullies"), ground.truth("polygons")
    apart = np.array(
        [ground.body.distance_km(ground.lonlat[two], point).min() for point in ground.lonlat[one]]
    )
    wanted = plan_of(
        SEARCHES[0],
        ("search_words", {"text": "polygons"}),
        ("near", {"layer": "L1", "other": "L2", "distance_km": 130}),
    ).layers["L3"]
    assert ground.mask(wanted, "truth").sum() == (apart <= 130).sum()
    away = replace(wanted, conditions=(replace(wanted.conditions[0], kind="without"),))
    assert ground.mask(away, "truth").sum() == (apart > 130).sum()


def test_hits_are_held_against_the_truth(ground: Ground) -> None:
    layer = plan_of(("search_words", {"text": "pitted_cones"})).layers["L1"]
    quality = ground.quality(layer)
    true, found = ground.truth("pitted_cones"), ground.hits("pitted_cones")
    assert quality.precision == (true & found).sum() / found.sum()
    assert quality.recall == (true & found).sum() / true.sum()
    assert compared(true, true).f1 == compared(~true & true, ~true & true).f1 == 1.0
    assert (ground.truth("impact_crater") >= ground.truth("simple_crater")).all()


def test_blanks_are_filled_with_names_of_the_planet(ground: Ground, tmp_path: Path) -> None:
    names = set(ground.planet.places["name"])
    assert ground.filled("<mons>") in names
    assert ground.filled("<wind yardangs>").startswith("Wind region")
    tile = ground.filled("like <tile gullies>").removeprefix("like ")
    assert ground.truth("gullies")[ground.rows_of([tile])].all()
    assert (tmp_path / ground.filled("<picture gullies>", tmp_path)).stat().st_size > 0


def test_rules_give_the_verdicts() -> None:
    assert expected_verdict("pitted_cones", "outflow_channel") == "nearer"
    assert expected_verdict("outflow_channel", "pitted_cones") == "nearer"
    assert expected_verdict("pitted_cones", "lava_flow") == "farther"
    assert expected_verdict("gullies", "impact_crater") == "nearer"
    assert expected_verdict("polygons", "scalloped_depressions") == "none"
    assert kind_of_pair("polygons", "scalloped_depressions") == "false_friend"
    assert kind_of_pair("wrinkle_ridges", "outflow_channel") == "null"


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        ("L1 lies nearer to L2 than chance allows. 9 of 10", "nearer"),
        ("L1 lies neither nearer to L2 nor farther from it than chance allows: an", "no difference"),
        ("L1 lies no nearer to L2 than chance allows: an enrichment", "no difference"),
        ("Taken by itself, L1 lies nearer to L2 than chance allows, but not once corrected", "no difference"),
        ("Cannot tell whether L1 lies nearer to L2 than chance allows: L2 is empty.", "cannot tell"),
        ("L1 has a higher elevation than L2. The medians", "higher"),
        ("L1 and L2 do not differ in elevation beyond chance; a", "no difference"),
    ],
)
def test_verdicts_are_read_from_summaries(summary: str, verdict: str) -> None:
    assert verdict_of(summary) == verdict


# Whole runs

SMALL = """
- id: find
  ask: ["Where are gullies?", gullies please]
  plan: {a: {search_words: gullies}}
  expect: found
- id: near
  ask: ["Where are pitted cones within 150 km of outflow channels?"]
  plan:
    a: {search_words: pitted_cones}
    b: {search_words: outflow_channel}
    c: {near: {layer: a, other: b, distance_km: 150}}
  expect: found
- id: follow
  before: ["Where are gullies?"]
  ask: ["and south of the equator?"]
  plan: {a: {search_words: gullies}, b: {filter_layer: {layer: a, max_lat_deg: 0}}}
  expect: found
- id: area
  ask: ["How large an area do polygons cover?"]
  plan: {a: {search_words: polygons}}
  expect: area
- id: place
  ask: ["Where is <mons>?"]
  plan: {m: {find_place: <mons>}}
  expect: {place: <mons>}
- id: age
  ask: ["How old are the craters?"]
  expect: declined
- id: which
  ask: ["Are gullies associated?"]
  expect: asks
"""


@pytest.fixture
def evaluated(
    ground: Ground, pattern_encoder: PatternEncoder, home: Settings, tmp_path: Path
) -> Callable[..., dict[str, Score]]:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "small.yaml").write_text(SMALL)

    def run(model: str = "offline", only: Sequence[str] = (), **limits: Any) -> dict[str, Score]:
        questions = [q for q in read_suite(folder, kinds=tuple(KINDS)) if not only or q.id in only]
        settings = replace(home, **limits)
        asked = ask_all(questions, ground, pattern_encoder, load_prompts(), settings, model, maps=False)
        return {one.wording: score(one, ground) for one in asked}

    return run


def test_the_offline_planner_is_right_where_it_is(
    evaluated: Callable[..., dict[str, Score]], home: Settings
) -> None:
    scores = list(evaluated().values())
    assert [(one.id, one.answer) for one in scores] == [(one.id, True) for one in scores]
    assert all(one.plan for one in scores if one.values)
    assert sum(one.values_right for one in scores) == sum(one.values for one in scores) > 8
    assert all(one.citations in (True, None) for one in scores)
    assert not (home.home / "conversations.sqlite").exists()  # nothing of it stays
    report = {"model": "offline", "index": "tiny", "seed": SEED, "questions": 7, **summed(scores)}
    wanted = {"answer_accuracy", "argument_accuracy", "plan_accuracy", "refusal_accuracy", "families"}
    assert wanted | {"unsupported_numbers"} <= report.keys()
    assert report["answer_accuracy"] == report["refusal_accuracy"] == 1.0
    assert report["families"]["small"]["answers_count"] == len(scores) == 8
    assert json.loads(json.dumps(report, allow_nan=False))["unsupported_numbers"] == 0
    assert "answer right" in agent_text(report)


def scripted(evaluated: Callable[..., dict[str, Score]], question: str, *replies: Reply) -> Score:
    """What a language model's replies are worth that gives them over HTTP."""
    with openai_server(*replies) as server:
        (found, *_) = evaluated("openai:m", [question], openai_base_url=server.url).values()
    return found


CONES = Call([("search_words", {"text": "pitted cones"}), ("search_words", {"text": "outflow channel"})])


def test_a_wrong_distance_is_a_wrong_argument_and_a_wrong_answer(
    evaluated: Callable[..., dict[str, Score]], ground: Ground
) -> None:
    near = Call([("near", {"layer": "L1", "other": "L2", "distance_km": 900})])
    found = scripted(evaluated, "near", CONES, near, Say("All pitted cones are near channels [L3]."))
    assert (found.plan, found.values_right, found.values) == (True, 2, 3)
    assert found.answer is False
    assert found.citations is True


def test_a_right_answer_of_a_language_model_is_right(
    evaluated: Callable[..., dict[str, Score]], ground: Ground
) -> None:
    wanted = [("search_words", {"text": name}) for name in ("pitted cones", "outflow channel")]
    near = ("near", {"layer": "L1", "other": "L2", "distance_km": 150})
    count = int(ground.mask(plan_of(*wanted, near).layers["L3"], "hits").sum())
    found = scripted(
        evaluated, "near", CONES, Call([near]), Say(f"{count} tiles with pitted cones lie there [L3].")
    )
    assert (found.answer, found.plan, found.values_right) == (True, True, 3)
    silent = scripted(evaluated, "near", CONES, Call([near]), Say("Many tiles with pitted cones [L3]."))
    assert silent.answer is False


def test_an_invented_number_and_layer_are_seen(evaluated: Callable[..., dict[str, Score]]) -> None:
    say = Say("There are 123456 gullies [L9].")
    found = scripted(evaluated, "find", Call([("search_words", {"text": "gullies"})]), say, say, say)
    assert found.unsupported >= 2
    assert found.citations is False
    assert found.answer is False


def test_an_answer_where_none_can_be_given_is_wrong(evaluated: Callable[..., dict[str, Score]]) -> None:
    search = Call([("search_words", {"text": "craters"})])
    told = scripted(evaluated, "age", search, Say("They are old [L1]."))
    assert told.answer is False
    reason = {"reason": "Pictures hold no ages.", "suggestion": "Where are craters?"}
    assert scripted(evaluated, "age", Call([("decline", reason)]), Say("It cannot be told.")).answer is True


@given(st.integers(0, 300), st.integers(1, 300))
def test_intervals_hold_their_share(right: int, total: int) -> None:
    right = min(right, total)
    found = share("x", right, total)
    assert 0 <= found["x_low"] <= found["x"] <= found["x_high"] <= 1
    more = share("x", 4 * right, 4 * total)
    assert more["x_high"] - more["x_low"] <= found["x_high"] - found["x_low"]


def test_the_verb_prints_one_object(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # One tile in eighty of the planet: drawing all of it takes minutes.
    monkeypatch.setattr(LowellSource, "candidates", lambda self, grid: np.arange(0, len(grid), 80))
    (home.home / "settings.toml").write_text("workers = 1\n")
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "two.yaml").write_text(
        "- {id: a, ask: [How old are the craters], expect: declined}\n"
        "- {id: b, ask: [Where are they], expect: asks}\n"
    )
    argv = ["evaluate", "agent", "--seed", str(SEED), "--questions", str(folder), "--repeats", "2"]
    monkeypatch.setattr(sys, "argv", ["areographer", *argv, "--limit", "1", "--no-maps", "--json"])
    assert cli.run() == 0
    report = json.loads(capfd.readouterr().out)
    assert (report["seed"], report["model"], report["questions"], report["repeats"]) == (
        SEED,
        "offline",
        1,
        2,
    )
    assert report["refusal_accuracy"] == report["families"]["two"]["answer_accuracy"] == 1.0
    assert report["by_repeat"] == [1.0, 1.0]
    assert report["argument_accuracy"] is None  # nothing was expected to be called
    monkeypatch.setattr(sys, "argv", ["areographer", *argv[:-2], "--index", f"lowell-{SEED}"])
    assert cli.run() == 0
    text = capfd.readouterr().out
    assert "2 questions, 2 answers" in text
    assert "two" in text


def test_the_verb_says_what_is_wrong(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tiny_index: TileIndex
) -> None:
    for argv, said in [
        (("--families", "nonsense"), "nonsense"),
        (("--questions", str(home.home)), "no questions"),
        (("--seed", "-1"), "--seed"),
        (("--index", "nowhere"), "nowhere"),
    ]:
        monkeypatch.setattr(sys, "argv", ["areographer", "evaluate", "agent", *argv])
        assert cli.run() == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert said in err
        assert len(err.strip().splitlines()) == 1

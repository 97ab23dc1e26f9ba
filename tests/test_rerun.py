"""A recipe run again, changed: what runs, what comes out, in which words; the same calls give the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.conversations import ConversationStore
from agent.direct import Work
from agent.events import Answered, Step
from agent.loop import Conversation, open_conversation
from agent.reopen import reopen
from agent.rerun import (
    Edits,
    History,
    faults,
    layers_in,
    make_plan,
    read_history,
    renamed,
    schemas,
    work,
)
from agent.rerun_words import (
    Recorded,
    figure_changes,
    label_of,
    number_word,
    ordinal,
    question_text,
    read_question,
)
from agent.transcript import read_bundle, replay, write_bundle
from prompts import load_prompts
from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tools import TOOLS
from tools.layers import same_rows

Json = Any
Calls = list[tuple[str, dict[str, Json]]]

# Every kind of call that keeps, measures, tests or draws; the planet is the tiny one.
CALLS: Calls = [
    ("search_words", {"text": "pitted cones"}),  # 1: L1
    ("search_words", {"text": "outflow channel"}),  # 2: L2
    ("near", {"layer": "L1", "other": "L2", "distance_km": 70.0}),  # 3: L3
    ("filter_layer", {"layer": "L3", "where": ["km_to_L2 <= 62"]}),  # 4: L4
    ("summarise", {"layer": "L4"}),  # 5
    ("without", {"layer": "L1", "other": "L2", "distance_km": 70.0}),  # 6: L5
    ("union", {"layers": ["L3", "L5"]}),  # 7: L6
    ("merge_features", {"layer": "L6"}),  # 8: L7
    ("nearest", {"layer": "L1", "other": "L2"}),  # 9: L8
    ("associate", {"layer": "L1", "other": "L2", "distance_km": 70.0, "null": "rotation"}),  # 10
    ("density", {"layer": "L1", "by": "latitude"}),  # 11
    ("compare", {"layer": "L1", "other": "L2", "by": "latitude"}),  # 12
    ("orientation", {"layer": "L1"}),  # 13
    ("refine", {"layer": "L1", "accept": [], "reject": []}),  # 14: L9; tiles are filled in
    ("export_layer", {"layers": ["L4", "L7"], "format": "csv"}),  # 15
]
SHORT: Calls = CALLS[:5]


@pytest.fixture
def opened(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Callable[[], Conversation]:
    def open_one(conversation_id: str | None = None) -> Conversation:
        store = ConversationStore(home.conversations)
        prompts = load_prompts()
        return open_conversation(
            home, store, tiny_index, pattern_encoder, prompts, "offline", conversation_id
        )

    return open_one


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Callable[[str], Conversation]:
    """Opens a conversation that several tests go on with."""

    def open_one(name: str) -> Conversation:
        home = Settings(home=tmp_path_factory.mktemp(name), workers=1)
        store = ConversationStore(home.conversations)
        return open_conversation(home, store, tiny_index, pattern_encoder, load_prompts(), "offline")

    return open_one


@pytest.fixture(scope="module")
def short(kept: Callable[[str], Conversation]) -> Conversation:
    return held(kept("short"), SHORT[:4])


@pytest.fixture(scope="module")
def full(kept: Callable[[str], Conversation]) -> Conversation:
    """A conversation with every kind of call."""
    conversation, calls = kept("full"), [(name, dict(arguments)) for name, arguments in CALLS]
    list(conversation.run("Begin", by_hand(calls[:1])))
    tiles = conversation.workspace.layers.get("L1").table["row_id"].astype(str).tolist()
    calls[13][1].update(accept=tiles[:3], reject=tiles[-2:])
    list(conversation.run("Go on", by_hand(calls[1:])))
    assert len(read_history(conversation.turns).calls) == len(CALLS)
    return conversation


def by_hand(calls: Calls) -> Work:
    for name, arguments in calls:
        step: Step = yield name, arguments
        assert not step.error, step.error
    return "Done."


def held(conversation: Conversation, calls: Calls = SHORT) -> Conversation:
    """A conversation in which these calls were made."""
    list(conversation.run("Do it", by_hand(calls)))
    assert len(conversation.turns[0].steps) == len(calls)
    return conversation


def run(conversation: Conversation, edits: Edits, **choices: Any) -> Answered:
    """Run its recipe again."""
    plan = make_plan(read_history(conversation.turns), edits, conversation.workspace, **choices)
    last = list(conversation.run(plan.question, work(plan, conversation.workspace)))[-1]
    assert isinstance(last, Answered)
    return last


def numbers(conversation: Conversation, edits: Edits, **choices: Any) -> list[int]:
    """The calls that would run."""
    plan = make_plan(read_history(conversation.turns), edits, conversation.workspace, **choices)
    return [call.number for call in plan.calls]


def assert_same(conversation: Conversation, was: Step, now: Step, made: Mapping[str, str]) -> None:
    """One call gave what another gave, but for the count of tests, which is the conversation's."""
    store = conversation.workspace.layers
    assert len(was.layer_ids) == len(now.layer_ids)
    for old, new in zip(was.layer_ids, now.layer_ids, strict=True):
        assert same_rows(store.get(old), store.get(new)), (was.tool, old, new)
        if store.get(old).kind == "tiles":
            assert store.get(old).hash == store.get(new).hash
    changed, _ = figure_changes(was, now, made)
    assert [c for c in changed if not c.name.endswith(("tests_count", "corrected_p"))] == []


# ------------------------------------------------------------------ what runs


def test_only_what_rests_on_a_change_runs(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    assert numbers(conversation, {3: {"distance_km": 100.0}}) == [3, 4, 5]
    assert numbers(conversation, {4: {"where": ["km_to_L2 <= 100"]}}) == [4, 5]
    assert numbers(conversation, {2: {"text": "lava flow"}}) == [2, 3, 4, 5]
    assert numbers(conversation, {}, begin=4) == [4, 5]
    assert numbers(conversation, {}, begin=2, onwards=True) == [2, 3, 4, 5]
    assert numbers(conversation, {3: {"distance_km": 100.0}}, leave_out=[4]) == [3]
    assert numbers(conversation, {3: {"distance_km": 100.0}}, leave_out=[5]) == [3, 4]


def test_a_change_that_changes_nothing_runs_nothing(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    history = read_history(conversation.turns)
    for edits in ({}, {3: {"distance_km": 70}}, {1: {"min_probability": None}}, {1: {"title": None}}):
        with pytest.raises(ToolInputError, match="nothing is changed"):
            make_plan(history, edits, conversation.workspace)


def test_what_was_replaced_is_left_alone_unless_it_is_meant(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    run(conversation, {3: {"distance_km": 100.0}})  # calls 6, 7, 8 in place of 3, 4, 5; 9 compares
    history = read_history(conversation.turns)
    assert [call.step.tool for call in history.calls[5:]] == [
        "near",
        "filter_layer",
        "summarise",
        "changes",
    ]
    assert {was.number: now.number for was, now in history.runs[0].pairs if now} == {3: 6, 4: 7, 5: 8}
    assert numbers(conversation, {1: {"text": "gullies"}}) == [1, 6, 7, 8]
    assert numbers(conversation, {3: {"distance_km": 130.0}}) == [3, 4, 5]
    assert numbers(conversation, {6: {"distance_km": 130.0}}) == [6, 7, 8]


def test_what_is_wrong_is_said_of_the_argument(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    history = read_history(conversation.turns)

    def wrong(edits: Edits) -> dict[int, dict[str, str]]:
        return faults(history, edits, conversation.workspace)

    assert wrong({3: {"distance_km": 100.0}}) == {}
    assert "greater than 0" in wrong({3: {"distance_km": -1.0}})[3]["distance_km"]
    assert "valid number" in wrong({3: {"distance_km": "far"}})[3]["distance_km"]
    assert "missing" in wrong({3: {"distance_km": None}})[3]["distance_km"]
    assert "not there before" in wrong({3: {"other": "L4"}})[3]["other"]
    assert "not there before" in wrong({4: {"where": ["km_to_L9 < 3"]}})[4]["where"]
    assert "no argument" in wrong({3: {"colour": "red"}})[3]["colour"]
    assert "less than or equal to 1" in wrong({1: {"min_probability": 7.0}})[1]["min_probability"]
    assert "the layer itself" in wrong({3: {"other": "L1"}})[3]["other"]
    with pytest.raises(ToolInputError, match="no call 77"):
        wrong({77: {}})
    with pytest.raises(ToolInputError, match="call 3: distance_km"):
        make_plan(history, {3: {"distance_km": -1.0}}, conversation.workspace)


# ------------------------------------------------------------------ what comes out


def test_layers_are_made_anew_and_the_answer_compares_them(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    before = {layer.id: layer.hash for layer in conversation.workspace.layers}
    last = run(conversation, {3: {"distance_km": 100.0}})
    assert (last.status, last.evidence.unsupported) == ("answered", ())
    assert last.evidence.checked > 5
    assert {"L5", "L3"} <= set(last.evidence.citations)
    turn = conversation.turns[-1]
    assert turn.question == "Run calls 3–5 again with distance_km 100 instead of 70 in call 3"
    assert turn.model == "by hand"
    assert [(step.tool, step.error) for step in turn.steps] == [
        ("near", ""),
        ("filter_layer", ""),
        ("summarise", ""),
        ("changes", ""),
    ]
    assert turn.steps[0].arguments == {"layer": "L1", "other": "L2", "distance_km": 100.0}
    assert turn.steps[1].arguments == {"layer": "L5", "where": ["km_to_L2 <= 62"]}
    assert turn.steps[2].arguments == {"layer": "L6"}
    assert turn.steps[3].arguments == {"layers": ["L5", "L6"], "earlier": ["L3", "L4"]}
    rows = turn.steps[3].figures
    assert rows["count_L5"] - rows["count_L3"] == rows["gained_count_L5"] > 0
    assert rows["lost_count_L5"] == 0
    assert f"{rows['gained_count_L5']} new, 0 gone" in last.text
    now = {layer.id: layer.hash for layer in conversation.workspace.layers}
    assert {name: now[name] for name in before} == before
    # Nothing within 62 km of a channel is new among what lies within 100 km of one.
    assert now["L6"] == before["L4"]


def test_a_call_that_fails_takes_with_it_what_needs_it(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened(), [*SHORT, ("summarise", {"layer": "L1"})])
    edits = {4: {"where": ["km_to_L2 <= 60", "row_id >= 3"]}}
    plan = make_plan(read_history(conversation.turns), {}, conversation.workspace, begin=1, onwards=True)
    plan.edits.update(edits)  # as if it had been right when it was planned
    last = list(conversation.run(plan.question, work(plan, conversation.workspace)))[-1]
    assert isinstance(last, Answered)
    assert last.status == "answered"
    assert "**filter layer**, 4th call: it failed" in last.text
    assert "**summarise**, 5th call: not run, as it needs a layer of the 4th call" in last.text
    assert [step.tool for step in conversation.turns[-1].steps if not step.error] == [
        "search_words",
        "search_words",
        "near",
        "summarise",
        "changes",
    ]
    assert last.evidence.unsupported == ()
    history = read_history(conversation.turns)
    assert [(was.number, now and now.number) for was, now in history.runs[0].pairs] == [
        (1, 7),
        (2, 8),
        (3, 9),
        (4, None),
        (5, None),
        (6, 10),
    ]


def test_if_nothing_succeeds_the_turn_says_why(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    plan = make_plan(read_history(conversation.turns), {}, conversation.workspace, begin=4)
    plan.edits[4] = {"where": ["no_such_thing > 1"]}
    last = list(conversation.run(plan.question, work(plan, conversation.workspace)))[-1]
    assert isinstance(last, Answered)
    assert last.status == "failed"
    assert last.text.startswith("No call succeeded: ")
    assert "no_such_thing" in last.text


def test_stop_keeps_what_was_made(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened())
    plan = make_plan(read_history(conversation.turns), {3: {"distance_km": 100.0}}, conversation.workspace)
    events = conversation.run(plan.question, work(plan, conversation.workspace))
    for event in events:
        if getattr(event, "layer_ids", ()):
            conversation.workspace.stop.set()
    assert conversation.turns[-1].status == "stopped"
    assert conversation.turns[-1].steps[0].layer_ids == ("L5",)


# ------------------------------------------------------------------ the law


def test_without_changes_everything_is_the_same_and_every_word_is_backed(full: Conversation) -> None:
    conversation = full
    last = run(conversation, {}, begin=1, onwards=True)
    assert (last.status, last.evidence.unsupported) == ("answered", ())
    history = read_history(conversation.turns)
    pairs = [(was, now) for was, now in history.runs[-1].pairs if now is not None]
    assert len(pairs) == len(CALLS)
    made = {
        old: new
        for was, now in pairs
        for old, new in zip(was.step.layer_ids, now.step.layer_ids, strict=True)
    }
    for was, now in pairs:
        assert_same(conversation, was.step, now.step, made)


def test_every_tool_may_come_out_otherwise_and_every_word_is_backed(full: Conversation) -> None:
    conversation = full
    for edits in (
        {1: {"text": "gullies"}},
        {2: {"min_probability": 0.9}},
        {10: {"distance_km": 500.0, "side": "nearer"}, 11: {"step": 20.0}},
        {14: {"reject": []}, 12: {"by": "longitude"}},
    ):
        last = run(conversation, edits)
        assert last.status == "answered", last.text
        assert last.evidence.unsupported == (), last.text


@settings(max_examples=6)
@given(distance=st.floats(20, 700), other=st.floats(20, 700))
def test_a_change_and_its_reverse_give_the_first_again(
    distance: float, other: float, short: Conversation
) -> None:
    conversation = short
    run(conversation, {3: {"distance_km": distance}})
    first = {was.number: now for was, now in read_history(conversation.turns).runs[-1].pairs}
    if other == distance or first[3] is None:
        return
    run(conversation, {first[3].number: {"distance_km": other}})
    second = {was.number: now for was, now in read_history(conversation.turns).runs[-1].pairs}
    run(conversation, {second[first[3].number].number: {"distance_km": distance}})
    history = read_history(conversation.turns)
    third = [now for _, now in history.runs[-1].pairs]
    made = dict(zip(_layers(first.values()), _layers(third), strict=True))
    for was, now in zip(first.values(), third, strict=True):
        assert_same(conversation, was.step, now.step, made)


def _layers(calls: Any) -> list[str]:
    return [layer for call in calls for layer in call.step.layer_ids]


def test_a_transcript_with_a_run_replays_identically(
    opened: Callable[[], Conversation], tmp_path: Path
) -> None:
    conversation = held(opened())
    run(conversation, {3: {"distance_km": 100.0}})
    run(conversation, {}, begin=1, onwards=True)
    bundle = write_bundle(conversation.id, conversation.turns, conversation.workspace, tmp_path)
    again = replay(read_bundle(bundle.zip), conversation.workspace)
    assert (again.identical, again.differences) == (True, [])
    assert again.compared > 50


def test_a_conversation_opened_from_a_bundle_runs_again_like_the_first(
    opened: Callable[..., Conversation], home: Settings, tiny_index: TileIndex, tmp_path: Path
) -> None:
    conversation = held(opened())
    run(conversation, {3: {"distance_km": 100.0}})
    bundle = write_bundle(conversation.id, conversation.turns, conversation.workspace, tmp_path)
    with ConversationStore(home.conversations) as store:
        came = reopen(read_bundle(bundle.zip), home, store, tiny_index)
    other = opened(came.conversation_id)
    assert numbers(other, {1: {"text": "gullies"}}) == numbers(conversation, {1: {"text": "gullies"}})
    edits = {6: {"distance_km": 200.0}}
    answers = [run(one, edits).text for one in (conversation, other)]
    assert answers[0] == answers[1]
    hashes = [{layer.id: layer.hash for layer in one.workspace.layers} for one in (conversation, other)]
    assert hashes[0] == hashes[1]


def test_a_test_asked_again_of_the_same_rows_counts_once(opened: Callable[[], Conversation]) -> None:
    conversation = held(opened(), [*SHORT[:2], CALLS[9]])
    run(conversation, {}, begin=1, onwards=True)
    assert conversation.workspace.record_test("another", 0.5)[0] == 2


# ------------------------------------------------------------------ names and words


def test_the_arguments_that_name_layers_are_known() -> None:
    named = {tool.__name__: schemas()[tool.__name__].layers for tool in TOOLS}
    assert named["associate"] == ("layer", "other")
    assert named["filter_layer"] == ("layer", "inside", "outside")
    assert named["changes"] == ("layers", "earlier")
    assert named["refine"] == ("layer",)
    assert named["search_words"] == named["search_example"] == named["decline"] == ()
    guessed = {"layer", "layers", "other", "catalogue", "inside", "outside", "earlier"}
    for name, schema in schemas().items():
        assert set(schema.layers) == guessed & set(schema.json_schema()["properties"]), name


def test_layers_are_renamed_wherever_they_are_named_and_nowhere_else() -> None:
    made = {"L2": "L7", "L4": "L12"}
    arguments = {"layer": "L2", "where": ["km_to_L2 <= 3", "name = L21", "xL2 > 1"], "place": "L2"}
    assert layers_in("filter_layer", arguments) == {"L2", "L21"}
    assert renamed("filter_layer", arguments, made) == {
        "layer": "L7",
        "where": ["km_to_L7 <= 3", "name = L21", "xL2 > 1"],
        "place": "L2",
    }
    strata = {"layer": "l2", "other": "[L3]", "distance_km": 4.0, "strata": "L4.unit"}
    assert renamed("associate", strata, made) == strata | {"layer": "L7", "strata": "L12.unit"}
    assert renamed("search_words", {"text": "L2"}, made) == {"text": "L2"}
    assert layers_in("nonsense", {"layer": "L2"}) == set()


@given(st.sets(st.integers(1, 400), min_size=1, max_size=40))
def test_what_was_asked_for_can_be_read_again(wanted: set[int]) -> None:
    calls = [a_call(number) for number in sorted(wanted)]
    assert read_question(question_text(calls, {})) == sorted(wanted)


def a_call(number: int) -> Recorded:
    return Recorded(number, 0, Step("s", "near", {"distance_km": 4.0}, "", (), {}, (), 0.0))


@pytest.mark.parametrize(
    "text",
    [
        "Where are cones?",
        "Run away",
        "Run calls 5–99999999999999999999 again",
        "Run calls 1–999999 again",
        "Run it again",
    ],
)
def test_other_questions_ask_for_no_run(text: str) -> None:
    assert read_question(text) == []


def test_a_question_says_what_is_changed() -> None:
    call = a_call(3)
    assert question_text([call], {}) == "Run call 3 again, unchanged"
    assert question_text([call], {3: {"distance_km": 60.0}}) == (
        "Run call 3 again with distance_km 60 instead of 4"
    )
    assert question_text([call], {3: {"distance_km": None}}) == "Run call 3 again without distance_km 4"
    long = question_text([call], {3: {f"argument_{n}": "x" * 500 for n in range(30)}})
    assert len(long) < 900


def test_numbers_that_no_tool_gave_are_words() -> None:
    assert [number_word(n) for n in (0, 1, 12, 19, 20, 21, 99, 100)] == [
        "no",
        "one",
        "twelve",
        "nineteen",
        "twenty",
        "twenty-one",
        "ninety-nine",
        "many",
    ]
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 111)] == [
        "1st",
        "2nd",
        "3rd",
        "4th",
        "11th",
        "12th",
        "13th",
        "21st",
        "111th",
    ]
    assert label_of("near_percent") == "near"
    assert label_of("median_distance_km") == "median distance"


def test_an_empty_conversation_has_an_empty_recipe() -> None:
    assert read_history([]) == History((), ())

"""The verdicts on tiles: a history that survives restarts, other windows, branches and deletion."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import labels as module
from agent.conversations import ConversationStore
from agent.events import Step, Turn
from agent.labels import Labels
from retrieval.errors import QuestionError, SettingsError

STEP = Step("q1s1", "search_words", {"text": "cones"}, "L1: 41 tiles.", ("L1",), {"count": 41}, (), 0.2)
TURN = Turn("Where are cones?", (STEP,), "41 tiles [L1].", "answered")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    with ConversationStore(tmp_path / "c.sqlite") as store:
        yield store


@pytest.fixture
def conversation(store: ConversationStore) -> str:
    conversation = store.create("lowell", "offline")
    store.append(conversation, TURN)
    return conversation


def said(labels: Labels, conversation: str, search: str = "L1") -> dict[str, str]:
    return {tile: label.verdict for tile, label in labels.of(conversation, search).items()}


def test_the_last_word_on_a_tile_counts(store, conversation) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a": "accept", "b": "reject", "c": "reject"}, "L1", "random")
    labels.judge(conversation, "L1", {"b": "accept", "c": "none"}, "L2", "surest")
    labels.judge(conversation, "L4", {"a": "reject"}, "L4", "map")
    assert said(labels, conversation) == {"a": "accept", "b": "accept"}
    assert said(labels, conversation, "L4") == {"a": "reject"}
    # A changed mind changes the verdict, not how the tile came to be looked at.
    assert labels.of(conversation, "L1")["b"].view == "random"
    assert [record["search"] for record in labels.export(conversation)] == ["L1", "L1", "L4"]


MOVES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["accept", "reject", "none", "undo"])), max_size=12
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_undoing_goes_back_the_way_that_was_come(store, conversation, moves) -> None:
    labels = Labels(store)
    labels.undo(conversation, "L1", 1000)
    assert said(labels, conversation) == {}
    past: list[dict[str, str]] = [{}]
    for tile, word in moves:
        if word == "undo":
            labels.undo(conversation, "L1")
            past = past[:-1] or past
        else:
            labels.judge(conversation, "L1", {tile: word}, "L1")
            after = {**past[-1], tile: word}
            past.append({name: verdict for name, verdict in after.items() if verdict != "none"})
        assert said(labels, conversation) == past[-1]


def test_undo_names_what_it_took_back(store, conversation) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a": "accept"}, "L1")
    labels.judge(conversation, "L1", {"b": "reject"}, "L1")
    labels.judge(conversation, "L7", {"z": "reject"}, "L7")
    assert labels.undo(conversation, "L1", 2) == ["b", "a"]
    assert labels.undo(conversation, "L1") == []
    assert said(labels, conversation, "L7") == {"z": "reject"}


def test_another_window_and_another_start_see_them(store, conversation) -> None:
    Labels(store).judge(conversation, "L1", {"a": "accept"}, "L1")
    with ConversationStore(store.path) as other:
        assert said(Labels(other), conversation) == {"a": "accept"}
        Labels(other).judge(conversation, "L1", {"b": "reject"}, "L1")
    assert said(Labels(store), conversation) == {"a": "accept", "b": "reject"}


def test_a_branch_begins_with_those_of_the_searches_it_keeps(store, conversation) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a": "accept", "b": "reject"}, "L1", "random")
    labels.judge(conversation, "L5", {"a": "accept"}, "L5")
    store.branch(conversation, "b" * 32, [TURN])
    assert said(labels, "b" * 32) == {"a": "accept", "b": "reject"}
    assert said(labels, "b" * 32, "L5") == {}
    labels.judge("b" * 32, "L1", {"a": "none"}, "L1")
    assert said(labels, conversation) == {"a": "accept", "b": "reject"}


def test_they_go_with_their_conversation(store, conversation) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a-tile-of-no-one-elses-business": "accept"}, "L1")
    store.delete(conversation)
    assert labels.export(conversation) == []
    for path in store.path.parent.glob(store.path.name + "*"):
        assert b"no-one-elses-business" not in path.read_bytes()
    with pytest.raises(SettingsError, match="no conversation"):
        labels.judge(conversation, "L1", {"a": "accept"}, "L1")


def test_what_was_exported_can_be_taken_in_again(store, conversation) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a": "accept", "b": "reject"}, "L2", "random")
    labels.judge(conversation, "L3", {"b": "accept"}, "L3")
    other = store.create("lowell", "offline")
    records = labels.export(conversation)
    assert labels.restore(other, records) == 3
    assert labels.export(other) == records


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "none"},
        {"verdict": "<script>"},
        {"view": "elsewhere"},
        {"tile_id": "x" * 81},
        {"tile_id": ""},
        {"layer": 3},
        {"time": None},
    ],
    ids=str,
)
def test_of_made_up_records_nothing_is_kept(store, conversation, change) -> None:
    labels = Labels(store)
    labels.judge(conversation, "L1", {"a": "accept"}, "L1")
    good = labels.export(conversation)[0]
    other = store.create("lowell", "offline")
    with pytest.raises(QuestionError):
        labels.restore(other, [good, good | change])
    with pytest.raises(QuestionError, match=r"lacks a field.*tile_id"):
        labels.restore(other, [{"tile_id": "a"}])
    assert labels.export(other) == []


def test_other_words_and_too_many_are_refused(store, conversation, monkeypatch) -> None:
    labels = Labels(store)
    with pytest.raises(QuestionError, match=r"'maybe' is no verdict.*accept, reject, none"):
        labels.judge(conversation, "L1", {"a": "maybe"}, "L1")
    with pytest.raises(QuestionError, match=r"no view.*random"):
        labels.judge(conversation, "L1", {"a": "accept"}, "L1", "sideways")
    with pytest.raises(QuestionError, match="too long"):
        labels.judge(conversation, "L1", {"a" * 81: "accept"}, "L1")
    monkeypatch.setattr(module, "MOST_VERDICTS", 2)
    labels.judge(conversation, "L1", {"a": "accept", "b": "accept"}, "L1")
    with pytest.raises(QuestionError, match=r"too many verdicts.*new conversation"):
        labels.judge(conversation, "L1", {"c": "accept"}, "L1")
    assert said(labels, conversation) == {"a": "accept", "b": "accept"}

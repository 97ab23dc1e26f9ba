"""Turns without a model: stored, checked and remembered like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.conversations import ConversationStore
from agent.direct import BY_HAND, Work
from agent.events import Answered, Step, StepFinished, StepStarted
from agent.loop import Conversation, open_conversation
from prompts import load_prompts
from retrieval.errors import QuestionError, ToolInputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder

Opener = Callable[..., Conversation]


@pytest.fixture
def opened(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Opener:
    store = ConversationStore(home.conversations)

    def open_one(conversation_id: str | None = None) -> Conversation:
        return open_conversation(
            home, store, tiny_index, pattern_encoder, load_prompts(), "offline", conversation_id
        )

    return open_one


def search_and_filter() -> Work:
    found = yield "search_words", {"text": "pitted cones"}
    kept: Step = yield "filter_layer", {"layer": found.layer_ids[0], "min_lat_deg": 0.0}
    return f"{kept.figures['count']} tiles lie in the north [{kept.layer_ids[0]}]."


def test_calls_run_in_order_and_the_turn_is_like_any_other(opened: Opener) -> None:
    conversation = opened()
    events = list(conversation.run("Search and filter", search_and_filter()))
    kinds = [type(event) for event in events]
    assert kinds[:4] == [StepStarted, StepFinished, StepStarted, StepFinished]
    last = events[-1]
    assert isinstance(last, Answered)
    assert (last.status, last.evidence.citations, last.evidence.unsupported) == ("answered", ("L2",), ())
    (turn,) = opened(conversation.id).turns
    assert (turn.model, turn.question) == (BY_HAND, "Search and filter")
    assert [step.tool for step in turn.steps] == ["search_words", "filter_layer"]
    # The planner knows the layers when it is asked next.
    answered = list(conversation.ask("How many of those are there?"))[-1]
    assert isinstance(answered, Answered)
    assert answered.status == "answered"


def test_a_number_that_no_tool_gave_is_marked(opened: Opener) -> None:
    def work() -> Work:
        yield "search_words", {"text": "pitted cones"}
        return "There are 98765 of them [L1]."

    last = list(opened().run("Invent", work()))[-1]
    assert isinstance(last, Answered)
    assert last.evidence.unsupported == ("98765",)


def test_a_failed_call_goes_back_to_the_work(opened: Opener) -> None:
    seen: list[Step] = []

    def work() -> Work:
        seen.append((yield "filter_layer", {"layer": "L9", "min_lat_deg": 0.0}))
        seen.append((yield "no_such_tool", {}))
        return "Nothing was found."

    last = list(opened().run("Fail", work()))[-1]
    assert isinstance(last, Answered)
    assert last.status == "answered"
    assert "there is no layer 'L9'" in seen[0].error
    assert seen[1].error


def test_what_the_work_refuses_ends_the_turn_in_words(opened: Opener) -> None:
    def work() -> Work:
        yield "search_words", {"text": "pitted cones"}
        raise ToolInputError("the recipe has no call 7", allowed="1 to 3")

    conversation = opened()
    last = list(conversation.run("Refuse", work()))[-1]
    assert isinstance(last, Answered)
    assert (last.status, last.text) == ("failed", "The recipe has no call 7. Allowed: 1 to 3.")
    assert conversation.turns[-1].steps[0].layer_ids == ("L1",)


def test_our_own_fault_leaves_the_conversation_usable(opened: Opener) -> None:
    def work() -> Work:
        yield "search_words", {"text": "pitted cones"}
        raise ZeroDivisionError

    conversation = opened()
    last = list(conversation.run("Break", work()))[-1]
    assert isinstance(last, Answered)
    assert last.status == "failed"
    assert "our side" in last.text
    assert "[L1]" in last.text
    again = list(conversation.run("Search and filter", search_and_filter()))[-1]
    assert isinstance(again, Answered)
    assert again.status == "answered"


def test_stop_ends_it_and_keeps_what_was_found(opened: Opener) -> None:
    conversation = opened()

    def work() -> Work:
        yield "search_words", {"text": "pitted cones"}
        conversation.workspace.stop.set()
        yield "search_words", {"text": "outflow channel"}
        raise AssertionError("it should have stopped")

    last = list(conversation.run("Stop", work()))[-1]
    assert isinstance(last, Answered)
    assert (last.status, last.evidence.citations) == ("stopped", ("L1",))


def test_only_one_at_a_time(opened: Opener, tmp_path: Path) -> None:
    conversation = opened()
    first = conversation.run("Search and filter", search_and_filter())
    next(first)
    with pytest.raises(QuestionError, match="still being answered"):
        next(conversation.run("Again", search_and_filter()))
    assert isinstance(list(first)[-1], Answered)

"""Turns: a few answers at a time, the others in order; who waits long can stop, who works long gives way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agent.chat.dialogue import messages
from agent.chat.sessions import Progress
from agent.conversations import ConversationStore
from agent.events import Answered, StepStarted, Waiting
from agent.loop import Conversation, open_conversation
from agent.turnstile import Turnstile
from prompts import load_prompts
from retrieval.errors import Cancelled
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder

GO_ON = threading.Event()
QUESTION = "Where are pitted cones?"


def waits(turnstile: Turnstile, name: str, order: list[str], gate: threading.Event) -> list[int]:
    with turnstile.turn(GO_ON) as turn:
        told = list(turn.wait())
        order.append(name)
        gate.wait(10)
    return told


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came to be")


def test_the_first_go_at_once_and_the_others_in_the_order_they_came() -> None:
    turnstile, order, gate = Turnstile(2), [], threading.Event()
    with ThreadPoolExecutor(6) as pool:
        asked = []
        for number in range(6):
            asked.append(pool.submit(waits, turnstile, str(number), order, gate))
            until(lambda number=number: len(order) + len(turnstile._queue) == number + 1)
        assert sorted(order) == ["0", "1"]
        gate.set()
        told = [one.result(10) for one in asked]
    assert sorted(order[:2]) == ["0", "1"]
    assert told[:2] == [[], []]
    assert [one[0] for one in told[2:]] == [0, 1, 2, 3]
    assert all(one == sorted(one, reverse=True) for one in told)


def test_who_is_stopped_while_waiting_holds_nobody_up() -> None:
    turnstile, stop = Turnstile(1), threading.Event()
    with turnstile.turn(GO_ON) as first:
        assert list(first.wait()) == []
        with turnstile.turn(stop) as second:
            waiting = second.wait()
            assert next(waiting) == 0
            stop.set()
            with pytest.raises(Cancelled):
                next(waiting)
    with turnstile.turn(GO_ON) as third:
        assert list(third.wait()) == []


def test_who_works_long_gives_way_to_those_who_wait_and_to_nobody_else() -> None:
    turnstile, order, gate = Turnstile(1, slice_s=0.0), [], threading.Event()
    gate.set()
    with turnstile.turn(GO_ON) as long, ThreadPoolExecutor(1) as pool:
        assert list(long.wait()) == []
        assert list(long.give_way()) == []
        other = pool.submit(waits, turnstile, "short", order, gate)
        until(lambda: len(turnstile._queue) == 1)
        assert order == []
        list(long.give_way())
        assert order == ["short"]
        assert other.result(10) == [0]


def test_an_answer_that_breaks_gives_its_place_back() -> None:
    turnstile = Turnstile(1)

    def breaks() -> None:
        with turnstile.turn(GO_ON) as turn:
            list(turn.wait())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks()
    with turnstile.turn(GO_ON) as turn:
        assert list(turn.wait()) == []


class TestConversation:
    """Two conversations of one program that compute one answer at a time."""

    @pytest.fixture
    def talks(
        self, home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder
    ) -> Iterator[tuple[Conversation, Turnstile, ConversationStore]]:
        turnstile = Turnstile(1)
        with ConversationStore(home.conversations) as store:
            talk = open_conversation(home, store, tiny_index, pattern_encoder, load_prompts(), "offline")
            talk.turnstile = turnstile
            yield talk, turnstile, store

    def test_a_question_that_waits_is_told_so_and_kept(
        self, talks: tuple[Conversation, Turnstile, ConversationStore]
    ) -> None:
        talk, turnstile, store = talks
        with turnstile.turn(GO_ON) as other:
            list(other.wait())
            events = talk.ask(QUESTION)
            assert next(events) == Waiting(0)
            noted = store.in_hand(talk.id)
            assert noted is not None
            assert noted.question == QUESTION
        *_, answered = events
        assert isinstance(answered, Answered)
        assert answered.status == "answered"
        assert [turn.question for turn in store.turns(talk.id)] == [QUESTION]

    def test_it_can_be_stopped_and_the_next_is_answered(
        self, talks: tuple[Conversation, Turnstile, ConversationStore]
    ) -> None:
        talk, turnstile, store = talks
        with turnstile.turn(GO_ON) as other:
            list(other.wait())
            events = talk.ask(QUESTION)
            assert next(events) == Waiting(0)
            talk.workspace.stop.set()
            *_, stopped = events
            assert isinstance(stopped, Answered)
            assert stopped.status == "stopped"
        *_, answered = talk.ask(QUESTION)
        assert isinstance(answered, Answered)
        assert answered.status == "answered"
        assert [turn.status for turn in store.turns(talk.id)] == ["stopped", "answered"]

    def test_a_page_that_goes_away_while_waiting_leaves_no_place_taken(
        self, talks: tuple[Conversation, Turnstile, ConversationStore]
    ) -> None:
        talk, turnstile, _ = talks
        with turnstile.turn(GO_ON) as other:
            list(other.wait())
            events = talk.ask(QUESTION)
            next(events)
            events.close()  # type: ignore[attr-defined]
        *_, answered = talk.ask(QUESTION)
        assert isinstance(answered, Answered)
        assert answered.status == "answered"


def test_the_dialogue_says_how_many_come_first() -> None:
    progress = Progress("Where?")
    for before, words in ((2, "Waiting: 2 questions of others come first"), (0, "Waiting: next in line")):
        progress.take(Waiting(before))
        assert messages(progress, 0, "", latest=True)[1]["metadata"]["title"] == words
    progress.take(StepStarted("1", "near", {}))
    assert messages(progress, 0, "", latest=True)[1]["metadata"]["title"] == "Working, step 1"

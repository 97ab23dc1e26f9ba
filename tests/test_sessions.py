"""Sessions: work in the background, many followers, an end whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from agent.chat import sessions, timeleft
from agent.chat.sessions import OUR_FAULT, Progress, Session, Sessions
from agent.events import Answered, AnswerText, Event, Evidence, StepFinished, StepStarted, Turn
from retrieval.errors import QuestionError, SettingsError
from retrieval.stop import counted

DONE = Answered("All done [L1].", "answered", Evidence(1, (), ("L1",)), ("More?",), 0.2)
STARTED = StepStarted("a", "search_words", {"text": "dunes"})
PIECE = AnswerText("All")
FINISHED = StepFinished("a", "search_words", {"text": "dunes"}, "Found.", ("L1",), {"count": 3}, (), 0.1)


class Scripted:
    """A conversation that yields the given events, waiting at each ``None`` for the gate."""

    def __init__(self, name: str = "one", script: Any = (STARTED, FINISHED, PIECE, DONE)) -> None:
        self.id = name
        self.turns: list[Turn] = []
        self.workspace = SimpleNamespace(stop=threading.Event())
        self.gate = threading.Event()
        self.script = script

    def ask(self, question: str) -> Iterator[Event]:
        for event in self.script:
            if isinstance(event, Exception):
                raise event
            if event is None:
                self.gate.wait(10)
            else:
                yield event


def session_of(*script: object) -> Session:
    return Session(Scripted(script=script))  # type: ignore[arg-type]


def test_a_run_ends_with_everything_in_its_progress() -> None:
    session = session_of(STARTED, FINISHED, AnswerText("One "), AnswerText("two"), DONE)
    run = session.ask("Where?")
    *_, last = run.follow()
    assert last.question == "Where?"
    assert last.steps == [FINISHED.step]
    assert last.text == DONE.text
    assert last.answered == DONE
    assert last.layer_ids == ("L1",)
    assert run.join(5)
    assert not session.busy


def test_text_that_starts_over_replaces_what_was_there() -> None:
    progress = Progress("q")
    for event in (AnswerText("Let me see"), AnswerText("The ", restart=True), AnswerText("answer")):
        progress.take(event)
    assert progress.text == "The answer"


def test_a_step_that_ends_without_a_start_is_kept() -> None:
    progress = Progress("q")
    progress.take(FINISHED)
    assert progress.steps == [FINISHED.step]
    assert progress.layer_ids == ("L1",)


def test_several_pages_follow_one_run_and_a_late_one_sees_all() -> None:
    conversation = Scripted(script=(STARTED, None, FINISHED, DONE))
    session = Session(conversation)  # type: ignore[arg-type]
    run = session.ask("Where?")
    first = run.follow()
    while not next(first).steps:
        pass
    late = run.follow()
    assert next(late).steps == [STARTED]
    conversation.gate.set()
    assert list(first)[-1].answered == DONE
    assert list(late)[-1].answered == DONE


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ((STARTED, QuestionError("no such thing", next_step="ask again")), "No such thing. Next: ask again."),
        ((STARTED, FINISHED, ZeroDivisionError("oops")), OUR_FAULT),
        ((STARTED,), OUR_FAULT),
    ],
)
def test_whatever_breaks_the_run_has_an_end_and_keeps_its_steps(script: object, said: str) -> None:
    session = session_of(*script)  # type: ignore[misc]
    *_, last = session.ask("Where?").follow()
    assert last.answered is not None
    assert last.answered.status == "failed"
    assert last.text == said
    assert len(last.steps) == 1
    assert session.ask("Again").follow()


def test_one_question_at_a_time() -> None:
    conversation = Scripted(script=(None, DONE))
    session = Session(conversation)  # type: ignore[arg-type]
    run = session.ask("First")
    with pytest.raises(QuestionError, match="still being answered"):
        session.ask("Second")
    with pytest.raises(QuestionError, match="still being answered"):
        session.refuse("Second", QuestionError("bad picture"))
    conversation.gate.set()
    assert list(run.follow())[-1].answered == DONE
    session.refuse("Second", QuestionError("bad picture"))
    assert [p.question for p in session.all()] == ["First", "Second"]
    assert session.all()[1].text == "Bad picture."


def test_stop_reaches_the_work_and_shows_at_once() -> None:
    conversation = Scripted(script=(STARTED, None, DONE))
    session = Session(conversation)  # type: ignore[arg-type]
    session.stop()  # nothing runs: nothing happens
    assert not conversation.workspace.stop.is_set()
    run = session.ask("Where?")
    session.stop()
    assert conversation.workspace.stop.is_set()
    assert next(run.follow()).stopping
    conversation.gate.set()
    *_, last = run.follow()
    assert not last.stopping
    conversation.workspace.stop.clear()
    run.stop()  # over already
    assert not conversation.workspace.stop.is_set()


def test_stored_turns_look_as_they_did() -> None:
    conversation = Scripted()
    conversation.turns = [Turn("Where?", (FINISHED.step,), DONE.text, "answered", DONE.evidence, ("More?",))]
    (progress,) = Session(conversation).all()  # type: ignore[arg-type]
    assert progress.answered is not None
    assert progress.answered.suggestions == ("More?",)
    assert progress.steps == [FINISHED.step]


def test_the_least_recently_used_conversation_is_closed_and_a_busy_one_never() -> None:
    opened: dict[str, Scripted] = {}

    def open_one(name: str | None) -> Any:
        if name == "unknown":
            raise SettingsError("there is no such conversation")
        made = Scripted(name or f"new-{len(opened)}", script=(None, DONE))
        opened[made.id] = made
        return made

    sessions = Sessions(open_one, capacity=2, spare_s=0)
    busy = sessions.new()
    run = busy.ask("Where?")
    assert sessions.get(busy.id) is busy
    kept = sessions.get("a")
    assert sessions.get("b") is not kept
    assert len(sessions) == 2
    assert sessions.get(busy.id) is busy
    assert sessions.get("a") is not kept
    with pytest.raises(SettingsError):
        sessions.get("unknown")
    opened[busy.id].gate.set()
    sessions.close()
    assert run.finished
    assert len(sessions) == 0


def test_followers_hear_how_far_a_long_step_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeleft, "MEANINGFUL_S", 0.0)
    monkeypatch.setattr(sessions, "NEWS_S", 0.0)
    gate = threading.Event()

    class Long(Scripted):
        def ask(self, question: str) -> Iterator[Event]:
            yield STARTED
            for piece in counted(range(4)):
                if piece == 2:
                    gate.wait(10)
            yield FINISHED
            yield DONE

    seen = []
    for progress in Session(Long()).ask("Where?").follow(0.0):  # type: ignore[arg-type]
        seen.append(progress.left.words)
        if seen[-1].startswith("50 %"):
            gate.set()
    assert any(words.startswith("50 %") for words in seen)
    assert seen[-1] == ""


def test_a_conversation_that_is_deleted_while_a_page_opens_it_is_gone() -> None:
    opening, deleted = threading.Event(), threading.Event()

    def open_slowly(name: str | None) -> Scripted:
        opening.set()
        assert deleted.wait(10)
        return Scripted(str(name))

    known = Sessions(open_slowly)  # type: ignore[arg-type]
    came: list[object] = []

    def page() -> None:
        try:
            came.append(known.get("one"))
        except QuestionError as error:
            came.append(str(error))

    thread = threading.Thread(target=page)
    thread.start()
    assert opening.wait(10)
    known.forget("one", deleted=True)
    deleted.set()
    thread.join(10)
    assert came == ["the conversation was deleted. Next: start a new one."]
    assert len(known) == 0


def test_a_session_that_is_about_to_be_asked_is_not_closed() -> None:
    opened = iter(range(100))
    sessions = Sessions(lambda name: Scripted(name or f"c{next(opened)}"), capacity=2)  # type: ignore[arg-type, return-value]
    first = sessions.new()
    for _ in range(5):
        sessions.new()
    assert sessions.get(first.id) is first

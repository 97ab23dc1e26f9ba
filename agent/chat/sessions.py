"""Conversations in use: the most recent kept open, each answering in a thread of its own.

A page that asks a question only follows the work; a reload follows it again, a second page may follow
too, and a page that goes away ends nothing. What a page draws is a `Progress`: the state of one question,
live or long finished, in the same form.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.chat.timeleft import TimeLeft
from agent.direct import BY_HAND
from agent.events import (
    Answered,
    AnswerText,
    Event,
    Evidence,
    Planned,
    Step,
    StepFinished,
    StepStarted,
    Turn,
    Waiting,
)
from agent.record import as_sentence
from retrieval.errors import InputError, QuestionError
from retrieval.stop import watched_by

if TYPE_CHECKING:
    from agent.direct import Work
    from agent.loop import Conversation

log = logging.getLogger(__name__)

OUR_FAULT = (
    "Something went wrong on our side, so this question has no answer. What was finished before is kept; "
    "the server's log has the details."
)

BUSY = "the previous question is still being answered"
WAIT = "wait for it, or press stop first"

# How often pages hear that a long step has gone on.
NEWS_S = 0.4


@dataclass
class Progress:
    """What is known so far about one question.

    Attributes
    ----------
    steps
        In the order they started; a `StepStarted` turns into a `Step` when it ends.
    text
        The answer as far as it is written.
    answered
        The last event, once there is one.
    stopping
        The user pressed stop and the work has not ended yet.
    plan
        What the model said before its first step.
    by_hand
        A person chose its calls in a panel; there was no model to ask.
    left
        How far the step in hand has come.
    before
        How many questions of other people wait before this one; None once it is worked on.
    """

    question: str
    steps: list[StepStarted | Step] = field(default_factory=list)
    text: str = ""
    answered: Answered | None = None
    stopping: bool = False
    plan: str = ""
    by_hand: bool = False
    left: TimeLeft = field(default_factory=TimeLeft, compare=False)
    before: int | None = None

    @classmethod
    def of(cls, turn: Turn) -> Progress:
        """A finished turn, as it looked at its end."""
        answered = Answered(turn.answer, turn.status, turn.evidence, turn.suggestions, turn.seconds)
        by_hand = turn.model == BY_HAND
        return cls(turn.question, list(turn.steps), turn.answer, answered, plan=turn.plan, by_hand=by_hand)

    @property
    def layer_ids(self) -> tuple[str, ...]:
        """Layers worth showing: those the answer cites, else those of the last step that made any."""
        if self.answered and self.answered.evidence.citations:
            return self.answered.evidence.citations
        made = [step.layer_ids for step in self.steps if isinstance(step, Step) and step.layer_ids]
        return made[-1] if made else ()

    def take(self, event: Event) -> None:
        """Add one event."""
        self.left, self.before = TimeLeft(), None
        if isinstance(event, StepStarted):
            self.steps.append(event)
        elif isinstance(event, StepFinished):
            ids = [step.step_id for step in self.steps]
            if event.step_id in ids:
                self.steps[ids.index(event.step_id)] = event.step
            else:
                self.steps.append(event.step)
        elif isinstance(event, Waiting):
            self.before = event.before
        elif isinstance(event, Planned):
            self.plan, self.text = event.text, ""
        elif isinstance(event, AnswerText):
            self.text = event.text if event.restart else self.text + event.text
        else:
            self.answered, self.text = event, event.text

    def refuse(self, error: InputError) -> None:
        """End with the reason why it cannot be answered."""
        self.take(Answered(as_sentence(error), "failed", Evidence(), (), 0.0))


class Run:
    """One question being answered in its own thread.

    Parameters
    ----------
    work
        The calls to make, where no model is to choose them.
    """

    def __init__(self, conversation: Conversation, question: str, work: Work | None = None) -> None:
        self.progress = Progress(question, by_hand=work is not None)
        self._conversation = conversation
        self._work_by_hand = work
        self._news = threading.Condition()
        self._version = 0
        self._told = 0.0
        self._thread = threading.Thread(target=self._work, name="answer", daemon=True)
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether the last event has come."""
        return self.progress.answered is not None

    def follow(self, pause_s: float = 0.05) -> Iterator[Progress]:
        """Yield the progress now, after every change (at most one per ``pause_s``), and at the end."""
        seen = -1
        while True:
            with self._news:
                self._news.wait_for(lambda: self._version > seen)  # noqa: B023 (called before seen changes)
                seen, finished = self._version, self.finished
            yield self.progress
            if finished:
                return
            time.sleep(pause_s)

    def stop(self) -> None:
        """Ask the work to end; it ends after the piece of work in hand."""
        if not self.finished:
            self._conversation.workspace.stop.set()
            with self._news:
                self.progress.stopping = True
                self._version += 1
                self._news.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        started = time.perf_counter()
        try:
            with watched_by(self._tell):
                for event in self._events():
                    self._take(event)
        except InputError as error:
            text = as_sentence(error)
        except Exception:
            # The thread's last line: whatever broke, the page must get an end, and the log the reason.
            log.exception("a question could not be answered")
            text = OUR_FAULT
        else:
            text = OUR_FAULT
        if not self.finished:
            self._take(Answered(text, "failed", Evidence(), (), time.perf_counter() - started))

    def _tell(self, done: int, count: int) -> None:
        # Called by the loops of the step in hand, some hundred times a second: pages hear of few of them.
        left = self.progress.left
        left.tell(done, count)
        now = time.monotonic()
        if now - self._told > NEWS_S and left.words:
            self._told = now
            with self._news:
                self._version += 1
                self._news.notify_all()

    def _events(self) -> Iterator[Event]:
        question, work = self.progress.question, self._work_by_hand
        return self._conversation.ask(question) if work is None else self._conversation.run(question, work)

    def _take(self, event: Event) -> None:
        with self._news:
            self.progress.take(event)
            if self.finished:
                self.progress.stopping = False
            self._version += 1
            self._news.notify_all()


class Session:
    """One open conversation and what its pages show."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.past = [Progress.of(turn) for turn in conversation.turns]
        self.run: Run | None = None
        self.used = time.monotonic()  # when a page last asked for it
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The conversation's id."""
        return self.conversation.id

    @property
    def busy(self) -> bool:
        """Whether a question is being answered."""
        return self.run is not None and not self.run.finished

    @property
    def version(self) -> str:
        """Changes with everything that pages show of it, but for the progress of the question in hand."""
        layers = len(self.conversation.workspace.layers)
        return f"{len(self.all())}.{layers}.{'+' if self.busy else '-'}"

    def all(self) -> list[Progress]:
        """Every question so far, the running one last; failed ones included."""
        return [*self.past, *([self.run.progress] if self.run else [])]

    def ask(self, question: str, work: Work | None = None) -> Run:
        """Start answering, or start the calls of ``work``, which need no model.

        Raises
        ------
        QuestionError
            If the previous question is still being answered.
        """
        with self._lock:
            if self.busy:
                raise QuestionError(BUSY, next_step=WAIT)
            if self.run:
                self.past.append(self.run.progress)
            self.run = Run(self.conversation, question, work)
            return self.run

    def refuse(self, question: str, error: InputError) -> None:
        """Put a question that cannot even be asked into the dialogue, with the reason."""
        with self._lock:
            if self.busy:
                raise QuestionError(BUSY, next_step=WAIT)
            if self.run:
                self.past.append(self.run.progress)
                self.run = None
            refused = Progress(question)
            refused.refuse(error)
            self.past.append(refused)

    def stop(self) -> None:
        """Stop the running question, if there is one."""
        if self.run:
            self.run.stop()


class Sessions:
    """Open conversations by id, the least recently used closed first; a busy one is never closed.

    Parameters
    ----------
    open_conversation
        Opens a stored conversation by id, or a new one for None; raises `InputError` for an unknown id.
    spare_s
        One that was asked for within this time is not closed: its question may be about to begin.
    """

    def __init__(
        self,
        open_conversation: Callable[[str | None], Conversation],
        capacity: int = 32,
        spare_s: float = 60.0,
    ) -> None:
        self._spare_s = spare_s
        self._open_conversation = open_conversation
        self._capacity = capacity
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._opening: dict[str, threading.Lock] = {}
        self._deleted: set[str] = set()
        self._lock = threading.RLock()

    def new(self) -> Session:
        """A new, empty conversation."""
        session = Session(self._open_conversation(None))
        with self._lock:
            return self._keep(session)

    def get(self, conversation_id: str) -> Session:
        """An open or stored conversation.

        Raises
        ------
        InputError
            If there is none with this id.
        """
        with self._lock:
            if conversation_id in self._open:
                self._open.move_to_end(conversation_id)
                self._open[conversation_id].used = time.monotonic()
                return self._open[conversation_id]
            opening = self._opening.setdefault(conversation_id, threading.Lock())
        # Nobody waits for the opening of a conversation but those who want it.
        with opening:
            with self._lock:
                if conversation_id in self._open:
                    return self._open[conversation_id]
            try:
                session = Session(self._open_conversation(conversation_id))
                with self._lock:
                    if conversation_id in self._deleted:
                        raise QuestionError("the conversation was deleted", next_step="start a new one")
                    return self._keep(session)
            finally:
                with self._lock:
                    self._opening.pop(conversation_id, None)

    def busy(self) -> set[str]:
        """Ids of the conversations in which a question is being answered."""
        with self._lock:
            return {name for name, session in self._open.items() if session.busy}

    def forget(self, conversation_id: str, timeout_s: float = 5.0, deleted: bool = False) -> None:
        """Stop what runs in a conversation, and close it.

        Parameters
        ----------
        deleted
            It is not stored any more: a page that is just opening it comes too late.

        Raises
        ------
        QuestionError
            If the work in hand does not end in time; it stays open then.
        """
        with self._lock:
            session = self._open.get(conversation_id)
        if session and session.run and session.busy:
            session.stop()
            if not session.run.join(timeout_s):
                raise QuestionError("the step in hand has not ended yet", next_step="try again in a moment")
        with self._lock:
            self._open.pop(conversation_id, None)
            if deleted:
                self._deleted.add(conversation_id)

    def __len__(self) -> int:
        return len(self._open)

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop whatever runs, wait a little for it to end, and forget all."""
        with self._lock:
            runs = [session.run for session in self._open.values() if session.run and session.busy]
            self._open.clear()
        for run in runs:
            run.stop()
        for run in runs:
            run.join(timeout_s)

    def _keep(self, session: Session) -> Session:
        self._open[session.id] = session
        before = time.monotonic() - self._spare_s
        others = ((key, other) for key, other in self._open.items() if other is not session)
        idle = [key for key, other in others if not other.busy and other.used <= before]
        for key in idle[: max(0, len(self._open) - self._capacity)]:
            del self._open[key]
        return session

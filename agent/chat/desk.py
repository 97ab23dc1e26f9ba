"""What a page shows after everything a person can do in the chat; no widgets.

Each method gives `View`s, which `app` puts into its widgets one after another. Panels are not among them: a
view's state says what changed, and the page fetches the panels anew (`agent.chat.panels`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.chat import panels
from agent.chat.bring import read_again, turn_of
from agent.chat.dialogue import Message, messages, plain
from agent.chat.house import House, Place, conversation_base
from agent.chat.sessions import BUSY, WAIT, Progress, Session
from agent.chat.uploads import MOST_AT_ONCE, keep_all, named_in, shown_name
from agent.direct import Work
from agent.listing import give
from agent.models import OFFLINE
from agent.record import as_sentence
from retrieval.errors import InputError, QuestionError

Json = Any


@dataclass
class Viewing:
    """What one page looks at; the views of another conversation end when this changes.

    Attributes
    ----------
    opened
        Whether this server has shown it anything; if not, its address is all that is known of it.
    owner
        Whose list its new conversations go into, see `agent.chat.owners`.
    """

    conversation_id: str = ""
    opened: bool = False
    owner: str | None = None

    def look(self, conversation_id: str) -> None:
        """Turn to a conversation; empty for a new one."""
        self.conversation_id, self.opened = conversation_id, True


@dataclass(frozen=True)
class View:
    """A page. What is None stays as it is.

    Attributes
    ----------
    dialogue
        All messages.
    working
        Whether there is something to stop: a button to stop takes the place of the one to send.
    state
        What the page's own script is told: ``conversation``, ``layers`` (ids of those for the map),
        ``working``, and ``version``, which changes with everything that panels show.
    notice
        A line to show in passing.
    """

    dialogue: list[Message] | None = None
    working: bool | None = None
    state: dict[str, Json] | None = None
    notice: str = ""


class Desk:
    """The chat over one index."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self._house.local

    def ask(self, text: str, pictures: Sequence[str], viewing: Viewing) -> Iterator[View]:
        """Answer a question, showing the work as it goes on.

        Parameters
        ----------
        pictures
            Paths of files that came with the question.
        """
        text = text.strip()
        if not text and not pictures:
            yield View()
            return
        asked = text or ", ".join(shown_name(name) for name in pictures[:MOST_AT_ONCE])
        if not viewing.conversation_id:
            # Opening a conversation takes a moment, in which the page already shows what was asked.
            yield View(messages(Progress(asked), 0, "", latest=True), working=True)
        try:
            session = self._session(viewing)
        except InputError as error:
            refused = Progress(asked)
            refused.refuse(error)
            yield View(messages(refused, 0, "", latest=True), working=False)
            return
        try:
            if session.busy:  # before the files are taken away from the box
                raise QuestionError(BUSY, next_step=WAIT)
            session.ask(*self._turn(text, pictures, session))
        except InputError as error:
            if session.busy:
                yield View(working=True, notice=str(error))
                return
            session.refuse(asked, error)
        yield from self.follow(session, viewing)

    def act(self, kind: str, payload: Mapping[str, Json], viewing: Viewing) -> Iterator[View]:
        """Carry out what was chosen in a panel; it stands in the dialogue as a turn of its own."""
        try:
            session = self._session(viewing)
            question, work = panels.action(kind)(Place(self._house, session), payload)
        except InputError as error:
            yield View(notice=as_sentence(error))
            return
        try:
            session.ask(question, work)
        except QuestionError as error:
            yield View(working=session.busy, notice=as_sentence(error))
            return
        yield from self.follow(session, viewing)

    def follow(self, session: Session, viewing: Viewing) -> Iterator[View]:
        """Show a conversation now and, while it works, after every change; until the page looks elsewhere."""
        for progress in session.run.follow() if session.busy and session.run else ():
            if viewing.conversation_id != session.id:
                return
            if progress.answered:
                break
            yield View(self._dialogue(session), working=True, state=self._state(session))
        yield View(self._dialogue(session), working=False, state=self._state(session))

    def open(self, conversation_id: str, viewing: Viewing) -> Iterator[View]:
        """A conversation by its id, or an empty page."""
        viewing.look("")
        if not conversation_id:
            yield self.empty(viewing)
            return
        try:
            session = self._house.sessions.get(conversation_id)
        except InputError as error:
            text = f"{as_sentence(error)} Ask a question to begin a new conversation."
            said: Message = {"role": "assistant", "content": plain(text)}
            yield View([said], working=False, state=_no_state())
            return
        viewing.look(session.id)
        yield from self.follow(session, viewing)

    def empty(self, viewing: Viewing) -> View:
        """A page before the first question."""
        viewing.look("")
        return View([], working=False, state=_no_state())

    def stop(self, viewing: Viewing) -> None:
        """Stop the work of a conversation."""
        if viewing.conversation_id:
            self._house.sessions.get(viewing.conversation_id).stop()

    def _session(self, viewing: Viewing) -> Session:
        if viewing.conversation_id:
            try:
                return self._house.sessions.get(viewing.conversation_id)
            except InputError:
                # It was deleted behind the page's back; the question is worth more than the old id.
                pass
        session = self._house.sessions.new()
        if viewing.owner:
            give(self._house.store, session.id, viewing.owner)
        viewing.look(session.id)
        return session

    def _turn(self, text: str, files: Sequence[str], session: Session) -> tuple[str, Work | None]:
        """The question as the agent gets it, with its files named in it; or the turn of files alone."""
        folder = self._house.settings.uploads / session.id
        brought = keep_all([Path(path) for path in files], folder) if files else []
        if brought and not text and any(one.kind == "catalogue" for one in brought):
            return turn_of(brought)
        question = named_in(text, brought, session.conversation.model == OFFLINE)
        return read_again(question) or (question, None)

    def _dialogue(self, session: Session) -> list[Message]:
        base = conversation_base(session.id)
        questions = session.all()
        return [
            message
            for number, progress in enumerate(questions)
            for message in messages(progress, number, base, latest=number == len(questions) - 1)
        ]

    def _state(self, session: Session) -> dict[str, Json]:
        """For the map: the layers that the last answer cites, or those made so far in answering."""
        known = session.conversation.workspace.layers.ids()
        asked = session.all()
        wanted = next((p.layer_ids for p in reversed(asked) if p.layer_ids), ())
        return {
            "conversation": session.id,
            "layers": [layer_id for layer_id in wanted if layer_id in known],
            "working": session.busy,
            "version": session.version,
        }


def _no_state() -> dict[str, Json]:
    return {"conversation": "", "layers": [], "working": False, "version": ""}

"""Transcripts for a page: written when asked for, kept while nothing changed, and what is going on."""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from agent.chat.house import House
from agent.chat.sessions import Session
from agent.labels import Labels
from agent.transcript import Bundle, write_bundle
from retrieval.errors import QuestionError

Json = Any

# Kind of a download -> the member of the bundle, None for the files themselves; and its type.
KINDS = {
    "html": (None, "text/html"),
    "zip": (None, "application/zip"),
    "md": ("transcript.md", "text/markdown"),
    "recipe.json": ("recipe.json", "application/json"),
}


@dataclass
class Making:
    """The transcript of one conversation.

    Attributes
    ----------
    doing
        What is being made, how many parts are done, and of how many; None when nothing is made.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    state: str = ""
    bundle: Bundle | None = None
    doing: tuple[str, int, int] | None = None


_making: WeakKeyDictionary[Session, Making] = WeakKeyDictionary()
_at_once = threading.Semaphore(2)  # drawing and packing keep a processor busy for seconds


def making_of(session: Session) -> Making:
    """What is known of a conversation's transcript."""
    return _making.setdefault(session, Making())


def transcript_of(house: House, session: Session) -> Bundle:
    """The transcript of a conversation as it is now; the one made before if nothing changed since.

    Raises
    ------
    QuestionError
        If nothing was asked yet.
    """
    making, conversation = making_of(session), session.conversation
    turns = list(conversation.turns)
    if not turns:
        raise QuestionError("nothing was asked yet", next_step="ask a question first")
    with making.lock:
        labels = Labels(house.store).export(session.id)
        title = house.store.info(session.id).title
        state = _state(len(turns), turns[-1].started, labels, title)
        # Until it is renamed, the list shows the first words of the first question.
        own = not " ".join(turns[0].question.split()).startswith(title.rstrip("…"))
        if making.bundle is None or making.state != state or not _there(making.bundle):

            def tell(what: str, done: int, of: int) -> None:
                making.doing = (what, done, of)

            tell("waiting for others' transcripts", 0, 1)
            try:
                with _at_once:
                    making.bundle = write_bundle(
                        session.id,
                        turns,
                        conversation.workspace,
                        house.settings.exports / "transcripts",
                        title=title if own else None,
                        labels=labels,
                        progress=tell,
                    )
                making.state = state
            finally:
                making.doing = None
        return making.bundle


def is_current(house: House, session: Session) -> bool:
    """Whether the transcript that was made last is the conversation as it is now."""
    making, turns = making_of(session), session.conversation.turns
    if making.bundle is None or not turns or not _there(making.bundle):
        return False
    labels = Labels(house.store).export(session.id)
    return making.state == _state(len(turns), turns[-1].started, labels, house.store.info(session.id).title)


def part_of(bundle: Bundle, kind: str) -> bytes | Path:
    """A download of one of the `KINDS`: a file, or what one member of the bundle holds."""
    member = KINDS[kind][0]
    if member is None:
        return bundle.zip if kind == "zip" else bundle.html
    with zipfile.ZipFile(bundle.zip) as archive:
        return archive.read(member)


def _state(count: int, started: str, labels: list[dict[str, Json]], title: str) -> str:
    text = json.dumps([count, started, labels, title], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _there(bundle: Bundle) -> bool:
    return bundle.zip.is_file() and bundle.html.is_file()

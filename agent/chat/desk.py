"""What a page shows after everything a person can do in the chat; no widgets.

Each method gives `View`s, which `app` puts into its widgets one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.chat.dialogue import Message, messages, plain
from agent.chat.exchange import conversation_base, keep_picture, tiles_base
from agent.chat.panels import files_panel, layers_panel, tiles_panel
from agent.chat.sessions import Progress, Session, Sessions, as_sentence
from retrieval.errors import InputError, QuestionError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.layers import Layer

Json = Any


@dataclass(frozen=True)
class Panels:
    """What stands beside the dialogue.

    Attributes
    ----------
    globe
        Id of the conversation and of the layers on the globe; None leaves the globe as it is.
    tiles, layers, files
        HTML.
    """

    globe: dict[str, Json] | None
    tiles: str
    layers: str
    files: str


@dataclass(frozen=True)
class View:
    """A page. What is None stays as it is.

    Attributes
    ----------
    conversation_id
        The page's conversation, empty before the first question.
    dialogue
        All messages.
    working
        Whether there is something to stop: a button to stop takes the place of the one to send.
    notice
        A line to show in passing.
    """

    conversation_id: str
    dialogue: list[Message] | None = None
    working: bool | None = None
    panels: Panels | None = None
    notice: str = ""


class Desk:
    """The chat over one index.

    Parameters
    ----------
    sessions
        The conversations that pages have open.
    """

    def __init__(self, settings: Settings, index: TileIndex, sessions: Sessions) -> None:
        self._settings = settings
        self._index = index
        self._sessions = sessions

    def ask(self, text: str, pictures: Sequence[str], conversation_id: str) -> Iterator[View]:
        """Answer a question, showing the work as it goes on.

        Parameters
        ----------
        pictures
            Paths of files that came with the question.
        conversation_id
            Empty for a new conversation.
        """
        text = text.strip()
        if not text and not pictures:
            yield View(conversation_id)
            return
        asked = text or "What looks like this picture?"
        if not conversation_id:
            # Opening a conversation takes a moment, in which the page already shows what was asked.
            yield View("", messages(Progress(asked), 0, "", latest=True), working=True)
        try:
            session = self._session(conversation_id)
        except InputError as error:
            refused = Progress(asked)
            refused.refuse(error)
            yield View("", messages(refused, 0, "", latest=True), working=False)
            return
        try:
            session.ask(self._question(text, pictures, session))
        except QuestionError as error:
            if session.busy:
                yield View(session.id, working=True, notice=str(error))
                return
            session.refuse(asked, error)
        yield from self.follow(session)

    def follow(self, session: Session) -> Iterator[View]:
        """Show a conversation now and, while it works, after every change.

        The globe waits for the answer: drawing it anew at each step would cost more than it tells.
        """
        layer_count = -1
        for progress in session.run.follow() if session.busy and session.run else ():
            if progress.answered:
                break
            made, panels = len(session.conversation.workspace.layers), None
            if made != layer_count:
                layer_count, panels = made, self._panels(session, globe=False)
            yield View(session.id, self._dialogue(session), working=True, panels=panels)
        yield View(session.id, self._dialogue(session), working=False, panels=self._panels(session))

    def restore(self, conversation_id: str) -> Iterator[View]:
        """The conversation that a page's address names, or an empty page."""
        if not conversation_id:
            yield self.empty()
            return
        try:
            session = self._sessions.get(conversation_id)
        except InputError as error:
            empty = self.empty()
            text = f"{as_sentence(error)} Ask a question to begin a new conversation."
            said: Message = {"role": "assistant", "content": plain(text)}
            yield View("", [said], working=False, panels=empty.panels)
            return
        yield from self.follow(session)

    def empty(self) -> View:
        """A page before the first question."""
        panels = Panels(
            {"conversation": "", "layers": []},
            tiles_panel(self._index, [], "", ""),
            layers_panel([], []),
            files_panel("", None),
        )
        return View("", [], working=False, panels=panels)

    def show_layer(self, layer_id: str, conversation_id: str) -> View:
        """One layer alone on the globe, with its tiles."""
        session = self._sessions.get(conversation_id)
        return View(session.id, panels=self._panels(session, shown=layer_id))

    def stop(self, conversation_id: str) -> None:
        """Stop the work of a conversation."""
        if conversation_id:
            self._sessions.get(conversation_id).stop()

    def _session(self, conversation_id: str) -> Session:
        if conversation_id:
            try:
                return self._sessions.get(conversation_id)
            except InputError:
                # It was deleted behind the page's back; the question is worth more than the old id.
                pass
        return self._sessions.new()

    def _question(self, text: str, pictures: Sequence[str], session: Session) -> str:
        """The question as the agent gets it: uploaded pictures are kept and named in it."""
        folder = self._settings.uploads / session.id
        names = [keep_picture(Path(path), folder) for path in pictures]
        return " ".join([text or "Show tiles like", *names]) if names else text

    def _dialogue(self, session: Session) -> list[Message]:
        base = conversation_base(session.id)
        questions = session.all()
        return [
            message
            for number, progress in enumerate(questions)
            for message in messages(progress, number, base, latest=number == len(questions) - 1)
        ]

    def _panels(self, session: Session, shown: str = "", globe: bool = True) -> Panels:
        """``shown`` alone, or the layers that the last answer cites."""
        workspace = session.conversation.workspace
        layers = list(workspace.layers)
        known = {layer.id for layer in layers}
        cited = next((p.layer_ids for p in reversed(session.all()) if p.layer_ids), ())
        on_map = [layer_id for layer_id in ([shown] if shown else cited) if layer_id in known]
        return Panels(
            {"conversation": session.id, "layers": on_map} if globe else None,
            tiles_panel(self._index, layers, _evidence_layer(layers, on_map), tiles_base(self._index)),
            layers_panel(layers, on_map),
            files_panel(conversation_base(session.id), workspace.output),
        )


def _evidence_layer(layers: Sequence[Layer], on_map: Sequence[str]) -> str:
    """The layer whose tiles to show: the first on the map that has tiles, else any on the map."""
    tiles = [layer.id for layer in layers if layer.kind == "tiles" and len(layer)]
    return next((name for name in on_map if name in tiles), on_map[0] if on_map else "")

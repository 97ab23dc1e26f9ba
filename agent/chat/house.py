"""What the chat's routes and panels stand on: an index, its conversations, and a page's place in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent.chat.owners import owner_of_page
from agent.chat.sessions import Session, Sessions
from agent.conversations import ConversationStore
from agent.direct import Work
from retrieval.errors import InputError
from retrieval.index import TileIndex
from retrieval.settings import Settings

Json = Any

# Relative, so that the chat also works behind a proxy that gives it a folder of its own.
ROUTES = "areographer"
NO_CONVERSATION = "-"  # in an address, where a conversation's id would stand
LARGEST_POST_BYTES = 1_000_000


@dataclass(frozen=True)
class House:
    """The chat over one index.

    Attributes
    ----------
    local
        Whether only this machine can reach the server.
    """

    settings: Settings
    index: TileIndex
    sessions: Sessions
    store: ConversationStore
    local: bool = True

    def place(self, request: Request) -> Place:
        """Where a request comes from: the conversation in its path, and what its query says.

        Raises
        ------
        InputError
            If there is no such conversation.
        """
        conversation = request.path_params.get("conversation", NO_CONVERSATION)
        session = None if conversation == NO_CONVERSATION else self.sessions.get(conversation)
        return Place(self, session, dict(request.query_params), owner_of_page(request.cookies, self.local))


@dataclass(frozen=True)
class Place:
    """One page: its conversation, if it has one yet, and what it shows.

    Attributes
    ----------
    query
        The panel's own state, as texts: ``{"view": "random", "page": "2"}``.
    owner
        Whose conversations are listed, see `agent.chat.owners`; None for all.
    """

    house: House
    session: Session | None
    query: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """Ids of the layers on the map, those that exist."""
        if self.session is None:
            return ()
        known = set(self.session.conversation.workspace.layers.ids())
        wanted = self.query.get("shown", "").split(",")
        return tuple(name for name in dict.fromkeys(wanted) if name in known)

    @property
    def base(self) -> str:
        """Address of everything that belongs to the conversation."""
        return conversation_base(self.session.id if self.session else NO_CONVERSATION)


# What a page may ask for that makes a turn: from a payload to the question that stands in the dialogue, and
# the calls. Raises an `InputError` for a payload that makes no sense.
Action = Callable[[Place, Mapping[str, Json]], tuple[str, Work]]


def conversation_base(conversation_id: str) -> str:
    """Address of everything that belongs to a conversation."""
    return f"{ROUTES}/c/{conversation_id}"


def tiles_base(index: TileIndex) -> str:
    """Address of tile pictures, unique to the index, so that browsers may keep them: add ``ROW.jpg``."""
    return f"{ROUTES}/tiles/{index.manifest.fingerprint[:12]}/"


def refusing(endpoint: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """An endpoint whose user's errors become a line of text and status 404."""

    def answer(request: Request) -> Response:
        try:
            return endpoint(request)
        except InputError as error:
            return Response(str(error), 404, media_type="text/plain")

    return answer


def guarded(handler: Callable[[Request, Mapping[str, Json]], Json]) -> Callable[[Request], Any]:
    """An endpoint for posts of JSON from our own page: ``handler`` gives the JSON to answer with.

    Posts of other sites are refused (status 403): browsers send their origin along, and cannot send JSON
    without asking first. The user's errors become ``{"error": …}`` with status 400. The handler runs in a
    thread of its own.
    """

    async def endpoint(request: Request) -> Response:
        if not from_our_page(request, "application/json"):
            return _refusal("this may only be done from the chat's own page", 403)
        content = bytearray()
        async for piece in request.stream():
            content += piece
            if len(content) > LARGEST_POST_BYTES:
                return _refusal(f"more than {LARGEST_POST_BYTES:,} bytes were sent", 413)
        try:
            payload = json.loads(content or b"{}")
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, dict):
            return _refusal("what was sent is no JSON object", 400)
        try:
            return JSONResponse(await run_in_threadpool(handler, request, payload))
        except InputError as error:
            return _refusal(str(error), 400)

    return endpoint


def from_our_page(request: Request, content_type: str) -> bool:
    """Whether a post comes from the chat's own page.

    Parameters
    ----------
    content_type
        What it must be; one that a page of another site cannot send without asking first.
    """
    if not request.headers.get("content-type", "").startswith(content_type):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _refusal(text: str, status: int) -> JSONResponse:
    return JSONResponse({"error": text}, status)

"""The list of conversations: open, search, rename, delete; branches of the one at hand; a sign of life."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agent.chat.copying import turn_as_markdown
from agent.chat.examples import remembered
from agent.chat.house import NO_CONVERSATION, ROUTES, House, Place, guarded, refusing
from agent.chat.markup import fill
from agent.chat.owners import owner_of_page
from agent.chat.sessions import Progress, Session
from agent.conversations import check_conversation_id, delete_conversation
from agent.listing import Line, give, listing, owner_of
from retrieval.errors import QuestionError

Json = Any
TITLE_CHARS = 80


def render(place: Place) -> str:
    """A page of the list, the last used first: those of this reader that a search finds.

    The query has ``q``, what is searched for, and ``page`` from 1.
    """
    house, search = place.house, place.query.get("q", "").strip()
    page = place.query.get("page", "1")
    found = listing(house.store, place.owner, search, int(page) if page.isdecimal() else 1)
    busy, now = house.sessions.busy(), datetime.now(UTC)
    return fill(
        "panels/conversations.html.j2",
        lines=[_line(line, house, busy, now) for line in found.lines],
        found=found,
        search=search,
        here=place.session.id if place.session else "",
    )


def routes(house: House) -> list[Route]:
    """Rename, delete, branch; one question as text; whether anything has changed."""

    def rename(request: Request, payload: Mapping[str, Json]) -> Json:
        conversation = _own(house, request)
        title = payload.get("title")
        if not isinstance(title, str):
            raise QuestionError("a title is a line of text", next_step="type one")
        house.store.rename(conversation, title[: 4 * TITLE_CHARS])
        return {"title": house.store.info(conversation).title}

    def delete(request: Request, payload: Mapping[str, Json]) -> Json:
        conversation = _own(house, request)
        house.sessions.forget(conversation)
        delete_conversation(house.settings, house.store, conversation)
        # Another page may have opened it again while it went.
        house.sessions.forget(conversation, deleted=True)
        for folder in (house.settings.layers, house.settings.exports):
            shutil.rmtree(folder / conversation, ignore_errors=True)
        return {}

    def branch(request: Request, payload: Mapping[str, Json]) -> Json:
        place = house.place(request)
        session = _there(place)
        number = _number(payload.get("number"), session)
        before = payload.get("before") is True
        turns = turns_before(session, number if before else number + 1)
        made = session.conversation.branch(turns)
        _copy_uploads(house, session.id, made)
        about = house.store.info(session.id)
        if turns:
            house.store.rename(made, f"{about.title} ({'edited' if before else 'branch'})")
        if place.owner is not None:
            give(house.store, made, place.owner)
        return {"conversation": made, "turns": turns}

    def turn(request: Request) -> Response:
        session = _there(house.place(request))
        number = _number(request.path_params["number"], session)
        progress = session.all()[number]
        text = turn_as_markdown(progress, session.conversation)
        return JSONResponse({"question": progress.question, "markdown": text})

    def pulse(request: Request) -> Response:
        if request.path_params["conversation"] == NO_CONVERSATION:
            return JSONResponse({"version": ""}, headers=FRESH)
        session = house.place(request).session
        return JSONResponse({"version": session.version if session else ""}, headers=FRESH)

    def examples(request: Request) -> Response:
        return JSONResponse(remembered(house.settings, house.index), headers=FRESH)

    one = f"/{ROUTES}/c/{{conversation}}"
    return [
        Route(f"/{ROUTES}/examples", examples),
        Route(f"{one}/rename", guarded(rename), methods=["POST"]),
        Route(f"{one}/delete", guarded(delete), methods=["POST"]),
        Route(f"{one}/branch", guarded(branch), methods=["POST"]),
        Route(f"{one}/turn/{{number:int}}", refusing(turn)),
        Route(f"{one}/pulse", _found_or_gone(pulse)),
    ]


FRESH = {"Cache-Control": "no-store"}


def turns_before(session: Session, number: int) -> int:
    """How many stored turns come before a question of the dialogue, which also holds refused ones."""
    stored = [" ".join(turn.question.split()) for turn in session.conversation.turns]
    at = 0
    for progress in session.all()[:number]:
        asked = " ".join(progress.question.split())
        if asked in stored[at:]:
            at = stored.index(asked, at) + 1
    return at


def _line(line: Line, house: House, busy: set[str], now: datetime) -> dict[str, Json]:
    info = line.info
    return {
        "id": info.id,
        "title": info.title,
        "excerpt": line.excerpt,
        "asked": info.turns,
        "when": when(info.updated, now),
        "updated": info.updated,
        "busy": info.id in busy,
        "elsewhere": "" if info.index == house.index.manifest.name else info.index,
    }


def when(iso: str, now: datetime) -> str:
    """How long ago something was, in words."""
    try:
        then = datetime.fromisoformat(iso)
    except ValueError:
        return ""
    minutes = (now - then.astimezone(UTC)).total_seconds() / 60
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{int(minutes)} min ago"
    if minutes < 24 * 60:
        return f"{int(minutes / 60)} h ago"
    if minutes < 7 * 24 * 60:
        days = int(minutes / 60 / 24)
        return "yesterday" if days == 1 else f"{days} days ago"
    return f"{then.day} {then:%b %Y}"


def _own(house: House, request: Request) -> str:
    """The conversation in the address, if its owner asks."""
    conversation = check_conversation_id(request.path_params["conversation"])
    house.store.info(conversation)
    owner = owner_of_page(request.cookies, house.local)
    if owner is not None and (not owner or owner_of(house.store, conversation) != owner):
        raise QuestionError(
            "this conversation was begun in another browser",
            allowed="reading it and going on with it",
            next_step="rename or delete it where it was begun",
        )
    return conversation


def _there(place: Place) -> Session:
    if place.session is None:
        raise QuestionError("there is no conversation yet", next_step="ask a question first")
    return place.session


def _number(value: Json, session: Session) -> int:
    questions: list[Progress] = session.all()
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < len(questions):
        raise QuestionError(
            "there is no such question in this conversation", allowed=f"numbers below {len(questions)}"
        )
    return value


def _copy_uploads(house: House, trunk: str, branch: str) -> None:
    """Pictures that the questions name must be there in the branch too."""
    source, target = house.settings.uploads / trunk, house.settings.uploads / branch
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / path.name)


def _found_or_gone(endpoint: Any) -> Any:
    """As `refusing`, but a page that asks for a conversation that is gone can tell it from a fault."""
    answer = refusing(endpoint)

    def asked(request: Request) -> Response:
        response = answer(request)
        return response if response.status_code == 200 else PlainTextResponse("gone", 410)

    return asked

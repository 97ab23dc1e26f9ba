"""The share panel: the transcript as page, archive and text; a read-only link; somebody else's transcript."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agent.bundle import read_bundle
from agent.chat.house import ROUTES, House, Place, from_our_page, guarded, refusing
from agent.chat.markup import fill
from agent.chat.owners import owner_of_page
from agent.chat.sharing import KINDS, is_current, making_of, part_of, transcript_of
from agent.chat.uploads import shown_name
from agent.labels import Labels
from agent.links import Links
from agent.listing import give
from agent.reopen import Reopened, reopen
from agent.transcript import file_stem
from retrieval.errors import BundleError, InputError, QuestionError

Json = Any

LARGEST_BUNDLE_BYTES = 500_000_000
OFF = "links are switched off here"
SWITCH_ON = "set share_links = true in settings.toml, or AREOGRAPHER_SHARE_LINKS=1, and start the chat again"
GONE = "There is no page here: the link was withdrawn, or is not whole."

# The page may be read by whoever has the link; nobody else should learn of it, or keep it.
READ_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def render(place: Place) -> str:
    """Downloads of the conversation, links to it, and a place for somebody else's transcript."""
    house, session = place.house, place.session
    values: dict[str, Json] = {
        "base": place.base,
        "files": _files(session.conversation.workspace.output) if session else [],
        "held": None,
        "sizes": {},
        "links": [],
        "links_on": house.settings.share_links,
        "switch_on": SWITCH_ON,
        "index": house.index.manifest.name,
    }
    if session and session.conversation.turns:
        conversation = session.conversation
        values |= {
            "held": {
                "questions": len(conversation.turns),
                "layers": len(conversation.workspace.layers),
                "judged": len(Labels(house.store).all(session.id)),
            },
            "sizes": _sizes(place),
            "links": Links(house.store).of(session.id) if house.settings.share_links else [],
        }
    return fill("panels/share.html.j2", **values)


def routes(house: House) -> list[Route]:
    """Downloads, what is being made, links, and transcripts that are opened."""
    links, opening = Links(house.store), threading.Semaphore(2)

    def transcript(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in KINDS:
            raise QuestionError(f"a transcript is no .{kind[:20]}", allowed=", ".join(KINDS))
        session = house.sessions.get(request.path_params["conversation"])
        part = part_of(transcript_of(house, session), kind)
        name, media_type = f"{file_stem(session.id)}.{kind}", KINDS[kind][1]
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if isinstance(part, Path):
            return FileResponse(part, filename=name, media_type=media_type, headers=headers)
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return Response(part, media_type=media_type, headers=headers)

    def progress(request: Request) -> Response:
        doing = making_of(house.sessions.get(request.path_params["conversation"])).doing
        what, done, of = doing or ("", 0, 1)
        return JSONResponse({"what": what, "done": done, "of": of}, headers={"Cache-Control": "no-store"})

    def link(request: Request, payload: Mapping[str, Json]) -> Json:
        _check_on(house)
        session = house.sessions.get(request.path_params["conversation"])
        page = transcript_of(house, session).html.read_text(encoding="utf-8")
        token = links.make(session.id, page, len(session.conversation.turns))
        return {"address": f"{ROUTES}/read/{token}"}

    def withdraw(request: Request, payload: Mapping[str, Json]) -> Json:
        session = house.sessions.get(request.path_params["conversation"])
        links.withdraw(session.id, str(payload.get("link", ""))[:40])
        return {"left": len(links.of(session.id))}

    def read(request: Request) -> Response:
        page = links.page(request.path_params["token"]) if house.settings.share_links else None
        if page is None:
            return PlainTextResponse(GONE, 404, headers=READ_HEADERS)
        return HTMLResponse(page, headers={**READ_HEADERS, "Content-Security-Policy": _policy(page)})

    def take_in(path: Path, name: str, owner: str | None) -> Reopened:
        with opening:
            try:
                opened = reopen(read_bundle(path), house.settings, house.store, house.index)
            except BundleError as error:
                # It lies here under a name of our own, which says nothing to who sent it.
                what = error.what.replace(str(path), repr(name))
                raise BundleError(what, allowed=error.allowed, next_step=error.next_step) from error
            if owner:
                give(house.store, opened.conversation_id, owner)
            return opened

    async def open_one(request: Request) -> Response:
        if not from_our_page(request, "application/zip"):
            return _refusal("this may only be done from the chat's own page", 403)
        name = shown_name(request.query_params.get("name", "")[:200] or "transcript.zip")
        folder = house.settings.exports
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".opening-") as inside:
            path = Path(inside) / "transcript.zip"
            try:
                if not await _to_disk(request, path):
                    most = f"{LARGEST_BUNDLE_BYTES // 1_000_000} MB"
                    return _refusal(
                        f"{name!r} is larger than {most}. Allowed: transcripts of at most {most}.", 413
                    )
                owner = owner_of_page(request.cookies, house.local)
                opened = await run_in_threadpool(take_in, path, name, owner)
            except ClientDisconnect:
                return _refusal("the page went away", 400)
            except InputError as error:
                return _refusal(str(error), 400)
        return JSONResponse({"conversation": opened.conversation_id, "notes": opened.notes})

    one = f"/{ROUTES}/c/{{conversation}}"
    return [
        Route(f"{one}/transcript.{{kind}}", refusing(transcript)),
        Route(f"{one}/share/progress", refusing(progress)),
        Route(f"{one}/share/link", guarded(link), methods=["POST"]),
        Route(f"{one}/share/withdraw", guarded(withdraw), methods=["POST"]),
        Route(f"/{ROUTES}/open", open_one, methods=["POST"]),
        Route(f"/{ROUTES}/read/{{token}}", read),
    ]


async def _to_disk(request: Request, path: Path) -> bool:
    """Write what is sent, piece by piece; False if it is too much."""
    length = 0
    with path.open("wb") as file:
        async for piece in request.stream():
            length += len(piece)
            if length > LARGEST_BUNDLE_BYTES:
                return False
            file.write(piece)
    return True


def _policy(page: str) -> str:
    """The page's own policy as a header, which also holds where the page would be framed."""
    start = page.index('content="', page.index("Content-Security-Policy")) + len('content="')
    policy = page[start : page.index('"', start)].replace("&#39;", "'")
    return f"{policy}; frame-ancestors 'none'"


def _check_on(house: House) -> None:
    if not house.settings.share_links:
        raise QuestionError(OFF, next_step=SWITCH_ON)


def _files(folder: Path) -> list[dict[str, str]]:
    if not folder.is_dir():
        return []
    made = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return [
        {"name": path.name, "address": quote(path.name, safe=""), "size": _size(path.stat().st_size)}
        for path in made
    ]


def _sizes(place: Place) -> dict[str, str]:
    session = place.session
    bundle = making_of(session).bundle if session and is_current(place.house, session) else None
    if bundle is None:
        return {}
    return {"html": _size(bundle.html.stat().st_size), "zip": _size(bundle.zip.stat().st_size)}


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(1, round(count / 1e3))} kB"


def _refusal(text: str, status: int) -> JSONResponse:
    return JSONResponse({"error": text}, status)

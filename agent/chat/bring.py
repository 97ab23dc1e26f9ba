"""Files dropped on the page: sent over a route of their own, checked, and then a turn of the conversation.

A file waits outside all conversations until its turn begins, because there may be no conversation yet.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agent.chat.house import ROUTES, Action, House, Place
from agent.chat.uploads import (
    CATALOGUE_BYTES,
    MOST_AT_ONCE,
    Brought,
    TranscriptBroughtError,
    keep,
    moved,
    shown_name,
)
from agent.direct import Text, Work
from retrieval.errors import InputError, QuestionError
from retrieval.settings import Settings

Json = Any

WAITING = ".waiting"
WAITS_S = 3600.0

_TOKEN = re.compile(r"[0-9a-f]{32}")
# "Load my_craters.csv with west-positive longitudes": what the answer to a loaded catalogue offers.
_READ_AGAIN = re.compile(
    r"(?:load|read) (?:the catalogue )?(?P<file>[\w][\w.-]*\.\w{3,8}) with "
    r"(?:(?P<lon>east|west)-positive longitudes)?(?: and )?(?:planeto(?P<lat>centric|graphic) latitudes)?\W*",
    re.IGNORECASE,
)


def routes(house: House) -> list[Route]:
    """Where files are sent to."""
    settings = house.settings

    async def bring(request: Request) -> Response:
        title = shown_name(request.query_params.get("name", ""))
        folder = settings.uploads / WAITING / uuid.uuid4().hex
        folder.mkdir(parents=True)
        try:
            await _receive(request, folder / ".part", title)
            kept = await run_in_threadpool(keep, folder / ".part", folder, title)
        except InputError as error:
            shutil.rmtree(folder, ignore_errors=True)
            transcript = isinstance(error, TranscriptBroughtError)
            return JSONResponse({"error": str(error), "transcript": transcript}, 400)
        except ClientDisconnect:
            shutil.rmtree(folder, ignore_errors=True)
            return JSONResponse({"error": "the file did not arrive whole"}, 400)
        (folder / ".part").unlink(missing_ok=True)
        sweep(settings)
        told = {"file": folder.name, "kind": kept.kind, "name": kept.name, "title": kept.title}
        return JSONResponse(told)

    return [Route(f"/{ROUTES}/bring", bring, methods=["POST"])]


def turn_of(brought: Sequence[Brought]) -> tuple[str, Work]:
    """The turn that files alone make: catalogues become layers, pictures examples."""
    words = []
    catalogues = [one.name for one in brought if one.kind == "catalogue"]
    pictures = [one.name for one in brought if one.kind == "picture"]
    if catalogues:
        words.append(f"Load the catalogue{'s' if len(catalogues) > 1 else ''} {' and '.join(catalogues)}")
    if pictures:
        words.append(f"{'show' if words else 'Show'} tiles like {' and '.join(pictures)}")
    calls: list[tuple[str, dict[str, Json]]] = [("load_catalogue", {"file": name}) for name in catalogues]
    calls += [("search_example", {"example": name}) for name in pictures]
    return ", ".join(words), _work(calls)


def read_again(question: str) -> tuple[str, Work] | None:
    """The turn of a question that says how the positions of a catalogue are meant; None for any other."""
    asked = _READ_AGAIN.fullmatch(" ".join(question.split()))
    if asked is None or not (asked["lon"] or asked["lat"]):
        return None
    arguments = {"file": asked["file"]}
    if asked["lon"]:
        arguments["longitude"] = asked["lon"].lower()
    if asked["lat"]:
        arguments["latitude"] = f"planeto{asked['lat'].lower()}"
    return question, _work([("load_catalogue", arguments)])


def sweep(settings: Settings, now: float | None = None) -> None:
    """Throw away what has waited longer than `WAITS_S` for its turn."""
    folder, now = settings.uploads / WAITING, time.time() if now is None else now
    for waiting in folder.iterdir() if folder.is_dir() else ():
        try:
            if now - waiting.stat().st_mtime > WAITS_S:
                shutil.rmtree(waiting, ignore_errors=True)
        except OSError:  # another thread was quicker
            continue


def _bring(place: Place, payload: Mapping[str, Json]) -> tuple[str, Work]:
    files = payload.get("files")
    if not isinstance(files, list) or not 0 < len(files) <= MOST_AT_ONCE:
        raise QuestionError("no file was brought", allowed=f"1 to {MOST_AT_ONCE} files at once")
    settings = place.house.settings
    if place.session is None:
        raise QuestionError("there is no conversation to bring a file into", next_step="ask a question first")
    folder = settings.uploads / place.session.id
    brought = [moved(_waiting(settings, token), folder) for token in files]
    return turn_of(list({one.name: one for one in brought}.values()))


ACTIONS: dict[str, Action] = {"bring": _bring}


def _waiting(settings: Settings, token: Json) -> Path:
    folder = settings.uploads / WAITING / str(token)
    found = list(folder.iterdir()) if _TOKEN.fullmatch(str(token)) and folder.is_dir() else []
    if len(found) != 1:
        raise QuestionError("the file is no longer there", next_step="bring it again")
    return found[0]


async def _receive(request: Request, path: Path, title: str) -> None:
    size = 0
    with path.open("wb") as out:
        async for piece in request.stream():
            size += len(piece)
            if size > CATALOGUE_BYTES:
                raise QuestionError(
                    f"{title!r} is larger than {CATALOGUE_BYTES // 1_000_000} MB",
                    next_step="cut it to the region or the sizes that matter, or save it as GeoPackage",
                )
            out.write(piece)


def _work(calls: Sequence[tuple[str, dict[str, Json]]]) -> Work:
    said, next_questions, failed = [], [], 0
    for tool, arguments in calls:
        step = yield tool, arguments
        if step.error:
            failed += 1
            said.append(step.error)
            continue
        layer = step.layer_ids[-1] if step.layer_ids else ""
        said.append(f"{step.summary} [{layer}]" if layer else step.summary)
        if tool == "load_catalogue" and layer:
            next_questions += _next(arguments, step.summary, layer)
        elif layer:
            next_questions += [f"Draw a map of {layer}", f"Summarise {layer}"]
    if failed == len(calls):
        raise QuestionError(f"The file{'s' if failed > 1 else ''} could not be used: {' '.join(said)}")
    return Text("\n\n".join(said), tuple(next_questions[:4]))


def _next(arguments: Mapping[str, Json], summary: str, layer: str) -> list[str]:
    """What may be asked of a catalogue; first to read it by the other convention."""
    file, offers = arguments["file"], []
    if "read as east-positive" in summary:
        offers.append(f"Load {file} with west-positive longitudes")
    elif "read as west-positive" in summary:
        offers.append(f"Load {file} with east-positive longitudes")
    if "planetocentric" in summary:
        offers.append(f"Load {file} with planetographic latitudes")
    elif "planetographic" in summary:
        offers.append(f"Load {file} with planetocentric latitudes")
    return [f"Summarise {layer}", f"Draw a map of {layer}", *offers]

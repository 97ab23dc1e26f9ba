"""What a page fetches of its conversation; what it brings is in `uploads`.

The globe, tile pictures, maps and transcripts come over routes of their own, so that a browser keeps what
does not change and the chat's messages stay small.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agent.chat import panels
from agent.chat.ground import about_ground, ground_of, ground_routes, near_misses
from agent.chat.house import ROUTES, House, refusing, tiles_base
from agent.chat.markup import asset
from agent.chat.owners import hand_out
from agent.chat.panels.map import keeping
from agent.chat.sessions import Session
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.candidates import SEARCHES
from tools.maps.globe import content_policy, globe_html, globe_payload, globe_scripts, globe_style

Json = Any


_drawing = threading.Lock()


def make_routes(house: House) -> list[Route]:
    """Pictures, layers and files that a page fetches. A conversation's id is the key to what is its own."""
    settings, index, sessions = house.settings, house.index, house.sessions

    def globe(request: Request) -> Response:
        ground = about_ground(ground_of(settings, index), tiles_base(index))
        return HTMLResponse(_globe_page({**draw_planet(settings, index), "ground": ground}))

    def tile(request: Request) -> Response:
        row = request.path_params["row"]
        if row >= len(index):
            return PlainTextResponse("There is no such tile.", 404)
        keep = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(index.thumbnail(row), media_type="image/jpeg", headers=keep)

    def layers(request: Request) -> Response:
        workspace = _session(request).conversation.workspace
        ids = [name for name in request.query_params.get("ids", "").split(",") if name]
        shown = [workspace.layers.get(name) for name in ids]
        draw_planet(settings, index)
        # Two fetches: finding what just missed a search needs the encoder, which may have to wake first.
        wanted = shown if request.query_params.get("near") else []
        near = {layer.id: found for layer in wanted if (found := near_misses(workspace, layer)) is not None}
        payload = globe_payload(index, shown, thumbnails=True, cache=settings.home / "cache", candidates=near)
        payload["keep"] = {layer.id: keeping(layer) for layer in shown}
        payload["more"] = any(layer.provenance.tool in SEARCHES for layer in shown)
        return JSONResponse({name: value for name, value in payload.items() if name != "basemap"})

    def file(request: Request) -> Response:
        return _file_in(_session(request).conversation.workspace.output, request.path_params["name"])

    def upload(request: Request) -> Response:
        return _file_in(settings.uploads / _session(request).id, request.path_params["name"])

    def panel(request: Request) -> Response:
        place = house.place(request)
        answer = HTMLResponse(
            panels.render(request.path_params["name"], place), headers={"Cache-Control": "no-store"}
        )
        hand_out(answer, place.owner, secure=request.url.scheme == "https")
        return answer

    def _session(request: Request) -> Session:
        return sessions.get(request.path_params["conversation"])

    one = f"/{ROUTES}/c/{{conversation}}"
    return [
        Route(f"/{ROUTES}/globe", globe),
        Route(f"/{tiles_base(index)}{{row:int}}.jpg", tile),
        *ground_routes(settings, index, ROUTES, tiles_base(index)),
        Route(f"{one}/panel/{{name}}", refusing(panel)),
        *panels.routes(house),
        Route(f"{one}/layers", refusing(layers)),
        Route(f"{one}/file/{{name}}", refusing(file)),
        Route(f"{one}/upload/{{name}}", refusing(upload)),
    ]


def draw_planet(settings: Settings, index: TileIndex) -> dict[str, Json]:
    """The globe without layers. The first call ever reads every tile; others wait for it and are quick."""
    with _drawing:
        return globe_payload(index, [], thumbnails=False, cache=settings.home / "cache")


def _file_in(folder: Path, name: str) -> Response:
    # One of the files that are there, so that no name can lead out of the folder.
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name == name and path.is_file() and not path.is_symlink():
            return FileResponse(path)
    return PlainTextResponse("There is no such file.", 404)


def _globe_page(payload: dict[str, Json]) -> str:
    """The globe as a page for the frame, which takes its layers by message."""
    scripts = (*globe_scripts(), asset("globe.js"))
    style = (
        globe_style()
        + "html,body{margin:0;height:100%;background:#0b0e13}.areo-globe{height:100%;min-height:0}"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Globe</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{content_policy(scripts, [style])}">'
        f"<style>{style}</style></head><body>{globe_html(payload, inline_assets=False, height_px=0)}"
        + "".join(f"<script>{script}</script>" for script in scripts)
        + "</body></html>"
    )

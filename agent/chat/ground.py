"""What the map is given: the ground in tiles when zoomed in, pictures of tiles, rows that a search missed.

The globe lies in a frame that may fetch nothing. Its page fetches these for it and hands them in by message.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from retrieval.corpus.imagery import OpenRasters, find_rasters
from retrieval.errors import InputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tools.candidates import Candidates, candidates_of
from tools.layers import Layer
from tools.maps.ground import VIEWS, Ground
from tools.workspace import Workspace

Json = Any

# The address changes with the picture, so that browsers may keep it.
KEEP = {"Cache-Control": "public, max-age=31536000, immutable"}
MOST_KEPT = 16  # layers whose near misses are kept: a few megabytes each at most
_opening = threading.Lock()
_missed: OrderedDict[tuple[str, str, str], Candidates] = OrderedDict()


def ground_of(settings: Settings, index: TileIndex) -> Ground:
    """The ground of an index, drawn from its rasters where they are still there. Opened once."""
    with _opening:
        return _ground(settings, index)


def about_ground(ground: Ground, tiles_base: str) -> dict[str, Json]:
    """What the map must know to ask for tiles: their key, the levels of each view, the finest pixel, km, and
    the address of pictures by tile id."""
    return {
        "tiles": f"{tiles_base.partition('/')[2]}id/",
        "key": ground.key,
        "levels": {view: ground.levels(view) for view in VIEWS},
        "sharpest_km": ground.sharpest_km,
        "source": ground.source,
    }


def near_misses(workspace: Workspace, layer: Layer) -> Candidates | None:
    """What `tools.candidates` finds for a layer, kept for the next time: layers never change."""
    key = (str(workspace.layers.folder), layer.id, layer.hash)
    with _opening:
        if key in _missed:
            _missed.move_to_end(key)
            return _missed[key]
    found = candidates_of(workspace, layer)
    if found is not None:
        with _opening:
            _missed[key] = found
            while len(_missed) > MOST_KEPT:
                _missed.popitem(last=False)
    return found


def ground_routes(settings: Settings, index: TileIndex, base: str, tiles_base: str) -> list[Route]:
    """``BASE/basemap/KEY/VIEW/Z/X/Y`` and ``TILES_BASE/id/TILE.jpg``."""

    def ground_tile(request: Request) -> Response:
        asked, ground = request.path_params, ground_of(settings, index)
        if asked["key"] != ground.key or asked["view"] not in VIEWS:
            return PlainTextResponse("This map has no such ground: reload the page.", 404)
        picture = ground.tile(asked["view"], asked["z"], asked["x"], asked["y"])
        if picture is None:
            return PlainTextResponse("There is no ground as sharp as that.", 404)
        if not picture:
            return Response(status_code=204, headers=KEEP)
        kind = "image/jpeg" if picture.startswith(b"\xff\xd8") else "image/webp"
        return Response(picture, media_type=kind, headers=KEEP)

    def named_tile(request: Request) -> Response:
        try:
            row = index.row_of(request.path_params["tile"])
        except InputError as error:
            return PlainTextResponse(str(error), 404)
        return Response(index.thumbnail(row), media_type="image/jpeg", headers=KEEP)

    return [
        Route(f"/{base}/basemap/{{key}}/{{view}}/{{z:int}}/{{x:int}}/{{y:int}}", ground_tile),
        Route(f"/{tiles_base}id/{{tile}}.jpg", named_tile),
    ]


@lru_cache(maxsize=4)
def _ground(settings: Settings, index: TileIndex) -> Ground:
    source = find_rasters(index.manifest, settings.imagery, settings.data / index.body.name)
    return Ground(index, OpenRasters(source) if source else None)

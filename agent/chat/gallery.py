"""Pages of tiles: which tiles of a layer a view shows, in which order, and what is known of each."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from starlette.responses import PlainTextResponse, Response

from agent.chat.ground import near_misses
from agent.chat.house import House, Place, tiles_base
from agent.judging import Judging
from retrieval.errors import InputError
from tools.layers import Layer
from tools.maps.globe import top_rows
from tools.maps.globe_layers import DETAILS
from tools.maps.mosaic import paint, stretch

Json = Any
TILES_SHOWN = 24
AROUND_TILES = 5  # side of a tile's surroundings, in tiles
AROUND_PX = 480

VIEWS: dict[str, dict[str, str]] = {
    "surest": {"words": "Surest", "about": "The most probable first."},
    "doubtful": {
        "words": "Doubtful",
        "about": "Nearest to the threshold, on both sides: judging these teaches a refinement most.",
    },
    "random": {
        "words": "Random",
        "about": "Drawn at random from the layer: the precision is estimated from these. Judge them in order "
        "and leave none out.",
    },
}


@dataclass(frozen=True)
class Gallery:
    """One page of tiles.

    Attributes
    ----------
    view, page, pages, count
        Which of `VIEWS`; the page, from 1, of so many; how many tiles the view has.
    tiles
        Of each tile what the template shows.
    note
        What is to be said of the view here; empty if nothing.
    """

    view: str
    page: int
    pages: int
    count: int
    tiles: list[dict[str, Json]]
    note: str


def gallery_of(place: Place, judging: Judging) -> Gallery:
    """The page that a place's query asks for: ``view``, ``page``."""
    view = place.query.get("view", "surest")
    view = view if view in VIEWS else "surest"
    table, inside, note = _arranged(place, judging, view)
    pages = max(1, math.ceil(len(table) / TILES_SHOWN))
    page = min(max(_number(place.query.get("page", "1")), 1), pages)
    part = slice((page - 1) * TILES_SHOWN, page * TILES_SHOWN)
    tiles = []
    for record, is_inside in zip(table.iloc[part].to_dict("records"), inside[part], strict=True):
        tile = _tile(place.house, judging, {str(name): value for name, value in record.items()})
        if tile is not None:
            tiles.append(tile | {"inside": bool(is_inside)})
    return Gallery(view, page, pages, len(table), tiles, note or VIEWS[view]["about"])


def around(house: House, row: int) -> Response:
    """The ground around a tile, north up, `AROUND_TILES` tiles a side."""
    index = house.index
    if row >= len(index):
        return PlainTextResponse("There is no such tile.", 404)
    lon, lat = index.tiles.centres([row])[0]
    side_km = AROUND_TILES * index.grid.tile_km
    steps = ((np.arange(AROUND_PX) + 0.5) / AROUND_PX - 0.5) * side_km
    east, south = np.meshgrid(steps, steps)
    lonlat = index.body.offsets_to_lonlat(np.array([lon, lat]), east, -south)
    grey = stretch(paint(index, lonlat, side_km / AROUND_PX))
    content = io.BytesIO()
    Image.fromarray(grey).save(content, "JPEG", quality=85)
    keep = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content.getvalue(), media_type="image/jpeg", headers=keep)


def _arranged(place: Place, judging: Judging, view: str) -> tuple[pd.DataFrame, NDArray[np.bool_], str]:
    """Rows in the order of a view, which of them are in the layer, and a remark."""
    layer = judging.layer
    table = pd.DataFrame(layer.table.drop(columns="geometry"))
    if view == "random":
        left_out = len(table) - len(judging.drawn)
        note = VIEWS[view]["about"]
        if left_out:
            note += f" Left out are {left_out:,} that were picked, or used to refine it."
        return table.iloc[judging.drawn], np.ones(len(judging.drawn), dtype=bool), note
    threshold = layer.provenance.threshold
    if view == "doubtful" and threshold is not None and table["probability"].notna().any():
        missed = _missed(place, layer)
        both = table if missed is None else pd.concat([table, missed], ignore_index=True)
        far = np.abs(both["probability"].to_numpy(dtype=float) - threshold)
        order = np.argsort(np.nan_to_num(far, nan=np.inf), kind="stable")
        note = VIEWS[view]["about"]
        if missed is None:
            note += f" What just missed {layer.id} is not known: all of these are in it."
        return both.iloc[order], order < len(table), note
    note = "Ranked by likeness: there is no threshold to be near to." if view == "doubtful" else ""
    return table.iloc[top_rows(layer, len(layer))], np.ones(len(table), dtype=bool), note


def _missed(place: Place, layer: Layer) -> pd.DataFrame | None:
    """Rows of the index that a search left out; None if they are not known."""
    if place.session is None:
        return None
    found = near_misses(place.session.conversation.workspace, layer)
    return None if found is None else pd.DataFrame(found.table.drop(columns="geometry"))


def _tile(house: House, judging: Judging, record: dict[str, Json]) -> dict[str, Json] | None:
    tile = str(record["row_id"])
    try:
        row = house.index.row_of(tile)
    except InputError:
        return None
    label = judging.labels.get(tile)
    lon, lat = float(record["lon"]), float(record["lat"])
    base = tiles_base(house.index)
    scores = _scores(float(record["probability"]), float(record["score"]))
    facts = [["position", _position(lat, lon)], *_facts(record)]
    return {
        "id": tile,
        "picture": f"{base}{row}.jpg",
        "around": f"{base}around/{row}.jpg",
        "lon": round(lon, 4),
        "lat": round(lat, 4),
        "where": _position(lat, lon),
        "scores": scores,
        "facts": facts,
        "verdict": label.verdict if label else "",
    }


def _facts(record: dict[str, Json]) -> list[list[str]]:
    facts = []
    for column, (words, unit) in DETAILS.items():
        value = record.get(column)
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        text = f"{value:,.4g}" if isinstance(value, float) else str(value)
        facts.append([words, f"{text} {unit}".strip()])
    return facts


def _scores(probability: float, score: float) -> str:
    given = ((name, value) for name, value in (("p", probability), ("score", score)) if math.isfinite(value))
    return " · ".join(f"{name} {value:.2f}" for name, value in given)


def _position(lat: float, lon: float) -> str:
    return f"{abs(lat):.1f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.1f}° {'E' if lon >= 0 else 'W'}"


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1

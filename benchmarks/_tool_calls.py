"""Calls of every tool of the agent as a conversation could make them, on the layers that `prepare` makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from _made_places import CATALOGUE, MAP_OF_UNITS

from retrieval.query import ask
from tools.places import load_catalogue
from tools.search import search_words
from tools.workspace import Workspace

# Name of the tool, what tells the call apart from others of it, arguments.
Given = tuple[str, str, dict[str, Any]]

FIRST, SECOND = "pitted cones", "outflow channels"
CLASSES = (
    "pitted cones", "outflow channels", "barchan dunes", "yardangs", "gullies", "fresh simple crater",
    "lava tube skylights", "linear dunes", "wrinkle ridges", "valley networks", "alluvial fans", "grabens",
)  # fmt: skip
FAR_KM = 1000.0
PLACE = "Place 7"


def prepare(ws: Workspace, hits: int) -> None:
    """L1, L2: searches with so many hits; L3: a catalogue; L4: a map of polygons; L5: half of L1."""
    for text in (FIRST, SECOND):
        search_words(ws, text, bar_of(ws, text, hits))
    load_catalogue(ws, CATALOGUE)
    load_catalogue(ws, MAP_OF_UNITS)
    search_words(ws, FIRST, bar_of(ws, FIRST, max(1, hits // 2)))


def bar_of(ws: Workspace, text: str, hits: int) -> float:
    """The probability that so many tiles reach for a text."""
    return float(ask(ws.index, ws.encoder, text, ws.templates, ws.glossary).best(hits)[2][-1])


def given(ws: Workspace, hits: int) -> Iterator[Given]:
    """All calls, in an order in which they could be made."""
    near_km = 3.0 * ws.index.grid.tile_km
    yield from _finding(ws, hits)
    yield from _filtering()
    yield from _relating(near_km)
    yield from _testing(near_km)
    yield from _counting()
    yield from _showing()
    yield "decline", "", {"reason": "It cannot be told.", "suggestion": "Ask for something else."}


def _finding(ws: Workspace, hits: int) -> Iterator[Given]:
    tile = ws.index.tiles.tile_id(len(ws.index) // 3)
    found = ws.layers.get("L1").table["row_id"].astype(str).tolist()
    yield "search_words", "", {"text": FIRST, "min_probability": bar_of(ws, FIRST, hits)}
    yield (
        "search_example",
        "",
        {"example": tile, "limit": 1000, "tiles": found[:5], "not_like": found[-5:]},
    )
    yield "refine", "", {"layer": "L1", "accept": found[:10], "reject": found[-10:]}
    yield "classify", "all tiles, 12 classes", {"classes": list(CLASSES)}
    yield "classify", "a layer, 12 classes", {"classes": list(CLASSES), "layer": "L1"}
    yield "find_place", "", {"name": PLACE}
    yield "load_catalogue", "points", {"file": CATALOGUE}
    yield "load_catalogue", "polygons", {"file": MAP_OF_UNITS}


def _filtering() -> Iterator[Given]:
    for which, conditions in (
        ("latitudes", {"min_lat_deg": 10, "max_lat_deg": 60}),
        ("elevation", {"min_elevation_m": -500}),
        ("place", {"place": PLACE, "within_km": FAR_KM}),
        ("polygons", {"inside": "L4"}),
        ("slope", {"where": ["slope_deg >= 1"]}),
    ):
        yield "filter_layer", which, {"layer": "L1", **conditions}
    for which, values in (
        ("terrain", ["elevation", "slope", "aspect"]),
        ("texture", ["texture_azimuth"]),
        ("units", ["L4.unit"]),
    ):
        yield "sample_context", which, {"layer": "L1", "values": values}


def _relating(near_km: float) -> Iterator[Given]:
    tiles, polygons = {"layer": "L1", "other": "L2"}, {"layer": "L1", "other": "L4"}
    yield "near", "tiles", {**tiles, "distance_km": near_km}
    yield "near", "polygons", {**polygons, "distance_km": near_km}
    yield "without", "tiles", {**tiles, "distance_km": near_km}
    yield "without", "far", {**tiles, "distance_km": FAR_KM}
    yield "nearest", "", tiles
    yield "overlap", "tiles", tiles
    yield "overlap", "polygons", polygons
    yield "downslope", "", {**tiles, "distance_km": near_km}
    yield "union", "", {"layers": ["L1", "L2"]}
    yield "merge_features", "edges", {"layer": "L1"}
    yield "merge_features", "distance", {"layer": "L1", "distance_km": near_km}


def _testing(near_km: float) -> Iterator[Given]:
    pair = {"layer": "L1", "other": "L2", "distance_km": near_km}
    for null in ("spin", "rotation", "clusters", "uniform"):
        yield "associate", null, {**pair, "null": null}
    yield "associate", "strata", {**pair, "null": "strata", "strata": "elevation"}
    yield "associate", "far", {**pair, "distance_km": FAR_KM}
    yield "associate", "polygons", {**pair, "other": "L4"}
    yield "novelty", "", {"layer": "L1", "catalogue": "L3", "distance_km": near_km}
    yield "evaluate_layer", "", {"layer": "L1", "catalogue": "L3"}


def _counting() -> Iterator[Given]:
    yield "summarise", "", {"layer": "L1"}
    for by in ("latitude", "elevation", "slope", "cells"):
        yield "density", by, {"layer": "L1", "by": by}
    for by in ("elevation", "slope", "latitude"):
        yield "compare", f"ground, {by}", {"layer": "L1", "by": by}
    yield "compare", "two layers", {"layer": "L1", "other": "L2", "by": "elevation"}
    yield "orientation", "", {"layer": "L1"}
    yield "orientation", "two layers", {"layer": "L1", "other": "L2"}
    yield "changes", "", {"layers": ["L1"], "earlier": ["L5"]}


def _showing() -> Iterator[Given]:
    both = {"layers": ["L1", "L2"]}
    for kind in ("auto", "polar", "orthographic"):
        yield "draw_map", kind, {**both, "projection": kind}
    yield "draw_map", "regional", {**both, "projection": "regional", "place": PLACE, "within_km": 500}
    yield "draw_map", "polygons", {"layers": ["L4", "L1"]}
    for kind in ("gpkg", "geojson", "parquet", "csv"):
        yield "export_layer", kind, {"layers": ["L1"], "format": kind}

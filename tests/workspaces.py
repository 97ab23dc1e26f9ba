"""A workspace over the tiny index, layers made by hand, and the check that a summary keeps its word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
from numpy.typing import ArrayLike

from retrieval.settings import Settings
from retrieval.spatial.shapes import normalised, representative
from retrieval.tiles import TileTable
from tools.layers import Layer, make_table
from tools.workspace import ToolResult, Workspace, open_workspace

if TYPE_CHECKING:
    from retrieval.encoder import Encoder
    from retrieval.index import TileIndex

# Digits that stand in a word (L1, 16km-r012c034, file_2.csv) are names, not claims.
_NUMBER = re.compile(r"(?<![\w.,-])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w-]|\.\d)")


def a_workspace(
    home: Settings, index: TileIndex, encoder: Encoder, gazetteer: Any = None, readable: Path | None = None
) -> Workspace:
    return open_workspace(
        home,
        index,
        encoder,
        home.layers / "conversation",
        ("{}", "a picture of {}"),
        gazetteer=gazetteer,
        readable=None if readable is None else (readable,),
        seed=7,
    )


def a_gazetteer(index: TileIndex) -> gpd.GeoDataFrame:
    rows = [
        ("p1", "Lacus Doris", 30.0, 20.0, 200.0),
        ("p2", "Lacus Minor", 120.5, -40.25, 60.0),
        ("p3", "Tábor", -179.5, 5.0, np.nan),
        ("p4", "Twin", 10.0, 0.0, 5.0),
        ("p5", "Twin", 50.0, 0.0, 50.0),
    ]
    table = gpd.GeoDataFrame(rows, columns=["id", "name", "lon", "lat", "diameter_km"])
    return table.set_geometry(gpd.points_from_xy(table["lon"], table["lat"]), crs=index.body.crs)


def a_layer(
    ws: Workspace,
    lonlat: ArrayLike,
    title: str = "things",
    kind: Any = "catalogue",
    probability: ArrayLike | None = None,
    threshold: float | None = None,
    **columns: Any,
) -> Layer:
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    given = None if probability is None else np.asarray(probability, dtype=float)
    table = make_table(ws.body, [f"{title}-{i}" for i in range(len(points))], points, given, given, **columns)
    return ws.layers.add(title, kind, table, ws.provenance("made by hand", {}, threshold=threshold))


def ids(ws: Workspace, result: ToolResult) -> list[str]:
    """Ids of the rows of the layer that a call made."""
    return [str(row) for row in ws.layers.get(result.layer_ids[0]).table["row_id"]]


def shape_layer(ws: Workspace, shapes: list[Any], title: str = "shapes", **columns: Any) -> Layer:
    """Lines and polygons as entries of a catalogue."""
    made = normalised(shapes, ws.body)[0]
    names = [f"{title}-{i}" for i in range(len(made))]
    table = make_table(ws.body, names, representative(made, ws.body), shapes=made, **columns)
    return ws.layers.add(title, "catalogue", table, ws.provenance("made by hand", {}))


def tile_layer(ws: Workspace, rows: ArrayLike, title: str = "tiles", threshold: float = 0.5) -> Layer:
    """Index rows as a layer of tiles of falling probability."""
    tiles = ws.index.tiles.rows(np.asarray(rows, dtype=int))
    chance = np.linspace(0.99, threshold, len(tiles))
    table = make_table(
        ws.body,
        tiles["tile_id"].tolist(),
        tiles[["lon", "lat"]].to_numpy(),
        chance,
        chance,
        area_km2=tiles["area_km2"].to_numpy(),
        elevation_m=tiles["elevation_m"].to_numpy(),
    )
    return ws.layers.add(title, "tiles", table, ws.provenance("made by hand", {}, threshold=threshold))


def tiles_like(
    index: Any, rows: ArrayLike | None = None, observed: float | None = None, facts: bool = True
) -> TileTable:
    """The tile table of an index, changed: some rows of it, another share observed, no facts."""
    tiles = index.tiles
    which = np.arange(len(tiles)) if rows is None else np.asarray(rows)
    shares = tiles.observed if observed is None else np.full(len(tiles), observed)
    known = {name: values[which] for name, values in tiles.facts.items()} if facts else {}
    return TileTable(tiles.grid, {"tile": tiles.numbers[which], "observed": shares[which], **known})


def assert_keeps_its_word(result: ToolResult) -> None:
    """Every number of the summary stands in the figures, one for one."""
    known = {round(float(value), 9) for value in result.figures.values()}
    text = re.sub(r"\bL\d+\b", "", result.summary)
    stated = [float(number.replace(",", "")) for number in _NUMBER.findall(text)]
    unsupported = [number for number in stated if round(number, 9) not in known]
    assert not unsupported, f"{unsupported} of {result.summary!r} are not in {dict(result.figures)}"
    assert all(isinstance(value, int | float) for value in result.figures.values())

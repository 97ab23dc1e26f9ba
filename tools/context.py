"""Quantities that have a value at every position: latitude, elevation, slope, albedo, whatever is at hand.

What the context rasters of the body say (see docs/data.md), terrain measured from the one called elevation,
and what the index itself knows. Values are means over the width of a tile, because a layer's rows are no
points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.corpus.context import ContextRaster, sample_at
from retrieval.errors import ToolInputError
from tools.layers import Layer
from tools.workspace import Workspace

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """Something measured that can be asked for anywhere.

    Attributes
    ----------
    name, unit
        ``elevation`` and ``m``; the unit is empty for a ratio.
    column
        What a layer's column of it is called: ``elevation_m``.
    at
        Values at lonlat (n, 2), shape (n,); NaN where it is not known.
    source
        Where the values come from, for people.
    period
        Of a direction or longitude, after how much it begins anew; 0 for all others.
    """

    name: str
    unit: str
    column: str
    at: Callable[[Floats], Floats]
    source: str
    period: float = 0.0


def quantity(ws: Workspace, name: str) -> Quantity:
    """A quantity by its name or the name of its column.

    Raises
    ------
    ToolInputError
        If it is not known for this body; the message names those that are, and how to add one.
    """
    known = _known(ws)
    wanted = "_".join(str(name).lower().replace("-", " ").split())
    for one in known.values():
        if wanted in (one.name.lower(), one.column.lower()):
            return one
    raise ToolInputError(
        f"nothing says what {str(name)[:40]!r} is on {ws.body.name.capitalize()}",
        allowed=", ".join(known),
        next_step="name one of these, or add a raster of it as docs/data.md says under Context",
    )


def quantities(ws: Workspace) -> list[str]:
    """Names of the quantities that can be asked for."""
    return list(_known(ws))


def values_of(ws: Workspace, layer: Layer, quantity: Quantity) -> Floats:
    """Values of a quantity at a layer's rows, (n,): its own column if it has one, else at its positions."""
    if quantity.column in layer.table and pd.api.types.is_numeric_dtype(layer.table[quantity.column]):
        return np.asarray(layer.table[quantity.column].to_numpy(dtype=float, na_value=np.nan))
    if not len(layer):
        return np.zeros(0)
    return quantity.at(layer.lonlat)


def _known(ws: Workspace) -> dict[str, Quantity]:
    found = {
        "latitude": Quantity("latitude", "deg", "lat", lambda lonlat: lonlat[:, 1], "positions"),
        "longitude": Quantity("longitude", "deg", "lon", lambda lonlat: lonlat[:, 0], "positions", 360.0),
    }
    if "elevation_m" in ws.index.tiles:
        at = partial(_of_tiles, ws, "elevation_m")
        found["elevation"] = Quantity("elevation", "m", "elevation_m", at, "tiles of the index")
    for raster in ws.context:
        at = partial(_of_raster, ws, raster)
        found[raster.name] = Quantity(raster.name, raster.unit, raster.column, at, raster.source.name)
    return found


def _of_tiles(ws: Workspace, column: str, lonlat: Floats) -> Floats:
    rows = ws.rows_at(lonlat)
    values = ws.index.tiles[column].to_numpy(dtype=float)
    return np.where(rows >= 0, values[rows], np.nan) if len(values) else np.full(len(rows), np.nan)


def _of_raster(ws: Workspace, raster: ContextRaster, lonlat: Floats) -> Floats:
    ws.check_stop()
    return sample_at(raster, ws.body, lonlat, ws.index.grid.tile_km / 2.0)

"""Quantities that have a value at every position: latitude, elevation, slope, albedo, whatever is at hand.

What the context rasters of the body say (see docs/data.md), terrain measured from the one called elevation,
and what the index itself knows. Values are means over discs as wide as a tile unless another scale is asked
for, because a layer's rows are no points and ground has no slope without a scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import ToolInputError
from tools.layers import Layer
from tools.workspace import Workspace, check_number

if TYPE_CHECKING:
    from retrieval.corpus.context import ContextRaster

Floats = NDArray[np.float64]

ELEVATION = "elevation"
LEAST_PIXELS = 3  # of the elevation model across a disc, for its slope to be more than interpolation
DISC_PX = (9, 16)  # points across a disc, as many as the model has: 20,000 rows take some seconds

# Name -> unit, column of `retrieval.corpus.terrain.terrain_at`, period.
_TERRAIN = {
    "slope": ("deg", "slope_deg", 0.0),
    "aspect": ("deg", "aspect_deg", 360.0),
    "relief": ("m", "relief_m", 0.0),
    "roughness": ("m", "roughness_m", 0.0),
    "position": ("m", "position_m", 0.0),
    "profile_curvature": ("per km", "profile_curvature_per_km", 0.0),
    "plan_curvature": ("per km", "plan_curvature_per_km", 0.0),
}
_ALSO = {
    "curvature": "profile_curvature",
    "topographic_position": "position",
    "lat": "latitude",
    "lon": "longitude",
    "altitude": ELEVATION,
    "height": ELEVATION,
}


@dataclass(frozen=True)
class Quantity:
    """Something measured that can be asked for anywhere.

    Attributes
    ----------
    name, unit
        ``elevation`` and ``m``; the unit is empty for a ratio.
    column
        What a layer's column of it is called: ``elevation_m``; with the scale at its end where one was asked
        for.
    at
        Values at lonlat (n, 2), shape (n,); NaN where it is not known.
    source
        Where the values come from, for people.
    period
        Of a direction or longitude, after how much it begins anew; 0 for all others.
    scale_km
        Diameter of the discs over which it is measured, a pixel of the raster at least; 0 where it has none.
    """

    name: str
    unit: str
    column: str
    at: Callable[[Floats], Floats]
    source: str
    period: float = 0.0
    scale_km: float = 0.0


def quantity(ws: Workspace, name: str, scale_km: float | None = None) -> Quantity:
    """A quantity by its name or the name of its column.

    Parameters
    ----------
    scale_km
        Diameter of the discs over which it is measured; by default the width of a tile or, for terrain,
        three pixels of the elevation model where these are more.

    Raises
    ------
    ToolInputError
        If it is not known for this body; the message names what is, and how to add a raster of it.
    """
    return several(ws, [name], scale_km)[0]


def quantities(ws: Workspace) -> list[str]:
    """Names of the quantities that can be asked for."""
    return list(_known(ws, None))


def values_of(ws: Workspace, layer: Layer, quantity: Quantity) -> Floats:
    """Values of a quantity at a layer's rows, (n,): its own column if it has one, else at its positions."""
    if quantity.column in layer.table and pd.api.types.is_numeric_dtype(layer.table[quantity.column]):
        return np.asarray(layer.table[quantity.column].to_numpy(dtype=float, na_value=np.nan))
    return quantity.at(layer.lonlat) if len(layer) else np.zeros(0)


def several(ws: Workspace, names: Sequence[str], scale_km: float | None = None) -> list[Quantity]:
    """Quantities by their names, as `quantity`; those of terrain are measured together."""
    known = _known(ws, scale_km)
    return [_find(ws, known, name, _ending(scale_km)) for name in names]


def of_tiles(ws: Workspace, column: str, lonlat: Floats) -> Floats:
    """A column of the index's tiles at the tiles that hold positions, (n,); NaN where the index has none."""
    rows = ws.rows_at(lonlat)
    values = ws.index.tiles.facts[column]
    found = np.full(len(rows), np.nan)
    found[rows >= 0] = values[rows[rows >= 0]]
    return found


def largest_scale_km(ws: Workspace) -> float:
    """Diameter of the largest discs that can be asked for."""
    return ws.body.half_circumference_km / 2.0


def _find(ws: Workspace, known: Mapping[str, Quantity], name: str, ending: str) -> Quantity:
    wanted = "_".join(str(name).lower().replace("-", " ").split())
    wanted = _ALSO.get(wanted, wanted)
    for one in known.values():
        if wanted in (one.name, one.column.lower(), one.column.lower().removesuffix(ending)):
            return one
    body, allowed = ws.body.name.capitalize(), ", ".join(known)
    faults = {raster.name: raster.fault for raster in ws.context if raster.fault}
    terrain = any(wanted in (key, column) for key, (_, column, _) in _TERRAIN.items())
    if wanted in faults:
        raise ToolInputError(
            f"{wanted} of {body} cannot be used: {faults[wanted]}",
            allowed=allowed,
            next_step="name one of these, or put the file right as docs/data.md says under Context",
        )
    if terrain:
        why = f" ({faults[ELEVATION]})" if ELEVATION in faults else ""
        raise ToolInputError(
            f"{wanted} needs an elevation model of {body} in m or km, and there is none{why}",
            allowed=allowed,
            next_step="add one as docs/data.md says under Context; for Mars: areographer fetch mola",
        )
    raise ToolInputError(
        f"nothing says what {str(name)[:40]!r} is on {body}",
        allowed=allowed,
        next_step="name one of these, or add a raster of it as docs/data.md says under Context"
        + "".join(f"; {file} there cannot be used: {fault}" for file, fault in faults.items()),
    )


def _known(ws: Workspace, scale_km: float | None) -> dict[str, Quantity]:
    from retrieval.corpus.context import resolution_km

    largest = largest_scale_km(ws)
    if scale_km is not None:
        scale_km = check_number("scale_km", scale_km, 0, largest, "km", above=True)
    wide = min(ws.index.grid.tile_km, largest) if scale_km is None else scale_km
    ending = _ending(scale_km)
    found = {
        "latitude": Quantity("latitude", "deg", "lat", lambda lonlat: lonlat[:, 1], "positions"),
        "longitude": Quantity("longitude", "deg", "lon", lambda lonlat: lonlat[:, 0], "positions", 360.0),
    }
    if "elevation_m" in ws.index.tiles.facts:
        at = partial(of_tiles, ws, "elevation_m")
        found[ELEVATION] = Quantity(ELEVATION, "m", "elevation_m", at, "tiles of the index")
    for raster in ws.context:
        if not raster.fault:
            at = partial(_of_raster, ws, raster, wide)
            found[raster.name] = Quantity(
                raster.name,
                raster.unit,
                raster.column + ending,
                at,
                raster.about,
                scale_km=max(wide, resolution_km(raster)),
            )
    for raster in ws.context:
        if raster.name == ELEVATION and not raster.fault and raster.unit in ("m", "km"):
            terrain = _terrain(ws, raster, scale_km, wide, ending)
            found |= {name: one for name, one in terrain.items() if name not in found}
    return found


def _ending(scale_km: float | None) -> str:
    """End of the names of columns that were measured at another scale than the usual one."""
    return "" if scale_km is None else f"_{float(scale_km):g}km"


def _terrain(
    ws: Workspace, dem: ContextRaster, scale_km: float | None, wide: float, ending: str
) -> dict[str, Quantity]:
    from retrieval.corpus.context import resolution_km

    least = LEAST_PIXELS * resolution_km(dem)
    scale = min(max(wide, least), largest_scale_km(ws)) if scale_km is None else scale_km
    measured = _Terrain(ws, dem, scale, least)
    return {
        name: Quantity(
            name, unit, column + ending, partial(measured, column), dem.about, period, measured.scale_km
        )
        for name, (unit, column, period) in _TERRAIN.items()
    }


@dataclass
class _Terrain:
    """Terrain at one scale: all columns are measured together, and kept for the next that is asked for."""

    ws: Workspace
    dem: ContextRaster
    scale_km: float
    least_km: float
    asked: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    columns: dict[str, Floats] = field(default_factory=dict)

    def __call__(self, column: str, lonlat: Floats) -> Floats:
        if self.scale_km < self.least_km:
            raise ToolInputError(
                f"scale_km is {self.scale_km:g}, too fine for {self.dem.about}",
                allowed=f"at least {self.least_km:.1f} km, {LEAST_PIXELS} of its pixels",
            )
        if not self.columns or not np.array_equal(self.asked, lonlat):
            self.columns, self.asked = self._measure(lonlat), lonlat.copy()
        return self.columns[f"{column}_{self.scale_km:g}km"]

    def _measure(self, lonlat: Floats) -> dict[str, Floats]:
        from retrieval.corpus.context import elevation_of
        from retrieval.corpus.terrain import terrain_at

        pixels = LEAST_PIXELS * self.scale_km / self.least_km
        across = int(np.clip(np.ceil(pixels), *DISC_PX)) // 2 * 2 + 1
        with elevation_of(self.dem) as elevation:

            def heights(patches: Floats) -> ArrayLike:
                self.ws.check_stop()
                return elevation(patches)

            return terrain_at(heights, self.ws.body, lonlat, [self.scale_km], size_px=across)


def _of_raster(ws: Workspace, raster: ContextRaster, wide_km: float, lonlat: Floats) -> Floats:
    from retrieval.corpus.context import sample_at

    ws.check_stop()
    return sample_at(raster, ws.body, lonlat, wide_km / 2.0)

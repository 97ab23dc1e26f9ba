"""What the ground is like at the rows of a layer: context rasters, terrain, texture, maps of polygons."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial.directions import axial
from tools.context import Quantity, several, values_of
from tools.layers import COLUMNS, Layer
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.statistics.axes import tile_axes
from tools.things import rows_of
from tools.workspace import ToolResult, Workspace

MOST_VALUES = 12
MIDDLE_PERCENT = 80
SHOWN_TEXTS = 3
TEXTURE = "texture_azimuth"
AT_POSITIONS = "Lines and polygons were measured about the position that stands for each."

Floats = NDArray[np.float64]

_OF_LAYER = re.compile(r"\[?(L\d+)\]?\.(\S.*)", re.IGNORECASE)
# A digit that stands alone in a text would pass for a number that was measured.
_LONE_DIGIT = re.compile(r"(?<![A-Za-z_])\d")
_UNITS = {"deg": "degrees"}
_OF_SLOPES = ("aspect", "profile_curvature", "plan_curvature")  # level ground has none


@dataclass(frozen=True)
class Sampled:
    """A new column: its name, how it is spoken of, its values with NaN or empty text where not known."""

    column: str
    name: str
    values: NDArray[np.generic]
    unit: str = ""
    source: str = ""
    period: Literal[0, 180, 360] = 0
    scale_km: float = 0.0

    @property
    def is_text(self) -> bool:
        """Whether it names classes."""
        return self.values.dtype == object


def sample_context(ws: Workspace, layer: str, values: list[str], scale_km: float | None = None) -> ToolResult:
    """Measure what the ground is like at each row of a layer (elevation, slope, aspect, relief, curvature,
    albedo, thermal inertia, geologic unit...), as new columns with units, and summarise each. Makes a new
    layer, which can be filtered by these columns.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    values
        What to measure, 1 to 12 names: elevation, slope, aspect (direction of descent), relief (highest minus
        lowest), roughness, position (height above the surroundings), profile_curvature, plan_curvature,
        latitude, longitude; any context raster of the body, such as albedo; texture_azimuth (which way the
        texture of the tile there runs); or LAYER.COLUMN, for example L4.unit: what the polygon of another
        layer that holds the row says.
    scale_km
        Diameter of the ground that counts for a row, km; if not given the width of a tile, and for terrain at
        least three pixels of the elevation model.
    """
    chosen = ws.layers.get(layer)
    sampled = _sample(ws, chosen, _checked(values), scale_km)
    table = chosen.table.assign(**{one.column: one.values for one in sampled})
    made = add_layer(
        ws,
        "sample_context",
        {"layer": chosen.id, "values": _checked(values), "scale_km": scale_km},
        title=f"{chosen.title} with {_listed([one.name for one in sampled])}",
        table=table,
        parents=[chosen],
        notes=(*(_note(one) for one in sampled), *(() if chosen.pointlike else (AT_POSITIONS,))),
    )
    figures: Figures = {"count": len(made)}
    if not len(made):
        summary = f"{made.id} is empty, as {chosen.id} is: there was nothing to measure."
        return ToolResult(summary, (made.id,), figures)
    said_of = [_describe(one, figures) for one in sampled]
    summary = f"{made.id} has the {rows_of(made)} of {chosen.id}. {' '.join(said_of)}{_sources(sampled)}"
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def _checked(values: list[str]) -> list[str]:
    names = list(dict.fromkeys(" ".join(str(name).split()) for name in values))
    if not 1 <= len(names) <= MOST_VALUES or not all(names):
        raise ToolInputError(f"{len(names)} values were asked for", allowed=f"1 to {MOST_VALUES} names")
    return names


def _sample(ws: Workspace, layer: Layer, names: list[str], scale_km: float | None) -> list[Sampled]:
    """The columns in the order of their names; whatever is asked for twice comes once."""
    plain = [name for name in names if not _OF_LAYER.fullmatch(name) and not _is_texture(name)]
    measured = dict(zip(plain, several(ws, plain, scale_km), strict=True))
    found: dict[str, Sampled] = {}
    for name in names:
        if name in measured:
            columns = [_of_quantity(ws, layer, measured[name])]
        elif _is_texture(name):
            columns = _texture(ws, layer)
        else:
            columns = [_of_polygons(ws, layer, name, {*layer.table.columns, *found})]
        found |= {column.column: column for column in columns}
    return list(found.values())


def _of_quantity(ws: Workspace, layer: Layer, wanted: Quantity) -> Sampled:
    values = values_of(ws, layer, wanted)
    source, scale = wanted.source, wanted.scale_km
    if wanted.column in layer.table:
        source, scale = f"{layer.id}'s own column", 0.0
    period: Literal[0, 360] = 360 if wanted.period else 0
    return Sampled(wanted.column, wanted.name, values, wanted.unit, source, period, scale)


def _is_texture(name: str) -> bool:
    return name.lower().replace(" ", "_").removesuffix("_deg") == TEXTURE


def _texture(ws: Workspace, layer: Layer) -> list[Sampled]:
    rows = ws.rows_at(layer.lonlat) if len(layer) else np.zeros(0, dtype=np.int64)
    azimuth, strength = tile_axes(ws, rows) if len(rows) else (np.zeros(0), np.zeros(0))
    source = "the tile's picture, without the shading that all tiles of the index share"
    return [
        Sampled(f"{TEXTURE}_deg", "texture azimuth", azimuth, "deg", source, 180),
        Sampled("texture_strength", "texture strength", np.where(rows >= 0, strength, np.nan), "", source),
    ]


def _of_polygons(ws: Workspace, layer: Layer, name: str, taken: set[str]) -> Sampled:
    """What the polygons of another layer that hold the rows say, as text or as numbers."""
    from retrieval.corpus.context import units_at

    match = _OF_LAYER.fullmatch(name)
    assert match is not None
    units, column = ws.layers.get(match[1]), match[2].strip()
    own = [str(key) for key in units.table.columns if key not in (*COLUMNS, "geometry")]
    polygons = units.table[shapely.get_dimensions(units.shapes) == 2]
    if not len(polygons):
        raise ToolInputError(
            f"{units.id} has no polygons, so that no row lies in one",
            allowed="LAYER.COLUMN of a layer of polygons",
            next_step="nearest finds which row of another layer is nearest, and how far away",
        )
    if column not in own:
        raise ToolInputError(
            f"{units.id} has no column {column[:40]!r}", allowed=", ".join(own[:20]) or "none"
        )
    values: NDArray[np.generic] = units_at(polygons, column, layer.lonlat)
    kind = units.table[column].dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        values = pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=float)
    new = column if column not in taken else f"{column}_of_{units.id}"
    return Sampled(
        new, f"{column} of {units.id}", values, source=f"the polygon of {units.id} that holds the row"
    )


def _describe(one: Sampled, figures: Figures) -> str:
    """A sentence on a column; its numbers go into the figures."""
    name = re.sub(r"\W+", "_", one.name)
    unknown = int(((one.values == "") if one.is_text else np.isnan(one.values.astype(float))).sum())
    known = len(one.values) - unknown
    over = ""
    if one.scale_km:
        figures[f"{name}_scale_km"] = tidy(one.scale_km)
        over = f" over {said(figures[f'{name}_scale_km'])} km"
    figures[f"{name}_unknown_count"] = unknown
    title = one.name[:1].upper() + one.name[1:].replace("_", " ")
    if not known:
        return f"{title}{over} is known at none of them."
    missing = (
        f"; {plural(unknown, 'row')} {'flat or ' if one.name in _OF_SLOPES else ''}unknown" if unknown else ""
    )
    if one.is_text:
        return f"{title}: {_classes(one, name, figures)}{missing}."
    if one.period:
        return f"{title}{over}: {_direction(one, name, figures)}{missing}."
    return f"{title}{over}: {_spread(one, name, figures)}{missing}."


def _spread(one: Sampled, name: str, figures: Figures) -> str:
    values = one.values.astype(float)
    tail = (100 - MIDDLE_PERCENT) / 200
    low, middle, high = np.nanquantile(values, [tail, 0.5, 1 - tail]).tolist()
    ending = f"_{one.unit.replace(' ', '_')}" if one.unit.replace(" ", "").isalnum() else ""
    keys = [f"{name}_{key}{ending}" for key in ("q10", "median", "q90")]
    figures |= dict(zip(keys, map(tidy, (low, middle, high)), strict=True))
    figures["middle_percent"] = MIDDLE_PERCENT
    first, median, last = (said(figures[key]) for key in keys)
    return (
        f"median {median}{_unit(one)}, the middle {figures['middle_percent']} % from {first} to {last}"
        f"{_unit(one)}"
    )


def _direction(one: Sampled, name: str, figures: Figures) -> str:
    values = one.values.astype(float)
    period: Literal[180, 360] = 180 if one.period == 180 else 360
    mean = axial(values, np.ones(len(values)), np.arange(len(values)), period_deg=period, resamples=0)
    figures[f"{name}_mean_deg"] = tidy(mean.azimuth_deg, 3)
    figures[f"{name}_resultant_length"] = tidy(mean.resultant_length, 3)
    return (
        f"mean {'axis' if period == 180 else 'direction'} {said(figures[f'{name}_mean_deg'])} degrees with "
        f"resultant length {said(figures[f'{name}_resultant_length'])}"
    )


def _classes(one: Sampled, name: str, figures: Figures) -> str:
    counts = pd.Series(one.values[one.values != ""]).value_counts()
    counts = counts.sort_index().sort_values(ascending=False, kind="stable")
    figures[f"{name}_classes"] = len(counts)
    parts = []
    for number, (text, count) in enumerate(counts.head(SHOWN_TEXTS).items(), start=1):
        figures[f"{name}_{number}_count"] = int(count)
        if not _LONE_DIGIT.search(str(text)):
            parts.append(f"{count:,} in “{str(text)[:60]}”")
    most = f", {'mostly' if len(counts) > SHOWN_TEXTS else 'namely'} {_listed(parts)}" if parts else ""
    kinds = f"{len(counts):,} different one" + ("" if len(counts) == 1 else "s")
    return kinds + most


def _unit(one: Sampled) -> str:
    unit = _UNITS.get(one.unit, one.unit)
    return f" {unit}" if unit and not _LONE_DIGIT.search(unit) else ""


def _sources(sampled: list[Sampled]) -> str:
    """Where the values come from; what has numbers of its own stands in the layer's notes only."""
    named: dict[str, list[str]] = {}
    for one in sampled:
        if one.source and not _LONE_DIGIT.search(one.source):
            named.setdefault(one.source, []).append(one.name)
    parts = [f"{_listed(names)} from {source}" for source, names in named.items()]
    return f" Sources: {'; '.join(parts)}." if parts else ""


def _note(one: Sampled) -> str:
    over = f", mean or fit over {one.scale_km:g} km" if one.scale_km else ""
    return f"{one.column}: {one.unit or 'no unit'}{over}; {one.source}."


def _listed(names: list[str]) -> str:
    names = [name.replace("_", " ") for name in names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

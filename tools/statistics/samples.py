"""Values of the things of layers, measured alike in all that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from tools.context import Quantity, quantities, quantity, values_of
from tools.layers import Layer
from tools.statistics.ground import evidence_groups
from tools.things import thing_rows
from tools.workspace import Workspace

NO_VALUES = ("row_id", "lon", "lat", "tile", "rank", "feature_id", "geometry")
UNITS = ("km2", "km", "m", "deg")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Measured = Callable[[Layer], Floats]


@dataclass(frozen=True)
class Sample:
    """Values of the things of a layer, one each.

    Attributes
    ----------
    values, lonlat, groups
        Value, (n,), NaN where it is not known; position, (n, 2); piece of evidence, (n,).
    noun
        What they are called, in the singular.
    whole
        How many there are, where only a sample of them is looked at.
    """

    values: Floats
    lonlat: Floats
    groups: Ints
    noun: str
    whole: int


def sample(ws: Workspace, layer: Layer, measured: Measured, most: int) -> Sample:
    """Take one row for each thing of a layer, the central one of tiles that touch; at most so many."""
    rows, noun = thing_rows(ws, layer)
    whole = len(rows)
    if whole > most:
        rows = np.sort(np.random.default_rng(ws.seed).choice(rows, most, replace=False))
    kept = replace(layer, table=layer.table.iloc[rows])
    lonlat = kept.lonlat
    return Sample(measured(kept), lonlat, evidence_groups(ws, lonlat), noun, whole)


def measure(ws: Workspace, one: Layer, two: Layer | None, by: str) -> tuple[Quantity, Measured]:
    """What is compared, and what measures it in a layer: alike in both."""
    layers = [one] if two is None else [one, two]
    shared = [name for name in _numbers(one) if all(name in _numbers(layer) for layer in layers)]
    name = "_".join(str(by).lower().replace("-", " ").split())
    try:
        wanted = quantity(ws, by)
    except ToolInputError as error:
        column = next((column for column in shared if column.lower() == name), None)
        if column is None or two is None:
            more = shared if two is not None else []
            what = error.what if column is None else f"the ground has no {column} to compare {one.id} with"
            next_step = error.next_step if column is None else "give another layer that has it as other"
            raise ToolInputError(
                what, allowed=", ".join([*quantities(ws), *more]), next_step=next_step
            ) from error
        unit = next((unit for unit in UNITS if column.endswith(f"_{unit}")), "")
        words = column.removesuffix(f"_{unit}").replace("_", " ") if unit else column.replace("_", " ")
        wanted = Quantity(words, unit, column, lambda lonlat: np.full(len(lonlat), np.nan), "columns")
    if wanted.period or "azimuth" in wanted.name or "aspect" in wanted.name:
        made_for = "density by longitude, or " if wanted.name == "longitude" else ""
        raise ToolInputError(
            f"{wanted.name} begins anew after a turn, so that of two none is higher",
            allowed="what has a least and a greatest value",
            next_step=f"use {made_for}orientation, which is made for directions",
        )
    if wanted.column in shared and two is not None:
        return wanted, lambda layer: values_of(ws, layer, wanted)
    return wanted, lambda layer: np.asarray(wanted.at(layer.lonlat)) if len(layer) else np.zeros(0)


def shared_rows(ws: Workspace, one: Layer, two: Layer) -> int:
    """Rows of the first layer that are in the second as well."""
    if one.kind == "tiles" and two.kind == "tiles":
        grid = ws.index.grid
        return int(np.isin(grid.locate(one.lonlat), grid.locate(two.lonlat)).sum())
    names = ["row_id", "lon", "lat"]
    return len(one.table[names].merge(two.table[names].drop_duplicates(), on=names))


def _numbers(layer: Layer) -> list[str]:
    """Columns that may be compared."""
    numeric = (name for name in layer.table.columns if pd.api.types.is_numeric_dtype(layer.table[name]))
    return [name for name in numeric if name not in NO_VALUES]

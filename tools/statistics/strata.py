"""Classes of ground for the null model ``strata``: of a quantity, or the units of a map."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus.context import units_at
from retrieval.errors import ToolInputError
from retrieval.spatial.observed import Observed
from retrieval.spatial.strata import Strata, equal_area_strata
from tools.context import quantities, quantity
from tools.layers import Layer
from tools.statistics.ground import ground_of
from tools.workspace import Workspace, check_text

CLASSES = 6
MOST_MEASURED = 400_000  # places where a raster is asked; things are of the class of the nearest
_COLUMN = re.compile(r"\[?(L\d+)\]?\.(.+)", re.IGNORECASE)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Classes:
    """What tells the class of positions (n, 2), (n,) numbers with -1 where it is not known; and its name."""

    at: Strata
    words: str


def classes_of(ws: Workspace, observed: Observed, null: str, strata: str | None) -> Classes | None:
    """The classes that a call asks for; None where the null needs none.

    A position belongs to the class of the middle of its cell.

    Parameters
    ----------
    null
        The null asked; ``strata`` may be left out where ``strata`` is given.
    strata
        Name of a quantity, or ``L4.unit``: a layer of polygons and its column of text.

    Raises
    ------
    ToolInputError
        If only one of null and strata is given, or there is no such quantity, layer or column.
    """
    if strata is None:
        if null != "strata":
            return None
        raise ToolInputError(
            "the null strata needs strata",
            allowed=", ".join([*quantities(ws), "or a layer of polygons and its column, such as L4.unit"]),
            next_step="say which classes of ground chance must keep to",
        )
    if null not in ("strata", "spin"):  # spin is what stands there when no null was named
        raise ToolInputError(
            f"strata are given, and the null is {null}",
            allowed="the null strata",
            next_step="ask for the null strata, or leave strata out",
        )
    name = check_text("strata", strata, 100)
    column = _COLUMN.fullmatch(name)
    if column:
        return _of_units(ws.layers.get(column[1]), column[2], observed)
    asked = quantity(ws, name)
    ground = ground_of(ws, asked, MOST_MEASURED)
    at = equal_area_strata(ground.values, observed, CLASSES)
    return Classes(at, f"{asked.name} in six classes of equal area")


def _of_units(layer: Layer, column: str, observed: Observed) -> Classes:
    if layer.pointlike:
        raise ToolInputError(
            f"the rows of {layer.id} are points: they divide no ground",
            allowed="a layer of polygons",
            next_step="load a map of units",
        )
    text = layer.table.drop(columns=["row_id", "geometry"]).select_dtypes(exclude=["number", "bool"])
    columns = [str(name) for name in text]
    if column not in columns:
        raise ToolInputError(
            f"{layer.id} has no column of text {column[:40]!r}", allowed=", ".join(columns) or "none"
        )
    units = units_at(layer.table, column, observed.grid.centres(observed.cells))
    names, number = np.unique(units.astype(str), return_inverse=True)
    of_cell: Ints = np.append(np.where(names[number] == "", -1, number), -1)
    return Classes(lambda lonlat: of_cell[observed.cell_at(lonlat)], f"{column} of {layer.id}")

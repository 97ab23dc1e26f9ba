"""Moving clusters to other ground of their own kind.

Two landforms that both like high ground are neighbours without knowing of each other. A null model that
moves a pattern anywhere in its latitudes calls that an association. This one moves each group of linked
rows to ground of the same class (of elevation, of a geologic unit), near its own latitude.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from retrieval.body import to_east_180
from retrieval.errors import GeometryError
from retrieval.spatial.ladder import Ladder
from retrieval.spatial.observed import Observed, within_cells
from retrieval.stop import in_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Strata = Callable[[Floats], NDArray[np.integer]]

BAND_DEG = 5.0  # a group goes no farther north or south than this
BLOCK = 200_000  # positions turned in one go, then the stop is looked at


def cell_classes(strata: Strata | None, observed: Observed) -> Ints:
    """Class of the ground at the middle of each observed cell, (c,); -1 where it is not known.

    Raises
    ------
    GeometryError
        If there are no strata, or not one class for each position.
    """
    if strata is None:
        raise GeometryError(
            "the null 'strata' needs strata",
            allowed="classes of elevation, geologic units",
            next_step="say which, or choose the null 'spin'",
        )
    found = np.asarray(strata(observed.grid.centres(observed.cells)))
    if found.shape != observed.cells.shape or not np.issubdtype(found.dtype, np.integer):
        raise GeometryError(
            f"strata of shape {found.shape} for {len(observed.cells)} observed cells",
            allowed="a whole number for each position, -1 where the class is not known",
        )
    return found.astype(np.int64)


def equal_area_strata(at: Callable[[Floats], Floats], observed: Observed, count: int) -> Strata:
    """Classes of a value that each hold about the same area of the observed ground.

    Parameters
    ----------
    at
        Gives the value at positions (n, 2) in degrees, (n,); NaN where it is not known.
    observed
        Where was looked.
    count
        Number of classes.

    Raises
    ------
    GeometryError
        If fewer than two classes are asked for, or the value is known nowhere on the observed ground.
    """
    if count < 2:
        raise GeometryError(f"{count} strata tell nothing apart", allowed="2 or more")
    values = np.asarray(at(observed.grid.centres(observed.cells)), dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise GeometryError("the value of the strata is known nowhere on the ground observed")
    order = known[np.argsort(values[known], kind="stable")]
    area = np.cumsum(observed.cell_areas_km2[order])
    steps = area[-1] * np.arange(1, count) / count
    edges = values[order][np.minimum(np.searchsorted(area, steps), len(order) - 1)]

    def strata(lonlat: Floats) -> Ints:
        found = np.asarray(at(lonlat), dtype=np.float64)
        return np.where(np.isfinite(found), np.searchsorted(edges, found, side="right"), -1)

    return strata


def moved_within(
    points: Floats, group: Ints, observed: Observed, classes: Ints, count: int, rng: Generator
) -> Floats:
    """Each group of rows moved as one to ground of the class of one of its rows.

    That row, drawn anew for each shift, goes to a position drawn evenly from the observed ground of its
    class within `BAND_DEG` of its latitude; the others keep their places about it, and north stays north.

    Parameters
    ----------
    points
        The pattern, (n, 2), degrees.
    group
        Group of each row, (n,), from 0.
    observed
        Where was looked.
    classes
        Class of each observed cell, (c,), -1 where it is not known.
    count
        Number of shifts, s.
    rng
        Source of chance.

    Returns
    -------
    array
        Where each row went, (s, n, 2). Groups without any row of known class stay.
    """
    moved = np.broadcast_to(points, (count, *points.shape)).copy()
    own = np.append(classes, -1)[observed.cell_at(points)]
    known = np.flatnonzero(own >= 0)
    if not len(known):
        return moved
    groups = int(group.max()) + 1
    size = np.bincount(group[known], minlength=groups)
    first = np.cumsum(size) - size
    member = known[np.argsort(group[known], kind="stable")]
    ground = _Ground(observed, classes)
    low, high = ground.around(points[:, 1], own)
    for part in in_pieces(count, BLOCK // len(points)):
        drawn = first + (rng.random((part.stop - part.start, groups)) * size).astype(np.int64)
        anchor = member[np.minimum(drawn, len(member) - 1)]
        target = ground.draw(low[anchor], high[anchor], rng)
        moved[part] = _carried(points, points[anchor][:, group], target[:, group])
    moved[:, size[group] == 0] = points[size[group] == 0]
    return moved


class _Ground:
    """Observed cells in the order of class, then latitude."""

    # A class and a latitude as one number to search for: no band reaches from one class into the next.
    APART = 1000.0

    def __init__(self, observed: Observed, classes: Ints) -> None:
        self.observed = observed
        lat = observed.grid.centres(observed.cells)[:, 1]
        self.names = np.unique(classes[classes >= 0])
        order = np.lexsort((lat, classes))
        order = order[classes[order] >= 0]
        self.cells = observed.cells[order]
        self.key = np.searchsorted(self.names, classes[order]) * self.APART + lat[order]
        self.area = np.concatenate([[0.0], np.cumsum(observed.cell_areas_km2[order])])
        self.band_deg = max(BAND_DEG, float(observed.grid.row_height_deg))
        self.ladder = Ladder(self.area)

    def around(self, lat: Floats, classes: Ints) -> tuple[Floats, Floats]:
        """Where ground of a class near a latitude begins and ends, as areas, (...) each."""
        key = np.searchsorted(self.names, classes) * self.APART + lat
        low = self.area[np.searchsorted(self.key, key - self.band_deg)]
        return low, self.area[np.searchsorted(self.key, key + self.band_deg)]

    def draw(self, low: Floats, high: Floats, rng: Generator) -> Floats:
        """Positions drawn evenly from the ground between areas, (..., 2)."""
        cells = self.cells[self.ladder.step_of(low + rng.random(low.shape) * (high - low))]
        return within_cells(self.observed.grid, cells, rng.random(cells.shape), rng.random(cells.shape))


def _carried(points: Floats, anchor: Floats, target: Floats) -> Floats:
    """Points (n, 2) turned as their anchors are, along the meridian and about the axis, to the targets.

    Anchors and targets are of shape (s, n, 2).
    """
    lat = np.radians(points[:, 1])
    east = np.radians(points[:, 0] - anchor[..., 0])
    tilt = np.radians(target[..., 1] - anchor[..., 1])
    # Seen from the anchor's meridian: x outward, y east, z along the axis.
    x, y, z = np.cos(lat) * np.cos(east), np.cos(lat) * np.sin(east), np.sin(lat)
    outward = x * np.cos(tilt) - z * np.sin(tilt)
    north = x * np.sin(tilt) + z * np.cos(tilt)
    lon = to_east_180(np.degrees(np.arctan2(y, outward)) + target[..., 0])
    return np.stack([lon, np.degrees(np.arcsin(np.clip(north, -1.0, 1.0)))], axis=-1)

"""Which share of a pattern is near to something, observed and made by chance, at many distances in one go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from retrieval.body import Body, chord
from retrieval.errors import GeometryError
from retrieval.grid import Grid
from retrieval.spatial.nulls import Shifts, clusters_of, superposed
from retrieval.spatial.shapes import along, inside
from retrieval.spatial.sphere import SLACK, check_lonlat, vectors_of
from retrieval.stop import check_stop, in_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCK = 200_000  # positions looked up in one go, then the stop is looked at


@dataclass(frozen=True)
class Curves:
    """Shares of A near to B at r distances.

    Attributes
    ----------
    share, expected
        Observed, and expected of the same rows by chance, (r,).
    statistic
        Of the observed pattern (first) and of each made by chance, (s + 1, r).
    worth
        How many independent rows A is worth, (r,): its rows over the design effect, which is how much
        the shares of the shifts scatter beside those of as many independent rows (Kish 1965). NaN where
        no shift brought any row near, so that nothing scattered.
    """

    share: Floats
    expected: Floats
    statistic: Floats
    worth: Floats


class Target:
    """B as something to be near to."""

    def __init__(self, body: Body, others: NDArray[Any] | ArrayLike) -> None:
        self.body = body
        found = np.asarray(others)
        self.points = np.zeros((0, 2))
        self.shapes: NDArray[Any] = np.zeros(0, dtype=object)
        if found.dtype == object and found.ndim == 1:
            if not bool(shapely.is_geometry(found).all()):
                raise GeometryError("a shape to be near to is none", allowed="positions, or geometries")
            kept = found[~shapely.is_empty(found)]
            is_point = shapely.get_type_id(kept) == 0
            self.points = check_lonlat(shapely.get_coordinates(kept[is_point]), "the other layer")
            self.shapes = kept[~is_point]
        else:
            self.points = check_lonlat(others, "the other layer")
        self.count = len(self.points) + len(self.shapes)

    def clusters(self, link_km: float) -> int:
        """Groups of positions linked within a distance, and shapes."""
        groups = clusters_of(self.body, self.points, link_km)
        return len(self.shapes) + (int(groups.max()) + 1 if len(groups) else 0)

    def bins(self, radii_km: Floats) -> _Bins:
        """What sorts positions into the smallest of these distances that reaches them."""
        spots = self.points
        # Half the smallest distance apart, points on an outline are right to 1/32 of it at that distance,
        # and nearly exact beyond.
        if len(self.shapes):
            spots = np.concatenate([spots, along(self.shapes, self.body, float(radii_km[0]) / 2.0)[0]])
        areas = (
            self.shapes[np.isin(shapely.get_type_id(self.shapes), (3, 6, 7))] if len(self.shapes) else None
        )
        return _Bins(self.body, spots, areas, radii_km)


def make_curves(
    points: Floats,
    moved: Shifts,
    target: Target,
    radii_km: Floats,
    rng: Generator,
    cells: Grid | None = None,
) -> Curves:
    """Shares of a pattern (n, 2) and of its shifts near a target, each beside the share expected of it.

    The statistic compares them on the scale of the arcsine root, times the root of the number of rows.
    With ``cells``, moved rows are taken to be at the middle of the cell that they lie in.
    """
    shifts, rows = moved.kept.shape
    bins = target.bins(radii_km)
    # By row, then shift: a row's own places lie together, which a tree and the caches like.
    short = np.empty((rows, shifts + 1), dtype=np.int8)
    short[:, 0] = bins(points)
    places = np.swapaxes(moved.lonlat, 0, 1)
    if cells is None:
        short[:, 1:] = bins(places.reshape(-1, 2)).reshape(rows, shifts)
    else:
        bins.of_cells(cells, places, short[:, 1:])
    kept = np.concatenate([np.ones((rows, 1), dtype=bool), moved.kept.T], axis=1)
    width = len(radii_km) + 1
    per_row = _counts(short, kept, np.arange(rows)[:, None], rows, width)
    per_shift = _counts(short, kept, np.arange(shifts + 1)[None, :], shifts + 1, width)
    check_stop()
    # Share near of each row over all shifts that kept it, the observed one among them.
    chance = per_row / kept.sum(axis=1)[:, None]
    expected = kept[:, 1:].T.astype(np.float64) @ chance
    own_shifts = np.maximum(kept[:, 1:].sum(axis=1), 1)[:, None]
    check_stop()
    number, near, expected = superposed(kept[:, 1:].sum(axis=0), rows, rng, per_shift[1:], expected)
    worth = _worth(number, near, expected, (per_row - (short[:, :1] < np.arange(1, width))) / own_shifts)
    number = np.append(float(rows), number)[:, None]
    share = np.concatenate([per_shift[:1], near]) / np.maximum(number, 1.0)
    expected = np.concatenate([chance.sum(axis=0)[None], expected]) / np.maximum(number, 1.0)
    statistic = 2.0 * np.sqrt(number) * (angle_of(share) - angle_of(expected))
    # None near is as far as a pattern can be, however few were expected, and all near as near: neither may
    # be outdone by another pattern of the same share because of its number of rows.
    for bound, end in ((share <= 0.0, statistic.min(axis=0)), (share >= 1.0, statistic.max(axis=0))):
        statistic = np.where(bound, end, statistic)
    # What chance leaves no room for (always near, or never) is no evidence, only rounding.
    fixed = (expected[0] <= 1e-12) | (expected[0] >= 1 - 1e-12)
    statistic[:, fixed] = 0.0
    return Curves(share[0], expected[0], statistic, worth)


def _worth(number: Floats, near: Floats, expected: Floats, chance: Floats) -> Floats:
    """Independent rows at each distance, from the shifts (s, r) and each row's chance in them (n, r)."""
    # Neither share nor chance hold the observed pattern: a strong association would lower its own worth.
    scatter = ((near - expected) ** 2 / np.maximum(number, 1.0)[:, None]).mean(axis=0)
    alone = (chance * (1.0 - chance)).mean(axis=0)
    design = np.maximum(1.0, scatter / np.maximum(alone, 1e-300))
    return np.asarray(np.where(alone > 0, len(chance) / design, np.nan))


def angle_of(share: ArrayLike) -> Floats:
    """The arcsine root of a share, 0..pi/2: its scatter hardly depends on the share."""
    return np.asarray(np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))))


def share_moved(share: ArrayLike, by: ArrayLike) -> Floats:
    """A share moved on the scale of the arcsine root; never below 0 or above 1."""
    return np.asarray(np.sin(np.clip(angle_of(share) + np.asarray(by), 0.0, np.pi / 2)) ** 2)


class _Bins:
    # Only whether a position is within each radius is asked, a million times, so a bare tree in space and
    # thresholds on the chord do; a `SphereTree` would spend most of its time on exact distances and ties.
    def __init__(self, body: Body, spots: Floats, areas: NDArray[Any] | None, radii_km: Floats) -> None:
        self.areas = areas
        self.thresholds = chord(np.minimum(radii_km / body.radius_km, np.pi)) + SLACK
        self.tree = cKDTree(vectors_of(spots))

    def __call__(self, lonlat: Floats) -> NDArray[np.int8]:
        """Number of radii too short to reach B from each position (n, 2), (n,)."""
        out = np.empty(len(lonlat), dtype=np.int8)
        for part in in_pieces(len(lonlat), BLOCK):
            block = lonlat[part]
            chords = self.tree.query(vectors_of(block), distance_upper_bound=self.thresholds[-1] * 1.001)[0]
            short = np.searchsorted(self.thresholds, chords).astype(np.int8)
            if self.areas is not None:
                short[inside(block, self.areas) >= 0] = 0
            out[part] = short
        return out

    def of_cells(self, grid: Grid, lonlat: Floats, out: NDArray[np.int8]) -> None:
        """The same of the middles of the cells that hold positions (n, s, 2), into (n, s).

        Each cell is looked up once, however many positions it holds.
        """
        cell, known = np.empty(out.shape, dtype=np.int32), np.zeros(len(grid), dtype=bool)
        for part in in_pieces(len(out), BLOCK // max(1, out.shape[1])):
            cell[part] = grid.locate(lonlat[part])
            known[cell[part]] = True
        needed = np.flatnonzero(known)
        short = np.empty(len(grid), dtype=np.int8)
        short[needed] = self(grid.centres(needed))
        for part in in_pieces(len(out), BLOCK // max(1, out.shape[1])):
            out[part] = short[cell[part]]


def _counts(short: NDArray[np.int8], kept: Bools, owner: Ints, owners: int, width: int) -> Floats:
    """How many of each owner's kept places are within each radius, (owners, r)."""
    key = (owner * width + short)[kept]
    return (
        np.bincount(key, minlength=owners * width).reshape(owners, width).cumsum(axis=1)[:, :-1].astype(float)
    )

"""Positions on a sphere: checked once, searched with a k-d tree, turned by rotations.

The tree holds unit vectors, so there is no seam and no pole; the straight line (chord) between two of
them grows with the great circle, so the nearest in space is the nearest on the ground. Distances handed
out are great circles again, from the cross and dot product, which keep their digits from a millimetre to
the antipode. Everything else in the program asks here instead of building its own tree.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from retrieval.body import Body, chord, to_east_180, unit_vectors
from retrieval.errors import GeometryError
from retrieval.stop import counted, in_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# What counts as equal on the unit sphere (3 micrometres on Mars): far above the rounding of a unit vector
# (1e-16), far below any position's meaning. Distances asked for include their edge by this much, and
# points whose distances differ by less are equally near.
SLACK = 1e-12
BLOCK = 2_000_000  # pairs looked at in one go: some hundred megabytes
_BITS = 21  # of each axis in the key that puts neighbours side by side: steps of 3 m on Mars


def check_lonlat(lonlat: ArrayLike, what: str) -> Floats:
    """Positions as an (n, 2) array with longitudes in -180..180 (180 itself excluded).

    Parameters
    ----------
    lonlat
        Longitude and latitude, degrees, (n, 2); one position may come as (2,). Longitudes may be in either
        domain, also mixed.
    what
        What they are, for the message: ``"layer L2"``.

    Raises
    ------
    GeometryError
        If a position is missing, is no number, or cannot lie on a sphere. The first such row (from 0)
        and the number of such rows are named.
    """
    try:
        points = np.asarray(lonlat, dtype=np.float64)
    except (TypeError, ValueError):
        raise GeometryError(f"{what}: positions are not numbers", allowed="longitude, latitude") from None
    if points.size == 0:
        return np.zeros((0, 2))
    points = points[None, :] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] != 2:
        raise GeometryError(
            f"{what}: positions have the shape {points.shape}", allowed="rows of longitude and latitude"
        )
    with np.errstate(invalid="ignore"):
        bad = ~((np.abs(points[:, 0]) <= 540.0) & (np.abs(points[:, 1]) <= 90.0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise GeometryError(
            f"{what}: row {row} lies at longitude {points[row, 0]:g}, latitude {points[row, 1]:g}"
            f" ({int(bad.sum())} of {len(points)} rows cannot lie on a body)",
            allowed="latitudes from -90 to 90 and longitudes in degrees, none missing",
            next_step="drop or correct these rows; check which column is the latitude, and the unit",
        )
    return np.stack([to_east_180(points[:, 0]), points[:, 1]], axis=-1)


def check_distance(distance_km: float, what: str = "the distance") -> float:
    """A distance that may be 0 or infinite, but neither negative nor NaN.

    Raises
    ------
    GeometryError
        If it is.
    """
    if not distance_km >= 0:
        raise GeometryError(f"{what} of {distance_km:g} km is none", allowed="0 km or more")
    return float(distance_km)


def vectors_of(lonlat: ArrayLike) -> Floats:
    """Unit vectors, (..., 3), with one vector for each pole whatever its longitude."""
    points = np.asarray(lonlat, dtype=np.float64)
    vectors = unit_vectors(points)
    vectors[np.abs(points[..., 1]) == 90.0, :2] = 0.0  # cos(90 degrees) is 6e-17
    return vectors


def lonlat_of(vectors: ArrayLike) -> Floats:
    """Inverse of `vectors_of`, shape (..., 2); the vectors need not have unit length."""
    xyz = np.asarray(vectors, dtype=np.float64)
    lon = np.degrees(np.arctan2(xyz[..., 1], xyz[..., 0]))
    lat = np.degrees(np.arctan2(xyz[..., 2], np.hypot(xyz[..., 0], xyz[..., 1])))
    return np.stack([to_east_180(lon), lat], axis=-1)


def angle_between(a: ArrayLike, b: ArrayLike) -> Floats:
    """Angle between vectors, radians, of shape broadcast(a, b)[:-1]; exact to 1e-16 at any angle."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return np.asarray(np.arctan2(np.sqrt(x * x + y * y + z * z), ax * bx + ay * by + az * bz))


def rotated(vectors: Floats, rotation: Rotation) -> Floats:
    """Unit vectors turned by one rotation, or each by its own; shape (n, 3)."""
    return np.asarray(rotation.apply(vectors))


def local_azimuth(lonlat: ArrayLike, rotation: Rotation) -> Floats:
    """By how much a rotation turns the direction of north at each position, degrees clockwise, (n,).

    An azimuth ``a`` measured at a position becomes ``a`` plus this where the rotation carries it. From
    -180 (included) to 180.
    """
    points = np.atleast_2d(np.asarray(lonlat, dtype=np.float64))
    lon, lat = np.radians(points[:, 0]), np.radians(points[:, 1])
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=-1)
    carried = np.asarray(rotation.apply(north))
    lon, lat = np.radians(lonlat_of(rotation.apply(unit_vectors(points)))).T
    new_north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], axis=-1)
    new_east = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], axis=-1)
    turned = np.arctan2((carried * new_east).sum(-1), (carried * new_north).sum(-1))
    return to_east_180(np.degrees(turned))


class SphereTree:
    """Positions that can be asked for their nearest, their number and their pairs.

    Rows are kept in an order that puts neighbours side by side, which makes large queries three times
    faster, and each position once, however many rows share it, so that a million equal points cost no
    more than one. Results come in the caller's order and name the caller's rows.

    Parameters
    ----------
    body
        The body, for kilometres.
    lonlat
        Positions, (n, 2), degrees; may be empty.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body.
    """

    def __init__(self, body: Body, lonlat: ArrayLike) -> None:
        self.body = body
        self.lonlat = check_lonlat(lonlat, "positions to search")
        vectors = vectors_of(self.lonlat)
        # `_rows` are all rows, those of one position side by side and ascending; `_first` says where each
        # position begins among them.
        self._rows, self._first = _grouped(vectors)
        self._vectors = np.ascontiguousarray(vectors[self._rows[self._first]])
        self._smallest = self._rows[self._first]

    def __len__(self) -> int:
        return len(self.lonlat)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self._vectors, balanced_tree=False, compact_nodes=False)

    @cached_property
    def _every_row(self) -> cKDTree:
        # For counting, where each row counts. Equal points end in one leaf, which is counted whole.
        if len(self._first) == len(self._rows):
            return self._tree
        repeats = np.diff(self._first, append=len(self._rows))
        return cKDTree(np.repeat(self._vectors, repeats, axis=0), balanced_tree=False, compact_nodes=False)

    def nearest(self, lonlat: ArrayLike, within_km: float = np.inf) -> tuple[Floats, Ints]:
        """Distance to the nearest position, km, and its row, both (n,); inf and -1 where none is near.

        Of positions equally near (to 1e-12 of the radius) the one with the smallest row is named. Where
        even the nearest lies at the antipode, rows within centimetres of it are not told apart.
        ``within_km`` includes its edge; a distance beyond half the circumference is all the body.

        Raises
        ------
        GeometryError
            If a position cannot lie on a body, or the distance is negative or NaN.
        """
        points = check_lonlat(lonlat, "positions")
        limit = self._limit(within_km)
        distance, row = np.full(len(points), np.inf), np.full(len(points), -1, dtype=np.int64)
        if not len(self) or not len(points):
            return distance, row
        vectors = vectors_of(points)
        order, first = _grouped(vectors)
        asked = np.ascontiguousarray(vectors[order[first]])
        chords, found = self._tree.query(asked, k=2, distance_upper_bound=_reach(limit))
        best = np.full(len(asked), -1, dtype=np.int64)
        hit = np.isfinite(chords[:, 0])
        best[hit] = self._smallest[found[hit, 0]]
        two = np.flatnonzero(np.isfinite(chords[:, 1]))
        tied = two[chords[two, 1] - chords[two, 0] <= SLACK]
        best[tied] = self._smallest_within(asked[tied], chords[tied, 0] + SLACK)
        angle = np.full(len(asked), np.inf)
        angle[hit] = angle_between(asked[hit], vectors_of(self.lonlat[best[hit]]))
        far = angle > limit + SLACK
        angle[far], best[far] = np.inf, -1
        repeats = np.diff(first, append=len(order))
        distance[order] = np.repeat(angle * self.body.radius_km, repeats)
        row[order] = np.repeat(best, repeats)
        return distance, row

    def k_nearest(self, lonlat: ArrayLike, k: int) -> tuple[Floats, Ints]:
        """Distances, km, and rows of the ``k`` nearest, (n, k), nearest first; inf and -1 beyond the last.

        Rows at one position are told apart; equally near ones come in the order of their rows.

        Raises
        ------
        GeometryError
            If a position cannot lie on a body, or ``k`` is less than 1.
        """
        points = check_lonlat(lonlat, "positions")
        if k < 1:
            raise GeometryError(f"the {k} nearest are none", allowed="1 or more")
        distance = np.full((len(points), k), np.inf)
        row = np.full((len(points), k), -1, dtype=np.int64)
        vectors = vectors_of(points)
        for part in in_pieces(len(points) if len(self) else 0, BLOCK // (k + 1)):
            distance[part], row[part] = self._k_nearest(vectors[part], k)
        return distance, row

    def counts(self, lonlat: ArrayLike, radii_km: ArrayLike) -> Ints:
        """How many positions lie within each radius (its edge included) of each point, (n, r).

        Raises
        ------
        GeometryError
            If a position cannot lie on a body, or a radius is negative or NaN.
        """
        points = check_lonlat(lonlat, "positions")
        limits = [self._limit(float(radius)) for radius in np.atleast_1d(np.asarray(radii_km, dtype=float))]
        found = np.zeros((len(points), len(limits)), dtype=np.int64)
        if not len(self) or not len(points):
            return found
        vectors = vectors_of(points)
        order, first = _grouped(vectors)
        asked = np.ascontiguousarray(vectors[order[first]])
        repeats = np.diff(first, append=len(order))
        for column, limit in enumerate(limits):
            if limit <= np.pi / 2:
                counts = self._count(asked, float(chord(limit)) + SLACK)
            else:  # all but those close to the antipode, where the chord hardly changes with the angle
                beyond = float(chord(np.pi - limit)) - SLACK
                counts = np.full(len(asked), len(self), dtype=np.int64)
                if beyond > 0:
                    counts -= self._count(-asked, beyond)
            found[order, column] = np.repeat(counts, repeats)
        return found

    def pairs(self, lonlat: ArrayLike, within_km: float, most: int = 20_000_000) -> tuple[Ints, Ints, Floats]:
        """All pairs within a distance: row of ``lonlat``, row of the tree, distance in km; each (p,).

        Ordered by the first row, then the second.

        Raises
        ------
        GeometryError
            If there would be more than ``most`` pairs, a position cannot lie on a body, or the distance
            is negative or NaN.
        """
        points = check_lonlat(lonlat, "positions")
        limit = self._limit(within_km)
        counts = self.counts(points, within_km)[:, 0]
        total = int(counts.sum())
        if total > most:
            raise GeometryError(
                f"{total:,} pairs lie within {within_km:g} km of each other",
                allowed=f"at most {most:,} pairs",
                next_step="ask for the nearest only, or for a smaller distance",
            )
        vectors = vectors_of(points)
        firsts, seconds, angles = [], [], []
        asked = np.flatnonzero(counts)
        # In blocks of about BLOCK pairs; a single point with more than that is a block of its own.
        block_of = (np.cumsum(counts[asked]) - counts[asked]) // BLOCK
        for rows in counted(np.split(asked, np.flatnonzero(np.diff(block_of)) + 1)):
            if not len(rows):
                continue
            near = cKDTree(vectors[rows], balanced_tree=False, compact_nodes=False)
            found = near.sparse_distance_matrix(self._every_row, _reach(limit), output_type="ndarray")
            first, second = rows[found["i"]], self._rows[found["j"]]
            angle = angle_between(vectors[first], vectors_of(self.lonlat[second]))
            keep = angle <= limit + SLACK
            order = np.lexsort((second[keep], first[keep]))
            firsts.append(first[keep][order])
            seconds.append(second[keep][order])
            angles.append(angle[keep][order])
        none = np.zeros(0, dtype=np.int64)
        return (
            np.concatenate([none, *firsts]),
            np.concatenate([none, *seconds]),
            np.concatenate([np.zeros(0), *angles]) * self.body.radius_km,
        )

    def _limit(self, distance_km: float) -> float:
        return min(check_distance(distance_km) / self.body.radius_km, np.pi)

    def _count(self, asked: Floats, reach: float) -> Ints:
        return np.asarray(self._every_row.query_ball_point(asked, reach, return_length=True), dtype=np.int64)

    def _smallest_within(self, asked: Floats, reach: Floats) -> Ints:
        """Smallest row within a straight-line distance of each point; there must be one."""
        found = self._tree.query_ball_point(asked, reach)
        return np.array([self._smallest[near].min() for near in found], dtype=np.int64)

    def _k_nearest(self, asked: Floats, k: int) -> tuple[Floats, Ints]:
        # One position more than asked for, to see whether the last is tied with the next.
        places = np.atleast_2d(self._tree.query(asked, k=k + 1)[1])
        known = places < len(self._vectors)
        query, place = np.nonzero(known)[0], places[known]
        last = np.where(known[:, k], places[:, k], 0)
        gap = angle_between(asked, self._vectors[last]) - angle_between(
            asked, self._vectors[np.where(known[:, k], places[:, k - 1], 0)]
        )
        tied = np.flatnonzero(known[:, k] & (gap <= 2 * SLACK))
        if len(tied):
            reach = np.linalg.norm(asked[tied] - self._vectors[last[tied]], axis=1) + SLACK
            found = self._tree.query_ball_point(asked[tied], reach)
            free = ~np.isin(query, tied)
            query = np.concatenate([query[free], np.repeat(tied, [len(near) for near in found])])
            place = np.concatenate([place[free], *[np.asarray(near, dtype=np.int64) for near in found]])
        angle = angle_between(asked[query], self._vectors[place])
        # Each position stands for its rows, of which no more than k can be wanted.
        rows_at = np.minimum(np.diff(self._first, append=len(self._rows))[place], k)
        angle, query = np.repeat(angle, rows_at), np.repeat(query, rows_at)
        within = np.arange(len(query)) - np.repeat(np.cumsum(rows_at) - rows_at, rows_at)
        row = self._rows[np.repeat(self._first[place], rows_at) + within]
        order = np.lexsort((row, angle, query))
        angle, query, row = angle[order], query[order], row[order]
        # Angles that differ by no more than the slack are one, and rows decide among them.
        step = np.diff(angle, prepend=-1.0) > SLACK
        step |= np.diff(query, prepend=-1) != 0
        order = np.lexsort((row, np.cumsum(step)))
        angle, query, row = angle[order], query[order], row[order]
        rank = np.arange(len(query)) - np.searchsorted(query, query)
        keep = rank < k
        distances = np.full((len(asked), k), np.inf)
        rows = np.full((len(asked), k), -1, dtype=np.int64)
        distances[query[keep], rank[keep]] = angle[keep] * self.body.radius_km
        rows[query[keep], rank[keep]] = row[keep]
        return distances, rows


def _reach(limit_rad: float) -> float:
    """Straight line that surely holds all within an angle; what is a little farther is sorted out after."""
    return float(chord(limit_rad)) + 2 * SLACK


def _grouped(vectors: Floats) -> tuple[Ints, Ints]:
    """Rows in an order that keeps neighbours together, and where each distinct vector begins in it.

    Rows of one vector are ascending. The order is that of Morton (1966): the bits of the three axes
    interleaved.
    """
    if not len(vectors):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    key = np.zeros(len(vectors), dtype=np.uint64)
    for axis in range(3):
        step = ((vectors[:, axis] + 1.0) * (2 ** (_BITS - 1) - 1)).astype(np.uint64)
        for shift, mask in _SPREAD:
            step = (step | (step << np.uint64(shift))) & np.uint64(mask)
        key |= step << np.uint64(axis)
    order = np.argsort(key, kind="stable")
    key, vectors = key[order], vectors[order]
    new_key = np.concatenate([[True], key[1:] != key[:-1]])
    new = new_key.copy()
    new[1:] |= (vectors[1:] != vectors[:-1]).any(axis=1)
    if np.array_equal(new, new_key):
        return order, np.flatnonzero(new)
    # Different positions within one step of the key: order these few by their coordinates.
    group = np.cumsum(new_key)
    mixed = np.isin(group, np.unique(group[new & ~new_key]))
    inner = np.lexsort((order[mixed], *vectors[mixed].T, group[mixed]))
    at = np.flatnonzero(mixed)
    order[at], vectors[at] = order[at[inner]], vectors[at[inner]]
    new = new_key
    new[1:] |= (vectors[1:] != vectors[:-1]).any(axis=1)
    return order, np.flatnonzero(new)


# Bits of 21-bit numbers pulled apart to every third place.
_SPREAD = (
    (32, 0x001F00000000FFFF),
    (16, 0x001F0000FF0000FF),
    (8, 0x100F00F00F00F00F),
    (4, 0x10C30C30C30C30C3),
    (2, 0x1249249249249249),
)

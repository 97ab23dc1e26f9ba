"""Outlines as short great-circle arcs: the distance from anything to the nearest of them.

Edges of normalised shapes run straight in longitude and latitude. Cut to a tenth of a degree they are
great-circle arcs to within 2e-7 of the radius (0.7 m on Mars), and between arcs distances are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.body import Body
from retrieval.spatial.sphere import (
    BLOCK,
    SLACK,
    Bools,
    Floats,
    Ints,
    SphereTree,
    angle_between,
    lonlat_of,
    vectors_of,
)

STEP_DEG = 0.1


@dataclass(frozen=True)
class Arcs:
    """Arcs from ``start`` to ``end``, unit vectors (n, 3), and the row of the shape each belongs to, (n,)."""

    start: Floats
    end: Floats
    row: Ints

    def __len__(self) -> int:
        return len(self.row)

    def of_points(self) -> Bools:
        """Which have no length."""
        return np.asarray((self.start == self.end).all(axis=1))

    def take(self, which: Ints | Bools | slice) -> Arcs:
        """Some of them."""
        return Arcs(self.start[which], self.end[which], self.row[which])


def paths_of(shapes: NDArray[Any], step_deg: float = STEP_DEG) -> tuple[Floats, Ints, Ints]:
    """Corners of all lines and rings with edges cut to ``step_deg``: lonlat (n, 2), path (n,), row (n,).

    Points are paths of one corner. Rings repeat their first corner.
    """
    parts, row = shapely.get_parts(shapes, return_index=True)
    kind = shapely.get_dimensions(parts)
    rings, of = shapely.get_rings(parts[kind == 2], return_index=True)
    paths = np.concatenate([parts[(kind == 0) | (kind == 1)], rings])
    rows = np.concatenate([row[(kind == 0) | (kind == 1)], row[kind == 2][of]])
    order = np.argsort(rows, kind="stable")
    corners, path = shapely.get_coordinates(shapely.segmentize(paths[order], step_deg), return_index=True)
    return corners, path.astype(np.int64), rows[order][path].astype(np.int64)


def arcs_of(shapes: NDArray[Any]) -> Arcs:
    """All edges of normalised shapes as arcs of at most `STEP_DEG`; a point is an arc without length."""
    corners, path, row = paths_of(shapes)
    vectors = vectors_of(corners)
    follows = np.flatnonzero(np.diff(path) == 0)
    alone = np.ones(len(path), dtype=bool)
    alone[follows] = alone[follows + 1] = False
    at = np.flatnonzero(alone)
    edges = Arcs(vectors[follows], vectors[follows + 1], row[follows])
    edges = edges.take(~edges.of_points() | _only_edge(path, follows))
    return Arcs(
        np.concatenate([edges.start, vectors[at]]),
        np.concatenate([edges.end, vectors[at]]),
        np.concatenate([edges.row, row[at]]),
    )


def nearest_arc(body: Body, asked: Arcs, arcs: Arcs, within_km: float = np.inf) -> tuple[Floats, Ints]:
    """Distance from each arc asked about to the nearest of ``arcs``, km, and the row of that one.

    (n,) each; inf and -1 beyond ``within_km``. Equally near ones go to the smaller row. Crossing arcs have
    the distance 0.

    Candidates come from a tree of the arcs' middles: an arc at distance d has its middle within d plus
    both half lengths, so more and more middles are looked at until the next one cannot win.
    """
    best = np.full(len(asked), np.inf)
    row = np.full(len(asked), -1, dtype=np.int64)
    if not len(asked) or not len(arcs):
        return best, row
    order = np.argsort(arcs.row, kind="stable")  # so that a tie goes to the smaller row
    arcs = arcs.take(order)
    tree = SphereTree(body, lonlat_of(arcs.start + arcs.end))
    middles = lonlat_of(asked.start + asked.end)
    halves = angle_between(asked.start, asked.end) / 2
    widest = float(angle_between(arcs.start, arcs.end).max()) / 2
    limit = min(within_km / body.radius_km, np.pi)
    reach_km = np.minimum(limit + halves + widest + SLACK, np.pi) * body.radius_km
    open_ = np.flatnonzero(tree.nearest(middles, float(reach_km.max()))[1] >= 0)
    many = 8
    while len(open_):
        many = min(many, len(arcs))
        still = []
        size = max(1, BLOCK // (8 * many))
        for start in range(0, len(open_), size):
            part = open_[start : start + size]
            distance, near = tree.k_nearest(middles[part], many)
            line = np.repeat(np.arange(len(part)), many)
            angle = between_arcs(asked.take(part[line]), arcs.take(near.ravel())).reshape(len(part), many)
            rows = arcs.row[near]
            least = angle.min(axis=1)
            rows = np.where(angle <= least[:, None] + SLACK, rows, np.iinfo(np.int64).max)
            best[part], row[part] = least, rows.min(axis=1)
            certain = distance[:, -1] / body.radius_km - widest - halves[part] - 2 * SLACK
            still.append(part[(certain <= np.minimum(least, limit)) & (many < len(arcs))])
        open_ = np.concatenate(still)
        many *= 4
    far = best > limit + SLACK
    best[far], row[far] = np.inf, -1
    return best * body.radius_km, row


def nearest_on(point: Floats, arc: Arcs) -> Floats:
    """The position on each arc that is nearest to the unit vector of the same row, (n, 3)."""
    from_start = angle_between(point, arc.start)
    nearer = np.where((from_start <= angle_between(point, arc.end))[:, None], arc.start, arc.end)
    normal = np.cross(arc.start, arc.end)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    unit = np.divide(normal, length, out=np.zeros_like(normal), where=length > SLACK)
    foot = point - (point * unit).sum(-1, keepdims=True) * unit
    beside = _beside(point, arc, normal) & (length[:, 0] > SLACK)
    return np.where(beside[:, None], foot / np.linalg.norm(foot, axis=-1, keepdims=True), nearer)


def between_arcs(a: Arcs, b: Arcs) -> Floats:
    """Angle between arcs, pair by pair, radians, (n,): 0 where they cross, else from an end of one."""
    angle = np.minimum(
        np.minimum(_point_to_arc(a.start, b), _point_to_arc(a.end, b)),
        np.minimum(_point_to_arc(b.start, a), _point_to_arc(b.end, a)),
    )
    return np.where(_cross(a, b), 0.0, angle)


def _point_to_arc(point: Floats, arc: Arcs) -> Floats:
    """Angle from unit vectors to arcs, radians."""
    ends = np.minimum(angle_between(point, arc.start), angle_between(point, arc.end))
    normal = np.cross(arc.start, arc.end)
    length = np.linalg.norm(normal, axis=-1)
    along = np.cross(point, normal)
    track = np.arctan2(np.abs((point * normal).sum(-1)), np.linalg.norm(along, axis=-1))
    # The normal of a very short arc is uncertain; nothing on an arc is nearer than this.
    track = np.maximum(track, ends - angle_between(arc.start, arc.end))
    return np.where(_beside(point, arc, normal) & (length > SLACK), np.minimum(track, ends), ends)


def _beside(point: Floats, arc: Arcs, normal: Floats) -> Bools:
    """Whether points lie beside arcs, not beyond an end: between the planes there that hold the normal."""
    after_start = (np.cross(normal, arc.start) * point).sum(-1) > 0
    return np.asarray(after_start & ((np.cross(arc.end, normal) * point).sum(-1) > 0))


def _cross(a: Arcs, b: Arcs) -> Bools:
    """Whether arcs shorter than a quarter turn cross inside both."""
    normal_a, normal_b = np.cross(a.start, a.end), np.cross(b.start, b.end)
    sides_b = (normal_a * b.start).sum(-1), (normal_a * b.end).sum(-1)
    sides_a = (normal_b * a.start).sum(-1), (normal_b * a.end).sum(-1)
    same_half = ((a.start + a.end) * (b.start + b.end)).sum(-1) > 0
    return np.asarray((sides_a[0] * sides_a[1] < 0) & (sides_b[0] * sides_b[1] < 0) & same_half)


def _only_edge(path: Ints, follows: Ints) -> Bools:
    """Edges that are all their path has."""
    count = np.bincount(path[follows], minlength=int(path.max(initial=-1)) + 1)
    return np.asarray(count[path[follows]] == 1)

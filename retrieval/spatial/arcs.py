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
    """Distance from each row asked about to the nearest of ``arcs``, km, and the row of that one.

    One entry for each of the rows 0, 1, ... of ``asked``; inf and -1 beyond ``within_km``. Equally near ones
    go to the smaller row. Crossing arcs have the distance 0.

    Candidates come from a tree of nodes, the ends and the middles of arcs. Two arcs are nearest at an end
    of one of them. The nearest point of the other is an end, too, or lies at a right angle at most a
    quarter of its length from a node; by the spherical Pythagoras nodes at an angle a, cos a = cos d
    cos(quarter), are then enough for a distance d. More and more nodes are looked at until the next
    is farther than that.
    """
    rows = int(asked.row.max(initial=-1)) + 1
    distance, nearest = np.full(rows, np.inf), np.full(rows, -1, dtype=np.int64)
    if not len(asked) or not len(arcs):
        return distance, nearest
    arcs = arcs.take(np.argsort(arcs.row, kind="stable"))
    nodes, arc_of = _nodes(arcs)
    places, asked_of = _nodes(asked)
    tree = SphereTree(body, nodes)
    limit = min(within_km / body.radius_km, np.pi)
    # Crossing arcs have nodes within a quarter of both.
    quarter = sum(float(angle_between(arc.start, arc.end).max()) for arc in (arcs, asked)) / 4

    def enough(angle: Floats) -> Floats:
        right = np.arccos(np.clip(np.cos(angle) * np.cos(quarter), -1.0, 1.0))
        return np.where(angle < np.pi / 2, np.maximum(right, angle), angle) + 1e-8  # digits of arccos

    # A row with many arcs is asked about only where it may be nearest.
    first = tree.nearest(places, body.radius_km * float(enough(np.array(limit))))[0] / body.radius_km
    best_of_row = np.full(rows, limit)
    np.minimum.at(best_of_row, asked.row[asked_of], first)
    open_ = np.flatnonzero(first <= enough(best_of_row)[asked.row[asked_of]])
    found_row, found_angle, found_arc = [open_[:0]], [np.zeros(0)], [open_[:0]]
    many = 12
    while len(open_):
        many = min(many, len(nodes))
        still = []
        size = max(1, BLOCK // (8 * many))
        for start in range(0, len(open_), size):
            part = open_[start : start + size]
            away, near = tree.k_nearest(places[part], many)
            line = np.repeat(asked_of[part], many)
            angle = between_arcs(asked.take(line), arcs.take(arc_of[near.ravel()])).reshape(near.shape)
            least = angle.min(axis=1)
            row = np.where(angle <= least[:, None] + SLACK, arcs.row[arc_of[near]], np.iinfo(np.int64).max)
            found_row.append(asked.row[asked_of[part]])
            found_angle.append(least)
            found_arc.append(row.min(axis=1))
            np.minimum.at(best_of_row, found_row[-1], least)
            more = away[:, -1] / body.radius_km <= enough(best_of_row[found_row[-1]])
            still.append(part[more & (many < len(nodes))])
        open_ = np.concatenate(still)
        many *= 4
    of, angle, row = np.concatenate(found_row), np.concatenate(found_angle), np.concatenate(found_arc)
    close = angle <= np.minimum(best_of_row[of], limit) + SLACK
    order = np.lexsort((row[close], of[close]))
    of, angle, row = of[close][order], angle[close][order], row[close][order]
    leads = np.diff(of, prepend=-1) > 0
    distance[of[leads]], nearest[of[leads]] = angle[leads] * body.radius_km, row[leads]
    return distance, nearest


def _nodes(arcs: Arcs) -> tuple[Floats, Ints]:
    """Ends and middles of arcs, lonlat, and the arc of each; points once."""
    long = np.flatnonzero(~arcs.of_points())
    vectors = [arcs.start, arcs.end[long], (arcs.start + arcs.end)[long]]
    return lonlat_of(np.concatenate(vectors)), np.concatenate([np.arange(len(arcs)), long, long])


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
    angle = _point_to_arc(a.start, b)
    if a.of_points().all():
        return angle
    angle = np.minimum(angle, _point_to_arc(a.end, b))
    angle = np.minimum(angle, np.minimum(_point_to_arc(b.start, a), _point_to_arc(b.end, a)))
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

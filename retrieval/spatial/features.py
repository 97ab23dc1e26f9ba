"""Hits that touch become features: which belong together, what they enclose, how far they reach.

Tiles belong together when their cells share an edge, points when they lie within a distance of each
other, in both cases through any number of others. Nothing here keeps a list of all pairs.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from retrieval.body import Body
from retrieval.grid import Grid
from retrieval.spatial.arcs import paths_of
from retrieval.spatial.shapes import Shapes
from retrieval.spatial.sphere import (
    BLOCK,
    Floats,
    Ints,
    SphereTree,
    angle_between,
    check_distance,
    check_lonlat,
    lonlat_of,
    vectors_of,
)
from retrieval.stop import check_stop


def link_tiles(grid: Grid, tiles: ArrayLike) -> Ints:
    """Label of each tile's feature, (n,): 0, 1, ... in the order of their first tiles.

    Tiles that share an edge belong together; a tile listed twice is one place.
    """
    numbers = np.asarray(tiles, dtype=np.int64)
    if not len(numbers):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(numbers)
    places = numbers[order]
    rows = np.repeat(np.arange(grid.rows), np.diff(np.searchsorted(places, grid.first)))
    # Tiles side by side are one run; only runs are linked, which are far fewer.
    begins = np.ones(len(places), dtype=bool)
    begins[1:] = (places[1:] > places[:-1] + 1) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(places)) - 1
    labels = _link_runs(grid, rows[starts], places[starts], places[ends])
    of_tile = np.empty(len(numbers), dtype=np.int64)
    of_tile[order] = labels[np.cumsum(begins) - 1]
    return _in_order(of_tile)


def link_points(body: Body, lonlat: ArrayLike, distance_km: float) -> Ints:
    """Label of each point's feature, (n,): 0, 1, ... in the order of their first points.

    Points within ``distance_km`` (its edge included) of each other belong together, and so do chains of
    them.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body, or the distance is negative or NaN.
    """
    points = check_lonlat(lonlat, "positions to link")
    check_distance(distance_km)
    if len(points) < 2:
        return np.zeros(len(points), dtype=np.int64)
    tree = SphereTree(body, points)
    if _few_pairs(tree, points, distance_km):
        first, second, _ = tree.pairs(points, distance_km, most=100 * BLOCK)
        return _in_order(_components(len(points), first, second))
    # What shares a small cube surely belongs together: its diagonal is the distance.
    side = 2.0 * np.sin(min(distance_km / body.radius_km, np.pi) / 2) / np.sqrt(3.0)
    cubes = np.floor(vectors_of(points) / max(side, 1e-12)).astype(np.int64)
    return _in_order(_linked(body, points, np.unique(cubes, axis=0, return_inverse=True)[1], distance_km))


def outlines(grid: Grid, tiles: ArrayLike, labels: Ints) -> Shapes:
    """The cells of each label as one normalised polygon, (labels,)."""
    numbers = np.asarray(tiles, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    cells = grid.cells(numbers[order])
    starts = np.flatnonzero(np.diff(np.asarray(labels)[order], prepend=-1))
    shapes = np.empty(len(starts), dtype=object)
    for label, group in enumerate(np.split(cells, starts[1:]) if len(starts) else ()):
        shapes[label] = group[0] if len(group) == 1 else shapely.union_all(group)
    return shapes


def extent_km(shapes: Shapes, body: Body) -> Floats:
    """Distance between the two corners farthest apart, km, (n,); 0 for points, NaN without a shape."""
    missing = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    extent = np.where(missing, np.nan, 0.0)
    corners, _, row = paths_of(shapes, 1.0)
    vectors = vectors_of(corners)
    found, starts, counts = np.unique(row, return_index=True, return_counts=True)
    few = counts <= _FEW
    for count in np.unique(counts[few]).tolist():
        alike = np.flatnonzero(counts == count)
        for part in np.array_split(alike, 1 + len(alike) * count**2 // BLOCK):
            several = vectors[starts[part, None] + np.arange(count)]
            extent[found[part]] = angle_between(several[:, :, None], several[:, None]).max(axis=(1, 2))
    for label in np.flatnonzero(~few).tolist():
        # The farthest position is the one nearest to the antipode.
        group = vectors[starts[label] : starts[label] + counts[label]]
        tree = SphereTree(body, lonlat_of(group))
        extent[found[label]] = np.pi - tree.nearest(lonlat_of(-group))[0].min() / body.radius_km
    return extent * body.radius_km


_FEW = 64  # corners of which all pairs are looked at: no slower than a tree of them


def _link_runs(grid: Grid, rows: Ints, first: Ints, last: Ints) -> Ints:
    """Label of each run of tiles side by side, (r,): from tile ``first`` to ``last`` of a row, ascending."""
    columns = grid.columns[rows]
    west, east = first - grid.first[rows], last - grid.first[rows]
    # A row is a circle: a run that ends at its end goes on at its beginning.
    closing = np.flatnonzero(east == columns - 1)
    opening = np.searchsorted(first, grid.first[rows[closing]])
    around = (opening < len(first)) & (
        first[np.minimum(opening, len(first) - 1)] == grid.first[rows[closing]]
    )
    # Cells touch those below whose longitudes overlap: in whole numbers, so that no edge is missed.
    below = np.append(grid.columns, 0)[rows + 1]
    from_tile = grid.first[rows + 1] + west * below // columns
    to_tile = grid.first[rows + 1] - (-(east + 1) * below // columns)
    from_run, to_run = np.searchsorted(last, from_tile), np.searchsorted(first, to_tile)
    count = np.where(below > 0, np.maximum(to_run - from_run, 0), 0)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return _components(
        len(first),
        np.concatenate([closing[around], np.repeat(np.arange(len(first)), count)]),
        np.concatenate([opening[around], np.repeat(from_run, count) + step]),
    )


def _few_pairs(tree: SphereTree, points: Floats, distance_km: float) -> bool:
    """Whether all pairs fit into memory, from a sample of the points."""
    step = max(1, len(points) // 1000)
    sample = points[::step]
    return bool(tree.counts(sample, [distance_km]).mean() * len(points) < BLOCK)


def _linked(body: Body, points: Floats, labels: Ints, distance_km: float) -> Ints:
    """Labels joined wherever points of two labels lie within the distance.

    Two different labels differ in at least one bit. So for each bit, points whose label has it and points
    whose label has not are looked for near each other, the nearest only, until a round finds none. A label
    that found nothing in a whole round is finished and left out.
    """
    labels = labels.ravel()
    active = np.ones(len(points), dtype=bool)
    while True:
        count = int(labels.max()) + 1
        links = [np.zeros((2, 0), dtype=np.int64)]
        for bit in range((count - 1).bit_length()):
            has = (labels >> bit & 1).astype(bool)
            sides = np.flatnonzero(active & has), np.flatnonzero(active & ~has)
            check_stop()
            for asked, others in (sides, sides[::-1]):
                _, near = SphereTree(body, points[others]).nearest(points[asked], distance_km)
                links.append(np.stack([labels[asked[near >= 0]], labels[others[near[near >= 0]]]]))
        first, second = np.concatenate(links, axis=1)
        if not len(first):
            return labels
        touched = np.zeros(count, dtype=bool)
        touched[first] = True
        active &= touched[labels]
        labels = _components(count, first, second)[labels]


def _components(count: int, first: Ints, second: Ints) -> Ints:
    links = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _in_order(labels: Ints) -> Ints:
    """Labels 0, 1, ... without a gap, renumbered by first appearance."""
    if not len(labels):
        return labels
    first = np.empty(int(labels.max()) + 1, dtype=np.int64)
    first[labels[::-1]] = np.arange(len(labels))[::-1]  # of several the last one stays, which is the first
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[labels]

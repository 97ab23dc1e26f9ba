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
    places, place = np.unique(numbers, return_inverse=True)
    first, second = grid.neighbours(places)
    labels = _components(len(places), np.searchsorted(places, first), np.searchsorted(places, second))
    return _in_order(labels[place])


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
    """Labels renumbered by first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.ravel()]

"""Hits that touch become one feature, over the antimeridian and the poles as anywhere."""

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.grid import Grid
from retrieval.spatial.features import extent_km, link_points, link_tiles, outlines
from retrieval.spatial.shapes import area_km2, axis_deg, inside, representative

MARS, LOWELL = get_body("mars"), get_body("lowell")
GRID = Grid(LOWELL, 60.0)
seeds = st.integers(0, 2**32 - 1)


def chained(touch: Any) -> Any:
    """Labels by following links one at a time, in the order of first rows."""
    labels = np.full(len(touch), -1)
    for start in range(len(touch)):
        if labels[start] >= 0:
            continue
        labels[start] = label = labels.max() + 1
        front = [start]
        while front:
            found = np.flatnonzero(touch[front.pop()] & (labels < 0))
            labels[found] = label
            front += found.tolist()
    return labels


@given(seeds, st.floats(0, 1), st.sampled_from([0.0, 1.0, 300.0, 3000.0, 1e6]), st.integers(1, 60))
def test_points_are_linked_as_by_following_every_pair(
    seed: int, spread: float, km: float, count: int
) -> None:
    rng = np.random.default_rng(seed)
    lonlat = np.stack([180 + 60 * spread * rng.normal(size=count), rng.uniform(-90, 90, count)], axis=-1)
    lonlat[rng.random(count) < 0.2] = [33.0, 90.0]
    touch = MARS.distance_km(lonlat[:, None], lonlat[None]) <= km + 1e-9
    assert link_points(MARS, lonlat, km).tolist() == chained(touch).tolist()


def test_a_crowd_is_linked_without_a_list_of_pairs() -> None:
    rng = np.random.default_rng(3)
    # 2,000 points in each of four clumps: 16 million pairs, more than are ever listed. Two clumps touch.
    middles = np.array([[179.5, 0.0], [-179.5, 0.0], [20.0, 88.0], [200.0, 88.0]])
    lonlat = (middles[:, None] + rng.uniform(-0.4, 0.4, (4, 2000, 2))).reshape(-1, 2)
    alone = np.array([[100.0, 0.0], [100.0, 0.9]])
    labels = link_points(MARS, np.concatenate([lonlat, alone]), 50.0)
    assert labels[:8000].reshape(4, 2000).min(axis=1).tolist() == [0, 0, 1, 2]
    assert labels[:8000].reshape(4, 2000).max(axis=1).tolist() == [0, 0, 1, 2]
    assert labels[8000:].tolist() == [3, 4]


def test_a_hundred_thousand_equal_points_are_one_feature() -> None:
    assert not link_points(MARS, np.tile([[12.0, 3.0]], (100_000, 1)), 0.0).any()


def test_few_points_and_distances_that_are_none() -> None:
    assert link_points(MARS, [], 5.0).tolist() == []
    assert link_points(MARS, [[5.0, 5.0]], 5.0).tolist() == [0]
    with pytest.raises(GeometryError, match="-1 km"):
        link_points(MARS, [[5.0, 5.0]], -1.0)
    with pytest.raises(GeometryError, match="latitude 91"):
        link_points(MARS, [[5.0, 91.0]], 1.0)


@given(seeds, st.floats(0.05, 0.6))
def test_tiles_are_linked_as_their_cells_touch(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    tiles = rng.permutation(len(GRID))[: int(share * len(GRID))]
    first, second = GRID.neighbours(tiles)
    at = {tile: i for i, tile in enumerate(tiles.tolist())}
    touch = np.zeros((len(tiles), len(tiles)), dtype=bool)
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        touch[at[a], at[b]] = touch[at[b], at[a]] = True
    labels = link_tiles(GRID, tiles)
    assert labels.tolist() == chained(touch).tolist()
    # Each feature's outline holds its tiles' centres, and the areas add up.
    shapes = outlines(GRID, tiles, labels)
    assert len(shapes) == labels.max() + 1
    assert area_km2(shapes, LOWELL).sum() == pytest.approx(GRID.areas_km2(tiles).sum(), rel=1e-9)
    assert np.array_equal(inside(GRID.centres(tiles), shapes), labels)


def test_tiles_around_the_seam_and_the_pole_are_one_feature() -> None:
    first_of_row = GRID.first[:-1]
    middle = GRID.rows // 2
    across = [first_of_row[middle], first_of_row[middle] + GRID.columns[middle] - 1]
    assert link_tiles(GRID, across).tolist() == [0, 0]
    shape = outlines(GRID, across, link_tiles(GRID, across))
    assert abs(representative(shape, LOWELL)[0, 0]) == pytest.approx(180.0)
    assert axis_deg(shape, LOWELL)[0] == pytest.approx(90.0, abs=5.0)
    cap = np.arange(GRID.first[2])
    assert not link_tiles(GRID, cap).any()
    assert representative(outlines(GRID, cap, link_tiles(GRID, cap)), LOWELL)[0, 1] == pytest.approx(90.0)


def test_tiles_that_meet_at_a_corner_or_come_twice() -> None:
    row = GRID.rows // 2
    assert GRID.columns[row] == GRID.columns[row - 1]
    corner = [GRID.first[row] + 5, GRID.first[row - 1] + 6]
    assert link_tiles(GRID, corner).tolist() == [0, 1]
    assert link_tiles(GRID, [corner[0], corner[1], corner[0]]).tolist() == [0, 1, 0]
    assert link_tiles(GRID, []).tolist() == []


@settings(max_examples=20)
@given(seeds)
def test_the_extent_is_the_farthest_pair_of_corners(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lines = [rng.uniform([100, -80], [250, 80], (count, 2)) for count in (2, 5, 2)]
    shapes = np.array([*map(shapely.LineString, lines), shapely.Point(3, 4), None], dtype=object)
    extent = extent_km(shapes, MARS)
    for found, line in zip(extent, lines, strict=False):
        dense = shapely.get_coordinates(shapely.segmentize(shapely.LineString(line), 1.0))
        assert found == pytest.approx(MARS.distance_km(dense[:, None], dense[None]).max(), rel=1e-9)
    assert extent[3] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(extent[4])

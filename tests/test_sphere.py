"""Positions on a sphere: what the tree finds is what a look at every pair finds, wherever it lies."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from retrieval.body import BODIES, Body, get_body, unit_vectors
from retrieval.errors import GeometryError
from retrieval.spatial.sphere import (
    SLACK,
    SphereTree,
    angle_between,
    check_lonlat,
    local_azimuth,
    lonlat_of,
    rotated,
    vectors_of,
)

MARS = get_body("mars")
bodies = st.sampled_from(list(BODIES.values()))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def positions(draw: st.DrawFn, most: int = 40) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Random positions with poles, the seam, equal points and equal distances among them."""
    rng = np.random.default_rng(draw(seeds))
    count = draw(st.integers(1, most))
    spread = draw(st.sampled_from([180.0, 1.0, 1e-7]))
    lonlat = np.stack([rng.uniform(-spread, spread, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))])
    lonlat[1] *= min(1.0, spread / 90.0)
    lonlat[0] += draw(st.sampled_from([0.0, 180.0, 33.0]))
    points = lonlat.T
    special = np.array([[0, 90], [77, 90], [5, -90], [180, 0], [-180, 0], [90, 0], [0, 0], [270, 0]])
    few = draw(st.integers(0, count))
    points[:few] = special[rng.integers(len(special), size=few)]
    return points


def far(body: Body, a: Any, b: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Distances of all pairs, km, (n, m), by the body's own formula."""
    return body.distance_km(np.asarray(a)[:, None], np.asarray(b)[None])


def first_within(distance: Any, slack: float) -> Any:
    """Smallest row of those as near as the nearest, for each line of distances."""
    return np.argmax(distance <= distance.min(axis=1, keepdims=True) + slack, axis=1)


@given(bodies, positions(), positions())
def test_the_nearest_is_that_of_all_pairs_and_ties_go_to_the_smaller_row(body: Body, a: Any, b: Any) -> None:
    distance, row = SphereTree(body, b).nearest(a)
    every = far(body, a, b)
    # At the antipode the chord hardly grows: rows within centimetres of each other are not told apart.
    least = every.min(axis=1)
    close = least < 3.0 * body.radius_km
    assert distance == pytest.approx(least, abs=1e-7 * body.radius_km)
    assert distance[close] == pytest.approx(least[close], abs=1e-11 * body.radius_km)
    assert every[np.arange(len(a)), row] == pytest.approx(distance, abs=1e-11 * body.radius_km)
    # Where the second position is clearly farther, no rounding can excuse another row.
    second = np.where(every > least[:, None] + 1e-11 * body.radius_km, every, np.inf).min(axis=1)
    clear = close & (second > least + 1e-6 * body.radius_km)
    assert np.array_equal(row[clear], first_within(every, 1e-11 * body.radius_km)[clear])


@given(positions(), positions(), st.integers(1, 60))
def test_the_k_nearest_are_the_first_of_all_in_order(a: Any, b: Any, k: int) -> None:
    distance, row = SphereTree(MARS, b).k_nearest(a, k)
    every = far(MARS, a, b)
    known = min(k, len(b))
    assert distance.shape == row.shape == (len(a), k)
    assert distance[:, :known] == pytest.approx(np.sort(every, axis=1)[:, :known], abs=1e-4)
    assert (row[:, known:] == -1).all()
    assert np.isinf(distance[:, known:]).all()
    assert all(len(set(line.tolist())) == known for line in row[:, :known])
    one = SphereTree(MARS, b).nearest(a)
    clear = one[0] < 3.0 * MARS.radius_km  # towards the antipode rows within centimetres are not told apart
    assert np.array_equal(row[clear, 0], one[1][clear])


@given(bodies, positions(), positions(), st.floats(0, 1.2))
def test_counts_and_pairs_are_those_of_all_pairs(body: Body, a: Any, b: Any, share: float) -> None:
    radius = share * body.half_circumference_km
    every = far(body, a, b)
    on_edge = np.abs(every - radius) < 1e-9 * body.radius_km
    counts = SphereTree(body, b).counts(a, [radius, 0.0])
    surely = (every <= radius) & ~on_edge
    assert (counts[:, 0] >= surely.sum(axis=1)).all()
    assert (counts[:, 0] <= (surely | on_edge).sum(axis=1)).all()
    first, second, distance = SphereTree(body, b).pairs(a, radius)
    found = np.zeros(every.shape, dtype=bool)
    found[first, second] = True
    assert len(first) == found.sum()
    assert np.array_equal(found & ~on_edge, surely)
    assert distance == pytest.approx(every[first, second], abs=1e-9 * body.radius_km)
    assert np.array_equal(np.lexsort((second, first)), np.arange(len(first)))


@given(positions(), positions(), seeds)
def test_a_common_rotation_changes_no_distance(a: Any, b: Any, seed: int) -> None:
    turn = Rotation.random(rng=np.random.default_rng(seed))
    before, _ = SphereTree(MARS, b).nearest(a)
    turned = [lonlat_of(rotated(vectors_of(points), turn)) for points in (a, b)]
    after, _ = SphereTree(MARS, turned[1]).nearest(turned[0])
    assert after == pytest.approx(before, abs=1e-8 * MARS.radius_km)


def test_the_edge_of_a_distance_belongs_to_it() -> None:
    b = [[10.0, 0.0], [20.0, 0.0]]
    edge = float(MARS.distance_km([0.0, 0.0], b[0]))
    tree = SphereTree(MARS, b)
    assert tree.nearest([[0.0, 0.0]], edge)[1].tolist() == [0]
    assert tree.nearest([[0.0, 0.0]], edge - 1e-6)[1].tolist() == [-1]
    assert tree.counts([[0.0, 0.0]], [edge, edge - 1e-6]).tolist() == [[1, 0]]
    assert len(tree.pairs([[0.0, 0.0]], edge)[0]) == 1


def test_a_distance_of_nothing_finds_equal_positions_and_one_beyond_the_antipode_all() -> None:
    tree = SphereTree(MARS, [[180.0, 0.0], [45.0, 90.0], [12.0, 3.0]])
    assert tree.nearest([[-180.0, 0.0], [0.0, 90.0], [12.0, 3.1]], 0.0)[1].tolist() == [0, 1, -1]
    assert tree.counts([[0.0, 0.0]], [1e6, np.inf, 0.0]).tolist() == [[3, 3, 0]]
    assert tree.nearest([[0.0, 0.0]], 1e6)[1].tolist() == [2]


def test_a_million_equal_positions_cost_no_more_than_one() -> None:
    many = np.tile([[137.4, -4.6]], (1_000_000, 1))
    tree = SphereTree(MARS, many)
    distance, row = tree.nearest(many, 50.0)
    assert not distance.any()
    assert not row.any()
    assert tree.k_nearest(many[:2], 3)[1].tolist() == [[0, 1, 2]] * 2
    assert tree.counts(many[:2], [0.0]).tolist() == [[1_000_000]] * 2
    with pytest.raises(GeometryError, match="1,000,000,000,000 pairs"):
        tree.pairs(many, 50.0)


def test_positions_closer_than_the_order_can_tell_are_still_told_apart() -> None:
    close = np.array([[10.0 + 1e-9 * i, 0.0] for i in (0, 3, 1, 2, 0, 3)])
    tree = SphereTree(MARS, close)
    assert tree.nearest(close)[1].tolist() == [0, 1, 2, 3, 0, 1]
    assert tree.counts(close, [0.0])[:, 0].tolist() == [2, 2, 1, 1, 2, 2]


def test_nothing_is_near_nothing() -> None:
    empty = SphereTree(MARS, [])
    assert len(empty) == 0
    assert empty.nearest([[0.0, 0.0]])[1].tolist() == [-1]
    assert np.isinf(empty.k_nearest([[0.0, 0.0]], 2)[0]).all()
    assert empty.counts([[0.0, 0.0]], [1.0]).tolist() == [[0]]
    assert [len(part) for part in empty.pairs([[0.0, 0.0]], 1.0)] == [0, 0, 0]
    full = SphereTree(MARS, [[0.0, 0.0]])
    assert [len(part) for part in (*full.nearest([]), *full.pairs([], 5.0), full.counts([], [1.0]))] == [
        0
    ] * 6


@pytest.mark.parametrize(
    ("lonlat", "words"),
    [
        ([[0, 0], [np.nan, 2], [3, np.nan]], r"row 1 lies at longitude nan.*2 of 3 rows"),
        ([[0, 91.0]], "latitude 91"),
        ([[0, -90.5]], "latitude -90.5"),
        ([[np.inf, 0]], "longitude inf"),
        ([[1e6, 10.0]], "longitude 1e"),
        ([[1, 2, 3]], r"shape \(1, 3\)"),
        ([["a", "b"]], "not numbers"),
    ],
)
def test_positions_that_cannot_be_are_refused_with_their_row(lonlat: Any, words: str) -> None:
    with pytest.raises(GeometryError, match=f"layer L2: .*{words}"):
        check_lonlat(lonlat, "layer L2")


def test_longitudes_of_both_domains_are_the_same_places() -> None:
    mixed = check_lonlat([[190.0, 5.0], [-170.0, 5.0], [360.0, 0.0], [180.0, 1.0]], "a file")
    assert mixed[:, 0].tolist() == [-170.0, -170.0, 0.0, -180.0]
    assert check_lonlat([5.0, 6.0], "one").shape == (1, 2)


@pytest.mark.parametrize("distance", [-1.0, np.nan])
def test_distances_that_are_none_are_refused(distance: float) -> None:
    tree = SphereTree(MARS, [[0.0, 0.0]])
    with pytest.raises(GeometryError, match="none"):
        tree.nearest([[0.0, 0.0]], distance)
    with pytest.raises(GeometryError, match="none"):
        tree.counts([[0.0, 0.0]], [10.0, distance])
    with pytest.raises(GeometryError, match="0 nearest"):
        tree.k_nearest([[0.0, 0.0]], 0)


@given(positions())
def test_vectors_and_positions_are_inverse(lonlat: Any) -> None:
    back = lonlat_of(vectors_of(lonlat))
    assert MARS.distance_km(lonlat, back) == pytest.approx(np.zeros(len(lonlat)), abs=1e-11 * MARS.radius_km)
    assert angle_between(vectors_of(lonlat), unit_vectors(back)).max() < 4 * SLACK


@settings(max_examples=50)
@given(seeds, st.floats(0, 359))
def test_a_rotation_turns_north_by_what_it_says(seed: int, azimuth: float) -> None:
    rng = np.random.default_rng(seed)
    turn = Rotation.random(rng=rng)
    start = np.array([[rng.uniform(-180, 180), rng.uniform(-80, 80)]])
    end = MARS.destination(start, azimuth, 50.0)
    moved = [lonlat_of(rotated(vectors_of(point), turn)) for point in (start, end)]
    if abs(moved[0][0, 1]) > 85:
        return
    change = (MARS.azimuth_deg(*moved) - azimuth - local_azimuth(start, turn) + 180) % 360 - 180
    assert change == pytest.approx([0.0], abs=1e-6)

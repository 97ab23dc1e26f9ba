import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.spatial.compare import against_observed, compare
from retrieval.spatial.nulls import make_shifts
from retrieval.spatial.observed import Observed, whole_body

LOWELL = get_body("lowell")
ALL = whole_body(LOWELL, 32.0)


def clustered(rng, clusters, shift=0.0, spread=1.0):
    sizes = 1 + rng.poisson(4.0, clusters)
    label = np.repeat(np.arange(clusters), sizes)
    return shift + rng.normal(0, spread, clusters)[label] + rng.normal(0, 0.3, len(label)), label


def test_a_clear_difference_is_found_with_its_size():
    rng = np.random.default_rng(0)
    a, label_a = clustered(rng, 60, shift=1.5)
    b, label_b = clustered(rng, 60)
    found = compare(a, b, label_a, label_b)
    assert found.verdict == "higher"
    assert found.low < 1.5 < found.high
    assert found.superiority_low > 0.5
    assert found.p_value < 0.01
    assert (found.clusters_a, found.clusters_b) == (60, 60)
    other = compare(b, a, label_b, label_a)
    assert other.verdict == "lower"
    assert other.difference == pytest.approx(-found.difference)
    assert other.superiority == pytest.approx(1 - found.superiority)


@settings(max_examples=20, deadline=None)
@given(
    a=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    b=st.lists(st.integers(0, 5), min_size=1, max_size=12),
)
def test_superiority_is_that_of_all_pairs(a, b):
    pairs = np.subtract.outer(np.array(a), np.array(b))
    want = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    found = compare(a, b, range(len(a)), range(len(b)), resamples=19)
    assert found.superiority == pytest.approx(want)
    assert found.difference == pytest.approx(np.median(a) - np.median(b))


def test_clusters_are_not_taken_for_evidence():
    # Ten clusters a side whose rows agree: as rows 400 a side would "differ" nearly always.
    rng = np.random.default_rng(5)
    alarms, held = 0, 0
    for trial in range(80):
        a, label_a = clustered(rng, 10, spread=2.0)
        b, label_b = clustered(rng, 25, spread=1.0)
        found = compare(a, b, label_a, label_b, resamples=199, seed=trial)
        alarms += found.p_value <= 0.05
        held += found.superiority_low <= 0.5 <= found.superiority_high
    assert alarms <= 10  # of 80; 4 are expected
    assert held >= 0.85 * 80


def test_too_little_cannot_tell():
    few = compare([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [0, 0, 0], [0, 1, 2])
    assert few.verdict == "cannot tell"
    assert "clusters" in few.reason
    assert np.isnan(few.p_value)
    empty = compare([], [1.0], [], [0])
    assert empty.verdict == "cannot tell"
    assert "A is empty" in empty.reason
    unknown = compare([np.nan] * 3, [1.0] * 9, range(3), range(9))
    assert unknown.n_a == 0
    wide = compare(range(6), np.arange(6) + 0.5, range(6), range(6))
    assert wide.verdict == "cannot tell"
    assert "large difference" in wide.reason


def test_equal_samples_do_not_differ():
    same = compare(np.ones(50), np.ones(50), range(50), range(50))
    assert same.verdict == "no difference"
    assert same.superiority == 0.5
    apart = compare(np.ones(50), np.zeros(50), range(50), range(50))
    assert apart.verdict == "higher"


def latitude(lonlat):
    return np.asarray(lonlat)[..., 1]


def in_clusters(rng, count, low, high):
    centres = ALL.sample(4000, rng)
    centres = centres[(centres[:, 1] > low) & (centres[:, 1] < high)][:count]
    rows = np.repeat(centres, 5, axis=0)
    return LOWELL.destination(rows, rng.uniform(0, 360, len(rows)), rng.uniform(0, 15, len(rows)))


def against_latitude(points, observed=ALL, seed=0, count=199):
    rng = np.random.default_rng(seed)
    shifts = make_shifts("rotation", LOWELL, points, observed, count, rng, link_km=20.0)
    return against_observed(points[:, 1], latitude, observed, shifts, seed=seed)


def test_a_layer_of_the_north_is_north_of_the_ground():
    found = against_latitude(in_clusters(np.random.default_rng(1), 30, 20.0, 70.0))
    assert found.verdict == "higher"
    assert found.median_b == pytest.approx(0.0, abs=1.0)
    assert found.low < found.difference < found.high
    assert found.superiority_low > 0.5


def test_the_ground_itself_sets_what_is_usual():
    northern = np.flatnonzero(ALL.grid.centres()[:, 1] > 20)
    north = Observed(ALL.grid, northern, np.ones(len(northern)), None, "the north")
    rng = np.random.default_rng(2)
    points = in_clusters(rng, 60, 20.0, 90.0)
    points = points[north.holds(points)]
    found = against_latitude(points, north)
    assert found.verdict in ("no difference", "cannot tell")
    assert found.difference == pytest.approx(0.0, abs=8.0)


def test_latitudes_drawn_by_chance_are_seldom_called_unusual():
    rng = np.random.default_rng(8)
    stripes = np.flatnonzero((ALL.grid.centres()[:, 0] % 60) < 35)
    seen = Observed(ALL.grid, stripes, np.ones(len(stripes)), None, "stripes")
    alarms = 0
    for trial in range(40):
        points = in_clusters(rng, 25, -90.0, 90.0)
        alarms += against_latitude(points[seen.holds(points)], seen, trial, 99).p_value <= 0.05
    assert alarms <= 6


def test_values_that_are_unknown_are_left_out():
    points = in_clusters(np.random.default_rng(1), 30, 20.0, 70.0)
    shifts = make_shifts("rotation", LOWELL, points, ALL, 99, np.random.default_rng(0), link_km=12.0)

    def patchy(lonlat):
        return np.where(np.asarray(lonlat)[..., 0] > 0, latitude(lonlat), np.nan)

    found = against_observed(patchy(points), patchy, ALL, shifts)
    assert found.n_a == (points[:, 0] > 0).sum()
    assert found.verdict == "higher"
    nothing = against_observed(np.full(len(points), np.nan), patchy, ALL, shifts)
    assert nothing.verdict == "cannot tell"
    with pytest.raises(GeometryError, match="rows"):
        against_observed([1.0], patchy, ALL, shifts)
    one = against_latitude(np.repeat([[10.0, 50.0]], 40, axis=0))
    assert one.verdict == "cannot tell"
    assert "independent" in one.reason


def test_wrong_arguments_are_refused():
    with pytest.raises(GeometryError, match="clusters"):
        compare([1.0], [1.0], [], [0])
    with pytest.raises(GeometryError, match="level"):
        compare([1.0], [1.0], [0], [0], alpha=2.0)
    with pytest.raises(GeometryError, match="resamples"):
        compare([1.0], [1.0], [0], [0], resamples=3)

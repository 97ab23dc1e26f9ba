"""Hits against a list of published features: against every pair computed, and with lists that say little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.spatial.novelty import by_latitude, novelty

LOWELL = get_body("lowell")


@given(st.integers(0, 40), st.integers(0, 40), st.floats(0.5, 400), st.integers(0, 10_000))
def test_a_hit_is_new_where_no_entry_reaches_it(
    hits: int, entries: int, distance_km: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    places = np.stack([rng.uniform(-180, 180, hits), rng.uniform(-90, 90, hits)], -1)
    listed = np.stack([rng.uniform(-180, 180, entries), rng.uniform(-90, 90, entries)], -1)
    radius = rng.choice([np.nan, 0.0, 5.0, 30.0, 250.0, 700.0], entries)
    found = novelty(LOWELL, places, listed, radius, distance_km)
    away = LOWELL.distance_km(places[:, None], listed[None]).reshape(hits, entries)
    reach = np.fmax(distance_km, np.broadcast_to(radius, away.shape))
    if (np.abs(away - reach) < 1e-6).any():
        return
    explains = away <= reach
    assert np.array_equal(found.new, ~explains.any(axis=1))
    for hit in range(hits if entries else 0):
        row = found.nearest_row[hit]
        assert found.nearest_km[hit] == pytest.approx(away[hit, row], abs=1e-6)
        candidates = explains[hit] if explains[hit].any() else np.ones(entries, dtype=bool)
        assert candidates[row]
        if found.new[hit] or away[hit].min() <= distance_km:
            assert away[hit, row] == pytest.approx(away[hit, candidates].min(), abs=1e-6)


def test_a_list_says_how_small_it_goes_and_what_is_in_it_explains() -> None:
    hits = [[0.0, 0.0], [179.9, 0.0], [10.0, 89.9], [50.0, 0.0]]
    listed = [[0.5, 0.0], [-179.9, 0.0], [-170.0, 89.9], [70.0, 0.0]]
    found = novelty(LOWELL, hits, listed, [0.0, np.nan, 2.0, 160.0], 10.0)
    assert found.new.tolist() == [False, False, False, False]
    assert found.nearest_row.tolist() == [0, 1, 2, 3]
    assert found.smallest_listed_km == 4.0
    empty = novelty(LOWELL, hits, np.zeros((0, 2)), [], 10.0)
    assert empty.new.all()
    assert np.isinf(empty.nearest_km).all()
    assert (empty.nearest_row == -1).all()
    assert np.isnan(empty.smallest_listed_km)
    assert len(novelty(LOWELL, np.zeros((0, 2)), listed, [1, 1, 1, 1], 10.0).new) == 0


@pytest.mark.parametrize(
    ("hits", "radius", "distance_km", "said"),
    [
        ([[0.0, 91.0]], [1.0], 5.0, "latitude 91"),
        ([[np.nan, 1.0]], [1.0], 5.0, "nan"),
        ([[0.0, 1.0]], [1.0], 0.0, "distance"),
        ([[0.0, 1.0]], [1.0], -1.0, "distance"),
        ([[0.0, 1.0]], [1.0], 1e6, "distance"),
        ([[0.0, 1.0]], [-1.0], 5.0, "radius"),
        ([[0.0, 1.0]], [1.0, 2.0], 5.0, "radius"),
    ],
)
def test_what_cannot_be_is_refused(
    hits: list[list[float]], radius: list[float], distance_km: float, said: str
) -> None:
    with pytest.raises(GeometryError, match=said):
        novelty(LOWELL, hits, [[0.0, 0.0]], radius, distance_km)


def test_shares_by_latitude() -> None:
    hits, new, share = by_latitude([-90, -45, 0, 0, 90], [True, False, True, False, True], [-90, 0, 45, 90])
    assert hits.tolist() == [2, 2, 1]
    assert new.tolist() == [1, 1, 1]
    assert share.tolist() == [0.5, 0.5, 1.0]
    assert np.isnan(by_latitude([5], [True], [-90, 0, 90])[2][0])
    with pytest.raises(GeometryError, match="bands"):
        by_latitude([5], [True], [10, 0])

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.grid import Grid
from retrieval.spatial.observed import (
    Observed,
    joined,
    observed_by_index,
    observed_points,
    observed_region,
    whole_body,
)

MARS = get_body("mars")
GRID = Grid(MARS, 400.0)


class Cap:
    """Everything within a distance of a position."""

    words = "a cap"

    def __init__(self, lonlat, km):
        self.lonlat, self.km = lonlat, km

    def holds(self, body, lonlat):
        return body.distance_km(self.lonlat, lonlat) <= self.km


def half_seen(seed=0):
    rng = np.random.default_rng(seed)
    cells = np.sort(rng.choice(len(GRID), len(GRID) // 2, replace=False))
    return Observed(GRID, cells, rng.uniform(0.1, 1.0, len(cells)), None, "half of it")


def test_all_of_a_body_has_its_area():
    seen = whole_body(MARS, 400.0)
    assert seen.area_km2 == pytest.approx(MARS.area_km2, rel=1e-12)
    assert seen.holds([[0.0, 90.0], [-180.0, -90.0], [179.999, 0.0]]).all()


@pytest.mark.parametrize("cells_in_table", [20_000_000, 0])
def test_positions_know_their_cells_with_and_without_a_table(cells_in_table, monkeypatch):
    monkeypatch.setattr("retrieval.spatial.observed.TABLE_CELLS", cells_in_table)
    seen = half_seen()
    every = GRID.centres()
    rows = seen.cell_at(every)
    assert (seen.cells[rows[rows >= 0]] == np.flatnonzero(rows >= 0)).all()
    assert (rows >= 0).sum() == len(seen.cells)
    np.testing.assert_allclose(seen.share_at(every)[seen.cells], seen.share)
    assert seen.cell_at(every.reshape(-1, 1, 2)[:6]).shape == (6, 1)


def test_partly_seen_cells_hold_by_half_or_by_chance():
    seen = half_seen()
    centres = GRID.centres(seen.cells)
    assert (seen.holds(centres) == (seen.share >= 0.5)).all()
    rng = np.random.default_rng(1)
    held = np.mean([seen.holds(centres, rng) for _ in range(400)], axis=0)
    np.testing.assert_allclose(held, seen.share, atol=0.13)


def test_samples_lie_on_seen_ground_in_proportion_to_its_area():
    seen = half_seen()
    lonlat = seen.sample(40_000, np.random.default_rng(2))
    rows = seen.cell_at(lonlat)
    assert (rows >= 0).all()
    drawn = np.bincount(rows, minlength=len(seen.cells)) / len(lonlat)
    want = seen.cell_areas_km2 / seen.area_km2
    assert np.abs(drawn - want).max() < 6 * np.sqrt(want.max() / len(lonlat))


def test_areas_by_latitude_add_up_to_the_area_observed():
    seen = half_seen()
    lat = GRID.centres(seen.cells)[:, 1]
    areas = seen.areas_by(lat, np.arange(-90.0, 91.0, 30.0))
    assert areas.sum() == pytest.approx(seen.area_km2, rel=1e-12)
    lat[:3] = np.nan
    known = seen.areas_by(lat, [-90.0, 90.0])[0]
    assert known == pytest.approx(seen.area_km2 - seen.cell_areas_km2[:3].sum(), rel=1e-12)


def test_share_around_is_that_of_the_cap():
    seen = observed_region(MARS, Cap((180.0, 0.0), 1200.0), 100.0)
    share = seen.share_around([[180.0, 0.0], [-179.9, 0.3], [0.0, 0.0]], 600.0)
    assert share[0] == 1.0
    assert share[1] == 1.0
    assert share[2] == 0.0
    edge = MARS.destination((180.0, 0.0), 90.0, 1200.0)
    assert seen.share_around(edge[None], 500.0)[0] == pytest.approx(0.5, abs=0.12)


def test_a_region_over_the_pole_has_the_area_of_its_cap():
    seen = observed_region(MARS, Cap((0.0, 90.0), 1500.0), 150.0)
    cap = 2 * np.pi * MARS.radius_km**2 * (1 - np.cos(1500.0 / MARS.radius_km))
    assert seen.area_km2 == pytest.approx(cap, rel=0.01)
    assert seen.holds([[123.0, 89.9]])[0]


def test_an_index_without_its_empty_tiles():
    coverage = pd.DataFrame({"tile": [3, 5, 9], "observed": np.array([1.0, 0.0, 0.25], dtype=np.float32)})
    seen = observed_by_index(SimpleNamespace(grid=GRID, coverage=coverage))
    assert seen.cells.tolist() == [3, 9]
    assert seen.area_km2 == pytest.approx((GRID.areas_km2([3, 9]) * [1.0, 0.25]).sum())


def test_a_survey_gives_back_its_own_positions():
    rng = np.random.default_rng(4)
    looked = np.stack([rng.uniform(0, 360, 300), rng.uniform(-90, -60, 300)], axis=-1)
    seen = observed_points(MARS, looked, 50.0)
    drawn = seen.sample(1000, rng)
    assert set(map(tuple, drawn.tolist())) <= set(map(tuple, seen.points.tolist()))
    assert seen.holds(looked).all()
    assert "300 positions" in seen.words


def test_looks_join():
    one, two = half_seen(0), half_seen(1)
    both = joined([one, two], "both")
    centres = GRID.centres()
    np.testing.assert_allclose(
        both.share_at(centres), np.maximum(one.share_at(centres), two.share_at(centres))
    )
    with pytest.raises(GeometryError, match="different grids"):
        joined([one, whole_body(MARS, 500.0)], "two grids")


def test_nothing_observed_is_no_ground_to_draw_from():
    nothing = Observed(GRID, np.zeros(0, dtype=np.int64), np.zeros(0), None, "nothing")
    assert nothing.area_km2 == 0
    assert not nothing.holds(GRID.centres()).any()
    with pytest.raises(GeometryError, match="nothing was observed"):
        nothing.sample(3, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("cells", "share"), [([2, 1], [1, 1]), ([1, 1], [1, 1]), ([1], [1.2]), ([1], [np.nan]), ([1], [1, 1])]
)
def test_impossible_cells_are_refused(cells, share):
    with pytest.raises(GeometryError):
        Observed(GRID, np.array(cells), np.array(share, dtype=float), None, "wrong")

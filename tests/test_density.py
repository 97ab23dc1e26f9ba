import numpy as np
import pytest
from scipy.stats import chi2

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.spatial.density import density_by, density_cells
from retrieval.spatial.observed import Observed, whole_body

LOWELL = get_body("lowell")
ALL = whole_body(LOWELL, 32.0)
LAT = ALL.grid.centres(ALL.cells)[:, 1]
BANDS = np.arange(-90.0, 91.0, 30.0)


def test_bands_of_latitude_add_up():
    rng = np.random.default_rng(0)
    points = ALL.sample(500, rng)
    found = density_by(points[:, 1], np.arange(500), BANDS, LAT, ALL)
    assert found.count.sum() == 500
    assert found.observed_km2.sum() == pytest.approx(LOWELL.area_km2)
    assert found.unknown_km2 == 0
    np.testing.assert_allclose(found.per_million_km2, 500 / LOWELL.area_km2 * 1e6, rtol=0.5)
    assert ((found.low < found.per_million_km2) & (found.per_million_km2 < found.high)).all()


def test_rows_alone_have_the_exact_interval_of_poisson():
    # Garwood (1936): chi-square quantiles of 2 n and 2 n + 2 degrees of freedom.
    for count in (0, 1, 7):
        found = density_by(np.zeros(count), np.arange(count), [-1.0, 1.0], np.zeros(len(ALL.cells)), ALL)
        per = 1e6 / LOWELL.area_km2
        assert found.high[0] == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2 * per)
        assert found.low[0] == pytest.approx(chi2.ppf(0.025, 2 * count) / 2 * per if count else 0.0)


def test_rows_of_one_cluster_are_one_event():
    cells = np.zeros(len(ALL.cells))
    alone = density_by(np.zeros(8), np.arange(8), [-1.0, 1.0], cells, ALL)
    together = density_by(np.zeros(8), np.zeros(8), [-1.0, 1.0], cells, ALL)
    assert together.per_million_km2[0] == alone.per_million_km2[0]
    assert together.high[0] > 2 * alone.high[0]
    assert together.low[0] < alone.low[0]


def test_classes_without_rows_and_without_ground():
    elevation = np.where(LAT > 0, 500.0, np.nan)
    found = density_by([100.0, 600.0], [0, 1], [-1000.0, 0.0, 1000.0], elevation, ALL)
    assert np.isnan(found.per_million_km2[0])
    assert found.count.tolist() == [0, 2]
    assert found.unknown_km2 == pytest.approx(LOWELL.area_km2 / 2, rel=0.03)
    none = density_by([], [], [-1000.0, 1000.0], elevation, ALL)
    assert none.per_million_km2[0] == 0
    assert none.low[0] == 0
    assert none.high[0] > 0


def test_the_last_class_holds_its_upper_edge_and_nan_is_in_none():
    found = density_by([0.0, 10.0, 20.0, np.nan, 21.0], range(5), [0.0, 10.0, 20.0], LAT, ALL)
    assert found.count.tolist() == [1, 2]


def test_intervals_hold_for_clustered_patterns():
    # 300 simulations of 20 clusters on average, rows Poisson(6): the mean number is 120.
    rng = np.random.default_rng(3)
    cells = np.zeros(len(ALL.cells))
    true = 120.0 / LOWELL.area_km2 * 1e6
    held = []
    for _ in range(300):
        sizes = rng.poisson(6.0, rng.poisson(20.0))
        clusters = np.repeat(np.arange(len(sizes)), sizes)
        found = density_by(np.zeros(len(clusters)), clusters, [-1.0, 1.0], cells, ALL)
        held.append(found.low[0] <= true <= found.high[0])
    assert 0.90 <= np.mean(held) <= 0.98


def test_cells_count_what_lies_in_them():
    stripes = np.flatnonzero((ALL.grid.centres()[:, 0] % 60) < 30)
    seen = Observed(ALL.grid, stripes, np.full(len(stripes), 0.7), None, "stripes")
    points = seen.sample(400, np.random.default_rng(1))
    grid, cells, count, area = density_cells(points, seen, 160.0)
    assert count.sum() == 400
    assert area.sum() == pytest.approx(seen.area_km2)
    assert (area > 0).all()
    assert (cells < len(grid)).all()
    elsewhere = density_cells([[45.0, 10.0]], seen, 160.0)
    assert elsewhere[2].sum() == 1
    empty = density_cells(np.zeros((0, 2)), seen, 160.0)
    assert empty[2].sum() == 0


def test_what_makes_no_density_is_refused():
    with pytest.raises(GeometryError, match="ascending"):
        density_by([1.0], [0], [1.0, 0.0], LAT, ALL)
    with pytest.raises(GeometryError, match="clusters"):
        density_by([1.0], [], BANDS, LAT, ALL)
    with pytest.raises(GeometryError, match="cells"):
        density_by([1.0], [0], BANDS, LAT[:3], ALL)
    with pytest.raises(GeometryError, match="smaller"):
        density_cells([[0.0, 0.0]], ALL, 10.0)
    with pytest.raises(GeometryError, match="level"):
        density_by([1.0], [0], BANDS, LAT, ALL, alpha=0.0)

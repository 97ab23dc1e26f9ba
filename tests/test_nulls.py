import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import GeometryError
from retrieval.spatial.nulls import NULLS, clusters_of, make_shifts, superposed
from retrieval.spatial.observed import Observed, observed_points, whole_body
from retrieval.spatial.sphere import SphereTree
from retrieval.spatial.strata import BAND_DEG, equal_area_strata

LOWELL = get_body("lowell")
ALL = whole_body(LOWELL, 32.0)


def scatter(count, seed, observed=ALL):
    return observed.sample(count, np.random.default_rng(seed))


def clustered(seed, clusters=8, each=5):
    rng = np.random.default_rng(seed)
    centres = np.repeat(ALL.sample(clusters, rng), each, axis=0)
    return LOWELL.destination(centres, rng.uniform(0, 360, len(centres)), rng.uniform(0, 8, len(centres)))


def half_observed():
    centres = ALL.grid.centres()
    cells = np.flatnonzero((centres[:, 0] % 60) < 30)
    return Observed(ALL.grid, cells, np.ones(len(cells)), None, "stripes")


def shift(null, points, observed=ALL, count=7, seed=0, **more):
    return make_shifts(null, LOWELL, points, observed, count, np.random.default_rng(seed), **more)


def all_distances(points):
    return LOWELL.distance_km(points[:, None], points[None])


@pytest.mark.parametrize("null", ["rotation", "spin"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rigid_shifts_keep_every_distance(null, seed):
    points = scatter(12, seed)
    moved = shift(null, points, seed=seed).lonlat
    for one in moved:
        np.testing.assert_allclose(all_distances(one), all_distances(points), atol=1e-6)


@pytest.mark.parametrize("link_km", [0.0, 20.0, 60.0])
def test_spin_keeps_latitudes_and_linked_groups(link_km):
    points = clustered(3)
    moved = shift("spin", points, link_km=link_km).lonlat
    np.testing.assert_allclose(moved[..., 1], np.broadcast_to(points[:, 1], moved.shape[:2]))
    label = clusters_of(LOWELL, points, link_km)
    same = label[:, None] == label[None]
    for one in moved:
        np.testing.assert_allclose(all_distances(one)[same], all_distances(points)[same], atol=1e-6)


def test_bands_of_a_spin_turn_by_different_angles():
    points = clustered(3)
    turned = (shift("spin", points, link_km=20.0, count=50).lonlat[..., 0] - points[:, 0]) % 360
    assert max(len(np.unique(np.round(one, 6))) for one in turned) > 3
    assert len(np.unique(np.round(turned[0], 6))) < len(np.unique(clusters_of(LOWELL, points, 20.0)))


def test_patches_of_a_rotation_go_different_ways_and_keep_groups():
    points = clustered(3)
    moved = shift("rotation", points, link_km=15.0).lonlat
    label = clusters_of(LOWELL, points, 15.0)
    same = label[:, None] == label[None]
    for one in moved:
        np.testing.assert_allclose(all_distances(one)[same], all_distances(points)[same], atol=1e-6)
        assert np.abs(all_distances(one) - all_distances(points)).max() > 100


def test_clusters_turn_one_by_one():
    points = clustered(5)
    label = clusters_of(LOWELL, points, 20.0)
    moved = shift("clusters", points, link_km=20.0).lonlat
    turned = (moved[0, :, 0] - points[:, 0]) % 360
    for group in range(label.max() + 1):
        assert np.ptp(turned[label == group]) < 1e-9
    assert len(np.unique(np.round(turned, 6))) == label.max() + 1


def test_only_what_falls_on_observed_ground_is_kept():
    stripes = half_observed()
    points = scatter(200, 1, stripes)
    moved = shift("spin", points, stripes, count=60)
    assert (moved.kept == stripes.holds(moved.lonlat)).all()
    assert moved.retained == pytest.approx(0.5, abs=0.12)
    assert shift("uniform", points, stripes).kept.all()


def height(lonlat):
    """Ridges along the meridians and a slope to the north."""
    return np.sin(np.radians(4 * lonlat[..., 0])) + lonlat[..., 1] / 300.0


def test_strata_keep_latitudes_groups_and_classes():
    seen = half_observed()
    classes = equal_area_strata(height, seen, 4)
    points = clustered(2)
    points = points[seen.holds(points)]
    moved = shift("strata", points, seen, strata=classes, strata_words="height", link_km=20.0, count=40)
    label = clusters_of(LOWELL, points, 20.0)
    same = label[:, None] == label[None]
    cell = seen.grid.centres(seen.cells)
    for one, kept in zip(moved.lonlat, moved.kept, strict=True):
        np.testing.assert_allclose(all_distances(one)[same], all_distances(points)[same], atol=1e-6)
        assert seen.holds(one)[kept].all()
        landed, own = (cell[seen.cell_at(rows[kept])] for rows in (one, points))
        assert (classes(landed) == classes(own)).all()
    # Of each group at least the row that was drawn is at home.
    for group in range(label.max() + 1):
        assert moved.kept[:, label == group].any(axis=1).all()
    # The rows that were drawn go no farther than the band, and a cell's height more.
    alone = points[np.unique(label, return_index=True)[1]]
    spread = shift("strata", alone, seen, strata=classes, count=200).lonlat
    assert np.abs(spread[..., 1] - alone[:, 1]).max() <= BAND_DEG + ALL.grid.row_height_deg
    assert np.ptp(spread[..., 0], axis=0).min() > 90
    assert "(height)" in moved.why


def test_strata_hold_the_same_area_and_the_unknown_stays_out():
    def known_in_the_east(lonlat):
        return np.where(lonlat[..., 0] > 0, height(lonlat), np.nan)

    classes = equal_area_strata(known_in_the_east, ALL, 5)
    found = classes(ALL.grid.centres())
    east = ALL.grid.centres()[:, 0] > 0
    assert (found[~east] == -1).all()
    area = np.bincount(found[east], ALL.grid.areas_km2(np.flatnonzero(east)))
    np.testing.assert_allclose(area / area.sum(), 0.2, atol=0.02)
    points = scatter(60, 3)
    moved = shift("strata", points, strata=classes, count=30)
    known = classes(ALL.grid.centres(ALL.cells[ALL.cell_at(points)])) >= 0
    assert not moved.kept[:, ~known].any()
    assert moved.kept[:, known].all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_one_class_everywhere_moves_rows_evenly_within_their_band(seed):
    points = scatter(5, seed)
    moved = shift(
        "strata", points, strata=lambda lonlat: np.zeros(len(lonlat), dtype=int), seed=seed, count=300
    )
    assert moved.kept.all()
    east = np.exp(1j * np.radians(moved.lonlat[..., 0])).mean()
    assert np.abs(east) < 0.12


def test_uniform_rows_are_spread_by_area():
    moved = shift("uniform", scatter(100, 0), count=200)
    lat = moved.lonlat[..., 1].ravel()
    assert np.mean(np.abs(lat) < 30) == pytest.approx(0.5, abs=0.02)


def test_labels_are_dealt_among_the_positions_looked_at():
    looked = scatter(300, 6)
    survey = observed_points(LOWELL, looked, 32.0)
    hits = looked[:40]
    moved = shift("labels", hits, survey)
    known = set(map(tuple, survey.points.tolist()))
    for one in moved.lonlat:
        assert len(set(map(tuple, one.tolist()))) == 40
        assert set(map(tuple, one.tolist())) <= known


def test_labels_move_whole_blocks():
    looked = scatter(300, 7)
    survey = observed_points(LOWELL, looked, 32.0)
    blocks = np.arange(300) // 10
    hits = survey.points[blocks < 6]  # six blocks full of hits, the others without
    moved = shift("labels", hits, survey, blocks=blocks, count=20)
    at = SphereTree(LOWELL, survey.points)
    for one, kept in zip(moved.lonlat, moved.kept, strict=True):
        assert kept.all()
        per_block = np.bincount(blocks[at.nearest(one)[1]], minlength=30)
        assert sorted(np.unique(per_block)) == [0, 10]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), link_km=st.floats(5.0, 200.0))
def test_clusters_are_those_of_all_pairs(seed, link_km):
    points = scatter(30, seed)
    near = all_distances(points) <= link_km
    label = np.arange(30)
    for _ in range(30):
        label = np.where(near, label[None], 99).min(axis=1)
    found = clusters_of(LOWELL, points, link_km)
    assert (np.unique(label, return_inverse=True)[1] == found).all()


def test_clusters_of_a_crowd_need_no_list_of_pairs(monkeypatch):
    monkeypatch.setattr("retrieval.spatial.nulls.MOST_PAIRS", 1000)
    rng = np.random.default_rng(0)
    two = np.concatenate([rng.normal((10.0, 0.0), 1.0, (500, 2)), rng.normal((-170.0, 5.0), 1.0, (500, 2))])
    label = clusters_of(LOWELL, two, 30.0)
    assert (label[:500] == 0).all()
    assert (label[500:] == 1).all()
    assert (clusters_of(LOWELL, np.zeros((100_000, 2)), 1.0) == 0).all()
    assert len(clusters_of(LOWELL, np.zeros((0, 2)), 1.0)) == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.1, 1.0))
def test_joined_shifts_have_about_the_number_observed(seed, share):
    rng = np.random.default_rng(seed)
    number = rng.binomial(100, share, 200)
    sums = number[:, None] * np.array([1.0, 2.0])
    joint, both = superposed(number, 100, rng, sums)
    np.testing.assert_allclose(both, joint[:, None] * np.array([1.0, 2.0]))
    assert 66 <= joint.mean() <= 134  # a shift more or less is never nearer
    if share == 1.0:
        assert (joint == number).all()


@pytest.mark.parametrize("null", NULLS)
def test_an_empty_pattern_moves_nowhere(null):
    survey = observed_points(LOWELL, scatter(20, 1), 32.0)
    flat = {"strata": lambda lonlat: np.zeros(len(lonlat), dtype=int)}
    moved = shift(null, np.zeros((0, 2)), survey, link_km=10.0, **flat)
    assert moved.lonlat.shape == (7, 0, 2)


def test_what_cannot_be_moved_is_refused():
    points = scatter(5, 0)
    with pytest.raises(GeometryError, match="survey"):
        shift("labels", points)
    with pytest.raises(GeometryError, match="null model"):
        shift("magic", points)
    with pytest.raises(GeometryError, match="needs strata"):
        shift("strata", points)
    for strata in (lambda lonlat: np.zeros(3, dtype=int), lambda lonlat: lonlat[:, 0]):
        with pytest.raises(GeometryError, match="whole number for each position"):
            shift("strata", points, strata=strata)
    with pytest.raises(GeometryError, match="1 strata"):
        equal_area_strata(height, ALL, 1)
    with pytest.raises(GeometryError, match="known nowhere"):
        equal_area_strata(lambda lonlat: np.full(len(lonlat), np.nan), ALL, 3)
    with pytest.raises(GeometryError, match="row 1"):
        shift("spin", [[0.0, 0.0], [0.0, 91.0]])
    with pytest.raises(GeometryError, match="linking distance"):
        shift("spin", points, link_km=-1.0)
    with pytest.raises(GeometryError, match="shifts"):
        shift("spin", points, count=0)

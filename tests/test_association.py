import numpy as np
import pytest
import shapely

from retrieval.body import get_body
from retrieval.errors import GeometryError, SettingsError
from retrieval.evaluate.associations import evaluate_pairs
from retrieval.evaluate.pairs import draw_pairs
from retrieval.spatial.association import associate
from retrieval.spatial.observed import Observed, observed_points, whole_body
from retrieval.spatial.sphere import SphereTree
from retrieval.spatial.strata import equal_area_strata

LOWELL = get_body("lowell")
ALL = whole_body(LOWELL, 16.0)


def beside(lonlat, km, seed):
    rng = np.random.default_rng(seed)
    return LOWELL.destination(lonlat, rng.uniform(0, 360, len(lonlat)), rng.uniform(0, km, len(lonlat)))


def stripes():
    seen = np.flatnonzero((ALL.grid.centres()[:, 0] % 72) < 40)
    return Observed(ALL.grid, seen, np.ones(len(seen)), None, "stripes")


def scatter(count, seed, observed=ALL):
    return observed.sample(count, np.random.default_rng(seed))


def test_rows_beside_others_are_nearer_than_chance():
    b = scatter(120, 0)
    a = beside(b[:80], 15.0, 1)
    found = associate(LOWELL, a, b, ALL, 20.0, shifts=199)
    assert found.verdict == "nearer"
    assert found.near == 80
    assert found.of == 80
    assert found.p_value <= 0.02
    assert found.p_curve <= 0.02
    assert found.enrichment > found.enrichment_low > 2
    assert found.retained == 1.0
    at = np.flatnonzero(found.radii_km == 20.0)[0]
    assert found.share[at] == 1.0
    assert found.share[at] > found.high[at] >= found.null_mean[at] >= found.low[at]
    assert 100 * found.null_mean[at] == pytest.approx(found.expected_percent)
    assert "expected" in found.reason


def test_rows_that_shun_others_are_farther_than_chance():
    b = scatter(150, 3)
    a = scatter(400, 4)
    a = a[SphereTree(LOWELL, b).nearest(a)[0] > 40.0]
    found = associate(LOWELL, a, b, ALL, 40.0, shifts=199)
    assert found.verdict == "farther"
    assert found.enrichment_high < 1
    assert associate(LOWELL, a, b, ALL, 40.0, shifts=199, side="nearer").verdict != "nearer"
    assert associate(LOWELL, a, b, ALL, 40.0, shifts=199, side="farther").verdict == "farther"


def test_counts_and_curve_are_those_of_the_distances():
    a, b = scatter(200, 5), scatter(60, 6)
    found = associate(LOWELL, a, b, ALL, 30.0, shifts=99, null="uniform")
    nearest = SphereTree(LOWELL, b).nearest(a)[0]
    np.testing.assert_allclose(found.share, (nearest[:, None] <= found.radii_km).mean(axis=0))
    assert found.near == (nearest <= 30.0).sum()
    # On all of the sphere, the share of its area within reach.
    ground = SphereTree(LOWELL, b).nearest(ALL.sample(20_000, np.random.default_rng(7)))[0]
    assert found.expected_percent == pytest.approx(100 * (ground <= 30.0).mean(), rel=0.05)


def test_what_is_expected_follows_the_latitudes_of_each_row():
    # A lies north and south, B only in the far north: half of A can never be near, whatever is seen.
    rng = np.random.default_rng(8)
    north = np.stack([rng.uniform(-180, 180, 100), rng.uniform(60, 70, 100)], axis=-1)
    a = np.concatenate([north, np.stack([rng.uniform(-180, 180, 100), rng.uniform(-70, -60, 100)], axis=-1)])
    b = np.stack([rng.uniform(-180, 180, 40), rng.uniform(60, 70, 40)], axis=-1)
    # The north was seen well, the south by a tenth.
    lat = ALL.grid.centres()[:, 1]
    keep = np.flatnonzero((lat > 0) | (rng.random(len(ALL.grid)) < 0.1))
    seen = Observed(ALL.grid, keep, np.ones(len(keep)), None, "mostly the north")
    whole = associate(LOWELL, a, b, ALL, 30.0, shifts=199)
    patchy = associate(LOWELL, a[seen.holds(a)], b, seen, 30.0, shifts=199)
    northern = associate(LOWELL, north, b, ALL, 30.0, shifts=199)
    assert whole.expected_percent == pytest.approx(northern.expected_percent / 2, rel=0.1)
    share_north = 100 / seen.holds(a).sum()
    assert patchy.expected_percent == pytest.approx(northern.expected_percent * share_north, rel=0.1)


def test_turning_everything_about_the_axis_changes_nothing():
    a, b = scatter(80, 9), scatter(80, 10)
    turned = [points + np.array([137.0, 0.0]) for points in (a, b)]
    one = associate(LOWELL, a, b, ALL, 25.0, shifts=99)
    two = associate(LOWELL, *turned, ALL, 25.0, shifts=99)
    np.testing.assert_allclose(one.share, two.share)
    assert one.p_value == pytest.approx(two.p_value)


def test_lines_and_areas_are_near_along_their_whole_length():
    line = shapely.LineString([(170.0, 10.0), (180.0, 10.0)])
    box = shapely.box(20.0, -30.0, 60.0, -10.0)
    shapes = np.array([line, box, shapely.Point(-90.0, 50.0)], dtype=object)
    a = np.array([[171.3, 10.5], [40.0, -20.0], [-90.0, 50.5], [0.0, 80.0], [40.0, -45.0], [179.0, 9.0]])
    found = associate(LOWELL, a, shapes, ALL, 10.0, shifts=99)
    assert found.near == 4  # beside the line, in the box, at the point, beside the line's end
    assert found.other_clusters == 3
    assert associate(LOWELL, a, shapes, ALL, 1.0, shifts=99).near == 1


def test_ground_never_seen_does_not_count_against_the_rows():
    seen = stripes()
    a, b = scatter(150, 11, seen), scatter(60, 12, seen)
    found = associate(LOWELL, a, b, seen, 30.0, shifts=199)
    assert found.retained == pytest.approx(0.55, abs=0.1)
    assert found.verdict == "no difference"
    outside = np.array([[50.0, 0.0], [60.0, 20.0]])
    assert associate(LOWELL, np.concatenate([a, outside]), b, seen, 30.0, shifts=199).of == 150


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.zeros((0, 2)), scatter(50, 0), "no row"),
        (scatter(50, 0), np.zeros((0, 2)), "other layer is empty"),
        (scatter(1, 0), scatter(50, 1), "independent"),
        (np.repeat(scatter(1, 0), 60, axis=0), scatter(50, 1), "independent"),
        (np.repeat(scatter(2, 0), 30, axis=0), scatter(50, 1), "fewer than 3"),
        (scatter(50, 0), scatter(2, 1), "fewer than 3"),
        (scatter(12, 0), scatter(8, 1), "would have been seen"),
    ],
)
def test_too_little_cannot_tell(a, b, words):
    found = associate(LOWELL, a, b, ALL, 20.0, shifts=99)
    assert found.verdict == "cannot tell"
    assert words in found.reason


def test_a_few_clusters_are_enough_when_all_are_near():
    b = scatter(60, 1)
    a = np.concatenate([beside(np.repeat(b[i : i + 1], 12, axis=0), 6.0, i) for i in (3, 17, 31, 44)])
    found = associate(LOWELL, a, b, ALL, 20.0, side="nearer", shifts=499)
    assert 3 <= found.clusters < 5
    assert found.verdict == "nearer"
    assert found.p_value <= 0.01
    # What the rows are worth is a matter of the null alone: farther away they are worth as much.
    away = scatter(4, 9)
    elsewhere = associate(
        LOWELL, beside(np.repeat(away, 12, axis=0), 6.0, 9), b, ALL, 20.0, side="nearer", shifts=499
    )
    assert elsewhere.clusters == pytest.approx(found.clusters, abs=1)
    assert elsewhere.verdict != "nearer"


@pytest.mark.parametrize(("others", "km"), [(60, 20.0), (10, 10.0), (4, 2.0)])
def test_one_cluster_is_one_thing_however_rare_the_other_layer_is(others, km):
    b = scatter(others, 1)
    a = beside(np.repeat(b[:1], 40, axis=0), km / 4, 2)
    found = associate(LOWELL, a, b, ALL, km, shifts=499)
    assert found.near == 40
    assert found.clusters == 1
    assert found.verdict == "cannot tell"


@pytest.mark.parametrize("km", [0.5, 10.0])
def test_rows_far_apart_are_worth_themselves(km):
    b = scatter(40, 5)
    found = associate(LOWELL, beside(b[:30], km / 2, 6), b, ALL, km, shifts=499)
    assert found.verdict == "nearer"
    assert found.clusters >= 10


def test_narrow_coverage_cannot_tell():
    seen = np.flatnonzero(np.abs(ALL.grid.centres()[:, 0]) < 30)
    strip = Observed(ALL.grid, seen, np.ones(len(seen)), None, "a strip")
    found = associate(LOWELL, scatter(100, 1, strip), scatter(40, 2, strip), strip, 30.0, shifts=199)
    assert found.verdict == "cannot tell"
    assert "on observed ground when moved" in found.reason


def test_labels_of_a_survey():
    looked = scatter(400, 20)
    survey = observed_points(LOWELL, looked, 16.0)
    b = scatter(60, 21)
    near = SphereTree(LOWELL, b).nearest(looked)[0] < 30.0
    hits = np.concatenate([looked[near], looked[~near][:20]])
    found = associate(LOWELL, hits, b, survey, 30.0, null="labels", shifts=199)
    assert found.verdict == "nearer"
    assert found.expected_percent == pytest.approx(100 * near.mean(), rel=0.05)


def highlands(lonlat):
    """Four broad swells along the meridians, and small ones on them."""
    lon, lat = np.radians(np.moveaxis(lonlat, -1, 0))
    return np.cos(lat) * (np.sin(4 * lon) + 0.5 * np.sin(9 * lon + 5 * lat))


def bound_to_high_ground(seed):
    """Clusters that lie high and know nothing of any other pattern."""
    rng = np.random.default_rng(seed)
    centres = ALL.sample(4000, rng)
    centres = centres[highlands(centres) > 0.7][:45]
    return beside(np.repeat(centres, rng.poisson(4, len(centres)), axis=0), 12.0, seed)


def test_strata_do_not_call_shared_ground_an_association():
    classes = equal_area_strata(highlands, ALL, 6)
    fooled = {"spin": 0, "strata": 0}
    for seed in range(20):
        a, b = bound_to_high_ground(2 * seed), bound_to_high_ground(2 * seed + 1)
        for null in fooled:
            found = associate(
                LOWELL, a, b, ALL, 40.0, null=null, strata=classes, strata_words="height", shifts=99
            )
            fooled[null] += found.p_value <= 0.05
    assert fooled["spin"] >= 12
    assert fooled["strata"] <= 3
    assert "(height)" in found.why


def test_strata_still_find_true_neighbours_and_leave_out_unknown_ground():
    classes = equal_area_strata(highlands, ALL, 6)
    b = bound_to_high_ground(0)
    a = beside(b[::3], 15.0, 1)
    found = associate(LOWELL, a, b, ALL, 25.0, null="strata", strata=classes, shifts=199)
    assert found.verdict == "nearer"
    assert found.retained > 0.5

    def northern(lonlat):
        return np.where(lonlat[:, 1] > 0, classes(lonlat), -1)

    north = associate(LOWELL, a, b, ALL, 25.0, null="strata", strata=northern, shifts=99)
    assert 0 < north.of < len(a)
    assert north.of == pytest.approx((a[:, 1] > 0).sum(), abs=3)
    nowhere = associate(
        LOWELL, a, b, ALL, 25.0, null="strata", strata=lambda at: np.full(len(at), -1), shifts=99
    )
    assert nowhere.verdict == "cannot tell"
    assert "unknown" in nowhere.reason


def test_large_layers_are_bounded_and_say_so(monkeypatch):
    monkeypatch.setattr("retrieval.spatial.association.MOST_MOVED", 199 * 300)
    found = associate(LOWELL, scatter(500, 0), scatter(50, 1), ALL, 20.0)
    assert "300 of 500 rows drawn" in found.reason
    assert "199 shifts instead of 999" in found.reason
    assert found.of == 300


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"distance_km": 0.0}, "distance of 0"),
        ({"distance_km": -3.0}, "distance of -3"),
        ({"distance_km": 2000.0}, "at most 1414 km"),
        ({"distance_km": float("nan")}, "distance of nan"),
        ({"radii_km": [5.0, 4.0]}, "curve"),
        ({"radii_km": [0.0, 4.0]}, "curve"),
        ({"side": "left"}, "side"),
        ({"alpha": 0.0}, "level"),
        ({"shifts": 3}, "shifts"),
        ({"null": "labels"}, "survey"),
        ({"null": "strata"}, "needs strata"),
        ({"lonlat": [[0.0, 91.0]]}, "latitude 91"),
        ({"others": [[np.nan, 0.0]]}, "other layer"),
        ({"others": np.array([None, 3], dtype=object)}, "shape"),
    ],
)
def test_bad_input_is_refused_in_one_line(change, words):
    arguments = {"lonlat": scatter(30, 0), "others": scatter(30, 1), "distance_km": 20.0, **change}
    with pytest.raises(GeometryError, match=words):
        associate(
            LOWELL,
            arguments.pop("lonlat"),
            arguments.pop("others"),
            ALL,
            arguments.pop("distance_km"),
            **arguments,
        )


def test_the_farthest_distance_is_always_reached():
    found = associate(LOWELL, scatter(30, 0), scatter(30, 1), ALL, LOWELL.half_circumference_km, shifts=19)
    assert found.near == 30
    assert found.p_value == 1.0
    assert found.enrichment == pytest.approx(1.0)


def test_simulated_pairs_are_seen_bound_and_repeatable():
    pairs = list(draw_pairs(11, 6))
    again = list(draw_pairs(11, 6))
    for one, two in zip(pairs, again, strict=True):
        np.testing.assert_array_equal(one.a, two.a)
        assert one.observed.holds(one.a).all()
        assert one.observed.holds(one.b).all()
    assert {pair.banded for pair in pairs} == {True, False}


def test_pairs_of_few_clusters_are_drawn_independent_only():
    pairs = list(draw_pairs(12, 5, few=True))
    assert all(pair.observed.holds(pair.a).all() for pair in pairs)
    with pytest.raises(SettingsError, match="independent"):
        next(draw_pairs(12, 1, few=True, near_share=0.5))


def test_false_alarms_are_rare_and_true_neighbours_found():
    alarms = evaluate_pairs(15, 40, nulls=("spin", "uniform"), shifts=99)["by_null"]
    assert alarms["spin"]["both"]["share"] <= 0.125
    assert alarms["uniform"]["both"]["share"] >= 0.3
    few = evaluate_pairs(17, 40, few=True, nulls=("spin",), shifts=99)["by_null"]["spin"]
    assert few["both"]["share"] <= 0.125
    assert few["little"]["of"] > 0
    found = evaluate_pairs(16, 25, near_share=0.7, nulls=("spin",), shifts=99)["by_null"]
    assert found["spin"]["both"]["share"] >= 0.7

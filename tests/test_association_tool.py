"""The test of nearness against chance as a tool: on the tiny index, whose cones lie near its channels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from retrieval.errors import InputError
from tests.workspaces import a_layer, assert_keeps_its_word, shape_layer, tile_layer
from tools.relations import near
from tools.statistics.association import associate
from tools.statistics.summary import summarise

DISTANCE_KM = 150.0


def anywhere(rng, n):
    return np.column_stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-0.9, 0.9, n)))])


def test_neighbours_that_were_made_so_are_found(ws) -> None:
    rng = np.random.default_rng(11)
    channels = anywhere(rng, 60)
    beside = ws.body.destination(channels[:40], rng.uniform(0, 360, 40), rng.uniform(5, 60, 40))
    one, two = a_layer(ws, beside, "cones"), a_layer(ws, channels, "channels")
    result = associate(ws, one.id, two.id, 60.0)
    assert_keeps_its_word(result)
    assert result.summary.startswith("L1 lies nearer to L2 than chance allows.")
    assert "“spin”" in result.summary
    assert "would have said “nearer”" in result.summary
    figures = result.figures
    assert figures["p_value"] <= 0.05
    assert 1 < figures["enrichment_low"] <= figures["enrichment"] <= figures["enrichment_high"]
    assert result.layer_ids == ()
    assert ws.layers.ids() == ["L1", "L2"]


def test_what_stays_away_is_farther(ws) -> None:
    rng = np.random.default_rng(12)
    channels, others = anywhere(rng, 80), anywhere(rng, 600)
    kept = others[ws.body.distance_km(others[:, None], channels[None]).min(axis=1) > 150]
    one, two = a_layer(ws, kept, "a"), a_layer(ws, channels, "b")
    result = associate(ws, one.id, two.id, 150.0)
    assert_keeps_its_word(result)
    assert result.summary.startswith("L1 lies farther from L2 than chance allows.")
    assert result.figures["near_count"] == 0


def test_the_same_call_gives_the_same_figures(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("simple_crater", "degraded_crater"))
    one, two = (associate(ws, a.id, b.id, DISTANCE_KM) for _ in range(2))
    assert (one.summary, one.figures, one.table) == (two.summary, two.figures, two.table)


def test_what_knows_nothing_of_each_other_is_not_called_nearer(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("simple_crater", "degraded_crater"))
    result = associate(ws, a.id, b.id, 80.0, side="nearer")
    assert_keeps_its_word(result)
    assert not result.summary.startswith("L1 lies nearer")
    assert result.figures["p_value"] > 0.05


def test_tiles_that_touch_count_once(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("pitted_cones", "simple_crater"))
    features = summarise(ws, a.id).figures["features"]
    assert features < len(a)
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert result.figures["of_count"] == features
    assert "features" in result.summary


def test_the_curve_holds_the_distance_asked(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("pitted_cones", "outflow_channel"))
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    curve = [row for row in result.table if "threshold" not in row]
    distances = [row["distance_km"] for row in curve]
    assert distances == sorted(distances)
    (asked,) = [row for row in curve if row["distance_km"] == DISTANCE_KM]
    assert asked["near_percent"] == pytest.approx(result.figures["near_percent"], abs=0.1)
    assert all(row["chance_low_percent"] <= row["chance_high_percent"] for row in curve)
    (picture,) = result.pictures
    assert picture.is_file()


@pytest.mark.parametrize("empty", ["first", "second", "both"])
def test_empty_layers_leave_it_open(ws, truth, empty: str) -> None:
    a = tile_layer(ws, [] if empty != "second" else truth["gullies"], "a")
    b = tile_layer(ws, [] if empty != "first" else truth["gullies"], "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    said = {"first": "L1 is empty", "second": "L2 is empty", "both": "L1 and L2 are empty"}[empty]
    assert result.summary == f"Cannot tell whether L1 lies nearer to L2 than chance allows: {said}."


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([[0, 10]], [[0, 0], [50, 0], [90, 0], [150, 20]], "independent one"),
        ([[0, 10], [0, 10], [0, 10]], [[0, 0], [50, 0], [90, 0]], "independent one"),
        ([[10 * i, 3 * i] for i in range(20)], [[0, 0]], "and at least 3 are needed"),
        ([[115, -15]], [[0, 0], [50, 0], [90, 0]], "no row tested lies on ground that was observed"),
    ],
)
def test_too_little_leaves_it_open_with_a_reason(ws, first, second, reason: str) -> None:
    a, b = a_layer(ws, first, "a"), a_layer(ws, second, "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    assert result.summary.startswith("Cannot tell whether L1 lies nearer to L2 than chance allows: ")
    assert reason in result.summary


@pytest.mark.parametrize(
    ("side", "null"),
    [("nearer", "spin"), ("farther", "clusters"), ("both", "uniform"), ("farther", "rotation")],
)
def test_every_side_and_null_keeps_its_word(ws, truth, side, null) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("gullies", "lava_flow"))
    result = associate(ws, a.id, b.id, DISTANCE_KM, side=side, null=null)
    assert_keeps_its_word(result)
    assert f"“{null}”" in result.summary
    assert ("naive" in result.summary) == (null != "uniform")


def test_shared_tiles_are_owned_up_to(ws, truth) -> None:
    a = tile_layer(ws, truth["gullies"], "a")
    b = tile_layer(ws, truth["gullies"], "b")
    result = associate(ws, a.id, b.id, 30.0)
    assert_keeps_its_word(result)
    assert result.figures["same_tile_count"] == result.figures["of_count"]
    assert "taken for both" in result.summary


def test_rows_outside_the_ground_seen_are_left_out_and_said(ws, truth) -> None:
    rng = np.random.default_rng(3)
    lonlat = np.column_stack([rng.uniform(-180, 180, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))])
    a, b = a_layer(ws, lonlat, "a"), tile_layer(ws, truth["simple_crater"], "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    assert result.figures["tested_count"] < 200
    assert "of the 200 rows, on ground observed" in result.summary


def test_wrong_arguments_are_one_line(ws, truth) -> None:
    a = tile_layer(ws, truth["gullies"], "a")
    b = tile_layer(ws, truth["lava_flow"], "b")
    with pytest.raises(InputError, match="everything is near itself"):
        associate(ws, a.id, a.id, DISTANCE_KM)
    for distance in (0, -5, float("nan"), 1e6):
        with pytest.raises(InputError, match="distance_km is"):
            associate(ws, a.id, b.id, distance)
    with pytest.raises(InputError, match="no side"):
        associate(ws, a.id, b.id, DISTANCE_KM, side="left")
    with pytest.raises(InputError, match="no null model"):
        associate(ws, a.id, b.id, DISTANCE_KM, null="magic")
    assert near(ws, a.id, b.id, DISTANCE_KM).layer_ids == ("L3",)


class TestShapes:
    def test_lines_and_outlines_are_what_is_near(self, ws) -> None:
        rng = np.random.default_rng(21)
        starts = anywhere(rng, 14)
        ends = ws.body.destination(starts, rng.uniform(0, 360, 14), 250.0)
        lines = [shapely.LineString(pair) for pair in zip(starts, ends, strict=True)]
        other = shape_layer(ws, lines, "channels")
        along = ws.body.destination(starts, ws.body.azimuth_deg(starts, ends), rng.uniform(60, 240, 14))
        beside = ws.body.destination(along, rng.uniform(0, 360, 14), 5.0)
        one = a_layer(ws, beside, "cones")
        result = associate(ws, one.id, other.id, 20.0)
        assert_keeps_its_word(result)
        # Ends of a line are 100 km away: only its course is near.
        assert result.figures["near_percent"] == 100
        assert result.summary.startswith("L2 lies nearer to L1 than chance allows.")
        assert "Distances are to the lines and outlines of L1" in result.summary

    def test_one_long_line_is_enough(self, ws) -> None:
        line = shape_layer(ws, [shapely.LineString([(-170, 20), (0, -10), (170, 20)])])
        a = a_layer(ws, anywhere(np.random.default_rng(2), 60), "a")
        result = associate(ws, a.id, line.id, 100.0)
        assert_keeps_its_word(result)
        assert "are needed" not in result.summary

    def test_positions_stand_for_shapes_that_are_tested(self, ws) -> None:
        rings = [shapely.Point(lon, lat).buffer(3.0) for lon, lat in anywhere(np.random.default_rng(3), 30)]
        a = shape_layer(ws, rings)
        b = a_layer(ws, anywhere(np.random.default_rng(4), 50), "b")
        result = associate(ws, a.id, b.id, 100.0)
        assert_keeps_its_word(result)
        assert "One position stands for each row of L1." in result.summary


class TestStrata:
    def two_of_the_heights(self, ws, rng, count: int = 60):
        """Two patterns that both keep to the highest ground, and know nothing of each other."""
        elevation = ws.index.tiles.facts["elevation_m"]
        places = anywhere(rng, 4000)
        rows = ws.rows_at(places)
        high = places[(rows >= 0) & (elevation[rows] > np.quantile(elevation, 0.8))]
        return a_layer(ws, high[:count], "a"), a_layer(ws, high[count : 2 * count], "b")

    def test_what_both_owe_to_height_is_no_association(self, ws) -> None:
        a, b = self.two_of_the_heights(ws, np.random.default_rng(5))
        naive = associate(ws, a.id, b.id, 60.0, null="rotation")
        honest = associate(ws, a.id, b.id, 60.0, null="strata", strata="elevation")
        for result in (naive, honest):
            assert_keeps_its_word(result)
        assert "nearer to L2" in naive.summary.split(".")[0]
        assert "“strata”" in honest.summary
        assert "elevation in six classes of equal area" in honest.summary
        assert honest.figures["expected_percent"] > 1.2 * naive.figures["expected_percent"]
        assert honest.figures["p_value"] > 0.05 > naive.figures["p_value"]

    def test_naming_the_strata_is_asking_for_that_null(self, ws) -> None:
        a, b = self.two_of_the_heights(ws, np.random.default_rng(6))
        spelled = associate(ws, a.id, b.id, 80.0, null="strata", strata="elevation_m")
        assert associate(ws, a.id, b.id, 80.0, strata="elevation_m").figures == spelled.figures

    def test_units_of_a_map(self, ws) -> None:
        a, b = self.two_of_the_heights(ws, np.random.default_rng(7))
        halves = [shapely.box(-180, -90, 0, 90), shapely.box(0, -90, 180, 90)]
        units = shape_layer(ws, halves, unit=["old", "young"], age=[3.5, 1.0])
        result = associate(ws, a.id, b.id, 80.0, null="strata", strata=f"{units.id}.unit")
        assert_keeps_its_word(result)
        assert "unit of L3" in result.summary
        for wrong, said in (
            (f"{units.id}.age", "no column of text 'age'"),
            (f"{a.id}.unit", "are points"),
            ("L9.unit", "no layer"),
            ("happiness", "happiness"),
        ):
            with pytest.raises(InputError, match=said):
                associate(ws, a.id, b.id, 80.0, null="strata", strata=wrong)

    def test_ground_outside_the_map_is_left_out_and_said(self, ws) -> None:
        a, b = self.two_of_the_heights(ws, np.random.default_rng(8))
        units = shape_layer(ws, [shapely.box(-180, -90, 60, 90)], unit=["old"])
        result = associate(ws, a.id, b.id, 80.0, null="strata", strata=f"{units.id}.unit")
        assert_keeps_its_word(result)
        assert result.figures["tested_count"] < 60
        assert "of a known class" in result.summary

    def test_half_a_question_is_refused(self, ws) -> None:
        a, b = self.two_of_the_heights(ws, np.random.default_rng(9))
        with pytest.raises(InputError, match="needs strata"):
            associate(ws, a.id, b.id, 80.0, null="strata")
        with pytest.raises(InputError, match="strata are given"):
            associate(ws, a.id, b.id, 80.0, null="rotation", strata="elevation")


def test_tiles_scattered_anyhow_are_as_near_as_chance_has_them(ws) -> None:
    # Within a little less than a tile's width a lattice has no neighbours, where open ground has them.
    rng = np.random.default_rng(31)
    near, expected = 0.0, 0.0
    for _ in range(5):
        a, b = (tile_layer(ws, rng.permutation(len(ws.index))[:90], name) for name in "ab")
        figures = associate(ws, a.id, b.id, 0.97 * ws.index.grid.tile_km, null="uniform").figures
        near += figures["near_percent"]
        expected += figures["expected_percent"]
    assert near / expected == pytest.approx(1, abs=0.25)


class TestThresholds:
    def test_stricter_ones_are_tests_of_the_rows_left(self, ws, truth) -> None:
        a, b = (tile_layer(ws, truth[name], name) for name in ("simple_crater", "degraded_crater"))
        result = associate(ws, a.id, b.id, DISTANCE_KM)
        assert_keeps_its_word(result)
        rows = [row for row in result.table if "threshold" in row]
        assert [row["threshold"] for row in rows] == [0.6, 0.7]
        for row, name in zip(rows, ("0.60", "0.70"), strict=True):
            assert row["enrichment"] == result.figures[f"enrichment_at_{name}"]
            assert row["tested"] < result.figures["tested_count"]
        assert "At stricter thresholds of 0.6 and 0.7 the enrichment is" in result.summary

    def test_layers_with_thresholds_of_their_own(self, ws, truth) -> None:
        a = tile_layer(ws, truth["simple_crater"], "a", threshold=0.3)
        b = tile_layer(ws, truth["degraded_crater"], "b", threshold=0.85)
        result = associate(ws, a.id, b.id, DISTANCE_KM)
        assert_keeps_its_word(result)
        assert "At a stricter threshold of 0.4 of L1, and those of L2 raised as much," in result.summary

    def test_catalogues_have_none(self, ws, truth) -> None:
        a, c = (a_layer(ws, anywhere(np.random.default_rng(seed), 80), "a") for seed in (3, 4))
        b = tile_layer(ws, truth["simple_crater"], "b")
        assert "At stricter thresholds of 0.6 and 0.7 of L3" in associate(ws, a.id, b.id, 90.0).summary
        result = associate(ws, a.id, c.id, 90.0)
        assert "stricter" not in result.summary
        assert all("threshold" not in row for row in result.table)


class TestManyTests:
    def test_a_finding_among_many_says_that_it_is_one_of_many(self, ws) -> None:
        rng = np.random.default_rng(11)
        channels = anywhere(rng, 60)
        beside = ws.body.destination(channels[:40], rng.uniform(0, 360, 40), rng.uniform(5, 60, 40))
        one, two = a_layer(ws, beside, "cones"), a_layer(ws, channels, "channels")
        alone = associate(ws, one.id, two.id, 60.0)
        assert "corrected" not in alone.summary
        for number in range(99):
            ws.record_test(f"another {number}", 0.5)
        result = associate(ws, one.id, two.id, 60.0)
        assert_keeps_its_word(result)
        assert result.figures["tests_count"] == 100
        assert result.figures["corrected_p"] == pytest.approx(100 * result.figures["p_value"])
        assert result.summary.startswith(
            "Taken by itself, L1 lies nearer to L2 than chance allows, but not once corrected for the "
            "100 tests of this conversation."
        )
        again = associate(ws, one.id, two.id, 60.0)
        assert again.figures == result.figures

    def test_what_cannot_be_tested_is_no_test(self, ws) -> None:
        a, b = a_layer(ws, [], "a"), a_layer(ws, [[0, 0]], "b")
        associate(ws, a.id, b.id, 60.0)
        assert ws.record_test("first", 0.04) == (1, 0.04)

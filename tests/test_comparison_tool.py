from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retrieval.errors import Cancelled, ToolInputError
from retrieval.spatial.observed import observed_by_index
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, tile_layer
from tools.statistics import comparison
from tools.statistics.comparison import compare
from tools.statistics.ground import evidence_groups


@pytest.fixture(autouse=True)
def fewer_shifts(monkeypatch):
    monkeypatch.setattr(comparison, "SHIFTS", 99)


def scattered(ws, n, seed=0, low=-90.0, high=90.0):
    """Positions on the ground observed, between two latitudes."""
    points = observed_by_index(ws.index).sample(60 * n, np.random.default_rng(seed))
    return points[(points[:, 1] >= low) & (points[:, 1] < high)][:n]


def measured(ws, values, seed=0, **more):
    """A layer whose rows lie anywhere and have a column of values."""
    values = np.asarray(values, dtype=float)
    return a_layer(ws, scattered(ws, len(values), seed), depth_m=values, **more)


class TestTwoLayers:
    def test_a_shift_is_found_with_its_size_and_unit(self, ws) -> None:
        rng = np.random.default_rng(0)
        one, two = measured(ws, rng.normal(500, 100, 80)), measured(ws, rng.normal(300, 100, 80), 1)
        result = compare(ws, one.id, "depth_m", two.id)
        assert_keeps_its_word(result)
        assert f"{one.id} has a higher depth than {two.id}" in result.summary
        assert result.figures["difference_low_m"] < 200 < result.figures["difference_high_m"]
        assert result.figures["chance_low_percent"] > 50
        assert result.figures["p_value"] < 0.05
        back = compare(ws, two.id, "depth_m", one.id)
        assert f"{two.id} has a lower depth than {one.id}" in back.summary
        assert back.figures["difference_m"] == -result.figures["difference_m"]
        assert back.figures["chance_percent"] == pytest.approx(
            100 - result.figures["chance_percent"], abs=0.2
        )

    def test_alike_layers_do_not_differ(self, ws) -> None:
        rng = np.random.default_rng(1)
        one, two = measured(ws, rng.normal(0, 1, 400)), measured(ws, rng.normal(0, 1, 400), 1)
        result = compare(ws, one.id, "depth_m", two.id)
        assert "do not differ in depth beyond chance" in result.summary
        assert_keeps_its_word(result)

    def test_latitudes_are_said_as_places(self, ws) -> None:
        north, south = a_layer(ws, scattered(ws, 40, 0, 20, 60)), a_layer(ws, scattered(ws, 40, 1, -60, -20))
        result = compare(ws, north.id, "latitude", south.id)
        assert "lies farther north" in result.summary
        assert result.figures["chance_percent"] == 100
        assert_keeps_its_word(result)

    def test_touching_tiles_count_once(self, ws) -> None:
        # Every tile of the index: all that touch are one feature, whatever their number.
        one, two = tile_layer(ws, np.arange(len(ws.index))), tile_layer(ws, np.arange(0, len(ws.index), 7))
        result = compare(ws, one.id, "elevation", two.id)
        assert result.figures["count"] < 0.2 * len(one)
        assert result.figures["shared_count"] == len(two)
        assert "Cannot tell" in result.summary
        assert_keeps_its_word(result)

    def test_stricter_thresholds_are_compared_again(self, ws) -> None:
        rng = np.random.default_rng(2)
        chance = np.linspace(0.5, 0.99, 60)
        better = chance > 0.7  # above 0.7 the values are higher by far
        layers = [
            measured(ws, rng.normal(0, 1, 60) + extra * better, seed, probability=chance, threshold=0.5)
            for seed, extra in ((0, 50.0), (1, 0.0))
        ]
        result = compare(ws, layers[0].id, "depth_m", layers[1].id)
        assert result.figures["chance_percent"] < result.figures["chance_percent_at_0.60"]
        assert result.figures["chance_percent_at_0.70"] == 100
        assert result.figures["difference_at_0.70_m"] > 45
        assert_keeps_its_word(result)

    def test_thresholds_that_leave_nothing_are_passed_over(self, ws) -> None:
        one = measured(ws, np.arange(20.0), probability=np.full(20, 0.55), threshold=0.5)
        result = compare(ws, one.id, "depth_m", measured(ws, np.arange(20.0), 1).id)
        assert "stricter" not in result.summary
        assert_keeps_its_word(result)

    @settings(max_examples=8)
    @given(
        values=st.lists(st.integers(-3, 3), min_size=0, max_size=12),
        others=st.lists(st.integers(-3, 3), min_size=0, max_size=12),
    )
    def test_the_chance_is_that_of_all_pairs(self, shared_ws, values, others) -> None:
        one, two = measured(shared_ws, values), measured(shared_ws, others, 1)
        result = compare(shared_ws, one.id, "depth_m", two.id)
        assert_keeps_its_word(result)
        if not values or not others:
            assert "is empty" in result.summary
            return
        apart = np.subtract.outer(np.array(values), np.array(others))
        want = 100 * np.mean((apart > 0) + 0.5 * (apart == 0))
        assert result.figures["chance_percent"] == pytest.approx(want, rel=0.01, abs=0.01)


class TestGround:
    def test_what_lies_north_is_north_of_the_ground(self, ws) -> None:
        result = compare(ws, a_layer(ws, scattered(ws, 60, 3, 15, 80)).id, "latitude")
        assert "higher latitude than the ground observed" in result.summary
        assert "could not test" in result.summary
        assert result.figures["p_value"] < 0.05
        assert result.figures["difference_low_deg"] > 0
        assert_keeps_its_word(result)

    def test_belts_on_both_sides_are_pointed_out(self, ws) -> None:
        both = [scattered(ws, 60, 3, 30, 50), scattered(ws, 60, 4, -50, -30)]
        result = compare(ws, a_layer(ws, np.concatenate(both)).id, "latitude")
        assert "density shows them" in result.summary or "Cannot tell" in result.summary
        assert result.figures["difference_low_deg"] < 0 < result.figures["difference_high_deg"]

    def test_what_lies_anywhere_is_seldom_called_different(self, ws) -> None:
        p_values = [
            compare(ws, a_layer(ws, scattered(ws, 40, seed)).id, "elevation").figures["p_value"]
            for seed in range(5)
        ]
        assert sum(p <= 0.05 for p in p_values) <= 1

    def test_low_ground_is_lower_and_latitude_is_asked_about(self, ws) -> None:
        tiles = ws.index.tiles.rows()
        low = tiles.loc[tiles["elevation_m"] < tiles["elevation_m"].quantile(0.35), ["lon", "lat"]]
        spread = low.to_numpy()[np.random.default_rng(0).permutation(len(low))[:25]]
        result = compare(ws, a_layer(ws, spread).id, "elevation")
        assert "lower elevation than the ground observed" in result.summary
        # On this planet the elevation is a function of the latitude.
        assert result.figures["spin_p"] == 1
        assert "latitude alone may explain it" in result.summary
        assert_keeps_its_word(result)

    def test_rows_off_the_ground_are_left_out(self, ws) -> None:
        everywhere = np.random.default_rng(0).uniform([-180, -90], [180, 90], (4000, 2))
        off = everywhere[observed_by_index(ws.index).cell_at(everywhere) < 0][:5]
        result = compare(ws, a_layer(ws, np.concatenate([off, scattered(ws, 30)])).id, "latitude")
        assert result.figures["count"] == 30
        assert result.figures["unknown_count"] == 5
        assert_keeps_its_word(result)

    def test_of_very_many_a_sample_is_taken(self, ws, monkeypatch) -> None:
        monkeypatch.setattr(comparison, "MOST_MOVED", 50)
        result = compare(ws, a_layer(ws, scattered(ws, 120)).id, "latitude")
        assert (result.figures["sampled_count"], result.figures["whole_count"]) == (50, 120)
        assert result.figures["count"] == 50
        assert_keeps_its_word(result)


class TestEdges:
    @pytest.mark.parametrize("by", ["latitude", "elevation"])
    def test_nothing_and_one_place_cannot_tell(self, ws, by) -> None:
        empty = a_layer(ws, np.empty((0, 2)))
        place = a_layer(ws, np.repeat(scattered(ws, 1), 30, axis=0))
        for layer, other in ((empty, None), (place, None), (empty, place), (place, empty)):
            result = compare(ws, layer.id, by, None if other is None else other.id)
            assert "Cannot tell" in result.summary
            assert_keeps_its_word(result)

    def test_an_index_that_saw_nothing_cannot_tell(self, ws, monkeypatch) -> None:
        layer = a_layer(ws, scattered(ws, 10))
        monkeypatch.setattr(ws.index, "coverage", ws.index.coverage.assign(observed=0.0))
        result = compare(ws, layer.id, "latitude")
        assert "Cannot tell" in result.summary
        assert_keeps_its_word(result)

    def test_wrong_arguments_say_what_is_allowed(self, ws) -> None:
        one, two = measured(ws, np.arange(9.0)), measured(ws, np.arange(9.0), 1)
        with pytest.raises(ToolInputError, match=r"happiness.*latitude.*depth_m"):
            compare(ws, one.id, "happiness", two.id)
        with pytest.raises(ToolInputError, match="ground has no depth_m"):
            compare(ws, one.id, "depth_m")
        with pytest.raises(ToolInputError, match="two different layers"):
            compare(ws, one.id, "latitude", one.id)
        with pytest.raises(ToolInputError, match="orientation"):
            compare(ws, one.id, "longitude", two.id)
        azimuths = [a_layer(ws, scattered(ws, 9, seed), azimuth_deg=np.arange(9.0)) for seed in (0, 1)]
        with pytest.raises(ToolInputError, match="orientation"):
            compare(ws, azimuths[0].id, "azimuth_deg", azimuths[1].id)
        with pytest.raises(ToolInputError, match="no layer"):
            compare(ws, one.id, "latitude", "L99")

    def test_its_picture_and_table_hold_both_samples(self, ws) -> None:
        one, two = measured(ws, np.arange(20.0)), measured(ws, np.arange(30.0), 1)
        result = compare(ws, one.id, "depth_m", two.id)
        assert [row["of"] for row in result.table] == [one.id, two.id]
        assert [row["median"] for row in result.table] == [9.5, 14.5]
        with Image.open(result.pictures[0]) as picture:
            assert picture.size == (1200, 700)

    def test_a_corrected_test_does_not_contradict_its_verdict(self, ws) -> None:
        rng = np.random.default_rng(0)
        for number in range(12):
            ws.record_test(f"another test {number}", 0.9)
        one, two = measured(ws, rng.normal(0.5, 1, 60)), measured(ws, rng.normal(0, 1, 60), 1)
        result = compare(ws, one.id, "depth_m", two.id)
        assert result.figures["tests_count"] == 13
        assert result.figures["p_value"] <= 0.05 < result.figures["corrected_p"]
        assert "no more than chance allows" in result.summary
        assert_keeps_its_word(result)

    def test_it_stops_when_asked(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 20))
        ws.stop.set()
        with pytest.raises(Cancelled):
            compare(ws, layer.id, "latitude")


def test_a_crowded_layer_is_more_than_one_piece_of_evidence(ws) -> None:
    points = scattered(ws, 600)
    groups = evidence_groups(ws, points)
    assert 5 <= groups.max() + 1 < 60
    apart = ws.body.distance_km(points[:1], points)
    assert apart[groups == groups[0]].max() < 4 * 8 * ws.index.grid.tile_km
    knots = np.repeat(points[:2], 5, axis=0)
    assert len(np.unique(evidence_groups(ws, knots)[:5])) == 1
    assert len(evidence_groups(ws, np.empty((0, 2)))) == 0


@pytest.fixture(scope="module")
def shared_ws(tmp_path_factory, tiny_index, pattern_encoder):
    """One workspace for many examples."""
    from retrieval.settings import Settings

    return a_workspace(Settings(home=tmp_path_factory.mktemp("home")), tiny_index, pattern_encoder)

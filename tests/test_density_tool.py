from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retrieval.body import get_body
from retrieval.errors import Cancelled, ToolInputError
from retrieval.spatial.observed import observed_by_index
from tests.workspaces import a_layer, assert_keeps_its_word, tile_layer
from tools.context import Quantity
from tools.statistics.density import density
from tools.statistics.ground import class_edges

LOWELL = get_body("lowell")


def scattered(ws, n, seed=0, low=-90.0, high=90.0):
    """Positions on the ground observed, between two latitudes."""
    points = observed_by_index(ws.index).sample(40 * n, np.random.default_rng(seed))
    return points[(points[:, 1] >= low) & (points[:, 1] < high)][:n]


class TestByLatitude:
    def test_classes_add_up_to_the_whole(self, ws) -> None:
        points = scattered(ws, 60)
        layer = a_layer(ws, points)
        result = density(ws, layer.id)
        assert_keeps_its_word(result)
        area = observed_by_index(ws.index).area_km2
        assert sum(row["count"] for row in result.table) == 60
        assert sum(row["observed_km2"] for row in result.table) == pytest.approx(area, rel=1e-3)
        assert result.figures["per_million_km2"] == pytest.approx(60 / area * 1e6, rel=0.01)
        assert "60 rows" in result.summary
        for row in result.table:
            within = ((points[:, 1] >= row["from_deg"]) & (points[:, 1] < row["to_deg"])).sum()
            assert row["count"] == within
            if row["per_million_km2"]:
                assert row["low_per_million_km2"] < row["per_million_km2"] < row["high_per_million_km2"]

    def test_a_belt_is_the_densest_class_and_more_than_chance(self, ws) -> None:
        belt = scattered(ws, 50, 1, 30.0, 40.0)
        result = density(ws, a_layer(ws, np.concatenate([belt, scattered(ws, 15, 2)])).id)
        assert (result.figures["densest_from_deg"], result.figures["densest_to_deg"]) == (30, 40)
        assert result.figures["densest_ratio"] > 4
        assert result.figures["p_value"] < 0.02
        assert "differ more than chance" in result.summary
        assert_keeps_its_word(result)

    def test_what_lies_anywhere_is_no_more_uneven_than_chance(self, ws) -> None:
        found = [density(ws, a_layer(ws, scattered(ws, 60, seed)).id).figures["p_value"] for seed in range(6)]
        assert min(found) > 0.01
        assert np.median(found) > 0.1

    def test_touching_tiles_count_once(self, ws) -> None:
        grid, tiles = ws.index.grid, ws.index.tiles
        row = len(tiles) // 2
        first = grid.neighbours(tiles.numbers[row : row + 2])[0]
        assert len(first), "two tiles of the fixture touch"
        result = density(ws, tile_layer(ws, [row, row + 1]).id)
        assert result.figures["count"] == 1
        assert result.figures["rows_count"] == 2
        assert "1 feature (2 tiles" in result.summary
        assert "cannot be told" in result.summary
        assert_keeps_its_word(result)

    def test_rows_off_the_ground_observed_do_not_count(self, ws) -> None:
        everywhere = np.random.default_rng(0).uniform([-180, -90], [180, 90], (4000, 2))
        off = everywhere[observed_by_index(ws.index).cell_at(everywhere) < 0][:7]
        assert len(off) == 7
        result = density(ws, a_layer(ws, np.concatenate([off, scattered(ws, 20)])).id)
        assert result.figures["unobserved_count"] == 7
        assert sum(row["count"] for row in result.table) == 20
        assert_keeps_its_word(result)


class TestThresholds:
    def test_stricter_ones_are_counted_again(self, ws) -> None:
        rng = np.random.default_rng(5)
        points, chance = scattered(ws, 80, 3), rng.uniform(0.5, 1.0, 80)
        layer = a_layer(ws, points, probability=chance, threshold=0.5)
        result = density(ws, layer.id)
        area = observed_by_index(ws.index).area_km2
        for level in (0.6, 0.7):
            kept = int((chance >= level).sum())
            assert result.figures[f"count_at_{level:.2f}"] == kept
            assert result.figures[f"per_million_km2_at_{level:.2f}"] == pytest.approx(
                kept / area * 1e6, rel=0.01
            )
        assert "stricter thresholds of 0.6 and 0.7" in result.summary
        assert_keeps_its_word(result)

    def test_a_layer_without_probabilities_has_none(self, ws) -> None:
        result = density(ws, a_layer(ws, scattered(ws, 30)).id)
        assert not any("_at_" in name for name in result.figures)


class TestOtherClasses:
    def test_by_elevation_every_thing_has_the_class_of_its_tile(self, ws) -> None:
        layer = tile_layer(ws, np.arange(0, len(ws.index), 9))
        result = density(ws, layer.id, by="elevation")
        counted = sum(row["count"] for row in result.table)
        assert counted + result.figures.get("unknown_count", 0) == result.figures["count"]
        assert all(row["to_m"] - row["from_m"] == result.figures["step_m"] for row in result.table)
        assert_keeps_its_word(result)

    def test_the_step_can_be_chosen(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 30))
        assert density(ws, layer.id, step=45).figures["classes"] == 4
        assert density(ws, layer.id, by="longitude", step=90).figures["classes"] == 4
        for wrong in (0, -1, float("nan"), 0.01):
            with pytest.raises(ToolInputError):
                density(ws, layer.id, step=wrong)

    def test_an_unknown_quantity_names_the_known_ones(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 30))
        with pytest.raises(ToolInputError, match=r"latitude.*elevation.*cells"):
            density(ws, layer.id, by="happiness")

    @settings(max_examples=40)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
    def test_classes_hold_all_of_the_ground(self, values) -> None:
        known = np.array([*values, np.nan])
        edges = class_edges(known, Quantity("thing", "m", "thing_m", lambda p: p, ""), None)
        assert 2 <= len(edges) <= 40
        assert (np.diff(edges) > 0).all()
        slack = 1e-6 * (edges[1] - edges[0])
        assert edges[0] - slack <= np.nanmin(known)
        assert np.nanmax(known) <= edges[-1] + slack

    def test_skewed_ground_has_classes_of_equal_area(self) -> None:
        steep = np.random.default_rng(0).exponential(1.0, 4000)
        edges = class_edges(steep, Quantity("slope", "deg", "slope_deg", lambda p: p, ""), None)
        shares = np.histogram(steep, edges)[0] / 4000
        assert shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(shares, 1 / len(shares), atol=0.02)
        given = class_edges(steep, Quantity("slope", "deg", "slope_deg", lambda p: p, ""), 2.0)
        np.testing.assert_allclose(np.diff(given), 2.0)


class TestCells:
    def test_the_densest_cell_is_where_most_are(self, ws) -> None:
        points = scattered(ws, 30)
        knot = LOWELL.destination(
            np.repeat(points[:1], 25, axis=0), np.linspace(0, 350, 25), np.linspace(1.0, 20.0, 25)
        )
        result = density(ws, a_layer(ws, np.concatenate([points, knot])).id, by="cells", step=150)
        assert_keeps_its_word(result)
        lonlat = [result.figures["densest_lon_deg"], result.figures["densest_lat_deg"]]
        assert LOWELL.distance_km(np.array(lonlat), points[0]) < 150
        counts = [row["count"] for row in result.table]
        assert result.figures["densest_count"] == counts[0]
        densities = [row["per_million_km2"] for row in result.table]
        assert densities == sorted(densities, reverse=True)

    def test_its_layer_holds_every_cell_and_every_thing(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 40))
        made = ws.layers.get(density(ws, layer.id, by="cells").layer_ids[0])
        assert made.table["count"].sum() == 40
        area = observed_by_index(ws.index).area_km2
        assert made.table["observed_km2"].sum() == pytest.approx(area)
        assert not made.pointlike
        assert made.provenance.parents == (layer.id,)

    def test_cells_smaller_than_a_tile_or_larger_than_a_continent_are_refused(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 5))
        for wrong in (ws.index.grid.tile_km / 2, 1e5):
            with pytest.raises(ToolInputError, match="step"):
                density(ws, layer.id, by="cells", step=wrong)


class TestEdges:
    @pytest.mark.parametrize("by", ["latitude", "elevation", "cells"])
    def test_nothing_and_one_place_are_answered(self, ws, by) -> None:
        empty = density(ws, a_layer(ws, np.empty((0, 2))).id, by=by)
        assert_keeps_its_word(empty)
        assert empty.figures["count"] == 0
        assert empty.figures["per_million_km2"] == 0
        assert empty.figures["per_million_km2_high"] > 0
        place = np.repeat(scattered(ws, 1), 12, axis=0)
        one = density(ws, a_layer(ws, place).id, by=by)
        assert_keeps_its_word(one)
        assert one.figures["count"] == 12
        alone = density(ws, a_layer(ws, place[:1]).id, by=by)
        assert one.figures["per_million_km2_high"] > 5 * alone.figures["per_million_km2_high"]

    def test_an_index_that_saw_nothing_cannot_tell(self, ws, monkeypatch) -> None:
        nothing = ws.index.coverage.assign(observed=0.0)
        monkeypatch.setattr(ws.index, "coverage", nothing)
        for by in ("latitude", "elevation", "cells"):
            result = density(ws, a_layer(ws, [[0.0, 0.0]]).id, by=by)
            assert "Cannot tell" in result.summary
            assert_keeps_its_word(result)

    def test_its_chart_is_a_picture_in_the_output_folder(self, ws) -> None:
        (path,) = density(ws, a_layer(ws, scattered(ws, 20)).id).pictures
        assert path.parent == ws.output
        with Image.open(path) as picture:
            assert picture.size == (1200, 700)

    def test_several_tests_are_corrected(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 50, 1, 30.0, 40.0))
        first = density(ws, layer.id)
        second = density(ws, layer.id, by="elevation")
        assert "corrected_p" not in first.figures
        assert second.figures["tests_count"] == 2
        assert second.figures["corrected_p"] >= second.figures["p_value"]
        assert density(ws, layer.id, by="elevation").figures["tests_count"] == 2

    def test_it_stops_when_asked(self, ws) -> None:
        layer = a_layer(ws, scattered(ws, 20))
        ws.stop.set()
        with pytest.raises(Cancelled):
            density(ws, layer.id)

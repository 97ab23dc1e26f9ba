from __future__ import annotations

import numpy as np
import pytest
import shapely

from retrieval.body import get_body
from retrieval.errors import ToolInputError
from tests.workspaces import (
    a_layer,
    assert_keeps_its_word,
    ids,
    shape_layer,
    tile_layer,
)
from tools.combine import merge_features, union

LOWELL = get_body("lowell")


class TestUnion:
    def test_a_tile_in_both_is_kept_once_with_its_best_probability(self, ws) -> None:
        tile_layer(ws, [0, 1, 2], "cones"), tile_layer(ws, [2, 400], "dunes")
        result = union(ws, ["L1", "L2"])
        made = ws.layers.get("L3")
        assert len(made) == 4
        assert result.figures["shared_count"] == 1
        shared = made.table.set_index("row_id").loc[ws.index.tiles.tile_id(2)]
        assert shared["probability"] == 0.99
        assert shared["sources"] == "L1+L2"
        assert made.kind == "tiles"
        assert made.title == "cones or dunes"
        assert made.table["probability"].is_monotonic_decreasing
        assert made.table["feature_id"].nunique() == result.figures["features"] == 2
        assert_keeps_its_word(result)

    def test_entries_of_two_catalogues_with_one_id_stay_two(self, ws) -> None:
        a_layer(ws, [[0, 0]]), a_layer(ws, [[10, 0]])
        assert sorted(ids(ws, union(ws, ["L1", "L2"]))) == ["L1:things-0", "L2:things-0"]

    def test_tiles_and_catalogues_mix_into_features(self, ws) -> None:
        tile_layer(ws, [0, 1]), a_layer(ws, [[10, 0]], diameter_km=np.array([5.0]))
        result = union(ws, "L1,L2")
        assert ws.layers.get("L3").kind == "features"
        assert result.figures["count"] == 3
        assert_keeps_its_word(result)

    def test_empty_layers_add_nothing(self, ws) -> None:
        tile_layer(ws, []), tile_layer(ws, [3]), tile_layer(ws, [])
        assert union(ws, ["L1", "L2", "L3"]).figures["count"] == 1
        assert union(ws, ["L1", "L3"]).figures["count"] == 0

    @pytest.mark.parametrize("layers", [[], ["L1"], ["L1", "L1"]])
    def test_fewer_than_two_layers_are_refused(self, ws, layers) -> None:
        tile_layer(ws, [0])
        with pytest.raises(ToolInputError, match="2 to 8"):
            union(ws, layers)

    def test_the_same_id_twice_in_one_catalogue_stays_two(self, ws) -> None:
        a_layer(ws, [[0, 0], [5, 0]]), a_layer(ws, [[10, 0]])
        table = ws.layers.get("L1").table.assign(row_id="same")
        ws.layers.add("twins", "catalogue", table, ws.provenance("made by hand", {}))
        made = ids(ws, union(ws, ["L2", "L3"]))
        assert len(set(made)) == 3


class TestMergeFeatures:
    def test_tiles_that_share_an_edge_become_one_outline(self, ws, tiny_index) -> None:
        grid = tiny_index.grid
        tile = int(grid.locate([[0.5, 10.0]])[0])
        here = grid.centres([tile])[0]
        far = grid.centres(grid.locate([[60.5, 40.0]]))[0]
        rows = ws.rows_at([here, here + np.array([0, grid.row_height_deg]), far])
        source = tile_layer(ws, rows)
        result = merge_features(ws, source.id)
        made = ws.layers.get(result.layer_ids[0])
        assert made.kind == "features"
        assert made.table["rows"].tolist() == [2, 1]
        assert (shapely.get_dimensions(made.shapes) == 2).all()
        areas = grid.areas_km2(grid.locate(source.lonlat))
        np.testing.assert_allclose(made.table["area_km2"], [areas[:2].sum(), areas[2]], rtol=1e-6)
        assert made.table["probability"].tolist() == [0.99, source.table["probability"].iloc[2]]
        assert result.figures["single_count"] == 1
        assert "highest" in made.provenance.score_rule
        assert_keeps_its_word(result)

    def test_points_are_linked_across_the_antimeridian(self, ws) -> None:
        a_layer(ws, [[179.9, 10], [-179.9, 10], [0, 0]], "cones", probability=[0.5, 0.7, 0.9])
        result = merge_features(ws, "L1", 2.0)
        made = ws.layers.get("L2")
        assert made.table["rows"].tolist() == [2, 1]
        assert abs(made.table["lon"].iloc[0]) == 179.9  # one of its own points, not the middle of the map
        assert made.table["probability"].tolist() == [0.7, 0.9]
        length = LOWELL.distance_km([179.9, 10], [-179.9, 10])
        np.testing.assert_allclose(made.table["length_km"], [length, 0], atol=1e-3)
        assert_keeps_its_word(result)

    def test_all_at_one_place_are_one(self, ws) -> None:
        a_layer(ws, [[5, 5]] * 4)
        result = merge_features(ws, "L1", 1.0)
        assert result.figures["features"] == 1
        assert_keeps_its_word(result)

    @pytest.mark.parametrize("kind", ["tiles", "points"])
    def test_nothing_makes_no_feature(self, ws, kind) -> None:
        tile_layer(ws, []) if kind == "tiles" else a_layer(ws, [])
        result = merge_features(ws, "L1", None if kind == "tiles" else 5.0)
        assert result.figures["features"] == 0
        assert_keeps_its_word(result)

    def test_points_need_a_distance_and_polygons_none(self, ws) -> None:
        a_layer(ws, [[5, 5]]), shape_layer(ws, [shapely.box(0, 0, 5, 5)])
        with pytest.raises(ToolInputError, match="give distance_km"):
            merge_features(ws, "L1")
        with pytest.raises(ToolInputError, match="polygons already"):
            merge_features(ws, "L2", 5.0)
        for distance in (0.0, -3.0, float("nan"), 5000.0):
            with pytest.raises(ToolInputError, match="distance_km is"):
                merge_features(ws, "L1", distance)

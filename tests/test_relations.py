from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import ToolInputError
from tests.workspaces import (
    a_layer,
    a_workspace,
    assert_keeps_its_word,
    ids,
    shape_layer,
    tile_layer,
)
from tools.relations import near, nearest, overlap, without
from tools.search import search_words

LOWELL = get_body("lowell")
LONLATS = st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=12)
KM_PER_DEGREE = np.radians(1.0) * LOWELL.radius_km  # 7.85


class TestNear:
    def test_keeps_what_is_within_the_distance_across_every_seam(self, ws) -> None:
        one = a_layer(
            ws, [[179.9, 0], [0, 89.95], [0, 0], [90, 0]], "cones", probability=[0.9, 0.8, 0.7, 0.6]
        )
        two = a_layer(ws, [[-179.9, 0], [180, 89.95], [0, 1.0]], "channels", probability=[0.5, 0.4, 0.3])
        result = near(ws, one.id, two.id, 1.0 * KM_PER_DEGREE + 1e-6)
        made = ws.layers.get(result.layer_ids[0])
        assert made.table["row_id"].tolist() == ["cones-0", "cones-1", "cones-2"]
        assert made.table["nearest_L2"].tolist() == ["channels-0", "channels-1", "channels-2"]
        np.testing.assert_allclose(
            made.table["km_to_L2"], np.array([0.2, 0.1, 1.0]) * KM_PER_DEGREE, atol=1e-3
        )
        np.testing.assert_allclose(made.table["joint_probability"], [0.45, 0.32, 0.21])
        np.testing.assert_allclose(made.table["probability"], [0.9, 0.8, 0.7])
        assert made.title == "cones within 7.854 km of channels"
        assert made.provenance.parents == (one.id, two.id)
        assert "product" in made.provenance.score_rule
        assert result.figures["of_count"] == 4
        assert_keeps_its_word(result)

    def test_a_question_asked_with_words_is_answered(self, ws, pattern_source, tiny_index) -> None:
        cones, channels = search_words(ws, "pitted cones"), search_words(ws, "outflow channel")
        result = near(ws, *cones.layer_ids, *channels.layer_ids, 121.0)
        made = ws.layers.get(result.layer_ids[0])
        assert made.kind == "tiles"
        assert made.title == "pitted cones within 121 km of outflow channel"
        truth = pattern_source.labels(tiny_index.grid)
        assert truth["pitted_cones"].to_numpy()[made.table["tile"].iloc[:10]].mean() > 0.8
        assert "between centres of tiles 60 km wide." in result.summary
        assert made.provenance.threshold == ws.layers.get("L1").provenance.threshold
        assert_keeps_its_word(result)

    def test_a_distance_below_the_tile_is_named_for_what_it_is(self, ws) -> None:
        tile_layer(ws, range(10)), tile_layer(ws, range(5, 15))
        result = near(ws, "L1", "L2", 1.0)
        assert result.figures["count"] == 5
        assert "means the same tile" in result.summary
        assert_keeps_its_word(result)

    @pytest.mark.parametrize(
        "distance", [0, -5, float("nan"), float("inf"), LOWELL.half_circumference_km + 1, "far"]
    )
    def test_impossible_distances_are_refused(self, ws, distance) -> None:
        a_layer(ws, [[0, 0]]), a_layer(ws, [[0, 0]])
        for tool in (near, without):
            with pytest.raises(ToolInputError, match="Allowed: greater than 0 and at most 1,414 km"):
                tool(ws, "L1", "L2", distance)

    def test_a_layer_is_not_near_itself(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        for call in (
            lambda: near(ws, "L1", "[l1]", 5),
            lambda: without(ws, "L1", "L1", 5),
            lambda: overlap(ws, "L1", "L1"),
        ):
            with pytest.raises(ToolInputError, match="everything is near itself"):
                call()

    def test_unknown_layers_are_refused(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match=r"no layer 'L7'.*Allowed: L1"):
            near(ws, "L1", "L7", 5)

    @pytest.mark.parametrize(("one", "two"), [([], [[0, 0]]), ([[0, 0]], []), ([], [])])
    def test_empty_layers_are_near_nothing_and_say_so(self, ws, one, two) -> None:
        a_layer(ws, one, probability=[0.5] * len(one)), a_layer(ws, two, probability=[0.5] * len(two))
        for tool in (near, without):
            result = tool(ws, "L1", "L2", 5)
            assert result.figures["count"] == (len(one) if tool is without else 0)
            assert "empty" in result.summary
            assert_keeps_its_word(result)
        assert overlap(ws, "L1", "L2").figures["count"] == 0

    def test_long_titles_give_way_to_ids(self, ws) -> None:
        a_layer(ws, [[0, 0]], "x" * 70), a_layer(ws, [[0, 0]], "y" * 70), a_layer(ws, [[0, 0]], "z" * 110)
        near(ws, "L1", "L2", 5), near(ws, "L3", "L2", 5)
        assert ws.layers.get("L4").title == "x" * 70 + " within 5 km of L2"
        assert ws.layers.get("L5").title == "L3 within 5 km of L2"

    @settings(max_examples=15, deadline=None)
    @given(LONLATS, LONLATS, st.floats(1, 1400))
    def test_near_and_without_share_the_rows_between_them(self, ws_for_laws, some, others, distance) -> None:
        one, two = a_layer(ws_for_laws, some), a_layer(ws_for_laws, others)
        inside = ids(ws_for_laws, near(ws_for_laws, one.id, two.id, distance))
        outside = ids(ws_for_laws, without(ws_for_laws, one.id, two.id, distance))
        assert sorted(inside + outside) == sorted(one.table["row_id"])


@pytest.fixture(scope="module")
def ws_for_laws(tmp_path_factory, tiny_index, pattern_encoder):
    from retrieval.settings import Settings

    return a_workspace(Settings(home=tmp_path_factory.mktemp("laws")), tiny_index, pattern_encoder)


class TestWithout:
    def test_keeps_what_is_far_from_all(self, ws) -> None:
        a_layer(ws, [[0, 0], [20, 0], [40, 0]]), a_layer(ws, [[1, 0], [39.5, 0]], "others")
        result = without(ws, "L1", "L2", 10)
        assert ids(ws, result) == ["things-1"]
        assert ws.layers.get("L3").title == "things farther than 10 km from others"
        assert_keeps_its_word(result)

    def test_absence_beside_the_unobserved_is_not_claimed(self, ws, tiny_index) -> None:
        # Longitudes 100..130, latitudes -30..0 were never observed.
        a_layer(ws, [[96.0, -15.0], [0.0, -15.0]])
        tile_layer(ws, ws.rows_at([[-100.0, 50.0]]))
        result = without(ws, "L1", "L2", 100)
        assert result.figures["count"] == 2
        assert result.figures["unsure_count"] == 1
        assert "less than 90 % of that neighbourhood was observed" in result.summary
        seen = ws.layers.get("L3").table["surroundings_observed"]
        assert seen[0] < 0.9
        assert seen[1] == 1.0
        assert_keeps_its_word(result)

    def test_of_a_catalogue_no_coverage_is_claimed(self, ws) -> None:
        a_layer(ws, [[96.0, -15.0]]), a_layer(ws, [[0.0, -15.0]])
        assert without(ws, "L1", "L2", 100).figures["unsure_count"] == 0


class TestOverlap:
    def test_the_same_tile_and_its_neighbours_overlap(self, ws, tiny_index) -> None:
        grid = tiny_index.grid
        tile = int(grid.locate([[0.5, 10.0]])[0])
        here = grid.centres([tile])[0]
        step = grid.row_height_deg
        a_layer(ws, [here, here + np.array([0, step]), here + np.array([0, 3 * step])])
        tile_layer(ws, ws.rows_at([here]))
        result = overlap(ws, "L1", "L2")
        assert ids(ws, result) == ["things-0", "things-1"]
        assert result.figures["same_tile_count"] == 1
        assert ws.layers.get("L3").title == "things overlapping tiles"
        assert_keeps_its_word(result)

    def test_a_tile_that_only_meets_a_corner_does_not_overlap(self, ws, tiny_index) -> None:
        grid = tiny_index.grid
        own = int(grid.locate([[0.5, 10.0]])[0])
        others = tiny_index.tiles.numbers
        first, second = grid.neighbours(others)
        beside = {own, *second[first == own].tolist(), *first[second == own].tolist()}
        tile_layer(ws, np.arange(len(others))), tile_layer(ws, ws.rows_at([grid.centres([own])[0]]))
        made = ws.layers.get(overlap(ws, "L1", "L2").layer_ids[0])
        assert set(made.table["tile"] if "tile" in made.table else grid.locate(made.lonlat)) == beside

    def test_shapes_overlap_where_they_share_ground(self, ws) -> None:
        box = shapely.box(10, -5, 20, 5)
        seam = shapely.union(shapely.box(175, -5, 180, 5), shapely.box(-180, -5, -175, 5))
        shape_layer(ws, [box, seam], "units")
        a_layer(ws, [[15, 0], [25, 0], [-179.9, 0], [179.9, 0], [0, 60]], "cones")
        result = overlap(ws, "L2", "L1")
        made = ws.layers.get(result.layer_ids[0]).table
        assert made["row_id"].tolist() == ["cones-0", "cones-2", "cones-3"]
        assert made["nearest_L1"].tolist() == ["units-0", "units-1", "units-1"]
        assert "share ground" in result.summary
        assert_keeps_its_word(result)
        tile_layer(ws, ws.rows_at([[15.0, 0.0], [60.0, 0.0]]))
        assert overlap(ws, "L4", "L1").figures["count"] == 1


class TestShapes:
    def test_distances_are_from_the_edges(self, ws) -> None:
        line = shapely.LineString([(0, -10), (0, 10)])
        box = shapely.box(170, -5, 180, 5)
        shape_layer(ws, [line, box], "units")
        a_layer(ws, [[2, 0], [5, 5], [-179, 0], [175, 0]], "cones")
        made = ws.layers.get(near(ws, "L2", "L1", 2.1 * KM_PER_DEGREE).layer_ids[0]).table
        assert made["row_id"].tolist() == ["cones-0", "cones-2", "cones-3"]
        np.testing.assert_allclose(made["km_to_L1"], np.array([2, 1, 0]) * KM_PER_DEGREE, atol=2e-3)

    def test_from_shapes_to_points_is_the_same_as_back(self, ws) -> None:
        shape_layer(ws, [shapely.LineString([(0, 0), (0, 10)])], "units")
        a_layer(ws, [[3, 5]], "cones")
        there = ws.layers.get(nearest(ws, "L1", "L2").layer_ids[0]).table["km_to_L2"]
        back = ws.layers.get(nearest(ws, "L2", "L1").layer_ids[0]).table["km_to_L1"]
        np.testing.assert_allclose(there, back, atol=1e-3)


class TestChains:
    def test_every_link_stays_on_record(self, ws) -> None:
        a_layer(ws, [[0, 0], [40, 0]], "cones", probability=[0.9, 0.8])
        a_layer(ws, [[1, 0], [41, 0]], "channels", probability=[0.5, 0.6])
        a_layer(ws, [[2, 0]], "aprons", probability=[0.4])
        near(ws, "L2", "L3", 10.0)
        result = near(ws, "L1", "L4", 10.0)
        made = ws.layers.get(result.layer_ids[0])
        assert made.table["row_id"].tolist() == ["cones-0"]
        # The apron counts, though the cone was compared with the channel only.
        np.testing.assert_allclose(made.table["joint_probability"], [0.9 * 0.5 * 0.4])
        near(ws, result.layer_ids[0], "L3", 20.0)
        last = ws.layers.get("L6").table
        assert {"km_to_L4", "nearest_L4", "km_to_L3", "nearest_L3"} <= set(last.columns)
        np.testing.assert_allclose(last["km_to_L4"], KM_PER_DEGREE, atol=1e-3)
        np.testing.assert_allclose(last["km_to_L3"], 2 * KM_PER_DEGREE, atol=1e-3)

    def test_what_a_catalogue_lists_counts_as_certain(self, ws) -> None:
        a_layer(ws, [[0, 0]], "cones", probability=[0.9]), a_layer(ws, [[1, 0]], "craters")
        near(ws, "L1", "L2", 10.0)
        assert ws.layers.get("L3").table["joint_probability"].tolist() == [0.9]


class TestNearest:
    @settings(max_examples=25, deadline=None)
    @given(LONLATS, LONLATS)
    def test_agrees_with_trying_all_pairs(self, ws_for_laws, some, others) -> None:
        one, two = a_layer(ws_for_laws, some), a_layer(ws_for_laws, others)
        made = ws_for_laws.layers.get(nearest(ws_for_laws, one.id, two.id).layer_ids[0]).table
        table = LOWELL.distance_km(np.array(some)[:, None], np.array(others)[None])
        np.testing.assert_allclose(made[f"km_to_{two.id}"], table.min(axis=1), atol=2e-3)

    def test_the_few_nearest_come_first(self, ws) -> None:
        a_layer(ws, [[9, 0], [1, 0], [4, 0], [-30, 0]], "cones"), a_layer(ws, [[0, 0]], "channels")
        result = nearest(ws, "L1", "L2", 2)
        assert ids(ws, result) == ["cones-1", "cones-2"]
        assert "The nearest is cones-1 at 7.85 km from channels-0" in result.summary
        assert_keeps_its_word(result)

    def test_beside_nothing_no_distance_is_known(self, ws) -> None:
        a_layer(ws, [[9, 0]]), a_layer(ws, [])
        result = nearest(ws, "L1", "L2")
        assert result.figures["count"] == 1
        assert np.isnan(ws.layers.get("L3").table["km_to_L2"]).all()
        assert nearest(ws, "L1", "L2", 5).figures["count"] == 0
        assert_keeps_its_word(result)

    @pytest.mark.parametrize("count", [0, -1, 100_001])
    def test_a_count_must_be_one(self, ws, count) -> None:
        a_layer(ws, [[9, 0]]), a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match="count is"):
            nearest(ws, "L1", "L2", count)

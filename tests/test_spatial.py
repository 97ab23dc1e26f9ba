from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import ToolInputError
from tests.workspaces import a_gazetteer, a_layer, a_workspace, assert_keeps_its_word, tile_layer
from tools.filters import filter_layer
from tools.search import search_words
from tools.spatial import merge_features, near, nearest_km, observed_share, overlap, union, without

LOWELL, MARS = get_body("lowell"), get_body("mars")
LONLATS = st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=12)
KM_PER_DEGREE = np.radians(1.0) * LOWELL.radius_km  # 7.85


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    return a_workspace(home, tiny_index, pattern_encoder, gazetteer=a_gazetteer(tiny_index))


def ids(ws, result) -> list[str]:
    return ws.layers.get(result.layer_ids[0]).table["row_id"].tolist()


class TestNearest:
    @settings(max_examples=60, deadline=None)
    @given(LONLATS, LONLATS)
    def test_agrees_with_trying_all_pairs(self, some, others) -> None:
        distance, nearest = nearest_km(MARS, some, others)
        table = MARS.distance_km(np.array(some)[:, None], np.array(others)[None])
        np.testing.assert_allclose(distance, table.min(axis=1), atol=1e-3)
        np.testing.assert_allclose(table[np.arange(len(some)), nearest], table.min(axis=1), atol=1e-3)

    def test_there_is_no_seam(self) -> None:
        distance, _ = nearest_km(LOWELL, [[179.9, 0.0], [0.0, 89.9]], [[-179.9, 0.0], [180.0, 89.9]])
        np.testing.assert_allclose(distance, 0.2 * KM_PER_DEGREE, rtol=1e-9)

    def test_nothing_is_infinitely_far(self) -> None:
        distance, nearest = nearest_km(MARS, [[0, 0]], np.empty((0, 2)))
        assert distance.tolist() == [np.inf]
        assert nearest.tolist() == [-1]
        assert len(nearest_km(MARS, np.empty((0, 2)), [[0, 0]])[0]) == 0


class TestFeatures:
    def test_chains_of_short_steps_are_one_feature(self) -> None:
        lonlat = [[0, 0], [50, 0], [1, 0], [2, 0], [179.8, 10], [-179.8, 10], [0, 90], [90, 89.9]]
        labels = merge_features(lonlat, LOWELL, 1.5 * KM_PER_DEGREE)
        assert labels.tolist() == [0, 1, 0, 0, 2, 2, 3, 3]

    def test_nothing_is_no_feature(self) -> None:
        assert merge_features(np.empty((0, 2)), LOWELL, 10.0).tolist() == []

    @settings(max_examples=40, deadline=None)
    @given(LONLATS, st.floats(1, 4000))
    def test_two_points_within_the_distance_share_a_feature(self, lonlat, distance) -> None:
        labels = merge_features(lonlat, MARS, distance)
        apart = MARS.distance_km(np.array(lonlat)[:, None], np.array(lonlat)[None])
        close = apart < distance * (1 - 1e-9)
        assert (labels[:, None] == labels[None])[close].all()
        assert set(labels) == set(range(labels.max() + 1))

    def test_tiles_that_touch_are_one_feature_everywhere(self, tiny_index) -> None:
        grid = tiny_index.grid
        labels = merge_features(grid.centres(), grid.body, 1.6 * grid.tile_km)
        assert labels.max() == 0
        apart = grid.centres()[:: 5 * grid.rows]
        assert merge_features(apart, grid.body, 1.6 * grid.tile_km).max() == len(apart) - 1


class TestNear:
    def test_keeps_what_is_within_the_distance_across_every_seam(self, ws) -> None:
        one = a_layer(
            ws, [[179.9, 0], [0, 89.95], [0, 0], [90, 0]], "cones", probability=[0.9, 0.8, 0.7, 0.6]
        )
        two = a_layer(ws, [[-179.9, 0], [180, 89.95], [0, 1.0]], "channels", probability=[0.5, 0.4, 0.3])
        result = near(ws, one.id, two.id, 1.0 * KM_PER_DEGREE + 1e-6)
        made = ws.layers.get(result.layer_ids[0])
        assert made.table["row_id"].tolist() == ["cones-0", "cones-1", "cones-2"]
        assert made.table["other_id"].tolist() == ["channels-0", "channels-1", "channels-2"]
        np.testing.assert_allclose(
            made.table["distance_km"], np.array([0.2, 0.1, 1.0]) * KM_PER_DEGREE, atol=1e-3
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

    def test_observed_share_is_that_of_the_cap(self, ws) -> None:
        centre, edge, far = observed_share(ws, [[115.0, -15.0], [100.0, -15.0], [-60.0, 40.0]], 60.0)
        assert centre == 0.0
        assert 0.3 < edge < 0.7
        assert far == 1.0


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


class TestUnion:
    def test_a_tile_in_both_is_kept_once_with_its_best_probability(self, ws) -> None:
        tile_layer(ws, [0, 1, 2], "cones"), tile_layer(ws, [2, 400], "dunes")
        result = union(ws, ["L1", "L2"])
        made = ws.layers.get("L3")
        assert len(made) == 4
        assert result.figures["shared_count"] == 1
        shared = made.table.set_index("row_id").loc[ws.index.tiles["tile_id"].iloc[2]]
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


class TestFilter:
    @pytest.fixture
    def everything(self, ws, tiny_index):
        return tile_layer(ws, np.arange(len(tiny_index)), "tiles")

    @pytest.mark.parametrize(
        ("arguments", "title", "holds"),
        [
            ({"min_lat_deg": 30}, "tiles north of 30 degrees", lambda t: t["lat"] >= 30),
            ({"max_lat_deg": -30}, "tiles south of -30 degrees", lambda t: t["lat"] <= -30),
            (
                {"min_lat_deg": 20, "max_lat_deg": 50},
                "tiles between 20 and 50 degrees latitude",
                lambda t: (t["lat"] >= 20) & (t["lat"] <= 50),
            ),
            (
                {"west_lon_deg": 170, "east_lon_deg": -170},
                "tiles from 170 to -170 degrees longitude",
                lambda t: t["lon"].abs() >= 170,
            ),
            (
                {"west_lon_deg": 170, "east_lon_deg": 190},
                "tiles from 170 to 190 degrees longitude",
                lambda t: t["lon"].abs() >= 170,
            ),
            ({"min_elevation_m": 500}, "tiles above 500 m", lambda t: t["elevation_m"] >= 500),
            ({"max_elevation_m": -1234.5}, "tiles below -1,234 m", lambda t: t["elevation_m"] <= -1234.5),
            (
                {"min_probability": 0.8},
                "tiles with probability of at least 0.8",
                lambda t: t["probability"] >= 0.8,
            ),
        ],
    )
    def test_keeps_what_holds(self, ws, everything, arguments, title, holds) -> None:
        result = filter_layer(ws, everything.id, **arguments)
        made = ws.layers.get(result.layer_ids[0])
        expected = everything.table[holds(everything.table)]
        assert made.table["row_id"].tolist() == expected["row_id"].tolist()
        assert 0 < len(made) < len(everything)
        assert made.title == title
        assert made.provenance.arguments == {"layer": "L1", **arguments}
        assert_keeps_its_word(result)

    def test_conditions_hold_together(self, ws, everything) -> None:
        result = filter_layer(ws, "L1", min_lat_deg=0, west_lon_deg=-10, east_lon_deg=90, max_elevation_m=0)
        assert 0 < result.figures["count"] < 200
        assert "lie north of 0 degrees, from -10 to 90 degrees longitude, below 0 m" in result.summary
        assert_keeps_its_word(result)

    def test_a_place_is_as_large_as_it_is_or_as_it_is_said(self, ws, everything) -> None:
        own = filter_layer(ws, "L1", place="Lacus Doris")
        assert own.figures["within_km"] == 100
        wide = filter_layer(ws, "L1", place="Lacus Doris", within_km=300)
        assert wide.figures["count"] > own.figures["count"]
        apart = ws.body.distance_km(ws.layers.get("L3").lonlat, [30.0, 20.0])
        assert apart.max() <= 300
        assert "within 300 km of the centre of Lacus Doris" in wide.summary
        assert_keeps_its_word(wide)

    def test_catalogues_take_the_elevation_of_the_ground_under_them(self, ws) -> None:
        a_layer(ws, [[0, 60], [0, -60], [115, -15]])
        result = filter_layer(ws, "L1", max_elevation_m=0)
        assert ids(ws, result) == ["things-0"]
        assert result.figures["unknown_elevation"] == 1
        assert_keeps_its_word(result)

    def test_a_stricter_threshold_is_on_record(self, ws, everything) -> None:
        filter_layer(ws, "L1", min_probability=0.8)
        filter_layer(ws, "L2", min_lat_deg=0)
        record = ws.layers.get("L3").provenance
        assert record.threshold == 0.8
        assert record.counts_at["0.80"] == len(ws.layers.get("L3"))
        assert record.counts_at["0.90"] < record.counts_at["0.80"]

    def test_an_empty_layer_stays_empty(self, ws) -> None:
        tile_layer(ws, [])
        result = filter_layer(ws, "L1", min_lat_deg=0, min_elevation_m=0, min_probability=0.5)
        assert result.figures["count"] == 0
        assert_keeps_its_word(result)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, "no condition was given"),
            ({"min_lat_deg": 91}, "min_lat_deg is 91.*at least -90 and at most 90 degrees"),
            ({"max_lat_deg": float("nan")}, "max_lat_deg is nan"),
            ({"min_lat_deg": 50, "max_lat_deg": 20}, "swap them"),
            ({"west_lon_deg": 10}, "only one longitude bound"),
            ({"west_lon_deg": 10, "east_lon_deg": 400}, "east_lon_deg is 400"),
            ({"min_elevation_m": 5, "max_elevation_m": 4}, "swap them"),
            ({"min_elevation_m": 1e9}, "min_elevation_m is"),
            ({"min_probability": 2}, "min_probability is 2"),
            ({"within_km": 5}, "needs a place"),
            ({"place": "Atlantis"}, "no place is called so"),
            ({"place": "Tábor"}, "the size of Tábor is not known.*give within_km"),
            ({"place": "Twin", "within_km": 0}, "within_km is 0"),
        ],
    )
    def test_wrong_bounds_are_refused(self, ws, arguments, message) -> None:
        tile_layer(ws, [0, 1])
        with pytest.raises(ToolInputError, match=message):
            filter_layer(ws, "L1", **arguments)
        assert ws.layers.ids() == ["L1"]

    def test_layers_without_probabilities_are_not_filtered_by_them(self, ws) -> None:
        a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match="has no probabilities"):
            filter_layer(ws, "L1", min_probability=0.5)

    def test_without_any_elevations_the_refusal_says_so(self, ws, monkeypatch) -> None:
        a_layer(ws, [[0, 0]])
        monkeypatch.setitem(vars(ws.index), "tiles", ws.index.tiles.drop(columns="elevation_m"))
        with pytest.raises(ToolInputError, match="neither layer L1 nor the index knows elevations"):
            filter_layer(ws, "L1", min_elevation_m=0)

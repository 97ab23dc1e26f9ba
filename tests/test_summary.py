"""A layer in numbers: rows, features, areas and lengths beside what was observed."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from retrieval.grid import Grid
from retrieval.index import build_index
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, shape_layer, tile_layer
from tools.search import search_words
from tools.statistics.summary import summarise


def observed_km2(index) -> float:
    coverage = index.coverage
    return float((index.grid.areas_km2(coverage["tile"]) * coverage["observed"]).sum())


def test_numbers_are_those_of_the_layer_and_the_index(ws, tiny_index) -> None:
    found = search_words(ws, "gullies")
    result = summarise(ws, "L1")
    table = ws.layers.get("L1").table
    observed = observed_km2(tiny_index)
    figures = result.figures
    assert figures["count"] == len(table) == figures["north_count"] + figures["south_count"]
    assert figures["features"] == found.figures["features"]
    assert figures["area_km2"] == pytest.approx(table["area_km2"].sum(), rel=1e-3)
    assert figures["observed_area_km2"] == pytest.approx(observed, rel=1e-3)
    assert figures["area_percent"] == pytest.approx(100 * table["area_km2"].sum() / observed, rel=1e-2)
    assert figures["lat_median_deg"] == pytest.approx(table["lat"].median(), rel=1e-3)
    assert figures["per_million_km2"] == pytest.approx(len(table) / observed * 1e6, rel=1e-2)
    assert figures["features_per_million_km2"] == pytest.approx(
        figures["features"] / observed * 1e6, rel=1e-2
    )
    assert result.layer_ids == ()
    assert_keeps_its_word(result)


def test_bands_share_the_rows_the_features_and_the_observed_area(ws, tiny_index) -> None:
    tile_layer(ws, np.arange(0, len(tiny_index), 3))
    result = summarise(ws, "L1")
    assert [band["min_lat_deg"] for band in result.table] == [-90, -60, -30, 0, 30, 60]
    assert sum(band["count"] for band in result.table) == len(ws.layers.get("L1"))
    assert sum(band["features"] for band in result.table) == result.figures["features"]
    total = sum(band["observed_km2"] for band in result.table)
    assert total == pytest.approx(result.figures["observed_area_km2"], rel=1e-4)


def test_a_layer_of_everything_covers_all_that_was_observed(ws, tiny_index) -> None:
    tile_layer(ws, np.arange(len(tiny_index)))
    result = summarise(ws, "L1")
    assert result.figures["area_percent"] == pytest.approx(100, rel=1e-2)
    assert 97 < result.figures["observed_percent"] < 100  # a part was never observed


def test_an_empty_layer_says_what_was_observed(ws) -> None:
    tile_layer(ws, [])
    result = summarise(ws, "L1")
    assert result.summary.startswith("L1 is empty. The index has observed")
    assert result.figures["count"] == 0
    assert_keeps_its_word(result)


def test_stricter_thresholds_are_counted(ws) -> None:
    tile_layer(ws, np.arange(0, 300), threshold=0.5)
    result = summarise(ws, "L1")
    probability = ws.layers.get("L1").table["probability"]
    assert result.figures["count_at_0.60"] == (probability >= 0.6).sum()
    assert result.figures["count_at_0.70"] == (probability >= 0.7).sum()
    assert result.figures["features_at_0.70"] <= result.figures["count_at_0.70"]
    assert "At stricter thresholds of 0.6 and 0.7 there would be" in result.summary
    assert_keeps_its_word(result)


@pytest.mark.parametrize(("threshold", "levels"), [(0.75, ["0.85", "0.95"]), (0.85, ["0.95"]), (0.95, [])])
def test_no_threshold_is_certainty(ws, threshold, levels) -> None:
    tile_layer(ws, np.arange(20), threshold=threshold)
    result = summarise(ws, "L1")
    assert [name[9:] for name in result.figures if name.startswith("count_at_")] == levels
    assert ("stricter" in result.summary) == bool(levels)
    assert_keeps_its_word(result)


def test_catalogues_have_no_area_and_no_probability(ws) -> None:
    a_layer(ws, [[0, 10], [10, -20], [20, -30]])
    result = summarise(ws, "L1")
    assert {"area_km2", "features", "mean_probability", "length_km"}.isdisjoint(result.figures)
    assert result.figures["south_count"] == 2
    assert "3 rows" in result.summary
    assert_keeps_its_word(result)


def test_polygons_have_their_area_and_lines_their_length(ws) -> None:
    band = shapely.box(-180, 0, 180, 30)  # half of the northern hemisphere: sin 30 degrees
    line = shapely.LineString([(0, -80), (0, -50)])
    shape_layer(ws, [band, line])
    result = summarise(ws, "L1")
    assert_keeps_its_word(result)
    assert result.figures["area_km2"] == pytest.approx(ws.body.area_km2 / 4, rel=1e-3)
    assert result.figures["length_km"] == pytest.approx(ws.body.half_circumference_km / 6, rel=1e-3)
    assert "km long" in result.summary


def test_lines_alone_have_no_area(ws) -> None:
    shape_layer(ws, [shapely.LineString([(170, 10), (180, 10)]), shapely.LineString([(0, 0), (1, 1)])])
    result = summarise(ws, "L1")
    assert "area_km2" not in result.figures
    assert_keeps_its_word(result)


def test_a_hemisphere_that_was_not_observed_has_no_density(
    home, pattern_source, pattern_encoder, tmp_path
) -> None:
    grid = Grid(pattern_source.body, 100.0)
    north = build_index(
        pattern_source,
        grid,
        pattern_encoder,
        tmp_path / "north",
        tiles=grid.within_bounds(-180, 10, 180, 90),
        background_prompts=("nothing in particular",),
    )
    ws = a_workspace(home, north, pattern_encoder)
    tile_layer(ws, [0, 1, 2])
    result = summarise(ws, "L1")
    assert "south_per_million_km2" not in result.figures
    assert result.table[0]["per_million_km2"] is None
    assert_keeps_its_word(result)

"""What a layer holds that a published list does not, as a tool: on the tiny index and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.errors import ToolInputError
from tests.workspaces import a_layer, assert_keeps_its_word, tile_layer
from tools.layers import Layer, make_table
from tools.statistics.novelty import novelty


def a_shape_layer(ws, shapes, title="shapes", **columns) -> Layer:
    drawn = np.asarray(shapes, dtype=object)
    lonlat = shapely.get_coordinates(shapely.point_on_surface(drawn))
    table = make_table(ws.body, [f"{title}-{i}" for i in range(len(drawn))], lonlat, shapes=drawn, **columns)
    return ws.layers.add(title, "catalogue", table, ws.provenance("made by hand", {}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.integers(0, 30), st.integers(0, 30), st.floats(1, 900), st.integers(0, 10_000))
def test_new_is_what_lies_farther_from_every_entry(ws, hits, entries, distance_km, seed) -> None:
    rng = np.random.default_rng(seed)
    ours, listed = (
        np.column_stack([rng.uniform(-180, 180, n), rng.uniform(-90, 90, n)]) for n in (hits, entries)
    )
    diameter = rng.choice([np.nan, 10.0, 600.0, 1500.0], entries)
    a, b = a_layer(ws, ours, "hits"), a_layer(ws, listed, "list", diameter_km=diameter)
    result = novelty(ws, a.id, b.id, distance_km)
    assert_keeps_its_word(result)
    away = ws.body.distance_km(ours[:, None], listed[None]).reshape(hits, entries)
    reach = np.fmax(distance_km, diameter / 2.0)
    if (np.abs(away - reach) < 1e-6).any():
        return
    made = ws.layers.get(result.layer_ids[0])
    new = ~(away <= reach).any(axis=1)
    assert made.table["row_id"].tolist() == a.table["row_id"][new].tolist()
    assert result.figures["hits"] == hits
    assert result.figures["new"] == new.sum() == len(made)
    if hits and entries and new.any():
        assert made.table["nearest_listed_km"].to_numpy() == pytest.approx(away[new].min(axis=1), abs=1e-6)
    bands = [row for row in result.table if "max_lat_deg" in row]
    assert sum(band["hits"] for band in bands) == hits
    assert sum(band["new"] for band in bands) == new.sum()


def test_a_feature_is_known_as_soon_as_one_of_its_tiles_is(ws) -> None:
    grid = ws.index.grid
    row = int(grid.rows // 2)
    start = int(grid.first[row])
    numbers = ws.index.tiles.numbers
    chain = np.flatnonzero(np.isin(numbers, np.arange(start, start + 12)))
    linked = chain[: np.argmax(np.diff(numbers[chain], append=-1) != 1) + 1]
    assert len(linked) >= 3
    lonlat = ws.index.tiles.lonlat
    apart = ws.body.distance_km(lonlat, lonlat[linked[0]])
    lonely = int(np.argmax(apart))
    hits = tile_layer(ws, [*linked, lonely], "channels")
    listed = a_layer(ws, lonlat[linked[:1]], "list")
    result = novelty(ws, hits.id, listed.id, 5.0)
    assert_keeps_its_word(result)
    assert (result.figures["hits"], result.figures["new"]) == (2, 1)
    made = ws.layers.get(result.layer_ids[0])
    assert made.kind == "tiles"
    assert made.table["row_id"].tolist() == [ws.index.tiles.tile_id(lonely)]
    assert made.table["nearest_listed"].tolist() == ["list-0"]


def test_a_list_made_of_the_hits_leaves_less_new_than_chance_does(ws) -> None:
    rng = np.random.default_rng(3)
    places = np.column_stack([rng.uniform(-180, 180, 150), rng.uniform(-60, 60, 150)])
    hits = a_layer(ws, places, "hits")
    same = a_layer(ws, places[:100], "same", name=[f"Crater {i}" for i in range(100)])
    other = a_layer(ws, np.column_stack([places[:, 0] + 90.0, -places[:, 1]]), "other")
    found = novelty(ws, hits.id, same.id, 25.0).figures
    assert found["new"] <= 50
    assert found["new_percent"] < found["chance_new_percent"] - 40
    unrelated = novelty(ws, hits.id, other.id, 25.0).figures
    assert unrelated["new_percent"] == pytest.approx(unrelated["chance_new_percent"], abs=15)


def test_shapes_explain_what_lies_within_or_near_their_edge(ws) -> None:
    valley = shapely.LineString([(-40, 0), (40, 0)])
    basin = shapely.box(90, -20, 110, 20)
    hits = a_layer(ws, [[30, 1], [100, 10], [111, 0], [-100, 0], [0, 40]], "hits")
    shapes = a_shape_layer(ws, [valley, basin], diameter_km=[np.nan, 5000.0])
    degree_km = np.radians(1.0) * ws.body.radius_km
    result = novelty(ws, hits.id, shapes.id, 1.01 * degree_km)
    assert_keeps_its_word(result)
    made = ws.layers.get(result.layer_ids[0])
    # The circle of the basin's area would reach over half the body; its outline does not.
    assert made.table["row_id"].tolist() == ["hits-3", "hits-4"]
    assert novelty(ws, hits.id, shapes.id, 0.9 * degree_km).figures["new"] == 4


def test_hits_with_outlines_are_known_where_the_outline_reaches_the_entry(ws) -> None:
    merged = a_shape_layer(ws, [shapely.box(0, 0, 20, 2), shapely.box(60, 0, 61, 1)], "merged")
    listed = a_layer(ws, [[19.5, 1.0], [120, 0]], "list")
    result = novelty(ws, merged.id, listed.id, 5.0)
    assert_keeps_its_word(result)
    assert ws.layers.get(result.layer_ids[0]).table["row_id"].tolist() == ["merged-1"]
    assert "chance_new_percent" not in result.figures


def test_the_list_says_how_small_it_goes(ws) -> None:
    hits = a_layer(ws, [[0, 0], [10, 0]], "hits")
    sized = a_layer(ws, [[50, 0], [60, 0], [70, 0]], "sized", diameter_km=[12.0, np.nan, 3.25])
    result = novelty(ws, hits.id, sized.id, 5.0)
    assert result.figures["smallest_listed_km"] == 3.25
    assert "of the 2 entries" in result.summary
    bare = a_layer(ws, [[50, 0]], "bare")
    assert "does not say how large" in novelty(ws, hits.id, bare.id, 5.0).summary


@pytest.mark.parametrize(("hits", "entries"), [(0, 3), (3, 0), (0, 0), (4, 4)])
def test_empty_lists_and_one_place_are_answered(ws, hits, entries) -> None:
    a, b = a_layer(ws, [[5, 5]] * hits, "a"), a_layer(ws, [[5, 5]] * entries, "b")
    result = novelty(ws, a.id, b.id, 10.0)
    assert_keeps_its_word(result)
    assert result.figures["new"] == (hits if not entries else 0)
    assert len(ws.layers.get(result.layer_ids[0])) == result.figures["new"]


def test_what_cannot_be_asked_is_refused(ws) -> None:
    a, b = a_layer(ws, [[0, 0]], "a"), a_layer(ws, [[0, 0]], "b")
    with pytest.raises(ToolInputError, match="its own list"):
        novelty(ws, a.id, a.id, 10.0)
    for distance_km in (0.0, -1.0, np.nan, 1e6):
        with pytest.raises(ToolInputError, match="distance_km"):
            novelty(ws, a.id, b.id, distance_km)
    with pytest.raises(ToolInputError, match="L9"):
        novelty(ws, a.id, "L9", 10.0)

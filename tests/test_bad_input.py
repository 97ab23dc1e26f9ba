"""What nobody should give a tool, given to every tool: a clear error or a right answer, never a crash."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import shapely

from retrieval.errors import InputError
from tests.workspaces import a_gazetteer, a_layer, a_workspace, assert_keeps_its_word, shape_layer, tile_layer
from tools import TOOLS, ToolResult
from tools.filters import filter_layer
from tools.layers import make_table
from tools.places import load_catalogue

# Every tool that works on layers, with arguments that suit any two layers called A and B.
CALLS: dict[str, dict[str, Any]] = {
    "filter_layer": {"layer": "A", "min_lat_deg": -80, "max_lat_deg": 80},
    "near": {"layer": "A", "other": "B", "distance_km": 50.0},
    "without": {"layer": "A", "other": "B", "distance_km": 50.0},
    "nearest": {"layer": "A", "other": "B"},
    "overlap": {"layer": "A", "other": "B"},
    "downslope": {"layer": "A", "other": "B", "distance_km": 50.0},
    "union": {"layers": ["A", "B"]},
    "merge_features": {"layer": "A", "distance_km": 50.0},
    "associate": {"layer": "A", "other": "B", "distance_km": 50.0},
    "summarise": {"layer": "A"},
    "orientation": {"layer": "A", "given_azimuth_deg": 90.0},
    "sample_context": {"layer": "A", "values": ["elevation"]},
    "density": {"layer": "A"},
    "compare": {"layer": "A", "other": "B", "by": "latitude"},
    "novelty": {"layer": "A", "catalogue": "B", "distance_km": 50.0},
    "evaluate_layer": {"layer": "A", "catalogue": "B"},
    "changes": {"layers": ["A", "B"], "earlier": ["B", "A"]},
    "draw_map": {"layers": ["A", "B"]},
    "export_layer": {"layers": ["A", "B"], "format": "geojson"},
}
NO_LAYERS = {
    "search_words",
    "search_example",
    "refine",
    "classify",
    "find_place",
    "load_catalogue",
    "decline",
}
POINTS = {"nothing": [], "one": [[10.0, 20.0]], "one place": [[10.0, 20.0]] * 30, "pole": [[0.0, 90.0]] * 3}
TOOL = {tool.__name__: tool for tool in TOOLS}


@pytest.fixture
def ws(home, tiny_index, pattern_encoder, tmp_path):
    return a_workspace(
        home, tiny_index, pattern_encoder, gazetteer=a_gazetteer(tiny_index), readable=tmp_path
    )


def call(ws, name: str, one: str, two: str, **changes: Any) -> ToolResult:
    names = {"A": one, "B": two}

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(each) for each in value]
        return names.get(value, value) if isinstance(value, str) else value

    given = {
        key: put(value) if isinstance(value, (str, list)) else value for key, value in CALLS[name].items()
    }
    return TOOL[name](ws, **(given | changes))


def test_every_tool_is_tried() -> None:
    assert set(TOOL) == set(CALLS) | NO_LAYERS


@pytest.mark.parametrize("one", POINTS)
@pytest.mark.parametrize("two", ["nothing", "one", "tiles", "polygons"])
@pytest.mark.parametrize("name", [name for name in CALLS if name != "draw_map"])  # a second each
def test_layers_of_nothing_of_one_and_of_one_place(ws, name, one, two) -> None:
    first = a_layer(ws, POINTS[one], "things")
    second = {
        "nothing": lambda: tile_layer(ws, []),
        "one": lambda: a_layer(ws, [[50.0, -10.0]], "others"),
        "tiles": lambda: tile_layer(ws, range(0, 60, 3)),
        "polygons": lambda: shape_layer(ws, [shapely.box(-180, 70, 180, 90), shapely.box(170, -5, 190, 5)]),
    }[two]()
    _answered_or_refused(lambda: call(ws, name, first.id, second.id))


@pytest.mark.parametrize("name", CALLS)
def test_tiles_of_nothing_and_of_one(ws, name) -> None:
    empty, single = tile_layer(ws, []), tile_layer(ws, [5])
    for one, two in ((empty, single), (single, empty)):
        _answered_or_refused(lambda one=one, two=two: call(ws, name, one.id, two.id))


@pytest.mark.parametrize("name", CALLS)
def test_lines_and_polygons_over_a_pole_and_the_antimeridian(ws, name) -> None:
    shapes = [
        shapely.Polygon([(0, 80), (90, 80), (180, 80), (270, 80)]),  # a ring around the pole
        shapely.Polygon([(170, 0), (-170, 0), (-170, 10), (170, 10)]),
        shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]),  # touches itself
        shapely.LineString([(-175, -30), (175, -30)]),
    ]
    first, second = shape_layer(ws, shapes, "units"), a_layer(ws, [[5, 2], [179, 5], [33, 85]], "cones")
    _answered_or_refused(lambda: call(ws, name, first.id, second.id))
    _answered_or_refused(lambda: call(ws, name, second.id, first.id))


@pytest.mark.parametrize("distance", [0.0, -5.0, float("nan"), float("inf"), 1e7])
@pytest.mark.parametrize("name", [name for name, given in CALLS.items() if "distance_km" in given])
def test_distances_that_are_none_are_refused(ws, name, distance) -> None:
    first, second = a_layer(ws, [[10, 20], [30, 40]]), a_layer(ws, [[11, 20]])
    before = ws.layers.ids()
    with pytest.raises(InputError) as refused:
        call(ws, name, first.id, second.id, distance_km=distance)
    assert refused.value.allowed
    assert ws.layers.ids() == before


@pytest.mark.parametrize("name", CALLS)
def test_layers_that_are_not_there_are_named_with_those_that_are(ws, name) -> None:
    a_layer(ws, [[10, 20]])
    with pytest.raises(InputError, match="no layer 'L9'"):
        call(ws, name, "L9", "L1")


@pytest.mark.parametrize(
    "lonlat", [[[np.nan, 0.0]], [[0.0, 91.0]], [[0.0, np.inf]], [[1000.0, 0.0]], [["here", 0.0]]]
)
def test_no_layer_holds_an_impossible_position(ws, lonlat) -> None:
    with pytest.raises(InputError):
        make_table(ws.body, ["a"], lonlat)


def test_a_file_with_impossible_rows_and_both_conventions_loads_what_is_possible(ws, tmp_path) -> None:
    rows = ["id,lon,lat", "a,-170,10", "b,190,10", "c,,5", "d,20,91", "e,350,-5", "f,-10,-5"]
    (tmp_path / "mixed.csv").write_text("\n".join(rows))
    result = load_catalogue(ws, "mixed.csv")
    layer = ws.layers.get(result.layer_ids[0])
    assert result.figures["dropped"] == 2
    np.testing.assert_allclose(layer.lonlat, [[-170, 10], [-170, 10], [-10, -5], [-10, -5]])
    assert_keeps_its_word(result)


def test_polygons_of_a_file_are_repaired_and_kept(ws, tmp_path) -> None:
    bow_tie = [[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]
    around = [[0, 80], [90, 80], [180, 80], [270, 80], [0, 80]]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for ring in (bow_tie, around)
    ]
    (tmp_path / "units.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    layer = ws.layers.get(load_catalogue(ws, "units.geojson").layer_ids[0])
    assert shapely.is_valid(layer.shapes).all()
    a_layer(ws, [[120.0, 89.0], [2.0, 5.0], [60.0, 0.0]], "cones")
    assert filter_layer(ws, "L2", inside="L1").figures["count"] == 2


def _answered_or_refused(made: Any) -> None:
    try:
        result = made()
    except InputError as refused:
        error = refused
    else:
        assert isinstance(result, ToolResult)
        assert_keeps_its_word(result)
        return
    assert error.what
    assert error.allowed or error.next_step

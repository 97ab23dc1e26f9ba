"""Calls against the state of a conversation: what is not there is named before anything runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.toolbox import wrap_tools
from agent.validation import check_state
from retrieval.errors import InputError, ToolInputError
from retrieval.settings import Settings
from tests.workspaces import a_gazetteer, a_layer, a_workspace, shape_layer, tile_layer
from tools import TOOLS
from tools.schema import tool_schema
from tools.workspace import Workspace

BY_NAME = {tool.__name__: tool for tool in TOOLS}


@pytest.fixture
def ws(home: Settings, tiny_index: Any, pattern_encoder: Any, tmp_path: Path) -> Workspace:
    made = a_workspace(home, tiny_index, pattern_encoder, a_gazetteer(tiny_index), tmp_path)
    (tmp_path / "cones.csv").write_text("name,lon,lat\nA,10,10\n")
    tile_layer(made, range(6))
    a_layer(made, [[0.0, 0.0], [10.0, 5.0]], diameter_km=np.array([3.0, 40.0]))
    return made


WRONG = [
    ("near", {"layer": "L7", "other": "L1", "distance_km": 40.0}, r"no layer 'L7'. Allowed: L1, L2"),
    ("near", {"layer": "L1", "other": "cones", "distance_km": 40.0}, r"no layer 'cones'. Allowed: L1, L2"),
    ("union", {"layers": ["L1", "L9"]}, r"no layer 'L9'. Allowed: L1, L2"),
    ("filter_layer", {"layer": "L1", "inside": "L5"}, r"no layer 'L5'. Allowed: L1, L2"),
    ("novelty", {"layer": "L1", "catalogue": "L6", "distance_km": 5.0}, r"no layer 'L6'. Allowed: L1, L2"),
    ("near", {"layer": "L1", "other": "L2", "distance_km": 9999.0}, r"distance_km is 9999.0. Allowed: .*km"),
    ("near", {"layer": "L1", "other": "L2", "distance_km": 0.0}, r"distance_km is 0.0. Allowed: greater"),
    ("associate", {"layer": "L1", "other": "L2", "distance_km": -3.0}, r"distance_km is -3.0. Allowed"),
    ("filter_layer", {"layer": "L1", "place": "Atlantis"}, r"Atlantis.*Allowed"),
    ("find_place", {"name": "Olympus Mons"}, r"Olympus Mons.*Allowed"),
    ("draw_map", {"layers": ["L1"], "place": "Paris"}, r"Paris.*Allowed"),
    ("load_catalogue", {"file": "secret.csv"}, r"secret.csv.*Allowed: cones.csv"),
    ("load_catalogue", {"file": "../../etc/passwd"}, r"passwd.*Allowed: cones.csv"),
    (
        "filter_layer",
        {"layer": "L2", "where": ["colour = red"]},
        r"no .colour.. Allowed: .*diameter_km",
    ),
    ("filter_layer", {"layer": "L2", "where": ["diameter_km is big"]}, r"diameter_km is big.*Allowed"),
    ("compare", {"layer": "L1", "by": "happiness"}, r"no 'happiness'. Allowed: .*elevation"),
    ("density", {"layer": "L1", "by": "albino"}, r"albino.*Allowed: .*latitude"),
    ("sample_context", {"layer": "L1", "values": ["elevation", "age"]}, r"'age'.*Allowed: .*latitude"),
    (
        "draw_map",
        {"layers": ["L1", "L2"], "colour_by": "depth"},
        r"no column .depth.. Allowed: .*diameter",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "said"), WRONG)
def test_what_is_not_there_is_named_before_anything_runs(
    ws: Workspace, tool: str, arguments: dict[str, Any], said: str
) -> None:
    before = ws.layers.ids()
    tool_schema(BY_NAME[tool]).check(arguments)  # nothing is wrong with their types
    with pytest.raises(InputError, match=said):
        check_state(ws, tool, arguments)
    assert ws.layers.ids() == before
    # The tool itself would have refused too: validation forbids nothing that works.
    with pytest.raises(ToolInputError):
        BY_NAME[tool](ws, **arguments)


RIGHT = [
    ("near", {"layer": "L1", "other": "l2", "distance_km": 40.0}),
    ("near", {"layer": "[L1]", "other": " L2 ", "distance_km": 40.0}),
    ("union", {"layers": ["L1", "L2"]}),
    ("filter_layer", {"layer": "L1", "place": "lacus doris", "inside": None}),
    ("filter_layer", {"layer": "L2", "where": ["diameter >= 10", "lat > 1"]}),
    ("filter_layer", {"layer": "L2", "where": ["Diameter km is known", "latitude > 1"]}),
    ("filter_layer", {"layer": "L2", "outside": "L3", "min_lat_deg": 1.0}),
    ("find_place", {"name": "TABOR"}),
    ("density", {"layer": "L1", "by": "cells"}),
    ("density", {"layer": "L1"}),
    ("compare", {"layer": "L1", "by": "Elevation", "other": "L2"}),
    ("compare", {"layer": "L2", "by": "diameter_km", "other": "L2b"}),
    ("compare", {"layer": "L1", "by": "elevation_m"}),
    ("sample_context", {"layer": "L1", "values": ["elevation", "latitude"]}),
    ("draw_map", {"layers": ["L1", "L2"], "colour_by": "diameter_km"}),
    ("search_words", {"text": "layer L9"}),
    ("classify", {"classes": ["dunes", "cones"], "layer": None}),
    ("export_layer", {"layers": ["L2"], "format": "csv"}),
    ("load_catalogue", {"file": "cones.csv"}),
]


@pytest.mark.parametrize(("tool", "arguments"), RIGHT)
def test_nothing_that_a_tool_takes_is_forbidden(ws: Workspace, tool: str, arguments: dict[str, Any]) -> None:
    shape_layer(ws, [square(0, 0), square(40, 10)])
    if arguments.get("other") == "L2b":
        other = a_layer(ws, [[20.0, 0.0], [30.0, 5.0]], diameter_km=np.array([7.0, 9.0]))
        arguments = {**arguments, "other": other.id}
    check_state(ws, tool, arguments)
    BY_NAME[tool](ws, **arguments)


def test_every_tool_is_wrapped_with_a_strict_schema(ws: Workspace) -> None:
    for tool in wrap_tools(TOOLS, ws):
        message = tool.invoke({"name": tool.name, "args": {"nonsense": 1}, "id": "1", "type": "tool_call"})
        assert message.status == "error"
        assert "no argument 'nonsense'" in message.content


def square(lon: float, lat: float) -> Any:
    from shapely.geometry import box

    return box(lon, lat, lon + 20, lat + 10)

from pathlib import Path

import numpy as np

from agent.toolbox import wrap_tools
from retrieval.settings import Settings
from tests.toys import seek, toy_workspace
from tools import TOOLS
from tools.schema import parse_docstring, plain

DOCSTRING = """Do it.

More.

Parameters
----------
a, b : float
    First
    line.

    Second.
c
    C.

Raises
------
Error
    No.
"""


def test_docstrings_are_read_as_numpydoc() -> None:
    assert parse_docstring(DOCSTRING) == (
        "Do it. More.",
        {"a": "First line. Second.", "b": "First line. Second.", "c": "C."},
    )
    assert parse_docstring("") == ("", {})


def test_every_tool_is_described_whole(home: Settings) -> None:
    for tool in wrap_tools(TOOLS, toy_workspace(home, "w")):
        schema = tool.tool_call_schema.model_json_schema()
        assert len(tool.description) > 20, tool.name
        assert "ws" not in schema["properties"]
        for name, argument in schema["properties"].items():
            assert argument["description"], f"{tool.name}: {name}"
            assert ("default" in argument) != (name in schema["required"])


def test_bounds_stand_in_the_schema(home: Settings) -> None:
    tools = {tool.name: tool for tool in wrap_tools(TOOLS, toy_workspace(home, "w"))}
    latitude = tools["filter_layer"].tool_call_schema.model_json_schema()["properties"]["min_lat_deg"]
    assert latitude["anyOf"][0] == {"type": "number", "minimum": -90, "maximum": 90}
    limit = tools["search_example"].tool_call_schema.model_json_schema()["properties"]["limit"]
    assert (limit["minimum"], limit["maximum"]) == (1, 1000)


def test_results_become_plain_json() -> None:
    value = {"a": np.float32(0.5), 1: (np.int64(2), np.array([1.0, np.nan])), "p": Path("/x/y.png"), "s": {3}}
    assert plain(value) == {"a": 0.5, "1": [2, [1.0, None]], "p": "y.png", "s": [3]}
    assert plain(object).startswith("<class")


def test_tools_refuse_numbers_that_are_none(home: Settings) -> None:
    (tool,) = wrap_tools([seek], toy_workspace(home, "w"))
    arguments = {"text": "x", "min_probability": float("nan")}
    message = tool.invoke({"name": "seek", "args": arguments, "id": "1", "type": "tool_call"})
    assert message.status == "error"
    assert "finite" in message.content

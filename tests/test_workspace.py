from __future__ import annotations

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tools
from retrieval.errors import Cancelled, ToolInputError
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word
from tools.results import plural, said, tidy
from tools.workspace import check_layers, check_number, check_text


def test_a_new_workspace_is_empty_and_knows_where_it_may_write(ws, home, tiny_index) -> None:
    assert ws.body == tiny_index.body
    assert len(ws.layers) == 0
    assert ws.output == home.exports / "conversation"
    assert ws.output.is_dir()
    assert ws.readable == (home.uploads,)


def test_provenance_names_index_encoder_and_versions_and_leaves_out_what_was_not_given(ws) -> None:
    record = ws.provenance("near", {"layer": "L1", "within_km": None}, parents=("L1",))
    assert record.arguments == {"layer": "L1"}
    assert record.index == ws.index.manifest.fingerprint
    assert record.encoder == ws.encoder.manifest.fingerprint
    assert record.seed == 7
    assert {"numpy", "geopandas"} <= set(record.versions)


def test_stop_ends_a_tool_and_nothing_is_made(ws) -> None:
    ws.stop.set()
    with pytest.raises(Cancelled):
        tools.search_words(ws, "gullies")
    assert ws.layers.ids() == []
    ws.stop.clear()
    assert tools.search_words(ws, "gullies").layer_ids == ("L1",)


def test_rows_at_agrees_with_the_index(ws, tiny_index) -> None:
    centres = tiny_index.tiles.lonlat
    np.testing.assert_array_equal(ws.rows_at(centres), np.arange(len(tiny_index)))
    assert ws.rows_at([[115.0, -15.0]])[0] == -1  # never observed


class TestReadableFiles:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "readable"
        (folder / "deeper").mkdir(parents=True)
        (folder / "cone.png").write_bytes(b"x")
        (folder / "deeper" / "dune.png").write_bytes(b"x")
        (tmp_path / "secret.txt").write_text("secret")
        (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
        return folder

    @pytest.fixture
    def ws(self, home, tiny_index, pattern_encoder, folder):
        return a_workspace(home, tiny_index, pattern_encoder, readable=folder)

    @pytest.mark.parametrize("name", ["cone.png", "./cone.png", "deeper/../cone.png"])
    def test_files_inside_are_found(self, ws, folder, name) -> None:
        assert ws.readable_file(name).is_relative_to(folder.resolve())

    @pytest.mark.parametrize(
        "name",
        [
            "../secret.txt",
            "link.txt",
            "/etc/passwd",
            "",
            ".",
            "deeper",
            "deeper/dune.png",  # perhaps of another conversation
            "none.png",
            "a\0b",
            "x" * 5000,
            "~/x",
        ],
    )
    def test_everything_else_is_refused(self, ws, name) -> None:
        with pytest.raises(ToolInputError, match=r"no file that may be read here.*cone\.png"):
            ws.readable_file(name)

    def test_without_files_the_refusal_says_so(self, ws, folder) -> None:
        ws.readable = ()
        with pytest.raises(ToolInputError, match="none: nothing was brought"):
            ws.readable_file("cone.png")


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, -math.inf, 101, "far", None, [1]])
def test_numbers_outside_are_refused_with_the_bounds(value) -> None:
    with pytest.raises(ToolInputError, match="Allowed: greater than 0 and at most 100 km"):
        check_number("distance_km", value, 0, 100, "km", above=True)


def test_numbers_inside_pass_bounds_included() -> None:
    assert check_number("lat", -90, -90, 90, "degrees") == -90.0
    assert check_number("lat", "45", -90, 90, "degrees") == 45.0


@pytest.mark.parametrize(
    ("text", "message"), [("", "empty"), (" \n\t", "empty"), ("?!", "empty"), ("x" * 501, "501")]
)
def test_texts_must_say_something_briefly(text, message) -> None:
    with pytest.raises(ToolInputError, match=message):
        check_text("text", text)


def test_texts_lose_their_spare_white_space() -> None:
    assert check_text("text", "  pitted\n cones ") == "pitted cones"


def test_layers_are_counted_once(ws) -> None:
    a_layer(ws, [[0, 0]])
    with pytest.raises(ToolInputError, match="1 different layers were given"):
        check_layers(ws, ["L1", "[L1]"], 2, 8)
    a_layer(ws, [[0, 0]])
    assert [layer.id for layer in check_layers(ws, "L1, L2", 2, 8)] == ["L1", "L2"]


@given(st.floats(-1e12, 1e12, allow_nan=False), st.integers(2, 6))
def test_what_is_said_is_the_figure(value: float, digits: int) -> None:
    figure = tidy(value, digits)
    assert float(said(figure).replace(",", "")) == figure
    assert figure == pytest.approx(value, rel=10.0 ** (1 - digits), abs=1e-300)
    assert "e" not in said(figure)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (10496.3, "10,496"), (0.73219, "0.7322"), (-0.5, "-0.5"), (40.0, "40"), (1e-7, "0.0000001")],
)
def test_figures_read_well(value, text) -> None:
    assert said(tidy(value)) == text


def test_plurals() -> None:
    assert [plural(1, "tile"), plural(2, "tile"), plural(1000, "entry")] == [
        "1 tile",
        "2 tiles",
        "1,000 entries",
    ]


def test_tidy_leaves_what_is_not_a_number() -> None:
    assert math.isnan(tidy(math.nan))
    assert tidy(math.inf) == math.inf


class TestTools:
    def test_names_are_those_that_were_agreed(self) -> None:
        assert {tool.__name__ for tool in tools.TOOLS} == {
            "search_words",
            "search_example",
            "refine",
            "classify",
            "find_place",
            "load_catalogue",
            "filter_layer",
            "near",
            "without",
            "nearest",
            "overlap",
            "downslope",
            "union",
            "merge_features",
            "sample_context",
            "density",
            "changes",
            "compare",
            "associate",
            "novelty",
            "evaluate_layer",
            "summarise",
            "orientation",
            "draw_map",
            "export_layer",
            "decline",
        }

    @pytest.mark.parametrize("tool", tools.TOOLS, ids=lambda tool: tool.__name__)
    def test_signature_and_docstring_are_a_schema(self, tool) -> None:
        signature = inspect.signature(tool)
        first, *arguments = signature.parameters.values()
        assert first.name == "ws"
        text = inspect.getdoc(tool)
        described = text.split("Parameters\n----------")[1]
        names = {
            name.strip() for line in described.splitlines() if line[:1].strip() for name in line.split(",")
        }
        assert {argument.name for argument in arguments} == names
        assert all(argument.annotation is not inspect.Parameter.empty for argument in arguments)
        assert signature.return_annotation == "ToolResult"

    def test_declining_says_why_and_what_instead(self, ws) -> None:
        result = tools.decline(ws, "The imagery is too coarse for boulders", "Ask for dunes.")
        assert result.summary == "The imagery is too coarse for boulders. Ask for dunes."
        assert result.layer_ids == ()
        assert_keeps_its_word(result)
        with pytest.raises(ToolInputError, match="reason is empty"):
            tools.decline(ws, "", "x")

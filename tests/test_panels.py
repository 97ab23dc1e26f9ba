"""Panels: what stands beside the dialogue."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.chat.panels import asset, files_panel, layers_panel, masthead, tiles_panel, welcome
from retrieval.index import TileIndex
from tools.layers import Kind, Layer, Provenance, make_table

EVIL = '<script>alert("x")</script>'


def layer_of(
    index: TileIndex, count: int, kind: Kind = "tiles", title: str = "dunes", name: str = "L1"
) -> Layer:
    tiles = index.tiles.iloc[:count]
    ids = list(tiles["tile_id"]) if kind == "tiles" else [f"{kind}-{n}" for n in range(count)]
    probability = [0.5 + 0.4 * n / max(count, 1) for n in range(count)]
    table = make_table(index.body, ids, tiles[["lon", "lat"]].to_numpy(), probability, probability)
    made = Provenance("search_words", {"text": title, "place": None}, "lowell", threshold=0.5)
    return Layer(name, title, kind, table, made)


def test_masthead_and_welcome_name_the_index_and_the_mode(tiny_index: TileIndex) -> None:
    html = masthead(tiny_index, "offline planner (no language model)", offline=True)
    assert f"{len(tiny_index):,}" in html
    assert 'class="offline"' in html
    assert 'class="online"' in masthead(tiny_index, "x at y", offline=False)
    assert "No language model" in welcome(tiny_index, offline=True)
    assert "No language model" not in welcome(tiny_index, offline=False)


def test_tiles_come_most_probable_first_and_at_most_two_dozen(tiny_index: TileIndex) -> None:
    layer = layer_of(tiny_index, 60)
    html = tiles_panel(tiny_index, [layer], "L1", "tiles/")
    assert html.count("<figure") == 24
    first = html[: html.index("</figure>")]
    assert "p 0.89 · score 0.89" in first
    assert str(layer.table["row_id"].iloc[59]) in first
    assert 'src="tiles/59.jpg"' in first


@pytest.mark.parametrize(
    ("kind", "count", "why"),
    [
        ("catalogue", 5, "it is a catalogue"),
        ("features", 5, "see it on the globe"),
        ("tiles", 0, "it is empty"),
    ],
)
def test_a_layer_without_tiles_says_why(tiny_index: TileIndex, kind: Kind, count: int, why: str) -> None:
    html = tiles_panel(tiny_index, [layer_of(tiny_index, count, kind)], "L1", "tiles/")
    assert f"L1 has no tiles to show: {why}." in html


def test_a_search_by_example_has_scores_and_no_probabilities(tiny_index: TileIndex) -> None:
    layer = layer_of(tiny_index, 2)
    layer.table["probability"] = float("nan")
    html = tiles_panel(tiny_index, [layer], "L1", "tiles/")
    assert "<span>score 0.50</span>" in html
    assert "nan" not in html


def test_an_empty_conversation_says_what_will_appear(tiny_index: TileIndex) -> None:
    for html in (tiles_panel(tiny_index, [], "", ""), layers_panel([], []), files_panel("", None)):
        assert 'class="nothing"' in html


def test_the_table_of_layers_shows_how_each_was_made_and_the_colours_of_the_globe(
    tiny_index: TileIndex,
) -> None:
    rows = [layer_of(tiny_index, 3), layer_of(tiny_index, 1, title="cones", name="L2")]
    html = layers_panel(rows, ["L2"])
    assert html.count("<tr") == 3
    assert html.count('class="on"') == 1
    assert "background:#E69F00" in html
    assert "p ≥ 0.50" in html
    assert "text=&#39;dunes&#39;" in html
    assert "place" not in html


def test_files_are_listed_with_their_sizes(tmp_path: Path) -> None:
    (tmp_path / "L1 & L2.gpkg").write_bytes(b"x" * 2_500_000)
    (tmp_path / "small.png").write_bytes(b"x")
    (tmp_path / ".hidden").write_bytes(b"x")
    html = files_panel("areographer/c/1", tmp_path)
    assert "areographer/c/1/file/L1%20%26%20L2.gpkg" in html
    assert "2.5 MB" in html
    assert "1 kB" in html
    assert ".hidden" not in html
    assert "transcript.zip" in files_panel("areographer/c/1", tmp_path / "missing")


def test_nobodys_title_becomes_html(tiny_index: TileIndex) -> None:
    layer = layer_of(tiny_index, 2, title=EVIL)
    for html in (
        tiles_panel(tiny_index, [layer], "L1", "t/"),
        layers_panel([layer], ["L1"]),
        masthead(tiny_index, EVIL, False),
    ):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_looks_and_scripts_ask_no_other_machine() -> None:
    for name in ("style.css", "page.js", "globe.js", "panels.html.j2"):
        assert not re.search(r"(?:https?:)?//[a-z]", asset(name)), name

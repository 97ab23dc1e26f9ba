"""The tool `changes`: rows of layers held against earlier ones, and layers that came out the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, shape_layer, tile_layer
from tools import changes, filter_layer, merge_features, search_words
from tools.layers import keys_of, same_rows
from tools.workspace import Workspace


def test_rows_that_came_and_went_are_counted(ws: Workspace) -> None:
    now, before = tile_layer(ws, range(10, 40)), tile_layer(ws, range(20))
    result = changes(ws, [now.id], [before.id])
    assert result.layer_ids == ()
    assert dict(result.figures) == {
        "count_L1": 30,
        "count_L2": 20,
        "kept_count_L1": 10,
        "gained_count_L1": 20,
        "lost_count_L1": 10,
        "rescored_count_L1": 10,  # probabilities of a made layer follow its length
    }
    assert_keeps_its_word(result)
    assert result.table[0]["gained_rows"] == 20


@pytest.fixture(scope="module")
def ws_of_all(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Workspace:
    return a_workspace(Settings(home=tmp_path_factory.mktemp("home")), tiny_index, pattern_encoder)


@settings(max_examples=25)
@given(data=st.data())
def test_the_counts_add_up(ws_of_all: Workspace, data: st.DataObject) -> None:
    ws = ws_of_all
    rows = [sorted(data.draw(st.sets(st.integers(0, 99), max_size=60))) for _ in range(2)]
    now, before = (tile_layer(ws, chosen) for chosen in rows)
    figures = changes(ws, [now.id], [before.id]).figures
    both = len(set(rows[0]) & set(rows[1]))
    assert figures[f"kept_count_{now.id}"] == both
    assert figures[f"gained_count_{now.id}"] == len(now) - both
    assert figures[f"lost_count_{now.id}"] == len(before) - both
    assert same_rows(now, now)
    assert same_rows(now, before) == (rows[0] == rows[1])


def test_features_are_known_by_their_place(ws: Workspace) -> None:
    one = merge_features(ws, tile_layer(ws, range(30)).id).layer_ids[0]
    two = merge_features(ws, tile_layer(ws, range(30)).id).layer_ids[0]
    figures = changes(ws, [two], [one]).figures
    assert figures[f"kept_count_{two}"] == figures[f"count_{two}"] > 0
    assert ws.layers.get(one).hash != ws.layers.get(two).hash  # their rows are named after their layer
    assert same_rows(ws.layers.get(one), ws.layers.get(two))


def test_entries_that_share_an_id_are_told_apart(ws: Workspace) -> None:
    layer = a_layer(ws, [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    layer.table["row_id"] = ["same", "same", "other"]
    assert keys_of(layer).is_unique
    assert changes(ws, [layer.id], [layer.id]).figures[f"kept_count_{layer.id}"] == 3


def test_a_stricter_threshold_only_takes_away(ws: Workspace) -> None:
    search_words(ws, "pitted cones")
    filter_layer(ws, "L1", min_probability=0.7)
    result = changes(ws, ["L2", "L1"], ["L1", "L2"])
    assert (result.figures["gained_count_L2"], result.figures["lost_count_L1"]) == (0, 0)
    assert result.figures["lost_count_L2"] == result.figures["gained_count_L1"] > 0
    assert result.figures["rescored_count_L2"] == 0
    assert_keeps_its_word(result)


def test_the_same_rows_are_said_to_be_the_same(ws: Workspace) -> None:
    one, two = tile_layer(ws, range(5)), tile_layer(ws, range(5))
    assert "L2 has the same 5 rows as L1" in changes(ws, [two.id], [one.id]).summary
    empty = tile_layer(ws, [])
    assert_keeps_its_word(changes(ws, [empty.id], [one.id]))


@pytest.mark.parametrize(
    ("layers", "earlier"), [([], []), (["L1"], []), (["L1"], ["L1", "L1"]), (["L1"] * 51, ["L1"] * 51)]
)
def test_pairs_must_be_pairs(ws: Workspace, layers: list[str], earlier: list[str]) -> None:
    tile_layer(ws, range(5))
    with pytest.raises(ToolInputError, match="as many earlier"):
        changes(ws, layers, earlier)


def test_a_layer_that_is_not_there_is_named(ws: Workspace) -> None:
    shape_layer(ws, [])
    with pytest.raises(ToolInputError, match="no layer 'L9'"):
        changes(ws, ["L1"], ["L9"])


def test_a_layer_made_again_is_no_other_one(ws: Workspace) -> None:
    for _ in range(2):
        search_words(ws, "pitted cones")
    search_words(ws, "gullies")
    assert [ws.layers.first_like(name) for name in ("L1", "L2", "L3", "L9")] == ["L1", "L1", "L3", "L9"]
    assert ws.record_test("associate L1 L3 40", 0.01)[0] == 1
    assert ws.record_test("associate L2 L3 40", 0.01)[0] == 1
    assert ws.record_test("associate L3 L1 40", 0.01)[0] == 2
    assert np.isfinite(ws.record_test("associate L9 L3 40", 0.5)[1])

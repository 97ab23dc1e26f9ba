from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from retrieval.errors import ToolInputError
from retrieval.words import vocabulary
from tests.fakes import LANDFORMS, PatternEncoder
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word
from tools.classify import classify, posterior
from tools.search import search_words

CLASSES = ["gullies", "lava flow", "pitted cones"]


@pytest.fixture
def ws(home, tiny_index):
    encoder = PatternEncoder()
    encoder._manifest = replace(encoder.manifest, logit_bias=-8.0, words=vocabulary(LANDFORMS.values()))
    return a_workspace(home, tiny_index, encoder)


@pytest.fixture(scope="session")
def truth(pattern_source, tiny_index):
    return pattern_source.labels(tiny_index.grid)


@given(arrays(float, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-60, 60)))
def test_posteriors_sum_to_one_and_one_class_is_the_sigmoid(log_odds) -> None:
    found = posterior(log_odds)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    np.testing.assert_allclose(
        posterior(log_odds[:, :1])[:, 0], 1 / (1 + np.exp(-log_odds[:, 0])), atol=1e-12
    )


def test_each_tile_goes_to_one_class_or_to_none(ws, truth) -> None:
    result = classify(ws, CLASSES)
    layers = [ws.layers.get(name) for name in result.layer_ids]
    assert [layer.title for layer in layers] == CLASSES
    tiles = [tile for layer in layers for tile in layer.table["row_id"]]
    assert len(set(tiles)) == len(tiles)
    assert len(tiles) + result.figures["none_count"] == result.figures["searched"] == len(ws.index)
    for layer, key in zip(layers, ("gullies", "lava_flow", "pitted_cones"), strict=True):
        assert truth[key].to_numpy()[layer.table["tile"]].mean() > 0.9
        assert layer.table["probability"].is_monotonic_decreasing
        assert layer.provenance.threshold == 0.25
        assert layer.provenance.counts_at["0.25"] == len(layer)
        assert "classes" in layer.provenance.threshold_method
    assert_keeps_its_word(result)


def test_only_the_tiles_of_a_layer_are_divided(ws) -> None:
    search_words(ws, "gullies")
    result = classify(ws, ["gullies", "lava flow"], layer="L1")
    first = ws.layers.get(result.layer_ids[0])
    assert result.figures["searched"] == len(ws.layers.get("L1"))
    assert set(first.table["row_id"]) <= set(ws.layers.get("L1").table["row_id"])
    assert first.provenance.parents == ("L1",)


def test_the_record_is_enough_to_run_it_again(ws) -> None:
    first = classify(ws, CLASSES)
    again = classify(ws, **ws.layers.get(first.layer_ids[0]).provenance.arguments)
    for old, new in zip(first.layer_ids, again.layer_ids, strict=True):
        assert ws.layers.get(old).hash == ws.layers.get(new).hash


def test_a_class_of_unknown_words_stays_empty_and_says_so(ws) -> None:
    result = classify(ws, ["shopping malls", "gullies"])
    assert result.figures["class_1_count"] == 0
    assert result.figures["class_2_count"] > 0
    assert "not trained on the words shopping, mall" in result.summary


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "0 classes given.*1 to 12"),
        ("gullies", "one text given.*a list"),
        (["gullies", "Gullies "], "'Gullies' is given twice"),
        (["gullies", ""], "a class is empty"),
        (["x" * 10_000], "10,000 characters.*at most 200"),
        ([f"kind {'i' * n}" for n in range(1, 14)], "13 classes given"),
    ],
)
def test_wrong_classes_are_refused(ws, classes, message) -> None:
    with pytest.raises(ToolInputError, match=message):
        classify(ws, classes)
    assert ws.layers.ids() == []


def test_layers_that_are_no_tiles_are_refused(ws) -> None:
    a_layer(ws, [[0.0, 0.0]])
    with pytest.raises(ToolInputError, match="L1 is no layer of tiles"):
        classify(ws, CLASSES, layer="L1")

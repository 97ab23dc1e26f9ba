from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.errors import ToolInputError
from tests.fakes import PatternEncoder
from tests.workspaces import a_workspace, assert_keeps_its_word, tile_layer
from tools.filters import filter_layer
from tools.refine import refine
from tools.search import search_example, search_words


@pytest.fixture(params=[None, -8.0], ids=["softmax", "sigmoid"])
def ws(home, tiny_index, request):
    encoder = PatternEncoder()
    encoder._manifest = replace(encoder.manifest, logit_bias=request.param)
    return a_workspace(home, tiny_index, encoder)


@pytest.fixture(scope="session")
def truth(pattern_source, tiny_index):
    labels = pattern_source.labels(tiny_index.grid)
    return labels.iloc[tiny_index.tiles.numbers].reset_index(drop=True)


def verdicts(ws, truth, layer_id: str, key: str, count: int = 5) -> tuple[list[str], list[str]]:
    """The surest right and wrong tiles of a layer."""
    table = ws.layers.get(layer_id).table
    right = np.array([truth[key].iloc[ws.index.row_of(tile)] for tile in table["row_id"]], dtype=bool)
    return table["row_id"][right].tolist()[:count], table["row_id"][~right].tolist()[:count]


def precision(ws, truth, layer_id: str, key: str, without: list[str]) -> float:
    table = ws.layers.get(layer_id).table
    rest = table[~table["row_id"].isin(without)]
    return float(np.mean([truth[key].iloc[ws.index.row_of(tile)] for tile in rest["row_id"]]))


def test_verdicts_narrow_a_vague_search(ws, truth) -> None:
    search_words(ws, "craters")  # every kind of crater; the user wants the fresh ones
    accept, reject = verdicts(ws, truth, "L1", "simple_crater")
    result = refine(ws, "L1", accept, reject)
    judged = accept + reject
    before = precision(ws, truth, "L1", "simple_crater", judged)
    assert precision(ws, truth, "L2", "simple_crater", judged) > before + 0.1
    assert set(accept) <= set(ws.layers.get("L2").table["row_id"])
    assert not set(reject) & set(ws.layers.get("L2").table["row_id"])
    assert result.figures["accepted"] == len(accept)
    assert_keeps_its_word(result)


def test_it_keeps_about_as_many_tiles(ws, truth) -> None:
    before = search_words(ws, "craters").figures["count"]
    accept, reject = verdicts(ws, truth, "L1", "simple_crater")
    after = refine(ws, "L1", accept, reject).figures["count"]
    assert abs(after - before) <= len(accept) + len(reject)


def test_it_keeps_as_many_as_it_is_told_and_so_do_later_ones(ws, truth) -> None:
    search_words(ws, "craters")
    accept, reject = verdicts(ws, truth, "L1", "simple_crater")
    assert refine(ws, "L1", accept, reject, keep=20).figures["count"] == pytest.approx(20, abs=len(reject))
    assert "drawn at random" in ws.layers.get("L2").provenance.threshold_method
    assert refine(ws, "L2", accept[:1], []).figures["count"] == pytest.approx(20, abs=len(reject))
    before = precision(ws, truth, "L1", "simple_crater", accept + reject)
    assert precision(ws, truth, "L2", "simple_crater", accept + reject) > before + 0.1
    for wrong in (0, -3, 10**9, float("nan")):
        with pytest.raises(ToolInputError, match="keep is"):
            refine(ws, "L1", accept, reject, keep=wrong)


def test_the_record_is_enough_to_run_it_again(ws, truth) -> None:
    search_words(ws, "craters")
    accept, reject = verdicts(ws, truth, "L1", "degraded_crater")
    first = ws.layers.get(refine(ws, "L1", accept, reject, title="worn ones").layer_ids[0])
    record = first.provenance
    assert (record.tool, record.parents, record.query) == ("refine", ("L1",), "craters")
    assert record.arguments == {"layer": "L1", "accept": accept, "reject": reject, "title": "worn ones"}
    assert record.threshold == 0.5
    assert record.counts_at["0.50"] == len(first)
    assert first.title == "worn ones"
    again = ws.layers.get(refine(ws, **record.arguments).layer_ids[0])
    assert again.hash == first.hash


def test_earlier_verdicts_are_kept_and_the_later_one_counts(ws, truth) -> None:
    search_words(ws, "craters")
    accept, reject = verdicts(ws, truth, "L1", "simple_crater")
    refine(ws, "L1", accept, [])
    result = refine(ws, "L2", [], [*reject, accept[0]])
    table = ws.layers.get("L3").table
    assert result.figures["accepted"] == len(accept) - 1
    assert result.figures["rejected"] == len(reject) + 1
    assert set(accept[1:]) <= set(table["row_id"])
    assert accept[0] not in set(table["row_id"])


def test_a_filtered_layer_leads_back_to_its_search(ws, truth) -> None:
    search_words(ws, "craters")
    filter_layer(ws, "L1", min_lat_deg=0.0)
    accept, reject = verdicts(ws, truth, "L2", "simple_crater")
    refine(ws, "L2", accept, reject)
    assert ws.layers.get("L3").provenance.parents == ("L2",)


def test_wrong_arguments_are_refused(ws, truth) -> None:
    search_words(ws, "craters")
    accept, reject = verdicts(ws, truth, "L1", "simple_crater")
    wrong = [
        (("L9", accept, reject), "no layer 'L9'"),
        (("L1", [], []), "no tile was accepted or rejected.*look at tiles"),
        (("L1", accept, accept[:1]), "both accepted and rejected"),
        (("L1", ["60km-r999c000"], []), "no tile of this grid"),
        (("L1", ["nonsense"], []), "no tile of this grid"),
        (("L1", [], accept[:1] * 201), "201 tiles.*at most 200"),
        (("L1", accept, reject, " "), "title is empty"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ToolInputError, match=message):
            refine(ws, *arguments)
    assert ws.layers.ids() == ["L1"]


def test_layers_without_words_are_refused(ws) -> None:
    tile = ws.index.tiles.tile_id(0)
    search_example(ws, tile)
    tile_layer(ws, range(4))
    for layer in ("L1", "L2"):
        with pytest.raises(
            ToolInputError, match=f"{layer} does not come from a search by words.*search_words"
        ):
            refine(ws, layer, [tile], [])

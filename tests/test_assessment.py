"""A layer against a catalogue taken for the truth: on the tiny index, whose truth is known, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.errors import ToolInputError
from retrieval.evaluate.geolocalization import published, strict
from retrieval.spatial.observed import observed_by_index
from tests.workspaces import a_layer, assert_keeps_its_word, tile_layer
from tools.statistics.assessment import evaluate_layer


def centres(ws, rows):
    return ws.index.tiles.lonlat[rows]


def test_a_layer_that_is_the_catalogue_is_perfect_and_chance_is_not(ws, truth) -> None:
    rows = truth["pitted_cones"]
    hits, listed = tile_layer(ws, rows), a_layer(ws, centres(ws, rows), "list")
    result = evaluate_layer(ws, hits.id, listed.id)
    assert_keeps_its_word(result)
    figures = result.figures
    assert figures["distance_km"] == 60
    assert (figures["tile_precision"], figures["tile_recall"], figures["tile_f1"]) == (1, 1, 1)
    assert figures["tile_f1_low"] == figures["tile_f1_high"] == 1
    # Features are fewer than the entries, so that some entries of each go without.
    assert figures["feature_precision"] == 1
    assert figures["feature_recall"] < 1
    assert figures["tile_random_f1"] < 0.5
    assert figures["published_random_f1"] < figures["published_f1"]
    assert result.layer_ids == ()


def test_figures_are_those_of_the_evaluation_of_rankings(ws, truth) -> None:
    rows = np.union1d(truth["pitted_cones"][::2], truth["simple_crater"][:40])
    hits, listed = tile_layer(ws, rows), a_layer(ws, centres(ws, truth["pitted_cones"]), "list")
    figures = evaluate_layer(ws, hits.id, listed.id, 75.0).figures
    mask = np.zeros(len(ws.index), dtype=bool)
    mask[rows] = True
    lonlat = centres(ws, np.arange(len(ws.index)))
    labels = ws.index.grid.locate(hits.lonlat)
    expected = strict(ws.body, mask, lonlat, listed.lonlat, 75.0, labels)
    for key in ("precision", "recall", "f1"):
        assert figures[f"tile_{key}"] == pytest.approx(expected[key], abs=1e-3)
    score = np.zeros(len(ws.index))
    score[rows] = hits.table["probability"].to_numpy()
    best = published(score, lonlat, listed.lonlat, depth=len(rows))
    assert figures["published_f1"] == pytest.approx(best["f1"], abs=1e-3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 60), st.floats(5, 400))
def test_matching_is_one_to_one_and_intervals_hold_their_figure(ws, seed, n, m, distance_km) -> None:
    rng = np.random.default_rng(seed)
    size = len(ws.index)
    hits = a_layer(ws, centres(ws, rng.choice(size, n, replace=False)), "hits")
    listed = a_layer(ws, centres(ws, rng.choice(size, m, replace=False)), "list")
    result = evaluate_layer(ws, hits.id, listed.id, distance_km)
    assert_keeps_its_word(result)
    figures = result.figures
    assert figures["row_matched"] <= min(n, m)
    assert figures["row_precision"] == pytest.approx(figures["row_matched"] / n, abs=1e-3)
    assert figures["row_recall"] == pytest.approx(figures["row_matched"] / m, abs=1e-3)
    for key in ("precision", "recall", "f1"):
        if f"row_{key}_low" in figures:
            assert figures[f"row_{key}_low"] <= figures[f"row_{key}"] + 1e-3
            assert figures[f"row_{key}"] <= figures[f"row_{key}_high"] + 1e-3
    nearer = evaluate_layer(ws, hits.id, listed.id, distance_km / 2).figures["row_matched"]
    assert nearer <= figures["row_matched"]


def test_layers_drawn_by_chance_earn_what_chance_earns(ws) -> None:
    rng = np.random.default_rng(5)
    hits = tile_layer(ws, np.sort(rng.choice(len(ws.index), 120, replace=False)))
    listed = a_layer(ws, observed_by_index(ws.index).sample(80, rng), "list")
    figures = evaluate_layer(ws, hits.id, listed.id).figures
    assert figures["tile_f1_low"] < figures["tile_random_f1"] < figures["tile_f1_high"]
    assert figures["tile_f1_low"] < figures["tile_f1"] < figures["tile_f1_high"]


def test_only_entries_on_observed_ground_count(ws, truth) -> None:
    observed = observed_by_index(ws.index)
    anywhere = np.array([[lon, lat] for lon in range(-180, 180, 6) for lat in range(-84, 85, 6)], dtype=float)
    unseen = anywhere[~observed.holds(anywhere)][:9]
    assert len(unseen) == 9
    rows = truth["gullies"]
    hits = tile_layer(ws, rows)
    bare = a_layer(ws, centres(ws, rows), "seen")
    more = a_layer(ws, np.concatenate([centres(ws, rows), unseen]), "more")
    one, other = (evaluate_layer(ws, hits.id, listed.id) for listed in (bare, more))
    assert_keeps_its_word(other)
    assert other.figures["left_out_entries"] == 9
    assert "9 entries of L3 lie elsewhere" in other.summary
    assert other.figures["tile_f1"] == one.figures["tile_f1"]
    elsewhere = a_layer(ws, unseen, "elsewhere")
    nothing = evaluate_layer(ws, hits.id, elsewhere.id)
    assert_keeps_its_word(nothing)
    assert nothing.summary.startswith("Cannot tell how well L1 finds L4: nothing of L4 lies")


@pytest.mark.parametrize(("hits", "entries"), [(0, 3), (3, 0), (0, 0)])
def test_empty_layers_leave_it_open(ws, hits, entries) -> None:
    place = centres(ws, [10])[0].tolist()
    a, b = a_layer(ws, [place] * hits, "a"), a_layer(ws, [place] * entries, "b")
    result = evaluate_layer(ws, a.id, b.id)
    assert_keeps_its_word(result)
    assert result.summary.startswith("Cannot tell how well L1 finds L2: ")
    assert "empty" in result.summary


def test_one_place_gives_figures_without_an_interval(ws) -> None:
    place = centres(ws, [10])[0].tolist()
    a, b = a_layer(ws, [place] * 4, "a"), a_layer(ws, [place] * 3, "b")
    result = evaluate_layer(ws, a.id, b.id)
    assert_keeps_its_word(result)
    assert (result.figures["row_matched"], result.figures["row_precision"]) == (3, 0.75)
    assert "No interval" in result.summary


def test_the_same_call_gives_the_same_figures(ws, truth) -> None:
    hits, listed = tile_layer(ws, truth["gullies"]), a_layer(ws, centres(ws, truth["polygons"]), "list")
    assert evaluate_layer(ws, hits.id, listed.id) == evaluate_layer(ws, hits.id, listed.id)


def test_what_cannot_be_asked_is_refused(ws) -> None:
    a, b = a_layer(ws, [[0, 0]], "a"), a_layer(ws, [[0, 0]], "b")
    with pytest.raises(ToolInputError, match="finds itself"):
        evaluate_layer(ws, a.id, a.id)
    for distance_km in (0.0, -2.0, np.nan, 1e6):
        with pytest.raises(ToolInputError, match="distance_km"):
            evaluate_layer(ws, a.id, b.id, distance_km)

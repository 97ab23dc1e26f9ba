"""Average precision, truth from catalogues and intervals, on cases that can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.errors import SettingsError
from retrieval.evaluate import (
    average_precision,
    average_precision_interval,
    blocks_of,
    detection,
    evaluate_catalogue,
    tile_truth,
)
from retrieval.index import TileIndex
from tests.fakes import PatternEncoder, PatternSource

LOWELL = get_body("lowell")


def places(lonlat: np.ndarray) -> pd.DataFrame:
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    return pd.DataFrame({"lon": points[:, 0], "lat": points[:, 1]})


def test_average_precision_by_hand() -> None:
    # Cuts after 1, 2, 3, 4: precision 1, 1/2, 2/3, 1/2 at recall 1/2, 1/2, 1, 1.
    assert average_precision([4, 3, 2, 1], [True, False, True, False]) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision([1, 2, 3], [False, True, True]) == 1.0
    assert np.isnan(average_precision([1, 2], [False, False]))
    assert np.isnan(average_precision([], []))


@given(st.lists(st.booleans(), min_size=1, max_size=30).filter(any))
def test_a_constant_score_earns_the_prevalence(truth: list[bool]) -> None:
    assert average_precision([0.3] * len(truth), truth) == pytest.approx(np.mean(truth))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_average_precision_is_blind_to_order_and_scale(rows: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if not truth.any():
        return
    value = average_precision(scores, truth)
    shuffled = np.random.default_rng(len(rows)).permutation(len(rows))
    assert average_precision(scores[shuffled], truth[shuffled]) == pytest.approx(value)
    assert average_precision(np.exp(scores), truth) == pytest.approx(value)
    assert 0 < value <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=20))
def test_a_weight_is_a_repetition(rows: list[tuple[int, bool, int]]) -> None:
    scores, truth, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = average_precision(np.repeat(scores, weights), np.repeat(truth, weights))
    weighted = average_precision(scores, truth, weights)
    assert weighted == pytest.approx(repeated, nan_ok=True)


def test_detection_by_hand() -> None:
    found = detection([True, True, True, False], [True, False, True, True])
    assert found == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3})
    assert detection([False], [True]) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_truth_reaches_across_the_antimeridian_and_the_pole(tiny_index: TileIndex) -> None:
    for place in ([180.0, 12.0], [0.0, 90.0]):
        truth = tile_truth(tiny_index, places(place), 65.0)
        away = LOWELL.distance_km(tiny_index.tiles.lonlat, place)
        assert np.array_equal(truth, away <= 65.0)
        assert truth.sum() >= 2
    for tolerance in (0.0, -3.0, 1e6, float("nan")):
        with pytest.raises(SettingsError, match="tolerance"):
            tile_truth(tiny_index, places([0, 0]), tolerance)


def test_good_scores_beat_the_prevalence_and_bad_ones_do_not(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, pattern_source: PatternSource
) -> None:
    labels = pattern_source.labels(tiny_index.grid)["pitted_cones"].to_numpy()
    catalogue = places(tiny_index.grid.centres(np.flatnonzero(labels)))
    scores = tiny_index.score(pattern_encoder.encode_texts(["pitted cones"])[0])
    good = evaluate_catalogue(tiny_index, scores, catalogue, 5.0, threshold=0.5, resamples=200)
    assert good["ap"] == pytest.approx(1.0)
    assert good["f1"] == pytest.approx(1.0)
    assert good["ap_low"] <= good["ap"] <= good["ap_high"]
    assert good["ratio"] == pytest.approx(1 / good["prevalence"])
    assert good["entries"] == labels.sum()
    assert good["positives"] == good["entries_observed"] <= good["entries"]
    noise = np.random.default_rng(0).random(len(tiny_index))
    bad = evaluate_catalogue(tiny_index, noise, catalogue, 5.0, resamples=200)
    assert bad["ratio_low"] < 1.3
    assert "f1" not in bad
    assert evaluate_catalogue(tiny_index, scores, catalogue)["tolerance_km"] == 60.0


def test_intervals_are_seeded_and_wider_for_clustered_truth(tiny_index: TileIndex) -> None:
    blocks = blocks_of(tiny_index)
    assert 20 < len(np.unique(blocks)) < 60
    rng = np.random.default_rng(1)
    truth = np.isin(blocks, rng.choice(np.unique(blocks), 5, replace=False))
    scores = truth + rng.normal(0, 1.5, len(truth))
    by_block = average_precision_interval(scores, truth, blocks, resamples=300, seed=4)
    assert by_block == average_precision_interval(scores, truth, blocks, resamples=300, seed=4)
    by_tile = average_precision_interval(scores, truth, np.arange(len(truth)), resamples=300, seed=4)
    assert by_block["ap_high"] - by_block["ap_low"] > by_tile["ap_high"] - by_tile["ap_low"]


def test_without_any_truth_nothing_is_claimed(tiny_index: TileIndex) -> None:
    result = evaluate_catalogue(tiny_index, np.zeros(len(tiny_index)), places(np.zeros((0, 2))), resamples=5)
    assert result["positives"] == result["entries_observed"] == 0
    assert np.isnan(result["ap"])
    assert np.isnan(result["ratio"])
    assert np.isnan(result["ap_low"])
    empty = average_precision_interval([], [], [], resamples=3)
    assert np.isnan(empty["prevalence"])

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from retrieval.calibrate import THRESHOLD, background, calibrate, counts_around, nothing

SCALE = 10.0


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def groups(*parts: tuple[int, float, float]) -> NDArray[np.float64]:
    """Normally distributed logits: (count, mean, spread) per group."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(mean, spread, count) for count, mean, spread in parts])


def hits(logits: NDArray[np.float64], base: float = 0.0) -> NDArray[np.bool_]:
    found = calibrate(logits / SCALE, np.full(len(logits), base), SCALE)
    return np.asarray(found.probability >= found.threshold)


@given(seed=st.integers(0, 50), b=st.integers(1, 9), scale=st.floats(1, 100))
def test_background_lies_between_mean_and_maximum(seed: int, b: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    vectors, bank = unit(rng.normal(size=(6, 8))), unit(rng.normal(size=(b, 8)))
    logits = scale * (vectors @ bank.T)
    found = background(vectors, bank, scale)
    assert found.dtype == np.float32
    assert (found <= logits.max(axis=1) + 1e-3).all()
    assert (found >= logits.mean(axis=1) - 1e-3).all()


def test_background_of_no_prompts_or_no_tiles() -> None:
    vectors = unit(np.ones((3, 4)))
    assert background(vectors, np.empty((0, 4), dtype=np.float32), SCALE).tolist() == [0, 0, 0]
    assert background(np.empty((0, 4), dtype=np.float32), vectors, SCALE).shape == (0,)


def test_a_rare_landform_is_found_without_labels() -> None:
    found = hits(groups((9800, -1.5, 1.0), (200, 7.5, 0.8)))
    assert found[9800:].mean() > 0.9
    assert found[:9800].mean() < 0.005


def test_a_common_landform_is_found_too() -> None:
    found = hits(groups((3000, -1.5, 1.0), (7000, 7.0, 0.6)))
    assert found[3000:].mean() > 0.9
    assert found[:3000].mean() < 0.01


def test_what_is_absent_is_not_found() -> None:
    assert hits(groups((10000, -2.0, 0.5))).sum() == 0
    # Scores may be high, if everything scores as high.
    assert hits(groups((10000, 6.0, 0.7)), base=9.0).sum() == 0


def test_what_all_tiles_like_a_little_finds_few() -> None:
    found = hits(groups((9900, 1.3, 0.5), (100, 6.0, 0.5)))
    assert found[:9900].mean() < 0.01
    assert found[9900:].mean() > 0.9


def test_the_scale_of_the_encoder_does_not_matter_far_above_the_background() -> None:
    logits = groups((9000, -1.5, 1.0), (1000, 7.0, 0.8))
    np.testing.assert_array_equal(hits(logits, base=-50), hits(3 * logits, base=-150))


def test_tiles_that_are_all_alike_are_all_or_none() -> None:
    assert hits(np.full(500, 3.0), base=1.0).all() or not hits(np.full(500, 3.0), base=1.0).any()
    assert not hits(np.full(500, 3.0), base=2.5).any()


@given(arrays(np.float64, st.integers(0, 60), elements=st.floats(-1, 1)), st.floats(0.5, 100))
def test_probabilities_rise_with_the_score(scores: NDArray[np.float64], scale: float) -> None:
    found = calibrate(scores, np.zeros(len(scores)), scale)
    assert found.probability.shape == scores.shape
    assert found.probability.dtype == np.float32
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert (np.diff(found.probability[np.argsort(scores)]) >= 0).all()


def test_the_same_score_counts_less_on_a_busy_background() -> None:
    found = calibrate(np.full(2, 0.5), np.array([1.0, 4.5]), SCALE)
    assert found.probability[0] > found.threshold > found.probability[1]


def test_counts_show_how_much_the_threshold_matters() -> None:
    logits = groups((900, -1.5, 1.0), (100, 6.0, 1.0))
    found = calibrate(logits / SCALE, np.zeros(1000), SCALE)
    assert found.threshold == THRESHOLD
    assert list(found.counts_at) == ["0.40", "0.50", "0.60"]
    assert found.counts_at["0.40"] >= found.counts_at["0.50"] >= found.counts_at["0.60"]
    assert found.counts_at["0.50"] == (found.probability >= 0.5).sum()
    assert "background" in found.method


def test_the_best_tiles_are_nearly_certain() -> None:
    logits = groups((900, -1.5, 1.0), (100, 6.0, 1.0))
    probability = calibrate(logits / SCALE, np.zeros(1000), SCALE).probability
    assert float(probability.max()) == pytest.approx(0.88, abs=0.06)


def test_an_empty_index_has_no_hits() -> None:
    found = calibrate(np.empty(0), np.empty(0), SCALE)
    assert found.probability.shape == (0,)
    assert set(found.counts_at.values()) == {0}


@given(arrays(np.float64, st.integers(0, 60), elements=st.floats(-1, 1)), st.floats(1, 50), st.floats(-10, 0))
def test_with_a_bias_the_probability_is_the_encoders_own(
    scores: NDArray[np.float64], scale: float, bias: float
) -> None:
    found = calibrate(scores, np.full(len(scores), 99.0), scale, bias)
    np.testing.assert_allclose(found.probability, 1 / (1 + np.exp(-scale * scores - bias)), rtol=1e-5)
    assert bool(found.empty) == (not (found.probability >= found.threshold).any())


def test_why_nothing_was_found_is_said() -> None:
    found = calibrate(np.array([-0.2, 0.1]), np.zeros(2), SCALE, -4.0)
    assert found.empty == "no tile reaches a probability of 0.5; the best has 0.047"
    told = nothing(3, "words unknown")
    assert told.empty == told.method == "words unknown"
    assert not told.probability.any()


@given(arrays(np.float32, 20, elements=st.floats(0, 1, width=32)), st.floats(0.01, 1))
def test_counts_fall_with_the_threshold(probability: NDArray[np.float32], threshold: float) -> None:
    counts = list(counts_around(probability, threshold).values())
    assert counts == sorted(counts, reverse=True)

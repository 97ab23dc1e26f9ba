from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from retrieval.calibrate import LEAST_MARGIN, THRESHOLD, background, calibrate

SCALE = 10.0


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def margins(*groups: tuple[int, float, float]) -> NDArray[np.float64]:
    """Normally distributed margins: (count, mean, spread) per group."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(mean, spread, count) for count, mean, spread in groups])


def hits(margin: NDArray[np.float64]) -> NDArray[np.bool_]:
    found = calibrate(margin / SCALE, np.zeros(len(margin)), SCALE)
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
    margin = margins((9800, -1.5, 1.0), (200, 3.2, 0.4))
    found = hits(margin)
    assert found[9800:].mean() > 0.9
    assert found[:9800].mean() < 0.005


def test_a_common_landform_is_found_too() -> None:
    found = hits(margins((3000, -1.5, 1.0), (7000, 2.3, 0.3)))
    assert found[3000:].mean() > 0.8
    assert found[:3000].mean() < 0.01


def test_what_is_absent_is_not_found() -> None:
    assert hits(margins((10000, -2.0, 0.7))).sum() == 0
    assert hits(np.full(500, 0.9 * LEAST_MARGIN)).sum() == 0


def test_what_all_tiles_like_a_little_finds_few() -> None:
    found = hits(margins((9900, 1.3, 0.3), (100, 3.4, 0.3)))
    assert found[:9900].mean() < 0.05
    assert found[9900:].mean() > 0.9


def test_larger_scales_widen_what_is_close() -> None:
    assert hits(margins((9000, -9.0, 2.0), (1000, 11.0, 1.5)))[9000:].mean() > 0.9


@given(arrays(np.float64, st.integers(0, 60), elements=st.floats(-1, 1)), st.floats(0.5, 100))
def test_probabilities_rise_with_the_margin(scores: NDArray[np.float64], scale: float) -> None:
    found = calibrate(scores, np.zeros(len(scores)), scale)
    assert found.probability.shape == scores.shape
    assert found.probability.dtype == np.float32
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert (np.diff(found.probability[np.argsort(scores)]) >= 0).all()


def test_the_same_score_counts_less_on_a_busy_background() -> None:
    found = calibrate(np.full(2, 0.5), np.array([1.0, 3.0]), SCALE)
    assert found.probability[0] > found.probability[1]


def test_counts_show_how_much_the_threshold_matters() -> None:
    margin = margins((900, -1.5, 1.0), (100, 3.0, 0.5))
    found = calibrate(margin / SCALE, np.zeros(1000), SCALE)
    assert found.threshold == THRESHOLD
    assert list(found.counts_at) == ["0.40", "0.50", "0.60"]
    assert found.counts_at["0.40"] >= found.counts_at["0.50"] >= found.counts_at["0.60"]
    assert found.counts_at["0.50"] == (found.probability >= 0.5).sum()
    assert "margin" in found.method


def test_the_best_tiles_are_nearly_certain() -> None:
    margin = margins((900, -1.5, 1.0), (100, 3.0, 0.5))
    probability = calibrate(margin / SCALE, np.zeros(1000), SCALE).probability
    assert float(probability.max()) == pytest.approx(0.88, abs=0.06)

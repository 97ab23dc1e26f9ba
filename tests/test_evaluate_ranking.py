"""Thresholds, calibration, ranks and the quick bootstrap, against hand-worked cases and plain ways."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.evaluate.bootstrap import (
    Draws,
    draw_blocks,
    interval,
    resampled_average_precision,
    resampled_f1,
)
from retrieval.evaluate.marsretrieval import landform_figures, paired_figures
from retrieval.evaluate.probe import cross_fitted, fit_probe, ridge
from retrieval.evaluate.ranking import (
    average_precision,
    best_threshold,
    calibration_error,
    detection,
    expected_ranks,
    retrieval_at,
)

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(ROWS)
def test_no_threshold_beats_the_best_one(rows: list[tuple[int, bool, int]]) -> None:
    scores, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    threshold, f1 = best_threshold(scores, truth)
    if not truth.any():
        assert (threshold, f1) == (math.inf, 0.0)
        return
    assert detection(scores >= threshold, truth)["f1"] == pytest.approx(f1)
    assert f1 == pytest.approx(max(detection(scores >= bar, truth)["f1"] for bar in set(scores.tolist())))


@given(ROWS)
def test_the_quick_bootstrap_is_the_plain_one(rows: list[tuple[int, bool, int]]) -> None:
    scores, truth, blocks = (np.array(column) for column in zip(*rows, strict=True))
    draws = draw_blocks(blocks, 20, seed=3)
    said = scores >= 2
    plain_ap, plain_f1 = [], []
    for times in draws.times:
        weight = times[draws.block].astype(int)
        again = np.repeat(np.arange(len(truth)), weight)
        plain_ap.append(average_precision(scores[again], truth[again]))
        f1 = detection(said[again], truth[again])["f1"]
        plain_f1.append(f1 if truth[again].any() else np.nan)
    assert np.allclose(resampled_average_precision(scores, truth, draws), plain_ap, equal_nan=True, atol=1e-5)
    assert np.allclose(resampled_f1(said, truth, draws), plain_f1, equal_nan=True, atol=1e-5)


def test_the_slow_way_for_many_cuts_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    scores, truth, blocks = rng.random(300), rng.random(300) < 0.2, rng.integers(0, 12, 300)
    draws = draw_blocks(blocks, 30, seed=1)
    quick = resampled_average_precision(scores, truth, draws)
    monkeypatch.setattr("retrieval.evaluate.bootstrap._MOST_CELLS", 1)
    assert np.allclose(resampled_average_precision(scores, truth, draws), quick, atol=1e-5)


def test_blocks_are_drawn_as_often_as_there_are() -> None:
    draws = draw_blocks(np.array([7, 7, 3, 9]), 50, seed=2)
    assert isinstance(draws, Draws)
    assert draws.block.tolist() == [1, 1, 0, 2]
    assert (draws.times.sum(axis=1) == 3).all()
    assert np.array_equal(draws.times, draw_blocks(np.array([7, 7, 3, 9]), 50, seed=2).times)
    assert np.isnan(interval([np.nan, np.nan])).all()


def test_calibration_error_by_hand() -> None:
    # One bin holds 0.2 and 0.2, half true: off by 0.3. Another holds 0.9, true: off by 0.1.
    assert calibration_error([0.2, 0.2, 0.9], [True, False, True]) == pytest.approx((2 * 0.3 + 0.1) / 3)
    assert calibration_error([0.0, 1.0], [False, True]) == 0.0
    assert calibration_error([1.0], [False], adaptive=True) == 1.0
    assert math.isnan(calibration_error([], []))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.booleans())
def test_calibration_error_is_a_mean_of_gaps(rows: list[tuple[float, bool]], adaptive: bool) -> None:
    p, truth = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    error = calibration_error(p, truth, adaptive=adaptive)
    # Never below the gap of all rows together, never above the gaps of single rows.
    assert abs((p - truth).mean()) - 1e-9 <= error <= np.abs(p - truth).mean() + 1e-9


def test_fair_probabilities_are_calibrated() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(40_000)
    truth = rng.random(40_000) < p
    assert calibration_error(p, truth) < 0.02
    assert calibration_error(p, truth, adaptive=True) < 0.02
    assert calibration_error(np.sqrt(p), truth) > 0.1


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 1000))
def test_ranks_by_counting(queries: int, answers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.integers(0, 4, (queries, answers)).astype(float)
    right = rng.random((queries, answers)) < 0.4
    right[np.arange(queries), rng.integers(answers, size=queries)] = True
    for row, (values, true) in enumerate(zip(similarity, right, strict=True)):
        best = values[true].max()
        expected = 1 + sum(values > best) + sum((values == best) & ~true) / 2
        assert expected_ranks(similarity, right)[row] == expected


def test_paired_retrieval_by_hand() -> None:
    # Picture a finds its caption first, b second, c third.
    similarity = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.3]])
    figures = paired_figures(similarity, [Path("a"), Path("b"), Path("c")], ["x", "y", "z"])
    assert figures["image_to_text"] == pytest.approx(
        {"r_1": 1 / 3, "r_10": 1.0, "mrr": (1 + 1 / 2 + 1 / 3) / 3, "median_rank": 2.0}
    )
    # Caption x finds a first; y has c before b; z finds c first.
    assert figures["text_to_image"] == pytest.approx(
        {"r_1": 2 / 3, "r_10": 1.0, "mrr": (1 + 1 / 2 + 1) / 3, "median_rank": 1.0}
    )
    shared = paired_figures(similarity, [Path("a"), Path("b"), Path("c")], ["x", "x", "z"])
    assert shared["image_to_text"]["r_1"] == pytest.approx(2 / 3)
    constant = paired_figures(np.zeros((5, 5)), [Path(str(n)) for n in range(5)], list("abcde"))
    assert constant["image_to_text"]["median_rank"] == 3.0  # not 1, as counting only better answers would


def test_one_query_by_hand() -> None:
    figures = retrieval_at([True, False, True, False])
    assert figures["r_precision"] == 0.5
    assert figures["hit"] == 1.0
    assert figures["ndcg"] == pytest.approx((1 + 1 / math.log2(4)) / (1 + 1 / math.log2(3)))
    late = retrieval_at([False] * 10 + [True])
    assert late == {"r_precision": 0.0, "ndcg": 0.0, "hit": 0.0}
    assert np.isnan(list(retrieval_at([False]).values())).all()


def test_landform_retrieval_knows_no_order_of_the_files() -> None:
    classes = np.repeat([0, 1], 50)
    blind = landform_figures(np.zeros((2, 100)), classes, ["dunes", "gullies"], seed=0)
    assert blind["map"] == pytest.approx(0.5)
    assert 0.2 < blind["r_precision"] < 0.8
    perfect = landform_figures(np.stack([classes == 0, classes == 1]) * 1.0, classes, ["a", "b"], seed=0)
    assert [perfect[name] for name in ("map", "r_precision", "ndcg_10", "hit_10")] == [1.0] * 4
    assert perfect["classes"]["a"]["pictures"] == 50


def test_leaving_out_by_formula_is_leaving_out() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(1.0, 2.0, size=(25, 4))
    labels = (vectors[:, :2] + rng.normal(0, 0.5, (25, 2))) > 2
    penalty = 3.0
    weights, offset, left_out = ridge(vectors, labels, np.array([penalty]))
    assert weights.shape == (4, 2)
    for row in range(25):
        others = np.arange(25) != row
        # The plain normal equations, with a column of ones that the penalty spares.
        x = np.column_stack([vectors[others], np.ones(24)])
        plain = np.linalg.solve(x.T @ x + np.diag([penalty] * 4 + [0.0]), x.T @ labels[others])
        assert left_out[row] == pytest.approx(np.append(vectors[row], 1.0) @ plain)
    assert offset == pytest.approx(labels.mean(axis=0) - vectors.mean(axis=0) @ weights)


def test_a_probe_learns_a_rule() -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(300, 6))
    labels = np.column_stack([vectors[:, 0] > 1, vectors[:, 1] > 9])
    probe = fit_probe(vectors, labels)
    fresh = rng.normal(size=(300, 6))
    assert detection(probe.scores(fresh)[:, 0] >= probe.thresholds[0], fresh[:, 0] > 1)["f1"] > 0.7
    assert not (probe.scores(fresh)[:, 1] >= probe.thresholds[1]).any()


def test_cross_fitting_never_sees_its_own_fold() -> None:
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(400, 10))
    folds = np.arange(400) % 2
    noise = (rng.random((400, 1)) < 0.3).astype(bool)
    scores, hits = cross_fitted(vectors, noise, folds)
    assert average_precision(scores[:, 0], noise[:, 0]) < 0.5  # labels without a rule cannot be learned
    assert hits.shape == noise.shape
    rule = vectors[:, :1] > 1.0
    scores, hits = cross_fitted(vectors, rule, folds)
    assert average_precision(scores[:, 0], rule[:, 0]) > 0.8
    assert detection(hits[:, 0], rule[:, 0])["f1"] > 0.6
    # A class that one half never shows is claimed nowhere by the probe of that half.
    one_sided = rule & (folds == 0)[:, None]
    _, hits = cross_fitted(vectors, one_sided, folds)
    assert not hits[folds == 0].any()

"""How good a ranking, a yes-or-no answer and a probability are, against truth. Plain arrays, no planet."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS = 15  # of the calibration error, as in Guo et al. 2017
_ROWS_AT_ONCE = 512


def average_precision(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall curve by steps: the sum of (R_n - R_{n-1}) P_n over the cuts.

    Equal scores are one cut, so a constant score earns the prevalence, as a random one does on average.

    Parameters
    ----------
    scores, positive, weights
        Shape (n,); weights default to 1.

    Returns
    -------
    float
        0..1; NaN without positives.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum((truth * weight)[order])
    found = np.cumsum(weight[order])
    if not len(values) or hits[-1] <= 0:
        return float("nan")
    cut = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    cut = cut[found[cut] > 0]
    recall = np.concatenate([[0.0], hits[cut] / hits[-1]])
    return float(np.sum(np.diff(recall) * hits[cut] / found[cut]))


def detection(predicted: ArrayLike, positive: ArrayLike) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of a yes-or-no answer; a ratio without denominator is 0."""
    said, truth = np.asarray(predicted, dtype=bool), np.asarray(positive, dtype=bool)
    both = float(np.sum(said & truth))
    precision = both / max(1.0, float(said.sum()))
    recall = both / max(1.0, float(truth.sum()))
    f1 = 2.0 * both / max(1.0, float(said.sum() + truth.sum()))
    return {"precision": precision, "recall": recall, "f1": f1}


def best_threshold(scores: ArrayLike, positive: ArrayLike) -> tuple[float, float]:
    """The threshold with the highest F1 for these labels, and that F1: the *oracle*, which no user has.

    Parameters
    ----------
    scores, positive
        Shape (n,). A row counts as found from the threshold on, so equal scores are found together.

    Returns
    -------
    threshold, f1
        The highest such threshold; infinity and 0 where nothing is positive.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if not truth.any():
        return float("inf"), 0.0
    order = np.argsort(-values, kind="stable")
    cut = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    f1 = 2.0 * np.cumsum(truth[order])[cut] / (cut + 1 + truth.sum())
    best = int(f1.argmax())
    return float(values[order][cut[best]]), float(f1[best])


def calibration_error(probability: ArrayLike, positive: ArrayLike, *, adaptive: bool = False) -> float:
    """Expected calibration error: the mean, over bins, of how far the mean probability is from the share
    that is true, each bin weighted by its rows (Guo et al. 2017, doi:10.48550/arXiv.1706.04599).

    Parameters
    ----------
    probability, positive
        Any equal shapes.
    adaptive
        Bins of about equal numbers of rows instead of equal width (Nixon et al. 2019). Equal probabilities
        stay together, so there may be fewer bins.

    Returns
    -------
    float
        0..1; NaN for no rows.
    """
    p = np.asarray(probability, dtype=float).ravel()
    truth = np.asarray(positive, dtype=bool).ravel()
    if not len(p):
        return float("nan")
    edges = np.quantile(p, np.arange(1, BINS) / BINS) if adaptive else np.arange(1, BINS) / BINS
    number = np.searchsorted(edges, p, side="right")
    gap = np.bincount(number, weights=p - truth, minlength=BINS)
    return float(np.abs(gap).sum() / len(p))


def expected_ranks(similarity: NDArray[np.floating], right: Bools) -> Floats:
    """Rank of the best right answer of each query, 1 for the first; the others of equal score count half.

    Parameters
    ----------
    similarity, right
        Shape (queries, answers); each query has at least one right answer.

    Returns
    -------
    Shape (queries,).
    """
    ranks = np.empty(len(similarity))
    for at in range(0, len(similarity), _ROWS_AT_ONCE):
        values, true = similarity[at : at + _ROWS_AT_ONCE], right[at : at + _ROWS_AT_ONCE]
        best = np.where(true, values, -np.inf).max(axis=1, keepdims=True)
        equal = ((values == best) & ~true).sum(axis=1)
        ranks[at : at + _ROWS_AT_ONCE] = 1.0 + (values > best).sum(axis=1) + equal / 2.0
    return ranks


def retrieval_at(order_truth: ArrayLike, depth: int = 10) -> dict[str, float]:
    """``r_precision``, ``ndcg`` and ``hit`` of one query.

    Parameters
    ----------
    order_truth
        Whether each answer is right, best answer first, shape (n,).
    depth
        Answers that nDCG (gain 1, discount log2(rank + 1)) and hit look at.
    """
    truth = np.asarray(order_truth, dtype=bool)
    total = int(truth.sum())
    if total == 0:
        return dict.fromkeys(("r_precision", "ndcg", "hit"), float("nan"))
    discount = 1.0 / np.log2(np.arange(2, depth + 2))
    gain = float((truth[:depth] * discount[: len(truth[:depth])]).sum())
    return {
        "r_precision": float(truth[:total].mean()),
        "ndcg": gain / float(discount[: min(total, depth)].sum()),
        "hit": float(truth[:depth].any()),
    }

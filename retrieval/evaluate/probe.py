"""The supervised baseline: a linear probe on the same vectors, which a user without labels cannot have.

Ridge regression on 0/1 labels, because its leave-one-out predictions come in closed form: they choose the
penalty and the thresholds without setting anything aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.evaluate.ranking import Bools, Floats, best_threshold

PENALTIES = np.logspace(-4, 1, 11)  # in units of the mean variance of a direction


@dataclass(frozen=True)
class Probe:
    """One linear score a class.

    Attributes
    ----------
    weights, offset
        Shapes (d, k) and (k,).
    thresholds
        Per class, the threshold of the best F1 of the leave-one-out predictions, shape (k,).
    """

    weights: Floats
    offset: Floats
    thresholds: Floats

    def scores(self, vectors: NDArray[np.floating]) -> Floats:
        """Scores of rows, shape (n, k); near 1 for members of a class, near 0 for others."""
        return np.asarray(vectors @ self.weights + self.offset)


def fit_probe(vectors: NDArray[np.floating], labels: Bools) -> Probe:
    """Fit a probe, its penalty and its thresholds.

    Parameters
    ----------
    vectors, labels
        Shapes (n, d) and (n, k), n at least 2.
    """
    scale = max(float(np.var(vectors, axis=0).sum()) * len(vectors) / vectors.shape[1], 1e-12)
    weights, offset, left_out = ridge(vectors, labels, PENALTIES * scale)
    columns = zip(left_out.T, labels.T, strict=True)
    thresholds = np.array([best_threshold(scores, truth)[0] for scores, truth in columns])
    return Probe(weights, offset, thresholds)


def ridge(
    vectors: NDArray[np.floating], labels: Bools, penalties: NDArray[np.floating]
) -> tuple[Floats, Floats, Floats]:
    """Ridge regression with a free offset, by the penalty of the least squared leave-one-out error.

    The residual of a row that was left out is e_i / (1 - h_i), with the diagonal h of the hat matrix
    (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, section 7.10).

    Parameters
    ----------
    vectors, labels
        Shapes (n, d) and (n, k).
    penalties
        Candidates, added to the squared length of each direction over all rows.

    Returns
    -------
    weights, offset, left_out
        Shapes (d, k) and (k,); what the other rows predict for each row, shape (n, k).
    """
    x, y = np.asarray(vectors, dtype=float), np.asarray(labels, dtype=float)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    strength, axes = np.linalg.eigh((x - x_mean).T @ (x - x_mean))
    turned = (x - x_mean) @ axes
    pull = turned.T @ (y - y_mean)
    best_error, best = np.inf, (pull, y)
    for penalty in penalties:
        shrink = 1.0 / (np.maximum(strength, 0.0) + penalty)
        fitted = turned @ (pull * shrink[:, None])
        hat = 1.0 / len(x) + turned**2 @ shrink
        residual = (y - y_mean - fitted) / np.maximum(1.0 - hat, 1e-9)[:, None]
        error = float((residual**2).mean())
        if error < best_error:
            best_error, best = error, (pull * shrink[:, None], y - residual)
    weights = axes @ best[0]
    return weights, y_mean - x_mean @ weights, best[1]


def cross_fitted(
    vectors: NDArray[np.floating], labels: Bools, folds: NDArray[np.int64]
) -> tuple[Floats, Bools]:
    """Scores and hits of each row by a probe that never saw the row's fold.

    Parameters
    ----------
    vectors, labels, folds
        Shapes (n, d), (n, k), (n,); at least two folds.

    Returns
    -------
    scores, hits
        Shapes (n, k).
    """
    scores = np.zeros(labels.shape)
    hits = np.zeros(labels.shape, dtype=bool)
    for fold in np.unique(folds):
        inside = folds == fold
        probe = fit_probe(vectors[~inside], labels[~inside])
        scores[inside] = probe.scores(vectors[inside])
        hits[inside] = scores[inside] >= probe.thresholds
    return scores, hits

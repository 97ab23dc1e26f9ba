"""Scores to probabilities and a threshold, without labels.

A score means little by itself: some tiles score high with every query, and some queries with every tile.
So a tile's score is compared with its *background*, what a bank of prompts of everything else scores on the
same tile. The difference, the margin, is the logarithm of a likelihood ratio as a contrastive model sees it.
A query is taken to be shown where its margin beats a fixed bar (nothing may be found) and stands out from
the bulk of tiles (a query that all tiles like a little finds none of them).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
_FACTORS = (0.8, 1.2)


@dataclass(frozen=True)
class Calibrated:
    """Probabilities of one query.

    Attributes
    ----------
    probability
        Per tile, how likely it shows what was asked, shape (n,).
    threshold
        Probability from which a tile counts as a hit.
    method
        How both were found, in words.
    counts_at
        Hits at the threshold and at thresholds a fifth lower and higher.
    """

    probability: NDArray[np.float32]
    threshold: float
    method: str
    counts_at: dict[str, int]


def background(
    vectors: NDArray[np.float32], bank: NDArray[np.float32], logit_scale: float
) -> NDArray[np.float32]:
    """What a bank of background prompts scores on each tile: the log-mean-exp of scaled scores.

    Parameters
    ----------
    vectors
        Unit vectors of tiles, shape (n, d).
    bank
        Unit vectors of prompts, shape (b, d).
    logit_scale
        Factor from cosine to logit.

    Returns
    -------
    Shape (n,); zeros if the bank is empty.
    """
    if len(bank) == 0:
        return np.zeros(len(vectors), dtype=np.float32)
    logits = logit_scale * (vectors @ bank.T)
    top = logits.max(axis=1, initial=-np.inf, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(logits - top).mean(axis=1)), dtype=np.float32)


def calibrate(scores: NDArray[np.float32], background: NDArray[np.float32], logit_scale: float) -> Calibrated:
    """Turn the scores of one query on all tiles of an index into probabilities.

    Parameters
    ----------
    scores
        Cosine similarities, shape (n,).
    background
        What `background` gave for the same tiles, shape (n,).
    logit_scale
        Factor from cosine to logit.

    Returns
    -------
    Probabilities of shape (n,), a threshold of 0.5, and counts around it.
    """
    margin = logit_scale * np.asarray(scores, dtype=np.float64) - background
    probability = (1 / (1 + np.exp(-np.clip(margin - 1.0, -60, 60)))).astype(np.float32)
    return Calibrated(
        probability=probability,
        threshold=THRESHOLD,
        method="margin over background",
        counts_at=_counts(probability),
    )


def _counts(probability: NDArray[np.float32]) -> dict[str, int]:
    levels = sorted({THRESHOLD, *(factor * THRESHOLD for factor in _FACTORS)})
    return {f"{level:.2f}": int((probability >= level).sum()) for level in levels}

"""Scores to probabilities and a threshold, without labels.

An encoder trained with the sigmoid loss (Zhai et al. 2023) was taught the probability that a text is true of
a picture: sigmoid(scale * cosine + bias). That is used as it is, with half as the threshold. Nothing is
fitted, neither to a query nor to an index.

An encoder trained with the softmax loss has no bias: its score means something only beside other scores. Two
comparisons make it mean something, and a hit must pass both. *Across tiles* the bar lies 30 % of the way
down from the best tiles of the query to its low ones. *Across texts* the scaled score must be 1 nat above
the tile's background, what a bank of prompts of everything else scores on it.

``benchmarks/calibration.py`` holds both against mixtures, margins and competition between texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
LEAST_MARGIN = 1.0  # nats
CLOSE_SHARE = 0.3
BEST, LOW = 0.999, 0.1  # quantiles: one odd tile in a thousand must not set the bar
STEEPNESS = 2.0  # the best tiles get a probability of 1 / (1 + exp(-2)) = 0.88
_SENSITIVITY = 1.5  # counts are also given at odds so many times lower and higher: at 0.4 and 0.6 for 0.5


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
    empty
        Why nothing was found, in words; empty if something was.
    """

    probability: NDArray[np.float32]
    threshold: float
    method: str
    counts_at: dict[str, int]
    empty: str = ""


@dataclass(frozen=True)
class Spread:
    """Quantiles `LOW` and `BEST` of the logits of a query on all tiles of an index."""

    low: float
    best: float


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
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(logits - top).mean(axis=1)), dtype=np.float32)


def calibrate(
    scores: NDArray[np.floating],
    background: NDArray[np.floating],
    logit_scale: float,
    logit_bias: float | None = None,
) -> Calibrated:
    """Turn the scores of one query on all tiles of an index into probabilities.

    Parameters
    ----------
    scores
        Cosine similarities, shape (n,).
    background
        What the function `background` gave for the same tiles, shape (n,); of use without a bias only.
    logit_scale, logit_bias
        From cosine to log odds, as `EncoderManifest` has them; no bias for a model of the softmax loss.

    Returns
    -------
    Probabilities of shape (n,) that rise with the score; 0.5 as the threshold.
    """
    logits = log_odds(scores, background, logit_scale, logit_bias)
    if not len(logits):
        return Calibrated(np.zeros(0, np.float32), THRESHOLD, "no tiles", counts_around(logits), "no tiles")
    return calibrated(sigmoid(logits), method_of(logit_scale, logit_bias))


def method_of(logit_scale: float, logit_bias: float | None = None) -> str:
    """How `calibrate` finds probabilities and threshold, in words."""
    if logit_bias is None:
        return (
            f"score no more than {CLOSE_SHARE:.0%} of the way from the best tiles down to the low ones, and "
            f"{LEAST_MARGIN:g} above the background"
        )
    bar = -logit_bias / logit_scale
    return f"the encoder's own probability that the words are true; 0.5 is a score of {bar:.3f}"


def calibrated(probability: NDArray[np.floating], method: str, threshold: float = THRESHOLD) -> Calibrated:
    """Probabilities with their threshold, its method, and the counts around it."""
    values = np.asarray(probability, dtype=np.float32)
    best = float(values.max(initial=0.0))
    empty = (
        ""
        if best >= threshold
        else f"no tile reaches a probability of {threshold:g}; the best has {best:.2g}"
    )
    return Calibrated(values, threshold, method, counts_around(values, threshold), empty)


def nothing(count: int, why: str) -> Calibrated:
    """What a query gives that the encoder cannot answer: no tile has any probability, and why."""
    zeros = np.zeros(count, dtype=np.float32)
    return Calibrated(zeros, THRESHOLD, why, counts_around(zeros), why)


def counts_around(probability: NDArray[np.floating], threshold: float = THRESHOLD) -> dict[str, int]:
    """Hits at a threshold and at `levels_around` it."""
    return {level_name(level): int((probability >= level).sum()) for level in levels_around(threshold)}


def levels_around(threshold: float) -> tuple[float, float, float]:
    """A threshold, and to either side those of odds half as large again: 0.4 and 0.6 around 0.5.

    Odds and not probabilities, since a fifth less than 0.95 would be another question: a hundred times as
    many tiles may lie between.
    """
    low = threshold / (threshold + _SENSITIVITY * (1 - threshold))
    high = _SENSITIVITY * threshold / (_SENSITIVITY * threshold + 1 - threshold)
    return low, threshold, high


def level_name(level: float) -> str:
    """A probability in two digits, or in as many as tell it apart near 0 and 1."""
    return f"{level:.2f}" if 0.1 <= level <= 0.9 or level in (0.0, 1.0) else f"{level:.4g}"


def log_odds(
    scores: NDArray[np.floating],
    background: NDArray[np.floating],
    logit_scale: float,
    logit_bias: float | None = None,
    spread: Spread | None = None,
) -> NDArray[np.float64]:
    """The log odds behind the probabilities of `calibrate`, shape (n,).

    Parameters
    ----------
    spread
        Of the logits of all rows where these are some of them; that of the scores given if None.
    """
    logits = logit_scale * np.asarray(scores, dtype=np.float64)
    if logit_bias is not None:
        return logits + logit_bias
    if not len(logits):
        return logits
    if spread is None:
        spread = Spread(*np.quantile(logits, [LOW, BEST]).tolist())
    above_bar = (logits - spread.best) / reach_of(spread) + 1.0
    above_background = logits - np.asarray(background, dtype=np.float64) - LEAST_MARGIN
    return np.asarray(STEEPNESS * np.minimum(above_bar, above_background))


def reach_of(spread: Spread) -> float:
    """How far below the best tiles of a query the bar lies, in logits."""
    return max(CLOSE_SHARE * (spread.best - spread.low), 1e-6)


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0))), dtype=np.float64)

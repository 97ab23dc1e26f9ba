"""Intervals that know geography: neighbouring tiles are alike, so whole blocks of a planet are drawn.

Resampling tiles one by one would promise too much. All figures of one evaluation share the same draws, so
that means over landforms, and differences between methods, have intervals too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.evaluate.ranking import Floats, average_precision

_MOST_CELLS = 30_000_000  # numbers in one array of the fast way: 120 MB


@dataclass(frozen=True)
class Draws:
    """Blocks drawn with replacement.

    Attributes
    ----------
    block
        Block of each row, 0..b-1, shape (n,).
    times
        How often each block was drawn in each resample, float32, shape (resamples, b).
    """

    block: NDArray[np.int64]
    times: NDArray[np.float32]


def draw_blocks(blocks: ArrayLike, resamples: int, seed: int) -> Draws:
    """Draw as many blocks as there are, with replacement, ``resamples`` times.

    Parameters
    ----------
    blocks
        Name of the block of each row, shape (n,).
    """
    names, block = np.unique(np.asarray(blocks), return_inverse=True)
    rng = np.random.default_rng(seed)
    times = np.zeros((resamples, len(names)), dtype=np.float32)
    for row in times if len(names) else ():
        row += np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    return Draws(block.reshape(-1), times)


def resampled_average_precision(scores: ArrayLike, positive: ArrayLike, draws: Draws) -> Floats:
    """Average precision of each resample, shape (resamples,); NaN where no positive was drawn.

    Only cuts that hold a positive add to the sum. How many rows and positives each block has above each of
    these cuts is counted once; a resample is then a matrix product.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if not truth.any():
        return np.full(len(draws.times), np.nan)
    cuts = -np.unique(-values[truth])  # highest first
    count, blocks = len(cuts), draws.times.shape[1]
    if max(blocks, len(draws.times)) * count > _MOST_CELLS:
        weights = (times[draws.block] for times in draws.times)
        return np.array([average_precision(values, truth, weight) for weight in weights])
    # The first cut at or below each row's score; rows below all cuts fall into a last column.
    column = np.searchsorted(-cuts, -values, side="left")
    cell = draws.block * (count + 1) + column
    above = _up_to(np.bincount(cell, minlength=blocks * (count + 1)), blocks)
    right = _up_to(np.bincount(cell[truth], minlength=blocks * (count + 1)), blocks)
    found, hits = draws.times @ above, draws.times @ right
    gained = np.diff(hits, axis=1, prepend=np.float32(0))
    with np.errstate(invalid="ignore"):
        total = np.where(hits[:, -1] > 0, hits[:, -1], np.nan).astype(float)
    return np.asarray((gained * (hits / np.maximum(found, 1))).sum(axis=1) / total)


def resampled_f1(predicted: ArrayLike, positive: ArrayLike, draws: Draws) -> Floats:
    """F1 of each resample, shape (resamples,); NaN where no positive was drawn."""
    said, truth = np.asarray(predicted, dtype=bool), np.asarray(positive, dtype=bool)
    blocks = draws.times.shape[1]
    sums = np.stack(
        [np.bincount(draws.block, weights=row, minlength=blocks) for row in (said & truth, said, truth)], -1
    )
    both, found, there = (draws.times @ sums.astype(np.float32)).astype(float).T
    return np.where(there > 0, 2.0 * both / np.maximum(found + there, 1.0), np.nan)


def interval(resampled: ArrayLike) -> tuple[float, float]:
    """The middle 95 % of resampled figures, NaN ones left out; NaN, NaN without any."""
    values = np.asarray(resampled, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def average_precision_interval(
    scores: ArrayLike, positive: ArrayLike, blocks: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """``ap``, ``prevalence``, ``ratio`` = ap / prevalence, and their 95 % intervals by drawing blocks.

    Parameters
    ----------
    blocks
        Name of the block of each row, shape (n,).
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    draws = draw_blocks(blocks, resamples, seed)
    ap, prevalence = average_precision(values, truth), float(truth.mean()) if len(truth) else float("nan")
    drawn = resampled_average_precision(values, truth, draws)
    sizes = np.bincount(draws.block, minlength=draws.times.shape[1])
    held = np.bincount(draws.block, weights=truth, minlength=draws.times.shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = drawn / ((draws.times @ held) / (draws.times @ sizes))
    low, high = interval(drawn)
    ratio_low, ratio_high = interval(ratios)
    return {
        "ap": ap,
        "ap_low": low,
        "ap_high": high,
        "prevalence": prevalence,
        "ratio": ap / prevalence if prevalence else float("nan"),
        "ratio_low": ratio_low,
        "ratio_high": ratio_high,
    }


def _up_to(counts: NDArray[np.int64], blocks: int) -> NDArray[np.float32]:
    # Per block and cut, what lies at or above the cut; the column below all cuts is dropped.
    return np.asarray(counts.reshape(blocks, -1)[:, :-1].cumsum(axis=1), dtype=np.float32)

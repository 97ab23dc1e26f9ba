"""From scores to hits: the rows whose probability reaches a threshold, without the probabilities of all.

A probability rises with the score, so a threshold is a bar on the cosine. Rows somewhat below the bar are
looked at as well, and what `retrieval.calibrate` says of exactly these decides: the hits are those of the
probabilities of all rows, to the last one.

With a sigmoid encoder the bar is known beforehand. With a softmax encoder it depends on how the scores of the
query are spread over the index; these quantiles are taken without sorting, and are those of all rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import (
    BEST,
    LOW,
    STEEPNESS,
    THRESHOLD,
    Spread,
    counts_around,
    log_odds,
    reach_of,
    sigmoid,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SLACK = 1e-6  # of a probability, far more than rounding to single precision takes away
_SCORE_SLACK = 1e-5  # of a cosine, far more than the arithmetic of bars and scores may differ by
_SURE = 60.0  # log odds beyond which probabilities do not change any more (`calibrate.sigmoid`)
_SAMPLE = 16_384  # scores that tell where a quantile lies
_FEW = 262_144  # scores of which order statistics are taken by partition


@dataclass(frozen=True)
class Hits:
    """Rows that reach a threshold, the most probable first; equal ones by score, then in row order.

    Attributes
    ----------
    rows, scores, probability
        Shape (m,); probabilities are single precision numbers.
    threshold
        Probability from which a row is one.
    method
        How the threshold was chosen, in words.
    counts_at
        Hits at the threshold and around it, as `retrieval.calibrate.counts_around` gives them.
    best_score, best_probability
        Of the whole index.
    """

    rows: Ints
    scores: Floats
    probability: Floats
    threshold: float
    method: str
    counts_at: dict[str, int]
    best_score: float
    best_probability: float

    @property
    def record(self) -> dict[str, Any]:
        """What a layer's provenance keeps of the threshold."""
        return {
            "threshold": self.threshold,
            "threshold_method": self.method,
            "counts_at": dict(self.counts_at),
        }


def score_bar(lowest: float, logit_scale: float, logit_bias: float | None, spread: Spread | None) -> float:
    """Cosine that no row with a probability of ``lowest`` or more stays below.

    Parameters
    ----------
    spread
        Of the logits of all rows (`retrieval.calibrate.spread_of`); of use without a bias only.
    """
    probability = lowest * (1.0 - _SLACK)
    odds = math.log(probability / (1.0 - probability)) if probability > 0 else -math.inf
    if odds <= -_SURE:
        return -2.0
    if logit_bias is not None:
        logit = odds - logit_bias
    elif spread is not None:
        logit = spread.best + (odds / STEEPNESS - 1.0) * reach_of(spread)
    else:
        raise ValueError("without a bias the bar depends on the spread of the scores")
    return logit / logit_scale - _SCORE_SLACK


def first_hits(
    rows: Ints,
    scores: NDArray[np.float32],
    odds: Floats,
    threshold: float,
) -> tuple[Ints, Floats, Floats, NDArray[np.float32]]:
    """Of candidate rows, ascending, those that reach a threshold, best first.

    Returns
    -------
    Rows, scores and probabilities of the hits, (m,) each; the probabilities of all candidates.
    """
    every = sigmoid(odds).astype(np.float32)
    held = np.flatnonzero(every.astype(np.float64) >= threshold)
    exact, probability = scores[held].astype(np.float64), every[held].astype(np.float64)
    order = best_order(probability, exact)
    return rows[held[order]], exact[order], probability[order], every


def best_order(probability: Floats, scores: Floats) -> Ints:
    """Order of rows by falling probability; equal ones by falling score, then as they come."""
    by_score = np.argsort(-scores, kind="stable")
    sorted_probability = probability[by_score]
    if (sorted_probability[1:] <= sorted_probability[:-1]).all():  # it rises with the score
        return by_score
    return np.asarray(by_score[np.argsort(-sorted_probability, kind="stable")])


def spread_of(scores: NDArray[np.float32], logit_scale: float) -> Spread:
    """Low and best quantile of the logits of all rows, to the last bit as `numpy.quantile` gives them."""
    places = [(len(scores) - 1) * quantile for quantile in (LOW, BEST)]
    found = []
    for place in places:
        below = math.floor(place)
        low, high = order_statistics(scores, below, min(below + 1, len(scores) - 1))
        found.append(_between(logit_scale * low, logit_scale * high, place - below))
    return Spread(*found)


def order_statistics(values: NDArray[np.float32], first: int, last: int) -> tuple[float, float]:
    """The values that would stand at two neighbouring places if all were sorted, (n,) in any order.

    A sample tells between which values they lie; only what lies there is sorted.
    """
    places = sorted({first, last})
    if len(values) > _FEW:
        sample = np.sort(values[:: max(1, len(values) // _SAMPLE)])
        share = len(sample) / len(values)
        margin = 16 + 5 * math.sqrt(max(1.0, first * share * (1.0 - first / len(values))))
        low, high = int(first * share - margin), int(last * share + margin)
        above = values >= sample[low] if low > 0 else np.ones(len(values), dtype=bool)
        inside = values[above & (values <= sample[high])] if high < len(sample) else values[above]
        skipped = len(values) - int(np.count_nonzero(above))
        if skipped <= first and last < skipped + len(inside):
            values, places = inside, [place - skipped for place in places]
    ordered = np.partition(values, places)
    return float(ordered[places[0]]), float(ordered[places[-1]])


def hits_of_all(
    probability: NDArray[np.float32],
    scores: NDArray[np.floating],
    given: float | None,
    method: str,
) -> Hits:
    """Hits from the probabilities of all rows, (n,): where nearly all of them are wanted."""
    threshold = THRESHOLD if given is None else given
    exact = np.asarray(scores, dtype=np.float64)
    every = probability.astype(np.float64)
    held = np.flatnonzero(every >= threshold)
    rows = held[best_order(every[held], exact[held])]
    return Hits(
        rows,
        exact[rows],
        every[rows],
        threshold,
        method if given is None else "given in the call",
        counts_around(probability, threshold),
        float(exact.max(initial=-1.0)),
        float(every.max(initial=0.0)),
    )


def candidates_odds(
    rows: Ints,
    scores: NDArray[np.float32],
    background: NDArray[np.float32],
    logit_scale: float,
    logit_bias: float | None,
    spread: Spread | None,
) -> Floats:
    """Log odds of some rows, as `retrieval.calibrate.log_odds` gives them for all."""
    of_rows = np.zeros(0, dtype=np.float32) if logit_bias is not None else np.asarray(background[rows])
    return log_odds(scores, of_rows, logit_scale, logit_bias, spread)


def lowest_of(levels: Sequence[float]) -> float:
    """The least of some thresholds as single precision compares with it."""
    return float(np.float32(min(levels)))


def _between(low: float, high: float, share: float) -> float:
    # As numpy interpolates: from the nearer end, so that it rises with the share.
    step = high - low
    return high - step * (1.0 - share) if share >= 0.5 else low + step * share

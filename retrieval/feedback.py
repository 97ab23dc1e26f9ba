"""What a user's verdicts on a few tiles teach about a query.

The score of words is a prior: an expert who accepts five tiles and rejects five corrects it, and must not
overthrow it. `learn` is a logistic regression on the vectors of the judged tiles whose offset is the log odds
of the words; `rocchio`, the classic of relevance feedback, moves the query itself.

People judge the tiles they are shown, mostly the surest, and look for wrong ones: how many they accept says
nothing of how many there are. So the shift of a correction is fitted and thrown away, as in a case-control
study, and `keep_count` leaves as many hits as there were. A shift that was kept cost half of the F1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import sigmoid

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

# Prior standard deviations in log odds: of the change per unit of vector, chosen on a development planet
# (benchmarks/feedback.py), and of the shift, wide because it is thrown away. Tiles picked from the surest are
# alike: beyond TELLING of them the first is narrowed, so that many verdicts do not outweigh the words.
SLOPE_SD = 2.0
SHIFT_SD = 5.0
TELLING = 10
_STEPS, _CLOSE = 100, 1e-9


def learn(
    vectors: Vectors,
    accepted: NDArray[np.bool_],
    prior: Floats,
    mean: Vectors,
    *,
    slope_sd: float | None = None,
    shift_sd: float = SHIFT_SD,
) -> Floats:
    """The direction in which judged tiles correct the log odds of a query: ``direction @ x`` is added.

    The most probable correction under a Gaussian prior, found by Newton's method in the space of the judged
    tiles (Rasmussen and Williams 2006, algorithm 3.1): few tiles, many dimensions.

    Parameters
    ----------
    vectors
        Unit vectors of the judged tiles, shape (m, d).
    accepted
        Which of them show what was asked, shape (m,).
    prior
        Their log odds before, shape (m,).
    mean
        Mean vector of the index, shape (d,): a correction should not push all tiles the same way.
    slope_sd, shift_sd
        Prior standard deviations of the change per unit of vector (None: by the number of verdicts) and of
        the shift.

    Returns
    -------
    Shape (d,); zeros if nothing was judged.
    """
    if len(vectors) == 0:
        return np.zeros(len(mean))
    if slope_sd is None:
        slope_sd = SLOPE_SD * min(1.0, (TELLING / len(vectors)) ** 0.5)
    centred = vectors.astype(np.float64) - mean.astype(np.float64)
    truth = np.asarray(accepted, dtype=np.float64)
    kernel = slope_sd**2 * centred @ centred.T + shift_sd**2
    logits, pull = np.array(prior, dtype=np.float64), np.zeros(len(truth))
    for _ in range(_STEPS):
        chance = sigmoid(logits)
        spread = np.sqrt(np.maximum(chance * (1.0 - chance), 1e-12))
        target = spread**2 * (logits - prior) + truth - chance
        inner = np.eye(len(truth)) + spread[:, None] * kernel * spread
        new = target - spread * np.linalg.solve(inner, spread * (kernel @ target))
        # Half steps: full ones may swing for ever where the prior was far off.
        pull = new if _ == 0 else 0.5 * (pull + new)
        before, logits = logits, prior + kernel @ pull
        if np.abs(logits - before).max() < _CLOSE:
            break
    return np.asarray(slope_sd**2 * (pull @ centred))


def keep_count(log_odds: Floats, count: int) -> Floats:
    """Shift log odds, shape (n,), so that ``count`` of them are at least 0; equal ones count together."""
    if not 0 < count <= len(log_odds):
        return log_odds - log_odds.max(initial=0.0) - 1.0 if count == 0 else log_odds
    return np.asarray(log_odds - np.partition(log_odds, len(log_odds) - count)[len(log_odds) - count])


def rocchio(
    query: Vectors, accepted: Vectors, rejected: Vectors, *, examples: float = 0.5
) -> NDArray[np.float32]:
    """Move a query towards the accepted vectors and away from the rejected ones (Rocchio 1971).

    Parameters
    ----------
    query
        Unit vector, shape (d,).
    accepted, rejected
        Unit vectors, shapes (a, d) and (r, d); either may be empty.
    examples
        Weight of the examples beside the query, 0..1.

    Returns
    -------
    Unit vector of (1 - examples) query + examples unit(2 mean(accepted) - mean(rejected)); the query if
    nothing was judged.
    """
    drift = np.zeros(len(query), dtype=np.float64)
    if len(accepted):
        drift += 2.0 * accepted.mean(axis=0)
    if len(rejected):
        drift -= rejected.mean(axis=0)
    return unit((1.0 - examples) * query + examples * unit(drift)) if drift.any() else unit(query)


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    """The vector at length 1; a zero vector stays zero."""
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), dtype=np.float32)

"""What a user's verdicts on a few tiles teach about a query.

The score of words is a prior: an expert who accepts five tiles and rejects five corrects it, and must not
overthrow it. Ten verdicts say little of a direction in hundreds of dimensions, so the index helps: of most
tiles the words are sure, and these are taken at their word (self-training, Yarowsky 1995), which sets the
order of those between. But the sure tiles are many and hold a vague query where it is ("craters", of which
the user wants the fresh ones), so `correct` gives the verdicts the last word. `rocchio`, the classic of
relevance feedback, moves the query itself.

People judge the tiles they are shown, mostly the surest, and look for wrong ones: how many they accept says
nothing of how many there are. So the shift of a correction is fitted and thrown away, as in a case-control
study, and `keep_count` leaves as many hits as there were. A shift that was kept cost half of the F1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from retrieval.calibrate import sigmoid

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]

# Prior standard deviations in log odds: of the change per unit of vector, and of the shift, wide because it
# is thrown away. Judged tiles picked from the surest are alike: beyond TELLING of them the first is narrowed,
# so that many verdicts do not outweigh the words. Tiles beyond SURE, a probability of 0.27 or 0.73, are taken
# at their word; those below FAINTEST are so far off that they teach nothing. Chosen on a development planet,
# for words, synonyms and vague words, and seen to hold on another (benchmarks/feedback.py).
SLOPE_SD = 2.0
SHIFT_SD = 5.0
TELLING = 10
SURE = 1.0
FAINTEST = -6.0
MOST_SURE = 10_000  # more of them cost time and teach nothing new


def correct(
    log_odds: Floats,
    judged: Rows,
    accepted: Bools,
    vectors: Callable[[Rows], Vectors],
    rng: np.random.Generator,
) -> Floats:
    """The direction in which verdicts, and the tiles that the words are sure of, correct the log odds of a
    query: ``direction @ x`` is added to them.

    Parameters
    ----------
    log_odds
        Of every tile, by the words, shape (n,).
    judged, accepted
        Rows of the judged tiles, each once, and their verdicts, shape (m,); m may be 0.
    vectors
        Gives the unit vectors of rows, shape (rows, d).
    rng
        Draws MOST_SURE of the sure tiles where there are more.

    Returns
    -------
    Shape (d,).
    """
    rows, shows = lessons(log_odds, judged, accepted, rng)
    seen = vectors(rows)
    slope_sd = SLOPE_SD * min(1.0, (TELLING / max(len(judged), 1)) ** 0.5)
    # A hundred small products: several BLAS threads wait for each other where a browser draws meanwhile.
    with threadpool_limits(1, "blas"):
        straight = learn(seen, shows, log_odds[rows])
        own = seen[len(seen) - len(judged) :]
        before = log_odds[judged] + (own - seen.mean(axis=0)) @ straight if len(judged) else log_odds[judged]
        return straight + learn(own, accepted, before, slope_sd=slope_sd)


def lessons(log_odds: Floats, judged: Rows, accepted: Bools, rng: np.random.Generator) -> tuple[Rows, Bools]:
    """The tiles that the words are sure of, taken at their word, and the judged ones with their verdicts.

    Returns
    -------
    Rows, and which of them show what was asked; the judged ones last. Parameters are those of `correct`.
    """
    sure = np.flatnonzero((np.abs(log_odds) >= SURE) & (log_odds >= FAINTEST))
    sure = np.setdiff1d(sure, judged)
    if len(sure) > MOST_SURE:
        sure = np.sort(rng.choice(sure, MOST_SURE, replace=False))
    return np.concatenate([sure, judged]), np.concatenate([log_odds[sure] >= 0, accepted])


def learn(
    vectors: Vectors | Floats,
    shows: Bools,
    prior: Floats,
    *,
    slope_sd: float = SLOPE_SD,
    shift_sd: float = SHIFT_SD,
) -> Floats:
    """The direction in which tiles correct the log odds of a query: ``direction @ x`` is added.

    The most probable correction under a Gaussian prior on slope and shift: a logistic regression with an
    offset (Bishop 2006, *Pattern Recognition and Machine Learning*, section 4.5.1), whose optimum is unique.

    Parameters
    ----------
    vectors
        Vectors of tiles, shape (m, d).
    shows
        Which of them show what was asked, shape (m,).
    prior
        Their log odds before, shape (m,).
    slope_sd, shift_sd
        Prior standard deviations of the change per unit of vector and of the shift.

    Returns
    -------
    Shape (d,); zeros without tiles.
    """
    size = vectors.shape[1]
    if not len(vectors):
        return np.zeros(size)
    centred = np.asarray(vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    sign = np.where(shows, 1.0, -1.0)

    # The slope and, last, the shift, in units of their standard deviations, where the prior is a unit ball.
    def forth(step: Floats) -> Floats:
        return np.asarray(slope_sd * (centred @ step[:-1]) + shift_sd * step[-1])

    # Loss, slope and bend are asked for at the same step, the bend in many directions.
    last: list[Floats] = []

    def logits(step: Floats) -> Floats:
        if not last or not np.array_equal(last[0], step):
            last[:] = [step.copy(), prior + forth(step)]
        return last[1]

    def back(weights: Floats) -> Floats:
        return np.append(slope_sd * (weights @ centred), shift_sd * weights.sum())

    def loss(step: Floats) -> float:
        return float(np.logaddexp(0.0, -sign * logits(step)).sum() + 0.5 * step @ step)

    def slope(step: Floats) -> Floats:
        return back(-sign * sigmoid(-sign * logits(step))) + step

    def bend(step: Floats, along: Floats) -> Floats:
        chance = sigmoid(logits(step))
        return back(chance * (1.0 - chance) * forth(along)) + along

    # Newton's steps end so near the one optimum that another machine's rounding keeps the same tiles.
    start = np.zeros(size + 1)
    found = minimize(loss, start, jac=slope, hessp=bend, method="Newton-CG", options={"xtol": 1e-9})
    return np.asarray(slope_sd * found.x[:-1])


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

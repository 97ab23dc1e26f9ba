"""Two samples of a value: by how much they differ, how surely, and when that cannot be said.

The effect is the difference of medians, in the unit of the values, and the superiority: the chance that a
row of A is higher than one of B. Rows of one cluster are one piece of evidence, here and in p.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import GeometryError
from retrieval.spatial.nulls import Shifts, superposed
from retrieval.spatial.observed import Observed
from retrieval.spatial.verdicts import rank_p, said_p
from retrieval.stop import check_stop, in_pieces

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST_CLUSTERS = 5
LEAST_RETAINED = 0.2
LARGE = 0.71  # a superiority that is a large difference (Vargha & Delaney 2000)
GROUND = 20_000  # places of the observed ground that a layer is compared with
GROUND_QUANTILES = 1000  # stand for the ground where rows are resampled: it is known well
RESAMPLES = 999
MOST_DRAWN, FEWEST_RESAMPLES = 20_000_000, 499  # rows times resamples: two seconds
BLOCK = 4_000_000  # numbers of a matrix held at a time


@dataclass(frozen=True)
class Difference:
    """How A differs from B. Intervals are of 95 % when ``alpha`` is 0.05; NaN where nothing can be said.

    Attributes
    ----------
    median_a, median_b, difference, low, high
        Medians, and that of A less that of B with its interval, unit of the values.
    superiority, superiority_low, superiority_high
        P(a > b) + P(a = b) / 2 and its interval; 0.5 when both are alike.
    p_value
        Two-sided.
    n_a, n_b, clusters_a, clusters_b
        Rows of known value, and independent clusters (or what the rows are worth in independent ones).
    verdict, reason
        The answer and a sentence that gives its ground.
    """

    median_a: float
    median_b: float
    difference: float
    low: float
    high: float
    superiority: float
    superiority_low: float
    superiority_high: float
    p_value: float
    n_a: int
    n_b: int
    clusters_a: int
    clusters_b: int
    verdict: Literal["higher", "lower", "no difference", "cannot tell"]
    reason: str


def compare(
    a: ArrayLike,
    b: ArrayLike,
    clusters_a: ArrayLike,
    clusters_b: ArrayLike,
    *,
    resamples: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> Difference:
    """Compare two samples of clustered rows.

    Intervals are percentiles of a bootstrap of whole clusters; p is of a permutation of whole clusters
    between the samples, of the difference of mean ranks over its error (studentised, so that clusters of
    different sizes or spreads in A and B do not pass for a difference; Janssen 1997).

    Parameters
    ----------
    a, b
        Values, (n_a,) and (n_b,); NaN are left out.
    clusters_a, clusters_b
        Cluster of each row. Clusters of A and B are different ones, whatever their labels.
    resamples
        Resamples of each kind. Fewer are made, at least 499, when rows times resamples exceed twenty million.
    alpha
        Level of the test and of the intervals.
    seed
        Seed of the resamples.

    Raises
    ------
    GeometryError
        If the lengths do not fit, or the level or number of resamples cannot be used.
    """
    first, label_a = _known(a, clusters_a, "A")
    second, label_b = _known(b, clusters_b, "B")
    _check(alpha, resamples)
    groups = (int(label_a.max(initial=-1)) + 1, int(label_b.max(initial=-1)) + 1)
    why_not = ""
    for name, values, number in (("A", first, groups[0]), ("B", second, groups[1])):
        if not len(values):
            why_not = why_not or f"{name} is empty"
        elif number < FEWEST_CLUSTERS:
            why_not = why_not or f"{name} has {number} independent clusters, fewer than {FEWEST_CLUSTERS}"
    if not len(first) or not len(second):
        return _nothing(first, second, groups, why_not)
    rng = np.random.default_rng(seed)
    resamples = min(resamples, max(FEWEST_RESAMPLES, MOST_DRAWN // (len(first) + len(second))))
    at = _Pooled(first, second)
    superiority, medians = at.superiority(), (float(np.median(first)), float(np.median(second)))
    draws = np.empty((resamples, 2))
    for resample in range(resamples):
        check_stop()
        weight_a = rng.multinomial(groups[0], np.full(groups[0], 1 / groups[0]))[label_a]
        weight_b = rng.multinomial(groups[1], np.full(groups[1], 1 / groups[1]))[label_b]
        draws[resample] = at.weighted(weight_a.astype(float), weight_b.astype(float))
    low, high = np.quantile(draws[:, 0], [alpha / 2, 1 - alpha / 2])
    low_m, high_m = np.quantile(draws[:, 1], [alpha / 2, 1 - alpha / 2])
    p_value = _permuted(at, label_a, label_b, groups, resamples, rng) if not why_not else float("nan")
    return _judged(
        medians,
        (low_m, high_m),
        superiority,
        (low, high),
        p_value,
        alpha,
        len(first),
        len(second),
        groups,
        why_not,
    )


def against_observed(
    values: ArrayLike,
    at: Callable[[Floats], Floats],
    observed: Observed,
    shifts: Shifts,
    *,
    clusters: ArrayLike | None = None,
    alpha: float = 0.05,
    seed: int = 0,
) -> Difference:
    """Compare the values of a layer with those of the ground observed: is it higher, or farther north?

    P comes from the shifts, never from the number of rows; they must not keep what is tested (for latitude
    use the null ``rotation``). Intervals are the test turned around. That of the medians is then too narrow
    for values of two peaks, such as the latitudes of two belts: with ``clusters`` it is the bootstrap's.

    Parameters
    ----------
    values
        Value of each row, (n,), the rows of ``shifts``; NaN are left out.
    at
        Gives the value at positions (..., 2) in degrees, of shape (...); NaN where it is not known.
    observed
        Where was looked; B is the value at 20,000 places of it.
    shifts
        The layer moved by a null model.
    clusters
        Cluster of each row, (n,), to resample for the interval of the difference of medians.
    alpha
        Level of the test and of the intervals.
    seed
        Seed of the places.

    Raises
    ------
    GeometryError
        If the rows of the shifts are others or the level cannot be used.
    """
    own = np.asarray(values, dtype=float).reshape(-1)
    count, rows = shifts.kept.shape
    _check(alpha, count)
    if rows != len(own):
        raise GeometryError(f"{len(own)} values for shifts of {rows} rows", allowed="one for each row")
    known = np.isfinite(own)
    if not known.any() or not len(observed.cells):
        why_not = "A is empty" if not known.any() else "nothing was observed"
        return _nothing(own[known], np.zeros(0), (0, 0), why_not)
    ground = np.asarray(at(observed.sample(GROUND, np.random.default_rng(seed))), dtype=float)
    ground = np.sort(ground[np.isfinite(ground)])
    if not len(ground):
        return _nothing(own[known], ground, (0, 0), "the value is known nowhere on the ground observed")
    moved = np.asarray(at(shifts.lonlat[:, known]), dtype=float)
    table = np.concatenate([own[known][None], moved])
    kept = np.concatenate([np.ones((1, int(known.sum())), dtype=bool), shifts.kept[:, known]])
    kept &= np.isfinite(table)
    number = kept.sum(axis=1).astype(float)
    # Place of each value among the ground's, less what that row has on average over the shifts.
    place = np.where(kept, _placed(np.nan_to_num(table), ground), 0.0)
    place -= kept * (place.sum(axis=0) / kept.sum(axis=0))
    rng = np.random.default_rng(seed)
    rows_known = int(known.sum())
    check_stop()
    joint, sums = superposed(number[1:].astype(np.int64), rows_known, rng, place[1:].sum(axis=1))
    statistic = np.append(place[0].sum(), sums) / np.sqrt(
        np.append(float(rows_known), np.maximum(joint, 1.0))
    )
    # The variance of a place among the ground's is 1/12.
    worth = rows_known / max(1.0, 12.0 * float((statistic**2).mean()))
    retained = float(np.median(number[1:] / rows_known))
    why_not = ""
    if worth < FEWEST_CLUSTERS:
        why_not = f"the rows are worth {worth:.1f} independent ones, fewer than {FEWEST_CLUSTERS}"
    elif retained < LEAST_RETAINED:
        why_not = f"only {100 * retained:.0f} % of the rows fall on observed ground when moved"
    superiority = float(_placed(own[known], ground).mean())
    median_a, median_b = float(np.median(own[known])), float(np.median(ground))
    lower, upper = np.quantile(statistic, [alpha / 2, 1 - alpha / 2]) / np.sqrt(rows_known)
    some = np.flatnonzero(number > 0)
    check_stop()
    middle = np.array([float(np.median(table[shift, kept[shift]])) for shift in some]) - median_b
    middle *= np.sqrt(number[some] / rows_known)
    low, high = np.quantile(middle, [alpha / 2, 1 - alpha / 2])
    difference = median_a - median_b
    low, high = difference - high, difference - low
    if clusters is not None:
        some_ground = np.quantile(ground, (np.arange(GROUND_QUANTILES) + 0.5) / GROUND_QUANTILES)
        resampled = compare(
            own, some_ground, clusters, range(GROUND_QUANTILES), resamples=RESAMPLES, alpha=alpha, seed=seed
        )
        low, high = resampled.low, resampled.high
    return _judged(
        (median_a, median_b),
        (low, high),
        superiority,
        (max(0.0, superiority - upper), min(1.0, superiority - lower)),
        rank_p(statistic),
        alpha,
        rows_known,
        len(ground),
        (round(worth), len(ground)),
        why_not,
    )


class _Pooled:
    """Both samples in one order, for resampling by weights without sorting again."""

    def __init__(self, a: Floats, b: Floats) -> None:
        values, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        self.values = values
        self.place_a, self.place_b = np.split(place.reshape(-1), [len(a)])

    def counts(self, weight_a: Floats | None = None, weight_b: Floats | None = None) -> tuple[Floats, Floats]:
        size = len(self.values)
        return (
            np.bincount(self.place_a, weight_a, size).astype(float),
            np.bincount(self.place_b, weight_b, size).astype(float),
        )

    def superiority(self) -> float:
        a, b = self.counts()
        return float((a * (np.cumsum(b) - b / 2)).sum() / (a.sum() * b.sum()))

    def weighted(self, weight_a: Floats, weight_b: Floats) -> tuple[float, float]:
        """Superiority and difference of medians of a resample."""
        a, b = self.counts(weight_a, weight_b)
        below_a, below_b = np.cumsum(a), np.cumsum(b)
        superiority = float((a * (below_b - b / 2)).sum() / (below_a[-1] * below_b[-1]))
        return superiority, self._median(below_a) - self._median(below_b)

    def _median(self, below: Floats) -> float:
        # Of an even number, the mean of both in the middle, as `numpy.median` takes it.
        half = below[-1] / 2
        first, second = np.searchsorted(below, half), np.searchsorted(below, half, side="right")
        return float(self.values[first] + self.values[min(second, len(below) - 1)]) / 2

    def ranks(self) -> tuple[Floats, Floats]:
        """Place of each row among all, -0.5..0.5."""
        a, b = self.counts()
        both = a + b
        place = (np.cumsum(both) - both / 2) / both.sum() - 0.5
        return place[self.place_a], place[self.place_b]


def _permuted(
    at: _Pooled, label_a: Ints, label_b: Ints, groups: tuple[int, int], resamples: int, rng: Generator
) -> float:
    """P of the studentised difference of mean ranks when clusters change sides."""
    rank_a, rank_b = at.ranks()
    total = np.concatenate([np.bincount(label_a, rank_a), np.bincount(label_b, rank_b)])
    size = np.concatenate([np.bincount(label_a), np.bincount(label_b)]).astype(float)
    observed = np.zeros((1, len(size)), dtype=bool)
    observed[0, : groups[0]] = True
    first = float(_studentised(observed, total, size)[0])
    beyond = 0
    for part in in_pieces(resamples, BLOCK // len(size)):
        shape = (part.stop - part.start, len(size))
        chosen = np.argsort(rng.random(shape), axis=1) < groups[0]
        beyond += int((np.abs(_studentised(chosen, total, size)) >= abs(first) - 1e-9).sum())
    return (1 + beyond) / (1 + resamples)


def _studentised(in_a: NDArray[np.bool_], total: Floats, size: Floats) -> Floats:
    """Difference of mean ranks over its error, for each row of ``in_a`` (p, k); (p,)."""
    means, variances = [], []
    for chosen in (in_a, ~in_a):
        side = chosen.astype(float)
        rows, clusters = side @ size, side.sum(axis=1)
        mean = (side @ total) / rows
        # Residuals of clusters from the ratio total / size (a ratio estimator's variance).
        spread = side @ total**2 - 2 * mean * (side @ (total * size)) + mean**2 * (side @ size**2)
        means.append(mean)
        variances.append(np.maximum(spread, 0.0) / rows**2 * clusters / np.maximum(clusters - 1, 1))
    error = np.sqrt(variances[0] + variances[1])
    difference = means[0] - means[1]
    # Without any spread a difference is beyond all error, and none is none.
    return np.asarray(
        np.where(error > 1e-12, difference / np.maximum(error, 1e-12), np.sign(difference) * 1e12)
    )


def _placed(values: Floats, ordered: Floats) -> Floats:
    """Share of ``ordered`` below each value, and half of that equal to it."""
    flat = values.ravel()
    below = np.searchsorted(ordered, flat) + np.searchsorted(ordered, flat, side="right")
    return (below / (2.0 * len(ordered))).reshape(values.shape)


def _known(values: ArrayLike, clusters: ArrayLike, name: str) -> tuple[Floats, Ints]:
    found, labels = np.asarray(values, dtype=float).reshape(-1), np.asarray(clusters).reshape(-1)
    if len(found) != len(labels):
        raise GeometryError(f"{name}: {len(found)} values have {len(labels)} clusters", allowed="one each")
    known = np.isfinite(found)
    return found[known], np.unique(labels[known], return_inverse=True)[1].reshape(-1).astype(np.int64)


def _check(alpha: float, resamples: int) -> None:
    if not 0 < alpha < 1:
        raise GeometryError(f"a level of {alpha:g} is none", allowed="more than 0 and less than 1")
    if resamples < 19:
        raise GeometryError(f"{resamples} resamples cannot reach a level of 5 %", allowed="19 or more")


def _judged(
    medians: tuple[float, float],
    interval: tuple[float, float],
    superiority: float,
    superiority_interval: tuple[float, float],
    p_value: float,
    alpha: float,
    n_a: int,
    n_b: int,
    clusters: tuple[int, int],
    why_not: str,
) -> Difference:
    verdict: Literal["higher", "lower", "no difference", "cannot tell"]
    low, high = superiority_interval
    reason = (
        f"a row of A is higher than one of B with a chance of {100 * superiority:.3g} %, {said_p(p_value)}"
    )
    if why_not:
        verdict, reason = "cannot tell", why_not
    elif p_value <= alpha:
        verdict = "higher" if superiority > 0.5 else "lower"
    elif high >= LARGE or low <= 1 - LARGE:
        verdict = "cannot tell"
        reason += (
            f"; the interval, {100 * low:.3g} to {100 * high:.3g} %, does not exclude a large difference"
        )
    else:
        verdict = "no difference"
    return Difference(
        median_a=medians[0],
        median_b=medians[1],
        difference=medians[0] - medians[1],
        low=float(interval[0]),
        high=float(interval[1]),
        superiority=superiority,
        superiority_low=float(low),
        superiority_high=float(high),
        p_value=p_value,
        n_a=n_a,
        n_b=n_b,
        clusters_a=clusters[0],
        clusters_b=clusters[1],
        verdict=verdict,
        reason=reason,
    )


def _nothing(a: Floats, b: Floats, clusters: tuple[int, int], reason: str) -> Difference:
    nan = float("nan")
    medians = [float(np.median(values)) if len(values) else nan for values in (a, b)]
    return Difference(
        median_a=medians[0],
        median_b=medians[1],
        difference=nan,
        low=nan,
        high=nan,
        superiority=nan,
        superiority_low=nan,
        superiority_high=nan,
        p_value=nan,
        n_a=len(a),
        n_b=len(b),
        clusters_a=clusters[0],
        clusters_b=clusters[1],
        verdict="cannot tell",
        reason=reason,
    )

"""Axes and directions: their mean with an interval, and whether they follow one in common, or a given one.

An axis (a dune crest, a graben) has no head: 10 and 190 degrees are the same, and angles are doubled
before they are averaged. A direction (downslope, downwind) has one. What lies close together is one piece
of evidence, however many rows describe it: each cluster counts with one mean direction, and the tests and
the bootstrap see clusters only. Formulas: Mardia & Jupp (2000), *Directional Statistics*; Zar (1999),
*Biostatistical Analysis*, chapter 27.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import SettingsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Period = Literal[180, 360]

LEVEL = 0.95
FEWEST = 3  # clusters for an interval: of two, the bootstrap knows three means only
SMALLEST_P = 1e-300
BLOCK = 2_000_000  # resampled clusters at a time


@dataclass(frozen=True)
class Axes:
    """Mean of directions, and tests of it.

    Attributes
    ----------
    azimuth_deg
        Mean direction, clockwise from north, 0 to the period; NaN without any direction.
    low_deg, high_deg
        95 % interval of the mean, clockwise from low to high, so that low may be the larger number; NaN
        for fewer than three clusters. An interval nearly as wide as the period says that there is none.
    resultant_length
        0 (every direction alike) to 1 (all parallel), of the clusters.
    p_value
        Rayleigh test of uniformity.
    effective_n
        Kish's number of clusters, (sum w)^2 / sum w^2: how many equally strong ones they are worth.
    given_p
        V test: uniform directions against a concentration about the given one, one-sided; NaN if none was
        given.
    given_off_deg
        Median angle between the clusters and the given direction, degrees; NaN if none was given.
    period_deg
        180 for axes, 360 for directions.
    resampled_deg
        Deviations of resampled means from the mean, degrees, for `same_axis`.
    """

    azimuth_deg: float
    low_deg: float
    high_deg: float
    resultant_length: float
    p_value: float
    effective_n: float
    given_p: float
    given_off_deg: float
    period_deg: Period = 180
    resampled_deg: Floats = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)


def axial(
    azimuth_deg: ArrayLike,
    weight: ArrayLike,
    clusters: ArrayLike,
    given_deg: ArrayLike | None = None,
    *,
    period_deg: Period = 180,
    resamples: int = 2000,
    seed: int = 0,
) -> Axes:
    """Mean direction of clusters of rows, its interval, and tests of it.

    A cluster counts with the length of the weighted mean of its unit vectors: rows that contradict each
    other make it weak. The interval is the bootstrap's over clusters, its deviations widened by
    sqrt(n / (n - 1)) and by Student's quantile over the normal one, because percentiles of few resampled
    values are too narrow (the expanded percentile interval of Hesterberg 2015, *The American Statistician*
    69, 371). The Rayleigh p value is Zar's approximation (eq. 27.4), the V test's is normal (eq. 27.6).

    Parameters
    ----------
    azimuth_deg, weight, clusters
        Direction, weight (0 or more, such as a coherence) and cluster of every row, shapes (n,). Rows
        whose azimuth, weight or given direction is NaN, or of weight 0, do not count.
    given_deg
        A direction that the rows may follow: one, or one per row (the wind, downslope, radial to a place).
    period_deg
        180 if opposite directions are the same, 360 if not.
    resamples, seed
        Of the bootstrap; without resamples there is no interval.

    Raises
    ------
    SettingsError
        If shapes differ, a weight is negative or the period is neither 180 nor 360.
    """
    theta, weights, labels, given = _checked(azimuth_deg, weight, clusters, given_deg, period_deg)
    turns = 360.0 / period_deg
    nan = float("nan")
    if not len(theta):
        return Axes(nan, nan, nan, 0.0, 1.0, 0.0, nan, nan, period_deg)
    vectors = _cluster_means(theta * turns, weights, labels)
    lengths = np.abs(vectors)
    total = float(lengths.sum())
    effective = total**2 / max(float((lengths**2).sum()), 1e-300)
    mean = complex(vectors.sum()) / max(total, 1e-300)
    length = min(abs(mean), 1.0)
    azimuth = float(np.degrees(np.angle(mean)) / turns % period_deg)
    deviations = _bootstrap(vectors, resamples, np.random.default_rng(seed)) / turns
    low, high = nan, nan
    if len(deviations):
        ends = np.quantile(deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        low, high = ((azimuth + ends) % period_deg).tolist()
    given_p, given_off = nan, nan
    if given is not None:
        from scipy.stats import norm  # half a second to import, which no start needs

        off = _cluster_means((theta - given) * turns, weights, labels)
        z = float(off.real.sum()) / max(float(np.sqrt((np.abs(off) ** 2).sum() / 2.0)), 1e-300)
        given_p = float(np.clip(norm.sf(z), SMALLEST_P, 1.0))
        given_off = float(np.median(np.abs(np.degrees(np.angle(off))))) / turns
    return Axes(
        azimuth,
        low,
        high,
        length,
        rayleigh_p(length, effective),
        effective,
        given_p,
        given_off,
        period_deg,
        deviations,
    )


def rayleigh_p(resultant_length: float, n: float) -> float:
    """Chance that uniform directions agree as well, by Zar's approximation (1999, eq. 27.4)."""
    exponent = np.sqrt(1.0 + 4.0 * n + 4.0 * n**2 * (1.0 - resultant_length**2)) - (1.0 + 2.0 * n)
    return float(np.clip(np.exp(exponent), SMALLEST_P, 1.0))


def apart_deg(a_deg: ArrayLike, b_deg: ArrayLike, period_deg: Period = 180) -> Floats:
    """Smallest angle between directions, 0 to half the period, of shape broadcast(a, b)."""
    half = period_deg / 2.0
    difference = np.asarray(a_deg, dtype=float) - np.asarray(b_deg, dtype=float)
    return np.asarray(np.abs((difference + half) % period_deg - half))


def same_axis(a: Axes, b: Axes) -> tuple[float, float]:
    """How far two mean directions are apart, degrees, and the chance of that much between equal ones.

    The p value turns the bootstrap around: twice the share of resampled differences on the other side of
    none, at least 1 / (resamples + 1). NaN where one of them has no interval.

    Raises
    ------
    SettingsError
        If one holds axes and the other directions.
    """
    if a.period_deg != b.period_deg:
        raise SettingsError(
            "axes and directions cannot be compared", allowed="two of period 180, or two of 360 degrees"
        )
    half = a.period_deg / 2.0
    signed = (a.azimuth_deg - b.azimuth_deg + half) % a.period_deg - half
    spread = _spread(a, b)
    if not len(spread) or not np.isfinite(signed):
        return abs(signed), float("nan")
    other = (signed + spread <= 0) if signed > 0 else (signed + spread >= 0)
    # A deviation beyond a quarter turn from the mean is on neither side: it counts as both.
    other |= np.abs(spread) >= half / 2
    return abs(signed), float(min(1.0, 2.0 * (1.0 + other.sum()) / (1.0 + len(spread))))


def apart_interval(a: Axes, b: Axes) -> tuple[float, float]:
    """95 % interval of the angle between two mean directions, degrees; negative is beyond the other one.

    NaN where one of them has no interval.
    """
    half = a.period_deg / 2.0
    signed = (a.azimuth_deg - b.azimuth_deg + half) % a.period_deg - half
    spread = _spread(a, b) * (1.0 if signed >= 0 else -1.0)
    if not len(spread):
        return float("nan"), float("nan")
    low, high = np.quantile(abs(signed) + spread, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return low, high


def holds(axes: Axes, azimuth_deg: float) -> bool:
    """Whether the 95 % interval of the mean holds a direction; an interval of every direction holds all."""
    if not len(axes.resampled_deg):
        return True
    half = axes.period_deg / 2.0
    off = (azimuth_deg - axes.azimuth_deg + half) % axes.period_deg - half
    low, high = np.quantile(axes.resampled_deg, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return bool(low <= off <= high)


def _spread(a: Axes, b: Axes) -> Floats:
    """Deviations of resampled differences of two means, degrees; none where one has no interval."""
    half = a.period_deg / 2.0
    count = min(len(a.resampled_deg), len(b.resampled_deg))
    # Both were resampled with their own seed; the second is read backwards, should the seeds be equal.
    return (a.resampled_deg[:count] - b.resampled_deg[:count][::-1] + half) % a.period_deg - half


def _cluster_means(angle_deg: Floats, weights: Floats, labels: Ints) -> NDArray[np.complex128]:
    """Mean of the weighted unit vectors of each cluster, shape (clusters,)."""
    count = np.bincount(labels)
    angle = np.radians(angle_deg)
    real = np.bincount(labels, weights * np.cos(angle)) / count
    imaginary = np.bincount(labels, weights * np.sin(angle)) / count
    return np.asarray(real + 1j * imaginary)


def _bootstrap(vectors: NDArray[np.complex128], resamples: int, rng: np.random.Generator) -> Floats:
    """Deviations of resampled mean directions from the mean, degrees of the multiplied angle, widened."""
    n = len(vectors)
    if n < FEWEST or resamples < 1 or not abs(vectors.sum()) > 0:
        return np.zeros(0)
    block = max(1, BLOCK // n)
    sums = np.concatenate(
        [
            vectors[rng.integers(0, n, (min(block, resamples - start), n))].sum(axis=1)
            for start in range(0, resamples, block)
        ]
    )
    from scipy.stats import norm, t  # half a second to import, which no start needs

    widened = np.sqrt(n / (n - 1)) * t.ppf((1 + LEVEL) / 2, n - 1) / norm.ppf((1 + LEVEL) / 2)
    deviation = np.degrees(np.angle(sums * np.conj(vectors.sum())))
    return np.asarray(np.clip(deviation * widened, -180.0, 180.0))


def _checked(
    azimuth_deg: ArrayLike,
    weight: ArrayLike,
    clusters: ArrayLike,
    given_deg: ArrayLike | None,
    period_deg: int,
) -> tuple[Floats, Floats, Ints, Floats | None]:
    """Rows that count, clusters numbered 0.. without gaps."""
    if period_deg not in (180, 360):
        raise SettingsError(f"directions cannot have a period of {period_deg} degrees", allowed="180 or 360")
    theta = np.asarray(azimuth_deg, dtype=float)
    weights = np.asarray(weight, dtype=float)
    names = np.asarray(clusters, dtype=np.int64)
    if theta.ndim != 1 or weights.shape != theta.shape or names.shape != theta.shape:
        raise SettingsError(
            f"{theta.shape} azimuths, {weights.shape} weights and {names.shape} clusters",
            allowed="one weight and one cluster per azimuth",
        )
    keep = np.isfinite(theta) & (weights > 0)
    if (weights < 0).any():
        raise SettingsError("a weight is negative", allowed="weights of 0 or more")
    given = None
    if given_deg is not None:
        given = np.asarray(given_deg, dtype=float)
        if given.ndim and given.shape != theta.shape:
            raise SettingsError(
                f"{given.shape} given directions for {theta.shape} azimuths", allowed="one, or one per row"
            )
        given = np.broadcast_to(given, theta.shape)
        keep &= np.isfinite(given)
        given = given[keep]
    _, labels = np.unique(names[keep], return_inverse=True)
    return theta[keep], weights[keep], labels.astype(np.int64), given

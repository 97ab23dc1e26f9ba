"""What cost does with size: a power law, and a fixed cost with one a tile; with intervals, and carried on.

Both are fitted to relative errors, so that small sizes count as much as large ones. Intervals are those of
least squares (Student's t, 95 %); the one of a carried-on value is for another measurement at that size. They
hold if the law does: a fixed cost bends a power law, which then tells too little of larger sizes. ``off`` is
the share by which measurements miss a law (root mean square over degrees of freedom).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Figures = dict[str, Any]

_SURE = 0.975


@dataclass(frozen=True)
class Fit:
    """A weighted linear fit; ``half`` is of each coefficient, None where there are two points only."""

    coefficients: NDArray[np.float64]
    half: NDArray[np.float64] | None
    covariance: NDArray[np.float64]
    noise: float
    factor: float
    logarithmic: bool

    def value(self, size: float) -> float:
        """At a size."""
        found = float(self._terms(size) @ self.coefficients)
        return float(np.exp(found)) if self.logarithmic else found

    def interval(self, size: float) -> tuple[float, float] | None:
        """Of a measurement at a size; None where there are two points only."""
        if self.half is None:
            return None
        terms = self._terms(size)
        own = self.noise if self.logarithmic else self.noise * abs(self.value(size))
        half = self.factor * float(np.sqrt(terms @ self.covariance @ terms + own**2))
        middle = float(terms @ self.coefficients)
        low, high = middle - half, middle + half
        return (float(np.exp(low)), float(np.exp(high))) if self.logarithmic else (low, high)

    def _terms(self, size: float) -> NDArray[np.float64]:
        return np.array([1.0, np.log(size) if self.logarithmic else size])


def power_law(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """values = c * sizes ** exponent; the coefficients are log c and the exponent."""
    x = np.column_stack([np.ones(len(sizes)), np.log(sizes)])
    return _fitted(x, np.log(values), logarithmic=True)


def straight(sizes: Sequence[float], values: Sequence[float]) -> Fit:
    """values = a + b * sizes; the coefficients are a and b."""
    weights = 1.0 / np.asarray(values, dtype=np.float64)
    x = np.column_stack([np.ones(len(sizes)), np.asarray(sizes, dtype=np.float64)])
    return _fitted(x * weights[:, None], np.ones(len(values)), logarithmic=False)


def exponent(sizes: Sequence[float], values: Sequence[float], at: float) -> Figures | None:
    """Exponent, its interval, and the value at a size; None where fewer than two sizes were measured."""
    if len(set(sizes)) < 2:
        return None
    fit = power_law(sizes, values)
    return {"exponent": float(fit.coefficients[1]), **_between(fit, 1, 1.0), **_carried(fit, at)}


def fixed_and_each(sizes: Sequence[float], values: Sequence[float], at: float) -> Figures | None:
    """Fixed cost, cost of a million tiles, intervals, and the value at a size; None as of `exponent`."""
    if len(set(sizes)) < 2:
        return None
    fit = straight(sizes, values)
    return {
        "fixed": float(fit.coefficients[0]),
        **_between(fit, 0, 1.0, "fixed_"),
        "per_million": float(fit.coefficients[1]) * 1e6,
        **_between(fit, 1, 1e6, "per_million_"),
        **_carried(fit, at),
    }


def _fitted(x: NDArray[np.float64], y: NDArray[np.float64], *, logarithmic: bool) -> Fit:
    scale = np.linalg.norm(x, axis=0)  # a constant and numbers of tiles differ by orders of magnitude
    coefficients = np.linalg.lstsq(x / scale, y, rcond=None)[0] / scale
    free = len(y) - 2
    left = float(((y - x @ coefficients) ** 2).sum())
    noise = float(np.sqrt(left / free)) if free > 0 else 0.0
    inverse = np.linalg.inv((x / scale).T @ (x / scale)) / np.outer(scale, scale)
    covariance = noise**2 * inverse
    factor = float(stats.t.ppf(_SURE, free)) if free > 0 else 0.0
    half = factor * np.sqrt(np.diag(covariance)) if free > 0 else None
    return Fit(coefficients, half, covariance, noise, factor, logarithmic)


def _between(fit: Fit, number: int, times: float, name: str = "") -> Figures:
    if fit.half is None:
        return {f"{name}low": None, f"{name}high": None}
    middle, half = float(fit.coefficients[number]), float(fit.half[number])
    return {f"{name}low": (middle - half) * times, f"{name}high": (middle + half) * times}


def _carried(fit: Fit, at: float) -> Figures:
    low, high = fit.interval(at) or (None, None)
    off = None if fit.half is None else fit.noise
    return {"at": at, "value": fit.value(at), "value_low": low, "value_high": high, "off": off}

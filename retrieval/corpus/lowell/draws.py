"""Random numbers of the sizes, ages and positions of features."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.placement import Floats


def pair(lonlat: Floats) -> tuple[float, float]:
    """Longitude and latitude as plain numbers."""
    return float(lonlat[0]), float(lonlat[1])


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform random number."""
    return float(rng.uniform(low, high))


def age(rng: np.random.Generator, low: float, high: float) -> float:
    """Random age, billions of years."""
    return float(rng.uniform(low, high))


def power(rng: np.random.Generator, low: float, high: float, exponent: float) -> float:
    """Random size: the cumulative number falls as size to the -exponent."""
    share = 1 - float(rng.random()) * (1 - (low / high) ** exponent)
    return float(low * share ** (-1 / exponent))

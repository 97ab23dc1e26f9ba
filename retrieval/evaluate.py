"""How well scores find what a catalogue or a truth table holds: AP, F1, and intervals that know geography.

Neighbouring tiles are alike, so resampling them one by one would promise too much: the bootstrap draws
whole blocks of the planet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from retrieval.body import Body, chord, unit_vectors
from retrieval.errors import SettingsError
from retrieval.grid import Grid

if TYPE_CHECKING:
    import geopandas as gpd

    from retrieval.index import TileIndex

Json = Any
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BLOCK_TILES = 5  # side of a bootstrap block, in tiles


def average_precision(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall curve by steps: the sum of (R_n - R_{n-1}) P_n over the cuts.

    Equal scores are one cut, so a constant score earns the prevalence, as a random one does on average.

    Parameters
    ----------
    scores, positive, weights
        Shape (n,); weights default to 1.

    Returns
    -------
    float
        0..1; NaN without positives.
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    weight = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    order = np.argsort(-values, kind="stable")
    hits = np.cumsum((truth * weight)[order])
    found = np.cumsum(weight[order])
    if not len(values) or hits[-1] <= 0:
        return float("nan")
    cut = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    cut = cut[found[cut] > 0]
    recall = np.concatenate([[0.0], hits[cut] / hits[-1]])
    return float(np.sum(np.diff(recall) * hits[cut] / found[cut]))


def detection(predicted: ArrayLike, positive: ArrayLike) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of a yes-or-no answer; a ratio without denominator is 0."""
    said, truth = np.asarray(predicted, dtype=bool), np.asarray(positive, dtype=bool)
    both = float(np.sum(said & truth))
    precision = both / max(1.0, float(said.sum()))
    recall = both / max(1.0, float(truth.sum()))
    f1 = 2.0 * both / max(1.0, float(said.sum() + truth.sum()))
    return {"precision": precision, "recall": recall, "f1": f1}


def within(body: Body, lonlat: ArrayLike, targets: ArrayLike, distance_km: float) -> Bools:
    """Which points (n, 2) have a target (m, 2) within a great-circle distance; shape (n,)."""
    points, aims = np.asarray(lonlat, dtype=float), np.asarray(targets, dtype=float)
    if not len(points) or not len(aims):
        return np.zeros(len(points), dtype=bool)
    reach = float(chord(distance_km / body.radius_km)) * (1.0 + 1e-12)
    nearest, _ = cKDTree(unit_vectors(aims)).query(unit_vectors(points), distance_upper_bound=reach)
    return np.asarray(np.isfinite(nearest))


def tile_truth(index: TileIndex, catalogue: gpd.GeoDataFrame, tolerance_km: float) -> Bools:
    """Which rows of an index have a catalogue entry within the tolerance of the tile's centre; (n,).

    Raises
    ------
    SettingsError
        If the tolerance is not a positive distance on the body.
    """
    if not 0 < tolerance_km <= index.body.half_circumference_km:
        raise SettingsError(
            f"a tolerance of {tolerance_km} km is none",
            allowed=f"more than 0 and at most {index.body.half_circumference_km:.0f} km",
        )
    return within(index.body, _lonlat(index.tiles), _lonlat(catalogue), tolerance_km)


def evaluate_catalogue(
    index: TileIndex,
    scores: ArrayLike,
    catalogue: gpd.GeoDataFrame,
    tolerance_km: float | None = None,
    *,
    threshold: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Json]:
    """Judge the scores of all rows against a catalogue.

    Parameters
    ----------
    scores
        Cosines or probabilities, shape (n,).
    tolerance_km
        Greatest distance of a catalogue entry from a tile's centre; one tile if None.
    threshold
        Smallest score that counts as a detection; adds ``precision``, ``recall`` and ``f1``.
    resamples, seed
        Of the block bootstrap behind the 95 % intervals.

    Returns
    -------
    dict
        ``ap`` with ``ap_low`` and ``ap_high``; ``prevalence``, which is what random scores earn; ``ratio``
        = ap / prevalence with its interval; ``tiles``, ``positives``; ``entries`` of the catalogue and
        how many lie on observed ground (``entries_observed``).
    """
    tolerance = index.grid.tile_km if tolerance_km is None else tolerance_km
    positive = tile_truth(index, catalogue, tolerance)
    values = np.asarray(scores, dtype=float)
    observed = within(index.body, _lonlat(catalogue), _lonlat(index.tiles), tolerance)
    result: dict[str, Json] = {
        "tiles": len(index),
        "positives": int(positive.sum()),
        "entries": len(catalogue),
        "entries_observed": int(observed.sum()),
        "tolerance_km": float(tolerance),
        **average_precision_interval(values, positive, blocks_of(index), resamples=resamples, seed=seed),
    }
    if threshold is not None:
        result |= {"threshold": float(threshold), **detection(values >= threshold, positive)}
    return result


def average_precision_interval(
    scores: ArrayLike, positive: ArrayLike, blocks: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> dict[str, float]:
    """``ap``, ``prevalence``, ``ratio`` and 95 % intervals by drawing blocks with replacement.

    Parameters
    ----------
    blocks
        Number of the block of each row, shape (n,).
    """
    values, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    ap, prevalence = average_precision(values, truth), float(truth.mean()) if len(truth) else float("nan")
    rng = np.random.default_rng(seed)
    count = int(block.max()) + 1 if len(block) else 0
    drawn = []
    for _ in range(resamples if truth.any() else 0):
        weight = np.bincount(rng.integers(count, size=count), minlength=count)[block].astype(float)
        share = float(np.average(truth, weights=weight)) if weight.any() else 0.0
        if share > 0:  # a draw without any positive says nothing about how they are ranked
            resampled = average_precision(values, truth, weight)
            drawn.append((resampled, resampled / share))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0) if drawn else np.full((2, 2), float("nan"))
    return {
        "ap": ap,
        "ap_low": float(low[0]),
        "ap_high": float(high[0]),
        "prevalence": prevalence,
        "ratio": ap / prevalence if prevalence else float("nan"),
        "ratio_low": float(low[1]),
        "ratio_high": float(high[1]),
    }


def blocks_of(index: TileIndex) -> NDArray[np.int64]:
    """Block number of each row: cells of a grid `BLOCK_TILES` times as coarse, or as coarse as may be."""
    coarsest = index.body.half_circumference_km / 4
    coarse = Grid(index.body, min(BLOCK_TILES * index.grid.tile_km, coarsest))
    return coarse.locate(_lonlat(index.tiles))


def _lonlat(table: gpd.GeoDataFrame) -> Floats:
    return np.asarray(table[["lon", "lat"]].to_numpy(dtype=float))

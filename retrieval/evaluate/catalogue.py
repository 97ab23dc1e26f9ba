"""How well scores find what a published catalogue holds, tile by tile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import SettingsError
from retrieval.evaluate.bootstrap import average_precision_interval
from retrieval.evaluate.ranking import Bools, Floats, detection
from retrieval.grid import Grid
from retrieval.spatial.sphere import SphereTree

if TYPE_CHECKING:
    import geopandas as gpd

    from retrieval.index import TileIndex

Json = Any

BLOCK_TILES = 5  # side of a bootstrap block, in tiles


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
    entries = SphereTree(index.body, _lonlat(catalogue))
    return np.asarray(entries.nearest(index.tiles.lonlat, tolerance_km)[1] >= 0)


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
    observed = SphereTree(index.body, index.tiles.lonlat).nearest(_lonlat(catalogue), tolerance)[1] >= 0
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


def blocks_of(index: TileIndex, side_tiles: int = BLOCK_TILES) -> NDArray[np.int64]:
    """Block number of each row: cells of a grid ``side_tiles`` times as coarse, or as coarse as may be."""
    coarsest = index.body.half_circumference_km / 4
    coarse = Grid(index.body, min(side_tiles * index.grid.tile_km, coarsest))
    return coarse.locate(index.tiles.lonlat)


def _lonlat(table: gpd.GeoDataFrame) -> Floats:
    return np.asarray(table[["lon", "lat"]].to_numpy(dtype=float))

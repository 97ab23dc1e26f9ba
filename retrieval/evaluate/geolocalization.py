"""Global geo-localization: does a ranking of a planet's tiles find a catalogue? As published, and strictly.

*As published* (MarsRetrieval, arXiv 2602.13961): the best 20,000 tiles; a tile is right when a catalogue
point lies within 0.5 degree in the plane of longitude and latitude; recall is the share of points with a
tile that near; the F1 is the best over about a hundred depths, *chosen on the truth*, and the area under the
precision-recall curve is taken by trapezoids over these depths. Half a degree is 30 km on Mars, degrees of
longitude shrink towards the poles, nothing wraps at 180, and one point makes many tiles right.

*Strictly*: the tiles that reach the threshold found without labels; a tile and a point may be matched when
they lie within one tile's width along the great circle, each once (the most pairs that are possible, and of
these the nearest ones, so that no order of tiles matters); points on ground that the index has not seen do
not count. Several tiles that touch and show one thing count as several, all but one of them wrong; with
features instead of tiles they count once. Both are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from retrieval.body import Body
from retrieval.encoder import Encoder
from retrieval.evaluate.catalogue import evaluate_catalogue
from retrieval.evaluate.ranking import Bools, Floats
from retrieval.query import ask
from retrieval.spatial.features import link_tiles
from retrieval.spatial.sphere import Ints, SphereTree
from retrieval.stop import check_stop

if TYPE_CHECKING:
    import geopandas as gpd

    from retrieval.index import TileIndex

Json = Any

DEPTH = 20_000
REACH_DEG = 0.5
CURVE_POINTS = 100


def published(
    scores: ArrayLike, tiles_lonlat: ArrayLike, points_lonlat: ArrayLike, depth: int = DEPTH
) -> dict[str, float]:
    """Best F1 over depths and area under the curve, by the published protocol.

    Parameters
    ----------
    scores
        Of all tiles, shape (n,); equal scores stay in row order.
    tiles_lonlat, points_lonlat
        Degrees, shapes (n, 2) and (m, 2); flat, as published, so that the seam is an edge. Tiles stand at
        their centre (the benchmark's own stand at their south-west corner: hand these over to get its
        figures).

    Returns
    -------
    dict
        ``f1``, ``precision``, ``recall`` and ``k`` at the best depth, ``auprc``; zeros without any point.
    """
    order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")[:depth]
    tiles = np.asarray(tiles_lonlat, dtype=float)[order]
    points = np.asarray(points_lonlat, dtype=float).reshape(-1, 2)
    if not len(tiles) or not len(points):
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0, "k": 0, "auprc": 0.0}
    right = cKDTree(points).query(tiles)[0] <= REACH_DEG
    step = max(1, len(tiles) // CURVE_POINTS)
    depths = np.unique(np.append(np.arange(step, len(tiles) + 1, step), len(tiles)))
    precision = np.cumsum(right)[depths - 1] / depths
    # A point is found from the depth on at which its first tile comes.
    near = cKDTree(tiles).query_ball_point(points, REACH_DEG)
    first = np.array([min(rows, default=len(tiles)) for rows in near])
    recall = np.searchsorted(np.sort(first), depths, side="left") / len(points)
    both = precision + recall
    f1 = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1.0), 0.0)
    best = int(f1.argmax())
    return {
        "f1": float(f1[best]),
        "precision": float(precision[best]),
        "recall": float(recall[best]),
        "k": int(depths[best]),
        "auprc": float(np.trapezoid(precision, recall)),
    }


@dataclass(frozen=True)
class Matching:
    """Pairs of tiles and points, each at most once: their rows and distances, shapes (p,)."""

    tile: Ints
    point: Ints
    distance_km: Floats

    def __len__(self) -> int:
        return len(self.tile)


def match(
    body: Body,
    tiles_lonlat: ArrayLike,
    points_lonlat: ArrayLike,
    reach_km: float,
    features: ArrayLike | None = None,
) -> Matching:
    """The most pairs of tiles and points within a great-circle distance, and of these the nearest.

    Parameters
    ----------
    tiles_lonlat, points_lonlat
        Degrees, shapes (n, 2) and (m, 2).
    features
        Number of the feature that each tile belongs to, shape (n,): each feature is then matched at most
        once, by whichever of its tiles lies nearest to the point.

    Raises
    ------
    GeometryError
        If there are more than twenty million pairs to choose from.
    """
    row, point, away = SphereTree(body, points_lonlat).pairs(tiles_lonlat, reach_km)
    if not len(row):
        return Matching(row, point, away)
    unit = row if features is None else np.asarray(features, dtype=np.int64)[row]
    # Of the tiles of a feature the nearest to each point stands for it.
    order = np.lexsort((row, away, point, unit))
    row, point, away, unit = row[order], point[order], away[order], unit[order]
    first = np.concatenate([[True], (unit[1:] != unit[:-1]) | (point[1:] != point[:-1])])
    row, point, away, unit = row[first], point[first], away[first], unit[first]
    check_stop()
    chosen = _assign(np.unique(unit, return_inverse=True)[1], np.unique(point, return_inverse=True)[1], away)
    return Matching(row[chosen], point[chosen], away[chosen])


def _assign(left: Ints, right: Ints, cost: Floats) -> Ints:
    """Edges (rows of the input) of a maximum matching of least cost between two sides numbered from 0."""
    if left.max() > right.max():
        left, right = right, left
    few, many = int(left.max()) + 1, int(right.max()) + 1
    # Everyone on the shorter side may stay alone, which costs more than any rearranging of pairs could save.
    alone = (float(cost.max()) + 1.0) * (few + 1)
    rows = np.concatenate([left, np.arange(few)])
    columns = np.concatenate([right, many + np.arange(few)])
    costs = np.concatenate([cost + 1.0, np.full(few, alone)])  # no cost of 0: such edges are not there
    graph = csr_array((costs, (rows, columns)), shape=(few, many + few))
    who, whom = min_weight_full_bipartite_matching(graph)
    paired = whom < many
    edges = {pair: edge for edge, pair in enumerate(zip(left.tolist(), right.tolist(), strict=True))}
    pairs = zip(who[paired].tolist(), whom[paired].tolist(), strict=True)
    return np.array(sorted(edges[pair] for pair in pairs), dtype=np.int64)


def strict(
    body: Body,
    hits: Bools,
    tiles_lonlat: ArrayLike,
    points_lonlat: ArrayLike,
    reach_km: float,
    features: ArrayLike | None = None,
) -> dict[str, Json]:
    """``precision``, ``recall`` and ``f1`` of the hits, matched one to one on the sphere.

    Parameters
    ----------
    hits
        Which tiles are said to show the class, shape (n,).
    points_lonlat
        Only points near observed ground, shape (m, 2).
    features
        Which feature each hit belongs to, shape (hits.sum(),); adds ``features`` with the same figures for
        features instead of tiles.

    Returns
    -------
    dict
        Besides these ``matched``, ``hits``, ``points`` and ``mean_km``, the mean distance of the pairs (None
        without any).
    """
    found = np.asarray(tiles_lonlat, dtype=float)[np.asarray(hits, dtype=bool)]
    points = np.asarray(points_lonlat, dtype=float).reshape(-1, 2)
    pairs = match(body, found, points, reach_km)
    result = _agreement(pairs, len(found), len(points))
    if features is not None:
        labels = np.asarray(features, dtype=np.int64)
        joined = match(body, found, points, reach_km, labels)
        result["features"] = _agreement(joined, len(np.unique(labels)), len(points))
    return result


def _agreement(pairs: Matching, hits: int, points: int) -> dict[str, Json]:
    return {
        "precision": len(pairs) / max(1, hits),
        "recall": len(pairs) / max(1, points),
        "f1": 2.0 * len(pairs) / max(1, hits + points),
        "matched": len(pairs),
        "hits": hits,
        "points": points,
        "mean_km": float(pairs.distance_km.mean()) if len(pairs) else None,
    }


def localize(
    index: TileIndex,
    encoder: Encoder,
    text: str,
    templates: Sequence[str],
    catalogue: gpd.GeoDataFrame,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Json]:
    """Both versions for one class, beside tiles in a random order.

    Parameters
    ----------
    text
        The class's words.
    resamples, seed
        Of the interval of the tile-wise average precision; the seed also makes the random order.
    """
    tiles: Floats = index.tiles.lonlat
    points: Floats = catalogue[["lon", "lat"]].to_numpy(dtype=float)
    reach = index.grid.tile_km
    seen = points[SphereTree(index.body, tiles).nearest(points, reach)[1] >= 0]
    asked = ask(index, encoder, text, templates)
    cosine, found = asked.scores, asked.calibrated
    hits = found.probability >= found.threshold
    rng = np.random.default_rng(seed)
    chance = rng.random(len(tiles))
    guessed = rng.permutation(hits)
    return {
        "published": published(cosine, tiles, points),
        "strict": {
            **strict(index.body, hits, tiles, seen, reach, _features(index, hits)),
            "reach_km": reach,
            "threshold": float(found.threshold),
            "tilewise": evaluate_catalogue(index, cosine, catalogue, resamples=resamples, seed=seed),
        },
        "random": {
            "published": published(chance, tiles, points),
            "strict": strict(index.body, guessed, tiles, seen, reach, _features(index, guessed)),
        },
        "entries": len(points),
    }


def _features(index: TileIndex, hits: Bools) -> Ints:
    """Feature of each hit: hits whose tiles touch are one."""
    return link_tiles(index.grid, index.tiles.numbers[hits])

"""Global geo-localization: does a ranking of a planet's tiles find a catalogue? As published, and strictly.

*As published* (MarsRetrieval, arXiv 2602.13961): the best 20,000 tiles; a tile is right when a catalogue
point lies within 0.5 degree in the plane of longitude and latitude; recall is the share of points with a
tile that near; the F1 is the best over about a hundred depths, *chosen on the truth*, and the area under the
precision-recall curve is taken by trapezoids over these depths. Half a degree is 30 km on Mars, degrees of
longitude shrink towards the poles, nothing wraps at 180, and one point makes many tiles right.

*Strictly*: the tiles that reach the threshold found without labels; a tile and a point may be matched when
they lie within one tile's width along the great circle, each once (a maximum matching, so that no order of
tiles matters); points on ground that the index has not seen do not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from retrieval.body import Body, chord, unit_vectors
from retrieval.encoder import Encoder
from retrieval.evaluate.catalogue import evaluate_catalogue, within
from retrieval.evaluate.ranking import Bools, Floats
from retrieval.query import ask

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
        Degrees, shapes (n, 2) and (m, 2). Tiles stand at their centre (the benchmark's own stand at their
        south-west corner).

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


def matched(body: Body, tiles_lonlat: ArrayLike, points_lonlat: ArrayLike, reach_km: float) -> int:
    """Greatest number of tiles and points that can be paired, each once, within a great-circle distance.

    Parameters
    ----------
    tiles_lonlat, points_lonlat
        Degrees, shapes (n, 2) and (m, 2).
    """
    tiles = np.asarray(tiles_lonlat, dtype=float).reshape(-1, 2)
    points = np.asarray(points_lonlat, dtype=float).reshape(-1, 2)
    if not len(tiles) or not len(points):
        return 0
    reach = float(chord(reach_km / body.radius_km)) * (1.0 + 1e-12)
    near = cKDTree(unit_vectors(tiles)).query_ball_point(unit_vectors(points), reach)
    lengths = np.array([len(rows) for rows in near])
    columns = np.concatenate([np.asarray(rows, dtype=np.int32) for rows in near])
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    graph = csr_array((np.ones(len(columns), dtype=np.int8), columns, starts), (len(points), len(tiles)))
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def strict(
    body: Body, hits: Bools, tiles_lonlat: ArrayLike, points_lonlat: ArrayLike, reach_km: float
) -> dict[str, float]:
    """``precision``, ``recall`` and ``f1`` of the hits, matched one to one on the sphere.

    Parameters
    ----------
    hits
        Which tiles are said to show the class, shape (n,).
    points_lonlat
        Only points near observed ground, shape (m, 2).
    """
    found = np.asarray(tiles_lonlat, dtype=float)[hits]
    points = np.asarray(points_lonlat, dtype=float).reshape(-1, 2)
    pairs = matched(body, found, points, reach_km)
    return {
        "precision": pairs / max(1, len(found)),
        "recall": pairs / max(1, len(points)),
        "f1": 2.0 * pairs / max(1, len(found) + len(points)),
        "matched": pairs,
        "hits": len(found),
        "points": len(points),
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
    tiles: Floats = index.tiles[["lon", "lat"]].to_numpy(dtype=float)
    points: Floats = catalogue[["lon", "lat"]].to_numpy(dtype=float)
    reach = index.grid.tile_km
    seen = points[within(index.body, points, tiles, reach)]
    asked = ask(index, encoder, text, templates)
    cosine, found = asked.scores, asked.calibrated
    hits = found.probability >= found.threshold
    rng = np.random.default_rng(seed)
    chance = rng.random(len(tiles))
    return {
        "published": published(cosine, tiles, points),
        "strict": {
            **strict(index.body, hits, tiles, seen, reach),
            "reach_km": reach,
            "threshold": float(found.threshold),
            "tilewise": evaluate_catalogue(index, cosine, catalogue, resamples=resamples, seed=seed),
        },
        "random": {
            "published": published(chance, tiles, points),
            "strict": strict(index.body, rng.permutation(hits), tiles, seen, reach),
        },
        "entries": len(points),
    }

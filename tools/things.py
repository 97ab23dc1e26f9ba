"""What counts as one thing of a layer: tiles that touch are one feature, and so are merged hits.

A search marks every tile that shows a landform, so a long channel is many tiles. Counts, densities and tests
are of things, not of tiles, and say so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.body import unit_vectors
from retrieval.spatial.features import link_tiles
from retrieval.spatial.nulls import clusters_of
from tools.layers import Layer
from tools.results import Figures, plural
from tools.workspace import Workspace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LINK_TILES = 4.0  # tiles: rows nearer to each other than this are not independent evidence


def feature_labels(ws: Workspace, layer: Layer) -> Ints:
    """Number of the thing that each row belongs to, (n,): 0, 1, ... in the order of first rows.

    Tiles whose cells share an edge belong together; rows of any other layer stand for themselves.
    """
    if layer.kind != "tiles":
        return np.arange(len(layer), dtype=np.int64)
    return link_tiles(ws.index.grid, ws.index.grid.locate(layer.lonlat))


def clusters(ws: Workspace, layer: Layer) -> Ints:
    """Number of the cluster that each row belongs to, (n,): rows linked over a few tiles are one piece of
    evidence.
    """
    return clusters_of(ws.body, layer.lonlat, LINK_TILES * ws.index.grid.tile_km)


def things(ws: Workspace, layer: Layer) -> tuple[Floats, str]:
    """Positions that count as one each, lonlat (k, 2), and what they are called.

    Of tiles that touch only the one nearest to their common centre counts, wherever the shape of the group
    bends: so it lies on ground that was observed.
    """
    rows, noun = thing_rows(ws, layer)
    return layer.lonlat[rows], noun


def thing_rows(ws: Workspace, layer: Layer) -> tuple[Ints, str]:
    """Rows that stand for one thing each, (k,), as `things`, and what they are called."""
    if layer.kind != "tiles":
        return np.arange(len(layer)), "feature" if layer.kind == "features" else "row"
    return central_rows(layer.lonlat, feature_labels(ws, layer)), "feature"


def central_rows(lonlat: Floats, labels: Ints) -> Ints:
    """Of each label the row nearest to the label's common centre, (labels,)."""
    vectors = unit_vectors(lonlat)
    total: Floats = np.stack([np.bincount(labels, vectors[:, axis]) for axis in range(3)], axis=-1)
    centre = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    # Rounded, so that the first of equals counts on every machine.
    off = np.round(1.0 - (vectors * centre[labels]).sum(axis=1), 12)
    order = np.lexsort((np.arange(len(labels)), off, labels))
    return np.asarray(order[np.unique(labels[order], return_index=True)[1]], dtype=np.int64)


def feature_figures(ws: Workspace, layer: Layer) -> dict[str, int]:
    """``{"features": n}`` for a layer of tiles: touching tiles merged. Nothing for others."""
    if layer.kind != "tiles":
        return {}
    labels = feature_labels(ws, layer)
    return {"features": int(labels.max()) + 1 if len(labels) else 0}


def rows_of(layer: Layer) -> str:
    """``41 tiles``, ``23 features`` or ``41 rows``."""
    return plural(len(layer), {"tiles": "tile", "features": "feature"}.get(layer.kind, "row"))


def counted(layer: Layer, figures: Figures) -> str:
    """``41 tiles in 23 features``."""
    features = figures.get("features")
    return rows_of(layer) + (f" in {plural(int(features), 'feature')}" if features else "")

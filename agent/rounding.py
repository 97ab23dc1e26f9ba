"""Layers that are the same but for the last digits: another processor adds up in another order.

A layer's hash is of its scores to five places, so one score in some hundred that lies on an edge changes it.
The bundle carries the rows themselves, and these are held against each other where the hashes differ.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from agent.incoming import read_layer, read_layers_said
from retrieval.errors import BundleError
from retrieval.index import TileIndex
from tools.layers import Layer

if TYPE_CHECKING:
    from agent.bundle import BundleContents

DIGITS = 5e-5  # of scores and probabilities; single precision and its sums make less than 1e-5


def same_to_rounding(contents: BundleContents, layer: Layer, was: str, index: TileIndex) -> bool:
    """Whether a layer has the rows that the bundle carries, with their scores to `DIGITS`, in any order.

    Parameters
    ----------
    was
        The hash that the recipe states: the bundle's own rows must have it, else nothing is the same.
    """
    try:
        said = read_layers_said(json.loads(contents.read("transcript.json")).get("layers", []))
        about = next(one for one in said if one.id == layer.id and one.hash == was)
        before, _ = read_layer(contents.read(f"layers/{about.id}.parquet"), about, index)
    except (BundleError, StopIteration):
        return False
    if (layer.kind, len(layer)) != (before.kind, len(before)):
        return False
    one, two = (made.table.sort_values(["row_id", "lon", "lat"], kind="stable") for made in (layer, before))
    if not np.array_equal(one["row_id"].astype(str), two["row_id"].astype(str)):
        return False
    columns = ["lon", "lat", "score", "probability"]
    now, then = (table[columns].to_numpy(dtype=np.float64) for table in (one, two))
    if not np.allclose(now, then, rtol=0.0, atol=DIGITS, equal_nan=True):
        return False
    pairs = zip(one.geometry.array, two.geometry.array, strict=True)
    return layer.pointlike or all(shape.equals_exact(other, 1e-5) for shape, other in pairs)

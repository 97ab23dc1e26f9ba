"""What just missed a search: rows of the index below a layer's threshold, and counts at every other one.

A layer holds the rows that reach its threshold. Moving that threshold on a map needs the others as well. They
are found again as the layer was made, and only believed if that gives the layer itself once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from retrieval.errors import Cancelled, InputError
from retrieval.query import ask
from tools.layers import Layer, make_table
from tools.maps.globe_layers import THRESHOLDS, count_levels
from tools.ranking import best_first
from tools.refine import correct_search

if TYPE_CHECKING:
    from tools.workspace import Workspace

Floats = NDArray[np.float64]

LEAST_LEVEL = 5  # number of the lowest of `THRESHOLDS`: below 0.05 nearly the whole index would be drawn
MOST = 20_000
SEARCHES = ("search_words", "refine")  # tools whose layers have candidates


@dataclass(frozen=True)
class Candidates:
    """Rows of the index that a layer of a search does not hold.

    Attributes
    ----------
    table
        At most `MOST` of them, most probable first, with the columns of a layer.
    counts
        How many rows of the whole index reach each of `THRESHOLDS`, those of the layer among them.
    least
        Number of the lowest threshold whose rows are meant to be seen.
    """

    table: gpd.GeoDataFrame
    counts: list[int]
    least: int


def candidates_of(ws: Workspace, layer: Layer) -> Candidates | None:
    """What just missed a layer made by search_words or refine; None for any other.

    None as well if the index, the encoder or the words are no longer those that made it.
    """
    try:
        found = _scored(ws, layer)
    except (InputError, Cancelled, KeyError):  # an earlier version's, its parents are gone, or all is stopped
        return None
    if found is None:
        return None
    probability, scores = found
    own = np.unique(ws.index.tiles.rows_of(layer.table["row_id"].astype(str).tolist()))
    # Compared as the tools do, in single precision.
    reaching = probability.astype(np.float32).astype(float) >= float(layer.provenance.threshold or 0.0)
    if len(own) != len(layer) or not np.array_equal(own, np.flatnonzero(reaching)):
        return None
    missed = np.flatnonzero((probability >= THRESHOLDS[LEAST_LEVEL]) & ~reaching)
    rows = best_first(missed, probability, scores)[:MOST]
    tiles = ws.index.tiles.rows(rows)
    facts: dict[str, Any] = {
        str(name): tiles[name].to_numpy() for name in ("elevation_m",) if name in tiles.columns
    }
    table = make_table(
        ws.body,
        tiles["tile_id"].tolist(),
        tiles[["lon", "lat"]].to_numpy(dtype=float),
        scores[rows],
        probability[rows],
        **facts,
    )
    return Candidates(table, count_levels(probability), LEAST_LEVEL)


def _scored(ws: Workspace, layer: Layer) -> tuple[Floats, Floats] | None:
    """Probability and score of every row of the index under the call that made a layer."""
    made = layer.provenance
    if made.index != ws.index.manifest.fingerprint or made.encoder != ws.encoder.manifest.fingerprint:
        return None
    if made.tool == "search_words":
        text = " ".join(str(made.arguments["text"]).split())
        asked = ask(ws.index, ws.encoder, text, made.templates, ws.glossary)
        return np.asarray(asked.calibrated.probability, dtype=np.float64), asked.scores
    if made.tool == "refine":
        arguments = made.arguments
        source = ws.layers.get(str(arguments["layer"]))
        corrected = correct_search(
            ws, source, arguments["accept"], arguments["reject"], arguments.get("keep")
        )
        return corrected.probability, corrected.asked.scores
    return None

"""Rows of the index as layers: stored in rank order with every fact the index knows, and summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import Calibrated
from retrieval.hits import best_order
from retrieval.query import approximation
from retrieval.spatial.features import link_tiles
from tools.layers import Layer, make_table
from tools.results import Figures, said, tidy
from tools.things import counted

if TYPE_CHECKING:
    from tools.workspace import Workspace

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def best_first(rows: Rows, probability: Floats, scores: Floats) -> Rows:
    """Ascending rows by falling probability; equal ones by falling score, then in row order."""
    return rows[best_order(probability[rows], scores[rows])]


def told(ws: Workspace) -> tuple[str, ...]:
    """What every layer of a search must say of the index: nothing where all rows are scored."""
    note = approximation(ws.index)
    return (note,) if note else ()


def store_tiles(
    ws: Workspace,
    title: str,
    rows: Rows,
    scores: Floats,
    probability: Floats | None,
    *,
    tool: str,
    arguments: dict[str, Any],
    **record: Any,
) -> Layer:
    """Store index rows, in the order given, as a layer with every fact the index knows of them.

    Parameters
    ----------
    rows, scores, probability
        Shape (m,); NaN probabilities if None.
    tool, arguments
        The call that makes the layer.
    record
        Other fields of `tools.layers.Provenance`.
    """
    known = ws.index.tiles.columns(rows)
    table = make_table(
        ws.body,
        known.pop("tile_id"),
        np.stack([known.pop("lon"), known.pop("lat")], axis=-1),
        scores,
        probability,
        rank=np.arange(1, len(rows) + 1),
        feature_id=link_tiles(ws.index.grid, known["tile"]) + 1,
        **known,
    )
    ws.check_stop()
    return ws.layers.add(title, "tiles", table, ws.provenance(tool, arguments, **record))


def threshold_record(calibrated: Calibrated) -> dict[str, Any]:
    """Provenance of a threshold: its value, how it was chosen, and the counts a fifth to either side."""
    return {
        "threshold": float(calibrated.threshold),
        "threshold_method": calibrated.method,
        "counts_at": dict(calibrated.counts_at),
    }


def extent_figures(ws: Workspace, layer: Layer) -> Figures:
    """Features, area and mean probability of a layer that is not empty."""
    table = layer.table
    figures: Figures = {
        "features": int(table["feature_id"].max()),
        "area_km2": tidy(float(table["area_km2"].sum())),
    }
    if table["probability"].notna().any():
        figures["mean_probability"] = tidy(float(table["probability"].mean()), 3)
    return figures


def summed_up(ws: Workspace, layer: Layer, figures: Figures) -> tuple[str, Figures]:
    """Sentences on a layer of hits, with their figures; ``figures`` holds count, searched and threshold."""
    figures = figures | extent_figures(ws, layer)
    summary = (
        f"{layer.id}: {counted(layer, figures)} of {len(ws.index):,} searched reach a probability of "
        f"{said(figures['threshold'])}; their mean probability is {said(figures['mean_probability'])}. "
        f"They cover {said(figures['area_km2'])} km2."
    )
    stricter = _stricter(layer.provenance.counts_at, float(layer.provenance.threshold or 0.0))
    if stricter:
        figures |= {"stricter_threshold": tidy(stricter[0]), "stricter_count": stricter[1]}
        summary += f" At a threshold of {said(figures['stricter_threshold'])} there would be {stricter[1]:,}."
    return summary, figures


def _stricter(counts: dict[str, int], threshold: float) -> tuple[float, int] | None:
    # The count at the next threshold that is clearly stricter: what the choice of threshold is worth.
    above = sorted((float(level), count) for level, count in counts.items())
    return next(((level, count) for level, count in above if _clearly_above(level, threshold)), None)


def _clearly_above(level: float, threshold: float) -> bool:
    """Whether the odds of a level are a third or more above those of a threshold."""
    return level > 0.01 and level * (1 - threshold) > 1.33 * threshold * (1 - level)

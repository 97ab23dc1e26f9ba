"""From rows to what people and models see of them: stored layers, rounded figures, a few records.

A sentence and the ``figures`` beside it must state the same number: both are made with `tidy`, and `said`
writes a figure as a sentence does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray

from tools.layers import Kind, Layer

if TYPE_CHECKING:
    from tools.workspace import Workspace

Figures = dict[str, float | int]
Floats = NDArray[np.float64]


def add_layer(
    ws: Workspace,
    tool: str,
    arguments: dict[str, Any],
    *,
    title: str,
    table: gpd.GeoDataFrame,
    parents: Sequence[Layer],
    kind: Kind | None = None,
    threshold: float | None = None,
    score_rule: str = "",
    notes: tuple[str, ...] = (),
) -> Layer:
    """Store a layer made from others: the first parent's threshold, query and kind are carried on."""
    ws.check_stop()
    first = parents[0].provenance
    bound = first.threshold if threshold is None else max(threshold, first.threshold or 0.0)
    return ws.layers.add(
        title,
        kind or parents[0].kind,
        table,
        ws.provenance(
            tool,
            arguments,
            parents=tuple(parent.id for parent in parents),
            query=first.query,
            templates=first.templates,
            threshold=bound,
            threshold_method=first.threshold_method if threshold is None else "given in the call",
            counts_at=counts_at(table["probability"].to_numpy(dtype=float), bound),
            score_rule=score_rule or "rows keep their own score and probability",
            notes=notes,
        ),
    )


def counts_at(probability: Floats, threshold: float | None) -> dict[str, int]:
    """How many rows a stricter threshold would keep, from the layer's own up in steps of 0.1."""
    if threshold is None or np.isnan(probability).all():
        return {}
    levels = [threshold, *(level / 10 for level in range(1, 10) if level / 10 > threshold)]
    return {f"{level:.2f}": int((probability >= level).sum()) for level in levels}


def model_rows(ws: Workspace, layer: Layer, most: int = 8) -> tuple[dict[str, Any], ...]:
    """The first rows as plain records for a model, numbers rounded, at most `Settings.model_rows`."""
    shown = layer.table.head(min(most, ws.settings.model_rows)).drop(columns="geometry")
    return tuple(
        {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in record.items()
            if not (isinstance(value, float) and np.isnan(value)) and value is not None
        }
        for record in shown.to_dict("records")
    )


def tidy(value: float, digits: int = 4) -> float | int:
    """Round for people: whole numbers from 1,000 up, else ``digits`` significant digits."""
    number = float(value)
    if not math.isfinite(number) or number == 0:
        return 0 if number == 0 else number
    if abs(number) >= 1000:
        return round(number)
    rounded = round(number, digits - 1 - math.floor(math.log10(abs(number))))
    return int(rounded) if rounded == int(rounded) else rounded


def said(value: float) -> str:
    """A figure as a sentence writes it: thousands separated, no trailing zeros."""
    decimals = len(np.format_float_positional(float(value), trim="-").partition(".")[2])
    return f"{value:,.{decimals}f}"


def plural(count: int, noun: str) -> str:
    """``1 tile``, ``2 tiles``, ``3 entries``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"

"""Layers as the globe reads them: columns of numbers as base64 of typed arrays, texts front coded.

What is kept of a value: positions to 1e-5 degrees, probabilities to 1e-4, other numbers to float32 (seven
digits). ``globe_rows.js`` reads it. A hundred thousand rows take some 25 bytes each, not the 65 of JSON.

Rows with probabilities come most probable first, so that those that reach a threshold are always the first
so many; rows below a layer's own threshold, where they are known, come behind its own. How many reach each
threshold is counted here, over all rows, drawn or not.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray

from retrieval.spatial.shapes import Shapes
from tools.layers import Layer

if TYPE_CHECKING:
    from tools.candidates import Candidates

Json = Any

# Okabe & Ito (2008), told apart with any colour vision; blue last, because it is darkest on a dark map.
COLOURS = ("#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#0072B2")

# Four marks to seven colours, so that neighbours in the legend differ in both.
MARKS = ("disc", "square", "triangle", "diamond")

# Columns shown of a row if a layer has them, with the words and the unit they are shown with.
DETAILS = {
    "name": ("name", ""),
    "landform": ("landform", ""),
    "diameter_km": ("diameter", "km"),
    "length_km": ("length", "km"),
    "azimuth_deg": ("azimuth", "°"),
    "area_km2": ("area", "km²"),
    "elevation_m": ("elevation", "m"),
    "distance_km": ("distance", "km"),
    "joint_probability": ("joint probability", ""),
}

POSITION_STEP_DEG = 1e-5
PROBABILITY_STEP = 1e-4
UNKNOWN = 65535  # a probability that is not known
THRESHOLDS = np.arange(101) / 100.0  # that a slider stops at: 55 / 100 is the 0.55 of a tool call
NO_LEVEL = 255  # of a row whose probability is not known
LONGEST_TEXT = 200
MOST_CORNERS = 120_000  # of all lines and polygons of a layer; more are simplified until they fit
FIRST_TOLERANCE_DEG = 0.005
LAST_TOLERANCE_DEG = 0.64

_LINE, _OUTER, _HOLE = 1, 2, 3


def layers_payload(
    layers: Sequence[Layer], max_points: int, candidates: Mapping[str, Candidates] | None = None
) -> list[dict[str, Json]]:
    """What is drawn of each layer, as JSON values; at most ``max_points`` rows in all.

    A layer with more than its share keeps its most probable rows (catalogues: evenly spaced rows).

    Parameters
    ----------
    candidates
        By layer id, the rows that just missed it: drawn when its threshold is lowered in the browser.
    """
    near = candidates or {}
    counts = [len(layer) + (len(near[layer.id].table) if layer.id in near else 0) for layer in layers]
    return [
        {
            "colour": COLOURS[i % len(COLOURS)],
            "mark": MARKS[i % len(MARKS)],
            **_layer_json(layer, share, near.get(layer.id)),
        }
        for i, (layer, share) in enumerate(zip(layers, _shares(counts, max_points), strict=True))
    ]


def count_levels(probability: ArrayLike) -> list[int]:
    """How many probabilities reach each of `THRESHOLDS`; NaN reaches none."""
    level = levels_of(probability)
    held = np.bincount(level[level != NO_LEVEL], minlength=len(THRESHOLDS))
    return np.cumsum(held[::-1])[::-1].astype(int).tolist()  # type: ignore[no-any-return]


def levels_of(probability: ArrayLike) -> NDArray[np.uint8]:
    """The highest of `THRESHOLDS` that each probability reaches, by number; `NO_LEVEL` for NaN.

    Compared as a tool compares them, so that a slider and the call that keeps it agree to the row.
    """
    values = np.asarray(probability, dtype=float)
    level = np.searchsorted(THRESHOLDS, np.nan_to_num(values, nan=0.0), side="right") - 1
    return np.where(np.isnan(values), NO_LEVEL, np.clip(level, 0, len(THRESHOLDS) - 1)).astype(np.uint8)


def top_rows(layer: Layer, count: int) -> NDArray[np.int64]:
    """Positions of the ``count`` most probable rows, most probable first; ties and NaN in table order."""
    probability = layer.table["probability"].to_numpy(dtype=float)
    order = np.argsort(-np.nan_to_num(probability, nan=-1.0), kind="stable")
    return np.asarray(order[:count], dtype=np.int64)


def pack(values: ArrayLike, kind: str) -> str:
    """Numbers as base64 of little-endian ``kind``: ``i4``, ``u4``, ``u2``, ``f4``."""
    return base64.b64encode(np.asarray(values).astype(f"<{kind}").tobytes()).decode("ascii")


def pack_degrees(degrees: ArrayLike) -> str:
    """Degrees in steps of `POSITION_STEP_DEG`, int32."""
    return pack(np.rint(np.asarray(degrees, dtype=float) / POSITION_STEP_DEG), "i4")


def pack_probability(probability: ArrayLike) -> str | None:
    """Probabilities in steps of `PROBABILITY_STEP`, uint16, NaN as `UNKNOWN`; None if none is known."""
    values = np.asarray(probability, dtype=float)
    known = np.isfinite(values)
    steps = np.rint(np.clip(np.where(known, values, 0.0), 0.0, 1.0) / PROBABILITY_STEP)
    return pack(np.where(known, steps, UNKNOWN), "u2") if known.any() else None


def pack_numbers(values: ArrayLike) -> str | None:
    """Any numbers as float32; None if none is finite."""
    numbers = np.asarray(values, dtype=float)
    return pack(np.where(np.isfinite(numbers), numbers, np.nan), "f4") if np.isfinite(numbers).any() else None


def pack_texts(texts: Sequence[str]) -> str:
    """Texts front coded, one a line: how many characters are those of the line before (0..9a..z), the rest.

    Line breaks inside a text become spaces. Only ASCII is shared, so that a character is one everywhere.
    """
    lines, before = [], ""
    for text in texts:
        line = text.replace("\n", " ")
        pairs = enumerate(zip(before[:35], line, strict=False))
        shorter = min(35, len(before), len(line))
        count = next((k for k, (a, b) in pairs if a != b or not a.isascii()), shorter)
        lines.append("0123456789abcdefghijklmnopqrstuvwxyz"[count] + line[count:])
        before = line
    return "\n".join(lines)


def pack_shapes(shapes: Shapes) -> dict[str, Json] | None:
    """Lines and polygons as one list of corners and their parts; None if all are points.

    Returns
    -------
    ``corners``: longitude and latitude in turn; ``length``: corners of each part; ``row``: the row it belongs
    to; ``kind``: 1 a line, 2 an outer ring, 3 a hole; ``tolerance_deg``: how far an outline may be off for
    having been simplified, 0 if it was not.
    """
    if not (shapely.get_dimensions(shapes) > 0).any():
        return None
    shapes, tolerance = _lighter(shapes)
    parts, row = shapely.get_parts(shapes, return_index=True)
    dimension = shapely.get_dimensions(parts)
    lines, line_row = parts[dimension == 1], row[dimension == 1]
    rings, of = shapely.get_rings(parts[dimension == 2], return_index=True)
    first = np.diff(of, prepend=-1) != 0
    kind = np.concatenate([np.full(len(lines), _LINE), np.where(first, _OUTER, _HOLE)])
    paths, path_row = np.concatenate([lines, rings]), np.concatenate([line_row, row[dimension == 2][of]])
    order = np.argsort(path_row, kind="stable")
    return {
        "corners": pack_degrees(shapely.get_coordinates(paths[order])),
        "length": pack(shapely.get_num_coordinates(paths[order]), "u4"),
        "row": pack(path_row[order], "u4"),
        "kind": pack(kind[order], "u2"),
        "tolerance_deg": tolerance,
    }


def _lighter(shapes: Shapes) -> tuple[Shapes, float]:
    light, tolerance = shapes, 0.0
    while shapely.get_num_coordinates(light).sum() > MOST_CORNERS and tolerance < LAST_TOLERANCE_DEG:
        tolerance = 2 * tolerance or FIRST_TOLERANCE_DEG
        light = shapely.simplify(shapes, tolerance)
    return light, tolerance


def _shares(counts: Sequence[int], total: int) -> list[int]:
    """Split ``total`` points fairly: small layers whole, the rest in equal parts."""
    shares = [0] * len(counts)
    left = max(0, total)
    for position, i in enumerate(sorted(range(len(counts)), key=lambda i: counts[i])):
        shares[i] = min(counts[i], left // (len(counts) - position))
        left -= shares[i]
    return shares


def _layer_json(layer: Layer, share: int, near: Candidates | None) -> dict[str, Json]:
    table, kept = layer.table, len(layer)
    probable = bool(table["probability"].notna().any()) or (near is not None and len(near.table) > 0)
    if probable:
        table = table.iloc[top_rows(layer, len(layer))]
        if near is not None:
            table = pd.concat([pd.DataFrame(table), pd.DataFrame(near.table)], ignore_index=True)
        table = table.iloc[:share]
    elif share < len(table):
        table = table.iloc[np.linspace(0, len(table) - 1, share).astype(np.int64)]
    own = np.arange(len(table)) < kept
    placed = np.isfinite(table["lon"].to_numpy(dtype=float)) & np.isfinite(table["lat"].to_numpy(dtype=float))
    table, own = table[placed], own[placed]
    return {
        "id": layer.id,
        "title": layer.title,
        "kind": layer.kind,
        "count": len(layer),
        "threshold": layer.provenance.threshold,
        "rows": len(table),
        "kept": int(own.sum()),
        "ids": pack_texts(table["row_id"].astype(str).tolist()),
        "lon": pack_degrees(table["lon"]),
        "lat": pack_degrees(table["lat"]),
        "score": pack_numbers(table["score"]),
        "probability": pack_probability(table["probability"]),
        **(_thresholds(layer, table, near) if probable else {}),
        "shapes": pack_shapes(np.asarray(table["geometry"], dtype=object)),
        "details": [
            {"label": label, "unit": unit, **_detail(table[column])}
            for column, (label, unit) in DETAILS.items()
            if column in table.columns and table[column].notna().any()
        ],
    }


def _thresholds(layer: Layer, table: pd.DataFrame, near: Candidates | None) -> dict[str, Json]:
    """What a slider needs: the level of each drawn row, how many reach each level, and the lowest level."""
    own = layer.table["probability"].to_numpy(dtype=float)
    known = own[np.isfinite(own)]
    counts = count_levels(own) if near is None else near.counts
    # Below what a layer has kept nothing is known, unless the rows that just missed it are.
    least = int(levels_of(known).min(initial=100)) if near is None else near.least
    return {
        "level": base64.b64encode(levels_of(table["probability"]).tobytes()).decode("ascii"),
        "counts": counts,
        "least": least,
    }


def _detail(values: pd.Series[Any]) -> dict[str, Json]:
    if pd.api.types.is_numeric_dtype(values):
        return {"numbers": pack_numbers(values.to_numpy(dtype=float, na_value=np.nan))}
    return {"texts": pack_texts(["" if pd.isna(text) else str(text)[:LONGEST_TEXT] for text in values])}

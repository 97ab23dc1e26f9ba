"""Things of a layer per area observed, and the words for it: what classes and cells have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.spatial.density import Density, density_by
from tools.layers import Layer
from tools.results import Figures, plural, said, tidy
from tools.statistics.ground import Ground, evidence_groups
from tools.statistics.robustness import ALPHA, at, stricter, thresholds_words
from tools.things import things
from tools.workspace import Workspace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PerArea:
    """Things of a layer on the ground observed, and their densities.

    Attributes
    ----------
    lonlat, groups
        Positions, (n, 2), and the piece of evidence that each belongs to, (n,).
    noun
        What they are called, in the singular.
    classes, whole
        Density in each class, and on all of the ground observed.
    unobserved, unknown
        How many more lie off that ground, and how many of them in no class.
    """

    lonlat: Floats
    groups: Ints
    noun: str
    classes: Density
    whole: Density
    unobserved: int
    unknown: int


def per_area(ws: Workspace, layer: Layer, ground: Ground, edges: Floats) -> PerArea:
    """Count the things of a layer in classes of a value of the ground observed."""
    points, noun = things(ws, layer)
    on = ground.observed.cell_at(points) >= 0
    inside = points[on]
    labels = evidence_groups(ws, inside)
    found = density_by(
        ground.of_things(inside), labels, edges, ground.cell_values, ground.observed, alpha=ALPHA
    )
    one_class = np.zeros(len(ground.cell_values))
    whole = density_by(np.zeros(len(inside)), labels, [-1.0, 1.0], one_class, ground.observed, alpha=ALPHA)
    unknown = len(inside) - int(found.count.sum())
    return PerArea(inside, labels, noun, found, whole, int((~on).sum()), unknown)


def whole_words(layer: Layer, counted: PerArea, figures: Figures) -> str:
    """How many there are on how much ground; how many lie elsewhere."""
    count, area = len(counted.lonlat), float(counted.whole.observed_km2[0])
    figures |= {"count": count, "rows_count": len(layer), "observed_area_km2": tidy(area)}
    if not area > 0:
        return f"Cannot tell the density of {layer.id}: the index has observed no ground."
    merged = ""
    if layer.kind == "tiles" and count:
        merged = f" ({plural(len(layer), 'tile')}, of which those that touch count once)"
    many = plural(count, counted.noun) if count else f"no {counted.noun}"
    text = (
        f"{layer.id} has {many}{merged} on the {said(figures['observed_area_km2'])} km2 that the index has "
        f"observed: {interval_words('per_million_km2', counted.whole, 0, figures)}."
    )
    if counted.unobserved:
        figures["unobserved_count"] = counted.unobserved
        more = "more lies off that ground and does" if counted.unobserved == 1 else "more lie off it and do"
        text += f" {counted.unobserved:,} {more} not count."
    return text


def interval_words(name: str, found: Density, row: int, figures: Figures) -> str:
    """``12 per million km2 (95 % interval 8 to 17)``; the numbers go to figures."""
    figures["interval_percent"] = tidy(100.0 * (1.0 - ALPHA))
    for key, values in (
        (name, found.per_million_km2),
        (f"{name}_low", found.low),
        (f"{name}_high", found.high),
    ):
        figures[key] = tidy(float(values[row]), 3)
    return (
        f"{said(figures[name])} per million km2 ({figures['interval_percent']} % interval "
        f"{said(figures[f'{name}_low'])} to {said(figures[f'{name}_high'])})"
    )


def densest(found: Density, enough: Bools) -> Ints:
    """Classes that have any rows, among those with enough ground, the densest first."""
    per = np.where(enough & (found.count > 0), found.per_million_km2, -1.0)
    order = np.argsort(-per, kind="stable")
    return np.asarray(order[per[order] > 0], dtype=np.int64)


def densest_words(counted: PerArea, row: int, figures: Figures) -> str:
    """``12 per million km2 (95 % interval 8 to 17), 3.1 times the density of the whole``."""
    figures["densest_count"] = int(counted.classes.count[row])
    words = interval_words("densest_per_million_km2", counted.classes, row, figures)
    figures["densest_ratio"] = _ratio(counted, row)
    return f"{words}, {said(figures['densest_ratio'])} times the density of the whole"


def stricter_words(
    ws: Workspace, layer: Layer, ground: Ground, edges: Floats, row: int, noun: str, figures: Figures
) -> str:
    """The density of the whole, and of one class or cell beside it, at stricter thresholds."""
    levels, whole, ratios = [], [], []
    for level, cut in stricter(layer):
        ws.check_stop()
        counted = per_area(ws, cut, ground, edges)
        levels.append(level)
        whole.append(tidy(float(counted.whole.per_million_km2[0]), 3))
        ratios.append(_ratio(counted, row))
        figures[at("count", level)] = len(counted.lonlat)
        figures[at("per_million_km2", level)] = whole[-1]
        figures[at("densest_ratio", level)] = ratios[-1]
    if not levels:
        return ""
    words = thresholds_words(levels, figures)
    return (
        f" At {words} there are {both(whole)} per million km2, and that {noun} has {both(ratios)} times the "
        "density of the whole."
    )


def record(found: Density, row: int) -> dict[str, Any]:
    """One class for a table of the result."""
    seen = bool(np.isfinite(found.per_million_km2[row]))
    return {
        "count": int(found.count[row]),
        "observed_km2": tidy(float(found.observed_km2[row])),
        "per_million_km2": tidy(float(found.per_million_km2[row]), 3) if seen else None,
        "low_per_million_km2": tidy(float(found.low[row]), 3) if seen else None,
        "high_per_million_km2": tidy(float(found.high[row]), 3) if seen else None,
    }


def both(numbers: list[float | int]) -> str:
    """``4.4 and 4.7``."""
    return " and ".join(said(number) for number in numbers)


def _ratio(counted: PerArea, row: int) -> float | int:
    per = float(counted.whole.per_million_km2[0])
    return tidy(float(counted.classes.per_million_km2[row]) / per, 3) if per > 0 else 0

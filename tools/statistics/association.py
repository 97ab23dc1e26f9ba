"""Whether one layer lies nearer to another than chance allows: `retrieval.spatial.association` in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.spatial import association
from retrieval.spatial.association import Association
from retrieval.spatial.observed import Observed, observed_by_index
from retrieval.spatial.strata import BAND_DEG
from retrieval.spatial.verdicts import Side
from tools.layers import Layer
from tools.maps.charts import draw_curve
from tools.results import Figures, plural, said, tidy
from tools.statistics.robustness import ALPHA, at, corrected, stricter, thresholds_words
from tools.statistics.strata import Classes, classes_of
from tools.things import things
from tools.workspace import ToolResult, Workspace, check_distance_km, two_layers

CURVE_ROWS = 8
MOST_COMPARED = 5000  # things for which the uniform null is worth its time: it answers nothing by itself
MOST_REPEATED = 2000  # things for which the test is repeated at stricter thresholds
FULL_SHIFTS, FEW_SHIFTS = 999, 199
MANY_CELLS = 200_000  # observed: tiles that chance moves then go to middles of cells, whatever they are near

Floats = NDArray[np.float64]


def associate(
    ws: Workspace,
    layer: str,
    other: str,
    distance_km: float,
    side: Literal["nearer", "farther", "both"] = "both",
    null: Literal["spin", "rotation", "clusters", "uniform", "strata"] = "spin",
    strata: str | None = None,
) -> ToolResult:
    """Test whether the things of one layer lie nearer to those of another, or farther from them, than chance
    allows. The share of the first layer within a distance of the second is compared with the share after
    the first layer was moved many times over the ground observed. Tiles that touch count as one thing;
    lines and polygons of the second layer count as they are. Answers nearer, farther, no difference, or
    cannot tell with the reason; draws the share over distance with what chance gives. Corrects for the
    other tests of the conversation. Makes no layer.

    Parameters
    ----------
    layer
        Id of the layer that is tested, for example L1: a whole search, not one already kept by nearness.
    other
        Id of the layer to be near to, for example L2; not the same layer.
    distance_km
        What counts as near, km between the centres, or to the edge of lines and polygons; more than 0, at
        most half the body's circumference.
    side
        What is asked: nearer or farther, or both where it was not said beforehand.
    null
        What chance does: spin turns bands of latitude about the axis, so clusters and latitudes stay;
        strata moves each group of linked things to ground of its own class, so that what both merely share
        (high ground, one unit) is no association; rotation turns patches any way, so latitudes are lost;
        clusters turns each group of linked things by itself; uniform scatters all, which finds too much and
        is for comparison only.
    strata
        The classes of the null strata: a quantity known everywhere, such as elevation, or a layer of
        polygons and its column of text, such as L4.unit. Not given for the other nulls.
    """
    one, two = two_layers(ws, layer, other)
    distance = check_distance_km(ws, distance_km)
    observed = observed_by_index(ws.index)
    classes = classes_of(ws, observed, null, strata)
    model = "strata" if classes else null
    points, noun = things(ws, one)
    target = _target(two)

    on_cells = one.kind == "tiles" and (two.kind == "tiles" or len(observed.cells) > MANY_CELLS)
    test = _Test(ws, observed, distance, side, classes, on_cells)
    found = test.run(points, target, model, FULL_SHIFTS)
    figures: Figures = {"of_count": len(points), "other_count": len(two), "distance_km": tidy(distance)}
    if not found.why:
        return ToolResult(_answer(found, one, two, figures, len(points), noun), figures=figures)
    name = f"associate {one.id} {two.id} {distance:g} {side} {model} {strata or ''}".rstrip()
    more, after = corrected(ws, name, found.p_value, figures)
    summary = (
        _answer(found, one, two, figures, len(points), noun, after)
        + _share(found, two, figures, noun, more)
        + _grounds(found, one, two, figures, len(points), noun)
        + _same_tile(ws, points, one, two, figures, noun)
    )
    if model != "uniform" and len(points) <= MOST_COMPARED:
        summary += _naive(test.run(points, target, "uniform", FEW_SHIFTS), figures)
    cuts = _cuts(one, two) if len(points) <= MOST_REPEATED else []
    again = [
        (cut, test.run(things(ws, cut.layers[0])[0], _target(cut.layers[1]), model, FEW_SHIFTS))
        for cut in cuts
    ]
    summary += _at_stricter(found, again, one, two, figures)
    table = _curve(found) + tuple(_threshold_row(cut, result) for cut, result in again)
    return ToolResult(summary, figures=figures, pictures=(_picture(ws, one, two, found, noun),), table=table)


@dataclass(frozen=True)
class _Test:
    """What stays the same when the test is repeated with other rows or another null."""

    ws: Workspace
    observed: Observed
    distance_km: float
    side: Side
    classes: Classes | None
    on_cells: bool  # both layers are tiles, or the first is and these are small

    def run(self, places: Floats, others: NDArray[Any], null: Any, shifts: int) -> Association:
        self.ws.check_stop()
        classes = self.classes if null == "strata" else None
        return association.associate(
            self.ws.body,
            places,
            others,
            self.observed,
            self.distance_km,
            null=null,
            strata=classes.at if classes else None,
            strata_words=classes.words if classes else "",
            on_cells=self.on_cells,
            side=self.side,
            shifts=shifts,
            alpha=ALPHA,
            seed=self.ws.seed,
        )


def _target(layer: Layer) -> NDArray[Any]:
    """Positions, or shapes where the rows are lines or polygons."""
    return layer.lonlat if layer.pointlike else layer.shapes[~shapely.is_missing(layer.shapes)]


def _answer(
    found: Association,
    one: Layer,
    two: Layer,
    figures: Figures,
    count: int,
    noun: str,
    after: float = float("nan"),
) -> str:
    """The verdict; ``after`` is the p value corrected for all tests of the conversation."""
    if found.verdict == "cannot tell":
        empty = [layer.id for layer in (one, two) if not len(layer)]
        if empty:
            reason = f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
        else:
            reason = _why_not(found, two, figures, count, noun)
        return f"Cannot tell whether {one.id} lies nearer to {two.id} than chance allows: {reason}."
    if found.verdict == "no difference":
        figures["power_percent"] = 80
        figures["least_enrichment"] = tidy(found.least_enrichment, 3)
        either = f"neither nearer to {two.id} nor farther from it"
        only = {"nearer": f"no nearer to {two.id}", "farther": f"no farther from {two.id}"}
        size = "less" if found.side == "farther" else "more"
        return (
            f"{one.id} lies {only.get(found.side, either)} than chance allows: an enrichment of "
            f"{said(figures['least_enrichment'])} or {size} would have been seen with a chance of "
            f"{figures['power_percent']} %."
        )
    to = "nearer to" if found.verdict == "nearer" else "farther from"
    verdict = f"{one.id} lies {to} {two.id} than chance allows"
    if after > ALPHA:
        tests = plural(int(figures["tests_count"]), "test")
        return f"Taken by itself, {verdict}, but not once corrected for the {tests} of this conversation."
    return f"{verdict}."


def _why_not(found: Association, two: Layer, figures: Figures, count: int, noun: str) -> str:
    """Why a test could not tell, every number among the figures."""
    if not found.why:
        return found.reason
    if two.pointlike and len(two) < association.FEWEST_OTHERS:
        figures["fewest_others"] = association.FEWEST_OTHERS
        return f"{two.id} has {plural(len(two), 'row')}, and at least {figures['fewest_others']} are needed"
    if found.retained < association.LEAST_RETAINED:
        figures["retained_percent"] = tidy(100.0 * found.retained, 2)
        figures["least_retained_percent"] = tidy(100.0 * association.LEAST_RETAINED, 2)
        return (
            f"only {said(figures['retained_percent'])} % of what is moved falls on observed ground, and "
            f"{said(figures['least_retained_percent'])} % is needed"
        )
    least = found.least_enrichment
    blind = least < 1 / association.LARGEST_UNSEEN if found.side == "farther" else True
    if found.clusters >= association.FEWEST_CLUSTERS and found.p_value > ALPHA and blind:
        if not np.isfinite(least) or least <= 0:
            return "with so few of them no difference, however large, would be seen"
        figures["least_enrichment"] = tidy(least, 3)
        size = "less" if found.side == "farther" else "more"
        return f"only an enrichment of {said(figures['least_enrichment'])} or {size} would have been seen"
    figures["fewest_n"] = association.FEWEST_CLUSTERS
    worth = f"its {plural(count, noun)} {'is' if count == 1 else 'are'} worth"
    if not found.clusters:
        return f"{worth} less than one independent one, and at least {figures['fewest_n']} are needed"
    figures["independent_n"] = found.clusters
    ones = plural(found.clusters, "independent one")
    return f"{worth} about {ones}, and at least {figures['fewest_n']} are needed"


def _share(found: Association, two: Layer, figures: Figures, noun: str, more: str) -> str:
    figures["near_count"], figures["tested_count"] = found.near, found.of
    figures["near_percent"] = tidy(100.0 * found.near / found.of, 3)
    figures["expected_percent"] = tidy(found.expected_percent, 3)
    text = (
        f" {found.near:,} of {plural(found.of, noun)} ({said(figures['near_percent'])} %) "
        f"{'lies' if found.near == 1 else 'lie'} within {said(figures['distance_km'])} km of {two.id}; "
        f"by chance {said(figures['expected_percent'])} % would"
    )
    if np.isfinite([found.enrichment, found.enrichment_low, found.enrichment_high]).all():
        figures["interval_percent"] = tidy(100.0 * (1.0 - ALPHA))
        figures["enrichment"] = tidy(found.enrichment, 3)
        figures["enrichment_low"] = tidy(found.enrichment_low, 3)
        figures["enrichment_high"] = tidy(found.enrichment_high, 3)
        text += (
            f", an enrichment of {said(figures['enrichment'])} "
            f"({said(figures['interval_percent'])} % interval {said(figures['enrichment_low'])} to "
            f"{said(figures['enrichment_high'])})"
        )
    figures["p_value"] = tidy(found.p_value, 2)
    sides = "two-sided" if found.side == "both" else "one-sided"
    return f"{text}, {sides} p = {said(figures['p_value'])}{more}."


def _grounds(found: Association, one: Layer, two: Layer, figures: Figures, count: int, noun: str) -> str:
    """Which null was used and why, what was left out, and how distances count."""
    if found.null == "strata":
        figures["stratum_band_deg"] = tidy(BAND_DEG)
    text = f" Null model “{found.null}”: {found.why}."
    if found.of < count:
        figures["tested_count"] = found.of
        known = " and of a known class" if found.null == "strata" else ""
        drawn = found.of == association.MOST_MOVED // association.FEWEST_SHIFTS
        text += (
            f" Tested were {found.of:,} of the {plural(count, noun)}, on ground observed{known}"
            f"{', drawn at random to bound the work' if drawn else ''}."
        )
    if not two.pointlike:
        text += f" Distances are to the lines and outlines of {two.id}; inside a polygon there is none."
    if not one.pointlike:
        text += f" One position stands for each row of {one.id}."
    return text


def _same_tile(ws: Workspace, points: Floats, one: Layer, two: Layer, figures: Figures, noun: str) -> str:
    """A tile that two searches share may show one thing that was taken for two."""
    if one.kind != "tiles" or two.kind != "tiles":
        return ""
    grid = ws.index.grid
    shared = int(np.isin(grid.locate(points), grid.locate(two.lonlat)).sum())
    if not shared:
        return ""
    figures["same_tile_count"] = shared
    return (
        f" For {plural(shared, noun)} the very tile is one of {two.id} too, where one thing may have been "
        "taken for both."
    )


def _naive(found: Association, figures: Figures) -> str:
    figures["uniform_expected_percent"] = tidy(found.expected_percent, 3)
    verdict = {"no difference": "no difference", "cannot tell": "that it cannot tell"}.get(
        found.verdict, f"“{found.verdict}”"
    )
    return (
        f" The naive uniform null, which forgets clusters and latitudes, expects "
        f"{said(figures['uniform_expected_percent'])} % and would have said {verdict}."
    )


@dataclass(frozen=True)
class _Cut:
    """Both layers as stricter thresholds would have left them; None for a layer that has no thresholds."""

    levels: tuple[float | None, float | None]
    layers: tuple[Layer, Layer]

    @property
    def level(self) -> float:
        return next(level for level in self.levels if level is not None)


def _cuts(one: Layer, two: Layer) -> list[_Cut]:
    first, second = stricter(one), stricter(two)
    if not first or not second:
        return [_Cut((level, None), (cut, two)) for level, cut in first] + [
            _Cut((None, level), (one, cut)) for level, cut in second
        ]
    return [_Cut((a, b), (cut_a, cut_b)) for (a, cut_a), (b, cut_b) in zip(first, second, strict=False)]


def _at_stricter(
    found: Association, again: list[tuple[_Cut, Association]], one: Layer, two: Layer, figures: Figures
) -> str:
    """The enrichment and the verdict at stricter thresholds."""
    if not again:
        return ""
    firsts, seconds = zip(*(cut.levels for cut, _ in again), strict=True)
    levels = [cut.level for cut, _ in again]
    words = thresholds_words(levels, figures)
    if firsts != seconds:
        words += f" of {two.id if firsts[0] is None else one.id}"
        if firsts[0] is not None and seconds[0] is not None:
            figures["threshold_raised"] = tidy(levels[0] - (one.provenance.threshold or 0.0))
            words += f", and those of {two.id} raised as much,"
    values = []
    for cut, result in again:
        value = tidy(result.enrichment, 3)
        values.append(said(value) if np.isfinite(value) else "unknown")
        if np.isfinite(value):
            figures[at("enrichment", cut.level)] = value
    verdicts = [result.verdict for _, result in again]
    same = all(verdict == found.verdict for verdict in verdicts)
    answer = "the answer is the same" if same else "the answer is " + " and ".join(f"“{v}”" for v in verdicts)
    return f" At {words} the enrichment is {' and '.join(values)}, and {answer}."


def _picture(ws: Workspace, one: Layer, two: Layer, found: Association, noun: str) -> Path:
    return draw_curve(
        ws,
        f"association_{one.id}_{two.id}",
        title=f"{one.title} near {two.title}",
        x_label=f"distance to the nearest of {two.id}, {two.title}, km",
        y_label=f"share of {one.id} within it, %",
        x=found.radii_km,
        value=100.0 * found.share,
        null_mean=100.0 * found.null_mean,
        null_low=100.0 * found.low,
        null_high=100.0 * found.high,
        mark_x=found.distance_km,
        value_label=f"{plural(found.of, noun)} of {one.id}",
        null_label=f"by chance ({found.null}), {100 * (1 - ALPHA):g} % band of the whole curve",
        notes=(f"Null model “{found.null}”: {found.why}.",),
    )


def _threshold_row(cut: _Cut, found: Association) -> dict[str, Any]:
    row = {
        "threshold": tidy(cut.level),
        "distance_km": tidy(found.distance_km),
        "tested": found.of,
        "near_percent": tidy(100.0 * found.near / found.of, 3) if found.of else None,
        "expected_percent": tidy(found.expected_percent, 3),
        "enrichment": tidy(found.enrichment, 3),
        "verdict": found.verdict,
    }
    return {name: value for name, value in row.items() if not isinstance(value, float) or np.isfinite(value)}


def _curve(found: Association) -> tuple[dict[str, Any], ...]:
    """Some distances of the curve, the one asked among them."""
    asked = int(np.searchsorted(found.radii_km, found.distance_km))
    spread = np.linspace(0, len(found.radii_km) - 1, CURVE_ROWS - 1).round().astype(int)
    return tuple(
        {
            "distance_km": tidy(float(found.radii_km[row])),
            "near_percent": tidy(100.0 * float(found.share[row]), 3),
            "expected_percent": tidy(100.0 * float(found.null_mean[row]), 3),
            "chance_low_percent": tidy(100.0 * float(found.low[row]), 3),
            "chance_high_percent": tidy(100.0 * float(found.high[row]), 3),
        }
        for row in np.unique([*spread.tolist(), asked])
    )

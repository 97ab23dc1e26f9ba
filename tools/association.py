"""Whether one layer lies nearer to another than chance allows: `retrieval.spatial.association` in words."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.body import unit_vectors
from retrieval.errors import ToolInputError
from retrieval.spatial import association
from retrieval.spatial.association import Association
from retrieval.spatial.observed import observed_by_index
from tools.layers import Layer
from tools.results import Figures, plural, said, tidy
from tools.spatial import TOUCHING_TILES, merge_features
from tools.workspace import ToolResult, Workspace, check_number

ALPHA = 0.05
CURVE_ROWS = 8
MOST_COMPARED = 5000  # rows for which the uniform null is worth its time: it answers nothing by itself

Floats = NDArray[np.float64]


def associate(
    ws: Workspace,
    layer: str,
    other: str,
    distance_km: float,
    side: Literal["nearer", "farther", "both"] = "both",
    null: Literal["spin", "rotation", "clusters", "uniform"] = "spin",
) -> ToolResult:
    """Test whether the things of one layer lie nearer to those of another, or farther from them, than chance
    allows. The share of the first layer within a distance of the second is compared with the share after
    the first layer was moved many times over the ground observed. Tiles that touch count as one thing.
    Answers nearer, farther, no difference, or cannot tell with the reason. Makes no layer.

    Parameters
    ----------
    layer
        Id of the layer that is tested, for example L1: a whole search, not one already kept by nearness.
    other
        Id of the layer to be near to, for example L2; not the same layer.
    distance_km
        What counts as near, km between the centres; more than 0, at most half the body's circumference.
    side
        What is asked: nearer or farther, or both where it was not said beforehand.
    null
        What chance does: spin turns bands of latitude about the axis, so clusters and latitudes stay;
        rotation turns patches any way, so latitudes are lost; clusters turns each group of linked things by
        itself; uniform scatters all, which finds too much and is for comparison only.
    """
    one, two = ws.layers.get(layer), ws.layers.get(other)
    if one.id == two.id:
        raise ToolInputError(
            f"layer and other are both {one.id}: everything is near itself",
            allowed="two different layers of " + ", ".join(ws.layers.ids()),
            next_step="search for the second thing first",
        )
    distance = check_number("distance_km", distance_km, 0, ws.body.half_circumference_km, "km", above=True)
    points, noun = _things(ws, one)
    observed = observed_by_index(ws.index)

    def tested(model: Any, shifts: int) -> Association:
        ws.check_stop()
        return association.associate(
            ws.body,
            points,
            two.lonlat,
            observed,
            distance,
            null=model,
            side=side,
            shifts=shifts,
            alpha=ALPHA,
            seed=ws.seed,
        )

    found = tested(null, 999)
    figures: Figures = {"of_count": len(points), "other_count": len(two), "distance_km": tidy(distance)}
    summary = _answer(found, one, two, figures, len(points), noun) + _share(found, two, figures, noun)
    if found.why:
        summary += f" Null model “{found.null}”: {found.why}."
        if found.of < len(points):
            figures["tested_count"] = found.of
            summary += f" Tested were {found.of:,} of the {plural(len(points), noun)}, on ground observed."
        summary += _same_tile(ws, points, one, two, figures, noun)
        if null != "uniform" and len(points) <= MOST_COMPARED:
            summary += _naive(tested("uniform", 199), figures)
    return ToolResult(summary, figures=figures, table=_curve(found))


def _things(ws: Workspace, layer: Layer) -> tuple[Floats, str]:
    """Positions that count as one each, and what they are called.

    Of tiles that touch only the one nearest to their common centre counts, wherever the shape of the group
    bends: so it lies on ground that was observed.
    """
    lonlat = layer.lonlat
    if layer.kind != "tiles" or not len(lonlat):
        return lonlat, "row"
    group = merge_features(lonlat, ws.body, TOUCHING_TILES * ws.index.grid.tile_km)
    vectors = unit_vectors(lonlat)
    total: Floats = np.stack([np.bincount(group, vectors[:, axis]) for axis in range(3)], axis=-1)
    centre = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    # Rounded, so that the first of equals counts on every machine.
    off = np.round(1.0 - (vectors * centre[group]).sum(axis=1), 12)
    order = np.lexsort((np.arange(len(group)), off, group))
    return lonlat[order[np.unique(group[order], return_index=True)[1]]], "feature"


def _answer(found: Association, one: Layer, two: Layer, figures: Figures, count: int, noun: str) -> str:
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
    return f"{one.id} lies {to} {two.id} than chance allows."


def _why_not(found: Association, two: Layer, figures: Figures, count: int, noun: str) -> str:
    """Why a test could not tell, every number among the figures."""
    if not found.why:
        return found.reason
    if len(two) < association.FEWEST_OTHERS:
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
    figures["independent_n"] = found.clusters
    figures["fewest_n"] = association.FEWEST_CLUSTERS
    return (
        f"its {plural(count, noun)} {'is' if count == 1 else 'are'} worth about "
        f"{plural(found.clusters, 'independent one')}, and at least {figures['fewest_n']} are needed"
    )


def _share(found: Association, two: Layer, figures: Figures, noun: str) -> str:
    if not found.why:
        return ""
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
    return f"{text}, {sides} p = {said(figures['p_value'])}."


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


def _curve(found: Association) -> tuple[dict[str, Any], ...]:
    """Some distances of the curve, the one asked among them."""
    if not found.why:
        return ()
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

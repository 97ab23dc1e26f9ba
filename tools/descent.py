"""What lies downslope of something else: lower, near, and where the ground falls to from there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.spatial.sphere import SphereTree
from tools.context import quantities, quantity, values_of
from tools.layers import Layer
from tools.relations import SCORE_RULE, joint_chance
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.things import counted, feature_figures, rows_of
from tools.workspace import ToolResult, Workspace, check_distance_km, two_layers

WITHIN_DEG = 60.0  # of the direction of steepest descent: what runs down a slope fans out
BLOCK = 20_000  # rows whose pairs are held at a time

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def downslope(ws: Workspace, layer: str, other: str, distance_km: float) -> ToolResult:
    """Keep the rows of one layer that lie downslope of a row of another layer: within a distance of it,
    lower, and in the direction in which the ground falls from there. For gullies below alcoves, deposits
    below scarps, fans below channels.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, the lower things, for example L1.
    other
        Id of the layer of upper things, for example L2; not the same layer.
    distance_km
        Largest distance from the upper thing, km; more than 0, at most half the body's circumference.
    """
    one, two = two_layers(ws, layer, other)
    distance = check_distance_km(ws, distance_km)
    low, high = (values_of(ws, each, quantity(ws, "elevation")) for each in (one, two))
    aspect = values_of(ws, two, quantity(ws, "aspect")) if "aspect" in quantities(ws) else None
    upper, drop, apart = _uppermost(ws, one, two, low, high, aspect, distance)
    keep = upper >= 0
    table = one.table[keep].copy()
    table["elevation_m"] = np.round(low[keep], 1)
    table[f"drop_m_from_{two.id}"] = np.round(drop[keep], 1)
    table[f"km_to_{two.id}"] = np.round(apart[keep], 3)
    table[f"upslope_{two.id}"] = two.table["row_id"].astype(str).to_numpy()[upper[keep]]
    table["joint_probability"] = joint_chance(one, two, upper)[keep]
    how = (
        "directions were compared with the slope at the upper thing"
        if aspect is not None
        else "no slope is known for this body, so that only elevations were compared"
    )
    made = add_layer(
        ws,
        "downslope",
        {"layer": one.id, "other": two.id, "distance_km": distance},
        title=f"{one.title} downslope of {two.title}",
        table=table,
        parents=(one, two),
        score_rule=SCORE_RULE,
        notes=(how,),
    )
    figures: Figures = {
        "count": len(made),
        "of_count": len(one),
        "other_count": len(two),
        "distance_km": tidy(distance),
        "unknown_elevation": int(np.isnan(low).sum()),
        **feature_figures(ws, made),
    }
    summary = (
        f"{made.id}: {counted(made, figures)} of the {rows_of(one)} of {one.id} lie downslope of one of the "
        f"{rows_of(two)} of {two.id}, within {said(figures['distance_km'])} km"
    )
    if aspect is not None:
        figures["within_deg"] = tidy(WITHIN_DEG)
        summary += (
            f" and {said(figures['within_deg'])} degrees of the direction in which the ground falls there"
        )
    summary += "."
    if len(made):
        figures["median_drop_m"] = tidy(float(np.median(drop[keep])), 3)
        figures["median_distance_km"] = tidy(float(np.median(apart[keep])), 3)
        summary += (
            f" Their median drop is {said(figures['median_drop_m'])} m over "
            f"{said(figures['median_distance_km'])} km."
        )
    if aspect is None:
        summary += f" {how[0].upper()}{how[1:]}."
    if figures["unknown_elevation"]:
        summary += f" {plural(int(figures['unknown_elevation']), 'row')} had no known elevation."
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def _uppermost(
    ws: Workspace, one: Layer, two: Layer, low: Floats, high: Floats, aspect: Floats | None, distance: float
) -> tuple[Ints, Floats, Floats]:
    """For each row of one layer the nearest row of the other that it lies downslope of: that row (-1 where
    there is none), the drop in metres and the distance in km.
    """
    upper = np.full(len(one), -1, dtype=np.int64)
    drop, apart = np.full(len(one), np.nan), np.full(len(one), np.nan)
    tree = SphereTree(ws.body, two.lonlat)
    for start in range(0, len(one), BLOCK):
        ws.check_stop()
        row, above, km = tree.pairs(one.lonlat[start : start + BLOCK], distance)
        row += start
        falls = high[above] - low[row]
        good = (falls > 0) & (km > 0)
        if aspect is not None:
            azimuth = ws.body.azimuth_deg(two.lonlat[above], one.lonlat[row])
            off = np.abs((azimuth - aspect[above] + 180.0) % 360.0 - 180.0)
            good &= off <= WITHIN_DEG
        row, above, km, falls = row[good], above[good], km[good], falls[good]
        order = np.lexsort((above, km, row))
        first = order[np.unique(row[order], return_index=True)[1]]
        upper[row[first]], drop[row[first]], apart[row[first]] = above[first], falls[first], km[first]
    return upper, drop, apart

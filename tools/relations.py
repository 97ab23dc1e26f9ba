"""How the rows of one layer lie to those of another: near, far, overlapping, nearest, downslope.

Distances are great circles on the body: between positions, or from the edges of lines and polygons, 0
inside. Every relation adds what it found in columns named after the other layer (``km_to_L2``,
``nearest_L2``), so that in a chain, A near B near C, each link stays on record.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.spatial import shapes as spatial_shapes
from retrieval.spatial.observed import observed_by_index
from retrieval.spatial.sphere import SLACK, SphereTree
from tools.layers import Layer
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.things import counted, feature_figures, rows_of
from tools.workspace import ToolResult, Workspace, check_distance_km, check_number, two_layers

MIN_OBSERVED_SHARE = 0.9

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SCORE_RULE = (
    "rows keep their own score and probability; joint_probability is its product with that of the nearest "
    "row of the other layer, as if the two were independent; what a catalogue lists counts as certain"
)


def near(ws: Workspace, layer: str, other: str, distance_km: float) -> ToolResult:
    """Keep the rows of one layer that lie within a great-circle distance of any row of another layer. For
    a chain (A near B near C), keep B near C first, then A near the result.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, for example L1.
    other
        Id of the layer to be near to, for example L2; not the same layer.
    distance_km
        Largest distance, km, between centres or from the edge of a line or polygon; more than 0, at most
        half the body's circumference.
    """
    one, two = two_layers(ws, layer, other)
    distance = check_distance_km(ws, distance_km)
    apart, nearest_row = apart_km(ws, one, two)
    keep = apart <= distance + SLACK * ws.body.radius_km
    made = add_layer(
        ws,
        "near",
        {"layer": one.id, "other": two.id, "distance_km": distance},
        title=_titled("{} within " + said(tidy(distance)) + " km of {}", one, two),
        table=_with_other(one, two, apart, nearest_row, keep),
        parents=(one, two),
        score_rule=SCORE_RULE,
        notes=_centre_notes(ws, one, two),
    )
    figures = _compared(ws, one, two, made) | {"distance_km": tidy(distance)}
    summary = (
        f"{made.id}: {counted(made, figures)} of the {rows_of(one)} of {one.id} lie within "
        f"{said(figures['distance_km'])} km of one of the {rows_of(two)} of {two.id}."
    )
    if len(made):
        figures["median_distance_km"] = tidy(float(np.median(apart[keep])), 3)
        summary += f" Their median distance is {said(figures['median_distance_km'])} km."
    summary += _empty_note(one, two) + _distance_note(ws, one, two, distance, figures)
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def without(ws: Workspace, layer: str, other: str, distance_km: float) -> ToolResult:
    """Keep the rows of one layer that lie farther than a distance from every row of another layer.

    Says how many of them have surroundings that the index has not fully observed: there the other thing
    may be missing only because nobody looked.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, for example L1.
    other
        Id of the layer to stay away from, for example L2; not the same layer.
    distance_km
        Smallest distance, km, between centres or from the edge of a line or polygon; more than 0, at most
        half the body's circumference.
    """
    one, two = two_layers(ws, layer, other)
    distance = check_distance_km(ws, distance_km)
    apart, nearest_row = apart_km(ws, one, two)
    keep = ~(apart <= distance + SLACK * ws.body.radius_km)
    table = _with_other(one, two, apart, nearest_row, keep, joint=False)
    unsure = 0
    if two.kind == "tiles":  # what the index has not observed says nothing about a catalogue's entries
        seen = observed_by_index(ws.index).share_around(table[["lon", "lat"]].to_numpy(dtype=float), distance)
        table["surroundings_observed"] = np.round(seen, 3)
        unsure = int((seen < MIN_OBSERVED_SHARE).sum())
    made = add_layer(
        ws,
        "without",
        {"layer": one.id, "other": two.id, "distance_km": distance},
        title=_titled("{} farther than " + said(tidy(distance)) + " km from {}", one, two),
        table=table,
        parents=(one, two),
        notes=_centre_notes(ws, one, two),
    )
    figures = _compared(ws, one, two, made) | {"distance_km": tidy(distance), "unsure_count": unsure}
    summary = (
        f"{made.id}: {counted(made, figures)} of the {rows_of(one)} of {one.id} lie farther than "
        f"{said(figures['distance_km'])} km from all {rows_of(two)} of {two.id}."
    )
    if unsure:
        figures["min_observed_percent"] = tidy(100 * MIN_OBSERVED_SHARE)
        summary += (
            f" For {plural(unsure, 'row')} of them less than {figures['min_observed_percent']} % of that "
            "neighbourhood was observed, so absence is not shown there."
        )
    summary += _empty_note(one, two) + _distance_note(ws, one, two, distance, figures)
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def nearest(ws: Workspace, layer: str, other: str, count: int | None = None) -> ToolResult:
    """Measure how far each row of a layer lies from the nearest row of another layer, and keep all rows with
    that distance, or only the few nearest.

    Parameters
    ----------
    layer
        Id of the layer whose rows are measured, for example L1.
    other
        Id of the layer to measure to, for example L2; not the same layer.
    count
        Keep only this many rows, the nearest first; 1 to 100,000. All rows in their order if not given.
    """
    one, two = two_layers(ws, layer, other)
    most = None if count is None else int(check_number("count", count, 1, 100_000, "rows"))
    apart, nearest_row = apart_km(ws, one, two)
    order = np.arange(len(one)) if most is None else np.argsort(apart, kind="stable")[:most]
    order = order[np.isfinite(apart[order])] if most is not None else order
    table = _with_other(one, two, apart, nearest_row, order)
    few = "" if most is None else f"{plural(most, 'row')} of "
    made = add_layer(
        ws,
        "nearest",
        {"layer": one.id, "other": two.id, "count": most},
        title=_titled(few + "{} nearest to {}" if few else "{} by distance to {}", one, two),
        table=table,
        parents=(one, two),
        score_rule=SCORE_RULE,
        notes=_centre_notes(ws, one, two),
    )
    figures = _compared(ws, one, two, made)
    known = apart[order][np.isfinite(apart[order])]
    summary = f"{made.id}: {counted(made, figures)} from {one.id}, each with its distance to {two.id}."
    if len(known):
        low, middle, high = (tidy(value, 3) for value in (known.min(), np.median(known), known.max()))
        figures |= {"min_distance_km": low, "median_distance_km": middle, "max_distance_km": high}
        summary += (
            f" Distances run from {said(low)} to {said(high)} km, with the median at {said(middle)} km."
        )
        if most is not None and len(made):
            first = table.iloc[0]
            summary += (
                f" The nearest is {first['row_id']} at {said(low)} km from {first[f'nearest_{two.id}']}."
            )
    summary += _empty_note(one, two) + _distance_note(ws, one, two, np.inf, figures)
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def overlap(ws: Workspace, layer: str, other: str) -> ToolResult:
    """Keep the rows of one layer that share ground with a row of another layer: in the same tile or in one
    that shares an edge with it; for lines and polygons where the shapes touch, cross or hold each other.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, for example L1.
    other
        Id of the layer to overlap with, for example L2; not the same layer.
    """
    one, two = two_layers(ws, layer, other)
    shaped = not (one.pointlike and two.pointlike)
    apart, nearest_row = _apart_shapes(ws, one, two) if shaped else _apart_tiles(ws, one, two)
    made = add_layer(
        ws,
        "overlap",
        {"layer": one.id, "other": two.id},
        title=_titled("{} overlapping {}", one, two),
        table=_with_other(one, two, apart, nearest_row, np.isfinite(apart)),
        parents=(one, two),
        score_rule=SCORE_RULE,
        notes=(() if shaped else (f"km_to_{two.id} is between the centres of the two tiles",)),
    )
    figures = _compared(ws, one, two, made)
    summary = f"{made.id}: {counted(made, figures)} of the {rows_of(one)} of {one.id} "
    if shaped:
        summary += f"share ground with one of the {rows_of(two)} of {two.id}."
    else:
        figures["same_tile_count"] = int((apart == 0).sum())
        figures["tile_km"] = tidy(ws.index.grid.tile_km)
        summary += (
            f"lie in the tile of a row of {two.id} or in one that shares an edge with it; "
            f"{figures['same_tile_count']:,} share the same tile of {said(figures['tile_km'])} km."
        )
    return ToolResult(summary + _empty_note(one, two), (made.id,), figures, table=model_rows(ws, made))


def apart_km(ws: Workspace, one: Layer, two: Layer) -> tuple[Floats, Ints]:
    """Distance from each row of a layer to the nearest row of another, km, and that row, (n,) each.

    Between positions, or to the edges of lines and polygons, 0 inside; inf and -1 where the other is empty.
    """
    ws.check_stop()
    if two.pointlike and one.pointlike:
        return SphereTree(ws.body, two.lonlat).nearest(one.lonlat)
    if one.pointlike:
        return spatial_shapes.distance_km(one.lonlat, two.shapes, ws.body)
    return spatial_shapes.shape_distance_km(one.shapes, two.shapes, ws.body)


def _apart_tiles(ws: Workspace, one: Layer, two: Layer) -> tuple[Floats, Ints]:
    # Of tiles that are the same or share an edge: between centres; 0 in the same tile, inf beside none.
    grid = ws.index.grid
    own, tile = np.unique(grid.locate(one.lonlat), return_inverse=True)
    theirs, first_row = np.unique(grid.locate(two.lonlat), return_index=True)
    a, b = grid.neighbours(np.union1d(own, theirs))
    here = np.intersect1d(own, theirs)
    from_tile, to_tile = np.concatenate([here, a, b]), np.concatenate([here, b, a])
    wanted = np.isin(from_tile, own) & np.isin(to_tile, theirs)
    from_tile, to_tile = from_tile[wanted], to_tile[wanted]
    km = ws.body.distance_km(grid.centres(from_tile), grid.centres(to_tile))
    order = np.lexsort((to_tile, km, from_tile))
    best = order[np.unique(from_tile[order], return_index=True)[1]]
    apart, row = np.full(len(own), np.inf), np.full(len(own), -1, dtype=np.int64)
    at = np.searchsorted(own, from_tile[best])
    apart[at], row[at] = km[best], first_row[np.searchsorted(theirs, to_tile[best])]
    return apart[tile.reshape(-1)], row[tile.reshape(-1)]


def _apart_shapes(ws: Workspace, one: Layer, two: Layer) -> tuple[Floats, Ints]:
    # 0 where footprints share ground, inf elsewhere; the footprint of a tile is its cell.
    grid = ws.index.grid
    own, theirs = (
        grid.cells(grid.locate(layer.lonlat)) if layer.kind == "tiles" else layer.shapes
        for layer in (one, two)
    )
    return spatial_shapes.shape_distance_km(own, theirs, ws.body, within_km=0.0)


def _with_other(
    one: Layer, two: Layer, apart: Floats, nearest_row: Ints, rows: Ints | Bools, *, joint: bool = True
) -> gpd.GeoDataFrame:
    # Rows of one layer with what is nearest to each in the other.
    kept = one.table[rows].copy() if rows.dtype == bool else one.table.iloc[rows].copy()
    there = nearest_row[rows] >= 0
    match = two.table.iloc[nearest_row[rows][there]]
    km = np.where(there, apart[rows], np.nan)
    ids = np.full(len(kept), "", dtype=object)
    ids[there] = match["row_id"].astype(str)
    kept[f"km_to_{two.id}"] = np.round(km, 3)
    kept[f"nearest_{two.id}"] = pd.Series(ids, index=kept.index, dtype="str")
    if joint:
        kept["joint_probability"] = joint_chance(one, two, nearest_row)[rows]
    return kept


def joint_chance(one: Layer, two: Layer, partner: Ints) -> Floats:
    """Probability of each row of a layer times that of its partner in another, (n,): see `SCORE_RULE`.

    Parameters
    ----------
    partner
        Row of the other layer, (n,); -1 where there is none, which gives NaN.
    """
    chance = np.append(_chance(two.table), np.nan)
    if two.kind == "catalogue":
        chance[:-1] = np.nan_to_num(chance[:-1], nan=1.0)
    return np.asarray(_chance(one.table) * chance[partner])


def _chance(table: gpd.GeoDataFrame) -> Floats:
    # What a chain has multiplied so far, or the row's own probability.
    name = "joint_probability" if "joint_probability" in table else "probability"
    return np.asarray(table[name], dtype=float)


def _compared(ws: Workspace, one: Layer, two: Layer, made: Layer) -> Figures:
    return {
        "count": len(made),
        "of_count": len(one),
        "other_count": len(two),
        **feature_figures(ws, made),
    }


def _centre_notes(ws: Workspace, *layers: Layer) -> tuple[str, ...]:
    if not any(layer.kind == "tiles" for layer in layers):
        return ()
    return (f"distances of tiles are between centres; a tile is {ws.index.grid.tile_km:g} km wide",)


def _distance_note(ws: Workspace, one: Layer, two: Layer, distance: float, figures: Figures) -> str:
    if not any(layer.kind == "tiles" for layer in (one, two)):
        return ""
    figures["tile_km"] = tidy(ws.index.grid.tile_km)
    shaped = [layer.id for layer in (one, two) if not layer.pointlike]
    if shaped:
        return (
            f" Distances are between centres of tiles {said(figures['tile_km'])} km wide and the edges of "
            f"{' and '.join(shaped)}, 0 inside."
        )
    note = f" Distances are between centres of tiles {said(figures['tile_km'])} km wide"
    return note + (", so one this short means the same tile." if distance < ws.index.grid.tile_km else ".")


def _empty_note(one: Layer, two: Layer) -> str:
    empty = [layer.id for layer in (one, two) if not len(layer)]
    return f" Layer {' and layer '.join(empty)} {'are' if len(empty) > 1 else 'is'} empty." if empty else ""


def _titled(pattern: str, one: Layer, two: Layer) -> str:
    # Long titles give way to ids, so that the operation itself is never cut off.
    for first, second in ((one.title, two.title), (one.title, two.id), (one.id, two.id)):
        title = pattern.format(first, second)
        if len(title) <= 110:
            return title
    return title

"""Set algebra over scored layers: near, without, overlap, union; hits merged into features.

One core serves them all: a k-d tree on unit vectors of the sphere, in which the nearest point by straight
line is the nearest by great circle. It has no seam at the antimeridian and no singular point at the
poles, which planar distances in degrees have. Scores are carried through, never thrown away.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from retrieval.body import Body, chord, unit_vectors
from retrieval.errors import ToolInputError
from tools.layers import Layer, shorten
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.workspace import ToolResult, Workspace, check_layers, check_number

# Centres of tiles that touch, corner to corner included, are at most 1.5 tile widths apart in the rows of
# the grid; 1.6 leaves room for the rounding of columns.
TOUCHING_TILES = 1.6
MIN_OBSERVED_SHARE = 0.9

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def near(ws: Workspace, layer: str, other: str, distance_km: float) -> ToolResult:
    """Keep the rows of one layer that lie within a great-circle distance of any row of another layer.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, for example L1.
    other
        Id of the layer to be near to, for example L2; not the same layer.
    distance_km
        Largest distance between the two centres, km; more than 0, at most half the body's circumference.
    """
    one, two = _two_layers(ws, layer, other)
    distance = _check_distance(ws, distance_km)
    apart, nearest = nearest_km(ws.body, one.lonlat, two.lonlat)
    keep = apart <= distance
    made = add_layer(
        ws,
        "near",
        {"layer": one.id, "other": two.id, "distance_km": distance},
        title=_titled("{} within " + said(tidy(distance)) + " km of {}", one, two),
        table=_with_other(one.table, two.table, apart, nearest, keep),
        parents=(one, two),
        score_rule=_SCORE_RULE,
        notes=_centre_notes(ws, one, two),
    )
    figures: Figures = {
        "count": len(made),
        "of_count": len(one),
        "other_count": len(two),
        "distance_km": tidy(distance),
        **feature_figures(ws, made),
    }
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
        Smallest distance between centres, km; more than 0, at most half the body's circumference.
    """
    one, two = _two_layers(ws, layer, other)
    distance = _check_distance(ws, distance_km)
    apart, nearest = nearest_km(ws.body, one.lonlat, two.lonlat)
    keep = ~(apart <= distance)
    table = _with_other(one.table, two.table, apart, nearest, keep, joint=False)
    unsure = 0
    if two.kind == "tiles":  # what the index has not observed says nothing about a catalogue's entries
        seen = observed_share(ws, table[["lon", "lat"]], distance)
        table["surroundings_observed"] = np.round(seen, 3)
        unsure = int((seen < MIN_OBSERVED_SHARE).sum())
    made = add_layer(
        ws,
        "without",
        {"layer": one.id, "other": two.id, "distance_km": distance},
        title=_titled("{} farther than " + said(tidy(distance)) + " km from {}", one, two),
        table=table,
        parents=(one, two),
        score_rule="rows keep their own score and probability",
        notes=_centre_notes(ws, one, two),
    )
    figures: Figures = {
        "count": len(made),
        "of_count": len(one),
        "other_count": len(two),
        "distance_km": tidy(distance),
        "unsure_count": unsure,
        **feature_figures(ws, made),
    }
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


def overlap(ws: Workspace, layer: str, other: str) -> ToolResult:
    """Keep the rows of one layer that lie in the same tile as a row of another layer, or in a tile that
    touches it, corners included.

    Parameters
    ----------
    layer
        Id of the layer whose rows are kept, for example L1.
    other
        Id of the layer to overlap with, for example L2; not the same layer.
    """
    one, two = _two_layers(ws, layer, other)
    grid = ws.index.grid
    apart, nearest = nearest_km(
        ws.body, grid.centres(grid.locate(one.lonlat)), grid.centres(grid.locate(two.lonlat))
    )
    keep = apart <= TOUCHING_TILES * grid.tile_km
    table = _with_other(one.table, two.table, apart, nearest, keep)
    made = add_layer(
        ws,
        "overlap",
        {"layer": one.id, "other": two.id},
        title=_titled("{} overlapping {}", one, two),
        table=table,
        parents=(one, two),
        score_rule=_SCORE_RULE,
        notes=("distance_km is between the centres of the two tiles",),
    )
    figures: Figures = {
        "count": len(made),
        "of_count": len(one),
        "other_count": len(two),
        "same_tile_count": int((table["distance_km"] < grid.tile_km / 2).sum()),
        "tile_km": tidy(grid.tile_km),
        **feature_figures(ws, made),
    }
    summary = (
        f"{made.id}: {counted(made, figures)} of the {rows_of(one)} of {one.id} lie in the tile of a row of "
        f"{two.id} or in one that touches it; {figures['same_tile_count']:,} share the same tile of "
        f"{said(figures['tile_km'])} km." + _empty_note(one, two)
    )
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def union(ws: Workspace, layers: list[str]) -> ToolResult:
    """Put the rows of several layers together. A tile that is in several of them is kept once, with its
    highest probability.

    Parameters
    ----------
    layers
        Ids of 2 to 8 different layers, for example ["L1", "L2"].
    """
    chosen = check_layers(ws, layers, 2, 8)
    parts = [part.table.assign(sources=part.id) for part in chosen]
    filled = [part for part in parts if len(part)] or parts[:1]
    table = pd.concat(filled, ignore_index=True).drop(columns="feature_id", errors="ignore")
    # Catalogues number their entries as they like: the same id elsewhere is another thing.
    rows = table[["row_id", "lon", "lat"]].itertuples(index=False)
    table["_at"] = [f"{row_id} {lon:.6f} {lat:.6f}" for row_id, lon, lat in rows]
    table["sources"] = table.groupby("_at", sort=False)["sources"].transform("+".join).astype("str")
    best = table.sort_values("probability", ascending=False, kind="stable", na_position="last")
    best = best.drop_duplicates("_at").drop(columns="_at").reset_index(drop=True)
    clash = best.duplicated("row_id", keep=False)
    best.loc[clash, "row_id"] = best["sources"] + ":" + best["row_id"]
    table = gpd.GeoDataFrame(best, geometry="geometry", crs=ws.body.crs)
    kinds = {part.kind for part in chosen}
    made = add_layer(
        ws,
        "union",
        {"layers": [part.id for part in chosen]},
        title=_either([part.title for part in chosen]),
        table=_with_features(ws, table) if kinds == {"tiles"} else table,
        parents=tuple(chosen),
        kind=kinds.pop() if len(kinds) == 1 else "features",
        score_rule="a row in several layers keeps its highest probability",
        notes=("the layers may answer different questions: their probabilities do not add up",),
    )
    total = sum(len(part) for part in chosen)
    figures: Figures = {
        "count": len(made),
        "layers": len(chosen),
        "shared_count": total - len(made),
        **feature_figures(ws, made),
    }
    summary = (
        f"{made.id} holds the {counted(made, figures)} of {len(chosen)} layers, "
        f"{', '.join(part.id for part in chosen)}; {plural(total - len(made), 'row')} stood in more than one."
    )
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def nearest_km(body: Body, lonlat: ArrayLike, other_lonlat: ArrayLike) -> tuple[Floats, Ints]:
    """Great-circle distance to the nearest of the others, and which it is.

    Parameters
    ----------
    lonlat, other_lonlat
        Shapes (n, 2) and (m, 2), degrees.

    Returns
    -------
    Distances in km, shape (n,), infinite if there are no others; row numbers of the others, shape (n,),
    -1 if there are none.
    """
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    others = np.asarray(other_lonlat, dtype=float).reshape(-1, 2)
    if not len(points) or not len(others):
        return np.full(len(points), np.inf), np.full(len(points), -1, dtype=np.int64)
    _, nearest = cKDTree(unit_vectors(others)).query(unit_vectors(points))
    # The chord loses digits near the antipode; the distance itself is computed exactly.
    return body.distance_km(points, others[nearest]), np.asarray(nearest, dtype=np.int64)


def merge_features(lonlat: ArrayLike, body: Body, distance_km: float) -> Ints:
    """Number the groups of points that chains of steps no longer than a distance connect.

    Parameters
    ----------
    lonlat
        Shape (n, 2), degrees.
    distance_km
        Longest step, km.

    Returns
    -------
    Labels, shape (n,), 0, 1, 2... in the order in which the groups first occur.
    """
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    if not len(points):
        return np.empty(0, dtype=np.int64)
    tree = cKDTree(unit_vectors(points))
    pairs = tree.query_pairs(float(chord(distance_km / body.radius_km)), output_type="ndarray")
    links = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    _, labels = connected_components(links, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def observed_share(ws: Workspace, lonlat: ArrayLike, distance_km: float, samples: int = 89) -> Floats:
    """Share of the neighbourhood of each point that the index has observed, shape (n,), 0..1.

    Looks at ``samples`` points spread evenly over the cap of that radius (a Fibonacci spiral).
    """
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    steps = (np.arange(samples) + 0.5) / samples
    # Equal areas of a spherical cap are equal steps of 1 - cos(angle).
    angle = np.arccos(1.0 - steps * (1.0 - np.cos(distance_km / ws.body.radius_km)))
    azimuth = np.degrees(np.arange(samples) * np.pi * (3.0 - np.sqrt(5.0))) % 360.0
    share = np.empty(len(points))
    for start in range(0, len(points), 20_000):  # bounds the memory, not the result
        ws.check_stop()
        block = points[start : start + 20_000, None, :]
        around = ws.body.destination(block, azimuth, angle * ws.body.radius_km)
        share[start : start + 20_000] = ws.index.observed_share(ws.index.grid.locate(around)).mean(axis=1)
    return share


def feature_figures(ws: Workspace, layer: Layer) -> dict[str, int]:
    """``{"features": n}`` for a layer of tiles: touching tiles merged. Nothing for catalogues."""
    if layer.kind != "tiles":
        return {}
    labels = merge_features(layer.lonlat, ws.body, TOUCHING_TILES * ws.index.grid.tile_km)
    return {"features": int(labels.max()) + 1 if len(labels) else 0}


def rows_of(layer: Layer) -> str:
    """``41 tiles`` or ``41 rows``."""
    return plural(len(layer), "tile" if layer.kind == "tiles" else "row")


def counted(layer: Layer, figures: Figures) -> str:
    """``41 tiles in 23 features``."""
    features = figures.get("features")
    return rows_of(layer) + (f" in {plural(int(features), 'feature')}" if features else "")


_SCORE_RULE = (
    "rows keep their own score and probability; joint_probability is its product with the probability of the "
    "nearest row of the other layer, as if the two were independent"
)


def _two_layers(ws: Workspace, layer: str, other: str) -> tuple[Layer, Layer]:
    one, two = ws.layers.get(layer), ws.layers.get(other)
    if one.id == two.id:
        raise ToolInputError(
            f"layer and other are both {one.id}: everything is near itself",
            allowed="two different layers of " + ", ".join(ws.layers.ids()),
            next_step="search for the second thing first",
        )
    return one, two


def _check_distance(ws: Workspace, distance_km: float) -> float:
    return check_number("distance_km", distance_km, 0, ws.body.half_circumference_km, "km", above=True)


def _with_other(
    table: gpd.GeoDataFrame,
    other: gpd.GeoDataFrame,
    apart: Floats,
    nearest: Ints,
    keep: NDArray[np.bool_],
    *,
    joint: bool = True,
) -> gpd.GeoDataFrame:
    # The kept rows with what is nearest to each in the other layer.
    kept = table[keep].copy()
    if len(other):
        match = other.iloc[nearest[keep]]
        kept["distance_km"] = np.round(apart[keep], 3)
        kept["other_id"] = match["row_id"].astype(str).to_numpy()
        kept["other_probability"] = match["probability"].to_numpy(dtype=float)
    else:
        kept["distance_km"] = np.nan
        kept["other_id"] = pd.Series("", index=kept.index, dtype="str")
        kept["other_probability"] = np.nan
    if joint:
        kept["joint_probability"] = kept["probability"] * kept["other_probability"]
    return kept


def _with_features(ws: Workspace, table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    labels = merge_features(table[["lon", "lat"]], ws.body, TOUCHING_TILES * ws.index.grid.tile_km)
    return table.assign(feature_id=labels + 1)


def _centre_notes(ws: Workspace, *layers: Layer) -> tuple[str, ...]:
    if not any(layer.kind == "tiles" for layer in layers):
        return ()
    return (f"distances of tiles are between centres; a tile is {ws.index.grid.tile_km:g} km wide",)


def _distance_note(ws: Workspace, one: Layer, two: Layer, distance: float, figures: Figures) -> str:
    tiles = [layer.id for layer in (one, two) if layer.kind == "tiles"]
    if not tiles:
        return ""
    figures["tile_km"] = tidy(ws.index.grid.tile_km)
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


def _either(titles: list[str]) -> str:
    return shorten(", ".join(titles[:-1]) + " or " + titles[-1])

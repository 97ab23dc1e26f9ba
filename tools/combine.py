"""Layers put together: the rows of several in one, and hits that touch merged into features."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial.features import extent_km, link_points, link_tiles, outlines
from retrieval.spatial.shapes import area_km2, axis_deg, representative
from tools.layers import Layer, make_table, shorten
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.things import counted, feature_figures, feature_labels, rows_of
from tools.workspace import ToolResult, Workspace, check_distance_km, check_layers

Ints = NDArray[np.int64]

FEATURE_RULE = "a feature has the highest score and probability of its rows; mean_probability is their mean"


def union(ws: Workspace, layers: list[str]) -> ToolResult:
    """Put the rows of several layers together. A tile that is in several of them is kept once, with its
    highest probability.

    Parameters
    ----------
    layers
        Ids of 2 to 8 different layers, for example ["L1", "L2"].
    """
    chosen = check_layers(ws, layers, 2, 8)
    kinds = {part.kind for part in chosen}
    table = _joined(ws, chosen)
    if kinds == {"tiles"}:
        table = table.assign(feature_id=link_tiles(ws.index.grid, ws.index.grid.locate(_lonlat(table))) + 1)
    made = add_layer(
        ws,
        "union",
        {"layers": [part.id for part in chosen]},
        title=_either([part.title for part in chosen]),
        table=table,
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


def merge_features(ws: Workspace, layer: str, distance_km: float | None = None) -> ToolResult:
    """Merge the hits of a layer into separate features with an outline, area, length and direction: tiles
    that share an edge, or rows within a distance of each other and chains of them.

    Parameters
    ----------
    layer
        Id of a layer of tiles or points, for example L1.
    distance_km
        Longest step from one row to the next, km; more than 0, at most half the body's circumference. If not
        given, tiles that share an edge are merged.
    """
    source = ws.layers.get(layer)
    if not source.pointlike:
        raise ToolInputError(
            f"the rows of {source.id} are lines or polygons already",
            allowed="layers of tiles or points",
            next_step="use it as it is: each row is one feature",
        )
    step = distance_km
    if step is not None:
        step = check_distance_km(ws, step)
        labels = link_points(ws.body, source.lonlat, step)
    elif source.kind == "tiles":
        labels = feature_labels(ws, source)
    else:
        raise ToolInputError(
            f"the rows of {source.id} are points, which do not touch",
            next_step="give distance_km, the longest step from one to the next",
        )
    table = _features(ws, source, labels)
    made = add_layer(
        ws,
        "merge_features",
        {"layer": source.id, "distance_km": step},
        title=shorten(f"features of {source.title}"),
        table=table,
        parents=(source,),
        kind="features",
        score_rule=FEATURE_RULE,
    )
    figures: Figures = {"count": len(made), "of_count": len(source), "features": len(made)}
    summary = f"{made.id}: the {rows_of(source)} of {source.id} make {plural(len(made), 'separate feature')}"
    if step is not None:
        figures["distance_km"] = tidy(step)
        summary += f", rows within {said(figures['distance_km'])} km of each other linked"
    summary += "."
    if len(made):
        rows, length = table["rows"].to_numpy(), table["length_km"].to_numpy(dtype=float)
        figures |= {"largest_rows": int(rows.max()), "single_count": int((rows == 1).sum())}
        figures["longest_km"] = tidy(float(length.max()), 3)
        summary += (
            f" {figures['single_count']:,} of them are a single row; the largest holds "
            f"{figures['largest_rows']:,}, and the longest reaches over {said(figures['longest_km'])} km."
        )
        if source.kind == "tiles":
            figures["median_area_km2"] = tidy(float(table["area_km2"].median()), 3)
            figures["total_area_km2"] = tidy(float(table["area_km2"].sum()))
            summary += (
                f" Their tiles cover {said(figures['total_area_km2'])} km2, with a median of "
                f"{said(figures['median_area_km2'])} km2 for each."
            )
    return ToolResult(summary, (made.id,), figures, table=model_rows(ws, made))


def _joined(ws: Workspace, chosen: list[Layer]) -> gpd.GeoDataFrame:
    filled = [part for part in chosen if len(part)] or chosen[:1]
    table = pd.concat([part.table for part in filled], ignore_index=True)
    table = table.drop(columns="feature_id", errors="ignore")
    # Catalogues number their entries as they like: the same id elsewhere is another thing.
    at = pd.DataFrame(
        {"id": table["row_id"].astype(str), **{name: table[name].round(6) for name in ("lon", "lat")}}
    )
    place = at.groupby(["id", "lon", "lat"], sort=False).ngroup().to_numpy()
    bit = np.repeat(1 << np.arange(len(filled)), [len(part) for part in filled])
    holders = np.zeros(int(place.max(initial=-1)) + 1, dtype=np.int64)
    np.bitwise_or.at(holders, place, bit)
    kinds, which = np.unique(holders[place], return_inverse=True)
    names = ["+".join(part.id for n, part in enumerate(filled) if kind >> n & 1) for kind in kinds.tolist()]
    sources = np.array(names, dtype=object)[which.reshape(-1)] if names else np.zeros(0, dtype=object)
    table = table.assign(sources=pd.Series(sources, index=table.index, dtype="str"), _place=place)
    best = table.sort_values("probability", ascending=False, kind="stable", na_position="last")
    best = best.drop_duplicates("_place").drop(columns="_place").reset_index(drop=True)
    clash = best.duplicated("row_id", keep=False)
    best.loc[clash, "row_id"] = best["sources"] + ":" + best["row_id"]
    again = best.groupby("row_id").cumcount()
    best.loc[again > 0, "row_id"] = best["row_id"] + "#" + (again + 1).astype(str)
    return gpd.GeoDataFrame(best, geometry="geometry", crs=ws.body.crs)


def _features(ws: Workspace, source: Layer, labels: Ints) -> gpd.GeoDataFrame:
    table = source.table
    count = int(labels.max()) + 1 if len(labels) else 0
    groups = table.groupby(labels) if count else table.groupby(np.zeros(0, dtype=int))
    if source.kind == "tiles":
        shapes = outlines(ws.index.grid, ws.index.grid.locate(source.lonlat), labels)
    else:
        order = np.argsort(labels, kind="stable")
        at = np.searchsorted(labels[order], np.arange(count))
        groups_of_points = np.split(source.shapes[order], at[1:]) if count else []
        shapes = np.array([shapely.multipoints(points) for points in groups_of_points], dtype=object)
    area = area_km2(shapes, ws.body)
    return make_table(
        ws.body,
        [f"{source.id}-F{number}" for number in range(1, count + 1)],
        representative(shapes, ws.body),
        groups["score"].max().to_numpy(dtype=float),
        groups["probability"].max().to_numpy(dtype=float),
        shapes,
        rows=groups.size().to_numpy(dtype=np.int64),
        mean_probability=groups["probability"].mean().to_numpy(dtype=float),
        length_km=np.round(extent_km(shapes, ws.body), 3),
        azimuth_deg=np.round(axis_deg(shapes, ws.body), 2),
        **({"area_km2": np.round(area, 3)} if source.kind == "tiles" else {}),
    )


def _lonlat(table: gpd.GeoDataFrame) -> NDArray[np.float64]:
    return np.asarray(table[["lon", "lat"]], dtype=float)


def _either(titles: list[str]) -> str:
    return shorten(", ".join(titles[:-1]) + " or " + titles[-1])

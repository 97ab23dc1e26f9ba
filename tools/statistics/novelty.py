"""Which things of a layer no published list explains: `retrieval.spatial.novelty` in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from retrieval.body import Body
from retrieval.spatial import novelty as lists
from retrieval.spatial.nulls import make_shifts
from retrieval.spatial.observed import observed_by_index
from retrieval.spatial.shapes import Shapes, distance_km, shape_distance_km
from tools.layers import Layer, shorten
from tools.results import Figures, add_layer, model_rows, plural, said, tidy
from tools.things import central_rows, feature_labels, rows_of
from tools.workspace import ToolResult, Workspace, check_distance_km, two_layers

BAND_DEG = 30
TURNS = 49
MOST_TURNED = 500_000  # rows times turns, beyond which fewer turns do: some seconds

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def novelty(ws: Workspace, layer: str, catalogue: str, distance_km: float) -> ToolResult:
    """Keep what no entry of a published catalogue explains: hits that lie farther than a distance from every
    entry, and outside the radius of those whose diameter is known. Tiles that touch are one hit, explained
    if one of its tiles is. New means: not in this list. Says how small the list goes, how many would be new
    by chance, and the share that is new by latitude.

    Parameters
    ----------
    layer
        Id of the layer of hits, for example L1.
    catalogue
        Id of the layer of published entries, for example L2; not the same layer.
    distance_km
        How far a hit may lie from the entry that explains it, km; more than 0, at most half the body's
        circumference. From a line or polygon it is counted from the nearest edge.
    """
    hits, listed = two_layers(
        ws,
        layer,
        catalogue,
        other_name="catalogue",
        why_not="everything is in its own list",
        next_step="load the catalogue first",
    )
    reach = check_distance_km(ws, distance_km)
    entries = _Entries(ws.body, listed, reach)
    explained, away, nearest = entries.explain(hits)
    labels = feature_labels(ws, hits)
    count = int(labels.max(initial=-1)) + 1
    new = np.bincount(labels, explained, count) == 0
    made = add_layer(
        ws,
        "novelty",
        {"layer": hits.id, "catalogue": listed.id, "distance_km": reach},
        title=shorten(f"{hits.title} that are not in {listed.title}"),
        table=_with_nearest(hits, listed, away, nearest)[new[labels]],
        parents=(hits, listed),
        notes=("new means that no entry of this list explains it; every list is incomplete",),
    )
    figures: Figures = {
        "hits": count,
        "new": int(new.sum()),
        "entries": len(listed),
        "distance_km": tidy(reach),
    }
    summary = _answer(made, hits, listed, figures)
    if count and len(listed):
        summary += _by_chance(ws, hits, labels, entries, figures)
    summary += _smallest(listed, entries, figures) + (
        f" New means not in {listed.id}: that a list lacks something does not prove that it is there."
    )
    lat = hits.lonlat[central_rows(hits.lonlat, labels), 1] if count else np.zeros(0)
    table = (*_bands(lat, new), *model_rows(ws, made))
    return ToolResult(summary, (made.id,), figures, table=table)


@dataclass(frozen=True)
class _Entries:
    """A published list as something that explains positions."""

    body: Body
    layer: Layer
    reach_km: float

    @property
    def diameter_km(self) -> Floats:
        """Of each entry; NaN where it is not known."""
        table = self.layer.table
        if "diameter_km" not in table:
            return np.full(len(table), np.nan)
        size = pd.to_numeric(table["diameter_km"], errors="coerce").to_numpy(dtype=float)
        return np.where(size > 0, size, np.nan)

    def explain(self, hits: Layer) -> tuple[Bools, Floats, Ints]:
        """Which rows are explained, how far away the nearest entry is, km, and its row; (n,) each."""
        return self._explain(hits.lonlat, None if hits.pointlike else hits.shapes)

    def explain_at(self, lonlat: Floats) -> Bools:
        """Which positions (n, 2) are explained, (n,)."""
        return self._explain(lonlat, None)[0]

    def _explain(self, lonlat: Floats, shapes: Shapes | None) -> tuple[Bools, Floats, Ints]:
        drawn = self.layer.shapes
        outlined = shapely.get_dimensions(drawn) > 0
        # A shape says itself how far it reaches; the circle of its area would say it worse.
        radius = np.where(outlined, np.nan, self.diameter_km / 2.0)
        found = lists.novelty(self.body, lonlat, self.layer.lonlat, radius, self.reach_km)
        known, away, row = ~found.new, found.nearest_km, found.nearest_row
        if len(drawn) and (shapes is not None or outlined.any()):
            if shapes is None:
                apart, other = distance_km(lonlat, drawn, self.body, self.reach_km)
            else:
                apart, other = shape_distance_km(shapes, drawn, self.body, self.reach_km)
            nearer = (other >= 0) & ~(known & (away <= apart))
            known = known | (other >= 0)
            away, row = np.where(nearer, apart, away), np.where(nearer, other, row)
        return known, away, row


def _with_nearest(hits: Layer, listed: Layer, away: Floats, nearest: Ints) -> gpd.GeoDataFrame:
    """The rows of a layer with the nearest entry of the list and its distance."""
    ids = listed.table["row_id"].astype(str)
    names = listed.table["name"].astype(str) if "name" in listed.table else ids
    called = [*names.where(names != "", ids).tolist(), ""]  # row -1: none
    return hits.table.assign(
        nearest_listed_km=np.where(nearest >= 0, away, np.nan),
        nearest_listed=[called[row] for row in nearest.tolist()],
    )


def _answer(made: Layer, hits: Layer, listed: Layer, figures: Figures) -> str:
    noun = "feature" if hits.kind != "catalogue" else "row"
    if not len(hits):
        return f"{made.id} is empty, because {hits.id} is."
    of = plural(int(figures["hits"]), noun)
    if not len(listed):
        return f"{made.id}: {listed.id} is empty, so that all {of} of {hits.id} are new to it."
    figures["new_percent"] = tidy(100.0 * figures["new"] / figures["hits"], 3)
    lie = "is" if figures["new"] == 1 else "are"
    tiles = f", {rows_of(made)}," if made.kind == "tiles" else ""
    if tiles:
        figures["tiles"] = len(made)
    return (
        f"{made.id}: {figures['new']:,} of the {of} of {hits.id}{tiles} {lie} new, "
        f"{said(figures['new_percent'])} %: no entry of {listed.id} lies within "
        f"{said(figures['distance_km'])} km or reaches so far by its own size."
    )


def _by_chance(ws: Workspace, hits: Layer, labels: Ints, entries: _Entries, figures: Figures) -> str:
    """Share that would be new if the layer had nothing to do with the list."""
    if not hits.pointlike:
        return ""
    rng, turns = np.random.default_rng(ws.seed), max(2, min(TURNS, MOST_TURNED // len(hits)))
    turned = make_shifts("spin", ws.body, hits.lonlat, observed_by_index(ws.index), turns, rng)
    count, there, new = int(labels.max()) + 1, 0, 0
    for lonlat, kept in zip(turned.lonlat, turned.kept, strict=True):
        ws.check_stop()
        seen = np.bincount(labels[kept], minlength=count) > 0
        known = np.bincount(labels[kept], entries.explain_at(lonlat[kept]), count) > 0
        there += int(seen.sum())
        new += int((seen & ~known).sum())
    if not there:
        return ""
    figures["chance_new_percent"] = tidy(100.0 * new / there, 3)
    return f" Turned about the spin axis at random, {said(figures['chance_new_percent'])} % would be."


def _smallest(listed: Layer, entries: _Entries, figures: Figures) -> str:
    size = entries.diameter_km
    known = int(np.isfinite(size).sum())
    if not known:
        return f" {listed.id} does not say how large its entries are, so how small it goes is not known."
    figures["smallest_listed_km"], figures["sized_entries"] = tidy(float(np.nanmin(size)), 3), known
    return (
        f" The smallest of the {plural(known, 'entry')} of {listed.id} with a known diameter measures "
        f"{said(figures['smallest_listed_km'])} km; what is smaller can always be new."
    )


def _bands(lat: Floats, new: Bools) -> tuple[dict[str, Any], ...]:
    """Hits and new ones in bands of latitude; bands without any are left out."""
    edges = np.arange(-90, 91, BAND_DEG)
    rows = zip(edges[:-1], edges[1:], *lists.by_latitude(lat, new, edges), strict=True)
    return tuple(
        {
            "min_lat_deg": int(south),
            "max_lat_deg": int(north),
            "hits": int(hits),
            "new": int(fresh),
            "new_percent": tidy(100.0 * float(share), 3),
        }
        for south, north, hits, fresh, share in rows
        if hits
    )

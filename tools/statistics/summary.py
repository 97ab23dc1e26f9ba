"""Counts, areas, lengths and densities of a layer, with what was observed in the denominator."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.spatial.shapes import area_km2, length_km
from tools.layers import Layer
from tools.results import Figures, said, tidy
from tools.statistics.robustness import at, stricter, thresholds_words
from tools.things import counted, feature_figures, things
from tools.workspace import ToolResult, Workspace

BAND_DEG = 30

Floats = NDArray[np.float64]


def summarise(ws: Workspace, layer: str) -> ToolResult:
    """Describe a layer in numbers: how many rows and separate features, which area and which share of the
    observed surface, length of lines, density, latitudes, both hemispheres, bands of 30 degrees of latitude,
    and how many would be left at stricter thresholds.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    """
    chosen = ws.layers.get(layer)
    bands = _latitude_bands(ws, chosen)
    north = sum(band["observed_km2"] for band in bands if band["min_lat_deg"] >= 0)
    south = sum(band["observed_km2"] for band in bands if band["min_lat_deg"] < 0)
    figures: Figures = {
        "count": len(chosen),
        **feature_figures(ws, chosen),
        "observed_area_km2": tidy(north + south),
        "observed_percent": tidy(min(100.0, 100.0 * (north + south) / ws.body.area_km2), 3),
    }
    if not len(chosen):
        summary = (
            f"{chosen.id} is empty. The index has observed {said(figures['observed_area_km2'])} km2, "
            f"{said(figures['observed_percent'])} % of {ws.body.name.capitalize()}."
        )
        return ToolResult(summary, figures=figures, table=tuple(bands))
    summary = f"{chosen.id}: {counted(chosen, figures)}{_extent(ws, chosen, north + south, figures)}"
    if chosen.table["probability"].notna().any():
        figures["mean_probability"] = tidy(float(chosen.table["probability"].mean()), 3)
        summary += f"; mean probability {said(figures['mean_probability'])}"
    summary += _latitudes(chosen, figures) + _density(chosen, north, south, figures)
    return ToolResult(summary + _at_stricter(ws, chosen, figures), figures=figures, table=tuple(bands))


def _extent(ws: Workspace, layer: Layer, observed_km2: float, figures: Figures) -> str:
    """Area of tiles and polygons beside what was observed, length of lines."""
    shapes = layer.shapes
    dimension = shapely.get_dimensions(shapes)
    area = 0.0
    if "area_km2" in layer.table:
        area = float(layer.table["area_km2"].sum())
    elif (dimension == 2).any():
        area = float(area_km2(shapes[dimension == 2], ws.body).sum())
    words = ""
    if area > 0 or "area_km2" in layer.table:
        figures["area_km2"] = tidy(area)
        figures["area_percent"] = tidy(100.0 * area / max(observed_km2, 1e-9), 3)
        words = (
            f" covering {said(figures['area_km2'])} km2, {said(figures['area_percent'])} % of the "
            f"{said(figures['observed_area_km2'])} km2 that the index has observed"
        )
    if (dimension == 1).any():
        figures["length_km"] = tidy(float(length_km(shapes[dimension == 1], ws.body).sum()))
        words += f", together {said(figures['length_km'])} km long"
    return words


def _latitudes(layer: Layer, figures: Figures) -> str:
    lat = layer.table["lat"].to_numpy(dtype=float)
    low, middle, high = (tidy(q, 4) for q in np.quantile(lat, [0.1, 0.5, 0.9]).tolist())
    figures |= {"lat_q10_deg": low, "lat_median_deg": middle, "lat_q90_deg": high, "middle_percent": 80}
    figures |= {"north_count": int((lat >= 0).sum()), "south_count": int((lat < 0).sum())}
    return (
        f". The middle {figures['middle_percent']} % lie between latitudes {said(low)} and {said(high)} "
        f"degrees, median {said(middle)}; {figures['north_count']:,} are north and "
        f"{figures['south_count']:,} south of the equator."
    )


def _density(layer: Layer, north_km2: float, south_km2: float, figures: Figures) -> str:
    """Rows per million km2 observed, and features where those are fewer."""
    noun = {"tiles": "tiles", "features": "features"}.get(layer.kind, "rows")
    for name, observed in (("north", north_km2), ("south", south_km2)):
        if observed > 0:
            figures[f"{name}_per_million_km2"] = tidy(figures[f"{name}_count"] / observed * 1e6, 3)
    total = max(north_km2 + south_km2, 1e-9)
    figures["per_million_km2"] = tidy(len(layer) / total * 1e6, 3)
    words = f" There are {said(figures['per_million_km2'])} {noun} per million km2 observed"
    if north_km2 > 0 and south_km2 > 0:
        words += (
            f" ({said(figures['north_per_million_km2'])} in the north, "
            f"{said(figures['south_per_million_km2'])} in the south)"
        )
    if "features" in figures:
        figures["features_per_million_km2"] = tidy(figures["features"] / total * 1e6, 3)
        words += f", or {said(figures['features_per_million_km2'])} separate features"
    return words + "."


def _at_stricter(ws: Workspace, layer: Layer, figures: Figures) -> str:
    """How many rows and features stricter thresholds would leave."""
    cuts = stricter(layer)
    if not cuts:
        return ""
    left = []
    for level, cut in cuts:
        figures[at("count", level)] = len(cut)
        found: Figures = dict(feature_figures(ws, cut))
        if found:
            figures[at("features", level)] = found["features"]
        left.append(counted(cut, found))
    return (
        f" At {thresholds_words([level for level, _ in cuts], figures)} there would be {' and '.join(left)}."
    )


def _latitude_bands(ws: Workspace, layer: Layer) -> list[dict[str, Any]]:
    # Rows, features and observed area of every band of latitude.
    edges = np.arange(-90, 91, BAND_DEG)
    observed, _ = np.histogram(ws.index.grid.row_lat, edges, weights=_observed_km2(ws))
    counts, _ = np.histogram(layer.table["lat"].to_numpy(dtype=float), edges)
    features, _ = np.histogram(things(ws, layer)[0][:, 1], edges)
    merged = layer.kind == "tiles"
    return [
        {
            "min_lat_deg": int(low),
            "max_lat_deg": int(low) + BAND_DEG,
            "count": int(count),
            **({"features": int(apart)} if merged else {}),
            "observed_km2": tidy(float(seen)),
            "per_million_km2": tidy(float(count) / float(seen) * 1e6, 3) if seen > 0 else None,
        }
        for low, count, apart, seen in zip(edges[:-1].tolist(), counts, features, observed, strict=True)
    ]


def _observed_km2(ws: Workspace) -> NDArray[np.float64]:
    """Area observed in each row of the grid, (rows,): all tiles of one have one latitude and one area."""
    grid, coverage = ws.index.grid, ws.index.coverage
    starts = np.searchsorted(coverage["tile"].to_numpy(), grid.first)
    share = coverage["observed"].to_numpy()
    seen = [np.nansum(share[start:end], dtype=np.float64) for start, end in pairwise(starts.tolist())]
    return np.asarray(seen * grid.row_area_km2)

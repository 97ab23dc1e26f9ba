"""Counts, areas, densities and directions of a layer, with what was observed in the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import ToolInputError
from retrieval.spatial.textures import (
    FEWEST_PICTURES,
    mean_tensor,
    structure_tensors,
    texture_axes,
)
from tools.layers import Layer
from tools.mosaic import grey_thumbnail
from tools.results import Figures, plural, said, tidy
from tools.spatial import counted, feature_figures
from tools.workspace import ToolResult, Workspace

BAND_DEG = 30
FEWEST_AXES = 5
MOST_TILES = 2000
OTHER_TILES = 300
SAME_AXIS_DEG = 20.0
SIGNIFICANT = 0.01
SMALLEST_P = 1e-4  # smaller ones say more about the model than about the planet
THUMBNAIL_PX = 96

Floats = NDArray[np.float64]


def summarise(ws: Workspace, layer: str) -> ToolResult:
    """Describe a layer in numbers: how many rows and separate features, which area and which share of the
    observed surface, their density, latitudes, both hemispheres and bands of 30 degrees of latitude.

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
    summary = f"{chosen.id}: {counted(chosen, figures)}"
    if "area_km2" in chosen.table:
        area = float(chosen.table["area_km2"].sum())
        figures["area_km2"] = tidy(area)
        figures["area_percent"] = tidy(100.0 * area / max(north + south, 1e-9), 3)
        summary += (
            f" covering {said(figures['area_km2'])} km2, {said(figures['area_percent'])} % of the "
            f"{said(figures['observed_area_km2'])} km2 that the index has observed"
        )
    if chosen.table["probability"].notna().any():
        figures["mean_probability"] = tidy(float(chosen.table["probability"].mean()), 3)
        summary += f"; mean probability {said(figures['mean_probability'])}"
    lat = chosen.table["lat"].to_numpy(dtype=float)
    low, middle, high = (tidy(q, 4) for q in np.quantile(lat, [0.1, 0.5, 0.9]).tolist())
    figures |= {"lat_q10_deg": low, "lat_median_deg": middle, "lat_q90_deg": high, "middle_percent": 80}
    figures |= {"north_count": int((lat >= 0).sum()), "south_count": int((lat < 0).sum())}
    summary += (
        f". The middle {figures['middle_percent']} % lie between latitudes {said(low)} and {said(high)} "
        f"degrees, median {said(middle)}; {figures['north_count']:,} are north and "
        f"{figures['south_count']:,} south of the equator."
    )
    for name, observed in (("north", north), ("south", south)):
        if observed > 0:
            figures[f"{name}_per_million_km2"] = tidy(figures[f"{name}_count"] / observed * 1e6, 3)
    figures["per_million_km2"] = tidy(len(chosen) / max(north + south, 1e-9) * 1e6, 3)
    summary += (
        f" There are {said(figures['per_million_km2'])} {'tiles' if chosen.kind == 'tiles' else 'rows'} "
        "per million km2 observed"
    )
    if north > 0 and south > 0:
        summary += (
            f" ({said(figures['north_per_million_km2'])} in the north, "
            f"{said(figures['south_per_million_km2'])} in the south)"
        )
    return ToolResult(summary + ".", figures=figures, table=tuple(bands))


def orientation(ws: Workspace, layer: str) -> ToolResult:
    """Measure in which direction the texture of a layer's tiles runs (dunes, ridges, yardangs, grabens): mean
    axis as an azimuth, how strongly the tiles agree, and a Rayleigh test against random directions. What
    sunlight from one side gives to all tiles of the index is taken out first. Entries of a catalogue use
    their own azimuths.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    """
    chosen = ws.layers.get(layer)
    others = _other_tensors(ws, chosen) if chosen.kind == "tiles" else np.empty((0, 3))
    shading = mean_tensor(others)
    azimuth, weight = _layer_axes(ws, chosen, shading)
    figures: Figures = {"n": len(azimuth)}
    if len(azimuth) < FEWEST_AXES:
        figures["fewest"] = FEWEST_AXES
        summary = (
            f"Cannot tell how {chosen.id} is oriented: it has {plural(len(azimuth), 'measured direction')}, "
            f"and at least {FEWEST_AXES} are needed."
        )
        return ToolResult(summary, figures=figures)
    separate = feature_figures(ws, chosen).get("features", len(azimuth))
    axes = axial_statistics(azimuth, weight, most_independent=separate)
    common = axes.p_value < SIGNIFICANT
    figures |= {
        "mean_azimuth_deg": tidy(axes.azimuth_deg, 3),
        "resultant_length": tidy(axes.resultant_length, 3),
        "p_value": tidy(max(axes.p_value, SMALLEST_P), 2),
        "effective_n": tidy(axes.effective_n, 3),
    }
    p_value = f"{'at most' if axes.p_value <= SMALLEST_P else '='} {said(figures['p_value'])}"
    summary = (
        f"The {plural(len(azimuth), 'direction')} of {chosen.id} have a mean axis of azimuth "
        f"{said(figures['mean_azimuth_deg'])} degrees with resultant length "
        f"{said(figures['resultant_length'])}; Rayleigh p {p_value} for "
        f"{said(figures['effective_n'])} independent directions: "
        f"{'a common direction' if common else 'no common direction beyond chance'}."
    )
    if chosen.kind == "tiles":
        summary += _against_shading(others, shading, axes, figures)
    return ToolResult(summary, figures=figures)


@dataclass(frozen=True)
class Axes:
    """Mean of axial directions.

    Attributes
    ----------
    azimuth_deg
        Mean axis, 0 to 180, clockwise from north.
    resultant_length
        0 (every direction alike) to 1 (all parallel).
    p_value
        Rayleigh test of uniformity on doubled angles.
    effective_n
        Number of independent directions that the test assumed.
    """

    azimuth_deg: float
    resultant_length: float
    p_value: float
    effective_n: float


def axial_statistics(azimuth_deg: ArrayLike, weight: ArrayLike, most_independent: float = np.inf) -> Axes:
    """Weighted mean axis and Rayleigh test.

    Angles are doubled, so that 10 and 190 degrees are the same axis (Mardia & Jupp 2000, section 9.1). The
    effective number is Kish's (sum w)^2 / sum w^2, at most ``most_independent``; the p value is the
    approximation of Zar (1999, eq. 27.4).

    Parameters
    ----------
    azimuth_deg, weight
        Shapes (n,).
    most_independent
        How many of them can be independent: tiles of one dune field are one piece of evidence.
    """
    weights = np.asarray(weight, dtype=float)
    doubled = np.radians(2.0 * np.asarray(azimuth_deg, dtype=float))
    total = max(float(weights.sum()), 1e-12)
    mean = complex(np.sum(weights * np.exp(1j * doubled)) / total)
    length = min(abs(mean), 1.0)
    n = min(total**2 / max(float((weights**2).sum()), 1e-12), most_independent)
    exponent = np.sqrt(1.0 + 4.0 * n + 4.0 * n**2 * (1.0 - length**2)) - (1.0 + 2.0 * n)
    return Axes(
        azimuth_deg=float(np.degrees(np.angle(mean)) / 2.0 % 180.0),
        resultant_length=length,
        p_value=float(np.clip(np.exp(exponent), 1e-300, 1.0)),
        effective_n=float(n),
    )


def _layer_axes(ws: Workspace, layer: Layer, shading: Floats) -> tuple[Floats, Floats]:
    if layer.kind == "tiles":
        rows = ws.rows_at(layer.lonlat)
        rows = rows[rows >= 0]
        if len(rows) > MOST_TILES:
            rows = np.random.default_rng(ws.seed).choice(rows, MOST_TILES, replace=False)
        azimuth, coherence = texture_axes(_tile_tensors(ws, rows), shading)
        return azimuth[coherence > 0], coherence[coherence > 0]
    if "azimuth_deg" not in layer.table:
        raise ToolInputError(
            f"the rows of {layer.id} have no azimuths",
            allowed="layers of tiles, and catalogues with a column azimuth_deg",
        )
    azimuth = layer.table["azimuth_deg"].to_numpy(dtype=float)
    azimuth = azimuth[np.isfinite(azimuth)]
    return azimuth, np.ones(len(azimuth))


def _other_tensors(ws: Workspace, layer: Layer) -> Floats:
    # A seeded sample of the index's other tiles: what they share is the light, not the landform.
    others = np.setdiff1d(np.arange(len(ws.index)), ws.rows_at(layer.lonlat))
    size = min(OTHER_TILES, len(others))
    return _tile_tensors(ws, np.random.default_rng(ws.seed).choice(others, size, replace=False))


def _tile_tensors(ws: Workspace, rows: NDArray[np.int64]) -> Floats:
    tensors = [np.empty((0, 3))]
    for start in range(0, len(rows), 200):
        ws.check_stop()
        block = rows[start : start + 200].tolist()
        pictures = np.stack([grey_thumbnail(ws.index, row, THUMBNAIL_PX) for row in block])
        tensors.append(structure_tensors(pictures))
    return np.concatenate(tensors)


def _against_shading(others: Floats, shading: Floats, axes: Axes, figures: Figures) -> str:
    if len(others) < FEWEST_PICTURES:
        return (
            " There are too few other tiles to tell what sunlight from one side does to the texture, so part "
            "of this may be shading."
        )
    rest = axial_statistics(*texture_axes(others, shading))
    figures |= {
        "other_n": len(others),
        "other_azimuth_deg": tidy(rest.azimuth_deg, 3),
        "other_resultant_length": tidy(rest.resultant_length, 3),
    }
    summary = (
        f" The shading that {len(others):,} other tiles share was taken out; what is left in them has axis "
        f"{said(figures['other_azimuth_deg'])} degrees, resultant length "
        f"{said(figures['other_resultant_length'])}"
    )
    apart = abs((axes.azimuth_deg - rest.azimuth_deg + 90.0) % 180.0 - 90.0)
    if apart < SAME_AXIS_DEG and rest.resultant_length > 0.5 * axes.resultant_length:
        return summary + ": too much alike to be told from sunlight."
    return summary + "."


def _latitude_bands(ws: Workspace, layer: Layer) -> list[dict[str, Any]]:
    # Rows and observed area of every band of latitude.
    coverage = ws.index.coverage
    numbers = coverage["tile"].to_numpy()
    lat = ws.index.grid.centres(numbers)[:, 1]
    area = ws.index.grid.areas_km2(numbers) * np.nan_to_num(coverage["observed"].to_numpy(dtype=float))
    edges = np.arange(-90, 91, BAND_DEG)
    observed, _ = np.histogram(lat, edges, weights=area)
    counts, _ = np.histogram(layer.table["lat"].to_numpy(dtype=float), edges)
    return [
        {
            "min_lat_deg": int(low),
            "max_lat_deg": int(low) + BAND_DEG,
            "count": int(count),
            "observed_km2": tidy(float(seen)),
            "per_million_km2": tidy(float(count) / float(seen) * 1e6, 3) if seen > 0 else None,
        }
        for low, count, seen in zip(edges[:-1].tolist(), counts, observed, strict=True)
    ]

"""Counts, areas, densities and directions of a layer, with what was observed in the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from retrieval.errors import ToolInputError
from tools.layers import Layer
from tools.mosaic import grey_thumbnail
from tools.results import Figures, plural, said, tidy
from tools.spatial import counted, feature_figures
from tools.workspace import ToolResult, Workspace

BAND_DEG = 30
FEWEST_AXES = 5
MOST_TILES = 2000
BACKGROUND_TILES = 300
THUMBNAIL_PX = 96
GRADIENT_SIGMA_PX = 1.5  # wide enough to see through JPEG noise, narrow enough for dunes of 5 px

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
    axis as an azimuth, how strongly the tiles agree, and a Rayleigh test against random directions. Entries
    of a catalogue use their own azimuths.

    Parameters
    ----------
    layer
        Id of the layer, for example L1.
    """
    chosen = ws.layers.get(layer)
    azimuth, weight = _layer_axes(ws, chosen)
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
    figures |= {
        "mean_azimuth_deg": tidy(axes.azimuth_deg, 3),
        "resultant_length": tidy(axes.resultant_length, 3),
        "p_value": tidy(axes.p_value, 2),
        "effective_n": tidy(axes.effective_n, 3),
    }
    verdict = "a common direction" if axes.p_value < 0.01 else "no common direction beyond chance"
    if axes.p_value < 0.01:
        figures["significance"] = 0.01
    summary = (
        f"The {plural(len(azimuth), 'direction')} of {chosen.id} have a mean axis of azimuth "
        f"{said(figures['mean_azimuth_deg'])} degrees with resultant length "
        f"{said(figures['resultant_length'])}; Rayleigh p = {said(figures['p_value'])} for "
        f"{said(figures['effective_n'])} independent directions: {verdict}."
    )
    if chosen.kind == "tiles":
        summary += _against_shading(ws, chosen, axes, figures)
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


def texture_axes(pictures: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Direction in which the texture of pictures runs, by the structure tensor (Bigun & Granlund 1987).

    Parameters
    ----------
    pictures
        Shape (n, s, s), grey, row 0 in the north, column 0 in the west; 0 is unobserved.

    Returns
    -------
    Azimuths, shape (n,), 0..180 degrees clockwise from north; coherences, shape (n,), 0 (no direction) to
    1 (one direction only).
    """
    grey = np.asarray(pictures, dtype=np.float32)
    n, side = grey.shape[0], grey.shape[1]
    if not n:
        return np.empty(0), np.empty(0)
    sigma = (0.0, GRADIENT_SIGMA_PX, GRADIENT_SIGMA_PX)
    east = gaussian_filter(grey, sigma, order=(0, 0, 1))
    north = -gaussian_filter(grey, sigma, order=(0, 1, 0))
    # A round window: the corners of a square one would favour the diagonals. Edges of gaps are no texture.
    along = (np.arange(side) + 0.5) / side * 2.0 - 1.0
    distance = np.hypot(*np.meshgrid(along, along))
    window = np.where(distance < 0.95, np.cos(np.clip(distance, 0, 1) * np.pi / 2.0) ** 2, 0.0)
    unseen = gaussian_filter((grey == 0).astype(np.float32), sigma)
    weight = window * (unseen < 0.01)
    east_east = (weight * east**2).sum(axis=(1, 2), dtype=np.float64)
    north_north = (weight * north**2).sum(axis=(1, 2), dtype=np.float64)
    east_north = (weight * east * north).sum(axis=(1, 2), dtype=np.float64)
    energy = east_east + north_north
    # Azimuth of the gradient, clockwise from north; texture runs across it.
    gradient = 0.5 * np.arctan2(2.0 * east_north, north_north - east_east)
    strength = np.hypot(north_north - east_east, 2.0 * east_north)
    coherence = np.divide(strength, energy, out=np.zeros(n), where=energy > 1e-6)
    return (np.degrees(gradient) + 90.0) % 180.0, coherence


def _layer_axes(ws: Workspace, layer: Layer) -> tuple[Floats, Floats]:
    if layer.kind == "tiles":
        rows = ws.rows_at(layer.lonlat)
        rows = rows[rows >= 0]
        if len(rows) > MOST_TILES:
            rows = np.random.default_rng(ws.seed).choice(rows, MOST_TILES, replace=False)
        return _tile_axes(ws, rows)
    if "azimuth_deg" not in layer.table:
        raise ToolInputError(
            f"the rows of {layer.id} have no azimuths",
            allowed="layers of tiles, and catalogues with a column azimuth_deg",
        )
    azimuth = layer.table["azimuth_deg"].to_numpy(dtype=float)
    azimuth = azimuth[np.isfinite(azimuth)]
    return azimuth, np.ones(len(azimuth))


def _tile_axes(ws: Workspace, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    azimuths, coherences = [np.empty(0)], [np.empty(0)]
    for start in range(0, len(rows), 200):
        ws.check_stop()
        block = rows[start : start + 200].tolist()
        pictures = np.stack([grey_thumbnail(ws.index, row, THUMBNAIL_PX) for row in block])
        azimuth, coherence = texture_axes(pictures)
        azimuths.append(azimuth)
        coherences.append(coherence)
    azimuth, coherence = np.concatenate(azimuths), np.concatenate(coherences)
    textured = coherence > 0.0
    return azimuth[textured], coherence[textured]


def _against_shading(ws: Workspace, layer: Layer, axes: Axes, figures: Figures) -> str:
    # Sunlight from one side gives every tile some texture across it. What the index's other tiles have in
    # common is therefore the direction to compare with, not a uniform one.
    others = np.setdiff1d(np.arange(len(ws.index)), ws.rows_at(layer.lonlat))
    if len(others) < FEWEST_AXES:
        return " Shading from one side can mimic a direction, and there are no other tiles to compare with."
    rng = np.random.default_rng(ws.seed)
    sample = rng.choice(others, min(BACKGROUND_TILES, len(others)), replace=False)
    rest = axial_statistics(*_tile_axes(ws, sample))
    figures |= {
        "other_n": len(sample),
        "other_azimuth_deg": tidy(rest.azimuth_deg, 3),
        "other_resultant_length": tidy(rest.resultant_length, 3),
    }
    apart = abs((axes.azimuth_deg - rest.azimuth_deg + 90.0) % 180.0 - 90.0)
    summary = (
        f" Of {len(sample):,} other tiles the axis is {said(figures['other_azimuth_deg'])} degrees with "
        f"resultant length {said(figures['other_resultant_length'])}"
    )
    if apart < 20.0 and rest.resultant_length > 0.5 * axes.resultant_length:
        return summary + ": the direction cannot be told from that of the sunlight."
    return summary + "; sunlight from one side can give tiles such an axis."


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

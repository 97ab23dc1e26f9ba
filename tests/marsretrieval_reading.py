"""A reading of MarsRetrieval's protocol of geo-localization, step by step, on the files it exchanges.

Read in ml-stat-Sustech/MarsRetrieval at c3e2864 (``evaluators/geolocalization_evaluator.py``,
``retrievers/geolocalization_retriever.py``, ``mars_datasets/geolocalization_dataset.py``) and written anew,
for `retrieval.evaluate.geolocalization.published` to be held against. What the code does and the paper does
not say is kept: tiles stand at the south-west corner that their file name spells, similarities are rounded to
six decimals before they are sorted, places are pixels of a map of 2644 x 1322 with a margin, a tile or a
point at exactly the radius counts, and of equal F1 the shallowest depth is the best.

Two things are left out. Where similarities are equal after rounding, or the recall of two depths is, the
published code sorts with an algorithm that may put them in any order: here the files' order stays. And the
similarities come with the files, so that no encoder is needed.
"""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOP_K = 20_000
RADIUS_DEG = 0.5
DEPTHS = 100
MAP_PX = (2644, 1322)
MARGIN_PX = (158, 68)

_NAME = re.compile(r"E(_?)(\d+)_(\d+)_N(_?)(\d+)_(\d+)\.png")


def place_of(image_name: str) -> tuple[float, float]:
    """Longitude and latitude of the corner that a tile is named after: ``E_12_2_N4_0.png`` is 12.2 W, 4 N."""
    match = _NAME.fullmatch(image_name)
    if match is None:
        raise ValueError(f"{image_name} names no corner")
    west, lon, lon_part, south, lat, lat_part = match.groups()
    return (
        float(f"{lon}.{lon_part}") * (-1 if west else 1),
        float(f"{lat}.{lat_part}") * (-1 if south else 1),
    )


def name_of(lon: float, lat: float) -> str:
    """The file name of the tile with this corner, to a tenth of a degree."""
    sides = [f"{value:.1f}".replace(".", "_").replace("-", "_") for value in (lon, lat)]
    return f"E{sides[0]}_N{sides[1]}.png"


def read_protocol(predictions: Path, truth: Path) -> dict[str, float]:
    """F1, precision, recall and depth at the best depth, and the area under the curve.

    Parameters
    ----------
    predictions
        CSV of ``image_name`` and ``similarity``, one row per tile of the planet.
    truth
        CSV of ``lon`` and ``lat``, one row per catalogued point.
    """
    with predictions.open(newline="") as file:
        tiles = [(row["image_name"], float(row["similarity"])) for row in csv.DictReader(file)]
    with truth.open(newline="") as file:
        points = np.array([to_pixel(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)])
    tiles.sort(key=lambda tile: -tile[1])  # the search: the best 20,000 ...
    best = [(name, round(similarity, 6)) for name, similarity in tiles[:TOP_K]]
    best.sort(key=lambda tile: -tile[1])  # ... which the evaluation sorts again, rounded
    corners = np.array([to_pixel(*place_of(name)) for name, _ in best])
    near = _near(corners, points, RADIUS_DEG * MAP_PX[0] / 360)
    deepest = len(best)
    step = max(1, deepest // DEPTHS)
    depths = list(range(step, deepest + 1, step))
    if depths[-1] != deepest:
        depths.append(deepest)
    at_best = {"f1": -1.0, "precision": 0.0, "recall": 0.0, "k": 0}
    curve = []
    for depth in depths:
        top = near[:depth]
        precision = float(top.any(axis=1).sum()) / depth
        recall = float(top.any(axis=0).sum()) / len(points)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
        if f1 > at_best["f1"]:
            at_best = {"f1": f1, "precision": precision, "recall": recall, "k": depth}
        curve.append((recall, precision))
    curve.sort(key=lambda row: row[0])
    area = 0.0
    for (left, low), (right, high) in itertools.pairwise(curve):
        area += (right - left) * (low + high) / 2
    return {**at_best, "auprc": area}


def to_pixel(lon: float, lat: float) -> tuple[float, float]:
    """A place on the map of the published code."""
    return (
        (lon + 180) / 360 * MAP_PX[0] + MARGIN_PX[0],
        (90 - lat) / 180 * MAP_PX[1] + MARGIN_PX[1],
    )


def made_up(folder: Path, tiles: int, points: int, seed: int, width_deg: float = 40.0) -> tuple[Path, Path]:
    """Files of a region: corners on a grid of 0.2 degrees, and points of which a good search finds many.

    Similarities differ in their first six decimals, and no point lies within 1e-6 degrees of the radius of a
    corner, so that every right way of computing gives the same figures.

    Returns
    -------
    predictions, truth
    """
    rng = np.random.default_rng(seed)
    columns = round(width_deg / 0.2)
    rows = -(-tiles // columns)
    west = -20.0 if width_deg < 360 else -180.0
    south = -0.2 * (rows // 2)
    corners = np.array([(west + 0.2 * (n % columns), south + 0.2 * (n // columns)) for n in range(tiles)])
    corners = np.round(corners, 1)
    truth = _clear_of_the_radius(rng, corners, points)
    clusters = truth[: max(1, points // 2)]
    away = np.min(np.hypot(*np.moveaxis(corners[:, None] - clusters[None, :200], -1, 0)), axis=1)
    ranks = np.argsort(np.argsort(np.exp(-away) + rng.normal(0, 0.25, tiles)))
    similarity = np.round(ranks / max(1, tiles) * 0.9, 6)
    predictions_csv, truth_csv = folder / "predictions.csv", folder / "truth.csv"
    with predictions_csv.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image_name", "similarity"))
        writer.writerows(
            (name_of(*corner), f"{s:.6f}") for corner, s in zip(corners.tolist(), similarity, strict=True)
        )
    with truth_csv.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("lon", "lat"))
        writer.writerows((f"{lon:.4f}", f"{lat:.4f}") for lon, lat in truth)
    return predictions_csv, truth_csv


def _clear_of_the_radius(rng: np.random.Generator, corners: Floats, count: int) -> Floats:
    found: list[Floats] = []
    low, high = corners.min(axis=0) - 1.0, corners.max(axis=0) + 1.0
    while len(found) < count:
        point = np.round(rng.uniform(low, high), 4)
        away = np.hypot(*(corners - point).T)
        if np.abs(away - RADIUS_DEG).min() > 1e-6:
            found.append(point)
    return np.array(found)


def _near(corners: Floats, points: Floats, radius_px: float) -> NDArray[np.bool_]:
    """Which tiles (n,) lie within the radius of which points (m,), shape (n, m)."""
    near = np.zeros((len(corners), len(points)), dtype=bool)
    for row, corner in enumerate(corners):
        near[row] = np.hypot(points[:, 0] - corner[0], points[:, 1] - corner[1]) <= radius_px
    return near

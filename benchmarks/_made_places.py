"""What a workspace needs beside an index: made files that were brought, named places, an elevation model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.transform import from_bounds
from scipy.ndimage import zoom

from retrieval.body import Body
from retrieval.corpus.context import ContextFile, ContextRaster, open_context

CATALOGUE, MAP_OF_UNITS = "craters.csv", "units.gpkg"
PLACES = 200
ACROSS, DOWN = 36, 18  # units of the map
DEM_PX = 1440  # across: a quarter of a degree, 15 km on Mars


def write_files(folder: Path, body: Body, entries: int, seed: int) -> None:
    """A catalogue of so many craters anywhere, and a map of units in outlines of some corners each."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    lonlat = _anywhere(rng, entries)
    pd.DataFrame(
        {
            "id": [f"c{number}" for number in range(entries)],
            "lon": lonlat[:, 0],
            "lat": lonlat[:, 1],
            "diameter_km": rng.gamma(2.0, 2.0, entries) + 1.0,
        }
    ).to_csv(folder / CATALOGUE, index=False)
    west, south = np.meshgrid(np.linspace(-180, 180, ACROSS + 1)[:-1], np.linspace(-85, 85, DOWN + 1)[:-1])
    angle = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    shapes = [
        shapely.Polygon(
            np.stack(
                [
                    x + 5.0 + 4.0 * (1.0 + 0.15 * np.sin(5 * angle + x)) * np.cos(angle),
                    y + 4.7 + 3.6 * (1.0 + 0.15 * np.cos(7 * angle + y)) * np.sin(angle),
                ],
                axis=-1,
            )
        )
        for x, y in zip(west.ravel(), south.ravel(), strict=True)
    ]
    units = np.array(["Amazonian", "Hesperian", "Noachian"])[rng.integers(0, 3, len(shapes))]
    table = gpd.GeoDataFrame({"unit": units}, geometry=shapes, crs=body.crs)
    table.to_file(folder / MAP_OF_UNITS, driver="GPKG")


def a_gazetteer(body: Body) -> gpd.GeoDataFrame:
    """Named places anywhere: ``Place 0`` and so on."""
    lonlat = _anywhere(np.random.default_rng(1), PLACES)
    table = gpd.GeoDataFrame(
        {
            "id": [f"p{number}" for number in range(PLACES)],
            "name": [f"Place {number}" for number in range(PLACES)],
            "lon": lonlat[:, 0],
            "lat": lonlat[:, 1],
            "diameter_km": np.full(PLACES, 300.0),
        },
        geometry=gpd.points_from_xy(lonlat[:, 0], lonlat[:, 1]),
        crs=body.crs,
    )
    return table


def some_context(file: Path, body: Body, seed: int) -> tuple[ContextRaster, ...]:
    """A made elevation model, rough at all scales, metres."""
    rng, height = np.random.default_rng(seed), DEM_PX // 2
    ground: NDArray[Any] = np.zeros((height, DEM_PX))
    cells = 9
    while cells < height:
        rough = rng.standard_normal((cells, 2 * cells))
        ground += zoom(
            rough, (height / cells, DEM_PX / (2 * cells)), order=1, grid_mode=True, mode="nearest"
        ) * (9000.0 / cells)
        cells *= 2
    profile: dict[str, Any] = {"driver": "GTiff", "dtype": "float32", "count": 1, "tiled": True}
    size = {"width": DEM_PX, "height": height, "transform": from_bounds(-180, -90, 180, 90, DEM_PX, height)}
    with rasterio.open(file, "w", crs=body.crs, **size, **profile) as out:
        out.write(ground.astype(np.float32), 1)
    return open_context(body, {"elevation": ContextFile(file, "m", about="a made elevation model")})


def _anywhere(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    lat = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, count)))
    return np.stack([rng.uniform(-180.0, 180.0, count), lat], axis=-1)

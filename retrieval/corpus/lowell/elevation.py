"""The large-scale relief of Lowell as an elevation model on disk, like that of any other planet."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine

from retrieval.body import BODIES
from retrieval.corpus.lowell.planet import ground_m, make_ground

PER_DEG = 5  # pixels of 1.6 km: the scarp and the canyon's walls are several wide
ROWS_AT_ONCE = 100


def save_elevation(seed: int, path: Path) -> None:
    """Write the elevation of a planet, without its landforms, as a GeoTIFF of whole metres; about 2 s.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    body = BODIES["lowell"]
    _, noise, regions = make_ground(seed)
    lon = (np.arange(360 * PER_DEG) + 0.5) / PER_DEG - 180.0
    lat = 90.0 - (np.arange(180 * PER_DEG) + 0.5) / PER_DEG
    heights = [
        ground_m(regions, noise, np.stack(np.meshgrid(lon, rows), axis=-1))
        for rows in np.split(lat, range(ROWS_AT_ONCE, len(lat), ROWS_AT_ONCE))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            width=len(lon),
            height=len(lat),
            count=1,
            dtype="int16",
            crs=body.crs.to_wkt(),
            transform=Affine(1 / PER_DEG, 0, -180, 0, -1 / PER_DEG, 90),
            compress="deflate",
            predictor=2,
            tiled=True,
        ) as out:
            out.write(np.rint(np.concatenate(heights)).astype(np.int16), 1)
            out.set_band_unit(1, "m")
        temporary.replace(path)
    except rasterio.errors.RasterioError as error:  # what GDAL says of a full or forbidden disk
        raise OSError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)

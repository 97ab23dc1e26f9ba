"""Numbers measured for facts: terrain at several scales, and what the picture itself is like."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import rasterio
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.corpus.lowell.planet import Planet
from retrieval.corpus.raster import RasterSource
from retrieval.corpus.rasterfile import GDAL_OPTIONS, open_dataset, telling_of_tears
from retrieval.corpus.sampling import sample
from retrieval.corpus.terrain import slope_deg
from retrieval.errors import RasterError

Floats = NDArray[np.float64]
SCALES = (1, 3, 9)  # tile sides over which terrain is measured
DEM_SIZE_PX = 32
PLANET_SIZE_PX = 5  # the relief of a synthetic planet is smooth without its landforms
_TILES_AT_ONCE = 512


def terrain_of_planet(planet: Planet, centres: ArrayLike, tile_km: float) -> list[dict[str, float]]:
    """Terrain values of patches from the large-scale relief of a synthetic planet, without its landforms."""
    return _terrain(
        planet.body, centres, tile_km, PLANET_SIZE_PX, lambda lonlat: np.asarray(planet.elevation_m(lonlat))
    )


def terrain_of_dem(dem: RasterSource, centres: ArrayLike, tile_km: float) -> list[dict[str, float]]:
    """Terrain values of patches from elevation models; a scale without data everywhere is left out.

    Returns
    -------
    Per patch ``elevation_m`` (mean), ``relief_m`` (highest minus lowest), ``slope_deg`` (mean) and
    ``slope_p90_deg``, and the same with ``_x3`` and ``_x9`` over that many tile sides.

    Raises
    ------
    RasterError
        If a file is no elevation model, gone or torn.
    """
    for raster in dem.rasters:
        if raster.kind != "dem":
            raise RasterError(f"{raster.path.name} is no elevation model", allowed="one band of elevations")
    with rasterio.Env(**GDAL_OPTIONS), ExitStack() as stack:
        datasets = [stack.enter_context(open_dataset(raster.path)) for raster in dem.rasters]

        def elevation(lonlat: Floats) -> Floats:
            found = np.full(lonlat.shape[:-1], np.nan)
            for raster, dataset in zip(dem.rasters, datasets, strict=True):
                rows, cols = raster.positions(dem.body, lonlat)
                for n in np.flatnonzero(np.isnan(found).any(axis=(1, 2))).tolist():
                    with telling_of_tears(raster.path):
                        values, seen = sample(dataset, raster.bands, rows[n], cols[n], cyclic=raster.cyclic)
                    new = seen & np.isnan(found[n])
                    found[n][new] = values[0][new] * dataset.scales[0] + dataset.offsets[0]
            return found

        return _terrain(dem.body, centres, tile_km, DEM_SIZE_PX, elevation)


def _terrain(
    body: Body, centres: ArrayLike, tile_km: float, size: int, elevation: Callable[[Floats], Floats]
) -> list[dict[str, float]]:
    """Measure patches of ``size`` x ``size`` points given elevation, metres, of lonlat (n, size, size, 2)."""
    points = np.atleast_2d(np.asarray(centres, dtype=float))
    found: list[dict[str, float]] = [{} for _ in range(len(points))]
    for scale in SCALES:
        side = tile_km * scale
        if side > body.half_circumference_km / 2:
            break
        along = (np.arange(size) + 0.5) * side / size - side / 2
        east, north = np.meshgrid(along, -along)
        name = "" if scale == 1 else f"_x{scale}"
        for start in range(0, len(points), _TILES_AT_ONCE):
            some = points[start : start + _TILES_AT_ONCE]
            heights = elevation(body.offsets_to_lonlat(some[:, None, None, :], east, north))
            for n, dem in enumerate(heights):
                if not np.isfinite(dem).all():  # a slope across a gap would be invented
                    continue
                slope = slope_deg(dem, side * 1000.0 / size)
                found[start + n].update(
                    {
                        f"elevation_m{name}": float(dem.mean()),
                        f"relief_m{name}": float(np.ptp(dem)),
                        f"slope_deg{name}": float(slope.mean()),
                        f"slope_p90_deg{name}": float(np.quantile(slope, 0.9)),
                    }
                )
    return found


def picture_values(pixels: NDArray[np.uint8]) -> list[dict[str, float]]:
    """What pictures are like: gaps, contrast, brightness and the direction of their grain.

    The grain is the direction along which grey values change least, by the structure tensor averaged over
    the picture (Bigun and Granlund 1987); its strength is the tensor's coherence, 0 none to 1 perfect.

    Parameters
    ----------
    pixels
        Grey (n, s, s) or RGB (n, s, s, 3), uint8, row 0 in the north; 0 where there are no data.

    Returns
    -------
    Per picture ``nodata_share`` 0..1, ``contrast_dn`` (standard deviation), ``mean_dn``,
    ``grain_azimuth_deg`` (axial, 0..180 clockwise from north) and ``grain_strength``.
    """
    grey = pixels.astype(np.float32) if pixels.ndim == 3 else pixels.mean(axis=-1, dtype=np.float32)
    seen = grey > 0
    count = np.maximum(seen.sum(axis=(1, 2)), 1)
    mean = (grey * seen).sum(axis=(1, 2)) / count
    spread = np.sqrt((((grey - mean[:, None, None]) * seen) ** 2).sum(axis=(1, 2)) / count)
    east = (grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]) / 2
    north = (grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1]) / 2
    # A gradient counts only where all five pixels have data: the edge of a gap is no grain.
    whole = seen[:, 1:-1, 2:] & seen[:, 1:-1, :-2] & seen[:, :-2, 1:-1] & seen[:, 2:, 1:-1]
    whole &= seen[:, 1:-1, 1:-1]
    east, north = east * whole, north * whole
    ee, nn, en = ((a * b).sum(axis=(1, 2)) for a, b in ((east, east), (north, north), (east, north)))
    across = np.degrees(0.5 * np.arctan2(2 * en, ee - nn))  # of the gradient, anticlockwise from east
    strength = np.hypot(ee - nn, 2 * en) / np.maximum(ee + nn, 1e-9)
    values = {
        "nodata_share": 1.0 - seen.mean(axis=(1, 2)),
        "contrast_dn": spread,
        "mean_dn": mean,
        "grain_azimuth_deg": -across % 180.0,
        "grain_strength": strength,
    }
    return [{name: float(value[n]) for name, value in values.items()} for n in range(len(pixels))]

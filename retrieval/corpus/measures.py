"""Numbers measured for facts: terrain at several scales, and what the picture itself is like."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.corpus.context import elevation_of
from retrieval.corpus.lowell.planet import Planet
from retrieval.corpus.raster import RasterSource
from retrieval.corpus.terrain import Elevation, patches, slope_deg
from retrieval.spatial.textures import structure_tensors, texture_axes

SCALES = (1, 3, 9)  # tile sides over which terrain is measured
DEM_SIZE_PX = 32
PLANET_SIZE_PX = 5  # the relief of a synthetic planet is smooth without its landforms


def terrain_of_planet(planet: Planet, centres: ArrayLike, tile_km: float) -> list[dict[str, float]]:
    """Terrain values of patches from the large-scale relief of a synthetic planet, without its landforms."""
    return _terrain(planet.elevation_m, planet.body, centres, tile_km, PLANET_SIZE_PX)


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
    with elevation_of(dem) as elevation:
        return _terrain(elevation, dem.body, centres, tile_km, DEM_SIZE_PX)


def _terrain(
    elevation: Elevation, body: Body, centres: ArrayLike, tile_km: float, size: int
) -> list[dict[str, float]]:
    points = np.atleast_2d(np.asarray(centres, dtype=float))
    found: list[dict[str, float]] = [{} for _ in range(len(points))]
    for scale in SCALES:
        side = tile_km * scale
        if side > body.half_circumference_km / 2:
            break
        name = "" if scale == 1 else f"_x{scale}"
        for rows, heights in patches(elevation, body, points, side, size):
            # A slope across a gap would be invented: patches with gaps are left out.
            whole = np.flatnonzero(np.isfinite(heights).all(axis=(1, 2)))
            if not len(whole):
                continue
            heights = heights[whole]
            slope = slope_deg(heights, side * 1000.0 / size)
            columns = {
                f"elevation_m{name}": heights.mean(axis=(1, 2)),
                f"relief_m{name}": np.ptp(heights, axis=(1, 2)),
                f"slope_deg{name}": slope.mean(axis=(1, 2)),
                f"slope_p90_deg{name}": np.quantile(slope, 0.9, axis=(1, 2)),
            }
            for i, n in enumerate((rows.start + whole).tolist()):
                found[n].update({key: float(values[i]) for key, values in columns.items()})
    return found


def picture_values(pixels: NDArray[np.uint8]) -> list[dict[str, float]]:
    """What pictures are like: gaps, contrast, brightness and the direction of their grain.

    The grain is the direction along which grey values change least, by the structure tensor of the picture
    with any light left in it (`textures`); its strength is the tensor's coherence, 0 none to 1 perfect.

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
    azimuth, strength = texture_axes(structure_tensors(grey))
    values = {
        "nodata_share": 1.0 - seen.mean(axis=(1, 2)),
        "contrast_dn": spread,
        "mean_dn": mean,
        "grain_azimuth_deg": azimuth,
        "grain_strength": strength,
    }
    return [{name: float(value[n]) for name, value in values.items()} for n in range(len(pixels))]

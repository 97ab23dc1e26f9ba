"""Terrain from a digital elevation model: slope and shading.

Arrays are north up, row 0 in the north; elevations and pixel sizes share the unit (metres).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import SettingsError

F32 = NDArray[np.float32]


def slope_deg(dem_m: ArrayLike, pixel_m: float) -> F32:
    """Steepest slope, degrees, shape (h, w), by central differences (Horn's stencil is not needed here).

    Raises
    ------
    SettingsError
        If the model has fewer than 2 x 2 pixels or the pixel size is not positive.
    """
    east, north = _gradient(dem_m, pixel_m)
    return np.asarray(np.degrees(np.arctan(np.hypot(east, north))), dtype=np.float32)


def hillshade(
    dem_m: ArrayLike,
    pixel_m: float,
    sun_azimuth_deg: float,
    sun_elevation_deg: float,
    exaggeration: float = 1.0,
) -> F32:
    """Lambertian shading 0..1, shape (h, w): cosine of the angle between the ground's normal and the sun.

    Parameters
    ----------
    sun_azimuth_deg
        Clockwise from north.
    exaggeration
        Vertical exaggeration.

    Raises
    ------
    SettingsError
        As `slope_deg`.
    """
    cos_incidence, _ = _incidence(dem_m, pixel_m, sun_azimuth_deg, sun_elevation_deg, exaggeration)
    return np.asarray(np.clip(cos_incidence, 0.0, 1.0), dtype=np.float32)


def lunar_lambert(
    dem_m: ArrayLike,
    pixel_m: float,
    sun_azimuth_deg: float,
    sun_elevation_deg: float,
    lunar_share: float = 0.55,
) -> F32:
    """Brightness seen from straight above, 1 on level ground, shape (h, w).

    The lunar-Lambert law (McEwen 1991): a mixture of Lommel-Seeliger and Lambert scattering, which darkens
    slopes less than Lambert's law alone does on a dusty surface.

    Raises
    ------
    SettingsError
        As `slope_deg`.
    """
    mu0, mu = _incidence(dem_m, pixel_m, sun_azimuth_deg, sun_elevation_deg, 1.0)
    mu0 = np.maximum(mu0, 0.0)
    level = float(np.sin(np.radians(sun_elevation_deg)))
    bright = lunar_share * 2.0 * mu0 / (mu0 + mu) + (1.0 - lunar_share) * mu0
    return np.asarray(
        bright / (lunar_share * 2.0 * level / (level + 1.0) + (1.0 - lunar_share) * level), dtype=np.float32
    )


def _incidence(
    dem_m: ArrayLike, pixel_m: float, sun_azimuth_deg: float, sun_elevation_deg: float, exaggeration: float
) -> tuple[F32, F32]:
    # Cosines of the angles of the normal to the sun and to the zenith.
    east, north = _gradient(dem_m, pixel_m)
    if exaggeration != 1.0:
        east, north = east * exaggeration, north * exaggeration
    azimuth, elevation = np.radians(sun_azimuth_deg), np.radians(sun_elevation_deg)
    sun_east = float(np.sin(azimuth) * np.cos(elevation))
    sun_north = float(np.cos(azimuth) * np.cos(elevation))
    up = 1.0 / np.sqrt(1.0 + east * east + north * north)
    toward_sun = (float(np.sin(elevation)) - east * sun_east - north * sun_north) * up
    return np.asarray(toward_sun, dtype=np.float32), np.asarray(up, dtype=np.float32)


def _gradient(dem_m: ArrayLike, pixel_m: float) -> tuple[F32, F32]:
    dem = np.asarray(dem_m, dtype=np.float32)
    if dem.ndim != 2 or min(dem.shape) < 2:
        raise SettingsError(
            f"a terrain model of shape {dem.shape} has no slope", allowed="at least 2 x 2 pixels"
        )
    if not pixel_m > 0:
        raise SettingsError(f"a pixel of {pixel_m} m has no slope", allowed="a positive size in metres")
    east, south = np.empty_like(dem), np.empty_like(dem)
    scale = np.float32(0.5 / pixel_m)
    east[:, 1:-1] = (dem[:, 2:] - dem[:, :-2]) * scale
    east[:, 0], east[:, -1] = (dem[:, 1] - dem[:, 0]) * 2 * scale, (dem[:, -1] - dem[:, -2]) * 2 * scale
    south[1:-1] = (dem[2:] - dem[:-2]) * scale
    south[0], south[-1] = (dem[1] - dem[0]) * 2 * scale, (dem[-1] - dem[-2]) * 2 * scale
    return east, -south

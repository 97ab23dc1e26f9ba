"""Terrain from a digital elevation model: slope, aspect, curvature and position at a scale; shading.

Arrays are north up, row 0 in the north; elevations and pixel sizes share the unit (metres). What ground is
like depends on how much of it is looked at: `terrain_at` fits a plane and a paraboloid to discs of stated
diameters, each in the local plane of its own centre, so that no seam and no pole is in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import SettingsError
from retrieval.spatial.sphere import check_lonlat

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Elevation = Callable[[Floats], ArrayLike]

FLAT_DEG = 0.1  # ground that falls less has no direction of descent
LEAST_SHARE = 0.5  # of a disc with data
DISC_PX = 33  # points across a disc: its area is right to 1 %
POINTS_AT_ONCE = 500_000


def terrain_at(
    elevation: Elevation, body: Body, lonlat: ArrayLike, scales_km: Sequence[float], size_px: int = DISC_PX
) -> dict[str, Floats]:
    """What the ground is like around positions, over discs of several diameters.

    Parameters
    ----------
    elevation
        Elevation, metres, of lonlat (m, size_px, size_px, 2) as an array (m, size_px, size_px), NaN where
        it is not known.
    lonlat
        Positions, (n, 2).
    scales_km
        Diameters of the discs.
    size_px
        Points across a disc: no more than the elevation has.

    Returns
    -------
    Columns of shape (n,), each with the diameter at its end (``slope_deg_12km``); NaN where less than half
    of the disc has data:

    - ``elevation_m``, mean; ``relief_m``, highest minus lowest;
    - ``slope_deg``, ``aspect_deg`` (of descent, clockwise from north, NaN on flat ground) and
      ``roughness_m`` of the fitted plane, see `plane_fit`;
    - ``profile_curvature_per_km``, ``plan_curvature_per_km``, see `curvature`;
    - ``position_m``, topographic position (after Weiss 2001): mean of the inner third of the disc minus mean
      of what is around it, positive on crests and negative in valleys.

    Raises
    ------
    SettingsError
        If a scale is not positive or larger than a quarter of the circumference.
    GeometryError
        If a position cannot lie on a body.
    """
    points = check_lonlat(lonlat, "positions of terrain")
    columns: dict[str, Floats] = {}
    for scale in scales_km:
        found: list[dict[str, Floats]] = []
        for _, heights in patches(elevation, body, points, scale, size_px):
            found.append(_disc_columns(heights, 1000.0 * scale / size_px))
        for name in _disc_columns(np.zeros((0, size_px, size_px)), 1.0):
            columns[f"{name}_{scale:g}km"] = np.concatenate([np.zeros(0), *(part[name] for part in found)])
    return columns


def patches(
    elevation: Elevation, body: Body, lonlat: Floats, side_km: float, size_px: int
) -> Iterator[tuple[slice, Floats]]:
    """Elevations of square patches about positions, some at a time: rows, and an array (m, size, size).

    Raises
    ------
    SettingsError
        If the side is not positive or larger than a quarter of the circumference.
    """
    if not 0 < side_km <= body.half_circumference_km / 2:
        raise SettingsError(
            f"terrain cannot be measured over {side_km:g} km of {body.name}",
            allowed=f"more than 0 and at most {body.half_circumference_km / 2:.0f} km",
        )
    along = (np.arange(size_px) + 0.5) * side_km / size_px - side_km / 2
    east, north = np.meshgrid(along, -along)
    step = max(1, POINTS_AT_ONCE // size_px**2)
    for start in range(0, len(lonlat), step):
        rows = slice(start, min(start + step, len(lonlat)))
        heights = elevation(body.offsets_to_lonlat(lonlat[rows, None, None, :], east, north))
        yield rows, np.asarray(heights, dtype=np.float64)


def plane_fit(heights_m: ArrayLike, pixel_m: float) -> tuple[Floats, Floats, Floats]:
    """Slope and aspect of the plane that fits the disc in each square best, by least squares.

    Parameters
    ----------
    heights_m
        Shape (n, s, s); NaN where there are no data.

    Returns
    -------
    slope_deg
        Shape (n,); NaN where less than half of the disc has data.
    aspect_deg
        Direction of descent, clockwise from north, 0..360; NaN where the slope is less than 0.1 degrees.
    residual_m
        Root mean square of what the plane leaves.

    Raises
    ------
    SettingsError
        As `slope_deg`.
    """
    heights, x, y = _disc(heights_m, pixel_m)
    coefficients, residual = _fitted(heights, np.stack([np.ones_like(x), x, y], axis=-1))
    east, north = coefficients[:, 1], coefficients[:, 2]
    slope = np.degrees(np.arctan(np.hypot(east, north)))
    return slope, np.where(slope < FLAT_DEG, np.nan, np.degrees(np.arctan2(-east, -north)) % 360.0), residual


def curvature(heights_m: ArrayLike, pixel_m: float) -> tuple[Floats, Floats]:
    """Curvature along and across the slope at the middle of each square, 1/m; positive is convex.

    A paraboloid is fitted to the disc by least squares (Evans 1980). Both are curvatures of normal sections
    of it, the one along the steepest descent and the one across it, also called tangential (Minar, Evans &
    Jenco 2020, *Earth-Science Reviews* 211): 1 / R on a dome of radius R. The curvature of contour lines
    is not taken, because it grows without bound where ground is nearly level.

    Returns
    -------
    profile, plan
        Shapes (n,); NaN where less than half of the disc has data, and on ground flatter than 0.1 degrees,
        which has no direction of descent.

    Raises
    ------
    SettingsError
        As `slope_deg`.
    """
    heights, x, y = _disc(heights_m, pixel_m)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    coefficients, _ = _fitted(heights, basis)
    p, q, half_r, s, half_t = coefficients[:, 1:].T
    r, t = 2.0 * half_r, 2.0 * half_t
    steep = p * p + q * q
    flat = ~(steep >= np.tan(np.radians(FLAT_DEG)) ** 2)
    steep = np.where(flat, np.nan, steep)
    profile = -(p * p * r + 2.0 * p * q * s + q * q * t) / (steep * (1.0 + steep) ** 1.5)
    plan = -(q * q * r - 2.0 * p * q * s + p * p * t) / (steep * np.sqrt(1.0 + steep))
    return profile, plan


def slope_deg(dem_m: ArrayLike, pixel_m: float) -> F32:
    """Steepest slope of every pixel, degrees, shape (..., h, w), by central differences.

    It depends on the size of a pixel; for the slope at a scale see `plane_fit`.

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


def _disc_columns(heights: Floats, pixel_m: float) -> dict[str, Floats]:
    """What `terrain_at` says of squares of heights (n, s, s), NaN where there are no data."""
    disc, x, y = _disc(heights, pixel_m)
    slope, aspect, residual = plane_fit(heights, pixel_m)
    profile, plan = curvature(heights, pixel_m)
    inner = np.hypot(x, y) <= np.hypot(x, y).max() / 3.0
    # All or nothing: what a plane cannot be fitted to has no other figure either.
    gone = np.isnan(slope)
    seen = np.isfinite(disc) & ~gone[:, None]
    highest = np.where(seen, disc, -np.inf).max(axis=1, initial=-np.inf)
    lowest = np.where(seen, disc, np.inf).min(axis=1, initial=np.inf)
    return {
        "elevation_m": _mean(disc, seen),
        "relief_m": np.where(gone, np.nan, highest - lowest),
        "slope_deg": slope,
        "aspect_deg": aspect,
        "roughness_m": residual,
        "profile_curvature_per_km": 1000.0 * profile,
        "plan_curvature_per_km": 1000.0 * plan,
        "position_m": _mean(disc, seen & inner) - _mean(disc, seen & ~inner),
    }


def _mean(values: Floats, chosen: NDArray[np.bool_]) -> Floats:
    count = chosen.sum(axis=1)
    total = np.where(chosen, values, 0.0).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _disc(heights_m: ArrayLike, pixel_m: float) -> tuple[Floats, Floats, Floats]:
    """Heights (n, p) of the pixels in the disc of each square, and their x (east) and y (north), metres."""
    heights = np.asarray(heights_m, dtype=np.float64)
    if heights.ndim != 3:
        raise SettingsError(
            f"heights of shape {heights.shape} are no squares", allowed="one or more squares, (n, s, s)"
        )
    _check(heights, pixel_m)
    rows, cols = heights.shape[1:]
    x, y = np.meshgrid(
        (np.arange(cols) - (cols - 1) / 2) * pixel_m, ((rows - 1) / 2 - np.arange(rows)) * pixel_m
    )
    inside = np.hypot(x, y) <= max(rows, cols) / 2 * pixel_m
    return heights[:, inside], x[inside], y[inside]


def _fitted(heights: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """Least-squares coefficients (n, k) of basis functions (p, k) for heights (n, p), and the rms rest (n,).

    NaN where less than half of the heights are known, or too few to tell the functions apart.
    """
    seen = np.isfinite(heights)
    weight = seen.astype(np.float64)
    count = weight.sum(axis=1)
    mean = _mean(heights, seen)
    centred = np.where(seen, heights - np.nan_to_num(mean)[:, None], 0.0)
    size = np.abs(basis).max(axis=0)  # unit-sized functions keep the equations well conditioned
    unit = basis / size
    k = unit.shape[1]
    products = (unit[:, :, None] * unit[:, None, :]).reshape(-1, k * k)
    left = (weight @ products).reshape(-1, k, k) / np.maximum(count, 1.0)[:, None, None]
    right = (centred @ unit) / np.maximum(count, 1.0)[:, None]
    known = (count >= LEAST_SHARE * heights.shape[1]) & (np.linalg.eigvalsh(left)[:, 0] > 1e-9)
    coefficients = np.full((len(heights), k), np.nan)
    coefficients[known] = np.linalg.solve(left[known], right[known, :, None])[..., 0]
    rest = np.where(seen, centred - coefficients @ unit.T, 0.0)
    residual = np.where(known, np.sqrt((rest**2).sum(axis=1) / np.maximum(count, 1.0)), np.nan)
    coefficients = coefficients / size
    coefficients[:, 0] += mean
    return coefficients, residual


def _check(dem: NDArray[np.floating], pixel_m: float) -> None:
    if dem.ndim < 2 or min(dem.shape[-2:]) < 2:
        raise SettingsError(
            f"a terrain model of shape {dem.shape} has no slope", allowed="at least 2 x 2 pixels"
        )
    if not pixel_m > 0:
        raise SettingsError(f"a pixel of {pixel_m} m has no slope", allowed="a positive size in metres")


def _gradient(dem_m: ArrayLike, pixel_m: float) -> tuple[F32, F32]:
    dem = np.asarray(dem_m, dtype=np.float32)
    _check(dem, pixel_m)
    east, south = np.empty_like(dem), np.empty_like(dem)
    scale = np.float32(0.5 / pixel_m)
    east[..., 1:-1] = (dem[..., 2:] - dem[..., :-2]) * scale
    east[..., 0] = (dem[..., 1] - dem[..., 0]) * 2 * scale
    east[..., -1] = (dem[..., -1] - dem[..., -2]) * 2 * scale
    south[..., 1:-1, :] = (dem[..., 2:, :] - dem[..., :-2, :]) * scale
    south[..., 0, :] = (dem[..., 1, :] - dem[..., 0, :]) * 2 * scale
    south[..., -1, :] = (dem[..., -1, :] - dem[..., -2, :]) * 2 * scale
    return east, -south

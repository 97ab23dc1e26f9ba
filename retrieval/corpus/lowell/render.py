"""From relief to picture: light, albedo, haze, camera, strips with seams, gaps.

Pictures come in strips some 60 km wide, each taken under its own sun, through its own haze, with its own
gain and blur; where a tile straddles two strips, it shows the seam. Some strips have gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter

from retrieval.corpus.lowell.canvas import Canvas, local_frame
from retrieval.corpus.lowell.landforms import LANDFORMS
from retrieval.corpus.lowell.landforms_impact import small_crater
from retrieval.corpus.lowell.noise import F32, sample3
from retrieval.corpus.lowell.planet import Planet
from retrieval.corpus.lowell.relief import RADIUS_KM, Fields, escarpments, fields
from retrieval.corpus.terrain import lunar_lambert

PAD = 3
FINE_CELL_KM = 0.19
FINE_M = 46.0
STRIP_KM = 58.0
BAND_DEG = 30.0


@dataclass(frozen=True)
class Surface:
    """Ground of one tile with a margin of ``PAD`` pixels.

    Attributes
    ----------
    points
        Unit vectors of the pixels, shape (h, w, 3).
    elevation_m, albedo
        Shape (h, w).
    """

    points: F32
    elevation_m: F32
    albedo: F32


@dataclass(frozen=True)
class Strip:
    """How one image strip was taken."""

    sun_azimuth_deg: float
    sun_elevation_deg: float
    gain: float
    haze: float
    blur_px: float
    noise_dn: float
    contrast: float
    gap_from: float
    gap_to: float


def draw_tile(
    planet: Planet, lon: float, lat: float, tile_km: float, size_px: int
) -> tuple[NDArray[np.uint8], float]:
    """Grey picture of a patch, shape (size_px, size_px), and the share of it that has data."""
    surface = draw_surface(planet, lon, lat, tile_km, size_px)
    inner = np.s_[PAD:-PAD, PAD:-PAD]
    pixel_m = 1000.0 * tile_km / size_px
    column, key = _strips(planet, surface.points[inner])
    picture = np.zeros((size_px, size_px), dtype=np.float32)
    missing = np.zeros((size_px, size_px), dtype=bool)
    for strip_key in np.unique(key):
        strip = strip_at(planet.seed, int(strip_key))
        here = key == strip_key
        shade = lunar_lambert(surface.elevation_m, pixel_m, strip.sun_azimuth_deg, strip.sun_elevation_deg)
        bright = gaussian_filter(surface.albedo * shade, strip.blur_px, mode="nearest")[inner]
        value = 118.0 * strip.gain * (1.0 + strip.contrast * (bright - 1.0))
        value = value * (1.0 - strip.haze) + 128.0 * strip.haze
        rng = np.random.default_rng(
            [planet.seed, int(strip_key), round((lon + 180) * 1000), round((lat + 90) * 1000)]
        )
        value += strip.noise_dn * rng.standard_normal(value.shape, dtype=np.float32)
        picture = np.where(here, value, picture)
        place = column - np.floor(column)
        missing |= here & (place >= strip.gap_from) & (place < strip.gap_to)
    pixels = np.clip(np.rint(picture), 1, 255).astype(np.uint8)
    pixels[missing] = 0
    return pixels, float(1.0 - missing.mean())


def draw_surface(planet: Planet, lon: float, lat: float, tile_km: float, size_px: int) -> Surface:
    """Elevation and albedo of a patch, with its margin."""
    frame = local_frame(lon, lat)
    points = _plane_points(tile_km, size_px) @ frame
    side = size_px + 2 * PAD
    points = points.reshape(side, side, 3)
    slow = _slow_fields(planet, frame, tile_km, size_px)
    canvas = Canvas(points, frame, tile_km / size_px, planet.noise)
    fine = sample3(planet.noise.fine, points * np.float32(RADIUS_KM), FINE_CELL_KM)
    for n in planet.features_near(frame[0], tile_km):
        feature = planet.features[n]
        window = canvas.window(feature.frame, feature.reach_km)
        if window is not None:
            LANDFORMS[feature.landform].draw(window, feature)
    _background(planet, canvas, frame, tile_km)
    ground = slow.elevation_m + canvas.relief + FINE_M * slow.roughness * fine * canvas.texture
    if float(np.abs(slow.boundary_km).min()) < 8.0 or float(slow.canyon_km.min()) < 4.0:
        ground += escarpments(slow.boundary_km, slow.canyon_km, 0.7 * fine)
    else:
        ground += np.where(slow.boundary_km > 0, np.float32(planet.scarp_m), np.float32(0.0))
    albedo = slow.albedo * canvas.albedo * (1.0 + 0.018 * fine * canvas.texture)
    return Surface(points, np.asarray(ground, dtype=np.float32), np.asarray(albedo, dtype=np.float32))


@lru_cache(maxsize=4096)
def strip_at(seed: int, key: int) -> Strip:
    """Circumstances of a strip, drawn from its number."""
    rng = np.random.default_rng([seed, 77, key])
    kind = rng.random()
    # Most strips are complete; some have a sliver missing along an edge, very few are lost.
    width = 0.0 if kind > 0.06 else (rng.uniform(0.04, 0.28) if kind > 0.008 else 1.0)
    start = 0.0 if width == 1.0 else float(rng.choice([0.0, 1.0 - width]))
    return Strip(
        sun_azimuth_deg=float(270.0 + np.clip(rng.normal(0, 32), -75, 75)),
        sun_elevation_deg=float(rng.uniform(18, 50)),
        gain=float(rng.normal(1.0, 0.07)),
        haze=float(rng.beta(1.5, 5) * 0.6),
        blur_px=float(rng.uniform(0.35, 0.85)),
        noise_dn=float(rng.uniform(0.8, 4.0)),
        contrast=float(rng.uniform(1.0, 1.6)),
        gap_from=start,
        gap_to=start + width,
    )


def _background(planet: Planet, canvas: Canvas, frame: F32, tile_km: float) -> None:
    points, radius, fresh = planet.background
    smallest = 1.1 * canvas.pixel_km
    for n in planet.background_near(frame[0], tile_km):
        if radius[n] < smallest:
            continue
        window = canvas.window(_frame_of(points[n]), 2.2 * float(radius[n]))
        if window is not None:
            small_crater(window, float(radius[n]), float(fresh[n]))


def _frame_of(point: F32) -> F32:
    x, y, z = (float(v) for v in point)
    h = max(float(np.hypot(x, y)), 1e-9)
    return np.array([[x, y, z], [-y / h, x / h, 0.0], [-z * x / h, -z * y / h, h]], dtype=np.float32)


@lru_cache(maxsize=8)
def _plane_points(tile_km: float, size_px: int) -> F32:
    # Coefficients of (centre, east, north) that make the unit vector of each pixel, shape (h * w, 3).
    step = tile_km / size_px
    along = (np.arange(-PAD, size_px + PAD) + 0.5) * step - tile_km / 2
    east, north = np.meshgrid(along, -along)
    return _coefficients(east, north)


@lru_cache(maxsize=8)
def _coarse_points(tile_km: float, size_px: int) -> tuple[F32, F32]:
    # The same on a coarse lattice, and the matrix that interpolates from it to pixels, shape (h, m).
    step = tile_km / size_px
    half = tile_km / 2 + PAD * step
    nodes = int(np.clip(np.ceil(2 * half / 0.95), 14, 90))
    lattice = np.linspace(-half, half, nodes)
    east, north = np.meshgrid(lattice, -lattice)
    along = (np.arange(-PAD, size_px + PAD) + 0.5) * step - tile_km / 2
    matrix = CubicSpline(lattice, np.eye(nodes))(along)
    return _coefficients(east, north), np.asarray(matrix, dtype=np.float32)


def _coefficients(east: NDArray[np.float64], north: NDArray[np.float64]) -> F32:
    angle = np.hypot(east, north) / RADIUS_KM
    sinc = np.sinc(angle / np.pi) / RADIUS_KM
    return np.stack([np.cos(angle), east * sinc, north * sinc], axis=-1).reshape(-1, 3).astype(np.float32)


def _slow_fields(planet: Planet, frame: F32, tile_km: float, size_px: int) -> Fields:
    coefficients, matrix = _coarse_points(tile_km, size_px)
    nodes = matrix.shape[1]
    coarse = fields(planet.regions, planet.noise, (coefficients @ frame).reshape(nodes, nodes, 3))
    return Fields(
        *(
            np.asarray(matrix @ getattr(coarse, name) @ matrix.T, dtype=np.float32)
            for name in ("elevation_m", "boundary_km", "canyon_km", "roughness", "albedo")
        )
    )


def _strips(planet: Planet, points: F32) -> tuple[F32, NDArray[np.int64]]:
    # Strips run north-south, slightly inclined, in bands of latitude; their count fits the band's parallel.
    lat = np.degrees(np.arcsin(np.clip(points[..., 2], -1, 1)))
    lon = np.degrees(np.arctan2(points[..., 1], points[..., 0])) + 180.0
    band = np.clip(np.floor((lat + 90.0) / BAND_DEG), 0, 5).astype(np.int64)
    middle = np.radians((np.arange(6) + 0.5) * BAND_DEG - 90.0)
    count = np.rint(2 * np.pi * RADIUS_KM * np.cos(middle) / STRIP_KM)[band]
    slant = 0.12 * (lat + 90.0 - (band + 0.5) * BAND_DEG) * (np.pi / 180 * RADIUS_KM / STRIP_KM)
    column = lon / 360.0 * count + slant
    return column.astype(np.float32), (np.floor(column) % count).astype(np.int64) + 1000 * band

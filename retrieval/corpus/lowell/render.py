"""From the planet to a picture: the ground of a patch with everything on it, and its exposure.

The ground is slow relief, fine relief, hummocks and faint ridges that belong to no landform, small craters,
and the landforms, oldest first. `light` takes the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from retrieval.corpus.lowell.canvas import Canvas, local_frame
from retrieval.corpus.lowell.landforms import LANDFORMS
from retrieval.corpus.lowell.landforms_impact import small_crater
from retrieval.corpus.lowell.light import expose, strip_at, strips
from retrieval.corpus.lowell.noise import F32, sample3
from retrieval.corpus.lowell.planet import Planet
from retrieval.corpus.lowell.relief import RADIUS_KM, Fields, escarpments, fields

PAD = 3
FINE_CELL_KM = 0.19
FINE_M = 42.0
MOTTLE_CELL_KM = 0.5
FIELD_NAMES = tuple(field.name for field in dataclass_fields(Fields))


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


def draw_tile(
    planet: Planet, lon: float, lat: float, tile_km: float, size_px: int
) -> tuple[NDArray[np.uint8], float]:
    """Grey picture of a patch, shape (size_px, size_px), and the share of it that has data."""
    surface = draw_surface(planet, lon, lat, tile_km, size_px)
    inner = np.s_[PAD:-PAD, PAD:-PAD]
    pixel_m = 1000.0 * tile_km / size_px
    points = surface.points[inner]
    picture = np.zeros((size_px, size_px), dtype=np.float32)
    missing = np.zeros((size_px, size_px), dtype=bool)
    # Most tiles lie within one strip: the rim tells.
    rim = strips(np.concatenate([points[0], points[-1], points[:, 0], points[:, -1]]))[1]
    whole = bool((rim == rim[0]).all()) and abs(lat) < 80.0
    if whole and strip_at(planet.seed, int(rim[0])).gap_to <= 0.0:
        column, key = np.zeros((1, 1), dtype=np.float32), rim[:1, None]
    else:
        column, key = strips(points)
    place = column - np.floor(column)
    for strip_key in np.unique(key).tolist():
        strip = strip_at(planet.seed, strip_key)
        here = key == strip_key
        rng = np.random.default_rng(
            [planet.seed, strip_key, round((lon + 180) * 1000), round((lat + 90) * 1000)]
        )
        value = expose(strip, surface.elevation_m, surface.albedo, pixel_m, rng)[inner]
        picture = np.where(here, value, picture)
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
    # Between the landforms: hummocks, faint ridges and mottled dust, stronger in some places than in others.
    mottle = _mottle(planet, frame, tile_km, size_px)
    strength = np.clip(0.75 * np.exp(0.85 * slow.fabric), 0.1, 3.2)
    ridges = np.exp(-((slow.creases * (1.0 / 0.09)) ** 2)) * np.clip(slow.fabric, 0.0, 1.2)
    plain = (42.0 * strength * mottle + 40.0 * ridges) * canvas.texture
    ground = slow.elevation_m + canvas.relief + plain + FINE_M * slow.roughness * fine * canvas.texture
    if float(np.abs(slow.boundary_km).min()) < 8.0 or float(slow.canyon_km.min()) < 4.0:
        ground += escarpments(slow.boundary_km, slow.canyon_km, 0.7 * fine * canvas.texture)
    else:
        ground += np.where(slow.boundary_km > 0, np.float32(planet.scarp_m), np.float32(0.0))
    dust = 1.0 + (0.02 * fine + 0.06 * strength * np.clip(mottle, -2.0, 2.0)) * (0.35 + 0.65 * canvas.texture)
    albedo = slow.albedo * canvas.albedo * dust
    return Surface(points, np.asarray(ground, dtype=np.float32), np.asarray(albedo, dtype=np.float32))


def _background(planet: Planet, canvas: Canvas, frame: F32, tile_km: float) -> None:
    points, radius, fresh = planet.background
    near = np.asarray(planet.background_near(frame[0], tile_km), dtype=np.int64)
    near = near[radius[near] >= 1.1 * canvas.pixel_km]
    # Azimuthal equidistant place of each crater in the tile, in pixels; a crater itself is small enough
    # to be drawn flat.
    east, north = points[near] @ frame[1], points[near] @ frame[2]
    sine = np.maximum(np.hypot(east, north), 1e-9)
    scale = np.arcsin(np.minimum(sine, 1.0)) / sine * (RADIUS_KM / canvas.pixel_km)
    height, width = canvas.relief.shape
    cols, rows = width / 2 - 0.5 + east * scale, height / 2 - 0.5 - north * scale
    for n, col, row in zip(near.tolist(), cols.tolist(), rows.tolist(), strict=True):
        size = float(radius[n]) / canvas.pixel_km
        reach = 2.2 * size
        left, right = max(0, int(col - reach)), min(width, int(col + reach) + 2)
        top, bottom = max(0, int(row - reach)), min(height, int(row + reach) + 2)
        if left >= right or top >= bottom:
            continue
        dx = (np.arange(left, right, dtype=np.float32) - np.float32(col)) * np.float32(1.0 / size)
        dy = (np.arange(top, bottom, dtype=np.float32) - np.float32(row)) * np.float32(1.0 / size)
        r = np.sqrt(dx * dx + (dy * dy)[:, None])
        canvas.relief[top:bottom, left:right] += small_crater(r, float(radius[n]), float(fresh[n]))


@lru_cache(maxsize=8)
def _plane_points(tile_km: float, size_px: int) -> F32:
    # Coefficients of (centre, east, north) that make the unit vector of each pixel, shape (h * w, 3).
    step = tile_km / size_px
    along = (np.arange(-PAD, size_px + PAD) + 0.5) * step - tile_km / 2
    east, north = np.meshgrid(along, -along)
    return _coefficients(east, north)


@lru_cache(maxsize=8)
def _lattice(tile_km: float, size_px: int, spacing_km: float) -> tuple[F32, F32]:
    # The same on a coarse lattice, and the matrix that interpolates from it to pixels, shape (h, m).
    step = tile_km / size_px
    half = tile_km / 2 + PAD * step
    nodes = int(np.clip(np.ceil(2 * half / spacing_km), 14, 90))
    lattice = np.linspace(-half, half, nodes)
    east, north = np.meshgrid(lattice, -lattice)
    along = (np.arange(-PAD, size_px + PAD) + 0.5) * step - tile_km / 2
    matrix = CubicSpline(lattice, np.eye(nodes))(along)
    return _coefficients(east, north), np.asarray(matrix, dtype=np.float32)


def _coefficients(east: NDArray[np.float64], north: NDArray[np.float64]) -> F32:
    angle = np.hypot(east, north) / RADIUS_KM
    sinc = np.sinc(angle / np.pi) / RADIUS_KM
    return np.stack([np.cos(angle), east * sinc, north * sinc], axis=-1).reshape(-1, 3).astype(np.float32)


def _mottle(planet: Planet, frame: F32, tile_km: float, size_px: int) -> F32:
    # Nothing in it is finer than two pixels of the embedded planet: half as many points suffice.
    coefficients, matrix = _lattice(tile_km, size_px, 0.33)
    nodes = matrix.shape[1]
    points = (coefficients @ frame).reshape(nodes, nodes, 3)
    coarse = sample3(planet.noise.fine, points * np.float32(RADIUS_KM), MOTTLE_CELL_KM, 53.1)
    return np.asarray(matrix @ coarse @ matrix.T, dtype=np.float32)


def _slow_fields(planet: Planet, frame: F32, tile_km: float, size_px: int) -> Fields:
    coefficients, matrix = _lattice(tile_km, size_px, 0.95)
    nodes = matrix.shape[1]
    coarse = fields(planet.regions, planet.noise, (coefficients @ frame).reshape(nodes, nodes, 3))
    return Fields(
        *(np.asarray(matrix @ getattr(coarse, name) @ matrix.T, dtype=np.float32) for name in FIELD_NAMES)
    )

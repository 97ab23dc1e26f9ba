"""Light and camera: sun, cast shadows, haze, strips with seams, gaps, blur and noise.

Pictures come in strips some 60 km wide, each taken under its own sun, through its own haze, with its own
stretch, blur and grain; where a tile straddles two strips, it shows the seam. Some strips have gaps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.relief import RADIUS_KM
from retrieval.corpus.terrain import lunar_lambert

STRIP_KM = 58.0
BAND_DEG = 30.0
# Light of the sky: what a shadow keeps. Martian dust scatters a fifth or so of the sunlight.
SKY = 0.22


@dataclass(frozen=True)
class Strip:
    """How one image strip was taken.

    Attributes
    ----------
    sun_azimuth_deg, sun_elevation_deg
        Where the sun stood; azimuth clockwise from north.
    gain, contrast
        Stretch of the picture about its middle grey.
    haze
        Share of the light that comes from the air.
    blur_px, noise_dn, grain
        Camera: width of the blur, strength of the noise, and the share of it that is blurred, as grain
        finer than a pixel is.
    stripe_dn
        Strength of the detector's column pattern.
    gap_from, gap_to
        Part of the strip's width without data.
    """

    sun_azimuth_deg: float
    sun_elevation_deg: float
    gain: float
    haze: float
    blur_px: float
    noise_dn: float
    grain: float
    stripe_dn: float
    contrast: float
    gap_from: float
    gap_to: float


@lru_cache(maxsize=4096)
def strip_at(seed: int, key: int) -> Strip:
    """Circumstances of a strip, drawn from its number."""
    rng = np.random.default_rng([seed, 77, key])
    kind = rng.random()
    # Most strips are complete; some have a sliver missing along an edge, very few are lost.
    width = 0.0 if kind > 0.06 else (rng.uniform(0.04, 0.28) if kind > 0.008 else 1.0)
    start = 0.0 if width == 1.0 else float(rng.choice([0.0, 1.0 - width]))
    # Afternoon orbits see the sun in the west; a few strips were taken at other hours.
    azimuth = 270.0 + np.clip(rng.normal(0, 32), -75, 75) if rng.random() < 0.95 else rng.uniform(0, 360)
    contrast = float(np.clip(np.exp(rng.normal(np.log(1.2), 0.38)), 0.65, 2.6))
    return Strip(
        sun_azimuth_deg=float(azimuth % 360),
        sun_elevation_deg=float(rng.triangular(14, 36, 56)),
        gain=float(rng.normal(1.0, 0.10)),
        haze=float(rng.beta(1.5, 5) * 0.5),
        blur_px=float(rng.uniform(0.3, 0.75)),
        noise_dn=contrast * float(np.clip(np.exp(rng.normal(np.log(2.5), 0.5)), 0.6, 4.6)),
        grain=float(rng.uniform(0.0, 0.8)),
        stripe_dn=float(rng.uniform(0.4, 1.6)) if rng.random() < 0.25 else 0.0,
        contrast=contrast,
        gap_from=start,
        gap_to=start + width,
    )


def expose(strip: Strip, elevation_m: F32, albedo: F32, pixel_m: float, rng: np.random.Generator) -> F32:
    """Grey values of a surface as a strip shows it, not yet rounded, shape of the surface."""
    azimuth, elevation = strip.sun_azimuth_deg, strip.sun_elevation_deg
    shade = lunar_lambert(elevation_m, pixel_m, azimuth, elevation)
    shadow = cast_shadow(elevation_m, pixel_m, azimuth, elevation)
    shade = np.maximum(shade * (1.0 - shadow), SKY)
    bright = gaussian_filter(albedo * shade, strip.blur_px, mode="nearest")
    value = 118.0 * strip.gain * (1.0 + strip.contrast * (bright - 1.0))
    value = value * (1.0 - strip.haze) + 128.0 * strip.haze
    white = rng.standard_normal(value.shape, dtype=np.float32)
    value += (1.0 - strip.grain) * strip.noise_dn * white
    # Grain: means of two by two, brought back to unit strength.
    pairs = white[1:] + white[:-1]
    value[1:, 1:] += 0.5 * strip.grain * strip.noise_dn * (pairs[:, 1:] + pairs[:, :-1])
    if strip.stripe_dn:
        value += strip.stripe_dn * rng.standard_normal(value.shape[1], dtype=np.float32)
    return np.asarray(value, dtype=np.float32)


def cast_shadow(elevation_m: F32, pixel_m: float, sun_azimuth_deg: float, sun_elevation_deg: float) -> F32:
    """1 where higher ground up to 15 pixels sunward hides the sun, 0 where it shines; shape (h, w).

    The horizon towards the sun is the running maximum of the ground sunward, lowered by the sun's slope;
    doubling the distance makes it in four steps. Ground outside the patch casts no shadow into it.
    """
    east, north = np.sin(np.radians(sun_azimuth_deg)), np.cos(np.radians(sun_azimuth_deg))
    drop = float(np.tan(np.radians(sun_elevation_deg))) * pixel_m
    horizon = np.array(elevation_m, dtype=np.float32)
    height, width = horizon.shape
    for step in (1, 2, 4, 8):
        right, down = round(step * float(east)), round(-step * float(north))
        if abs(down) >= height or abs(right) >= width:
            break
        here = np.s_[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
        there = np.s_[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
        sunward = horizon[there] - np.float32(drop * float(np.hypot(right, down)))
        horizon[here] = np.maximum(horizon[here], sunward)
    # Half a pixel of penumbra, which also hides the steps of the grid.
    return np.asarray(np.clip((horizon - elevation_m) * (2.0 / drop), 0.0, 1.0), dtype=np.float32)


def strips(points: F32) -> tuple[F32, NDArray[np.int64]]:
    """Column (its fraction is the place across the strip) and key of the strip of unit vectors (h, w, 3).

    Strips run north-south, slightly inclined, in bands of latitude; their count fits the band's parallel.
    """
    lat = np.degrees(np.arcsin(np.clip(points[..., 2], -1, 1)))
    lon = np.degrees(np.arctan2(points[..., 1], points[..., 0])) + 180.0
    band = np.clip(np.floor((lat + 90.0) / BAND_DEG), 0, 5).astype(np.int64)
    middle = np.radians((np.arange(6) + 0.5) * BAND_DEG - 90.0)
    count = np.rint(2 * np.pi * RADIUS_KM * np.cos(middle) / STRIP_KM)[band]
    slant = 0.12 * (lat + 90.0 - (band + 0.5) * BAND_DEG) * (np.pi / 180 * RADIUS_KM / STRIP_KM)
    column = lon / 360.0 * count + slant
    return column.astype(np.float32), (np.floor(column) % count).astype(np.int64) + 1000 * band


def in_gap(seed: int, points: F32) -> NDArray[np.bool_]:
    """Whether unit vectors (n, 3) lie where the pictures have no data, shape (n,)."""
    column, key = strips(points)
    place = column - np.floor(column)
    gaps = {number: strip_at(seed, number) for number in np.unique(key).tolist()}
    start = np.array([gaps[number].gap_from for number in key.tolist()])
    end = np.array([gaps[number].gap_to for number in key.tolist()])
    return np.asarray((place >= start) & (place < end))

"""The drawing surface of one tile, the features drawn on it, and a feature's window into it.

A feature is drawn in the azimuthal equidistant plane about its own centre, whatever tile it is drawn in:
two tiles that share a piece of it compute the same numbers there, so no seam can appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from retrieval.corpus.lowell.noise import F32, Noise, Real, harmonics, sample2
from retrieval.corpus.lowell.relief import RADIUS_KM


@dataclass(frozen=True)
class Feature:
    """One member of a landform.

    Attributes
    ----------
    landform, number
        Key and serial number on the planet.
    lon, lat
        Centre, degrees.
    diameter_km, length_km
        Size across, and length along the azimuth (0 for round things).
    azimuth_deg
        Axial direction 0..180 of what is elongated, NaN otherwise.
    direction_deg
        Full direction 0..360 used for drawing (downhill, downwind, towards the pole).
    seed
        Seed of the feature's own irregularities.
    age_ga, freshness
        Age in billions of years; 1 is pristine, 0 nearly erased.
    parent
        Number of the feature this one lies on, or -1.
    reach_km
        Nothing is drawn farther from the centre than this.
    shape
        Numbers of the shape function, units in the names.
    branches
        Segments of a branching landform in its plane, rows (x0, y0, x1, y1, width), km.
    """

    landform: str
    number: int
    lon: float
    lat: float
    diameter_km: float
    length_km: float = 0.0
    azimuth_deg: float = float("nan")
    direction_deg: float = 0.0
    seed: int = 0
    age_ga: float = 1.0
    freshness: float = 1.0
    parent: int = -1
    reach_km: float = 0.0
    shape: Mapping[str, float] = field(default_factory=dict)
    branches: F32 | None = None

    @property
    def id(self) -> str:
        """Stable name in the catalogue."""
        return f"{self.landform}-{self.number:05d}"

    @cached_property
    def frame(self) -> F32:
        """Unit vectors of centre, east and north, shape (3, 3)."""
        return local_frame(self.lon, self.lat)

    def curve(self, s_km: F32) -> F32:
        """Sideways offset, km, of the middle line of a long feature at ``s_km`` along it."""
        bend, wave, period = (self.shape.get(k, 0.0) for k in ("bend_km", "wave_km", "period_km"))
        half = max(self.length_km / 2, 1.0)
        offset = bend * (s_km / half) ** 2 - bend / 3
        if wave:
            k = 6.283185 / period
            phase = float(self.seed % 63) / 10
            offset = offset + wave * (np.sin(k * s_km + phase) + 0.4 * np.sin(2.3 * k * s_km + 2 * phase))
        return np.asarray(offset, dtype=np.float32)


def local_frame(lon: float, lat: float) -> F32:
    """Unit vectors of a point, its east and its north, shape (3, 3)."""
    lam, phi = np.radians(lon), np.radians(lat)
    sl, cl, sp, cp = np.sin(lam), np.cos(lam), np.sin(phi), np.cos(phi)
    return np.array([[cp * cl, cp * sl, sp], [-sl, cl, 0.0], [-sp * cl, -sp * sl, cp]], dtype=np.float32)


@dataclass
class Window:
    """The part of a tile that a feature may touch; arrays are views, drawn into in place.

    Attributes
    ----------
    x, y
        Km east and north of the feature's centre.
    relief, albedo, texture
        Metres added, relative brightness (multiplied), and how much of the fine relief still shows.
    noise
        Textures of the planet.
    pixel_km
        Size of a pixel.
    """

    x: F32
    y: F32
    relief: F32
    albedo: F32
    texture: F32
    noise: Noise
    pixel_km: float

    @cached_property
    def rho(self) -> F32:
        """Distance from the feature's centre, km."""
        return np.hypot(self.x, self.y)

    @cached_property
    def theta(self) -> F32:
        """Angle, radians counter-clockwise from east."""
        return np.arctan2(self.y, self.x)

    def along(self, direction_deg: float) -> tuple[F32, F32]:
        """Coordinates (s, t) along a direction (clockwise from north) and to its left, km."""
        a = float(np.radians(direction_deg))
        c, s = float(np.cos(a)), float(np.sin(a))
        return self.x * s + self.y * c, self.y * s - self.x * c

    def rough(self, x: Real, y: Real, cell_km: float, seed: int) -> F32:
        """Fractal texture, one cell ``cell_km`` wide."""
        return sample2(self.noise.texture, x * (1.0 / cell_km), y * (1.0 / cell_km), seed)

    def lumps(self, x: Real, y: Real, wavelength_km: float, seed: int) -> F32:
        """Texture of one scale."""
        scale = 16.0 / wavelength_km
        return sample2(self.noise.billow, x * scale, y * scale, seed)

    def paint(self, mask: Real, factor: float) -> None:
        """Multiply the brightness by ``factor`` where the mask is 1."""
        self.albedo *= 1.0 + (factor - 1.0) * mask

    def erase(self, mask: Real, share: float = 1.0) -> None:
        """Take away a share of the older landforms where the mask is 1: later ground covers earlier."""
        keep = 1.0 - share * mask
        self.relief *= keep
        self.albedo -= 1.0
        self.albedo *= keep
        self.albedo += 1.0

    def bury(self, mask: Real, share: float = 1.0) -> None:
        """Hide a share of the fine relief where the mask is 1."""
        self.texture *= 1.0 - share * mask


@dataclass
class Canvas:
    """One tile being drawn.

    Attributes
    ----------
    points
        Unit vectors of the pixels, shape (h, w, 3).
    frame
        The tile's centre, east and north.
    pixel_km
        Size of a pixel.
    relief, albedo, texture
        As in `Window`, whole tile.
    """

    points: F32
    frame: F32
    pixel_km: float
    noise: Noise

    def __post_init__(self) -> None:
        shape = (len(self.points), len(self.points[0]))
        self.relief = np.zeros(shape, dtype=np.float32)
        self.albedo = np.ones(shape, dtype=np.float32)
        self.texture = np.ones(shape, dtype=np.float32)

    def window(self, frame: F32, reach_km: float) -> Window | None:
        """Window of a feature, or None if it does not touch the tile."""
        forward, east, north = (float(v) for v in self.frame @ frame[0])
        if forward < 0.2:
            return None
        height, width = len(self.relief), len(self.relief[0])
        # Orthographic offset of the centre; the margin covers its difference from the true one.
        scale = RADIUS_KM / self.pixel_km
        reach = reach_km / self.pixel_km * 1.02 + 2.0
        col, row = width / 2 + east * scale, height / 2 - north * scale
        left, right = max(0, int(col - reach)), min(width, int(col + reach) + 1)
        top, bottom = max(0, int(row - reach)), min(height, int(row + reach) + 1)
        if left >= right or top >= bottom:
            return None
        view = np.s_[top:bottom, left:right]
        xy = self.points[view].reshape(-1, 3) @ frame[1:].T
        square = np.einsum("ij,ij->i", xy, xy)
        xy *= (RADIUS_KM * (1.0 + square * (1.0 / 6.0 + 0.075 * square)))[:, None]
        x, y = (np.ascontiguousarray(xy[:, i]).reshape(bottom - top, right - left) for i in (0, 1))
        return Window(
            x, y, self.relief[view], self.albedo[view], self.texture[view], self.noise, self.pixel_km
        )


def field_mask(feature: Feature, x: F32, y: F32, edge_km: float = 1.2) -> F32:
    """1 inside the lobate outline of a field-like landform, 0 outside."""
    a = float(np.radians(feature.direction_deg))
    c, s = float(np.cos(a)), float(np.sin(a))
    stretch = feature.shape.get("stretch", 1.0)
    u, v = (x * s + y * c) / stretch, (y * s - x * c) * stretch
    radius = feature.diameter_km / 2 * (1.0 + harmonics(np.arctan2(v, u), feature.seed, range(2, 8), 0.16))
    d = radius - np.hypot(u, v)
    return np.asarray(np.clip(d * (1.0 / edge_km) + 0.5, 0.0, 1.0), dtype=np.float32)

"""Large-scale relief of Lowell: continuous functions of a unit vector, so nothing can have a seam.

The planet has low northern plains and southern highlands that meet at a scarp (the dichotomy boundary), a
volcanic rise, a canyon system, basins and two polar caps. `Regions` holds where they are; `fields` gives
everything that varies slowly, `escarpments` adds the two steep features at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.body import LOWELL_RADIUS_M, unit_vectors
from retrieval.corpus.lowell.noise import F32, Noise, sample3, smoothstep

RADIUS_KM = LOWELL_RADIUS_M / 1000.0
SCARP_M = 900.0
CANYON_DEPTH_M = 2600.0
CANYON_WALL_KM = 5.5


@dataclass(frozen=True)
class Regions:
    """Where the large features of one planet are; unit vectors are float32, angles radians.

    Attributes
    ----------
    lowland_pole, boundary_rad
        The dichotomy boundary is the circle of that angular radius about the pole, bent by noise.
    rise
        Centre of the volcanic rise.
    canyon
        Rows: middle of the canyon system, its along direction, its across direction; shape (3, 3).
    canyon_length_km
        Length of its longest trough.
    basins, basin_radius_km
        Centres (n, 3) and radii (n,).
    caps_rad
        Angular radii of the north and the south polar cap.
    """

    lowland_pole: F32
    boundary_rad: float
    rise: F32
    canyon: F32
    canyon_length_km: float
    basins: F32
    basin_radius_km: tuple[float, ...]
    caps_rad: tuple[float, float]


@dataclass(frozen=True)
class Fields:
    """What varies slowly, each of the shape of the points.

    Attributes
    ----------
    elevation_m
        Elevation without the scarp, the canyon and anything smaller.
    boundary_km
        Signed distance from the dichotomy boundary, positive in the highlands.
    canyon_km
        Signed distance from the canyon's rim, negative inside.
    roughness
        Multiplier of the fine relief, about 0.3..2.
    albedo
        Relative brightness, about 1.
    fabric, creases
        How strongly the ground between landforms is hummocky and mottled, about -2..2, and a texture whose
        zero lines are its faint ridges.
    """

    elevation_m: F32
    boundary_km: F32
    canyon_km: F32
    roughness: F32
    albedo: F32
    fabric: F32
    creases: F32


def make_regions(rng: np.random.Generator) -> Regions:
    """Draw the regions of one planet."""
    tilt, lon = rng.uniform(33, 40), rng.uniform(-180, 180)
    pole = _unit(lon, 90 - tilt)
    rise = _unit(lon + 180 + rng.uniform(40, 70) * rng.choice([-1, 1]), rng.uniform(-28, -8))
    # The canyon starts beyond the rise's flank and runs roughly east, as canyons on rises do.
    middle = _unit(_lon(rise) + rng.choice([-1, 1]) * rng.uniform(62, 70), _lat(rise) + rng.uniform(-6, 6))
    along = np.cross(np.array([0, 0, 1.0]), middle) + 0.25 * rng.standard_normal(3)
    along -= (along @ middle) * middle
    along /= np.linalg.norm(along)
    canyon = np.stack([middle, along, np.cross(middle, along)]).astype(np.float32)
    basins: list[NDArray[np.float64]] = []
    while len(basins) < 4:
        point = _unit(rng.uniform(-180, 180), np.degrees(np.arcsin(rng.uniform(-0.9, 0.9))))
        others = [middle, rise, *basins]
        if all(np.arccos(np.clip(point @ other, -1, 1)) > 0.75 for other in others):
            basins.append(point)
    return Regions(
        lowland_pole=pole.astype(np.float32),
        boundary_rad=float(np.radians(rng.uniform(77, 83))),
        rise=rise.astype(np.float32),
        canyon=canyon,
        canyon_length_km=float(rng.uniform(560, 680)),
        basins=np.asarray(basins, dtype=np.float32),
        basin_radius_km=tuple(float(r) for r in rng.uniform(55, 105, 4)),
        caps_rad=(float(np.radians(rng.uniform(9, 11))), float(np.radians(rng.uniform(6.5, 8.5)))),
    )


def fields(regions: Regions, noise: Noise, points: F32) -> Fields:
    """Slow fields at unit vectors (..., 3)."""
    p = points * np.float32(RADIUS_KM)
    broad = sample3(noise.smooth, p, 14.0)  # wavelengths 110 to 900 km
    medium = cap_bend(noise, points)
    patches = sample3(noise.smooth, p, 5.0, 77.3)
    spots = sample3(noise.smooth, p, 2.0, 11.9)
    fabric = sample3(noise.smooth, p, 3.1, 45.9)
    creases = sample3(noise.smooth, p, 0.55, 20.3)
    boundary = (_angle(points, regions.lowland_pole) - np.float32(regions.boundary_rad)) * RADIUS_KM
    boundary = boundary + 38.0 * broad + 9.0 * medium
    canyon = _canyon_km(regions, points, medium)
    highland = smoothstep(-60.0, 60.0, boundary)

    z = -1500.0 + 2300.0 * highland + 420.0 * broad * (0.5 + highland) + 130.0 * medium * (0.3 + highland)
    z = z + 5200.0 * np.exp(-((_angle(points, regions.rise) / 0.42) ** 2))
    for centre, radius in zip(regions.basins, regions.basin_radius_km, strict=True):
        r = (_angle(points, centre) * RADIUS_KM + 5.0 * medium) / radius
        z = z - 1700.0 * smoothstep(1.0, 0.72, r) + 450.0 * np.exp(-(((r - 1.06) / 0.11) ** 2))
    cap = polar_cap(regions, points, medium)
    z = z + 700.0 * cap
    rise = np.exp(-((_angle(points, regions.rise) / 0.55) ** 2))
    roughness = (0.38 + 0.62 * highland) * np.exp(0.35 * patches) * (1.0 - 0.6 * cap) * (1.0 - 0.35 * rise)
    albedo = 1.0 + 0.09 * patches + 0.05 * spots + 0.05 * highland - 0.06 * rise
    albedo = albedo * (1.0 - cap) + 1.75 * cap
    return Fields(
        *(np.asarray(f, dtype=np.float32) for f in (z, boundary, canyon, roughness, albedo, fabric, creases))
    )


def escarpments(boundary_km: F32, canyon_km: F32, fine: F32) -> F32:
    """Steep part of the relief, metres: the dichotomy scarp and the canyon, roughened by fine noise."""
    spurs = np.clip(fine, -2.0, 2.0)
    scarp = SCARP_M * smoothstep(-2.6, 2.2, boundary_km + 1.1 * spurs)
    inside = -canyon_km + 1.3 * spurs
    # Steep under the rim, gentler towards the foot, as walls with talus are.
    t = np.clip(inside / CANYON_WALL_KM, 0.0, 1.0)
    return np.asarray(scarp - CANYON_DEPTH_M * t**0.8 * (1.0 - 0.15 * t) / 0.85, dtype=np.float32)


def cap_bend(noise: Noise, points: F32) -> F32:
    """Noise of wavelengths 18 to 150 km that bends the edges of caps and canyon, at unit vectors (..., 3)."""
    return sample3(noise.smooth, points * np.float32(RADIUS_KM), 2.3, 31.7)


def polar_cap(regions: Regions, points: F32, medium: F32) -> F32:
    """1 on a polar cap, 0 off it, with a ragged edge some ten kilometres wide."""
    z = points[..., 2]
    colatitude = np.arccos(np.clip(np.abs(z), 0.0, 1.0)).astype(np.float32)
    size = np.where(z > 0, np.float32(regions.caps_rad[0]), np.float32(regions.caps_rad[1]))
    return smoothstep(0.012, -0.012, colatitude - size + 0.02 * medium)


def _canyon_km(regions: Regions, points: F32, medium: F32) -> F32:
    middle, along, across = regions.canyon
    forward = points @ middle
    s = np.arctan2(points @ along, forward) * RADIUS_KM
    t = np.arcsin(np.clip(points @ across, -1, 1)) * RADIUS_KM + 9.0 * np.sin(s / 55.0)
    nearest = np.full_like(s, np.inf)
    # Three parallel troughs, the middle one the longest.
    for across_km, shift_km, share in ((0.0, 0.0, 1.0), (68.0, 70.0, 0.75), (-66.0, -60.0, 0.65)):
        half = 18.0 + 4.0 * np.sin((s + shift_km) / 31.0 + 1.0)
        end = np.abs(s - shift_km) - share * regions.canyon_length_km / 2
        nearest = np.minimum(nearest, np.maximum(np.abs(t - across_km) - half, 0.6 * end))
    return np.asarray(nearest + 1.6 * medium, dtype=np.float32)


def _angle(points: F32, centre: F32) -> F32:
    return np.asarray(np.arccos(np.clip(points @ centre, -1.0, 1.0)), dtype=np.float32)


def _unit(lon: float, lat: float) -> NDArray[np.float64]:
    return unit_vectors(np.array([lon, lat]))


def _lon(vector: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(vector[1], vector[0])))


def _lat(vector: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arcsin(vector[2])))

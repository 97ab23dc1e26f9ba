"""Impact craters: simple, degraded, with central peak, with layered ejecta, on pedestals.

Depths and rim heights follow crater scaling on Mars: simple craters are about a fifth as deep as wide,
complex ones 0.36 D^0.49 km deep (Garvin et al. 2003), rims stand about 4 % of the diameter high.
"""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window
from retrieval.corpus.lowell.noise import F32, harmonics, smoothstep


def small_crater(r: F32, radius_km: float, freshness: float) -> F32:
    """Relief, metres, of an unnamed crater of a few pixels at distances ``r`` of its radius."""
    depth = 1000.0 * radius_km * (0.12 + 0.26 * freshness)
    return np.where(r < 1.0, depth * (1.2 * r * r - 1.0), 0.2 * depth * np.exp(-2.2 * (r - 1.0)))


def simple_crater(w: Window, f: Feature) -> None:
    """Bowl with a sharp raised rim, bright or dark ejecta when fresh."""
    r, radius = _relative_radius(w, f, 0.03)
    depth = 1000.0 * radius * (0.20 + 0.20 * f.freshness)
    rim = 1000.0 * radius * (0.03 + 0.06 * f.freshness)
    floor = -depth * (0.72 + 0.28 * f.freshness)
    bowl = np.maximum(floor, -depth + (depth + rim) * r**2.1)
    w.relief += np.where(r < 1.0, bowl, _rim_flank(r, rim))
    grain = w.rough(w.x, w.y, 0.16, f.seed)
    # Downslope streaks of the wall, rough ejecta outside.
    wall = smoothstep(0.3, 0.75, r) * smoothstep(1.05, 0.95, r)
    streaks = harmonics(w.theta, f.seed + 1, range(14, 34), 1.0)
    w.relief += wall * (3.5 * radius * streaks + 14.0 * grain)
    hummocks = smoothstep(0.98, 1.1, r) * smoothstep(2.4, 1.1, r)
    w.relief += hummocks * grain * (6.0 + 14.0 * f.freshness) * min(radius, 2.0)
    w.bury(smoothstep(1.0, 0.9, r), 0.8)
    w.paint(wall * (0.5 + 0.35 * np.clip(streaks, -1, 1)), 1.0 + 0.16 * f.freshness)
    if f.freshness > 0.6:
        rays = np.clip(0.55 + harmonics(w.theta, f.seed + 2, range(3, 11), 0.5), 0.0, 1.0)
        w.paint(hummocks * rays, f.shape.get("ejecta_brightness", 1.15))


def degraded_crater(w: Window, f: Feature) -> None:
    """Shallow, flat-floored, with a worn and broken rim."""
    r, radius = _relative_radius(w, f, 0.05)
    r = r + 0.035 * w.lumps(w.x, w.y, 0.6 * radius, f.seed) + 0.02 * w.rough(w.x, w.y, 0.2, f.seed)
    depth = 1000.0 * radius * (0.10 + 0.12 * f.freshness)
    rim = 1000.0 * radius * (0.012 + 0.03 * f.freshness)
    inside = -depth * smoothstep(1.0, 0.62, r) + rim * np.exp(-(((r - 1.02) / 0.14) ** 2))
    notches = np.clip(harmonics(w.theta, f.seed + 3, range(2, 6), 0.8), -1.0, 0.6)
    rim_zone = np.exp(-(((r - 0.98) / 0.17) ** 2))
    w.relief += inside + rim_zone * notches * rim * 0.8
    spokes = harmonics(w.theta, f.seed + 4, range(5, 15), 0.35) + 0.6 * w.rough(w.x, w.y, 0.18, f.seed + 1)
    w.relief += smoothstep(0.6, 0.8, r) * smoothstep(1.15, 0.95, r) * spokes * 5.5 * radius
    floor = smoothstep(0.75, 0.6, r)
    w.bury(floor, 0.7)
    w.paint(floor, f.shape.get("floor_brightness", 1.0))


def central_peak_crater(w: Window, f: Feature) -> None:
    """Complex crater: flat floor, terraced wall, a hilly peak in the middle."""
    r, radius = _relative_radius(w, f, 0.035)
    depth = 360.0 * (2.0 * radius) ** 0.49 * (0.6 + 0.4 * f.freshness) * 1.25
    rim = 1000.0 * radius * (0.035 + 0.05 * f.freshness)
    wobble = harmonics(w.theta, f.seed + 5, range(2, 10), 0.030)
    wall = np.clip((r + wobble - 0.55) / 0.45, 0.0, 1.0)
    # Terraces: the wall climbs in steps.
    broken = np.clip(0.5 + 0.6 * w.lumps(w.x, w.y, 0.8 * radius, f.seed + 2), 0.0, 1.2)
    steps = wall + 0.036 * broken * np.sin(6.283185 * (2.5 * wall + wobble * 6.0))
    inside = -depth + (depth + rim) * np.clip(steps, 0.0, 1.0) ** 1.2
    w.relief += np.where(r < 1.0, inside, _rim_flank(r, rim))
    lumps = w.lumps(w.x, w.y, 0.45 * radius, f.seed)
    peak = np.exp(-((r / (0.17 + 0.04 * lumps)) ** 2) * 0.9)
    w.relief += depth * 0.62 * peak * (1.0 + 0.25 * lumps)
    grain = w.rough(w.x, w.y, 0.17, f.seed)
    floor = smoothstep(0.6, 0.5, r)
    w.bury(smoothstep(1.0, 0.9, r), 0.75)
    w.relief += floor * (1 - peak) * grain * 5.0
    hummocks = smoothstep(0.97, 1.1, r) * smoothstep(2.1, 1.1, r)
    w.relief += hummocks * (grain * 28.0 + 22.0 * harmonics(w.theta, f.seed + 6, range(9, 24), 1.0))
    w.relief += smoothstep(0.55, 0.8, r) * smoothstep(1.0, 0.92, r) * grain * 26.0


def layered_ejecta_crater(w: Window, f: Feature) -> None:
    """Crater in a sheet of fluidised ejecta whose lobate edge ends in a rampart."""
    r, radius = _relative_radius(w, f, 0.03)
    depth = 1000.0 * radius * (0.22 + 0.16 * f.freshness)
    rim = 1000.0 * radius * 0.08
    bowl = np.maximum(-depth * 0.85, -depth + (depth + rim) * r**2.2)
    w.relief += np.where(r < 1.0, bowl, _rim_flank(r, rim))
    thick = 45.0 + 22.0 * radius
    grooves = harmonics(w.theta, f.seed + 7, range(18, 40), 1.0)
    outside = smoothstep(0.95, 1.1, r)
    lumps = w.lumps(w.x, w.y, 1.3 * radius, f.seed)
    fray = w.lumps(w.x, w.y, 0.55 * radius, f.seed + 4)
    for layer, extent in enumerate((f.shape["extent"], f.shape.get("inner_extent", 0.0))):
        if not extent:
            continue
        lobes = harmonics(w.theta, f.seed + 8 + layer, range(3, 10), 0.09)
        edge = extent * (0.95 + lobes) + 0.08 * lumps + 0.02 * fray
        inward = (edge - r) * radius  # km inside the edge
        sheet = smoothstep(-0.12, 0.25, inward)
        rampart = np.exp(-(((inward - 0.42) / 0.30) ** 2))
        w.relief += outside * (sheet * 0.55 * thick + rampart * thick * (0.65 + 0.2 * lumps))
        w.bury(sheet * outside, 0.55)
        w.relief += outside * sheet * (grooves * 6.0 + fray * 5.0)
        w.paint(sheet * outside, f.shape.get("ejecta_brightness", 1.06) if layer == 0 else 1.0)
    w.bury(smoothstep(1.0, 0.9, r), 0.8)


def pedestal_crater(w: Window, f: Feature) -> None:
    """Small crater on a raised plateau that ends in an outward scarp."""
    r, radius = _relative_radius(w, f, 0.03)
    depth = 1000.0 * radius * 0.30
    rim = 1000.0 * radius * 0.06
    edge = f.shape["extent"] * (1.0 + harmonics(w.theta, f.seed + 9, range(2, 8), 0.06))
    inward = (edge - r) * radius + 0.05 * w.lumps(w.x, w.y, 1.8, f.seed)
    plateau = smoothstep(-0.25, 0.25, inward)
    w.erase(plateau, 0.8)
    w.relief += f.shape["height_m"] * plateau
    w.relief += np.where(r < 1.0, -depth + (depth + rim) * r * r, _rim_flank(r, rim))
    w.bury(plateau, 0.75)
    w.paint(plateau, f.shape.get("brightness", 1.06))


def _relative_radius(w: Window, f: Feature, irregular: float) -> tuple[F32, float]:
    radius = f.diameter_km / 2
    return w.rho / (radius * (1.0 + harmonics(w.theta, f.seed, range(2, 9), irregular))), radius


def _rim_flank(r: F32, rim: float) -> F32:
    # Ejecta thickness falls as the cube of distance (McGetchin et al. 1973), taken to zero at 3 radii.
    return np.asarray(rim * np.maximum(r, 1.0) ** -3 * smoothstep(3.0, 1.4, r), dtype=np.float32)

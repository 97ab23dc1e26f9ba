"""Landforms of ice: aprons and valley fill that flowed, ground that cracked or sank, spiders."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window, field_mask
from retrieval.corpus.lowell.noise import cells, chances, harmonics, sample2, smoothstep


def debris_apron(w: Window, f: Feature) -> None:
    """Smooth convex apron with a steep lobate toe that flowed out on all sides of a massif."""
    radius = f.diameter_km / 2
    core = f.shape["core_share"] * radius
    lumps = w.lumps(w.x, w.y, 1.2 * radius, f.seed)
    stretch = f.shape.get("stretch", 1.0)
    s, t = w.along(f.direction_deg)
    r = np.hypot(s / stretch, t * stretch)
    edge = radius * (1.0 + harmonics(w.theta, f.seed, range(2, 7), 0.06))
    inside = edge - r + 0.12 * lumps
    apron = smoothstep(-0.08, 0.30, inside)
    rise = np.clip(inside / np.maximum(edge - core, 0.5), 0.0, 1.0)
    # Profile of a creeping sheet, steepest at the toe (Mangold and Allemand 2001).
    convex = np.sqrt(np.clip(rise * (2.0 - rise), 0.0, 1.0))
    flow = harmonics(w.theta + 0.04 * lumps, f.seed + 1, range(18, 44), 1.0)
    ripples = np.sin(6.283185 * (inside + 0.15 * lumps) / 1.0) * smoothstep(2.2, 0.3, inside)
    w.erase(apron, 0.7)
    w.bury(apron, 0.94)
    w.relief += apron * (60.0 + f.shape["apron_m"] * convex + 7.0 * flow + 7.0 * ripples)
    # Massif: a table mountain with spurs and chutes down its flanks.
    spurs = harmonics(w.theta + 0.15 * lumps, f.seed + 2, range(2, 9), 0.10)
    steep = core * (1.0 + spurs) - r + 0.10 * w.rough(w.x, w.y, 0.5, f.seed + 3)
    massif = smoothstep(-0.15, 1.25, steep)
    crags = w.rough(w.x, w.y, 0.24, f.seed)
    w.relief += massif * (f.shape["massif_m"] + 18.0 * crags)
    w.paint(apron * (1.0 - massif), f.shape.get("brightness", 1.08))
    w.paint(massif * smoothstep(1.4, 0.2, steep), 0.92)


def lineated_valley_fill(w: Window, f: Feature) -> None:
    """Steep-walled valley whose floor is ice under debris, with ridges along the flow, bent around knobs."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s)
    lumps = w.lumps(s, t, 7.0, f.seed)
    half = f.diameter_km / 2 * (1.0 + 0.14 * np.sin(s / 5.3 + f.seed % 7)) + 0.35 * lumps
    ends = np.minimum(s, -s) + f.length_km / 2
    spurs = 0.16 * w.rough(s, t, 0.35, f.seed + 1)
    inside = np.minimum(half - np.abs(t), 0.8 * ends) + spurs
    valley = smoothstep(-0.25, 1.0, inside)
    floor = smoothstep(0.55, 1.0, inside)
    # Lineations are stream lines past the nearest knob: the flow past a cylinder.
    spacing = f.shape["knob_spacing_km"]
    place = np.floor(s / spacing)
    chance = chances(w.noise, place, f.seed)
    size = 0.55 + 0.55 * chance
    ds, dt = s - (place + 0.5) * spacing, t - (chance * 7.0 % 1.0 - 0.5) * 0.8 * half
    rho2 = np.maximum(ds * ds + dt * dt, 0.04)
    line = t - dt * np.minimum(size * size / rho2, 1.0) * smoothstep(0.5 * spacing, 0.3 * spacing, np.abs(ds))
    line = line + 0.16 * lumps
    ridges = np.sin(6.283185 * line / f.shape["ridge_km"] + 0.8 * lumps)
    grain = sample2(w.noise.texture, s * (1.0 / 9.0), line * (1.0 / 0.20), f.seed)
    loops = np.sin(6.283185 * (s + 0.35 * t * t / np.maximum(half, 1.0)) / 2.6 + lumps)
    knob = smoothstep(1.05, 0.3, np.sqrt(rho2) / size) * (chance * 13.0 % 1.0 < 0.75)
    w.erase(valley, 0.8)
    w.bury(valley, 0.85)
    w.relief -= f.shape["depth_m"] * valley
    across = np.clip(t / np.maximum(half, 0.5), -1.0, 1.0)
    w.relief += floor * (70.0 * (1.0 - across * across) + 12.0 * ridges + 20.0 * grain + 6.0 * loops)
    w.relief += floor * knob * 0.5 * f.shape["depth_m"]
    w.paint(floor, f.shape.get("floor_brightness", 1.0))
    w.paint(floor * np.clip(ridges + 0.6 * grain, -1.5, 1.5) * 0.5, 1.10)


def araneiforms(w: Window, f: Feature) -> None:
    """Spiders: troughs that gather from forked legs into a pit, dark on the bright polar ground."""
    mask = field_mask(f, w.x, w.y, 1.5)
    spacing = f.shape["spacing_km"]
    c = cells(w.noise, w.x * (1.0 / spacing), w.y * (1.0 / spacing), f.seed, 0.75)
    r = c.near * spacing
    reach = spacing * (0.40 + 0.16 * c.b)
    bend = w.lumps(w.x, w.y, 1.3, f.seed)
    theta = np.arctan2(c.dy, c.dx) + 0.28 * bend * np.clip(r / reach, 0.0, 1.0) + 6.283185 * c.a
    legs = np.floor(5.0 + 4.0 * (c.a * 7.0 % 1.0))
    off = np.abs((theta * legs * (1.0 / 6.283185)) % 1.0 - 0.5) * (6.283185 / legs)
    # Each leg forks in two half way out.
    fork = np.clip((r - 0.42 * reach) / reach, 0.0, 1.0) * (2.2 / legs)
    gap = np.abs(off - fork) * r
    width = 0.15 + 0.05 * np.clip(1.0 - r / reach, 0.0, 1.0)
    leg = np.exp(-((gap / width) ** 2)) * smoothstep(1.12, 0.8, r / reach)
    pit = np.exp(-((r / (0.13 * spacing)) ** 2))
    cut = np.maximum(leg, pit) * mask * (c.b < f.shape["density"])
    w.bury(mask, 0.8)
    w.relief -= cut * f.shape["depth_m"]
    w.paint(mask, f.shape.get("ground_brightness", 1.05))
    w.paint(cut, f.shape.get("leg_brightness", 0.72))


def polygons(w: Window, f: Feature) -> None:
    """Ground cracked into polygons by troughs."""
    mask = field_mask(f, w.x, w.y, 1.5)
    size = f.shape["cell_km"]
    x = w.x + 0.10 * size * w.lumps(w.x, w.y, 2.5 * size, f.seed)
    y = w.y + 0.10 * size * w.lumps(w.x, w.y, 2.5 * size, f.seed + 5)
    c = cells(w.noise, x * (1.0 / size), y * (1.0 / size), f.seed, 0.85)
    border = (c.second - c.near) * size  # about twice the distance from the trough, km
    trough = np.exp(-((border / 0.42) ** 2))  # 0.35 km wide, as giant polygons have them
    w.bury(mask, 0.7)
    w.relief -= mask * f.shape["depth_m"] * trough
    w.relief += mask * 12.0 * (1.0 - c.near) * (0.5 + c.a)
    w.paint(mask * trough, f.shape.get("trough_brightness", 0.84))


def scalloped_depressions(w: Window, f: Feature) -> None:
    """Shallow rimless ovals in smooth ground, steep towards the pole and gentle towards the equator."""
    mask = field_mask(f, w.x, w.y, 2.0)
    spacing = f.shape["spacing_km"]
    s, t = w.along(f.direction_deg)  # s towards the pole
    t = t + 0.25 * w.lumps(s, t, 2.5, f.seed)
    s = s + 0.25 * w.lumps(s, t, 2.5, f.seed + 3)
    c = cells(w.noise, s * (1.0 / spacing), t * (1.0 / spacing), f.seed, 0.9)
    radius = 0.34 + 0.24 * c.a
    u, v = c.dx / radius, c.dy / (radius * 1.15)
    r = np.hypot(u, v)
    inside = smoothstep(1.05, 0.86, r)
    # Deepest just below the scarp on the poleward side.
    floor = np.clip(0.55 + 0.55 * u, 0.05, 1.0)
    present = (c.b < f.shape["density"]) * mask
    w.bury(mask, 0.8)
    w.relief -= present * inside * floor * (f.shape["depth_m"] * (0.6 + 0.7 * c.a))
    w.paint(present * inside * floor, 0.93)

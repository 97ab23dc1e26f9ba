"""Volcanic and tectonic landforms: shields, cones, flows, pit chains, graben, wrinkle ridges."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window, field_mask
from retrieval.corpus.lowell.noise import F32, cells, harmonics, sample2, smoothstep


def shield_volcano(w: Window, f: Feature) -> None:
    """Broad low cone of lava with a caldera on top."""
    radius = f.diameter_km / 2
    edge = 1.0 + harmonics(w.theta, f.seed, range(2, 12), 0.05)
    r = w.rho / (radius * edge)
    height = 1000.0 * f.diameter_km * f.shape["steepness"]
    flank = np.clip(1.0 - r, 0.0, 1.0)
    w.relief += height * flank * (0.75 + 0.25 * flank)
    # Lava flows run down the flanks: ridges along the radius that wander.
    turn = w.theta + 0.16 * w.lumps(w.x, w.y, 0.7 * radius, f.seed)
    streaks = harmonics(turn, f.seed + 1, range(13, 41), 1.0)
    on_flank = smoothstep(1.02, 0.9, r) * smoothstep(0.15, 0.4, r)
    w.relief += on_flank * (streaks * (5.0 + 1.8 * radius) + 9.0 * w.rough(w.x, w.y, 0.2, f.seed))
    w.bury(smoothstep(1.05, 0.95, r), 0.75)
    w.paint(on_flank, f.shape.get("brightness", 0.92))
    caldera = f.shape["caldera"] * (1.0 + harmonics(w.theta, f.seed + 2, range(2, 5), 0.06))
    inside = (caldera - r) * radius
    pit = smoothstep(-0.05, 0.32, inside)
    w.relief -= pit * height * 0.42
    # A second collapse, off centre, in many of them.
    if f.shape.get("second_pit", 0.0) > 0:
        a = float(f.seed % 360) / 57.3
        off = np.hypot(
            w.x - 0.6 * f.shape["caldera"] * radius * float(np.cos(a)),
            w.y - 0.6 * f.shape["caldera"] * radius * float(np.sin(a)),
        )
        w.relief -= smoothstep(-0.05, 0.25, f.shape["second_pit"] * radius - off) * height * 0.22


def pitted_cones(w: Window, f: Feature) -> None:
    """Field of small cones, each with a pit at its summit."""
    mask = field_mask(f, w.x, w.y, 0.6)
    spacing = f.shape["spacing_km"]
    c = cells(w.noise, w.x * (1.0 / spacing), w.y * (1.0 / spacing), f.seed, 0.85)
    radius = f.shape["cone_km"] / 2 * (0.72 + 0.62 * c.a)
    crowd = sample2(w.noise.billow, w.x * (16 / 9.0), w.y * (16 / 9.0), f.seed)
    present = ((c.b + 0.20 * crowd) < f.shape["density"]) * mask
    r = c.near * spacing / radius
    height = 1000.0 * radius * f.shape["steepness"]
    cone = np.clip(1.0 - r, 0.0, 0.72) - 0.75 * np.clip(1.0 - r / 0.34, 0.0, 0.8)
    w.relief += present * height * cone
    w.bury(mask, 0.5)
    w.paint(present * smoothstep(1.0, 0.8, r), f.shape.get("brightness", 1.10))
    # A thin moat and apron, darker than the plain.
    w.paint(present * np.exp(-(((r - 1.15) / 0.2) ** 2)), 0.93)


def lava_flow(w: Window, f: Feature) -> None:
    """Lobate sheet with a steep margin, levees and a wrinkled surface."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s)
    half = f.length_km / 2
    place = (s + half) / f.length_km  # 0 at the vent, 1 at the toe
    widen = f.diameter_km / 2 * (0.55 + 0.55 * np.clip(place, 0, 1))
    lumps = w.lumps(w.x, w.y, 5.0, f.seed) * 0.85 + 0.35 * w.lumps(w.x, w.y, 2.0, f.seed + 1)
    # Signed distance inside the outline: straight sides, round toe, pointed start.
    toe = half - widen
    round_toe = widen - np.hypot(np.maximum(s - toe, 0.0), t)
    inside = np.minimum(round_toe, (s + half) * 0.5) + 0.8 * lumps
    sheet = smoothstep(-0.10, 0.30, inside)
    thick = f.shape["thickness_m"]
    margin = np.exp(-(((inside - 0.35) / 0.32) ** 2))
    # Pressure ridges bow down-flow.
    folds = np.sin(6.283185 * (s - 0.10 * t * t / np.maximum(widen, 0.5) + 0.35 * lumps) / 0.95)
    crust = w.rough(w.x, w.y, 0.17, f.seed)
    w.bury(sheet, 0.7)
    w.relief += sheet * (thick + 8.0 * folds + 14.0 * crust) + 0.35 * thick * margin * sheet
    channel = np.exp(-((t / (0.16 * widen + 0.15)) ** 2)) * smoothstep(0.92, 0.7, place)
    w.relief -= sheet * 0.45 * thick * channel
    w.paint(sheet, f.shape.get("brightness", 0.78))


def pit_chain(w: Window, f: Feature) -> None:
    """Row of rimless pits."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s)
    spacing = f.shape["spacing_km"]
    place = s / spacing
    index = np.floor(place)
    key = np.sin(index * 12.9898 + (f.seed % 1000)) * 43758.547
    chance = key - np.floor(key)
    radius = f.diameter_km / 2 * (0.7 + 0.45 * chance)
    r = np.hypot((place - index - 0.5) * spacing, t + 0.12 * (chance - 0.5)) / radius
    along = smoothstep(0.5 * f.length_km, 0.5 * f.length_km - 2.0, np.abs(s))
    near = (np.abs(t) < 2.5 * f.diameter_km).astype(np.float32)
    pit = np.clip(1.15 - r, 0.0, 1.0)
    w.relief -= near * along * 1000.0 * radius * 0.55 * np.minimum(pit, 0.75)
    trough = np.exp(-((t / (0.8 * f.diameter_km)) ** 2))
    w.relief -= along * trough * 45.0


def graben(w: Window, f: Feature) -> None:
    """One to three parallel flat-floored troughs between facing faults."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s) + 0.10 * w.lumps(w.x, w.y, 6.0, f.seed) + 0.03 * w.rough(w.x, w.y, 0.25, f.seed)
    for n in range(int(f.shape["count"])):
        centre = (n - (f.shape["count"] - 1) / 2) * f.shape["spacing_km"]
        shift = f.length_km * 0.12 * float(np.sin(n * 2.1 + f.seed % 10))
        half_length = f.length_km / 2 * (1.0 - 0.13 * n)
        taper = smoothstep(half_length, 0.75 * half_length, np.abs(s - shift))
        half = f.shape["width_km"] / 2 * (0.45 + 0.55 * taper) * (1.0 - 0.15 * n)
        d = half - np.abs(t - centre)
        trough = smoothstep(-0.12, 0.34, d) * taper
        w.relief -= trough * f.shape["depth_m"]
        w.bury(trough, 0.6)
        w.relief += 18.0 * taper * np.exp(-((d / 0.5) ** 2))


def wrinkle_ridges(w: Window, f: Feature) -> None:
    """Broad arches that carry a narrow, crenulated, lopsided ridge."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s)
    for n in range(int(f.shape["count"])):
        centre = (n - (f.shape["count"] - 1) / 2) * f.shape["spacing_km"]
        k, phase = 6.283185 / f.shape["period_km"], 1.7 * n + float(f.seed % 63) / 10
        wave = (
            0.7 * np.sin(k * s + phase)
            + 0.35 * np.sin(2.7 * k * s + 2 * phase)
            + 0.06 * w.rough(s, t, 0.3, f.seed)
        )
        off = t - centre - wave
        taper = smoothstep(f.length_km / 2, 0.36 * f.length_km, np.abs(s))
        arch = np.exp(-((off / 2.1) ** 2)) * 75.0
        crest = off - 0.5 * np.sin(1.6 * k * s + 3 * phase)
        sharp = np.where(crest > 0, np.exp(-((crest / 0.32) ** 2)), np.exp(-((crest / 0.95) ** 2)))
        w.relief += taper * f.freshness * (arch + f.shape["height_m"] * sharp)
    reach: F32 = smoothstep(4.0, 2.0, np.abs(t) - 4.0)
    w.bury(reach * smoothstep(f.length_km / 2, 0.36 * f.length_km, np.abs(s)), 0.4)

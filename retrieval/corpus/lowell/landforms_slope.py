"""Landforms of steep ground: landslides, gullies, slope streaks, and layers that a slope cuts open.

Channels and streaks are drawn wider than most real ones (gullies 0.6 to 1.2 km, streaks up to 0.5 km), so
that they show in a picture of 100 to 200 m a pixel; their forms and proportions are the real ones.
"""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window
from retrieval.corpus.lowell.noise import F32, chances, harmonics, sample2, smoothstep


def landslide(w: Window, f: Feature) -> None:
    """Amphitheatre bitten into a wall and a long lobate deposit with grooves along the movement."""
    s, t = w.along(f.direction_deg)
    length, half = f.length_km, f.diameter_km / 2
    s = s + 0.5 * length  # 0 at the foot of the scar
    lumps = w.lumps(s, t, 4.5, f.seed)
    # Headscarp: an arc, steep at the crown, its floor strewn with slumped blocks.
    crown = 0.85 * half - np.hypot(s * 1.05, t * 0.9) - 0.12 * lumps
    scar = smoothstep(-0.1, 0.9, crown) * np.clip(-s / (0.6 * half), 0.0, 1.0)
    blocks = np.clip(w.rough(s, t, 0.2, f.seed + 1), -0.5, 2.0)
    w.bury(smoothstep(-0.1, 0.3, crown) * smoothstep(0.2, -0.5, s), 0.6)
    w.relief += scar * (-f.shape["scar_m"] + 40.0 * blocks)
    # Deposit: spreads from the scar's mouth and ends in lobes with a steep front.
    place = np.clip(s / length, 0.0, 1.2)
    widen = half * (0.62 + 0.42 * place)
    turn = t / np.maximum(widen, 0.3)
    lobes = 0.09 * length * np.cos(turn * f.shape.get("lobes", 4.0) + f.seed % 6)
    toe = length * (1.0 - 0.20 * turn * turn) + lobes + 0.25 * lumps - s
    sides = widen - np.abs(t) + 0.30 * w.lumps(s, t, 3.0, f.seed + 2)
    inside = np.minimum(np.minimum(sides, toe * 0.8), (s + 0.5 * half) * 0.8) + 0.06 * blocks
    sheet = smoothstep(-0.05, 0.4, inside)
    levee = np.exp(-(((inside - 0.5) / 0.4) ** 2))
    grooves = sample2(w.noise.texture, turn * (half * 1.1 / 0.30) + 0.5 * lumps, s * (1.0 / 5.5), f.seed)
    folds = np.sin(6.283185 * (toe + 0.3 * lumps) / 1.1) * smoothstep(3.0, 0.5, toe)
    thick = f.shape["thickness_m"]
    rubble = blocks * smoothstep(0.4, 0.05, place)
    w.bury(sheet, 0.85)
    w.relief += sheet * (
        thick * (0.8 - 0.3 * place) + 0.2 * thick * levee + 42.0 * grooves + 14.0 * folds + 45.0 * rubble
    )
    w.paint(sheet, f.shape.get("brightness", 1.05))
    w.paint(sheet * np.clip(grooves, -1.5, 1.5) * 0.5, 1.08)


def gullies(w: Window, f: Feature) -> None:
    """Theatre-shaped alcoves under the rim, channels down the wall, fans of debris on the floor."""
    radius = f.diameter_km / 2
    r = w.rho * (1.0 / radius)
    half_width = f.shape["half_width_rad"]
    toward = float(np.radians(90.0 - f.direction_deg))
    turn = np.angle(np.exp(1j * (w.theta - np.float32(toward)))).astype(np.float32)
    sector = smoothstep(half_width + 0.10, half_width - 0.06, np.abs(turn))
    # A gully is a cell of the arc: it wanders a little below its alcove.
    wander = 0.16 * w.lumps(w.x, w.y, 1.6, f.seed) * smoothstep(0.95, 0.7, r)
    phase = turn / (2 * half_width) * f.shape["count"] + wander
    index = np.floor(phase)
    off = np.abs(phase - index - 0.5)  # 0 in the middle of a gully, 0.5 between two
    size = 0.65 + 0.35 * chances(w.noise, index, f.seed)
    head = 0.98 + 0.07 * size
    funnel = 0.10 + 0.34 * smoothstep(0.74, 0.95, r)
    alcove = (
        smoothstep(0.72, 0.86, r) * smoothstep(head, head - 0.06, r) * smoothstep(funnel, 0.3 * funnel, off)
    )
    forks = 0.5 + 0.5 * np.cos(12.566371 * (off / funnel))
    channel = smoothstep(0.46, 0.54, r) * smoothstep(0.86, 0.76, r) * np.exp(-((off / 0.13) ** 2))
    spread = np.clip((0.62 - r) / 0.28, 0.0, 1.0)
    apron = smoothstep(0.62, 0.56, r) * smoothstep(0.30, 0.36, r - 0.05 * size)
    apron = apron * smoothstep(0.14 + 0.36 * spread, 0.04 + 0.30 * spread, off)
    cut = f.shape.get("cut_m", 200.0)
    w.bury(sector * smoothstep(0.3, 0.5, r) * smoothstep(1.05, 0.95, r), 0.5)
    w.relief += (
        sector * size * (-cut * alcove * (1.0 - 0.25 * forks) - 0.65 * cut * channel + 0.30 * cut * apron)
    )
    w.paint(sector * alcove, 0.90)
    w.paint(sector * channel, f.shape.get("channel_brightness", 0.72))
    w.paint(sector * apron, f.shape.get("apron_brightness", 1.2))


def slope_streaks(w: Window, f: Feature) -> None:
    """Narrow wedges that start at a point on a dusty slope and widen downhill."""
    radius = f.diameter_km / 2
    lumps = w.lumps(w.x, w.y, 0.8 * radius, f.seed)
    if f.parent < 0:
        # A dust-mantled hill: a crest, smooth straight flanks, spurs.
        s, t = w.along(f.direction_deg)
        stretch = f.shape["stretch"]
        r = np.hypot(s / stretch, t * stretch) / radius
        r = r / (1.0 + harmonics(w.theta, f.seed, range(2, 6), 0.06)) + 0.05 * lumps
        down = (r - 0.12) / 0.85
        hill = np.clip(1.0 - down, 0.0, 1.0)
        spurs = harmonics(w.theta + 0.1 * lumps, f.seed + 1, range(5, 13), 1.0)
        w.relief += f.shape["height_m"] * (hill - 0.12 * hill * hill) + 60.0 * spurs * hill * (1.0 - hill)
        slope = smoothstep(1.05, 0.95, r)
        inner, outer = 0.12, 0.97
    else:
        r = w.rho * (1.0 / radius)
        down = (0.99 - r) / 0.62
        slope = smoothstep(1.02, 0.97, r) * smoothstep(0.3, 0.45, r)
        inner, outer = 0.37, 0.99
    w.bury(slope, 0.92)
    w.paint(slope, 1.05)
    flank_km = radius * (outer - inner)
    dark: F32 = np.zeros_like(r)
    for layer in range(2):
        count = max(9, round(6.283185 * radius * 0.6 / f.shape["spacing_km"]))
        phase = (w.theta + 0.03 * lumps) * (count / 6.283185) + 0.37 * layer
        index = np.floor(phase)
        one, two, three = (chances(w.noise, index % count, f.seed + 11 * layer + n) for n in range(3))
        off = (phase - index - 0.5 - 0.5 * (one - 0.5)) * (6.283185 / count) * r * radius
        start = 0.03 + 0.42 * two
        grown = (down - start) / (0.28 + 0.42 * three)
        width = 0.09 + (0.16 + 0.18 * one) * np.clip(grown, 0.0, 1.0)
        ragged = grown + 0.10 * np.cos(off * 40.0)
        body = smoothstep(width + 0.06, width - 0.06, np.abs(off)) * smoothstep(-0.03, 0.05, grown)
        body = body * smoothstep(1.05, 0.95, ragged) * (three * 7.0 % 1.0 < f.shape["density"])
        # Old streaks have faded.
        dark = np.maximum(dark, body * (0.6 + 0.4 * (one * 5.0 % 1.0)))
    w.paint(dark * slope * (flank_km > 0), f.shape.get("darkness", 0.66))


def layered_deposits(w: Window, f: Feature) -> None:
    """Mound of strata: benches and risers along the contours, bright and dark in turn."""
    radius = f.diameter_km / 2
    lumps = w.lumps(w.x, w.y, 0.9 * radius, f.seed)
    s, t = w.along(f.direction_deg)
    stretch = f.shape.get("stretch", 1.0)
    edge = radius * (1.0 + harmonics(w.theta, f.seed, range(2, 8), 0.11))
    inside = 1.0 - np.hypot(s / stretch, t * stretch) / edge
    mound = smoothstep(-0.03, 0.05, inside)
    rise = np.clip(inside, 0.0, 1.0) ** 0.8 * (1.0 + 0.05 * lumps) + 0.03 * lumps * mound
    rise = np.maximum(rise + 0.10 * (s / radius) * np.clip(inside, 0.0, 1.0), 0.0)
    layers = f.shape["layers"]
    level = rise * layers + 0.10 * w.rough(w.x, w.y, 0.3, f.seed)
    index = np.floor(level)
    riser = smoothstep(0.50, 1.0, level - index)
    w.bury(mound, 0.75)
    w.relief += mound * (f.shape["height_m"] / layers) * (index + riser)
    tone = chances(w.noise, index, f.seed + 3) - 0.5
    w.paint(mound, f.shape.get("brightness", 1.10))
    w.paint(mound * (tone + 0.35 * (index % 2 - 0.5)), 1.0 + f.shape.get("banding", 0.4))
    w.paint(mound * riser * (1.0 - riser) * 4.0, 0.90)

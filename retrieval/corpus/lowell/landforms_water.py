"""Landforms of water, ice and falling rock: valleys, channels, fans, slides, aprons, patterned ground."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window, field_mask
from retrieval.corpus.lowell.noise import F32, cells, harmonics, sample2, smoothstep


def valley_network(w: Window, f: Feature) -> None:
    """Branching valleys that join downstream."""
    if f.branches is None:
        return
    warp = 0.30 * w.lumps(w.x, w.y, 2.6, f.seed), 0.30 * w.lumps(w.x, w.y, 2.6, f.seed + 3)
    x, y = w.x + warp[0], w.y + warp[1]
    west, east, south, north = float(x.min()), float(x.max()), float(y.min()), float(y.max())
    carve: F32 = np.zeros_like(x)
    for x0, y0, x1, y1, width in f.branches.tolist():
        margin = 1.6 * width
        if (
            max(x0, x1) < west - margin
            or min(x0, x1) > east + margin
            or max(y0, y1) < south - margin
            or min(y0, y1) > north + margin
        ):
            continue
        vx, vy = x1 - x0, y1 - y0
        share = np.clip(((x - x0) * vx + (y - y0) * vy) * (1.0 / (vx * vx + vy * vy)), 0.0, 1.0)
        d = np.hypot(x - x0 - share * vx, y - y0 - share * vy)
        depth = f.shape["depth_m"] * min(1.0, 0.45 + 0.55 * width / f.shape["trunk_km"])
        carve = np.maximum(carve, depth * np.clip(1.35 - d * (2.0 / width), 0.0, 1.0))
    w.relief -= carve
    w.paint(np.clip(carve * (1.0 / f.shape["depth_m"]), 0, 1), f.shape.get("floor_brightness", 0.96))


def outflow_channel(w: Window, f: Feature) -> None:
    """Wide scoured channel with grooves along the flow and teardrop islands."""
    s, t = w.along(f.direction_deg)
    t = t - f.curve(s)
    half_length = f.length_km / 2
    lumps = w.lumps(w.x, w.y, 9.0, f.seed)
    half = f.diameter_km / 2 * (1.0 + 0.13 * np.sin(s / 13.0 + f.seed % 7)) + 0.5 * lumps
    ends = np.minimum(s + half_length, half_length - s)
    inside = np.minimum(half - np.abs(t), 0.5 * ends)
    bed = smoothstep(-0.25, 0.85, inside)
    depth = f.shape["depth_m"] * smoothstep(0.0, 12.0, ends)
    # Streamlined islands keep the old surface: rounded upstream, tapering downstream.
    length, width = f.shape["island_km"], f.shape["island_km"] * 0.30
    ws, wt = s + 0.3 * w.lumps(s, t, 4.0, f.seed), t + 0.25 * w.lumps(s, t, 4.0, f.seed + 9)
    c = cells(w.noise, ws * (1.0 / (length * 1.5)), wt * (1.0 / (width * 2.4)), f.seed, 0.7)
    size = 0.6 + 0.5 * c.a
    u, v = c.dx * 1.5 / size + 0.28, c.dy * 2.4 / size
    outline = np.where(
        u < 0.3, np.sqrt(np.clip(1.0 - ((u - 0.3) / 0.42) ** 2, 0, 1)), np.clip(1.45 - 1.5 * u, 0, 1)
    )
    island = smoothstep(-0.06, 0.20, outline * 0.5 - np.abs(v)) * (outline > 0.02) * (c.b < 0.6)
    island = island * smoothstep(0.3, 1.2, inside)
    grooves = sample2(w.noise.texture, s * (1.0 / 2.6), t * (1.0 / 0.19), f.seed)
    floor = bed * (1.0 - island)
    w.relief += -depth * floor + floor * grooves * 24.0
    w.bury(bed, 0.55)
    w.paint(floor, f.shape.get("floor_brightness", 0.93))
    w.paint(floor * np.clip(grooves, -1.5, 1.5) * 0.5, 1.07)


def alluvial_fan(w: Window, f: Feature) -> None:
    """Cone-shaped deposit that spreads from a notch in a mountain front."""
    s, t = w.along(f.direction_deg)  # s points down the fan, the front stands at s = 0
    radius = f.diameter_km
    s = s + 0.5 * radius  # the feature's centre is the middle of the fan
    # The mountain is an irregular massif whose edge passes through the apex of the fan.
    bulk = np.hypot((s + 0.72 * radius) / (0.72 * radius), t / (1.15 * radius))
    crags = w.rough(s, t, 0.24, f.seed + 1)
    edge = (1.0 - bulk) * 0.75 * radius + 0.30 * w.lumps(s, t, 3.2, f.seed) + 0.10 * crags
    notch = np.exp(-((t / (0.12 * radius + 0.12 * np.maximum(-s, 0.0))) ** 2)) * smoothstep(
        -0.9, -0.3, s / radius
    )
    mountain = smoothstep(-0.25, 1.2, edge)
    w.bury(mountain, 0.4)
    w.relief += mountain * (f.shape["front_m"] + 60.0 * crags) * (1.0 - 0.9 * notch)
    rho = np.hypot(s, t) + 0.001
    angle = np.arctan2(t, s)
    toe = radius * (1.0 + 0.10 * harmonics(angle, f.seed, range(4, 11), 1.0))
    sector = smoothstep(f.shape["half_angle_rad"], f.shape["half_angle_rad"] - 0.2, np.abs(angle))
    inside = sector * smoothstep(-0.15, 0.35, toe - rho)
    share = np.clip(1.0 - rho / radius, 0.0, 1.0)
    wander = angle + 0.05 * w.lumps(s, t, 2.4, f.seed + 2)
    rays = harmonics(wander, f.seed + 3, range(14, 44), 1.0)
    w.bury(inside, 0.85)
    w.relief += inside * (f.shape["fan_m"] * share + 24.0 + 9.0 * rays)
    w.paint(inside, f.shape.get("brightness", 1.12))
    w.paint(inside * np.clip(rays, -1.2, 1.2) * 0.5, 1.14)


def landslide(w: Window, f: Feature) -> None:
    """Amphitheatre in a wall and a long lobate deposit with grooves along the movement."""
    s, t = w.along(f.direction_deg)
    length = f.length_km
    s = s + 0.5 * length  # 0 at the foot of the scar
    half = f.diameter_km / 2
    lumps = w.lumps(s, t, 3.2, f.seed)
    # Scar: a bite out of the wall behind, deepest under the headwall.
    scar_r = np.hypot(s * 1.1, t * 0.95) + 0.16 * lumps
    scar = smoothstep(0.25, -0.45, scar_r - 0.9 * half) * np.clip(-s * (1.0 / (0.8 * half)), 0.0, 1.0)
    w.relief -= scar * f.shape["scar_m"]
    w.bury(smoothstep(0.0, 0.3, scar), 0.5)
    place = np.clip(s / length, 0.0, 1.3)
    widen = half * (0.66 + 0.50 * place)
    toe = length - 0.62 * widen + 0.45 * lumps
    over = np.maximum(s - toe, 0.0) / 0.62
    inside = np.minimum(widen - np.hypot(over, t), (s + 0.35 * half) * 0.8) + 0.30 * lumps
    sheet = smoothstep(-0.05, 0.55, inside)
    rim = np.exp(-(((inside - 0.55) / 0.35) ** 2))
    fanned = t / np.maximum(widen, 0.3)
    grooves = sample2(w.noise.texture, fanned * (half * 1.15 / 0.2), s * (1.0 / 4.5), f.seed)
    thick = f.shape["thickness_m"]
    blocks = np.clip(w.rough(s, t, 0.16, f.seed + 1), 0.0, 2.5) * smoothstep(0.45, 0.1, place)
    w.bury(sheet, 0.85)
    w.relief += sheet * (thick * (0.75 - 0.25 * place) + 0.20 * thick * rim + 24.0 * grooves + 45.0 * blocks)
    w.paint(sheet, f.shape.get("brightness", 1.05))


def debris_apron(w: Window, f: Feature) -> None:
    """Smooth convex apron that flowed out on all sides of a steep massif."""
    radius = f.diameter_km / 2
    core = f.shape["core_share"] * radius
    lumps = w.lumps(w.x, w.y, 1.6 * core + 1.0, f.seed)
    stretch = f.shape.get("stretch", 1.0)
    s, t = w.along(f.direction_deg)
    r = np.hypot(s / stretch, t * stretch)
    edge = radius * (1.0 + harmonics(w.theta, f.seed, range(2, 7), 0.07))
    inside = edge - r + 0.3 * lumps
    apron = smoothstep(-0.10, 0.45, inside)
    rise = np.clip(inside / np.maximum(edge - core, 0.5), 0.0, 1.0)
    convex = np.sqrt(np.clip(rise, 0.0, 1.0))
    flow = harmonics(w.theta + 0.05 * lumps, f.seed + 1, range(16, 42), 1.0)
    ripples = np.sin(6.283185 * (inside + 0.25 * lumps) / 0.9) * smoothstep(1.8, 0.4, inside)
    w.bury(apron, 0.92)
    w.relief += apron * (50.0 + f.shape["apron_m"] * convex + 5.0 * flow + 5.0 * ripples)
    steep = (
        core * (1.0 + harmonics(w.theta, f.seed + 2, range(2, 5), 0.10))
        + 0.22 * core * w.lumps(w.x, w.y, 0.9 * core, f.seed + 6)
        - r
    )
    massif = smoothstep(-0.35, 1.1, steep)
    crags = w.rough(w.x, w.y, 0.24, f.seed)
    w.relief += massif * (f.shape["massif_m"] + 45.0 * crags)
    w.paint(apron * (1.0 - massif), f.shape.get("brightness", 1.08))
    w.paint(massif * smoothstep(1.2, 0.2, steep), 0.94)


def polygons(w: Window, f: Feature) -> None:
    """Ground cracked into polygons by troughs."""
    mask = field_mask(f, w.x, w.y, 1.5)
    size = f.shape["cell_km"]
    x = w.x + 0.10 * size * w.lumps(w.x, w.y, 2.5 * size, f.seed)
    y = w.y + 0.10 * size * w.lumps(w.x, w.y, 2.5 * size, f.seed + 5)
    c = cells(w.noise, x * (1.0 / size), y * (1.0 / size), f.seed, 0.85)
    border = (c.second - c.near) * size  # about twice the distance from the trough, km
    trough = np.exp(-((border / 0.26) ** 2))
    w.bury(mask, 0.7)
    w.relief -= mask * f.shape["depth_m"] * trough
    w.relief += mask * 12.0 * (1.0 - c.near) * (0.5 + c.a)
    w.paint(mask * trough, f.shape.get("trough_brightness", 0.84))


def chaos(w: Window, f: Feature) -> None:
    """Sunken ground broken into tilted, flat-topped blocks."""
    size = f.shape["block_km"]
    d = _depth_inside(w, f)
    sunk = smoothstep(-0.3, 1.0, d)
    x = w.x + 0.16 * size * w.lumps(w.x, w.y, 1.6 * size, f.seed)
    y = w.y + 0.16 * size * w.lumps(w.x, w.y, 1.6 * size, f.seed + 5)
    c = cells(w.noise, x * (1.0 / size), y * (1.0 / size), f.seed, 0.95)
    border = (c.second - c.near) * size
    # Blocks crumble towards the middle of the area.
    keep = smoothstep(0.0, 0.25, 1.25 * c.b + 0.02 - 0.25 * np.clip(d / (f.diameter_km / 2), 0, 1))
    block = smoothstep(0.30, 1.05, border * (0.75 + 0.5 * c.a) + 0.08 * w.rough(w.x, w.y, 0.3, f.seed)) * keep
    drop = f.shape["depth_m"]
    tilt = (c.dx * (c.a - 0.5) + c.dy * (c.b - 0.5)) * 330.0
    rubble = w.rough(w.x, w.y, 0.17, f.seed)
    w.bury(sunk, 0.4)
    w.relief += sunk * (
        -drop + block * (drop * (0.35 + 0.6 * c.a) + tilt) + (1.0 - 0.7 * block) * 30.0 * rubble
    )
    w.paint(sunk * (1.0 - block), 0.90)


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


def _depth_inside(w: Window, f: Feature) -> F32:
    edge = f.diameter_km / 2 * (1.0 + harmonics(w.theta, f.seed, range(2, 11), 0.16))
    return np.asarray(edge - w.rho + 0.35 * w.lumps(w.x, w.y, 3.0, f.seed), dtype=np.float32)

"""Landforms of water: valleys, channels and their casts, fans, deltas, and ground that gave way."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window
from retrieval.corpus.lowell.noise import F32, cells, harmonics, sample2, smoothstep


def valley_network(w: Window, f: Feature) -> None:
    """Branching valleys that join downstream."""
    if f.branches is None:
        return
    warp = 0.30 * w.lumps(w.x, w.y, 2.6, f.seed), 0.30 * w.lumps(w.x, w.y, 2.6, f.seed + 3)
    carve = _along_branches(w.x + warp[0], w.y + warp[1], f.branches, 1.35, f.shape["trunk_km"])
    w.relief -= f.shape["depth_m"] * carve
    w.paint(np.clip(carve, 0, 1), f.shape.get("floor_brightness", 0.96))


def inverted_channels(w: Window, f: Feature) -> None:
    """Winding flat-topped ridges: beds of rivers that outlasted the softer ground beside them."""
    if f.branches is None:
        return
    a, b = f.shape["meander_km"], f.shape["period_km"]
    x = w.x + a * w.lumps(w.x, w.y, b, f.seed) + 0.05 * w.rough(w.x, w.y, 0.3, f.seed)
    y = w.y + a * w.lumps(w.x, w.y, b, f.seed + 3)
    near = _along_branches(x, y, f.branches, 1.25, 0.0)
    # The ridge is broken where the wind has breached it.
    breach = smoothstep(-1.35, -0.95, w.lumps(w.x, w.y, 6.0, f.seed + 5))
    bed = smoothstep(0.10, 0.50, near) * breach
    talus = smoothstep(0.0, 0.3, near) * breach
    w.bury(talus, 0.8)
    w.relief += f.shape["height_m"] * (0.85 * bed + 0.15 * talus)
    w.relief -= 0.12 * f.shape["height_m"] * smoothstep(0.6, 0.9, near) * breach
    w.paint(bed, f.shape.get("brightness", 1.0))


def _along_branches(x: F32, y: F32, branches: F32, peak: float, trunk_km: float) -> F32:
    """Cross profile of the nearest of many segments: ``peak`` on its line, falling by 1 in half a width.

    A trunk wider than 0 makes narrower branches shallower. Shape of ``x``.
    """
    best: F32 = np.zeros(x.size, dtype=np.float32)
    px, py = x.ravel(), y.ravel()
    west, east, south, north = float(px.min()), float(px.max()), float(py.min()), float(py.max())
    for x0, y0, x1, y1, width in branches.tolist():
        margin = 0.5 * peak * width
        left, right = min(x0, x1) - margin, max(x0, x1) + margin
        low, high = min(y0, y1) - margin, max(y0, y1) + margin
        if left > east or right < west or low > north or high < south:
            continue
        here = np.flatnonzero((px > left) & (px < right) & (py > low) & (py < high))
        qx, qy = px[here] - x0, py[here] - y0
        vx, vy = x1 - x0, y1 - y0
        share = np.clip((qx * vx + qy * vy) * (1.0 / (vx * vx + vy * vy)), 0.0, 1.0)
        profile = np.clip(peak - np.hypot(qx - share * vx, qy - share * vy) * (2.0 / width), 0.0, 1.0)
        if trunk_km > 0:
            profile *= min(1.0, 0.45 + 0.55 * width / trunk_km)
        best[here] = np.maximum(best[here], profile)
    return best.reshape(x.shape)


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
    """Cone-shaped deposit that spreads from the mouth of a ravine in a mountain front."""
    s, t = w.along(f.direction_deg)  # s points down the fan, the front stands at s = 0
    radius = f.diameter_km
    s = s + 0.5 * radius  # the feature's centre is the middle of the fan
    # The mountain is an irregular massif whose edge passes through the apex of the fan.
    bulk = np.hypot((s + 0.72 * radius) / (0.72 * radius), t / (1.15 * radius))
    crags = w.rough(s, t, 0.24, f.seed + 1)
    edge = (1.0 - bulk) * 0.75 * radius + 0.22 * w.lumps(s, t, 2.6, f.seed) + 0.08 * crags
    # The ravine widens and gathers side valleys upstream of the apex.
    upstream = np.maximum(-s, 0.0) / radius
    bend = t - 0.10 * radius * np.sin(9.0 * upstream + f.seed % 6) * np.minimum(3.0 * upstream, 1.0)
    side = 0.45 + 0.55 * np.cos(22.0 * upstream + 4.0 * np.sign(bend))
    width = 0.07 + 0.16 * upstream * (0.6 + 0.6 * np.clip(side, 0.0, 1.0))
    ravine = np.exp(-((bend / (width * radius)) ** 2)) * smoothstep(0.95, 0.55, upstream)
    mountain = smoothstep(-0.2, 1.6, edge)
    w.bury(mountain, 0.4)
    w.relief += mountain * (f.shape["front_m"] + 45.0 * crags) * (1.0 - 0.85 * ravine)
    rho = np.hypot(s, t) + 0.001
    angle = np.arctan2(t, s)
    toe = radius * (1.0 + 0.05 * harmonics(angle, f.seed, range(3, 9), 1.0))
    sector = smoothstep(f.shape["half_angle_rad"], f.shape["half_angle_rad"] - 0.16, np.abs(angle))
    inside = sector * smoothstep(-0.10, 0.45, toe - rho)
    share = np.clip(1.0 - rho / radius, 0.0, 1.0)
    # Distributaries: few at the apex, twice as many from the middle on, wandering.
    wander = angle + 0.035 * w.lumps(s, t, 3.0, f.seed + 2) * np.minimum(rho / (0.4 * radius), 1.0)
    few, many = (
        harmonics(wander, f.seed + n, orders, 1.0) for n, orders in ((3, range(8, 16)), (4, range(20, 40)))
    )
    rays = few + (many - 0.5 * few) * smoothstep(0.30, 0.60, rho / radius)
    w.bury(inside, 0.85)
    # Convex across, so that its flanks meet the ground without a step.
    flank = np.clip(1.0 - (angle / f.shape["half_angle_rad"]) ** 2, 0.0, 1.0) ** 0.7
    w.relief += inside * flank * (1.3 * f.shape["fan_m"] * share + 30.0 + 6.0 * rays)
    w.paint(inside, f.shape.get("brightness", 1.12))
    w.paint(inside * np.clip(rays, -1.2, 1.2) * 0.5, 1.26)


def delta(w: Window, f: Feature) -> None:
    """Flat-topped lobes with a steep front where a valley breaches the rim of a basin."""
    s, t = w.along(f.direction_deg)  # s points out into the basin
    size = f.diameter_km
    basin = f.shape["basin_share"] * size
    apex = s + 0.5 * size
    lumps = w.lumps(s, t, 2.2, f.seed)
    r = np.hypot(apex - basin, t) / (basin * (1.0 + harmonics(w.theta, f.seed, range(2, 8), 0.02)))
    r = r + 0.012 * w.lumps(s, t, 3.0, f.seed + 1)
    depth = f.shape["depth_m"]
    bowl = smoothstep(1.0, 0.74, r)
    rim = np.exp(-(((r - 1.03) / 0.10) ** 2)) * 0.22 * depth
    w.erase(smoothstep(1.06, 0.96, r))
    w.bury(bowl, 0.6)
    # The valley that feeds it, winding down to the apex.
    course = (
        t - 0.35 * np.sin(apex * (6.283185 / 4.2) + f.seed % 6) * smoothstep(0.0, -2.0, apex) - 0.12 * lumps
    )
    width = f.shape["valley_km"]
    valley = smoothstep(0.62 * width, 0.18 * width, np.abs(course)) * smoothstep(0.7, -0.2, apex)
    valley = valley * smoothstep(-f.shape["valley_length_km"], -0.6 * f.shape["valley_length_km"], apex)
    rho, angle = np.hypot(apex, t) + 0.001, np.arctan2(t, apex)
    lobes = np.abs(harmonics(angle, f.seed + 3, range(3, 8), 0.16))
    toe = size * (0.80 + lobes) * np.sqrt(np.clip(np.cos(0.9 * angle), 0.02, 1.0)) - rho + 0.12 * lumps
    top = smoothstep(0.0, 0.38, toe) * smoothstep(1.5, 1.3, np.abs(angle))
    level = -depth * (0.42 + 0.22 * rho / size)
    wander = angle + 0.10 * lumps * np.minimum(rho / (0.4 * size), 1.0)
    channels = harmonics(wander, f.seed + 5, range(7, 19), 1.0)
    ground = -depth * bowl + rim
    ground = np.maximum(ground, ground + (level + 7.0 * channels - ground) * top)
    w.relief += np.minimum(ground, ground + (level - ground) * valley * bowl) - valley * (1.0 - bowl) * (
        0.40 * depth + rim
    )
    w.bury(top, 0.8)
    w.paint(bowl * (1.0 - top), f.shape.get("floor_brightness", 0.95))
    w.paint(top, f.shape.get("brightness", 1.12))
    w.paint(top * np.clip(channels, -1.2, 1.2) * 0.5, 1.14)


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


def _depth_inside(w: Window, f: Feature) -> F32:
    edge = f.diameter_km / 2 * (1.0 + harmonics(w.theta, f.seed, range(2, 11), 0.16))
    return np.asarray(edge - w.rho + 0.35 * w.lumps(w.x, w.y, 3.0, f.seed), dtype=np.float32)

"""Landforms of the wind: transverse and barchan dunes, yardangs, dust devil tracks."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature, Window, field_mask
from retrieval.corpus.lowell.noise import cells, sample2, smoothstep


def transverse_dunes(w: Window, f: Feature) -> None:
    """Dark sand in ridges across the wind, with Y-junctions."""
    mask = field_mask(f, w.x, w.y, 1.5)
    s, t = w.along(f.direction_deg)
    wavelength = f.shape["wavelength_km"]
    rng = np.random.default_rng(f.seed)
    # Waves of nearly one direction and length interfere: where the sum vanishes, crests fork.
    warp = 0.22 * wavelength * w.lumps(s, t, 5.0 * wavelength, f.seed)
    total = np.zeros(s.shape, dtype=np.complex64)
    for _ in range(4):
        k = 6.2831853 / wavelength * float(rng.uniform(0.86, 1.16))
        angle = float(rng.normal(0.0, 0.15))
        phase = k * ((s + warp) * float(np.cos(angle)) + t * float(np.sin(angle)))
        total += np.exp(1j * (phase + np.float32(rng.uniform(0, 6.28))))
    cycle = (np.angle(total) / 6.2831853) % 1.0
    # Gentle upwind slope, steep slip face.
    ridge = np.where(cycle < 0.72, cycle / 0.72, (1.0 - cycle) / 0.28)
    ridge = ridge * ridge * (3.0 - 2.0 * ridge)
    strength = np.clip(np.abs(total) / 2.0, 0.25, 1.0)
    strength = strength * (0.85 + 0.2 * w.rough(s, t, 0.5, f.seed))
    w.relief += mask * strength * ridge * (1000.0 * wavelength * f.shape["steepness"])
    w.bury(mask, 0.85)
    w.paint(mask, f.shape.get("brightness", 0.72))
    w.paint(mask * (1.0 - ridge), f.shape.get("trough_brightness", 1.1))


def barchan_dunes(w: Window, f: Feature) -> None:
    """Separate dark crescents, horns downwind."""
    mask = field_mask(f, w.x, w.y, 0.8)
    s, t = w.along(f.direction_deg)
    spacing = f.shape["spacing_km"]
    c = cells(w.noise, s * (1.0 / spacing), t * (1.0 / spacing), f.seed, 0.62)
    size = spacing * (0.30 + 0.22 * c.a)  # half width
    u, v = c.dx * spacing / size, c.dy * spacing / size
    v2 = v * v
    front, lee = -0.75 + 0.85 * v2, -0.05 + 0.80 * v2
    span = np.maximum(lee - front, 0.05)
    climb = np.clip((u - front) / span, 0.0, 1.0)
    slip = np.clip((lee + 0.22 - u) * (1.0 / 0.22), 0.0, 1.0)
    body = np.clip(1.25 - 1.1 * v2, 0.0, 1.0) * smoothstep(1.12, 0.95, np.abs(v))
    present = (c.b < f.shape["density"]) * mask
    dune = present * climb * slip * body
    w.relief += dune * size * (1000.0 * 0.20)
    sand = present * smoothstep(0.0, 0.18, climb * slip * body)
    w.bury(sand, 0.9)
    w.paint(sand, f.shape.get("brightness", 0.62))


def yardangs(w: Window, f: Feature) -> None:
    """Streamlined parallel ridges cut by the wind into soft bright rock."""
    mask = field_mask(f, w.x, w.y, 1.0)
    s, t = w.along(f.direction_deg)
    width = f.shape["spacing_km"]
    length = width * f.shape["elongation"]
    t = t + 0.25 * width * w.lumps(s, t, 6.0 * length, f.seed + 1)
    c = cells(w.noise, s * (1.0 / length), t * (1.0 / width), f.seed, 0.9)
    # Teardrop: blunt upwind end, long tail.
    u, v = c.dx * (1.0 / 0.62), c.dy * (1.0 / (0.34 + 0.14 * c.a))
    taper = np.where(u < 0, 1.0 - 3.0 * u * u, 1.0 - np.abs(u)).clip(0.0, 1.0)
    ridge = np.clip(taper - v * v, 0.0, 1.0) ** 0.5
    streak = sample2(w.noise.texture, s * (1.0 / (1.2 * length)), t * (2.2 / width), f.seed)
    height = 1000.0 * width * 0.13 * (0.6 + 0.6 * c.b)
    w.relief += mask * (ridge * height + streak * 14.0)
    w.bury(mask, 0.7)
    w.paint(mask, f.shape.get("brightness", 1.16))
    w.paint(mask * ridge, 1.07)


def dust_devil_tracks(w: Window, f: Feature) -> None:
    """Dark thin tracks that cross each other on bright dust; no relief."""
    mask = field_mask(f, w.x, w.y, 3.0)
    rng = np.random.default_rng(f.seed)
    dark = np.zeros_like(w.x)
    for layer in range(4):
        direction = f.direction_deg + float(rng.normal(0.0, 24.0))
        s, t = w.along(direction)
        t = t + 0.55 * w.lumps(s, t, float(rng.uniform(10.0, 16.0)), f.seed + layer)
        t = t + 0.05 * w.lumps(s, t, 2.6, f.seed + 7 * layer)
        spacing = float(rng.uniform(1.9, 3.2))
        line = t * (1.0 / spacing)
        index = np.floor(line)
        # Each track has its own place, width and stretch along which it exists.
        key = np.sin(index * 12.9898 + layer * 78.233 + (f.seed % 1000)) * 43758.547
        chance = key - np.floor(key)
        off = (line - index - 0.25 - 0.5 * chance) * spacing
        lengths = 14.0 + 16.0 * chance
        on = smoothstep(0.30, 0.42, np.abs((s / lengths + chance * 7.0) % 1.0 - 0.5) + 0.12)
        width = 0.11 + 0.10 * ((chance * 7.0) % 1.0)
        dark = np.maximum(dark, on * np.exp(-((off / width) ** 2)) * (0.55 + 0.45 * ((chance * 13) % 1.0)))
    w.bury(mask, 0.35)
    w.paint(mask, 1.06)
    w.paint(mask * dark, f.shape.get("darkness", 0.62))

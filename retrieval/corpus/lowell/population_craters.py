"""Craters, what lies on their walls, and the unnamed small ones of the background."""

from __future__ import annotations

import numpy as np

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, power, uniform
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.placement import Floats, Placement
from retrieval.corpus.lowell.population_slopes import layered_deposits
from retrieval.corpus.lowell.processes import process
from retrieval.corpus.lowell.relief import fields


def craters(p: Placement) -> None:
    """All named craters."""
    rng = p.rng
    # Craters fall anywhere, also on other landforms: only compact landforms are spared, so that a label
    # is never of something half destroyed.
    p.forget_extended()

    def simple(lonlat: Floats, _: int) -> Feature:
        size = power(rng, 2.1, 8.5, 1.4)
        fresh = float(rng.uniform(0.45, 1.0))
        return Feature(
            "simple_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=3.2 * (1 - fresh) + 0.02,
            freshness=fresh,
            reach_km=size * 1.5,
            shape={"ejecta_brightness": uniform(rng, 0.86, 1.32)},
        )

    def degraded(lonlat: Floats, _: int) -> Feature:
        size = power(rng, 4.2, 12.0, 0.8)
        return Feature(
            "degraded_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 3.4, 4.0),
            freshness=uniform(rng, 0.25, 0.7),
            reach_km=size * 0.95,
            shape={"floor_brightness": uniform(rng, 0.86, 1.12)},
        )

    def complex_(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 8.0, 13.0)
        fresh = uniform(rng, 0.4, 1.0)
        return Feature(
            "central_peak_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=3.4 * (1 - fresh) + 0.1,
            freshness=fresh,
            reach_km=size * 1.5,
        )

    def layered(lonlat: Floats, _: int) -> Feature:
        size, extent = uniform(rng, 3.0, 5.2), uniform(rng, 2.1, 2.8)
        double = rng.random() < 0.35
        return Feature(
            "layered_ejecta_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 0.3, 3.0),
            freshness=uniform(rng, 0.5, 1),
            reach_km=size * extent * 0.72 + 1.5,
            shape={
                "extent": extent,
                "inner_extent": extent * 0.6 if double else 0.0,
                "body": extent * 0.9,
                "ejecta_brightness": uniform(rng, 0.92, 1.14),
            },
        )

    def pedestal(lonlat: Floats, _: int) -> Feature:
        size, extent = uniform(rng, 1.8, 3.2), uniform(rng, 2.5, 3.6)
        return Feature(
            "pedestal_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 0.05, 1.0),
            freshness=uniform(rng, 0.5, 1),
            reach_km=size * extent * 0.7 + 0.6,
            shape={
                "extent": extent,
                "height_m": uniform(rng, 110, 190),
                "brightness": uniform(rng, 0.98, 1.14),
                "body": extent,
            },
        )

    p.draw("central_peak_crater", 235, complex_, 7, 7)
    p.draw("layered_ejecta_crater", 200, layered, 8, 7)
    p.draw("pedestal_crater", 190, pedestal, 6, 6)
    p.draw("degraded_crater", 320, degraded, 4, 6)
    p.draw("simple_crater", 520, simple, 2, 4)


def on_craters(p: Placement) -> None:
    """What lies on the walls and floors of craters: gullies, slope streaks, layered deposits."""
    floors = process("layered_deposits", "crater_floor").parameters
    dust = process("slope_streaks", "dust").parameters
    for host in p.of("degraded_crater"):
        if host.diameter_km >= floors["min_diameter_km"] and p.rng.random() < floors["share_of_craters"]:
            p.add(layered_deposits(p, np.array([host.lon, host.lat]), host))
    for host in p.of("simple_crater", "central_peak_crater"):
        if abs(host.lat) > dust["max_abs_lat_deg"] or host.diameter_km < 6.0:
            continue
        albedo = fields(p.regions, p.noise, host.frame[:1]).albedo[0]
        if albedo >= dust["min_brightness"] and p.rng.random() < 0.6:
            p.add(_streaks(p, host))
    _gullies(p)


def _streaks(p: Placement, host: Feature) -> Feature:
    return Feature(
        "slope_streaks",
        0,
        host.lon,
        host.lat,
        host.diameter_km,
        age_ga=0.0002,
        parent=host.number,
        reach_km=host.diameter_km * 0.52,
        shape={
            "spacing_km": uniform(p.rng, 0.55, 0.8),
            "density": uniform(p.rng, 0.6, 0.9),
            "darkness": uniform(p.rng, 0.42, 0.62),
        },
    )


def _gullies(p: Placement) -> None:
    rule = process("gullies", "crater_wall").parameters
    for host in p.of("simple_crater", "central_peak_crater", "degraded_crater"):
        in_band = rule["min_abs_lat_deg"] <= abs(host.lat) <= rule["max_abs_lat_deg"]
        worn = host.landform == "degraded_crater" and host.freshness < 0.35
        if (
            not in_band
            or worn
            or host.diameter_km < rule["min_diameter_km"]
            or p.rng.random() > rule["share_of_craters"]
        ):
            continue
        # A pole-facing wall is the one on the equator's side of the crater.
        equatorward = 180.0 if host.lat > 0 else 0.0
        half_width = uniform(p.rng, 0.8, 1.2)
        radius = host.diameter_km / 2
        spacing = uniform(p.rng, 0.95, 1.4)
        p.add(
            Feature(
                "gullies",
                0,
                host.lon,
                host.lat,
                host.diameter_km,
                direction_deg=(equatorward + float(p.rng.normal(0, 9))) % 360,
                age_ga=0.0001,
                parent=host.number,
                reach_km=radius * 1.12,
                shape={
                    "half_width_rad": half_width,
                    "count": float(max(4, round(2 * half_width * radius * 0.9 / spacing))),
                    "cut_m": uniform(p.rng, 190, 280) * min(1.0, radius / 4.0 + 0.3),
                    "channel_brightness": uniform(p.rng, 0.64, 0.85),
                    "apron_brightness": uniform(p.rng, 1.08, 1.3),
                },
            )
        )


def background_craters(p: Placement, count: int = 95_000) -> tuple[F32, F32, F32]:
    """Unnamed craters up to 1.2 km wide: unit vectors (n, 3), radii in km (n,), freshness (n,)."""
    rng = p.rng
    lonlat = np.stack([rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))], -1)
    points = unit_vectors(lonlat).astype(np.float32)
    keep = rng.random(count) < np.clip(fields(p.regions, p.noise, points).roughness, 0.15, 1.3) / 1.3
    points = points[keep]
    radius = 0.18 * (1 - rng.random(len(points)) * (1 - (0.18 / 0.62) ** 2.0)) ** (-1 / 2.0)
    return points, radius.astype(np.float32), rng.uniform(0.1, 1.0, len(points)).astype(np.float32)

"""Craters, what lies on their walls, and the unnamed small ones of the background."""

from __future__ import annotations

import numpy as np

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, power, uniform
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.placement import Floats, Placement
from retrieval.corpus.lowell.processes import process
from retrieval.corpus.lowell.relief import fields


def craters(p: Placement) -> None:
    """All named craters."""
    rng = p.rng
    # Craters fall anywhere, also on other landforms: only compact landforms are spared, so that a label
    # is never of something half destroyed.
    p.forget_extended()

    def simple(lonlat: Floats, _: int) -> Feature:
        size = power(rng, 2.1, 8.0, 1.6)
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
        size = power(rng, 3.5, 12.0, 0.8)
        return Feature(
            "degraded_crater",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 3.4, 4.0),
            freshness=uniform(rng, 0.1, 0.6),
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
        size, extent = uniform(rng, 1.2, 2.2), uniform(rng, 2.8, 4.0)
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
                "height_m": uniform(rng, 70, 130),
                "brightness": uniform(rng, 0.98, 1.14),
                "body": extent,
            },
        )

    p.draw("central_peak_crater", 190, complex_, 7, 7)
    p.draw("layered_ejecta_crater", 200, layered, 8, 7)
    p.draw("pedestal_crater", 130, pedestal, 6, 5)
    p.draw("degraded_crater", 320, degraded, 4, 6)
    p.draw("simple_crater", 520, simple, 2, 4)


def gullies(p: Placement) -> None:
    """Gullies on the pole-facing walls of craters at mid-latitudes."""
    rule = process("gullies", "crater_wall").parameters
    for host in p.of("simple_crater", "central_peak_crater"):
        in_band = rule["min_abs_lat_deg"] <= abs(host.lat) <= rule["max_abs_lat_deg"]
        if (
            not in_band
            or host.diameter_km < rule["min_diameter_km"]
            or p.rng.random() > rule["share_of_craters"]
        ):
            continue
        # A pole-facing wall is the one on the equator's side of the crater.
        equatorward = 180.0 if host.lat > 0 else 0.0
        half_width = uniform(p.rng, 0.75, 1.15)
        radius = host.diameter_km / 2
        spacing = uniform(p.rng, 0.75, 1.05)
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
                reach_km=radius * 1.1,
                shape={
                    "half_width_rad": half_width,
                    "count": float(max(4, round(2 * half_width * radius * 0.85 / spacing))),
                },
            )
        )


def background_craters(p: Placement, count: int = 62_000) -> tuple[F32, F32, F32]:
    """Unnamed craters of at most a kilometre: unit vectors (n, 3), radii in km (n,), freshness (n,)."""
    rng = p.rng
    lonlat = np.stack([rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))], -1)
    points = unit_vectors(lonlat).astype(np.float32)
    keep = rng.random(count) < np.clip(fields(p.regions, p.noise, points).roughness, 0.15, 1.3) / 1.3
    points = points[keep]
    radius = 0.17 * (1 - rng.random(len(points)) * (1 - (0.17 / 0.52) ** 1.9)) ** (-1 / 1.9)
    return points, radius.astype(np.float32), rng.uniform(0.1, 1.0, len(points)).astype(np.float32)

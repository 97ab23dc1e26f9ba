"""Features of running water: valley networks, inverted channels, deltas."""

from __future__ import annotations

import numpy as np

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, uniform
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.placement import BODY, Floats, Placement, course_points


def valleys(p: Placement) -> None:
    """Valley networks first: deltas and inverted channels lie near them."""
    p.draw("valley_network", 56, lambda lonlat, _: valley_network(p, lonlat), 12, 20)
    courses = np.concatenate([course_points(f) for f in p.of("valley_network")] or [np.zeros((1, 2))])
    p.draw("delta", 190, lambda lonlat, _: delta(p, lonlat, courses), 6, 9)
    p.draw("inverted_channels", 105, lambda lonlat, _: inverted_channels(p, lonlat), 6, 10)


def valley_network(p: Placement, lonlat: Floats) -> Feature:
    """A tree of valleys, grown headwards from its mouth."""
    rng = p.rng
    upstream = uniform(rng, 0, 360)
    trunk = uniform(rng, 0.9, 1.4)
    length = uniform(rng, 40, 70)
    return Feature(
        "valley_network",
        0,
        *pair(lonlat),
        length,
        direction_deg=upstream,
        age_ga=age(rng, 3.5, 3.8),
        freshness=uniform(rng, 0.5, 0.9),
        reach_km=length * 0.95,
        shape={
            "depth_m": uniform(rng, 150, 260),
            "trunk_km": trunk,
            "floor_brightness": uniform(rng, 0.86, 1.08),
        },
        branches=grow_tree(rng, length, trunk, upstream),
    )


def inverted_channels(p: Placement, lonlat: Floats) -> Feature:
    """A few ridges that join, in no relation to the wind."""
    rng = p.rng
    upstream, width, length = uniform(rng, 0, 360), uniform(rng, 0.75, 1.15), uniform(rng, 22, 38)
    return Feature(
        "inverted_channels",
        0,
        *pair(lonlat),
        length,
        azimuth_deg=upstream % 180,
        direction_deg=upstream,
        age_ga=age(rng, 3.0, 3.4),
        freshness=uniform(rng, 0.5, 1.0),
        reach_km=length * 0.85,
        shape={
            "height_m": uniform(rng, 110, 190),
            "meander_km": uniform(rng, 0.35, 0.6),
            "period_km": uniform(rng, 3.2, 5.0),
            # The bed that capped the ridge is another rock than the ground, darker or brighter.
            "brightness": uniform(rng, 0.72, 0.86) if rng.random() < 0.5 else uniform(rng, 1.14, 1.34),
        },
        branches=grow_tree(rng, length, width, upstream, smallest_km=0.6, orders=1),
    )


def delta(p: Placement, lonlat: Floats, courses: Floats) -> Feature:
    """A delta in a basin, fed from the side where the nearest valley network lies."""
    rng = p.rng
    size = uniform(rng, 5.5, 8.5)
    near = unit_vectors(courses) @ unit_vectors(lonlat)
    down = float(BODY.azimuth_deg(lonlat, courses[int(near.argmax())]) + 180 + rng.normal(0, 12))
    basin, valley = uniform(rng, 0.85, 1.05), uniform(rng, 6.0, 10.0)
    return Feature(
        "delta",
        0,
        *pair(lonlat),
        size,
        direction_deg=down % 360,
        age_ga=age(rng, 3.3, 3.5),
        freshness=uniform(rng, 0.5, 1.0),
        reach_km=max(size * (2.2 * basin - 0.3), 0.5 * size + valley) + 1.0,
        shape={
            "basin_share": basin,
            "depth_m": uniform(rng, 380, 620),
            "valley_km": uniform(rng, 0.9, 1.3),
            "valley_length_km": valley,
            "brightness": uniform(rng, 1.0, 1.2),
            "floor_brightness": uniform(rng, 0.86, 1.04),
            "body": 1.1,
        },
    )


def grow_tree(
    rng: np.random.Generator,
    length_km: float,
    trunk_km: float,
    upstream_deg: float,
    smallest_km: float = 0.42,
    orders: int = 2,
) -> F32:
    """Segments (x0, y0, x1, y1, width) of a branching course, grown headwards from its mouth, km.

    ``orders`` is how often a branch may branch again; no segment is narrower than ``smallest_km``.
    """
    a = np.radians(upstream_deg)
    mouth = np.array([-np.sin(a), -np.cos(a)]) * length_km / 2
    rows: list[tuple[float, float, float, float, float]] = []
    heads = [(mouth, upstream_deg, length_km, trunk_km, 0)]
    while heads:
        point, heading, left, width, order = heads.pop()
        side = float(rng.choice([-1, 1]))
        since = float(rng.uniform(0, 3))
        while left > 0:
            step = 1.7
            heading += float(rng.normal(0, 13)) + 0.10 * ((upstream_deg - heading + 180) % 360 - 180)
            b = np.radians(heading)
            end = point + step * np.array([np.sin(b), np.cos(b)])
            rows.append((float(point[0]), float(point[1]), float(end[0]), float(end[1]), width))
            point, left, since = end, left - step, since + step
            width = max(smallest_km, width * 0.985)
            if order < orders and since > (6.5 if order == 0 else 5.0) and left > 3:
                branch = min(left, length_km * (0.36, 0.13)[order]) * float(rng.uniform(0.5, 1.1))
                angle = heading + side * float(rng.uniform(38, 62))
                heads.append((point, angle, branch, max(smallest_km, width * 0.72), order + 1))
                side, since = -side, float(rng.uniform(0, 1.5))
    return np.asarray(rows, dtype=np.float32)

"""The features of one planet: how many of each landform, how large, how old, in which direction."""

from __future__ import annotations

import numpy as np

from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, uniform
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.placement import BODY, Floats, Placement, line_points
from retrieval.corpus.lowell.population_craters import craters, on_craters
from retrieval.corpus.lowell.population_slopes import slopes
from retrieval.corpus.lowell.population_surface import ground_ice, wind_fields
from retrieval.corpus.lowell.population_water import valleys
from retrieval.corpus.lowell.processes import process


def populate(p: Placement) -> None:
    """Place everything; the order matters, because some landforms depend on others."""
    _outflow_channels(p)
    _volcanic(p)
    _chaos_and_cones(p)
    _tectonic(p)
    slopes(p)
    valleys(p)
    ground_ice(p)
    wind_fields(p)
    craters(p)
    on_craters(p)


def _outflow_channels(p: Placement) -> None:
    # Half of them end in the southern part of the plains, so that what depends on channels is found at all
    # latitudes and a band of latitude cannot stand in for the dependence.
    c, rng = p.candidates, p.rng
    start = np.flatnonzero((np.abs(c.at.boundary_km) < 18) & (c.at.canyon_km > 60) & (c.rise_km > 260))
    pole = _lonlat(p.regions.lowland_pole)
    for n in range(18):
        low, high = ((-40, 2), (12, 60))[n % 2]
        pool = start[(c.lat[start] > low) & (c.lat[start] < high)]
        for choice in rng.permutation(pool)[:60]:
            lonlat = c.lonlat[choice]
            direction = float(BODY.azimuth_deg(lonlat, pole) + rng.normal(0, 14))
            length = float(rng.uniform(130, 230))
            centre = BODY.destination(lonlat, direction, 0.42 * length)
            # Azimuths turn along a great circle: take the one at the middle.
            direction = float(BODY.azimuth_deg(centre, BODY.destination(lonlat, direction, length)))
            width = float(rng.uniform(8.0, 12.0))
            feature = Feature(
                "outflow_channel",
                0,
                float(centre[0]),
                float(centre[1]),
                width,
                length,
                direction % 180,
                direction % 360,
                age_ga=age(rng, 2.8, 3.5),
                freshness=uniform(rng, 0.5, 0.9),
                reach_km=length / 2 + 22,
                shape={
                    "bend_km": uniform(rng, -14, 14),
                    "wave_km": uniform(rng, 1.5, 5.0),
                    "period_km": uniform(rng, 60, 110),
                    "depth_m": uniform(rng, 260, 430),
                    "island_km": uniform(rng, 4.0, 6.5),
                    "floor_brightness": uniform(rng, 0.84, 1.04),
                },
            )
            if p.is_free(line_points(feature, 4.0), 16):
                p.add(feature, width / 2 + 4)
                break


def _volcanic(p: Placement) -> None:
    rng, rise = p.rng, _lonlat(p.regions.rise)

    def shield(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 7.5, 13.5)
        return Feature(
            "shield_volcano",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 0.8, 3.2),
            freshness=uniform(rng, 0.5, 1),
            reach_km=size * 0.6,
            shape={
                "steepness": uniform(rng, 0.075, 0.12),
                "caldera": uniform(rng, 0.19, 0.32),
                "second_pit": uniform(rng, 0.08, 0.14) * (rng.random() < 0.4),
                "brightness": uniform(rng, 0.84, 1.0),
            },
        )

    def flow(lonlat: Floats, _: int) -> Feature:
        length, width = uniform(rng, 22, 48), uniform(rng, 4.5, 8.0)
        away = float(BODY.azimuth_deg(rise, lonlat) + rng.normal(0, 25))
        if BODY.distance_km(rise, lonlat) > 10:
            away = float(BODY.azimuth_deg(lonlat, rise) + 180 + rng.normal(0, 18))
        return Feature(
            "lava_flow",
            0,
            *pair(lonlat),
            width,
            length,
            away % 180,
            away % 360,
            age_ga=age(rng, 0.1, 1.8),
            freshness=uniform(rng, 0.5, 1),
            reach_km=length / 2 + 8,
            shape={
                "bend_km": uniform(rng, -4, 4),
                "wave_km": uniform(rng, 0.3, 1.4),
                "period_km": uniform(rng, 18, 32),
                "thickness_m": uniform(rng, 60, 105),
                "brightness": uniform(rng, 0.66, 0.92),
            },
        )

    p.draw("shield_volcano", 130, shield, 6, 7)
    p.draw("lava_flow", 75, flow, 5, 5)


def _chaos_and_cones(p: Placement) -> None:
    rng = p.rng

    def chaos(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 14, 34)
        return Feature(
            "chaos",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 2.9, 3.6),
            freshness=uniform(rng, 0.5, 1),
            reach_km=size * 0.75,
            shape={"block_km": uniform(rng, 1.9, 3.4), "depth_m": uniform(rng, 280, 480)},
        )

    def cones(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 12, 26)
        spacing = uniform(rng, 1.5, 2.2)
        return Feature(
            "pitted_cones",
            0,
            *pair(lonlat),
            size,
            age_ga=age(rng, 0.3, 2.5),
            freshness=uniform(rng, 0.5, 1),
            reach_km=size * 0.8,
            shape={
                "spacing_km": spacing,
                "cone_km": spacing * uniform(rng, 0.55, 0.75),
                "density": uniform(rng, 0.5, 0.85),
                "steepness": uniform(rng, 0.38, 0.56),
                "brightness": uniform(rng, 0.98, 1.22),
                "stretch": uniform(rng, 0.85, 1.2),
            },
        )

    p.draw("chaos", 40, chaos, 8, 15)
    p.draw("pitted_cones", 95, cones, 7, 11)


def _tectonic(p: Placement) -> None:
    rng, rise = p.rng, _lonlat(p.regions.rise)

    def curved(low: float, high: float) -> dict[str, float]:
        return {"bend_km": uniform(rng, low, high)}

    def graben(lonlat: Floats, _: int) -> Feature:
        length = uniform(rng, 35, 80)
        radial = BODY.distance_km(rise, lonlat) < process("graben", "rise").parameters["max_distance_km"]
        turn = float(BODY.azimuth_deg(lonlat, rise) + rng.normal(0, 7)) if radial else uniform(rng, 0, 360)
        count = float(rng.integers(1, 4))
        return Feature(
            "graben",
            0,
            *pair(lonlat),
            4.0 * count,
            length,
            turn % 180,
            turn % 360,
            age_ga=age(rng, 1.5, 3.5),
            freshness=uniform(rng, 0.5, 1),
            reach_km=length / 2 + 9,
            shape={
                **curved(-2, 2),
                "count": count,
                "spacing_km": uniform(rng, 3.4, 5.0),
                "width_km": uniform(rng, 1.3, 2.5),
                "depth_m": uniform(rng, 170, 340),
            },
        )

    def pits(lonlat: Floats, _: int) -> Feature:
        length, size = uniform(rng, 18, 48), uniform(rng, 1.1, 2.1)
        turn = uniform(rng, 0, 360)
        return Feature(
            "pit_chain",
            0,
            *pair(lonlat),
            size,
            length,
            turn % 180,
            turn,
            age_ga=age(rng, 0.3, 2.0),
            freshness=uniform(rng, 0.6, 1),
            reach_km=length / 2 + 5,
            shape={**curved(-2.5, 2.5), "spacing_km": size * uniform(rng, 1.15, 1.75)},
        )

    def ridges(lonlat: Floats, _: int) -> Feature:
        length, turn = uniform(rng, 35, 75), uniform(rng, 0, 360)
        count = float(rng.integers(1, 4))
        return Feature(
            "wrinkle_ridges",
            0,
            *pair(lonlat),
            5.0 * count,
            length,
            turn % 180,
            turn,
            age_ga=age(rng, 2.8, 3.6),
            freshness=uniform(rng, 0.65, 1.0),
            reach_km=length / 2 + 14,
            shape={
                **curved(-4, 4),
                "count": count,
                "spacing_km": uniform(rng, 5.5, 8.0),
                "height_m": uniform(rng, 150, 250),
                "period_km": uniform(rng, 15, 24),
            },
        )

    p.draw("graben", 62, graben, 6, 8)
    p.draw("pit_chain", 80, pits, 4, 4)
    p.draw("wrinkle_ridges", 85, ridges, 7, 9)


def _lonlat(vector: F32) -> Floats:
    x, y, z = (float(v) for v in vector)
    return np.array([np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(z))])

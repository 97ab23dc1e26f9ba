"""Features that cover ground: patterned and collapsed ground ice, dunes, yardangs, dust devil tracks."""

from __future__ import annotations

from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, uniform
from retrieval.corpus.lowell.placement import Floats, Placement
from retrieval.corpus.lowell.processes import process


def ground_ice(p: Placement) -> None:
    """Araneiforms, polygons and scalloped depressions."""
    rng = p.rng

    def polygons(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 18, 44)
        return Feature(
            "polygons",
            0,
            *pair(lonlat),
            size,
            direction_deg=uniform(rng, 0, 360),
            age_ga=age(rng, 0.01, 0.5),
            freshness=uniform(rng, 0.6, 1),
            reach_km=size * 0.8,
            shape={
                "cell_km": uniform(rng, 1.3, 2.3),
                "depth_m": uniform(rng, 28, 55),
                "trough_brightness": uniform(rng, 0.76, 1.12),
                "stretch": uniform(rng, 0.85, 1.2),
            },
        )

    def scallops(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 18, 40)
        return Feature(
            "scalloped_depressions",
            0,
            *pair(lonlat),
            size,
            direction_deg=0.0 if lonlat[1] > 0 else 180.0,
            age_ga=age(rng, 0.01, 0.5),
            freshness=uniform(rng, 0.6, 1),
            reach_km=size * 0.7,
            shape={
                "spacing_km": uniform(rng, 2.4, 3.9),
                "density": uniform(rng, 0.55, 0.9),
                "depth_m": uniform(rng, 110, 200),
            },
        )

    def spiders(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 17, 34)
        return Feature(
            "araneiforms",
            0,
            *pair(lonlat),
            size,
            direction_deg=uniform(rng, 0, 360),
            age_ga=0.00001,
            freshness=uniform(rng, 0.6, 1),
            reach_km=size * 0.8,
            shape={
                "spacing_km": uniform(rng, 2.6, 4.2),
                "density": uniform(rng, 0.75, 1.0),
                "depth_m": uniform(rng, 45, 85),
                "ground_brightness": uniform(rng, 1.0, 1.12),
                "leg_brightness": uniform(rng, 0.62, 0.86),
                "stretch": uniform(rng, 0.85, 1.2),
            },
        )

    p.draw("araneiforms", 75, spiders, 10, 12)
    p.draw("polygons", 62, polygons, 13, 15)
    p.draw("scalloped_depressions", 62, scallops, 13, 15)


def wind_fields(p: Placement) -> None:
    """Dunes, yardangs and dust devil tracks, along or across the regional wind."""
    rng = p.rng

    def scatter(landform: str) -> float:
        return float(rng.normal(0, process(landform, "wind").parameters["azimuth_scatter_deg"]))

    def dunes(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 16, 44)
        blows = float(p.wind.at(lonlat)[0]) + scatter("transverse_dunes")
        return Feature(
            "transverse_dunes",
            0,
            *pair(lonlat),
            size,
            azimuth_deg=(blows + 90) % 180,
            direction_deg=blows % 360,
            age_ga=0.001,
            reach_km=size * 0.85,
            shape={
                "wavelength_km": uniform(rng, 0.95, 1.8),
                "steepness": uniform(rng, 0.07, 0.11),
                "brightness": uniform(rng, 0.58, 0.85),
                "stretch": uniform(rng, 0.8, 1.25),
            },
        )

    def barchans(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 15, 34)
        blows = float(p.wind.at(lonlat)[0]) + scatter("barchan_dunes")
        return Feature(
            "barchan_dunes",
            0,
            *pair(lonlat),
            size,
            azimuth_deg=blows % 180,
            direction_deg=blows % 360,
            age_ga=0.001,
            reach_km=size * 0.85,
            shape={
                "spacing_km": uniform(rng, 2.3, 3.5),
                "density": uniform(rng, 0.6, 0.9),
                "brightness": uniform(rng, 0.5, 0.75),
                "stretch": uniform(rng, 0.9, 1.3),
            },
        )

    def yardangs(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 18, 44)
        blows = float(p.wind.at(lonlat)[0]) + scatter("yardangs")
        return Feature(
            "yardangs",
            0,
            *pair(lonlat),
            size,
            azimuth_deg=blows % 180,
            direction_deg=blows % 360,
            age_ga=age(rng, 0.05, 1.0),
            freshness=uniform(rng, 0.6, 1),
            reach_km=size * 0.85,
            shape={
                "spacing_km": uniform(rng, 1.1, 1.8),
                "elongation": uniform(rng, 4.0, 7.0),
                "brightness": uniform(rng, 1.04, 1.28),
                "stretch": uniform(rng, 0.9, 1.3),
            },
        )

    def tracks(lonlat: Floats, _: int) -> Feature:
        size = uniform(rng, 20, 46)
        return Feature(
            "dust_devil_tracks",
            0,
            *pair(lonlat),
            size,
            direction_deg=uniform(rng, 0, 360),
            age_ga=0.0005,
            reach_km=size * 0.8,
            shape={"darkness": uniform(rng, 0.5, 0.72)},
        )

    p.draw("transverse_dunes", 62, dunes, 13, 15)
    p.draw("barchan_dunes", 62, barchans, 11, 13)
    p.draw("yardangs", 58, yardangs, 13, 15)
    p.draw("dust_devil_tracks", 48, tracks, 14, 16)

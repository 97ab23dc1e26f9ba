"""Features of slopes and margins: landslides, fans, aprons, valley fill, layers, streaks on dusty hills."""

from __future__ import annotations

from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.draws import age, pair, uniform
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.placement import BODY, Floats, Placement, downhill_deg
from retrieval.corpus.lowell.relief import fields


def slopes(p: Placement) -> None:
    """Everything that lies on the canyon's walls and floor, along the dichotomy and on dusty hills."""
    p.draw("landslide", 230, lambda lonlat, n: landslide(p, lonlat, n), 1.0, 4.2)
    p.draw("layered_deposits", 90, lambda lonlat, _: layered_deposits(p, lonlat), 3, 5.5, strength=1.0)
    p.draw("lineated_valley_fill", 44, lambda lonlat, n: valley_fill(p, lonlat, n), 3, 4.5)
    # Aprons may coalesce, as real ones do.
    p.draw("debris_apron", 190, lambda lonlat, _: debris_apron(p, lonlat), 4.0, 5.5)
    p.draw("alluvial_fan", 185, lambda lonlat, n: alluvial_fan(p, lonlat, n), 7, 9)
    p.draw("slope_streaks", 135, lambda lonlat, _: dusty_hill(p, lonlat), 6, 6.5)


def landslide(p: Placement, lonlat: Floats, choice: int) -> Feature:
    """A slide down the canyon wall, its scar biting the rim."""
    rng = p.rng
    length, width = uniform(rng, 9.5, 15.0), uniform(rng, 6.5, 10.0)
    down = downhill_deg(lambda points: _fields(p, points)[1], lonlat, 3.0)
    rim = BODY.destination(lonlat, down, float(p.candidates.at.canyon_km[choice]))
    centre = BODY.destination(rim, down, 0.5 * length + 2.2)
    return Feature(
        "landslide",
        0,
        *pair(centre),
        width,
        length,
        down % 180,
        down,
        age_ga=age(rng, 0.1, 2.5),
        freshness=uniform(rng, 0.6, 1),
        reach_km=length * 0.65 + 0.7 * width,
        shape={
            "thickness_m": uniform(rng, 160, 300),
            "scar_m": uniform(rng, 550, 900),
            "brightness": uniform(rng, 0.92, 1.12),
            "lobes": uniform(rng, 2.5, 6.0),
        },
    )


def layered_deposits(p: Placement, lonlat: Floats, parent: Feature | None = None) -> Feature:
    """A mound of strata on the canyon's floor, or on the floor of a crater."""
    rng = p.rng
    size = uniform(rng, 8.0, 14.0) if parent is None else parent.diameter_km * uniform(rng, 0.62, 0.74)
    turn = uniform(rng, 0, 360)
    return Feature(
        "layered_deposits",
        0,
        *pair(lonlat),
        size,
        direction_deg=turn,
        age_ga=age(rng, 2.9, 3.5) if parent is None else 0.6 * parent.age_ga,
        freshness=uniform(rng, 0.5, 1),
        parent=-1 if parent is None else parent.number,
        reach_km=size * 0.85,
        shape={
            "layers": float(rng.integers(6, 11)) if parent is None else float(rng.integers(4, 7)),
            "height_m": uniform(rng, 450, 800) if parent is None else 60.0 * size,
            "brightness": uniform(rng, 1.0, 1.2),
            "banding": uniform(rng, 0.25, 0.55),
            "stretch": uniform(rng, 0.85, 1.3) if parent is None else 1.0,
        },
    )


def valley_fill(p: Placement, lonlat: Floats, choice: int) -> Feature:
    """A valley of the dichotomy's margin, filled with ice under debris."""
    rng = p.rng
    length, width = uniform(rng, 28, 52), uniform(rng, 5.5, 8.5)
    near = abs(float(p.candidates.at.boundary_km[choice])) < 60
    # Valleys cut the margin of the highlands and open towards the plains.
    down = downhill_deg(lambda points: _fields(p, points)[0], lonlat, 8.0) if near else uniform(rng, 0, 360)
    down = (down + float(rng.normal(0, 30))) % 360
    return Feature(
        "lineated_valley_fill",
        0,
        *pair(lonlat),
        width,
        length,
        down % 180,
        down,
        age_ga=age(rng, 0.05, 0.7),
        freshness=uniform(rng, 0.6, 1),
        reach_km=length / 2 + 9,
        shape={
            "bend_km": uniform(rng, -5, 5),
            "wave_km": uniform(rng, 0.4, 1.6),
            "period_km": uniform(rng, 20, 34),
            "depth_m": uniform(rng, 420, 720),
            "ridge_km": uniform(rng, 0.7, 1.0),
            "knob_spacing_km": uniform(rng, 9, 14),
            "floor_brightness": uniform(rng, 0.94, 1.08),
        },
    )


def debris_apron(p: Placement, lonlat: Floats) -> Feature:
    """A massif with its apron."""
    rng = p.rng
    size = uniform(rng, 9.0, 14.0)
    return Feature(
        "debris_apron",
        0,
        *pair(lonlat),
        size,
        direction_deg=uniform(rng, 0, 180),
        age_ga=age(rng, 0.05, 0.7),
        freshness=uniform(rng, 0.6, 1),
        reach_km=size * 0.75,
        shape={
            "core_share": uniform(rng, 0.34, 0.50),
            "apron_m": uniform(rng, 200, 340),
            "massif_m": uniform(rng, 550, 900),
            "brightness": uniform(rng, 0.98, 1.14),
            "stretch": uniform(rng, 0.9, 1.25),
        },
    )


def alluvial_fan(p: Placement, lonlat: Floats, choice: int) -> Feature:
    """A fan at the foot of a massif, opening towards the plains."""
    rng = p.rng
    size = uniform(rng, 6.5, 10.0)
    near = abs(float(p.candidates.at.boundary_km[choice])) < 70
    down = downhill_deg(lambda points: _fields(p, points)[0], lonlat, 8.0) if near else uniform(rng, 0, 360)
    return Feature(
        "alluvial_fan",
        0,
        *pair(lonlat),
        size,
        direction_deg=down,
        age_ga=age(rng, 1.0, 3.4),
        freshness=uniform(rng, 0.5, 1),
        reach_km=size * 2.1,
        shape={
            "half_angle_rad": uniform(rng, 0.75, 1.15),
            "front_m": uniform(rng, 500, 800),
            "fan_m": uniform(rng, 260, 440),
            "brightness": uniform(rng, 1.05, 1.28),
            "body": 1.1,
        },
    )


def dusty_hill(p: Placement, lonlat: Floats) -> Feature:
    """A hill under bright dust, with streaks down its flanks."""
    rng = p.rng
    size = uniform(rng, 8.0, 13.0)
    return Feature(
        "slope_streaks",
        0,
        *pair(lonlat),
        size,
        direction_deg=uniform(rng, 0, 180),
        age_ga=0.0002,
        reach_km=size * 0.95,
        shape={
            "height_m": uniform(rng, 700, 1200),
            "stretch": uniform(rng, 1.0, 1.45),
            "spacing_km": uniform(rng, 0.6, 1.0),
            "density": uniform(rng, 0.45, 0.8),
            "darkness": uniform(rng, 0.42, 0.64),
        },
    )


def _fields(p: Placement, points: F32) -> tuple[F32, F32]:
    at = fields(p.regions, p.noise, points)
    return at.boundary_km, at.canyon_km

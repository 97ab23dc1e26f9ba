"""The truth of a planet: catalogue, gazetteer and tile labels.

A tile carries a landform's label when the landform is clearly visible in it. The rule and its amount stand
with each landform in `landforms`:

- ``whole``: at least that share of the body of one feature lies in the footprint, and the body is at least a
  tenth of the tile across;
- ``length``: at least so many tile sides of the features' lines, strands or branches run inside;
- ``cover``: at least that share of the footprint is covered;
- or, for the last two, at least 60 % of a feature lies inside and covers (or is as long as) a fifth of that.

What lies in a gap of the pictures does not count, nor what a younger feature hides (`covers`).

`plains` is the label of a tile that no feature touches noticeably and that no escarpment crosses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from retrieval.body import Body, chord, unit_vectors
from retrieval.corpus.lowell.canvas import Feature, field_mask
from retrieval.corpus.lowell.landforms import KEYS, LANDFORMS, PLAINS
from retrieval.corpus.lowell.light import in_gap
from retrieval.corpus.lowell.names import place_names
from retrieval.corpus.lowell.placement import (
    BODY,
    Floats,
    Wind,
    course_points,
    line_points,
    plane_to_lonlat,
)
from retrieval.corpus.lowell.relief import CANYON_WALL_KM, RADIUS_KM, Regions, fields
from retrieval.spatial.shapes import normalised

if TYPE_CHECKING:
    from retrieval.corpus.lowell.planet import Planet

WHOLE_SHARE = 0.6
SMALLEST_SHARE = 0.10
# Touched by at least this share of a label's worth, a tile is no longer plains.
TRACE = 0.15


def catalogue(features: Sequence[Feature], body: Body) -> gpd.GeoDataFrame:
    """All features: the columns of every catalogue, then age_ga, freshness, parent, direction_deg.

    ``lon`` and ``lat`` are the centre. The geometry of what has a course (channels, flows, ridges, valleys,
    slides) is that course, of everything else the centre.
    """
    numbers = {f.number: f.id for f in features}
    table = pd.DataFrame(
        {
            "id": [f.id for f in features],
            "name": [f"{LANDFORMS[f.landform].words} {f.number}" for f in features],
            "landform": [f.landform for f in features],
            "lon": [f.lon for f in features],
            "lat": [f.lat for f in features],
            "diameter_km": [f.diameter_km for f in features],
            "length_km": [f.length_km if f.length_km > 0 else np.nan for f in features],
            "azimuth_deg": [f.azimuth_deg for f in features],
            "age_ga": [f.age_ga for f in features],
            "freshness": [f.freshness for f in features],
            "parent": [numbers.get(f.parent, "") for f in features],
            "direction_deg": [f.direction_deg for f in features],
        }
    )
    shapes, _ = normalised([course(f) for f in features], body)
    return gpd.GeoDataFrame(table, geometry=shapes, crs=body.crs)


def course(feature: Feature) -> Any:
    """Middle line of a long feature, all segments of a branching one, the centre of any other; lonlat.

    Not cut at the antimeridian: `normalised` does that.
    """
    if feature.branches is not None:
        ends = feature.branches[:, :4].astype(float).reshape(-1, 2)
        lonlat = BODY.offsets_to_lonlat([feature.lon, feature.lat], ends[:, 0], ends[:, 1])
        return shapely.line_merge(shapely.multilinestrings(lonlat.reshape(-1, 2, 2)))
    points = course_points(feature)
    return shapely.linestrings(points) if len(points) > 1 else shapely.points(points[0])


def gazetteer(seed: int, regions: Regions, wind: Wind, body: Body) -> gpd.GeoDataFrame:
    """Named places: rise, canyon, plains, highlands, basins, caps and the wind regions."""
    rows = [(name, lon, lat, size, np.nan) for name, lon, lat, size in place_names(seed, regions)]
    rows += [
        (f"Wind region {n + 1}", lon, lat, 2 * RADIUS_KM * 0.39, azimuth % 180)
        for n, ((lon, lat), azimuth) in enumerate(zip(wind.lonlat, wind.azimuth_deg, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["name", "lon", "lat", "diameter_km", "azimuth_deg"])
    table.insert(0, "id", [f"place-{n:03d}" for n in range(len(table))])
    table.insert(2, "landform", "place")
    table.insert(6, "length_km", np.nan)
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table["lon"], table["lat"]), crs=body.crs)


def labels(planet: Planet, centres: Floats, tile_km: float) -> pd.DataFrame:
    """Label square patches by the rule at the top of this module; bool, shape (n, landform keys)."""
    return judged(planet, centres, tile_km)[0]


def judged(planet: Planet, centres: Floats, tile_km: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels of square patches, and which patches show a landform only in part.

    Returns
    -------
    labels
        As `labels`.
    partly
        Bool, the same shape: between half of what earns the label and all of it. Whoever looks at such a
        patch sees the landform, cut by an edge or small: neither a hit nor a miss.
    """
    amount, touched = evidence(planet, centres, tile_km)
    table = amount >= 1.0
    scarps = near_escarpment(planet, centres, tile_km)
    table[PLAINS] = ~table.any(axis=1) & (touched < TRACE) & ~scarps
    partly = (amount >= 0.5) & ~table[amount.columns]
    partly[PLAINS] = ~table.any(axis=1) & (touched < 2 * TRACE) & ~scarps
    return table[list(KEYS)], partly[list(KEYS)]


def evidence(planet: Planet, centres: Floats, tile_km: float) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """How much of each landform a patch shows, in units of what earns the label.

    Returns
    -------
    evidence
        Shape (n, landforms): 1 or more carries the label.
    touched
        Shape (n,): all landforms together, for the label of plains.
    """
    tree = cKDTree(unit_vectors(centres))
    amount = {key: np.zeros(len(centres)) for key in LANDFORMS}
    covered = {key: np.zeros(len(centres)) for key in LANDFORMS}
    touched = np.zeros(len(centres))
    bodies = [body_points(feature) for feature in planet.features]
    covers = Covers(planet.features, bodies)
    for feature, (lonlat, weight) in zip(planet.features, bodies, strict=True):
        row = LANDFORMS[feature.landform]
        total = len(lonlat)
        points = unit_vectors(lonlat)
        lonlat = lonlat[~in_gap(planet.seed, points.astype(np.float32)) & ~covers.hide(feature, points)]
        if not len(lonlat):
            continue
        tiles, inside = _inside(tree, centres, tile_km, lonlat)
        if not len(tiles):
            continue
        share = inside / total
        worth = total * weight  # km of line or km2 of area
        if row.mark == "whole":
            size = feature.diameter_km * feature.shape.get("body", 1.0)
            big = size >= SMALLEST_SHARE * tile_km
            np.maximum.at(amount[row.key], tiles, share / row.least * big)
            area = share * (np.pi / 4 * size**2) / tile_km**2
            touched[tiles] += np.maximum(share * big, area / 0.05) * (size > 0.05 * tile_km)
        else:
            need = row.least * (tile_km**2 if row.mark == "cover" else tile_km)
            covered[row.key][tiles] += inside * weight / need
            if worth >= 0.2 * need:
                np.maximum.at(amount[row.key], tiles, share / WHOLE_SHARE)
            touched[tiles] += inside * weight / need
    return pd.DataFrame({key: np.maximum(amount[key], covered[key]) for key in LANDFORMS}), touched


class Covers:
    """What younger features hide of older ones.

    A covering feature is its disc, or the ground within half a width or one step of the points of its body.

    Parameters
    ----------
    features
        All features of a planet.
    bodies
        Points, lonlat (n, 2), and km or km2 of each, per feature.
    """

    def __init__(self, features: Sequence[Feature], bodies: Sequence[tuple[Floats, float]]) -> None:
        self._features = [f for f in features if LANDFORMS[f.landform].covers]
        self._points, reach, near = [], [], []
        for feature in self._features:
            kind, (lonlat, weight) = LANDFORMS[feature.landform].body, bodies[feature.number]
            middle = feature.frame[0].astype(float)
            if kind == "disc":
                points, close = middle[None], 0.48 * feature.diameter_km * feature.shape.get("body", 1.0)
            else:
                points = unit_vectors(lonlat)
                close = 0.4 * feature.diameter_km if kind == "line" else 0.75 * weight**0.5
            self._points.append(points)
            near.append(close)
            reach.append(float(np.arccos(np.clip((points @ middle).min(), -1, 1))) + close / RADIUS_KM)
        self._near = np.asarray(chord(np.array(near) / RADIUS_KM))
        self._reach = np.array(reach)
        self._age = np.array([f.age_ga for f in self._features])
        self._middles = np.array([f.frame[0] for f in self._features], dtype=float).reshape(-1, 3)

    def hide(self, feature: Feature, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points of a feature, unit vectors (n, 3), lie under a younger one, shape (n,).

        What lies on a feature, a child, is part of its picture and hides nothing of it.
        """
        hidden = np.zeros(len(points), dtype=bool)
        if not len(points) or not len(self._features):
            return hidden
        middle, spread = _cap(points)
        apart = np.arccos(np.clip(self._middles @ middle, -1, 1))
        for n in np.flatnonzero((apart < self._reach + spread) & (self._age < feature.age_ga)).tolist():
            if self._features[n].parent == feature.number or self._features[n].number == feature.parent:
                continue
            gap = cdist(points, self._points[n]).min(axis=1)
            hidden |= gap < self._near[n]
        return hidden


def near_escarpment(planet: Planet, centres: Floats, tile_km: float) -> NDArray[np.bool_]:
    """Whether the dichotomy scarp or a canyon wall crosses each patch, shape (n,)."""
    at = fields(planet.regions, planet.noise, unit_vectors(centres).astype(np.float32))
    half = tile_km / 2
    wall = (at.canyon_km < half + 1) & (at.canyon_km > -CANYON_WALL_KM - half)
    return np.asarray((np.abs(at.boundary_km) < half + 2.5) | wall)


def tile_members(planet: Planet, centres: Floats, tile_km: float) -> list[list[int]]:
    """Numbers of the features whose centres lie in each patch."""
    tree = cKDTree(unit_vectors(centres))
    members: list[list[int]] = [[] for _ in range(len(centres))]
    for feature in planet.features:
        tiles, _ = _inside(tree, centres, tile_km, np.array([[feature.lon, feature.lat]]))
        for tile in tiles.tolist():
            members[tile].append(feature.number)
    return members


def body_points(feature: Feature) -> tuple[Floats, float]:
    """Points spread evenly over the body of a feature, and the km or km2 that each stands for."""
    body = LANDFORMS[feature.landform].body
    if body == "line":
        return line_points(feature, 0.5), 0.5
    if body == "strands":
        # The tips fade out: they do not count.
        s = np.arange(-0.42 * feature.length_km, 0.42 * feature.length_km, 0.5)
        middle = feature.curve(s.astype(np.float32)).astype(float)
        count = int(feature.shape["count"])
        off = (np.arange(count) - (count - 1) / 2) * feature.shape["spacing_km"]
        t = (middle[None, :] + off[:, None]).ravel()
        return plane_to_lonlat(feature, np.tile(s, count), t), 0.5
    if body == "branches" and feature.branches is not None:
        share = np.linspace(0.125, 0.875, 4)[None, :, None]
        a, b = feature.branches[:, None, 0:2], feature.branches[:, None, 2:4]
        xy = (a + (b - a) * share).reshape(-1, 2)
        length = float(np.hypot(*(b - a)[:, 0].T).sum())
        return BODY.offsets_to_lonlat([feature.lon, feature.lat], xy[:, 0], xy[:, 1]), length / len(xy)
    if body == "wall":
        turn = np.linspace(-1, 1, 13) * feature.shape["half_width_rad"] + np.radians(feature.direction_deg)
        reach = feature.diameter_km / 2 * np.array([0.55, 0.75, 0.95])
        s = (reach[:, None] * np.cos(turn)).ravel()
        t = (reach[:, None] * np.sin(turn)).ravel()
        return BODY.offsets_to_lonlat([feature.lon, feature.lat], t, s), 1.0
    if body == "outline":
        return _outline_points(feature)
    # Sunflower spiral: even over the disc.
    n = np.arange(80) + 0.5
    radius = feature.diameter_km / 2 * feature.shape.get("body", 1.0)
    rho, turn = radius * np.sqrt(n / 80), n * 2.399963
    lonlat = plane_to_lonlat(feature, rho * np.cos(turn), rho * np.sin(turn))
    return lonlat, float(np.pi * radius**2 / 80)


def _outline_points(feature: Feature) -> tuple[Floats, float]:
    reach, step = feature.reach_km, max(0.8, feature.diameter_km / 40)
    along = np.arange(-reach, reach + step, step, dtype=np.float32)
    x, y = np.meshgrid(along, along)
    inside = field_mask(feature, x, y) > 0.5
    return BODY.offsets_to_lonlat([feature.lon, feature.lat], x[inside], y[inside]), step * step


def _inside(
    tree: cKDTree, centres: Floats, tile_km: float, lonlat: Floats
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    # Tiles that hold points, and how many each holds.
    points = unit_vectors(lonlat)
    middle, spread = _cap(points)
    near = np.asarray(
        tree.query_ball_point(middle, chord(spread + 0.75 * tile_km / RADIUS_KM)), dtype=np.int64
    )
    if not len(near):
        return near, np.zeros(0)
    east, north = BODY.lonlat_to_offsets(centres[near][:, None, :], lonlat[None, :, :])
    counts = ((np.abs(east) <= tile_km / 2) & (np.abs(north) <= tile_km / 2)).sum(axis=1).astype(float)
    return near[counts > 0], counts[counts > 0]


def _cap(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Middle of unit vectors (n, 3), and the angle, radians, within which all of them lie."""
    middle = points.mean(axis=0)
    middle /= np.linalg.norm(middle)
    return middle, float(np.arccos(np.clip((points @ middle).min(), -1, 1)))

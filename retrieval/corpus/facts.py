"""What is known of a tile: its landforms with size, side and direction, its place, its terrain, its picture.

Captions are written from these facts and held against them. Three things are told apart throughout: what a
tile shows, what it surely does not show (`TileFacts.absent`), and what nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from retrieval.body import Body, chord, unit_vectors
from retrieval.corpus.lowell.landforms import KEYS, LANDFORMS, PLAINS
from retrieval.corpus.lowell.planet import Planet
from retrieval.corpus.lowell.truth import SMALLEST_SHARE, WHOLE_SHARE, body_points, near_escarpment

Floats = NDArray[np.float64]
OCTANTS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
NEAREST_WITHIN_KM = 150.0  # farther away a neighbour says nothing about a tile
# A catalogued feature smaller than this share of the tile is a few pixels wide and not called shown.
LEAST_SIZE = 0.05
_CENTRAL = 0.15  # share of the tile: closer to its middle a feature lies on no side


@dataclass(frozen=True)
class Fact:
    """One measured or catalogued value: what, how much, in which unit, known from what."""

    name: str
    value: float | int | str | bool
    unit: str = ""
    source: str = ""


@dataclass(frozen=True)
class Member:
    """A feature that touches a tile.

    Attributes
    ----------
    landform
        Its key.
    diameter_km, length_km, azimuth_deg, freshness
        NaN where unknown; the azimuth is axial, 0..180 clockwise from north.
    east, north
        Where the middle of its part inside the tile lies, as shares of the tile's side from the centre.
    whole
        Whether most of it lies inside, so that it can be counted and lies on one side of the tile.
    """

    landform: str
    diameter_km: float
    length_km: float
    azimuth_deg: float
    freshness: float
    east: float
    north: float
    whole: bool

    @property
    def side(self) -> str:
        """``centre`` or the compass octant of the tile in which it lies."""
        if np.hypot(self.east, self.north) < _CENTRAL:
            return "centre"
        bearing = np.degrees(np.arctan2(self.east, self.north)) % 360.0
        return OCTANTS[round(bearing / 45.0) % 8]


@dataclass(frozen=True)
class TileFacts:
    """What is known of a tile.

    Attributes
    ----------
    landforms
        Keys that the tile clearly shows, most prominent first; ``("plains",)`` for surely nothing, empty for
        nothing that could be named.
    size_km
        Diameter of the largest member of a landform in the tile.
    freshness
        0 nearly erased, 1 pristine, of that member.
    lat
        Latitude of the centre, degrees; None leaves it unsaid.
    near_scarp
        Whether an escarpment or canyon wall crosses the tile; None if unknown.
    lon
        Longitude of the centre, degrees.
    absent
        Keys that the tile surely does not show, not even in part.
    members
        Features that touch the tile.
    more
        Keys of which there may be more members than are listed, so that they cannot be counted.
    nearest_km
        Distance from the centre to the nearest feature of each kind that does not touch the tile.
    values
        Measured numbers, the unit in the name: ``elevation_m``, ``relief_m``, ``slope_deg``,
        ``slope_p90_deg`` (each also with ``_x3``, ``_x9`` for that many tile sides), ``nodata_share``,
        ``contrast_dn``, ``mean_dn``, ``grain_azimuth_deg``, ``grain_strength``.
    tile_km
        Side of the tile, for sizes in words.
    sources
        Where the landforms and each group of values come from.
    """

    landforms: tuple[str, ...]
    size_km: Mapping[str, float] = field(default_factory=dict)
    freshness: Mapping[str, float] = field(default_factory=dict)
    lat: float | None = None
    near_scarp: bool | None = None
    lon: float | None = None
    absent: frozenset[str] = frozenset()
    members: tuple[Member, ...] = ()
    more: frozenset[str] = frozenset()
    nearest_km: Mapping[str, float] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    tile_km: float | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def whole(self, key: str) -> tuple[Member, ...]:
        """Members of a landform that lie inside the tile, the largest first."""
        found = [m for m in self.members if m.landform == key and m.whole]
        return tuple(sorted(found, key=lambda m: -m.diameter_km))


def record_of(facts: TileFacts) -> list[Fact]:
    """The facts as a flat list for people and files."""
    return list(_records(facts))


def _records(facts: TileFacts) -> Iterator[Fact]:
    source = facts.sources.get("landforms", "")
    if facts.lat is not None:
        yield Fact("lat", round(facts.lat, 4), "deg", "grid")
        yield Fact("band", latitude_band(facts.lat), "", "grid")
        yield Fact("hemisphere", "north" if facts.lat >= 0 else "south", "", "grid")
    if facts.lon is not None:
        yield Fact("lon", round(facts.lon, 4), "deg", "grid")
    if facts.near_scarp is not None:
        yield Fact("escarpment", facts.near_scarp, "", source)
    for key in facts.landforms:
        yield Fact(f"{key}.shown", True, "", source)
        inside = facts.whole(key)
        if inside and key not in facts.more:
            yield Fact(f"{key}.count", len(inside), "", source)
        if inside:
            yield Fact(f"{key}.side", inside[0].side, "", source)
        if key in facts.size_km:
            yield Fact(f"{key}.diameter_km", round(facts.size_km[key], 2), "km", source)
        azimuths = [m.azimuth_deg for m in facts.members if m.landform == key and np.isfinite(m.azimuth_deg)]
        if azimuths:
            yield Fact(f"{key}.azimuth_deg", round(azimuths[0], 1), "deg", source)
    for key, distance in facts.nearest_km.items():
        yield Fact(f"{key}.nearest_km", round(distance, 1), "km", source)
    for name, value in facts.values.items():
        if np.isfinite(value):
            kind = "picture" if name.startswith(("nodata", "contrast", "mean_dn", "grain")) else "terrain"
            yield Fact(name, round(float(value), 3), _unit(name), facts.sources.get(kind, ""))


def _unit(name: str) -> str:
    plain = name.split("_x")[0]
    return next((unit for unit in ("deg", "dn", "km", "m") if plain.endswith("_" + unit)), "")


def latitude_band(lat: float) -> str:
    """``equatorial``, ``low``, ``middle`` or ``high``: below 12, 30, 58 degrees, and above."""
    north = abs(lat)
    return "equatorial" if north < 12 else "low" if north < 30 else "middle" if north < 58 else "high"


def lowell_facts(
    planet: Planet, centres: ArrayLike, tile_km: float, labels: pd.DataFrame | None = None
) -> list[TileFacts]:
    """Facts of square patches of a synthetic planet from its truth.

    Parameters
    ----------
    centres
        Lonlat, shape (n, 2).
    labels
        What `Planet.labels_at` gives for these patches, if that is at hand already.
    """
    points = np.atleast_2d(np.asarray(centres, dtype=float))
    shown = planet.labels_at(points, tile_km) if labels is None else labels
    members: list[list[Member]] = [[] for _ in range(len(points))]
    tree = cKDTree(unit_vectors(points))
    for feature in planet.features:
        row = LANDFORMS[feature.landform]
        lonlat, _ = body_points(feature)
        size = feature.diameter_km * feature.shape.get("body", 1.0)
        # What a long or wide feature draws beyond its body is about as wide as it is; a round one reaches.
        extra = feature.reach_km - size / 2 if row.body == "disc" else 0.75 * feature.diameter_km
        tiles, east, north = _offsets(tree, points, tile_km + 2 * max(extra, 0.0), lonlat, planet.body)
        if not len(tiles):
            continue
        inside = (np.abs(east) <= tile_km / 2) & (np.abs(north) <= tile_km / 2)
        share = inside.mean(axis=1)
        near = ((np.abs(east) <= tile_km / 2 + extra) & (np.abs(north) <= tile_km / 2 + extra)).any(axis=1)
        countable = row.mark == "whole" and size >= SMALLEST_SHARE * tile_km
        for n in np.flatnonzero(near).tolist():
            here = inside[n] if inside[n].any() else slice(None)
            member = Member(
                feature.landform,
                feature.diameter_km,
                feature.length_km if feature.length_km > 0 else float("nan"),
                feature.azimuth_deg,
                feature.freshness,
                float(east[n, here].mean()) / tile_km,
                float(north[n, here].mean()) / tile_km,
                bool(countable and share[n] >= WHOLE_SHARE),
            )
            members[tiles[n]].append(member)
    scarps = near_escarpment(planet, points, tile_km)
    small = _background_counts(planet, points, tile_km)
    nearest = _nearest(
        planet.body,
        points,
        np.array([[f.lon, f.lat] for f in planet.features]),
        np.array([f.landform for f in planet.features]),
    )
    columns = np.asarray(shown.columns)
    order = {key: n for n, key in enumerate(KEYS)}
    found = []
    for n, row_of in enumerate(shown.to_numpy(dtype=bool)):
        touching = {m.landform for m in members[n]}
        sizes, fresh = _largest([m for m in members[n] if m.whole and LANDFORMS[m.landform].body == "disc"])
        # Unnamed small craters are simple craters too small for the label.
        more = frozenset({"simple_crater"}) if small[n] else frozenset()
        keys = columns[row_of].tolist()
        found.append(
            TileFacts(
                landforms=tuple(sorted(keys, key=lambda k: (-sizes.get(k, 12.0), order[k]))),
                size_km=sizes,
                freshness=fresh,
                lat=float(points[n, 1]),
                near_scarp=bool(scarps[n]),
                lon=float(points[n, 0]),
                absent=frozenset(LANDFORMS) - touching - more,
                members=tuple(members[n]),
                more=more,
                nearest_km={k: v for k, v in nearest[n].items() if k not in touching},
                tile_km=tile_km,
                sources={"landforms": "truth of the planet"},
            )
        )
    return found


def catalogue_facts(
    catalogues: Sequence[gpd.GeoDataFrame], body: Body, centres: ArrayLike, tile_km: float
) -> list[TileFacts]:
    """Facts of square patches from catalogues in the schema of `read_catalogue`.

    A feature is shown by a tile that holds most of it and is not more than twenty times as wide. Catalogues
    are taken as complete for the landforms that they list, so a tile that none of them touches has none.

    Parameters
    ----------
    centres
        Lonlat, shape (n, 2).
    """
    points = np.atleast_2d(np.asarray(centres, dtype=float))
    if not catalogues:
        return [TileFacts((), lat=float(p[1]), lon=float(p[0]), tile_km=tile_km) for p in points]
    columns = ["landform", "lon", "lat", "diameter_km", "length_km", "azimuth_deg"]
    table = pd.concat([pd.DataFrame(c[columns]) for c in catalogues], ignore_index=True)
    fresh = pd.concat([c.get("freshness", pd.Series(np.nan, index=c.index)) for c in catalogues])
    lonlat = table[["lon", "lat"]].to_numpy(float)
    kinds = table["landform"].to_numpy(str)
    numbers = {name: table[name].to_numpy(float) for name in ("diameter_km", "length_km", "azimuth_deg")} | {
        "freshness": fresh.to_numpy(float)
    }
    radius = np.nan_to_num(table[["diameter_km", "length_km"]].max(axis=1).to_numpy(float)) / 2
    tree = cKDTree(unit_vectors(points))
    members: list[list[Member]] = [[] for _ in range(len(points))]
    half = tile_km / 2
    reach = chord((tile_km * np.sqrt(0.5) + radius) / body.radius_km)
    near = tree.query_ball_point(unit_vectors(lonlat), reach)
    for row, tiles in enumerate(near):
        if not tiles:
            continue
        east, north = body.lonlat_to_offsets(points[tiles], lonlat[row])
        # A round feature: inside by at least 60 % once its centre is a fifth of its radius inside.
        edge = half - np.maximum(np.abs(east), np.abs(north))
        diameter, length, azimuth, state = (float(values[row]) for values in numbers.values())
        seen = not diameter < LEAST_SIZE * tile_km
        for tile, e, n, margin in zip(tiles, east.tolist(), north.tolist(), edge.tolist(), strict=True):
            if margin > -radius[row]:
                whole = seen and margin >= 0.2 * radius[row] and radius[row] <= half * np.sqrt(2)
                members[tile].append(
                    Member(kinds[row], diameter, length, azimuth, state, e / tile_km, n / tile_km, whole)
                )
    nearest = _nearest(body, points, lonlat, kinds)
    every = frozenset(kinds.tolist())
    files = ", ".join(str(c.attrs.get("file", "catalogue")) for c in catalogues)
    found = []
    for n, here in enumerate(members):
        touching = {m.landform for m in here}
        sizes, freshness = _largest([m for m in here if m.whole])
        shown = {m.landform for m in here if m.whole}
        found.append(
            TileFacts(
                landforms=tuple(sorted(shown, key=lambda k: (-sizes.get(k, 0.0), k))),
                size_km=sizes,
                freshness=freshness,
                lat=float(points[n, 1]),
                lon=float(points[n, 0]),
                absent=every - touching,
                members=tuple(here),
                nearest_km={k: v for k, v in nearest[n].items() if k not in touching},
                tile_km=tile_km,
                sources={"landforms": files},
            )
        )
    return found


def _largest(members: Sequence[Member]) -> tuple[dict[str, float], dict[str, float]]:
    """Diameter and freshness of the largest member of each landform."""
    sizes: dict[str, float] = {}
    fresh: dict[str, float] = {}
    for member in members:
        if member.diameter_km > sizes.get(member.landform, 0.0):
            sizes[member.landform] = member.diameter_km
            fresh.pop(member.landform, None)
            if np.isfinite(member.freshness):
                fresh[member.landform] = member.freshness
    return sizes, fresh


def _offsets(
    tree: cKDTree, centres: Floats, reach_km: float, lonlat: Floats, body: Body
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Patches of ``reach_km`` near points (m, 2), and the points' offsets from them, (k, m) each, km."""
    points = unit_vectors(lonlat)
    middle = points.mean(axis=0)
    middle /= np.linalg.norm(middle)
    spread = float(np.arccos(np.clip((points @ middle).min(), -1, 1)))
    angle = spread + 0.75 * reach_km / body.radius_km
    near = np.asarray(tree.query_ball_point(middle, float(chord(angle))), dtype=np.int64)
    if not len(near):
        return near, np.zeros((0, 0)), np.zeros((0, 0))
    east, north = body.lonlat_to_offsets(centres[near][:, None, :], lonlat[None, :, :])
    return near, east, north


def _background_counts(planet: Planet, centres: Floats, tile_km: float) -> NDArray[np.bool_]:
    """Whether any unnamed small crater lies in or beside each patch."""
    tree = cKDTree(planet.background[0])
    reach = float(chord(0.75 * tile_km / planet.body.radius_km))
    counts = tree.query_ball_point(unit_vectors(centres), reach, return_length=True)
    return np.asarray(counts > 0)


def _nearest(body: Body, centres: Floats, lonlat: Floats, kinds: NDArray[Any]) -> list[dict[str, float]]:
    """Per patch, the great-circle distance to the nearest feature of each kind, if it is not far."""
    found: list[dict[str, float]] = [{} for _ in range(len(centres))]
    points = unit_vectors(centres)
    for kind in sorted(set(kinds.tolist()) - {PLAINS}):
        distance, _ = cKDTree(unit_vectors(lonlat[kinds == kind])).query(points)
        km = 2.0 * np.arcsin(np.clip(distance / 2.0, 0.0, 1.0)) * body.radius_km
        for n in np.flatnonzero(km <= NEAREST_WITHIN_KM).tolist():
            found[n][str(kind)] = float(km[n])
    return found

"""Projections: the ground on the plane of a map, and shapes cut to what the map shows.

A plane is measured in radii of the body from the middle of the map, x to the right and y up, and lengths are
true at the middle. `Flat` draws longitude and latitude straight (equirectangular); `Azimuthal` looks at
the body from above the middle, and has no seam and no stretched pole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body, to_east_180
from retrieval.spatial.shapes import Shapes, normalised
from tools.maps.views import round_step

Floats = NDArray[np.float64]
Law = Literal["equal-area", "stereographic", "orthographic"]

STEP_DEG = 1.0  # edges are drawn as chords of at most this; shorter where the map shows little
_UNIT = Body("unit sphere", 1000.0, "OGC:CRS84")


@dataclass(frozen=True)
class Line:
    """A meridian or parallel on the plane, cut to the map."""

    axis: Literal["lon", "lat"]
    degrees: float
    path: Any  # shapely


@dataclass(frozen=True)
class _Projection:
    """What both kinds share.

    Attributes
    ----------
    lon, lat
        Middle of the map, degrees.
    half_width, half_height
        Half the size of the map, radii of the body.
    """

    lon: float
    lat: float
    half_width: float
    half_height: float

    @property
    def round(self) -> bool:
        """Whether the map is a disc in its frame."""
        return False

    @cached_property
    def frame(self) -> Any:
        """Outline of what is shown, on the plane: a polygon."""
        if self.round:
            return shapely.Point(0, 0).buffer(self.half_width, quad_segs=90)
        return shapely.box(-self.half_width, -self.half_height, self.half_width, self.half_height)

    def to_plane(self, lonlat: ArrayLike) -> Floats:
        """Positions (..., 2), degrees, to the plane, (..., 2); NaN where the map does not show them."""
        xy = self._forward(np.asarray(lonlat, dtype=float))
        slack = 1.0 + 1e-9
        size = np.hypot(xy[..., 0], xy[..., 1])[..., None] if self.round else np.abs(xy)
        most = self.half_width if self.round else np.array([self.half_width, self.half_height])
        return np.where((size <= most * slack).all(axis=-1, keepdims=True), xy, np.nan)

    def pixels(self, width_px: int, height_px: int) -> Floats:
        """Position of each pixel of a picture of the map, (height, width, 2); NaN beside the body."""
        x = ((np.arange(width_px) + 0.5) / width_px * 2.0 - 1.0) * self.half_width
        y = (1.0 - (np.arange(height_px) + 0.5) / height_px * 2.0) * self.half_height
        return self.to_lonlat(np.stack(np.meshgrid(x, y), axis=-1))

    def frame_lonlat(self) -> Floats:
        """Positions along the outline of the map, (n, 2), degrees."""
        edge = shapely.segmentize(self.frame, min(self.half_width, self.half_height) / 20.0)
        return self.to_lonlat(shapely.get_coordinates(edge) * (1.0 - 1e-9))

    def scale_bar(self, radius_km: float, parts: int = 8) -> tuple[float, float]:
        """A round length, km, near the map's width over ``parts``, and its length on the plane.

        Lengths are true at the middle: the bar lies across it, from west to east.
        """
        length_km = round_step(2.0 * self.half_width * radius_km, parts)
        half = length_km / radius_km / 2.0
        return length_km, 2.0 * self._along(half)

    def size_km(self, radius_km: float) -> tuple[float, float]:
        """Width and height of the map on the ground, along the lines through its middle, km."""
        return 2.0 * self.half_width * radius_km, 2.0 * self.half_height * radius_km

    def _forward(self, lonlat: Floats) -> Floats:
        raise NotImplementedError

    def _along(self, radians: float) -> float:
        """Length on the plane of an arc from the middle towards the east."""
        return radians

    def to_lonlat(self, xy: ArrayLike) -> Floats:
        """The plane to positions, degrees, (..., 2); NaN beside the body."""
        raise NotImplementedError

    def cut(self, shapes: Shapes) -> Shapes:
        """Lines and polygons on the plane, within the frame; None for those that are not shown."""
        raise NotImplementedError

    def _framed(self, drawn: Shapes) -> Shapes:
        # Only what crosses the frame is cut: most shapes lie wholly inside or outside.
        shapely.prepare(self.frame)
        out = ~shapely.intersects(self.frame, drawn)
        across = ~out & ~shapely.contains_properly(self.frame, drawn)
        drawn = drawn.copy()
        drawn[across] = shapely.intersection(drawn[across], self.frame)
        drawn[out | shapely.is_empty(drawn)] = None
        return drawn


@dataclass(frozen=True)
class Flat(_Projection):
    """Equirectangular: east-west lengths are true at the latitude of the middle."""

    name = "equirectangular"

    @property
    def stretch(self) -> float:
        """Width of a degree of longitude in units of a degree of latitude."""
        return math.cos(math.radians(self.lat))

    @property
    def west(self) -> float:
        """Western edge, degrees; `east` runs on beyond 180 where the map crosses it."""
        return self.lon - math.degrees(self.half_width / self.stretch)

    @property
    def east(self) -> float:
        """Eastern edge, degrees."""
        return self.lon + math.degrees(self.half_width / self.stretch)

    @property
    def south(self) -> float:
        """Southern edge, degrees."""
        return self.lat - math.degrees(self.half_height)

    @property
    def north(self) -> float:
        """Northern edge, degrees."""
        return self.lat + math.degrees(self.half_height)

    @property
    def whole(self) -> bool:
        """Whether it is the whole body."""
        return self.east - self.west >= 360.0 - 1e-9

    def _forward(self, lonlat: Floats) -> Floats:
        turned = (lonlat[..., 0] - self.lon + 180.0) % 360.0 - 180.0
        return self._sheet(np.stack([turned, lonlat[..., 1]], axis=-1))

    def _sheet(self, lonlat: Floats) -> Floats:
        # Longitudes counted from the middle, as they are.
        return np.asarray(np.radians(lonlat - np.array([0.0, self.lat])) * np.array([self.stretch, 1.0]))

    def to_lonlat(self, xy: ArrayLike) -> Floats:
        """The plane to positions, degrees, (..., 2); NaN beyond the poles."""
        plane = np.asarray(xy, dtype=float)
        lon = to_east_180(self.lon + np.degrees(plane[..., 0] / self.stretch))
        lat = self.lat + np.degrees(plane[..., 1])
        beyond = np.abs(lat) > 90.0 + 1e-9
        lonlat: Floats = np.stack([lon, np.clip(lat, -90.0, 90.0)], axis=-1)
        lonlat[beyond] = np.nan
        return lonlat

    def cut(self, shapes: Shapes) -> Shapes:
        """Lines and polygons on the plane, within the frame; None for those that are not shown.

        What the antimeridian cut apart is joined where the map shows both sides of it.
        """
        seam, middle = float(to_east_180(self.lon + 180.0)), float(to_east_180(self.lon))
        if seam == -180.0:
            return self._framed(self._moved(shapes, 0.0))
        # Counted from the middle, one side of the seam goes on where the other ends.
        west = _clipped(shapes, shapely.box(-180.0, -90.0, seam, 90.0))
        east = _clipped(shapes, shapely.box(seam, -90.0, 180.0, 90.0))
        west, east = self._moved(west, 360.0 * (middle >= 0)), self._moved(east, -360.0 * (middle < 0))
        drawn = np.where(shapely.is_missing(east), west, east)
        both = ~shapely.is_missing(east) & ~shapely.is_missing(west)
        drawn[both] = shapely.union(west[both], east[both])
        return self._framed(drawn)

    def _moved(self, shapes: Shapes, by_deg: float) -> Shapes:
        move = np.array([by_deg - float(to_east_180(self.lon)), 0.0])
        return _transformed(shapes, lambda lonlat: self._sheet(lonlat + move))

    def graticule(self, step_lon: float, step_lat: float) -> list[Line]:
        """Meridians and parallels at multiples of the steps, degrees."""
        lines = []
        over_x, over_y = 1.01 * self.half_width, 1.01 * self.half_height  # they meet the frame for certain
        for degrees in _multiples(step_lon, self.west, self.east):
            x = self._sheet(np.array([degrees - self.lon, 0.0]))[0]
            lines.append(Line("lon", degrees, shapely.LineString([(x, -over_y), (x, over_y)])))
        for degrees in _multiples(step_lat, self.south, self.north):
            y = self._sheet(np.array([0.0, degrees]))[1]
            lines.append(Line("lat", degrees, shapely.LineString([(-over_x, y), (over_x, y)])))
        return lines


@dataclass(frozen=True)
class Azimuthal(_Projection):
    """The body from above the middle: directions from there are true.

    Attributes
    ----------
    law
        How distance from the middle grows: ``equal-area`` (Lambert; areas are true everywhere),
        ``stereographic`` (shapes are true), ``orthographic`` (as seen from far away). Snyder (1987), Map
        projections - a working manual, USGS Professional Paper 1395, chapters 20, 21 and 24.
    disc
        Whether the map is a disc of radius ``half_width``.
    """

    law: Law = "equal-area"
    disc: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        known = {"equal-area": "Lambert azimuthal equal-area", "stereographic": "stereographic"}
        return known.get(self.law, self.law)

    @property
    def whole(self) -> bool:
        """Whether it is the whole body."""
        return False

    @property
    def round(self) -> bool:
        """Whether the map is a disc in its frame."""
        return self.disc

    @cached_property
    def reach_deg(self) -> float:
        """Angle from the middle to the farthest point of the frame, degrees."""
        corner = self.half_width if self.disc else math.hypot(self.half_width, self.half_height)
        edge = {"equal-area": 2.0, "stereographic": math.inf, "orthographic": 1.0}[self.law]
        return float(np.degrees(self._angle(np.array(min(corner, edge)))))

    def _forward(self, lonlat: Floats) -> Floats:
        turned = np.radians(lonlat[..., 0] - self.lon)
        lat, lat_0 = np.radians(lonlat[..., 1]), math.radians(self.lat)
        east = np.cos(lat) * np.sin(turned)
        north = math.cos(lat_0) * np.sin(lat) - math.sin(lat_0) * np.cos(lat) * np.cos(turned)
        up = math.sin(lat_0) * np.sin(lat) + math.cos(lat_0) * np.cos(lat) * np.cos(turned)
        flat = np.hypot(east, north)
        ratio = self._radius(np.arctan2(flat, up)) / np.maximum(flat, 1e-300)
        return np.asarray(np.stack([east * ratio, north * ratio], axis=-1))

    def _radius(self, angle: Floats) -> Floats:
        if self.law == "stereographic":
            return np.asarray(2.0 * np.tan(np.minimum(angle, 3.14) / 2.0))
        if self.law == "equal-area":
            return np.asarray(2.0 * np.sin(angle / 2.0))
        # The far side does not fold back onto the near one: it lies outside the disc.
        return np.where(angle <= np.pi / 2, np.sin(angle), 1.0 + (angle - np.pi / 2))

    def _angle(self, radius: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            if self.law == "stereographic":
                return np.asarray(2.0 * np.arctan(radius / 2.0))
            return np.asarray(
                2.0 * np.arcsin(radius / 2.0) if self.law == "equal-area" else np.arcsin(radius)
            )

    def size_km(self, radius_km: float) -> tuple[float, float]:
        """Width and height of the map on the ground, along the lines through its middle, km."""
        width, height = self._angle(np.array([self.half_width, self.half_height])).tolist()
        return 2.0 * width * radius_km, 2.0 * height * radius_km

    def _along(self, radians: float) -> float:
        return float(self._radius(np.array(radians)))

    def to_lonlat(self, xy: ArrayLike) -> Floats:
        """The plane to positions, degrees, (..., 2); NaN beside the body and beyond a disc's edge."""
        plane = np.asarray(xy, dtype=float)
        radius = np.hypot(plane[..., 0], plane[..., 1])
        angle = self._angle(np.where(radius > self.half_width, np.nan, radius) if self.disc else radius)
        share = np.sin(angle) / np.maximum(radius, 1e-300)
        east, north, up = plane[..., 0] * share, plane[..., 1] * share, np.cos(angle)
        sin_0, cos_0 = math.sin(math.radians(self.lat)), math.cos(math.radians(self.lat))
        z, outward = north * cos_0 + up * sin_0, up * cos_0 - north * sin_0
        lon = to_east_180(self.lon + np.degrees(np.arctan2(east, outward)))
        return np.stack([lon, np.degrees(np.arctan2(z, np.hypot(east, outward)))], axis=-1)

    def cut(self, shapes: Shapes) -> Shapes:
        """Lines and polygons on the plane, within the frame; None for those that are not shown.

        Edges that are straight in longitude and latitude become curves; a polygon that the
        antimeridian or a pole cut into parts is one again.
        """
        near = self._nearby(shapes)
        shown = np.flatnonzero(~shapely.is_missing(near))
        drawn = np.full(len(shapes), None, dtype=object)
        if not len(shown):
            return drawn
        near = near[shown]
        west, _, east, _ = shapely.bounds(near).T
        fine = shapely.segmentize(near, float(np.clip(self.reach_deg / 40.0, 1e-4, STEP_DEG)))
        flat = _transformed(fine, self._forward)
        solid = shapely.get_dimensions(flat) == 2
        wrong = solid & (~shapely.is_valid(flat) | (west <= -180) | (east >= 180))
        for row in np.flatnonzero(wrong).tolist():
            # Linework is made valid by even and odd: also a ring that holds the far side comes out right.
            parts = [shapely.make_valid(part) for part in shapely.get_parts(flat[row])]
            flat[row] = shapely.union_all(parts, grid_size=1e-9)
        drawn[shown] = self._framed(flat)
        return drawn

    def _nearby(self, shapes: Shapes) -> Shapes:
        """Shapes without what lies far outside the map, where a step would be a leap on the plane."""
        reach = min(self.reach_deg + 5.0, 179.0)
        if reach < 89.0:
            return _clipped(shapes, self._circle(self.lon, self.lat, reach))
        away = self._circle(self.lon + 180.0, -self.lat, min(180.0 - reach, 85.0))
        return _clipped(shapes, shapely.difference(shapely.box(-180.0, -90.0, 180.0, 90.0), away))

    def _circle(self, lon: float, lat: float, radius_deg: float) -> Any:
        turn = np.linspace(0.0, 360.0, 181)
        ring = _UNIT.destination([lon, lat], turn, math.radians(radius_deg) * _UNIT.radius_km)
        (circle,), _ = normalised([shapely.Polygon(ring)], _UNIT)
        return circle

    def graticule(self, step_lon: float, step_lat: float) -> list[Line]:
        """Meridians and parallels at multiples of the steps, degrees.

        Near a pole most meridians end, so that they do not run together.
        """
        lats = _multiples(step_lat, -90.0 + step_lat / 2, 90.0 - step_lat / 2)
        ends = 90.0 - step_lat
        lons = _multiples(step_lon, -180.0, 180.0 - step_lon / 2)
        named: list[tuple[Literal["lon", "lat"], float]] = [("lon", lon) for lon in lons]
        paths = [
            [(lon, -90.0), (lon, 90.0)] if lon % 90 == 0 else [(lon, -ends), (lon, ends)] for lon in lons
        ]
        named += [("lat", lat) for lat in lats]
        paths += [[(-180.0, lat), (180.0, lat)] for lat in lats]
        cut = self.cut(np.array([shapely.LineString(path) for path in paths], dtype=object))
        return [
            Line(*name, path) for name, path in zip(named, cut, strict=True) if shapely.length(path) > 1e-9
        ]


def whole_body(body: Body) -> Flat:
    """All of a body, from -180 or from 0 as its users count."""
    return Flat(180.0 if body.longitude_domain == 360 else 0.0, 0.0, math.pi, math.pi / 2)


def seen_from(lon: float, lat: float) -> Azimuthal:
    """The half of a body that is seen from far above a position, degrees."""
    return Azimuthal(float(to_east_180(lon)), lat, 1.0, 1.0, "orthographic", disc=True)


def polar_cap(pole: int, limit_deg: float = 60.0) -> Azimuthal:
    """A pole (1 north, -1 south) from above, out to a latitude.

    Longitude 0 points down in the north and up in the south.
    """
    edge = 2.0 * math.tan(math.radians(90.0 - limit_deg) / 2.0)
    return Azimuthal(0.0, 90.0 * pole, edge, edge, "stereographic", disc=True)


def _multiples(step: float, low: float, high: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _clipped(shapes: Shapes, window: Any) -> Shapes:
    """Shapes within a window of the sheet; None where nothing of their own dimension is left."""
    shapely.prepare(window)
    inside, touching = shapely.contains_properly(window, shapes), shapely.intersects(window, shapes)
    kept = shapes.copy()
    kept[~inside] = None
    across = np.flatnonzero(touching & ~inside)
    pieces = shapely.intersection(shapes[across], window)
    same = shapely.get_dimensions(pieces) == shapely.get_dimensions(shapes[across])
    kept[across[same]] = pieces[same]
    return np.asarray(kept)


def _transformed(shapes: Shapes, change: Any) -> Shapes:
    moved = shapes.copy()
    there = ~shapely.is_missing(shapes)
    moved[there] = shapely.transform(shapes[there], change)
    return moved

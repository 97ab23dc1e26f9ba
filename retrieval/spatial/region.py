"""A region of a body: a box, a cap, polygons, what they have in common, or all but that.

One value that says in words where it is, tells which positions it holds, and has an area.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike

from retrieval.body import Body
from retrieval.errors import GeometryError
from retrieval.grid import in_box
from retrieval.spatial.shapes import Shapes, area_km2, inside, normalised
from retrieval.spatial.sphere import SLACK, Bools, angle_between, check_lonlat, vectors_of

CAP_CORNERS = 1440  # of a cap's outline where only an outline will do: its area is right to 3e-6


@dataclass(frozen=True, eq=False)
class Region:
    """What lies within all of the parts given, or with ``outside`` what does not.

    Attributes
    ----------
    words
        Where it is, for people: ``"Hellas Planitia"``.
    lonlat_box
        West, south, east, north, degrees; ``west > east`` crosses the antimeridian, a width of 360 or more
        is all around.
    cap
        Longitude and latitude of the centre, degrees, and radius, km.
    shapes
        Polygons, as `retrieval.spatial.shapes.normalised` makes them; the region holds their union.
    outside
        Whether the region is all the rest of the body.

    Raises
    ------
    GeometryError
        If the box is no box, the cap has no centre or no size, or no shape is a polygon.
    """

    words: str
    lonlat_box: tuple[float, float, float, float] | None = None
    cap: tuple[float, float, float] | None = None
    shapes: Shapes | None = None
    outside: bool = False

    def __post_init__(self) -> None:
        if self.lonlat_box is not None:
            west, south, east, north = self.lonlat_box
            if not (all(map(math.isfinite, self.lonlat_box)) and -90 <= south < north <= 90 and west != east):
                raise GeometryError(
                    f"{self.words}: west {west:g}, south {south:g}, east {east:g}, north {north:g} is no box",
                    allowed="-90 <= south < north <= 90, and west and east that differ",
                )
        if self.cap is not None:
            check_lonlat(self.cap[:2], self.words)
            if not self.cap[2] > 0:
                raise GeometryError(f"{self.words}: a radius of {self.cap[2]:g} km", allowed="more than 0 km")
        if self.shapes is not None and not (shapely.get_dimensions(self.shapes) == 2).any():
            raise GeometryError(f"{self.words}: no shape encloses an area", allowed="polygons")

    def holds(self, body: Body, lonlat: ArrayLike) -> Bools:
        """Which positions lie in the region, its edge included (excluded with ``outside``), (n,).

        Raises
        ------
        GeometryError
            If a position cannot lie on a body.
        """
        points = check_lonlat(lonlat, "positions")
        held = np.ones(len(points), dtype=bool)
        if self.lonlat_box is not None:
            # A pole has every longitude.
            polar = np.abs(points[:, 1]) == 90.0
            south, north = self.lonlat_box[1], self.lonlat_box[3]
            at_pole = polar & (points[:, 1] >= south) & (points[:, 1] <= north)
            held &= in_box(points, *self.lonlat_box) | at_pole
        if self.cap is not None:
            away = angle_between(vectors_of(points), vectors_of(self.cap[:2]))
            held &= away <= self.cap[2] / body.radius_km + SLACK
        if self.shapes is not None:
            held &= inside(points, self.shapes) >= 0
        return ~held if self.outside else held

    def area_km2(self, body: Body) -> float:
        """Area, km2: exact for a box, a cap or polygons alone, with a cap among others to 3e-6 of it."""
        if self.cap is not None and self.lonlat_box is None and self.shapes is None:
            angle = min(self.cap[2] / body.radius_km, math.pi)
            area = body.area_km2 * math.sin(angle / 2) ** 2
        else:
            area = float(area_km2(self._parts(body), body)[0])
        return body.area_km2 - area if self.outside else area

    def polygon(self, body: Body) -> Shapes:
        """The region as one normalised polygon, (1,), to draw or to cut with; a cap as 1,440 corners."""
        parts = self._parts(body)
        return np.array([_WHOLE.difference(parts[0])], dtype=object) if self.outside else parts

    def _parts(self, body: Body) -> Shapes:
        whole = _WHOLE
        if self.lonlat_box is not None:
            west, south, east, north = self.lonlat_box
            width = 360.0 if east - west >= 360 else (east - west) % 360.0
            start = -180.0 if width == 360.0 else (west + 180.0) % 360.0 - 180.0
            box = shapely.box(start, south, start + width, north)
            beyond = shapely.box(start - 360.0, south, start + width - 360.0, north)
            whole = whole.intersection(shapely.union(box, beyond))
        if self.cap is not None:
            whole = whole.intersection(_cap(body, *self.cap))
        if self.shapes is not None:
            solid = self.shapes[shapely.get_dimensions(self.shapes) == 2]
            whole = whole.intersection(shapely.union_all(solid))
        return np.array([whole], dtype=object)


_WHOLE = shapely.box(-180.0, -90.0, 180.0, 90.0)


def _cap(body: Body, lon: float, lat: float, radius_km: float) -> shapely.Geometry:
    """A cap as a normalised polygon."""
    if radius_km >= body.half_circumference_km:
        return _WHOLE
    azimuth = (np.arange(CAP_CORNERS) + 0.5) * 360.0 / CAP_CORNERS
    ring = body.destination([lon, lat], azimuth, radius_km)
    shape = normalised([shapely.Polygon(ring)], body)[0]
    # A ring has two sides; a cap of more than a hemisphere is the larger.
    return shape[0] if inside([[lon, lat]], shape)[0] >= 0 else _WHOLE.difference(shape[0])

"""Bodies: radius, CRS, longitude convention, great circles, local projections.

Inside the program every position is planetocentric, east-positive, -180..180, as ``lonlat`` arrays of
shape (..., 2) in degrees. Other conventions are normalised once, at the door (`to_east_180`,
`Body.lonlat_from`). Distances are great circles on the body's sphere; on Earth latitudes stay geodetic
and distances are those of the mean sphere, which differ from the ellipsoid by at most 0.6 %.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Geod, Transformer

from retrieval.errors import BodyMismatchError, SettingsError

Floats = NDArray[np.float64]

MOST_TRANSFORMERS = 64  # kept by a thread


@dataclass(frozen=True)
class Body:
    """A planet or moon as a sphere.

    Attributes
    ----------
    name
        Lower-case name: ``mars``.
    radius_m
        Radius of the sphere on which distances and areas are measured, metres.
    crs_code
        What `pyproj` makes the geographic CRS from. Always used with longitude first.
    longitude_positive, longitude_domain
        How the body's users write longitudes; used for graticules and display only.
    """

    name: str
    radius_m: float
    crs_code: str
    longitude_positive: Literal["east", "west"] = "east"
    longitude_domain: Literal[180, 360] = 180

    @cached_property
    def crs(self) -> CRS:
        """Geographic CRS of the sphere."""
        return CRS.from_user_input(self.crs_code)

    @cached_property
    def geod(self) -> Geod:
        """Great circles on the sphere, as `pyproj` computes them."""
        return Geod(a=self.radius_m, f=0.0)

    @property
    def radius_km(self) -> float:
        """Radius, km."""
        return self.radius_m / 1000.0

    @property
    def area_km2(self) -> float:
        """Surface area of the sphere, km2."""
        return 4.0 * np.pi * self.radius_km**2

    @property
    def half_circumference_km(self) -> float:
        """The largest possible distance, km."""
        return np.pi * self.radius_km

    def distance_km(self, lonlat_a: ArrayLike, lonlat_b: ArrayLike) -> Floats:
        """Great-circle distance, km, of shape broadcast(a, b)[:-1].

        Uses the atan2 form, which is exact for antipodes as well as for close points
        (Vincenty 1975, reduced to the sphere).
        """
        lon_a, lat_a = _radians(lonlat_a)
        lon_b, lat_b = _radians(lonlat_b)
        dlon = lon_b - lon_a
        east = np.cos(lat_b) * np.sin(dlon)
        north = np.cos(lat_a) * np.sin(lat_b) - np.sin(lat_a) * np.cos(lat_b) * np.cos(dlon)
        up = np.sin(lat_a) * np.sin(lat_b) + np.cos(lat_a) * np.cos(lat_b) * np.cos(dlon)
        return np.asarray(self.radius_km * np.arctan2(np.hypot(east, north), up))

    def azimuth_deg(self, lonlat_a: ArrayLike, lonlat_b: ArrayLike) -> Floats:
        """Initial azimuth from a to b, degrees clockwise from north, 0..360."""
        lon_a, lat_a = _radians(lonlat_a)
        lon_b, lat_b = _radians(lonlat_b)
        dlon = lon_b - lon_a
        east = np.cos(lat_b) * np.sin(dlon)
        north = np.cos(lat_a) * np.sin(lat_b) - np.sin(lat_a) * np.cos(lat_b) * np.cos(dlon)
        return np.asarray(np.degrees(np.arctan2(east, north)) % 360.0)

    def destination(self, lonlat: ArrayLike, azimuth_deg: ArrayLike, distance_km: ArrayLike) -> Floats:
        """Where a great circle of given azimuth and length ends; shape (..., 2), degrees."""
        lon, lat = _radians(lonlat)
        azimuth = np.radians(np.asarray(azimuth_deg, dtype=float))
        angle = np.asarray(distance_km, dtype=float) / self.radius_km
        sin_lat = np.sin(lat) * np.cos(angle) + np.cos(lat) * np.sin(angle) * np.cos(azimuth)
        y = np.sin(azimuth) * np.sin(angle)
        x = np.cos(lat) * np.cos(angle) - np.sin(lat) * np.sin(angle) * np.cos(azimuth)
        # atan2 of both components keeps full precision at the poles, where arcsin does not.
        end_lat = np.arctan2(sin_lat, np.hypot(x, y))
        end_lon = lon + np.arctan2(y, x)
        return np.stack([to_east_180(np.degrees(end_lon)), np.degrees(end_lat)], axis=-1)

    def offsets_to_lonlat(self, centre_lonlat: ArrayLike, east_km: ArrayLike, north_km: ArrayLike) -> Floats:
        """Local plane (azimuthal equidistant about the centre) to lonlat, shape (..., 2)."""
        east, north = np.asarray(east_km, dtype=float), np.asarray(north_km, dtype=float)
        return self.destination(centre_lonlat, np.degrees(np.arctan2(east, north)), np.hypot(east, north))

    def lonlat_to_offsets(self, centre_lonlat: ArrayLike, lonlat: ArrayLike) -> tuple[Floats, Floats]:
        """Inverse of `offsets_to_lonlat`: (east_km, north_km)."""
        distance = self.distance_km(centre_lonlat, lonlat)
        azimuth = np.radians(self.azimuth_deg(centre_lonlat, lonlat))
        return distance * np.sin(azimuth), distance * np.cos(azimuth)

    def local_crs(self, lon: float, lat: float) -> CRS:
        """Azimuthal equidistant plane about a point, metres, north up at its centre."""
        return CRS.from_proj4(
            f"+proj=aeqd +lat_0={lat:.10f} +lon_0={lon:.10f} +R={self.radius_m} +units=m +no_defs"
        )

    def check_same_body(self, crs: CRS, what: str) -> None:
        """Refuse a CRS whose ellipsoid is not this body's.

        Raises
        ------
        BodyMismatchError
            If the semi-major axis differs from the body's radius by more than 1 %.
        """
        ellipsoid = crs.ellipsoid
        axis = ellipsoid.semi_major_metre if ellipsoid else 0.0
        if abs(axis - self.radius_m) > 0.01 * self.radius_m:
            other = next(
                (b.name for b in BODIES.values() if abs(axis - b.radius_m) <= 0.01 * b.radius_m),
                "no known body",
            )
            raise BodyMismatchError(
                f"{what} has a CRS of {other} (radius {axis / 1000:.1f} km), not of {self.name} "
                f"({self.radius_km:.1f} km)",
                allowed=f"a CRS of {self.name}",
                next_step=f"pass --body {other}" if other in BODIES else "check the file's CRS",
            )

    def lonlat_from(self, crs: CRS, x: ArrayLike, y: ArrayLike) -> Floats:
        """Coordinates in any CRS of this body (x or longitude first) to lonlat, shape (..., 2).

        Planetographic latitudes become planetocentric, west-positive longitudes east-positive. Points
        outside the projection become NaN.
        """
        first, second = (y, x) if _stays_latitude_first(crs) else (x, y)
        lon, lat = self._geographic(crs, inverse=False).transform(np.asarray(first), np.asarray(second))
        lon, lat = np.asarray(lon, dtype=float), np.asarray(lat, dtype=float)
        bad = ~(np.isfinite(lon) & np.isfinite(lat))
        squash = self._squash(crs)
        if squash != 1.0:
            lat = np.degrees(np.arctan(np.tan(np.radians(lat)) * squash))
        lonlat = np.stack([to_east_180(np.where(bad, 0.0, lon)), np.where(bad, np.nan, lat)], axis=-1)
        lonlat[bad] = np.nan
        return lonlat

    def lonlat_to(self, crs: CRS, lonlat: ArrayLike) -> tuple[Floats, Floats]:
        """Inverse of `lonlat_from`: (x, y) in ``crs``; infinite where the projection has no such point."""
        points = np.asarray(lonlat, dtype=float)
        lat = points[..., 1]
        squash = self._squash(crs)
        if squash != 1.0:
            lat = np.degrees(np.arctan(np.tan(np.radians(lat)) / squash))
        x, y = self._geographic(crs, inverse=True).transform(points[..., 0], lat)
        if _stays_latitude_first(crs):
            x, y = y, x
        return np.asarray(x, dtype=float), np.asarray(y, dtype=float)

    def _squash(self, crs: CRS) -> float:
        # tan(planetocentric) = (b/a)^2 tan(planetographic). Earth keeps geodetic latitudes throughout.
        ellipsoid = crs.ellipsoid
        if self.name == "earth" or ellipsoid is None:
            return 1.0
        return float((ellipsoid.semi_minor_metre / ellipsoid.semi_major_metre) ** 2)

    def _geographic(self, crs: CRS, *, inverse: bool) -> Transformer:
        # Through plain longitude and latitude on the file's own ellipsoid, so that PROJ never guesses a
        # datum shift between planetary datums (it has none and falls back silently).
        made = _made.transformers
        known = made.get((self, crs, inverse))
        if known is not None:
            return known
        ellipsoid = crs.ellipsoid
        if self.name == "earth" or ellipsoid is None:
            lonlat = self.crs
        else:
            lonlat = CRS.from_proj4(
                f"+proj=longlat +a={ellipsoid.semi_major_metre} +b={ellipsoid.semi_minor_metre} +no_defs"
            )
        ends = (lonlat, crs) if inverse else (crs, lonlat)
        if len(made) >= MOST_TRANSFORMERS:
            made.clear()
        made[self, crs, inverse] = Transformer.from_crs(*ends, always_xy=True)
        return made[self, crs, inverse]


class _Made(threading.local):
    """Transformers take PROJ some milliseconds to make, and must stay in the thread that made them."""

    def __init__(self) -> None:
        self.transformers: dict[tuple[Body, CRS, bool], Transformer] = {}


_made = _Made()


def to_east_180(lon_deg: ArrayLike) -> Floats:
    """Longitudes of any domain to -180 (included) .. 180 (excluded), east-positive."""
    lon = np.asarray(lon_deg, dtype=float)
    wrapped = (lon + 180.0) % 360.0 - 180.0
    # Values already inside keep their exact bits; the modulo would round them.
    return np.where((lon >= -180.0) & (lon < 180.0), lon, wrapped)


def unit_vectors(lonlat: ArrayLike) -> Floats:
    """Points on the unit sphere, shape (..., 3), for trees and dot products."""
    lon, lat = _radians(lonlat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def chord(angle_rad: ArrayLike) -> Floats:
    """Straight-line length in the unit sphere of a great-circle angle (for trees on `unit_vectors`)."""
    return np.asarray(2.0 * np.sin(np.clip(np.asarray(angle_rad, dtype=float), 0.0, np.pi) / 2.0))


def get_body(name: str) -> Body:
    """Body by name.

    Raises
    ------
    SettingsError
        If there is no such body.
    """
    try:
        return BODIES[name.strip().lower()]
    except KeyError:
        raise SettingsError(f"no body is called {name!r}", allowed=", ".join(BODIES)) from None


def _stays_latitude_first(crs: CRS) -> bool:
    # `always_xy` swaps north-east axes only, not the north-west ones of west-positive planetary CRSs.
    return crs.is_geographic and [axis.direction for axis in crs.axis_info[:2]] == ["north", "west"]


def _radians(lonlat: ArrayLike) -> tuple[Floats, Floats]:
    points = np.radians(np.asarray(lonlat, dtype=float))
    return points[..., 0], points[..., 1]


LOWELL_RADIUS_M = 450_000.0

# Radii: IAU Working Group on Cartographic Coordinates (Archinal et al. 2018), as in the IAU_2015 codes.
BODIES = {
    body.name: body
    for body in (
        Body("mars", 3_396_190.0, "IAU_2015:49900"),
        Body("moon", 1_737_400.0, "IAU_2015:30100"),
        Body("mercury", 2_440_530.0, "IAU_2015:19900"),
        Body("earth", 6_371_008.7714, "OGC:CRS84"),
        Body(
            "lowell",
            LOWELL_RADIUS_M,
            'GEOGCRS["Lowell sphere, ocentric",DATUM["Lowell",ELLIPSOID["Lowell sphere",'
            f"{LOWELL_RADIUS_M:.0f}"
            ',0,LENGTHUNIT["metre",1]]],PRIMEM["Reference meridian",0],CS[ellipsoidal,2],'
            'AXIS["longitude (Lon)",east,ORDER[1]],AXIS["latitude (Lat)",north,ORDER[2]],'
            'ANGLEUNIT["degree",0.0174532925199433]]',
        ),
    )
}

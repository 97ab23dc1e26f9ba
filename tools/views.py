"""What a map shows and how: the window on the body, polar and orthographic views, labels of the graticule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body, to_east_180
from retrieval.index import TileIndex

POLAR_LIMIT_DEG = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """What the main panel shows, degrees; longitudes run on beyond 180 where the region crosses it."""

    west: float
    east: float
    south: float
    north: float

    @property
    def whole(self) -> bool:
        """Whether it is the whole body."""
        return self.east - self.west >= 360.0

    @property
    def true_lat(self) -> float:
        """Latitude at which east-west lengths are true, degrees: the equator where the view holds it."""
        return 0.0 if self.south <= 0.0 <= self.north else (self.south + self.north) / 2.0

    @property
    def stretch_x(self) -> float:
        """Width of a degree of longitude in units of a degree of latitude."""
        return math.cos(math.radians(self.true_lat))

    def lon(self, lon_deg: Any) -> Floats:
        """Longitudes as the panel's axis counts them."""
        return np.asarray(self.west + (np.asarray(lon_deg, dtype=float) - self.west) % 360.0)


def longitude_label(lon_deg: float, body: Body) -> str:
    """A longitude as the body's users write it: ``120° W``, or ``240° E`` where they count to 360."""
    east = float(to_east_180(lon_deg))
    if body.longitude_domain == 360:
        value = (-east if body.longitude_positive == "west" else east) % 360.0
        return f"{value:g}°" + (f" {body.longitude_positive[0].upper()}" if value else "")
    if east in (0.0, -180.0):
        return f"{abs(east):g}°"
    return f"{abs(east):g}° {'E' if east > 0 else 'W'}"


def latitude_label(lat_deg: float) -> str:
    """``30° N``, ``0°``, ``30° S``."""
    return f"{abs(lat_deg):g}°" + (" N" if lat_deg > 0 else " S" if lat_deg < 0 else "")


def view_of(index: TileIndex) -> View:
    """The region that the index has observed where that is small, else the whole body."""
    lonlat = index.tiles[["lon", "lat"]].to_numpy(dtype=float)
    start = 0.0 if index.body.longitude_domain == 360 else -180.0
    whole = View(start, start + 360.0, -90.0, 90.0)
    if not len(lonlat):
        return whole
    # Found from the widest gap in longitude, so that it may lie across the antimeridian.
    lon = np.sort(lonlat[:, 0] % 360.0)
    gaps = np.diff(lon, append=lon[0] + 360.0)
    widest = int(gaps.argmax())
    height = float(np.ptp(lonlat[:, 1]))
    if 360.0 - gaps[widest] > 150.0 or height > 100.0 or np.abs(lonlat[:, 1]).max() > 82.0:
        return whole
    margin = max(1.5 * index.grid.row_height_deg, 0.04 * height)
    south = max(-90.0, float(lonlat[:, 1].min()) - margin)
    north = min(90.0, float(lonlat[:, 1].max()) + margin)
    margin /= math.cos(math.radians(max(abs(south), abs(north))))
    west = float(lon[(widest + 1) % len(lon)]) - margin
    east = west + 360.0 - float(gaps[widest]) + 2.0 * margin
    return _filled(View(west, east, south, north), start)


def _filled(view: View, start: float) -> View:
    # Widened or heightened to the panel's 2 : 1, then counted from the body's own first meridian.
    width, height = (view.east - view.west) * view.stretch_x, view.north - view.south
    middle_lon, middle_lat = (view.west + view.east) / 2.0, (view.south + view.north) / 2.0
    width, height = max(width, 2.0 * height), max(height, width / 2.0)
    width = min(width / view.stretch_x, 360.0)
    south = max(-90.0, middle_lat - height / 2.0)
    north = min(90.0, middle_lat + height / 2.0)
    west = start + (middle_lon - width / 2.0 - start) % 360.0
    return View(west, west + width, south, north)


def from_polar(x: Floats, y: Floats, pole: int) -> Floats:
    """Inverse of `to_polar`: lonlat, shape (..., 2)."""
    edge = math.tan(math.radians(90.0 - POLAR_LIMIT_DEG) / 2.0)
    lat = pole * (90.0 - 2.0 * np.degrees(np.arctan(np.hypot(x, y) * edge)))
    lon = np.degrees(np.arctan2(x, -pole * y))
    return np.stack([to_east_180(lon), lat], axis=-1)


def to_polar(lonlat: Floats, pole: int) -> tuple[Floats, Floats]:
    """Polar stereographic view of a pole (1 north, -1 south) from above; radius 1 is `POLAR_LIMIT_DEG`.

    Longitude 0 points down in the north and up in the south.
    """
    edge = math.tan(math.radians(90.0 - POLAR_LIMIT_DEG) / 2.0)
    radius = np.tan(np.radians(90.0 - pole * lonlat[:, 1]) / 2.0) / edge
    lon = np.radians(lonlat[:, 0])
    return radius * np.sin(lon), -pole * radius * np.cos(lon)


def to_orthographic(lonlat: ArrayLike, centre_lonlat: ArrayLike) -> tuple[Floats, Floats]:
    """The body seen from far above a point, radius 1; NaN for points on the far side.

    Parameters
    ----------
    lonlat, centre_lonlat
        Shapes (n, 2) and (2,), degrees.
    """
    lon, lat = np.moveaxis(np.radians(np.asarray(lonlat, dtype=float)), -1, 0)
    lon_0, lat_0 = np.radians(np.asarray(centre_lonlat, dtype=float))
    towards = np.sin(lat_0) * np.sin(lat) + np.cos(lat_0) * np.cos(lat) * np.cos(lon - lon_0)
    x = np.cos(lat) * np.sin(lon - lon_0)
    y = np.cos(lat_0) * np.sin(lat) - np.sin(lat_0) * np.cos(lat) * np.cos(lon - lon_0)
    return np.where(towards < 0, np.nan, x), np.where(towards < 0, np.nan, y)


def round_step(span: float, parts: int) -> float:
    """The number nearest span / parts that is 1, 2 or 5 times a power of ten."""
    raw = span / parts
    scale = 10.0 ** math.floor(math.log10(raw))
    return min((factor * scale for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda step: abs(step - raw))


def degree_step(span_deg: float, parts: int) -> float:
    """Like `round_step`, in divisors of 90 where a step is more than a few degrees."""
    raw = span_deg / parts
    return round_step(span_deg, parts) if raw < 4 else min((5, 10, 15, 30, 45), key=lambda s: abs(s - raw))

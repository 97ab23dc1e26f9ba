"""Shapes of a catalogue: from any CRS to longitude and latitude, made right for the sphere, and measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS

from retrieval.body import Body, to_east_180
from retrieval.catalogue.columns import COLUMNS, MIXED, Floats
from retrieval.spatial.shapes import area_km2, axis_deg, length_km, normalised, representative
from retrieval.spatial.sphere import lonlat_of, vectors_of

Shapes = NDArray[Any]

EDGE_SHARES = (1e-6, 1e-5, 1e-4)
NO_AXIS = 0.2  # of the strength of a mean axis, 0 for none and 1 for one direction


def to_lonlat(shapes: Shapes, crs: CRS, body: Body) -> tuple[Shapes, list[str]]:
    """Shapes of a CRS as longitude east and planetocentric latitude, and what was moved for it."""
    corners, owner = shapely.get_coordinates(shapes, return_index=True)
    lonlat = body.lonlat_from(crs, corners[:, 0], corners[:, 1])
    notes: list[str] = []
    if crs.is_geographic:
        # Keep the turns that wrapping took away: a ring of 170..190 must not become one of 170..-170.
        west = any(axis.direction == "west" for axis in crs.axis_info)
        lonlat[:, 0] += 360.0 * np.round((corners[:, 0] * (-1.0 if west else 1.0) - lonlat[:, 0]) / 360.0)
    else:
        beyond = ~np.isfinite(lonlat).all(axis=1) & np.isfinite(corners).all(axis=1)
        # Whole-planet maps end where their projection does, and some programs draw its edge a little wider.
        for share in EDGE_SHARES:
            lost = np.flatnonzero(~np.isfinite(lonlat).all(axis=1) & beyond)
            if len(lost):
                x, y = (corners[lost] * (1.0 - share)).T
                lonlat[lost] = body.lonlat_from(crs, x, y)
        moved = int((beyond & np.isfinite(lonlat).all(axis=1)).sum())
        if moved:
            notes = [
                f"{moved} corners just beyond the edge of the projection were moved onto it, "
                f"by at most {EDGE_SHARES[-1]:.2%} of their distance from its origin"
            ]
    placed = shapes.copy()
    lost = np.unique(owner[~np.isfinite(lonlat).all(axis=1)])
    placed[lost] = None
    return np.asarray(shapely.set_coordinates(placed, lonlat[~np.isin(owner, lost)])), notes


def on_body(raw: Shapes, body: Body) -> tuple[Shapes, list[str]]:
    """Shapes made right for the sphere, and what was done; None where a row has none that is possible.

    Points have longitudes of -180..180; many points in one row become their middle. Everything else is
    `normalised`.
    """
    shapes = np.array(raw, dtype=object)
    shapes[shapely.is_empty(shapes)] = None
    single = shapely.get_type_id(shapes) == shapely.GeometryType.POINT.value
    lonlat = np.stack([shapely.get_x(shapes[single]), shapely.get_y(shapes[single])], axis=-1)
    with np.errstate(invalid="ignore"):
        possible = (np.abs(lonlat) <= (360.0, 90.0)).all(axis=1)
    lonlat[~possible] = np.nan
    lonlat[possible, 0] = to_east_180(lonlat[possible, 0])
    shapes[single] = points_at(lonlat)
    others = np.flatnonzero(~single & ~shapely.is_missing(shapes))
    shapes[others], notes = normalised(shapes[others], body) if len(others) else (shapes[others], [])
    for row in np.flatnonzero(shapely.get_type_id(shapes) == shapely.GeometryType.MULTIPOINT.value).tolist():
        shapes[row] = shapely.Point(lonlat_of(vectors_of(shapely.get_coordinates(shapes[row])).mean(axis=0)))
    return shapes, notes


def points_at(lonlat: Floats) -> Shapes:
    """Points (n,) at positions (n, 2), longitudes as they are; None where a coordinate is missing."""
    points = np.asarray(shapely.points(np.nan_to_num(lonlat)), dtype=object).reshape(-1)
    points[~np.isfinite(lonlat).all(axis=1)] = None
    return points


def centres(rows: pd.DataFrame, shapes: Shapes, body: Body) -> Floats:
    """One position of each row: of lines and polygons the middle, or what a table of ours says."""
    drawn = shapely.get_dimensions(shapes) > 0
    lonlat = np.stack([shapely.get_x(shapes), shapely.get_y(shapes)], axis=-1)
    if drawn.any():
        lonlat[drawn] = representative(shapes[drawn], body)
        if set(COLUMNS) <= set(rows.columns):  # written by this project, whose positions are kept
            own = rows[["lon", "lat"]].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
            kept = drawn & (np.abs(own) <= (180.0, 90.0)).all(axis=1)
            lonlat[kept] = own[kept]
    return np.asarray(lonlat)


def measures(shapes: Shapes, body: Body) -> dict[str, Floats]:
    """Sizes and directions of lines and polygons, NaN for points."""
    found = {
        name: np.full(len(shapes), np.nan) for name in ("diameter_km", "length_km", "azimuth_deg", "area_km2")
    }
    dimensions = shapely.get_dimensions(shapes)
    lines, rings = dimensions == 1, dimensions == 2
    if lines.any():
        found["length_km"][lines] = length_km(shapes[lines], body)
        found["azimuth_deg"][lines] = _direction_deg(shapes[lines], body)
    if rings.any():
        found["area_km2"][rings] = area_km2(shapes[rings], body)
        found["diameter_km"][rings] = 2.0 * np.sqrt(found["area_km2"][rings] / np.pi)
    return found


def _direction_deg(lines: Shapes, body: Body) -> Floats:
    """Mean axis of the parts of lines by their length, 0..180, NaN where they have none in common.

    Of the parts, because two scarps that run north side by side run north, however far apart they are.
    """
    parts, row = shapely.get_parts(lines, return_index=True)
    axis, length = axis_deg(parts, body), length_km(parts, body)
    known = np.isfinite(axis)
    double = length[known] * np.exp(2j * np.radians(axis[known]))
    total = np.bincount(row[known], double.real, len(lines)) + 1j * np.bincount(
        row[known], double.imag, len(lines)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        strength = np.abs(total) / np.bincount(row, length, len(lines))
    return np.where(strength >= NO_AXIS, np.degrees(np.angle(total)) / 2.0 % 180.0, np.nan)


def mixed(shapes: Shapes) -> list[str]:
    """A note, if some shapes lie west of 0 and others east of 180."""
    west, _, east, _ = shapely.bounds(shapes).T
    return [MIXED] if (east < 0).any() and (west > 180).any() else []

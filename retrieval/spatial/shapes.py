"""Lines and polygons on a sphere: area, length, axis, middle, distance, containment.

Shapes are arrays of shapely geometries in degrees, as `normalised` makes them: within -180..180, valid,
cut at the antimeridian, None where there is none. Their edges run straight in longitude and latitude;
what is measured is the sphere below. shapely works on the flat sheet only where it may: to tell whether a
position is inside.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import GeometryError
from retrieval.spatial.arcs import Arcs, arcs_of, nearest_arc, nearest_on, paths_of
from retrieval.spatial.rings import Shapes, normalised
from retrieval.spatial.sphere import (
    Floats,
    Ints,
    angle_between,
    check_distance,
    check_lonlat,
    lonlat_of,
    vectors_of,
)
from retrieval.stop import counted

__all__ = [
    "Shapes",
    "along",
    "area_km2",
    "axis_deg",
    "distance_km",
    "inside",
    "length_km",
    "normalised",
    "outlines_of",
    "representative",
    "shape_distance_km",
]

ROUND = 0.2  # of the strength of an axis, 0 for a circle and 1 for a line: below it there is none
MANY_POINTS = 20_000  # asked for at once; an object of shapely's for each would cost more than the asking
MOST_SWEPT = 5_000  # polygons that are then held against them one by one
_SEAM = np.array([shapely.LineString([(180, -90), (180, 90)]), shapely.LineString([(-180, -90), (-180, 90)])])
_POLES = shapely.MultiLineString([[(-180, -90), (180, -90)], [(-180, 90), (180, 90)]])


def area_km2(shapes: Shapes, body: Body) -> Floats:
    """Area of polygons, km2, (n,); 0 for points and lines, NaN where there is no shape.

    Exact on the sphere for edges straight in longitude and latitude: the area between such an edge and
    the equator is R^2 dlon (cos lat1 - cos lat2) / (lat2 - lat1), written so that it has no division by
    a small number.
    """
    area = np.where(_missing(shapes), np.nan, 0.0)
    parts, row = shapely.get_parts(shapes, return_index=True)
    flat = shapely.get_dimensions(parts) == 2
    rings, of = shapely.get_rings(shapely.orient_polygons(parts[flat]), return_index=True)
    corners, ring = shapely.get_coordinates(rings, return_index=True)
    lon, lat = np.radians(corners).T
    follows = np.flatnonzero(np.diff(ring) == 0)
    dlon, dlat = lon[follows + 1] - lon[follows], lat[follows + 1] - lat[follows]
    # Counted from the first corner's latitude, so that a small polygon is no difference of large numbers.
    first = lat[np.searchsorted(ring, ring[follows])]
    middle = (lat[follows + 1] + lat[follows]) / 2
    sine = np.sin(middle) * np.sinc(dlat / (2 * np.pi)) - np.sin(first)
    # Outer rings run anticlockwise and holes clockwise, so that their signs add up by themselves.
    shape = row[flat][of][ring[follows]]
    area += np.bincount(shape, -dlon * sine, minlength=len(area)) * body.radius_km**2
    return area


def length_km(shapes: Shapes, body: Body) -> Floats:
    """Length of lines and of the outlines of polygons, km, (n,); 0 for points, NaN where there is no shape.

    The cut at the antimeridian is no outline. Edges are measured to 1e-6 of their length.
    """
    arcs = arcs_of(outlines_of(shapes))
    angle = np.bincount(arcs.row, angle_between(arcs.start, arcs.end), minlength=len(shapes))
    return np.where(_missing(shapes), np.nan, angle * body.radius_km)


def representative(shapes: Shapes, body: Body) -> Floats:
    """A position for each shape, lonlat (n, 2): its centroid on the sphere, or the nearest position of it.

    The centroid is the mean of all its points as unit vectors. If it lies beside the shape, the
    nearest corner of a polygon or the nearest position on a line stands for it; a shape that has none (the
    whole body) gives some position of its own. NaN where there is no shape.
    """
    lonlat = _centroids(shapes)
    undirected = np.flatnonzero(np.isnan(lonlat[:, 0]) & ~_missing(shapes))
    lonlat[undirected] = shapely.get_coordinates(shapely.point_on_surface(shapes[undirected]))
    there = np.flatnonzero(~_missing(shapes))
    solid = shapely.get_dimensions(shapes[there]) == 2
    for row in there[solid & ~_holds_own(shapes[there], lonlat[there])].tolist():
        corners = shapely.get_coordinates(shapes[row])
        lonlat[row] = corners[np.argmin(body.distance_km(lonlat[row], corners))]
    other = there[~solid]
    arcs = arcs_of(shapes[other])
    centre = vectors_of(lonlat[other])[arcs.row]
    feet = nearest_on(centre, arcs)
    order = np.lexsort((angle_between(feet, centre), arcs.row))
    lonlat[other] = lonlat_of(feet[order[np.diff(arcs.row[order], prepend=-1) > 0]])
    return lonlat


def axis_deg(shapes: Shapes, body: Body) -> Floats:
    """Azimuth of the long axis at the centroid, degrees clockwise from north, 0..180, (n,).

    The principal axis of the area (of the length, for lines) in the azimuthal equidistant plane about the
    centroid. NaN for points, for shapes nearly as wide as long (strength below 0.2), and for none.
    """
    centre = _centroids(shapes)
    arcs = arcs_of(shapely.orient_polygons(shapes))
    east_a, north_a = body.lonlat_to_offsets(centre[arcs.row], lonlat_of(arcs.start))
    east_b, north_b = body.lonlat_to_offsets(centre[arcs.row], lonlat_of(arcs.end))
    solid = (shapely.get_dimensions(shapes) == 2)[arcs.row]
    # Second moments: of the triangle between the centroid and an edge (signed), or of the edge itself.
    cross = east_a * north_b - east_b * north_a
    weight = np.where(solid, cross / 12.0, np.hypot(east_b - east_a, north_b - north_a) / 3.0)

    def summed(value: Floats) -> Floats:
        return np.bincount(arcs.row, weight * value, minlength=len(shapes)).astype(np.float64)

    ee = summed(east_a**2 + east_a * east_b + east_b**2)
    nn = summed(north_a**2 + north_a * north_b + north_b**2)
    en = summed(east_a * north_a + (east_a * north_b + east_b * north_a) / 2 + east_b * north_b)
    total = ee + nn
    with np.errstate(invalid="ignore", divide="ignore"):
        strength = np.hypot(nn - ee, 2 * en) / np.abs(total)
        axis = np.degrees(0.5 * np.arctan2(2 * en * np.sign(total), (nn - ee) * np.sign(total))) % 180.0
    axis[axis == 180.0] = 0.0  # the remainder of a tiny negative number
    return np.where((total != 0) & (strength >= ROUND), axis, np.nan)


def inside(lonlat: ArrayLike, shapes: Shapes) -> Ints:
    """Row of the smallest polygon that holds each position, its outline included; -1 where none does.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body.
    """
    points = check_lonlat(lonlat, "positions")
    found = np.full(len(points), -1, dtype=np.int64)
    solid = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    if not len(points) or not len(solid):
        return found
    order = solid[np.argsort(_unit_areas(shapes[solid]), kind="stable")]
    if len(points) >= MANY_POINTS and len(order) <= MOST_SWEPT:
        return _swept(points, shapes, order)
    # On the sheet the antimeridian is two lines, and a pole a whole edge.
    seam = np.flatnonzero(points[:, 0] == -180.0)
    polar = np.flatnonzero(np.abs(points[:, 1]) == 90.0)
    where = np.concatenate([np.arange(len(points)), seam, polar])
    sheet = shapely.points(np.concatenate([points, points[seam] + (360.0, 0.0), points[polar]]))
    for place, row in enumerate(polar.tolist(), start=len(points) + len(seam)):
        sheet[place] = shapely.LineString([(-180.0, points[row, 1]), (180.0, points[row, 1])])
    # Asking with the polygons lets shapely prepare each of them once.
    polygon, place = shapely.STRtree(sheet).query(shapes[order], predicate="intersects")
    best = np.full(len(points), len(order), dtype=np.int64)
    np.minimum.at(best, where[place], polygon)
    held = best < len(order)
    found[held] = order[best[held]]
    return found


def _swept(points: Floats, shapes: Shapes, order: Ints) -> Ints:
    """`inside` for many positions: polygon by polygon, the smallest first, without an object for each."""
    by_lat = np.argsort(points[:, 1], kind="stable")
    lon, lat = points[by_lat, 0], points[by_lat, 1]
    found = np.full(len(points), -1, dtype=np.int64)
    west, south, east, north = shapely.bounds(shapes[order]).T
    first, last = np.searchsorted(lat, south), np.searchsorted(lat, north, side="right")
    for number in counted(range(len(order))):
        band = slice(first[number], last[number])
        place = np.arange(band.start, band.stop)
        polygon, pole = shapes[order[number]], np.abs(lat[band]) == 90.0
        # The antimeridian is two lines on the sheet, and a pole a whole edge.
        near = (lon[band] >= west[number]) & (lon[band] <= east[number])
        seam = (lon[band] == -180.0) & (east[number] >= 180.0)
        some = place[(near | seam | pole) & (found[by_lat[band]] < 0)]
        if not len(some):
            continue
        shapely.prepare(polygon)
        held = shapely.intersects_xy(polygon, lon[some], lat[some])
        for extra in np.flatnonzero(~held & ((lon[some] == -180.0) | (np.abs(lat[some]) == 90.0))):
            x, y = float(lon[some[extra]]), float(lat[some[extra]])
            edge = shapely.LineString([(-180.0, y), (180.0, y)])
            held[extra] = shapely.intersects(polygon, edge if abs(y) == 90.0 else shapely.Point(x + 360.0, y))
        found[by_lat[some[held]]] = order[number]
    return found


def distance_km(
    lonlat: ArrayLike, shapes: Shapes, body: Body, within_km: float = np.inf
) -> tuple[Floats, Ints]:
    """Distance from each position to the nearest shape, km, and that shape's row, (n,) each.

    0 inside a polygon, of which the smallest is named; inf and -1 where no shape lies within
    ``within_km`` (its edge included). Outlines are followed to 2e-7 of the radius.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body, or the distance is negative or NaN.
    """
    points = check_lonlat(lonlat, "positions")
    check_distance(within_km)
    row = inside(points, shapes)
    distance = np.where(row >= 0, 0.0, np.inf)
    beside = np.flatnonzero(row < 0)
    vectors = vectors_of(points[beside])
    asked = Arcs(vectors, vectors, np.arange(len(beside)))
    distance[beside], row[beside] = nearest_arc(body, asked, arcs_of(shapes), within_km)
    return distance, row


def shape_distance_km(
    shapes: Shapes, others: Shapes, body: Body, within_km: float = np.inf
) -> tuple[Floats, Ints]:
    """Distance from each shape to the nearest of others, km, and its row, (n,) each.

    As `distance_km`, for shapes of any kind against shapes of any kind: 0 where they touch, cross or hold
    each other (the smallest row is named), the same from either side. NaN and -1 where there is no shape.

    Raises
    ------
    GeometryError
        If the distance is negative or NaN.
    """
    check_distance(within_km)
    count = len(shapes)
    distance, row = np.full(count, np.inf), np.full(count, np.iinfo(np.int64).max)
    first, second = shapely.STRtree(others).query(shapes, predicate="intersects")
    np.minimum.at(row, first, second)
    distance[first] = 0.0
    apart = np.flatnonzero(np.isinf(distance) & ~_missing(shapes))
    arcs = arcs_of(shapes[apart])
    distance[apart], row[apart] = nearest_arc(body, arcs, arcs_of(others), within_km)
    row[np.isinf(distance)] = -1
    distance[_missing(shapes)] = np.nan
    return distance, row


def along(shapes: Shapes, body: Body, step_km: float) -> tuple[Floats, Ints]:
    """Positions along lines and outlines, lonlat (m, 2), and the row of the shape each lies on, (m,).

    Evenly spaced, at most ``step_km`` apart, ends of lines included; points stand for themselves.

    Raises
    ------
    GeometryError
        If the step is 0, negative or NaN.
    """
    if not step_km > 0:
        raise GeometryError(f"a step of {step_km:g} km is none", allowed="more than 0 km")
    corners, path, row = paths_of(outlines_of(shapes))
    if not len(corners):
        return np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    vectors = vectors_of(corners)
    steps = np.where(np.diff(path) == 0, angle_between(vectors[1:], vectors[:-1]) * body.radius_km, 0.0)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    begin = np.flatnonzero(np.diff(path, prepend=-1) > 0)
    end = np.append(begin[1:], len(path)) - 1
    total = travelled[end] - travelled[begin]
    pieces = np.ceil(total / step_km * (1 - 1e-12)).astype(np.int64)
    closed = (corners[begin] == corners[end]).all(axis=1) & (end > begin)
    count = np.where(closed, np.maximum(pieces, 1), pieces + 1)
    of = np.repeat(np.arange(len(begin)), count)
    number = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    target = travelled[begin[of]] + number * total[of] / np.maximum(pieces[of], 1)
    at = np.searchsorted(travelled, target, side="right") - 1
    at = np.clip(at, begin[of], np.maximum(end[of] - 1, begin[of]))
    length = np.append(steps, 0.0)[at]
    share = np.divide(target - travelled[at], length, out=np.zeros(len(of)), where=length > 0)
    onward = corners[np.minimum(at + 1, end[of])]
    lonlat = corners[at] + np.clip(share, 0.0, 1.0)[:, None] * (onward - corners[at])
    return check_lonlat(lonlat, "positions along shapes"), row[begin[of]]


def outlines_of(shapes: Shapes) -> Shapes:
    """Lines of each shape: outlines of polygons without what the cut and the poles added; others as is."""
    lines = shapes.copy()
    solid = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    lines[solid] = shapely.boundary(shapely.orient_polygons(shapes[solid]))
    west, south, east, north = shapely.bounds(shapes[solid]).T
    added = ((west == -180) & (east == 180)) | (south == -90) | (north == 90)
    for row in solid[added].tolist():
        on_east, on_west = shapely.intersection(lines[row], _SEAM)
        both = shapely.intersection(on_east, _shifted(on_west, 360.0))
        cut = [both, _shifted(both, -360.0), _POLES]
        left = shapely.difference(lines[row], shapely.union_all(cut))
        parts = [part for part in shapely.get_parts(left) if part.length > 1e-9]
        # The whole body has no outline.
        lines[row] = shapely.line_merge(shapely.multilinestrings(parts), directed=True) if parts else None
    return lines


def _shifted(shape: Any, by_deg: float) -> Any:
    return shapely.transform(shape, lambda lonlat: lonlat + np.array([by_deg, 0.0]))


def _missing(shapes: Shapes) -> NDArray[np.bool_]:
    return np.asarray(shapely.is_missing(shapes) | shapely.is_empty(shapes))


def _unit_areas(shapes: Shapes) -> Floats:
    return area_km2(shapes, _UNIT)


_UNIT = Body("unit sphere", 1000.0, "OGC:CRS84")


def _centroids(shapes: Shapes) -> Floats:
    """Direction of the mean of all points of each shape, lonlat (n, 2).

    NaN where there is none: no shape, or one that lies alike on all sides (the whole body, a band).

    Over an area the integral of the unit vector is half the integral of r x dr around it, which for a
    great-circle arc is half its angle along its normal. It is summed in a frame about the shape's first
    corner, without the terms that cancel around a ring, so that a small polygon keeps its digits.
    """
    arcs = arcs_of(shapely.orient_polygons(shapes))
    kind = shapely.get_dimensions(shapes)[arcs.row]
    angle = angle_between(arcs.start, arcs.end)
    total = np.zeros((len(shapes), 3))
    begin = np.full(len(shapes), -1)
    begin[arcs.row[::-1]] = np.arange(len(arcs))[::-1]
    up = np.where(begin[:, None] >= 0, arcs.start[begin], [0.0, 0.0, 1.0]) if len(arcs) else total
    east = np.cross([0.0, 0.0, 1.0], up)
    level = np.linalg.norm(east, axis=1) < 1e-9
    east[level] = [0.0, 1.0, 0.0]
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    frame = np.stack([east, np.cross(up, east), up], axis=1)  # (n, 3, 3): rows are east, north, up

    solid = np.flatnonzero(kind == 2)
    row = arcs.row[solid]
    from_a, from_b = arcs.start[solid] - up[row], arcs.end[solid] - up[row]
    xa, ya = (from_a * frame[row, 0]).sum(1), (from_a * frame[row, 1]).sum(1)
    xb, yb = (from_b * frame[row, 0]).sum(1), (from_b * frame[row, 1]).sum(1)
    wa, wb = (from_a**2).sum(1) / 2, (from_b**2).sum(1) / 2  # how far below the tangent plane
    bent = angle[solid] ** 2 / 6 + 7 * angle[solid] ** 4 / 360  # angle / sin(angle) - 1
    parts = (
        (1 + bent) * (wa * yb - ya * wb) + bent * (ya - yb),
        (1 + bent) * (xa * wb - wa * xb) + bent * (xb - xa),
        (1 + bent) * (xa * yb - ya * xb),
    )
    local = np.stack([np.bincount(row, part, minlength=len(shapes)) for part in parts], axis=1)
    total += (local[:, :, None] * frame).sum(axis=1)

    weight = np.where(kind == 1, np.tan(angle / 2), np.where(kind == 0, 0.5, 0.0))
    for axis in range(3):
        mean = weight * (arcs.start[:, axis] + arcs.end[:, axis])
        total[:, axis] += np.bincount(arcs.row, mean, minlength=len(shapes))
    size = np.bincount(arcs.row, np.where(kind == 1, angle, kind == 0), minlength=len(shapes))
    known = np.linalg.norm(total, axis=1) > 1e-9 * (size + np.nan_to_num(area_km2(shapes, _UNIT)))
    return np.where(known[:, None], lonlat_of(total), np.nan)


def _holds_own(shapes: Shapes, lonlat: Floats) -> NDArray[np.bool_]:
    """Whether each polygon holds the position of its row."""
    other_side = lonlat + np.where(lonlat[:, :1] == -180.0, (360.0, 0.0), (0.0, 0.0))
    held = shapely.intersects(shapes, shapely.points(lonlat))
    return np.asarray(held | shapely.intersects(shapes, shapely.points(other_side)))

"""Lines and polygons as files hold them, made right for a sphere.

Files draw shapes on a flat sheet of longitude and latitude. There a polygon over the antimeridian jumps
from 179 to -179, a ring around a pole never closes, and a ring may cross itself. Here each ring is
unrolled, closed over the pole if it goes around one, repaired, and cut at the antimeridian, so that
everything after it may work on the flat sheet again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.body import Body
from retrieval.spatial.sphere import Bools, Floats

Shapes = NDArray[Any]  # of shapely geometries, or None where there is no shape


class _NoShape(Exception):
    """Why a geometry is no shape on a sphere."""


def normalised(shapes: Sequence[Any] | Shapes, body: Body) -> tuple[Shapes, list[str]]:
    """Shapes within -180..180, valid, cut at the antimeridian, with polygons over the poles closed.

    An edge runs straight in longitude and latitude, as files mean it, and goes the short way round: one
    from 179 to -179 crosses the antimeridian. A ring that has no area that way (a box from -180 to 180)
    is taken as drawn. A ring that turns once around the axis holds the pole that gives it the smaller
    area; with a hole that does so too, it is the band between both. An edge to a pole is a meridian,
    whatever longitude the file gives the pole.

    Parameters
    ----------
    shapes
        Points, lines, polygons, their multiples and collections (of which the parts of the highest
        dimension are kept), degrees, in any longitude domain; or None.
    body
        The body they lie on, for the notes.

    Returns
    -------
    shapes, notes
        As many shapes as came, None where one is missing or cannot lie on a body; and a line for each
        thing that was done, with the number of shapes and the first row (from 0).
    """
    given = np.empty(len(shapes), dtype=object)
    given[:] = list(shapes)
    given = shapely.force_2d(given)
    made = given.copy()
    done: dict[str, list[int]] = defaultdict(list)
    for row in np.flatnonzero(~_already_right(given)).tolist():
        if given[row] is None or given[row].is_empty:
            made[row] = None
            done["dropped: without coordinates"].append(row)
            continue
        try:
            made[row], happened = _on_sphere(given[row])
            for what in happened:
                done[what].append(row)
        except _NoShape as why:
            made[row] = None
            done[f"dropped: {why}".replace("BODY", body.name)].append(row)
    return made, [
        f"{_shapes(len(rows))} {what} (first: row {rows[0]})" for what, rows in sorted(done.items())
    ]


def _shapes(count: int) -> str:
    return f"{count} shape" + ("" if count == 1 else "s")


def _already_right(shapes: Shapes) -> Bools:
    """Which need nothing: inside the domain, valid, of one kind, no long edge, no corner at a pole."""
    with np.errstate(invalid="ignore"):
        west, south, east, north = shapely.bounds(shapes).T
        right = (west >= -180) & (east <= 180) & (south > -90) & (north < 90)
    right &= (shapely.get_type_id(shapes) != _COLLECTION) & shapely.is_valid(shapes)
    corners, row = shapely.get_coordinates(shapes, return_index=True)
    long = (np.abs(np.diff(corners[:, 0])) > 180.0) & (np.diff(row) == 0)
    right[row[1:][long]] = False
    right[row[~np.isfinite(corners).all(axis=1)]] = False
    return np.asarray(right)


_COLLECTION = shapely.GeometryType.GEOMETRYCOLLECTION.value


def _on_sphere(shape: Any) -> tuple[Any, list[str]]:
    corners = shapely.get_coordinates(shape)
    if not np.isfinite(corners).all():
        raise _NoShape("a coordinate is no number")
    if np.abs(corners[:, 1]).max() > 90.0 + 1e-6 or np.abs(corners[:, 0]).max() > 540.0:
        raise _NoShape("outside the latitudes and longitudes of BODY")
    parts = shapely.get_parts(shape)
    while (shapely.get_type_id(parts) >= shapely.GeometryType.MULTIPOINT.value).any():  # or of collections
        parts = shapely.get_parts(parts)
    parts = parts[~shapely.is_empty(parts)]
    dimension = shapely.get_dimensions(parts)
    happened = ["kept in part: a collection of several kinds"] if len(set(dimension.tolist())) > 1 else []
    parts = parts[dimension == dimension.max()]
    if dimension.max() == 0:
        return _joined(shapely.points(_wrapped(shapely.get_coordinates(parts)))), happened
    make = _polygon if dimension.max() == 2 else _line
    pieces: list[Any] = []
    for part in parts:
        new, more = make(part)
        pieces.append(new)
        happened += more
    if dimension.max() == 2:
        whole = shapely.union_all(pieces) if len(pieces) > 1 else pieces[0]
        if whole.is_empty:
            raise _NoShape("a polygon without area")
        return whole, sorted(set(happened))
    return _joined(shapely.get_parts(pieces)), sorted(set(happened))


def _joined(parts: Shapes) -> Any:
    """One geometry of one part, or a multiple of several."""
    if len(parts) == 1:
        return parts[0]
    return shapely.multipoints(parts) if parts[0].geom_type == "Point" else shapely.multilinestrings(parts)


def _wrapped(lonlat: Floats) -> Floats:
    inside = np.abs(lonlat[:, 0]) <= 180.0
    return np.stack(
        [
            np.where(inside, lonlat[:, 0], (lonlat[:, 0] + 180.0) % 360.0 - 180.0),
            np.clip(lonlat[:, 1], -90.0, 90.0),
        ],
        axis=-1,
    )


def _line(line: Any) -> tuple[Any, list[str]]:
    path = _unrolled(_meridians_to_poles(shapely.get_coordinates(line), closed=False))
    if (path == path[0]).all() or abs(path[:, 1].sum()) == 90.0 * len(path):  # at a pole all is one place
        raise _NoShape("a line without length")
    cut = _cut(shapely.linestrings(path))
    return _joined(shapely.get_parts(cut)), _crossings(line, cut)


def _polygon(polygon: Any) -> tuple[Any, list[str]]:
    shell = shapely.get_coordinates(polygon.exterior)
    holes = [shapely.get_coordinates(ring) for ring in polygon.interiors if not ring.is_empty]
    around = [hole for hole in holes if abs(_turns(hole)) == 1]
    north: bool | None = None
    if around and abs(_turns(shell)) == 1:  # a band: both are closed over the pole on the hole's side
        north = bool(around[0][:, 1].mean() > shell[:, 1].mean())
    whole, happened = _ring(shell, north)
    for hole in holes:
        with suppress(_NoShape):  # a hole without area takes nothing away
            whole = shapely.difference(whole, _ring(hole, north)[0])
    whole = _only_areas(whole)
    return whole, [*happened, *_crossings(polygon, whole)]


def _crossings(before: Any, after: Any) -> list[str]:
    parts = (shapely.get_num_geometries(shape) for shape in (after, before))
    return ["cut at longitude 180"] if next(parts) > next(parts) and _reaches_both_sides(after) else []


def _reaches_both_sides(shape: Any) -> bool:
    west, _, east, _ = shapely.bounds(shape)
    return bool(west == -180.0 and east == 180.0)


def _turns(ring: Floats) -> int:
    """How often a closed ring goes around the axis, eastward, each edge the short way."""
    path = _unrolled(_meridians_to_poles(ring, closed=True))
    return round(float(path[-1, 0] - path[0, 0]) / 360.0)


def _ring(ring: Floats, north: bool | None) -> tuple[Any, list[str]]:
    """What a closed ring encloses, cut at the antimeridian, and what was done for it."""
    path = _unrolled(_meridians_to_poles(ring, closed=True))
    turns = round(float(path[-1, 0] - path[0, 0]) / 360.0)
    happened: list[str] = []
    if abs(turns) > 1:
        raise _NoShape(f"a ring that turns {abs(turns)} times around the axis")
    if turns:
        # Share of the sphere's 4 pi on the north side of the ring: the integral of 1 - sin(latitude).
        dlon, lat = np.radians(np.diff(path[:, 0])), np.radians(path[:, 1])
        mean_sine = (np.sin((lat[1:] + lat[:-1]) / 2)) * np.sinc(np.diff(lat) / (2 * np.pi))
        north_share = abs(float((dlon * (1.0 - mean_sine)).sum())) / (4 * np.pi)
        pole = 90.0 if (north_share <= 0.5 if north is None else north) else -90.0
        path = _five_turns(path[:: int(np.sign(turns))])
        path = np.concatenate([path, [[path[-1, 0], pole], [path[0, 0], pole], path[0]]])
        happened.append("closed over a pole")
    flat = shapely.polygons(path)
    if flat.area <= 1e-12 * max(1e-12, np.ptp(ring[:, 0]) * np.ptp(ring[:, 1])):
        flat = shapely.polygons(ring)  # a box around the whole body: as drawn
    if not flat.is_valid:
        # A ring that closes over a pole may run back on itself there, which needs no word.
        flat = shapely.make_valid(flat, method="structure", keep_collapsed=False)
        if not turns:
            happened.append("repaired: an outline that touched or crossed itself")
    flat = _only_areas(flat)
    if flat.is_empty:
        raise _NoShape("a polygon without area")
    return _only_areas(shapely.intersection(flat, _SHEET)) if turns else _cut(flat), happened


def _five_turns(path: Floats) -> Floats:
    """A path once around the axis, eastward, five times one after the other, about the sheet.

    What is cut out of the middle has no joint but the sheet's edges.
    """
    once = path[:-1] - (360.0 * np.floor((path[0, 0] + 180.0) / 360.0), 0.0)
    return np.concatenate([once + np.array([360.0 * turn, 0.0]) for turn in range(-2, 3)])


_SHEET = shapely.box(-180.0, -90.0, 180.0, 90.0)


def _unrolled(path: Floats) -> Floats:
    """Longitudes made continuous, each edge the short way; edges of exactly half a turn as drawn."""
    steps = np.diff(path[:, 0])
    steps = np.where(np.abs(steps) > 180.0, (steps + 180.0) % 360.0 - 180.0, steps)
    lon = path[0, 0] + np.concatenate([[0.0], np.cumsum(steps)])
    # The sum rounds; what the file says, moved by whole turns, does not.
    turns = np.rint((lon - path[:, 0]) / 360.0)
    return np.stack([path[:, 0] + 360.0 * turns, path[:, 1]], axis=-1)


def _meridians_to_poles(path: Floats, *, closed: bool) -> Floats:
    """A lone corner at a pole becomes two, at the longitudes of its neighbours."""
    path = np.stack([path[:, 0], np.clip(path[:, 1], -90.0, 90.0)], axis=-1)
    polar = np.abs(path[:, 1]) == 90.0
    if not polar.any() or polar.all():
        return path
    if closed and polar[0]:  # begin a ring elsewhere
        start = int(np.argmin(polar))
        path = np.concatenate([path[start:-1], path[: start + 1]])
        polar = np.abs(path[:, 1]) == 90.0
    before = np.concatenate([[False], polar[:-1]])
    after = np.concatenate([polar[1:], [False]])
    corners: list[Any] = []
    for i, (lon, lat) in enumerate(path.tolist()):
        if not polar[i] or before[i] or after[i]:
            corners.append((lon, lat))
            continue
        neighbours = [path[j, 0] for j in (i - 1, i + 1) if 0 <= j < len(path)]
        corners += [(float(neighbour), lat) for neighbour in neighbours]
    return np.array(corners)


def _cut(shape: Any) -> Any:
    """An unrolled shape brought into -180..180, in pieces where it crosses the antimeridian."""
    west, _, east, _ = shapely.bounds(shape)
    if west >= -180.0 and east <= 180.0:
        return shape
    first, last = int((west + 180.0) // 360.0), int(np.ceil((east + 180.0) / 360.0)) - 1
    pieces = []
    for turn in range(first, max(first, last) + 1):
        frame = shapely.box(-180.0 + 360.0 * turn, -90.0, 180.0 + 360.0 * turn, 90.0)
        piece = shapely.intersection(shape, frame)
        piece = shapely.transform(piece, lambda xy, turn=turn: _moved(xy, -360.0 * turn))
        pieces += _parts_of(piece, shapely.get_dimensions(shape))
    if shapely.get_dimensions(shape) == 2:
        return shapely.union_all(pieces)
    if not pieces:
        raise _NoShape("a line without length")
    return _joined(np.array(pieces))


def _moved(xy: Floats, by: float) -> Floats:
    lon = xy[:, 0] + by
    lon = np.where(np.abs(np.abs(lon) - 180.0) < 1e-12, np.sign(lon) * 180.0, lon)
    return np.stack([lon, xy[:, 1]], axis=-1)


def _parts_of(shape: Any, dimension: int) -> list[Any]:
    parts = shapely.get_parts(shape)
    parts = parts[~shapely.is_empty(parts) & (shapely.get_dimensions(parts) == dimension)]
    # A line that reaches over the antimeridian by the last bit of a number leaves a piece without length.
    return list(parts[shapely.length(parts) > 0.0] if dimension == 1 else parts)


def _only_areas(shape: Any) -> Any:
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    return shapely.union_all(_parts_of(shape, 2))

"""What a map shows: a window of the body, in the projection in which that window is least stretched."""

from __future__ import annotations

import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body, to_east_180, unit_vectors
from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from tools.layers import Layer
from tools.maps.projections import Azimuthal, Flat, polar_cap, seen_from, whole_body
from tools.places import find_in_gazetteer
from tools.results import Figures, said, tidy
from tools.workspace import Workspace, check_distance_km, check_number

Floats = NDArray[np.float64]
Projection = Flat | Azimuthal
Bounds = tuple[float, float, float, float]
Kind = Literal["auto", "equirectangular", "polar", "orthographic", "regional"]

POLAR_LIMIT_DEG = 60.0  # views of the poles end there
MOST_CORNERS = 200_000  # of shapes looked at for the extent of a layer
ASPECT = 2.0  # of the main panel
STRETCH = 1.25  # east-west lengths at the edge over those in the middle: above it a flat map misleads
WIDEST_DEG = 150.0  # a region that spans more is shown on the whole body
FARTHEST_DEG = 55.0  # from the middle of a region about a pole
WIDEST_RADII = 1.25  # half a map of a pole's surroundings: beyond it lies the other half of the body


@dataclass(frozen=True)
class Sheet:
    """What is drawn, and how the summary says it.

    Attributes
    ----------
    kind
        ``whole`` (one flat map and ``poles`` beside it), ``region`` (a window and where it lies), ``polar``
        (both poles) or ``globe`` (the near and the far side).
    panels
        Its main panels.
    words, figures
        ``a map of the whole body``, and the numbers in that.
    poles
        1 and -1 for those shown beside the whole body.
    """

    kind: Literal["whole", "region", "polar", "globe"]
    panels: tuple[Projection, ...]
    words: str
    figures: Figures = field(default_factory=dict)
    poles: tuple[int, ...] = ()


def sheet_of(
    ws: Workspace,
    layers: Sequence[Layer],
    kind: Kind = "auto",
    place: str | None = None,
    within_km: float | None = None,
    bounds: Sequence[float | None] = (None, None, None, None),
) -> Sheet:
    """What a map of these layers shows.

    Parameters
    ----------
    kind, place, within_km
        As in `tools.maps.draw_map`.
    bounds
        West, south, east and north, degrees.

    Raises
    ------
    ToolInputError
        If the arguments do not go together, or the gazetteer has no such place.
    """
    if kind not in typing.get_args(Kind):
        raise ToolInputError(
            f"there is no projection {str(kind)[:40]!r}", allowed=", ".join(typing.get_args(Kind))
        )
    box = _checked(bounds)
    if within_km is not None:
        within_km = check_distance_km(ws, within_km, "within_km")
        if place is None:
            raise ToolInputError("within_km needs a place", allowed="within_km together with place")
    if place is not None and box is not None:
        raise ToolInputError("both a place and bounds are given", allowed="one of them")
    if kind in ("equirectangular", "polar") and (place is not None or box is not None):
        raise ToolInputError(
            f"a {kind} map has no place or bounds", allowed="regional or orthographic for those"
        )
    if kind == "polar":
        return _both_poles()
    if kind == "orthographic":
        return _globe(ws, layers, place, box)
    if kind == "regional" or place is not None or box is not None:
        return _region(ws, layers, place, within_km, box)
    view = whole_body(ws.body) if kind == "equirectangular" else view_of(ws.index)
    return _whole(ws) if view.whole else _framed(ws, view, "the observed region")


def view_of(index: TileIndex) -> Projection:
    """The region that the index has observed where that is small, else the whole body."""
    lonlat = index.tiles.lonlat
    if not len(lonlat):
        return whole_body(index.body)
    height = float(np.ptp(lonlat[:, 1]))
    margin = max(1.5 * index.grid.row_height_deg, 0.04 * height)
    return window(lonlat, index.body, margin)


def window(lonlat: ArrayLike, body: Body, margin_deg: float = 0.0) -> Projection:
    """The smallest map that holds positions with a margin around them.

    Longitude and latitude straight where that stretches little, else seen from above the middle; the whole
    body where the positions lie all over it. The map may lie across the antimeridian and hold a pole.

    Parameters
    ----------
    lonlat
        Shape (n, 2), degrees, at least one.
    margin_deg
        Degrees of a great circle on each side.
    """
    points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
    flat = _flat(points, margin_deg, body)
    if flat is not None:
        return flat
    return _from_above(points, margin_deg) or whole_body(body)


def middle_of(lonlat: ArrayLike) -> tuple[float, float] | None:
    """Middle direction of positions, (lon, lat) in degrees; None where they lie evenly all around."""
    vectors = unit_vectors(np.asarray(lonlat, dtype=float).reshape(-1, 2))
    total = vectors.sum(axis=0)
    if not len(vectors) or np.linalg.norm(total) < 0.02 * len(vectors):
        return None
    lat = math.degrees(math.atan2(total[2], math.hypot(total[0], total[1])))
    return math.degrees(math.atan2(total[1], total[0])), lat


def box_outline(west: float, south: float, east: float, north: float) -> Floats:
    """Positions all along the edge of a box of longitudes and latitudes, (n, 2), degrees.

    ``west > east`` crosses the antimeridian.
    """
    width = (east - west) % 360.0 or 360.0
    lon = west + np.linspace(0.0, width, 2 + math.ceil(width / 2.0))
    lat = np.linspace(south, north, 2 + math.ceil((north - south) / 2.0))
    sides = [np.stack([np.full_like(lat, edge), lat], axis=-1) for edge in (west, west + width)]
    ends = [np.stack([lon, np.full_like(lon, edge)], axis=-1) for edge in (south, north)]
    outline = np.concatenate([*sides, *ends])
    return np.stack([to_east_180(outline[:, 0]), outline[:, 1]], axis=-1)


def circle_outline(body: Body, lonlat: ArrayLike, radius_km: float) -> Floats:
    """Positions on a circle about a place, (n, 2), degrees."""
    return body.destination(lonlat, np.arange(0.0, 360.0, 5.0), radius_km)


def _checked(bounds: Sequence[float | None]) -> Bounds | None:
    given = [bound for bound in bounds if bound is not None]
    if not given:
        return None
    if len(given) < 4:
        raise ToolInputError(
            "only some bounds of the map are given",
            allowed="west_lon_deg, south_lat_deg, east_lon_deg and north_lat_deg together",
        )
    west, south, east, north = given
    for name, value in (("west_lon_deg", west), ("east_lon_deg", east)):
        check_number(name, value, -360.0, 360.0, "degrees")
    check_number("south_lat_deg", south, -90.0, 90.0, "degrees")
    check_number("north_lat_deg", north, south, 90.0, "degrees", above=True)
    return west, south, east, north


def _whole(ws: Workspace) -> Sheet:
    _, south, _, north = ws.index.tiles.bounds
    poles = tuple(pole for pole, lat in ((1, north), (-1, -south)) if lat > POLAR_LIMIT_DEG)
    return Sheet("whole", (whole_body(ws.body),), "a map of the whole body", poles=poles)


def _both_poles() -> Sheet:
    figures: Figures = {"limit_lat_deg": tidy(POLAR_LIMIT_DEG)}
    words = f"views of both poles out to latitude {said(figures['limit_lat_deg'])} degrees (stereographic)"
    return Sheet("polar", (polar_cap(1, POLAR_LIMIT_DEG), polar_cap(-1, POLAR_LIMIT_DEG)), words, figures)


def _globe(ws: Workspace, layers: Sequence[Layer], place: str | None, box: Bounds | None) -> Sheet:
    """The body from above a place, the middle of a box, or the middle of the layers."""
    if place is not None:
        found = find_in_gazetteer(ws, place)
        middle: tuple[float, float] | None = (found.lon, found.lat)
    else:
        outline = box_outline(*box) if box else np.concatenate([layer.lonlat for layer in layers])
        middle = middle_of(outline)
    lon, lat = (round(degrees) for degrees in middle or (0.0, 0.0))
    if abs(lat) > 85:  # exactly from above the pole, with longitude 0 as in every view of it
        lon, lat = 0, 90 if lat > 0 else -90
    figures: Figures = {"centre_lon_deg": lon, "centre_lat_deg": lat}
    words = (
        f"the body as seen from far above longitude {lon} degrees east, latitude {lat} degrees north, with "
        "its far side beside it (orthographic)"
    )
    far = seen_from(lon if abs(lat) == 90 else lon + 180.0, -lat)
    return Sheet("globe", (seen_from(lon, lat), far), words, figures)


def _region(
    ws: Workspace, layers: Sequence[Layer], place: str | None, within_km: float | None, box: Bounds | None
) -> Sheet:
    """A window about a place, around a box, or around the layers."""
    if place is not None:
        found = find_in_gazetteer(ws, place)
        tile_km = ws.index.grid.tile_km
        radius_km = within_km or max(0.65 * found.diameter_km, 4.0 * tile_km)
        view = window(circle_outline(ws.body, [found.lon, found.lat], radius_km), ws.body)
        return _framed(ws, view, f"the region around {found.name}")
    if box is not None:
        return _framed(ws, window(box_outline(*box), ws.body), "the region between the bounds")
    points = np.concatenate([_corners(layer) for layer in layers])
    if not len(points):
        view = view_of(ws.index)
        return _whole(ws) if view.whole else _framed(ws, view, "the observed region")
    reach_deg = math.degrees(ws.index.grid.tile_km / ws.body.radius_km)
    height = float(np.ptp(points[:, 1]))
    return _framed(
        ws, window(points, ws.body, max(2.5 * reach_deg, 0.06 * height)), "the region of the layers"
    )


def _corners(layer: Layer) -> Floats:
    """Where a layer lies: its positions, and corners of its shapes."""
    if layer.pointlike:
        return np.asarray(layer.lonlat)
    corners = shapely.get_coordinates(layer.shapes)
    return np.concatenate([layer.lonlat, corners[:: 1 + len(corners) // MOST_CORNERS]])


def _framed(ws: Workspace, view: Projection, what: str) -> Sheet:
    """A window in words: its size, its middle and its projection."""
    if view.whole:
        whole = _whole(ws)
        return replace(whole, words=f"{whole.words}, for {what} is too wide for a map of its own")
    width_km, height_km = view.size_km(ws.body.radius_km)
    figures: Figures = {
        "width_km": tidy(width_km),
        "height_km": tidy(height_km),
        "centre_lon_deg": tidy(float(to_east_180(round(view.lon, 2)))),
        "centre_lat_deg": tidy(round(view.lat, 2)),
    }
    words = (
        f"a map of {what}, {said(figures['width_km'])} km wide and {said(figures['height_km'])} km high "
        f"about longitude {said(figures['centre_lon_deg'])} degrees east, latitude "
        f"{said(figures['centre_lat_deg'])} degrees north ({view.name})"
    )
    return Sheet("region", (view,), words, figures)


def _flat(points: Floats, margin_deg: float, body: Body) -> Flat | None:
    """An equirectangular window, or None where it would be too wide or too stretched."""
    # Found from the widest gap in longitude, so that it may lie across the antimeridian.
    lon = np.sort(points[:, 0] % 360.0)
    gaps = np.diff(lon, append=lon[0] + 360.0)
    widest = int(gaps.argmax())
    width = 360.0 - float(gaps[widest])
    south = max(-90.0, float(points[:, 1].min()) - margin_deg)
    north = min(90.0, float(points[:, 1].max()) + margin_deg)
    lat = (south + north) / 2.0
    stretch = math.cos(math.radians(lat))
    # A degree of margin is a wider piece of a parallel in the higher latitudes.
    width += 2.0 * margin_deg / max(0.1, math.cos(math.radians(max(abs(south), abs(north)))))
    half_width, half_height = _filled(math.radians(width / 2.0) * stretch, math.radians(north - south) / 2.0)
    edge = min(90.0, abs(lat) + math.degrees(half_height))
    if width > WIDEST_DEG or stretch > STRETCH * math.cos(math.radians(edge)):
        return None
    if math.degrees(half_width) / stretch > WIDEST_DEG:  # filling a high map made it wide
        return None
    west = float(lon[(widest + 1) % len(lon)])
    middle = float(to_east_180(west + (360.0 - float(gaps[widest])) / 2.0))
    start = 0.0 if body.longitude_domain == 360 else -180.0
    return Flat(start + (middle - start) % 360.0, lat, half_width, half_height)


def _from_above(points: Floats, margin_deg: float) -> Azimuthal | None:
    """An equal-area window about the middle of the positions; None where they lie too far apart."""
    middle = middle_of(points)
    if middle is None:
        return None
    low, high = _extent(points, middle)
    for _ in range(2):  # the frame's own middle, which moves a little as the view does
        if np.abs(low + high).max() > 1e-6:
            lon, lat = Azimuthal(*middle, 2.0, 2.0).to_lonlat((low + high) / 2.0).tolist()
            middle = lon, lat
        low, high = _extent(points, middle)
    half_width, half_height = ((high - low) / 2.0).tolist()
    to_pole = math.radians(90.0 - abs(middle[1]))
    if to_pole < 0.35 * max(half_height, half_width / ASPECT, math.radians(margin_deg)):
        middle = 0.0, math.copysign(90.0, middle[1])  # nearly about the pole: then exactly
        half_width, half_height = np.abs(_extent(points, middle)).max(axis=0).tolist()
    if math.hypot(half_width, half_height) > 2.0 * math.sqrt(2.0) * math.sin(
        math.radians(FARTHEST_DEG) / 2.0
    ):
        return None
    margin = math.radians(margin_deg)
    half_width, half_height = half_width + margin, half_height + margin
    wide, tall = _filled(half_width, half_height)
    return Azimuthal(*middle, min(wide, max(half_width, WIDEST_RADII)), tall)


def _extent(points: Floats, middle: tuple[float, float]) -> tuple[Floats, Floats]:
    """Lowest and highest x and y of positions on the plane about a middle, (2,) each."""
    xy = Azimuthal(*middle, 2.0, 2.0).to_plane(points)
    return xy.min(axis=0), xy.max(axis=0)


def _filled(half_width: float, half_height: float) -> tuple[float, float]:
    # Widened or heightened to the shape of the panel.
    return max(half_width, ASPECT * half_height), max(half_height, half_width / ASPECT)

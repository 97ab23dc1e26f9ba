"""Outlines of a planet's large features: dichotomy boundary, canyon, polar caps, volcanic rise.

Landforms depend on them (`processes`), so a test of such a dependence needs to know where they run. They
are contours of the same fields that the pictures are made from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import shapely
from contourpy import FillType, LineType, contour_generator
from numpy.typing import NDArray

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.processes import process
from retrieval.corpus.lowell.relief import RADIUS_KM, cap_bend, fields, polar_cap
from retrieval.spatial.shapes import area_km2, length_km, normalised, representative

if TYPE_CHECKING:
    from retrieval.corpus.lowell.planet import Planet

STEP_DEG = 0.25  # 2 km, while the contoured fields vary over 18 km and more
RISE_KM = float(process("lava_flow", "rise").parameters["max_distance_km"])


def outlines(planet: Planet) -> gpd.GeoDataFrame:
    """Large features of a planet as lines and areas, in the columns of a catalogue.

    Returns
    -------
    One row each; ``landform`` is what rules and tests ask for:

    - ``dichotomy``, the boundary between lowlands and highlands (lines);
    - ``canyon``, the ground inside the canyon system, and ``canyon_rim``, its edge (areas, lines);
    - ``polar_cap`` and ``polar_cap_margin``, north and south (areas, lines);
    - ``rise``, the volcanic rise: the ground within 320 km of its middle (area).

    ``lon`` and ``lat`` are the centroid or the nearest position on the shape, ``diameter_km`` is that of the
    circle of equal area, ``length_km`` that of a line.
    """
    lon, lat = np.arange(-180.0, 180.01, STEP_DEG), np.arange(-90.0, 90.01, STEP_DEG)
    points = unit_vectors(np.stack(np.meshgrid(lon, lat), axis=-1)).astype(np.float32)
    at = fields(planet.regions, planet.noise, points)
    caps = polar_cap(planet.regions, points, cap_bend(planet.noise, points))
    rise_km = np.arccos(np.clip(points @ planet.regions.rise, -1.0, 1.0)) * np.float32(RADIUS_KM)
    north, south = (
        np.where(side * points[..., 2] > 0, caps, 0) - np.float32(0.5)
        for side in (np.float32(1), np.float32(-1))
    )
    rows: list[tuple[str, str, str, Any]] = [
        ("dichotomy", "Dichotomy boundary", "dichotomy", _line(lon, lat, at.boundary_km)),
        ("canyon", "Canyon system", "canyon", _area(lon, lat, -at.canyon_km)),
        ("canyon-rim", "Canyon rim", "canyon_rim", _line(lon, lat, at.canyon_km)),
        ("north-cap", "North polar cap", "polar_cap", _area(lon, lat, north)),
        ("south-cap", "South polar cap", "polar_cap", _area(lon, lat, south)),
        ("north-cap-margin", "North polar cap margin", "polar_cap_margin", _line(lon, lat, north)),
        ("south-cap-margin", "South polar cap margin", "polar_cap_margin", _line(lon, lat, south)),
        ("rise", "Volcanic rise", "rise", _area(lon, lat, np.float32(RISE_KM) - rise_km)),
    ]
    ids, names, landforms, drawn = zip(*rows, strict=True)
    shapes, _ = normalised(np.array(drawn, dtype=object), planet.body)
    middle = representative(shapes, planet.body)
    flat = shapely.get_dimensions(shapes) == 2
    table = {
        "id": ids,
        "name": names,
        "landform": landforms,
        "lon": middle[:, 0],
        "lat": middle[:, 1],
        "diameter_km": np.where(flat, 2.0 * np.sqrt(area_km2(shapes, planet.body) / np.pi), np.nan),
        "length_km": np.where(flat, np.nan, length_km(shapes, planet.body)),
        "azimuth_deg": np.nan,
    }
    return gpd.GeoDataFrame(table, geometry=shapes, crs=planet.body.crs)


def _line(lon: NDArray[np.float64], lat: NDArray[np.float64], field: F32) -> Any:
    """Where a field is zero."""
    generator: Any = contour_generator(lon, lat, field, line_type=LineType.Separate)
    # Fields touch zero at a grid point now and then: a line of one point, or of 10 cm, is none.
    kept = [line for line in generator.lines(0.0) if np.ptp(line, axis=0).max() > 1e-5]
    return shapely.line_merge(shapely.multilinestrings([shapely.linestrings(line) for line in kept]))


def _area(lon: NDArray[np.float64], lat: NDArray[np.float64], field: F32) -> Any:
    """Where a field is positive."""
    generator: Any = contour_generator(lon, lat, field, fill_type=FillType.OuterOffset)
    corners, offsets = generator.filled(0.0, np.inf)  # all rings of each polygon, and where they begin
    polygons = [
        shapely.Polygon(rings[0], rings[1:])
        for rings in (np.split(*pair) for pair in zip(corners, [o[1:-1] for o in offsets], strict=True))
    ]
    return shapely.union_all(polygons)

"""Distances, azimuths and areas against `pyproj.Geod`, beside what a flat map would say.

For each body: random pairs, a quarter of them at the poles, at the antimeridian, nearly antipodal and less
than a metre apart; and polygons of 1 km to a tenth of the circumference, among them some over a pole and
the antimeridian. An azimuth's error is how far aside it leads, over the distance. A polygon's edges are
straight in longitude and latitude, the library's are great circles: its area is taken with 200 and 400
pieces an edge and extrapolated (the error falls with the square).

    python benchmarks/geodesy.py [--pairs 100000] [--polygons 400] [--seed 0] [--json FILE]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from _common import make_parser, write_json
from numpy.typing import NDArray

from retrieval.body import BODIES, Body
from retrieval.spatial.shapes import area_km2, normalised
from retrieval.spatial.sphere import angle_between, lonlat_of, vectors_of

Floats = NDArray[np.float64]
KINDS = ("anywhere", "pole", "antimeridian", "antipode", "below a metre")


def make_pairs(body: Body, count: int, rng: np.random.Generator) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Pairs of positions, lonlat (n, 2) each, and the kind of each pair."""
    a, b = lonlat_of(rng.normal(size=(count, 3))), lonlat_of(rng.normal(size=(count, 3)))
    kind = np.where(rng.random(count) < 0.75, 0, rng.integers(1, len(KINDS), count))
    pole = kind == 1
    a[pole, 1] = np.sign(a[pole, 1]) * (90.0 - rng.choice([0.0, 1e-9, 1e-3, 1.0], pole.sum()))
    seam = kind == 2
    a[seam, 0] = 180.0 - rng.choice([0.0, 1e-9, 1e-3, 1.0], seam.sum())
    b[seam, 0] = -180.0 + rng.choice([0.0, 1e-9, 1e-3, 1.0], seam.sum())
    opposite, close = kind == 3, kind == 4
    azimuth = rng.uniform(0, 360, count)
    antipode = np.stack([a[:, 0] + 180.0, -a[:, 1]], axis=-1)
    offset_km = 10.0 ** rng.uniform(-3, 2, count)
    b[opposite] = body.destination(antipode, azimuth, offset_km)[opposite]
    b[close] = body.destination(a, azimuth, 10.0 ** rng.uniform(-5, -3, count))[close]
    return a, b, kind


def compare_pairs(body: Body, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Largest relative errors of each kind of pair."""
    a, b, kind = make_pairs(body, count, rng)
    azimuth, _, metres = body.geod.inv(*a.T, *b.T)
    true_km = metres / 1000.0
    ours = {
        "distance": body.distance_km(a, b),
        "distance of trees": angle_between(vectors_of(a), vectors_of(b)) * body.radius_km,
        "planar degrees": np.radians(np.hypot((b[:, 0] - a[:, 0] + 180) % 360 - 180, b[:, 1] - a[:, 1]))
        * body.radius_km,
        "mean latitude": _mean_latitude_km(body, a, b),
    }
    figures: dict[str, Any] = {}
    apart = true_km > 0
    for name, km in ours.items():
        error = np.abs(km - true_km)[apart] / true_km[apart]
        figures[name] = {word: float(error[kind[apart] == i].max()) for i, word in enumerate(KINDS)}
        figures[name]["median"] = float(np.median(error))
    turned = np.radians((body.azimuth_deg(a, b) - azimuth + 180) % 360 - 180)
    aside = np.abs(turned) * np.sin(true_km / body.radius_km) * body.radius_km
    error = aside[apart] / true_km[apart]
    figures["azimuth"] = {word: float(error[kind[apart] == i].max()) for i, word in enumerate(KINDS)}
    return figures


def _mean_latitude_km(body: Body, a: Floats, b: Floats) -> Floats:
    east = np.radians((b[:, 0] - a[:, 0] + 180) % 360 - 180) * np.cos(np.radians(a[:, 1] + b[:, 1]) / 2)
    return np.asarray(np.hypot(east, np.radians(b[:, 1] - a[:, 1])) * body.radius_km)


def compare_areas(body: Body, count: int, rng: np.random.Generator) -> dict[str, float]:
    """Largest and median relative errors of the areas of polygons, and of a flat map's."""
    centres = lonlat_of(rng.normal(size=(count, 3)))
    centres[: count // 8, 1] = 89.0 * np.sign(centres[: count // 8, 1])
    centres[count // 8 : count // 4, 0] = 179.9
    largest_km = 0.2 * body.half_circumference_km
    errors, flat_errors = [], []
    for centre in centres:
        size_km = float(np.exp(rng.uniform(0.0, np.log(largest_km))))
        azimuth = np.arange(12) * 30.0 + rng.uniform(0, 20)
        ring = body.destination(centre, azimuth, size_km * rng.uniform(0.4, 1.0, 12))
        shapes, _ = normalised([shapely.Polygon(ring)], body)
        coarse, fine = (_library_km2(body, shapes[0], pieces) for pieces in (200, 400))
        true_km2 = fine + (fine - coarse) / 3.0
        errors.append(abs(float(area_km2(shapes, body)[0]) / true_km2 - 1.0))
        middle = np.radians(ring[:, 1].mean())
        flat = shapely.Polygon(ring).area * np.radians(1.0) ** 2 * body.radius_km**2 * np.cos(middle)
        flat_errors.append(abs(flat / true_km2 - 1.0))
    return {
        "largest": float(np.max(errors)),
        "median": float(np.median(errors)),
        "flat map, largest": float(np.max(flat_errors)),
        "flat map, median": float(np.median(flat_errors)),
    }


def _library_km2(body: Body, shape: Any, pieces: int) -> float:
    """Area by the library, with each edge cut into pieces, km2."""
    total = 0.0
    for part in shapely.get_parts(shape):
        corners = shapely.get_coordinates(part.exterior)
        share = (np.arange(pieces) / pieces)[:, None]
        path = (corners[:-1, None] + share * np.diff(corners, axis=0)[:, None]).reshape(-1, 2)
        total += abs(body.geod.polygon_area_perimeter(*path.T)[0]) / 1e6
    return total


def main() -> None:
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--polygons", type=int, default=400)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    figures: dict[str, Any] = {}
    for name, body in BODIES.items():
        figures[name] = {**compare_pairs(body, arguments.pairs, rng)}
        figures[name]["area"] = compare_areas(body, arguments.polygons, rng)
        print(name)
        for what, errors in figures[name].items():
            print(f"  {what:18s}" + "  ".join(f"{word} {error:.1e}" for word, error in errors.items()))
    write_json(figures, arguments.json)


if __name__ == "__main__":
    main()

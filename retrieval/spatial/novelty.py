"""Hits that no published feature explains.

An entry explains a hit when the hit lies within a given distance of its centre, or within its own radius
where that is larger. *New* means "not in this list": a list has a smallest size below which it is blank, and
what lies below that can always be new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import GeometryError
from retrieval.spatial.sphere import SLACK, SphereTree, check_lonlat

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

BLOCK = 20_000  # hits at a time: what lies around them fits the memory


@dataclass(frozen=True)
class Novelty:
    """Which hits are new, one row per hit.

    Attributes
    ----------
    new
        Whether no entry explains it, shape (n,).
    nearest_km, nearest_row
        The nearest entry that explains it; of new hits the nearest entry at all. Infinite and -1 where the
        list is empty.
    smallest_listed_km
        Diameter of the smallest entry, km; NaN where no entry says its size.
    """

    new: Bools
    nearest_km: Floats
    nearest_row: Ints
    smallest_listed_km: float


def novelty(
    body: Body,
    lonlat: ArrayLike,
    entries_lonlat: ArrayLike,
    entries_radius_km: ArrayLike,
    distance_km: float,
) -> Novelty:
    """Hold hits against a list of entries.

    Parameters
    ----------
    lonlat, entries_lonlat
        Positions, shapes (n, 2) and (m, 2), degrees.
    entries_radius_km
        Shape (m,); NaN or 0 where unknown.
    distance_km
        How far a hit may lie from the centre of the entry that explains it.

    Raises
    ------
    GeometryError
        If a position is impossible, the distance is no distance on the body, or a radius is negative.
    """
    hits = check_lonlat(lonlat, "hits")
    entries = check_lonlat(entries_lonlat, "entries of the catalogue")
    radius = np.asarray(entries_radius_km, dtype=float).reshape(-1)
    if not 0 < distance_km <= body.half_circumference_km:
        raise GeometryError(
            f"a distance of {distance_km} km is none on {body.name}",
            allowed=f"more than 0 and at most {body.half_circumference_km:.0f} km",
        )
    if len(radius) != len(entries) or (radius < 0).any():
        raise GeometryError(
            "each entry of a catalogue has one radius", allowed="0 or more km, or NaN where it is unknown"
        )
    nearest_km, nearest_row = SphereTree(body, entries).nearest(hits)
    inside_km, inside_row = _inside_of_large(body, hits, entries, radius, distance_km)
    explained = nearest_km <= distance_km + SLACK * body.radius_km
    # A hit inside a large crater may lie nearer to a small one that does not reach it.
    by_size = ~explained & np.isfinite(inside_km)
    sizes = 2.0 * radius[radius > 0]
    return Novelty(
        ~(explained | by_size),
        np.where(by_size, inside_km, nearest_km),
        np.where(by_size, inside_row, nearest_row),
        float(sizes.min()) if len(sizes) else float("nan"),
    )


def by_latitude(lat_deg: ArrayLike, new: ArrayLike, edges_deg: ArrayLike) -> tuple[Ints, Ints, Floats]:
    """Hits and new hits in bands of latitude, and the share that is new.

    Parameters
    ----------
    lat_deg, new
        Shapes (n,).
    edges_deg
        Edges of the bands, growing, shape (k + 1,); the last band holds its northern edge.

    Returns
    -------
    hits, new, share
        Shapes (k,); the share of a band without hits is NaN.
    """
    edges = np.asarray(edges_deg, dtype=float)
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise GeometryError(f"edges {edges.tolist()} make no bands", allowed="two or more that grow")
    lat, fresh = np.asarray(lat_deg, dtype=float), np.asarray(new, dtype=bool)
    hits = np.histogram(lat, edges)[0].astype(np.int64)
    unseen = np.histogram(lat[fresh], edges)[0].astype(np.int64)
    share = np.divide(unseen, hits, out=np.full(len(hits), np.nan), where=hits > 0)
    return hits, unseen, share


def _inside_of_large(
    body: Body, hits: Floats, entries: Floats, radius: Floats, distance_km: float
) -> tuple[Floats, Ints]:
    """Nearest entry larger than the distance whose radius reaches each hit: km and row, inf and -1."""
    best_km = np.full(len(hits), np.inf)
    best_row = np.full(len(hits), -1, dtype=np.int64)
    radius = np.minimum(np.nan_to_num(radius), body.half_circumference_km)
    low = distance_km
    # In classes of size, so that few entries are looked at that do not reach.
    while (radius > low).any():
        rows = np.flatnonzero((radius > low) & (radius <= 2.0 * low))
        low *= 2.0
        if not len(rows):
            continue
        tree = SphereTree(body, entries[rows])
        for start in range(0, len(hits), BLOCK):
            hit, entry, km = tree.pairs(hits[start : start + BLOCK], float(radius[rows].max()))
            reached = km <= radius[rows[entry]] + SLACK * body.radius_km
            hit, entry, km = hit[reached] + start, rows[entry[reached]], km[reached]
            order = np.lexsort((entry, km, hit))
            hit, entry, km = hit[order], entry[order], km[order]
            first = np.concatenate([[True], hit[1:] != hit[:-1]]) if len(hit) else np.zeros(0, dtype=bool)
            hit, entry, km = hit[first], entry[first], km[first]
            nearer = (km < best_km[hit]) | ((km == best_km[hit]) & (entry < best_row[hit]))
            best_km[hit[nearer]], best_row[hit[nearer]] = km[nearer], entry[nearer]
    return best_km, best_row

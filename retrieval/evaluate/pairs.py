"""Pairs of patterns made by chance, to test tests on.

Each pair is drawn anew: clustered (Thomas processes of any width and size), half of them bound to one band
of latitude that both share, on ground of which strips, holes and blocks were not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from retrieval.body import Body, get_body, to_east_180
from retrieval.errors import SettingsError
from retrieval.grid import Grid
from retrieval.spatial.nulls import clusters_of
from retrieval.spatial.observed import Observed, whole_body
from retrieval.spatial.sphere import lonlat_of, vectors_of

Floats = NDArray[np.float64]

CELL_KM = 16.0
FEWEST_ROWS = 15  # of both patterns, after what was not seen is gone
FEWEST_GROUPS = 5  # of both patterns, linked within the distance asked
LEAST_ROWS = 8  # of patterns of few clusters


@dataclass(frozen=True)
class Pair:
    """Two patterns and the ground on which both were looked for.

    Attributes
    ----------
    a, b
        Positions, (n, 2), degrees.
    observed
        Where was looked.
    distance_km
        Distance to be asked.
    banded
        Whether both lie in one band of latitude.
    """

    a: Floats
    b: Floats
    observed: Observed
    distance_km: float
    banded: bool


def draw_pairs(
    seed: int, count: int, *, near_share: float | None = None, few: bool = False
) -> Iterator[Pair]:
    """Pairs of clustered patterns on Lowell with uneven coverage.

    Parameters
    ----------
    seed
        Seed of everything.
    count
        Number of pairs.
    near_share
        None: independent patterns. Else the share of A's clusters whose centre lies about half the
        distance asked from one of B.
    few
        Patterns that are worth little: A of two to eleven clusters or up to three winding strings of them,
        B of three or more, or up to seven strings. Independent ones only.

    Raises
    ------
    SettingsError
        If few clusters are asked for near each other.
    """
    if few and near_share is not None:
        raise SettingsError("pairs of few clusters are drawn independent only")
    body = get_body("lowell")
    grid = Grid(body, CELL_KM)
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
        pair = _few(body, grid, rng) if few else _many(body, grid, rng, near_share)
        if pair is not None:
            made += 1
            yield pair


def _many(body: Body, grid: Grid, rng: Generator, near_share: float | None) -> Pair | None:
    observed = _coverage(grid, rng)
    distance_km = float(np.exp(rng.uniform(np.log(16.0), np.log(80.0))))
    band = _band(rng) if rng.random() < 0.5 else None
    b = _seen(_thomas(body, _centres(rng, int(rng.integers(12, 70)), band), rng), observed)
    centres = _centres(rng, int(rng.integers(12, 70)), band)
    if near_share is not None and len(b):
        centres[: round(near_share * len(centres))] = np.nan
        follow = np.isnan(centres[:, 0])
        beside = b[rng.integers(0, len(b), int(follow.sum()))]
        centres[follow] = _scattered(body, beside, distance_km / 2, rng)
    a = _seen(_thomas(body, centres, rng, widest_km=60.0 if near_share is None else 25.0), observed)
    if min(len(a), len(b)) < FEWEST_ROWS:
        return None
    groups = [int(clusters_of(body, rows, distance_km).max()) + 1 for rows in (a, b)]
    return Pair(a, b, observed, distance_km, band is not None) if min(groups) >= FEWEST_GROUPS else None


def _few(body: Body, grid: Grid, rng: Generator) -> Pair | None:
    observed = _coverage(grid, rng) if rng.random() < 0.7 else whole_body(body, CELL_KM)
    distance_km = float(np.exp(rng.uniform(np.log(12.0), np.log(80.0))))
    band = _band(rng) if rng.random() < 0.5 else None
    patterns = []
    for most_strings, fewest, most in ((3, 2, 11), (7, 3, 39)):
        if rng.random() < 0.5:
            centres = _strings(body, _centres(rng, int(rng.integers(1, most_strings + 1)), band), rng)
            rows = _thomas(body, centres, rng, widest_km=30.0)
        else:
            rows = _thomas(body, _centres(rng, int(rng.integers(fewest, most + 1)), band), rng)
        patterns.append(_seen(rows, observed))
    a, b = patterns
    return Pair(a, b, observed, distance_km, band is not None) if min(len(a), len(b)) >= LEAST_ROWS else None


def _band(rng: Generator) -> tuple[float, float, bool]:
    """South, north, and whether the band lies on both hemispheres."""
    if rng.random() < 0.5:
        south = float(rng.uniform(0.0, 55.0))
        return south, south + float(rng.uniform(12.0, 30.0)), True
    south = float(rng.uniform(-60.0, 50.0))
    return south, south + float(rng.uniform(15.0, 40.0)), False


def _centres(rng: Generator, count: int, band: tuple[float, float, bool] | None) -> Floats:
    """Even on the sphere, or in a band; lonlat, (count, 2)."""
    south, north, both = (-90.0, 90.0, False) if band is None else band
    low, high = np.sin(np.radians([south, min(north, 90.0)]))
    lat = np.degrees(np.arcsin(rng.uniform(low, high, count)))
    if both:
        lat *= rng.choice([-1.0, 1.0], count)
    return np.stack([rng.uniform(-180.0, 180.0, count), lat], axis=-1)


def _strings(body: Body, starts: Floats, rng: Generator) -> Floats:
    """Centres of clusters along lines that wind from each start, 60 to 700 km long."""
    centres = []
    for start in starts:
        number = int(rng.integers(2, 14))
        steps = 3 * number
        step_km = rng.uniform(60.0, 700.0) / steps
        azimuth = rng.uniform(0.0, 360.0) + np.cumsum(rng.normal(0.0, 12.0, steps))
        line = [start[None]]
        for turn in azimuth:
            line.append(body.destination(line[-1], np.array([turn]), np.array([step_km])))
        centres.append(np.concatenate(line)[rng.choice(steps + 1, number, replace=False)])
    return np.concatenate(centres)


def _thomas(body: Body, centres: Floats, rng: Generator, widest_km: float = 60.0) -> Floats:
    """Clusters of a Poisson number of rows, normally scattered about their centres."""
    width_km = float(np.exp(rng.uniform(np.log(8.0), np.log(widest_km))))
    sizes = rng.poisson(rng.uniform(1.5, 12.0), len(centres))
    return _scattered(body, np.repeat(centres, sizes, axis=0), width_km, rng)


def _scattered(body: Body, lonlat: Floats, width_km: float, rng: Generator) -> Floats:
    if not len(lonlat):
        return lonlat
    noise = rng.standard_normal((len(lonlat), 3)) * width_km / body.radius_km
    return lonlat_of(vectors_of(lonlat) + noise)


def _coverage(grid: Grid, rng: Generator) -> Observed:
    """Strips along meridians, round holes, and blocks whose share depends on latitude, in any mixture."""
    centres = grid.centres()
    kind = int(rng.integers(3))
    seen = np.full(len(grid), kind == 2)
    if kind < 2:
        for _ in range(int(rng.integers(5, 16))):
            seen |= (centres[:, 0] - rng.uniform(-180.0, 180.0)) % 360.0 < rng.uniform(6.0, 24.0)
    if kind > 0:
        vectors = vectors_of(centres)
        for hole in vectors_of(_centres(rng, int(rng.integers(2, 9)), None)):
            seen &= vectors @ hole <= np.cos(rng.uniform(0.1, 0.5))
    if rng.random() < 0.5:
        share = rng.uniform(0.2, 1.0) + np.abs(centres[:, 1]) / 90.0 * rng.uniform(-0.8, 0.8)
        block = ((to_east_180(centres[:, 0]) + 180.0) // 6).astype(np.int64) * 40
        block += ((centres[:, 1] + 90.0) // 5).astype(np.int64)
        seen &= rng.random(60 * 40)[block] < np.clip(share, 0.15, 1.0)
    cells = np.flatnonzero(seen)
    return Observed(grid, cells, np.ones(len(cells)), None, "simulated coverage")


def _seen(lonlat: Floats, observed: Observed) -> Floats:
    return lonlat[observed.holds(lonlat)] if len(lonlat) else lonlat

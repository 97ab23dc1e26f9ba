"""How often the association test cries wolf, and how often it sees the wolf, on patterns made by chance.

Each pair of patterns is drawn anew: clustered (Thomas processes of any width and size), half of them
bound to one band of latitude that both share, on ground of which strips, holes and blocks were not seen.
Without ``near_share`` the two know nothing of each other, so every association found is false; with it, part
of A's clusters lie near B. `evaluate_associations` puts beside that what the tests say about the processes
of synthetic planets (`hypotheses`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import binomtest

from retrieval.body import Body, get_body, to_east_180
from retrieval.errors import SettingsError
from retrieval.evaluate.hypotheses import judge_planet
from retrieval.grid import Grid
from retrieval.spatial.association import FEWEST_CLUSTERS, LEAST_RETAINED, associate
from retrieval.spatial.nulls import Null, clusters_of
from retrieval.spatial.observed import Observed
from retrieval.spatial.sphere import lonlat_of, vectors_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CELL_KM = 16.0
FEWEST_ROWS = 15  # of both patterns, after what was not seen is gone
NULLS: tuple[Null, ...] = ("spin", "rotation", "clusters", "uniform")


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


@dataclass(frozen=True)
class Rate:
    """A share of tests with its interval of 95 % (Wilson 1927)."""

    share: float
    low: float
    high: float
    of: int

    @classmethod
    def of_hits(cls, hits: Sequence[bool] | Bools) -> Rate:
        """Share of true values; NaN of none."""
        found = np.asarray(hits, dtype=bool)
        if not len(found):
            return cls(float("nan"), float("nan"), float("nan"), 0)
        test = binomtest(int(found.sum()), len(found)).proportion_ci(method="wilson")
        return cls(float(found.mean()), float(test.low), float(test.high), len(found))

    def as_json(self) -> dict[str, float | int]:
        """Plain values."""
        return {"share": self.share, "low": self.low, "high": self.high, "of": self.of}


def draw_pairs(seed: int, count: int, *, near_share: float | None = None) -> Iterator[Pair]:
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
    """
    body = get_body("lowell")
    grid = Grid(body, CELL_KM)
    rng = np.random.default_rng(seed)
    made = 0
    while made < count:
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
            continue
        groups = [int(clusters_of(body, rows, distance_km).max()) + 1 for rows in (a, b)]
        if groups[0] < FEWEST_CLUSTERS or groups[1] < FEWEST_CLUSTERS:
            continue
        made += 1
        yield Pair(a, b, observed, distance_km, band is not None)


def evaluate_pairs(
    seed: int,
    count: int,
    *,
    near_share: float | None = None,
    nulls: Sequence[Null] = NULLS,
    shifts: int = 199,
    alpha: float = 0.05,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Share of pairs of patterns that are called associated, by null model.

    Parameters
    ----------
    seed
        Seed of the pairs.
    count
        Number of pairs.
    near_share
        None: independent pairs, so that the shares are of false alarms. Else power, see `draw_pairs`.
    nulls
        Null models to compare.
    shifts
        Shifts of each test.
    alpha
        Level of the tests.
    progress
        Told the stage, the pairs done and their number.

    Returns
    -------
    dict
        ``pairs`` and for each null model ``both``, ``nearer``, ``farther`` (tests of the distance asked),
        ``curve`` (the whole curve), ``banded`` (pairs in one band of latitude), ``testable`` (pairs with
        enough independent rows and shifts that keep enough of them) and ``verdict`` (pairs that are called
        nearer or farther in the end); each with its share and interval.

    Raises
    ------
    SettingsError
        If no pair is asked for.
    """
    if count < 1:
        raise SettingsError(f"{count} pairs show nothing", allowed="1 or more")
    columns = ("both", "nearer", "farther", "curve", "banded", "testable", "verdict")
    hits: dict[Null, dict[str, list[bool]]] = {null: {name: [] for name in columns} for null in nulls}
    for number, pair in enumerate(draw_pairs(seed, count, near_share=near_share)):
        for null in nulls:
            test = associate(
                get_body("lowell"),
                pair.a,
                pair.b,
                pair.observed,
                pair.distance_km,
                null=null,
                shifts=shifts,
                alpha=alpha,
                seed=number,
            )
            found, nearer = test.p_value <= alpha, test.enrichment > 1
            row = hits[null]
            row["both"].append(found)
            row["nearer"].append(found and nearer)
            row["farther"].append(found and not nearer)
            row["curve"].append(test.p_curve <= alpha)
            if pair.banded:
                row["banded"].append(found)
            if test.clusters >= FEWEST_CLUSTERS and test.retained >= LEAST_RETAINED:
                row["testable"].append(found)
            row["verdict"].append(test.verdict in ("nearer", "farther"))
        if progress:
            progress("pairs of patterns", number + 1, count)
    return {
        "seed": seed,
        "alpha": alpha,
        "pairs": count,
        "near_share": near_share,
        "by_null": {
            null: {name: Rate.of_hits(values).as_json() for name, values in row.items()}
            for null, row in hits.items()
        },
    }


def evaluate_associations(
    seed: int,
    *,
    planets: int = 5,
    pairs: int = 200,
    shifts: int = 499,
    alpha: float = 0.05,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """False alarms on patterns made by chance, and what is found of the processes of synthetic planets.

    Parameters
    ----------
    seed
        Seed of the pairs of patterns and of the first planet; the others follow it.
    planets
        Number of planets.
    pairs
        Number of pairs of patterns.
    shifts
        Shifts of each test.
    alpha
        Level of the tests.
    progress
        Told the stage, how much of it is done, and of how much.

    Returns
    -------
    dict
        ``false_alarm_rate`` of the test that the chat makes and ``naive_false_alarm_rate`` of rows scattered
        evenly over the ground observed, both of tests at the distance asked; ``power``, the share of true
        processes found as the rules state, where "cannot tell" is a miss (``power_told`` leaves that out);
        ``false_friends_rejected`` and ``nulls_rejected``, the shares not called associated. Each has
        ``_low`` and ``_high`` (95 %, as if tests of one planet were independent) and ``_n``. ``table`` holds
        every test on the planets (`hypotheses.judge_planet`), ``by_null`` the pairs by null model, and
        ``truth`` the figures on catalogues; ``detections`` is None: no index is searched.

    Raises
    ------
    SettingsError
        If no pair or no planet is asked for.
    """
    from retrieval.corpus.lowell.planet import cached_planet

    if planets < 1:
        raise SettingsError(f"{planets} planets show nothing", allowed="1 or more")
    start = time.perf_counter()
    drawn = evaluate_pairs(
        seed, pairs, nulls=("spin", "uniform"), shifts=shifts, alpha=alpha, progress=progress
    )
    table: list[dict[str, Any]] = []
    for number in range(planets):
        table += judge_planet(cached_planet(seed + number), shifts=shifts, alpha=alpha, seed=seed)
        if progress:
            progress("planets", number + 1, planets)

    def rate(name: str, rows: list[dict[str, Any]]) -> dict[str, float | int | None]:
        found = Rate.of_hits([bool(row["right"]) for row in rows]).as_json()
        ends = {f"{name}_low": found["low"], f"{name}_high": found["high"], f"{name}_n": found["of"]}
        # Of no test there is no share.
        return {key: value if found["of"] else None for key, value in {name: found["share"], **ends}.items()}

    true = [row for row in table if row["kind"] == "true"]
    truth = {
        **rate("power", true),
        **rate("power_told", [row for row in true if row["verdict"] != "cannot tell"]),
        **rate("false_friends_rejected", [row for row in table if row["kind"] == "false_friend"]),
        **rate("nulls_rejected", [row for row in table if row["kind"] == "null"]),
    }
    alarms, naive = drawn["by_null"]["spin"]["both"], drawn["by_null"]["uniform"]["both"]
    return {
        "seed": seed,
        "alpha": alpha,
        "shifts": shifts,
        "planets": planets,
        "pairs": pairs,
        "false_alarm_rate": alarms["share"],
        "false_alarm_low": alarms["low"],
        "false_alarm_high": alarms["high"],
        "naive_false_alarm_rate": naive["share"],
        "by_null": {
            null: {name: each for name, each in rates.items() if each["of"]}
            for null, rates in drawn["by_null"].items()
        },
        **truth,
        "truth": truth,
        "detections": None,
        "seconds": time.perf_counter() - start,
        "table": table,
    }


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

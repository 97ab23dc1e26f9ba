"""Is A nearer to B than chance allows?

The statistic is the share of A within a distance of the nearest B. It is compared with what the same share
becomes when A is moved (`nulls`). Two corrections make that honest where only part of a planet was seen:

- A moved row counts where it falls on observed ground, which favours latitudes that were seen well. So the
  share expected is that of each row by itself, at its own latitudes, over all shifts that kept it.
- A shift that keeps few rows scatters more than the observed pattern, and more skewed. Shifts are joined
  until they have about as many rows (`nulls.superposed`), and what is left of the difference is met by
  comparing arcsine roots of shares times the root of the number of rows (the variance correction of
  Mrkvicka et al. 2021, "Revisiting the random shift approach for testing in spatial statistics").

The interval of the enrichment is the test turned around: the shares that it would not have rejected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import shapely
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from retrieval.body import Body, chord
from retrieval.errors import GeometryError
from retrieval.spatial.nulls import Null, Shifts, clusters_of, make_shifts, superposed
from retrieval.spatial.observed import Observed
from retrieval.spatial.shapes import along, inside
from retrieval.spatial.sphere import SLACK, check_lonlat, vectors_of
from retrieval.spatial.strata import Strata, cell_classes
from retrieval.spatial.verdicts import Side, extreme_ranks, rank_p, said_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Verdict = Literal["nearer", "farther", "no difference", "cannot tell"]

RADII = 24
FARTHEST = 4.0  # end of the curve, in distances asked
FEWEST_CLUSTERS = 5
FEWEST_OTHERS = 3  # positions of B; one long line or outline is enough
LEAST_RETAINED = 0.2
LARGEST_UNSEEN = 3.0  # an enrichment that a test must be able to see before it may say "no difference"
POWER_Z = 0.8416  # a normal value is below this with a chance of 80 %
MOST_MOVED = 10_000_000  # rows times shifts: memory of 400 MB, some ten seconds
FEWEST_SHIFTS = 199
BLOCK = 1_000_000  # positions looked up in one go
NAN = float("nan")


@dataclass(frozen=True)
class Association:
    """How near A lies to B, beside chance.

    Attributes
    ----------
    radii_km
        Distances of the curve, (r,).
    share, null_mean, low, high
        Share of A within each distance of B; the share expected; the global envelope: chance leaves it
        anywhere with a probability of ``alpha`` (5 %). All (r,).
    distance_km, near, of, expected_percent
        The distance asked, how many of how many rows of A are near, and the percentage expected.
    enrichment, enrichment_low, enrichment_high
        Share over share expected, and its interval of ``1 - alpha``.
    p_value, p_curve
        Of the distance asked; of the whole curve.
    side
        What was asked.
    clusters, other_clusters
        How many independent rows the rows of A are worth (number over design effect); how many groups B
        has when linked within the distance asked (shapes count one by one).
    retained
        Share of A that falls on observed ground on the median shift.
    least_enrichment
        Smallest enrichment that the test finds with a power of 80 %; for ``farther`` the largest that is
        below 1. Infinite (or 0) if none can be found.
    null, why
        The null model and what it keeps.
    verdict, reason
        The answer and a sentence that gives its ground.
    """

    radii_km: Floats
    share: Floats
    null_mean: Floats
    low: Floats
    high: Floats
    distance_km: float
    near: int
    of: int
    expected_percent: float
    enrichment: float
    enrichment_low: float
    enrichment_high: float
    p_value: float
    p_curve: float
    side: Side
    clusters: int
    other_clusters: int
    retained: float
    least_enrichment: float
    null: Null
    why: str
    verdict: Verdict
    reason: str


def associate(
    body: Body,
    lonlat: ArrayLike,
    others: NDArray[Any] | ArrayLike,
    observed: Observed,
    distance_km: float,
    *,
    null: Null = "spin",
    strata: Strata | None = None,
    strata_words: str = "",
    on_cells: bool = False,
    side: Side = "both",
    radii_km: ArrayLike | None = None,
    shifts: int = 999,
    alpha: float = 0.05,
    seed: int = 0,
) -> Association:
    """Test whether rows of A lie nearer to B, or farther from it, than a null model says.

    Parameters
    ----------
    body
        The body.
    lonlat
        Positions of A, (n, 2), degrees. Rows on ground that was not observed are left out.
    others
        B: positions, (m, 2), or shapes (m,) of geometries in degrees; to those the distance is to their
        edge, and 0 inside.
    observed
        Where was looked for A.
    distance_km
        The distance asked.
    null
        Null model, see `nulls.make_shifts`. Rows hang together up to the distance asked.
    strata, strata_words
        For the null ``strata``: gives the class of positions (n, 2), (n,) whole numbers, -1 where it is not
        known, and what the classes are (``"elevation in six classes"``). Rows on ground of unknown class are
        left out.
    on_cells
        Whether the rows of A and of B are middles of cells of ``observed``. Moved rows then go to the middle
        of theirs: middles lie in a lattice, whose neighbours are not as far apart as chance would have it.
    side
        ``nearer``, ``farther`` or ``both``.
    radii_km
        Distances of the curve, ascending; by default 24 from half a cell of ``observed`` to ten times the
        distance asked, at most an eighth of the circumference.
    shifts
        Number of shifts. Fewer are made (at least 199) when rows times shifts exceed ten million.
    alpha
        Level of the test, of the interval and of the envelope.
    seed
        Seed of the shifts.

    Raises
    ------
    GeometryError
        If a position, a shape, a distance, the side or the level cannot be used.
    """
    points = check_lonlat(lonlat, "the rows tested")
    target = _Target(body, others)
    radii, asked = _radii(body, observed, distance_km, radii_km)
    if side not in ("nearer", "farther", "both"):
        raise GeometryError(f"{side!r} is no side", allowed="nearer, farther, both")
    if not 0 < alpha < 1:
        raise GeometryError(f"a level of {alpha:g} is none", allowed="more than 0 and less than 1")
    if shifts < 19:
        raise GeometryError(f"{shifts} shifts cannot reach a level of 5 %", allowed="19 or more")
    points = points[_tested(points, observed, null, strata)]
    rng = np.random.default_rng(seed)
    why_not = _empty(points, target, observed, null == "strata")
    if why_not:
        return _cannot_tell(radii, asked, len(points), target.count, side, null, why_not)
    rows = min(len(points), MOST_MOVED // FEWEST_SHIFTS)
    used = points if rows == len(points) else points[np.sort(rng.choice(len(points), rows, replace=False))]
    count = min(shifts, max(FEWEST_SHIFTS, MOST_MOVED // rows))
    moved = make_shifts(
        null, body, used, observed, count, rng, asked, strata=strata, strata_words=strata_words
    )
    if on_cells:
        moved = replace(moved, lonlat=observed.grid.centres(observed.grid.locate(moved.lonlat)))
    curves = _curves(used, moved, target, radii, rng)

    at = int(np.searchsorted(radii, asked))
    statistic = curves.statistic
    p_value = rank_p(statistic[:, at], side)
    p_curve = float(extreme_ranks(statistic, side)[0])
    inside_envelope = extreme_ranks(statistic) > alpha
    low, high = (
        (statistic[inside_envelope].min(axis=0), statistic[inside_envelope].max(axis=0))
        if inside_envelope.any()
        else (statistic.min(axis=0), statistic.max(axis=0))
    )
    share, expected = curves.share, curves.expected
    spread = 2.0 * np.sqrt(rows)
    lower, upper = np.quantile(statistic[:, at], [alpha / 2, 1 - alpha / 2])
    design = float((statistic[:, at] ** 2).mean())
    worth = rows / max(1.0, design)
    least = _least(expected[at], statistic[:, at], spread, side, alpha)
    verdict, reason = _verdict(
        p_value, alpha, side, float(share[at]), float(expected[at]), worth, moved, target, least
    )
    return Association(
        radii_km=radii,
        share=share,
        null_mean=expected,
        low=_shifted(expected, low / spread),
        high=_shifted(expected, high / spread),
        distance_km=asked,
        near=round(float(share[at]) * rows),
        of=rows,
        expected_percent=100.0 * float(expected[at]),
        enrichment=_ratio(share[at], expected[at]),
        enrichment_low=_ratio(_shifted(share[at], -upper / spread), expected[at]),
        enrichment_high=_ratio(_shifted(share[at], -lower / spread), expected[at]),
        p_value=p_value,
        p_curve=p_curve,
        side=side,
        clusters=round(worth),
        other_clusters=target.clusters(asked),
        retained=moved.retained,
        least_enrichment=least,
        null=null,
        why=moved.why,
        verdict=verdict,
        reason=reason + _thinned(len(points), rows, shifts, count),
    )


@dataclass(frozen=True)
class _Curves:
    """Shares near and expected, (r,), and the statistic of the observed pattern (first) and of each made by
    chance, (s + 1, r)."""

    share: Floats
    expected: Floats
    statistic: Floats


class _Target:
    """B as something to be near to."""

    def __init__(self, body: Body, others: NDArray[Any] | ArrayLike) -> None:
        self.body = body
        found = np.asarray(others)
        self.points = np.zeros((0, 2))
        self.shapes: NDArray[Any] = np.zeros(0, dtype=object)
        if found.dtype == object and found.ndim == 1:
            if not bool(shapely.is_geometry(found).all()):
                raise GeometryError("a shape to be near to is none", allowed="positions, or geometries")
            kept = found[~shapely.is_empty(found)]
            is_point = shapely.get_type_id(kept) == 0
            self.points = check_lonlat(shapely.get_coordinates(kept[is_point]), "the other layer")
            self.shapes = kept[~is_point]
        else:
            self.points = check_lonlat(others, "the other layer")
        self.count = len(self.points) + len(self.shapes)

    def clusters(self, link_km: float) -> int:
        """Groups of positions linked within a distance, and shapes."""
        groups = clusters_of(self.body, self.points, link_km)
        return len(self.shapes) + (int(groups.max()) + 1 if len(groups) else 0)

    def bins(self, radii_km: Floats) -> _Bins:
        """What sorts positions into the smallest of these distances that reaches them."""
        spots = self.points
        # Half the smallest distance apart, points on an outline are right to 1/32 of it at that distance,
        # and nearly exact beyond.
        if len(self.shapes):
            spots = np.concatenate([spots, along(self.shapes, self.body, float(radii_km[0]) / 2.0)[0]])
        areas = (
            self.shapes[np.isin(shapely.get_type_id(self.shapes), (3, 6, 7))] if len(self.shapes) else None
        )
        return _Bins(self.body, spots, areas, radii_km)


class _Bins:
    # Only whether a position is within each radius is asked, a million times, so a bare tree in space and
    # thresholds on the chord do; a `SphereTree` would spend most of its time on exact distances and ties.
    def __init__(self, body: Body, spots: Floats, areas: NDArray[Any] | None, radii_km: Floats) -> None:
        self.areas = areas
        self.thresholds = chord(np.minimum(radii_km / body.radius_km, np.pi)) + SLACK
        self.tree = cKDTree(vectors_of(spots))

    def __call__(self, lonlat: Floats) -> NDArray[np.int8]:
        """Number of radii too short to reach B from each position (n, 2), (n,)."""
        out = np.empty(len(lonlat), dtype=np.int8)
        for start in range(0, len(lonlat), BLOCK):
            block = lonlat[start : start + BLOCK]
            chords = self.tree.query(vectors_of(block), distance_upper_bound=self.thresholds[-1] * 1.001)[0]
            short = np.searchsorted(self.thresholds, chords).astype(np.int8)
            if self.areas is not None:
                short[inside(block, self.areas) >= 0] = 0
            out[start : start + BLOCK] = short
        return out


def _curves(points: Floats, moved: Shifts, target: _Target, radii: Floats, rng: Generator) -> _Curves:
    shifts, rows = moved.kept.shape
    bins = target.bins(radii)
    # By row, then shift: a row's own places lie together, which a tree and the caches like.
    short = np.empty((rows, shifts + 1), dtype=np.int8)
    short[:, 0] = bins(points)
    short[:, 1:] = bins(np.swapaxes(moved.lonlat, 0, 1).reshape(-1, 2)).reshape(rows, shifts)
    kept = np.concatenate([np.ones((rows, 1), dtype=bool), moved.kept.T], axis=1)
    width = len(radii) + 1
    per_row = _counts(short, kept, np.arange(rows)[:, None], rows, width)
    per_shift = _counts(short, kept, np.arange(shifts + 1)[None, :], shifts + 1, width)
    # Share near of each row over all shifts that kept it, the observed one among them.
    chance = per_row / kept.sum(axis=1)[:, None]
    expected = kept[:, 1:].T.astype(np.float64) @ chance
    number, near, expected = superposed(kept[:, 1:].sum(axis=0), rows, rng, per_shift[1:], expected)
    number = np.append(float(rows), number)[:, None]
    share = np.concatenate([per_shift[:1], near]) / np.maximum(number, 1.0)
    expected = np.concatenate([chance.sum(axis=0)[None], expected]) / np.maximum(number, 1.0)
    statistic = 2.0 * np.sqrt(number) * (_root(share) - _root(expected))
    # None near is as far as a pattern can be, however few were expected, and all near as near: neither may
    # be outdone by another pattern of the same share because of its number of rows.
    for bound, end in ((share <= 0.0, statistic.min(axis=0)), (share >= 1.0, statistic.max(axis=0))):
        statistic = np.where(bound, end, statistic)
    # What chance leaves no room for (always near, or never) is no evidence, only rounding.
    fixed = (expected[0] <= 1e-12) | (expected[0] >= 1 - 1e-12)
    statistic[:, fixed] = 0.0
    return _Curves(share[0], expected[0], statistic)


def _counts(short: NDArray[np.int8], kept: Bools, owner: Ints, owners: int, width: int) -> Floats:
    """How many of each owner's kept places are within each radius, (owners, r)."""
    key = (owner * width + short)[kept]
    return (
        np.bincount(key, minlength=owners * width).reshape(owners, width).cumsum(axis=1)[:, :-1].astype(float)
    )


def _root(share: ArrayLike) -> Floats:
    return np.asarray(np.arcsin(np.sqrt(np.clip(share, 0.0, 1.0))))


def _shifted(share: ArrayLike, by: ArrayLike) -> Floats:
    """A share moved on the scale of the arcsine root; never below 0 or above 1."""
    return np.asarray(np.sin(np.clip(_root(share) + np.asarray(by), 0.0, np.pi / 2)) ** 2)


def _ratio(share: ArrayLike, expected: ArrayLike) -> float:
    return float(np.asarray(share) / np.asarray(expected)) if float(np.asarray(expected)) > 0 else NAN


def _least(expected: float, statistic: Floats, spread: float, side: Side, alpha: float) -> float:
    """Smallest enrichment found with 80 % power."""
    tail = alpha / 2 if side == "both" else alpha
    sd = float(np.sqrt((statistic**2).mean()))
    lower, upper = np.quantile(statistic, [tail, 1 - tail])
    if side == "farther":
        angle = float(_root(expected)) + (lower - POWER_Z * sd) / spread
        return float(np.sin(angle) ** 2) / expected if angle > 0 and expected > 0 else 0.0
    angle = float(_root(expected)) + (upper + POWER_Z * sd) / spread
    return float(np.sin(angle) ** 2) / expected if angle < np.pi / 2 and expected > 0 else float("inf")


def _radii(
    body: Body, observed: Observed, distance_km: float, radii_km: ArrayLike | None
) -> tuple[Floats, float]:
    """Distances of the curve, the distance asked among them."""
    asked = float(distance_km)
    if not 0 < asked <= body.half_circumference_km:
        raise GeometryError(
            f"a distance of {asked:g} km cannot be tested",
            allowed=f"more than 0 and at most {body.half_circumference_km:.0f} km on {body.name}",
        )
    if radii_km is None:
        farthest = max(asked, min(FARTHEST * asked, body.half_circumference_km / 4))
        radii = np.geomspace(min(observed.grid.tile_km / 2, asked), farthest, RADII)
    else:
        radii = np.atleast_1d(np.asarray(radii_km, dtype=float))
        good = len(radii) > 0 and bool(((radii > 0) & (radii <= body.half_circumference_km)).all())
        if not good or (np.diff(radii) <= 0).any() or len(radii) > 100:
            raise GeometryError(
                "the distances of the curve cannot be used",
                allowed=f"up to 100, ascending, more than 0, at most {body.half_circumference_km:.0f} km",
            )
    # A radius that differs from the one asked by rounding only is that one.
    radii = radii[np.abs(radii - asked) > 1e-6 * asked]
    return np.sort(np.append(radii, asked)), asked


def _tested(points: Floats, observed: Observed, null: Null, strata: Strata | None) -> Bools:
    """Rows on ground that was observed, and whose class is known."""
    known = observed.share > 0
    if null == "strata":
        known &= cell_classes(strata, observed) >= 0
    return np.asarray(np.append(known, False)[observed.cell_at(points)])


def _empty(points: Floats, target: _Target, observed: Observed, stratified: bool) -> str:
    if not len(observed.cells):
        return "nothing was observed"
    if not len(points):
        missing = ", or all on ground of unknown class" if stratified else ""
        return f"no row tested lies on ground that was observed{missing}"
    if not target.count:
        return "the other layer is empty"
    return ""


def _verdict(
    p_value: float,
    alpha: float,
    side: Side,
    share: float,
    expected: float,
    worth: float,
    moved: Shifts,
    target: _Target,
    least: float,
) -> tuple[Verdict, str]:
    if worth < FEWEST_CLUSTERS:
        return "cannot tell", (
            f"the rows are worth {worth:.1f} independent ones, fewer than {FEWEST_CLUSTERS}"
        )
    if not len(target.shapes) and len(target.points) < FEWEST_OTHERS:
        return "cannot tell", f"the other layer has {len(target.points)} rows, fewer than {FEWEST_OTHERS}"
    if moved.retained < LEAST_RETAINED:
        return "cannot tell", (
            f"only {100 * moved.retained:.0f} % of the rows fall on observed ground when moved, "
            f"less than {100 * LEAST_RETAINED:.0f} %"
        )
    found = f"{100 * share:.3g} % are near, {100 * expected:.3g} % expected, {said_p(p_value)}"
    if p_value <= alpha:
        return ("nearer" if share > expected else "farther"), found
    if side == "farther":
        if least < 1 / LARGEST_UNSEEN:
            return "cannot tell", f"{found}; only shares below {least:.2g} of chance would have been seen"
    elif least > LARGEST_UNSEEN:
        unseen = f"only {least:.2g} times chance or more" if np.isfinite(least) else "no enrichment at all"
        return "cannot tell", f"{found}; {unseen} would have been seen"
    return "no difference", found


def _thinned(rows: int, used: int, shifts: int, count: int) -> str:
    notes = [f"{used:,} of {rows:,} rows drawn"] if used < rows else []
    notes += [f"{count} shifts instead of {shifts}"] if count < shifts else []
    return f" ({', '.join(notes)} to bound the work)" if notes else ""


def _cannot_tell(
    radii: Floats, asked: float, rows: int, others: int, side: Side, null: Null, reason: str
) -> Association:
    unknown = np.full(len(radii), NAN)
    return Association(
        radii_km=radii,
        share=unknown,
        null_mean=unknown,
        low=unknown,
        high=unknown,
        distance_km=asked,
        near=0,
        of=rows,
        expected_percent=NAN,
        enrichment=NAN,
        enrichment_low=NAN,
        enrichment_high=NAN,
        p_value=NAN,
        p_curve=NAN,
        side=side,
        clusters=0,
        other_clusters=others,
        retained=NAN,
        least_enrichment=NAN,
        null=null,
        why="",
        verdict="cannot tell",
        reason=reason,
    )

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

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import GeometryError
from retrieval.spatial.nulls import Null, Shifts, clusters_of, make_shifts
from retrieval.spatial.observed import Observed
from retrieval.spatial.shares import Target, angle_of, make_curves, share_moved
from retrieval.spatial.sphere import check_lonlat
from retrieval.spatial.strata import Strata, cell_classes
from retrieval.spatial.verdicts import Side, extreme_ranks, rank_p, said_p

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Verdict = Literal["nearer", "farther", "no difference", "cannot tell"]

RADII = 24
FARTHEST = 4.0  # end of the curve, in distances asked
# Independent rows that A must be worth. Of 580 independent pairs worth 3 to 5 rows, 4 % reached the level of
# 5 %. One or two things are an anecdote, whatever p says.
FEWEST_CLUSTERS = 3
FEWEST_OTHERS = 3  # positions of B; one long line or outline is enough
LEAST_RETAINED = 0.2
LARGEST_UNSEEN = 3.0  # an enrichment that a test must be able to see before it may say "no difference"
POWER_Z = 0.8416  # a normal value is below this with a chance of 80 %
MOST_MOVED = 4_000_000  # rows times shifts: memory of 200 MB, a second or two
FEWEST_SHIFTS = 199
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
        How many independent rows the rows of A are worth, cut to a whole one: number over design effect
        (`shares.Curves.worth`), or groups within the distance asked if no shift brought a row near; how
        many groups B has when linked within the distance asked (shapes count one by one).
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
        Distances of the curve, ascending; by default 24 from half a cell of ``observed`` to four times the
        distance asked, at most an eighth of the circumference.
    shifts
        Number of shifts. Fewer are made (at least 199) when rows times shifts exceed four million.
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
    target = Target(body, others)
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
    curves = make_curves(used, moved, target, radii, rng, observed.grid if on_cells else None)

    at = int(np.searchsorted(radii, asked))
    statistic = curves.statistic
    p_value = rank_p(statistic[:, at], side)
    p_curve = float(extreme_ranks(statistic, side)[0])
    low, high = _envelope(statistic, alpha)
    share, expected = curves.share, curves.expected
    spread = 2.0 * np.sqrt(rows)
    lower, upper = np.quantile(statistic[:, at], [alpha / 2, 1 - alpha / 2])
    worth = float(curves.worth[at])
    if not np.isfinite(worth):
        worth = float(clusters_of(body, used, asked).max() + 1)
    least = _least(expected[at], statistic[:, at], spread, side, alpha)
    verdict, reason = _verdict(
        p_value, alpha, side, float(share[at]), float(expected[at]), worth, moved, target, least
    )
    return Association(
        radii_km=radii,
        share=share,
        null_mean=expected,
        low=share_moved(expected, low / spread),
        high=share_moved(expected, high / spread),
        distance_km=asked,
        near=round(float(share[at]) * rows),
        of=rows,
        expected_percent=100.0 * float(expected[at]),
        enrichment=_ratio(share[at], expected[at]),
        enrichment_low=_ratio(share_moved(share[at], -upper / spread), expected[at]),
        enrichment_high=_ratio(share_moved(share[at], -lower / spread), expected[at]),
        p_value=p_value,
        p_curve=p_curve,
        side=side,
        clusters=int(worth),
        other_clusters=target.clusters(asked),
        retained=moved.retained,
        least_enrichment=least,
        null=null,
        why=moved.why,
        verdict=verdict,
        reason=reason + _thinned(len(points), rows, shifts, count),
    )


def _envelope(statistic: Floats, alpha: float) -> tuple[Floats, Floats]:
    """Lowest and highest of the curves that chance does not find extreme, (r,) each."""
    common = extreme_ranks(statistic) > alpha
    kept = statistic[common] if common.any() else statistic
    return kept.min(axis=0), kept.max(axis=0)


def _ratio(share: ArrayLike, expected: ArrayLike) -> float:
    return float(np.asarray(share) / np.asarray(expected)) if float(np.asarray(expected)) > 0 else NAN


def _least(expected: float, statistic: Floats, spread: float, side: Side, alpha: float) -> float:
    """Smallest enrichment found with 80 % power."""
    tail = alpha / 2 if side == "both" else alpha
    sd = float(np.sqrt((statistic**2).mean()))
    lower, upper = np.quantile(statistic, [tail, 1 - tail])
    if side == "farther":
        angle = float(angle_of(expected)) + (lower - POWER_Z * sd) / spread
        return float(np.sin(angle) ** 2) / expected if angle > 0 and expected > 0 else 0.0
    angle = float(angle_of(expected)) + (upper + POWER_Z * sd) / spread
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


def _empty(points: Floats, target: Target, observed: Observed, stratified: bool) -> str:
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
    target: Target,
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

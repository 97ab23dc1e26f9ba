"""What a p value may be called: ranks among shifts, corrections for many tests, words."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import GeometryError

Floats = NDArray[np.float64]
Side = Literal["nearer", "farther", "both"]
SMALLEST_P = 1e-4  # smaller ones say more about the model than about the planet

_TIE = 1e-9  # statistics closer than this are equal: rounding of sums must not decide a rank


def holm(p_values: ArrayLike) -> Floats:
    """P values corrected for their number so that any error at all has the stated chance (Holm 1979).

    NaN (a test that could not tell) stays NaN and does not count as a test.

    Raises
    ------
    GeometryError
        If a value is outside 0..1.
    """

    p, known = _checked(p_values)
    out = np.full(len(p), np.nan)
    order = np.argsort(p[known], kind="stable")
    steps = p[known][order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    out[known] = corrected
    return out


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Q values: the share of false findings among all with a value as small (Benjamini & Hochberg 1995).

    NaN stays NaN and does not count as a test.

    Raises
    ------
    GeometryError
        If a value is outside 0..1.
    """
    p, known = _checked(p_values)
    out = np.full(len(p), np.nan)
    if known.any():
        from scipy.stats import false_discovery_control  # half a second to import, which no start needs

        out[known] = false_discovery_control(p[known])
    return out


def said_p(p_value: float) -> str:
    """A p value in the words of a report: ``p = 0.03``, ``p < 0.0001``, ``p unknown``."""
    if not np.isfinite(p_value):
        return "p unknown"
    if p_value < SMALLEST_P:
        return f"p < {SMALLEST_P:.4f}"
    return f"p = {p_value:.2g}" if p_value < 0.1 else f"p = {p_value:.2f}"


def rank_p(statistic: Floats, side: Side = "both") -> float:
    """P value of the first of several values that chance would make alike.

    Parameters
    ----------
    statistic
        The value observed, then those of the shifts, (s + 1,).
    side
        ``nearer``: large values are against chance; ``farther``: small ones; ``both``: either, doubled.

    Returns
    -------
    float
        Share of the values at least as extreme, itself among them.
    """
    upper = float((statistic >= statistic[0] - _TIE).mean())
    lower = float((statistic <= statistic[0] + _TIE).mean())
    if side == "both":
        return min(1.0, 2.0 * min(upper, lower))
    return upper if side == "nearer" else lower


def extreme_ranks(statistic: Floats, side: Side = "both") -> Floats:
    """P values of whole curves among curves, (s,), by extreme rank length (Myllymaki et al. 2017).

    A curve is as extreme as its most extreme point; among equals the next point decides, and so on. Equal
    values share the middle of their ranks, so that a value that many have is not extreme.

    Parameters
    ----------
    statistic
        Curves, (s, r).
    side
        As in `rank_p`.
    """
    from scipy.stats import rankdata  # half a second to import, which no start needs

    ranks = np.asarray(rankdata(np.round(statistic / _TIE), axis=0))
    from_above = len(statistic) + 1 - ranks
    extreme = {"both": np.minimum(ranks, from_above), "nearer": from_above, "farther": ranks}[side]
    ordered = np.sort(extreme, axis=1)
    order = np.lexsort(ordered.T[::-1])
    new = np.concatenate([[True], (np.diff(ordered[order], axis=0) != 0).any(axis=1)])
    group = np.cumsum(new) - 1
    p = np.empty(len(order))
    p[order] = (np.cumsum(np.bincount(group)) / len(order))[group]
    return p


def _checked(p_values: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    p = np.atleast_1d(np.asarray(p_values, dtype=float))
    known = np.isfinite(p)
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise GeometryError("a p value is outside 0 to 1", allowed="0 to 1, NaN where a test could not tell")
    return p, known

"""How many rows of a result are right, estimated from the few that a person has judged.

Only rows that were drawn at random speak for the others. People look at the surest first, and mostly judge
what is plain: the share of right ones among the surest is ten points too high, and up to thirty off where
the words are vague, when its interval of 95 % holds half of the time (benchmarks/precision.py). So a result
has a random order that is fixed beforehand, `random_order`; who judges it from its beginning draws a sample
without replacement. Rows judged elsewhere count as themselves and for no other row. Those passed over in the
random order may be the hard ones: the interval takes them for wrong at its lower end and for right at its
upper end.

The encoder's probabilities could sharpen such an estimate (difference estimator, Särndal, Swensson & Wretman
1992, section 6.3; prediction-powered inference, Angelopoulos et al. 2023, *Science* 382, 669). Where words
say what is meant the interval becomes an eighth narrower; where they are vague, which is when people judge
tiles, it holds less often than it says. So they are not used.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Z95 = 1.959964
LEAST_DRAWN = 5  # fewer say nothing that one could not see at a glance


@dataclass(frozen=True)
class Precision:
    """The share of right rows in a result.

    Attributes
    ----------
    value, low, high
        The estimate and its interval of 95 %, 0 to 1.
    drawn, right
        Rows that were drawn at random and judged, and how many of them are right.
    skipped
        Rows passed over in between.
    known
        Judged rows that were not drawn at random: they count for themselves only.
    exact
        Every row was judged: nothing is estimated.
    """

    value: float
    low: float
    high: float
    drawn: int
    right: int
    skipped: int
    known: int
    exact: bool = False


def estimate(known: Sequence[bool], drawn: Sequence[bool | None], count: int) -> Precision | None:
    """The precision of a result of ``count`` rows.

    Parameters
    ----------
    known
        Verdicts on rows that were not drawn at random.
    drawn
        Verdicts on the other rows in their random order, None for those without one; what comes after the
        last verdict may be left out.
    count
        How many rows there are in all.

    Returns
    -------
    None if too few were drawn to say anything.
    """
    rest = count - len(known)
    if rest <= 0:
        return _whole(known, count) if count else None
    last = max((i for i, verdict in enumerate(drawn) if verdict is not None), default=-1) + 1
    first, skipped = _sample(drawn[:last], rest)
    judged = [verdict for verdict in drawn[:first] if verdict is not None]
    if len(judged) < min(LEAST_DRAWN, rest):
        return None
    right = sum(judged)
    low = wilson(right / first, first, rest)[0]
    high = wilson((right + skipped) / first, first, rest)[1]
    # What was seen is certain, also of rows beyond the sample.
    later = [verdict for verdict in drawn[first:last] if verdict is not None]
    seen_right = right + sum(later)
    seen_wrong = len(judged) + len(later) - seen_right
    low, high = max(low, seen_right / rest), min(high, 1.0 - seen_wrong / rest)
    value = min(max(right / len(judged), low), high)
    value, low, high = ((sum(known) + rest * share) / count for share in (value, low, high))
    exact = first == rest and not skipped
    return Precision(value, low, high, len(judged), right, skipped, len(known), exact)


def wilson(share: float, drawn: int, count: int) -> tuple[float, float]:
    """Interval of 95 % of a share among ``count`` rows, ``drawn`` of which were seen.

    Wilson's (1927, *JASA* 22, 209) with the finite population correction put into the number drawn
    (Burstein 1975, *JASA* 70, 67): drawn (count - 1) / (count - drawn). All drawn: the share itself.
    """
    if drawn >= count:
        return share, share
    n = drawn * (count - 1) / (count - drawn)
    centre = share + Z95**2 / (2 * n)
    reach = Z95 * math.sqrt(share * (1.0 - share) / n + Z95**2 / (4 * n * n))
    scale = 1.0 + Z95**2 / n
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)


def random_order(row_ids: Sequence[str], key: str) -> NDArray[np.int64]:
    """A random order of rows that depends on their ids and on a key, not on which others there are.

    So the rows that a filter leaves are still in random order, and those judged at its beginning stay there.

    Returns
    -------
    Positions of the rows, first drawn first, shape (n,).
    """
    secret = hashlib.sha256(key.encode()).hexdigest()[:16]
    hashes = pd.util.hash_array(np.asarray(row_ids, dtype=object), hash_key=secret, categorize=False)
    return np.argsort(hashes, kind="stable")


def _sample(drawn: Sequence[bool | None], rest: int) -> tuple[int, int]:
    """How much of the random order to take as the sample, and how many rows in it were passed over.

    The beginning whose interval would be the narrowest for a share of one half: it depends on which rows
    were judged, not on how. A verdict far down the order is no reason to count all before it as passed over.
    """
    best, narrowest, skipped = (0, 0), math.inf, 0
    for number, verdict in enumerate(drawn, start=1):
        if verdict is None:
            skipped += 1
            continue
        low, high = wilson(0.5, number, rest)
        width = high - low + skipped / number
        if width <= narrowest:
            best, narrowest = (number, skipped), width
    return best


def _whole(known: Sequence[bool], count: int) -> Precision:
    share = sum(known) / count
    return Precision(share, share, share, 0, 0, 0, len(known), exact=True)

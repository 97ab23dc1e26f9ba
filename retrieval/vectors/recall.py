"""How far a query must look for a stated recall, measured when the index is made.

Half of some queries are fitted on: how many spreads beyond its centre a list reaches, and how many factors
above its estimate a cosine lies, at the quantile that the recall leaves. The other half measure the recall
that results, against the exact scores of all stored codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from retrieval.vectors import Floats
from retrieval.vectors.bytes import ByteCodes, Places
from retrieval.vectors.compact import CompactVectors
from retrieval.vectors.inverted import InvertedVectors, kth

Json = Any

HITS = 10_000
OF_ALL = 100  # at most every hundredth vector is a hit: in small indexes the top 10,000 would be most of it
_TRIES = 4
_AT_ONCE = 1_048_576  # places scored at a time


def fit(vectors: InvertedVectors, queries: Mapping[str, Floats], recall: float) -> dict[str, Json]:
    """Set ``reach`` and ``slack`` for a recall, and measure the recall they give.

    Parameters
    ----------
    queries
        Unit queries by what they are, such as ``texts`` and ``tiles``, (q, d) each. Every other one is fitted
        on, the rest are measured with; a single one is both.
    recall
        Share of the best that is to be found, on average over queries; 1 for all.

    Returns
    -------
    dict
        ``asked``; ``hits``; and for each sort of query the recall ``measured``, its 95 % ``interval`` (of
        the mean over queries, bootstrapped), the ``lowest`` of a query, and their number.
    """
    hits = max(1, min(HITS, vectors.count // OF_ALL))
    best = {name: best_places(vectors.codes, some, hits) for name, some in queries.items()}
    missed = (1.0 - recall) / 2 if isinstance(vectors, CompactVectors) else 1.0 - recall
    needed = [
        _needed(vectors, query, places)
        for name, some in queries.items()
        for query, places in list(zip(some, best[name], strict=True))[::2]
    ]
    found: dict[str, Json] = {}
    for _ in range(_TRIES):
        vectors.reach = _mean_quantile([reach for reach, _ in needed], missed)
        if isinstance(vectors, CompactVectors):
            vectors.slack = _mean_quantile([slack for _, slack in needed], missed)
        found = {
            name: _measured(vectors, some[1::2], best[name][1::2])
            if len(some) > 1
            else _measured(vectors, some, best[name])
            for name, some in queries.items()
        }
        if all(one["measured"] >= recall for one in found.values()):
            break
        missed /= 2
    return {"asked": recall, "hits": hits, **found}


def best_places(codes: ByteCodes, queries: Floats, k: int) -> list[Places]:
    """The k best places of each query by the scores of all codes, in one pass over them."""
    places = [np.zeros(0, dtype=np.uint32) for _ in queries]
    scores = [np.zeros(0, dtype=np.float32) for _ in queries]
    for start in range(0, len(codes), _AT_ONCE):
        found = codes.scores(queries, start, start + _AT_ONCE)
        for number, values in enumerate(found):
            held = np.flatnonzero(values >= kth(scores[number], k))
            every = np.concatenate([scores[number], values[held]])
            where = np.concatenate([places[number], (held + start).astype(np.uint32)])
            if len(every) > k:
                top = np.argpartition(-every, k - 1)[:k]
                every, where = every[top], where[top]
            scores[number], places[number] = every, where
    return [np.sort(one) for one in places]


def _needed(vectors: InvertedVectors, query: Floats, places: Places) -> tuple[Floats, Floats]:
    """The reach and the slack with which each of a query's best would be found, (k,) each."""
    lists = vectors.lists
    own = lists.list_of(places)
    bar = vectors.codes.at(query[None], places)[0].min()
    reach = (bar - lists.centres @ query)[own] / lists.spread[own]
    if not isinstance(vectors, CompactVectors):
        return reach, np.zeros(0, dtype=np.float32)
    vectors.slack = 0.0
    estimates, _ = vectors._estimates(query, places)
    return reach, (bar - estimates) / vectors.factors[places]


def _mean_quantile(values: list[Floats], missed: float) -> float:
    if missed <= 0:
        return float("inf")
    # Every query has as many: the quantile of all of them is the one that loses this share on average.
    return max(0.0, float(np.quantile(np.concatenate(values), 1.0 - missed, method="higher")))


def _measured(vectors: InvertedVectors, queries: Floats, best: list[Places]) -> dict[str, Json]:
    shares = []
    for query, places in zip(queries, best, strict=True):
        # Everything above the last one's cosine: a search for the best finds no fewer of them.
        bar = float(vectors.codes.at(query[None], places)[0].min())
        rows, _ = vectors.above(query, bar)
        shares.append(np.isin(vectors.lists.row_of[places], rows).mean())
    drawn = np.random.default_rng(0).choice(shares, size=(2_000, len(shares))).mean(axis=1)
    return {
        "measured": round(float(np.mean(shares)), 4),
        "interval": [round(float(q), 4) for q in np.quantile(drawn, (0.025, 0.975))],
        "lowest": round(float(np.min(shares)), 4),
        "queries": len(shares),
    }

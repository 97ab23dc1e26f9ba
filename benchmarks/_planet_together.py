"""Twenty queries at once against twenty one by one: as raw scores, and as a user asks, text to hits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from _planet_index import Made
from _planet_rounds import Rounds, by_turns_for, say
from _planet_vectors import LiftedEncoder

from prompts import Prompts
from retrieval.hits import Hits
from retrieval.index import TileIndex
from retrieval.query import Asked, approximation, ask, ask_many, score_together

Figures = dict[str, Any]

TOGETHER = 20
REPEATS = 5
MOST_S = 60.0  # for each of the two measurements, begun turns apart
_MOST_BYTES = 2_000_000_000  # of scores held at once; more are asked in groups
_EQUAL = 2e-6  # of a cosine: texts encoded in one batch or alone differ in their last bits


def together(index: TileIndex, made: Made) -> Figures:
    """All rows scored for 20 queries at once against one by one, by turns; the whole of it in memory."""
    say(f"{TOGETHER} queries at once, scores of all tiles")
    queries = np.resize(made.queries, (TOGETHER, made.queries.shape[1]))
    step = _step(index)
    rounds = by_turns_for(
        {
            "at_once": lambda: [
                index.store.scores(queries[at : at + step]) for at in range(0, TOGETHER, step)
            ],
            "one_by_one": lambda: [index.store.scores(query[None]) for query in queries],
        },
        REPEATS,
        MOST_S,
    )
    return _figures(rounds, step)


def as_asked(
    index: TileIndex, encoder: LiftedEncoder, prompts: Prompts, texts: Sequence[str], bars: Sequence[float]
) -> Figures:
    """Twenty texts from words to hits in one pass against one after the other, by turns.

    Raises
    ------
    ValueError
        If the two do not give the same rows: all, in an index that scores every tile; in one that may miss
        some, those that it found one by one.
    """
    say(f"{TOGETHER} texts at once, from words to hits")
    chosen = [(texts[i % len(texts)], bars[i % len(bars)]) for i in range(TOGETHER)]
    step = _step(index)
    found: dict[str, list[Hits]] = {}
    parts = Rounds()

    def one_by_one() -> None:
        found["one_by_one"] = [
            ask(index, encoder, text, prompts.templates, prompts.descriptions).hits(bar)
            for text, bar in chosen
        ]

    def at_once() -> None:
        hits: list[Hits] = []
        for start in range(0, TOGETHER, step):
            some = chosen[start : start + step]
            words, own = [text for text, _ in some], [bar for _, bar in some]
            ask_these = partial(ask_many, index, encoder, words, prompts.templates, prompts.descriptions)
            asked = parts.time("texts", ask_these)
            parts.time("scores", partial(score_together, asked))
            hits += parts.time("hits", partial(_hits_of, asked, own))
        found["at_once"] = hits

    rounds = by_turns_for({"at_once": at_once, "one_by_one": one_by_one}, REPEATS, MOST_S)
    exact = not approximation(index)
    pairs = list(zip(found["at_once"], found["one_by_one"], strict=True))
    same = [_same(index, *pair, exact=exact) for pair in pairs]
    more = sum(len(a.rows) for a, _ in pairs) - sum(len(b.rows) for _, b in pairs)
    return {
        **_figures(rounds, step),
        # Of one group of texts; all twenty are one where their scores fit into memory.
        **{f"at_once_{name}_s": parts.median(name) for name in parts.seconds},
        "hits": sum(len(one.rows) for one in found["one_by_one"]),
        "more_hits_at_once": more,
        "same_order": sum(same),
    }


def _hits_of(asked: Sequence[Asked], bars: Sequence[float]) -> list[Hits]:
    return [one.hits(bar) for one, bar in zip(asked, bars, strict=True)]


def _step(index: TileIndex) -> int:
    return max(1, min(TOGETHER, _MOST_BYTES // (4 * len(index))))


def _figures(rounds: Rounds, step: int) -> Figures:
    return {
        "queries": TOGETHER,
        "at_once_s": rounds.median("at_once"),
        "one_by_one_s": rounds.median("one_by_one"),
        "gain": rounds.median("one_by_one") / rounds.median("at_once"),
        "scored_together": step,
        "repeats": len(rounds.seconds["at_once"]),
    }


def _same(index: TileIndex, at_once: Hits, alone: Hits, *, exact: bool) -> bool:
    """Whether two ways gave the same rows in the same order.

    Only rows of equal cosine may change places, and only one at the threshold may be on one side alone.

    Raises
    ------
    ValueError
        If more than that differs.
    """
    if np.array_equal(at_once.rows, alone.rows):
        return True
    both, here, there = np.intersect1d(at_once.rows, alone.rows, return_indices=True)
    off = float(np.abs(at_once.scores[here] - alone.scores[there]).max(initial=0.0))
    lowest = min(at_once.scores.min(initial=1.0), alone.scores.min(initial=1.0))
    missing = np.setdiff1d(alone.rows, both)
    if exact:
        missing = np.union1d(missing, np.setdiff1d(at_once.rows, both))
    scores = {
        int(row): float(value)
        for one in (at_once, alone)
        for row, value in zip(one.rows, one.scores, strict=True)
    }
    far = [row for row in missing.tolist() if scores[row] > lowest + _EQUAL]
    if off > _EQUAL or far:
        raise ValueError(
            f"at once and one by one do not agree in {index.folder}: scores differ by up to {off:.2g}, "
            f"and {len(far)} rows that are not at the threshold are missing on one side"
        )
    return False

"""From words to the hits of an index: the one road for tools, the command line and evaluation.

What was asked is scored only as far as a tool wants to know: `Asked.hits` looks at the rows near the
threshold, `Asked.calibrated` at all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.calibrate import (
    BEST,
    LOW,
    THRESHOLD,
    Calibrated,
    Spread,
    calibrate,
    counts_around,
    levels_around,
    log_odds,
    method_of,
    nothing,
    sigmoid,
)
from retrieval.encoder import encode_queries
from retrieval.hits import (
    Hits,
    candidates_odds,
    first_hits,
    hits_of_all,
    lowest_of,
    score_bar,
    spread_of,
)
from retrieval.meaning import best_match
from retrieval.words import content_words, split_known

if TYPE_CHECKING:
    from retrieval.encoder import Encoder, EncoderManifest

_LONG = 4  # content words: names of landforms have fewer
_IMPOSSIBLE = -60.0  # log odds of what the encoder does not know the words for
_SAMPLE = 65_536  # rows that tell the low scores of an index that is not scored as a whole


class Scored(Protocol):
    """As much of an index as a query needs.

    One that is made for more (`retrieval.index.TileIndex`) is asked for rows above a bar by ``above``, for
    several queries at once by ``score_many``.
    """

    background: NDArray[np.float32]

    def score(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of every row with a unit vector."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A query, and what an index answers to it.

    Attributes
    ----------
    sought
        The words that were asked of the encoder: the query, or the glossary's name for it.
    vector
        Their unit vector, shape (d,).
    index
        The index that was asked.
    logit_scale, logit_bias
        From cosine to log odds, as `EncoderManifest` has them.
    notes
        What a reader must know, one sentence each.
    unknown
        Why nothing can be found, where the encoder does not know enough of the words; else empty.
    """

    sought: str
    vector: NDArray[np.float32]
    index: Scored
    logit_scale: float
    logit_bias: float | None
    notes: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def understood(self) -> bool:
        """Whether the encoder knows enough of the words; nothing is found otherwise."""
        return not self.unknown

    @cached_property
    def cosines(self) -> NDArray[np.float32]:
        """Cosine of every row, shape (n,)."""
        return np.asarray(self.index.score(self.vector), dtype=np.float32)

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Cosine of every row in double precision, shape (n,)."""
        return self.cosines.astype(np.float64)

    @cached_property
    def calibrated(self) -> Calibrated:
        """Probabilities of every row, threshold and how they were found."""
        if self.unknown:
            return nothing(len(self.cosines), self.unknown)
        return calibrate(self.cosines, self.index.background, self.logit_scale, self.logit_bias)

    def hits(self, given: float | None = None) -> Hits:
        """Rows whose probability reaches a threshold; 0.5 if None is given.

        They are those of `calibrated`, to the last one; in an index whose search is approximate, those of
        them that it finds.
        """
        threshold = THRESHOLD if given is None else float(given)
        lowest = lowest_of(levels_around(threshold))
        method = self.unknown or method_of(self.logit_scale, self.logit_bias)
        if self.unknown or lowest <= 0 or not len(self.index.background):
            found = self.calibrated
            return hits_of_all(found.probability, self.scores, given, found.method)
        spread = self._spread() if self.logit_bias is None else None
        rows, scores = self._above(score_bar(lowest, self.logit_scale, self.logit_bias, spread))
        if not len(rows):
            return self._none(given, method)
        odds = candidates_odds(rows, scores, self.index.background, self.logit_scale, self.logit_bias, spread)
        held, exact, probability, every = first_hits(rows, scores, odds, threshold)
        if self.logit_bias is None and every.max() < lowest:
            return self._none(given, method)  # the most probable row need not be one of high score
        return Hits(
            held,
            exact,
            probability,
            threshold,
            method if given is None else "given in the call",
            counts_around(every, threshold),
            float(scores.max()),
            float(every.max()),
        )

    def best(self, most: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """The most probable rows, best first, their scores and probabilities, (m,) each."""
        search = getattr(self.index, "search", None)
        if self.unknown or self.logit_bias is None or search is None:
            everything = hits_of_all(self.calibrated.probability, self.scores, 0.0, "")
            return everything.rows[:most], everything.scores[:most], everything.probability[:most]
        # It rises with the score.
        rows, cosines = search(self.vector, most)
        odds = log_odds(cosines, cosines[:0], self.logit_scale, self.logit_bias)
        return rows, cosines.astype(np.float64), sigmoid(odds).astype(np.float32).astype(np.float64)

    def log_odds(self, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """Log odds of rows, (m,); of all if None. What the encoder does not know is impossible."""
        wanted = None if rows is None else np.asarray(rows, dtype=np.int64)
        if self.unknown:
            return np.full(len(self.index.background) if wanted is None else len(wanted), _IMPOSSIBLE)
        if wanted is None:
            return log_odds(self.cosines, self.index.background, self.logit_scale, self.logit_bias)
        spread = None if self.logit_bias is not None else self._spread()
        background = np.asarray(self.index.background[wanted])
        return log_odds(self.cosines_of(wanted), background, self.logit_scale, self.logit_bias, spread)

    def cosines_of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of some rows, (m,); only these are read where the rest is not known yet."""
        score_many = getattr(self.index, "score_many", None)
        if "cosines" in vars(self) or score_many is None:
            return self.cosines[rows]
        return np.asarray(score_many(self.vector[None], rows)[0])

    def _above(self, bar: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows whose cosine reaches a bar, ascending, and their cosines."""
        above = getattr(self.index, "above", None)
        if "cosines" not in vars(self) and above is not None:
            rows, scores = above(self.vector, bar)
            return rows, scores
        rows = np.flatnonzero(self.cosines >= np.float32(bar))
        return rows, self.cosines[rows]

    def _spread(self) -> Spread:
        if approximation(self.index) and "cosines" not in vars(self):
            return self._spread_of_some()
        return spread_of(self.cosines, self.logit_scale)

    def _spread_of_some(self) -> Spread:
        """The spread of an index that is not scored as a whole: its best rows, and a sample of all."""
        index: Any = self.index
        count = len(index.background)
        best = index.search(self.vector, max(1, count - int(BEST * (count - 1))))[1]
        sample = np.unique(np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64))
        low = float(np.quantile(self.cosines_of(sample), LOW))
        return Spread(self.logit_scale * low, self.logit_scale * float(best[-1]))

    def _none(self, given: float | None, method: str) -> Hits:
        """No row comes near the threshold: what the best one has, all the same."""
        search = getattr(self.index, "search", None)
        if self.logit_bias is None or search is None:
            found = self.calibrated
            return hits_of_all(found.probability, self.scores, given, method)
        best = search(self.vector, 1)[1]
        known = calibrate(best, np.zeros(1, np.float32), self.logit_scale, self.logit_bias)
        return hits_of_all(known.probability, best, given, method)


def ask(
    index: Scored,
    encoder: Encoder,
    text: str,
    templates: Sequence[str],
    glossary: Mapping[str, str] | None = None,
) -> Asked:
    """Ask an index for words.

    Parameters
    ----------
    text
        What is looked for.
    templates
        Sentences with ``{}`` around it.
    glossary
        Per term, its names and description. A query with words that the encoder does not know is asked by
        the term it describes, if it describes one that the encoder was trained on.

    Returns
    -------
    A query of which the encoder does not know most words has no hits, and says so: what it takes such words
    for is chance.
    """
    return ask_many(index, encoder, [text], templates, glossary)[0]


def ask_many(
    index: Scored,
    encoder: Encoder,
    texts: Sequence[str],
    templates: Sequence[str],
    glossary: Mapping[str, str] | None = None,
) -> list[Asked]:
    """Ask an index for several texts at once, as `ask` does for one: they are encoded in one batch.

    `score_together` scores them in one pass over the vectors.
    """
    understood = [_understood(text, encoder.manifest, glossary or {}) for text in texts]
    vectors = encode_queries(encoder, [sought for sought, _, _ in understood], templates)
    scale, bias = encoder.manifest.logit_scale, encoder.manifest.logit_bias
    return [
        Asked(sought, vector, index, scale, bias, notes, unknown)
        for (sought, notes, unknown), vector in zip(understood, vectors, strict=True)
    ]


def score_together(asked: Sequence[Asked]) -> None:
    """Score every row of the index for several queries in one pass over its vectors."""
    waiting = [one for one in asked if "cosines" not in vars(one)]
    score_many = getattr(waiting[0].index, "score_many", None) if waiting else None
    if score_many is None:
        return
    scores = score_many(np.stack([one.vector for one in waiting]))
    for one, own in zip(waiting, scores, strict=True):
        vars(one)["cosines"] = own


def approximation(index: Any) -> str:
    """What a reader must know of an index that does not score every row; empty for one that does."""
    said = getattr(getattr(index, "store", None), "approximation", None)
    if said is not None:  # of vectors that are elsewhere, however the folder's own are kept
        return str(said)
    manifest = getattr(index, "manifest", None)
    storage = str(getattr(manifest, "storage", ""))
    if not storage.startswith("ivf"):
        return ""
    recall = getattr(manifest, "recall", None) or {}
    told = recall.get("texts") or recall.get("tiles") or {}
    if "measured" not in told:
        return f"the search of this index ({storage}) is approximate: it may miss some tiles"
    return (
        f"the search of this index ({storage}) is approximate: when it was made it found "
        f"{100.0 * float(told['measured']):.1f} % of the best {int(recall['hits']):,} tiles of a query"
    )


def _understood(
    text: str, manifest: EncoderManifest, glossary: Mapping[str, str]
) -> tuple[str, tuple[str, ...], str]:
    """What is asked of the encoder for a text, notes, and why it cannot be answered, if it cannot."""
    sought, notes = text, []
    familiar, unknown = split_known(text, manifest.words)
    askable = _askable(glossary, manifest)
    roundabout = manifest.words is not None and (unknown or _is_description(text, askable))
    found = best_match(text, glossary, askable) if roundabout else None
    if found is not None and found.convinces and found.term in askable:
        notes.append(f"asked for {found.term!r}, which the glossary describes in such words")
        sought = found.term
        familiar, unknown = split_known(sought, manifest.words)
    elif found is not None and found.convinces and unknown:
        notes.append(f"such words describe {found.term!r}, which the encoder was not trained on")
    if len(unknown) > 0 and len(unknown) >= len(familiar):
        why = f"the encoder was not trained on the words {_listed(unknown)}"
        return sought, (*notes, why), why
    if unknown:
        notes.append(f"the encoder was not trained on the words {_listed(unknown)} and goes by the others")
    return sought, tuple(notes), ""


def _is_description(text: str, terms: Iterable[str]) -> bool:
    """Whether a text is long and names no term: a small text tower knows names, not descriptions."""
    words = set(content_words(text))
    named = any(words.issuperset(content_words(term)) for term in terms)
    return len(words) >= _LONG and not named


def _askable(glossary: Mapping[str, str], manifest: EncoderManifest) -> frozenset[str]:
    """The terms of a glossary that an encoder was trained on; all of them if it does not say."""
    known = glossary if manifest.landforms is None else manifest.landforms
    return frozenset(glossary).intersection(known)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:4]) + (" and others" if len(words) > 4 else "")

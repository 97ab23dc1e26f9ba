"""Which landform of a glossary a text describes in words of its own, or that it describes none.

Every word piece of the text looks for its nearest in what the glossary says of a landform, and the mean of
these similarities is the score: the late interaction of Khattab and Zaharia (2020). A landform must beat the
ordinary things of `ordinary.py`, scored in the same way: a golf course is like a watercourse only as long as
there is no golf.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from threadpoolctl import threadpool_limits

from retrieval.ordinary import ORDINARY
from retrieval.sentences import Floats, weights_hash, word_pieces
from retrieval.settings import load_settings
from retrieval.words import content_words

_LEAST_LEAD = 0.06  # over ordinary things; docs/decisions/0008 says how it was found
_LEAST_NEARER = 0.5  # of "cliff diving" only the cliff is nearer to a landform
_CLOSE = 0.05  # scores nearer than this do not tell two landforms apart
_ARTICLE = re.compile(r"\b(?:an?|the)\b", re.IGNORECASE)  # nearer to any sentence than to a bare name
_SENTENCE_END = re.compile(r"(?<=[.;])\s+")


@dataclass(frozen=True)
class Match:
    """A landform and how well it fits.

    Attributes
    ----------
    term
        Of the glossary.
    score
        Mean cosine of the text's word pieces to their nearest in the entry, at most 1.
    ordinary
        The same to their nearest among ordinary things.
    nearer
        Share of the word pieces that are nearer to the entry than to any ordinary thing.
    """

    term: str
    score: float
    ordinary: float
    nearer: float

    @property
    def lead(self) -> float:
        """How much nearer the text is to the landform than to ordinary things."""
        return self.score - self.ordinary

    @property
    def convinces(self) -> bool:
        """Whether the text may be taken for the term."""
        return self.lead >= _LEAST_LEAD and self.nearer > _LEAST_NEARER


def best_match(
    text: str, glossary: Mapping[str, str], preferred: Collection[str] | None = None
) -> Match | None:
    """The entry that shares most meaning with a text; None if the text or the glossary has no words.

    Parameters
    ----------
    text
        Words of a user.
    glossary
        Per term, its names and its description in words.
    preferred
        Terms of which the best is taken where another one is hardly better.
    """
    if not glossary or not content_words(text):
        return None
    pieces = word_pieces([_ARTICLE.sub(" ", text)])[0]
    if not len(pieces):
        return None
    known = _known(tuple(f"{term} {words}".strip() for term, words in glossary.items()))
    nearest = np.maximum.reduceat(pieces @ known.vectors.T, known.starts, axis=1)
    ordinary = nearest[:, -1]
    scores = dict(zip(glossary, nearest.mean(axis=0)[:-1].tolist(), strict=True))
    best = max(scores, key=scores.__getitem__)
    near = [term for term in scores if term in (preferred or ()) and scores[term] > scores[best] - _CLOSE]
    term = max(near, key=scores.__getitem__, default=best)
    nearer = float((nearest[:, list(scores).index(term)] > ordinary).mean())
    return Match(term, scores[term], float(ordinary.mean()), nearer)


@dataclass(frozen=True)
class _Known:
    """Word pieces of all entries, one after the other, the ordinary things last: rows (n, d), first rows."""

    vectors: Floats
    starts: list[int]


@lru_cache(maxsize=8)
def _known(entries: tuple[str, ...]) -> _Known:
    # Sentence by sentence: a short context keeps a word near what it means elsewhere.
    texts = [*map(_SENTENCE_END.split, entries), list(ORDINARY)]
    # Reading all of it takes seconds, and every process of a command line would have to: kept on disk.
    key = hashlib.sha256(json.dumps([weights_hash(), texts]).encode()).hexdigest()[:16]
    kept = load_settings().home / "cache" / f"meanings-{key}.npz"
    try:
        with np.load(kept) as file:
            return _Known(file["vectors"].astype(np.float32), file["starts"].tolist())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        known = _read(texts)
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time, not the answer
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_name(f"{kept.stem}.{os.getpid()}.part.npz")
        np.savez(beside, vectors=known.vectors.astype(np.float16), starts=known.starts)
        os.replace(beside, kept)
    return known


def _read(texts: Sequence[Sequence[str]]) -> _Known:
    # Two BLAS threads on a busy machine wait for each other: ten times the processor time of one.
    with threadpool_limits(1, "blas"):
        pieces = iter(word_pieces([sentence for entry in texts for sentence in entry]))
    vectors = [np.concatenate([next(pieces) for _ in entry]) for entry in texts]
    nothing = np.zeros((1, vectors[-1].shape[1]), np.float32)
    # Half precision from the start, so that a first answer and a later one are the same.
    vectors = [(rows if len(rows) else nothing).astype(np.float16).astype(np.float32) for rows in vectors]
    starts = np.cumsum([0, *(len(rows) for rows in vectors[:-1])])
    return _Known(np.concatenate(vectors), starts.tolist())

"""Which landform of a glossary a text describes in words of its own, by what words mean.

Every word of the text looks for its nearest word in what the glossary says of a landform: a late interaction
(Khattab and Zaharia 2020) of static word vectors. The vectors are those of the `wordllama` package, which
brings them along: nothing is downloaded. A word counts the more, the fewer landforms have anything like it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.words import content_words

_POWER = 2  # of similarities: far words count for little
_LEAST_MATCH = 0.45  # of the words' similarities to the best entry, weighted; 0 nothing in common, 1 the same
_LEAST_LEAD = 1.03  # of the best over the second
_SAME = 0.5  # similarity from which two words mean much the same
_LEAST_SAME = 2  # such words, or all: one word agrees by chance (a *cup* of coffee, a golf *course*)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """A landform and how well it fits.

    Attributes
    ----------
    term
        Of the glossary.
    match
        Mean similarity of the text's words to their nearest in the entry, weighted by how telling they are.
    lead
        Its score over that of the second best.
    same, words
        How many of the text's content words the entry has a word of the same meaning for, and of how many.
    """

    term: str
    match: float
    lead: float
    same: int
    words: int

    @property
    def convinces(self) -> bool:
        """Whether the text may be taken for the term."""
        enough = self.same >= min(_LEAST_SAME, self.words)
        return enough and self.match >= _LEAST_MATCH and self.lead >= _LEAST_LEAD


def best_match(text: str, glossary: Mapping[str, str]) -> Match | None:
    """The entry that shares most meaning with a text; None if either has no content words.

    Parameters
    ----------
    text
        Words of a user.
    glossary
        Per term, its names and its description in words.
    """
    words = content_words(text)
    if not words or len(glossary) < 2:
        return None
    terms, vectors, entries = _entries(tuple(glossary.items()))
    similar = np.clip(_vectors(words) @ vectors.T, 0, 1)
    # Nearest word of each entry, shape (words, entries).
    nearest = np.stack([similar[:, entry].max(axis=1) for entry in entries], axis=1)
    weighted = nearest**_POWER
    telling = -np.log(weighted.mean(axis=1) + 1e-3)
    scores = telling @ weighted
    best, second = np.argsort(-scores, kind="stable")[:2]
    match = float(telling @ nearest[:, best] / telling.sum())
    lead = float(scores[best] / max(scores[second], 1e-9))
    return Match(terms[best], match, lead, int((nearest[:, best] >= _SAME).sum()), len(words))


@lru_cache(maxsize=8)
def _entries(glossary: tuple[tuple[str, str], ...]) -> tuple[list[str], Floats, list[NDArray[np.int64]]]:
    """Terms, vectors of all their words (w, d), and which of these each entry has."""
    words = [content_words(f"{term} {text}") for term, text in glossary]
    order = {word: n for n, word in enumerate(sorted({word for entry in words for word in entry}))}
    entries = [np.array([order[word] for word in entry], dtype=np.int64) for entry in words]
    return [term for term, _ in glossary], _vectors(list(order)), entries


def _vectors(words: Sequence[str]) -> Floats:
    return np.asarray(_word_vectors().embed(list(words), norm=True), dtype=np.float64)


@lru_cache(maxsize=1)
def _word_vectors() -> Any:
    import wordllama

    # The folder is named because the package looks for its own tokenizer under another name.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)

"""From words to the probability of every tile: the one road for tools, the command line and evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.calibrate import Calibrated, calibrate, nothing
from retrieval.encoder import encode_query
from retrieval.meaning import best_match
from retrieval.words import content_words, split_known

if TYPE_CHECKING:
    from retrieval.encoder import Encoder, EncoderManifest

_LONG = 4  # content words: names of landforms have fewer


class Scored(Protocol):
    """As much of an index as a query needs."""

    background: NDArray[np.float32]

    def score(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of every row with a unit vector."""


@dataclass(frozen=True)
class Asked:
    """What a query gave.

    Attributes
    ----------
    sought
        The words that were asked of the encoder: the query, or the glossary's name for it.
    vector
        Their unit vector, shape (d,).
    scores
        Cosine of every row, shape (n,).
    calibrated
        Probabilities, threshold and how they were found.
    notes
        What a reader must know, one sentence each.
    understood
        Whether the encoder knows enough of the words; nothing is found otherwise.
    """

    sought: str
    vector: NDArray[np.float32]
    scores: NDArray[np.float64]
    calibrated: Calibrated
    notes: tuple[str, ...] = ()
    understood: bool = True


def ask(
    index: Scored,
    encoder: Encoder,
    text: str,
    templates: Sequence[str],
    glossary: Mapping[str, str] | None = None,
) -> Asked:
    """Score every row of an index for words and calibrate.

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
    manifest = encoder.manifest
    sought, notes = text, []
    familiar, unknown = split_known(text, manifest.words)
    glossary = glossary or {}
    askable = _askable(glossary, manifest)
    roundabout = manifest.words is not None and (unknown or _is_description(text, askable))
    found = best_match(text, glossary, askable) if roundabout else None
    if found is not None and found.convinces and found.term in askable:
        notes.append(f"asked for {found.term!r}, which the glossary describes in such words")
        sought = found.term
        familiar, unknown = split_known(sought, manifest.words)
    elif found is not None and found.convinces and unknown:
        notes.append(f"such words describe {found.term!r}, which the encoder was not trained on")
    vector = encode_query(encoder, sought, templates)
    scores = np.asarray(index.score(vector), dtype=np.float64)
    if len(unknown) > 0 and len(unknown) >= len(familiar):
        why = f"the encoder was not trained on the words {_listed(unknown)}"
        return Asked(sought, vector, scores, nothing(len(scores), why), (*notes, why), False)
    if unknown:
        notes.append(f"the encoder was not trained on the words {_listed(unknown)} and goes by the others")
    calibrated = calibrate(scores, index.background, manifest.logit_scale, manifest.logit_bias)
    return Asked(sought, vector, scores, calibrated, tuple(notes))


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

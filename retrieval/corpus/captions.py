"""Captions of tiles from what is known of them: landforms, sizes, freshness, surroundings.

The wording varies on purpose: people ask in many ways, and a model that has read one phrase per landform
knows only that phrase. A caption says nothing that its facts do not hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from retrieval.corpus.wording import TERMS
from retrieval.errors import SettingsError


@dataclass(frozen=True)
class TileFacts:
    """What is known of a tile.

    Attributes
    ----------
    landforms
        Keys that the tile clearly shows, most prominent first; empty or ``("plains",)`` for nothing.
    size_km
        Diameter of the largest member of a landform in the tile.
    freshness
        0 nearly erased, 1 pristine.
    lat
        Latitude of the centre, degrees; None leaves it unsaid.
    near_scarp
        Whether an escarpment or canyon wall crosses the tile.
    """

    landforms: tuple[str, ...]
    size_km: Mapping[str, float] = field(default_factory=dict)
    freshness: Mapping[str, float] = field(default_factory=dict)
    lat: float | None = None
    near_scarp: bool = False


_SENTENCES = (
    "{x}",
    "{x}",
    "{x}",
    "{x}",
    "{x}.",
    "An orbital image of {x}.",
    "A CTX image of {x}",
    "A CTX image showing {x}.",
    "a satellite image of {x}",
    "an orbital view showing {x}",
    "A grey-scale orbital photograph of {x}.",
    "A spacecraft image of {x}",
    "this tile shows {x}",
    "An image of the surface of Mars with {x}.",
    "a planetary surface with {x}",
    "aerial view of {x}",
    "Orbital image: {x}",
    "remote sensing image of {x}",
    "view from orbit: {x}",
    "planetary image showing {x}",
    "a photograph from orbit of {x}",
    "A context camera view of {x}.",
)
_BANDS = (
    (12.0, ("near the equator", "at equatorial latitudes", "in the tropics")),
    (30.0, ("at low latitudes", "at {side} low latitudes")),
    (58.0, ("at mid-latitudes", "at {side} mid-latitudes", "in the {side} mid-latitudes")),
    (91.0, ("at high latitudes", "at {side} high latitudes", "in the {side} polar region")),
)
_BACKDROPS = ("on plains", "on smooth plains", "in otherwise plain terrain", "on a flat surface")

__all__ = ["TERMS", "TileFacts", "canonical_term", "caption"]


def canonical_term(key: str) -> str:
    """The plain name of a landform, without article.

    Raises
    ------
    SettingsError
        If no landform has that key.
    """
    if key not in TERMS or key in ("scarp", "nothing_named"):
        allowed = ", ".join(k for k in TERMS if k not in ("scarp", "nothing_named"))
        raise SettingsError(f"no landform has the key {key!r}", allowed=allowed)
    return _bare(TERMS[key][0])


def caption(facts: TileFacts, rng: np.random.Generator) -> str:
    """One caption; another call with the same generator gives another wording.

    Raises
    ------
    SettingsError
        If a landform key is unknown.
    """
    keys = [k for k in facts.landforms if k != "plains"]
    for key in keys:
        canonical_term(key)
    if not keys:
        return _sentence(_empty(facts, rng), facts, rng)
    if len(keys) > 1 and rng.random() < 0.4:
        keys = [keys[int(rng.integers(len(keys)))]]
    phrases = [_phrase(key, facts, rng) for key in keys[:3]]
    if rng.random() < 0.12 and len(keys) == 1:
        return _bare(phrases[0])
    text = _join(phrases, rng)
    if facts.near_scarp and rng.random() < 0.35:
        text += " beside " + _pick(TERMS["scarp"], rng)
    elif not facts.near_scarp and len(facts.landforms) == 1 and rng.random() < 0.12:
        text += " " + _pick(_BACKDROPS, rng)
    return _sentence(text, facts, rng)


def _empty(facts: TileFacts, rng: np.random.Generator) -> str:
    if facts.near_scarp:
        return _pick(TERMS["scarp"], rng)
    return _pick(TERMS["plains" if "plains" in facts.landforms else "nothing_named"], rng)


def _phrase(key: str, facts: TileFacts, rng: np.random.Generator) -> str:
    # The canonical term a quarter of the time, so that the plain word is known best.
    phrase = TERMS[key][0] if rng.random() < 0.25 else _pick(TERMS[key], rng)
    size = facts.size_km.get(key)
    if size is not None and rng.random() < 0.15 and phrase.startswith(("a ", "an ")):
        phrase += f" about {max(1, round(size))} km {_pick(('across', 'wide', 'in size'), rng)}"
    fresh = facts.freshness.get(key)
    if fresh is not None and rng.random() < 0.12:
        word = "well-preserved" if fresh > 0.8 else "subdued" if fresh < 0.35 else ""
        if word and not any(
            w in phrase for w in ("fresh", "young", "old", "worn", "eroded", "degraded", "softened")
        ):
            article = "a " if phrase.startswith(("a ", "an ")) else ""
            phrase = f"{article}{word} {_bare(phrase)}"
    return phrase


def _sentence(text: str, facts: TileFacts, rng: np.random.Generator) -> str:
    if facts.lat is not None and rng.random() < 0.12:
        places = next(words for limit, words in _BANDS if abs(facts.lat) < limit)
        text += " " + _pick(places, rng).format(side="northern" if facts.lat >= 0 else "southern")
    sentence = _pick(_SENTENCES, rng).format(x=text)
    return sentence[0].upper() + sentence[1:] if rng.random() < 0.3 else sentence


def _join(phrases: Sequence[str], rng: np.random.Generator) -> str:
    if len(phrases) == 1:
        return phrases[0]
    word = _pick((" and ", " with ", " next to ", " together with ", " and "), rng)
    return ", ".join(phrases[:-1]) + word + phrases[-1]


def _bare(phrase: str) -> str:
    for article in ("a ", "an ", "the "):
        if phrase.startswith(article):
            return phrase[len(article) :]
    return phrase


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]

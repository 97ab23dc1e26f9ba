"""Captions of tiles from what is known of them: landforms, sizes, sides, directions, surroundings.

The wording varies on purpose: people ask in many ways, and a model that has read one phrase per landform
knows only that phrase. A caption says nothing that its facts do not hold.

`Captioner` is what the pipeline asks for candidates: the grammar of this module, or a vision model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus import phrases as say
from retrieval.corpus.facts import OCTANTS, Member, TileFacts, latitude_band
from retrieval.corpus.wording import TERMS
from retrieval.errors import SettingsError

Terms = Mapping[str, Sequence[str]]

__all__ = ["TERMS", "Captioner", "GrammarCaptioner", "TileFacts", "canonical_term", "caption"]

# Keys of TERMS that are no landforms: words for a scarp, and for ground where nothing can be named.
NO_LANDFORMS = ("scarp", "nothing_named")
SMALL_SHARE, LARGE_SHARE, HUGE_SHARE = 0.18, 0.5, 0.75  # of the tile's side
FLAT_DEG, RUGGED_DEG = 1.5, 15.0
_WORN = ("fresh", "young", "old", "worn", "eroded", "degraded", "softened", "ancient")
_SIZED = ("small", "large", "giant", "broad", "little", "wide")


class Captioner(Protocol):
    """Whatever writes candidate captions of tiles."""

    @property
    def name(self) -> str:
        """What is recorded beside each candidate: ``grammar``, ``openai:NAME``."""

    def write(
        self,
        pixels: NDArray[np.uint8],
        facts: Sequence[TileFacts],
        count: int,
        rng: np.random.Generator,
    ) -> list[list[str]]:
        """Candidates of each tile, at most ``count``; none where it has nothing usable to say.

        Parameters
        ----------
        pixels
            RGB, shape (n, s, s, 3), row 0 in the north.
        facts
            What is known of each of the n tiles.
        """


class GrammarCaptioner:
    """Writes from the facts alone, by a seeded grammar; never looks at the picture.

    Parameters
    ----------
    terms
        Per landform key, the ways to say it, the canonical one first, with its article.
    body
        Name of the body, for sentences that say it; empty leaves it unsaid.
    """

    def __init__(self, terms: Terms = TERMS, body: str = "") -> None:
        self.terms = terms
        self.body = body.capitalize()

    @property
    def name(self) -> str:
        """Its name in records."""
        return "grammar"

    def write(
        self,
        pixels: NDArray[np.uint8],
        facts: Sequence[TileFacts],
        count: int,
        rng: np.random.Generator,
    ) -> list[list[str]]:
        """Up to ``count`` different captions of each tile."""
        return [self.captions(one, count, rng) for one in facts]

    def captions(self, facts: TileFacts, count: int, rng: np.random.Generator) -> list[str]:
        """Up to ``count`` different captions of one tile."""
        texts: dict[str, None] = {}
        for _ in range(4 * count):
            texts[caption(facts, rng, self.terms, self.body)] = None
            if len(texts) == count:
                break
        return list(texts)


def canonical_term(key: str) -> str:
    """The plain name of a landform, without article.

    Raises
    ------
    SettingsError
        If no landform has that key.
    """
    _check(key, TERMS)
    return _bare(TERMS[key][0])


def caption(facts: TileFacts, rng: np.random.Generator, terms: Terms = TERMS, body: str = "") -> str:
    """One caption; another call with the same generator gives another wording.

    Raises
    ------
    SettingsError
        If a landform key is unknown.
    """
    keys = [k for k in facts.landforms if k != "plains"]
    for key in keys:
        _check(key, terms)
    if not keys:
        return _sentence(_empty(facts, rng, terms), facts, rng, body)
    if len(keys) > 1 and rng.random() < 0.4:
        keys = [keys[int(rng.integers(len(keys)))]]
    phrases = [_phrase(key, facts, rng, terms) for key in keys[:3]]
    if rng.random() < 0.1 and len(keys) == 1:
        return _bare(phrases[0])
    text = _join(phrases, rng)
    if facts.near_scarp and rng.random() < 0.35:
        text += " beside " + _pick(terms.get("scarp", TERMS["scarp"]), rng)
    elif facts.near_scarp is False and len(facts.landforms) == 1 and rng.random() < 0.1:
        text += " " + _pick(say.BACKDROPS, rng)
    return _sentence(text, facts, rng, body)


def _empty(facts: TileFacts, rng: np.random.Generator, terms: Terms) -> str:
    if facts.near_scarp:
        return _pick(terms.get("scarp", TERMS["scarp"]), rng)
    if "plains" in facts.landforms:
        return _pick(terms.get("plains", TERMS["plains"]), rng)
    if facts.near_scarp is False:  # somebody looked, and nothing has a name
        return _pick(TERMS["nothing_named"], rng)
    # Nobody knows what is there: only place, terrain and picture can be told.
    told = _terrain(facts, rng, always=True) or _place(facts, rng)
    return _pick(say.GROUND, rng) + told


def _phrase(key: str, facts: TileFacts, rng: np.random.Generator, terms: Terms) -> str:
    # The canonical term a quarter of the time, so that the plain word is known best.
    phrase = terms[key][0] if rng.random() < 0.25 else _pick(terms[key], rng)
    inside = facts.whole(key)
    singular = phrase.startswith(("a ", "an "))
    roll = rng.random()
    if roll < 0.12:
        return _counted(phrase, key, facts, inside, rng)
    if roll < 0.24:
        phrase = _fresh(phrase, facts.freshness.get(key), rng)
    elif roll < 0.36:
        phrase = _sized(phrase, facts.size_km.get(key), facts.tile_km, rng)
    size = facts.size_km.get(key)
    roll = rng.random()
    if size is not None and roll < 0.13 and singular:
        km = f"{size:.1f}" if size < 3 and rng.random() < 0.7 else f"{max(1, round(size))}"
        phrase += " " + _pick(say.SIZES, rng).format(km=km)
    elif roll < 0.26 and len(inside) == 1:
        phrase += " " + _side(inside[0], rng)
    elif roll < 0.40:
        phrase += _azimuth(key, facts, rng)
    return phrase


def _counted(
    phrase: str, key: str, facts: TileFacts, inside: Sequence[Member], rng: np.random.Generator
) -> str:
    """``two lobate debris aprons``, where they can be counted and the word takes a plain plural."""
    partial = sum(m.landform == key and not m.whole for m in facts.members)
    plain = phrase.startswith(("a ", "an ")) and not any(
        w in phrase.split() for w in ("with", "of", "on", "and", "at", "around", "in", "from", "to", "its")
    )
    if len(inside) < 2 or partial or key in facts.more or not plain or phrase.endswith("s"):
        return phrase
    word = _bare(phrase)
    plural = word[:-1] + "ies" if word.endswith("y") and word[-2] not in "aeou" else word + "s"
    if len(inside) > 10 or (len(inside) >= 4 and rng.random() < 0.5):
        return f"{_pick(say.SEVERAL, rng)} {plural}"
    return f"{say.COUNT_WORDS[len(inside)]} {plural}"


def _fresh(phrase: str, freshness: float | None, rng: np.random.Generator) -> str:
    if freshness is None or any(w in phrase for w in _WORN):
        return phrase
    return _adjective(phrase, "well-preserved" if freshness > 0.8 else "subdued" if freshness < 0.35 else "")


def _sized(phrase: str, size: float | None, tile_km: float | None, rng: np.random.Generator) -> str:
    if size is None or tile_km is None or any(w in phrase.split() for w in _SIZED):
        return phrase
    share = size / tile_km
    if share > HUGE_SHARE and rng.random() < 0.6:
        return f"{phrase} {_pick(say.HUGE, rng)}"
    words = say.SMALL if share < SMALL_SHARE else say.LARGE if share > LARGE_SHARE else ("",)
    return _adjective(phrase, _pick(words, rng))


def _adjective(phrase: str, word: str) -> str:
    if not word:
        return phrase
    return f"{'a ' if phrase.startswith(('a ', 'an ')) else ''}{word} {_bare(phrase)}"


def _side(member: Member, rng: np.random.Generator) -> str:
    if member.side == "centre":
        return _pick(say.CENTRE, rng)
    if abs(member.east) < 0.15 and abs(member.north) < 0.15:
        return _pick(say.CENTRE, rng)
    wording = say.CORNERS if "-" in member.side else say.SIDES
    return _pick(wording, rng).format(side=member.side)


def _azimuth(key: str, facts: TileFacts, rng: np.random.Generator) -> str:
    found = [m.azimuth_deg for m in facts.members if m.landform == key and np.isfinite(m.azimuth_deg)]
    if len(found) != 1:  # several may run several ways
        return ""
    if rng.random() < 0.2:
        degrees = round(found[0] / 5) * 5 % 180
        return " " + _pick(say.AZIMUTH_DEGREES, rng).format(degrees=degrees)
    octant = round(found[0] / 45.0) % 4
    a, b = OCTANTS[octant], OCTANTS[octant + 4]
    if rng.random() < 0.5:
        a, b = b, a
    if "-" in a:  # "NW-SE" is how it is written; "north-west-south-east" is not
        wording = _pick(say.AZIMUTHS, rng)
        if "{a}-{b}" in wording:
            a, b = (part[0].upper() + part.split("-")[1][0].upper() for part in (a, b))
        return " " + wording.format(a=a, b=b)
    return " " + _pick(say.AZIMUTHS, rng).format(a=a, b=b)


def _sentence(text: str, facts: TileFacts, rng: np.random.Generator, body: str) -> str:
    roll = rng.random()
    if roll < 0.1:
        text += _place(facts, rng)
    elif roll < 0.16:
        text += _terrain(facts, rng, always=False)
    if body and rng.random() < 0.06:
        sentence = _pick(say.BODY_SENTENCES, rng).format(x=text, body=body)
    else:
        sentence = _pick(say.SENTENCES, rng).format(x=text)
    return sentence[0].upper() + sentence[1:] if rng.random() < 0.3 else sentence


def _place(facts: TileFacts, rng: np.random.Generator) -> str:
    if facts.lat is None:
        return ""
    side = "northern" if facts.lat >= 0 else "southern"
    if rng.random() < 0.2 and abs(facts.lat) >= 1:
        words = {"side": side.removesuffix("ern"), "letter": side[0].upper()}
        return " " + _pick(say.LATITUDES, rng).format(degrees=round(abs(facts.lat)), **words)
    return " " + _pick(say.BANDS[latitude_band(facts.lat)], rng).format(side=side)


def _terrain(facts: TileFacts, rng: np.random.Generator, *, always: bool) -> str:
    """Slope, elevation, relief, gaps or contrast, whichever is known; empty if nothing is worth saying."""
    values, options = facts.values, []
    slope, steep = values.get("slope_deg"), values.get("slope_p90_deg")
    if slope is not None and slope < FLAT_DEG and facts.near_scarp is not True and _no_relief(facts):
        options.append(_pick(say.TERRAIN["flat"], rng))
    elif steep is not None and steep > RUGGED_DEG:
        options.append(_pick(say.TERRAIN["rugged"], rng))
    elevation = values.get("elevation_m")
    if elevation is not None and abs(elevation) >= 100:
        m = round(elevation / 50) * 50
        where = "above" if m > 0 else "below"
        options.append(_pick(say.ELEVATIONS, rng).format(m=m, above=abs(m), where=where))
    relief = values.get("relief_m")
    if always and relief is not None and relief >= 20:
        options.append(_pick(say.RELIEF, rng).format(m=round(relief / 10) * 10))
    if values.get("nodata_share", 0.0) > 0.05:
        options.append(_pick(say.GAPS, rng))
    contrast = values.get("contrast_dn")
    if contrast is not None and (contrast < 5 or contrast > 45):
        options.append(_pick(say.CONTRAST["low" if contrast < 5 else "high"], rng))
    return " " + _pick(options, rng) if options else ""


def _no_relief(facts: TileFacts) -> bool:
    # Large-scale slopes do not know of a crater in the tile.
    return not [key for key in facts.landforms if key != "plains"]


def _join(phrases: Sequence[str], rng: np.random.Generator) -> str:
    if len(phrases) == 1:
        return phrases[0]
    word = _pick((" and ", " with ", " next to ", " together with ", " and "), rng)
    return ", ".join(phrases[:-1]) + word + phrases[-1]


def _check(key: str, terms: Terms) -> None:
    if key not in terms or key in NO_LANDFORMS:
        allowed = ", ".join(k for k in terms if k not in NO_LANDFORMS)
        raise SettingsError(f"no landform has the key {key!r}", allowed=allowed)


def _bare(phrase: str) -> str:
    for article in ("a ", "an ", "the "):
        if phrase.startswith(article):
            return phrase[len(article) :]
    return phrase


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]

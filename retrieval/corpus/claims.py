"""A caption taken apart into claims, each with the words that make it and the value that it states.

Landforms are found first, by the longest phrase of the vocabulary; they become marks such as ``@0`` in a
normalised text (units short, compass words ``N``, ``NE``...), in which patterns find what is said about them
and about the place. Words that belong to no claim and are no filler are handed back as unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from retrieval.corpus.claim_patterns import (
    ATTRIBUTES,
    BEHIND,
    NEGATION,
    PATTERNS,
    POINT_DEG,
    READERS,
    Value,
)
from retrieval.corpus.wording import TERMS

Terms = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Claim:
    """One thing that a caption says.

    Attributes
    ----------
    kind
        landform, absence, nothing, backdrop, scarp, count, size, size_word, freshness, side, azimuth,
        distance, latitude, longitude, band, hemisphere, elevation, datum, relief, slope, gaps, contrast.
    text, start, end
        Its words and where they stand in the caption.
    keys
        Landforms any of which it may speak of; empty for the place or the picture.
    value
        Kilometres, degrees (axial for azimuths), metres, an octant, a band, lowest and highest count...
    """

    kind: str
    text: str
    start: int
    end: int
    keys: frozenset[str] = frozenset()
    value: Value = None


# Words that are right for every landform whose key holds the part.
_GENERIC = {
    "crater": ("crater", "impact crater", "impact structure", "crater rim", "crater wall", "crater floor"),
    "dune": (
        "dune",
        "sand dune",
        "dune field",
        "dark dune field",
        "bedform",
        "aeolian bedform",
        "aeolian dune",
    ),
    "volcano": ("volcano", "volcanic edifice"),
    "fan": ("fan",),
    "landslide": ("slide",),
    "valley": ("valley",),
    "cones": ("cone",),
    "apron": ("apron",),
    "streak": ("streak",),
}
_UNITS = {
    **dict.fromkeys(("kilometre", "kilometres", "kilometer", "kilometers", "kms"), "km"),
    **dict.fromkeys(("metre", "metres", "meter", "meters"), "m"),
    **dict.fromkeys(("degree", "degrees", "deg"), "°"),
    "percent": "%",
    "center": "centre",
    "centered": "centred",
    "picture": "image",
    "frame": "image",
    "scene": "image",
    "tile": "image",
    "view": "image",
}
_COMPASS = {"north": "N", "south": "S", "east": "E", "west": "W"}
_COMPASS |= {a + b: _COMPASS[a] + _COMPASS[b] for a in ("north", "south") for b in ("east", "west")}
_COMPASS |= {
    w + end: d for w, d in list(_COMPASS.items()) for end in ("ern", "erly", "ward", "wards", "ernmost")
}

_TOKEN = re.compile(r"(?<![\w.])[-−]?\d+(?:[.,]\d+)*|\d+(?:\.\d+)?|[^\W\d_]+(?:['’][a-z]+)?|[°%,.;:!?]")
_FILLER = """
a an the of and with in on at to from by is are its it this that there here shows showing show shown seen also
we one some near as otherwise which can be or lies lie lying next beside together visible contains containing
body image images orbital orbit orbiter satellite spacecraft aerial ctx hirise context camera view remote
sensing see planetary planet surface photograph photo picture grey gray scale greyscale grayscale sensor
ground area patch region terrain featuring features feature includes including depicts depicting
lowell moon mercury earth mars martian lunar , . ; : ! ? ° %
"""
FILLER = frozenset(_FILLER.split())


@lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    """Singular, and -ize for -ise, so that one phrase of the vocabulary stands for its variants."""
    word = re.sub(r"is(ed|ing|ation)$", r"iz\1", word.lower())
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("oes", "ches", "shes", "xes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "chaos")):
        return word[:-1]
    return word


class Vocabulary:
    """Phrases of landforms, ready to be found.

    Parameters
    ----------
    terms
        Per key the ways to say it; joined to those of the project.
    """

    def __init__(self, terms: Terms = TERMS) -> None:
        meanings: dict[tuple[str, ...], set[str]] = {}
        keys = [*terms, *(key for key in TERMS if key not in terms)]
        for key in keys:
            for phrase in (*terms.get(key, ()), *TERMS.get(key, ())):
                meanings.setdefault(_words(phrase), set()).add(key)
        for part, phrases in _GENERIC.items():
            family = {key for key in keys if part in key}
            for phrase in phrases if family else ():
                meanings.setdefault(_words(phrase), set()).update(family)
        self.keys = frozenset(keys)
        self._by_first: dict[str, list[tuple[tuple[str, ...], frozenset[str]]]] = {}
        for words, found in sorted(meanings.items(), key=lambda item: -len(item[0])):
            self._by_first.setdefault(words[0], []).append((words, frozenset(found)))

    def longest(self, stems: Sequence[str], at: int) -> tuple[int, frozenset[str]]:
        """Length in words of the longest phrase that starts at a position, and its landforms; 0 if none."""
        for words, keys in self._by_first.get(stems[at], ()):
            if tuple(stems[at : at + len(words)]) == words:
                return len(words), keys
        return 0, frozenset()

    def keys_of(self, phrase: str) -> frozenset[str]:
        """Landforms that a whole phrase names."""
        stems = list(_words(phrase))
        length, keys = self.longest(stems, 0) if stems else (0, frozenset())
        return keys if length == len(stems) else frozenset()


def _words(phrase: str) -> tuple[str, ...]:
    words = [match.group() for match in _TOKEN.finditer(phrase)]
    if words and words[0].lower() in ("a", "an", "the"):
        words = words[1:]
    return tuple(_stem(word) for word in words)


@dataclass
class _Piece:
    """A word, number, mark or landform of the normalised text, and where it came from."""

    text: str
    start: int
    end: int
    keys: frozenset[str] = frozenset()
    words: str = ""


def parse(caption: str, vocabulary: Vocabulary) -> tuple[list[Claim], list[str]]:
    """Claims of a caption in the order of its words, and the words that nobody checked."""
    pieces = _pieces(caption, vocabulary)
    text, at = "", []
    for piece in pieces:
        at.append(len(text))
        text += piece.text + " "
    return _Reading(caption, text.rstrip(), pieces, at).claims()


def _pieces(caption: str, vocabulary: Vocabulary) -> list[_Piece]:
    raw = [(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(caption)]
    stems = [_stem(re.sub(r"['’].*", "", word)) for word, _, _ in raw]
    pieces: list[_Piece] = []
    marks = n = 0
    while n < len(raw):
        word, start, end = raw[n]
        length, keys = vocabulary.longest(stems, n)
        if length:
            words = caption[start : raw[n + length - 1][2]]
            piece = _Piece(f"@{marks}", start, raw[n + length - 1][2], keys, words.lower())
            if pieces and pieces[-1].text in ("a", "an", "the"):
                piece.start = pieces.pop().start  # the article goes with its landform
            pieces.append(piece)
            marks, n = marks + 1, n + length
            continue
        pieces.append(_Piece(_normal(word, pieces), start, end))
        last = pieces[-2].text if len(pieces) > 1 else ""
        if (
            pieces[-1].text in POINT_DEG
            and last + pieces[-1].text in POINT_DEG
            and last in ("N", "S", "E", "W")
        ):
            second = pieces.pop()  # "north east" and "north-east" are one point of the compass
            pieces[-1].text, pieces[-1].end = last + second.text, second.end
        n += 1
    return pieces


def _normal(word: str, before: Sequence[_Piece]) -> str:
    low = re.sub(r"['’].*", "", word.lower()).replace("−", "-")
    if word in POINT_DEG:
        return word
    if low in ("n", "s", "e", "w") and before and (before[-1].text == "°" or before[-1].text[-1:].isdigit()):
        return low.upper()
    if low[-1:].isdigit():  # 1,200 is a thousand and 1,2 is not
        return low.replace(",", "" if re.fullmatch(r"-?\d+(?:,\d{3})+", low) else ".")
    return _COMPASS.get(low) or _UNITS.get(low) or low


class _Reading:
    """One caption being read: claims are taken out of the normalised text one pattern after the other."""

    def __init__(self, caption: str, text: str, pieces: list[_Piece], at: list[int]) -> None:
        self.caption, self.text, self.pieces, self.at = caption, text, pieces, at
        self.left = text
        self.landforms = [piece for piece in pieces if piece.text[0] == "@"]
        self.used: set[int] = set()
        self.found: list[Claim] = []

    def claims(self) -> tuple[list[Claim], list[str]]:
        denied = {
            int(mark)
            for match in NEGATION.finditer(self.left)
            for mark in re.findall(r"@(\d+)", match.group())
        }
        related: set[int] = set()
        for kind, pattern in PATTERNS:
            for match in pattern.finditer(self.left):
                if kind == "distance":
                    related.add(int(match.group(3)))
                self._take(kind, match)
        for match in NEGATION.finditer(self.text):
            self._span(match.start(), match.end())
        for number, piece in enumerate(self.landforms):
            if number not in related:
                self.found.append(self._landform(number, piece, number in denied))
        unchecked = [
            self.caption[p.start : p.end]
            for n, p in enumerate(self.pieces)
            if n not in self.used and p.text[0] != "@" and p.text not in FILLER
        ]
        return sorted(self.found, key=lambda claim: claim.start), unchecked

    def _landform(self, number: int, piece: _Piece, denied: bool) -> Claim:
        before = self.text[: self.at[self.pieces.index(piece)]].rstrip()
        kind = "landform"
        if piece.keys & {"plains", "nothing_named"}:
            kind = "backdrop" if BEHIND.search(before) else "nothing"
        elif "scarp" in piece.keys:
            kind = "scarp"
        elif denied:
            kind = "absence"
        text = self.caption[piece.start : piece.end]
        return Claim(kind, text, piece.start, piece.end, piece.keys, piece.words)

    def _take(self, kind: str, match: re.Match[str]) -> None:
        reader = READERS[kind]
        for name, value, mark in reader(match):
            keys = frozenset[str]()
            if name in ATTRIBUTES:
                number = mark if mark is not None else self._attached(match.start(), match.end())
                if number is None:
                    if name not in ("side", "azimuth"):
                        continue
                else:
                    keys = self.landforms[number].keys
            start, stop = self._span(match.start(), match.end())
            self.found.append(Claim(name, self.caption[start:stop], start, stop, keys, value))
        gone = re.sub(r"[^ @\d]|(?<!@)(?<!@\d)\d", " ", match.group())
        self.left = self.left[: match.start()] + gone + self.left[match.end() :]

    def _span(self, start: int, end: int) -> tuple[int, int]:
        """Where the pieces within a span of the normalised text stand in the caption."""
        inside = [n for n, at in enumerate(self.at) if start <= at < end and self.pieces[n].text[0] != "@"]
        self.used.update(inside)
        if not inside:
            return 0, 0
        return self.pieces[inside[0]].start, self.pieces[inside[-1]].end

    def _attached(self, start: int, end: int) -> int | None:
        """The landform that words speak of: the one before them, or the one that they lead in."""
        before = list(re.finditer(r"@(\d+)", self.text[:start]))
        after = re.match(r"[^.;@]*?@(\d+)", self.text[end:])
        leads = not before or re.search(r"(?:^|[.;:,]|\band|\bwhile|\bwith) ?$", self.text[:start].rstrip())
        if after and leads and len(after.group().split()) <= 6:
            return int(after.group(1))
        if before:
            return int(before[-1].group(1))
        return int(after.group(1)) if after else None

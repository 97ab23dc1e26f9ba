"""A question as a row of plain words, with marks for what it names: ``T`` things, ``P`` places, ``R`` limits,
``N`` numbers, ``L`` layers, each counted from 0, and ``|`` between sentences.

``Swap the graben for lava flows`` becomes ``swap the T0 for T1``: a form in which a few patterns say what is
meant, whatever is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from agent.grammar.followups import words as followup_words
from agent.grammar.lexicon import Lexicon
from agent.grammar.query import Declined, Item, Region
from agent.grammar.tokens import FOOT_KM, MILE_KM, Token, corrected, slot_at

_NUMBER = re.compile(
    r"([-+]?\d+(?:\.\d+)?)(?: (km|mi|m|ft|degrees|percent|tiles)\b)?(?: (north|south)\b(?! of))?",
    re.IGNORECASE,
)
_LAYER = re.compile(r"\[?\bL(\d{1,6})\b\]?", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_STOP = re.compile(r"[.?!;:,\n]+(?=\s|$)|\n")
_BEFORE_PLACES = frozenset(
    ("in", "at", "on", "of", "near", "around", "inside", "within", "to", "for", "about")
)
# "More than 80 km" alone is a distance, though with a height in km it would be an elevation.
_BOUND_KM = re.compile(
    r"(?:more than|less than|at least|at most|over|under|above|below|greater than|exceeding|[<>]=?) ?"
    r"\d+(?:\.\d+)? (?:km|mi)\b(?! (?:of )?(?:elevation|altitude|datum|above|below))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Number:
    """A number with its unit (empty if none) and hemisphere."""

    value: float
    unit: str = ""
    side: str = ""
    text: str = ""

    def km(self, tile_km: float) -> float:
        """As a distance; without a unit, kilometres."""
        factor = {"mi": MILE_KM, "m": 0.001, "ft": FOOT_KM, "tiles": tile_km}.get(self.unit, 1.0)
        return round(self.value * factor, 6)

    @property
    def metres(self) -> float:
        """As an elevation; without a unit, metres."""
        return round(self.value * {"km": 1000.0, "ft": 0.3048}.get(self.unit, 1.0), 3)


@dataclass
class Skeleton:
    """The row of words, and what each mark stands for."""

    row: str = ""
    things: list[Item] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    limits: list[Region] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    def mark(self, letter: str, values: list[Any], value: Any, text: str) -> str:
        """The mark of one more named thing; the same one twice has one mark."""
        if value not in values:
            values.append(value)
        name = f"{letter}{values.index(value)}"
        self.written[name] = text
        return name

    def text(self, row: str) -> str:
        """Words with their marks written out again, for those who read whole questions."""
        return re.sub(r"\b[TPRNL]\d+\b", lambda match: self.written.get(match[0], match[0]), row)


def skeleton(text: str, lexicon: Lexicon, *, distances: bool) -> Skeleton | None:
    """The skeleton of a normalised question; None if it names a place that may be several.

    Parameters
    ----------
    distances
        Whether a number of kilometres with a bound is likely a distance, not a height.
    """
    text, notes = corrected(text, lexicon, followup_words.ALL)
    made, position = Skeleton(notes=[token.note for token in notes]), 0
    parts: list[str] = []
    while position < len(text):
        part, length = _next(text, position, parts, made, lexicon, distances=distances)
        if part is None:
            return None
        parts += [part] if part else []
        position += max(1, length)
    made.row = " ".join(parts)
    return made


def _next(
    text: str, position: int, before: list[str], made: Skeleton, lexicon: Lexicon, *, distances: bool
) -> tuple[str | None, int]:
    """What stands at a position, as it is written in the row, and how many characters it takes."""
    if text[position] in " \t":
        return "", 1
    if match := _LAYER.match(text, position):
        return made.mark("L", made.layers, f"L{match[1]}", f"L{match[1]}"), len(match[0])
    if match := _STOP.match(text, position):
        return "|", len(match[0])
    bound = distances and _BOUND_KM.match(text, position)
    found = None if bound else _slot(text, position, before, lexicon)
    if found:
        return _marked(*found, made)
    match = _NUMBER.match(text, position)
    if match and not re.match(r"[\w]", text[match.end() : match.end() + 1]):
        number = Number(float(match[1]), match[2] or "", (match[3] or "").lower(), match[0])
        return made.mark("N", made.numbers, number, match[0]), len(match[0])
    match = _WORD.match(text, position)
    return (match[0].lower(), len(match[0])) if match else ("", 1)


def _slot(text: str, position: int, before: list[str], lexicon: Lexicon) -> tuple[Token, int] | None:
    previous = before[-1] if before else ""
    known = Token(
        "break" if previous in ("", "|") else "weak" if previous in _BEFORE_PLACES else "filler", previous
    )
    try:
        return slot_at(text, position, [known], lexicon)
    except Declined:  # a limit that cannot be: for whoever reads the whole question
        return None


def _marked(token: Token, length: int, made: Skeleton) -> tuple[str | None, int]:
    if token.kind == "item":
        return made.mark("T", made.things, token.value, token.text), length
    if token.kind == "place":
        if len(token.value) > 1:
            return None, length
        return made.mark("P", made.places, token.value[0], token.text), length
    if token.note and token.note not in made.notes:
        made.notes.append(token.note)
    return made.mark("R", made.limits, token.value, token.text), length

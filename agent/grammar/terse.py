"""Distances that telegram style and queries put where no preposition says what they are.

"Gullies 25 km polygons", "chaos <45 km channels", "dunes where distance to gullies <= 10 km" and
"deltas close (<20 km) to channels" name a thing, a distance and a second thing. Done on the tokens
before they are read, as "<45 km" alone is a height.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from agent.grammar.query import Region
from agent.grammar.tokens import MILE_KM, Token

_MORE = (
    r">=?|(?:more|greater|larger|farther|further|higher|longer) than|over|above|at least|exceed(?:s|ing)|"
    r"beyond|(?:not|no) (?:less|closer|nearer|smaller) than|in excess of"
)
_LESS = (
    r"<=?|=|(?:less|fewer|smaller|shorter|closer|nearer|lower) than|under|below|at most|up to|within|of|at|"
    r"(?:not|no) (?:more|greater|larger|farther|further|higher|longer) than|not (?:above|exceeding|over)"
)
_BOUND = re.compile(
    rf"(?:at )??(?:(?P<more>{_MORE})|(?:{_LESS}))? ?(?P<d>\d+(?:\.\d+)?) (?P<u>km|mi|m)", re.IGNORECASE
)
_FACTORS = {"km": 1.0, "mi": MILE_KM, "m": 0.001}
_LENGTHS = ("number", "region", "height_or_distance", "among_km", "beyond_km")
_RELATIONS = ("near", "weak", "without", "away", "same", "in_same", "linked_to", "avoid", "downslope", "new")
_TO = ("from", "to", "of")
_COPULA = ("filler", "that", "sign", "break")


def with_distances(tokens: Sequence[Token]) -> list[Token]:
    """The tokens, with each distance that belongs to a second thing put before it as a relation."""
    made = _with_signs(tokens)
    for rule in (_measured, _in_brackets, _between_things):
        position = 0
        while position < len(made):
            if found := rule(made, position):
                length, new = found
                made[position : position + length] = new
            position += 1
    return made


def _with_signs(tokens: Sequence[Token]) -> list[Token]:
    """The tokens, with "<", "=" and "45 km" in one: so many km are no height."""
    made: list[Token] = []
    for token in tokens:
        sign = ""
        if token.kind == "number" and token.value:
            while made and made[-1].kind == "sign" and made[-1].text in "<>=":
                sign = made.pop().text + sign
        made.append(replace(token, text=f"{sign} {token.text}") if sign else token)
    return made


def _distance(token: Token) -> Token | None:
    """A token of a length as a relation: near, or away from; None if it is no length."""
    if token.kind not in _LENGTHS or (token.kind == "region" and not _is_height(token.value)):
        return None
    found = _BOUND.fullmatch(token.text.strip())
    if not found or not float(found["d"]):
        return None
    value = round(float(found["d"]) * _FACTORS[found["u"].lower()], 6)
    kind = "without_km" if found["more"] else "near_km"
    return Token(kind, token.text, (value, 0.0))


def _is_height(region: Region) -> bool:
    return region.min_elevation_m is not None or region.max_elevation_m is not None


def _between_things(tokens: list[Token], at: int) -> tuple[int, list[Token]] | None:
    # "gullies 25 km polygons", "cones, 20 km, channels"
    before = tokens[at - 1] if at else None
    if tokens[at].kind != "item" or (before and before.kind in _RELATIONS):
        return None
    middle, length = None, 0
    for token in tokens[at + 1 : at + 5]:
        length += 1
        if token.kind == "item":
            break
        if token.kind == "comma" or (token.kind == "sign" and token.text in "-–—/"):
            continue
        if middle or (middle := _distance(token)) is None:
            return None
    else:
        return None
    other = tokens[at + length]
    if middle is None or other.value.kind != "words" or other.value == tokens[at].value:
        return None
    return length, [tokens[at], middle]


def _in_brackets(tokens: list[Token], at: int) -> tuple[int, list[Token]] | None:
    # "close (<20 km) to channels"
    kinds = [token.kind for token in tokens[at : at + 5]]
    if len(kinds) < 5 or kinds[0] not in ("near", "away") or kinds[1] != "sign" or kinds[3] != "sign":
        return None
    middle, small = _distance(tokens[at + 2]), tokens[at + 4]
    if middle is None or small.text.lower() not in _TO:
        return None
    kind = "without_km" if kinds[0] == "away" else middle.kind
    return 5, [replace(middle, kind=kind)]


def _measured(tokens: list[Token], at: int) -> tuple[int, list[Token]] | None:
    # "whose distance to channels is below 20 km", "dist(polygons) < 25 km"
    if not at or tokens[at].kind != "how_far" or not any(token.kind == "item" for token in tokens[:at]):
        return None
    end = at + 1
    while end < len(tokens) and (tokens[end].kind in ("near", "filler", "sign") or _is_to(tokens[end])):
        end += 1
    if end >= len(tokens) or tokens[end].kind != "item":
        return None
    item, end = tokens[end], end + 1
    while end < len(tokens) and tokens[end].kind in _COPULA and tokens[end].text not in ".?!":
        end += 1
    middle = _distance(tokens[end]) if end < len(tokens) else None
    return (end + 1 - at, [middle, item]) if middle else None


def _is_to(token: Token) -> bool:
    return token.kind == "weak" and token.text.lower() in _TO

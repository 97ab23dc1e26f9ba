"""Limits on the values at each thing, in words: slopes, the way they face, albedo, columns of a catalogue.

`CONDITIONS` is a table like that of `limits.regions`, tried before it: "below 2 degrees of slope" is
no latitude. What comes out is a condition as `tools.filters.filter_layer` reads it.
"""

from __future__ import annotations

import re

from agent.grammar.limits.rules import Build, Built, Rule, compiled
from agent.grammar.query import Declined, Region

# What is written -> the quantity as the tools call it.
QUANTITIES = {
    "latitude": r"latitudes?|latitudinal(?:ly)?",
    "longitude": r"longitudes?|longitudinal(?:ly)?",
    "elevation": r"elevations?|altitudes?|elevational(?:ly)?",
    "slope": r"slopes?(?! (?:streak|linea))(?: angles?)?|steepness",
    "aspect": r"(?:slope )?aspects?",
    "albedo": r"albedos?|(?:surface )?brightness",
    "thermal_inertia": r"thermal inertias?",
    "relief": r"relief|ruggedness",
}
ANY_QUANTITY = "|".join(QUANTITIES.values())

_NAMED = re.compile(rf"\b(?:{ANY_QUANTITY})\b", re.IGNORECASE)
_N = r"[-+]?\d+(?:\.\d+)?"
_AT = r"(?:with |on |at |of |where |whose |having |in |and )?(?:an? |the |their |its |local )?"
_MORE = r"above|over|higher than|more than|greater than|larger than|steeper than|at least|exceed(?:s|ing)|"
_MORE += (
    r"(?:no|not) (?:less|lower|smaller|gentler|flatter) than|not below|in excess of|upwards? of|beyond|>=?"
)
_LESS = r"below|under|lower than|less than|smaller than|gentler than|flatter than|at most|up to|"
_LESS += r"(?:no|not) (?:more|higher|larger|greater|steeper) than|not above|not exceeding|<=?"
_UP, _DOWN = r"more|over|above|higher|steeper|greater|up", r"less|under|below|lower|gentler|flatter|down"
_WAY = rf"(?: (?:angles?|values?))?(?: (?:is|are|of))? ?(?P<way>{_MORE}|{_LESS}) ?(?P<a>{_N})"
_RANGE = (
    rf"(?: (?:angles?|values?))?(?: (?:is|are|of))?(?: (?:between|from|of))? ?(?P<a>{_N})(?: degrees)? "
    rf"(?:and|to) (?P<b>{_N})"
)
_VALUES = r"albedo|thermal inertias?|relief"
_UNITS = r"(?: (?:tiu|m|degrees)\b)?"
_COLUMN = (
    r"(?P<column>[A-Za-z]\w*_\w*|(?:(?<=where )|(?<=with ))(?!lat|lon|elev|alt|slope|"
    r"(?:d|r|dist|distance|radius)\b)[A-Za-z]\w*)"
)
_SLOPES = r"(?: (?:slopes?|walls?|sides?|flanks?|ground|terrain))?"

_ASPECTS = {"north": (315, 45), "east": (45, 135), "south": (135, 225), "west": (225, 315)}


def quantity_named(text: str) -> str:
    """The quantity that some words name, as the tools call it; empty if none."""
    plain = text.lower().strip()
    return next((name for name, words in QUANTITIES.items() if re.fullmatch(words, plain)), "")


def quantities_in(text: str) -> tuple[str, ...]:
    """The quantities that some words name, in their order."""
    found = (quantity_named(match[0]) for match in _NAMED.finditer(text))
    return tuple(dict.fromkeys(name for name in found if name))


def opposite_condition(where: str) -> str:
    """The condition that holds where another does not; empty if one comparison cannot say it."""
    swaps = {">=": "<", "<=": ">", ">": "<=", "<": ">=", "=": "!=", "!=": "="}
    name, sign, value = re.fullmatch(r"(\S+) (\S+) (.*)", where).groups()  # type: ignore[union-attr]
    return f"{name} {swaps[sign]} {value}" if sign in swaps else ""


def _sign(way: str) -> str:
    strict = {">": ">", "<": "<"}
    return strict.get(way, ">=" if re.fullmatch(rf"{_MORE}|{_UP}", way, re.IGNORECASE) else "<=")


def _more(way: str) -> str:
    return "above" if _sign(way).startswith(">") else "below"


def _slope(match: re.Match[str]) -> Built:
    value = _checked_slope(match["a"])
    words = f"on slopes {_more(match['way'])} {value:g} degree{'s' if value != 1 else ''}"
    return Region(where=f"slope_deg {_sign(match['way'])} {value:g}", words=words), ""


def _slopes(match: re.Match[str]) -> Built:
    low, high = sorted((_checked_slope(match["a"]), _checked_slope(match["b"])))
    words = f"on slopes between {low:g} and {high:g} degrees"
    return Region(where=f"slope_deg between {low:g} and {high:g}", words=words), ""


def _checked_slope(number: str) -> float:
    value = float(number)
    if not 0 <= value <= 90:
        raise Declined("bad_value", f"{number} degrees is no slope", "slopes from 0 to 90 degrees")
    return value


def _value(match: re.Match[str]) -> Built:
    name = quantity_named(match["name"])
    words = f"with {_said(name)} {_more(match['way'])} {float(match['a']):g}"
    return Region(where=f"{name} {_sign(match['way'])} {float(match['a']):g}", words=words), ""


def _bright(match: re.Match[str]) -> Built:
    sign, words = (">=", "above") if match["way"].lower() == "brighter" else ("<=", "below")
    value = float(match["a"])
    return Region(where=f"albedo {sign} {value:g}", words=f"with an albedo {words} {value:g}"), ""


def _values(match: re.Match[str]) -> Built:
    name = quantity_named(match["name"])
    low, high = sorted((float(match["a"]), float(match["b"])))
    words = f"with {_said(name)} between {low:g} and {high:g}"
    return Region(where=f"{name} between {low:g} and {high:g}", words=words), ""


def _said(name: str) -> str:
    return {"albedo": "an albedo", "thermal_inertia": "a thermal inertia"}.get(name, name)


def _facing(match: re.Match[str]) -> Built:
    side, second = match["side"].lower().removesuffix("s"), (match["second"] or "").lower()
    note = "The slope's direction is that of the ground over the width of a tile"
    if side in ("pole", "equator"):
        return Region(facing="pole" if side == "pole" else "equator", words=f"on {side}-facing slopes"), note
    (low, high), (other_low, other_high) = _ASPECTS[side], _ASPECTS[second or side]
    if second and low == other_high:
        low, high = other_low, high
    elif second and high == other_low:
        high = other_high
    elif second:
        raise Declined(
            "unsupported",
            f"slopes that face {side} or {second} cannot be kept in one step in this version",
            "one direction, or two beside each other",
        )
    said = f"{side} or {second}" if second else side
    side = f"{side}- or {second}" if second else side
    where = f"aspect_deg between {low} and {high}"
    return Region(where=where, words=f"on {side}-facing slopes"), (
        f"“{side}-facing” was read as within an eighth of a turn of {said}. {note}"
    )


def _column(match: re.Match[str]) -> Built:
    sign = match["sign"].replace("==", "=")
    value = match["text"] if match["text"] else f"{float(match['a']):g}"
    quoted = f"“{value}”" if match["text"] else value
    return Region(
        where=f"{match['column']} {sign} {value}", words=f"with {match['column']} {sign} {quoted}"
    ), ""


# Kind, pieces of the pattern, builder; the first that matches and builds something wins.
_TABLE: tuple[Rule, ...] = (
    (
        "region",
        (
            rf"(?:where |with )?(?:the )?{_COLUMN} ?(?P<sign>>=|<=|!=|==?|>|<) ?",
            rf"(?:\"(?P<text>[^\"\n]{{1,100}})\"|(?P<a>{_N}))",
        ),
        _column,
    ),
    (
        "region",
        (
            rf"{_AT}(?:slopes?|steepness)(?: angles?)?(?: of| is)? (?P<a>{_N})(?: degrees)?",
            rf",? (?:or|and) (?P<way>{_UP}|{_DOWN})\b",
        ),
        _slope,
    ),
    (
        "region",
        (rf"{_AT}(?P<name>{_VALUES})(?: of| is)? (?P<a>{_N}),? (?:or|and) (?P<way>{_UP}|{_DOWN})",),
        _value,
    ),
    ("region", (rf"{_AT}(?:slopes?|ground|terrain|steepness){_RANGE} degrees(?: of slope)?",), _slopes),
    ("region", (rf"{_AT}(?:slopes?|steepness){_WAY}(?: degrees)?(?: of slope)?",), _slope),
    (
        "region",
        (
            rf"{_AT}(?:(?:ground|terrain|surfaces?|slopes?)(?: that)?(?: is| are)? )?",
            rf"(?P<way>steeper than|gentler than|flatter than) (?P<a>{_N})(?: degrees)?",
        ),
        _slope,
    ),
    (
        "region",
        (rf"(?P<way>{_MORE}|{_LESS}) ?(?P<a>{_N}) degrees(?: of|,? in)? (?:slope|steepness)",),
        _slope,
    ),
    ("region", (rf"(?P<way>{_MORE}|{_LESS}) ?(?P<a>{_N})(?: in| of)? (?P<name>{_VALUES})",), _value),
    ("region", (r"(?P<way>brighter|darker) than (?P<a>0?\.\d+)(?: in)?(?P<name> albedo)?",), _bright),
    ("region", (rf"{_AT}(?P<name>{_VALUES}){_RANGE}{_UNITS}",), _values),
    ("region", (rf"{_AT}(?P<name>{_VALUES}){_WAY}{_UNITS}",), _value),
    (
        "region",
        (
            r"(?:on |with |at )?(?:the )?(?:slopes? |walls? |flanks? |sides? )?(?:that |which )?(?:are )?",
            r"(?P<side>north|south|east|west|pole|equator) ?(?:ward|ern)?s?",
            rf"(?:-? (?:or|and) (?P<second>north|south|east|west))? facing{_SLOPES}",
        ),
        _facing,
    ),
    (
        "region",
        (
            r"(?:on |with |at )?(?:the )?(?:slopes? |walls? |flanks? |sides? )?(?:that |which )?(?:are )?",
            r"fac(?:ing|es?) (?:to |towards? )?(?:the )?(?P<side>north|south|east|west|poles?|equator)",
            r"(?: (?:or|and) (?P<second>north|south|east|west))?",
            rf"(?:wards?)?{_SLOPES}(?! (?:of|from))",
        ),
        _facing,
    ),
)

CONDITIONS: tuple[tuple[str, re.Pattern[str], Build], ...] = compiled(_TABLE)

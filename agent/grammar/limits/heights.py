"""Limits of elevation, as people write them -> `Region`. `HEIGHTS` is a part of the table in
`agent.grammar.limits.regions`.
"""

from __future__ import annotations

import re

from agent.grammar.limits.rules import NUMBER, Built, Rule
from agent.grammar.query import Region

METRES = {"km": 1000.0, "m": 1.0, "ft": 0.3048, "mi": 1609.344}
# No ground on any body lies so high or so low: such a number is a distance.
_MOST_KM = 25.0

_ABOVE = (
    r"above|down to|higher(?: up)? than|over|more than|at or above|>=?|at least|greater than|exceed(?:s|ing)|"
    r"better than|"
    r"beyond|no lower than|not lower than|no less than|not less than|not below|upwards? of"
)
_BELOW = (
    r"below|lower than|under(?:neath)?|beneath|less than|at or below|at most|<=?|deeper than|smaller than|"
    r"up to|"
    r"no higher than|not higher than|no more than|not more than|not above"
)
_ZERO = (
    r"(?:the )?(?:(?:planetary |mean |zero |0 |reference |martian )?(?:datum|areoid|geoid|sea level)|"
    r"(?:zero|0|reference|mean|planetary|datum) (?:level|elevation|datum|radius|surface))"
)
_NAME = r"elevations?|altitudes?|heights?"
_LEAD = (
    rf"(?:(?:at|with|in|from|for|having|where|whose|of|lying|located) )?(?:an? |the |their |"
    rf"its )?(?:surface |ground )?"
    rf"(?:{_NAME})(?: (?:range|band|interval))?(?: (?:is|are|lies?|of|values?|from|that (?:is|are)))*"
)
_GROUND = (
    r"(?:(?:at|on|in|from) )?(?:an? |the )?(?:(?:ground|terrain|land|surfaces?|places?|levels?|"
    rf"{_NAME}) (?:that (?:is|are|lies?) )?)?(?:of )?"
)
_UNIT = r"(?P<u>km|m|ft|mi)"
_AFTER = rf"(?: (?:of |in )?(?:{_NAME}))?(?P<sign> (?:above|below|under|beneath|over) {_ZERO})?"
_NO_LENGTH = (
    r"(?! (?:from|of|away|apart|off|distant|wide|across|long|to|around|radius|distance|deep|high|tall|thick|"
    r"in (?:diameter|length|size|width|depth)|or less (?:from|away))\b)"
)


def _bounds(low: float | None, high: float | None) -> Region:
    if low is not None and high is not None:
        words = f"at elevations between {low:,g} and {high:,g} m"
    else:
        words = f"at elevations {f'above {low:,g}' if low is not None else f'below {high:,g}'} m"
    return Region(min_elevation_m=low, max_elevation_m=high, words=words)


def _elevation(match: re.Match[str]) -> Built:
    """More or less than a height: "above 2 km", "lower than 500 m below datum", "elevation > 1000"."""
    groups = match.groupdict()
    unit, sign = (groups["u"] or "m").lower(), (groups["sign"] or "").lower()
    named = bool(groups.get("name")) or bool(sign) or re.search(rf"\b(?:{_NAME})\b", match[0], re.IGNORECASE)
    number = float(match["a"])
    if not named and unit == "km" and abs(number) > _MOST_KM:
        return None
    above = re.fullmatch(_ABOVE, match["way"], re.IGNORECASE) is not None
    value = round(number * METRES[unit], 3)
    under = bool(re.match(r" (?:below|under|beneath)", sign))
    deep = match["way"].lower() == "deeper than"
    if deep and value > 0 and not under:
        return None  # how deep a thing is, not where it lies
    if under:
        # "lower than 500 m below the datum", "more than 500 m below it"; "less than" stays below it too.
        deeper = above or deep or match["way"].lower() in ("lower than", "below", "under", "beneath")
        return (_bounds(None, -abs(value)) if deeper else _bounds(-abs(value), 0.0)), ""
    return (_bounds(value, None) if above else _bounds(None, value)), ""


def _from_zero(match: re.Match[str]) -> Built:
    return (
        _bounds(0.0, None)
        if match["way"].lower() in ("above", "over", "higher than", "positive")
        else _bounds(None, 0.0)
    ), ""


def _bare(match: re.Match[str]) -> Built:
    value, above = float(match["a"]), match["way"].lower() in ("above", "over", "higher than", ">", ">=")
    note = f"“{match[0].strip()}” was read as an elevation in metres"
    return (_bounds(value, None) if above else _bounds(None, value)), note


def _onward(match: re.Match[str]) -> Built:
    """A height and up or down: "500 m or more above datum", "at minus three km or lower"."""
    value, sign = round(float(match["a"]) * METRES[match["u"].lower()], 3), (match["sign"] or "").lower()
    up = match["up"] is not None
    if re.match(r" (?:below|under|beneath)", sign):
        note = "" if match["plain"] else f"“{match[0].strip()}” was read as at least so far below it"
        return (_bounds(None, -abs(value)) if up or match["lower"] else _bounds(-abs(value), 0.0)), note
    length = bool(re.search(r"\b(?:more|less|greater)$", match["plain"], re.IGNORECASE))
    if length and not (sign or re.search(rf"\b(?:{_NAME})\b", match[0], re.IGNORECASE)):
        return None  # "500 m or more" may be any length
    note = "" if match["plain"] else f"“{match[0].strip()}” was read as at least so far above it"
    return (_bounds(value, None) if up else _bounds(None, value)), note


def _between(match: re.Match[str]) -> Built:
    """Between two heights; the first may lack its unit."""
    unit = match["u2"] or match["u1"]
    named = match["lead"] is not None or match["named"] is not None or match["sign"] is not None
    if not named and not unit:
        return None
    factor = METRES[(unit or "m").lower()]
    first = float(match["a"]) * (METRES[match["u1"].lower()] if match["u1"] else factor)
    second = float(match["b"]) * factor
    if not named and max(abs(first), abs(second)) > _MOST_KM * 1000:
        return None
    if re.match(r" (?:below|under|beneath)", (match["sign"] or "").lower()):
        first, second = -abs(first), -abs(second)
    low, high = sorted((round(first, 3), round(second, 3)))
    return _bounds(low, high), ""


def _height_or_distance(match: re.Match[str]) -> Built:
    """So many km, above or below which is not said: the reader decides by what stands before it."""
    found = _elevation(match)
    return None if found is None else ((found[0], float(match["a"])), "")


# "Less than 5 km" behind a thing with which another is, is a distance; anything else means heights.
_SOFT = r"less than|at most|up to|no more than|not more than|<=?"

HEIGHTS: tuple[Rule, ...] = (
    (
        "region",
        (
            rf"(?:(?P<lead>{_LEAD}) (?:between )?|(?:at |in |from )?between |(?:at |in )?from |)(?:the )?",
            rf"(?P<a>{NUMBER})(?: (?P<u1>km|m|ft|mi))? (?:and|to|through|up to) (?P<b>{NUMBER})(?![\d.])",
            rf"(?: (?P<u2>km|m|ft|mi)\b)?(?! degrees){_NO_LENGTH}(?P<named> (?:of |in )?(?:{_NAME}))?",
            rf"(?P<sign> (?:above|below|under|beneath|over) {_ZERO})?",
        ),
        _between,
    ),
    (
        "height_or_distance",
        (
            rf"(?P<way>{_SOFT}) ?(?P<a>\d+(?:\.\d+)?) (?P<u>km)\b{_NO_LENGTH}(?! (?:of |"
            rf"in )?(?:{_NAME}))(?P<sign>)",
        ),
        _height_or_distance,
    ),
    (
        "region",
        (rf"{_GROUND}(?P<way>{_ABOVE}|{_BELOW}) ?(?P<a>{NUMBER}) {_UNIT}\b{_NO_LENGTH}{_AFTER}",),
        _elevation,
    ),
    (
        "region",
        (
            rf"(?P<name>{_LEAD}) ?(?P<way>{_ABOVE}|"
            rf"{_BELOW}) ?(?P<a>{NUMBER})(?: {_UNIT}\b)?(?! degrees){_AFTER}",
        ),
        _elevation,
    ),
    (
        "region",
        (
            r"(?P<way>up to|down to|above|below|over|under) (?:an? |the )?",
            rf"(?P<name>{_NAME})(?: of)? (?P<a>{NUMBER})(?: {_UNIT}\b)?(?! degrees){_AFTER}",
        ),
        _elevation,
    ),
    (
        "region",
        (
            rf"(?:at or )?(?P<way>above|over|higher than|below|under|beneath|lower than) {_ZERO}",
            r"(?! of (?:the )?(?:planet|globe|world|whole|surface|ground|terrain|body))",
        ),
        _from_zero,
    ),
    (
        "region",
        (rf"(?:at |with |on |of |from )?(?P<way>positive|negative) (?:{_NAME}|ground levels?)",),
        _from_zero,
    ),
    (
        "region",
        (
            r"(?P<way>above|below|over|under|lower than|higher than|[<>]=?) ?(?P<a>-\d{3,5})",
            r"(?! ?[a-z])(?P<u>)(?P<sign>)",
        ),
        _bare,
    ),
    (
        "region",
        (
            rf"(?:at |lying |located |"
            rf"(?P<name>{_LEAD}) )?(?P<a>{NUMBER}) {_UNIT}\b(?: (?:of )?(?:{_NAME}))?,?",
            r"(?P<plain>,?(?: (?:and|or)|,) (?:(?P<up>more|higher|above|up(?:wards?)?|greater)|",
            r"(?P<down>less|(?P<lower>lower|deeper|below)|down(?:wards?)?))(?! ?(?:than|[-+]?\d)| (?:from|"
            r"away|of|to)\b))",
            rf"(?: (?:of |in )?(?:{_NAME}))?(?P<sign> (?:above|below|under|beneath) {_ZERO})?",
        ),
        _onward,
    ),
    (
        "region",
        (
            rf"(?:(?:at|lying|located|at least) )?(?P<a>{NUMBER}) {_UNIT}\b(?P<up>)(?P<lower>)(?P<plain>)",
            rf"(?P<sign> (?:above|below|under|beneath) {_ZERO})",
        ),
        _onward,
    ),
)

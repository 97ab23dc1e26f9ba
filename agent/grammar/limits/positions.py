"""Positions by longitude and latitude, as people write them: "45 E, 10 S", "lat -10, lon 45", "(45, -10)".

`POSITIONS` is a part of the table in `limits.regions`; the value is longitude and latitude, degrees.
"""

from __future__ import annotations

import re

from agent.grammar.limits.edges import latitude, longitude
from agent.grammar.limits.rules import NUMBER, Built, Rule

_POINT = (
    r"(?:(?:the )?(?:positions?|points?|coordinates?|spot|site|location|place)(?: at| of| with)?(?: the)?"
    r"(?: coordinates?)?:? )?(?:(?:around|about|near|at) )?"
)
_LAT_NAME, _LON_NAME = r"lat(?:itude)?(?: of| is)?[:=]? ?", r"lon(?:g|gitude)?(?: of| is)?[:=]? ?"
_LAT = rf"(?:{_LAT_NAME}(?P<lat>{NUMBER})(?: degrees)?(?: (?P<ns>north|south))?)"
_LON = rf"(?:{_LON_NAME}(?P<lon>{NUMBER})(?: degrees)?(?: (?P<ew>east|west))?)"
_LAT_BARE = rf"(?P<lat>{NUMBER})(?: degrees)? (?P<ns>north|south)(?:ern)?(?: (?:of )?latitude)?"
_LON_BARE = rf"(?P<lon>{NUMBER})(?: degrees)? (?P<ew>east|west)(?:ern)?(?: (?:of )?longitude)?"
_AND = r"(?: ?,? (?:and )?(?:at )?| ?[,/;] ?)"
# A second edge follows a range: "30 north, 100 to 140 east".
_END = r"(?! ?(?:to|and|through) (?:the )?[-+]?\d|[\d.]*\d)"


def _position(match: re.Match[str]) -> Built:
    lon = longitude(float(match["lon"]), (match["ew"] or "").lower())
    lat = latitude(float(match["lat"]), (match["ns"] or "").lower())
    return (lon, lat), ""


def _pair(match: re.Match[str]) -> Built:
    """Two bare numbers: longitude first, as the tools take it, unless only the other order is possible."""
    first, second = float(match["one"]), float(match["two"])
    turned = abs(second) > 90 >= abs(first)
    lon, lat = (second, first) if turned else (first, second)
    if abs(lat) > 90 or abs(lon) > 360:
        return None
    return (lon, lat), f"“{match[0].strip()}” was read as longitude {lon:g} and latitude {lat:g}"


_ORDERS = ((_LAT, _LON), (_LON, _LAT), (_LAT_BARE, _LON_BARE), (_LON_BARE, _LAT_BARE))

POSITIONS: tuple[Rule, ...] = (
    *(("position", (rf"{_POINT}\(?{one}{_AND}{two}\)?{_END}",), _position) for one, two in _ORDERS),
    (
        "position",
        (
            r"(?:the )?(?:positions?|points?|coordinates?|"
            r"lon(?:gitude)?,? ?/?(?:and )?lat(?:itude)?)(?: at| of)?:? ",
            rf"\(?(?P<one>{NUMBER})(?: degrees)?{_AND}(?P<two>{NUMBER})(?: degrees)?\)?{_END}",
        ),
        _pair,
    ),
)

# Two bare numbers count only where a position is expected, behind a distance.
PAIR: Rule = (
    "position",
    (rf"\(?(?P<one>{NUMBER})(?: degrees)? ?,? ?(?P<two>{NUMBER})(?: degrees)?\)?{_END}",),
    _pair,
)

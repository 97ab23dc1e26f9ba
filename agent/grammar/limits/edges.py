"""The edges of limits of latitude and longitude: a number of degrees, or a line with a name.

A number says of which angle it is by a word, a hemisphere or neither; `EDGE` is the pattern of one, with a
number in the names of its groups so that a pattern can hold two, and `edge_of` reads what it found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from agent.grammar.limits.rules import NUMBER
from agent.grammar.query import Declined, Region

Axis = Literal["", "lat", "lon"]

LAT, LON = r"latitudes?|lat|parallel", r"longitudes?|long|lon|meridian"
_NAMED_LINES = (
    r"(?P<equator{0}>(?:the )?equator)|(?P<prime{0}>(?:the )?(?:prime|zero|central|0|null|"
    r"reference) meridian)|"
    r"(?P<anti{0}>(?:the )?(?:anti ?meridian|(?:international )?date ?line))"
)
EDGE = (
    rf"(?:{_NAMED_LINES}|(?:the )?(?:(?P<axis{{0}}>{LAT}|{LON})(?: of| is|:)? ?)?"
    rf"(?P<a{{0}}>{NUMBER})(?![\d.])(?P<deg{{0}}> degrees)?(?: (?P<h{{0}}>north|south|east|west)(?:ern)?\b"
    rf"(?: of the equator)?)?(?: (?:of )?(?P<noun{{0}}>{LAT}|{LON})\b(?! ?[-+]?\d))?)"
)


@dataclass(frozen=True)
class Edge:
    """One edge.

    Attributes
    ----------
    value
        Degrees, without the sign that a hemisphere gives.
    axis
        ``lat``, ``lon``, or empty if nothing says which.
    hemisphere
        ``north`` to ``west``, ``line`` for a line with a name, or empty.
    sure
        Something says that it is an angle at all.
    """

    value: float
    axis: Axis
    hemisphere: str
    sure: bool


_LINES = {
    "equator": Edge(0.0, "lat", "line", True),
    "prime": Edge(0.0, "lon", "line", True),
    "anti": Edge(180.0, "lon", "line", True),
}


def edge_of(match: re.Match[str], n: str = "") -> Edge:
    """An edge with the groups of that number."""
    for name, line in _LINES.items():
        if match[name + n]:
            return line
    named = (match["axis" + n] or match["noun" + n] or "").lower()
    hemisphere = (match["h" + n] or "").lower()
    axis: Axis = "lon" if named.startswith(("lo", "mer")) or hemisphere in ("east", "west") else ""
    axis = axis or ("lat" if named or hemisphere else "")
    if axis == "lon" and (named.startswith(("la", "par")) or hemisphere in ("north", "south")):
        raise Declined(
            "contradiction",
            f"“{match[0].strip()}” is neither a latitude nor a longitude",
            "30 degrees north or 45 east",
        )
    return Edge(float(match["a" + n]), axis, hemisphere, bool(axis or match["deg" + n]))


def degrees(value: float) -> str:
    """``20 degrees north``, ``12.5 degrees south``, ``the equator``."""
    if value == 0:
        return "the equator"
    return f"{abs(value):g} degrees {'north' if value > 0 else 'south'}"


def latitude(value: float, hemisphere: str = "") -> float:
    """A latitude with its sign.

    Raises
    ------
    Declined
        If it is none.
    """
    signed = -value if hemisphere == "south" and value > 0 else value
    if not -90 <= signed <= 90:
        raise Declined(
            "bad_value",
            f"{value:g} degrees is no latitude",
            "latitudes from -90 to 90 degrees, or 0 to 90 degrees north or south",
        )
    return signed


def longitude(value: float, hemisphere: str = "") -> float:
    """A longitude, degrees east.

    Raises
    ------
    Declined
        If it is none.
    """
    if not -360 <= value <= 360:
        raise Declined("bad_value", f"{value:g} degrees is no longitude", "-360 to 360 degrees east")
    return -value if hemisphere == "west" and value > 0 else value


def beyond(side: str, value: float) -> Region:
    """North or south of a latitude."""
    plain = side == "north" and value > 0
    words = f"{side} of {f'{value:g} degrees' if plain else degrees(value)}"
    return (
        Region(min_lat_deg=value, words=words) if side == "north" else Region(max_lat_deg=value, words=words)
    )


def away_from_equator(value: float) -> Region:
    """Poleward of a latitude in either hemisphere."""
    words = f"poleward of {value:g} degrees in either hemisphere"
    return Region(min_lat_deg=value, max_lat_deg=90.0, both_hemispheres=True, words=words)


def around_equator(value: float) -> Region:
    """Between a latitude in one hemisphere and the same in the other."""
    return Region(min_lat_deg=-value, max_lat_deg=value, words=f"within {value:g} degrees of the equator")

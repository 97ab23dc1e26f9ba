"""Limits of latitude, longitude, elevation and probability, as people write them -> `Region`.

`REGIONS` is a table of (kind, pattern, builder). A builder returns the value and a remark for the answer, or
None if the words turn out to mean something else.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from agent.grammar.query import Declined, Region

Built = tuple[Any, str] | None
Build = Callable[[re.Match[str]], Built]

_N = r"[-+]?\d+(?:\.\d+)?"
_OF_EQUATOR = r"(?: of the equator)?"
_HEMI = rf"(?: (?P<{{0}}>north|south|east|west){_OF_EQUATOR})?"
_DEGREES = r"(?: degrees)?"
_ANGLE = rf"(?P<a>{_N}){_DEGREES}{_HEMI.format('h')}(?: (?:of )?latitude)?"
_BOTH = r"(?P<both>,? (?:in|on|of) (?:both|either|each) hemispheres?)?"
_UNIT = r"(?: (?P<u>degrees|km|m|ft))?"
_ANGLE_IN_DEGREES = rf"(?P<a>{_N}) degrees{_HEMI.format('h')}(?: (?:of )?latitude)?"

# Assumed meanings of words for latitude bands, degrees; every use is stated in the answer.
LOW_LAT_DEG, MID_LAT_DEG, HIGH_LAT_DEG = 30.0, (30.0, 60.0), 60.0


def degrees(value: float) -> str:
    """``20 degrees north``, ``12.5 degrees south``, ``the equator``."""
    if value == 0:
        return "the equator"
    return f"{abs(value):g} degrees {'north' if value > 0 else 'south'}"


def _latitude(number: str, hemisphere: str | None) -> float:
    value = float(number)
    if hemisphere == "south" and value > 0:
        value = -value
    if not -90 <= value <= 90:
        raise Declined(
            "bad_value",
            f"{number} degrees is no latitude",
            "latitudes from -90 to 90 degrees, or 0 to 90 degrees north or south",
        )
    return value


def _range(match: re.Match[str]) -> Built:
    lead, unit = match["lead"] or "", match["u"] or match["u1"] or ""
    first, second = match["a"], match["b"]
    h1, h2 = (name.lower() if name else None for name in (match["h1"], match["h2"]))
    if unit.lower() in ("km", "m", "ft"):
        return _elevations(float(first), float(second), unit.lower())
    named = bool(h1 or h2 or unit or "lat" in lead.lower() or "lon" in lead.lower() or match["word"])
    if not named and (not lead.lower().startswith("between") or abs(float(second)) <= 1):
        return None
    if {h1, h2} & {"east", "west"} or "lon" in lead.lower() or (match["word"] or "").lower() == "longitude":
        return _longitudes(first, h1 or h2, second, h2)
    low = _latitude(first, h1 or h2)
    high = _latitude(second, h2 if h2 else ("south" if h1 == "south" and float(second) > 0 else None))
    low, high = sorted((low, high))
    if match["both"] or not (h1 or h2 or low < 0):
        note = "" if match["both"] else "A latitude band without north or south was taken in both hemispheres"
        words = f"between {low:g} and {high:g} degrees latitude in either hemisphere"
        return Region(min_lat_deg=low, max_lat_deg=high, both_hemispheres=True, words=words), note
    words = f"between latitudes {degrees(low)} and {degrees(high)}"
    return Region(min_lat_deg=low, max_lat_deg=high, words=words), ""


def _longitudes(first: str, h1: str | None, second: str, h2: str | None) -> Built:
    west, east = (
        -float(value) if hemisphere == "west" and float(value) > 0 else float(value)
        for value, hemisphere in ((first, h1), (second, h2))
    )
    if max(abs(west), abs(east)) > 360:
        raise Declined(
            "bad_value", f"longitudes {west:g} to {east:g} are too large", "-360 to 360 degrees east"
        )
    if h1 == h2 == "west" and west > east:  # "between 30 and 60 degrees west" runs from 60 to 30
        west, east = east, west
    words = f"between longitudes {west:g} and {east:g} degrees east"
    return Region(west_lon_deg=west, east_lon_deg=east, words=words), ""


def _side(match: re.Match[str]) -> Built:
    side = match["side"].lower()
    if match["equator"]:
        return _beyond(side, 0.0)
    hemisphere = match["h"].lower() if match["h"] else None
    if side in ("east", "west"):
        value = -float(match["a"]) if hemisphere == "west" else float(match["a"])
        if not -360 <= value <= 360:
            raise Declined("bad_value", f"{match['a']} degrees is no longitude", "-360 to 360 degrees east")
        ends = (value, value + 180) if side == "east" else (value - 180, value)
        west, east = ((end + 180) % 360 - 180 for end in ends)
        words = f"{side} of longitude {value:g} degrees east"
        return Region(
            west_lon_deg=west, east_lon_deg=east, words=words
        ), "The half of the globe on that side was taken"
    return _beyond(side, _latitude(match["a"], hemisphere))


def _beyond(side: str, value: float) -> Built:
    plain = side == "north" and value > 0
    words = f"{side} of {f'{value:g} degrees' if plain else degrees(value)}"
    if side == "north":
        return Region(min_lat_deg=value, words=words), ""
    return Region(max_lat_deg=value, words=words), ""


def _poleward(match: re.Match[str]) -> Built:
    hemisphere = match["h"].lower() if match["h"] else None
    value = _latitude(match["a"], hemisphere)
    poleward = match["way"].lower().startswith(("pole", "high", ">"))
    if hemisphere is None and value >= 0:
        if poleward:
            words = f"poleward of {value:g} degrees in either hemisphere"
            return Region(min_lat_deg=value, max_lat_deg=90.0, both_hemispheres=True, words=words), ""
        words = f"equatorward of {value:g} degrees"
        return Region(min_lat_deg=-value, max_lat_deg=value, words=words), ""
    words = f"{'poleward' if poleward else 'equatorward'} of {degrees(value)}"
    south, north = (None, value) if (value < 0) == poleward else (value, None)
    if not poleward:  # the rest of its own hemisphere
        south, north = (south, 0.0) if value < 0 else (0.0, north)
    return Region(min_lat_deg=south, max_lat_deg=north, words=words), ""


def _above_latitude(match: re.Match[str]) -> Built:
    value = _latitude(match["a"], match["h"].lower() if match["h"] else None)
    return _beyond("north" if re.fullmatch(_OVER, match["way"], re.IGNORECASE) else "south", value)


def _hemisphere(match: re.Match[str]) -> Built:
    north = match["side"].lower() == "north"
    words = f"in the {'northern' if north else 'southern'} hemisphere"
    plain = "hemisphere" in match[0].lower()
    note = (
        ""
        if plain
        else f"“{match[0].strip()}” was read as the {'northern' if north else 'southern'} hemisphere"
    )
    return Region(min_lat_deg=0.0 if north else None, max_lat_deg=None if north else 0.0, words=words), note


def _band(match: re.Match[str]) -> Built:
    name, side = match["band"].lower(), (match["side"] or "").lower()
    low, high = (
        MID_LAT_DEG
        if name.startswith("mid")
        else (0.0, LOW_LAT_DEG)
        if name.startswith("low")
        else (HIGH_LAT_DEG, 90.0)
    )
    words = f"at {side + 'ern ' if side else ''}{name.split()[0]} latitudes"
    note = f"“{match[0].strip()}” was read as latitudes from {low:g} to {high:g} degrees"
    if side:
        bounds = (low, high) if side == "north" else (-high, -low)
        return Region(min_lat_deg=bounds[0], max_lat_deg=bounds[1], words=words), note + f" {side}"
    if low == 0:
        return Region(min_lat_deg=-high, max_lat_deg=high, words=words), note + " in either hemisphere"
    return Region(
        min_lat_deg=low, max_lat_deg=high, both_hemispheres=True, words=words
    ), note + " in either hemisphere"


def _equatorial(match: re.Match[str]) -> Built:
    note = f"“{match[0].strip()}” was read as latitudes within {LOW_LAT_DEG:g} degrees of the equator"
    return Region(min_lat_deg=-LOW_LAT_DEG, max_lat_deg=LOW_LAT_DEG, words="near the equator"), note


def _polar(match: re.Match[str]) -> Built:
    side = (match["side"] or "").lower()
    note = f"“{match[0].strip()}” was read as latitudes poleward of {HIGH_LAT_DEG:g} degrees"
    if side:
        value = HIGH_LAT_DEG if side == "north" else -HIGH_LAT_DEG
        region = _beyond(side, value)
        assert region
        return region[0].model_copy(update={"words": f"near the {side} pole"}), f"{note} {side}"
    return Region(
        min_lat_deg=HIGH_LAT_DEG, max_lat_deg=90.0, both_hemispheres=True, words="near the poles"
    ), note


def _elevation(match: re.Match[str]) -> Built:
    number, unit = match["a"], match["u"]
    value = (float(number) if number else 0.0) * {"km": 1000.0, "ft": 0.3048}.get((unit or "m").lower(), 1.0)
    above = re.fullmatch(_ABOVE, match["way"], re.IGNORECASE) is not None
    words = f"at elevations {'above' if above else 'below'} {value:,g} m"
    bound = round(value, 3)
    bounds = (bound, None) if above else (None, bound)
    return Region(min_elevation_m=bounds[0], max_elevation_m=bounds[1], words=words), ""


def _elevations(first: float, second: float, unit: str) -> Built:
    factor = {"km": 1000.0, "m": 1.0, "ft": 0.3048}[unit]
    low, high = sorted((round(first * factor, 3), round(second * factor, 3)))
    words = f"at elevations between {low:,g} and {high:,g} m"
    return Region(min_elevation_m=low, max_elevation_m=high, words=words), ""


def _probability(match: re.Match[str]) -> Built:
    value = float(match["a"]) / (100 if match["percent"] else 1)
    named = bool(match["word"] or match["percent"])
    if not named and not (0 < value <= 1):
        if match["way"].lower() in ("above", "over", ">", ">=") and match["end"] is not None:
            raise Declined(
                "bad_value",
                f"“{match[0].strip()}” has no unit",
                "a probability (above 0.8), a latitude (north of 30 degrees) or an elevation (above 1000 m)",
            )
        return None
    if not 0 <= value <= 1:
        raise Declined("bad_value", f"{match['a']} is no probability", "0 to 1, or 0 to 100 percent")
    return Region(min_probability=round(value, 6), words=f"with a probability of at least {value:g}"), ""


def _name_of_side(match: re.Match[str]) -> Built:
    return match["side"].lower(), ""


def _below_probability(match: re.Match[str]) -> Built:
    raise Declined(
        "unsupported",
        "keeping only tiles below a probability is not possible in this version",
        "a smallest probability, such as above 0.8",
    )


_OVER, _UNDER = "above|over|>", "below|under|<"
_ABOVE = r"above|higher than|over|more than|at or above|>=?|at least|greater than|exceeding|better than"
_BELOW = r"below|lower than|under|beneath|less than|at most|<=?|deeper than"

_IN = r"(?:in |on |of |at )?(?:the )?"
_SIDE = r"(?P<side>north|south)(?:ern)?"
_ZONE = r"(?: (?:regions?|zones?|belt|latitudes?|areas?))?"
_NOT_A_DISTANCE = r"(?!(?: (?:km|m|mi|ft|tiles))? (?:away )?(?:from|of)\b(?! the equator))"
_SURE = r"(?P<word>(?:probabilit(?:y|ies)|scores?|confidences?|certainty) (?:is |are )?(?:of )?)?"

# Kind, pieces of the pattern, builder; the first that matches and builds something wins.
_TABLE: tuple[tuple[str, tuple[str, ...], Build], ...] = (
    (
        "region",
        (
            r"(?P<lead>(?:at |in |for |from )?(?:the )?(?:latitudes?|longitudes?|lat|lon|elevations?)",
            r"(?: of| from| between)? |between |from )?",
            rf"(?P<a>{_N})(?: (?P<u1>degrees|km|m|ft))?{_HEMI.format('h1')} (?:and|to|through) ",
            rf"(?P<b>{_N})(?![\d.]){_NOT_A_DISTANCE}{_UNIT}{_HEMI.format('h2')}",
            rf"(?: (?:of )?(?:(?P<word>latitude|longitude)|elevation))?{_BOTH}",
        ),
        _range,
    ),
    (
        "region",
        (
            r"(?P<side>north|south|east|west)(?:wards?|ern)? (?:of|from) ",
            rf"(?:(?P<equator>the equator)|(?:latitude |longitude )?{_ANGLE})",
        ),
        _side,
    ),
    ("side_it", (r"(?P<side>north|south)(?:wards?)? of (?:it|that|there|this)",), _name_of_side),
    ("side", (r"(?P<side>north|south)(?:wards?)? of(?= )",), _name_of_side),
    ("region", (rf"(?P<way>pole ?wards?|equator ?wards?) (?:of|from) {_ANGLE}",), _poleward),
    ("region", (rf"\|\s*lat(?:itude)?\s*\|\s*(?P<way>>=?|<=?)\s*{_ANGLE}",), _poleward),
    ("region", (rf"(?P<way>higher|lower) than {_ANGLE_IN_DEGREES}",), _poleward),
    (
        "region",
        (rf"(?:at |with )?lat(?:itudes?)? ?(?P<way>{_OVER}|{_UNDER}) ?=? ?{_ANGLE}",),
        _above_latitude,
    ),
    (
        "region",
        (
            rf"(?P<way>{_OVER}|{_UNDER}) ?(?P<a>{_N})",
            r"(?: degrees(?: (?P<h>north|south))?| (?P<h2>north|south))(?: (?:of )?latitude)?",
        ),
        _above_latitude,
    ),
    ("region", (rf"{_IN}{_SIDE} hemisphere",), _hemisphere),
    ("all", (r"(?:in |on )?(?:both|either|the two) hemispheres",), lambda match: (None, "")),
    ("region", (rf"{_IN}{_SIDE} (?:plains|lowlands|highlands|half)(?: of the planet)?",), _hemisphere),
    ("region", (rf"{_IN}(?:{_SIDE} )?(?P<band>mid(?:dle)?|high|low) ?latitudes?",), _band),
    (
        "region",
        (
            r"(?:near|around|at|close to|along|about|in) (?:the )?(?:equator(?:ial)?|tropic(?:s|al))",
            rf"{_ZONE}|equatorial{_ZONE}|tropical|in the tropics",
        ),
        _equatorial,
    ),
    (
        "region",
        (
            rf"(?:near|around|at|close to|in|on|of)? ?(?:the )?(?:{_SIDE} )?",
            rf"(?:poles?(?! ?(?:ward|facing))|polar(?! (?:maps?|view|projection)\b){_ZONE})",
        ),
        _polar,
    ),
    ("region", (r"(?:in |on )?the (?P<side>north|south)(?! of)",), _hemisphere),
    ("region", (r"(?P<side>north|south)ern(?! of)",), _hemisphere),
    (
        "region",
        (
            r"(?:at |with |in )?(?:an? )?(?:elevations? |altitudes? )?(?:of )?",
            rf"(?P<way>{_ABOVE}|{_BELOW}) ?(?P<a>{_N}) (?P<u>m|km|ft)\b",
            r"(?! (?:from|of|away|wide|across|long|to)\b)",
            r"(?: (?:of )?(?:elevation|altitude|above datum|datum))?",
        ),
        _elevation,
    ),
    (
        "region",
        (
            r"(?:at |with )?(?:an? )?(?:elevations?|altitudes?) (?:of )?",
            rf"(?P<way>{_ABOVE}|{_BELOW}) ?(?P<a>{_N})(?: (?P<u>m|km|ft))?",
        ),
        _elevation,
    ),
    (
        "region",
        (r"(?P<way>above|below) (?:the )?(?:datum|zero elevation|areoid|sea level)(?P<a>)(?P<u>)",),
        _elevation,
    ),
    (
        "region",
        (
            rf"(?:with |at |of )?(?:an? )?{_SURE}(?P<way>{_ABOVE}) ?(?P<a>{_N})(?P<percent> percent)?",
            r"(?: (?:probability|confidence|sure|certain|likely))?",
            r"(?! ?(?:km|mi|m|ft|tiles|degrees)\b)(?P<end>\s*(?:[.?!,;]|$))?",
        ),
        _probability,
    ),
    (
        "region",
        (rf"(?:with |at )?(?:an? )?(?:probabilit(?:y|ies)|scores?|confidences?) (?:of )?(?:{_BELOW}) ?{_N}",),
        _below_probability,
    ),
)

REGIONS: tuple[tuple[str, re.Pattern[str], Build], ...] = tuple(
    (kind, re.compile(rf"(?:{''.join(pieces)})(?![^\W_]|[-.]\w)", re.IGNORECASE), build)
    for kind, pieces, build in _TABLE
)

"""Limits of latitude and longitude, as people write them -> `Region`.

Every limit is made of edges: a number of degrees with what says of which angle it is, or a line with a name
(the equator, the prime meridian, the date line). `ANGLES` is a part of the table in `limits.regions`.
"""

from __future__ import annotations

import re

from agent.grammar.limits.edges import (
    EDGE,
    LAT,
    LON,
    Axis,
    Edge,
    around_equator,
    away_from_equator,
    beyond,
    degrees,
    edge_of,
    latitude,
    longitude,
)
from agent.grammar.limits.rules import NUMBER, Built, Rule
from agent.grammar.query import Region

_ONE = EDGE.format("")
# After a limit: that it counts on both sides of the equator.
_BOTH = (
    r"(?P<both>(?: of latitude)?,? ?\(?(?:(?:(?:both|either|whether) )?(?:to the )?north(?:ern)?,? (?:and|"
    r"or|&|/) "
    r"(?:to the )?south(?:ern)?(?: of the equator| hemispheres?)?|"
    r"(?:in|on|of) (?:both|either|each|the two) (?:the )?hemispheres?|(?:at|near|around|towards) both poles|"
    r"(?:on )?(?:both|either|each) (?:sides?|half|halves) of the (?:equator|planet))\)?)?"
)
_HALF = r"(?:,? (?:(?:in|of|on|at) (?:the )?)?(?P<half>north|south)(?:ern)? (?:latitudes?|hemisphere|half))?"
_BAND = (
    r"(?:(?:in|at|on|within|with|for|along) )?(?:an? |the )?(?:(?P<zone>north|south|east|west)(?:ern)? )?"
    rf"(?:(?P<noun>{LAT}|{LON})s?(?: (?:band|belt|zone|range|strip|interval))?|band|belt|zone|strip)"
    r"(?: (?:(?:that |which )?(?:is|are|lies?|runs?|goes|extends?)))?(?: of| from| between)? "
)
_LINE = (
    r"(?:the )?(?:anti ?meridian|(?:international )?date ?line|180(?: degrees)?(?: meridian)?|(?:prime|0|"
    r"zero) "
    r"meridian|0(?: degrees)?|equator)"
)
_VIA = r"(?:going |running |passing )?(?:across|over|through|past|via|crossing|spanning|beyond)"
_TO = (
    r",? ?(?:and|to|through|until|till|up to|down to|\.\.)(?: to)?"
    rf"(?:,? {_VIA} {_LINE},?)? "
)
_ACROSS = rf"(?P<across>,? (?:and )?{_VIA} {_LINE},?)?"
_ACROSS_AFTER = _ACROSS.replace("P<across>", ":")
_NOT_A_DISTANCE = (
    r"(?!(?: (?:km|m|mi|ft|tiles))\b)(?! (?:away )?(?:from|of)\b"
    r"(?! (?:latitude|(?:north|south)(?:ern)? latitude|the equator)))"
)

_AWAY = (
    r"(?: (?:of )?latitude)?(?: (?:away|distant|apart))?"
    r"(?: (?:of|from|to|around|about|on (?:both|either) sides? of|either side of))"
)
_TO_LINE = (
    rf"{_AWAY} (?:the |either |any |one |both |a )?(?:(?P<equator>equator)|(?:(?P<side>north|"
    rf"south) )?(?P<pole>poles?))"
)
_INSIDE = (
    r"(?:not |no )(?:more|farther|further|greater) than|within|inside|less than|fewer than|closer than|"
    r"nearer than|"
    r"at most|up to|under|<=?|not beyond|in"
)
_OUTSIDE = (
    r"(?:not |no )(?:less|closer|nearer|fewer) than|not within|more than|farther than|further than|"
    r"greater than|at least|over|beyond|outside(?: of)?|>=?|above"
)

_OVER, _UNDER = r"above|over|>=?", r"below|under|<=?"
# Ways in which a magnitude is said: more south is farther from the equator, above is north of.
_MORE = (
    r"more than|greater than|larger than|higher than|at least|no less than|not less than|beyond|past|"
    r"exceed(?:s|ing)|"
    r"upwards? of|no lower than"
)
_LESS = (
    r"less than|smaller than|lower than|at most|no more than|not more than|up to|no higher than|not beyond|"
    r"not past|"
    r"until|as far as"
)
_POLEWARD = (
    r"(?:farther|further|more distant)(?: away)? from the equator than|"
    r"pole ?wards?(?: of| from)?|closer to (?:the |a )?poles? than|nearer (?:to )?(?:the |a )?poles? than"
)
_EQUATORWARD = (
    r"equator ?wards?(?: of| from)?|closer to the equator than|nearer (?:to )?the equator than|"
    r"(?:plus or minus|±)"
)
_SIDE = (
    r"(?:to the |on the |anywhere |lying |located )?(?:(?:farther|further|more|well|just|due) )?"
    r"(?P<side>north|south|east|west)(?:wards?|erly|ern)?(?: side)? (?:of|from|than)"
)
_ONWARD = (
    r",? (?:and|or|,)? ?(?:(?P<up>more|higher|above|up(?:wards?)?|beyond|greater|further|farther|"
    r"pole ?wards?|over)"
    r"|(?P<down>less|lower|below|equator ?wards?|closer to the equator|under))"
    r"(?: (?P<onside>north|south|east|west)(?:wards?)?)?(?! (?:to|than|of|from)\b| ?[-+]?\d)"
)


_BOTH_NOTE = "A latitude band without north or south was taken in both hemispheres"
_HALF_NOTE = "The half of the globe on that side was taken"


def _range(match: re.Match[str]) -> Built:
    one, two = edge_of(match, "1"), edge_of(match, "2")
    zone, half = (match["zone"] or "").lower(), (match["half"] or "").lower()
    noun = (match["noun"] or "").lower()
    noun_axis: Axis = "" if not noun else "lon" if noun.startswith(("lo", "mer")) else "lat"
    axes = {
        one.axis,
        two.axis,
        noun_axis,
        "lon" if zone in ("east", "west") else "lat" if zone or half else "",
    } - {""}
    if len(axes) > 1 or not (axes or one.sure or two.sure or match["across"] or _between(match, one, two)):
        return None
    if axes == {"lon"}:
        given = zone if zone in ("east", "west") else ""
        return _longitudes(one, two, given)
    given = half or (zone if zone in ("north", "south") else "")
    return _latitudes(one, two, given, both=bool(match["both"]))


def _between(match: re.Match[str], one: Edge, two: Edge) -> bool:
    # "between 30 and 60" is a latitude band; "between 0.5 and 0.9" is none.
    return bool(match["between"]) and abs(two.value) > 1


def _latitudes(one: Edge, two: Edge, half: str, *, both: bool) -> Built:
    h1, h2 = (half if edge.hemisphere == "" else edge.hemisphere for edge in (one, two))
    # "between 30 and 60 degrees south", "from 30 south to 60": one word for both; a minus speaks for itself.
    first = latitude(one.value, h1 or (h2 if h2 != "line" else ""))
    second = latitude(two.value, h2 or (h1 if h1 == "south" else ""))
    low, high = sorted((first, second))
    signed = bool(h1 or h2 or low < 0)
    if both or not signed:
        low, high = sorted((abs(low), abs(high)))
        note = "" if both else _BOTH_NOTE
        if low == 0:
            return around_equator(high), note
        words = f"between {low:g} and {high:g} degrees latitude in either hemisphere"
        return Region(min_lat_deg=low, max_lat_deg=high, both_hemispheres=True, words=words), note
    return _latitude_band(low, high), ""


def _latitude_band(low: float, high: float) -> Region:
    words = f"between latitudes {degrees(low)} and {degrees(high)}"
    return Region(min_lat_deg=low, max_lat_deg=high, words=words)


def _longitudes(one: Edge, two: Edge, half: str) -> Built:
    h1, h2 = (half if edge.hemisphere == "" else edge.hemisphere for edge in (one, two))
    west = longitude(one.value, h1 or (h2 if h2 in ("east", "west") else ""))
    east = longitude(two.value, h2)
    west, east = (-180.0 if west == 180 and one.hemisphere == "line" else west), east
    if (
        h1 in ("west", "") and h2 == "west" and west > east
    ):  # "between 30 and 60 degrees west" runs from 60 to 30
        west, east = east, west
    words = f"between longitudes {west:g} and {east:g} degrees east"
    return Region(west_lon_deg=west, east_lon_deg=east, words=words), ""


def _side(match: re.Match[str]) -> Built:
    side, edge = match["side"].lower(), edge_of(match)
    if side in ("east", "west"):
        if edge.axis == "lat":
            return None
        value = longitude(edge.value, edge.hemisphere)
        ends = (value, value + 180) if side == "east" else (value - 180, value)
        west, east = ((end + 180) % 360 - 180 for end in ends)
        if value == 0:
            west, east = (0.0, 180.0) if side == "east" else (-180.0, 0.0)
        words = f"{side} of longitude {value:g} degrees east"
        return Region(west_lon_deg=west, east_lon_deg=east, words=words), _HALF_NOTE
    if edge.axis == "lon":
        return None
    return beyond(side, latitude(edge.value, edge.hemisphere)), ""


def _poleward(match: re.Match[str]) -> Built:
    edge = edge_of(match)
    if edge.axis == "lon" or edge.hemisphere == "line":
        return None
    return _magnitude(edge, poleward=re.fullmatch(_EQUATORWARD, match["way"], re.IGNORECASE) is None)


def _magnitude(edge: Edge, *, poleward: bool) -> Built:
    """Poleward or equatorward of a latitude, in its own hemisphere or without one in both."""
    value = latitude(edge.value, edge.hemisphere)
    if not edge.hemisphere and value >= 0:
        if poleward:
            return away_from_equator(value), ""
        region = around_equator(value)
        return region.model_copy(update={"words": f"equatorward of {value:g} degrees"}), ""
    words = f"{'poleward' if poleward else 'equatorward'} of {degrees(value)}"
    south, north = (None, value) if (value < 0) == poleward else (value, None)
    if not poleward:  # the rest of its own hemisphere
        south, north = (south, 0.0) if value < 0 else (0.0, north)
    return Region(min_lat_deg=south, max_lat_deg=north, words=words), ""


def _absolute(match: re.Match[str]) -> Built:
    value = latitude(abs(float(match["a"])))
    more = (
        match["way"].startswith(">") or re.fullmatch(_MORE, match["way"].strip(), re.IGNORECASE) is not None
    )
    return (away_from_equator(value) if more else around_equator(value)), ""


def _chained(match: re.Match[str]) -> Built:
    """``-15 < lat < 15``."""
    one, two = (Edge(float(match[name]), "", "", True) for name in ("a", "b"))
    if match["axis"].lower().startswith("lo"):
        return _longitudes(one, two, "")
    low, high = sorted((latitude(one.value), latitude(two.value)))
    return _latitude_band(low, high), ""


def _than(match: re.Match[str]) -> Built:
    """More or less than an angle: north or south of it, or a magnitude, by the words."""
    edge, way = edge_of(match), match["way"]
    if match["equator"] and re.fullmatch(r"above|over|below|under", way, re.IGNORECASE):
        return beyond("north" if way.lower() in ("above", "over") else "south", 0.0), ""
    noun = (match["noun_before"] or "").lower()
    noun_axis: Axis = "" if not noun else "lon" if noun.startswith("lo") else "lat"
    if edge.hemisphere == "line" or len({edge.axis, noun_axis} - {""}) > 1 or not (noun or edge.sure):
        return None
    more = re.fullmatch(rf"{_OVER}|{_MORE}", way, re.IGNORECASE) is not None
    axis = edge.axis or noun_axis
    if axis == "lon":
        return _half_of_longitudes(longitude(edge.value, edge.hemisphere), more=more)
    plain = re.fullmatch(rf"{_OVER}|{_UNDER}", way, re.IGNORECASE) is not None
    if not (axis or plain or re.fullmatch(r"beyond|past|higher than|lower than", way, re.IGNORECASE)):
        return None  # "more than 20 degrees" may be a slope or a turn
    if match["both"]:
        value = latitude(abs(edge.value))
        return (away_from_equator(value) if more else around_equator(value)), ""
    if edge.hemisphere == "south" and not plain:
        return _magnitude(edge, poleward=more)
    if not edge.hemisphere and not plain and not noun and edge.value >= 0:
        region, _ = _magnitude(edge, poleward=more) or (None, "")
        return region, "A latitude without north or south was taken in both hemispheres"
    if (
        noun.endswith("s")
        and way.lower() in ("higher than", "lower than")
        and not edge.hemisphere
        and edge.value > 0
    ):
        return _magnitude(edge, poleward=more)  # "latitudes higher than 60 degrees"
    return beyond("north" if more else "south", latitude(edge.value, edge.hemisphere)), ""


def _half_of_longitudes(value: float, *, more: bool) -> Built:
    low, high = (0.0, 360.0) if value > 180 else (-180.0, 180.0)
    west, east = (value, high) if more else (low, value)
    words = f"at longitudes {'above' if more else 'below'} {value:g} degrees east"
    return Region(west_lon_deg=west, east_lon_deg=east, words=words), ""


def _onward(match: re.Match[str]) -> Built:
    """An angle and up: "30 degrees north and higher", "45 S or more"."""
    edge = edge_of(match)
    if edge.hemisphere == "line" or not edge.axis or not edge.sure:
        return None
    more, side = match["up"] is not None, (match["onside"] or "").lower()
    if edge.axis == "lon":
        return _half_of_longitudes(longitude(edge.value, edge.hemisphere), more=more)
    if side in ("north", "south"):
        return beyond(side, latitude(edge.value, edge.hemisphere)), ""
    return _magnitude(edge, poleward=more)


def _from_line(match: re.Match[str]) -> Built:
    """So many degrees from the equator or from a pole."""
    value = latitude(abs(float(match["a"])))
    inside = match["inside"] is not None
    if match["equator"]:
        return (around_equator(value) if inside else away_from_equator(value)), ""
    edge, side = 90.0 - value, (match["side"] or "").lower()
    if not side:
        return (away_from_equator(edge) if inside else around_equator(edge)), ""
    signed = edge if side == "north" else -edge
    other = "south" if side == "north" else "north"
    return beyond(side if inside else other, signed), ""


def _around(match: re.Match[str]) -> Built:
    """So many degrees to either side of an angle: "within 10 degrees of 40 S"."""
    edge, width = edge_of(match), float(match["width"])
    if edge.hemisphere == "line" or not (edge.axis or edge.sure) or not width:
        return None
    if edge.axis == "lon":
        middle = longitude(edge.value, edge.hemisphere)
        words = f"between longitudes {middle - width:g} and {middle + width:g} degrees east"
        return Region(west_lon_deg=middle - width, east_lon_deg=middle + width, words=words), ""
    middle = latitude(edge.value, edge.hemisphere)
    return _latitude_band(max(middle - width, -90.0), min(middle + width, 90.0)), ""


def _lines(match: re.Match[str]) -> Built:
    """A hemisphere or half of the globe, east or west."""
    east = match["side"].lower() == "east"
    words = f"in the {'eastern' if east else 'western'} hemisphere"
    note = "The {0} hemisphere was read as longitudes from {1} degrees east"
    west_lon, east_lon = (0.0, 180.0) if east else (-180.0, 0.0)
    said = note.format("eastern" if east else "western", f"{west_lon:g} to {east_lon:g}")
    return Region(west_lon_deg=west_lon, east_lon_deg=east_lon, words=words), said


ANGLES: tuple[Rule, ...] = (
    (
        "region",
        (
            rf"(?:\(?(?:(?P<inside>{_INSIDE})|(?P<outside>{_OUTSIDE})) )",
            rf"(?P<a>{NUMBER}) degrees{_TO_LINE}\b(?:\))?",
        ),
        _from_line,
    ),
    (
        "region",
        (
            rf"(?:{_INSIDE}) (?P<width>\d+(?:\.\d+)?) degrees(?: (?:of|from|to|around|about|either side "
            rf"of)) {_ONE}",
        ),
        _around,
    ),
    (
        "region",
        (
            r"(?:(?:in|within|on) )?(?:(?:the|a) )?(?:(?:band|belt|zone|strip) )?(?:of )?",
            rf"(?P<inside>)(?P<outside>)(?P<side>)(?P<a>{NUMBER}) degrees(?: wide)? ",
            r"(?:around|about|(?:to|on) (?:both|either) sides? of|(?:either|each) side of) ",
            r"(?:the )?(?P<equator>equator)",
        ),
        _from_line,
    ),
    (
        "region",
        (
            r"(?:(?:across|over|crossing|spanning) (?:the )?",
            r"(?:anti ?meridian|(?:international )?date ?line),? )?",
            rf"(?:{_BAND}|(?:at |in |for |lying )?(?P<between>between )(?:the )?|(?:at |in |for )?from |",
            rf"(?:at |in |on )?(?={NUMBER}))",
            rf"{EDGE.format('1')}{_ACROSS}{_TO}{EDGE.format('2')}{_ACROSS_AFTER}",
            rf"{_NOT_A_DISTANCE}{_HALF}{_BOTH}",
        ),
        _range,
    ),
    ("region", (rf"{_SIDE} {_ONE}",), _side),
    ("region", (rf"(?P<way>{_POLEWARD}|{_EQUATORWARD}) ?{_ONE}{_NOT_A_DISTANCE}",), _poleward),
    (
        "region",
        (
            r"(?:(?:where|with|at|whose) )?(?:an? |the )?\|\s*lat(?:itude)?\s*\|\s*(?:is |of |that is )?",
            rf"(?P<way>>=?|<=?|{_MORE}|{_LESS}) ?(?P<a>{NUMBER})(?: degrees)?",
        ),
        _absolute,
    ),
    (
        "region",
        (
            rf"(?P<a>{NUMBER}) ?<=? ?(?P<axis>lat(?:itude)?|"
            rf"lon(?:gitude)?) ?<=? ?(?P<b>{NUMBER})(?: degrees)?",
        ),
        _chained,
    ),
    (
        "region",
        (
            r"(?:on |to )?(?:both|either|each) sides? of the (?P<equator>equator),? ",
            rf"(?P<inside>up to|within|out to|to|less than|"
            rf"at most) (?P<outside>)(?P<side>)(?P<a>{NUMBER}) degrees",
            r"(?: (?:away|from it|of (?:latitude|it)))?",
        ),
        _from_line,
    ),
    (
        "region",
        (
            r"(?:(?:at|with|in|having|where|whose) )?(?:an? |the )?(?:absolute )?",
            rf"(?:(?P<noun_before>{LAT}|{LON}) ?(?:(?:is|are|of|that (?:is|are)) )?)?",
            rf"(?P<way>{_OVER}|{_UNDER}|{_MORE}|{_LESS}) ?(?:the )?{_ONE}{_NOT_A_DISTANCE}{_BOTH}",
        ),
        _than,
    ),
    ("region", (rf"(?:(?:at|from) )?{_ONE}{_ONWARD}",), _onward),
    (
        "region",
        (
            r"(?:in |on |of |at |within )?(?:the )?(?:planet )?(?P<side>east|west)(?:ern)? ",
            r"(?:hemisphere|half|side(?= of the))(?: of the (?:planet|globe|map|body|world))?(?! of\b)",
        ),
        _lines,
    ),
)

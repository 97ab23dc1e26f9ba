"""Limits of place and of probability, as people write them -> `Region`, and the table of all limits.

`REGIONS` is a table of (kind, pattern, builder). A builder returns the value and a remark for the answer, or
None if the words turn out to mean something else. Angles and elevations have modules of their own.
"""

from __future__ import annotations

import re

from agent.grammar.limits.angles import ANGLES
from agent.grammar.limits.edges import beyond
from agent.grammar.limits.heights import HEIGHTS
from agent.grammar.limits.positions import POSITIONS
from agent.grammar.limits.rules import NUMBER, Build, Built, Rule, compiled
from agent.grammar.query import Declined, Region

# Assumed meanings of words for latitude bands, degrees; every use is stated in the answer.
LOW_LAT_DEG, MID_LAT_DEG, HIGH_LAT_DEG = 30.0, (30.0, 60.0), 60.0
_BANDS = {"low": (0.0, LOW_LAT_DEG), "mid": MID_LAT_DEG, "high": (HIGH_LAT_DEG, 90.0)}


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
    names = [name.lower()[:3].replace("hig", "high") for name in (match["band"], match["band2"]) if name]
    side = (match["side"] or match["side2"] or "").lower()
    low = min(_BANDS[name][0] for name in names)
    high = max(_BANDS[name][1] for name in names)
    words = f"at {side + 'ern ' if side else ''}{' and '.join(dict.fromkeys(names))} latitudes"
    note = f"“{match[0].strip()}” was read as latitudes from {low:g} to {high:g} degrees"
    if side:
        top = None if high == 90 else high  # to the pole
        bounds = (low, top) if side == "north" else (None if top is None else -top, -low)
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
        region = beyond(side, value).model_copy(update={"words": f"near the {side} pole"})
        return region, f"{note} {side}"
    return Region(
        min_lat_deg=HIGH_LAT_DEG, max_lat_deg=90.0, both_hemispheres=True, words="near the poles"
    ), note


def _probability(match: re.Match[str]) -> Built:
    value = float(match["a"]) / (100 if match["percent"] else 1)
    named = bool(match["word"] or match["percent"] or match["after"])
    if match["way"].lower() == "of" and not match["word"]:
        return None
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


def _probabilities(match: re.Match[str]) -> Built:
    factor = 0.01 if match["percent"] or match["p"] else 1.0
    low, high = sorted((float(match["a"]) * factor, float(match["b"]) * factor))
    if not 0 <= low < high <= 1:
        raise Declined("bad_value", f"“{match[0].strip()}” is no range of probabilities", "0 to 1")
    words = f"with a probability between {low:g} and {high:g}"
    return Region(where=f"probability between {low:g} and {high:g}", words=words), ""


def _name_of_side(match: re.Match[str]) -> Built:
    return match["side"].lower(), ""


def _below_probability(match: re.Match[str]) -> Built:
    raise Declined(
        "unsupported",
        "keeping only tiles below a probability is not possible in this version",
        "a smallest probability, such as above 0.8",
    )


def _far(match: re.Match[str]) -> Built:
    side = "north" if match["side"].lower() in ("north", "arctic") else "south"
    value = HIGH_LAT_DEG if side == "north" else -HIGH_LAT_DEG
    note = f"“{match[0].strip()}” was read as latitudes poleward of {HIGH_LAT_DEG:g} degrees {side}"
    return beyond(side, value).model_copy(update={"words": f"in the far {side}"}), note


_MORE = (
    r"above|higher than|over|more than|at or above|>=?|at least|greater than|exceed(?:s|ing)|better than|"
    r"no less than|not less than|no lower than|not below|of"
)
_LESS = r"below|lower than|under|beneath|less than|at most|<=?|no more than|not above"
_SURE = r"sure(?: of)?|certain(?: of)?|confident(?: of| about)?|likely|probable"
_NOUN = (
    r"(?:detection |posterior )?(?:probabilit(?:y|ies)|scores?|confidences?|certaint(?:y|ies)|"
    r"likelihoods?|prob|p)"
)

_IN = r"(?:in |on |of |at |across |throughout |over |from )?(?:the )?"
_SIDE = r"(?P<side>north|south)(?:ern)?"
_ZONE = r"(?: (?:regions?|zones?|belt|latitudes?|areas?|band|strip))?"
_OF_PLANET = r"(?: of (?:the )?(?:planet|globe|world|body|map))?(?! of\b)"
_BAND = r"{0}mid(?:dle|dling)?|high(?:er)?|low(?:er)?)"

# Kind, pieces of the pattern, builder; the first that matches and builds something wins.
_ZONES: tuple[Rule, ...] = (
    ("side_it", (r"(?:to the )?(?P<side>north|south)(?:wards?)? of (?:it|that|there|this)",), _name_of_side),
    (
        "side",
        (r"(?:to the )?(?P<side>north|south|east|west)(?:wards?|erly|ern)? (?:of|from)(?= )",),
        _name_of_side,
    ),
    ("region", (rf"{_IN}{_SIDE} hemisphere",), _hemisphere),
    (
        "part",
        (
            r"(?:(?:in|on|at|of|within) )?(?:the )?(?P<side>north|south|east|west)(?:ern)?(?:most)? ",
            r"(?:parts?|half|halves|sides?|ends?|portions?|sectors?|sections?|edge|margin|rim) of(?= [a-z])",
            r"(?! (?:the (?:planet|globe|equator|hemisphere)|each|it\b|them))",
        ),
        _name_of_side,
    ),
    (
        "part",
        (r"(?:(?:in|on|at|of|within) )?(?P<side>north|south|east|west)ern(?-i:(?= [A-Z][a-z]))",),
        _name_of_side,
    ),
    (
        "all",
        (r"(?:in |on )?(?:both|either|the two) (?:hemispheres|sides of the equator)",),
        lambda match: (None, ""),
    ),
    (
        "region",
        (
            rf"{_IN}(?:{_SIDE} )?{_BAND.format('(?P<band>')}(?:(?:er)? ?(?:to|and|or|/|through) ?",
            rf"{_BAND.format('(?P<band2>')})? ?(?:(?P<side2>north|south)(?:ern)? )?latitudes?(?! than)",
        ),
        _band,
    ),
    (
        "region",
        (
            rf"{_IN}(?:far|high|extreme|deep|uttermost) (?P<side>north|south)(?:ern)?(?: (?:latitudes?|"
            rf"regions?))?(?! of\b)",
        ),
        _far,
    ),
    ("region", (rf"{_IN}(?P<side>arctic|antarctic)(?: (?:region|circle|zone)s?)?",), _far),
    (
        "region",
        (rf"{_IN}{_SIDE} (?:plains|lowlands|highlands|half|side|latitudes?){_OF_PLANET}",),
        _hemisphere,
    ),
    (
        "region",
        (
            r"(?:near|around|at|close to|along|about|in|on|straddling|spanning|astride|"
            r"across) (?:the )?(?:equator(?:ial)?|tropic(?:s|al))",
            rf"{_ZONE}(?! (?:and|to) [-+]?\d)|equatorial{_ZONE}|tropical{_ZONE}|in the tropics",
        ),
        _equatorial,
    ),
    (
        "region",
        (
            rf"(?:near|around|at|close to|in|on|of)? ?(?:the )?(?:{_SIDE} )?(?:circum ?)?",
            rf"(?:poles?(?! ?(?:ward|facing))|polar(?! (?:maps?|view|projection)\b){_ZONE})",
        ),
        _polar,
    ),
    ("region", (r"(?:in |on )?the (?P<side>north|south)(?! of)",), _hemisphere),
    ("region", (r"(?:in |on )?(?P<side>north|south)ern(?! of)",), _hemisphere),
)

_PROBABILITIES: tuple[Rule, ...] = (
    (
        "region",
        (
            rf"(?:with |at |of |having )?(?:an? |the )?(?P<word>{_NOUN}(?: (?:is|are|that is|"
            rf"value))?(?: of)? )?",
            rf"(?P<way>{_MORE}) ?(?P<a>{NUMBER})(?P<percent> percent)?",
            rf"(?: (?:or|and) (?:more|higher|above|better|over|up))?(?: (?:of )?(?P<after>{_NOUN}|"
            rf"{_SURE})(?! \d))?",
            r"(?! ?(?:km|mi|m|ft|tiles|degrees)\b)(?P<end>\s*(?:[.?!,;]|$))?",
        ),
        _probability,
    ),
    (
        "region",
        (
            r"(?:that |which )?(?:you |we )?(?:are |is )?(?:which )?(?:you )?(?:are )?(?P<way>at least|"
            r"more than|over|above) ",
            rf"(?P<a>{NUMBER})(?P<percent> percent) (?P<word>{_SURE})(?P<after>)(?P<end>)",
        ),
        _probability,
    ),
    (
        "region",
        (
            rf"(?:with |at |of )?(?:an? |the )?{_NOUN} (?:is |of )?(?:between |"
            rf"from )?(?P<a>{NUMBER})(?P<p> percent)? ",
            rf"(?:and|to) (?P<b>{NUMBER})(?P<percent> percent)?",
        ),
        _probabilities,
    ),
    (
        "region",
        (rf"(?:with |at )?(?:an? )?{_NOUN} (?:of )?(?:{_LESS}) ?{NUMBER}",),
        _below_probability,
    ),
)

REGIONS: tuple[tuple[str, re.Pattern[str], Build], ...] = compiled(
    (*POSITIONS, *HEIGHTS, *ANGLES, *_ZONES, *_PROBABILITIES)
)

"""Limits that share their end, spelled out: "north or south of the equator" has two limits, not one.

Done on the text before it is read, as the rules of limits read one limit at a time.
"""

from __future__ import annotations

import re

_JOINED = r"(?P<joint>or|and|versus|vs\.?|than|compared (?:with|to))(?: rather)?"
_NUMBER = (
    r"[-+]?\d+(?:\.\d+)?(?: (?:degrees|km|m|ft))?(?: (?:north|south|east|west)\b)?(?: (?:of "
    r")?latitude)?"
)
_NAME = r"(?:the )?[A-Z][\w'-]+(?: [A-Z\d][\w'-]*){0,3}"
_END = rf"(?P<end>the equator|the prime meridian|{_NUMBER}(?: (?:elevation|altitude|above datum))?|{_NAME})"
_SIDES = r"north|south|east|west"
_LEVELS = r"above|below|over|under|higher than|lower than|more than|less than"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # "north or south of 20 degrees"
    (
        re.compile(rf"\b(?P<one>{_SIDES}) {_JOINED} (?:to the |on the )?(?P<two>{_SIDES}) of {_END}"),
        r"\g<one> of \g<end> \g<joint> \g<two> of \g<end>",
    ),
    # "above or below 0 m"
    (
        re.compile(rf"\b(?P<one>{_LEVELS}) {_JOINED} (?P<two>{_LEVELS}) {_END}"),
        r"\g<one> \g<end> \g<joint> \g<two> \g<end>",
    ),
    # "inside or outside Gale"
    (
        re.compile(rf"\b(?P<one>inside|within|in) {_JOINED} (?P<two>outside(?: of)?) (?P<end>{_NAME})"),
        r"\g<one> \g<end> \g<joint> \g<two> \g<end>",
    ),
)
# Bands whose side is said before or behind: "the band of south latitude 35 to 45".
_BAND = r"(?:band|belt|zone|strip|range|interval)"
_TURNED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            rf"\b{_BAND} of (?P<side>north|south)(?:ern)? latitudes?(?: of)?(?= [-+]?\d)", re.IGNORECASE
        ),
        r"\g<side> latitude band",
    ),
    (
        re.compile(
            rf"\b(?P<a>\d+(?:\.\d+)?)(?: degrees)? to (?P<b>\d+(?:\.\d+)?)(?: degrees)? "
            rf"(?:latitude )?{_BAND} (?:of|in) the (?P<side>north|south)\b(?! of)",
            re.IGNORECASE,
        ),
        r"\g<a> to \g<b> degrees \g<side>",
    ),
)
# "more simple or more complex craters": the head stands once, behind the last.
_HEADS = (
    re.compile(
        r"\b(?P<more>(?:more|fewer|most) )(?P<one>[a-z]+(?<!s)) or (?P<again>more |fewer |"
        r"most )(?P<two>[a-z]+) "
        r"(?P<head>craters|dunes|ridges|channels|volcanoes|networks|fans|cones|terrains?)\b"
    ),
    r"\g<more>\g<one> \g<head> or \g<again>\g<two> \g<head>",
)
# "more common in the north or south", "more gullies north or south?": whole without a limit to share.
_HALVES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            rf"\b(?P<lead>(?:in|on|at) )?the (?P<one>north|south) {_JOINED} (?:in )?(?:the "
            r")?(?P<two>north|south)\b"
            r"(?! (?:of|pole|polar|hemisphere))"
        ),
        r"\g<lead>the \g<one> \g<joint> the \g<two>",
    ),
    (
        re.compile(
            rf"\b(?:(?:up|down|out) )?(?P<one>north|south) {_JOINED} (?:(?:up|down|out) )?"
            r"(?P<two>north|south)(?=\s*(?:[?.!,;]|$))"
        ),
        r"the \g<one> \g<joint> the \g<two>",
    ),
)
_COMPARES = re.compile(
    r"\b(?:more|less|fewer|most|least|rarer|commoner|denser|higher|lower|steeper|often|compare\w*|"
    r"outnumber\w*|than(?! [-+]?\d)|versus|vs)\b(?! than [-+]?\d)",
    re.IGNORECASE,
)


def spelled_out(text: str) -> str:
    """A normalised question in which each of two joined limits has its own end."""
    for pattern, whole in (_HEADS, *_RULES, *_TURNED, *(_HALVES if _COMPARES.search(text) else ())):
        text = pattern.sub(whole, text)
    return text

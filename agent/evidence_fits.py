"""Whether a figure, rounded as a number is written, is that number: value, unit, noun, side, reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from agent.evidence_claims import Claim
from agent.evidence_facts import ANY, TABLE, Fact

# Whoever rounds a product of floats may land on the other side of a half, and the last digits of a float
# are not all written.
SLACK = Decimal("1.000001")
FLOAT_STEP = Decimal("2e-16")
# "More than 150" of 158 says something; of 900 it says something else.
NEAR_BOUND = Decimal("0.25")

_INCLUSIVE = ("at least", "at most", "up to", "≥", "≤")

# (unit of the figure, unit of the claim) -> power of ten
_CONVERSIONS = {("km", "m"): 3, ("m", "km"): -3, ("km2", "m2"): 6, ("m2", "km2"): -6}
P_NAME = r"(?:^|_)p(?:_|$)"
P_WORDS = r"p|p[- ]?value"
# Words that may stand between the name of a figure and its number.
LINK = (
    r"\W+(?:(?:of|is|was|were|are|at|about|around|roughly|only|just|the|a|an|to|be|value|nearly|approximately"
    r"|over|under|below|above|than|more|less|exactly|from|between)\W+){0,4}$"
)
# Percents that were set, not found.
_SETTING = re.compile(r"interval|level|large|least|power|middle")
_IS_P = re.compile(rf"\b(?:{P_WORDS}){LINK}", re.IGNORECASE)
_LIMITS = {"north": ("min_lat",), "south": ("max_lat",), "east": ("west_lon",), "west": ("east_lon",)}
LEVEL = re.compile(r"(?<![\d.])(?:0?\.\d+|1\.0+)(?!\d)")


def gives(fact: Fact, claim: Claim) -> bool:
    """Whether a figure, rounded as the claim is written, is the claim."""
    is_p = re.search(P_NAME, fact.name) is not None
    if is_p and claim.bound and not claim.unit:
        return fact.value <= claim.value if claim.bound == "<" else fact.value >= claim.value
    for value in _readings(fact, claim):
        way = _way(fact, claim, value)
        if way is None:
            continue
        off = way - claim.value
        if claim.bound and (claim.noun or (claim.unit == "%" and not _SETTING.search(fact.name))):
            beyond = off if claim.bound == ">" else -off
            least = beyond >= 0 if claim.text.lower().startswith(_INCLUSIVE) else beyond > 0
            if least and beyond <= max(abs(claim.value) * NEAR_BOUND, claim.tolerance):
                return True
        elif abs(off) <= claim.tolerance * SLACK + abs(value) * FLOAT_STEP:
            return True
    return False


def same_rows(claim: Claim, following: Claim | None) -> bool:
    """Whether the next number says how many features these very tiles make."""
    if following is None or following.sentence != claim.sentence or claim.noun != "tile":
        return False
    return (
        following.noun == "feature"
        and re.search(r"tiles?,? ?(?:\(|in |and |forming )", claim.after) is not None
    )


def comparison(first: Claim, second: Claim, between: str) -> str:
    """Whether “79 %, more than the 17.6 %” is the right way round."""
    turned = re.search(
        r"\b(?:(?P<more>more|higher|greater|larger|farther)|(?P<less>less|fewer|lower|smaller"
        r"|nearer|closer)) "
        r"(?:often )?than (?:the |its |by |a |an )?(?:[a-z]+ ){0,2}$",
        between,
    )
    if turned and first.value != second.value and (first.value > second.value) != bool(turned["more"]):
        return f"{first.text} is not {turned[0].split()[0]} than {second.text}"
    return ""


def repeats(claim: Claim, asked: Claim) -> bool:
    """Whether a number stands in the question, in its unit and on its side."""
    same_unit = claim.unit == asked.unit or not claim.unit or not asked.unit
    same_side = not (claim.beyond and asked.beyond) or claim.beyond == asked.beyond
    same_reach = not (claim.reach and asked.reach and claim.value) or claim.reach == asked.reach
    same_way = not (claim.way and asked.way) or claim.way == asked.way
    plain = not _IS_P.search(claim.before) and not claim.noun
    return (
        abs(claim.value) == abs(asked.value) and same_unit and same_side and same_way and same_reach and plain
    )


def _way(fact: Fact, claim: Claim, value: Decimal) -> Decimal | None:
    """The value as it would be written with the claim's direction; None if it lies the other way."""
    signed = re.search(r"(?:^|_)(?:lat|lon)(?:_|$)|elevation|difference|median_m$", fact.name)
    if not claim.way or not signed or claim.value < 0 or claim.unit not in ("deg", "m", "km", ""):
        return -value if claim.way < 0 and value < 0 < claim.value else value
    if "lon" in fact.name and value > 180:
        return value
    return None if value * claim.way < 0 else abs(value)


def _readings(fact: Fact, claim: Claim) -> Iterator[Decimal]:
    """The values a figure has in the unit of the claim; none if it has another kind of unit."""
    if claim.unit in ("", fact.unit) or fact.unit == ANY or not fact.name:
        yield fact.value
    elif not fact.unit and claim.unit == "%":
        # A bare 41 is no 41 %, but 0.41 is.
        yield fact.value.scaleb(2)
    elif (fact.unit, claim.unit) in _CONVERSIONS:
        yield fact.value.scaleb(_CONVERSIONS[fact.unit, claim.unit])
    if fact.value < 0 and "lon" in fact.name and claim.unit in ("", "deg"):
        yield fact.value + 360


def noun_fits(claim: Claim, fact: Fact) -> bool:
    """Whether what a number counts is what the figure counts."""
    if not claim.noun or not fact.name:
        return True
    if fact.unit not in ("count", "") or re.search(
        rf"threshold|{P_NAME}|enrichment|score|probab|length", fact.name
    ):
        return False
    if fact.tool == TABLE and fact.unit != "count":
        return False  # what a row says beside its counts is a measurement
    return not fact.noun or claim.noun not in ("tile", "feature") or claim.noun == fact.noun


def reach_fits(claim: Claim, fact: Fact, words: str) -> bool:
    """Whether a distance is one that things lie within, or beyond, as the tool kept them."""
    if not claim.reach or not fact.tool:
        return True
    turned = re.search(
        r"\b(?:no|not|none|without|others?|rest|remaining|remainder|leaving out)\b", words, re.I
    )
    return turned is not None or (claim.reach == "out") == (fact.tool == "without")


def side_fits(claim: Claim, fact: Fact) -> bool:
    """Whether a limit lies on the side that is said: “north of 20” is a least latitude."""
    if claim.beyond not in _LIMITS or not fact.name:
        return True
    limit = _LIMITS[claim.beyond]
    others = [name for side, names in _LIMITS.items() if side != claim.beyond for name in names]
    return fact.name.startswith(limit) or not fact.name.startswith(tuple(others))


def states(words: str, level: str) -> bool:
    """Whether a threshold is among the words, in whatever digits."""
    return any(Decimal(found) == Decimal(level) for found in LEVEL.findall(words))

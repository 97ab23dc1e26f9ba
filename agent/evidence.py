"""Every number and citation of an answer, checked against the tool results.

A number is supported if some figure, rounded as the number is written, gives it: ``12.3`` stands for 12.25 to
12.35, ``1.2 million`` for 1,150,000 to 1,250,000, ``41 %`` for a share of 0.41, ``0.6 km`` for a figure in
metres. A whole number must be exact unless a word before it says that it is not (``about 1,200``). Numbers
of the question are supported as they stand. Number words (``two of the three``), ordinals, the marks of a
list, and digits inside names (``L3``, ``16km-r012c034``) are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from agent.events import Evidence, Step

__all__ = ["Evidence", "check", "mark"]

MARK = "(unsupported)"

# Whoever rounds a product of floats may land on the other side of a half, and the last digits of a float
# are not all written.
SLACK = Decimal("1.000001")
FLOAT_STEP = Decimal("2e-16")

_CITATION = re.compile(r"\[\s*(L\d+(?:\s*[,;]\s*L\d+)*)\s*\]")
_LAYER_ID = re.compile(r"L\d+")
_NAME = re.compile(
    r"\bL\d+\b"
    r"|\b\d+(?:\.\d+)?km-r\d+c\d+\b"  # tiles
    r"|\b(?!k?m2\b)[A-Za-z_]+[-_]?\d[\w.-]*"  # files, data sets, chemistry
    r"|\b[\w-]+\.(?:png|gpkg|geojson|parquet|csv|zip|html|tif|tiff|kmz)\b"
    r"|\b\d+(?:st|nd|rd|th)\b"
    r"|^[ \t>]*\(?\d{1,2}[.)](?=\s)",  # marks of a list
    re.MULTILINE,
)
_DIGITS = r"(?:\d{1,3}(?:[,\u202f\u00a0]\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_POWER = r"(?:[eE][+-]?\d{1,3}(?!\d)|\s?[×x·*]\s?10(?:\^?\{?[+\-−]?\d{1,3}(?!\d)\}?|[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}))"
_UNIT = (
    r"(?:%|percent\b|per cent\b|°|degrees?\b|km²|km\^?2\b|m²|m\^?2\b|km\b|m\b"
    r"|(?:square )?(?:kilo)?met(?:re|er)s?\b)"
)
_NUMBER = re.compile(
    rf"(?P<number>(?:(?<![\w.)\]°%])[+\-−–])?(?:{_DIGITS})(?:{_POWER})?)"
    r"(?:\s?(?P<scale>thousand|million|billion)\b)?"
    rf"(?P<unit>\s?{_UNIT})?"
)
_RANGE_UNIT = re.compile(rf"\s*(?:-|–|to|and)\s*[\d.,]+(?P<unit>\s?{_UNIT})")
_HEDGE = re.compile(
    r"(?:about|around|roughly|approximately|approx\.|nearly|almost|some|circa|ca\.|over|more than|~|≈|∼)\s*$",
    re.IGNORECASE,
)
_AT_MOST = re.compile(r"(?:<|≤|below|less than|under|smaller than)\s*$", re.IGNORECASE)
_DOWN = re.compile(r"\s*(?:[SW]\b|south|west|below|lower|deep)", re.IGNORECASE)
_SUPERSCRIPTS = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹−–", "+-0123456789--")
_SCALES = {"thousand": 3, "million": 6, "billion": 9}
_WRITTEN_UNITS = (
    ("per", "%"),
    ("°", "deg"),
    ("deg", "deg"),
    ("kilomet", "km"),
    ("met", "m"),
    ("square kilo", "km2"),
    ("square met", "m2"),
)
# Ends of the names of figures; one at another threshold is called ``near_percent_at_0.60``.
_FIGURE_UNITS = {"percent": "%", "km2": "km2", "km": "km", "m2": "m2", "m": "m", "deg": "deg"}
_FIGURE_UNITS |= {"lat": "deg", "lon": "deg", "count": "count", "n": "count"}
_NAMED_UNIT = re.compile(rf"(?:^|_)({'|'.join(_FIGURE_UNITS)})(?:_at_\d+(?:\.\d+)?)?$")
# (unit of the figure, unit of the claim) -> power of ten
_CONVERSIONS = {("km", "m"): 3, ("m", "km"): -3, ("km2", "m2"): 6, ("m2", "km2"): -6}


@dataclass(frozen=True)
class _Claim:
    """A number as written: the value, and half the distance to the next one that would be written so."""

    text: str
    end: int
    value: Decimal
    tolerance: Decimal
    unit: str
    at_most: bool
    downward: bool


@dataclass(frozen=True)
class _Fact:
    """A number that a tool gave, under the name it gave it."""

    name: str
    value: Decimal


def check(answer: str, steps: Sequence[Step], question: str, known: Iterable[float] = ()) -> Evidence:
    """Check every number and citation of an answer.

    Parameters
    ----------
    answer
        Text as shown.
    steps
        Tool calls whose results the model could see: those of the whole conversation.
    question
        Its numbers may be repeated.
    known
        Further numbers the model was told, such as the number of tiles.
    """
    facts = [fact for step in steps if not step.error for fact in _facts_of(step)]
    facts += [_Fact("", _decimal(value)) for value in known]
    asked = list(_claims(question))
    layers = {layer_id for step in steps for layer_id in step.layer_ids}
    claims = list(_claims(answer))
    wrong = [(c.end, c.text) for c in claims if not _is_supported(c, facts, asked)]
    cited = [(match.end(), layer_id) for match in _CITATION.finditer(answer) for layer_id in _ids(match)]
    wrong += [(end, f"[{layer_id}]") for end, layer_id in cited if layer_id not in layers]
    citations = dict.fromkeys(layer_id for _, layer_id in cited if layer_id in layers)
    return Evidence(len(claims), tuple(text for _, text in sorted(wrong)), tuple(citations))


def mark(answer: str, evidence: Evidence) -> str:
    """The answer with ``(unsupported)`` behind each number and citation that is not supported."""
    ends = [(claim.end, claim.text) for claim in _claims(answer)]
    ends += [(m.end(), f"[{layer_id}]") for m in _CITATION.finditer(answer) for layer_id in _ids(m)]
    wrong = list(evidence.unsupported)
    marked, done = "", 0
    for end, text in sorted(ends):
        if wrong and text == wrong[0]:
            wrong.pop(0)
            marked += answer[done:end] + ("" if end == done else f" {MARK}")
            done = end
    return marked + answer[done:]


def _claims(text: str) -> Iterator[_Claim]:
    # Blanked, not removed, so that positions stay those of the text.
    for pattern in (_CITATION, _NAME):
        text = pattern.sub(lambda match: "\0" * len(match[0]), text)
    for match in _NUMBER.finditer(text):
        digits = re.sub(r"[,\u202f\u00a0](?=\d{3})", "", match["number"].translate(_SUPERSCRIPTS))
        digits = re.sub(r"\s?[×x·*]\s?10\^?\{?([+-]?\d+)\}?", r"e\1", digits)
        value, scale = Decimal(digits), _SCALES.get(match["scale"] or "", 0)
        before, after = text[: match.start()], text[match.end() :]
        hedge, at_most = _HEDGE.search(before), _AT_MOST.search(before)
        first = min(found.start() for found in (hedge, at_most, match) if found)
        unit = match["unit"] or ""
        if not unit and (ahead := _RANGE_UNIT.match(after)):
            unit = ahead["unit"]
        yield _Claim(
            text=text[first : match.end()].strip(),
            end=match.end(),
            value=value.scaleb(scale),
            tolerance=_last_digit(digits, hedged=hedge is not None).scaleb(scale) / 2,
            unit=_normal_unit(unit),
            at_most=at_most is not None,
            downward=bool(_DOWN.match(after)),
        )


def _last_digit(digits: str, *, hedged: bool) -> Decimal:
    """Weight of the last digit written: 0.1 for 12.3, 100 for a hedged 1,200."""
    mantissa, _, power = digits.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    zeros = len(whole) - len(whole.rstrip("0")) if hedged and not fraction and whole.strip("0") else 0
    return Decimal(1).scaleb(int(power or 0) - len(fraction) + zeros)


def _is_supported(claim: _Claim, facts: Iterable[_Fact], asked: Iterable[_Claim]) -> bool:
    if any(abs(claim.value) == abs(other.value) and _may_be_same_unit(claim, other) for other in asked):
        return True
    for fact in facts:
        if claim.at_most and "p_value" in fact.name and fact.value <= claim.value:
            return True
        for value in _readings(fact, claim):
            downward = claim.downward and value < 0
            off = abs((-value if downward else value) - claim.value)
            if off <= claim.tolerance * SLACK + abs(value) * FLOAT_STEP:
                return True
    return False


def _readings(fact: _Fact, claim: _Claim) -> Iterator[Decimal]:
    """The values a figure has in the unit of the claim; none if it has another kind of unit."""
    unit = _unit_of(fact.name)
    if claim.unit in ("", unit):
        yield fact.value
    elif not unit:
        # A bare 41 is no 41 %, but 0.41 is.
        yield fact.value.scaleb(2) if claim.unit == "%" else fact.value
    elif (unit, claim.unit) in _CONVERSIONS:
        yield fact.value.scaleb(_CONVERSIONS[unit, claim.unit])
    if fact.value < 0 and "lon" in fact.name and claim.unit in ("", "deg"):
        yield fact.value + 360


def _may_be_same_unit(claim: _Claim, other: _Claim) -> bool:
    return claim.unit == other.unit or not claim.unit or not other.unit


def _unit_of(name: str) -> str:
    """Unit at the end of a figure's name; empty if there is none that is known."""
    found = None if "per_" in name else _NAMED_UNIT.search(name)
    return _FIGURE_UNITS[found[1]] if found else ""


def _normal_unit(unit: str) -> str:
    word = unit.strip().replace("²", "2").replace("^", "")
    return next((known for start, known in _WRITTEN_UNITS if word.startswith(start)), word)


def _facts_of(step: Step) -> Iterator[_Fact]:
    yield from _numbers("", step.figures)
    yield from _numbers("", step.layers)
    yield from _numbers("", step.table)


def _numbers(name: str, value: Any) -> Iterator[_Fact]:
    """Every number in nested JSON, under the key nearest to it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(str(key), item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(name, item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _decimal(value)
        if number.is_finite():
            yield _Fact(name, number)


def _decimal(value: float) -> Decimal:
    # repr, so that 12.25 written from a figure of 12.25 meets it exactly.
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def _ids(match: re.Match[str]) -> list[str]:
    return _LAYER_ID.findall(match[1])

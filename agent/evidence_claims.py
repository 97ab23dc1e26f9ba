"""Numbers and citations of a text as a reader takes them: value, precision, unit, noun, direction, scope.

The scope of a number is the layers that its sentence cites; where a citation stands right behind the thing
counted, ``195 tiles with pitted cones [L1]``, that one alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

CITATION = re.compile(r"\[\s*L\d+(?:\s*[,;]\s*L\d+)*\s*\]")
LAYER_ID = re.compile(r"L\d+")
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
_AREA = r"(?:km²|km\^?2\b|square kilomet(?:re|er)s?\b)"
_UNIT = (
    rf"(?:per (?:million |1,000,000 ){_AREA}|%|percent\b|per cent\b|°|degrees?\b|{_AREA}|m²|m\^?2\b|km\b|m\b"
    r"|(?:square )?(?:kilo)?met(?:re|er)s?\b)"
)
_NUMBER = re.compile(
    rf"(?P<number>(?:(?<![\w.)\]°%])[+\-−–])?(?:{_DIGITS})(?:{_POWER})?)"
    r"(?:\s?(?P<scale>thousand|million|billion)\b)?"
    rf"(?P<unit>\s?{_UNIT})?"
)
_RANGE_UNIT = re.compile(rf"\s*(?:-|–|to|and)\s*[-−]?[\d.,]+(?P<unit>\s?{_UNIT})")
_MORE = r"(?:more|greater|higher|larger|farther|further|longer) than|over|above|exceed(?:s|ing)?|at least|>|≥"
_LESS = r"(?:less|fewer|smaller|lower|shorter|nearer|closer) than|below|under|at most|up to|<|≤"
_HEDGE = re.compile(
    rf"(?:about|around|roughly|approximately|approx\.|nearly|almost|some|circa|ca\.|~|≈|∼|{_MORE})\s*$",
    re.IGNORECASE,
)
_AT_MOST = re.compile(rf"(?:{_LESS})\s*$", re.IGNORECASE)
_AT_LEAST = re.compile(rf"(?:{_MORE})\s*$", re.IGNORECASE)
_WAY = re.compile(
    r"\s*(?:(?P<down>[SW]\b|south|west|below|lower|deep)|(?P<up>[NE]\b|north|east|above|higher))"
)
_WAY_OF = re.compile(r"(?P<way>north|south|east|west|pole)(?:ward)?s? (?:of|from) (?:latitude )?$", re.I)
_NOUN = re.compile(r"\s*(?:[a-z][a-z-]+ ){0,3}?(?P<noun>tile|feature|entries|entry|row)s?\b")
# A bare whole number before these counts something.
_COUNTS = re.compile(
    r"\s*(?:of (?:them|the|these|those)|lie|are|have|match|pass|touch|remain|would remain|show)\b(?! degrees)"
    r"|\s*(?:are |lie )?(?:in the )?(?:north|south)\b(?! of (?:the )?\d)"
)
# “1,000 tiles, of which 67 pass” counts tiles.
_OF_WHICH = re.compile(r"(?P<noun>tile|feature)s?,? (?:out )?of (?:which|these|them),? (?:only |just )?$")
_PER = re.compile(r"\s*(?:[a-z]+ ){0,2}per (?:million|1,000,000) ")
_IN = re.compile(
    r"(?:(?<!not )\b(?:within|inside|up to|at most)|(?:\bno|\bnot|n't) (?:\w+ ){0,2}(?:farther"
    r"|further|more) than"
    r"|(?<!not )(?:closer|nearer|less|fewer) than)\s*$",
    re.IGNORECASE,
)
_OUT = re.compile(
    r"(?:\b(?:farther|further|more) (?:away )?than|\bbeyond|\boutside|\bat least|\bnot within"
    r"|\bno (?:closer|nearer) than)\s*$",
    re.IGNORECASE,
)
_TIGHT = re.compile(r"\s*(?!.*\b(?:lie|lies|are|is|near|within|of|from|than|to)\b)[^\d,;:.()]{0,48}$")
_SUPERSCRIPTS = str.maketrans("⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹−–", "+-0123456789--")
_SCALES = {"thousand": 3, "million": 6, "billion": 9}
_WRITTEN_UNITS = (
    ("per million", "per_million_km2"),
    ("per 1,000", "per_million_km2"),
    ("per", "%"),
    ("°", "deg"),
    ("deg", "deg"),
    ("kilomet", "km"),
    ("met", "m"),
    ("square kilo", "km2"),
    ("square met", "m2"),
)
# A full stop ends a sentence where a capital, a number or a quote follows, or a citation that belongs to it.
_SENTENCE = re.compile(r"(?:[.!?][)”\"]?(?:\s*\[\s*L\d+[^\]]*\]\.?)*(?=\s+[A-Z“\"(\d*-]|\s*$)|\n+)")
_ABBREVIATED = re.compile(r"(?:\b(?:e\.g|i\.e|approx|ca|cf|vs|et al|Fig)|^\s*\d+)\.$")


@dataclass(frozen=True)
class Claim:
    """A number as written.

    Attributes
    ----------
    text, start, end
        The words, a hedge before the number among them, and where they stand.
    value, tolerance
        The number, and half the distance to the next one that would be written so.
    unit, noun
        Unit as in names of figures; ``tile`` or ``feature`` where the number counts them.
    bound
        ``<`` or ``>`` where the number is one that something stays below or above.
    way
        -1: south, west, below; 1: north, east, above; 0: not said.
    beyond
        The side of a limit: ``south`` in “south of 30 degrees”.
    reach
        ``in``: within it; ``out``: farther than it.
    sentence
        Start and end of its sentence.
    cited
        Layers it rests on, None where the sentence cites none.
    tight
        Whether the citation belongs to this number alone.
    before, after
        The sentence up to the number, back to the number before it, and on to the next one.
    """

    text: str
    start: int
    end: int
    value: Decimal
    tolerance: Decimal
    unit: str
    noun: str
    bound: str
    way: int
    beyond: str
    reach: str
    sentence: tuple[int, int]
    cited: frozenset[str] | None
    tight: bool
    before: str
    after: str


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence; a citation behind the full stop belongs to the sentence before it."""
    spans, start = [], 0
    for found in _SENTENCE.finditer(text):
        if _ABBREVIATED.search(text[start : found.start() + 1]):
            continue
        if text[start : found.end()].strip():
            spans.append((start, found.end()))
        start = found.end()
    return [*spans, (start, len(text))] if text[start:].strip() else spans


def citations(text: str) -> Iterator[tuple[int, str]]:
    """End and layer id of every citation, in order."""
    for match in CITATION.finditer(text):
        for layer_id in LAYER_ID.findall(match[0]):
            yield match.end(), layer_id


def cited_in(text: str) -> frozenset[str]:
    """Ids of the layers that a text cites."""
    return frozenset(layer_id for _, layer_id in citations(text))


def claims(text: str, names: Iterable[str] = ()) -> list[Claim]:
    """Every number of a text that states something, in order; digits in ``names`` state nothing."""
    # Blanked, not removed, so that positions stay those of the text.
    blank = text
    for name in sorted(names, key=len, reverse=True):
        blank = blank.replace(name, "\0" * len(name))
    for pattern in (CITATION, _NAME):
        blank = pattern.sub(lambda match: "\0" * len(match[0]), blank)
    found = list(_NUMBER.finditer(blank))
    spans = sentences(text) or [(0, len(text))]
    return [
        _claim(text, blank, found, place, next((s for s in spans if found[place].start() < s[1]), spans[-1]))
        for place in range(len(found))
    ]


def _claim(text: str, blank: str, found: list[re.Match[str]], place: int, sentence: tuple[int, int]) -> Claim:
    match = found[place]
    start, end = match.span()
    left = max(sentence[0], found[place - 1].end() if place else 0)
    right = min(sentence[1], found[place + 1].start() if place + 1 < len(found) else len(text))
    before, after = blank[:start], blank[end:]
    digits = re.sub(r"[,\u202f\u00a0](?=\d{3})", "", match["number"].translate(_SUPERSCRIPTS))
    digits = re.sub(r"\s?[×x·*]\s?10\^?\{?([+-]?\d+)\}?", r"e\1", digits)
    scale = _SCALES.get(match["scale"] or "", 0)
    hedge, at_most = _HEDGE.search(before), _AT_MOST.search(before)
    first = min(hit.start() for hit in (hedge, at_most, match) if hit)
    unit = match["unit"] or ""
    if not unit and (ahead := _RANGE_UNIT.match(after)):
        unit = ahead["unit"]
    following = blank[end:right] + blank[right : right + 1].replace("\0", "")
    if not unit and _PER.match(blank[end:]):
        unit = "per million km2"
    noun = None if unit else _NOUN.match(following)
    counts = not noun and not unit and "." not in match["number"] and _COUNTS.match(following)
    way, beyond = _WAY.match(after), _WAY_OF.search(before)
    cited, tight = _scope(text[end : max(right, end + 40)], text[end:right], cited_in(text[slice(*sentence)]))
    return Claim(
        text=text[first:end].strip(),
        start=first,
        end=end,
        value=Decimal(digits).scaleb(scale),
        tolerance=_last_digit(digits, hedged=hedge is not None).scaleb(scale) / 2,
        unit=_normal_unit(unit),
        noun=noun["noun"].replace("entries", "entry") if noun else _counted(before) if counts else "",
        bound="<" if at_most else ">" if _AT_LEAST.search(before) else "",
        way=0 if not way else -1 if way["down"] else 1,
        beyond=beyond["way"].lower() if beyond else "",
        reach="in" if _IN.search(before) else "out" if _OUT.search(before) else "",
        sentence=sentence,
        cited=cited,
        tight=tight,
        before=text[left:start],
        after=text[end:right],
    )


def _scope(rest: str, after: str, whole: frozenset[str]) -> tuple[frozenset[str] | None, bool]:
    """The layers a number rests on, from the words behind it, and those up to the next number."""
    if named := re.match(r"\s*(?:directions|tiles|features|rows) of (L\d+)\b", rest):
        return frozenset({named[1]}), True
    if not whole:
        return None, False
    group = re.match(rf"(?P<words>[^\[]*)(?P<ids>(?:{CITATION.pattern}\s*)+)", after)
    if group and _TIGHT.match(group["words"]):
        return cited_in(group["ids"]), True
    return whole, False


def _counted(before: str) -> str:
    """What a bare number counts, as far as the words before it tell."""
    found = _OF_WHICH.search(before)
    return found["noun"] if found else "thing"


def _last_digit(digits: str, *, hedged: bool) -> Decimal:
    """Weight of the last digit written: 0.1 for 12.3, 100 for a hedged 1,200."""
    mantissa, _, power = digits.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("+-").partition(".")
    zeros = len(whole) - len(whole.rstrip("0")) if hedged and not fraction and whole.strip("0") else 0
    return Decimal(1).scaleb(int(power or 0) - len(fraction) + zeros)


def _normal_unit(unit: str) -> str:
    word = unit.strip().replace("²", "2").replace("^", "")
    return next((known for start, known in _WRITTEN_UNITS if word.startswith(start)), word)

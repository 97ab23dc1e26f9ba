"""Patterns of what captions say besides landforms, and what value each of them states.

They read the normalised text that `claims` makes: landforms are marks such as ``@0``, units are ``km``,
``m``, ``°`` and ``%``, compass words are ``N``, ``NE``... The patterns are tried in order, and what one has
matched is gone for those after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Value = float | str | tuple[float, float] | None

_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
NUMBERS = {word: float(n) for n, word in enumerate(_WORDS.split())} | {
    "fifteen": 15.0,
    "twenty": 20.0,
    "thirty": 30.0,
    "forty": 40.0,
    "fifty": 50.0,
    "sixty": 60.0,
}
_POINT_NAMES = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW"
POINTS = tuple(_POINT_NAMES.split())
POINT_DEG = {point: 22.5 * n for n, point in enumerate(POINTS)}

_NUM = rf"(?<![@\d])(-?\d+(?:\.\d+)?|{'|'.join(NUMBERS)})"  # the number of a mark is none
_ABOUT = (
    r"(?:(?:about|some|roughly|approximately|around|nearly|almost|circa|ca|close to|just over|just under"
    r"|over|an estimated|an?|at|of|is|near|perhaps|or so) )*"
)
_D = r"(?:NE|NW|SE|SW|N|S|E|W)"
_D16 = rf"(?:{'|'.join(sorted(POINTS, key=len, reverse=True))})"
_TREND = (
    r"(?:trending|trends?|strikes?|striking|oriented|orientated|orientation|aligned|alignment|running|runs?"
    r"|extending|elongated|stretching|azimuth|heading|directed|lineation|grain)"
)
_LINK = (
    r"(?: (?:roughly|approximately|about|nearly|generally|mainly|from|along|in|at|an?|the|of|azimuth"
    r"|direction|axis|is|near|around|to))*"
)
_OF_IMAGE = r"(?: (?:of|in) (?:the |this )?(?:image|area|patch))?"
_PART = (
    r"(?: (?:part|edge|side|half|corner|margin|boundary|fringe|third|quadrant|portion|section|end"
    r"|sector|border|area))?"
)
_HAND = {"upper": "N", "top": "N", "lower": "S", "bottom": "S", "left": "W", "right": "E"}
_HANDS = r"(?:(?:upper|top|lower|bottom)(?: (?:left|right))?|left|right)"
_IN = r"(?:(?:in|at|near|along|toward|towards|on|close to|occupying|to|hugging|up|against) )"
_BAND = (
    r"equatorial|equator|tropics|tropical|low|lower|mid|middle|midlatitudes?|intermediate|temperate"
    r"|high|polar|pole|arctic|antarctic|circumpolar"
)
_SIZE_ADJ = r"(small|little|tiny|minor|large|big|huge|giant|major|sizeable|mid sized|medium sized)"
_FRESH_ADJ = (
    r"(well preserved|pristine|crisp|sharp|fresh|young"
    r"|subdued|worn|eroded|degraded|softened|muted|old|ancient)"
)
_COUNTED = (
    rf"(?<!@)({'|'.join(NUMBERS)}|\d+|several|numerous|many|multiple|dozens of|a pair of|a couple of|a few"
    r"|a group of|a cluster of|a single)"
)
_FREE = r"(?: (?!and |or |with |of |in |on |at )[a-z]+){0,2}"
# Between a number and its landform stand only words of this kind: "one recognises craters" counts nothing.
_ADJ = (
    r"(?: (?:dark|bright|isolated|separate|distinct|overlapping|adjacent|other|more|nearby|neighbouring|fine"
    r"|small|smaller|little|tiny|large|larger|big|huge|similar|well|preserved|pristine|crisp|sharp|fresh|young"
    r"|subdued|worn|eroded|degraded|softened|old|ancient|shallow|deep|broad|narrow|parallel|long|short)){0,3}"
)
_LEVEL = r"(?:datum|areoid|zero level|reference level|mean level|reference surface)"

# In this order: what is matched is gone for the patterns after it.
PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "gaps%",
            rf"\b{_ABOUT}{_NUM} % (?:of (?:the |this )?\w+ )?(?:is |are |has |have )?(?:missing|nodata|"
            rf"no data|without data|unobserved|empty|gaps?)\b",
        ),
        (
            "no_gaps",
            r"\b(?:no|without|free of)(?: any)? (?:data )?gaps\b|\bcomplete coverage\b|\bfully covered\b",
        ),
        (
            "gaps",
            r"\b(?:(?:in|with|has|and) )?(?:data gaps?|gaps? in the \w+|missing (?:data|pixels|parts?|"
            r"strips?)|no data|nodata|part of the image (?:is )?missing|partly missing)\b",
        ),
        ("contrast", r"\b(?:(?:in|with) (?:an? )?)?(low|weak|poor|high|strong) contrast(?: image)?\b"),
        (
            "distance",
            rf"\b{_ABOUT}{_NUM} (km|m) (?:(?:to the )?{_D} )?(?:away )?(?:from|of|off)(?: the)?(?: "
            rf"nearest)? @(\d+)",
        ),
        ("azimuth_pair", rf"\b{_TREND}{_LINK} ({_D16})(?: (?:to|and|through)(?: the)? | )({_D16})\b"),
        ("azimuth_pair", rf"\b({_D16})(?: to | )({_D16}) {_TREND}\b"),
        ("azimuth_quadrant", rf"\b(?:{_TREND}{_LINK} )?N (\d+)(?: °)? (E|W)\b"),
        (
            "azimuth",
            rf"\b{_TREND}{_LINK} {_NUM}(?: °)?(?! k?m\b)(?: (?:E of N|from N|clockwise(?: from N)?)"
            rf")?",
        ),
        ("azimuth_pair", rf"\b{_TREND}{_LINK} ({_D16})()(?= |$)"),
        (
            "latitude",
            rf"\b(?:(?:at|near|around|about|from|of|a|latitudes?|lat|\.) )*{_NUM} ° (?:of )?(N|S)\b(?: "
            rf"latitude| of the equator)?",
        ),
        (
            "latitude",
            rf"\b(?:(?:at|near|a|the) )*(?:latitude|lat)(?: \.)? {_ABOUT}{_NUM}(?![.\d]| k?m\b)(?: °)?()",
        ),
        ("longitude", rf"\b(?:(?:at|near|around|longitude|lon) )*{_NUM} ° (E|W)\b(?: longitude)?"),
        ("hemisphere", r"\b(N|S) of the equator\b"),
        (
            "band",
            rf"\b(?<!far from the )(?<!away from the )(?:(?:in|at|from|within|near|close to|around|"
            rf"by|of|not far from) )?(?:the )?(?:(N|S) )?(?:({_BAND})(?: (N|S))? (?:latitudes?|region|"
            rf"regions|zone|belt|band|area|terrain|plains|cap|circle)|(equator|equatorial|tropics|tropical|"
            rf"midlatitudes?|poles?|arctic|antarctic|polar|circumpolar))(?: (?:of|in) the (N|S)(?: "
            rf"hemisphere)?)?\b",
        ),
        (
            "hemisphere",
            r"\b(?:(?:in|of|on|from) )?(?:the )?(N|S) (?:hemisphere|highlands|lowlands|latitudes?|"
            r"hemispheric)\b",
        ),
        (
            "elevation",
            rf"\b(?:(?:at|with) )?(?:an? )?(?:mean |average )?(?:elevations?|altitude|height) {_ABOUT}{_NUM} "
            rf"(km|m)\b(?: (above|below)(?: the)? {_LEVEL})?",
        ),
        ("elevation", rf"\b{_ABOUT}{_NUM} (km|m) (above|below|under)(?: the)? {_LEVEL}\b"),
        ("datum", rf"\b(above|below|under)(?: the)? {_LEVEL}\b"),
        (
            "relief",
            rf"\b(?:with )?{_ABOUT}{_NUM} (km|m) of relief\b|\b(?:with )?(?:a )?relief {_ABOUT}{_NUM} "
            rf"(km|m)\b",
        ),
        (
            "flat",
            r"\b(?:(?:on|in|with|across|of) )?(?:level ground|flat (?:ground|terrain|area|land)|little "
            r"relief|low relief|gentle slopes?|gently sloping(?: ground| terrain)?)",
        ),
        (
            "rugged",
            r"\b(?:(?:on|in|with|across) )?(?:rugged|steep|mountainous|hilly|rough)(?: ,)?(?: (?:steep|"
            r"rough))?(?: (?:ground|terrain|area|slopes?))?\b",
        ),
        ("backdrop", r"\bon a flat surface\b|\bin otherwise plain terrain\b"),
        (
            "size",
            rf"(?: ,)?\b{_ABOUT}(?:(?:measuring|spanning) )?{_ABOUT}{_NUM} (km|m) (?:across|wide|broad|"
            rf"large|big|long|in (?:size|diameter|width|extent|length)|(?:from )?rim to rim)\b",
        ),
        (
            "size",
            rf"\b(?:(?:with|of|has|having) )?(?:an? )?(?:diameter|width|size|extent|breadth|span|length)"
            rf" {_ABOUT}{_NUM} (km|m)\b",
        ),
        ("size", rf"\b(?:measuring|measures|spanning|spans) {_ABOUT}{_NUM} (km|m)\b"),
        (
            "size_before",
            rf"\b{_NUM} (km|m)(?: (?:wide|diameter|sized|scale|size|long|large))?{_FREE} (?=@(\d+))",
        ),
        (
            "size",
            rf"(?:, |\bof )?\b{_ABOUT}{_NUM} (km)\b(?! (?:from|away|apart|{_D}|tiles?|image|resolution))",
        ),
        (
            "huge",
            r"(?: (?:that|which))? ?\b(?:fill(?:ing|s)|tak(?:ing|es) up|cover(?:ing|s)|dominat(?:ing|"
            r"es))(?: (?:most|nearly all|almost all|the whole|all) of)? the image\b",
        ),
        ("count", rf"\b{_COUNTED}{_ADJ} (?=@(\d+))"),
        ("size_word", rf"\b{_SIZE_ADJ}{_FREE} (?=@(\d+))"),
        ("freshness", rf"\b{_FRESH_ADJ}{_FREE} (?=@(\d+))"),
        (
            "side",
            rf"\b(?:(?:lying|located|situated|seen|visible|found) )?{_IN}(?:or near )?(?:the |its )"
            rf"?(?:far |very |extreme )?(?:(?:most )?({_D})(?! of @)\b{_PART}|({_HANDS})(?: hand)?{_PART})"
            rf"{_OF_IMAGE}",
        ),
        (
            "centre",
            rf"\b(?:(?:lying|located|situated|seen) )?(?:{_IN}|around )(?:the |its )?(?:very )?(?:centre|"
            rf"middle|heart|central part)\b{_OF_IMAGE}|\bcentred(?: (?:in|on) the image)?\b",
        ),
        ("side", rf"\b({_D})()(?: (?:part|edge|corner|half|quadrant|margin)){_OF_IMAGE}"),
    )
)
NEGATION = re.compile(
    r"\b(?:no|without|lacking|lacks|free of|devoid of|absence of)(?: any)?(?: signs? of)?"
    r" (?:[a-z]+ ){0,2}@\d+(?:(?: ,| or| and| nor)+ @\d+)*"
)
BEHIND = re.compile(
    r"\b(?:on|in otherwise|amid|amidst|across|within|among|surrounded by|surrounding|onto|over|cutting)"
    r"(?: the)?$"
)

ATTRIBUTES = ("count", "size", "size_word", "freshness", "side", "azimuth", "distance")
Read = Iterator[tuple[str, Value, int | None]]


def _number(text: str) -> float:
    return NUMBERS[text] if text in NUMBERS else float(text)


def _km(number: str, unit: str) -> float:
    return _number(number) * (1.0 if unit == "km" else 0.001)


def _read_distance(match: re.Match[str]) -> Read:
    yield "distance", _km(match[1], match[2]), int(match[3])


def _read_size(match: re.Match[str]) -> Read:
    yield "size", _km(match[1], match[2]), None


def _read_size_before(match: re.Match[str]) -> Read:
    yield "size", _km(match[1], match[2]), int(match[3])


def _read_azimuth_pair(match: re.Match[str]) -> Read:
    yield "azimuth", POINT_DEG[match[1]] % 180.0, None


def _read_quadrant(match: re.Match[str]) -> Read:
    yield "azimuth", float(match[1]) * (1 if match[2] == "E" else -1) % 180.0, None


def _read_azimuth(match: re.Match[str]) -> Read:
    yield "azimuth", _number(match[1]) % 180.0, None


def _read_latitude(match: re.Match[str]) -> Read:
    yield "latitude", _number(match[1]) * (-1 if match[2] == "S" else 1), None


def _read_longitude(match: re.Match[str]) -> Read:
    yield "longitude", _number(match[1]) * (-1 if match[2] == "W" else 1), None


_BANDS = {
    **dict.fromkeys(("equator", "equatorial"), "equatorial"),
    **dict.fromkeys(("tropic", "tropical"), "tropical"),
    **dict.fromkeys(("low", "lower"), "low"),
    **dict.fromkeys(("high", "pole", "polar", "circumpolar", "arctic", "antarctic"), "high"),
}


def _read_band(match: re.Match[str]) -> Read:
    word = (match[2] or match[4]).removesuffix("s")
    yield "band", _BANDS.get(word, "middle"), None
    side = match[1] or match[3] or match[5] or {"arctic": "N", "antarctic": "S"}.get(word)
    if side:
        yield "hemisphere", side, None


def _read_hemisphere(match: re.Match[str]) -> Read:
    yield "hemisphere", match[1], None


def _read_elevation(match: re.Match[str]) -> Read:
    yield "elevation", 1000.0 * _km(match[1], match[2]) * (1 if match[3] in (None, "above") else -1), None


def _read_datum(match: re.Match[str]) -> Read:
    yield "datum", "above" if match[1] == "above" else "below", None


def _read_relief(match: re.Match[str]) -> Read:
    yield "relief", 1000.0 * _km(match[1] or match[3], match[2] or match[4]), None


def _read_gaps_share(match: re.Match[str]) -> Read:
    yield "gaps", _number(match[1]) / 100.0, None


def _read_contrast(match: re.Match[str]) -> Read:
    yield "contrast", "high" if match[1] in ("high", "strong") else "low", None


_MANY = {"several": (3.0, 99.0), "numerous": (4.0, 999.0), "many": (4.0, 999.0), "multiple": (2.0, 999.0)}
_MANY |= {"a pair of": (2.0, 2.0), "a couple of": (2.0, 2.0), "a few": (2.0, 6.0), "a single": (1.0, 1.0)}
_MANY |= {"a group of": (2.0, 999.0), "a cluster of": (2.0, 999.0), "dozens of": (12.0, 999.0)}


def _read_count(match: re.Match[str]) -> Read:
    yield "count", _MANY.get(match[1]) or (_number(match[1]), _number(match[1])), int(match[2])


def _read_size_word(match: re.Match[str]) -> Read:
    small, mid = ("small", "little", "tiny", "minor"), ("mid sized", "medium sized")
    word = "small" if match[1] in small else "middle" if match[1] in mid else "large"
    yield "size_word", word, int(match[2])


def _read_freshness(match: re.Match[str]) -> Read:
    fresh = ("well preserved", "pristine", "crisp", "sharp", "fresh", "young")
    yield "freshness", "fresh" if match[1] in fresh else "worn", int(match[2])


def _read_side(match: re.Match[str]) -> Read:
    if match[1]:
        yield "side", match[1], None
        return
    parts = {_HAND[word] for word in match[2].split() if word in _HAND}
    yield "side", "".join(d for d in "NSEW" if d in parts), None


def _plain(kind: str, value: Value) -> Callable[[re.Match[str]], Read]:
    def read(match: re.Match[str]) -> Read:
        yield kind, value, None

    return read


READERS = {
    "gaps%": _read_gaps_share,
    "no_gaps": _plain("gaps", 0.0),
    "gaps": _plain("gaps", None),
    "contrast": _read_contrast,
    "distance": _read_distance,
    "azimuth_pair": _read_azimuth_pair,
    "azimuth_quadrant": _read_quadrant,
    "azimuth": _read_azimuth,
    "latitude": _read_latitude,
    "longitude": _read_longitude,
    "band": _read_band,
    "hemisphere": _read_hemisphere,
    "elevation": _read_elevation,
    "datum": _read_datum,
    "relief": _read_relief,
    "flat": _plain("slope", "flat"),
    "rugged": _plain("slope", "rugged"),
    "backdrop": _plain("backdrop", None),
    "size": _read_size,
    "size_before": _read_size_before,
    "huge": _plain("size_word", "huge"),
    "count": _read_count,
    "size_word": _read_size_word,
    "freshness": _read_freshness,
    "side": _read_side,
    "centre": _plain("side", "centre"),
}

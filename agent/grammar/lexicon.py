"""The words of the offline grammar: numbers, units, landforms, places and their spelling.

`normalise` brings typed text into one canonical form, case kept; a `Lexicon` finds landforms and places in
it. Everything is deterministic, and nothing here knows what a sentence is.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from agent.grammar.query import Item
from prompts import Term

# Names of files, tiles, layers and columns and quoted phrases are data: they keep their hyphens and digits.
PICTURES = ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff")
CATALOGUES = ("csv", "tsv", "tab", "txt", "geojson", "json", "gpkg", "shp", "kmz", "kml", "parquet", "zip")
FILE = rf"[\w][\w.-]*\.(?:{'|'.join(PICTURES + CATALOGUES)})\b"
TILE = r"\b\d+(?:\.\d+)?km-r\d+c\d+\b"
COLUMN = r"\b[A-Za-z]\w*_\w+(?= ?(?:[<>!]=?|=))"
PROTECTED = re.compile(rf'("[^"\n]{{1,200}}"|{FILE}|{TILE}|{COLUMN})', re.IGNORECASE)


def words(text: str) -> frozenset[str]:
    """The words of a list that is written as running text."""
    return frozenset(text.split())


_ONES: tuple[str, ...] = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
)
_ONES += ("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {word: value for value, word in enumerate(_ONES)}
_VALUES |= {word: 10 * (place + 2) for place, word in enumerate(_TENS)} | {"a": 1, "fourty": 40}
_UNIT_WORD = r"(?:km|kilomet|mile|met(?:re|er)|degree|deg\b|tile|percent|per cent)"
_ONE = rf"(?:{'|'.join(_ONES[1:10])})\b"
_TEN = rf"(?:{'|'.join(_TENS)}|fourty)\b"
_SMALL = rf"(?:{_TEN}(?:[ -]{_ONE})?|(?:{'|'.join(reversed(_ONES))})\b)"
_UP_TO_99 = rf"(?:{_SMALL}|a\b)"
_HUNDREDS = rf"(?:{_UP_TO_99} hundred\b(?:(?: and)? {_SMALL}(?! hundred\b))?)"
_LAST_HUNDREDS = rf"(?:{_UP_TO_99} hundred\b(?:(?: and)? {_SMALL}(?! (?:hundred|thousand)\b))?)"
_LAST_SMALL = rf"{_SMALL}(?! (?:hundred|thousand)\b)"
_BELOW_MILLION = (
    rf"(?:(?:{_HUNDREDS}|{_UP_TO_99}) thousand\b(?:(?: and)? (?:{_LAST_HUNDREDS}|{_LAST_SMALL}))?)"
)
_NUMBER_WORDS = re.compile(rf"\b(?:{_BELOW_MILLION}|{_LAST_HUNDREDS}|{_LAST_SMALL})", re.IGNORECASE)


_SIGNED = r"[-+]?\d+(?:\.\d+)?"


def _nautical(match: re.Match[str]) -> str:
    return f"{float(match[1]) * 1.852:g} km"


_REWRITES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"\b(?:square|sq\.?) ?(?:kilomet(?:er|re)s?|kms?)\b|\bkm ?\^ ?2\b", "km2"),
        (r"\bhalf an? ", "0.5 "),
        (rf"\b(within|than|of|about|most|least|to|under|over|every|for) (?:a|an) (?={_UNIT_WORD})", r"\1 1 "),
        (r"(?<![\d.] )\ba (?=kilomet|mile\b|km\b)", "1 "),
        (rf"(?<!\d )\bhundred (?={_UNIT_WORD})", "100 "),
        (r"(?:\+ ?/? ?-|±|\bplus(?: or |/)minus) ?(?=\d)", "± "),
        (r"(\d) point (\d)", r"\1.\2"),
        (r"\bminus (?=\d)", "-"),
        (r"\b(and|to|or|than) plus (?=\d)", r"\1 "),
        (r"(?<![\d.,])(\d+),(\d{1,2})(?![\d,])(?=\s*(?:km|kilo|mi|m\b|deg|°|%|percent|$))", r"\1.\2"),
        (r"(?<![\d.,])0,(\d+)(?![\d,])", r"0.\1"),
        (r"\b(lat|long?)(?:itude|gitude)?\.? ?[=:] ?(?=[-+]?\d)|\b(lat|long?)\. ?(?=[-+]?\d)", r"\1\2 "),
        (r"(\d) ?(?:st|nd|rd|th)\b(?=[^.?!]{0,30}\b(?:parallel|meridian))", r"\1 degrees"),
        (r"\b(parallel|degrees) (north|south)\b(?= parallel)|\bparallels? (north|south)\b", r"\2\3 parallel"),
        (r"(?-i:\bN of) (?=\d|the equator)", "north of "),
        (r"(?-i:\bS of) (?=\d|the equator)", "south of "),
        (
            rf"\b(lat|lon)[a-z]*(?: (?:in|between|from|within))? ?[=:]? ?[\[(]({_SIGNED}) ?[,;:] "
            rf"?({_SIGNED})[\])]",
            r"\1 \2 to \3",
        ),
        (r"\babs(?:olute)?(?: value of)? ?\(? ?(?:the )?lat(?:itude)?s?\)?", "|lat|"),
        (r"(\d ?°?(?: ?[nsew])?)\s*(?:\.\.+|…)\s*(?=[-+]?\d)", r"\1 to "),
        (
            rf"(?<!lat[ ,/])(?<!lon[ ,/])(?<!long[ ,/])(?<!lat, )(?<!lon, )(?<!tude[ ,/])(?<!tude, )(?<!and )"
            rf"\b(lat|long?)(?:itude)?s? ({_SIGNED})(?: |, ?| ?/ ?)({_SIGNED})(?![\d.])(?! ?(?:km|m|mi)\b)",
            r"\1 \2 to \3",
        ),
        (r"(\d)\s*(?:°|º)\s*", r"\1 degrees "),
        (r"(\d)\s*-?(?:degrees?|degs?)\b\.?", r"\1 degrees"),
        (r"(\d)\s*(?:%|per ?cent)", r"\1 percent"),
        (r"(\d)\s*-?(?:kilomet(?:er|re)s?|kms?)\b", r"\1 km"),
        (r"(\d)\s*-?(?:met(?:er|re)s?|m)\b", r"\1 m"),
        (r"(\d+(?:\.\d+)?)\s*-?(?:nautical miles?|nmi|nm)\b", _nautical),
        (r"(\d)\s*-?(?:miles?|mi)\b", r"\1 mi"),
        (r"(\d)\s*-?(?:feet|foot|ft)\b", r"\1 ft"),
        (r"(\d)\s*-?tiles?\b", r"\1 tiles"),
        (r"(\d(?: degrees)?) ?n(?:orth)?\b", r"\1 north"),
        (r"(\d(?: degrees)?) ?s(?:outh)?\b", r"\1 south"),
        (r"(\d(?: degrees)?) ?e(?:ast)?\b", r"\1 east"),
        (r"(\d(?: degrees)?) ?w(?:est)?\b", r"\1 west"),
        (
            r"(?<![\w.-])(-?\d+(?:\.\d+)?)( (?:degrees|km|m))?( (?:north|south|east|west))?"
            r" ?(?:-|–|—) ?(?=-?\d+(?:\.\d+)?(?![\w-]))",
            r"\1\2\3 to ",
        ),
        (r"^(?:are|is|do|does|did|have|has|was|were|can)n['’]?t\b", ""),
        (r"\b(?:ca|wo)n['’]t\b|\bcannot\b|n['’]t\b", " not"),
        (r"['’]s?\b", ""),
        (r"(?<=[^\W\d_])[-–/](?=[^\W\d_])|_", " "),
        (r"\belevs?\b\.?(?! ?[-+<>=\d])", "elevation"),
        (r"^(?:lats?|latitudes?)\.?(?=:)", "latitude"),
        (r"[^\S\n]+", " "),
    )
)
# "12,500", and before a unit of length "12 500" and "12'500" as well.
_THOUSANDS = re.compile(
    r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])"
    r"|(?<![\d.,])(?<![\d.,] )\d{1,3}(?:[ '’]\d{3})+(?= ?(?:k?m|met(?:er|re)s?|kilomet(?:er|re)s?|ft|"
    r"feet)\b)",
)
_DASHES = str.maketrans(
    {
        "≥": ">=",
        "≤": "<=",
        "−": "-",
        "‐": "-",
        "‑": "-",
        "‒": "-",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
    }
)
_SINGLE_QUOTED = re.compile(r"(?<!\w)['‘]([^'’\n]{2,100})['’](?!\w)")
WORD = re.compile(r"[^\W\d_]+")


def normalise(text: str) -> str:
    """Canonical form: ASCII dashes and quotes, numbers in digits, one spelling of each unit, spaces for
    hyphens between letters. Case is kept, as are names of files and tiles and quoted phrases.
    """
    ascii_marks = unicodedata.normalize("NFKC", text).translate(_DASHES)
    parts = PROTECTED.split(_SINGLE_QUOTED.sub(r'"\1"', ascii_marks))
    return "".join(part if odd % 2 else _rewrite(part) for odd, part in enumerate(parts)).strip()


def number_words(text: str) -> str:
    """Write numbers that are spelled out, up to a million, in digits: ``forty-five`` -> ``45``.

    A lone "one" stays a word unless a unit follows: it is mostly a pronoun.
    """

    def digits(match: re.Match[str]) -> str:
        words = match[0].lower()
        follows = rf"[ -](?:(?:to|and|or) (?:\d+|{_SMALL})[ -])?{_UNIT_WORD}"
        if words == "one" and not re.match(follows, text[match.end() :], re.IGNORECASE):
            return match[0]
        return str(_value(words))

    return _NUMBER_WORDS.sub(digits, text)


def stem(word: str) -> str:
    """Fold plural and case so that both sides of a comparison agree; not a linguist's stem."""
    lower = word.lower().replace("grey", "gray").replace("aeol", "eol").replace("palaeo", "paleo")
    for ending, singular in (("ies", "y"), ("oes", "o"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss")):
        if lower.endswith(ending) and len(lower) > len(ending) + 1:
            return lower.removesuffix(ending) + singular
    return lower[:-1] if len(lower) > 3 and lower.endswith("s") and not lower.endswith("ss") else lower


class Lexicon:
    """Finds the landforms of a glossary and the places of a gazetteer in normalised text.

    Parameters
    ----------
    glossary
        The landforms.
    places
        Names of places on the body.
    grammar_words
        Words that the grammar uses: never corrected, never part of a free phrase.
    """

    def __init__(
        self, glossary: Sequence[Term], places: Sequence[str], grammar_words: frozenset[str]
    ) -> None:
        self.grammar_words = grammar_words
        self.by_key = {term.key: term for term in glossary}
        self._phrases: dict[tuple[str, ...], Term] = {}
        for term in glossary:
            for name in (term.key, term.term, term.plural, *term.synonyms):
                stems = _stems(name)
                self._phrases.setdefault(stems, term)
                if len(stems) > 2:  # "crater with fluidized ejecta" for "fluidized-ejecta crater"
                    self._phrases.setdefault((stems[-1], "with", *stems[:-1]), term)
        self._longest = max((len(phrase) for phrase in self._phrases), default=0)
        self._landform_words = {word for phrase in self._phrases for word in phrase}
        written = {word for name in self._names() for word in WORD.findall(normalise(name).lower())}
        self._spellings = sorted(
            w for w in {*_OFTEN_MISTYPED, *self._landform_words, *written} if len(w) >= 5
        )
        self._places: dict[tuple[str, ...], list[str]] = {}
        for name in places:
            words = _plain_words(name)
            for length in range(1, len(words) + 1):
                self._places.setdefault(words[:length], []).append(name)
        self._place_words = {word for key in self._places for word in key}
        self._longest_place = max((len(name) for name in self._places), default=0)

    def landform(self, words: Sequence[str]) -> tuple[int, Item] | None:
        """The longest landform at the start of ``words``, with words of appearance before it.

        Returns
        -------
        How many words it takes, and what to search for.
        """
        before = 0
        while True:
            found = self._phrase(words[before:])
            if found:
                length, term = found
                looks = [word.lower() for word in words[:before]]
                # "fresh simple crater" already says fresh.
                looks = [word for word in looks if word not in term.term.split()]
                text, plural = " ".join([*looks, term.term]), " ".join([*looks, term.plural])
                return before + length, Item(kind="words", text=text, plural=plural, key=term.key)
            if before >= len(words) or words[before].lower() not in APPEARANCE:
                return None
            before += 1

    def free_phrase(self, words: Sequence[str]) -> tuple[int, Item] | None:
        """Up to four words that end in the name of a surface feature, such as "honeycomb ridges"."""
        last = 0
        for length, word in enumerate(words[:4], start=1):
            if word.lower() in self.grammar_words:
                break
            last = length if stem(word) in HEADS else last
        if not last:
            return None
        text = " ".join(words[:last]).lower()
        return last, Item(kind="words", text=text, plural=text)

    def place(self, words: Sequence[str]) -> tuple[int, list[str]] | None:
        """The longest place name at the start of ``words``: how many words, and the places it may mean.

        The first words alone stand for a longer name: ``Hellas`` for Hellas Planitia.
        """
        for length in range(min(self._longest_place, len(words)), 0, -1):
            key = _plain_words(" ".join(words[:length]))
            if key in self._places:
                names = sorted(set(self._places[key]))
                exact = [name for name in names if _plain_words(name) == key]
                return length, exact or names
        return None

    def is_known(self, word: str) -> bool:
        """Whether a word is one of the grammar, a landform, a place, or an ordinary word of appearance."""
        lower, root = word.lower(), stem(word)
        ordinary = lower in self.grammar_words or lower in APPEARANCE
        return ordinary or root in self._landform_words or root in HEADS or lower in self._place_words

    def correct(self, word: str) -> str | None:
        """The landform word that an unknown word was meant to be, if it is close and begins alike."""
        lower = word.lower()
        if not 5 <= len(lower) <= 24:
            return None
        found = _closest(lower, tuple(w for w in self._spellings if w[0] == lower[0]))
        return found if found != lower else None

    def correct_place(self, word: str) -> str | None:
        """The word of a place's name that an unknown word was meant to be."""
        lower = word.lower()
        if not 5 <= len(lower) <= 24:
            return None
        alike = tuple(sorted(w for w in self._place_words if w[0] == lower[0] and len(w) >= 5))
        found = _closest(lower, alike)
        return (found.capitalize() if word[0].isupper() else found) if found and found != lower else None

    def _names(self) -> list[str]:
        return [name for term in self.by_key.values() for name in (term.term, term.plural, *term.synonyms)]

    def _with_part(self, words: Sequence[str]) -> tuple[int, Term] | None:
        """A landform named by its part, in any words: "craters that have a layered ejecta"."""
        joints = [word.lower() for word in words[1:3]]
        if joints[:1] and joints[0] in _HAVING:
            start = 2
        elif len(joints) == 2 and joints[0] in _THAT and joints[1] in _HAVE:
            start = 3
        else:
            return None
        start += bool(words[start:]) and words[start].lower() in ("a", "an", "the", "some")
        stems = [stem(word) for word in words[start : start + self._longest]]
        for count in range(len(stems), 1, -1):
            if term := self._phrases.get((stem(words[0]), "with", *stems[:count])):
                return start + count, term
        return None

    def _phrase(self, words: Sequence[str]) -> tuple[int, Term] | None:
        if with_part := self._with_part(words):
            return with_part
        stems = [stem(word) for word in words[: self._longest]]
        for length in range(len(stems), 0, -1):
            term = self._phrases.get(tuple(stems[:length]))
            if term:
                return length, term
        return None


# By which a thing has a part: "craters that show a central peak" are central-peak craters.
_HAVING = words("with having showing featuring bearing displaying exhibiting possessing")
_THAT, _HAVE = words("that which"), words("have has show shows feature features possess possesses bear bears")

# What an image-text model can see of a landform, and a reader may put before its name.
APPEARANCE = words(
    "large small big huge giant tiny fresh young old degraded eroded dark bright deep shallow buried "
    "isolated long short sinuous straight narrow wide broad circular round elongated steep smooth rough "
    "dense sparse parallel curved arcuate branching raised layered polygonal overlapping clustered linear "
    "dusty icy rocky sandy volcanic tectonic glacial fluvial aeolian eolian sharp subdued flat crisp "
    "irregular regular"
)

_OFTEN_MISTYPED = words(
    "within without between degrees equator equatorward poleward latitude hemisphere northern southern "
    "export aligned orientation elevation kilometres"
)

# Nouns that may head a free phrase: things one can see from orbit.
HEADS = frozenset(
    stem(word)
    for word in words(
        "ridge hill mound hollow pit depression trough groove furrow fracture crack streak stripe spot "
        "honeycomb deposit mantle terrain texture step slab block slope lobe tongue alcove island swell dome "
        "spire pinnacle hole opening cavity chain bedrock outcrop rock sediment sand dust snow glacier "
        "moraine cirque tail swirl ring arc knob plateau highland lowland shore coast oxbow meander levee "
        "bar spit gorge ravine"
    )
)


@lru_cache(maxsize=4)
def lexicon(glossary: tuple[Term, ...], places: tuple[str, ...], grammar_words: frozenset[str]) -> Lexicon:
    """The lexicon of a glossary and a gazetteer; made once, as it never changes."""
    return Lexicon(glossary, places, grammar_words)


def _rewrite(text: str) -> str:
    text = number_words(re.sub(r"[^\S\n]+", " ", text))
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def _value(words: str) -> int:
    total = current = 0
    for word in re.split(r"[ -]", words):
        if word == "hundred":
            current *= 100
        elif word == "thousand":
            total, current = current * 1000, 0
        elif word != "and":
            current += _VALUES[word]
    return total + current


def _stems(name: str) -> tuple[str, ...]:
    return tuple(stem(word) for word in WORD.findall(normalise(name)))


def _plain_words(name: str) -> tuple[str, ...]:
    letters = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in letters if not unicodedata.combining(c) and c not in "'’")
    return tuple(WORD.findall(plain.casefold()))


@lru_cache(maxsize=1024)
def _closest(word: str, spellings: tuple[str, ...]) -> str | None:
    for spelling in spellings:  # two letters swapped: common, and worse for the ratio than it looks
        if len(spelling) == len(word) and sorted(spelling) == sorted(word):
            return spelling
    found = difflib.get_close_matches(word, spellings, n=1, cutoff=0.84)
    return found[0] if found else None

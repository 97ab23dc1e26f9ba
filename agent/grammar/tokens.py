"""Normalised text -> a list of tokens.

At each position the first rule that fits wins: names (files, tiles, layers), landforms, limits, the table of
phrases, bodies, places, free phrases, filler words. Misspelled landforms are put right first. What is left
over becomes a ``word`` token, and an answer says that it was not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from agent.grammar.chance.association import SIGN_WORDS
from agent.grammar.chance.processes import process_named, process_words
from agent.grammar.lexicon import APPEARANCE, FILE, HEADS, PICTURES, PROTECTED, TILE, WORD, Lexicon, stem
from agent.grammar.limits.conditions import CONDITIONS, quantity_named
from agent.grammar.limits.edges import latitude
from agent.grammar.limits.regions import REGIONS
from agent.grammar.phrases import FILLER, RULES, SIGN_RULES, WRONG_TO_USE
from agent.grammar.query import Item

MILE_KM = 1.609344
FOOT_KM = 0.0003048
_MOST_CORRECTIONS = 40


@dataclass(frozen=True)
class Token:
    """A piece of the question: what it is, as written, its value, and a remark for the answer."""

    kind: str
    text: str
    value: Any = None
    note: str = ""


_BODY_OF = {
    "martian": "mars",
    "lunar": "moon",
    "mercurian": "mercury",
    "venusian": "venus",
    "terrestrial": "earth",
}
_BODIES = (*_BODY_OF, *_BODY_OF.values(), "lowell", "pluto", "ceres", "vesta", "titan", "europa", "ganymede")
_BODIES += ("callisto", "enceladus", "triton", "charon", "phobos", "deimos", "io")
_BODIES += ("jupiter", "saturn", "uranus", "neptune")
_BODY = re.compile(rf"(?:the )?(?:{'|'.join(_BODIES)})\b", re.IGNORECASE)
_LAYER = re.compile(r"\[?\b(L\d{1,6})\b\]?")
_QUOTED = re.compile(r'"([^"\n]{1,200})"')
_FILE = re.compile(FILE, re.IGNORECASE)
_TILE = re.compile(TILE, re.IGNORECASE)
_LONLAT = re.compile(r"\(?(-?\d{1,3}(?:\.\d+)?)\s*,\s*(-?\d{1,2}(?:\.\d+)?)\)?(?![\d.])")
_PAIR = re.compile(
    r"\(?\s*(-?\d{1,3}(?:\.\d+)?)(?: degrees)?\s*[,/;]\s*(-?\d{1,3}(?:\.\d+)?)(?: degrees)?\s*\)?(?![\d.])"
)
_DISTANCES = ("near_km", "without_km", "ring_km")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?: (?:km|mi|m|ft|degrees|percent|tiles)\b)?")
_UNKNOWN = re.compile(r"[^\W_]+")
_BREAK = re.compile(r"[.?!;:\n]+(?=\s|$)|\n")
_BEFORE_NAME = re.compile(r"\b(?:in|inside|within|at|near|on|of|around|from|to|outside|by) $", re.IGNORECASE)
_AFTER_PLACE = re.compile(
    r"\s*(?:impact )?(?:crater|basin|volcano|region|area|quadrangle|canyon|province)\b"
    r"(?! (?:walls?|floors?))",
    re.IGNORECASE,
)
_BEFORE_PLACE = {
    "weak",
    "near",
    "near_km",
    "without_km",
    "away",
    "same",
    "side",
    "without",
    "and",
    "or",
    "not",
}

_LEFT_BEHIND = {"sediment", "deposit", "sand", "dust"}


def tokenise(text: str, lexicon: Lexicon, tile_km: float, *, signs: bool = False) -> list[Token]:
    """Split normalised text into tokens.

    Parameters
    ----------
    tile_km
        Width of a tile, for distances given in tiles.
    signs
        Read the words of `agent.grammar.chance.association.SIGNS` and processes too.
    """
    text, tokens = corrected(text, lexicon)
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
        elif found := _read(text, position, tokens, lexicon, tile_km, signs):
            token, length = found
            tokens.append(token)
            position += max(1, length)
        else:
            match = _UNKNOWN.match(text, position)
            unknown = match[0] if match else text[position]
            tokens.append(Token("word" if unknown[0].isalnum() else "sign", unknown))
            position += len(unknown)
    return tokens


def slot_at(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    """A thing, a place or a limit at a position, and how many characters it takes; no other words."""
    readers = (_read_name, _read_full_place, _read_landform, _read_region, _read_place, _read_free_phrase)
    for reader in readers:
        found = reader(text, position, before, lexicon)
        if found and found[0].kind in ("item", "place", "region"):
            return found
    return None


def corrected(text: str, lexicon: Lexicon, right: frozenset[str] = frozenset()) -> tuple[str, list[Token]]:
    """Misspelled landforms put right, each with a remark; only so many, as every look-up costs time.

    Parameters
    ----------
    right
        Further words that are no misspellings.
    """
    notes: list[Token] = []
    looked_up = 0

    def correct(match: re.Match[str]) -> str:
        nonlocal looked_up
        known = match[0].lower() in right or _is_ordinary(match[0], lexicon)
        if looked_up >= _MOST_CORRECTIONS or known:
            return match[0]
        looked_up += 1
        better = lexicon.correct(match[0])
        if not better and (match[0][0].isupper() or _BEFORE_NAME.search(match.string, 0, match.start())):
            better = lexicon.correct_place(match[0])
        if better:
            notes.append(Token("note", "", note=f"I read “{match[0]}” as “{better}”"))
        return better or match[0]

    parts = PROTECTED.split(text)
    return "".join(part if odd % 2 else WORD.sub(correct, part) for odd, part in enumerate(parts)), notes


def _is_ordinary(word: str, lexicon: Lexicon) -> bool:
    phrase = any(pattern.fullmatch(word) for _, pattern in RULES) or _BODY.fullmatch(word)
    sign = word.lower() in SIGN_WORDS or process_words().fullmatch(word)
    return bool(phrase or sign) or lexicon.is_known(word)


def _read(
    text: str, position: int, before: list[Token], lexicon: Lexicon, tile_km: float, signs: bool
) -> tuple[Token, int] | None:
    # The first rule that fits at the position: a token and how many characters it takes.
    for reader in (_read_name, _read_full_place, _read_landform, _read_region):
        if found := reader(text, position, before, lexicon):
            return found
    if signs and (found := _read_process(text, position)):
        return found
    for kind, pattern in (*SIGN_RULES, *RULES) if signs else RULES:
        match = pattern.match(text, position)
        if match and match[0].strip() and not _cuts_name(text, match, lexicon):
            return _phrase_token(kind, match, tile_km), match.end() - position
    for reader in (_read_body, _read_place, _read_free_phrase, _read_filler):
        if found := reader(text, position, before, lexicon):
            return found
    return None


def _read_landform(
    text: str, position: int, before: list[Token], lexicon: Lexicon
) -> tuple[Token, int] | None:
    words = _words_at(text, position)
    found = lexicon.landform([word for word, _ in words])
    if not found:
        return None
    length, item = found
    if words[0][0].lower() == "overlapping" and before and before[-1].kind == "item":
        return None  # "polygons overlapping craters" says how they lie
    end = words[length - 1][1]
    # "Valles Marineris" is a name that the gazetteer lacks, not valleys.
    named = bool(before) and before[-1].kind != "break" and text[position].isupper()
    if (
        named
        and words[length:]
        and words[length][0][0].isupper()
        and not _is_ordinary(words[length][0], lexicon)
    ):
        return None
    return Token("item", text[position:end], item), end - position


def _read_full_place(
    text: str, position: int, before: list[Token], lexicon: Lexicon
) -> tuple[Token, int] | None:
    # "Chasma Australe" is a place, though any chasma is a landform.
    if not text[position].isupper():
        return None
    words = _words_at(text, position)
    found = lexicon.place([word for word, _ in words])
    if not found or found[0] < 2:
        return None
    end, names = _numbered(text, words[found[0] - 1][1], found[1])
    # Several whose names differ by their number only are places too: which of them must be asked.
    alike = len({re.sub(r"\W*\d+$", "", name) for name in names}) == 1
    return _place_token(text, position, end, names) if alike else None


def _read_body(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    match = _BODY.match(text, position)
    if not match or lexicon.place([match[0]]):
        return None
    name = match[0].lower().removeprefix("the ")
    return Token("body", match[0], _BODY_OF.get(name, name)), len(match[0])


def _phrase_token(kind: str, match: re.Match[str], tile_km: float) -> Token:
    text, groups = match[0].strip(), match.groupdict()
    if kind in WRONG_TO_USE:
        return Token("unusable", text, note=f"“{text}” was left out: {WRONG_TO_USE[kind]}")
    if groups.get("d"):
        unit = groups["u"] or ""
        factors = {"km": 1.0, "": 1.0, "mi": MILE_KM, "m": 0.001, "ft": FOOT_KM, "tiles": tile_km}
        note = "" if unit else f"A distance without a unit was read as km (“{text}”)"
        value = float(groups["d"]) * factors[unit]
        inner = float(groups["inner"]) * factors[unit] if groups.get("inner") else 0.0
        return Token(kind, text, (round(value, 6), round(inner, 6)), note)
    if groups.get("n"):
        return Token(kind, text, float(groups["n"]))
    if groups.get("q"):
        named = (quantity_named(name) or name.lower() for name in (groups["q"], groups.get("q2")) if name)
        return Token(kind, text, tuple(named))
    return Token(kind, text, groups.get("format"))


def _read_name(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    if match := _QUOTED.match(text, position):
        words = " ".join(match[1].split())
        found = lexicon.landform(words.split())
        item = Item(kind="words", text=words, plural=words)
        if found and found[0] == len(words.split()):
            item = found[1]
        return (Token("item", match[0], item), len(match[0])) if words else None
    if match := _FILE.match(text, position):
        item = Item(kind="catalogue", text=match[0], plural=f"entries of {match[0]}")
        if match[0].lower().rpartition(".")[2] in PICTURES:
            item = Item(kind="example", text=match[0], plural="tiles like the picture")
        return Token("item", match[0], item), len(match[0])
    if match := _TILE.match(text, position):
        item = Item(kind="example", text=match[0].lower(), plural=f"tiles like {match[0].lower()}")
        return Token("item", match[0], item), len(match[0])
    if match := _LAYER.match(text, position):
        return Token("item", match[0], Item(kind="layer", text=match[1], plural=match[1])), len(match[0])
    if before and before[-1].kind in _DISTANCES and (pair := _PAIR.match(text, position)):
        return _pair_token(pair), len(pair[0])
    likes = [token for token in before[-3:] if token.kind == "like"]
    if likes and (match := _LONLAT.match(text, position)):
        example = f"{float(match[1]):g},{float(match[2]):g}"
        return Token(
            "item", match[0], Item(kind="example", text=example, plural=f"tiles like {example}")
        ), len(match[0])
    if match := _BREAK.match(text, position):
        return Token("break", match[0]), len(match[0])
    if text[position] == ",":
        return Token("comma", ","), 1
    return None


def _pair_token(pair: re.Match[str]) -> Token:
    """Two bare numbers behind a distance: longitude first, unless only the other order is possible."""
    lon, lat = float(pair[1]), float(pair[2])
    lon, lat = (lat, lon) if abs(lat) > 90 >= abs(lon) else (lon, lat)
    note = f"“{pair[0].strip()}” was read as longitude {lon:g} and latitude {lat:g}"
    return Token("position", pair[0], (lon, latitude(lat)), note)


def _read_region(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    for kind, pattern, build in (*CONDITIONS, *REGIONS):
        match = pattern.match(text, position)
        made = build(match) if match and not _cuts_landform(text, match, lexicon) else None
        if match and made is not None:
            value, note = made
            return Token(kind, match[0].strip(), value, note), match.end() - position
    return None


def _cuts_landform(text: str, match: re.Match[str], lexicon: Lexicon) -> bool:
    # "the polar layered deposits" is a landform, not a latitude.
    for word in WORD.finditer(text, match.start(), match.end()):
        words = _words_at(text, word.start())
        found = lexicon.landform([name for name, _ in words])
        if found and words[found[0] - 1][1] > match.end():
            return True
    return False


def _cuts_name(text: str, match: re.Match[str], lexicon: Lexicon) -> bool:
    # "with slope streaks" names a landform, no quantity.
    return bool(match.groupdict().get("q")) and _cuts_landform(text, match, lexicon)


def _read_process(text: str, position: int) -> tuple[Token, int] | None:
    match = process_words().match(text, position)
    after = WORD.match(text, match.end() + 1) if match else None
    # "volcanic ridges" is a thing to look for; "flood sediments" is what a flood leaves.
    if not match or (after and stem(after[0]) in HEADS - _LEFT_BEHIND):
        return None
    process = process_named(match[0])
    return (Token("process", match[0], process), len(match[0])) if process else None


def _read_place(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    words = _words_at(text, position)
    found = lexicon.place([word for word, _ in words])
    if not found:
        return None
    length, names = found
    previous = next((t for t in reversed(before) if t.kind not in ("note", "filler")), Token("break", ""))
    word, end = words[0][0], words[length - 1][1]
    named = length > 1 or (word[0].isupper() and bool(before) and before[-1].kind != "break")
    named |= previous.kind in _BEFORE_PLACE and len(word) >= 4
    note = ""
    if not named and _stands_alone(text, position, end, previous, names, lexicon):
        named, note = True, f"“{word}” was read as the place {names[0]}"
    if not named:
        return None
    token, length = _place_token(text, position, *_numbered(text, end, names))
    return Token(token.kind, token.text, token.value, note), length


def _stands_alone(
    text: str, position: int, end: int, previous: Token, names: list[str], lexicon: Lexicon
) -> bool:
    """Whether a lone word without a preposition is a place: "dunes hellas", "Gale: dunes?"."""
    word = text[position:end]
    if len(word) < 4 or len(names) > 1 or word.lower() in lexicon.grammar_words | APPEARANCE:
        return False
    if lexicon.landform([word]) or lexicon.free_phrase([word]):
        return False
    follows = [name for name, _ in _words_at(text, end + 1)] if text[end : end + 1] == " " else []
    before_landform = bool(follows) and lexicon.landform(follows) is not None
    return previous.kind == "item" or before_landform or text[end : end + 1] in (":", ",")


def _numbered(text: str, end: int, names: list[str]) -> tuple[int, list[str]]:
    """Of places whose names differ by a number only the one whose number follows, and where that ends."""
    number = re.compile(r"\s?(\d+)\b").match(text, end)
    if number and len(names) > 1:
        wanted = [name for name in names if re.findall(r"\d+", name)[-1:] == [number[1]]]
        return (number.end(), wanted) if wanted else (end, names)
    return end, names


def _place_token(text: str, position: int, end: int, names: list[str]) -> tuple[Token, int]:
    if after := _AFTER_PLACE.match(text, end):
        end = after.end()
    return Token("place", text[position:end], tuple(names)), end - position


def _read_free_phrase(
    text: str, position: int, before: list[Token], lexicon: Lexicon
) -> tuple[Token, int] | None:
    words = _words_at(text, position)
    plain = [word for word, _ in words]
    found = lexicon.free_phrase(plain)
    if not found or any(lexicon.landform(plain[start:]) for start in range(1, found[0])):
        return None  # "left dark streaks on slopes" ends in a landform of the glossary
    length, item = found
    end = words[length - 1][1]
    note = f"“{item.text}” is not in the glossary, so these words were searched for as they are"
    return Token("item", text[position:end], item, note), end - position


def _read_filler(text: str, position: int, before: list[Token], lexicon: Lexicon) -> tuple[Token, int] | None:
    word = WORD.match(text, position)
    if word and word[0].lower() in FILLER:
        return Token("filler", word[0]), len(word[0])
    match = _NUMBER.match(text, position)
    if not match:
        return None
    unit = match[0].rpartition(" ")[2]
    factors = {"km": 1.0, "mi": MILE_KM, "m": 0.001, "ft": FOOT_KM}
    distance = (float(match[0].split()[0]) * factors[unit], 0.0) if unit in factors else None
    return Token("number", match[0], distance), len(match[0])


def _words_at(text: str, position: int, most: int = 9) -> list[tuple[str, int]]:
    # Words from a position on, with their ends, as far as only spaces part them.
    words: list[tuple[str, int]] = []
    while len(words) < most and (match := WORD.match(text, position)):
        words.append((match[0], match.end()))
        position = match.end()
        if position >= len(text) or text[position] != " ":
            break
        position += 1
    return words

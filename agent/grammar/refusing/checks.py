"""Checks that a question can be meant as it was read: its words, numbers, names and language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.grammar.lexicon import words
from agent.grammar.query import Declined, Query
from agent.grammar.refusing.clauses import YES_NO, clauses, masked, opened
from agent.grammar.tokens import Token

CAN = (
    "where landforms are, near, without or beside others, within limits, how many, how dense, at what "
    "elevations and slopes, and how they are oriented"
)
# "How ADJECTIVE" and "what is the NOUN of" that other parts of the grammar know, or that say where.
ASKABLE = words(
    """
    origin source likelier explanation
    signs sign traces trace indication indications hint hints support reason doubt whereabouts
    coordinates coordinate position positions overview inventory statistics census list tally total
    spread arrangement pattern patterns geography occurrence occurrences prevalence abundance amount
    quantity range setting context neighbours neighbors sum existence presence extent coverage footprint
    centre center nature definition meaning difference purpose name names population frequency ratio lat
    lon lats lons latitude longitude bounds border borders outline area majority minority rest closest
    role importance link tie connection spacing scatter concentration numerous plentiful abundant
    frequent common rare outnumber boundary boundaries limit limits trend trends tendency gap gaps zone
    zones gradient threshold asymmetry preference maximum minimum peak cluster clusters group groups
    cutoff belt belts hotspot hotspots relationship correlation
    dependence part parts portion portions
    """
)
# What is looked for is a word that means nothing here: "are there whales in the lakes".
_HEAD = re.compile(
    r"^(?:(?:is|are|was|were) there |where (?:is|are) |find |show |list |count |how many |any )"
    r"(?:any |some |all |the |an? |many )*((?:~\w+ ){1,2})(?:in|on|at|near|inside|within|around|along|by|"
    r"§|under) "
)
_AT_ONCE = re.compile(
    r"\b(?:at once|at the same time|simultaneously|"
    r"(?:that|which|are|is|lie|lies|lying|sit|sits) (?:\w+ )?both (?:north|south|in the|above|below|"
    r"poleward))\b",
    re.IGNORECASE,
)
_FEATURES = words("crater craters basin valley canyon volcano plain plains mountain hills dunes lake chaos")
_LATIN = words(
    "mons montes planitia terra vallis valles chasma chasmata patera planum vastitas fossa fossae mensa "
    "mensae tholus rupes dorsum dorsa sinus mare lacus cavus cavi undae labyrinthus colles tesserae regio"
)
_PREDICATE = re.compile(r"^(?:is|are|was|were) (?:the |these |those |any |all )*◊\w* ~\w+(?: ~\w+)?$")
# Small words of other languages that English does not have.
_FOREIGN = words(
    "wo sind die der das den dem ein eine einen wie viele gibt es nicht und ist zeige zeig mir liegen "
    "welche où ou sont les des une combien sur quels quelles avec est montre moi dans près dónde donde "
    "están estan los las una cuántos cuantos hay cerca muestra quiero ver dame busco busca veux voir "
    "cherche ich möchte suche voglio vedere quero qué que del dove sono gli quanti vicino "
    "mostra che della waar zijn het hoeveel een van onde estão quantos perto mostre são gdzie są jest hvor "
    "er"
)
_AMBIGUOUS_WORDS = words("die den dem des est que van er es sur ou is")  # names and words of English too
_PLAIN_WORD = re.compile(r"[^\W\d_]+")


def check_understood(tokens: Sequence[Token], query: Query, unparsed: Sequence[str]) -> None:
    """Refuse a question whose very subject was not understood.

    Raises
    ------
    Declined
        If what is said of a landform, or asked about two of them, is in words that mean nothing here.
    """
    for part in clauses(tokens):
        head = _HEAD.match(opened(masked(part, mark=True)))
        if head and not set(head[1].replace("~", "").split()) & ASKABLE:
            raise Declined(
                "unknown_words",
                f"“{head[1].replace('~', '').strip()}” is no landform that I know",
                "landforms of the glossary, or any words in double quotes, which are searched for as "
                "they are",
            )
    plain = not (query.relations or query.regions or query.intents or query.details.by)
    if not plain or not unparsed or any(group.regions for group in query.groups):
        return
    for part in clauses(tokens):
        said = opened(masked(part, mark=True))
        lost = [token.text for token in part.tokens if token.kind == "word"]
        two = len({item.text for item in part.items}) > 1 and YES_NO.match(said)
        if lost and not set(lost) & ASKABLE and (two or _PREDICATE.match(said)):
            raise Declined(
                "unknown_words",
                f"I do not understand “{' '.join(lost)}”, and the question turns on it",
                CAN,
            )


def check_at_once(text: str, query: Query) -> None:
    """Refuse two limits that exclude each other where the question says that both must hold.

    Raises
    ------
    Declined
        If it does: without "both" or "at once", "north of 45 N and south of 45 S" means either.
    """
    regions = (*query.regions, *(region for group in query.groups for region in group.regions))
    if any(region.either or region.both_hemispheres for region in regions) and _AT_ONCE.search(text):
        raise Declined(
            "contradiction", "nothing lies on both sides at once", "one of the limits, or either of them"
        )


def check_names(tokens: Sequence[Token]) -> None:
    """Refuse a named place that the gazetteer lacks: "Gale crater", "olympus mons".

    Raises
    ------
    Declined
        If there is one, which would else be left out as a word not understood.
    """
    shouted = all(token.text.isupper() for token in tokens if token.text.isalpha())
    for before, token, following in zip(tokens, tokens[1:], [*tokens[2:], Token("", "")], strict=False):
        titled = token.text[:1].isupper() and not shouted and before.kind not in ("break", "note", "sign")
        feature = following.kind == "item" and following.text.lower() in _FEATURES
        named = titled and token.kind == "word" and feature
        latin = token.kind == "word" and token.text.lower() in _LATIN and before.kind == "word"
        if named or latin:
            name = f"{token.text} {following.text}" if named else f"{before.text} {token.text}"
            raise Declined(
                "unknown_place", f"no place is called “{name}” here", "names in the gazetteer of the index"
            )


def check_language(text: str, known: bool) -> None:
    """Refuse a question in another language than English.

    Parameters
    ----------
    known
        Whether it holds a landform.

    Raises
    ------
    Declined
        If most letters are not Latin ones, or small words of another language stand in it.
    """
    said = _PLAIN_WORD.findall(text.lower())
    letters = [letter for word in said for letter in word]
    foreign = [word for word in said if word in _FOREIGN]
    sure = [word for word in foreign if word not in _AMBIGUOUS_WORDS]
    others = sum(ord(letter) > 0x24F for letter in letters) * 2 > len(letters) > 0
    if others or (len(foreign) > 1 and sure and (not known or 2 * len(foreign) >= len(said) - 2)):
        raise Declined("language", "I understand questions in English only", CAN)


def check_numbers(text: str) -> None:
    """Refuse latitudes, longitudes and percentages that there are not, wherever they stand.

    Raises
    ------
    Declined
        If there is one.
    """
    if vast := _VAST.search(text):
        raise Declined(
            "bad_value", f"{vast[0]} is farther than any two places lie apart", "a smaller distance"
        )
    for pattern, most, name, allowed in _NUMBERS:
        for match in pattern.finditer(text):
            if abs(float(match[1])) > most:
                raise Declined("bad_value", f"“{match[0].strip()}” is no {name}", allowed)


_VAST = re.compile(
    r"\b(?:[mb]illions?|light years?)(?: of)? (?:km|kilomet\w+|miles?|m)\b|\blight ?years?\b", re.IGNORECASE
)
_N = r"(-?\d+(?:\.\d+)?)"
_LATITUDES = "latitudes from -90 to 90 degrees, or 0 to 90 degrees north or south"
_NUMBERS = tuple(
    (re.compile(pattern, re.IGNORECASE), most, name, allowed)
    for pattern, most, name, allowed in (
        (rf"(?<![\w.]){_N}(?: degrees)? (?:north|south)(?:ern)?\b", 90.0, "latitude", _LATITUDES),
        (rf"\blat(?:itudes?)?(?: of| is| at| =|:)? {_N}(?! (?:km|m)\b)", 90.0, "latitude", _LATITUDES),
        (
            rf"(?<![\w.]){_N}(?: degrees)? (?:east|west)(?:ern)?\b",
            360.0,
            "longitude",
            "-360 to 360 degrees east",
        ),
        (
            rf"\blon(?:gitudes?)?(?: of| is| at| =|:)? {_N}(?! (?:km|m)\b)",
            360.0,
            "longitude",
            "-360 to 360 degrees east",
        ),
        (
            rf"\bslopes?(?: (?:of|at|above|over|below|under|steeper than|more than|than))* {_N} degrees",
            90.0,
            "slope",
            "slopes from 0 to 90 degrees",
        ),
        (rf"(?<![\w.]){_N}(?: degrees)?(?: of)? latitude\b", 90.0, "latitude", _LATITUDES),
        (rf"(?<![\w.]){_N}(?: degrees)?(?: of)? longitude\b", 360.0, "longitude", "-360 to 360 degrees east"),
        (rf"(?<![\w.]){_N} percent", 100.0, "part of a whole", "0 to 100 percent"),
    )
)

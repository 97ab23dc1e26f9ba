"""The answer to a question back: the missing piece, put into the question that waits for it.

A reply may be a thing ("outflow channels", "with landslides, 20 km"), one of the choices ("the second",
"L2"), or yes or no. What asks something itself is no piece: the question that waits is dropped then.
"""

from __future__ import annotations

import re

from agent.grammar.lexicon import Lexicon, normalise, stem, words
from agent.grammar.query import HOLE, Choice, QuestionBack
from agent.grammar.tokens import Token, tokenise

_ORDER = {"first": 0, "1st": 0, "former": 0, "1": 0, "one": 0, "second": 1, "2nd": 1, "2": 1, "third": 2}
_ORDER |= {"3rd": 2, "3": 2, "fourth": 3, "4th": 3, "4": 3, "last": -1, "latter": -1}
_BY_ORDER = re.compile(
    rf"(?:the |take |option |choice |number |no |#)*(?P<n>{'|'.join(_ORDER)})(?: one| option| choice)?",
    re.IGNORECASE,
)
_YES = re.compile(
    r"(?:yes|yeah|yep|yup|y|sure|ok|okay|right|correct|exactly|of course|go ahead|do (?:it|that|so)|"
    r"that one|this one|please|indeed|fine|si|ja)(?: (?:please|do|it is|that one|exactly|sure|go ahead))*",
    re.IGNORECASE,
)
_NO = re.compile(
    r"(?:no|nope|neither|none|nein)(?: (?:of (?:them|these|those)|thanks|thank you))?", re.IGNORECASE
)
_ANY = re.compile(
    r"(?:any(?: of (?:them|these|those)| one)?|either(?: one)?|whatever|whichever|you (?:choose|decide|pick)|"
    r"up to you|does not matter|no matter|i do not (?:care|mind)|doe not matter)",
    re.IGNORECASE,
)
_BOTH = re.compile(r"(?:both|both of (?:them|these|those))", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:(?:i (?:mean|meant|want|think of|was thinking of|would (?:like|say))|please|well|hmm+|oh|sorry|"
    r"ok(?:ay)?|maybe|perhaps|say|just|let us (?:say|take)|rather|probably|what about|how about|then|"
    r"it is|that is|they are|um+|uh+|ah|yes|no|the|those|use|take|try|for example|eg|for|and|of|"
    r"about)\b[ ,:.]*)+",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(
    r"(?:(?:associated |correlated |linked |related |compared? )?(?:with|to|of|from|near|than|in|on|around|"
    r"by|against|as|like|versus|vs)\b\.? ?)+(?:the )?",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r"(?:[ ,]+(?:please|pls|plz|thanks|thank you|then|i guess|i think|of course|instead|maybe|for example|"
    r"will do|would be (?:nice|great|good|fine)))+$",
    re.IGNORECASE,
)
_DISTANCE = re.compile(
    r"[ ,]*(?:(?:but|and|with|within|at|up to|about|say|use|a distance of|in) )*"
    r"(?P<d>\d+(?:\.\d+)? (?:km|mi|m|ft|tiles))\b(?: (?:of|from|around|away|radius))*[ ,]*",
    re.IGNORECASE,
)
# What makes a reply a question of its own.
_ASKING = words(
    "where which how what who why show find locate list give tell display count is are do does did can could"
)
_PIECES = frozenset(
    {"item", "place", "filler", "and", "or", "comma", "note", "weak", "region", "that", "both"}
)
_PHRASES = _PIECES | {
    "near",
    "near_km",
    "without",
    "without_km",
    "same",
    "in_same",
    "downslope_km",
    "not",
    "among_km",
}
_MOST_WORDS = 24


def completed(back: QuestionBack, reply: str, lexicon: Lexicon, tile_km: float) -> str | QuestionBack | None:
    """The question that waits, with what was replied in its hole.

    Returns
    -------
    The whole question; a question back again, where the reply leaves it open; None if it is no reply to it.
    """
    plain = _TAIL.sub("", normalise(reply).strip(" .!?,;:"))
    if not plain or not back.frame or len(plain.split()) > _MOST_WORDS:
        return None
    if _BOTH.fullmatch(plain) and len(back.choices) > 1:
        first, second = (choice.words for choice in back.choices[:2])
        return _filled(back.frame, [f"{first} and {second}", first, second])
    if _ANY.fullmatch(plain) and back.choices:
        return _filled(back.frame, _pieces_of(back.choices[0].words))
    if _YES.fullmatch(plain):
        return _filled(back.frame, _pieces_of(back.choices[0].words)) if len(back.choices) == 1 else back
    if _NO.fullmatch(plain):
        return back.model_copy(update={"text": "What do you mean then, in a few words?"})
    if chosen := _chosen(back.choices, plain):
        return _filled(back.frame, _pieces_of(chosen.words))
    return _pieced(back, plain, lexicon, tile_km)


def _chosen(choices: tuple[Choice, ...], plain: str) -> Choice | None:
    """The choice that a reply points at, by its place, its number or its name."""
    numbered = re.fullmatch(r"(?:(?:the |number |no |region |#)*)(\d+)", plain, re.IGNORECASE)
    named = [c for c in choices if numbered and re.findall(r"\d+", c.words)[-1:] == [numbered[1]]]
    if numbered and len(named) == 1:
        return named[0]
    bare = _LEAD.sub("", plain, count=1) if _LEAD.match(plain) else plain
    if found := _BY_ORDER.fullmatch(bare) or _BY_ORDER.fullmatch(plain):
        place = _ORDER[found["n"].lower()]
        return choices[place] if -1 <= place < len(choices) and choices else None
    said = {stem(word) for word in bare.split()} - {"layer", "one"}
    single = [c for c in choices if " and " not in c.words]
    fitting = [c for c in single if said and said <= {stem(w.strip("[]")) for w in c.said.split()}]
    exact = [c for c in fitting if {stem(w) for w in c.words.split()} == said]
    return (exact or fitting)[0] if len(exact or fitting) == 1 else None


def _pieced(back: QuestionBack, plain: str, lexicon: Lexicon, tile_km: float) -> str | QuestionBack | None:
    """The frame filled with a thing that the reply names; a distance in it goes where the frame has one."""
    frame, piece = back.frame, plain
    if (found := _DISTANCE.search(piece)) and not re.search(
        r"\w", piece[: found.start()] + piece[found.end() :]
    ):
        return _with_distance(back, found["d"])
    piece = _LEAD.sub("", piece, count=1) if _LEAD.match(piece) else piece
    about_thing = back.missing in ("landform", "referent")
    if not about_thing and (before := _PREPOSITION.match(piece)):
        piece = piece[before.end() :]
    if not about_thing and (found := _DISTANCE.search(piece)):
        frame = _at_distance(frame, found["d"])
        piece = f"{piece[: found.start()]} {piece[found.end() :]}".strip()
    tokens = [token for token in tokenise(piece, lexicon, tile_km) if token.kind != "note"]
    if back.missing in ("place", "which") and _is_name(tokens):
        return _filled(frame, [piece])
    if not _is_piece(tokens, phrases=about_thing or back.missing == "second", frame=frame):
        return None
    return _filled(frame, _pieces_of(piece, tokens))


def _is_piece(tokens: list[Token], *, phrases: bool, frame: str) -> bool:
    kinds = {token.kind for token in tokens}
    if not kinds & {"item", "place"} or not kinds <= (_PHRASES if phrases else _PIECES):
        return False
    if any(token.kind == "filler" and token.text.lower() in _ASKING for token in tokens):
        return False
    first = next(token for token in tokens if token.kind != "filler")
    if first.kind not in ("item", "place", "both"):
        return False
    # "dunes near channels", when dunes were to be compared, is a question of its own.
    related = kinds & (_PHRASES - _PIECES)
    return not (related and first.kind == "item" and first.value.plural in frame)


def _is_name(tokens: list[Token]) -> bool:
    # A name that is not known is refused as such, not for its frame.
    return 0 < len(tokens) <= 3 and all(token.kind == "word" and token.text[:1].isupper() for token in tokens)


def _pieces_of(piece: str, tokens: list[Token] | None = None) -> list[str]:
    """A piece whole, and its two halves if it names two things."""
    parts = re.split(r",? (?:and|with|to|from|or|versus|vs\.?|against|than) |, ", piece)
    things = 2 if tokens is None else sum(token.kind in ("item", "place") for token in tokens)
    return [piece, *parts] if len(parts) == 2 and things == 2 else [piece]


def _filled(frame: str, pieces: list[str]) -> str:
    """A frame with its holes filled; the second half is cut off if there is nothing for it."""
    if frame.count(HOLE) < 2:
        return frame.replace(HOLE, pieces[0])
    if len(pieces) > 1:
        return frame.replace(HOLE, pieces[-2], 1).replace(HOLE, pieces[-1], 1)
    head, _, rest = frame.replace(HOLE, pieces[0], 1).partition(HOLE)
    return re.sub(r" (?:with|from|and) $", "", head) + rest


def _at_distance(text: str, distance: str) -> str:
    given = re.compile(r"\d+(?:\.\d+)? (?:km|mi|m|ft|tiles)\b")
    if given.search(text):
        return given.sub(distance, text, count=1)
    return re.sub(rf"\b(?:near(?: to)?|close to|around) (?={HOLE})", f"within {distance} of ", text, count=1)


def _with_distance(back: QuestionBack, distance: str) -> QuestionBack | None:
    """The same question back, now with a distance; None if there is no place for one."""
    frame = _at_distance(back.frame, distance)
    if frame == back.frame and distance not in frame:
        return None
    suggestions = tuple(frame.replace(HOLE, choice.words) for choice in back.choices[:3])
    return back.model_copy(update={"frame": frame, "suggestions": suggestions or back.suggestions})

"""Questions, and parts of questions, that images and positions cannot answer.

What is asked for is recognised by the tables of `agent.grammar.untold`, clause by clause. A question of which
a part can be answered is answered in that part, and the answer says of the other why it cannot be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.grammar.chance.processes import candidates_for
from agent.grammar.query import Declined, Item, Refusal, listed
from agent.grammar.refusing.apart import APART
from agent.grammar.refusing.checks import ASKABLE, CAN
from agent.grammar.refusing.clauses import FORM, YES_NO, Clause, clauses, masked, opened
from agent.grammar.refusing.ground import GROUND
from agent.grammar.refusing.topics import IDIOMS, THEIR, Topic
from agent.grammar.tokens import Token
from prompts import Term

_EXAMPLE = "Where are {a} near {b}?"

TOPICS = (*APART, *GROUND)
# "Tree-like valley networks", "storm deposits": a noun before a landform says what it looks like.
_LOOKS = r"(?!(?: (?:like|shaped|sized|scale|style|type|foot|hide|related|driven|rich|bearing))* ◊)"
_RULES = tuple(
    (
        topic,
        re.compile(
            rf"(?<!\w)(?:{'|'.join(topic.patterns)})(?!\w)"
            + (_LOOKS if topic.kind in ("absent", "climate", "life") else "")
        ),
    )
    for topic in TOPICS
)
_INFERRED = re.compile(r"\b(?:thus|hence|therefore|consequently)\b|^so (?:are|is|were|was|do|did)\b")
_MATTER = re.compile(
    r"there|made|consist|(?:kind|type|sort)s? of|rich|contain|inside|composition|content|how much"
)
_TESTED = ("cause", "composition", "subsurface")  # of these a test tells something
PIXELS_OF_TILE = 100  # about, across; what is smaller than one of them is not in the pictures
_ALWAYS_TOO_SMALL_M = 10.0  # "larger than 5 m": meant are things of that size
_SIZE = re.compile(r"(\d+(?:\.\d+)?) (m|ft|km)\b")

_HOW = re.compile(
    r"(?<!\w)how ~(?!(?:high|low|large|big|great|steep|often|certain|sure|confident|reliable|common|rare|"
    r"wide|similar|different|likely|evenly|close|dense|come|to|and|about|far|much|many|the|else|"
    r"exactly|widely|extensive|extended|extensively)(?!\w))(\w+)"
)
_WHAT_OF = re.compile(
    r"^(?:what|which) (?:is|are|was|were) (?:the )?((?:~\w+ ){1,3})(?:field )?"
    r"(?:of|at|over|in|on|under|below|above|around|near|for|across|from|beneath) (?:the )?[◊@]"
)
_TERSE_OF = re.compile(r"^(?:the )?((?:~\w+ ){2,3})(?:of|at|over) (?:the )?[◊@]")
_WIDTH_OF_PLACE = re.compile(
    r"^how (?:big|large|wide|broad) (?:is|are) @|(?:diameter|size|width|radius|extent) of @"
)

_HELP = re.compile(
    r"^\W*(?:help|hello|hi|hey|good (?:morning|evening|day)|thanks?(?: you)?|who are you|what are you|"
    r"are you (?:a |an )?(?:robot|bot|human|person|ai|llm|chatgpt|gpt|language model)|who made you|"
    r"what can (?:you|i) (?:do|ask)|how does this work|how do (?:you|i) work|what is this|test\W*$)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answerable:
    """What is left of a question.

    Attributes
    ----------
    tokens
        Without the clauses that ask for what cannot be told.
    notes
        What the answer must say of those.
    """

    tokens: tuple[Token, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What a refusal may speak of.

    Attributes
    ----------
    earlier
        What the question before asked for.
    example
        Two landforms for an example where the question has none.
    glossary
        The landforms.
    tile_km
        Width of a tile: what is much smaller cannot be seen.
    """

    earlier: tuple[Item, ...]
    example: tuple[str, str]
    glossary: Mapping[str, Term]
    tile_km: float


def answerable(tokens: Sequence[Token], known: Known, *, tested: bool = False) -> Answerable:
    """The part of a question that can be answered.

    Parameters
    ----------
    tokens
        The question.
    tested
        Whether it sets landforms against each other, which tells something of causes.

    Raises
    ------
    Declined
        If nothing in it can be answered.
    """
    parts = clauses(tokens)
    weak = not _names_anything(tokens)
    about_layer = any(token.kind == "item" and token.value.kind == "layer" for token in tokens)
    judged = [(part, _topic_of(part, weak=weak) or _too_small(part, known.tile_km)) for part in parts]
    if about_layer or tested:  # "I do not understand L3, how was it made?"
        judged = [(part, None if _is_tested(part, topic) else topic) for part, topic in judged]
    untold = [(part, topic) for part, topic in judged if topic]
    if not untold:
        return Answerable(tuple(tokens))
    inferred = any(_INFERRED.search(masked(part)) for part, _ in untold)  # "and are they thus younger?"
    asked = [
        part
        for part, topic in judged
        if not inferred and not topic and part.asks and _is_about_something(part)
    ]
    if not asked:
        first, topic = untold[0]
        items = (
            first.items or [token.value for token in tokens if token.kind == "item"] or list(known.earlier)
        )
        raise Declined(topic.kind, topic.reason, *_instead(topic, items, known))
    kept = [token for token in tokens if token.kind == "note"]
    if _points_back(asked):  # "how old are the deltas, and where are they?"
        kept += [token for part, _ in untold for token in part.tokens if token.kind == "item"]
    for part, untellable in judged:
        if not untellable:
            kept += [*part.tokens, *([Token("break", part.ends)] if part.ends else [])]
    notes = [f"“{part.said}” was left out: {topic.reason}" for part, topic in untold if part.asks]
    return Answerable(tuple(kept), tuple(notes))


def is_help(text: str) -> bool:
    """Whether someone greets, thanks or asks what can be asked."""
    return bool(_HELP.match(text))


def nothing_to_find(text: str, example: tuple[str, str]) -> Refusal:
    """The refusal of a question without any landform."""
    suggestion = _EXAMPLE.format(a=example[0], b=example[1])
    if is_help(text):
        reason = "I search the pictures of an index for landforms and combine and measure what I find"
        return Refusal(kind="help", reason=reason, allowed=CAN, suggestion=suggestion)
    return Refusal(
        kind="off_topic",
        reason="I found no landform in this question",
        allowed=CAN + "; words in double quotes are searched for as they are",
        suggestion=suggestion,
    )


def _topic_of(clause: Clause, *, weak: bool) -> Topic | None:
    """What a clause asks for that cannot be told, or None."""
    text = opened(IDIOMS.sub(" ", masked(clause)))
    for topic, pattern in _RULES:
        if topic.weak and not weak:
            continue
        if pattern.search(text) and not _can_be_told(topic, clause, text):
            return topic
    return _property_of(opened(masked(clause, mark=True)))


def _can_be_told(topic: Topic, clause: Clause, text: str) -> bool:
    """Whether it can be told after all, because of what it is asked of."""
    if topic.kind in ("cause", "composition"):  # a hypothesis that can be tested: one landform against others
        several = len({item.text for item in clause.items}) > 1
        chosen = f" or {FORM}" in text or f" or the {FORM}" in text
        return several and (chosen or (topic.kind == "cause" and bool(YES_NO.match(text))))
    # How wide a named place is stands in the gazetteer.
    return topic.kind == "measurement" and not clause.items and bool(_WIDTH_OF_PLACE.search(text))


def _is_tested(clause: Clause, topic: Topic | None) -> bool:
    """Whether a test of one landform against others tells something of what is asked."""
    asks_matter = topic is not None and topic.kind == "composition" and _MATTER.search(masked(clause))
    return topic is not None and topic.kind in _TESTED and not asks_matter


def _property_of(text: str) -> Topic | None:
    """A property that no part of the grammar knows: "how radioactive", "what is the magnetic field of"."""
    for pattern in (_HOW, _WHAT_OF, _TERSE_OF):
        match = pattern.search(text)
        name = match[1].replace("~", "").strip() if match else ""
        if name and not set(name.split()) & ASKABLE:
            said = f"how {name}" if pattern is _HOW else name
            return Topic(
                "measurement",
                f"“{said}” is nothing that the tools of this version measure",
                THEIR,
                (),
            )
    return None


def _too_small(clause: Clause, tile_km: float) -> Topic | None:
    """The resolution, where a size is given that is finer than a pixel: "boulders of 3 m"."""
    if re.search(r"elevation|altitude|datum|above|below", masked(clause)):
        return None
    for token in clause.tokens:
        size = _SIZE.search(token.text) if token.kind in ("size", "number") else None
        if size:
            metres = float(size[1]) * {"m": 1.0, "ft": 0.3048, "km": 1000.0}[size[2]]
            at_least = re.match(
                r"(?:larger|bigger|wider|longer|deeper|taller|more|at least|over)", token.text, re.IGNORECASE
            )
            if metres < (_ALWAYS_TOO_SMALL_M if at_least else 1000 * tile_km / PIXELS_OF_TILE):
                return next(topic for topic in TOPICS if topic.kind == "resolution")
    return None


def _names_anything(tokens: Sequence[Token]) -> bool:
    return any(token.kind in ("item", "place") for token in tokens)


def _is_about_something(clause: Clause) -> bool:
    return any(token.kind in ("item", "place", "this", "region") for token in clause.tokens)


def _points_back(parts: Sequence[Clause]) -> bool:
    """Whether "they" or "those" stands before any landform, if one is named at all."""
    kinds = [token.kind for part in parts for token in part.tokens if token.kind in ("item", "this")]
    return not kinds or kinds[0] == "this"


def _plurals(items: Sequence[Item]) -> list[str]:
    named = [item.plural for item in items if item.kind == "words" and item.key]
    return list(dict.fromkeys(named))[:2]


def _instead(topic: Topic, items: Sequence[Item], known: Known) -> tuple[str, str]:
    """What is known instead, and one question that can be asked."""
    landforms = _plurals(items)
    said = topic.known.format(them=listed(landforms) or "landforms")
    for item in items if topic.kind == "cause" else ():
        sources = (
            candidates_for(known.glossary[item.key], known.glossary) if item.key in known.glossary else []
        )
        if sources:
            named = " and against ".join(source.plural for source in sources[:2])
            return said, f"Test {item.plural} against {named}."
    if len(landforms) > 1:
        return said, topic.suggest.format(a=landforms[0], b=landforms[1])
    if landforms:
        return said, topic.suggest_one.format(a=landforms[0])
    return said, _EXAMPLE.format(a=known.example[0], b=known.example[1])

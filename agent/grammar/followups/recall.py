"""What a follow-up reaches back to: an answer before the last, the last two, a thing by half of its name."""

from __future__ import annotations

import re

from agent.grammar.followups import phrases as say
from agent.grammar.followups.context import PlanContext
from agent.grammar.lexicon import Lexicon, stem
from agent.grammar.query import Item

_NAMED = re.compile(r"\b(those|these|that|this|the) ([a-z]{4,})\b", re.IGNORECASE)
_THAT_PLACE = re.compile(
    r"(?<=\b(?:in|at|of|to) )(?:that|this|said|the same) (?:region|area|zone|place|district|territory)\b"
    r"(?! (?:where|with|that|which|around|near|within|of|in)\b)|"
    r"(?<=\bnear )(?:that|this) (?:region|area|place)\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"(?:and |so |but |now )*which (?:ones? |kind |type )?(?:of (?:them|those|these) )?"
    r"(?:is|are|lies?|sits?|stands?|occurs?|reach(?:es)?|has|have|covers?) (?:at |the |in |on )*"
    r"(?:\w+er|more|fewer|less|farther|further|\w+ more|most|higher \w+)\b[a-z ]{0,30}\W*",
    re.IGNORECASE,
)
_LEADING = re.compile(r"^(?:(?:and|now|then|so|ok|okay|but|please|lets)\b[ ,]*)*", re.IGNORECASE)
_GOING = re.compile(
    r"^(?:(?:and|now|so|please|lets|let us) )*(?:(?:go|going|come|get|switch) back|back|return)(?: to)? ?",
    re.IGNORECASE,
)
_IDLE = re.compile(
    r"\b(?:and|what|how|about|back|to|show|me|again|now|please|go|lets|let|us|return|going)\b", re.IGNORECASE
)


def named_in_full(text: str, lexicon: Lexicon, context: PlanContext) -> str:
    """“Those ridges” with the whole name of the ridges that were asked for."""
    known = [item for turn in context.turns for item in (*turn.query.items, *turn.query.objects)]
    heads = {stem(item.plural.split()[-1]): item for item in known if " " in item.plural and item.key}
    plain = {stem(item.plural) for item in known}

    def full(match: re.Match[str]) -> str:
        item = heads.get(stem(match[2]))
        words = re.findall(r"[^\W\d_]+", text[match.start(2) : match.start(2) + 60])
        named = lexicon.landform(words)
        if named and named[1] in known:  # "those gullies": the name says it all
            return f"the {match[2]}"
        if not item or stem(match[2]) in plain or _full_before(text, match, lexicon):
            return match[0]
        own = lexicon.landform([match[2]])
        return match[0] if own and match[1].lower() == "the" else f"the {item.plural}"

    return _NAMED.sub(full, text)


def _full_before(text: str, match: re.Match[str], lexicon: Lexicon) -> bool:
    # "the valley networks" names more than a valley.
    words = re.findall(r"[^\W\d_]+", text[match.start(2) : match.start(2) + 60])
    found = lexicon.landform(words)
    return bool(found and found[0] > 1)


def gone_back(text: str, lexicon: Lexicon, context: PlanContext) -> tuple[str, PlanContext] | None:
    """What is left of a question that goes back to an earlier answer, and the context of that; else None."""
    if len(context.turns) < 2:
        return None
    if say.UNDO.fullmatch(re.sub(r"\W+", " ", _LEADING.sub("", text.lower())).replace("the ", "").strip()):
        return "", context.at(-2)
    for pattern, place in ((say.FIRST, 0), (say.EARLIER, -2)):
        match = pattern.search(text.lower())
        if match:
            return _those(text, match), context.at(place)
    start = _LEADING.match(text)
    begin = start.end() if start else 0
    if back := say.BACK.match(text, begin):
        words = re.findall(r"[^\W\d_]+", text[back.end() : back.end() + 60])
        found = lexicon.landform(words)
        turn = _turn_of(found[1], context) if found else None
        if found and turn is not None:
            name = re.compile(r"\W+".join(words[: found[0]])).match(text, back.end())
            assert name
            return _rest(text[name.end() :]), context.at(turn)
    return None


def _rest(text: str) -> str:
    rest = re.sub(r"^[\s,:;.?!]+(?:and\b)?\s*", "", text)
    rest = re.sub(r"^(?:again|once more|please)\b[\s,:;.?!]*", "", rest, flags=re.IGNORECASE)
    return rest if re.search(r"\w", rest) else ""


def _those(text: str, match: re.Match[str]) -> str:
    before, after = _GOING.sub("", text[: match.start()]), text[match.end() :]
    if not re.search(r"\w", _IDLE.sub("", before + after)):
        return ""
    return f"{before}of those{after}".strip()


def _turn_of(item: Item, context: PlanContext) -> int | None:
    """The last turn whose subject a thing was; None if it was never asked for, or just now."""
    for place in range(len(context.turns) - 1, -1, -1):
        if item in context.turns[place].query.items:
            return place
    return None


def place_meant(text: str, context: PlanContext) -> str:
    """“In that region” with the name of the place that was asked about last."""
    places = [
        r.place for turn in reversed(context.turns) for r in turn.query.regions if r.place and not r.beyond
    ]
    return _THAT_PLACE.sub(lambda match: places[0], text) if places else text


def the_two(text: str, lexicon: Lexicon, context: PlanContext) -> str:
    """“Which of the two”, “compare their elevations” with the layers of the last two questions."""
    pair = context.last_two
    if not pair:
        return text
    if match := say.THE_TWO.search(text):
        rest = " ".join((text[: match.start()] + text[match.end() :]).split())
        return f"{re.sub(r'[?.! ]+$', '', rest)}, {pair[0]} or {pair[1]}?"
    words = re.findall(r"[^\W\d_]+", text)
    if any(lexicon.landform(words[place:]) for place in range(len(words))) or re.search(r"\bL\d", text):
        return text
    alone = len(context.turns) > 1 and all(
        not turn.query.relations and turn.query.items[0].kind == "words"
        for turn in context.turns[-2:]
        if turn.query.items
    )
    subjects = {turn.query.items[0].text for turn in context.turns[-2:] if turn.query.items}
    if alone and len(subjects) == 2 and _COMPARED.fullmatch(text):
        return f"{re.sub(r'[?.! ]+$', '', text)}, {pair[0]} or {pair[1]}?"
    for needed, replaced in ((say.BOTH_OF_THEM, say.BOTH_OF_THEM), (say.EACH_OTHER, say.PRONOUN)):
        if needed.search(text) and replaced.search(text):
            return replaced.sub(f"{pair[0]} and {pair[1]}", text, count=1)
    compared = re.compile(r"\bcompare (?:(?:them|both|these|those|their|the) ?)+", re.IGNORECASE).search(text)
    if compared:
        rest = re.sub(r"[?.! ]+$", "", text[compared.end() :]).strip(" ,")
        rest = re.sub(r",? ?\bplease$", "", rest, flags=re.IGNORECASE)
        if not rest or re.fullmatch(r"(?:in |by |of )?(?:the |their )?[a-z ]{3,30}", rest, re.IGNORECASE):
            by = re.sub(r"^(?:in|by|of) (?:the |their )?", "", rest, flags=re.IGNORECASE)
            by = re.sub(r" (?:with|to|of) (?:each other|one another)$", "", by)
            return f"compare {by} of {pair[0]} and {pair[1]}" if by else f"compare {pair[0]} and {pair[1]}"
    return text

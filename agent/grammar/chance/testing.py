"""Questions that set one thing against others: who is tested against whom, found by roles, not by word order.

"What feeds the deltas: valleys or floods?", "is being near B more common for A than chance allows", "cones:
mud or lava?" and "test A against B and against C" all come down to subjects, candidates and a distance. Where
a process is named instead of a landform, `prompts/processes.yaml` says which landform positions can test. A
question that says more than that (conditions on conditions, other measures) is left to the general reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from agent.grammar.chance.roles import (
    ASSOCIATION,
    JOINTS,
    LINKS,
    MAKING,
    NEAR,
    PARTING,
    Question,
    Roles,
    Thing,
    is_hypothesis,
    name_of,
    pronouns_in,
    roles_of,
    things_in,
)
from agent.grammar.drafts import Kind
from agent.grammar.lexicon import Lexicon
from agent.grammar.query import Item, listed
from agent.grammar.tokens import Token, tokenise

# Kinds of token that are handed on, or have done their work once the test is read.
_LIMITS = {"region", "place", "side", "side_it", "all", "strata", "null", "same_by"}
_PASSED = _LIMITS | {"map", "colour", "export", "unusable", "matter", "season", "body", "note"}
_DEGREES = {"more", "most", "than"}  # parts of a comparison of numbers; in a test they only stress
# Said by the parts above, or nothing in themselves.
_SPENT = (
    ASSOCIATION
    | MAKING
    | NEAR
    | PARTING
    | JOINTS
    | {
        "weak",
        "that",
        "joint",
        "each",
        "filler",
        "this",
        "nearby",
        "sign",
        "share",
        "numerous",
        "density_noun",
        "item",
        "process",
        "only",
    }
)
_SEARCH = re.compile(
    r"\W*(?:(?:please|now|and|so|can you|could you|would you|hi|hello|ok|just) )*"
    r"(?:where|find(?! out)|list|locate|map|count|how (?:many|much)|display|search|look for|identify|export|"
    r"(?:show|give|tell)(?: me)? (?!whether|if|that|a p|how)|draw|plot|"
    r"(?:make|create|produce|generate|prepare)(?: me| us)? (?:an? |the )?(?:\w+ ){0,2}"
    r"(?:maps?|plot|chart|globe|figure|table|list|file|catalogue)|are there|is there (?:any|"
    r"an?) (?!\w* ?"
    r"(?:relation|link|tie|associat|correlat|connect|depend|lack|deficit|avoid|attract|affin|statist|signif|"
    r"spatial|real|actual|genuine|excess|support|evidence|test)))",
    re.IGNORECASE,
)
_PLACED = re.compile(r"\W*(?:please )?(?:where|how (?:many|much)|count|are there)\b", re.IGNORECASE)
_ADJECTIVE = re.compile(r"\w+(?:ed|ent|bound|ently)\b", re.IGNORECASE)
_DISTANCE = re.compile(r"(\d+(?:\.\d+)?) (km|mi|m|ft|tiles)")
_OFTEN = re.compile(r"(?:more|less|most) \w+|commoner|rarer|scarcer", re.IGNORECASE)
_KM = {"km": 1.0, "mi": 1.609344, "m": 0.001, "ft": 0.0003048}
_RIVAL = re.compile(
    r"(?:hypothes[ei]s|theory|model|idea|explanation|view|scenario|claim|case) (?:number )?(?:[a-c]|\d|i+)$",
    re.IGNORECASE,
)
_EVERY = re.compile(r"both|each|(?:run|do|make) both tests|which one|the two", re.IGNORECASE)
BACKGROUND = "What else the question says was taken as background"
EVIDENCE = "Lying near something is evidence for a common origin, not proof of it"


@dataclass(frozen=True)
class Trial:
    """What subjects are tested against, and within which distance; 0 for what the relation means."""

    candidates: tuple[Item, ...]
    kind: Kind = "near"
    distance_km: float = 0.0
    farther: bool = False


def as_test(text: str, lexicon: Lexicon, tile_km: float) -> list[Token] | None:
    """The tokens of a test in the order subjects, limits, test; None if the question is no such test.

    Parameters
    ----------
    text
        The normalised question.
    """
    tokens = [
        replace(token, kind="filler") if token.kind in _DEGREES else token
        for token in tokenise(text, lexicon, tile_km, signs=True)
    ]
    question = Question(tokens, lexicon)
    question.clauses = _clauses(question.tokens)
    core = _core(question)
    if core is None or _is_other(question, core, text):
        return None
    making = is_hypothesis(question, core)
    question.things = things_in(question, making)
    roles = roles_of(question, core, making)
    distance = _distance(question, tile_km)
    if roles is None or distance is None:
        return None
    return _written(question, core, roles, distance, making)


def _clauses(tokens: list[Token]) -> list[range]:
    # A colon only announces: "cones: mud or lava?"
    ends = [at for at, t in enumerate(tokens) if t.kind == "break" and not t.text.startswith(":")]
    starts = [0, *(end + 1 for end in ends)]
    return [range(a, b) for a, b in zip(starts, [*ends, len(tokens)], strict=True) if b > a]


def _core(question: Question) -> list[int] | None:
    """Positions of the clauses that hold the question proper; what is told before it is background."""
    question.things = things_in(question, making=False)
    signs: list[range] = []
    pointing: list[range] = []
    full: list[range] = []
    for clause in question.clauses:
        kinds, items = question.kinds(clause), [t for t in question.within(clause) if t.is_landform]
        if kinds & ASSOCIATION:
            (signs if items else pointing).append(clause)
        if len(items) > 1 or (items and len(question.within(clause)) > 1):
            full.append(clause)
    if signs:
        # The last that names two things, or one of "them".
        whole = [c for c in signs if len(question.within(c)) > 1 or pronouns_in(question, c)]
        if _are_rivals(question, whole):
            return [at for clause in whole for at in clause]
        return list((whole or signs)[-1])
    if pointing and full and "each" not in question.kinds(pointing[-1]) and len(full) == 1:
        return list(full[-1])
    if pointing or full or len(question.things) > 1:
        return [at for clause in question.clauses for at in clause]
    return None


def _are_rivals(question: Question, clauses: list[range]) -> bool:
    """Whether clauses are hypotheses about the same thing: "Hypothesis A: X go with Y. Hypothesis B: ..."."""
    firsts = {name_of(question.within(clause)[0].item) for clause in clauses if question.within(clause)}
    named = sum(_RIVAL.search(token.text) is not None for token in question.tokens)
    both = any(_EVERY.fullmatch(token.text) for token in question.tokens)
    return len(clauses) > 1 and len(firsts) == 1 and (named > 1 or both)


def _is_other(question: Question, core: list[int], text: str) -> bool:
    """Whether something else is asked than a plain test: a search, another measure, nested conditions."""
    tokens, kinds = question.tokens, question.kinds(core)
    if _counts_only(question, core):
        return True
    opener = _spoken(question, core)
    certain = bool(kinds & {"chance", "test", "null", "strata"}) or "chance" in question.kinds(
        range(len(tokens))
    )
    nouns = [tokens[at] for at in core if tokens[at].kind == "linked"]
    noun = any(not _ADJECTIVE.fullmatch(token.text) for token in nouns)
    if not certain and (
        _PLACED.match(opener) or (_SEARCH.match(opener) and not noun) or _names(question, core)
    ):
        return True
    odd = [
        t for t in tokens if t.kind not in _PASSED | _SPENT and t.kind not in ("word", "number", "latitude")
    ]
    if any(t.kind != "count" or not certain for t in odd):
        return True
    if re.search(r"\bwhy\b", text, re.IGNORECASE) and "or" not in kinds:
        return True
    if "not" in kinds and not kinds & MAKING:
        return True
    return any(
        tokens[at].kind == "that"
        and question.before(at).kind == "item"
        and question.after(at).kind in NEAR | {"without", "same", "region"}
        for at in core
    )


def _counts_only(question: Question, core: list[int]) -> bool:
    """Whether "more common" only sets numbers beside each other: "A or B, which are commoner"."""
    signs = [question.tokens[at] for at in core if question.tokens[at].kind in ASSOCIATION]
    others = [question.before(thing.at).kind for thing in question.within(core)[1:]]
    often = bool(signs) and all(_OFTEN.fullmatch(token.text) for token in signs)
    return often and bool(others) and set(others) <= {"and", "or", "comma", "compare", "chance", "break"}


def _spoken(question: Question, core: list[int]) -> str:
    return " ".join(question.tokens[at].text for at in core if question.tokens[at].kind != "note")


def _names(question: Question, core: list[int]) -> bool:
    # "Which landslides are tied to graben?" asks for landslides.
    first = [question.tokens[at] for at in core if question.tokens[at].kind != "note"][:2]
    return len(first) > 1 and first[0].text.lower() in ("which", "what") and first[1].kind == "item"


def _distance(question: Question, tile_km: float) -> float | None:
    """The distance that is given anywhere, 0 without one; None for several that differ."""
    found = set()
    for at, token in enumerate(question.tokens):
        if (
            token.kind in ("near_km", "without_km", "beyond_km", "among_km")
            and question.after(at).kind != "place"
        ):
            found.add(token.value[0])
        elif token.kind == "number" and (match := _DISTANCE.fullmatch(token.text)):
            found.add(float(match[1]) * (_KM | {"tiles": tile_km})[match[2]])
    return None if len(found) > 1 else next(iter(found), 0.0)


def _written(question: Question, core: list[int], roles: Roles, distance: float, making: bool) -> list[Token]:
    """The tokens for the general reader: subjects with what limits them, then the test."""
    subjects, candidates, pronouns = roles
    tokens = question.tokens
    written = [Token("item", tokens[t.at].text, t.item) for t in subjects] or [tokens[pronouns[0]]]
    for at, token in enumerate(tokens):
        small = token.kind in ("weak", "near", "near_km", "same", "and", "comma")
        if token.kind in ("word", "number"):
            given = _DISTANCE.fullmatch(token.text)
            written += [token] if at in core and not given else []
        elif token.kind in _PASSED or (small and question.after(at).kind in _LIMITS):
            written.append(token)
        elif token.kind not in ("filler", "sign"):
            written.append(Token("spent", "", note=token.note))  # parts what was not understood
    notes = _traces(question, candidates) + ([EVIDENCE] if making else [])
    notes += [BACKGROUND] if _has_background(question, core, roles) else []
    written += [Token("note", "", note=note) for note in notes]
    trial = _trial(question, subjects, candidates, distance, making)
    return [*written, Token("break", "."), Token("trial", "", trial)]


def _has_background(question: Question, core: list[int], roles: Roles) -> bool:
    """Whether the question names or says more, outside its core, than the test uses."""
    named = {name_of(thing.item) for things in roles[:2] for thing in things}
    words = any(t.kind == "word" for at, t in enumerate(question.tokens) if at not in core)
    return words or any(name_of(t.item) not in named for t in question.things if not t.gloss)


def _trial(
    question: Question, subjects: list[Thing], candidates: list[Thing], distance: float, making: bool
) -> Trial:
    start, end = (min(t.at for t in group) if group else 0 for group in (subjects, candidates))
    between = question.tokens[min(start, end) : max(start, end)]
    kinds = {token.kind for token in between}
    texts = {token.text.lower() for token in between if token.kind == "weak"}
    away = [token for token in question.tokens if token.kind == "away"]
    kind: Kind = "near"
    if not (distance or making or kinds & (LINKS | NEAR | {"linked", "compare"})):
        kind = "overlap" if kinds & {"same", "in_same"} or texts & {"in", "on", "into"} else "near"
    farther = any(token.text.lower().startswith(("farther", "further", "more")) for token in away)
    items = tuple(thing.item for thing in candidates)
    return Trial(items, "without" if farther else kind, distance, farther)


def _traces(question: Question, candidates: list[Thing]) -> list[str]:
    said = [
        f"“{question.tokens[thing.at].text}” was tested by nearness to {thing.item.plural}"
        for thing in candidates
        if not thing.is_landform or thing.item != question.tokens[thing.at].value
    ]
    if question.lost:
        names = listed([f"“{name}”" for name in dict.fromkeys(question.lost)])
        said.append(f"Not tested, as no landform here stands for it: {names}")
    return said

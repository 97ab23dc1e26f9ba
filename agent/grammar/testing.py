"""Questions that set one thing against others: who is tested against whom, found by roles, not by word order.

"What feeds the deltas: valleys or floods?", "is being near B more common for A than chance allows", "cones:
mud or lava?" and "test A against B and against C" all come down to subjects, candidates and a distance. Where
a process is named instead of a landform, `prompts/processes.yaml` says which landform positions can test. A
question that says more than that (conditions on conditions, other measures) is left to the general reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent.grammar.drafts import Kind
from agent.grammar.lexicon import Lexicon
from agent.grammar.processes import candidate_of, process_named
from agent.grammar.query import Item, listed
from agent.grammar.tokens import Token, tokenise
from prompts import Process

# Kinds of token by what they do in a test.
_LINKS = {"linked_to", "avoid"}
_ASSOCIATION = _LINKS | {"linked", "chance", "test", "strata", "null"}
_MAKING = {"cause", "makes"}
_NEAR = {"near", "near_km", "away", "without_km", "beyond_km", "among_km"}
_PARTING = _LINKS | _NEAR | {"cause", "compare", "in_same", "same"}  # between subjects and candidates
_JOINTS = {"and", "or", "comma", "break", "compare", "not", "neither", "either", "both"}
_LIMITS = {"region", "place", "side", "side_it", "all", "strata", "null", "same_by"}
_PASSED = _LIMITS | {"map", "colour", "export", "unusable", "matter", "season", "body", "note"}
_DEGREES = {"more", "most", "than"}  # parts of a comparison of numbers; in a test they only stress
# Said by the parts above, or nothing in themselves.
_SPENT = (
    _ASSOCIATION
    | _MAKING
    | _NEAR
    | _PARTING
    | _JOINTS
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
    r"(?:show|give|tell)(?: me)? (?!whether|if|that|a p|how)|draw|plot|are there|is there (?:any|"
    r"an?) (?!\w* ?"
    r"(?:relation|link|tie|associat|correlat|connect|depend|lack|deficit|avoid|attract|affin|statist|signif|"
    r"spatial|real|actual|genuine|excess|support|evidence|test)))",
    re.IGNORECASE,
)
_PLACED = re.compile(r"\W*(?:please )?(?:where|how (?:many|much)|count|are there)\b", re.IGNORECASE)
_IS = re.compile(r"\b(?:is|are|was|were|be|being)\b", re.IGNORECASE)
_ADJECTIVE = re.compile(r"\w+(?:ed|ent|bound|ently)\b", re.IGNORECASE)
_DISTANCE = re.compile(r"(\d+(?:\.\d+)?) (km|mi|m|ft|tiles)")
_OFTEN = re.compile(r"(?:more|less|most) \w+|commoner|rarer|scarcer", re.IGNORECASE)
_KM = {"km": 1.0, "mi": 1.609344, "m": 0.001, "ft": 0.0003048}
BACKGROUND = "What else the question says was taken as background"
EVIDENCE = "Lying near something is evidence for a common origin, not proof of it"


@dataclass(frozen=True)
class Trial:
    """What subjects are tested against, and within which distance; 0 for what the relation means."""

    candidates: tuple[Item, ...]
    kind: Kind = "near"
    distance_km: float = 0.0
    farther: bool = False


@dataclass
class _Thing:
    """A landform or a process at a position of the question.

    ``process`` is what its words mean, if any: "lava" is a landform as well, "mud" is none. A ``gloss``
    stands in brackets.
    """

    at: int
    item: Item
    process: Process | None = None
    is_landform: bool = True
    gloss: bool = False


@dataclass
class _Question:
    """A question as tokens, its clauses as ranges of them, and the things in it."""

    tokens: list[Token]
    lexicon: Lexicon
    clauses: list[range] = field(default_factory=list)
    things: list[_Thing] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def within(self, span: range | list[int]) -> list[_Thing]:
        return [thing for thing in self.things if thing.at in span]

    def kinds(self, span: range | list[int]) -> set[str]:
        return {self.tokens[at].kind for at in span}

    def before(self, at: int) -> Token:
        """The token before a position that says something."""
        found = [t for t in self.tokens[:at] if t.kind not in ("filler", "note", "sign")]
        return found[-1] if found else Token("", "")

    def after(self, at: int, skipped: tuple[str, ...] = ("filler", "note", "sign")) -> Token:
        found = [t for t in self.tokens[at + 1 :] if t.kind not in skipped]
        return found[0] if found else Token("", "")


Roles = tuple[list[_Thing], list[_Thing], list[int]]


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
    question = _Question(tokens, lexicon)
    question.clauses = _clauses(question.tokens)
    core = _core(question)
    if core is None or _is_other(question, core, text):
        return None
    making = _is_hypothesis(question, core)
    question.things = _things(question, making)
    roles = _roles(question, core, making)
    distance = _distance(question, tile_km)
    if roles is None or distance is None:
        return None
    return _written(question, core, roles, distance, making)


def _clauses(tokens: list[Token]) -> list[range]:
    # A colon only announces: "cones: mud or lava?"
    ends = [at for at, t in enumerate(tokens) if t.kind == "break" and not t.text.startswith(":")]
    starts = [0, *(end + 1 for end in ends)]
    return [range(a, b) for a, b in zip(starts, [*ends, len(tokens)], strict=True) if b > a]


def _core(question: _Question) -> list[int] | None:
    """Positions of the clauses that hold the question proper; what is told before it is background."""
    question.things = _things(question, making=False)
    signs: list[range] = []
    pointing: list[range] = []
    full: list[range] = []
    for clause in question.clauses:
        kinds, items = question.kinds(clause), [t for t in question.within(clause) if t.is_landform]
        if kinds & _ASSOCIATION:
            (signs if items else pointing).append(clause)
        if len(items) > 1 or (items and len(question.within(clause)) > 1):
            full.append(clause)
    if signs:
        # The last that names two things, or one of "them".
        whole = [c for c in signs if len(question.within(c)) > 1 or _pronouns(question, c)]
        return list((whole or signs)[-1])
    if pointing and full and "each" not in question.kinds(pointing[-1]) and len(full) == 1:
        return list(full[-1])
    if pointing or full or len(question.things) > 1:
        return [at for clause in question.clauses for at in clause]
    return None


def _things(question: _Question, making: bool) -> list[_Thing]:
    """Landforms and processes; where making is asked about, "lava" and "rivers" are processes too."""
    found, depth = [], 0
    for at, token in enumerate(question.tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind not in ("item", "process"):
            continue
        process = token.value if token.kind == "process" else process_named(token.text) if making else None
        item = candidate_of(process, question.lexicon.by_key) if process else None
        if token.kind == "item":
            found.append(_Thing(at, item or token.value, process, True, depth > 0))
        elif item:
            found.append(_Thing(at, item, process, False, depth > 0))
        else:
            question.lost.append(token.text)
    return found


def _is_other(question: _Question, core: list[int], text: str) -> bool:
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
    if "not" in kinds and not kinds & _MAKING:
        return True
    return any(
        tokens[at].kind == "that"
        and question.before(at).kind == "item"
        and question.after(at).kind in _NEAR | {"without", "same", "region"}
        for at in core
    )


def _counts_only(question: _Question, core: list[int]) -> bool:
    """Whether "more common" only sets numbers beside each other: "A or B, which are commoner"."""
    signs = [question.tokens[at] for at in core if question.tokens[at].kind in _ASSOCIATION]
    others = [question.before(thing.at).kind for thing in question.within(core)[1:]]
    often = bool(signs) and all(_OFTEN.fullmatch(token.text) for token in signs)
    return often and bool(others) and set(others) <= {"and", "or", "comma", "compare", "chance", "break"}


def _spoken(question: _Question, core: list[int]) -> str:
    return " ".join(question.tokens[at].text for at in core if question.tokens[at].kind != "note")


def _names(question: _Question, core: list[int]) -> bool:
    # "Which landslides are tied to graben?" asks for landslides.
    first = [question.tokens[at] for at in core if question.tokens[at].kind != "note"][:2]
    return len(first) > 1 and first[0].text.lower() in ("which", "what") and first[1].kind == "item"


def _is_hypothesis(question: _Question, core: list[int]) -> bool:
    """Whether it is asked what made something, rather than what goes with what."""
    kinds, things = question.kinds(core), question.within(core)
    if not things or kinds & (_LINKS | {"linked"}):
        return False
    if kinds & _MAKING:
        return True
    if not things:
        return False
    processes = [t for t in things if not t.is_landform]
    if processes and len(processes) < len(things) and "or" in kinds:
        return question.before(processes[0].at).kind != "weak"  # not "gullies on ice or lava"
    # "Are the cones volcanic?", "are inverted channels old rivers?"
    named = [t for t in things if not t.is_landform or process_named(question.tokens[t.at].text)]
    plain = bool(named) and named == things[1:] and not kinds & {"weak", "same", "and", *_NEAR}
    said = " ".join(t.text for t in question.tokens[core[0] : things[-1].at] if t.kind == "filler")
    return plain and ("or" in kinds or len(things) == 2) and bool(_IS.search(said))


def _roles(question: _Question, core: list[int], making: bool) -> Roles | None:
    """Subjects, candidates, and the positions of pronouns that stand for a subject of an earlier question."""
    everywhere = question.kinds(range(len(question.tokens)))
    if not (making or everywhere & _ASSOCIATION):
        return None
    inside = [thing for thing in question.within(core) if not thing.gloss]
    if not making and sum(thing.is_landform for thing in inside) > 1:
        inside = [thing for thing in inside if thing.is_landform]
    inside = [thing for thing in inside if thing.is_landform or not _is_explained(question, thing)]
    if not inside:
        return None
    told = [t for t in question.things if t.at < core[0] and not t.gloss and t.is_landform]
    pointing = [at for at in _pronouns(question, core) if at < inside[0].at]
    pointing = [at for at in pointing if not _is_expletive(question, at, inside[0].at)]
    if told and (pointing or _is_object(question, core, inside[0])):
        return _checked(question, core, told[:1], inside, [])
    if pointing:
        return _checked(question, core, [], inside, pointing)
    subjects, candidates = _parted(question, core, inside, making)
    return _checked(question, core, subjects, candidates or told, [])


def _pronouns(question: _Question, span: range | list[int]) -> list[int]:
    # "These channels" are named; "they" and "each of the two" are not.
    named = ("item", "process")
    pronouns = [at for at in span if question.tokens[at].kind in ("this", "each")]
    return [at for at in pronouns if question.after(at).kind not in named]


def _is_object(question: _Question, core: list[int], thing: _Thing) -> bool:
    """Whether the first thing of a clause is what another is tested against: "test against X and Y"."""
    before = [question.tokens[at] for at in core if at < thing.at]
    before = [token for token in before if token.kind not in ("filler", "note", "sign")]
    if not before or before[-1].kind == "compare":
        return bool(before)
    links = any(token.kind in ("linked", "test") for token in before)
    return links and before[-1].text.lower() in ("with", "to")


def _is_expletive(question: _Question, at: int, first: int) -> bool:
    # "Is it luck that cones lie near channels?"
    return question.tokens[at].text.lower() == "it" and any(
        token.kind == "that" or token.text.lower() in ("whether", "how", "if")
        for token in question.tokens[at + 1 : first]
    )


def _is_explained(question: _Question, thing: _Thing) -> bool:
    """Whether a landform says where a process is sought: "quakes on grabens"; "if volcanic, by lava"."""
    skipped = {"filler", "note", "sign", "comma", "process", "this", "word"}
    kinds = [t.kind for t in question.tokens[thing.at + 1 :] if t.kind not in skipped]
    return kinds[:2] in (["weak", "item"], ["near", "item"], ["linked_to", "item"], ["same", "item"])


def _parted(
    question: _Question, core: list[int], inside: list[_Thing], making: bool
) -> tuple[list[_Thing], list[_Thing]]:
    """Which of the things of a clause are tested, and against which."""
    tokens = question.tokens
    against = [at for at in core if tokens[at].kind == "compare" and at > inside[0].at]
    makers = [at for at in core if tokens[at].kind == "makes"]
    if making and makers:
        active = makers[0]
        before, behind = ([t for t in inside if t.at < active], [t for t in inside if t.at > active])
        if before and behind and question.after(active).kind in ("item", "process"):
            named = [t for t in behind[1:] if against and t.at > against[0]]
            return behind[:1], named or before + behind[1:]
    if making and inside[0].process:  # "volcanic or sedimentary: the cones?"
        plain = [thing for thing in inside if not thing.process]
        return plain[:1], [thing for thing in inside if thing not in plain[:1]]
    first = question.before(inside[0].at)
    if first.kind in _NEAR and len(inside) > 1 and not any(t.kind == "this" for t in tokens[: inside[0].at]):
        # "Is being near B more common for A?"
        late = [t for t in inside[1:] if question.before(t.at).text.lower() in ("for", "of", "among")]
        if late:
            return late[:1], [t for t in inside if t is not late[0]]
    partings = [at for at in core if at > inside[0].at and _parts(question, at, inside[0].at)]
    for at in partings[:1]:
        before, behind = [t for t in inside if t.at < at], [t for t in inside if t.at > at]
        if behind and making:  # a process is never what is tested
            return [t for t in before if not t.process], [t for t in before if t.process] + behind
        if behind:
            return before, behind
    return inside[:1], inside[1:]


def _parts(question: _Question, at: int, first: int) -> bool:
    token = question.tokens[at]
    if token.kind in _PARTING:
        return True
    # "the association of gullies and polygons with craters"
    linked = any(t.kind in ("linked", "test") for t in question.tokens[:first])
    return token.kind == "weak" and linked and token.text.lower() in ("with", "to", "for")


def _checked(
    question: _Question,
    core: list[int],
    subjects: list[_Thing],
    candidates: list[_Thing],
    pronouns: list[int],
) -> Roles | None:
    """The roles without repetitions; None where things are not said to be alternatives of each other."""
    subjects, tested = _distinct(subjects, set()), {_name(thing.item) for thing in subjects}
    candidates = _distinct([_other_trace(question, thing, tested) for thing in candidates], tested)
    for one, two in (*pairwise(subjects), *pairwise(candidates)):
        # "Where lava ran over ice" names two things as well.
        joints = _JOINTS | ({"weak"} if two.process else set())
        terse = two.process and two.at == one.at + 1  # "cones: mud lava"
        if not terse and not question.kinds(range(one.at, two.at)) & joints:
            return None
    used = {_name(t.item) for t in (*subjects, *candidates)}
    later = [t for t in question.things if t.at > core[-1] and not t.gloss and t.is_landform]
    if not candidates or not (subjects or pronouns) or any(_name(t.item) not in used for t in later):
        return None
    return subjects, candidates, pronouns


def _other_trace(question: _Question, thing: _Thing, tested: set[str]) -> _Thing:
    """A process whose landform is itself tested, with the next landform that stands for it."""
    if not thing.process or _name(thing.item) not in tested:
        return thing
    item = candidate_of(thing.process, question.lexicon.by_key, frozenset(tested))
    if not item:
        question.lost.append(question.tokens[thing.at].text)
    return replace(thing, item=item or thing.item)


def _name(item: Item) -> str:
    return item.key or item.text


def _distinct(things: list[_Thing], taken: set[str]) -> list[_Thing]:
    by_name = {_name(thing.item): thing for thing in reversed(things) if _name(thing.item) not in taken}
    return list(reversed(by_name.values()))


def _distance(question: _Question, tile_km: float) -> float | None:
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


def _written(
    question: _Question, core: list[int], roles: Roles, distance: float, making: bool
) -> list[Token]:
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


def _has_background(question: _Question, core: list[int], roles: Roles) -> bool:
    """Whether the question names or says more, outside its core, than the test uses."""
    named = {_name(thing.item) for things in roles[:2] for thing in things}
    words = any(t.kind == "word" for at, t in enumerate(question.tokens) if at not in core)
    return words or any(_name(t.item) not in named for t in question.things if not t.gloss)


def _trial(
    question: _Question, subjects: list[_Thing], candidates: list[_Thing], distance: float, making: bool
) -> Trial:
    start, end = (min(t.at for t in group) if group else 0 for group in (subjects, candidates))
    between = question.tokens[min(start, end) : max(start, end)]
    kinds = {token.kind for token in between}
    texts = {token.text.lower() for token in between if token.kind == "weak"}
    away = [token for token in question.tokens if token.kind == "away"]
    kind: Kind = "near"
    if not (distance or making or kinds & (_LINKS | _NEAR | {"linked", "compare"})):
        kind = "overlap" if kinds & {"same", "in_same"} or texts & {"in", "on", "into"} else "near"
    farther = any(token.text.lower().startswith(("farther", "further", "more")) for token in away)
    items = tuple(thing.item for thing in candidates)
    return Trial(items, "without" if farther else kind, distance, farther)


def _traces(question: _Question, candidates: list[_Thing]) -> list[str]:
    said = [
        f"“{question.tokens[thing.at].text}” was tested by nearness to {thing.item.plural}"
        for thing in candidates
        if not thing.is_landform or thing.item != question.tokens[thing.at].value
    ]
    if question.lost:
        names = listed([f"“{name}”" for name in dict.fromkeys(question.lost)])
        said.append(f"Not tested, as no landform here stands for it: {names}")
    return said

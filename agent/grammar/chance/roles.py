"""Who is tested against whom: the things of a question, and which of them are subjects and candidates.

A subject is what is tested or explained, a candidate what it may go with or come from. Where a process is
named instead of a landform, `prompts/processes.yaml` says which landform stands for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise

from agent.grammar.chance.processes import candidate_of, process_named
from agent.grammar.lexicon import Lexicon
from agent.grammar.query import Item
from agent.grammar.tokens import Token
from prompts import Process

# Kinds of token by what they do in a test.
LINKS = {"linked_to", "avoid"}
ASSOCIATION = LINKS | {"linked", "chance", "test", "strata", "null"}
MAKING = {"cause", "makes"}
NEAR = {"near", "near_km", "away", "without_km", "beyond_km", "among_km"}
PARTING = LINKS | NEAR | {"cause", "compare", "in_same", "same"}  # between subjects and candidates
JOINTS = {"and", "or", "comma", "break", "compare", "not", "neither", "either", "both"}
_IS = re.compile(r"\b(?:is|are|was|were|be|being)\b", re.IGNORECASE)


@dataclass
class Thing:
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
class Question:
    """A question as tokens, its clauses as ranges of them, and the things in it."""

    tokens: list[Token]
    lexicon: Lexicon
    clauses: list[range] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def within(self, span: range | list[int]) -> list[Thing]:
        """The things at some positions."""
        return [thing for thing in self.things if thing.at in span]

    def kinds(self, span: range | list[int]) -> set[str]:
        """The kinds of token at some positions."""
        return {self.tokens[at].kind for at in span}

    def before(self, at: int) -> Token:
        """The token before a position that says something."""
        found = [t for t in self.tokens[:at] if t.kind not in ("filler", "note", "sign")]
        return found[-1] if found else Token("", "")

    def after(self, at: int, skipped: tuple[str, ...] = ("filler", "note", "sign")) -> Token:
        """The token after a position that says something."""
        found = [t for t in self.tokens[at + 1 :] if t.kind not in skipped]
        return found[0] if found else Token("", "")


Roles = tuple[list[Thing], list[Thing], list[int]]


def things_in(question: Question, making: bool) -> list[Thing]:
    """Landforms and processes; where making is asked about, "lava" and "rivers" are processes too."""
    found, glosses = [], _glosses(question)
    for at, token in enumerate(question.tokens):
        if token.kind not in ("item", "process"):
            continue
        process = token.value if token.kind == "process" else process_named(token.text) if making else None
        item = candidate_of(process, question.lexicon.by_key) if process else None
        if token.kind == "item":
            found.append(Thing(at, item or token.value, process, True, at in glosses))
        elif item:
            found.append(Thing(at, item, process, False, at in glosses))
        else:
            question.lost.append(token.text)
    return found


def _glosses(question: Question) -> set[int]:
    """Positions of things in brackets that only explain what stands before: "cones (small volcanoes)".

    What is said to lie near something, several things, and "associate(a, b)" are no explanation.
    """
    found: set[int] = set()
    inside: list[int] = []
    start, depth = 0, 0
    for at, token in enumerate(question.tokens):
        if token.text == "(":
            start, depth, inside = at, depth + 1, []
        elif token.text == ")":
            depth -= 1
        elif depth > 0 and token.kind in ("item", "process"):
            inside.append(at)
            related = question.after(start).kind in NEAR | {"weak"}
            called = question.before(start).kind in ("linked", "test")
            found = (found - set(inside)) if related or called or len(inside) > 1 else found | {at}
    return found


def is_hypothesis(question: Question, core: list[int]) -> bool:
    """Whether it is asked what made something, rather than what goes with what."""
    kinds, things = question.kinds(core), question.within(core)
    if not things or kinds & (LINKS | {"linked"}):
        return False
    if kinds & MAKING:
        return True
    if not things:
        return False
    processes = [t for t in things if not t.is_landform]
    if processes and len(processes) < len(things) and "or" in kinds:
        return question.before(processes[0].at).kind != "weak"  # not "gullies on ice or lava"
    # "Are the cones volcanic?", "are inverted channels old rivers?"
    named = [t for t in things if not t.is_landform or process_named(question.tokens[t.at].text)]
    plain = bool(named) and named == things[1:] and not kinds & {"weak", "same", "and", *NEAR}
    said = " ".join(t.text for t in question.tokens[core[0] : things[-1].at] if t.kind == "filler")
    return plain and ("or" in kinds or len(things) == 2) and bool(_IS.search(said))


def roles_of(question: Question, core: list[int], making: bool) -> Roles | None:
    """Subjects, candidates, and the positions of pronouns that stand for a subject of an earlier question."""
    everywhere = question.kinds(range(len(question.tokens)))
    if not (making or everywhere & ASSOCIATION):
        return None
    inside = [thing for thing in question.within(core) if not thing.gloss]
    if not making and sum(thing.is_landform for thing in inside) > 1:
        inside = [thing for thing in inside if thing.is_landform]
    inside = [thing for thing in inside if thing.is_landform or not _is_explained(question, thing)]
    if not inside:
        return None
    told = [t for t in question.things if t.at < core[0] and not t.gloss and t.is_landform]
    pointing = [at for at in pronouns_in(question, core) if at < inside[0].at]
    pointing = [at for at in pointing if not _is_expletive(question, at, inside[0].at)]
    if told and (pointing or _is_object(question, core, inside[0])):
        return _checked(question, core, _last_told(question, told), inside, [])
    if pointing:
        return _checked(question, core, [], inside, pointing)
    subjects, candidates = _parted(question, core, inside, making)
    return _checked(question, core, subjects, candidates or told, [])


def _last_told(question: Question, told: list[Thing]) -> list[Thing]:
    """What was spoken of last: the first thing of the last sentence that names any."""
    for clause in reversed(question.clauses):
        if named := [thing for thing in told if thing.at in clause]:
            return named[:1]
    return told[:1]


def pronouns_in(question: Question, span: range | list[int]) -> list[int]:
    """Positions of pronouns: "they", "each of the two", but not "these channels"."""
    named = ("item", "process")
    pronouns = [at for at in span if question.tokens[at].kind in ("this", "each")]
    return [at for at in pronouns if question.after(at).kind not in named]


def _is_object(question: Question, core: list[int], thing: Thing) -> bool:
    """Whether the first thing of a clause is what another is tested against: "test against X and Y"."""
    before = [question.tokens[at] for at in core if at < thing.at]
    before = [token for token in before if token.kind not in ("filler", "note", "sign")]
    if not before or before[-1].kind == "compare":
        return bool(before)
    links = any(token.kind in ("linked", "test") for token in before)
    return links and before[-1].text.lower() in ("with", "to")


def _is_expletive(question: Question, at: int, first: int) -> bool:
    # "Is it luck that cones lie near channels?"
    return question.tokens[at].text.lower() == "it" and any(
        token.kind == "that" or token.text.lower() in ("whether", "how", "if")
        for token in question.tokens[at + 1 : first]
    )


def _is_explained(question: Question, thing: Thing) -> bool:
    """Whether a landform says where a process is sought: "quakes on grabens"; "if volcanic, by lava"."""
    skipped = {"filler", "note", "sign", "comma", "process", "this", "word", "cause"}
    kinds = [t.kind for t in question.tokens[thing.at + 1 :] if t.kind not in skipped]
    return kinds[:2] in (["weak", "item"], ["near", "item"], ["linked_to", "item"], ["same", "item"])


def _parted(
    question: Question, core: list[int], inside: list[Thing], making: bool
) -> tuple[list[Thing], list[Thing]]:
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
    if first.kind in NEAR and len(inside) > 1 and not any(t.kind == "this" for t in tokens[: inside[0].at]):
        # "Is being near B more common for A?"
        late = [t for t in inside[1:] if question.before(t.at).text.lower() in ("for", "of", "among")]
        if late:
            return late[:1], [t for t in inside if t is not late[0]]
    links = [at for at in core if tokens[at].kind == "linked_to"]
    if (
        links
        and links[-1] > inside[-1].at
        and len(inside) > 2
        and not question.within(range(links[-1], core[-1]))
    ):
        # "Which of A and B do C go with?"
        asked = any(
            t.text.lower() in ("do", "does", "did", "are", "is") for t in tokens[: inside[-1].at][-3:]
        )
        if asked:
            return inside[-1:], inside[:-1]
    partings = [at for at in core if at > inside[0].at and _parts(question, at, inside[0].at)]
    for at in partings[:1]:
        before, behind = [t for t in inside if t.at < at], [t for t in inside if t.at > at]
        if behind and making:  # a process is never what is tested
            return [t for t in before if not t.process], [t for t in before if t.process] + behind
        if behind:
            return before, behind
    return inside[:1], inside[1:]


def _parts(question: Question, at: int, first: int) -> bool:
    token = question.tokens[at]
    if token.kind in PARTING:
        return True
    # "the association of gullies and polygons with craters"
    linked = any(t.kind in ("linked", "test") for t in question.tokens[:first])
    return token.kind == "weak" and linked and token.text.lower() in ("with", "to", "for")


def _checked(
    question: Question,
    core: list[int],
    subjects: list[Thing],
    candidates: list[Thing],
    pronouns: list[int],
) -> Roles | None:
    """The roles without repetitions; None where things are not said to be alternatives of each other."""
    subjects, tested = _distinct(subjects, set()), {name_of(thing.item) for thing in subjects}
    candidates = _distinct([_other_trace(question, thing, tested) for thing in candidates], tested)
    for one, two in (*pairwise(subjects), *pairwise(candidates)):
        # "Where lava ran over ice" names two things as well.
        joints = JOINTS | ({"weak"} if two.process else set())
        terse = two.process and two.at == one.at + 1  # "cones: mud lava"
        if not terse and not question.kinds(range(one.at, two.at)) & joints:
            return None
    used = {name_of(t.item) for t in (*subjects, *candidates)}
    later = [t for t in question.things if t.at > core[-1] and not t.gloss and t.is_landform]
    if not candidates or not (subjects or pronouns) or any(name_of(t.item) not in used for t in later):
        return None
    return subjects, candidates, pronouns


def _other_trace(question: Question, thing: Thing, tested: set[str]) -> Thing:
    """A process whose landform is itself tested, with the next landform that stands for it."""
    if not thing.process or name_of(thing.item) not in tested:
        return thing
    item = candidate_of(thing.process, question.lexicon.by_key, frozenset(tested))
    if not item:
        question.lost.append(question.tokens[thing.at].text)
    return replace(thing, item=item or thing.item)


def name_of(item: Item) -> str:
    """By which two things are known to be the same."""
    return item.key or item.text


def _distinct(things: list[Thing], taken: set[str]) -> list[Thing]:
    by_name = {name_of(thing.item): thing for thing in reversed(things) if name_of(thing.item) not in taken}
    return list(reversed(by_name.values()))

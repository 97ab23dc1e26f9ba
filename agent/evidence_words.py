"""What an answer says without numbers, checked against what the tools said.

Verdicts of tests, comparisons, “all” and “none”, sides, names of places, and citations of layers that hold
something else. A statement that no tool made is as unsupported as one that a tool contradicts; what is asked,
supposed or said to be untested (“whether”, “may”, “would have”) states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.events import Step
from agent.evidence_claims import CITATION, cited_in, sentences
from agent.evidence_facts import parents_of
from agent.evidence_subjects import Subjects, mentions, words_of
from agent.evidence_verdicts import FAMILIES, UNKNOWN, Family, read_adjective
from retrieval.body import BODIES

Wrong = tuple[int, str, str]

_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"")
_CLAUSE = re.compile(r"[^;:]+")
_SUPPOSED = re.compile(
    r"\b(?:whether|if|would have|could|might|may|proof|proves?|proven|question|assum\w+|taken as"
    r"|instead of)\b"
    r"|\bto (?:test|say|tell|show|claim|confirm|call)\b|\bnot (?:been )?(?:tested|measured|shown)\b|untested"
    r"|\bonly a test|\bno (?:test|tool)\b|\?",
    re.IGNORECASE,
)
_CANNOT = re.compile(
    r"\b(?:cannot|can not|can't|could not|impossible to|unable to) (?:be )?(?:tell|told|say|said"
    r"|decided?|settled?)"
    r"|\binconclusive|\bundecided|\btoo (?:few|little) (?:to|for)|\bno verdict",
    re.IGNORECASE,
)
_VERB = (
    r"(?:lie|lies|are|is|fall|falls|occur|occurs|match|matches|sit|sits|stand|stands|point|points|face|faces"
    r"|were|was|touch|touches)"
)
_ALL = re.compile(
    r"\b(?:all|every(?: one| single one)?|each|without exception)(?: of)?(?: (?:them|these|those|the))?"
    rf"(?: [\d,]+)?(?: of them)?(?: [a-z-]+){{0,6}}? {_VERB}\b",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\b(?:none|not one|not a single(?: one)?|no(?= tiles?\b| features?\b))(?: of)?(?: (?:them"
    r"|these|those|the))?"
    rf"(?: [\d,]+)?(?: [a-z-]+){{0,6}}? {_VERB}\b",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"\b(?:no|not a single|not one) (?:[a-z-]+ ){1,4}?(?:(?:was|were|is|are) )?(?:found|detected"
    r"|passes|pass\b)"
    r"|\bnothing (?:is|was) found|\bfind(?:s|ing)? (?:no|none)\b|\bfound (?:no|none)\b",
    re.IGNORECASE,
)
_NOT_ABOUT_TILES = re.compile(
    r"detection|model|condition|threshold|tool|test|search|result|number|figure|observed|sentence|map",
    re.IGNORECASE,
)
_MOST = r"(?:most|more|the majority|mainly|mostly|chiefly|largely|predominantly|more than half)"
_FEW = r"(?:fewer|few|the minority|a minority|less than half|only a few)"
_SIDE = re.compile(
    rf"\b(?:(?P<most>{_MOST})|(?P<few>{_FEW}))\b[^.;,\d]{{0,50}}?\b(?P<side>north|south)", re.I
)
_CLOSE = re.compile(rf"\b(?:(?P<most>{_MOST}) of|(?P<few>{_FEW}) of)\b[^.;,\d]{{0,50}}?\bwithin\b", re.I)
_PLACE_AFTER = re.compile(
    r"\b(?:in|near|at|around|across|within|of|from|inside|toward|through|over|by|and|beside"
    r"|off)\s+(?:the\s+)?"
    r"(?P<name>[A-Z][^\W\d_]+(?:[ -][A-Z][^\W\d_]+)*)"
)
_PLACE_TERM = re.compile(
    r"(?P<name>(?:[A-Z][^\W\d_]+ )+(?:Planitia|Planum|Terra|Mons|Montes|Vallis|Valles|Chasma"
    r"|Chasmata|Crater|Patera"
    r"|Fossae?|Dors[au]m?|Basin|Rupes|Sulci|Tholus|Mensae|Vastitas|Regio|Mare|Cav[iu]s?|Labes"
    r"|Undae|Colles))\b"
)
_LIMITED = re.compile(
    r"\d ?(?:°|degrees)|\b(?:latitude|longitude|elevation|slopes?|probability|hemisphere|equator|km of)\b",
    re.I,
)
_SELECTING = ("near", "without", "overlap", "downslope", "filter_layer")
_NO_PLACES = frozenset(
    [
        "north",
        "south",
        "east",
        "west",
        "northern",
        "southern",
        "rayleigh",
        "watson",
        "holm",
        "kuiper",
        "earth",
        "sun",
        "martian",
        "lunar",
        "null",
        "geopackage",
        "geojson",
        "geoparquet",
        "openstreetmap",
        "i",
        "moon",
    ]
)


@dataclass(frozen=True)
class _Sentence:
    start: int
    text: str
    cited: frozenset[str]


def wrong_words(answer: str, steps: Sequence[Step], question: str) -> Iterator[Wrong]:
    """Statements without support: where they end in the answer, the words, and why."""
    done = [step for step in steps if not step.error]
    reader = _Reader(done, question)
    for start, end in sentences(answer):
        raw = answer[start:end]
        plain = raw
        for pattern in (CITATION, _QUOTED):
            plain = pattern.sub(lambda match: "\0" * len(match[0]), plain)
        sentence = _Sentence(start, plain, cited_in(raw))
        for rule in (reader.verdicts, reader.quantities, reader.emptiness, reader.shares, reader.places):
            yield from rule(sentence)
        yield from reader.misplaced(sentence, raw)


class _Reader:
    """What the tools said, asked one sentence at a time."""

    def __init__(self, steps: Sequence[Step], question: str) -> None:
        self.steps = steps
        self.subjects = Subjects(steps)
        self.titles = self.subjects.titles
        self.known_words = words_of(question) | {word for step in steps for word in words_of(_text_of(step))}
        self.known_words |= {word for name in BODIES for word in words_of(name)} | words_of(
            " ".join(_NO_PLACES)
        )
        self.summaries = " ".join(step.summary for step in steps).lower()

    def verdicts(self, sentence: _Sentence) -> Iterator[Wrong]:
        """Verdicts that no test gave."""
        for family in FAMILIES:
            tests = [step for step in self.steps if family.is_test(step)]
            for clause in _CLAUSE.finditer(sentence.text):
                stated = _stated(family, clause[0])
                if stated is None:
                    continue
                polarity, words, end = stated
                if not tests and not family.needs_test(words):
                    continue
                if polarity == UNKNOWN and not family.topic.search(clause[0]) and not tests:
                    continue
                given = self.subjects.related(tests, sentence.cited, self.subjects.named(clause[0]))
                allowed = set().union(*(family.read(step) for step in given))
                if polarity not in allowed:
                    yield sentence.start + clause.start() + end, words, _contradiction(family, given, tests)
                    break

    def quantities(self, sentence: _Sentence) -> Iterator[Wrong]:
        """“Higher than”, “steeper than”: as `compare` said, whichever of the two is named first."""
        tests = [step for step in self.steps if step.tool == "compare"]
        text = sentence.text
        found = read_adjective(text)
        if found is None or _SUPPOSED.search(text) or re.search(r"\bchance of\b|probab", text):
            return
        if not tests and not re.search(r"\blies? (?:higher|lower|steeper|farther)\b|elevation", text):
            return
        sign, fits, match = found
        given = [
            step
            for step in self.subjects.related(tests, sentence.cited)
            if fits(str(step.arguments.get("by", "")))
        ]
        before, after = text[: match.start()], text[match.end() :]
        for step in given:
            names = [self.names(str(step.arguments.get(key, ""))) for key in ("layer", "other")]
            turned = bool(names[1]) and mentions(before, names[1]) and mentions(after, names[0])
            turned = turned or ("ground" in before and mentions(after, names[0]))
            told = re.search(r"\bhas a (higher|lower) ", step.summary.split(". ")[0])
            value = {"higher": 1, "lower": -1}[told[1]] if told else 0
            if value * (-1 if turned else 1) == sign:
                return
        yield sentence.start + match.end(), match[0], "the comparison did not say so"

    def emptiness(self, sentence: _Sentence) -> Iterator[Wrong]:
        """“All”, “none” and “nothing was found”."""
        for clause in _CLAUSE.finditer(sentence.text):
            for pattern, fits in ((_ALL, _is_all), (_NONE, _is_none), (_EMPTY, _is_none)):
                match = pattern.search(clause[0])
                if (
                    not match
                    or _SUPPOSED.search(clause[0])
                    or re.search(r"\bnot\W+$", clause[0][: match.start()])
                ):
                    continue
                if pattern is not _EMPTY and _NOT_ABOUT_TILES.search(clause[0]):
                    continue
                if match[0].lower() in self.summaries:
                    continue
                found = pattern is _EMPTY
                given = self.searched(sentence, clause[0]) if found else self.kept(sentence, clause[0])
                if not any(fits(step, clause[0]) for step in given):
                    end = sentence.start + clause.start() + match.end()
                    yield end, match[0], "no tool counted it so"

    def searched(self, sentence: _Sentence, clause: str) -> list[Step]:
        """The steps that made what a clause says was not found: what it names, or else what is cited."""
        sought = self.subjects.named(clause) & sentence.cited or sentence.cited
        return [step for step in self.steps if set(step.layer_ids) & sought or not sentence.cited]

    def kept(self, sentence: _Sentence, clause: str) -> list[Step]:
        """The steps that may say how much was kept: not those that went on from what is cited."""
        cited, named = sentence.cited, self.subjects.named(clause)
        if not cited:
            return self.subjects.related(self.steps, cited, named)
        limited = _LIMITED.search(clause) is not None
        return [
            step
            for step in self.subjects.related(self.steps, frozenset(), named)
            if set(step.layer_ids) & cited
            or (not step.layer_ids and set(parents_of(step)) & cited)
            or (len(parents_of(step)) > 1 and set(parents_of(step)) <= cited)
            or (limited and step.tool == "filter_layer" and set(parents_of(step)) & cited)
        ]

    def shares(self, sentence: _Sentence) -> Iterator[Wrong]:
        """“Most lie in the north”, “most lie within”: against the counts."""
        for pattern, names in ((_SIDE, ("north_count", "south_count")), (_CLOSE, ("count", "of_count"))):
            match = pattern.search(sentence.text)
            if not match or _SUPPOSED.search(sentence.text):
                continue
            rows = [
                step.figures
                for step in self.subjects.related(self.steps, sentence.cited)
                if set(names) <= set(step.figures)
            ]
            if pattern is _CLOSE:
                rows = [figures for figures in rows if "distance_km" in figures]
            verdicts = {_more(match, figures, names) for figures in rows}
            if rows and True not in verdicts:
                yield sentence.start + match.end(), match[0], "the counts say otherwise"

    def places(self, sentence: _Sentence) -> Iterator[Wrong]:
        """Names of places that neither the question nor a tool named."""
        seen = set()
        for pattern in (_PLACE_TERM, _PLACE_AFTER):
            for match in pattern.finditer(sentence.text):
                words = re.findall(r"[^\W\d_]+", match["name"])
                unknown = [word for word in words if not words_of(word) <= self.known_words]
                if not unknown or any(word.isupper() or re.search(r"[a-z][A-Z]", word) for word in words):
                    continue
                if match.end("name") not in seen:
                    seen.add(match.end("name"))
                    yield sentence.start + match.end("name"), match["name"], "no tool named this place"

    def misplaced(self, sentence: _Sentence, raw: str) -> Iterator[Wrong]:
        """Citations of layers that hold something else than the words before them name."""
        done = 0
        for match in re.finditer(rf"(?:{CITATION.pattern}\s*)+", raw):
            words, cited = raw[done : match.start()], cited_in(match[0])
            done = match.end()
            tight = re.search(
                r"\d[\d,]* (?:[a-z]+ ){0,2}?(?:with|of|for|show|showing|match|matching) ([^\d,;:.()]{3,60})$",
                words,
            )
            phrase = (
                tight[1] if tight and not re.search(r"\b(?:near|within|in|from|than)\b", tight[1]) else raw
            )
            held = cited if phrase is not raw else sentence.cited
            named = {layer for layer, title in self.titles.items() if mentions(phrase, [title])}
            lineage = set(self.subjects.lineage(held))
            if phrase is raw:
                lineage |= {made for made, above in self.subjects.above.items() if above & held}
            if named and held <= self.all_layers and not named & lineage:
                layer = sorted(cited)[0]
                yield (
                    sentence.start + match.end() - (len(match[0]) - len(match[0].rstrip())),
                    f"[{layer}]",
                    (f"{layer} does not hold that; {', '.join(sorted(named))} does"),
                )
                return

    @property
    def all_layers(self) -> frozenset[str]:
        return frozenset(layer for step in self.steps for layer in step.layer_ids)

    def names(self, layer: str) -> list[str]:
        """Words for a layer: its id, and what was searched for."""
        return [name for name in (layer, self.titles.get(layer, "")) if name]


def _stated(family: Family, clause: str) -> tuple[str, str, int] | None:
    """What a clause says about a family of tests: polarity, the words, where they end."""
    cannot = _CANNOT.search(clause)
    if cannot:
        about = family.topic.search(clause)
        return (UNKNOWN, cannot[0], cannot.end()) if about else None
    if _SUPPOSED.search(clause):
        return None
    for polarity, pattern in family.patterns:
        if match := pattern.search(clause):
            return polarity, match[0].strip(), match.end()
    return None


def _contradiction(family: Family, given: Sequence[Step], tests: Sequence[Step]) -> str:
    if not tests:
        return f"no tool tested {family.name}"
    if not given:
        return f"the test of {family.name} was not about the layers cited"
    return f"the tool said: {given[-1].summary.split('. ')[0][:160]}"


def _is_all(step: Step, clause: str) -> bool:
    figures = step.figures
    for side in ("north", "south"):
        if side in clause:
            return _equal(figures, f"{side}_count", "count")
    return (step.tool in _SELECTING and _equal(figures, "count", "of_count")) or _equal(
        figures, "near_count", "tested_count"
    )


def _is_none(step: Step, clause: str) -> bool:
    for words, name in (("north", "north_count"), ("south", "south_count"), ("same tile", "same_tile_count")):
        if words in clause and name in step.figures:
            return step.figures[name] == 0 or step.figures.get("count") == 0
    empty = step.figures.get("count") == 0 or step.figures.get("near_count") == 0
    return empty or any(brief.get("count") == 0 for brief in step.layers)


def _equal(figures: Mapping[str, Any], one: str, other: str) -> bool:
    return bool(figures.get(one)) and figures.get(one) == figures.get(other)


def _more(match: re.Match[str], figures: Mapping[str, Any], names: tuple[str, str]) -> bool:
    one, two = (figures[name] for name in names)
    if names[0] == "count":
        one, two = 2 * one, two
    more = one > two if match.groupdict().get("side", "north").lower() == "north" else two > one
    return bool(more) == bool(match["most"]) or one == two


def _text_of(step: Step) -> str:
    return " ".join(str(part) for part in (step.arguments, step.summary, step.layers, step.table, step.files))

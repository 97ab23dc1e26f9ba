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
from agent.evidence_facts import ancestors, layers_of
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
    r"detection|model|threshold|tool|test|search|result|number|figure|observed|sentence|map", re.IGNORECASE
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
        self.above = ancestors(steps)
        self.titles = _titles(steps)
        self.known_words = _words(question) | {word for step in steps for word in _words(_text_of(step))}
        self.known_words |= {word for name in BODIES for word in _words(name)} | _words(" ".join(_NO_PLACES))
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
                given = self.related(tests, sentence.cited)
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
            step for step in self.related(tests, sentence.cited) if fits(str(step.arguments.get("by", "")))
        ]
        before, after = text[: match.start()], text[match.end() :]
        for step in given:
            names = [self.names(str(step.arguments.get(key, ""))) for key in ("layer", "other")]
            turned = bool(names[1]) and _mentions(before, names[1]) and _mentions(after, names[0])
            turned = turned or ("ground" in before and _mentions(after, names[0]))
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
                given = self.related(self.steps, sentence.cited)
                if not any(fits(step, clause[0]) for step in given):
                    end = sentence.start + clause.start() + match.end()
                    yield end, match[0], "no tool counted it so"

    def shares(self, sentence: _Sentence) -> Iterator[Wrong]:
        """“Most lie in the north”, “most lie within”: against the counts."""
        for pattern, names in ((_SIDE, ("north_count", "south_count")), (_CLOSE, ("count", "of_count"))):
            match = pattern.search(sentence.text)
            if not match or _SUPPOSED.search(sentence.text):
                continue
            rows = [
                step.figures
                for step in self.related(self.steps, sentence.cited)
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
                unknown = [word for word in words if not _words(word) <= self.known_words]
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
            named = {layer for layer, title in self.titles.items() if _mentions(phrase, [title])}
            lineage = held.union(*(self.above.get(layer, frozenset()) for layer in held))
            lineage |= (
                {made for made, above in self.above.items() if above & held} if phrase is raw else set()
            )
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

    def related(self, steps: Sequence[Step], cited: frozenset[str]) -> list[Step]:
        """The steps about the layers cited, those about most of them first; all, where none is cited."""
        if not cited:
            return list(steps)
        wide = cited.union(*(self.above.get(layer, frozenset()) for layer in cited))
        shared = {id(step): len(layers_of(step) & cited) for step in steps}
        best = max(shared.values(), default=0)
        if best:
            return [step for step in steps if shared[id(step)] == best]
        return [step for step in steps if layers_of(step) & wide]


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


def _titles(steps: Sequence[Step]) -> dict[str, str]:
    """What was searched for, by the id of the layer."""
    searches = [step for step in steps if step.tool == "search_words"]
    return {layer: str(step.arguments.get("text", "")) for step in searches for layer in step.layer_ids}


def _mentions(text: str, names: Sequence[str]) -> bool:
    words = _words(text)
    return any(name in text or (_words(name) and _words(name) <= words) for name in names)


def _words(text: str) -> set[str]:
    """Words in small letters, in the singular and as written."""
    found = {word.lower() for word in re.findall(r"[^\W\d_]+", text)}
    return found if not found else {_singular(word) for word in found}


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _text_of(step: Step) -> str:
    return " ".join(str(part) for part in (step.arguments, step.summary, step.layers, step.table, step.files))

"""Every number, citation and verdict of an answer, checked against the tool results.

A number is supported if some figure, rounded as the number is written, gives it: ``12.3`` stands for 12.25 to
12.35, ``1.2 million`` for 1,150,000 to 1,250,000, ``41 %`` for a share of 0.41, ``0.6 km`` for a figure in
metres. A whole number must be exact unless a word before it says that it is not (``about 1,200``). The figure
must be about a layer that the sentence cites, count the same things (tiles or separate features), have the
unit, the side (``south``), the role (``p``, ``threshold of``, ``median``) and hold at the threshold that the
sentence gives it. Numbers of the question are supported as they stand. Number words (``two of the three``),
ordinals, the marks of a list, and digits inside names (``L3``, ``16km-r012c034``) are not checked.

What is said without numbers, verdicts, comparisons, “all” and “none”, and places, is checked by
`agent.evidence_words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from agent.events import Evidence, Step
from agent.evidence_claims import Claim, citations, claims
from agent.evidence_facts import TABLE, Fact, facts_of, known_fact
from agent.evidence_fits import (
    LEVEL,
    LINK,
    P_NAME,
    P_WORDS,
    comparison,
    gives,
    noun_fits,
    reach_fits,
    repeats,
    same_rows,
    side_fits,
    states,
)
from agent.evidence_subjects import Subjects
from agent.evidence_words import wrong_words

__all__ = ["MARK", "Evidence", "Finding", "check", "findings", "mark"]

MARK = "(unsupported)"

_CHANCE = r"(?:by|from) chance(?: alone)?|chance (?:alone )?(?:would|gives|expects)|expect(?:s|ed)?"
# Words right before a number that say which figure it is, and names that such figures have.
_ROLES = tuple(
    (re.compile(rf"\b(?:{words}){LINK}", re.IGNORECASE), re.compile(names))
    for words, names in (
        (P_WORDS, P_NAME),
        (r"enrichment", r"enrichment"),
        (r"resultant(?: length)?", r"resultant"),
        (r"azimuth|mean axis|direction", r"azimuth|axis|deg"),
        (r"median(?: [a-z]+)?", r"median|difference|q50"),
        (_CHANCE, r"expected|chance|large"),
        (r"difference(?: of medians)?", r"difference|apart"),
        (r"stricter thresholds? of|threshold raised to", r"strict|threshold|^$"),
        (r"mean probability", r"mean_probability"),
        (r"middle", r"middle|lat|elevation"),
        (r"level", r"level"),
    )
)
_OWN_THRESHOLD = re.compile(
    rf"(?<!stricter )\b(?:(?P<own>its|own|default)|the|a) threshold{LINK}", re.IGNORECASE
)
_STRICTER = re.compile(r"strict|raise|higher threshold|tighten|both", re.IGNORECASE)
# Words right behind a bare number that say which figure it is.
_SIDES = tuple(
    (
        re.compile(
            rf"\s*(?:[a-z]+ ){{0,2}}?(?:(?:lie|lies|are|is|in) ){{0,2}}(?:(?:to )?the )?{side}(?:ern)?\b"
        ),
        side,
    )
    for side in ("north", "south")
)
_BY_CHANCE = re.compile(r"\s*(?:would )?(?:(?:is|are|was|were) )?(?:expected|by chance)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\s*(?:independent )?(?:directions|ones|places|tests|groups)\b")
_BOUNDS = re.compile(r"\b(?:interval|between|from|range|to)\b|–", re.IGNORECASE)
_SPREAD = re.compile(r"\b(?:between|from|median|middle|mean)\b[^.;]*$", re.IGNORECASE)
# Where a table shows single tiles or features, and words by which a sentence speaks of one.
_OF_ONE_ROW = frozenset(("lat", "lon", "probability", "score", "elevation_m"))
_ONE_ROW = re.compile(
    r"\b(?:best|top|first|second|third|most probable|strongest|highest|lowest|nearest|farthest|largest"
    r"|longest|smallest|one(?! of)|single|tile|row|entry|lies at|at (?:latitude|longitude))\b|km-r\d",
    re.IGNORECASE,
)
_SUMMED = re.compile(r"\b(?:median|middle|mean|most of)\b[^.;]*$", re.IGNORECASE)
_WHOLE = re.compile(r"\b(?:of|among|out of|from) (?:the |its |those |these |all )?$", re.IGNORECASE)
_OF_PART = re.compile(r"^[^.;\d]{0,60}?\bof (?:which|them|these|those|the|all)?\s*$", re.IGNORECASE)
_TOLD_OF_WORDS = re.compile(
    r"[^“”]*” (?:(?:was|were) (?:not understood|left out|taken|read)|cannot be used|is (?:no|farther))\b"
)
_HALVES = re.compile(r"\b(?:equator|hemisphere|north|south)", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """Something that the tools do not support: where it ends in the answer, the words, and why not."""

    end: int
    text: str
    why: str


def check(
    answer: str,
    steps: Sequence[Step],
    question: str,
    known: Iterable[float] | Mapping[str, float] = (),
    counts: Mapping[str, int] | None = None,
) -> Evidence:
    """Check an answer against what its tools gave.

    Parameters
    ----------
    answer
        Text as shown.
    steps
        Tool calls whose results the model could see: those of the whole conversation.
    question
        Its numbers may be repeated.
    known
        Further numbers the model was told, such as the number of tiles; by names like those of figures.
    counts
        Rows of each layer by its id, as the model was told them.
    """
    wrong = findings(answer, steps, question, known, counts)
    layers = _layers(steps) | set(counts or ())
    cited = dict.fromkeys(layer_id for _, layer_id in citations(answer) if layer_id in layers)
    return Evidence(
        checked=len(claims(answer)),
        unsupported=tuple(finding.text for finding in wrong),
        citations=tuple(cited),
        ends=tuple(finding.end for finding in wrong),
    )


def findings(
    answer: str,
    steps: Sequence[Step],
    question: str,
    known: Iterable[float] | Mapping[str, float] = (),
    counts: Mapping[str, int] | None = None,
) -> list[Finding]:
    """What an answer says that nothing supports, in the order of the text; arguments as in `check`."""
    checker = _Checker(answer, steps, question, known, counts or {})
    wrong = [*checker.numbers(), *checker.dangling()]
    wrong += [Finding(*found) for found in wrong_words(answer, steps, question)]
    return sorted(wrong, key=lambda finding: finding.end)


def mark(answer: str, evidence: Evidence) -> str:
    """The answer with ``(unsupported)`` behind everything that is not supported."""
    marked, done = "", 0
    for end in sorted(set(evidence.ends)):
        marked += f"{answer[done:end]} {MARK}"
        done = end
    return marked + answer[done:]


class _Checker:
    """One answer and the facts that may support it."""

    def __init__(
        self,
        answer: str,
        steps: Sequence[Step],
        question: str,
        known: Iterable[float] | Mapping[str, float],
        counts: Mapping[str, int],
    ) -> None:
        self.answer = answer
        self.layers = _layers(steps) | set(counts)
        self.done = [step for step in steps if not step.error]
        self.subjects = Subjects(self.done)
        self.above = self.subjects.above
        self.facts = [fact for step in steps for fact in facts_of(step)]
        named = known.items() if isinstance(known, Mapping) else [("", value) for value in known]
        self.facts += [known_fact(name, value) for name, value in named]
        self.facts += [known_fact("count", count, frozenset({layer})) for layer, count in counts.items()]
        places = [str(step.arguments.get(key, "")) for step in self.done for key in ("place", "name")]
        names = {place for place in places if any(character.isalpha() for character in place)}
        self.asked = claims(question, names)
        if _HALVES.search(question):
            self.facts.append(Fact("limit_lat_deg", Decimal(0), "deg"))
        self.claims = claims(answer, names)

    def numbers(self) -> Iterator[Finding]:
        """Numbers that no figure gives, and parts that are more than their whole."""
        supported = [self._is_supported(claim) for claim in self.claims]
        for place, claim in enumerate(self.claims):
            if not supported[place]:
                supported[place] = self._is_of_parent(place, supported)
            if not supported[place]:
                yield Finding(claim.end, claim.text, self._why(claim))
            elif (
                place
                and supported[place - 1]
                and (why := self._disorder(*self.claims[place - 1 : place + 1]))
            ):
                yield Finding(claim.end, claim.text, why)

    def dangling(self) -> Iterator[Finding]:
        """Citations of layers that do not exist."""
        for end, layer_id in citations(self.answer):
            if layer_id not in self.layers:
                there = ", ".join(sorted(self.layers, key=lambda name: int(name[1:]))) or "none"
                yield Finding(end, f"[{layer_id}]", f"there is no such layer; there are: {there}")

    def _is_supported(self, claim: Claim) -> bool:
        if any(repeats(claim, other) for other in self.asked) or self._is_quoted(claim):
            return True
        return any(
            self._may_mean(claim, fact) and gives(fact, claim)
            for fact in self.facts
            if not (fact.owners and claim.cited is not None and not fact.owners & claim.cited)
        )

    def _is_quoted(self, claim: Claim) -> bool:
        """Whether a number stands in a quotation of the question's own words."""
        before = self.answer[: claim.start]
        if before.rfind("“") <= before.rfind("”"):
            return False
        # What was not understood is quoted with words of number in digits.
        told = _TOLD_OF_WORDS.match(self.answer, claim.end) is not None
        return told or any(abs(claim.value) == abs(other.value) for other in self.asked)

    def _is_of_parent(self, place: int, supported: Sequence[bool]) -> bool:
        """Whether a number is that of a layer from which the cited one was made.

        It is, where another number of the sentence is the cited layer's own: “of the 195 cones, 150 [L3]”.
        """
        claim = self.claims[place]
        following = self.claims[place + 1] if place + 1 < len(self.claims) else None
        if claim.cited is None or (claim.tight and len(claim.cited) > 1) or same_rows(claim, following):
            return False
        companions = [
            other
            for other, well in zip(self.claims, supported, strict=True)
            if well and other is not claim and other.sentence == claim.sentence and self._is_own(other)
        ]
        above = frozenset().union(*(self.above.get(layer_id, frozenset()) for layer_id in claim.cited))
        return bool(companions) and any(
            fact.owners & above and self._may_mean(claim, fact) and gives(fact, claim) for fact in self.facts
        )

    def _is_own(self, claim: Claim) -> bool:
        return any(
            fact.unit == "count"
            and fact.owners & (claim.cited or frozenset())
            and self._may_mean(claim, fact)
            and gives(fact, claim)
            for fact in self.facts
        )

    def _may_mean(self, claim: Claim, fact: Fact) -> bool:
        """Whether the words around a number allow it to be this figure."""
        words = self.answer[slice(*claim.sentence)]
        if fact.tool == TABLE and not self._row_fits(claim, fact, words):
            return False
        if fact.row and not any(re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", words) for word in fact.row):
            return False
        if "range" in fact.name and _SUMMED.search(self.answer[claim.sentence[0] : claim.start]):
            return False  # from the first to the last is not the middle of them
        if re.search(r"_(?:low|high)(?:_|$)", fact.name) and not _BOUNDS.search(words):
            return False
        if fact.at and not states(words, fact.at) and (LEVEL.search(words) or not _STRICTER.search(words)):
            return False
        if fact.name == "stricter_count" and not self._at_stricter(words, fact):
            return False
        if fact.name == "distance_km" and not reach_fits(claim, fact, words):
            return False
        if not self.subjects.may_be_of(fact.step, words, claim.cited):
            return False
        if re.search(P_NAME, fact.name) and not self.subjects.may_be_p_of(fact.tool, words):
            return False
        return noun_fits(claim, fact) and side_fits(claim, fact) and self._role_fits(claim, fact)

    def _row_fits(self, claim: Claim, fact: Fact, words: str) -> bool:
        """Whether a sentence may give a value of a single row: none that sums many up does."""
        if _SPREAD.search(self.answer[claim.sentence[0] : claim.start]):
            return False
        of_one = fact.name in _OF_ONE_ROW or fact.name.startswith("km_to_")
        if of_one and claim.reach:
            return False  # a distance within which many lie is none of a single one
        return not of_one or _ONE_ROW.search(words) is not None

    def _at_stricter(self, words: str, fact: Fact) -> bool:
        """Whether a sentence names the stricter threshold that a count belongs to."""
        levels = [f.value for f in self.facts if f.step == fact.step and f.name == "stricter_threshold"]
        return not levels or any(states(words, str(level)) for level in levels)

    def _role_fits(self, claim: Claim, fact: Fact) -> bool:
        counted = bool(claim.noun) or _COUNTED.match(claim.after) is not None
        for words, names in _ROLES:
            if not counted and words.search(claim.before):
                return bool(names.search(fact.name))
        threshold = _OWN_THRESHOLD.search(claim.before)
        if threshold and not _STRICTER.search(claim.before):
            if not threshold["own"] and self._speaks_of_stricter(claim):
                return "threshold" in fact.name
            return fact.name in ("threshold", "min_probability", "") and fact.tool != TABLE
        if claim.unit == "%" and re.match(r"\s*(?:confidence )?interval", claim.after):
            return fact.name == "interval_percent"
        if _BY_CHANCE.match(claim.after) and claim.unit == "%":
            return "expected" in fact.name or "chance" in fact.name
        for words, side in _SIDES:
            if not claim.unit and words.match(claim.after):
                return (
                    not fact.name or side in fact.name or fact.unit != "count" or not self._has_sides(claim)
                )
        return True

    def _speaks_of_stricter(self, claim: Claim) -> bool:
        """Whether the sentence gives a figure that holds at this very threshold."""
        others = [other for other in self.claims if other.sentence == claim.sentence and other is not claim]
        return any(
            gives(fact, other)
            for fact in self.facts
            if fact.at and Decimal(fact.at) == claim.value
            for other in others
        )

    def _is_whole(self, claim: Claim) -> bool:
        """Whether a step about what is cited kept, or found near, as many as it was given."""
        return any(
            step.figures.get(part) == step.figures.get(whole) == float(claim.value)
            for step in self.subjects.related(self.done, claim.cited or frozenset())
            for part, whole in (("count", "of_count"), ("near_count", "tested_count"))
        )

    def _has_sides(self, claim: Claim) -> bool:
        """Whether the cited layers were counted by hemisphere."""
        return any(
            fact.name in ("north_count", "south_count") and (claim.cited is None or fact.owners & claim.cited)
            for fact in self.facts
        )

    def _why(self, claim: Claim) -> str:
        elsewhere = {
            owner
            for fact in self.facts
            if self._may_mean(claim, fact) and gives(fact, claim)
            for owner in fact.owners
        }
        if elsewhere and claim.cited:
            return (
                f"that is a figure of {', '.join(sorted(elsewhere))}, not of {', '.join(sorted(claim.cited))}"
            )
        return "no tool gave this number in this sense"

    def _disorder(self, first: Claim, second: Claim) -> str:
        """Why two numbers that meet cannot stand as they do; empty if they can."""
        if first.sentence != second.sentence or first.unit != second.unit:
            return ""
        between = second.before
        part_of = re.fullmatch(r"\s*(?:tiles?|features?)?\s*(?:out )?of (?:the |its |all )?", between)
        whole_first = _WHOLE.search(first.before) and re.search(r",\s*(?:only |just )?$", between)
        of_which = re.search(r"\bof (?:which|these|them|those),?\s*(?:only |just )?$", between)
        of_them = re.match(r"\s*of (?:them|these|those)\b", second.after)
        if (part_of and first.value > second.value) or (
            (whole_first or of_which or of_them) and second.value > first.value
        ):
            return "a part cannot be more than the whole"
        if (part_of or whole_first) and first.value == second.value and not self._is_whole(first):
            return "no tool kept the whole"
        sides = [{side for words, side in _SIDES if words.match(claim.after)} for claim in (first, second)]
        if sides[0] & sides[1] and not first.unit:
            return "both are said of the same side"
        # "Within 40 km of A and farther than 60 km from B" compares nothing.
        return "" if second.reach else comparison(first, second, between)


def _layers(steps: Iterable[Step]) -> set[str]:
    return {layer_id for step in steps for layer_id in step.layer_ids}

"""Sentences of a test's summary, each put where it belongs by its words: for, against, unseen, how sure.

A sentence that no rule knows tells how sure the result is, so that nothing a tool says is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.prose_tests import sentences_of

_P_VALUE = re.compile(r",? (?P<p>(?:(?:two|one)-sided )?p (?:=|at most) .+)$")
_NULL = re.compile(r"^Null model (?P<null>“\w+”: .+)$")
_VERDICTS = (
    ("Cannot tell", "unknown"),
    ("Taken by itself", "alone"),
    ("neither", "none"),
    (" lies no ", "none"),
    ("nearer", "nearer"),
    ("farther", "farther"),
)
_HIGHER = re.compile(r"\b(?:higher|above|steeper|brighter|rougher|farther north|uphill|highlands?)\b", re.I)
_LOWER = re.compile(
    r"\b(?:lower|below|gentler|flatter|darker|smoother|farther south|downhill|lowlands?)\b", re.I
)
_APART = re.compile(r"\b(?:avoid|farther|further|away from|keep(?:s)? clear|shun|repel)", re.I)
_CLASSES = re.compile(r"^(?:The|Whether the) classes differ")


_OFTEN = {
    "none": "Chance alone does as much often enough",
    "alone": "Among so many tests chance does as much",
}


@dataclass
class Weighed:
    """What one test says, or several.

    Attributes
    ----------
    found
        The findings.
    pro, contra
        Evidence for what was asked, and against it.
    seen
        Measurements that speak neither way.
    unseen
        What the test could not take in.
    sure
        p values, other thresholds, what the test could not have seen.
    null
        The null model and why, while the test stands alone.
    """

    found: list[str] = field(default_factory=list)
    pro: list[str] = field(default_factory=list)
    contra: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    sure: list[str] = field(default_factory=list)
    null: str = ""

    def parts(self) -> Iterator[tuple[str, list[str]]]:
        """Each part with its sentences."""
        for name in ("found", "pro", "contra", "seen", "unseen", "sure"):
            yield name, getattr(self, name)

    def __iadd__(self, other: Weighed) -> Weighed:
        for name, said in other.parts():
            mine = getattr(self, name)
            mine += [sentence for sentence in said if sentence not in mine]
        return self


def verdict_of(summary: str) -> str:
    """The verdict of `associate` in a word: nearer, farther, none, alone, unknown."""
    first = next(iter(sentences_of(summary)), "")
    return next((verdict for words, verdict in _VERDICTS if words in first), "unknown")


def sort_association(summary: str, figures: Mapping[str, float], question: str) -> Weighed:
    """What `associate` said; evidence for what the question supposes: nearness, or that things keep apart."""
    verdict, told = verdict_of(summary), Weighed()
    farther = _APART.search(question) is not None
    as_asked = (figures.get("near_percent", 0) > figures.get("expected_percent", 0)) != farther
    for place, sentence in enumerate(sentences_of(summary)):
        if place == 0:
            head, power, least = sentence.partition(": an enrichment of ")
            told.found.append(head)
            told.sure += [f"An enrichment of {least}"] if power else []
        elif re.search(r" lies? within ", sentence):
            share, p_value = _without_p(sentence)
            if verdict == "unknown":
                told.seen.append(share)
            else:
                (told.pro if as_asked else told.contra).append(share)
            if as_asked and verdict in ("none", "alone"):
                told.contra.append(f"{_OFTEN[verdict]}: {p_value}")
            else:
                told.sure.insert(0, p_value)
        elif null := _NULL.match(sentence):
            told.null = null["null"]
        elif sentence.startswith("Tested were"):
            told.unseen.append(sentence)
        elif "the very tile" in sentence:
            told.contra.append(_same_tile(sentence))
        elif "naive uniform null" in sentence:
            # Said where it would have misled; where it agrees it adds nothing.
            told.sure += [sentence] if _misleads(sentence, verdict) else []
        elif sentence.startswith("At ") and "the answer is “" in sentence:
            told.contra.append(sentence)
        else:
            told.sure.append(sentence)
    return told


def sort_comparison(summary: str, figures: Mapping[str, float], question: str) -> Weighed:
    """What `compare` said; evidence for and against where the question says which is to be higher."""
    told = Weighed()
    differences = [
        value for name, value in figures.items() if re.fullmatch(r"difference_[a-z]+|difference", name)
    ]
    asked = (_HIGHER.search(question) is not None) - (_LOWER.search(question) is not None)
    measured = told.seen
    if asked and differences and differences[0]:
        measured = told.pro if (differences[0] > 0) == (asked > 0) else told.contra
    for place, sentence in enumerate(sentences_of(summary)):
        if place == 0:
            head, mark, excluded = sentence.partition("; a large difference")
            told.found.append(head)
            told.sure += [f"A large difference{excluded}"] if mark else []
        elif sentence.startswith("The medians"):
            measured.append(sentence)
        elif " with a chance of " in sentence:
            chance, p_value = _without_p(sentence)
            measured.append(chance)
            if measured is told.pro and "do not differ" in told.found[0]:
                told.contra.append(f"{_OFTEN['none']}: {p_value}")
            else:
                told.sure.insert(0, p_value)
        elif null := _NULL.match(sentence):
            told.null = null["null"]
        elif " no known " in sentence or sentence.startswith("Of L"):
            told.unseen.append(sentence)
        else:
            told.sure.append(sentence)
    return told


def sort_density(summary: str) -> Weighed:
    """What `density` said: the densest class and whether the classes differ are the finding."""
    told = Weighed()
    for place, sentence in enumerate(sentences_of(summary)):
        if _CLASSES.search(sentence):
            verdict, p_value = _without_p(sentence)
            told.found.append(verdict)
            told.sure[:0] = [p_value] if p_value else []
        elif "most per area" in sentence or sentence.startswith("The densest"):
            told.found.append(sentence)
        elif place == 0:
            told.seen.append(re.sub(r"^(L\d+) has ", r"\1: ", sentence))
        elif null := _NULL.match(sentence):
            told.null = null["null"]
        elif " no " in sentence and sentence.endswith(" is known"):
            told.unseen.append(sentence)
        else:
            told.sure.append(sentence)
    return told


def sort_axis(summary: str, *, shared: bool) -> Weighed:
    """What `orientation` said; ``shared`` where two layers were asked to have one axis."""
    told = Weighed()
    for sentence in sentences_of(summary):
        verdict = re.search(r": ((?:no|a) common direction.*?)( \(level [\d.]+ %\))?$", sentence)
        if verdict and "Rayleigh" in sentence:
            mean, _, tested = sentence[: verdict.start()].partition("; Rayleigh")
            tested = f"Rayleigh{tested.replace('independent one', 'independent direction')}{verdict[2] or ''}"
            none = verdict[1].startswith("no ")
            (told.seen if none or shared else told.pro).append(mean)
            (told.contra if none and not shared else told.sure).append(tested)
            whose = re.search(r"\bof (L\d+)\b", sentence)
            said = f"{whose[1] if whose else 'The layer'} shows {verdict[1]}"
            (told.sure if shared else told.found).append(said)
        elif given := re.match(
            r"Against the given axis of (?P<axis>.+?): (?P<test>.+): (?P<verdict>.+)$", sentence
        ):
            axis = f"the axis of {given['axis']}"
            told.found.append(re.sub(r"\bit\b", axis, given["verdict"]))
            against = "do not crowd" in given["verdict"]
            (told.contra if against else told.sure).append(re.sub(r"\bit\b", axis, given["test"]))
        elif apart := re.match(r"(?P<test>The two axes .+): (?P<verdict>.+)$", sentence):
            told.found.append(apart["verdict"].replace("they ", "the two "))
            measured, p_value = _without_p(apart["test"])
            told.seen.append(measured)
            told.sure.append(p_value)
        elif "Cannot tell" in sentence or sentence.startswith("Whether"):
            told.found.append(sentence)
        elif " have a mean axis" in sentence:
            told.seen.append(sentence)
        elif "in both layers" in sentence or "too much alike to be told from sunlight" in sentence:
            told.contra.append(sentence)
        else:
            told.sure.append(sentence)
    return told


def _without_p(sentence: str) -> tuple[str, str]:
    """A sentence without the p value at its end, and that."""
    found = _P_VALUE.search(sentence)
    return (sentence[: found.start()], found["p"]) if found else (sentence, "")


def _same_tile(sentence: str) -> str:
    return re.sub(
        r"the very tile is one of (L\d+) too, where one thing may",
        r"the same tile is a hit for \1 too, so one thing may",
        sentence,
    )


def _misleads(naive: str, verdict: str) -> bool:
    """Whether the naive null would have found what the test did not."""
    told = re.search(r"would have said “(nearer|farther)”", naive)
    return told is not None and told[1] != {"alone": "nearer"}.get(verdict, verdict)

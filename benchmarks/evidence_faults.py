"""Faults planted in true answers: each makes one statement of an answer false."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evidence_answers import VERDICTS, fill, plural, titles_of, verdict_of

from agent.events import Step
from agent.evidence_claims import CITATION, claims, sentences
from agent.evidence_facts import parents_of

Changed = tuple[str, int] | None

PLACES = (
    "Arcadia Planitia",
    "Utopia",
    "Hellas Basin",
    "Valles Marineris",
    "the Tharsis Rise",
    "Gale Crater",
    "Terra Sabaea",
)
TURNS = (
    ("north", "south"),
    ("south", "north"),
    ("higher", "lower"),
    ("lower", "higher"),
    ("nearer", "farther"),
    ("more than", "fewer than"),
    ("within", "farther than"),
    ("farther than", "within"),
)


OPPOSITES = {
    ("associate", "nearer"): ("none", "unknown", "farther"),
    ("associate", "none"): ("nearer", "farther"),
    ("associate", "unknown"): ("nearer", "none"),
    ("associate", "farther"): ("nearer", "none"),
    ("density", "more"): ("none",),
    ("density", "none"): ("more",),
    ("compare", "higher"): ("lower", "none"),
    ("compare", "lower"): ("higher", "none"),
    ("compare", "none"): ("higher", "lower"),
    ("compare", "unknown"): ("higher", "none"),
    ("orientation", "none"): ("common",),
    ("orientation", "common"): ("none",),
}


@dataclass(frozen=True)
class Made:
    """One made answer.

    Attributes
    ----------
    kind
        ``clean`` or the kind of fault.
    place
        Start and end of the false sentence.
    """

    question: str
    text: str
    run: int
    turn: int
    kind: str = "clean"
    place: tuple[int, int] = (0, 0)


# Faults: each takes the text and gives the false text and the position of the change, or None.


def plant(kind: str, made: Made, steps: Sequence[Step], rng: random.Random) -> Made | None:
    """The answer with one fault of a kind, or None where it has nothing that the fault could change."""
    changed = FAULTS[kind](made.text, steps, made.question, rng)
    if changed is None or changed[0] == made.text:
        return None
    text, position = changed
    place = next((span for span in sentences(text) if position < span[1]), (0, len(text)))
    return Made(made.question, text, made.run, made.turn, kind, place)


def changed_digit(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    found = [c for c in claims(text) if "about" not in c.text]
    while found:
        claim = found.pop(rng.randrange(len(found)))
        digits = [
            i
            for i in range(claim.start, claim.end)
            if text[i].isdigit() and not (text[i] == "2" and text[i - 1 : i] == "m")
        ]
        at = rng.choice(digits)
        new = rng.choice([d for d in "123456789" if d != text[at]])
        altered = text[:at] + new + text[at + 1 :]
        value = [c.value for c in claims(altered) if c.start <= at < c.end]
        known = {abs(float(v)) for s in steps for v in s.figures.values()} | {
            abs(float(c.value)) for c in claims(question)
        }
        if value and abs(float(value[0])) not in known:
            return altered, at
    return None


def changed_unit(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    swaps = (
        (r"(?<=\d) km\b(?!2|²)", " m"),
        (r"(?<=\d) kilometres", " metres"),
        (r"(?<=\d) km(?:2|²)", " km"),
        (r"(?<=\d) %", " km"),
        (r"(?<=\d)°(?! ?[NSEW])| degrees?(?= \()", " km"),
        (r"(?<=\d) m\b", " km"),
        (r"(?<=\d) tiles", " km"),
        (r"(?<=\d) percent", " degrees"),
    )
    options = [(m, new) for pattern, new in swaps for m in re.finditer(pattern, text)]
    if not options:
        return None
    match, new = rng.choice(options)
    return text[: match.start()] + new + text[match.end() :], match.start() - 1


def swapped_layers(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    counts = {i: s.figures["count"] for s in steps for i in s.layer_ids if "count" in s.figures}
    found = [c for c in claims(text) if c.noun == "tile" or c.unit == ""]
    pairs = [
        (a, b)
        for a in found
        for b in found
        if a.start < b.start
        and a.value != b.value
        and {int(a.value), int(b.value)} <= set(counts.values())
        and a.value == int(a.value)
        and b.value == int(b.value)
    ]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    return text[: a.start] + b.text + text[a.end : b.start] + a.text + text[b.end :], a.start


def wrong_citation(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    layers = sorted({i for s in steps for i in s.layer_ids})
    figures = {
        i: {float(v) for s in steps for v in s.figures.values() if i in s.layer_ids or i in parents_of(s)}
        for i in layers
    }
    options = []
    for start, end in sentences(text):
        cited = [found[1:-1].strip() for found in CITATION.findall(text[start:end])]
        numbers = [float(abs(c.value)) for c in claims(text) if start <= c.start < end]
        if len(set(cited)) != 1 or "," in cited[0] or not numbers or "observed" in text[start:end]:
            continue
        options += [
            (start, end, cited[0], other)
            for other in layers
            if other != cited[0] and not set(numbers) & {abs(v) for v in figures[other]}
        ]
    if not options:
        return None
    start, end, old, new = rng.choice(options)
    return text[:start] + text[start:end].replace(f"[{old}]", f"[{new}]") + text[end:], start


def citation_of_none(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    match = rng.choice(list(re.finditer(r"\[L\d+\]", text)) or [None])
    if match is None:
        return None
    number = len({i for s in steps for i in s.layer_ids}) + rng.choice((1, 3, 8))
    return f"{text[: match.start()]}[L{number}]{text[match.end() :]}", match.start()


def invented_p(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    known = {float(v) for s in steps for k, v in s.figures.items() if re.search(r"(^|_)p(_|$)", k)}
    p = rng.choice([v for v in (0.003, 0.012, 0.03, 0.0007, 0.2, 0.04) if v not in known])
    old = list(re.finditer(r"p = [\d.]*\d", text))
    if old and rng.random() < 0.5:
        match = rng.choice(old)
        return f"{text[: match.start()]}p = {p}{text[match.end() :]}", match.start()
    options = [span for span in sentences(text) if CITATION.search(text[slice(*span)])]
    if not options:
        return None
    start, end = rng.choice(options)
    found = CITATION.search(text, start, end)
    form = rng.choice(
        (
            f" (p = {p})",
            f", p = {p}",
            f" with a p-value of {p}",
            f" (p < {min(p, 0.9 * min(known, default=1)):.2g})",
        )
    )
    at = found.start() - 1 if found else end
    return text[:at] + form + text[at:], at


def turned_verdict(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    tests = [(s, verdict_of(s)) for s in steps if verdict_of(s)]
    if not tests:
        return None
    step, verdict = rng.choice(tests)
    other = rng.choice(OPPOSITES[step.tool, verdict])
    wording = fill(rng.choice(VERDICTS[step.tool, other]) + " [{ids}].", step, titles_of(steps), rng)
    if not wording:
        return None
    keys = {
        "associate": r"associat|chance|avoid|cluster|inconclus",
        "density": r"classes differ|distributed|depends",
        "compare": r"higher|lower|differ",
        "orientation": r"direction|aligned|orientation|axis",
    }
    for start, end in sentences(text):
        if re.search(keys[step.tool], text[start:end]):
            gap = re.match(r"\s*", text[start:end])
            lead = text[start : start + len(gap[0])] if gap else ""
            return text[:start] + lead + wording + text[end:], start + len(lead) + 1
    return f"{wording} {text}", 1


def turned_comparison(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    options = []
    for old, new in TURNS:
        for match in re.finditer(rf"\b{old}\b", text):
            words = text[max(0, match.start() - 45) : match.end() + 25]
            if old in ("north", "south") and not re.search(
                r"\d[\d.,]*(?:°| degrees)? (?:are |lie )?(?:in the )?$", text[: match.start()]
            ):
                continue
            if (
                "per million" in words
                or "nor farther" in words
                or (old in ("nearer", "higher", "lower") and "?" in words)
            ):
                continue
            options.append((match, new))
    options = [(m, n) for m, n in options if not _stays_true(text, m, n)]
    if not options:
        return None
    match, new = rng.choice(options)
    return text[: match.start()] + new + text[match.end() :], match.start()


def all_or_none(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    partial = [
        s
        for s in steps
        if 0 < s.figures.get("count", 0) < s.figures.get("of_count", 0)
        and s.layer_ids
        and s.tool in ("near", "without", "overlap")
    ]
    match = re.search(r"[\d,]+ of (?:the )?[\d,]+ tiles", text)
    word = rng.choice(("All", "None"))
    if match and rng.random() < 0.6:
        return f"{text[: match.start()]}{word} of the tiles{text[match.end() :]}", match.start()
    if not partial:
        return None
    step, titles = rng.choice(partial), titles_of(steps)
    names = {"near": "near", "without": "far from", "overlap": "in or beside"}
    one, two = (plural(titles.get(str(step.arguments.get(k)), "")) for k in ("layer", "other"))
    if not one or not two:
        return None
    form = rng.choice(
        (
            "All {one} lie {how} {two} [{id}].",
            "Every one of the {one} is {how} {two} [{id}].",
            "None of the {one} are {how} {two} [{id}].",
        )
    )
    added = form.format(one=one, two=two, how=names[step.tool], id=step.layer_ids[0])
    return f"{added} {text}", 1


def invented_place(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    options = [span for span in sentences(text) if CITATION.search(text[slice(*span)])]
    if not options:
        return None
    start, end = rng.choice(options)
    found = CITATION.search(text, start, end)
    at = found.start() - 1 if found else end
    form = rng.choice((" in {}", ", mostly near {}", ", among others in {}", " around {}", " west of {}"))
    return text[:at] + form.format(rng.choice(PLACES)) + text[at:], at


def wrong_threshold(text: str, steps: Sequence[Step], question: str, rng: random.Random) -> Changed:
    found = list(re.finditer(r"(?:threshold of |; at |remain at |thresholds of )(0\.\d+)", text))
    if not found:
        return None
    match = rng.choice(found)
    new = rng.choice([v for v in ("0.3", "0.4", "0.55", "0.6", "0.7", "0.8") if float(v) != float(match[1])])
    if new == "0.7" and "thresholds of" in match[0]:
        new = "0.8"
    return text[: match.start(1)] + new + text[match.end(1) :], match.start(1)


FAULTS: dict[str, Callable[[str, Sequence[Step], str, random.Random], Changed]] = {
    "changed digit": changed_digit,
    "changed unit": changed_unit,
    "swapped figures of two layers": swapped_layers,
    "wrong citation": wrong_citation,
    "citation of no layer": citation_of_none,
    "invented p value": invented_p,
    "verdict turned round": turned_verdict,
    "comparison turned round": turned_comparison,
    "all or none": all_or_none,
    "invented place": invented_place,
    "threshold misquoted": wrong_threshold,
}


def _stays_true(text: str, match: re.Match[str], new: str) -> bool:
    """Whether the sentence with the other word may be as true, or says nothing that could be false."""
    start, end = next(span for span in sentences(text) if match.start() < span[1])
    sentence = text[start:end]
    if re.search(r"cannot|Whether|whether|inconclusive|would|not |no |neither|taken as", sentence):
        return True
    return bool(re.search(r"chance of", sentence)) or (
        match[0] == "within" and not re.search(r"within \d", text[match.start() : match.end() + 3])
    )

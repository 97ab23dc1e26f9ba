"""Tests against chance, sorted: what was found, what speaks for it and against it, how sure it is.

The sentences are the tools' own, sorted by their words in `agent.prose_sorting`; here they get the names of
what was asked and their citations, and several tests of one landform are weighed against each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agent.grammar.progress import EMPTY, Progress
from agent.grammar.query import listed
from agent.grammar.steps import Associate, Compare, Density, Orientation, Plan
from agent.prose_sorting import (
    Weighed,
    sort_association,
    sort_axis,
    sort_comparison,
    sort_density,
    verdict_of,
)
from agent.prose_tests import layers_of, sentences_of, summary_of

Test = Associate | Compare | Density | Orientation
Names = Mapping[str, str]

NO_PROOF = "Nearness is evidence, not proof."
# Verbs after an id that is exchanged for a plural name.
_VERBS = (("lies", "lie"), ("has", "have"), ("shows", "show"), ("is", "are"))


def weighed(plan: Plan, progress: Progress, names: Names) -> Weighed | None:
    """What all tests of a plan say together; None if none was asked for or could be made.

    Parameters
    ----------
    names
        What is in a layer, in the plural, by the layer's id.
    """
    steps = [step for step in plan.steps if isinstance(step, Test)]
    done = [step for step in steps if summary_of(step, progress)]
    near = [step for step in done if isinstance(step, Associate)]
    whole = _side_by_side(near, progress, names)
    nulls: dict[str, list[str]] = {}
    for step in done:
        one = _sorted(step, progress, plan.question)
        layers = layers_of(step, progress)
        if one.null:
            nulls.setdefault(one.null, []).extend(layers)
        lead = ""
        if len(near) > 1 and isinstance(step, Associate):
            lead = _lead(step, near, progress, names)
        whole += _worded(one, lead, layers, names)
    whole.sure += [
        _cited(f"Null model {null}", list(dict.fromkeys(layers)), names) for null, layers in nulls.items()
    ]
    noted = any("not proof" in note for note in plan.notes)
    if not noted and any(verdict_of(summary_of(step, progress)) in ("nearer", "alone") for step in near):
        whole.sure.append(NO_PROOF)
    for step in steps:
        tried = step not in done and step.name not in progress.failed
        if tried and EMPTY in layers_of(step, progress) and isinstance(step, Associate | Compare):
            what = "tested against chance" if isinstance(step, Associate) else "compared"
            whole.found.append(f"Nothing could be {what}, as one of the two was not found.")
    return whole if whole.found else None


def _sorted(step: Test, progress: Progress, question: str) -> Weighed:
    """The sentences of a test where they belong; all of them as the finding if none is known to be it."""
    one = _by_kind(step, progress, question)
    return one if one.found else Weighed(found=sentences_of(summary_of(step, progress)))


def _by_kind(step: Test, progress: Progress, question: str) -> Weighed:
    outcome = progress.outcomes[step.name]
    if isinstance(step, Associate):
        return sort_association(outcome.summary, outcome.figures, question)
    if isinstance(step, Compare):
        return sort_comparison(outcome.summary, outcome.figures, question)
    if isinstance(step, Density):
        return sort_density(outcome.summary)
    return sort_axis(outcome.summary, shared=step.other is not None)


def _worded(one: Weighed, lead: str, layers: Sequence[str], names: Names) -> Weighed:
    """A test in the words of the question; with ``lead`` its certainty in one sentence under that name."""
    said = Weighed()
    for part, sentences in one.parts():
        if part == "sure" and lead and sentences:
            sentences = [f"{lead}: {'; '.join(_small(sentence) for sentence in sentences)}"]
        getattr(said, part).extend(_cited(sentence, layers, names) for sentence in sentences)
    return said


def _side_by_side(steps: Sequence[Associate], progress: Progress, names: Names) -> Weighed:
    """Which of several candidates the positions of one landform favour; nothing for a single test."""
    together = Weighed()
    candidates: dict[str, str] = {}  # name -> verdict
    for step in steps:
        candidates[_name(progress.layer(step.other), names)] = verdict_of(summary_of(step, progress))
    if len(candidates) < 2 or len({progress.layer(step.layer) for step in steps}) > 1:
        return together
    favoured = [name for name, verdict in candidates.items() if verdict == "nearer"]
    untold = [name for name, verdict in candidates.items() if verdict == "unknown"]
    others = [name for name in candidates if name not in (*favoured, *untold)]
    layers = list(dict.fromkeys(layer for step in steps for layer in layers_of(step, progress)))
    if len(favoured) == len(candidates):
        said = f"The positions fit {listed(favoured)} alike and do not decide between them"
    elif favoured:
        said = f"Of these, the positions favour {listed(favoured)}"
        said += f", not {listed(others, 'or')}" if others else ""
        said += f"; about {listed(untold)} they leave the question open" if untold else ""
    elif others:
        said = f"The positions do not favour {listed(others, 'or')}"
        said += f"; about {listed(untold)} they leave the question open" if untold else ""
    else:
        said = f"The positions leave open which of {listed(untold)} they favour"
    together.found.append(_cited(said, layers, names))
    if favoured and len(favoured) < len(candidates):
        ahead = {step.name for step in steps if _name(progress.layer(step.other), names) in favoured}
        if parted := _parted(ahead, steps, progress):
            together.sure.append(_cited(parted, layers, names))
    return together


def _lead(step: Associate, steps: Sequence[Associate], progress: Progress, names: Names) -> str:
    """What tells one of several tests from the others."""
    one, two = (_name(progress.layer(layer), names) for layer in (step.layer, step.other))
    return two if len({progress.layer(other.layer) for other in steps}) == 1 else f"{one} and {two}"


def _parted(favoured: set[str], steps: Sequence[Associate], progress: Progress) -> str:
    """Whether the intervals of the enrichments part the favoured candidates from the others."""
    figures = {step.name: progress.outcomes[step.name].figures for step in steps}
    if any(not {"enrichment_low", "enrichment_high"} <= set(found) for found in figures.values()):
        return ""
    least = min(figures[name]["enrichment_low"] for name in favoured)
    most = max(found["enrichment_high"] for name, found in figures.items() if name not in favoured)
    if least > most:
        return "The intervals of the enrichments do not overlap, so the candidates differ"
    return (
        "The intervals of the enrichments overlap: that chance explains the one and not the other does not "
        "show that the candidates differ"
    )


def _cited(sentence: str, layers: Sequence[str], names: Names) -> str:
    worded = _in_words(sentence, names)
    if not re.match(r"p [=a]", worded):  # a p value keeps its small letter
        worded = f"{worded[:1].upper()}{worded[1:]}"
    return f"{worded} [{', '.join(layers)}]."


def _in_words(sentence: str, names: Names) -> str:
    """A sentence in the words of the question: “pitted cones lie”, not “L1 lies”.

    A layer without a name is “they” where it alone does something.
    """
    unnamed = set(re.findall(r"\bL\d+\b", sentence)) - set(names)
    known = {**dict.fromkeys(unnamed, "they"), **names} if len(unnamed) == 1 else names
    for layer, name in known.items():
        for one, many in _VERBS:
            sentence = re.sub(rf"(?<!of ){layer} {one}\b", f"{name} {many}", sentence)
    for layer, name in names.items():
        sentence = re.sub(rf"\b{layer}\b", name, sentence)
    for one, many in (
        (": it has ", ": they have "),
        (": its ", ": their "),
        (" farther from it ", " farther from them "),
    ):
        sentence = sentence.replace(one, many)
    sentence = re.sub(r", that is, lies ", ", that is, lie ", sentence)
    return re.sub(r": ([^.;:]+) are empty$", r": no \1 were found", sentence)


def _name(layer_id: str, names: Names) -> str:
    return names.get(layer_id, layer_id)


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]

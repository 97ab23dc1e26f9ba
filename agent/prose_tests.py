"""Sentences of the offline planner that quote a tool: counts, values, distances, and how a layer was kept.

A tool's summary is said as it stands, every sentence with the layers that it rests on behind it. What tests
against chance said is sorted into evidence for and against by `agent.prose_weighing`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.grammar.progress import EMPTY, Outcome, Progress
from agent.grammar.steps import EvaluateLayer, Nearest, Plan, Ref, SampleContext, StepBase

_SENTENCE_END = re.compile(r"\.(?=\s+[A-Z\d“]|$)")
_OWN_ID = re.compile(r"^L\d+: ")
# What is known without saying of values that were looked up: as many rows as before, from the index itself.
_KNOWN = re.compile(r"^L\d+ has the [\d,]+ \w+ of (L\d+)$|^Sources: [\w, ]+ from L\d+'s own column$")


def measured(plan: Plan, progress: Progress, names: Mapping[str, str]) -> list[str]:
    """What was looked up at each thing, measured to the nearest, or judged by a catalogue.

    Parameters
    ----------
    names
        What is in a layer, in the plural, by the layer's id.
    """
    used = {ref.step for step in plan.steps for ref in step.refs()}
    used |= {result.step for result in plan.results if isinstance(result, Ref)}
    said = []
    for step in plan.steps:
        wanted = isinstance(step, EvaluateLayer | SampleContext) or (
            isinstance(step, Nearest) and step.name not in used
        )
        if wanted and summary_of(step, progress):
            looked_up = isinstance(step, SampleContext) and _values(step, progress, names)
            said.append(looked_up or quoted(step, progress, names))
    return said


def _values(step: SampleContext, progress: Progress, names: Mapping[str, str]) -> str:
    """Values at a layer: ``Elevation of deltas: median 1,755 m``; empty if the tool told them otherwise."""
    told = sentences_of(summary_of(step, progress))
    kept = [sentence for sentence in told if not _KNOWN.match(sentence)]
    given = progress.layer(step.layer)
    if len(kept) == len(told) or not kept:
        return ""
    first = re.sub(r"^([A-Z][\w ]*): ", rf"\1 of {names.get(given, given)}: ", kept[0])
    made = str(progress.found.get(Ref(step=step.name), given))
    return cited(". ".join([first, *kept[1:]]), made)


def quoted(step: StepBase, progress: Progress, names: Mapping[str, str]) -> str:
    """A step's summary, with the layer that it made, or else those that it used."""
    made = progress.found.get(Ref(step=step.name), EMPTY)
    summary = _OWN_ID.sub("", summary_of(step, progress))
    if not summary:
        return ""
    layers = [str(made)] if made else layers_of(step, progress)
    return cited(introduced(summary[0].upper() + summary[1:], names), ", ".join(layers))


def cited(summary: str, layers: str) -> str:
    """A tool's sentences with the layers that they rest on behind each."""
    ended = summary if summary.endswith((".", "?", "!")) else f"{summary}."
    return _SENTENCE_END.sub(f" [{layers}].", ended)


def sentences_of(summary: str) -> list[str]:
    """The sentences of a tool's summary, without their full stops."""
    return [part.strip() for part in _SENTENCE_END.split(summary) if part.strip()]


def layers_of(step: StepBase, progress: Progress) -> list[str]:
    """Ids of the layers that a step works on."""
    given = [getattr(step, name, None) for name in ("layer", "other", "catalogue")]
    return [progress.layer(layer) for layer in given if layer is not None]


def introduced(summary: str, names: Mapping[str, str]) -> str:
    """A summary that says once what is in each layer that it names: ``L1 (gullies)``."""
    for layer, name in names.items():
        summary = re.sub(rf"\b{layer}\b(?! \()", f"{layer} ({name})", summary, count=1)
    return summary


def summary_of(step: StepBase, progress: Progress) -> str:
    """What a step's tool said; empty if it has not run or failed."""
    return progress.outcomes.get(step.name, Outcome()).summary

"""Sentences of the offline planner that quote a tool: tests, comparisons, counts, values, directions.

A tool's summary is said as it stands, every sentence with the layers that it rests on behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.grammar.progress import EMPTY, Outcome, Progress
from agent.grammar.steps import (
    Associate,
    Compare,
    Density,
    EvaluateLayer,
    Nearest,
    Orientation,
    Plan,
    Ref,
    SampleContext,
    StepBase,
)

_SENTENCE_END = re.compile(r"\.(?=\s+[A-Z\d“]|$)")
_OWN_ID = re.compile(r"^L\d+: ")


def tested(plan: Plan, progress: Progress, names: Mapping[str, str]) -> list[str]:
    """What the tests against chance and the comparisons said; where one could not be made, that.

    Parameters
    ----------
    names
        What is in a layer, in the plural, by the layer's id.
    """
    said = []
    for step in plan.steps:
        if not isinstance(step, Associate | Compare | EvaluateLayer):
            continue
        layers = layers_of(step, progress)
        summary = _summary(progress, step.name)
        if summary:
            worded = _named(summary, names) if isinstance(step, Associate) else introduced(summary, names)
            said.append(cited(worded, ", ".join(layers)))
        elif step.name not in progress.failed and EMPTY in layers:
            done = "tested against chance" if isinstance(step, Associate) else "compared"
            said.append(f"Nothing could be {done}, as one of the two was not found.")
    return said


def measured(plan: Plan, progress: Progress, names: Mapping[str, str]) -> list[str]:
    """What was counted by classes, looked up at each thing, or measured to the nearest."""
    used = {ref.step for step in plan.steps for ref in step.refs()}
    used |= {result.step for result in plan.results if isinstance(result, Ref)}
    said = []
    for step in plan.steps:
        wanted = isinstance(step, Density | SampleContext) or (
            isinstance(step, Nearest) and step.name not in used
        )
        if wanted and _summary(progress, step.name):
            said.append(quoted(step, progress, names))
    return said


def directions(plan: Plan, progress: Progress, names: Mapping[str, str]) -> list[str]:
    """What the tests for a common direction said."""
    steps = [step for step in plan.steps if isinstance(step, Orientation)]
    return [quoted(step, progress, names) for step in steps if _summary(progress, step.name)]


def quoted(step: StepBase, progress: Progress, names: Mapping[str, str]) -> str:
    """A step's summary, with the layer that it made, or else those that it used."""
    made = progress.found.get(Ref(step=step.name), EMPTY)
    summary = _OWN_ID.sub("", _summary(progress, step.name))
    if not summary:
        return ""
    layers = [str(made)] if made else layers_of(step, progress)
    return cited(introduced(summary[0].upper() + summary[1:], names), ", ".join(layers))


def cited(summary: str, layers: str) -> str:
    """A tool's sentences with the layers that they rest on behind each."""
    ended = summary if summary.endswith((".", "?", "!")) else f"{summary}."
    return _SENTENCE_END.sub(f" [{layers}].", ended)


def layers_of(step: StepBase, progress: Progress) -> list[str]:
    """Ids of the layers that a step works on."""
    given = [getattr(step, name, None) for name in ("layer", "other", "catalogue")]
    return [progress.layer(layer) for layer in given if layer is not None]


def introduced(summary: str, names: Mapping[str, str]) -> str:
    """A summary that says once what is in each layer that it names: ``L1 (gullies)``."""
    for layer, name in names.items():
        summary = re.sub(rf"\b{layer}\b(?! \()", f"{layer} ({name})", summary, count=1)
    return summary


def _named(summary: str, names: Mapping[str, str]) -> str:
    """The verdict in the words of the question: “pitted cones lie”, not “L1 lies”."""
    verdict, chance, rest = summary.partition(" than chance allows")
    if not chance:
        return summary
    for layer, name in names.items():
        verdict = re.sub(rf"\b{layer}\b", name, re.sub(rf"\b{layer} lies\b", f"{name} lie", verdict))
    verdict = verdict.replace("nor farther from it", "nor farther from them")
    return f"{verdict[:1].upper()}{verdict[1:]}{chance}{rest}"


def _summary(progress: Progress, step: str) -> str:
    return progress.outcomes.get(step, Outcome()).summary

"""Sentences of the offline planner about tests: what a tool said of chance and of directions, cited."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.grammar.progress import EMPTY, Outcome, Progress
from agent.grammar.steps import Associate, Orientation, Plan

_SENTENCE_END = re.compile(r"\.(?=\s+[A-Z\d]|$)")


def tested(plan: Plan, progress: Progress, names: Mapping[str, str]) -> list[str]:
    """What the tests against chance said; where one could not be made, that.

    Parameters
    ----------
    names
        What is in a layer, in the plural, by the layer's id.
    """
    said = []
    for step in plan.steps:
        if not isinstance(step, Associate):
            continue
        layers = [progress.layer(layer) for layer in (step.layer, step.other)]
        summary = _summary(progress, step.name)
        if summary:
            said.append(cited(_named(summary, names), ", ".join(layers)))
        elif step.name not in progress.failed and EMPTY in layers:
            said.append("Nothing could be tested against chance, as one of the two was not found.")
    return said


def directions(plan: Plan, progress: Progress) -> list[str]:
    """What the tests for a common direction said."""
    steps = [step for step in plan.steps if isinstance(step, Orientation)]
    summaries = [(_summary(progress, step.name), progress.layer(step.layer)) for step in steps]
    return [f"{summary.rstrip('.')} [{layer}]." for summary, layer in summaries if summary]


def cited(summary: str, layers: str) -> str:
    """A tool's sentences with the layers that they rest on behind each."""
    return _SENTENCE_END.sub(f" [{layers}].", summary)


def _named(summary: str, names: Mapping[str, str]) -> str:
    """The verdict in the words of the question: “pitted cones lie”, not “L1 lies”."""
    verdict, chance, rest = summary.partition(" than chance allows")
    if not chance:
        return summary
    for layer, name in names.items():
        verdict = re.sub(rf"\b{layer}\b", name, re.sub(rf"\b{layer} lies\b", f"{name} lie", verdict))
    return f"{verdict[:1].upper()}{verdict[1:]}{chance}{rest}"


def _summary(progress: Progress, step: str) -> str:
    return progress.outcomes.get(step, Outcome()).summary

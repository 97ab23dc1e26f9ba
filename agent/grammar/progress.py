"""Where a plan stands: which steps have run, which can run now, which have become pointless.

A step that would work on nothing is not asked for: what is near an empty layer is empty, what is without it
is everything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.grammar.followups.context import PlanContext
from agent.grammar.steps import (
    Associate,
    Compare,
    DrawMap,
    EvaluateLayer,
    LayerArg,
    Plan,
    Ref,
    StepBase,
    Summarise,
    Union,
    Without,
)

Json = Any

EMPTY = ""  # stands for a layer that was never made because it could hold nothing


@dataclass(frozen=True)
class Outcome:
    """What a tool said: the parts of its JSON message, or why it failed."""

    summary: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    layers: Sequence[Mapping[str, Json]] = ()
    table: Sequence[Mapping[str, Json]] = ()
    error: str = ""


@dataclass
class Progress:
    """State of a plan.

    Attributes
    ----------
    outcomes
        What each step gave, by its name.
    found
        Layer ids and figures that steps refer to; `EMPTY` for a layer that is not worth making.
    counts, kinds
        Rows of each layer, and what they are.
    ready
        Steps whose tools can be called now.
    failed
        Steps that failed, or could not run because another did.
    """

    outcomes: Mapping[str, Outcome]
    found: dict[Ref, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    ready: list[StepBase] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def layer(self, argument: LayerArg) -> str:
        """Id of a layer, `EMPTY` if it was not made."""
        return str(self.found.get(argument, EMPTY)) if isinstance(argument, Ref) else argument

    def is_empty(self, argument: LayerArg) -> bool:
        """Whether a layer has no rows."""
        layer = self.layer(argument)
        return layer == EMPTY or self.counts.get(layer, 1) == 0


def follow(
    plan: Plan, outcomes: Mapping[str, Outcome], context: PlanContext, tools: Collection[str] | None = None
) -> Progress:
    """Walk a plan as far as the outcomes go.

    Parameters
    ----------
    outcomes
        Of the steps that have run, by name.
    tools
        Names of the tools that there are; None if all.
    """
    progress = Progress(outcomes)
    progress.counts = {layer.id: layer.count for layer in context.layers if layer.count is not None}
    progress.kinds = {layer.id: layer.kind for layer in context.layers if layer.kind}
    for step in plan.steps:
        outcome = outcomes.get(step.name)
        if outcome:
            _note_outcome(progress, step, outcome)
        elif _is_hopeless(progress, step, tools):
            progress.failed.append(step.name)
        elif all(_is_known(progress, ref) for ref in step.refs()):
            _prepare(progress, step)
    return progress


def _is_hopeless(progress: Progress, step: StepBase, tools: Collection[str] | None) -> bool:
    if tools is not None and step.tool not in tools:
        return True
    # A map can be drawn of what is there.
    return any(ref.step in progress.failed for ref in step.refs()) and not isinstance(step, DrawMap)


def _note_outcome(progress: Progress, step: StepBase, outcome: Outcome) -> None:
    if outcome.error:
        progress.failed.append(step.name)
        return
    for layer in outcome.layers:
        progress.counts[str(layer["id"])] = int(layer.get("count") or 0)
        progress.kinds[str(layer["id"])] = str(layer.get("kind", "tiles"))
        progress.found[Ref(step=step.name)] = str(layer["id"])
    for name, value in outcome.figures.items():
        progress.found[Ref(step=step.name, figure=name)] = value


def _is_known(progress: Progress, ref: Ref) -> bool:
    return ref in progress.found or ref.step in progress.failed


def _prepare(progress: Progress, step: StepBase) -> None:
    """Mark a step as ready, or give it the result that it would have."""
    own = Ref(step=step.name)
    if isinstance(step, DrawMap | Union):
        filled = tuple(layer for layer in step.layers if not progress.is_empty(layer))
        distinct = list(dict.fromkeys(progress.layer(layer) for layer in filled))
        if isinstance(step, Union) and len(distinct) < 2:
            progress.found[own] = distinct[0] if distinct else EMPTY
        elif distinct:
            progress.ready.append(step.model_copy(update={"layers": tuple(distinct)}))
        return
    if isinstance(step, Without) and not progress.is_empty(step.layer) and progress.is_empty(step.other):
        progress.found[own] = progress.layer(step.layer)
        return
    named = [getattr(step, name, None) for name in ("layer", "other", "catalogue")]
    needed = [layer for layer in named if layer is not None]
    needed += getattr(step, "layers", ())
    # An empty layer is still worth a summary: it says how much ground was looked at; and a test that it
    # leaves untold.
    known = all(progress.layer(layer) != EMPTY for layer in needed)
    wanted_empty = isinstance(step, Summarise | Associate | Compare | EvaluateLayer) and known
    if any(progress.is_empty(layer) for layer in needed) and not wanted_empty:
        progress.found[own] = EMPTY
    else:
        progress.ready.append(step)

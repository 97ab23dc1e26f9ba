"""A plan in one sentence, said before its first call: what will be searched, kept, tested and drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.grammar.query import listed, short_number
from agent.grammar.steps import (
    Associate,
    Compare,
    Density,
    Downslope,
    DrawMap,
    EvaluateLayer,
    ExportLayer,
    FilterLayer,
    FindPlace,
    LoadCatalogue,
    MergeFeatures,
    Near,
    Nearest,
    Novelty,
    Orientation,
    Overlap,
    Plan,
    SampleContext,
    SearchExample,
    SearchWords,
    StepBase,
    Without,
)
from agent.prose_names import Names
from prompts import Term

MOST_PARTS = 7
_QUANTITIES = {"abs_latitude": "distance from the equator", "thermal_inertia": "thermal inertia"}


Wording = Callable[[StepBase, Names, Plan], str]


def plan_sentence(plan: Plan, terms: Mapping[str, Term]) -> str:
    """``I will search for pitted cones and outflow channels, keep ..., and test ... against chance.``

    Parameters
    ----------
    terms
        The glossary by key.
    """
    names = Names(plan, terms)
    sought = [names.of_step(step) for step in plan.steps if isinstance(step, SearchWords | SearchExample)]
    parts = [f"search for {listed(list(dict.fromkeys(sought)))}"] if sought else []
    for step in plan.steps:
        wording = _WORDINGS.get(type(step))
        if wording:
            parts.append(wording(step, names, plan))
    parts = list(dict.fromkeys(parts))
    if not parts:
        return ""
    if len(parts) == 1 and any(isinstance(step, DrawMap) for step in plan.steps):
        parts.append("map what is found")
    kept = parts if len(parts) <= MOST_PARTS else [*parts[:MOST_PARTS], "so on as the steps show"]
    head, last = kept[:-1], kept[-1]
    comma = "," if len(head) > 1 else ""
    return f"I will {', '.join(head)}{comma} and {last}." if head else f"I will {last}."


def _kept(words: str) -> Wording:
    def say(step: StepBase, names: Names, plan: Plan) -> str:
        distance = getattr(step, "distance_km", None)
        if isinstance(step, Near) and any(_is_tested(step, other) for other in plan.steps):
            return "keep those within that distance"
        far = f"{short_number(distance)} km " if distance else ""
        return f"keep {names.given(step, 'layer')} {words.format(far=far)}{names.given(step, 'other')}"

    return say


def _is_tested(step: Near, other: StepBase) -> bool:
    """Whether a test against chance is about the very nearness by which a layer is kept."""
    same = ("layer", "other", "distance_km")
    return isinstance(other, Associate) and all(getattr(step, n) == getattr(other, n) for n in same)


def _limited(step: StepBase, names: Names, plan: Plan) -> str:
    before, after = names.given(step, "layer"), names.of_step(step)
    limits = after.removeprefix(before).strip() if after != before else "within the limits"
    whole = names.plain(getattr(step, "layer", ""))
    return f"keep {whole or 'those'} {limits}"


def _tested(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, Associate)
    nearness = f"the nearness of {names.of(step.layer)} to {names.of(step.other)}"
    model = (
        f" that keeps {step.strata}" if step.strata else f" (null model “{step.null}”)" if step.null else ""
    )
    return f"test {nearness} (within {short_number(step.distance_km)} km) against chance{model}"


def _compared(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, Compare)
    other = "the ground observed" if step.other is None else names.of(step.other)
    return f"compare {names.of(step.layer)} with {other} by {_QUANTITIES.get(step.by, step.by)}"


def _oriented(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, Orientation)
    if step.other is not None:
        return f"test whether {names.of(step.layer)} and {names.of(step.other)} share an axis"
    if step.given_azimuth_deg is not None:
        axis = f"{short_number(step.given_azimuth_deg)} degrees"
        return f"test whether {names.of(step.layer)} follow an axis of {axis}"
    return f"test whether {names.of(step.layer)} have a common direction"


def _counted(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, Density)
    by = "in cells" if step.by == "cells" else f"by {_QUANTITIES.get(step.by, step.by)}"
    return f"count {names.of(step.layer)} per area {by}"


def _looked_up(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, SampleContext)
    values = [_QUANTITIES.get(value, value) for value in step.values]
    return f"look up {listed(values)} at {names.of(step.layer)}"


def _measured(step: StepBase, names: Names, plan: Plan) -> str:
    assert isinstance(step, Nearest)
    if step.count:
        return f"keep the {step.count} of {names.of(step.layer)} nearest to {names.of(step.other)}"
    return f"measure how far {names.of(step.layer)} lie from {names.of(step.other)}"


_WORDINGS: Mapping[type[StepBase], Wording] = {
    FindPlace: lambda step, names, plan: f"look up {getattr(step, 'place', '')}",
    LoadCatalogue: lambda step, names, plan: f"load {getattr(step, 'file', '')}",
    Near: _kept("within {far}of "),
    Without: _kept("farther than {far}from "),
    Overlap: _kept("in or beside tiles with "),
    Downslope: _kept("downslope of and within {far}of "),
    FilterLayer: _limited,
    Nearest: _measured,
    Novelty: lambda step, names, plan: (
        f"keep of {names.given(step, 'layer')} what the catalogue does not list"
    ),
    MergeFeatures: lambda step, names, plan: f"merge {names.given(step, 'layer')} into separate features",
    Associate: _tested,
    Compare: _compared,
    Orientation: _oriented,
    Density: _counted,
    SampleContext: _looked_up,
    EvaluateLayer: lambda step, names, plan: f"judge {names.given(step, 'layer')} by the catalogue",
    ExportLayer: lambda step, names, plan: "write them to a file",
}

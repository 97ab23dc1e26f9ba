"""What a layer of a plan holds, in words, before and after it has an id."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.grammar.query import Query, listed
from agent.grammar.steps import (
    Downslope,
    FilterLayer,
    LayerArg,
    LoadCatalogue,
    MergeFeatures,
    Near,
    Novelty,
    Overlap,
    Plan,
    Ref,
    SampleContext,
    SearchExample,
    SearchWords,
    StepBase,
    Union,
    Without,
)
from prompts import Term

# Titles of layers with a relation of their own make a sentence hard to read.
_RELATED_ALREADY = re.compile(r"\b(?:within|farther than|near|and|or)\b")
_RELATED = ((Near, "near"), (Without, "away from"), (Overlap, "in or beside"), (Downslope, "downslope of"))


class Names:
    """Names of the layers of a plan: ``pitted cones``, ``gullies near dunes, south of the equator``.

    Parameters
    ----------
    terms
        The glossary by key; it knows the plural of a layer's title.
    """

    def __init__(self, plan: Plan, terms: Mapping[str, Term]) -> None:
        query = plan.query
        items = (*query.items, *query.objects)
        plurals = {term.term: term.plural for term in terms.values()}
        self._words = {item.text: item.plural for item in items if item.kind == "words"}
        self._given = {
            item.text: plurals.get(item.plural, item.plural) for item in items if item.kind == "layer"
        }
        self._steps = {step.name: step for step in plan.steps}
        self._limits = _limits(query)

    def of(self, layer: LayerArg) -> str:
        """What a layer holds, in the plural; its id where that is not known."""
        if isinstance(layer, str):
            name = self._given.get(layer, layer)
            return layer if _RELATED_ALREADY.search(name) else name
        return self.of_step(self._steps[layer.step])

    def plain(self, layer: LayerArg) -> str:
        """What was searched for, where a layer is a whole search; empty for others."""
        step = self._steps.get(layer.step) if isinstance(layer, Ref) else None
        return self.of_step(step) if isinstance(step, SearchWords) else ""

    def given(self, step: StepBase, argument: str) -> str:
        """What a layer holds that a step is given."""
        layer = getattr(step, argument, "")
        return self.of(layer) if layer else ""

    def of_step(self, step: StepBase) -> str:
        """What the layer holds that a step makes."""
        if isinstance(step, SearchWords):
            return self._words.get(step.text, step.text)
        if isinstance(step, SearchExample):
            return f"tiles like {step.example}"
        if isinstance(step, LoadCatalogue):
            return f"entries of {step.file}"
        if isinstance(step, Union):
            return listed(list(dict.fromkeys(self.of(layer) for layer in step.layers)), "or")
        own = self.given(step, "layer")
        if isinstance(step, FilterLayer):
            return own + "".join(f" {words}" for words in self._limits if words not in own)
        if isinstance(step, MergeFeatures | SampleContext):
            return own
        if isinstance(step, Novelty):
            return f"{own} that the catalogue does not list"
        for kind, words in _RELATED:
            if isinstance(step, kind):
                return f"{own} {words} {self.given(step, 'other')}"
        return own


def _limits(query: Query) -> list[str]:
    regions = [*query.regions, *(region for group in query.groups for region in group.regions)]
    return list(dict.fromkeys(region.words for region in regions if region.words))

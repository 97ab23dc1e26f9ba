"""How a layer came to be: its tool, what it was made from, and what the tool said, as sentences."""

from __future__ import annotations

import re

from agent.grammar.context import KnownLayer, PlanContext
from agent.grammar.query import listed

MOST_ANCESTORS = 5


def explained(layer_id: str, context: PlanContext) -> tuple[str, ...]:
    """What a layer is and how it was made, then the same of the layers that it rests on; each cited."""
    known = {layer.id: layer for layer in context.layers}
    told: list[str] = []
    waiting, seen = [layer_id], set[str]()
    while waiting and len(seen) < MOST_ANCESTORS:
        layer = known.get(waiting.pop(0))
        if layer is None or layer.id in seen:
            continue
        seen.add(layer.id)
        told.append(_sentence(layer))
        waiting += layer.parents
    return tuple(told)


def _sentence(layer: KnownLayer) -> str:
    cited = f"[{layer.id}]."
    if layer.tool.startswith("search"):
        words = layer.title if layer.tool == "search_example" else f"“{layer.title}”"
        bound = f" from a probability of {layer.threshold:g} on" if layer.threshold is not None else ""
        return f"{layer.id} holds what a search for {words} keeps{bound}{_rows(layer)} {cited}"
    if not layer.parents:
        return f"{layer.id} holds {layer.title}{_rows(layer)} {cited}"
    made = f"{layer.id} holds {layer.title}; {layer.tool} made it from {listed(list(layer.parents))} {cited}"
    said = re.sub(rf"^{layer.id}: ", "", layer.said).rstrip(".")
    return f"{made} {said[:1].upper()}{said[1:]} {cited}" if said else made


def _rows(layer: KnownLayer) -> str:
    if layer.count is None:
        return ""
    noun = layer.kind if layer.kind in ("tiles", "features") else "rows"
    return f": {layer.count:,} {noun}" if layer.count != 1 else f": one of the {noun}"

"""How a layer came to be: how that is asked for; its tool, what it was made from, and what the tool said."""

from __future__ import annotations

import re

from agent.grammar.followups.context import KnownLayer, PlanContext
from agent.grammar.followups.phrases import any_of, one_of, row, some
from agent.grammar.query import listed

MOST_ANCESTORS = 5

# How an answer came to be

_THAT = one_of(
    any_of("that this it these those them"),
    any_of("answer result layer number numbers count hits tiles"),
    r"L\d",
)
_MADE = any_of(
    "get got make made find found obtain obtained build built compute computed derive derived create created "
    "reach select selected produce produced know choose chose chosen do together defined from to at by"
)
# What someone says who wants an answer explained.
DOUBT = row(
    r"(?:i|we) (?:am|are|do|can|could|remain|feel)(?: not| hardly| a bit| rather| still)*(?: quite| "
    r"really| fully| yet| at all)*"
    r" (?:convinced|sure|certain|trust|believe|understand|follow|get|see|know|sceptical|skeptical|confused|"
    r"puzzled|doubtful|lost)" + some("how", "where", _THAT, "by", "of", "about", "here", "though"),
    r"(?:that|this|it) (?:seems?|looks?|sounds?|is) (?:\w+ )?(?:odd|strange|weird|wrong|high|low|much|"
    r"many|few|surprising|unlikely)",
)
# "Where exactly?"
WHERE = row(
    r"(?:and |but |so )*where(?: (?:are|is) (?:they|it|those|these|that))?"
    r"(?: (?:exactly|precisely|to be exact|to be precise|on (?:map|planet)|located|now|in detail))*"
)
WHY = row(
    r"(?:explain|describe|tell|show)(?: (?:to )?(?:me|us))?(?: again)?(?: (?:how|where|what))"
    rf"(?: {_THAT})(?: (?:was|is|were|has been|have been|came|comes|got))(?: (?:from|about|to be|{_MADE}))*",
    rf"(?:where|what|how)(?: (?:exactly|precisely|really|actually))? (?:does|do|did|is|are|was|were|has|"
    rf"have)(?: (?:in|inside|behind))?"
    rf" {_THAT}(?: (?:come|came|been|being|from|about|{_MADE}))*(?: (?:exactly|precisely|from))*",
    r"why"
    + some(
        _THAT,
        r"there (?=so|only|N\d)",
        any_of(
            "is are do does did was were not then so only few many little much one ones you say think show "
            "shown list listed give gave found find pick picked choose chose selected select exactly"
        ),
        r"N\d",
    ),
    rf"(?:and )?how (?:did|do|have|was|were|is|are|has|would) (?:(?:you|we) )?(?:{_THAT} )?"
    rf"(?:(?:come|work out|worked out|arrive) ?)?{_MADE}?(?: {_MADE})?(?: {_THAT})?(?: {_MADE})?",
    rf"(?:where|what) (?:does|do|did|is|are|was) {_THAT}"
    + some(
        r"come from|made (?:of|from|up of)|based on|rest on|built from|stand for|consist of|supposed to be",
        any_of("from mean contain hold show about again exactly"),
    ),
    r"what(?: is| are)? (?:in|inside|behind) L\d",
    r"(?:explain|describe|define|justify)"
    + some(
        r"how you got|came from",
        any_of("to me why how where your that this it answer result you got"),
        r"L\d",
    ),
    r"(?:how|what) (?:so|come)|L\d|what did you (?:do|search|look for|count)",
    rf"i do not understand(?: {_THAT})?",
    r"(?:what is )?(?:source|origin|basis|meaning|recipe|definition) of L\d",
)


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

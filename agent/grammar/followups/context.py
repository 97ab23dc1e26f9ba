"""Follow-up questions: what "those", "and south of the equator?" and "what about yardangs?" refer to."""

from __future__ import annotations

from agent.grammar.followups.limits import sort_of
from agent.grammar.query import Declined, Frozen, Group, Item, Missing, Operand, Query, Region, Relation
from agent.grammar.state import Reading


class KnownLayer(Frozen):
    """A layer that exists in the conversation.

    Attributes
    ----------
    kind
        That of `tools.layers`, empty if not known.
    tool, parents, said, threshold
        Which tool made it from which layers, what the tool said, and from which probability on it keeps hits.
    """

    id: str
    title: str
    kind: str = ""
    count: int | None = None
    tool: str = ""
    parents: tuple[str, ...] = ()
    said: str = ""
    threshold: float | None = None


class Turn(Frozen):
    """A question that was answered, with the layer that answered it and that before limits of place."""

    query: Query
    result: str = ""
    base: str = ""


class PlanContext(Frozen):
    """What came before in the conversation.

    Attributes
    ----------
    layers
        All layers, oldest first.
    result
        Id of the layer that answered the last question; empty if none.
    results
        All layers that answered it, if it was answered here.
    base
        That layer before limits of place were put on it: "and south of the equator?" starts there again.
    query
        What the last question asked.
    turns
        The questions that were answered, the last one included, oldest first.
    """

    layers: tuple[KnownLayer, ...] = ()
    result: str = ""
    results: tuple[str, ...] = ()
    base: str = ""
    query: Query | None = None
    turns: tuple[Turn, ...] = ()

    def at(self, place: int) -> PlanContext:
        """The context as it was after an earlier turn, with all layers that there are now."""
        turn = self.turns[place]
        return self.model_copy(update={"result": turn.result, "base": turn.base, "query": turn.query})

    @property
    def last_two(self) -> tuple[str, str] | None:
        """The layers that answered the last two questions; None if there are no two."""
        results = list(dict.fromkeys(turn.result for turn in self.turns if turn.result))
        return (results[-2], results[-1]) if len(results) > 1 and results[-1] == self.result else None

    def item(self, layer_id: str) -> Item | None:
        """The layer as something to ask about."""
        for layer in self.layers:
            if layer.id == layer_id:
                return Item(kind="layer", text=layer.id, plural=layer.title)
        return None

    @property
    def catalogue(self) -> Item | None:
        """The catalogue that was loaded last."""
        found = [layer.id for layer in self.layers if layer.kind == "catalogue"]
        return self.item(found[-1]) if found else None


def remembered(query: Query, context: PlanContext) -> Query:
    """A question as the next one may refer to it: what "those" and "it" stood for is put in their place."""
    before, layers = context.query, [item.text for item in query.items if item.kind == "layer"]
    if not before or layers not in ([context.result], [context.base]):
        return query
    narrowed = layers == [context.result]
    kept = before.regions if narrowed or not query.regions else ()
    return before.model_copy(
        update={
            "relations": (*before.relations, *query.relations),
            "regions": (*kept, *query.regions),
            "intents": query.intents,
            "details": query.details,
        }
    )


def in_context(reading: Reading, context: PlanContext) -> Query:
    """The whole query: what the question says, completed by what came before.

    Raises
    ------
    Declined
        If it refers to something that is not there.
    """
    query = reading.query
    if reading.side_of_it:
        query = query.model_copy(update={"regions": (*query.regions, _beyond_before(reading, context))})
    query = _titled(query, context)
    if reading.like_this and not any(item.kind == "example" for item in (*query.items, *query.objects)):
        raise Declined(
            "no_example",
            "there is no picture or tile to compare with",
            "the name of a tile such as 16km-r012c034, or a picture brought into the conversation",
            lacks="example",
        )
    if query.groups:
        asks_same = reading.instead or (reading.opens_with_and and not reading.asks_afresh)
        return _same_of(query, context) if asks_same and not query.relations else query
    if _is_only_places(query, reading, context):
        return query
    if not (query.relations or query.regions or query.intents or reading.refers or reading.only):
        return query
    if replacing := _instead_of_before(reading, query, context):
        return replacing
    narrows = reading.refers or reading.only or query.relations or not _are_replaced(query, context)
    layer = context.item(context.result if narrows else context.base or context.result)
    if not layer:
        shown = {"map", "export"} & set(query.intents)
        refers = reading.refers or reading.only or reading.opens_with_and or shown
        if not (refers or query.regions or query.relations):
            return Query()
        said = (
            "there is no earlier result that this could refer to"
            if refers
            else "the question does not say which landform to look for"
        )
        lacks: Missing = "referent" if refers else "landform"
        raise Declined("no_context", said, "a question that names a landform", lacks=lacks)
    return query.model_copy(update={"groups": (Group(items=(layer,)),)})


def _are_replaced(query: Query, context: PlanContext) -> bool:
    """Whether limits stand in the place of others: a latitude in that of a place, no elevation in either."""
    if not context.query:
        return bool(query.regions)
    new, old = ({sort_of(region) for region in limits} for limits in (query.regions, context.query.regions))
    return bool(new & old)


def _instead_of_before(reading: Reading, query: Query, context: PlanContext) -> Query | None:
    """The question before with other limits, if that asks for more than the layer before its limits."""
    before = context.query
    if not before or query.relations or reading.refers or reading.only or not context.result:
        return None
    if set(query.intents) - {"count"} or not _are_replaced(query, context):
        return None
    new = {sort_of(region) for region in query.regions}
    kept = tuple(region for region in before.regions if sort_of(region) not in new)
    measured = tuple(intent for intent in before.intents if intent in _MEASURED)
    if not (kept or measured):
        return None
    update = {"regions": (*kept, *query.regions), "intents": (*measured, *query.intents)}
    return before.model_copy(update=update)


# What is asked again where a follow-up changes a limit alone.
_MEASURED = ("orientation", "association", "density", "sample", "share", "compare", "distance", "merge")


def _same_of(query: Query, context: PlanContext) -> Query:
    # "What about yardangs?": the question before, asked of another landform.
    before = context.query
    if not before or any(item.kind == "layer" for item in before.items):
        return query
    objects = {item.text for item in before.objects}
    relations = before.relations if not objects & {item.text for item in query.items} else ()
    return before.model_copy(
        update={
            "groups": query.groups,
            "relations": relations,
            "regions": query.regions or before.regions,
            "intents": query.intents or before.intents,
            "details": query.details if query.intents else before.details,
        }
    )


def _beyond_before(reading: Reading, context: PlanContext) -> Region:
    side = reading.side_of_it
    regions = reversed(context.query.regions) if context.query else ()
    for region in regions:
        if region.place:
            return Region(
                place=region.place,
                beyond="north" if side == "north" else "south",
                words=f"{side} of {region.place}",
            )
        edges = [edge for edge in (region.min_lat_deg, region.max_lat_deg) if edge is not None]
        if edges and not region.both_hemispheres:
            edge = max(edges) if side == "north" else min(edges)
            words = f"{side} of {abs(edge):g} degrees {'north' if edge >= 0 else 'south'}"
            if side == "north":
                return Region(min_lat_deg=edge, words=words)
            return Region(max_lat_deg=edge, words=words)
    raise Declined(
        "no_context",
        f"“{side} of it” refers to no latitude or place before",
        f"{side} of a latitude or of the equator",
        lacks="referent",
        about=f"{side} of it",
    )


def _titled(query: Query, context: PlanContext) -> Query:
    """Layers that a question names by id, by their titles; refuses those that do not exist."""

    def known(item: Item) -> Item:
        if item.kind != "layer":
            return item
        layer = context.item(item.text)
        if not layer:
            there = ", ".join(layer.id for layer in context.layers)
            raise Declined(
                "no_context", f"there is no layer {item.text}", there or "layers, once there are some"
            )
        return layer

    def named(operand: Operand) -> Operand:
        update = {"item": known(operand.item), "relations": tuple(map(of, operand.relations))}
        return operand.model_copy(update=update)

    def of(relation: Relation) -> Relation:
        return relation.model_copy(update={"objects": tuple(map(named, relation.objects))})

    groups = tuple(
        group.model_copy(update={"items": tuple(map(known, group.items))}) for group in query.groups
    )
    details = query.details.model_copy(update={"against": tuple(map(named, query.details.against))})
    relations = tuple(map(of, query.relations))
    return query.model_copy(update={"groups": groups, "relations": relations, "details": details})


def _is_only_places(query: Query, reading: Reading, context: PlanContext) -> bool:
    asked = {region.place for region in query.regions if region.place and not region.beyond}
    # "At what latitude is Gale?" may else be asked of what was found before.
    asks = reading.asks_afresh or ("latitude" in query.intents and not context.layers)
    return bool(asked) and len(asked) == len(query.regions) and asks and not query.relations

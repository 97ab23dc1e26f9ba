"""A follow-up as edits of the question before, applied in one place.

Edits change what was asked (a `Query`), never what was found, so that any of them can follow on any other.
What an edit decides by itself, such as whose distance is meant, it says in a note.
"""

from __future__ import annotations

from typing import Any

from agent.grammar.followups.edits import (
    AddRelation,
    Ask,
    DropLimits,
    DropThing,
    Edit,
    Negate,
    Replace,
    ScaleDistance,
    SetBound,
    SetDistance,
    SetLimit,
    Swap,
)
from agent.grammar.followups.limits import kind_of, on_place, opposite_limit, probability, relimited, sort_of
from agent.grammar.query import Declined, Group, Item, Operand, Query, Relation, listed, short_number

# Asked for once; a changed question does not write a file again.
_ONCE = ("map", "export", "about")


def apply(edits: list[Edit], query: Query) -> tuple[Query, list[str]]:
    """The changed question, and notes on how the changes were taken.

    Raises
    ------
    Declined
        If the question before has nothing that an edit could change.
    """
    notes: list[str] = []
    query = query.model_copy(update={"intents": tuple(i for i in query.intents if i not in _ONCE)})
    for edit in edits:
        query = _APPLIED[type(edit)](edit, query, notes)
    return query, notes


# Numbers


def _set_distance(edit: SetDistance, query: Query, notes: list[str]) -> Query:
    if not 0 < edit.km < 1e6:
        raise Declined("bad_value", f"“{edit.km:g} km” is no distance to search within", "more than 0 km")
    at = _measured(query, edit.of)
    if at is None:
        return _without_relation(edit, query)
    relations = list(query.relations)
    kind = relations[at].kind
    kind = {"within": "near", "beyond": "without"}.get(edit.side, kind)  # type: ignore[assignment]
    update = {"distance_km": edit.km, "assumed": False, "touching": False}
    changed = relations[at].model_copy(update={**update, "kind": "near" if kind == "overlap" else kind})
    others = [r for r in relations if r is not relations[at] and r.distance_km and not r.assumed]
    if others and not edit.of:
        names = listed([operand.item.plural for operand in changed.objects], "or")
        notes.append(f"The new distance was taken as that to {names}; other distances stay")
    relations[at] = changed
    return query.model_copy(update={"relations": tuple(relations)})


def _without_relation(edit: SetDistance, query: Query) -> Query:
    # Around a place, or between the parts of a feature.
    for place, region in enumerate(query.regions):
        if region.place and not region.beyond and edit.side != "beyond":
            regions = (*query.regions[:place], on_place(region.place, edit.km), *query.regions[place + 1 :])
            return query.model_copy(update={"regions": regions})
    if "merge" in query.intents:
        details = query.details.model_copy(update={"merge_km": edit.km})
        return query.model_copy(update={"details": details})
    raise Declined(
        "no_context",
        f"the question before has no distance that {short_number(edit.km)} km could replace",
        "a distance to something, such as within 40 km of it",
    )


def _measured(query: Query, of: Item | None = None) -> int | None:
    """The relation whose distance is meant: to a thing, or else the last."""
    found = [
        place
        for place, relation in enumerate(query.relations)
        if relation.kind in ("near", "without", "downslope", "overlap", "new")
        and (of is None or of in [operand.item for operand in relation.objects])
    ]
    said = [place for place in found if query.relations[place].distance_km]
    usable = said or found
    return usable[-1] if usable else None


def distance_of(query: Query) -> float:
    """The distance that the last relation or place has; 0 if there is none."""
    at = _measured(query)
    if at is not None:
        return query.relations[at].distance_km
    return next((region.within_km for region in query.regions if region.within_km), None) or 0.0


def _scale(edit: ScaleDistance, query: Query, notes: list[str]) -> Query:
    now = distance_of(query)
    if not now:
        raise Declined(
            "no_context",
            "the question before has no distance to change",
            "a distance to something, such as within 40 km of it",
        )
    changed = now * edit.factor + edit.plus_km
    changed = float(f"{changed:.2g}") if edit.words else round(changed, 6)
    if edit.words:
        notes.append(f"“{edit.words}” was taken as {short_number(changed)} km")
    return _set_distance(SetDistance(changed), query, notes)


def _set_bound(edit: SetBound, query: Query, notes: list[str]) -> Query:
    for place, region in enumerate(query.regions):
        if kind_of(region) == edit.kind and (changed := relimited(region, edit.value, edit.side)):
            regions = (*query.regions[:place], changed, *query.regions[place + 1 :])
            return query.model_copy(update={"regions": regions})
    if edit.kind == "probability":
        return _set_limit(SetLimit(probability(edit.value)), query, notes)
    raise Declined(
        "no_context",
        f"the question before has no {edit.kind} that {edit.value:g} could replace",
        "the whole limit, such as north of 30 degrees or below 0 m",
    )


# Limits


def _set_limit(edit: SetLimit, query: Query, notes: list[str]) -> Query:
    sort = sort_of(edit.region)
    kept = query.regions if edit.adds else tuple(r for r in query.regions if sort_of(r) != sort)
    return query.model_copy(update={"regions": (*kept, edit.region)})


def _drop_limits(edit: DropLimits, query: Query, notes: list[str]) -> Query:
    kinds = set(edit.kinds)
    kinds |= {"latitude", "longitude", "place"} if kinds & {"where", "place"} else set()
    regions = tuple(r for r in query.regions if not ("all" in kinds or kind_of(r) in kinds))
    groups = tuple(
        group.model_copy(
            update={"regions": tuple(r for r in group.regions if not ("all" in kinds or kind_of(r) in kinds))}
        )
        for group in query.groups
    )
    relations = query.relations
    gone_limits = len(regions) < len(query.regions) or groups != query.groups
    if "distance" in kinds or ("all" in kinds and not gone_limits):
        relations = ()
    if not gone_limits and len(relations) == len(query.relations) and "where" not in kinds:
        raise Declined(
            "no_context",
            f"the question before has no limit of {listed(list(edit.kinds), 'or')} to drop",
            "a limit that it has",
        )
    if "all" in kinds and gone_limits and query.relations:
        notes.append("The limits were dropped; how the things lie to each other still counts")
    intents = tuple(i for i in query.intents if relations or i not in ("association", "distance"))
    return query.model_copy(
        update={"regions": regions, "groups": groups, "relations": relations, "intents": intents}
    )


def _drop_thing(edit: DropThing, query: Query, notes: list[str]) -> Query:
    relations = tuple(
        relation.model_copy(update={"objects": left})
        for relation in query.relations
        if (left := tuple(operand for operand in relation.objects if operand.item != edit.item))
    )
    groups = tuple(
        group.model_copy(update={"items": kept})
        for group in query.groups
        if (kept := tuple(item for item in group.items if item != edit.item))
    )
    if not groups or (relations == query.relations and groups == query.groups):
        raise Declined(
            "no_context",
            f"{edit.item.plural} are no condition of the question before",
            "one of its conditions",
        )
    intents = tuple(i for i in query.intents if relations or i not in ("association", "distance"))
    return query.model_copy(update={"relations": relations, "groups": groups, "intents": intents})


# Things


def _replace(edit: Replace, query: Query, notes: list[str]) -> Query:
    if edit.old:
        return _put(edit.new, edit.old, query)
    if edit.role == "object" and query.relations:
        last = query.relations[-1]
        changed = last.model_copy(update={"objects": tuple(Operand(item=item) for item in edit.new)})
        return query.model_copy(update={"relations": (*query.relations[:-1], changed)})
    if edit.role == "object" and query.details.against:
        details = query.details.model_copy(update={"against": tuple(Operand(item=item) for item in edit.new)})
        return query.model_copy(update={"details": details})
    objects = {item.text for item in query.objects}
    relations = query.relations if not objects & {item.text for item in edit.new} else ()
    if len(relations) < len(query.relations):
        notes.append("Nothing is compared with itself, so how the things lie to each other was left out")
    groups = (Group(items=edit.new),)
    return query.model_copy(update={"groups": groups, "relations": relations})


def _put(new: tuple[Item, ...], old: Item, query: Query) -> Query:
    """Other things in the place of one, wherever it stands."""

    def operands(given: tuple[Operand, ...]) -> tuple[Operand, ...]:
        made: list[Operand] = []
        for operand in given:
            kept = operand.model_copy(update={"relations": relations(operand.relations)})
            made += [Operand(item=item) for item in new] if operand.item == old else [kept]
        return tuple(made)

    def relations(given: tuple[Relation, ...]) -> tuple[Relation, ...]:
        return tuple(r.model_copy(update={"objects": operands(r.objects)}) for r in given)

    def items(given: tuple[Item, ...]) -> tuple[Item, ...]:
        return tuple(item for one in given for item in (new if one == old else (one,)))

    groups = tuple(group.model_copy(update={"items": items(group.items)}) for group in query.groups)
    details = query.details.model_copy(update={"against": operands(query.details.against)})
    update: dict[str, Any] = {"groups": groups, "relations": relations(query.relations), "details": details}
    return query.model_copy(update=update)


def _add_relation(edit: AddRelation, query: Query, notes: list[str]) -> Query:
    kept = query.relations[:-1] if edit.replaces else query.relations
    return query.model_copy(update={"relations": (*kept, edit.relation)})


def _swap(edit: Swap, query: Query, notes: list[str]) -> Query:
    if len(query.relations) != 1 or len(query.groups) != 1:
        raise Declined(
            "no_context",
            "the question before does not have two sides that could change places",
            "a question such as: gullies within 40 km of craters",
        )
    relation, group = query.relations[0], query.groups[0]
    if any(operand.relations or operand.regions for operand in relation.objects) or group.regions:
        raise Declined(
            "unsupported",
            "sides that have conditions of their own cannot change places in this version",
            "the whole question the other way round",
        )
    objects = tuple(Operand(item=item) for item in group.items)
    turned = relation.model_copy(update={"objects": objects, "every": group.every})
    items = tuple(operand.item for operand in relation.objects)
    if query.regions:
        notes.append("The limits stay with what is looked for")
    return query.model_copy(update={"groups": (Group(items=items),), "relations": (turned,)})


def _negate(edit: Negate, query: Query, notes: list[str]) -> Query:
    intents = tuple(i for i in query.intents if i not in ("association", "distance"))
    conditions = len(query.relations) + len(query.regions)
    if query.relations and not (edit.place and query.regions):
        last = opposite_relation(query.relations[-1], edit.touching_km)
        update: dict[str, Any] = {"relations": (*query.relations[:-1], last)}
    elif query.regions:
        turned = opposite_limit(query.regions[-1])
        update = {"regions": (*query.regions[:-1], turned)}
    else:
        raise Declined(
            "no_context",
            "the question before has no condition that others could fail",
            "those within a limit",
        )
    if conditions > 1:
        notes.append("Those were taken that fail the last of these conditions; the others still hold")
    return query.model_copy(update={**update, "intents": intents})


def opposite_relation(relation: Relation, touching_km: float) -> Relation:
    """The relation that holds where another does not.

    Raises
    ------
    Declined
        If no tool can tell.
    """
    if relation.kind in ("near", "without") and not (relation.every and len(relation.objects) > 1):
        kind = "without" if relation.kind == "near" else "near"
        return relation.model_copy(update={"kind": kind, "touching": False})
    if relation.kind == "overlap":
        update = {"kind": "without", "touching": True, "assumed": True, "distance_km": touching_km}
        return relation.model_copy(update=update)
    raise Declined(
        "unsupported",
        "what fails this condition cannot be kept in one step in this version",
        "what is to be near, or away from something",
    )


def _ask(edit: Ask, query: Query, notes: list[str]) -> Query:
    return query.model_copy(update={"intents": edit.intents, "details": edit.details})


_APPLIED: dict[type[Any], Any] = {
    SetDistance: _set_distance,
    ScaleDistance: _scale,
    SetBound: _set_bound,
    SetLimit: _set_limit,
    DropLimits: _drop_limits,
    DropThing: _drop_thing,
    Replace: _replace,
    AddRelation: _add_relation,
    Swap: _swap,
    Negate: _negate,
    Ask: _ask,
}

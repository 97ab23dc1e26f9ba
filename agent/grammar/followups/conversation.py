"""A question in its conversation: what it changes of the one before, goes back to, or wants explained."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.grammar.followups import phrases as say
from agent.grammar.followups.context import PlanContext
from agent.grammar.followups.explaining import DOUBT, WHERE, WHY
from agent.grammar.followups.followup import apply
from agent.grammar.followups.reading import Clauses
from agent.grammar.followups.recall import gone_back, named_in_full, place_meant, the_two
from agent.grammar.followups.skeleton import skeleton
from agent.grammar.lexicon import Lexicon
from agent.grammar.query import Declined, Group, Item, Query, Relation
from agent.grammar.reader import read
from agent.grammar.state import Distances, Reading
from agent.grammar.tokens import tokenise


@dataclass(frozen=True)
class Situated:
    """A question as far as the conversation tells what it means.

    Attributes
    ----------
    text, context
        What is left to be read, and the context in which it stands.
    reading
        The whole reading, if the conversation tells it all; None if ``text`` is to be read as a question.
    """

    text: str
    context: PlanContext
    reading: Reading | None = None


def situated(
    text: str, lexicon: Lexicon, context: PlanContext, distances: Distances, body: str, tile_km: float
) -> Situated:
    """Find out what of a normalised question only the conversation before can tell.

    Raises
    ------
    Declined
        If it changes something that the question before does not have.
    """
    if not context.layers:
        return Situated(text, context)
    text = named_in_full(text, lexicon, context)
    if explained := _explanation(text, context):
        return Situated(text, context, explained)
    row = plain_row(re.sub(r"[^\w\s]", " ", text.lower()))
    if context.result and WHERE.fullmatch(row):
        return Situated(text, context, _shown(context))
    text = place_meant(text, context)
    went_back = gone_back(text, lexicon, context)
    if went_back:
        text, context = went_back
        if not text:
            return Situated(text, context, _shown(context))
    if not context.query:
        return Situated(text, context)
    if both := _both(text, context):
        return Situated(text, context, both)
    text = text if went_back else the_two(text, lexicon, context)
    return Situated(text, context, _changed(text, lexicon, context, distances, body, tile_km))


def _changed(
    text: str, lexicon: Lexicon, context: PlanContext, distances: Distances, body: str, tile_km: float
) -> Reading | None:
    before = context.query
    assert before
    measured = any(relation.distance_km for relation in before.relations)
    made = skeleton(text, lexicon, distances=measured)
    if made is None:
        return None

    def relations_in(clause: str) -> tuple[Relation, ...]:
        found = read(tokenise(clause, lexicon, tile_km), distances, body, context.item(context.result))
        plain = not (found.query.groups or found.query.regions or found.query.intents or found.unparsed)
        return found.query.relations if plain else ()

    row = plain_row(made.row)
    counted = say.HOW_MANY.search(row)
    row = f"{row[: counted.start()]}{row[counted.end() :]}" if counted else row
    clauses = Clauses(
        made=made,
        before=before,
        tile_km=tile_km,
        near_km=distances.near_km,
        touching_km=distances.touching_km,
        notes=list(made.notes),
        lexicon=lexicon,
        relations_in=relations_in,
    )
    edits = clauses.edits(row)
    if not edits:
        return None
    query, notes = apply(edits, before)
    if counted and "count" not in query.intents:
        query = query.model_copy(update={"intents": (*query.intents, "count")})
    query = _from_there(query, before, context)
    return Reading(query=query, notes=[*clauses.notes, *notes])


def _from_there(query: Query, before: Query, context: PlanContext) -> Query:
    """A question that only adds conditions to the one before, asked of what that found."""
    layer = context.item(context.result)
    known, count = len(before.regions), len(before.relations)
    again = {"association", "distance", "merge", "compare", "evaluate"} & {*query.intents, *before.intents}
    adds = query.relations[:count] == before.relations and query.regions[:known] == before.regions
    if not layer or again or before.separate or query.groups != before.groups or not adds:
        return query
    update = {"relations": query.relations[count:], "regions": query.regions[known:]}
    return query.model_copy(update={"groups": (Group(items=(layer,)),), **update})


def plain_row(row: str) -> str:
    """A row without polite words, and without stops at its ends."""
    return " ".join(say.POLITE.sub(" ", row).split()).strip("| ")


def _explanation(text: str, context: PlanContext) -> Reading | None:
    """“Why L3?”, “How did you get that?”"""
    layer = re.search(r"\bL(\d{1,6})\b", text, re.IGNORECASE)
    row = re.sub(r"[^\w\s|]", " ", re.sub(r"[.?!;:,]+", "|", text.lower()))
    row = re.sub(r"\bl(\d{1,6})\b", "L0", row)
    row = re.sub(r"\b\d+\b", "N0", row)
    parts = [" ".join(part.split()) for part in plain_row(row).split("|")]
    parts = [re.sub(r"^(?:and|but|so|then|now|i see) ", "", part) for part in parts if part.strip()]
    parts = [half for part in parts for half in (re.split(r" and (?=where |how |what )", part))]
    parts = [part for part in parts if not DOUBT.fullmatch(part)] or parts
    if not parts or not all(WHY.fullmatch(part) for part in parts):
        return None
    name = f"L{layer[1]}" if layer else context.result
    if not name:
        raise Declined(
            "no_context", "there is no answer before to explain", "a question that names a landform"
        )
    if context.item(name) is None:
        raise Declined(
            "no_context", f"there is no layer {name}", ", ".join(layer.id for layer in context.layers)
        )
    return Reading(query=_of_layers(context, name).model_copy(update={"intents": ("about",)}))


def _both(text: str, context: PlanContext) -> Reading | None:
    """“And now both”: what answered the last two questions, together."""
    row = plain_row(re.sub(r"[^\w\s]", " ", text.lower()))
    joined = re.search(r"\w .*\b(?:together|coincide|overlap|same|side)\b", row)
    together = bool(say.TOGETHER.fullmatch(row) and joined and context.last_two)
    if not (together or say.BOTH.fullmatch(row)):
        return None
    if not context.last_two:
        raise Declined(
            "no_context", "there are no two results that could be put together", "two questions first"
        )
    query = _of_layers(context, *context.last_two)
    if together:
        query = query.model_copy(update={"groups": (query.groups[0].model_copy(update={"every": True}),)})
    return Reading(query=query)


def _shown(context: PlanContext) -> Reading:
    """An earlier answer once more."""
    if not context.result:
        raise Declined("no_context", "that question had no result", "another one")
    return Reading(query=_of_layers(context, context.result))


def _of_layers(context: PlanContext, *names: str) -> Query:
    items = [context.item(name) or Item(kind="layer", text=name, plural=name) for name in names]
    return Query(groups=(Group(items=tuple(items)),))

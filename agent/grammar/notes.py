"""What an answer must say of how its question was taken: assumed distances, limits of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.grammar.query import Query, Relation, listed
from agent.grammar.steps import Associate
from prompts import Term

# What a relation without a distance was taken for.
_TAKEN = {
    "near": ("Near", "within"),
    "without": ("Away from", "farther than"),
    "downslope": ("Downslope of", "within"),
    "new": ("Not in a catalogue", "farther from every entry than"),
}


def notes_on(query: Query, steps: list[Any], glossary: Mapping[str, Term], tile_km: float) -> list[str]:
    """How the parts of a query were taken, as far as an answer must state it."""
    notes = []
    compared = tuple(relation for operand in query.details.against for relation in operand.relations)
    relations = _all_relations((*query.relations, *compared))
    for kind, touching, distance in sorted(
        {(r.kind, r.touching, r.distance_km) for r in relations if r.assumed}
    ):
        if touching:
            notes.append("“Without” was taken as neither in the same tile nor in one that touches it")
        else:
            words, bound = _TAKEN[kind]
            notes.append(f"“{words}” was taken as {bound} {distance:g} km, as the question gives no distance")
    if len(query.relations) > 1 and not query.separate:
        notes.append(f"All conditions were applied to {listed([item.plural for item in query.items])}")
    for item in (*query.items, *query.objects):
        term = glossary.get(item.key)
        # A tile is about a hundred pixels wide; less than two of them cannot show a form.
        if term and term.size_km[1] < tile_km / 50:
            notes.append(f"{term.plural.capitalize()} are finer than a tile can show; mistrust these hits")
    return notes + (_on_tests(query, steps) if "association" in query.intents else [])


def _on_tests(query: Query, steps: list[Any]) -> list[str]:
    tests = [step for step in steps if isinstance(step, Associate)]
    if not tests:
        # Directions and comparisons come with tests of their own.
        tested = {"orientation", "compare"} & set(query.intents)
        return [] if tested else ["Nothing was tested against chance, as only one thing was asked about"]
    notes = []
    if query.regions or any(group.regions for group in query.groups):
        notes.append("Chance was allowed to move what lies within the limits beyond them")
    return notes


def _all_relations(relations: tuple[Relation, ...]) -> list[Relation]:
    return [
        found
        for relation in relations
        for found in (relation, *_all_relations(tuple(r for o in relation.objects for r in o.relations)))
    ]

"""A query -> typed tool calls in an order in which they can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.grammar.context import PlanContext
from agent.grammar.query import Declined, Item, Query, Region, Relation, listed
from agent.grammar.steps import (
    Associate,
    DrawMap,
    ExportLayer,
    FilterLayer,
    FindPlace,
    LayerArg,
    LoadCatalogue,
    Near,
    Orientation,
    Overlap,
    Plan,
    Ref,
    SearchExample,
    SearchWords,
    StepBase,
    Summarise,
    Union,
    Without,
)
from prompts import Term

MOST_THINGS = 8
MOST_ON_MAP = 4
TOUCHING_TILES = 1.6  # centres of tiles that touch, corners included, lie no farther apart


def build_plan(
    question: str,
    query: Query,
    notes: list[str],
    unparsed: list[str],
    glossary: Mapping[str, Term],
    context: PlanContext,
    tile_km: float,
) -> Plan:
    """Order the tool calls of a query.

    Raises
    ------
    Declined
        If its limits contradict each other or it asks for more than a few things at once.
    """
    items = (*query.items, *query.objects)
    if len(items) > MOST_THINGS:
        raise Declined(
            "unsupported", f"{len(items)} landforms in one question are too many", f"at most {MOST_THINGS}"
        )
    builder = _Builder(TOUCHING_TILES * tile_km)
    results = builder.answer(query)
    notes = [] if is_shown_only(query) and query.groups else notes
    notes = notes + _notes(query, items, glossary, tile_km)
    if "association" in query.intents:
        notes += _notes_on_tests(query, builder.steps)
    return Plan(
        question=question,
        query=query,
        steps=tuple(builder.steps),
        results=tuple(results),
        notes=tuple(dict.fromkeys(notes)),
        unparsed=tuple(dict.fromkeys(unparsed)),
    )


class _Builder:
    def __init__(self, touching_km: float) -> None:
        self.touching_km = touching_km
        self.steps: list[Any] = []
        self.shown: list[LayerArg] = []

    def answer(self, query: Query) -> list[LayerArg]:
        """Append the steps of a query; returns the layers that answer it."""
        if not query.groups:
            for place in dict.fromkeys(region.place for region in query.regions if region.place):
                self.add(FindPlace, place=place)
            return []
        if is_shown_only(query):
            layers: list[LayerArg] = [item.text for item in query.items]
            self.show(query, layers)
            return layers
        for item in (*query.items, *query.objects):  # all searches first: they can run together
            self.item(item)
        subjects = self.subjects(query)
        if "association" in query.intents:
            self.tests(query, subjects)
        if query.relations and query.separate:
            results = [
                self.related(subject, [relation]) for subject in subjects for relation in query.relations
            ]
        else:
            results = [self.related(subject, query.relations) for subject in subjects]
        results = list(dict.fromkeys(self.limited(result, query.regions) for result in results))
        self.measure(query, results)
        return results

    def tests(self, query: Query, subjects: list[LayerArg]) -> None:
        """Append a test against chance for each subject, whole, and each thing that it is related to."""
        for subject in subjects:
            whole = self.limited(subject, query.regions)
            for relation in query.relations:
                others = [
                    self.related(self.item(operand.item), operand.relations) for operand in relation.objects
                ]
                distance = relation.distance_km or self.touching_km
                for other in others if relation.every else [self.any_of(others)]:
                    self.add(Associate, layer=whole, other=other, distance_km=distance)

    def measure(self, query: Query, results: list[LayerArg]) -> None:
        """Append what is done with the answer: directions, counts, map, file."""
        made_layers = bool(self.steps)
        if "orientation" in query.intents:
            for result in results:
                self.add(Orientation, layer=result)
        for result in results:
            self.add(Summarise, layer=result)
        if made_layers or "map" in query.intents:
            layers = list(dict.fromkeys([*results, *self.shown]))
            self.add(DrawMap, layers=tuple(layers[:MOST_ON_MAP]))
        self.show(
            query.model_copy(update={"intents": tuple(i for i in query.intents if i != "map")}), results
        )

    def show(self, query: Query, layers: list[LayerArg]) -> None:
        """Append a map or a file of layers, if asked for."""
        if "map" in query.intents:
            self.add(DrawMap, layers=tuple(layers))
        if "export" in query.intents:
            self.add(ExportLayer, layers=tuple(layers), format=query.export_format or "gpkg")

    def subjects(self, query: Query) -> list[LayerArg]:
        """One layer for the whole subject, or one for each thing to be compared."""
        apart = query.separate and not query.relations
        refs = [[self.item(item) for item in group.items] for group in query.groups]
        found: list[LayerArg] = []
        for group, layers in zip(query.groups, refs, strict=True):
            joined = layers if apart else [self.together(layers) if group.every else self.any_of(layers)]
            found += [self.limited(layer, group.regions) for layer in joined]
        return found if apart else [self.any_of(found)]

    def related(self, layer: LayerArg, relations: tuple[Relation, ...] | list[Relation]) -> LayerArg:
        """A layer limited by relations; those by an absence last."""
        for relation in relations:
            others = [
                self.related(self.item(operand.item), operand.relations) for operand in relation.objects
            ]
            self.shown += [other for other in others if other not in self.shown]
            for other in others if relation.every else [self.any_of(others)]:
                layer = self.relate(layer, other, relation)
        return layer

    def relate(self, layer: LayerArg, other: LayerArg, relation: Relation) -> LayerArg:
        if relation.kind == "overlap":
            return self.add(Overlap, layer=layer, other=other)
        tool = Near if relation.kind == "near" else Without
        return self.add(tool, layer=layer, other=other, distance_km=relation.distance_km)

    def limited(self, layer: LayerArg, regions: tuple[Region, ...]) -> LayerArg:
        """A layer within limits: those that can be put into one call are."""
        if not regions:
            return layer
        plain = _merged([region for region in regions if not region.both_hemispheres and not region.place])
        bands = [region for region in regions if region.both_hemispheres]
        if len(bands) > 1:
            raise Declined("contradiction", "two latitude bands were given", "one latitude band")
        around = [region for region in regions if region.place and not region.beyond]
        if len(around) == 1 and not bands:
            plain |= {"place": around[0].place, "within_km": around[0].within_km}
            around = []
        for region in regions:
            if region.beyond:
                place = self.add(FindPlace, place=region.place)
                assert isinstance(place, Ref)
                side = "min_lat_deg" if region.beyond == "north" else "max_lat_deg"
                layer = self.add(FilterLayer, layer=layer, **{side: Ref(step=place.step, figure="lat_deg")})
        if plain:
            layer = self.add(FilterLayer, layer=layer, **plain)
        if bands:
            low, high = bands[0].min_lat_deg or 0.0, bands[0].max_lat_deg
            top = None if high == 90 else high
            north = self.add(FilterLayer, layer=layer, min_lat_deg=low, max_lat_deg=top)
            south = self.add(
                FilterLayer, layer=layer, min_lat_deg=None if top is None else -top, max_lat_deg=-low
            )
            layer = self.any_of([north, south])
        if around:
            layer = self.any_of(
                [self.add(FilterLayer, layer=layer, place=r.place, within_km=r.within_km) for r in around]
            )
        return layer

    def any_of(self, layers: list[LayerArg]) -> LayerArg:
        layers = list(dict.fromkeys(layers))
        return layers[0] if len(layers) == 1 else self.add(Union, layers=tuple(layers))

    def together(self, layers: list[LayerArg]) -> LayerArg:
        first, *others = dict.fromkeys(layers)
        for other in others:
            first = self.add(Overlap, layer=first, other=other)
        return first

    def item(self, item: Item) -> LayerArg:
        if item.kind == "layer":
            return item.text
        if item.kind == "example":
            return self.add(SearchExample, example=item.text)
        if item.kind == "catalogue":
            return self.add(LoadCatalogue, file=item.text)
        return self.add(SearchWords, text=item.text)

    def add(self, step: type[StepBase], **arguments: Any) -> LayerArg:
        """Append a step unless the same call is there already; returns a reference to it."""
        for made in self.steps:
            same = made.model_copy(update={"name": ""})
            if same == step(name="", **arguments):
                return Ref(step=made.name)
        count = sum(isinstance(made, step) for made in self.steps) + 1
        made = step(name=f"{step.model_fields['tool'].default}_{count}", **arguments)
        self.steps.append(made)
        return Ref(step=made.name)


def is_shown_only(query: Query) -> bool:
    """Whether nothing is asked of existing layers but a map or a file of them."""
    shown = bool(query.intents) and set(query.intents) <= {"map", "export"}
    plain = not query.relations and not query.regions and not any(group.regions for group in query.groups)
    return shown and plain and all(item.kind == "layer" for item in query.items)


def _merged(regions: list[Region]) -> dict[str, Any]:
    """Arguments of one filter call that holds all limits."""
    merged: dict[str, Any] = {}
    for region in regions:
        for name, value in region:
            if value is None or name in ("words", "both_hemispheres", "beyond", "place", "within_km"):
                continue
            old = merged.get(name)
            if name.startswith("min_"):
                merged[name] = value if old is None else max(old, value)
            elif name.startswith("max_"):
                merged[name] = value if old is None else min(old, value)
            elif old is not None and old != value:
                raise Declined("contradiction", "two longitude ranges were given", "one longitude range")
            else:
                merged[name] = value
    for name, unit in (("lat_deg", "degrees latitude"), ("elevation_m", "m elevation")):
        low, high = merged.get(f"min_{name}"), merged.get(f"max_{name}")
        if low is not None and high is not None and low >= high:
            raise Declined(
                "contradiction",
                f"nothing lies both above {low:g} and below {high:g} {unit}",
                "a lower limit below the upper one",
            )
    return merged


def _notes(query: Query, items: tuple[Item, ...], glossary: Mapping[str, Term], tile_km: float) -> list[str]:
    notes = []
    for kind, touching, distance in sorted(
        {(r.kind, r.touching, r.distance_km) for r in _all_relations(query.relations) if r.assumed}
    ):
        if touching:
            notes.append("“Without” was taken as neither in the same tile nor in one that touches it")
        else:
            words, bound = ("Near", "within") if kind == "near" else ("Away from", "farther than")
            notes.append(f"“{words}” was taken as {bound} {distance:g} km, as the question gives no distance")
    if len(query.relations) > 1 and not query.separate:
        notes.append(f"All conditions were applied to {listed([item.plural for item in query.items])}")
    for item in items:
        term = glossary.get(item.key)
        # A tile is about a hundred pixels wide; less than two of them cannot show a form.
        if term and term.size_km[1] < tile_km / 50:
            notes.append(f"{term.plural.capitalize()} are finer than a tile can show; mistrust these hits")
    return notes


def _notes_on_tests(query: Query, steps: list[Any]) -> list[str]:
    tests = [step for step in steps if isinstance(step, Associate)]
    if not tests:
        # Directions come with a test of their own.
        tested = "orientation" in query.intents
        return [] if tested else ["Nothing was tested against chance, as only one thing was asked about"]
    notes = []
    if query.regions or any(group.regions for group in query.groups):
        notes.append("Chance was allowed to move what lies within the limits beyond them")
    if len(tests) > 1:
        notes.append("Several tests were made; their p values are not corrected for their number")
    return notes


def _all_relations(relations: tuple[Relation, ...]) -> list[Relation]:
    return [
        found
        for relation in relations
        for found in (relation, *_all_relations(tuple(r for o in relation.objects for r in o.relations)))
    ]

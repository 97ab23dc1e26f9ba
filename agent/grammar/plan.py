"""A query -> typed tool calls in an order in which they can run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from agent.grammar.followups.context import PlanContext
from agent.grammar.followups.explaining import explained
from agent.grammar.limits.bounds import limited
from agent.grammar.notes import notes_on
from agent.grammar.query import POLEWARD, Declined, Item, Operand, Query, Region, Relation, parts
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
    LayerArg,
    LoadCatalogue,
    MergeFeatures,
    Near,
    Nearest,
    Novelty,
    Orientation,
    Overlap,
    Plan,
    Ref,
    SampleContext,
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
MOST_PAIRS = 6
# Quantities that are looked up before a map is coloured by them, and their columns then.
COLUMNS = {"elevation": "elevation_m", "slope": "slope_deg", "aspect": "aspect_deg", "albedo": "albedo"}
COLUMNS |= {"thermal_inertia": "thermal_inertia_tiu", "relief": "relief_m"}
HEMISPHERE_DEG = 90.0
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
    notes = notes + notes_on(query, builder.steps, glossary, tile_km)
    return Plan(
        question=question,
        query=query,
        steps=tuple(builder.steps),
        results=tuple(results),
        notes=tuple(dict.fromkeys(notes)),
        unparsed=tuple(dict.fromkeys(unparsed)),
        told=_told(query, context),
    )


def _told(query: Query, context: PlanContext) -> tuple[str, ...]:
    """How the layers came to be that are asked about."""
    layers = [item.text for item in query.items if item.kind == "layer"] if "about" in query.intents else []
    return tuple(dict.fromkeys(sentence for layer in layers for sentence in explained(layer, context)))


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
        if "association" in query.intents:
            for subject in dict.fromkeys(self.subject(part) for part in parts(query)):
                self.tests(query, subject)
        results = [self.part(part) for part in parts(query)]
        judges = "evaluate" in query.intents
        others = [] if judges else [self.operand(operand) for operand in query.details.against]
        results += [self.limited(other, query.regions) for other in others]
        results = list(dict.fromkeys(results))
        if "merge" in query.intents:
            results = [
                self.add(MergeFeatures, layer=result, distance_km=query.details.merge_km)
                for result in results
            ]
        self.compare(query, results)
        self.measure(query, results)
        return results

    def part(self, query: Query) -> LayerArg:
        """The one layer that answers a query which is not separate."""
        subject, regions = self.subject(query), query.regions
        if any(relation.count for relation in query.relations):  # the nearest within the limits
            subject, regions = self.limited(subject, regions), ()
        return self.limited(self.related(subject, query.relations), regions)

    def tests(self, query: Query, subject: LayerArg) -> None:
        """Append a test against chance for a subject, whole, and each thing that it is related to."""
        whole = self.limited(subject, query.regions)
        for relation in query.relations:
            if relation.kind not in ("near", "without", "overlap"):
                continue
            others = [self.operand(operand) for operand in relation.objects]
            how = {name: getattr(query.details, name) or None for name in ("side", "null", "strata")}
            how["distance_km"] = relation.distance_km or self.touching_km
            for other in others if relation.every else [self.any_of(others)]:
                self.add(Associate, layer=whole, other=other, **how)

    def compare(self, query: Query, results: list[LayerArg]) -> None:
        """Append comparisons of the results with each other, with the ground, or with a catalogue."""
        details = query.details
        if "evaluate" in query.intents:
            for operand in details.against:
                catalogue = self.operand(operand)
                for result in results:
                    self.add(EvaluateLayer, layer=result, catalogue=catalogue)
        if "compare" not in query.intents:
            return
        layers = results
        if len(results) == 1 and len(query.items) > 1 and not query.relations:
            layers = [self.limited(self.item(item), query.regions) for item in query.items]
        pairs: list[tuple[LayerArg, LayerArg | None]] = [*_pairs(query, layers)]
        if details.ground:
            pairs = [(layer, None) for layer in layers]
        for name in details.by or ("elevation",):
            for layer, other in pairs[:MOST_PAIRS]:
                if name == POLEWARD:
                    self.compare_poleward(layer, other)
                else:
                    self.add(Compare, layer=layer, by=name, other=other)

    def compare_poleward(self, layer: LayerArg, other: LayerArg | None) -> None:
        """Compare distances from the equator: latitudes, in each hemisphere for itself."""
        for side in ("min_lat_deg", "max_lat_deg"):
            one, *two = [
                self.add(FilterLayer, layer=each, **{side: 0.0})
                for each in (layer, other)
                if each is not None
            ]
            self.add(Compare, layer=one, by="latitude", other=two[0] if two else None)

    def measure(self, query: Query, results: list[LayerArg]) -> None:
        """Append what is done with the answer: directions, counts, map, file."""
        made_layers = bool(self.steps)
        if "orientation" in query.intents:
            self.directions(query, results)
        if query.details.parted_by and "count" in query.intents:
            self.evenness(query)
        for result in results:
            self.add(Summarise, layer=result)
            for name in query.details.by if "density" in query.intents else ():
                self.add(Density, layer=result, by=name, step=query.details.step)
            if "sample" in query.intents:
                self.add(SampleContext, layer=result, values=query.details.by)
            if "distance" in query.intents and query.relations:
                self.distances(query, result)
        if made_layers or "map" in query.intents:
            layers = list(dict.fromkeys([*results, *self.shown]))
            self.draw(query, layers[:MOST_ON_MAP])
        self.show(
            query.model_copy(update={"intents": tuple(i for i in query.intents if i != "map")}), results
        )

    def evenness(self, query: Query) -> None:
        """Append counts per area of the whole of what is counted in parts: the parts may differ in ground."""
        groups = query.groups
        common = tuple(r for r in groups[0].regions if all(r in group.regions for group in groups))
        bounds = {getattr(r, n) for g in groups for r in g.regions for n in ("min_lat_deg", "max_lat_deg")}
        whole = self.limited(self.any_of([self.item(item) for item in groups[0].items]), common)
        halves = query.details.parted_by == "latitude" and bounds <= {None, 0.0}
        step = HEMISPHERE_DEG if halves else None
        self.add(Density, layer=self.related(whole, query.relations), by=query.details.parted_by, step=step)

    def directions(self, query: Query, results: list[LayerArg]) -> None:
        """Append directions: of each result, or of each two where they are asked to be the same."""
        pairs = _pairs(query, results) if query.details.same_axis else []
        for layer, other in pairs[:MOST_PAIRS]:
            self.add(Orientation, layer=layer, other=other)
        for result in () if pairs else results:
            self.add(Orientation, layer=result, given_azimuth_deg=query.details.azimuth_deg)

    def distances(self, query: Query, result: LayerArg) -> None:
        """Append how far all of a subject, not only what is near, lies from what it was related to."""
        for step in [step for step in self.steps if isinstance(step, Near)]:
            self.add(Nearest, layer=step.layer, other=step.other)

    def draw(self, query: Query, layers: list[LayerArg]) -> None:
        """Append a map."""
        colour = query.details.colour_by
        if colour in COLUMNS:
            layers = [self.add(SampleContext, layer=layer, values=(colour,)) for layer in layers[:1]]
            colour = COLUMNS[colour]
        self.add(
            DrawMap,
            layers=tuple(layers[:1] if colour else layers),
            projection=query.details.projection or ("regional" if query.details.map_place else None),
            place=query.details.map_place or None,
            colour_by=colour or None,
        )

    def show(self, query: Query, layers: list[LayerArg]) -> None:
        """Append a map or a file of layers, if asked for."""
        if "map" in query.intents:
            self.draw(query, layers)
        if "export" in query.intents:
            self.add(ExportLayer, layers=tuple(layers), format=query.export_format or "gpkg")

    def subject(self, query: Query) -> LayerArg:
        """One layer for the whole subject, each group within its own limits."""
        found: list[LayerArg] = []
        for group in query.groups:
            layers = [self.item(item) for item in group.items]
            joined = self.together(layers) if group.every else self.any_of(layers)
            found.append(self.limited(joined, group.regions))
        return self.any_of(found)

    def related(self, layer: LayerArg, relations: tuple[Relation, ...] | list[Relation]) -> LayerArg:
        """A layer limited by relations; those by an absence last."""
        for relation in relations:
            others = [self.operand(operand) for operand in relation.objects]
            self.shown += [other for other in others if other not in self.shown]
            for other in others if relation.every else [self.any_of(others)]:
                layer = self.relate(layer, other, relation)
        return layer

    def relate(self, layer: LayerArg, other: LayerArg, relation: Relation) -> LayerArg:
        if relation.kind == "overlap":
            return self.add(Overlap, layer=layer, other=other)
        if relation.kind == "nearest":
            return self.add(Nearest, layer=layer, other=other, count=relation.count)
        if relation.kind == "new":
            return self.add(Novelty, layer=layer, catalogue=other, distance_km=relation.distance_km)
        tools: dict[str, type[StepBase]] = {"near": Near, "without": Without, "downslope": Downslope}
        return self.add(tools[relation.kind], layer=layer, other=other, distance_km=relation.distance_km)

    def operand(self, operand: Operand) -> LayerArg:
        """A thing that another is related to or compared with, under its own conditions."""
        return self.related(self.limited(self.item(operand.item), operand.regions), operand.relations)

    def limited(self, layer: LayerArg, regions: tuple[Region, ...]) -> LayerArg:
        """A layer within limits."""
        return limited(self, layer, regions)

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

    def add(self, tool: type[StepBase], /, **arguments: Any) -> LayerArg:
        """Append a step unless the same call is there already; returns a reference to it."""
        for made in self.steps:
            same = made.model_copy(update={"name": ""})
            if same == tool(name="", **arguments):
                return Ref(step=made.name)
        count = sum(isinstance(made, tool) for made in self.steps) + 1
        made = tool(name=f"{tool.model_fields['tool'].default}_{count}", **arguments)
        self.steps.append(made)
        return Ref(step=made.name)


def _pairs(query: Query, layers: list[LayerArg]) -> list[tuple[LayerArg, LayerArg]]:
    """Each two of several layers, or the subject with each that it is compared with."""
    if query.details.against:
        return [(layers[0], other) for other in layers[1:]]
    return list(combinations(layers, 2))


def is_shown_only(query: Query) -> bool:
    """Whether nothing is asked of existing layers but a map or a file of them."""
    shown = bool(query.intents) and set(query.intents) <= {"map", "export"}
    plain = not query.relations and not query.regions and not any(group.regions for group in query.groups)
    return shown and plain and all(item.kind == "layer" for item in query.items)

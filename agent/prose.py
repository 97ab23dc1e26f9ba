"""Answers of the offline planner: sentences around figures that tools gave.

Every number is copied from a tool's figures, none is worked out here, and every sentence that rests on a
layer cites it. Remarks whose numbers no tool gave are left out rather than stated unchecked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agent.grammar.plan import is_shown_only
from agent.grammar.progress import Outcome, Progress
from agent.grammar.query import Item, Query, describe, describe_operand, listed
from agent.grammar.steps import (
    Downslope,
    DrawMap,
    ExportLayer,
    FindPlace,
    LayerArg,
    MergeFeatures,
    Near,
    Nearest,
    Novelty,
    Orientation,
    Overlap,
    Plan,
    Ref,
    SearchWords,
    StepBase,
    Summarise,
    Without,
)
from agent.prose_tests import directions, measured, quoted, tested
from agent.prose_words import degrees, is_backed, number, numbers_in
from prompts import Term

MOST_SUGGESTIONS = 3
MOST_OF_INDEX = 0.5  # a search that keeps more than this share has hardly chosen
_FORMATS = {"gpkg": "GeoPackage", "geojson": "GeoJSON", "parquet": "GeoParquet", "csv": "CSV"}


StepKind = TypeVar("StepKind", bound=StepBase)


@dataclass(frozen=True)
class Answer:
    """What is said, and which questions may follow."""

    text: str
    suggestions: tuple[str, ...] = ()


def compose(plan: Plan, progress: Progress, body: str, glossary: Sequence[Term]) -> Answer:
    """The answer to a plan whose steps have all run, failed or become pointless.

    Parameters
    ----------
    body
        Name of the body, for sentences about what was observed.
    """
    writer = _Writer(plan, progress, body, {term.key: term for term in glossary})
    return Answer(" ".join(writer.sentences()), writer.suggestions())


@dataclass
class _Writer:
    plan: Plan
    progress: Progress
    body: str
    terms: Mapping[str, Term]
    known: set[float] = field(default_factory=set)
    supported: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = numbers_in(self.plan.question)
        for outcome in self.progress.outcomes.values():
            self.known |= {float(value) for value in outcome.figures.values()}

    @property
    def query(self) -> Query:
        return self.plan.query

    def sentences(self) -> list[str]:
        """Finding first; then what it rests on, what speaks against it, and how the question was read."""
        said = self.definition() + self.places()
        if not is_shown_only(self.query):
            quotes = [*tested(self.plan, self.progress, self.names()), *self.measures()]
            said += quotes
            for position, result in enumerate(self.plan.results):
                said += self.finding(result, position)
            if self.plan.results:
                # A test or a measure says itself how it depends on the threshold.
                said += [] if any("stricter" in quote for quote in quotes) else self.sensitivity()
                said += self.doubts()
        return [sentence for sentence in said + self.files() + self.failures() + self.reading() if sentence]

    # What was found

    def measures(self) -> list[str]:
        if not self.plan.results:
            return []
        names = self.names()
        return directions(self.plan, self.progress, names) + measured(self.plan, self.progress, names)

    def definition(self) -> list[str]:
        if "about" not in self.query.intents:
            return []
        terms = [self.terms[item.key] for item in self.query.items if item.key in self.terms]
        return [
            f"{term.plural.capitalize()}: {term.description[0].lower()}{term.description[1:]} "
            f"That is the glossary's description, not a result."
            for term in terms[:1]
        ]

    def places(self) -> list[str]:
        if self.query.groups:
            return []
        return [self.outcome(step).summary for step in self.steps(FindPlace)]

    def finding(self, result: LayerArg, position: int) -> list[str]:
        asked = self.phrase(position)
        if self.progress.is_empty(result):
            return self.nothing(result, asked)
        layer = self.progress.layer(result)
        figures = self.figures_of(result)
        count = self.progress.counts.get(layer, figures.get("count", 0))
        noun = self.noun(result)
        said = f"{number(count)} {noun if count != 1 else noun[:-1]}"
        verb = "match" if count != 1 else "matches"
        features = figures.get("features")
        if features and noun == "tiles" and features != count:
            said += (
                f", in {number(features)} {'separate features' if features != 1 else 'connected feature'},"
            )
        sentences = [f"{said} {verb} {asked} [{layer}]."]
        measured_already = self.steps(Orientation) or {"density", "compare", "evaluate"} & set(
            self.query.intents
        )
        return sentences + self.support(result) + ([] if measured_already else self.where(result))

    def nothing(self, result: LayerArg, asked: str) -> list[str]:
        """An empty answer: because a search found nothing, or because nothing met the conditions."""
        searched = [step for step in self.steps(SearchWords) if self.progress.layer(_ref(step))]
        missing = [step for step in searched if self.progress.is_empty(_ref(step))]
        if self.progress.failed and not missing:
            return []
        said = []
        for step in missing:
            best = self.outcome(step).figures.get("best_probability")
            reach = f"; the best tile has {number(best)}" if best is not None else ""
            layer = self.progress.layer(_ref(step))
            said.append(f"No tile passes the threshold for “{step.text}”{reach} [{layer}].")
        layer = self.progress.layer(result)
        if not missing or self.query.relations or self.query.regions:
            so = "So nothing can be" if missing else "Nothing is"
            said.append(f"{so} found for {asked}{f' [{layer}]' if layer else ''}.")
        observed = self.figures_of(result).get("observed_percent")
        if observed is not None and layer:
            said.append(
                f"The index has observed {number(observed)} % of {self.body_name} [{layer}]; "
                "no hit is not the same as no landform."
            )
        return said

    def support(self, result: LayerArg) -> list[str]:
        """How many met each relation, of how many that could have."""
        steps = [step for step in self.way_to(result) if step.name not in self.supported]
        self.supported |= {step.name for step in steps}
        said = []
        for step in steps:
            if isinstance(step, Nearest | Downslope | Novelty | MergeFeatures):
                said.append(quoted(step, self.progress, self.names()))
                continue
            figures = self.outcome(step).figures
            needed = {"count", "of_count", "other_count"} <= set(figures)
            if not isinstance(step, Near | Without | Overlap) or not needed:
                continue
            own = self.progress.layer(_ref(step))
            count, total, other = (number(figures[name]) for name in ("count", "of_count", "other_count"))
            one, two = f"{total} {self.thing(step.layer)}", f"{other} {self.thing(step.other)}"
            if isinstance(step, Overlap):
                said.append(f"Of {one}, {count} touch or share one of {two} [{own}].")
                continue
            side, of = ("within", "of one of") if isinstance(step, Near) else ("farther than", "from all of")
            distance = number(figures["distance_km"])
            sentence = f"Of {one}, {count} lie {side} {distance} km {of} {two}"
            median = figures.get("median_distance_km")
            sentence += f", at a median distance of {number(median)} km" if median is not None else ""
            said.append(f"{sentence} [{own}].")
            if figures.get("unsure_count"):
                unsure = number(figures["unsure_count"])
                said.append(
                    f"Around {unsure} of them not all ground was observed, so absence is unsure [{own}]."
                )
        return said

    def where(self, result: LayerArg) -> list[str]:
        layer, figures = self.progress.layer(result), self.figures_of(result)
        said = []
        if "share" in self.query.intents and {"area_km2", "area_percent"} <= set(figures):
            area, percent = number(figures["area_km2"]), number(figures["area_percent"])
            said.append(f"They cover {area} km2, {percent} % of what the index has observed [{layer}].")
        low, middle, high = (figures.get(f"lat_{name}_deg") for name in ("q10", "median", "q90"))
        if low is None or middle is None or high is None:
            return said
        if low == high:
            said.append(f"Their latitude is {degrees(middle)} [{layer}].")
            return said
        spread = "Most of them lie"
        if "middle_percent" in figures:
            spread = f"The middle {number(figures['middle_percent'])} % lie"
        sentence = (
            f"{spread} between {degrees(low)} and {degrees(high)}, with the median at {degrees(middle)}"
        )
        north, south = figures.get("north_count"), figures.get("south_count")
        if north and south:
            verb = "is" if north == 1 else "are"
            sentence += f"; {number(north)} {verb} north and {number(south)} south of the equator"
        return [*said, f"{sentence} [{layer}]."]

    # What it depends on, and what speaks against it

    def sensitivity(self) -> list[str]:
        """How the first search depends on its threshold."""
        for step in self.steps(SearchWords)[:1]:
            figures, layer = self.outcome(step).figures, self.progress.layer(_ref(step))
            names = ("threshold", "count", "stricter_threshold", "stricter_count")
            if layer and figures.get("count") and set(names) <= set(figures):
                threshold, count, stricter, fewer = (number(figures[name]) for name in names)
                return [
                    f"The search for “{step.text}” keeps {count} tiles at its threshold of {threshold}; at "
                    f"{stricter} it would keep {fewer} [{layer}]."
                ]
        return []

    def doubts(self) -> list[str]:
        said = []
        alike = [name for item in self.query.items for name in self.look_alikes(item)]
        filled = any(not self.progress.is_empty(result) for result in self.plan.results)
        if alike and filled:
            others = listed(alike[:2], "or")
            said.append(f"These are detections by an image-text model, which may take {others} for them.")
        for step in self.steps(SearchWords):
            figures = self.outcome(step).figures
            if figures.get("count", 0) > MOST_OF_INDEX * figures.get("searched", float("inf")):
                layer = self.progress.layer(_ref(step))
                said.append(
                    f"“{step.text}” passes on most tiles of the index, so it separates little [{layer}]."
                )
        percents = [self.figures_of(result).get("observed_percent") for result in self.plan.results]
        if filled and percents and percents[0] is not None and percents[0] < 99.5:
            layer = self.progress.layer(self.plan.results[0])
            said.append(
                f"The index has observed {number(percents[0])} % of {self.body_name} [{layer}]; elsewhere "
                "absence is not shown."
            )
        return said

    def look_alikes(self, item: Item) -> list[str]:
        term = self.terms.get(item.key)
        asked = {other.key for other in (*self.query.items, *self.query.objects)}
        keys = [key for key in (term.look_alikes if term else ()) if key not in asked]
        return [self.terms[key].plural for key in keys if key in self.terms]

    # How the question was read, what was written, what went wrong

    def files(self) -> list[str]:
        said = []
        for step in self.steps(ExportLayer):
            outcome = self.outcome(step)
            names = [str(row["file"]) for row in outcome.table if "file" in row]
            if names:
                layers = listed([f"[{self.progress.layer(layer)}]" for layer in step.layers])
                form = _FORMATS.get(step.format, step.format)
                said.append(
                    f"{layers} {'is' if len(step.layers) == 1 else 'are'} in {listed(names)} ({form})."
                )
        if is_shown_only(self.query):
            said += [self.outcome(step).summary for step in self.steps(DrawMap)]
        return said

    def failures(self) -> list[str]:
        said = []
        for step in self.plan.steps:
            error = self.outcome(step).error
            if error:
                # Numbers that only an error states cannot be traced; the step itself shows them.
                reasons = [part for part in error.split(". ") if is_backed(part, self.known)]
                reason = f": {'. '.join(reasons).rstrip('.')}" if reasons else ""
                said.append(f"The step {step.tool} failed{reason}.")
        if not said and self.progress.failed:
            said.append(f"The step {self.progress.failed[0].rpartition('_')[0]} is not available here.")
        return said

    def reading(self) -> list[str]:
        notes = [note for note in self.plan.notes if is_backed(note, self.known)]
        said = [f"{note}." for note in notes]
        if self.plan.unparsed:
            quoted = listed([f"“{words[:60]}”" for words in self.plan.unparsed[:5]])
            said.append(f"I did not understand {quoted} and left it out.")
        return said

    def suggestions(self) -> tuple[str, ...]:
        """Follow-up questions that the grammar understands, the most telling first."""
        results = [result for result in self.plan.results if not self.progress.is_empty(result)]
        if not results:
            found = [step for step in self.steps(SearchWords) if not self.progress.is_empty(_ref(step))]
            names = {item.text: item.plural for item in (*self.query.items, *self.query.objects)}
            return tuple(f"Show {names.get(step.text, step.text)}" for step in found)[:MOST_SUGGESTIONS]
        offers = []
        alike = [name for item in self.query.items for name in self.look_alikes(item)]
        if alike:
            offers.append(f"Which of those are not near {alike[0]}?")
        figures = self.figures_of(results[0])
        regions = self.query.regions
        limited = any(r.min_lat_deg is not None or r.max_lat_deg is not None for r in regions)
        if figures.get("north_count") and figures.get("south_count"):
            offers.append("Only those south of the equator")
        elif limited and not self.query.separate:
            north = any(region.min_lat_deg is not None for region in regions)
            offers.append(f"And {'south' if north else 'north'} of the equator?")
        if "orientation" not in self.query.intents:
            offers.append("Are they aligned?")
        if "export" not in self.query.intents:
            offers.append("Export them as GeoPackage")
        return tuple(offers[:MOST_SUGGESTIONS])

    # Help

    @property
    def body_name(self) -> str:
        return "the Moon" if self.body == "moon" else self.body.capitalize()

    def phrase(self, position: int) -> str:
        """The question as a noun phrase, or that part of it that one of several results answers."""
        query = self.query
        against = query.details.against if "evaluate" not in query.intents else ()
        if against and position >= len(self.plan.results) - len(against):
            operand = against[position - len(self.plan.results)]
            return describe_operand(operand) + "".join(f", {region.words}" for region in query.regions)
        if query.separate and query.relations:
            # Several subjects only stand apart in tests; each is then shown with each of the others.
            subject, relation = divmod(position, len(query.relations))
            one: dict[str, Any] = {"relations": (query.relations[relation],), "separate": False}
            if "association" in query.intents and len(query.items) > 1:
                one["groups"] = (query.groups[0].model_copy(update={"items": (query.items[subject],)}),)
            return describe(query.model_copy(update=one))
        if query.separate:
            item = query.items[position]
            group = query.groups[0].model_copy(update={"items": (item,)})
            return describe(query.model_copy(update={"groups": (group,), "separate": False}))
        return describe(query)

    def names(self) -> dict[str, str]:
        """What the layers of plain searches hold, in the plural."""
        names = {item.text: item.plural for item in (*self.query.items, *self.query.objects)}
        found = {self.progress.layer(_ref(step)): names.get(step.text) for step in self.steps(SearchWords)}
        return {layer: name for layer, name in found.items() if layer and name}

    def thing(self, layer: LayerArg) -> str:
        """``tiles with gullies [L1]``, or ``tiles in [L3]`` where a layer is no plain search."""
        cited = f"[{self.progress.layer(layer)}]"
        names = {item.text: item.plural for item in (*self.query.items, *self.query.objects)}
        for step in self.steps(SearchWords):
            if _ref(step) == layer:
                return f"tiles with {names.get(step.text, step.text)} {cited}"
        return f"{self.noun(layer)} in {cited}"

    def noun(self, result: LayerArg) -> str:
        kind = self.progress.kinds.get(self.progress.layer(result), "tiles")
        return kind if kind in ("tiles", "features") else "entries"

    def way_to(self, result: LayerArg) -> list[StepBase]:
        """The steps that a result rests on, itself among them, in their order."""
        wanted = {result.step} if isinstance(result, Ref) else set()
        for step in reversed(self.plan.steps):
            if step.name in wanted:
                wanted |= {ref.step for ref in step.refs()}
        return [step for step in self.plan.steps if step.name in wanted]

    def steps(self, kind: type[StepKind]) -> list[StepKind]:
        return [step for step in self.plan.steps if isinstance(step, kind)]

    def outcome(self, step: StepBase) -> Outcome:
        return self.progress.outcomes.get(step.name, Outcome())

    def figures_of(self, result: LayerArg) -> Mapping[str, float]:
        """What `summarise` said of a layer, else what the step that made it said."""
        for step in self.steps(Summarise):
            if step.layer == result and self.outcome(step).figures:
                return self.outcome(step).figures
        makers = [step for step in self.plan.steps if _ref(step) == result]
        return self.outcome(makers[0]).figures if makers else {}


def _ref(step: StepBase) -> Ref:
    return Ref(step=step.name)

"""What the layers that answer a question hold: how much, where, on what it rests, and how far it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from agent.grammar.progress import Outcome, Progress
from agent.grammar.query import Item, Query, describe, describe_operand, listed, parts
from agent.grammar.steps import (
    Downslope,
    LayerArg,
    MergeFeatures,
    Near,
    Nearest,
    Novelty,
    Overlap,
    Plan,
    Ref,
    SearchWords,
    StepBase,
    Summarise,
    Without,
)
from agent.prose_names import Names
from agent.prose_tests import quoted
from agent.prose_words import degrees, number
from prompts import Term

MOST_OF_INDEX = 0.5  # a search that keeps more than this share has hardly chosen
# Where more of the body than this was observed, what was not seen hardly bears on what was.
MOST_OBSERVED_PERCENT = 90.0

LONGEST_NAME = 60  # a longer one makes a sentence hard to read

StepKind = TypeVar("StepKind", bound=StepBase)


class Found:
    """Sentences on the results of a plan.

    Parameters
    ----------
    names
        What the layers of the plan hold.
    body
        Name of the body, for sentences about what was observed.
    """

    def __init__(
        self, plan: Plan, progress: Progress, names: Names, body: str, terms: Mapping[str, Term]
    ) -> None:
        self.plan, self.progress, self.names, self.terms = plan, progress, names, terms
        self.body_name = "the Moon" if body == "moon" else body.capitalize()
        self._supported: set[str] = set()

    @property
    def query(self) -> Query:
        """The question as it was understood."""
        return self.plan.query

    def finding(self, result: LayerArg, position: int, *, where: bool) -> list[str]:
        """How much answers the question, on what it rests, and with ``where`` its latitudes."""
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
        more = [*self.area(result), *self.support(result)]
        lie = self.latitudes(result) if where else ""
        if lie and not more:
            return [f"{said} {verb} {asked}; {lie} [{layer}]."]
        return [
            f"{said} {verb} {asked} [{layer}].",
            *more,
            *([f"{lie[0].upper()}{lie[1:]} [{layer}]."] if lie else []),
        ]

    def nothing(self, result: LayerArg, asked: str) -> list[str]:
        """An empty answer: because a search found nothing, or because nothing met the conditions."""
        searched = [step for step in self.steps(SearchWords) if self.progress.layer(ref(step))]
        missing = [step for step in searched if self.progress.is_empty(ref(step))]
        if self.progress.failed and not missing:
            return []
        said = []
        for step in missing:
            best = self.outcome(step).figures.get("best_probability")
            reach = f"; the best tile has {number(best)}" if best is not None else ""
            layer = self.progress.layer(ref(step))
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
        """How many met each relation, of how many that could have; each relation once."""
        steps = [step for step in self.way_to(result) if step.name not in self._supported]
        self._supported |= {step.name for step in steps}
        said = []
        for step in steps:
            if isinstance(step, Nearest | Downslope | Novelty | MergeFeatures):
                said.append(quoted(step, self.progress, self.plain_names()))
                continue
            figures = self.outcome(step).figures
            if isinstance(step, Near | Without | Overlap) and {"count", "of_count", "other_count"} <= set(
                figures
            ):
                said += self.related(step, figures)
        return said

    def related(self, step: Near | Without | Overlap, figures: Mapping[str, float]) -> list[str]:
        """How many of one layer met a relation to another."""
        own = self.progress.layer(ref(step))
        count, total, other = (number(figures[name]) for name in ("count", "of_count", "other_count"))
        one, two = f"{total} {self.thing(step.layer)}", f"{other} {self.thing(step.other)}"
        if isinstance(step, Overlap):
            return [f"Of {one}, {count} touch or share one of {two} [{own}]."]
        side, of = ("within", "of one of") if isinstance(step, Near) else ("farther than", "from all of")
        distance = number(figures["distance_km"])
        sentence = f"Of {one}, {count} lie {side} {distance} km {of} {two}"
        median = figures.get("median_distance_km")
        sentence += f", at a median distance of {number(median)} km" if median is not None else ""
        said = [f"{sentence} [{own}]."]
        if figures.get("unsure_count"):
            unsure = number(figures["unsure_count"])
            said.append(f"Around {unsure} of them not all ground was observed, so absence is unsure [{own}].")
        return said

    def area(self, result: LayerArg) -> list[str]:
        """How much ground is covered, where that was asked."""
        layer, figures = self.progress.layer(result), self.figures_of(result)
        if "share" not in self.query.intents or not {"area_km2", "area_percent"} <= set(figures):
            return []
        area, percent = number(figures["area_km2"]), number(figures["area_percent"])
        return [f"They cover {area} km2, {percent} % of what the index has observed [{layer}]."]

    def latitudes(self, result: LayerArg) -> str:
        """Where on the body a layer lies, as a clause; empty where that is not known."""
        figures = self.figures_of(result)
        low, middle, high = (figures.get(f"lat_{name}_deg") for name in ("q10", "median", "q90"))
        if low is None or middle is None or high is None:
            return ""
        if low == high:
            return f"the latitude is {degrees(middle)}"
        spread = "most of them lie"
        if "middle_percent" in figures:
            spread = f"the middle {number(figures['middle_percent'])} % lie"
        said = f"{spread} between {degrees(low)} and {degrees(high)}, with the median at {degrees(middle)}"
        north, south = figures.get("north_count"), figures.get("south_count")
        if north and south:
            verb = "is" if north == 1 else "are"
            said += f"; {number(north)} {verb} north and {number(south)} south of the equator"
        return said

    # What it depends on, and what speaks against it

    def reach(self, *, threshold: bool) -> list[str]:
        """With ``threshold`` how the first search depends on its own; what may be mistaken for it."""
        said = ""
        for step in self.steps(SearchWords)[:1] if threshold else ():
            figures, layer = self.outcome(step).figures, self.progress.layer(ref(step))
            names = ("threshold", "count", "stricter_threshold", "stricter_count")
            if layer and figures.get("count") and set(names) <= set(figures):
                level, count, stricter, fewer = (number(figures[name]) for name in names)
                said = (
                    f"The search for “{step.text}” keeps {count} tiles at its threshold of {level}; at "
                    f"{stricter} it would keep {fewer} [{layer}]"
                )
        alike = self.mistaken()
        if alike and said:
            return [f"{said}, and it may take {alike} for them."]
        if alike:
            return [f"These are detections by an image-text model, which may take {alike} for them."]
        return [f"{said}."] if said else []

    def mistaken(self) -> str:
        """Two landforms that are easily taken for what was asked; empty where nothing was found."""
        alike = [name for item in self.query.items for name in self.look_alikes(item)]
        filled = any(not self.progress.is_empty(result) for result in self.plan.results)
        return listed(alike[:2], "or") if filled else ""

    def unselective(self) -> list[str]:
        """Searches that pass on so much that they say little."""
        said = []
        for step in self.steps(SearchWords):
            figures = self.outcome(step).figures
            if figures.get("count", 0) > MOST_OF_INDEX * figures.get("searched", float("inf")):
                layer = self.progress.layer(ref(step))
                said.append(
                    f"“{step.text}” passes on most tiles of the index, so it separates little [{layer}]."
                )
        return said

    def unseen(self, *, most: float) -> list[str]:
        """The ground that the index has not observed, unless more than ``most`` percent of the body was."""
        filled = self.filled()
        observed = self.figures_of(filled[0]).get("observed_percent") if filled else None
        if observed is None or observed > most:
            return []
        layer = self.progress.layer(filled[0])
        share = f"{number(observed)} % of {self.body_name}"
        return [f"ground outside the {share} that the index has observed [{layer}]."]

    def look_alikes(self, item: Item) -> list[str]:
        """Landforms easily taken for one that was asked, those left out that the question names too."""
        term = self.terms.get(item.key)
        asked = {other.key for other in (*self.query.items, *self.query.objects)}
        keys = [key for key in (term.look_alikes if term else ()) if key not in asked]
        return [self.terms[key].plural for key in keys if key in self.terms]

    # Help

    def phrase(self, position: int) -> str:
        """The question as a noun phrase, or that part of it that one of several results answers."""
        query = self.query
        against = query.details.against if "evaluate" not in query.intents else ()
        if against and position >= len(self.plan.results) - len(against):
            operand = against[position - len(self.plan.results)]
            return describe_operand(operand) + "".join(f", {region.words}" for region in query.regions)
        own = parts(query)
        return describe(own[position] if position < len(own) else query)

    def short_names(self) -> dict[str, str]:
        """What each layer holds, by its id; those of which too much is to be said are left out."""
        made = {self.progress.layer(ref(step)): self.names.of(ref(step)) for step in self.plan.steps}
        used = [layer for step in self.plan.steps for _, layer in step if isinstance(layer, str)]
        given = {layer: self.names.of(layer) for layer in used}
        return {
            layer: name
            for layer, name in (given | made).items()
            if layer and name != layer and len(name) <= LONGEST_NAME
        }

    def plain_names(self) -> dict[str, str]:
        """What the layers of plain searches hold, by their ids."""
        found = {self.progress.layer(ref(step)): self.names.plain(ref(step)) for step in self.plan.steps}
        return {layer: name for layer, name in found.items() if layer and name}

    def thing(self, layer: LayerArg) -> str:
        """``tiles with gullies [L1]``, or ``tiles in [L3]`` where a layer is no plain search."""
        cited = f"[{self.progress.layer(layer)}]"
        plain = self.names.plain(layer)
        return f"tiles with {plain} {cited}" if plain else f"{self.noun(layer)} in {cited}"

    def noun(self, result: LayerArg) -> str:
        """What the rows of a layer are."""
        kind = self.progress.kinds.get(self.progress.layer(result), "tiles")
        return kind if kind in ("tiles", "features") else "entries"

    def way_to(self, result: LayerArg) -> list[StepBase]:
        """The steps that a result rests on, itself among them, in their order."""
        wanted = {result.step} if isinstance(result, Ref) else set()
        for step in reversed(self.plan.steps):
            if step.name in wanted:
                wanted |= {one.step for one in step.refs()}
        return [step for step in self.plan.steps if step.name in wanted]

    def steps(self, kind: type[StepKind]) -> list[StepKind]:
        """The steps of a kind."""
        return [step for step in self.plan.steps if isinstance(step, kind)]

    def outcome(self, step: StepBase) -> Outcome:
        """What a step gave; nothing if it has not run."""
        return self.progress.outcomes.get(step.name, Outcome())

    def figures_of(self, result: LayerArg) -> Mapping[str, float]:
        """What `summarise` said of a layer, else what the step that made it said."""
        for step in self.steps(Summarise):
            if step.layer == result and self.outcome(step).figures:
                return self.outcome(step).figures
        makers = [step for step in self.plan.steps if ref(step) == result]
        return self.outcome(makers[0]).figures if makers else {}

    def filled(self) -> Sequence[LayerArg]:
        """The results that hold something."""
        return [result for result in self.plan.results if not self.progress.is_empty(result)]


def ref(step: StepBase) -> Ref:
    """What a step gives, as later steps name it."""
    return Ref(step=step.name)

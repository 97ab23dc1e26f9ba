"""Answers of the offline planner: sentences around figures that tools gave.

A count or a place is said in a few sentences. What was tested comes as a finding with a short list: what
speaks for it, what against it, what was not observed, how sure it is, what to ask next. Every number is
copied from a tool's figures, none is worked out here, and every sentence that rests on a layer cites it.
Remarks whose numbers no tool gave are left out rather than stated unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.grammar.plan import is_shown_only
from agent.grammar.progress import Progress
from agent.grammar.query import Query, listed
from agent.grammar.steps import DrawMap, ExportLayer, FindPlace, Plan, SearchWords, Summarise, Without
from agent.prose_found import MOST_OBSERVED_PERCENT, Found, ref
from agent.prose_names import Names
from agent.prose_next import MOST_SUGGESTIONS, after_finding, after_tests
from agent.prose_sorting import Weighed
from agent.prose_tests import cited, measured
from agent.prose_weighing import weighed
from agent.prose_words import is_backed, number, numbers_in
from prompts import Term

# Parts of an error that tell a caller what to do.
_FOR_MODELS = ("Next:", "Allowed:")
_FORMATS = {"gpkg": "GeoPackage", "geojson": "GeoJSON", "parquet": "GeoParquet", "csv": "CSV"}
MOST_NEXT = 2
ALL_PERCENT = 99.5  # observed as good as whole


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
    writer = _Writer(plan, progress, body, glossary)
    return Answer(writer.text(), writer.suggestions())


class _Writer:
    def __init__(self, plan: Plan, progress: Progress, body: str, glossary: Sequence[Term]) -> None:
        self.plan, self.progress = plan, progress
        self.terms = {term.key: term for term in glossary}
        self.names = Names(plan, self.terms)
        self.found = Found(plan, progress, self.names, body, self.terms)
        self.known = numbers_in(plan.question)
        for outcome in progress.outcomes.values():
            self.known |= {float(value) for value in outcome.figures.values()}

    @property
    def query(self) -> Query:
        return self.plan.query

    def text(self) -> str:
        """Finding first; then what it rests on, what speaks against it, and how the question was read."""
        lead, last = self.failures()
        begun = [*self.plan.told, *self.definition(), *self.places(), *lead]
        ended = [*self.files(), *last]
        if is_shown_only(self.query) or not self.plan.results:
            return _paragraph([*begun, *ended, *self.reading()])
        tests = weighed(self.plan, self.progress, self.found.short_names())
        if tests is None:
            return _paragraph([*begun, *self.plain(), *ended, *self.reading()])
        first = _paragraph([*begun, *tests.found, *self.reading(), *ended])
        return "\n".join([first, *self.points(tests)])

    # A count, a place, a measurement

    def plain(self) -> list[str]:
        """What was found, in a few sentences."""
        said = measured(self.plan, self.progress, self.found.plain_names())
        only_counted = {"count", "share"} & set(self.query.intents) and "where" not in self.query.intents
        where = not (only_counted or said)
        for position, result in enumerate(self.plan.results):
            said += self.found.finding(result, position, where=where)
        said += self.found.reach(threshold=not any("stricter" in sentence for sentence in said))
        said += self.found.unselective()
        # What is kept by an absence rests on all of the ground around it.
        absence = any(isinstance(step, Without) for step in self.plan.steps)
        unseen = self.found.unseen(most=ALL_PERCENT if absence else MOST_OBSERVED_PERCENT)
        return said + [f"Not observed: {sentence}" for sentence in unseen]

    # What was tested

    def points(self, tests: Weighed) -> list[str]:
        """The parts of an answer about a claim, one a line."""
        shown = [
            sentence
            for position, result in enumerate(self.plan.results)
            for sentence in self.found.finding(result, position, where=False)
        ]
        nothing = ["Nothing that was measured."] if tests.pro or tests.contra else []
        alike = self.found.mistaken()
        doubt = [f"Some of these detections may be {alike}."] if alike else []
        stricter = any("stricter" in sentence for _, said in tests.parts() for sentence in said)
        unsure = [] if stricter else self.found.reach(threshold=True)
        parts = (
            ("Measured", tests.seen),
            ("For", tests.pro or nothing),
            ("Against", tests.contra or nothing),
            ("Not observed", [*tests.unseen, *map(_capital, self.found.unseen(most=ALL_PERCENT))]),
            ("How sure", [*tests.sure, *self.found.unselective(), *(unsure or doubt)]),
            ("Found", list(dict.fromkeys(shown))),
            ("Next", self.next_questions()),
        )
        return [f"- {name}: {_paragraph(said)}" for name, said in parts if said]

    def next_questions(self) -> list[str]:
        """The questions that would test the finding further, if there are any."""
        offers = after_tests(self.plan, self.progress, self.names)[:MOST_NEXT]
        return [listed([f"“{offer}”" for offer in offers], "or")] if offers else []

    # What is said of either

    def definition(self) -> list[str]:
        """What a landform is, where that was asked."""
        if "about" not in self.query.intents:
            return []
        terms = [self.terms[item.key] for item in self.query.items if item.key in self.terms]
        return [
            f"{term.plural.capitalize()}: {term.description[0].lower()}{term.description[1:]} "
            f"That is the glossary's description, not a result."
            for term in terms[:1]
        ]

    def places(self) -> list[str]:
        """Where a named place is, where nothing else was asked."""
        if self.query.groups:
            return []
        return [self.found.outcome(step).summary for step in self.found.steps(FindPlace)]

    def files(self) -> list[str]:
        """What was written."""
        said = []
        for step in self.found.steps(ExportLayer):
            names = [str(row["file"]) for row in self.found.outcome(step).table if "file" in row]
            if names:
                layers = listed([f"[{self.progress.layer(layer)}]" for layer in step.layers])
                form = _FORMATS.get(step.format, step.format)
                rows = self.found.outcome(step).figures.get("rows")
                verb = "is" if len(step.layers) == 1 else "are"
                if rows is not None and rows != 1 and len(step.layers) == 1:
                    layers, verb = f"All {number(rows)} rows of {layers}", "are"
                said.append(f"{layers} {verb} in {listed(names)} ({form}).")
        if is_shown_only(self.query):
            for shown in self.found.steps(DrawMap):
                drawn = ", ".join(self.progress.layer(layer) for layer in shown.layers)
                said.append(cited(self.found.outcome(shown).summary, drawn))
        return said

    def failures(self) -> tuple[list[str], list[str]]:
        """What could not be done: what the answer needed, and what only shows or measures it."""
        lead: list[str] = []
        last: list[str] = []
        for step in self.plan.steps:
            error = self.found.outcome(step).error
            if error:
                # Numbers that only an error states cannot be traced; the step itself shows them. What a model
                # may do about it is no news to a reader.
                parts = [part for part in re.split(r"\.\s+", error) if not part.startswith(_FOR_MODELS)]
                reasons = [part for part in parts if is_backed(part, self.known)]
                reason = f": {'. '.join(reasons).rstrip('.')}" if reasons else ""
                minor = isinstance(step, DrawMap | ExportLayer | Summarise)
                (last if minor else lead).append(f"The step {step.tool} failed{reason}.")
        if not lead and not last and self.progress.failed:
            lead.append(f"The step {self.progress.failed[0].rpartition('_')[0]} is not available here.")
        return lead, last

    def reading(self) -> list[str]:
        """How the question was taken, and what of it was not understood."""
        notes = [note for note in self.plan.notes if is_backed(note, self.known)]
        said = [f"{note}." for note in notes]
        if self.plan.unparsed:
            words = listed([f"“{words[:60]}”" for words in self.plan.unparsed[:5]])
            were = "was" if len(self.plan.unparsed) == 1 else "were"
            said.append(f"{words} {were} not understood and left out.")
        return said

    def suggestions(self) -> tuple[str, ...]:
        """Follow-up questions that the grammar understands, the most telling first."""
        filled = self.found.filled()
        offers = after_tests(self.plan, self.progress, self.names)[:MOST_NEXT]
        if not filled:
            searches = self.found.steps(SearchWords)
            seen = [step for step in searches if not self.progress.is_empty(ref(step))]
            offers += [f"Show {self.names.of(ref(step))}" for step in seen]
            return tuple(offers[:MOST_SUGGESTIONS])
        limits = self.query.regions
        narrowed = any(r.min_lat_deg is not None or r.max_lat_deg is not None for r in limits)
        alike = [name for item in self.query.items for name in self.found.look_alikes(item)]
        offers += after_finding(self.query, self.found.figures_of(filled[0]), alike, narrowed)
        return tuple(offers[:MOST_SUGGESTIONS])


def _paragraph(sentences: Iterable[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]

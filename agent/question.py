"""The offline grammar: a question -> a plan of typed tool calls, a question back, or a refusal that says what
can be asked.

A plan's steps refer to each other by name (`Ref`), because layer ids are only known once tools have run. Pure
Python: the same question, glossary, places and context always give the same plan, in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.grammar.asking.asked import question_back
from agent.grammar.asking.asking import Asking, Gap, gap_of
from agent.grammar.asking.pieces import completed
from agent.grammar.asking.purposes import OPEN, at_landforms
from agent.grammar.background import without_background
from agent.grammar.chance.testing import as_test
from agent.grammar.followups.context import PlanContext, in_context
from agent.grammar.followups.conversation import situated
from agent.grammar.hearsay import asked_only
from agent.grammar.lexicon import Lexicon, lexicon, normalise
from agent.grammar.limits.ellipsis import spelled_out
from agent.grammar.phrases import GRAMMAR_WORDS
from agent.grammar.plan import TOUCHING_TILES, build_plan
from agent.grammar.query import Declined, Query, QuestionBack, Refusal
from agent.grammar.reader import read
from agent.grammar.refusing.checks import (
    check_at_once,
    check_language,
    check_names,
    check_numbers,
    check_understood,
)
from agent.grammar.refusing.refusals import Known, answerable, nothing_to_find
from agent.grammar.state import Distances, Reading
from agent.grammar.steps import Plan
from agent.grammar.terse import with_distances
from agent.grammar.tokens import Token, tokenise
from prompts import Term
from retrieval.body import BODIES
from retrieval.errors import QuestionError

NEAR_KM = 40.0
NEAR_TILES = 2


def check_question(text: str, max_chars: int) -> str:
    """The question without surrounding space.

    Raises
    ------
    QuestionError
        If nothing is left of it, or it is longer than ``max_chars``.
    """
    question = text.strip()
    if not any(character.isalnum() for character in question):
        raise QuestionError("the question is empty", next_step="ask where a landform is")
    if len(question) > max_chars:
        raise QuestionError(
            f"the question has {len(question):,} characters",
            allowed=f"at most {max_chars:,}",
            next_step="shorten it, or split it into several questions",
        )
    return question


def parse(
    question: str,
    glossary: Sequence[Term],
    places: Sequence[str],
    context: PlanContext | None = None,
    *,
    body: str = "mars",
    tile_km: float = 16.0,
    pending: QuestionBack | None = None,
) -> Plan | QuestionBack | Refusal:
    """Turn a question into a plan.

    Parameters
    ----------
    glossary
        The landforms.
    places
        Names of places on the body.
    context
        What came before in the conversation, for follow-up questions.
    body
        Name of the body that the index shows.
    tile_km
        Width of a tile: sets what "near" and "without" mean when the question gives no distance.
    pending
        What was asked back last: the question may be the answer to it.
    """
    words = lexicon(tuple(glossary), tuple(places), GRAMMAR_WORDS)
    known = context or PlanContext()
    grammar = _Grammar(words, tuple(places), known, body.lower(), tile_km, _example(glossary))
    whole = completed(pending, question, words, tile_km) if pending else None
    if isinstance(whole, QuestionBack):
        return whole
    if whole is None:
        return grammar.understood(question)
    understood = grammar.understood(whole)
    if isinstance(understood, Refusal) and isinstance(alone := grammar.understood(question), Plan):
        return alone
    if isinstance(understood, Plan):
        note = f"“{question.strip()}” was taken as the answer to what I asked"
        return understood.model_copy(update={"notes": (note, *understood.notes)})
    return understood


@dataclass(frozen=True)
class _Grammar:
    """All that the meaning of a question depends on besides its words."""

    words: Lexicon
    places: tuple[str, ...]
    context: PlanContext
    body: str
    tile_km: float
    example: tuple[str, str]

    def understood(self, question: str) -> Plan | QuestionBack | Refusal:
        """A question that stands by itself."""
        asking = Asking(spelled_out(normalise(question)), (), self.context)
        try:
            check_numbers(asking.text)
            text, purposes = at_landforms(asking.text, self.words)
            at = (self.words, self.context, self._distances(), self.body, self.tile_km)
            situation = situated(text, *at)
            text, context = situation.text, situation.context
            asking = Asking(text, (), context)
            made = (self.words.by_key, context, self.tile_km)
            if changed := situation.reading:
                return build_plan(question, changed.query, changed.notes, [], *made)
            text, aside = asked_only(text, self.words, self.tile_km)
            asking = replace(asking, text=text)
            plain = tokenise(text, self.words, self.tile_km)
            if OPEN.search(text) and not any(token.kind in ("item", "place") for token in plain):
                return question_back(
                    Gap("landform"), replace(asking, tokens=tuple(plain)), self.words, self.places
                )
            test = as_test(text, self.words, self.tile_km)
            asked = answerable(plain, self._known(context), tested=test is not None)
            asking = replace(asking, tokens=asked.tokens)
            told = [aside] if aside else []
            tokens = with_distances(asked.tokens) if test is None else test
            if test is None and not context.layers:
                tokens, before = without_background(tokens)
                told += before
                asking = replace(asking, tokens=tuple(tokens))
            reading, query = self._read(tokens, context)
            asking = replace(asking, reading=reading, query=query)
            check_language(text, bool(query.groups))
            if gap := gap_of(asking):
                return question_back(gap, asking, self.words, self.places)
            if not (query.groups or query.regions):
                return nothing_to_find(text, self.example)
            check_names(plain)
            check_at_once(text, query)
            check_understood(tokens, query, reading.unparsed)
            return build_plan(
                question, query, [*purposes, *asked.notes, *told, *reading.notes], reading.unparsed, *made
            )
        except Declined as declined:
            if gap := gap_of(asking, declined):
                return question_back(gap, asking, self.words, self.places)
            suggestion = declined.refusal.suggestion or f"Where are {self.example[0]} near {self.example[1]}?"
            return declined.refusal.model_copy(update={"suggestion": suggestion})

    def _known(self, context: PlanContext) -> Known:
        earlier = context.query.items if context.query else ()
        return Known(earlier, self.example, self.words.by_key, self.tile_km)

    def _distances(self) -> Distances:
        near_km = max(NEAR_KM, NEAR_TILES * self.tile_km)
        return Distances(near_km, TOUCHING_TILES * self.tile_km, _most_km(self.body))

    def _read(self, tokens: Sequence[Token], context: PlanContext) -> tuple[Reading, Query]:
        earlier = context.item(context.result)
        reading = read(list(tokens), self._distances(), self.body, earlier, context.catalogue)
        return reading, in_context(reading, context)


def _most_km(body: str) -> float:
    """The largest distance on a body, half way round; that of Earth where the body is not known."""
    return math.pi * BODIES.get(body, BODIES["earth"]).radius_km


def _example(glossary: Sequence[Term]) -> tuple[str, str]:
    by_key = {term.key: term.plural for term in glossary}
    names = [*(by_key[key] for key in ("pitted_cones", "outflow_channel") if key in by_key), *by_key.values()]
    return (names[0], names[1]) if len(names) > 1 else ("craters", "channels")

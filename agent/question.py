"""The offline grammar: a question -> a plan of typed tool calls, or a refusal that says what can be asked.

A plan's steps refer to each other by name (`Ref`), because layer ids are only known once tools have run. Pure
Python: the same question, glossary, places and context always give the same plan, in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent.grammar.context import PlanContext, in_context
from agent.grammar.conversation import situated
from agent.grammar.ellipsis import spelled_out
from agent.grammar.lexicon import lexicon, normalise
from agent.grammar.phrases import GRAMMAR_WORDS
from agent.grammar.plan import TOUCHING_TILES, build_plan
from agent.grammar.query import Declined, Query, Refusal
from agent.grammar.reader import read
from agent.grammar.refusals import (
    Known,
    answerable,
    check_language,
    check_numbers,
    check_understood,
    nothing_to_find,
)
from agent.grammar.state import Distances, Reading
from agent.grammar.steps import Plan
from agent.grammar.testing import as_test
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
) -> Plan | Refusal:
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
    """
    words = lexicon(tuple(glossary), tuple(places), GRAMMAR_WORDS)
    context = context or PlanContext()
    example = _example(glossary)
    text = spelled_out(normalise(question))
    try:
        distances = Distances(
            max(NEAR_KM, NEAR_TILES * tile_km), TOUCHING_TILES * tile_km, _most_km(body.lower())
        )
        situation = situated(text, words, context, distances, body.lower(), tile_km)
        text, context = situation.text, situation.context
        if told := situation.reading:
            return build_plan(question, told.query, told.notes, [], words.by_key, context, tile_km)
        check_numbers(text)
        plain, test = tokenise(text, words, tile_km), as_test(text, words, tile_km)
        earlier = context.query.items if context.query else ()
        known = Known(earlier, example, words.by_key, tile_km)
        asked = answerable(plain, known, tested=test is not None)
        tokens = asked.tokens if test is None else test
        reading, query = _understand(tokens, context, body.lower(), distances)
        check_language(text, bool(query.groups))
        if not (query.groups or query.regions):
            return nothing_to_find(text, example)
        check_understood(tokens, query, reading.unparsed)
        notes = [*asked.notes, *reading.notes]
        return build_plan(question, query, notes, reading.unparsed, words.by_key, context, tile_km)
    except Declined as declined:
        refusal = declined.refusal
        suggestion = refusal.suggestion or f"Where are {example[0]} near {example[1]}?"
        return refusal.model_copy(update={"suggestion": suggestion})


def _understand(
    tokens: Sequence[Token], context: PlanContext, body: str, distances: Distances
) -> tuple[Reading, Query]:
    earlier = context.item(context.result)
    reading = read(list(tokens), distances, body, earlier, context.catalogue)
    return reading, in_context(reading, context)


def _most_km(body: str) -> float:
    """The largest distance on a body, half way round; that of Earth where the body is not known."""
    return math.pi * BODIES.get(body, BODIES["earth"]).radius_km


def _example(glossary: Sequence[Term]) -> tuple[str, str]:
    by_key = {term.key: term.plural for term in glossary}
    names = [*(by_key[key] for key in ("pitted_cones", "outflow_channel") if key in by_key), *by_key.values()]
    return (names[0], names[1]) if len(names) > 1 else ("craters", "channels")

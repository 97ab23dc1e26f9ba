"""Processes in a question: what people call them, and the landform by which positions can test for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from agent.grammar.lexicon import APPEARANCE, normalise, stem
from agent.grammar.query import Item
from prompts import Process, Term, load_prompts


@cache
def process_words() -> re.Pattern[str]:
    """What people write for any of the processes."""
    names = sorted(
        (normalise(word) for process in load_prompts().processes for word in process.words), key=len
    )
    either = "|".join(rf"{re.escape(name)}s?" for name in reversed(names))
    return re.compile(rf"(?:{either})(?![^\W_]|[-.]\w)(?! (?:direction|streak|region)s?\b)", re.IGNORECASE)


def process_named(text: str) -> Process | None:
    """The process that some words name, words of appearance before it aside ("old rivers")."""
    parts = text.lower().split()
    while len(parts) > 1 and parts[0] in APPEARANCE and _plain(parts) not in _by_words():
        parts = parts[1:]
    return _by_words().get(_plain(parts))


def candidate_of(
    process: Process, glossary: Mapping[str, Term], but: frozenset[str] = frozenset()
) -> Item | None:
    """The landform that is tested for a process, ``but`` none of some; None where the glossary lacks it."""
    term = next((glossary[key] for key in process.landforms if key in glossary and key not in but), None)
    return Item(kind="words", text=term.term, plural=term.plural, key=term.key) if term else None


def candidates_for(term: Term, glossary: Mapping[str, Term]) -> list[Item]:
    """What a landform may be tested against, by what the glossary says of how it forms."""
    found: list[Item] = []
    for words in process_words().finditer(normalise(term.process)):
        process = process_named(words[0])
        item = candidate_of(process, glossary) if process else None
        if item and item.key != term.key and item not in found:
            found.append(item)
    return found


@cache
def _by_words() -> dict[str, Process]:
    return {
        _plain(normalise(word).split()): process
        for process in load_prompts().processes
        for word in process.words
    }


def _plain(words: Sequence[str]) -> str:
    return " ".join(stem(word) for word in words)

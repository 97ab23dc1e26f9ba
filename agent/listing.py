"""The list of conversations as a person looks through it: whose they are, a page at a time, searched.

A search is for words that all must occur in the title, the questions or the answers, as pieces of words too
and without regard to case.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from agent.conversations import ConversationInfo, ConversationStore, folded

PAGE = 40
MAX_WORDS = 8
MAX_SEARCH_CHARS = 200
EXCERPT_CHARS = 90

# Values: whether all are wanted, the owner, the words as JSON.
_FOUND = """
    FROM listed WHERE asked > 0 AND (? OR owner = ?) AND NOT EXISTS (
        SELECT 1 FROM json_each(?) AS word WHERE NOT (
            instr(folded(title), word.value)
            OR EXISTS (SELECT 1 FROM said WHERE conversation = listed.id AND instr(words, word.value))
        )
    )
"""
_COUNTED = "SELECT count(*)" + _FOUND
_LISTED = (
    "SELECT listed.id, title, index_name, model, created, updated, asked"
    + _FOUND
    + "ORDER BY updated DESC, listed.id LIMIT ? OFFSET ?"
)


@dataclass(frozen=True)
class Line:
    """One conversation of the list.

    Attributes
    ----------
    excerpt
        Where the search found something that the title does not show; empty without one.
    """

    info: ConversationInfo
    excerpt: str = ""


@dataclass(frozen=True)
class Listing:
    """A page of the list.

    Attributes
    ----------
    total
        How many there are on all pages.
    page, pages
        Number of this page from 1; how many there are, at least 1.
    """

    lines: tuple[Line, ...]
    total: int
    page: int
    pages: int


def search_words(text: str) -> list[str]:
    """What is searched for: the words of a search, bounded."""
    return folded(text[:MAX_SEARCH_CHARS]).replace("\0", " ").split()[:MAX_WORDS]


def owner_of(store: ConversationStore, conversation_id: str) -> str:
    """Whose list a conversation stands in, see `give`; empty if nobody's."""
    rows = store.read("SELECT owner FROM conversations WHERE id = ?", (conversation_id,))
    return str(rows[0][0]) if rows else ""


def give(store: ConversationStore, conversation_id: str, owner: str) -> None:
    """Put a conversation into somebody's list; any key names a person. A branch is listed with its trunk.

    Raises
    ------
    SettingsError
        If there is no such conversation.
    """
    store.info(conversation_id)
    with store.transaction() as run:
        run.execute("UPDATE conversations SET owner = ? WHERE id = ?", (owner, conversation_id))


def listing(store: ConversationStore, owner: str | None, search: str = "", page: int = 1) -> Listing:
    """Conversations with at least one question, the last used first.

    Parameters
    ----------
    owner
        Whose, see `give`; None for all of them.
    page
        From 1; the last one is given for a number beyond it.
    """
    words = search_words(search)
    values = [owner is None, owner or "", json.dumps(words)]
    total = int(store.read(_COUNTED, values)[0][0])
    pages = max(1, -(-total // PAGE))
    page = min(max(1, page), pages)
    rows = store.read(_LISTED, [*values, PAGE, (page - 1) * PAGE])
    infos = [ConversationInfo(*row) for row in rows]
    return Listing(tuple(Line(info, _excerpt(store, info, words)) for info in infos), total, page, pages)


def _excerpt(store: ConversationStore, info: ConversationInfo, words: list[str]) -> str:
    """What stands around the first word that the title lacks."""
    missing = [word for word in words if word not in folded(info.title)]
    if not missing:
        return ""
    rows = store.read(
        "SELECT json_extract(turn, '$.question'), json_extract(turn, '$.answer')"
        " FROM turns JOIN said USING (conversation, number)"
        " WHERE conversation = ? AND instr(words, ?) ORDER BY number LIMIT 1",
        (info.id, missing[0]),
    )
    for text in rows[0] if rows else ():
        line = " ".join(str(text).split())
        at = line.casefold().find(missing[0])
        if at >= 0:
            start = max(0, at - EXCERPT_CHARS // 3)
            piece = line[start : start + EXCERPT_CHARS]
            return f"{'…' if start else ''}{piece}{'…' if start + EXCERPT_CHARS < len(line) else ''}"
    return ""

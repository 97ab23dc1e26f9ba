"""Read-only links: a conversation's page as it was at one moment, for whoever knows the link.

A link ends in a token of 192 random bits, of which only the SHA-256 is kept: who reads the file of
conversations cannot use the links in it. The page itself lies there too, and goes with its conversation.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.conversations import ConversationStore
from retrieval.errors import QuestionError

TOKEN_BYTES = 24
MOST_LINKS = 20  # of a conversation
LARGEST_PAGE_BYTES = 50_000_000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True)
class Link:
    """A link that works.

    Attributes
    ----------
    name
        By which it can be withdrawn; not the token, which nobody knows but those who were given the link.
    made
        ISO 8601, UTC.
    questions
        How many questions the page holds.
    """

    name: str
    made: str
    questions: int


class Links:
    """The links to all conversations in a store."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    def make(self, conversation_id: str, page: str, questions: int) -> str:
        """Keep a page and give the token by which it is found.

        Raises
        ------
        QuestionError
            If the conversation has too many links, or the page is too large.
        SettingsError
            If there is no such conversation.
        """
        self._store.info(conversation_id)
        content = page.encode("utf-8")
        if len(content) > LARGEST_PAGE_BYTES:
            raise QuestionError(
                f"the page has {len(content) / 1e6:,.0f} MB",
                allowed=f"at most {LARGEST_PAGE_BYTES // 1_000_000} MB for a link",
                next_step="send the .html itself",
            )
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._store.transaction() as run:
            (count,) = run.execute(
                "SELECT count(*) FROM links WHERE conversation = ?", (conversation_id,)
            ).fetchone()
            if count >= MOST_LINKS:
                raise QuestionError(
                    f"this conversation has {count} links",
                    allowed=f"at most {MOST_LINKS}",
                    next_step="withdraw one that is not needed any more",
                )
            run.execute(
                "INSERT INTO links (hash, conversation, made, questions, page) VALUES (?, ?, ?, ?, ?)",
                (_hash(token), conversation_id, now, questions, zlib.compress(content, 6)),
            )
        return token

    def page(self, token: str) -> str | None:
        """The page behind a token; None if there is none, or no longer."""
        if not _TOKEN.fullmatch(token):
            return None
        rows = self._store.read("SELECT page FROM links WHERE hash = ?", (_hash(token),))
        return zlib.decompress(rows[0][0]).decode("utf-8") if rows else None

    def of(self, conversation_id: str) -> list[Link]:
        """Links to a conversation, the newest first."""
        rows = self._store.read(
            "SELECT hash, made, questions FROM links WHERE conversation = ? ORDER BY made DESC, hash",
            (conversation_id,),
        )
        return [Link(name[:16], made, questions) for name, made, questions in rows]

    def withdraw(self, conversation_id: str, name: str) -> None:
        """Make a link lead nowhere.

        Raises
        ------
        QuestionError
            If the conversation has no such link.
        """
        with self._store.transaction() as run:
            found = run.execute(
                "DELETE FROM links WHERE conversation = ? AND substr(hash, 1, 16) = ?",
                (conversation_id, name),
            )
            if not found.rowcount:
                raise QuestionError(
                    "there is no such link", next_step="look at the list again: it may be withdrawn already"
                )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

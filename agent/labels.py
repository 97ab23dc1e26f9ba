"""What people said of tiles: accepted or rejected as showing what a search looked for.

A verdict is about a tile and a *search*, the layer that a chain of refinements and filters begins with: it
holds for every layer of the chain. Verdicts are a history in the file of conversations, of which the last
word on a tile counts; undoing takes back the last of them. They go with their conversation: a branch begins
with them, and deleting it deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from agent.conversations import ConversationStore
from retrieval.errors import QuestionError

Json = Any
Verdict = Literal["accept", "reject"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
CLEARED = "none"
VIEWS = ("surest", "doubtful", "random", "map")
MOST_VERDICTS = 100_000  # of a conversation, those taken back and changed included
MOST_CHARS = 80


@dataclass(frozen=True)
class Label:
    """The verdict that counts on one tile.

    Attributes
    ----------
    tile, verdict
        Id of the tile; accept or reject.
    search, layer
        Id of the layer that the chain begins with, and of the one in which the tile was judged.
    view
        Where it was first judged: a tile that was drawn at random says more than one that was picked.
    time
        ISO 8601, UTC.
    """

    tile: str
    verdict: Verdict
    search: str
    layer: str
    view: str
    time: str

    @property
    def accepted(self) -> bool:
        """Whether the tile shows what was searched for."""
        return self.verdict == "accept"


class Labels:
    """The verdicts of all conversations in a store."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    def judge(
        self, conversation: str, search: str, tiles: Mapping[str, str], layer: str, view: str = "map"
    ) -> None:
        """Add verdicts.

        Parameters
        ----------
        tiles
            Tile id -> accept, reject, or none to have no opinion any more.

        Raises
        ------
        QuestionError
            If a verdict is another word, or there are too many.
        SettingsError
            If there is no such conversation, or the file cannot be written.
        """
        wrong = [str(verdict)[:40] for verdict in tiles.values() if verdict not in (*VERDICTS, CLEARED)]
        if wrong or view not in VIEWS:
            raise QuestionError(
                f"{wrong[0]!r} is no verdict" if wrong else f"{view[:40]!r} is no view of tiles",
                allowed=", ".join((*VERDICTS, CLEARED)) if wrong else ", ".join(VIEWS),
            )
        if any(len(text) > MOST_CHARS for text in (search, layer, *tiles)):
            raise QuestionError("an id of a tile or layer is too long", allowed=f"{MOST_CHARS} characters")
        self._store.info(conversation)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        rows = [(tile, verdict, layer, view, now) for tile, verdict in tiles.items()]
        self._add(conversation, search, rows)

    def undo(self, conversation: str, search: str, count: int = 1) -> list[str]:
        """Take back the last verdicts on a search; the tiles they were about, the last one first."""
        with self._store.transaction() as run:
            last = run.execute(
                "SELECT number, tile FROM verdicts WHERE conversation = ? AND search = ?"
                " ORDER BY number DESC LIMIT ?",
                (conversation, search, max(0, count)),
            ).fetchall()
            run.executemany("DELETE FROM verdicts WHERE number = ?", [(number,) for number, _ in last])
        return [str(tile) for _, tile in last]

    def of(self, conversation: str, search: str) -> dict[str, Label]:
        """The verdicts that count on a search, by tile, in the order in which the tiles were first judged."""
        return {label.tile: label for label in self._current(conversation) if label.search == search}

    def all(self, conversation: str) -> list[Label]:
        """The verdicts that count in a conversation, search by search."""
        return self._current(conversation)

    def export(self, conversation: str) -> list[dict[str, Json]]:
        """The same as plain records, for files: ``tile_id``, ``layer``, ``search``, ``verdict``, ``view``,
        ``time``.
        """
        return [
            {
                "tile_id": label.tile,
                "layer": label.layer,
                "search": label.search,
                "verdict": label.verdict,
                "view": label.view,
                "time": label.time,
            }
            for label in self.all(conversation)
        ]

    def restore(self, conversation: str, records: Iterable[Mapping[str, Json]]) -> int:
        """Take in what `export` gave, such as from a bundle; how many there were.

        Raises
        ------
        QuestionError
            If a record lacks a field, or holds anything but short texts and known words; nothing is kept.
        """
        rows: dict[str, list[tuple[str, ...]]] = {}
        for record in records:
            try:
                names = ("tile_id", "verdict", "layer", "view", "time")
                tile, verdict, layer, view, time = (record[name] for name in names)
                search = record["search"]
            except (KeyError, TypeError) as error:
                raise QuestionError("a verdict lacks a field", allowed=", ".join(names)) from error
            texts = (tile, verdict, layer, view, time, search)
            if not all(isinstance(text, str) and 0 < len(text) <= MOST_CHARS for text in texts):
                raise QuestionError("a verdict is no record of short texts")
            if verdict not in VERDICTS or view not in VIEWS:
                raise QuestionError(f"{verdict!r} in the view {view!r} is no verdict")
            rows.setdefault(search, []).append((tile, verdict, layer, view, time))
        for search, of_search in rows.items():
            self._add(conversation, search, of_search)
        return sum(map(len, rows.values()))

    def _add(self, conversation: str, search: str, rows: Iterable[tuple[str, ...]]) -> None:
        with self._store.transaction() as run:
            run.executemany(
                "INSERT INTO verdicts (conversation, search, tile, verdict, layer, view, time)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(conversation, search, *row) for row in rows],
            )
            (count,) = run.execute(
                "SELECT count(*) FROM verdicts WHERE conversation = ?", (conversation,)
            ).fetchone()
            if count > MOST_VERDICTS:
                raise QuestionError(
                    "this conversation has too many verdicts",
                    allowed=f"{MOST_VERDICTS:,}, those taken back and changed included",
                    next_step="go on in a new conversation",
                )

    def _current(self, conversation: str) -> list[Label]:
        rows = self._store.read(
            "SELECT search, tile, verdict, layer, view, time FROM verdicts"
            " WHERE conversation = ? ORDER BY number",
            (conversation,),
        )
        found: dict[tuple[str, str], Label] = {}
        first_seen: dict[tuple[str, str], str] = {}
        for search, tile, verdict, layer, view, time in rows:
            key = (search, tile)
            first_seen.setdefault(key, view)
            if verdict in VERDICTS:
                found[key] = Label(tile, verdict, search, layer, first_seen[key], time)
            else:
                found.pop(key, None)
        return sorted(found.values(), key=lambda label: _number(label.search))


def _number(layer_id: str) -> tuple[int, str]:
    digits = layer_id[1:]
    return (int(digits) if digits.isdecimal() else 0, layer_id)

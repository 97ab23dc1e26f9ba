"""Conversations in SQLite: titles and turns for people, checkpoints for the model's memory.

One file holds both. A turn is written whole or not at all. The question in hand is noted with each step that
ends, so that a program that is killed loses the rest of that question only; write-ahead logging lets several
programs use the file. What is deleted is overwritten.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.serde.types import ERROR
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.events import Turn
from agent.migrations import MIGRATIONS
from retrieval.errors import SettingsError
from retrieval.settings import Settings

UNTITLED = "New conversation"
TITLE_CHARS = 80
BUSY_S = 30.0
CLAIM = "in-use.lock"
_INFO = "SELECT id, title, index_name, model, created, updated, asked FROM listed"
_NEW = "INSERT INTO conversations (id, title, index_name, model, created, updated) VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class ConversationInfo:
    """A line in the list of conversations.

    Attributes
    ----------
    index, model
        Name of the index it is about; the model it began with.
    created, updated
        ISO 8601, UTC.
    turns
        Number of questions asked, one in hand included.
    """

    id: str
    title: str
    index: str
    model: str
    created: str
    updated: str
    turns: int


# Inside the class, `list` is its method.
Infos = list[ConversationInfo]
Turns = list[Turn]
Rows = list[tuple[Any, ...]]


class ConversationStore:
    """The file of conversations; usable from any thread, and by several programs at once.

    Parameters
    ----------
    path
        SQLite file, made if missing.

    Raises
    ------
    SettingsError
        If the file cannot be opened, is something else, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._saver: SqliteSaver | None = None
        with _as_settings_error(path, "cannot be opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = _connect(path)
        try:
            self._migrate()
        except BaseException:
            self._connection.close()
            raise

    def create(self, index: str, model: str) -> str:
        """Start a conversation and return its id, a UUID in hexadecimal."""
        conversation_id, now = uuid.uuid4().hex, _now()
        with self.transaction() as run:
            run.execute(_NEW, (conversation_id, UNTITLED, index, model, now, now))
        return conversation_id

    def list(self, *, with_empty: bool = False) -> Infos:
        """Conversations, the last used first; those without a question only if asked for."""
        rows = self.read(f"{_INFO} WHERE ? OR asked > 0 ORDER BY updated DESC, id", (with_empty,))
        return [ConversationInfo(*row) for row in rows]

    def info(self, conversation_id: str) -> ConversationInfo:
        """One conversation.

        Raises
        ------
        SettingsError
            If there is none with this id.
        """
        for row in self.read(f"{_INFO} WHERE id = ?", (conversation_id,)):
            return ConversationInfo(*row)
        raise SettingsError(
            f"there is no conversation {conversation_id[:40]!r}: it was deleted, or is on another machine",
            next_step="choose one from the list, or start a new one",
        )

    def turns(self, conversation_id: str) -> Turns:
        """Everything asked and answered, oldest first."""
        self.info(conversation_id)
        rows = self.read("SELECT turn FROM turns WHERE conversation = ? ORDER BY number", (conversation_id,))
        return [Turn.from_json(json.loads(text)) for (text,) in rows]

    def begin(self, conversation_id: str, turn: Turn) -> None:
        """Note the question in hand with what has come of it; each note replaces the one before.

        It is a turn once it is appended; `in_hand` finds it if that never came to be.
        """
        with self.transaction() as run:
            run.execute(
                "INSERT OR REPLACE INTO in_hand VALUES (?, ?)", (conversation_id, json.dumps(turn.to_json()))
            )
            self._touch(run, conversation_id, turn.question)

    def in_hand(self, conversation_id: str) -> Turn | None:
        """The question that was begun and never appended: in hand in some program, or cut off with it."""
        rows = self.read("SELECT turn FROM in_hand WHERE conversation = ?", (conversation_id,))
        return Turn.from_json(json.loads(rows[0][0])) if rows else None

    def append(self, conversation_id: str, turn: Turn) -> None:
        """Add a finished turn, which is in hand no more; the first question becomes the title."""
        self.info(conversation_id)
        with self.transaction() as run:
            self._add(run, conversation_id, [turn])
            run.execute("DELETE FROM in_hand WHERE conversation = ?", (conversation_id,))
            self._touch(run, conversation_id, turn.question)
        self._forget_old_checkpoints(conversation_id)

    def branch(self, conversation_id: str, branch_id: str, turns: Sequence[Turn]) -> None:
        """Add a conversation with the index, model and title of another, that begins with these turns."""
        about, now = self.info(conversation_id), _now()
        with self.transaction() as run:
            run.execute(
                _NEW,
                (branch_id, about.title if turns else UNTITLED, about.index, about.model, now, now),
            )
            run.execute(
                "UPDATE conversations SET owner = (SELECT owner FROM conversations AS trunk WHERE id = ?)"
                " WHERE id = ?",
                (conversation_id, branch_id),
            )
            self._add(run, branch_id, turns)
            # Verdicts are about searches: those that came later do not exist in the branch.
            made = {layer_id for turn in turns for step in turn.steps for layer_id in step.layer_ids}
            for layer_id in sorted(made):
                run.execute(
                    "INSERT INTO verdicts (conversation, search, tile, verdict, layer, view, time)"
                    " SELECT ?, search, tile, verdict, layer, view, time FROM verdicts"
                    " WHERE conversation = ? AND search = ? ORDER BY number",
                    (branch_id, conversation_id, layer_id),
                )

    def fill(self, conversation_id: str, title: str, turns: Sequence[Turn]) -> None:
        """Give a conversation its title and these turns, all of them or none: it was held elsewhere."""
        self.info(conversation_id)
        with self.transaction() as run:
            self._add(run, conversation_id, turns)
            run.execute(
                "UPDATE conversations SET title = ?, updated = ? WHERE id = ?",
                (_title(title), _now(), conversation_id),
            )

    def rename(self, conversation_id: str, title: str) -> None:
        """Give it another title; blank goes back to the default."""
        self.info(conversation_id)
        with self.transaction() as run:
            run.execute("UPDATE conversations SET title = ? WHERE id = ?", (_title(title), conversation_id))

    def delete(self, conversation_id: str) -> None:
        """Remove its turns and checkpoints for good; its layers are files, see `delete_conversation`."""
        asked = self.info(conversation_id).turns
        with _as_settings_error(self.path, "cannot be written"):
            self.checkpointer().delete_thread(conversation_id)
        with self.transaction() as run:
            run.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        if asked:
            self._wipe()

    def checkpointer(self) -> SqliteSaver:
        """LangGraph's saver on a connection of its own; refuses to revive any but plain message types."""
        with self._lock:
            if self._saver is None:
                serializer = JsonPlusSerializer(allowed_msgpack_modules=None)
                # Its own connection, because it groups its writes by the driver's implicit transactions.
                connection = _connect(self.path, isolation_level="DEFERRED")
                self._saver = _Saver(connection, serde=serializer)
                self._saver.setup()
            return self._saver

    def read(self, query: str, parameters: Sequence[Any] = ()) -> Rows:
        """Rows of a query, for what is kept beside the turns."""
        with self._lock, _as_settings_error(self.path, "cannot be read"):
            return self._connection.execute(query, parameters).fetchall()

    @contextmanager
    def transaction(self, problem: str = "cannot be written") -> Iterator[sqlite3.Connection]:
        """All of the writes in the block, or none of them."""
        with self._lock, _as_settings_error(self.path, problem):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        with self._lock:
            self._connection.close()
            if self._saver is not None:
                with self._saver.lock:
                    self._saver.conn.close()

    def __enter__(self) -> ConversationStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _add(run: sqlite3.Connection, conversation_id: str, turns: Sequence[Turn]) -> None:
        for turn in turns:
            run.execute(
                "INSERT INTO turns SELECT ?, count(*), ? FROM turns WHERE conversation = ?",
                (conversation_id, json.dumps(turn.to_json()), conversation_id),
            )
            run.execute(
                "INSERT INTO said SELECT ?, count(*), ? FROM said WHERE conversation = ?",
                (conversation_id, folded(f"{turn.question} {turn.answer}"), conversation_id),
            )

    @staticmethod
    def _touch(run: sqlite3.Connection, conversation_id: str, question: str) -> None:
        run.execute(
            "UPDATE conversations SET updated = ?, title = CASE title WHEN ? THEN ? ELSE title END"
            " WHERE id = ?",
            (_now(), UNTITLED, _title(question), conversation_id),
        )

    def _wipe(self) -> None:
        # Rows are overwritten as they go; what is left are copies, in pages that were split or moved and in
        # the log. Another program that reads just now forbids this: then its next deletion takes them.
        with self._lock, suppress(sqlite3.OperationalError):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _forget_old_checkpoints(self, conversation_id: str) -> None:
        # Each checkpoint holds the whole history; without this the file grows with its square.
        saver = self.checkpointer()
        older = (conversation_id, conversation_id)
        with _as_settings_error(self.path, "cannot be written"), saver.cursor() as run:
            for delete in (
                "DELETE FROM writes WHERE thread_id = ? AND checkpoint_id <"
                " (SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?)",
                "DELETE FROM checkpoints WHERE thread_id = ? AND checkpoint_id <"
                " (SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = ?)",
            ):
                run.execute(delete, older)

    def _migrate(self) -> None:
        with self.transaction("is not a file of conversations") as run:
            (applied,) = run.execute("PRAGMA user_version").fetchone()
            if applied > len(MIGRATIONS):
                raise SettingsError(
                    f"{self.path} was written by a newer version of Areographer",
                    allowed=f"conversation files up to version {len(MIGRATIONS)}, not {applied}",
                    next_step="update Areographer, or move the file away to start afresh",
                )
            for number, script in enumerate(MIGRATIONS[applied:], start=applied + 1):
                for statement in script.split(";"):
                    run.execute(statement)
                run.execute(f"PRAGMA user_version = {number}")  # takes no parameter


class _Saver(SqliteSaver):
    """Keeps no errors: nothing reads them again, and what a server says in one may repeat the key."""

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        kept = [(channel, value) for channel, value in writes if channel != ERROR]
        if kept:
            super().put_writes(config, kept, task_id, task_path)


def check_conversation_id(conversation_id: str) -> str:
    """Return an id that may stand in a path.

    Raises
    ------
    SettingsError
        If it is not a UUID in hexadecimal.
    """
    if not re.fullmatch(r"[0-9a-f]{32}", conversation_id):
        raise SettingsError(
            f"{conversation_id[:40]!r} is no conversation id",
            allowed="what stands behind c= in a conversation's address: 32 digits and letters from a to f",
            next_step="copy the address whole, or choose a conversation from the list",
        )
    return conversation_id


def delete_conversation(settings: Settings, store: ConversationStore, conversation_id: str) -> None:
    """Delete a conversation with its layers, exports, uploads and transcripts.

    The files go first: who is interrupted finds the conversation still listed, and deletes it again.
    """
    store.info(check_conversation_id(conversation_id))
    for folder in (settings.layers, settings.exports, settings.uploads):
        shutil.rmtree(folder / conversation_id, ignore_errors=True)
    for transcript in (settings.exports / "transcripts").glob(f"*{conversation_id}*"):
        transcript.unlink(missing_ok=True)
    store.delete(conversation_id)


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Claim a conversation by the folder of its layers; False if another program or window has it.

    The claim ends with the block, or with the program, however that ends. Where the system knows no such
    locks everything can be claimed.
    """
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield True
        return
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / CLAIM, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _connect(path: Path, isolation_level: Literal["DEFERRED"] | None = None) -> sqlite3.Connection:
    # Any thread may use a connection: the store and the saver each guard theirs with a lock.
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=isolation_level, check_same_thread=False
    )
    try:
        connection.create_function("folded", 1, folded, deterministic=True)
        connection.execute("PRAGMA journal_mode = WAL")
        # What is committed outlives the program, however it ends; only a failing machine may lose the last.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _as_settings_error(path: Path, problem: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SettingsError(
            f"{path} {problem} ({error})", next_step="free disk space, or move the file away to start afresh"
        ) from error


def folded(text: str) -> str:
    """Text as it is searched: without regard to case, fit for the file."""
    return text.encode("utf-8", "replace").decode("utf-8").casefold()


def _title(text: str) -> str:
    # Half a surrogate pair, which a broken paste may hold, has no place in UTF-8.
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    if len(line) > TITLE_CHARS:
        line = line[: TITLE_CHARS - 1].rsplit(" ", 1)[0] + "…"
    return line or UNTITLED


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")

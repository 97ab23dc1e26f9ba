import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import ERROR

from agent import conversations
from agent.conversations import ConversationStore, check_conversation_id, delete_conversation
from agent.events import Evidence, Step, Turn
from agent.loop import Conversation
from retrieval.errors import SettingsError
from retrieval.settings import Settings
from tests.toys import TOYS, ScriptedChat, toy_workspace

STEP = Step(
    "q1s1", "search_words", {"text": "cones"}, "L1: 41 tiles.", ("L1",), {"count": 41}, ("a.png",), 0.2
)
TURN = Turn(
    "Where are cones?",
    (STEP,),
    "41 tiles [L1].",
    "answered",
    Evidence(1, (), ("L1",)),
    ("Draw a map of L1",),
    "offline",
    "2026-01-01T00:00:00+00:00",
    0.5,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    with ConversationStore(tmp_path / "c.sqlite") as store:
        yield store


def test_a_turn_comes_back_as_it_was(store: ConversationStore) -> None:
    conversation = store.create("lowell", "offline")
    store.append(conversation, TURN)
    assert store.turns(conversation) == [TURN]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
STEPS = st.builds(
    Step,
    step_id=st.text(),
    tool=st.text(),
    arguments=st.dictionaries(st.text(), JSON, max_size=3),
    summary=st.text(),
    layer_ids=st.lists(st.text(), max_size=2).map(tuple),
    figures=st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False), max_size=3),
    pictures=st.lists(st.text(), max_size=2).map(tuple),
    seconds=st.floats(0, 100),
    error=st.text(),
    layers=st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=2).map(tuple),
    table=st.lists(st.dictionaries(st.text(), JSON, max_size=2), max_size=2).map(tuple),
    files=st.lists(st.text(), max_size=2).map(tuple),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=st.text(st.characters()), answer=st.text(), steps=st.lists(STEPS, max_size=3))
def test_any_turn_survives_the_file(
    store: ConversationStore, question: str, answer: str, steps: list[Step]
) -> None:
    conversation = store.create("lowell", "offline")
    turn = Turn(question, tuple(steps), answer, "failed")
    store.append(conversation, turn)
    assert store.turns(conversation) == [turn]


def test_the_list_shows_what_was_used_last_first(store: ConversationStore) -> None:
    first, second = store.create("lowell", "offline"), store.create("mars", "openai:m")
    assert store.list() == []
    assert len(store.list(with_empty=True)) == 2
    store.append(first, TURN)
    store.append(second, TURN)
    store.append(first, TURN)
    listed = store.list()
    assert [info.id for info in listed] == [first, second]
    assert [info.turns for info in listed] == [2, 1]
    assert listed[0].title == "Where are cones?"
    assert listed[1].index == "mars"
    assert listed[0].created < listed[0].updated


def test_titles_are_one_short_line_and_can_be_changed(store: ConversationStore) -> None:
    conversation = store.create("lowell", "offline")
    store.append(conversation, Turn("Where\nare " + "very " * 40 + "old cones?", (), "", "failed"))
    title = store.info(conversation).title
    assert title.startswith("Where are very")
    assert title.endswith("very…")
    assert len(title) <= conversations.TITLE_CHARS
    store.rename(conversation, "  Cones  ")
    store.append(conversation, TURN)
    assert store.info(conversation).title == "Cones"
    store.rename(conversation, " ")
    assert store.info(conversation).title == conversations.UNTITLED


@pytest.mark.parametrize("action", ["turns", "append", "rename", "delete", "info"])
def test_an_unknown_conversation_is_refused(store: ConversationStore, action: str) -> None:
    extra = {"append": (TURN,), "rename": ("x",)}.get(action, ())
    with pytest.raises(SettingsError, match="no conversation 'nope'"):
        getattr(store, action)("nope", *extra)


def test_delete_takes_turns_checkpoints_layers_and_exports(home: Settings) -> None:
    with ConversationStore(home.conversations) as store:
        gone, kept = store.create("lowell", "offline"), store.create("lowell", "offline")
        for conversation in (gone, kept):
            store.append(conversation, TURN)
            config = {"configurable": {"thread_id": conversation, "checkpoint_ns": ""}}
            store.checkpointer().put(config, empty_checkpoint(), {}, {})
            for folder in (home.layers, home.exports):
                (folder / conversation).mkdir(parents=True)
                (folder / conversation / "L1.json").write_text("{}")
        delete_conversation(home, store, gone)
        assert [info.id for info in store.list()] == [kept]
        threads = {item.config["configurable"]["thread_id"] for item in store.checkpointer().list(None)}
        assert threads == {kept}
        assert [path.name for path in home.layers.iterdir()] == [kept]
        assert [path.name for path in home.exports.iterdir()] == [kept]


@pytest.mark.parametrize("name", ["..", "../../etc", "", "ABCDEF" * 6, "0" * 31, "0" * 33, "0" * 32 + "\n"])
def test_an_id_that_is_no_id_never_becomes_a_path(home: Settings, name: str) -> None:
    with pytest.raises(SettingsError, match="is no conversation id"):
        check_conversation_id(name)
    with ConversationStore(home.conversations) as store, pytest.raises(SettingsError):
        delete_conversation(home, store, name)


def test_only_the_newest_checkpoint_is_kept(store: ConversationStore) -> None:
    conversation = store.create("lowell", "offline")
    config = {"configurable": {"thread_id": conversation, "checkpoint_ns": ""}}
    for _ in range(3):
        newest = store.checkpointer().put(config, empty_checkpoint(), {}, {})
        store.checkpointer().put_writes(newest, [("messages", "x")], "task")
        store.append(conversation, TURN)
    left = [item.config for item in store.checkpointer().list(config)]
    assert left == [newest]


def test_many_threads_may_write_at_once(store: ConversationStore) -> None:
    shared = store.create("lowell", "offline")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            mine = store.create("lowell", "offline")
            for _ in range(5):
                store.append(mine, TURN)
                store.append(shared, TURN)
            assert len(store.turns(mine)) == 5
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(store.turns(shared)) == 30


def test_two_programs_may_use_the_file(tmp_path: Path) -> None:
    with ConversationStore(tmp_path / "c.sqlite") as one, ConversationStore(tmp_path / "c.sqlite") as two:
        conversation = one.create("lowell", "offline")
        two.append(conversation, TURN)
        assert one.turns(conversation) == [TURN]


def test_a_killed_program_loses_no_finished_turn(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, sys\n"
        "from agent.conversations import ConversationStore\n"
        "from agent.events import Turn\n"
        "store = ConversationStore(pathlib.Path(sys.argv[1]))\n"
        "conversation = store.create('lowell', 'offline')\n"
        "store.append(conversation, Turn('first', (), 'a', 'answered'))\n"
        "store._connection.execute('BEGIN IMMEDIATE')\n"
        "store._connection.execute('DELETE FROM turns')\n"
        "os._exit(9)\n"
    )
    path = tmp_path / "c.sqlite"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == 9
    with ConversationStore(path) as store:
        (info,) = store.list()
        assert [turn.question for turn in store.turns(info.id)] == ["first"]


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"no database at all, but long enough to look at" * 40)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="not a database"):
        ConversationStore(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE turns (x)")
    connection.close()
    with pytest.raises(SettingsError, match="is not a file of conversations"):
        ConversationStore(path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    ConversationStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SettingsError, match=r"newer version.*update Areographer"):
        ConversationStore(path)


def test_migrations_run_once_each_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.sqlite"
    with ConversationStore(path) as store:
        conversation = store.create("lowell", "offline")
        store.append(conversation, TURN)
    later = (*conversations.MIGRATIONS, "ALTER TABLE conversations ADD COLUMN pinned INTEGER DEFAULT 0")
    monkeypatch.setattr(conversations, "MIGRATIONS", later)
    for _ in range(2):
        with ConversationStore(path) as store:
            assert store.turns(conversation) == [TURN]


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be opened"):
        ConversationStore(tmp_path / "file" / "c.sqlite")


# --- kills and several programs ----------------------------------------------------------------------------


def answer_for_ever(home: Path, conversation: str, said: Any) -> None:
    """Ask the same conversation again and again; tell what was answered. Runs in a process of its own."""
    settings = Settings(home=home)
    calls = [{"name": "seek", "args": {"text": "cones", "limit": 3}, "id": key} for key in "ab"]
    # Each a message of its own: the same one twice in a history is one.
    script = [
        AIMessage("3 tiles [L1].") if place % 2 else AIMessage("", tool_calls=calls) for place in range(400)
    ]
    chat = ScriptedChat(responses=script)
    with ConversationStore(settings.conversations) as store:
        talk = Conversation(
            conversation, toy_workspace(settings, conversation), "offline", chat, "Test.", store, TOYS
        )
        said.send("ready")
        while True:
            *_, answered = talk.ask("Where are cones?")
            said.send(answered.status)


@pytest.fixture(scope="module")
def processes() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["agent.loop", "tests.toys"])
    return context


def test_a_kill_at_any_moment_loses_nothing_that_was_said(home: Settings, processes: Any) -> None:
    rng = random.Random(5)
    with ConversationStore(home.conversations) as store:
        conversation = store.create("toy", "offline")
    answered = 0
    for attempt in range(6):
        here, there = processes.Pipe(duplex=False)
        process = processes.Process(
            target=answer_for_ever, args=(home.home, conversation, there), daemon=True
        )
        process.start()
        there.close()
        assert here.recv() == "ready"
        if attempt % 2:
            assert here.recv() == "answered"
            answered += 1
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.join()
        with suppress(EOFError):
            while True:
                assert here.recv() == "answered"
                answered += 1
        with closing(sqlite3.connect(home.conversations)) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with ConversationStore(home.conversations) as store:
            workspace = toy_workspace(home, conversation)
            chat = ScriptedChat(responses=[AIMessage("Done.")])
            again = Conversation(conversation, workspace, "offline", chat, "Test.", store, TOYS)
            statuses = [turn.status for turn in again.turns]
            # An answer may have been stored that the kill kept from being told; a cut-off one is a turn too.
            assert statuses.count("answered") >= answered
            answered = statuses.count("answered")
            assert set(statuses) <= {"answered", "stopped"}
            for turn in again.turns:
                for step in turn.steps:
                    assert [len(workspace.layers.get(name)) for name in step.layer_ids] == [3]
            *_, last = again.ask("Still there?")
            assert last.status == "answered"
            assert store.turns(conversation) == again.turns
            answered += 1
    assert answered >= 3 + 6


def write_turns(path: Path, conversation: str, count: int) -> None:
    with ConversationStore(path) as store:
        mine = store.create("lowell", "offline")
        for _ in range(count):
            store.begin(mine, TURN)
            store.append(mine, TURN)
            store.append(conversation, TURN)


def test_two_processes_write_one_store(tmp_path: Path, processes: Any) -> None:
    path = tmp_path / "c.sqlite"
    with ConversationStore(path) as store:
        shared = store.create("lowell", "offline")
        writers = [processes.Process(target=write_turns, args=(path, shared, 12)) for _ in range(2)]
        for writer in writers:
            writer.start()
        for _ in range(12):
            store.append(shared, TURN)
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        assert store.turns(shared) == [TURN] * 36
        assert sorted(info.turns for info in store.list()) == [12, 12, 36]
        store.delete(shared)
        assert len(store.list()) == 2


def test_a_question_in_hand_is_listed_and_becomes_a_turn(store: ConversationStore) -> None:
    conversation = store.create("lowell", "offline")
    assert store.in_hand(conversation) is None
    store.begin(conversation, TURN)
    later = replace(TURN, steps=(STEP, STEP))
    store.begin(conversation, later)
    assert store.in_hand(conversation) == later
    assert store.turns(conversation) == []
    (info,) = store.list()
    assert (info.title, info.turns) == ("Where are cones?", 1)
    store.append(conversation, later)
    assert store.in_hand(conversation) is None
    assert store.turns(conversation) == [later]


def test_a_file_of_the_first_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(conversations, "MIGRATIONS", conversations.MIGRATIONS[:1])
        ConversationStore(path).close()
    with ConversationStore(path) as store:
        conversation = store.create("lowell", "offline")
        store.begin(conversation, TURN)
        assert store.in_hand(conversation) == TURN


def test_errors_are_not_kept_with_checkpoints(store: ConversationStore) -> None:
    conversation = store.create("lowell", "offline")
    config = {"configurable": {"thread_id": conversation, "checkpoint_ns": ""}}
    saver = store.checkpointer()
    put = saver.put(config, empty_checkpoint(), {}, {})
    saver.put_writes(put, [(ERROR, ValueError("sk-secret")), ("messages", "kept")], "task")
    saver.put_writes(put, [(ERROR, ValueError("sk-secret"))], "other")
    (found,) = saver.list(config)
    assert [write[1:] for write in found.pending_writes or ()] == [("messages", "kept")]

"""The list of conversations: whose, in which order, searched in titles, questions and answers, in pages."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import conversations
from agent.conversations import ConversationStore
from agent.events import Turn
from agent.listing import PAGE, give, listing, owner_of, search_words


def turn(question: str, answer: str = "41 tiles [L1].") -> Turn:
    return Turn(question, (), answer, "answered")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    with ConversationStore(tmp_path / "c.sqlite") as store:
        yield store


def asked(store: ConversationStore, *questions: str, owner: str = "") -> str:
    conversation = store.create("lowell", "offline")
    give(store, conversation, owner)
    for question in questions:
        store.append(conversation, turn(question))
    return conversation


def test_words_are_found_in_titles_questions_and_answers(store: ConversationStore) -> None:
    cones = asked(store, "Where are pitted cones?", "And in the south?")
    dunes = asked(store, "Show barchan DÜNEN")
    store.append(dunes, turn("And?", "They lie far from any outflow channel [L2]."))
    store.create("lowell", "offline")  # without a question, so not listed

    def found(text: str) -> list[str]:
        return [line.info.id for line in listing(store, None, text).lines]

    assert found("") == [dunes, cones]
    assert found("CONES") == [cones]
    assert found("south pit") == [cones]
    assert found("dünen") == [dunes]
    assert found("outflow dünen") == [dunes]
    assert found("cones outflow") == []
    assert found("100%") == found("_") == []
    assert "far from any outflow channel" in listing(store, None, "outflow").lines[0].excerpt
    assert listing(store, None, "pitted").lines[0].excerpt == ""
    store.delete(dunes)
    assert found("outflow") == []


def test_everybody_sees_the_own_ones_and_a_branch_stays_with_its_trunk(store: ConversationStore) -> None:
    mine, yours = asked(store, "mine", owner="a"), asked(store, "yours", owner="b")
    store.branch(mine, "0" * 32, store.turns(mine))
    assert {line.info.id for line in listing(store, "a").lines} == {mine, "0" * 32}
    assert [line.info.id for line in listing(store, "b").lines] == [yours]
    assert listing(store, "").total == 0
    assert listing(store, None).total == 3
    assert [line.info.id for line in listing(store, "a", "mine").lines] == ["0" * 32, mine]
    assert owner_of(store, yours) == "b"


def test_a_thousand_conversations_come_in_pages(store: ConversationStore) -> None:
    with closing(sqlite3.connect(store.path)) as file, file:
        values = [(f"{n:032x}", f"Question {n}", f"2026-01-01T00:{n:06d}") for n in range(1000)]
        file.executemany(
            "INSERT INTO conversations (id, title, index_name, model, created, updated)"
            " VALUES (?1, ?2, 'lowell', 'offline', ?3, ?3)",
            values,
        )
        text = json.dumps(turn("q").to_json())
        file.executemany("INSERT INTO turns VALUES (?, 0, ?)", [(value[0], text) for value in values])
    first = listing(store, None)
    assert (first.total, first.page, first.pages) == (1000, 1, 1000 // PAGE)
    assert first.lines[0].info.title == "Question 999"
    last = listing(store, None, page=99)
    assert last.page == 1000 // PAGE
    assert last.lines[-1].info.title == "Question 0"
    assert listing(store, None, page=-3).page == 1
    assert listing(store, None, "question 77").total == 19  # 77, 770 to 779, 177 to 977


def test_what_was_said_before_the_search_existed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, old = tmp_path / "c.sqlite", conversations.MIGRATIONS[:2]
    with monkeypatch.context() as patch:
        patch.setattr(conversations, "MIGRATIONS", old)
        ConversationStore(path).close()
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("INSERT INTO conversations VALUES ('c', 'Title', 'lowell', 'offline', 'x', 'x')")
        text = json.dumps(turn("Where are Pitted CÔNES?").to_json())
        file.execute("INSERT INTO turns VALUES ('c', 0, ?)", (text,))
    with ConversationStore(path) as store:
        assert listing(store, None, "pitted cônes").total == 1
        assert store.turns("c")[0].question == "Where are Pitted CÔNES?"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=st.text(min_size=1), start=st.integers(0, 20), length=st.integers(1, 20))
def test_every_piece_of_a_question_finds_it(
    store: ConversationStore, question: str, start: int, length: int
) -> None:
    conversation = asked(store, question)
    piece = question[start : start + length]
    found = [line.info.id for line in listing(store, None, piece).lines]
    assert conversation in found
    store.delete(conversation)


@given(st.text())
def test_a_search_is_bounded(text: str) -> None:
    assert len(search_words(text * 50)) <= 8

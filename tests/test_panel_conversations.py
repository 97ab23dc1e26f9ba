"""The list of conversations over its routes: whose, search, rename, delete, branch, and the sign of life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat.desk import Desk, Viewing
from agent.chat.exchange import make_routes
from agent.chat.house import House
from agent.chat.owners import COOKIE, owner_of_page
from agent.chat.panels.conversations import turns_before, when
from agent.chat.sessions import Session, Sessions
from agent.conversations import ConversationStore
from agent.listing import owner_of
from retrieval.errors import QuestionError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def house(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[House]:
    with ConversationStore(home.conversations) as store:
        opened = opener()
        sessions = Sessions(
            lambda name: opened(home, store, tiny_index, pattern_encoder, None, "offline", name)
        )
        yield House(home, tiny_index, sessions, store)


def client_of(house: House) -> TestClient:
    return TestClient(Starlette(routes=make_routes(house)))


@pytest.fixture
def client(house: House) -> TestClient:
    return client_of(house)


def asked(house: House, *questions: str, owner: str | None = None) -> Session:
    """A conversation with finished answers, as the desk makes them."""
    viewing = Viewing(owner=owner)
    for question in questions:
        list(Desk(house).ask(question, [], viewing))
    return house.sessions.get(viewing.conversation_id)


def listed(client: TestClient, here: str = "-", **query: str) -> str:
    answer = client.get(f"/areographer/c/{here}/panel/conversations", params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


Post = Callable[..., dict[str, object]]


def post(client: TestClient, session: Session | str, what: str, status: int = 200, **payload: object) -> str:
    name = session if isinstance(session, str) else session.id
    answer = client.post(f"/areographer/c/{name}/{what}", json=payload)
    assert answer.status_code == status, answer.text
    return str(answer.json().get("conversation") or answer.json().get("error") or "")


def test_an_empty_list_says_what_will_stand_there(client: TestClient) -> None:
    assert "Ask a question to begin one" in listed(client)
    assert "has “dunes&lt;b&gt;”" in listed(client, q="dunes<b>")


def test_conversations_are_listed_with_what_tells_them_apart(house: House, client: TestClient) -> None:
    one = asked(house, "Where are cones?", "And in the south?")
    two = asked(house, "<script>alert(1)</script> dunes")
    html = listed(client, one.id)
    assert html.index(two.id) < html.index(one.id)  # the last used first
    assert f'id="open-{one.id}" data-open="{one.id}"' in html
    assert html.count('aria-current="page"') == 1
    assert "2 questions" in html
    assert "1 question ·" in html
    assert "<script" not in html
    assert "just now" in html
    found = listed(client, q="SOUTH")
    assert one.id in found
    assert two.id not in found
    assert "And in the south?" in found  # where it was found


def test_one_about_another_index_is_shown_and_cannot_be_opened(house: House, client: TestClient) -> None:
    session = asked(house, "Where are cones?")
    other = house.store.create("mars-ctx", "offline")
    house.store.append(other, session.conversation.turns[0])
    html = listed(client)
    assert "needs mars-ctx" in html
    assert f'data-open="{other}"' not in html
    post(client, other, "rename", title="Old")
    post(client, other, "delete")
    assert other not in listed(client)


def test_many_conversations_are_turned_over(house: House, client: TestClient) -> None:
    turn = asked(house, "Where are cones?").conversation.turns[0]
    for number in range(45):
        made = house.store.create("tiny", "offline")
        house.store.append(made, replace(turn, question=f"Question {number}"))
    first, last = listed(client), listed(client, page="2")
    assert "1 of 2" in first
    assert first.count("<li") == 40
    assert last.count("<li") == 6
    assert listed(client, page="99") == last
    assert "1 of 2" in listed(client, page="x")


def test_renaming_keeps_a_short_line_and_nobodys_html(house: House, client: TestClient) -> None:
    session = asked(house, "Where are cones?")
    answer = client.post(
        f"/areographer/c/{session.id}/rename", json={"title": "  <b>Cones</b>\n" + "x" * 900}
    )
    assert answer.json()["title"].startswith("<b>Cones</b>")
    assert len(answer.json()["title"]) <= 80
    assert "<b>" not in listed(client)
    assert "line of text" in post(client, session, "rename", 400, title=3)


@pytest.mark.parametrize("what", ["rename", "delete"])
@pytest.mark.parametrize("name", ["0" * 32, "..%2f..%2fetc", "-"])
def test_what_does_not_exist_is_not_touched(client: TestClient, what: str, name: str) -> None:
    assert client.post(f"/areographer/c/{name}/{what}", json={"title": "x"}).status_code in (400, 404)


def test_deleting_takes_all_and_stops_what_runs(house: House, client: TestClient) -> None:
    done = asked(house, "Where are cones?")
    (house.settings.uploads / done.id).mkdir(parents=True)
    post(client, done, "delete")
    assert done.id not in listed(client)
    assert not (house.settings.layers / done.id).exists()
    assert not (house.settings.uploads / done.id).exists()
    assert client.get(f"/areographer/c/{done.id}/pulse").status_code == 410
    running = house.sessions.new()
    running.ask("slow question")
    post(client, running, "delete")
    assert not running.busy
    assert len(house.store.list(with_empty=True)) == 0


def test_a_branch_holds_the_first_questions_and_their_files(house: House, client: TestClient) -> None:
    session = asked(house, "one", "two", "three")
    folder = house.settings.uploads / session.id
    folder.mkdir(parents=True)
    (folder / "picture-000000000000.png").write_bytes(b"x")
    made = post(client, session, "branch", number=1)
    branch = house.sessions.get(made)
    assert [turn.question for turn in branch.conversation.turns] == ["one", "two"]
    assert house.store.info(made).title == "one (branch)"
    assert (house.settings.uploads / made / "picture-000000000000.png").read_bytes() == b"x"
    before = post(client, session, "branch", number=0, before=True)
    assert house.sessions.get(before).all() == []
    assert len(session.all()) == 3
    for number in (3, -1, True, "0", None):
        assert "no such question" in post(client, session, "branch", 400, number=number)


def test_refused_questions_are_not_counted_as_turns(house: House, client: TestClient) -> None:
    session = asked(house, "refuse this", "one", "refuse this", "one", "two")
    assert [turns_before(session, number) for number in range(6)] == [0, 0, 1, 1, 2, 3]
    made = post(client, session, "branch", number=3)
    assert [turn.question for turn in house.sessions.get(made).conversation.turns] == ["one", "one"]


def test_an_answer_is_copied_with_what_it_cites(house: House, client: TestClient) -> None:
    session = asked(house, "Where are cones?\nAnd why?")
    told = client.get(f"/areographer/c/{session.id}/turn/0").json()
    assert told["question"] == "Where are cones?\nAnd why?"
    assert told["markdown"].startswith("> Where are cones?\n> And why?\n\nOf 40 tiles")
    assert "- [L3] pitted cones near outflow channel: 12 tiles, `near(layer='L1'" in told["markdown"]
    assert f"conversation {session.id}" in told["markdown"]
    assert client.get(f"/areographer/c/{session.id}/turn/1").status_code == 404
    assert client.get("/areographer/c/-/turn/0").status_code == 404


def test_the_sign_of_life_changes_with_what_pages_show(house: House, client: TestClient) -> None:
    def version(name: str) -> str:
        return str(client.get(f"/areographer/c/{name}/pulse").json()["version"])

    assert version("-") == ""
    session = asked(house, "Where are cones?")
    before = version(session.id)
    assert before == session.version
    run = session.ask("slow question")
    during = version(session.id)
    assert during != before
    run.stop()
    assert run.join(10)
    assert version(session.id) not in (before, during)


def test_elsewhere_each_browser_sees_its_own_only(house: House) -> None:
    house = replace(house, local=False)
    one, two = client_of(house), client_of(house)
    assert listed(one)
    key = one.cookies[COOKIE]
    assert "HttpOnly" in one.get("/areographer/c/-/panel/conversations").headers.get("set-cookie", "HttpOnly")
    assert listed(two)
    assert two.cookies[COOKIE] != key
    mine = asked(house, "mine", owner=owner_of_page({COOKIE: key}, local=False))
    assert mine.id in listed(one)
    assert mine.id not in listed(two)
    assert key not in owner_of(house.store, mine.id)  # what is stored is no cookie
    # The address of a conversation lets anyone read it, go on with it and branch it; no more.
    for what in ("rename", "delete"):
        assert "another browser" in post(two, mine, what, 400, title="x")
    made = post(two, mine, "branch", number=0)
    assert made in listed(two)
    assert made not in listed(one)
    post(one, mine, "rename", title="Mine")
    assert "Mine" in listed(one)
    assert listed(two, q="mine").count("<li") == 1  # the branch


@pytest.mark.parametrize("key", ["", "x", "a" * 33, "a" * 31 + "'", "é" * 32])
def test_a_key_that_was_never_given_out_names_nobody(key: str) -> None:
    assert owner_of_page({COOKIE: key}, local=False) == ""
    assert owner_of_page({COOKIE: key}, local=True) is None


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1, hours=2), "yesterday"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=90), "31 Jan 2026"),
        (timedelta(minutes=-5), "just now"),
    ],
)
def test_times_are_told_in_words(ago: timedelta, words: str) -> None:
    assert when((NOW - ago).isoformat(), NOW) == words
    assert when("no time", NOW) == ""


def test_a_conversation_that_does_not_end_is_not_forgotten(house: House) -> None:
    session = house.sessions.new()
    session.ask("slow question")
    with pytest.raises(QuestionError, match="has not ended"):
        house.sessions.forget(session.id, timeout_s=0.0)
    assert session.run
    session.run.join(10)

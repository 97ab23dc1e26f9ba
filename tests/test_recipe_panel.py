"""The recipe panel by its routes: cards, forms, the check of changes, the run, the differences, the file."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat.exchange import make_routes
from agent.chat.house import House, Place
from agent.chat.panels import action
from agent.chat.sessions import Session, Sessions
from agent.conversations import ConversationStore
from agent.direct import Work
from agent.events import Step
from agent.loop import open_conversation
from agent.recipe_form import fields_of, read_edits
from agent.rerun import read_history, schemas
from prompts import load_prompts
from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tools import TOOLS

Json = Any
EVIL = "<script>alert('ran')</script>\"><img src=x onerror=alert(1)>"
CALLS = [
    ("search_words", {"text": "pitted cones", "title": EVIL}),
    ("search_words", {"text": "outflow channel"}),
    ("near", {"layer": "L1", "other": "L2", "distance_km": 70.0}),
    ("filter_layer", {"layer": "L3", "where": ["km_to_L2 <= 62", "lat > -80"]}),
    ("summarise", {"layer": "L4"}),
    ("decline", {"reason": "It cannot be told", "suggestion": "Ask for dunes"}),
]


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[House]:
    home = Settings(home=tmp_path_factory.mktemp("home"), workers=1)
    with ConversationStore(home.conversations) as store:
        sessions = Sessions(
            lambda name: open_conversation(
                home, store, tiny_index, pattern_encoder, load_prompts(), "offline", name
            )
        )
        yield House(home, tiny_index, sessions, store)
        sessions.close()


def by_hand() -> Work:
    for name, arguments in CALLS:
        step: Step = yield name, dict(arguments)
        assert not step.error, step.error
    return "Done."


def held(house: House) -> Session:
    made = house.sessions.new()
    assert made.ask(f"Where are they? {EVIL}", by_hand()).join(60)
    return made


@pytest.fixture(scope="module")
def session(house: House) -> Session:
    """A conversation that tests only look at."""
    return held(house)


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=make_routes(house))) as made:
        yield made


def check(client: TestClient, session: Session, **payload: Json) -> Json:
    answer = client.post(f"/areographer/c/{session.id}/recipe/check", json=payload)
    assert answer.status_code == 200, answer.text
    return answer.json()


def panel(client: TestClient, session: Session, **query: str) -> str:
    return str(client.get(f"/areographer/c/{session.id}/panel/recipe", params=query).text)


def rerun(house: House, session: Session, **payload: Json) -> str:
    question, work = action("rerun")(Place(house, session), payload)
    assert session.ask(question, work).join(60)
    return question


def test_every_call_is_a_card_under_its_question(client: TestClient, session: Session) -> None:
    text = panel(client, session)
    assert "6 calls, to be changed" in text
    assert re.findall(r'data-call="(\d)"', text) == ["1", "2", "3", "4", "5", "6"]
    assert "Keep rows of L1 within 70 km of L2" in html.unescape(text)
    assert "where km_to_L2 &lt;= 62, lat &gt; -80" in text  # what the words do not say
    assert 'data-layer="L3"' in text
    assert "39 rows" in text
    assert "<script" not in text
    assert "<img" not in text


def test_a_form_has_every_argument_of_the_tool(client: TestClient, session: Session) -> None:
    text = client.get(f"/areographer/c/{session.id}/recipe/call/3").text
    assert re.findall(r'data-field="(\w+)"', text) == ["distance_km", "layer", "other"]
    assert '<label for="f3-distance_km">distance <i>km</i></label>' in text
    assert 'value="70"' in text
    assert re.findall(r'<option value="(L\d)"', text) == ["L1", "L2"] * 2  # only those made before
    assert "<script" not in text
    filtered = client.get(f"/areographer/c/{session.id}/recipe/call/4").text
    assert ">km_to_L2 &lt;= 62\nlat &gt; -80</textarea>" in filtered
    assert "12 more that may be given" in filtered or "more that may be given" in filtered
    assert "<form" not in client.get(f"/areographer/c/{session.id}/recipe/call/6").text
    assert client.get(f"/areographer/c/{session.id}/recipe/call/99").status_code == 404
    assert client.get("/areographer/c/-/recipe/call/1").status_code == 404


def test_what_would_run_is_told_before(client: TestClient, session: Session) -> None:
    told = check(client, session, edits={"3": {"distance_km": "100"}})
    assert told["faults"] == {}
    assert [call["number"] for call in told["runs"]] == [3, 4, 5]
    assert told["said"] == "calls 3–5"
    some = check(client, session, edits={"3": {"distance_km": "100"}}, leave_out=[5])
    assert (some["said"], some["left_out"]) == ("calls 3 and 4", [5])
    assert check(client, session, edits={"3": {"distance_km": "70.0"}})["runs"] == []


@pytest.mark.parametrize(
    ("call", "name", "typed", "why"),
    [
        ("3", "distance_km", "far", "valid number"),
        ("3", "distance_km", "-4", "greater than 0"),
        ("3", "distance_km", "", "missing"),
        ("3", "distance_km", "nan", "finite number"),
        ("3", "distance_km", "60,5", "valid number"),
        ("3", "other", "L4", "not there before"),
        ("3", "other", "L1", "the layer itself"),
        ("3", EVIL, "1", "no argument"),
        ("1", "min_probability", "2", "less than or equal to 1"),
        ("4", "where", ["colour = red"], "colour"),
        ("4", "west_lon_deg", "1000", "less than or equal to 360"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    client: TestClient, session: Session, call: str, name: str, typed: Json, why: str
) -> None:
    told = check(client, session, edits={call: {name: typed}})
    assert told["runs"] == []
    (where, what), *others = told["faults"][call].items()
    assert not others
    assert where == name[:80]
    assert why in what


@pytest.mark.parametrize(
    "payload",
    [
        {"edits": []},
        {"edits": {"3": 4}},
        {"edits": {"x": {}}},
        {"edits": {"77": {"distance_km": 4}}},
        {"edits": {"9" * 50: {}}},
        {"edits": {"3": {"distance_km": {"a": 1}}}},
        {"edits": {"3": {"distance_km": [1]}}},
        {"edits": {"4": {"where": {"a": 1}}}},
        {"edits": {"6": {"reason": "no"}}},
        {"from": "x"},
        {"from": True},
        {"from": 99},
        {"leave_out": 3, "from": 1},
        {},
    ],
)
def test_a_payload_that_makes_no_sense_is_refused(house: House, session: Session, payload: Json) -> None:
    with pytest.raises(ToolInputError):
        action("rerun")(Place(house, session), payload)


def test_only_the_chats_own_page_may_post(client: TestClient, session: Session) -> None:
    address = f"/areographer/c/{session.id}/recipe/check"
    evil = {"origin": "https://evil.example"}
    assert client.post(address, json={"edits": {}}, headers=evil).status_code == 403
    assert client.post(address, content="[]", headers={"content-type": "text/plain"}).status_code == 403
    assert client.post(address, json={"edits": {"77": {}}}).status_code == 400
    assert client.post("/areographer/c/-/recipe/check", json={}).status_code == 400


def test_a_run_shows_what_changed(house: House, client: TestClient) -> None:
    session = held(house)
    question = rerun(house, session, edits={"3": {"distance_km": "100"}})
    assert question == "Run calls 3–5 again with distance_km 100 instead of 70 in call 3"
    raw = panel(client, session)
    assert "<script" not in raw
    text = html.unescape(re.sub(r"\s+", " ", raw))
    assert "What changed" in text
    assert 'data-layer="L3,L5"' in text  # both on the map
    assert "in place of" in text
    assert re.search(r"39 → \d+ rows", text)
    assert '<th scope="row">distance_km</th><td class="n">70 km</td><td class="n">100 km</td>' in text
    assert "Run again as call 7." in text
    assert 'data-done="1"' in text
    # A call of the comparison has no form.
    assert "<form" not in client.get(f"/areographer/c/{session.id}/recipe/call/10").text
    rerun(house, session, **{"from": 1, "onwards": True})
    again = panel(client, session)
    assert again.count("data-go=") == 2
    assert "The same as before" in again
    assert "What changed" in panel(client, session, run="1")


def test_the_recipe_is_a_file(client: TestClient, session: Session) -> None:
    answer = client.get(f"/areographer/c/{session.id}/recipe.json")
    assert "attachment" in answer.headers["content-disposition"]
    assert [call["tool"] for call in answer.json()["calls"]] == [name for name, _ in CALLS]
    assert client.get("/areographer/c/-/recipe.json").status_code == 404


def test_two_hundred_calls_stay_light(house: House, client: TestClient) -> None:
    session = house.sessions.new()

    def many() -> Work:
        yield "search_words", {"text": "pitted cones"}
        for _ in range(199):
            yield "filter_layer", {"layer": "L1", "min_lat_deg": 0.0}
        return "Done."

    assert session.ask("Many", many()).join(120)
    text = panel(client, session)
    assert text.count("data-call=") == 200
    assert len(text) < 250_000
    told = check(client, session, edits={"1": {"min_probability": "0.6"}})
    assert told["said"] == "calls 1–200"
    form = client.get(f"/areographer/c/{session.id}/recipe/call/200").text
    assert len(form) < 100_000


def test_what_a_form_shows_is_read_back_as_it_was(session: Session) -> None:
    history = read_history(session.conversation.turns)
    for call in history.calls:
        fields = fields_of(history, call)
        typed = {field.name: field.typed for field in fields if field.given}
        read = read_edits({str(call.number): typed}, history)[call.number]
        assert read == ({} if call.step.tool == "decline" else call.step.arguments)


def test_every_argument_of_every_tool_has_a_kind_and_words(session: Session) -> None:
    for tool in TOOLS:
        for name, spec in schemas()[tool.__name__].json_schema()["properties"].items():
            assert spec.get("description"), (tool.__name__, name)
    json.dumps(read_edits({"3": {"distance_km": "1,200"}}, read_history(session.conversation.turns)))
    assert read_edits({"3": {"distance_km": "1,200"}}, read_history(session.conversation.turns)) == {
        3: {"distance_km": 1200.0}
    }

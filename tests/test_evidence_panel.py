"""Evidence as its page uses it: tiles in three views, verdicts over HTTP, precision, refinement as a turn."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat import panels
from agent.chat.exchange import make_routes
from agent.chat.house import House, Place
from agent.chat.sessions import Progress, Session, Sessions
from agent.conversations import ConversationStore
from agent.labels import Labels
from agent.loop import open_conversation
from prompts import load_prompts
from retrieval.errors import InputError, QuestionError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tools.classify import classify
from tools.combine import union
from tools.filters import filter_layer
from tools.search import search_example, search_words

Json = Any


@pytest.fixture
def house(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[House]:
    with ConversationStore(home.conversations) as store:
        yield House(home, tiny_index, fresh(home, tiny_index, pattern_encoder, store), store)


def fresh(home: Settings, index: TileIndex, encoder: PatternEncoder, store: ConversationStore) -> Sessions:
    """Conversations as a server has them that was just started."""
    return Sessions(
        lambda name: open_conversation(home, store, index, encoder, load_prompts(), "offline", name)
    )


@pytest.fixture
def session(house: House) -> Session:
    """A conversation with a search: L1."""
    opened = house.sessions.new()
    search_words(opened.conversation.workspace, "craters")
    return opened


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=make_routes(house))) as made:
        yield made


@pytest.fixture
def post(client: TestClient, session: Session) -> Callable[..., Json]:
    def send(name: str, status: int = 200, **payload: Json) -> Json:
        answer = client.post(f"/areographer/c/{session.id}/{name}", json=payload)
        assert answer.status_code == status, answer.text
        return answer.json()

    return send


@pytest.fixture
def fetch(client: TestClient, session: Session) -> Callable[..., str]:
    def get(**query: str) -> str:
        answer = client.get(f"/areographer/c/{session.id}/panel/evidence", params=query)
        assert answer.status_code == 200, answer.text
        return answer.text

    return get


def tiles_of(html: str) -> list[str]:
    return re.findall(r'data-tile="([^"]+)"', html)


def verdicts_of(html: str) -> dict[str, str]:
    return dict(re.findall(r'data-tile="([^"]+)" data-verdict="(\w+)"', html))


def whole(fetch: Callable[..., str], view: str, layer: str = "L1") -> list[str]:
    """All pages of a view."""
    pages = int(re.search(r"page 1 of ([\d,]+)", fetch(layer=layer, view=view))[1])
    return [tile for n in range(pages) for tile in tiles_of(fetch(layer=layer, view=view, page=str(n + 1)))]


def refine(house: House, session: Session, layer: str) -> Progress:
    question, work = panels.action("refine")(Place(house, session), {"layer": layer})
    last = list(session.ask(question, work).follow())[-1]
    assert last.answered
    assert last.answered.status == "answered", last.text
    assert last.answered.evidence.unsupported == (), last.text
    return last


def test_every_view_has_the_tiles_of_the_layer_page_by_page(session, fetch) -> None:
    table = session.conversation.workspace.layers.get("L1").table
    ids = table["row_id"].tolist()
    assert len(ids) > 30
    assert whole(fetch, "surest") == ids  # stored most probable first
    drawn = whole(fetch, "random")
    assert sorted(drawn) == sorted(ids)
    assert drawn != ids
    assert drawn == whole(fetch, "random")
    doubtful = whole(fetch, "doubtful")
    assert len(doubtful) == len(set(doubtful))
    assert set(ids) < set(doubtful)


def test_doubtful_are_those_on_both_sides_of_the_threshold(session, fetch) -> None:
    table = session.conversation.workspace.layers.get("L1").table
    pages = int(re.search(r"page 1 of (\d+)", fetch(layer="L1", view="doubtful"))[1])
    html = "".join(fetch(layer="L1", view="doubtful", page=str(n + 1)) for n in range(pages))
    outside = re.findall(r'class="tile outside" data-tile="([^"]+)"', html)
    assert outside
    assert not set(outside) & set(table["row_id"])
    assert html.count('class="out">not in L1') == len(outside)
    far = [abs(float(p) - 0.5) for p in re.findall(r"<span>p ([\d.]+) ·", html)]
    assert far == pytest.approx(sorted(far), abs=0.011)
    # A verdict on what is not in the layer teaches a refinement as well.
    filter_layer(session.conversation.workspace, "L1", min_lat_deg=0.0)
    assert "all of these are in it" in fetch(layer="L2", view="doubtful")


def test_beyond_the_last_page_is_the_last(fetch) -> None:
    last = fetch(layer="L1", page="99999")
    assert tiles_of(last)
    assert re.search(r"page (\d+) of \1\b", last)
    for page in ("0", "-1", "x", "1e9", "٣"):
        assert "page 1 of" in fetch(layer="L1", page=page)


def test_verdicts_are_told_kept_and_taken_back(house, session, client, post, fetch) -> None:
    one, two, three = tiles_of(fetch(layer="L1"))[:3]
    assert post("judge", layer="L1", view="surest", tiles={one: "accept", two: "reject"})["accepted"] == 1
    told = post("judge", layer="L1", view="surest", tiles={three: "reject"})
    assert told["summary"] == "1 accepted, 2 rejected"
    assert told["refine"] is True
    assert verdicts_of(fetch(layer="L1")) == {one: "accept", two: "reject", three: "reject"}
    assert post("unjudge", layer="L1")["tiles"] == {three: "none"}
    assert (
        post("judge", layer="L1", view="surest", tiles={one: "none"})["summary"] == "0 accepted, 1 rejected"
    )
    assert post("unjudge", layer="L1")["tiles"] == {one: "accept"}
    assert verdicts_of(fetch(layer="L1")) == {one: "accept", two: "reject"}


def test_a_restarted_server_and_a_file_have_them(
    home, tiny_index, pattern_encoder, house, session, client, post, fetch
) -> None:
    one, two = tiles_of(fetch(layer="L1"))[:2]
    post("judge", layer="L1", view="random", tiles={one: "accept", two: "reject"})
    with ConversationStore(home.conversations) as store:
        again = House(home, tiny_index, fresh(home, tiny_index, pattern_encoder, store), store)
        with TestClient(Starlette(routes=make_routes(again))) as other:
            html = other.get(f"/areographer/c/{session.id}/panel/evidence", params={"layer": "L1"}).text
    assert verdicts_of(html) == {one: "accept", two: "reject"}
    answer = client.get(f"/areographer/c/{session.id}/verdicts.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["tile_id"], row["verdict"], row["layer"]) for row in rows] == [
        (one, "accept", "L1"),
        (two, "reject", "L1"),
    ]
    assert "attachment" in answer.headers["content-disposition"]
    records = client.get(f"/areographer/c/{session.id}/verdicts.json").json()["labels"]
    assert records == Labels(house.store).export(session.id)


def test_precision_is_told_from_tiles_drawn_at_random_only(post, fetch) -> None:
    surest = dict.fromkeys(tiles_of(fetch(layer="L1"))[:8], "accept")
    assert "judge 5 more at random" in post("judge", layer="L1", view="surest", tiles=surest)["precision"]
    drawn = tiles_of(fetch(layer="L1", view="random"))[:10]
    assert not set(drawn) & set(surest)
    told = post("judge", layer="L1", view="random", tiles=dict.fromkeys(drawn, "reject"))
    assert re.fullmatch(r"precision \d+% \(\d+% to \d+%\)", told["precision"])
    assert told["rests_on"].startswith("0 of 10 tiles drawn at random are right, and 8 others")


def test_a_refinement_is_a_turn_and_the_verdicts_go_along(house, session, post, fetch) -> None:
    drawn = tiles_of(fetch(layer="L1", view="random"))[:12]
    verdicts = {tile: "accept" if n % 2 else "reject" for n, tile in enumerate(drawn)}
    before = post("judge", layer="L1", view="random", tiles=verdicts)["precision"].removeprefix("precision ")
    asked = refine(house, session, "L1")
    # Half of those drawn at random are wrong, so it keeps fewer than the search did.
    count = len(session.conversation.workspace.layers.get("L1"))
    assert count / 2 < asked.steps[0].arguments["keep"] < count
    assert "those drawn at random let expect" in asked.text
    assert asked.question == "Refine L1: 6 accepted, 6 rejected"
    assert asked.layer_ids == ("L2",)
    step = asked.steps[0]
    assert step.arguments["accept"] == drawn[1::2]
    html = fetch(shown="L2")
    assert 'data-of="L2"' in html
    assert f"{before}: show it again to undo" in html
    # What it was fitted to is no sample of it.
    assert not set(drawn) & set(whole(fetch, "random", "L2"))
    assert "judge 5 more at random" in html
    more = tiles_of(fetch(layer="L2", view="random"))[:5]
    told = post("judge", layer="L2", view="random", tiles=dict.fromkeys(more, "accept"))
    assert told["summary"] == "11 accepted, 6 rejected"
    assert "others that count for themselves only" in told["rests_on"]
    # Only what is new goes into the next call; the rest is known to the layer.
    again = refine(house, session, "L2")
    assert sorted(again.steps[0].arguments["accept"]) == sorted(more)
    assert again.steps[0].arguments["layer"] == "L2"
    assert session.conversation.workspace.layers.get("L3").title == "craters, refined"


def test_a_verdict_that_was_taken_back_is_forgotten(house, session, post, fetch) -> None:
    one, two = tiles_of(fetch(layer="L1"))[:2]
    post("judge", layer="L1", tiles={one: "accept", two: "reject"})
    refine(house, session, "L1")
    assert two not in whole(fetch, "surest", "L2")
    post("judge", layer="L2", tiles={two: "none"})
    step = refine(house, session, "L2").steps[0]
    assert step.arguments == {"layer": "L1", "accept": [one], "reject": []}


def test_what_was_made_of_a_search_is_made_again(house, session, post, fetch) -> None:
    ws = session.conversation.workspace
    filter_layer(ws, "L1", min_lat_deg=0.0)
    one, two = tiles_of(fetch(layer="L2"))[:2]
    assert post("judge", layer="L2", view="random", tiles={one: "accept", two: "reject"})["refine"]
    asked = refine(house, session, "L2")
    assert [step.tool for step in asked.steps] == ["refine", "filter_layer"]
    assert asked.steps[1].arguments == {"layer": "L3", "min_lat_deg": 0.0}
    assert (ws.layers.get("L4").table["lat"] >= 0).all()
    assert one in set(ws.layers.get("L4").table["row_id"])
    assert two not in set(ws.layers.get("L4").table["row_id"])
    # The verdict is about the search: it stands in its gallery too.
    assert verdicts_of(fetch(layer="L1")) | {one: "accept", two: "reject"} == verdicts_of(fetch(layer="L1"))


def test_a_search_by_example_is_refined_by_further_examples(house, session, post, fetch) -> None:
    ws = session.conversation.workspace
    search_example(ws, ws.index.tiles.tile_id(3), limit=30)
    one, two = tiles_of(fetch(layer="L2"))[:2]
    assert post("judge", layer="L2", tiles={one: "accept", two: "reject"})["refine"]
    step = refine(house, session, "L2").steps[0]
    assert (step.tool, step.arguments["tiles"], step.arguments["not_like"]) == (
        "search_example",
        [one],
        [two],
    )
    labels = Labels(house.store).of(session.id, "L3")
    assert {tile: label.verdict for tile, label in labels.items()} == {one: "accept", two: "reject"}
    assert "no threshold to be near to" in fetch(layer="L3", view="doubtful")


def test_what_cannot_be_refined_says_why(house, session, post, fetch) -> None:
    ws = session.conversation.workspace
    search_words(ws, "dunes")
    union(ws, ["L1", "L2"])
    classify(ws, ["craters", "dunes"])
    for layer, why in (("L3", "joins several searches"), ("L4", "a class beside others")):
        tile = tiles_of(fetch(layer=layer))[0]
        told = post("judge", layer=layer, view="random", tiles={tile: "accept"})
        assert told["refine"] is False
        assert why in told["why"]
        assert why in fetch(layer=layer)
        with pytest.raises(QuestionError, match=why):
            panels.action("refine")(Place(house, session), {"layer": layer})
    with pytest.raises(QuestionError, match="no tile of L1 was judged"):
        panels.action("refine")(Place(house, session), {"layer": "L1"})
    for payload in ({}, {"layer": None}, {"layer": "L99"}, {"layer": ["L1"]}):
        with pytest.raises(InputError):
            panels.action("refine")(Place(house, session), payload)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"layer": "L9", "tiles": {"x": "accept"}}, "no layer 'L9'"),
        ({"layer": "L1"}, "no verdicts were sent"),
        ({"layer": "L1", "tiles": ["x"]}, "no verdicts were sent"),
        ({"layer": "L1", "tiles": {str(n): "accept" for n in range(201)}}, "1 to 200 tiles"),
        ({"layer": "L1", "tiles": {"../../etc": "accept"}}, "no tile of this grid"),
        ({"layer": "L1", "tiles": {"60km-r999c000": "accept"}}, "no tile"),
        ({"layer": "L1", "tiles": {"TILE": "<b>"}}, "no verdict"),
        ({"layer": "L1", "tiles": {"TILE": {"a": 1}}}, "no verdict"),
        ({"layer": "L1", "tiles": {"TILE": "accept"}, "view": "x"}, "no view"),
    ],
    ids=str,
)
def test_wrong_posts_are_refused_in_words(payload, message, session, post, house) -> None:
    tile = str(session.conversation.workspace.layers.get("L1").table["row_id"].iloc[0])
    if isinstance(payload.get("tiles"), dict):
        payload = payload | {"tiles": {tile if k == "TILE" else k: v for k, v in payload["tiles"].items()}}
    assert message in post("judge", 400, **payload)["error"]
    assert Labels(house.store).export(session.id) == []


def test_other_sites_cannot_judge(client, session, house) -> None:
    tile = str(session.conversation.workspace.layers.get("L1").table["row_id"].iloc[0])
    body = {"layer": "L1", "tiles": {tile: "accept"}}
    for name in ("judge", "unjudge"):
        address = f"/areographer/c/{session.id}/{name}"
        assert client.post(address, json=body, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(address, content=b"{}").status_code == 403
        assert client.get(address).status_code == 405
        assert client.post("/areographer/c/" + "0" * 32 + f"/{name}", json=body).status_code == 400
        assert client.post(f"/areographer/c/-/{name}", json=body).status_code == 400
    assert Labels(house.store).export(session.id) == []


def test_the_ground_around_a_tile_is_a_picture(client, session, fetch) -> None:
    address = re.search(r'data-around="([^"]+)"', fetch(layer="L1"))[1]
    answer = client.get(f"/{address}")
    assert answer.status_code == 200
    assert answer.content.startswith(b"\xff\xd8")
    assert client.get(re.sub(r"\d+\.jpg", "99999999.jpg", f"/{address}")).status_code == 404


def test_layers_come_as_files(client, session) -> None:
    base = f"/areographer/c/{session.id}/layer"
    rows = list(csv.DictReader(io.StringIO(client.get(f"{base}/L1.csv").text)))
    assert len(rows) == len(session.conversation.workspace.layers.get("L1"))
    assert client.get(f"{base}/L1.geojson").json()["areographer:body"]["name"] == "lowell"
    assert client.get(f"{base}/L1.gpkg").content.startswith(b"SQLite format 3")
    search_words(session.conversation.workspace, "craters", title='кратеры "x"\r\nSet-Cookie: a=b')
    named = client.get(f"{base}/L2.csv").headers
    assert "set-cookie" not in named
    assert named["content-disposition"].startswith("attachment; filename=")
    for name in ("L9.csv", "L1.exe", "..%2fL1.csv", "L1.csv.zip"):
        assert client.get(f"{base}/{name}").status_code == 404, name


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=st.dictionaries(st.sampled_from(["layer", "view", "page", "shown", "x"]), st.text(max_size=12)))
def test_no_query_breaks_a_panel(client, session, query) -> None:
    for name in ("evidence", "layers"):
        answer = client.get(f"/areographer/c/{session.id}/panel/{name}", params=query)
        assert answer.status_code == 200, answer.text

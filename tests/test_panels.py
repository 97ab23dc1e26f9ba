"""Panels: what stands beside the dialogue, fetched as the page fetches it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat import panels
from agent.chat.exchange import make_routes
from agent.chat.house import House
from agent.chat.markup import FOLDER
from agent.chat.masthead import masthead, welcome
from agent.chat.sessions import Session, Sessions
from agent.conversations import ConversationStore
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tools.layers import Kind, Provenance, make_table

EVIL = '<script>alert("x")</script>'


@pytest.fixture
def house(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Iterator[House]:
    with ConversationStore(home.conversations) as store:
        opened = opener()
        sessions = Sessions(
            lambda name: opened(home, store, tiny_index, pattern_encoder, None, "offline", name)
        )
        yield House(home, tiny_index, sessions, store)


@pytest.fixture
def session(house: House) -> Session:
    return house.sessions.new()


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=make_routes(house))) as made:
        yield made


Fetch = Callable[..., str]


@pytest.fixture
def fetch(client: TestClient, session: Session) -> Fetch:
    """HTML of a panel of the session's conversation; of an empty page for ``empty=True``."""

    def get(name: str, *, empty: bool = False, **query: str) -> str:
        conversation = "-" if empty else session.id
        answer = client.get(f"/areographer/c/{conversation}/panel/{name}", params=query)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.text

    return get


def add_layer(session: Session, count: int, kind: Kind = "tiles", title: str = "dunes") -> list[str]:
    index = session.conversation.workspace.index
    tiles = index.tiles.rows(range(count))
    ids = list(tiles["tile_id"]) if kind == "tiles" else [f"{kind}-{n}" for n in range(count)]
    probability = [0.5 + 0.4 * n / max(count, 1) for n in range(count)]
    table = make_table(index.body, ids, tiles[["lon", "lat"]].to_numpy(), probability, probability)
    made = Provenance("search_words", {"text": title, "place": None}, "lowell", threshold=0.5)
    session.conversation.workspace.layers.add(title, kind, table, made)
    return ids


def test_masthead_and_welcome_name_the_index_and_the_mode(tiny_index: TileIndex) -> None:
    html = masthead(tiny_index, "offline planner (no language model)", offline=True)
    assert f"{len(tiny_index):,}" in html
    assert 'class="offline"' in html
    assert 'class="online"' in masthead(tiny_index, "x at y", offline=False)
    assert "No language model" in welcome(tiny_index, offline=True)
    assert "No language model" not in welcome(tiny_index, offline=False)
    assert "<script" not in masthead(tiny_index, EVIL, False)


def test_tiles_come_most_probable_first(session: Session, fetch: Fetch) -> None:
    ids = add_layer(session, 60)
    html = fetch("evidence", layer="L1")
    assert html.count("<figure") == 24
    first = html[: html.index("</figure>")]
    assert "p 0.89 · score 0.89" in first
    assert ids[59] in first
    assert "/59.jpg" in first


@pytest.mark.parametrize(
    ("kind", "count", "why"),
    [
        ("catalogue", 5, "it is a catalogue"),
        ("features", 5, "see it on the globe"),
        ("tiles", 0, "it is empty"),
    ],
)
def test_a_layer_without_tiles_says_why(
    session: Session, fetch: Fetch, kind: Kind, count: int, why: str
) -> None:
    add_layer(session, count, kind)
    assert f"L1 has no tiles to show: {why}." in fetch("evidence", layer="L1")


@pytest.mark.parametrize("name", [*panels.TABS, "conversations"])
def test_an_empty_page_says_what_will_appear(fetch: Fetch, name: str) -> None:
    assert 'class="nothing"' in fetch(name, empty=True)


def test_the_table_of_layers_shows_how_each_was_made_and_the_colours_of_the_map(
    session: Session, fetch: Fetch
) -> None:
    add_layer(session, 3)
    add_layer(session, 1, title="cones")
    html = fetch("layers", shown="L2")
    assert html.count("<tr") == 3
    assert html.count('class="on"') == 1
    assert "background:#E69F00" in html
    assert "p ≥ 0.50" in html
    assert "text=&#39;dunes&#39;" in html
    assert "place" not in html


def test_files_are_listed_with_their_sizes(session: Session, fetch: Fetch) -> None:
    folder: Path = session.conversation.workspace.output
    (folder / "L1 & L2.gpkg").write_bytes(b"x" * 2_500_000)
    (folder / "small.png").write_bytes(b"x")
    (folder / ".hidden").write_bytes(b"x")
    html = fetch("share")
    assert f"areographer/c/{session.id}/file/L1%20%26%20L2.gpkg" in html
    assert "2.5 MB" in html
    assert "1 kB" in html
    assert ".hidden" not in html


def test_nobodys_title_becomes_html(session: Session, house: House, fetch: Fetch) -> None:
    assert list(session.ask(f"Where? {EVIL}").follow())[-1].answered
    add_layer(session, 2, title=EVIL)
    house.store.rename(session.id, EVIL)
    for name in (*panels.TABS, "conversations"):
        html = fetch(name, shown="L4")
        assert "<script" not in html, name
    assert "&lt;script&gt;" in fetch("conversations")
    assert "&lt;script&gt;" in fetch("layers")


def test_no_panel_and_no_conversation_are_told_in_words(client: TestClient) -> None:
    wrong = client.get("/areographer/c/-/panel/nothing")
    assert wrong.status_code == 404
    assert "there is no panel 'nothing'" in wrong.text
    assert client.get(f"/areographer/c/{'0' * 32}/panel/evidence").status_code == 404


def test_looks_and_scripts_ask_no_other_machine() -> None:
    assets = [path for suffix in ("css", "js", "j2") for path in FOLDER.rglob(f"*.{suffix}")]
    assert len(assets) > 8
    for path in assets:
        assert not re.search(r"(?:https?:)?//[a-z]", path.read_text(encoding="utf-8")), path

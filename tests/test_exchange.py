"""Exchange: files that go out, and none that should not."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat import exchange
from agent.chat.exchange import make_routes
from agent.chat.house import House, tiles_base
from agent.chat.sessions import Sessions
from agent.conversations import ConversationStore
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as opened:
        yield opened


@pytest.fixture
def sessions(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder, store: ConversationStore
) -> Sessions:
    open_conversation = opener()
    return Sessions(
        lambda name: open_conversation(home, store, tiny_index, pattern_encoder, None, "offline", name)
    )


@pytest.fixture
def client(
    home: Settings,
    tiny_index: TileIndex,
    sessions: Sessions,
    store: ConversationStore,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[TestClient]:
    def small(index: TileIndex, layers: object, **options: object) -> dict[str, object]:
        return {"body": {"name": "lowell"}, "basemap": {}, "layers": [layer.id for layer in layers]}  # type: ignore[attr-defined]

    # The planet's picture has its own tests and takes seconds.
    monkeypatch.setattr(exchange, "globe_payload", small)
    with TestClient(Starlette(routes=make_routes(House(home, tiny_index, sessions, store)))) as made:
        yield made


def test_the_globe_page_forbids_every_request(client: TestClient) -> None:
    html = client.get("/areographer/globe").text
    assert "default-src 'none'" in html
    assert "areographer:layers" in html


def test_tiles_are_jpegs_that_browsers_may_keep(client: TestClient, tiny_index: TileIndex) -> None:
    answer = client.get(f"/{tiles_base(tiny_index)}3.jpg")
    assert answer.content == tiny_index.thumbnail(3)
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/{tiles_base(tiny_index)}{len(tiny_index)}.jpg").status_code == 404


def test_layers_of_a_conversation_and_of_no_other(client: TestClient, sessions: Sessions) -> None:
    mine, other = sessions.new(), sessions.new()
    assert list(mine.ask("Where?").follow())[-1].answered
    got = client.get(f"/areographer/c/{mine.id}/layers?ids=L3,L1").json()
    assert (got["body"], got["layers"]) == ({"name": "lowell"}, ["L3", "L1"])
    assert "basemap" not in got
    assert set(got["keep"]) == {"L3", "L1"}
    assert got["more"], "rows that just missed L1 can be asked for"
    near = client.get(f"/areographer/c/{mine.id}/layers?ids=L3,L1&near=1").json()
    assert near["layers"] == ["L3", "L1"]
    wrong = client.get(f"/areographer/c/{other.id}/layers?ids=L3")
    assert wrong.status_code == 404
    assert "there is no layer 'L3'" in wrong.text
    assert client.get(f"/areographer/c/{'0' * 32}/layers").status_code == 404


def test_a_transcript_can_be_fetched_as_page_and_archive(client: TestClient, sessions: Sessions) -> None:
    session = sessions.new()
    assert list(session.ask("Where?").follow())[-1].answered
    page = client.get(f"/areographer/c/{session.id}/transcript.html")
    assert page.headers["content-disposition"].startswith("attachment")
    assert "Where?" in page.text
    archive = client.get(f"/areographer/c/{session.id}/transcript.zip")
    assert archive.content.startswith(b"PK")
    assert client.get(f"/areographer/c/{session.id}/transcript.exe").status_code == 404


def test_no_name_leads_out_of_the_folder(client: TestClient, sessions: Sessions, home: Settings) -> None:
    session = sessions.new()
    output = session.conversation.workspace.output
    (output / "map.png").write_bytes(b"png")
    (home.home / "secret.txt").write_text("secret")
    os.symlink(home.home / "secret.txt", output / "link.txt")
    base = f"/areographer/c/{session.id}"
    assert client.get(f"{base}/file/map.png").content == b"png"
    for name in ("link.txt", "..%2f..%2fsecret.txt", "%2e%2e", "nothing.png", ".."):
        assert "secret" not in client.get(f"{base}/file/{name}").text
    assert client.get(f"{base}/file/link.txt").status_code == 404
    assert client.get(f"{base}/upload/nothing.png").status_code == 404

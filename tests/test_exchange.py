"""Exchange: pictures that come in, files that go out, and none that should not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat import exchange
from agent.chat.dialogue import PICTURE_NAME
from agent.chat.exchange import keep_picture, make_routes
from agent.chat.house import House, tiles_base
from agent.chat.sessions import Sessions
from agent.conversations import ConversationStore
from retrieval.errors import QuestionError
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
    def small(index: TileIndex, layers: object, *, thumbnails: bool) -> dict[str, object]:
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
    assert got == {"body": {"name": "lowell"}, "layers": ["L3", "L1"]}
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


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "tif"])
def test_pictures_of_every_usual_kind_are_kept_as_png(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"x.{suffix}"
    Image.fromarray(np.full((40, 60, 3), 128, dtype=np.uint8)).save(source)
    name = keep_picture(source, tmp_path / "kept")
    assert PICTURE_NAME.fullmatch(name)
    with Image.open(tmp_path / "kept" / name) as kept:
        assert (kept.format, kept.mode, kept.size) == ("PNG", "RGB", (60, 40))
    assert keep_picture(source, tmp_path / "kept") == name
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_the_range_of_deep_pictures_survives(tmp_path: Path, dtype: type) -> None:
    source = tmp_path / "dem.tif"
    Image.fromarray((np.arange(32 * 32).reshape(32, 32) * 20 + 30_000).astype(dtype)).save(source)
    name = keep_picture(source, tmp_path)
    with Image.open(tmp_path / name) as kept:
        grey = np.asarray(kept)[..., 0]
    assert grey.min() == 0
    assert grey.max() == 255
    assert len(np.unique(grey)) > 200


def test_a_flat_deep_picture_is_black_not_an_error(tmp_path: Path) -> None:
    source = tmp_path / "flat.tif"
    Image.fromarray(np.full((8, 8), 700, dtype=np.uint16)).save(source)
    with Image.open(tmp_path / keep_picture(source, tmp_path)) as kept:
        assert np.asarray(kept).max() == 0


def test_large_pictures_are_made_smaller_and_huge_ones_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "wide.png"
    Image.new("L", (5000, 100)).save(source)
    with Image.open(tmp_path / keep_picture(source, tmp_path)) as kept:
        assert kept.size == (2048, 41)
    monkeypatch.setattr(exchange, "PICTURE_LIMIT_PX", 400_000)
    with pytest.raises(QuestionError, match="5,000 x 100 pixels"):
        keep_picture(source, tmp_path)


# Pillow says so when it skips a torn tag.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"\xff\xd8\xff"]),
)
def test_no_bytes_do_anything_but_give_a_picture_or_a_clear_line(
    tmp_path: Path, content: bytes, start: bytes
) -> None:
    source = tmp_path / "x.png"
    source.write_bytes(start + content)
    kept = tmp_path / "kept"
    with pytest.raises(QuestionError, match="cannot be read as a picture"):
        keep_picture(source, kept)
    assert not kept.exists()


def test_a_torn_picture_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(whole)
    torn = tmp_path / "torn.png"
    torn.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(QuestionError, match=r"'torn\.png' cannot be read"):
        keep_picture(torn, tmp_path)

"""The share panel over HTTP: downloads, read-only links, and transcripts that somebody else sent."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat import panels
from agent.chat.house import House, Place
from agent.chat.panels import share
from agent.chat.sessions import Session, Sessions
from agent.conversations import ConversationStore, delete_conversation
from agent.labels import Labels
from agent.links import Links
from retrieval.errors import QuestionError
from retrieval.index import TileIndex
from retrieval.settings import Settings, load_settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tests.transcripts import HOSTILE, repacked

ZIP = {"content-type": "application/zip"}


@pytest.fixture(autouse=True)
def no_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.parts.MOST_DRAWN", 0)  # seconds each, with tests of their own


@pytest.fixture
def store(home: Settings) -> Iterator[ConversationStore]:
    with ConversationStore(home.conversations) as opened:
        yield opened


@pytest.fixture
def house(
    home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder, store: ConversationStore
) -> House:
    open_conversation = opener()
    sessions = Sessions(
        lambda name: open_conversation(home, store, tiny_index, pattern_encoder, None, "offline", name)
    )
    return House(replace(home, share_links=True), tiny_index, sessions, store)


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=share.routes(house))) as made:
        yield made


@pytest.fixture
def session(house: House) -> Session:
    return held(house)


@pytest.fixture
def bundle(client: TestClient, session: Session, tmp_path: Path) -> Path:
    path = tmp_path / "theirs.zip"
    path.write_bytes(client.get(f"/areographer/c/{session.id}/transcript.zip").content)
    return path


def held(house: House, question: str = "Where are pitted cones?") -> Session:
    """A conversation of one question."""
    session = house.sessions.new()
    assert list(session.ask(question).follow())[-1].answered
    return session


def panel(house: House, session: Session | None) -> str:
    return panels.render("share", Place(house, session))


# ------------------------------------------------------------------ downloads


def test_each_kind_is_a_file_of_its_own(client: TestClient, session: Session) -> None:
    base = f"/areographer/c/{session.id}/transcript"
    for kind, begins in (("html", b"<!doctype"), ("zip", b"PK"), ("md", b"# "), ("recipe.json", b"{")):
        answer = client.get(f"{base}.{kind}")
        assert answer.content.lstrip().startswith(begins), kind
        assert answer.headers["content-disposition"].startswith("attachment")
        assert f"areographer-{session.id}.{kind}" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(client.get(f"{base}.recipe.json").content)["calls"]
    wrong = client.get(f"{base}.exe")
    assert wrong.status_code == 404
    assert "html, zip, md, recipe.json" in wrong.text


def test_nothing_is_written_twice_and_changes_are_seen(
    client: TestClient, house: House, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(
        "agent.chat.sharing.write_bundle",
        lambda *given, real=share.transcript_of.__globals__["write_bundle"], **more: (
            written.append(given[0]) or real(*given, **more)
        ),
    )
    base = f"/areographer/c/{session.id}/transcript"
    client.get(f"{base}.html")
    client.get(f"{base}.zip")
    assert len(written) == 1
    row = session.conversation.workspace.layers.get("L1").table["row_id"].iloc[0]
    Labels(house.store).judge(session.id, "L1", {str(row): "accept"}, "L1")
    with zipfile.ZipFile(io.BytesIO(client.get(f"{base}.zip").content)) as archive:
        assert f"L1,{row},accept" in archive.read("labels.csv").decode()
    assert len(written) == 2
    assert list(session.ask("And again?").follow())[-1].answered
    assert "And again?" in client.get(f"{base}.md").text
    house.store.rename(session.id, "Cones of my own")
    assert client.get(f"{base}.md").text.startswith("# Cones of my own")


def test_the_panel_says_what_can_be_sent(client: TestClient, house: House, session: Session) -> None:
    before = panel(house, session)
    assert "1 question, 3 layers" in before
    for kind in ("html", "zip", "md", "recipe.json"):
        assert f'href="areographer/c/{session.id}/transcript.{kind}"' in before
    assert ".html, " not in before
    client.get(f"/areographer/c/{session.id}/transcript.html")
    assert " MB" in panel(house, session).split("Read-only link")[0]


def test_an_empty_panel_teaches(house: House) -> None:
    html = panel(house, None)
    assert "After the first answer" in html
    assert "Open a transcript" in html
    assert house.index.manifest.name in html


def test_a_conversation_without_questions_has_no_transcript(client: TestClient, house: House) -> None:
    empty = house.sessions.new()
    answer = client.get(f"/areographer/c/{empty.id}/transcript.zip")
    assert answer.status_code == 404
    assert "ask a question first" in answer.text


def test_what_is_being_made_can_be_asked(client: TestClient, session: Session) -> None:
    told = client.get(f"/areographer/c/{session.id}/share/progress").json()
    assert told == {"what": "", "done": 0, "of": 1}
    assert client.get(f"/areographer/c/{'0' * 32}/share/progress").status_code == 404


# ------------------------------------------------------------------ links


def make_link(client: TestClient, session: Session) -> str:
    answer = client.post(f"/areographer/c/{session.id}/share/link", json={})
    assert answer.status_code == 200, answer.text
    return "/" + str(answer.json()["address"])


def test_a_link_shows_the_page_as_it_was_and_nothing_may_keep_it(
    client: TestClient, session: Session
) -> None:
    address = make_link(client, session)
    assert list(session.ask("Asked afterwards?").follow())[-1].answered
    page = client.get(address)
    assert "Where are pitted cones?" in page.text
    assert "Asked afterwards?" not in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in page.headers["x-robots-tag"]
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_only_the_hash_of_a_token_is_kept(client: TestClient, house: House, session: Session) -> None:
    token = make_link(client, session).rpartition("/")[2]
    assert len(token) == 32  # 192 bits
    ((name, page),) = house.store.read("SELECT hash, page FROM links")
    assert token not in name
    assert token.encode() not in page
    assert client.get(f"/areographer/read/{name}").status_code == 404


def test_a_link_can_be_withdrawn_by_its_conversation_only(
    client: TestClient, house: House, session: Session
) -> None:
    address, other = make_link(client, session), held(house)
    (link,) = Links(house.store).of(session.id)
    assert f'data-share-withdraw="{link.name}"' in panel(house, session)
    refused = client.post(f"/areographer/c/{other.id}/share/withdraw", json={"link": link.name})
    assert refused.status_code == 400
    assert client.get(address).status_code == 200
    gone = client.post(f"/areographer/c/{session.id}/share/withdraw", json={"link": link.name})
    assert gone.json() == {"left": 0}
    assert client.get(address).status_code == 404


def test_a_link_goes_with_its_conversation(client: TestClient, house: House, session: Session) -> None:
    address = make_link(client, session)
    delete_conversation(house.settings, house.store, session.id)
    assert client.get(address).status_code == 404
    assert house.store.read("SELECT count(*) FROM links") == [(0,)]


def test_links_are_off_unless_switched_on(
    house: House, session: Session, client: TestClient, home: Settings
) -> None:
    address = make_link(client, session)
    off = replace(house, settings=home)
    assert not home.share_links
    with TestClient(Starlette(routes=share.routes(off))) as quiet:
        assert quiet.get(address).status_code == 404
        refused = quiet.post(f"/areographer/c/{session.id}/share/link", json={})
        assert refused.status_code == 400
        assert "share_links = true" in refused.json()["error"]
    html = panel(off, session)
    assert "share_links = true" in html
    assert "data-share-link" not in html


def test_the_setting_is_read_from_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.toml").write_text("share_links = true\n")
    assert load_settings(tmp_path).share_links
    monkeypatch.setenv("AREOGRAPHER_SHARE_LINKS", "0")
    assert not load_settings(tmp_path).share_links
    monkeypatch.setenv("AREOGRAPHER_SHARE_LINKS", "yes")
    assert load_settings(tmp_path / "none").share_links


def test_there_are_not_endlessly_many_links(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.links.MOST_LINKS", 1)
    make_link(client, session)
    refused = client.post(f"/areographer/c/{session.id}/share/link", json={})
    assert "withdraw one" in refused.json()["error"]


def test_a_page_too_large_for_a_link_is_refused(store: ConversationStore) -> None:
    name = store.create("i", "offline")
    with pytest.raises(QuestionError, match="51 MB"):
        Links(store).make(name, "x" * 51_000_000, 1)


@given(st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_other_token_leads_anywhere(store: ConversationStore, token: str) -> None:
    assert Links(store).page(token) is None


def test_other_sites_can_make_no_link(client: TestClient, session: Session) -> None:
    address = f"/areographer/c/{session.id}/share/link"
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert client.post(address, json={}, headers=evil).status_code == 403
    assert client.post(address, content=b"{}", headers={"content-type": "text/plain"}).status_code == 403
    assert client.get(address).status_code == 405


# ------------------------------------------------------------------ somebody's transcript


def test_a_transcript_is_opened_and_listed(client: TestClient, house: House, bundle: Path) -> None:
    answer = client.post("/areographer/open?name=theirs.zip", content=bundle.read_bytes(), headers=ZIP)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["notes"] == []
    again = house.sessions.get(told["conversation"])
    assert [progress.question for progress in again.all()] == ["Where are pitted cones?"]
    assert again.conversation.workspace.layers.ids() == ["L1", "L2", "L3"]
    assert told["conversation"] in [info.id for info in house.store.list()]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update({"../evil.txt": b"x"}), "unsafe name"),
        (lambda m: m.update({"bomb.bin": bytes(5_000_000)}), "expands more than"),
        (lambda m: m.update({"manifest.json": m["manifest.json"].replace(b'"version": 1', b'"version": 9')}),
         "install a newer version"),
        (lambda m: m.pop("recipe.json"), "recipe.json"),
    ],
    ids=["climbs", "bomb", "newer", "torn"],
)  # fmt: skip
def test_bad_bundles_get_a_line_and_leave_nothing(
    client: TestClient,
    house: House,
    bundle: Path,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    said: str,
) -> None:
    before = {info.id for info in house.store.list(with_empty=True)}
    bad = repacked(bundle, tmp_path / "bad.zip", change)
    answer = client.post("/areographer/open?name=bad.zip", content=bad.read_bytes(), headers=ZIP)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error
    assert "'bad.zip'" in error or "bundle" in error
    assert str(house.settings.home) not in error  # no path of the server
    assert {info.id for info in house.store.list(with_empty=True)} == before
    assert not list(house.settings.exports.glob(".opening-*"))


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all", b"\x00" * 1000])
def test_files_that_are_no_transcript_get_a_line(client: TestClient, content: bytes) -> None:
    answer = client.post("/areographer/open?name=../../<b>.zip", content=content, headers=ZIP)
    assert answer.status_code == 400
    assert "Allowed: a .zip transcript" in answer.json()["error"]
    assert ".." not in answer.json()["error"].split(" ")[0]


def test_more_than_is_allowed_is_not_kept(
    client: TestClient, bundle: Path, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "LARGEST_BUNDLE_BYTES", 1000)
    answer = client.post("/areographer/open?name=big.zip", content=bundle.read_bytes(), headers=ZIP)
    assert answer.status_code == 413
    assert "'big.zip' is larger than" in answer.json()["error"]
    assert not list(house.settings.exports.glob(".opening-*"))


def test_other_sites_can_open_nothing(client: TestClient, bundle: Path) -> None:
    content = bundle.read_bytes()
    for headers in (
        {**ZIP, "origin": "https://evil.example"},
        {**ZIP, "sec-fetch-site": "cross-site"},
        {"content-type": "multipart/form-data"},
        {"content-type": "text/plain"},
    ):
        assert client.post("/areographer/open", content=content, headers=headers).status_code == 403


def test_hostile_words_stay_words_in_the_panel(house: House) -> None:
    session = held(house, HOSTILE)
    (session.conversation.workspace.output / "<img src=x>.png").write_bytes(b"x")
    html = panel(house, session)
    assert "<img src=x>" not in html
    assert "%3Cimg%20src%3Dx%3E.png" in html

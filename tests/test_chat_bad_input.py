"""What nobody should send to the chat's server, sent to every address and action of it: words, never a fault.

The addresses and actions are read off the server itself, so that those which come later are tried as well.
"""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

from agent.chat import exchange, panels
from agent.chat.bring import WAITING, read_again, sweep, turn_of
from agent.chat.dialogue import messages
from agent.chat.exchange import make_routes
from agent.chat.guard import GRADIO_OPEN, GRADIO_SHUT, MOST_BODY_BYTES, Guard, host_name, is_local
from agent.chat.house import House, Place
from agent.chat.markup import FOLDER
from agent.chat.sessions import Progress, Session, Sessions
from agent.chat.uploads import Brought
from agent.conversations import ConversationStore
from agent.events import Step
from prompts import load_prompts
from retrieval.errors import InputError
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder

HERE = "http://127.0.0.1:7860"
SECRET = "TOPSECRET-4711"
SLOW = re.compile(r"transcript|bundle|basemap|export|download")  # have tests of their own


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory, tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> Iterator[House]:
    home = Settings(home=tmp_path_factory.mktemp("bad") / "home")
    with ConversationStore(home.conversations) as store, pytest.MonkeyPatch.context() as patch:
        opened = opener()
        sessions = Sessions(
            lambda name: opened(home, store, tiny_index, pattern_encoder, load_prompts(), "offline", name)
        )
        # The planet's picture has its own tests and takes seconds.
        patch.setattr(exchange, "draw_planet", lambda *given: {"body": {"name": "lowell"}, "basemap": {}})
        patch.setattr(exchange, "globe_payload", lambda *a, **k: {"basemap": {}, "layers": []})
        yield House(home, tiny_index, sessions, store)


@pytest.fixture(scope="module")
def mine(house: House) -> Session:
    session = house.sessions.new()
    assert list(session.ask("Where are pitted cones?").follow())[-1].answered
    return session


@pytest.fixture(scope="module")
def other(house: House) -> Session:
    """A conversation of somebody else, whose files hold a secret."""
    session = house.sessions.new()
    assert list(session.ask(f"Where is {SECRET}?").follow())[-1].answered
    for folder in (session.conversation.workspace.output, house.settings.uploads / session.id):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "secret.csv").write_text(SECRET)
    (house.settings.home / "secret.csv").write_text(SECRET)
    return session


@pytest.fixture(scope="module")
def routes(house: House) -> list[Route]:
    return make_routes(house)


@pytest.fixture(scope="module")
def client(routes: list[Route]) -> Iterator[TestClient]:
    app = Starlette(routes=routes, middleware=[Middleware(Guard, local=True)])
    with TestClient(app, base_url=HERE, raise_server_exceptions=True) as made:
        yield made


NASTY = st.sampled_from(
    [
        *("", "-", "..", ".", "../secret.csv", "..%2fsecret.csv", "%2e%2e%2fsecret.csv", "....//secret.csv"),
        *(
            "/etc/passwd",
            "C:\\Windows",
            "secret.csv",
            "link",
            "con",
            "a" * 3000,
            "%00",
            "a%00.png",
            "\u202egnp.exe",
        ),
        *(
            "L1",
            "L3",
            "L999999",
            "l1",
            "L-1",
            "L1,L1,L1",
            "L" + "9" * 400,
            "'; DROP TABLE turns;--",
            "${7*7}",
        ),
        *(
            "-1",
            "0",
            "1",
            "1e400",
            "nan",
            "inf",
            "99999999999999999999",
            "1.5",
            "٣",
            "0x10",
            "true",
            "null",
            "[]",
            "{}",
        ),
        *(
            "<script>alert(1)</script>",
            "{{7*7}}",
            "a\r\nSet-Cookie: x=1",
            "doubtful",
            "surest",
            "random",
            "json",
            "png",
        ),
        *(
            "0" * 32,
            "f" * 32,
            "g" * 32,
            "evidence",
            "layers",
            "recipe",
            "share",
            "conversations",
            "transcript",
        ),
    ]
) | st.text(max_size=12)
# What the chat's own code asks of queries and payloads, so that those which come later are tried as well.
ASKED = sorted(
    {
        name
        for path in sorted(FOLDER.rglob("*.py"))
        for name in re.findall(r"""(?:\.get\(|\[)["'](\w+)["']""", path.read_text(encoding="utf-8"))
    }
)
NAMES = st.sampled_from(ASKED)
QUERY = st.dictionaries(NAMES, NASTY, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | NASTY, inner, max_size=3),
    max_leaves=6,
)
PAYLOAD = st.dictionaries(NAMES, st.sampled_from(["L1", "L3"]) | JSON, max_size=12)
HEADERS = {"content-type": "application/json", "origin": HERE, "sec-fetch-site": "same-origin"}
FAILED = Step("q1s1", "near", {}, "", (), {}, (), 0.1, error="the layer is gone. Next: make it again.")
QUIETLY = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=250
)


def filled(route: Route, data: st.DataObject, ids: list[str]) -> str:
    """An address of a route with something nasty, or a real id, in each of its places."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "conversation":
            return str(data.draw(st.sampled_from([*ids, "-"]) | NASTY))
        return str(data.draw(NASTY))

    path = re.sub(r"\{(\w+)(?::\w+)?\}", value, route.path)
    # What cannot stand in an address at all never reaches a server.
    return "".join(c if c.isprintable() and c not in "?# \\" else f"%{ord(c) % 256:02x}" for c in path)


@QUIETLY
@given(data=st.data())
def test_no_address_breaks_and_none_gives_what_is_not_asked_by_its_own_id(
    data: st.DataObject, client: TestClient, routes: list[Route], mine: Session, other: Session
) -> None:
    route = data.draw(st.sampled_from([route for route in routes if not SLOW.search(route.path)]))
    method = data.draw(st.sampled_from(["GET", "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]))
    path = filled(route, data, [mine.id])
    body = data.draw(st.binary(max_size=40) | PAYLOAD.map(lambda value: json.dumps(value).encode()))
    answer = client.request(
        method,
        path,
        params=data.draw(QUERY),
        content=body if method in ("POST", "PUT") else None,
        headers=HEADERS if data.draw(st.booleans()) else {},
        follow_redirects=False,
    )
    assert answer.status_code < 500, (method, path, answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
    assert SECRET not in answer.text
    if answer.status_code >= 400 and method not in ("HEAD",):
        assert answer.text.strip()
        assert "Traceback" not in answer.text
        assert str(mine.conversation.workspace.settings.home) not in answer.text
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert "<script>alert(1)" not in answer.text
        assert "frame-ancestors" in answer.headers["content-security-policy"]


@QUIETLY
@given(data=st.data())
def test_panels_take_any_query(data: st.DataObject, client: TestClient, mine: Session) -> None:
    name = data.draw(st.sampled_from([*panels.TABS, "conversations"]))
    conversation = data.draw(st.sampled_from([mine.id, "-"]))
    answer = client.get(f"/areographer/c/{conversation}/panel/{name}", params=data.draw(QUERY))
    assert answer.status_code == 200, answer.text
    assert "<script>alert(1)" not in answer.text


@QUIETLY
@given(data=st.data())
def test_actions_take_any_payload(data: st.DataObject, house: House, mine: Session) -> None:
    known: dict[str, Any] = {}
    for module in (*panels._MODULES.values(), panels.bring):
        known |= getattr(module, "ACTIONS", {})
    kind = data.draw(st.sampled_from(sorted(known)) | NASTY)
    place = Place(house, data.draw(st.sampled_from([mine, None])), data.draw(QUERY))
    try:
        question, work = panels.action(kind)(place, data.draw(PAYLOAD))
        assert question
        next(work)
        for _ in range(20):  # whatever it calls fails
            work.send(FAILED)
        work.close()
    except (InputError, StopIteration) as end:
        assert str(end)  # noqa: PT017 (either is fine, silence is not)


def test_posts_of_other_sites_are_not_carried_out(
    client: TestClient, routes: list[Route], mine: Session
) -> None:
    posts = [route for route in routes if route.methods and "POST" in route.methods]
    assert posts
    for route in posts:
        path = re.sub(r"\{conversation\}", mine.id, route.path)
        path = re.sub(r"\{\w+(?::\w+)?\}", "x", path)
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": "http://127.0.0.1:8000"},
        ):
            answer = client.post(path, content=b"{}", headers={"content-type": "application/json", **headers})
            assert answer.status_code == 403, path
            assert "another site" in answer.text or "own page" in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *(("127.0.0.1:7860", 200), ("localhost:1", 200), ("[::1]:7860", 200), ("LOCALHOST", 200)),
        *(("chat.localhost:7860", 200), ("evil.example", 421), ("evil.example:7860", 421), ("", 421)),
        *(("127.0.0.1.evil.example", 421), ("192.168.1.4:7860", 421), ("0.0.0.0:7860", 421)),
    ],
)
def test_only_names_of_this_machine_are_answered(client: TestClient, host: str, status: int) -> None:
    answer = client.get("/areographer/c/-/panel/evidence", headers={"host": host})
    assert answer.status_code == status
    if status == 421:
        assert "chat_hosts" in answer.text


def test_a_server_for_all_and_a_named_proxy_are_answered(routes: list[Route]) -> None:
    for given_ in ({"local": False}, {"local": True, "hosts": ("Planets.example",)}):
        app = Starlette(routes=routes, middleware=[Middleware(Guard, **given_)])  # type: ignore[arg-type]
        with TestClient(app, base_url="http://planets.example") as client:
            assert client.get("/areographer/c/-/panel/evidence").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/gradio_api/file=https://example.com/x.png", "/gradio_api/file=HTTP://169.254.169.254/latest"),
        *("/gradio_api/proxy=https://example.com", "/gradio_api/run/predict", "/gradio_api/api/predict"),
        *(
            "/gradio_api/call/x",
            "/gradio_api/vibe-code",
            "/gradio_api/vibe-edit/",
            "/gradio_api/openapi.json",
        ),
        *(
            "/gradio_api/dev/reload",
            "/gradio_api/deep_link",
            "/gradio_api/queue/status",
            "/monitoring/summary",
        ),
        *(
            "/gradio_api/process_recording",
            "/gradio_api/stream/x",
            "/gradio_api/runs",
            "/openapi.json",
            "/docs",
        ),
        *("/gradio_api/token", "/gradio_api/user", "/login", "/gradio_api/custom_component/x/y/z/w"),
    ],
)
def test_what_a_page_does_not_need_of_gradio_is_shut(client: TestClient, path: str) -> None:
    assert GRADIO_SHUT.match(path)
    assert not GRADIO_OPEN.fullmatch(path)
    assert client.get(path).text == "There is nothing at this address."


@pytest.mark.parametrize(
    "path", ["https://example.com/x.png", " HTTP://x", "file:///etc/passwd", "ftp://x/y"]
)
def test_the_server_is_never_sent_to_fetch_a_file(client: TestClient, path: str) -> None:
    event = {"data": [{"text": "x", "files": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}]}
    for body in (json.dumps(event), json.dumps(event).replace("t", "\\u0074")):
        answer = client.post("/gradio_api/queue/join", content=body, headers=HEADERS)
        assert answer.status_code == 400
        assert "has to be sent itself" in answer.text
    # Anything else goes on to Gradio, which is not there in this test.
    for body in (json.dumps(event).replace(path, "/tmp/gradio/x/C_1.png"), "{", "[" * 3000):
        answer = client.post("/gradio_api/queue/join", content=body, headers=HEADERS)
        assert answer.status_code == 404


def test_bodies_that_are_too_large_are_refused_with_the_limit(client: TestClient, mine: Session) -> None:
    much = b" " * (MOST_BODY_BYTES + 1)
    declared = client.post("/gradio_api/queue/join", content=much, headers=HEADERS)

    def pieces() -> Iterator[bytes]:  # without a declared length
        for _ in range(9):
            yield b" " * 1_000_000

    undeclared = client.post(
        "/areographer/bring?name=x.csv",
        content=pieces(),
        headers={"content-type": "application/octet-stream"},
    )
    assert declared.status_code == 413
    assert "at most 8 MB" in declared.text
    assert undeclared.status_code == 200  # an upload may be that large


def bring(client: TestClient, name: str, content: bytes) -> Any:
    return client.post(
        "/areographer/bring",
        params={"name": name},
        content=content,
        headers={"content-type": "application/octet-stream", "sec-fetch-site": "same-origin"},
    )


def a_zip(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def a_png() -> bytes:
    stream = io.BytesIO()
    Image.radial_gradient("L").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"", "is empty"),
        ("x.exe", b"MZ\x90", "is neither a picture nor a catalogue"),
        ("", b"", "is neither a picture nor a catalogue"),
        ("../../evil.png", b"<svg onload=alert(1)>", "'evil.png' cannot be read as a picture"),
        ("a\r\nSet-Cookie: x=1.png", b"x", "cannot be read as a picture"),
        ("x.zip", a_zip(**{"recipe.json": "[]"}), "is a transcript"),
        ("<b>x</b>.svg", b"<svg/>", "'b.svg' is neither a picture"),
    ],
)
def test_files_that_cannot_be_used_are_refused_in_words(
    client: TestClient, house: House, name: str, content: bytes, said: str
) -> None:
    waiting = house.settings.uploads / WAITING
    before = list(waiting.iterdir()) if waiting.is_dir() else []
    answer = bring(client, name, content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert "Next: " in answer.json()["error"]
    assert "set-cookie" not in answer.headers
    assert list(waiting.iterdir()) == before


def test_a_file_that_was_brought_becomes_a_turn_once(client: TestClient, house: House, mine: Session) -> None:
    told = bring(client, "my craters.csv", b"lon,lat\n1,2\n").json()
    assert told["kind"] == "catalogue"
    question, work = panels.action("bring")(Place(house, mine), {"files": [told["file"]]})
    assert question == "Load the catalogue my_craters.csv"
    assert next(work) == ("load_catalogue", {"file": "my_craters.csv"})
    work.close()
    assert (house.settings.uploads / mine.id / "my_craters.csv").read_text() == "lon,lat\n1,2\n"
    with pytest.raises(InputError, match=r"no longer there.*bring it again"):
        panels.action("bring")(Place(house, mine), {"files": [told["file"]]})
    picture = bring(client, "x.png", a_png()).json()
    question, work = panels.action("bring")(Place(house, mine), {"files": [picture["file"]]})
    assert question.startswith("Show tiles like picture-")
    work.close()


@pytest.mark.parametrize("token", ["..", "../other", "", None, 3, "0" * 32, "../../../etc", ["x"], {"a": 1}])
def test_no_token_leads_to_other_files(house: House, mine: Session, other: Session, token: Any) -> None:
    with pytest.raises(InputError):
        panels.action("bring")(Place(house, mine), {"files": [token]})
    with pytest.raises(InputError):
        panels.action("bring")(Place(house, mine), {"files": token})


def test_what_waits_too_long_is_thrown_away(client: TestClient, house: House) -> None:
    told = bring(client, "x.csv", b"lon,lat\n1,2\n").json()
    folder = house.settings.uploads / WAITING / told["file"]
    sweep(house.settings)
    assert folder.is_dir()
    sweep(house.settings, now=time.time() + 4000)
    assert not folder.exists()


def test_the_same_name_of_another_conversation_is_not_found(
    client: TestClient, mine: Session, other: Session
) -> None:
    for kind in ("file", "upload"):
        assert client.get(f"/areographer/c/{mine.id}/{kind}/secret.csv").status_code == 404
        assert client.get(f"/areographer/c/{other.id}/{kind}/secret.csv").text == SECRET


def test_links_in_the_folder_of_uploads_are_not_followed(
    client: TestClient, house: House, mine: Session, other: Session
) -> None:
    folder = house.settings.uploads / mine.id
    folder.mkdir(parents=True, exist_ok=True)
    os.symlink(house.settings.home / "secret.csv", folder / "link.csv")
    assert client.get(f"/areographer/c/{mine.id}/upload/link.csv").status_code == 404


EVIL_TEXTS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](http://evil.example/x.png) <http://evil.example>",
    "\u202eexe.gnp\u2066 \u0000\u0007\u001b[31m",
    "$$\\href{javascript:alert(1)}{x}$$ `x` **b** # h",
    "a" * 1_000_000,
    "picture-000000000000.png " * 200,
    "\ud800 half a pair",
    "[L1](#L1) [[L1]] [L1][L2]: http://evil.example",
)


@pytest.mark.parametrize("text", EVIL_TEXTS, ids=range(len(EVIL_TEXTS)))
def test_no_text_becomes_markup_or_a_request(text: str) -> None:
    progress = Progress(text)
    progress.text = text
    for message in messages(progress, 0, "areographer/c/x", latest=True):
        content = str(message["content"])
        assert "<script" not in content
        assert "<img" not in content
        assert "![x]" not in content
        assert len(content) < 1_100_000 if message["role"] == "assistant" else len(content) < 3000
        assert not re.search(r"\]\(\s*javascript:", content, re.IGNORECASE)
        assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08]", content)


def test_a_convention_that_is_asked_for_is_read_and_nothing_else() -> None:
    for text, arguments in (
        ("Load my_craters.csv with west-positive longitudes", {"longitude": "west"}),
        ("load the catalogue a.kmz with planetographic latitudes.", {"latitude": "planetographic"}),
        (
            "Read a.csv with east-positive longitudes and planetocentric latitudes",
            {"longitude": "east", "latitude": "planetocentric"},
        ),
    ):
        question, work = read_again(text) or ("", iter(()))
        assert question == text
        tool, given_ = next(work)
        assert tool == "load_catalogue"
        assert {name: value for name, value in given_.items() if name != "file"} == arguments
        work.close()  # type: ignore[union-attr]
    for text in ("Load my_craters.csv with", "Load my_craters.csv", "How far are cones from a.csv?"):
        assert read_again(text) is None


def test_several_files_make_one_turn() -> None:
    brought = [Brought("catalogue", "a.csv", "a.csv"), Brought("catalogue", "b.kmz", "b.kmz")]
    question, work = turn_of(brought)
    assert question == "Load the catalogues a.csv and b.kmz"
    work.close()


def test_hosts_are_read_as_browsers_write_them() -> None:
    assert host_name("[::1]:7860") == "::1"
    assert host_name("LocalHost:80") == "localhost"
    assert is_local("127.0.0.1")
    assert is_local("::1")
    assert is_local("localhost")
    assert not is_local("0.0.0.0")
    assert not is_local("::")

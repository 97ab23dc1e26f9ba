"""Posts of the page: JSON from our own page only, and the user's errors in words."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from agent.chat.house import LARGEST_POST_BYTES, guarded
from retrieval.errors import QuestionError


def answer(request: Request, payload: object) -> object:
    if payload == {"bad": True}:
        raise QuestionError("that is bad", allowed="good things")
    return {"got": payload}


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[Route("/do", guarded(answer), methods=["POST"])]))


def test_json_of_our_own_page_is_answered(client: TestClient) -> None:
    assert client.post("/do", json={"a": 1}).json() == {"got": {"a": 1}}
    own = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert client.post("/do", json={}, headers=own).status_code == 200
    assert client.get("/do").status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
    ],
)
def test_posts_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    headers = {"content-type": "application/json", **headers}
    refused = client.post("/do", content=b"{}", headers=headers)
    assert refused.status_code == 403
    assert "own page" in refused.json()["error"]


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"[1]", 400, "no JSON object"),
        (b"{", 400, "no JSON object"),
        (b"[" * 100_000, 400, "no JSON object"),
        (b'"' + b"x" * LARGEST_POST_BYTES, 413, "bytes were sent"),
        (b'{"bad": true}', 400, "that is bad. Allowed: good things."),
    ],
)
def test_what_makes_no_sense_is_told_in_words(
    client: TestClient, content: bytes, status: int, words: str
) -> None:
    refused = client.post("/do", content=content, headers={"content-type": "application/json"})
    assert refused.status_code == status
    assert words in refused.json()["error"]

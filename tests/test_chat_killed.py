"""A server that is killed in the middle of an answer, and two pages on one conversation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.conversations import ConversationStore
from app import build_app
from prompts import load_prompts
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS, GradioPage, Json, free_port, serving, texts

pytestmark = [*GRADIO_WARNINGS]

FIRST = "Where are pitted cones?"
SECOND = "Where are lava flows?"
THIRD = "Where are yardangs?"


@contextmanager
def process(home: Path, index: TileIndex, mode: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A chat in a process of its own: its address and the process, which has said that it listens."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.serve_tiny", str(home), str(index.folder), str(port), mode],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert "listening" in server.stdout.readline()
        yield f"http://127.0.0.1:{port}", server
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_a_killed_server_loses_the_rest_of_one_answer_and_nothing_else(
    tmp_path: Path, tiny_index: TileIndex
) -> None:
    home = tmp_path / "home"
    with process(home, tiny_index) as (address, _), GradioPage(address) as page:
        answered = page.ask(FIRST)
        conversation = answered["channel"]["conversation"]
    with (
        process(home, tiny_index, "hang") as (address, server),
        GradioPage(address, f"c={conversation}") as page,
    ):
        assert FIRST in texts(page.last("page", "load"))
        page.press("ask", "submit", {"text": SECOND, "files": []})
        assert "hanging" in server.stdout.readline()
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    with process(home, tiny_index) as (address, _), GradioPage(address, f"c={conversation}") as page:
        shown = page.last("page", "load")
        said = texts(shown)
        assert texts(answered)[:3] == said[:3]
        assert SECOND in said
        assert any("cut off before it was answered: the program ended" in text for text in said)
        # What had come is there: the layer is in the list and can be drawn.
        kept = said[said.index(SECOND) :]
        assert any("L2" in text and "Search for" in text for text in kept)
        assert shown["channel"]["working"] is False
        layers = page.http.get(f"areographer/c/{conversation}/layers", params={"ids": "L1,L2"}).json()
        assert [layer["id"] for layer in layers["layers"]] == ["L1", "L2"]
        asked = page.ask(THIRD)
        assert asked["channel"]["conversation"] == conversation
        assert asked["channel"]["layers"] == ["L3"]
    with ConversationStore(Settings(home=home).conversations) as store:
        turns = store.turns(conversation)
        assert store.in_hand(conversation) is None
    assert [turn.question for turn in turns] == [FIRST, SECOND, THIRD]
    assert [turn.status for turn in turns] == ["answered", "stopped", "answered"]


class TestTwoPages:
    """Two tabs of a browser that show the same conversation."""

    @pytest.fixture
    def address(
        self, tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder
    ) -> Iterator[str]:
        settings = Settings(home=tmp_path / "home")
        chat = build_app(settings, tiny_index, pattern_encoder, load_prompts(), "offline")
        with serving(chat, settings) as opened:
            yield opened

    def test_the_second_sees_the_question_of_the_first_and_its_answer(self, address: str) -> None:
        with GradioPage(address) as one:
            conversation = self._begin(one)
            with GradioPage(address, f"c={conversation}") as two:
                two.last("page", "load")
                views = one.fire("ask", "submit", {"text": SECOND, "files": []})
                assert SECOND in texts(next(views))
                seen = two.last("page", "load")
                answered = list(views)[-1]
                assert texts(seen) == texts(answered)
                assert seen["channel"] == answered["channel"]

    def test_what_both_ask_is_answered_once_each_and_nothing_mixes(self, address: str) -> None:
        with GradioPage(address) as one:
            conversation = self._begin(one)
            with GradioPage(address, f"c={conversation}") as two:
                two.last("page", "load")
                first = one.fire("ask", "submit", {"text": SECOND, "files": []})
                next(first)
                told = list(two.fire("ask", "submit", {"text": THIRD, "files": []}))
                answered = list(first)[-1]
                # Either it came too early and the second page is told so, or it came after the end.
                refused = any("still being answered" in str(view.get("notice")) for view in told)
                questions = [FIRST, SECOND] if refused else [FIRST, SECOND, THIRD]
                both = two.last("page", "load")
                assert [text for text in texts(both) if text in (FIRST, SECOND, THIRD)] == questions
                assert SECOND in texts(answered)
                layers = [f"L{number + 1}" for number in range(len(questions))]
                assert both["channel"]["layers"] == layers[-1:]

    @staticmethod
    def _begin(page: GradioPage) -> Json:
        return page.ask(FIRST)["channel"]["conversation"]

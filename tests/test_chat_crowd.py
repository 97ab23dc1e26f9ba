"""More people at once than a server has threads by default: all are taken, and panels still come."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

import app
from prompts import load_prompts
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.chat_double import opener
from tests.fakes import PatternEncoder
from tests.gradio_page import GRADIO_WARNINGS, GradioPage, serving

pytestmark = [*GRADIO_WARNINGS]
PEOPLE = 48  # Starlette and Gradio share 40 threads unless told otherwise


def test_a_crowd_that_waits_keeps_nobody_from_asking_or_looking(
    tmp_path: Path, tiny_index: TileIndex, pattern_encoder: PatternEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "home")
    monkeypatch.setattr(app, "open_conversation", opener())
    chat = app.build_app(settings, tiny_index, pattern_encoder, load_prompts(), "offline")
    with serving(chat, settings) as address, GradioPage(address) as page:
        for _ in range(PEOPLE):
            page.session = uuid.uuid4().hex
            page.press("ask", "submit", {"text": "slow", "files": []})
        ends = time.monotonic() + 120
        while len(chat.sessions) < PEOPLE and time.monotonic() < ends:
            page.http.get("areographer/c/-/panel/evidence").raise_for_status()
        assert len(chat.sessions) == PEOPLE
        assert "Every conversation" in page.http.get("areographer/c/-/panel/conversations").text

"""A chat over a tiny index in a process of its own, which can be killed: `python -m tests.serve_tiny`.

With ``hang`` as the last word, maps are begun and never end, so that a test can kill it in the middle of an
answer.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import tools.maps.draw
from app import build_app, start
from prompts import load_prompts
from retrieval.index import open_matching
from retrieval.settings import Settings
from tests.fakes import PatternEncoder


def main(home: str, index: str, port: str, mode: str = "") -> None:
    """Serve until killed; says so on standard output once it listens."""

    def hang(*given: Any, **named: Any) -> None:
        print("hanging", flush=True)
        threading.Event().wait()

    if mode == "hang":
        tools.maps.draw.save_picture = hang  # type: ignore[assignment]
    settings, encoder = Settings(home=Path(home)), PatternEncoder()
    chat = build_app(settings, open_matching(Path(index), encoder), encoder, load_prompts(), "offline")
    start(chat, settings, port=int(port))
    print("listening", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

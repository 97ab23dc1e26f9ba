"""How large a transcript is, how long it takes to write, and how soon its page can be used.

    python benchmarks/transcript_size.py [--index lowell] [--repeats 5] [--keep FOLDER] [--json FILE]

A conversation of ten questions is held with the offline planner on an index until six layers are there; its
page and its bundle are written twice, the second time with all maps drawn. The page is opened as a file in
Debian's chromium with the network cut off, with a software renderer: the clock runs from the start of
loading until the text can be read (``DOMContentLoaded``) and until the map says that it is drawn
(``areographer:drawn``). The baseline is a page of one question.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from _common import make_parser, write_json
from _offline_page import offline_page
from playwright.sync_api import Browser, sync_playwright

from agent.conversations import ConversationStore
from agent.events import Turn
from agent.loop import open_conversation
from agent.transcript import write_bundle
from prompts import load_prompts
from retrieval.encoder import load_encoder
from retrieval.library import encoder_name, open_or_make
from retrieval.settings import load_settings
from tools.workspace import Workspace

QUESTIONS = (
    "Where are pitted cones within 40 km of outflow channels?",
    "Summarise L3",
    "Which way are the features of L1 oriented?",
    "How dense is L1 by latitude?",
    "Where are yardangs?",
    "Does L1 lie nearer to L2 than chance?",
    "Where are gullies?",
    "Draw a map of L1 and L2",
    "Compare L1 by elevation",
    "Export L3 as GeoPackage",
)
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
HEAR = """
addEventListener('areographer:drawn', (event) => { window.told ??= event.detail.ms; });
addEventListener('DOMContentLoaded', () => { window.read = performance.now(); });
"""
MOST_MB, MOST_S = 8.0, 2.0


def hold(index_name: str, home: Path) -> tuple[Workspace, list[Turn], float]:
    """The conversation, and how many seconds its answers took."""
    settings, prompts = load_settings(), load_prompts()
    encoder = load_encoder(encoder_name(index_name, settings))
    index = open_or_make(index_name, settings, encoder, prompts.background)
    own = replace(settings, home=home)
    with ConversationStore(own.conversations) as store:
        conversation = open_conversation(own, store, index, encoder, prompts, "offline")
        started = time.perf_counter()
        for question in QUESTIONS:
            for _ in conversation.ask(question):
                pass
        return conversation.workspace, list(conversation.turns), time.perf_counter() - started


def labels_of(workspace: Workspace) -> list[dict[str, str]]:
    """Twelve verdicts on the first layer."""
    rows = workspace.layers.get("L1").table["row_id"].astype(str).tolist()[:12]
    common = {"layer": "L1", "search": "L1", "view": "surest", "time": "2026-01-01T00:00:00Z"}
    verdicts = ("accept", "reject")
    return [{"tile_id": row, "verdict": verdicts[i % 2], **common} for i, row in enumerate(rows)]


def opened(browser: Browser, page: Path) -> dict[str, float]:
    """Milliseconds until a page could be read and until its map was drawn; requests it made."""
    with offline_page(browser, page, HEAR) as (tab, asked):
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_function("() => window.told && window.read")
        read_ms, drawn_ms = tab.evaluate("[window.read, window.told]")
    return {"read_s": read_ms / 1000, "drawn_s": drawn_ms / 1000, "requests": len(asked)}


def timed_bundle(
    turns: Sequence[Turn], workspace: Workspace, out: Path, name: str, labels: Sequence[dict[str, str]] = ()
) -> tuple[Any, float]:
    started = time.perf_counter()
    bundle = write_bundle(name, turns, workspace, out, labels=labels)
    return bundle, time.perf_counter() - started


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--index", default="lowell")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="leave the conversation and its transcript here")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = options.keep or Path(folder)
        workspace, turns, figures["answers_s"] = hold(options.index, home)
        out = home / "out"
        figures["turns"], figures["layers"] = len(turns), len(workspace.layers)
        one, _ = timed_bundle(turns[:1], workspace, out, "one")
        bundle, figures["write_first_s"] = timed_bundle(turns, workspace, out, "ten", labels_of(workspace))
        bundle, figures["write_again_s"] = timed_bundle(turns, workspace, out, "ten", labels_of(workspace))
        figures["html_bytes"] = bundle.html.stat().st_size
        figures["html_bytes_one_turn"] = one.html.stat().st_size
        figures["zip_bytes"] = bundle.zip.stat().st_size
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened(browser, one.html)  # the first page of a browser waits for the browser itself
        for name, page in (("one_turn", one.html), ("ten_turns", bundle.html)):
            runs = [opened(browser, page) for _ in range(options.repeats)]
            for what in ("read_s", "drawn_s"):
                figures[f"{name}_{what}"] = statistics.median(run[what] for run in runs)
                figures[f"{name}_{what}_worst"] = max(run[what] for run in runs)
            figures[f"{name}_requests"] = int(max(run["requests"] for run in runs))
        browser.close()
    for name, value in figures.items():
        print(f"{name:28s} {value:14,.3f}" if isinstance(value, float) else f"{name:28s} {value:14,d}")
    small = figures["html_bytes"] <= MOST_MB * 1e6
    soon = figures["ten_turns_drawn_s"] <= MOST_S
    print(f"at most {MOST_MB:g} MB: {'yes' if small else 'NO'}")
    print(f"drawn within {MOST_S:g} s: {'yes' if soon else 'NO'}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

"""What a person waits for in a browser: the page, the first step and the whole answer of warm questions.

    python benchmarks/chat_latency.py [--json FILE] [--screenshot FILE]

Starts `areographer chat` on loopback, drives Debian's chromium through Playwright, and watches the page. The
home folder is the user's own, so that an index already made is used. The baseline is the answer's own time,
without the browser.
"""

from __future__ import annotations

import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from _common import make_parser, write_json
from playwright.sync_api import Page, sync_playwright

QUESTIONS = (
    "Where are impact craters with layered ejecta?",
    "Are yardangs south of the equator aligned?",
    "Where are landslides within 30 km of graben?",
    "Where are pitted cones within 40 km of outflow channels, north of 20 degrees?",
)
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(page: Page, question: str) -> dict[str, float]:
    """Seconds from pressing enter until the first step is on the page, and until the answer is checked."""
    steps, ends = page.get_by_text("Search for"), page.get_by_text("traced to tool results")
    steps_before, ends_before = steps.count(), ends.count()
    box = page.locator("#ask textarea")
    box.fill(question)
    started = time.perf_counter()
    box.press("Enter")
    steps.nth(steps_before).wait_for(state="attached", timeout=60_000)
    first = time.perf_counter() - started
    ends.nth(ends_before).wait_for(state="attached", timeout=120_000)
    answered = time.perf_counter() - started
    said = re.search(r"([\d.]+) s\b", ends.nth(ends_before).inner_text())
    return {
        "first_step_s": first,
        "answer_s": answered,
        "answer_without_browser_s": float(said[1]) if said else float("nan"),
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--screenshot", type=Path)
    parser.add_argument("--index", default="lowell")
    options = parser.parse_args()
    port = free_port()
    started = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "cli", "chat", "--port", str(port), "--index", options.index]
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            while True:
                try:
                    page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
                    break
                except Exception:  # refused until the server listens, whatever error the browser names it
                    if server.poll() is not None:
                        raise
                    time.sleep(0.25)
            page.locator("#ask textarea").wait_for(timeout=300_000)
            ready = time.perf_counter() - started
            page.wait_for_timeout(5000)
            rows = [ask(page, question) for question in QUESTIONS]
            if options.screenshot:
                page.wait_for_timeout(6000)  # the globe turns to the layer in software rendering
                page.screenshot(path=options.screenshot)
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    figures = {"start_to_page_s": ready, "questions": len(rows)}
    for name in rows[0]:
        values = [row[name] for row in rows]
        figures[f"{name.removesuffix('_s')}_median_s"] = statistics.median(values)
        figures[f"{name.removesuffix('_s')}_worst_s"] = max(values)
    for name, value in figures.items():
        print(f"{name:36s} {value:8.3f}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

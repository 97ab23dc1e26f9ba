"""How long a person waits who judges tiles: for a verdict, for another page, for the refined gallery.

    python benchmarks/refine_latency.py [--index lowell-6] [--judged 12] [--json FILE]

Starts `areographer chat` on loopback and drives Debian's chromium through Playwright: a question, verdicts by
key, "refine", and the clock stops when the gallery of the refined layer is on the page. ``tool_s`` is what
the dialogue says that the tool itself took; the rest is the turn, the page and the pictures.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time

from _common import make_parser, write_json
from chat_latency import FLAGS, free_port
from playwright.sync_api import Page, sync_playwright

QUESTIONS = ("Where are craters?", "Where are dunes?", "Where are pitted cones?")


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--index", default="lowell-6")
    parser.add_argument("--judged", type=int, default=12)
    options = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "cli", "chat", "--port", str(port), "--index", options.index]
    server = subprocess.Popen(command)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.set_default_timeout(60_000)
            opened(page, f"http://127.0.0.1:{port}/", server)
            rows = [refined(page, question, options.judged) for question in QUESTIONS]
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    print(f"{'':32s}" + "".join(f"{name:>12s}" for name in rows[0]))
    for question, row in zip(QUESTIONS, rows, strict=True):
        print(f"{question:32s}" + "".join(f"{value:12.3f}" for value in row.values()))
    figures = {"judged": options.judged} | {
        f"{name.removesuffix('_s')}_{kind}_s": of([row[name] for row in rows])
        for name in rows[0]
        for kind, of in (("median", statistics.median), ("worst", max))
    }
    write_json(figures, options.json)


def opened(page: Page, address: str, server: subprocess.Popen[bytes]) -> None:
    """Wait for the server, then for the page."""
    while True:
        try:
            page.goto(address, wait_until="commit")
            break
        except Exception:  # refused until the server listens, whatever error the browser names it
            if server.poll() is not None:
                raise
            time.sleep(0.25)
    page.locator("#ask textarea").wait_for()
    page.wait_for_timeout(2000)


def refined(page: Page, question: str, judged: int) -> dict[str, float]:
    """Ask in a new conversation, judge, refine; seconds of each wait."""
    page.locator("#new").click()
    page.locator("#evidence .nothing").wait_for()
    page.locator("#ask textarea").fill(question)
    page.locator("#ask textarea").press("Enter")
    page.get_by_text("traced to tool results").first.wait_for(state="attached")
    page.locator("[data-of] >> nth=0").wait_for()
    page.wait_for_timeout(3000)  # the globe turns to the layer in software rendering
    layer = page.locator("[data-of]").get_attribute("data-of")
    turned = clock(
        page, lambda: page.locator('[data-turn="on"]').click(), "/^2\\//.test(text('.verdicts .pager span'))"
    )
    page.locator("button", has_text="Random").click()
    page.locator('[data-view="random"]').wait_for()
    page.locator(".look").first.focus()
    times = []
    for number in range(judged):
        key, told = ("a", "accept") if number % 2 else ("r", "reject")
        seen = f"document.querySelectorAll('[data-tile]')[{number}].dataset.verdict === '{told}'"
        times.append(clock(page, lambda key=key: page.keyboard.press(key), seen))
    page.wait_for_timeout(1000)
    done = (
        f"document.querySelector('[data-of]')?.dataset.of !== '{layer}'"
        " && document.querySelector('.look img')?.complete"
    )
    waited = clock(page, lambda: page.locator("[data-refine]").click(), done)
    page.get_by_text("Refine L").last.wait_for(state="attached")
    steps = re.findall(
        r"by judged tiles.*?\(([\d.]+)\s*(ms|s)\)", page.locator("#dialogue").inner_text(), re.S
    )
    tool = float(steps[-1][0]) * (0.001 if steps[-1][1] == "ms" else 1.0) if steps else float("nan")
    return {"refine_s": waited, "tool_s": tool, "verdict_s": statistics.median(times), "page_s": turned}


def clock(page: Page, act, seen: str) -> float:  # type: ignore[no-untyped-def]
    """Seconds from an act until a condition holds in the page, looked at with every frame."""
    page.evaluate(
        "(seen) => { const text = (query) => document.querySelector(query)?.textContent || '';"
        " const holds = new Function('text', `return ${seen}`); window.seenAt = null;"
        " const look = () => { if (holds(text)) window.seenAt = performance.now();"
        "   else requestAnimationFrame(look); };"
        " look(); window.begunAt = null;"
        " for (const kind of ['click', 'keydown']) document.addEventListener(kind,"
        "   () => { window.begunAt ??= performance.now(); }, {capture: true, once: true}); }",
        seen,
    )
    act()
    page.wait_for_function("window.seenAt !== null && window.begunAt !== null")
    return float(page.evaluate("(window.seenAt - window.begunAt) / 1000"))


if __name__ == "__main__":
    main()

"""How long a browser takes to draw the interactive map of many points, and how many bytes it is.

    python benchmarks/map_points.py [--points 100000] [--repeats 5] [--index lowell] [--json FILE]

Points lie evenly on an index's planet, with names, scores, probabilities and two measures each. The page
is opened in Debian's chromium, with a software renderer and the network cut off; the clock runs from the
start of loading until the map says that all is drawn (``areographer:drawn``: the graphics card has finished
the first frame with ground and rows). Beside it stand the seconds of a core that all of the browser used,
which depend less on what else the machine does. The baseline is the same page with 100 points, opened in turn
with the other. Bytes are those beyond the library and the map's own code.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from _offline_page import offline_page
from playwright.sync_api import Browser, sync_playwright

from retrieval.index import TileIndex
from retrieval.settings import load_settings
from tools.layers import Layer, Provenance, make_table
from tools.maps.globe import globe_document, globe_payload, globe_scripts, globe_style

BASELINE = 100
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
VIEWS = {
    "globe": ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
    "flat, no WebGL": ["--disable-3d-apis"],
}
HEAR = "addEventListener('areographer:drawn', (event) => { window.told ??= event.detail; })"


def points(index: TileIndex, count: int, seed: int) -> Layer:
    """A layer of points spread evenly over the planet."""
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    lonlat = np.stack([rng.uniform(-180, 180, count), lat], axis=-1)
    score, probability = rng.normal(0, 1, count), rng.uniform(0.5, 1, count)
    names = [f"crater-{i:06d}" for i in range(count)]
    measures = {"diameter_km": rng.gamma(2, 2, count), "azimuth_deg": rng.uniform(0, 180, count)}
    table = make_table(index.body, names, lonlat, score, probability, **measures)
    return Layer("L1", "craters", "features", table, Provenance("made", {}, index.body.name, threshold=0.5))


def busy_s(browser: Browser) -> dict[int, float]:
    """Seconds of a core that each process of the browser has used so far."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return {process["id"]: process["cpuTime"] for process in processes}


def draw(browser: Browser, page: Path) -> dict[str, Any]:
    """Open a page as new; milliseconds until it was drawn, the core's seconds that took, and the rows."""
    with offline_page(browser, page, HEAR, width=1040, height=600) as (tab, asked):
        before = busy_s(browser)
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_function("() => window.told")
        told = tab.evaluate("({...window.told})")
        cpu = sum(used - before.get(process, 0.0) for process, used in busy_s(browser).items())
    return {"ms": told["ms"], "cpu_s": cpu, "rows": told["rows"], "requests": len(asked)}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--index", default="lowell")
    options = parser.parse_args()
    index = TileIndex.open(load_settings().indexes / options.index)
    own = sum(len(script.encode()) for script in globe_scripts()) + len(globe_style().encode())
    figures: dict[str, Any] = {"points": options.points, "baseline_points": BASELINE}
    globe_payload(index, [], thumbnails=False)  # the planet's picture is made once
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {}
        for count in (BASELINE, options.points):
            made = points(index, count, options.seed)
            started = time.perf_counter()
            document = globe_document(
                globe_payload(index, [made], thumbnails=False, max_points=options.points)
            )
            figures[f"make_{count}_s"] = time.perf_counter() - started
            figures[f"bytes_{count}"] = len(document.encode()) - own
            pages[count] = Path(folder) / f"{count}.html"
            pages[count].write_text(document, encoding="utf-8")
        for view, flags in VIEWS.items():
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*QUIET, *flags])
            draw(browser, pages[BASELINE])  # the first page of a browser waits for the browser itself
            runs: dict[int, list[dict[str, Any]]] = {count: [] for count in pages}
            for _ in range(options.repeats):
                for count, page in pages.items():
                    runs[count].append(draw(browser, page))
            browser.close()
            for count, drawn in runs.items():
                figures[f"{view}: drawn_{count}_s"] = statistics.median(run["ms"] for run in drawn) / 1000
                figures[f"{view}: slowest_{count}_s"] = max(run["ms"] for run in drawn) / 1000
                figures[f"{view}: cpu_{count}_s"] = statistics.median(run["cpu_s"] for run in drawn)
                figures[f"{view}: rows_{count}"] = min(run["rows"] for run in drawn)
                figures[f"{view}: requests_{count}"] = max(run["requests"] for run in drawn)
    for name, value in figures.items():
        print(f"{name:40s} {value:14,.3f}" if isinstance(value, float) else f"{name:40s} {value:14,d}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

"""How long the map takes from a moved threshold to the frame that shows it, with 10,000 hits, in chromium.

    python benchmarks/map_threshold.py [--hits 10000] [--moves 30] [--index lowell] [--json FILE]

The layer and as many rows that just missed it are made, spread evenly over an index's planet. Each move
sets the slider as a key press does; the clock stops when the graphics card has finished the next frame (on
plain canvas: with the frame after the one that draws). The renderer is a software one. Beside it: how long
another layer takes to arrive on the map that is there, and how many rows the last move should and did show.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from map_points import QUIET, VIEWS
from playwright.sync_api import Page, sync_playwright

from retrieval.index import TileIndex
from retrieval.settings import load_settings
from tools.candidates import LEAST_LEVEL, Candidates
from tools.layers import Layer, Provenance, make_table
from tools.maps.globe import globe_document, globe_payload
from tools.maps.globe_layers import count_levels

# Resolves with the milliseconds that one change took until it was on the screen.
TIMED = """(change) => new Promise((done) => {
  const root = document.querySelector('.areo-globe'), globe = root.areographer, began = performance.now();
  const told = () => done(performance.now() - began);
  if (globe.view.kind !== 'webgl') {
    requestAnimationFrame(() => requestAnimationFrame(told));
  } else {
    globe.view.map.once('render', () => {
      const gl = globe.view.map.getCanvas().getContext('webgl2');
      const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      (function look() {
        if (gl.clientWaitSync(fence, 0, 0) === gl.TIMEOUT_EXPIRED) setTimeout(look, 1); else told();
      })();
    });
  }
  if (typeof change === 'number') {
    const slider = root.querySelector('li[data-cut=L1] input');
    slider.value = String(change);
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  } else globe.update(change);
})"""
SHOWN = """() => {
  const {state} = document.querySelector('.areo-globe').areographer;
  return state.payload.layers.find((layer) => layer.id === 'L1').shown;
}"""


def spread(index: TileIndex, low: float, high: float, count: int, seed: int, name: str) -> Any:
    """A table of points with probabilities from ``low`` to ``high``."""
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, count)))
    lonlat = np.stack([rng.uniform(-180, 180, count), lat], axis=-1)
    probability = np.sort(rng.uniform(low, high, count))[::-1]
    names = [f"{name}-{i:06d}" for i in range(count)]
    return make_table(index.body, names, lonlat, probability, probability)


def measure(page: Page, levels: list[int], other: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of each move, and of a layer that arrives; rows shown after the last move."""
    times = [page.evaluate(TIMED, level) for level in levels]
    shown = page.evaluate(SHOWN)
    arrived = page.evaluate(TIMED, {"layers": other["layers"], "thumbnails": {}})
    return {"times": times, "shown": shown, "arrived": arrived, "kept": page.evaluate(SHOWN)}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--hits", type=int, default=10_000)
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--index", default="lowell")
    options = parser.parse_args()
    index = TileIndex.open(load_settings().indexes / options.index)
    hits = spread(index, 0.5, 1.0, options.hits, options.seed, "hit")
    missed = spread(index, 0.05, 0.5, options.hits, options.seed + 1, "miss")
    made = Provenance("search_words", {}, index.body.name, threshold=0.5)
    layer, second = Layer("L1", "hits", "tiles", hits, made), Layer("L2", "others", "tiles", missed, made)
    both = np.concatenate([hits["probability"], missed["probability"]])
    near = {"L1": Candidates(missed, count_levels(both), LEAST_LEVEL)}
    cache = load_settings().home / "cache"
    payload = globe_payload(index, [layer], thumbnails=False, candidates=near, cache=cache)
    more = globe_payload(index, [layer, second], thumbnails=False, candidates=near, cache=cache)
    levels = np.random.default_rng(options.seed).integers(LEAST_LEVEL, 100, options.moves).tolist()
    expected = near["L1"].counts[levels[-1]]
    figures: dict[str, Any] = {"hits": options.hits, "moves": options.moves, "expected_rows": expected}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "map.html"
        path.write_text(globe_document(payload), encoding="utf-8")
        for kind, flags in VIEWS.items():
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*QUIET, *flags])
            names = ("globe", "mercator", "north") if kind == "globe" else ("flat, no WebGL",)
            for name in names:
                page = browser.new_page(viewport={"width": 1040, "height": 600}, reduced_motion="reduce")
                page.set_default_timeout(120_000)
                page.goto(path.as_uri())
                page.wait_for_selector(".areo-globe[data-drawn]")
                if name in ("mercator", "north"):
                    page.evaluate(f"document.querySelector('.areo-globe').areographer.project('{name}')")
                    page.wait_for_timeout(1500)
                found = measure(page, levels, more)
                figures[f"{name}: median_ms"] = statistics.median(found["times"])
                figures[f"{name}: slowest_ms"] = max(found["times"])
                figures[f"{name}: layer_arrives_ms"] = found["arrived"]
                figures[f"{name}: rows_after_move"] = found["shown"]
                figures[f"{name}: rows_after_arrival"] = found["kept"]
                page.close()
            browser.close()
    for name, value in figures.items():
        print(f"{name:40s} {value:14,.1f}" if isinstance(value, float) else f"{name:40s} {value:14,d}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

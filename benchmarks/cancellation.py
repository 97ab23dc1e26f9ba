"""How long a question goes on after stop: every long tool on real layers and on big ones, through the loop.

    python benchmarks/cancellation.py [--index NAME] [--rows N] [--json FILE]

Each call runs once undisturbed and then, if it took a second or more, is stopped at shares of that time. Two
figures: until the question is over for the user, and until the work behind it is over too.
"""

from __future__ import annotations

import shutil
import threading
import time
from typing import Any

import numpy as np
from _common import make_parser, write_json
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage

from agent.conversations import ConversationStore
from agent.loop import Conversation
from cli import _open_index
from prompts import load_prompts
from retrieval.library import open_context_rasters
from retrieval.settings import load_settings
from tools import TOOLS
from tools.layers import make_table
from tools.workspace import Workspace, open_workspace

SHARES = (0.1, 0.4, 0.7)
LEAST_S = 1.0


class Scripted(FakeMessagesListChatModel):
    """A model that asks for one call."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def calls(one: str, other: str) -> list[tuple[str, dict[str, Any]]]:
    """Every tool that may take long, on two layers."""
    pair = {"layer": one, "other": other}
    return [
        ("filter_layer", {"layer": one, "where": ["elevation_m > 0"]}),
        ("near", {**pair, "distance_km": 40.0}),
        ("without", {**pair, "distance_km": 40.0}),
        ("nearest", pair),
        ("overlap", pair),
        ("downslope", {**pair, "distance_km": 40.0}),
        ("union", {"layers": [one, other]}),
        ("merge_features", {"layer": one, "distance_km": 20.0}),
        ("associate", {**pair, "distance_km": 40.0}),
        ("associate", {**pair, "distance_km": 40.0, "null": "clusters"}),
        ("associate", {**pair, "distance_km": 40.0, "null": "strata", "strata": "elevation"}),
        ("novelty", {"layer": one, "catalogue": other, "distance_km": 40.0}),
        ("evaluate_layer", {"layer": one, "catalogue": other}),
        ("density", {"layer": one}),
        ("compare", {**pair, "by": "elevation"}),
        ("compare", {"layer": one, "by": "elevation"}),
        ("orientation", {"layer": one}),
        ("summarise", {"layer": one}),
        ("draw_map", {"layers": [one, other]}),
        ("draw_map", {"layers": [one, other], "projection": "orthographic"}),
        ("export_layer", {"layers": [one, other], "format": "gpkg"}),
    ]


def add_points(ws: Workspace, rows: int, title: str, seed: int) -> str:
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, rows)))
    lonlat = np.column_stack([rng.uniform(-180, 180, rows), lat])
    table = make_table(ws.body, [f"{title}-{row}" for row in range(rows)], lonlat)
    return ws.layers.add(title, "catalogue", table, ws.provenance("made by hand", {})).id


def busy() -> list[threading.Thread]:
    """Threads of calls that still work."""
    return [thread for thread in threading.enumerate() if thread.name == "call"]


def run(
    ws: Workspace, store: ConversationStore, tool: str, arguments: dict[str, Any], after_s: float | None
) -> tuple[float, float, str]:
    """Seconds from stop (or the start) until the question is over, and until its work is; how it ended."""
    call = {"name": tool, "args": arguments, "id": "a"}
    chat = Scripted(responses=[AIMessage("", tool_calls=[call]), AIMessage("Done.")])
    talk = Conversation(store.create("x", "offline"), ws, "offline", chat, "", store, TOOLS)
    pressed = time.perf_counter()

    def press() -> None:
        nonlocal pressed
        pressed = time.perf_counter()
        ws.stop.set()

    events = talk.ask("Go on?")
    next(events)
    button = threading.Timer(after_s, press) if after_s is not None else None
    if button:
        button.start()
    *_, answered = events
    over = time.perf_counter()
    if button:
        button.cancel()
    for thread in busy():
        thread.join()
    if talk.turns[0].steps[0].error and not button:
        print(f"    {tool}: {talk.turns[0].steps[0].error[:120]}")
    return over - pressed, time.perf_counter() - pressed, str(answered.status)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--index", default="lowell")
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    settings, prompts = load_settings(), load_prompts()
    encoder, index = _open_index(options.index, settings, prompts)
    folder = settings.layers / "cancellation"
    shutil.rmtree(folder, ignore_errors=True)
    ws = open_workspace(
        settings,
        index,
        encoder,
        folder,
        prompts.templates,
        glossary=prompts.descriptions,
        context=open_context_rasters(index, settings),
    )
    search = next(tool for tool in TOOLS if tool.__name__ == "search_words")
    small = [search(ws, text=text).layer_ids[0] for text in ("pitted cones", "outflow channels")]
    big = [add_points(ws, options.rows, f"points {seed}", seed) for seed in (1, 2)]
    lags: list[float] = []
    works: list[float] = []
    with ConversationStore(folder / "conversations.sqlite") as store:
        for tool, arguments in [*calls(*small), *calls(*big)]:
            total, _, _ = run(ws, store, tool, arguments, None)
            if total < LEAST_S:
                continue
            for share in SHARES:
                lag, work, status = run(ws, store, tool, arguments, share * total)
                if status == "stopped":
                    lags.append(lag)
                    works.append(work)
                    named = " ".join(str(value) for value in arguments.values())[:34]
                    print(
                        f"{tool:15s} {named:35s} {total:6.1f} s  over {lag:5.2f} s  work {work:6.2f} s",
                        flush=True,
                    )
    shutil.rmtree(folder, ignore_errors=True)
    figures = {
        "stops": len(lags),
        "over_median_s": float(np.median(lags)),
        "over_worst_s": max(lags),
        "work_median_s": float(np.median(works)),
        "work_worst_s": max(works),
        "work_within_a_second": float(np.mean(np.asarray(works) <= 1.0)),
    }
    for name, value in figures.items():
        print(f"{name:24s} {value:8.3f}")
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

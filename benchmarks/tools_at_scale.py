"""What every tool of the agent costs on an index of any size: seconds and memory, call by call.

    python benchmarks/planet.py --make-only --for-app --folder FOLDER --tiles 1440000       such an index
    python benchmarks/tools_at_scale.py FOLDER [--beside FOLDER] [--hits 20000] [--only NAME..] [--json FILE]

Every tool of `tools.TOOLS` is called through a workspace as the chat opens it, on layers of up to ``--hits``
tiles and a made catalogue of as many entries; and what the chat does besides: the map with what just
missed, and the saved conversation. Each index is measured in a process of its own, each call twice with
layers made for it. ``first_s`` is the call that finds nothing ready, ``again_s`` the other. Memory is the
highest resident memory while a call ran, less what stood there before it; pages of the mapped files of
the index that a call is the first to read are in it.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from _made_places import a_gazetteer, some_context, write_files
from _tool_calls import FIRST, given, prepare

import tools
from agent.events import Step, Turn
from agent.transcript import write_bundle
from prompts import load_prompts
from retrieval.encoder import load_encoder
from retrieval.index import TileIndex, open_matching
from retrieval.settings import load_settings
from tools.candidates import candidates_of
from tools.maps.globe import globe_document, globe_payload
from tools.workspace import ToolResult, Workspace, open_workspace

Figures = dict[str, Any]
OF_SMALL = 0.02  # share of tiles that may be hits where there are few
REPEATS = 2
SLOW_S, LARGE_GB = 2.0, 4.0


@dataclass(frozen=True)
class Call:
    """A named piece of work; ``tool`` is the name of the tool it calls, empty for what is none."""

    name: str
    tool: str
    work: Callable[[], Any]


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("index", type=Path, help="folder of an index")
    parser.add_argument("--beside", type=Path, help="folder of another one, measured beside it")
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="calls whose names begin with these")
    parser.add_argument("--alone", action="store_true", help="in this process, JSON on standard output")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure(options.index, options.hits, options.seed, options.only)))
        return
    folders = [options.index, *([options.beside] if options.beside else [])]
    found = [_in_its_own_process(folder, options) for folder in folders]
    _print(found)
    write_json({"indexes": found}, options.json)


def measure(folder: Path, hits: int, seed: int, only: list[str] | None = None) -> Figures:
    """Seconds and GB of every call on the index of a folder."""
    with tempfile.TemporaryDirectory(prefix="tools-") as temporary:
        ws = a_workspace(Path(temporary), folder, hits, seed)
        most = min(hits, max(1, round(OF_SMALL * len(ws.index))))
        prepare(ws, most)
        gc.collect()
        gc.freeze()  # as the chat does before its first question
        rows: dict[str, Figures] = {}
        for repeat in range(REPEATS):
            for call in calls(ws, most):
                if only and not call.name.startswith(tuple(only)):
                    continue
                row = _timed(call)
                if repeat:
                    rows[call.name] |= {"again_s": row["first_s"], "again_gb": row["peak_gb"]}
                else:
                    rows[call.name] = row
        return {
            "index": folder.name,
            "tiles": len(ws.index),
            "dimension": ws.index.manifest.dimension,
            "hits": most,
            "calls": rows,
            "not_called": sorted(
                {tool.__name__ for tool in tools.TOOLS} - {row["tool"] for row in rows.values()}
            ),
        }


def a_workspace(home: Path, folder: Path, hits: int, seed: int) -> Workspace:
    """A conversation's workspace on an index, with files that were brought, places and an elevation model."""
    settings, prompts = load_settings(home), load_prompts()
    encoder = load_encoder(str(TileIndex.open(folder).manifest.encoder["name"]))
    index = open_matching(folder, encoder)
    brought = home / "brought"
    write_files(brought, index.body, hits, seed)
    return open_workspace(
        settings,
        index,
        encoder,
        home / "layers" / "one",
        prompts.templates,
        gazetteer=a_gazetteer(index.body),
        readable=(brought,),
        seed=seed,
        glossary=prompts.descriptions,
        context=some_context(home / "elevation.tif", index.body, seed),
    )


def calls(ws: Workspace, hits: int) -> Iterator[Call]:
    """Every call, in an order in which a conversation could make them."""
    for name, which, arguments in given(ws, hits):
        yield Call(f"{name} {which}".strip(), name, partial(getattr(tools, name), ws, **arguments))
    yield from _of_the_chat(ws)


def _of_the_chat(ws: Workspace) -> Iterator[Call]:
    """What the chat does with two layers besides the tools."""
    layers = [ws.layers.get(name) for name in ("L1", "L2")]
    missed: dict[str, Any] = {}
    step = Step("1", "search_words", {"text": FIRST}, "", ("L1", "L2"), {}, (), 0.0)
    turn = Turn(f"Where are {FIRST}?", (step,), "", "answered", started="2026-01-01T00:00:00+00:00")

    def candidates() -> None:
        missed.update({layer.id: candidates_of(ws, layer) for layer in layers})

    def the_map() -> int:
        known = {name: found for name, found in missed.items() if found is not None}
        return len(globe_document(globe_payload(ws, layers, thumbnails=True, candidates=known)))

    def saved() -> int:
        return write_bundle("one", [turn], ws, ws.output / "saved").html.stat().st_size

    yield Call("chat: what just missed two layers", "", candidates)
    yield Call("chat: page of the map", "", the_map)
    yield Call("chat: conversation saved", "", saved)


def _timed(call: Call) -> Figures:
    gc.collect()
    before = _reset_peak()
    started = time.perf_counter()
    try:
        result, failed = call.work(), ""
    except Exception as error:  # what a tool cannot do at this size is what is looked for
        result, failed = None, f"{type(error).__name__}: {error}"[:200]
    row: Figures = {"tool": call.tool, "first_s": time.perf_counter() - started}
    row["peak_gb"] = max(0.0, _status_gb("VmHWM") - before)
    if failed:
        row["failed"] = failed
    if isinstance(result, ToolResult):
        row["summary"] = result.summary[:300]
    if isinstance(result, int):
        row["bytes"] = result
    print(f"{call.name:40s} {row['first_s']:8.3f} s {row['peak_gb']:8.3f} GB {failed}", file=sys.stderr)
    return row


def _reset_peak() -> float:
    """Make the peak of resident memory what is resident now, GB (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status_gb("VmRSS")


def _status_gb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(name + ":"))


def _in_its_own_process(folder: Path, options: Any) -> Figures:
    command = [sys.executable, __file__, str(folder), "--alone", "--hits", str(options.hits)]
    command += ["--seed", str(options.seed), *(["--only", *options.only] if options.only else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _print(found: list[Figures]) -> None:
    print(f"{'':38s}" + "".join(f"{one['tiles']:>14,} tiles, {one['hits']:,} hits   " for one in found))
    for name, row in found[0]["calls"].items():
        cells = []
        for one in found:
            its = one["calls"].get(name, row)
            mark = "*" if its["first_s"] > SLOW_S or its["peak_gb"] > LARGE_GB else " "
            cells.append(
                f"{its['first_s']:9.3f} {its.get('again_s', np.nan):9.3f} s {its['peak_gb']:7.2f} GB {mark}"
            )
        print(f"{name:38s}" + "   ".join(cells) + (f"  {row['failed']}" if "failed" in row else ""))
    print("first and second time; * over two seconds or four gigabytes")
    for one in found:
        if one["not_called"]:
            print("not called:", ", ".join(one["not_called"]))


if __name__ == "__main__":
    main()

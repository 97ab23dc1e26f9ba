"""What a search costs on an index of a whole planet, beside FAISS, MarsRetrieval's way and memory itself.

    python benchmarks/planet.py --tiles 1440000 [--kind sq8] [--cold] [--json FILE]
    python benchmarks/planet.py --table [--json FILE] [--chart PNG]     10,000 to 10 million tiles
    python benchmarks/planet.py --of JSON... [--chart PNG]              what cost does with size, by kind
    python benchmarks/planet.py --compare PNG [--index DIR]             how alike made and real vectors are

The vectors are made after those of a real index (see `_planet_vectors`), Lowell's by default, with texts
that the encoder knows. A search is `tools.search.search_words` as the chat calls it: the text in every
template, every tile scored or the lists that may hold what is sought, calibrated, hits merged into features,
the layer on disk. Its threshold is set for each text so that about ``--hits`` tiles reach it, half or a
quarter of them, by turns. Recall is that of the best 20,000 against exact float32 cosines, taken while the
vectors were drawn.

A table measures each size in a process of its own. What stands in the files of ``--of`` is not measured
again, and ``--json`` is written after each size: a table that was interrupted goes on with ``--of`` of it.

Made indexes are deleted in the end unless ``--folder`` is given; one that lies there is measured as it is.
``--make-only --for-app --folder HOME/indexes/planet`` makes one that the chat opens, with pictures (1.9 KB a
tile): `benchmarks/tools_at_scale.py` measures what is done with it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from _common import make_parser, write_json
from _planet_compare import compare, draw, figures_of
from _planet_index import LIFT_FILE, TRUTH_FILE, Made, free_gb, make_index, mars_grid, needed_gb
from _planet_measure import (
    BARS_FILE,
    MARSRETRIEVAL_K,
    OF_ALL,
    a_workspace,
    by_turns,
    looked_at,
    probabilities_for,
    recalls,
    stages,
)
from _planet_memory import held_gb, memory_gb
from _planet_process import ask_cold, ask_only, cold_process, fresh_process
from _planet_rounds import Drawing, say
from _planet_table import PLANET, draw_chart, print_tables, read_rows, said, tables
from _planet_together import as_asked, together
from _planet_vectors import LiftedEncoder, PlanetVectors, fit_vectors

from prompts import Prompts, load_prompts
from retrieval.encoder import Encoder, encode_query, load_encoder
from retrieval.index import TileIndex
from retrieval.library import open_or_make
from retrieval.manifest import vector_files
from retrieval.settings import load_settings

Figures = dict[str, Any]
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
KINDS = ("sq8", "fp16", "fp32", "ivf-sq8", "ivf-rabitq")
COMPARED_TILES = 72_000
EXACT_GB = 8.0  # float32 vectors are kept up to here: beside the index they must fit into memory
_PASSED_ON = ("kind", "dimension", "queries", "repeats", "hits", "index", "seed", "grain", "only")
PICTURE_BYTES = 1_900  # of a tile


def main() -> None:
    """Measure, print, write JSON."""
    options = _options()
    if options.table or options.of:
        figures = _table(options) if options.table else tables(read_rows(options.of), options.at)
        print_tables(figures)
        if options.chart:
            draw_chart(figures, options.chart, options.at)
        write_json(figures, options.json)
        return
    prompts, encoder = load_prompts(), load_encoder("areo-mini")
    if options.only_ask:
        print(json.dumps(_only_ask(options, encoder, prompts)))
        return
    pattern = open_or_make(options.index or "lowell", load_settings(), encoder, prompts.background)
    texts = list(encoder.manifest.landforms or ())[: options.queries]
    if options.compare:
        figures = _compare(options, pattern, encoder, prompts, texts)
    else:
        figures = _measure(options, pattern, encoder, prompts, texts)
        _print(figures)
    if options.only and options.json and options.json.is_file():
        figures = json.loads(options.json.read_text(encoding="utf-8")) | figures
    write_json(figures, options.json)


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--tiles", type=int, default=1_440_000)
    parser.add_argument("--kind", default="sq8", choices=KINDS, help="storage of the made index")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=40, help="different texts, at most 40")
    parser.add_argument("--repeats", type=int, default=2, help="searches for each text")
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument(
        "--grain", type=int, default=1, help="tiles across that a landform of the real index takes"
    )
    parser.add_argument("--folder", type=Path, help="keep the made index here, or measure the one there")
    parser.add_argument("--index", help="real index that made vectors are like; Lowell by default")
    parser.add_argument("--make-only", action="store_true", help="make the index and measure nothing")
    parser.add_argument("--cold", action="store_true", help="also open and ask from the disk")
    parser.add_argument(
        "--for-app", action="store_true", help="an index that the encoder itself opens, with pictures"
    )
    parser.add_argument("--table", action="store_true", help="several sizes, and what cost does with size")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="tiles of the table's rows")
    parser.add_argument("--chart", type=Path, metavar="PNG", help="draw the table")
    parser.add_argument("--at", type=int, default=PLANET, help="tiles up to which fits are carried on")
    parser.add_argument(
        "--of", type=Path, nargs="+", default=[], metavar="JSON", help="what was measured before"
    )
    parser.add_argument("--compare", type=Path, metavar="PNG", help="draw made beside real vectors")
    parser.add_argument(
        "--only", choices=("turns", "rest", "cold"), help="measure this part, and keep the others in the JSON"
    )
    parser.add_argument("--only-ask", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--text", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--everything", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.for_app and not (options.make_only and options.folder):
        parser.error("--for-app needs --make-only and --folder: planet.py measures other indexes")
    return options


def _table(options: argparse.Namespace) -> Figures:
    """Rows of all sizes, those not known yet measured one after the other."""
    rows = read_rows(options.of)
    known = {row["tiles"] for row in rows if row["kind"] == options.kind}
    passed = [f"--{name}={value}" for name in _PASSED_ON if (value := getattr(options, name)) is not None]
    for size in options.sizes:
        if len(mars_grid(size)) in known:
            continue
        say(f"{size:,} tiles, {options.kind}")
        with tempfile.TemporaryDirectory(prefix="planet-") as temporary:
            row = Path(temporary) / "row.json"
            command = [sys.executable, __file__, f"--tiles={size}", f"--json={row}", *passed]
            command += ["--cold"] if options.cold else []
            if options.folder:
                command.append(f"--folder={options.folder / f'{options.kind}-{size}'}")
            done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
            if done.returncode:
                print(f"{size:,} tiles could not be measured", file=sys.stderr)
                sys.exit(done.returncode)
            rows += read_rows([row])
        write_json(tables(rows, options.at), options.json)
    return tables(rows, options.at)


def _measure(
    options: argparse.Namespace, pattern: TileIndex, encoder: Encoder, prompts: Prompts, texts: list[str]
) -> Figures:
    count = len(mars_grid(options.tiles))
    with tempfile.TemporaryDirectory(prefix="planet-") as temporary:
        folder = options.folder or Path(temporary) / "index"
        made = _made(options, pattern, encoder, prompts, texts, folder)
        making = {"made_in_s": round(made.seconds, 1), "made_own_gb": round(made.own_gb, 2)}
        if options.make_only:
            return {"tiles": count, "kind": options.kind, **making, "folder": str(folder)}
        lifted = LiftedEncoder(encoder, made.turn)
        hits = min(options.hits, max(1, count // OF_ALL))
        bars = [bar for _, bar in probabilities_for(made, lifted, hits)]
        (folder / BARS_FILE).write_text(json.dumps(bars), encoding="utf-8")
        # As the chat does before its first question: collecting what is loaded would halt a search by 0.3 s.
        gc.collect()
        gc.freeze()
        figures: Figures = {}
        if options.cold or options.only == "cold":  # before this process maps the files
            figures |= cold_process(folder, Path(__file__))
        index = TileIndex.open(folder)
        manifest = index.manifest
        figures |= {"tiles": len(index), "dimension": manifest.dimension, "kind": manifest.storage}
        figures["most_hits"] = hits
        if options.only in (None, "turns"):
            ws = a_workspace(Path(temporary) / "home", index, lifted, prompts)
            figures |= by_turns(ws, made, lifted, hits, options.repeats)
            figures |= {"stages": stages(ws, made, lifted, hits), **looked_at(index, made, lifted, hits)}
            figures |= {"memory_held_gb": held_gb(), "memory_own_gb": memory_gb()["RssAnon"]}
        if options.only in (None, "rest"):
            figures["throughput_20"] = together(index, made)
            figures["asked_20"] = as_asked(index, lifted, prompts, made.texts, bars)
            say("recall")
            figures |= recalls(index, made) | {"recall_in_manifest": manifest.recall}
            figures |= fresh_process(folder, Path(__file__))
            sizes = {name: (folder / name).stat().st_size for name in vector_files(manifest.storage)}
            figures["vectors_gb"] = round(sum(sizes.values()) / 1e9, 3)
        if made.seconds:
            figures |= making
        gc.unfreeze()  # frozen, some libraries complain at the end
        return {**figures, "seed": options.seed, "grain": options.grain, **_machine()}


def _made(
    options: argparse.Namespace,
    pattern: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    texts: list[str],
    folder: Path,
) -> Made:
    count = len(mars_grid(options.tiles))
    if (folder / TRUTH_FILE).is_file() and (folder / "manifest.json").is_file():
        kept = np.load(folder / TRUTH_FILE)
        turn = np.load(folder / LIFT_FILE)
        return Made(
            folder, turn, tuple(kept["texts"].tolist()), kept["queries"], kept["rows"], kept["scores"], 0
        )
    if folder.exists():
        print(f"{folder} holds no whole made index: delete it, or name another folder", file=sys.stderr)
        sys.exit(2)
    dimension = encoder.manifest.dimension if options.for_app else options.dimension
    exact = count * dimension * 4 / 1e9 <= EXACT_GB and not options.for_app
    needed, free = needed_gb(count, dimension, options.kind, exact), free_gb(folder)
    needed += count * PICTURE_BYTES / 1e9 if options.for_app else 0.0
    say(f"making {count:,} tiles, {options.kind}: {needed:.1f} GB of disk at the most, {free:.0f} are free")
    if free < needed:
        print(f"{needed:.1f} GB are needed beside {folder}, {free:.1f} are free", file=sys.stderr)
        sys.exit(2)
    return make_index(
        folder,
        pattern,
        encoder,
        texts,
        prompts.templates,
        prompts.background,
        tiles=options.tiles,
        dimension=dimension,
        kind=options.kind,
        best=max(MARSRETRIEVAL_K, options.hits),
        exact=exact,
        seed=options.seed,
        grain=options.grain,
        progress=Drawing(),
        for_app=options.for_app,
    )


def _only_ask(options: argparse.Namespace, encoder: Encoder, prompts: Prompts) -> Figures:
    folder: Path = options.only_ask
    texts = np.load(folder / TRUTH_FILE)["texts"].tolist()
    lifted = LiftedEncoder(encoder, np.load(folder / LIFT_FILE))
    if options.cold:
        return ask_cold(folder, lifted, prompts, texts, options.text, options.everything)
    return ask_only(folder, lifted, prompts, texts)


def _compare(
    options: argparse.Namespace, pattern: TileIndex, encoder: Encoder, prompts: Prompts, texts: list[str]
) -> Figures:
    model = fit_vectors(pattern, options.dimension, seed=options.seed)
    planet = PlanetVectors(model, mars_grid(COMPARED_TILES), seed=options.seed, grain=options.grain)
    queries = np.stack([encode_query(encoder, text, prompts.templates) for text in texts])
    comparison = compare(pattern, planet, queries, options.seed)
    draw(comparison, texts, options.compare)
    figures = {"index": pattern.manifest.name, "dimension": options.dimension, **figures_of(comparison)}
    for name, value in figures.items():
        print(f"{name:12s} {value}")
    return figures


def _machine() -> Figures:
    names = ("areographer", "faiss-cpu", "numba", "numpy", "torch")
    present = {dist.metadata["Name"] for dist in metadata.distributions()}
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "machine": {
            "processor": cpu[0].split(":")[1].strip() if cpu else platform.processor(),
            "cores": os.cpu_count(),
            "memory_gb": round(pages / 1e9, 1),
            "faiss_threads": faiss.omp_get_max_threads(),
            "torch_threads": torch.get_num_threads(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in names if name in present},
        },
    }


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        if name == "hits":
            most = max(row["found"] for row in value)
            print(f"{'hits':32s} {min(row['found'] for row in value):,} to {most:,}")
            features = [row["features"] / max(row["found"], 1) for row in value]
            print(f"{'features for each hit':32s} {np.median(features):.2f}")
        elif isinstance(value, dict):
            for key, one in value.items():
                print(f"{name + '.' + key:32s} {said(one)}")
        else:
            print(f"{name:32s} {said(value)}")


if __name__ == "__main__":
    main()

"""What a search costs on an index of a whole planet, beside FAISS, MarsRetrieval's way and memory itself.

    python benchmarks/planet.py --tiles 1440000 [--kind sq8] [--json FILE]
    python benchmarks/planet.py --table [--json FILE]             10,000 to 10 million tiles, and the exponent
    python benchmarks/planet.py --compare PNG [--index DIR]       how alike made and real vectors are

The vectors are made after those of a real index (see `_planet_vectors`), Lowell's by default, with texts
that the encoder knows. A search is `tools.search.search_words` as the chat calls it: the text in every
template, every tile scored, calibrated, hits merged into features, the layer on disk. Its threshold is set
for each text so that about ``--hits`` tiles reach it, half or a quarter of them, by turns. Recall is that of
the best 20,000 against exact float32 cosines, taken while the vectors were drawn.

Made indexes are deleted in the end unless ``--folder`` is given; one that lies there is measured as it is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import tempfile
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from _common import make_parser, write_json
from _planet_compare import compare, draw, figures_of
from _planet_index import TRUTH_FILE, TURN_FILE, Made, free_gb, make_index, mars_grid
from _planet_measure import (
    BARS_FILE,
    MARSRETRIEVAL_K,
    a_workspace,
    ask_only,
    by_turns,
    fresh_process,
    probabilities_for,
    recalls,
    stages,
    together,
)
from _planet_measure import slope as slope_of
from _planet_vectors import LiftedEncoder, PlanetVectors, fit_vectors

from prompts import Prompts, load_prompts
from retrieval.encoder import Encoder, encode_query, load_encoder
from retrieval.index import TileIndex
from retrieval.library import open_or_make
from retrieval.settings import load_settings

Figures = dict[str, Any]
TABLE = (10_000, 100_000, 1_000_000, 10_000_000)
COMPARED_TILES = 72_000
EXACT_GB = 8.0  # float32 vectors are kept up to here: beside the index they must fit into memory
OF_SMALL = 0.02  # share of tiles that may be hits where there are few


def main() -> None:
    """Measure, print, write JSON."""
    options = _options()
    if options.of:
        rows = [json.loads(path.read_text(encoding="utf-8")) for path in options.of]
        figures = {"rows": sorted(rows, key=lambda row: row["tiles"])}
        figures |= _exponents(figures["rows"])
        _print_table(figures)
        write_json(figures, options.json)
        return
    prompts, encoder = load_prompts(), load_encoder("areo-mini")
    if options.only_ask:
        print(json.dumps(_only_ask(options.only_ask, encoder, prompts)))
        return
    pattern = _pattern(options.index, encoder, prompts)
    texts = list(encoder.manifest.landforms or ())[: options.queries]
    if options.compare:
        figures = _compare(options, pattern, encoder, prompts, texts)
    elif options.table:
        rows = [_measure(options, pattern, encoder, prompts, texts, tiles) for tiles in TABLE]
        figures = {"rows": rows, **_exponents(rows)}
        _print_table(figures)
    else:
        figures = _measure(options, pattern, encoder, prompts, texts, options.tiles)
        _print(figures)
    if options.only and options.json and options.json.is_file():
        figures = json.loads(options.json.read_text(encoding="utf-8")) | figures
    write_json(figures, options.json)


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--tiles", type=int, default=1_440_000)
    parser.add_argument("--kind", default="sq8", help="storage of the made index")
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=40, help="different texts, at most 40")
    parser.add_argument("--repeats", type=int, default=2, help="searches for each text")
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="keep the made index here, or measure the one there")
    parser.add_argument("--index", help="real index that made vectors are like; Lowell by default")
    parser.add_argument("--make-only", action="store_true", help="make the index and measure nothing")
    parser.add_argument("--table", action="store_true", help="four sizes and the exponent")
    parser.add_argument(
        "--of", type=Path, nargs="+", metavar="JSON", help="the table of what was measured before"
    )
    parser.add_argument("--compare", type=Path, metavar="PNG", help="draw made beside real vectors")
    parser.add_argument(
        "--only", choices=("turns", "rest"), help="measure this part, and keep the other's JSON"
    )
    parser.add_argument("--only-ask", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _pattern(name: str | None, encoder: Encoder, prompts: Prompts) -> TileIndex:
    return open_or_make(name or "lowell", load_settings(), encoder, prompts.background)


def _measure(
    options: argparse.Namespace,
    pattern: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    texts: list[str],
    tiles: int,
) -> Figures:
    with tempfile.TemporaryDirectory(prefix="planet-") as temporary:
        folder = options.folder or Path(temporary) / "index"
        made = _made(options, pattern, encoder, prompts, texts, tiles, folder)
        if options.make_only:
            return {"tiles": len(mars_grid(tiles)), "made_in_s": made.seconds, "folder": str(folder)}
        lifted = LiftedEncoder(encoder, made.turn)
        hits = min(options.hits, max(1, round(OF_SMALL * len(mars_grid(tiles)))))
        bars = [bar for _, bar in probabilities_for(made, lifted, hits)]
        (folder / BARS_FILE).write_text(json.dumps(bars), encoding="utf-8")
        index = TileIndex.open(folder)
        ws = a_workspace(Path(temporary) / "home", index, lifted, prompts)
        # As the chat does before its first question: collecting what is loaded would halt a search by 0.3 s.
        gc.collect()
        gc.freeze()
        figures: Figures = {
            "tiles": len(index),
            "dimension": index.manifest.dimension,
            "kind": index.manifest.storage,
            "most_hits": hits,
        }
        if options.only in (None, "turns"):
            figures |= by_turns(ws, made, lifted, hits, options.repeats)
            figures |= {"stages": stages(ws, made, lifted, hits)}
        if options.only in (None, "rest"):
            figures |= {"throughput_20": together(index, made), **recalls(index, made)}
            figures |= fresh_process(folder, Path(__file__))
            vectors = folder.glob("vectors.*")
            figures["vectors_gb"] = round(sum(path.stat().st_size for path in vectors) / 1e9, 3)
        figures |= {"made_in_s": round(made.seconds, 1), "seed": options.seed, **_machine()}
    return figures


def _made(
    options: argparse.Namespace,
    pattern: TileIndex,
    encoder: Encoder,
    prompts: Prompts,
    texts: list[str],
    tiles: int,
    folder: Path,
) -> Made:
    count = len(mars_grid(tiles))
    if (folder / TRUTH_FILE).is_file():
        kept = np.load(folder / TRUTH_FILE)
        turn = np.load(folder / TURN_FILE)
        return Made(
            folder, turn, tuple(kept["texts"].tolist()), kept["queries"], kept["rows"], kept["scores"], 0
        )
    exact = count * options.dimension * 4 / 1e9 <= EXACT_GB
    needed = count * options.dimension * (5 if exact else 1) / 1e9 * 1.1
    if free_gb(folder) < needed:
        print(f"{needed:.0f} GB are needed beside {folder}, {free_gb(folder):.0f} are free", file=sys.stderr)
        sys.exit(2)
    return make_index(
        folder,
        pattern,
        encoder,
        texts,
        prompts.templates,
        prompts.background,
        tiles=tiles,
        dimension=options.dimension,
        kind=options.kind,
        best=max(MARSRETRIEVAL_K, options.hits),
        exact=exact,
        seed=options.seed,
    )


def _only_ask(folder: Path, encoder: Encoder, prompts: Prompts) -> Figures:
    texts = np.load(folder / TRUTH_FILE)["texts"].tolist()
    return ask_only(folder, LiftedEncoder(encoder, np.load(folder / TURN_FILE)), prompts, texts)


def _compare(
    options: argparse.Namespace, pattern: TileIndex, encoder: Encoder, prompts: Prompts, texts: list[str]
) -> Figures:
    model = fit_vectors(pattern, options.dimension, seed=options.seed)
    planet = PlanetVectors(model, mars_grid(COMPARED_TILES), seed=options.seed)
    queries = np.stack([encode_query(encoder, text, prompts.templates) for text in texts])
    comparison = compare(pattern, planet, queries, options.seed)
    draw(comparison, texts, options.compare)
    figures = {"index": pattern.manifest.name, "dimension": options.dimension, **figures_of(comparison)}
    for name, value in figures.items():
        print(f"{name:12s} {value}")
    return figures


def _exponents(rows: list[Figures]) -> Figures:
    sizes = [row["tiles"] for row in rows]
    found = {name: slope_of(sizes, [row[name] for row in rows]) for name in ("p50_s", "p95_s")}
    found["scan"] = slope_of(sizes, [row["stages"]["scan"] for row in rows])
    steps = pairwise(rows)
    between = [float(np.log(b["p50_s"] / a["p50_s"]) / np.log(b["tiles"] / a["tiles"])) for a, b in steps]
    return {"exponents": found, "exponents_between_sizes": between}


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
                print(f"{name + '.' + key:32s} {_said(one)}")
        else:
            print(f"{name:32s} {_said(value)}")


def _print_table(figures: Figures) -> None:
    columns = ("p50_s", "p95_s", "memory_pass_s", "ratio_to_memory_pass", "speedup_over_marsretrieval")
    columns += ("recall", "rss_gb", "open_s")
    print("  ".join(f"{name:>12s}" for name in ("tiles", "hits", *(name[-12:] for name in columns))))
    for row in figures["rows"]:
        values = [_said(row[name]) for name in columns]
        print("  ".join(f"{value:>12s}" for value in (f"{row['tiles']:,}", f"{row['most_hits']:,}", *values)))
    for name, fit in figures["exponents"].items():
        print(f"{name}: exponent {fit['exponent']:.2f} ({fit['low']:.2f} to {fit['high']:.2f})")
    print("between sizes:", ", ".join(f"{value:.2f}" for value in figures["exponents_between_sizes"]))


def _said(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


if __name__ == "__main__":
    main()

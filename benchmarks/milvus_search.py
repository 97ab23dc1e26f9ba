"""What a search costs with the vectors in an embedded Milvus, beside the same search on the folder's own.

    python benchmarks/milvus_search.py [--tiles 10000 100000] [--index-types FLAT] [--json FILE]

The vectors are made after those of a real index (see `_planet_vectors`). A search is
`tools.search.search_words` as the chat calls it, warm, on either by turns; its threshold is set for each text
so that about 2 % of the tiles reach it, half or a quarter of them, by turns. Layers are compared by hash.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from _planet_index import Made, make_index
from _planet_measure import a_workspace, probabilities_for
from _planet_vectors import LiftedEncoder

from prompts import Prompts, load_prompts
from retrieval.encoder import load_encoder
from retrieval.index import TileIndex
from retrieval.library import open_or_make
from retrieval.settings import load_settings
from retrieval.vectors.milvus import MilvusVectors
from retrieval.vectors.milvus_publish import publish
from retrieval.vectors.place import write_place
from tools.search import search_words

Figures = dict[str, Any]
SHARE = 0.02  # of the tiles are hits, at most


def main() -> None:
    """Measure, print, write JSON."""
    options = _options()
    prompts, encoder = load_prompts(), load_encoder("areo-mini")
    pattern = open_or_make(options.index or "lowell", load_settings(), encoder, prompts.background)
    texts = list(encoder.manifest.landforms or ())[: options.queries]
    rows: list[Figures] = []
    for tiles in options.tiles:
        with tempfile.TemporaryDirectory(prefix="milvus-") as temporary:
            made = make_index(
                Path(temporary) / "index",
                pattern,
                encoder,
                texts,
                prompts.templates,
                prompts.background,
                tiles=tiles,
                dimension=options.dimension,
                kind="fp16",
                best=max(1, round(SHARE * tiles)),
                exact=False,
                seed=options.seed,
            )
            lifted = LiftedEncoder(encoder, made.turn)
            for index_type in options.index_types:
                rows.append(_measure(made, lifted, prompts, Path(temporary), index_type, options.repeats))
                _print(rows[-1])
    write_json({"rows": rows}, options.json)
    if not all(row["layers_equal"] for row in rows if row["index_type"] == "FLAT"):
        sys.exit("layers differ where they must not")


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--tiles", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--queries", type=int, default=20, help="different texts, at most 40")
    parser.add_argument("--repeats", type=int, default=2, help="searches for each text")
    parser.add_argument("--index-types", nargs="+", default=["FLAT"])
    parser.add_argument("--index", help="real index that made vectors are like; Lowell by default")
    return parser.parse_args()


def _measure(
    made: Made, encoder: LiftedEncoder, prompts: Prompts, scratch: Path, index_type: str, repeats: int
) -> Figures:
    local = TileIndex.open(made.folder)
    database = scratch / f"{index_type}.db"
    loaded = publish(local.store, local.manifest, str(database), index_type=index_type)
    again = publish(local.store, local.manifest, str(database), index_type=index_type)
    there = scratch / f"{index_type}-{len(local)}"
    shutil.copytree(made.folder, there, ignore=shutil.ignore_patterns("vectors.faiss"))
    write_place(there, loaded.place)
    started = time.perf_counter()
    remote = TileIndex.open(there)
    open_s = time.perf_counter() - started
    assert isinstance(remote.store, MilvusVectors)
    spaces = [
        a_workspace(scratch / f"home-{name}-{index_type}", index, encoder, prompts)
        for name, index in (("local", local), ("milvus", remote))
    ]
    seconds: dict[str, list[float]] = {"local": [], "milvus": []}
    hits, shared, equal = [], [], True
    asked = probabilities_for(made, encoder, max(1, round(SHARE * len(local))))
    for turn in range(repeats + 1):  # the first is not counted: it warms
        for text, (_, bar) in zip(made.texts, asked, strict=True):
            layers = []
            for name, ws in zip(seconds, spaces, strict=True):
                started = time.perf_counter()
                result = search_words(ws, text, bar)
                if turn:
                    seconds[name].append(time.perf_counter() - started)
                layers.append(ws.layers.get(result.layer_ids[0]))
            equal = equal and layers[0].hash == layers[1].hash
            ids = [set(layer.table["row_id"]) for layer in layers]
            shared.append(len(ids[0] & ids[1]) / max(1, len(ids[0])))
            hits.append(len(layers[0]))
    query = made.queries[:1]
    return {
        "tiles": len(local),
        "dimension": local.manifest.dimension,
        "index_type": index_type,
        "hits": [min(hits), max(hits)],
        **{
            f"{name}_{label}_s": float(np.quantile(values, share))
            for name, values in seconds.items()
            for label, share in (("p50", 0.5), ("p95", 0.95))
        },
        "layers_equal": equal,
        "recall": min(shared),
        "all_scores_local_s": _median(lambda: local.store.scores(query)),
        "all_scores_milvus_s": _median(lambda: remote.store.scores(query)),
        "best_50_milvus_s": _median(lambda: remote.store.best(query, 50)),
        "load_s": loaded.seconds,
        "rows_per_s": loaded.loaded / loaded.seconds,
        "load_again_s": again.seconds,
        "open_s": open_s,
        "database_mb": sum(path.stat().st_size for path in database.rglob("*") if path.is_file()) / 1e6,
    }


def _median(work: Callable[[], Any], times: int = 5) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _print(figures: Figures) -> None:
    for name, value in figures.items():
        print(f"{name:22s} {f'{value:.4g}' if isinstance(value, float) else value}")
    print(flush=True)


if __name__ == "__main__":
    main()

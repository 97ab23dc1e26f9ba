"""What each kind of vectors costs and finds: exact bytes, lists, and lists with a bit a dimension.

Vectors of a planet are made like those of a real index (`_planet_vectors`), once for each size; recall is
fitted with the bank of background prompts and measured here with texts that the fit did not see, against
the exact float32 scores. Three kinds are measured on the one folder: ``ivf-rabitq`` holds the files of
``ivf-sq8``, and a pass over its bytes is the search of ``sq8``.

    python benchmarks/index_kinds.py --index DIR --out DIR --tiles 1440000 10000000 [--json FILE]
"""

from __future__ import annotations

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from _planet_index import Best, mars_grid
from _planet_vectors import Floats, LiftedEncoder, PlanetVectors, fit_vectors
from numpy.typing import NDArray

from prompts import load_prompts
from retrieval.encoder import encode_query, load_encoder
from retrieval.index import TileIndex
from retrieval.vectors import best_of
from retrieval.vectors.compact import CompactVectors
from retrieval.vectors.inverted import InvertedVectors
from retrieval.vectors.lists import how_many_lists
from retrieval.vectors.making import make_vectors, recall_queries
from retrieval.vectors.recall import fit

TEXTS = (
    "barchan dunes",
    "an impact crater with a central peak",
    "slope streaks",
    "linear dunes",
    "gullies",
    "wrinkle ridges",
    "dust devil tracks",
    "polygonal terrain",
    "a lava flow",
    "araneiform terrain",
    "a smooth plain",
    "a chain of secondary craters",
    "layered deposits",
    "a valley network",
    "a landslide",
    "yardangs",
    "chaos terrain",
    "pitted cones",
    "transverse aeolian ridges",
    "a fresh crater with bright ejecta",
)
HITS = (10_000, 20_000)
SAMPLED_ROWS = 400  # of the grid, spread over the planet
RECALL = 0.99


def main() -> None:
    parser = make_parser(__doc__, encoder=True, seed=True)
    parser.add_argument("--index", type=Path, required=True, help="a real index that the encoder made")
    parser.add_argument("--out", type=Path, required=True, help="scratch folder")
    parser.add_argument("--tiles", type=int, nargs="+", default=[1_440_000])
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--recall", type=float, default=RECALL)
    parser.add_argument("--keep", action="store_true", help="keep the made vectors")
    arguments = parser.parse_args()
    pattern, encoder, prompts = (
        TileIndex.open(arguments.index),
        load_encoder(arguments.encoder),
        load_prompts(),
    )
    model = fit_vectors(pattern, arguments.dimension, seed=arguments.seed)
    lifted = LiftedEncoder(encoder, model.turn)
    queries = np.stack([encode_query(lifted, text, prompts.templates) for text in TEXTS])
    bank = lifted.encode_texts(list(prompts.background))
    figures = []
    for tiles in arguments.tiles:
        planet = PlanetVectors(model, mars_grid(tiles), seed=arguments.seed)
        folder = arguments.out / f"kinds-{len(planet.grid)}"
        made, best = _made(folder, planet, queries, bank, arguments.recall)
        for figure in _measured(folder, queries, best, bank, arguments.recall):
            figures.append({"tiles": len(planet.grid), **figure, "make_s": made["seconds"]})
            print(_line(figures[-1]), flush=True)
        for kind in (InvertedVectors, CompactVectors):
            print(f"cold {kind.kind}  {_line(_cold(folder, kind, queries))}", flush=True)
        print(f"made: {made}", flush=True)
        if not arguments.keep:
            shutil.rmtree(folder)
    write_json(figures, arguments.json)


def _made(
    folder: Path, planet: PlanetVectors, queries: Floats, bank: Floats, recall: float
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Make the vectors; the best rows of each query by exact score, (q, k)."""
    truth = folder.with_suffix(".npz")
    if folder.is_dir() and truth.is_file():
        with np.load(truth) as kept:
            return {"seconds": float(kept["seconds"])}, kept["best"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    best, drawing = Best(len(queries), max(HITS)), [0.0]

    def drawn() -> Iterator[Floats]:
        at, waited = 0, time.perf_counter()
        for block in planet.blocks():
            best.add(at, queries @ block.T)
            at += len(block)
            drawing[0] += time.perf_counter() - waited
            yield block
            waited = time.perf_counter()

    started = time.perf_counter()
    found = make_vectors(
        folder, "ivf-rabitq", len(planet.grid), drawn(), _sample(planet), texts=bank, recall=recall
    )
    seconds = time.perf_counter() - started - drawing[0]
    rows = best.result()[0]
    np.savez(truth, best=rows, seconds=seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": seconds, "drawing_s": drawing[0], "peak_gb": peak, "recall": found}, rows


def _sample(planet: PlanetVectors) -> Floats:
    wanted = 64 * how_many_lists(len(planet.grid))
    rows = np.unique(np.linspace(0, planet.grid.rows - 1, SAMPLED_ROWS).astype(int)).tolist()
    shares = [planet.rows(row, row + 1) for row in rows]
    every = max(1, sum(map(len, shares)) // wanted)
    return np.concatenate([share[::every] for share in shares])


def _measured(
    folder: Path, queries: Floats, best: NDArray[np.int64], bank: Floats, recall: float
) -> Iterator[dict[str, Any]]:
    opened, compact = _timed(lambda: CompactVectors(folder))
    codes = compact.codes
    resident = compact.signs.nbytes + compact.factors.nbytes

    def exact(query: Floats, k: int, _bar: float) -> NDArray[np.int64]:
        return compact.lists.row_of[best_of(codes.scores(query[None]), k)[0][0]]

    yield {
        "kind": "sq8",
        "open_s": opened,
        "bytes": codes.codes.nbytes,
        **_searched(exact, compact, queries, best),
    }
    inverted = InvertedVectors(folder)
    fit(inverted, recall_queries(codes, bank), recall)
    for vectors, size in ((inverted, codes.codes.nbytes), (compact, resident)):
        opened = _timed(lambda vectors=vectors: type(vectors)(folder))[0]

        def top(query: Floats, k: int, _bar: float, vectors: InvertedVectors = vectors) -> NDArray[np.int64]:
            return vectors.best(query[None], k)[0][0]

        def over(query: Floats, _k: int, bar: float, vectors: InvertedVectors = vectors) -> NDArray[np.int64]:
            return vectors.above(query, bar)[0]

        yield {
            "kind": vectors.kind,
            "open_s": opened,
            "bytes": size,
            "looked_at": float(
                np.mean([_looked_at(vectors, query, best[i]) for i, query in enumerate(queries)])
            ),
            **_searched(top, vectors, queries, best),
            **{f"above_{name}": value for name, value in _searched(over, vectors, queries, best).items()},
        }


def _searched(
    search: Callable[[Floats, int, float], NDArray[np.int64]],
    vectors: InvertedVectors,
    queries: Floats,
    best: NDArray[np.int64],
    repeats: int = 3,
) -> dict[str, Any]:
    """Seconds and recall of a search, for the best and for all above the last one's cosine."""
    figures: dict[str, Any] = {}
    for hits in HITS:
        seconds, shares = [], []
        for repeat in range(repeats):
            for query, rows in zip(queries, best, strict=True):
                wanted = rows[:hits]
                bar = float(vectors.scores(query[None], wanted).min())
                k = len(wanted)
                taken, found = _timed(lambda q=query, k=k, b=bar: search(q, k, b))
                if repeat:
                    seconds.append(taken)
                else:
                    shares.append(float(np.isin(wanted, found).mean()))
        figures[f"p50_s_{hits}"], figures[f"p95_s_{hits}"] = np.quantile(seconds, (0.5, 0.95)).tolist()
        figures[f"recall_{hits}"], figures[f"lowest_{hits}"] = float(np.mean(shares)), min(shares)
    return figures


def _looked_at(vectors: InvertedVectors, query: Floats, best: NDArray[np.int64]) -> float:
    bar = float(vectors.scores(query[None], best).min())
    held = vectors.lists.bounds(query, vectors.reach) >= bar
    return float(vectors.lists.counts(None)[held].sum() / vectors.count)


def _cold(folder: Path, kind: type[InvertedVectors], queries: Floats) -> dict[str, Any]:
    """Seconds of searches whose bytes are not in memory; the bits and the order of the rows are.

    Nothing else may map the file: the system keeps pages that are mapped.
    """
    seconds = []
    for query in queries[:10]:
        vectors = kind(folder)
        vectors.codes.at(query[None], np.arange(8, dtype=np.uint32))  # compiled code is there
        _forget(folder / "vectors.npy")
        seconds.append(_timed(lambda v=vectors, q=query: v.best(q[None], HITS[0]))[0])
        del vectors
    return {"cold_p50_s": float(np.median(seconds)), "cold_most_s": max(seconds)}


def _forget(path: Path) -> None:
    """Let the system drop a file from memory; pages that a process still maps stay."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _line(figure: dict[str, Any]) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in figure.items()}
    return "  ".join(f"{name} {value}" for name, value in shown.items())


if __name__ == "__main__":
    main()

"""A made index of a whole planet on disk, and the exact answers to some texts, in one pass over its vectors.

No more than some thousands of vectors are held at a time: codes are written as they come, and of the exact
scores only the best are kept.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from _planet_memory import OwnMemory
from _planet_vectors import Floats, LiftedEncoder, PlanetVectors, fit_vectors
from numpy.typing import NDArray

from retrieval.body import BODIES
from retrieval.calibrate import background
from retrieval.encoder import encode_query
from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.manifest import FORMAT, IndexManifest, Storage, files_of, size_and_hash, versions
from retrieval.tiles import write_columns
from retrieval.vectors.lists import how_many_lists
from retrieval.vectors.making import make_vectors

if TYPE_CHECKING:
    from retrieval.encoder_manifest import Encoder

QUANTISER_SAMPLE = 65_536
SAMPLE_FOR_A_LIST = 64
_STRETCHES = 64  # grid rows at least from which a sample comes, spread over the planet
_TABLES = 32  # bytes a tile of background, tile table, coverage and empty thumbnails
_PICTURES = 200_000  # written in one piece: 0.4 GB
_ONE_IN = 4  # tiles of such a row, where there are enough: neighbours are alike
EXACT_FILE = "exact.f32"
TRUTH_FILE = "truth.npz"
LIFT_FILE = "lift.npy"  # not turn.npy, which is one of the files of ivf-rabitq


@dataclass(frozen=True)
class Made:
    """A made index.

    Attributes
    ----------
    folder
        Where it lies.
    turn
        What takes the encoder's vectors to those of the index, (d, d_real).
    texts, queries
        What is asked of it, and their unit vectors, (q, d).
    truth_rows, truth_scores
        The best rows by exact float32 cosine, best first, (q, k).
    seconds
        How long it took to draw and write; 0 of one that was there.
    own_gb
        The most memory of its own that the process held meanwhile, without mapped files.
    """

    folder: Path
    turn: Floats
    texts: tuple[str, ...]
    queries: Floats
    truth_rows: NDArray[np.int64]
    truth_scores: Floats
    seconds: float
    own_gb: float = 0.0


class Best:
    """The k best of scores that come block by block, for several queries at once."""

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self._rows = [np.zeros(0, dtype=np.int64)] * queries
        self._scores = [np.zeros(0, dtype=np.float32)] * queries
        self._bars = np.full(queries, -np.inf, dtype=np.float32)

    def add(self, first: int, scores: Floats) -> None:
        """Take scores of rows ``first`` and up, (q, m)."""
        for query, values in enumerate(scores):
            found = np.flatnonzero(values > self._bars[query])
            self._rows[query] = np.concatenate([self._rows[query], first + found])
            self._scores[query] = np.concatenate([self._scores[query], values[found]])
            if len(self._rows[query]) > 3 * self.k:
                self._thin(query)

    def result(self) -> tuple[NDArray[np.int64], Floats]:
        """Rows and scores, (q, k), best first, equal ones in row order."""
        rows, scores = [], []
        for found, values in zip(self._rows, self._scores, strict=True):
            order = np.lexsort((found, -values))[: self.k]
            rows.append(found[order])
            scores.append(values[order])
        return np.stack(rows), np.stack(scores)

    def _thin(self, query: int) -> None:
        values = self._scores[query]
        bar = np.partition(values, len(values) - self.k)[len(values) - self.k]
        kept = values >= bar
        self._rows[query], self._scores[query] = self._rows[query][kept], values[kept]
        self._bars[query] = np.nextafter(bar, np.float32(-2))


def mars_grid(tiles: int) -> Grid:
    """The grid of Mars whose tiles are nearest to a number, its side rounded to three digits."""
    body = BODIES["mars"]
    return Grid(body, float(f"{(body.area_km2 / tiles) ** 0.5:.3g}"))


def make_index(
    folder: Path,
    pattern: TileIndex,
    encoder: Encoder,
    texts: Sequence[str],
    templates: Sequence[str],
    background_prompts: Sequence[str],
    *,
    tiles: int,
    dimension: int,
    kind: Storage,
    best: int,
    exact: bool,
    seed: int,
    grain: int = 1,
    progress: Callable[[int, int], None] | None = None,
    for_app: bool = False,
) -> Made:
    """Draw the vectors of a planet into an index folder.

    Parameters
    ----------
    folder
        Made; must not exist.
    pattern, encoder
        A real index, and the encoder that made it.
    best
        How many of the exactly best rows are kept for each text.
    exact
        Whether to keep the float32 vectors beside the index as well, 2 KB a tile at 512 dimensions.
    grain
        As of `PlanetVectors`.
    progress
        Called with the number of tiles drawn and that of all.
    for_app
        Whether the encoder itself and the chat can open it: vectors in the encoder's own axes, and of each
        tile the picture and the facts of the real tile that it was made after.
    """
    started = time.perf_counter()
    grid = mars_grid(tiles)
    model = fit_vectors(pattern, dimension, seed=seed, turned=not for_app)
    planet = PlanetVectors(model, grid, seed=seed, grain=grain)
    lifted = encoder if for_app else LiftedEncoder(encoder, model.turn)
    queries = np.stack([encode_query(lifted, text, templates) for text in texts])
    bank = lifted.encode_texts(list(background_prompts))
    folder.mkdir(parents=True)
    found = Best(len(queries), min(best, len(grid)))
    backgrounds = np.empty(len(grid), dtype=np.float32)

    def drawn() -> Iterator[Floats]:
        at = 0
        with (folder / EXACT_FILE).open("wb") if exact else nullcontext() as keep:
            for block in planet.blocks():
                if keep:
                    keep.write(block.data)
                found.add(at, queries @ block.T)
                backgrounds[at : at + len(block)] = background(block, bank, lifted.manifest.logit_scale)
                at += len(block)
                if progress:
                    progress(at, len(grid))
                yield block

    wanted = QUANTISER_SAMPLE
    if kind.startswith("ivf"):
        wanted = max(wanted, SAMPLE_FOR_A_LIST * how_many_lists(len(grid)))
    with OwnMemory() as own:
        recall = make_vectors(folder, kind, len(grid), drawn(), _sample(planet, wanted), texts=bank)
    np.save(folder / "background.npy", backgrounds)
    _write_tiles(folder, planet, pattern if for_app else None)
    rows, scores = found.result()
    np.save(folder / LIFT_FILE, planet.model.turn)
    np.savez(folder / TRUTH_FILE, rows=rows, scores=scores, queries=queries, texts=np.array(texts))
    manifest = _describe(folder, grid, lifted, pattern, kind, len(background_prompts), seed, recall, grain)
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    seconds = time.perf_counter() - started
    return Made(folder, planet.model.turn, tuple(texts), queries, rows, scores, seconds, own.most_gb)


def _sample(planet: PlanetVectors, wanted: int) -> Floats:
    """Vectors from rows of the whole planet, from which quantisers and lists learn."""
    rows = planet.grid.rows
    some = min(rows, max(_STRETCHES, _ONE_IN * wanted * rows // len(planet.grid)))
    starts = np.unique(np.linspace(0, rows, some, endpoint=False).astype(np.int64)).tolist()
    thin = max(1, int(planet.grid.first[-1] * len(starts) / rows / wanted))
    return np.concatenate([planet.rows(row, row + 1)[::thin] for row in starts])


def _write_tiles(folder: Path, planet: PlanetVectors, pictured: TileIndex | None) -> None:
    """Tile table, coverage and pictures: empty ones, or those of the real tiles that were the pattern."""
    grid, count = planet.grid, len(planet.grid)
    seen: dict[str, NDArray[Any]] = {
        "tile": np.arange(count, dtype=np.int64),
        "observed": np.ones(count, dtype=np.float32),
    }
    jpegs, facts, source = [b""], {}, np.zeros(count, dtype=np.int64)
    if pictured is not None:
        source = np.concatenate([planet.sources(row) for row in range(grid.rows)])
        jpegs = [pictured.thumbnail(row) for row in range(len(pictured))]
        facts = {name: values[source] for name, values in pictured.tiles.facts.items()}
    write_columns(folder / "tiles.arrow", seen | facts)
    write_columns(folder / "coverage.arrow", seen)
    pictures, schema = pa.array(jpegs, pa.binary()), pa.schema([("jpeg", pa.binary())])
    with pa.OSFile(str(folder / "thumbnails.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for start, stop in pairwise([*range(0, count, _PICTURES), count]):
            block = pictures.take(pa.array(source[start:stop]))
            writer.write_batch(pa.record_batch([block], schema=schema))


def _describe(
    folder: Path,
    grid: Grid,
    encoder: Encoder,
    pattern: TileIndex,
    kind: Storage,
    prompts: int,
    seed: int,
    recall: Any,
    grain: int,
) -> IndexManifest:
    made_of = pattern.manifest
    fingerprint = f"made-{made_of.fingerprint[:8]}-{seed}-{len(grid)}-{encoder.manifest.dimension}"
    return IndexManifest(
        format=FORMAT,
        name=folder.name,
        fingerprint=fingerprint if grain == 1 else f"{fingerprint}-{grain}",
        body=grid.body.name,
        tile_km=grid.tile_km,
        tile_px=made_of.tile_px,
        storage=kind,
        count=len(grid),
        dimension=encoder.manifest.dimension,
        encoder=asdict(encoder.manifest),
        source={"kind": "made", "name": f"made like {made_of.name}", "fingerprint": f"made-{seed}"},
        coverage={"looked_at": len(grid), "indexed": len(grid), "not_observed": 0, "min_observed": 0.5},
        background_prompts=prompts,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        files={name: size_and_hash(folder / name) for name in files_of(FORMAT, kind)},
        why="asked for",
        recall=recall,
    )


def needed_gb(count: int, dimension: int, kind: str, exact: bool) -> float:
    """Disk space that making an index takes at its worst, GB; with ``exact`` float32 vectors beside it."""
    codes = {"fp32": 4 * dimension, "fp16": 2 * dimension}.get(kind, dimension)
    if kind.startswith("ivf"):
        codes += dimension + 8  # once in row order, once in that of the lists; both orders
    return count * (codes + _TABLES + (4 * dimension if exact else 0)) / 1e9 + 0.05


def free_gb(folder: Path) -> float:
    """Free space where a folder is to be, GB."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return os.statvfs(there).f_bavail * os.statvfs(there).f_frsize / 1e9

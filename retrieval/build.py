"""Draw and encode tiles into parts on disk, then assemble the parts into the files of an index.

A part holds the tiles of one chunk of the grid: how much of each was observed, its facts and, where at
least `MIN_OBSERVED` of it has data, its vector and thumbnail. Workers draw while the main process
encodes. Parts are what an interrupted build continues from. `retrieval.index` is the public door.
"""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image

from retrieval.calibrate import background
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.encoder_torch import at_most_threads, threads_beside
from retrieval.errors import Cancelled, IndexFolderError, RasterError
from retrieval.grid import Grid
from retrieval.manifest import Storage
from retrieval.workers import drawing_pool

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Progress = Callable[[str, int, int], None]
Drawn = tuple[TileBatch, list[bytes]]

CHUNK = 256  # tiles drawn by one call of a worker: a few seconds of work, some 10 MB of pixels
THUMBNAIL_PX = 96
THUMBNAIL_QUALITY = 85
MIN_OBSERVED = 0.5  # tiles with less data than this are counted as not observed and not indexed
QUANTISER_PARTS = 64  # parts from which the 8-bit quantiser learns its ranges


@dataclass(frozen=True)
class Part:
    """One chunk of tiles, as read back from disk.

    Attributes
    ----------
    tiles, observed, facts
        Every tile that was drawn, shape (n,) each.
    kept
        Which of them are indexed, bool, shape (n,).
    vectors
        Unit rows of the kept tiles, float32, shape (m, d).
    thumbnails
        JPEG files of the kept tiles, m of them.
    """

    tiles: NDArray[np.int64]
    observed: NDArray[np.float32]
    facts: dict[str, NDArray[np.float32]]
    kept: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    thumbnails: list[bytes]


@contextmanager
def building_folder(out: Path, recipe: dict[str, Any], fingerprint: str) -> Iterator[Path]:
    """Folder ``<out>.building`` under a lock, and in it one folder of parts for this recipe.

    Parts of another recipe stay where they are until a build succeeds: they are never mixed.

    Yields
    ------
    Path
        ``<out>.building/<fingerprint>``, holding ``journal.json`` (the recipe) and ``parts/``.

    Raises
    ------
    IndexFolderError
        If another process is building there.
    """
    building = out.with_name(out.name + ".building")
    building.mkdir(parents=True, exist_ok=True)
    lock = FileLock(building / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexFolderError(
            f"another process is building {out}", next_step="wait for it, stop it, or choose another folder"
        ) from None
    try:
        folder = building / fingerprint
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        (folder / "journal.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
        yield folder
    finally:
        lock.release()


def draw_parts(
    source: TileSource,
    grid: Grid,
    encoder: Encoder,
    tiles: NDArray[np.int64],
    folder: Path,
    *,
    size_px: int,
    workers: int = 1,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> list[Path]:
    """Draw and encode every chunk that has no part yet; part files in the order of the tiles.

    Raises
    ------
    Cancelled
        If ``stop`` was set. Finished parts are kept.
    IndexFolderError
        If a worker process died.
    """
    chunks = [tiles[start : start + CHUNK] for start in range(0, len(tiles), CHUNK)]
    paths = [folder / "parts" / f"{number:06d}.npz" for number in range(len(chunks))]
    missing = [number for number, path in enumerate(paths) if not _is_part_of(path, chunks[number])]
    done = len(tiles) - sum(len(chunks[number]) for number in missing)
    if progress:
        progress("tiles", done, len(tiles))
    processes = min(workers, len(missing))
    beside = processes > 1  # otherwise this process draws and encodes by turns, with all its threads
    # On two cores more threads fight with the processes that draw, and lose: 113 s against 68 s for Lowell.
    threads = at_most_threads(threads_beside(processes)) if beside else nullcontext()
    # Closed here, so that the workers are gone before an error or a Ctrl-C reaches the caller.
    with threads, closing(_draw(source, grid, size_px, chunks, missing, processes, stop)) as drawn:
        for number, (batch, thumbnails) in drawn:
            _write_part(paths[number], batch, thumbnails, encoder)
            done += len(batch.tiles)
            if progress:
                progress("tiles", done, len(tiles))
    return paths


def read_part(path: Path) -> Part:
    """Read a part.

    Raises
    ------
    ValueError, OSError, zipfile.BadZipFile, KeyError
        If the file is torn.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        blob, ends = data["thumbnails"].tobytes(), data["thumbnail_ends"].tolist()
        return Part(
            tiles=data["tiles"],
            observed=data["observed"],
            facts={name[5:]: data[name] for name in data.files if name.startswith("fact_")},
            kept=data["kept"],
            vectors=data["vectors"],
            thumbnails=[blob[start:end] for start, end in pairwise([0, *ends])],
        )


def assemble(
    folder: Path,
    grid: Grid,
    encoder: Encoder,
    paths: list[Path],
    storage: Storage,
    background_prompts: Sequence[str],
    progress: Progress | None = None,
) -> dict[str, int]:
    """Turn parts into the files of an index, one part in memory at a time.

    Returns
    -------
    dict
        Number of tiles ``looked_at``, ``indexed`` and ``not_observed``.

    Raises
    ------
    RasterError
        If no tile was observed well enough.
    """
    logit_scale = encoder.manifest.logit_scale
    vectors = _empty_faiss(encoder.manifest.dimension, storage, paths)
    bank = encoder.encode_texts(list(background_prompts)) if background_prompts else None
    rows, coverage, backgrounds = [], [], []
    schema = pa.schema([("jpeg", pa.binary())])
    with pa.OSFile(str(folder / "thumbnails.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as jpegs:
        for done, part in enumerate(map(read_part, paths)):
            coverage.append(pd.DataFrame({"tile": part.tiles, "observed": part.observed}))
            if part.kept.any():
                vectors.add(part.vectors)
                facts = {name: values[part.kept] for name, values in part.facts.items()}
                rows.append(coverage[-1][part.kept].assign(**facts))
                jpegs.write_batch(pa.record_batch([pa.array(part.thumbnails, pa.binary())], schema=schema))
                backgrounds.append(
                    np.zeros(len(part.vectors), dtype=np.float32)
                    if bank is None
                    else background(part.vectors, bank, logit_scale)
                )
            if progress:
                progress("index", done + 1, len(paths))
    if not rows:
        raise RasterError(
            f"no tile of {grid.tile_km:g} km has data in at least {MIN_OBSERVED:.0%} of it",
            next_step="choose smaller tiles, or check where the data lie",
        )
    faiss.write_index(vectors, str(folder / "vectors.faiss"))
    np.save(folder / "background.npy", np.concatenate(backgrounds).astype(np.float32))
    looked_at = pd.concat(coverage, ignore_index=True)
    looked_at.to_parquet(folder / "coverage.parquet")
    table = _tile_table(grid, pd.concat(rows, ignore_index=True))
    table.to_parquet(folder / "tiles.parquet")
    return {
        "looked_at": len(looked_at),
        "indexed": len(table),
        "not_observed": len(looked_at) - len(table),
    }


def _empty_faiss(dimension: int, storage: Storage, paths: list[Path]) -> Any:
    """An inner-product index without rows, trained where the storage needs it."""
    if storage == "fp32":
        return faiss.IndexFlatIP(dimension)
    kinds = {"fp16": faiss.ScalarQuantizer.QT_fp16, "sq8": faiss.ScalarQuantizer.QT_8bit}
    index = faiss.IndexScalarQuantizer(dimension, kinds[storage], faiss.METRIC_INNER_PRODUCT)
    if storage == "sq8":
        # Spread over the planet, so that the ranges are not those of one region.
        sample = paths[:: max(1, len(paths) // QUANTISER_PARTS)]
        index.train(np.concatenate([read_part(path).vectors for path in sample]))
    return index


def _tile_table(grid: Grid, rows: pd.DataFrame) -> gpd.GeoDataFrame:
    tiles = rows["tile"].to_numpy()
    lonlat = grid.centres(tiles)
    place = {
        "tile": tiles,
        "tile_id": pd.Series(grid.tile_ids(tiles), dtype="str"),
        "lon": lonlat[:, 0],
        "lat": lonlat[:, 1],
        "area_km2": grid.areas_km2(tiles),
    }
    table = pd.DataFrame(place).join(rows.drop(columns="tile"))
    points = gpd.points_from_xy(lonlat[:, 0], lonlat[:, 1])
    return gpd.GeoDataFrame(table, geometry=points, crs=grid.body.crs)


def _draw(
    source: TileSource,
    grid: Grid,
    size_px: int,
    chunks: list[NDArray[np.int64]],
    wanted: list[int],
    processes: int,
    stop: threading.Event | None,
) -> Generator[tuple[int, Drawn], None, None]:
    """Chunks as they are drawn, by this process or by several."""
    if processes <= 1:
        for number in wanted:
            _check_stop(stop)
            yield number, _draw_chunk(source, grid, size_px, chunks[number])
        return
    pool = drawing_pool(processes, _start_worker, (source, grid, size_px))
    pending: dict[Future[Drawn], int] = {}
    queue = iter(wanted)
    try:
        while True:
            # Two chunks ahead of each worker: enough to keep them busy, few enough for the memory.
            for number in islice(queue, 2 * processes - len(pending)):
                pending[pool.submit(_work, chunks[number])] = number
            if not pending:
                break
            finished, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            _check_stop(stop)
            for future in finished:
                yield pending.pop(future), future.result()
    except BrokenProcessPool:
        raise IndexFolderError(
            "a process that draws tiles died, perhaps for want of memory",
            next_step="run the same command again, with fewer workers; finished tiles are kept",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


# Set once in each worker process, so that the source is not sent again with every chunk.
_worker: dict[str, Any] = {}


def _start_worker(source: TileSource, grid: Grid, size_px: int) -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what to do with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(source=source, grid=grid, size_px=size_px)


def _work(tiles: NDArray[np.int64]) -> Drawn:
    return _draw_chunk(_worker["source"], _worker["grid"], _worker["size_px"], tiles)


def _draw_chunk(source: TileSource, grid: Grid, size_px: int, tiles: NDArray[np.int64]) -> Drawn:
    batch = source.read(grid, tiles, size_px)
    kept = batch.observed >= MIN_OBSERVED
    return batch, [_encode_thumbnail(pixels) for pixels in batch.pixels[kept]]


def _encode_thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """JPEG of at most `THUMBNAIL_PX` a side from RGB pixels (s, s, 3); grey where the bands are equal."""
    image = Image.fromarray(pixels)
    if (pixels[..., :1] == pixels).all():
        image = image.convert("L")
    if image.width > THUMBNAIL_PX:
        image = image.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


def _write_part(path: Path, batch: TileBatch, thumbnails: list[bytes], encoder: Encoder) -> None:
    kept = batch.observed >= MIN_OBSERVED
    vectors = np.zeros((0, encoder.manifest.dimension), dtype=np.float32)
    if kept.any():
        vectors = encoder.encode_images(batch.pixels[kept])
    arrays: dict[str, Any] = {
        "tiles": batch.tiles,
        "observed": batch.observed.astype(np.float32),
        "kept": kept,
        "vectors": vectors.astype(np.float32),
        "thumbnails": np.frombuffer(b"".join(thumbnails), dtype=np.uint8),
        "thumbnail_ends": np.cumsum([len(jpeg) for jpeg in thumbnails], dtype=np.int64),
        **{f"fact_{name}": values.astype(np.float32) for name, values in batch.facts.items()},
    }
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(temporary, path)


def _is_part_of(path: Path, tiles: NDArray[np.int64]) -> bool:
    if not path.exists():
        return False
    try:
        return bool(np.array_equal(read_part(path).tiles, tiles))
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile):
        return False  # torn, perhaps by a full disk: drawn again


def _check_stop(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Cancelled("stopped; the same command continues from the tiles already drawn")

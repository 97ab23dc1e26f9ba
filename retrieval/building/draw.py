"""Draw and encode the tiles that have no part yet: worker processes draw while this one encodes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.building.parts import MIN_OBSERVED, encode_thumbnail, is_part_of, write_part
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.encoder_torch import at_most_threads, threads_beside
from retrieval.errors import Cancelled, IndexFolderError
from retrieval.grid import Grid
from retrieval.workers import drawing_pool

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Progress = Callable[[str, int, int], None]
Drawn = tuple[TileBatch, list[bytes]]

CHUNK = 256  # tiles drawn by one call of a worker: a few seconds of work, some 10 MB of pixels


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
    chunks, paths, missing = plan_parts(tiles, folder)
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
            write_part(paths[number], batch, thumbnails, encoder)
            done += len(batch.tiles)
            if progress:
                progress("tiles", done, len(tiles))
    return paths


def plan_parts(
    tiles: NDArray[np.int64], folder: Path
) -> tuple[list[NDArray[np.int64]], list[Path], list[int]]:
    """Chunks of the tiles, the part of each, and the numbers of those that have no whole part yet."""
    chunks = [tiles[start : start + CHUNK] for start in range(0, len(tiles), CHUNK)]
    paths = [folder / "parts" / f"{number:06d}.npz" for number in range(len(chunks))]
    missing = [number for number, path in enumerate(paths) if not is_part_of(path, chunks[number])]
    return chunks, paths, missing


def draw_chunk(source: TileSource, grid: Grid, size_px: int, tiles: NDArray[np.int64]) -> Drawn:
    """Draw a chunk, and a thumbnail of each tile of it that is kept."""
    batch = source.read(grid, tiles, size_px)
    kept = batch.observed >= MIN_OBSERVED
    return batch, [encode_thumbnail(pixels) for pixels in batch.pixels[kept]]


def check_stop(stop: threading.Event | None) -> None:
    """Raise `Cancelled` if the build is to stop."""
    if stop is not None and stop.is_set():
        raise Cancelled("stopped; the same command continues from the tiles already drawn")


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
            check_stop(stop)
            yield number, draw_chunk(source, grid, size_px, chunks[number])
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
            check_stop(stop)
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
    return draw_chunk(_worker["source"], _worker["grid"], _worker["size_px"], tiles)

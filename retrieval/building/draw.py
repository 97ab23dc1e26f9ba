"""Make the parts that are missing: each of several hands draws the tiles of a part, encodes and writes them.

A hand is a thread of this process or a process of its own, and holds one core: so no core waits while another
draws, no pixel travels between processes, and the encoder runs without the barriers of many threads (on two
cores two hands encode faster than one encoder with two threads). Sources that draw mostly outside Python's
lock (``draws_in_threads``) get threads, which are there at once; others get one thread, which begins at once,
and processes.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from retrieval.building.parts import chunk_size, draw_part, is_part_of
from retrieval.corpus.source import TileSource
from retrieval.encoder_torch import at_most_threads, hold_to_threads
from retrieval.errors import Cancelled, IndexFolderError
from retrieval.grid import Grid
from retrieval.workers import drawing_pool

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

__all__ = ["Job", "Progress", "check_stop", "draw_parts", "plan_parts"]

Progress = Callable[[str, int, int], None]

THREADS = 4  # hands of one process; with more they wait for each other's Python

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What every hand needs to make a part."""

    source: TileSource
    grid: Grid
    encoder: Encoder
    size_px: int

    def make(self, tiles: NDArray[np.int64], path: Path, check: Callable[[], None] = lambda: None) -> int:
        """Make one part; the number of its tiles."""
        draw_part(self.source, self.grid, self.encoder, tiles, path, self.size_px, check)
        return len(tiles)


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

    Parameters
    ----------
    folder
        Parts are kept in ``parts/`` of it.
    workers
        Hands, each on a core of its own.

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
    loaded = getattr(encoder, "load", lambda: encoder)()  # one that is loaded when needed is needed now
    job = Job(source, grid, loaded, size_px)
    todo = iter([(chunks[number], paths[number]) for number in missing])
    # Closed here, so that the hands are gone before an error or a Ctrl-C reaches the caller.
    with _hands(job, min(workers, len(missing)), stop) as teams:
        for made in _made(teams, todo, stop):
            done += made
            if progress:
                progress("tiles", done, len(tiles))
    return paths


def plan_parts(
    tiles: NDArray[np.int64], folder: Path
) -> tuple[list[NDArray[np.int64]], list[Path], list[int]]:
    """Chunks of the tiles, the part of each, and the numbers of those that have no whole part yet."""
    step = chunk_size(len(tiles))
    chunks = [tiles[start : start + step] for start in range(0, len(tiles), step)]
    paths = [folder / "parts" / f"{number:06d}.npz" for number in range(len(chunks))]
    missing = [number for number, path in enumerate(paths) if not is_part_of(path, chunks[number])]
    return chunks, paths, missing


def check_stop(stop: Any) -> None:
    """Raise `Cancelled` if the build is to stop: ``stop`` is an event of threads or processes, or None."""
    if stop is not None and stop.is_set():
        raise Cancelled("stopped; the same command continues from the tiles already drawn")


@dataclass(frozen=True)
class _Team:
    """Hands of one kind: their pool, how many calls it is given at once, and what it is asked to do."""

    pool: Executor
    room: int
    make: Callable[..., int]


class _Here(Executor):
    """Does what it is given at once, in the thread that gives it: NumPy's large arrays are quickest there."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(work(*args, **keywords))
        return done


@contextmanager
def _hands(job: Job, count: int, stop: threading.Event | None) -> Iterator[list[_Team]]:
    """``count`` hands, each on a core of its own."""
    given_up = multiprocessing.get_context("spawn").Event()

    def check() -> None:
        check_stop(stop)
        check_stop(given_up)

    in_threads = min(count, THREADS if getattr(job.source, "draws_in_threads", False) else 1)
    sent = _pickled(job) if count > in_threads else b""
    if not sent:
        in_threads = max(1, count)
    with ExitStack() as stack:
        # One thread each: on a busy machine several wait for each other, up to ten times as long.
        stack.enter_context(at_most_threads(1))
        stack.enter_context(threadpool_limits(1))
        alone = in_threads == 1 and not sent
        threads = _Here() if alone else ThreadPoolExecutor(in_threads)
        teams = [_Team(threads, in_threads, lambda tiles, path: job.make(tiles, path, check))]
        if sent:
            processes = count - in_threads
            pool = drawing_pool(processes, _start_worker, (sent, given_up))
            teams.append(_Team(pool, 2 * processes, _work))  # one more than it can do: none waits for us
        try:
            yield teams
        except BrokenProcessPool:
            raise IndexFolderError(
                "a process that draws tiles died, perhaps for want of memory",
                next_step="run the same command again, with fewer workers; finished tiles are kept",
            ) from None
        finally:
            given_up.set()
            for team in teams:
                team.pool.shutdown(wait=True, cancel_futures=True)


def _made(
    teams: list[_Team], todo: Iterator[tuple[NDArray[np.int64], Path]], stop: threading.Event | None
) -> Iterator[int]:
    """Have all parts made; the number of tiles of each as it is done."""
    pending: dict[Future[int], _Team] = {}
    while True:
        for team in teams:
            while list(pending.values()).count(team) < team.room:
                chunk = next(todo, None)
                if chunk is None:
                    break
                pending[team.pool.submit(team.make, *chunk)] = team
        if not pending:
            return
        finished, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
        check_stop(stop)
        for future in finished:
            del pending[future]
            yield future.result()


def _pickled(job: Job) -> bytes:
    """The job for another process; empty if it cannot travel."""
    try:
        return pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        log.info("tiles are drawn in threads: the source or the encoder cannot be sent (%s)", error)
        return b""


# Set once in each worker process, so that source and encoder are not sent again with every part.
_worker: dict[str, Any] = {}


def _start_worker(job: bytes, given_up: Any) -> None:
    # Ctrl-C reaches the whole process group; the parent alone decides what to do with it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker.update(job=pickle.loads(job), given_up=given_up)  # noqa: S301  what the parent has just sent
    hold_to_threads(1)


def _work(tiles: NDArray[np.int64], path: Path) -> int:
    made: int = _worker["job"].make(tiles, path, check=lambda: check_stop(_worker["given_up"]))
    return made

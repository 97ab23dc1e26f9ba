"""Processes that draw tiles beside the one that encodes or writes them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")


def drawing_pool(
    processes: int, initializer: Callable[..., object] | None = None, initargs: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """A pool whose processes use one thread each for linear algebra.

    Several processes with as many BLAS threads as cores wait for each other more than they work: on two
    cores a tile of Lowell took 22 ms instead of 8. They are spawned, not forked: the parent runs threads
    (torch, a web server) that a fork would tear.

    Parameters
    ----------
    processes
        How many, at least 1.
    initializer, initargs
        Called once in each process.
    """
    return ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(initializer, initargs),
    )


def drawn_ahead(
    draw: Callable[..., T], calls: Iterable[tuple[Any, ...]], processes: int, ahead: int
) -> Iterator[T]:
    """Results of ``draw(*call)`` in the order of the calls, from a `drawing_pool`.

    Parameters
    ----------
    draw
        A function of a module, so that a process can import it.
    ahead
        Calls that wait or run beyond the one whose result is next: enough to keep all processes busy, few
        enough for the memory.
    """
    waiting: deque[Future[T]] = deque()
    with drawing_pool(processes) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(draw, *call))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _start(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    threadpool_limits(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    # A parent that is killed closes nothing: its processes would wait for work, or write, for ever.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Processes that draw tiles beside the one that encodes or writes them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from threadpoolctl import threadpool_limits


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


def _start(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    threadpool_limits(1)
    if initializer is not None:
        initializer(*initargs)

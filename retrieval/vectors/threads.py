"""Work shared out among threads for kernels that release the lock of the interpreter.

Not by numba itself, whose default thread layer cannot be entered by two threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock


def in_threads(work: Callable[[int], None], starts: range) -> None:
    """Call ``work`` for each start, in as many threads as there are cores; the calling one is one of them.

    The caller would only wait otherwise, and one thread less has to be woken: 22 ms instead of 27 for 1.44
    million rows on two cores.
    """
    left, taking = iter(starts), Lock()

    def take() -> None:
        while True:
            with taking:
                start = next(left, None)
            if start is None:
                return
            work(start)

    helpers = min(_cores(), len(starts)) - 1
    others = [_pool().submit(take) for _ in range(helpers)]
    try:
        take()
    finally:
        for other in others:
            other.result()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, _cores() - 1), thread_name_prefix="vectors")

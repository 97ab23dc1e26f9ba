"""Dot products of queries with rows of codes, compiled by numba: the speed of memory, whatever the codes.

A code is one byte a dimension, or the bits of a half-precision number; it is widened in the processor's
registers and never written out. On two cores 1.44 million rows of 512 bytes take 25 ms, 1.1 times a plain
pass over the same bytes; FAISS, whose own search uses one core for one query, takes 33 ms for the best 1,000
and has no fast way to give all scores, or all above a bar.

Kernels release the lock of the interpreter, and rows are shared out among threads here, not by numba, whose
default thread layer cannot be entered by two threads at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Codes = NDArray[np.uint8] | NDArray[np.uint16]
Floats = NDArray[np.float32]

TOGETHER = 4  # queries that share one pass: more would not fit the registers, and gain nothing
SHARE = 65_536  # rows one thread takes at a time: some milliseconds, so that none waits long for another
# A half's bits, shifted into a float's, are multiplied with this: the exponents' biases differ by 112.
HALF = np.float32(2.0**112)

# Sums may be reordered, which is what lets them use all lanes; NaN and infinity keep their meaning.
_FAST = {"reassoc", "nsz", "contract", "arcp"}
OPTIONS: dict[str, Any] = {"fastmath": _FAST, "nogil": True, "cache": True}


@njit(inline="always")
def _byte(code: Any) -> Any:
    return np.float32(code)


@njit(inline="always")
def _half(code: Any) -> Any:
    bits = np.uint32(code)
    sign = np.uint32(np.uint32(bits & np.uint32(0x8000)) << np.uint32(16))
    return np.uint32(sign | np.uint32(np.uint32(bits & np.uint32(0x7FFF)) << np.uint32(13))).view(np.float32)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _one_of_bytes(codes: Any, query: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        total = np.float32(0)
        for j in range(codes.shape[1]):
            total += query[j] * _byte(codes[i, j])
        out[i] = total


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _four_of_bytes(codes: Any, queries: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        a = b = c = d = np.float32(0)
        for j in range(codes.shape[1]):
            value = _byte(codes[i, j])
            a += queries[0, j] * value
            b += queries[1, j] * value
            c += queries[2, j] * value
            d += queries[3, j] * value
        out[0, i], out[1, i], out[2, i], out[3, i] = a, b, c, d


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _one_of_halves(codes: Any, query: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        total = np.float32(0)
        for j in range(codes.shape[1]):
            total += query[j] * _half(codes[i, j])
        out[i] = total


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _four_of_halves(codes: Any, queries: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        a = b = c = d = np.float32(0)
        for j in range(codes.shape[1]):
            value = _half(codes[i, j])
            a += queries[0, j] * value
            b += queries[1, j] * value
            c += queries[2, j] * value
            d += queries[3, j] * value
        out[0, i], out[1, i], out[2, i], out[3, i] = a, b, c, d


def dots(codes: Codes, queries: Floats, added: Floats | None = None) -> Floats:
    """Dot product of every query with every row of codes, shape (q, n).

    Parameters
    ----------
    codes
        Shape (n, d), rows contiguous: uint8 as whole numbers, uint16 as the bits of half-precision numbers.
    queries
        Shape (q, d).
    added
        Shape (q,): added to the products of each query. They are cosines then, and cut at -1 and 1.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    halves = codes.dtype == np.uint16
    one, four = (_one_of_halves, _four_of_halves) if halves else (_one_of_bytes, _four_of_bytes)
    out = np.empty((len(queries), len(codes)), dtype=np.float32)

    def share(start: int) -> None:
        rows = codes[start : start + SHARE]
        for first in range(0, len(queries), TOGETHER):
            some = queries[first : first + TOGETHER]
            found = out[first : first + TOGETHER, start : start + SHARE]
            if len(some) == TOGETHER:
                four(rows, some, found)
            else:
                for query, scores in zip(some, found, strict=True):
                    one(rows, query, scores)
            # Here, while they are in the cache: a pass of its own over all scores would take longer.
            if halves:
                found *= HALF
            if added is not None:
                found += added[first : first + TOGETHER, None]
                np.clip(found, -1.0, 1.0, out=found)

    in_threads(share, range(0, len(codes), SHARE))
    return out


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

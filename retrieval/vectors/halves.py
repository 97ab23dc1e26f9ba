"""Dot products of queries with half-precision codes, compiled by numba: near the speed of memory.

A code is the bits of a half-precision number; it is widened in the processor's registers and never written
out, four queries at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from retrieval.vectors.threads import in_threads

Halves = NDArray[np.uint16]
Floats = NDArray[np.float32]

_TOGETHER = 4  # queries that share one pass: more would not fit the registers, and gain nothing
SHARE = 32_768  # rows one thread takes at a time: some milliseconds, so that none waits long for another
# A half's bits, shifted into a float's, are multiplied with this: the exponents' biases differ by 112.
_HALF = np.float32(2.0**112)

# Sums may be reordered, which is what lets them use all lanes; NaN and infinity keep their meaning.
_FAST = {"reassoc", "nsz", "contract", "arcp"}
_OPTIONS: dict[str, Any] = {"fastmath": _FAST, "nogil": True, "cache": True}


@njit(inline="always")
def _half(code: Any) -> Any:
    bits = np.uint32(code)
    sign = np.uint32(np.uint32(bits & np.uint32(0x8000)) << np.uint32(16))
    return np.uint32(sign | np.uint32(np.uint32(bits & np.uint32(0x7FFF)) << np.uint32(13))).view(np.float32)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _one(codes: Any, query: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        total = np.float32(0)
        for j in range(codes.shape[1]):
            total += query[j] * _half(codes[i, j])
        out[i] = total


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _four(codes: Any, queries: Any, out: Any) -> None:
    for i in range(codes.shape[0]):
        a = b = c = d = np.float32(0)
        for j in range(codes.shape[1]):
            value = _half(codes[i, j])
            a += queries[0, j] * value
            b += queries[1, j] * value
            c += queries[2, j] * value
            d += queries[3, j] * value
        out[0, i], out[1, i], out[2, i], out[3, i] = a, b, c, d


def half_dots(codes: Halves, queries: Floats) -> Floats:
    """Cosines of queries (q, d) with codes (n, d), rows contiguous; (q, n), cut at -1 and 1."""
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    out = np.empty((len(queries), len(codes)), dtype=np.float32)

    def share(start: int) -> None:
        rows = codes[start : start + SHARE]
        for first in range(0, len(queries), _TOGETHER):
            some = queries[first : first + _TOGETHER]
            found = out[first : first + _TOGETHER, start : start + SHARE]
            if len(some) == _TOGETHER:
                _four(rows, some, found)
            else:
                for query, scores in zip(some, found, strict=True):
                    _one(rows, query, scores)
            # Here, while they are in the cache: a pass of its own over all scores would take longer.
            found *= _HALF
            np.clip(found, -1.0, 1.0, out=found)

    in_threads(share, range(0, len(codes), SHARE))
    return out

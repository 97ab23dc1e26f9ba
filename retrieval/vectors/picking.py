"""Compiled like `retrieval.vectors.kernels`, for rows at places of one's choice instead of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from retrieval.vectors.kernels import OPTIONS, in_threads

Floats = NDArray[np.float32]
Places = NDArray[np.uint32]

PLANES = 6  # bits of a rounded query
# Places one thread takes at a time: fewer than of rows in a run, since a search picks some ten thousand.
_SHARE = 16_384
_BITS_SHARE = 8 * _SHARE  # a row of bits is an eighth of a row of bytes


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _picked(codes: Any, places: Any, query: Any, out: Any) -> None:
    for i in range(places.shape[0]):
        place = places[i]
        total = np.float32(0)
        for j in range(codes.shape[1]):
            total += query[j] * np.float32(codes[place, j])
        out[i] = total


def _population(_typing: Any, _word: Any) -> Any:
    """Number of bits set in a word: numba has no name for the processor's instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.ctpop", [arguments[0].type])
        return builder.call(function, arguments)

    return types.uint64(types.uint64), generate


_ones: Any = intrinsic(_population)


@njit(**OPTIONS)  # type: ignore[untyped-decorator]
def _common(bits: Any, places: Any, planes: Any, out: Any) -> None:
    for i in range(places.shape[0]):
        place = places[i]
        total = np.int64(0)
        for w in range(bits.shape[1]):
            word = bits[place, w]
            total += (
                np.int64(_ones(word & planes[0, w]))
                + (np.int64(_ones(word & planes[1, w])) << 1)
                + (np.int64(_ones(word & planes[2, w])) << 2)
                + (np.int64(_ones(word & planes[3, w])) << 3)
                + (np.int64(_ones(word & planes[4, w])) << 4)
                - (np.int64(_ones(word & planes[5, w])) << 5)
            )
        out[i] = np.float32(total)


def dots_at(codes: NDArray[np.uint8], places: Places, queries: Floats) -> Floats:
    """Dot products of queries (q, d) with the rows of codes (n, d) at places (m,), (q, m)."""
    found = np.empty((len(queries), len(places)), dtype=np.float32)
    queries = np.ascontiguousarray(queries, dtype=np.float32)

    def share(start: int) -> None:
        part = slice(start, start + _SHARE)
        for query, out in zip(queries, found, strict=True):
            _picked(codes, places[part], query, out[part])

    in_threads(share, range(0, len(places), _SHARE))
    return found


def sums_at(bits: NDArray[np.uint64], places: Places, numbers: NDArray[np.int64]) -> Floats:
    """Sum of the whole numbers (64 w,) where a row of bits (n, w) is set, at places (m,), (m,).

    The numbers lie within `PLANES` bits, -32 to 31. They are taken apart into planes of bits, the last of
    which counts negative (two's complement), and the bits common with each plane are counted.
    """
    planes = np.packbits((numbers[None] >> np.arange(PLANES)[:, None]) & 1, axis=1, bitorder="little")
    out = np.empty(len(places), dtype=np.float32)

    def share(start: int) -> None:
        part = slice(start, start + _BITS_SHARE)
        _common(bits, places[part], planes.view(np.uint64), out[part])

    in_threads(share, range(0, len(places), _BITS_SHARE))
    return out

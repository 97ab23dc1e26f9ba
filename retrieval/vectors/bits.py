"""Sums of whole numbers where rows of bits are set, compiled by numba: for estimates from signs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from retrieval.vectors.threads import in_threads

Floats = NDArray[np.float32]
Places = NDArray[np.uint32]

PLANES = 6  # bits of a rounded query
_SHARE = 131_072  # places one thread takes at a time


def _population(_typing: Any, _word: Any) -> Any:
    """Number of bits set in a word: numba has no name for the processor's instruction."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.ctpop", [arguments[0].type])
        return builder.call(function, arguments)

    return types.uint64(types.uint64), generate


_ones: Any = intrinsic(_population)


@njit(nogil=True, cache=True)
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


def sums_at(bits: NDArray[np.uint64], places: Places, numbers: NDArray[np.int64]) -> Floats:
    """Sum of the whole numbers (64 w,) where a row of bits (n, w) is set, at places (m,), (m,).

    The numbers lie within `PLANES` bits, -32 to 31. They are taken apart into planes of bits, the last of
    which counts negative (two's complement), and the bits common with each plane are counted.
    """
    planes = np.packbits((numbers[None] >> np.arange(PLANES)[:, None]) & 1, axis=1, bitorder="little")
    out = np.empty(len(places), dtype=np.float32)

    def share(start: int) -> None:
        part = slice(start, start + _SHARE)
        _common(bits, places[part], planes.view(np.uint64), out[part])

    in_threads(share, range(0, len(places), _SHARE))
    return out

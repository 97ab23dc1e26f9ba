"""One bit a dimension: which side of its list's centre a vector lies on, along turned axes (RaBitQ).

With r a vector's difference from its centre, turned at random, and s the signs of r's components, the dot
product of a query q with r is estimated by ``(q . s) * (r . r) / (|r_1| + ... + |r_d|)``: unbiased over the
turns, with an error in proportion to that factor (Gao and Long, "RaBitQ: Quantizing High-Dimensional Vectors
with a Theoretical Error Bound for Approximate Nearest Neighbor Search", 2024). The query is rounded to a few
bits, so that q . s is a weighted count of common bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import Floats
from retrieval.vectors.bytes import Places

Signs = NDArray[np.uint64]


def random_turn(dimension: int, seed: int = 0) -> Floats:
    """Orthonormal rows that turn vectors into a multiple of 64 dimensions, (d, d64)."""
    wide = -(-dimension // 64) * 64
    square, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((wide, wide)))
    return np.ascontiguousarray(square[:dimension], dtype=np.float32)


def signs_of(turned: Floats) -> tuple[Signs, Floats]:
    """Bits of turned differences (m, d64), (m, d64 / 64), and the factor of each, (m,)."""
    bits = np.packbits(turned > 0, axis=1, bitorder="little").view(np.uint64)
    absolute = np.abs(turned).sum(axis=1)
    factors = np.einsum("ij,ij->i", turned, turned) / np.maximum(absolute, 1e-12)
    return bits, np.maximum(factors, 1e-9).astype(np.float32)  # never nothing: slack is a multiple of it


def sign_dots(signs: Signs, places: Places, turned: Floats) -> Floats:
    """q . s of a turned query (d64,) with the vectors at some places (m,), (m,): without their factors."""
    from retrieval.vectors.bits import PLANES, sums_at  # compiled code is loaded with the first score

    unit = np.float32(max(float(np.abs(turned).max()), 1e-12) / (2 ** (PLANES - 1) - 1))
    rounded = np.rint(turned / unit).astype(np.int64)
    # A sum with signs is twice the sum where the bits are set, less the sum of all.
    found = sums_at(signs, places, rounded)
    found *= 2 * unit
    found -= unit * np.float32(rounded.sum())
    return found

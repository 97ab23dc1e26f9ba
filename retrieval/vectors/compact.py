"""``ivf-rabitq``: one bit a dimension in memory, one byte a dimension on disk.

A query counts common bits in the lists that may hold what it looks for, and reads the bytes only of vectors
whose estimated cosine, with its error, may reach the bar; scores are then those of the bytes. Beside the
files of ``ivf-sq8``, of which then only ``lists.npz`` and scattered pages of the others need be in memory:

    signs.npy     one bit a dimension, turned                         d / 8 bytes a vector, resident
    factors.npy   factor of each vector's estimate                    4 bytes a vector, resident
    turn.npy      the turn, (d, d rounded up to a multiple of 64)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from retrieval.manifest import Storage
from retrieval.vectors import Floats
from retrieval.vectors.bytes import Places, mapped
from retrieval.vectors.inverted import LISTS, InvertedVectors, read_arrays
from retrieval.vectors.signs import sign_dots

SIGNS, FACTORS, TURN = "signs.npy", "factors.npy", "turn.npy"


class CompactVectors(InvertedVectors):
    """Vectors in inverted lists with a bit a dimension to look through.

    Attributes
    ----------
    slack
        How many factors above its estimate a cosine is taken to be at most; infinite: nothing is missed.
    """

    kind: Storage = "ivf-rabitq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.signs = mapped(folder / SIGNS, np.uint64, 2)
        self.factors = mapped(folder / FACTORS, np.float32, 1)
        self.turn = mapped(folder / TURN, np.float32, 2)
        self.slack = float(read_arrays(folder / LISTS)["slack"])
        shapes = (self.signs.shape, len(self.factors), self.turn.shape)
        wide = 64 * self.signs.shape[1]
        if shapes != ((self.count, wide // 64), self.count, (self.dimension, wide)):
            raise ValueError(f"{SIGNS}, {FACTORS}, {TURN} and {LISTS} do not belong together")

    def _estimates(self, query: Floats, places: Places) -> tuple[Floats, Floats]:
        dots = sign_dots(self.signs, places, query @ self.turn)
        estimates = (self.lists.centres @ query)[self.lists.list_of(places)]
        factors = self.factors[places]
        estimates += factors * dots
        return estimates, np.asarray(estimates + factors * np.float32(self.slack), dtype=np.float32)

    def _exact(self, query: Floats, places: Places, estimates: Floats) -> Floats:
        return np.asarray(self.codes.at(query[None], places)[0])

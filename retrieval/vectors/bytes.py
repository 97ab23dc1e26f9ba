"""Vectors as one byte a dimension in a mapped NumPy file, in the order of the inverted lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.vectors import Floats
from retrieval.vectors.codec import Codec

Places = NDArray[np.uint32]


class ByteCodes:
    """Mapped codes of n vectors.

    Parameters
    ----------
    path
        A NumPy file of bytes, (n, d).
    low, step
        Ranges of each dimension, (d,), as of `retrieval.vectors.codec.Codec`.

    Raises
    ------
    ValueError, OSError
        If the file is not one, or of another length.
    """

    def __init__(self, path: Path, low: Floats, step: Floats) -> None:
        self.codes: NDArray[np.uint8] = mapped(path, np.uint8, 2)
        if self.codes.shape[1] != len(low) or len(low) != len(step):
            raise ValueError(f"{path.name} has {self.codes.shape[1]} dimensions, not {len(low)}")
        self._codec = Codec("sq8", low, step)
        self._low, self._step = low, step

    def __len__(self) -> int:
        return len(self.codes)

    def scores(self, queries: Floats, start: int = 0, end: int | None = None) -> Floats:
        """Cosines of queries (q, d) with the places from ``start`` to before ``end``, (q, m)."""
        return self._codec.dots(self.codes[start:end], queries)

    def at(self, queries: Floats, places: Places) -> Floats:
        """Cosines of queries (q, d) with some places (m,), (q, m); quickest in ascending order."""
        from retrieval.vectors.whole import ByteQueries  # compiled code is loaded with the first score

        return ByteQueries(queries, self._low, self._step).cosines_at(self.codes, places)

    def decoded(self, places: Places | slice) -> Floats:
        """Vectors at some places, (m, d), not normalised."""
        return self._codec.decode(self.codes[places])


class ByteQuantiser:
    """Ranges learnt from a sample of unit rows (s, d), and the bytes of any rows."""

    def __init__(self, sample: Floats) -> None:
        self._faiss = faiss.ScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit)
        self._faiss.train(np.ascontiguousarray(sample, dtype=np.float32))
        self.low, self.step = ranges_of(self._faiss)

    def encode(self, rows: Floats) -> NDArray[np.uint8]:
        """Bytes of rows (m, d)."""
        found = self._faiss.compute_codes(np.ascontiguousarray(rows, dtype=np.float32))
        return np.asarray(found, dtype=np.uint8)


def ranges_of(quantiser: Any) -> tuple[Floats, Floats]:
    """Low end and step of each dimension, (d,) each, of a trained 8-bit quantiser of FAISS."""
    low, width = np.split(faiss.vector_to_array(quantiser.trained), 2)
    return np.asarray(low, dtype=np.float32), np.asarray(width / 255.0, dtype=np.float32)


def mapped(path: Path, dtype: Any, dimensions: int) -> NDArray[Any]:
    """A NumPy file opened by memory map, read only.

    Raises
    ------
    ValueError, OSError
        If it cannot be read or holds something else.
    """
    found = np.load(path, mmap_mode="r")
    if found.dtype != np.dtype(dtype) or found.ndim != dimensions or not found.flags.c_contiguous:
        raise ValueError(f"{path.name} holds {found.dtype} of {found.ndim} dimensions")
    return np.asarray(found)  # a plain array over the map: the subclass costs at every slice

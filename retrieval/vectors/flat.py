"""Exact kinds: every row is scored, at the speed of memory (fp32, fp16, sq8).

The file is a flat FAISS index with one row a tile. It is mapped, not read: what a query needs of it comes
into memory with the first query and stays as long as the machine has room.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.manifest import Storage
from retrieval.vectors import Floats, Rows, best_of, checked_queries, unit_rows
from retrieval.vectors.bytes import ranges_of
from retrieval.vectors.choose import MEMORY_SHARE, machine_memory
from retrieval.vectors.codec import DTYPES, Codec

_QUANTISERS = {"fp16": faiss.ScalarQuantizer.QT_fp16, "sq8": faiss.ScalarQuantizer.QT_8bit}
_READ_AHEAD = 1 << 17  # bytes; of one wish Linux grants no more than it reads ahead by itself
_GATHER = 65_536  # rows copied together at a time when only some are scored


class FlatVectors:
    """Vectors in a flat FAISS index file.

    Parameters
    ----------
    path
        The file.
    kind
        ``fp32``, ``fp16`` or ``sq8``; must be that of the file.

    Attributes
    ----------
    codec, codes
        What the codes mean; the codes, (n, d), mapped.
    """

    def __init__(self, path: Path, kind: Storage) -> None:
        # The IFC flag maps flat codes too; the older MMAP flag maps inverted lists only.
        mapped: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        self._faiss = mapped
        self._path, self._fetched = path, False
        self.kind: Storage = kind
        self.count, self.dimension = int(self._faiss.ntotal), int(self._faiss.d)
        if kind not in DTYPES or not _is_of(self._faiss, kind):
            raise ValueError(f"it does not hold {kind} codes")
        raw = faiss.rev_swig_ptr(self._faiss.codes.data(), self._faiss.codes.size())
        self.codes: NDArray[Any] = raw.view(DTYPES[kind]).reshape(self.count, self.dimension)
        self.codec = Codec(kind, *(ranges_of(self._faiss.sq) if kind == "sq8" else ()))

    def scores(self, queries: Floats, rows: ArrayLike | None = None) -> Floats:
        """As `retrieval.vectors.Vectors.scores`."""
        asked = checked_queries(queries, self.dimension)
        if rows is None:
            self._fetch()
            return self.codec.dots(self.codes, asked)
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        parts = [
            self.codec.dots(self.codes[wanted[start : start + _GATHER]], asked)
            for start in range(0, len(wanted), _GATHER)
        ]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(asked), 0), dtype=np.float32)

    def _fetch(self) -> None:
        """Have the file read in one go before all of it is needed for the first time.

        Read where threads come upon it, page by page, it takes many times as long. What is in memory already
        is left as it is, and a file that would fill the memory is not fetched.
        """
        if self._fetched:
            return
        self._fetched = True
        if not hasattr(os, "posix_fadvise") or self.codes.nbytes > MEMORY_SHARE * machine_memory():
            return
        with suppress(OSError), self._path.open("rb") as file:  # the folder may have been set aside
            for start in range(0, self.codes.nbytes, _READ_AHEAD):
                os.posix_fadvise(file.fileno(), start, _READ_AHEAD, os.POSIX_FADV_WILLNEED)

    def best(self, queries: Floats, k: int, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.best`."""
        wanted = None if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        return best_of(self.scores(queries, wanted), k, wanted)

    def above(self, query: Floats, bar: float, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.above`; nothing is missed."""
        wanted = None if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        scores = self.scores(np.asarray(query)[None], wanted)[0]
        found = np.flatnonzero(scores >= np.float32(bar))
        return found if wanted is None else wanted[found], scores[found]

    def get(self, rows: ArrayLike) -> Floats:
        """As `retrieval.vectors.Vectors.get`."""
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        found = self.codec.decode(self.codes[wanted])
        return unit_rows(found)


def write_flat(path: Path, kind: Storage, dimension: int, blocks: Iterable[Floats], sample: Floats) -> None:
    """Make the file from blocks of unit rows.

    Parameters
    ----------
    blocks
        Shape (m, d) each, in row order; one is held at a time.
    sample
        Unit rows from all over the index, from which 8-bit codes learn their ranges, (s, d).
    """
    if kind == "fp32":
        index: Any = faiss.IndexFlatIP(dimension)
    else:
        index = faiss.IndexScalarQuantizer(dimension, _QUANTISERS[kind], faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
    # Added to the index, every code would be held twice while its memory grows: they are written as they
    # come. FAISS' file is the type (4 bytes), the dimension (4), the number of rows (8), the rest of the
    # header, and in the end the number of codes (8; of bytes, of floats for fp32) and the codes.
    header = bytearray(faiss.serialize_index(index).tobytes())
    count = 0
    with path.open("wb") as file:
        file.write(header)
        for block in blocks:
            rows = np.ascontiguousarray(block, dtype=np.float32)
            codes = np.ascontiguousarray(rows if kind == "fp32" else index.sa_encode(rows))
            file.write(codes.data)
            count += len(rows)
        each = dimension if kind == "fp32" else index.code_size
        struct.pack_into("<q", header, 8, count)
        struct.pack_into("<Q", header, len(header) - 8, count * each)
        file.seek(0)
        file.write(header)


def _is_of(index: Any, kind: Storage) -> bool:
    if kind == "fp32":
        return isinstance(index, faiss.IndexFlat)
    return isinstance(index, faiss.IndexScalarQuantizer) and index.sq.qtype == _QUANTISERS[kind]

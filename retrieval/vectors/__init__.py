"""The tile vectors of an index, of one of several kinds behind one interface.

fp32, fp16, sq8     exact: every row is scored (`retrieval.vectors.flat`)
ivf-sq8             lists of which a query reads some (`retrieval.vectors.inverted`)
ivf-rabitq          and a bit a dimension to look through first (`retrieval.vectors.compact`)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from retrieval.manifest import Storage

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

VECTORS = "vectors.faiss"


class Vectors(Protocol):
    """Unit vectors of rows 0..n-1, opened by memory map; scores are cosines, at most 1.

    Attributes
    ----------
    kind
        How they are stored.
    count, dimension
        Their number and their length.
    """

    @property
    def kind(self) -> Storage:
        """How they are stored."""

    @property
    def count(self) -> int:
        """Number of rows."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    def scores(self, queries: Floats, rows: ArrayLike | None = None) -> Floats:
        """Cosines of unit vectors (q, d) with every row, (q, n), or with some rows (m,), (q, m).

        With ``rows`` only these are read. Every kind gives all that are asked for.
        """

    def best(self, queries: Floats, k: int, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """The k best rows of each query and their cosines, (q, k) each, best first, equal ones in row order.

        Fewer than k if there are fewer; only among ``rows`` if given.
        """

    def above(self, query: Floats, bar: float, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """Every row whose cosine with a unit vector (d,) is at least ``bar``, ascending, and the cosines.

        Only among ``rows`` if given. Kinds that are not exact may miss some.
        """

    def get(self, rows: ArrayLike) -> Floats:
        """Unit vectors of rows, (m, d); normalised again after the rounding of the storage."""


def open_vectors(folder: Path, kind: Storage) -> Vectors:
    """Open the vectors in an index folder by memory map.

    Raises
    ------
    RuntimeError, OSError, ValueError, KeyError
        If they cannot be read, or are not of that kind.
    """
    if kind == "ivf-sq8":
        from retrieval.vectors.inverted import InvertedVectors

        return InvertedVectors(folder)
    if kind == "ivf-rabitq":
        from retrieval.vectors.compact import CompactVectors

        return CompactVectors(folder)
    from retrieval.vectors.flat import FlatVectors

    return FlatVectors(folder / VECTORS, kind)


def best_of(scores: Floats, k: int, rows: Rows | None = None) -> tuple[Rows, Floats]:
    """The k highest of each row of scores (q, n), best first, equal ones in order.

    Returns
    -------
    Which (or which of ``rows``), and the scores, (q, min(k, n)) each.
    """
    count = scores.shape[1]
    k = max(0, min(int(k), count))
    found = np.empty((len(scores), k), dtype=np.int64)
    for number, values in enumerate(scores):
        # Everything that ties with the last one takes part, so that ties end in row order.
        if 0 < k < count:
            bar = np.partition(values, count - k)[count - k]
            places = np.flatnonzero(values >= bar)
        else:
            places = np.arange(count)
        found[number] = places[np.lexsort((places, -values[places]))][:k]
    return found if rows is None else rows[found], np.take_along_axis(scores, found, axis=1)


def checked_queries(queries: ArrayLike, dimension: int) -> Floats:
    """Queries as float32 of shape (q, d).

    Raises
    ------
    ValueError
        If they are of another length than the vectors.
    """
    found = np.asarray(queries, dtype=np.float32)
    if found.ndim != 2 or found.shape[1] != dimension:
        raise ValueError(f"a query has shape ({dimension},), not {found.shape[1:] or found.shape}")
    return found


def unit_rows(values: Floats) -> Floats:
    """Rows (m, d) at unit length; a row of zeros stays what it is."""
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))

"""Inverted lists: vectors sorted by their nearest centre, and which lists can hold what is looked for.

A list may hold a vector of cosine ``bar`` with a query q if ``q . centre + reach * spread >= bar``, spread
being the root mean square distance of its vectors from the centre. How far a list reaches is measured when
the index is made (`retrieval.vectors.recall`); so low bars and many hits open more lists by themselves, where
a fixed number of lists would lose most of what is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.vectors import Floats, Rows
from retrieval.vectors.bytes import Places, mapped

MOST_LISTS = 4_096
_TRAINED_ON = 64  # vectors a list, as FAISS advises between 39 and 256
_TURNS = 10  # of k-means


@dataclass(frozen=True)
class Lists:
    """The centres, and where each list lies.

    Attributes
    ----------
    centres, spread
        Centre of each list, (L, d); root mean square distance of its vectors from it, (L,).
    first
        Place of each list's first vector, and the number of all, (L + 1,).
    row_of, place_of
        Row of each place and place of each row, (n,) each, mapped.
    """

    centres: Floats
    spread: Floats
    first: NDArray[np.int64]
    row_of: NDArray[np.uint32]
    place_of: NDArray[np.uint32]

    def bounds(self, query: Floats, reach: float) -> Floats:
        """The highest cosine each list is taken to hold, (L,)."""
        return np.asarray(self.centres @ query + np.float32(reach) * self.spread, dtype=np.float32)

    def places(self, rows: ArrayLike) -> Places:
        """Places of rows, each once, ascending."""
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        found = self.place_of[wanted]
        if len(found) * 32 < len(self.row_of):
            return np.unique(found)
        held = np.zeros(len(self.row_of), dtype=bool)  # quicker than to sort many
        held[found] = True
        return np.flatnonzero(held).astype(np.uint32)

    def rows(self, places: Places) -> Rows:
        """Rows at places, (m,)."""
        return self.row_of[places].astype(np.int64)

    def counts(self, among: Places | None) -> NDArray[np.int64]:
        """How many vectors each list holds, or how many of some places, (L,)."""
        return np.diff(self._edges(among))

    def members(self, lists: NDArray[np.bool_], among: Places | None) -> Places:
        """Places in the lists marked (L,), all or only those among some places, ascending, (m,)."""
        edges = self._edges(among)
        parts = [np.arange(edges[i], edges[i + 1], dtype=np.uint32) for i in np.flatnonzero(lists).tolist()]
        found = np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint32)
        return found if among is None else among[found]

    def list_of(self, places: Places) -> NDArray[np.int64]:
        """List that each place is in, (m,)."""
        return np.searchsorted(self.first, places, side="right") - 1

    def _edges(self, among: Places | None) -> NDArray[np.int64]:
        return self.first if among is None else np.searchsorted(among, self.first)


def open_lists(folder: Path, arrays: dict[str, NDArray[np.float32]]) -> Lists:
    """Lists as `write_order` and the maker of ``lists.npz`` left them.

    Raises
    ------
    ValueError, OSError, KeyError
        If they cannot be read or do not fit together.
    """
    found = Lists(
        centres=np.ascontiguousarray(arrays["centres"], dtype=np.float32),
        spread=np.asarray(arrays["spread"], dtype=np.float32),
        first=np.asarray(arrays["first"], dtype=np.int64),
        row_of=mapped(folder / "rows.npy", np.uint32, 1),
        place_of=mapped(folder / "places.npy", np.uint32, 1),
    )
    count, length = len(found.row_of), len(found.spread)
    whole = (
        len(found.place_of) == count
        and len(found.centres) == length
        and len(found.first) == length + 1
        and found.first[0] == 0
        and found.first[-1] == count
        and bool((np.diff(found.first) >= 0).all())
    )
    if not whole:
        raise ValueError("lists.npz, rows.npy and places.npy do not belong together")
    return found


def how_many_lists(count: int) -> int:
    """A power of two near a quarter of the square root of the number of vectors.

    Four times as many lists cut no more away (`docs/results/2026-11-21-index-kinds.md`) and cost four times
    as much to assign.
    """
    wanted = max(1.0, 0.375 * np.sqrt(max(count, 1)))
    return int(min(MOST_LISTS, 2 ** int(np.log2(wanted))))


def train_centres(sample: Floats, lists: int, seed: int = 0) -> Floats:
    """Centres by k-means on a sample (s, d), (at most ``lists``, d).

    No more than 64 vectors a list take part: 4,096 lists of 512 dimensions need 0.5 GB and some minutes on
    two cores.
    """
    lists = max(1, min(lists, len(sample)))
    means = faiss.Kmeans(
        sample.shape[1],
        lists,
        niter=_TURNS,
        seed=seed + 1,
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAINED_ON,
    )
    means.train(np.ascontiguousarray(sample, dtype=np.float32))
    return np.asarray(means.centroids, dtype=np.float32).reshape(lists, sample.shape[1])


def order_of(labels: NDArray[np.uint16], lists: int) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Where each list starts, (L + 1,), and the row of each place, rows of one list ascending, (n,)."""
    first = np.zeros(lists + 1, dtype=np.int64)
    np.cumsum(np.bincount(labels, minlength=lists), out=first[1:])
    return first, np.argsort(labels, kind="stable").astype(np.uint32)


def write_order(folder: Path, row_of: NDArray[np.uint32]) -> None:
    """Write ``rows.npy`` and its inverse, ``places.npy``."""
    place_of = np.empty_like(row_of)
    place_of[row_of] = np.arange(len(row_of), dtype=np.uint32)
    np.save(folder / "rows.npy", row_of)
    np.save(folder / "places.npy", place_of)

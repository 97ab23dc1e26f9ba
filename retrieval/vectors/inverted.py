"""``ivf-sq8``: one byte a dimension, sorted into inverted lists of which a query reads some.

Scores are exact for the stored codes; what an inexact kind may miss are whole lists that its measured reach
rules out. The files, all mapped, and read only where a query needs them:

    vectors.npy   one byte a dimension, in the order of the lists     n x d bytes
    rows.npy      row of each place in that order                     4 bytes a vector
    places.npy    place of each row                                   4 bytes a vector
    lists.npz     centres, spreads, where lists start, ranges of the codes, measured reach
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.manifest import Storage
from retrieval.vectors import Floats, Rows, best_of, checked_queries, unit_rows
from retrieval.vectors.bytes import ByteCodes, Places
from retrieval.vectors.lists import Lists, open_lists

LISTS = "lists.npz"
CODES = "vectors.npy"
FIRST = 2  # a search for the best k first looks at twice as many: they tell how good the k-th is
FEWEST_FIRST = 4_096
FEW = 65_536  # so few rows are all scored: no list need be looked at


class InvertedVectors:
    """Vectors in inverted lists.

    Attributes
    ----------
    reach
        How many spreads beyond its centre a list is taken to hold vectors; infinite: nothing is missed.

    Raises
    ------
    ValueError, OSError, KeyError
        If the files cannot be read or do not belong together.
    """

    kind: Storage = "ivf-sq8"

    def __init__(self, folder: Path) -> None:
        arrays = read_arrays(folder / LISTS)
        self.lists: Lists = open_lists(folder, arrays)
        self.codes = ByteCodes(folder / CODES, arrays["low"], arrays["step"])
        self.count, self.dimension = len(self.codes), len(arrays["low"])
        if self.count != len(self.lists.row_of) or self.lists.centres.shape[1] != self.dimension:
            raise ValueError(f"{CODES} and {LISTS} do not belong together")
        self.reach = float(arrays["reach"])

    def scores(self, queries: Floats, rows: ArrayLike | None = None) -> Floats:
        """As `retrieval.vectors.Vectors.scores`, from the stored codes of every row asked for."""
        asked = checked_queries(queries, self.dimension)
        if rows is None:
            out = np.empty((len(asked), self.count), dtype=np.float32)
            out[:, self.lists.row_of] = self.codes.scores(asked)
            return out
        places = self.lists.place_of[np.asarray(rows, dtype=np.int64).reshape(-1)]
        order = np.argsort(places, kind="stable")
        out = np.empty((len(asked), len(places)), dtype=np.float32)
        out[:, order] = self.codes.at(asked, places[order])
        return out

    def best(self, queries: Floats, k: int, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.best`; some may be missed, worse ones standing in for them."""
        asked = checked_queries(queries, self.dimension)
        among = None if rows is None else self.lists.places(rows)
        count = self.count if among is None else len(among)
        k = max(0, min(int(k), count))
        found = np.empty((len(asked), k), dtype=np.int64)
        scores = np.empty((len(asked), k), dtype=np.float32)
        for number, query in enumerate(asked):
            if count <= max(FEW, 2 * FIRST * k):
                places, values = self._all(query, among)
            else:
                places, values = self._best(query, k, among)
            theirs = self.lists.rows(places)
            order = np.argsort(theirs)
            best = best_of(values[order][None], k, theirs[order])
            found[number], scores[number] = best[0][0], best[1][0]
        return found, scores

    def above(self, query: Floats, bar: float, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.above`.

        May miss some: as large a share of them as the manifest's ``recall`` leaves, where there are as many
        as it was measured with.
        """
        asked = checked_queries(np.asarray(query)[None], self.dimension)[0]
        among = None if rows is None else self.lists.places(rows)
        if (self.count if among is None else len(among)) <= FEW:
            places, values = self._all(asked, among)
        else:
            places, values = self._above(asked, float(bar), among)
        held = values >= np.float32(bar)
        found, values = self.lists.rows(places[held]), values[held]
        order = np.argsort(found)
        return found[order], values[order]

    def get(self, rows: ArrayLike) -> Floats:
        """As `retrieval.vectors.Vectors.get`."""
        found = self.codes.decoded(self.lists.place_of[np.asarray(rows, dtype=np.int64).reshape(-1)])
        return unit_rows(found)

    def _all(self, query: Floats, among: Places | None) -> tuple[Places, Floats]:
        if among is None:
            return np.arange(self.count, dtype=np.uint32), self.codes.scores(query[None])[0]
        return among, self.codes.at(query[None], among)[0]

    def _above(self, query: Floats, bar: float, among: Places | None) -> tuple[Places, Floats]:
        """Places that may reach the bar, and their cosines."""
        lists = self.lists.bounds(query, self.reach) >= np.float32(bar)
        places = self.lists.members(lists, among)
        estimates, limits = self._estimates(query, places)
        held = limits >= np.float32(bar)
        return places[held], self._exact(query, places[held], estimates[held])

    def _best(self, query: Floats, k: int, among: Places | None) -> tuple[Places, Floats]:
        """Places among which the best k are, and their cosines.

        The lists of the highest bounds tell a floor under the k-th estimate; all lists that may reach it are
        estimated, and what may reach the k-th of these estimates is scored. Where the k-th score is lower
        than that (estimates err upwards at the top), so is what may reach it.
        """
        bounds, counts = self.lists.bounds(query, self.reach), self.lists.counts(among)
        order = np.argsort(-bounds)
        enough = int(np.searchsorted(np.cumsum(counts[order]), max(FEWEST_FIRST, FIRST * k))) + 1
        lists = np.zeros(len(bounds), dtype=bool)
        lists[order[:enough]] = True
        floor = kth(self._estimates(query, self.lists.members(lists, among))[0], k)
        lists |= bounds >= floor
        places = self.lists.members(lists, among)
        estimates, limits = self._estimates(query, places)
        bar = kth(estimates, k)
        held = limits >= bar
        scores = self._exact(query, places[held], estimates[held])
        reached = kth(scores, k)
        if reached >= bar:
            return places[held], scores
        if reached < floor:
            return self._above(query, float(reached), among)
        more = (limits >= reached) & ~held
        found = np.concatenate([places[held], places[more]])
        return found, np.concatenate([scores, self._exact(query, places[more], estimates[more])])

    def _estimates(self, query: Floats, places: Places) -> tuple[Floats, Floats]:
        """Estimated cosines at places, and the highest they are taken to be; here the cosines, twice."""
        scores = self.codes.at(query[None], places)[0]
        return scores, scores

    def _exact(self, query: Floats, places: Places, estimates: Floats) -> Floats:
        """Cosines at places of which there are estimates; here they are the cosines."""
        return estimates


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file.

    Raises
    ------
    ValueError, OSError
        If it is torn or none.
    """
    try:
        # A file opened by NumPy itself stays open where the archive is torn.
        with path.open("rb") as file, np.load(file) as stored:
            return dict(stored)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path.name} is torn ({error})") from error


def kth(values: Floats, k: int) -> np.float32:
    """The k-th highest value; minus infinity where there are fewer."""
    if len(values) < k or not k:
        return np.float32(-np.inf)
    return np.float32(np.partition(values, len(values) - k)[len(values) - k])

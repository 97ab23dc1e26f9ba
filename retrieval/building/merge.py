"""Parts of a changed index: rows of the index as it was and rows drawn anew, merged in the order of tiles.

They are made when they are read, one at a time, so that a change takes no more memory or disk than a build.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.building.parts import Part, read_part
from retrieval.vectors import Vectors, open_vectors
from retrieval.vectors.flat import FlatVectors

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Ints = NDArray[np.int64]
AT_ONCE = 1024  # tiles of a merged part


@dataclass(frozen=True)
class MergedPart:
    """A part of a changed index; `read` makes it."""

    changed: Changed
    tiles: Ints

    def read(self) -> Part:
        """Make the part."""
        return self.changed.part_of(self.tiles)


@dataclass
class Changed:
    """An index as it was, the parts drawn anew, and which tile comes from where.

    Attributes
    ----------
    before
        The index that is changed.
    drawn, starts
        Parts drawn anew, in order; the first tile of each.
    anew
        Tiles drawn anew, ascending.
    keep_better
        Whether a tile that is drawn anew but shows too little keeps what the index had.
    """

    before: TileIndex
    drawn: Sequence[Path]
    starts: Ints
    anew: Ints
    keep_better: bool = True
    _last: dict[int, Part] = field(default_factory=dict)

    def parts(self, tiles: Ints) -> list[MergedPart]:
        """The parts that make up the changed index of these tiles, ascending."""
        return [MergedPart(self, tiles[start : start + AT_ONCE]) for start in range(0, len(tiles), AT_ONCE)]

    @cached_property
    def fact_names(self) -> list[str]:
        """Names of the facts of either, those of the index first."""
        new = list(self._drawn_part(0).facts) if self.drawn else []
        return list(dict.fromkeys([*self.before.tiles.facts, *new]))

    def part_of(self, tiles: Ints) -> Part:
        """The part of some tiles, ascending: rows of the index bit for bit, and those drawn anew."""
        new = self._new(tiles[np.isin(tiles, self.anew)])
        old = self._old(tiles)
        if self.keep_better:
            new = _some(new, new.kept | ~np.isin(new.tiles, old.tiles[old.kept]))
        old = _some(old, ~np.isin(old.tiles, new.tiles))
        return _joined(old, new)

    def _old(self, tiles: Ints) -> Part:
        index = self.before
        coverage = index.coverage
        numbers = coverage["tile"].to_numpy()
        low, high = np.searchsorted(numbers, [tiles[0], tiles[-1] + 1])
        at = low + np.flatnonzero(np.isin(numbers[low:high], tiles))
        rows = index.tiles.find(numbers[at])
        kept = rows >= 0
        indexed = rows[kept]
        facts = {name: np.full(len(at), np.nan, dtype=np.float32) for name in self.fact_names}
        for name, values in index.tiles.facts.items():
            facts[name][kept] = values[indexed]
        return Part(
            tiles=numbers[at],
            observed=coverage["observed"].to_numpy()[at].astype(np.float32),
            facts=facts,
            kept=kept,
            vectors=self._as_stored(indexed),
            thumbnails=[index.thumbnail(int(row)) for row in indexed],
            background=np.asarray(index.background[indexed], dtype=np.float32),
        )

    def _new(self, tiles: Ints) -> Part:
        nothing = np.zeros(0, dtype=np.float32)
        empty = Part(
            tiles=np.zeros(0, dtype=np.int64),
            observed=nothing,
            facts=dict.fromkeys(self.fact_names, nothing),
            kept=np.zeros(0, dtype=bool),
            vectors=np.zeros((0, self.before.manifest.dimension), dtype=np.float32),
            thumbnails=[],
            background=nothing,
        )
        whole = empty
        for number in np.unique(np.searchsorted(self.starts, tiles, side="right") - 1).tolist():
            part = self._drawn_part(number)
            unknown = np.full(len(part.tiles), np.nan, dtype=np.float32)
            facts = {name: part.facts.get(name, unknown) for name in self.fact_names}
            fresh = np.full(len(part.vectors), np.nan, dtype=np.float32)
            part = replace(part, facts=facts, background=fresh)
            whole = _joined(whole, _some(part, np.isin(part.tiles, tiles)))
        return whole

    @cached_property
    def _store(self) -> Vectors:
        # Those of the folder, also where searches go elsewhere.
        return open_vectors(self.before.folder, self.before.manifest.storage)

    def _as_stored(self, rows: Ints) -> NDArray[np.float32]:
        """Vectors whose codes are those of the index again, where its kind needs no training."""
        if isinstance(self._store, FlatVectors):
            return self._store.codec.decode(self._store.codes[rows])
        return self._store.get(rows)

    def _drawn_part(self, number: int) -> Part:
        if number not in self._last:
            self._last.clear()
            self._last[number] = read_part(self.drawn[number])
        return self._last[number]


def _some(part: Part, which: NDArray[np.bool_]) -> Part:
    """Some tiles of a part."""
    of_kept = which[part.kept]
    return Part(
        tiles=part.tiles[which],
        observed=part.observed[which],
        facts={name: values[which] for name, values in part.facts.items()},
        kept=part.kept[which],
        vectors=part.vectors[of_kept],
        thumbnails=[jpeg for jpeg, wanted in zip(part.thumbnails, of_kept.tolist(), strict=True) if wanted],
        background=None if part.background is None else part.background[of_kept],
    )


def _joined(one: Part, two: Part) -> Part:
    """Both parts in the order of their tiles."""
    tiles, kept = np.concatenate([one.tiles, two.tiles]), np.concatenate([one.kept, two.kept])
    order = np.argsort(tiles, kind="stable")
    # Vectors and thumbnails are of the kept ones only.
    numbers = np.full(len(tiles), -1)
    numbers[kept] = np.arange(int(kept.sum()))
    of_kept = numbers[order][kept[order]]
    thumbnails = [*one.thumbnails, *two.thumbnails]
    backgrounds = [part.background for part in (one, two) if part.background is not None]
    return Part(
        tiles=tiles[order],
        observed=np.concatenate([one.observed, two.observed])[order],
        facts={name: np.concatenate([one.facts[name], two.facts[name]])[order] for name in one.facts},
        kept=kept[order],
        vectors=np.concatenate([one.vectors, two.vectors])[of_kept],
        thumbnails=[thumbnails[number] for number in of_kept.tolist()],
        background=np.concatenate(backgrounds)[of_kept],
    )

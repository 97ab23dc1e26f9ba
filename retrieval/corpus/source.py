"""What an index is built from: anything that can list tiles of a grid and draw them.

A `TileSource` is pickled once into every worker process, so it carries names and small parameters, never
open files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.grid import Grid

Json = Any


@dataclass(frozen=True)
class TileBatch:
    """Drawn tiles.

    Attributes
    ----------
    tiles
        Grid numbers, shape (n,).
    pixels
        RGB, uint8, shape (n, size, size, 3), row 0 in the north; grey is repeated three times and pixels
        without data are 0.
    observed
        Share of each tile's pixels that have data, 0..1, shape (n,).
    facts
        Values known of each tile, shape (n,) each, the unit in the name (``elevation_m``); NaN where
        unknown. A source gives the same names in every batch.
    """

    tiles: NDArray[np.int64]
    pixels: NDArray[np.uint8]
    observed: NDArray[np.float32]
    facts: dict[str, NDArray[np.float32]] = field(default_factory=dict)


@runtime_checkable
class TileSource(Protocol):
    """Something that draws tiles. Must be picklable: `read` is called in worker processes.

    One that sets ``draws_in_threads`` has `read` called by several threads instead.
    """

    @property
    def name(self) -> str:
        """A short name for people: ``Lowell 0``, ``viking.tif``."""

    @property
    def body(self) -> Body:
        """The body its tiles lie on."""

    def fingerprint(self) -> str:
        """Short hash that changes whenever any tile would be drawn differently."""

    def describe(self) -> dict[str, Json]:
        """Plain JSON for the index's manifest: kind, files or seed, what was done to the pixels."""

    def candidates(self, grid: Grid) -> NDArray[np.int64]:
        """Numbers of the tiles that may have data, ascending."""

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        """Draw tiles in the order asked for.

        Raises
        ------
        RasterError
            If the underlying data turn out to be torn.
        """


@runtime_checkable
class SourceOnFiles(Protocol):
    """A source that reads files, which may be out of reach where it is unpickled."""

    def check_files(self) -> None:
        """Look whether every file is there and the one that the source was made from.

        Raises
        ------
        RasterError
            If one is not; names it.
        """

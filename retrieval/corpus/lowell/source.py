"""Lowell as a source of tiles, like any raster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import BODIES, Body
from retrieval.corpus.lowell.planet import Planet, cached_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.lowell_version import GENERATOR_VERSION, lowell_fingerprint
from retrieval.corpus.source import Json, TileBatch
from retrieval.errors import SettingsError
from retrieval.grid import Grid


@dataclass(frozen=True)
class LowellSource:
    """Tiles of the planet of a seed; travels to worker processes as the seed alone."""

    seed: int = 0

    @property
    def name(self) -> str:
        """Name for people."""
        return f"Lowell {self.seed}"

    @property
    def body(self) -> Body:
        """The body."""
        return BODIES["lowell"]

    @property
    def planet(self) -> Planet:
        """The planet, made once per process."""
        return cached_planet(self.seed)

    def fingerprint(self) -> str:
        """Hash of generator and seed."""
        return lowell_fingerprint(self.seed)

    def describe(self) -> dict[str, Json]:
        """For the manifest of an index."""
        return {"kind": "lowell", "seed": self.seed, "generator_version": GENERATOR_VERSION}

    def candidates(self, grid: Grid) -> NDArray[np.int64]:
        """Every tile: the planet has no unmapped side."""
        self._check(grid)
        return np.arange(len(grid), dtype=np.int64)

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        """Draw tiles; ``elevation_m`` is the large-scale elevation at the centre.

        Raises
        ------
        SettingsError
            If the grid is of another body.
        """
        self._check(grid)
        numbers = np.atleast_1d(np.asarray(tiles, dtype=np.int64))
        centres = grid.centres(numbers)
        grey = np.zeros((len(numbers), size_px, size_px), dtype=np.uint8)
        observed = np.zeros(len(numbers), dtype=np.float32)
        for n, (lon, lat) in enumerate(centres.tolist()):
            grey[n], observed[n] = draw_tile(self.planet, lon, lat, grid.tile_km, size_px)
        elevation = self.planet.elevation_m(centres).astype(np.float32)
        return TileBatch(
            numbers, np.repeat(grey[..., None], 3, axis=-1), observed, {"elevation_m": elevation}
        )

    def _check(self, grid: Grid) -> None:
        if grid.body != self.body:
            raise SettingsError(
                f"a grid on {grid.body.name} has no tiles of Lowell", allowed="a grid on lowell"
            )

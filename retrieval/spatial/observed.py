"""Where was looked: the ground that a density is divided by and a null model moves patterns on.

A hit says something only beside the places that were looked at and gave none. `Observed` is those places:
cells of the equal-area grid with the share of each that was seen, or the positions of a survey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import GeometryError
from retrieval.grid import Grid
from retrieval.spatial.ladder import Ladder
from retrieval.spatial.sphere import check_distance, check_lonlat

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TABLE_CELLS = 20_000_000  # up to here a table of all cells answers "was this seen?", four times faster
BLOCK = 20_000  # centres looked around in one go
SUBCELLS = 4  # along each side of a cell, where a region cuts through it


class Ground(Protocol):
    """Anything that says which positions lie in it: a `region.Region`."""

    words: str

    def holds(self, body: Body, lonlat: ArrayLike) -> Bools:
        """Whether each position lies inside, (n,)."""
        ...


class Coverage(Protocol):
    """What `observed_by_index` needs of an index."""

    @property
    def grid(self) -> Grid:
        """Grid of the tiles."""
        ...

    @property
    def coverage(self) -> Any:
        """Table of ``tile`` (grid number, ascending) and ``observed`` (share, 0..1)."""
        ...


@dataclass(frozen=True)
class Observed:
    """Where was looked.

    Attributes
    ----------
    grid
        Grid of the cells.
    cells
        Numbers of the cells that were looked at, (c,), ascending.
    share
        Share of each cell that was seen, (c,), 0..1.
    points
        Positions that were looked at, (p, 2), lonlat in degrees, if it was positions (a survey of hits and
        misses); None if it was ground.
    words
        What this is, for a sentence: ``"the ground that the index has seen"``.

    Raises
    ------
    GeometryError
        If the cells are not ascending numbers of the grid or a share is outside 0..1.
    """

    grid: Grid
    cells: Ints
    share: Floats
    points: Floats | None
    words: str

    def __post_init__(self) -> None:
        cells, share = self.cells, self.share
        if cells.shape != share.shape or cells.ndim != 1:
            raise GeometryError(
                f"{len(cells)} cells have {share.size} shares", allowed="one share for each cell"
            )
        if len(cells) and (cells[0] < 0 or cells[-1] >= len(self.grid) or (np.diff(cells) <= 0).any()):
            raise GeometryError("cells are not ascending numbers of the grid")
        if not bool(((share >= 0) & (share <= 1)).all()):
            raise GeometryError("a cell was observed to less than nothing or more than all", allowed="0 to 1")

    @property
    def body(self) -> Body:
        """The body."""
        return self.grid.body

    @cached_property
    def cell_areas_km2(self) -> Floats:
        """Area of each cell that was seen, km2, (c,)."""
        return np.asarray(self.grid.areas_km2(self.cells) * self.share)

    @property
    def area_km2(self) -> float:
        """Area that was seen, km2."""
        return float(self.cell_areas_km2.sum())

    def cell_at(self, lonlat: ArrayLike) -> Ints:
        """Row in `cells` at each position (..., 2); -1 where nothing was looked at, of shape (...)."""
        tiles = self.grid.locate(lonlat)
        if not len(self.cells):
            return np.full(tiles.shape, -1, dtype=np.int64)
        if self._table is not None:
            return np.asarray(self._table[tiles], dtype=np.int64)
        row = np.minimum(np.searchsorted(self.cells, tiles), len(self.cells) - 1)
        return np.asarray(np.where(self.cells[row] == tiles, row, -1))

    def share_at(self, lonlat: ArrayLike) -> Floats:
        """Share seen of the cell at each position (..., 2), 0..1, of shape (...)."""
        return np.append(self.share, 0.0)[self.cell_at(lonlat)]

    def holds(self, lonlat: ArrayLike, rng: Generator | None = None) -> Bools:
        """Whether each position (..., 2) was seen, of shape (...).

        Nobody knows which part of a cell was seen when only a share of it was. With ``rng`` a position
        there counts with the chance of that share; without, it counts from a half upwards.
        """
        share = self.share_at(lonlat)
        if rng is None:
            return np.asarray(share >= 0.5)
        held = share >= 1.0
        partly = np.nonzero((share > 0.0) & ~held)
        held[partly] = rng.random(len(partly[0])) < share[partly]
        return np.asarray(held)

    def sample(self, n: int, rng: Generator) -> Floats:
        """Positions drawn evenly from what was observed, (n, 2), lonlat in degrees.

        Of a survey its positions are drawn, with repetition.

        Raises
        ------
        GeometryError
            If nothing was observed.
        """
        if self.points is not None and len(self.points):
            return self.points[rng.integers(0, len(self.points), n)]
        if not self.area_km2 > 0:
            raise GeometryError(f"{self.words}: nothing was observed", next_step="choose other ground")
        row = self._ladder.step_of(rng.random(n) * self._ladder.bounds[-1])
        return within_cells(self.grid, self.cells[row], rng.random(n), rng.random(n))

    def areas_by(self, values: ArrayLike, edges: ArrayLike) -> Floats:
        """Area seen in each class of a value known for each cell, km2, (k,).

        Parameters
        ----------
        values
            The value of each of `cells`, (c,); NaN belongs to no class.
        edges
            Edges of the classes, (k + 1,), ascending. A class holds its lower edge; the last one both.

        Raises
        ------
        GeometryError
            If there is not one value for each cell.
        """
        found = np.asarray(values, dtype=float)
        if found.shape != self.cells.shape:
            raise GeometryError(
                f"{found.size} values for {len(self.cells)} cells", allowed="one for each cell"
            )
        bins = np.asarray(edges, dtype=float)
        known = np.isfinite(found)
        return np.histogram(found[known], bins, weights=self.cell_areas_km2[known])[0]

    def share_around(self, lonlat: ArrayLike, km: float, samples: int = 89) -> Floats:
        """Share of the neighbourhood of each position that was seen, (n,), 0..1.

        Looks at ``samples`` points spread evenly over the cap of that radius (a Fibonacci spiral).
        """
        points = check_lonlat(lonlat, "positions")
        check_distance(km)
        steps = (np.arange(samples) + 0.5) / samples
        # Equal areas of a spherical cap are equal steps of 1 - cos(angle).
        angle = np.arccos(1.0 - steps * (1.0 - np.cos(min(km / self.body.radius_km, np.pi))))
        azimuth = np.degrees(np.arange(samples) * np.pi * (3.0 - np.sqrt(5.0))) % 360.0
        share = np.empty(len(points))
        for start in range(0, len(points), BLOCK):
            block = points[start : start + BLOCK, None, :]
            around = self.body.destination(block, azimuth, angle * self.body.radius_km)
            share[start : start + BLOCK] = self.share_at(around).mean(axis=1)
        return share

    @cached_property
    def _ladder(self) -> Ladder:
        return Ladder(np.concatenate([[0.0], np.cumsum(self.cell_areas_km2)]))

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        if len(self.grid) > TABLE_CELLS:
            return None
        table = np.full(len(self.grid), -1, dtype=np.int32)
        table[self.cells] = np.arange(len(self.cells), dtype=np.int32)
        return table


def observed_by_index(index: Coverage) -> Observed:
    """The ground that an index has seen."""
    table = index.coverage
    share = np.clip(table["observed"].to_numpy(dtype=np.float64), 0.0, 1.0)
    cells = table["tile"].to_numpy(dtype=np.int64)
    seen = share > 0
    return Observed(index.grid, cells[seen], share[seen], None, "the ground that the index has seen")


def observed_points(body: Body, lonlat: ArrayLike, cell_km: float, words: str = "") -> Observed:
    """The positions of a survey, hits and misses alike.

    Parameters
    ----------
    body
        The body.
    lonlat
        All positions that were looked at, (p, 2), degrees.
    cell_km
        Side of the cells that count as seen when one of the positions lies in them, km.
    words
        What they are; the number of positions by default.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body.
    """
    points = check_lonlat(lonlat, "looked-at positions")
    grid = Grid(body, cell_km)
    cells = np.unique(grid.locate(points))
    return Observed(grid, cells, np.ones(len(cells)), points, words or f"{len(points):,} positions looked at")


def observed_region(body: Body, region: Ground, cell_km: float) -> Observed:
    """All of a region, in cells of ``cell_km``; a cell that its edge cuts counts by the share inside."""
    grid = Grid(body, cell_km)
    along = (np.arange(SUBCELLS) + 0.5) / SUBCELLS
    across, down = (fractions.ravel() for fractions in np.meshgrid(along, along))
    cells: list[Ints] = []
    shares: list[Floats] = []
    for start in range(0, len(grid), BLOCK):
        numbers = np.arange(start, min(start + BLOCK, len(grid)))
        spots = within_cells(grid, numbers[:, None], across, down)
        share = region.holds(body, spots.reshape(-1, 2)).reshape(len(numbers), -1).mean(axis=1)
        cells.append(numbers[share > 0])
        shares.append(np.asarray(share[share > 0], dtype=np.float64))
    return Observed(grid, np.concatenate(cells), np.concatenate(shares), None, region.words)


def whole_body(body: Body, cell_km: float) -> Observed:
    """All of the body."""
    grid = Grid(body, cell_km)
    return Observed(grid, np.arange(len(grid)), np.ones(len(grid)), None, f"all of {body.name.capitalize()}")


def joined(parts: Sequence[Observed], words: str) -> Observed:
    """Ground seen by any of several looks of one grid; of a cell the largest share counts.

    Raises
    ------
    GeometryError
        If the grids differ or there is none.
    """
    if not parts or any(part.grid != parts[0].grid for part in parts):
        raise GeometryError("observed ground of different grids cannot be joined", allowed="one grid")
    cells = np.concatenate([part.cells for part in parts])
    share = np.concatenate([part.share for part in parts])
    order = np.lexsort((share, cells))
    cells, share = cells[order], share[order]
    last = np.append(np.diff(cells) > 0, True)[: len(cells)]
    surveys = [part.points for part in parts if part.points is not None]
    points = np.concatenate(surveys) if len(surveys) == len(parts) else None
    return Observed(parts[0].grid, cells[last], share[last], points, words)


def within_cells(grid: Grid, cells: Ints, across: Floats, down: Floats) -> Floats:
    """Positions at fractions of cells from their west edge and, by area, from their north edge, (..., 2)."""
    rows, cols = grid.rows_cols(cells)
    lon = -180.0 + (cols + across) * 360.0 / grid.columns[rows]
    north = np.sin(np.radians(grid.row_lat[rows] + grid.row_height_deg / 2))
    south = np.sin(np.radians(grid.row_lat[rows] - grid.row_height_deg / 2))
    lat = np.degrees(np.arcsin(np.clip(north + (south - north) * down, -1.0, 1.0)))
    return np.stack([np.broadcast_to(lon, lat.shape), lat], axis=-1)

"""Training, validation and test regions that do not touch: blocks of a coarse grid, dealt by a seed.

Neighbouring tiles show the same ground and the same light. Dealt one by one, a model would be tested on
what it was trained on; so whole blocks are dealt, and tiles at their borders are dropped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.errors import SettingsError
from retrieval.grid import Grid

SPLITS = ("train", "val", "test")
DROPPED = -1

# Centres of tiles of different splits are at least this many tiles apart: one whole tile lies between.
APART_TILES = 2.0
_LEAST_BLOCK_TILES = 4  # below, blocks that are not neighbours would come near each other


@dataclass(frozen=True)
class SplitRule:
    """How the ground is dealt to splits.

    Attributes
    ----------
    train, val, test
        Shares of the blocks, summing to 1.
    block_tiles
        Side of a block, tiles. Larger blocks lose fewer tiles at borders; smaller ones mix regions better.
        At 12 tiles and a fifth held out, about one tile in seven is dropped.
    """

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1
    block_tiles: int = 12

    def __post_init__(self) -> None:
        shares = (self.train, self.val, self.test)
        if not (all(0 <= share <= 1 for share in shares) and math.isclose(sum(shares), 1, abs_tol=1e-6)):
            raise SettingsError(
                f"shares of {self.train:g}, {self.val:g} and {self.test:g} make no split",
                allowed="train, val and test of at least 0 that sum to 1",
            )
        if self.block_tiles < _LEAST_BLOCK_TILES:
            raise SettingsError(
                f"blocks of {self.block_tiles} tiles are too small to keep splits apart",
                allowed=f"at least {_LEAST_BLOCK_TILES}",
            )


class Splitter:
    """The blocks of one body and tile size, dealt.

    Parameters
    ----------
    rule
        Shares and block size.
    body, tile_km
        Where the tiles lie and how large they are.
    seed
        Deals the blocks; the same seed deals them alike.

    Raises
    ------
    SettingsError
        If the blocks do not fit the body.
    """

    def __init__(self, rule: SplitRule, body: Body, tile_km: float, seed: int) -> None:
        if not rule.block_tiles * tile_km <= body.half_circumference_km / 4:
            raise SettingsError(
                f"blocks of {rule.block_tiles} tiles of {tile_km:g} km do not fit {body.name}",
                next_step="choose smaller blocks, or put all tiles into one split",
            )
        self._body = body
        self._apart_km = APART_TILES * tile_km
        self._blocks = Grid(body, rule.block_tiles * tile_km)
        self._dealt = _deal(rule, len(self._blocks), seed)

    def assign(self, lonlat: ArrayLike) -> NDArray[np.int8]:
        """Split of each tile by its centre: a number in `SPLITS`, or `DROPPED`.

        A tile near a block of a later split is dropped, so that what is held out stays whole: a training
        tile near a validation or test block, a validation tile near a test block.

        Parameters
        ----------
        lonlat
            Centres, shape (n, 2), degrees.

        Returns
        -------
        Shape (n,).
        """
        points = np.asarray(lonlat, dtype=float).reshape(-1, 2)
        own = self._dealt[self._blocks.locate(points)]
        near = self._near_blocks(points)
        later = self._dealt[near] > own[:, None]
        close = _distance_to_cells_km(self._body, self._blocks, points, near) < self._apart_km
        return np.where((later & close).any(axis=1), DROPPED, own).astype(np.int8)

    def _near_blocks(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Numbers of the blocks that may come near each point, shape (n, 15).

        Three rows and, in each, the column of the point's longitude with two on either side. That is enough
        as long as `APART_TILES` is at most half a block: even in the second row from a pole, whose columns
        are narrowest, a column is 0.7 blocks wide, and the polar row has but three.
        """
        blocks = self._blocks
        row, _ = blocks.rows_cols(blocks.locate(points))
        found = []
        for shift in (-1, 0, 1):
            other = np.clip(row + shift, 0, blocks.rows - 1)
            columns = blocks.columns[other]
            column = np.floor((points[:, 0] + 180.0) / 360.0 * columns).astype(np.int64)
            found += [blocks.first[other] + (column + step) % columns for step in (-2, -1, 0, 1, 2)]
        return np.stack(found, axis=1)


def _deal(rule: SplitRule, count: int, seed: int) -> NDArray[np.int8]:
    """Split of each block. A split that is wanted at all gets a block if there are enough."""
    val, test = (max(round(share * count), int(share > 0)) for share in (rule.val, rule.test))
    dealt = np.zeros(count, dtype=np.int8)
    order = np.random.default_rng([seed, 20]).permutation(count)
    dealt[order[:val]] = SPLITS.index("val")
    dealt[order[val : val + test]] = SPLITS.index("test")
    return dealt


def _distance_to_cells_km(
    body: Body, grid: Grid, points: NDArray[np.float64], cells: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Great-circle distance from points (n, 2) to cells (n, m) of a grid, km; 0 inside.

    On a parallel the distance grows with the difference in longitude. So the nearest point of a cell lies
    on the point's own meridian if the cell has it, and otherwise on the nearer of its two sides.
    """
    rows, cols = grid.rows_cols(cells)
    width = 360.0 / grid.columns[rows]
    middle = -180.0 + (cols + 0.5) * width
    north = np.radians(grid.row_lat[rows] + grid.row_height_deg / 2)
    south = np.radians(grid.row_lat[rows] - grid.row_height_deg / 2)
    away = np.abs((points[:, :1] - middle + 180.0) % 360.0 - 180.0)
    dlon = np.radians(np.maximum(0.0, away - width / 2))
    lat = np.radians(points[:, 1:])
    # Where a great circle from the point meets the side's meridian at a right angle.
    foot = np.arctan2(np.sin(lat), np.cos(lat) * np.cos(dlon))
    cosines = [
        np.sin(lat) * np.sin(end) + np.cos(lat) * np.cos(end) * np.cos(dlon)
        for end in (north, south, np.clip(foot, south, north))
    ]
    return np.asarray(body.radius_km * np.arccos(np.clip(np.max(cosines, axis=0), -1.0, 1.0)))

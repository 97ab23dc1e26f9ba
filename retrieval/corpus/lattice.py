"""Where the pixels of tiles lie on a raster: computed at some places of each tile, interpolated between.

Projections are smooth over a tile, so polynomials through 9 x 9 places give all its pixels to a hundredth of
a pixel, for a hundredth of the sines. That is checked at further places of each tile: near a pole, across a
seam or where a projection ends, every pixel is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus.rasterfile import Raster
from retrieval.grid import Grid

Floats = NDArray[np.float64]

NODES = 9
# Between the nodes, where polynomials are farthest off: shares of the half side, east and north.
CHECKS = np.array(
    [(x, y) for x in (-0.97, -0.83, -0.55, -0.19, 0.19, 0.55, 0.83, 0.97) for y in (-0.97, -0.55, 0.55, 0.97)]
)
TOLERANCE = 0.01  # of a raster's pixel, or of a tile's where that is larger


@dataclass(frozen=True)
class Lattice:
    """Where tiles lie on a raster, pixel centres counting 0, 1...

    Attributes
    ----------
    tiles
        Grid numbers, (n,).
    nodes
        Rows and columns at the nodes of each tile, (n, 2, 9, 9).
    smooth
        Whether the pixels follow from the nodes, (n,): the tile then lies on the raster's plane in one piece.
    spread
        Weights of the nodes for the pixels along a side, (s, 9).
    """

    raster: Raster
    grid: Grid
    tiles: NDArray[np.int64]
    nodes: Floats
    smooth: NDArray[np.bool_]
    spread: Floats

    def places(self, number: int) -> tuple[Floats, Floats]:
        """Rows and columns of the pixel centres of one tile, (s, s); not finite where there are none."""
        if self.smooth[number]:
            rows, cols = self.spread @ self.nodes[number] @ self.spread.T
            return rows, cols
        lonlat = self.grid.pixel_lonlat(int(self.tiles[number]), len(self.spread))
        return self.raster.positions(self.grid.body, lonlat)


def lattice_on(raster: Raster, grid: Grid, tiles: NDArray[np.int64], size_px: int) -> Lattice:
    """Where tiles of so many pixels a side lie on a raster."""
    east, north, spread, at_checks = _lattice(size_px)
    half_km = grid.tile_km / 2
    centres = grid.centres(tiles)
    lonlat = grid.body.offsets_to_lonlat(centres[:, None], east * half_km, north * half_km)
    places = np.stack(raster.positions(grid.body, lonlat), axis=1)  # (tiles, 2, nodes and checks)
    nodes, checks = places[..., : NODES**2], places[..., NODES**2 :]
    with np.errstate(invalid="ignore"):
        # A pixel of the tile in pixels of the raster, whichever way it is finer.
        pixel = np.ptp(nodes, axis=2).min(axis=1) / size_px
        off = np.abs(nodes @ at_checks.T - checks).max(axis=(1, 2))
        smooth = off <= TOLERANCE * np.maximum(pixel, 1.0)  # false where anything is not finite
    nodes = np.ascontiguousarray(nodes).reshape(len(tiles), 2, NODES, NODES)
    return Lattice(raster, grid, tiles, nodes, smooth, spread)


@lru_cache(maxsize=8)
def _lattice(size_px: int) -> tuple[Floats, Floats, Floats, Floats]:
    """East and north of nodes and checks; matrices from nodes to pixels (s, nodes) and to checks."""
    nodes = -np.cos(np.pi * np.arange(NODES) / (NODES - 1))  # Chebyshev's, which keep polynomials calm
    along = (np.arange(size_px) + 0.5) * 2 / size_px - 1
    # Columns run east and rows south: the lattice is symmetric, so one matrix serves both.
    east, south = np.meshgrid(nodes, nodes)
    spread = _lagrange(nodes, along)
    east_at, south_at = _lagrange(nodes, CHECKS[:, 0]), _lagrange(nodes, -CHECKS[:, 1])
    at_checks = (south_at[:, :, None] * east_at[:, None, :]).reshape(len(CHECKS), -1)
    return (
        np.concatenate([east.ravel(), CHECKS[:, 0]]),
        np.concatenate([-south.ravel(), CHECKS[:, 1]]),
        spread,
        at_checks,
    )


def _lagrange(nodes: Floats, at: Floats) -> Floats:
    """Weights of the values at nodes (n,) for the polynomial through them at places (m,), shape (m, n)."""
    others = ~np.eye(len(nodes), dtype=bool)
    weights = [
        np.prod((at[:, None] - nodes[keep]) / (nodes[i] - nodes[keep]), axis=1)
        for i, keep in enumerate(others)
    ]
    return np.stack(weights, axis=1)

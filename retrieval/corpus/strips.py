"""Many tiles of a picture drawn in one go: one read for neighbours, one call that goes from block to pixels.

For tiles whose pixels are about as large as the raster's, or smaller: where a raster is finer it is averaged
on reading, for each tile on its own, and `retrieval.corpus.sampling` does that. The pixels are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.corpus.lattice import Lattice
from retrieval.corpus.rasterfile import Raster, palette_of, telling_of_tears
from retrieval.corpus.sampling import CYCLE_SLACK_PX, read_block
from retrieval.corpus.strip_kernels import BY_ITSELF, IN_PART, NOT_HERE, WHOLE, draw, look

MARGIN_PX = 2  # read around what a tile needs, as when it is drawn by itself
# Tiles are read together while the box around them is not much larger than they are, and no larger than this.
BLOCK_PX, SPARE_PX = 2_000_000, 65_536


def draw_strips(
    dataset: Any, lattice: Lattice, at: NDArray[np.int64], pixels: NDArray[np.uint8], seen: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Draw tiles of a picture wherever they are not seen yet.

    Parameters
    ----------
    dataset
        The picture's open file.
    at
        The place of each of the lattice's tiles in ``pixels`` (n, s, s, 3) and ``seen`` (n, s, s).

    Returns
    -------
    Numbers (in the lattice) of the tiles that are left, to be drawn one by one.

    Raises
    ------
    RasterError
        If the file is torn.
    """
    raster = lattice.raster
    slack = CYCLE_SLACK_PX if raster.cyclic else 0.0
    shape = raster.height, raster.width, slack
    spread = np.ascontiguousarray(lattice.spread.T)
    how = np.full(len(lattice.tiles), BY_ITSELF, dtype=np.uint8)
    ends = np.zeros((len(how), 4))
    smooth = np.flatnonzero(lattice.smooth)
    how[smooth], ends[smooth] = _look(lattice.nodes[smooth], spread, shape)
    some = np.flatnonzero((how == WHOLE) | (how == IN_PART))
    spans = _spans(ends[some], raster)
    stretch = np.array(
        [(low, np.float32(high) - np.float32(low)) for low, high in raster.stretch], np.float32
    )
    with telling_of_tears(raster.path):
        palette = palette_of(dataset, raster.bands[0]) if raster.palette else None
        for run in _runs(spans):
            data, mask, origin = _block(dataset, raster, spans[run], palette)
            these = some[run]
            draw(
                data,
                mask,
                origin,
                shape,
                lattice.nodes[these],
                spread,
                spans[run],
                how[these] == WHOLE,
                at[these],
                stretch.reshape(-1, 2),
                pixels,
                seen,
            )
    return np.flatnonzero(how == BY_ITSELF)


def _look(
    nodes: NDArray[np.float64], spread: NDArray[np.float64], shape: tuple[int, int, float]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    how, ends = np.full(len(nodes), NOT_HERE, dtype=np.uint8), np.zeros((len(nodes), 4))
    look(nodes, spread, *shape, how, ends)
    return how, ends


def _spans(ends: NDArray[np.float64], raster: Raster) -> NDArray[np.int64]:
    """First and one-past-last row and column that tiles need, (n, 4); columns may go round."""
    spans = np.empty(ends.shape, dtype=np.int64)
    spans[:, ::2] = np.floor(ends[:, ::2]) - MARGIN_PX
    spans[:, 1::2] = np.ceil(ends[:, 1::2]) + MARGIN_PX + 1
    spans[:, :2] = np.clip(spans[:, :2], 0, raster.height)
    if not raster.cyclic:
        spans[:, 2:] = np.clip(spans[:, 2:], 0, raster.width)
    return spans


def _runs(spans: NDArray[np.int64]) -> Iterator[slice]:
    """Runs of tiles that are read together."""
    start, box, alone = 0, (0, 0, 0, 0), 0
    for number, (top, bottom, left, right) in enumerate(spans.tolist()):
        larger = top, bottom, left, right
        if number > start:
            larger = min(top, box[0]), max(bottom, box[1]), min(left, box[2]), max(right, box[3])
        area = (larger[1] - larger[0]) * (larger[3] - larger[2])
        own = (bottom - top) * (right - left)
        if number > start and area > min(BLOCK_PX, 2 * (alone + own) + SPARE_PX):
            yield slice(start, number)
            start, larger, alone = number, (top, bottom, left, right), 0
        box, alone = larger, alone + own
    if len(spans):
        yield slice(start, len(spans))


def _block(
    dataset: Any, raster: Raster, spans: NDArray[np.int64], palette: NDArray[np.uint8] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8], tuple[int, int]]:
    """What a run of tiles needs, with one more row and column; its mask; and its first row and column."""
    top, left = spans[:, 0].min().item(), spans[:, 2].min().item()
    rows, cols = (top, spans[:, 1].max().item()), (left, spans[:, 3].max().item())
    found, mask, _, _ = read_block(dataset, raster.bands, rows, cols, 1.0, 1.0, nearest=palette is not None)
    if palette is not None:
        found = np.moveaxis(palette[np.clip(found[0], 0, 255).astype(np.uint8)], -1, 0)
    data = np.zeros((len(found), found.shape[1] + 1, found.shape[2] + 1), dtype=np.float32)
    data[:, :-1, :-1] = found
    return data, mask, (top, left)

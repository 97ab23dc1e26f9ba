"""Sample an open raster at fractional pixel positions: decimated windowed reads, bilinear, nodata-aware.

Positions count from the centre of the first pixel: (0, 0) is that centre, and the raster's outer edges lie
at -0.5 and ``height - 0.5``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling
from rasterio.windows import Window

from retrieval.corpus.bilinear import bilinear, survey

Floats = NDArray[np.float64]

# A whole-planet raster may miss its own circumference by a rounded pixel.
CYCLE_SLACK_PX = 1.0


def sample(
    dataset: Any,
    bands: tuple[int, ...],
    rows: Floats,
    cols: Floats,
    *,
    cyclic: bool = False,
    palette: NDArray[np.uint8] | None = None,
    whole: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values at positions, and which positions have data.

    Parameters
    ----------
    dataset
        An open `rasterio` dataset.
    rows, cols
        Positions of a patch of one tile, shape (h, w); not finite where there are none. Neighbouring
        entries are neighbours on the ground: their spacing decides how far the raster is decimated.
    cyclic
        Whether column ``width`` is column 0 again.
    palette
        Colours of the values of a single band, shape (256, 3): the result then has three bands.
    whole
        The patch has no tear and no position that is not finite: its inside lies inside its edge.

    Returns
    -------
    values
        Shape (bands, h, w), float32; 0 where there are no data.
    seen
        Shape (h, w): inside the raster and at least half the weight of the four neighbours has data.
    """
    height, width = dataset.height, dataset.width
    slack = CYCLE_SLACK_PX if cyclic else 0.0
    shape = (3 if palette is not None else len(bands), *rows.shape)
    values = np.empty(shape, dtype=np.float32)
    rows, cols = np.ascontiguousarray(rows), np.ascontiguousarray(cols)
    inside, *ends, row_step, col_step = survey(rows, cols, height, width, slack, whole)
    all_inside = inside == (2 * sum(rows.shape) - 4 if whole and min(rows.shape) > 1 else rows.size)
    if whole and not all_inside:  # the raster's own corner may lie within the patch
        inside, *ends, row_step, col_step = survey(rows, cols, height, width, slack, False)
    if not inside:
        return np.zeros(shape, dtype=np.float32), np.zeros(rows.shape, dtype=bool)
    seen = np.ones(rows.shape, dtype=bool)
    if not all_inside:
        seen = _inside(rows, height, 0.0) & _inside(cols, width, slack)
    if cyclic and ends[3] - ends[2] > width / 2:
        cols = _shortest_cycle(cols, seen, width)
        ends[2:] = cols[seen].min(), cols[seen].max()
    row_range = _window(ends[0], ends[1], row_step, height, cyclic=False)
    col_range = _window(ends[2], ends[3], col_step, width, cyclic=cyclic)
    data, mask, row_centres, col_centres = read_block(
        dataset, bands, row_range, col_range, row_step, col_step, nearest=palette is not None
    )
    if palette is not None:
        data = np.moveaxis(palette[np.clip(data[0], 0, 255).astype(np.uint8)], -1, 0)
    row_axis, col_axis = _axis(row_centres), _axis(col_centres)
    if len(_unrolled(col_range, width)) > 1:
        # Pieces on both sides of a seam may be decimated differently: their columns are not evenly apart.
        cols = np.interp(np.where(seen, cols, col_range[0]), col_centres, np.arange(len(col_centres)))
        col_axis = (0.0, 1.0)
    bilinear(np.ascontiguousarray(data), mask, rows, cols, row_axis, col_axis, values, seen)
    return values, seen


def mask_of(dataset: Any, bands: tuple[int, ...], data: NDArray[Any], window: Window) -> NDArray[np.bool_]:
    """Which pixels of ``data`` (bands, h, w), read from ``window``, hold data in any band; shape (h, w)."""
    flags = dataset.mask_flag_enums[bands[0] - 1]
    if MaskFlags.all_valid in flags:
        mask = np.ones(data.shape[1:], dtype=bool)
    elif MaskFlags.nodata in flags and MaskFlags.alpha not in flags:
        nodata = np.array([dataset.nodatavals[band - 1] for band in bands], dtype=float)[:, None, None]
        mask = (data != nodata).any(axis=0)
    else:
        mask = dataset.dataset_mask(window=window, out_shape=data.shape[1:]) > 127
    if np.issubdtype(data.dtype, np.floating):
        mask &= np.isfinite(data).all(axis=0)
    return np.asarray(mask)


def _shortest_cycle(cols: Floats, seen: NDArray[np.bool_], width: int) -> Floats:
    """Columns of a patch across the seam as one run: from ``width - 3..width, 0..2`` to ``-3..2``."""
    shifted = (cols + width / 2) % width - width / 2
    return shifted if np.ptp(shifted[seen]) < np.ptp(cols[seen]) else cols


def _inside(positions: Floats, size: int, slack: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((positions >= -0.5 - slack) & (positions <= size - 0.5 + slack))


def _axis(centres: Floats) -> tuple[float, float]:
    """First of evenly spaced centres, and how far they are apart."""
    first = float(centres[0])
    return first, float(centres[-1] - first) / (len(centres) - 1) if len(centres) > 1 else 1.0


def _window(first: float, last: float, step: float, size: int, *, cyclic: bool) -> tuple[int, int]:
    """First and one-past-last pixel needed for bilinear sampling after decimation by ``step``."""
    margin = 2 * max(1, math.floor(step))
    start, stop = math.floor(first) - margin, math.ceil(last) + margin + 1
    return (start, stop) if cyclic else (max(0, start), min(size, stop))


def read_block(
    dataset: Any,
    bands: tuple[int, ...],
    row_range: tuple[int, int],
    col_range: tuple[int, int],
    row_step: float,
    col_step: float,
    *,
    nearest: bool,
) -> tuple[NDArray[Any], NDArray[np.uint8], Floats, Floats]:
    """Data (bands, h, w), mask (h, w; no rows if all is data), and where rows and columns have their centres.

    Data are of 8 bits or in single precision, 0 where there are none. Ranges hold the first and one-past-last
    pixel, of columns of a raster that goes round also beyond its ends; they are averaged by whole steps.
    """
    rows, row_centres = _decimate(row_range, row_step)
    pieces, masks, centres = [], [], []
    for start, stop, offset in _unrolled(col_range, dataset.width):
        cols, col_centres = _decimate((start, stop), col_step)
        window = Window(start, row_range[0], stop - start, row_range[1] - row_range[0])
        resampling = Resampling.nearest if nearest else Resampling.average
        data = dataset.read(
            list(bands), window=window, out_shape=(len(bands), rows, cols), resampling=resampling
        )
        mask = mask_of(dataset, bands, data, window)
        if not mask.all():
            data = np.where(mask, data, 0)
        pieces.append(data if data.dtype == np.uint8 else data.astype(np.float32))
        masks.append(mask)
        centres.append(col_centres + offset)
    data = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-1)
    mask = masks[0] if len(masks) == 1 else np.concatenate(masks, axis=-1)
    nothing_missing = np.zeros((0, 0), dtype=np.uint8)
    return (
        data,
        nothing_missing if mask.all() else mask.astype(np.uint8),
        row_centres,
        centres[0] if len(centres) == 1 else np.concatenate(centres),
    )


def _decimate(span: tuple[int, int], step: float) -> tuple[int, Floats]:
    """Number of pixels to read a span into, and their centres in full-resolution pixels."""
    length = span[1] - span[0]
    count = math.ceil(length / max(1, math.floor(step)))
    return count, span[0] + (np.arange(count) + 0.5) * length / count - 0.5


def _unrolled(span: tuple[int, int], width: int) -> list[tuple[int, int, int]]:
    """A span of cyclic columns as (first, last, offset) pieces that lie inside the raster."""
    pieces = []
    start = span[0]
    while start < span[1]:
        turn = start // width
        stop = min(span[1], (turn + 1) * width)
        pieces.append((start - turn * width, stop - turn * width, turn * width))
        start = stop
    return pieces

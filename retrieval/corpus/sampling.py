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
from scipy.ndimage import map_coordinates

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

    Returns
    -------
    values
        Shape (bands, h, w), float32; 0 where there are no data.
    seen
        Shape (h, w): inside the raster and at least half the weight of the four neighbours has data.
    """
    height, width = dataset.height, dataset.width
    slack = CYCLE_SLACK_PX if cyclic else 0.0
    seen = np.isfinite(rows) & np.isfinite(cols)
    with np.errstate(invalid="ignore"):
        seen &= (rows >= -0.5) & (rows <= height - 0.5)
        seen &= (cols >= -0.5 - slack) & (cols <= width - 0.5 + slack)
    shape = (3 if palette is not None else len(bands), *rows.shape)
    if not seen.any():
        return np.zeros(shape, dtype=np.float32), seen
    if cyclic:
        cols = _shortest_cycle(cols, seen, width)
    row_step, col_step = _spacing(rows, seen), _spacing(cols, seen)
    row_range = _window(rows[seen], row_step, height, cyclic=False)
    col_range = _window(cols[seen], col_step, width, cyclic=cyclic)
    data, mask, row_centres, col_centres = _read(
        dataset, bands, row_range, col_range, row_step, col_step, nearest=palette is not None
    )
    if palette is not None:
        data = np.moveaxis(palette[np.clip(data[0], 0, 255).astype(np.uint8)], -1, 0).astype(np.float32)
    at = np.stack(
        [
            np.interp(np.where(seen, rows, row_range[0]), row_centres, np.arange(len(row_centres))),
            np.interp(np.where(seen, cols, col_range[0]), col_centres, np.arange(len(col_centres))),
        ]
    )
    weight = map_coordinates(mask, at, order=1, mode="nearest")
    seen = seen & (weight >= 0.5)
    values = np.stack([map_coordinates(band * mask, at, order=1, mode="nearest") for band in data])
    return np.where(seen, values / np.maximum(weight, 0.5), 0.0).astype(np.float32), seen


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


def _spacing(positions: Floats, seen: NDArray[np.bool_]) -> float:
    """Typical step between neighbours of the patch, in raster pixels, along whichever way is longer."""
    down = np.abs(np.diff(positions, axis=0))[seen[1:] & seen[:-1]]
    along = np.abs(np.diff(positions, axis=1))[seen[:, 1:] & seen[:, :-1]]
    # The lower quartile: at a pole most columns are far apart, and blur there would show further out.
    return max((float(np.quantile(steps, 0.25)) for steps in (down, along) if len(steps)), default=1.0)


def _window(positions: Floats, step: float, size: int, *, cyclic: bool) -> tuple[int, int]:
    """First and one-past-last pixel needed for bilinear sampling after decimation by ``step``."""
    margin = 2 * max(1, math.floor(step))
    first, last = math.floor(positions.min()) - margin, math.ceil(positions.max()) + margin + 1
    return (first, last) if cyclic else (max(0, first), min(size, last))


def _read(
    dataset: Any,
    bands: tuple[int, ...],
    row_range: tuple[int, int],
    col_range: tuple[int, int],
    row_step: float,
    col_step: float,
    *,
    nearest: bool,
) -> tuple[NDArray[np.float32], NDArray[np.float32], Floats, Floats]:
    """Data (bands, h, w), mask (h, w) of 0..1, and where the rows and columns read have their centres."""
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
        pieces.append(np.where(mask, data, 0).astype(np.float32))
        masks.append(mask.astype(np.float32))
        centres.append(col_centres + offset)
    return (
        np.concatenate(pieces, axis=-1),
        np.concatenate(masks, axis=-1),
        row_centres,
        np.concatenate(centres),
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

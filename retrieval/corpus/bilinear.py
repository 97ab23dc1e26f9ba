"""The inner loops of sampling, compiled: they run outside Python's lock, so tiles are drawn in threads."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAMPLED = 24  # rows and columns of a patch that tell how far its pixels are apart


@njit(nogil=True, cache=True, inline="always")
def is_inside(row: float, col: float, height: int, width: int, slack: float) -> bool:
    """Whether a position lies within the outer edges; what is not a number does not."""
    in_rows = (row >= -0.5) & (row <= height - 0.5)
    return in_rows & (col >= -0.5 - slack) & (col <= width - 0.5 + slack)


@njit(nogil=True, cache=True)
def survey(
    rows: Floats, cols: Floats, height: int, width: int, slack: float, edge: bool
) -> tuple[int, float, float, float, float, float, float]:
    """Where a patch lies on a raster.

    Parameters
    ----------
    edge
        Look at its edge alone: for patches without a tear, whose inside lies inside their edge.

    Returns
    -------
    Number of positions looked at that are inside; first and last row, first and last column of those; and how
    far neighbours are apart in rows and in columns: the lower quartile over a sample of them, along whichever
    way is longer.
    """
    inside, first_row, last_row, first_col, last_col = bounds_of(rows, cols, height, width, slack, edge)
    row_step = spacing(rows, cols, rows, height, width, slack)
    col_step = spacing(rows, cols, cols, height, width, slack)
    return inside, first_row, last_row, first_col, last_col, row_step, col_step


@njit(nogil=True, cache=True)
def bounds_of(
    rows: Floats, cols: Floats, height: int, width: int, slack: float, edge: bool
) -> tuple[int, float, float, float, float]:
    """The first five of what `survey` gives."""
    inside = 0
    first_row, last_row, first_col, last_col = np.inf, -np.inf, np.inf, -np.inf
    last = rows.shape[1] - 1
    for i in range(rows.shape[0]):
        within = edge and 0 < i < rows.shape[0] - 1
        for j in range(0, rows.shape[1], max(1, last) if within else 1):
            row, col = rows[i, j], cols[i, j]
            if is_inside(row, col, height, width, slack):
                inside += 1
                # Plain comparisons: far faster than min and max, which look for what is not a number.
                first_row = row if row < first_row else first_row
                last_row = row if row > last_row else last_row
                first_col = col if col < first_col else first_col
                last_col = col if col > last_col else last_col
    return inside, first_row, last_row, first_col, last_col


@njit(nogil=True, cache=True)
def spacing(rows: Floats, cols: Floats, values: Floats, height: int, width: int, slack: float) -> float:
    """Typical step of ``values`` between neighbours inside, along whichever way is longer; 1 if unknown."""
    found = _room_for_steps(rows)
    largest = -1.0
    for way in range(2):
        count = _steps(rows, cols, values, height, width, slack, way, found)
        if count:
            # The lower quartile: at a pole most columns are far apart, and blur there would show further out.
            ordered = np.sort(found[:count])
            largest = max(largest, ordered[(count - 1) // 4])
    return largest if largest >= 0.0 else 1.0


@njit(nogil=True, cache=True)
def is_fine(rows: Floats, cols: Floats, height: int, width: int, slack: float) -> bool:
    """Whether `spacing` is below 2 in rows and in columns: then the raster is read pixel by pixel."""
    found = _room_for_steps(rows)
    for values in (rows, cols):
        for way in range(2):
            count = _steps(rows, cols, values, height, width, slack, way, found)
            below = 0
            for i in range(count):
                below += found[i] < 2.0
            if count and below <= (count - 1) // 4:
                return False
    return True


@njit(nogil=True, cache=True)
def _room_for_steps(rows: Floats) -> Floats:
    skip = max(1, rows.shape[0] // SAMPLED)
    return np.empty((rows.shape[0] // skip + 1) * (rows.shape[1] // skip + 1))


@njit(nogil=True, cache=True)
def _steps(
    rows: Floats, cols: Floats, values: Floats, height: int, width: int, slack: float, way: int, found: Floats
) -> int:
    """Into ``found``, how far a sample of neighbours inside are apart down (way 0) or along (1); how many."""
    skip = max(1, rows.shape[0] // SAMPLED)
    count = 0
    for i in range(0, rows.shape[0] - (way == 0), skip):
        for j in range(0, rows.shape[1] - (way == 1), skip):
            ii, jj = i + (way == 0), j + (way == 1)
            here = is_inside(rows[i, j], cols[i, j], height, width, slack)
            next_ = is_inside(rows[ii, jj], cols[ii, jj], height, width, slack)
            if here and next_:
                found[count] = abs(values[ii, jj] - values[i, j])
                count += 1
    return count


@njit(nogil=True, cache=True, fastmath={"contract"})
def bilinear(
    data: NDArray[np.float32],
    mask: NDArray[np.uint8],
    rows: Floats,
    cols: Floats,
    row_axis: tuple[float, float],
    col_axis: tuple[float, float],
    values: NDArray[np.float32],
    seen: NDArray[np.bool_],
) -> int:
    """Sample ``data`` (bands, H, W; uint8 or float32) at positions, into ``values`` (bands, h, w).

    Parameters
    ----------
    mask
        Which pixels hold data, (H, W); all do if it has no rows.
    row_axis, col_axis
        Position of the first row (column) of ``data``, and how far they are apart.
    seen
        In: which positions are wanted. Out: those of which half the weight of the four neighbours has data.

    Returns
    -------
    Number of positions seen.
    """
    bands, height, width = data.shape
    masked = mask.shape[0] > 0
    by_row, by_col = 1.0 / row_axis[1], 1.0 / col_axis[1]
    last_row, last_col = height - 1.0, width - 1.0
    one, half = np.float32(1.0), np.float32(0.5)
    count = 0
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            if not seen[i, j]:
                for band in range(bands):
                    values[band, i, j] = 0.0
                continue
            row, col = (rows[i, j] - row_axis[0]) * by_row, (cols[i, j] - col_axis[0]) * by_col
            row = 0.0 if row < 0.0 else row if row < last_row else last_row
            col = 0.0 if col < 0.0 else col if col < last_col else last_col
            # Unsigned, so that no index is looked at for counting from the end.
            top, left = np.uintp(row), np.uintp(col)
            bottom = top + np.uintp(row < last_row)
            right = left + np.uintp(col < last_col)
            down, along = np.float32(row - np.float64(top)), np.float32(col - np.float64(left))
            a, b = (one - down) * (one - along), (one - down) * along
            c, d = down * (one - along), down * along
            if masked:
                a *= np.float32(mask[top, left])
                b *= np.float32(mask[top, right])
                c *= np.float32(mask[bottom, left])
                d *= np.float32(mask[bottom, right])
                weight = a + b + c + d
                if weight < half:
                    seen[i, j] = False
                    for band in range(bands):
                        values[band, i, j] = 0.0
                    continue
                scale = one / weight
                a, b, c, d = a * scale, b * scale, c * scale, d * scale
            count += 1
            for band in range(bands):
                values[band, i, j] = (
                    a * np.float32(data[band, top, left])
                    + b * np.float32(data[band, top, right])
                    + c * np.float32(data[band, bottom, left])
                    + d * np.float32(data[band, bottom, right])
                )
    return count

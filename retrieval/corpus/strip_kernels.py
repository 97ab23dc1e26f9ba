"""The inner loops of drawing many tiles in one call, compiled: from a block of a raster to 8-bit pixels.

Rows of pixels are placed, sampled and painted one after the other, so that what lies between never leaves the
cache, and no tile costs a call from Python. They run outside Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from retrieval.corpus.bilinear import SAMPLED, bilinear, bounds_of, is_fine, is_inside

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# How a tile lies on a raster: not at all; so that it is drawn by itself; with a part; with all of it.
NOT_HERE, BY_ITSELF, IN_PART, WHOLE = 0, 1, 2, 3
# Added and taken away again this rounds a single below 2**22 to a whole number, halves to even.
_ROUNDING = np.float32(1.5 * 2**23)
_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": {"contract"}}


@njit(**_OPTIONS, inline="always")  # type: ignore[untyped-decorator]
def _combine(weights: Floats, spread: Floats, out: Floats) -> None:
    """The sum of the nine rows of ``spread`` (9, s) by their weights, into ``out`` (s,)."""
    a, b, c, d, e, f, g, h, i = (
        weights[0],
        weights[1],
        weights[2],
        weights[3],
        weights[4],
        weights[5],
        weights[6],
        weights[7],
        weights[8],
    )
    for j in range(spread.shape[1]):
        out[j] = (
            a * spread[0, j]
            + b * spread[1, j]
            + c * spread[2, j]
            + d * spread[3, j]
            + e * spread[4, j]
            + f * spread[5, j]
            + g * spread[6, j]
            + h * spread[7, j]
            + i * spread[8, j]
        )


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _at(columns: Floats, spread: Floats, i: int, j: int) -> float:
    total = 0.0
    for k in range(spread.shape[0]):
        total += columns[k, i] * spread[k, j]
    return total


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _begin(nodes: Floats, spread: Floats, columns: Floats) -> None:
    """Nodes (2, 9, 9) of a tile to the places of its rows of pixels on the nodes' columns, (2, 9, s)."""
    for which in range(2):
        for k in range(spread.shape[0]):
            _combine(nodes[which, :, k], spread, columns[which, k])


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _place(nodes: Floats, spread: Floats, columns: Floats, rows: Floats, cols: Floats) -> None:
    """Where all pixels of a tile lie, into ``rows`` and ``cols`` (s, s)."""
    _begin(nodes, spread, columns)
    for i in range(rows.shape[0]):
        _combine(columns[0, :, i], spread, rows[i])
        _combine(columns[1, :, i], spread, cols[i])


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def look(
    nodes: Floats, spread: Floats, height: int, width: int, slack: float, how: Bytes, ends: Floats
) -> None:
    """Where tiles lie on a raster that is ``height`` x ``width`` pixels.

    Parameters
    ----------
    nodes
        Rows and columns at the nodes of each tile, (n, 2, 9, 9).
    spread
        Weights of the nodes for the pixels along a side, (9, s).
    how
        Out, (n,): `NOT_HERE`, `BY_ITSELF` (the raster is so fine that it is averaged on reading, or the tile
        lies across its seam), `IN_PART` or `WHOLE`.
    ends
        Out, (n, 4): first and last row, first and last column of the pixels on the raster.
    """
    size = spread.shape[1]
    columns = np.empty((2, spread.shape[0], size))
    rows, cols = np.empty((size, size)), np.empty((size, size))
    skip = max(1, size // SAMPLED)
    for number in range(len(nodes)):
        _begin(nodes[number], spread, columns)
        for i in range(size):
            # What is looked at: rows of the sample, those below them, and the ends of all others.
            if i % skip < 2 or i == size - 1:
                _combine(columns[0, :, i], spread, rows[i])
                _combine(columns[1, :, i], spread, cols[i])
            else:
                for j in range(0, size, size - 1):
                    rows[i, j] = _at(columns[0], spread, i, j)
                    cols[i, j] = _at(columns[1], spread, i, j)
        # The raster is a box and the tile has no tear: all of it is inside if its edge is.
        found = bounds_of(rows, cols, height, width, slack, True)
        whole = found[0] == max(1, 4 * size - 4)
        if not whole:
            _place(nodes[number], spread, columns, rows, cols)
            found = bounds_of(rows, cols, height, width, slack, False)
        ends[number, 0], ends[number, 1], ends[number, 2], ends[number, 3] = found[1:]
        across_seam = slack > 0.0 and found[4] - found[3] > width / 2
        if found[0] == 0:
            how[number] = NOT_HERE
        elif across_seam or not is_fine(rows, cols, height, width, slack):
            how[number] = BY_ITSELF
        else:
            how[number] = WHOLE if whole else IN_PART


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def draw(
    data: Singles,
    mask: Bytes,
    origin: tuple[int, int],
    shape: tuple[int, int, float],
    nodes: Floats,
    spread: Floats,
    spans: NDArray[np.int64],
    whole: NDArray[np.bool_],
    at: NDArray[np.int64],
    stretch: Singles,
    pixels: Bytes,
    seen: NDArray[np.bool_],
) -> None:
    """Draw tiles from a block of a raster, wherever they are not seen yet.

    Parameters
    ----------
    data
        The block, (bands, H + 1, W + 1): its last row and column are not looked at, but must be finite.
    mask
        Which of its pixels hold data, (H, W); all do if it has no rows.
    origin
        Row and column of its first pixel.
    shape
        Height and width of the raster, and by how much its columns may be overstepped.
    nodes, spans, whole, at
        Of n tiles: rows and columns at the nodes, (n, 2, 9, 9); first and one-past-last row and column that
        belong to them, (n, 4); whether all of it lies on the raster; and its place in pixels and seen.
    stretch
        What is taken from values, and what they are divided by and multiplied with then, (bands, 2); values
        are drawn as they are if it has no rows.
    pixels, seen
        (N, s, s, 3) and (N, s, s): drawn into.
    """
    size, nothing = spread.shape[1], np.zeros((0, 0), dtype=np.uint8)
    columns = np.empty((2, spread.shape[0], size))
    rows, cols = np.empty((size, size)), np.empty((size, size))
    values = np.empty((data.shape[0], size, size), dtype=np.float32)
    new = np.empty((size, size), dtype=np.bool_)
    drawn = np.empty((data.shape[0], size), dtype=np.uint8)
    for number in range(len(at)):
        tile_pixels, tile_seen = pixels[at[number]], seen[at[number]]
        told = _count(tile_seen)
        if told == size * size:
            continue
        span = spans[number]
        masked = (
            mask.shape[0] > 0
            and not mask[
                span[0] - origin[0] : span[1] - origin[0], span[2] - origin[1] : span[3] - origin[1]
            ].all()
        )
        if whole[number] and not masked and told == 0:
            _draw_whole(
                data, origin, nodes[number], spread, columns, values[:, 0], drawn, stretch, tile_pixels
            )
            tile_seen[...] = True
            continue
        _place(nodes[number], spread, columns, rows, cols)
        for i in range(size):
            for j in range(size):
                new[i, j] = not tile_seen[i, j] and (
                    whole[number] or is_inside(rows[i, j], cols[i, j], shape[0], shape[1], shape[2])
                )
        inner = data[:, :-1, :-1]
        starts = (float(origin[0]), 1.0), (float(origin[1]), 1.0)
        bilinear(inner, mask if masked else nothing, rows, cols, starts[0], starts[1], values, new)
        for i in range(size):
            _round(values[:, i], stretch, drawn)
            _paint(drawn, tile_pixels[i], new[i])
            for j in range(size):
                tile_seen[i, j] |= new[i, j]


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _count(seen: NDArray[np.bool_]) -> int:
    total = 0
    for i in range(seen.shape[0]):
        for j in range(seen.shape[1]):
            total += seen[i, j]
    return total


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _draw_whole(
    data: Singles,
    origin: tuple[int, int],
    nodes: Floats,
    spread: Floats,
    columns: Floats,
    line: Singles,
    drawn: Bytes,
    stretch: Singles,
    pixels: Bytes,
) -> None:
    """Draw a tile that lies on the block with all of it and where nothing is missing.

    ``columns`` (2, 9, s), ``line`` and ``drawn`` (bands, s) are scratch; the sums are those of `bilinear`.
    """
    bands, padded_height, padded_width = data.shape
    size = spread.shape[1]
    last_row, last_col = padded_height - 2.0, padded_width - 2.0
    rows, cols = np.empty(size), np.empty(size)
    first, down, along = np.empty(size, np.int64), np.empty(size, np.float32), np.empty(size, np.float32)
    one, everywhere = np.float32(1.0), np.zeros(0, dtype=np.bool_)
    # Unsigned, so that no index is looked at for counting from the end.
    right, below, across = np.uintp(1), np.uintp(padded_width), np.uintp(padded_width + 1)
    red, green, blue = data[0].ravel(), data[bands // 2].ravel(), data[bands - 1].ravel()
    _begin(nodes, spread, columns)
    for i in range(size):
        _combine(columns[0, :, i], spread, rows)
        _combine(columns[1, :, i], spread, cols)
        for j in range(size):
            row, col = rows[j] - origin[0], cols[j] - origin[1]
            row = 0.0 if row < 0.0 else row if row < last_row else last_row
            col = 0.0 if col < 0.0 else col if col < last_col else last_col
            top, left = np.int64(row), np.int64(col)
            down[j], along[j] = np.float32(row - top), np.float32(col - left)
            first[j] = top * padded_width + left
        if bands == 1:
            for j in range(size):
                n, y, x = np.uintp(first[j]), down[j], along[j]
                a, b, c, d = (one - y) * (one - x), (one - y) * x, y * (one - x), y * x
                line[0, j] = a * red[n] + b * red[n + right] + c * red[n + below] + d * red[n + across]
        else:
            # Together: the weights are worked out once.
            for j in range(size):
                n, y, x = np.uintp(first[j]), down[j], along[j]
                a, b, c, d = (one - y) * (one - x), (one - y) * x, y * (one - x), y * x
                line[0, j] = a * red[n] + b * red[n + right] + c * red[n + below] + d * red[n + across]
                line[1, j] = (
                    a * green[n] + b * green[n + right] + c * green[n + below] + d * green[n + across]
                )
                line[2, j] = a * blue[n] + b * blue[n + right] + c * blue[n + below] + d * blue[n + across]
        _round(line, stretch, drawn)
        _paint(drawn, pixels[i], everywhere)


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _round(values: Singles, stretch: Singles, drawn: Bytes) -> None:
    """Values (bands, s) of a row as bytes (bands, s)."""
    black, white, byte = np.float32(0.0), np.float32(255.0), np.float32(255.0)
    for band in range(values.shape[0]):
        line, out = values[band], drawn[band]
        if stretch.shape[0] > 0:
            low, wide = stretch[band, 0], stretch[band, 1]
            for j in range(len(line)):
                line[j] = (line[j] - low) / wide * byte
        for j in range(len(line)):
            value = black if line[j] < black else line[j] if line[j] < white else white
            out[j] = np.uint8(np.int32((value + _ROUNDING) - _ROUNDING))


@njit(**_OPTIONS)  # type: ignore[untyped-decorator]
def _paint(drawn: Bytes, pixels: Bytes, wanted: NDArray[np.bool_]) -> None:
    """Bytes (bands, s) of a row into its RGB pixels (s, 3): those wanted, all if ``wanted`` is empty."""
    red, green, blue = drawn[0], drawn[drawn.shape[0] // 2], drawn[drawn.shape[0] - 1]
    if len(wanted) == 0:
        for j in range(len(red)):
            pixels[j, 0], pixels[j, 1], pixels[j, 2] = red[j], green[j], blue[j]
    else:
        for j in range(len(red)):
            if wanted[j]:
                pixels[j, 0], pixels[j, 1], pixels[j, 2] = red[j], green[j], blue[j]

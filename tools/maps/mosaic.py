"""The ground in grey: an index's thumbnails sampled onto any picture grid, for maps and globes.

Works backwards, from the pixel of the picture to its place, its tile and the pixel of that tile's
thumbnail, so that no picture has holes or seams of its own. Pixels are 1..255 where the index has
observed the ground and 0 where it has not.
"""

from __future__ import annotations

import io
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from retrieval.errors import ToolInputError
from retrieval.index import TileIndex
from retrieval.shared import Shared
from retrieval.stop import in_pieces

Grey = NDArray[np.uint8]
Floats = NDArray[np.float64]

LARGEST_WIDTH_PX = 8192
MOST_TILES = 150_000  # more are not decoded for one picture of a whole body: some 15 seconds
THUMBNAILS_AT_ONCE = 500  # decoded between two looks at the stop: some tenths of a second
BLOCK_PIXELS = 400_000  # pixels projected at a time: bounds the memory to some 100 MB
STRETCH_PERCENT = (0.5, 99.5)
LEVELS_TILES, LEVELS_SIDE_PX = 2_000, 12  # that tell the levels of a whole body
# Of those who want the same picture at once one paints it; the others find it on the disk.
_painting: Shared[Path, NDArray[np.uint8]] = Shared(0)
GAP_LEVEL = 8  # JPEG blurs the zeros of a gap; darker than this in a tile with gaps is a gap


def basemap(
    index: TileIndex,
    width_px: int = 2048,
    cache: Path | None = None,
    check_stop: Callable[[], None] | None = None,
) -> Grey:
    """The whole body in equirectangular projection, contrast stretched.

    Parameters
    ----------
    width_px
        Width, 64 to 8,192; the height is half of it. Column 0 begins at longitude -180, row 0 at +90.
    cache
        Folder where the picture is kept and found again; not kept if None.
    check_stop
        Called between pieces of work; raises to end it.

    Returns
    -------
    Array of shape (width_px // 2, width_px), uint8; 0 where nothing was observed.
    """
    if not 64 <= width_px <= LARGEST_WIDTH_PX:
        raise ToolInputError(f"a width of {width_px} px", allowed=f"64 to {LARGEST_WIDTH_PX:,} px")
    height_px = width_px // 2
    path = cache / f"{index.manifest.fingerprint}-{width_px}.png" if cache else None

    def kept_or_painted() -> Grey:
        if path and (kept := _read(path, (height_px, width_px))) is not None:
            return kept
        picture = stretch(_whole_body(index, _painted_width(index, width_px), check_stop))
        if picture.shape != (height_px, width_px):
            picture = _enlarge(picture, (width_px, height_px))
        if path:
            _write(path, picture)
        return picture

    return _painting.get(path, kept_or_painted, check_stop) if path else kept_or_painted()


def paint(
    index: TileIndex, lonlat: Floats, pixel_km: float, check_stop: Callable[[], None] | None = None
) -> Grey:
    """Brightness of the ground at each pixel, as it is in the thumbnails.

    Parameters
    ----------
    lonlat
        Positions of the pixels, shape (h, w, 2), degrees; NaN where the picture shows no ground.
    pixel_km
        Size of a pixel on the ground, km: thumbnails are averaged down to about that first.
    check_stop
        Called between pieces of work; raises to end it.

    Returns
    -------
    Shape (h, w), uint8; 0 where nothing was observed.
    """
    points = lonlat.reshape(-1, 2)
    rows = index.tiles.at(points)
    needed = np.unique(rows[rows >= 0])
    picture = np.zeros(len(points), dtype=np.uint8)
    if not len(needed):
        return picture.reshape(lonlat.shape[:2])
    tile_km = index.grid.tile_km
    side = int(np.clip(np.ceil(1.25 * tile_km / pixel_km), 2, 96))
    thumbnails = _thumbnails(index, needed, side, check_stop)
    has_gaps = index.tiles.observed[needed] < 0.999
    centres = index.tiles.centres(needed)
    seen = np.flatnonzero(rows >= 0)
    for block in in_pieces(len(seen), BLOCK_PIXELS):
        if check_stop:
            check_stop()
        at = seen[block]
        tile = np.searchsorted(needed, rows[at])
        east, north = index.body.lonlat_to_offsets(centres[tile], points[at])
        grey = _bilinear(
            thumbnails, tile, (0.5 - north / tile_km) * side - 0.5, (0.5 + east / tile_km) * side - 0.5
        )
        grey = np.maximum(grey, 1)
        grey[has_gaps[tile] & (grey < GAP_LEVEL)] = 0
        picture[at] = grey
    return picture.reshape(lonlat.shape[:2])


def sample(picture: Grey, lonlat: Floats) -> Grey:
    """Brightness of a `basemap` at positions (h, w, 2), degrees; 0 where it has none or they are NaN."""
    height, width = picture.shape
    seen = np.isfinite(lonlat[..., 0])
    at = np.where(seen[..., None], lonlat, 0.0)
    x = (at[..., 0] + 180.0) / 360.0 * width - 0.5
    y = (90.0 - at[..., 1]) / 180.0 * height - 0.5
    grey = map_coordinates(picture, [y, x], order=1, mode="grid-wrap")
    # Between observed ground and a gap there is no half-dark ground: the nearest pixel decides.
    nearest = picture[np.clip(np.rint(y), 0, height - 1).astype(int), np.rint(x).astype(int) % width]
    return np.where(seen & (nearest > 0), np.maximum(grey, 1), 0).astype(np.uint8)


def stretch(picture: Grey, levels: tuple[float, float] | None = None) -> Grey:
    """Contrast of the observed pixels stretched to 10..245; 0 stays 0.

    Parameters
    ----------
    levels
        What becomes 10 and what becomes 245; the picture's own `STRETCH_PERCENT` if None.
    """
    seen = picture > 0
    if not seen.any():
        return picture
    low, high = np.percentile(picture[seen], STRETCH_PERCENT) if levels is None else levels
    if high - low < 8:  # a uniform ground stays uniform, its noise is not the message
        return picture
    scaled = 10.0 + 235.0 * (picture.astype(np.float32) - low) / (high - low)
    return np.where(seen, np.clip(np.rint(scaled), 1, 255), 0).astype(np.uint8)


def stretch_levels(index: TileIndex) -> tuple[float, float]:
    """The levels by which `basemap` stretches the whole body, from a sample of thumbnails."""
    rows = np.unique(np.linspace(0, len(index) - 1, min(len(index), LEVELS_TILES)).astype(np.int64))
    grey = _thumbnails(index, rows, LEVELS_SIDE_PX, None).reshape(len(rows), -1)
    # In the basemap's projection a tile near a pole is as wide as one at the equator is not.
    lat = index.tiles.centres(rows)[:, 1]
    weight = np.repeat(1.0 / np.maximum(np.cos(np.radians(lat)), 0.01), grey.shape[1])
    values = grey.ravel()
    seen = values >= GAP_LEVEL
    if not seen.any():
        return 0.0, 255.0
    low, high = np.percentile(values[seen], STRETCH_PERCENT, weights=weight[seen], method="inverted_cdf")
    return float(low), float(high)


def grey_thumbnail(index: TileIndex, row: int, side: int) -> Grey:
    """One thumbnail in grey, averaged to (side, side)."""
    image = Image.open(io.BytesIO(index.thumbnail(row)))
    image.draft("L", (side, side))  # JPEG decodes at 1/2, 1/4, 1/8 for a fraction of the time
    grey = image.convert("L")
    if grey.size != (side, side):
        grey = grey.resize((side, side), Image.Resampling.BOX)
    return np.asarray(grey)


def _painted_width(index: TileIndex, width_px: int) -> int:
    # Of an index with more tiles than can be decoded in good time, a coarser picture that needs fewer.
    if len(index) <= MOST_TILES:
        return width_px
    share = len(index) / len(index.grid)
    return max(64, min(width_px, 2 * int(math.sqrt(MOST_TILES / 2 / share))))


def _whole_body(index: TileIndex, width_px: int, check_stop: Callable[[], None] | None) -> Grey:
    height_px = width_px // 2
    lon = -180.0 + (np.arange(width_px) + 0.5) * 360.0 / width_px
    lat = 90.0 - (np.arange(height_px) + 0.5) * 180.0 / height_px
    pixel_km = 2.0 * index.body.half_circumference_km / width_px
    return paint(index, np.stack(np.meshgrid(lon, lat), axis=-1), pixel_km, check_stop)


def _enlarge(picture: Grey, size: tuple[int, int]) -> Grey:
    seen = Image.fromarray(picture > 0).resize(size, Image.Resampling.NEAREST)
    grey = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    return np.where(np.asarray(seen), np.maximum(np.asarray(grey), 1), 0).astype(np.uint8)


def _thumbnails(
    index: TileIndex, rows: NDArray[np.int64], side: int, check_stop: Callable[[], None] | None
) -> Grey:
    stack = np.empty((len(rows), side, side), dtype=np.uint8)
    for block in in_pieces(len(rows), THUMBNAILS_AT_ONCE):
        if check_stop:
            check_stop()
        for i in range(block.start, block.stop):  # one JPEG at a time: there is no vectorised decoder
            stack[i] = grey_thumbnail(index, int(rows[i]), side)
    return stack


def _bilinear(stack: Grey, which: NDArray[np.int64], y: Floats, x: Floats) -> Grey:
    # Cells may reach a little beyond the footprint of their tile: the edge pixel goes on there.
    side = stack.shape[1]
    y, x = np.clip(y, 0, side - 1), np.clip(x, 0, side - 1)
    top, left = np.minimum(y.astype(np.int64), side - 2), np.minimum(x.astype(np.int64), side - 2)
    down, right = (y - top).astype(np.float32), (x - left).astype(np.float32)
    flat = stack.reshape(-1)
    corner = (which * side + top) * side + left
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + side] * (1 - right) + flat[corner + side + 1] * right
    return np.asarray(np.rint(upper * (1 - down) + lower * down), dtype=np.uint8)


def _read(path: Path, shape: tuple[int, int]) -> Grey | None:
    try:
        with Image.open(path) as image:
            kept = np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError):  # missing, or torn by a full disk: painted again
        return None
    return np.asarray(kept, dtype=np.uint8) if kept.shape == shape else None


def _write(path: Path, picture: Grey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        Image.fromarray(picture).save(temporary, "PNG")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

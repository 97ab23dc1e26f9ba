"""The ground of an index in square tiles, as sharp as there is: for a map that is zoomed in.

Three views, each divided in four at every level as usual, 256 pixels a side: ``mercator`` is Web Mercator
of the body's sphere, level 0 the whole of it; ``north`` and ``south`` are polar stereographic planes, level
0 the square around the equator, turned as published maps are. Tiles are drawn from the rasters that the
index was built from, where these are still there and sharper than its thumbnails, else from its thumbnails.
The levels that the basemap of the whole body shows already have no tiles, and neither have those that would
need more thumbnails than can be read in good time.
"""

from __future__ import annotations

import hashlib
import io
import math
import threading
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.errors import RasterError
from tools.maps.globe_pictures import BASEMAP_PX, TINT
from tools.maps.mosaic import GAP_LEVEL, paint, stretch, stretch_levels

if TYPE_CHECKING:
    from retrieval.corpus.imagery import OpenRasters
    from retrieval.index import TileIndex

View = Literal["mercator", "north", "south"]
Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]

VIEWS: tuple[View, ...] = get_args(View)
TILE_PX = 256
LAST_LEVEL = 20
THUMBNAIL_PX = 96  # `retrieval.building` keeps no larger ones
MOST_THUMBNAILS = 1_600  # read for one tile
MOST_SHRUNK = 16.0  # pixels of a raster to one of a tile, along each axis
CACHE_BYTES = 64_000_000
RENDERING = 1  # raised whenever the same tile would be drawn differently
QUALITY = 85


class Ground:
    """The ground of one index. Tiles may be asked for by several threads.

    Parameters
    ----------
    rasters
        What the index was built from, if that is still there.

    Attributes
    ----------
    sharpest_km
        Size of the finest pixels there are, km.
    key
        Changes whenever any tile would look different: part of a tile's address.
    """

    def __init__(self, index: TileIndex, rasters: OpenRasters | None = None) -> None:
        self._index = index
        thumbnail_km = index.grid.tile_km / min(THUMBNAIL_PX, index.manifest.tile_px)
        # Rasters coarser than the thumbnails have nothing to add.
        self._rasters = rasters if rasters and rasters.finest_km < 0.8 * thumbnail_km else None
        self._thumbnail_km = thumbnail_km
        self.sharpest_km = self._rasters.finest_km if self._rasters else thumbnail_km
        drawn = f"{RENDERING} {index.manifest.fingerprint} {self.source} {self.sharpest_km:.6g}"
        self.key = hashlib.sha256(drawn.encode()).hexdigest()[:12]
        self._kept: OrderedDict[tuple[View, int, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        # Two at a time: panning asks for a dozen, and people ask questions meanwhile.
        self._drawing = threading.BoundedSemaphore(2)

    @property
    def source(self) -> Literal["rasters", "thumbnails"]:
        """What the sharpest tiles are drawn from."""
        return "rasters" if self._rasters else "thumbnails"

    def levels(self, view: View) -> tuple[int, int] | None:
        """First and last level of a view that have tiles; None if the basemap is as sharp already."""
        basemap = math.log2(BASEMAP_PX / TILE_PX)
        turn_km = 2 * self._index.body.half_circumference_km
        widest = turn_km if view == "mercator" else 4 * self._index.body.radius_km
        last = min(LAST_LEVEL, math.ceil(math.log2(widest / TILE_PX / self.sharpest_km) - 0.1))
        first = last + 1
        while first - 1 > (basemap if view == "mercator" else basemap - 1):
            if not self._drawable(widest / TILE_PX / 2 ** (first - 1), view):
                break
            first -= 1
        return (first, last) if first <= last else None

    def tile(self, view: View, level: int, x: int, y: int) -> bytes | None:
        """A tile's picture, JPEG, or WebP where parts were not observed; empty if all was not.

        None if the view has no such tile.
        """
        levels = self._levels[view]
        if levels is None or not levels[0] <= level <= levels[1] or not (0 <= x < 2**level > y >= 0):
            return None
        address = (view, level, x, y)
        with self._lock:
            if address in self._kept:
                self._kept.move_to_end(address)
                return self._kept[address]
        with self._drawing:
            made = self._drawn(view, level, x, y)
        with self._lock:
            if address not in self._kept:
                self._kept[address] = made
                self._bytes += len(made)
            while self._bytes > CACHE_BYTES and len(self._kept) > 1:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made

    @cached_property
    def _levels(self) -> dict[View, tuple[int, int] | None]:
        return {view: self.levels(view) for view in VIEWS}

    @cached_property
    def _stretch(self) -> tuple[float, float]:
        return stretch_levels(self._index)

    def _from_rasters(self, pixel_km: float, view: View) -> bool:
        rasters = self._rasters
        if rasters is None or (rasters.relief and view != "mercator"):  # its light would come from all sides
            return False
        return pixel_km < self._thumbnail_km and pixel_km / rasters.finest_km <= MOST_SHRUNK

    def _drawable(self, pixel_km: float, view: View) -> bool:
        tiles_across = TILE_PX * pixel_km / self._index.grid.tile_km + 1
        return self._from_rasters(pixel_km, view) or tiles_across**2 <= MOST_THUMBNAILS

    def _drawn(self, view: View, level: int, x: int, y: int) -> bytes:
        lonlat, pixel_km = tile_lonlat(view, level, x, y, self._index.body.radius_km)
        inner = (slice(1, -1), slice(1, -1))
        if self._from_rasters(pixel_km, view):
            try:
                grey = self._photographed(lonlat, pixel_km)[inner]
            except RasterError:  # taken away while the chat ran: the thumbnails are still there
                grey = paint(self._index, lonlat[inner], pixel_km)
        else:
            grey = paint(self._index, lonlat[inner], pixel_km)
        return _encoded(stretch(grey, self._stretch))

    def _photographed(self, lonlat: Floats, pixel_km: float) -> Grey:
        # What the index does not have was not searched, and is not shown as if it were.
        indexed = self._index.tiles.at(lonlat) >= 0
        if self._rasters is None or not indexed.any():
            return np.zeros(lonlat.shape[:2], dtype=np.uint8)
        pixels, seen = self._rasters.draw(lonlat, pixel_km)
        grey = np.asarray(Image.fromarray(pixels).convert("L"))
        return np.where(seen & indexed, np.maximum(grey, GAP_LEVEL), 0).astype(np.uint8)


def tile_lonlat(view: View, level: int, x: int, y: int, radius_km: float) -> tuple[Floats, float]:
    """Positions of a tile's pixels and of one more around it, and their size in its middle.

    Returns
    -------
    lonlat
        Shape (258, 258, 2), degrees; NaN beyond the equator of a polar view.
    pixel_km
        Size of the middle pixel on the ground, km.
    """
    across = TILE_PX * 2**level
    right = (x * TILE_PX + np.arange(-1, TILE_PX + 1) + 0.5) / across
    down = (y * TILE_PX + np.arange(-1, TILE_PX + 1) + 0.5) / across
    if view == "mercator":
        lat = np.degrees(np.arctan(np.sinh(math.pi * (1.0 - 2.0 * down))))
        lon = (right * 360.0) % 360.0 - 180.0
        pixel_km = 2 * math.pi * radius_km / across * math.cos(math.radians(float(lat[TILE_PX // 2])))
        return np.stack(np.meshgrid(lon, lat), axis=-1), pixel_km
    pole = 1 if view == "north" else -1
    east, south = np.meshgrid(2.0 * right - 1.0, 2.0 * down - 1.0)
    away = np.hypot(east, south)
    lat = np.where(away <= 1.0, pole * (90.0 - 2.0 * np.degrees(np.arctan(away))), np.nan)
    lon = np.where(away <= 1.0, np.degrees(np.arctan2(east, pole * south)), np.nan)
    middle = float(away[TILE_PX // 2, TILE_PX // 2])
    return np.stack([lon, lat], axis=-1), 4.0 * radius_km / across / (1.0 + min(1.0, middle) ** 2)


def _encoded(grey: Grey) -> bytes:
    """JPEG; WebP where pixels are 0, which are clear then; empty if all are."""
    seen = grey > 0
    if not seen.any():
        return b""
    tinted = np.rint(grey[..., None] * np.array(TINT)).astype(np.uint8)
    content = io.BytesIO()
    if seen.all():
        Image.fromarray(tinted).save(content, "JPEG", quality=QUALITY)
    else:
        alpha = (seen * 255).astype(np.uint8)[..., None]
        Image.fromarray(np.concatenate([tinted, alpha], axis=-1)).save(
            content, "WEBP", quality=QUALITY, method=0
        )
    return content.getvalue()

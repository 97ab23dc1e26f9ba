"""The ground of the globe: one basemap as a Web Mercator picture and two polar ones, and masks of the gaps.

Gaps are drawn plainly dark; the browser hatches them by the masks, and can leave that off.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates

from tools.maps.mosaic import basemap

if TYPE_CHECKING:
    from retrieval.index import TileIndex

Floats = NDArray[np.float64]
Grey = NDArray[np.uint8]

# Web Mercator is square when it ends here: atan(sinh(pi)).
MERCATOR_LIMIT_DEG = math.degrees(math.atan(math.sinh(math.pi)))
POLAR_LIMIT_DEG = 70.0
BASEMAP_PX = 2048
POLAR_PX = 260

# A breath of warmth, so that the ground is told from the page; too little to touch the layers' colours.
TINT = (1.0, 0.955, 0.9)

GAP_GREY = 16


@lru_cache(maxsize=4)
def planet_pictures(
    index: TileIndex, width_px: int, cache_folder: Path | None
) -> tuple[Mapping[str, str], bool]:
    """Pictures as data URIs, ``mercator`` and, where anything was observed, ``north`` and ``south``; beside
    each that has gaps a mask ``mercator_gaps``..., clear where the ground was observed.

    Also whether any ground was not observed. Kept, because drawing reads every thumbnail of the index.
    """
    grey = basemap(index, width_px, cache_folder)
    pictures = {"mercator": _jpeg_uri(to_mercator(grey, width_px))}
    if (grey == 0).any():
        pictures["mercator_gaps"] = _mask_uri(mercator_gaps(grey, width_px))
    edge_row = round((90.0 - POLAR_LIMIT_DEG) / 180.0 * len(grey))
    for name, pole, cap in (("north", 1, grey[:edge_row]), ("south", -1, grey[-edge_row:])):
        if cap.any():
            pictures[name] = _jpeg_uri(to_polar(grey, POLAR_PX, pole))
            if (cap == 0).any():
                pictures[f"{name}_gaps"] = _mask_uri(polar_gaps(grey, POLAR_PX, pole))
    return pictures, bool((grey == 0).any())


def to_mercator(grey: Grey, size_px: int) -> Grey:
    """Simple cylindrical picture, (h, w), row 0 in the north, to a square Web Mercator one, (size, size).

    Where the picture is 0, nothing was observed: `GAP_GREY`.
    """
    lonlat = _mercator_lonlat(size_px)
    picture = np.where(_gaps(grey, *lonlat), GAP_GREY, _sample(grey, *lonlat)).astype(np.uint8)
    # MapLibre stretches the outermost rows to the poles. They fade to one grey, which claims nothing;
    # with mipmaps that takes several rows, a third of a degree of latitude in all.
    flat = np.clip(2.0 - np.arange(24) / 12.0, 0.0, 1.0)[:, None]
    for edge in (picture[:24], picture[:-25:-1]):
        edge[:] = np.rint(edge * (1.0 - flat) + float(edge.mean()) * flat)
    return picture


def to_polar(grey: Grey, size_px: int, pole: int) -> Grey:
    """Simple cylindrical picture to a polar stereographic one, (size, size), from the pole to 70 degrees.

    Longitude 0 points down in the north (``pole`` = 1) and up in the south (-1), as on published maps;
    east is counter-clockwise in the north and clockwise in the south. `GAP_GREY` where the picture is 0,
    black outside the circle.
    """
    lon, lat, inside = _polar_lonlat(size_px, pole)
    picture = np.where(_gaps(grey, lon, lat), GAP_GREY, _sample(grey, lon, lat))
    return np.where(inside, picture, 0).astype(np.uint8)


def mercator_gaps(grey: Grey, size_px: int) -> NDArray[np.bool_]:
    """What was not observed in the picture of `to_mercator`, (size, size)."""
    return _gaps(grey, *_mercator_lonlat(size_px))


def polar_gaps(grey: Grey, size_px: int, pole: int) -> NDArray[np.bool_]:
    """What was not observed in the picture of `to_polar`, (size, size); nothing outside its circle."""
    lon, lat, inside = _polar_lonlat(size_px, pole)
    return _gaps(grey, lon, lat) & inside


def data_uri(content: bytes, media_type: str) -> str:
    """Bytes as an address that carries them."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _mercator_lonlat(size_px: int) -> tuple[Floats, Floats]:
    y = math.pi * (1.0 - 2.0 * (np.arange(size_px) + 0.5) / size_px)
    lat = np.degrees(np.arctan(np.sinh(y)))
    lon = -180.0 + (np.arange(size_px) + 0.5) * 360.0 / size_px
    lons, lats = np.meshgrid(lon, lat)
    return lons, lats


def _polar_lonlat(size_px: int, pole: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    edge = math.tan(math.radians(90.0 - POLAR_LIMIT_DEG) / 2.0)
    along = ((np.arange(size_px) + 0.5) / size_px * 2.0 - 1.0) * edge
    x, down = np.meshgrid(along, along)
    lat = pole * (90.0 - 2.0 * np.degrees(np.arctan(np.hypot(x, down))))
    return np.degrees(np.arctan2(x, pole * down)), lat, np.hypot(x, down) <= edge


def _gaps(grey: Grey, lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    return np.asarray(_sample(((grey == 0) * 255).astype(np.uint8), lon, lat) > 127)


def _sample(grey: Grey, lon: Floats, lat: Floats) -> Grey:
    height, width = grey.shape
    rows = np.clip((90.0 - lat) / 180.0 * height - 0.5, 0, height - 1)
    cols = ((lon + 180.0) / 360.0 * width - 0.5) % width
    # One column repeated behind the last, so that the antimeridian has no seam.
    wrapped = np.concatenate([grey, grey[:, :1]], axis=1).astype(np.float32)
    values = map_coordinates(wrapped, [rows, cols], order=1, mode="nearest")
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _jpeg_uri(grey: Grey) -> str:
    buffer = io.BytesIO()
    tinted = np.rint(grey[..., None] * np.array(TINT)).astype(np.uint8)
    Image.fromarray(tinted).save(buffer, "JPEG", quality=72, optimize=True)
    return data_uri(buffer.getvalue(), "image/jpeg")


def _mask_uri(mask: NDArray[np.bool_]) -> str:
    buffer = io.BytesIO()
    picture = Image.fromarray(mask.astype(np.uint8)).convert("P")
    picture.save(buffer, "PNG", bits=1, transparency=0, optimize=True)
    return data_uri(buffer.getvalue(), "image/png")

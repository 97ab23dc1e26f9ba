"""The ground of a panel as a picture, ready to be drawn: grey where observed, hatched where not.

It depends on the index and the view alone, and costs more than the rest of a map: the last few are kept
for all conversations, and of many maps at once one paints it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from retrieval.shared import Shared
from tools.maps.mosaic import Grey, basemap, paint, sample, stretch
from tools.maps.paper import Rgba
from tools.maps.windows import Projection
from tools.workspace import Workspace

UNSEEN, HATCH = (226, 224, 218), (203, 200, 192)
BASEMAP_PX = 2048
MOST_TILES = 20_000  # decoded for one panel, two seconds; where there are more, the whole body's picture does
COARSE_PX = 64
KEPT = 6  # the whole body, both poles and some regions: 3 to 8 MB each

_kept: Shared[tuple[object, ...], Rgba] = Shared(KEPT)


def ground_picture(view: Projection, px: float, ws: Workspace) -> Rgba:
    """Red, green, blue and opacity, shape (h, w, 4), at least as fine as a panel is. Shared: read only.

    Parameters
    ----------
    px
        Pixels of the panel in a radius of the body.
    """
    key = (ws.index.manifest.fingerprint, ws.index.folder, type(view), view, px)
    return _kept.get(key, lambda: _painted(view, px, ws), ws.check_stop)


def _painted(view: Projection, px: float, ws: Workspace) -> Rgba:
    ground = _ground(view, px, ws)
    height, width = ground.shape
    finer = max(1, round(width / (2.0 * view.half_width * px)))
    picture = np.dstack([_paper(ground, 5 * finer), np.full(ground.shape, 255, np.uint8)])
    if view.round:  # a soft edge: opacity falls over one pixel
        row, col = np.ogrid[:height, :width]
        off = np.hypot(row + 0.5 - height / 2.0, col + 0.5 - width / 2.0)
        picture[..., 3] = np.clip(width / 2.0 - off + 0.5, 0.0, 1.0) * 255
    picture.flags.writeable = False
    return picture


def _ground(view: Projection, px: float, ws: Workspace) -> Grey:
    """Brightness of the ground in the panel's projection, at least as fine as the panel."""
    width, height = (max(2, round(2.0 * half * px)) for half in (view.half_width, view.half_height))
    km_per_px, fine_km = ws.body.radius_km / px, 2.0 * ws.body.half_circumference_km / BASEMAP_PX
    if km_per_px < 0.7 * fine_km and _tiles_in(view, ws) <= MOST_TILES:
        return stretch(paint(ws.index, view.pixels(width, height), km_per_px, ws.check_stop))
    whole = basemap(ws.index, BASEMAP_PX, ws.settings.home / "cache", ws.check_stop)
    if view.whole:
        return np.roll(whole, -round(view.lon / 360.0 * BASEMAP_PX), axis=1)
    finer = math.ceil(km_per_px / fine_km)  # as fine as the basemap is, averaged when it is drawn
    return sample(whole, view.pixels(finer * width, finer * height))


def _tiles_in(view: Projection, ws: Workspace) -> int:
    """About how many tiles of the index a view shows: those that a coarse raster of it meets, and between."""
    points = view.pixels(COARSE_PX, COARSE_PX).reshape(-1, 2)
    seen = points[np.isfinite(points[:, 0])]
    if not len(seen):
        return 0
    held = float((ws.index.tiles.at(seen) >= 0).mean())
    across = 2.0 * ws.body.radius_km / ws.index.grid.tile_km
    area = view.half_width * view.half_height * len(seen) / len(points)
    return round(held * area * across**2)


def _paper(ground: Grey, period_px: int) -> NDArray[np.uint8]:
    # Grey to RGB: observed ground a little lighter than it is, so that symbols stand out; else hatching.
    tone = (38.0 + 0.8 * np.arange(256.0))[:, None] * np.array([1.0, 0.985, 0.96])
    picture = np.asarray(tone.astype(np.uint8)[ground])
    row, col = np.nonzero(ground == 0)
    stripe = (row + col) // period_px % 3 == 0
    picture[row, col] = np.where(stripe[:, None], np.array(HATCH), np.array(UNSEEN))
    return picture

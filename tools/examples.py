"""What a user points at as an example: a tile, a place or a picture, as a vector of the index."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import SettingsError, ToolInputError
from tools.pictures import read_picture
from tools.workspace import check_number

if TYPE_CHECKING:
    from tools.workspace import Workspace

_LONLAT = re.compile(r"\s*([-+]?\d+(?:\.\d*)?)\s*[,;]\s*([-+]?\d+(?:\.\d*)?)\s*")
_TILE_ID = re.compile(r"\s*\d+(?:\.\d+)?km-r\d+c\d+\s*")


@dataclass(frozen=True)
class Example:
    """An example.

    Attributes
    ----------
    name
        What to call it: the id of the tile or the name of the file.
    vector
        Unit vector, shape (d,).
    row
        The index row it is; None for a picture.
    record
        What goes into the provenance.
    """

    name: str
    vector: NDArray[np.float32]
    row: int | None
    record: str


def example_of(ws: Workspace, text: str) -> Example:
    """The tile, place or picture that a text names.

    Raises
    ------
    ToolInputError
        If the index has no such tile, or there is no such picture, or it cannot be used.
    """
    place = _LONLAT.fullmatch(text)
    if place:
        return _of_row(ws, _row_at(ws, float(place[1]), float(place[2])))
    if _TILE_ID.fullmatch(text):
        return _of_row(ws, tile_row(ws, text))
    path = ws.readable_file(text)
    pixels = read_picture(path, ws.encoder.manifest.image_size)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Example(
        path.name, ws.encoder.encode_images(pixels[None])[0], None, f"picture {path.name} {digest}"
    )


def tile_row(ws: Workspace, tile_id: str) -> int:
    """Index row of a tile id, or `ToolInputError` if the index has no such tile."""
    try:
        return ws.index.row_of(str(tile_id).strip())
    except SettingsError as error:
        raise ToolInputError(error.what, allowed=error.allowed) from error


def _of_row(ws: Workspace, row: int) -> Example:
    tile_id = ws.index.tiles.tile_id(row)
    return Example(tile_id, ws.index.vectors(np.array([row]))[0], row, f"tile {tile_id}")


def _row_at(ws: Workspace, lon: float, lat: float) -> int:
    lon = check_number("longitude", lon, -360, 360, "degrees")
    lat = check_number("latitude", lat, -90, 90, "degrees")
    row = int(ws.rows_at(np.array([[lon, lat]]))[0])
    if row < 0:
        raise ToolInputError(
            f"the index has no tile at longitude {lon:g}, latitude {lat:g}",
            allowed="places that the index has observed",
            next_step=f"try {_nearest_tile(ws, lon, lat)}, the nearest tile it has",
        )
    return row


def _nearest_tile(ws: Workspace, lon: float, lat: float) -> str:
    centres = ws.index.tiles.lonlat
    return ws.index.tiles.tile_id(int(ws.body.distance_km(centres, [lon, lat]).argmin()))

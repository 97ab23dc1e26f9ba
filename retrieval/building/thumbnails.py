"""Thumbnails: small JPEG files, grey where the picture is.

Those of a chunk of tiles are encoded as one tall picture whose coding begins anew with each of them (restart
markers), and cut apart: the same bytes as one by one, in a third of the time, and outside Python's lock, for
which other hands wait.
"""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_PX = 96
THUMBNAIL_QUALITY = 85
TALLEST_PX = 65_500  # of a JPEG
# Rows that are coded together: blocks of 8, and with colours, which have half the resolution, of 16.
_GREY_ROWS, _COLOUR_ROWS = 8, 16
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")  # nowhere else in coded data: there a zero follows each 255
_START, _INTERVAL, _SCAN, _END = 0xC0, 0xDD, 0xDA, b"\xff\xd9"


def encode_thumbnails(pixels: NDArray[np.uint8]) -> list[bytes]:
    """JPEG files of at most `THUMBNAIL_PX` a side from RGB pixels (n, s, s, 3); grey if they are."""
    count, size = pixels.shape[:2]
    grey = _are_grey(pixels)
    if size > THUMBNAIL_PX or size % _COLOUR_ROWS:
        return [_encoded(_picture(one, flat)) for one, flat in zip(pixels, grey.tolist(), strict=True)]
    found = [b""] * count
    for flat in (True, False):
        places = np.flatnonzero(grey == flat)
        for start in range(0, len(places), TALLEST_PX // size):
            some = places[start : start + TALLEST_PX // size]
            for place, jpeg in zip(some.tolist(), _encoded_together(pixels[some], flat), strict=True):
                found[place] = jpeg
    return found


def _encoded_together(pixels: NDArray[np.uint8], grey: bool) -> list[bytes]:
    count, size = pixels.shape[:2]
    tall = _picture(pixels.reshape(count * size, size, 3), grey)
    rows = size // (_GREY_ROWS if grey else _COLOUR_ROWS)
    files = _apart(_encoded(tall, restart_marker_rows=rows), size)
    if len(files) != count:  # Pillow leaves restart markers out: never seen
        return [_encoded(_picture(one, grey)) for one in pixels]
    return files


def _picture(pixels: NDArray[np.uint8], grey: bool) -> Image.Image:
    """RGB pixels (h, w, 3) as a picture of at most `THUMBNAIL_PX` across."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0]) if grey else pixels)
    if picture.width > THUMBNAIL_PX:
        picture = picture.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return picture


def _encoded(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY, **options)
    return buffer.getvalue()


def _apart(jpeg: bytes, height: int) -> list[bytes]:
    """Cut a JPEG at its restart markers into files of so many rows each."""
    head, at = [jpeg[:2]], 2
    marker = 0
    while marker != _SCAN:
        marker, length = jpeg[at + 1], 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        segment = jpeg[at : at + length]
        if marker == _START:  # marker, length, precision, then the height
            segment = segment[:5] + height.to_bytes(2, "big") + segment[7:]
        if marker != _INTERVAL:
            head.append(segment)
        at += length
    start = b"".join(head)
    return [start + coded + _END for coded in _RESTART.split(jpeg[at : -len(_END)])]


def _are_grey(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Of which RGB pictures (n, s, s, 3) the bands are equal, (n,)."""
    letters = [one.reshape(-1) for one in np.ascontiguousarray(pixels)]
    ends = np.arange(pixels[0].size - 1 if letters else 0) % 3 == 2
    # Every byte with the next, in one sweep: five times as fast as band with band.
    return np.array([((one[1:] == one[:-1]) | ends).all() for one in letters], dtype=bool)

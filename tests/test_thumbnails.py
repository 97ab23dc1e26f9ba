"""Thumbnails of many tiles are the files that Pillow makes of each."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from retrieval.building.thumbnails import THUMBNAIL_PX, THUMBNAIL_QUALITY, encode_thumbnails


def one(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    if (pixels[..., :1] == pixels).all():
        picture = picture.convert("L")
    if picture.width > THUMBNAIL_PX:
        picture = picture.resize((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=THUMBNAIL_QUALITY)
    return buffer.getvalue()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["noise", "flat", "ramp"])), max_size=12),
    st.sampled_from([16, 24, 48, 96, 130]),
    st.integers(0, 2**32 - 1),
)
def test_thumbnails_made_together_are_those_made_alone(
    kinds: list[tuple[bool, str]], size: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.zeros((len(kinds), size, size, 3), dtype=np.uint8)
    for tile, (grey, kind) in zip(pixels, kinds, strict=True):
        if kind == "noise":
            tile[...] = rng.integers(0, 256, tile.shape)
        else:
            tile[...] = rng.integers(0, 256, 3) + (np.arange(size)[:, None, None] if kind == "ramp" else 0)
        if grey:
            tile[...] = tile[..., :1]
    assert encode_thumbnails(pixels) == [one(tile) for tile in pixels]


def test_more_tiles_than_one_picture_can_hold() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1400, 96, 96, 1), dtype=np.uint8).repeat(3, axis=3)
    files = encode_thumbnails(pixels)
    assert [files[number] for number in (0, 681, 682, 1399)] == [
        one(pixels[number]) for number in (0, 681, 682, 1399)
    ]
    assert len(files) == 1400

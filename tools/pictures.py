"""Pictures that a user brought: read, checked, and made into what an encoder takes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from retrieval.errors import ToolInputError

SMALLEST_PICTURE_PX = 16
LARGEST_PICTURE_PIXELS = 50_000_000
# The only formats that Pillow may try: others are programs (EPS) or start one to be read.
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """Read a picture file as the square RGB array that an encoder takes.

    Turned as its EXIF says, transparency on black, 16-bit and float grey stretched, cropped to the central
    square (a tile is square: squeezing would change shapes), then averaged down to ``side``.

    Returns
    -------
    Shape (side, side, 3), uint8.

    Raises
    ------
    ToolInputError
        If it is no picture, torn, under 16 px, over 50 megapixels, or of a single brightness.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            _check_size(path, *image.size)
            picture = ImageOps.exif_transpose(image)
            rgb = _to_rgb(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ToolInputError(
            f"{path.name} is no picture that can be read ({str(error)[:80]})",
            allowed="PNG, JPEG, TIFF, WebP, GIF or BMP",
            next_step="open it in a viewer, save it as PNG and bring it again",
        ) from error
    if rgb.getextrema() == tuple((low, low) for low, _ in rgb.getextrema()):  # type: ignore[misc]
        raise ToolInputError(f"{path.name} has one brightness throughout", next_step="bring another picture")
    return np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.LANCZOS))


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_PICTURE_PX:
        raise ToolInputError(
            f"{path.name} is {width} x {height} px",
            allowed=f"at least {SMALLEST_PICTURE_PX} px a side",
            next_step="bring a larger picture",
        )
    if width * height > LARGEST_PICTURE_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> ToolInputError:
    return ToolInputError(
        f"{path.name} has too many pixels",
        allowed=f"at most {LARGEST_PICTURE_PIXELS // 1_000_000} megapixels",
        next_step="cut out the part that matters",
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        low, high = np.percentile(values, [0.5, 99.5])
        scaled = (values - low) / max(high - low, 1e-9) * 255.0
        return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")

"""Pictures that a user brought: read, checked, and made into what an encoder takes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from retrieval.errors import ToolInputError

SMALLEST_PICTURE_PX = 16
LARGEST_PICTURE_PIXELS = 50_000_000
# The only formats that Pillow may try: others are programs (EPS) or start one to be read.
PICTURE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP")
ALLOWED = "PNG, JPEG, TIFF, WebP, GIF or BMP"

# What people bring instead, by how it begins.
_OTHERS = (
    (rb".{4}ftyp(heic|heix|mif1|msf1|hevc)", "a HEIC photo"),
    (rb".{4}ftypavi[fs]", "an AVIF picture"),
    (rb"\s*(<\?xml|<svg|<!DOCTYPE svg)", "a drawing or a page of text (SVG, XML)"),
    (rb"%PDF", "a PDF document"),
    (rb"%!PS", "a PostScript program"),
    (rb".{4}jP  |\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"SIMPLE  =", "a FITS file"),
    (rb"(CCSD3ZF|\s*PDS_VERSION_ID|\s*Object *= *IsisCube|LBLSIZE)", "a planetary data product (PDS, ISIS)"),
    (rb"PK\x03\x04", "an archive"),
)


def read_picture(path: Path, side: int) -> NDArray[np.uint8]:
    """Read a picture file as the square RGB array that an encoder takes.

    As `open_picture` gives it, cropped to the central square (a tile is square: squeezing would change
    shapes), then averaged down to ``side``.

    Returns
    -------
    Shape (side, side, 3), uint8.

    Raises
    ------
    ToolInputError
        As `open_picture`, or if the picture is of a single brightness.
    """
    rgb = open_picture(path)
    if rgb.getextrema() == tuple((low, low) for low, _ in rgb.getextrema()):  # type: ignore[misc]
        raise ToolInputError(f"{path.name} has one brightness throughout", next_step="bring another picture")
    return np.asarray(ImageOps.fit(rgb, (side, side), Image.Resampling.LANCZOS))


def open_picture(path: Path) -> Image.Image:
    """The pixels of a picture file as RGB, and nothing else of it: no texts, profiles or positions.

    Of several pictures in one file the first; turned as its EXIF says, transparency on black, 16-bit and
    float grey stretched.

    Raises
    ------
    ToolInputError
        If it is no picture, torn, under 16 px, or over 50 megapixels.
    """
    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            _check_size(path, *image.size)
            rgb = _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path) from error
    except ToolInputError:
        raise
    except Exception as error:
        # Pillow's readers raise whatever a torn or hostile file leads them to: any of it means the same.
        raise ToolInputError(
            f"{path.name} is no picture that can be read ({_reason(path, error)})",
            allowed=ALLOWED,
            next_step="open it in a viewer, save it as PNG and bring it again",
        ) from error
    # A new picture of the pixels alone: Pillow would hand texts and colour profiles on to what it saves.
    return Image.fromarray(np.asarray(rgb))


def _reason(path: Path, error: Exception) -> str:
    with path.open("rb") as stream:
        head = stream.read(64)
    for pattern, words in _OTHERS:
        if re.match(pattern, head, re.DOTALL):
            return f"it is {words}"
    if not head:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its content is of another kind"
    text = " ".join("".join(c for c in str(error) if c.isprintable()).replace(str(path), path.name).split())
    return text[:80] or type(error).__name__


def _check_size(path: Path, width: int, height: int) -> None:
    if min(width, height) < SMALLEST_PICTURE_PX:
        raise ToolInputError(
            f"{path.name} is {width} x {height} px",
            allowed=f"at least {SMALLEST_PICTURE_PX} px a side",
            next_step="bring a larger picture",
        )
    if width * height > LARGEST_PICTURE_PIXELS:
        raise _too_large(path, f" ({width:,} x {height:,})")


def _too_large(path: Path, size: str = "") -> ToolInputError:
    return ToolInputError(
        f"{path.name} has too many pixels{size}",
        allowed=f"at most {LARGEST_PICTURE_PIXELS // 1_000_000} megapixels",
        next_step="cut out the part that matters",
    )


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):
        # Deep pictures hold their range elsewhere than in 0..255; Pillow would clip them to white.
        values = np.asarray(picture, dtype=np.float64)
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, [0.5, 99.5]) if known.size else (0.0, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (values - low) / max(high - low, 1e-9) * 255.0
        scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
        return Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8)).convert("RGB")
    if "A" in picture.getbands() or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")

"""What a folder of pairs hands to `read_pairs`, whatever its layout, and how pictures are decoded."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.errors import SettingsError

Split = Literal["train", "val", "test", "all"]
SPLITS = ("train", "val", "test")

_T = TypeVar("_T")
_R = TypeVar("_R")
_DEEP_MODES = ("I", "F")  # more than 8 bits
_GREY_MODES = ("1", "L", "LA", *_DEEP_MODES)


@dataclass(frozen=True)
class Part:
    """Some pairs of a folder.

    Attributes
    ----------
    images
        Shape (n, s, s) or (n, s, s, 3), uint8.
    captions
        Per tile, at least one sentence.
    labels, known
        Which landforms of the folder each tile shows, and of which of them that is known, shape (n, k), bool.
    """

    images: NDArray[np.uint8]
    captions: list[tuple[str, ...]]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]


class PairFolder(Protocol):
    """A folder of pairs whose description has been read and found whole; its pictures have not."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Landforms that it speaks of."""

    @property
    def size_px(self) -> int | None:
        """Side of its pictures; None where they have many sizes."""

    def count(self, split: Split) -> int:
        """Number of pairs of a split."""

    def coloured(self) -> bool:
        """Whether any picture has colours."""

    def parts(self, split: Split, size_px: int, grey: bool) -> Iterator[Part]:
        """The pairs of a split, some at a time, with pictures of one size.

        Raises
        ------
        SettingsError
            If a picture or a caption turns out to be missing or torn.
        """


def weighted_folders(given: Sequence[str]) -> tuple[tuple[Path, ...], tuple[float, ...]]:
    """Folders and their weights from ``FOLDER`` or ``FOLDER=WEIGHT``; a folder of that very name wins.

    Raises
    ------
    SettingsError
        If a weight is no number more than 0.
    """
    folders, weights = [], []
    for text in given:
        name, sign, number = text.rpartition("=")
        if not sign or Path(text).is_dir():
            name, number = text, "1"
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight > 0):
            raise SettingsError(
                f"{text}: {number!r} is no weight of a folder",
                allowed="a number more than 0, as in pairs/real=3",
            )
        folders.append(Path(name))
        weights.append(weight)
    return tuple(folders), tuple(weights)


def decode(source: bytes | Path, size_px: int, grey: bool) -> NDArray[np.uint8]:
    """A picture as pixels: the middle square, by area average where it is larger, bicubic where smaller.

    Pictures of more than 8 bits are stretched from their least to their greatest value.

    Parameters
    ----------
    source
        Content of a picture file, or its path.

    Returns
    -------
    Shape (size_px, size_px), or (size_px, size_px, 3) unless ``grey``.

    Raises
    ------
    OSError, SyntaxError, ValueError
        If it is no whole picture: `PIL` raises all three.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        image = picture if not picture.mode.startswith(_DEEP_MODES) else _stretched(picture)
        image = image.convert("L" if grey else "RGB")
    side = min(image.size)
    if image.size != (size_px, size_px):
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.resize(
            (size_px, size_px),
            Image.Resampling.BOX if side > size_px else Image.Resampling.BICUBIC,
            box=(left, top, left + side, top + side),
        )
    return np.asarray(image)


def has_colours(source: bytes | Path) -> bool:
    """Whether a picture file is stored in colour."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        return not picture.mode.startswith(_GREY_MODES)


def in_threads(function: Callable[[_T], _R], items: Sequence[_T]) -> Iterator[_R]:
    """Results in order. Decoding pictures and hashing leave Python's lock, so threads help."""
    Image.preinit()  # loading the decoders is not safe in several threads at once
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(function, items)


def _stretched(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture, dtype=np.float32)
    finite = np.isfinite(values)
    low, high = (float(f(values[finite], initial=0.0)) for f in (np.min, np.max))
    scaled = np.where(finite, (values - low) / max(high - low, 1e-12), 0.0)
    return Image.fromarray((scaled * 255).round().astype(np.uint8))

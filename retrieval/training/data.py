"""What a run trains on, kept once for all processes.

The first process reads the pairs and turns their captions into tokens. With several processes it writes both
to one file that all of them map into memory: a hundred thousand tiles are a gigabyte, and the kernel keeps
one copy of a mapped file however many processes read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.training.pairs import Pairs, draw_weights
from retrieval.training.texts import Texts


@dataclass(frozen=True)
class Material:
    """Tiles and what is known of them, without their captions, which are in `Texts`.

    Attributes
    ----------
    images
        Grey values, shape (n, s, s), uint8; unobserved pixels are 0.
    labels, known
        Landforms of each tile, and where that is known, shape (n, k), bool.
    keys
        Names of the k landforms.
    sources
        Per folder of pairs, its name and number of tiles.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    known: NDArray[np.bool_]
    keys: tuple[str, ...]
    sources: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def labelled(self) -> bool:
        """Whether any label is known."""
        return bool(self.known.any())


def material_of(pairs: Pairs) -> Material:
    """The tiles of pairs, without captions."""
    return Material(pairs.images, pairs.labels, pairs.known, pairs.keys, pairs.sources)


def draw_shares(material: Material, weights: Sequence[float] = ()) -> NDArray[np.float64]:
    """Probability of drawing each tile, shape (n,), summing to 1.

    As `draw_weights`; a tile of which no landform is known is drawn as often as the mean of the others,
    since it may show a rare one. The weight of its folder multiplies all that.

    Parameters
    ----------
    material
        The tiles, in the order of their folders.
    weights
        One of each folder; empty: 1.
    """
    shares = draw_weights(material.labels)
    open_ = ~material.labels.any(axis=1) & ~material.known.all(axis=1)
    if open_.any() and not open_.all():
        shares[open_] = shares[~open_].mean()
    if weights:
        shares = shares * np.repeat(weights, [count for _, count in material.sources])
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def write_shared(path: Path, material: Material, texts: Texts) -> None:
    """Write both to one file, beside and renamed."""
    content = {
        "images": torch.from_numpy(material.images),
        "labels": torch.from_numpy(material.labels),
        "known": torch.from_numpy(material.known),
        "keys": list(material.keys),
        "sources": [list(source) for source in material.sources],
        "texts": texts.state(),
    }
    beside = path.with_suffix(".writing")
    torch.save(content, beside)
    os.replace(beside, path)


def read_shared(path: Path) -> tuple[Material, Callable[[Any], Texts]]:
    """Map the file of `write_shared`.

    Returns
    -------
    The tiles, and what makes the texts of a tokenizer.
    """
    content = torch.load(path, mmap=True, weights_only=True)
    material = Material(
        images=content["images"].numpy(),
        labels=content["labels"].numpy(),
        known=content["known"].numpy(),
        keys=tuple(content["keys"]),
        sources=tuple((str(name), int(count)) for name, count in content["sources"]),
    )
    return material, lambda tokenizer: Texts.restore(tokenizer, content["texts"])

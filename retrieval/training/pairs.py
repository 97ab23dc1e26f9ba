"""Image-text pairs from shard folders on disk, ready to be drawn from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import SettingsError

_LEAST_OBSERVED = 0.5  # share of a tile
SHARD_FILES = ("images.npy", "labels.npy", "captions.jsonl", "manifest.json")


@dataclass(frozen=True)
class Pairs:
    """Tiles with their captions and landforms, in memory.

    Attributes
    ----------
    images
        Grey values, shape (n, s, s), uint8; unobserved pixels are 0.
    captions
        Per tile, several sentences that are true of it.
    labels
        Which landforms each tile shows, shape (n, k), bool.
    keys
        Names of the k landforms.
    sources
        Per shard folder, its name and number of tiles.
    """

    images: NDArray[np.uint8]
    captions: tuple[tuple[str, ...], ...]
    labels: NDArray[np.bool_]
    keys: tuple[str, ...]
    sources: tuple[tuple[str, int], ...]

    def __len__(self) -> int:
        return len(self.images)

    def subset(self, rows: NDArray[np.int64]) -> Pairs:
        """The tiles of the given rows."""
        return Pairs(
            self.images[rows],
            tuple(self.captions[row] for row in rows),
            self.labels[rows],
            self.keys,
            self.sources,
        )


def read_pairs(folders: Sequence[Path]) -> Pairs:
    """Read one or more shard folders of the same landforms and tile size.

    Tiles of which less than half was observed are left out.

    Raises
    ------
    SettingsError
        If there is no folder, or one is missing, unfinished or torn, or they do not belong together.
    """
    if not folders:
        raise SettingsError("there are no shards to read", next_step="name at least one shard folder")
    shards = [_read_shard(Path(folder)) for folder in folders]
    first = shards[0]
    for folder, shard in zip(folders, shards, strict=True):
        if shard.keys != first.keys or shard.images.shape[1:] != first.images.shape[1:]:
            raise SettingsError(
                f"{folder} has other landforms or another tile size than {folders[0]}",
                next_step="make all shards with the same version",
            )
    return Pairs(
        images=np.concatenate([shard.images for shard in shards]),
        captions=tuple(captions for shard in shards for captions in shard.captions),
        labels=np.concatenate([shard.labels for shard in shards]),
        keys=first.keys,
        sources=tuple(source for shard in shards for source in shard.sources),
    )


def draw_weights(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability of drawing each tile, so that rare landforms are seen often enough to be learnt.

    A tile weighs the inverse square root of the frequency of its rarest landform: between drawing
    tiles evenly and drawing landforms evenly.

    Parameters
    ----------
    labels
        Shape (n, k).

    Returns
    -------
    Shape (n,), summing to 1.
    """
    frequency = np.maximum(labels.mean(axis=0), 1 / max(1, len(labels)))
    rarity = np.where(labels, 1 / np.sqrt(frequency), 1.0).max(axis=1, initial=1.0)
    return np.asarray(rarity / rarity.sum(), dtype=np.float64)


def _read_shard(folder: Path) -> Pairs:
    missing = [name for name in SHARD_FILES if not (folder / name).is_file()]
    if missing:
        raise SettingsError(
            f"{folder} is no finished shard folder: {', '.join(missing)} missing",
            next_step="write the shards again",
        )
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        keys = tuple(str(key) for key in manifest["keys"])
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
        captions = tuple(tuple(str(text) for text in json.loads(line)["captions"]) for line in lines)
    except (ValueError, KeyError, TypeError, EOFError) as error:
        raise SettingsError(f"{folder} is torn ({error})", next_step="write the shards again") from error
    whole = (
        images.ndim == 3
        and images.dtype == np.uint8
        and images.shape[1] == images.shape[2]
        and labels.shape == (len(images), len(keys))
        and len(captions) == len(images) > 0
        and all(captions)
    )
    if not whole:
        raise SettingsError(
            f"{folder} is torn: {images.shape} images, {labels.shape} labels, {len(captions)} captions, "
            f"{len(keys)} landforms",
            next_step="write the shards again",
        )
    # What lies in a gap of the pictures cannot be learnt, although the labels may name it.
    seen = np.flatnonzero([(image > 0).mean() >= _LEAST_OBSERVED for image in images])
    whole_shard = Pairs(images, captions, labels.astype(bool), keys, ((folder.name, len(seen)),))
    return whole_shard.subset(seen)

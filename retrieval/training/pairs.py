"""Image-text pairs from folders on disk, ready to be drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import SettingsError
from retrieval.training.csv_folder import CsvFolder, find_table
from retrieval.training.folders import SPLITS, PairFolder, Part, Split
from retrieval.training.shard_folder import MANIFEST, ShardFolder

_LEAST_OBSERVED = 0.5  # share of a tile
_SIZE_PX = 96  # of pictures of many sizes, where nothing else says


@dataclass(frozen=True)
class Pairs:
    """Tiles with their captions and landforms, in memory.

    Attributes
    ----------
    images
        Grey values, shape (n, s, s), or colours, shape (n, s, s, 3); uint8; unobserved pixels are 0.
    captions
        Per tile, several sentences that are true of it, the best first.
    labels
        Which landforms each tile shows, shape (n, k), bool; False where that is not known.
    keys
        Names of the k landforms.
    sources
        Per folder, its name and number of tiles.
    known
        Where ``labels`` can be believed, shape (n, k), bool. A loss must learn nothing from the rest.
    """

    images: NDArray[np.uint8]
    captions: tuple[tuple[str, ...], ...]
    labels: NDArray[np.bool_]
    keys: tuple[str, ...]
    sources: tuple[tuple[str, int], ...]
    known: NDArray[np.bool_]

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
            self.known[rows],
        )


def read_pairs(
    folders: Sequence[Path], split: Split = "all", *, size_px: int | None = None, grey: bool = True
) -> Pairs:
    """Read folders of shards, or plain folders with a table of captions, into memory.

    Folders may speak of different landforms: the pairs have the keys of all of them, those of the folder
    with the most first, and what a folder does not speak of is unknown of its tiles. Tiles of which less
    than half was observed are left out.

    Parameters
    ----------
    folders
        Shards as `areographer caption` writes them, or pictures with a .csv (see `csv_folder`).
    split
        Which pairs of each folder; a folder without splits is all ``train``.
    size_px
        Bring all pictures to this side. By default the size of the shards, which must then be one; plain
        pictures always follow.
    grey
        Turn colours to grey. Otherwise all become RGB if any folder holds colours.

    Raises
    ------
    SettingsError
        If there is no folder or no pair, or a folder is missing, unfinished, torn, or of another size.
    """
    if not folders:
        raise SettingsError("there are no pairs to read", next_step="name at least one folder of pairs")
    if split not in (*SPLITS, "all"):
        raise SettingsError(f"there is no split {split!r}", allowed=", ".join((*SPLITS, "all")))
    opened = [_open(Path(folder)) for folder in folders]
    size = size_px or _common_size(opened)
    most_first = sorted(opened, key=lambda folder: -len(folder.keys))
    keys = tuple(dict.fromkeys(key for folder in most_first for key in folder.keys))
    column = {key: n for n, key in enumerate(keys)}
    count = sum(folder.count(split) for folder in opened)
    as_grey = grey or not any(folder.coloured() for folder in opened)
    # One array from the start: joining those of the folders would hold everything twice.
    images = np.empty((count, size, size) if as_grey else (count, size, size, 3), dtype=np.uint8)
    labels = np.zeros((count, len(keys)), dtype=bool)
    known = np.zeros_like(labels)
    captions: list[tuple[str, ...]] = []
    sources = []
    for folder in opened:
        before = len(captions)
        columns = [column[key] for key in folder.keys]
        for part in folder.parts(split, size, as_grey):
            kept = _observed(part)
            rows = slice(len(captions), len(captions) + len(kept))
            images[rows] = part.images[kept]
            labels[rows, columns], known[rows, columns] = part.labels[kept], part.known[kept]
            captions += [part.captions[row] for row in kept]
        sources.append((folder.path.name, len(captions) - before))
    total = len(captions)
    if not total:
        names = ", ".join(str(folder) for folder in folders)
        what = "no observed pairs" if split == "all" else f"no observed pairs in the split {split}"
        raise SettingsError(f"{names}: {what}", next_step="name other folders or another split")
    return Pairs(images[:total], tuple(captions), labels[:total], keys, tuple(sources), known[:total])


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


def _open(folder: Path) -> PairFolder:
    if not folder.is_dir():
        raise SettingsError(
            f"there is no folder {folder}", next_step="check the path, or make pairs: areographer caption"
        )
    if (folder / MANIFEST).is_file():
        return ShardFolder(folder)
    table = find_table(folder)
    if table is not None:
        return CsvFolder(folder, table)
    if any(folder.glob("*.tar*")):
        raise SettingsError(
            f"{folder} is no finished folder of pairs: {MANIFEST} is missing",
            next_step="remove it and write the pairs again",
        )
    raise SettingsError(
        f"{folder} holds no pairs",
        allowed=f"shards with a {MANIFEST}, or pictures with a table pairs.csv",
        next_step="check the path, or make pairs: areographer caption",
    )


def _common_size(opened: Sequence[PairFolder]) -> int:
    sized = {folder.size_px: folder.path for folder in opened if folder.size_px is not None}
    if len(sized) > 1:
        (one, first), (other, second) = list(sized.items())[:2]
        raise SettingsError(
            f"{second} has another tile size than {first}: {other} px, not {one}",
            next_step="ask for one size, or write the pairs again with one size",
        )
    return next((size for size in sized if size is not None), _SIZE_PX)


def _observed(part: Part) -> NDArray[np.int64]:
    """Rows of a part to keep: what lies in a gap cannot be learnt, although labels may name it."""
    pixels = part.images if part.images.ndim == 3 else part.images.max(axis=3)
    return np.flatnonzero((pixels > 0).mean(axis=(1, 2)) >= _LEAST_OBSERVED)

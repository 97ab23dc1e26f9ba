"""A part: the tiles of one chunk of the grid on disk, from which an interrupted build continues.

It holds how much of each tile was observed, its facts and, where at least `MIN_OBSERVED` of it has data, its
vector and thumbnail.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from retrieval.building.thumbnails import encode_thumbnails
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.errors import IndexFolderError
from retrieval.grid import Grid

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Drawn = tuple[TileBatch, list[bytes]]  # tiles, and a JPEG of each that is kept

CHUNK = 256  # tiles drawn and encoded together: some 10 MB of pixels
MIN_CHUNK, MAX_CHUNK = 64, 4096  # tiles of a part
FEWEST_PARTS, MOST_PARTS = 8, 4096
MIN_OBSERVED = 0.5  # tiles with less data than this are counted as not observed and not indexed


@dataclass(frozen=True)
class Part:
    """One chunk of tiles, as read back from disk.

    Attributes
    ----------
    tiles, observed, facts
        Every tile that was drawn, shape (n,) each.
    kept
        Which of them are indexed, bool, shape (n,).
    vectors
        Unit rows of the kept tiles, float32, shape (m, d).
    thumbnails
        JPEG files of the kept tiles, m of them.
    background
        Background scores of the kept tiles, shape (m,), where they are known; NaN where they are not.
    """

    tiles: NDArray[np.int64]
    observed: NDArray[np.float32]
    facts: dict[str, NDArray[np.float32]]
    kept: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    thumbnails: list[bytes]
    background: NDArray[np.float32] | None = None


class LazyPart(Protocol):
    """What stands for a part's file where the part is made when it is read."""

    def read(self) -> Part:
        """Make the part."""


@contextmanager
def building_folder(out: Path, recipe: dict[str, Any], fingerprint: str) -> Iterator[Path]:
    """Folder ``<out>.building`` under a lock, and in it one folder of parts for this recipe.

    Parts of another recipe stay where they are until a build succeeds: they are never mixed.

    Yields
    ------
    Path
        ``<out>.building/<fingerprint>``, holding ``journal.json`` (the recipe) and ``parts/``.

    Raises
    ------
    IndexFolderError
        If another process is building there.
    """
    building = out.with_name(out.name + ".building")
    building.mkdir(parents=True, exist_ok=True)
    lock = FileLock(building / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexFolderError(
            f"another process is building {out}", next_step="wait for it, stop it, or choose another folder"
        ) from None
    try:
        folder = building / fingerprint
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        (folder / "journal.json").write_text(json.dumps(recipe, indent=1), encoding="utf-8")
        yield folder
    finally:
        lock.release()


def read_part(path: Path | LazyPart) -> Part:
    """Read a part from its file, or have it made.

    Raises
    ------
    ValueError, OSError, zipfile.BadZipFile, KeyError
        If the file is torn.
    """
    if not isinstance(path, Path):
        return path.read()
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        blob, ends = data["thumbnails"].tobytes(), data["thumbnail_ends"].tolist()
        return Part(
            tiles=data["tiles"],
            observed=data["observed"],
            facts={name[5:]: data[name] for name in data.files if name.startswith("fact_")},
            kept=data["kept"],
            vectors=data["vectors"],
            thumbnails=[blob[start:end] for start, end in pairwise([0, *ends])],
        )


def chunk_size(count: int) -> int:
    """Tiles of a part: few enough that little is lost by a cut, enough that a planet is no swamp of files.

    256 from two thousand to a million tiles, then doubled with their number: 14 million make some 3,500
    parts. Fewer tiles have smaller parts, so that every core gets some.
    """
    size = CHUNK
    while size > MIN_CHUNK and count < FEWEST_PARTS * size:
        size //= 2
    while size < MAX_CHUNK and count > MOST_PARTS * size:
        size *= 2
    return size


def draw_part(
    source: TileSource,
    grid: Grid,
    encoder: Encoder,
    tiles: NDArray[np.int64],
    path: Path,
    size_px: int,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Draw and encode the tiles of a part and write it: whole or not at all.

    Parameters
    ----------
    check
        Called between batches; may raise to stop.
    """
    store_part(path, part_bytes(draw_pieces(source, grid, tiles, size_px, check), encoder))


def draw_pieces(
    source: TileSource,
    grid: Grid,
    tiles: NDArray[np.int64],
    size_px: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[Drawn]:
    """The tiles of a part, `CHUNK` at a time: what is drawn and encoded together."""
    for start in range(0, len(tiles), CHUNK):
        check()
        yield draw_chunk(source, grid, size_px, tiles[start : start + CHUNK])


def draw_chunk(source: TileSource, grid: Grid, size_px: int, tiles: NDArray[np.int64]) -> Drawn:
    """Draw a chunk, and a thumbnail of each tile of it that is kept."""
    batch = source.read(grid, tiles, size_px)
    return batch, encode_thumbnails(_kept_pixels(batch))


def part_bytes(pieces: Iterable[Drawn], encoder: Encoder) -> bytes:
    """Encode what was observed of the pieces of a part, one by one; the part as the bytes of its file."""
    batches, vectors, thumbnails = [], [], []
    for batch, jpegs in pieces:
        vectors.append(_encoded(batch, encoder))
        thumbnails += jpegs
        batches.append(replace(batch, pixels=batch.pixels[:0].copy()))  # the pixels are let go
    facts = {name: np.concatenate([batch.facts[name] for batch in batches]) for name in batches[0].facts}
    tiles, observed = (np.concatenate([getattr(b, key) for b in batches]) for key in ("tiles", "observed"))
    whole = TileBatch(tiles, batches[0].pixels, observed, facts)
    return _packed(whole, np.concatenate(vectors), thumbnails)


def store_part(path: Path, content: bytes) -> None:
    """Write the bytes of a part: whole or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def is_part_of(path: Path, tiles: NDArray[np.int64]) -> bool:
    """Whether there is a whole part of exactly these tiles."""
    if not path.exists():
        return False
    try:
        return bool(np.array_equal(read_part(path).tiles, tiles))
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile):
        return False  # torn, perhaps by a full disk: drawn again


def _kept_pixels(batch: TileBatch) -> NDArray[np.uint8]:
    kept = batch.observed >= MIN_OBSERVED
    return batch.pixels if kept.all() else batch.pixels[kept]


def _encoded(batch: TileBatch, encoder: Encoder) -> NDArray[np.float32]:
    pixels = _kept_pixels(batch)
    if not len(pixels):
        return np.zeros((0, encoder.manifest.dimension), dtype=np.float32)
    return encoder.encode_images(pixels).astype(np.float32)


def _packed(batch: TileBatch, vectors: NDArray[np.float32], thumbnails: list[bytes]) -> bytes:
    arrays: dict[str, Any] = {
        "tiles": batch.tiles,
        "observed": batch.observed.astype(np.float32),
        "kept": batch.observed >= MIN_OBSERVED,
        "vectors": vectors,
        "thumbnails": np.frombuffer(b"".join(thumbnails), dtype=np.uint8),
        "thumbnail_ends": np.cumsum([len(jpeg) for jpeg in thumbnails], dtype=np.int64),
        **{f"fact_{name}": values.astype(np.float32) for name, values in batch.facts.items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()

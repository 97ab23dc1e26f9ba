"""Change an index: tiles of further rasters are added, tiles are drawn again, tiles are taken out.

The changed index is built beside the old one from the rows that stay, bit for bit, and the parts drawn anew;
it is verified, then the old folder is set aside as ``NAME.oldN`` and the new one takes its name. Nothing is
deleted. A change that was cut off goes on, or is put in place, when the same is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.building.draw import Progress, draw_parts
from retrieval.building.merge import Changed
from retrieval.building.parts import chunk_size
from retrieval.calibrate import background
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.errors import BodyMismatchError, IndexFolderError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index, open_matching
from retrieval.manifest import RECALL, read_manifest

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Json = Any
Ints = NDArray[np.int64]
Box = tuple[float, float, float, float]
SET_ASIDE = re.compile(r"(?P<name>.+)\.old(?P<n>\d+)")


@dataclass(frozen=True)
class How:
    """What a change is made with.

    Attributes
    ----------
    encoder, background_prompts
        Those that the index was made with.
    workers, progress, stop
        As of `retrieval.index.build_index`.
    """

    encoder: Encoder
    background_prompts: Sequence[str] = ()
    workers: int = 1
    progress: Progress | None = None
    stop: threading.Event | None = None


def add(folder: Path, source: TileSource, how: How, whole: TileSource | None = None) -> TileIndex:
    """Add the tiles of a source. Where the index had data, its own come first.

    Parameters
    ----------
    folder
        The index.
    whole
        The sources of the index and this one together, the index's first, where they are at hand: tiles of
        which the index shows a part are then drawn from both. Otherwise such tiles stay as they are, and only
        those that the index does not hold are drawn.

    Raises
    ------
    IndexFolderError
        If there is nothing to add, another process works on the index, or it cannot be written.
    """
    with _alone(folder, how.encoder) as (before, cut_off):
        tiles = np.asarray(source.candidates(before.grid), dtype=np.int64)
        least = 1.0 if whole is not None else float(before.manifest.coverage["min_observed"])
        anew = tiles[before.observed_share(tiles) < least]
        if not len(anew) and cut_off:
            return before
        if not len(anew):
            raise IndexFolderError(
                f"{folder.name} already holds every tile that {source.name} lies on",
                next_step="use `replace` to draw them again from it",
            )
        every = np.union1d(before.coverage["tile"].to_numpy(), anew)
        return _changed(before, how, {"change": "add"}, every, anew, source, whole)


def replace_tiles(
    folder: Path, source: TileSource, how: How, whole: TileSource | None = None, bounds: Box | None = None
) -> TileIndex:
    """Draw tiles of an index again from a source: those it lies on, or of these the ones within bounds.

    Parameters
    ----------
    whole
        This source and those of the index together, this one first, where they are at hand: they show
        through where it has no data. Otherwise tiles of which it shows too little stay as they are.
    bounds
        West, south, east, north, degrees.

    Raises
    ------
    IndexFolderError
        If there is nothing to replace, another process works on the index, or it cannot be written.
    """
    with _alone(folder, how.encoder) as (before, cut_off):
        every = before.coverage["tile"].to_numpy()
        anew = np.intersect1d(np.asarray(source.candidates(before.grid), dtype=np.int64), every)
        if bounds is not None:
            anew = np.intersect1d(anew, before.grid.within_bounds(*bounds))
        if cut_off:
            return before
        if not len(anew):
            raise IndexFolderError(
                f"{source.name} lies on no tile of {folder.name}" + (" within the bounds" if bounds else ""),
                next_step="use `add` for tiles that the index does not hold",
            )
        entry = {"change": "replace", "bounds": None if bounds is None else list(bounds)}
        return _changed(before, how, entry, every, anew, source, whole)


def remove(folder: Path, how: How, bounds: Box) -> TileIndex:
    """Take tiles whose centres lie within bounds (west, south, east, north, degrees) out of an index.

    Raises
    ------
    IndexFolderError
        If there are none, nothing would be left, another process works on the index, or it cannot be written.
    """
    with _alone(folder, how.encoder) as (before, cut_off):
        every = before.coverage["tile"].to_numpy()
        out = np.intersect1d(every, before.grid.within_bounds(*bounds))
        left = np.setdiff1d(every, out)
        if not len(out) and cut_off:
            return before
        if not len(out):
            raise IndexFolderError(f"{folder.name} has no tile within the bounds")
        if not (before.tiles.find(left) >= 0).any():
            raise IndexFolderError(
                f"nothing of {folder.name} would be left", next_step="delete its folder if you want that"
            )
        entry = {"change": "remove", "bounds": list(bounds), "removed": len(out)}
        return _changed(before, how, entry, left, np.zeros(0, dtype=np.int64))


def finish(folder: Path) -> bool:
    """Put a change in place that was cut off when the index had been set aside; whether there was one."""
    ready = _workshop(folder) / folder.name
    if folder.exists() or not (ready / "manifest.json").exists():
        return False
    ready.rename(folder)
    return True


def set_aside(folder: Path) -> Path:
    """Move a folder out of the way, to ``NAME.oldN``, where it stays until a person deletes it."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}.old{number}")).exists():
        number += 1
    folder.rename(aside)
    return aside


def aside_of(folder: Path) -> list[Path]:
    """What was set aside when an index was changed or made again: no longer needed by anything."""
    found = [(SET_ASIDE.fullmatch(path.name), path) for path in folder.parent.iterdir()]
    named = [(int(match["n"]), path) for match, path in found if match and match["name"] == folder.name]
    return [path for _, path in sorted(named) if path.is_dir() and not path.is_symlink()]


@contextmanager
def _alone(folder: Path, encoder: Encoder) -> Iterator[tuple[TileIndex, bool]]:
    """The index of a folder, locked against other changes; whether an earlier change was ended just now."""
    workshop = _workshop(folder)
    ready = workshop / folder.name
    if not folder.exists() and not ready.exists():
        raise IndexFolderError(f"there is no index {folder}", next_step="check the path")
    lock = FileLock(workshop / "lock")
    try:
        workshop.mkdir(exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise IndexFolderError(
            f"another process is changing {folder}", next_step="wait for it, or stop it"
        ) from None
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        cut_off = finish(folder)
        yield open_matching(folder, encoder), cut_off
        shutil.rmtree(workshop, ignore_errors=True)
    finally:
        lock.release()
        if workshop.exists() and not any(path.is_dir() for path in workshop.iterdir()):
            shutil.rmtree(workshop, ignore_errors=True)  # refused before anything was made


def _workshop(folder: Path) -> Path:
    return folder.with_name(folder.name + ".changing")


def _unwritable(folder: Path, error: OSError) -> IndexFolderError:
    return IndexFolderError(
        f"{folder} cannot be changed ({error.strerror or error})",
        next_step="free some space or check the folder's rights; finished tiles are kept",
    )


@dataclass(frozen=True)
class _Described:
    """What the tiles of a changed index were drawn from, for its manifest; the recipe goes by it."""

    before: TileIndex
    source: TileSource | None
    whole: TileSource | None
    entry: dict[str, Json]

    @property
    def name(self) -> str:
        """Names of all that tiles were drawn from."""
        if self.entry["change"] == "add" and self.whole is not None:
            return self.whole.name
        old = str(self.before.manifest.source["name"])
        return f"{old}, {self.source.name}" if self.source else old

    @property
    def body(self) -> Body:
        """That of the index."""
        return self.before.body

    def fingerprint(self) -> str:
        """Of the sources together where all tiles are as these draw them."""
        if self.entry["change"] == "add" and self.whole is not None:
            return self.whole.fingerprint()
        old = str(self.before.manifest.source["fingerprint"])
        if self.source is None:
            return old
        parts = json.dumps([old, self.source.fingerprint(), self.entry], sort_keys=True)
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Json]:
        """What the index said before, the files of the new source, and the history."""
        old = self.before.manifest.source
        about = {key: value for key, value in old.items() if key not in ("name", "fingerprint")}
        if self.source is not None:
            about["files"] = [*old.get("files", []), *self.source.describe().get("files", [])]
        made = self.before.manifest
        built = {
            "change": "build",
            "fingerprint": made.fingerprint,
            "created": made.created,
            "name": old["name"],
        }
        about["history"] = [*old.get("history", [built]), self.entry]
        return about

    def candidates(self, grid: Grid) -> Ints:
        """The tiles of the index as it was."""
        return np.asarray(self.before.coverage["tile"].to_numpy())

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        """Nothing is drawn through it."""
        raise NotImplementedError


def _changed(
    before: TileIndex,
    how: How,
    entry: dict[str, Json],
    every: Ints,
    anew: Ints,
    source: TileSource | None = None,
    whole: TileSource | None = None,
) -> TileIndex:
    """Build the index of ``every`` tile, those ``anew`` drawn, and put it in the place of the one before."""
    folder, manifest = before.folder, before.manifest
    prompts = list(how.background_prompts) if manifest.background_prompts else []
    _refuse_others(before, source, how.encoder, prompts)
    entry = {"of": manifest.fingerprint, **entry}
    if source is not None:
        entry |= {"name": source.name, "fingerprint": source.fingerprint(), "drawn": len(anew)}

    def draw(_: Any, grid: Grid, encoder: Encoder, tiles: Ints, place: Path, **keywords: Any) -> list[Any]:
        drawn = whole or source
        paths = draw_parts(drawn, grid, encoder, anew, place, **keywords) if drawn else []
        return Changed(before, paths, anew[:: chunk_size(len(anew))], anew).parts(tiles)

    ready = _workshop(folder) / folder.name
    if ready.exists() and read_manifest(ready).source["history"][-1] != entry:
        shutil.rmtree(ready)  # of another change that was given up before it was put in place
    if not ready.exists():
        build_index(
            _Described(before, source, whole, entry),
            before.grid,
            how.encoder,
            ready,
            background_prompts=prompts,
            storage=manifest.storage,
            recall=float((manifest.recall or {}).get("asked", RECALL)),
            tiles=every,
            workers=how.workers,
            progress=how.progress,
            stop=how.stop,
            draw=draw,
        )
    try:
        set_aside(folder)
        os.rename(ready, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return TileIndex.open(folder)


def _refuse_others(
    before: TileIndex, source: TileSource | None, encoder: Encoder, prompts: list[str]
) -> None:
    if source is not None and source.body != before.body:
        raise BodyMismatchError(f"{source.name} is of {source.body.name} and the index of {before.body.name}")
    if not prompts:
        return
    # The manifest holds the number of prompts only; a few tiles tell whether the words are the same.
    rows = np.arange(min(64, len(before)))
    fresh = background(before.vectors(rows), encoder.encode_texts(prompts), encoder.manifest.logit_scale)
    if not np.allclose(fresh, before.background[rows], atol=0.02):
        raise IndexFolderError(
            f"{before.folder.name} was made with other background prompts than this version has",
            next_step="build it again with this version, then change it",
        )

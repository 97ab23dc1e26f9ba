"""The index: a folder of tile vectors, a tile table and thumbnails; built once, opened by memory map.

    vectors.faiss       FAISS inner-product index, one row per tile
    tiles.arrow         grid number, share observed and facts of each row (see `retrieval.tiles`)
    coverage.arrow      share observed of every tile that was looked at, indexed or not
    thumbnails.arrow    Arrow IPC file, one JPEG a row
    background.npy      score of each tile against prompts that name nothing (see `retrieval.calibrate`)
    manifest.json       what the index is, with the size and SHA-256 of each file; written last

It is built in ``<out>.building``, verified, and renamed, so a folder with a manifest is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body, get_body
from retrieval.building.assemble import assemble
from retrieval.building.draw import Progress, draw_parts
from retrieval.building.parts import MIN_OBSERVED, building_folder
from retrieval.building.thumbnails import THUMBNAIL_PX
from retrieval.corpus.source import TileSource
from retrieval.errors import BodyMismatchError, IndexFolderError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.manifest import (
    FORMAT,
    RECALL,
    RECIPE_FORMAT,
    Choice,
    IndexManifest,
    Storage,
    check_files,
    files_of,
    read_manifest,
    size_and_hash,
    torn,
    vector_files,
    versions,
)
from retrieval.tiles import TileTable, read_columns
from retrieval.vectors import Vectors, open_vectors
from retrieval.vectors.choose import choose, machine_memory
from retrieval.vectors.place import read_place

if TYPE_CHECKING:
    from retrieval.encoder import Encoder

Json = Any


class TileIndex:
    """An opened index. Rows are numbered 0..n-1 in the order of their tiles' grid numbers.

    Attributes
    ----------
    folder, manifest
        Where it is; what it is.
    body, grid
        The body and the tile grid.
    store
        The vectors.
    background
        Background score of each row, float32, shape (n,).
    """

    def __init__(self, folder: Path, manifest: IndexManifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.body: Body = get_body(manifest.body)
        self.grid = Grid(self.body, manifest.tile_km)
        ending = "parquet" if manifest.format == 1 else "arrow"
        self._table, self._looked_at = folder / f"tiles.{ending}", folder / f"coverage.{ending}"
        try:
            self.store: Vectors = _open_store(folder, manifest)
            with pa.memory_map(str(folder / "thumbnails.arrow")) as mapped:
                self._thumbnails = pa.ipc.open_file(mapped).read_all().column("jpeg")
            # Mapped now: the folder may be set aside, and another take its name, while this one is in use.
            self._columns = {path: read_columns(path) for path in (self._table, self._looked_at)}
            self.background: NDArray[np.float32] = np.load(folder / "background.npy", mmap_mode="r")
            rows = {
                vector_files(manifest.storage)[0]: (self.store.count, self.store.dimension),
                "thumbnails.arrow": (len(self._thumbnails), manifest.dimension),
                "background.npy": (len(self.background), manifest.dimension),
                self._table.name: (len(self._columns[self._table]["tile"]), manifest.dimension),
            }
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            raise torn(folder, f"cannot be read ({str(error).splitlines()[0][:200]})") from error
        for name, found in rows.items():
            if found != (manifest.count, manifest.dimension):
                raise torn(folder, f"has {name} of {found[0]} rows where the manifest says {manifest.count}")

    @classmethod
    def open(cls, folder: Path) -> TileIndex:
        """Open an index folder; sizes are checked always, checksums by `verify`.

        Raises
        ------
        IndexFolderError
            If the folder is missing, unfinished, torn, or of another version's layout.
        VectorsError
            If it says that its vectors are elsewhere, and they cannot be had there.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        check_files(folder, manifest, full=False, elsewhere=read_place(folder) is not None)
        return cls(folder, manifest)

    def verify(self, full: bool = True) -> None:
        """Check the files against the manifest: sizes, and with ``full`` the checksums.

        Raises
        ------
        IndexFolderError
            If a file is missing or not the one that was built.
        """
        check_files(self.folder, self.manifest, full=full, elsewhere=read_place(self.folder) is not None)

    def __len__(self) -> int:
        return self.manifest.count

    @cached_property
    def tiles(self) -> TileTable:
        """Tile table in row order: grid numbers, shares observed and facts; all else row by row."""
        try:
            return TileTable(self.grid, self._columns[self._table])
        except (OSError, ValueError) as error:
            raise torn(self.folder, f"has a {self._table.name} that is none ({error})") from error

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """Every tile that was looked at, ascending: ``tile`` (grid number), ``observed`` (0..1)."""
        try:
            return pd.DataFrame(self._columns[self._looked_at], columns=["tile", "observed"], copy=False)
        except (OSError, ValueError) as error:
            raise torn(self.folder, f"has a {self._looked_at.name} that is none ({error})") from error

    def observed_share(self, tiles: ArrayLike) -> NDArray[np.float32]:
        """Share of each tile (grid numbers) that has data; 0 for tiles never looked at."""
        wanted = np.asarray(tiles, dtype=np.int64)
        numbers, shares = self.coverage["tile"].to_numpy(), self.coverage["observed"].to_numpy()
        nearest = np.clip(np.searchsorted(numbers, wanted), 0, len(numbers) - 1)
        return np.asarray(np.where(numbers[nearest] == wanted, shares[nearest], 0.0), dtype=np.float32)

    def score(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of every row with a unit vector of shape (d,); shape (n,)."""
        return np.asarray(self.score_many(np.asarray(vector)[None])[0])

    def score_many(self, vectors: NDArray[np.float32], rows: ArrayLike | None = None) -> NDArray[np.float32]:
        """Cosines with unit vectors of shape (q, d) in one pass, (q, n); with ``rows`` (m,) of those only."""
        return self.store.scores(vectors, rows)

    def search(
        self, vector: NDArray[np.float32], k: int, rows: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The k best rows (among ``rows``) and their cosines, best first; equal cosines in row order."""
        found, scores = self.store.best(np.asarray(vector)[None], k, rows)
        return found[0], scores[0]

    def above(
        self, vector: NDArray[np.float32], bar: float, rows: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (among ``rows``) with a cosine of at least ``bar``, ascending, and their cosines."""
        return self.store.above(vector, bar, rows)

    def vectors(self, rows: ArrayLike) -> NDArray[np.float32]:
        """Unit vectors of rows, shape (m, d); normalised again after the rounding of the storage."""
        return self.store.get(rows)

    def thumbnail(self, row: int) -> bytes:
        """JPEG file of a row, at most 96 px a side, north up."""
        return bytes(self._thumbnails[int(row)].as_buffer())

    def row_of(self, tile_id: str) -> int:
        """Row of a tile.

        Raises
        ------
        SettingsError
            If the id is no tile of the grid, or the tile was not observed.
        """
        row = self.tiles.row_of(tile_id)
        if row >= 0:
            return row
        tile = self.grid.parse_tile_id(tile_id)
        share = float(self.observed_share([tile])[0])
        raise SettingsError(
            f"tile {tile_id} is not in the index: {share:.0%} of it was observed",
            allowed=f"tiles observed to {MIN_OBSERVED:.0%} or more",
        )


def _open_store(folder: Path, manifest: IndexManifest) -> Vectors:
    place = read_place(folder)
    if place is None:
        return open_vectors(folder, manifest.storage)
    from retrieval.vectors.milvus import open_milvus  # needs an extra

    return open_milvus(place, manifest)


def open_matching(folder: Path, encoder: Encoder) -> TileIndex:
    """Open an index that this encoder made.

    Raises
    ------
    IndexFolderError
        If another encoder made it: its vectors and this encoder's queries have nothing in common.
    """
    index = TileIndex.open(folder)
    made_by = index.manifest.encoder
    if made_by["fingerprint"] != encoder.manifest.fingerprint:
        raise IndexFolderError(
            f"{folder} was made with encoder {made_by['name']} ({made_by['fingerprint']}), "
            f"not with {encoder.manifest.name} ({encoder.manifest.fingerprint})",
            next_step=f"choose encoder {made_by['name']}, or build the index again",
        )
    return index


def build_index(
    source: TileSource,
    grid: Grid,
    encoder: Encoder,
    out: Path,
    *,
    background_prompts: Sequence[str] = (),
    storage: Choice = "auto",
    recall: float = RECALL,
    tiles: ArrayLike | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    draw: Callable[..., list[Path]] = draw_parts,
) -> TileIndex:
    """Draw, encode and index tiles. An interrupted build continues when called again with the same recipe.

    Parameters
    ----------
    out
        Folder to make; must not exist.
    background_prompts
        Texts that name nothing in particular, for `TileIndex.background`.
    storage
        ``fp16`` (half precision), ``fp32``, ``sq8`` (one byte a dimension, recall 0.995): all tiles are
        scored; ``ivf-sq8``, ``ivf-rabitq``: some of the best may be missed, for more tiles in the same time
        or memory; ``auto``: chosen by number, memory and recall (`retrieval.vectors.choose`).
    recall
        Share of the best tiles that a search is to find, above 0 to 1.
    tiles
        Grid numbers to look at; all that may have data if None.
    workers
        Hands that draw and encode tiles, threads or processes with one core each.
    progress
        Called with the stage (``tiles``, then ``index``), the count done and the total.
    stop
        When set, the build ends with `Cancelled` and keeps what it has.
    draw
        What draws and encodes: `retrieval.building.draw.draw_parts` here, or something that takes and returns
        the same and does it elsewhere (`retrieval.building.ray.draw_parts_on_ray`).

    Raises
    ------
    IndexFolderError
        If ``out`` exists, is being built by another process, or cannot be written.
    RasterError
        If the source is torn, or no tile has data.
    """
    out = Path(out)
    _refuse_nonsense(source, grid, storage, recall)
    _refuse_existing(out)
    plan = _Plan(
        source, grid, encoder, _wanted_tiles(source, grid, tiles), storage, recall, background_prompts
    )
    try:
        _build(plan, out, workers, progress, stop, draw)
    except OSError as error:
        raise IndexFolderError(
            f"{out} cannot be written ({error.strerror or error})",
            next_step="free some space or choose another folder; finished tiles are kept",
        ) from error
    return TileIndex.open(out)


def _refuse_nonsense(source: TileSource, grid: Grid, storage: str, recall: float) -> None:
    if storage not in get_args(Choice):
        raise SettingsError(f"no storage is called {storage!r}", allowed=", ".join(get_args(Choice)))
    if not 0 < recall <= 1:
        raise SettingsError(f"a recall of {recall:g} cannot be had", allowed="a share above 0, up to 1")
    if source.body != grid.body:
        raise BodyMismatchError(f"{source.name} is of {source.body.name} and the grid of {grid.body.name}")


def _refuse_existing(out: Path) -> None:
    if (out / "manifest.json").exists():
        raise IndexFolderError(
            f"{out} already holds an index", next_step="open it, or choose another folder to build in"
        )
    if out.exists():
        raise IndexFolderError(f"{out} exists", next_step="choose a folder that does not exist yet")


def _wanted_tiles(source: TileSource, grid: Grid, tiles: ArrayLike | None) -> NDArray[np.int64]:
    if tiles is None:
        wanted = np.asarray(source.candidates(grid), dtype=np.int64)
    else:
        wanted = np.unique(np.asarray(tiles, dtype=np.int64))
        if len(wanted) and not (wanted[0] >= 0 and wanted[-1] < len(grid)):
            raise SettingsError(
                f"tile numbers {wanted[0]}..{wanted[-1]} are not of this grid",
                allowed=f"0 to {len(grid) - 1}",
            )
    if not len(wanted):
        raise RasterError(
            f"no tile of {grid.tile_km:g} km has its centre on {source.name}",
            next_step="choose smaller tiles",
        )
    return wanted


class _Plan:
    """What an index is made from. Parts are shared by builds of equal recipes only."""

    def __init__(
        self,
        source: TileSource,
        grid: Grid,
        encoder: Encoder,
        tiles: NDArray[np.int64],
        storage: Choice,
        recall: float,
        background_prompts: Sequence[str],
    ) -> None:
        self.source, self.grid, self.encoder, self.tiles = source, grid, encoder, tiles
        self.storage, self.why = _storage(storage, len(tiles), encoder.manifest.dimension, recall)
        self.recall = recall
        self.background_prompts = list(background_prompts)
        self.size_px = max(THUMBNAIL_PX, encoder.manifest.image_size)
        self.recipe: dict[str, Json] = {
            "format": RECIPE_FORMAT,
            "body": grid.body.name,
            "tile_km": grid.tile_km,
            "tile_px": self.size_px,
            "storage": self.storage,
            "source": source.fingerprint(),
            "encoder": encoder.manifest.fingerprint,
            "background": self.background_prompts,
            "tiles": hashlib.sha256(tiles.astype("<i8").tobytes()).hexdigest(),
        }
        if self.storage.startswith("ivf"):
            self.recipe["recall"] = recall  # where all is scored it changes nothing
        text = json.dumps(self.recipe, sort_keys=True)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]


def _storage(storage: Choice, count: int, dimension: int, recall: float) -> tuple[Storage, str]:
    if storage == "auto":
        return choose(count, dimension, machine_memory(), recall)
    return storage, "asked for"


def _build(
    plan: _Plan,
    out: Path,
    workers: int,
    progress: Progress | None,
    stop: threading.Event | None,
    draw: Callable[..., list[Path]],
) -> None:
    """Make the files beside their place, describe and verify them, and rename the folder."""
    with building_folder(out, plan.recipe, plan.fingerprint) as folder:
        _refuse_existing(out)  # another process may have finished it while this one waited
        paths = draw(
            plan.source,
            plan.grid,
            plan.encoder,
            plan.tiles,
            folder,
            size_px=plan.size_px,
            workers=workers,
            progress=progress,
            stop=stop,
        )
        staged = folder / "index"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        coverage, recall = assemble(
            staged,
            plan.grid,
            plan.encoder,
            paths,
            plan.storage,
            plan.background_prompts,
            progress,
            recall=plan.recall,
        )
        manifest = _describe(plan, out.name, staged, coverage, recall)
        text = json.dumps(asdict(manifest), indent=1)
        (staged / "manifest.json").write_text(text, encoding="utf-8")
        TileIndex.open(staged).verify()
        os.rename(staged, out)
    shutil.rmtree(folder.parent, ignore_errors=True)


def _describe(
    plan: _Plan, name: str, staged: Path, coverage: dict[str, int], recall: dict[str, Json] | None
) -> IndexManifest:
    source = plan.source
    return IndexManifest(
        format=FORMAT,
        name=name,
        fingerprint=plan.fingerprint,
        body=plan.grid.body.name,
        tile_km=plan.grid.tile_km,
        tile_px=plan.size_px,
        storage=plan.storage,
        count=coverage["indexed"],
        dimension=plan.encoder.manifest.dimension,
        encoder=asdict(plan.encoder.manifest),
        source={**source.describe(), "name": source.name, "fingerprint": plan.recipe["source"]},
        coverage={**coverage, "min_observed": MIN_OBSERVED},
        background_prompts=len(plan.background_prompts),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        files={file: size_and_hash(staged / file) for file in files_of(FORMAT, plan.storage)},
        why=plan.why,
        recall=recall,
    )

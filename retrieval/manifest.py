"""What an index folder says of itself, and whether its files are the ones that were built."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import IndexFolderError

Json = Any
Storage = Literal["fp16", "fp32", "sq8", "ivf-sq8", "ivf-rabitq"]

SMALL_BYTES, SAMPLED_PAGES, PAGE = 1 << 20, 64, 4096
FORMAT = 2  # of the folder's layout; indexes of layout 1 are read as well
RECIPE_FORMAT = 1  # of what an index says: its fingerprint does not change with the layout of its files
Choice = Literal["auto", "fp16", "fp32", "sq8", "ivf-sq8", "ivf-rabitq"]
RECALL = 0.99  # share of the best tiles that a search is to find, unless another is asked for
_VECTORS = "vectors.faiss"
_LISTS = ("vectors.npy", "rows.npy", "places.npy", "lists.npz")
_VECTOR_FILES = {"ivf-sq8": _LISTS, "ivf-rabitq": (*_LISTS, "signs.npy", "factors.npy", "turn.npy")}
_FILES = {
    1: ("vectors.faiss", "tiles.parquet", "coverage.parquet", "thumbnails.arrow", "background.npy"),
    2: ("vectors.faiss", "tiles.arrow", "coverage.arrow", "thumbnails.arrow", "background.npy"),
}


@dataclass(frozen=True)
class IndexManifest:
    """What an index is; plain JSON values throughout.

    Attributes
    ----------
    format
        Version of the folder's layout.
    name, fingerprint
        Name of the folder when it was built; hash of the recipe (source, grid, encoder, storage).
    body, tile_km, tile_px
        The grid, and the side of the drawn tiles in pixels.
    storage, count, dimension
        How vectors are stored; their number; their length.
    encoder
        Fields of the encoder's manifest.
    source
        What the tiles were drawn from: name, fingerprint and whatever the source says of itself.
    coverage
        Tiles looked at, indexed, and not observed, and the least share observed of an indexed tile.
    background_prompts
        Number of prompts behind ``background.npy``; where it is 0 the file holds zeros.
    created
        ISO 8601, UTC.
    versions, files
        Versions of the packages that matter; size in bytes and SHA-256 of each file (`size_and_hash`).
    why
        Why this storage was chosen, where it was.
    recall
        What an inexact storage finds of the best: asked for and measured (`retrieval.vectors.recall.fit`).
    """

    format: int
    name: str
    fingerprint: str
    body: str
    tile_km: float
    tile_px: int
    storage: Storage
    count: int
    dimension: int
    encoder: dict[str, Json]
    source: dict[str, Json]
    coverage: dict[str, Json]
    background_prompts: int
    created: str
    versions: dict[str, str]
    files: dict[str, dict[str, Json]]
    why: str = ""
    recall: dict[str, Json] | None = None


def vector_files(storage: str) -> tuple[str, ...]:
    """Names of the files that hold the vectors of a kind."""
    return _VECTOR_FILES.get(storage, (_VECTORS,))


def files_of(layout: int, storage: str = "fp16") -> tuple[str, ...]:
    """Names of the files beside the manifest in a folder of a layout whose vectors are of a kind."""
    return *vector_files(storage), *(name for name in _FILES[layout] if name != _VECTORS)


def all_files() -> tuple[str, ...]:
    """Names of the files of an index of any layout, the manifest's among them."""
    groups = (*_FILES.values(), *_VECTOR_FILES.values())
    return "manifest.json", *dict.fromkeys(name for names in groups for name in names)


def read_manifest(folder: Path) -> IndexManifest:
    """Read ``manifest.json``.

    Raises
    ------
    IndexFolderError
        If it is missing, torn, or of another version's layout.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        building = folder.with_name(folder.name + ".building")
        raise IndexFolderError(
            f"{folder} is no index: it has no manifest.json",
            allowed="a folder made by `areographer index build`",
            next_step="run the same build again: it continues" if building.is_dir() else "check the path",
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] not in _FILES:
            raise IndexFolderError(
                f"{folder} has layout {values['format']!r}; this version reads 1 and {FORMAT}",
                next_step="build it again with this version",
            )
        known = {field.name for field in fields(IndexManifest)}
        return IndexManifest(**{name: value for name, value in values.items() if name in known})
    except (ValueError, KeyError, TypeError) as error:
        raise torn(folder, f"has a manifest.json that is not one ({error})") from error


def check_files(folder: Path, manifest: IndexManifest, *, full: bool, elsewhere: bool = False) -> None:
    """Compare the files with the manifest: sizes and samples, and with ``full`` the checksums.

    Small files are always read whole; of larger ones a few pages, which takes milliseconds and finds every
    file that was swapped, and a changed byte by chance alone. With ``elsewhere`` the vectors are not taken
    from the folder, and their file may be missing.

    Raises
    ------
    IndexFolderError
        If a file is missing or not the one that was built.
    """
    theirs = vector_files(manifest.storage)
    for name in files_of(manifest.format, manifest.storage):
        if elsewhere and name in theirs:
            continue
        path, recorded = folder / name, manifest.files.get(name, {})
        size = path.stat().st_size if path.is_file() else -1
        if size != recorded.get("bytes"):
            found = f"{size:,} bytes" if size >= 0 else "missing"
            raise torn(folder, f"has {name} {found} where the manifest says {recorded.get('bytes')} bytes")
        if full or size <= SMALL_BYTES:
            same = size_and_hash(path)["sha256"] == recorded.get("sha256")
        else:
            # Indexes of earlier versions hold no samples.
            same = "sampled" not in recorded or _sampled(path, size) == recorded["sampled"]
        if not same:
            raise torn(folder, f"has another {name} than the one that was built (its checksum differs)")


def torn(folder: Path, what: str) -> IndexFolderError:
    """The error for a folder whose files do not belong together."""
    return IndexFolderError(
        f"index {folder} {what}", next_step="copy the folder again from where it came, or build it again"
    )


def size_and_hash(path: Path) -> dict[str, Json]:
    """``bytes`` and ``sha256`` of a file; of a large one also ``sampled``, the hash of a few pages."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    found: dict[str, Json] = {"bytes": size, "sha256": digest}
    return found if size <= SMALL_BYTES else {**found, "sampled": _sampled(path, size)}


def _sampled(path: Path, size: int) -> str:
    """Hash of pages spread over a file, its first and last among them."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for number in range(SAMPLED_PAGES):
            file.seek((size - PAGE) * number // (SAMPLED_PAGES - 1))
            digest.update(file.read(PAGE))
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the packages that decide what an index holds."""
    found = {"python": platform.python_version()}
    for name in ("areographer", "faiss-cpu", "numpy", "pillow", "rasterio", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # run from a checkout, or without an optional package
    return found

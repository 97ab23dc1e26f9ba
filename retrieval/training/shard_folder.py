"""Folders of WebDataset shards with a manifest, as `areographer caption` writes them.

Each split has tar files in which ``KEY.png``, ``KEY.txt`` and ``KEY.json`` are one pair; ``manifest.json``
lists them with their SHA-256, and says which landforms all pairs speak of.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.errors import SettingsError
from retrieval.training.folders import SPLITS, Part, Split, decode, in_threads

MANIFEST = "manifest.json"
FORMAT = 1
_AGAIN = "copy the folder again from where it came, or write the pairs again"


class ShardFolder:
    """A finished folder of shards; see `PairFolder`.

    Raises
    ------
    SettingsError
        If the manifest is torn or of another layout, or a shard is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        manifest = _read_manifest(path / MANIFEST)
        try:
            self.keys: tuple[str, ...] = tuple(str(key) for key in manifest["keys"])
            self.size_px: int | None = int(manifest["size_px"])
            self._coloured = len(manifest["bands"]) > 1
            self._shards = {
                split: [
                    (str(shard["file"]), int(shard["count"]), str(shard["sha256"]))
                    for shard in manifest["splits"][split]["shards"]
                ]
                for split in SPLITS
            }
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"{path / MANIFEST} is torn ({error!r})", next_step=_AGAIN) from error
        for shards in self._shards.values():
            for name, _, _ in shards:
                if Path(name).name != name or not (path / name).is_file():
                    raise SettingsError(f"{path} is torn: its shard {name} is missing", next_step=_AGAIN)

    def count(self, split: Split) -> int:
        """Number of pairs of a split."""
        return sum(count for _, count, _ in self._of(split))

    def coloured(self) -> bool:
        """Whether the pictures have colours."""
        return self._coloured

    def parts(self, split: Split, size_px: int, grey: bool) -> Iterator[Part]:
        """The pairs of a split, shard by shard."""
        return in_threads(lambda shard: self._read(*shard, size_px, grey), self._of(split))

    def _of(self, split: Split) -> list[tuple[str, int, str]]:
        wanted = SPLITS if split == "all" else (split,)
        return [shard for name in wanted for shard in self._shards[name]]

    def _read(self, name: str, count: int, sha256: str, size_px: int, grey: bool) -> Part:
        path = self.path / name
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise SettingsError(
                f"{path} is not the shard that its manifest describes (its checksum differs)",
                next_step=_AGAIN,
            )
        try:
            pairs = _members(content)
        except (tarfile.TarError, EOFError) as error:
            raise SettingsError(f"{path} is no whole tar file ({error})", next_step=_AGAIN) from error
        if len(pairs) != count:
            raise SettingsError(
                f"{path} holds {len(pairs)} pairs where its manifest says {count}", next_step=_AGAIN
            )
        shape = (size_px, size_px) if grey else (size_px, size_px, 3)
        images = np.empty((count, *shape), dtype=np.uint8)
        captions = []
        labels = np.zeros((count, len(self.keys)), dtype=bool)
        known = np.ones_like(labels)
        column = {key: n for n, key in enumerate(self.keys)}
        for row, (key, files) in enumerate(pairs.items()):
            try:
                images[row] = decode(files["png"], size_px, grey)
                record = json.loads(files["json"])
                texts = tuple(str(text) for text in record["captions"])
                labels[row, [column[landform] for landform in record["landforms"]]] = True
                known[row, [column[landform] for landform in record.get("unknown", ())]] = False
            except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
                missing = [ending for ending in ("png", "json") if ending not in files]
                why = f"has no {missing[0]}" if missing else f"is torn ({error!r})"
                raise SettingsError(f"{path}: pair {key} {why}", next_step=_AGAIN) from error
            if not texts or not all(texts):
                raise SettingsError(f"{path}: pair {key} has no caption", next_step=_AGAIN)
            captions.append(texts)
        return Part(images, captions, labels, known)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} is torn ({error})", next_step=_AGAIN) from error
    if not isinstance(manifest, dict) or manifest.get("kind") != "pairs":
        raise SettingsError(
            f"{path} does not describe pairs", allowed="folders that `areographer caption` wrote"
        )
    if manifest.get("format") != FORMAT:
        raise SettingsError(
            f"{path} has layout {manifest.get('format')!r}; this version reads {FORMAT}",
            next_step="write the pairs again with this version",
        )
    return manifest


def _members(content: bytes) -> dict[str, dict[str, bytes]]:
    """Files of each key by their endings, in the order of the tar."""
    pairs: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for member in tar:
            if member.isfile():
                key, _, ending = member.name.partition(".")
                start = member.offset_data
                pairs.setdefault(key, {})[ending] = content[start : start + member.size]
    return pairs

"""Image-text pairs on disk as WebDataset shards: what training reads, so that it never needs this package.

A folder holds, for each split, plain tar files ``train-000000.tar``, ``val-000000.tar``, ... of at most
`PAIRS_PER_SHARD` pairs each, and ``manifest.json``, written last: a folder without it is unfinished. A pair
is three members with one name: ``KEY.png`` (grey or RGB), ``KEY.txt`` (the first caption) and ``KEY.json``
(all captions, landforms, position and whatever else was recorded). That is the layout that `webdataset`
and `open_clip_train` read. The same pairs give the same bytes.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retrieval.body import Body
from retrieval.corpus.splits import DROPPED, SPLITS, SplitRule, Splitter
from retrieval.errors import SettingsError
from retrieval.manifest import size_and_hash

__all__ = ["PAIRS_PER_SHARD", "Pair", "Progress", "SplitRule", "write_shards"]

Progress = Callable[[str, int, int], None]

FORMAT = 1
PAIRS_PER_SHARD = 2000
_AT_ONCE = 64  # pairs held in memory
_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")  # a dot would end WebDataset's key, and tar names end at 100
_OWN_FIELDS = ("captions", "landforms", "unknown", "lon", "lat")


@dataclass(frozen=True)
class Pair:
    """A picture and what is said of it.

    Attributes
    ----------
    key
        Unique in the folder: letters, digits, - and _, at most 80.
    image
        Shape (s, s) grey or (s, s, 3), uint8; 0 where nothing was observed.
    captions
        The best first; at least one.
    landforms
        Keys that the tile shows; those not named it does not show.
    lon, lat
        Centre, degrees, if it is known.
    record
        Facts, candidates, verdicts: plain values, kept in ``KEY.json``. Not finite numbers become null.
    unknown
        Keys of which nobody can say whether the tile shows them: neither shown nor absent for a loss.
    """

    key: str
    image: NDArray[np.uint8]
    captions: tuple[str, ...]
    landforms: tuple[str, ...]
    lon: float | None = None
    lat: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def write_shards(
    out: Path,
    pairs: Iterable[Pair],
    *,
    keys: Sequence[str],
    body: Body | None,
    tile_km: float | None,
    split: SplitRule | None,
    seed: int,
    about: Mapping[str, Any],
    progress: Progress | None = None,
) -> Path:
    """Write pairs as they come to a new folder; memory does not grow with their number but for their keys.

    Parameters
    ----------
    out
        Folder to make.
    pairs
        Pictures of one size, all grey or all RGB.
    keys
        All landforms that the pairs speak of.
    body, tile_km
        Where the tiles lie and how large they are, if anybody knows.
    split
        How tiles are dealt to splits by where they lie; None puts all into ``train``.
    seed
        Deals the splits.
    about
        Recorded in the manifest as ``sources``: where the pairs come from and how they were made.
    progress
        Told how many pairs are written, out of how many (0 where the pairs cannot be counted beforehand).

    Raises
    ------
    SettingsError
        If the folder holds something, a pair is not whole, does not fit the others or has no position to
        split by, or there is none. No manifest is written then.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingsError(
            f"the folder {out} is not empty", next_step="choose a new folder, or remove an unfinished one"
        )
    splitter = _splitter(split, body, tile_km, seed)
    out.mkdir(parents=True, exist_ok=True)
    statistics = _Statistics()
    with ExitStack() as stack:
        files = [stack.enter_context(_SplitFiles(out, name)) for name in SPLITS]
        dropped = _deal(pairs, keys, splitter, files, statistics, progress)
    count = sum(split_files.count for split_files in files)
    if not count:
        what = f"all {dropped} pairs lie between splits" if dropped else "there are no pairs to write"
        raise SettingsError(what, next_step="give more pairs, or put all into one split")
    mean, std = statistics.mean_std()
    manifest = {
        "kind": "pairs",
        "format": FORMAT,
        "count": count,
        "size_px": statistics.shape[0],
        "bands": ["grey"] if len(statistics.shape) == 2 else ["red", "green", "blue"],
        "mean": mean,
        "std": std,
        "keys": list(keys),
        "body": body.name if body else None,
        "tile_km": tile_km,
        "split": None if split is None else asdict(split) | {"seed": seed, "dropped": dropped},
        "splits": {split_files.name: split_files.describe(keys) for split_files in files},
        "sources": _plain(about),
    }
    beside = out / "manifest.json.part"
    beside.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(beside, out / "manifest.json")
    return out


class _SplitFiles:
    """The shards of one split: the last is open, written beside its name and renamed when it is full."""

    def __init__(self, out: Path, name: str) -> None:
        self.name = name
        self.count = 0
        self.shown: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self._out = out
        self._tar: tarfile.TarFile | None = None
        self._in_tar = 0
        self._shards: list[dict[str, Any]] = []

    def __enter__(self) -> _SplitFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        elif self._tar is not None:
            self._tar.close()

    def add(self, pair: Pair) -> None:
        """Append a pair."""
        if self._tar is None:
            self._tar = tarfile.open(self._part, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        picture = io.BytesIO()
        # Level 1 is a tenth larger than the best and as fast to read; most of the time goes elsewhere.
        Image.fromarray(pair.image).save(picture, "PNG", compress_level=1)
        record = {
            "captions": list(pair.captions),
            "landforms": list(pair.landforms),
            "unknown": list(pair.unknown),
            "lon": pair.lon,
            "lat": pair.lat,
        }
        text = json.dumps(record | _plain(pair.record), ensure_ascii=False)
        for ending, content in (
            ("png", picture.getvalue()),
            ("txt", pair.captions[0].encode()),
            ("json", text.encode()),
        ):
            member = tarfile.TarInfo(f"{pair.key}.{ending}")
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))
        self.count += 1
        self._in_tar += 1
        self.shown.update(pair.landforms)
        self.unknown.update(pair.unknown)
        if self._in_tar == PAIRS_PER_SHARD:
            self._finish()

    def describe(self, keys: Sequence[str]) -> dict[str, Any]:
        """Counts and checksums for the manifest."""
        return {
            "count": self.count,
            "positives": {key: self.shown[key] for key in keys},
            "unknown": {key: self.unknown[key] for key in keys if self.unknown[key]},
            "shards": self._shards,
        }

    @property
    def _path(self) -> Path:
        return self._out / f"{self.name}-{len(self._shards):06d}.tar"

    @property
    def _part(self) -> Path:
        return self._path.with_name(self._path.name + ".part")

    def _finish(self) -> None:
        if self._tar is None:
            return
        self._tar.close()
        path = self._path
        os.replace(self._part, path)
        self._shards.append({"file": path.name, "count": self._in_tar, **size_and_hash(path)})
        self._tar, self._in_tar = None, 0


class _Statistics:
    """Mean and standard deviation of the observed pixels, exactly, from counts per grey value."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self._counts = np.zeros((3, 256), dtype=np.int64)

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count the pixels of an image that are not 0 in all bands."""
        bands = image.reshape(-1, 1) if image.ndim == 2 else image.reshape(-1, 3)
        observed = bands[bands.any(axis=1)]
        for band in range(bands.shape[1]):
            self._counts[band] += np.bincount(observed[:, band], minlength=256)

    def mean_std(self) -> tuple[list[float], list[float]]:
        """Per band, as a share of full white."""
        values = np.arange(256) / 255
        counts = self._counts[: 1 if len(self.shape) == 2 else 3]
        total = np.maximum(counts.sum(axis=1), 1)
        mean = counts @ values / total
        std = np.sqrt(np.maximum(0.0, counts @ values**2 / total - mean**2))
        return mean.round(5).tolist(), std.round(5).tolist()


def _deal(
    pairs: Iterable[Pair],
    keys: Sequence[str],
    splitter: Splitter | None,
    files: Sequence[_SplitFiles],
    statistics: _Statistics,
    progress: Progress | None,
) -> int:
    """Check pairs and append each to the files of its split; returns how many lie between splits."""
    total = len(pairs) if isinstance(pairs, Sequence) else 0
    seen: set[str] = set()
    dropped = 0
    for some in _chunks(pairs, _AT_ONCE):
        for pair in some:
            _check(pair, keys, seen, statistics.shape)
            statistics.shape = pair.image.shape
        for pair, number in zip(some, _assign(splitter, some), strict=True):
            if number == DROPPED:
                dropped += 1
                continue
            files[number].add(pair)
            if SPLITS[number] == "train":
                statistics.add(pair.image)
        if progress:
            progress("writing pairs", len(seen), max(total, len(seen)))
    return dropped


def _splitter(
    split: SplitRule | None, body: Body | None, tile_km: float | None, seed: int
) -> Splitter | None:
    if split is None:
        return None
    if body is None or tile_km is None:
        raise SettingsError(
            "a split by region needs a body and the size of its tiles",
            next_step="name them, or put all pairs into one split",
        )
    return Splitter(split, body, tile_km, seed)


def _assign(splitter: Splitter | None, pairs: Sequence[Pair]) -> list[int]:
    """Number of each pair's split, or `DROPPED`."""
    if splitter is None:
        return [SPLITS.index("train")] * len(pairs)
    for pair in pairs:
        if pair.lon is None or pair.lat is None:
            raise SettingsError(
                f"pair {pair.key} has no position to split by",
                next_step="give every pair its lon and lat, or put all pairs into one split",
            )
    centres = np.array([(pair.lon, pair.lat) for pair in pairs], dtype=float)
    return [int(number) for number in splitter.assign(centres)]


def _check(pair: Pair, keys: Sequence[str], seen: set[str], shape: tuple[int, ...]) -> None:
    """Refuse a pair that training could not read, and remember its key."""
    image = pair.image
    problem = allowed = ""
    if not _KEY.fullmatch(pair.key):
        problem, allowed = "has a key of other characters", "1 to 80 letters, digits, - and _"
    elif pair.key in seen:
        problem, allowed = "comes twice", "unique keys"
    elif (
        image.dtype != np.uint8
        or image.shape[:1] != image.shape[1:2]
        or image.shape[2:] not in ((), (3,))
        or image.size == 0
    ):
        problem = f"has a picture of shape {image.shape} and type {image.dtype}"
        allowed = "uint8 of shape (s, s) or (s, s, 3)"
    elif shape and image.shape != shape:
        problem, allowed = f"has a picture of shape {image.shape}", f"{shape} like the first"
    elif not pair.captions or not all(text.strip() for text in pair.captions):
        problem, allowed = "has no caption, or an empty one", "at least one sentence each"
    elif unheard := [key for key in (*pair.landforms, *pair.unknown) if key not in keys]:
        problem, allowed = f"speaks of {unheard[0]!r}, which is no key of the folder", ", ".join(keys)
    elif both := set(pair.landforms) & set(pair.unknown):
        problem, allowed = f"calls {sorted(both)[0]!r} both shown and unknown", "one of them"
    elif clash := [name for name in _OWN_FIELDS if name in pair.record]:
        problem, allowed = f"has a record with the field {clash[0]!r}", "fields of other names"
    elif not all(value is None or math.isfinite(value) for value in (pair.lon, pair.lat)):
        problem, allowed = "has a position that is not finite", "degrees, or None"
    if problem:
        raise SettingsError(f"pair {pair.key!r} {problem}", allowed=allowed, next_step="correct its maker")
    seen.add(pair.key)


def _chunks(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    stream = iter(pairs)
    while some := list(islice(stream, size)):
        yield some


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: numpy becomes plain, what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    return str(value)

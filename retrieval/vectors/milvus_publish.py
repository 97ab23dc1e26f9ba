"""Loads the vectors of a made index into a Milvus collection; a load that was cut off goes on."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.errors import Cancelled, SettingsError, VectorsError
from retrieval.vectors import Floats, Vectors
from retrieval.vectors.flat import FlatVectors
from retrieval.vectors.milvus import (
    ROW,
    VECTOR,
    counted,
    fingerprints,
    flat_kind,
    load,
    open_milvus,
    refuse_other,
)
from retrieval.vectors.milvus_link import CALL_S, call, connect, parse_address
from retrieval.vectors.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymilvus import MilvusClient

    from retrieval.manifest import IndexManifest

    Progress = Callable[[str, int, int], None]

INDEX_TYPES = ("FLAT", "HNSW", "IVF_FLAT", "IVF_SQ8", "DISKANN", "AUTOINDEX")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")  # what a server takes; Milvus Lite takes anything
_BATCH_BYTES = 4 << 20  # of vectors in one call: a server takes at most 16 MiB unless told otherwise
_SAMPLE = 1_000  # vectors compared bit by bit at the end
_INDEXED_S = 3_600.0  # waited for the server to index what it was given


@dataclass(frozen=True)
class Published:
    """What was loaded.

    Attributes
    ----------
    place
        Where to.
    count, loaded
        Rows of the collection; those of them that were loaded now.
    index_type
        Milvus' index over them.
    compared
        Vectors that were read back and found to be the index's own.
    seconds
        How long it took.
    """

    place: Place
    count: int
    loaded: int
    index_type: str
    compared: int
    seconds: float


def default_collection(manifest: IndexManifest) -> str:
    """A name that no other index's vectors have."""
    return f"areographer_{manifest.fingerprint}"


def publish(
    vectors: Vectors,
    manifest: IndexManifest,
    address: str,
    collection: str = "",
    index_type: str = "FLAT",
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Published:
    """Load vectors into a collection, and read a sample back. Called again, it goes on where it stopped.

    Parameters
    ----------
    vectors
        The index's own, from its folder.
    address, collection
        Where to; a name of its own if no collection is given.
    index_type
        ``FLAT`` misses nothing; the others are faster on large collections, and may miss hits.
    progress
        Called with the stage (``vectors``, then ``index``), the rows done and the total.
    stop
        When set, the work ends with `Cancelled` and keeps what is loaded.

    Raises
    ------
    SettingsError
        If the address, the collection's name or the index type is none, or pymilvus is not installed.
    VectorsError
        If the server is out of reach, refuses, or the collection is another index's.
    """
    started = time.perf_counter()
    if index_type.upper() not in INDEX_TYPES:
        raise SettingsError(f"no Milvus index is called {index_type!r}", allowed=", ".join(INDEX_TYPES))
    if collection and not _NAME.fullmatch(collection):
        raise SettingsError(
            f"{collection[:80]!r} is no name of a collection",
            allowed="a letter or underscore, then letters, digits and underscores, at most 255",
        )
    place = Place(
        parse_address(address), collection or default_collection(manifest), _ranges_of(vectors, manifest)
    )
    client = connect(place.address)
    _ensure(client, place, manifest, index_type.upper())
    loaded = _load(client, place, vectors, manifest, progress, stop)
    if loaded:
        call(place.address, "flushing", lambda: client.flush(place.collection, timeout=10 * CALL_S))
    _wait_indexed(client, place, manifest.count, progress, stop)
    compared, kind = _verify(place, vectors, manifest)
    return Published(place, manifest.count, loaded, kind, compared, time.perf_counter() - started)


def _ensure(client: MilvusClient, place: Place, manifest: IndexManifest, index_type: str) -> None:
    """Make the collection if it is not there, index and all, and have it loaded."""
    from pymilvus import DataType, MilvusClient

    name = place.collection
    if call(place.address, "looking for the collection", lambda: client.has_collection(name, timeout=CALL_S)):
        refuse_other(client, place, manifest)
    else:
        says = fingerprints(manifest)
        schema = MilvusClient.create_schema(
            auto_id=False,
            enable_dynamic_field=False,
            description=f"vectors of Areographer index {manifest.name}: {says}",
        )
        schema.add_field(ROW, DataType.INT64, is_primary=True)
        schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=manifest.dimension)
        index = client.prepare_index_params()
        index.add_index(
            VECTOR, index_type=index_type, metric_type="IP", params=_index_params(index_type, manifest.count)
        )
        call(
            place.address,
            f"making collection {name}",
            lambda: client.create_collection(
                name, schema=schema, index_params=index, properties=says, timeout=CALL_S
            ),
        )
    load(client, place)


def _load(
    client: MilvusClient,
    place: Place,
    vectors: Vectors,
    manifest: IndexManifest,
    progress: Progress | None,
    stop: threading.Event | None,
) -> int:
    """Insert the rows that are not there, in batches; how many they were."""
    count, loaded = manifest.count, 0
    there = counted(client, place)
    size = max(1, _BATCH_BYTES // (4 * manifest.dimension))
    starts = range(0, count, size) if there != count else range(0)
    for start in starts:
        if stop is not None and stop.is_set():
            raise Cancelled("stopped; run it again to go on")
        end = min(count, start + size)
        have = counted(client, place, f"{ROW} >= {start} and {ROW} < {end}") if there else 0
        if have != end - start:
            values = values_of(vectors, start, end)
            rows: list[dict[str, Any]] = [
                {ROW: row, VECTOR: value} for row, value in zip(range(start, end), values, strict=True)
            ]
            # A batch that was cut off is written over: an insert would hold its first rows twice.
            write = client.upsert if have else client.insert
            call(place.address, "loading vectors", partial(write, place.collection, rows, timeout=CALL_S))
            loaded += end - start - (0 if have > end - start else have)
        if progress is not None:
            progress("vectors", end, count)
    return loaded


def _wait_indexed(
    client: MilvusClient,
    place: Place,
    count: int,
    progress: Progress | None,
    stop: threading.Event | None,
) -> None:
    """Wait until the server has indexed what it was given: until then it scores those rows one by one."""
    until = time.monotonic() + _INDEXED_S
    while time.monotonic() < until:
        found = call(
            place.address,
            "describing the collection's index",
            lambda: client.describe_index(place.collection, VECTOR, timeout=CALL_S),
        )
        pending = int((found or {}).get("pending_index_rows", 0) or 0)
        if progress is not None:
            progress("index", max(0, count - pending), count)
        if pending == 0:
            return
        if stop is not None and stop.is_set():
            raise Cancelled("stopped; the server goes on indexing")
        time.sleep(1.0)


def _verify(place: Place, vectors: Vectors, manifest: IndexManifest) -> tuple[int, str]:
    """Open the collection as a search would and compare a sample; vectors compared, and the index's type."""
    there = open_milvus(place, manifest)
    rng = np.random.default_rng(0)
    sample = rng.choice(manifest.count, min(_SAMPLE, manifest.count), replace=False)
    rows = np.unique(np.concatenate([sample, [0, manifest.count - 1]])) if manifest.count else sample
    if len(rows):
        mine = np.concatenate([values_of(vectors, int(row), int(row) + 1) for row in rows])
        wrong = np.flatnonzero((there.values(rows) != mine).any(axis=1))
        if len(wrong):
            raise VectorsError(
                f"row {rows[wrong[0]]} of {place} is not the index's ({len(wrong)} of {len(rows)} are not)",
                next_step="drop the collection and publish the index again",
            )
    return len(rows), there.index_type


def values_of(vectors: Vectors, start: int, stop: int) -> Floats:
    """What a collection holds of rows: the values that codes stand for, or whole unit vectors, (m, d)."""
    if isinstance(vectors, FlatVectors):
        return vectors.codec.decode(np.asarray(vectors.codes[start:stop]))
    return vectors.get(np.arange(start, stop))


def _ranges_of(vectors: Vectors, manifest: IndexManifest) -> tuple[tuple[float, ...], ...]:
    if flat_kind(manifest.storage) != "sq8" or not isinstance(vectors, FlatVectors):
        return ()
    low, step = vectors.codec.low, vectors.codec.step
    return () if low is None or step is None else (tuple(low.tolist()), tuple(step.tolist()))


def _index_params(index_type: str, count: int) -> dict[str, int]:
    if index_type == "HNSW":
        return {"M": 16, "efConstruction": 200}
    if index_type.startswith("IVF"):
        return {"nlist": int(np.clip(4 * np.sqrt(count), 1, 65_536))}
    return {}

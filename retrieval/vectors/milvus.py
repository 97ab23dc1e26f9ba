"""The vectors of an index in a Milvus collection: an embedded database, a server or a cluster.

A row's number is its primary key. What the server scores chooses candidates only: their vectors are fetched
and scored here with the arithmetic of the folder's own kind (`retrieval.vectors.codec`), so that a search
gives the same layer wherever the vectors are. The server's float32 sums and ours differ by less than
`Milvus`'s margin, by which its candidates reach below the bar.

No search returns more than 16,384 rows. Where more reach a bar, the rows are halved by primary key until
every half fits: exact with index FLAT, on every version of Milvus, while a search iterator gave up or took
half a minute where the server does not know its second version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from retrieval.errors import VectorsError
from retrieval.manifest import IndexManifest, Storage, vector_files
from retrieval.vectors import Floats, Rows, best_of, checked_queries, unit_rows
from retrieval.vectors.codec import Codec
from retrieval.vectors.milvus_link import CALL_S, call, connect
from retrieval.vectors.place import Place

if TYPE_CHECKING:
    from pymilvus import MilvusClient

ROW, VECTOR = "row", "vector"
INDEX, VECTORS = "areographer.index", "areographer.vectors"
MOST = 16_384  # rows of one answer: Milvus' limit
EXACT = ("FLAT", "BRUTE_FORCE")
QUANTISED = ("IVF_SQ8", "IVF_PQ", "IVF_RABITQ", "HNSW_SQ", "HNSW_PQ", "SCANN", "DISKANN", "AUTOINDEX")
_FIRST = (1_024, 4_096)  # rows asked for before all that fit: most layers are small, and long answers cost
_BLOCK_BYTES = 32 << 20  # of vectors in one answer; a server refuses more than 64 to 256 MiB
_NOT_LOADED = 101  # Milvus' code
_QUANTISED_MARGIN = 0.02  # what a server that scores bytes may be off by

Hits = tuple[Rows, Floats]
T = TypeVar("T")


class MilvusVectors:
    """Vectors in a collection, opened by `open_milvus`.

    Attributes
    ----------
    kind
        The kind of the index's own vectors, whose values the collection holds.
    count, dimension
        Number and length of the vectors.
    place
        Where they are.
    index_type
        Milvus' index; ``FLAT`` misses nothing.
    """

    def __init__(
        self, client: MilvusClient, place: Place, kind: Storage, count: int, dimension: int, index_type: str
    ) -> None:
        self.kind: Storage = kind
        self.count, self.dimension = count, dimension
        self.place, self.index_type = place, index_type
        self._client = client
        self._codec = codec_of(kind, place)
        self._block = max(1, min(MOST, _BLOCK_BYTES // (4 * dimension)))
        # Either sum of d products of a unit query and a unit row is off by at most d * 2^-24 (Higham 2002,
        # 3.1); what an index of bytes gives is off by what its bytes are.
        self._margin = 2.0 * dimension * 2.0**-24
        if index_type in QUANTISED:
            self._margin += _QUANTISED_MARGIN

    @property
    def exact(self) -> bool:
        """Whether no hit can be missed."""
        return self.index_type in EXACT

    @property
    def approximation(self) -> str:
        """What a reader must know of a search that is not exact; empty for one that is."""
        if self.exact:
            return ""
        return f"the search of this index (Milvus {self.index_type}) is approximate: it may miss some tiles"

    def scores(self, queries: Floats, rows: ArrayLike | None = None) -> Floats:
        """As `retrieval.vectors.Vectors.scores`: all that are asked for are fetched."""
        asked = checked_queries(queries, self.dimension)
        if rows is not None:
            return self._codec.dots(self._codes(rows), asked)
        found = np.empty((len(asked), self.count), dtype=np.float32)
        for start in range(0, self.count, self._block):
            stop = min(self.count, start + self._block)
            some, values = self._read(_between(start, stop), stop - start)
            self._check(some, np.arange(start, stop))
            found[:, start:stop] = self._codec.dots(self._codec.encode(values), asked)
        return found

    def best(self, queries: Floats, k: int, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.best`."""
        asked = checked_queries(queries, self.dimension)
        wanted = None if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        k = max(0, min(int(k), self.count if wanted is None else len(wanted)))
        if k == 0:
            nothing = np.zeros((len(asked), 0))
            return nothing.astype(np.int64), nothing.astype(np.float32)
        if wanted is not None and (len(wanted) <= MOST or not self.exact):
            return best_of(self.scores(asked, wanted), k, wanted)
        pairs = [self._best(query, k, wanted) for query in asked]
        return np.stack([found for found, _ in pairs]), np.stack([scores for _, scores in pairs])

    def above(self, query: Floats, bar: float, rows: ArrayLike | None = None) -> tuple[Rows, Floats]:
        """As `retrieval.vectors.Vectors.above`; nothing is missed if `exact`."""
        asked = checked_queries(np.asarray(query)[None], self.dimension)
        wanted = None if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        if wanted is not None and len(wanted) <= MOST:
            near = wanted
        else:
            near = np.sort(self._candidates(asked[0], bar)[0])
            near = near if wanted is None else np.intersect1d(near, wanted, assume_unique=True)
        scores = self.scores(asked, near)[0]
        found = np.flatnonzero(scores >= np.float32(bar))
        return near[found], scores[found]

    def get(self, rows: ArrayLike) -> Floats:
        """As `retrieval.vectors.Vectors.get`."""
        found = self.values(rows)
        return unit_rows(found)

    def values(self, rows: ArrayLike) -> Floats:
        """What is stored of rows, (m, d): near unit length, not normalised again."""
        return self._codec.decode(self._codes(rows))

    def _best(self, query: Floats, k: int, wanted: Rows | None) -> Hits:
        """The k best of all rows, or of more wanted ones than one call may name."""
        if wanted is None and k < MOST:
            most = min(self.count, MOST, k + max(64, k // 8))
            near, scores = self._search(query, "", most)
            # Everything that may tie with the last of the k must be among them, else the bar is known.
            bar = float(scores[k - 1]) - 2 * self._margin if len(scores) >= k else -2.0
            if self.exact and len(near) < self.count and float(scores[-1]) >= bar:
                near = self._candidates(query, bar)[0]
        elif wanted is None:
            # The bar is the k-th best of what the server says of every row: twelve bytes a row, no vectors.
            near, scores = self._candidates(query, -2.0)
            bar = float(-np.partition(-scores, k - 1)[k - 1]) if len(scores) >= k else -2.0
            near = near[scores >= bar - 2 * self._margin]
        else:
            near, scores = self._candidates(query, -2.0)
            inside = np.isin(near, wanted)
            near, scores = near[inside], scores[inside]
            bar = float(-np.partition(-scores, k - 1)[k - 1]) - 2 * self._margin
            near = near[scores >= bar]
        near = np.sort(near)
        found, scores = best_of(self.scores(query[None], near), k, near)
        return found[0], scores[0]

    def _candidates(self, query: Floats, bar: float) -> Hits:
        """Rows whose score may reach a bar, and what the server says it is."""
        least = bar - self._margin
        for limit in _FIRST:
            parts = [self._search(query, "", min(limit, self.count))]
            if _complete(parts[0], min(limit, self.count), self.count, least):
                break
        else:
            parts = list(self._halved(query, least, 0, self.count))
        rows = np.concatenate([rows for rows, _ in parts])
        scores = np.concatenate([scores for _, scores in parts])
        return rows[scores >= least], scores[scores >= least]

    def _halved(self, query: Floats, least: float, start: int, stop: int) -> Iterator[Hits]:
        """Hits in a range of rows, in as many parts as it takes."""
        size = stop - start
        limit = min(MOST, size)
        whole = size == self.count
        hits = self._search(query, "" if whole else _between(start, stop), limit)
        if size <= MOST or _complete(hits, limit, size, least):
            yield hits
            return
        middle = start + size // 2
        yield from self._halved(query, least, start, middle)
        yield from self._halved(query, least, middle, stop)

    def _search(self, query: Floats, where: str, limit: int) -> Hits:
        """The best rows the server finds, best first, and its scores."""
        answer = self._call(
            "searching",
            lambda: self._client.search(
                self.place.collection,
                data=[query],
                anns_field=VECTOR,
                filter=where,
                limit=limit,
                output_fields=[ROW],
                search_params={"metric_type": "IP", "params": search_params(self.index_type, limit)},
                timeout=CALL_S,
            )[0],
        )
        return np.asarray(answer.ids, dtype=np.int64), np.asarray(answer.distances, dtype=np.float32)

    def _codes(self, rows: ArrayLike) -> NDArray[Any]:
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        if not len(wanted):
            return self._codec.encode(np.zeros((0, self.dimension), dtype=np.float32))
        if wanted.min() < 0 or wanted.max() >= self.count:
            raise IndexError(f"rows {wanted.min()}..{wanted.max()} of {self.count}")
        distinct, place = np.unique(wanted, return_inverse=True)
        parts = []
        for start in range(0, len(distinct), self._block):
            some = distinct[start : start + self._block]
            found, values = self._read(_among(some), len(some))
            self._check(found, some)
            parts.append(self._codec.encode(values))
        return np.concatenate(parts)[place]

    def _read(self, where: str, most: int) -> tuple[Rows, Floats]:
        """Rows and vectors, in row order."""
        answer = self._call(
            "reading vectors",
            lambda: self._client.query(
                self.place.collection,
                filter=where,
                output_fields=[ROW, VECTOR],
                limit=most,
                strict_float32=True,
                timeout=CALL_S,
            ),
        )
        rows = np.fromiter((row[ROW] for row in answer), dtype=np.int64, count=len(answer))
        values = np.empty((len(answer), self.dimension), dtype=np.float32)
        for place, row in enumerate(answer):
            values[place] = row[VECTOR]
        order = np.argsort(rows)
        return rows[order], values[order]

    def _check(self, found: Rows, wanted: Rows) -> None:
        if not np.array_equal(found, wanted):
            missing = np.setdiff1d(wanted, found)
            what = f"has no row {missing[0]}" if len(missing) else "has rows twice"
            raise VectorsError(
                f"{self.place} {what}", next_step="publish the index again: what is missing is loaded"
            )

    def _call(self, what: str, do: Callable[[], T]) -> T:
        try:
            return call(self.place.address, what, do)
        except VectorsError as error:
            if getattr(error.__cause__, "code", None) != _NOT_LOADED:
                raise
        # A server of Milvus Lite that was started again holds nothing in memory until it is told to.
        load(self._client, self.place)
        return call(self.place.address, what, do)


def open_milvus(place: Place, manifest: IndexManifest) -> MilvusVectors:
    """Open the vectors of an index in a collection.

    Raises
    ------
    VectorsError
        If nobody answers, or the collection is missing, of another index, or not whole.
    SettingsError
        If pymilvus is not installed.
    """
    client = connect(place.address)
    name, call_s = place.collection, CALL_S
    if not call(
        place.address, "looking for the collection", lambda: client.has_collection(name, timeout=call_s)
    ):
        raise VectorsError(f"Milvus {place.address} has no collection {name}", next_step=PUBLISH)
    refuse_other(client, place, manifest)
    load(client, place)
    count = counted(client, place)
    if count != manifest.count:
        raise VectorsError(
            f"{place} has {count:,} rows where the index has {manifest.count:,}", next_step=PUBLISH
        )
    return MilvusVectors(
        client, place, flat_kind(manifest.storage), count, manifest.dimension, index_type_of(client, place)
    )


PUBLISH = "load it with `areographer index publish INDEX --milvus ADDRESS --use`, or delete vectors.json"


def refuse_other(client: MilvusClient, place: Place, manifest: IndexManifest) -> None:
    """Refuse a collection that is not of this index.

    Raises
    ------
    VectorsError
        If it says that it is of another, or does not say, or its vectors have another length.
    """
    found = call(
        place.address,
        "describing the collection",
        lambda: client.describe_collection(place.collection, timeout=CALL_S),
    )
    says = found.get("properties") or {}
    wanted = fingerprints(manifest)
    if {name: says.get(name) for name in wanted} != wanted:
        whose = f"index {says[INDEX]}" if INDEX in says else "no index of Areographer"
        raise VectorsError(
            f"{place} is of {whose}, not of {manifest.name} ({manifest.fingerprint})",
            next_step="name another with --collection, or drop this one if nobody needs it",
        )
    length = {field["name"]: field.get("params", {}).get("dim") for field in found["fields"]}.get(VECTOR)
    if length is None or int(length) != manifest.dimension:
        raise VectorsError(f"{place} has vectors of {length} where the index has {manifest.dimension}")


def load(client: MilvusClient, place: Place) -> None:
    """Have the server hold a collection ready for searches; at once if it does."""
    call(
        place.address,
        "loading the collection",
        lambda: client.load_collection(place.collection, timeout=10 * CALL_S),
    )


def counted(client: MilvusClient, place: Place, where: str = "") -> int:
    """Rows of a collection, those of the last call included."""
    answer = call(
        place.address,
        "counting rows",
        lambda: client.query(
            place.collection,
            filter=where,
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=CALL_S,
        ),
    )
    return int(answer[0]["count(*)"])


def index_type_of(client: MilvusClient, place: Place) -> str:
    """Milvus' index over the vectors, such as ``FLAT``."""
    found = call(
        place.address,
        "describing the collection's index",
        lambda: client.describe_index(place.collection, VECTOR, timeout=CALL_S),
    )
    return str((found or {}).get("index_type", "")).upper()


def fingerprints(manifest: IndexManifest) -> dict[str, str]:
    """What a collection says of itself: the recipe of its index, and the checksum of its vectors."""
    files = [manifest.files[name] for name in vector_files(manifest.storage)]
    sums = "-".join(str(file["sha256"])[:16] for file in files)
    return {INDEX: manifest.fingerprint, VECTORS: sums}


def flat_kind(storage: Storage) -> Storage:
    """The kind whose values a collection holds: the index's own if exact, else its whole vectors."""
    return storage if storage in ("fp32", "fp16", "sq8") else "fp32"


def codec_of(kind: Storage, place: Place) -> Codec:
    """The codes that a collection's values stand for."""
    if kind != "sq8":
        return Codec(kind)
    if len(place.ranges) != 2:
        raise VectorsError(f"{place} holds 8-bit codes, and their ranges are not known", next_step=PUBLISH)
    low, step = np.asarray(place.ranges, dtype=np.float32)
    return Codec(kind, low, step)


def search_params(index_type: str, limit: int) -> dict[str, int]:
    """What an index that is not exact needs to give as many rows as are asked for."""
    if index_type.startswith("HNSW"):
        return {"ef": max(64, limit)}
    if index_type.startswith("IVF") or index_type == "SCANN":
        return {"nprobe": 64}
    if index_type == "DISKANN":
        return {"search_list": max(64, limit)}
    return {}


def _complete(hits: Hits, limit: int, size: int, least: float) -> bool:
    """Whether an answer of at most ``limit`` rows holds all of ``size`` rows that reach a bar."""
    rows, scores = hits
    return len(rows) >= size or len(rows) < limit or float(scores[-1]) < least


def _between(start: int, stop: int) -> str:
    return f"{ROW} >= {start} and {ROW} < {stop}"


def _among(rows: Rows) -> str:
    # A run of neighbours is a range: shorter to send and to look up than its members.
    if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows):
        return _between(int(rows[0]), int(rows[-1]) + 1)
    return f"{ROW} in [{','.join(map(str, rows.tolist()))}]"

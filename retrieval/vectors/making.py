"""Make the files of any kind of vectors from blocks of rows, in bounded memory.

The inverted kinds take the rows once: each block is assigned to its lists and its bytes are written in row
order to a scratch file; then the bytes are put in the order of the lists, a window of them at a time, and
what else a kind needs is made from these, list after list. Memory holds one window and a few bytes a vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.manifest import RECALL, Storage
from retrieval.vectors import VECTORS, Floats
from retrieval.vectors.bytes import ByteCodes, ByteQuantiser
from retrieval.vectors.compact import FACTORS, SIGNS, TURN, CompactVectors
from retrieval.vectors.flat import write_flat
from retrieval.vectors.inverted import CODES, LISTS, InvertedVectors
from retrieval.vectors.lists import how_many_lists, order_of, train_centres, write_order
from retrieval.vectors.recall import fit
from retrieval.vectors.signs import random_turn, signs_of

Json = Any

WINDOW_BYTES = 1 << 30
_AT_ONCE = 65_536  # rows turned or moved at a time
_GATHERED = 16_384
_SCRATCH = "codes.scratch"


def make_vectors(
    folder: Path,
    kind: Storage,
    count: int,
    blocks: Iterable[Floats],
    sample: Floats,
    *,
    texts: Floats | None = None,
    recall: float = RECALL,
) -> dict[str, Json] | None:
    """Write the vector files of an index.

    Parameters
    ----------
    count
        Number of rows that the blocks hold together.
    blocks
        Unit rows in row order, (m, d) each; taken once, one held at a time.
    sample
        Unit rows from all over the index, (s, d): quantisers and centres are learnt from them. Some 64 for
        each list (`retrieval.vectors.lists.how_many_lists`) are enough.
    texts
        Unit vectors of texts like those that will be asked for, (q, d): recall is fitted and measured with
        them and with tiles; with tiles alone if there are fewer than four.
    recall
        Share of the best that the inexact kinds are to find.

    Returns
    -------
    dict or None
        The recall measured (`retrieval.vectors.recall.fit`); None where nothing can be missed.
    """
    if kind in ("fp32", "fp16", "sq8"):
        write_flat(folder / VECTORS, kind, sample.shape[1], blocks, sample)
        return None
    quantiser = ByteQuantiser(sample)
    centres = train_centres(sample, how_many_lists(count))
    scratch = folder / _SCRATCH
    try:
        labels, spread = _assigned(scratch, blocks, quantiser, centres)
        first, row_of = order_of(labels, len(centres))
        write_order(folder, row_of)
        _reorder(scratch, folder / CODES, row_of, sample.shape[1])
    finally:
        scratch.unlink(missing_ok=True)
    arrays: dict[str, Any] = {
        "centres": centres,
        "spread": spread,
        "first": first,
        "low": quantiser.low,
        "step": quantiser.step,
        "reach": np.float32(np.inf),
        "slack": np.float32(np.inf),
    }
    np.savez(folder / LISTS, **arrays)
    vectors = InvertedVectors(folder)
    if kind == "ivf-rabitq":
        _write_signs(folder, vectors)
        vectors = CompactVectors(folder)
    found = fit(vectors, recall_queries(vectors.codes, texts), recall)
    arrays["reach"] = np.float32(vectors.reach)
    if isinstance(vectors, CompactVectors):
        arrays["slack"] = np.float32(vectors.slack)
    np.savez(folder / LISTS, **arrays)
    return found


def _assigned(
    scratch: Path, blocks: Iterable[Floats], quantiser: ByteQuantiser, centres: Floats
) -> tuple[NDArray[np.uint16], Floats]:
    """Write the bytes of all rows in row order; the list of each, (n,), and each list's spread, (L,)."""
    nearest = faiss.IndexFlatL2(centres.shape[1])
    nearest.add(centres)
    labels, sums = [np.zeros(0, dtype=np.uint16)], np.zeros(len(centres))
    with scratch.open("wb") as file:
        for rows in _gathered(blocks):
            squares, found = nearest.search(rows, 1)
            sums += np.bincount(found[:, 0], weights=np.maximum(squares[:, 0], 0), minlength=len(centres))
            labels.append(found[:, 0].astype(np.uint16))
            file.write(quantiser.encode(rows).data)
    every = np.concatenate(labels)
    members = np.maximum(np.bincount(every, minlength=len(centres)), 1)
    # Never nothing: an infinite reach times it reaches everything.
    return every, np.maximum(np.sqrt(sums / members), 1e-6).astype(np.float32)


def _gathered(blocks: Iterable[Floats]) -> Iterator[Floats]:
    """Blocks put together to `_GATHERED` rows or more: matrix products want many at once."""
    held: list[Floats] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= _GATHERED:
            yield np.ascontiguousarray(np.concatenate(held), dtype=np.float32)
            held = []
    if sum(map(len, held)):
        yield np.ascontiguousarray(np.concatenate(held), dtype=np.float32)


def _reorder(scratch: Path, path: Path, row_of: NDArray[np.uint32], dimension: int) -> None:
    """Put the bytes of the scratch file in the order of the lists, a window at a time, each in row order."""
    source = np.memmap(scratch, dtype=np.uint8, mode="r", shape=(len(row_of), dimension))
    window = max(1, WINDOW_BYTES // dimension)
    with path.open("wb") as file:
        _write_header(file, np.uint8, (len(row_of), dimension))
        for start in range(0, len(row_of), window):
            rows = row_of[start : start + window]
            order = np.argsort(rows)
            out = np.empty((len(rows), dimension), dtype=np.uint8)
            for at in range(0, len(order), _AT_ONCE):
                part = order[at : at + _AT_ONCE]
                out[part] = source[rows[part]]
            file.write(out.data)


def _write_signs(folder: Path, vectors: InvertedVectors) -> None:
    turn = random_turn(vectors.dimension)
    turned_centres = vectors.lists.centres @ turn
    factors = np.empty(vectors.count, dtype=np.float32)
    with (folder / SIGNS).open("wb") as file:
        _write_header(file, np.uint64, (vectors.count, turn.shape[1] // 64))
        for places in _stretches(vectors.count):
            own = vectors.lists.list_of(np.arange(places.start, places.stop, dtype=np.uint32))
            bits, factors[places] = signs_of(vectors.codes.decoded(places) @ turn - turned_centres[own])
            file.write(bits.data)
    np.save(folder / FACTORS, factors)
    np.save(folder / TURN, turn)


def recall_queries(codes: ByteCodes, texts: Floats | None, tiles: int = 32) -> Mapping[str, Floats]:
    """What recall is measured with: texts as given, and tiles from all lists."""
    places = np.unique(np.linspace(0, len(codes) - 1, tiles).astype(np.uint32))
    found = codes.decoded(places)
    asked = {"tiles": found / np.linalg.norm(found, axis=1, keepdims=True)}
    if texts is not None and len(texts) >= 4:
        asked["texts"] = np.asarray(texts, dtype=np.float32)
    return asked


def _stretches(count: int) -> Iterator[slice]:
    for start in range(0, count, _AT_ONCE):
        yield slice(start, min(start + _AT_ONCE, count))


def _write_header(file: IO[bytes], dtype: Any, shape: tuple[int, ...]) -> None:
    # Written and not mapped: on a full disk a write fails, where a mapped page ends the process.
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)

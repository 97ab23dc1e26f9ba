"""Exact kinds of vectors: every law of the interface, against plain NumPy on what the file holds."""

from itertools import pairwise
from pathlib import Path
from threading import Thread

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.manifest import Storage
from retrieval.vectors import Vectors, best_of, open_vectors
from retrieval.vectors.flat import write_flat
from retrieval.vectors.halves import half_dots
from retrieval.vectors.whole import SHARE

KINDS: tuple[Storage, ...] = ("fp32", "fp16", "sq8")
COUNT, DIMENSION = SHARE + 1234, 24  # more than one thread's share


def unit(rng: np.random.Generator, count: int, dimension: int = DIMENSION) -> np.ndarray:
    rows = rng.standard_normal((count, dimension)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


@pytest.fixture(scope="module", params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vectors:
    folder = tmp_path_factory.mktemp(request.param)
    rows = unit(np.random.default_rng(3), COUNT)
    rows[7] = rows[COUNT - 1] = rows[9000]  # ties
    blocks = (rows[start : start + 1000] for start in range(0, COUNT, 1000))
    write_flat(folder / "vectors.faiss", request.param, DIMENSION, blocks, rows)
    return open_vectors(folder, request.param)


@pytest.fixture(scope="module")
def stored(store: Vectors) -> np.ndarray:
    """What the file holds, before it is normalised again."""
    return np.asarray(store._faiss.reconstruct_n(0, COUNT), dtype=np.float64)  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_scores_are_the_products_of_what_is_stored(store: Vectors, stored: np.ndarray, count: int) -> None:
    queries = unit(np.random.default_rng(count), count)
    scores = store.scores(queries)
    assert scores.shape == (count, COUNT)
    assert scores.dtype == np.float32
    atol = 3e-5 if store.kind == "sq8" else 2e-6  # of bytes, the query is rounded to 16 bits
    np.testing.assert_allclose(scores, np.clip(queries @ stored.T, -1, 1), atol=atol)


def test_storage_rounds_no_more_than_it_says(store: Vectors) -> None:
    rows = unit(np.random.default_rng(3), COUNT)
    error = np.abs(store.get(np.arange(8, 1000)) - rows[8:1000]).max()
    assert error <= {"fp32": 1e-6, "fp16": 5e-4, "sq8": 5e-3}[store.kind]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300), st.booleans())
def test_rows_are_filtered_before_or_after_alike(store: Vectors, seed: int, k: int, some: bool) -> None:
    rng = np.random.default_rng(seed)
    query = unit(rng, 1)
    rows = rng.choice(COUNT, int(rng.integers(0, 200)), replace=False) if some else None
    every = store.scores(query)[0]
    allowed = np.arange(COUNT) if rows is None else np.sort(rows)
    found, scores = store.best(query, k, rows)
    order = allowed[np.lexsort((allowed, -every[allowed]))][:k]
    assert found.shape == scores.shape == (1, min(k, len(allowed)))
    np.testing.assert_allclose(scores[0], every[order], atol=1e-6)
    np.testing.assert_array_equal(np.sort(scores[0])[::-1], scores[0])
    bar = float(np.quantile(every, rng.uniform(0.5, 1)))
    reached, values = store.above(query[0], bar, rows)
    far = np.abs(every - bar) > 1e-5  # a row that lies on the bar to the last bit may fall to either side
    assert np.array_equal(reached[far[reached]], allowed[(every[allowed] >= bar) & far[allowed]])
    np.testing.assert_allclose(values, every[reached], atol=1e-6)


def test_ties_are_in_row_order(store: Vectors) -> None:
    found, scores = store.best(store.get([9000]), 3)
    assert found[0].tolist() == [7, 9000, COUNT - 1]
    assert len(set(scores[0].tolist())) == 1


def test_more_than_there_are_gives_all_and_nothing_gives_nothing(store: Vectors) -> None:
    query = unit(np.random.default_rng(0), 2)
    assert store.best(query, 10 * COUNT)[0].shape == (2, COUNT)
    assert store.best(query, 5, [])[0].shape == (2, 0)
    assert store.best(query, 0)[0].shape == (2, 0)
    assert store.above(query[0], -1.0, [])[0].shape == (0,)
    assert store.above(query[0], 1.1)[0].shape == (0,)
    assert store.scores(query, [])[0].shape == (0,)
    assert store.get([]).shape == (0, DIMENSION)


def test_a_query_of_another_length_is_refused(store: Vectors) -> None:
    with pytest.raises(ValueError, match=r"\(24,\), not \(23,\)"):
        store.scores(np.zeros((1, 23), dtype=np.float32))


def test_a_file_of_another_kind_is_refused(store: Vectors, tmp_path: Path) -> None:
    other: Storage = "fp16" if store.kind != "fp16" else "sq8"
    rows = unit(np.random.default_rng(0), 50)
    write_flat(tmp_path / "vectors.faiss", store.kind, DIMENSION, [rows], rows)
    with pytest.raises(ValueError, match=f"does not hold {other} codes"):
        open_vectors(tmp_path, other)


@pytest.mark.parametrize("kind", ["fp32", "fp16", "sq8"])
@pytest.mark.parametrize("sizes", [(), (50,), (1, 0, 30, 19)])
def test_a_file_written_block_by_block_is_the_one_faiss_writes(
    kind: Storage, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    rows = unit(np.random.default_rng(0), 50)
    ends = np.cumsum([0, *sizes])
    blocks = [rows[start:end] for start, end in pairwise(ends.tolist())]
    write_flat(tmp_path / "ours", kind, DIMENSION, blocks, rows)
    kinds = {"fp16": faiss.ScalarQuantizer.QT_fp16, "sq8": faiss.ScalarQuantizer.QT_8bit}
    index = (
        faiss.IndexFlatIP(DIMENSION)
        if kind == "fp32"
        else faiss.IndexScalarQuantizer(DIMENSION, kinds[kind], faiss.METRIC_INNER_PRODUCT)
    )
    index.train(rows)
    index.add(rows[: sum(sizes)])
    faiss.write_index(index, str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_threads_do_not_disturb_each_other(store: Vectors) -> None:
    queries = unit(np.random.default_rng(1), 6)
    alone = [store.scores(query[None]) for query in queries]
    together: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        together[number] = store.scores(queries[number][None])

    threads = [Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(together[number], alone[number]) for number in range(6))


@given(st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=40))
@settings(deadline=None)
def test_halves_are_widened_exactly(values: list[float]) -> None:
    halves = np.array(values, dtype=np.float16)
    codes = halves.view(np.uint16)[:, None]
    assert np.array_equal(half_dots(codes, np.ones((1, 1), np.float32))[0], halves.astype(np.float32))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(0, 40))
def test_the_best_are_those_of_a_full_sort(values: list[int], k: int) -> None:
    scores = np.array([values], dtype=np.float32)
    found, _ = best_of(scores, k)
    assert found[0].tolist() == sorted(range(len(values)), key=lambda row: (-values[row], row))[:k]

"""Kinds of vectors that may miss some: what they give is exact, and what they miss is what they say."""

import json
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import IndexFolderError, SettingsError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from retrieval.manifest import Storage, vector_files
from retrieval.vectors import inverted, making, open_vectors
from retrieval.vectors.compact import CompactVectors
from retrieval.vectors.inverted import InvertedVectors
from retrieval.vectors.lists import how_many_lists
from retrieval.vectors.making import make_vectors
from tests.fakes import PatternEncoder, PatternSource

KINDS: tuple[Storage, ...] = ("ivf-sq8", "ivf-rabitq")
COUNT, DIMENSION, CLUSTERS = 6_000, 72, 40


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def clustered(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in clusters, and queries that are far from all of them, as texts are from tiles."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CLUSTERS, DIMENSION))
    rows = centres[rng.integers(CLUSTERS, size=count)] + 0.5 * rng.standard_normal((count, DIMENSION))
    texts = 0.5 * centres[rng.integers(CLUSTERS, size=40)] + rng.standard_normal((40, DIMENSION))
    return unit(rows), unit(texts)


def make(folder: Path, kind: Storage, rows: np.ndarray, recall: float = 0.95, **more: object) -> dict:
    blocks = (rows[start : start + 700] for start in range(0, len(rows), 700))
    found = make_vectors(folder, kind, len(rows), blocks, rows, recall=recall, **more)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def no_shortcut() -> Iterator[None]:
    """Small indexes are scored whole; here their lists are to be used."""
    with mock.patch.multiple(inverted, FEW=0, FEWEST_FIRST=1):
        yield


@pytest.fixture(scope="module", params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> InvertedVectors:
    folder = tmp_path_factory.mktemp(request.param)
    rows, texts = clustered(3, COUNT)
    rows[7] = rows[COUNT - 1] = rows[4000]  # ties
    with mock.patch.object(inverted, "FEW", 0), mock.patch.object(making, "how_many_lists", return_value=64):
        make(folder, request.param, rows, texts=texts)
    opened = open_vectors(folder, request.param)
    assert isinstance(opened, InvertedVectors)
    return opened


@pytest.fixture
def everything(store: InvertedVectors) -> Iterator[InvertedVectors]:
    """The same, with every list looked through and every vector scored."""
    with mock.patch.object(store, "reach", np.inf), mock.patch.object(store, "slack", np.inf, create=True):
        yield store


def test_rows_come_back_in_their_order_as_good_as_a_byte_keeps_them(store: InvertedVectors) -> None:
    rows, _ = clustered(3, COUNT)
    asked = np.random.default_rng(0).choice(np.arange(8, COUNT - 1), 500)
    kept = asked[asked != 4000]
    assert np.abs(store.get(kept) - rows[kept]).max() < 5e-3
    assert (store.kind, store.count, store.dimension) in ((kind, COUNT, DIMENSION) for kind in KINDS)


def test_scores_are_exact_for_what_is_stored(store: InvertedVectors) -> None:
    _, queries = clustered(5, 1)
    stored = store.codes.decoded(store.lists.place_of[np.arange(COUNT)]).astype(np.float64)
    scores = store.scores(queries)
    np.testing.assert_allclose(scores, np.clip(queries @ stored.T, -1, 1), atol=3e-5)
    some = np.array([5, 3, 3, COUNT - 1])
    assert np.array_equal(store.scores(queries, some), scores[:, some])
    assert store.scores(queries, []).shape == (len(queries), 0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 400), st.sampled_from([0, 50, 3000, None]))
def test_with_all_looked_through_nothing_is_missed(
    store: InvertedVectors, seed: int, k: int, some: int | None
) -> None:
    rng = np.random.default_rng(seed)
    _, queries = clustered(seed, 1)
    query = queries[:1]
    rows = None if some is None else rng.choice(COUNT, some, replace=False)
    allowed = np.arange(COUNT) if rows is None else np.sort(rows)
    every = store.scores(query)[0]
    with mock.patch.object(store, "reach", np.inf), mock.patch.object(store, "slack", np.inf, create=True):
        found, scores = store.best(query, k, rows)
        bar = float(np.quantile(every, rng.uniform(0, 1)))
        reached, values = store.above(query[0], bar, rows)
    order = allowed[np.lexsort((allowed, -every[allowed]))][:k]
    assert found.shape == scores.shape == (1, min(k, len(allowed)))
    np.testing.assert_allclose(scores[0], every[order], atol=2e-6)
    assert len(set(found[0].tolist())) == found.shape[1]
    assert set(found[0].tolist()) <= set(allowed.tolist())
    far = np.abs(every - bar) > 1e-5  # a row that lies on the bar to the last bit may fall to either side
    assert np.array_equal(reached[far[reached]], allowed[(every[allowed] >= bar) & far[allowed]])
    np.testing.assert_allclose(values, every[reached], atol=2e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([1, 40, 900, None]))
def test_what_is_given_is_exact_whatever_is_missed(
    store: InvertedVectors, seed: int, k: int, some: int | None
) -> None:
    _, queries = clustered(seed, 1)
    rows = None if some is None else np.random.default_rng(seed).choice(COUNT, some, replace=False)
    every = store.scores(queries)
    found, scores = store.best(queries[:3], k, rows)
    assert found.shape == (3, min(k, COUNT if rows is None else len(rows)))
    for number in range(3):
        np.testing.assert_allclose(scores[number], every[number][found[number]], atol=2e-6)
        assert np.array_equal(np.lexsort((found[number], -scores[number])), np.arange(found.shape[1]))
        assert rows is None or np.isin(found[number], rows).all()
    bar = float(np.quantile(every[0], 0.97))
    reached, values = store.above(queries[0], bar, rows)
    assert (values >= np.float32(bar)).all()
    assert (np.diff(reached) > 0).all()
    assert rows is None or np.isin(reached, rows).all()


def test_recall_with_texts_it_was_not_fitted_with(store: InvertedVectors) -> None:
    _, queries = clustered(3, COUNT)
    hits = COUNT // 100
    every = store.scores(queries)
    shares = []
    for scores, query in zip(every, queries, strict=True):
        truth = np.argsort(-scores)[:hits]
        shares.append(np.isin(truth, store.best(query[None], hits)[0][0]).mean())
    assert np.mean(shares) > 0.93
    assert store.reach < 3  # and lists were left out for it
    looked = [
        store.lists.counts(None)[store.lists.bounds(q, store.reach) >= np.sort(s)[-hits]].sum()
        for q, s in zip(queries, every, strict=True)
    ]
    assert np.mean(looked) < 0.7 * COUNT


def test_equal_ones_are_in_row_order(everything: InvertedVectors) -> None:
    found, scores = everything.best(everything.get([4000]), 3)
    assert found[0].tolist() == [7, 4000, COUNT - 1]
    assert len(set(scores[0].tolist())) == 1


def test_more_than_there_are_gives_all_and_nothing_gives_nothing(store: InvertedVectors) -> None:
    _, queries = clustered(1, 1)
    assert np.array_equal(np.sort(store.best(queries[:2], 10 * COUNT)[0][1]), np.arange(COUNT))
    assert store.best(queries[:2], 5, [])[0].shape == (2, 0)
    assert store.best(queries[:2], 0)[0].shape == (2, 0)
    assert store.above(queries[0], -1.0, [])[0].shape == (0,)
    assert store.above(queries[0], 1.1)[0].shape == (0,)
    assert store.get([]).shape == (0, DIMENSION)
    with pytest.raises(ValueError, match="a query has shape"):
        store.scores(np.zeros((1, 7), dtype=np.float32))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 37])
def test_few_rows_make_an_index_too(kind: Storage, count: int, tmp_path: Path) -> None:
    rows, texts = clustered(0, count)
    found = make(tmp_path, kind, rows, texts=texts[:3])  # too few texts to halve
    opened = open_vectors(tmp_path, kind)
    assert opened.best(rows[:1], 5)[0][0][0] == 0
    assert 0 <= found["tiles"]["measured"] <= 1
    assert "texts" not in found
    assert {path.name for path in tmp_path.iterdir()} == set(vector_files(kind))


def test_all_asked_for_is_all_looked_through(tmp_path: Path) -> None:
    rows, texts = clustered(0, 800)
    found = make(tmp_path, "ivf-rabitq", rows, recall=1.0, texts=texts)
    opened = CompactVectors(tmp_path)
    assert opened.reach == opened.slack == np.inf
    assert found["texts"]["measured"] == found["texts"]["lowest"] == 1


def test_windows_put_every_row_in_its_place(tmp_path: Path) -> None:
    rows, _ = clustered(2, 900)
    folders = [tmp_path / "one", tmp_path / "many"]
    for folder, window in zip(folders, (1 << 30, 100 * DIMENSION), strict=True):
        folder.mkdir()
        with mock.patch.object(making, "WINDOW_BYTES", window):
            make(folder, "ivf-rabitq", rows)
    for name in vector_files("ivf-rabitq"):
        if name.endswith(".npy"):
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_do_not_belong_together_are_refused(kind: Storage, tmp_path: Path) -> None:
    for name, count in (("a", 300), ("b", 200)):
        (tmp_path / name).mkdir()
        make(tmp_path / name, kind, clustered(0, count)[0])
    for name in vector_files(kind):
        if name == "turn.npy":
            continue
        kept = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
        with pytest.raises(ValueError, match="belong together"):
            open_vectors(tmp_path / "a", kind)
        (tmp_path / "a" / name).write_bytes(kept[: len(kept) // 2])
        with pytest.raises((ValueError, OSError, KeyError, EOFError)):
            open_vectors(tmp_path / "a", kind)
        (tmp_path / "a" / name).write_bytes(kept)


def test_a_full_disk_leaves_no_scratch_file(tmp_path: Path) -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield clustered(0, 20_000)[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        make_vectors(tmp_path, "ivf-sq8", 40_000, blocks(), clustered(0, 500)[0])
    assert not any(tmp_path.iterdir())


def test_lists_grow_with_the_square_root() -> None:
    counts = (0, 1, 10_000, 1_440_000, 10**7, 115 * 10**6, 10**10)
    assert [how_many_lists(count) for count in counts] == [1, 1, 32, 256, 1024, 2048, 4096]


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_of_the_kind_is_built_opened_and_described(kind: Storage, tmp_path: Path) -> None:
    source, encoder = PatternSource(), PatternEncoder()
    grid = Grid(source.body, 60.0)
    index = build_index(
        source, grid, encoder, tmp_path / "index", storage=kind, recall=0.9, background_prompts=list("abcdef")
    )
    exact = build_index(source, grid, encoder, tmp_path / "exact", storage="sq8")
    query = encoder.encode_texts(["gullies"])[0]
    np.testing.assert_allclose(index.score(query), exact.score(query), atol=0.01)
    manifest = json.loads((tmp_path / "index" / "manifest.json").read_text(encoding="utf-8"))
    assert set(vector_files(kind)) <= set(manifest["files"])
    assert manifest["recall"]["asked"] == 0.9
    assert manifest["recall"]["texts"]["queries"] == 3
    assert manifest["why"] == "asked for"
    index.verify()
    (tmp_path / "index" / "rows.npy").write_bytes(b"x" * manifest["files"]["rows.npy"]["bytes"])
    with pytest.raises(IndexFolderError):
        TileIndex.open(tmp_path / "index")


def test_a_recall_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    source = PatternSource()
    with pytest.raises(SettingsError, match="above 0, up to 1"):
        build_index(source, Grid(source.body, 60.0), PatternEncoder(), tmp_path / "index", recall=1.5)

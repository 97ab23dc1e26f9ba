"""The same searches on Milvus: the same layers as on the folder's own vectors, and clear words for faults."""

from __future__ import annotations

import builtins
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from retrieval.errors import Cancelled, IndexFolderError, SettingsError, VectorsError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from retrieval.manifest import IndexManifest, Storage, vector_files
from retrieval.vectors import Vectors, open_vectors
from retrieval.vectors.flat import write_flat
from retrieval.vectors.place import PLACE, Place, read_place, write_place
from tests.conftest import BACKGROUND
from tests.fakes import PatternEncoder, PatternSource
from tests.workspaces import a_workspace
from tools.classify import classify
from tools.refine import refine
from tools.search import rank_words, search_example, search_words
from tools.workspace import Workspace

pytest.importorskip("milvus_lite", reason="extra milvus is not installed")

from retrieval.vectors import milvus, milvus_link, milvus_publish
from retrieval.vectors.milvus import MilvusVectors, open_milvus
from retrieval.vectors.milvus_link import parse_address
from retrieval.vectors.milvus_publish import publish


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, pattern_source: PatternSource) -> TileIndex:
    """Some 2,800 tiles with their vectors in the folder."""
    out = tmp_path_factory.mktemp("indexes") / "local"
    grid = Grid(pattern_source.body, 30.0)
    return build_index(pattern_source, grid, PatternEncoder(), out, background_prompts=BACKGROUND)


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Milvus Lite database, shared by the module: every test has a collection of its own."""
    return str(tmp_path_factory.mktemp("milvus") / "shared.db")


@pytest.fixture(scope="module")
def remote(local: TileIndex, lite: str, tmp_path_factory: pytest.TempPathFactory) -> TileIndex:
    """The same index with its vectors in Milvus, and no longer in its folder."""
    made = publish(local.store, local.manifest, lite)
    assert (made.count, made.loaded, made.index_type) == (len(local), len(local), "FLAT")
    folder = tmp_path_factory.mktemp("indexes") / "remote"
    shutil.copytree(local.folder, folder)
    (folder / "vectors.faiss").unlink()
    write_place(folder, made.place)
    return TileIndex.open(folder)


@pytest.fixture(params=[None, -8.0], ids=["softmax", "sigmoid"])
def both(home: Any, local: TileIndex, remote: TileIndex, request: Any) -> tuple[Workspace, Workspace]:
    """Two workspaces that differ in where the vectors are."""
    encoder = PatternEncoder()
    encoder._manifest = replace(encoder.manifest, logit_bias=request.param)
    there = replace(home, home=home.home / "there")
    return a_workspace(home, local, encoder), a_workspace(there, remote, encoder)


def same(both: tuple[Workspace, Workspace], call: Callable[[Workspace], Any]) -> Any:
    """What a tool gives on either, which must be the same to the last digit."""
    one, other = (call(ws) for ws in both)
    assert one.summary == other.summary
    assert dict(one.figures) == dict(other.figures)
    for name in one.layer_ids:
        here, there = both[0].layers.get(name), both[1].layers.get(name)
        assert here.hash == there.hash
        assert here.provenance.counts_at == there.provenance.counts_at
    return one


def test_the_vectors_are_not_in_the_folder(remote: TileIndex) -> None:
    assert isinstance(remote.store, MilvusVectors)
    remote.verify()


def test_words_classes_verdicts_and_examples_give_the_same_layers(both: tuple[Workspace, Workspace]) -> None:
    found = same(both, lambda ws: search_words(ws, "craters"))
    assert found.figures["count"] > 100
    same(both, lambda ws: search_words(ws, "pitted cones", min_probability=0.05))
    same(both, lambda ws: search_words(ws, "gullies", min_probability=1.0))
    tiles = both[0].layers.get("L1").table["row_id"].tolist()
    same(both, lambda ws: refine(ws, "L1", tiles[:5], tiles[-5:]))
    same(both, lambda ws: classify(ws, ["gullies", "lava flow", "pitted cones"]))
    same(both, lambda ws: classify(ws, ["gullies", "lava flow"], layer="L1"))
    same(both, lambda ws: search_example(ws, tiles[0], limit=700, tiles=tiles[1:4], not_like=tiles[-2:]))
    same(both, lambda ws: search_example(ws, tiles[3], limit=5, text="graben"))


def test_the_best_of_all(both: tuple[Workspace, Workspace]) -> None:
    one, other = (rank_words(ws.index, ws.encoder, "barchan dunes", ws.templates, 10_000) for ws in both)
    assert one == other


# --- the interface, against the flat file -----------------------------------------------------------------


def unit(rng: np.random.Generator, count: int, dimension: int) -> np.ndarray:
    rows = rng.standard_normal((count, dimension)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def made_of(
    folder: Path, manifest: IndexManifest, kind: Storage, rows: np.ndarray
) -> tuple[Vectors, IndexManifest]:
    """Vectors in a file of their own, and a manifest that speaks of them."""
    count, dimension = rows.shape
    blocks = (rows[start : start + 1000] for start in range(0, count, 1000))
    write_flat(folder / "vectors.faiss", kind, dimension, blocks, rows)
    says = {"vectors.faiss": {"sha256": f"{kind}{count}"}}
    fingerprint = f"made{kind}{count}"
    made = replace(manifest, storage=kind, count=count, dimension=dimension, files=says)
    return open_vectors(folder, kind), replace(made, fingerprint=fingerprint)


@pytest.fixture(scope="module")
def large(
    tmp_path_factory: pytest.TempPathFactory, local: TileIndex, lite: str
) -> tuple[Vectors, MilvusVectors]:
    """20,000 vectors of length 32, more than one answer of Milvus holds; some are equal."""
    rows = unit(np.random.default_rng(5), 20_000, 32)
    rows[17] = rows[9_000] = rows[19_999]
    flat, manifest = made_of(tmp_path_factory.mktemp("large"), local.manifest, "fp16", rows)
    made = publish(flat, manifest, lite, index_type="flat")
    return flat, open_milvus(made.place, manifest)


def test_more_than_one_answer_holds(large: tuple[Vectors, MilvusVectors]) -> None:
    flat, there = large
    query = unit(np.random.default_rng(6), 1, 32)
    for bar in (-0.2, 0.1):  # some 17,000 and some 5,700 rows
        for one, other in zip(flat.above(query[0], bar), there.above(query[0], bar), strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(flat.above(query[0], -0.2)[0]) > milvus.MOST
    np.testing.assert_array_equal(flat.scores(query), there.scores(query))


@pytest.mark.parametrize("k", [0, 2, 1_500, 16_385, 10**7])
def test_as_many_as_are_asked_for(large: tuple[Vectors, MilvusVectors], k: int) -> None:
    flat, there = large
    query = flat.get([17])  # three rows tie with it
    for one, other in zip(flat.best(query, k), there.best(query, k), strict=True):
        np.testing.assert_array_equal(one, other)


def test_filters_by_row(large: tuple[Vectors, MilvusVectors]) -> None:
    flat, there = large
    rng = np.random.default_rng(7)
    query = unit(rng, 2, 32)
    few, many = rng.choice(20_000, 50, replace=False), rng.choice(20_000, 17_000, replace=False)
    for rows in (few, many, np.arange(100, 400), np.array([], dtype=np.int64), np.array([5, 5, 5])):
        np.testing.assert_array_equal(flat.scores(query, rows), there.scores(query, rows))
        for call in (
            lambda store, rows=rows: store.best(query, 60, rows),
            lambda store, rows=rows: store.above(query[0], 0.1, rows),
        ):
            for one, other in zip(call(flat), call(there), strict=True):
                np.testing.assert_array_equal(one, other)
    assert there.above(query[0], 1.1)[0].shape == (0,)
    np.testing.assert_array_equal(flat.get([19_999, 3, 3]), there.get([19_999, 3, 3]))
    assert there.get([]).shape == (0, 32)
    with pytest.raises(IndexError):
        there.get([20_000])
    with pytest.raises(ValueError, match="shape"):
        there.scores(np.zeros((1, 31), np.float32))


@pytest.mark.parametrize("kind", ["fp32", "sq8"])
def test_other_exact_kinds(kind: Storage, local: TileIndex, lite: str, tmp_path: Path) -> None:
    flat, manifest = made_of(tmp_path, local.manifest, kind, unit(np.random.default_rng(8), 1_000, 48))
    made = publish(flat, manifest, lite)
    write_place(tmp_path, made.place)
    place = read_place(tmp_path)
    assert place == made.place  # the ranges of 8-bit codes too, to the last bit
    there = open_milvus(place, manifest)
    query = unit(np.random.default_rng(9), 3, 48)
    # Sums of float32 are the linear algebra library's, which orders them by the shape of what it is given.
    atol = 2e-7 if kind == "fp32" else 0.0
    np.testing.assert_allclose(flat.scores(query), there.scores(query), rtol=0, atol=atol)
    np.testing.assert_array_equal(flat.get(np.arange(1_000)), there.get(np.arange(1_000)))
    for one, other in zip(flat.above(query[0], 0.1), there.above(query[0], 0.1), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


@pytest.mark.parametrize("index_type", ["HNSW", "IVF_SQ8"])
def test_an_index_that_may_miss_hits_says_so(
    index_type: str, local: TileIndex, lite: str, tmp_path: Path
) -> None:
    rows = unit(np.random.default_rng(8), 1_000, 16)
    flat, manifest = made_of(tmp_path, local.manifest, "fp16", rows)
    made = publish(flat, manifest, lite, f"t_{index_type}", index_type)
    there = open_milvus(made.place, manifest)
    assert (there.index_type, there.exact) == (index_type, False)
    assert index_type in there.approximation
    query = flat.get([4])[0]
    found, scores = there.above(query, 0.2)
    known, exact = flat.above(query, 0.2)
    assert np.isin(found, known).all()  # what is found is right
    assert len(found) >= 0.9 * len(known)
    np.testing.assert_array_equal(scores, exact[np.isin(known, found)])
    np.testing.assert_array_equal(flat.scores(query[None]), there.scores(query[None]))


def test_what_an_inverted_kind_misses_is_found(
    pattern_source: PatternSource, lite: str, tmp_path: Path, home: Any
) -> None:
    encoder = PatternEncoder()
    grid = Grid(pattern_source.body, 60.0)
    lists = build_index(
        pattern_source, grid, encoder, tmp_path / "lists", background_prompts=BACKGROUND, storage="ivf-sq8"
    )
    query = lists.vectors([5])[0]
    known = dict(zip(*(part.tolist() for part in lists.above(query, 0.3)), strict=True))
    write_place(lists.folder, publish(lists.store, lists.manifest, lite).place)
    for name in vector_files("ivf-sq8"):
        (lists.folder / name).unlink()
    there = TileIndex.open(lists.folder)
    assert isinstance(there.store, MilvusVectors)
    found = dict(zip(*(part.tolist() for part in there.above(query, 0.29)), strict=True))
    assert len(known) > 10
    assert all(abs(found[row] - score) < 0.01 for row, score in known.items())
    result = search_words(a_workspace(home, there, encoder), "craters")
    assert "approximate" not in result.summary


@pytest.mark.parametrize("index_type", ["FLAT", "IVF_SQ8"])
def test_a_search_says_whether_it_may_miss_tiles(
    index_type: str, local: TileIndex, lite: str, tmp_path: Path, home: Any
) -> None:
    made = publish(local.store, local.manifest, lite, f"said_{index_type}", index_type)
    shutil.copytree(local.folder, tmp_path / "index")
    write_place(tmp_path / "index", made.place)
    ws = a_workspace(home, TileIndex.open(tmp_path / "index"), PatternEncoder())
    said = search_words(ws, "craters").summary + " ".join(ws.layers.get("L1").provenance.notes)
    assert ("approximate" in said) == (index_type != "FLAT")


# --- loading ----------------------------------------------------------------------------------------------


def test_a_load_that_was_cut_off_goes_on(
    local: TileIndex, lite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus_publish, "_BATCH_BYTES", 500 * 4 * local.manifest.dimension)
    stop, said = threading.Event(), []

    def report(stage: str, done: int, total: int) -> None:
        said.append((stage, done, total))
        if done >= 1_000:
            stop.set()

    with pytest.raises(Cancelled, match="again"):
        publish(local.store, local.manifest, lite, "cut", progress=report, stop=stop)
    assert said == [("vectors", 500, len(local)), ("vectors", 1_000, len(local))]
    place = Place(parse_address(lite), "cut")
    with pytest.raises(VectorsError, match=r"1,000 rows where the index has"):
        open_milvus(place, local.manifest)
    # Part of a batch is there, as after a machine that went down in the middle.
    values = milvus_publish.values_of(local.store, 1_000, 1_100)
    rows = [{"row": 1_000 + i, "vector": value} for i, value in enumerate(values)]
    milvus_link.connect(place.address).insert("cut", rows)
    made = publish(local.store, local.manifest, lite, "cut")
    assert made.loaded == len(local) - 1_100
    assert publish(local.store, local.manifest, lite, "cut").loaded == 0


def test_missing_rows_and_wrong_vectors_are_seen(local: TileIndex, lite: str) -> None:
    made = publish(local.store, local.manifest, lite, "holes")
    there = open_milvus(made.place, local.manifest)
    client = milvus_link.connect(made.place.address)
    client.delete("holes", ids=[11])
    query = local.vectors([3])
    with pytest.raises(VectorsError, match="no row 11"):
        there.scores(query)
    with pytest.raises(VectorsError, match="rows where the index has"):
        open_milvus(made.place, local.manifest)
    assert publish(local.store, local.manifest, lite, "holes").count == len(local)
    np.testing.assert_array_equal(there.scores(query), local.store.scores(query))
    client.upsert("holes", [{"row": 0, "vector": -local.vectors([0])[0]}])
    with pytest.raises(VectorsError, match="is not the index's"):
        publish(local.store, local.manifest, lite, "holes")


def test_another_index_has_another_collection(local: TileIndex, remote: TileIndex, lite: str) -> None:
    assert isinstance(remote.store, MilvusVectors)
    place = remote.store.place
    for other in (
        replace(local.manifest, fingerprint="other"),
        replace(local.manifest, files={"vectors.faiss": {"sha256": "other"}}),
        replace(local.manifest, dimension=3),
    ):
        with pytest.raises(VectorsError, match=r"not of|vectors of"):
            open_milvus(place, other)
        with pytest.raises(VectorsError, match=r"not of|vectors of"):
            publish(local.store, other, lite, place.collection)
    with pytest.raises(VectorsError, match="no collection"):
        open_milvus(replace(place, collection="nowhere"), local.manifest)
    with pytest.raises(SettingsError, match="no name of a collection"):
        publish(local.store, local.manifest, lite, "no such name!")
    with pytest.raises(SettingsError, match="no Milvus index"):
        publish(local.store, local.manifest, lite, index_type="ANNOY")


# --- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "",
        "junk",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://h:1/d?x=1",
        "x.db://y",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(SettingsError, match="no address of a Milvus"):
        parse_address(address)


def test_secrets_stay_out_of_addresses() -> None:
    with pytest.raises(SettingsError, match="AREOGRAPHER_MILVUS_TOKEN") as told:
        parse_address("https://root:hunter2@milvus.example:19530")
    assert "hunter2" not in str(told.value)
    assert parse_address("milvus:https://milvus.example:19530/db/").uri == "https://milvus.example:19530/db"
    assert parse_address("some.db").uri == str(Path("some.db").resolve())


def test_a_database_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file.db").write_text("hello")
    for path, why in ((tmp_path / "file.db", "is a file"), (tmp_path / "no" / "x.db", "is no folder")):
        with pytest.raises(SettingsError, match=why):
            milvus_link.connect(parse_address(str(path)))


def test_a_database_that_another_has_open(tmp_path: Path) -> None:
    from milvus_lite import MilvusLite

    path = str(tmp_path / "taken.db")
    code = "import sys, retrieval.vectors.milvus_link as link; link.connect(link.parse_address(sys.argv[1]))"
    with MilvusLite(
        path
    ):  # in another process, because Milvus Lite leaves the lock's file open where it fails
        ran = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert re.search("VectorsError: .*cannot be opened.*end the process that has it open", ran.stderr)


def test_a_token_goes_to_the_server_and_nowhere_else(
    local: TileIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setenv("AREOGRAPHER_MILVUS_TOKEN", "root:hunter2")
    monkeypatch.setattr("pymilvus.MilvusClient", lambda uri, **rest: given.append((uri, rest["token"])))
    place = Place(parse_address("https://milvus.example:19530"), "c")
    milvus_link.connect(place.address)
    assert given == [("https://milvus.example:19530", "root:hunter2")]
    assert "hunter2" not in write_place(tmp_path, place).read_text() + repr(place)


@contextmanager
def listening(answer: bool) -> Iterator[str]:
    """A port of this machine that takes calls and drops them, or never answers."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    caller, _ = server.accept()
                except OSError:
                    return
                if answer:
                    caller.close()
                else:
                    held.append(caller)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    for caller in held:
        caller.close()


def test_nobody_answers(local: TileIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_link, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    started = time.monotonic()
    with listening(True) as drops, listening(False) as silent:
        for address in (f"http://127.0.0.1:{free}", drops, silent):
            with pytest.raises(VectorsError, match=f"no Milvus answers at {address}"):
                publish(local.store, local.manifest, address)
    assert time.monotonic() - started < 10


def test_a_server_that_goes_away_and_comes_back(
    local: TileIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from milvus_lite.adapter.grpc.server import start_server_in_thread

    folder = str(tmp_path / "served")
    server, database, port = start_server_in_thread(folder)
    made = publish(local.store, local.manifest, f"http://127.0.0.1:{port}")
    there = open_milvus(made.place, local.manifest)
    query = local.vectors([3])[0]
    before = there.above(query, 0.5)
    server.stop(grace=0).wait()
    database.close()
    started = time.monotonic()
    with pytest.raises(VectorsError, match=f"at Milvus http://127.0.0.1:{port} failed.*Next: see that"):
        there.above(query, 0.5)
    assert time.monotonic() - started < 10
    server, database, _ = start_server_in_thread(folder, port=port)
    try:
        # A server that was started again has loaded nothing; whoever searches tells it to.
        for one, old in zip(there.above(query, 0.5), before, strict=True):
            np.testing.assert_array_equal(one, old)
    finally:
        server.stop(grace=0).wait()
        database.close()


def test_a_server_that_hangs(local: TileIndex, lite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there = open_milvus(publish(local.store, local.manifest, lite).place, local.manifest)
    monkeypatch.setattr(milvus, "CALL_S", 0.001)
    with pytest.raises(VectorsError, match=r"reading vectors at Milvus .* failed .DEADLINE"):
        there.get(np.arange(2_000))


def test_without_the_extra(local: TileIndex, lite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "pymilvus":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SettingsError, match=r"pip install 'areographer\[milvus\]'"):
        publish(local.store, local.manifest, lite)


def test_a_torn_note_of_the_place(local: TileIndex, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(local.folder, folder)
    for text in ("{", "[]", '{"kind": "other"}', '{"kind": "milvus", "address": "junk", "collection": "c"}'):
        (folder / PLACE).write_text(text)
        with pytest.raises(VectorsError, match="does not say where the vectors are"):
            TileIndex.open(folder)
    (folder / PLACE).unlink()
    assert not isinstance(TileIndex.open(folder).store, MilvusVectors)
    (folder / "vectors.faiss").unlink()
    with pytest.raises(IndexFolderError, match=r"vectors\.faiss missing"):
        TileIndex.open(folder)


# --- the command line -------------------------------------------------------------------------------------


@pytest.mark.slow  # the index of the whole run is made with the real encoder
def test_publish_and_search_on_the_command_line(
    small_home: Path, lite: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AREOGRAPHER_HOME", str(small_home))

    def run(*argv: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["areographer", *argv])
        capfd.readouterr()
        return cli.run(), *capfd.readouterr()

    words = ("search", "dunes", "--index", "small", "--json")
    status, before, _ = run(*words)
    assert status == 0
    assert run("index", "publish", "small", "--milvus", "http://127.0.0.1:1")[0] == 2
    assert run("index", "publish", "small", "--milvus", lite)[1].endswith("--use to search there\n")
    status, out, _ = run("index", "publish", "small", "--milvus", lite, "--use", "--json")
    told = json.loads(out)
    assert (status, told["loaded"], told["used"], told["address"]) == (0, 0, True, lite)
    assert run("index", "info", "small")[1].count(lite) == 1
    assert "vectors" in json.loads(run("index", "info", "small", "--json")[1])
    (small_home / "indexes" / "small" / "vectors.faiss").unlink()
    assert run(*words)[1] == before

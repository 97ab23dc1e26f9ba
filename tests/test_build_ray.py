"""The same build on a Ray cluster: same parts, nodes that die or lack a file, wrong addresses."""

import dataclasses
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from retrieval.body import get_body
from retrieval.building.draw import draw_parts, plan_parts
from retrieval.building.parts import store_part
from retrieval.building.ray import draw_parts_on_ray
from retrieval.building.ray_nodes import Encoding, Work, draw_rows, make_probe, raise_trouble
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.source import SourceOnFiles, TileBatch
from retrieval.errors import Cancelled, EncoderError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.index import build_index
from retrieval.settings import prepare_for_ray
from tests.fakes import PatternEncoder, PatternSource
from tests.ray_sources import MOUNT, SlowSource, SourceOnMount

needs_ray = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("ray"), reason="the extra ray is not installed"
)
# Ray leaves pipes to its processes open until they are collected, and names things that will be gone.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

GRID = Grid(PatternSource().body, 30.0)  # 2,822 tiles: 12 chunks


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor on this machine, closed to others; the last one lacks a mount."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RAY_ADDRESS", "RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
            patch.delenv(name, raising=False)
        prepare_for_ray(loopback=True)
        patch.setenv("RAY_health_check_period_ms", "1000")  # a dead node is missed in 3 s instead of 15
        patch.setenv("RAY_health_check_failure_threshold", "3")
        cluster_utils = pytest.importorskip("ray.cluster_utils", reason="the extra ray is not installed")
        node = {"num_cpus": 1, "object_store_memory": 150_000_000, "include_dashboard": False}
        made = cluster_utils.Cluster(initialize_head=True, head_node_args=node)
        made.add_node(**node)
        made.last = made.add_node(**node, env_vars={MOUNT: "gone"})
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def local_parts(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What a build on one machine makes, part by part."""
    folder = tmp_path_factory.mktemp("local")
    return [path.read_bytes() for path in _draw(draw_parts, folder)]


def _draw(how: Any, folder: Path, source: Any = None, **options: Any) -> list[Path]:
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    source = source or PatternSource()
    tiles = source.candidates(GRID)
    return list(how(source, GRID, PatternEncoder(), tiles, folder, size_px=96, **options))


def test_a_node_without_the_file_is_named_before_anything_is_drawn(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"on node .*127\.0\.0\.1.*/maps/mosaic\.tif does not exist"):
        _draw(draw_parts_on_ray, tmp_path, SourceOnMount(), address=cluster.address)
    assert not list((tmp_path / "parts").iterdir())


def test_a_stop_is_heeded(cluster: Any, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled, match="the same command continues"):
        _draw(draw_parts_on_ray, tmp_path, SlowSource(), address=cluster.address, stop=stop)


def test_an_interrupted_build_goes_on_although_a_node_dies_and_no_tile_is_lost_or_doubled(
    cluster: Any, tmp_path: Path, local_parts: list[bytes]
) -> None:
    stop, seen = threading.Event(), []

    def until_three(_: str, done: int, total: int) -> None:
        if done >= 3 * 256:
            stop.set()

    with pytest.raises(Cancelled):
        _draw(draw_parts, tmp_path, progress=until_three, stop=stop)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*.npz")}
    assert len(kept) == 3

    def lose_a_node(_: str, done: int, total: int) -> None:
        seen.append(done)
        if done > seen[0] and cluster.last is not None:
            cluster.remove_node(cluster.last, allow_graceful=False)
            cluster.last = None

    options = {"address": cluster.address, "progress": lose_a_node}
    paths = _draw(draw_parts_on_ray, tmp_path, SlowSource(), **options)
    assert cluster.last is None
    assert [path.read_bytes() for path in paths] == local_parts
    assert seen == sorted(set(seen))
    assert (seen[0], seen[-1]) == (3 * 256, len(GRID))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@needs_ray
def test_finished_parts_need_no_cluster(tmp_path: Path, local_parts: list[bytes]) -> None:
    source = PatternSource()
    (tmp_path / "parts").mkdir()
    _, paths, missing = plan_parts(source.candidates(GRID), tmp_path)
    assert missing == list(range(len(paths)))
    for path, content in zip(paths, local_parts, strict=True):
        store_part(path, content)
    assert _draw(draw_parts_on_ray, tmp_path, address="127.0.0.1:1") == paths


@needs_ray
@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_an_address_where_nothing_listens_is_refused_in_seconds(tmp_path: Path, form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(SettingsError, match=f"no Ray cluster at .*{port}.*ray start --head"):
        _draw(draw_parts_on_ray, tmp_path, address=form.format(port=port))
    assert time.monotonic() - started < 10


@needs_ray
@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:99999", "http://host/x", "ray://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError, match="no address of a Ray cluster"):
        _draw(draw_parts_on_ray, tmp_path, address=address)


def test_without_the_extra_the_line_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip install 'areographer\[ray\]'"):
        _draw(draw_parts_on_ray, tmp_path)


def test_the_door_takes_what_draws_elsewhere(tmp_path: Path) -> None:
    grid, source = Grid(PatternSource().body, 100.0), PatternSource()
    here = build_index(source, grid, PatternEncoder(), tmp_path / "here")
    seen: dict[str, Any] = {}

    def elsewhere(*arguments: Any, **options: Any) -> list[Path]:
        seen.update(options)
        return draw_parts(*arguments, **options)

    there = build_index(source, grid, PatternEncoder(), tmp_path / "there", draw=elsewhere)
    assert there.manifest.files["vectors.faiss"] == here.manifest.files["vectors.faiss"]
    assert set(seen) == {"size_px", "workers", "progress", "stop"}


class TestOnANode:
    """What the nodes run, called here: its troubles travel as rows."""

    @pytest.fixture
    def here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ray = pytest.importorskip("ray", reason="the extra ray is not installed")
        monkeypatch.setattr(ray, "get", lambda value: value)
        monkeypatch.setattr("retrieval.building.ray_nodes.node_name", lambda: "ares")

    def rows(self, source: Any) -> dict[str, Any]:
        return draw_rows({"id": np.array([0])}, Work(source, GRID, 96, (7,), (np.arange(40),)))

    def test_a_chunk_becomes_the_part_of_a_build_on_one_machine(
        self, here: None, local_parts: list[bytes]
    ) -> None:
        work = Work(PatternSource(), GRID, 96, (11,), (np.arange(11 * 256, len(GRID)),))
        made = Encoding(PatternEncoder(), make_probe(PatternEncoder()))(
            draw_rows({"id": np.array([0])}, work)
        )
        assert (made["number"].tolist(), made["trouble"]) == ([11], [""])
        assert made["part"] == local_parts[11:]

    def test_a_node_that_makes_other_vectors_is_refused(self, here: None) -> None:
        probe = make_probe(PatternEncoder())
        other = dataclasses.replace(probe, vectors=np.roll(probe.vectors, 1, axis=1))
        made = Encoding(PatternEncoder(), other)(self.rows(PatternSource()))
        with pytest.raises(EncoderError, match=r"on node ares: .* other vectors there: cosine"):
            raise_trouble(made["trouble"][0])

    def test_a_raster_that_is_torn_in_the_middle_keeps_its_kind(self, here: None) -> None:
        class Torn(PatternSource):
            def read(self, grid: Grid, tiles: np.ndarray, size_px: int) -> TileBatch:
                raise RasterError("mosaic.tif is torn", next_step="copy it again")

        made = Encoding(PatternEncoder(), make_probe(PatternEncoder()))(self.rows(Torn()))
        assert made["part"] == [b""]
        with pytest.raises(RasterError, match=r"on node ares: mosaic.tif is torn. Next: copy it again."):
            raise_trouble(made["trouble"][0])

    def test_a_fault_is_no_bad_input(self, here: None) -> None:
        class Faulty(PatternSource):
            def read(self, grid: Grid, tiles: np.ndarray, size_px: int) -> TileBatch:
                raise KeyError("colour")

        with pytest.raises(RuntimeError, match=r"(?s)on node ares.*KeyError: 'colour'"):
            raise_trouble(self.rows(Faulty())["trouble"][0])


@pytest.mark.parametrize("name", ["mosaic.tif", "mosaic.png"])
def test_rasters_are_looked_at_where_they_are_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        picture = np.random.default_rng(0).integers(1, 255, (1, 60, 120), dtype=np.uint8)
        with rasterio.open(
            path,
            "w",
            driver="PNG" if name.endswith("png") else "GTiff",
            width=120,
            height=60,
            count=1,
            dtype="uint8",
        ) as dataset:
            dataset.write(picture)
    source = open_rasters([path], get_body("mars"), bounds=(-180.0, -90.0, 180.0, 90.0))
    assert isinstance(source, SourceOnFiles)
    source.check_files()
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(RasterError, match=rf"{name} does not exist"):
        source.check_files()
    path.write_bytes(content + b"x")
    with pytest.raises(RasterError, match="another file"):
        source.check_files()

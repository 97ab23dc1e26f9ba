"""What may happen to a build and to an index: a full disk, a raster that vanishes or tears, changed files."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from retrieval import manifest as manifests
from retrieval.building.parts import chunk_size
from retrieval.corpus.raster import open_rasters
from retrieval.errors import IndexFolderError, RasterError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from tests.building_process import GRID, build, contents
from tests.fakes import PatternEncoder
from tests.test_raster import MARS, world

ROOT = Path(__file__).parent.parent

FULL_DISK = """
import resource, sys
from pathlib import Path
from retrieval.errors import IndexFolderError
from tests.building_process import build
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    build(Path(sys.argv[1]))
except IndexFolderError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("limit", [10_000, 900_000])
def test_a_disk_that_fills_up_is_said_and_the_build_goes_on_with_room(tmp_path: Path, limit: int) -> None:
    # A limit on the size of a file stands for the full disk: below a part's, below that of all thumbnails.
    out = tmp_path / "index"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(out), str(limit)], capture_output=True, text=True, cwd=ROOT
    )
    assert "refused: " in done.stdout, done.stderr
    assert "cannot be written" in done.stdout
    assert "finished tiles are kept" in done.stdout
    assert not out.exists()
    parts = {path: path.stat().st_mtime_ns for path in tmp_path.glob("index.building/*/parts/*.npz")}
    assert len(parts) == (0 if limit < 500_000 else -(-len(GRID) // chunk_size(len(GRID))))
    assert contents(build(out)) == contents(build(tmp_path / "whole"))


def test_a_raster_that_vanishes_or_tears_in_the_middle(tmp_path: Path) -> None:
    path, aside, grid = world(tmp_path / "world.tif"), tmp_path / "aside.tif", Grid(MARS, 300.0)
    encoder, out, whole = PatternEncoder(), tmp_path / "index", path.read_bytes()
    source = open_rasters([path], MARS)

    def vanish(stage: str, done: int, _: int) -> None:
        if done and path.exists():
            shutil.move(path, aside)

    def tear(stage: str, done: int, _: int) -> None:
        if done > 256:
            path.write_bytes(whole[: len(whole) // 3])

    with pytest.raises(RasterError, match=r"world\.tif"):
        build_index(source, grid, encoder, out, progress=vanish)
    shutil.move(aside, path)
    assert len(list(tmp_path.glob("index.building/*/parts/*.npz"))) == 1
    with pytest.raises(RasterError, match=r"world\.tif"):
        build_index(source, grid, encoder, out, workers=2, progress=tear)
    assert not out.exists()
    path.write_bytes(whole)
    again = build_index(source, grid, encoder, out)
    assert again.manifest.files == build_index(source, grid, encoder, tmp_path / "b").manifest.files


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index whose files count as large ones: they are sampled when it is opened."""
    monkeypatch.setattr(manifests, "SMALL_BYTES", 1000)
    monkeypatch.setattr(manifests, "PAGE", 16)
    return build(tmp_path / "index").folder


def test_a_swapped_file_of_the_same_size_is_seen_at_once(large: Path) -> None:
    for name in ("vectors.faiss", "background.npy", "tiles.arrow", "coverage.arrow", "thumbnails.arrow"):
        whole = (large / name).read_bytes()
        swapped = np.frombuffer(whole, dtype=np.uint8).copy()
        swapped[len(whole) // 10 :] = np.roll(swapped[len(whole) // 10 :], 24)
        (large / name).write_bytes(swapped.tobytes())
        with pytest.raises(IndexFolderError, match=f"another {name}"):
            TileIndex.open(large)
        (large / name).write_bytes(whole)
    TileIndex.open(large).verify()


def test_a_changed_byte_between_the_samples_is_found_by_verify(large: Path) -> None:
    file = large / "vectors.faiss"
    changed = bytearray(file.read_bytes())
    changed[len(changed) // 2 + 100] ^= 1
    file.write_bytes(changed)
    opened = TileIndex.open(large)
    with pytest.raises(IndexFolderError, match=r"another vectors\.faiss"):
        opened.verify()


def test_an_index_without_samples_still_opens(large: Path) -> None:
    values = asdict(TileIndex.open(large).manifest)
    for about in values["files"].values():
        about.pop("sampled", None)
    (large / "manifest.json").write_text(json.dumps(values))
    TileIndex.open(large).verify()


def test_an_open_index_keeps_its_tables_when_another_takes_its_place(large: Path) -> None:
    opened = TileIndex.open(large)
    os.rename(large, large.with_name("aside"))
    large.mkdir()
    assert len(opened.coverage) == len(GRID)
    assert len(opened.tiles) == len(opened)

"""Building, opening and searching an index through its public door; and every way a folder can be wrong."""

import io
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from retrieval.body import get_body
from retrieval.building.parts import chunk_size
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.errors import BodyMismatchError, Cancelled, IndexFolderError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index, open_matching
from tests.fakes import PatternEncoder, PatternSource

GRID = Grid(PatternSource().body, 100.0)  # 253 tiles: four chunks
TWO_CHUNKS = Grid(PatternSource().body, 80.0)


class CountingSource(PatternSource):
    """Remembers how many tiles were drawn; may stop or fail after a number of calls."""

    def __init__(self, stop: threading.Event | None = None, fail: bool = False) -> None:
        super().__init__()
        self.__dict__.update(drawn=0, stop=stop, fail=fail)

    def read(self, grid: Grid, tiles: np.ndarray, size_px: int) -> TileBatch:
        if self.__dict__["fail"] and self.__dict__["drawn"]:
            raise RasterError("mosaic.tif is torn")
        self.__dict__["drawn"] += len(tiles)
        if self.__dict__["stop"]:
            self.__dict__["stop"].set()
        return super().read(grid, tiles, size_px)


@pytest.fixture
def copied(tiny_index: TileIndex, tmp_path: Path) -> Path:
    """A copy of the tiny index that a test may break."""
    return Path(shutil.copytree(tiny_index.folder, tmp_path / "copy"))


def test_the_fakes_keep_the_protocol(pattern_source: PatternSource) -> None:
    assert isinstance(pattern_source, TileSource)


def test_search_finds_what_was_drawn(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, pattern_source: PatternSource
) -> None:
    truth = pattern_source.labels(tiny_index.grid)["pitted_cones"].to_numpy()[tiny_index.tiles.numbers]
    scores = tiny_index.score(pattern_encoder.encode_texts(["pitted cones"])[0])
    assert scores.shape == (len(tiny_index),)
    assert scores[truth].min() > 0.6
    assert scores[~truth].max() < 0.2


def test_search_and_score_agree_and_ties_come_in_row_order(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    query = pattern_encoder.encode_texts(["gullies"])[0]
    scores = tiny_index.score(query)
    rows, best = tiny_index.search(query, 40)
    assert np.array_equal(best, scores[rows])
    assert np.array_equal(rows, np.lexsort((np.arange(len(scores)), -scores))[:40]) or len(set(best)) < 40
    assert list(best) == sorted(best, reverse=True)
    everything, _ = tiny_index.search(query, 10_000)
    assert sorted(everything) == list(range(len(tiny_index)))


def test_a_query_of_another_length_is_a_mistake(tiny_index: TileIndex) -> None:
    with pytest.raises(ValueError, match=r"shape \(32,\)"):
        tiny_index.score(np.zeros(7, dtype=np.float32))


def test_rows_are_tiles_in_grid_order_with_facts_and_areas(tiny_index: TileIndex) -> None:
    table = tiny_index.tiles.rows()
    assert list(table.columns[:6]) == ["tile", "tile_id", "lon", "lat", "area_km2", "observed"]
    assert table["tile"].is_monotonic_increasing
    assert table["elevation_m"].notna().all()
    assert table.crs == tiny_index.body.crs
    assert np.allclose(table.geometry.x, table["lon"])
    assert table["area_km2"].sum() == pytest.approx(tiny_index.grid.areas_km2(table["tile"]).sum())


def test_what_was_not_observed_is_told_apart_from_what_was_not_found(tiny_index: TileIndex) -> None:
    hole = int(tiny_index.grid.locate([115.0, -15.0]))
    seen = int(tiny_index.grid.locate([0.0, 0.0]))
    assert tiny_index.observed_share([hole, seen]).tolist() == [0.0, 1.0]
    assert hole not in set(tiny_index.tiles.numbers)
    coverage = tiny_index.manifest.coverage
    assert coverage["looked_at"] == len(tiny_index.grid) == len(tiny_index.coverage)
    assert coverage["indexed"] == len(tiny_index)
    assert coverage["not_observed"] == coverage["looked_at"] - coverage["indexed"] > 0


def test_tiles_are_found_by_id(tiny_index: TileIndex) -> None:
    for row in (0, 17, len(tiny_index) - 1):
        assert tiny_index.row_of(tiny_index.tiles.tile_id(row)) == row
    with pytest.raises(SettingsError, match="0% of it was observed"):
        tiny_index.row_of(tiny_index.grid.tile_id(int(tiny_index.grid.locate([115.0, -15.0]))))
    with pytest.raises(SettingsError, match="no tile of this grid"):
        tiny_index.row_of("12km-r000c000")


def test_vectors_are_unit_rows_and_thumbnails_pictures_of_them(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder
) -> None:
    rows = [5, 600, 5]
    vectors = tiny_index.vectors(rows)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0] * 3, abs=1e-6)
    picture = Image.open(io.BytesIO(tiny_index.thumbnail(600)))
    assert picture.size == (96, 96)
    assert picture.mode == "L"
    again = pattern_encoder.encode_images(np.asarray(picture.convert("RGB"))[None])
    assert float(again[0] @ vectors[1]) > 0.99


def test_background_is_that_of_the_prompts(tiny_index: TileIndex, tmp_path: Path) -> None:
    assert tiny_index.manifest.background_prompts == 3
    assert tiny_index.background.shape == (len(tiny_index),)
    assert np.abs(tiny_index.background).max() > 0
    bare = build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "bare")
    assert not bare.background.any()


@pytest.mark.parametrize(("storage", "error"), [("fp32", 1e-6), ("fp16", 1e-3), ("sq8", 0.02)])
def test_every_storage_keeps_the_cosines(tmp_path: Path, storage: str, error: float) -> None:
    encoder, source = PatternEncoder(), PatternSource(hole=None)
    index = build_index(source, GRID, encoder, tmp_path / "index", storage=storage)  # type: ignore[arg-type]
    tiles = index.tiles.numbers
    exact = encoder.encode_images(source.read(GRID, tiles, 96).pixels)
    query = encoder.encode_texts(["fresh simple crater"])[0]
    assert index.score(query) == pytest.approx(exact @ query, abs=error)
    assert np.abs(index.score(query)).max() <= 1.0
    assert index.manifest.storage == storage


def test_a_build_is_the_same_twice_and_leaves_nothing_beside(tmp_path: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    for name in ("one", "two"):
        build_index(
            PatternSource(),
            GRID,
            PatternEncoder(),
            tmp_path / name,
            progress=lambda *step: stages.append(step),
        )
    first, second = TileIndex.open(tmp_path / "one"), TileIndex.open(tmp_path / "two")
    assert first.manifest.fingerprint == second.manifest.fingerprint
    assert first.manifest.files == second.manifest.files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert stages[0] == ("tiles", 0, len(GRID))
    assert ("tiles", len(GRID), len(GRID)) in stages
    parts = -(-len(GRID) // chunk_size(len(GRID)))
    assert stages[-1] == ("index", parts, parts)


def test_several_processes_make_the_same_index(tmp_path: Path) -> None:
    alone = build_index(PatternSource(), TWO_CHUNKS, PatternEncoder(), tmp_path / "alone")
    shared = build_index(PatternSource(), TWO_CHUNKS, PatternEncoder(), tmp_path / "shared", workers=2)
    assert alone.manifest.files == shared.manifest.files


@pytest.mark.parametrize("workers", [1, 2])
def test_each_hand_encodes_with_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    seen: set[int] = set()

    class Watched(PatternEncoder):
        def encode_images(self, pixels: np.ndarray) -> np.ndarray:
            seen.add(torch.get_num_threads())
            return super().encode_images(pixels)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        build_index(PatternSource(), TWO_CHUNKS, Watched(), tmp_path / "index", workers=workers)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {1}


def test_a_subset_of_tiles_can_be_indexed(tmp_path: Path) -> None:
    index = build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "some", tiles=[9, 3, 3, 7])
    assert index.tiles.numbers.tolist() == [3, 7, 9]
    with pytest.raises(SettingsError, match="not of this grid"):
        build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "none", tiles=[len(GRID)])


def test_a_stopped_build_continues_where_it_was(tmp_path: Path) -> None:
    out, stop = tmp_path / "index", threading.Event()
    source = CountingSource(stop=stop)
    with pytest.raises(Cancelled, match="continues"):
        build_index(source, TWO_CHUNKS, PatternEncoder(), out, stop=stop)
    assert not out.exists()
    assert source.__dict__["drawn"] == chunk_size(len(TWO_CHUNKS))
    with pytest.raises(IndexFolderError, match="run the same build again"):
        TileIndex.open(out)
    again = CountingSource()
    index = build_index(again, TWO_CHUNKS, PatternEncoder(), out)
    assert again.__dict__["drawn"] == len(TWO_CHUNKS) - chunk_size(len(TWO_CHUNKS))
    assert index.manifest.coverage["looked_at"] == len(TWO_CHUNKS)
    assert not (tmp_path / "index.building").exists()


def test_stop_reaches_the_worker_processes(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        build_index(PatternSource(), TWO_CHUNKS, PatternEncoder(), tmp_path / "index", workers=2, stop=stop)


def test_a_torn_part_is_drawn_again_and_another_recipe_starts_anew(tmp_path: Path) -> None:
    out = tmp_path / "index"
    with pytest.raises(RasterError, match="torn"):
        build_index(CountingSource(fail=True), TWO_CHUNKS, PatternEncoder(), out)
    (part,) = tmp_path.glob("index.building/*/parts/*.npz")
    part.write_bytes(part.read_bytes()[:100])
    again = CountingSource()
    other = build_index(again, TWO_CHUNKS, PatternEncoder("another"), out)
    assert again.__dict__["drawn"] == len(TWO_CHUNKS)
    assert other.manifest.encoder["name"] == "another"

    with pytest.raises(RasterError, match="torn"):
        build_index(CountingSource(fail=True), TWO_CHUNKS, PatternEncoder(), tmp_path / "second")
    (part,) = tmp_path.glob("second.building/*/parts/*.npz")
    part.write_bytes(part.read_bytes()[:100])
    again = CountingSource()
    build_index(again, TWO_CHUNKS, PatternEncoder(), tmp_path / "second").verify()
    assert again.__dict__["drawn"] == len(TWO_CHUNKS)


def test_two_builds_in_one_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "index.building").mkdir()
    with (
        FileLock(tmp_path / "index.building" / "lock"),
        pytest.raises(IndexFolderError, match="another process"),
    ):
        build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "index")


def test_nothing_is_ever_overwritten(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError, match="already holds an index"):
        build_index(PatternSource(), GRID, PatternEncoder(), copied)
    (tmp_path / "letters").mkdir()
    with pytest.raises(IndexFolderError, match="exists"):
        build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "letters")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexFolderError, match="cannot be written"):
        build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "file" / "index")


def test_recipes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    source, encoder = PatternSource(), PatternEncoder()
    with pytest.raises(SettingsError, match="fp16, fp32, sq8"):
        build_index(source, GRID, encoder, tmp_path / "a", storage="zip")  # type: ignore[arg-type]
    with pytest.raises(BodyMismatchError, match="lowell"):
        build_index(source, Grid(get_body("moon"), 90.0), encoder, tmp_path)
    dark = PatternSource(hole=(-180.0, -90.0, 180.0, 90.0))
    with pytest.raises(RasterError, match="at least 50%"):
        build_index(dark, GRID, encoder, tmp_path / "b")
    with pytest.raises(RasterError, match="choose smaller tiles"):
        build_index(source, GRID, encoder, tmp_path / "c", tiles=[])


def test_another_encoders_index_is_refused_with_a_way_out(copied: Path) -> None:
    assert len(open_matching(copied, PatternEncoder())) > 0
    with pytest.raises(IndexFolderError, match=r"made with encoder pattern .*choose encoder pattern"):
        open_matching(copied, PatternEncoder("another"))


def test_a_folder_without_manifest_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(IndexFolderError, match="is no index"):
        TileIndex.open(tmp_path)


@pytest.mark.parametrize(
    "name", ["vectors.faiss", "tiles.arrow", "coverage.arrow", "thumbnails.arrow", "background.npy"]
)
def test_every_file_is_missed_when_truncated_and_when_swapped(copied: Path, name: str) -> None:
    file = copied / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])
    with pytest.raises(IndexFolderError, match=f"{name} .*bytes where the manifest says"):
        TileIndex.open(copied)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    file.write_bytes(flipped)
    with pytest.raises(IndexFolderError, match=f"another {name}"):
        TileIndex.open(copied)
    file.unlink()
    with pytest.raises(IndexFolderError, match=f"{name} missing"):
        TileIndex.open(copied)


@pytest.mark.parametrize("name", ["vectors.faiss", "tiles.arrow", "thumbnails.arrow", "background.npy"])
def test_a_file_of_another_index_is_seen_at_once(copied: Path, tmp_path: Path, name: str) -> None:
    other = build_index(PatternSource(), GRID, PatternEncoder(), tmp_path / "other", tiles=range(9))
    shutil.copy(other.folder / name, copied / name)
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["files"][name] = other.manifest.files[name]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IndexFolderError, match=f"{name} of 9 rows"):
        TileIndex.open(copied)


def test_garbage_of_the_right_size_is_seen_at_once(copied: Path) -> None:
    size = (copied / "vectors.faiss").stat().st_size
    (copied / "vectors.faiss").write_bytes(b"x" * size)
    with pytest.raises(IndexFolderError, match=r"another .* than the one that was built"):
        TileIndex.open(copied)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not one"),
        ("[]", "not one"),
        ('{"format": 99}', "layout 99; this version reads 1 and 2"),
        ('{"format": 1}', "not one"),
    ],
)
def test_manifests_that_are_none_are_refused(copied: Path, text: str, message: str) -> None:
    (copied / "manifest.json").write_text(text)
    with pytest.raises(IndexFolderError, match=message):
        TileIndex.open(copied)

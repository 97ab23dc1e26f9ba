"""Adding, replacing and removing tiles of an index: what stays is the same to the last bit."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.building import change
from retrieval.building.change import How, add, aside_of, remove, replace_tiles, set_aside
from retrieval.corpus.source import TileBatch
from retrieval.errors import BodyMismatchError, IndexFolderError
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from tests.fakes import PatternEncoder, PatternSource

GRID = Grid(PatternSource().body, 100.0)
PROMPTS = ("nothing in particular", "the ground")
HOW = How(PatternEncoder(), PROMPTS)
TILES = st.sets(st.integers(0, len(GRID) - 1), min_size=1, max_size=120)


@dataclass(frozen=True)
class Some(PatternSource):
    """Some tiles of the pattern planet; remembers what it drew."""

    tiles: tuple[int, ...] = ()
    drawn: list[int] = field(default_factory=list, compare=False)

    def candidates(self, grid: Grid) -> np.ndarray:
        return np.array(sorted(self.tiles))

    def read(self, grid: Grid, tiles: np.ndarray, size_px: int) -> TileBatch:
        self.drawn.extend(np.asarray(tiles).tolist())
        return super().read(grid, tiles, size_px)


def some(*tiles: int, seed: int = 0) -> Some:
    return Some(seed=seed, tiles=tiles)


def make(folder: Path, source: Some, storage: str = "fp16") -> TileIndex:
    return build_index(source, GRID, HOW.encoder, folder, background_prompts=PROMPTS, storage=storage)  # type: ignore[arg-type]


def assert_same(one: TileIndex, two: TileIndex) -> None:
    """Rows, vectors, thumbnails, facts and coverage."""
    assert one.coverage.equals(two.coverage)
    assert np.array_equal(one.tiles.numbers, two.tiles.numbers)
    assert np.array_equal(one.tiles.observed, two.tiles.observed)
    assert list(one.tiles.facts) == list(two.tiles.facts)
    for name, values in one.tiles.facts.items():
        assert np.array_equal(values, two.tiles.facts[name], equal_nan=True)
    rows = np.arange(len(one))
    assert np.array_equal(one.vectors(rows), two.vectors(rows))
    assert [one.thumbnail(row) for row in rows] == [two.thumbnail(row) for row in rows]
    assert np.allclose(one.background, two.background, atol=1e-6)


def observed(tiles: set[int]) -> bool:
    """Whether any of the tiles would be indexed."""
    return bool((PatternSource().read(GRID, sorted(tiles), 8).observed > 0).any())


@settings(max_examples=8)
@given(first=TILES.filter(observed), second=TILES, storage=st.sampled_from(["fp16", "fp32"]))
def test_adding_is_building_together(
    tmp_path_factory: pytest.TempPathFactory, first: set[int], second: set[int], storage: str
) -> None:
    folder = tmp_path_factory.mktemp("law")
    index, source = make(folder / "index", some(*first), storage), some(*second)
    if not second - set(index.coverage["tile"][index.coverage["observed"] > 0]):
        with pytest.raises(IndexFolderError, match="already holds every tile"):
            add(folder / "index", source, HOW)
        return
    both = add(folder / "index", source, HOW)
    assert_same(both, make(folder / "together", some(*first | second), storage))
    held = {tile for tile in first if index.observed_share([tile])[0] >= 0.5}
    assert set(source.drawn) == second - held
    assert both.manifest.fingerprint != index.manifest.fingerprint


@settings(max_examples=6)
@given(west=st.floats(-180, 150), width=st.floats(20, 150))
def test_adding_and_removing_gives_the_index_of_before(
    tmp_path_factory: pytest.TempPathFactory, west: float, width: float
) -> None:
    folder = tmp_path_factory.mktemp("law")
    box = (west, -60.0, west + width, 60.0)
    inside = set(GRID.within_bounds(*box).tolist())
    before = make(folder / "index", some(*set(range(len(GRID))) - inside))
    add(folder / "index", some(*inside), HOW)
    after = remove(folder / "index", HOW, box)
    old, middle = aside_of(folder / "index")
    assert_same(after, TileIndex.open(old))
    assert before.manifest == TileIndex.open(old).manifest
    assert len(TileIndex.open(middle)) > len(after)
    after.verify()


def test_replaced_tiles_are_those_of_the_new_source_and_no_others(tmp_path: Path) -> None:
    before = make(tmp_path / "index", some(*range(len(GRID))))
    new, box = some(*range(60, 200), seed=7), (-90.0, -30.0, 90.0, 30.0)
    after = replace_tiles(tmp_path / "index", new, HOW, bounds=box)
    anew = np.intersect1d(GRID.within_bounds(*box), np.arange(60, 200))
    assert set(new.drawn) == set(anew.tolist())
    assert np.array_equal(after.tiles.numbers, before.tiles.numbers)
    rows = before.tiles.find(anew)
    rows = rows[rows >= 0]
    pixels = new.read(GRID, before.tiles.numbers[rows], 96).pixels
    assert np.abs(after.vectors(rows) - HOW.encoder.encode_images(pixels)).max() < 1e-3
    others = np.setdiff1d(np.arange(len(before)), rows)
    assert np.array_equal(after.vectors(others), before.vectors(others))
    entry = after.manifest.source["history"][-1]
    assert (entry["change"], entry["name"], entry["drawn"]) == ("replace", "pattern 7", len(anew))
    assert after.manifest.source["history"][0]["fingerprint"] == before.manifest.fingerprint


def test_a_tile_that_shows_too_little_keeps_what_it_had(tmp_path: Path) -> None:
    before = make(tmp_path / "index", some(*range(100)))
    dark = Some(seed=9, hole=(-180.0, -90.0, 180.0, 90.0), tiles=tuple(range(100)))
    after = replace_tiles(tmp_path / "index", dark, HOW)
    assert_same(after, before)


def test_the_old_index_is_set_aside_and_still_opens(tmp_path: Path) -> None:
    make(tmp_path / "index", some(*range(40)))
    (tmp_path / "index" / "notes.txt").write_text("mine")
    add(tmp_path / "index", some(*range(50)), HOW)
    add(tmp_path / "index", some(*range(60)), HOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "index.old1", "index.old2"]
    assert len(TileIndex.open(tmp_path / "index.old1").coverage) == 40
    assert (tmp_path / "index.old1" / "notes.txt").read_text() == "mine"
    assert len(TileIndex.open(tmp_path / "index.old2").coverage) == 50


def test_a_change_cut_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make(tmp_path / "whole", some(*range(40)))
    make(tmp_path / "index", some(*range(40)))

    def cut_before(_: Path) -> None:
        raise KeyboardInterrupt

    def cut_after(folder: Path) -> None:
        set_aside(folder)
        raise KeyboardInterrupt

    for cut, stands in ((cut_before, True), (cut_after, False)):  # between the two renames
        with monkeypatch.context() as patch:
            patch.setattr(change, "set_aside", cut)
            with pytest.raises(KeyboardInterrupt):
                add(tmp_path / "index", some(*range(60)), HOW)
        assert (tmp_path / "index").exists() == stands
    assert_same(TileIndex.open(tmp_path / "index.old1"), before)
    assert not (tmp_path / "index").exists()
    again = some(*range(60))
    after = add(tmp_path / "index", again, HOW)
    assert not again.drawn
    assert len(after.coverage) == 60
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "index.old1", "whole"]


def test_another_change_than_the_one_cut_off_starts_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "index", some(*range(40)))

    def cut(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(change, "set_aside", cut)
        with pytest.raises(KeyboardInterrupt):
            add(tmp_path / "index", some(*range(60)), HOW)
    assert len(add(tmp_path / "index", some(*range(45)), HOW).coverage) == 45


def test_changes_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    index = make(tmp_path / "index", some(*range(40)))
    held = index.tiles.numbers.tolist()
    with pytest.raises(IndexFolderError, match="there is no index"):
        add(tmp_path / "nothing", some(1), HOW)
    with pytest.raises(IndexFolderError, match="already holds every tile"):
        add(tmp_path / "index", some(*held), HOW)
    with pytest.raises(IndexFolderError, match="lies on no tile"):
        replace_tiles(tmp_path / "index", some(200), HOW)
    with pytest.raises(IndexFolderError, match="no tile within the bounds"):
        remove(tmp_path / "index", HOW, (0.0, -80.0, 10.0, -70.0))
    with pytest.raises(IndexFolderError, match="nothing of index would be left"):
        remove(tmp_path / "index", HOW, (-180.0, -90.0, 180.0, 90.0))
    with pytest.raises(IndexFolderError, match="choose encoder pattern"):
        add(tmp_path / "index", some(50), How(PatternEncoder("another"), PROMPTS))
    with pytest.raises(IndexFolderError, match="other background prompts"):
        add(tmp_path / "index", some(50), How(PatternEncoder(), ("gullies", "fresh simple crater")))
    with pytest.raises(BodyMismatchError, match="index of lowell"):
        add(tmp_path / "index", Some(body=get_body("moon"), tiles=(50,)), HOW)
    (tmp_path / "index.changing").mkdir()
    with (
        FileLock(tmp_path / "index.changing" / "lock"),
        pytest.raises(IndexFolderError, match="another process is changing"),
    ):
        add(tmp_path / "index", some(50), HOW)
    os.remove(tmp_path / "index.changing" / "lock")
    assert_same(TileIndex.open(tmp_path / "index"), index)
    assert [path for path in tmp_path.iterdir() if path.name != "index"] in (
        [],
        [tmp_path / "index.changing"],
    )

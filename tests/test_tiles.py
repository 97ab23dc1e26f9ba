"""The tile table: what is stored and what the grid says, names by the thousand, and indexes of layout 1."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from retrieval.body import BODIES, get_body
from retrieval.errors import IndexFolderError, SettingsError
from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.manifest import size_and_hash
from retrieval.spatial.features import link_tiles
from retrieval.tiles import TileTable, count_rows, read_columns, write_columns
from tests.fakes import PatternEncoder
from tests.workspaces import a_workspace
from tools.search import search_words

MARS = get_body("mars")


def table_of(grid: Grid, tiles: np.ndarray, **facts: np.ndarray) -> TileTable:
    return TileTable(grid, {"tile": tiles, "observed": np.ones(len(tiles), np.float32), **facts})


@pytest.fixture
def layout_1(tiny_index: TileIndex, tmp_path: Path) -> Path:
    """The tiny index as earlier versions wrote it."""
    folder = Path(shutil.copytree(tiny_index.folder, tmp_path / "old"))
    tiny_index.tiles.rows().to_parquet(folder / "tiles.parquet")
    tiny_index.coverage.to_parquet(folder / "coverage.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["format"] = 1
    for name in ("tiles", "coverage"):
        (folder / f"{name}.arrow").unlink()
        del manifest["files"][f"{name}.arrow"]
        manifest["files"][f"{name}.parquet"] = size_and_hash(folder / f"{name}.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@st.composite
def some_tiles(draw: st.DrawFn) -> tuple[Grid, np.ndarray]:
    body = BODIES[draw(st.sampled_from(sorted(BODIES)))]
    grid = Grid(body, draw(st.floats(0.02, 0.2)) * body.half_circumference_km)
    tiles = draw(st.lists(st.integers(0, len(grid) - 1), max_size=40))
    return grid, np.array(tiles, dtype=np.int64)


@given(some_tiles())
def test_names_in_one_go_are_the_names_one_by_one(given_tiles: tuple[Grid, np.ndarray]) -> None:
    grid, tiles = given_tiles
    names = grid.tile_ids(tiles)
    assert names == [grid.tile_id(tile) for tile in tiles.tolist()]
    assert grid.parse_tile_ids(names).tolist() == tiles.tolist()
    assert table_of(grid, np.unique(tiles)).ids().tolist() == grid.tile_ids(np.unique(tiles))


@given(some_tiles(), st.lists(st.text("0123456789km-rc.é", max_size=14), max_size=6))
def test_names_that_are_none_are_minus_one(given_tiles: tuple[Grid, np.ndarray], odd: list[str]) -> None:
    grid, tiles = given_tiles
    names = [*grid.tile_ids(tiles), *odd]
    assert grid.parse_tile_ids(names).tolist() == [grid_number(grid, name) for name in names]


def test_names_of_the_right_length_are_read_to_the_last_letter() -> None:
    grid = Grid(MARS, 10.0)
    good = grid.tile_id(7000)
    odd = [good.replace("km", "mm"), good.replace("r", "R"), good[:-1] + "x", good.replace("c", ":")]
    too_far = [
        f"10km-r{grid.rows:04d}c0000",
        f"10km-r0000c{grid.columns[0]:04d}",
        good.replace("10km", "11km"),
    ]
    names = [good, *odd, *too_far, " " + good[:-1], good]
    assert {len(name) for name in names} == {len(good)}
    assert grid.parse_tile_ids(names).tolist() == [grid_number(grid, name) for name in names]
    assert grid.parse_tile_ids(names)[[0, -1]].tolist() == [7000, 7000]
    assert grid.parse_tile_ids(["10km-r3c4"]).tolist() == [grid.parse_tile_id("10km-r3c4")]


@given(some_tiles())
def test_all_rows_at_once_are_the_rows_one_by_one(given_tiles: tuple[Grid, np.ndarray]) -> None:
    grid, tiles = given_tiles
    table = table_of(grid, np.unique(tiles))
    assert np.array_equal(table.lonlat, grid.centres(table.numbers))
    assert np.array_equal(table.areas_km2(), grid.areas_km2(table.numbers))
    assert table.find(tiles).tolist() == np.searchsorted(table.numbers, tiles).tolist()
    assert np.array_equal(table.numbers[table.at(grid.centres(tiles))], tiles)
    if len(table):
        low, high = table.lonlat.min(axis=0), table.lonlat.max(axis=0)
        assert table.bounds == (low[0], low[1], high[0], high[1])
    assert table.area_km2 == pytest.approx(table.areas_km2().sum())


def test_a_table_of_rows_is_what_the_index_and_the_grid_know(tiny_index: TileIndex) -> None:
    rows = np.array([500, 3, 3, 42])
    some, grid, tiles = tiny_index.tiles.rows(rows), tiny_index.grid, tiny_index.tiles
    assert list(some.columns[:6]) == ["tile", "tile_id", "lon", "lat", "area_km2", "observed"]
    assert some["tile_id"].tolist() == [grid.tile_id(tile) for tile in tiles.numbers[rows]]
    assert np.array_equal(some[["lon", "lat"]], grid.centres(tiles.numbers[rows]))
    assert np.array_equal(some["elevation_m"], tiles.facts["elevation_m"][rows])
    assert some.index.tolist() == [0, 1, 2, 3]
    assert some.crs == tiny_index.body.crs
    assert len(tiles.rows()) == len(tiny_index)
    assert len(tiles.rows([])) == 0


def test_rows_are_found_by_name_and_place(tiny_index: TileIndex) -> None:
    tiles, grid = tiny_index.tiles, tiny_index.grid
    hole = int(grid.locate([115.0, -15.0]))
    names = [tiles.tile_id(9), grid.tile_id(hole), "catalogue-7", tiles.tile_id(0)]
    assert tiles.rows_of(names).tolist() == [9, -1, -1, 0]
    assert tiles.row_of(grid.tile_id(hole)) == -1
    with pytest.raises(SettingsError, match="no tile of this grid"):
        tiles.row_of("catalogue-7")
    places = [[115.0, -15.0], [np.nan, 0.0], tiles.lonlat[5], tiles.lonlat[5] + [360.0, 0.0]]
    assert tiles.at(places).tolist() == [-1, -1, 5, 5]


def test_columns_are_mapped_and_cannot_be_written_to(tiny_index: TileIndex) -> None:
    for column in (tiny_index.tiles.numbers, tiny_index.tiles.observed, tiny_index.tiles.lonlat):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    folder = tiny_index.folder
    assert count_rows(folder / "tiles.arrow") == len(tiny_index)
    assert count_rows(folder / "coverage.arrow") == len(tiny_index.coverage)
    held = len(tiny_index) * (8 + 4 + 4)  # number, share, elevation
    assert held < (folder / "tiles.arrow").stat().st_size < held + 4096


def test_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    write_columns(tmp_path / "tiles.arrow", {"tile": np.zeros(0, np.int64), "observed": np.zeros(0, "f4")})
    table = TileTable(Grid(MARS, 500.0), read_columns(tmp_path / "tiles.arrow"))
    assert len(table) == len(table.rows()) == len(table.lonlat) == len(table.ids()) == 0
    assert table.find([3, 4]).tolist() == [-1, -1]
    assert table.at([[0.0, 0.0]]).tolist() == [-1]


@pytest.mark.parametrize(
    ("tiles", "message"),
    [([3, 2], "do not ascend"), ([2, 2], "do not ascend"), ([-1, 2], "of a grid"), ([2, 10**9], "of a grid")],
)
def test_numbers_that_cannot_be_rows_are_refused(tiles: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table_of(Grid(MARS, 500.0), np.array(tiles))


def test_a_table_that_is_none_is_a_torn_index(tiny_index: TileIndex, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_index.folder, tmp_path / "copy"))
    tiles = tiny_index.tiles
    backwards = {"tile": tiles.numbers[::-1], "observed": tiles.observed, **tiles.facts}
    write_columns(folder / "tiles.arrow", backwards)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["tiles.arrow"] = size_and_hash(folder / "tiles.arrow")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IndexFolderError, match=r"tiles\.arrow that is none .*do not ascend"):
        _ = TileIndex.open(folder).tiles


def test_an_index_of_layout_1_opens_and_gives_the_same(
    home, tiny_index: TileIndex, layout_1: Path, pattern_encoder: PatternEncoder
) -> None:
    old = TileIndex.open(layout_1)
    old.verify()
    assert old.tiles.rows().equals(tiny_index.tiles.rows())
    assert old.tiles.observed.dtype == tiny_index.tiles.observed.dtype
    assert old.coverage.equals(tiny_index.coverage)
    layers = []
    for index in (old, tiny_index):
        ws = a_workspace(home, index, pattern_encoder)
        layers.append(ws.layers.get(search_words(ws, "gullies").layer_ids[0]))
    assert layers[0].hash == layers[1].hash
    assert layers[0].table.equals(layers[1].table)


def test_facts_that_are_not_known_stay_unknown(tmp_path: Path) -> None:
    grid = Grid(MARS, 500.0)
    height = np.array([1.0, np.nan, 3.0], dtype=np.float32)
    table = table_of(grid, np.array([3, 4, 90]), elevation_m=height)
    table.rows().to_parquet(tmp_path / "tiles.parquet")
    write_columns(
        tmp_path / "tiles.arrow", {"tile": table.numbers, "observed": table.observed, **table.facts}
    )
    for name in ("tiles.parquet", "tiles.arrow"):
        read = TileTable(grid, read_columns(tmp_path / name))
        assert np.array_equal(read.facts["elevation_m"], height, equal_nan=True)
        assert read.facts["elevation_m"].dtype == np.float32
        assert read.numbers.tolist() == [3, 4, 90]


@given(some_tiles(), st.floats(0, 0.9))
def test_tiles_that_touch_through_others_are_one_feature(
    given_tiles: tuple[Grid, np.ndarray], share: float
) -> None:
    grid, _ = given_tiles
    tiles = np.random.default_rng(int(share * 1000)).permutation(len(grid))[: int(share * len(grid))]
    tiles = np.concatenate([tiles, tiles[:5]])
    places = np.unique(tiles)
    pairs = grid.neighbours(places)
    links = coo_array((np.ones(len(pairs[0])), np.searchsorted(places, pairs)), shape=(len(places),) * 2)
    expected = connected_components(links, directed=False)[1][np.searchsorted(places, tiles)]
    labels = link_tiles(grid, tiles)
    assert len({*zip(labels.tolist(), expected.tolist(), strict=True)}) == len(set(expected.tolist()))
    assert len(set(labels.tolist())) == len(set(expected.tolist()))
    first = np.unique(labels, return_index=True)[1]
    assert (np.diff(first) > 0).all(), "numbered in the order of their first tiles"


def grid_number(grid: Grid, name: str) -> int:
    try:
        return grid.parse_tile_id(name)
    except SettingsError:
        return -1

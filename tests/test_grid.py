"""The tile grid: it covers every body once, finds its own tiles, and knows no seam."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import BODIES, get_body
from retrieval.errors import SettingsError
from retrieval.grid import Grid, in_box


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    body = draw(st.sampled_from(list(BODIES.values())))
    coarsest = body.half_circumference_km / 4
    return Grid(body, coarsest * draw(st.floats(0.02, 1.0)))


longitudes = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 180.0, 0.0, 179.9999999]))
latitudes = st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 0.0]))


@given(grids())
def test_cells_cover_the_sphere_exactly_once(grid: Grid) -> None:
    assert grid.areas_km2().sum() == pytest.approx(grid.body.area_km2, rel=1e-12)


@given(grids())
def test_every_tile_is_found_at_its_own_centre(grid: Grid) -> None:
    assert np.array_equal(grid.locate(grid.centres()), np.arange(len(grid)))


@given(grids())
def test_tile_ids_round_trip(grid: Grid) -> None:
    tiles = np.unique(np.linspace(0, len(grid) - 1, 50).astype(int))
    ids = grid.tile_ids(tiles)
    assert ids == [grid.tile_id(tile) for tile in tiles]
    assert [grid.parse_tile_id(text) for text in ids] == tiles.tolist()


@given(grids(), st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_neighbours_are_the_cells_that_share_an_edge(grid: Grid, seed: int, share: float) -> None:
    tiles = np.arange(min(len(grid), 400))
    tiles = np.random.default_rng(seed).permutation(tiles)[: max(1, int(share * len(tiles)))]
    first, second = grid.neighbours(np.concatenate([tiles, tiles[:1]]))
    cells = grid.cells(tiles)
    # Shifted copies let the eastmost column meet the westmost.
    around = [shapely.transform(cells, lambda xy, by=by: xy + np.array([by, 0.0])) for by in (0, 360)]
    tree = shapely.STRtree(np.concatenate(around))
    one, other = tree.query(cells, predicate="touches")
    edge = shapely.length(shapely.intersection(cells[one], np.concatenate(around)[other])) > 1e-9
    other %= len(tiles)
    pairs = {
        tuple(sorted((int(tiles[a]), int(tiles[b])))) for a, b in zip(one[edge], other[edge], strict=True)
    }
    assert {(int(a), int(b)) for a, b in zip(first, second, strict=True)} == pairs
    assert len(first) == len(pairs)


def test_a_block_of_cells_has_one_outline_without_gaps() -> None:
    grid = Grid(get_body("mars"), 200.0)
    everything = shapely.union_all(grid.cells(np.arange(len(grid))))
    assert everything.equals(shapely.box(-180, -90, 180, 90))
    assert grid.areas_km2().sum() == pytest.approx(grid.body.area_km2, rel=1e-12)


@given(grids(), longitudes, latitudes)
def test_any_point_lies_in_the_cell_that_locate_names(grid: Grid, lon: float, lat: float) -> None:
    tile = int(grid.locate([lon, lat]))
    cell = grid.cells([tile])[0]
    assert cell.buffer(1e-6).covers(shapely.Point((lon + 180) % 360 - 180, lat)) or cell.buffer(1e-6).covers(
        shapely.Point(lon, lat)
    )


def test_cells_are_nearly_equal_in_area_away_from_the_poles() -> None:
    grid = Grid(get_body("mars"), 120.0)
    areas = grid.areas_km2() / 120.0**2
    assert np.quantile(areas, [0.01, 0.99]) == pytest.approx([1.0, 1.0], abs=0.05)
    assert areas.min() > 0.7
    assert areas.max() < 1.3


@given(grids(), longitudes, st.floats(0.0, 400.0), latitudes, latitudes)
def test_within_bounds_is_what_a_look_at_every_tile_finds(
    grid: Grid, west: float, width: float, south: float, north: float
) -> None:
    if not south < north:
        south, north = -30.0, 40.0
    everyone = np.flatnonzero(in_box(grid.centres(), west, south, west + width, north))
    assert np.array_equal(grid.within_bounds(west, south, west + width, north), everyone)


def test_a_box_may_cross_the_antimeridian_and_come_in_either_domain() -> None:
    points = [[179.5, 0.0], [-179.5, 0.0], [0.0, 0.0]]
    assert in_box(points, 170, -10, -170, 10).tolist() == [True, True, False]
    assert in_box(points, 170, -10, 190, 10).tolist() == [True, True, False]
    assert in_box(points, 0, -90, 360, 90).all()


@pytest.mark.parametrize(
    "box", [(0, 10, 20, 5), (0, -91, 20, 5), (0, 0, float("nan"), 5), (0, float("-inf"), 5, 5)]
)
def test_boxes_that_are_none_are_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(SettingsError):
        in_box([[0.0, 0.0]], *box)


@pytest.mark.parametrize("lonlat", [(0, 89.99), (179.999, 10), (-179.999, -45), (30, -89.99)])
def test_footprints_and_pixels_are_squares_on_the_ground(lonlat: tuple[float, float]) -> None:
    grid = Grid(get_body("mars"), 100.0)
    tile = int(grid.locate(lonlat))
    centre = grid.centres([tile])[0]
    outline = grid.footprint(tile, points_per_side=4)
    assert outline.shape == (16, 2)
    corners = grid.body.distance_km(centre, outline[::4])
    assert corners == pytest.approx([100 * np.sqrt(0.5)] * 4, abs=1e-6)
    pixels = grid.pixel_lonlat(tile, 5)
    assert grid.body.distance_km(centre, pixels[2, 2]) == pytest.approx(0.0, abs=1e-6)
    east, north = grid.body.lonlat_to_offsets(centre, pixels[0, 4])
    assert (east, north) == pytest.approx((40.0, 40.0), abs=1e-6)


def test_the_first_outline_point_is_the_north_west_corner() -> None:
    grid = Grid(get_body("lowell"), 16.0)
    tile = int(grid.locate([20.0, 30.0]))
    east, north = grid.body.lonlat_to_offsets(grid.centres([tile])[0], grid.footprint(tile)[0])
    assert (east, north) == pytest.approx((-8.0, 8.0), abs=1e-9)


def test_a_grid_as_fine_as_a_hirise_image_needs_costs_nothing() -> None:
    grid = Grid(get_body("mars"), 0.1)
    assert len(grid) > 10_000_000_000
    tile = int(grid.locate([137.4, -4.6]))
    assert grid.body.distance_km(grid.centres([tile])[0], [137.4, -4.6]) < 0.08
    assert grid.parse_tile_id(grid.tile_id(tile)) == tile
    assert len(grid.within_bounds(137.40, -4.61, 137.41, -4.60)) == pytest.approx(35, abs=12)


@pytest.mark.parametrize("tile_km", [0.0, -1.0, float("nan"), float("inf"), 5000.0, 0.001])
def test_impossible_tile_sizes_are_refused(tile_km: float) -> None:
    with pytest.raises(SettingsError, match="tiles of"):
        Grid(get_body("mars"), tile_km)


@pytest.mark.parametrize("text", ["", "tile 4", "60km-r99c00", "61km-r00c00", "60km-r00c99", "60km-r-1c0"])
def test_names_of_no_tile_are_refused_with_an_example(text: str) -> None:
    grid = Grid(get_body("lowell"), 60.0)
    with pytest.raises(SettingsError, match="60km-r00c00"):
        grid.parse_tile_id(text)

"""Tiles drawn many at once look as if each had been drawn alone, pixel by pixel, on any raster."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio import Affine

from retrieval.body import get_body
from retrieval.corpus import raster as drawing
from retrieval.corpus.lattice import Lattice, lattice_on
from retrieval.corpus.raster import RasterSource, open_rasters
from retrieval.corpus.rasterfile import Raster, open_dataset
from retrieval.corpus.strips import draw_strips
from retrieval.grid import Grid

MARS = get_body("mars")
SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIXEL_DEG = 4.0


@st.composite
def rasters(draw: st.DrawFn) -> dict[str, Any]:
    """What a raster is made of: its box in pixels of 4 degrees, bands, kind of values and holes."""
    whole = draw(st.booleans())
    height = 45 if whole else draw(st.integers(6, 30))
    width = 90 if whole else draw(st.integers(6, 60))
    return {
        "west": draw(st.sampled_from([-180.0, 0.0, -36.0]) if whole else st.integers(-180, 170)),
        "north": 90.0 if whole else draw(st.integers(-90 + int(PIXEL_DEG) * height, 90)),
        "shape": (draw(st.sampled_from([1, 3])), height, width),
        "dtype": draw(st.sampled_from(["uint8", "int16", "float32"])),
        "holes": draw(st.integers(0, 3)),
        "smooth": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32 - 1)),
    }


def made(path: Path, of: dict[str, Any]) -> Path:
    """Write a raster; 0 is no data."""
    rng = np.random.default_rng(of["seed"])
    bands, height, width = of["shape"]
    data = rng.integers(1, 255, of["shape"]).astype(float)
    if of["smooth"]:
        data = np.round(
            128 + 120 * np.sin(np.arange(height)[:, None] / 5 + np.arange(width) / 7 + data[:, :1, :1])
        )
    if of["dtype"] != "uint8":
        data = data * 37.5 - 2000
        data[data == 0] = 1
    for _ in range(of["holes"]):
        top, left = rng.integers(0, height), rng.integers(0, width)
        data[:, top : top + rng.integers(1, 9), left : left + rng.integers(1, 9)] = 0
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=bands,
        height=height,
        width=width,
        dtype=of["dtype"],
        crs=rasterio.CRS.from_user_input("IAU_2015:49900"),
        transform=Affine(PIXEL_DEG, 0, of["west"], 0, -PIXEL_DEG, of["north"]),
        nodata=0 if of["holes"] else None,
        photometric="RGB" if bands == 3 else "MINISBLACK",
    ) as dataset:
        dataset.write(data.astype(of["dtype"]))
    return path


def one_by_one(source: RasterSource, grid: Grid, tiles: NDArray[np.int64], size: int) -> Any:
    """The same drawn without strips."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(drawing, "draw_strips", lambda _, lattice, *rest: np.arange(len(lattice.tiles)))
        return source.read(grid, tiles, size)


@SLOW
@given(
    st.lists(rasters(), min_size=1, max_size=2), st.sampled_from([300.0, 777.0, 1500.0]), st.integers(8, 40)
)
def test_tiles_drawn_together_are_those_drawn_alone(
    tmp_path: Path, of: list[dict[str, Any]], tile_km: float, size: int
) -> None:
    paths = [made(tmp_path / f"{number}.tif", one) for number, one in enumerate(of)]
    source, grid = open_rasters(paths, MARS, kind="image"), Grid(MARS, tile_km)
    tiles = source.candidates(grid)
    tiles = tiles[:: max(1, len(tiles) // 120)]
    together, alone = source.read(grid, tiles, size), one_by_one(source, grid, tiles, size)
    assert np.array_equal(together.observed, alone.observed)
    apart = np.abs(together.pixels.astype(int) - alone.pixels)
    # A half may be rounded to either side: where a pixel lies is worked out in another order.
    assert apart.max(initial=0) <= 1
    assert np.count_nonzero(apart) <= 1e-4 * apart.size


def expected(
    raster: Raster, data: NDArray[np.float64], has_data: NDArray[np.bool_], lattice: Lattice, number: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values drawn (bands, s, s) before they are rounded, and the neighbours' weight with data, (s, s)."""
    rows, cols = lattice.places(number)
    top, left = np.floor(rows).astype(int), np.floor(cols).astype(int)
    total, weight = np.zeros((len(data), *rows.shape)), np.zeros(rows.shape)
    for down in (0, 1):
        for along in (0, 1):
            share = np.abs(1 - down - (rows - top)) * np.abs(1 - along - (cols - left))
            i = np.clip(top + down, 0, raster.height - 1)
            j = (left + along) % raster.width if raster.cyclic else np.clip(left + along, 0, raster.width - 1)
            share = share * has_data[i, j]
            total += share * data[:, i, j]
            weight += share
    inside = raster.holds(rows, cols)
    values = total / np.maximum(weight, 1e-12)
    for band, (black, white) in enumerate(raster.stretch):
        values[band] = (values[band] - black) / (white - black) * 255
    return np.clip(values, 0, 255), np.where(inside, weight, 0.0)


@SLOW
@given(rasters(), st.sampled_from([300.0, 777.0, 1500.0]), st.integers(8, 40))
def test_tiles_are_what_bilinear_sampling_says(
    tmp_path: Path, of: dict[str, Any], tile_km: float, size: int
) -> None:
    source, grid = open_rasters([made(tmp_path / "a.tif", of)], MARS, kind="image"), Grid(MARS, tile_km)
    raster = source.rasters[0]
    tiles = source.candidates(grid)
    tiles = tiles[:: max(1, len(tiles) // 40)]
    lattice = lattice_on(raster, grid, tiles, size)
    pixels = np.zeros((len(tiles), size, size, 3), dtype=np.uint8)
    seen = np.zeros((len(tiles), size, size), dtype=bool)
    with open_dataset(raster.path) as dataset:
        data = dataset.read().astype(float)
        left = draw_strips(dataset, lattice, np.arange(len(tiles)), pixels, seen)
    has_data = (data != 0).any(axis=0) if of["holes"] else np.ones(data.shape[1:], dtype=bool)
    for number in sorted(set(range(len(tiles))) - set(left.tolist())):
        values, weight = expected(raster, data, has_data, lattice, number)
        sure = np.abs(weight - 0.5) > 1e-5
        assert np.array_equal(seen[number][sure], weight[sure] > 0.5)
        drawn = np.moveaxis(np.broadcast_to(values, (3, size, size)), 0, -1)
        assert np.abs(pixels[number] - drawn)[seen[number]].max(initial=0) < 0.502
        assert not pixels[number][~seen[number]].any()


def test_most_tiles_of_a_coarse_mosaic_are_drawn_together(tmp_path: Path) -> None:
    """Else all else here would hold and nothing be gained."""
    of = {"west": 0.0, "north": 90.0, "shape": (1, 45, 90), "dtype": "uint8", "holes": 0, "smooth": True}
    source, grid = open_rasters([made(tmp_path / "a.tif", {**of, "seed": 0})], MARS), Grid(MARS, 300.0)
    lattice = lattice_on(source.rasters[0], grid, np.arange(len(grid)), 24)
    pixels = np.zeros((len(grid), 24, 24, 3), dtype=np.uint8)
    seen = np.zeros((len(grid), 24, 24), dtype=bool)
    with open_dataset(source.rasters[0].path) as dataset:
        left = draw_strips(dataset, lattice, np.arange(len(grid)), pixels, seen)
    assert len(left) < 0.1 * len(grid)

"""Tiles from rasters: a known field in many projections must come back the same on the ground."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from PIL import Image
from pyproj import CRS
from rasterio import Affine
from rasterio.enums import ColorInterp

from retrieval.body import get_body
from retrieval.corpus.raster import RasterSource, open_rasters
from retrieval.corpus.source import TileSource
from retrieval.errors import BodyMismatchError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.index import build_index
from tests.fakes import PatternEncoder

MARS = get_body("mars")
RADIUS = MARS.radius_m
GRID = Grid(MARS, 300.0)
WHOLE = (-180.0, -90.0, 180.0, 90.0)


def field(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """A smooth field on the sphere, 8..248: continuous across the seam and at the poles."""
    lon, lat = np.radians(lonlat[..., 0]), np.radians(lonlat[..., 1])
    return np.asarray(128 + 70 * np.sin(3 * lon) * np.cos(lat) ** 3 + 50 * np.sin(4 * lat))


def write(path: Path, data: NDArray[Any], crs: str | None, transform: Affine, **profile: Any) -> Path:
    bands = data if data.ndim == 3 else data[None]
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(bands),
        height=bands.shape[1],
        width=bands.shape[2],
        dtype=bands.dtype,
        crs=crs and CRS.from_user_input(crs).to_wkt(),
        transform=transform,
        **profile,
    ) as dataset:
        dataset.write(bands)
    return path


def world(path: Path, west: float = -180.0, dtype: str = "uint8", **profile: Any) -> Path:
    """The field over the whole of Mars in half-degree pixels, from a western edge eastward."""
    lon, lat = np.meshgrid(west + 0.25 + np.arange(720) * 0.5, 89.75 - np.arange(360) * 0.5)
    values = np.rint(field(np.stack([lon, lat], axis=-1))).astype(dtype)
    return write(path, values, "IAU_2015:49900", Affine(0.5, 0, west, 0, -0.5, 90), **profile)


def patch(path: Path, crs: str, half_m: float, size: int = 400) -> Path:
    """The field over a square of a projection, about its origin."""
    step = 2 * half_m / size
    transform = Affine(step, 0, -half_m, 0, -step, half_m)
    cols, rows = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    x, y = cols * step - half_m, half_m - rows * step
    lonlat = MARS.lonlat_from(CRS.from_user_input(crs), x, y)
    values = np.where(np.isfinite(lonlat).all(axis=-1), np.nan_to_num(field(lonlat)), 0)
    return write(path, np.rint(values).astype("uint8"), crs, transform, nodata=0)


def error_of(source: RasterSource, places: list[tuple[float, float]], grid: Grid = GRID) -> float:
    """Largest difference of the drawn tiles from the field, where there are data."""
    tiles = grid.locate(places)
    batch = source.read(grid, tiles, 24)
    assert (batch.observed > 0.5).all()
    lonlat = np.stack([grid.pixel_lonlat(int(tile), 24) for tile in tiles])
    drawn = batch.pixels[..., 0].astype(float)
    return float(np.abs(drawn - field(lonlat))[drawn > 0].max())


EVERYWHERE = [(0, 0), (179.99, 10), (-179.99, -50), (60, 89.9), (-100, -89.9), (33, 70)]


@pytest.mark.parametrize("west", [-180.0, 0.0, 30.0])
def test_whole_planet_rasters_have_no_seam_and_no_poles(tmp_path: Path, west: float) -> None:
    source = open_rasters([world(tmp_path / "world.tif", west)], MARS)
    assert len(source.candidates(GRID)) == len(GRID)
    assert error_of(source, EVERYWHERE) < 3.0
    assert (source.read(GRID, GRID.locate(EVERYWHERE), 24).observed == 1.0).all()


@pytest.mark.parametrize(
    ("crs", "half_m", "places"),
    [
        (f"+proj=stere +lat_0=90 +R={RADIUS} +no_defs", 1.2e6, [(0, 89.9), (180, 80), (-45, 75)]),
        (f"+proj=stere +lat_0=-90 +lon_0=90 +R={RADIUS} +no_defs", 1.2e6, [(0, -89.9), (-120, -78)]),
        (f"+proj=sinu +lon_0=180 +R={RADIUS} +no_defs", 1.5e6, [(180, 0), (-172, 15), (171, -14)]),
        (f"+proj=eqc +lon_0=137 +R={RADIUS} +no_defs", 1.5e6, [(137, 0), (150, 14)]),
        (f"+proj=tmerc +lon_0=-60 +lat_0=40 +R={RADIUS} +no_defs", 1.0e6, [(-60, 40), (-70, 48)]),
    ],
)
def test_any_projection_gives_the_same_ground(
    tmp_path: Path, crs: str, half_m: float, places: list[tuple[float, float]]
) -> None:
    source = open_rasters([patch(tmp_path / "patch.tif", crs, half_m)], MARS)
    assert error_of(source, places) < 2.0
    candidates = source.candidates(GRID)
    assert set(GRID.locate(places)) <= set(candidates)
    far = np.setdiff1d(np.arange(len(GRID)), candidates)
    assert not source.read(GRID, far[:: len(far) // 40], 8).observed.any()


def test_a_metric_whole_planet_raster_from_0_to_360_is_cyclic_too(tmp_path: Path) -> None:
    # x runs from 0 to the circumference although the CRS has its meridian at 0.
    step = 2 * np.pi * RADIUS / 720
    world(tmp_path / "degrees.tif", 0.0)
    with rasterio.open(tmp_path / "degrees.tif") as degrees:
        data = degrees.read()
    transform = Affine(step, 0, 0, 0, -step, np.pi * RADIUS / 2)
    path = write(tmp_path / "metres.tif", data, f"+proj=eqc +R={RADIUS} +no_defs", transform)
    source = open_rasters([path], MARS)
    assert source.rasters[0].cyclic
    assert error_of(source, EVERYWHERE) < 3.0


def test_west_positive_rasters_are_turned(tmp_path: Path) -> None:
    # GeoTIFF has no room for the direction of an axis, a VRT has.
    world(tmp_path / "east.tif", 0.0)
    with rasterio.open(tmp_path / "east.tif") as dataset:
        mirrored = dataset.read()[..., ::-1]
    write(tmp_path / "west.tif", mirrored, "IAU_2015:49900", Affine(0.5, 0, 0, 0, -0.5, 90))
    rasterio.shutil.copy(tmp_path / "west.tif", tmp_path / "west.vrt", driver="VRT")
    text = (tmp_path / "west.vrt").read_text()
    assert '"Longitude",EAST' in text
    (tmp_path / "west.vrt").write_text(text.replace('"Longitude",EAST', '"Longitude",WEST'))
    assert error_of(open_rasters([tmp_path / "west.vrt"], MARS), EVERYWHERE) < 3.0


@pytest.mark.parametrize("bounds", [(0, -90, 360, 90), (-180, -90, 180, 90)])
@pytest.mark.parametrize("name", ["world.jpg", "world.png"])
def test_plain_pictures_are_placed_by_bounds(
    tmp_path: Path, name: str, bounds: tuple[float, float, float, float]
) -> None:
    with rasterio.open(world(tmp_path / "world.tif", bounds[0])) as dataset:
        Image.fromarray(dataset.read(1)).save(tmp_path / name, quality=95)
    source = open_rasters([tmp_path / name], MARS, bounds)
    assert error_of(source, EVERYWHERE) < 6.0


def test_bounds_may_cross_the_antimeridian(tmp_path: Path) -> None:
    Image.new("L", (40, 20), 200).save(tmp_path / "strip.png")
    source = open_rasters([tmp_path / "strip.png"], MARS, (170, -10, -170, 10))
    batch = source.read(GRID, GRID.locate([(179.9, 0), (-179.9, 0), (0, 0)]), 8)
    assert batch.observed.tolist() == [1.0, 1.0, 0.0]
    assert sorted(GRID.centres(source.candidates(GRID))[:, 0].round().tolist())[0] < -170


def test_nodata_and_outside_are_not_observed(tmp_path: Path) -> None:
    data = np.full((100, 100), 50, dtype="uint8")
    data[:, 50:] = 0
    path = write(tmp_path / "half.tif", data, "IAU_2015:49900", Affine(0.2, 0, 0, 0, -0.2, 10), nodata=0)
    grid = Grid(MARS, 60.0)
    batch = open_rasters([path], MARS).read(grid, grid.locate([(5, 0), (15, 0), (10, 0), (-40, 0)]), 16)
    assert batch.observed[[0, 1, 3]].tolist() == [1.0, 0.0, 0.0]
    assert 0.05 < batch.observed[2] < 0.95
    assert set(np.unique(batch.pixels[2])) == {0, 50}
    assert batch.facts == {}


def test_floats_with_nan_are_stretched_and_masked(tmp_path: Path) -> None:
    with rasterio.open(world(tmp_path / "world.tif")) as dataset:
        data = dataset.read(1).astype("float32") / 1e4
    data[:, :360] = np.nan
    data[0, 500] = 1e9  # one hot pixel must not darken the rest
    path = write(tmp_path / "albedo.tif", data, "IAU_2015:49900", Affine(0.5, 0, -180, 0, -0.5, 90))
    source = open_rasters([path], MARS)
    ((black, white),) = source.rasters[0].stretch
    assert 0.0 <= black < white < 0.03
    batch = source.read(GRID, GRID.locate([(90, 0), (-90, 0)]), 16)
    assert batch.observed.tolist() == [1.0, 0.0]
    some = source.read(GRID, GRID.locate(np.stack([np.arange(5, 175, 10), np.zeros(17)], -1)), 16)
    assert np.ptp(some.pixels) > 150


def test_bands_become_red_green_blue(tmp_path: Path) -> None:
    data = np.stack([np.full((10, 20), value, dtype="uint8") for value in (10, 20, 30, 40)])
    path = write(tmp_path / "bgr.tif", data, "IAU_2015:49900", Affine(18, 0, -180, 0, -18, 90))
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    pixels = open_rasters([path], MARS).read(GRID, [7], 4).pixels
    assert pixels[0, 0, 0].tolist() == [30, 20, 10]


def test_palettes_are_painted_with_their_colours(tmp_path: Path) -> None:
    picture = Image.new("P", (20, 10), 1)
    picture.putpalette([0, 0, 0, 250, 120, 60])
    picture.save(tmp_path / "map.png")
    pixels = open_rasters([tmp_path / "map.png"], MARS, WHOLE).read(GRID, [7], 4).pixels
    assert pixels[0, 0, 0].tolist() == [250, 120, 60]


def test_transparent_pixels_are_not_observed(tmp_path: Path) -> None:
    rgba = np.full((10, 20, 4), 200, dtype="uint8")
    rgba[:, :10, 3] = 0
    Image.fromarray(rgba).save(tmp_path / "half.png")
    batch = open_rasters([tmp_path / "half.png"], MARS, WHOLE).read(GRID, GRID.locate([(-90, 0), (90, 0)]), 8)
    assert batch.observed.tolist() == [0.0, 1.0]


def test_fine_rasters_are_averaged_not_sampled(tmp_path: Path) -> None:
    board = (np.indices((2000, 2000)).sum(axis=0) % 2 * 255).astype("uint8")
    path = write(tmp_path / "board.tif", board, "IAU_2015:49900", Affine(0.01, 0, 0, 0, -0.01, 10))
    pixels = open_rasters([path], MARS).read(GRID, GRID.locate([(10, 0)]), 16).pixels
    assert np.abs(pixels.astype(int) - 127).max() < 25


def test_the_first_raster_with_data_wins(tmp_path: Path) -> None:
    half = np.full((10, 20), 90, dtype="uint8")
    half[:, 10:] = 0
    transform = Affine(18, 0, -180, 0, -18, 90)
    first = write(tmp_path / "first.tif", half, "IAU_2015:49900", transform, nodata=0)
    second = write(tmp_path / "second.tif", np.full_like(half, 33), "IAU_2015:49900", transform)
    source = open_rasters([first, second], MARS)
    assert source.name == "first.tif and 1 more"
    batch = source.read(GRID, GRID.locate([(-90, 0), (90, 0)]), 8)
    assert batch.pixels[:, 4, 4, 0].tolist() == [90, 33]
    assert batch.observed.tolist() == [1.0, 1.0]


def cone(path: Path, dtype: str = "float32") -> Path:
    """A cone of 10 km radius and 3 km height at 10 E, 0 N in an elevation model with a hole."""
    lon, lat = np.meshgrid(9.5 + (np.arange(400) + 0.5) / 400, 0.5 - (np.arange(400) + 0.5) / 400)
    away = MARS.distance_km(np.stack([lon, lat], axis=-1), [10.0, 0.0])
    data = np.clip(3000 - 300 * away, 0, None) - 2000
    data[:20, :20] = -32768
    return write(
        path, data.astype(dtype), "IAU_2015:49900", Affine(0.0025, 0, 9.5, 0, -0.0025, 0.5), nodata=-32768
    )


def test_elevation_models_are_shaded_and_give_elevation(tmp_path: Path) -> None:
    source = open_rasters([cone(tmp_path / "hill_dem.tif")], MARS)
    assert source.describe()["files"][0]["drawn_as"] == "dem"
    grid = Grid(MARS, 30.0)
    tile = int(grid.locate([10.0, 0.0]))
    batch = source.read(grid, [tile], 60)
    east, north = MARS.lonlat_to_offsets(grid.centres([tile])[0], [10.0, 0.0])
    col, row = int(30 + east * 2), int(30 - north * 2)
    light = batch.pixels[0, ..., 0].astype(int)
    # Lit from the north-west: that flank is brighter than the other.
    assert light[row - 5, col - 5] > light[row + 5, col + 5] + 60
    assert -2000 < batch.facts["elevation_m"][0] < -1000


@pytest.mark.parametrize(
    ("name", "dtype", "unit", "kind"),
    [
        ("gale_dem_1m.tif", "float32", None, "dem"),
        ("MOLA-topography.tif", "int16", None, "dem"),
        ("plain.tif", "int16", "m", "dem"),
        ("plain.tif", "float32", None, "image"),
        ("modem.tif", "float32", None, "image"),
        ("dem.tif", "uint16", None, "image"),
    ],
)
def test_the_rule_for_elevation(tmp_path: Path, name: str, dtype: str, unit: str | None, kind: str) -> None:
    data = np.arange(5000).reshape(50, 100).astype(dtype)
    path = write(tmp_path / name, data, "IAU_2015:49900", Affine(3.6, 0, -180, 0, -3.6, 90))
    if unit:
        with rasterio.open(path, "r+") as dataset:
            dataset.units = [unit]
    assert open_rasters([path], MARS).rasters[0].kind == kind
    assert open_rasters([path], MARS, kind="image").rasters[0].kind == "image"
    assert open_rasters([path], MARS, kind="dem").rasters[0].kind == "dem"


def test_elevation_comes_with_pictures_when_both_are_given(tmp_path: Path) -> None:
    picture = world(tmp_path / "world.tif")
    data = np.full((90, 180), -1234, dtype="int16")
    dem = write(tmp_path / "dem.tif", data, "IAU_2015:49900", Affine(2, 0, -180, 0, -2, 90))
    source = open_rasters([picture, dem], MARS)
    batch = source.read(GRID, GRID.locate(EVERYWHERE), 24)
    assert batch.facts["elevation_m"] == pytest.approx([-1234.0] * len(EVERYWHERE))
    assert error_of(source, EVERYWHERE) < 3.0


def test_scaled_elevation_is_in_metres(tmp_path: Path) -> None:
    data = np.full((9, 18), 100, dtype="int16")
    path = write(tmp_path / "dem.tif", data, "IAU_2015:49900", Affine(20, 0, -180, 0, -20, 90))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = [0.5], [7.0]
    assert open_rasters([path], MARS).read(GRID, [5], 8).facts["elevation_m"] == pytest.approx([57.0])


def test_sources_travel_to_workers_and_know_when_they_change(tmp_path: Path) -> None:
    path = world(tmp_path / "world.tif")
    source = open_rasters([path], MARS)
    assert isinstance(source, TileSource)
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301
    moved = Path(shutil.copy(path, tmp_path / "moved.tif"))
    assert open_rasters([moved], MARS).fingerprint() == source.fingerprint()
    assert open_rasters([path], MARS, kind="dem").fingerprint() != source.fingerprint()
    with rasterio.open(path, "r+") as dataset:
        dataset.write(255 - dataset.read())
    assert open_rasters([path], MARS).fingerprint() != source.fingerprint()


def test_a_raster_without_crs_says_how_to_place_it(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 9).save(tmp_path / "map.png")
    with pytest.raises(RasterError, match="pass --bounds W S E N"):
        open_rasters([tmp_path / "map.png"], MARS)


@pytest.mark.parametrize(
    "bounds",
    [
        (0, -95, 360, 90),
        (0, 10, 20, 10),
        (5, 0, 5, 10),
        (-300, 0, 300, 10),
        (float("nan"), 0, 1, 1),
        (0, 0, 800, 9),
    ],
)
def test_bounds_that_are_no_box_are_refused(
    tmp_path: Path, bounds: tuple[float, float, float, float]
) -> None:
    Image.new("L", (20, 10), 9).save(tmp_path / "map.png")
    with pytest.raises(RasterError, match="are no box"):
        open_rasters([tmp_path / "map.png"], MARS, bounds)


def test_bounds_for_a_placed_raster_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="leave out --bounds"):
        open_rasters([world(tmp_path / "world.tif")], MARS, WHOLE)


def test_a_raster_of_another_body_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "earth.tif", np.zeros((5, 5), "uint8"), "EPSG:32618", Affine(30, 0, 5e5, 0, -30, 4e6)
    )
    with pytest.raises(BodyMismatchError, match=r"earth\.tif has a CRS of earth.*--body earth"):
        open_rasters([path], MARS)


def test_what_is_no_raster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="does not exist"):
        open_rasters([tmp_path / "gone.tif"], MARS)
    with pytest.raises(RasterError, match="is a folder"):
        open_rasters([tmp_path], MARS)
    (tmp_path / "notes.tif").write_text("these are notes")
    with pytest.raises(RasterError, match="no raster that can be read"):
        open_rasters([tmp_path / "notes.tif"], MARS)
    (tmp_path / "empty.tif").touch()
    with pytest.raises(RasterError, match="no raster that can be read"):
        open_rasters([tmp_path / "empty.tif"], MARS)
    with pytest.raises(RasterError, match="no raster was given"):
        open_rasters([], MARS)
    with pytest.raises(SettingsError, match="auto, image, dem"):
        open_rasters([tmp_path / "notes.tif"], MARS, kind="map")  # type: ignore[arg-type]
    path = write(
        tmp_path / "waves.tif", np.zeros((5, 5), "complex64"), "IAU_2015:49900", Affine(2, 0, 0, 0, -2, 0)
    )
    with pytest.raises(RasterError, match="no band that can be drawn"):
        open_rasters([path], MARS)


def test_an_empty_float_raster_is_refused(tmp_path: Path) -> None:
    data = np.full((50, 50), np.nan, dtype="float32")
    path = write(tmp_path / "void.tif", data, "IAU_2015:49900", Affine(1, 0, 0, 0, -1, 25))
    with pytest.raises(RasterError, match="no data in any of the places"):
        open_rasters([path], MARS)


@pytest.mark.parametrize("name", ["world.jpg", "world.png"])
@pytest.mark.parametrize("share", [0.3, 0.97])
def test_a_truncated_picture_is_torn_not_grey(tmp_path: Path, name: str, share: float) -> None:
    with rasterio.open(world(tmp_path / "world.tif")) as dataset:
        Image.fromarray(dataset.read(1)).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RasterError, match="is torn"):
        open_rasters([tmp_path / name], MARS, WHOLE)


@pytest.mark.parametrize(
    "profile", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 64, "blockysize": 64}]
)
@pytest.mark.parametrize("share", [0.4, 0.99])
def test_a_truncated_tiff_is_torn(tmp_path: Path, profile: dict[str, Any], share: float) -> None:
    path = world(tmp_path / "world.tif", **profile)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(RasterError, match=r"torn|cannot be read|no raster that can be read"):
        open_rasters([path], MARS)


def test_a_file_torn_after_opening_is_found_while_drawing(tmp_path: Path) -> None:
    path = world(tmp_path / "world.tif")
    source = open_rasters([path], MARS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RasterError, match=r"world\.tif is torn"):
        source.read(GRID, GRID.locate(EVERYWHERE), 24)
    path.unlink()
    with pytest.raises(RasterError, match="does not exist"):
        source.read(GRID, [0], 24)


def test_a_picture_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (200, 100), 9).save(tmp_path / "map.png")
    monkeypatch.setattr("retrieval.corpus.rasterfile.MAX_DECODED_BYTES", 1000)
    with pytest.raises(RasterError, match="gdal_translate -of COG"):
        open_rasters([tmp_path / "map.png"], MARS, WHOLE)


def test_mola_in_its_own_domain_knows_the_volcano_and_the_basin(real_data: Path, tmp_path: Path) -> None:
    metres = np.fromfile(real_data / "mars-rasters" / "megt90n000cb.img", ">i2").reshape(720, 1440)
    path = write(
        tmp_path / "mola.tif", metres.astype("int16"), "IAU_2015:49900", Affine(0.25, 0, 0, 0, -0.25, 90)
    )
    source = open_rasters([path], MARS)
    batch = source.read(GRID, GRID.locate([(-133.8, 18.65), (70, -42), (179.99, 0)]), 32)
    olympus, hellas, _ = batch.facts["elevation_m"]
    assert olympus > 10_000
    assert hellas < -5_000
    assert (batch.observed == 1.0).all()


def test_real_files_of_two_bodies_are_drawn(real_data: Path) -> None:
    gale = open_rasters([real_data / "mars-rasters" / "gale_dem_1m.tif"], MARS)
    grid = Grid(MARS, 0.06)
    batch = gale.read(grid, gale.candidates(grid), 16)
    assert (batch.observed >= 0.5).sum() > 20
    assert np.nanmedian(batch.facts["elevation_m"]) == pytest.approx(-4465, abs=30)
    earth = get_body("earth")
    islands = open_rasters([real_data / "earth-rasters" / "rasterio_RGB.byte.tif"], earth)
    coarse = Grid(earth, 25.0)
    seen = islands.read(coarse, islands.candidates(coarse), 16)
    assert (seen.observed >= 0.5).sum() > 40
    assert np.ptp(seen.pixels.reshape(-1, 3).astype(int), axis=1).max() > 50


def test_an_index_of_a_regional_model_knows_its_edges(tmp_path: Path) -> None:
    source = open_rasters([cone(tmp_path / "hill_dem.tif")], MARS)
    grid = Grid(MARS, 6.0)
    index = build_index(source, grid, PatternEncoder(), tmp_path / "index")
    coverage = index.manifest.coverage
    assert coverage["looked_at"] > coverage["indexed"] > 60
    elevation = index.tiles.facts["elevation_m"]
    assert ((elevation >= -2001) & (elevation <= 1000)).all()
    assert (index.tiles.observed >= 0.5).all()
    assert index.manifest.source["files"][0]["file"] == "hill_dem.tif"
    assert index.observed_share([0]).tolist() == [0.0]


def test_an_index_of_a_raster_smaller_than_a_tile_is_refused_with_advice(tmp_path: Path) -> None:
    source = open_rasters([cone(tmp_path / "hill_dem.tif")], MARS)
    with pytest.raises(RasterError, match="choose smaller tiles"):
        build_index(source, Grid(MARS, 1000.0), PatternEncoder(), tmp_path / "index")

"""Rasters and maps asked at positions: means over discs, at the seam and the poles, with gaps and units."""

import warnings
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.errors import NotGeoreferencedWarning

from retrieval.body import BODIES
from retrieval.corpus.context import (
    ContextFile,
    ContextRaster,
    elevation_of,
    open_context,
    read_context_table,
    sample_at,
    units_at,
)
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.terrain import terrain_at
from retrieval.errors import BodyMismatchError, GeometryError, RasterError, SettingsError
from retrieval.settings import real_data_folder
from retrieval.spatial.directions import apart_deg

MARS = BODIES["mars"]
PER_DEG = 2
KM_PER_DEG = MARS.radius_km * np.radians(1.0)


def pixels(first_lon: float = -180.0) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of the pixels of a whole-planet raster, row 0 in the north."""
    lon = first_lon + (np.arange(360 * PER_DEG) + 0.5) / PER_DEG
    lat = 90.0 - (np.arange(180 * PER_DEG) + 0.5) / PER_DEG
    return np.meshgrid(lon, lat)


def ground(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """A smooth value without seam or pole."""
    x = np.cos(np.radians(lat)) * np.cos(np.radians(lon))
    return np.asarray(1000.0 * x + 500.0 * np.sin(np.radians(lat)))


def write(
    path: Path, values: np.ndarray, *, first_lon: float = -180.0, crs=MARS, nodata=None, **tags
) -> Path:
    profile = {"driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 1}
    step = 1 / PER_DEG
    if crs is not None:
        profile |= {"crs": crs.crs.to_wkt(), "transform": Affine(step, 0, first_lon, 0, -step, 90)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", dtype=values.dtype.name, nodata=nodata, **profile) as out:
            out.write(values, 1)
            out.update_tags(**tags)
    return path


@pytest.fixture(scope="module")
def smooth(tmp_path_factory: pytest.TempPathFactory) -> ContextRaster:
    """Values on longitudes 0 to 360, so that both seams are somewhere."""
    folder = tmp_path_factory.mktemp("context")
    path = write(folder / "x.tif", ground(*pixels(0.0)).astype("float32"), first_lon=0.0)
    return open_context(MARS, {"brightness": ContextFile(path, "dn")})[0]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-180, 360), st.floats(-90, 90)), min_size=1, max_size=12),
    st.floats(0, 120),
)
def test_smooth_ground_is_found_anywhere(smooth, places, radius) -> None:
    lonlat = np.array(places)
    found = sample_at(smooth, MARS, lonlat, radius)
    assert found == pytest.approx(ground(lonlat[:, 0], lonlat[:, 1]), abs=12)


@pytest.mark.parametrize("place", [(180.0, 10.0), (0.0, 10.0), (33.0, 90.0), (-120.0, -90.0), (359.9, -89.6)])
def test_the_seam_and_the_poles_are_nothing_special(smooth, place) -> None:
    alone = sample_at(smooth, MARS, [place], 60.0)[0]
    assert alone == pytest.approx(float(ground(*np.array(place))), abs=12)
    # Whoever else is asked for, in whatever block, changes nothing.
    others = np.stack([np.linspace(-180, 179, 50), np.linspace(-89, 89, 50)], axis=-1)
    together = sample_at(smooth, MARS, np.concatenate([others, [place]]), 60.0)
    assert together[-1] == pytest.approx(alone, abs=0.5)


def test_a_disc_is_averaged_not_a_square(tmp_path: Path) -> None:
    # A single bright pixel of 29.6 km: its share of a disc of 60 km radius is its area over the disc's.
    values = np.zeros((180 * PER_DEG, 360 * PER_DEG), dtype="float32")
    values[180, 360] = 1000.0
    raster = open_context(MARS, {"x": ContextFile(write(tmp_path / "x.tif", values), "")})[0]
    centre = np.array([[0.25, -0.25]])
    side = KM_PER_DEG / PER_DEG
    assert sample_at(raster, MARS, centre, 60.0)[0] == pytest.approx(
        1000 * side**2 / (np.pi * 60**2), rel=0.35
    )
    assert sample_at(raster, MARS, centre, 0.0)[0] > 400
    # Inside the square about the disc, outside the disc.
    corner = MARS.offsets_to_lonlat(centre[0], np.array([110.0]), np.array([110.0]))
    assert sample_at(raster, MARS, corner, 120.0)[0] == 0.0


@pytest.mark.parametrize("declared", [True, False])
def test_gaps_are_left_out_and_half_a_disc_is_needed(tmp_path: Path, declared: bool) -> None:
    lon, _ = pixels()
    values = np.where(lon < 20, -99.0, 7.0).astype("float32")
    path = write(tmp_path / "x.tif", values, nodata=-99.0 if declared else None)
    file = ContextFile(path, "m", nodata=None if declared else -99.0, scale=2.0, offset=1.0)
    raster = open_context(MARS, {"depth": file})[0]
    assert raster.column == "depth_m"
    off = 30.0 / KM_PER_DEG
    found = sample_at(raster, MARS, [(10, 0), (20 - off, 0), (20 + off, 0), (60, 40), (-179.9, 3)], 90.0)
    assert np.isnan(found).tolist() == [True, True, False, False, True]
    assert found[2:4] == pytest.approx([15.0, 15.0])


def test_a_raster_without_a_crs_needs_bounds_and_a_label_of_another_body_is_refused(tmp_path: Path) -> None:
    values = ground(*pixels()).astype("float32")
    everywhere = (-180.0, -90.0, 180.0, 90.0)
    bare = write(tmp_path / "bare.tif", values, crs=None)
    with pytest.raises(RasterError, match="no coordinate reference system"):
        open_context(MARS, {"x": ContextFile(bare, "")})
    raster = open_context(MARS, {"x": ContextFile(bare, "", bounds=everywhere, nodata=-1e9)})[0]
    assert sample_at(raster, MARS, [(50.0, 20.0)], 20.0)[0] == pytest.approx(ground(50.0, 20.0), abs=12)
    moon = write(tmp_path / "moon.tif", values, crs=None, TARGET_NAME="MOON")
    with pytest.raises(BodyMismatchError, match="of moon, not of mars"):
        open_context(MARS, {"x": ContextFile(moon, "", bounds=everywhere)})
    with pytest.raises(BodyMismatchError, match="moon"):
        open_context(MARS, {"x": ContextFile(write(tmp_path / "m.tif", values, crs=BODIES["moon"]), "")})


def test_files_that_hold_no_single_quantity_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="does not exist"):
        open_context(MARS, {"x": ContextFile(tmp_path / "none.tif", "")})
    profile = {"driver": "GTiff", "width": 8, "height": 4, "count": 3, "dtype": "uint8"}
    with rasterio.open(
        tmp_path / "rgb.tif", "w", crs=MARS.crs.to_wkt(), transform=Affine(45, 0, -180, 0, -45, 90), **profile
    ) as out:
        out.write(np.ones((3, 4, 8), dtype="uint8"))
    with pytest.raises(RasterError, match="3 bands"):
        open_context(MARS, {"x": ContextFile(tmp_path / "rgb.tif", "")})


def test_bad_positions_and_discs_are_refused_and_none_are_fine(smooth) -> None:
    assert sample_at(smooth, MARS, np.zeros((0, 2)), 10.0).shape == (0,)
    with pytest.raises(GeometryError, match="row 1"):
        sample_at(smooth, MARS, [(0, 0), (0, 91)], 10.0)
    with pytest.raises(GeometryError, match="row 0"):
        sample_at(smooth, MARS, [(np.nan, 0)], 10.0)
    with pytest.raises(GeometryError, match="radius"):
        sample_at(smooth, MARS, [(0, 0)], -1.0)
    with pytest.raises(SettingsError, match="too large"):
        sample_at(smooth, MARS, [(0, 0)], 5000.0)


@pytest.mark.parametrize("apex", [(179.6, 20.0), (10.0, 89.0)])
def test_terrain_of_a_model_across_the_seam_and_near_the_pole(tmp_path: Path, apex) -> None:
    lonlat = np.stack(pixels(0.0), axis=-1)
    cone = 20_000 - 5.0 * MARS.distance_km(lonlat, np.array(apex))
    dem = open_rasters([write(tmp_path / "dem.tif", cone.astype("float32"), first_lon=0.0)], MARS, kind="dem")
    points = MARS.destination(np.array(apex), np.arange(0, 360, 45.0), 500.0)
    with elevation_of(dem) as elevation:
        columns = terrain_at(elevation, MARS, points, [150.0], size_px=15)
    down = MARS.azimuth_deg(points, np.array(apex)) + 180
    assert columns["slope_deg_150km"] == pytest.approx(np.degrees(np.arctan(0.005)), rel=0.05)
    assert apart_deg(columns["aspect_deg_150km"], down, 360).max() < 4
    assert columns["elevation_m_150km"] == pytest.approx(17_500, abs=40)


def test_units_are_those_of_the_polygons(tmp_path: Path) -> None:
    boxes = [shapely.box(0, 0, 40, 40), shapely.box(10, 10, 20, 20), shapely.box(-180, -30, -170, 0)]
    units = gpd.GeoDataFrame({"unit": ["lApc", "Apu", None]}, geometry=boxes, crs=MARS.crs)
    where = [(5, 5), (15, 15), (-175, -10), (100, 0), (375, 15)]
    assert units_at(units, "unit", where).tolist() == ["lApc", "Apu", "", "", "Apu"]
    assert units_at(units.iloc[:0], "unit", where).tolist() == [""] * 5
    with pytest.raises(SettingsError, match="no column"):
        units_at(units, "age", where)


def test_the_table_of_context_files(tmp_path: Path) -> None:
    table = tmp_path / "mars.toml"
    table.write_text(
        '[elevation]\nfile = "mola.tif"\nunit = "m"\n'
        '[albedo]\nfile = "tes.vicar"\nunit = ""\nbounds = [-180, -90, 180, 90]\nnodata = -1\nscale = 0.01\n'
    )
    files = read_context_table(table)
    assert files["elevation"] == ContextFile(tmp_path / "mola.tif", "m")
    assert files["albedo"].bounds == (-180, -90, 180, 90)
    assert (files["albedo"].nodata, files["albedo"].scale) == (-1.0, 0.01)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[a]\nunit = "m"\n', "no 'file'"),
        ('[a]\nfile = "x"\nunit = "m"\ncolour = 1\n', "colour"),
        ('[a]\nfile = "x"\nunit = "m"\nbounds = [1, 2]\n', "no table"),
        ("a = 3\n", "no table"),
        ("[a\n", "no table"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, says: str) -> None:
    table = tmp_path / "mars.toml"
    table.write_text(text)
    with pytest.raises(SettingsError, match=says):
        read_context_table(table)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no table"):
        read_context_table(tmp_path / "none.toml")


@pytest.mark.skipif(real_data_folder() is None, reason="AREOGRAPHER_REAL_DATA names no folder")
def test_albedo_and_thermal_inertia_of_mars() -> None:
    folder = real_data_folder()
    assert folder is not None
    # Their labels say nothing of where they lie; the second begins at longitude 0.
    west, east = (-180.0, -90.0, 180.0, 90.0), (0.0, -90.0, 360.0, 90.0)
    albedo, inertia = (
        folder / "mars-rasters" / name for name in ("albedo_2ppd.vicar", "ti_map2ppd_v4.vicar")
    )
    rasters = open_context(
        MARS,
        {
            "albedo": ContextFile(albedo, "", bounds=west),
            "thermal_inertia": ContextFile(inertia, "J m-2 K-1 s-1/2", bounds=east),
        },
    )
    assert [raster.column for raster in rasters] == ["albedo", "thermal_inertia"]
    # Tharsis is bright dust of low inertia, Syrtis Major dark basalt.
    tharsis, syrtis = np.array([[-110.0, 5.0], [69.0, 9.0]])
    bright, dark = sample_at(rasters[0], MARS, [tharsis, syrtis], 60.0)
    dust, rock = sample_at(rasters[1], MARS, [tharsis, syrtis], 60.0)
    assert bright > 0.24 > 0.18 > dark > 0.05
    assert dust < 120 < 180 < rock

"""The ground of the map in tiles: where their pixels lie, what they are drawn from, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio import Affine
from starlette.applications import Starlette
from starlette.testclient import TestClient

from agent.chat.ground import about_ground, ground_of, ground_routes
from retrieval.body import get_body
from retrieval.corpus.imagery import OpenRasters, find_rasters, remember
from retrieval.corpus.raster import RasterSource, open_rasters
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from retrieval.settings import Settings
from tests.fakes import PatternEncoder
from tests.test_raster import write
from tools.maps.ground import TILE_PX, VIEWS, Ground, View, tile_lonlat

MARS = get_body("mars")
WEST, NORTH, STEP = -30.0, 20.0, 0.05  # of the raster: 60 x 40 degrees in pixels of 3 km


def stripes(lon: np.ndarray) -> np.ndarray:
    """Grey by longitude in stripes of 0.4 degrees, 24 km: lost in thumbnails of 12 km, clear in 3 km."""
    return np.where(np.floor(lon / 0.4) % 2 == 0, 60, 200)


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lon = WEST + (np.arange(1200) + 0.5) * STEP
    rows = np.repeat(stripes(lon)[None].astype("uint8"), 800, axis=0)
    rows[:, :200] = 0  # nothing observed west of 20 W
    path = tmp_path_factory.mktemp("rasters") / "stripes.tif"
    return write(path, rows, "IAU_2015:49900", Affine(STEP, 0, WEST, 0, -STEP, NORTH), nodata=0)


@pytest.fixture(scope="module")
def source(raster: Path) -> RasterSource:
    return open_rasters([raster], MARS)


@pytest.fixture(scope="module")
def index(source: RasterSource, tmp_path_factory: pytest.TempPathFactory) -> TileIndex:
    return build_index(source, Grid(MARS, 1200.0), PatternEncoder(), tmp_path_factory.mktemp("i") / "stripes")


def grey(picture: bytes | None) -> np.ndarray:
    """Grey, and 0 where the picture is clear."""
    assert picture
    image = Image.open(io.BytesIO(picture)).convert("RGBA")
    pixels = np.asarray(image)
    return np.where(pixels[..., 3] > 127, pixels[..., 0], 0)


def tile_at(ground: Ground, view: View, level: int, lon: float, lat: float) -> tuple[int, int]:
    for x in range(2**level):
        for y in range(2**level):
            lonlat, _ = tile_lonlat(view, level, x, y, MARS.radius_km)
            lons, lats = lonlat[1:-1, 1:-1, 0], lonlat[1:-1, 1:-1, 1]
            if np.nanmin(lons) <= lon < np.nanmax(lons) and np.nanmin(lats) <= lat < np.nanmax(lats):
                return x, y
    raise AssertionError("no tile holds the place")


@given(st.sampled_from(VIEWS), st.integers(0, 8), st.data())
def test_tiles_side_by_side_continue_each_other(view: View, level: int, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, 2**level - 1))
    y = data.draw(st.integers(0, 2**level - 1))
    here, pixel_km = tile_lonlat(view, level, x, y, 1000.0)
    right, _ = tile_lonlat(view, level, x + 1, y, 1000.0)
    below, _ = tile_lonlat(view, level, x, y + 1, 1000.0)
    assert here.shape == (TILE_PX + 2, TILE_PX + 2, 2)
    np.testing.assert_allclose(here[:, -2:], right[:, :2], atol=1e-9)
    np.testing.assert_allclose(here[-2:], below[:2], atol=1e-9)
    assert pixel_km > 0


@given(st.sampled_from(VIEWS), st.integers(3, 8), st.data())
def test_a_pixel_is_as_large_as_said(view: View, level: int, data: st.DataObject) -> None:
    # Away from the edges, where a polar view has no ground and Mercator is stretched.
    x, y = (data.draw(st.integers(3 * 2**level // 8, 5 * 2**level // 8 - 1)) for _ in range(2))
    lonlat, pixel_km = tile_lonlat(view, level, x, y, MARS.radius_km)
    middle = TILE_PX // 2
    apart = MARS.distance_km(lonlat[middle, middle], lonlat[middle, middle + 1])
    assert float(apart) == pytest.approx(pixel_km, rel=0.03)


def test_polar_views_are_turned_as_published_maps() -> None:
    north, _ = tile_lonlat("north", 1, 1, 1, 1000.0)  # right and below: longitudes 0 to 90 east
    assert np.nanmin(north[2:-1, 2:-1, 0]) >= 0
    assert np.nanmax(north[2:-1, 2:-1, 0]) <= 90
    south, _ = tile_lonlat("south", 1, 1, 0, 1000.0)  # right and above
    assert np.nanmin(south[2:-1, 1:-2, 0]) >= 0
    assert np.nanmax(south[2:-1, 1:-2, 0]) <= 90
    assert np.nanmax(south[..., 1]) <= 0 <= np.nanmin(north[..., 1])
    assert np.isnan(tile_lonlat("north", 2, 0, 0, 1000.0)[0][0, 0]).all(), "beyond the equator"


def test_rasters_show_what_thumbnails_cannot(index: TileIndex, source: RasterSource) -> None:
    opened = OpenRasters(source)
    sharp, soft = Ground(index, opened), Ground(index)
    assert (sharp.source, soft.source) == ("rasters", "thumbnails")
    assert sharp.sharpest_km == pytest.approx(STEP * np.pi / 180 * MARS.radius_km, rel=1e-3)
    assert sharp.key != soft.key
    levels = sharp.levels("mercator")
    assert levels is not None
    level = levels[1]
    x, y = tile_at(sharp, "mercator", level, 5.1, 4.9)
    picture = grey(sharp.tile("mercator", level, x, y))
    lonlat, _ = tile_lonlat("mercator", level, x, y, MARS.radius_km)
    expected = stripes(lonlat[1:-1, 1:-1, 0])
    inside = np.abs(lonlat[1:-1, 1:-1, 0] % 0.4 - 0.2) < 0.1  # clear of the stripes' edges
    agrees = (picture > 128) == (expected > 128)
    assert agrees[inside].mean() > 0.98
    opened.close()


def test_what_was_not_observed_is_clear(index: TileIndex, source: RasterSource) -> None:
    ground = Ground(index, OpenRasters(source))
    last = (ground.levels("mercator") or (0, 0))[1]
    x, y = tile_at(ground, "mercator", last, -20.0, 5.0)
    picture = grey(ground.tile("mercator", last, x, y))
    lonlat, _ = tile_lonlat("mercator", last, x, y, MARS.radius_km)
    lon = lonlat[1:-1, 1:-1, 0]
    indexed = index.tiles.at(lonlat[1:-1, 1:-1]) >= 0
    assert indexed.any()
    assert not picture[lon < -20.1].any()
    assert not picture[~indexed].any(), "it was not searched either"
    assert (picture[(lon > -19.9) & indexed] > 0).mean() > 0.99
    elsewhere = tile_at(ground, "mercator", last, 120.0, -40.0)
    assert ground.tile("mercator", last, *elsewhere) == b""


def test_a_view_has_no_tiles_that_do_not_exist(index: TileIndex) -> None:
    ground = Ground(index)
    first, last = ground.levels("mercator") or (0, 0)
    wrong = [(first - 1, 0, 0), (last + 1, 0, 0), (last, -1, 0), (last, 0, 2**last), (last, 2**last, 0)]
    assert [ground.tile("mercator", *one) for one in wrong] == [None] * 5


def test_poles_are_drawn_as_on_the_globe(tiny_index: TileIndex) -> None:
    ground = Ground(tiny_index)
    for view in ("north", "south"):
        levels = ground.levels(view)
        if levels is None:  # tiles of 60 km: the basemap is as sharp
            continue
        middle = 2 ** levels[0] // 2
        assert grey(ground.tile(view, levels[0], middle, middle)).any()


def test_rasters_are_found_again_and_only_if_unchanged(
    index: TileIndex, source: RasterSource, raster: Path, tmp_path: Path
) -> None:
    notes, data = tmp_path / "imagery", tmp_path / "data"
    assert find_rasters(index.manifest, notes, data) is None
    remember(notes, source, [raster], None, "auto")
    found = find_rasters(index.manifest, notes, data)
    assert found is not None
    assert found.fingerprint() == source.fingerprint()

    data.mkdir()
    (data / raster.name).write_bytes(raster.read_bytes())
    assert find_rasters(index.manifest, tmp_path / "none", data) is not None, "where data sets are kept"
    (data / raster.name).write_bytes(raster.read_bytes()[:-2000] + b"\x07" * 2000)
    assert find_rasters(index.manifest, tmp_path / "none", data) is None, "other pixels"
    (notes / f"{source.fingerprint()}.json").write_text("{torn", encoding="utf-8")
    assert find_rasters(index.manifest, notes, tmp_path / "nothing") is None


@pytest.fixture
def client(home: Settings, index: TileIndex, source: RasterSource, raster: Path) -> Iterator[TestClient]:
    remember(home.imagery, source, [raster], None, "auto")
    with TestClient(
        Starlette(routes=ground_routes(home, index, "areographer", "areographer/tiles/x/"))
    ) as made:
        yield made


def test_tiles_come_over_http_and_may_be_kept(client: TestClient, home: Settings, index: TileIndex) -> None:
    about = about_ground(ground_of(home, index), "areographer/tiles/x/")
    assert about["source"] == "rasters"
    last = about["levels"]["mercator"][1]
    x, y = tile_at(ground_of(home, index), "mercator", last, 5.1, 4.9)
    base = f"/areographer/basemap/{about['key']}/mercator/{last}"
    answer = client.get(f"{base}/{x}/{y}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] in ("image/jpeg", "image/webp")
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"{base}/0/0").status_code == 204
    for wrong in (f"{base}/{2**last}/0", f"/areographer/basemap/{about['key']}/mercator/{last + 1}/0/0",
                  f"/areographer/basemap/{'0' * 12}/mercator/{last}/{x}/{y}",
                  f"/areographer/basemap/{about['key']}/side/{last}/{x}/{y}"):  # fmt: skip
        assert client.get(wrong).status_code == 404


def test_a_tile_has_its_picture_under_its_id(client: TestClient, index: TileIndex) -> None:
    tile_id = index.tiles.tile_id(2)
    assert client.get(f"/areographer/tiles/x/id/{tile_id}.jpg").content == index.thumbnail(2)
    wrong = client.get("/areographer/tiles/x/id/<script>.jpg")
    assert wrong.status_code == 404
    assert wrong.headers["content-type"].startswith("text/plain")

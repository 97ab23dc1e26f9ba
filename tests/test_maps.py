from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retrieval.body import get_body
from retrieval.errors import Cancelled, ToolInputError
from retrieval.grid import Grid
from retrieval.index import build_index
from tests.fakes import PatternEncoder, PatternSource
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, tile_layer
from tools import mosaic
from tools.maps import basemap, draw_map
from tools.views import (
    View,
    degree_step,
    from_polar,
    latitude_label,
    longitude_label,
    round_step,
    to_orthographic,
    to_polar,
    view_of,
)

LOWELL = get_body("lowell")


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    return a_workspace(home, tiny_index, pattern_encoder)


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """A box across the antimeridian, of 30 km tiles."""
    source = PatternSource(hole=None)
    grid = Grid(source.body, 30.0)
    tiles = grid.within_bounds(160, -5, -160, 20)
    return build_index(source, grid, PatternEncoder(), tmp_path_factory.mktemp("r") / "region", tiles=tiles)


class TestBasemap:
    def test_ground_is_where_it_was_observed(self, tiny_index) -> None:
        picture = basemap(tiny_index, 512)
        assert picture.shape == (256, 512)
        assert picture.dtype == np.uint8
        lon = -180 + (np.arange(512) + 0.5) * 360 / 512
        lat = 90 - (np.arange(256) + 0.5) * 180 / 256
        tiles = tiny_index.grid.locate(np.stack(np.meshgrid(lon, lat), axis=-1))
        np.testing.assert_array_equal(picture > 0, np.isin(tiles, tiny_index.tiles["tile"]))

    def test_pixels_are_those_of_the_thumbnails(self, tiny_index) -> None:
        # Fine enough that a pixel of the picture is about one of the thumbnail.
        tile = int(tiny_index.grid.locate([[0.0, 0.0]])[0])
        row = tiny_index.row_of(tiny_index.grid.tile_id(tile))
        lonlat = tiny_index.grid.pixel_lonlat(tile, 96)
        painted = mosaic.paint(tiny_index, lonlat, 60.0 / 96)
        inside = tiny_index.grid.locate(lonlat) == tile
        difference = painted.astype(int) - mosaic.grey_thumbnail(tiny_index, row, 96).astype(int)
        assert np.abs(difference[inside]).mean() < 2.0

    def test_what_shows_no_ground_stays_empty(self, tiny_index) -> None:
        lonlat = np.full((4, 5, 2), np.nan)
        assert not mosaic.paint(tiny_index, lonlat, 10.0).any()

    def test_gaps_within_a_tile_are_gaps(self, tiny_index, monkeypatch) -> None:
        monkeypatch.setitem(vars(tiny_index), "tiles", tiny_index.tiles.assign(observed=0.7))
        half = np.full((96, 96), 100, np.uint8)
        half[:, :48] = 3  # what JPEG makes of zeros
        monkeypatch.setattr(mosaic, "grey_thumbnail", lambda index, row, side: half[:side, :side])
        picture = mosaic.paint(tiny_index, tiny_index.grid.pixel_lonlat(300, 96), 60.0 / 96)
        assert (picture[30:66, 20:44] == 0).all()  # corners of a footprint may lie in the next cells
        assert (picture[30:66, 52:76] == 100).all()

    def test_it_is_painted_once_and_kept(self, tiny_index, tmp_path, monkeypatch) -> None:
        first = basemap(tiny_index, 128, tmp_path / "cache")
        monkeypatch.setattr(mosaic, "paint", lambda *_: pytest.fail("painted again"))
        np.testing.assert_array_equal(basemap(tiny_index, 128, tmp_path / "cache"), first)

    @pytest.mark.parametrize("content", [b"", b"torn", None])
    def test_a_torn_or_foreign_picture_is_painted_again(self, tiny_index, tmp_path, content) -> None:
        first = basemap(tiny_index, 128, tmp_path)
        (path,) = tmp_path.glob("*.png")
        if content is None:
            Image.fromarray(first[:10]).save(path)
        else:
            path.write_bytes(content)
        np.testing.assert_array_equal(basemap(tiny_index, 128, tmp_path), first)

    def test_of_very_many_tiles_a_coarser_picture_is_enlarged(self, tiny_index, monkeypatch) -> None:
        fine = basemap(tiny_index, 512)
        monkeypatch.setattr(mosaic, "MOST_TILES", 200)
        coarse = basemap(tiny_index, 512)
        assert coarse.shape == fine.shape
        assert np.mean((coarse > 0) == (fine > 0)) > 0.95

    @pytest.mark.parametrize("width", [0, 63, 8193])
    def test_impossible_widths_are_refused(self, tiny_index, width) -> None:
        with pytest.raises(ToolInputError, match="64 to 8,192"):
            basemap(tiny_index, width)

    def test_stretching_leaves_flat_and_empty_pictures(self) -> None:
        flat = np.full((4, 4), 90, np.uint8)
        np.testing.assert_array_equal(mosaic.stretch(flat), flat)
        assert not mosaic.stretch(np.zeros((4, 4), np.uint8)).any()


class TestViews:
    def test_an_index_of_the_whole_body_shows_it(self, tiny_index) -> None:
        assert view_of(tiny_index) == View(-180.0, 180.0, -90.0, 90.0)

    def test_a_region_across_the_antimeridian_is_shown_in_one_piece(self, region) -> None:
        view = view_of(region)
        assert not view.whole
        assert view.west < 160 < 200 < view.east < 240
        assert (view.east - view.west) * view.stretch_x == pytest.approx(
            2 * (view.north - view.south), rel=0.1
        )
        x = view.lon(region.tiles["lon"])
        assert x.min() >= view.west
        assert x.max() <= view.east

    def test_bodies_counted_to_360_begin_at_the_meridian(self, tiny_index) -> None:
        body = SimpleNamespace(longitude_domain=360)
        index = SimpleNamespace(tiles=tiny_index.tiles, body=body, grid=tiny_index.grid)
        assert view_of(index).west == 0.0

    def test_lengths_are_true_at_the_middle_of_a_view_away_from_the_equator(self) -> None:
        assert View(0, 20, 50, 70).stretch_x == pytest.approx(0.5)
        assert View(0, 20, -5, 70).stretch_x == 1.0

    @given(st.floats(-180, 179.99), st.floats(61, 89.9), st.sampled_from([1, -1]))
    def test_polar_views_turn_back(self, lon, lat, pole) -> None:
        x, y = to_polar(np.array([[lon, lat * pole]]), pole)
        back = from_polar(x, y, pole)[0]
        assert LOWELL.distance_km(back, [lon, lat * pole]) < 1e-6
        assert np.hypot(x, y)[0] <= 1.0

    def test_poles_are_seen_from_above(self) -> None:
        # In the north 90 E is to the right of longitude 0 at the bottom; in the south, of 0 at the top.
        np.testing.assert_allclose(np.ravel(to_polar(np.array([[90.0, 60.0]]), 1)), [1, 0], atol=1e-12)
        np.testing.assert_allclose(np.ravel(to_polar(np.array([[0.0, 60.0]]), 1)), [0, -1], atol=1e-12)
        np.testing.assert_allclose(np.ravel(to_polar(np.array([[0.0, -60.0]]), -1)), [0, 1], atol=1e-12)

    def test_the_far_side_is_not_seen(self) -> None:
        x, y = to_orthographic([[10.0, 20.0], [-170.0, -20.0], [100.0, 0.0]], [10.0, 20.0])
        assert (x[0], y[0]) == pytest.approx((0, 0))
        assert np.isnan(x[1])
        assert x[2] == pytest.approx(1)

    @pytest.mark.parametrize(
        ("lon", "domain", "positive", "text"),
        [
            (-120, 180, "east", "120° W"),
            (60, 180, "east", "60° E"),
            (0, 180, "east", "0°"),
            (180, 180, "east", "180°"),
            (200, 180, "east", "160° W"),
            (-120, 360, "east", "240° E"),
            (-120, 360, "west", "120° W"),
            (120, 360, "west", "240° W"),
            (0, 360, "east", "0°"),
        ],
    )
    def test_longitudes_are_written_as_the_body_counts_them(self, lon, domain, positive, text) -> None:
        body = SimpleNamespace(longitude_domain=domain, longitude_positive=positive)
        assert longitude_label(lon, body) == text

    def test_latitudes(self) -> None:
        assert [latitude_label(lat) for lat in (30, 0, -7.5)] == ["30° N", "0°", "7.5° S"]

    def test_steps_are_round(self) -> None:
        assert [degree_step(360, 11), degree_step(180, 6), degree_step(57, 6), degree_step(10, 6)] == [
            30,
            30,
            10,
            2,
        ]
        assert [round_step(21333, 8), round_step(0.07, 8)] == [2000, pytest.approx(0.01)]


class TestDrawMap:
    def test_a_picture_is_made_of_the_right_size_in_the_output_folder(self, ws) -> None:
        tile_layer(ws, range(0, 700, 9), "pitted cones")
        a_layer(ws, [[179.9, 0], [-179.9, 80], [30, -89]], "craters")
        result = draw_map(ws, ["L1", "L2"])
        (path,) = result.pictures
        assert path == ws.output / "map_lowell_L1_L2.png"
        with Image.open(path) as image:
            assert image.size == (1600, 900)
            assert image.info["Title"] == "lowell: pitted cones; craters"
            assert ws.index.manifest.fingerprint in image.info["Description"]
        assert result.figures == {"layers": 2, "count_L1": 78, "count_L2": 3}
        assert result.layer_ids == ()
        assert_keeps_its_word(result)

    def test_symbols_lie_where_the_rows_are(self, ws) -> None:
        a_layer(ws, np.empty((0, 2)), "nothing")
        a_layer(ws, [[60.0, 30.0]], "one")
        with Image.open(draw_map(ws, ["L1"]).pictures[0]) as image:
            empty = np.asarray(image.convert("RGB")).astype(int)
        with Image.open(draw_map(ws, ["L2"]).pictures[0]) as image:
            one = np.asarray(image.convert("RGB")).astype(int)
        # Main panel: 1080 x 540 px from (75, 148); above the legend.
        rows, cols = np.nonzero(np.abs(one - empty)[148:688].sum(axis=2) > 60)
        assert cols.mean() == pytest.approx(75.2 + 1080 * (60 + 180) / 360, abs=2)
        assert rows.mean() == pytest.approx(540 * (90 - 30) / 180, abs=2)

    def test_maps_do_not_overwrite_each_other(self, ws) -> None:
        tile_layer(ws, [5])
        names = [draw_map(ws, ["L1"]).pictures[0].name for _ in range(2)]
        assert names == ["map_lowell_L1.png", "map_lowell_L1_2.png"]
        assert sorted(p.name for p in ws.output.iterdir()) == sorted(names)

    def test_empty_layers_are_drawn_and_named(self, ws) -> None:
        tile_layer(ws, [])
        result = draw_map(ws, ["L1"])
        assert "Nothing of L1 is to be seen" in result.summary
        assert_keeps_its_word(result)

    def test_a_region_is_drawn_with_its_place_on_the_body(self, home, region, pattern_encoder) -> None:
        ws = a_workspace(home, region, pattern_encoder)
        tile_layer(ws, range(0, len(region), 5), "a" * 100)
        a_layer(ws, [[0, 0], [179.9, 5]], "partly elsewhere")
        result = draw_map(ws, ["L1", "L2"])
        assert "the observed region" in result.summary
        assert result.pictures[0].stat().st_size > 50_000

    def test_seven_layers_fit(self, ws) -> None:
        for number in range(8):
            tile_layer(ws, range(number, 700, 60), f"layer {number}")
        assert draw_map(ws, ws.layers.ids()[:7]).figures["layers"] == 7
        with pytest.raises(ToolInputError, match=r"8 different layers were given.*1 to 7"):
            draw_map(ws, ws.layers.ids())

    def test_unknown_and_no_layers_are_refused(self, ws) -> None:
        with pytest.raises(ToolInputError, match="no layer 'L1'"):
            draw_map(ws, ["L1"])
        with pytest.raises(ToolInputError, match="0 different layers"):
            draw_map(ws, [])

    def test_a_stop_leaves_no_picture(self, ws) -> None:
        tile_layer(ws, [5])
        ws.stop.set()
        with pytest.raises(Cancelled):
            draw_map(ws, ["L1"])
        assert not list(ws.output.iterdir())

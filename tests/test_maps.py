from __future__ import annotations

import shutil

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image

from retrieval.errors import Cancelled, ToolInputError
from retrieval.grid import Grid
from retrieval.index import build_index
from tests.fakes import PatternEncoder, PatternSource
from tests.workspaces import a_gazetteer, a_layer, a_workspace, assert_keeps_its_word, tile_layer, tiles_like
from tools.layers import make_table
from tools.maps import mosaic
from tools.maps.draw import draw_map
from tools.maps.mosaic import basemap


@pytest.fixture(scope="module")
def painted(tiny_index, tmp_path_factory):
    """A folder that holds the ground of the tiny index."""
    folder = tmp_path_factory.mktemp("painted") / "cache"
    basemap(tiny_index, 2048, folder)
    return folder


@pytest.fixture
def ws(home, tiny_index, pattern_encoder, painted):
    shutil.copytree(painted, home.home / "cache")
    return a_workspace(home, tiny_index, pattern_encoder, gazetteer=a_gazetteer(tiny_index))


def shape_layer(ws, shapes, title="units", **columns):
    lonlat = np.array([shape.representative_point().coords[0] for shape in shapes])
    table = make_table(ws.body, [f"{title}-{i}" for i in range(len(shapes))], lonlat, **columns)
    table = table.set_geometry(gpd.GeoSeries(shapes, crs=ws.body.crs))
    return ws.layers.add(title, "catalogue", table, ws.provenance("made by hand", {}))


def pixels(result):
    with Image.open(result.pictures[0]) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def changed(one, other):
    return np.abs(one - other).sum(axis=2) > 40


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
        np.testing.assert_array_equal(picture > 0, np.isin(tiles, tiny_index.tiles.numbers))

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
        monkeypatch.setitem(vars(tiny_index), "tiles", tiles_like(tiny_index, observed=0.7))
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

    def test_sampling_gives_the_basemap_back(self, tiny_index) -> None:
        picture = basemap(tiny_index, 256)
        lon = -180 + (np.arange(256) + 0.5) * 360 / 256
        lat = 90 - (np.arange(128) + 0.5) * 180 / 128
        lonlat = np.stack(np.meshgrid(lon, lat), axis=-1)
        np.testing.assert_array_equal(mosaic.sample(picture, lonlat), picture)
        turned = lonlat + np.array([360.0, 0.0])
        np.testing.assert_array_equal(mosaic.sample(picture, turned), picture)
        lonlat[:64] = np.nan
        assert not mosaic.sample(picture, lonlat)[:64].any()

    def test_stretching_leaves_flat_and_empty_pictures(self) -> None:
        flat = np.full((4, 4), 90, np.uint8)
        np.testing.assert_array_equal(mosaic.stretch(flat), flat)
        assert not mosaic.stretch(np.zeros((4, 4), np.uint8)).any()


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
        names = [draw_map(ws, ["L1"], place="Twin").pictures[0].name for _ in range(2)]
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


class TestKindsOfMap:
    @pytest.mark.parametrize("kind", ["equirectangular", "polar", "orthographic"])
    def test_layers_that_are_hardly_there(self, ws, kind) -> None:
        a_layer(ws, np.empty((0, 2)))
        a_layer(ws, [[0, 90]])
        a_layer(ws, np.tile([[180.0, 0.0]], (20, 1)))
        result = draw_map(ws, ["L1", "L2", "L3"], projection=kind)
        assert_keeps_its_word(result)
        assert result.figures.get("shown_L3", 20) == (0 if kind == "polar" else 20)

    @pytest.mark.parametrize(
        "lonlat",
        [np.empty((0, 2)), np.tile([[-100.0, 40.0]], (20, 1)), [[0, 90]], [[180, 0], [-179, 1]]],
        ids=["empty", "one place", "pole", "antimeridian"],
    )
    def test_a_region_is_found_for_every_layer(self, ws, lonlat) -> None:
        a_layer(ws, lonlat)
        result = draw_map(ws, ["L1"], projection="regional")
        assert_keeps_its_word(result)
        assert "shown_L1" not in result.figures  # all of them
        assert ("width_km" in result.figures) == bool(len(lonlat))

    def test_a_region_says_where_it_is(self, ws) -> None:
        tile_layer(ws, range(0, 700, 9))
        result = draw_map(ws, ["L1"], place="lacus doris", within_km=150)
        assert "the region around Lacus Doris" in result.summary
        assert "equirectangular" in result.summary
        figures = result.figures
        assert (figures["height_km"], figures["width_km"]) == (300, 600)
        assert (figures["centre_lon_deg"], figures["centre_lat_deg"]) == (30, 20)
        distance = ws.body.distance_km(ws.layers.get("L1").lonlat, [30, 20])
        assert (distance < 140).sum() <= figures["shown_L1"] <= (distance < 350).sum()
        assert_keeps_its_word(result)

    def test_without_a_distance_the_place_itself_is_shown(self, ws) -> None:
        tile_layer(ws, [1])
        # At least four tiles on each side.
        assert draw_map(ws, ["L1"], projection="regional", place="Twin").figures["height_km"] == 480
        assert draw_map(ws, ["L1"], projection="regional", place="Lacus Doris").figures["height_km"] == 480

    def test_bounds_may_cross_the_antimeridian_and_reach_a_pole(self, ws) -> None:
        a_layer(ws, [[179, 0], [-179, 0], [0, 0]])
        across = draw_map(ws, ["L1"], west_lon_deg=170, south_lat_deg=-5, east_lon_deg=-170, north_lat_deg=5)
        assert across.figures["shown_L1"] == 2
        assert abs(across.figures["centre_lon_deg"]) == 180
        a_layer(ws, [[10, 85], [-170, 85], [0, 60]])
        polar = draw_map(ws, ["L2"], west_lon_deg=-180, south_lat_deg=80, east_lon_deg=180, north_lat_deg=90)
        assert "Lambert" in polar.summary
        assert polar.figures["centre_lat_deg"] == 90
        assert polar.figures["shown_L2"] == 2
        assert_keeps_its_word(polar)

    def test_layers_all_over_the_body_have_no_region(self, ws) -> None:
        a_layer(ws, [[0, 0], [120, 10], [-120, -10]])
        result = draw_map(ws, ["L1"], projection="regional")
        assert "whole body, for the region of the layers is too wide" in result.summary

    def test_both_sides_of_the_body_are_seen(self, ws) -> None:
        a_layer(ws, [[40, 10], [42, 12], [-140, -10]])
        result = draw_map(ws, ["L1"], projection="orthographic")
        assert result.figures["centre_lon_deg"] in range(38, 45)
        assert "shown_L1" not in result.figures
        there = draw_map(ws, ["L1"], projection="orthographic", place="Lacus Minor")
        assert (there.figures["centre_lon_deg"], there.figures["centre_lat_deg"]) == (120, -40)
        assert_keeps_its_word(there)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"projection": "mercator"}, "no projection 'mercator'.*orthographic"),
            ({"within_km": 50}, "needs a place"),
            ({"place": "Lacus Doris", "within_km": 0}, "within_km is 0"),
            ({"place": "Nowhere"}, "no place is called so"),
            ({"west_lon_deg": 0, "east_lon_deg": 10}, "only some bounds"),
            ({"projection": "polar", "place": "Lacus Doris"}, "polar map has no place"),
            ({"colour_by": "depth"}, "no column of numbers 'depth'.*probability"),
            ({"colour_by": "row_id"}, "no column of numbers 'row_id'"),
        ],
    )
    def test_arguments_that_do_not_go_together_are_refused(self, ws, arguments, message) -> None:
        tile_layer(ws, [5])
        with pytest.raises(ToolInputError, match=message):
            draw_map(ws, ["L1"], **arguments)
        assert not list(ws.output.iterdir())

    def test_bounds_must_be_a_box(self, ws) -> None:
        tile_layer(ws, [5])
        box = {"west_lon_deg": 0, "east_lon_deg": 10}
        with pytest.raises(ToolInputError, match="north_lat_deg is 3"):
            draw_map(ws, ["L1"], south_lat_deg=5, north_lat_deg=3, **box)
        with pytest.raises(ToolInputError, match="both a place and bounds"):
            draw_map(ws, ["L1"], place="Twin", south_lat_deg=5, north_lat_deg=30, **box)


class TestShapes:
    def test_a_polygon_is_filled_where_it_lies(self, ws) -> None:
        a_layer(ws, np.empty((0, 2)))
        shape_layer(ws, [shapely.box(60, -20, 90, 10)])
        empty, one = (pixels(draw_map(ws, [layer])) for layer in ("L1", "L2"))
        rows, cols = np.nonzero(changed(one, empty)[148:688, :1160])
        # Main panel: 1080 x 540 px from (75, 148), 3 px to a degree.
        assert (cols.min(), cols.max()) == pytest.approx((75 + 240 * 3, 75 + 270 * 3), abs=3)
        assert (rows.min(), rows.max()) == pytest.approx((80 * 3, 110 * 3), abs=3)
        assert len(rows) > 0.9 * 90 * 90

    def test_the_antimeridian_draws_no_line_through_a_polygon(self, ws) -> None:
        a_layer(ws, np.empty((0, 2)))
        both = shapely.MultiPolygon([shapely.box(170, -8, 180, 8), shapely.box(-180, -8, -170, 8)])
        shape_layer(ws, [both])
        window = {"west_lon_deg": 160, "south_lat_deg": -10, "east_lon_deg": -160, "north_lat_deg": 10}
        empty, one = (pixels(draw_map(ws, [layer], **window)) for layer in ("L1", "L2"))
        # In the middle the fill goes on as it is beside it; an outline would be far stronger.
        difference = np.abs(one - empty).sum(axis=2)[400:440, 560:670]
        assert difference.min() > 10
        assert difference.max() < 3 * difference.min() + 60

    @pytest.mark.parametrize("kind", ["equirectangular", "polar", "orthographic"])
    def test_lines_and_polygons_go_into_every_kind(self, ws, kind) -> None:
        cap = shapely.box(-180, 70, 180, 90)
        fault = shapely.LineString([(-60, -85), (-50, 0), (-20, 60)])
        shape_layer(ws, [cap, fault, shapely.Point(3, 4)])
        result = draw_map(ws, ["L1"], projection=kind)
        assert_keeps_its_word(result)
        assert result.figures.get("shown_L1", 3) == (2 if kind == "polar" else 3)


class TestColours:
    def test_rows_are_coloured_and_those_without_a_value_counted(self, ws) -> None:
        a_layer(ws, [[0, 0], [20, 0], [40, 0]], depth_m=[1500.0, np.nan, 20.0], note=["a", "b", "c"])
        result = draw_map(ws, ["L1"], colour_by="depth_m")
        assert result.figures["colour_lowest"] == 20
        assert result.figures["colour_highest"] == 1500
        assert "depth, m" in result.summary
        assert "1 row without a value drawn hollow" in result.summary
        assert_keeps_its_word(result)
        picture = pixels(result)
        high, hollow, low = (picture[148 + 270, 75 + (180 + lon) * 3] for lon in (0, 20, 40))
        assert high[0] > 200 > high[2]  # the yellow end
        assert low[2] > low[1]  # the violet one
        assert np.ptp(hollow) < 40  # the ground, in grey

    @pytest.mark.parametrize("depth_m", [[np.nan, np.nan], [7.0, 7.0]])
    def test_nothing_to_tell_apart_is_drawn_all_the_same(self, ws, depth_m) -> None:
        a_layer(ws, [[0, 0], [20, 0]], depth_m=depth_m)
        result = draw_map(ws, ["L1"], projection="regional", colour_by="depth_m")
        assert ("No row of L1 has a value" in result.summary) == bool(np.isnan(depth_m).all())
        assert_keeps_its_word(result)

    def test_values_over_orders_of_magnitude_and_shapes(self, ws) -> None:
        shapes = [shapely.box(lon, 0, lon + 8, 8) for lon in range(0, 80, 10)]
        shape_layer(ws, shapes, area_km2=10.0 ** np.arange(8))
        result = draw_map(ws, ["L1"], colour_by="area_km2", projection="regional")
        assert result.figures["colour_highest"] == 10_000_000
        assert_keeps_its_word(result)


def test_a_hundred_thousand_points_are_drawn(ws) -> None:
    rng = np.random.default_rng(3)
    lonlat = np.stack(
        [rng.uniform(-180, 180, 100_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 100_000)))], -1
    )
    a_layer(ws, lonlat, probability=rng.random(100_000))
    picture = pixels(draw_map(ws, ["L1"]))[148:688, 75:1155]
    orange = (picture[..., 0] > picture[..., 2] + 40).mean()
    assert 0.3 < orange < 0.95  # the ground is seen between them

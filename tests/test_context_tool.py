"""Quantities at positions and the tool that samples them: names, scales, units, gaps, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio import Affine

from retrieval.body import BODIES, Body
from retrieval.corpus.context import ContextFile, ContextRaster, broken_context, open_context
from retrieval.errors import Cancelled, RasterError, ToolInputError
from retrieval.settings import Settings
from retrieval.spatial.directions import apart_deg
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, tile_layer, tiles_like
from tools.context import quantities, quantity, values_of
from tools.layers import make_table
from tools.sampling import sample_context
from tools.workspace import Workspace

LOWELL, MARS = BODIES["lowell"], BODIES["mars"]
PER_DEG = 1
APEX = np.array([170.0, 20.0])
FALL = 0.02  # metres of descent per metre away from the apex
PLACES = st.lists(st.tuples(st.floats(-180, 180), st.floats(-85, 85)), min_size=1, max_size=8)


def everywhere() -> np.ndarray:
    """Positions of the pixels of a whole-planet raster, row 0 in the north."""
    lon = -180.0 + (np.arange(360 * PER_DEG) + 0.5) / PER_DEG
    lat = 90.0 - (np.arange(180 * PER_DEG) + 0.5) / PER_DEG
    return np.stack(np.meshgrid(lon, lat), axis=-1)


def written(path: Path, values: np.ndarray, body: Body = LOWELL, nodata: float | None = None) -> Path:
    profile = {"width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "float32"}
    place = {"crs": body.crs.to_wkt(), "transform": Affine(1 / PER_DEG, 0, -180, 0, -1 / PER_DEG, 90)}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **profile, **place) as out:
        out.write(values.astype("float32"), 1)
    return path


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> tuple[ContextRaster, ...]:
    """A cone about `APEX`; a brightness that grows northwards, unknown in the east."""
    folder = tmp_path_factory.mktemp("context")
    cone = 9000.0 - FALL * 1000.0 * LOWELL.distance_km(everywhere(), APEX)
    lonlat = everywhere()
    bright = np.where(lonlat[..., 0] > 90.0, -9.0, 0.2 + lonlat[..., 1] / 1000.0)
    files = {
        "elevation": ContextFile(written(folder / "cone.tif", cone), "m", about="a cone"),
        "albedo": ContextFile(written(folder / "bright.tif", bright, nodata=-9.0), ""),
        "thermal_inertia": ContextFile(written(folder / "ti.tif", bright + 100.0), "J m-2 K-1 s-1/2"),
    }
    return open_context(LOWELL, files)


@pytest.fixture
def ws(home: Settings, tiny_index, pattern_encoder, rasters) -> Workspace:
    made = a_workspace(home, tiny_index, pattern_encoder)
    made.context = rasters
    return made


@pytest.fixture(scope="module")
def lasting(tmp_path_factory, tiny_index, pattern_encoder, rasters) -> Workspace:
    """A workspace that properties may share: they make no layers in it."""
    home = Settings(home=tmp_path_factory.mktemp("home"))
    made = a_workspace(home, tiny_index, pattern_encoder)
    made.context = rasters
    return made


class TestQuantities:
    @settings(max_examples=15)
    @given(PLACES)
    def test_a_cone_falls_away_from_its_apex(self, lasting: Workspace, places) -> None:
        points = np.array(places)
        far = LOWELL.distance_km(points, APEX)
        points = points[(far > 150) & (far < LOWELL.half_circumference_km - 150)]
        slope, aspect = (quantity(lasting, name) for name in ("slope", "aspect"))
        assert slope.at(points) == pytest.approx(np.full(len(points), np.degrees(np.arctan(FALL))), rel=0.1)
        away = LOWELL.azimuth_deg(points, APEX) + 180.0
        assert (apart_deg(aspect.at(points), away, 360) < 8).all()

    @settings(max_examples=8)
    @given(PLACES, st.permutations(["slope", "relief", "elevation", "latitude", "position"]))
    def test_a_value_does_not_depend_on_what_else_is_asked(self, lasting: Workspace, places, names) -> None:
        points = np.array(places)
        together = {name: quantity(lasting, name).at(points) for name in names}
        alone = {name: quantity(lasting, name).at(points[-1:])[0] for name in names}
        for name in names:
            assert together[name][-1] == pytest.approx(alone[name], rel=1e-3, abs=0.6)

    def test_names_are_found_however_they_are_written(self, ws: Workspace) -> None:
        for name in ("slope", "Slope", "slope_deg", " SLOPE DEG "):
            assert quantity(ws, name).column == "slope_deg"
        assert quantity(ws, "thermal inertia").name == "thermal_inertia"
        assert quantity(ws, "curvature").name == "profile_curvature"
        assert quantity(ws, "lat").at(np.array([[5.0, 7.0]])).tolist() == [7.0]
        assert {"latitude", "elevation", "albedo", "slope"} <= set(quantities(ws))
        assert [quantity(ws, name).column for name in quantities(ws)] != []

    def test_a_scale_stands_in_the_column_and_changes_the_value(self, ws: Workspace) -> None:
        usual, wide = quantity(ws, "relief"), quantity(ws, "relief", 200.0)
        assert (usual.column, wide.column) == ("relief_m", "relief_m_200km")
        point = np.array([[120.0, -10.0]])
        assert usual.at(point)[0] == pytest.approx(1000 * FALL * 60, rel=0.1)
        assert wide.at(point)[0] == pytest.approx(1000 * FALL * 200, rel=0.1)
        assert quantity(ws, "relief_m", 200.0).column == quantity(ws, "relief_m_200km", 200.0).column

    def test_terrain_is_not_measured_finer_than_the_model_is(self, ws: Workspace) -> None:
        with pytest.raises(ToolInputError, match=r"scale_km is 9, too fine.*at least 23\.6 km"):
            quantity(ws, "slope", 9.0).at(np.zeros((1, 2)))
        assert np.isfinite(quantity(ws, "albedo", 9.0).at(np.zeros((1, 2)))).all()
        assert quantity(ws, "albedo", 3.0).scale_km == pytest.approx(7.85, abs=0.01)  # a pixel

    def test_kilometres_are_made_metres(self, ws: Workspace, tmp_path: Path) -> None:
        (metres,) = quantity(ws, "slope").at(np.array([[120.0, -10.0]]))
        cone = 9.0 - FALL * LOWELL.distance_km(everywhere(), APEX)
        file = ContextFile(written(tmp_path / "x.tif", cone / 2 + 7), "km", scale=2.0, offset=-14.0)
        ws.context = open_context(LOWELL, {"elevation": file})
        assert quantity(ws, "slope").at(np.array([[120.0, -10.0]]))[0] == pytest.approx(metres, rel=1e-3)
        assert quantity(ws, "elevation").column == "elevation_km"

    def test_without_rasters_the_index_knows_its_own(self, ws: Workspace) -> None:
        ws.context = ()
        assert quantities(ws) == ["latitude", "longitude", "elevation"]
        tiles = ws.index.tiles.rows([3, 40])
        found = quantity(ws, "elevation").at(tiles[["lon", "lat"]].to_numpy())
        assert found.tolist() == tiles["elevation_m"].tolist()
        with pytest.raises(ToolInputError, match=r"slope needs an elevation model of Lowell.*data\.md"):
            quantity(ws, "slope")
        with pytest.raises(ToolInputError, match=r"'albedo' is on Lowell.*latitude.*docs/data\.md"):
            quantity(ws, "albedo")

    def test_a_raster_that_cannot_be_used_says_why(self, ws: Workspace, tmp_path: Path) -> None:
        broken = broken_context(LOWELL, "elevation", "cone.tif is of mars")
        ws.context = (broken, broken_context(LOWELL, "context.toml", "line 3 is odd"), *ws.context[1:])
        assert "slope" not in quantities(ws)
        assert "albedo" in quantities(ws)
        with pytest.raises(ToolInputError, match=r"slope needs an elevation model.*cone\.tif is of mars"):
            quantity(ws, "slope")
        with pytest.raises(ToolInputError, match="line 3 is odd"):
            quantity(ws, "dust_cover")
        # The tiles of the index still know their own elevation.
        assert quantity(ws, "elevation").source == "tiles of the index"

    def test_a_raster_of_slopes_is_preferred_to_a_measurement(self, ws: Workspace, tmp_path: Path) -> None:
        path = written(tmp_path / "s.tif", np.full(everywhere().shape[:2], 33.0))
        ws.context = (*ws.context, *open_context(LOWELL, {"slope": ContextFile(path, "deg")}))
        assert quantity(ws, "slope").at(np.zeros((1, 2))).tolist() == [33.0]
        assert quantity(ws, "relief").source == "a cone"

    def test_a_file_that_vanished_is_named(self, home, tiny_index, pattern_encoder, tmp_path: Path) -> None:
        ws = a_workspace(home, tiny_index, pattern_encoder)
        path = written(tmp_path / "gone.tif", np.ones(everywhere().shape[:2]))
        ws.context = open_context(LOWELL, {"dust": ContextFile(path, "")})
        path.unlink()
        layer = tile_layer(ws, [0, 1])
        with pytest.raises(RasterError, match=r"gone\.tif does not exist"):
            sample_context(ws, layer.id, ["dust"])

    def test_a_layers_own_column_comes_first(self, ws: Workspace) -> None:
        layer = a_layer(ws, [[0, 0], [9, 9]], elevation_m=np.array([5.0, np.nan]))
        assert values_of(ws, layer, quantity(ws, "elevation"))[0] == 5.0
        assert np.isfinite(values_of(ws, layer, quantity(ws, "slope"))).all()
        words = a_layer(ws, [[0, 0]], elevation_m=["low"])
        assert np.isfinite(values_of(ws, words, quantity(ws, "elevation"))).all()


class TestSampling:
    def test_rows_get_columns_with_units_and_gaps_are_counted(self, ws: Workspace) -> None:
        layer = a_layer(ws, [[0, 10], [10, 30], [20, -40], [140, 0]])
        result = sample_context(ws, layer.id, ["albedo", "slope", "aspect", "thermal inertia"])
        assert_keeps_its_word(result)
        table = ws.layers.get(result.layer_ids[0]).table
        assert table["albedo"].tolist()[:3] == pytest.approx([0.21, 0.23, 0.16], abs=0.001)
        assert np.isnan(table["albedo"][3])
        assert result.figures["albedo_unknown_count"] == 1
        assert result.figures["albedo_median"] == pytest.approx(0.21, abs=0.001)
        assert result.figures["slope_median_deg"] == pytest.approx(np.degrees(np.arctan(FALL)), rel=0.1)
        assert "median 0.21" in result.summary
        assert "1 row unknown" in result.summary
        assert {"slope_deg", "aspect_deg", "thermal_inertia"} <= set(table.columns)
        assert len(result.table) == 4
        made = ws.layers.get(result.layer_ids[0])
        assert (made.kind, made.provenance.parents) == (layer.kind, (layer.id,))
        assert any("a cone" in note and "slope_deg: deg" in note for note in made.provenance.notes)

    def test_what_was_measured_stays_when_more_is(self, ws: Workspace) -> None:
        layer = tile_layer(ws, [1, 5, 9])
        first = sample_context(ws, layer.id, ["relief"])
        second = sample_context(ws, first.layer_ids[0], ["relief", "elevation", "relief_m"], 150.0)
        table = ws.layers.get(second.layer_ids[0]).table
        assert {"relief_m", "relief_m_150km", "elevation_m", "elevation_m_150km"} <= set(table.columns)
        assert (table["relief_m_150km"] > table["relief_m"]).all()
        assert table["row_id"].tolist() == layer.table["row_id"].tolist()

    def test_directions_have_a_mean_round_the_circle(self, ws: Workspace) -> None:
        north = a_layer(ws, LOWELL.destination(APEX, np.array([-20.0, 0.0, 20.0]), 200.0))
        result = sample_context(ws, north.id, ["aspect"])
        assert_keeps_its_word(result)
        assert apart_deg(result.figures["aspect_mean_deg"], 0.0, 360) < 8
        assert result.figures["aspect_resultant_length"] > 0.9

    @pytest.mark.parametrize("values", [["slope", "albedo", "texture_azimuth"], ["latitude"], ["L2.unit"]])
    def test_no_rows_one_row_and_rows_at_one_place(self, ws: Workspace, values: list[str]) -> None:
        a_layer(ws, np.zeros((0, 2)))
        square = make_table(ws.body, ["a"], [[0, 0]], shapes=[shapely.box(-20, -20, 20, 20)], unit=["Am"])
        ws.layers.add("map", "catalogue", square, ws.provenance("made by hand", {}))
        a_layer(ws, [[3.0, 4.0]])
        a_layer(ws, np.full((5, 2), 3.0))
        for layer, rows in (("L1", 0), ("L3", 1), ("L4", 5)):
            result = sample_context(ws, layer, values)
            assert_keeps_its_word(result)
            assert len(ws.layers.get(result.layer_ids[0])) == rows
            assert result.figures["count"] == rows

    def test_lines_and_polygons_are_measured_at_their_positions(self, ws: Workspace) -> None:
        shapes = [shapely.LineString([(0, 10), (4, 10)]), shapely.box(8, 28, 12, 32)]
        table = make_table(ws.body, ["a", "b"], [[2, 10], [10, 30]], shapes=shapes)
        layer = ws.layers.add("shapes", "catalogue", table, ws.provenance("made by hand", {}))
        made = ws.layers.get(sample_context(ws, layer.id, ["albedo"]).layer_ids[0])
        assert made.table["albedo"].tolist() == pytest.approx([0.21, 0.23], abs=0.001)
        assert not made.pointlike
        assert "about the position" in made.provenance.notes[-1]

    def test_nowhere_known_is_said(self, ws: Workspace) -> None:
        result = sample_context(ws, a_layer(ws, [[120, 0], [150, 5]]).id, ["albedo"])
        assert_keeps_its_word(result)
        assert "Albedo over 60 km is known at none of them." in result.summary
        assert result.figures["albedo_unknown_count"] == 2

    def test_polygons_say_their_text_and_their_numbers(self, ws: Workspace) -> None:
        boxes = [shapely.box(0, 0, 40, 40), shapely.box(10, 10, 20, 20), shapely.box(-60, -30, -50, 0)]
        table = make_table(
            ws.body,
            ["a", "b", "c"],
            [[20, 20], [15, 15], [-55, -15]],
            shapes=boxes,
            unit=["lApc", "Unit 3", None],
            age_ga=[3.7, 1.25, np.nan],
        )
        units = ws.layers.add("map", "catalogue", table, ws.provenance("made by hand", {}))
        layer = a_layer(ws, [[5, 5], [6, 6], [15, 15], [-55, -10], [100, 0]], unit=list("vwxyz"))
        result = sample_context(ws, layer.id, [f"{units.id}.unit", f"{units.id}.age_ga"])
        assert_keeps_its_word(result)
        made = ws.layers.get(result.layer_ids[0]).table
        assert made[f"unit_of_{units.id}"].tolist() == ["lApc", "lApc", "Unit 3", "", ""]
        assert made["unit"].tolist() == list("vwxyz")
        assert made["age_ga"].tolist()[:3] == [3.7, 3.7, 1.25]
        assert made["age_ga"].isna().tolist()[3:] == [True, True]
        assert "2 in “lApc”" in result.summary
        assert "2 rows unknown" in result.summary

    def test_texture_of_the_tile_there(self, ws: Workspace) -> None:
        layer = tile_layer(ws, range(0, 60, 3))
        result = sample_context(ws, layer.id, ["texture_azimuth"])
        assert_keeps_its_word(result)
        made = ws.layers.get(result.layer_ids[0]).table
        assert made["texture_azimuth_deg"].dropna().between(0, 180).all()
        assert made["texture_strength"].between(0, 1).all()

    @pytest.mark.parametrize(
        ("values", "scale", "says"),
        [
            ([], None, "0 values were asked for"),
            (["slope"] * 1 + [f"x{n}" for n in range(12)], None, "13 values"),
            (["slopiness"], None, "'slopiness'.*Allowed: latitude, longitude, elevation, albedo"),
            (["slope"], 0.0, "greater than 0"),
            (["slope"], -5.0, "greater than 0"),
            (["slope"], float("nan"), "scale_km is nan"),
            (["albedo"], 5000.0, "at most 70[67]"),
            (["slope"], 5.0, "too fine"),
            (["L1.unit"], None, "L1 has no polygons"),
            (["L7.unit"], None, "no layer 'L7'"),
        ],
    )
    def test_other_arguments_are_refused(self, ws: Workspace, values, scale, says) -> None:
        layer = a_layer(ws, [[0, 0]])
        with pytest.raises(ToolInputError, match=says):
            sample_context(ws, layer.id, values, scale)
        assert len(ws.layers) == 1

    def test_a_column_that_a_map_lacks_is_refused(self, ws: Workspace) -> None:
        square = make_table(ws.body, ["a"], [[0, 0]], shapes=[shapely.box(-2, -2, 2, 2)], unit=["Am"])
        units = ws.layers.add("map", "catalogue", square, ws.provenance("made by hand", {}))
        with pytest.raises(ToolInputError, match=r"no column 'age'\. Allowed: unit"):
            sample_context(ws, units.id, [f"{units.id}.age"])

    def test_a_stop_ends_it(self, ws: Workspace) -> None:
        layer = tile_layer(ws, [0, 1])
        ws.stop.set()
        with pytest.raises(Cancelled):
            sample_context(ws, layer.id, ["slope"])


class TestMars:
    """With the real rasters, laid out as their publishers do."""

    @pytest.fixture
    def mars(self, real_data: Path, home: Settings, tiny_index, pattern_encoder, tmp_path) -> Workspace:
        folder = real_data / "mars-rasters"
        relief = np.fromfile(folder / "megt90n000cb.img", ">i2").reshape(720, 1440).astype("int16")
        profile = {"width": 1440, "height": 720, "count": 1, "dtype": "int16", "crs": MARS.crs.to_wkt()}
        with rasterio.open(
            tmp_path / "mola.tif", "w", driver="GTiff", transform=Affine(0.25, 0, 0, 0, -0.25, 90), **profile
        ) as out:
            out.write(relief, 1)
        west, east = (-180.0, -90.0, 180.0, 90.0), (0.0, -90.0, 360.0, 90.0)
        ws = a_workspace(home, tiny_index, pattern_encoder)
        ws.index = OnMars(tiny_index)
        ws.context = open_context(
            MARS,
            {
                "elevation": ContextFile(tmp_path / "mola.tif", "m"),
                "albedo": ContextFile(folder / "albedo_2ppd.vicar", "", bounds=west),
                "thermal_inertia": ContextFile(folder / "ti_map2ppd_v4.vicar", "tiu", bounds=east),
            },
        )
        return ws

    def test_what_is_known_of_mars(self, mars: Workspace) -> None:
        olympus, hellas, syrtis, arabia = [-133.8, 18.4], [70.0, -42.5], [70.0, 10.0], [25.0, 20.0]
        layer = a_layer(mars, [olympus, hellas, syrtis, arabia])
        result = sample_context(mars, layer.id, ["elevation", "slope", "albedo", "thermal_inertia"])
        assert_keeps_its_word(result)
        table = mars.layers.get(result.layer_ids[0]).table
        assert table["elevation_m"][0] > 15_000
        assert table["elevation_m"][1] < -5_000
        assert table["albedo"][2] < 0.15 < 0.25 < table["albedo"][3]
        assert table["thermal_inertia_tiu"][3] < 120 < table["thermal_inertia_tiu"][2]
        # The flanks of the volcano fall away from its summit, by a few degrees.
        flank = MARS.destination(np.array(olympus), np.array([0.0, 90.0, 180.0, 270.0]), 200.0)
        slopes, aspects = (quantity(mars, name).at(flank) for name in ("slope", "aspect"))
        assert ((slopes > 1.5) & (slopes < 8)).all()
        assert (apart_deg(aspects, np.array([0.0, 90.0, 180.0, 270.0]), 360) < 45).all()


class OnMars:
    """The tiny index as if it were of Mars: what sampling looks at of an index."""

    body = MARS

    def __init__(self, index) -> None:
        self.grid, self.manifest = index.grid, index.manifest
        self.tiles = tiles_like(index, facts=False)

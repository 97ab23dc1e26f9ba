from __future__ import annotations

import itertools
import json
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pyproj import CRS

from retrieval.catalogue import read_catalogue
from retrieval.errors import ToolInputError
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, shape_layer, tile_layer
from tools.export import export_layer, free_path
from tools.maps.globe_layers import COLOURS
from tools.styles import qml


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    ws = a_workspace(home, tiny_index, pattern_encoder)
    tile_layer(ws, [0, 10, 600], "pitted cones within 40 km of “channels”")
    a_layer(ws, [[179.9, -10], [0, 5]], "craters; DROP TABLE", diameter_km=np.array([5.0, np.nan]))
    return ws


@pytest.mark.parametrize("format", ["gpkg", "geojson", "parquet", "csv"])
def test_files_name_their_body_and_come_back_as_a_catalogue(ws, format) -> None:
    result = export_layer(ws, ["L1"], format)
    (path,) = result.files
    assert path.name == f"areographer_lowell_L1_pitted_cones_within_40_km_of_channels.{format}"
    assert path.parent == ws.output
    assert result.pictures == ()
    again = read_catalogue(path, ws.body)
    np.testing.assert_allclose(again[["lon", "lat"]], ws.layers.get("L1").lonlat, atol=1e-9)
    assert path.name in result.summary
    assert "Lowell" in result.summary
    assert_keeps_its_word(result)


def test_geopackages_hold_all_layers_with_crs_and_provenance(ws) -> None:
    result = export_layer(ws, ["L1", "L2"], "gpkg")
    (path,) = result.files
    assert path.name == "areographer_lowell_L1_L2.gpkg"
    listed = gpd.list_layers(path)
    names = listed["name"][listed["geometry_type"].notna()].tolist()
    assert names == ["L1_pitted_cones_within_40_km_of_channels", "L2_craters_drop_table"]
    table = gpd.read_file(path, layer=names[0])
    assert table.crs.ellipsoid.semi_major_metre == 450_000
    assert set(table["body"]) == {"lowell"}
    np.testing.assert_allclose(table["probability"], ws.layers.get("L1").table["probability"])
    metadata = pyogrio.read_info(path, layer=names[1])["layer_metadata"]
    assert metadata["areographer_body"] == "lowell"
    assert json.loads(metadata["areographer_provenance"])["tool"] == "made by hand"


def test_a_geopackage_brings_a_style_for_each_layer(ws) -> None:
    (path,) = export_layer(ws, ["L1", "L2"], "gpkg").files
    styles = pyogrio.read_dataframe(path, layer="layer_styles")
    listed = gpd.list_layers(path)
    assert styles["f_table_name"].tolist() == listed["name"][listed["geometry_type"].notna()].tolist()
    assert styles["useAsDefault"].tolist() == [True, True]
    columns = [pyogrio.read_info(path, layer=name)["geometry_name"] for name in styles["f_table_name"]]
    assert styles["f_geometry_column"].tolist() == columns
    for position, text in enumerate(styles["styleQML"]):
        style = ElementTree.fromstring(text)
        assert style.tag == "qgis"
        rgb = ",".join(str(int(COLOURS[position][at : at + 2], 16)) for at in (1, 3, 5))
        colours = [option.get("value") for option in style.iter("Option") if option.get("name") == "color"]
        assert colours
        assert all(str(colour).startswith(rgb) for colour in colours)


def test_a_style_shades_by_probability_and_quotes_titles(ws) -> None:
    layer = tile_layer(ws, range(20), title='</title><script>&"')
    style = ElementTree.fromstring(qml(layer, 0))
    renderer = style.find("renderer-v2")
    assert renderer is not None
    assert renderer.get("attr") == "probability"
    bounds = [(float(r.get("lower", "")), float(r.get("upper", ""))) for r in renderer.iter("range")]
    assert bounds[0][0] <= layer.table["probability"].min()
    assert bounds[-1][1] >= layer.table["probability"].max()
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))
    assert style.findtext("resourceMetadata/title") == f"{layer.id} {layer.title}"


def test_lines_and_polygons_have_symbols_of_their_own(ws) -> None:
    line, area = shapely.LineString([(0, 0), (5, 5)]), shapely.box(0, 0, 5, 5)
    for shape, symbol in ((line, "line"), (area, "fill")):
        style = ElementTree.fromstring(qml(shape_layer(ws, [shape]), 8))
        assert [one.get("type") for one in style.iter("symbol")] == [symbol]


def test_geojson_says_that_it_is_not_earth(ws) -> None:
    (path,) = export_layer(ws, ["L2"], "geojson").files
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    assert document["areographer:body"] == {"name": "lowell", "radius_m": 450_000.0, "crs": ws.body.crs_code}
    assert "not WGS 84" in document["areographer:note"]
    assert "crs" not in document
    first, second = document["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [179.9, -10.0]}
    assert first["properties"]["diameter_km"] == 5.0
    assert second["properties"]["diameter_km"] is None
    assert document["areographer:provenance"]["body"] == "lowell"


@pytest.mark.parametrize("format", ["gpkg", "geojson", "parquet", "csv"])
def test_lines_and_polygons_come_back_as_they_were(ws, format) -> None:
    seam = shapely.box(170, -5, 190, 5)
    layer = shape_layer(ws, [shapely.box(0, 0, 10, 10), seam, shapely.LineString([(0, 0), (5, 60)])], "units")
    (path,) = export_layer(ws, [layer.id], format).files
    again = read_catalogue(path, ws.body)
    assert shapely.equals_exact(np.array(again.geometry.array), layer.shapes, 1e-6, normalize=True).all()


def test_parquet_keeps_the_crs_and_how_it_was_made(ws) -> None:
    (path,) = export_layer(ws, ["L1"], "parquet").files
    table = gpd.read_parquet(path)
    assert table.crs == CRS(ws.body.crs)
    assert table.attrs["areographer"]["provenance"]["tool"] == "made by hand"
    assert set(table["body"]) == {"lowell"}


def test_csv_rows_name_their_body(ws) -> None:
    result = export_layer(ws, ["L1", "L2"], "csv")
    assert [len(pd.read_csv(path)) for path in result.files] == [3, 2]
    assert set(pd.read_csv(result.files[0])["body"]) == {"lowell"}
    assert result.figures["files"] == 2
    assert_keeps_its_word(result)


def test_nothing_is_overwritten(ws) -> None:
    names = [export_layer(ws, ["L2"], "csv").files[0].name for _ in range(3)]
    assert names == [f"areographer_lowell_L2_craters_drop_table{n}.csv" for n in ("", "_2", "_3")]
    assert sorted(path.name for path in ws.output.iterdir()) == sorted(names)


@pytest.mark.parametrize("format", ["gpkg", "geojson", "parquet", "csv"])
def test_empty_layers_become_empty_files(ws, format) -> None:
    tile_layer(ws, [], "nothing")
    result = export_layer(ws, ["L3"], format)
    assert result.figures["rows"] == 0
    assert result.files[0].is_file()
    assert_keeps_its_word(result)


def test_a_file_that_does_not_hold_what_it_should_is_not_kept(ws, monkeypatch) -> None:
    monkeypatch.setattr("tools.export._write_csv", lambda path, layers, body: path.write_text("lon\n1\n"))
    with pytest.raises(OSError, match="1 rows of 3"):
        export_layer(ws, ["L1"], "csv")
    assert not list(ws.output.iterdir())


@pytest.mark.parametrize("format", ["shp", "", "GPKG2", None, "../x"])
def test_unknown_formats_are_refused(ws, format) -> None:
    with pytest.raises(ToolInputError, match="Allowed: gpkg, geojson, parquet, csv"):
        export_layer(ws, ["L1"], format)


def test_formats_are_read_as_people_write_them(ws) -> None:
    assert export_layer(ws, ["L1"], " .GeoJSON ").files[0].suffix == ".geojson"


def test_unknown_and_no_layers_are_refused(ws) -> None:
    with pytest.raises(ToolInputError, match="no layer 'L9'"):
        export_layer(ws, ["L9"], "csv")
    with pytest.raises(ToolInputError, match=r"0 different layers.*L1, L2"):
        export_layer(ws, [], "csv")


def test_many_layers_have_a_short_name(ws) -> None:
    for _ in range(4):
        tile_layer(ws, [1])
    (path,) = export_layer(ws, ws.layers.ids(), "gpkg").files
    assert path.name == "areographer_lowell_L1_L2_L3_L4_and_more.gpkg"
    assert gpd.list_layers(path)["geometry_type"].notna().sum() == 6


def test_free_paths_count_up(tmp_path) -> None:
    path = tmp_path / "a.csv"
    assert free_path(path) == path
    path.touch()
    assert free_path(path).name == "a_2.csv"

"""Catalogues of lines and polygons: made right for the sphere, measured on it, and what was done is said."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.catalogue import COLUMNS, read_catalogue
from retrieval.catalogue.units import unit_age, unit_group, unit_name
from retrieval.errors import BodyMismatchError, CatalogueError

MARS = get_body("mars")
DEGREE_KM = MARS.half_circumference_km / 180


def geojson(folder: Path, shapes: Sequence[Any], properties: Sequence[dict[str, Any]] | None = None) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": properties[n] if properties else {"name": f"n{n}"},
            "geometry": shapely.geometry.mapping(shape),
        }
        for n, shape in enumerate(shapes)
    ]
    path = folder / "shapes.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def notes(table: gpd.GeoDataFrame) -> str:
    return " | ".join(table.attrs["notes"])


def cap(lon: float, lat: float, radius_deg: float) -> shapely.Polygon:
    """A disc on the sphere as a ring of longitudes and latitudes, continuous across the seam."""
    ring = MARS.destination([lon, lat], np.arange(0, 360, 2), radius_deg * DEGREE_KM)
    ring[:, 0] = np.degrees(np.unwrap(np.radians(ring[:, 0])))
    return shapely.Polygon(ring)


def test_a_self_touching_polygon_is_repaired_where_it_lies(tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    table = read_catalogue(geojson(tmp_path, [bow_tie, shapely.box(10, 0, 12, 2)]), MARS)
    assert len(table) == 2
    assert 0 <= table["lon"][0] <= 2
    assert 0 <= table["lat"][0] <= 2
    assert table.geometry.is_valid.all()
    assert table["area_km2"][0] == pytest.approx(table["area_km2"][1] / 2, rel=1e-3)
    assert "repaired" in notes(table)


def test_sizes_are_those_of_the_sphere(tmp_path: Path) -> None:
    table = read_catalogue(geojson(tmp_path, [cap(20, 10, 60.0), shapely.box(-180, -90, 180, 90)]), MARS)
    assert table["diameter_km"][0] == pytest.approx(2 * MARS.radius_km, rel=2e-3)
    assert table["area_km2"][0] == pytest.approx(np.pi * MARS.radius_km**2, rel=3e-3)
    assert MARS.distance_km(table[["lon", "lat"]].to_numpy()[0], [20, 10]) < 1.0
    assert table["area_km2"][1] == pytest.approx(MARS.area_km2, rel=1e-9)
    stated = read_catalogue(geojson(tmp_path, [cap(20, 10, 5.0)], [{"Area (km^2)": 77, "diam": 9}]), MARS)
    assert stated["area_km2"].tolist() == [77]
    assert stated["diameter_km"].tolist() == [9]


def test_lines_have_a_length_and_an_axis(tmp_path: Path) -> None:
    meridians = shapely.MultiLineString([[(0, 0), (0, 5)], [(50, 5), (50, 0)]])
    shapes = [meridians, shapely.LineString([(178, 0), (182, 0)]), shapely.LineString([(0, 89), (180, 89)])]
    table = read_catalogue(geojson(tmp_path, shapes), MARS)
    away = np.minimum(table["azimuth_deg"], 180 - table["azimuth_deg"])
    assert away[0] < 0.1
    assert away[1] == pytest.approx(90, abs=0.1)
    assert table["length_km"].tolist()[:2] == pytest.approx([10 * DEGREE_KM, 4 * DEGREE_KM], rel=1e-5)
    assert abs(table["lon"][1]) == pytest.approx(180)
    assert "area_km2" not in table.columns


@settings(max_examples=8)
@given(st.floats(-180, 179), st.floats(-80, 80), st.sampled_from([0, 360, -360]))
def test_turns_and_places_do_not_change_a_shape(
    tmp_path_factory: pytest.TempPathFactory, lon: float, lat: float, turn: int
) -> None:
    shape = cap(lon, lat, 8.0)
    bounds = np.array(shape.bounds)[[0, 2]] + turn
    if np.abs(bounds).max() > 540:
        return
    moved = shapely.transform(shape, lambda xy: xy + np.array([turn, 0]))
    table = read_catalogue(geojson(tmp_path_factory.mktemp("turn"), [moved]), MARS)
    assert MARS.distance_km(table[["lon", "lat"]].to_numpy()[0], [lon, lat]) < 10.0
    expected = 2 * np.pi * MARS.radius_km**2 * (1 - np.cos(np.radians(8.0)))
    assert table["area_km2"][0] == pytest.approx(expected, rel=5e-3)
    west, south, east, north = table.total_bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90


def test_a_ring_around_the_pole_holds_it(tmp_path: Path) -> None:
    ring = shapely.Polygon([(lon, 80.0) for lon in range(-180, 180, 10)])
    table = read_catalogue(geojson(tmp_path, [ring]), MARS)
    expected = 2 * np.pi * MARS.radius_km**2 * (1 - np.cos(np.radians(10.0)))
    assert table["area_km2"][0] == pytest.approx(expected, rel=0.05)
    assert table["lat"][0] > 89
    assert table.geometry[0].covers(shapely.Point(45, 89.9))


def test_collections_keep_what_has_most_dimensions(tmp_path: Path) -> None:
    mixed = shapely.GeometryCollection([shapely.Point(50, 50), shapely.box(0, 0, 1, 1)])
    points = shapely.MultiPoint([(179, 0), (-179, 0)])
    table = read_catalogue(geojson(tmp_path, [mixed, points, shapely.Point(3, 4)]), MARS)
    assert table["lon"][0] == pytest.approx(0.5, abs=0.01)
    assert abs(table["lon"][1]) == pytest.approx(180)
    assert [shape.geom_type for shape in table.geometry[1:]] == ["Point", "Point"]
    assert table["area_km2"].notna().tolist() == [True, False, False]


def test_what_is_torn_costs_its_row_and_not_the_file(tmp_path: Path) -> None:
    geometries: list[Any] = [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]], []]},  # a hole without corners
        {"type": "GeometryCollection", "geometries": [shapely.geometry.mapping(shapely.box(0, 0, 1, 1))]},
        {"type": "LineString", "coordinates": [[0, 90], [90, 90], [180, 90]]},  # all of it is the pole
        {"type": "LineString", "coordinates": [[0, 0], [float("nan"), 1]]},
        {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Blob", "coordinates": [1, 2]},
        {"type": "Point", "coordinates": ["east", 2]},
        {"type": "Point", "coordinates": []},
        None,
    ]
    features = [
        {"type": "Feature", "properties": {"name": str(n), "type": None}, "geometry": geometry}
        for n, geometry in enumerate(geometries)
    ]
    (tmp_path / "torn.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    table = read_catalogue(tmp_path / "torn.geojson", MARS)
    assert table["name"].tolist() == ["0", "1", "2"]
    assert table.attrs["dropped"] == 8
    assert table["area_km2"].notna().tolist() == [False, True, True]
    assert (table["landform"] == "feature").all()


def test_a_table_of_ours_keeps_its_positions(tmp_path: Path) -> None:
    line = shapely.LineString([(10, 0), (12, 0)])
    row = dict(zip(COLUMNS, ["7", "a", "graben", 10.2, 0.1, None, 99.0, 45.0], strict=True))
    table = read_catalogue(geojson(tmp_path, [line], [row]), MARS)
    assert table[["lon", "lat"]].to_numpy().tolist() == [[10.2, 0.1]]
    assert table["length_km"].tolist() == [99.0]
    table.to_parquet(tmp_path / "ours.parquet")
    again = read_catalogue(tmp_path / "ours.parquet", MARS)
    assert list(again.columns) == list(table.columns)
    assert again.geometry.geom_equals_exact(table.geometry, 1e-9).all()


def test_projected_shapes_come_back_to_their_place(tmp_path: Path) -> None:
    shapes = [
        shapely.box(170, -10, 179.99, 10),
        shapely.box(-180, 40, -170, 50),
        shapely.box(-30, 60, 30, 80),
    ]
    shapes = [shapely.segmentize(shape, 1.0) for shape in shapes]
    table = gpd.GeoDataFrame({"name": list("abc")}, geometry=shapes, crs=MARS.crs)
    # As SIM 3292 is published.
    table.to_crs(f"+proj=robin +lon_0=0 +R={MARS.radius_m} +units=m +no_defs").to_file(tmp_path / "map.shp")
    read = read_catalogue(tmp_path / "map.shp", MARS)
    plain = read_catalogue(geojson(tmp_path, shapes), MARS)
    assert read["area_km2"].tolist() == pytest.approx(plain["area_km2"].tolist(), rel=1e-4)
    away = MARS.distance_km(read[["lon", "lat"]].to_numpy(), plain[["lon", "lat"]].to_numpy())
    assert away.max() < 1.0


def test_corners_just_beyond_a_projections_edge_are_moved_onto_it(tmp_path: Path) -> None:
    robinson = f"+proj=robin +lon_0=0 +R={MARS.radius_m} +units=m +no_defs"
    cap = shapely.segmentize(shapely.box(-180, 80, 180, 90), 1.0)
    table = gpd.GeoDataFrame({"name": ["cap"]}, geometry=[cap], crs=MARS.crs).to_crs(robinson)
    table.geometry = table.geometry.scale(1 + 3e-7, 1 + 3e-7, origin=(0, 0))  # another program's edge
    table.to_file(tmp_path / "map.gpkg")
    read = read_catalogue(tmp_path / "map.gpkg", MARS)
    expected = 2 * np.pi * MARS.radius_km**2 * (1 - np.cos(np.radians(10.0)))
    assert read["area_km2"][0] == pytest.approx(expected, rel=1e-3)
    assert "beyond the edge of the projection" in notes(read)


def test_the_first_layer_with_shapes_is_read(tmp_path: Path) -> None:
    for layer, lon in (("first", 1.0), ("second", 2.0)):
        table = gpd.GeoDataFrame({"name": [layer]}, geometry=[shapely.Point(lon, 0)], crs=MARS.crs)
        table.to_file(tmp_path / "two.gpkg", layer=layer)
    read = read_catalogue(tmp_path / "two.gpkg", MARS)
    assert read["name"].tolist() == ["first"]
    assert "layer first of 2" in notes(read)


KML = """<?xml version="1.0"?>
<kml xmlns="http://www.opengis.net/kml/2.2" hint="target={target}"><Document>
<Placemark id="m.1"><name>Blunck</name><ExtendedData><SchemaData>
<SimpleData name="diameter">66.5</SimpleData><SimpleData name="type">Crater, craters</SimpleData>
</SchemaData><Data name="quad"><value>mc19</value></Data></ExtendedData>
<Point><coordinates>-36.897,-27.2282,0</coordinates></Point></Placemark>
<Placemark><name>a channel</name><LineString><coordinates>1,2,0
 3,2,0</coordinates></LineString></Placemark>
<Placemark><name>a basin</name><MultiGeometry><Point><coordinates>9,9</coordinates></Point><Polygon>
<outerBoundaryIs><LinearRing><coordinates>0,0 10,0 10,10 0,10 0,0</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>4,4 6,4 6,6 4,6 4,4</coordinates></LinearRing></innerBoundaryIs>
</Polygon></MultiGeometry></Placemark>
<Placemark><name>a folder's note</name></Placemark>
<Placemark><name>torn</name><Point><coordinates>east</coordinates></Point></Placemark>
</Document></kml>"""


def test_kml_and_kmz_keep_the_fields_of_the_iau_and_every_shape(tmp_path: Path) -> None:
    (tmp_path / "names.kml").write_text(KML.format(target="MARS"))
    with zipfile.ZipFile(tmp_path / "names.kmz", "w") as archive:
        archive.write(tmp_path / "names.kml", "doc.kml")
    for name in ("names.kml", "names.kmz"):
        table = read_catalogue(tmp_path / name, MARS)
        assert table["name"].tolist() == ["Blunck", "a channel", "a basin"]
        assert table["landform"].tolist() == ["crater", "feature", "feature"]
        assert table["diameter_km"][0] == 66.5
        assert table["quad"][0] == "mc19"
        assert table.attrs["dropped"] == 2
        assert [shape.geom_type for shape in table.geometry] == ["Point", "LineString", "Polygon"]
        assert table["length_km"][1] == pytest.approx(2 * DEGREE_KM, rel=1e-3)
        assert table["area_km2"][2] == pytest.approx(96 * DEGREE_KM**2, rel=0.02)
        # The middle of the basin lies in its hole: the position is on the ring around it.
        assert table.geometry[2].covers(shapely.Point(table["lon"][2], table["lat"][2]).buffer(1e-6)) or (
            table.geometry[2].distance(shapely.Point(table["lon"][2], table["lat"][2])) < 1e-6
        )
    (tmp_path / "moon.kml").write_text(KML.format(target="MOON"))
    with pytest.raises(BodyMismatchError, match="moon"):
        read_catalogue(tmp_path / "moon.kml", MARS)


def test_a_kmz_without_kml_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "names.kmz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(CatalogueError, match="holds no KML"):
        read_catalogue(tmp_path / "names.kmz", MARS)


UNIT_TABLE = (
    "name,name_actual,unit_type,description\nLAPC,lApc,polar,Late Amazonian cap\nAHI,AHi,impact,Impacts\n"
)


@pytest.mark.parametrize("code", ["Unit", "age"])
def test_units_of_a_geologic_map_are_named(tmp_path: Path, code: str) -> None:
    shapes = [shapely.box(0, -85, 10, -80), shapely.box(0, 0, 10, 10)]
    rows = [{code: "lApc", "SphArea_km": 5000.0}, {code: "AHi", "SphArea_km": None}]
    table = read_catalogue(geojson(tmp_path, shapes, rows), MARS)
    assert table["unit"].tolist() == ["lApc", "AHi"]
    assert table["unit_name"].tolist() == [
        "Late Amazonian polar cap unit",
        "Amazonian and Hesperian impact unit",
    ]
    assert table["unit_group"].tolist() == ["polar", "impact"]
    assert table["landform"].tolist() == [
        "late_amazonian_polar_cap_unit",
        "amazonian_and_hesperian_impact_unit",
    ]
    assert table["area_km2"][0] == 5000.0
    assert table["area_km2"][1] == pytest.approx(100 * DEGREE_KM**2, rel=0.01)
    (tmp_path / "Mars_geologic_units.csv").write_text(UNIT_TABLE)
    joined = read_catalogue(geojson(tmp_path, shapes, rows), MARS)
    assert joined["unit_name"].tolist() == ["Late Amazonian cap", "Impacts"]
    assert "Mars_geologic_units.csv" in notes(joined)
    (tmp_path / "Mars_geologic_units.csv").write_bytes(b"\xff\xfe\x00torn")
    torn = read_catalogue(geojson(tmp_path, shapes, rows), MARS)
    assert torn["unit_name"].tolist() == table["unit_name"].tolist()
    described = [row | {"UnitDesc": f"{row[code]} - Some rock"} for row in rows]
    assert set(read_catalogue(geojson(tmp_path, shapes, described), MARS)["unit_name"]) == {"Some rock"}


def test_other_columns_called_unit_are_left_alone(tmp_path: Path) -> None:
    table = read_catalogue(geojson(tmp_path, [shapely.Point(1, 2)], [{"unit": "km", "type": "dune"}]), MARS)
    assert table["landform"].tolist() == ["dune"]
    assert table["unit"].tolist() == ["km"]
    assert "unit_name" not in table.columns


def test_codes_are_read_as_the_map_builds_them(real_data: Path) -> None:
    legend = pd.read_csv(real_data / "mars-vectors" / "Mars_geologic_units.csv")
    legend = legend[legend["name"].str.lower() == legend["name_actual"].str.lower()]  # one line is mistyped
    assert len(legend) == 43
    assert legend["name_actual"].map(unit_group).tolist() == legend["unit_type"].tolist()
    bare = legend["description"].str.removesuffix(" unit") + " unit"
    made = legend["name_actual"].map(unit_name)
    same = [sorted(a.split()) == sorted(b.split()) for a, b in zip(made, bare, strict=True)]
    assert np.mean(same) == 1.0
    assert unit_age("HNhu") == "Hesperian and Noachian"
    assert unit_name("km") == unit_group("") == ""


def test_the_geologic_map_is_read_as_areas_with_names(real_data: Path) -> None:
    units = read_catalogue(real_data / "mars-vectors" / "sim3292_units_simplified.json", MARS)
    assert len(units) == 200
    assert set(units.geometry.geom_type) <= {"Polygon", "MultiPolygon"}
    assert units.geometry.is_valid.all()
    assert "Late Amazonian polar cap unit" in set(units["unit_name"])
    assert "late_amazonian_polar_cap_unit" in set(units["landform"])
    assert set(units["unit_group"]) == {"polar", "impact", "highland", "volcanic", "basin"}
    assert "Mars_geologic_units.csv" in notes(units)
    measured = np.pi / 4 * units["diameter_km"] ** 2  # of the simplified outlines
    assert np.median(measured / units["area_km2"]) == pytest.approx(1.0, abs=0.02)
    landers = read_catalogue(real_data / "mars-vectors" / "SIM3292_Global_Landing_sites.shp", MARS)
    assert len(landers) == 9
    assert "Mars 2" in set(landers["name"])

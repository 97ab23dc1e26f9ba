"""Catalogues of every format and convention end in one schema; what cannot is refused with a reason."""

import json
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from retrieval.body import get_body
from retrieval.catalogue import COLUMNS, Convention, read_catalogue
from retrieval.catalogue.geojson import read_geojson
from retrieval.errors import BodyMismatchError, CatalogueError

MARS = get_body("mars")
LOWELL = get_body("lowell")
GALE = (137.4, -5.4)


def csv(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("lon,lat", "137.4,-5.4"),
        ("Latitude;Longitude", "-5.4;137.4"),
        ("LON_DEG\tLAT_DEG", "137.4\t-5.4"),
        ("clon180,clat", "-222.6,-5.4"),
        ("center longitude, center latitude", "497.4,-5.4"),
        ("lon_w,lat", "222.6,-5.4"),
        ("LonW,Lat", "-137.4,-5.4"),
        (
            "Center_Longitude,Center_Latitude,Western_Longitude,Coordinate_System",
            "137.4,-5.4,136,Planetocentric +East 0-360",
        ),
        ("Center_Longitude,Center_Latitude,Coordinate_System", "222.6,-5.4,Planetocentric  +West 0 - 360"),
    ],
)
def test_longitudes_of_every_convention_come_to_the_same_place(tmp_path: Path, header: str, row: str) -> None:
    if "497.4" in row:
        with pytest.raises(CatalogueError, match="possible position"):
            read_catalogue(csv(tmp_path, f"{header}\n{row}\n"), MARS)
        return
    table = read_catalogue(csv(tmp_path, f"{header}\n{row}\n"), MARS)
    assert table[["lon", "lat"]].to_numpy()[0] == pytest.approx(GALE)
    assert table.crs == MARS.crs
    assert tuple(table.columns[: len(COLUMNS)]) == COLUMNS


@given(st.floats(-180, 179.9), st.floats(-89, 89))
def test_domains_do_not_matter(tmp_path_factory: pytest.TempPathFactory, lon: float, lat: float) -> None:
    folder = tmp_path_factory.mktemp("csv")
    tables = [
        read_catalogue(csv(folder, f"{name},lat\n{value!r},{lat!r}\n"), MARS)
        for name, value in (("lon", lon), ("lon", lon % 360), ("lon_w", -lon))
    ]
    for table in tables:
        assert MARS.distance_km(table[["lon", "lat"]].to_numpy()[0], [lon, lat]) < 1e-6


def test_planetographic_latitudes_are_turned(tmp_path: Path) -> None:
    header = "Center_Longitude,Center_Latitude,Coordinate_System"
    table = read_catalogue(csv(tmp_path, f"{header}\n10,45,Planetographic +West 0 - 360\n"), MARS)
    assert table["lon"][0] == -10
    assert table["lat"][0] == pytest.approx(44.6618, abs=1e-3)
    assert any("planetographic" in note for note in table.attrs["notes"])
    sphere = read_catalogue(csv(tmp_path, f"{header}\n10,45,Planetographic +East\n"), LOWELL)
    assert sphere["lat"][0] == 45
    with pytest.raises(CatalogueError, match="mixes"):
        read_catalogue(csv(tmp_path, f"{header}\n10,45,+West\n10,45,+East\n"), MARS)


def test_columns_of_the_schema_are_found_and_units_applied(tmp_path: Path) -> None:
    text = (
        "CRATER_ID,Name,Type,LON_CIRC_IMG,LAT_CIRC_IMG,DIAM_M,length_m,azimuth,depth\n"
        'a1,Gale,"Crater, craters",137.4,-5.4,154000,0,275,3\n'
        "a2,,Albedo Feature,10,20,-1,500,,4\n"
    )
    table = read_catalogue(csv(tmp_path, text), MARS)
    assert table["id"].tolist() == ["a1", "a2"]
    assert table["name"].tolist() == ["Gale", ""]
    assert table["landform"].tolist() == ["crater", "albedo_feature"]
    assert table["diameter_km"].tolist() == pytest.approx([154.0, np.nan], nan_ok=True)
    assert table["length_km"].tolist() == pytest.approx([np.nan, 0.5], nan_ok=True)
    assert table["azimuth_deg"].tolist() == pytest.approx([95.0, np.nan], nan_ok=True)
    assert table["depth"].tolist() == [3, 4]
    assert (read_catalogue(csv(tmp_path, text), MARS, landform="place")["landform"] == "place").all()


ROBBINS_2012 = (
    "CRATER_ID\tLATITUDE_CIRCLE_IMAGE\tLONGITUDE_CIRCLE_IMAGE\tDIAM_CIRCLE_IMAGE\tDEPTH_RIMFLOOR_TOPOG\t"
    "CRATER_NAME\n01-000001\t-5.4\t137.4\t154.1\t4.9\tGale\n01-000002\t72.7\t-164.4\t1.02\t\tà\n"
)
ROBBINS_2020 = "CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG,LAYERS\n01-000001,-5.4,137.4,154.1,2\n"


@pytest.mark.parametrize(("text", "name"), [(ROBBINS_2012, "craters.tsv"), (ROBBINS_2020, "craters.csv")])
def test_both_releases_of_robbins_and_hynek_are_read(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))  # as published
    table = read_catalogue(tmp_path / name, MARS, landform="impact_crater")
    assert table[["lon", "lat"]].to_numpy()[0] == pytest.approx(GALE)
    assert table["diameter_km"][0] == 154.1
    assert table["id"][0] == "01-000001"
    assert table.attrs["dropped"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lon;lat;diameter_km\n137,4;-5,4;3,5\n", (137.4, -5.4)),
        ("Longitude (°E),Latitude (°N)\n137.4,-5.4\n", (137.4, -5.4)),
        ("lon,lat\n137.4°E,5.4 S\n", (137.4, -5.4)),
        ("lon,lat\n222.6W,−5.4\n", (137.4, -5.4)),
        ("lon_w,lat\n222.6 W,-5.4\n", (137.4, -5.4)),
        ("lon,planetographic_latitude\n137.4,-5.4636\n", (137.4, -5.4)),
        ("name,wkt\na,POINT (137.4 -5.4)\n", (137.4, -5.4)),
    ],
)
def test_cells_are_read_as_people_write_them(
    tmp_path: Path, text: str, expected: tuple[float, float]
) -> None:
    table = read_catalogue(csv(tmp_path, text), MARS)
    assert table[["lon", "lat"]].to_numpy()[0] == pytest.approx(expected, abs=1e-3)
    if "diameter" in text:
        assert table["diameter_km"][0] == 3.5


def test_conventions_that_are_mixed_are_read_and_said(tmp_path: Path) -> None:
    def notes(text: str) -> str:
        return " | ".join(read_catalogue(csv(tmp_path, text), MARS).attrs["notes"])

    mixed = read_catalogue(csv(tmp_path, "lon,lat\n190,0\n-170,0\n"), MARS)
    assert mixed["lon"].tolist() == [-170.0, -170.0]
    assert "both conventions in one file" in " ".join(mixed.attrs["notes"])
    assert "cannot be told" in notes("lon_w,lat\n190,0\n-170,0\n")
    for single in ("lon,lat\n190,0\n10,0\n", "lon,lat\n170,0\n-170,0\n", "lon_w,lat\n190,0\n10,0\n"):
        assert "conventions" not in notes(single)
        assert "cannot be told" not in notes(single)


def test_ids_that_repeat_are_numbered_anew(tmp_path: Path) -> None:
    table = read_catalogue(csv(tmp_path, "id,lon,lat\n7,1,1\n7,2,2\n"), MARS)
    assert table["id"].tolist() == ["1", "2"]
    assert table["landform"].tolist() == ["feature", "feature"]


def test_impossible_positions_are_dropped_and_counted(tmp_path: Path) -> None:
    text = "name,lon,lat\ngood,10,20\nnorth,10,95\nround,500,0\nblank,,3\nword,east,3\n"
    table = read_catalogue(csv(tmp_path, text), MARS)
    assert table["name"].tolist() == ["good"]
    assert table.attrs["dropped"] == 4


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.csv", "", "is empty"),
        ("words.csv", "colour,size\nred,3\n", "no columns of longitude and latitude.*colour, size"),
        ("bare.csv", "lon,lat\n", "has no rows"),
        ("wide.csv", "lon,lat," * 2000 + "\n1,2\n", "4,001 columns.*its lines were lost"),
        ("over.csv", "lon,planetographic_latitude\n0,95\n", "possible position"),
        ("endless.csv", "lon,lat\ninf,1e400\n", "possible position"),
        ("far.csv", "lon,lat\n0,200\n", "possible position"),
        ("ragged.csv", 'lon,lat\n1,2\n1,2,3,4,5\n"', "cannot be read"),
        ("list.xyz", "lon,lat\n1,2\n", "no format.*KMZ"),
        ("torn.geojson", '{"features": [', "cannot be read"),
        ("none.geojson", '{"type": "FeatureCollection", "features": []}', "no features"),
        ("torn.gpkg", "SQLite format 3", "is not what its name says"),
        ("torn.parquet", "PAR1", "cannot be read"),
        ("torn.kmz", "PK", "cannot be read"),
        ("torn.kml", "<kml>", "cannot be read"),
        ("none.kml", "<kml/>", "no placemarks"),
        ("word.geojson", '"hello"', "no features"),
        ("numbers.geojson", "[1, 2]", "no features"),
        ("shapes.geojson", '[{"properties": {}, "geometry": {"type": "Blob"}}]', "possible position"),
    ],
)
def test_what_is_no_catalogue_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(csv(tmp_path, text, name), MARS)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="is no file"):
        read_catalogue(tmp_path / "gone.csv", MARS)


@pytest.mark.parametrize("raw", ["Schröter".encode("latin-1"), "\ufeffSchröter".encode()])
def test_old_encodings_are_read(tmp_path: Path, raw: bytes) -> None:
    mark, name = (b"\xef\xbb\xbf", raw[3:]) if raw.startswith(b"\xef") else (b"", raw)
    (tmp_path / "old.csv").write_bytes(mark + b"name,lon,lat\n" + name + b",1,2\n")
    assert read_catalogue(tmp_path / "old.csv", MARS)["name"].tolist() == ["Schröter"]


def test_files_of_another_body_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BodyMismatchError, match="catalogue of moon"):
        read_catalogue(csv(tmp_path, "lon,lat,target\n1,2,Moon\n"), MARS)
    earth = gpd.GeoDataFrame(geometry=[shapely.Point(1, 2)], crs="EPSG:4326")
    earth.to_file(tmp_path / "earth.gpkg")
    with pytest.raises(BodyMismatchError, match="earth"):
        read_catalogue(tmp_path / "earth.gpkg", MARS)
    (tmp_path / "list.geojson").write_text(json.dumps(collection([shapely.Point(1, 2)], body="lowell")))
    with pytest.raises(BodyMismatchError, match="lowell"):
        read_catalogue(tmp_path / "list.geojson", MARS)


def zipped(folder: Path, members: dict[str, bytes | str], name: str = "list.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return folder / name


def test_the_one_catalogue_of_a_zip_is_read(tmp_path: Path) -> None:
    shapefile = gpd.GeoDataFrame({"name": ["Gale"]}, geometry=[shapely.Point(*GALE)], crs=MARS.crs)
    shapefile.to_file(tmp_path / "craters.shp")
    parts = {f"deep/{p.name}": p.read_bytes() for p in tmp_path.glob("craters.*")}
    read = read_catalogue(zipped(tmp_path, {**parts, "readme.txt": "x", "__MACOSX/._craters.shp": "x"}), MARS)
    assert read["name"].tolist() == ["Gale"]
    assert read[["lon", "lat"]].to_numpy()[0] == pytest.approx(GALE)
    read = read_catalogue(zipped(tmp_path, {"../../a b.csv": "lon,lat\n1,2\n", "about.json": "{}"}), MARS)
    assert len(read) == 1
    assert "a_b.csv in list.zip" in read.attrs["notes"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "holds no catalogue"),
        ({"x.exe": "x"}, "holds no catalogue"),
        ({"a.csv": "lon,lat\n1,2\n", "b.csv": "lon,lat\n1,2\n"}, r"2 catalogues \(a.csv, b.csv\).*unpack"),
        ({"a.csv": "p,q\n1,2\n"}, "a.csv has no columns of longitude"),
        ({"a.shp": "x"}, "not what its name says"),
        ({"a.shp": b"\x00\x00\x27\x0a" + b"\0" * 96}, "lacks its companions"),
        ({"a.csv": "lon,lat\n" + "1,2\n" * 300_000}, "unpacks to more than 1 MB"),
    ],
)
def test_zips_of_other_things_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes | str], message: str
) -> None:
    monkeypatch.setattr("retrieval.catalogue.readers.MAX_BYTES", 1_000_000)
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(zipped(tmp_path, members), MARS)


@pytest.mark.parametrize("suffix", [".csv", ".geojson", ".gpkg", ".parquet"])
def test_too_many_rows_are_refused_with_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("retrieval.catalogue.readers.MAX_ROWS", 3)
    path, shapes = tmp_path / f"list{suffix}", [shapely.Point(k, k) for k in range(4)]
    if suffix == ".csv":
        csv(tmp_path, "lon,lat\n" + "1,2\n" * 4)
    elif suffix == ".geojson":
        path.write_text(json.dumps(collection(shapes)))
    elif suffix == ".parquet":
        gpd.GeoDataFrame(geometry=shapes, crs=MARS.crs).to_parquet(path)
    else:
        gpd.GeoDataFrame(geometry=shapes, crs=MARS.crs).to_file(path)
    with pytest.raises(CatalogueError, match=r"at most 3 rows.*above a certain diameter"):
        read_catalogue(path, MARS)


@pytest.mark.parametrize("suffix", [".csv", ".geojson"])
def test_what_the_user_says_of_positions_counts_more_than_the_file(tmp_path: Path, suffix: str) -> None:
    path = csv(tmp_path, "lon,lat\n222.6,-5.4636\n")
    if suffix == ".geojson":
        path = tmp_path / "list.geojson"
        path.write_text(json.dumps(collection([shapely.Point(222.6, -5.4636)])))
    table = read_catalogue(path, MARS, convention=Convention("west", "planetographic"))
    assert table[["lon", "lat"]].to_numpy()[0] == pytest.approx(GALE, abs=1e-3)
    assert (table.attrs["longitude"], table.attrs["latitude"]) == ("west", "planetographic")
    assert table.attrs["file_lon"] == pytest.approx([222.6, 222.6])
    assert read_catalogue(path, MARS).attrs["longitude"] == "east"


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.just("Feature"),
                "properties": st.none()
                | st.dictionaries(
                    st.sampled_from("abc"), st.none() | st.integers(-9, 9) | st.text(max_size=3)
                ),
                "geometry": st.none()
                | st.fixed_dictionaries(
                    {
                        "type": st.sampled_from(["Point", "LineString", "Blob"]),
                        "coordinates": st.lists(st.floats(-80, 80) | st.none(), max_size=3),
                    }
                ),
            }
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([None, 1]),
)
def test_features_one_by_one_are_those_of_the_whole(features: list[Any], indent: int | None) -> None:
    text = json.dumps({"body": "mars", "features": features, "z": [1, {"features": 2}]}, indent=indent)
    rows, shapes, members = read_geojson(text, "x", 10)
    assert members == {"body": "mars", "z": [1, {"features": 2}]}
    whole = pd.DataFrame([dict(one["properties"] or {}) for one in features], index=range(len(features)))
    assert rows.astype(object).where(rows.notna(), None).to_dict("records") == [
        {name: record.get(name) for name in rows.columns}
        for record in whole.astype(object).where(whole.notna(), None).to_dict("records")
    ]
    for one, shape in zip(features, shapes, strict=True):
        if one["geometry"] and one["geometry"]["type"] == "Point" and shape:
            assert [shape.x, shape.y] == one["geometry"]["coordinates"][:2]
    for end in (1, len(text) // 2, len(text) - 1):
        with pytest.raises((ValueError, CatalogueError)):
            read_geojson(text[:end], "x", 10)


def collection(shapes: list[shapely.Geometry], **members: str) -> dict[str, object]:
    features = [
        {"type": "Feature", "properties": {"name": f"n{i}"}, "geometry": shapely.geometry.mapping(shape)}
        for i, shape in enumerate(shapes)
    ]
    return {"type": "FeatureCollection", "features": features, **members}


def test_geojson_lies_on_the_body_whatever_it_says(tmp_path: Path) -> None:
    ring = shapely.Point(0, 0).buffer(1.0, quad_segs=64)
    seam = shapely.Polygon([(179, -1), (181, -1), (181, 1), (179, 1)])
    shapes = [shapely.Point(200, 10), ring, seam, shapely.LineString([(10, 0), (10, 5)])]
    (tmp_path / "list.geojson").write_text(json.dumps(collection(shapes, body="mars")))
    table = read_catalogue(tmp_path / "list.geojson", MARS)
    expected = [(-160, 10), (0, 0), (180, 0), (10, 2.5)]
    assert MARS.distance_km(table[["lon", "lat"]].to_numpy(), expected) == pytest.approx([0] * 4, abs=1e-2)
    degree = MARS.half_circumference_km / 180
    assert table["diameter_km"][1] == pytest.approx(2 * degree, rel=2e-3)
    assert table["diameter_km"][2] == pytest.approx(2 * degree * 2 / np.sqrt(np.pi), rel=2e-3)
    assert table["length_km"][3] == pytest.approx(5 * degree, rel=1e-6)
    assert table["azimuth_deg"][3] % 180 == pytest.approx(0.0, abs=1e-6)
    assert "longitude and latitude on mars" in table.attrs["notes"][0]
    (tmp_path / "bare.json").write_text(json.dumps(collection(shapes)["features"]))
    assert len(read_catalogue(tmp_path / "bare.json", MARS)) == 4


def test_projected_files_and_empty_shapes(tmp_path: Path) -> None:
    points = [shapely.Point(0, 1000e3), None, shapely.Point(500e3, 0)]
    table = gpd.GeoDataFrame(
        {"id": ["a", "b", "c"]}, geometry=points, crs=f"+proj=stere +lat_0=-90 +R={MARS.radius_m} +no_defs"
    )
    table.to_file(tmp_path / "polar.gpkg")
    read = read_catalogue(tmp_path / "polar.gpkg", MARS)
    assert read["id"].tolist() == ["a", "c"]
    assert read.attrs["dropped"] == 1
    assert read["lon"].tolist() == pytest.approx([0.0, 90.0], abs=1e-9)
    assert (read["lat"] < -70).all()


def test_a_file_without_crs_and_degrees_is_refused(tmp_path: Path) -> None:
    gpd.GeoDataFrame(geometry=[shapely.Point(5e6, 2e6)]).to_parquet(tmp_path / "metres.parquet")
    with pytest.raises(CatalogueError, match=r"possible position.*degrees on mars.*CRS"):
        read_catalogue(tmp_path / "metres.parquet", MARS)


def test_a_catalogue_read_from_its_own_parquet_is_the_same(tmp_path: Path) -> None:
    text = "id,name,lon,lat,diameter_km,note\n1,a,10,20,3,x\n2,b,-170,-80,4,y\n"
    first = read_catalogue(csv(tmp_path, text), LOWELL, landform="graben")
    first.to_parquet(tmp_path / "truth.parquet")
    again = read_catalogue(tmp_path / "truth.parquet", LOWELL)
    assert list(again.columns) == list(first.columns)
    pd.testing.assert_frame_equal(again.drop(columns="geometry"), first.drop(columns="geometry"))
    first.drop(columns="geometry").to_csv(tmp_path / "truth.csv", index=False)
    assert read_catalogue(tmp_path / "truth.csv", LOWELL)["diameter_km"].tolist() == [3, 4]


def test_files_larger_than_memory_allows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.catalogue.readers.MAX_BYTES", 10)
    with pytest.raises(CatalogueError, match="larger than 500 MB"):
        read_catalogue(csv(tmp_path, "lon,lat\n1,2\n3,4\n"), MARS)


def test_two_publications_of_the_iau_names_agree(real_data: Path) -> None:
    vectors = real_data / "mars-vectors"
    listed = read_catalogue(vectors / "mars_features.csv", MARS)
    placed = read_catalogue(vectors / "MARS_nomenclature_center_pts.kmz", MARS)
    assert len(listed) == 1850
    assert len(placed) == 2038
    both = listed.merge(placed, on="name")
    away = MARS.distance_km(both[["lon_x", "lat_x"]].to_numpy(), both[["lon_y", "lat_y"]].to_numpy())
    assert np.quantile(away, 0.95) < 1.0
    gale = listed[listed["name"] == "Gale"].iloc[0]
    assert (gale["lon"], gale["lat"]) == pytest.approx((137.8, -5.4), abs=0.5)
    assert gale["diameter_km"] == pytest.approx(154, abs=5)


def test_points_of_the_south_pole_are_read(real_data: Path) -> None:
    south = read_catalogue(real_data / "mars-vectors" / "p4terrains_spider_swiss_scores.csv", MARS)
    assert len(south) == 20_122
    assert (south["lat"] < -60).all()
    assert not any("both conventions" in note for note in south.attrs["notes"])

"""Vector catalogues of any origin, brought to one schema and one longitude convention.

Reads CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML and KMZ. The result is a GeoDataFrame of points in
the body's CRS (planetocentric, east-positive, -180..180) with `COLUMNS` first and every other column of the
file after them; ``attrs`` says how many rows were dropped and what was taken for granted.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.errors import ShapelyError

from retrieval.body import BODIES, Body, to_east_180, unit_vectors
from retrieval.errors import BodyMismatchError, CatalogueError

COLUMNS = ("id", "name", "landform", "lon", "lat", "diameter_km", "length_km", "azimuth_deg")
FORMATS = "CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML, KMZ"
MAX_BYTES = 500_000_000  # of text, unpacked: what fits the memory of a laptop several times over
# What pandas, pyogrio, pyarrow and shapely raise for files that are not what their name says.
TORN = (ValueError, TypeError, AttributeError, KeyError, OSError, RuntimeError, ShapelyError)

# Column names in lower case with underscores; the first that the file has is taken.
LONGITUDE = (
    *("lon", "longitude", "long", "lng", "lon_deg", "longitude_deg", "center_longitude", "centre_longitude"),
    *("center_lon", "centre_lon", "clon", "clon180", "clon360", "lon180", "lon360", "lon_e", "lone_deg"),
    *("lon_east", "longitude_east", "east_longitude", "lon_circ_img", "x_coord"),
)
# "western_longitude" is not here: gazetteers call the western end of a feature so.
LONGITUDE_WEST = (
    *("lon_w", "lonw", "lonw_deg", "lon_west", "longitude_west", "longitude_w", "west_longitude", "w_lon"),
)
LATITUDE = (
    *("lat", "latitude", "lat_deg", "latitude_deg", "center_latitude", "centre_latitude", "center_lat"),
    *("centre_lat", "clat", "lat_circ_img", "y_coord"),
)
IDS = ("id", "feature_id", "crater_id", "subject_id", "objectid", "fid")
NAMES = ("name", "feature_name", "full_name", "clean_name", "clean_feature_name", "crater_name")
LANDFORMS = ("landform", "feature_type", "type", "class", "label", "category")
TARGETS = ("target", "body", "planet")
# Name and the factor to kilometres; gazetteers and crater lists without a unit mean kilometres.
DIAMETERS = {
    **dict.fromkeys(("diameter_km", "diam_km", "diameter", "diam", "d_km", "diam_circ_img"), 1.0),
    **{"diameter_m": 0.001, "diam_m": 0.001, "radius_km": 2.0, "radius_m": 0.002},
}
LENGTHS = {"length_km": 1.0, "length": 1.0, "length_m": 0.001}
AZIMUTHS = {"azimuth_deg": 1.0, "azimuth": 1.0, "orientation_deg": 1.0}


def read_catalogue(path: Path | str, body: Body, landform: str | None = None) -> gpd.GeoDataFrame:
    """Read a catalogue of features on a body.

    Positions come from the file's geometry if it has one, otherwise from its longitude and latitude
    columns: 0..360 or -180..180, east-positive unless the column's name or a ``Coordinate_System`` column
    says west. Planetographic latitudes become planetocentric where that column says so. Lines and polygons
    become points at their centroid, with ``length_km`` and ``azimuth_deg`` of their chord, or
    ``diameter_km`` of the circle of equal area. Rows with impossible positions are dropped and counted in
    ``attrs["dropped"]``.

    Parameters
    ----------
    landform
        What every row is; taken from the file's type column if None (``feature`` where it has none).

    Raises
    ------
    CatalogueError
        If the file is missing, torn, of another format, or has no usable position.
    BodyMismatchError
        If it says that it is of another body.
    """
    path = Path(path)
    rows, lonlat, shape, notes = _read(path, body)
    possible = np.isfinite(lonlat).all(axis=1)
    with np.errstate(invalid="ignore"):
        possible &= (np.abs(lonlat[:, 0]) <= 360.0) & (np.abs(lonlat[:, 1]) <= 90.0)
    if not possible.any():
        raise CatalogueError(
            f"none of the {len(rows)} rows of {path.name} has a possible position",
            allowed="longitudes -360..360 and latitudes -90..90, in degrees",
        )
    rows, lonlat = rows[possible].reset_index(drop=True), lonlat[possible]
    lonlat[:, 0] = to_east_180(lonlat[:, 0])
    table = pd.DataFrame(
        {"id": _ids(rows), "name": _texts(rows, NAMES), "landform": _landforms(rows, landform)}
    )
    table["lon"], table["lat"] = lonlat[:, 0], lonlat[:, 1]
    columns = {"diameter_km": DIAMETERS, "length_km": LENGTHS, "azimuth_deg": AZIMUTHS}
    for name, synonyms in columns.items():
        measured = shape[name][possible] if name in shape else np.full(len(rows), np.nan)
        table[name] = _numbers(rows, synonyms).fillna(pd.Series(measured))
    table["azimuth_deg"] %= 180.0
    for name in ("diameter_km", "length_km"):
        table.loc[~(table[name] > 0), name] = np.nan  # gazetteers write 0 for unknown
    others = rows.drop(columns=[name for name in rows.columns if _key(name) in COLUMNS])
    others = others.drop(columns=[name for name in others.columns if name == "geometry"])
    catalogue = gpd.GeoDataFrame(
        pd.concat([table, others], axis=1),
        geometry=gpd.points_from_xy(lonlat[:, 0], lonlat[:, 1]),
        crs=body.crs,
    )
    catalogue.attrs.update(file=path.name, dropped=int((~possible).sum()), notes=notes)
    return catalogue


Read = tuple[pd.DataFrame, NDArray[np.float64], dict[str, NDArray[np.float64]], list[str]]


def _read(path: Path, body: Body) -> Read:
    """Rows, raw lonlat (n, 2), measures of shapes, and notes."""
    if not path.is_file():
        raise CatalogueError(f"{path} is no file", next_step="check the path")
    readers = {
        **dict.fromkeys((".csv", ".tsv", ".txt"), _read_csv),
        **dict.fromkeys((".geojson", ".json"), _read_geojson),
        **dict.fromkeys((".gpkg", ".shp", ".parquet"), _read_vector),
        **dict.fromkeys((".kmz", ".kml"), _read_kml),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CatalogueError(f"{path.name} is of no format that can be read", allowed=FORMATS)
    try:
        rows, lonlat, shape, notes = reader(path, body)
    except (*TORN, zipfile.BadZipFile, ElementTree.ParseError) as error:
        message = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CatalogueError(
            f"{path.name} cannot be read as a catalogue ({message})", allowed=FORMATS
        ) from error
    _check_target(rows, body, path)
    return rows, lonlat, shape, notes


def _read_csv(path: Path, body: Body) -> Read:
    raw = _limited(path.read_bytes(), path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    header = text.split("\n", 1)[0]
    separator = max(",;\t|", key=header.count)
    try:
        rows = pd.read_csv(io.StringIO(text), sep=separator, skipinitialspace=True)
    except pd.errors.EmptyDataError as error:
        raise CatalogueError(f"{path.name} is empty") from error
    return _from_columns(rows, body, path)


def _from_columns(rows: pd.DataFrame, body: Body, path: Path) -> Read:
    keys = {_key(name): name for name in reversed(rows.columns)}
    lat = next((keys[key] for key in LATITUDE if key in keys), None)
    lon = next((keys[key] for key in LONGITUDE if key in keys), None)
    west = lon is None
    lon = lon or next((keys[key] for key in LONGITUDE_WEST if key in keys), None)
    if lat is None or lon is None:
        raise CatalogueError(
            f"{path.name} has no columns of longitude and latitude",
            allowed="columns such as lon and lat, Center_Longitude and Center_Latitude, lon_w",
            next_step=f"rename its columns; it has {', '.join(map(str, rows.columns[:12]))}",
        )
    lonlat = np.stack([pd.to_numeric(rows[name], errors="coerce").to_numpy(float) for name in (lon, lat)], -1)
    notes = [f"longitude from column {lon}, latitude from {lat}"]
    system = (
        "".join(rows[keys["coordinate_system"]].astype(str).unique()).lower()
        if ("coordinate_system" in keys)
        else ""
    )
    if "west" in system and "east" in system:
        raise CatalogueError(f"{path.name} mixes east-positive and west-positive rows", next_step="split it")
    if west or "west" in system:
        lonlat[:, 0] = -lonlat[:, 0]
        notes.append("longitudes are west-positive and were turned")
    if "graphic" in system:
        lonlat[:, 1] = _planetocentric(lonlat[:, 1], body)
        notes.append("latitudes are planetographic and were turned")
    return rows, lonlat, {}, notes


def _read_geojson(path: Path, body: Body) -> Read:
    data = json.loads(_limited(path.read_bytes(), path))
    members = data if isinstance(data, Mapping) else {"features": data}
    features = members.get("features")
    if not (isinstance(features, list) and features and all(isinstance(one, Mapping) for one in features)):
        raise CatalogueError(f"{path.name} holds no features", allowed="a GeoJSON FeatureCollection")
    _check_name(members.get("body"), body, path)
    table = gpd.GeoDataFrame.from_features(features)
    # GeoJSON has no room for a planetary CRS, so its coordinates are the body's longitude and latitude.
    return _from_shapes(table, None, body, path)


def _read_vector(path: Path, body: Body) -> Read:
    table = gpd.read_parquet(path) if path.suffix.lower() == ".parquet" else gpd.read_file(path)
    if "geometry" not in table.columns and not isinstance(table, gpd.GeoDataFrame):
        return _from_columns(table, body, path)
    crs = CRS.from_user_input(table.crs) if table.crs is not None else None
    if crs is not None:
        body.check_same_body(crs, path.name)
    return _from_shapes(table, crs, body, path)


def _from_shapes(table: gpd.GeoDataFrame, crs: CRS | None, body: Body, path: Path) -> Read:
    """Points of any geometry, and the size and direction of lines and polygons."""
    shapes = table.geometry.to_numpy()
    rows = pd.DataFrame(table.drop(columns=table.geometry.name))
    lonlat = np.full((len(rows), 2), np.nan)
    measures = {name: np.full(len(rows), np.nan) for name in ("diameter_km", "length_km", "azimuth_deg")}
    for i, shape in enumerate(shapes):
        if shape is None or shape.is_empty:
            continue
        corners = shapely.get_coordinates(shape)
        points = corners if crs is None else body.lonlat_from(crs, corners[:, 0], corners[:, 1])
        if (
            not np.isfinite(points).all()
            or np.abs(points[:, 1]).max() > 90
            or np.abs(points[:, 0]).max() > 360
        ):
            continue
        if len(points) == 1:
            lonlat[i] = points[0]
            continue
        # Centroids are taken in a plane about the middle of the corners: no seam, no stretched poles.
        middle = _mean_lonlat(points)
        east, north = body.lonlat_to_offsets(middle, points)
        plane = shapely.set_coordinates(shapely.force_2d(shape), np.stack([east, north], axis=-1))
        lonlat[i] = body.offsets_to_lonlat(middle, plane.centroid.x, plane.centroid.y)
        if plane.area > 0:
            measures["diameter_km"][i] = 2.0 * np.sqrt(plane.area / np.pi)
        elif plane.length > 0 and "Line" in plane.geom_type:
            measures["length_km"][i] = plane.length
            measures["azimuth_deg"][i] = body.azimuth_deg(points[0], points[-1]) % 180.0
    notes = [] if crs is not None else [f"coordinates taken as longitude and latitude on {body.name}"]
    if not np.isfinite(lonlat).any():
        raise CatalogueError(
            f"{path.name} has no geometry whose coordinates are on {body.name}",
            next_step="give the file a CRS, or degrees of longitude and latitude",
        )
    return rows, lonlat, measures, notes


def _read_kml(path: Path, body: Body) -> Read:
    """Placemarks with a point. GDAL's reader drops the fields of the IAU files, so this one is ours."""
    if path.suffix.lower() == ".kmz":
        with zipfile.ZipFile(path) as archive:
            member = next(
                (info for info in archive.infolist() if info.filename.lower().endswith(".kml")), None
            )
            if member is None or member.file_size > MAX_BYTES:
                raise CatalogueError(f"{path.name} holds no KML file, or one larger than 500 MB")
            text = archive.read(member)
    else:
        text = _limited(path.read_bytes(), path)
    root = ElementTree.fromstring(text)  # expat refuses entity bombs since 2.4
    target = re.search(r"target=(\w+)", root.get("hint", ""))
    _check_name(target[1] if target else None, body, path)
    records, points = [], []
    for mark in root.iter():
        if _tag(mark) != "Placemark":
            continue
        record, point = _placemark(mark)
        records.append(record)
        points.append(point)
    if not records:
        raise CatalogueError(f"{path.name} has no placemarks")
    return pd.DataFrame(records), np.array(points, dtype=float), {}, []


def _placemark(mark: ElementTree.Element) -> tuple[dict[str, str], tuple[float, float]]:
    record: dict[str, str] = {"id": mark.get("id", "")}
    point = (np.nan, np.nan)
    for part in mark.iter():
        tag, text = _tag(part), (part.text or "").strip()
        if tag == "name":
            record["name"] = text
        elif tag == "SimpleData":
            record[part.get("name", "")] = text
        elif tag == "Data":
            record[part.get("name", "")] = "".join(part.itertext()).strip()
        elif tag == "coordinates" and np.isnan(point[0]) and len(text.split()) == 1:
            values = text.split(",")
            point = (float(values[0]), float(values[1]))
    return record, point


def _tag(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _limited(raw: bytes, path: Path) -> bytes:
    if len(raw) > MAX_BYTES:
        raise CatalogueError(f"{path.name} is larger than 500 MB", next_step="convert it to GeoPackage")
    return raw


def _check_target(rows: pd.DataFrame, body: Body, path: Path) -> None:
    for name in rows.columns:
        if _key(name) in TARGETS:
            for value in rows[name].dropna().astype(str).unique():
                _check_name(value, body, path)


def _check_name(value: Any, body: Body, path: Path) -> None:
    other = str(value or "").strip().lower()
    if other in BODIES and other != body.name:
        raise BodyMismatchError(
            f"{path.name} is a catalogue of {other}, not of {body.name}",
            next_step=f"use it with an index of {other}",
        )


def _mean_lonlat(points: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = unit_vectors(points).mean(axis=0)
    return np.array([np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))])


def _planetocentric(lat_deg: NDArray[np.float64], body: Body) -> NDArray[np.float64]:
    # The IAU's planetographic CRS of a body is its code plus one: 49900 -> 49901.
    if not body.crs_code.startswith("IAU_2015:"):
        return lat_deg
    ellipsoid = CRS.from_user_input(body.crs_code[:-1] + "1").ellipsoid
    if ellipsoid is None:
        return lat_deg
    squash = (ellipsoid.semi_minor_metre / ellipsoid.semi_major_metre) ** 2
    return np.asarray(np.degrees(np.arctan(np.tan(np.radians(lat_deg)) * squash)))


def _key(name: Any) -> str:
    return re.sub(r"\W+", "_", str(name).strip().lower()).strip("_")


def _texts(rows: pd.DataFrame, synonyms: tuple[str, ...]) -> pd.Series[str]:
    keys = {_key(name): name for name in reversed(rows.columns)}
    for key in synonyms:
        if key in keys:
            return rows[keys[key]].fillna("").astype("str").str.strip()
    return pd.Series([""] * len(rows), dtype="str")


def _ids(rows: pd.DataFrame) -> pd.Series[str]:
    ids = _texts(rows, IDS)
    fine = ids.is_unique and (ids != "").all()
    return ids if fine else pd.Series([str(number) for number in range(1, len(rows) + 1)], dtype="str")


def _landforms(rows: pd.DataFrame, landform: str | None) -> pd.Series[str]:
    if landform is not None:
        return pd.Series([landform] * len(rows), dtype="str")
    # The IAU writes singular and plural: "Crater, craters".
    found = _texts(rows, LANDFORMS).str.split(",").str[0].str.strip().str.lower().str.replace(" ", "_")
    return found.where(found != "", "feature").astype("str")


def _numbers(rows: pd.DataFrame, synonyms: Mapping[str, float]) -> pd.Series[float]:
    keys = {_key(name): name for name in reversed(rows.columns)}
    for key, factor in synonyms.items():
        if key in keys:
            return pd.to_numeric(rows[keys[key]], errors="coerce").astype(float) * factor
    return pd.Series(np.full(len(rows), np.nan))

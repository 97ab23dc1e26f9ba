"""Catalogues of every format, read into one table.

Reads CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML and KMZ. The result is a GeoDataFrame in the body's
CRS (planetocentric, east-positive, -180..180) with `COLUMNS` first and every other column of the file after
them. Its geometry is the file's: points, or lines and polygons made right for the sphere; ``lon`` and ``lat``
are always one position. ``attrs`` says how many rows were dropped and what was taken for granted.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS
from shapely.errors import ShapelyError

from retrieval.body import BODIES, Body
from retrieval.catalogue import columns as names
from retrieval.catalogue.geometry import Shapes, centres, measures, mixed, on_body, points_at, to_lonlat
from retrieval.catalogue.kml import read_kml
from retrieval.catalogue.units import add_units
from retrieval.errors import BodyMismatchError, CatalogueError

FORMATS = "CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML, KMZ"
MAX_BYTES = 500_000_000  # of text, unpacked: what fits the memory of a laptop several times over
# What pandas, pyogrio, pyarrow and shapely raise for files that are not what their name says.
TORN = (ValueError, TypeError, AttributeError, KeyError, OSError, RuntimeError, ShapelyError)

# GDAL takes a file for what it holds, not for what it is called: a virtual data set called .gpkg would have
# it read any other file, or ask another machine.
MAGIC = {".gpkg": b"SQLite format 3\x00", ".shp": b"\x00\x00\x27\x0a"}

Read = tuple[pd.DataFrame, Shapes, list[str]]


def read_catalogue(path: Path | str, body: Body, landform: str | None = None) -> gpd.GeoDataFrame:
    """Read a catalogue of features on a body.

    Positions come from the file's geometry if it has one, otherwise from its longitude and latitude
    columns: 0..360 or -180..180, east-positive unless the column's name or a ``Coordinate_System`` column
    says west. Planetographic latitudes become planetocentric where the file says so. Of lines and polygons
    ``lon`` and ``lat`` are the centroid (or the nearest point inside); lines have ``length_km`` and
    ``azimuth_deg``, polygons ``area_km2`` and ``diameter_km`` of the circle of equal area, unless the file
    says otherwise. Units of a geologic map get their names (see `units`). Rows with impossible positions are
    dropped and counted in ``attrs["dropped"]``; ``attrs["notes"]`` says what was assumed, turned and
    repaired.

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
    rows, raw, notes = _read(path, body)
    shapes, more = on_body(raw, body)
    possible = ~shapely.is_missing(shapes)
    if not possible.any():
        raise CatalogueError(
            f"none of the {len(rows)} rows of {path.name} has a possible position",
            allowed=f"longitudes -360..360 and latitudes -90..90, in degrees on {body.name}",
            next_step="give the file a CRS if its coordinates are in metres",
        )
    rows, shapes = rows[possible].reset_index(drop=True), shapes[possible]
    rows, unit_notes = add_units(rows, path)
    table = pd.DataFrame(
        {
            "id": names.ids(rows),
            "name": names.texts(rows, names.NAMES),
            "landform": names.landforms(rows, landform),
        }
    )
    lonlat = centres(rows, shapes, body)
    table["lon"], table["lat"] = lonlat[:, 0], lonlat[:, 1]
    measured = measures(shapes, body)
    synonyms = {
        **{"diameter_km": names.DIAMETERS, "length_km": names.LENGTHS, "azimuth_deg": names.AZIMUTHS},
        "area_km2": names.AREAS,
    }
    for name, known in synonyms.items():
        table[name] = names.numbers(rows, known).fillna(pd.Series(measured[name]))
    table["azimuth_deg"] %= 180.0
    for name in ("diameter_km", "length_km", "area_km2"):
        table.loc[~(table[name] > 0), name] = np.nan  # gazetteers write 0 for unknown
    if table["area_km2"].isna().all():
        table = table.drop(columns="area_km2")
    ours = {*table.columns, "geometry"}
    others = rows.drop(columns=[name for name in rows.columns if names.key(name) in ours])
    catalogue = gpd.GeoDataFrame(pd.concat([table, others], axis=1), geometry=shapes, crs=body.crs)
    catalogue.attrs.update(file=path.name, dropped=int((~possible).sum()), notes=[*notes, *more, *unit_notes])
    return catalogue


def _read(path: Path, body: Body) -> Read:
    """Rows, shapes (n,) in degrees east with longitudes of any domain (None: none), and notes."""
    if not path.is_file():
        raise CatalogueError(f"{path} is no file", next_step="check the path")
    readers = {
        **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), _read_csv),
        **dict.fromkeys((".geojson", ".json"), _read_geojson),
        **dict.fromkeys((".gpkg", ".shp", ".parquet"), _read_vector),
        **dict.fromkeys((".kmz", ".kml"), _read_kml),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CatalogueError(f"{path.name} is of no format that can be read", allowed=FORMATS)
    try:
        rows, shapes, notes = reader(path, body)
    except (*TORN, zipfile.BadZipFile, ElementTree.ParseError) as error:
        message = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CatalogueError(
            f"{path.name} cannot be read as a catalogue ({message})", allowed=FORMATS
        ) from error
    if not len(rows):
        raise CatalogueError(f"{path.name} has no rows")
    for name in rows.columns:
        if names.key(name) in names.TARGETS:
            for value in rows[name].dropna().astype(str).unique():
                _check_name(value, body, path)
    return rows, shapes, notes


def _read_csv(path: Path, body: Body) -> Read:
    return _from_columns(names.read_table(_bytes(path), path), body, path)


def _from_columns(rows: pd.DataFrame, body: Body, path: Path) -> Read:
    drawn = names.find(rows, names.SHAPE_TEXTS)
    if (
        drawn is not None
        and rows[drawn].astype(str).str.match(r"\s*(MULTI)?(POINT|LINE|POLYGON)", case=False).any()
    ):
        texts = rows[drawn].astype(object).where(rows[drawn].notna(), None).to_numpy()
        with np.errstate(all="ignore"):
            shapes = shapely.force_2d(shapely.from_wkt(texts, on_invalid="ignore"))
        notes = [f"shapes from column {drawn}, taken as longitude and latitude on {body.name}"]
        return rows.drop(columns=drawn), shapes, [*notes, *mixed(shapes)]
    lonlat, notes = names.positions(rows, body, path.name)
    return rows, points_at(lonlat), notes


def _read_geojson(path: Path, body: Body) -> Read:
    data = json.loads(_bytes(path))
    members = data if isinstance(data, Mapping) else {"features": data}
    features = members.get("features")
    if not (isinstance(features, list) and features and all(isinstance(one, Mapping) for one in features)):
        raise CatalogueError(f"{path.name} holds no features", allowed="a GeoJSON FeatureCollection")
    _check_name(members.get("body"), body, path)
    # GeoJSON has no room for a planetary CRS, so its coordinates are the body's longitude and latitude.
    shapes = np.empty(len(features), dtype=object)
    for row, feature in enumerate(features):
        shapes[row] = _geojson_shape(feature.get("geometry"))
    rows = pd.DataFrame([dict(feature.get("properties") or {}) for feature in features])
    return _from_shapes(gpd.GeoDataFrame(rows, geometry=shapes), None, body, [])


def _geojson_shape(geometry: Any) -> Any:
    """A geometry, or None: one that is torn costs its row, not the file."""
    try:
        with np.errstate(invalid="ignore"):
            return shapely.geometry.shape(geometry) if geometry else None
    except TORN:
        return None


def _read_vector(path: Path, body: Body) -> Read:
    notes: list[str] = []
    if path.suffix.lower() == ".parquet":
        table = gpd.read_parquet(path)
    else:
        _check_magic(path)
        layers = gpd.list_layers(path)
        drawn = layers["name"][layers["geometry_type"].notna()].tolist() or layers["name"].tolist()
        if len(drawn) > 1:
            notes.append(f"layer {drawn[0]} of {len(drawn)}; the others were not read")
        table = gpd.read_file(path, layer=drawn[0])
    if not isinstance(table, gpd.GeoDataFrame):
        return _from_columns(table, body, path)
    crs = CRS.from_user_input(table.crs) if table.crs is not None else None
    if crs is not None:
        body.check_same_body(crs, path.name)
    return _from_shapes(table, crs, body, notes)


def _check_magic(path: Path) -> None:
    expected = MAGIC[path.suffix.lower()]
    with path.open("rb") as stream:
        if stream.read(len(expected)) != expected:
            raise CatalogueError(
                f"{path.name} is not what its name says",
                allowed=FORMATS,
                next_step="save it again as GeoPackage",
            )


def _from_shapes(table: gpd.GeoDataFrame, crs: CRS | None, body: Body, notes: list[str]) -> Read:
    shapes = shapely.force_2d(table.geometry.to_numpy())
    rows = pd.DataFrame(table.drop(columns=table.geometry.name))
    if crs is None:
        notes = [*notes, f"coordinates taken as longitude and latitude on {body.name}"]
    else:
        shapes, moved = to_lonlat(shapes, crs, body)
        notes = [*notes, *moved]
    return rows, shapes, [*notes, *mixed(shapes)]


def _read_kml(path: Path, body: Body) -> Read:
    rows, shapes, target = read_kml(path, MAX_BYTES)
    _check_name(target, body, path)
    return rows, shapes, mixed(shapes)


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MAX_BYTES:
        raise CatalogueError(f"{path.name} is larger than 500 MB", next_step="convert it to GeoPackage")
    return path.read_bytes()


def _check_name(value: Any, body: Body, path: Path) -> None:
    other = str(value or "").strip().lower()
    if other in BODIES and other != body.name:
        raise BodyMismatchError(
            f"{path.name} is a catalogue of {other}, not of {body.name}",
            next_step=f"use it with an index of {other}",
        )

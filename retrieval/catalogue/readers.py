"""Catalogues of every format, read into one table.

Reads CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML and KMZ, and each of them in a zip. The result is a
GeoDataFrame in the body's CRS (planetocentric, east-positive, -180..180) with `COLUMNS` first and every other
column of the file after them. Its geometry is the file's: points, or lines and polygons made right for the
sphere; ``lon`` and ``lat`` are always one position. ``attrs`` says how many rows were dropped and what was
taken for granted.
"""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely
from pyproj import CRS
from shapely.errors import ShapelyError

from retrieval.body import BODIES, Body
from retrieval.catalogue import columns as names
from retrieval.catalogue.archive import unpack_catalogue
from retrieval.catalogue.columns import UNSAID, Convention
from retrieval.catalogue.geojson import read_geojson, too_many
from retrieval.catalogue.geometry import Shapes, centres, measures, mixed, on_body, points_at, to_lonlat
from retrieval.catalogue.kml import read_kml
from retrieval.catalogue.units import add_units
from retrieval.errors import BodyMismatchError, CatalogueError

FORMATS = "CSV, GeoJSON, GeoPackage, Shapefile, GeoParquet, KML, KMZ, or one of them in a zip"
SUFFIXES = (
    *(".csv", ".tsv", ".tab", ".txt", ".geojson", ".json", ".gpkg", ".shp", ".parquet", ".kmz", ".kml"),
    ".zip",
)
MAX_BYTES = 500_000_000  # of text, unpacked: what fits the memory of a laptop several times over
MAX_ROWS = 2_500_000  # see benchmarks/catalogue_size.py
# What pandas, pyogrio, pyarrow and shapely raise for files that are not what their name says.
TORN = (
    *(ValueError, TypeError, AttributeError, KeyError, OSError, RuntimeError, ShapelyError, EOFError),
    *(ElementTree.ParseError, zipfile.BadZipFile, zlib.error),
)

# GDAL takes a file for what it holds, not for what it is called: a virtual data set called .gpkg would have
# it read any other file, or ask another machine.
MAGIC = {".gpkg": b"SQLite format 3\x00", ".shp": b"\x00\x00\x27\x0a"}


class Read(NamedTuple):
    """What a reader found: rows, their shapes (n,), what was assumed, and the convention of positions."""

    rows: pd.DataFrame
    shapes: Shapes
    notes: list[str]
    convention: Convention = UNSAID


def read_catalogue(
    path: Path | str, body: Body, landform: str | None = None, convention: Convention = UNSAID
) -> gpd.GeoDataFrame:
    """Read a catalogue of features on a body.

    Positions come from the file's geometry if it has one, otherwise from its longitude and latitude
    columns: 0..360 or -180..180, east-positive unless the column's name or a ``Coordinate_System`` column
    says west. Planetographic latitudes become planetocentric where the file says so. Of lines and polygons
    ``lon`` and ``lat`` are the centroid (or the nearest point inside); lines have ``length_km`` and
    ``azimuth_deg``, polygons ``area_km2`` and ``diameter_km`` of the circle of equal area, unless the file
    says otherwise. Units of a geologic map get their names (see `units`). Rows with impossible positions are
    dropped and counted in ``attrs["dropped"]``; ``attrs["notes"]`` says what was assumed, turned and
    repaired; ``attrs["longitude"]`` and ``attrs["latitude"]`` name the convention that was taken (blank where
    the file's coordinate system says it), ``attrs["file_lon"]`` the smallest and largest longitude as the
    file has them, ``attrs["columns"]`` the names of its columns.

    Parameters
    ----------
    landform
        What every row is; taken from the file's type column if None (``feature`` where it has none).
    convention
        What the user says of the positions of a file that does not say it itself.

    Raises
    ------
    CatalogueError
        If the file is missing, torn, of another format, has no usable position or too many rows.
    BodyMismatchError
        If it says that it is of another body.
    """
    path = Path(path)
    rows, raw, notes, taken = _read(path, body, convention)
    columns, file_lon = [str(name) for name in rows.columns], _longitudes(raw)
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
    catalogue.attrs.update(
        file=path.name,
        dropped=int((~possible).sum()),
        notes=[*notes, *more, *unit_notes],
        longitude=taken.longitude,
        latitude=taken.latitude,
        file_lon=file_lon if taken.longitude != "west" else [-lon for lon in reversed(file_lon)],
        columns=columns,
    )
    return catalogue


def _longitudes(shapes: Shapes) -> list[float]:
    west, _, east, _ = shapely.total_bounds(shapes).tolist()
    return [west, east] if np.isfinite([west, east]).all() else []


def _read(path: Path, body: Body, given: Convention) -> Read:
    """Rows, shapes (n,) in degrees east with longitudes of any domain (None: none), and notes."""
    if not path.is_file():
        raise CatalogueError(f"{path} is no file", next_step="check the path")
    readers = {
        **dict.fromkeys((".csv", ".tsv", ".tab", ".txt"), _read_csv),
        **dict.fromkeys((".geojson", ".json"), _read_geojson),
        **dict.fromkeys((".gpkg", ".shp", ".parquet"), _read_vector),
        **dict.fromkeys((".kmz", ".kml"), _read_kml),
        ".zip": _read_zip,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CatalogueError(f"{path.name} is of no format that can be read", allowed=FORMATS)
    try:
        read = reader(path, body, given)
    except TORN as error:
        message = " ".join(str(error).replace(str(path), path.name).split())[:200] or type(error).__name__
        raise CatalogueError(
            f"{path.name} cannot be read as a catalogue ({message})", allowed=FORMATS
        ) from error
    if not len(read.rows):
        raise CatalogueError(
            f"{path.name} has no rows", next_step="look whether it was saved whole, and bring it again"
        )
    _check_rows(path, len(read.rows))
    for name in read.rows.columns:
        if names.key(name) in names.TARGETS:
            for value in read.rows[name].dropna().astype(str).unique():
                _check_name(value, body, path)
    return read


def _read_csv(path: Path, body: Body, given: Convention) -> Read:
    raw = _bytes(path)
    _check_rows(path, raw.count(b"\n"))
    return _from_columns(names.read_table(raw, path), body, path, given)


def _from_columns(rows: pd.DataFrame, body: Body, path: Path, given: Convention) -> Read:
    drawn = names.find(rows, names.SHAPE_TEXTS)
    if (
        drawn is not None
        and rows[drawn].astype(str).str.match(r"\s*(MULTI)?(POINT|LINE|POLYGON)", case=False).any()
    ):
        texts = rows[drawn].astype(object).where(rows[drawn].notna(), None).to_numpy()
        with np.errstate(all="ignore"):
            shapes = shapely.force_2d(shapely.from_wkt(texts, on_invalid="ignore"))
        notes = [f"shapes from column {drawn}"]
        return _as_lonlat(rows.drop(columns=drawn), shapes, body, given, notes)
    lonlat, notes, taken = names.positions(rows, body, path.name, given)
    return Read(rows, points_at(lonlat), notes, taken)


def _read_geojson(path: Path, body: Body, given: Convention) -> Read:
    rows, shapes, members = read_geojson(_bytes(path).decode("utf-8-sig"), path.name, MAX_ROWS)
    _check_name(members.get("body"), body, path)
    # GeoJSON has no room for a planetary CRS, so its coordinates are the body's longitude and latitude.
    return _as_lonlat(rows, shapely.force_2d(shapes), body, given, [])


def _read_vector(path: Path, body: Body, given: Convention) -> Read:
    notes: list[str] = []
    if path.suffix.lower() == ".parquet":
        table = _parquet(path)
    else:
        _check_magic(path)
        layers = gpd.list_layers(path)
        drawn = layers["name"][layers["geometry_type"].notna()].tolist() or layers["name"].tolist()
        if len(drawn) > 1:
            notes.append(f"layer {drawn[0]} of {len(drawn)}; the others were not read")
        # One more than is allowed, so that a longer file is known as one without being read whole.
        table = gpd.read_file(path, layer=drawn[0], rows=MAX_ROWS + 1)
    if not isinstance(table, gpd.GeoDataFrame):
        return _from_columns(table, body, path, given)
    crs = CRS.from_user_input(table.crs) if table.crs is not None else None
    shapes = shapely.force_2d(table.geometry.to_numpy())
    rows = pd.DataFrame(table.drop(columns=table.geometry.name))
    if crs is None:
        return _as_lonlat(rows, shapes, body, given, notes)
    body.check_same_body(crs, path.name)
    shapes, moved = to_lonlat(shapes, crs, body)
    if given != UNSAID:
        notes.append("the file's own coordinate system was used, and not what was said of its positions")
    return Read(rows, shapes, [*notes, *moved, *mixed(shapes)])


def _parquet(path: Path) -> pd.DataFrame:
    # Asked first: a few bytes may stand for a billion equal rows.
    _check_rows(path, pq.read_metadata(path).num_rows)
    try:
        table: pd.DataFrame = gpd.read_parquet(path)
    except ValueError:  # without shapes: then its columns say where
        table = pd.read_parquet(path)
    return table


def _check_magic(path: Path) -> None:
    expected = MAGIC[path.suffix.lower()]
    with path.open("rb") as stream:
        if stream.read(len(expected)) != expected:
            raise CatalogueError(
                f"{path.name} is not what its name says",
                allowed=FORMATS,
                next_step="save it again as GeoPackage",
            )
    if path.suffix.lower() == ".shp" and not path.with_suffix(".shx").is_file():
        raise CatalogueError(
            f"{path.name} lacks its companions .shx and .dbf",
            allowed="a zip with the .shp, .shx, .dbf and .prj files of one Shapefile",
            next_step="zip them together and bring the zip, or save it as GeoPackage",
        )


def _as_lonlat(rows: pd.DataFrame, shapes: Shapes, body: Body, given: Convention, notes: list[str]) -> Read:
    """Shapes of a file that does not say what its coordinates are: longitude and latitude on the body."""
    taken = Convention(given.longitude or "east", given.latitude or "planetocentric")
    if taken.longitude == "west":
        shapes = _turned(shapes, lambda lon, lat: (-lon, lat))
    if taken.latitude == "planetographic":
        shapes = _turned(shapes, lambda lon, lat: (lon, names.planetocentric(lat, body)))
    notes = [*notes, f"coordinates taken as longitude and latitude on {body.name}", *mixed(shapes)]
    return Read(rows, shapes, notes, taken)


def _turned(shapes: Shapes, turn: Callable[[names.Floats, names.Floats], tuple[Any, Any]]) -> Shapes:
    corners = shapely.get_coordinates(shapes)
    return np.asarray(shapely.set_coordinates(shapes.copy(), np.stack(turn(*corners.T), axis=-1)))


def _read_kml(path: Path, body: Body, given: Convention) -> Read:
    rows, shapes, target = read_kml(path, MAX_BYTES)
    _check_name(target, body, path)
    return _as_lonlat(rows, shapes, body, given, [])


def _read_zip(path: Path, body: Body, given: Convention) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        member = unpack_catalogue(path, Path(folder), MAX_BYTES)
        rows, shapes, notes, taken = _read(member, body, given)
    return Read(rows, shapes, [f"{member.name} in {path.name}", *notes], taken)


def _check_rows(path: Path, count: int) -> None:
    if count > MAX_ROWS:
        raise too_many(path.name, MAX_ROWS, count if path.suffix.lower() != ".gpkg" else None)


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

"""Columns of other people's tables: which is which, in what unit, and by which convention.

Names are compared in lower case with underscores (`key`); of several synonyms the first that a file has is
taken. Tested with the IAU's nomenclature, Robbins & Hynek (2012, and their release of 2020), Planet Four and
SIM 3292; anything else that calls its columns by their usual names is read as well.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import CRS

from retrieval.body import Body
from retrieval.errors import CatalogueError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_COLUMNS = 2_000
COLUMNS = ("id", "name", "landform", "lon", "lat", "diameter_km", "length_km", "azimuth_deg")

LONGITUDE = (
    *("lon", "longitude", "long", "lng", "lon_deg", "longitude_deg", "center_longitude", "centre_longitude"),
    *("center_lon", "centre_lon", "centroid_lon", "clon", "clon180", "clon360", "lon180", "lon360"),
    *("lon_e", "lone_deg", "lon_east", "longitude_e", "longitude_east", "east_longitude", "longitude_deg_e"),
    *("lon_circ_img", "longitude_circle_image", "lon_circle_image", "decimallongitude", "lon_dd"),
    *("x_coord", "point_x"),
)
# "western_longitude" is not here: gazetteers call the western end of a feature so.
LONGITUDE_WEST = (
    *("lon_w", "lonw", "lonw_deg", "lon_west", "longitude_west", "longitude_w", "west_longitude", "w_lon"),
    *("longitude_deg_w", "lon_w_deg"),
)
LATITUDE = (
    *("lat", "latitude", "lat_deg", "latitude_deg", "center_latitude", "centre_latitude", "center_lat"),
    *("centre_lat", "centroid_lat", "clat", "lat_n", "latitude_n", "north_latitude", "latitude_deg_n"),
    *("planetocentric_latitude", "latitude_planetocentric", "lat_circ_img", "latitude_circle_image"),
    *("lat_circle_image", "decimallatitude", "lat_dd", "y_coord", "point_y"),
)
LATITUDE_GRAPHIC = ("planetographic_latitude", "latitude_planetographic", "lat_planetographic", "lat_pg")
SHAPE_TEXTS = ("wkt", "geometry", "geom", "the_geom", "wkt_geom")
IDS = ("id", "feature_id", "crater_id", "subject_id", "objectid", "fid")
NAMES = ("name", "feature_name", "full_name", "clean_name", "clean_feature_name", "crater_name")
LANDFORMS = ("landform", "feature_type", "type", "class", "label", "category", "morphology")
TARGETS = ("target", "body", "planet")
# Name and the factor to kilometres; gazetteers and crater lists without a unit mean kilometres.
DIAMETERS = {
    **dict.fromkeys(("diameter_km", "diam_km", "diameter", "diam", "d_km", "crater_diameter_km"), 1.0),
    **dict.fromkeys(("diam_circ_img", "diam_circle_image"), 1.0),
    **{"diameter_m": 0.001, "diam_m": 0.001, "radius_km": 2.0, "radius_m": 0.002},
}
LENGTHS = {"length_km": 1.0, "length": 1.0, "length_m": 0.001}
AZIMUTHS = {"azimuth_deg": 1.0, "azimuth": 1.0, "orientation_deg": 1.0}
AREAS = {
    **dict.fromkeys(("area_km2", "area_km_2", "area_sq_km", "spharea_km", "area_sqkm"), 1.0),
    "area_m2": 1e-6,
}


@dataclass(frozen=True)
class Convention:
    """How positions are meant; what is blank is not said, and the file decides.

    Attributes
    ----------
    longitude
        ``east`` or ``west``: the direction that is positive.
    latitude
        ``planetocentric`` or ``planetographic``.
    """

    longitude: str = ""
    latitude: str = ""


UNSAID = Convention()

_DEGREES = re.compile(r"\s*([+-]?\d+(?:\.\d*)?|[+-]?\.\d+)\s*°?\s*([NSEWnsew])?\s*")


def key(name: Any) -> str:
    """A column's name as names are compared: ``Diameter (km)`` is ``diameter_km``."""
    return re.sub(r"\W+", "_", str(name).strip().lower()).strip("_")


def find(rows: pd.DataFrame, synonyms: Iterable[str]) -> Any | None:
    """The file's name of the first synonym that it has; of equal columns the first."""
    names = {key(name): name for name in reversed(rows.columns)}
    return next((names[synonym] for synonym in synonyms if synonym in names), None)


def positions(
    rows: pd.DataFrame, body: Body, file: str, given: Convention = UNSAID
) -> tuple[Floats, list[str], Convention]:
    """Longitude east and planetocentric latitude from the columns of a table, and what was assumed.

    Parameters
    ----------
    given
        What the user says of the columns, which counts more than what their names say.

    Returns
    -------
    lonlat
        Shape (n, 2), degrees, longitudes in the file's domain; NaN where a cell is no number.
    notes
        Which columns, and what was turned.
    convention
        The one that was taken.

    Raises
    ------
    CatalogueError
        If there are no such columns, or the rows say different directions.
    """
    lon_name = find(rows, LONGITUDE)
    west = lon_name is None
    lon_name = find(rows, LONGITUDE_WEST) if west else lon_name
    lat_name = find(rows, LATITUDE)
    graphic = lat_name is None
    lat_name = find(rows, LATITUDE_GRAPHIC) if graphic else lat_name
    if lat_name is None or lon_name is None:
        raise CatalogueError(
            f"{file} has no columns of longitude and latitude: its columns are {_listed(rows.columns)}",
            allowed="one column called lon or longitude (lon_w if west is positive) and one called lat or "
            "latitude, in degrees",
            next_step="rename the two columns in its first line and bring the file again",
        )
    notes = [f"longitude from column {lon_name}, latitude from {lat_name}"]
    system = " ".join(texts(rows, ("coordinate_system",)).unique()).lower()
    if "west" in system and "east" in system and not given.longitude:
        raise CatalogueError(f"{file} mixes east-positive and west-positive rows", next_step="split it")
    lon, said = degrees(rows[lon_name])
    lat, _ = degrees(rows[lat_name])
    west = given.longitude == "west" if given.longitude else west or "west" in system
    if west:
        if (lon[~said] < 0).any() and (lon[~said] > 180).any():
            notes.append(
                "longitudes are west-positive, yet some are negative and others above 180: "
                "all were taken as west-positive, which cannot be told from the file"
            )
        lon = np.where(said, lon, -lon)
        notes.append("longitudes are west-positive and were turned")
    elif (lon < 0).any() and (lon > 180).any():
        notes.append(MIXED)
    graphic = given.latitude == "planetographic" if given.latitude else graphic or "graphic" in system
    if graphic:
        lat = planetocentric(lat, body)
        notes.append("latitudes are planetographic and were turned")
    taken = Convention("west" if west else "east", "planetographic" if graphic else "planetocentric")
    return np.stack([lon, lat], axis=-1), notes, taken


def _listed(names: Iterable[Any]) -> str:
    shown = [str(name)[:40] for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


MIXED = "longitudes of both conventions in one file (some below 0, some above 180), read as one circle"


def degrees(column: pd.Series[Any]) -> tuple[Floats, Bools]:
    """Numbers of a column, and which cells named a hemisphere (``12.5° S``), with their sign then set."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, copy=True)
    said = np.zeros(len(numbers), dtype=bool)
    if not pd.api.types.is_numeric_dtype(column):
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            match = _DEGREES.fullmatch(str(column.iloc[row]).replace("−", "-"))
            if match:
                side = (match[2] or "").upper()
                numbers[row] = float(match[1]) * (-1.0 if side in ("S", "W") else 1.0)
                said[row] = side != ""
    return np.where(np.isfinite(numbers), numbers, np.nan), said


def planetocentric(lat_deg: Floats, body: Body) -> Floats:
    """Planetographic latitudes of a body's ellipsoid as planetocentric ones, degrees.

    tan(planetocentric) = (b/a)^2 tan(planetographic).
    """
    # The IAU's planetographic CRS of a body is its code plus one: 49900 -> 49901.
    if not body.crs_code.startswith("IAU_2015:"):
        return lat_deg
    ellipsoid = CRS.from_user_input(body.crs_code[:-1] + "1").ellipsoid
    if ellipsoid is None:
        return lat_deg
    squash = (ellipsoid.semi_minor_metre / ellipsoid.semi_major_metre) ** 2
    turned = np.degrees(np.arctan(np.tan(np.radians(lat_deg)) * squash))
    return np.where(np.abs(lat_deg) <= 90.0, turned, np.nan)  # the tangent would bring others back


def texts(rows: pd.DataFrame, synonyms: Iterable[str]) -> pd.Series[str]:
    """A column of texts, blank where a cell is missing or no synonym is there."""
    name = find(rows, synonyms)
    if name is None:
        return pd.Series([""] * len(rows), dtype="str")
    column: pd.Series[Any] = rows[name]
    filled: pd.Series[str] = column.astype(object).where(column.notna(), "").astype("str")
    return filled.str.strip()


def ids(rows: pd.DataFrame) -> pd.Series[str]:
    """The file's own ids where each row has one of its own, else 1, 2, 3."""
    own = texts(rows, IDS)
    fine = own.is_unique and (own != "").all()
    return own if fine else pd.Series([str(number) for number in range(1, len(rows) + 1)], dtype="str")


def landforms(rows: pd.DataFrame, landform: str | None) -> pd.Series[str]:
    """What each row is, ``feature`` where the file does not say."""
    if landform is not None:
        return pd.Series([landform] * len(rows), dtype="str")
    found = texts(rows, LANDFORMS)
    # The IAU writes singular and plural: "Crater, craters".
    kinds = {kind: kind.split(",")[0].strip().lower().replace(" ", "_") for kind in found.unique()}
    return found.map({kind: word or "feature" for kind, word in kinds.items()}).astype("str")


def numbers(rows: pd.DataFrame, synonyms: Mapping[str, float]) -> pd.Series[float]:
    """A column of numbers in the unit that its name stands for, NaN where there is none."""
    name = find(rows, synonyms)
    if name is None:
        return pd.Series(np.full(len(rows), np.nan))
    column: pd.Series[float] = pd.to_numeric(rows[name], errors="coerce").astype(float)
    return column * synonyms[key(name)]


def read_table(raw: bytes, file: Path) -> pd.DataFrame:
    """A table of text: comma, semicolon, tabulator or bar, UTF-8 or Latin-1, decimal point or comma."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    header, _, rest = text.partition("\n")
    separator = max(",;\t|", key=header.count)
    if header.count(separator) >= MOST_COLUMNS:
        raise CatalogueError(
            f"{file.name} has {header.count(separator) + 1:,} columns in its first line",
            allowed=f"a table of at most {MOST_COLUMNS:,} columns, one entry in each line",
            next_step="look whether its lines were lost when it was saved",
        )
    comma = separator != "," and re.search(r"\d,\d", rest[:2000]) and not re.search(r"\d\.\d", rest[:2000])
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            skipinitialspace=True,
            decimal="," if comma else ".",
            low_memory=False,  # a column of a big file has one type, not one per block
        )
    except pd.errors.EmptyDataError as error:
        raise CatalogueError(f"{file.name} is empty") from error

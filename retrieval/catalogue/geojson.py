"""GeoJSON, one feature after another: a file of millions of features is never in memory as Python objects."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError

from retrieval.errors import CatalogueError
from retrieval.stop import check_stop

MOST_COLUMNS = 300
PIECE = 20_000  # features between two looks at the stop

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


def read_geojson(text: str, file: str, most_rows: int) -> tuple[pd.DataFrame, NDArray[Any], dict[str, Any]]:
    """Rows, shapes (n,) and the other members of a FeatureCollection, or of a bare list of features.

    A geometry that is torn is None: it costs its row, not the file.

    Raises
    ------
    ValueError
        If it is no JSON.
    CatalogueError
        If it holds no features, or more than ``most_rows``.
    """
    members: dict[str, Any] = {}
    table = _Table()
    for name, value in _members(text):
        if name != "features":
            members[name] = value
            continue
        if not isinstance(value, Mapping):
            raise _no_features(file)
        if table.count == most_rows:
            raise too_many(file, most_rows)
        table.add(value)
        if table.count % PIECE == 0:
            check_stop()
    if not table.count:
        raise _no_features(file)
    return *table.made(), members


def too_many(file: str, most_rows: int, rows: int | None = None) -> CatalogueError:
    """What to say of a catalogue with too many rows."""
    how_many = "more rows than can be drawn and counted at once" if rows is None else f"{rows:,} rows"
    return CatalogueError(
        f"{file} has {how_many}",
        allowed=f"at most {most_rows:,} rows",
        next_step="keep the entries above a certain diameter, or of one region, and bring that file",
    )


class _Table:
    """Features as columns; points as two arrays, everything else as shapes."""

    def __init__(self) -> None:
        self.count = 0
        self._columns: dict[str, list[Any]] = {}
        self._lon, self._lat = array("d"), array("d")
        self._shapes: dict[int, Any] = {}

    def add(self, feature: Mapping[str, Any]) -> None:
        properties = feature.get("properties")
        for name, value in properties.items() if isinstance(properties, Mapping) else ():
            column = self._columns.get(name)
            if column is None:
                if len(self._columns) == MOST_COLUMNS:
                    continue
                column = self._columns[name] = []
            column.extend([None] * (self.count - len(column)))
            column.append(value)
        geometry: Any = feature.get("geometry")
        try:
            if geometry["type"] != "Point":
                raise TypeError
            lon, lat = (float(number) for number in geometry["coordinates"][:2])
        except (TypeError, ValueError, KeyError, OverflowError):
            lon = lat = np.nan
            shape = _shape(geometry)
            if shape is not None:
                self._shapes[self.count] = shape
        self._lon.append(lon)
        self._lat.append(lat)
        self.count += 1

    def made(self) -> tuple[pd.DataFrame, NDArray[Any]]:
        for column in self._columns.values():
            column.extend([None] * (self.count - len(column)))
        rows = pd.DataFrame(self._columns, index=range(self.count))
        lonlat = np.stack([np.frombuffer(self._lon), np.frombuffer(self._lat)], axis=-1)
        shapes = np.asarray(shapely.points(np.nan_to_num(lonlat)), dtype=object).reshape(-1)
        shapes[np.isnan(lonlat).any(axis=1)] = None
        for row, shape in self._shapes.items():
            shapes[row] = shape
        return rows, shapes


def _shape(geometry: Any) -> Any:
    try:
        with np.errstate(invalid="ignore"):
            return shapely.geometry.shape(geometry) if geometry else None
    except (ValueError, TypeError, AttributeError, KeyError, RuntimeError, ShapelyError):
        return None


def _members(text: str) -> Iterator[tuple[str, Any]]:
    """Names and values of the outermost object; of ``features`` each by itself."""
    at = _skip(text, 0)
    if text[at : at + 1] == "[":
        at = yield from _each(text, at)
    elif text[at : at + 1] == "{":
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            name, at = _decode(text, at)
            at = _after(text, at, ":")
            if name == "features" and text[at : at + 1] == "[":
                at = yield from _each(text, at)
            else:
                value, at = _decode(text, at)
                yield str(name), value
            at = _skip(text, at)
            if text[at : at + 1] != "}":
                at = _after(text, at, ",")
        at += 1
    else:
        _, at = _decode(text, at)
    if _skip(text, at) != len(text):
        raise ValueError(f"more text after its end, at character {at:,}")


def _each(text: str, at: int) -> Generator[tuple[str, Any], None, int]:
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        value, at = _decode(text, at)
        yield "features", value
        at = _skip(text, at)
        if text[at : at + 1] != "]":
            at = _after(text, at, ",")
    return at + 1


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def _after(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(f"{mark!r} is missing at character {at:,}")
    return _skip(text, at + 1)


def _no_features(file: str) -> CatalogueError:
    return CatalogueError(f"{file} holds no features", allowed="a GeoJSON FeatureCollection")

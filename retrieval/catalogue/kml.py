"""KML and KMZ: placemarks with their fields and their points, lines and polygons.

GDAL's reader drops the fields of the IAU's files, so this one is ours.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.errors import ShapelyError

from retrieval.errors import CatalogueError

Element = ElementTree.Element


def read_kml(path: Path, most_bytes: int) -> tuple[pd.DataFrame, NDArray[Any], str]:
    """Rows, shapes and target of a KML or KMZ file.

    Returns
    -------
    rows
        ``id``, ``name`` and the fields of each placemark, as texts.
    shapes
        Shape (n,), degrees as the file has them; None where a placemark has none that can be read.
    target
        Body that the file names, as the IAU's files do, or nothing.

    Raises
    ------
    CatalogueError
        If there is no KML in it, no placemark, or more than ``most_bytes``.
    """
    root = ElementTree.fromstring(_text(path, most_bytes))  # expat refuses entity bombs since 2.4
    target = re.search(r"target=(\w+)", root.get("hint", ""))
    marks = [element for element in root.iter() if _tag(element) == "Placemark"]
    if not marks:
        raise CatalogueError(f"{path.name} has no placemarks")
    shapes = np.empty(len(marks), dtype=object)
    for row, mark in enumerate(marks):
        shapes[row] = _shape(mark)
    return pd.DataFrame([_fields(mark) for mark in marks]), shapes, target[1] if target else ""


def _text(path: Path, most_bytes: int) -> bytes:
    if path.suffix.lower() != ".kmz":
        if path.stat().st_size > most_bytes:
            raise CatalogueError(f"{path.name} is larger than {most_bytes / 1e6:.0f} MB")
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        member = next((info for info in archive.infolist() if info.filename.lower().endswith(".kml")), None)
        if member is None or member.file_size > most_bytes:
            raise CatalogueError(
                f"{path.name} holds no KML file, or one larger than {most_bytes / 1e6:.0f} MB"
            )
        return archive.read(member)


def _fields(mark: Element) -> dict[str, str]:
    record = {"id": mark.get("id", "")}
    for part in mark.iter():
        if _tag(part) == "SimpleData":
            record[part.get("name", "")] = (part.text or "").strip()
        elif _tag(part) == "Data":
            record[part.get("name", "")] = "".join(part.itertext()).strip()
    for part in mark:
        if _tag(part) == "name":
            record["name"] = (part.text or "").strip()
    return record


def _shape(mark: Element) -> Any:
    """What a placemark draws; of points, lines and polygons in one, those of the most dimensions."""
    try:
        with np.errstate(invalid="ignore"):
            drawn = list(_drawn(mark))
    except (ValueError, ShapelyError):
        return None
    if not drawn:
        return None
    dimensions = shapely.get_dimensions(drawn)
    parts = [one for one, dimension in zip(drawn, dimensions, strict=True) if dimension == dimensions.max()]
    together = {0: shapely.MultiPoint, 1: shapely.MultiLineString, 2: shapely.MultiPolygon}
    return parts[0] if len(parts) == 1 else together[int(dimensions.max())](parts)


def _drawn(element: Element) -> Iterator[Any]:
    for part in element.iter():
        tag = _tag(part)
        if tag == "Point":
            yield shapely.Point(_coordinates(part)[0])
        elif tag == "LineString":
            yield shapely.LineString(_coordinates(part))
        elif tag == "Polygon":
            outer = [_coordinates(side) for side in part if _tag(side) == "outerBoundaryIs"]
            # Some writers put all holes into one boundary, others one into each.
            holes = [_coordinates(ring) for side in part if _tag(side) == "innerBoundaryIs" for ring in side]
            yield shapely.Polygon(outer[0] if outer else None, holes)


def _coordinates(element: Element) -> list[tuple[float, float]]:
    text = next((part.text or "" for part in element.iter() if _tag(part) == "coordinates"), "")
    found = [tuple(map(float, point.split(",")[:2])) for point in text.split()]
    if not found or any(len(point) != 2 for point in found):
        raise ValueError("coordinates are longitude,latitude")
    return [(point[0], point[1]) for point in found]


def _tag(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]

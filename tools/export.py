"""Layers as files for other programs: GeoPackage, GeoJSON, GeoParquet, CSV; the body named in each."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely.geometry

from retrieval.body import Body
from retrieval.errors import ToolInputError
from tools.layers import Layer
from tools.results import Figures, plural
from tools.styles import add_styles
from tools.workspace import ToolResult, Workspace, check_layers

Format = Literal["gpkg", "geojson", "parquet", "csv"]
MOST_LAYERS = 16
_NAMES = {"gpkg": "GeoPackage", "geojson": "GeoJSON", "parquet": "GeoParquet", "csv": "CSV"}
_POINT = 0  # of `shapely.get_type_id`


def export_layer(ws: Workspace, layers: list[str], format: Format) -> ToolResult:
    """Write layers to files that other programs open, QGIS for example. A GeoPackage holds all the layers
    in one file; the other formats are one file each. Existing files are never overwritten.

    Parameters
    ----------
    layers
        Ids of 1 to 16 layers, for example ["L1", "L3"].
    format
        One of "gpkg" (GeoPackage), "geojson", "parquet" (GeoParquet) or "csv".
    """
    wanted = str(format).strip().lower().lstrip(".")
    if wanted not in _NAMES:
        raise ToolInputError(f"no format is called {str(format)[:40]!r}", allowed=", ".join(_NAMES))
    chosen = check_layers(ws, layers, 1, MOST_LAYERS)
    together = [chosen] if wanted == "gpkg" else [[layer] for layer in chosen]
    paths = []
    for group in together:
        ws.check_stop()
        paths.append(_write_new(ws.output / _file_name(ws.body, group, wanted), group, ws.body, wanted))
    figures: Figures = {
        "layers": len(chosen),
        "files": len(paths),
        "rows": sum(len(layer) for layer in chosen),
        "bytes": sum(path.stat().st_size for path in paths),
    }
    summary = (
        f"Wrote {plural(int(figures['rows']), 'row')} of {', '.join(layer.id for layer in chosen)} as "
        f"{_NAMES[wanted]} ({plural(len(paths), 'file')}, {figures['bytes']:,} bytes): "
        f"{', '.join(path.name for path in paths)}. Positions are on {ws.body.name.capitalize()}, longitude "
        "first, degrees east and north."
    )
    table = tuple({"file": path.name, "bytes": path.stat().st_size} for path in paths)
    return ToolResult(summary, figures=figures, table=table, files=tuple(paths))


def write_layer(path: Path, layer: Layer, body: Body, format: Format) -> None:
    """Write one layer as a file of any format.

    Raises
    ------
    ToolInputError
        If there is no such format.
    """
    if format not in _NAMES:
        raise ToolInputError(f"no format is called {str(format)[:40]!r}", allowed=", ".join(_NAMES))
    _write(path, [layer], body, format)


def free_path(path: Path) -> Path:
    """The path itself, or the first of ``name_2``, ``name_3``... that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return candidate


def write_geojson(path: Path, layer: Layer, body: Body) -> None:
    """Write one layer as GeoJSON that says which body it is on.

    RFC 7946 knows only Earth: there is no place for a planetary CRS, and a ``crs`` member would be ignored
    or believed to be WGS 84. So the body stands in members of our own, which readers keep or skip.
    """
    table = pd.DataFrame(layer.table.drop(columns="geometry"))
    names = [str(name) for name in table]
    columns = [_plain_column(table[name]) for name in table]
    features = [
        {
            "type": "Feature",
            "id": f"{layer.id}:{row_id}",
            "geometry": geometry,
            "properties": dict(zip(names, values, strict=True)),
        }
        for row_id, geometry, *values in zip(table["row_id"], _geometries(layer), *columns, strict=True)
    ]
    document = {
        "type": "FeatureCollection",
        "name": f"{layer.id} {layer.title}",
        "areographer:body": {"name": body.name, "radius_m": body.radius_m, "crs": body.crs_code},
        "areographer:note": (
            f"Coordinates are longitude and latitude on {body.name}, planetocentric, east-positive, degrees; "
            "they are not WGS 84 whatever a reader may assume."
        ),
        "areographer:layer": {"id": layer.id, "title": layer.title, "kind": layer.kind},
        "areographer:provenance": asdict(layer.provenance),
        "features": features,
    }
    path.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


def write_geopackage(path: Path, layers: list[Layer], body: Body) -> None:
    """Write layers as one GeoPackage, one table each, with body and provenance in the metadata, and a style
    for each, so that QGIS draws it in its colour at once.
    """
    names = [layer_name(layer) for layer in layers]
    for layer, name in zip(layers, names, strict=True):
        _with_body(layer.table, body).to_file(
            path,
            layer=name,
            driver="GPKG",
            engine="pyogrio",
            layer_metadata={
                "areographer_body": body.name,
                "areographer_title": layer.title,
                "areographer_provenance": json.dumps(asdict(layer.provenance)),
            },
        )
    add_styles(path, layers, names)


def layer_name(layer: Layer) -> str:
    """What a layer is called in a GeoPackage and in names of files: ``L3_pitted_cones``."""
    return f"{layer.id}_{_slug(layer.title)}"[:60].rstrip("_")


def _write_parquet(path: Path, layers: list[Layer], body: Body) -> None:
    table = _with_body(layers[0].table, body)
    table.attrs["areographer"] = {"title": layers[0].title, "provenance": asdict(layers[0].provenance)}
    table.to_parquet(path)


def _write_csv(path: Path, layers: list[Layer], body: Body) -> None:
    table = _with_body(layers[0].table, body)
    if not layers[0].pointlike:
        table["wkt"] = shapely.to_wkt(layers[0].shapes, rounding_precision=6)
    table.drop(columns="geometry").to_csv(path, index=False)


def _write_new(path: Path, layers: list[Layer], body: Body, wanted: str) -> Path:
    # In a folder of its own first: a half-written file never has the final name, and a GeoPackage in the
    # making has companions that must not be left behind.
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        temporary = Path(folder) / path.name
        _write(temporary, layers, body, wanted)
        _verify(temporary, layers, wanted)
        final = free_path(path)
        os.replace(temporary, final)
    return final


def _write(path: Path, layers: list[Layer], body: Body, wanted: str) -> None:
    writers: dict[str, Callable[[Path], None]] = {
        "gpkg": lambda to: write_geopackage(to, layers, body),
        "geojson": lambda to: write_geojson(to, layers[0], body),
        "parquet": lambda to: _write_parquet(to, layers, body),
        "csv": lambda to: _write_csv(to, layers, body),
    }
    writers[wanted](path)


def _verify(path: Path, layers: list[Layer], wanted: str) -> None:
    for number, layer in enumerate(layers):
        if wanted == "geojson":
            found = len(json.loads(path.read_text(encoding="utf-8"))["features"])
        elif wanted == "csv":
            found = len(pd.read_csv(path))
        elif wanted == "parquet":
            found = len(gpd.read_parquet(path))
        else:
            found = len(gpd.read_file(path, layer=gpd.list_layers(path)["name"].iloc[number]))
        if found != len(layer):
            raise OSError(f"{path.name} was written with {found} rows of {len(layer)}")


def _with_body(table: gpd.GeoDataFrame, body: Body) -> gpd.GeoDataFrame:
    return table.assign(body=pd.Series(body.name, index=table.index, dtype="str")).set_crs(
        body.crs, allow_override=True
    )


def _file_name(body: Body, layers: list[Layer], suffix: str) -> str:
    # Underscores throughout: no part of a name can be read as a number of its own.
    ids = "_".join(layer.id for layer in layers[:4]) + ("_and_more" if len(layers) > 4 else "")
    title = f"_{_slug(layers[0].title)}" if len(layers) == 1 else ""
    return f"areographer_{body.name}_{ids}{title[:60].rstrip('_')}.{suffix}"


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def _geometries(layer: Layer) -> list[dict[str, Any] | None]:
    """Geometry of each row as GeoJSON has it."""
    shapes = layer.shapes
    if not ((shapely.get_type_id(shapes) == _POINT) & ~shapely.is_empty(shapes)).all():
        return [shapely.geometry.mapping(shape) for shape in shapes]
    # A hundred thousand tiles are points: their numbers without an object for each.
    return [{"type": "Point", "coordinates": xy} for xy in shapely.get_coordinates(shapes).tolist()]


def _plain_column(values: pd.Series[Any]) -> list[Any]:
    """A column as plain values, None for what is not known."""
    if values.dtype.kind in "iub":
        return list(values.tolist())
    if values.dtype.kind == "f":
        plain = values.to_numpy(dtype=float).astype(object)
        plain[~np.isfinite(values.to_numpy(dtype=float))] = None
        return list(plain.tolist())
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    # JSON has no NaN; NumPy scalars are not JSON.
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value

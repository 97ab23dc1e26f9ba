"""Layer tables as GeoParquet files.

Most layers are points, tens of thousands of them, and are written while somebody waits. Their well-known
binary is made in one piece from the coordinates, in a third of the time that a geometry each would take; the
file is what geopandas would write, by the GeoParquet 1.0 specification, and anything that reads it can.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from retrieval.body import Body

_POINT = 0
# Byte order (little), type (point), x, y.
_WKB = np.dtype([("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])


def write_table(table: gpd.GeoDataFrame, path: Path) -> None:
    """Write a layer's table."""
    shapes = np.asarray(table.geometry.array, dtype=object)
    name = table.geometry.name
    if not len(table) or not (shapely.get_type_id(shapes) == _POINT).all() or shapely.is_empty(shapes).any():
        table.to_parquet(path)
        return
    xy = shapely.get_coordinates(shapes)
    columns = _columns(table, name).add_column(list(table.columns).index(name), name, _well_known(xy))
    about = {
        "primary_column": name,
        "columns": {
            name: {
                "encoding": "WKB",
                "crs": None if table.crs is None else table.crs.to_json_dict(),
                "geometry_types": ["Point"],
                "bbox": [*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist()],
            }
        },
        "version": "1.0.0",
        "creator": {"library": "areographer"},
    }
    metadata = {**(columns.schema.metadata or {}), b"geo": json.dumps(about).encode()}
    # Most values of a column differ from each other: a dictionary of them would only cost time.
    pq.write_table(columns.replace_schema_metadata(metadata), path, use_dictionary=False)


def read_table(path: Path, body: Body) -> gpd.GeoDataFrame:
    """Read a layer's table, on the CRS of its body.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If the file is damaged.
    """
    # GeoParquet writers may lose the name of a custom CRS; the body is the authority.
    return gpd.read_parquet(path).set_crs(body.crs, allow_override=True)


def _columns(table: gpd.GeoDataFrame, geometry: str) -> Any:
    """All columns but the geometry."""
    others = {str(column): table[column] for column in table.columns if column != geometry}
    plain = all(values.dtype.kind in "biuf" or values.dtype == "str" for values in others.values())
    if plain and isinstance(table.index, pd.RangeIndex):
        return pa.table({name: pa.array(values.array, from_pandas=True) for name, values in others.items()})
    return pa.Table.from_pandas(pd.DataFrame(table.drop(columns=geometry)))


def _well_known(xy: NDArray[np.float64]) -> Any:
    """Points, (n, 2), as a column of well-known binary."""
    points = np.empty(len(xy), dtype=_WKB)
    points["order"], points["kind"] = 1, 1
    points["x"], points["y"] = xy[:, 0], xy[:, 1]
    ends = np.arange(len(xy) + 1, dtype=np.int32) * _WKB.itemsize
    return pa.BinaryArray.from_buffers(
        pa.binary(), len(xy), [None, pa.py_buffer(ends), pa.py_buffer(points.tobytes())]
    )

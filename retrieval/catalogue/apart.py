"""A large catalogue is read in a process of its own: whoever else uses this one does not wait for it, a stop
ends it at once, and one that needs too much memory takes nobody along.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from retrieval import errors
from retrieval.body import Body, get_body
from retrieval.catalogue.columns import UNSAID, Convention
from retrieval.catalogue.readers import read_catalogue
from retrieval.errors import CatalogueError, InputError
from retrieval.stop import check_stop, in_pieces

HERE_BYTES = 3_000_000  # smaller texts are read sooner than a process starts
# A few bytes of these may unpack to gigabytes, or hold a view that never ends.
ALWAYS_APART = (".zip", ".kmz", ".parquet", ".gpkg")
MOST_MEMORY_BYTES = 8_000_000_000
MOST_S = 600.0
LOOK_S = 0.05
PIECE_ROWS = 50_000

_one_at_a_time = threading.Lock()


def read_apart(
    path: Path, body: Body, landform: str | None = None, convention: Convention = UNSAID
) -> gpd.GeoDataFrame:
    """`read_catalogue`, with a file that is large, or may become so, in a process of its own, one at a time.

    Columns that are no numbers come back as texts.

    Raises
    ------
    CatalogueError
        As `read_catalogue`, and if the file needs more than `MOST_MEMORY_BYTES` or `MOST_S`.
    Cancelled
        If nobody waits any more.
    """
    small = not path.is_file() or path.stat().st_size <= HERE_BYTES
    if small and path.suffix.lower() not in ALWAYS_APART:
        return read_catalogue(path, body, landform, convention)
    while not _one_at_a_time.acquire(timeout=LOOK_S):
        check_stop()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _read_beside(path, body, landform, convention, Path(folder))
    finally:
        _one_at_a_time.release()


def _read_beside(
    path: Path, body: Body, landform: str | None, convention: Convention, folder: Path
) -> gpd.GeoDataFrame:
    # Spawned, not forked: the parent runs threads (torch, a web server) that a fork would tear.
    reader = multiprocessing.get_context("spawn").Process(
        target=_work, args=(str(path), body.name, landform, convention, str(folder)), daemon=True
    )
    reader.start()
    until = time.monotonic() + MOST_S
    try:
        while reader.is_alive():
            reader.join(LOOK_S)
            check_stop()
            if time.monotonic() > until:
                raise _too_heavy(path, f"more than {MOST_S:.0f} seconds")
    finally:
        reader.kill()
        reader.join()
        reader.close()
    said = folder / "said.json"
    if not said.is_file():  # killed, by the system or by its own limit
        raise _too_heavy(path, f"more than {MOST_MEMORY_BYTES / 1e9:.0f} GB of memory")
    record = json.loads(said.read_text(encoding="utf-8"))
    if "error" in record:
        kind = getattr(errors, record["error"], CatalogueError)
        raise kind(record["what"], allowed=record["allowed"], next_step=record["next_step"])
    return _taken(folder, body, record["attrs"])


def _too_heavy(path: Path, what: str) -> CatalogueError:
    return CatalogueError(
        f"{path.name} needs {what} to be read",
        next_step="save it as CSV or GeoPackage, or keep fewer entries, and bring that file",
    )


def _work(path: str, body: str, landform: str | None, convention: Convention, folder: str) -> None:
    """In the other process: read, and leave table and record in ``folder``, the record last."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    record: dict[str, object]
    try:
        table = read_catalogue(path, get_body(body), landform, convention)
        record = {"attrs": dict(table.attrs)}
        _leave(table, Path(folder))
    except InputError as error:
        record = {"error": type(error).__name__, "what": error.what}
        record |= {"allowed": error.allowed, "next_step": error.next_step}
    except MemoryError:
        return
    (Path(folder) / "said.part").write_text(json.dumps(record), encoding="utf-8")
    (Path(folder) / "said.part").rename(Path(folder) / "said.json")


def _leave(table: gpd.GeoDataFrame, folder: Path) -> None:
    shapes = np.asarray(table.geometry.array, dtype=object)
    rows = pd.DataFrame(table.drop(columns=table.geometry.name))
    rows.attrs = {}
    for name in rows.columns:
        if not (pd.api.types.is_numeric_dtype(rows[name]) or pd.api.types.is_bool_dtype(rows[name])):
            rows[name] = rows[name].fillna("").astype(str)
    rows.columns = pd.Index([str(name) for name in rows.columns])
    rows.to_parquet(folder / "rows.parquet", index=False)
    if (shapely.get_dimensions(shapes) > 0).any():
        gpd.GeoDataFrame(geometry=shapes).to_parquet(folder / "shapes.parquet", index=False)


def _taken(folder: Path, body: Body, attrs: dict[str, object]) -> gpd.GeoDataFrame:
    rows = pd.read_parquet(folder / "rows.parquet")
    if (folder / "shapes.parquet").is_file():
        shapes = gpd.read_parquet(folder / "shapes.parquet").geometry.to_numpy()
    else:
        shapes = _points(rows[["lon", "lat"]].to_numpy(dtype=float))
    table = gpd.GeoDataFrame(rows, geometry=shapes, crs=body.crs)
    table.attrs.update(attrs)
    return table


def _points(lonlat: NDArray[np.float64]) -> NDArray[Any]:
    # In pieces, because making a million objects at once keeps every other thread waiting.
    points = np.empty(len(lonlat), dtype=object)
    for piece in in_pieces(len(lonlat), PIECE_ROWS):
        points[piece] = shapely.points(lonlat[piece])
    return points

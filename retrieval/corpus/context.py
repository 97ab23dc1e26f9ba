"""What rasters and maps say at positions: elevation, albedo, thermal inertia, geologic units.

A `ContextRaster` is one raster with the name and the unit of its values. Values are means over discs: a
tile is no point, and a raster of 30 km pixels knows nothing of 1 km. Where less than half of a disc has
data, the answer is NaN. Directions (aspect) have no mean of this kind: ask `terrain.terrain_at` with
`elevation_of`. Codes of classes have none either: use a map of polygons and `units_at`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio.crs
from numpy.typing import ArrayLike, NDArray
from rasterio import Affine
from rasterio.vrt import WarpedVRT

from retrieval.body import BODIES, Body
from retrieval.corpus.raster import RasterSource, open_rasters
from retrieval.corpus.rasterfile import (
    GDAL_OPTIONS,
    Bounds,
    Raster,
    open_dataset,
    telling_of_tears,
)
from retrieval.corpus.sampling import sample
from retrieval.corpus.terrain import LEAST_SHARE, Elevation
from retrieval.errors import BodyMismatchError, RasterError, SettingsError
from retrieval.grid import Grid
from retrieval.spatial.shapes import inside
from retrieval.spatial.sphere import check_distance, check_lonlat
from retrieval.stop import counted

Floats = NDArray[np.float64]

BLOCK_PX = 256  # raster pixels across the blocks in which positions are read together
MOST_ACROSS = 15  # points across a disc; each is a mean of what lies about it
POINTS_AT_ONCE = 200_000
_TARGET = ("target_name", "target", "ptarget_name", "targetname")
_KEYS = {"file", "unit", "nodata", "bounds", "scale", "offset", "about"}
# What a column of a layer or a position is called already.
_TAKEN = {"row_id", "lon", "lat", "longitude", "latitude", "score", "probability", "geometry"}
_METRES = {"m": 1.0, "metre": 1.0, "meter": 1.0, "km": 1000.0}


@dataclass(frozen=True)
class ContextFile:
    """Where a context raster is and what its numbers mean.

    Attributes
    ----------
    path, unit
        The file; the unit of its values after scaling, empty for a ratio.
    nodata
        Value that means "unknown", besides what the file itself says.
    bounds
        West, south, east, north in degrees, for files without georeferencing.
    scale, offset
        Value = offset + scale times what the file says (after the file's own scale).
    about
        What was measured and by whom, for people; the file's name if empty.
    """

    path: Path
    unit: str
    nodata: float | None = None
    bounds: Bounds | None = None
    scale: float = 1.0
    offset: float = 0.0
    about: str = ""


@dataclass(frozen=True)
class ContextRaster:
    """A raster whose values can be asked for at positions; made by `open_context`.

    Attributes
    ----------
    fault
        Why it cannot be used; empty if it can.
    """

    name: str
    unit: str
    source: RasterSource
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    about: str = ""
    fault: str = ""

    @property
    def column(self) -> str:
        """Name of its column, the unit at the end where it is short: ``elevation_m``."""
        return f"{self.name}_{self.unit}" if self.unit.isalnum() else self.name


def read_context_table(path: Path) -> dict[str, ContextFile]:
    """Context files of a body from a TOML file: one table per name.

    ``file`` (beside the TOML unless absolute) and ``unit`` must be there; ``nodata``, ``bounds``, ``scale``,
    ``offset`` and ``about`` may.

    Raises
    ------
    SettingsError
        If the file is no such table.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        found = {}
        for name, row in tables.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _TAKEN:
                raise ValueError(f"{name[:40]!r} is no name for a raster: small letters, digits and _")
            unknown = set(row) - _KEYS
            if unknown:
                raise ValueError(f"{name} has {', '.join(sorted(unknown))}, which mean nothing here")
            numbers = {key: float(row[key]) for key in ("nodata", "scale", "offset") if key in row}
            bounds = row.get("bounds")
            if bounds is not None:
                west, south, east, north = (float(value) for value in bounds)
                bounds = (west, south, east, north)
            about = str(row.get("about", ""))
            place = path.parent / Path(str(row["file"])).expanduser()
            found[name] = ContextFile(place, str(row["unit"]), bounds=bounds, about=about, **numbers)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise SettingsError(
            f"{path.name} is no table of context rasters ({what})",
            allowed="[elevation] with file, unit and, where needed, nodata, bounds, scale, offset, about",
        ) from error
    return found


def open_context(body: Body, files: Mapping[str, ContextFile]) -> tuple[ContextRaster, ...]:
    """Look at context rasters of a body: each must be there, be whole and be of this body.

    Raises
    ------
    RasterError
        If a file is missing, torn, no raster, has several bands, or has neither CRS nor bounds.
    BodyMismatchError
        If a file is of another body, by its CRS or, where it has none, by its label.
    """
    return tuple(_looked_at(body, name, file, _state(file.path)) for name, file in files.items())


def broken_context(body: Body, name: str, fault: str) -> ContextRaster:
    """What stands for a raster that cannot be used: it raises `RasterError` with ``fault`` when asked."""
    return ContextRaster(name, "", RasterSource((), body), fault=fault)


def resolution_km(raster: ContextRaster) -> float:
    """Size on the ground of the coarsest pixels of a raster, km; 0 for one that cannot be used."""
    return max((_pixel_km(one, raster.source.body) for one in raster.source.rasters), default=0.0)


def sample_at(raster: ContextRaster, body: Body, lonlat: ArrayLike, radius_km: float) -> Floats:
    """Mean of a raster over discs about positions, shape (n,), in its unit; NaN where it is not known.

    Parameters
    ----------
    lonlat
        Positions, (n, 2), degrees.
    radius_km
        Radius of the discs; no less than half a pixel is taken.

    Raises
    ------
    GeometryError
        If a position cannot lie on a body, or the radius is negative.
    SettingsError
        If the radius is more than an eighth of the circumference.
    RasterError
        If the file is gone, torn, or could not be used from the start.
    """
    _check_usable(raster)
    points = check_lonlat(lonlat, f"positions for {raster.name}")
    radius = check_distance(radius_km, "the radius of a disc")
    if radius > body.half_circumference_km / 4:
        raise SettingsError(
            f"discs of {radius:g} km radius are too large for {body.name}",
            allowed=f"at most {body.half_circumference_km / 4:.0f} km",
        )
    found = np.full(len(points), np.nan)
    with rasterio.Env(**GDAL_OPTIONS), ExitStack() as stack:
        for one in raster.source.rasters:
            dataset = stack.enter_context(_declared(one, raster.nodata))
            pixel = _pixel_km(one, body)
            wide = max(radius, pixel / 2)
            across = 2 * int(np.clip(np.ceil(wide / pixel), 1, MOST_ACROSS // 2)) + 1
            along = (np.arange(across) + 0.5) * 2 * wide / across - wide
            east, north = np.meshgrid(along, -along)
            disc = np.hypot(east, north) <= wide
            # Neighbours together, so that each part of the raster is read once.
            missing = np.flatnonzero(np.isnan(found))
            missing = missing[np.argsort(_block_of(body, points[missing], pixel), kind="stable")]
            pieces = len(missing) * across**2 // POINTS_AT_ONCE + 1
            for rows in counted(np.array_split(missing, pieces)):
                spots = body.offsets_to_lonlat(points[rows, None, None, :], east, north)
                values, seen = _values(one, dataset, body, spots, pixel)
                seen &= disc
                count = seen.sum(axis=(1, 2))
                mean = np.where(seen, values, 0.0).sum(axis=(1, 2)) / np.maximum(count, 1)
                found[rows] = np.where(count >= LEAST_SHARE * disc.sum(), mean, np.nan)
    return np.asarray(found * raster.scale + raster.offset)


@contextmanager
def elevation_of(dem: RasterSource | ContextRaster) -> Iterator[Elevation]:
    """Elevation, metres, of lonlat (n, h, w, 2) from elevation models, NaN where none has data.

    Neighbouring entries of a patch must be neighbours on the ground: their spacing decides how finely the
    model is read. Where several models have data, the first wins.

    Raises
    ------
    RasterError
        If a file is no elevation model, gone or torn, or a context raster has another unit than m or km.
    """
    source, nodata, scale, offset = _metres_of(dem)
    rasters, body = source.rasters, source.body
    with rasterio.Env(**GDAL_OPTIONS), ExitStack() as stack:
        datasets = [stack.enter_context(_declared(raster, nodata)) for raster in rasters]

        def elevation(lonlat: Floats) -> Floats:
            found = np.full(lonlat.shape[:-1], np.nan)
            for raster, dataset in zip(rasters, datasets, strict=True):
                rows = np.flatnonzero(np.isnan(found).any(axis=(1, 2)))
                values, seen = _values(raster, dataset, body, lonlat[rows], _pixel_km(raster, body))
                found[rows] = np.where(np.isnan(found[rows]) & seen, values, found[rows])
            return found * scale + offset

        yield elevation


def units_at(units: gpd.GeoDataFrame, column: str, lonlat: ArrayLike) -> NDArray[np.object_]:
    """Text of the polygon that holds each position (of several, the smallest), "" outside of all; (n,).

    Raises
    ------
    SettingsError
        If the map has no such column.
    GeometryError
        If a position cannot lie on a body.
    """
    if column not in units.columns:
        raise SettingsError(
            f"the map has no column {column!r}", allowed=", ".join(map(str, units.columns[:20]))
        )
    row = inside(check_lonlat(lonlat, "positions on a map"), units.geometry.to_numpy())
    texts = units[column].astype(object)
    names = texts.where(texts.notna(), "").astype(str).to_numpy(dtype=object)
    return np.asarray(np.where(row >= 0, names[row], "") if len(names) else np.full(len(row), "", object))


def _state(path: Path) -> tuple[int, int]:
    """Changes whenever a file does; zeros for one that is not there."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _looked_at(body: Body, name: str, file: ContextFile, state: tuple[int, int]) -> ContextRaster:
    # Every conversation wants to know; a file that did not change is looked at once.
    source = open_rasters([file.path], body, file.bounds)
    raster = source.rasters[0]
    with rasterio.Env(**GDAL_OPTIONS), open_dataset(raster.path) as dataset:
        if dataset.count != 1:
            raise RasterError(
                f"{raster.path.name} has {dataset.count} bands", allowed="one band of measured values"
            )
        if dataset.crs is None:
            _check_label(dataset, body, raster.path.name)
    about = file.about or raster.path.name
    return ContextRaster(name, file.unit, source, file.nodata, file.scale, file.offset, about)


def _check_usable(raster: ContextRaster) -> None:
    if raster.fault:
        raise RasterError(
            f"{raster.name} cannot be used: {raster.fault}", next_step="put it right, or do without"
        )


def _metres_of(dem: RasterSource | ContextRaster) -> tuple[RasterSource, float | None, float, float]:
    """Files of an elevation model, what is nodata in them, and how their values become metres."""
    if isinstance(dem, ContextRaster):
        _check_usable(dem)
        if dem.unit not in _METRES:
            raise RasterError(
                f"{dem.name} in {dem.unit or 'no unit'} is no elevation", allowed="an elevation in m or km"
            )
        metres = _METRES[dem.unit]
        return dem.source, dem.nodata, dem.scale * metres, dem.offset * metres
    for raster in dem.rasters:
        if raster.kind != "dem":
            raise RasterError(f"{raster.path.name} is no elevation model", allowed="one band of elevations")
    return dem, None, 1.0, 0.0


def _check_label(dataset: Any, body: Body, file: str) -> None:
    """Refuse a file whose label (PDS, VICAR, ISIS) names another body; without CRS nothing else tells."""
    for domain in (None, *dataset.tag_namespaces()):
        for key, value in dataset.tags(ns=domain).items():
            other = str(value).strip().lower()
            if key.strip().lower() in _TARGET and other in BODIES and other != body.name:
                raise BodyMismatchError(
                    f"{file} is of {other}, not of {body.name}", next_step=f"use it with an index of {other}"
                )


@contextmanager
def _declared(raster: Raster, nodata: float | None) -> Iterator[Any]:
    """The open file, its nodata value declared where the file itself forgot to."""
    with open_dataset(raster.path) as dataset:
        if nodata is None or dataset.nodata == nodata:
            yield dataset
            return
        crs, transform = rasterio.crs.CRS.from_wkt(raster.crs_wkt), Affine(*raster.transform)
        with WarpedVRT(
            dataset,
            src_crs=crs,
            src_transform=transform,
            src_nodata=nodata,
            crs=crs,
            transform=transform,
            width=raster.width,
            height=raster.height,
            nodata=nodata,
        ) as declared:
            yield declared


def _values(
    raster: Raster, dataset: Any, body: Body, lonlat: Floats, pixel_km: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values at patches (n, h, w, 2), and which of their points have data; each (n, h, w).

    Patches of one block of the raster are read in one window.
    """
    shape = lonlat.shape[:-1]
    values, seen = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    if not values.size:
        return values, seen
    rows, cols = raster.positions(body, lonlat)
    block = _block_of(body, lonlat[:, shape[1] // 2, shape[2] // 2], pixel_km)
    order = np.argsort(block, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
        where = (part[some].reshape(-1, shape[-1]) for part in (rows, cols))
        with telling_of_tears(raster.path):
            found, data = sample(dataset, raster.bands[:1], *where, cyclic=raster.cyclic)
        values[some], seen[some] = found[0].reshape(-1, *shape[1:]), data.reshape(-1, *shape[1:])
    return values * np.float32(dataset.scales[0]) + np.float32(dataset.offsets[0]), seen


def _block_of(body: Body, points: Floats, pixel_km: float) -> NDArray[np.int64]:
    """Number of the block of some `BLOCK_PX` raster pixels in which each position lies, (n,)."""
    side = float(np.clip(BLOCK_PX * pixel_km, np.sqrt(body.area_km2 / 1e10), body.half_circumference_km / 8))
    return Grid(body, side).locate(points)


@lru_cache(maxsize=256)
def _pixel_km(raster: Raster, body: Body) -> float:
    """Height of a pixel on the ground, km, near the middle of the raster."""
    middle, _, south, north = raster.reach
    step_km = 0.25
    ends = body.offsets_to_lonlat([middle, (south + north) / 2], np.zeros(2), np.array([-step_km, step_km]))
    rows, cols = raster.positions(body, ends)
    return 2 * step_km / float(np.hypot(np.diff(rows), np.diff(cols))[0])

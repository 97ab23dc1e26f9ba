"""Tiles from georeferenced rasters: mosaics, single images and elevation models of any projection.

Each tile is drawn in its own local projection: its pixel centres go to longitude and latitude, to the
raster's CRS, to rows and columns, and are sampled there. Whole-planet rasters are continued across their
seam and clamped at the poles. Elevation models are drawn as shaded relief and give ``elevation_m``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import rasterio
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body
from retrieval.corpus.lattice import lattice_on
from retrieval.corpus.rasterfile import (
    GDAL_OPTIONS,
    Bounds,
    Kind,
    Raster,
    check_raster,
    open_dataset,
    open_raster,
    palette_of,
    telling_of_tears,
)
from retrieval.corpus.sampling import sample
from retrieval.corpus.source import TileBatch
from retrieval.corpus.strips import draw_strips
from retrieval.corpus.terrain import hillshade
from retrieval.errors import RasterError, SettingsError
from retrieval.grid import Grid

Json = Any
Floats = NDArray[np.float64]

RENDERING = 2  # raised whenever the same files would be drawn differently
CANDIDATES_AT_ONCE = 65536
TILES_AT_ONCE = 256  # whose places are computed together
SAMPLED_FILES = 16  # 4 MB are read of each: a planet of 4,000 files would be 16 GB
SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG = 315.0, 40.0
# Relief is exaggerated until its steeper slopes reach this, at most tenfold: planets are flat from afar.
SHOWN_SLOPE, MAX_EXAGGERATION = float(np.tan(np.radians(15.0))), 10.0


@dataclass(frozen=True)
class RasterSource:
    """Tiles from rasters of one body; where several have data, the first wins, pixel by pixel.

    Made by `open_rasters`.
    """

    rasters: tuple[Raster, ...]
    body: Body

    draws_in_threads = True  # reading and sampling leave Python's lock

    @property
    def name(self) -> str:
        """File name, and how many more."""
        more = len(self.rasters) - 1
        return self.rasters[0].path.name + (f" and {more} more" if more else "")

    def fingerprint(self) -> str:
        """Hash of the files' samples, of where they lie and of how they are drawn."""
        parts = [(r.digest, r.kind, r.crs_wkt, r.transform, r.bands, r.stretch) for r in self.rasters]
        return hashlib.sha256(repr((RENDERING, self.body.name, parts)).encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Json]:
        """Files, what they are drawn as, and the stretch of their values."""
        return {
            "kind": "raster",
            "files": [
                {"file": r.path.name, "drawn_as": r.kind, "bands": list(r.bands), "stretch": list(r.stretch)}
                for r in self.rasters
            ],
        }

    def candidates(self, grid: Grid) -> NDArray[np.int64]:
        """Tiles of whose patch a corner, an edge's middle or the centre lies on a raster."""
        found = [self._candidates(grid, raster) for raster in self.rasters]
        return np.unique(np.concatenate(found))

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        """Draw tiles; facts hold ``elevation_m`` (mean over the tile) if a raster is an elevation model.

        Raises
        ------
        RasterError
            If a file is gone or torn.
        """
        numbers = np.asarray(tiles, dtype=np.int64)
        pixels = np.zeros((len(numbers), size_px, size_px, 3), dtype=np.uint8)
        observed = np.zeros(len(numbers), dtype=np.float32)
        elevation = np.full(len(numbers), np.nan, dtype=np.float32)
        with rasterio.Env(**GDAL_OPTIONS), ExitStack() as opened:
            datasets: dict[Path, Any] = {}
            for start in range(0, len(numbers), TILES_AT_ONCE):
                some = slice(start, start + TILES_AT_ONCE)
                seen = np.zeros((len(numbers[some]), size_px, size_px), dtype=bool)
                for raster in self.rasters:
                    near = raster.near(grid.centres(numbers[some]), _half_diagonal_deg(grid))
                    if not near.any():
                        continue
                    if raster.path not in datasets:
                        datasets[raster.path] = opened.enter_context(open_dataset(raster.path))
                    lattice = lattice_on(raster, grid, numbers[some][near], size_px)
                    at = np.flatnonzero(near)
                    left = np.arange(len(at))
                    if raster.kind == "image":
                        left = draw_strips(datasets[raster.path], lattice, at, pixels[some], seen)
                    for number in left.tolist():
                        i = int(at[number])
                        patch = _Patch(
                            pixels[start + i],
                            seen[i],
                            *lattice.places(number),
                            grid.tile_km * 1000.0 / size_px,
                            whole=bool(lattice.smooth[number]),
                        )
                        mean = patch.paint(raster, datasets[raster.path])
                        if np.isnan(elevation[start + i]):
                            elevation[start + i] = mean
                observed[some] = 1.0 if seen.all() else seen.mean(axis=(1, 2))
        has_dem = any(raster.kind == "dem" for raster in self.rasters)
        return TileBatch(numbers, pixels, observed, {"elevation_m": elevation} if has_dem else {})

    def check_files(self) -> None:
        """Look whether every raster is still there, and by samples of some whether they are the same files.

        Raises
        ------
        RasterError
            If one is not; names it.
        """
        every = max(1, len(self.rasters) // SAMPLED_FILES)
        for number, raster in enumerate(self.rasters):
            check_raster(raster, samples=number % every == 0)

    def draw(
        self, lonlat: Floats, pixel_m: float, datasets: Mapping[Path, Any], exaggeration: float | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Draw any picture of the ground, as `read` draws tiles.

        Parameters
        ----------
        lonlat
            Positions of its pixels, shape (h, w, 2), degrees; neighbours are neighbours on the ground.
        pixel_m
            Size of a pixel on the ground, metres; of use for elevation models only.
        datasets
            The open file of each raster; those of rasters that are not near may be missing.
        exaggeration
            Of relief; chosen by the picture itself if None, as for tiles.

        Returns
        -------
        RGB pixels (h, w, 3), 0 without data; and which have data, (h, w).

        Raises
        ------
        RasterError
            If a file is torn.
        """
        pixels = np.zeros((*lonlat.shape[:-1], 3), dtype=np.uint8)
        seen = np.zeros(lonlat.shape[:-1], dtype=bool)
        for raster in self.rasters:
            if raster.near(lonlat, 0.0).any():
                rows, cols = raster.positions(self.body, lonlat)
                patch = _Patch(pixels, seen, rows, cols, pixel_m, exaggeration)
                patch.paint(raster, datasets[raster.path])
        return pixels, seen

    def _candidates(self, grid: Grid, raster: Raster) -> NDArray[np.int64]:
        if raster.whole_planet:
            return np.arange(len(grid))
        tiles = raster.tiles_near(grid, _half_diagonal_deg(grid))
        side = grid.tile_km * 0.49
        east, north = (offsets.ravel() for offsets in np.meshgrid([-side, 0, side], [-side, 0, side]))
        on = np.zeros(len(tiles), dtype=bool)
        for start in range(0, len(tiles), CANDIDATES_AT_ONCE):
            some = slice(start, start + CANDIDATES_AT_ONCE)
            points = self.body.offsets_to_lonlat(grid.centres(tiles[some])[:, None], east, north)
            on[some] = raster.holds(*raster.positions(self.body, points)).any(axis=1)
        return tiles[on]


def open_rasters(
    paths: Sequence[Path | str],
    body: Body,
    bounds: Bounds | None = None,
    kind: Kind = "auto",
) -> RasterSource:
    """Open rasters of a body as one source of tiles.

    Parameters
    ----------
    paths
        GeoTIFF, COG, VRT, PDS image with its label, or anything else that GDAL reads.
    bounds
        West, south, east, north in degrees, east-positive, 0..360 or -180..180: where files without
        georeferencing lie, as simple cylindrical pictures.
    kind
        ``dem`` draws shaded relief, ``image`` the values. ``auto`` takes a file for an elevation model
        when it has one band of signed integers or floats and its unit is the metre, or its name or
        description speaks of elevation (dem, dtm, dsm, elevation, topography, height, mola...).

    Raises
    ------
    RasterError
        If a file is missing, torn, no raster, or has no CRS while ``bounds`` is None.
    BodyMismatchError
        If a file's CRS is of another body.
    """
    if kind not in get_args(Kind):
        raise SettingsError(f"no kind of raster is called {kind!r}", allowed=", ".join(get_args(Kind)))
    if not paths:
        raise RasterError("no raster was given", next_step="name at least one file")
    if bounds is not None:
        bounds = _check_bounds(bounds)
    with rasterio.Env(**GDAL_OPTIONS):
        opened = [open_raster(Path(path).expanduser(), body, bounds, kind) for path in paths]
    if bounds is not None and not any(placed for _, placed in opened):
        raise RasterError(
            f"{opened[0][0].path.name} knows where it lies; bounds are for pictures that do not",
            next_step="leave out --bounds",
        )
    return RasterSource(tuple(raster for raster, _ in opened), body)


def _check_bounds(bounds: Bounds) -> Bounds:
    west, south, east, north = (float(value) for value in bounds)
    width = east - west
    fine = np.isfinite([west, south, east, north]).all() and -90 <= south < north <= 90
    if not fine or width == 0 or width > 360 or min(west, east) < -360 or max(west, east) > 360:
        raise RasterError(
            f"bounds {west:g} {south:g} {east:g} {north:g} are no box",
            allowed="W S E N in degrees, -90 <= S < N <= 90, at most 360 wide, 0..360 or -180..180",
        )
    return west, south, west + (width % 360.0 or 360.0), north


def _half_diagonal_deg(grid: Grid) -> float:
    return float(np.degrees(grid.tile_km * np.sqrt(0.5) / grid.body.radius_km))


def exaggeration_of(relief_m: Floats, pixel_m: float) -> float:
    """How much relief (h, w) is exaggerated, so that its steeper slopes are seen; 1 to `MAX_EXAGGERATION`."""
    steep = float(np.quantile(np.hypot(*np.gradient(relief_m, pixel_m)), 0.9))
    return float(np.clip(SHOWN_SLOPE / max(steep, 1e-9), 1.0, MAX_EXAGGERATION))


@dataclass(frozen=True)
class _Patch:
    """A tile being painted: views into the batch, and where its pixels lie on one raster."""

    pixels: NDArray[np.uint8]
    seen: NDArray[np.bool_]
    rows: Floats
    cols: Floats
    pixel_m: float
    exaggeration: float | None = None
    whole: bool = False

    def paint(self, raster: Raster, dataset: Any) -> float:
        """Paint what no earlier raster has; mean elevation of the tile, NaN unless the raster has any."""
        if raster.kind == "image" and self.seen.all():
            return np.nan
        with telling_of_tears(raster.path):
            palette = palette_of(dataset, raster.bands[0]) if raster.palette else None
            values, has_data = sample(
                dataset,
                raster.bands,
                self.rows,
                self.cols,
                cyclic=raster.cyclic,
                palette=palette,
                whole=self.whole,
            )
        if raster.kind == "dem":
            values = values * np.float32(dataset.scales[0]) + np.float32(dataset.offsets[0])
        new = has_data & ~self.seen
        if new.all():
            self.pixels[...] = self._drawn(raster, values, has_data)
            self.seen[...] = True
        elif new.any():
            self.pixels[new] = self._drawn(raster, values, has_data)[new]
            self.seen[new] = True
        return float(values[0][has_data].mean()) if raster.kind == "dem" and has_data.any() else np.nan

    def _drawn(
        self, raster: Raster, values: NDArray[np.float32], has_data: NDArray[np.bool_]
    ) -> NDArray[np.uint8]:
        """RGB pixels (h, w, 3) of sampled values (bands, h, w)."""
        if raster.kind == "dem":
            relief = np.where(has_data, values[0], values[0][has_data].mean()).astype(np.float64)
            exaggeration = self.exaggeration or exaggeration_of(relief, self.pixel_m)
            shade = hillshade(relief, self.pixel_m, SUN_AZIMUTH_DEG, SUN_ELEVATION_DEG, exaggeration)
            values = shade[None] * np.float32(255.0)
        elif raster.stretch:
            black, white = np.array(raster.stretch, dtype=np.float32).T[:, :, None, None]
            values = (values - black) / (white - black) * np.float32(255.0)
        pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return np.moveaxis(np.broadcast_to(pixels, (3, *pixels.shape[1:])), 0, -1)

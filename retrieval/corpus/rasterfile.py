"""One raster file: opening it or saying why not, where it lies on the body, what its values mean."""

from __future__ import annotations

import hashlib
import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio import Affine
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window

from retrieval.body import Body
from retrieval.corpus.sampling import CYCLE_SLACK_PX, mask_of
from retrieval.errors import RasterError
from retrieval.grid import Grid

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]
Kind = Literal["auto", "image", "dem"]

GDAL_OPTIONS = {
    # Without this a torn JPEG is filled with grey and only whispers.
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
    # Its short cut for whole pictures overlooks a torn PNG.
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    "GDAL_NUM_THREADS": "1",  # tiles are drawn by several processes already
}
# Formats that can only be read from the top: decoded once and kept in memory while tiles are drawn.
SEQUENTIAL = {"JPEG", "PNG", "GIF", "BMP", "WEBP"}
MAX_DECODED_BYTES = 2_000_000_000
KEPT_DECODED_BYTES = 500_000_000  # the last one stays for the next tiles if it is no larger
STRETCH_PERCENT = (2.0, 98.0)
PROBE = (8, 128)  # windows along each axis, and their side in pixels, that are read on opening
_ELEVATION_WORDS = re.compile(
    r"(?<![a-z])(dem|dtm|dsm|dhm|elev\w*|topo\w*|heights?|altitude|mola|megdr|megt\w*)(?![a-z])"
)

_opening, _decoding = threading.RLock(), threading.Lock()
_last_decoded: dict[tuple[Path, int, int], MemoryFile] = {}


@dataclass(frozen=True)
class Raster:
    """One raster file and how its pixels lie on the body.

    Attributes
    ----------
    path, kind
        The file; whether it is drawn as it is or as shaded relief.
    crs_wkt, transform
        Its CRS, and the six coefficients from (column, row) of pixel edges to CRS coordinates.
    width, height
        Pixels.
    period
        How far in CRS x the planet repeats itself; 0 where it does not.
    bands, palette
        Bands that are drawn, counted from 1; whether their values are numbers of colours.
    stretch
        Value drawn black and value drawn white, per band; empty for 8-bit images.
    reach
        Middle longitude, half width in longitude, south and north end, degrees; a little too large.
    digest
        Hash of samples of the file.
    """

    path: Path
    kind: Literal["image", "dem"]
    crs_wkt: str
    transform: tuple[float, ...]
    width: int
    height: int
    period: float
    bands: tuple[int, ...]
    palette: bool
    stretch: tuple[tuple[float, float], ...]
    reach: Bounds
    digest: str

    @property
    def cyclic(self) -> bool:
        """Whether it goes all the way round, so that its last column meets its first."""
        return bool(self.period) and abs(self.period / abs(self.transform[0]) - self.width) <= CYCLE_SLACK_PX

    def positions(self, body: Body, lonlat: Floats) -> tuple[Floats, Floats]:
        """Rows and columns (pixel centres count 0, 1...) of points; not finite where there are none."""
        forward = Affine(*self.transform)
        x, y = body.lonlat_to(_crs_of(self.crs_wkt), lonlat)
        with np.errstate(invalid="ignore"):
            if self.period:
                middle = _apply(forward, np.array(self.width / 2), np.array(self.height / 2))[0]
                x = middle + (x - middle + self.period / 2) % self.period - self.period / 2
            cols, rows = _apply(~forward, x, y)
        return rows - 0.5, cols - 0.5

    def near(self, lonlat: Floats, margin_deg: float) -> NDArray[np.bool_]:
        """Whether points lie within its reach, enlarged by a margin; shape (n,)."""
        middle, half, south, north = self.reach
        lat = lonlat[..., 1]
        away = np.abs((lonlat[..., 0] - middle + 180.0) % 360.0 - 180.0)
        stretched = margin_deg / np.maximum(np.cos(np.radians(lat)), 1e-6)
        return np.asarray(
            (lat >= south - margin_deg) & (lat <= north + margin_deg) & (away <= half + stretched)
        )

    def tiles_near(self, grid: Grid, margin_deg: float) -> NDArray[np.int64]:
        """Tiles whose centre lies within its reach, enlarged by a margin."""
        middle, half, south, north = self.reach
        farthest = min(90.0, max(abs(south), abs(north)) + margin_deg)
        half += margin_deg / max(np.cos(np.radians(farthest)), 1e-6)
        west, east = (-180.0, 180.0) if half >= 180.0 else (middle - half, middle + half)
        return grid.within_bounds(west, max(-90.0, south - margin_deg), east, min(90.0, north + margin_deg))

    def holds(self, rows: Floats, cols: Floats) -> NDArray[np.bool_]:
        """Whether positions lie inside its outer edges."""
        with np.errstate(invalid="ignore"):
            inside = (rows >= -0.5) & (rows <= self.height - 0.5)
            return np.asarray(inside & (self.cyclic | ((cols >= -0.5) & (cols <= self.width - 0.5))))

    @property
    def whole_planet(self) -> bool:
        """Whether it covers everything."""
        _, half, south, north = self.reach
        return self.cyclic and half >= 180.0 and south <= -90.0 and north >= 90.0


def open_raster(path: Path, body: Body, bounds: Bounds | None, kind: Kind) -> tuple[Raster, bool]:
    """Look at a raster, within `GDAL_OPTIONS`: what it is, and whether the bounds were needed to place it.

    Raises
    ------
    RasterError
        If it is missing, torn, no raster, or has no CRS while ``bounds`` is None.
    BodyMismatchError
        If its CRS is of another body.
    """
    with open_dataset(path) as dataset, telling_of_tears(path):
        if dataset.count == 0 or np.issubdtype(np.dtype(dataset.dtypes[0]), np.complexfloating):
            raise RasterError(f"{path.name} has no band that can be drawn", allowed="real-valued bands")
        placed = dataset.crs is None or dataset.transform.is_identity
        if placed and bounds is None:
            raise RasterError(
                f"{path.name} has no coordinate reference system",
                allowed="georeferenced rasters, or simple cylindrical pictures with their bounds",
                next_step="pass --bounds W S E N in degrees, e.g. --bounds -180 -90 180 90",
            )
        if placed and bounds is not None:
            west, south, east, north = bounds
            crs = body.crs
            step = ((east - west) / dataset.width, (north - south) / dataset.height)
            transform = Affine(step[0], 0.0, west, 0.0, -step[1], north)
        else:
            crs, transform = CRS.from_wkt(dataset.crs.to_wkt()), dataset.transform
        body.check_same_body(crs, path.name)
        bands, palette = _bands(dataset)
        probe = _probe(dataset, bands)
        is_dem = kind == "dem" or (kind == "auto" and _looks_like_elevation(dataset, path))
        shape = (dataset.width, dataset.height)
        raster = Raster(
            path=path.resolve(),
            kind="dem" if is_dem else "image",
            crs_wkt=crs.to_wkt(),
            transform=tuple(transform)[:6],
            width=shape[0],
            height=shape[1],
            period=_period(body, crs),
            bands=bands[:1] if is_dem else bands,
            palette=palette and not is_dem,
            stretch=() if is_dem or palette or dataset.dtypes[0] == "uint8" else _stretch(path, probe),
            reach=_reach(body, crs, transform, shape),
            digest=_digest(path, dataset.files),
        )
    return raster, placed


def check_raster(raster: Raster, samples: bool) -> None:
    """Look whether a raster's file is there, can be opened and has its size; with ``samples`` its bytes too.

    Raises
    ------
    RasterError
        If it is gone, torn or another file.
    """
    with rasterio.Env(**GDAL_OPTIONS), telling_of_tears(raster.path):
        if not raster.path.exists():
            raise RasterError(f"{raster.path} does not exist", next_step="put it there, under the same path")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(raster.path) as dataset:
                same = (dataset.width, dataset.height) == (raster.width, raster.height)
                files = [] if dataset.driver in SEQUENTIAL else dataset.files
                same = same and not (samples and _digest(raster.path, files) != raster.digest)
        if not same:
            raise RasterError(
                f"{raster.path} is another file than the one that was opened", next_step="copy it again"
            )


@contextmanager
def open_dataset(path: Path) -> Iterator[Any]:
    """Open a file with `rasterio`, in memory if its format can only be read from the top.

    Raises
    ------
    RasterError
        If it is missing, no raster, or torn.
    """
    if not path.exists():
        raise RasterError(f"{path} does not exist", next_step="check the path")
    if path.is_dir():
        raise RasterError(f"{path} is a folder", next_step="name the raster files in it")
    with ExitStack() as stack:
        try:
            with _placed_or_not():
                dataset = stack.enter_context(rasterio.open(path))
        except RasterioError as error:
            raise RasterError(
                f"{path.name} is no raster that can be read ({_first_line(error)})",
                allowed="GeoTIFF, COG, VRT, PDS image with its label beside it, PNG or JPEG with bounds",
                next_step="check that the file is whole and its label or header is there",
            ) from error
        if dataset.driver in SEQUENTIAL:
            dataset = stack.enter_context(_decoded(dataset, path))
        yield dataset


@contextmanager
def telling_of_tears(path: Path) -> Iterator[None]:
    """Turn GDAL's complaints while reading into a `RasterError` that names the file."""
    try:
        yield
    except RasterioError as error:
        raise RasterError(
            f"{path.name} is torn: {_first_line(error)}", next_step="copy or download it again"
        ) from error


def palette_of(dataset: Any, band: int) -> NDArray[np.uint8]:
    """Colours of a band's values, shape (256, 3)."""
    colours = dataset.colormap(band)
    return np.array([colours.get(value, (0, 0, 0, 255))[:3] for value in range(256)], dtype=np.uint8)


@contextmanager
def _decoded(dataset: Any, path: Path) -> Iterator[Any]:
    size = dataset.width * dataset.height * sum(np.dtype(kind).itemsize for kind in dataset.dtypes)
    if size > MAX_DECODED_BYTES:
        raise RasterError(
            f"{path.name} would take {size / 1e9:.1f} GB of memory, because {dataset.driver} has no tiles",
            next_step="convert it first: gdal_translate -of COG INPUT OUTPUT.tif",
        )
    state = path.stat()
    key = (path.resolve(), state.st_mtime_ns, state.st_size)
    with _decoding:  # several threads that draw from one picture decode it once
        memory = _last_decoded.get(key) or _decode(dataset, path)
        _last_decoded.clear()
        if size <= KEPT_DECODED_BYTES:
            _last_decoded[key] = memory
    with ExitStack() as stack:
        with _placed_or_not():
            copy = stack.enter_context(memory.open())
        yield copy


@contextmanager
def _placed_or_not() -> Iterator[None]:
    """Files without georeferencing are dealt with by the caller; what is warned of is one for all threads."""
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _decode(dataset: Any, path: Path) -> MemoryFile:
    with telling_of_tears(path):
        data = dataset.read()
    profile = {name: dataset.profile[name] for name in ("count", "dtype", "width", "height", "nodata", "crs")}
    memory = MemoryFile(ext=".tif")
    with _placed_or_not(), memory.open(driver="GTiff", transform=dataset.transform, **profile) as copy:
        copy.colorinterp = dataset.colorinterp
        if dataset.colorinterp[0] == ColorInterp.palette:
            copy.write_colormap(1, dataset.colormap(1))
        copy.write(data)
    return memory


def _bands(dataset: Any) -> tuple[tuple[int, ...], bool]:
    """Bands to draw, and whether the one band is a palette."""
    meaning = list(dataset.colorinterp)
    if all(colour in meaning for colour in (ColorInterp.red, ColorInterp.green, ColorInterp.blue)):
        colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        return tuple(meaning.index(colour) + 1 for colour in colours), False
    plain = [number + 1 for number, colour in enumerate(meaning) if colour != ColorInterp.alpha]
    return tuple(plain[:3] if len(plain) >= 3 else plain[:1]), meaning[0] == ColorInterp.palette


def _looks_like_elevation(dataset: Any, path: Path) -> bool:
    dtype = np.dtype(dataset.dtypes[0])
    if dataset.count != 1 or dtype.kind not in "if" or dtype.itemsize < 2:
        return False
    unit = (dataset.units[0] or "").strip().lower()
    words = f"{path.stem} {dataset.descriptions[0] or ''}".lower()
    return unit in ("m", "metre", "meter", "metres", "meters") or bool(_ELEVATION_WORDS.search(words))


def _probe(dataset: Any, bands: tuple[int, ...]) -> NDArray[np.float64]:
    """Values with data from windows spread over the raster, shape (bands, n). Finds torn files early."""
    count, side = PROBE
    found = []
    for row in np.unique(np.linspace(0, max(0, dataset.height - side), count).astype(int)).tolist():
        for col in np.unique(np.linspace(0, max(0, dataset.width - side), count).astype(int)).tolist():
            window = Window(col, row, min(side, dataset.width), min(side, dataset.height))
            data = dataset.read(list(bands), window=window)
            found.append(data[:, mask_of(dataset, bands, data, window)])
    return np.concatenate(found, axis=1).astype(np.float64)


def _stretch(path: Path, values: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Black and white point of each band: robust percentiles, so that a few hot pixels do not matter."""
    if values.shape[1] == 0:
        raise RasterError(f"{path.name} has no data in any of the places looked at")
    low, high = np.percentile(values, STRETCH_PERCENT, axis=1)
    return tuple((float(a), float(b if b > a else a + 1.0)) for a, b in zip(low, high, strict=True))


def _period(body: Body, crs: CRS) -> float:
    """How far x repeats itself; 0 unless x is the longitude times a constant (any cylindrical CRS)."""
    lon = np.arange(-175.0, 180.0, 10.0)
    equator, _ = body.lonlat_to(crs, np.stack([lon, np.zeros_like(lon)], axis=-1))
    north, _ = body.lonlat_to(crs, np.stack([lon, np.full_like(lon, 60.0)], axis=-1))
    if not (np.isfinite(equator).all() and np.allclose(equator, north, rtol=1e-9, atol=1e-6)):
        return 0.0
    return float(36.0 * np.median(np.abs(np.diff(equator))))


def _reach(body: Body, crs: CRS, transform: Affine, shape: tuple[int, int]) -> Bounds:
    """Box around a raster, from points spread over it and a little more; see `Raster.reach`."""
    count = 33
    cols, rows = np.meshgrid(np.linspace(0, shape[0], count), np.linspace(0, shape[1], count))
    x, y = _apply(transform, cols, rows)
    lonlat = body.lonlat_from(crs, x, y)
    lonlat = lonlat[np.isfinite(lonlat).all(axis=-1)]
    if not len(lonlat):
        raise RasterError(f"the raster's corners lie outside its own projection ({crs.name})")
    south, north = float(lonlat[:, 1].min()), float(lonlat[:, 1].max())
    spare = 2 * (north - south) / (count - 1)
    # A raster that reaches a pole holds every longitude near it; one wide enough may hold them all.
    if north + spare >= 90.0 or south - spare <= -90.0:
        return (0.0, 180.0, max(-90.0, south - spare), min(90.0, north + spare))
    middle = float(lonlat[len(lonlat) // 2, 0])
    away = np.abs((lonlat[:, 0] - middle + 180.0) % 360.0 - 180.0).max()
    return (middle, min(180.0, float(away) * (1 + 2 / (count - 1))), south - spare, north + spare)


@lru_cache(maxsize=4096)
def _crs_of(wkt: str) -> CRS:
    # Two milliseconds each; a mosaic has thousands of files of a few kinds.
    return CRS.from_wkt(wkt)


def _apply(transform: Affine, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    return (
        transform.a * first + transform.b * second + transform.c,
        transform.d * first + transform.e * second + transform.f,
    )


def _digest(path: Path, files: Sequence[str]) -> str:
    """Hash of the size and of 64 samples of each file: quick on a mosaic of any size.

    ``files`` are those that the data set says it lies in; one that was decoded into memory lies in none.
    """
    digest = hashlib.sha256()
    for found in sorted(file for file in {path, *map(Path, files)} if file.is_file()):
        size = found.stat().st_size
        digest.update(str(size).encode())
        with found.open("rb") as file:
            for start in np.unique(np.linspace(0, max(0, size - 65536), 64).astype(np.int64)).tolist():
                file.seek(start)
                digest.update(file.read(65536))
    return digest.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    # rasterio says "Read failed. See previous exception for details." and chains what GDAL said.
    cause = error.__cause__ or error
    return str(cause).splitlines()[0][:200]

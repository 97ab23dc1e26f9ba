"""Near-equal-area tile grid on any body, at any scale.

Rows are bands of equal latitude, counted from the north pole. A row has as many columns as tiles fit
along its middle parallel, so cells keep nearly the same area from the equator to the poles, and the
poles are covered. A *cell* is the row-column rectangle (cells tile the sphere exactly: use them for areas
and for finding the tile of a point); a *footprint* is the square image patch, ``tile_km`` wide, in the
tile's own azimuthal equidistant projection with north up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from retrieval.body import Body, to_east_180
from retrieval.errors import SettingsError

_TILE_ID = re.compile(r"(?P<km>\d+(?:\.\d+)?)km-r(?P<row>\d+)c(?P<col>\d+)")
MAX_TILES = 100_000_000_000  # some 40 m on Mars; only rows are held in memory, never all tiles


@dataclass(frozen=True)
class Grid:
    """All tiles of one scale on one body, numbered 0..n-1 from the north pole, west to east.

    Attributes
    ----------
    body
        The body.
    tile_km
        Side of a tile, km.
    """

    body: Body
    tile_km: float

    def __post_init__(self) -> None:
        largest = self.body.half_circumference_km / 4
        if not (math.isfinite(self.tile_km) and 0 < self.tile_km <= largest):
            raise SettingsError(
                f"tiles of {self.tile_km} km do not fit {self.body.name}",
                allowed=f"more than 0 and at most {largest:.0f} km",
            )
        if self.body.area_km2 / self.tile_km**2 > MAX_TILES:
            raise SettingsError(
                f"tiles of {self.tile_km} km would be more than {MAX_TILES:,} on {self.body.name}",
                next_step="choose larger tiles",
            )

    @cached_property
    def rows(self) -> int:
        """Number of rows."""
        return max(4, round(self.body.half_circumference_km / self.tile_km))

    @cached_property
    def row_height_deg(self) -> float:
        """Latitude covered by a row, degrees."""
        return 180.0 / self.rows

    @cached_property
    def row_lat(self) -> NDArray[np.float64]:
        """Middle latitude of each row, shape (rows,), degrees, north first."""
        return np.asarray(90.0 - (np.arange(self.rows) + 0.5) * self.row_height_deg)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Columns of each row, shape (rows,)."""
        around = 2.0 * np.pi * self.body.radius_km * np.cos(np.radians(self.row_lat)) / self.tile_km
        return np.maximum(3, np.rint(around)).astype(np.int64)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """Number of the first tile of each row, shape (rows + 1,); the last entry is the tile count."""
        return np.concatenate([[0], np.cumsum(self.columns)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.first[-1])

    def rows_cols(self, tiles: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of tile numbers."""
        numbers = np.asarray(tiles, dtype=np.int64)
        rows = np.searchsorted(self.first, numbers, side="right") - 1
        return rows, numbers - self.first[rows]

    def centres(self, tiles: ArrayLike | None = None) -> NDArray[np.float64]:
        """Centres as lonlat, shape (n, 2), degrees."""
        return self.centres_of(*self.rows_cols(np.arange(len(self)) if tiles is None else tiles))

    def centres_of(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float64]:
        """Centres of the tiles in rows and columns, as lonlat, shape (n, 2), degrees."""
        lon = -180.0 + (cols + 0.5) * 360.0 / self.columns[rows]
        return np.stack([lon, self.row_lat[rows]], axis=-1)

    def areas_km2(self, tiles: ArrayLike | None = None) -> NDArray[np.float64]:
        """Area of each cell, km2, exact on the sphere; all cells sum to the body's surface."""
        rows, _ = self.rows_cols(np.arange(len(self)) if tiles is None else tiles)
        return np.asarray(self.row_area_km2[rows])

    @cached_property
    def row_area_km2(self) -> NDArray[np.float64]:
        """Area of a cell of each row, shape (rows,), km2."""
        north = np.radians(self.row_lat + self.row_height_deg / 2)
        south = np.radians(self.row_lat - self.row_height_deg / 2)
        band = 2.0 * np.pi * self.body.radius_km**2 * (np.sin(north) - np.sin(south))
        return np.asarray(band / self.columns)

    def locate(self, lonlat: ArrayLike) -> NDArray[np.int64]:
        """Tile number whose cell holds each point, shape (...,)."""
        points = np.asarray(lonlat, dtype=float)
        rows = np.floor((90.0 - points[..., 1]) / self.row_height_deg).astype(np.int64)
        rows = np.clip(rows, 0, self.rows - 1)
        columns = self.columns[rows]
        cols = np.floor((to_east_180(points[..., 0]) + 180.0) / 360.0 * columns).astype(np.int64)
        return np.asarray(self.first[rows] + np.clip(cols, 0, columns - 1))

    def within_bounds(self, west: float, south: float, east: float, north: float) -> NDArray[np.int64]:
        """Tiles whose centre lies in a box; ``west > east`` crosses the antimeridian."""
        in_box(np.zeros((0, 2)), west, south, east, north)
        everywhere = east - west >= 360
        width = (east - west) % 360.0
        found = [np.zeros(0, dtype=np.int64)]
        for row in np.flatnonzero((self.row_lat >= south) & (self.row_lat <= north)).tolist():
            # Column by column only near the box: a fine grid has more tiles than memory could list.
            columns = int(self.columns[row])
            step = 360.0 / columns
            first = 0 if everywhere else math.floor((west + 180.0) / step - 0.5)
            last = columns if everywhere else math.ceil((west + 180.0 + width) / step - 0.5)
            cols = np.unique(np.arange(first, min(last, first + columns - 1) + 1) % columns)
            found.append(self.first[row] + cols)
        tiles = np.concatenate(found)
        return tiles[in_box(self.centres(tiles), west, south, east, north)]

    def tile_id(self, tile: int) -> str:
        """Stable name of a tile: ``16km-r012c034``."""
        rows, cols = self.rows_cols(tile)
        return f"{self.tile_km:g}km-r{int(rows):0{self._row_digits}d}c{int(cols):0{self._col_digits}d}"

    def tile_ids(self, tiles: ArrayLike) -> list[str]:
        """Stable names of many tiles."""
        letters = self.tile_id_letters(tiles)
        text, width = letters.tobytes().decode("ascii"), letters.shape[1]
        return [text[start : start + width] for start in range(0, len(text), width)]

    def tile_id_letters(self, tiles: ArrayLike) -> NDArray[np.uint8]:
        """Stable names of many tiles as ASCII codes, shape (n, w): of one grid they are all of one length."""
        return self.letters_of(*self.rows_cols(np.asarray(tiles, dtype=np.int64).reshape(-1)))

    def letters_of(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The same of the tiles in rows and columns."""
        pattern = np.frombuffer(self.tile_id(0).encode("ascii"), dtype=np.uint8)
        letters = np.tile(pattern, (len(rows), 1))
        letters[:, -1 - self._col_digits - self._row_digits : -1 - self._col_digits] = self._row_letters[rows]
        letters[:, -self._col_digits :] = self._col_letters[cols]
        return letters

    def parse_tile_id(self, text: str) -> int:
        """Tile number from its name.

        Raises
        ------
        SettingsError
            If the name is not one of this grid's.
        """
        match = _TILE_ID.fullmatch(text.strip())
        if match and float(match["km"]) == float(f"{self.tile_km:g}"):
            row, col = int(match["row"]), int(match["col"])
            if row < self.rows and col < self.columns[row]:
                return int(self.first[row] + col)
        raise SettingsError(
            f"{text[:60]!r} is no tile of this grid",
            allowed=f"names such as {self.tile_id(0)} up to {self.tile_id(len(self) - 1)}",
        )

    def parse_tile_ids(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Tile numbers from names, shape (n,); -1 for a name that is not one of this grid's."""
        width = len(self.tile_id(0))
        text = "".join(names)
        plain = len(text) == width * len(names) and text.isascii() and all(len(n) == width for n in names)
        if not plain:
            return np.array([self._number_of(name) for name in names], dtype=np.int64)
        letters = np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(-1, width)
        rows = _read_digits(letters[:, -1 - self._col_digits - self._row_digits : -1 - self._col_digits])
        cols = _read_digits(letters[:, -self._col_digits :])
        known = (rows < self.rows) & (cols < self.columns[np.minimum(rows, self.rows - 1)])
        numbers = np.where(known, self.first[np.minimum(rows, self.rows - 1)] + cols, 0)
        # Written again it is the same name: every other letter is in its place as well.
        same = (self.tile_id_letters(numbers) == letters).all(axis=1) & known
        for odd in np.flatnonzero(~same).tolist():  # such as more digits than needed
            numbers[odd] = self._number_of(names[odd])
        return np.asarray(numbers, dtype=np.int64)

    def neighbours(self, tiles: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of tiles among ``tiles`` whose cells share an edge, (p,) and (p,), each pair once.

        The first of a pair is the smaller number. A row is a circle, so its last column touches its first;
        above and below, cells touch whose longitudes overlap. Cells that meet at a corner only do not.
        """
        present = np.unique(np.asarray(tiles, dtype=np.int64))
        rows, cols = self.rows_cols(present)
        columns = self.columns[rows]
        below = np.append(self.columns, 0)[rows + 1]
        # Column c of n spans c / n to (c + 1) / n of the circle: in whole numbers, so that no edge is missed.
        from_col, to_col = cols * below // columns, -(-(cols + 1) * below // columns)
        count = np.maximum(to_col - from_col, 0)
        step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        first = np.concatenate([present, np.repeat(present, count)])
        second = np.concatenate(
            [
                self.first[rows] + (cols + 1) % columns,
                np.repeat(self.first[rows + 1] + from_col, count) + step,
            ]
        )
        known = np.isin(second, present)
        first, second = first[known], second[known]
        return np.minimum(first, second), np.maximum(first, second)

    def cells(self, tiles: ArrayLike) -> NDArray[np.object_]:
        """Cells as polygons in lonlat (never across the antimeridian), shape (n,).

        Cells that touch have the same edge to the last bit, so that a union of cells has no gaps.
        """
        rows, cols = self.rows_cols(tiles)
        west, east = (-180.0 + 360.0 * edge / self.columns[rows] for edge in (cols, cols + 1))
        north, south = (90.0 - 180.0 * edge / self.rows for edge in (rows, rows + 1))
        return np.asarray(shapely.box(west, south, east, north))

    def footprint(self, tile: int, points_per_side: int = 8) -> NDArray[np.float64]:
        """Outline of a tile's image patch as lonlat, clockwise from its north-west corner, not closed."""
        half = self.tile_km / 2
        along = np.linspace(-half, half, points_per_side, endpoint=False)
        east = np.concatenate([along, np.full_like(along, half), -along, np.full_like(along, -half)])
        north = np.concatenate([np.full_like(along, half), -along, np.full_like(along, -half), along])
        return self.body.offsets_to_lonlat(self.centres([tile])[0], east, north)

    def pixel_lonlat(self, tile: int, size_px: int) -> NDArray[np.float64]:
        """Lonlat of the pixel centres of a tile's patch, shape (size_px, size_px, 2), row 0 in the north."""
        step = self.tile_km / size_px
        along = (np.arange(size_px) + 0.5) * step - self.tile_km / 2
        east, north = np.meshgrid(along, -along)
        return self.body.offsets_to_lonlat(self.centres([tile])[0], east, north)

    @cached_property
    def _row_digits(self) -> int:
        return _digits(self.rows)

    @cached_property
    def _col_digits(self) -> int:
        return _digits(int(self.columns.max()))

    @cached_property
    def _row_letters(self) -> NDArray[np.uint8]:
        return _digits_of(self.rows, self._row_digits)

    @cached_property
    def _col_letters(self) -> NDArray[np.uint8]:
        return _digits_of(int(self.columns.max()), self._col_digits)

    def _number_of(self, name: str) -> int:
        try:
            return self.parse_tile_id(name)
        except SettingsError:
            return -1


def in_box(lonlat: ArrayLike, west: float, south: float, east: float, north: float) -> NDArray[np.bool_]:
    """Whether points lie in a lonlat box, edges included; ``west > east`` crosses the antimeridian.

    Longitudes may come in either domain; a box 360 degrees wide or more holds every longitude.

    Raises
    ------
    SettingsError
        If a bound is not finite, a latitude is outside -90..90, or south is not below north.
    """
    if not all(math.isfinite(v) for v in (west, south, east, north)):
        raise SettingsError("bounds must be finite numbers", allowed="W S E N in degrees")
    if not -90 <= south < north <= 90:
        raise SettingsError(f"latitudes {south} to {north} are no band", allowed="-90 <= south < north <= 90")
    points = np.asarray(lonlat, dtype=float)
    lon, lat = points[..., 0], points[..., 1]
    band = (lat >= south) & (lat <= north)
    if east - west >= 360:
        return np.asarray(band)
    width = (east - west) % 360.0
    return np.asarray(band & ((lon - west) % 360.0 <= width))


def _digits(count: int) -> int:
    return len(str(count - 1))


def _digits_of(count: int, digits: int) -> NDArray[np.uint8]:
    """The numbers below a count as ASCII digits, shape (count, digits)."""
    powers = 10 ** np.arange(digits - 1, -1, -1, dtype=np.int64)
    return (np.arange(count)[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def _read_digits(letters: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Numbers from ASCII digits, (n, digits); what is no digit gives some number of no meaning, none < 0."""
    powers = 10 ** np.arange(letters.shape[1] - 1, -1, -1, dtype=np.int64)
    return np.asarray((letters.astype(np.int64) % 16) @ powers)

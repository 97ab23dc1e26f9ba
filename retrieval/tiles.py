"""The tile table: which tiles an index holds, row by row, and what was found out about each.

On disk are only numbers that nothing else can tell: the tile's number in the grid, the share of it that was
observed, and its facts. They are mapped into memory, so that a table of millions of rows opens at once.
Name, centre and area are the grid's to say, and it says them for the rows that are asked for.

    tiles.arrow       tile (int64, ascending), observed (float32, 0..1), one float32 column for each fact
    coverage.arrow    tile, observed: the same of every tile that was looked at, indexed or not

Both are Arrow IPC files without compression. Layout 1 kept them as Parquet; `read_columns` reads either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from retrieval.grid import Grid

if TYPE_CHECKING:
    from typing import Any

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# What layout 1 stored and the grid can say.
_REDUNDANT = frozenset({"tile_id", "lon", "lat", "area_km2", "geometry"})


class TileTable:
    """The tiles of an index, row by row, in the order of their numbers.

    Parameters
    ----------
    grid
        The grid whose tiles they are.
    columns
        ``tile`` (grid numbers, ascending), ``observed`` (share with data, 0..1) and any facts, (n,) each.

    Attributes
    ----------
    numbers, observed
        Those two columns, int64 and float32.
    facts
        The others by name, in their order.

    Raises
    ------
    ValueError
        If a column is missing, their lengths differ, or the numbers are not ascending ones of the grid.
    """

    def __init__(self, grid: Grid, columns: Mapping[str, ArrayLike]) -> None:
        missing = {"tile", "observed"} - set(columns)
        if missing:
            raise ValueError(f"a tile table without {' and '.join(sorted(missing))}")
        self.grid = grid
        self.numbers: Ints = np.asarray(columns["tile"], dtype=np.int64)
        self.observed: NDArray[np.float32] = np.asarray(columns["observed"], dtype=np.float32)
        self.facts: dict[str, NDArray[Any]] = {
            name: np.asarray(values) for name, values in columns.items() if name not in ("tile", "observed")
        }
        lengths = {len(self.numbers), len(self.observed), *map(len, self.facts.values())}
        if len(lengths) > 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        if len(self) and not (self.numbers[0] >= 0 and self.numbers[-1] < len(grid)):
            raise ValueError(f"tiles {self.numbers[0]} to {self.numbers[-1]} of a grid of {len(grid)}")
        if not (self.numbers[1:] > self.numbers[:-1]).all():
            raise ValueError("tile numbers that do not ascend")

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, rows: ArrayLike | None = None) -> gpd.GeoDataFrame:
        """Rows as a table: ``tile``, ``tile_id``, ``lon``, ``lat``, ``area_km2``, ``observed``, the facts.

        Parameters
        ----------
        rows
            Row numbers, (m,), in the order wanted; all rows if None.
        """
        columns = self.columns(rows)
        points = gpd.points_from_xy(columns["lon"], columns["lat"])
        return gpd.GeoDataFrame(columns, geometry=points, crs=self.grid.body.crs)

    def columns(self, rows: ArrayLike | None = None) -> dict[str, Any]:
        """The columns of `rows`, (m,) each, without geometry."""
        which = _which(rows)
        numbers = self.numbers[which]
        place = self.grid.rows_cols(numbers)
        lonlat = self.grid.centres_of(*place)
        return {
            "tile": numbers,
            "tile_id": _as_text(self.grid.letters_of(*place)),
            "lon": lonlat[:, 0],
            "lat": lonlat[:, 1],
            "area_km2": self.grid.row_area_km2[place[0]],
            "observed": self.observed[which],
            **{name: values[which] for name, values in self.facts.items()},
        }

    def ids(self, rows: ArrayLike | None = None) -> pd.Series:
        """Names of rows, (m,), text."""
        return _as_text(self.grid.tile_id_letters(self.numbers[_which(rows)]))

    def tile_id(self, row: int) -> str:
        """Name of one row."""
        return self.grid.tile_id(int(self.numbers[row]))

    def centres(self, rows: ArrayLike | None = None) -> Floats:
        """Centres of rows, (m, 2), degrees."""
        return self.lonlat if rows is None else self.grid.centres(self.numbers[_which(rows)])

    def areas_km2(self, rows: ArrayLike | None = None) -> Floats:
        """Areas of the cells of rows, (m,)."""
        if rows is None:
            return self._spread(self.grid.row_area_km2)
        return self.grid.areas_km2(self.numbers[_which(rows)])

    @cached_property
    def lonlat(self) -> Floats:
        """Centres of all rows, (n, 2), degrees; made at the first use, 16 bytes a row."""
        grid = self.grid
        columns, first = self._spread(grid.columns), self._spread(grid.first[:-1])
        centres = np.empty((len(self), 2))
        centres[:, 0] = -180.0 + (self.numbers - first + 0.5) * 360.0 / columns
        centres[:, 1] = self._spread(grid.row_lat)
        centres.flags.writeable = False
        return centres

    @cached_property
    def starts(self) -> Ints:
        """Where each row of the grid begins, (grid rows + 1,): its tiles have one latitude and one area."""
        return np.asarray(np.searchsorted(self.numbers, self.grid.first), dtype=np.int64)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least longitude and latitude of a centre, greatest longitude and latitude; of at least one row."""
        held = np.flatnonzero(np.diff(self.starts))
        # Within a row of the grid, longitudes ascend.
        ends = self.centres(np.stack([self.starts[held], self.starts[held + 1] - 1]))
        (west, south), (east, north) = ends.min(axis=(0, 1)), ends.max(axis=(0, 1))
        return float(west), float(south), float(east), float(north)

    @cached_property
    def area_km2(self) -> float:
        """Area of the cells of all rows."""
        return float(np.diff(self.starts) @ self.grid.row_area_km2)

    def row_of(self, tile_id: str) -> int:
        """Row of a tile by its name; -1 where the index has none.

        Raises
        ------
        SettingsError
            If the name is not one of this grid's.
        """
        return int(self.find([self.grid.parse_tile_id(tile_id)])[0])

    def rows_of(self, tile_ids: Sequence[str]) -> Ints:
        """Rows of tiles by name, (m,); -1 where the index has none, also for names of no tile."""
        return self.find(self.grid.parse_tile_ids(list(tile_ids)))

    def find(self, tiles: ArrayLike) -> Ints:
        """Rows of tiles by number, shape of ``tiles``; -1 where the index has none."""
        wanted = np.asarray(tiles, dtype=np.int64)
        if not len(self):
            return np.full(wanted.shape, -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.numbers, wanted), len(self) - 1)
        return np.asarray(np.where(self.numbers[at] == wanted, at, -1), dtype=np.int64)

    def at(self, lonlat: ArrayLike) -> Ints:
        """Row of the tile whose cell holds each point, shape (...,); -1 where there is none or it is NaN."""
        points = np.asarray(lonlat, dtype=float)
        valid = np.isfinite(points).all(axis=-1)
        return np.where(valid, self.find(self.grid.locate(np.where(valid[..., None], points, 0.0))), -1)

    def _spread(self, of_grid_row: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(of_grid_row, np.diff(self.starts))


def _as_text(letters: NDArray[np.uint8]) -> pd.Series:
    """A column of text, (n,), from ASCII codes, (n, w), without making n Python strings."""
    ends = np.arange(len(letters) + 1, dtype=np.int64) * letters.shape[1]
    text = pa.LargeStringArray.from_buffers(len(letters), pa.py_buffer(ends), pa.py_buffer(letters))
    return pd.Series(pd.array(text, dtype="str"))


def write_columns(path: Path, columns: Mapping[str, ArrayLike]) -> None:
    """Write columns of equal length as an Arrow IPC file in one piece, so that each maps as one array."""
    batch = pa.record_batch({name: pa.array(np.asarray(values)) for name, values in columns.items()})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def read_columns(path: Path) -> dict[str, NDArray[Any]]:
    """Columns of a file that `write_columns` made, mapped and read-only; or of layout 1, read into memory.

    Raises
    ------
    ValueError, OSError
        If the file is torn or holds anything but numbers.
    """
    if path.suffix == ".parquet":
        names = [name for name in pq.read_schema(path).names if name not in _REDUNDANT]
        table = pq.read_table(path, columns=names)
    else:
        with pa.memory_map(str(path)) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
    return {name: _as_array(table.column(name)) for name in table.column_names}


def count_rows(path: Path) -> int:
    """Number of rows of such a file, read from its end."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with pa.memory_map(str(path)) as mapped:
        return int(pa.ipc.open_file(mapped).read_all().num_rows)


def _as_array(column: pa.ChunkedArray) -> NDArray[Any]:
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # of no chunks
        whole = pa.array([], column.type)
    values: NDArray[Any] = whole.to_numpy(zero_copy_only=whole.null_count == 0)
    return values


def _which(rows: ArrayLike | None) -> Any:
    return slice(None) if rows is None else np.asarray(rows, dtype=np.int64)

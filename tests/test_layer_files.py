"""Layers on disk: written by hand where they are points, as geopandas would write them."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from retrieval.body import get_body
from retrieval.spatial.shapes import normalised
from tools.layer_files import read_table, write_table
from tools.layers import make_table

MARS = get_body("mars")


def points(count: int, **columns) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(count)
    lonlat = rng.uniform([-180, -90], [180, 90], (count, 2))
    chance = np.where(rng.random(count) < 0.2, np.nan, rng.random(count))
    ids = [f"é{n}" for n in range(count)]
    return make_table(MARS, ids, lonlat, chance, chance, rank=np.arange(count), **columns)


TABLES = {
    "points": points(50, observed=np.linspace(0, 1, 50, dtype=np.float32), near=np.arange(50) % 2 == 0),
    "one": points(1),
    "none": points(0),
    "mixed": points(3, note=["a", None, "b"], when=pd.to_datetime(["2020-01-01"] * 3)),
}


@pytest.mark.parametrize("name", ["points", "one", "none"])
def test_it_is_read_as_it_was_and_as_geopandas_writes_it(tmp_path: Path, name: str) -> None:
    table = TABLES[name]
    write_table(table, tmp_path / "own.parquet")
    table.to_parquet(tmp_path / "theirs.parquet")
    own, theirs = (read_table(tmp_path / f"{which}.parquet", MARS) for which in ("own", "theirs"))
    assert_geodataframe_equal(own, theirs)
    assert_geodataframe_equal(own, table)
    assert own.crs == MARS.crs
    read = gpd.read_parquet(tmp_path / "own.parquet")  # by anything that reads GeoParquet
    assert read.geometry.geom_equals(table.geometry).all()
    assert gpd.read_parquet(tmp_path / "own.parquet", columns=["lon", "geometry"]).shape[1] == 2


def test_columns_of_any_kind_are_kept(tmp_path: Path) -> None:
    table = TABLES["mixed"]
    write_table(table, tmp_path / "own.parquet")
    table.to_parquet(tmp_path / "theirs.parquet")
    own, theirs = (read_table(tmp_path / f"{which}.parquet", MARS) for which in ("own", "theirs"))
    assert_geodataframe_equal(own, theirs)


def test_columns_keep_their_order(tmp_path: Path) -> None:
    table = make_table(MARS, ["a", "b"], [[0, 0], [1, 1]]).assign(later=[1.0, 2.0])
    write_table(table, tmp_path / "layer.parquet")
    assert table.columns.tolist()[-2:] == ["geometry", "later"]
    assert read_table(tmp_path / "layer.parquet", MARS).columns.tolist() == table.columns.tolist()


def test_an_index_that_is_not_one_after_the_other_is_kept(tmp_path: Path) -> None:
    table = points(9).iloc[[5, 2, 7]]
    write_table(table, tmp_path / "own.parquet")
    assert_geodataframe_equal(read_table(tmp_path / "own.parquet", MARS), table)


def test_lines_and_polygons_are_written_as_before(tmp_path: Path) -> None:
    shapes = normalised(shapely.from_wkt(["LINESTRING (0 0, 3 4)", "POLYGON ((0 0, 5 0, 5 5, 0 0))"]), MARS)[
        0
    ]
    table = make_table(MARS, ["a", "b"], [[1.0, 2.0], [2.0, 1.0]], shapes=shapes)
    write_table(table, tmp_path / "own.parquet")
    assert_geodataframe_equal(read_table(tmp_path / "own.parquet", MARS), table)


def test_the_file_says_where_its_points_are(tmp_path: Path) -> None:
    table = points(20)
    write_table(table, tmp_path / "own.parquet")
    table.to_parquet(tmp_path / "theirs.parquet", schema_version="1.0.0")
    own, theirs = (
        json.loads(pq.read_schema(tmp_path / f"{which}.parquet").metadata[b"geo"])
        for which in ("own", "theirs")
    )
    for about in (own, theirs):
        about.pop("creator")
    assert own == theirs

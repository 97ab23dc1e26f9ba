"""`areographer index add`, `replace`, `remove` and `verify` on rasters of a made field."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio import Affine

import cli
from retrieval.index import TileIndex
from retrieval.settings import Settings
from tests.test_build_change import assert_same
from tests.test_raster import field, write


def strip(path: Path, west: float, turned: bool = False) -> Path:
    """Sixty degrees of the field from a western edge, 15 degrees to both sides of the equator."""
    lon, lat = np.meshgrid(west + 0.25 + np.arange(120) * 0.5, 14.75 - np.arange(60) * 0.5)
    values = np.rint(field(np.stack([lon, lat], axis=-1))).astype("uint8")
    values = 255 - values if turned else values
    return write(path, values, "IAU_2015:49900", Affine(0.5, 0, west, 0, -0.5, 15))


@pytest.fixture
def areographer(home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command line; gives the exit status, the JSON on standard output, and standard error."""

    def run(*argv: object) -> tuple[int, Any, str]:
        monkeypatch.setattr(sys, "argv", ["areographer", *map(str, argv)])
        status = cli.run()
        said = capsys.readouterr()
        return status, json.loads(said.out) if said.out.startswith("{") else said.out, said.err

    return run


def test_an_index_grows_changes_and_shrinks(tmp_path: Path, areographer: Any) -> None:
    index, west, east = tmp_path / "mars", strip(tmp_path / "west.tif", 0), strip(tmp_path / "east.tif", 57.3)
    options = ["--tile-km", 300]
    assert areographer("index", "build", west, "--out", index, *options)[0] == 0
    alone = TileIndex.open(index)
    assert areographer("index", "build", west, east, "--out", tmp_path / "both", *options)[0] == 0

    status, said, _ = areographer("index", "add", index, east, "--json")
    assert (status, said["change"], said["set_aside"]) == (0, "add", f"{index}.old1")
    both = TileIndex.open(tmp_path / "both")
    assert_same(TileIndex.open(index), both)  # tiles on the seam are drawn from both
    assert TileIndex.open(index).manifest.source["fingerprint"] == both.manifest.source["fingerprint"]
    assert_same(TileIndex.open(tmp_path / "mars.old1"), alone)

    box = ["--bounds", 20, -10, 40, 10]
    status, said, _ = areographer(
        "index", "replace", index, strip(tmp_path / "t.tif", 0, True), *box, "--json"
    )
    assert (status, said["change"]) == (0, "replace")
    now, inside = TileIndex.open(index), both.grid.within_bounds(20, -10, 40, 10)
    rows = both.tiles.find(inside)
    others = np.setdiff1d(np.arange(len(both)), rows)
    assert np.array_equal(now.vectors(others), both.vectors(others))
    assert (np.einsum("ij,ij->i", now.vectors(rows), both.vectors(rows)) < 0.999).all()

    status, said, _ = areographer("index", "remove", index, "--bounds", 58, -90, 180, 90, "--json")
    assert (status, said["removed"] > 0) == (0, True)
    assert TileIndex.open(index).tiles.lonlat[:, 0].max() < 58
    status, said, _ = areographer("index", "info", index)
    assert "remove: " in said
    assert "mars.old1" in said
    assert areographer("index", "verify", index, "--json")[1]["verified"] is True


def test_what_is_wrong_is_said(tmp_path: Path, areographer: Any) -> None:
    status, _, said = areographer("index", "verify", tmp_path / "nothing")
    assert (status, "no folder" in said) == (2, True)

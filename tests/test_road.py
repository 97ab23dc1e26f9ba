"""The whole road of a newcomer with public data: fetch, caption, train, index. Real files, local server."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from retrieval import datasets
from retrieval.body import get_body
from retrieval.corpus.rasterfile import open_raster
from retrieval.datasets import DATASETS, Dataset
from retrieval.settings import Settings
from tests.data_server import pds3_label, publisher

pytestmark = pytest.mark.slow

NAMES = "/asc-planetarynames-data.s3.us-west-2.amazonaws.com/MARS_nomenclature_center_pts.kmz"
MOLA = "/pds-geosciences.wustl.edu/mgs/mgs-m-mola-5-megdr-l3-v1/mgsl_300x/meg004/megt90n000cb"
OLYMPUS_MONS = (226.2, 18.65)  # lon, lat of the highest mountain
WEIGHTS = Path(__file__).parent.parent / "retrieval" / "weights" / "areo-mini"
# 900 km is 61 pixels of this elevation model, and the whole of Mars in 182 tiles.
TILE = ("--tile-km", "900", "--workers", "1")


@pytest.fixture
def run(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """A verb of the command line, with --json; what it printed."""

    def call(*argv: object) -> Any:
        monkeypatch.setattr(sys, "argv", ["areographer", *map(str, argv), "--json"])
        capfd.readouterr()
        status = cli.run()
        out, err = capfd.readouterr()
        assert status == 0, err
        return json.loads(out)

    return call


def test_from_the_publishers_to_an_index(
    run: Callable[..., Any], home: Settings, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = pds3_label("MEGT90N000CB.IMG", 720, 1440).encode()
    monkeypatch.setattr(datasets, "DATASETS", tuple(with_label(one, label) for one in DATASETS))
    with publisher() as server:
        server.files[f"{MOLA}.img"] = real_data / "mars-rasters" / "megt90n000cb.img"
        server.files[f"{MOLA}.lbl"] = label
        server.files[NAMES] = real_data / "mars-vectors" / "MARS_nomenclature_center_pts.kmz"
        server.cuts[f"{MOLA}.img"] = [1_000_000]
        monkeypatch.setenv("AREOGRAPHER_MIRROR", server.address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        mola, names = run("fetch", "mola", "names")["datasets"]
    assert [entry["hash"] for entry in mola["files"].values()] == ["known", "known"]
    (relief,), (gazetteer,) = mola["opens"], names["opens"]

    # It lies where it should: its highest pixel is on Olympus Mons.
    raster, _ = open_raster(Path(relief), get_body("mars"), None, "auto")
    assert raster.kind == "dem"
    heights = np.fromfile(home.data / "mars" / "megt90n000cb.img", ">i2").reshape(720, 1440)
    row, col = np.unravel_index(heights.argmax(), heights.shape)
    rows, cols = raster.positions(get_body("mars"), np.array([OLYMPUS_MONS]))
    assert (
        np.hypot(rows[0] - row, cols[0] - col) < 12
    )  # the caldera is off the middle of the shield by 3 degrees

    facts = ("--catalogue", gazetteer, "--dem", relief, "--no-split", *TILE)
    for seed, pairs in ((11, "pairs"), (2, "heldout")):
        told = run("caption", relief, "--out", tmp_path / pairs, "--seed", seed, *facts)
        assert told["counts"]["tiles"] > 100
        assert told["counts"]["claims"]["supported"] > 500

    one_step = (
        "--epochs",
        "0.01",
        "--batch",
        "8",
        "--evaluations",
        "1",
        "--ema",
        "0",
        "--pretrained",
        WEIGHTS,
    )
    card = run(
        "train", tmp_path / "pairs", "--heldout", tmp_path / "heldout", "--out", tmp_path / "mine", *one_step
    )
    assert len(card["history"]) == 1

    made = run("index", "build", relief, "--out", tmp_path / "index", "--encoder", tmp_path / "mine", *TILE)
    assert made["count"] > 100
    assert run("index", "info", tmp_path / "index")["body"] == "mars"


def with_label(dataset: Dataset, label: bytes) -> Dataset:
    """The data set with our label in place of the publisher's, which is not among the real data."""
    digest = hashlib.sha256(label).hexdigest()
    files = (replace(one, sha256=digest) if one.name.endswith(".lbl") else one for one in dataset.files)
    return replace(dataset, files=tuple(files))

"""Fixtures that every test may use: a fresh home, a tiny index, real data where there are some."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from numpy.typing import NDArray

import cli
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from retrieval.settings import Settings, real_data_folder
from tests.fakes import PatternEncoder, PatternSource
from tests.workspaces import a_workspace
from tools.workspace import Workspace

# The same examples on every run, and no deadline: the machines that run this differ by tenfold.
settings.register_profile("areographer", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("areographer")

BACKGROUND = ("an orbital picture of the ground", "nothing in particular", "a planetary surface")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a fresh home; the environment points there and holds no model or key."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("AREOGRAPHER_HOME", str(folder))
    for name in ("AREOGRAPHER_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=folder, workers=1)


@pytest.fixture(scope="session")
def pattern_encoder() -> PatternEncoder:
    """The encoder of `tiny_index`."""
    return PatternEncoder()


@pytest.fixture(scope="session")
def pattern_source() -> PatternSource:
    """The source of `tiny_index`; its ``labels(grid)`` are the truth."""
    return PatternSource()


@pytest.fixture(scope="session")
def tiny_index(
    tmp_path_factory: pytest.TempPathFactory, pattern_source: PatternSource, pattern_encoder: PatternEncoder
) -> TileIndex:
    """About 700 tiles of 60 km on Lowell. Shared by all tests of a run: read only."""
    out = tmp_path_factory.mktemp("indexes") / "tiny"
    grid = Grid(pattern_source.body, 60.0)
    return build_index(pattern_source, grid, pattern_encoder, out, background_prompts=BACKGROUND)


@pytest.fixture(scope="session")
def small_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an index of Lowell in 60-km tiles with the real encoder, made by the command line.

    Made once for all processes of a run, whichever comes first: read only.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "shared" / "indexes" / "small"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(shared / "small.lock"), pytest.MonkeyPatch.context() as patch:
        if not (folder / "manifest.json").is_file():
            patch.setenv("AREOGRAPHER_HOME", str(folder.parents[1]))
            argv = ["index", "build", "lowell", "--out", str(folder), "--tile-km", "60", "--workers", "1"]
            patch.setattr(sys, "argv", ["areographer", *argv])
            assert cli.run() == 0
    return folder


@pytest.fixture(scope="module")
def small_home(small_index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own whose index `small` is a copy of `small_index`."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(small_index, home / "indexes" / "small")
    return home


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data; the test is skipped where there is none."""
    folder = real_data_folder()
    if folder is None:
        pytest.skip("AREOGRAPHER_REAL_DATA is unset: no real data on this machine")
    return folder


@pytest.fixture
def ws(home: Settings, tiny_index: TileIndex, pattern_encoder: PatternEncoder) -> Workspace:
    """A workspace over the tiny index, without places or files."""
    return a_workspace(home, tiny_index, pattern_encoder)


@pytest.fixture
def truth(tiny_index: TileIndex, pattern_source: PatternSource) -> dict[str, NDArray[np.int64]]:
    """Rows of the tiny index that show each landform."""
    labels = pattern_source.labels(tiny_index.grid).iloc[tiny_index.tiles.numbers]
    return {str(name): np.flatnonzero(labels[name].to_numpy()) for name in labels}

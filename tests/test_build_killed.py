"""A build that is killed, wherever it stands, goes on to the very index that nobody disturbed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from retrieval.index import TileIndex
from tests.building_process import GRID, build, contents

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> TileIndex:
    return build(tmp_path_factory.mktemp("whole") / "index")


def kill_when(out: Path, said: str, wait_s: float, hands: str) -> None:
    """Start the build in a process and kill it with what it started, a while after it said something."""
    command = [sys.executable, "-m", "tests.building_process", str(out), "0.15", hands]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith(said):
                time.sleep(wait_s)
                break
        else:
            raise AssertionError(f"the build ended without saying {said}")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("hands", ["threads", "processes"])
def test_a_killed_build_goes_on_to_the_same_index(tmp_path: Path, undisturbed: TileIndex, hands: str) -> None:
    out, rng = tmp_path / "index", np.random.default_rng(len(hands))
    # Within the first part; between parts; while assembling; with the files made, before they are in place.
    for said in ("tiles 0", "tiles", "index", "assembled"):
        kill_when(out, said, float(rng.uniform(0.0, 0.14)), hands)
        assert not out.exists()
    index = build(out)
    assert contents(index) == contents(undisturbed)
    assert len(index.coverage) == len(GRID)
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_finished_parts_are_not_made_again(tmp_path: Path) -> None:
    out = tmp_path / "index"
    kill_when(out, "tiles 512", 0.0, "threads")
    parts = {path: path.stat().st_mtime_ns for path in out.parent.glob("index.building/*/parts/*.npz")}
    assert len(parts) >= 2
    kill_when(out, "index 1", 0.0, "threads")
    assert all(path.stat().st_mtime_ns == made for path, made in parts.items())

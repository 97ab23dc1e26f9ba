"""A build in a process of its own, to be killed: ``python -m tests.building_process OUT [SECONDS]``.

Tiles are made slowly enough that a kill finds the build anywhere; assembling is slowed as well.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import retrieval.index
from retrieval.corpus.source import TileBatch
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index
from tests.fakes import PatternEncoder, PatternSource

GRID = Grid(PatternSource().body, 50.0)  # 1,019 tiles: four parts
PROMPTS = ("nothing in particular", "the ground")


@dataclass(frozen=True)
class SlowSource(PatternSource):
    """Waits with every batch, in threads or in processes."""

    wait_s: float = 0.0
    draws_in_threads: bool = True

    def read(self, grid: Grid, tiles: ArrayLike, size_px: int) -> TileBatch:
        time.sleep(self.wait_s)
        return super().read(grid, tiles, size_px)


def build(out: Path, wait_s: float = 0.0, threads: bool = True) -> TileIndex:
    """Build the index of these tests."""
    return build_index(
        SlowSource(wait_s=wait_s, draws_in_threads=threads),
        GRID,
        PatternEncoder(),
        out,
        background_prompts=PROMPTS,
        workers=2,
        progress=lambda stage, done, _: print(stage, done, flush=True),
    )


def _slowed(work: Any, wait_s: float) -> Any:
    def slow(*args: Any, **keywords: Any) -> Any:
        found = work(*args, **keywords)
        print("assembled", flush=True)
        time.sleep(wait_s)
        return found

    return slow


def contents(index: TileIndex) -> dict[str, Any]:
    """Everything of an index but when and as what it was made."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in index.folder.iterdir()}
    del found["manifest.json"]
    assert (np.diff(index.coverage["tile"]) > 0).all()
    return found | {"manifest": {**vars(index.manifest), "created": "", "name": ""}}


if __name__ == "__main__":
    seconds = float(sys.argv[2])
    retrieval.index.assemble = _slowed(retrieval.index.assemble, seconds)
    build(Path(sys.argv[1]), seconds, threads=sys.argv[3] == "threads")
    print("done", flush=True)

"""Tile sources for builds on a cluster, where worker processes can import them."""

import os
import time

import numpy as np

from retrieval.corpus.source import TileBatch
from retrieval.errors import RasterError
from retrieval.grid import Grid
from tests.fakes import PatternSource

MOUNT = "AREOGRAPHER_TEST_MOUNT"


class SlowSource(PatternSource):
    """Takes its time over each chunk, so that a node can be lost in the middle."""

    def read(self, grid: Grid, tiles: np.ndarray, size_px: int) -> TileBatch:
        time.sleep(0.2)
        return super().read(grid, tiles, size_px)


class SourceOnMount(PatternSource):
    """Lies on a file that only some nodes can reach."""

    def check_files(self) -> None:
        if os.environ.get(MOUNT) == "gone":
            raise RasterError("/maps/mosaic.tif does not exist", next_step="put it there")

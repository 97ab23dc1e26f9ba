"""How fast an index is built, beside the encoder alone on the same tiles, in turns.

For each source some tiles are drawn once and kept in memory. Then, in turns:

- *encoder*: `encode_images` over those pixels, with as many threads as the machine has cores;
- *hands*: the same by as many one-thread encoders side by side as the machine has cores;
- *drawn*: a whole build (parts, thumbnails, assembly, checks) from the pixels in memory: drawing is free;
- *build*: the whole build from the source.

The ratios are to the faster of the two encoders. The cores are shared: a build does all that the encoder
alone does, so what drawing costs is missing from it; `cost` says how many milliseconds of one core a tile
takes for each step. ``--encoder ViT-B-32:untrained --tiles 256`` shows how an encoder that takes longer hides
all else. Pictures are real rasters where ``AREOGRAPHER_REAL_DATA`` names a folder; Lowell always.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import make_parser, write_json
from retrieval.body import get_body
from retrieval.building.parts import CHUNK, chunk_size
from retrieval.building.thumbnails import encode_thumbnails
from retrieval.corpus.lowell import GRID_TILE_KM, LowellSource
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.source import TileBatch, TileSource
from retrieval.encoder import load_encoder
from retrieval.encoder_torch import at_most_threads
from retrieval.grid import Grid
from retrieval.index import build_index
from retrieval.settings import real_data_folder

CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Drawn:
    """A source whose tiles were drawn before."""

    source: TileSource
    batch: TileBatch
    draws_in_threads: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["source"], name)

    def read(self, grid: Grid, tiles: NDArray[np.int64], size_px: int) -> TileBatch:
        """Tiles out of memory."""
        at = np.searchsorted(self.batch.tiles, tiles)
        facts = {name: values[at] for name, values in self.batch.facts.items()}
        return TileBatch(np.asarray(tiles), self.batch.pixels[at], self.batch.observed[at], facts)


def main() -> None:
    """Measure every source and print a table."""
    parser = make_parser(__doc__, encoder=True)
    parser.add_argument("--tiles", type=int, default=4096, help="tiles of each source")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="names of sources")
    args = parser.parse_args()
    encoder = load_encoder(args.encoder)
    found = {}
    rates, ratios, costs = (
        ("encoder", "hands", "drawn", "build"),
        ("drawn", "build"),
        ("draw", "jpeg", "encode"),
    )
    print(f"{'tiles a second':>58}{'of the encoder':>18}{'ms of a core':>24}")
    print(f"{'source':22}" + "".join(f"{name:>9}" for name in (*rates, *ratios)), end="   ")
    print("".join(f"{name:>7}" for name in costs))
    for name, (source, tile_km) in _sources().items():
        if args.only and name not in args.only:
            continue
        row = found[name] = measure(source, Grid(source.body, tile_km), encoder, args.tiles, args.rounds)
        print(f"{name:22}" + "".join(f"{row['tiles_per_s'][key]:9.0f}" for key in rates), end="")
        print("".join(f"{row[f'{key}_ratio']:9.2f}" for key in ratios), end="   ")
        print("".join(f"{row['core_ms'][key]:7.2f}" for key in costs), flush=True)
    write_json({"encoder": args.encoder, "cores": CORES, "tiles": args.tiles, "sources": found}, args.json)


def measure(source: TileSource, grid: Grid, encoder: Any, count: int, rounds: int) -> dict[str, Any]:
    """Rates and costs of one source, medians of so many rounds."""
    tiles = np.asarray(source.candidates(grid))
    # A stretch of neighbours, as a build takes them, in the middle of what there is.
    start = max(0, len(tiles) // 3 - count // 2)
    tiles = tiles[start : start + count]
    size = max(96, encoder.manifest.image_size)
    batch = source.read(grid, tiles, size)
    kept = batch.pixels[batch.observed >= 0.5]
    ways: dict[str, Callable[[], None]] = {
        "encoder": lambda: _in_chunks(encoder, kept),
        "hands": lambda: _by_hands(encoder, kept),
        "drawn": lambda: _build(Drawn(source, batch), grid, encoder, tiles),
        "build": lambda: _build(source, grid, encoder, tiles),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - begun)
    rates = {name: len(kept) / statistics.median(values) for name, values in seconds.items()}
    best = max(rates["encoder"], rates["hands"])
    return {
        "tiles": len(tiles),
        "observed": len(kept),
        "tiles_per_s": rates,
        "drawn_ratio": rates["drawn"] / best,
        "build_ratio": rates["build"] / best,
        "build_ratio_to_one_encoder": rates["build"] / rates["encoder"],
        "core_ms": _costs(source, grid, encoder, tiles[:512], kept[:512], size),
        "seconds": seconds,
    }


def _costs(
    source: TileSource, grid: Grid, encoder: Any, tiles: NDArray[np.int64], kept: NDArray[np.uint8], size: int
) -> dict[str, float]:
    """Milliseconds of one core for a tile."""

    def cost(work: Callable[[], object], count: int) -> float:
        taken = []
        for _ in range(3):
            begun = time.perf_counter()
            work()
            taken.append(time.perf_counter() - begun)
        return 1000 * min(taken) / count

    with at_most_threads(1):
        return {
            "draw": cost(lambda: source.read(grid, tiles, size), len(tiles)),
            "jpeg": cost(lambda: encode_thumbnails(kept), len(kept)),
            "encode": cost(lambda: encoder.encode_images(kept), len(kept)),
        }


def _in_chunks(encoder: Any, pixels: NDArray[np.uint8]) -> None:
    for start in range(0, len(pixels), CHUNK):
        encoder.encode_images(pixels[start : start + CHUNK])


def _by_hands(encoder: Any, pixels: NDArray[np.uint8]) -> None:
    step = min(CHUNK, chunk_size(len(pixels)))  # as a build shares them out
    with at_most_threads(1), ThreadPoolExecutor(CORES) as pool:
        chunks = [pixels[start : start + step] for start in range(0, len(pixels), step)]
        list(pool.map(encoder.encode_images, chunks))


def _build(source: Any, grid: Grid, encoder: Any, tiles: NDArray[np.int64]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        build_index(source, grid, encoder, Path(folder) / "index", tiles=tiles, workers=CORES)


def _sources() -> dict[str, tuple[TileSource, float]]:
    """Sources and the size of their tiles, km."""
    found: dict[str, tuple[TileSource, float]] = {}
    data = real_data_folder()
    if data is None:
        print("AREOGRAPHER_REAL_DATA names no folder: Lowell alone", file=sys.stderr)
    else:
        mars, whole, rasters = get_body("mars"), (-180.0, -90.0, 180.0, 90.0), data / "mars-rasters"
        viking = [rasters / "viking_mdim21_color_2880x1440.jpg"]
        shade = [rasters / "mola_shade_2048x1024.png"]
        found["Viking colour, 60 km"] = (open_rasters(viking, mars, whole), 60.0)
        found["MOLA shade, 60 km"] = (open_rasters(shade, mars, whole), 60.0)
    found["Lowell, 12 km"] = (LowellSource(0), GRID_TILE_KM)
    return found


if __name__ == "__main__":
    main()

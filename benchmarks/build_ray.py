"""How fast tiles are drawn and encoded on Ray beside a build without it: same tiles, same machine.

In turns:

- *local*: drawing and encoding without Ray, one hand a core;
- *ray 1*: a Ray cluster of one node that has all cores;
- *ray N*: a cluster of as many nodes as there are cores, one each.

All share the same cores, so more nodes cannot be faster here: what is measured is what Ray costs. Its start
(the workers' imports, not that of the cluster) is told apart from the pace after the first part; ``overhead``
is how many milliseconds of one core a tile takes more than in a local build at that pace. ``alike`` says
whether the parts have the same bytes.

    python -m benchmarks.build_ray [--source lowell|viking] [--tiles 20480] [--rounds 2] [--json FILE]
"""

from __future__ import annotations

import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._common import make_parser, real_data, write_json
from retrieval.body import get_body
from retrieval.building.draw import draw_parts
from retrieval.building.ray import draw_parts_on_ray
from retrieval.corpus.lowell import LowellSource
from retrieval.corpus.raster import open_rasters
from retrieval.corpus.source import TileSource
from retrieval.encoder import load_encoder
from retrieval.grid import Grid
from retrieval.settings import prepare_for_ray

CORES = os.cpu_count() or 1


def source_of(name: str) -> tuple[TileSource, float]:
    """A source and the side of its tiles, km."""
    if name == "lowell":
        return LowellSource(6), 12.0
    file = real_data() / "mars-rasters" / "viking_mdim21_color_2880x1440.jpg"
    return open_rasters([file], get_body("mars"), bounds=(-180.0, -90.0, 180.0, 90.0)), 60.0


@contextmanager
def cluster_of(nodes: int) -> Iterator[str]:
    """Address of a cluster of so many nodes that share the cores of this machine."""
    from ray.cluster_utils import Cluster

    each: dict[str, Any] = {"num_cpus": CORES // nodes, "object_store_memory": 300_000_000}
    made = Cluster(initialize_head=True, head_node_args={**each, "include_dashboard": False})
    for _ in range(nodes - 1):
        made.add_node(**each)
    try:
        yield made.address
    finally:
        made.shutdown()


def timed(
    draw: Callable[..., list[Path]], source: TileSource, grid: Grid, encoder: Any, tiles: NDArray[np.int64]
) -> dict[str, Any]:
    """Seconds to the first part, tiles a second after it, tiles a second over all; hash of the parts."""
    marks: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "parts").mkdir()
        begun = time.perf_counter()
        paths = draw(
            source,
            grid,
            encoder,
            tiles,
            Path(folder),
            size_px=max(96, encoder.manifest.image_size),
            workers=CORES,
            progress=lambda _, done, total: marks.append((time.perf_counter() - begun, done)),
        )
        seconds = time.perf_counter() - begun
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]
    (first, had), (last, done) = marks[1], marks[-1]
    return {
        "first_s": first,
        "pace": (done - had) / max(last - first, 1e-9),
        "overall": len(tiles) / seconds,
        "parts": digest,
    }


def main() -> None:
    """Measure in turns, print a table, write JSON."""
    parser = make_parser(__doc__, encoder=True)
    parser.add_argument("--source", choices=("lowell", "viking"), default="viking")
    parser.add_argument("--tiles", type=int, default=20480)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    source, tile_km = source_of(options.source)
    grid, encoder = Grid(source.body, tile_km), load_encoder(options.encoder)
    tiles = np.asarray(source.candidates(grid))[: options.tiles]
    prepare_for_ray(loopback=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(options.rounds):
        found.setdefault("local", []).append(timed(draw_parts, source, grid, encoder, tiles))
        for nodes in sorted({1, CORES}):
            with cluster_of(nodes) as address:
                draw = partial(draw_parts_on_ray, address=address)
                found.setdefault(f"ray {nodes}", []).append(timed(draw, source, grid, encoder, tiles))
    rows = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("first_s", "pace", "overall")}
        for name, runs in found.items()
    }
    print(f"{len(tiles)} tiles of {source.name}, {options.encoder}, {CORES} cores")
    print(f"{'':8}{'first part, s':>15}{'tiles/s after it':>18}{'tiles/s over all':>18}{'overhead, ms':>14}")
    for name, row in rows.items():
        row["overhead_core_ms"] = 1000 * CORES * (1 / row["pace"] - 1 / rows["local"]["pace"])
        print(
            f"{name:8}{row['first_s']:15.1f}{row['pace']:18.0f}{row['overall']:18.0f}"
            f"{row['overhead_core_ms']:14.2f}"
        )
    alike = len({run["parts"] for runs in found.values() for run in runs}) == 1
    print(f"parts alike: {alike}")
    figures = {"source": source.name, "tiles": len(tiles), "cores": CORES, "ways": rows, "alike": alike}
    write_json(figures, options.json)


if __name__ == "__main__":
    main()

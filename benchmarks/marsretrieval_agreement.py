"""Are our figures those of MarsRetrieval's protocol? Our code against a reading of theirs, on made-up files.

    python benchmarks/marsretrieval_agreement.py [--cases 12] [--tiles 30000] [--points 500] [--json FILE]

Each case writes the files that the benchmark exchanges (tiles named after their corners with a similarity,
points of a catalogue), from a small region to one of more tiles than the 20,000 that the protocol keeps. The
reading (`tests/marsretrieval_reading.py`) goes through the protocol step by step, in pixels of the published
map; `published` computes the same from degrees with trees. Beside them stand the strict figures of the same
tiles: matched one to one on the sphere, at the depth that the protocol chose on the truth, and again with
hits that touch counted once.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, write_json
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from retrieval.body import get_body
from retrieval.evaluate.geolocalization import DEPTH, published, strict
from retrieval.spatial.features import link_points
from tests.marsretrieval_reading import made_up, place_of, read_protocol

FIGURES = ("f1", "precision", "recall", "k", "auprc")
TARGET = 1e-9


def main() -> None:
    """Make files, read them twice, compare, print, write."""
    parser = make_parser(__doc__, seed=True)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--tiles", type=int, default=30_000, help="of the largest case")
    parser.add_argument("--points", type=int, default=500, help="of the largest case")
    parser.add_argument("--reach-km", type=float, default=12.0, help="a tile's width, for the strict figures")
    arguments = parser.parse_args()
    sizes = np.geomspace(300, arguments.tiles, arguments.cases).round().astype(int)
    counts = np.geomspace(min(10, arguments.points), arguments.points, arguments.cases).round().astype(int)
    rows = [
        _case(int(tiles), int(points), arguments.seed + number, arguments.reach_km)
        for number, (tiles, points) in enumerate(zip(sizes, counts, strict=True))
    ]
    figures = {
        "seed": arguments.seed,
        "target": TARGET,
        "largest_difference": max(row["difference"] for row in rows),
        "cases": rows,
    }
    _print(figures)
    write_json(figures, arguments.json)


def _case(tiles: int, points: int, seed: int, reach_km: float) -> dict[str, Any]:
    body = get_body("mars")
    with tempfile.TemporaryDirectory() as folder:
        files = made_up(Path(folder), tiles, points, seed)
        begun = time.perf_counter()
        reading = read_protocol(*files)
        read_s = time.perf_counter() - begun
        begun = time.perf_counter()
        scores, corners, truth = _arrays(*files)
        ours = published(scores, corners, truth)
        ours_s = time.perf_counter() - begun
    order = np.argsort(-scores, kind="stable")[: int(ours["k"])]
    hits = np.zeros(len(scores), dtype=bool)
    hits[order] = True
    centres = corners + 0.1  # tiles are 0.2 degrees wide and named after their south-west corner
    features = link_points(body, centres[hits], 1.5 * reach_km)
    return {
        "tiles": tiles,
        "kept": min(tiles, DEPTH),
        "points": points,
        "difference": max(abs(ours[name] - reading[name]) for name in FIGURES),
        "published": ours,
        "strict": strict(body, hits, centres, truth, reach_km, features),
        "seconds_reading": read_s,
        "seconds": ours_s,
    }


def _arrays(predictions: Path, truth: Path) -> tuple[Any, Any, Any]:
    with predictions.open(newline="") as file:
        tiles = list(csv.DictReader(file))
    with truth.open(newline="") as file:
        points = [(float(row["lon"]), float(row["lat"])) for row in csv.DictReader(file)]
    scores = np.array([float(tile["similarity"]) for tile in tiles])
    corners = np.array([place_of(tile["image_name"]) for tile in tiles])
    return scores, corners, np.array(points)


def _print(figures: dict[str, Any]) -> None:
    table = Table(title="MarsRetrieval's geo-localization: ours against a reading of theirs", box=None)
    heads = (
        "tiles",
        "points",
        "differ",
        "F1",
        "AUPRC",
        "strict",
        "features",
        "read s",
        "ours s",
    )
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in figures["cases"]:
        table.add_row(
            f"{row['tiles']:,}",
            f"{row['points']:,}",
            f"{row['difference']:.0e}",
            f"{row['published']['f1']:.3f}",
            f"{row['published']['auprc']:.3f}",
            f"{row['strict']['f1']:.3f}",
            f"{row['strict']['features']['f1']:.3f}",
            f"{row['seconds_reading']:.2f}",
            f"{row['seconds']:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(f"largest difference {figures['largest_difference']:.1e}, to reach {TARGET:.0e}")


if __name__ == "__main__":
    main()

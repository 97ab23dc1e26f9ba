"""Does retrieval find Mars' large craters? An index of the Viking mosaic against the IAU's catalogue.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_mars.py [--encoder NAME] [--json FILE]

Builds tiles of the Viking MDIM 2.1 colour mosaic (7.4 km a pixel at the equator), ranks them for "large
impact craters" and compares with the named craters of at least 150 km: a tile is right when the centre of one
lies within a tile's width of its own. Named craters only, and three tiles for each although it fills but one:
the figures are a lower bound.
Baselines: chance, the brightness contrast of a tile, and the plain cosine of the bare words.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from prompts import load_prompts
from retrieval.body import get_body
from retrieval.catalogue import read_catalogue
from retrieval.corpus.raster import open_rasters
from retrieval.encoder import Encoder, encode_query, load_encoder
from retrieval.evaluate import evaluate_catalogue
from retrieval.grid import Grid
from retrieval.index import TileIndex, build_index, open_matching
from retrieval.query import ask

MOSAIC = Path("mars-rasters") / "viking_mdim21_color_2880x1440.jpg"
CATALOGUE = Path("mars-vectors") / "mars_features.csv"
WHOLE_PLANET = (-180.0, -90.0, 180.0, 90.0)


def main() -> None:
    """Build, rank, judge, print, write."""
    parser = make_parser(__doc__, encoder=True, seed=True)
    parser.add_argument("--query", default="large impact craters")
    parser.add_argument("--tile-km", type=float, default=240.0)
    parser.add_argument("--min-diameter-km", type=float, default=150.0)
    parser.add_argument("--tolerance-km", type=float, help="default: one tile")
    parser.add_argument("--index", type=Path, help="keep the index here, and use it when it is there")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    data = real_data()
    encoder = load_encoder(arguments.encoder)
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.index or Path(folder) / "viking"
        if out.exists():
            index = open_matching(out, encoder)
        else:
            index = _build(data, encoder, out, arguments.tile_km, arguments.workers)
        features = read_catalogue(data / CATALOGUE, index.body)
        craters = features[
            (features["landform"] == "crater") & (features["diameter_km"] >= arguments.min_diameter_km)
        ]
        tolerance = arguments.tolerance_km or index.grid.tile_km
        rankings = {
            name: evaluate_catalogue(index, scores, craters, tolerance, seed=arguments.seed)
            for name, scores in rank(index, encoder, arguments.query, arguments.seed).items()
        }
    result = {
        "query": arguments.query,
        "encoder": encoder.manifest.name,
        "index": index.manifest.fingerprint,
        "tile_km": index.grid.tile_km,
        "min_diameter_km": arguments.min_diameter_km,
        "seed": arguments.seed,
        "rankings": rankings,
    }
    _show(result)
    write_json(result, arguments.json)


def rank(index: TileIndex, encoder: Encoder, query: str, seed: int) -> dict[str, NDArray[Any]]:
    """Scores of all tiles by every way of ranking them: ours first, baselines after."""
    prompts = load_prompts()
    asked = ask(index, encoder, query, prompts.templates, prompts.descriptions)
    return {
        "probability": asked.calibrated.probability,
        "cosine, templates": asked.scores,
        "cosine, bare words": index.score(encode_query(encoder, query)),
        "contrast of the tile": contrast(index),
        "chance": np.random.default_rng(seed).random(len(index)),
    }


def contrast(index: TileIndex) -> NDArray[np.float64]:
    """Standard deviation of each tile's grey values: what needs no model at all."""
    pictures = (Image.open(io.BytesIO(index.thumbnail(row))).convert("L") for row in range(len(index)))
    return np.array([np.asarray(picture, dtype=float).std() for picture in pictures])


def _build(data: Path, encoder: Encoder, out: Path, tile_km: float, workers: int) -> TileIndex:
    mars = get_body("mars")
    source = open_rasters([data / MOSAIC], mars, WHOLE_PLANET)
    with Progress(transient=True) as bar:
        task = bar.add_task("tiles")
        return build_index(
            source,
            Grid(mars, tile_km),
            encoder,
            out,
            background_prompts=load_prompts().background,
            workers=workers,
            progress=lambda stage, done, total: bar.update(
                task, description=stage, completed=done, total=total
            ),
        )


def _show(result: dict[str, Any]) -> None:
    rankings = result["rankings"]
    first = next(iter(rankings.values()))
    table = Table(
        title=f"{result['query']!r} with {result['encoder']}: {first['tiles']} tiles, "
        f"{first['positives']} right ({first['entries_observed']} craters)"
    )
    for heading in ("ranking", "AP", "95 %", "prevalence", "ratio", "95 %"):
        table.add_column(heading, justify="left" if heading == "ranking" else "right")
    for name, row in rankings.items():
        table.add_row(
            name,
            f"{row['ap']:.3f}",
            f"{row['ap_low']:.3f}–{row['ap_high']:.3f}",
            f"{row['prevalence']:.3f}",
            f"{row['ratio']:.2f}",
            f"{row['ratio_low']:.2f}–{row['ratio_high']:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()

"""Are Mars' named craters found? Searches of a Viking index against the IAU's craters of 50 km and more.

    AREOGRAPHER_REAL_DATA=DIR python benchmarks/real_named_craters.py [--tile-km 120 240] [--json FILE]

For each size of tiles and each query: average precision of the ranking over its prevalence, with intervals by
drawing blocks; F1 at the threshold found without labels, one to one and by MarsRetrieval's protocol; whether
the hits lie nearer to named craters than chance allows, turned about the spin axis and moved within classes
of elevation. Beside each figure stand random tiles and the tiles of the highest contrast, which need no
model. Named craters are few, large, chosen by people, and unevenly named: a hit beside none of them may
well be a crater.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from _common import make_parser, real_data, write_json
from numpy.typing import NDArray
from real_dust_devils import elevation_file
from real_mars import CATALOGUE, _build, contrast, rank
from rich.console import Console
from rich.table import Table

from prompts import load_prompts
from retrieval.catalogue import read_catalogue
from retrieval.corpus.context import open_context, sample_at
from retrieval.encoder import Encoder, load_encoder
from retrieval.evaluate import evaluate_catalogue
from retrieval.evaluate.catalogue import tile_truth
from retrieval.index import TileIndex, open_matching
from retrieval.query import ask
from retrieval.settings import Settings
from retrieval.spatial.association import Association, associate
from retrieval.spatial.observed import observed_by_index
from retrieval.spatial.strata import Strata, equal_area_strata
from tools.layers import Layer, make_table
from tools.statistics.assessment import evaluate_layer
from tools.things import things
from tools.workspace import Workspace, open_workspace

Floats = NDArray[np.float64]

QUERIES = ("impact crater", "large impact crater")
CLASSES = 6
FIRST = (24, 100, 300)
RADIUS_KM = 30.0


def main() -> None:
    """Build, search, judge, print, write."""
    parser = make_parser(__doc__, encoder=True, seed=True)
    parser.add_argument("--query", nargs="+", default=list(QUERIES))
    parser.add_argument("--tile-km", type=float, nargs="+", default=[120.0])
    parser.add_argument("--min-diameter-km", type=float, nargs="+", default=[50.0, 100.0, 150.0])
    parser.add_argument("--indexes", type=Path, help="keep the indexes here, and use those that are there")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    data, encoder = real_data(), load_encoder(arguments.encoder)
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for tile_km in arguments.tile_km:
            folder = (arguments.indexes or Path(scratch)) / f"viking-{tile_km:g}"
            if not folder.exists():
                folder.parent.mkdir(parents=True, exist_ok=True)
                _build(data, encoder, folder, tile_km, arguments.workers)
            index = open_matching(folder, encoder)
            home = Path(scratch) / f"home-{tile_km:g}"
            results += judge(data, index, encoder, home, arguments)
    for result in results:
        _show(result)
    write_json(results, arguments.json)


def judge(data: Path, index: TileIndex, encoder: Encoder, home: Path, arguments: Any) -> list[dict[str, Any]]:
    """All figures of one index, one record for each query."""
    names = read_catalogue(data / CATALOGUE, index.body)
    craters = names[names["landform"] == "crater"]
    home.mkdir()
    prompts = load_prompts()
    ws = open_workspace(
        Settings(home=home), index, encoder, home / "layers", prompts.templates, seed=arguments.seed
    )
    least = min(arguments.min_diameter_km)
    truth = _catalogue_layer(ws, craters[craters["diameter_km"] >= least], f"craters of {least:g} km or more")
    (mola,) = open_context(index.body, {"elevation": elevation_file(data, home)})
    strata = equal_area_strata(
        lambda lonlat: sample_at(mola, index.body, lonlat, RADIUS_KM), observed_by_index(index), CLASSES
    )
    grey = contrast(index)
    records = []
    for query in arguments.query:
        found = ask(index, encoder, query, prompts.templates, prompts.descriptions).calibrated
        hits = np.flatnonzero(found.probability >= found.threshold)
        best = np.sort(np.argsort(-grey, kind="stable")[: len(hits)])
        layers = {
            "encoder": _tile_layer(ws, hits, found.probability[hits].astype(np.float64), query),
            "contrast of the tile": _tile_layer(ws, best, grey[best] / grey.max(), "contrast"),
        }
        records.append(
            {
                "query": query,
                "encoder": encoder.manifest.name,
                "index": index.manifest.fingerprint,
                "tiles": len(index),
                "tile_km": index.grid.tile_km,
                "threshold": float(found.threshold),
                "min_diameter_km": least,
                "entries": len(truth),
                "seed": arguments.seed,
                "rankings": {
                    f"{diameter:g}": _rankings(index, encoder, query, craters, diameter, arguments.seed)
                    for diameter in arguments.min_diameter_km
                },
                "at_threshold": {
                    name: list(evaluate_layer(ws, layer.id, truth.id).table) for name, layer in layers.items()
                },
                "associations": _associations(ws, layers, truth, strata),
            }
        )
    return records


def _rankings(
    index: TileIndex, encoder: Encoder, query: str, craters: gpd.GeoDataFrame, least_km: float, seed: int
) -> dict[str, Any]:
    large = craters[craters["diameter_km"] >= least_km]
    right = tile_truth(index, large, index.grid.tile_km)
    rows = {}
    for name, scores in rank(index, encoder, query, seed).items():
        order = np.argsort(-np.asarray(scores, dtype=float), kind="stable")
        first = {f"right_of_first_{depth}": int(right[order[:depth]].sum()) for depth in FIRST}
        rows[name] = {**evaluate_catalogue(index, scores, large, seed=seed), **first}
    return rows


def _associations(
    ws: Workspace, layers: dict[str, Layer], truth: Layer, strata: Strata
) -> list[dict[str, Any]]:
    """Whether touching tiles, merged, lie nearer to craters than chance allows; within one tile."""
    observed = observed_by_index(ws.index)
    rows = []
    for name, layer in layers.items():
        points, _ = things(ws, layer)
        for null in ("spin", "strata"):
            found = associate(
                ws.body,
                points,
                truth.lonlat,
                observed,
                ws.index.grid.tile_km,
                null="strata" if null == "strata" else "spin",
                strata=strata if null == "strata" else None,
                strata_words=f"elevation in {CLASSES} classes" if null == "strata" else "",
                side="nearer",
                seed=ws.seed,
            )
            rows.append({"hits_of": name, "null": null, **_plain(found)})
    return rows


def _plain(found: Association) -> dict[str, Any]:
    names = ("near", "of", "expected_percent", "enrichment", "enrichment_low", "enrichment_high", "p_value")
    more = ("clusters", "other_clusters", "retained", "least_enrichment", "verdict", "reason", "distance_km")
    return {name: getattr(found, name) for name in (*names, *more)}


def _tile_layer(ws: Workspace, rows: NDArray[np.int64], chance: Floats, title: str) -> Layer:
    tiles = ws.index.tiles.rows(rows)
    lonlat = tiles[["lon", "lat"]].to_numpy(dtype=float)
    table = make_table(ws.body, tiles["tile_id"].tolist(), lonlat, chance, chance)
    return ws.layers.add(title, "tiles", table, ws.provenance("benchmark", {}))


def _catalogue_layer(ws: Workspace, entries: gpd.GeoDataFrame, title: str) -> Layer:
    lonlat = entries[["lon", "lat"]].to_numpy(dtype=float)
    table = make_table(ws.body, entries["id"].astype(str).tolist(), lonlat)
    return ws.layers.add(title, "catalogue", table, ws.provenance("benchmark", {}))


def _show(result: dict[str, Any]) -> None:
    console = Console(width=160)
    console.rule(f"{result['query']!r}, {result['tiles']} tiles of {result['tile_km']:g} km")
    table = Table(title="average precision of rankings; right: a crater's centre within a tile's width")
    for heading in (
        "craters from",
        "ranking",
        "AP (95 %)",
        "prevalence",
        "AP / prevalence (95 %)",
        "craters",
        f"right of first {', '.join(map(str, FIRST))}",
    ):
        table.add_column(heading)
    for diameter, rankings in result["rankings"].items():
        for name, row in rankings.items():
            table.add_row(
                f"{diameter} km",
                name,
                f"{row['ap']:.3f} ({row['ap_low']:.3f} to {row['ap_high']:.3f})",
                f"{row['prevalence']:.3f}",
                f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})",
                f"{row['entries_observed']}",
                ", ".join(str(row[f"right_of_first_{depth}"]) for depth in FIRST),
            )
    console.print(table)
    table = Table(title=f"at the threshold, against {result['entries']} craters")
    for heading in ("hits of", "counted", "hits", "matched", "precision", "recall", "F1 (95 %)", "random F1"):
        table.add_column(heading)
    for name, rows in result["at_threshold"].items():
        for row in rows:
            ends = f" ({row['f1_low']} to {row['f1_high']})" if "f1_low" in row else ""
            cells = (row.get(key, "") for key in ("hits", "matched", "precision", "recall"))
            table.add_row(name, row["counted"], *map(str, cells), f"{row['f1']}{ends}", str(row["random_f1"]))
    console.print(table)
    table = Table(title=f"nearer to craters than chance? within {result['tile_km']:g} km, one-sided")
    for heading in ("hits of", "null", "near", "expected %", "enrichment (95 %)", "p", "worth", "verdict"):
        table.add_column(heading)
    for row in result["associations"]:
        table.add_row(
            row["hits_of"],
            row["null"],
            f"{row['near']} of {row['of']}",
            f"{row['expected_percent']:.1f}",
            f"{row['enrichment']:.2f} ({row['enrichment_low']:.2f} to {row['enrichment_high']:.2f})",
            f"{row['p_value']:.2g}",
            str(row["clusters"]),
            row["verdict"],
        )
    console.print(table)


if __name__ == "__main__":
    main()

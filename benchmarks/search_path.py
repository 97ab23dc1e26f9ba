"""What a search costs beside encoding its words and reading the vectors: stage by stage, before and now.

    python benchmarks/search_path.py --tiles 1440000 [--hits 20000] [--repeats 9] [--json FILE]

An index of Mars is made with vectors whose hits lie in patches, in a temporary folder (some 0.4 GB for 1.44
million tiles). *Before* is the path as it was when probabilities of all rows were computed, tiles came
from a GeoDataFrame of the whole index, neighbours were looked for tile by tile, and geopandas wrote the
points. Both run by turns, in this process, and must give the same layer; figures are medians.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
from _common import make_parser, write_json
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from retrieval.body import BODIES, unit_vectors
from retrieval.calibrate import calibrate
from retrieval.encoder import EncoderManifest
from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.manifest import FORMAT, IndexManifest, size_and_hash, versions
from retrieval.query import Asked
from retrieval.settings import load_settings
from retrieval.spatial.features import link_tiles
from retrieval.tiles import write_columns
from retrieval.vectors import VECTORS
from retrieval.vectors.flat import write_flat
from tools.layer_files import write_table
from tools.layers import Layer, LayerStore, Provenance, make_table
from tools.search import search_words
from tools.workspace import Workspace, open_workspace

DIMENSION = 32  # few, so that reading the vectors is soon done: it is not what is measured
SCALE = 20.0


class OneDirection:
    """An encoder to which every text is the first axis."""

    def __init__(self, bias: float) -> None:
        self.manifest = EncoderManifest(
            name="one direction",
            fingerprint="one-direction",
            architecture="none",
            bands=("grey",),
            image_size=96,
            mean=(0.0,),
            std=(1.0,),
            dimension=DIMENSION,
            logit_scale=SCALE,
            context_length=32,
            logit_bias=bias,
        )

    def encode_texts(self, texts: list[str]) -> NDArray[np.float32]:
        return np.eye(1, DIMENSION, dtype=np.float32).repeat(len(texts), axis=0)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("--tiles", type=int, default=1_440_000)
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.tiles, options.hits, options.repeats)
    for name, (before, now) in figures["stages"].items():
        print(f"{name:34s} {'' if np.isnan(before) else f'{before:.2f}':>12s} {now:10.2f} ms")
    print(f"{figures['tiles']:,} tiles, {figures['hits']:,} hits in {figures['features']:,} features")
    write_json(figures, options.json)


def measure(folder: Path, tiles: int, hits: int, repeats: int) -> dict[str, Any]:
    """Medians of every stage, (before, now), ms; NaN where a stage was not there."""
    grid = Grid(BODIES["mars"], float(f"{(BODIES['mars'].area_km2 / tiles) ** 0.5:.3g}"))
    make_index(folder / "index", grid)
    index = TileIndex.open(folder / "index")
    query = np.eye(1, DIMENSION, dtype=np.float32)[0]
    scores = index.score(query)
    bar = float(np.partition(scores, len(scores) - hits)[len(scores) - hits])
    encoder = OneDirection(-SCALE * bar)
    ws = open_workspace(load_settings(folder), index, encoder, folder / "layers", ("{}",))
    index.tiles.rows().to_parquet(folder / "tiles.parquet")  # as layout 1 kept it
    known: dict[str, Any] = {}
    times: dict[str, tuple[list[float], list[float]]] = {}

    def run(name: str, before: Callable[[], Any] | None, now: Callable[[], Any] | None) -> None:
        for which, work in enumerate((before, now)):
            started = time.perf_counter()
            known[name, which] = work() if work else None
            if work:
                times.setdefault(name, ([], []))[which].append(1e3 * (time.perf_counter() - started))

    run(
        "tile table",
        lambda: gpd.read_parquet(folder / "tiles.parquet"),
        lambda: TileIndex.open(index.folder).tiles,
    )
    table = known["tile table", 0].set_crs(index.body.crs, allow_override=True)
    for _ in range(repeats):
        stages(run, known, index, table, query, encoder, folder)
        run("reading the vectors", None, lambda: index.score(query))
        run("the whole search", None, lambda: search_words(ws, "patches"))
        ws.layers = LayerStore(ws.layers.folder)
    found = known["layer", 1]
    assert found.hash == known["layer", 0].hash == made_by(ws, known["the whole search", 1])
    medians = {
        name: [float(np.median(values or [np.nan])) for values in both] for name, both in times.items()
    }
    features = int(found.table["feature_id"].max())
    return {"tiles": len(index), "hits": len(found), "features": features, "stages": medians}


def stages(
    run: Callable[..., None],
    known: dict[Any, Any],
    index: TileIndex,
    table: gpd.GeoDataFrame,
    query: NDArray[np.float32],
    encoder: OneDirection,
    folder: Path,
) -> None:
    """Every stage once, as it was and as it is; each goes on from what the one before gave."""
    bias = encoder.manifest.logit_bias
    asked = Asked("patches", query, index, SCALE, bias)
    vars(asked)["cosines"] = index.score(query)
    run("hits", lambda: hits_before(asked.cosines, index.background, bias), asked.hits)
    hits = known["hits", 1]
    assert np.array_equal(hits.rows, known["hits", 0][0])
    run("rows of the tile table", lambda: table.iloc[hits.rows], lambda: index.tiles.columns(hits.rows))
    tiles = index.tiles.numbers[hits.rows]
    run("features", lambda: link_before(index.grid, tiles), lambda: link_tiles(index.grid, tiles))
    labels, old = known["features", 1], known["rows of the tile table", 0]
    run(
        "table of the layer",
        lambda: table_before(index, old, hits, labels),
        lambda: table_now(index, dict(known["rows of the tile table", 1]), hits, labels),
    )
    run(
        "writing it",
        lambda: known["table of the layer", 0].to_parquet(folder / "before.parquet"),
        lambda: write_table(known["table of the layer", 1], folder / "now.parquet"),
    )
    for which in (0, 1):
        made = known["table of the layer", which]
        known["layer", which] = Layer("L1", "", "tiles", made, Provenance("", {}, index.body.name))
    run("hash of the layer", lambda: known["layer", 0].hash, lambda: known["layer", 1].hash)


def hits_before(
    cosines: NDArray[np.float32], background: NDArray[np.float32], bias: float | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows, best first, and their probabilities, from the probabilities of all."""
    scores = np.asarray(cosines, dtype=np.float64)
    found = calibrate(scores, background, SCALE, bias)
    probability = np.asarray(found.probability, dtype=np.float64)
    rows = np.flatnonzero(probability >= found.threshold)
    rows = rows[np.lexsort((rows, -scores[rows], -probability[rows]))]
    scores.max(initial=-1.0), probability.max(initial=0.0)
    return rows, probability[rows]


def link_before(grid: Grid, tiles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Features by pairs of neighbours."""
    places, place = np.unique(tiles, return_inverse=True)
    first, second = (np.searchsorted(places, side) for side in grid.neighbours(places))
    links = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(len(places),) * 2)
    labels = connected_components(links, directed=False)[1][place]
    _, at, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(at), dtype=np.int64)
    rank[np.argsort(at)] = np.arange(len(at))
    return rank[inverse]


def table_before(index: TileIndex, tiles: gpd.GeoDataFrame, hits: Any, labels: Any) -> gpd.GeoDataFrame:
    """The layer's table from rows of a GeoDataFrame."""
    lonlat = tiles[["lon", "lat"]].to_numpy(dtype=float)
    facts = tiles.drop(columns=["tile_id", "lon", "lat", "geometry"]).reset_index(drop=True)
    rank = np.arange(1, len(lonlat) + 1)
    columns = {"rank": rank, "feature_id": labels + 1, **{name: facts[name] for name in facts}}
    data = {
        "row_id": pd.Series(tiles["tile_id"].tolist(), dtype="str"),
        "lon": lonlat[:, 0],
        "lat": lonlat[:, 1],
        "score": hits.scores,
        "probability": hits.probability,
        **columns,
    }
    own = gpd.points_from_xy(lonlat[:, 0], lonlat[:, 1])
    return gpd.GeoDataFrame(data, geometry=own, crs=index.body.crs).reset_index(drop=True)


def table_now(index: TileIndex, known: dict[str, Any], hits: Any, labels: Any) -> gpd.GeoDataFrame:
    """The layer's table as `tools.ranking.store_tiles` makes it."""
    lonlat = np.stack([known.pop("lon"), known.pop("lat")], axis=-1)
    rank = np.arange(1, len(lonlat) + 1)
    columns = {"rank": rank, "feature_id": labels + 1}
    names = known.pop("tile_id")
    return make_table(index.body, names, lonlat, hits.scores, hits.probability, **columns, **known)


def made_by(ws: Workspace, result: Any) -> str:
    """Hash of the layer that a search made."""
    return ws.layers.get(result.layer_ids[0]).hash


def make_index(folder: Path, grid: Grid) -> None:
    """An index whose first axis is a smooth pattern on the ground."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    waves, phases = rng.standard_normal((40, 3)) * 60, rng.uniform(0, 2 * np.pi, 40)
    count = len(grid)

    def block(start: int) -> NDArray[np.float32]:
        tiles = np.arange(start, min(count, start + 65_536))
        pattern = np.sin(unit_vectors(grid.centres(tiles)) @ waves.T + phases).sum(axis=1) / np.sqrt(20)
        vectors = 0.6 * rng.standard_normal((len(tiles), DIMENSION)).astype(np.float32)
        vectors[:, 0] = 2 * pattern + 0.25 * vectors[:, 0]
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    write_flat(folder / VECTORS, "fp16", DIMENSION, map(block, range(0, count, 65_536)), block(0))
    np.save(folder / "background.npy", np.zeros(count, dtype=np.float32))
    seen = {"tile": np.arange(count), "observed": np.ones(count, dtype=np.float32)}
    write_columns(folder / "coverage.arrow", seen)
    height = rng.normal(0, 1000, count).astype(np.float32)
    write_columns(folder / "tiles.arrow", {**seen, "elevation_m": height})
    schema = pa.schema([("jpeg", pa.binary())])
    with pa.OSFile(str(folder / "thumbnails.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as jpegs:
        empty = pa.array([b""] * count, pa.binary())
        jpegs.write_batch(pa.record_batch([empty], schema=schema))
    names = (VECTORS, "tiles.arrow", "coverage.arrow", "thumbnails.arrow", "background.npy")
    manifest = IndexManifest(
        format=FORMAT,
        name="patches",
        fingerprint="patches",
        body=grid.body.name,
        tile_km=grid.tile_km,
        tile_px=96,
        storage="fp16",
        count=count,
        dimension=DIMENSION,
        encoder=asdict(OneDirection(0.0).manifest),
        source={"name": "patches", "fingerprint": "patches"},
        coverage={"looked_at": count, "indexed": count, "not_observed": 0, "min_observed": 0.5},
        background_prompts=1,
        created="",
        versions=versions(),
        files={name: size_and_hash(folder / name) for name in names},
    )
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest)), encoding="utf-8")


if __name__ == "__main__":
    main()

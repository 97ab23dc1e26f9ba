"""Wind from the texture of yardangs on Lowell, whose winds are known.

    python benchmarks/wind.py [--planets 2 11] [--most 300] [--size 96] [--search] [--encoder NAME]
                              [--json FILE]

Yardangs are cut along the regional wind, within 5 degrees. The axis of a tile is that of its structure tensor
beside the light that other tiles share; the axis of a wind region is the mean of its features with a 95 %
interval. Tiles are those that truly show yardangs and, with ``--search``, those that the search for the word
finds, from the index's thumbnails as the chat sees them. Errors are degrees off the wind at the tile.

Baselines: the same tensor with the light left in; plain differences of neighbouring pixels, not smoothed,
over the whole square; one axis for the whole planet; and a guess, which is 45 degrees off.
"""

from __future__ import annotations

import argparse
import io
from typing import Any

import numpy as np
from _common import make_parser, write_json
from numpy.typing import NDArray
from PIL import Image

from prompts import load_prompts
from retrieval.body import unit_vectors
from retrieval.corpus.lowell import GRID_TILE_KM, Planet, make_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.encoder import load_encoder
from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.library import open_planet
from retrieval.query import ask
from retrieval.settings import load_settings
from retrieval.spatial.directions import apart_deg, axial
from retrieval.spatial.features import link_tiles
from retrieval.spatial.textures import ISOTROPIC, mean_tensor, structure_tensors, texture_axes

LANDFORM = "yardangs"
OTHERS = 300  # tiles that tell what the light does
FEWEST = 3  # features of a region that is judged
TARGET_DEG = 10.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pictures = NDArray[np.uint8]
Tiles = tuple[Grid, Ints, Ints, Pictures, Pictures]  # numbers, features, their pictures, pictures of others


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = make_parser(__doc__, encoder=True)
    parser.add_argument("--planets", type=int, nargs="+", default=[2, 11], help="0 is the reported one")
    parser.add_argument("--most", type=int, default=300, help="tiles of each kind that are drawn at most")
    parser.add_argument("--size", type=int, default=96, help="pixels across a drawn tile")
    parser.add_argument("--search", action="store_true", help="also the tiles that a search finds")
    options = parser.parse_args()
    report: dict[str, Any] = {"target_deg": TARGET_DEG, "guess_deg": 45.0, "planets": {}}
    print(
        f"{'planet':8s}{'tiles':8s}{'n':>6s}{'median':>9s}{'90 %':>8s}{'light in':>10s}{'plain':>8s}", end=""
    )
    print(f"{'one axis':>10s}{'regions':>9s}{'median':>9s}{'held':>7s}")
    for seed in options.planets:
        planet = make_planet(seed)
        kinds = {"truth": judged(planet, *true_tiles(planet, options))}
        if options.search:
            kinds["search"] = judged(planet, *found_tiles(planet, seed, options))
        report["planets"][str(seed)] = kinds
        for name, row in kinds.items():
            regions = row["regions"]
            print(
                f"{seed:<8d}{name:8s}{row['tiles']:6d}{row['median_deg']:9.1f}{row['q90_deg']:8.1f}"
                f"{row['light_left_in_deg']:10.1f}{row['plain_gradient_deg']:8.1f}{row['one_axis_deg']:10.1f}"
                f"{regions['n']:9d}{regions['median_deg']:9.1f}{regions['held_share']:7.2f}"
            )
    write_json(report, options.json)


def true_tiles(planet: Planet, options: argparse.Namespace) -> Tiles:
    """Tiles that show yardangs, their pictures, and pictures of others."""
    grid, rng = Grid(planet.body, GRID_TILE_KM), np.random.default_rng(planet.seed)
    shown = planet.labels(grid)[LANDFORM].to_numpy()
    tiles, others = np.flatnonzero(shown), rng.permutation(np.flatnonzero(~shown))[:OTHERS]
    some = np.sort(rng.permutation(len(tiles))[: options.most])
    pictures, rest = (drawn_tiles(planet, grid, which, options.size) for which in (tiles[some], others))
    return grid, tiles[some], link_tiles(grid, tiles)[some], pictures, rest


def found_tiles(planet: Planet, seed: int, options: argparse.Namespace) -> Tiles:
    """Tiles that the search for yardangs finds, and others, as the index's thumbnails show them."""
    prompts, settings = load_prompts(), load_settings()
    encoder = load_encoder(options.encoder)
    index = open_planet(seed, settings, encoder, prompts.background)
    word = next(term.term for term in prompts.glossary if term.key == LANDFORM)
    asked = ask(index, encoder, word, prompts.templates, prompts.descriptions)
    hit = asked.calibrated.probability >= asked.calibrated.threshold
    rng = np.random.default_rng(seed)
    rows, others = np.flatnonzero(hit), rng.permutation(np.flatnonzero(~hit))[:OTHERS]
    some = np.sort(rng.permutation(len(rows))[: options.most])
    tiles = index.tiles.numbers[rows]
    pictures, rest = (thumbnails(index, which) for which in (rows[some], others))
    return index.grid, tiles[some], link_tiles(index.grid, tiles)[some], pictures, rest


def thumbnails(index: TileIndex, rows: Ints) -> Pictures:
    """Thumbnails of rows in grey, (n, 96, 96)."""
    pictures = (Image.open(io.BytesIO(index.thumbnail(row))).convert("L") for row in rows.tolist())
    return np.stack([np.asarray(picture.resize((96, 96))) for picture in pictures])


def drawn_tiles(planet: Planet, grid: Grid, tiles: Ints, size_px: int) -> Pictures:
    """Pictures of tiles, (n, size, size)."""
    return np.stack(
        [draw_tile(planet, lon, lat, grid.tile_km, size_px)[0] for lon, lat in grid.centres(tiles).tolist()]
    )


def judged(
    planet: Planet, grid: Grid, tiles: Ints, features: Ints, pictures: Pictures, others: Pictures
) -> dict[str, Any]:
    """Errors of tiles and of wind regions, and of the baselines."""
    centres = grid.centres(tiles)
    wind = planet.wind_azimuth_deg(centres)
    tensors = structure_tensors(pictures)
    light = mean_tensor(structure_tensors(others))
    azimuth, strength = texture_axes(tensors, light)
    seen = strength > 0
    off = apart_deg(azimuth, wind)[seen]
    left_in = apart_deg(texture_axes(tensors, ISOTROPIC)[0], wind)[seen]
    plain = apart_deg(plain_gradient(pictures), wind)[seen]
    everything = axial(azimuth, strength, features, wind)
    return {
        "tiles": int(seen.sum()),
        "features": len(np.unique(features[seen])),
        "median_deg": float(np.median(off)),
        "q90_deg": float(np.quantile(off, 0.9)),
        "within_target": float((off <= TARGET_DEG).mean()),
        "light_left_in_deg": float(np.median(left_in)),
        "plain_gradient_deg": float(np.median(plain)),
        "one_axis_deg": float(np.median(apart_deg(everything.azimuth_deg, wind)[seen])),
        "features_off_wind_deg": everything.given_off_deg,
        "p_along_wind": everything.given_p,
        "p_one_axis": everything.p_value,
        "light": light.tolist(),
        "regions": by_region(planet, centres, azimuth, strength, features),
    }


def by_region(
    planet: Planet, centres: Floats, azimuth: Floats, strength: Floats, features: Ints
) -> dict[str, Any]:
    """Mean axes of the wind regions with enough features, against their winds."""
    region = (unit_vectors(centres) @ unit_vectors(planet.wind.lonlat).T).argmax(axis=1)
    off, held, wide = [], [], []
    for number in np.unique(region).tolist():
        here = region == number
        if len(np.unique(features[here])) < FEWEST:
            continue
        axes = axial(azimuth[here], strength[here], features[here])
        blows = float(planet.wind.azimuth_deg[number])
        off.append(float(apart_deg(axes.azimuth_deg, blows)))
        wide.append((axes.high_deg - axes.low_deg) % 180.0)
        held.append((blows - axes.low_deg) % 180.0 <= wide[-1])
    nan = float("nan")
    return {
        "n": len(off),
        "median_deg": float(np.median(off)) if off else nan,
        "worst_deg": float(np.max(off)) if off else nan,
        "held_share": float(np.mean(held)) if held else nan,
        "interval_deg": float(np.median(wide)) if wide else nan,
    }


def plain_gradient(pictures: Pictures) -> Floats:
    """Axes by differences of neighbouring pixels, where all of them have data."""
    grey = pictures.astype(np.float64)
    east = (grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]) / 2
    north = (grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1]) / 2
    whole = (grey[:, 1:-1, 2:] > 0) & (grey[:, 1:-1, :-2] > 0)
    whole &= (grey[:, :-2, 1:-1] > 0) & (grey[:, 2:, 1:-1] > 0)
    ee, nn, en = ((whole * a * b).sum(axis=(1, 2)) for a, b in ((east, east), (north, north), (east, north)))
    return np.asarray(-np.degrees(0.5 * np.arctan2(2 * en, ee - nn)) % 180.0)


if __name__ == "__main__":
    main()

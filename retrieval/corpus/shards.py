"""Image-text pairs on disk: what training reads, so that it never needs this package.

A folder holds ``images.npy`` (n, size, size) uint8 grey, which can be memory-mapped; ``labels.npy`` (n, k)
bool; ``captions.jsonl``, one line per image with a list of captions; and ``manifest.json``, written last:
a folder without it is unfinished.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.corpus.captions import TileFacts, caption
from retrieval.corpus.lowell.landforms import KEYS, LANDFORMS, PLAINS
from retrieval.corpus.lowell.planet import GRID_TILE_KM, Planet, cached_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.lowell.truth import near_escarpment, tile_members
from retrieval.errors import SettingsError
from retrieval.grid import Grid

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PairsPlan:
    """Which patches of a planet become pairs.

    Attributes
    ----------
    plains_share
        Share of pairs that are plains or show nothing named; 1 keeps every tile of the grid.
    extra_views
        For every member of a landform, this many more patches centred near it, so that rare landforms are
        seen often and never always in the middle.
    captions
        Captions per image.
    size_px, tile_km
        Size of the pictures.
    """

    plains_share: float = 1.0
    extra_views: int = 0
    captions: int = 6
    size_px: int = 96
    tile_km: float = GRID_TILE_KM


def write_pairs(
    seed: int, out: Path, plan: PairsPlan | None = None, *, workers: int = 2, progress: Progress | None = None
) -> Path:
    """Draw, label and caption patches of the planet of ``seed`` and write them to a new folder.

    Raises
    ------
    SettingsError
        If the folder exists and holds something, or the plan cannot be met.
    """
    plan = plan or PairsPlan()
    if not 0 < plan.plains_share <= 1 or plan.captions < 1 or plan.extra_views < 0:
        raise SettingsError(
            "the plan of pairs makes no sense", allowed="plains_share in 0..1, captions of at least 1"
        )
    if out.exists() and any(out.iterdir()):
        raise SettingsError(f"the folder {out} is not empty", next_step="choose a new folder")
    out.mkdir(parents=True, exist_ok=True)
    planet = cached_planet(seed)
    rng = np.random.default_rng([seed, 6])
    centres, labels = choose_patches(planet, plan, rng)
    images = _draw_all(seed, centres, plan, out / "images.npy", workers, progress)
    np.save(out / "labels.npy", labels.to_numpy(dtype=bool))
    _write_captions(planet, centres, labels, plan, out / "captions.jsonl", rng)
    manifest = {
        "kind": "lowell-pairs",
        "seeds": [seed],
        "count": len(centres),
        "size_px": plan.size_px,
        "tile_km": plan.tile_km,
        "bands": ["grey"],
        "keys": list(labels.columns),
        "captions": plan.captions,
        "plains_share": plan.plains_share,
        "extra_views": plan.extra_views,
        "positives": {k: int(v) for k, v in labels.sum().items()},
        "mean": round(float(images.mean()) / 255, 5),
        "std": round(float(images[::7].std()) / 255, 5),
    }
    beside = out / "manifest.json.part"
    beside.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    os.replace(beside, out / "manifest.json")
    return out


def choose_patches(
    planet: Planet, plan: PairsPlan, rng: np.random.Generator
) -> tuple[NDArray[np.float64], pd.DataFrame]:
    """Centres as lonlat (n, 2) and their labels, in random order unless the whole grid is kept."""
    grid = Grid(planet.body, plan.tile_km)
    centres = grid.centres()
    if plan.extra_views:
        around = np.array([[f.lon, f.lat] for f in planet.features for _ in range(plan.extra_views)])
        # A third of a tile off centre at most, so that whole features stay inside.
        east, north = rng.uniform(-0.33, 0.33, (2, len(around))) * plan.tile_km
        azimuth, distance = np.degrees(np.arctan2(east, north)), np.hypot(east, north)
        centres = np.concatenate([centres, planet.body.destination(around, azimuth, distance)])
    labels = planet.labels_at(centres, plan.tile_km)
    if plan.plains_share == 1.0:
        return centres, labels
    shown = labels.drop(columns=PLAINS).any(axis=1).to_numpy()
    empty = np.flatnonzero(~shown)
    wanted = int(shown.sum() * plan.plains_share / (1 - plan.plains_share))
    keep = rng.permutation(np.concatenate([np.flatnonzero(shown), rng.permutation(empty)[:wanted]]))
    return centres[keep], labels.iloc[keep].reset_index(drop=True)


def _draw_all(
    seed: int,
    centres: NDArray[np.float64],
    plan: PairsPlan,
    path: Path,
    workers: int,
    progress: Progress | None,
) -> NDArray[np.uint8]:
    size = plan.size_px
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(centres), size, size))
    parts = np.array_split(np.arange(len(centres)), max(1, len(centres) // 200))
    done = 0
    # Workers start afresh: forking a process that runs threads may hang it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = {pool.submit(_draw_part, seed, centres[part], plan.tile_km, size): part for part in parts}
        for job in as_completed(jobs):
            images[jobs[job]] = job.result()
            done += len(jobs[job])
            if progress:
                progress("drawing", done, len(centres))
    images.flush()
    return np.asarray(images)


def _draw_part(seed: int, centres: NDArray[np.float64], tile_km: float, size_px: int) -> NDArray[np.uint8]:
    planet = cached_planet(seed)
    return np.stack([draw_tile(planet, lon, lat, tile_km, size_px)[0] for lon, lat in centres.tolist()])


def _write_captions(
    planet: Planet,
    centres: NDArray[np.float64],
    labels: pd.DataFrame,
    plan: PairsPlan,
    path: Path,
    rng: np.random.Generator,
) -> None:
    members = tile_members(planet, centres, plan.tile_km)
    scarps = near_escarpment(planet, centres, plan.tile_km)
    columns = np.asarray(labels.columns)
    with path.open("w", encoding="utf-8") as stream:
        for n, row in enumerate(labels.to_numpy(dtype=bool)):
            facts = tile_facts(
                columns[row].tolist(), members[n], planet, float(centres[n, 1]), bool(scarps[n])
            )
            texts = list(dict.fromkeys(caption(facts, rng) for _ in range(3 * plan.captions)))[
                : plan.captions
            ]
            stream.write(json.dumps({"captions": texts}, ensure_ascii=False) + "\n")


def tile_facts(
    keys: Sequence[str], members: Sequence[int], planet: Planet, lat: float, near_scarp: bool
) -> TileFacts:
    """Facts of a tile from its labels and the numbers of the features whose centres it holds."""
    sizes: dict[str, float] = {}
    freshness: dict[str, float] = {}
    for number in members:
        feature = planet.features[number]
        if LANDFORMS[feature.landform].body == "disc" and feature.diameter_km > sizes.get(
            feature.landform, 0.0
        ):
            sizes[feature.landform] = feature.diameter_km
            freshness[feature.landform] = feature.freshness
    order = {key: n for n, key in enumerate(KEYS)}
    # What covers the tile comes first, single craters last.
    ranked = sorted(keys, key=lambda k: (-sizes.get(k, 12.0), order[k]))
    return TileFacts(tuple(ranked), sizes, freshness, lat, near_scarp)

"""Training pairs of Lowell: patches of a planet, drawn by several processes, labelled and captioned.

The captions are the grammar's, each claim verified against the truth. No encoder ranks them: the grammar is
true by construction, so there is little to choose between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from retrieval.corpus.captioning import checked_captions
from retrieval.corpus.facts import lowell_facts, record_of
from retrieval.corpus.lowell.landforms import KEYS, PLAINS
from retrieval.corpus.lowell.planet import GRID_TILE_KM, Planet, cached_planet
from retrieval.corpus.lowell.render import draw_tile
from retrieval.corpus.measures import picture_values, terrain_of_planet
from retrieval.corpus.shards import Pair, Progress, write_shards
from retrieval.corpus.splits import SplitRule
from retrieval.errors import SettingsError
from retrieval.grid import Grid
from retrieval.workers import drawn_ahead

_PART = 100  # patches that a process draws at a time


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

    def __post_init__(self) -> None:
        if not 0 < self.plains_share <= 1 or self.captions < 1 or self.extra_views < 0 or self.size_px < 1:
            raise SettingsError(
                "the plan of pairs makes no sense",
                allowed="plains_share in 0..1, captions and size_px of at least 1, extra_views of at least 0",
            )


def write_pairs(
    seed: int,
    out: Path,
    plan: PairsPlan | None = None,
    *,
    split: SplitRule | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Draw, label and caption patches of the planet of ``seed`` and write them as shards to a new folder.

    Without a split rule everything is training data: other planets are what a model is tested on.

    Raises
    ------
    SettingsError
        If the folder exists and holds something, or the split cannot be made.
    """
    plan = plan or PairsPlan()
    planet = cached_planet(seed)
    return write_shards(
        out,
        planet_pairs(planet, plan, workers, progress),
        keys=KEYS,
        body=planet.body,
        tile_km=plan.tile_km,
        split=split,
        seed=seed,
        about={"kind": "lowell", "seed": seed, "plan": asdict(plan)},
    )


def planet_pairs(
    planet: Planet, plan: PairsPlan, workers: int, progress: Progress | None = None
) -> Iterator[Pair]:
    """Patches of a planet as pairs, in the order of `choose_patches`."""
    rng = np.random.default_rng([planet.seed, 6])
    centres, labels = choose_patches(planet, plan, rng)
    images = _drawn(planet.seed, centres, plan, workers)
    first = list(islice(images, 1))  # the processes draw while this one gathers facts
    known = lowell_facts(planet, centres, plan.tile_km, labels)
    terrain = terrain_of_planet(planet, centres, plan.tile_km)
    columns, shown = np.asarray(labels.columns), labels.to_numpy(dtype=bool)
    for n, image in enumerate(chain(first, images)):
        keys = columns[shown[n]].tolist()
        lon, lat = centres[n].tolist()
        facts = replace(known[n], values={**terrain[n], **picture_values(image[None])[0]})
        texts = checked_captions(facts, plan.captions, rng)
        if not texts:
            continue  # nothing that holds against the facts can be said of it
        record = {"facts": [asdict(fact) for fact in record_of(facts)]}
        yield Pair(f"lowell{planet.seed}-{n:06d}", image, texts, tuple(keys), lon, lat, record)
        if progress and (n + 1) % _PART == 0:
            progress("drawing", n + 1, len(centres))
    if progress:
        progress("drawing", len(centres), len(centres))


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


def _drawn(
    seed: int, centres: NDArray[np.float64], plan: PairsPlan, workers: int
) -> Iterator[NDArray[np.uint8]]:
    """Pictures of all patches in order; a few parts per process are drawn ahead, not more."""
    parts = np.array_split(centres, max(1, len(centres) // _PART))
    calls = ((seed, part, plan.tile_km, plan.size_px) for part in parts)
    for images in drawn_ahead(_draw_part, calls, workers, 4 * workers):
        yield from images


def _draw_part(seed: int, centres: NDArray[np.float64], tile_km: float, size_px: int) -> NDArray[np.uint8]:
    planet = cached_planet(seed)
    return np.stack([draw_tile(planet, lon, lat, tile_km, size_px)[0] for lon, lat in centres.tolist()])

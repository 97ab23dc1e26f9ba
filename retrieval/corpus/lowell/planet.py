"""A planet: its relief, its features, its truth. Made in seconds from a seed, and the same every time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from retrieval.body import BODIES, Body, chord, unit_vectors
from retrieval.corpus.lowell import outlines, truth
from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.noise import F32, Noise, make_noise
from retrieval.corpus.lowell.placement import Placement, Wind, make_candidates, make_wind
from retrieval.corpus.lowell.population import populate
from retrieval.corpus.lowell.population_craters import background_craters
from retrieval.corpus.lowell.processes import PROCESSES, Process
from retrieval.corpus.lowell.relief import RADIUS_KM, SCARP_M, Regions, escarpments, fields, make_regions
from retrieval.grid import Grid

GRID_TILE_KM = 16.0


@dataclass(frozen=True)
class Planet:
    """One seeded planet.

    Attributes
    ----------
    seed
        What it was made from.
    regions, noise, wind
        Large-scale relief, textures, regional winds.
    features
        Every landform member, numbered as in the list.
    background
        Unnamed small craters: unit vectors, radii (km), freshness.
    """

    seed: int
    regions: Regions
    noise: Noise
    wind: Wind
    features: tuple[Feature, ...]
    background: tuple[F32, F32, F32]

    @property
    def body(self) -> Body:
        """The body."""
        return BODIES["lowell"]

    @property
    def scarp_m(self) -> float:
        """Height of the dichotomy scarp, metres."""
        return SCARP_M

    @property
    def processes(self) -> list[Process]:
        """The table that placed the features."""
        return list(PROCESSES)

    @cached_property
    def truth(self) -> gpd.GeoDataFrame:
        """Catalogue of all features, in the schema of real catalogues; long ones as lines."""
        return truth.catalogue(self.features, self.body)

    @cached_property
    def places(self) -> gpd.GeoDataFrame:
        """Gazetteer: named regions, ``landform`` = place."""
        return truth.gazetteer(self.seed, self.regions, self.wind, self.body)

    @cached_property
    def outlines(self) -> gpd.GeoDataFrame:
        """Boundaries and areas of the large features that landforms depend on; see `outlines.outlines`."""
        return outlines.outlines(self)

    def wind_azimuth_deg(self, lonlat: ArrayLike) -> NDArray[np.float64]:
        """Direction the wind blows to, degrees clockwise from north, 0..360; shape of lonlat[..., 0]."""
        points = np.asarray(lonlat, dtype=float)
        return self.wind.at(points.reshape(-1, 2)).reshape(points.shape[:-1])

    def elevation_m(self, lonlat: ArrayLike) -> F32:
        """Large-scale elevation, metres, without landforms and fine relief; shape of lonlat[..., 0]."""
        return ground_m(self.regions, self.noise, lonlat)

    def labels(self, grid: Grid) -> pd.DataFrame:
        """Which landforms each tile clearly shows: bool, one row per tile, one column per landform key."""
        return self.labels_at(grid.centres(), grid.tile_km)

    def labels_at(self, centres_lonlat: ArrayLike, tile_km: float) -> pd.DataFrame:
        """As `labels`, for square patches anywhere; see `truth.labels` for the rule."""
        return truth.labels(self, np.atleast_2d(np.asarray(centres_lonlat, dtype=float)), tile_km)

    def judged(self, grid: Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
        """As `labels`, and which tiles show a landform only in part; see `truth.judged`."""
        return truth.judged(self, grid.centres(), grid.tile_km)

    def features_near(self, centre: F32, tile_km: float) -> list[int]:
        """Numbers of the features that may touch a tile, oldest first."""
        centres, reach, order = self._lookup
        half = 0.7072 * tile_km * 1.08
        angle = np.arccos(np.clip(centres @ centre, -1, 1)) * RADIUS_KM
        near = np.flatnonzero(angle < reach + half)
        return [int(n) for n in near[np.argsort(order[near])]]

    def background_near(self, centre: F32, tile_km: float) -> list[int]:
        """Numbers of the small craters that may touch a tile, in a fixed order."""
        reach = float(chord((0.7072 * tile_km * 1.08 + 1.2) / RADIUS_KM))
        return sorted(self._background_tree.query_ball_point(centre, reach))

    def save_truth(self, folder: Path) -> None:
        """Write truth.parquet, outlines.parquet, places.parquet and processes.json."""
        folder.mkdir(parents=True, exist_ok=True)
        self.truth.to_parquet(folder / "truth.parquet")
        self.outlines.to_parquet(folder / "outlines.parquet")
        self.places.to_parquet(folder / "places.parquet")
        table = {"seed": self.seed, "body": self.body.name, "processes": [p.as_json() for p in PROCESSES]}
        (folder / "processes.json").write_text(json.dumps(table, indent=1), encoding="utf-8")

    @cached_property
    def _lookup(self) -> tuple[F32, F32, NDArray[np.int64]]:
        centres = np.stack([f.frame[0] for f in self.features])
        reach = np.array([f.reach_km for f in self.features], dtype=np.float32)
        order = np.argsort(np.argsort([-f.age_ga for f in self.features], kind="stable"))
        return centres, reach, order

    @cached_property
    def _background_tree(self) -> cKDTree:
        return cKDTree(self.background[0])


def make_planet(seed: int) -> Planet:
    """Make a planet: relief and truth in memory, a few seconds; the same seed gives the same planet."""
    rng, noise, regions = make_ground(seed)
    wind = make_wind(rng)
    placement = Placement(regions, noise, wind, rng, make_candidates(regions, noise, rng))
    populate(placement)
    background = background_craters(placement)
    return Planet(seed, regions, noise, wind, tuple(placement.features), background)


def make_ground(seed: int) -> tuple[np.random.Generator, Noise, Regions]:
    """What a planet's relief is made of, and the generator that goes on to draw the rest of it."""
    rng = np.random.default_rng([seed, 1894])  # the year of Lowell's observatory
    noise = make_noise(rng)
    return rng, noise, make_regions(rng)


def ground_m(regions: Regions, noise: Noise, lonlat: ArrayLike) -> F32:
    """Large-scale elevation, metres, as `Planet.elevation_m`."""
    slow = fields(regions, noise, unit_vectors(lonlat).astype(np.float32))
    return slow.elevation_m + escarpments(slow.boundary_km, slow.canyon_km, np.zeros_like(slow.boundary_km))


@lru_cache(maxsize=2)
def cached_planet(seed: int) -> Planet:
    """The planet of a seed, made once per process."""
    return make_planet(seed)

"""Lowell, the planet that does not exist: relief, landforms, light and truth from a seed."""

from retrieval.corpus.lowell.landforms import KEYS, LANDFORMS
from retrieval.corpus.lowell.planet import GRID_TILE_KM, Planet, cached_planet, make_planet
from retrieval.corpus.lowell.processes import PROCESSES, Process
from retrieval.corpus.lowell.source import LowellSource

__all__ = [
    "GRID_TILE_KM",
    "KEYS",
    "LANDFORMS",
    "PROCESSES",
    "LowellSource",
    "Planet",
    "Process",
    "cached_planet",
    "make_planet",
]

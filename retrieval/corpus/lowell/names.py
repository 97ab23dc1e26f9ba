"""Names of places in the style of planetary nomenclature: a name and a Latin descriptor, unique."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.noise import F32
from retrieval.corpus.lowell.relief import RADIUS_KM, Regions

_NAMES = (
    "Aurelia",
    "Boreas",
    "Calypso",
    "Damaris",
    "Eirene",
    "Fontana",
    "Galatea",
    "Hesione",
    "Ianthe",
    "Juturna",
    "Kallisto",
    "Leucothea",
    "Melanthe",
    "Nerine",
    "Oenone",
    "Phaidra",
    "Querena",
    "Rhodope",
    "Semele",
    "Thalassa",
    "Urania",
    "Vesperia",
    "Xanthia",
    "Ypsila",
    "Zephyria",
    "Amaranth",
    "Brisea",
    "Coronis",
    "Deianira",
    "Evadne",
)


def place_names(seed: int, regions: Regions) -> list[tuple[str, float, float, float]]:
    """Rows (name, lon, lat, diameter_km) of the named regions of a planet."""
    rng = np.random.default_rng([seed, 41])
    names = iter(rng.permutation(_NAMES).tolist())
    pole = regions.lowland_pole
    rows = [
        (f"{next(names)} Mons", regions.rise, 2 * 0.42 * RADIUS_KM),
        (f"{next(names)} Chasma", regions.canyon[0], regions.canyon_length_km),
        (f"{next(names)} Planitia", pole, 2 * (regions.boundary_rad - 0.25) * RADIUS_KM),
        (f"{next(names)} Terra", -pole, 2 * 1.1 * RADIUS_KM),
        ("Planum Boreum", np.array([0, 0, 1], dtype=np.float32), 2 * regions.caps_rad[0] * RADIUS_KM),
        ("Planum Australe", np.array([0, 0, -1], dtype=np.float32), 2 * regions.caps_rad[1] * RADIUS_KM),
    ]
    rows += [
        (f"{next(names)} Basin", centre, 2 * radius)
        for centre, radius in zip(regions.basins, regions.basin_radius_km, strict=True)
    ]
    rows += _quarters(names)
    return [(name, *_lonlat(vector), float(size)) for name, vector, size in rows]


def _quarters(names: Iterator[str]) -> list[tuple[str, F32, float]]:
    # Stretches of the lowlands and of the highlands, a quarter turn apart.
    out = []
    for kind, lat in (("Vastitas", 38.0), ("Colles", -38.0)):
        for lon in (-135.0, -45.0, 45.0, 135.0):
            vector = unit_vectors(np.array([lon, lat])).astype(np.float32)
            out.append((f"{next(names)} {kind}", vector, 300.0))
    return out


def _lonlat(vector: F32) -> tuple[float, float]:
    x, y, z = (float(v) for v in vector)
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arcsin(np.clip(z, -1, 1))))

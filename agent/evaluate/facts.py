"""What the rules and the catalogue of a planet say: verdicts, directions, densities."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent.evaluate.plans import Layer
from retrieval.corpus.lowell.planet import cached_planet
from retrieval.corpus.lowell.processes import PROCESSES
from retrieval.evaluate.hypotheses import false_friends
from retrieval.spatial.association import associate
from retrieval.spatial.observed import whole_body

if TYPE_CHECKING:
    from agent.evaluate.ground import Ground

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TILE_KM = 16.0
USUAL_KM = 40.0
SHIFTS = 199


def expected_verdict(landform: str, other: str) -> str:
    """What the rules of every planet say of a pair: ``nearer``, ``farther``, or ``none`` beyond latitude."""
    for one, two in ((landform, other), (other, landform)):
        for rule in PROCESSES:
            if rule.landform == one and rule.depends_on == two and rule.kind == "true":
                return "farther" if "min_distance_km" in rule.parameters else "nearer"
            # A crater's wall and floor are the crater.
            if rule.landform == one and two == "impact_crater" and rule.depends_on.startswith("crater_"):
                return "nearer"
    return "none"


def kind_of_pair(landform: str, other: str) -> str:
    """``true``, ``false_friend`` or ``null``."""
    if expected_verdict(landform, other) != "none":
        return "true"
    friends = false_friends()
    return "false_friend" if (landform, other) in friends or (other, landform) in friends else "null"


@lru_cache(maxsize=64)
def catalogue_verdict(seed: int, landform: str, other: str) -> str:
    """What the test says of the planet's own catalogue, of which nothing is hidden.

    ``cannot tell`` or ``no difference`` where even that does not show the rule.
    """
    planet = cached_planet(seed)
    table = planet.truth
    kinds = table["landform"].astype(str)
    crater = kinds.str.endswith("_crater") & (table["diameter_km"] >= TILE_KM / 2)
    one, two = (table[crater if name == "impact_crater" else kinds == name] for name in (landform, other))
    if not len(one) or not len(two):
        return "cannot tell"
    found = associate(
        planet.body,
        one[["lon", "lat"]].to_numpy(dtype=float),
        np.asarray(two.geometry, dtype=object),
        whole_body(planet.body, TILE_KM),
        USUAL_KM,
        side="both",
        shifts=SHIFTS,
    )
    return str(found.verdict)


def axis_of(ground: Ground, layer: Layer) -> tuple[float, float, int]:
    """Mean axis of a landform's members within a layer's places, degrees clockwise from north, 0..180; its
    resultant length; and how many they are.
    """
    table = ground.planet.truth
    rows = table[table["landform"] == layer.first.sought]
    lonlat = rows[["lon", "lat"]].to_numpy(dtype=float)
    keep = np.isfinite(rows["azimuth_deg"].to_numpy(dtype=float))
    for condition in layer.conditions:
        values = dict(condition.values)
        if condition.kind == "place":
            keep &= ground.in_place(lonlat, values["place"], values.get("within_km"))
        elif condition.kind == "latitude":
            lat = lonlat[:, 1]
            keep &= (lat >= values.get("min_lat_deg", -90)) & (lat <= values.get("max_lat_deg", 90))
    azimuth = np.radians(2.0 * rows["azimuth_deg"].to_numpy(dtype=float)[keep])
    if not len(azimuth):
        return 0.0, 0.0, 0
    mean = complex(np.mean(np.exp(1j * azimuth)))
    return float(np.degrees(np.angle(mean)) / 2.0 % 180.0), abs(mean), len(azimuth)


def densities(values: Floats, rows: Bools, area_km2: Floats, low: float, high: float) -> float:
    """Tiles of a set per million km2 of the tiles whose value lies in a class; 0 where it is small."""
    inside = (values >= low) & (values < high)
    area = float(area_km2[inside].sum())
    return float((rows & inside).sum()) / area * 1e6 if area >= 0.005 * float(area_km2.sum()) else 0.0

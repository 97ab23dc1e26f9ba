"""Where the features of one planet lie: the table of processes turned into positions and sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from retrieval.body import BODIES, unit_vectors
from retrieval.corpus.lowell.canvas import Feature
from retrieval.corpus.lowell.noise import F32, Noise
from retrieval.corpus.lowell.processes import PROCESSES, Process
from retrieval.corpus.lowell.relief import RADIUS_KM, Fields, Regions, fields

BODY = BODIES["lowell"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

COMPACT_KM = 8.0
_NOTHING = np.zeros((0, 3), dtype=np.float32), np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class Wind:
    """Regional winds: each point takes the azimuth of its nearest region."""

    lonlat: Floats
    azimuth_deg: Floats

    def at(self, lonlat: Floats) -> Floats:
        """Direction the wind blows to, degrees clockwise from north, shape (n,)."""
        near = (unit_vectors(np.atleast_2d(lonlat)) @ unit_vectors(self.lonlat).T).argmax(axis=1)
        return np.asarray(self.azimuth_deg[near])


def make_wind(rng: np.random.Generator, regions: int = 26) -> Wind:
    """Draw the wind regions of a planet."""
    lonlat = np.stack(
        [rng.uniform(-180, 180, regions), np.degrees(np.arcsin(rng.uniform(-1, 1, regions)))], -1
    )
    return Wind(lonlat, rng.uniform(0, 360, regions))


@dataclass
class Candidates:
    """Random points, uniform on the sphere, with what placement asks of them."""

    lonlat: Floats
    points: F32
    at: Fields
    rise_km: Floats

    @property
    def lat(self) -> Floats:
        """Latitudes, degrees."""
        return self.lonlat[:, 1]


@dataclass
class Placement:
    """Features placed so far."""

    regions: Regions
    noise: Noise
    wind: Wind
    rng: np.random.Generator
    candidates: Candidates
    features: list[Feature] = field(default_factory=list)
    _blocks: list[tuple[F32, F32]] = field(default_factory=list)
    _packed: tuple[F32, F32] = field(default_factory=lambda: _NOTHING)
    _used: set[int] = field(default_factory=set)

    def of(self, *landforms: str) -> list[Feature]:
        """Features of some landforms."""
        return [f for f in self.features if f.landform in landforms]

    def add(self, feature: Feature, block_km: float = 0.0) -> Feature:
        """Number a feature, keep it, and reserve the ground around its body."""
        feature = replace(feature, number=len(self.features), seed=int(self.rng.integers(1, 2**31)))
        self.features.append(feature)
        if block_km > 0:
            where = line_points(feature, 4.0)
            block = unit_vectors(where).astype(np.float32), np.full(len(where), block_km, dtype=np.float32)
            self._blocks.append(block)
            self._packed = (
                np.concatenate([self._packed[0], block[0]]),
                np.concatenate([self._packed[1], block[1]]),
            )
        return feature

    def forget_extended(self) -> None:
        """From now on only compact features keep others away."""
        self._blocks = [b for b in self._blocks if len(b[0]) == 1 and b[1][0] <= COMPACT_KM]
        self._packed = (
            np.concatenate([_NOTHING[0], *(b[0] for b in self._blocks)]),
            np.concatenate([_NOTHING[1], *(b[1] for b in self._blocks)]),
        )

    def is_free(self, lonlat: Floats, clear_km: float) -> bool:
        """Whether nothing placed so far lies within ``clear_km`` of a point (or of any of several)."""
        centres, radii = self._packed
        here = unit_vectors(np.atleast_2d(lonlat)).astype(np.float32)
        reach = np.cos(np.minimum((radii + np.float32(clear_km)) * np.float32(1 / RADIUS_KM), 3.0))
        return not bool(np.any(here @ centres.T > reach))

    def draw(
        self,
        landform: str,
        count: int,
        make: Callable[[Floats, int], Feature],
        clear_km: float,
        block_km: float,
        strength: float | None = None,
    ) -> None:
        """Place ``count`` members of a landform by its processes; fewer if there is no room.

        ``strength`` is the share placed under the conditions, by default the strength of the processes.
        """
        rules = [p for p in PROCESSES if p.landform == landform]
        inside, allowed = self._conditions(rules)
        if strength is None:
            strength = max((p.strength for p in rules if _places(p)), default=0.0)
        # Each candidate is tried once: what is taken stays taken.
        queues = [iter(self.rng.permutation(pool).tolist()) for pool in (inside, allowed)]
        for _ in range(count):
            for choice in queues[0 if self.rng.random() < strength else 1]:
                here = self.candidates.lonlat[choice]
                if choice in self._used or not self.is_free(here, 0.5 * clear_km):
                    continue
                feature = make(here, choice)
                if self.is_free(line_points(feature, 4.0), clear_km):
                    self._used.add(choice)
                    self.add(feature, block_km)
                    break

    def _conditions(self, rules: Sequence[Process]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        allowed = np.ones(len(self.candidates.lonlat), dtype=bool)
        # Little but craters shows on a polar cap's bright ice.
        if not any(rule.depends_on == "polar_cap" for rule in rules):
            allowed &= np.abs(self.candidates.lat) < 78.0
        inside = allowed.copy()
        for rule in rules:
            held = self._holds(rule)
            if "min_distance_km" in rule.parameters:
                allowed &= held
                inside &= held
            elif _places(rule):
                inside &= held
        return np.flatnonzero(inside), np.flatnonzero(allowed)

    def _holds(self, rule: Process) -> Bools:
        c, p = self.candidates, rule.parameters
        held = np.ones(len(c.lonlat), dtype=bool)
        if "min_abs_lat_deg" in p:
            held &= np.abs(c.lat) >= p["min_abs_lat_deg"]
        if "max_abs_lat_deg" in p:
            held &= np.abs(c.lat) <= p["max_abs_lat_deg"]
        if "min_lat_deg" in p:
            held &= (c.lat >= p["min_lat_deg"]) & (c.lat <= p["max_lat_deg"])
        if rule.depends_on == "dichotomy":
            held &= np.abs(c.at.boundary_km) <= p["max_distance_km"]
        elif rule.depends_on == "rise":
            held &= c.rise_km <= p["max_distance_km"]
        elif rule.depends_on == "elevation":
            held &= c.at.boundary_km > 20.0
        elif rule.depends_on == "canyon" and "inside_km" in p:
            held &= c.at.canyon_km <= -p["inside_km"]
        elif rule.depends_on == "canyon":
            held &= np.abs(c.at.canyon_km + 3.0) <= p["max_wall_distance_km"]
        elif rule.depends_on == "dust":
            held &= c.at.albedo >= p["min_brightness"]
        elif rule.depends_on == "polar_cap":
            held &= self._cap_km() <= p["max_distance_km"]
        elif rule.depends_on in ("outflow_channel", "lava_flow", "valley_network"):
            near = self.distance_km(rule.depends_on)
            if "min_distance_km" in p:
                held &= near >= p["min_distance_km"]
            else:
                held &= near <= p["max_distance_km"]
        return held

    def _cap_km(self) -> Floats:
        """Distance of every candidate from the mean margin of the polar cap of its hemisphere."""
        colatitude = np.radians(90.0 - np.abs(self.candidates.lat))
        north, south = self.regions.caps_rad
        size = np.where(self.candidates.lat > 0, north, south)
        return np.asarray(np.abs(colatitude - size) * RADIUS_KM, dtype=float)

    def distance_km(self, landform: str) -> Floats:
        """Distance of every candidate from the nearest feature of a landform, along its line."""
        members = self.of(landform)
        if not members:
            return np.full(len(self.candidates.lonlat), np.inf)
        lines = unit_vectors(np.concatenate([course_points(f) for f in members]))
        chords, _ = cKDTree(lines).query(self.candidates.points)
        return np.asarray(2.0 * RADIUS_KM * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0)), dtype=float)


def make_candidates(
    regions: Regions, noise: Noise, rng: np.random.Generator, count: int = 60_000
) -> Candidates:
    """Uniform random points and the slow fields there."""
    lonlat = np.stack([rng.uniform(-180, 180, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))], -1)
    points = unit_vectors(lonlat).astype(np.float32)
    rise = np.arccos(np.clip(points @ regions.rise, -1, 1)) * RADIUS_KM
    return Candidates(lonlat, points, fields(regions, noise, points), np.asarray(rise, dtype=float))


def line_points(feature: Feature, step_km: float = 1.0) -> Floats:
    """Lonlat along the middle line of a long feature, shape (n, 2); the centre alone of a round one."""
    if feature.length_km <= 0:
        return np.array([[feature.lon, feature.lat]])
    n = max(3, int(np.ceil(feature.length_km / step_km)) + 1)
    s = np.linspace(-feature.length_km / 2, feature.length_km / 2, n)
    t = feature.curve(s.astype(np.float32)).astype(float)
    return plane_to_lonlat(feature, s, t)


def course_points(feature: Feature) -> Floats:
    """As `line_points`; of a branching feature, the beginnings of its segments."""
    if feature.branches is None:
        return line_points(feature)
    x, y = (np.asarray(feature.branches[:, n], dtype=float) for n in (0, 1))
    return BODY.offsets_to_lonlat([feature.lon, feature.lat], x, y)


def plane_to_lonlat(feature: Feature, s_km: Floats, t_km: Floats) -> Floats:
    """Coordinates along and to the left of a feature's direction to lonlat, shape (n, 2)."""
    a = np.radians(feature.direction_deg)
    east, north = s_km * np.sin(a) - t_km * np.cos(a), s_km * np.cos(a) + t_km * np.sin(a)
    return BODY.offsets_to_lonlat([feature.lon, feature.lat], east, north)


def downhill_deg(at: Callable[[F32], F32], lonlat: Floats, step_km: float) -> float:
    """Direction in which a field falls fastest, degrees clockwise from north."""
    around = BODY.destination(np.tile(lonlat, (4, 1)), np.array([0.0, 90.0, 180.0, 270.0]), step_km)
    north, east, south, west = (float(v) for v in at(unit_vectors(around).astype(np.float32)))
    return float(np.degrees(np.arctan2(west - east, south - north)) % 360.0)


def _places(rule: Process) -> bool:
    # Rules that choose positions; wind and craters choose directions and parents, friends and nulls nothing.
    return (
        rule.depends_on
        not in (
            "wind",
            "nothing",
            "crater_wall",
            "crater_floor",
            "alluvial_fan",
        )
        and "min_distance_km" not in rule.parameters
    )

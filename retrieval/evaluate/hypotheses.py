"""Every rule of a Lowell planet as a question to the tests, which do not know the answer.

`judge_planet` holds the catalogue of a planet against the table that placed it: a true process should be
found, in the direction that the rule states; landforms that merely share a latitude (false friends) and
landforms placed by nothing should not be called associated. The tests see positions and outlines only. The
same can be asked of what a search detected (`detected`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from retrieval.body import unit_vectors
from retrieval.corpus.lowell.planet import GRID_TILE_KM, Planet
from retrieval.corpus.lowell.processes import PROCESSES, Process
from retrieval.corpus.lowell.relief import fields
from retrieval.evaluate.detected import Detections
from retrieval.spatial.association import associate
from retrieval.spatial.compare import against_observed
from retrieval.spatial.directions import axial
from retrieval.spatial.nulls import Null, make_shifts
from retrieval.spatial.observed import whole_body
from retrieval.spatial.rings import Shapes, normalised
from retrieval.spatial.verdicts import Side, benjamini_hochberg

Floats = NDArray[np.float64]
Row = dict[str, Any]

HALF_TILE_KM = GRID_TILE_KM / 2
INSIDE_KM = HALF_TILE_KM  # inside an area, as well as tiles can tell
FRIEND_KM = 3 * GRID_TILE_KM  # what is asked about neighbours when nobody names a distance
LINK_KM = GRID_TILE_KM  # rows of touching tiles hang together when a value is asked about
WALL_KM = 3.0  # from the rim to the middle of a canyon's wall, from where the rule counts
FEWEST_WINDS = 5  # regions of wind, each one piece of evidence
PARTNERS = ("outflow_channel", "lava_flow", "valley_network")  # what landforms placed by nothing are held to


@dataclass(frozen=True)
class Found:
    """What a test says: figures for the table, the p value and the verdict."""

    test: str
    null: str
    distance_km: float | None
    n: int
    clusters: float
    effect: float
    low: float
    high: float
    p: float
    verdict: str


@dataclass(frozen=True)
class Question:
    """A test with the verdict that would be right (or, for what is no process, wrong)."""

    landform: str
    depends_on: str
    kind: str
    verdict: str
    ask: Callable[[], Found]


def judge_planet(
    planet: Planet,
    detections: Detections | None = None,
    *,
    shifts: int = 999,
    alpha: float = 0.05,
    seed: int = 0,
) -> list[Row]:
    """Put every rule of a planet to the test.

    Parameters
    ----------
    planet
        The planet; its catalogue and outlines are read, its rules only to know what to ask.
    detections
        What a search found: the same is then asked of it, not of the catalogue, each distance half a tile
        wider (of what is farther, narrower). Outlines of the large features, diameters of craters,
        elevation and brightness are known beforehand all the same, as they are where somebody mapped them.
    shifts
        Shifts of each test.
    alpha
        Level of the tests, and of the share of false findings among all of the planet
        (Benjamini and Hochberg 1995).
    seed
        Seed of the shifts.

    Returns
    -------
    list of dict
        One row per test: ``planet``, ``landform``, ``depends_on``, ``kind``, ``test``, ``null``,
        ``distance_km``, ``n``, ``clusters``, ``effect`` (enrichment; chance of a higher value than the
        ground's; or degrees off the given direction) with ``low`` and ``high``, ``p``, ``q``, ``verdict``
        and ``right``. What is not defined is None.
    """
    rows, p_values = [], []
    tests = _Tests(planet, detections, shifts, alpha, seed)
    for question in _questions(tests):
        found = question.ask()
        # Too few rows for any verdict: that test was not made.
        p_values.append(np.nan if found.verdict == "cannot tell" and found.p <= alpha else found.p)
        rows.append((question, found))
    q_values = benjamini_hochberg(p_values)
    table: list[Row] = []
    for (question, found), q in zip(rows, q_values.tolist(), strict=True):
        verdict = found.verdict
        if verdict not in ("cannot tell", "no difference") and not q <= alpha:
            verdict = "no difference"
        said = verdict == question.verdict
        table.append(
            {
                "planet": planet.seed,
                "landform": question.landform,
                "depends_on": question.depends_on,
                "kind": question.kind,
                "test": found.test,
                "null": found.null,
                "distance_km": found.distance_km,
                "n": found.n,
                "clusters": _finite(found.clusters),
                "effect": _finite(found.effect),
                "low": _finite(found.low),
                "high": _finite(found.high),
                "p": _finite(found.p),
                "q": _finite(q),
                "verdict": verdict,
                "right": said if question.kind == "true" else not said,
            }
        )
    return table


def _questions(tests: _Tests) -> Iterator[Question]:
    """True processes, false friends and nulls, in the order of the table."""
    for rule in PROCESSES:
        if rule.kind == "true":
            verdict, ask = _process(tests, rule)
            yield Question(rule.landform, rule.depends_on, "true", verdict, ask)
    for landform, friend in false_friends():
        ask = tests.near(landform, tests.shapes(friend), FRIEND_KM)
        yield Question(landform, friend, "false_friend", "nearer", ask)
    for rule in PROCESSES:
        if rule.kind == "null" and rule.depends_on == "wind":
            yield Question(rule.landform, "wind", "null", "aligned", tests.aligned(rule.landform, 0.0))
        elif rule.kind == "null":
            for partner in PARTNERS:
                ask = tests.near(rule.landform, tests.shapes(partner), FRIEND_KM)
                yield Question(rule.landform, partner, "null", "nearer", ask)


def false_friends() -> list[tuple[str, str]]:
    """Pairs of landforms that share latitudes and nothing else.

    Those that the table names, and each two landforms that latitude alone places, in bands that overlap.
    """
    named = [(r.landform, str(r.parameters["friend"])) for r in PROCESSES if r.kind == "false_friend"]
    causes: dict[str, set[str]] = {}
    for rule in PROCESSES:
        if rule.depends_on not in ("wind", "nothing") and rule.strength > 0:
            causes.setdefault(rule.landform, set()).add(rule.depends_on)
    bound = [r for r in PROCESSES if r.depends_on == "latitude" and causes[r.landform] == {"latitude"}]
    pairs = list(named)
    for number, rule in enumerate(bound):
        for other in bound[number + 1 :]:
            (low, high, _), (other_low, other_high, _) = _band(rule), _band(other)
            known = {(rule.landform, other.landform), (other.landform, rule.landform)} & set(pairs)
            if not known and max(low, other_low) < min(high, other_high):
                pairs.append((rule.landform, other.landform))
    return pairs


def _process(tests: _Tests, rule: Process) -> tuple[str, Callable[[], Found]]:
    """The verdict that a rule predicts, and the test that asks for it."""
    name, on, numbers = rule.landform, rule.depends_on, rule.parameters
    if on == "wind":
        return "aligned", tests.aligned(name, 90.0 if numbers["relation"] == "across" else 0.0)
    if on == "latitude":
        return "lower", tests.values(name, _off_band(rule), "rotation")
    if on == "elevation":
        # Highlands lie south of a boundary that follows a parallel: what keeps latitudes keeps them too.
        return "higher", tests.values(name, tests.planet.elevation_m, "rotation")
    if on == "dust":
        return "higher", tests.values(name, tests.brightness, "spin")
    if "min_distance_km" in numbers:
        return "farther", tests.near(name, tests.shapes(on), numbers["min_distance_km"], "farther")
    if on == "crater_wall":
        return "nearer", tests.near(name, tests.craters(numbers["min_diameter_km"]), INSIDE_KM)
    if on == "crater_floor":
        return "nearer", tests.near(name, tests.craters(numbers["min_diameter_km"], "degraded"), INSIDE_KM)
    if on == "rise":
        return "nearer", tests.near(name, tests.rise(numbers["max_distance_km"]), INSIDE_KM)
    if on == "canyon" and "inside_km" in numbers:
        return "nearer", tests.near(name, tests.shapes("canyon"), INSIDE_KM)
    if on == "canyon":
        reach = numbers["max_wall_distance_km"] + WALL_KM
        return "nearer", tests.near(name, tests.shapes("canyon_rim"), reach)
    if on == "polar_cap":
        # A margin follows a parallel: what keeps latitudes keeps that too.
        target = tests.shapes("polar_cap_margin")
        return "nearer", tests.near(name, target, numbers["max_distance_km"], null="rotation")
    return "nearer", tests.near(name, tests.shapes(on), numbers["max_distance_km"])


class _Tests:
    """The tests on one planet, each as something to be called."""

    def __init__(
        self, planet: Planet, detections: Detections | None, shifts: int, alpha: float, seed: int
    ) -> None:
        self.planet, self.body = planet, planet.body
        self.found = None if detections is None else detections.found
        self.observed = detections.observed if detections else whole_body(planet.body, GRID_TILE_KM)
        self.shifts, self.alpha, self.seed = shifts, alpha, seed

    def rows(self, landform: str) -> Any:
        """Rows of the catalogue."""
        return self.planet.truth[self.planet.truth["landform"] == landform]

    def lonlat(self, landform: str) -> Floats:
        """Middles of a landform's members, (n, 2)."""
        if self.found is not None:
            return self.found[landform].lonlat if landform in self.found else np.zeros((0, 2))
        return np.asarray(self.rows(landform)[["lon", "lat"]], dtype=np.float64)

    def azimuth_deg(self, landform: str) -> Floats:
        """Directions of a landform's members, (n,)."""
        if self.found is not None:
            return self.found[landform].azimuth_deg if landform in self.found else np.zeros(0)
        return np.asarray(self.rows(landform)["azimuth_deg"], dtype=float)

    def shapes(self, name: str) -> Shapes:
        """Shapes of a landform, or of a large feature of the planet; of a detected one its tiles' middles."""
        outlines = self.planet.outlines
        large = outlines[outlines["landform"] == name]
        if self.found is not None and not len(large):
            tiles = self.found[name].tiles if name in self.found else np.zeros((0, 2))
            return np.asarray(shapely.points(tiles), dtype=object).reshape(-1)
        return np.asarray((large if len(large) else self.rows(name)).geometry, dtype=object)

    def craters(self, least_km: float, kind: str = "") -> Shapes:
        """Craters of at least a diameter, as discs."""
        truth = self.planet.truth
        found = truth["landform"].str.endswith(f"{kind}_crater") & (truth["diameter_km"] >= least_km)
        kept = truth[found]
        return self.discs(np.asarray(kept[["lon", "lat"]], dtype=float), np.asarray(kept["diameter_km"]) / 2)

    def rise(self, radius_km: float) -> Shapes:
        """The ground within a distance of the middle of the rise."""
        outlines = self.planet.outlines
        middle = np.asarray(outlines.loc[outlines["landform"] == "rise", ["lon", "lat"]], dtype=float)
        return self.discs(middle, np.full(len(middle), radius_km))

    def discs(self, lonlat: Floats, radius_km: Floats) -> Shapes:
        """Circles on the sphere, of 48 corners."""
        turn = np.linspace(0.0, 360.0, 48, endpoint=False)
        rings = self.body.destination(lonlat[:, None, :], turn, radius_km[:, None])
        return normalised([_polygon(ring) for ring in rings], self.body)[0]

    def brightness(self, lonlat: Floats) -> Floats:
        """Brightness of the ground without landforms, of shape (...)."""
        points = unit_vectors(lonlat).astype(np.float32)
        return np.asarray(fields(self.planet.regions, self.planet.noise, points).albedo, dtype=np.float64)

    def near(
        self, landform: str, target: Shapes, distance_km: float, side: Side = "nearer", null: Null = "spin"
    ) -> Callable[[], Found]:
        """Are members nearer to something (or farther) than chance allows?"""
        blur_km = HALF_TILE_KM if self.found is not None else 0.0
        asked_km = distance_km - blur_km if side == "farther" else distance_km + blur_km

        def ask() -> Found:
            found = associate(
                self.body,
                self.lonlat(landform),
                target,
                self.observed,
                asked_km,
                null=null,
                side=side,
                shifts=self.shifts,
                alpha=self.alpha,
                seed=self.seed,
            )
            return Found(
                "association",
                null,
                asked_km,
                found.of,
                found.clusters,
                found.enrichment,
                found.enrichment_low,
                found.enrichment_high,
                found.p_value,
                found.verdict,
            )

        return ask

    def values(self, landform: str, at: Callable[[Floats], Any], null: Null) -> Callable[[], Found]:
        """Is a value higher or lower where the members are than on the ground observed?"""

        def ask() -> Found:
            lonlat = self.lonlat(landform)
            rng = np.random.default_rng(self.seed)
            moved = make_shifts(null, self.body, lonlat, self.observed, self.shifts, rng, link_km=LINK_KM)
            found = against_observed(
                np.asarray(at(lonlat)), at, self.observed, moved, alpha=self.alpha, seed=self.seed
            )
            return Found(
                "values",
                null,
                None,
                found.n_a,
                found.clusters_a,
                found.superiority,
                found.superiority_low,
                found.superiority_high,
                found.p_value,
                found.verdict,
            )

        return ask

    def aligned(self, landform: str, turned_deg: float) -> Callable[[], Found]:
        """Do members follow the wind, turned by an angle? A region of wind is one piece of evidence."""

        def ask() -> Found:
            lonlat, wind = self.lonlat(landform), self.planet.wind
            region = (unit_vectors(lonlat) @ unit_vectors(wind.lonlat).T).argmax(axis=1)
            azimuth = self.azimuth_deg(landform)
            if not np.isfinite(azimuth).any():
                return Found(
                    "axes", "any direction", None, 0, 0, np.nan, np.nan, np.nan, np.nan, "cannot tell"
                )
            given = wind.azimuth_deg[region] + turned_deg
            found = axial(azimuth, np.ones(len(azimuth)), region, given, seed=self.seed)
            regions = len(np.unique(region[np.isfinite(azimuth)]))
            verdict = "aligned" if found.given_p <= self.alpha else "no difference"
            return Found(
                "axes",
                "any direction",
                None,
                int(np.isfinite(azimuth).sum()),
                regions,
                found.given_off_deg,
                np.nan,
                np.nan,
                found.given_p,
                "cannot tell" if regions < FEWEST_WINDS else verdict,
            )

        return ask


def _polygon(ring: Floats) -> Any:
    # Longitudes run on over the antimeridian; `normalised` cuts there.
    return shapely.Polygon(np.stack([np.unwrap(ring[:, 0], period=360.0), ring[:, 1]], axis=-1))


def _band(rule: Process) -> tuple[float, float, bool]:
    """South, north, and whether the band lies on both hemispheres."""
    numbers = rule.parameters
    if "min_lat_deg" in numbers:
        return numbers["min_lat_deg"], numbers["max_lat_deg"], False
    return numbers["min_abs_lat_deg"], numbers["max_abs_lat_deg"], True


def _off_band(rule: Process) -> Callable[[Floats], Floats]:
    """Degrees of latitude outside the band of a rule."""
    south, north, both = _band(rule)

    def at(lonlat: Floats) -> Floats:
        lat = np.abs(lonlat[..., 1]) if both else lonlat[..., 1]
        return np.asarray(np.maximum(np.maximum(south - lat, lat - north), 0.0))

    return at


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

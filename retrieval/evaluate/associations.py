"""How often the association test cries wolf, and how often it sees the wolf, on patterns made by chance.

Without ``near_share`` the patterns of a pair (`pairs`) know nothing of each other, so every association
found is false; with it, part of A's clusters lie near B. `evaluate_associations` puts beside that what the
tests say about the processes of synthetic planets (`hypotheses`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from retrieval.body import get_body
from retrieval.errors import SettingsError
from retrieval.evaluate.detected import Detections
from retrieval.evaluate.hypotheses import judge_planet
from retrieval.evaluate.pairs import draw_pairs
from retrieval.spatial.association import FEWEST_CLUSTERS, LEAST_RETAINED, associate
from retrieval.spatial.nulls import Null
from retrieval.spatial.verdicts import Side

Bools = NDArray[np.bool_]

LITTLE = 5  # independent rows: patterns worth fewer are told apart
NAIVE_SHIFTS = 199  # of the null ``uniform``, whose share of false alarms needs no finer p
NULLS: tuple[Null, ...] = ("spin", "rotation", "clusters", "uniform")


@dataclass(frozen=True)
class Rate:
    """A share of tests with its interval of 95 % (Wilson 1927)."""

    share: float
    low: float
    high: float
    of: int

    @classmethod
    def of_hits(cls, hits: Sequence[bool] | Bools) -> Rate:
        """Share of true values; NaN of none."""
        found = np.asarray(hits, dtype=bool)
        if not len(found):
            return cls(float("nan"), float("nan"), float("nan"), 0)
        test = binomtest(int(found.sum()), len(found)).proportion_ci(method="wilson")
        return cls(float(found.mean()), float(test.low), float(test.high), len(found))

    def as_json(self) -> dict[str, float | int]:
        """Plain values."""
        return {"share": self.share, "low": self.low, "high": self.high, "of": self.of}


def evaluate_pairs(
    seed: int,
    count: int,
    *,
    near_share: float | None = None,
    few: bool = False,
    side: Side = "both",
    nulls: Sequence[Null] = NULLS,
    shifts: int = 199,
    alpha: float = 0.05,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Share of pairs of patterns that are called associated, by null model.

    Parameters
    ----------
    seed
        Seed of the pairs.
    count
        Number of pairs.
    near_share
        None: independent pairs, so that the shares are of false alarms. Else power, see `pairs.draw_pairs`.
    few
        Pairs of few clusters, see there.
    side
        What is asked of each pair.
    nulls
        Null models to compare.
    shifts
        Shifts of each test; of the null ``uniform`` at most 199.
    alpha
        Level of the tests.
    progress
        Told the stage, the pairs done and their number.

    Returns
    -------
    dict
        ``pairs`` and for each null model ``both``, ``nearer``, ``farther`` (tests of the distance asked),
        ``curve`` (the whole curve), ``banded`` (pairs in one band of latitude), ``testable`` (pairs with
        enough independent rows and shifts that keep enough of them), ``little`` (those of them that are
        worth fewer than five independent rows) and ``verdict`` (pairs that are called
        nearer or farther in the end); each with its share and interval.

    Raises
    ------
    SettingsError
        If no pair is asked for.
    """
    if count < 1:
        raise SettingsError(f"{count} pairs show nothing", allowed="1 or more")
    columns = ("both", "nearer", "farther", "curve", "banded", "testable", "little", "verdict")
    hits: dict[Null, dict[str, list[bool]]] = {null: {name: [] for name in columns} for null in nulls}
    for number, pair in enumerate(draw_pairs(seed, count, near_share=near_share, few=few)):
        for null in nulls:
            test = associate(
                get_body("lowell"),
                pair.a,
                pair.b,
                pair.observed,
                pair.distance_km,
                null=null,
                side=side,
                shifts=min(shifts, NAIVE_SHIFTS) if null == "uniform" else shifts,
                alpha=alpha,
                seed=number,
            )
            found, nearer = test.p_value <= alpha, test.enrichment > 1
            row = hits[null]
            row["both"].append(found)
            row["nearer"].append(found and nearer)
            row["farther"].append(found and not nearer)
            row["curve"].append(test.p_curve <= alpha)
            if pair.banded:
                row["banded"].append(found)
            if test.clusters >= FEWEST_CLUSTERS and test.retained >= LEAST_RETAINED:
                row["testable"].append(found)
                if test.clusters < LITTLE:
                    row["little"].append(found)
            row["verdict"].append(test.verdict in ("nearer", "farther"))
        if progress:
            progress("pairs of patterns", number + 1, count)
    return {
        "seed": seed,
        "alpha": alpha,
        "pairs": count,
        "near_share": near_share,
        "few": few,
        "side": side,
        "shifts": shifts,
        "by_null": {
            null: {name: Rate.of_hits(values).as_json() for name, values in row.items()}
            for null, row in hits.items()
        },
    }


def evaluate_associations(
    seed: int,
    *,
    planets: int = 5,
    pairs: int = 200,
    shifts: int = 999,
    alpha: float = 0.05,
    search: Callable[[int], Detections] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """False alarms on patterns made by chance, and what is found of the processes of synthetic planets.

    Parameters
    ----------
    seed
        Seed of the pairs of patterns and of the first planet; the others follow it.
    planets
        Number of planets.
    pairs
        Number of pairs of patterns.
    shifts
        Shifts of each test.
    alpha
        Level of the tests.
    search
        Gives what searches find on the planet of a seed; the same is then asked of that too.
    progress
        Told the stage, how much of it is done, and of how much.

    Returns
    -------
    dict
        ``false_alarm_rate`` of the test that the chat makes and ``naive_false_alarm_rate`` of rows scattered
        evenly over the ground observed, both of tests at the distance asked; ``power``, the share of true
        processes found as the rules state, where "cannot tell" is a miss (``power_told`` leaves that out);
        ``false_friends_rejected`` and ``nulls_rejected``, the shares not called associated. Each has
        ``_low`` and ``_high`` (95 %, as if tests of one planet were independent) and ``_n``. ``table`` holds
        every test on the planets (`hypotheses.judge_planet`), ``by_null`` the pairs by null model,
        ``few_clusters`` those of patterns of few clusters, ``truth`` the figures on catalogues, and
        ``detections`` the same figures and table on what searches found, with the names of the ``indexes``;
        None without ``search``.

    Raises
    ------
    SettingsError
        If no pair or no planet is asked for.
    """
    from retrieval.corpus.lowell.planet import cached_planet

    if planets < 1:
        raise SettingsError(f"{planets} planets show nothing", allowed="1 or more")
    start = time.perf_counter()
    drawn = evaluate_pairs(
        seed, pairs, nulls=("spin", "uniform"), shifts=shifts, alpha=alpha, progress=progress
    )
    few = evaluate_pairs(
        seed, pairs, few=True, nulls=("spin",), shifts=shifts, alpha=alpha, progress=progress
    )
    table: list[dict[str, Any]] = []
    detected: list[dict[str, Any]] = []
    indexes: list[str] = []
    for number in range(planets):
        planet = cached_planet(seed + number)
        table += judge_planet(planet, shifts=shifts, alpha=alpha, seed=seed)
        if search is not None:
            found = search(planet.seed)
            indexes.append(found.index)
            detected += judge_planet(planet, found, shifts=shifts, alpha=alpha, seed=seed)
        if progress:
            progress("planets", number + 1, planets)
    truth = _shares(table)
    alarms, naive = drawn["by_null"]["spin"]["both"], drawn["by_null"]["uniform"]["both"]
    return {
        "seed": seed,
        "alpha": alpha,
        "shifts": shifts,
        "planets": planets,
        "pairs": pairs,
        "false_alarm_rate": alarms["share"],
        "false_alarm_low": alarms["low"],
        "false_alarm_high": alarms["high"],
        "naive_false_alarm_rate": naive["share"],
        "by_null": {
            null: {name: each for name, each in rates.items() if each["of"]}
            for null, rates in drawn["by_null"].items()
        },
        "few_clusters": {name: each for name, each in few["by_null"]["spin"].items() if each["of"]},
        **truth,
        "truth": truth,
        "detections": {"indexes": indexes, **_shares(detected), "table": detected} if search else None,
        "seconds": time.perf_counter() - start,
        "table": table,
    }


def _shares(table: list[dict[str, Any]]) -> dict[str, float | int | None]:
    """Power and rejections of a table of tests, with intervals and numbers."""

    def rate(name: str, rows: list[dict[str, Any]]) -> dict[str, float | int | None]:
        found = Rate.of_hits([bool(row["right"]) for row in rows]).as_json()
        ends = {f"{name}_low": found["low"], f"{name}_high": found["high"], f"{name}_n": found["of"]}
        # Of no test there is no share.
        return {key: value if found["of"] else None for key, value in {name: found["share"], **ends}.items()}

    true = [row for row in table if row["kind"] == "true"]
    return {
        **rate("power", true),
        **rate("power_told", [row for row in true if row["verdict"] != "cannot tell"]),
        **rate("false_friends_rejected", [row for row in table if row["kind"] == "false_friend"]),
        **rate("nulls_rejected", [row for row in table if row["kind"] == "null"]),
    }

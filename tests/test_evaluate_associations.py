"""The rules of a planet put to the tests, and the verb that reports them."""

import json
import sys
from typing import Any

import numpy as np
import pytest

import cli
from retrieval.corpus.lowell.planet import Planet, cached_planet
from retrieval.corpus.lowell.processes import PROCESSES
from retrieval.errors import SettingsError
from retrieval.evaluate.associations import evaluate_associations
from retrieval.evaluate.hypotheses import false_friends, judge_planet
from retrieval.evaluate.report import associations_text

SEED = 11
Table = dict[tuple[str, str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def planet() -> Planet:
    return cached_planet(SEED)


@pytest.fixture(scope="module")
def table(planet: Planet) -> Table:
    rows = judge_planet(planet, shifts=199)
    found = {(row["kind"], row["landform"], row["depends_on"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_rule_is_asked_once(table: Table) -> None:
    true = {("true", r.landform, r.depends_on) for r in PROCESSES if r.kind == "true"}
    assert {key for key in table if key[0] == "true"} == true
    friends = {(r.landform, r.parameters["friend"]) for r in PROCESSES if r.kind == "false_friend"}
    assert friends < set(false_friends())
    assert {key[1:] for key in table if key[0] == "false_friend"} == set(false_friends())
    assert {key[1] for key in table if key[0] == "null"} == {
        r.landform for r in PROCESSES if r.kind == "null"
    }


def test_friends_share_latitudes_and_no_cause() -> None:
    pairs = false_friends()
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)
    # Aprons and valley fill both follow the dichotomy: they are no strangers.
    assert ("debris_apron", "lineated_valley_fill") not in pairs


def test_strong_processes_are_found_in_the_right_direction(table: Table) -> None:
    for landform, on, verdict in (
        ("gullies", "crater_wall", "nearer"),
        ("pitted_cones", "outflow_channel", "nearer"),
        ("pitted_cones", "lava_flow", "farther"),
        ("delta", "valley_network", "nearer"),
        ("yardangs", "wind", "aligned"),
        ("transverse_dunes", "wind", "aligned"),
        ("scalloped_depressions", "latitude", "lower"),
    ):
        row = table[("true", landform, on)]
        assert row["verdict"] == verdict, row
        assert row["right"]
        assert row["q"] >= row["p"]
        assert row["q"] <= 0.05
    # Across the wind is not along it.
    assert table[("true", "transverse_dunes", "wind")]["effect"] < 10


def test_what_is_unrelated_is_not_called_associated(table: Table) -> None:
    others = [row for row in table.values() if row["kind"] != "true"]
    assert np.mean([row["right"] for row in others]) >= 0.95


def test_the_verb_reports_figures_and_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = [
        "evaluate",
        "associations",
        "--seed",
        str(SEED),
        "--planets",
        "1",
        "--pairs",
        "8",
        "--shifts",
        "39",
    ]
    monkeypatch.setattr(sys, "argv", ["areographer", *verb, "--json"])
    assert cli.run() == 0
    report = json.loads(capsys.readouterr().out)
    keys = {"false_alarm_rate", "naive_false_alarm_rate", "power", "false_friends_rejected", "table"}
    assert keys <= set(report)
    assert report["false_alarm_low"] <= report["false_alarm_rate"] <= report["false_alarm_high"]
    assert report["power_low"] < report["power"] < report["power_high"]
    true = [row for row in report["table"] if row["kind"] == "true"]
    assert report["power_n"] == len(true)
    assert report["power"] == pytest.approx(np.mean([row["right"] for row in true]))
    assert report["detections"] is None
    assert report["truth"]["power"] == report["power"]
    text = associations_text(report)
    assert "false alarms" in text
    assert "false friends rejected" in text
    missed = [row for row in report["table"] if not row["right"]]
    assert all(row["landform"] in text for row in missed)


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 planets show nothing"):
        evaluate_associations(SEED, planets=0)
    with pytest.raises(SettingsError, match="0 pairs show nothing"):
        evaluate_associations(SEED, pairs=0)

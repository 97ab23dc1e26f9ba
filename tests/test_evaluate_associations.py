"""The rules of a planet put to the tests, and the verb that reports them."""

import json
import sys
from typing import Any

import numpy as np
import pytest

import cli
from retrieval.corpus.lowell.planet import GRID_TILE_KM, Planet, cached_planet
from retrieval.corpus.lowell.processes import PROCESSES
from retrieval.errors import SettingsError
from retrieval.evaluate.associations import evaluate_associations
from retrieval.evaluate.detected import Detected, Detections, detect
from retrieval.evaluate.hypotheses import false_friends, judge_planet
from retrieval.evaluate.report import associations_text
from retrieval.grid import Grid
from retrieval.index import TileIndex
from retrieval.settings import Settings
from retrieval.spatial.features import link_tiles
from retrieval.spatial.observed import whole_body
from tests.fakes import PatternEncoder, PatternSource

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
    assert report["few_clusters"]["both"]["of"] == 8
    assert report["truth"]["power"] == report["power"]
    text = associations_text(report)
    assert "false alarms" in text
    assert "false friends rejected" in text
    missed = [row for row in report["table"] if not row["right"]]
    assert all(row["landform"] in text for row in missed)


def perfect_search(planet: Planet, missing: str = "") -> Detections:
    """All tiles that show a landform, those that touch one thing, with the directions of the wind there."""
    grid = Grid(planet.body, GRID_TILE_KM)
    shown = planet.labels(grid).drop(columns=missing or [])
    found = {}
    for landform in shown.columns:
        tiles = np.flatnonzero(shown[landform])
        things = tiles[np.unique(link_tiles(grid, tiles), return_index=True)[1]]
        lonlat = grid.centres(things)
        found[landform] = Detected(grid.centres(tiles), lonlat, planet.wind_azimuth_deg(lonlat))
    return Detections("perfect", whole_body(planet.body, GRID_TILE_KM), found)


def test_the_same_is_asked_of_what_searches_find(planet: Planet, table: Table) -> None:
    rows = judge_planet(planet, perfect_search(planet, missing="delta"), shifts=99)
    found = {(row["kind"], row["landform"], row["depends_on"]): row for row in rows}
    assert found.keys() == table.keys()
    cones = found["true", "pitted_cones", "outflow_channel"]
    assert cones["verdict"] == "nearer"
    assert cones["distance_km"] == 40.0 + GRID_TILE_KM / 2
    assert 0 < cones["n"] <= table["true", "pitted_cones", "outflow_channel"]["n"]
    assert found["true", "pitted_cones", "lava_flow"]["distance_km"] == 60.0 - GRID_TILE_KM / 2
    assert found["true", "yardangs", "wind"]["right"]
    assert not found["true", "transverse_dunes", "wind"]["right"]  # along the wind, not across
    assert found["true", "delta", "valley_network"]["n"] == 0
    assert found["true", "delta", "valley_network"]["verdict"] == "cannot tell"
    assert np.mean([row["right"] for row in rows if row["kind"] == "true"]) > 0.4
    assert np.mean([row["right"] for row in rows if row["kind"] != "true"]) > 0.9


def test_detections_have_figures_and_a_table_of_their_own(
    planet: Planet, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(_: Planet, detections: Detections | None = None, **rest: Any) -> list[dict[str, Any]]:
        assert rest["shifts"] == 39
        # What was found answers nothing rightly.
        return [{**row, "right": row["right"] and detections is None} for row in table.values()]

    monkeypatch.setattr("retrieval.evaluate.associations.judge_planet", judged)
    asked: list[int] = []

    def search(seed: int) -> Detections:
        asked.append(seed)
        return Detections("perfect", whole_body(planet.body, GRID_TILE_KM), {})

    report = evaluate_associations(SEED, planets=1, pairs=1, shifts=39, search=search)
    assert asked == [SEED]
    detections = report["detections"]
    assert detections["indexes"] == ["perfect"]
    assert len(detections["table"]) == len(report["table"])
    assert detections["power"] == 0.0 < report["power"]
    assert "on what searches found" in associations_text(report)
    assert report["few_clusters"]["both"]["of"] == 1


def test_hits_that_touch_are_one_thing_with_the_direction_of_its_middle(
    tiny_index: TileIndex, pattern_source: PatternSource, pattern_encoder: PatternEncoder
) -> None:
    terms = {"pitted_cones": "pitted cones", "lava_flow": "lava flow"}
    found = detect(tiny_index, pattern_encoder, terms, ("a picture of {}",), directed={"lava_flow"})
    truth = pattern_source.labels(tiny_index.grid)
    assert found.index == tiny_index.manifest.name
    for landform, one in found.found.items():
        shown = truth[landform].to_numpy()[tiny_index.grid.locate(one.tiles)]
        assert shown.mean() > 0.9
        assert 0 < len(one.lonlat) <= len(one.tiles)
        # Things are among the tiles, no two of them share an edge.
        tiles, things = (tiny_index.grid.locate(rows) for rows in (one.tiles, one.lonlat))
        assert set(things.tolist()) <= set(tiles.tolist())
        assert link_tiles(tiny_index.grid, things).max() == len(things) - 1
        assert len(things) == link_tiles(tiny_index.grid, tiles).max() + 1
        assert found.observed.holds(one.tiles).all()
    assert np.isnan(found.found["pitted_cones"].azimuth_deg).all()
    assert np.isfinite(found.found["lava_flow"].azimuth_deg).any()


def test_an_index_of_another_planet_is_refused(
    tiny_index: TileIndex,
    pattern_encoder: PatternEncoder,
    home: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("retrieval.encoder.load_encoder", lambda name: pattern_encoder)
    verb = ["evaluate", "associations", "--seed", "3", "--index", str(tiny_index.folder)]
    monkeypatch.setattr(sys, "argv", ["areographer", *verb])
    assert cli.run() == 2
    assert "whose truth is unknown" in capsys.readouterr().err


def test_nothing_to_evaluate_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 planets show nothing"):
        evaluate_associations(SEED, planets=0)
    with pytest.raises(SettingsError, match="0 pairs show nothing"):
        evaluate_associations(SEED, pairs=0)

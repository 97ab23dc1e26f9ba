"""The test of nearness against chance as a tool: on the tiny index, whose cones lie near its channels."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.errors import InputError
from tests.workspaces import a_layer, a_workspace, assert_keeps_its_word, tile_layer
from tools.association import associate
from tools.spatial import near
from tools.summary import summarise

DISTANCE_KM = 150.0


@pytest.fixture
def ws(home, tiny_index, pattern_encoder):
    return a_workspace(home, tiny_index, pattern_encoder)


@pytest.fixture
def truth(tiny_index, pattern_source):
    """Rows of the index that show each landform."""
    labels = pattern_source.labels(tiny_index.grid).iloc[tiny_index.tiles["tile"].to_numpy()]
    return {name: np.flatnonzero(labels[name].to_numpy()) for name in labels}


def anywhere(rng, n):
    return np.column_stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-0.9, 0.9, n)))])


def test_neighbours_that_were_made_so_are_found(ws) -> None:
    rng = np.random.default_rng(11)
    channels = anywhere(rng, 60)
    beside = ws.body.destination(channels[:40], rng.uniform(0, 360, 40), rng.uniform(5, 60, 40))
    one, two = a_layer(ws, beside, "cones"), a_layer(ws, channels, "channels")
    result = associate(ws, one.id, two.id, 60.0)
    assert_keeps_its_word(result)
    assert result.summary.startswith("L1 lies nearer to L2 than chance allows.")
    assert "“spin”" in result.summary
    assert "would have said “nearer”" in result.summary
    figures = result.figures
    assert figures["p_value"] <= 0.05
    assert 1 < figures["enrichment_low"] <= figures["enrichment"] <= figures["enrichment_high"]
    assert result.layer_ids == ()
    assert ws.layers.ids() == ["L1", "L2"]


def test_what_stays_away_is_farther(ws) -> None:
    rng = np.random.default_rng(12)
    channels, others = anywhere(rng, 80), anywhere(rng, 600)
    kept = others[ws.body.distance_km(others[:, None], channels[None]).min(axis=1) > 150]
    one, two = a_layer(ws, kept, "a"), a_layer(ws, channels, "b")
    result = associate(ws, one.id, two.id, 150.0)
    assert_keeps_its_word(result)
    assert result.summary.startswith("L1 lies farther from L2 than chance allows.")
    assert result.figures["near_count"] == 0


def test_the_same_call_gives_the_same_figures(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("simple_crater", "degraded_crater"))
    one, two = (associate(ws, a.id, b.id, DISTANCE_KM) for _ in range(2))
    assert (one.summary, one.figures, one.table) == (two.summary, two.figures, two.table)


def test_what_knows_nothing_of_each_other_is_not_called_nearer(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("simple_crater", "degraded_crater"))
    result = associate(ws, a.id, b.id, 80.0, side="nearer")
    assert_keeps_its_word(result)
    assert not result.summary.startswith("L1 lies nearer")
    assert result.figures["p_value"] > 0.05


def test_tiles_that_touch_count_once(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("pitted_cones", "simple_crater"))
    features = summarise(ws, a.id).figures["features"]
    assert features < len(a)
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert result.figures["of_count"] == features
    assert "features" in result.summary


def test_the_curve_holds_the_distance_asked(ws, truth) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("pitted_cones", "outflow_channel"))
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    curve = [row for row in result.table if "threshold" not in row]
    distances = [row["distance_km"] for row in curve]
    assert distances == sorted(distances)
    (asked,) = [row for row in curve if row["distance_km"] == DISTANCE_KM]
    assert asked["near_percent"] == pytest.approx(result.figures["near_percent"], abs=0.1)
    assert all(row["chance_low_percent"] <= row["chance_high_percent"] for row in curve)
    (picture,) = result.pictures
    assert picture.is_file()


@pytest.mark.parametrize("empty", ["first", "second", "both"])
def test_empty_layers_leave_it_open(ws, truth, empty: str) -> None:
    a = tile_layer(ws, [] if empty != "second" else truth["gullies"], "a")
    b = tile_layer(ws, [] if empty != "first" else truth["gullies"], "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    said = {"first": "L1 is empty", "second": "L2 is empty", "both": "L1 and L2 are empty"}[empty]
    assert result.summary == f"Cannot tell whether L1 lies nearer to L2 than chance allows: {said}."


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([[0, 10]], [[0, 0], [50, 0], [90, 0], [150, 20]], "independent one"),
        ([[0, 10], [0, 10], [0, 10]], [[0, 0], [50, 0], [90, 0]], "independent one"),
        ([[10 * i, 3 * i] for i in range(20)], [[0, 0]], "and at least 3 are needed"),
        ([[115, -15]], [[0, 0], [50, 0], [90, 0]], "no row tested lies on ground that was observed"),
    ],
)
def test_too_little_leaves_it_open_with_a_reason(ws, first, second, reason: str) -> None:
    a, b = a_layer(ws, first, "a"), a_layer(ws, second, "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    assert result.summary.startswith("Cannot tell whether L1 lies nearer to L2 than chance allows: ")
    assert reason in result.summary


@pytest.mark.parametrize(
    ("side", "null"),
    [("nearer", "spin"), ("farther", "clusters"), ("both", "uniform"), ("farther", "rotation")],
)
def test_every_side_and_null_keeps_its_word(ws, truth, side, null) -> None:
    a, b = (tile_layer(ws, truth[name], name) for name in ("gullies", "lava_flow"))
    result = associate(ws, a.id, b.id, DISTANCE_KM, side=side, null=null)
    assert_keeps_its_word(result)
    assert f"“{null}”" in result.summary
    assert ("naive" in result.summary) == (null != "uniform")


def test_shared_tiles_are_owned_up_to(ws, truth) -> None:
    a = tile_layer(ws, truth["gullies"], "a")
    b = tile_layer(ws, truth["gullies"], "b")
    result = associate(ws, a.id, b.id, 30.0)
    assert_keeps_its_word(result)
    assert result.figures["same_tile_count"] == result.figures["of_count"]
    assert "taken for both" in result.summary


def test_rows_outside_the_ground_seen_are_left_out_and_said(ws, truth) -> None:
    rng = np.random.default_rng(3)
    lonlat = np.column_stack([rng.uniform(-180, 180, 200), np.degrees(np.arcsin(rng.uniform(-1, 1, 200)))])
    a, b = a_layer(ws, lonlat, "a"), tile_layer(ws, truth["simple_crater"], "b")
    result = associate(ws, a.id, b.id, DISTANCE_KM)
    assert_keeps_its_word(result)
    assert result.figures["tested_count"] < 200
    assert "of the 200 rows, on ground observed" in result.summary


def test_wrong_arguments_are_one_line(ws, truth) -> None:
    a = tile_layer(ws, truth["gullies"], "a")
    b = tile_layer(ws, truth["lava_flow"], "b")
    with pytest.raises(InputError, match="everything is near itself"):
        associate(ws, a.id, a.id, DISTANCE_KM)
    for distance in (0, -5, float("nan"), 1e6):
        with pytest.raises(InputError, match="distance_km is"):
            associate(ws, a.id, b.id, distance)
    with pytest.raises(InputError, match="no side"):
        associate(ws, a.id, b.id, DISTANCE_KM, side="left")
    with pytest.raises(InputError, match="no null model"):
        associate(ws, a.id, b.id, DISTANCE_KM, null="magic")
    assert near(ws, a.id, b.id, DISTANCE_KM).layer_ids == ("L3",)

from __future__ import annotations

import numpy as np
import pytest

from retrieval.errors import ToolInputError
from tests.workspaces import a_layer, assert_keeps_its_word, ids
from tools import descent as module
from tools.context import Quantity
from tools.descent import downslope


@pytest.fixture
def hillside(monkeypatch):
    """Ground that falls to the east by 100 m for each degree of longitude."""

    def quantity(ws, name):
        at = {
            "elevation": lambda lonlat: -100.0 * lonlat[:, 0],
            "aspect": lambda lonlat: np.full(len(lonlat), 90.0),
        }[name]
        return Quantity(name, "m" if name == "elevation" else "deg", f"{name}_x", at, "made")

    monkeypatch.setattr(module, "quantity", quantity)
    monkeypatch.setattr(module, "quantities", lambda ws: ["elevation", "aspect"])


def test_keeps_what_lies_lower_and_in_the_direction_of_descent(ws, hillside) -> None:
    # East (down), west (up), far east, level to the north, and down but at the side of the slope.
    a_layer(ws, [[1, 0], [-1, 0], [9, 0], [0, 1], [0.2, -1]], "gullies", probability=[0.9] * 5)
    a_layer(ws, [[0, 0]], "alcoves", probability=[0.5])
    result = downslope(ws, "L1", "L2", 20.0)
    assert ids(ws, result) == ["gullies-0"]
    made = ws.layers.get("L3").table
    assert made["drop_m_from_L2"].tolist() == [100.0]
    assert made["upslope_L2"].tolist() == ["alcoves-0"]
    np.testing.assert_allclose(made["joint_probability"], [0.45])
    assert "60 degrees" in result.summary
    assert_keeps_its_word(result)


def test_of_several_above_the_nearest_is_named(ws, hillside) -> None:
    a_layer(ws, [[3, 0]], "gullies"), a_layer(ws, [[0, 0], [2, 0], [1, 0]], "alcoves")
    made = ws.layers.get(downslope(ws, "L1", "L2", 50.0).layer_ids[0]).table
    assert made["upslope_L2"].tolist() == ["alcoves-1"]


def test_a_chain_runs_downhill(ws, hillside) -> None:
    a_layer(ws, [[3, 0], [-5, 0]], "fans"), a_layer(ws, [[2, 0]], "gullies"), a_layer(ws, [[1, 0]], "alcoves")
    downslope(ws, "L2", "L3", 20.0)
    assert ids(ws, downslope(ws, "L1", "L4", 20.0)) == ["fans-0"]


def test_every_link_of_a_chain_counts(ws, hillside) -> None:
    a_layer(ws, [[3, 0]], "fans", probability=[0.9]), a_layer(ws, [[2, 0]], "gullies", probability=[0.5])
    a_layer(ws, [[1, 0]], "alcoves", probability=[0.4])
    downslope(ws, "L2", "L3", 20.0)
    made = ws.layers.get(downslope(ws, "L1", "L4", 20.0).layer_ids[0]).table
    np.testing.assert_allclose(made["joint_probability"], [0.9 * 0.5 * 0.4])


def test_without_slopes_only_elevations_are_compared_and_that_is_said(ws, tiny_index, monkeypatch) -> None:
    monkeypatch.setattr(module, "quantities", lambda ws: ["elevation"])
    tiles = tiny_index.tiles.rows().sort_values("elevation_m")
    low, high = tiles[["lon", "lat"]].iloc[0], tiles[["lon", "lat"]].iloc[-1]
    a_layer(ws, [low]), a_layer(ws, [high])
    half = ws.body.half_circumference_km
    result = downslope(ws, "L1", "L2", half)
    assert result.figures["count"] == 1
    assert "only elevations were compared" in result.summary
    assert_keeps_its_word(result)
    assert downslope(ws, "L2", "L1", half).figures["count"] == 0


@pytest.mark.parametrize(("one", "two"), [([], [[0, 0]]), ([[0, 0]], []), ([], [])])
def test_nothing_lies_below_nothing(ws, hillside, one, two) -> None:
    a_layer(ws, one), a_layer(ws, two)
    result = downslope(ws, "L1", "L2", 5.0)
    assert result.figures["count"] == 0
    assert_keeps_its_word(result)


def test_impossible_distances_are_refused(ws, hillside) -> None:
    a_layer(ws, [[0, 0]]), a_layer(ws, [[0, 0]])
    for distance in (0, -1, float("nan"), 1e9):
        with pytest.raises(ToolInputError, match="distance_km is"):
            downslope(ws, "L1", "L2", distance)

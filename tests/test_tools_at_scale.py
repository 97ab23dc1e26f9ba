"""What tools do where an index is too large for all of it to be looked at: they look at some, and say so."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import parts
from agent.events import Step, Turn
from agent.page import CROWDED, switched_off
from retrieval.spatial import compare as comparing
from tests.workspaces import a_layer, assert_keeps_its_word
from tools.context import Quantity
from tools.maps import backdrop, mosaic
from tools.maps.projections import polar_cap
from tools.statistics import density as density_tool
from tools.statistics.ground import ground_of
from tools.workspace import Workspace


def height(lonlat: np.ndarray) -> np.ndarray:
    """Something that changes slowly over the body."""
    lon, lat = np.radians(lonlat[..., 0]), np.radians(lonlat[..., 1])
    return np.asarray(1000.0 * np.cos(lat) * np.cos(lon) + 300.0 * np.sin(lat))


HEIGHT = Quantity("height", "m", "height_m", height, "made up", scale_km=60.0)


def test_ground_is_measured_in_some_of_its_cells_and_things_where_they_lie(ws: Workspace) -> None:
    every, some = ground_of(ws, HEIGHT), ground_of(ws, HEIGHT, most=150)
    assert every.measured is None
    assert some.measured is not None
    assert 100 <= some.measured <= 200 < len(every.cell_values)
    # The cells around one take its value: no more values than were measured, each near the cell's own.
    assert len(np.unique(some.cell_values)) <= some.measured
    assert np.abs(some.cell_values - every.cell_values).max() < 400.0
    rng = np.random.default_rng(0)
    places = every.observed.sample(50, rng)
    np.testing.assert_allclose(some.of_things(places), every.of_things(places))
    np.testing.assert_array_equal(
        some.values(every.observed.grid.centres(every.observed.cells)), some.cell_values
    )
    edges = np.quantile(every.cell_values, [0.0, 0.25, 0.5, 0.75, 1.0])
    areas = [
        every.observed.areas_by(np.clip(one.cell_values, edges[0], edges[-1]), edges) for one in (every, some)
    ]
    shares = [area / area.sum() for area in areas]
    np.testing.assert_allclose(shares[0], shares[1], atol=1.96 * 0.5 / np.sqrt(some.measured))


def test_what_costs_nothing_is_known_everywhere(ws: Workspace) -> None:
    latitude = Quantity("latitude", "deg", "lat", lambda lonlat: lonlat[:, 1], "positions")
    assert ground_of(ws, latitude, most=10).measured is None


def test_a_density_says_that_the_ground_was_sampled(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    layer = a_layer(ws, np.stack([rng.uniform(-180, 180, 60), rng.uniform(-60, 60, 60)], axis=-1))
    monkeypatch.setattr(density_tool, "quantity", lambda ws, by: HEIGHT)
    monkeypatch.setattr(density_tool, "ground_of", partial(ground_of, most=150))
    result = density_tool.density(ws, layer.id, "height")
    assert f"measured in {result.figures['measured_tiles']:,} of its" in result.summary
    assert_keeps_its_word(result)


def test_a_panel_of_many_tiles_is_drawn_from_the_whole_body(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = []
    real = mosaic.paint

    def counted(*given: Any) -> Any:
        painted.append(1)
        return real(*given)

    monkeypatch.setattr(backdrop, "paint", counted)
    view, px = polar_cap(1, 60.0), 3_000.0
    fine = backdrop._painted(view, px, ws)
    assert painted == [1]
    monkeypatch.setattr(backdrop, "MOST_TILES", 10)
    coarse = backdrop._painted(view, px, ws)
    assert painted == [1]
    assert (coarse[..., 3] > 0).any()
    assert coarse.shape[2] == fine.shape[2] == 4


def test_large_samples_are_resampled_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.5, 1.0, 300), rng.normal(0.0, 1.0, 300)
    usual = comparing.compare(a, b, range(300), range(300))
    monkeypatch.setattr(comparing, "MOST_DRAWN", 1)
    fewer = comparing.compare(a, b, range(300), range(300))
    assert (usual.verdict, fewer.verdict) == ("higher", "higher")
    assert fewer.p_value == pytest.approx(1 / (1 + comparing.FEWEST_RESAMPLES))
    assert fewer.low == pytest.approx(usual.low, abs=0.1)


def test_a_crowded_transcript_shows_what_the_last_question_found(ws: Workspace) -> None:
    few = [a_layer(ws, [[0.0, 0.0]], title=name) for name in ("one", "two")]
    crowd = a_layer(ws, np.zeros((CROWDED, 2)), title="many")

    def turn(*ids: str) -> Turn:
        steps = (Step("1", "search_words", {}, "", ids, {}, (), 0.0),) if ids else ()
        return Turn("?", steps, "", "answered")

    turns = [turn(few[0].id, crowd.id), turn(few[1].id), turn()]
    assert switched_off(turns, few) == []
    assert switched_off(turns, [*few, crowd]) == [few[0].id, crowd.id]
    assert switched_off([turn()], [*few, crowd]) == []


def test_a_transcript_holds_no_more_geojson_than_can_be_opened(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [a_layer(ws, np.zeros((count, 2)), title=f"{count}") for count in (4, 7, 5, 1)]
    monkeypatch.setattr(parts, "LARGEST_GEOJSON_ROWS", 10)
    names = [name for name in parts.geojson_files(tmp_path, layers, ws) if name.endswith(".geojson")]
    assert [name.rpartition("_")[2] for name in names] == ["4.geojson", "5.geojson", "1.geojson"]


def test_a_planet_that_two_want_at_once_is_painted_once(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted = []
    real = mosaic.paint

    def slowly(*given: Any) -> Any:
        painted.append(1)
        time.sleep(0.3)
        return real(*given)

    monkeypatch.setattr(mosaic, "paint", slowly)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: mosaic.basemap(ws.index, 64, tmp_path), range(3)))
    assert painted == [1]
    assert all((picture == found[0]).all() for picture in found)

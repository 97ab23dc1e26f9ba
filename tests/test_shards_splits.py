"""Splits by region: whole blocks, and no tile of one within one tile of another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.body import Body, get_body
from retrieval.corpus.splits import APART_TILES, DROPPED, SPLITS, SplitRule, Splitter
from retrieval.errors import SettingsError
from retrieval.grid import Grid

LOWELL = get_body("lowell")


def around(centre: tuple[float, float], body: Body, reach_km: float, seed: int) -> np.ndarray:
    """Points scattered about a centre."""
    rng = np.random.default_rng(seed)
    return body.destination(centre, rng.uniform(0, 360, 400), rng.uniform(0, reach_km, 400))


@settings(max_examples=150)
@given(
    lon=st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 179.999, 0.0])),
    lat=st.one_of(st.floats(-90, 90), st.sampled_from([-90.0, 90.0, 89.0, -84.0])),
    block=st.integers(4, 14),
    tile_km=st.sampled_from([5.0, 16.0, 24.0]),
    seed=st.integers(0, 50),
)
def test_no_tile_lies_within_one_tile_of_another_split(
    lon: float, lat: float, block: int, tile_km: float, seed: int
) -> None:
    rule = SplitRule(0.4, 0.3, 0.3, block)
    points = around((lon, lat), LOWELL, 1.5 * block * tile_km, seed)
    splits = Splitter(rule, LOWELL, tile_km, seed).assign(points)
    kept, of = points[splits != DROPPED], splits[splits != DROPPED]
    distance = LOWELL.distance_km(kept[:, None], kept[None])
    other = of[:, None] != of[None]
    assert not (distance[other] < APART_TILES * tile_km - 1e-6).any()


@settings(max_examples=25)
@given(
    lat=st.sampled_from([90.0, -90.0, 88.0, 80.0, 45.0, 0.0]),
    lon=st.floats(-180, 180),
    seed=st.integers(0, 20),
)
def test_a_tile_is_dropped_only_near_a_later_split(lat: float, lon: float, seed: int) -> None:
    """Against a dense cover of the blocks: brute force."""
    rule, tile_km = SplitRule(0.5, 0.25, 0.25, 6), 20.0
    splitter = Splitter(rule, LOWELL, tile_km, seed)
    points = around((lon, lat), LOWELL, 150.0, seed)[:40]
    splits = splitter.assign(points)
    dense = Grid(LOWELL, 4.0).centres()
    dense = dense[LOWELL.distance_km(dense, (lon, lat)) < 200]
    own = np.asarray(splitter._dealt[splitter._blocks.locate(dense)])
    at = np.asarray(splitter._dealt[splitter._blocks.locate(points)])
    near = LOWELL.distance_km(points[:, None], dense[None]) < APART_TILES * tile_km + 4.0
    may_drop = (near & (own[None] > at[:, None])).any(axis=1)
    assert (splits[~may_drop] != DROPPED).all()
    assert (splits[splits != DROPPED] == at[splits != DROPPED]).all()


def test_blocks_are_dealt_by_share_and_seed() -> None:
    grid = Grid(LOWELL, 8.0)
    points = grid.centres()
    rule = SplitRule(0.7, 0.2, 0.1, 12)
    splits = Splitter(rule, LOWELL, 8.0, 1).assign(points)
    shares = [np.mean(splits == n) for n in range(len(SPLITS))]
    assert 0.5 < shares[0] < 0.7
    assert 0.12 < shares[1] < 0.2
    assert 0.07 < shares[2] < 0.13
    assert 0.05 < np.mean(splits == DROPPED) < 0.25
    assert np.array_equal(splits, Splitter(rule, LOWELL, 8.0, 1).assign(points))
    assert not np.array_equal(splits, Splitter(rule, LOWELL, 8.0, 2).assign(points))


def test_order_and_company_do_not_matter() -> None:
    points = Grid(LOWELL, 24.0).centres()
    splitter = Splitter(SplitRule(block_tiles=6), LOWELL, 24.0, 3)
    together = splitter.assign(points)
    alone = [int(splitter.assign(point[None])[0]) for point in points[::37]]
    assert together[::37].tolist() == alone
    assert splitter.assign(np.zeros((0, 2))).shape == (0,)


def test_one_split_drops_nothing() -> None:
    points = Grid(LOWELL, 24.0).centres()
    assert (Splitter(SplitRule(1, 0, 0, 6), LOWELL, 24.0, 0).assign(points) == 0).all()


@pytest.mark.parametrize(
    "shares", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (float("nan"), 0.5, 0.5), (0.0, 0.0, 0.0)]
)
def test_shares_that_are_no_shares_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="make no split"):
        SplitRule(*shares)


def test_blocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SettingsError, match="too small"):
        SplitRule(block_tiles=3)
    with pytest.raises(SettingsError, match="do not fit lowell"):
        Splitter(SplitRule(), LOWELL, 200.0, 0)

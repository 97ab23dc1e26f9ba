"""Scores of 8-bit codes in whole numbers: a row has one score, however it is asked for."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.vectors import tile
from retrieval.vectors.whole import LARGEST, SHARE, ByteQueries, rounded

Floats = NDArray[np.float32]


def made(
    seed: int, count: int, dimension: int, queries: int
) -> tuple[NDArray[np.uint8], Floats, Floats, Floats]:
    """Codes, unit queries, low ends and steps."""
    rng = np.random.default_rng(seed)
    asked = rng.standard_normal((queries, dimension)).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    low = (rng.uniform(-0.5, -0.1, dimension) / np.sqrt(dimension)).astype(np.float32)
    step = (rng.uniform(0.1, 1.0, dimension) / np.sqrt(dimension) / 255).astype(np.float32)
    return rng.integers(0, 256, (count, dimension), dtype=np.uint8), asked, low, step


def exact(codes: NDArray[np.uint8], queries: Floats, low: Floats, step: Floats) -> NDArray[np.float64]:
    values = low + (codes.astype(np.float64) + 0.5) * step
    return np.clip(queries.astype(np.float64) @ values.T, -1, 1)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 3000),
    dimension=st.sampled_from([1, 3, 4, 24, 64, 100, 256]),
    queries=st.integers(1, 30),
)
def test_one_score_for_a_row_however_it_is_asked_for(
    seed: int, count: int, dimension: int, queries: int
) -> None:
    codes, asked, low, step = made(seed, count, dimension, queries)
    together = ByteQueries(asked, low, step).cosines(codes)
    assert together.shape == (queries, count)
    one = seed % queries
    assert np.array_equal(ByteQueries(asked[one : one + 1], low, step).cosines(codes)[0], together[one])
    with mock.patch.object(tile, "fits", return_value=False):  # as on another processor
        assert np.array_equal(ByteQueries(asked, low, step).cosines(codes), together)
    places = np.random.default_rng(seed).permutation(count)[: count // 2].astype(np.uint32)
    assert np.array_equal(ByteQueries(asked, low, step).cosines_at(codes, places), together[:, places])
    np.testing.assert_allclose(together, exact(codes, asked, low, step), atol=3e-5)


def test_several_shares_are_scored_like_one() -> None:
    codes, asked, low, step = made(1, SHARE + 1300, 8, 20)
    found = ByteQueries(asked, low, step).cosines(codes)
    np.testing.assert_allclose(found, exact(codes, asked, low, step), atol=3e-5)


@pytest.mark.parametrize("dimension", [512, 4096, 16_384])
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_sum_overflows(dimension: int, sign: int) -> None:
    codes = np.full((40, dimension), 255, dtype=np.uint8)
    asked = np.full((9, dimension), sign / np.sqrt(dimension), dtype=np.float32)
    step = np.full(dimension, 0.9 / 255.5 / np.sqrt(dimension), dtype=np.float32)
    low = np.zeros(dimension, dtype=np.float32)
    found = ByteQueries(asked, low, step).cosines(codes)
    np.testing.assert_allclose(found, sign * 0.9, atol=1e-3)
    assert len(np.unique(found)) == 1
    assert found[0, 0] == ByteQueries(asked[:1], low, step).cosines(codes)[0, 0]


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50))
def test_rounding_keeps_to_16_bits_and_to_half_a_step(values: list[float]) -> None:
    weights = np.array([values], dtype=np.float32)
    whole, scales = rounded(weights)
    assert whole.dtype == np.int16
    assert np.abs(whole.astype(np.int64)).max() <= LARGEST
    assert np.all(np.abs(whole * scales[:, None].astype(np.float64) - weights) <= 0.51 * scales + 1e-40)


def test_a_query_of_nothing_scores_nothing() -> None:
    codes, _, low, step = made(2, 50, 16, 1)
    assert not ByteQueries(np.zeros((3, 16), np.float32), low, step).cosines(codes).any()

"""Made vectors of a planet: unit length, seeded, the same in whatever pieces, and like the real ones."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from retrieval.encoder import encode_query
from retrieval.index import TileIndex
from tests.fakes import LANDFORMS, PatternEncoder

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
from _planet_index import Best, make_index, mars_grid
from _planet_vectors import PlanetVectors, VectorModel, continued, fit_vectors

DIMENSION = 48  # the real vectors have 32


@pytest.fixture(scope="module")
def model(tiny_index: TileIndex) -> VectorModel:
    return fit_vectors(tiny_index, DIMENSION, seed=3, clusters=32)


@pytest.fixture(scope="module")
def planet(model: VectorModel) -> PlanetVectors:
    return PlanetVectors(model, mars_grid(5_000), seed=3)


@pytest.fixture(scope="module")
def made(planet: PlanetVectors) -> np.ndarray:
    return np.concatenate(list(planet.blocks()))


def test_one_unit_vector_a_tile(planet: PlanetVectors, made: np.ndarray) -> None:
    assert made.shape == (len(planet.grid), DIMENSION)
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-5)
    assert len(np.unique(made.round(4), axis=0)) == len(made)


def test_the_seed_decides(planet: PlanetVectors, model: VectorModel, made: np.ndarray) -> None:
    again = PlanetVectors(model, planet.grid, seed=3)
    np.testing.assert_array_equal(np.concatenate(list(again.blocks(threads=1))), made)
    other = PlanetVectors(model, planet.grid, seed=4)
    assert np.abs(other.rows(20, 22) - planet.rows(20, 22)).max() > 0.1


@given(st.sets(st.integers(1, 61), max_size=5))
@settings(deadline=None, max_examples=20)
def test_pieces_do_not_matter(planet: PlanetVectors, made: np.ndarray, cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), planet.grid.rows]
    pieces = [planet.rows(start, end) for start, end in pairwise(edges)]
    np.testing.assert_allclose(np.concatenate(pieces), made, atol=1e-5)


def test_texts_score_as_on_the_real_index(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, model: VectorModel, made: np.ndarray
) -> None:
    real = tiny_index.vectors(np.arange(len(tiny_index)))
    queries = np.stack([encode_query(pattern_encoder, text) for text in LANDFORMS.values()])
    np.testing.assert_allclose(np.linalg.norm(queries @ model.turn.T, axis=1), 1.0, atol=1e-5)
    there, here = real @ queries.T, made @ (queries @ model.turn.T).T
    distances = [ks_2samp(a, b).statistic for a, b in zip(there.T, here.T, strict=True)]
    # This encoder reads exact codes: most of its cosines are nearly one value, which any noise widens.
    assert np.median(distances) < 0.2
    shares = [0.1, 0.5, 0.9, 0.98]  # one text in 24 is true of a tile
    np.testing.assert_allclose(np.quantile(here, shares), np.quantile(there, shares), atol=0.05)


def test_neighbours_resemble_each_other(planet: PlanetVectors, made: np.ndarray) -> None:
    first, second = planet.grid.neighbours(np.arange(len(made)))
    beside = np.einsum("ij,ij->i", made[first], made[second]).mean()
    rng = np.random.default_rng(0)
    anywhere = (made[rng.integers(0, len(made), 5000)] * made[rng.integers(0, len(made), 5000)]).sum(axis=1)
    assert beside > anywhere.mean() + 0.02


@given(st.lists(st.floats(0.1, 0.95), min_size=8, max_size=30), st.integers(1, 40))
def test_a_spectrum_goes_on_falling(ratios: list[float], more: int) -> None:
    spectrum = np.cumprod(ratios)
    longer = continued(spectrum, len(spectrum) + more)
    assert len(longer) == len(spectrum) + more
    np.testing.assert_array_equal(longer[: len(spectrum)], spectrum)
    assert (np.diff(longer) <= 0).all()
    assert (longer > 0).all()


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 7))
def test_the_best_of_blocks_are_the_best_of_all(seed: int, k: int, pieces: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-9, 9, (2, 200)).astype(np.float32)  # many are equal
    best = Best(2, k)
    edges = np.sort(np.r_[0, rng.integers(0, 201, pieces), 200]).tolist()
    for start, end in pairwise(edges):
        best.add(start, scores[:, start:end])
    rows, values = best.result()
    for query in range(2):
        order = np.lexsort((np.arange(200), -scores[query]))[:k]
        np.testing.assert_array_equal(rows[query], order)
        np.testing.assert_array_equal(values[query], scores[query][order])


def test_a_made_index_opens_and_answers(
    tiny_index: TileIndex, pattern_encoder: PatternEncoder, tmp_path: Path
) -> None:
    done = make_index(
        tmp_path / "made",
        tiny_index,
        pattern_encoder,
        ["gullies", "yardangs"],
        ["{}"],
        ["ground"],
        tiles=3_000,
        dimension=DIMENSION,
        kind="sq8",
        best=100,
        exact=True,
        seed=1,
    )
    index = TileIndex.open(done.folder)
    index.verify()
    assert len(index) == len(mars_grid(3_000)) == len(index.tiles)
    exact = np.fromfile(done.folder / "exact.f32", dtype=np.float32).reshape(-1, DIMENSION)
    scores = done.queries @ exact.T
    np.testing.assert_allclose(index.store.scores(done.queries), scores, atol=0.02)
    np.testing.assert_allclose(done.truth_scores[:, 0], scores.max(axis=1), atol=1e-6)
    assert index.background.any()

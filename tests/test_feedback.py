from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from retrieval.evaluate import average_precision
from retrieval.feedback import FAINTEST, MOST_SURE, SURE, correct, keep_count, learn, lessons, rocchio, unit

seeds = st.integers(0, 30)


def cases(seed: int, count: int = 8, d: int = 6):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, rng.random(count) < 0.5, rng.normal(0, 3, count)


@given(seeds, st.sampled_from([None, 6.0, -6.0]))
def test_it_is_the_most_probable_correction(seed: int, sure: float | None) -> None:
    """Also where the words were sure of all tiles, accepted or not."""
    vectors, accepted, prior = cases(seed)
    prior = prior if sure is None else np.full(len(prior), sure)
    centred = (vectors - vectors.mean(axis=0)).astype(float)
    sign = np.where(accepted, 1.0, -1.0)

    def loss(theta):
        logits = prior + centred @ theta[:-1] + theta[-1]
        prior_loss = (theta[:-1] ** 2).sum() / (2 * 1.5**2) + theta[-1] ** 2 / (2 * 0.7**2)
        return np.logaddexp(0, -sign * logits).sum() + prior_loss

    found = minimize(loss, np.zeros(centred.shape[1] + 1), tol=1e-12).x[:-1]
    learnt = learn(vectors, accepted, prior, slope_sd=1.5, shift_sd=0.7)
    np.testing.assert_allclose(learnt, found, atol=1e-4)


@given(seeds)
def test_accepted_rise_over_rejected(seed: int) -> None:
    vectors, accepted, prior = cases(seed)
    if accepted.all() or not accepted.any():
        return
    moved = vectors @ learn(vectors, accepted, prior)
    surprise = np.abs(accepted - 1 / (1 + np.exp(-prior)))
    assert np.average(moved, weights=surprise * accepted + 1e-12) > np.average(
        moved, weights=surprise * ~accepted + 1e-12
    )


@given(seeds)
def test_the_order_of_tiles_does_not_matter(seed: int) -> None:
    vectors, accepted, prior = cases(seed)
    turned = learn(vectors[::-1], accepted[::-1], prior[::-1])
    np.testing.assert_allclose(turned, learn(vectors, accepted, prior), atol=1e-6)


def test_it_ends_where_the_prior_was_far_off() -> None:
    vectors, accepted, _ = cases(3)
    prior = np.where(accepted, -40.0, 40.0)
    assert np.isfinite(learn(vectors, accepted, prior)).all()


def test_nothing_to_learn_from_changes_nothing() -> None:
    vectors, accepted, prior = cases(0)
    assert not learn(vectors[:0], accepted[:0], prior[:0]).any()
    assert not learn(vectors[:1], accepted[:1], prior[:1]).any()
    query = vectors[0]
    np.testing.assert_allclose(rocchio(query, vectors[:0], vectors[:0]), query, atol=1e-6)


@given(st.lists(st.floats(-12, 12), min_size=4, max_size=40), seeds)
def test_lessons_are_the_sure_tiles_at_their_word_and_the_verdicts(values: list[float], seed: int) -> None:
    odds, rng = np.array(values), np.random.default_rng(seed)
    judged = rng.choice(len(odds), 3, replace=False)
    accepted = rng.random(3) < 0.5
    rows, shows = lessons(odds, judged, accepted, rng)
    assert len(np.unique(rows)) == len(rows)
    assert rows[-3:].tolist() == judged.tolist()
    assert shows[-3:].tolist() == accepted.tolist()
    sure = rows[:-3]
    assert (shows[:-3] == (odds[sure] > 0)).all()
    assert ((np.abs(odds[sure]) >= SURE) & (odds[sure] >= FAINTEST)).all()
    left_out = np.setdiff1d(np.arange(len(odds)), rows)
    assert ((np.abs(odds[left_out]) < SURE) | (odds[left_out] < FAINTEST)).all()


def test_of_very_many_sure_tiles_some_are_drawn() -> None:
    odds = np.where(np.arange(2 * MOST_SURE) % 4, -3.0, 3.0)
    judged, accepted = np.array([0, 5]), np.array([False, True])
    rows, shows = lessons(odds, judged, accepted, np.random.default_rng(1))
    assert len(np.unique(rows)) == len(rows) == MOST_SURE + 2
    assert shows.mean() == pytest.approx(0.25, abs=0.02)
    again, _ = lessons(odds, judged, accepted, np.random.default_rng(1))
    assert (again == rows).all()


def order_of_the_rest(vectors, before, truth, judged, accepted, seed: int) -> tuple[float, float]:
    """Average precision of the tiles that nobody judged, before and after a correction."""
    direction = correct(before, judged, accepted, lambda rows: vectors[rows], np.random.default_rng(seed))
    rest = np.setdiff1d(np.arange(len(before)), judged)
    return tuple(
        average_precision(odds[rest], truth[rest]) for odds in (before, before + vectors @ direction)
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_slanted_query_is_set_straight_by_its_sure_tiles(seed: int) -> None:
    """Two clouds apart along the first axis; the query looks along the first and the second."""
    rng = np.random.default_rng(seed)
    truth = rng.random(2000) < 0.3
    vectors = rng.normal(0, 0.25, (2000, 6))
    vectors[:, 0] += np.where(truth, 0.5, -0.5)
    before = 5 * (vectors[:, 0] + vectors[:, 1])
    nothing = np.zeros(0, dtype=int)
    old, new = order_of_the_rest(vectors, before, truth, nothing, nothing.astype(bool), seed)
    assert new > old + 0.01


@pytest.mark.parametrize("seed", range(5))
def test_verdicts_have_the_last_word_on_a_vague_query(seed: int) -> None:
    """The words are sure of two clouds, of which the user wants one."""
    rng = np.random.default_rng(seed)
    cloud = rng.integers(0, 3, 2000)
    vectors = rng.normal(0, 0.25, (2000, 6))
    vectors[:, 0] += np.where(cloud == 0, -0.5, 0.5)
    vectors[:, 1] += (cloud == 1) * 0.5 - (cloud == 2) * 0.5
    before = 8 * vectors[:, 0]
    surest = np.argsort(-before)
    right, wrong = surest[cloud[surest] == 1][:5], surest[cloud[surest] == 2][:5]
    judged, accepted = np.concatenate([right, wrong]), np.arange(10) < 5
    old, new = order_of_the_rest(vectors, before, cloud == 1, judged, accepted, seed)
    assert new > old + 0.1


@given(seeds, st.floats(0, 1))
def test_rocchio_gives_unit_vectors_between_query_and_examples(seed: int, share: float) -> None:
    vectors, accepted, _ = cases(seed)
    moved = rocchio(vectors[0], vectors[accepted], vectors[~accepted], examples=share)
    assert np.linalg.norm(moved) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(rocchio(vectors[0], vectors, vectors[:0], examples=0.0), vectors[0], atol=1e-6)
    all_examples = rocchio(vectors[0], vectors, vectors[:0], examples=1.0)
    np.testing.assert_allclose(all_examples, unit(vectors.mean(axis=0)), atol=1e-5)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30, unique=True), st.data())
def test_as_many_are_kept_as_were_asked_for(values: list[float], data) -> None:
    count = data.draw(st.integers(0, len(values)))
    kept = keep_count(np.array(values), count)
    assert (kept >= 0).sum() == count
    assert (np.diff(kept[np.argsort(values)]) >= 0).all()

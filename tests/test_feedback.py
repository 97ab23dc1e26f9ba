from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from retrieval.feedback import keep_count, learn, rocchio, unit

seeds = st.integers(0, 30)


def cases(seed: int, count: int = 8, d: int = 6):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, d)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, rng.random(count) < 0.5, rng.normal(0, 3, count), vectors.mean(axis=0)


@given(seeds)
def test_it_is_the_most_probable_correction(seed: int) -> None:
    vectors, accepted, prior, mean = cases(seed)
    centred = (vectors - mean).astype(float)
    sign = np.where(accepted, 1.0, -1.0)

    def loss(theta):
        logits = prior + centred @ theta[:-1] + theta[-1]
        prior_loss = (theta[:-1] ** 2).sum() / (2 * 1.5**2) + theta[-1] ** 2 / (2 * 0.7**2)
        return np.logaddexp(0, -sign * logits).sum() + prior_loss

    found = minimize(loss, np.zeros(centred.shape[1] + 1), tol=1e-12).x[:-1]
    learnt = learn(vectors, accepted, prior, mean, slope_sd=1.5, shift_sd=0.7)
    np.testing.assert_allclose(learnt, found, atol=1e-4)


@given(seeds)
def test_accepted_rise_over_rejected(seed: int) -> None:
    vectors, accepted, prior, mean = cases(seed)
    if accepted.all() or not accepted.any():
        return
    moved = vectors @ learn(vectors, accepted, prior, mean)
    surprise = np.abs(accepted - 1 / (1 + np.exp(-prior)))
    assert np.average(moved, weights=surprise * accepted + 1e-12) > np.average(
        moved, weights=surprise * ~accepted + 1e-12
    )


@given(seeds)
def test_the_order_of_verdicts_does_not_matter(seed: int) -> None:
    vectors, accepted, prior, mean = cases(seed)
    turned = learn(vectors[::-1], accepted[::-1], prior[::-1], mean)
    np.testing.assert_allclose(turned, learn(vectors, accepted, prior, mean), atol=1e-6)


def test_it_ends_where_the_prior_was_far_off() -> None:
    vectors, accepted, _, mean = cases(3)
    prior = np.where(accepted, -40.0, 40.0)
    assert np.isfinite(learn(vectors, accepted, prior, mean)).all()


def test_nothing_judged_changes_nothing() -> None:
    vectors, accepted, prior, mean = cases(0)
    assert not learn(vectors[:0], accepted[:0], prior[:0], mean).any()
    query = vectors[0]
    np.testing.assert_allclose(rocchio(query, vectors[:0], vectors[:0]), query, atol=1e-6)


@given(seeds, st.floats(0, 1))
def test_rocchio_gives_unit_vectors_between_query_and_examples(seed: int, share: float) -> None:
    vectors, accepted, _, _ = cases(seed)
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

"""The hits of a search are those of the probabilities of all rows, to the last one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.calibrate import calibrate, counts_around
from retrieval.hits import best_order, order_statistics, spread_of
from retrieval.query import Asked, approximation, ask, ask_many, score_together
from tests.fakes import LANDFORMS
from tests.workspaces import a_workspace
from tools.search import search_example, search_words

TEXTS = ["gullies", "pitted cones", "fresh simple crater", "dust devil tracks", "yardangs"]


class Index:
    """Scores as they are, for one dimension; counts what is asked of it."""

    def __init__(self, scores: Any, background: Any = None, storage: str = "fp16") -> None:
        self.all = np.asarray(scores, dtype=np.float32)
        given_background = np.zeros(len(self.all)) if background is None else background
        self.background = np.asarray(given_background, dtype=np.float32)
        self.manifest = SimpleNamespace(storage=storage, recall=None)
        self.whole = 0

    def score(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        self.whole += 1
        return self.all

    def score_many(self, vectors: NDArray[np.float32], rows: Any = None) -> NDArray[np.float32]:
        self.whole += rows is None
        some = self.all if rows is None else self.all[rows]
        return np.repeat(some[None], len(vectors), axis=0)

    def above(self, vector: NDArray[np.float32], bar: float) -> tuple[Any, Any]:
        rows = np.flatnonzero(self.all >= np.float32(bar))
        return rows, self.all[rows]

    def search(self, vector: NDArray[np.float32], k: int) -> tuple[Any, Any]:
        rows = np.lexsort((np.arange(len(self.all)), -self.all))[:k]
        return rows, self.all[rows]


def asked_of(index: Index, scale: float, bias: float | None, unknown: str = "") -> Asked:
    return Asked("x", np.ones(1, np.float32), index, scale, bias, unknown=unknown)


def expect_those_of_all(index: Index, scale: float, bias: float | None, given: float | None) -> None:
    """As the probabilities of all rows give them."""
    every = calibrate(index.all, index.background, scale, bias)
    found = asked_of(index, scale, bias).hits(given)
    threshold = every.threshold if given is None else given
    probability, scores = every.probability.astype(np.float64), index.all.astype(np.float64)
    rows = np.flatnonzero(probability >= threshold)
    rows = rows[np.lexsort((rows, -scores[rows], -probability[rows]))]
    assert found.rows.tolist() == rows.tolist()
    assert np.array_equal(found.probability, probability[rows])
    assert np.array_equal(found.scores, scores[rows])
    counts = dict(every.counts_at)  # around the threshold that holds: others would need more rows looked at
    if given is not None:
        counts = counts_around(every.probability, given)
    assert found.counts_at == counts
    assert list(found.counts_at) == list(counts)
    assert found.threshold == threshold
    assert found.method == (every.method if given is None else "given in the call")
    assert found.best_score == scores.max(initial=-1.0)
    assert found.best_probability == probability.max(initial=0.0)


SCORES = st.lists(st.floats(-1, 1, width=32), max_size=60)
GIVEN = st.one_of(st.none(), st.floats(0, 1), st.sampled_from([0.0, 1e-30, 0.4, 0.5, 0.6, 1.0]))


@given(SCORES, st.floats(1, 100), st.floats(-20, 0), GIVEN)
def test_of_a_sigmoid_encoder(scores: list[float], scale: float, bias: float, given: float | None) -> None:
    expect_those_of_all(Index(scores), scale, bias, given)


@given(st.integers(0, 50), st.floats(1, 100), st.floats(0.0001, 0.9999), st.integers(-3, 3))
def test_a_row_on_the_bar_is_one_or_is_not(seed: int, scale: float, level: float, ulps: int) -> None:
    # Scores a few units in the last place around the cosine of the threshold.
    bias = -0.3 * scale
    middle = np.float32((np.log(level / (1 - level)) - bias) / scale)
    near = np.float32([middle])
    for _ in range(20):
        near = np.concatenate(
            [[np.nextafter(near[0], np.float32(-2))], near, [np.nextafter(near[-1], np.float32(2))]]
        )
    scores = np.clip(np.random.default_rng(seed).permutation(np.float32(near)), -1, 1)
    expect_those_of_all(Index(scores), scale, bias, level)
    expect_those_of_all(Index(scores), scale, bias, None)


@given(SCORES, st.integers(0, 9), st.floats(1, 100), GIVEN)
def test_of_a_softmax_encoder(scores: list[float], seed: int, scale: float, given: float | None) -> None:
    background = np.random.default_rng(seed).normal(0, 3, len(scores))
    expect_those_of_all(Index(scores, background), scale, None, given)


@pytest.mark.parametrize("bias", [-4.0, None])
@pytest.mark.parametrize("given", [None, 0.3, 0.999])
def test_of_many_rows(bias: float | None, given: float | None) -> None:
    rng = np.random.default_rng(3)
    scores = np.clip(rng.normal(0, 0.12, 600_000), -1, 1)
    expect_those_of_all(Index(scores, rng.normal(-2, 2, len(scores))), 20.0, bias, given)


def test_with_a_bias_nothing_is_scored_as_a_whole() -> None:
    index = Index(np.linspace(-1, 1, 1000))
    assert len(asked_of(index, 20.0, -10.0).hits().rows)
    assert not len(asked_of(index, 20.0, -40.0).hits().rows)
    asked_of(index, 20.0, -10.0).best(7)
    asked_of(index, 20.0, -10.0).log_odds([3, 4])
    assert index.whole == 0


def test_what_the_encoder_does_not_know_has_no_hits() -> None:
    asked = asked_of(Index([0.3, 0.9, 0.1]), 20.0, -5.0, unknown="unknown words")
    found = asked.hits()
    assert not len(found.rows)
    assert found.method == "unknown words"
    assert (found.best_score, found.best_probability) == (np.float32(0.9), 0.0)
    assert asked.hits(0.0).rows.tolist() == [1, 0, 2]  # a threshold of nothing is reached by all
    assert (asked.log_odds([0, 2]) == asked.log_odds()[[0, 2]]).all()


@given(SCORES.filter(len), st.floats(1, 100), st.integers(1, 70))
def test_the_best_are_the_first_of_all(scores: list[float], scale: float, most: int) -> None:
    index = Index(scores)
    for bias in (-3.0, None):
        rows, exact, probability = asked_of(index, scale, bias).best(most)
        every = asked_of(index, scale, bias).hits(0.0)
        assert rows.tolist() == every.rows[:most].tolist() or len(set(probability)) < len(probability)
        assert np.array_equal(exact, every.scores[:most])
        assert np.array_equal(probability, every.probability[:most])


@pytest.mark.parametrize("count", [1, 2, 7, 1000, 400_003])
@pytest.mark.parametrize("kind", ["normal", "ties", "sorted"])
def test_quantiles_are_those_of_numpy(count: int, kind: str) -> None:
    values = np.random.default_rng(count).normal(0, 0.2, count).astype(np.float32)
    if kind == "ties":
        values = np.round(values, 1)
    if kind == "sorted":  # the sample is evenly spaced: the worst it can meet
        values = np.sort(values)[::-1].copy()
    low, best = np.quantile(14.3 * values.astype(np.float64), [0.1, 0.999])
    found = spread_of(values, 14.3)
    assert (found.low, found.best) == (low, best)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40), st.data())
def test_order_statistics_are_those_of_the_sorted(values: list[float], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(values) - 1))
    last = min(first + 1, len(values) - 1)
    exact = np.sort(np.float32(values))
    assert order_statistics(np.float32(values), first, last) == (exact[first], exact[last])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_order_is_by_probability_then_score_then_row(pairs: list[tuple[int, int]]) -> None:
    probability, scores = np.array(pairs, dtype=float).reshape(-1, 2).T
    expected = np.lexsort((np.arange(len(pairs)), -scores, -probability))
    assert best_order(probability, scores).tolist() == expected.tolist()


def test_several_texts_at_once_are_each_of_them(tiny_index, pattern_encoder) -> None:
    together = ask_many(tiny_index, pattern_encoder, TEXTS, ("{}", "a picture of {}"))
    score_together(together)
    for text, one in zip(TEXTS, together, strict=True):
        alone = ask(tiny_index, pattern_encoder, text, ("{}", "a picture of {}"))
        assert one.sought == text
        np.testing.assert_allclose(one.vector, alone.vector, atol=1e-7)
        np.testing.assert_allclose(one.cosines, alone.cosines, atol=1e-6)
        assert one.hits().rows.tolist() == alone.hits().rows.tolist()
    assert ask_many(tiny_index, pattern_encoder, [], ("{}",)) == []
    score_together([])


def test_rows_scored_alone_have_the_odds_of_all(tiny_index, pattern_encoder) -> None:
    rows = np.array([600, 3, 44])
    for bias in (-6.0, None):
        asked = ask(tiny_index, pattern_encoder, LANDFORMS["gullies"], ("{}",))
        asked, other = (replace(asked, logit_bias=bias) for _ in range(2))
        np.testing.assert_allclose(asked.log_odds(rows), other.log_odds()[rows], atol=1e-4)


class TestApproximateKinds:
    def test_layers_say_that_they_may_miss_some_and_how_many(
        self, home, tiny_index, pattern_encoder, monkeypatch
    ):
        recall = {"asked": 0.99, "hits": 20000, "texts": {"measured": 0.9917}}
        described = SimpleNamespace(**{**vars(tiny_index.manifest), "storage": "ivf-sq8", "recall": recall})
        monkeypatch.setattr(tiny_index, "manifest", described)
        ws = a_workspace(home, tiny_index, pattern_encoder)
        tile = tiny_index.tiles.tile_id(3)
        for result in (
            search_words(ws, "gullies"),
            search_words(ws, "gullies", 0.9),
            search_example(ws, tile),
        ):
            notes = ws.layers.get(result.layer_ids[0]).provenance.notes
            assert any(
                "(ivf-sq8) is approximate" in note and "99.2 % of the best 20,000" in note for note in notes
            )
            assert "approximate" not in result.summary

    def test_exact_kinds_say_nothing(self, tiny_index) -> None:
        assert approximation(tiny_index) == ""
        assert approximation(Index([0.1])) == ""
        assert "may miss some tiles" in approximation(Index([0.1], storage="ivf-rabitq"))

    @pytest.mark.parametrize("bias", [-4.0, None])
    def test_they_are_not_scored_as_a_whole(self, bias: float | None) -> None:
        rng = np.random.default_rng(0)
        scores = np.clip(rng.normal(0, 0.15, 300_000), -1, 1)
        index, whole = Index(scores, storage="ivf-sq8"), Index(scores)
        found = asked_of(index, 20.0, bias).hits()
        assert index.whole == 0
        exact = asked_of(whole, 20.0, bias).hits()
        # Without a bias the low quantile comes from a sample.
        assert len(found.rows) == pytest.approx(len(exact.rows), rel=0.02)

"""The precision of a result from judged rows: what must hold for any verdicts, and how often the interval
holds the truth where the truth is known.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.judged import LEAST_DRAWN, estimate, random_order, wilson

VERDICTS = st.lists(st.sampled_from([True, False, None]), max_size=40)


@given(st.lists(st.booleans(), max_size=20), VERDICTS, st.integers(0, 500))
def test_an_estimate_lies_in_its_interval_and_the_interval_in_what_is_possible(known, drawn, more) -> None:
    count = len(known) + len(drawn) + more
    found = estimate(known, drawn, count)
    if found is None:
        return
    right = sum(known) + sum(verdict is True for verdict in drawn)
    wrong = len(known) + sum(verdict is not None for verdict in drawn) - right
    assert right / count - 1e-9 <= found.low <= found.value <= found.high <= 1 - wrong / count + 1e-9
    assert found.exact == (right + wrong == count)
    if found.exact:
        assert found.low == pytest.approx(right / count) == pytest.approx(found.high)


@given(st.lists(st.booleans(), min_size=LEAST_DRAWN, max_size=30), st.integers(1, 500))
def test_turning_all_verdicts_over_turns_the_interval_over(drawn, more) -> None:
    count = len(drawn) + more
    one, other = estimate([], drawn, count), estimate([], [not verdict for verdict in drawn], count)
    assert one is not None
    assert other is not None
    assert one.value == pytest.approx(1 - other.value)
    assert one.low == pytest.approx(1 - other.high)


@given(st.integers(1, 60), st.integers(1, 1000), st.floats(0, 1))
def test_more_to_draw_from_is_less_certain(drawn, more, share) -> None:
    few, many = wilson(share, drawn, drawn + more), wilson(share, drawn, drawn + 2 * more)
    assert many[0] <= few[0] + 1e-12
    assert few[1] <= many[1] + 1e-12


def test_what_was_judged_elsewhere_says_nothing_of_the_rest() -> None:
    assert estimate([True] * 12, [], 300) is None
    assert estimate([True] * 12, [True] * (LEAST_DRAWN - 1), 300) is None
    alone = estimate([], [True, False, True, False, True, True], 288)
    with_known = estimate([True] * 12, [True, False, True, False, True, True], 300)
    assert alone is not None
    assert with_known is not None
    assert with_known.value == pytest.approx((12 + 288 * alone.value) / 300)
    assert with_known.known == 12


def test_rows_passed_over_widen_the_interval() -> None:
    whole = estimate([], [True] * 10, 300)
    gaps = estimate([], [True, None] * 9 + [True], 300)
    assert whole is not None
    assert gaps is not None
    assert gaps.skipped > 0
    assert gaps.low < whole.low
    # One verdict far down the order does not undo the ten at its beginning.
    stray = estimate([], [True] * 10 + [None] * 100 + [True], 300)
    assert stray is not None
    assert (stray.drawn, stray.skipped) == (10, 0)
    assert stray.low == pytest.approx(whole.low)


def test_a_small_result_can_be_judged_whole() -> None:
    assert estimate([], [], 0) is None
    found = estimate([], [True, False], 2)
    assert found is not None
    assert (found.value, found.low, found.high, found.exact) == (0.5, 0.5, 0.5, True)
    found = estimate([True, True], [False], 3)
    assert found is not None
    assert found.value == pytest.approx(2 / 3)
    assert found.exact


def draws(
    count: int, right: int, drawn: int, known: int, seed: int
) -> list[tuple[float, float, float, bool]]:
    """Truth, estimate, width and whether the interval holds it, of 400 draws beside ``known`` right ones."""
    rng, rows = np.random.default_rng(seed), []
    for _ in range(400):
        truth = rng.permutation(np.arange(count) < right)
        shown = rng.permutation(np.flatnonzero(truth))[:known]  # picked whatever the order
        rest = np.delete(truth, shown)
        found = estimate([True] * len(shown), [bool(one) for one in rest[:drawn]], count)
        assert found is not None
        share = right / count
        rows.append((share, found.value, found.high - found.low, found.low <= share <= found.high))
    return rows


@pytest.mark.parametrize(
    ("count", "right", "drawn", "known"),
    [(300, 270, 12, 0), (300, 150, 12, 7), (60, 40, 20, 5), (2000, 900, 30, 0), (40, 39, 12, 0)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(count, right, drawn, known) -> None:
    rows = np.array(draws(count, right, drawn, known, seed=count + right))
    assert rows[:, 3].mean() > 0.91
    assert abs(rows[:, 1].mean() - rows[0, 0]) < 0.03


def test_the_random_order_is_one_and_a_filter_keeps_it() -> None:
    ids = [f"16km-r{n // 50:03d}c{n % 50:03d}" for n in range(1000)]
    order = random_order(ids, "conversation L1")
    assert sorted(order) == list(range(1000))
    assert (random_order(ids, "conversation L1") == order).all()
    assert (random_order(ids, "conversation L2") != order).any()
    kept = [n for n in range(1000) if n % 3]
    among = random_order([ids[n] for n in kept], "conversation L1")
    assert [kept[n] for n in among] == [n for n in order if n % 3]
    # No trend: the mean position of the first hundred drawn is that of all.
    firsts = [random_order(ids, f"key {k}")[:100].mean() for k in range(50)]
    assert np.mean(firsts) == pytest.approx(499.5, abs=20)
    assert len(random_order([], "x")) == 0

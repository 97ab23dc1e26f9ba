"""Means of axes and directions: pieces of evidence are clusters, intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import SettingsError
from retrieval.spatial.directions import (
    Axes,
    apart_deg,
    apart_interval,
    axial,
    holds,
    rayleigh_p,
    same_axis,
)


def each(azimuths, **more) -> Axes:
    """Every direction a cluster of its own."""
    return axial(azimuths, np.ones(len(azimuths)), np.arange(len(azimuths)), **more)


def test_an_axis_and_its_opposite_are_one_and_a_direction_and_its_opposite_are_two() -> None:
    axes = each([10, 190, 10, 190])
    assert axes.azimuth_deg == pytest.approx(10)
    assert axes.resultant_length == pytest.approx(1)
    assert each([10, 190, 10, 190], period_deg=360).resultant_length == pytest.approx(0, abs=1e-12)
    assert each([350, 10, 0], period_deg=360).azimuth_deg % 360 == pytest.approx(0, abs=1e-9)


def test_north_lies_between_1_and_179() -> None:
    axes = each([1, 179] * 5)
    assert apart_deg(axes.azimuth_deg, 0) < 1e-9
    assert axes.low_deg > 170
    assert axes.high_deg < 10


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 360), st.floats(0.05, 1), st.integers(0, 5)), min_size=1, max_size=30),
    st.floats(-360, 360),
    st.sampled_from([180, 360]),
)
def test_turning_everything_turns_the_mean_and_the_interval(rows, turn, period) -> None:
    azimuth, weight, cluster = (np.array(column) for column in zip(*rows, strict=True))
    before = axial(azimuth, weight, cluster, 20.0, period_deg=period, resamples=50)
    after = axial(azimuth + turn, weight, cluster, 20.0 + turn, period_deg=period, resamples=50)
    assert 0 <= before.resultant_length <= 1
    assert 0 <= before.azimuth_deg <= period
    assert after.resultant_length == pytest.approx(before.resultant_length, abs=1e-9)
    assert after.p_value == pytest.approx(before.p_value, abs=1e-9)
    assert after.given_p == pytest.approx(before.given_p, abs=1e-6)
    if before.resultant_length > 1e-3:
        assert apart_deg(after.azimuth_deg, before.azimuth_deg + turn, period) < 1e-3
    if before.resultant_length > 0.1 and np.isfinite(before.low_deg):
        assert apart_deg(after.low_deg, before.low_deg + turn, period) < 1e-3


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 180), min_size=1, max_size=20), st.integers(2, 5), st.randoms())
def test_rows_repeated_within_a_cluster_and_their_order_change_nothing(azimuths, times, random) -> None:
    once = each(azimuths, resamples=20)
    rows = [(azimuth, n) for n, azimuth in enumerate(azimuths)] * times
    random.shuffle(rows)
    azimuth, cluster = zip(*rows, strict=True)
    again = axial(azimuth, np.full(len(rows), 0.7), cluster, resamples=20)
    assert again.p_value == pytest.approx(once.p_value)
    assert again.effective_n == pytest.approx(once.effective_n)


def test_one_piece_of_evidence_proves_nothing_however_often_it_is_counted() -> None:
    many = np.full(100, 40.0)
    assert each(many).p_value < 1e-20
    one = axial(many, np.ones(100), np.zeros(100, dtype=int), given_deg=40.0)
    assert one.p_value > 0.1
    assert one.given_p > 0.05
    assert np.isnan(one.low_deg)
    assert one.azimuth_deg == pytest.approx(40)


def test_a_cluster_that_contradicts_itself_is_weak() -> None:
    rows = axial([0, 90, 0, 90, 30], np.ones(5), [0, 0, 1, 1, 2])
    assert rows.azimuth_deg == pytest.approx(30)
    assert rows.effective_n == pytest.approx(1)


def test_uniform_directions_keep_the_promised_rate_of_false_alarms() -> None:
    rng = np.random.default_rng(1)
    found = [
        axial(
            rng.uniform(0, 180, 12),
            rng.uniform(0.1, 1, 12),
            np.arange(12),
            rng.uniform(0, 180, 12),
            resamples=1,
        )
        for _ in range(1500)
    ]
    assert np.mean([axes.p_value < 0.05 for axes in found]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([axes.given_p < 0.05 for axes in found]) == pytest.approx(0.05, abs=0.02)


def test_intervals_hold_the_true_axis_95_times_in_100() -> None:
    rng = np.random.default_rng(2)
    held = []
    for n, spread in ((6, 8.0), (20, 25.0)):
        for trial in range(150):
            axes = each(rng.normal(175, spread, n), resamples=300, seed=trial)
            held.append((175 - axes.low_deg) % 180 <= (axes.high_deg - axes.low_deg) % 180)
    assert 0.90 < np.mean(held) < 0.985


def test_the_given_direction_may_differ_from_row_to_row() -> None:
    rng = np.random.default_rng(4)
    wind = rng.uniform(0, 360, 40)
    along = each(wind + rng.normal(0, 6, 40), given_deg=wind)
    across = each(wind + 90 + rng.normal(0, 6, 40), given_deg=wind)
    assert along.p_value > 0.01  # no common axis
    assert along.given_p < 1e-6
    assert along.given_off_deg < 6
    assert across.given_p > 0.99
    assert across.given_off_deg > 84
    assert np.isnan(each(wind).given_p)


def test_two_means_are_told_apart_when_they_are() -> None:
    rng = np.random.default_rng(5)
    one, same, other = (each(rng.normal(mean, 10, 15), seed=7) for mean in (178, 178, 18))
    apart, p_value = same_axis(one, same)
    assert apart < 10
    assert p_value > 0.05
    apart, p_value = same_axis(one, other)
    assert apart == pytest.approx(20, abs=8)
    assert p_value < 0.01
    assert same_axis(other, one) == pytest.approx((apart, p_value), abs=0.01)


def test_two_noisy_means_are_not_told_apart() -> None:
    rng = np.random.default_rng(6)
    found = [
        same_axis(each(rng.normal(0, 15, 10), resamples=200), each(rng.normal(0, 15, 20), resamples=200))[1]
        for _ in range(200)
    ]
    assert np.mean(np.array(found) < 0.05) < 0.1


def test_rows_without_a_direction_do_not_count() -> None:
    axes = axial([30, np.nan, 30, 30, 120], [1, 1, np.nan, 1, 0], [0, 1, 2, 3, 4])
    assert axes.effective_n == pytest.approx(2)
    assert axes.azimuth_deg == pytest.approx(30)
    none = axial([], [], [], given_deg=10.0)
    assert np.isnan(none.azimuth_deg)
    assert (none.p_value, none.effective_n) == (1.0, 0.0)
    assert np.isnan(same_axis(none, axes)[1])


def test_p_values_grow_no_smaller_than_can_be_written() -> None:
    assert 0 < rayleigh_p(1.0, 1e6) < 1e-200
    assert rayleigh_p(0.0, 10) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (([1, 2], [1], [0, 1]), {}),
        (([1, 2], [1, 1], [0]), {}),
        (([1, 2], [1, -1], [0, 1]), {}),
        (([1, 2], [1, 1], [0, 1]), {"given_deg": [1, 2, 3]}),
        (([1, 2], [1, 1], [0, 1]), {"period_deg": 90}),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, more) -> None:
    with pytest.raises(SettingsError):
        axial(*arguments, **more)


def test_axes_and_directions_are_not_compared() -> None:
    with pytest.raises(SettingsError, match="cannot be compared"):
        same_axis(each([1, 2, 3]), each([1, 2, 3], period_deg=360))


def test_the_interval_of_a_difference_holds_none_where_there_is_none() -> None:
    rng = np.random.default_rng(8)
    held = 0
    for seed in range(60):
        a, b = (each(rng.normal(mean, 15, 15), seed=seed, resamples=300) for mean in (178, 2))
        low, high = apart_interval(a, b)
        apart, p_value = same_axis(a, b)
        assert low <= apart <= high
        assert (p_value < 0.05) == (low > 0) or p_value == pytest.approx(0.05, abs=0.02)
        held += low <= 4 <= high or low <= -4 <= high
    assert held >= 52
    assert np.isnan(apart_interval(each([10, 20]), each([10, 20, 30]))).all()


@pytest.mark.parametrize("mean", [3.0, 90.0, 177.0])
def test_an_interval_holds_its_mean_and_not_what_lies_across(mean) -> None:
    axes = each(mean + np.linspace(-10, 10, 9))
    assert holds(axes, mean)
    assert holds(axes, mean + 180)
    assert not holds(axes, mean + 90)
    assert not holds(axes, mean + 20)
    assert holds(each([mean]), mean + 90)  # no interval excludes nothing


def test_without_resamples_there_is_no_interval() -> None:
    axes = each([10, 20, 30], resamples=0)
    assert np.isnan(axes.low_deg)
    assert axes.azimuth_deg == pytest.approx(20)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import GeometryError
from retrieval.spatial.verdicts import benjamini_hochberg, extreme_ranks, holm, rank_p, said_p

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


@given(P_VALUES)
def test_corrections_never_make_p_smaller_and_keep_its_order(values):
    p = np.array(values)
    for corrected in (holm(p), benjamini_hochberg(p)):
        assert (corrected >= p - 1e-12).all()
        assert (corrected <= 1).all()
        assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= -1e-12).all()
    assert (benjamini_hochberg(p) <= holm(p) + 1e-12).all()


def test_known_corrections():
    # Worked by hand: Holm multiplies by 4, 3, 2, 1 and never falls; Benjamini-Hochberg by 4/1, 4/2, 4/3, 1.
    p = [0.01, 0.04, 0.03, 0.005]
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, 0.02])


def test_tests_that_could_not_tell_do_not_count():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    with pytest.raises(GeometryError):
        holm([1.2])


def test_rank_p_counts_the_observed_and_its_ties():
    statistic = np.array([3.0, 1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert rank_p(statistic, "nearer") == pytest.approx(0.3)
    assert rank_p(statistic, "farther") == pytest.approx(0.9)
    assert rank_p(statistic) == pytest.approx(0.6)
    assert rank_p(np.zeros(100)) == 1.0


def test_extreme_ranks_of_curves():
    rng = np.random.default_rng(0)
    curves = rng.standard_normal((200, 6))
    p = extreme_ranks(curves)
    assert sorted(p) == pytest.approx(np.arange(1, 201) / 200)
    curves[7] = 10.0
    assert extreme_ranks(curves)[7] == pytest.approx(1 / 200)
    assert extreme_ranks(curves, "farther")[7] > 0.9
    assert extreme_ranks(curves, "nearer")[7] == pytest.approx(1 / 200)


def test_a_value_that_most_curves_share_is_not_extreme():
    curves = np.zeros((100, 3))
    curves[:5, 1] = 1.0
    assert extreme_ranks(curves)[50] > 0.9
    assert extreme_ranks(curves)[0] < 0.1


def test_p_in_words():
    assert said_p(0.0312) == "p = 0.031"
    assert said_p(0.5) == "p = 0.50"
    assert said_p(1e-6) == "p < 0.0001"
    assert said_p(float("nan")) == "p unknown"

"""Intraclass correlations against published numbers, a slow twin, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from mpss_lib.errors import WrongArgumentError
from mpss_lib.stability import Sums, reliability

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]],
    dtype=np.float64,
)
"""Shrout and Fleiss 1979, Psychological Bulletin 86, Table 2: six targets, four judges.

Their Table 3 has the mean squares 11.24 (between), 6.26 (within) and 1.02 (residual), their Table 4
ICC(1,1) = .17 and ICC(3,1) = .71. The intervals for the same rows are those of psych::ICC in R as
its documentation shows them: -0.133 to 0.72 and 0.342 to 0.95.
"""


def twin(values: np.ndarray, model: str) -> tuple[float, float, float]:
    """From the definition: analysis of variance with loops, interval by quantiles of F."""
    n, k = values.shape
    grand = sum(values[i, j] for i in range(n) for j in range(k)) / (n * k)
    rows = [sum(values[i]) / k for i in range(n)]
    columns = [sum(values[:, j]) / n for j in range(k)]
    between = k * sum((m - grand) ** 2 for m in rows) / (n - 1)
    if model == "one":
        error = sum((values[i, j] - rows[i]) ** 2 for i in range(n) for j in range(k))
        df = n * (k - 1)
    else:
        error = sum(
            (values[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(n) for j in range(k)
        )
        df = (n - 1) * (k - 1)
    ratio = between / (error / df)
    low = ratio / stats.f.ppf(0.975, n - 1, df)
    high = ratio * stats.f.ppf(0.975, df, n - 1)
    return tuple((x - 1) / (x + k - 1) for x in (ratio, low, high))


def test_the_example_of_shrout_and_fleiss():
    found = reliability(SHROUT_FLEISS)
    assert found.icc1 == pytest.approx(0.17, abs=0.005)
    assert (found.icc1_low, found.icc1_high) == pytest.approx((-0.133, 0.72), abs=0.005)
    assert found.icc3 == pytest.approx(0.71, abs=0.005)
    assert (found.icc3_low, found.icc3_high) == pytest.approx((0.342, 0.95), abs=0.005)
    assert found.sd_within**2 == pytest.approx(6.26, abs=0.005)
    assert 4 * found.sd_between**2 == pytest.approx(11.24, abs=0.005)


@given(st.integers(2, 8), st.integers(2, 5), st.integers(0, 10**6), st.sampled_from([0.0, 1e6]))
def test_it_equals_the_twin(n, k, seed, offset):
    values = np.random.default_rng(seed).normal(size=(n, k))
    found = reliability(values + offset)
    for model, names in (("one", "icc1"), ("two", "icc3")):
        wanted = twin(values, model)
        got = [getattr(found, names + end) for end in ("", "_low", "_high")]
        assert_allclose(got, wanted, rtol=1e-6, atol=1e-6)


def test_what_no_perturbation_changes_is_perfectly_stable():
    found = reliability(np.repeat(np.arange(5.0)[:, None], 3, axis=1))
    assert [found.icc1, found.icc1_low, found.icc1_high] == [1.0, 1.0, 1.0]
    assert [found.icc3, found.icc3_low, found.icc3_high] == [1.0, 1.0, 1.0]


def test_a_shift_of_all_studies_is_an_error_for_one_and_not_for_the_other():
    values = np.arange(6.0)[:, None] + np.array([0.0, 10.0])
    found = reliability(values)
    assert found.icc3 == pytest.approx(1.0)
    assert found.icc1 < 0.0


def test_a_constant_feature_has_no_correlation_and_neither_has_a_single_study():
    assert np.isnan(reliability(np.ones((4, 3))).icc1)
    assert np.isnan(reliability(np.arange(3.0)[None]).icc1)


def test_a_study_without_a_value_is_left_out_for_that_feature_only():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(7, 4, 2))
    values[0, 1, 1] = values[4, 0, 1] = np.nan
    found = reliability(values)
    assert found.n_studies.tolist() == [7, 5]
    assert found.icc1[0] == reliability(values[:, :, 0]).icc1
    assert found.icc1[1] == pytest.approx(float(reliability(values[[1, 2, 3, 5, 6], :, 1]).icc1))


@given(st.permutations(range(6)), st.floats(0.1, 50), st.floats(-50, 50))
def test_order_of_studies_and_unit_change_nothing(order, scale, shift):
    found, again = reliability(SHROUT_FLEISS), reliability(SHROUT_FLEISS[order] * scale + shift)
    assert again.icc1 == pytest.approx(float(found.icc1), abs=1e-9)
    assert again.icc3_high == pytest.approx(float(found.icc3_high), abs=1e-9)


def test_one_measurement_says_nothing():
    with pytest.raises(WrongArgumentError, match="1 measurements"):
        Sums(1, ())

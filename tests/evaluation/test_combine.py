from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mpss_lib.contract import berman_class, score_class
from mpss_lib.evaluation import combine
from mpss_lib.evaluation.permutation import order
from mpss_lib.evaluation.univariate import associations


def test_threshold_of_the_paper():
    test = combine.fisher(np.full(50, 0.5), np.ones(50, bool))
    assert test.df == 100
    assert test.threshold == pytest.approx(135.807, abs=5e-4)
    assert test.statistic == pytest.approx(100 * np.log(2))


@given(st.lists(st.floats(1e-12, 1.0), min_size=2, max_size=30))
def test_fisher_equals_scipy(p):
    ours = combine.fisher(np.array(p), np.ones(len(p), bool))
    theirs = stats.combine_pvalues(p, method="fisher")
    assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_invalid_runs_count_as_p_1_or_are_left_out():
    p = np.array([0.1, np.nan, 0.2])
    valid = np.isfinite(p)
    kept, dropped = combine.fisher(p, valid, "p1"), combine.fisher(p, valid, "drop")
    assert kept.statistic == dropped.statistic == pytest.approx(-2 * np.log(0.02))
    assert (kept.df, dropped.df) == (6, 4)
    assert combine.fisher(p, np.zeros(3, bool), "drop").p_value == 1.0


@given(seed=st.integers(0, 1000), n=st.integers(4, 70))
@settings(max_examples=30)
def test_correlation_p_equals_scipy(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n))
    for side, alternative in (("two", "two-sided"), ("one", "greater")):
        expected = stats.pearsonr(x, y, alternative=alternative)
        got = float(combine.correlation_p(expected.statistic, n, side))
        assert got == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


def test_permutation_p_counts_the_observed_one():
    test = combine.permutation_test(3.0, np.array([1.0, 2.0, 4.0, np.nan]))
    assert test.p_value == 2 / 4
    assert test.p_error == pytest.approx(0.25)
    assert combine.permutation_test(9.0, np.arange(99.0) / 100).p_value == 0.01


def test_pooled_prediction_is_the_mean_over_the_test_sets():
    test = np.array([[0, 1], [1, 2], [0, 3]])
    guess = np.array([[1.0, 2.0], [4.0, 5.0], [np.nan, np.nan]])
    mean = combine.mean_prediction(guess, test, 5)
    assert mean[:3].tolist() == [1.0, 3.0, 5.0]
    assert np.isnan(mean[3:]).all()


def test_pooled_spearman_equals_scipy():
    rng = np.random.default_rng(0)
    y = np.round(rng.normal(size=30), 1)
    test = np.array([rng.permutation(30)[:12] for _ in range(20)])
    guess = y[test] + rng.normal(size=test.shape)
    mean = combine.mean_prediction(guess, test, 30)
    expected = stats.spearmanr(mean, y, alternative="greater")
    ours = combine.pooled_spearman(guess, test, y)
    assert ours.statistic == pytest.approx(expected.statistic)
    assert ours.p_value == pytest.approx(expected.pvalue, rel=1e-6)


def test_nothing_to_combine_gives_no_number():
    none = np.full((2, 3), np.nan)
    assert np.isnan(combine.pooled_spearman(none, np.zeros((2, 3), int), np.arange(3.0)).p_value)
    assert np.isnan(combine.nadeau_bengio(np.full(4, np.nan), 5, 20).p_value)
    assert np.isnan(combine.permutation_test(np.nan, np.arange(3.0)).p_value)


def test_permutations_are_numbered():
    first = order(4, 20, seed=1)
    assert first.tolist() == order(4, 20, seed=1).tolist()
    assert sorted(first) == list(range(20))
    assert first.tolist() != order(5, 20, seed=1).tolist()


@pytest.mark.parametrize(
    ("score", "expected"),
    [(-3, 0), (0, 0), (0.49, 0), (0.5, 1), (10, 1), (10.1, 2), (100, 2), (400, 3), (401, 4)],
)
def test_berman_class(score, expected):
    assert berman_class(score) == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0, 0), (1e-9, 1), (0.3, 1), (0.5, 1), (10, 1), (10.01, 2), (100, 2), (400, 3), (400.5, 4)],
)
def test_a_true_score_above_nothing_is_calcium(score, expected):
    """Berman et al.: 0; above 0 to 10; above 10 to 100; above 100 to 400; above 400."""
    assert score_class(score) == expected


def test_associations_equal_scipy_and_hold_the_false_discoveries():
    rng = np.random.default_rng(5)
    score = np.maximum(0, rng.normal(size=60)) * 300
    score[:3] = 0.2
    columns = {f"f{k}": rng.normal(size=60) for k in range(8)} | {"flat": np.ones(60)}
    columns["found"] = score + rng.normal(size=60)
    rows = {(row.outcome, row.feature): row for row in associations(columns, score)}
    assert len(rows) == 20
    for (outcome, feature), row in rows.items():
        if feature == "flat":
            assert row.p_value == 1.0
            assert np.isnan(row.rho)
            continue
        y = score if outcome == "raw" else [score_class(one) for one in score]
        expected = stats.spearmanr(columns[feature], y)
        assert row.rho == pytest.approx(expected.statistic)
        assert row.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    p = [row.p_value for row in rows.values() if row.outcome == "raw"]
    adjusted = [row.p_adjusted for row in rows.values() if row.outcome == "raw"]
    assert adjusted == pytest.approx(stats.false_discovery_control(p))
    assert rows[("raw", "found")].is_discovery

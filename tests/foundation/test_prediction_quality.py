"""Areas, their covariance and rank correlation, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.prediction_quality import auc, delong, spearman


def by_definition(guesses, is_case):
    """DeLong's structural components, pair by pair (their equations 3 to 6)."""

    def psi(case, other):
        return 1.0 if case > other else 0.5 if case == other else 0.0

    parts = []
    for guess in guesses:
        cases, others = guess[is_case], guess[~is_case]
        v10 = [np.mean([psi(x, y) for y in others]) for x in cases]
        v01 = [np.mean([psi(x, y) for x in cases]) for y in others]
        parts.append((v10, v01))
    areas = np.array([np.mean(v10) for v10, _ in parts])
    m, n = int(is_case.sum()), int((~is_case).sum())
    s10 = np.array([[np.cov(a[0], b[0])[0, 1] for b in parts] for a in parts])
    s01 = np.array([[np.cov(a[1], b[1])[0, 1] for b in parts] for a in parts])
    return areas, s10 / m + s01 / n


@pytest.mark.parametrize("seed", range(6))
def test_areas_and_covariance_are_those_of_the_definition(seed):
    rng = np.random.default_rng(seed)
    is_case = rng.random(40) < 0.3
    guesses = np.round(rng.normal(size=(3, 40)) + is_case, seed % 3)  # with ties
    areas, covariance = delong(guesses, is_case)
    want_areas, want = by_definition(guesses, is_case)
    np.testing.assert_allclose(areas, want_areas, atol=1e-13)
    np.testing.assert_allclose(covariance, want, atol=1e-13)


def test_an_interval_covers_the_true_area():
    """Normal scores one apart: the area is Phi(1 / sqrt 2) = .7602; 95 % of intervals hold it."""
    rng = np.random.default_rng(5)
    is_case = np.arange(150) < 50
    inside = 0
    for _ in range(400):
        found = auc(rng.normal(size=150) + is_case, is_case)
        inside += found.low <= 0.76025 <= found.high
    assert 368 <= inside <= 392  # binomial limits of .95 at 1 %, both sides


def test_without_cases_there_is_no_area():
    found = auc(np.arange(5.0), np.zeros(5, bool))
    assert np.isnan([found.value, found.low, found.high]).all()
    one = auc(np.arange(5.0), np.arange(5) == 4)
    assert one.value == 1.0
    assert np.isnan(one.low)


def test_rank_correlation_and_its_interval():
    rng = np.random.default_rng(1)
    a = rng.normal(size=60)
    b = a + rng.normal(size=60)
    from scipy.stats import spearmanr

    found = spearman(np.exp(a), b)
    assert found.value == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
    # Bonett & Wright, by hand: z -+ 1.959964 sqrt((1 + rho^2 / 2) / 57)
    z, reach = np.arctanh(found.value), 1.959964 * np.sqrt((1 + found.value**2 / 2) / 57)
    assert [found.low, found.high] == pytest.approx(list(np.tanh([z - reach, z + reach])), abs=1e-7)
    assert np.isnan(spearman(np.ones(9), np.arange(9.0)).value)

"""Step-down of Westfall and Young, by its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from mpss_lib.evaluation.family import adjusted_p


def by_definition(observed, null):
    """Algorithm 4.1: successive maxima over the tests that are left, then monotone."""
    whole = np.vstack([observed, null])
    z = (whole - whole.mean(axis=0)) / whole.std(axis=0)
    left = sorted(range(len(observed)), key=lambda k: -z[0, k])
    answer, before = {}, 0.0
    for place, test in enumerate(left):
        reached = sum(max(row[k] for k in left[place:]) >= z[0, test] - 1e-12 for row in z)
        before = max(before, reached / len(z))
        answer[test] = before
    return [answer[k] for k in range(len(observed))]


@pytest.mark.parametrize("seed", range(6))
def test_equals_the_definition(seed):
    rng = np.random.default_rng(seed)
    null = rng.normal(size=(39, 7)) @ rng.normal(size=(7, 7)) + rng.normal(size=7)
    observed = null.mean(axis=0) + null.std(axis=0) * rng.normal(1.0, 2.0, 7)
    assert adjusted_p(observed, null).tolist() == pytest.approx(by_definition(observed, null))


def test_one_test_is_its_own_family():
    null = np.arange(19.0)[:, None]
    assert adjusted_p(np.array([16.5]), null).tolist() == [3 / 20]
    assert adjusted_p(np.array([99.0]), null).tolist() == [1 / 20]


def test_copies_of_one_test_cost_nothing_and_others_do():
    rng = np.random.default_rng(3)
    one = rng.normal(size=(199, 1))
    alone = adjusted_p(np.array([2.0]), one)
    copies = adjusted_p(np.full(10, 2.0), np.repeat(one, 10, axis=1))
    assert copies == pytest.approx(np.repeat(alone, 10))
    others = np.hstack([one, rng.normal(size=(199, 9))])
    assert adjusted_p(np.full(10, 2.0), others)[0] > alone[0]


def test_nothing_dealt_is_no_answer():
    assert np.isnan(adjusted_p(np.array([0.3, 0.2]), np.empty((0, 2)))).all()


def test_one_false_alarm_or_more_in_at_most_one_family_of_twenty():
    """28 dependent null tests on different scales, 39 deals: exactly .05 by exchangeability."""
    rng = np.random.default_rng(8)
    mixing, scale = rng.normal(size=(9, 28)), np.exp(rng.normal(size=28))
    alarms = 0
    for _ in range(400):
        rows = (rng.normal(size=(40, 9)) @ mixing + rng.normal(size=(40, 28))) * scale
        alarms += adjusted_p(rows[0], rows[1:]).min() <= 0.05
    assert binom.ppf(0.001, 400, 0.05) <= alarms <= binom.ppf(0.999, 400, 0.05)

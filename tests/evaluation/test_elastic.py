from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort
from sklearn.metrics import roc_auc_score

from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.elastic import (
    cross_fit,
    cv_plus,
    fit_ensemble,
    penalised,
    scores,
    to_score,
)


@pytest.fixture(scope="module")
def table():
    cohort = make_cohort(1, n=428)
    return encode({**cohort.radiomics["MYO"], **cohort.clinical}), cohort.scores["MYO"]


def test_radiomics_add_to_the_clinical_terms_where_it_was_planted(table):
    design, score = table
    found = {}
    for configuration in ("clinical", "combined"):
        guess = cross_fit(penalised(design, configuration, 56).columns, score, seed=1)
        found[configuration] = {s.metric: s for s in scores(*guess, score, seed=1)}
    assert found["combined"]["spearman"].low > found["clinical"]["spearman"].value
    assert found["combined"]["coverage_90"].value == pytest.approx(0.9, abs=0.04)
    everyone = found["combined"]["coverage_90"].n
    assert everyone == 428


def test_area_under_the_curve_equals_scikit_learn(table):
    _, score = table
    guess = np.random.default_rng(0).permutation(score) + 0.1 * score
    found = {s.metric: s.value for s in scores(guess, guess - 1, guess + 1, score, seed=0)}
    assert found["auc_at_least_100"] == pytest.approx(roc_auc_score(score >= 100, guess))
    assert found["auc_above_400"] == pytest.approx(roc_auc_score(score > 400, guess))


@pytest.mark.slow
def test_coverage_on_fresh_patients():
    """90 % intervals hold within 3 points on synthetic patients that nobody has seen."""
    inside = []
    for seed in range(6):
        cohort = make_cohort(100 + seed, n=1000)
        design = encode({**cohort.radiomics["MYO"], **cohort.clinical})
        score = cohort.scores["MYO"]
        known, fresh = np.arange(428), np.arange(428, 1000)
        columns = penalised(design, "combined", 56).columns
        ensemble = fit_ensemble(columns[known], np.log1p(score[known]), seed)
        low, high = (to_score(end) for end in ensemble.interval(columns[fresh]))
        hit = (score[fresh] >= low) & (score[fresh] <= high)
        inside.append(hit.mean())
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


def test_too_few_patients_give_an_open_interval():
    low, high = cv_plus(np.zeros((4, 1)), np.ones((4, 1)), 0.9)
    assert low == -np.inf
    assert high == np.inf
    low, high = cv_plus(np.arange(19.0)[:, None], np.arange(19.0)[:, None], 0.9)
    assert (low, high) == (1.0, 17.0)

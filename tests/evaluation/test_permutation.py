"""Permutations in one pass give what the evaluation gives on tables dealt out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort
from scipy.stats import norm, rankdata

from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation.combine import pooled_rho
from mpss_lib.evaluation.conditional import remainder
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.permutation import (
    observed_remainder,
    order,
    permuted,
    permuted_remainder,
    statistics,
)
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.splits import draw
from mpss_lib.sections import EvaluationSettings

SMALL = {"n_outer": 4, "n_inner": 3, "seed": 5}
VARIANTS = (
    {},
    {"criterion": "sse", "p_remove": 0.1, "categorical_screen": "kruskal"},
    {"winner": "dev_r2", "final_coef": "train+dev", "outcome_transform": "log1p"},
    {"winner": "common_aic", "final_coef": "train"},
)
N = 90


@pytest.fixture(scope="module")
def tables():
    cohort = make_cohort(3, n=N, gamma=1.2, kappa=0.8)
    radiomics = dict(list(cohort.radiomics["MYO"].items())[24:36])
    return radiomics, cohort.clinical, cohort.scores["MYO"]


def given(tables, settings):
    radiomics, clinical, score = tables
    y = transform(score, settings)
    return encode({**radiomics, **clinical}), len(radiomics), y, settings, draw(N, settings)


def compare(null, number, g, whole, settings):
    """Fisher's X, mean r and pooled rho of one permutation and configuration."""
    test = whole.splits.test
    rho, _ = pooled_rho(whole.predictions[g], test, whole.outcome)
    wanted = (*statistics(whole.r[g], test.shape[1], settings), rho)
    found = (null.fisher[number, g], null.mean_r[number, g], null.pooled_rho[number, g])
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_dealt_outcomes_equal_the_evaluation_of_each(tables, variant):
    settings = EvaluationSettings(**SMALL, **variant)
    radiomics, clinical, score = tables
    null = permuted(*given(tables, settings), range(3))
    for number in null.numbers:
        dealt = score[order(number, N, settings.seed)]
        whole = evaluate(radiomics, clinical, dealt, settings)
        for g in range(3):
            compare(null, number, g, whole, settings)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_dealt_remainders_equal_the_evaluation_of_each(tables, variant):
    """By hand: least squares on the arm, deal what is left, least squares again, evaluate."""
    settings = EvaluationSettings(**SMALL, **variant)
    radiomics, clinical, score = tables
    y = transform(score, settings)
    left = remainder(radiomics, clinical, y, settings)
    null = permuted_remainder(left, settings, draw(N, settings), range(3))

    def without_arm(values):
        return values - left.arm @ np.linalg.lstsq(left.arm, values, rcond=None)[0]

    features = {
        name: without_arm(norm.ppf((rankdata(values) - 0.375) / (N + 0.25)))
        for name, values in radiomics.items()
    }
    plain = settings.model_copy(update={"outcome_transform": "none"})
    for number in null.numbers:
        dealt = without_arm(without_arm(y)[order(number, N, settings.seed)])
        compare(null, number, 0, evaluate(features, {}, dealt, plain), settings)


def test_a_deal_that_moves_nobody_gives_what_was_observed(tables, monkeypatch):
    settings = EvaluationSettings(**SMALL)
    radiomics, clinical, score = tables
    monkeypatch.setattr(
        "mpss_lib.evaluation.permutation.order", lambda _number, n, _seed: np.arange(n)
    )
    null = permuted(*given(tables, settings), [0])
    whole = evaluate(*tables, settings)
    for g in range(3):
        _, mean_r = statistics(whole.r[g], whole.splits.test.shape[1], settings)
        assert null.mean_r[0, g] == pytest.approx(mean_r, abs=1e-12)
    left = remainder(radiomics, clinical, score, settings)
    again = permuted_remainder(left, settings, whole.splits, [0])
    seen, r = observed_remainder(left, settings, whole.splits)
    assert again.mean_r == pytest.approx(seen.mean_r, abs=1e-9)
    assert seen.mean_r[0, 0] == pytest.approx(np.nan_to_num(r).mean())


def test_chunks_give_what_one_pass_gives(tables, monkeypatch):
    settings = EvaluationSettings(**SMALL)
    whole = permuted(*given(tables, settings), range(4), "max_loglik")
    assert whole.mean_r.shape == (4, 6)
    monkeypatch.setattr("mpss_lib.evaluation.permutation.BATCH", 3)
    apart = permuted(*given(tables, settings), range(4), "max_loglik")
    assert apart.mean_r.tolist() == whole.mean_r.tolist()
    alone = permuted(*given(tables, settings), [2])
    assert alone.mean_r[0].tolist() == whole.mean_r[2, :3].tolist()

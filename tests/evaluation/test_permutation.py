"""Permutations in one pass give what the evaluation gives on tables dealt out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.statistics_cohort import make_cohort

from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation.combine import pooled_rho
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.permutation import (
    OUTCOME,
    RADIOMIC_BLOCK,
    increment_test,
    order,
    permuted,
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
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_dealt_outcomes_equal_the_evaluation_of_each(tables, variant):
    settings = EvaluationSettings(**SMALL, **variant)
    radiomics, clinical, score = tables
    null = permuted(OUTCOME, *given(tables, settings), range(3))
    for number in null.numbers:
        dealt = score[order(number, OUTCOME, N, settings.seed)]
        whole = evaluate(radiomics, clinical, dealt, settings)
        for g in range(3):
            compare(null, number, g, whole, settings)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_dealt_radiomic_rows_equal_the_evaluation_of_each(tables, variant):
    """The radiomic rows keep their splits; clinical values and score come to them together."""
    settings = EvaluationSettings(**SMALL, **variant)
    radiomics, clinical, score = tables
    null = permuted(RADIOMIC_BLOCK, *given(tables, settings), range(3))
    assert np.isfinite(null.mean_r[:, 1:]).all()
    assert len(set(null.mean_r[:, 2])) == 3
    for number in null.numbers:
        deal = order(number, RADIOMIC_BLOCK, N, settings.seed)
        moved = {name: np.asarray(values)[deal] for name, values in clinical.items()}
        whole = evaluate(radiomics, moved, score[deal], settings)
        for g in (1, 2):
            compare(null, number, g, whole, settings)


def test_a_deal_that_moves_nobody_gives_what_was_observed(tables, monkeypatch):
    settings = EvaluationSettings(**SMALL)
    monkeypatch.setattr(
        "mpss_lib.evaluation.permutation.order", lambda _number, _kind, n, _seed: np.arange(n)
    )
    null = permuted(RADIOMIC_BLOCK, *given(tables, settings), [0])
    whole = evaluate(*tables, settings)
    for g in (1, 2):
        _, mean_r = statistics(whole.r[g], whole.splits.test.shape[1], settings)
        assert null.mean_r[0, g] == pytest.approx(mean_r, abs=1e-12)


def test_chunks_give_what_one_pass_gives(tables, monkeypatch):
    settings = EvaluationSettings(**SMALL)
    whole = permuted(RADIOMIC_BLOCK, *given(tables, settings), range(4))
    monkeypatch.setattr("mpss_lib.evaluation.permutation.BATCH", 3)
    apart = permuted(RADIOMIC_BLOCK, *given(tables, settings), range(4))
    assert apart.mean_r.tolist() == whole.mean_r.tolist()
    alone = permuted(RADIOMIC_BLOCK, *given(tables, settings), [2])
    assert alone.mean_r[0].tolist() == whole.mean_r[2].tolist()


def test_the_increment_compares_differences_of_the_same_deal():
    null = np.array([[0.1, 0.2], [0.3, 0.3], [0.0, 0.4]])
    found = increment_test(np.array([0.2, 0.5]), null)
    assert found.statistic == pytest.approx(0.3)
    assert found.p_value == (1 + 1) / 4

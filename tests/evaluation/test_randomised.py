from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from oracles.randomised import evaluate_slowly
from oracles.statistics_cohort import make_cohort

from mpss_lib.errors import WrongArgumentError
from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation.splits import draw
from mpss_lib.sections import EvaluationSettings

SMALL = {"n_outer": 3, "n_inner": 4}
VARIANTS = (
    {},
    {"winner": "max_aic", "criterion": "sse", "p_remove": 0.1},
    {"winner": "min_aic", "final_coef": "train", "loglik_variance": "mse"},
    {"winner": "dev_r2", "final_coef": "train+dev", "outcome_transform": "log1p"},
    {"winner": "common_aic", "final_coef": "train+dev", "categorical_screen": "kruskal"},
    {"winner": "max_loglik"},
)


@pytest.fixture(scope="module")
def tables():
    cohort = make_cohort(3, n=90)
    radiomics = dict(list(cohort.radiomics["MYO"].items())[24:36])
    return radiomics, cohort.clinical, cohort.scores["MYO"]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.get("winner", "as published"))
def test_equals_the_slow_twin(tables, variant):
    settings = EvaluationSettings(**SMALL, **variant)
    fast = evaluate(*tables, settings)
    slow = evaluate_slowly(*tables, settings, fast.splits)
    for g in range(3):
        for k in range(3):
            for inner in range(4):
                wanted = slow["fits"][g, k, inner]
                names = np.array(fast.design.names)
                assert set(names[fast.terms[k, inner, g]]) == wanted["terms"]
                assert set(names[fast.train_terms[k, inner, g]]) == wanted["train_terms"]
                assert fast.n_screened[k, inner, g] == wanted["n_screened"]
                if wanted["llf"] is not None:
                    assert fast.llf[k, inner, g] == pytest.approx(wanted["llf"], abs=1e-6)
            assert fast.winner[g, k] == slow["winner"][g, k]
            assert fast.r[g, k] == pytest.approx(slow["r"][g, k], abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("rival", ["max_loglik", "max_aic", "min_aic"])
def test_the_rival_takes_what_it_would_take_alone(tables, rival):
    """The same fits judged by another rule: as an evaluation with that rule alone."""
    settings = EvaluationSettings(**SMALL)
    both = evaluate(*tables, settings, rival=rival)
    alone = evaluate(*tables, settings.model_copy(update={"winner": rival}))
    plain = evaluate(*tables, settings)
    assert both.rival_winner.tolist() == alone.winner.tolist()
    assert np.array_equal(both.rival_r, alone.r, equal_nan=True)
    assert np.array_equal(both.r, plain.r, equal_nan=True)
    assert both.predictions.tobytes() == plain.predictions.tobytes()
    assert plain.rival_r.shape == (0, 3)


def test_one_outer_split_alone_gives_the_same(tables):
    settings = EvaluationSettings(**SMALL)
    whole = evaluate(*tables, settings)
    alone = evaluate(*tables, settings, splits=draw(90, settings, outer=[2]))
    assert alone.r[:, 0].tolist() == whole.r[:, 2].tolist()
    assert alone.predictions[:, 0].tolist() == whole.predictions[:, 2].tolist()


def test_splits_divide_the_patients_and_do_not_depend_on_each_other():
    settings = EvaluationSettings()
    splits = draw(428, settings)
    assert splits.test.shape == (50, 64)
    assert splits.train.shape == (50, 20, 273)
    assert splits.dev.shape == (50, 20, 91)
    for k in (0, 49):
        for inner in (0, 19):
            parts = [splits.test[k], splits.train[k, inner], splits.dev[k, inner]]
            assert sorted(np.concatenate(parts)) == list(range(428))
    assert len({tuple(row) for row in splits.dev.reshape(1000, -1)}) == 1000


def test_too_few_patients_are_named():
    with pytest.raises(WrongArgumentError, match="9 patients"):
        draw(9, EvaluationSettings())


@pytest.mark.parametrize("n", [14, 25, 45])
def test_small_cohorts_run_and_count_what_is_invalid(n):
    cohort = make_cohort(n, n=n)
    found = evaluate(cohort.radiomics["LAD3"], cohort.clinical, cohort.scores["LAD3"])
    invalid = found.states != 0
    assert invalid.any()
    assert np.isfinite(found.aic[~invalid]).all()
    assert ((found.winner >= 0) | ~found.is_valid).all()
    chosen = found.winner[0, 0]
    assert chosen < 0 or found.states[0, chosen, 0] == 0


def test_shuffled_outcomes_give_no_skill(tables):
    radiomics, clinical, score = tables
    settings = EvaluationSettings(n_outer=20, n_inner=5)
    means = []
    for seed in range(6):
        shuffled = np.random.default_rng(seed).permutation(score)
        means.append(np.nanmean(evaluate(radiomics, clinical, shuffled, settings).r))
    assert abs(np.mean(means)) < 0.12


def test_an_outcome_that_never_varies_is_no_valid_run(tables):
    radiomics, clinical, score = tables
    found = evaluate(radiomics, clinical, np.zeros_like(score), EvaluationSettings(**SMALL))
    assert not found.is_valid.any()
    assert (found.winner == -1).all()


def test_kernel_without_compilation(tables):
    """The same runs when numba is switched off: the loops are plain Python too."""
    radiomics, clinical, score = tables
    rows = slice(0, 30)
    given = {
        "radiomics": {name: values[rows].tolist() for name, values in list(radiomics.items())[:3]},
        "clinical": {name: clinical[name][rows].tolist() for name in ("sex", "age")},
        "outcome": score[rows].tolist(),
    }
    code = (
        "import json, sys; from mpss_lib.config import EvaluationSettings;"
        "from mpss_lib.evaluation import evaluate; given = json.load(sys.stdin);"
        "found = evaluate(**given, settings=EvaluationSettings(n_outer=1, n_inner=2));"
        "print(json.dumps([found.r.tolist(), found.winner.tolist()]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=Path(__file__).parents[2],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    r, winner = json.loads(answer.stdout)
    compiled = evaluate(**given, settings=EvaluationSettings(n_outer=1, n_inner=2))
    assert np.array(r) == pytest.approx(compiled.r, nan_ok=True)
    assert winner == compiled.winner.tolist()

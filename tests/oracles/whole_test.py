"""Every test of one segment from tables in memory, decided with as few deals as decide it.

A permutation test is judged at .05 by 19 deals and at .01 by 99: it rejects where none of them
reaches the observed statistic, which is exact for either number. The first deal that reaches it
settles the matter, so that a test without a finding takes some five deals.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.config import AS_PUBLISHED, CONFIGURATIONS, CORRECTED, Config
from mpss_lib.evaluation import combine, evaluate
from mpss_lib.evaluation.conditional import remainder
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.permutation import (
    observed_remainder,
    order,
    permuted,
    permuted_remainder,
    statistics,
)
from mpss_lib.evaluation.randomised import run, transform
from mpss_lib.evaluation.splits import draw
from mpss_lib.profiles import evaluation_profiles

LEVELS = {0.05: 19, 0.01: 99}
"""Deals by level."""

STEPS = (3, 8, 19, 39, 59, 79, 99)
PERMUTED = ("permutation_fisher", "permutation_mean_r", "permutation_pooled")


def settle(observed, make):
    """Whether each test rejects at .05 and at .01; ``make`` gives (deals, tests) of numbers."""
    observed = np.asarray(observed, float)
    is_open = np.ones(len(observed), bool)
    rejects = np.zeros((len(observed), len(LEVELS)), bool)
    done = 0
    for until in STEPS:
        dealt = make(range(done, until))
        with np.errstate(invalid="ignore"):
            is_open &= ~(dealt >= observed - 1e-12 * np.abs(observed)).any(axis=0)
        is_open &= np.isfinite(observed)
        done = until
        for k, deals in enumerate(LEVELS.values()):
            if deals == done:
                rejects[:, k] = is_open
        if not is_open.any():
            break
    return rejects.tolist()


def of_profile(profile, cohort, score, settings):
    """Tests of the three configurations in one frozen profile, by name."""
    own = evaluation_profiles(Config(evaluation=settings))[profile]
    radiomics = cohort.radiomics["MYO"]
    whole = evaluate(radiomics, cohort.clinical, score, own)
    n_test = whole.splits.test.shape[1]
    found, observed, names = {}, [], []
    for g, configuration in enumerate(CONFIGURATIONS):
        guess = (whole.predictions[g], whole.splits.test, whole.outcome)
        plain = {
            "fisher": combine.fisher(whole.p_value[g], whole.is_valid[g], own.invalid_run),
            "pooled_spearman": combine.pooled_spearman(*guess),
            "nadeau_bengio": combine.nadeau_bengio(whole.r[g], n_test, len(score) - n_test),
        }
        for name, test in plain.items():
            p = 1.0 if np.isnan(test.p_value) else test.p_value
            found[f"{profile} {configuration} {name}"] = [p <= level for level in LEVELS]
        observed += [*statistics(whole.r[g], n_test, own), plain["pooled_spearman"].statistic]
        names += [f"{profile} {configuration} {name}" for name in PERMUTED]

    def make(numbers):
        null = permuted(whole.design, len(radiomics), whole.outcome, own, whole.splits, numbers)
        both = np.stack([null.fisher, null.mean_r, null.pooled_rho], axis=2)
        return both.reshape(len(numbers), -1)

    return found | dict(zip(names, settle(observed, make), strict=True))


def conditional(cohort, score, settings):
    """What radiomics add, in ``corrected``."""
    own = evaluation_profiles(Config(evaluation=settings))[CORRECTED]
    y = transform(score, own)
    left = remainder(cohort.radiomics["MYO"], cohort.clinical, y, own)
    splits = draw(len(y), own)
    seen, _ = observed_remainder(left, own, splits)

    def make(numbers):
        null = permuted_remainder(left, own, splits, numbers)
        return np.column_stack([null.mean_r[:, 0], null.pooled_rho[:, 0]])

    names = ("conditional_mean_r", "conditional_pooled")
    decided = settle([seen.mean_r[0, 0], seen.pooled_rho[0, 0]], make)
    return {f"corrected combined {n}": one for n, one in zip(names, decided, strict=True)}


def independence(cohort, score, settings):
    """The test of before: deal the radiomic rows, compare the gain over the clinical terms.

    It asks whether the features are independent of clinical terms *and* score.
    """
    own = evaluation_profiles(Config(evaluation=settings))[CORRECTED]
    y = transform(score, own)
    splits = draw(len(y), own)
    radiomics = cohort.radiomics["MYO"]

    def gain(deal):
        clinical = {name: np.asarray(values)[deal] for name, values in cohort.clinical.items()}
        design = encode({**radiomics, **clinical})
        raw = run(
            design, len(radiomics), y[deal][None, :], own, splits,
            is_kept=False, configurations=(1, 2),
        )  # fmt: skip
        mean = np.nan_to_num(raw.correlations[0]).mean(axis=0)
        return mean[2] - mean[1]

    def make(numbers):
        deals = [order(number, len(y), own.seed + 1) for number in numbers]
        return np.array([[gain(deal)] for deal in deals])

    [decided] = settle([gain(np.arange(len(y)))], make)
    return {"corrected combined independence_mean_r": decided}


GROUPS = {
    "conditional": conditional,
    "independence": independence,
    CORRECTED: lambda *given: of_profile(CORRECTED, *given),
    AS_PUBLISHED: lambda *given: of_profile(AS_PUBLISHED, *given),
}
"""What is asked together, by name: called with cohort, score, settings."""

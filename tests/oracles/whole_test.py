"""Every test of one segment from tables in memory: what the stage does, without a lake."""

from __future__ import annotations

import numpy as np

from mpss_lib.config import CORRECTED, Config
from mpss_lib.evaluation import CONFIGURATIONS, combine, evaluate
from mpss_lib.evaluation.permutation import (
    OUTCOME,
    RADIOMIC_BLOCK,
    increment_test,
    permuted,
    statistics,
)
from mpss_lib.profiles import evaluation_profiles


def p_values(radiomics, clinical, score, settings, permutations):
    """Map ``profile configuration test`` to its p-value."""
    found = {}
    for profile, own in evaluation_profiles(Config(evaluation=settings)).items():
        whole = evaluate(radiomics, clinical, score, own)
        given = (
            whole.design,
            len(radiomics),
            whole.outcome,
            own,
            whole.splits,
            range(permutations),
        )
        n_test = whole.splits.test.shape[1]
        null = permuted(OUTCOME, *given)
        observed = [statistics(whole.r[g], n_test, own) for g in range(3)]
        for g, configuration in enumerate(CONFIGURATIONS):
            tests = {
                "fisher": combine.fisher(whole.p_value[g], whole.is_valid[g], own.invalid_run),
                "pooled_spearman": combine.pooled_spearman(
                    whole.predictions[g], whole.splits.test, whole.outcome
                ),
                "nadeau_bengio": combine.nadeau_bengio(
                    whole.r[g], n_test, len(whole.outcome) - n_test
                ),
                "permutation_fisher": combine.permutation_test(observed[g][0], null.fisher[:, g]),
                "permutation_mean_r": combine.permutation_test(observed[g][1], null.mean_r[:, g]),
            }
            rho = tests["pooled_spearman"].statistic
            tests["permutation_pooled"] = combine.permutation_test(rho, null.pooled_rho[:, g])
            for name, test in tests.items():
                p = test.p_value
                found[f"{profile} {configuration} {name}"] = 1.0 if np.isnan(p) else p
        if profile == CORRECTED:
            block = permuted(RADIOMIC_BLOCK, *given)
            test = increment_test(np.array([observed[1][1], observed[2][1]]), block.mean_r[:, 1:])
            found[f"{profile} combined increment_mean_r"] = test.p_value
    return found

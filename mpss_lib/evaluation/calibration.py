"""How often each test rejects where it is known what is there: the report quotes it.

Measured with ``tests/bench/null_calibration.py`` and ``tests/bench/planted_effects.py`` on
synthetic tables of 428 patients; the scripts print the rows as they stand here.
"""

from __future__ import annotations

NULL_LEVELS = (0.01, 0.05)
NULL: tuple[tuple[str, str, int, int, int], ...] = (
    ("null", "as_published_loglik clinical fisher", 600, 21, 43),
    ("null", "as_published_loglik clinical nadeau_bengio", 600, 0, 3),
    ("null", "as_published_loglik clinical permutation_fisher", 600, 7, 31),
    ("null", "as_published_loglik clinical permutation_mean_r", 600, 6, 39),
    ("null", "as_published_loglik clinical permutation_pooled", 600, 7, 30),
    ("null", "as_published_loglik clinical pooled_spearman", 600, 7, 39),
    ("null", "as_published_loglik combined fisher", 600, 12, 43),
    ("null", "as_published_loglik combined nadeau_bengio", 600, 0, 0),
    ("null", "as_published_loglik combined permutation_fisher", 600, 3, 26),
    ("null", "as_published_loglik combined permutation_mean_r", 600, 7, 37),
    ("null", "as_published_loglik combined permutation_pooled", 600, 8, 38),
    ("null", "as_published_loglik combined pooled_spearman", 600, 8, 36),
    ("null", "as_published_loglik radiomics fisher", 600, 13, 38),
    ("null", "as_published_loglik radiomics nadeau_bengio", 600, 0, 1),
    ("null", "as_published_loglik radiomics permutation_fisher", 600, 4, 24),
    ("null", "as_published_loglik radiomics permutation_mean_r", 600, 6, 31),
    ("null", "as_published_loglik radiomics permutation_pooled", 600, 5, 31),
    ("null", "as_published_loglik radiomics pooled_spearman", 600, 9, 30),
    ("null", "corrected clinical fisher", 369, 84, 109),
    ("null", "corrected clinical nadeau_bengio", 369, 12, 47),
    ("null", "corrected clinical permutation_fisher", 369, 3, 22),
    ("null", "corrected clinical permutation_mean_r", 369, 3, 22),
    ("null", "corrected clinical permutation_pooled", 369, 8, 25),
    ("null", "corrected clinical pooled_spearman", 369, 9, 22),
    ("null", "corrected combined conditional_mean_r", 369, 5, 18),
    ("null", "corrected combined conditional_pooled", 369, 3, 14),
    ("null", "corrected combined fisher", 369, 87, 112),
    ("null", "corrected combined nadeau_bengio", 369, 9, 35),
    ("null", "corrected combined permutation_fisher", 369, 2, 31),
    ("null", "corrected combined permutation_mean_r", 369, 2, 29),
    ("null", "corrected combined permutation_pooled", 369, 1, 24),
    ("null", "corrected combined pooled_spearman", 369, 14, 41),
    ("null", "corrected radiomics fisher", 369, 74, 99),
    ("null", "corrected radiomics nadeau_bengio", 369, 6, 36),
    ("null", "corrected radiomics permutation_fisher", 369, 3, 26),
    ("null", "corrected radiomics permutation_mean_r", 369, 4, 29),
    ("null", "corrected radiomics permutation_pooled", 369, 2, 23),
    ("null", "corrected radiomics pooled_spearman", 369, 8, 33),
    ("convex", "corrected combined conditional_mean_r", 200, 3, 7),
    ("convex", "corrected combined conditional_pooled", 200, 2, 7),
    ("threshold", "corrected combined conditional_mean_r", 200, 1, 12),
    ("threshold", "corrected combined conditional_pooled", 200, 2, 11),
    ("interaction", "corrected combined conditional_mean_r", 200, 2, 8),
    ("interaction", "corrected combined conditional_pooled", 200, 1, 8),
    ("convex", "corrected combined independence_mean_r", 10, 4, 4),
)
"""World; profile, configuration and test; cohorts; rejections at .01 and at .05."""

PLANTED_COHORTS = 20
STRENGTHS = (0.0, 0.4, 0.8, 1.2)
PLANTED: tuple[tuple[str, int | None, int | None, int | None, int | None], ...] = (
    ("corrected combined conditional_mean_r", 0, 8, 20, 20),
    ("corrected combined conditional_pooled", 0, 11, 20, 20),
    ("corrected combined independence_mean_r", None, 7, None, None),
)
"""Profile, configuration and test; rejections at .05 by strength, None where not asked."""

"""How often each test rejects where it is known what is there: the report quotes it.

Measured with ``tests/bench/null_calibration.py`` and ``tests/bench/planted_effects.py`` on
synthetic tables of 428 patients; the scripts print the rows as they stand here.
"""

from __future__ import annotations

NULL_LEVELS = (0.01, 0.05)
NULL: tuple[tuple[str, str, int, int, int], ...] = (
    ("null", "as_published clinical fisher", 600, 19, 49),
    ("null", "as_published clinical nadeau_bengio", 600, 0, 8),
    ("null", "as_published clinical permutation_fisher", 600, 8, 28),
    ("null", "as_published clinical permutation_mean_r", 600, 5, 30),
    ("null", "as_published clinical permutation_pooled", 600, 8, 33),
    ("null", "as_published clinical pooled_spearman", 600, 9, 39),
    ("null", "as_published combined fisher", 600, 27, 50),
    ("null", "as_published combined nadeau_bengio", 600, 0, 5),
    ("null", "as_published combined permutation_fisher", 600, 10, 41),
    ("null", "as_published combined permutation_mean_r", 600, 8, 31),
    ("null", "as_published combined permutation_pooled", 600, 3, 23),
    ("null", "as_published combined pooled_spearman", 600, 7, 34),
    ("null", "as_published radiomics fisher", 600, 26, 52),
    ("null", "as_published radiomics nadeau_bengio", 600, 1, 4),
    ("null", "as_published radiomics permutation_fisher", 600, 11, 37),
    ("null", "as_published radiomics permutation_mean_r", 600, 6, 33),
    ("null", "as_published radiomics permutation_pooled", 600, 6, 29),
    ("null", "as_published radiomics pooled_spearman", 600, 7, 28),
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
    ("null", "corrected clinical fisher", 600, 123, 162),
    ("null", "corrected clinical nadeau_bengio", 600, 14, 62),
    ("null", "corrected clinical permutation_fisher", 600, 3, 31),
    ("null", "corrected clinical permutation_mean_r", 600, 3, 31),
    ("null", "corrected clinical permutation_pooled", 600, 10, 37),
    ("null", "corrected clinical pooled_spearman", 600, 11, 29),
    ("null", "corrected combined conditional_mean_r", 600, 6, 34),
    ("null", "corrected combined conditional_pooled", 600, 5, 32),
    ("null", "corrected combined fisher", 600, 137, 172),
    ("null", "corrected combined nadeau_bengio", 600, 15, 52),
    ("null", "corrected combined permutation_fisher", 600, 6, 46),
    ("null", "corrected combined permutation_mean_r", 600, 5, 43),
    ("null", "corrected combined permutation_pooled", 600, 4, 35),
    ("null", "corrected combined pooled_spearman", 600, 22, 58),
    ("null", "corrected radiomics fisher", 600, 121, 158),
    ("null", "corrected radiomics nadeau_bengio", 600, 13, 59),
    ("null", "corrected radiomics permutation_fisher", 600, 5, 40),
    ("null", "corrected radiomics permutation_mean_r", 600, 6, 46),
    ("null", "corrected radiomics permutation_pooled", 600, 4, 40),
    ("null", "corrected radiomics pooled_spearman", 600, 15, 58),
    ("again", "corrected clinical permutation_fisher", 480, 4, 19),
    ("again", "corrected clinical permutation_mean_r", 480, 3, 17),
    ("again", "corrected clinical permutation_pooled", 480, 9, 26),
    ("again", "corrected combined permutation_fisher", 480, 4, 16),
    ("again", "corrected combined permutation_mean_r", 480, 3, 16),
    ("again", "corrected combined permutation_pooled", 480, 5, 20),
    ("again", "corrected radiomics permutation_fisher", 480, 4, 24),
    ("again", "corrected radiomics permutation_mean_r", 480, 4, 25),
    ("again", "corrected radiomics permutation_pooled", 480, 4, 28),
    ("linear", "corrected combined conditional_mean_r", 200, 2, 12),
    ("linear", "corrected combined conditional_pooled", 200, 3, 8),
    ("convex", "corrected combined conditional_mean_r", 200, 3, 7),
    ("convex", "corrected combined conditional_pooled", 200, 2, 7),
    ("threshold", "corrected combined conditional_mean_r", 200, 1, 12),
    ("threshold", "corrected combined conditional_pooled", 200, 2, 11),
    ("interaction", "corrected combined conditional_mean_r", 200, 2, 8),
    ("interaction", "corrected combined conditional_pooled", 200, 1, 8),
    ("convex", "corrected combined independence_mean_r", 10, 4, 4),
)
"""World; profile, configuration and test; cohorts; rejections at .01 and at .05.

``again`` is ``null`` on further cohorts (seeds from 5000), for the permutation tests of
``corrected``.
"""

PLANTED_COHORTS = 20
STRENGTHS = (0.0, 0.4, 0.8, 1.2)
PLANTED: tuple[tuple[str, int | None, int | None, int | None, int | None], ...] = (
    ("corrected combined conditional_mean_r", 0, 8, 20, 20),
    ("corrected combined conditional_pooled", 0, 11, 20, 20),
    ("corrected combined independence_mean_r", None, 7, None, None),
)
"""Profile, configuration and test; rejections at .05 by strength, None where not asked."""

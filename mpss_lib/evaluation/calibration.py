"""How often each test rejects where it is known what is there: the report quotes it.

Measured with ``tests/bench/null_calibration.py`` and ``tests/bench/planted_effects.py`` on
synthetic tables of 428 patients; the scripts print the rows as they stand here.
"""

from __future__ import annotations

NULL_COHORTS = 300
NULL_LIMITS = (8, 24)
"""A calibrated test holds its level if it rejects at most so many of 300 null cohorts."""

NULL: tuple[tuple[str, int, int], ...] = (
    ("as_published clinical fisher", 11, 25),
    ("as_published clinical nadeau_bengio", 0, 3),
    ("as_published clinical permutation_fisher", 3, 17),
    ("as_published clinical permutation_mean_r", 3, 22),
    ("as_published clinical permutation_pooled", 3, 14),
    ("as_published clinical pooled_spearman", 4, 22),
    ("as_published combined fisher", 6, 20),
    ("as_published combined nadeau_bengio", 0, 0),
    ("as_published combined permutation_fisher", 1, 13),
    ("as_published combined permutation_mean_r", 2, 21),
    ("as_published combined permutation_pooled", 5, 19),
    ("as_published combined pooled_spearman", 3, 21),
    ("as_published radiomics fisher", 5, 24),
    ("as_published radiomics nadeau_bengio", 0, 0),
    ("as_published radiomics permutation_fisher", 0, 13),
    ("as_published radiomics permutation_mean_r", 1, 19),
    ("as_published radiomics permutation_pooled", 4, 13),
    ("as_published radiomics pooled_spearman", 5, 10),
    ("corrected clinical fisher", 73, 98),
    ("corrected clinical nadeau_bengio", 11, 42),
    ("corrected clinical permutation_fisher", 1, 22),
    ("corrected clinical permutation_mean_r", 1, 22),
    ("corrected clinical permutation_pooled", 6, 19),
    ("corrected clinical pooled_spearman", 6, 17),
    ("corrected combined fisher", 77, 96),
    ("corrected combined increment_mean_r", 5, 20),
    ("corrected combined nadeau_bengio", 9, 31),
    ("corrected combined permutation_fisher", 2, 25),
    ("corrected combined permutation_mean_r", 2, 20),
    ("corrected combined permutation_pooled", 1, 23),
    ("corrected combined pooled_spearman", 11, 37),
    ("corrected radiomics fisher", 66, 87),
    ("corrected radiomics nadeau_bengio", 6, 33),
    ("corrected radiomics permutation_fisher", 3, 20),
    ("corrected radiomics permutation_mean_r", 3, 20),
    ("corrected radiomics permutation_pooled", 2, 23),
    ("corrected radiomics pooled_spearman", 8, 30),
)
"""Profile, configuration and test; rejections at .01 and at .05."""

PLANTED_COHORTS = 20
PLANTED: tuple[tuple[str, str, int, int, int], ...] = (
    ("corrected combined increment_mean_r", "MYO", 20, 1, 20),
    ("corrected radiomics permutation_mean_r", "MYO", 3, 2, 20),
    ("corrected radiomics pooled_spearman", "MYO", 4, 2, 20),
    ("as_published radiomics permutation_mean_r", "MYO", 2, 1, 20),
    ("as_published radiomics fisher", "MYO", 3, 3, 20),
    ("corrected combined increment_mean_r", "LAD3", 20, 0, 20),
    ("corrected radiomics permutation_mean_r", "LAD3", 0, 2, 20),
    ("corrected radiomics pooled_spearman", "LAD3", 0, 1, 20),
    ("as_published radiomics permutation_mean_r", "LAD3", 0, 2, 20),
    ("as_published radiomics fisher", "LAD3", 3, 7, 20),
)
"""Test and segment; rejections at .05 where an effect was planted, where there was nothing, and
where the signal was open."""

"""How often each test rejects where it is known what is there: the report quotes it.

Measured with ``tests/bench/null_calibration.py`` and ``tests/bench/planted_effects.py`` on
synthetic tables of 428 patients; the scripts print the rows as they stand here.
"""

from __future__ import annotations

NULL_COHORTS = 600
NULL_LIMITS = (16, 48)
"""A calibrated test holds its level if it rejects at most so many: 8 and 24 of each 300."""

NULL: tuple[tuple[str, int, int], ...] = (
    ("as_published clinical fisher", 21, 43),
    ("as_published clinical nadeau_bengio", 0, 3),
    ("as_published clinical permutation_fisher", 7, 31),
    ("as_published clinical permutation_mean_r", 6, 39),
    ("as_published clinical permutation_pooled", 7, 30),
    ("as_published clinical pooled_spearman", 7, 39),
    ("as_published combined fisher", 12, 43),
    ("as_published combined nadeau_bengio", 0, 0),
    ("as_published combined permutation_fisher", 3, 26),
    ("as_published combined permutation_mean_r", 7, 37),
    ("as_published combined permutation_pooled", 8, 38),
    ("as_published combined pooled_spearman", 8, 36),
    ("as_published radiomics fisher", 13, 38),
    ("as_published radiomics nadeau_bengio", 0, 1),
    ("as_published radiomics permutation_fisher", 4, 24),
    ("as_published radiomics permutation_mean_r", 6, 31),
    ("as_published radiomics permutation_pooled", 5, 31),
    ("as_published radiomics pooled_spearman", 9, 30),
    ("corrected clinical fisher", 124, 168),
    ("corrected clinical nadeau_bengio", 17, 68),
    ("corrected clinical permutation_fisher", 3, 34),
    ("corrected clinical permutation_mean_r", 3, 33),
    ("corrected clinical permutation_pooled", 10, 36),
    ("corrected clinical pooled_spearman", 11, 30),
    ("corrected combined fisher", 134, 170),
    ("corrected combined nadeau_bengio", 15, 52),
    ("corrected combined permutation_fisher", 6, 39),
    ("corrected combined permutation_mean_r", 5, 36),
    ("corrected combined permutation_pooled", 4, 37),
    ("corrected combined pooled_spearman", 20, 57),
    ("corrected radiomics fisher", 121, 158),
    ("corrected radiomics nadeau_bengio", 13, 59),
    ("corrected radiomics permutation_fisher", 5, 40),
    ("corrected radiomics permutation_mean_r", 6, 37),
    ("corrected radiomics permutation_pooled", 4, 40),
    ("corrected radiomics pooled_spearman", 15, 58),
)
"""Profile, configuration and test; rejections at .01 and at .05."""

PLANTED_COHORTS = 20
PLANTED: tuple[tuple[str, str, int, int, int], ...] = (
    ("corrected radiomics permutation_mean_r", "MYO", 3, 2, 20),
    ("corrected radiomics pooled_spearman", "MYO", 4, 2, 20),
    ("as_published radiomics permutation_mean_r", "MYO", 2, 1, 20),
    ("as_published radiomics fisher", "MYO", 3, 3, 20),
    ("corrected radiomics permutation_mean_r", "LAD3", 0, 2, 20),
    ("corrected radiomics pooled_spearman", "LAD3", 0, 1, 20),
    ("as_published radiomics permutation_mean_r", "LAD3", 0, 2, 20),
    ("as_published radiomics fisher", "LAD3", 3, 7, 20),
)
"""Test and segment; rejections at .05 where an effect was planted, where there was nothing, and
where the signal was open."""

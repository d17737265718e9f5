"""What the whole procedure gives when there is nothing to find.

``outcome``: the scores are dealt out anew among the patients. ``radiomic_block``: the rows of the
radiomic features are dealt out anew, clinical values and scores stay together; what the combined
configuration then gains over the clinical one is chance. A permutation depends on the seed and
its number only, so that chunks can be made apart and resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.config import EvaluationSettings
from mpss_lib.evaluation.combine import correlation_p, fisher
from mpss_lib.evaluation.design import Design, Floats, Ints
from mpss_lib.evaluation.randomised import run
from mpss_lib.evaluation.splits import Splits

OUTCOME, RADIOMIC_BLOCK = "outcome", "radiomic_block"
_STREAM = 1 << 20
BATCH = 100
"""Permuted outcomes that share the cross-products of one pass."""


@dataclass(frozen=True)
class Null:
    """Statistics of the permutations ``numbers``, shape (permutations, 3 configurations)."""

    numbers: tuple[int, ...]
    fisher: Floats
    mean_r: Floats


def statistics(r: Floats, n_test: int, settings: EvaluationSettings) -> tuple[float, float]:
    """Fisher's X and the mean correlation of the runs; an invalid run counts as r = 0."""
    is_valid = np.isfinite(r)
    p = correlation_p(r, n_test, settings.p_side)
    count = len(r) if settings.invalid_run == "p1" else max(int(is_valid.sum()), 1)
    return (
        fisher(p, is_valid, settings.invalid_run).statistic,
        float(np.where(is_valid, r, 0.0).sum() / count),
    )


def order(number: int, kind: str, n: int, seed: int) -> Ints:
    """Draw the permutation with this number."""
    stream = [seed, _STREAM, int(kind == RADIOMIC_BLOCK), number]
    drawn: Ints = np.random.default_rng(stream).permutation(n)
    return drawn


def permuted_outcomes(
    design: Design,
    n_radiomics: int,
    outcome: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    numbers: Sequence[int],
) -> Null:
    """Run the evaluation on dealt-out outcomes (already transformed)."""
    parts = []
    for begin in range(0, len(numbers), BATCH):
        batch = numbers[begin : begin + BATCH]
        outcomes = np.array(
            [outcome[order(k, OUTCOME, len(outcome), settings.seed)] for k in batch]
        )
        raw = run(design, n_radiomics, outcomes, settings, splits, is_kept=False)
        parts.append(raw.correlations)
    return _null(numbers, parts, splits, settings)


def permuted_radiomics(
    design: Design,
    n_radiomics: int,
    outcome: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    numbers: Sequence[int],
) -> Null:
    """Run the combined configuration on dealt-out radiomic rows."""
    last = int(design.first[n_radiomics])
    parts = []
    for k in numbers:
        rows = order(k, RADIOMIC_BLOCK, len(outcome), settings.seed)
        columns, codes = design.columns.copy(), design.codes.copy()
        columns[:, :last] = design.columns[rows, :last]
        codes[:n_radiomics] = design.codes[:n_radiomics, rows]
        shuffled = replace(design, columns=columns, codes=codes)
        raw = run(
            shuffled, n_radiomics, outcome[None, :], settings, splits,
            is_kept=False, configurations=(2,),
        )  # fmt: skip
        parts.append(raw.correlations)
    return _null(numbers, parts, splits, settings)


def _null(
    numbers: Sequence[int], parts: list[Floats], splits: Splits, settings: EvaluationSettings
) -> Null:
    r = np.concatenate(parts) if parts else np.zeros((0, len(splits.outer), 3))
    n_test = splits.test.shape[1]
    both = np.array(
        [[statistics(r[k, :, g], n_test, settings) for g in range(3)] for k in range(len(r))]
    ).reshape(len(r), 3, 2)
    return Null(tuple(numbers), both[..., 0], both[..., 1])

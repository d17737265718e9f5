"""What the whole procedure gives when there is nothing to find.

``outcome``: the scores are dealt out anew among the patients. ``radiomic_block``: the rows of the
radiomic features are dealt out anew among the patients, whose clinical values and scores stay
together; what the combined configuration then gains over the clinical one is chance. The splits
follow the radiomic rows, and both configurations are run on the same deal: with radiomics
independent of the rest the deals and the observed order are exchangeable, so the test is exact, and
the cross-products of the radiomic columns are made once for all deals. A permutation depends on
the seed and its number only, so that parts can be made apart and resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.evaluation.combine import Test, correlation_p, fisher, permutation_test, pooled_rho
from mpss_lib.evaluation.design import Design, Floats, Ints
from mpss_lib.evaluation.randomised import Raw, run
from mpss_lib.evaluation.splits import Splits
from mpss_lib.sections import EvaluationSettings
from mpss_lib.tables import digest_of

OUTCOME, RADIOMIC_BLOCK = "outcome", "radiomic_block"
_STREAM = 1 << 20
BATCH = 100
"""Permuted outcomes that share the cross-products of one pass."""


@dataclass(frozen=True)
class Null:
    """Statistics of the permutations ``numbers``, shape (permutations, winners).

    Winners are those of the 3 configurations, and after them those of a rival rule.
    """

    numbers: tuple[int, ...]
    fisher: Floats
    mean_r: Floats
    pooled_rho: Floats


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


def permutation_parts(
    cohort: str, segment: str, settings: EvaluationSettings
) -> list[tuple[str, range]]:
    """Key and numbers of each part of a segment's permutations, as the lake holds them."""
    size, count = settings.permutation_chunk, settings.permutations
    return [
        (f"{cohort}-{segment}-{k}", range(first, min(first + size, count)))
        for k, first in enumerate(range(0, count, size))
    ]


def part_digest(inputs_digest: str, numbers: range) -> str:
    """Digest of the permutations ``numbers`` of these inputs."""
    return digest_of([inputs_digest, f"{numbers.start}-{numbers.stop}"])


def permuted(
    kind: str,
    design: Design,
    n_radiomics: int,
    outcome: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    numbers: Sequence[int],
    rival: str = "",
) -> Null:
    """Run the evaluation on the permutations ``numbers`` of one kind.

    ``OUTCOME``: the outcome (already transformed) is dealt out. ``RADIOMIC_BLOCK``: the clinical
    and the combined configuration on dealt-out radiomic rows; those keep their places in the
    splits, clinical values and outcome come to them.
    """
    parts = []
    for begin in range(0, len(numbers), BATCH):
        batch = numbers[begin : begin + BATCH]
        deals = np.array([order(k, kind, len(outcome), settings.seed) for k in batch])
        outcomes = outcome[deals]
        if kind == OUTCOME:
            raw = run(design, n_radiomics, outcomes, settings, splits, is_kept=False, rival=rival)
        else:
            raw = run(
                design, n_radiomics, outcomes, settings, splits,
                is_kept=False, configurations=(1, 2), deals=deals,
            )  # fmt: skip
        parts.append(_statistics(raw, outcomes, splits, settings))
    return _null(numbers, parts)


def increment_test(observed: Floats, null: Floats) -> Test:
    """Whether the combined configuration gains more over the clinical one than chance gives.

    Parameters
    ----------
    observed : (2,) float64
        Mean r of the clinical and of the combined configuration.
    null : (permutations, 2) float64
        The same of each deal of the radiomic rows.
    """
    return permutation_test(float(observed[1] - observed[0]), null[:, 1] - null[:, 0])


def _statistics(raw: Raw, outcomes: Floats, splits: Splits, settings: EvaluationSettings) -> Floats:
    """(permutations, winners, 3): Fisher's X, mean r, pooled rho."""
    n_test = splits.test.shape[1]
    return np.array(
        [
            [
                (
                    *statistics(raw.correlations[k, :, g], n_test, settings),
                    pooled_rho(raw.predictions[k, :, g], splits.test, outcomes[k])[0],
                )
                for g in range(raw.correlations.shape[2])
            ]
            for k in range(len(outcomes))
        ]
    )


def _null(numbers: Sequence[int], parts: list[Floats]) -> Null:
    found = np.concatenate(parts) if parts else np.zeros((0, 3, 3))
    return Null(tuple(numbers), found[..., 0], found[..., 1], found[..., 2])

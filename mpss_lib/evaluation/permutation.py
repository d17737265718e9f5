"""What the whole procedure gives when there is nothing to find.

``outcome``: the scores are dealt out anew among the patients. ``conditional``: what the clinical
arm leaves of the scores is dealt out, and the arm taken out of every deal again (see
``conditional``); what is left of the features then predicts it by chance alone. A permutation
depends on the seed and its number only, so that parts can be made apart and resumed; every
segment, profile and kind has the same deals, so that tests can be judged together (see
``family``).

Deals that begin with the observed one make the test exact: Phipson and Smyth 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.evaluation.combine import correlation_p, fisher, pooled_rho
from mpss_lib.evaluation.conditional import Remainder
from mpss_lib.evaluation.design import Design, Floats, Ints
from mpss_lib.evaluation.randomised import Raw, run
from mpss_lib.evaluation.splits import Splits
from mpss_lib.sections import EvaluationSettings
from mpss_lib.tables import digest_of

OUTCOME, CONDITIONAL = "outcome", "conditional"
_STREAM = 1 << 20
BATCH = 100
"""Permuted outcomes that share the cross-products of one pass."""


@dataclass(frozen=True)
class Null:
    """Statistics of the permutations ``numbers``, shape (permutations, winners).

    Winners are those of the 3 configurations, and after them those of a rival rule; of a remainder
    there is one, its features.
    """

    numbers: tuple[int, ...]
    fisher: Floats
    mean_r: Floats
    pooled_rho: Floats


def statistics(r: Floats, n_test: int, settings: EvaluationSettings) -> tuple[float, float]:
    """Fisher's X and the mean correlation of the runs; an invalid run counts as r = 0.

    Parameters
    ----------
    r : (runs,) float64 array
    n_test : int
        Patients of a test set.
    settings : EvaluationSettings
        Side of p, and what an invalid run counts.

    Returns
    -------
    x, mean_r : float
    """
    is_valid = np.isfinite(r)
    p = correlation_p(r, n_test, settings.p_side)
    count = len(r) if settings.invalid_run == "p1" else max(int(is_valid.sum()), 1)
    return (
        fisher(p, is_valid, settings.invalid_run).statistic,
        float(np.where(is_valid, r, 0.0).sum() / count),
    )


def order(number: int, n: int, seed: int) -> Ints:
    """Draw the permutation with this number.

    Parameters
    ----------
    number : int
    n : int
        Patients.
    seed : int

    Returns
    -------
    (n,) int64 array
        Always the same for these three.
    """
    drawn: Ints = np.random.default_rng([seed, _STREAM, 0, number]).permutation(n)
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
    design: Design,
    n_radiomics: int,
    outcome: Floats,
    settings: EvaluationSettings,
    splits: Splits,
    numbers: Sequence[int],
    rival: str = "",
) -> Null:
    """Run the evaluation on the outcome (already transformed) dealt out by ``numbers``.

    Parameters
    ----------
    design : Design
    n_radiomics : int
        Terms that are features: they stand first.
    outcome : (n,) float64 array
        On the scale that is fitted.
    settings : EvaluationSettings
    splits : Splits
    numbers : sequence of int
        Which deals.
    rival : str
        Another rule that takes its winners among the same fits.

    Returns
    -------
    Null
        A row for each deal.
    """
    parts = []
    for batch in _batches(numbers):
        outcomes = outcome[_deals(batch, len(outcome), settings)]
        raw = run(design, n_radiomics, outcomes, settings, splits, is_kept=False, rival=rival)
        parts.append(_statistics(raw, outcomes, splits, settings, range(6 if rival else 3)))
    return _null(numbers, parts)


def permuted_remainder(
    left: Remainder, settings: EvaluationSettings, splits: Splits, numbers: Sequence[int]
) -> Null:
    """Let the features' remainder predict the outcome's, dealt out by ``numbers``."""
    parts = []
    for batch in _batches(numbers):
        outcomes = left.dealt(_deals(batch, len(left.outcome), settings))
        parts.append(_remaining(left, outcomes, settings, splits)[0])
    return _null(numbers, parts)


def observed_remainder(
    left: Remainder, settings: EvaluationSettings, splits: Splits
) -> tuple[Null, Floats]:
    """Let the features' remainder predict the outcome's as it is.

    Parameters
    ----------
    left : Remainder
    settings : EvaluationSettings
    splits : Splits

    Returns
    -------
    null : Null
        One row, of number -1.
    r : (outer,) float64 array
    """
    found, r = _remaining(left, left.outcome[None, :], settings, splits)
    return _null([-1], [found]), r[0]


def _remaining(
    left: Remainder, outcomes: Floats, settings: EvaluationSettings, splits: Splits
) -> tuple[Floats, Floats]:
    """Statistics (p, 1, 3) and correlations (p, outer) of the features' remainder."""
    raw = run(
        left.design, len(left.design.names), outcomes, settings, splits,
        is_kept=False, configurations=(0,),
    )  # fmt: skip
    return _statistics(raw, outcomes, splits, settings, range(1)), raw.correlations[:, :, 0]


def _batches(numbers: Sequence[int]) -> list[Sequence[int]]:
    return [numbers[begin : begin + BATCH] for begin in range(0, len(numbers), BATCH)]


def _deals(numbers: Sequence[int], n: int, settings: EvaluationSettings) -> Ints:
    return np.array([order(number, n, settings.seed) for number in numbers])


def _statistics(
    raw: Raw, outcomes: Floats, splits: Splits, settings: EvaluationSettings, winners: range
) -> Floats:
    """(permutations, winners, 3): Fisher's X, mean r, pooled rho."""
    n_test = splits.test.shape[1]
    return np.array(
        [
            [
                (
                    *statistics(raw.correlations[k, :, g], n_test, settings),
                    pooled_rho(raw.predictions[k, :, g], splits.test, outcomes[k])[0],
                )
                for g in winners
            ]
            for k in range(len(outcomes))
        ]
    )


def _null(numbers: Sequence[int], parts: list[Floats]) -> Null:
    found = np.concatenate(parts) if parts else np.zeros((0, 3, 3))
    return Null(tuple(numbers), found[..., 0], found[..., 1], found[..., 2])

"""Fisher's X over other seeds of the splits: how much of it is the luck of one seed.

X is told of the splits of one seed. With other seeds the same patients give other X; a table of
them stands beside, and decides nothing.

The table is ours; X is the paper's section 2.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.evaluation.combine import median
from mpss_lib.evaluation.design import Design, Floats
from mpss_lib.evaluation.permutation import statistics
from mpss_lib.evaluation.randomised import run
from mpss_lib.evaluation.splits import draw
from mpss_lib.sections import EvaluationSettings


@dataclass(frozen=True)
class SeedResult:
    """What one seed gives for one winner: of the 3 configurations, then of a rival rule's."""

    seed: int
    winner: int
    fisher: float
    mean_r: float
    median_r: float
    n_valid: int


def over_seeds(
    design: Design, n_radiomics: int, outcome: Floats, settings: EvaluationSettings, rival: str = ""
) -> list[SeedResult]:
    """Run the evaluation with ``settings.split_seeds`` seeds, that of the settings first.

    Parameters
    ----------
    design : Design
    n_radiomics : int
    outcome : (n,) float64
        On the scale that is fitted.
    settings : EvaluationSettings
    rival : str, optional
        Another rule that takes its winners among the same fits.

    Returns
    -------
    list of SeedResult
        One for each seed and winner's rule.
    """
    found = []
    for seed in range(settings.seed, settings.seed + settings.split_seeds):
        own = settings.model_copy(update={"seed": seed})
        splits = draw(len(outcome), own)
        raw = run(design, n_radiomics, outcome[None, :], own, splits, is_kept=False, rival=rival)
        for winner in range(raw.correlations.shape[2]):
            r = raw.correlations[0, :, winner]
            x, mean_r = statistics(r, splits.test.shape[1], own)
            valid = int(np.isfinite(r).sum())
            found.append(SeedResult(seed, winner, x, mean_r, median(r), valid))
    return found

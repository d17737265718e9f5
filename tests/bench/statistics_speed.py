"""CPU seconds of selection and of the full evaluation, and the factor over a statsmodels loop.

Run: PYTHONPATH=.:tests OMP_NUM_THREADS=1 python tests/bench/statistics_speed.py
"""

from __future__ import annotations

import sys
import time

import numpy as np
from oracles.randomised import one_fit
from oracles.statistics_cohort import SEGMENTS, make_cohort

from mpss_lib.config import EvaluationSettings
from mpss_lib.evaluation import evaluate
from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.permutation import permuted_outcomes
from mpss_lib.evaluation.splits import draw
from mpss_lib.selection import steps


def main() -> None:
    """Print each figure with its target."""
    cohort = make_cohort(1)
    settings = EvaluationSettings()
    evaluate(
        cohort.radiomics["MYO"], cohort.clinical, cohort.scores["MYO"],
        EvaluationSettings(n_outer=1, n_inner=1),
    )  # fmt: skip
    begin = time.process_time()
    for segment in SEGMENTS:
        evaluate(cohort.radiomics[segment], cohort.clinical, cohort.scores[segment], settings)
    whole = time.process_time() - begin
    say("full evaluation, 7 segments x 3 configurations x 50 x 20", whole, "target 5 s")

    design = encode({**cohort.radiomics["MYO"], **cohort.clinical})
    splits = draw(428, settings)
    begin = time.process_time()
    permuted_outcomes(design, 56, cohort.scores["MYO"], settings, splits, range(20))
    once = (time.process_time() - begin) / 20 * 7
    say("200 permutations of it, 2 cores", once * 200 / 2, "target 300 s")

    columns = {**cohort.radiomics["MYO"], **cohort.clinical}
    begin = time.process_time()
    for inner in range(2):
        one_fit(
            columns, cohort.scores["MYO"], splits.train[0, inner], splits.dev[0, inner], settings
        )
    slow = (time.process_time() - begin) / 2 * 1000 * 21
    say("the same with statsmodels (combined, 2 fits, extrapolated)", slow, "")
    say("factor", slow / whole, "target 1000", unit="x")

    block = np.random.default_rng(0).normal(size=(1, 487, 428))
    begin = time.process_time()
    for _ in range(5):
        rho = steps.correlations(steps.standard_ranks(block))
        steps.drop_correlated(rho, [str(k) for k in range(487)], 0.95, "transitive")
    say(
        "selection of one 487 x 428 block",
        (time.process_time() - begin) / 5 * 1000,
        "target 60",
        "ms",
    )


def say(what: str, value: float, target: str, unit: str = "s") -> None:
    """Print one line."""
    sys.stdout.write(f"{what}: {value:.3g} {unit} ({target})\n")


if __name__ == "__main__":
    main()

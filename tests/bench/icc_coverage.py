"""Do the intervals of the intraclass correlations cover? Simulated cohorts of known correlation.

Run from the repository's root (4 CPU-seconds)::

    PYTHONPATH=. python tests/bench/icc_coverage.py

For ICC(1) and ICC(3,1) of 0.5, 0.75 and 0.9, cohorts of 20 and 60 studies and 4 or 20
perturbations: the share of 5,000 cohorts whose 95 % interval holds the truth (binomial limits .944
to .956), and that share where the studies are far from normal (log-normal), for which the interval
is not made. The shift that a perturbation gives to every study is fixed in the two-way model, and
there is none in the one-way model.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from mpss_lib.stability import reliability

TRUTHS, STUDIES, RATERS = (0.5, 0.75, 0.9), (20, 60), (4, 20)


def cohorts(
    rng: np.random.Generator, truth: float, n: int, k: int, times: int, *, is_skewed: bool
) -> np.ndarray:
    """(study, perturbation, cohort) values with correlation ``truth`` of the one-way model."""
    between = rng.normal(size=(n, 1, times))
    if is_skewed:
        between = (np.exp(between) - np.exp(0.5)) / np.sqrt(np.expm1(1.0) * np.e)
    return np.sqrt(truth) * between + np.sqrt(1.0 - truth) * rng.normal(size=(n, k, times))


def coverage(
    times: int, seed: int, *, is_skewed: bool
) -> list[tuple[float, int, int, float, float]]:
    rng = np.random.default_rng(seed)
    rows = []
    for truth in TRUTHS:
        for n in STUDIES:
            for k in RATERS:
                values = cohorts(rng, truth, n, k, times, is_skewed=is_skewed)
                one = reliability(values)
                values += np.linspace(0.0, 2.0, k)[:, None]
                three = reliability(values)
                rows.append(
                    (
                        *(truth, n, k),
                        float(np.mean((one.icc1_low <= truth) & (truth <= one.icc1_high))),
                        float(np.mean((three.icc3_low <= truth) & (truth <= three.icc3_high))),
                    )
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.process_time()
    for name, is_skewed in (("normal", False), ("log-normal", True)):
        sys.stdout.write(f"{name} studies\n  ICC   n   k  ICC(1)  ICC(3,1)\n")
        for truth, n, k, one, three in coverage(
            arguments.cohorts, arguments.seed, is_skewed=is_skewed
        ):
            sys.stdout.write(f"  {truth:.2f} {n:3d} {k:3d}  {one:.3f}   {three:.3f}\n")
    sys.stdout.write(f"{arguments.cohorts} cohorts each, {time.process_time() - start:.1f} CPU-s\n")


if __name__ == "__main__":
    main()

"""How often each test rejects when there is nothing to find: resumable, one line for each cohort.

Scores of a synthetic cohort of 428 are dealt out anew, then the whole evaluation of one segment
is done (three configurations, both profiles) with 99 permutations. A calibrated test holds its
level if it rejects at most 8 of 300 cohorts at .01 and 24 of 300 at .05. About 1.2 CPU-hours for
300 cohorts; stop and start it as you like.

Run, with PYTHONPATH=.:tests OMP_NUM_THREADS=1:

    python tests/bench/null_calibration.py results.jsonl --cohorts 300
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from oracles.statistics_cohort import make_cohort
from oracles.whole_test import p_values

from mpss_lib.sections import EvaluationSettings

LIMITS = {0.01: 8 / 300, 0.05: 24 / 300}


def main() -> None:
    """Add the cohorts that are missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--cohorts", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="seed of the first cohort")
    parser.add_argument("--permutations", type=int, default=99)
    given = parser.parse_args()
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    done = {json.loads(line)["seed"] for line in lines}
    for seed in range(given.first, given.first + given.cohorts):
        if seed in done:
            continue
        cohort = make_cohort(seed)
        rng = np.random.default_rng([seed, 99])
        found = p_values(
            cohort.radiomics["MYO"], cohort.clinical, rng.permutation(cohort.scores["MYO"]),
            EvaluationSettings(seed=seed), given.permutations,
        )  # fmt: skip
        with given.results.open("a") as file:
            file.write(json.dumps({"seed": seed, "p": found}) + "\n")
    table(given.results)


def table(results: Path) -> None:
    """Print rejection rates with their standard errors, then the rows of ``calibration.NULL``."""
    rows = [json.loads(line)["p"] for line in results.read_text().splitlines()]
    sys.stdout.write(f"{len(rows)} null cohorts\n")
    counted = []
    for name in sorted(rows[0]):
        p = np.array([row[name] for row in rows], float)
        counts = [int((p <= level).sum()) for level in LIMITS]
        parts = []
        for (level, limit), count in zip(LIMITS.items(), counts, strict=True):
            rate = count / len(p)
            error = np.sqrt(max(rate * (1 - rate), level * (1 - level)) / len(p))
            verdict = "holds" if rate <= limit else "too often"
            parts.append(f"at {level}: {rate:.3f} +- {error:.3f} {verdict}")
        sys.stdout.write(f"{name:52s} {'   '.join(parts)}\n")
        counted.append((name, *counts))
    sys.stdout.writelines(f"    {row},\n" for row in counted)


if __name__ == "__main__":
    main()

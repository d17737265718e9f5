"""Coverage of the 90 % intervals of the corrected value on patients that nobody has seen.

428 synthetic patients train the elastic net with its CV+ intervals, 572 fresh ones of the same
cohort try them. Overall the coverage holds by construction; without calcium and above 400 it need
not, and is printed for that.

Run: PYTHONPATH=.:tests OMP_NUM_THREADS=1 python tests/bench/conformal_coverage.py --cohorts 10
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from oracles.statistics_cohort import make_cohort

from mpss_lib.evaluation.design import encode
from mpss_lib.evaluation.elastic import fit_ensemble, penalised, to_score

TRAINED = 428


def main() -> None:
    """Print the share inside, overall and in the tails; exit 1 if overall is 3 points off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=10)
    given = parser.parse_args()
    scores, hits = [], []
    for seed in range(given.cohorts):
        cohort = make_cohort(500 + seed, n=1000)
        design = encode({**cohort.radiomics["MYO"], **cohort.clinical})
        columns = penalised(design, "combined", len(cohort.radiomics["MYO"])).columns
        score = cohort.scores["MYO"]
        ensemble = fit_ensemble(columns[:TRAINED], np.log1p(score[:TRAINED]), seed)
        low, high = (to_score(end) for end in ensemble.interval(columns[TRAINED:]))
        fresh = score[TRAINED:]
        scores.append(fresh)
        hits.append((fresh >= low) & (fresh <= high))
    score, hit = np.concatenate(scores), np.concatenate(hits)
    for name, use in (("all", score >= 0), ("CAC = 0", score == 0), ("CAC > 400", score > 400)):
        sys.stdout.write(
            f"{name}: {hit[use].mean():.3f} of {int(use.sum())} fresh patients inside\n"
        )
    sys.exit(abs(float(hit.mean()) - 0.9) > 0.03)


if __name__ == "__main__":
    main()

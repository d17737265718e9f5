"""What the tests find when it is known what is there: planted, nothing, openly visible.

Tables by recipe, no images; segments MYO and LAD3, 20 seeds, 199 permutations, level .05.
Resumable: one line for each setting, segment and seed. About 50 CPU-minutes.

Wanted: 'combined beats clinical' is found more often when planted than when not; at most 3 of 20
false alarms when nothing is there; an open signal is found by radiomics alone more often than not.

Run: PYTHONPATH=.:tests OMP_NUM_THREADS=1 python tests/bench/planted_effects.py results.jsonl
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

KINDS = {
    "planted": {"gamma": 1.2, "kappa": 0.8},
    "nothing": {"gamma": 0.0, "kappa": 0.0},
    "open": {"gamma": 0.9, "kappa": 0.0},
}
SHOWN = (
    "corrected combined increment_mean_r",
    "corrected radiomics permutation_mean_r",
    "corrected radiomics pooled_spearman",
    "as_published radiomics permutation_mean_r",
    "as_published radiomics fisher",
)


def main() -> None:
    """Add what is missing, then print the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--permutations", type=int, default=199)
    given = parser.parse_args()
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    done = {tuple(json.loads(line)["key"]) for line in lines}
    for seed in range(given.seeds):
        for kind, effect in KINDS.items():
            for segment in ("MYO", "LAD3"):
                if (kind, segment, seed) in done:
                    continue
                cohort = make_cohort(seed, **effect)
                found = p_values(
                    cohort.radiomics[segment], cohort.clinical, cohort.scores[segment],
                    EvaluationSettings(seed=seed), given.permutations,
                )  # fmt: skip
                with given.results.open("a") as file:
                    file.write(json.dumps({"key": [kind, segment, seed], "p": found}) + "\n")
    table(given.results)


def table(results: Path) -> None:
    """Print the rejections at .05, then the rows of ``calibration.PLANTED``."""
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    counted = []
    for segment in ("MYO", "LAD3"):
        for name in SHOWN:
            counts = []
            for kind in KINDS:
                mine = [row["p"] for row in rows if row["key"][:2] == [kind, segment]]
                counts.append(int((np.array([p[name] for p in mine]) <= 0.05).sum()))
                sys.stdout.write(f"{kind}, {segment}, {name}: {counts[-1]} of {len(mine)}\n")
            counted.append((name, segment, *counts))
    sys.stdout.writelines(f"    {row},\n" for row in counted)


if __name__ == "__main__":
    main()

"""How often each test rejects when there is nothing to find: resumable, one line for each question.

World ``null``: scores of a synthetic cohort of 428 are dealt out anew. Worlds ``linear``,
``convex``, ``threshold`` and ``interaction``: radiomics are noisy proxies of clinical terms and
nothing more (``oracles.proxy_worlds``); there only what radiomics add is a question without a
finding. The whole evaluation of one segment is done with the real settings. Groups of tests:
``conditional``, ``corrected``, ``as_published``, and ``independence``, the test of before.

A test holds its level if the count of its rejections is within the limit that a binomial
variable of that level passes in one of a hundred benches. A group costs 0.3 to 1 CPU-second a
cohort.

Run, with PYTHONPATH=.:tests OMP_NUM_THREADS=1:

    python tests/bench/null_calibration.py results.jsonl --group conditional corrected
    python tests/bench/null_calibration.py results.jsonl --world convex threshold interaction
    python tests/bench/null_calibration.py results.jsonl --count 0    # the table alone
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from oracles.proxy_worlds import WORLDS, make_world
from oracles.statistics_cohort import make_cohort
from oracles.whole_test import GROUPS, LEVELS
from scipy.stats import binom

from mpss_lib.sections import EvaluationSettings


def main() -> None:
    """Add the cohorts that are missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--world", nargs="+", choices=("null", *WORLDS), default=["null"])
    parser.add_argument("--group", nargs="+", choices=tuple(GROUPS), default=["conditional"])
    parser.add_argument("--first", type=int, default=0, help="seed of the first cohort")
    parser.add_argument("--count", type=int, default=600)
    given = parser.parse_args()
    done = {tuple(row["key"]) for row in read(given.results)}
    for seed in range(given.first, given.first + given.count):
        for world, group in product(given.world, given.group):
            if (world, group, seed) not in done:
                add(given.results, world, group, seed)
    table(given.results)


def read(results: Path) -> list[dict]:
    """Lines of the results."""
    lines = results.read_text().splitlines() if results.exists() else []
    return [json.loads(line) for line in lines]


def add(results: Path, world: str, group: str, seed: int) -> None:
    """Ask one group of tests about one cohort."""
    if world == "null":
        cohort = make_cohort(seed)
        score = np.random.default_rng([seed, 99]).permutation(cohort.scores["MYO"])
    else:
        cohort = make_world(world, seed)
        score = cohort.scores["MYO"]
    begin = time.process_time()
    rejects = GROUPS[group](cohort, score, EvaluationSettings(seed=seed))
    cpu = round(time.process_time() - begin, 3)
    with results.open("a") as file:
        line = {"key": [world, group, seed], "rejects": rejects, "cpu_s": cpu}
        file.write(json.dumps(line, default=bool) + "\n")


def table(results: Path) -> None:
    """Print rejections with their binomial limits, then the rows of ``calibration.NULL``."""
    counted: dict[tuple[str, str], list[list[bool]]] = {}
    cpu: dict[tuple[str, str], list[float]] = {}
    for row in read(results):
        world, group, _ = row["key"]
        cpu.setdefault((world, group), []).append(row["cpu_s"])
        for name, decided in row["rejects"].items():
            counted.setdefault((world, name), []).append(decided)
    for (world, group), spent in sorted(cpu.items()):
        sys.stdout.write(f"{world}, {group}: {len(spent)} cohorts, {sum(spent):.0f} CPU-s\n")
    for (world, name), decided in sorted(counted.items()):
        n, counts = len(decided), np.sum(decided, axis=0)
        parts = []
        for level, count in zip(LEVELS, counts, strict=True):
            limit = int(binom.ppf(0.99, n, level))
            verdict = "holds" if count <= limit else "too often"
            parts.append(f"at {level}: {count} ({count / n:.3f}, limit {limit}) {verdict}")
        sys.stdout.write(f"{world:12s} {name:48s} n {n}  {'   '.join(parts)}\n")
    for (world, name), decided in sorted(counted.items()):
        at_05, at_01 = np.sum(decided, axis=0)
        sys.stdout.write(f"    {(world, name, len(decided), int(at_01), int(at_05))},\n")


if __name__ == "__main__":
    main()

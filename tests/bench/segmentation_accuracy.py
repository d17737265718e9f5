"""Accuracy of the segmentation on fresh synthetic studies; prints the table of the README.

Run from the repository's root, ``python tests/bench/segmentation_accuracy.py --base 200``.
The seeds (from 20000) were used neither for tuning nor for the limits. A study is *silent* when its
myocardium has a Dice below 0.7 and the self-check is sure; *held* when it is good and not sure.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpss_lib.demo.phantom import Phantom, PhantomSpec, make_phantom
from mpss_lib.errors import StudyRejectedError
from mpss_lib.segmentation import segment

CLASSES: Mapping[str, Mapping[str, Any]] = {
    "all sizes, tilts, counts": {},
    "small filled heart on a bright dome": {
        "anatomy": {"r_endo_mm": 18.5, "cavity": 0.3, "liver": 1.4, "liver_gap_mm": 5.0}
    },
    "liver 2x the wall at 5 mm": {"anatomy": {"liver": 2.0, "liver_gap_mm": 5.0}},
    "gut 2x the wall at 5 mm": {"anatomy": {"gut": 2.0, "gut_gap_mm": 5.0}},
    "severe defect (90 %)": {"anatomy": {"defect": 0.9}},
    "apical thinning": {"artefact": "apical_thinning"},
    "low counts (0.4-0.9 M)": {"artefact": "low_counts"},
    "truncated field": {"artefact": "truncation"},
    "not attenuation corrected": {"correction": "NAC"},
    "short-axis series": {"orientation": "short_axis"},
    "128 matrix": {"matrix": 128},
}
HEAD = "| set | n | Dice myo median [p5, min] | epi | endo | axis deg median [p95] "
HEAD += "| silent | held | CPU ms |"


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2.0 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def judge(made: Phantom) -> tuple[list[float], bool]:
    """Dice of wall, epi and endo, axis error, CPU ms; whether the self-check is sure."""
    start = time.process_time()
    try:
        found = segment(made.volume, orientation=made.spec.orientation)
    except StudyRejectedError:
        return [0.0, 0.0, 0.0, 90.0, 1e3 * (time.process_time() - start)], False
    spent = 1e3 * (time.process_time() - start)
    scores = [dice(found.masks[k].array, made.truth[k].array) for k in ("MYO", "EPI", "ENDO")]
    axis = np.array([made.labels[f"axis_{letter}"] for letter in "xyz"], dtype=float)
    error = float(np.degrees(np.arccos(np.clip(found.axis @ axis, -1.0, 1.0))))
    return [*scores, error, spent], found.is_sure


def line(name: str, changes: Mapping[str, Any], n: int, first: int) -> str:
    """One row of the table."""
    rows, sure = [], []
    for seed in range(first, first + n):
        made = make_phantom(PhantomSpec(seed, sex="FM"[seed % 2], **changes))
        row, is_sure = judge(made)
        rows.append(row)
        sure.append(is_sure)
    values, is_sure_of = np.array(rows), np.array(sure)
    wall = values[:, 0]
    median = np.median(values, axis=0)
    silent = int(((wall < 0.7) & is_sure_of).sum())
    held = int(((wall >= 0.7) & ~is_sure_of).sum())
    return (
        f"| {name} | {n} | {median[0]:.3f} [{np.percentile(wall, 5):.3f}, {wall.min():.3f}]"
        f" | {median[1]:.3f} | {median[2]:.3f}"
        f" | {median[3]:.1f} [{np.percentile(values[:, 3], 95):.1f}] | {silent} | {held}"
        f" | {median[4]:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=int, default=60, help="studies of the first set")
    parser.add_argument("--each", type=int, default=20, help="studies of each other set")
    parser.add_argument("--first", type=int, default=20000, help="first seed")
    given = parser.parse_args()
    segment(make_phantom(PhantomSpec(given.first - 1)).volume)  # compile
    sys.stdout.write(f"{HEAD}\n{'|---' * 9}|\n")
    for number, (name, changes) in enumerate(CLASSES.items()):
        n = given.each if number else given.base
        sys.stdout.write(line(name, changes, n, given.first + 1000 * number) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

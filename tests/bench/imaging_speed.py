"""CPU time of one study on one thread: phantom, segmentation, quality, pictures.

Run from the repository's root: ``python tests/bench/imaging_speed.py``. Medians after one study
that compiles; set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1, or waiting threads count as CPU
time. Exit status 1 where a median is above its limit. The time of a cohort of phantoms is their CPU
time over two processes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpss_lib.demo.phantom import PhantomSpec, make_phantom
from mpss_lib.quality import Seen, decide, findings_of, limits_of, measure
from mpss_lib.quality.pictures import montage
from mpss_lib.quality.polar import polar_map
from mpss_lib.sections import QualitySettings
from mpss_lib.segmentation import segment

LIMIT_MS = {"phantom": 400, "segmentation": 250, "quality": 60, "pictures": 700}
COHORT, PROCESSES, COHORT_LIMIT_S = 428, 2, 120
Made = TypeVar("Made")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="studies")
    parser.add_argument("--first", type=int, default=230000, help="first seed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one_study(given.first - 1, Path(folder))
        rows = [one_study(given.first + n, Path(folder)) for n in range(given.n)]
    sys.stdout.write("| step | CPU ms: median [95 %] | limit |\n|---|---|---|\n")
    medians = {}
    for step, limit in LIMIT_MS.items():
        spent = np.array([row[step] for row in rows])
        medians[step] = float(np.median(spent))
        shown = f"{medians[step]:.0f} [{np.percentile(spent, 95):.0f}]"
        sys.stdout.write(f"| {step} | {shown} | {limit} |\n")
    cohort_s = float(np.mean([row["phantom"] for row in rows])) * COHORT / PROCESSES / 1e3
    sys.stdout.write(
        f"{COHORT} phantoms over {PROCESSES} cores: {cohort_s:.0f} s (limit {COHORT_LIMIT_S} s)\n"
    )
    is_slow = any(medians[step] > limit for step, limit in LIMIT_MS.items())
    sys.exit(1 if is_slow or cohort_s > COHORT_LIMIT_S else 0)


def one_study(seed: int, folder: Path) -> dict[str, float]:
    """CPU ms of each step."""
    spent: dict[str, float] = {}

    def timed(step: str, work: Callable[[], Made]) -> Made:
        start = time.process_time()
        made = work()
        spent[step] = spent.get(step, 0.0) + 1e3 * (time.process_time() - start)
        return made

    made = timed("phantom", lambda: make_phantom(PhantomSpec(seed, sex="FM"[seed % 2])))
    found = timed("segmentation", lambda: segment(made.volume))
    seen = Seen(made.volume, found.masks, found.extras, found.check)
    limits = limits_of(QualitySettings())
    timed("quality", lambda: decide(findings_of(measure(seen), limits), found.flags))
    for kind, draw in (("montage", montage), ("polar", polar_map)):
        path = folder / f"{kind}.png"
        shown = (made.volume, found.masks, found.extras, "study", path)
        timed("pictures", lambda draw=draw, shown=shown: draw(*shown))
    return spent


if __name__ == "__main__":
    main()

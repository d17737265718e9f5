"""CPU of the stability of features at the paper's size: 428 invented patients x 20 perturbations.

The hearts of ``mpss demo --patients 428`` (those without an artefact) are segmented, measured under
each perturbation of the default settings, written as the stage writes them and summed up to
intraclass correlations. No DICOM, no PACS, no Airflow. Only what the stage does is counted; the
phantoms and their segmentation are told beside it. Told besides: peak memory (VmHWM), bytes of a
study, and the ten most and least stable features.

Run: PYTHONPATH=.:tests OMP_NUM_THREADS=1 nice python tests/bench/stability_speed.py [--patients N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
from peak_memory import peak_mb

from mpss_lib.config import Config
from mpss_lib.demo.clinical import SIGNALS
from mpss_lib.demo.plan import PlannedStudy, plan_hospital
from mpss_lib.demo.studies import PhantomOrder, body_scale_of, digital_phantom
from mpss_lib.segmentation import segment
from mpss_lib.stability.cohort_table import sum_up
from mpss_lib.stability.heart import Heart
from mpss_lib.stability.measure import Ruler, measure
from mpss_lib.stability.perturbation import Perturbation, plan
from mpss_lib.stability.stage import ruler_of
from mpss_lib.stability.values_file import write_values
from mpss_lib.stable_features import middle_by_level, ranking

SEED = 20210
"""Of the demo's hospital."""
BINS = 64


def main() -> None:
    """Measure every study, then the cohort, and tell the CPU of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=428)
    given = parser.parse_args()
    planned = plan_hospital(given.patients, SEED, SIGNALS["paper"])
    studies = [one for one in planned if one.role == "regular" and not one.artefact]
    config = Config()
    perturbations, ruler = plan(config.stability), ruler_of(config)
    spent: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.npz" for number in range(len(studies))]
        for study, path in zip(studies, files, strict=True):
            measured(study, path, perturbations, ruler, spent)
        begin = time.process_time()
        rows = sum_up("bench", files, perturbations, ruler)
        spent["correlations"] = time.process_time() - begin
        size = sum(path.stat().st_size for path in files)
    tell(spent, len(files), len(perturbations), size, rows)


def measured(
    study: PlannedStudy,
    path: Path,
    perturbations: tuple[Perturbation, ...],
    ruler: Ruler,
    spent: Counter[str],
) -> None:
    """Draw, segment and measure one study; its values go to a file."""
    begin = time.process_time()
    volume, _ = digital_phantom(
        PhantomOrder(
            seed=study.seed,
            sex=study.person.sex,
            amplitude=study.person.amplitude,
            body_scale=body_scale_of(study.person),
        )
    )
    drawn = time.process_time()
    found = segment(volume)
    heart = Heart.read(found.extras, found.wall_mm)
    segmented = time.process_time()
    values = measure(volume, heart, perturbations, ruler, path.stem, SEED)
    write_values(path, np.array([one.values for one in values], np.float32))
    spent["phantoms"] += drawn - begin
    spent["segmentation"] += segmented - drawn
    spent["perturbations"] += time.process_time() - segmented


def tell(spent: Counter[str], n: int, n_perturbations: int, size: int, rows: list[dict]) -> None:
    """Write the figures."""
    of_stage = spent["perturbations"] + spent["correlations"]
    each = 1000.0 * spent["perturbations"] / max(n * n_perturbations, 1)
    sys.stdout.write(
        f"{n} studies x {n_perturbations} perturbations: {of_stage:.0f} CPU-s"
        f" ({of_stage / 60:.1f} CPU-minutes), {each:.1f} ms a perturbation,"
        f" correlations {spent['correlations']:.1f} s of it; beside it phantoms"
        f" {spent['phantoms']:.0f} s, segmentation {spent['segmentation']:.0f} s;"
        f" {size / max(n, 1) / 1e6:.2f} MB a study, peak {peak_mb() / 1024:.2f} GiB\n"
    )
    for measure_of in ("icc3", "icc1"):
        known = middle_by_level(rows, measure=measure_of)[BINS]
        stable = sum(icc >= 0.75 for icc in known.values())
        middle = median(icc for icc in known.values() if icc == icc)
        sys.stdout.write(f"{measure_of} at {BINS} levels: {stable} of {len(known)} at least .75,")
        sys.stdout.write(f" median {middle:.2f}\n")
    order = ranking(rows, BINS)
    for title, some in (("most", order[:10]), ("least", order[::-1][:10])):
        told = ", ".join(f"{name} {icc:.3f}" for name, icc in some)
        sys.stdout.write(f"{title} stable: {told}\n")


if __name__ == "__main__":
    main()

"""What the statistics find in the images of the demo's hospital, with each of its signals.

A shortcut of ``mpss demo --patients 428 --signal ...``: the same people and phantoms, segmented,
measured, selected and evaluated in memory; no DICOM, no PACS, no Airflow. About 5 CPU-minutes for
the images of a signal (kept in FOLDER; ``none`` and ``open`` share theirs).

Run: PYTHONPATH=.:tests nice python tests/bench/demo_signal.py FOLDER --signal paper
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mpss_lib.config import AS_PUBLISHED, CLINICAL, CONFIGURATIONS, CORRECTED, Config
from mpss_lib.demo.clinical import SIGNALS
from mpss_lib.demo.plan import PlannedStudy, plan_hospital
from mpss_lib.demo.studies import PhantomOrder, body_scale_of, digital_phantom
from mpss_lib.evaluation import combine, evaluate, paper
from mpss_lib.evaluation.conditional import remainder
from mpss_lib.evaluation.inputs import clinical_column
from mpss_lib.evaluation.permutation import observed_remainder, permuted_remainder
from mpss_lib.evaluation.randomised import transform
from mpss_lib.evaluation.splits import draw
from mpss_lib.evaluation.table_three import PAPER, pattern_of
from mpss_lib.evaluation.univariate import associations
from mpss_lib.profiles import evaluation_profiles
from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.radiomics.extraction import extract_many
from mpss_lib.radiomics.stage import settings_of
from mpss_lib.sections import SEGMENTS
from mpss_lib.segmentation import segment
from mpss_lib.selection.procedure import select_profiles

SEED = 20210
"""Of the demo's hospital."""


def regular_studies(patients: int, signal: str) -> list[PlannedStudy]:
    """The studies that the cohort takes: those with an artefact are left out altogether."""
    planned = plan_hospital(patients, SEED, SIGNALS[signal])
    return [one for one in planned if one.role == "regular" and not one.artefact]


def measure(study: PlannedStudy) -> np.ndarray:
    """Features (segment, bins, feature) of the study's phantom, as the chain measures them."""
    config = Config()
    volume, _ = digital_phantom(
        PhantomOrder(
            seed=study.seed,
            sex=study.person.sex,
            amplitude=study.person.amplitude,
            body_scale=body_scale_of(study.person),
        )
    )
    seven = segment(volume).seven
    found = extract_many(
        volume.array,
        {name: seven[name].array for name in SEGMENTS},
        volume.spacing_mm,
        settings_of(config),
        config.radiomics.bins,
    )
    return np.array(
        [
            [[found[name, b][f.sera_name] for f in FEATURES] for b in config.radiomics.bins]
            for name in SEGMENTS
        ]
    )


def images(folder: Path, patients: int, signal: str) -> np.ndarray:
    """Features of every study, (study, segment, bins, feature); kept once they are measured."""
    studies = regular_studies(patients, signal)
    amplitude = np.array([list(one.person.amplitude.values()) for one in studies])
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as kept:
            if np.array_equal(kept["amplitude"], amplitude):
                return kept["values"]
    values = []
    for k, study in enumerate(studies):
        values.append(measure(study))
        if k % 50 == 49:
            sys.stderr.write(f"{k + 1} of {len(studies)}\n")
    made = np.array(values)
    np.savez(folder / f"{signal}-{patients}.npz", amplitude=amplitude, values=made)
    return made


def people_of(studies: list[PlannedStudy]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Clinical terms, and the score of each segment."""
    people = [one.person for one in studies]
    clinical = {
        name: clinical_column(name, [getattr(person, name) for person in people])
        for name in CLINICAL
    }
    arteries = {name: "total" if name == "MYO" else name[:3].lower() for name in SEGMENTS}
    scores = {
        segment: np.array(
            [one.cac_total if artery == "total" else one.cac[artery] for one in people]
        )
        for segment, artery in arteries.items()
    }
    return clinical, scores


def judge(values: np.ndarray, studies: list[PlannedStudy], permutations: int) -> None:
    """Print Fisher's X of the published profile and what the conditional test says."""
    config = Config()
    clinical, scores = people_of(studies)
    chosen = select_profiles(values, [asdict(one) for one in FEATURES], config.selection)
    names = [one.sera_name for one in FEATURES]
    settings = evaluation_profiles(config)
    x: dict[str, dict[str, float]] = {name: {} for name in CONFIGURATIONS}
    n_found = 0
    sys.stdout.write("| segment | X radiomics | clinical | combined | largest rho | p |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for s, region in enumerate(SEGMENTS):
        columns = {
            profile: {
                name: values[:, s, config.radiomics.bins.index(one.bins), names.index(name)]
                for name in one.features
            }
            for profile, one in chosen.items()
        }
        own = settings[AS_PUBLISHED]
        found = evaluate(columns[AS_PUBLISHED], clinical, scores[region], own)
        for g, name in enumerate(CONFIGURATIONS):
            test = combine.fisher(found.p_value[g], found.is_valid[g], own.invalid_run)
            x[name][region] = test.statistic
        rho = max(abs(one.rho) for one in associations(columns[AS_PUBLISHED], scores[region]))
        own = settings[CORRECTED]
        y = transform(scores[region], own)
        left = remainder(columns[CORRECTED], clinical, y, own)
        splits = draw(len(y), own)
        null = permuted_remainder(left, own, splits, range(permutations)).mean_r[:, 0]
        observed = observed_remainder(left, own, splits)[0].mean_r[0, 0]
        p = combine.permutation_test(observed, null).p_value
        n_found += p <= 0.05
        told = " | ".join(f"{x[name][region]:.1f}" for name in CONFIGURATIONS)
        sys.stdout.write(f"| {region} | {told} | {rho:.2f} | {p:.3f} |\n")
    sys.stdout.write(f"here:  {pattern_of(x, paper.FISHER_LIMIT).told()}\n")
    sys.stdout.write(f"paper: {PAPER.told()}\n")
    sys.stdout.write(f"radiomics add to clinical terms in {n_found} of 7 segments at .05\n")


def main() -> None:
    """Measure the images, then print what each test finds by segment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--signal", default="paper", choices=sorted(SIGNALS))
    parser.add_argument("--patients", type=int, default=428)
    parser.add_argument("--permutations", type=int, default=199)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    values = images(given.folder, given.patients, given.signal)
    judge(values, regular_studies(given.patients, given.signal), given.permutations)


if __name__ == "__main__":
    main()

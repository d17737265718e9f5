"""Which grey level do synthetic cohorts of different texture choose, by the paper's rule and ours?

Run from the repository's root (4 CPU-minutes)::

    PYTHONPATH=. nice -n 10 python tests/bench/grey_level.py

Each cohort has ventricles of its own texture: how strongly uptake varies in the wall, over which
distance, how much the image is blurred, how many counts it has. Patients of a cohort differ in
size, wall, strength of texture and counts. Images are blurred shells with Poisson noise; surfaces
are the true ones, so that nothing is segmented. Ten perturbations of each patient.

For each cohort: what the published rule removes and leaves, the level that it takes (64 is
preferred where it leaves several; what it would take without a preference stands beside), and the
level of ``corrected`` with its number of stable and distinct features at each level.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from mpss_lib.radiomics import FixedBinNumber
from mpss_lib.radiomics.catalogue import BY_NAME
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES
from mpss_lib.sections import BINS, SelectionSettings, StabilitySettings
from mpss_lib.segmentation.regions import build_wall
from mpss_lib.segmentation.surface import RING_T, Ellipsoid, Frame
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.selection.level_rules import choose
from mpss_lib.selection.procedure import select_profiles
from mpss_lib.stability.heart import Heart
from mpss_lib.stability.icc import Sums
from mpss_lib.stability.measure import Ruler, measure
from mpss_lib.stability.perturbation import Perturbation, plan
from mpss_lib.volume import Volume, make_affine

VOXEL_MM = 4.8
SHAPE = (34, 34, 34)
RULER = Ruler(BINS, FixedBinNumber(1000))
PLAN = plan(StabilitySettings(shifts=2, rotations=2, count_pairs=1))
AXIS = np.array([0.6, -0.6, -0.53])


@dataclass(frozen=True)
class Texture:
    """Of a cohort: relative SD of uptake, its length in mm, blur (FWHM, mm), counts in the wall."""

    strength: float
    length_mm: float
    blur_mm: float
    counts: float


def textures(n: int, seed: int) -> list[Texture]:
    """Cohorts spread over the four ranges (Latin hypercube; all but blur by their logarithm)."""
    from scipy.stats.qmc import LatinHypercube

    unit = LatinHypercube(4, rng=np.random.default_rng(seed)).random(n)
    return [
        Texture(0.03 * (0.40 / 0.03) ** a, 5.0 * 6.0**b, 7.0 + 9.0 * c, 30.0 * (1500.0 / 30.0) ** d)
        for a, b, c, d in unit
    ]


def patient(texture: Texture, rng: np.random.Generator) -> tuple[Volume, Heart]:
    """Image and true surfaces of one patient of a cohort."""
    axis = AXIS + 0.08 * rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    frame = Frame(4.0 * rng.normal(size=3), axis, up, np.cross(up, axis))
    short = float(np.clip(rng.normal(29.0, 2.5), 23.0, 36.0))
    mid = np.repeat(Ellipsoid(0.0, 1.35 * short, short).radius()[:, None], 36, axis=1)
    mid = mid * (1.0 + 0.03 * np.cos(np.arange(36) * np.pi / 18 + rng.uniform(0, 6.3)))
    thickness = float(np.clip(rng.normal(10.4, 1.0), 8.0, 13.0))
    plane = BasalPlane(max(-1.1 * short, float(RING_T[-1]) + 4.0), 0.0, 0.0, 0.0, 1.0)
    heart = Heart(frame, build_wall(mid, thickness, "anatomical"), mid, plane, thickness)
    return paint(heart, texture, rng), heart


def paint(heart: Heart, texture: Texture, rng: np.random.Generator) -> Volume:
    """Wall of uneven uptake on a faint background, blurred, with Poisson noise."""
    start = (-VOXEL_MM * SHAPE[0] / 2,) * 3
    affine = make_affine(start, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (VOXEL_MM,) * 3)
    blank = Volume(np.zeros(SHAPE), affine)
    field = gaussian_filter(rng.normal(size=SHAPE), texture.length_mm / VOXEL_MM)
    strength = texture.strength * np.exp(0.35 * rng.normal())
    uptake = np.maximum(1.0 + strength * field / field.std(), 0.05)
    perfect = np.where(heart.draw(blank)["MYO"], uptake, 0.12)
    blurred = gaussian_filter(perfect, texture.blur_mm / 2.355 / VOXEL_MM)
    counts = texture.counts * np.exp(0.25 * rng.normal())
    return Volume(rng.poisson(counts * blurred / blurred.max()).astype(np.float64), affine)


def cohort(texture: Texture, n: int, seed: int) -> tuple[np.ndarray, dict[int, dict[str, float]]]:
    """Values (patient, segment, bins, feature) and the stability of each feature by level."""
    sums = Sums(len(PLAN), RULER.shape)
    values = []
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        volume, heart = patient(texture, rng)
        found = measure(volume, heart, (Perturbation("plain", "base"), *PLAN), RULER, f"p{k}", seed)
        values.append(found[0].values)
        sums.add(np.array([one.values for one in found[1:]]))
    icc = np.ma.median(np.ma.masked_invalid(sums.reliability().icc3), axis=0).filled(np.nan)
    stability = {
        b: dict(zip(ISOTROPIC_NAMES, row.tolist(), strict=True))
        for b, row in zip(BINS, icc, strict=True)
    }
    return np.array(values), stability


def catalogue() -> list[dict[str, object]]:
    return [vars(BY_NAME[name]) for name in ISOTROPIC_NAMES]


def report(texture: Texture, n: int, seed: int) -> dict[str, object]:
    values, stability = cohort(texture, n, seed)
    found = select_profiles(
        values, catalogue(), SelectionSettings(bootstrap=0), stability=stability
    )
    paper, ours = found["as_published"].grey_levels, found["corrected"].grey_levels
    free = choose(paper, "published", 0)
    unmeasured = select_profiles(values, catalogue(), SelectionSettings(bootstrap=0))
    return {
        "texture": vars(texture),
        "published": found["as_published"].bins,
        "left": [x.bins for x in paper if x.is_survivor],
        "removed": {x.bins: x.removed_by for x in paper if x.removed_by},
        "without_preference": next(x.bins for x in free if x.is_chosen),
        "n_identical": [x.n_identical for x in paper],
        "low_range_change": [round(x.low_range_change, 2) for x in paper],
        "pairs_change": [round(x.pairs_change, 2) for x in paper],
        "corrected": found["corrected"].bins,
        "n_stable": [x.n_stable for x in ours],
        "n_distinct": [x.n_distinct for x in ours],
        "n_selected": [len(found[name].features) for name in ("as_published", "corrected")],
        "ranks": unmeasured["corrected"].bins,
        "why": next(x.why for x in ours if x.is_chosen),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=20)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--json", help="also write the rows here")
    arguments = parser.parse_args()
    start, rows = time.process_time(), []
    sys.stdout.write(
        "SD    mm  blur counts | published left           | corrected ranks | stable+distinct\n"
    )
    for k, texture in enumerate(textures(arguments.cohorts, arguments.seed)):
        row = report(texture, arguments.patients, arguments.seed + k)
        rows.append(row)
        left = ",".join(map(str, row["left"]))
        sys.stdout.write(
            f"{texture.strength:.2f} {texture.length_mm:4.0f} {texture.blur_mm:5.1f}"
            f" {texture.counts:6.0f} | {row['published']:9d} {left:<14} | {row['corrected']:9d}"
            f" {row['ranks']:5d} | {row['n_distinct']}\n"
        )
        sys.stdout.flush()
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sys.stdout.write(f"{time.process_time() - start:.0f} CPU-s\n")


if __name__ == "__main__":
    main()

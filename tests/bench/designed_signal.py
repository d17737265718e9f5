"""Whether the planted heterogeneity survives acquisition, reconstruction and segmentation.

Run from the repository's root: ``python tests/bench/designed_signal.py --n 200``. Each study draws
its three amplitudes independently from 0.05 to 0.20. The feature is the coefficient of variation
(IBSI 7TET) of the counts in the segmented vessel regions: it should follow its own amplitude and
no other.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mpss_lib.demo.anatomy import VESSELS
from mpss_lib.demo.phantom import PhantomSpec, make_phantom
from mpss_lib.segmentation import segment

SEGMENTS = ("LAD3", "LAD17", "LCX3", "LCX17", "RCA3", "RCA17")


def main() -> None:
    from scipy.stats import spearmanr

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--first", type=int, default=60000, help="first seed")
    given = parser.parse_args()
    planted, measured = [], []
    for seed in range(given.first, given.first + given.n):
        amplitude = np.random.default_rng(seed).uniform(0.05, 0.20, 3)
        spec = PhantomSpec(seed, "FM"[seed % 2], dict(zip(VESSELS, amplitude, strict=True)))
        made = make_phantom(spec)
        found = segment(made.volume)
        counts = [made.volume.array[found.seven[name].array] for name in SEGMENTS]
        planted.append(amplitude)
        measured.append([part.std() / part.mean() for part in counts])
    sys.stdout.write(
        f"Spearman, n = {given.n}\n| region | {' | '.join(VESSELS)} |\n|---|---|---|---|\n"
    )
    for column, name in zip(np.array(measured).T, SEGMENTS, strict=True):
        shown = [f"{spearmanr(column, truth).statistic:+.2f}" for truth in np.array(planted).T]
        sys.stdout.write(f"| {name} | {' | '.join(shown)} |\n")


if __name__ == "__main__":
    main()

"""What one study costs: 487 features x 8 bin numbers x 7 segments on a left-ventricle phantom.

Run from the repository's root, on a quiet machine::

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python tests/bench/radiomics_study.py

Prints CPU seconds (one thread): median of several studies, by segment size and by bin number, the
start of a fresh process with compiled kernels, and the largest memory of that process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peak_memory import peak_mb

SPACING_MM = (4.8, 4.8, 4.8)


def left_ventricle(seed: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Image (40, 64, 64) in counts and seven masks: myocardium 1,800 voxels, thirds about 415.

    A half ellipsoid shell, blurred by 12 mm FWHM, Poisson noise; three regions with gaps between
    them and three without, as the vascular territories have.
    """
    from scipy.ndimage import gaussian_filter

    z, y, x = (np.arange(n) - c for n, c in ((40, 20.0), (64, 30.0), (64, 34.0)))
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    tilt = 0.5
    along = np.cos(tilt) * x + np.sin(tilt) * z
    across = np.hypot(-np.sin(tilt) * x + np.cos(tilt) * z, y)
    outer = np.hypot(along / 12.4, across / 9.05) < 1
    inner = np.hypot(along / 9.6, across / 6.3) < 1
    wall = outer & ~inner & (along > -4.0)
    rng = np.random.default_rng(seed)
    perfect = np.where(wall, 300.0, 25.0) * (1 + 0.15 * np.cos(0.3 * y))
    image = rng.poisson(gaussian_filter(perfect, 12 / 2.355 / 4.8)).astype(float)
    angle = np.arctan2(-np.sin(tilt) * x + np.cos(tilt) * z, y * np.ones_like(x))
    turn = (angle + np.pi) / (2 * np.pi) * 3
    masks = {"MYO": wall}
    for k, name in enumerate(("LAD", "LCX", "RCA")):
        third = turn - k
        masks[f"{name}17"] = wall & (third >= 0) & (third < 1)
        masks[f"{name}3"] = wall & (third >= 0.12) & (third < 0.82)
    return image, masks


def cpu_of(call, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def measure(repeats: int) -> dict[str, object]:
    from mpss_lib.radiomics.extraction import measure_regions

    image, masks = left_ventricle()
    measure_regions(image, masks, SPACING_MM)
    by_bins = {
        n: cpu_of(lambda n=n: measure_regions(image, masks, SPACING_MM, bins=(n,)), repeats)
        for n in (4, 64, 512)
    }
    none = cpu_of(lambda: measure_regions(image, masks, SPACING_MM, bins=()), repeats)
    return {
        "voxels": {name: int(mask.sum()) for name, mask in masks.items()},
        "study_cpu_s": cpu_of(lambda: measure_regions(image, masks, SPACING_MM), repeats),
        "without_bins_cpu_s": none,
        "one_bin_number_cpu_s": by_bins,
        "ratio_512_to_64": by_bins[512] / by_bins[64],
        "ratio_512_to_64_textures": (by_bins[512] - none) / (by_bins[64] - none),
        "segment_8_bins_cpu_s": {
            name: cpu_of(lambda m=mask: measure_regions(image, {"m": m}, SPACING_MM), repeats)
            for name, mask in masks.items()
            if name in ("MYO", "LAD3")
        },
    }


def fresh_process() -> dict[str, float]:
    """CPU seconds and memory of a process that imports the engine and measures one study."""
    code = (
        "import sys, time;"
        "sys.path[:0] = sys.argv[1:];"
        "import numpy as np; from radiomics_study import left_ventricle, SPACING_MM;"
        "image, masks = left_ventricle(); start = time.process_time();"
        "from mpss_lib.radiomics.extraction import measure_regions;"
        "measure_regions(image, {'MYO': masks['MYO']}, SPACING_MM, bins=(64,));"
        "print(time.process_time() - start);"
        "measure_regions(image, masks, SPACING_MM);"
        "from peak_memory import peak_mb; print(time.process_time(), peak_mb())"
    )
    here = Path(__file__).resolve()
    output = subprocess.run(
        [sys.executable, "-c", code, str(here.parent), str(here.parents[1]), str(here.parents[2])],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    first, total, memory = map(float, output)
    return {
        "import_and_first_region_cpu_s": first,
        "whole_process_with_study_cpu_s": total,
        "largest_memory_mb": memory,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    result = measure(repeats) | {"fresh_process": fresh_process()}
    result["memory_here_mb"] = peak_mb()
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

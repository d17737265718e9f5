"""This engine beside its peers on the same phantom in one run: CPU, coverage, differences.

Peers live in environments of their own, never in the project's::

    python -m venv peers && peers/bin/pip install mirp==2.7.0 z-rad
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    python tests/bench/radiomics_peers/measure.py mirp=peers/bin/python zrad=peers/bin/python

Prints Markdown: CPU seconds of the myocardium (about 1,800 voxels) and of one territory (about 415)
at 64 bins, all aggregations that the peer has; how many of the 487 features it gives; and the
largest relative difference in each family. One thread; imports are not counted. z-rad leaves small
slices out of its 2D and 2.5D textures; MIRP has intensities in single precision and other boxes and
ellipsoids.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REGIONS = ("MYO", "LAD3")
N_BINS = 64


def measure_ours(image, masks, spacing, repeats: int = 5):
    from mpss_lib.radiomics import FixedBinNumber, Settings, extract

    settings = Settings(discretisation=FixedBinNumber(N_BINS))
    regions = {}
    for name in REGIONS:
        times = []
        for _ in range(repeats + 1):
            start = time.process_time()
            values = extract(image, masks[name], spacing, settings)
            times.append(time.process_time() - start)
        regions[name] = {"cpu_s": sorted(times[1:])[repeats // 2], "values": values}
    return regions


def measure_peer(name: str, python: str, data: Path):
    script = HERE / f"peer_{name}.py"
    output = subprocess.run(
        [python, str(script), str(data)], capture_output=True, text=True, check=True
    ).stdout
    return json.loads(output.rsplit("RESULT ", 1)[1])


def differences(ours, theirs):
    """Family, by 2D and 3D -> (largest relative difference, its feature)."""
    from mpss_lib.radiomics.catalogue import FEATURES

    worst = {}
    for feature in FEATURES:
        name = feature.sera_name
        for region in REGIONS:
            a, b = ours[region]["values"][name], theirs[region]["values"].get(name)
            if b is None or np.isnan(a) or np.isnan(b):
                continue
            found = abs(a - b) / max(abs(a), abs(b), 1e-9)
            space = "3D" if feature.aggregation.startswith("3D") else "2D"
            group = f"{feature.family} {space}" if feature.aggregation else feature.family
            if found >= worst.get(group, (-1.0, ""))[0]:
                worst[group] = (found, name)
    return worst


def report(ours, peers) -> str:
    from mpss_lib.radiomics.catalogue import NAMES

    lines = ["| tool | of the 487 | myocardium, CPU s | LAD, CPU s | times slower |"]
    lines.append("|---|---|---|---|---|")
    total = sum(ours[region]["cpu_s"] for region in REGIONS)
    cells = " | ".join(f"{ours[region]['cpu_s']:.4f}" for region in REGIONS)
    lines.append(f"| this engine | 487 | {cells} | 1 |")
    for name, result in peers.items():
        regions = result["regions"]
        given = {k for k, v in regions["MYO"]["values"].items() if k in NAMES and not np.isnan(v)}
        cells = " | ".join(f"{regions[region]['cpu_s']:.2f}" for region in REGIONS)
        slower = sum(regions[region]["cpu_s"] for region in REGIONS) / total
        lines.append(f"| {name} {result['version']} | {len(given)} | {cells} | {slower:,.0f} |")
    for name, result in peers.items():
        lines += ["", f"Largest relative difference from {name}:", "", "| family | | feature |"]
        lines.append("|---|---|---|")
        found = differences(ours, result["regions"])
        lines += [f"| {family} | {d:.1e} | {feature} |" for family, (d, feature) in found.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[2])]
    from radiomics_study import SPACING_MM, left_ventricle

    image, masks = left_ventricle()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "phantom.npz"
        arrays = {f"mask_{name}": masks[name] for name in REGIONS}
        np.savez(data, image=image, spacing=SPACING_MM, n_bins=N_BINS, regions=REGIONS, **arrays)
        asked = [argument.split("=", 1) for argument in sys.argv[1:]]
        peers = {name: measure_peer(name, python, data) for name, python in asked}
    sys.stdout.write(report(measure_ours(image, masks, SPACING_MM), peers))


if __name__ == "__main__":
    main()

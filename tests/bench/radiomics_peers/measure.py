"""This engine beside its peers on the same phantom in one run: CPU, coverage, differences.

Peers live in environments of their own, never in the project's::

    python3.11 -m venv mirp && mirp/bin/pip install mirp==2.7.0
    python3.11 -m venv zrad && zrad/bin/pip install z-rad==26.9.0
    python3.11 -m venv pyradiomics && pyradiomics/bin/pip install numpy versioneer setuptools wheel
    pyradiomics/bin/pip install --no-build-isolation pyradiomics==3.0.1
    python3.12 -m venv pictologics && pictologics/bin/pip install pictologics==0.9.0
    python tests/bench/radiomics_peers/measure.py mirp=mirp/bin/python zrad=zrad/bin/python \\
        pyradiomics=pyradiomics/bin/python pictologics=pictologics/bin/python

Prints Markdown: CPU seconds (all threads; each library is told to use one) of the myocardium (about
1,800 voxels) and one territory (about 430) together, at 64 bins and at the eight bin numbers of the
platform; features given; CPU per feature and vector; the largest relative difference in each
family. What explains differences: z-rad leaves small slices out of its 2D and 2.5D textures; MIRP
has intensities in single precision and other boxes and ellipsoids; pyradiomics has the kurtosis
without the 3 taken off, axes by n instead of n - 1 and another mesh. Every script warms up on a
small region first and reports the median of up to nine runs (one, where a run takes more than 5 s).
Imports and reading files are not counted. Each tool is asked for everything that it has, with its
means of sharing work between bin numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
REGIONS = ("MYO", "LAD3")
N_BINS = 64
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "ITK_GLOBAL_DEFAULT")
NEAR = 1e-3


def measure_tool(name: str, python: str, data: Path):
    script = HERE / f"peer_{name}.py"
    one_thread = {f"{library}_NUM_THREADS": "1" for library in THREADS}
    one_thread["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    done = subprocess.run(
        [python, str(script), str(data)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | one_thread,
    )
    if done.returncode:
        sys.exit(f"{script.name} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.rsplit("RESULT ", 1)[1])


def by_sera_name(values):
    """Values of the features that are ours; names of pictologics end with the IBSI code."""
    from mpss_lib.radiomics.catalogue import FEATURES

    known = {feature.sera_name for feature in FEATURES}
    codes = {
        feature.ibsi_code: feature.sera_name
        for feature in FEATURES
        if feature.aggregation in ("", "3D_merged", "3D")
    }
    named = {name if name in known else codes.get(name[-4:], ""): v for name, v in values.items()}
    return {name: v for name, v in named.items() if name and not np.isnan(v)}


def differences(ours, theirs):
    """Family -> (features compared, largest difference, its feature, how many exceed NEAR)."""
    from mpss_lib.radiomics.catalogue import FEATURES

    found = {}
    for feature in FEATURES:
        name, group = feature.sera_name, feature.family
        if feature.aggregation:
            group += " in space" if feature.aggregation.startswith("3D") else " by slices"
        pairs = [(ours[r].get(name), theirs[r].get(name)) for r in REGIONS]
        if any(None in pair for pair in pairs):
            continue
        off = max(abs(a - b) / max(abs(a), abs(b), 1e-9) for a, b in pairs)
        count, worst, who, far = found.get(group, (0, -1.0, "", 0))
        worst, who = (off, name) if off > worst else (worst, who)
        found[group] = (count + 1, worst, who, far + (off > NEAR))
    return found


def table(results) -> list[str]:
    lines = [
        "| tool | of the 487 | 64 bins, s | ratio | 8 bin numbers, s | ratio |"
        " us per feature and vector | runs |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ours = results["ours"]["regions"]
    for name, result in results.items():
        regions = result["regions"]
        given = len(by_sera_name(regions["MYO"]["values"]))
        one, every = (sum(regions[r][k] for r in REGIONS) for k in ("one_s", "every_s"))
        first, second = (
            total / sum(ours[r][k] for r in REGIONS)
            for total, k in ((one, "one_s"), (every, "every_s"))
        )
        each = every / (len(REGIONS) * 8 * given) * 1e6
        runs = "/".join(str(n) for n in regions["MYO"]["runs"])
        title = "this engine" if name == "ours" else f"{name} {result['version']}"
        lines.append(
            f"| {title} | {given} | {one:.4g} | {first:,.0f} | {every:.4g} | {second:,.0f} |"
            f" {each:,.1f} | {runs} |"
        )
    return lines


def report(results) -> str:
    lines = table(results)
    named = {
        name: {r: by_sera_name(result["regions"][r]["values"]) for r in REGIONS}
        for name, result in results.items()
    }
    for name in results:
        if name == "ours":
            continue
        lines += ["", f"{name}, largest relative difference in a family:", ""]
        lines += [f"| family | features | largest | of | above {NEAR:g} |", "|---|---|---|---|---|"]
        for family, cells in differences(named["ours"], named[name]).items():
            count, worst, who, far = cells
            lines.append(f"| {family} | {count} | {worst:.1e} | {who} | {far} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[2])]
    from radiomics_study import SPACING_MM, left_ventricle

    from mpss_lib.sections import BINS

    image, masks = left_ventricle()
    asked = [("ours", sys.executable), *(word.split("=", 1) for word in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "phantom.npz"
        arrays = {f"mask_{name}": masks[name] for name in REGIONS}
        np.savez(
            data,
            image=image,
            spacing=SPACING_MM,
            n_bins=N_BINS,
            bins=BINS,
            regions=REGIONS,
            **arrays,
        )
        results = {name: measure_tool(name, python, data) for name, python in asked}
    sys.stdout.write(report(results))


if __name__ == "__main__":
    main()

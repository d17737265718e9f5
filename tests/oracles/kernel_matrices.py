"""The matrices that the texture kernels themselves make of the phantom, taken out on the way.

Runs without the compiler (``NUMBA_DISABLE_JIT=1``): the kernels are then plain functions, and the
three that turn a matrix into features can be replaced by ones that keep it first. Prints JSON.
"""

from __future__ import annotations

import json
import sys

import numpy as np

from mpss_lib.radiomics import _kernels
from mpss_lib.radiomics.reference import digital_phantom
from mpss_lib.radiomics.texture import build_graph, describe_texture

N_SLICES = 4


def keep(found: list, name: str, matrix_of) -> None:
    """Have a kernel's function note its matrix before it works on it."""
    works = getattr(_kernels, name)

    def noting(*args):
        matrix = matrix_of(*args)
        if matrix:
            found.append(matrix)
        return works(*args)

    setattr(_kernels, name, noting)


def pairs_of(n_used, slots, counts, used, shift, *_):
    cells = {}
    for place in used[:n_used]:
        key, count = int(slots[place]), int(counts[place])
        i, j = (key >> shift) + 1, (key & (1 << shift) - 1) + 1
        # A cell stands for (i, j) and (j, i); the manual's diagonal counts a pair twice.
        cells[f"{i},{j}"] = count * (2 if i == j else 1)
    return cells


def items_of(keys, ranges, n_ranges, n_possible, n_levels, shift, *_):
    cells = {}
    for first, last in ranges[:n_ranges]:
        for key in map(int, keys[first:last]):
            cell = f"{(key >> shift) + 1},{(key & (1 << shift) - 1) + 1}"
            cells[cell] = cells.get(cell, 0) + 1
    return cells


def tones_of(counts, sums, n_used, n, out):
    return {str(i): [int(counts[i]), float(sums[i])] for i in np.flatnonzero(counts)}


def main() -> None:
    if hasattr(_kernels.region_features, "py_func"):
        sys.exit("run with NUMBA_DISABLE_JIT=1: compiled kernels cannot be looked into")
    pairs: list = []
    items: list = []
    tones: list = []
    keep(pairs, "_describe_pairs", pairs_of)
    keep(items, "_describe_items", items_of)
    keep(tones, "_difference_features", tones_of)
    image, mask = digital_phantom()
    describe_texture(image[mask].astype(np.int32), 6, build_graph(mask, mask))
    # As the kernels go: GLCM and GLRLM by aggregation, then size zones, distance zones and
    # dependences of each slice, of the slices together and of the volume.
    runs, zones = items[:35], items[35:]
    by_slice, volume = zones[: 3 * N_SLICES], zones[-3:]
    result = {
        "counts": [len(pairs), len(items), len(tones)],
        "COOCCURRENCE": {"2D": pairs[16:20], "3D": pairs[-1:]},
        "RUNS": {"2D": runs[16:20], "3D": runs[-1:]},
        "ZONES": {"2D": by_slice[0::3], "3D": volume[0:1]},
        "DISTANCE_ZONES": {"2D": by_slice[1::3], "3D": volume[1:2]},
        "DEPENDENCES": {"2D": by_slice[2::3], "3D": volume[2:3]},
        "DIFFERENCES": {"2D": tones[:N_SLICES], "3D": tones[-1:]},
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

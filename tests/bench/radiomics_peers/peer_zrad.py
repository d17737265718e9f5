"""Measure z-rad on the regions of a folder; prints JSON. Runs in z-rad's own environment."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import numpy as np

CALLS = (
    ("2D", "AVER"),
    ("2D", "SLICE_MERG"),
    ("2.5D", "DIR_MERG"),
    ("2.5D", "MERG"),
    ("3D", "AVER"),
    ("3D", "MERG"),
)
ZONES = ["glszm", "gldzm", "ngtdm", "ngldm"]
PAIRS = ["glcm", "glrlm"]
ONCE = ["morphology", "local_intensity", "intensity_statistics", "intensity_histogram", "ivh"]


def prepare(image, mask, spacing, n_bins):
    from zrad.image import Image
    from zrad.preprocessing import RoiData
    from zrad.preprocessing.discretization import IVHIntensityDiscretizer, TextureDiscretizer
    from zrad.preprocessing.roi import IntensityMaskBuilder

    geometry = {
        "origin": (0.0, 0.0, 0.0),
        "spacing": spacing[::-1],
        "direction": (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0),
        "shape": image.shape[::-1],
    }
    roi = RoiData(
        image=Image(array=image, **geometry),
        morphological_mask=Image(array=mask.astype(np.int16), **geometry),
    )
    roi = IntensityMaskBuilder().apply(roi)
    roi = TextureDiscretizer(number_of_bins=n_bins).apply(roi)
    return IVHIntensityDiscretizer("fixed_bin_number", number_of_bins=1000).apply(roi)


def measure(image, mask, spacing, n_bins):
    from zrad.radiomics import Radiomics

    values = {}
    start = time.process_time()
    roi = prepare(image, mask, spacing, n_bins)
    for number, (dimension, method) in enumerate(CALLS):
        # Families without directions come once for each dimension, the others in every call;
        # what needs no slices in a 3D call, because 2D calls leave small slices out.
        families = [*PAIRS, *(ZONES if number % 2 == 0 else []), *(ONCE if number == 4 else [])]
        found = Radiomics(dimension, method).extract_features(roi, families=families)
        values.update({name: float(v) for name, v in found.items()})
    return time.process_time() - start, values


def main() -> None:
    data = np.load(sys.argv[1])
    spacing, n_bins = tuple(map(float, data["spacing"])), int(data["n_bins"])
    result = {"version": version("z-rad"), "regions": {}}
    for name in data["regions"]:
        cpu, values = measure(data["image"], data[f"mask_{name}"], spacing, n_bins)
        result["regions"][str(name)] = {"cpu_s": cpu, "values": values}
    sys.stdout.write("\nRESULT " + json.dumps(result))


if __name__ == "__main__":
    main()

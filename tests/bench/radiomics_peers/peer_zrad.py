"""Measure z-rad in its own environment.

It has six calls, one for each aggregation. A family without directions is asked for once for each
dimension, and what needs neither slices nor bins once in all, in a 3D call (2D calls leave small
slices out).
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from clock import serve

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
ONCE = ["morphology", "local_intensity", "intensity_statistics", "ivh"]


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


def make(image, mask, spacing):
    from zrad.radiomics import Radiomics

    def extract(bins):
        first = {}
        for n_bins in bins:
            values = {}
            roi = prepare(image, mask, spacing, n_bins)
            for number, (dimension, method) in enumerate(CALLS):
                families = [*PAIRS, *(ZONES if number % 2 == 0 else [])]
                if number == 4:
                    families += ["intensity_histogram", *(ONCE if n_bins == bins[0] else [])]
                found = Radiomics(dimension, method).extract_features(roi, families=families)
                values.update(found)
            first = first or values
        return first

    return extract


if __name__ == "__main__":
    serve(version("z-rad"), make)

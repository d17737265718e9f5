"""Measure pictologics in its own environment (Python 3.12): first order, 3D merged textures.

All bin numbers are one call, so that the tool shares what it can. Names end with an IBSI code;
``measure.py`` looks them up. Its first import compiles for minutes; that is not timed.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from clock import serve

# Its names that do not end with the feature's own IBSI code.
RENAMED = {
    "10th_discretised_intensity_percentile_1PR8": "ih_p10",
    "90th_discretised_intensity_percentile_GPMT": "ih_p90",
    "volume_at_intensity_fraction_0.10_BC2M_10": "ivh_v10",
    "volume_at_intensity_fraction_0.90_BC2M_90": "ivh_v90",
    "intensity_at_volume_fraction_0.10_GBPN_10": "ivh_i10",
    "intensity_at_volume_fraction_0.90_GBPN_90": "ivh_i90",
    "small_zone_emphasis_P001": "szm_sze_3D",
}
FAMILIES = ["intensity", "morphology", "texture", "histogram", "ivh"]


def steps(n_bins, families):
    options = {
        "families": families,
        "include_spatial_intensity": True,
        "include_local_intensity": True,
        "ivh_discretisation": {"method": "FBN", "n_bins": 1000},
    }
    return [
        {"step": "discretise", "params": {"method": "FBN", "n_bins": n_bins}},
        {"step": "extract_features", "params": options},
    ]


def make(image, mask, spacing):
    from pictologics.loader import Image
    from pictologics.pipeline import RadiomicsPipeline

    def wrap(array):
        turned = np.ascontiguousarray(array.T)
        return Image(array=turned, spacing=spacing[::-1], origin=(0.0, 0.0, 0.0))

    pair = wrap(image.astype(np.float64)), wrap(mask.astype(np.uint8))

    def extract(bins):
        tool = RadiomicsPipeline(load_standard=False)
        for n_bins in bins:
            tool.add_config(str(n_bins), steps(n_bins, FAMILIES))
        found = tool.run(*pair)[str(bins[0])]
        return {RENAMED.get(name, name): value for name, value in found.items()}

    return extract


if __name__ == "__main__":
    serve(version("pictologics"), make)

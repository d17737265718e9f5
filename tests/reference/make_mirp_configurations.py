"""Compute MIRP's values of the five IBSI configurations; writes ``mirp_configurations.csv``.

The CT of the standard's own test is not distributed here. On a volume like it (``ct_volume``) MIRP
runs the whole chain of each configuration, 2D and 3D aggregations alike, no approximation. In its
own environment, never in the project's::

    python -m venv peers && peers/bin/pip install mirp==2.7.0
    peers/bin/python tests/reference/make_mirp_configurations.py

One row for each feature, under SERA's name, one column for each configuration. About two CPU
minutes.
"""

from __future__ import annotations

import csv
import logging
import re
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).resolve().parent

# Tables "Configuration A" to "E" of the IBSI manual, chapter "Reference data sets".
TISSUE = {"resegmentation_intensity_range": [-500.0, 400.0]}
WIDE = {"resegmentation_intensity_range": [-1000.0, 400.0]}
WIDTH_25 = {
    "base_discretisation_method": "fixed_bin_size",
    "base_discretisation_bin_width": 25.0,
}
BINS_32 = {"base_discretisation_method": "fixed_bin_number", "base_discretisation_n_bins": 32}
IN_PLANE = {"new_spacing": [3.0, 2.0, 2.0], "spline_order": 1, "roi_spline_order": 1}
CUBE = {"new_spacing": [2.0, 2.0, 2.0], "spline_order": 1, "roi_spline_order": 1}
WHOLE_UNITS = {"ivh_discretisation_method": "none"}
CONFIGURATIONS = {
    "A": TISSUE | WIDTH_25 | WHOLE_UNITS,
    "B": TISSUE | BINS_32 | WHOLE_UNITS | IN_PLANE,
    "C": WIDE
    | WIDTH_25
    | CUBE
    | {"ivh_discretisation_method": "fixed_bin_size", "ivh_discretisation_bin_width": 2.5},
    "D": {"resegmentation_sigma": 3.0} | BINS_32 | CUBE | WHOLE_UNITS,
    "E": WIDE
    | {"resegmentation_sigma": 3.0}
    | BINS_32
    | CUBE
    | {"spline_order": 3}
    | {"ivh_discretisation_method": "fixed_bin_number", "ivh_discretisation_n_bins": 1000},
}


def measure(image: str, mask: str, configuration: dict) -> dict[str, float]:
    from make_mirp_values import BY_SLICE, DIRECTIONAL, sera_name
    from mirp import extract_features

    (table,) = extract_features(
        image=image,
        mask=mask,
        image_modality="ct",
        base_feature_families="all",
        ibsi_compliant=False,
        no_approximation=True,
        anti_aliasing=False,
        glcm_spatial_method=DIRECTIONAL,
        glrlm_spatial_method=DIRECTIONAL,
        glszm_spatial_method=BY_SLICE,
        gldzm_spatial_method=BY_SLICE,
        ngtdm_spatial_method=BY_SLICE,
        ngldm_spatial_method=BY_SLICE,
        **configuration,
    )
    bare = {column: re.sub(r"_fbs_w[\d.]+(?=$|_)", "", column) for column in table.columns}
    return {sera_name(name): table[column].iloc[0] for column, name in bare.items()}


def main() -> None:
    sys.path.insert(0, str(HERE))
    logging.disable(logging.CRITICAL)
    from ct_volume import SPACING_MM, ct_volume
    from make_mirp_values import write_images

    volume, drawn = ct_volume()
    case = SimpleNamespace(name="ct", image=volume, mask=drawn, spacing_mm=SPACING_MM)
    with tempfile.TemporaryDirectory() as folder:
        image, mask = write_images(case, Path(folder))
        found = {letter: measure(image, mask, how) for letter, how in CONFIGURATIONS.items()}
    families = r"(morph|loc|stat|ih|ivh|cm|rlm|szm|dzm|ngt|ngl)_"
    names = [name for name in found["A"] if re.match(families, name)]
    with (HERE / "mirp_configurations.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["sera_name", *found])
        for name in sorted(names):
            row = [values.get(name) for values in found.values()]
            writer.writerow([name, *("" if v is None or v != v else repr(float(v)) for v in row)])


if __name__ == "__main__":
    main()

"""Compute the values of MIRP on the random volumes; writes ``mirp_values.csv`` beside this file.

MIRP (https://github.com/oncoray/mirp, EUPL 1.2) is the reference implementation of the IBSI
standard. It runs in its own environment, never in the project's::

    python -m venv peers && peers/bin/pip install mirp==2.7.0
    peers/bin/python tests/reference/make_mirp_values.py

One row for each of its features, under SERA's name where there is one, and one column for each
volume of ``random_regions``; empty where MIRP gives nothing. About 70 CPU seconds.
"""

from __future__ import annotations

import csv
import logging
import re
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DIRECTIONAL = [
    "2d_average",
    "2d_slice_merge",
    "2.5d_direction_merge",
    "2.5d_volume_merge",
    "3d_average",
    "3d_volume_merge",
]
BY_SLICE = ["2d", "2.5d", "3d"]
SUFFIXES = {
    "2d_avg": "2D_avg",
    "2d_s_mrg": "2D_comb",
    "2.5d_d_mrg": "2_5D_avg",
    "2.5d_v_mrg": "2_5D_comb",
    "3d_avg": "3D_avg",
    "3d_v_mrg": "3D_comb",
    "2d": "2D",
    "2.5d": "2_5D",
    "3d": "3D",
}


def sera_name(column: str) -> str:
    """Name of MIRP without discretisation, distance and coarseness; aggregation as SERA's."""
    base = re.sub(r"_fbn_n\d+$", "", column)
    base = re.sub(r"_d1(_a0(\.0)?)?_", "_", base)
    for theirs, ours in SUFFIXES.items():
        if base.endswith("_" + theirs):
            return base[: -len(theirs)] + ours
    return base


def write_images(case, folder: Path) -> tuple[str, str]:
    """Write image and mask of a case as files; MIRP's way to take them."""
    import itk
    import numpy as np

    paths = []
    for name, array in (("image", case.image), ("mask", case.mask.astype(np.uint8))):
        volume = itk.image_from_array(np.ascontiguousarray(array))
        volume.SetSpacing(case.spacing_mm[::-1])
        paths.append(str(folder / f"{case.name}_{name}.nrrd"))
        itk.imwrite(volume, paths[-1])
    return paths[0], paths[1]


def measure(image: str, mask: str, n_bins: list[int]) -> dict[str, float]:
    """All features in all aggregations; of several bin numbers, those of the first."""
    from mirp import extract_features

    (table,) = extract_features(
        image=image,
        mask=mask,
        base_feature_families="all",
        ibsi_compliant=False,
        no_approximation=True,
        base_discretisation_method="fixed_bin_number",
        base_discretisation_n_bins=n_bins,
        ivh_discretisation_method="fixed_bin_number",
        ivh_discretisation_n_bins=1000,
        glcm_spatial_method=DIRECTIONAL,
        glrlm_spatial_method=DIRECTIONAL,
        glszm_spatial_method=BY_SLICE,
        gldzm_spatial_method=BY_SLICE,
        ngtdm_spatial_method=BY_SLICE,
        ngldm_spatial_method=BY_SLICE,
    )
    others = tuple(f"_fbn_n{n}" for n in n_bins[1:])
    columns = [name for name in table.columns if not (others and name.endswith(others))]
    return {sera_name(column): table[column].iloc[0] for column in columns}


def main() -> None:
    sys.path.insert(0, str(HERE))
    from random_regions import cases

    logging.disable(logging.CRITICAL)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            found[case.name] = measure(*write_images(case, Path(folder)), [case.n_bins])
    families = (
        "morph_",
        "loc_",
        "stat_",
        "ih_",
        "ivh_",
        "cm_",
        "rlm_",
        "szm_",
        "dzm_",
        "ngt_",
        "ngl_",
    )
    every = sorted({name for values in found.values() for name in values})
    names = [name for name in every if name.startswith(families)]
    with (HERE / "mirp_values.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["sera_name", *found])
        for name in names:
            row = [values.get(name) for values in found.values()]
            writer.writerow([name, *("" if v is None or v != v else repr(float(v)) for v in row)])


if __name__ == "__main__":
    main()

# %% [markdown]
# # Your own NIfTI through the engine, beside MIRP
#
# MIRP 2.7.0 is the reference implementation of the Image Biomarker Standardisation Initiative. Its environment is large
# and is no part of the platform: an environment of its own has both, the engine and MIRP, and runs this notebook.
#
#     python3.11 -m venv beside && beside/bin/pip install mirp==2.7.0 nibabel numba pydantic pyyaml
#     beside/bin/pip install --no-deps .
#     beside/bin/python examples/beside_mirp.py

# %%
import logging
import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from mpss_lib.radiomics import IBSI_CONFIGURATIONS, extract
from mpss_lib.radiomics.catalogue import FEATURES

try:
    from mirp import extract_features
except ModuleNotFoundError:
    raise SystemExit(
        "MIRP is not installed in this Python, so nothing was compared. The first lines of this notebook say how."
    ) from None

# %% [markdown]
# Two files are made first; put the names of your own in their place. Whole Hounsfield units, as a CT gives them.

# %%
IMAGE, MASK = Path("ct.nii.gz"), Path("tumour.nii.gz")

rng = np.random.default_rng(1)
x, y, z = np.indices((30, 30, 16))
affine = np.diag([1.7, 1.7, 2.9, 1.0])
made = 40 + 60 * np.sin(x / 3) * np.cos(y / 4 + z / 2) + rng.normal(0, 15, x.shape)
ball = (1.7 * (x - 15)) ** 2 + (1.7 * (y - 15)) ** 2 + (2.9 * (z - 8)) ** 2 <= 14**2
nibabel.save(nibabel.Nifti1Image(made.round().astype(np.int16), affine), IMAGE)
nibabel.save(nibabel.Nifti1Image(ball.astype(np.uint8), affine), MASK)

# %% [markdown]
# The engine: arrays (z, y, x), configuration C of the standard.

# %%
file = nibabel.load(IMAGE)
spacing_mm = tuple(float(size) for size in file.header.get_zooms()[2::-1])
mask = nibabel.load(MASK).get_fdata().T > 0.5
here = extract(file.get_fdata().T, mask, spacing_mm, IBSI_CONFIGURATIONS["C"])

# %% [markdown]
# MIRP: the same files, the same configuration in its own words, every aggregation, nothing approximated.

# %%
logging.disable(logging.WARNING)
directional = [
    "2d_average",
    "2d_slice_merge",
    "2.5d_direction_merge",
    "2.5d_volume_merge",
    "3d_average",
    "3d_volume_merge",
]
(table,) = extract_features(
    image=str(IMAGE),
    mask=str(MASK),
    image_modality="ct",
    new_spacing=[2.0, 2.0, 2.0],
    spline_order=1,
    roi_spline_order=1,
    anti_aliasing=False,
    resegmentation_intensity_range=[-1000.0, 400.0],
    base_discretisation_method="fixed_bin_size",
    base_discretisation_bin_width=25.0,
    ivh_discretisation_method="fixed_bin_size",
    ivh_discretisation_bin_width=2.5,
    base_feature_families="all",
    ibsi_compliant=False,
    no_approximation=True,
    **{f"{family}_spatial_method": directional for family in ("glcm", "glrlm")},
    **{
        f"{family}_spatial_method": ["2d", "2.5d", "3d"]
        for family in ("glszm", "gldzm", "ngtdm", "ngldm")
    },
)

# %% [markdown]
# One name for both: MIRP's without bin width and distance, its aggregation in the engine's spelling.

# %%
AGGREGATION = {
    "_2d_avg": "_2D_avg",
    "_2d_s_mrg": "_2D_comb",
    "_2.5d_d_mrg": "_2_5D_avg",
    "_2.5d_v_mrg": "_2_5D_comb",
    "_3d_avg": "_3D_avg",
    "_3d_v_mrg": "_3D_comb",
    "_2d": "_2D",
    "_2.5d": "_2_5D",
    "_3d": "_3D",
}


def engine_name(column):
    """Spell a column of MIRP as the engine does."""
    bare = re.sub(r"_fbs_w[\d.]+(?=$|_)|_d1(_a0(\.0)?)?(?=_)", "", column)
    ending = next((theirs for theirs in AGGREGATION if bare.endswith(theirs)), "")
    return bare.removesuffix(ending) + AGGREGATION.get(ending, "")


there = {engine_name(column): table[column].iloc[0] for column in table.columns}
both = pd.DataFrame(
    [
        (f.sera_name, f.family, f.ibsi_code, here[f.sera_name], float(there[f.sera_name]))
        for f in FEATURES
        if f.sera_name in there
    ],
    columns=["feature", "family", "ibsi_code", "engine", "mirp"],
)
larger = both[["engine", "mirp"]].abs().max(axis=1)
both["difference"] = ((both["engine"] - both["mirp"]).abs() / larger).where(larger > 0, 0.0)
both.to_csv("beside_mirp.csv", index=False)

# %% [markdown]
# Relative differences. MIRP holds intensities in single precision: 1e-7 is all that can be asked there. For the smallest
# box and the smallest ellipsoid about a region (`ombb`, `mvee`) the standard names no algorithm.

# %%
print(len(both), "features of", len(FEATURES), "are in both; relative difference by family:")
steps = [-1, 1e-12, 1e-9, 1e-6, 1e-3, np.inf]
labels = ["to 1e-12", "to 1e-9", "to 1e-6", "to 1e-3", "above"]
print(
    pd.crosstab(
        both["family"], pd.cut(both["difference"], steps, labels=labels), margins=True
    ).to_string()
)
print(both.nlargest(10, "difference").to_string(index=False))

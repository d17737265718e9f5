"""Agreement with MIRP 2.7.0, the reference implementation, on 24 random volumes.

``tests/reference/make_mirp_values.py`` made the values. All agrees within 1e-9 relative, but:

- MIRP holds intensities and some levels in single precision: statistics, histogram, grey-level
  variances, local peaks and what morphology takes from intensities agree to single precision.
- Oriented box and enclosing ellipsoid have no agreed algorithm and no published value. MIRP turns
  the box step by step; its ellipsoid stops at a loose tolerance.
- A co-occurrence matrix of one level: MIRP leaves it out of the mean of the inverse variance and
  takes 1 for the information correlation 1; by the definitions the sum is 0, and we take 0 for 0/0.
- Above 300 voxels MIRP repeats edge voxels in the sphere of the local peaks; IBSI takes the voxels
  that are there.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import texture as oracle
from reference.random_regions import cases

from mpss_lib.radiomics import FixedBinNumber, Settings, extract
from mpss_lib.radiomics.catalogue import NAMES
from mpss_lib.radiomics.discretise import discretise

CASES = {case.name: case for case in cases()}
OTHER_SHAPES = ("_ombb", "_mvee")
SINGLE = ("stat_", "ih_", "loc_", "morph_com", "morph_integ", "morph_moran", "morph_geary")
ONE_LEVEL = ("cm_inv_var_2D_avg", "cm_info_corr1_2D_avg")


@pytest.fixture(scope="module")
def mirp():
    path = Path(oracle.__file__).parents[1] / "reference" / "mirp_values.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        return {row["sera_name"]: row for row in csv.DictReader(handle)}


def values_of(case):
    settings = Settings(discretisation=FixedBinNumber(case.n_bins))
    return extract(case.image, case.mask, case.spacing_mm, settings)


@pytest.mark.parametrize("name", CASES)
def test_every_shared_feature_agrees(mirp, name):
    case = CASES[name]
    found = values_of(case)
    for feature in NAMES:
        if any(part in feature for part in OTHER_SHAPES) or feature in ONE_LEVEL:
            continue
        if feature.startswith("loc_") and case.mask.sum() > 300:
            continue
        wanted = float(mirp[feature][name] or "nan")
        is_single = feature.startswith(SINGLE) or "_gl_var" in feature
        rtol, atol = (2e-6, 1e-6) if is_single else (1e-9, 1e-12)
        assert_allclose(found[feature], wanted, rtol=rtol, atol=atol, err_msg=feature)


def matrices_2d(case):
    levels = np.zeros(case.image.shape, np.int32)
    levels[case.mask], _ = discretise(case.image[case.mask], FixedBinNumber(case.n_bins))
    parts = oracle.slices_of(levels)
    made = [oracle.cooccurrence(part, step) for part in parts for step in oracle.FLAT]
    return [matrix for matrix in made if matrix]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.n_bins <= 32])
def test_matrices_of_one_level_explain_the_rest(mirp, name):
    case = CASES[name]
    rows = np.array([oracle.describe_cooccurrence(m, case.n_bins) for m in matrices_2d(case)])
    is_diagonal = np.array([all(i == j for i, j in m) for m in matrices_2d(case)])
    is_single = np.array([len(m) == 1 for m in matrices_2d(case)])
    wanted = float(mirp["cm_inv_var_2D_avg"][name])
    assert_allclose(rows[~is_diagonal, 17].mean(), wanted, rtol=1e-9)
    wanted = float(mirp["cm_info_corr1_2D_avg"][name])
    assert_allclose(np.where(is_single, 1.0, rows[:, 23]).mean(), wanted, rtol=1e-9)


def test_volumes_are_as_varied_as_announced():
    assert len(CASES) >= 20
    assert {case.n_bins for case in CASES.values()} == {4, 8, 16, 32, 64, 128}
    assert any(np.array_equal(case.image, np.round(case.image)) for case in CASES.values())
    assert any(case.image.min() < 0 for case in CASES.values())
    assert sum(len(set(case.spacing_mm)) == 3 for case in CASES.values()) >= 10

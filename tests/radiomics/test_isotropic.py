"""The cheap way to 166 features gives what the door to all of them gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpss_lib.radiomics import FixedBinNumber, Settings, extract_many
from mpss_lib.radiomics.catalogue import FEATURES
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES, measure_isotropic, shape_of
from mpss_lib.selection.steps import drop_by_metadata, read_catalogue

BINS = (4, 32, 512)
IVH = FixedBinNumber(1000)


def region(kind: str):
    rng = np.random.default_rng(5)
    image = rng.gamma(5.0, 20.0, (9, 10, 11))
    mask = np.zeros(image.shape, np.bool_)
    mask[2:7, 1:9, 3:9] = rng.random((5, 8, 6)) < 0.6
    if kind == "one_voxel":
        mask[:] = False
        mask[4, 4, 4] = True
    elif kind == "flat":
        image[:] = 3.0
    elif kind == "apart":
        mask[:] = False
        mask[0, 0, :3] = mask[8, 9, 5:] = True
    return image, mask


@pytest.mark.parametrize("kind", ["wall", "one_voxel", "flat", "apart"])
def test_values_are_those_of_the_full_extraction(kind):
    image, mask = region(kind)
    full = extract_many(image, {"R": mask}, (4.8, 4.8, 4.8), Settings(ivh=IVH), BINS)
    found = measure_isotropic(image, {"R": shape_of(mask)}, BINS, IVH)
    for k, bins in enumerate(BINS):
        wanted = [full["R", bins][name] for name in ISOTROPIC_NAMES]
        assert_allclose(found[0, k], wanted, rtol=1e-12, atol=1e-12, err_msg=f"{kind} {bins}")


def test_they_are_what_the_first_step_of_selection_leaves():
    rows = [vars(feature) for feature in FEATURES]
    gone = {entry.feature for entry in drop_by_metadata(read_catalogue(rows))}
    assert tuple(row["sera_name"] for row in rows if row["sera_name"] not in gone) == (
        ISOTROPIC_NAMES
    )
    assert len(ISOTROPIC_NAMES) == 166


def test_what_is_not_there_or_not_finite_has_no_value():
    image, mask = region("wall")
    assert shape_of(np.zeros_like(mask)) is None
    image[tuple(np.argwhere(mask)[0])] = np.inf
    found = measure_isotropic(image, {"A": None, "B": shape_of(mask)}, BINS, IVH)
    assert found.shape == (2, 3, 166)
    assert np.isnan(found).all()

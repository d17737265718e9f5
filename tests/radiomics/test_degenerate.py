"""Degenerate input for every family: which features are undefined, and that nothing else happens.

Warnings are errors in all tests, so that a warning fails here too.
"""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics import (
    IBSI_CONFIGURATIONS,
    FixedBinNumber,
    FixedBinSize,
    Settings,
    extract,
)
from mpss_lib.radiomics.catalogue import BY_NAME, NAMES, names_of

SHAPE = (9, 10, 11)
SPACING = (2.0, 3.0, 1.5)
EVERY = Counter(BY_NAME[name].family for name in NAMES)
PAIRS_ONLY = {"glcm": 150, "ngtdm": 15}
IN_SLICES_NO_PAIRS = {"glcm": 100, "ngtdm": 10}


def box(*places):
    mask = np.zeros(SHAPE, bool)
    mask[places] = True
    return mask


def isolated():
    mask = np.zeros(SHAPE, bool)
    mask[::3, ::3, ::3] = True
    return mask


def diagonal():
    mask = np.zeros(SHAPE, bool)
    mask[range(9), 4, range(9)] = True
    return mask


# Mask -> undefined features of each family, on intensities that all differ.
MASKS = {
    "empty": (np.zeros(SHAPE, bool), dict(EVERY)),
    "one voxel": (box(3, 3, 3), {"morph": 9, **PAIRS_ONLY}),
    "one voxel in the corner": (box(0, 0, 0), {"morph": 9, **PAIRS_ONLY}),
    "isolated voxels": (isolated(), PAIRS_ONLY),
    "two neighbours": (box(3, 3, slice(3, 5)), {"morph": 2, "stat": 1, "ih": 1}),
    "two far apart": (
        box(3, 3, 3) | box(7, 7, 7),
        {"morph": 2, "stat": 1, "ih": 1, **PAIRS_ONLY},
    ),
    "flat": (box(4, slice(2, 7), slice(2, 8)), {"morph": 1}),
    "flat across the slices": (box(slice(1, 6), slice(2, 7), 4), {"morph": 1}),
    "line through the slices": (box(slice(1, 7), 4, 4), {"morph": 2, **IN_SLICES_NO_PAIRS}),
    "diagonal": (diagonal(), {"morph": 2, **IN_SLICES_NO_PAIRS}),
    "checkerboard": (np.indices(SHAPE).sum(axis=0) % 2 == 0, {}),
    "parts": (
        box(slice(1, 3), slice(1, 4), slice(1, 4)) | box(slice(5, 8), slice(5, 8), slice(6, 9)),
        {},
    ),
    "fewer voxels than bins": (box(slice(2, 4), slice(2, 4), slice(2, 4)), {}),
    "the whole image": (np.ones(SHAPE, bool), {}),
}
# Intensities -> what is undefined in addition, for masks of at least two voxels.
IMAGES = {
    "plain": lambda plain: plain,
    "negative": lambda plain: plain - 500,
    "equal": lambda plain: np.full_like(plain, 7.0),
    "zero": np.zeros_like,
    "two values": lambda plain: np.where(plain > 100, 1.0, 2.0),
    "equal but for the last digit": lambda plain: 7 + 1e-15 * np.round(plain),
    "minute": lambda plain: plain * 2.0**-1000,
    "enormous": lambda plain: plain * 2.0**1000,
    "opposite signs": lambda plain: np.where(plain > 100, 1.0, -1.0),
    "some NaN": lambda plain: np.where(plain > 130, np.nan, plain),
    "some infinite": lambda plain: np.where(plain > 130, np.inf, plain),
    "all NaN": lambda plain: np.full_like(plain, np.nan),
}
SETTINGS = {
    "64 bins": Settings(),
    "512 bins": Settings(discretisation=FixedBinNumber(512)),
    "bin size": Settings(discretisation=FixedBinSize(5.0)),
    "C": IBSI_CONFIGURATIONS["C"],
    "E": IBSI_CONFIGURATIONS["E"],
    "narrow": Settings(outlier_sigma=0.5),
    "range": Settings(resegment_range=(90.0, 110.0)),
    "one voxel of all": Settings(resample_mm=(50.0, 50.0, 50.0)),
}


@pytest.fixture
def plain(rng):
    return rng.normal(100, 20, SHAPE)


def undefined(values):
    return Counter(BY_NAME[name].family for name, value in values.items() if np.isnan(value))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("bins", ["64 bins", "512 bins"])
def test_every_family_says_what_is_undefined(plain, mask, bins):
    values = extract(plain, MASKS[mask][0], SPACING, SETTINGS[bins])
    assert tuple(values) == NAMES
    assert undefined(values) == MASKS[mask][1]


@pytest.mark.parametrize("mask", ["parts", "the whole image", "checkerboard"])
def test_equal_intensities_leave_all_but_autocorrelation(plain, mask):
    values = extract(np.full_like(plain, 7.0), MASKS[mask][0], SPACING)
    missing = {name for name, value in values.items() if np.isnan(value)}
    assert missing == {"morph_moran_i", "morph_geary_c"}


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("how", SETTINGS)
def test_no_warning_no_crash_no_infinity(plain, image, how):
    array = IMAGES[image](plain)
    if (how, image) == ("bin size", "enormous"):
        with pytest.raises(WrongArgumentError, match="grey levels"):
            extract(array, MASKS["parts"][0], SPACING, SETTINGS[how])
        return
    for mask, _ in MASKS.values():
        values = extract(array, mask, SPACING, SETTINGS[how])
        assert tuple(values) == NAMES
        assert not np.isinf(list(values.values())).any()


@pytest.mark.parametrize("power", [-1000, -500, 500])
def test_unit_of_intensities_does_not_matter_to_pure_numbers(plain, power):
    mask = MASKS["parts"][0]
    before, after = extract(plain, mask, SPACING), extract(plain * 2.0**power, mask, SPACING)
    for name, value in before.items():
        if BY_NAME[name].unit == "1":
            assert_allclose(after[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert after["stat_mean"] == pytest.approx(before["stat_mean"] * 2.0**power)


def test_what_overflows_is_undefined_and_named(plain):
    values = extract(plain * 2.0**1000, MASKS["parts"][0], SPACING)
    assert np.isnan([values["stat_energy"], values["stat_var"], values["stat_rms"]]).all()
    assert np.isfinite([values["stat_mean"], values["stat_skew"], values["morph_moran_i"]]).all()


def test_neighbour_that_is_not_finite_leaves_no_peak(plain):
    mask = MASKS["fewer voxels than bins"][0]
    for bad in (np.nan, np.inf):
        plain[1, 1, 1] = bad
        values = extract(plain, mask, SPACING)
        assert {name for name, value in values.items() if np.isnan(value)} <= set(names_of("loc"))
        assert np.isnan(values["loc_peak_glob"])

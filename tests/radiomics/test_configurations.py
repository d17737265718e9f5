"""The five IBSI configurations on a CT-like volume, against MIRP 2.7.0.

``tests/reference/make_mirp_configurations.py`` made the values: the whole chain, from interpolation
to features. All 483 features that MIRP has in common agree within 1e-9 relative; where MIRP holds
intensities in single precision, to that precision (as in ``test_mirp``).
"""

import csv
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from reference import ct_volume

from mpss_lib.radiomics import IBSI_CONFIGURATIONS, extract
from mpss_lib.radiomics.catalogue import NAMES, names_of
from mpss_lib.radiomics.extraction import undefined_of
from mpss_lib.radiomics.preprocess import prepare_image, prepare_region, resample

# No agreed algorithm, no published value: MIRP's box and ellipsoid are other ones.
OTHER_SHAPES = set(names_of("morph")[18:20] + names_of("morph")[22:24])
SINGLE = ("stat_", "ih_", "loc_", "morph_com", "morph_integ", "morph_moran", "morph_geary")


@pytest.fixture(scope="module")
def mirp():
    path = Path(ct_volume.__file__).with_name("mirp_configurations.csv")
    with path.open(newline="", encoding="utf-8") as handle:
        return {row["sera_name"]: row for row in csv.DictReader(handle)}


@pytest.fixture(scope="module")
def volume():
    return ct_volume.ct_volume()


def regions(volume):
    """Letter -> (image, region) after preprocessing."""
    image, mask = volume
    found = {}
    for letter, settings in IBSI_CONFIGURATIONS.items():
        prepared = prepare_image(image, ct_volume.SPACING_MM, settings)
        region = prepare_region(mask, prepared, ct_volume.SPACING_MM, settings)
        found[letter] = prepared, region
    return found


@pytest.mark.parametrize("letter", "ABCDE")
def test_every_feature_agrees(mirp, volume, letter):
    found = extract(*volume, ct_volume.SPACING_MM, IBSI_CONFIGURATIONS[letter])
    assert not undefined_of(NAMES, np.array(list(found.values())))
    compared = [name for name in NAMES if name not in OTHER_SHAPES]
    assert len(compared) == 483
    for name in compared:
        is_single = name.startswith(SINGLE) or "_gl_var" in name
        rtol, atol = (2e-6, 1e-6) if is_single else (1e-9, 1e-12)
        wanted = float(mirp[name][letter])
        assert_allclose(found[name], wanted, rtol=rtol, atol=atol, err_msg=name)


def test_each_step_has_something_to_do(volume):
    # Else agreement would say nothing about it.
    found = regions(volume)
    sizes = {
        letter: (int(region.morphology.sum()), int(region.intensity.sum()))
        for letter, (_, region) in found.items()
    }
    assert all(drawn > kept + 20 for drawn, kept in sizes.values())
    image, region = found["E"]
    box = tuple(
        slice(c, c + n) for c, n in zip(region.corner, region.morphology.shape, strict=True)
    )
    values = image.image[box][region.morphology]
    reach = 3 * values.std()
    assert (values > 400).any()
    assert (values < -1000).any()
    assert (np.abs(values - values.mean()) > reach).any()
    assert ((values < 400) & (values > -1000) & (np.abs(values - values.mean()) > reach)).any()


def test_no_intensity_is_rounded_by_its_last_digit(volume):
    # Else single and double precision could differ by one unit, and say nothing.
    image, mask = volume
    for letter in "BCE":
        settings = IBSI_CONFIGURATIONS[letter]
        exact = resample(
            image, ct_volume.SPACING_MM, settings.resample_mm, settings.image_interpolation
        )
        part = resample(mask.astype(float), ct_volume.SPACING_MM, settings.resample_mm, "linear")
        from_half = np.abs(exact - np.floor(exact) - 0.5)[part >= 0.499]
        assert from_half.min() > 1e-4


def test_grids_are_those_of_the_manual(volume):
    z, y, x = ct_volume.SHAPE
    dz, dy, dx = ct_volume.SPACING_MM
    in_plane = (z, int(np.ceil(y * dy / 2)), int(np.ceil(x * dx / 2)))
    cube = (int(np.ceil(z * dz / 2)), *in_plane[1:])
    shapes = {letter: image.image.shape for letter, (image, _) in regions(volume).items()}
    assert shapes == {"A": (z, y, x), "B": in_plane, "C": cube, "D": cube, "E": cube}


def test_calibrated_units_with_a_trace_of_floating_point(volume):
    # As a NIfTI file with a slope gives them; the manual has them rounded first.
    image, mask = volume
    noise = np.random.default_rng(4).uniform(-1e-4, 1e-4, image.shape)
    settings = IBSI_CONFIGURATIONS["A"]
    found = extract(image + noise, mask, ct_volume.SPACING_MM, settings)
    assert found == extract(image, mask, ct_volume.SPACING_MM, settings)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics import (
    AsIs,
    FixedBinNumber,
    FixedBinSize,
    Settings,
    extract,
    extract_many,
)
from mpss_lib.radiomics.catalogue import BINNED_NAMES, FEATURES, NAMES, ONCE_NAMES, names_of
from mpss_lib.radiomics.extraction import undefined_of

SPACING = (4.8, 4.8, 4.8)


@pytest.fixture
def image(rng):
    return rng.normal(100, 20, (8, 9, 10))


@pytest.fixture
def mask(rng):
    found = rng.random((8, 9, 10)) < 0.5
    found[:, :2] = False
    return found


def undefined(values):
    return {name for name, value in values.items() if np.isnan(value)}


def families(names):
    return {feature.family for feature in FEATURES if feature.sera_name in names}


def test_all_487_in_order(image, mask):
    values = extract(image, mask, SPACING)
    assert tuple(values) == NAMES
    assert all(type(value) is float for value in values.values())
    assert not undefined(values)


def test_many_is_one_by_one(image, mask):
    masks = {"a": mask, "b": mask & (np.arange(10) > 4)}
    found = extract_many(image, masks, SPACING, bins=(4, 64))
    assert set(found) == {("a", 4), ("a", 64), ("b", 4), ("b", 64)}
    for (name, n), values in found.items():
        alone = extract(image, masks[name], SPACING, Settings(discretisation=FixedBinNumber(n)))
        assert values == alone


def test_same_input_same_bits(image, mask):
    assert extract(image, mask, SPACING) == extract(image.copy(), mask.copy(), SPACING)


def test_arguments_are_left_alone(image, mask):
    before = image.copy(), mask.copy()
    image.flags.writeable = mask.flags.writeable = False
    extract(image, mask, SPACING)
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.uint8, np.int64])
def test_any_number_type_gives_what_float64_gives(image, mask, kind):
    given_image = np.round(image).astype(kind)
    wanted = extract(given_image.astype(np.float64), mask, SPACING)
    assert extract(given_image, mask.astype(np.uint8), SPACING) == wanted


def test_order_in_memory_does_not_matter(image, mask):
    wanted = extract(image, mask, SPACING)
    assert extract(np.asfortranarray(image), np.asfortranarray(mask), SPACING) == wanted
    assert extract(image[::-1].copy()[::-1], mask, SPACING) == wanted


# ------------------------------------------------------------------ laws


@settings(max_examples=10)
@given(st.integers(0, 99), st.integers(-900, 900), st.integers(-4, 4))
def test_shift_and_scale_leave_fixed_bin_number_textures(seed, shift, power):
    # Whole numbers and powers of 2: exact, so that no voxel crosses a bin's edge by rounding.
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 1021, (4, 5, 6)).astype(float)
    mask = rng.random(image.shape) < 0.7
    how = Settings(discretisation=FixedBinNumber(13))
    before = extract(image, mask, SPACING, how)
    after = extract((image + shift) * 2.0**power, mask, SPACING, how)
    for name in BINNED_NAMES:
        assert after[name] == before[name], name


@settings(max_examples=8)
@given(st.integers(0, 99), st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
def test_turning_image_mask_and_spacing_leaves_everything_in_space(seed, axes, flips):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 20, (5, 6, 7))
    mask = rng.random(image.shape) < 0.6
    spacing = (2.0, 3.0, 1.5)

    def turn(array):
        return np.flip(np.transpose(array, axes), tuple(flips))

    before = extract(image, mask, spacing)
    after = extract(turn(image), turn(mask), tuple(spacing[axis] for axis in axes))
    for name, value in before.items():
        if "_2D" not in name and "_2_5D" not in name:
            assert_allclose(after[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


def test_slice_axis_is_a_turn(image, mask):
    for axis in (1, 2):
        found = extract(image, mask, (2, 3, 4), Settings(slice_axis=axis))
        order = np.moveaxis(np.arange(3), axis, 0) if axis == 0 else [axis, *({0, 1, 2} - {axis})]
        turned = extract(
            np.transpose(image, order),
            np.transpose(mask, order),
            tuple((2, 3, 4)[k] for k in order),
        )
        for name in NAMES:
            assert_allclose(found[name], turned[name], rtol=1e-9, err_msg=name)


def test_what_lies_outside_the_mask_matters_to_local_peaks_only(image, mask):
    other = np.where(mask, image, image + 1000)
    before, after = extract(image, mask, SPACING), extract(other, mask, SPACING)
    changed = {name for name in NAMES if before[name] != after[name]}
    assert changed == set(names_of("loc"))


# ------------------------------------------------------------ degenerate


def test_empty_mask_is_undefined_throughout_and_told(image, caplog):
    values = extract(image, np.zeros(image.shape, bool), SPACING)
    assert undefined(values) == set(NAMES)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "'mask' are undefined (NaN): the mask holds no voxel" in caplog.text


def test_of_many_masks_the_empty_one_is_named(image, mask, caplog):
    empty = np.zeros(image.shape, bool)
    values = extract_many(image, {"MYO": mask, "LAD3": empty}, SPACING, bins=(8, 64))
    assert undefined(values["LAD3", 8]) == set(NAMES)
    assert undefined(values["MYO", 8]) == set()
    assert len(caplog.records) == 1
    assert "'LAD3'" in caplog.text


@pytest.mark.parametrize(
    ("settings", "bad", "told"),
    [
        (Settings(resegment_range=(1e8, 1e9)), None, "re-segmentation left no voxel"),
        (Settings(), np.nan, "an intensity of the mask is not finite"),
        (Settings(), np.inf, "an intensity of the mask is not finite"),
        (Settings(resample_mm=(90.0, 90.0, 90.0)), None, r"no voxel of the new grid (resample_mm"),
    ],
)
def test_what_else_leaves_a_whole_part_undefined_is_told(image, mask, settings, bad, told, caplog):
    if bad is not None:
        image = np.where(mask, bad, image)
    if settings.resample_mm is not None:
        mask = np.zeros(image.shape, bool)
        mask[0, 0, 0] = True
    assert len(undefined(extract(image, mask, SPACING, settings))) > 400
    assert told in caplog.text


def test_nothing_is_told_of_a_region_that_can_be_measured(image, mask, caplog):
    extract(image, mask, SPACING)
    assert caplog.text == ""


def test_one_voxel(image):
    mask = np.zeros(image.shape, bool)
    mask[3, 3, 3] = True
    missing = undefined(extract(image, mask, SPACING))
    assert families(missing) == {"morph", "glcm", "ngtdm"}
    assert {name for name in missing if name.startswith("cm_")} == set(names_of("glcm"))
    assert {name for name in missing if name.startswith("ngt_")} == set(names_of("ngtdm"))


def test_one_voxel_at_the_corner_of_the_image(image):
    mask = np.zeros(image.shape, bool)
    mask[0, 0, 0] = True
    assert extract(image, mask, SPACING)["morph_volume"] > 0


def test_mask_that_fills_the_image(image):
    assert not undefined(extract(image, np.ones(image.shape, bool), SPACING))


def test_equal_intensities_leave_only_autocorrelation_undefined(image, mask):
    values = extract(np.full(image.shape, 7.0), mask, SPACING)
    assert undefined(values) == {"morph_moran_i", "morph_geary_c"}


def test_flat_mask(image):
    mask = np.zeros(image.shape, bool)
    mask[4] = True
    values = extract(image, mask, SPACING)
    assert undefined(values) == {"morph_vol_dens_aee"}
    assert values["cm_contrast_2D_comb"] == values["cm_contrast_2_5D_comb"]


def test_parts_that_do_not_touch(image):
    mask = np.zeros(image.shape, bool)
    mask[1:3, 1:4, 1:4] = mask[5:7, 5:8, 6:9] = True
    assert not undefined(extract(image, mask, SPACING))


def test_fewer_voxels_than_bins(image):
    mask = np.zeros(image.shape, bool)
    mask[2:4, 2:4, 2:4] = True
    values = extract(image, mask, SPACING, Settings(discretisation=FixedBinNumber(512)))
    assert not undefined(values)


def test_negative_intensities(image, mask):
    assert not undefined(extract(image - 500, mask, SPACING))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_intensity_that_is_not_finite_leaves_the_shape(image, mask, bad):
    image[tuple(np.argwhere(mask)[5])] = bad
    values = extract(image, mask, SPACING)
    shape = set(names_of("morph")) - {
        "morph_com",
        "morph_integ_int",
        "morph_moran_i",
        "morph_geary_c",
    }
    assert undefined(values) == set(NAMES) - shape


def test_range_drops_what_is_not_finite(image, mask):
    place = tuple(np.argwhere(mask)[5])
    image[place] = np.nan
    found = extract(image, mask, SPACING, Settings(resegment_range=(-np.inf, np.inf)))
    missing = undefined(found)
    # The sphere around a neighbour still has the NaN in it.
    assert missing <= set(names_of("loc"))


def test_nothing_left_in_the_range_leaves_the_shape(image, mask):
    values = extract(image, mask, SPACING, Settings(resegment_range=(9000.0, 9999.0)))
    assert families(set(NAMES) - undefined(values)) == {"morph"}


def test_undefined_features_are_named():
    assert undefined_of(("a", "b", "c"), np.array([1.0, np.nan, 2.0])) == ["b"]
    assert len(ONCE_NAMES) == 56
    assert len(BINNED_NAMES) == 431


# -------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"image": np.zeros((3, 3))}, "image"),
        ({"image": np.zeros((3, 3, 3), complex)}, "image"),
        ({"image": np.full((8, 9, 10), "a")}, "image"),
        ({"mask": np.zeros((3, 3, 3), bool)}, "mask"),
        ({"mask": np.full((8, 9, 10), 2)}, "mask"),
        ({"spacing_mm": (1.0, 1.0)}, "spacing_mm"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm"),
        ({"spacing_mm": (1.0, float("nan"), 1.0)}, "spacing_mm"),
        ({"spacing_mm": 4.8}, "spacing_mm"),
        ({"spacing_mm": None}, "spacing_mm"),
        ({"spacing_mm": ("a", "b", "c")}, "spacing_mm"),
        ({"image": np.ma.masked_less(np.zeros((8, 9, 10)), 1)}, "masked array"),
        ({"mask": np.full((8, 9, 10), np.nan)}, "mask"),
        ({"settings": {"slice_axis": 0}}, "settings"),
        ({"settings": Settings(resample_mm=(1e-6, 1e-6, 1e-6))}, "resample_mm"),
        ({"settings": Settings(ivh=AsIs())}, "ivh=AsIs"),
    ],
)
def test_wrong_arguments_are_named(image, mask, change, word):
    arguments = {"image": image, "mask": mask, "spacing_mm": SPACING} | change
    with pytest.raises(WrongArgumentError, match=word):
        extract(**arguments)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"masks": []}, "masks"), ({"bins": 64}, "bins"), ({"bins": (4, 8.5)}, "8.5")],
)
def test_wrong_arguments_of_many_are_named(image, mask, change, word):
    arguments = {"masks": {"a": mask}, "bins": (4,)} | change
    with pytest.raises(WrongArgumentError, match=word):
        extract_many(image, arguments["masks"], SPACING, bins=arguments["bins"])


def test_spacing_in_metres_costs_no_memory(image, mask):
    # The sphere of the local peaks then holds the whole image.
    values = extract(image, mask, tuple(step / 1000 for step in SPACING))
    assert values["loc_peak_glob"] == pytest.approx(image.mean())


def test_wrong_mask_of_many_is_named(image, mask):
    with pytest.raises(WrongArgumentError, match="LAD3"):
        extract_many(image, {"MYO": mask, "LAD3": mask[:2]}, SPACING)


@pytest.mark.parametrize(
    "change",
    [
        {"resegment_range": (5.0, 5.0)},
        {"outlier_sigma": 0.0},
        {"resample_mm": (1.0, 1.0)},
        {"resample_mm": (1.0, 1.0, -2.0)},
        {"image_interpolation": "quintic"},
        {"mask_interpolation": "cubic"},
        {"mask_threshold": 0.0},
        {"slice_axis": 3},
        {"slice_axis": "z"},
        {"discretisation": 64},
        {"ivh": None},
        {"resegment_range": (float("nan"), 5.0)},
        {"resegment_range": 5.0},
        {"outlier_sigma": "3"},
        {"resample_mm": 2.0},
        {"resample_mm": ("2", None, None)},
        {"mask_threshold": None},
        {"round_intensities": "yes"},
    ],
)
def test_wrong_settings_are_named(change):
    with pytest.raises(WrongArgumentError, match=next(iter(change))):
        Settings(**change)


@pytest.mark.parametrize("how", [FixedBinSize(25.0), FixedBinSize(10.0, lowest=0.0), AsIs()])
def test_other_discretisations(image, mask, how):
    values = extract(np.round(image), mask, SPACING, Settings(discretisation=how, ivh=AsIs()))
    assert not undefined(values)

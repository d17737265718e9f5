import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.interpolate import RegularGridInterpolator

from mpss_lib.radiomics import FixedBinNumber, FixedBinSize, Settings, extract
from mpss_lib.radiomics.preprocess import (
    check_image,
    prepare_image,
    prepare_region,
    resample,
    resegment,
)

SPACING = (3.0, 1.0, 1.5)


def grid_of(size, old, new):
    """World positions of the new grid (origin of the old one at 0), from the IBSI formulae."""
    count = int(np.ceil(size * old / new))
    origin = (old * (size - 1) - new * (count - 1)) / 2
    return origin + new * np.arange(count)


@pytest.mark.parametrize("new", [(2.0, 2.0, 2.0), (None, 0.7, 2.0), (4.5, 1.0, 1.5)])
def test_linear_interpolation_equals_scipy_on_the_padded_grid(rng, new):
    image = rng.normal(size=(5, 6, 7))
    found = resample(image, SPACING, new, "linear")
    padded = np.pad(image, 3, mode="edge")
    axes = [(np.arange(n) - 3) * s for n, s in zip(padded.shape, SPACING, strict=True)]
    new_axes = [
        np.arange(n) * old if step is None else grid_of(n, old, step)
        for n, old, step in zip(image.shape, SPACING, new, strict=True)
    ]
    points = np.stack(np.meshgrid(*new_axes, indexing="ij"), axis=-1)
    assert_allclose(found, RegularGridInterpolator(axes, padded)(points), rtol=1e-10, atol=1e-12)


def test_grid_of_the_manual():
    # 4 points of 3 mm into 2 mm: 6 points, centres aligned: -0.5, 1.5, ... 9.5 mm.
    line = np.arange(4.0).reshape(1, 1, 4)
    found = resample(line, (1, 1, 3.0), (None, None, 2.0), "linear").ravel()
    assert_allclose(found, [0, 0.5, 3.5 / 3, 5.5 / 3, 2.5, 3])


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_every_interpolation_keeps_a_constant_and_its_own_grid(rng, interpolation):
    image = rng.normal(size=(4, 5, 6))
    constant = resample(np.full((4, 5, 6), 3.5), SPACING, (1.0, 2.0, 2.0), interpolation)
    assert_allclose(constant, 3.5)
    assert_allclose(resample(image, SPACING, SPACING, interpolation), image)


def test_cubic_spline_is_exact_inside_for_a_cubic():
    x = np.arange(40.0)
    line = (0.01 * (x - 20) ** 3 - x).reshape(1, 1, 40)
    found = resample(line, (1, 1, 1.0), (None, None, 0.8), "cubic").ravel()
    places = grid_of(40, 1.0, 0.8)
    middle = slice(18, 32)
    assert_allclose(found[middle], (0.01 * (places - 20) ** 3 - places)[middle], rtol=1e-6)


@settings(max_examples=40)
@given(
    st.tuples(*[st.integers(6, 14)] * 3),
    st.tuples(*[st.floats(0.8, 4)] * 3),
    st.tuples(*[st.floats(0.6, 4)] * 3),
)
def test_linear_field_is_exact_inside_on_a_grid_about_the_same_centre(shape, old, new):
    extents = np.array(shape) * old / new
    assume((np.abs(extents - np.round(extents)) > 1e-6).all())
    slope = np.array([2.0, -3.0, 0.5])

    def field(axes):
        return sum(k * a for k, a in zip(slope, np.meshgrid(*axes, indexing="ij"), strict=True))

    image = field([np.arange(n) * s for n, s in zip(shape, old, strict=True)])
    axes = [grid_of(n, a, b) for n, a, b in zip(shape, old, new, strict=True)]
    found = resample(image, old, new, "linear")
    assert found.shape == tuple(map(len, axes))
    ends = [s * (n - 1) for n, s in zip(shape, old, strict=True)]
    inside = np.ix_(*((a >= 0) & (a <= end) for a, end in zip(axes, ends, strict=True)))
    assert_allclose(found[inside], field(axes)[inside], rtol=1e-9, atol=1e-9)
    # Centres of both grids are one point: mirrored positions add up to twice the centre.
    for a, end in zip(axes, ends, strict=True):
        assert_allclose(a + a[::-1], end, atol=1e-9)


def test_in_plane_interpolation_looks_at_no_other_slice(rng):
    image = rng.normal(size=(5, 8, 9))
    other = image.copy()
    other[2] += 100
    for method in ("linear", "cubic"):
        before = resample(image, SPACING, (None, 2.0, 2.0), method)
        after = resample(other, SPACING, (None, 2.0, 2.0), method)
        assert before.shape == (5, 4, 7)
        assert_allclose(np.delete(after, 2, axis=0), np.delete(before, 2, axis=0), rtol=1e-9)
        assert_allclose(after[2], before[2] + 100)
        # In space a slice has its neighbours in it.
        before = resample(image, SPACING, (2.0, 2.0, 2.0), method)
        after = resample(other, SPACING, (2.0, 2.0, 2.0), method)
        assert (np.abs(after - before).max(axis=(1, 2)) > 1).sum() > 1


def test_outliers_are_those_of_the_drawn_mask_not_of_what_the_range_left():
    # Mean and deviation of the region as drawn, as the standard has it for both filters together.
    image = np.array([[[-2000.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 40.0]]])
    mask = np.ones(image.shape, bool)
    both = resegment(image, mask, Settings(resegment_range=(-1000.0, 400.0), outlier_sigma=3.0))
    assert both.ravel().tolist() == [False] + [True] * 7
    alone = resegment(image, both, Settings(outlier_sigma=2.0))
    assert not alone.ravel()[-1]


def test_sphere_of_the_peaks_reaches_voxels_that_were_removed():
    image = np.full((5, 5, 5), 10.0)
    image[2, 2, 3] = 900.0
    mask = np.zeros(image.shape, bool)
    mask[2, 2, 1:4] = True
    values = extract(image, mask, (4.8, 4.8, 4.8), Settings(resegment_range=(0.0, 400.0)))
    assert values["stat_max"] == 10
    assert values["loc_peak_glob"] == pytest.approx((6 * 10 + 900) / 7)


def test_ten_slices_of_three_into_two_are_fifteen():
    assert resample(np.zeros((10, 1, 1)), (3.0, 1, 1), (2.0, None, None), "linear").shape[0] == 15
    assert resample(np.zeros((7, 1, 1)), (0.3, 1, 1), (0.1, None, None), "linear").shape[0] == 21


def test_partial_volume_of_exactly_the_threshold_belongs_to_the_mask():
    mask = np.zeros((1, 1, 4), bool)
    mask[..., 1:3] = True
    settings = Settings(resample_mm=(None, None, 0.5))
    image, spacing = check_image(np.zeros(mask.shape), (1.0, 1.0, 1.0))
    region = prepare_region(mask, prepare_image(image, spacing, settings), spacing, settings)
    # Places -0.25, 0.25, 0.75, 1.25 ...: partial volume at least one half from 0.5 to 2.5.
    assert region.morphology.shape == (1, 1, 4)
    assert region.corner == (0, 0, 2)


def test_rounding_comes_before_resegmentation():
    image = np.array([[[0.4, 1.6, 2.4, 3.3]]])
    settings = Settings(round_intensities=True, resegment_range=(2.0, 3.0))
    checked, spacing = check_image(image, (1.0, 1.0, 1.0))
    prepared = prepare_image(checked, spacing, settings)
    assert prepared.image.ravel().tolist() == [0, 2, 2, 3]
    region = prepare_region(np.ones(image.shape, bool), prepared, spacing, settings)
    assert region.intensity.ravel().tolist() == [False, True, True, True]
    assert region.morphology.all()


def test_range_is_closed_and_outliers_are_beyond_sigma():
    image = np.array([[[0.0, 1.0, 2.0, 3.0, 100.0]]])
    mask = np.ones(image.shape, bool)
    kept = resegment(image, mask, Settings(resegment_range=(1.0, 3.0)))
    assert kept.ravel().tolist() == [False, True, True, True, False]
    kept = resegment(image, mask, Settings(outlier_sigma=1.5))
    assert kept.ravel().tolist() == [True, True, True, True, False]


def test_both_resegmentations_intersect():
    image = np.array([[[-5.0, 1.0, 2.0, 3.0, 100.0]]])
    mask = np.ones(image.shape, bool)
    one = resegment(image, mask, Settings(resegment_range=(0.0, 200.0)))
    two = resegment(image, mask, Settings(outlier_sigma=1.5))
    both = resegment(image, mask, Settings(resegment_range=(0.0, 200.0), outlier_sigma=1.5))
    assert np.array_equal(both, one & two)


def test_resegmentation_keeps_shape_and_zone_distances_of_the_whole_mask(rng):
    image = rng.integers(0, 100, (7, 7, 7)).astype(float)
    mask = np.ones(image.shape, bool)
    whole = extract(image, mask, (2.0, 2.0, 2.0))
    cut = extract(image, mask, (2.0, 2.0, 2.0), Settings(resegment_range=(30.0, 99.0)))
    for name in ("morph_volume", "morph_area_mesh", "morph_diam", "morph_pca_maj_axis"):
        assert cut[name] == whole[name]
    assert cut["stat_min"] >= 30
    assert cut["dzm_lde_3D"] > 1


def test_fixed_bin_size_starts_at_the_range():
    image = np.array([[[10.0, 60.0, 110.0, 90.0]]])
    settings = Settings(
        discretisation=FixedBinSize(25.0), resegment_range=(0.0, 400.0), ivh=FixedBinNumber(10)
    )
    values = extract(image, np.ones(image.shape, bool), (1.0, 1.0, 1.0), settings)
    assert values["ih_min"] == 1
    assert values["ih_max"] == 5


def test_chain_of_in_plane_configuration():
    rng = np.random.default_rng(3)
    image = rng.normal(0, 100, (6, 12, 12))
    mask = np.zeros(image.shape, bool)
    mask[1:5, 2:10, 3:11] = True
    settings = Settings(
        resample_mm=(None, 2.0, 2.0),
        round_intensities=True,
        resegment_range=(-500.0, 400.0),
        discretisation=FixedBinNumber(32),
        ivh=FixedBinSize(2.5),
    )
    values = extract(image, mask, (3.0, 0.98, 0.98), settings)
    assert not any(np.isnan(list(values.values())))
    assert values["morph_vol_approx"] % (3 * 2 * 2) == 0
    assert values["stat_min"] == np.round(values["stat_min"])

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from oracles import shape as shape_oracle
from oracles import texture as texture_oracle
from scipy import stats

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics import AsIs, FixedBinNumber, FixedBinSize
from mpss_lib.radiomics.catalogue import names_of
from mpss_lib.radiomics.discretise import discretise
from mpss_lib.radiomics.intensity import (
    SPHERE_RADIUS_MM,
    describe_histogram,
    describe_peaks,
    describe_statistics,
    describe_volume_histogram,
)

VALUES = arrays(np.float64, st.integers(1, 60), elements=st.floats(-500, 500, width=32))


def statistics_of(values):
    return dict(zip(names_of("stat"), describe_statistics(np.asarray(values, float)), strict=True))


def histogram_of(levels, n_levels):
    found = describe_histogram(np.asarray(levels, np.int32), n_levels)
    return dict(zip(names_of("ih"), found, strict=True))


def volume_of(values, how, limits=None):
    found = describe_volume_histogram(np.asarray(values, float), how, limits)
    return dict(zip(names_of("ivh"), found, strict=True))


@settings(max_examples=50)
@given(VALUES)
def test_statistics_equal_numpy_and_scipy(values):
    found = statistics_of(values)
    q = np.percentile(values, [10, 25, 50, 75, 90])
    close = values[(values >= q[0]) & (values <= q[4])]
    wanted = {
        "stat_mean": values.mean(),
        "stat_var": values.var(),
        "stat_median": q[2],
        "stat_p10": q[0],
        "stat_p90": q[4],
        "stat_iqr": q[3] - q[1],
        "stat_range": np.ptp(values),
        "stat_mad": np.abs(values - values.mean()).mean(),
        "stat_rmad": np.abs(close - close.mean()).mean() if close.size else np.nan,
        "stat_medad": np.abs(values - q[2]).mean(),
        "stat_energy": (values**2).sum(),
        "stat_rms": np.sqrt((values**2).mean()),
    }
    for name, value in wanted.items():
        assert_allclose(found[name], value, rtol=1e-9, atol=1e-7, err_msg=name)
    if values.std() > 1e-3:
        assert found["stat_skew"] == pytest.approx(stats.skew(values), rel=1e-6, abs=1e-6)
        assert found["stat_kurt"] == pytest.approx(stats.kurtosis(values), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("value", [0.1, -7.3, 1e9])
def test_equal_intensities(value):
    found = statistics_of([value] * 7)
    for name in ("var", "skew", "kurt", "iqr", "range", "mad", "rmad", "medad", "cov", "qcod"):
        assert found[f"stat_{name}"] == 0, name
    assert found["stat_mean"] == value


def test_zero_mean_leaves_the_coefficients_undefined():
    found = statistics_of([-1.0, 1.0])
    assert np.isnan(found["stat_cov"])
    assert np.isnan(found["stat_qcod"])


@settings(max_examples=40)
@given(VALUES.filter(lambda v: np.ptp(v) > 1), st.floats(-90, 90), st.floats(0.1, 9))
def test_shift_and_scale(values, shift, factor):
    before, after = statistics_of(values), statistics_of(values * factor + shift)
    for name in ("stat_range", "stat_iqr", "stat_mad", "stat_medad"):
        assert after[name] == pytest.approx(before[name] * factor, rel=1e-6, abs=1e-6)
    assert after["stat_mean"] == pytest.approx(before["stat_mean"] * factor + shift, abs=1e-6)
    assert after["stat_skew"] == pytest.approx(before["stat_skew"], rel=1e-4, abs=1e-4)


# ------------------------------------------------------------- histogram


def test_mode_of_several_is_the_one_nearest_to_the_mean():
    assert histogram_of([1, 1, 4, 4, 6], 6)["ih_mode"] == 4
    # As near from both sides: the lower.
    assert histogram_of([1, 1, 3, 3], 4)["ih_mode"] == 1


def test_gradient_covers_empty_bins_and_the_ends():
    found = histogram_of([1, 1, 1, 4], 6)
    slope = [-3, -1.5, 0.5, 0, -0.5, 0]
    assert found["ih_max_grad"] == max(slope)
    assert found["ih_max_grad_g"] == 3
    assert found["ih_min_grad"] == min(slope)
    assert found["ih_min_grad_g"] == 1


def test_one_possible_level_has_no_gradient():
    found = histogram_of([1, 1], 1)
    assert np.isnan([found["ih_max_grad"], found["ih_min_grad_g"]]).all()
    assert found["ih_entropy"] == 0
    assert found["ih_uniformity"] == 1


@settings(max_examples=30)
@given(arrays(np.int32, st.integers(1, 40), elements=st.integers(1, 9)))
def test_entropy_and_uniformity(levels):
    found = histogram_of(levels, 9)
    p = np.bincount(levels)[np.bincount(levels) > 0] / levels.size
    assert found["ih_entropy"] == pytest.approx(texture_oracle.entropy(p), abs=1e-12)
    assert found["ih_uniformity"] == pytest.approx((p**2).sum())


# ------------------------------------------------------ volume histogram


def slow_volume(levels, grid):
    """V10, V90, I10, I90 and area from the table of the manual."""
    gamma = (grid - grid[0]) / (grid[-1] - grid[0])
    nu = np.array([1 - np.mean(levels < i) for i in grid])
    v10, v90 = nu[gamma >= 0.1 - 1e-12].max(), nu[gamma >= 0.9 - 1e-12].max()
    i10, i90 = (
        grid.astype(float)[nu <= share + 1e-12].min(initial=np.inf).item() for share in (0.1, 0.9)
    )
    return v10, v90, i10, i90, np.trapezoid(nu, gamma)


@settings(max_examples=40)
@given(VALUES.filter(lambda v: np.ptp(v) > 1))
def test_arbitrary_units_equal_the_definition(values):
    found = volume_of(values, FixedBinNumber(1000))
    levels, _ = discretise(values, FixedBinNumber(1000))
    v10, v90, i10, i90, area = slow_volume(levels, np.arange(1, 1001))
    assert found["ivh_v10"] == pytest.approx(v10)
    assert found["ivh_v90"] == pytest.approx(v90)
    assert found["ivh_i10"] == (i10 if np.isfinite(i10) else 1001)
    assert found["ivh_i90"] == (i90 if np.isfinite(i90) else 1001)
    assert found["ivh_diff_v10_v90"] == pytest.approx(v10 - v90)
    assert found["ivh_auc"] == pytest.approx(area)


def test_calibrated_whole_numbers_take_the_range_of_resegmentation(rng):
    values = rng.integers(-200, 250, 300).astype(float)
    found = volume_of(values, AsIs(), (-500.0, 400.0))
    v10, v90, i10, i90, area = slow_volume(values, np.arange(-500, 401))
    assert found["ivh_v10"] == pytest.approx(v10)
    assert found["ivh_v90"] == pytest.approx(v90)
    assert found["ivh_i10"] == i10
    assert found["ivh_i90"] == i90
    assert found["ivh_auc"] == pytest.approx(area)


def test_calibrated_units_answer_in_bin_centres(rng):
    values = rng.uniform(-990, 380, 300)
    found = volume_of(values, FixedBinSize(2.5), (-1000.0, 400.0))
    centres = -1000 + (np.arange(1, 562) - 0.5) * 2.5
    levels = centres[np.floor((values + 1000) / 2.5).astype(int)]
    v10, v90, i10, i90, area = slow_volume(levels, centres)
    assert found["ivh_v10"] == pytest.approx(v10)
    assert found["ivh_v90"] == pytest.approx(v90)
    assert found["ivh_i10"] == pytest.approx(i10)
    assert found["ivh_i90"] == pytest.approx(i90)
    assert found["ivh_auc"] == pytest.approx(area)


def test_upper_limit_of_the_range_is_a_level_of_its_own():
    # Levels are floor((x - low) / width) + 1 over a closed range: 0..10 in steps of 1 makes 11.
    found = volume_of([0.0, 1.0, 10.0], FixedBinSize(1.0), (0.0, 10.0))
    assert found["ivh_v90"] == pytest.approx(1 / 3)
    levels = np.array([1, 2, 11])
    v10, _, i10, _, area = slow_volume(levels, np.arange(1, 12))
    assert found["ivh_v10"] == pytest.approx(v10)
    assert found["ivh_i10"] == 11.5
    assert i10 == np.inf
    assert found["ivh_auc"] == pytest.approx(area)


def test_levels_as_they_are_need_whole_intensities():
    with pytest.raises(WrongArgumentError, match="ivh=AsIs"):
        volume_of([-3.0, 0.5], AsIs())


def test_one_level_has_no_fractions():
    found = volume_of([5.0, 5.0], AsIs())
    assert np.isnan([found["ivh_v10"], found["ivh_v90"], found["ivh_diff_v10_v90"]]).all()
    assert found["ivh_auc"] == 0
    assert found["ivh_i10"] == 6


# ----------------------------------------------------------- local peaks


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (4.8, 4.8, 4.8), (3.0, 1.7, 2.2)])
def test_peaks_equal_the_oracle(rng, spacing):
    image = rng.integers(0, 9, (6, 7, 8)).astype(float)
    voxels = np.argwhere(rng.random(image.shape) < 0.3)
    values = image[tuple(voxels.T)]
    means = np.array(
        [shape_oracle.sphere_mean(image, v, spacing, SPHERE_RADIUS_MM) for v in voxels]
    )
    local, highest = describe_peaks(image, voxels, values, spacing)
    assert local == pytest.approx(means[values == values.max()].max())
    assert highest == pytest.approx(means.max())


def test_sphere_of_one_millilitre_at_spect_spacing_has_seven_voxels():
    image = np.zeros((5, 5, 5))
    image[2, 2, 2] = 7.0
    local, _ = describe_peaks(image, np.array([[2, 2, 2]]), np.array([7.0]), (4.8, 4.8, 4.8))
    assert local == pytest.approx(1.0)


# --------------------------------------------------------- discretisation


@settings(max_examples=50)
@given(VALUES.filter(lambda v: np.ptp(v) > 1), st.integers(2, 600))
def test_fixed_bin_number(values, n):
    levels, n_levels = discretise(values, FixedBinNumber(n))
    assert n_levels == n
    assert levels.min() == 1
    assert levels.max() == n
    assert (np.diff(levels[np.argsort(values)]) >= 0).all()


def test_bins_are_closed_on_the_left():
    levels, _ = discretise(np.array([0.0, 1.0, 2.0, 3.0, 4.0]), FixedBinNumber(4))
    assert levels.tolist() == [1, 2, 3, 4, 4]


@pytest.mark.parametrize("n", [3, 7, 49, 98, 100, 103, 512])
def test_whole_numbers_on_bin_edges_are_not_moved_by_rounding(n):
    levels, _ = discretise(np.arange(n + 1.0), FixedBinNumber(n))
    assert levels.tolist() == [*range(1, n + 1), n]


def test_equal_intensities_are_in_bin_one():
    levels, n_levels = discretise(np.full(4, 3.3), FixedBinNumber(8))
    assert levels.tolist() == [1, 1, 1, 1]
    assert n_levels == 8


def test_fixed_bin_size_starts_at_the_range_else_at_the_minimum():
    values = np.array([-480.0, -475.0, 0.0])
    assert discretise(values, FixedBinSize(25.0), -500.0)[0].tolist() == [1, 2, 21]
    assert discretise(values, FixedBinSize(25.0))[0].tolist() == [1, 1, 20]
    assert discretise(values, FixedBinSize(25.0, lowest=-475.0))[0].tolist() == [1, 1, 20]


@pytest.mark.parametrize("values", [[0.0, 1.0], [1.0, 1.5], [-3.0, 2.0]])
def test_levels_as_they_are_must_be_whole_from_one(values):
    with pytest.raises(WrongArgumentError, match="AsIs"):
        discretise(np.array(values), AsIs())


def test_absurd_numbers_of_levels_are_refused():
    with pytest.raises(WrongArgumentError, match="grey levels"):
        discretise(np.array([0.0, 1e9]), FixedBinSize(1.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: FixedBinNumber(1),
        lambda: FixedBinNumber(64.0),
        lambda: FixedBinNumber("64"),
        lambda: FixedBinNumber(True),
        lambda: FixedBinSize("25"),
        lambda: FixedBinSize(25.0, lowest="0"),
        lambda: FixedBinSize(0.0),
        lambda: FixedBinSize(1.0, lowest=float("nan")),
    ],
)
def test_impossible_bins_are_refused(make):
    with pytest.raises(WrongArgumentError):
        make()

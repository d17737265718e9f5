"""Laws that follow from the definitions of the families, on random input.

``test_texture``, ``test_morphology``, ``test_intensity`` and ``test_extraction`` have more of them:
turns, flips, shifts, scales, renamed levels.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from mpss_lib.radiomics import FixedBinNumber
from mpss_lib.radiomics.catalogue import BINNED_NAMES, names_of
from mpss_lib.radiomics.intensity import (
    describe_histogram,
    describe_peaks,
    describe_volume_histogram,
)
from mpss_lib.radiomics.texture import build_graph, describe_texture

TEXTURES = BINNED_NAMES[23:]
SHAPES = st.tuples(st.integers(1, 4), st.integers(2, 4), st.integers(2, 5))
GRIDS = SHAPES.flatmap(lambda s: arrays(np.int32, s, elements=st.integers(0, 5))).filter(np.any)
VALUES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-400, 400)).filter(np.ptp)


def textures_of(levels, n_levels):
    inside = levels > 0
    values = describe_texture(
        levels[inside].astype(np.int32), n_levels, build_graph(inside, inside)
    )
    return dict(zip(TEXTURES, values, strict=True))


# -------------------------------------------------------------------- texture

ITEMS = {
    "rlm": ("glnu", "glnu_norm", "rlnu", "rlnu_norm", "r_perc"),
    "szm": ("glnu", "glnu_norm", "zsnu", "zsnu_norm", "z_perc"),
    "dzm": ("glnu", "glnu_norm", "zdnu", "zdnu_norm", "z_perc"),
    "ngl": ("glnu", "glnu_norm", "dcnu", "dcnu_norm", "dc_perc"),
}


@settings(max_examples=30)
@given(GRIDS)
def test_items_of_a_matrix_sum_to_what_its_percentage_says(levels):
    # n = non-uniformity / normalised one = percentage x possible items: probabilities sum to 1.
    values = textures_of(levels, 5)
    voxels = int((levels > 0).sum())
    for family, (grey, grey_norm, size, size_norm, share) in ITEMS.items():
        for suffix, ways in (
            {"_2_5D_comb": 4, "_3D_comb": 13} if family == "rlm" else {"_2_5D": 1, "_3D": 1}
        ).items():
            items = values[f"{family}_{share}{suffix}"] * voxels * ways
            for plain, normed in ((grey, grey_norm), (size, size_norm)):
                found = values[f"{family}_{plain}{suffix}"] / values[f"{family}_{normed}{suffix}"]
                assert_allclose(found, items, rtol=1e-9, err_msg=f"{family}{suffix}")


@settings(max_examples=30)
@given(GRIDS)
def test_short_and_long_emphasis_enclose_one(levels):
    values = textures_of(levels, 5)
    for short, long in (("sre", "lre"), ("sze", "lze"), ("sde", "lde"), ("lde", "hde")):
        family = {"sre": "rlm", "sze": "szm", "sde": "dzm", "lde": "ngl"}[short]
        for name, value in values.items():
            if name.startswith(f"{family}_{short}_"):
                assert value <= 1 + 1e-12
                assert values[name.replace(short, long, 1)] >= 1 - 1e-12


@settings(max_examples=30)
@given(GRIDS, st.integers(1, 9))
def test_adding_to_all_levels_leaves_what_looks_at_differences(levels, shift):
    before = textures_of(levels, 5)
    after = textures_of(np.where(levels > 0, levels + shift, 0), 5 + shift)
    same = ("contrast", "coarseness", "complexity", "strength", "corr_", "diff_avg", "diff_var")
    same += ("diff_entr", "clust_", "energy", "joint_entr", "joint_var", "gl_var", "inv_var")
    same += ("sre", "lre", "sze", "lze", "sde", "dc_entr", "rl_entr", "zs_entr", "zd_entr")
    for name, value in before.items():
        short = name.split("_", 1)[1]
        if short.startswith(same):
            assert_allclose(after[name], value, rtol=1e-8, atol=1e-8, err_msg=name)
        elif short.startswith(("joint_avg", "sum_avg")):
            moved = value + shift * (1 if short.startswith("joint") else 2)
            assert_allclose(after[name], moved, rtol=1e-9, err_msg=name)


@settings(max_examples=30)
@given(GRIDS)
def test_features_of_pairs_that_are_functions_of_others(levels):
    values = textures_of(levels, 5)
    for suffix in ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"):
        of = {name: values[f"cm_{name}_{suffix}"] for name in ("sum_avg", "joint_avg", "sum_var")}
        assert_allclose(of["sum_avg"], 2 * of["joint_avg"], rtol=1e-9)
        assert_allclose(values[f"cm_clust_tend_{suffix}"], of["sum_var"], rtol=1e-9, atol=1e-12)
        assert_allclose(
            values[f"cm_dissimilarity_{suffix}"], values[f"cm_diff_avg_{suffix}"], rtol=1e-9
        )
        assert_allclose(
            4 * values[f"cm_joint_var_{suffix}"],
            of["sum_var"] + values[f"cm_contrast_{suffix}"],
            rtol=1e-9,
            atol=1e-12,
        )


@settings(max_examples=20)
@given(GRIDS)
def test_one_slice_is_the_same_in_2d_and_in_2_5d(levels):
    values = textures_of(levels[:1] if levels[:1].any() else np.ones((1, 2, 2), np.int32), 5)
    for name, value in values.items():
        if "_2D" in name:
            other = values[name.replace("_2D", "_2_5D")]
            assert_allclose(value, other, rtol=1e-9, atol=1e-12, err_msg=name)


# ---------------------------------------------------------------- first order


@settings(max_examples=40)
@given(arrays(np.int32, st.integers(1, 50), elements=st.integers(1, 9)), st.integers(1, 20))
def test_histogram_moves_with_its_levels(levels, shift):
    names = names_of("ih")
    before = dict(zip(names, describe_histogram(levels, 9), strict=True))
    moved = (levels + shift).astype(np.int32)
    after = dict(zip(names, describe_histogram(moved, 9 + shift), strict=True))
    for name in ("mean", "median", "min", "p10", "p90", "max", "mode"):
        assert after[f"ih_{name}"] == pytest.approx(before[f"ih_{name}"] + shift)
    for name in ("var", "skew", "kurt", "iqr", "range", "mad", "medad", "entropy", "uniformity"):
        assert after[f"ih_{name}"] == pytest.approx(before[f"ih_{name}"], abs=1e-9)


@settings(max_examples=40)
@given(VALUES, st.integers(-900, 900), st.integers(-3, 3))
def test_volume_histogram_of_arbitrary_units_knows_no_unit(values, shift, power):
    # Whole numbers and powers of 2: no voxel crosses a bin's edge by rounding.
    how = FixedBinNumber(1000)
    before = describe_volume_histogram(values, how)
    assert_allclose(describe_volume_histogram((values + shift) * 2.0**power, how), before)


@settings(max_examples=40)
@given(VALUES)
def test_volume_histogram_falls(values):
    v10, v90, i10, i90, _, _, area = describe_volume_histogram(values, FixedBinNumber(1000))
    assert 1 >= v10 >= v90 > 0
    assert i10 >= i90
    assert 0 <= area <= 1


@settings(max_examples=25)
@given(st.integers(0, 999), st.floats(0.7, 6), st.floats(-50, 50))
def test_peaks_lie_between_what_is_there_and_move_with_it(seed, step, shift):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 99, (5, 6, 7)).astype(float)
    voxels = np.argwhere(rng.random(image.shape) < 0.3)
    if not len(voxels):
        return
    spacing = (step, 1.3 * step, 0.8 * step)

    def peaks(array):
        return describe_peaks(array, voxels, array[tuple(voxels.T)], spacing)

    local, highest = peaks(image)
    assert image.min() <= local <= highest <= image.max()
    assert_allclose(peaks(image + shift), [local + shift, highest + shift], rtol=1e-9, atol=1e-9)
    assert_allclose(peaks(3 * image), [3 * local, 3 * highest])
    turned = describe_peaks(
        np.ascontiguousarray(image.transpose(2, 0, 1)),
        np.ascontiguousarray(voxels[:, [2, 0, 1]]),
        image[tuple(voxels.T)],
        (spacing[2], spacing[0], spacing[1]),
    )
    assert_allclose(turned, [local, highest], rtol=1e-12)

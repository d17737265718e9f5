import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from oracles import kernel_matrices as kernel_matrices_script
from oracles import texture as oracle
from reference import phantom_matrices

from mpss_lib.radiomics.catalogue import BINNED_NAMES
from mpss_lib.radiomics.reference import digital_phantom
from mpss_lib.radiomics.texture import build_graph, describe_texture

NAMES = BINNED_NAMES[23:]
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))


def grids(largest):
    """Levels (z, y, x), 0 outside the mask, with at least one voxel."""
    return SHAPES.flatmap(
        lambda shape: arrays(np.int32, shape, elements=st.integers(0, largest))
    ).filter(np.any)


def describe(levels, n_levels, morphology=None):
    inside = levels > 0
    graph = build_graph(inside, inside if morphology is None else morphology | inside)
    return describe_texture(np.ascontiguousarray(levels[inside], np.int32), n_levels, graph)


def check(levels, n_levels, morphology=None):
    whole = levels > 0 if morphology is None else morphology | (levels > 0)
    wanted = oracle.texture_features(levels, n_levels, whole)
    found = describe(levels, n_levels, morphology)
    for name, a, b in zip(NAMES, found, wanted, strict=True):
        assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(grids(4))
def test_few_levels_equal_the_oracle(levels):
    check(levels, 4)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(grids(30))
def test_hashed_cells_equal_the_oracle(levels):
    # 30 x 30 cells do not fit into the table of a few voxels: keys are hashed.
    check(levels, 30)


def test_larger_region_equals_the_oracle(rng):
    levels = rng.integers(0, 9, (5, 7, 6)).astype(np.int32)
    check(levels, 12)


def test_distances_are_those_of_the_morphological_mask(rng):
    morphology = rng.random((5, 6, 7)) < 0.9
    levels = (rng.integers(1, 4, morphology.shape) * morphology).astype(np.int32)
    levels[rng.random(morphology.shape) < 0.4] = 0
    check(levels, 3, morphology)


@pytest.mark.parametrize("space", ["2D", "3D"])
def test_oracle_has_the_published_matrices_of_the_phantom(space):
    image, mask = digital_phantom()
    levels = (image * mask).astype(np.int32)
    parts = oracle.slices_of(levels) if space == "2D" else [levels]
    ways = oracle.FLAT if space == "2D" else oracle.SPACE

    def upper(matrix):
        return {cell: count for cell, count in matrix.items() if cell[0] <= cell[1]}

    def merged(make):
        return [oracle.merge(make(part, d) for d in ways) for part in parts]

    published = phantom_matrices
    assert [upper(m) for m in merged(oracle.cooccurrence)] == published.COOCCURRENCE[space]
    assert merged(oracle.runs) == published.RUNS[space]
    assert [oracle.size_zones(part, ways) for part in parts] == published.ZONES[space]
    distances = [oracle.distance_zones(part, ways, mask) for part in parts]
    assert distances == published.DISTANCE_ZONES[space]
    assert [oracle.dependences(part, ways) for part in parts] == published.DEPENDENCES[space]
    for part, wanted in zip(parts, published.DIFFERENCES[space], strict=True):
        found = oracle.differences(part, ways)
        assert {i: n for i, (n, _) in found.items()} == {i: n for i, (n, _) in wanted.items()}
        for i, (_, s) in wanted.items():
            assert found[i][1] == pytest.approx(s, abs=5e-7)


@pytest.fixture(scope="module")
def kernel_matrices():
    """What the kernels hold on their way from the phantom to its features."""
    done = subprocess.run(
        [sys.executable, kernel_matrices_script.__file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("space", ["2D", "3D"])
@pytest.mark.parametrize(
    "family", ["COOCCURRENCE", "RUNS", "ZONES", "DISTANCE_ZONES", "DEPENDENCES"]
)
def test_kernels_have_the_published_matrices_of_the_phantom(kernel_matrices, family, space):
    published = getattr(phantom_matrices, family)[space]
    wanted = [{f"{i},{j}": count for (i, j), count in m.items()} for m in published]
    assert kernel_matrices[family][space] == wanted


@pytest.mark.parametrize("space", ["2D", "3D"])
def test_kernels_have_the_published_tone_differences(kernel_matrices, space):
    published = phantom_matrices.DIFFERENCES[space]
    for found, wanted in zip(kernel_matrices["DIFFERENCES"][space], published, strict=True):
        assert {int(i): n for i, (n, _) in found.items()} == {i: n for i, (n, _) in wanted.items()}
        for i, (_, s) in wanted.items():
            assert found[str(i)][1] == pytest.approx(s, abs=5e-7)


def test_kernels_make_a_matrix_for_each_aggregation(kernel_matrices):
    # 4 slices x 4 directions, 4 slices, 4 directions, all; 9 more directions in space, all.
    assert kernel_matrices["counts"] == [16 + 4 + 4 + 1 + 9 + 1, 35 + 3 * 6, 6]


def test_phantom_equals_the_oracle():
    image, mask = digital_phantom()
    check((image * mask).astype(np.int32), 6)


# ------------------------------------------------------------------- laws


def named(levels, n_levels):
    return dict(zip(NAMES, describe(levels, n_levels), strict=True))


def space_of(values):
    return {name: value for name, value in values.items() if "_3D" in name}


@settings(max_examples=25)
@given(grids(5), st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
def test_rotations_and_flips_leave_3d_features(levels, axes, flips):
    turned = np.flip(np.transpose(levels, axes), tuple(flips))
    before, after = space_of(named(levels, 5)), space_of(named(turned, 5))
    for name, value in before.items():
        assert_allclose(after[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=25)
@given(grids(5), st.permutations([1, 2]), st.sets(st.integers(0, 2)))
def test_turning_in_the_slice_leaves_all_features(levels, axes, flips):
    turned = np.flip(np.transpose(levels, (0, *axes)), tuple(flips))
    assert_allclose(describe(turned, 5), describe(levels, 5), rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(grids(5), st.permutations([1, 2, 3, 4, 5]))
def test_renaming_levels_leaves_what_does_not_weigh_them(levels, names):
    renamed = np.array([0, *names], np.int32)[levels]
    before, after = named(levels, 5), named(renamed, 5)
    blind = ("joint_max", "joint_entr", "energy", "info_corr", "perc", "nu", "entr", "sre", "lre")
    blind += ("sze", "lze", "sde", "lde", "hde", "dc_var", "zs_var", "rl_var", "zd_var")
    for name, value in before.items():
        short = name.split("_", 1)[1]
        if short.startswith(blind) and "diff" not in name and "sum" not in name:
            assert_allclose(after[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=25)
@given(grids(5), st.integers(6, 40))
def test_empty_levels_on_top_change_only_what_is_normalised_by_their_number(levels, more):
    before, after = named(levels, 5), named(levels, more)
    for name, value in before.items():
        if "diff_norm" not in name and "mom_norm" not in name:
            assert_allclose(after[name], value, rtol=1e-9, atol=1e-9, err_msg=name)


@settings(max_examples=25)
@given(grids(6))
def test_ranges_that_definitions_imply(levels):
    values = named(levels, 6)
    for name, value in values.items():
        if np.isnan(value):
            continue
        if name.endswith(("_norm_2D", "_norm_3D")) or "perc" in name or "joint_max" in name:
            assert 0 < value <= 1 + 1e-12, name
        if "entr" in name or "var" in name or "contrast" in name:
            assert value > -1e-9, name
        if "corr1" in name:
            assert -1 - 1e-9 <= value <= 1e-9, name
        if "cm_corr" in name:
            assert -1 - 1e-9 <= value <= 1 + 1e-9, name
    assert_allclose([values[n] for n in NAMES if "dc_perc" in n], 1.0)


def test_cells_of_a_matrix_sum_to_one():
    # With one level all pairs are at distance 0: each of these is the sum of probabilities.
    levels = np.full((3, 4, 5), 2, np.int32)
    values = named(levels, 4)
    for kind in ("joint_max", "energy", "inv_diff", "inv_diff_mom"):
        assert values[f"cm_{kind}_3D_comb"] == 1.0


# ------------------------------------------------------------- degenerate


def test_one_voxel_has_no_pairs_but_runs_and_zones():
    values = named(np.array([[[3]]], np.int32), 4)
    for name, value in values.items():
        if name.startswith(("cm_", "ngt_")):
            assert np.isnan(value), name
        else:
            assert np.isfinite(value), name
    assert values["rlm_r_perc_3D_comb"] == 1.0
    assert values["szm_gl_var_3D"] == 0.0


def test_isolated_voxels_have_no_pairs():
    levels = np.zeros((3, 3, 3), np.int32)
    levels[0, 0, 0], levels[2, 2, 2] = 1, 2
    values = named(levels, 2)
    assert all(np.isnan(v) for n, v in values.items() if n.startswith(("cm_", "ngt_")))
    assert values["szm_z_perc_3D"] == 1.0


def test_equal_levels_follow_the_conventions():
    values = named(np.ones((3, 3, 3), np.int32), 8)
    assert not any(np.isnan(list(values.values())))
    for suffix in ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"):
        assert values[f"cm_corr_{suffix}"] == 1.0
        assert values[f"cm_info_corr1_{suffix}"] == 0.0
        assert values[f"cm_info_corr2_{suffix}"] == 0.0
        assert values[f"cm_joint_entr_{suffix}"] == 0.0
    for suffix in ("2D", "2_5D", "3D"):
        assert values[f"ngt_coarseness_{suffix}"] == 1e6
        for kind in ("contrast", "busyness", "complexity", "strength"):
            assert values[f"ngt_{kind}_{suffix}"] == 0.0


def test_slice_without_pairs_leaves_the_mean():
    levels = np.zeros((2, 3, 3), np.int32)
    levels[0] = [[1, 2, 1], [2, 1, 2], [1, 1, 2]]
    alone = named(levels[:1], 2)
    levels[1, 1, 1] = 1
    both = named(levels, 2)
    assert both["cm_contrast_2D_avg"] == alone["cm_contrast_2D_avg"]
    assert both["ngt_contrast_2D"] == alone["ngt_contrast_2D"]


def test_many_levels_on_few_voxels(rng):
    levels = rng.integers(1, 513, (3, 4, 4)).astype(np.int32)
    assert np.isfinite(describe(levels, 512)).all()


def test_kernels_run_without_compiler():
    code = (
        "import numpy as np;"
        "from mpss_lib.radiomics.verify import verify;"
        "import mpss_lib.radiomics._kernels as k;"
        "assert not hasattr(k.region_features, 'py_func');"
        "assert sum(r.n_matched for r in verify()) == 482"
    )
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from oracles import shape as oracle
from oracles import texture as texture_oracle
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation
from skimage.measure import marching_cubes

from mpss_lib.radiomics import _shape_kernels, morphology
from mpss_lib.radiomics.catalogue import names_of
from mpss_lib.radiomics.mesh import measure_mesh, outer_vertices

SHAPE_NAMES = names_of("morph")[:26]
SPACING = (2.0, 1.0, 1.5)
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
MASKS = SHAPES.flatmap(lambda shape: arrays(np.bool_, shape)).filter(np.any)


def mesh_of(mask, spacing):
    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(float), 0.5, spacing=spacing)
    return vertices.astype(np.float64), faces


def shape_of(mask, spacing=SPACING):
    box = tuple(slice(i.min(), i.max() + 1) for i in np.nonzero(mask))
    values = morphology.describe_shape(np.ascontiguousarray(mask[box]), spacing)
    return dict(zip(SHAPE_NAMES, values, strict=True))


@settings(max_examples=60)
@given(MASKS)
def test_mesh_is_that_of_marching_cubes(mask):
    vertices, faces = mesh_of(mask, SPACING)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    volume = abs((a * np.cross(b, c)).sum() / 6)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert_allclose(measure_mesh(mask, SPACING), (volume, area), rtol=1e-6)


@settings(max_examples=30)
@given(MASKS)
def test_outer_vertices_have_the_hull_of_the_mesh(mask):
    vertices, _ = mesh_of(mask, SPACING)
    ours, theirs = ConvexHull(outer_vertices(mask, SPACING)), ConvexHull(vertices)
    assert_allclose((ours.volume, ours.area), (theirs.volume, theirs.area), rtol=1e-6)


def test_cube_of_voxels():
    values = shape_of(np.ones((3, 3, 3), bool), (2.0, 2.0, 2.0))
    assert values["morph_vol_approx"] == 216
    # A box of 6 mm whose edges and corners are cut off at half a voxel's middle.
    assert values["morph_volume"] == pytest.approx(216 - 12 * 4 * 0.5 - 8 * (1 - 1 / 6))
    assert values["morph_pca_elongation"] == pytest.approx(1)
    assert values["morph_pca_flatness"] == pytest.approx(1)
    assert values["morph_vol_dens_ombb"] == pytest.approx(values["morph_vol_dens_aabb"])


@settings(max_examples=20)
@given(MASKS, st.permutations([0, 1, 2]), st.sets(st.integers(0, 2)))
def test_turning_mask_and_spacing_together_changes_nothing(mask, axes, flips):
    turned = np.flip(np.transpose(mask, axes), tuple(flips))
    spacing = tuple(SPACING[axis] for axis in axes)
    before, after = shape_of(mask), shape_of(turned, spacing)
    for name, value in before.items():
        assert_allclose(after[name], value, rtol=2e-6, atol=1e-9, err_msg=name)


@settings(max_examples=20)
@given(MASKS, st.floats(0.2, 9))
def test_scaling_the_grid_scales_by_dimension(mask, factor):
    before = shape_of(mask)
    after = shape_of(mask, tuple(factor * step for step in SPACING))
    powers = {"morph_volume": 3, "morph_vol_approx": 3, "morph_area_mesh": 2, "morph_av": -1}
    powers |= dict.fromkeys(("morph_diam", "morph_pca_maj_axis", "morph_pca_min_axis"), 1)
    for name, value in before.items():
        power = powers.get(name, 1 if "axis" in name else 0)
        assert_allclose(after[name], value * factor**power, rtol=2e-6, atol=1e-9, err_msg=name)


def test_one_voxel_has_a_mesh_but_no_axes():
    values = shape_of(np.ones((1, 1, 1), bool))
    undefined = {name for name, value in values.items() if np.isnan(value)}
    assert undefined == {
        "morph_com",
        "morph_pca_maj_axis",
        "morph_pca_min_axis",
        "morph_pca_least_axis",
        "morph_pca_elongation",
        "morph_pca_flatness",
        "morph_vol_dens_aee",
        "morph_area_dens_aee",
    }


def test_flat_mask_has_no_least_axis():
    values = shape_of(np.ones((1, 4, 4), bool))
    assert values["morph_pca_least_axis"] == 0
    assert values["morph_pca_flatness"] == 0
    assert np.isnan(values["morph_vol_dens_aee"])
    assert np.isfinite(values["morph_area_dens_aee"])


def test_line_of_voxels_has_no_ellipsoid():
    values = shape_of(np.ones((1, 1, 5), bool))
    assert np.isnan(values["morph_vol_dens_aee"])
    assert np.isnan(values["morph_area_dens_aee"])
    assert values["morph_pca_elongation"] == 0


def test_parts_add_their_meshes():
    mask = np.zeros((3, 3, 9), bool)
    mask[1, 1, 1] = mask[1, 1, 7] = True
    one = measure_mesh(mask[:, :, :4], SPACING)
    assert_allclose(measure_mesh(mask, SPACING), 2 * np.array(one))


# ------------------------------------------------------ box, ellipsoid, diameter


def hull_of(points):
    return morphology._Hull(points)


@pytest.mark.parametrize("seed", range(4))
def test_smallest_box_equals_the_oracle(seed):
    points = np.random.default_rng(seed).normal(size=(30, 3)) * (1, 2, 3)
    hull = hull_of(points)
    edges = hull._points[hull._edges[:, 1]] - hull._points[hull._edges[:, 0]]
    wanted = oracle.smallest_box(hull._points, hull._facets, edges)
    assert_allclose(np.prod(hull.oriented_box()), np.prod(wanted), rtol=1e-9)
    assert hull.diameter() == pytest.approx(oracle.largest_distance(points))


@pytest.mark.parametrize("seed", range(3))
def test_turned_box_is_found(seed, rng):
    box = np.array([(z, y, x) for z in (0, 2) for y in (0, 3) for x in (0, 7)], float)
    inside = rng.random((40, 3)) * (2, 3, 7)
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    hull = hull_of(np.concatenate([box, inside]) @ turn.T)
    assert_allclose(np.sort(hull.oriented_box()), (2, 3, 7), rtol=1e-6)
    # The smallest ellipsoid around a box has its half edges times the square root of 3.
    assert_allclose(hull.enclosing_axes(), np.sqrt(3) * np.array([3.5, 1.5, 1.0]), rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_enclosing_ellipsoid_holds_all_points_and_is_the_smallest(seed):
    points = np.random.default_rng(seed).normal(size=(60, 3)) * (1, 4, 2)
    points -= points.mean(axis=0)
    lifted = np.column_stack([points, np.ones(60)])
    start = np.linalg.inv(lifted.T @ lifted / 60)
    weights = _shape_kernels.enclosing_weights(lifted, start, 1e-7, 100_000)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    moments = lifted.T @ (lifted * weights[:, None])
    distance = np.einsum("ij,jk,ik->i", lifted, np.linalg.inv(moments), lifted)
    # Conditions of John: no point is outside, and those with weight are on the surface.
    assert distance.max() <= 4 * (1 + 2e-7)
    assert_allclose(distance[weights > 1e-6], 4, rtol=1e-6)


@pytest.mark.parametrize("axes", [(3, 2, 1), (5, 4, 2.5), (5.7, 4.6, 4.3), (9, 8.9, 1)])
def test_ellipsoid_area_is_the_series(axes):
    found = morphology._ellipsoid_area(np.array(axes, float))
    assert found == pytest.approx(oracle.ellipsoid_area(*axes), rel=1e-12)


def test_ellipsoid_area_has_the_limits_of_spheroids():
    assert morphology._ellipsoid_area(np.array([2.0, 2.0, 2.0])) == pytest.approx(16 * np.pi)
    for axes, near in (((3, 3, 1), (3, 3 - 1e-7, 1)), ((3, 1, 1), (3, 1, 1 - 1e-7))):
        found = morphology._ellipsoid_area(np.array(axes, float))
        assert found == pytest.approx(oracle.ellipsoid_area(*near), rel=1e-5)


# --------------------------------------------------------- intensities in space


def mass_of(mask, values, spacing=SPACING):
    voxels = np.argwhere(mask)
    return morphology.describe_mass(voxels, values, mask, spacing, 10.0)


def test_moran_and_geary_equal_their_definition(rng):
    mask = rng.random((4, 5, 6)) < 0.6
    values = rng.normal(size=int(mask.sum()))
    wanted = oracle.autocorrelation(np.argwhere(mask) * SPACING, values)
    assert_allclose(mass_of(mask, values)[2:], wanted, rtol=1e-10)


def test_transform_equals_the_sum_over_pairs(rng, monkeypatch):
    mask = rng.random((7, 5, 9)) < 0.5
    values = rng.normal(100, 20, int(mask.sum()))
    exact = mass_of(mask, values)[2:]
    monkeypatch.setattr(morphology, "PAIRS_UP_TO", 10)
    assert_allclose(mass_of(mask, values)[2:], exact, rtol=1e-9)


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (3.0, 0.9, 1.4)])
def test_mask_above_the_threshold_equals_the_sum_over_pairs(rng, spacing, monkeypatch):
    mask = rng.random((22, 17, 25)) < 0.65
    mask[8:12, 6:9] = False
    values = np.round(rng.normal(100, 20, int(mask.sum())))
    assert values.size > morphology.PAIRS_UP_TO
    found = mass_of(mask, values, spacing)[2:]
    monkeypatch.setattr(morphology, "PAIRS_UP_TO", values.size)
    assert_allclose(found, mass_of(mask, values, spacing)[2:], rtol=1e-9)
    # And a sum over pairs that shares no code with either.
    places = np.argwhere(mask) * spacing
    d = values - values.mean()
    total = product = squares = 0.0
    for a in range(0, len(d), 500):
        apart = np.sqrt(((places[a : a + 500, None] - places) ** 2).sum(axis=2))
        weights = np.divide(1.0, apart, out=np.zeros_like(apart), where=apart > 0)
        total += weights.sum()
        product += (weights * np.outer(d[a : a + 500], d)).sum()
        squares += (weights * (d[a : a + 500, None] - d) ** 2).sum()
    moran = len(d) / total * product / (d @ d)
    geary = (len(d) - 1) / (2 * total) * squares / (d @ d)
    assert_allclose(found, (moran, geary), rtol=1e-9)


def test_equal_intensities_have_no_autocorrelation_and_no_shift():
    mask = np.ones((2, 3, 4), bool)
    shift, integrated, moran, geary = mass_of(mask, np.full(24, 5.0))
    assert shift == pytest.approx(0, abs=1e-12)
    assert integrated == pytest.approx(50)
    assert np.isnan(moran)
    assert np.isnan(geary)


def test_no_sum_of_intensities_no_centre_of_mass():
    mask = np.ones((1, 1, 2), bool)
    assert np.isnan(mass_of(mask, np.array([-1.0, 1.0]))[0])


@settings(max_examples=20)
@given(MASKS)
def test_border_distances_equal_the_oracle(mask):
    flat, space = _shape_kernels.border_distances(np.pad(mask, 1))
    for voxel in np.argwhere(mask):
        at = tuple(voxel + 1)
        assert flat[at] == texture_oracle.border_distance(mask, voxel, True)
        assert space[at] == texture_oracle.border_distance(mask, voxel, False)

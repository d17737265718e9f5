"""Perturbations of one study: what must stay, what must change, and by how much."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import map_coordinates

from mpss_lib.radiomics import FixedBinNumber, Settings, extract_many
from mpss_lib.radiomics.isotropic import ISOTROPIC_NAMES
from mpss_lib.sections import SEGMENTS, StabilitySettings
from mpss_lib.stability import reliability
from mpss_lib.stability.image import NOISE, PIXELS, Grid, counts_per_unit, crop, halves
from mpss_lib.stability.measure import MARGIN, Ruler, measure
from mpss_lib.stability.perturbation import FAMILIES, Perturbation, places_of, plan

RULER = Ruler((8, 64), FixedBinNumber(1000))


def measured(volume, heart, *perturbations, key="S1"):
    return measure(volume, heart, perturbations, RULER, key, seed=1)


@pytest.fixture(scope="module")
def plain(volume, heart):
    return measured(volume, heart, Perturbation("nothing", "base"))[0]


def test_surfaces_that_are_not_moved_give_the_masks_of_segmentation(volume, found, heart):
    drawn = heart.draw(volume)
    for name, mask in found.seven.items():
        assert_array_equal(drawn[name], mask.array, err_msg=name)


def test_what_is_not_perturbed_has_the_values_of_the_stage(volume, found, plain):
    masks = {name: mask.array for name, mask in found.seven.items()}
    settings = Settings(ivh=FixedBinNumber(1000))
    wanted = extract_many(volume.array, masks, volume.spacing_mm, settings, RULER.bins)
    for s, segment in enumerate(SEGMENTS):
        for b, bins in enumerate(RULER.bins):
            values = [wanted[segment, bins][name] for name in ISOTROPIC_NAMES]
            assert_allclose(plain.values[s, b], values, rtol=1e-9, atol=1e-9)


def test_perturbations_of_no_size_are_perfectly_stable(volume, heart):
    """Two studies (the second has its counts squared), three times each: every ICC is 1."""
    again = replace(volume, array=volume.array**2)
    nothing = [Perturbation(str(k), "base") for k in range(3)]
    values = np.array(
        [[one.values for one in measured(v, heart, *nothing)] for v in (volume, again)]
    )
    found = reliability(values)
    varies = np.ptp(values[:, 0], axis=0) > 0
    assert varies.mean() > 0.8
    assert (found.icc1[varies] == 1.0).all()
    assert (found.icc3[varies] == 1.0).all()


def test_a_grid_that_is_shifted_by_a_whole_voxel_shows_the_same(volume, heart, plain):
    (shifted,) = measured(volume, heart, Perturbation("s", "shift", shift_voxels=(1.0, 0.0, -1.0)))
    assert shifted.n_voxels == plain.n_voxels
    same = np.isclose(shifted.values, plain.values, rtol=1e-6, atol=1e-9)
    assert same.mean() > 0.99  # a voxel on the edge of a bin may fall to the other side


def test_counts_are_those_at_the_place_in_the_patient(volume, heart):
    """Against another way: patient coordinates of the new voxels, interpolated in the old ones."""
    one = Perturbation("r", "rotation", turn_deg=(2.0, -1.0, 3.0), shift_voxels=(0.3, -0.4, 0.1))
    grid = Grid.about(volume, heart.box(volume, MARGIN))
    moved = grid.moved(one, heart.frame.origin)
    index = np.argwhere(np.ones(moved.array.shape, np.bool_)).astype(np.float64)
    there = volume.to_index(moved.to_patient(index)).T
    wanted = map_coordinates(volume.array, there, order=3, mode="mirror")
    assert_allclose(moved.array.ravel(), wanted, atol=1e-3 * volume.array.max())
    steps = np.linalg.norm(moved.affine[:3, :3], axis=0)
    assert_allclose(steps, volume.spacing_mm, rtol=1e-12)


def test_a_turn_leaves_the_heart_where_it_is(volume, heart):
    grid = Grid.about(volume, heart.box(volume, MARGIN))
    moved = grid.moved(Perturbation("r", "rotation", turn_deg=(0.0, 3.0, 0.0)), heart.frame.origin)
    centre = heart.frame.origin[None]
    assert_allclose(moved.to_index(centre), grid.own.to_index(centre), atol=1e-9)
    far = centre + np.array([[0.0, 0.0, 50.0]])
    away = np.linalg.norm(moved.to_index(far) - grid.own.to_index(far)) * 4.8
    assert away == pytest.approx(2.0 * 50.0 * np.sin(np.radians(1.5)), rel=1e-6)


def test_wall_and_base_change_the_myocardium_as_they_are_called(volume, heart, plain):
    thin, thick, short, longer = (
        one.n_voxels
        for one in measured(
            volume,
            heart,
            *(Perturbation("w", "wall", wall_voxels=change) for change in (-0.5, 0.5)),
            *(Perturbation("b", "base", base_slices=change) for change in (-1.0, 1.0)),
        )
    )
    assert thin < plain.n_voxels < thick
    assert short < plain.n_voxels < longer
    share = 2.4 / heart.wall_mm
    assert (thick - thin) / plain.n_voxels == pytest.approx(2 * share, rel=0.15)


def test_halves_of_whole_numbers_sum_to_them_and_are_binomial():
    image = np.full((20, 20, 20), 400.0)
    first, second, what = halves(image, np.ones(image.shape, np.bool_), np.random.default_rng(1))
    assert what == PIXELS
    assert_array_equal(first + second, image)
    assert first.mean() == pytest.approx(200.0, abs=0.5)
    assert first.var() == pytest.approx(100.0, rel=0.1)


def test_counts_of_an_image_that_has_none_are_taken_from_its_noise():
    rng = np.random.default_rng(2)
    image = rng.poisson(300.0, (24, 24, 24)) * 0.013
    wall = np.ones(image.shape, np.bool_)
    assert counts_per_unit(image, wall) == pytest.approx(1 / 0.013, rel=0.1)
    first, second, what = halves(image, wall, rng)
    assert what == NOISE
    assert_allclose(first + second, image, atol=0.02)
    assert first.var() == pytest.approx(2 * image.var() / 4, rel=0.1)  # half of the counts


def test_halves_are_the_studys_own(volume, heart):
    pair = [Perturbation(f"h{k}", "counts", half=(0, k)) for k in range(2)]
    one, again, other = (measured(volume, heart, *pair, key=key) for key in ("S1", "S1", "S2"))
    for mine, same, theirs in zip(one, again, other, strict=True):
        assert_array_equal(mine.values, same.values)
        assert not np.array_equal(mine.values, theirs.values)
    assert not np.array_equal(one[0].values, one[1].values)


def test_a_heart_at_the_edge_of_the_image_is_measured(volume, heart):
    box = heart.box(volume, 0)
    small = crop(volume, box)
    found = measured(small, heart, *plan(StabilitySettings(shifts=2, rotations=2, count_pairs=1)))
    assert all(np.isfinite(one.values).any() for one in found)


def test_the_plan_has_twenty_perturbations_each_with_its_name():
    found = plan(StabilitySettings())
    assert len({one.name for one in found}) == len(found) == 20
    assert {one.family for one in found} == set(FAMILIES)
    lengths = [np.linalg.norm(one.shift_voxels) for one in found if one.family == "shift"]
    assert all(0.25 <= length <= 0.5 for length in lengths)
    turns = [np.linalg.norm(one.turn_deg) for one in found if one.family == "rotation"]
    assert_allclose(turns, 3.0)
    assert found == plan(StabilitySettings())
    assert found != plan(StabilitySettings(seed=1))
    assert {name: len(k) for name, k in places_of(found).items()} == {
        "all": 20, "shift": 6, "rotation": 6, "counts": 4, "wall": 2, "base": 2,
    }  # fmt: skip

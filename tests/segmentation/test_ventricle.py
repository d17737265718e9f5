"""The ventricle is found, where it is, and the segmentation knows when it is not sure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from imaging_objects import dice, flipped, phantom

from mpss_lib.errors import StudyFaultError, StudyRejectedError, WrongArgumentError
from mpss_lib.sections import SegmentationSettings
from mpss_lib.segmentation import segment
from mpss_lib.volume import Volume

NAMES = {"ENDO", "EPI", "LAD3", "LCX3", "RCA3", *(f"S{n:02d}" for n in range(1, 18))}
ANTEROLATERAL = (("defect", 0.85), ("defect_theta_deg", 30.0), ("defect_f", 0.5))


def test_very_small_heart_is_found_and_not_held():
    made = phantom(21, anatomy=(("r_endo_mm", 16.0),))
    found = segment(made.volume)
    assert found.check["cavity_ml"] < 26.0
    assert found.is_sure, found.flags
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.85


def axis_error_deg(found, made):
    truth = np.array([made.labels[f"axis_{letter}"] for letter in "xyz"])
    return float(np.degrees(np.arccos(np.clip(found.axis @ truth, -1, 1))))


@pytest.mark.parametrize("seed", [21, 22, 23])
@pytest.mark.parametrize("orientation", ["transaxial", "short_axis"])
def test_clean_study(seed, orientation):
    made = phantom(seed, orientation=orientation)
    found = segment(made.volume, orientation=orientation)
    assert found.is_sure, found.flags
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.88
    assert dice(found.masks["ENDO"].array, made.truth["ENDO"].array) > 0.9
    assert axis_error_deg(found, made) < 5.0


def test_masks_are_the_ones_that_were_promised():
    made = phantom(21)
    found = segment(made.volume)
    assert set(found.masks) == NAMES | {"MYO"}
    assert set(found.seven) == {"MYO", "LAD3", "LCX3", "RCA3", "LAD17", "LCX17", "RCA17"}
    arrays = {name: mask.array for name, mask in found.masks.items()}
    assert np.array_equal(arrays["MYO"], arrays["EPI"] & ~arrays["ENDO"])
    segments = np.sum([arrays[f"S{n:02d}"] for n in range(1, 18)], axis=0)
    assert np.array_equal(segments == 1, arrays["MYO"])
    vessels = arrays["LAD3"].astype(int) + arrays["LCX3"] + arrays["RCA3"]
    assert vessels.max() == 1
    assert 0.55 < vessels.sum() / arrays["MYO"].sum() < 0.85  # gaps between them
    territories = [found.seven[name].array for name in ("LAD17", "LCX17", "RCA17")]
    assert np.array_equal(np.sum(territories, axis=0) == 1, arrays["MYO"])
    for mask in (*found.masks.values(), *found.seven.values()):
        np.testing.assert_array_equal(mask.affine, made.volume.affine)
        assert mask.array.any()


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 1, 2)])
def test_storage_order_does_not_matter(axes):
    made = phantom(21)
    straight = segment(made.volume)
    turned = segment(flipped(made.volume, axes))
    for name, mask in straight.masks.items():
        back = np.flip(turned.masks[name].array, axes)
        assert np.array_equal(mask.array, back), name


def test_swapped_axes_do_not_matter():
    made = phantom(21)
    affine = made.volume.affine[:, [2, 1, 0, 3]]
    sagittal = Volume(np.ascontiguousarray(made.volume.array.transpose(2, 1, 0)), affine)
    straight, turned = segment(made.volume), segment(sagittal)
    back = turned.masks["S08"].array.transpose(2, 1, 0)
    assert np.array_equal(straight.masks["S08"].array, back)


def weakest_segment(volume, orientation="transaxial"):
    found = segment(volume, orientation=orientation)
    means = {n: volume.array[found.masks[f"S{n:02d}"].array].mean() for n in range(1, 17)}
    return min(means, key=means.__getitem__)


@pytest.mark.parametrize(
    ("theta", "wanted"), [(90.0, 7), (150.0, 8), (210.0, 9), (270.0, 10), (330.0, 11), (30.0, 12)]
)
def test_marked_wall_is_in_its_segment(theta, wanted):
    marked = (
        ("defect", 0.85), ("defect_theta_deg", theta), ("defect_f", 0.5),
        ("defect_half_deg", 30.0), ("defect_half_f", 0.16),
    )  # fmt: skip
    for orientation in ("transaxial", "short_axis"):
        made = phantom(24, anatomy=marked, orientation=orientation)
        assert weakest_segment(made.volume, orientation) == wanted


@pytest.mark.parametrize("reverse", [False, True])
def test_short_axis_series_with_a_frame_of_its_own(reverse):
    marked = (("defect", 0.85), ("defect_theta_deg", 30.0), ("defect_f", 0.5),
              ("defect_half_deg", 30.0), ("defect_half_f", 0.16))  # fmt: skip
    made = phantom(24, anatomy=marked, orientation="short_axis")
    affine = np.zeros((4, 4))  # slices along z, rows and columns of the image along x and y
    affine[2, 0] = affine[1, 1] = affine[0, 2] = 4.8
    affine[3, 3] = 1.0
    volume = Volume(made.volume.array, affine)
    volume = flipped(volume, (0,)) if reverse else volume
    assert weakest_segment(volume, "short_axis") == 12


def test_thick_wall_is_thicker_and_has_the_same_middle():
    made = phantom(21)
    thin = segment(made.volume)
    thick = segment(made.volume, SegmentationSettings(wall_mode="thick", wall_mm=18.8))
    assert thick.wall_mode == "thick"
    assert thick.masks["MYO"].volume_ml > 1.4 * thin.masks["MYO"].volume_ml
    np.testing.assert_array_equal(thick.extras["mid_mm"], thin.extras["mid_mm"])
    assert thick.check["myocardium_ml"] == thin.check["myocardium_ml"]  # checked at 10.4 mm


def test_same_volume_same_answer():
    made = phantom(22)
    first, again = segment(made.volume), segment(made.volume)
    assert first.check == again.check
    for name in first.masks:
        assert np.array_equal(first.masks[name].array, again.masks[name].array)


def test_counts_scale_does_not_matter():
    made = phantom(22)
    scaled = Volume(made.volume.array * 137.0, made.volume.affine)
    first, again = segment(made.volume), segment(scaled)
    assert dice(first.masks["MYO"].array, again.masks["MYO"].array) > 0.995


@pytest.mark.parametrize("kind", ["empty", "flat", "noise", "blob"])
def test_nothing_to_find_is_refused_or_held(kind):
    rng = np.random.default_rng(1)
    shape = (40, 64, 64)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    away = np.linalg.norm(grid - [20, 30, 40], axis=-1)
    array = {
        "empty": np.zeros(shape),
        "flat": np.full(shape, 10.0),
        "noise": rng.poisson(5.0, shape).astype(float),
        "blob": 100.0 * np.exp(-0.5 * (away / 5.0) ** 2),
    }[kind]
    volume = Volume(array, phantom(21).volume.affine)
    try:
        is_sure = segment(volume).is_sure
    except StudyRejectedError:
        is_sure = False
    assert not is_sure


def test_empty_volume_is_refused_with_its_reason():
    with pytest.raises(StudyRejectedError) as refused:
        segment(Volume(np.zeros((40, 64, 64)), phantom(21).volume.affine))
    assert refused.value.reasons == ("left_ventricle_not_found",)


def test_second_ring_below_is_told():
    """A ring as good as the heart, further down and hotter: gut that looks like a ventricle."""
    made = phantom(25)
    low = np.roll(made.volume.array, -11, axis=0)
    low[-11:] = 0.0
    mask = np.roll(made.truth["EPI"].array, -11, axis=0)
    decoy = made.volume.array.copy()
    decoy[mask] = np.maximum(decoy[mask], 1.5 * low[mask])
    found = segment(Volume(decoy, made.volume.affine))
    is_right = dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.7
    assert is_right or not found.is_sure


def test_heart_at_the_edge_of_the_volume_is_held():
    made = phantom(21)
    first = int(np.argwhere(made.truth["EPI"].array)[:, 0].min()) - 1
    volume = Volume(np.ascontiguousarray(made.volume.array[first:]), made.volume.affine.copy())
    found = segment(volume)
    assert "edge_voxels" in found.flags


def test_unknown_orientation_is_refused():
    with pytest.raises(WrongArgumentError, match="coronal"):
        segment(phantom(21).volume, orientation="coronal")


def test_every_extra_has_the_shape_of_the_rays():
    found = segment(phantom(21).volume)
    shapes = {name: value.shape for name, value in found.extras.items()}
    rays = shapes["mid_mm"]
    for name in ("ridge_mm", "ridge_counts", "is_wall", "endo_mm", "epi_mm"):
        assert shapes[name] == rays
    assert shapes["ray_start_mm"] == shapes["ray_way"] == (*rays, 3)
    for name in itertools.chain(("axis", "anterior", "lateral")):
        assert np.linalg.norm(found.extras[name]) == pytest.approx(1.0)


def test_counts_that_are_not_finite_are_a_fault():
    made = phantom(21)
    array = made.volume.array.copy()
    array[20, 30, 30] = np.nan
    with pytest.raises(StudyFaultError, match="finite"):
        segment(Volume(array, made.volume.affine))


@pytest.mark.parametrize("seed", [701, 705])
def test_very_hot_liver_does_not_hide_the_heart(seed):
    hot = (("liver", 2.5), ("liver_gap_mm", 8.0), ("gut", 2.5), ("gut_gap_mm", 6.0))
    made = phantom(seed, anatomy=hot)
    found = segment(made.volume)
    assert dice(found.masks["MYO"].array, made.truth["MYO"].array) > 0.8


def test_a_volume_without_voxels_is_named():
    made = phantom(21).volume
    with pytest.raises(StudyFaultError, match=r"0 x 64 x 64.*no voxel.*send the series again"):
        segment(Volume(np.zeros((0, 64, 64)), made.affine))

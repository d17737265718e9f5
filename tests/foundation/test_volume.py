import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpss_lib.errors import GeometryError, LakeCorruptError, WrongArgumentError
from mpss_lib.masks import read_masks, write_masks
from mpss_lib.volume import Mask, Volume, check_same_grid, make_affine

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def volume(spacing=(4.8, 4.8, 4.8)):
    return Volume(np.zeros((3, 4, 5)), make_affine((10.0, 20.0, 30.0), *AXIAL, spacing))


def test_negative_spacing_stacks_against_the_normal():
    head_first = volume((-4.8, 2.0, 3.0))
    assert head_first.spacing_mm == (4.8, 2.0, 3.0)
    [[x, y, z]] = head_first.to_patient(np.array([[1.0, 1.0, 1.0]]))
    assert (x, y, z) == pytest.approx((13.0, 22.0, 25.2))


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3))
def test_index_and_position_are_inverse(index):
    image = volume((-4.8, 2.0, 3.0))
    there = image.to_patient(np.array([index]))
    np.testing.assert_allclose(image.to_index(there), [index], atol=1e-9)


@pytest.mark.parametrize(
    ("array", "affine"),
    [
        (np.zeros((3, 4)), np.eye(4)),
        (np.zeros((3, 4, 5), dtype=np.float32), np.eye(4)),
        (np.zeros((3, 4, 5)), np.zeros((4, 4))),
        (np.zeros((3, 4, 5)), np.full((4, 4), np.nan)),
        (np.zeros((3, 4, 5)), np.eye(3)),
    ],
)
def test_a_wrong_array_or_affine_is_refused(array, affine):
    with pytest.raises(GeometryError):
        Volume(array, affine)


def test_a_mask_elsewhere_in_the_patient_is_refused():
    image = volume()
    shifted = image.affine.copy()
    shifted[0, 3] += 4.8
    check_same_grid(image, Mask(np.ones((3, 4, 5), dtype=bool), image.affine))
    with pytest.raises(GeometryError, match="different places"):
        check_same_grid(image, Mask(np.ones((3, 4, 5), dtype=bool), shifted))
    with pytest.raises(GeometryError, match="shape"):
        check_same_grid(image, Mask(np.ones((3, 4, 6), dtype=bool), image.affine))


def test_mask_volume_is_voxels_times_voxel_size():
    assert Mask(np.ones((3, 4, 5), dtype=bool), volume().affine).volume_ml == pytest.approx(
        60 * 4.8**3 / 1000
    )


def test_masks_come_back_and_give_the_same_bytes(tmp_path):
    rng = np.random.default_rng(0)
    masks = {n: Mask(rng.random((3, 5, 7)) > 0.5, np.eye(4)) for n in ("MYO", "ENDO")}
    for name in ("a", "b"):
        write_masks(tmp_path / f"{name}.npz", masks, {"axis": np.array([0.0, 0.6, 0.8])})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found, extras = read_masks(tmp_path / "a.npz")
    assert list(found) == ["MYO", "ENDO"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(found[name].array, mask.array)
    np.testing.assert_array_equal(extras["axis"], [0.0, 0.6, 0.8])


def test_a_broken_mask_file_is_named(tmp_path):
    write_masks(tmp_path / "a.npz", {"MYO": Mask(np.ones((3, 5, 7), dtype=bool), np.eye(4))})
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(LakeCorruptError, match=r"a\.npz"):
        read_masks(tmp_path / "a.npz")


def test_no_masks_are_refused(tmp_path):
    with pytest.raises(WrongArgumentError):
        write_masks(tmp_path / "a.npz", {})

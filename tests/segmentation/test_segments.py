"""Segments on a volume's grid: by the place of each frame, exact or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from mpss_lib.dicom.region_names import region_of
from mpss_lib.dicom.segments import Frame, Segment, place
from mpss_lib.errors import GeometryError
from mpss_lib.volume import Volume, make_affine

OBLIQUE = ((0.6, 0.8, 0.0), (0.48, -0.36, 0.8))
SPACING = (-4.8, 4.8, 4.8)


def volume(shape=(6, 7, 8)) -> Volume:
    return Volume(np.zeros(shape), make_affine((10.0, -20.0, 30.0), *OBLIQUE, SPACING))


def truth() -> np.ndarray:
    return np.random.default_rng(2).random((6, 7, 8)) > 0.6


def frames_along(axis: int, turned: tuple[int, ...] = (), step: int = 1) -> Segment:
    """The mask stored as slices across any axis of the volume, rows or columns turned."""
    image, array = volume(), truth()
    others = [k for k in range(3) if k != axis]
    frames = []
    for n in range(0, array.shape[axis], step):
        pixels = np.take(array, n, axis=axis)
        affine = np.eye(4)
        affine[:3, 1:3] = image.affine[:3, others]
        affine[:3, 0] = image.affine[:3, axis]
        affine[:3, 3] = image.affine[:3, 3] + n * image.affine[:3, axis]
        for k in turned:
            affine[:3, 3] += affine[:3, k + 1] * (pixels.shape[k] - 1)
            affine[:3, k + 1] *= -1.0
        frames.append(Frame(np.flip(pixels, turned), affine))
    return Segment(1, "MYO", tuple(frames[::-1]))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turned", [(), (0,), (1,), (0, 1)])
def test_frames_are_placed_however_they_are_stored(axis, turned):
    assert np.array_equal(place(frames_along(axis, turned), volume()).array, truth())


def test_empty_frames_may_be_left_out():
    whole = frames_along(0)
    some = tuple(frame for frame in whole.frames if frame.pixels[0].any())
    assert place(Segment(1, "MYO", some), volume()).array.sum() == sum(
        int(frame.pixels.sum()) for frame in some
    )


def changed(change) -> Segment:
    one = frames_along(0)
    frames = []
    for frame in one.frames:
        affine = frame.affine.copy()
        change(affine)
        frames.append(Frame(frame.pixels, affine))
    return Segment(1, "MYO", tuple(frames))


def finer(affine):
    affine[:3, 1:3] *= 0.5


def rotated(affine):
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    affine[:3, :3] = turn @ affine[:3, :3]


def beside(affine):
    affine[:3, 3] += 0.5 * affine[:3, 1]


def beyond(affine):
    affine[:3, 3] += 5.0 * affine[:3, 1]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (finer, "pixels of 2.4 x 2.4 mm"),
        (rotated, "turned against"),
        (beside, "0.50 voxels beside"),
        (beyond, "reaches beyond"),
    ],
)
def test_another_grid_is_refused(change, problem):
    with pytest.raises(GeometryError, match=problem):
        place(changed(change), volume())


def test_slices_of_another_distance_are_refused():
    with pytest.raises(GeometryError, match="2 slices of the volume apart"):
        place(frames_along(0, step=2), volume())


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("LV Endo", "ENDO"), ("epicardium", "EPI"), ("S7", "S07"), ("Segment 17", "S17"),
        ("aha_03", "S03"), ("13 - apical anterior", "S13"), ("LAD", "LAD3"), ("LAD17", "LAD17"),
        ("Left Ventricular Myocardium", "MYO"), ("S18", ""), ("Liver", ""), ("", ""),
    ],
)  # fmt: skip
def test_usual_names_are_known(text, region):
    assert region_of(text) == region


def test_a_sites_names_win():
    site = {"EPI": ("Endo", "außen"), "S01": ("Basis vorn",)}
    assert [region_of(text, site) for text in ("ENDO", "BASIS-VORN", "S2")] == ["EPI", "S01", "S02"]

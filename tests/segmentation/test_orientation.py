"""The marked wall ends up in the right polar segment, whichever way the DICOM object was written.

Every case is a DICOM file on disk that is read back. The mark is a loss of uptake in one segment;
where it lies in the patient is computed from the phantom's own axis, not by the platform.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from imaging_objects import HABITS, SUBJECT, flipped, phantom

from mpss_lib.demo.nm_modules import SeriesText
from mpss_lib.demo.nm_writing import nm_dataset
from mpss_lib.dicom import read_header, read_volume, to_bytes
from mpss_lib.segmentation import segment
from mpss_lib.volume import Volume

THETA = {7: 90.0, 8: 150.0, 9: 210.0, 10: 270.0, 11: 330.0, 12: 30.0}
HEAD_FIRST = replace(HABITS, head_first=True)
REVERSED = replace(HABITS, reversed_storage=True)


def marked(number, orientation="transaxial"):
    anatomy = (
        ("defect", 0.85), ("defect_theta_deg", THETA[number]), ("defect_f", 0.5),
        ("defect_half_deg", 30.0), ("defect_half_f", 0.16),
    )  # fmt: skip
    return phantom(24, anatomy=anatomy, orientation=orientation)


def mark_position(made):
    """Where the mark lies in the patient, LPS mm."""
    value = made.labels
    axis, centre = (np.array([value[f"{n}_{c}"] for c in "xyz"]) for n in ("axis", "centre"))
    up = np.array([0.0, 0.0, 1.0])
    anterior = up - (up @ axis) * axis
    anterior /= np.linalg.norm(anterior)
    lateral = np.cross(anterior, axis)
    theta = np.radians(value["defect_theta_deg"])
    along = value["base_mm"] + 0.5 * (value["long_endo_mm"] - value["base_mm"])
    flat = np.sqrt(1.0 - (along / value["long_endo_mm"]) ** 2)
    radius = (value["r_endo_mm"] + 0.5 * value["wall_mm"]) * flat
    across = np.sin(theta) * anterior + np.cos(theta) * lateral
    return centre + along * axis + radius * across


def oblique(volume, degrees=(20.0, -15.0, 25.0)):
    """The same patient on a grid turned about all three axes."""
    from scipy.ndimage import affine_transform
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine = volume.affine.copy()
    affine[:3, :3] = turn @ affine[:3, :3]
    middle = 0.5 * (np.array(volume.array.shape) - 1.0)
    affine[:3, 3] = volume.to_patient(middle[None])[0] - affine[:3, :3] @ middle
    pull = np.linalg.inv(volume.affine) @ affine
    array = affine_transform(
        volume.array, pull[:3, :3], pull[:3, 3], volume.array.shape, order=1, mode="nearest"
    )
    return Volume(np.clip(array, 0.0, None), affine)


def sagittal(volume):
    affine = volume.affine[:, [2, 0, 1, 3]]
    return Volume(np.ascontiguousarray(volume.array.transpose(2, 0, 1)), affine)


PATHS = {
    "transaxial": ("transaxial", lambda v: v, HABITS),
    "negative spacing": ("transaxial", lambda v: v, HEAD_FIRST),
    "reversed SliceVector": ("transaxial", lambda v: v, REVERSED),
    "negative and reversed": ("transaxial", lambda v: v, replace(REVERSED, head_first=True)),
    "rows and columns reversed": ("transaxial", lambda v: flipped(v, (1, 2)), HABITS),
    "columns reversed": ("transaxial", lambda v: flipped(v, (2,)), HABITS),
    "oblique": ("oblique", oblique, HABITS),
    "oblique, negative and reversed": ("oblique", oblique, replace(REVERSED, head_first=True)),
    "sagittal": ("oblique", sagittal, HABITS),
    "short axis": ("short_axis", lambda v: v, HABITS),
    "short axis, negative spacing": ("short_axis", lambda v: v, HEAD_FIRST),
    "short axis, reversed SliceVector": ("short_axis", lambda v: v, REVERSED),
    "short axis, rows reversed": ("short_axis", lambda v: flipped(v, (1,)), HABITS),
}


@pytest.mark.parametrize("number", [8, 11])
@pytest.mark.parametrize("path", PATHS)
def test_marked_wall_is_in_its_segment(tmp_path, path, number):
    orientation, change, habits = PATHS[path]
    made = marked(number, "short_axis" if orientation == "short_axis" else "transaxial")
    file = tmp_path / "object.dcm"
    series = SeriesText("3.1", "4.1", 1, "STRESS AC OSEM")
    file.write_bytes(to_bytes(nm_dataset(change(made.volume), SUBJECT, series, habits)))
    volume = read_volume(file)
    found = segment(volume, orientation=orientation)
    means = {n: volume.array[found.masks[f"S{n:02d}"].array].mean() for n in range(1, 17)}
    assert min(means, key=means.__getitem__) == number
    inside = np.argwhere(found.masks[f"S{number:02d}"].array).astype(np.float64)
    middle = volume.to_patient(inside).mean(axis=0)
    assert np.linalg.norm(middle - mark_position(made)) < 9.0


@pytest.mark.parametrize("number", sorted(THETA))
def test_each_wall_after_the_hardest_path(tmp_path, number):
    made = marked(number)
    file = tmp_path / "object.dcm"
    series = SeriesText("3.1", "4.1", 1, "STRESS AC OSEM")
    habits = replace(REVERSED, head_first=True, rescale=True)
    file.write_bytes(to_bytes(nm_dataset(oblique(made.volume), SUBJECT, series, habits)))
    volume = read_volume(file)
    found = segment(volume, orientation="oblique")
    means = {n: volume.array[found.masks[f"S{n:02d}"].array].mean() for n in range(1, 17)}
    assert min(means, key=means.__getitem__) == number


def test_paths_are_what_they_say(tmp_path):
    """The objects really differ in sign of the spacing, order of the frames and direction."""
    volume = marked(8).volume
    series = SeriesText("3.1", "4.1", 1, "STRESS AC OSEM")
    straight, negative, backwards = (
        nm_dataset(volume, SUBJECT, series, habits) for habits in (HABITS, HEAD_FIRST, REVERSED)
    )
    assert straight.SpacingBetweenSlices > 0 > negative.SpacingBetweenSlices
    assert list(straight.SliceVector) == list(backwards.SliceVector)[::-1]
    turned = read_header(nm_dataset(oblique(volume), SUBJECT, series, HABITS)).orientation
    normal = np.cross(turned[:3], turned[3:])
    assert 15.0 < np.degrees(np.arccos(normal[2])) < 45.0
    assert read_header(straight).orientation == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

"""CT series: stacked by position, and what cannot be stacked refused by its name."""

from __future__ import annotations

import numpy as np
import pytest
from ct_objects import chest, series

from mpss_lib.dicom import read_ct
from mpss_lib.dicom.ct_volume import REASONS
from mpss_lib.errors import CtSeriesError


def moved(datasets, number, **places):
    for axis, value in places.items():
        position = list(datasets[number].ImagePositionPatient)
        position["xyz".index(axis)] = value
        datasets[number].ImagePositionPatient = position
    return datasets


def test_slices_are_stacked_by_position_whatever_their_order():
    hu = chest([(3, 40, 45, 4, 600.0)])
    datasets = series(hu)
    there = read_ct(datasets)
    np.random.default_rng(3).shuffle(datasets)
    again = read_ct(datasets)
    np.testing.assert_array_equal(there.volume.array, hu)
    np.testing.assert_array_equal(again.volume.array, hu)
    np.testing.assert_array_equal(again.volume.affine, there.volume.affine)
    assert there.volume.spacing_mm == (3.0, 1.0, 1.0)
    assert (there.kvp, there.thickness_mm, there.kernel) == (120.0, 3.0, "B35f")
    (place,) = there.volume.to_patient(np.array([[3.0, 40.0, 45.0]]))
    assert tuple(place) == (-3.0, -8.0, -6.0)


def test_padding_is_air():
    hu = chest()
    hu[0, 0, 0] = -1024.0
    padded = series(hu, RescaleIntercept=-3024)
    assert read_ct(padded).volume.array.min() == -1024.0


def without(datasets, keyword):
    for one in datasets:
        delattr(one, keyword)
    return datasets


BROKEN = {
    "too_few_slices": lambda: series(chest())[:7],
    "missing_slices": lambda: [one for k, one in enumerate(series(chest())) if k not in (4, 5)],
    "double_slices": lambda: moved(series(chest()), 4, z=-6.0),
    "unequal_spacing": lambda: moved(series(chest()), 4, z=-4.2),
    "gantry_tilt": lambda: series(chest(), GantryDetectorTilt=12),
    "mixed_series": lambda: [*series(chest())[:6], *series(chest(), KVP=100)[6:]],
    "not_transaxial": lambda: series(chest(), ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
    "no_geometry": lambda: without(series(chest()), "PixelSpacing"),
    "unreadable_value": lambda: series(chest(), ImagePositionPatient=None),
    "no_exposure": lambda: series(chest(), KVP=None),
    "unit_not_hu": lambda: series(chest(), RescaleType="Z_EFF"),
    "pixel_data": lambda: series(chest(), PixelData=b"12"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_makes_no_volume_is_refused_by_name(reason):
    with pytest.raises(CtSeriesError) as refused:
        read_ct(BROKEN[reason]())
    assert refused.value.reason == reason


def test_sheared_slices_are_tilt_also_where_no_tilt_is_stated():
    datasets = series(chest())
    for number, one in enumerate(datasets):
        one.ImagePositionPatient = [-48, -48 + 0.6 * number, one.ImagePositionPatient[2]]
    with pytest.raises(CtSeriesError) as refused:
        read_ct(datasets)
    assert refused.value.reason == "gantry_tilt"


def test_slices_of_two_series_are_mixed():
    other = series(chest(), series_uid="1.2.826.0.1.3680043.10.1.77.8")
    with pytest.raises(CtSeriesError) as refused:
        read_ct([*series(chest())[:6], *other[6:]])
    assert refused.value.reason == "mixed_series"

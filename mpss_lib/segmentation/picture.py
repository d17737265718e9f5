"""What a wall that was followed would show, beside what the volume shows.

A heart that moved, a wall that was followed through noise, a part of another structure: each gives
a ring, but not the picture that such a ring would give. The wall is painted with its own counts,
the cavity and the surroundings evenly; all is blurred as the wall is and compared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

NOISE_FILTER_MM = 3.0  # SD: of the noise, on both
UPTAKE_MM = 9.0  # SD: differences of the uptake along the wall that are painted
AROUND_MM = 6.0  # outside the epicardium
REACH = 6  # voxels: the filters' margin


def unexplained(volume: Volume, masks: Mapping[str, Mask], blur_mm2: float, wall: float) -> float:
    """Spread of the counts that the painted heart does not explain, over those of the wall.

    Parameters
    ----------
    volume : Volume
    masks : mapping of name to Mask
        MYO, ENDO, EPI on the volume's grid, with a wall of 10.4 mm.
    blur_mm2 : float
        Variance of the blur across the wall.
    wall : float
        Median counts on the wall's ridge.

    Returns
    -------
    float
        Standard deviation within 6 mm of the epicardium after the best levels of wall, cavity and
        surroundings (least squares); 1 where a mask is empty or the wall has no counts.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    if wall <= 0.0 or not all(mask.array.any() for mask in masks.values()):
        return 1.0
    spacing = np.array(volume.spacing_mm)
    part = box_around(masks["EPI"].array, np.full(3, REACH))
    myo, endo = (masks[name].array[part].astype(np.float64) for name in ("MYO", "ENDO"))
    shown = gaussian_filter(volume.array[part], NOISE_FILTER_MM / spacing)
    blur = np.sqrt(blur_mm2 + NOISE_FILTER_MM**2) / spacing
    near = gaussian_filter(myo, UPTAKE_MM / spacing)
    level = gaussian_filter(myo * shown, UPTAKE_MM / spacing) / np.maximum(near, 1e-3)
    cavity, solid = gaussian_filter(endo, blur), gaussian_filter(myo, blur)
    parts = [gaussian_filter(myo * level, blur), cavity, 1.0 - solid - cavity]
    away = distance_transform_edt(~masks["EPI"].array[part], sampling=spacing)
    used = away <= AROUND_MM
    design, counts = np.stack([one[used] for one in parts], axis=1), shown[used]
    fitted = design @ np.linalg.lstsq(design, counts, rcond=None)[0]
    return float((counts - fitted).std()) / wall


def box_around(array: BoolArray, margin: FloatArray) -> tuple[slice, slice, slice]:
    """Box of a mask with a margin, within the array.

    Parameters
    ----------
    array : (z, y, x) bool array
        Holds at least one voxel.
    margin : (z, y, x) float64 array, voxels

    Returns
    -------
    tuple of slice
        Along z, y and x.
    """
    index = np.argwhere(array)
    low = np.maximum(index.min(axis=0) - margin, 0)
    high = np.minimum(index.max(axis=0) + margin + 1, array.shape)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third

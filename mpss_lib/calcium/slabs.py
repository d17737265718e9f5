"""Slices as the score wants them: about 3 mm thick, each standing for a length of the patient.

The score is defined for contiguous slices of 3 mm. Thinner ones are averaged to the largest slab
of at most 3.25 mm: that is what a thicker reconstruction is, and the noise of thin slices, which
reaches the threshold, goes down with it. Each slab then stands for the length that its slices are
apart: sums over slabs are scaled by that length over 3 mm, so that overlap is not counted twice and
a gap is filled by the slabs at its sides (McCollough et al., Radiology 2007;243:527).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpss_lib.errors import GeometryError, StudyFaultError, WrongArgumentError
from mpss_lib.volume import FloatArray, IntArray, Volume

STANDARD_MM = 3.0
THICKEST_MM = 3.25
STEEPEST = math.cos(math.radians(31.0))  # a gantry tilts by 30 degrees at most
FIT_SHARE = 0.05
"""Thickness and distance of slices that differ by less are taken as equal."""


@dataclass(frozen=True)
class Slabs:
    """Slices, averaged where they were thin.

    Parameters
    ----------
    array : (n, y, x) float64 array, HU
    first, last : (n,) int64 arrays
        Slices of the CT that each slab averages, both counted.
    length_mm : (n,) float64 array
        Length that each slab stands for.
    flags : tuple of str
        ``thin_slices_averaged``, ``overlapping_slices``, ``gapped_slices``, ``thick_slices``.
    """

    array: FloatArray
    first: IntArray
    last: IntArray
    length_mm: FloatArray
    flags: tuple[str, ...]


def make_slabs(ct: Volume, thickness_mm: float) -> Slabs:
    """Average thin slices of a CT.

    Groups are counted from the inferior end, so that the order of storage does not matter.

    Parameters
    ----------
    ct : Volume
        HU (z, y, x), slices along the first axis.
    thickness_mm : float
        SliceThickness.

    Returns
    -------
    Slabs
        From the inferior end up; (n, y, x), HU.

    Raises
    ------
    WrongArgumentError
        If the unit is not HU or the thickness is none.
    GeometryError
        If the slices are not transaxial along the first axis, or there is no voxel.
    StudyFaultError
        If a value is not finite.
    """
    _check(ct, thickness_mm)
    step = ct.spacing_mm[0]
    group = max(1, math.floor((THICKEST_MM - thickness_mm) / step + 1e-9) + 1)
    n = ct.array.shape[0]
    group = min(group, n)
    edges = list(range(0, n, group))
    first = np.array(edges)
    last = np.minimum(first + group, n) - 1
    if ct.affine[2, 0] < 0.0:
        first, last = (n - 1 - last)[::-1], (n - 1 - first)[::-1]
    array = ct.array
    if group > 1:
        pairs = zip(first, last, strict=True)
        array = np.stack([ct.array[a : b + 1].mean(axis=0) for a, b in pairs])
    flags = {
        "thin_slices_averaged": group > 1,
        "overlapping_slices": thickness_mm > step * (1.0 + FIT_SHARE),
        "gapped_slices": thickness_mm < step * (1.0 - FIT_SHARE),
        "thick_slices": thickness_mm > THICKEST_MM,
    }
    return Slabs(array, first, last, (last - first + 1) * step, tuple(k for k in flags if flags[k]))


def _check(ct: Volume, thickness_mm: float) -> None:
    if ct.unit != "HU":
        raise WrongArgumentError(
            f"the unit of the volume is {ct.unit!r}", way_out="give a CT in Hounsfield units"
        )
    if not 0.0 < thickness_mm <= 20.0:
        raise WrongArgumentError(
            f"thickness_mm is {thickness_mm}", way_out="give the SliceThickness of the series"
        )
    if not ct.array.size:
        raise GeometryError("the CT has no voxels", way_out="fetch the series again")
    if abs(float(ct.affine[2, 0])) < STEEPEST * ct.spacing_mm[0]:
        raise GeometryError(
            "the slices are not transaxial", way_out="give the slices as they were reconstructed"
        )
    if not np.isfinite(ct.array).all():
        raise StudyFaultError(
            "the CT holds values that are not finite", way_out="send the series again"
        )

"""Everything in a CT that is dense and large enough to be calcium, with its scores.

A component is what touches, above the threshold, within one slice by the edges of its pixels (four
neighbours). The definition asks for adjacent pixels and no more; corners join what noise has split
as well as what never belonged together, and an edge is the stricter reading. A component of less
than 1 mm2 does not count. Components of neighbouring slices that touch in any way (26 neighbours)
are one lesion: that is for the list; the score is the sum over components, whichever lesion they
belong to.

Component and score: Agatston et al., J Am Coll Cardiol 1990;15:827.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.calcium.slabs import STANDARD_MM, Slabs
from mpss_lib.calcium.voltage import Steps
from mpss_lib.volume import BoolArray, FloatArray, IntArray

SMALLEST_MM2 = 1.0
ROUNDING_MM2 = 1e-6
"""An area is a count times a pixel whose spacing was written in decimals."""
IN_PLANE = np.zeros((3, 3, 3), dtype=bool)
IN_PLANE[1] = [[False, True, False], [True, True, True], [False, True, False]]
ALL_AROUND = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True)
class Candidates:
    """Lesions of a CT, by number from 0.

    Parameters
    ----------
    score : (n,) float64 array
        Agatston score, units.
    volume_mm3, area_mm2 : (n,) float64 arrays
        Volume above the threshold; largest area in one slab.
    peak_hu, mean_hu : (n,) float64 arrays
    first, last : (n,) int64 arrays
        Lowest and highest slab.
    index : (voxels, 3) int64 array
        Slab, row and column of all voxels.
    lesion : (voxels,) int64 array
        Lesion of each voxel.
    """

    score: FloatArray
    volume_mm3: FloatArray
    area_mm2: FloatArray
    peak_hu: FloatArray
    mean_hu: FloatArray
    first: IntArray
    last: IntArray
    index: IntArray
    lesion: IntArray

    def __len__(self) -> int:
        return len(self.score)

    def mean_over(self, values: FloatArray) -> FloatArray:
        """Mean over the voxels of each lesion.

        Parameters
        ----------
        values : (voxels, k) float64 array
            In the order of ``index``.

        Returns
        -------
        (n, k) float64 array
            In the unit of the values; 0 for a lesion without voxels.
        """
        count = np.maximum(np.bincount(self.lesion, minlength=len(self)), 1)
        sums = [_sum(self.lesion, column, len(self)) for column in values.T]
        return np.stack(sums, axis=1) / count[:, None]


def find(slabs: Slabs, steps: Steps, pixel_mm2: float, within: BoolArray | None) -> Candidates:
    """Find and score what may be calcium.

    Parameters
    ----------
    slabs : Slabs
    steps : Steps
    pixel_mm2 : float
        Area of a pixel.
    within : (n, y, x) bool array or None
        Where to look, on the slabs; None: everywhere.

    Returns
    -------
    Candidates
        None of them where nothing reaches the threshold.
    """
    from scipy.ndimage import label

    dense = slabs.array >= steps.threshold_hu
    if within is not None:
        dense &= within
    component, n_components = label(dense, IN_PLANE)
    at = np.flatnonzero(dense)
    own = component.ravel()[at].astype(np.int64) - 1
    size = np.bincount(own, minlength=n_components)
    is_large = size * pixel_mm2 >= SMALLEST_MM2 - ROUNDING_MM2
    keep = is_large[own]
    at, own = at[keep], own[keep]
    dense = np.zeros_like(dense)
    dense.ravel()[at] = True
    joined, n = label(dense, ALL_AROUND)
    lesion = joined.ravel()[at].astype(np.int64) - 1
    index = np.stack(np.unravel_index(at, dense.shape), axis=1)
    return _score(slabs, steps, pixel_mm2, (index, own, lesion), (n_components, n))


def _score(
    slabs: Slabs,
    steps: Steps,
    pixel_mm2: float,
    voxels: tuple[IntArray, IntArray, IntArray],
    counts: tuple[int, int],
) -> Candidates:
    index, component, lesion = voxels
    n_components, n = counts
    hu = slabs.array[tuple(index.T)]
    length = slabs.length_mm[index[:, 0]]
    peak = np.full(n_components, -np.inf)
    np.maximum.at(peak, component, hu)
    area = np.bincount(component, minlength=n_components) * pixel_mm2
    weight = steps.weigh(peak)[component]
    peaks, areas = np.full(n, -np.inf), np.zeros(n)
    np.maximum.at(peaks, lesion, hu)
    np.maximum.at(areas, lesion, area[component])
    first, last = np.full(n, len(slabs.first)), np.zeros(n, dtype=np.int64)
    np.minimum.at(first, lesion, index[:, 0])
    np.maximum.at(last, lesion, index[:, 0])
    count = np.maximum(np.bincount(lesion, minlength=n), 1)
    return Candidates(
        score=_sum(lesion, weight * pixel_mm2 * length / STANDARD_MM, n),
        volume_mm3=_sum(lesion, pixel_mm2 * length, n),
        area_mm2=areas,
        peak_hu=peaks,
        mean_hu=_sum(lesion, hu, n) / count,
        first=first,
        last=last,
        index=index,
        lesion=lesion,
    )


def _sum(number: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sum of values by number (n,)."""
    total: FloatArray = np.bincount(number, values, n).astype(np.float64)
    return total

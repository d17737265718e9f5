"""What the CT itself says of a lesion: metal, bone, outside the chest's cavity, noise.

The limits are ours, measured on invented chests (``tests/bench/agatston_accuracy.py``).
"""

from __future__ import annotations

import numpy as np

from mpss_lib.calcium.candidates import IN_PLANE, Candidates
from mpss_lib.calcium.slabs import Slabs
from mpss_lib.volume import BoolArray, FloatArray

METAL_HU, SCALE_HU = 2000.0, 3000.0
"""At 120 kVp: dense plaque stays below 1600 HU, leads and clips reach the end of the scale."""
STANDARD_HU = 130.0
BEAM_MM, BRIGHT_BEAM_MM, FAINT_HU = 30.0, 12.0, 250.0
"""Reach of the rays of metal within its slice; from 250 HU (at 120 kVp) they reach less far: of
1,047 rays in 300 chests none was above 210 HU, none beyond 12 mm above 160; plaques there 265."""
BONE_MM3 = 2500.0  # of one lesion: 3 000 units and more if it were a plaque
AIR_HU = -500.0
COARSE_MM = 3.0
HULL_MM = 2.0  # that a lesion may lie outside the hull
FEWEST_PIXELS = 60
SOFT_HU, SPECK, SMALL_SPECK, SMALL_MM3 = 40.0, 4.5, 6.0, 10.0
"""Blood and muscle; noise of a heart's volume reaches this many standard deviations above it: four
in five of its specks of up to 10 mm3 stay below six, one of 134 plaques of that size does."""


def is_speck(candidates: Candidates, noise_hu: float) -> BoolArray:
    """Whether each lesion's peak (n,) is one that noise alone reaches somewhere in a heart.

    Parameters
    ----------
    candidates : Candidates
    noise_hu : float, HU
        Standard deviation; NaN where it is not known, which counts as none.

    Returns
    -------
    (n,) bool array
    """
    times = np.where(candidates.volume_mm3 <= SMALL_MM3, SMALL_SPECK, SPECK)
    limit = SOFT_HU + times * (0.0 if np.isnan(noise_hu) else noise_hu)
    speck: BoolArray = candidates.peak_hu < limit
    return speck


def metal_from(threshold_hu: float) -> float:
    """HU from which nothing is calcium, where calcium begins at ``threshold_hu``."""
    return min(METAL_HU * threshold_hu / STANDARD_HU, SCALE_HU)


def is_metal(candidates: Candidates, metal_hu: float) -> BoolArray:
    """Whether each lesion (n,) holds metal.

    Parameters
    ----------
    candidates : Candidates
    metal_hu : float, HU
        What no calcium reaches.

    Returns
    -------
    (n,) bool array
    """
    metal: BoolArray = candidates.peak_hu >= metal_hu
    return metal


def is_in_beam(
    slabs: Slabs, candidates: Candidates, pixel_mm: tuple[float, float], metal_hu: float
) -> BoolArray:
    """Whether most of each lesion (n,) lies where metal of its own slab throws rays as bright.

    The end of a lead fills part of its slab: in a lesion that holds metal half of its HU will do.

    Parameters
    ----------
    slabs : Slabs
    candidates : Candidates
    pixel_mm : (dy, dx) float, mm
    metal_hu : float, HU

    Returns
    -------
    (n,) bool array
    """
    from scipy.spatial import cKDTree

    index = candidates.index
    own_hu = np.where(is_metal(candidates, metal_hu)[candidates.lesion], 0.5 * metal_hu, metal_hu)
    dense = slabs.array[tuple(index.T)] >= own_hu
    near = np.zeros(len(index), dtype=bool)
    is_bright = candidates.peak_hu >= FAINT_HU * metal_hu / METAL_HU
    reach = np.where(is_bright, BRIGHT_BEAM_MM, BEAM_MM)[candidates.lesion]
    across = index[:, 1:] * np.asarray(pixel_mm)
    for slab in np.unique(index[dense, 0]):
        here = np.flatnonzero(index[:, 0] == slab)
        metal = cKDTree(across[here[dense[here]]])
        far, _ = metal.query(across[here], distance_upper_bound=BEAM_MM)
        near[here] = far <= reach[here]
    share: BoolArray = candidates.mean_over(near[:, None].astype(np.float64))[:, 0] > 0.5
    return share


def is_bone(candidates: Candidates) -> BoolArray:
    """Whether each lesion (n,) is larger than any plaque.

    Parameters
    ----------
    candidates : Candidates

    Returns
    -------
    (n,) bool array
    """
    bone: BoolArray = candidates.volume_mm3 > BONE_MM3
    return bone


def share_in_cavity(
    slabs: Slabs, candidates: Candidates, pixel_mm: tuple[float, float]
) -> FloatArray:
    """Share of each lesion (n,) that lies between the lungs.

    In each slab: within the convex hull of both lungs. A lung is air that reaches neither the
    front nor the back of the picture; a slab without lungs has no cavity.

    Parameters
    ----------
    slabs : Slabs
    candidates : Candidates
    pixel_mm : (dy, dx) float, mm

    Returns
    -------
    (n,) float64 array
        0 to 1.
    """
    hulls = _hulls(slabs, pixel_mm)
    index = candidates.index
    inside = np.zeros(len(index), dtype=np.float64)
    order = np.argsort(index[:, 0], kind="stable")
    slab, start = np.unique(index[order, 0], return_index=True)
    for number, here in zip(slab, np.split(order, start[1:]), strict=True):
        sides = hulls.get(int(number))
        if sides is not None:
            place = index[here, 1:] * np.asarray(pixel_mm)
            inside[here] = (place @ sides[:, :2].T + sides[:, 2] <= HULL_MM).all(axis=1)
    return candidates.mean_over(inside[:, None])[:, 0]


def _hulls(slabs: Slabs, pixel_mm: tuple[float, float]) -> dict[int, FloatArray]:
    """Sides of the lungs' hull by slab: normal (row, column) and offset, mm."""
    from scipy.ndimage import label
    from scipy.spatial import ConvexHull

    every = [max(1, round(COARSE_MM / one)) for one in pixel_mm]
    coarse = slabs.array[:, :: every[0], :: every[1]] < AIR_HU
    number, count = label(coarse, IN_PLANE)
    is_outside = np.zeros(count + 1, dtype=bool)
    is_outside[np.concatenate([number[:, 0].ravel(), number[:, -1].ravel()])] = True
    lungs = coarse & ~is_outside[number]
    found = {}
    for slab in np.flatnonzero(lungs.sum(axis=(1, 2)) >= FEWEST_PIXELS):
        rows, columns = np.nonzero(lungs[slab])
        place = np.stack([rows * every[0] * pixel_mm[0], columns * every[1] * pixel_mm[1]], axis=1)
        if np.ptp(rows) and np.ptp(columns):
            found[int(slab)] = ConvexHull(place).equations
    return found

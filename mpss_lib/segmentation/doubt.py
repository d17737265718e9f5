"""Whether what was followed is one wall: a patient who moved leaves two, each half as bright.

None of the single values tells such a study from a noisy one; together, beside the noise, they do.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.segmentation.surface import RADIUS_MM, Rays, directions
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

USUAL_NOISE = 0.11
"""Noise of a study of usual counts (``background_noise``): below it a misfit has no excuse."""
USUAL_STRETCH_MM2 = 20.0
NOISE_FILTER_MM = 5.8
NEAREST_MM, FARTHEST_MM = 12.0, 60.0
DARKEST, BRIGHTEST = 0.02, 0.35  # of the wall: outside it is air or another organ

ACROSS_MM = 12.0
FEWEST_RAYS = 36


def background_noise(volume: Volume, epi: Mask, wall: Mask) -> float:
    """Robust spread of what a small filter removes around the heart, over the level there.

    Parameters
    ----------
    volume : Volume
    epi, wall : Mask
        Epicardium (filled) and myocardium on the volume's grid.

    Returns
    -------
    float
        0 where there is no background around the heart.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    spacing = np.array(volume.spacing_mm)
    part = _around(epi.array, np.ceil(FARTHEST_MM / spacing).astype(np.int64))
    counts: FloatArray = volume.array[part]
    outside = distance_transform_edt(~epi.array[part], sampling=spacing)
    reference = float(np.percentile(counts[wall.array[part]], 90))
    is_back = (outside >= NEAREST_MM) & (outside <= FARTHEST_MM)
    is_back &= (counts > DARKEST * reference) & (counts < BRIGHTEST * reference)
    if not is_back.any():
        return 0.0
    rest = (counts - gaussian_filter(counts, NOISE_FILTER_MM / spacing))[is_back]
    spread = 1.4826 * float(np.median(np.abs(rest - np.median(rest))))
    return spread / float(np.median(counts[is_back]))


def stretch_mm2(rays: Rays, surface_mm: FloatArray, is_wall: BoolArray) -> float:
    """How much more the wall is widened along one direction in space than across it.

    Two walls a jump apart are wide where they face the jump and narrow beside it, whichever way
    the patient moved; noise and a filled cavity widen all alike. A quadratic form of the rays'
    directions is fitted to the variance of the counts across the wall; a faint wall counts less.

    Parameters
    ----------
    rays : Rays
    surface_mm : (rows, angles) float64 array
        Radius of the smooth ridge.
    is_wall : (rows, angles) bool array

    Returns
    -------
    float
        Largest minus smallest eigenvalue, mm2; 0 where there are too few rays.
    """
    off = RADIUS_MM - surface_mm[..., None]
    near = np.where(np.abs(off) <= ACROSS_MM, rays.profile, 0.0)
    used = is_wall & (near.max(axis=-1) > 0.0)
    used[:2] = False  # all of them point along the axis
    if int(used.sum()) < FEWEST_RAYS:
        return 0.0
    off, counts = off[used], near[used]
    top = counts.max(axis=1, keepdims=True)
    weight = np.clip(counts / top - 0.5, 0.0, None)
    total = weight.sum(axis=1)
    middle = (weight * off).sum(axis=1) / total
    variance = (weight * (off - middle[:, None]) ** 2).sum(axis=1) / total
    x, y, z = directions()[1][used].T
    design = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    trust = np.sqrt(np.minimum(top / float(np.median(top)), 1.0))
    fitted = np.linalg.lstsq(trust * design, trust[:, 0] * variance, rcond=None)[0]
    xx, yy, zz, xy, xz, yz = fitted
    values = np.linalg.eigvalsh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return float(values[-1] - values[0])


def incoherence(
    misfit_mm: float,
    base_residual_mm: float,
    stretch: float,
    rival_gap: float,
    noise: float,
) -> float:
    """How much the wall looks like two: above 0 the segmentation is not sure.

    A ragged ridge, a ragged base and a wall that is stretched (mm2) one way raise it, a clear lead
    over the next structure and noise (another reason for raggedness) lower it. Weights: chosen by
    a regression of Dice < 0.7 on synthetic studies (seeds 600000-690059), rounded;
    ``tests/bench/segmentation_accuracy.py`` judges them on others.
    """
    excuse = 0.9 * math.log(max(noise / USUAL_NOISE, 1.0))
    ragged = math.log(max(misfit_mm, 0.1)) + 0.5 * math.log(base_residual_mm + 0.3)
    stretched = 0.5 * math.log(max(stretch, 5.0) / USUAL_STRETCH_MM2)
    return ragged + stretched - excuse - min(rival_gap, 0.8) + 0.16


def _around(array: BoolArray, margin: np.ndarray) -> tuple[slice, slice, slice]:
    """Box of a mask with a margin (voxels along each axis), within the array."""
    index = np.argwhere(array)
    low = np.maximum(index.min(axis=0) - margin, 0)
    high = np.minimum(index.max(axis=0) + margin + 1, array.shape)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third

"""Whether what was followed is one wall: a patient who moved leaves two, each half as bright.

None of the single values tells such a study from a noisy one; together, beside the noise, they do.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

USUAL_NOISE = 0.11
"""Noise of a study of usual counts (``background_noise``): below it a misfit has no excuse."""
NOISE_FILTER_MM = 5.8
NEAREST_MM, FARTHEST_MM = 12.0, 60.0
DARKEST, BRIGHTEST = 0.02, 0.35  # of the wall: outside it is air or another organ


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


def incoherence(misfit_mm: float, base_residual_mm: float, rival_gap: float, noise: float) -> float:
    """How much the wall looks like two: above 0 the segmentation is not sure.

    A ragged ridge and a ragged base raise it, a clear lead over the next structure and noise (the
    other reason for raggedness) lower it. Weights: logistic regression of Dice < 0.7 on 840
    synthetic studies (seeds 73000-74149), rounded; ``tests/bench/segmentation_accuracy.py``
    judges them on others.
    """
    excuse = math.log(max(noise / USUAL_NOISE, 1.0))
    ragged = math.log(max(misfit_mm, 0.1)) + 0.5 * math.log(base_residual_mm + 0.3)
    return ragged - excuse - min(rival_gap, 0.8) + 0.16


def _around(array: BoolArray, margin: np.ndarray) -> tuple[slice, slice, slice]:
    """Box of a mask with a margin (voxels along each axis), within the array."""
    index = np.argwhere(array)
    low = np.maximum(index.min(axis=0) - margin, 0)
    high = np.minimum(index.max(axis=0) + margin + 1, array.shape)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third

"""Noise of a CT: standard deviation where nothing but soft tissue is.

What counts as soft tissue, and the quartile, are ours.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.volume import FloatArray

MOST_HU = 23.0
"""Noise up to which a calcium scan is made: 20 HU for small and medium patients, 23 for large ones
(McCollough et al., Radiology 2007;243:527)."""
SOFT_HU = (10.0, 80.0)
BLOCK_MM, FEWEST_PIXELS = 5.0, 4
FEWEST_BLOCKS = 20
MOST_SLABS = 16
QUARTILE = 25.0  # of the blocks: those with an edge in them have more


def measure_noise(array: FloatArray, pixel_mm: float) -> float:
    """Noise (HU) of slabs (n, y, x): lower quartile of the standard deviations of 5 mm blocks.

    Blocks count whose mean is that of soft tissue; NaN where there are hardly any.

    Parameters
    ----------
    array : (n, y, x) float64 array, HU
        Slabs.
    pixel_mm : float, mm
        Side of a pixel.

    Returns
    -------
    float, HU
    """
    size = max(FEWEST_PIXELS, round(BLOCK_MM / pixel_mm))
    every = max(1, array.shape[0] // MOST_SLABS)
    rows, columns = (n // size for n in array.shape[1:])
    some = array[::every, : rows * size, : columns * size]
    blocks = some.reshape(len(some), rows, size, columns, size)
    mean, spread = blocks.mean(axis=(2, 4)), blocks.std(axis=(2, 4))
    is_soft = (mean >= SOFT_HU[0]) & (mean <= SOFT_HU[1])
    if int(is_soft.sum()) < FEWEST_BLOCKS:
        return float("nan")
    return float(np.percentile(spread[is_soft], QUARTILE))

"""Acquisition of a digital phantom: projections with the physics that matters, then OSEM.

60 views over 180 degrees (RAO 45 to LPO 45), attenuation, distance-dependent blur, scatter,
Poisson counts; OSEM with 5 iterations of 6 subsets and a Gaussian post-filter of 3.6 mm SD.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.demo import _kernels
from mpss_lib.volume import BoolArray, FloatArray, IntArray

GRID, SLICES, VOXEL_MM = 80, 44, 4.8
VIEWS = 60
SCATTER_SHARE, SCATTER_SD_MM = 0.12, 34.0
POST_FILTER_SD_MM = 3.6
ITERATIONS, SUBSETS = 5, 6


@dataclass(frozen=True)
class Scan:
    """How a phantom is scanned and reconstructed.

    Parameters
    ----------
    counts : float
        Total counts of all projections.
    body_mm : (float, float)
        Semi-axes (x, y) of the torso, for the detector's orbit.
    is_corrected : bool
        Whether the reconstruction corrects attenuation.
    mu_factor : float
        Factor on the map that the reconstruction uses (over-correction).
    mu_shift : (int, int, int)
        Shift (y, x, z) in voxels of that map (misregistration).
    jump_mm : float
        Shift along z of the views from ``jump_view`` on (motion).
    field_mm : float
        Radius of the field of view; what lies outside is unmeasured (truncation).
    """

    counts: float
    body_mm: tuple[float, float]
    is_corrected: bool = True
    mu_factor: float = 1.0
    mu_shift: tuple[int, int, int] = (0, 0, 0)
    jump_mm: float = 0.0
    jump_view: int = VIEWS
    field_mm: float = 999.0


def scan(
    rng: np.random.Generator,
    activity: _kernels.Float32Array,
    mu: _kernels.Float32Array,
    mu_known: _kernels.Float32Array,
    how: Scan,
) -> FloatArray:
    """Acquire and reconstruct.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the Poisson noise.
    activity, mu : (y, x, z) float32 arrays of the grid (80, 80, 44)
        Relative uptake; attenuation per mm of the patient.
    mu_known : (y, x, z) float32 array
        The map that the reconstruction is given; the same object as ``mu`` where it is true.
    how : Scan

    Returns
    -------
    (z, y, x) float64 array, counts: (44, 80, 80)
    """
    from scipy.ndimage import gaussian_filter

    angles = np.radians(-135.0 + (np.arange(VIEWS) + 0.5) * 180.0 / VIEWS)
    wide, deep = how.body_mm
    orbit = np.sqrt((wide * np.cos(angles)) ** 2 + (deep * np.sin(angles)) ** 2) + 35.0
    pixels = _columns(np.asarray((mu > 0).any(axis=2)))
    survival = _kernels.attenuation(mu, pixels, angles, VOXEL_MM)
    seen = _kernels.acquire(activity, survival, pixels, angles, orbit, VOXEL_MM)
    scattered = gaussian_filter(seen, (0.0, SCATTER_SD_MM / VOXEL_MM, SCATTER_SD_MM / VOXEL_MM))
    seen = seen + np.float32(SCATTER_SHARE) * scattered
    seen = _jump(seen, how)
    noisy = rng.poisson(seen.astype(np.float64) * (how.counts / float(seen.sum())))
    counts = noisy.astype(np.float32)
    inside = _columns(np.asarray((mu_known > 0).any(axis=2)) & _within(how.field_mm))
    if not how.is_corrected:
        survival = np.ones((VIEWS, len(inside), SLICES), np.float32)
    elif mu_known is not mu or how.mu_factor != 1.0 or any(how.mu_shift):
        given = np.roll(mu_known, how.mu_shift, axis=(0, 1, 2)) * np.float32(how.mu_factor)
        survival = _kernels.attenuation(given, inside, angles, VOXEL_MM)
    elif len(inside) != len(pixels):
        survival = _kernels.attenuation(mu, inside, angles, VOXEL_MM)
    image = _kernels.osem(counts, survival, inside, angles, ITERATIONS, SUBSETS)
    full = np.zeros((GRID, GRID, SLICES), np.float32)
    full[inside[:, 0], inside[:, 1]] = image * np.float32(VIEWS)
    smooth = gaussian_filter(full, POST_FILTER_SD_MM / VOXEL_MM)
    return np.ascontiguousarray(smooth.transpose(2, 0, 1), dtype=np.float64)


def _jump(seen: _kernels.Float32Array, how: Scan) -> _kernels.Float32Array:
    """Patient motion along z is a shift of the projections along z."""
    if how.jump_mm == 0.0 or how.jump_view >= VIEWS:
        return seen
    from scipy.ndimage import shift

    moved = seen.copy()
    late = 1.0 - how.jump_view / VIEWS
    parts = ((slice(None, how.jump_view), -late), (slice(how.jump_view, None), 1.0 - late))
    for part, share in parts:  # the mean position stays where the truth says
        by = (0.0, 0.0, share * how.jump_mm / VOXEL_MM)
        moved[part] = shift(seen[part], by, order=1, mode="nearest")
    return moved


def _columns(inside: BoolArray) -> IntArray:
    return np.ascontiguousarray(np.argwhere(inside).astype(np.int64))


def _within(radius_mm: float) -> BoolArray:
    offset = (np.arange(GRID) - 0.5 * (GRID - 1)) * VOXEL_MM
    disc: BoolArray = np.hypot(offset[:, None], offset[None, :]) < radius_mm
    return disc

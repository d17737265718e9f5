"""First-order families: statistics, intensity histogram, intensity-volume histogram, local peaks.

Percentiles interpolate linearly between order statistics, as the reference implementations do (the
IBSI manual names no method). Moments are the population's. Degenerate input: with zero variance
skewness and kurtosis are 0; a coefficient whose denominator is 0 is NaN; so is the robust
deviation of two voxels, neither of which lies between P10 and P90.
"""

from __future__ import annotations

import numpy as np

from mpss_lib.errors import WrongArgumentError
from mpss_lib.radiomics import _shape_kernels
from mpss_lib.radiomics.discretise import (
    AsIs,
    Discretisation,
    FixedBinNumber,
    FixedBinSize,
    Levels,
    discretise,
)
from mpss_lib.volume import FloatArray, IntArray, Triple

SPHERE_RADIUS_MM = 10.0 * (3.0 / (4.0 * np.pi)) ** (1.0 / 3.0)
"""Radius of the sphere of 1 cm3."""

SAFE_VARIANCE = (1e-120, 1e120)
"""Within them, the square of a variance is a normal number; beyond, deviations are scaled first."""


def describe_statistics(values: FloatArray) -> FloatArray:
    """Compute the 18 statistical features (IBSI UHIW) of intensities.

    Parameters
    ----------
    values : (n,) float64 array
        At least one.

    Returns
    -------
    (18,) float64 array
        In the order of the catalogue, in the unit of the image where a feature has one.
    """
    moments, order = _moments(values), _order(values)
    energy = float(values @ values)
    return np.array([*moments, *order, energy, np.sqrt(energy / values.size)])


def describe_histogram(levels: Levels, n_levels: int) -> FloatArray:
    """23 intensity histogram features (IBSI ZVCW) of grey levels 1..n_levels.

    The histogram has all n_levels bins. Mode: the fullest bin, of several the one nearest to the
    mean, then the lower. Gradients need two bins, else NaN.

    Parameters
    ----------
    levels : (n,) int array
        Grey level of each voxel, 1 to ``n_levels``.
    n_levels : int

    Returns
    -------
    (23,) float64 array
        In the order of the catalogue, in grey levels.
    """
    values = levels.astype(np.float64)
    counts = np.bincount(levels, minlength=n_levels + 1)[1:].astype(np.float64)
    moments, order = _moments(values), _order(values)
    fullest = np.flatnonzero(counts == counts.max()) + 1
    mode = fullest[np.argmin(np.abs(fullest - moments[0]))]
    p = counts[counts > 0] / values.size
    # + 0.0: the entropy of one level is 0, not -0.
    entropy, uniformity = -float(p @ np.log2(p)) + 0.0, float(p @ p)
    if n_levels > 1:
        slope = np.gradient(counts)
        up, down = int(slope.argmax()), int(slope.argmin())
        gradient = [slope[up], up + 1, slope[down], down + 1]
    else:
        gradient = [np.nan] * 4
    return np.array([*moments, *order[:5], mode, *order[5:], entropy, uniformity, *gradient])


def _moments(values: FloatArray) -> list[float]:
    """Mean, variance, skewness, excess kurtosis."""
    mean = float(values.mean())
    d = values - mean
    square = d * d
    variance = float(square.mean())
    # All equal: rounding of the mean must not make a variance.
    if values[0] == values.min() == values.max():
        return [float(values[0]), 0.0, 0.0, 0.0]
    if not SAFE_VARIANCE[0] < variance < SAFE_VARIANCE[1]:
        scale = float(np.abs(d).max())
        if not 0 < scale < np.inf:
            return [mean, variance, np.nan, np.nan]
        _, unit, skewness, kurtosis = _moments(d / scale)
        return [mean, unit * scale * scale, skewness, kurtosis]
    skewness = float((square * d).mean()) / variance**1.5
    return [mean, variance, skewness, float((square * square).mean()) / variance**2 - 3.0]


def _order(values: FloatArray) -> list[float]:
    """Median, minimum, P10, P90, maximum, IQR, range, MAD, rMAD, medAD, CoV, QCoD."""
    sorted_values = np.sort(values)
    p10, p25, median, p75, p90 = (_percentile(sorted_values, q) for q in (10, 25, 50, 75, 90))
    low, high = float(sorted_values[0]), float(sorted_values[-1])
    mean = float(values.mean()) if high > low else low
    first, last = np.searchsorted(sorted_values, p10), np.searchsorted(sorted_values, p90, "right")
    middle = sorted_values[first:last]
    scale = float(np.abs(values - mean).max())
    if SAFE_VARIANCE[0] < scale * scale < SAFE_VARIANCE[1] or scale == 0:
        scale = 1.0
    deviation = scale * float(np.sqrt((((values - mean) / scale) ** 2).mean()))
    return [
        median,
        low,
        p10,
        p90,
        high,
        p75 - p25,
        high - low,
        float(np.abs(values - mean).mean()),
        _mean_deviation(middle) if high > low else 0.0,
        float(np.abs(values - median).mean()),
        deviation / mean if mean != 0 else np.nan,
        (p75 - p25) / (p75 + p25) if p75 + p25 != 0 else np.nan,
    ]


def _mean_deviation(values: FloatArray) -> float:
    return float(np.abs(values - values.mean()).mean()) if values.size else np.nan


def _percentile(sorted_values: FloatArray, q: float) -> float:
    place = (sorted_values.size - 1) * q / 100.0
    k = int(place)
    low = float(sorted_values[k])
    if k + 1 >= sorted_values.size:
        return low
    return low + (place - k) * (float(sorted_values[k + 1]) - low)


def describe_volume_histogram(
    values: FloatArray,
    how: Discretisation,
    resegment_range: tuple[float, float] | None = None,
) -> FloatArray:
    """7 intensity-volume histogram features (IBSI P88C).

    Parameters
    ----------
    values : (n,) float64 array
    how : FixedBinNumber, FixedBinSize or AsIs
        Arbitrary units; calibrated and continuous (bin centres); calibrated whole numbers.
    resegment_range : (low, high), optional
        Its finite limits are the limits of the histogram, except for arbitrary units.

    Returns
    -------
    (7,) float64 array
        V10, V90, I10, I90, V10 - V90, I10 - I90, area. With one level only, intensity fractions are
        undefined: V10, V90 and V10 - V90 are NaN and the area is 0. I_x is one step above the
        range where even its last level fills more than x % of the volume.
    """
    levels, first, step, count = _volume_levels(values, how, resegment_range)
    below = np.concatenate(([0], np.cumsum(np.bincount(levels, minlength=count))))[:count]
    fraction = 1.0 - below / values.size
    i10, i90 = (
        first + step * int(np.count_nonzero(fraction > share + 1e-12)) for share in (0.1, 0.9)
    )
    if count == 1:
        return np.array([np.nan, np.nan, i10, i90, np.nan, i10 - i90, 0.0])
    gamma = np.arange(count) / (count - 1)
    v10, v90 = (fraction[np.searchsorted(gamma, x - 1e-12)] for x in (0.1, 0.9))
    area = float(((fraction[1:] + fraction[:-1]) * np.diff(gamma)).sum() / 2.0)
    return np.array([v10, v90, i10, i90, v10 - v90, i10 - i90, area])


def _volume_levels(
    values: FloatArray, how: Discretisation, resegment_range: tuple[float, float] | None
) -> tuple[IntArray, float, float, int]:
    """Level indices 0.., value of index 0, step, number of levels in the range."""
    low, high = resegment_range if resegment_range is not None else (-np.inf, np.inf)
    if isinstance(how, FixedBinNumber):
        levels, count = discretise(values, how)
        return levels.astype(np.int64) - 1, 1.0, 1.0, count
    if isinstance(how, FixedBinSize):
        lowest = how.lowest if how.lowest is not None else low
        if not np.isfinite(lowest):
            lowest = float(values.min())
        levels, count = discretise(values, FixedBinSize(how.width, lowest))
        if np.isfinite(high):
            # The range is closed: its upper limit is the last level that can occur.
            count = max(count, int(np.floor((high - lowest) / how.width + 1e-9)) + 1)
        return levels.astype(np.int64) - 1, lowest + 0.5 * how.width, how.width, count
    lowest = low if np.isfinite(low) else float(values.min())
    if not np.array_equal(values, np.floor(values)):
        raise WrongArgumentError(
            f"ivh=AsIs() needs whole intensities; there are fractions in"
            f" {values.min():g}..{values.max():g}",
            way_out="use round_intensities=True, or FixedBinSize or FixedBinNumber for ivh",
        )
    shifted, count = discretise(values - lowest + 1.0, AsIs())
    if np.isfinite(high):
        count = int(np.floor(high - lowest)) + 1
    return shifted.astype(np.int64) - 1, lowest, 1.0, count


def describe_peaks(
    image: FloatArray, voxels: IntArray, values: FloatArray, spacing_mm: Triple
) -> FloatArray:
    """Local and global intensity peak (IBSI VJGA, 0F91).

    Parameters
    ----------
    image : (z, y, x) float64 array
        The whole image: the sphere of 1 cm3 reaches out of the region. What lies outside the image
        is left out of the mean.
    voxels : (n, 3) int64 array
        Voxels of the intensity mask, index (z, y, x) in the image.
    values : (n,) float64 array
        Their intensities.
    spacing_mm : (dz, dy, dx) float, mm

    Returns
    -------
    (2,) float64 array
        Local, global; in the unit of the image.
    """
    reach = [
        int(min(SPHERE_RADIUS_MM / step, size - 1))
        for step, size in zip(spacing_mm, image.shape, strict=True)
    ]
    axes = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance = ((offsets * np.asarray(spacing_mm)) ** 2).sum(axis=1)
    offsets = np.ascontiguousarray(offsets[distance <= SPHERE_RADIUS_MM**2], dtype=np.int64)
    means = _shape_kernels.sphere_means(image, voxels, offsets)
    return np.array([means[values == values.max()].max(), means.max()])

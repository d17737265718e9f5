"""Artefact metrics of a segmented volume.

Each is one number with a direction: the limits say from where on a person must look. Sources:
AHA segments (Cerqueira et al. 2002); total perfusion deficit in the manner of Slomka et al. 2005;
the others are measured on synthetic studies by ``tests/bench/quality_auc.py``.

Rays are those of the mask file's extras: arrays (rows, angles), the first nine rows the apical
cap, theta = 10 degrees times the column: 0 lateral, 90 anterior, 180 septum, 270 inferior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume, check_same_grid

CAP_ROWS = 9
INFERIOR_DEG = (205.0, 335.0)
STEP_MM = 2.0
NORMAL_MEAN = (
    0.837, 0.866, 0.899, 0.867, 0.888, 0.885,
    0.934, 0.997, 1.034, 0.967, 0.992, 0.988,
    0.919, 0.956, 0.929, 0.970, 0.869,
)  # fmt: skip
NORMAL_SD = (
    0.068, 0.062, 0.063, 0.064, 0.063, 0.064,
    0.065, 0.066, 0.058, 0.059, 0.055, 0.075,
    0.062, 0.068, 0.065, 0.067, 0.067,
)  # fmt: skip
"""Counts of segments 1-17 over the mean of the upper half of segments 1-16, in 150 clean synthetic
AC studies (seeds 5000-5149). Where a site's normal studies differ, the limits of ``z_min`` and
``deficit`` that it estimates from them make up for it."""


@dataclass(frozen=True)
class Seen:
    """A segmented volume: counts, masks by name, the extras and self-check of its mask file."""

    volume: Volume
    masks: Mapping[str, Mask]
    extras: Mapping[str, FloatArray]
    check: Mapping[str, float]


@dataclass(frozen=True)
class _Box:
    """The heart with 60 mm around it: counts, distance (mm) outside the epicardium, wall."""

    counts: FloatArray
    outside_mm: FloatArray
    wall: BoolArray


def measure(seen: Seen) -> dict[str, float]:
    """All metrics that the corrected volume alone gives.

    Parameters
    ----------
    seen : Seen

    Returns
    -------
    dict of metric to float
        NaN where a metric is undefined (an empty segment, a field of view that ends). ``rim``
        is absent for a short-axis series: the body's edge does not lie in it.
    """
    check_same_grid(seen.volume, seen.masks["MYO"])
    segments = segment_means(seen)
    box = _crop(seen)
    wall = box.counts[box.wall]
    reference = float(np.percentile(wall, 90)) if wall.size else math.nan
    values = {
        **_of_segments(segments),
        **_of_rays(seen),
        **_of_box(box, reference),
    }
    if not _is_short_axis(seen):
        values["rim"] = _rim(seen, reference)
    for name in (
        "prominence", "misfit_mm", "base_residual_mm", "myocardium_ml", "cavity_ml",
        "length_mm", "edge_voxels", "rival_gap",
    ):  # fmt: skip
        if name in seen.check:  # given masks have no rival
            values[name] = float(seen.check[name])
    return values


def compare(corrected: Seen, uncorrected: Volume) -> dict[str, float]:
    """Metrics that need the series without attenuation correction of the same acquisition.

    Parameters
    ----------
    corrected : Seen
    uncorrected : Volume
        On the same grid.

    Returns
    -------
    dict of metric to float
        ``correction_gain``: log of the wall's counts with over those without correction, per
        100 mm of the body's mean width (both series must be stored in the same unit; absent for a
        short-axis series, which does not hold the body);
        ``correction_tilt``: how much more the septum gained than the lateral wall, log.
    """
    check_same_grid(uncorrected, corrected.masks["MYO"])
    other = Seen(uncorrected, corrected.masks, corrected.extras, corrected.check)
    with_it, without = segment_means(corrected), segment_means(other)
    gain = np.log(np.maximum(with_it, 1e-9) / np.maximum(without, 1e-9))
    septal = float(np.mean(gain[[1, 2, 7, 8, 13]]))
    lateral = float(np.mean(gain[[4, 5, 10, 11, 15]]))
    values = {"correction_tilt": septal - lateral}
    if not _is_short_axis(corrected):
        width = _body_width_mm(corrected)
        values["correction_gain"] = float(np.mean(gain[:16])) / width * 100.0
    return values


def segment_means(seen: Seen) -> FloatArray:
    """Mean counts of the polar segments; NaN for an empty one.

    Parameters
    ----------
    seen : Seen

    Returns
    -------
    (17,) float64 array, counts
    """
    means = np.full(17, np.nan)
    for n in range(17):
        inside = seen.masks[f"S{n + 1:02d}"].array
        if inside.any():
            means[n] = seen.volume.array[inside].mean()
    return means


def scores(segments: FloatArray) -> FloatArray:
    """Standardise the segments by the normal ones.

    Parameters
    ----------
    segments : (17,) float64 array, counts
        As ``segment_means`` gives them.

    Returns
    -------
    (17,) float64 array
        z values.
    """
    upper = np.sort(segments[:16])[8:]
    relative = segments / float(np.mean(upper))
    z: FloatArray = (relative - np.array(NORMAL_MEAN)) / np.array(NORMAL_SD)
    return z


def _of_segments(s: FloatArray) -> dict[str, float]:
    def mean(*numbers: int) -> float:
        return float(np.mean(s[np.array(numbers) - 1]))

    z = scores(s)
    septal, lateral = mean(2, 3, 8, 9, 14), mean(5, 6, 11, 12, 16)
    return {
        "apex_ratio": mean(17) / mean(*range(7, 13)),
        "anterior_inferior": mean(1, 7, 13) / mean(4, 10, 15),
        "z_min": float(np.min(z[:16])),
        "deficit": float(25.0 * np.mean(np.clip(-z - 1.5, 0.0, 4.0))),
        "over_correction_index": mean(3, 4, 9, 10, 15) / mean(1, 6, 7, 12, 13, 16),
        "septal_lateral": abs(math.log(septal / lateral)) if min(septal, lateral) > 0 else math.nan,
    }


def _of_rays(seen: Seen) -> dict[str, float]:
    extras = seen.extras
    radius, peak = extras["ridge_mm"], extras["ridge_counts"]
    is_wall = extras["is_wall"] > 0.5
    offsets = np.arange(-24.0, 24.1, STEP_MM)
    reach = np.maximum(radius[..., None] + offsets, 0.0)
    points = extras["ray_start_mm"][:, :, None] + extras["ray_way"][:, :, None] * reach[..., None]
    profile = _sample(seen.volume, points)
    theta = np.arange(radius.shape[1]) * 360.0 / radius.shape[1]
    is_low = (theta >= INFERIOR_DEG[0]) & (theta <= INFERIOR_DEG[1])
    rays = is_wall & is_low[None, :]
    rays[:2] = False  # the apex's own direction is no wall in particular
    equator = float(np.median(peak[CAP_ROWS : CAP_ROWS + 4]))
    middle = is_wall.copy()
    middle[:CAP_ROWS] = False
    with np.errstate(invalid="ignore", divide="ignore"):
        valley = profile[..., (offsets >= 4) & (offsets <= 22)].min(axis=-1) / peak
    far = profile[..., offsets >= 10].max(axis=-1) / float(np.median(peak[is_wall]))
    return {
        "valley_inferior": _percentile(valley[rays], 85),
        "extracardiac_inferior": _percentile(far[rays], 90),
        "apex_peak": float(np.mean(peak[:3])) / equator,
        "wall_fwhm_mm": float(np.median(_width(profile, peak, offsets)[middle])),
    }


def _width(profile: FloatArray, peak: FloatArray, offsets: FloatArray) -> FloatArray:
    """Full width at half maximum (rows, angles) around the ridge; the axis and 24 mm bound it."""
    centre = int(np.argmin(np.abs(offsets)))
    is_high = profile >= 0.5 * peak[..., None]
    outward = np.cumprod(is_high[..., centre:], axis=-1).sum(axis=-1)
    inward = np.cumprod(is_high[..., centre::-1], axis=-1).sum(axis=-1)
    width: FloatArray = (outward + inward - 1.0) * STEP_MM
    return width


def _of_box(box: _Box, reference: float) -> dict[str, float]:
    from scipy.ndimage import gaussian_filter

    rest = box.counts - gaussian_filter(box.counts, 1.2)
    around = box.counts[(box.outside_mm >= 8.0) & (box.outside_mm <= 45.0)]
    is_back = (box.outside_mm >= 12.0) & (box.outside_mm <= 60.0)
    is_back &= (box.counts > 0.02 * reference) & (box.counts < 0.35 * reference)
    back = rest[is_back]
    spread = 1.4826 * float(np.median(np.abs(back - np.median(back)))) if back.size else math.nan
    level = float(np.median(box.counts[is_back])) if back.size else math.nan
    wall = box.counts[box.wall]
    return {
        "extracardiac_max": _percentile(around, 99.5) / reference,
        "noise_background": spread / level,
        "noise_wall": float(rest[box.wall].std() / wall.mean()) if wall.size else math.nan,
    }


def _crop(seen: Seen) -> _Box:
    from scipy.ndimage import distance_transform_edt

    epi = seen.masks["EPI"].array
    spacing = np.array(seen.volume.spacing_mm)
    index = np.argwhere(epi)
    margin = np.ceil(60.0 / spacing).astype(np.int64)
    low = np.maximum(index.min(axis=0) - margin, 0)
    high = np.minimum(index.max(axis=0) + margin + 1, epi.shape)
    part = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    outside = distance_transform_edt(~epi[part], sampling=spacing)
    return _Box(seen.volume.array[part], outside, seen.masks["MYO"].array[part])


def _is_short_axis(seen: Seen) -> bool:
    """Whether the slices lie across the long axis, within 20 degrees."""
    normal = seen.volume.affine[:3, 0] / np.linalg.norm(seen.volume.affine[:3, 0])
    return abs(float(normal @ seen.extras["axis"])) > math.cos(math.radians(20.0))


def _rim(seen: Seen, reference: float) -> float:
    """Compare the counts along the body's edge, in the heart's slices, with the wall's.

    A truncated field of view piles up what it cannot place along its edge.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    epi = seen.masks["EPI"].array
    spacing = seen.volume.spacing_mm[1:]
    far = distance_transform_edt(~epi.any(axis=0), sampling=spacing) > 20.0
    edge: list[FloatArray] = []
    for counts in seen.volume.array[epi.any(axis=(1, 2))][::2]:
        body = binary_fill_holes(counts > 0.03 * reference)
        depth = distance_transform_edt(body, sampling=spacing)
        edge.append(counts[body & (depth <= 15.0) & far])
    return _percentile(np.concatenate(edge), 97.0) / reference


def _body_width_mm(seen: Seen) -> float:
    """Square root of the body's cross-section in the heart's slices, mm."""
    rows = np.flatnonzero(seen.masks["EPI"].array.any(axis=(1, 2)))
    counts = seen.volume.array[rows]
    level = 0.25 * float(np.median(counts[counts > 0.01 * counts.max()]))
    _, dy, dx = seen.volume.spacing_mm
    return math.sqrt(float((counts > level).sum()) / len(rows) * dy * dx)


def _sample(volume: Volume, position_mm: FloatArray) -> FloatArray:
    from scipy.ndimage import map_coordinates

    index = volume.to_index(position_mm.reshape(-1, 3)).T
    found: FloatArray = map_coordinates(volume.array, index, order=1, mode="constant", cval=0.0)
    return found.reshape(position_mm.shape[:-1])


def _percentile(values: FloatArray, q: float) -> float:
    return float(np.percentile(values, q)) if values.size else math.nan

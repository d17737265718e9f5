"""Whether what was followed is one wall, and all of it.

A patient who moved leaves two walls, each half as bright; a large defect leaves part of one. None
of the single values tells such a study from a noisy one; together they do.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.segmentation import mid_wall
from mpss_lib.segmentation.surface import ANGLES, RADIUS_MM, Ellipsoid, Rays, directions
from mpss_lib.volume import BoolArray, FloatArray

# Usual values: medians of the good hearts of tests/bench/self_check.py, seeds 900000-922060.
# Weights of ``raggedness``: logistic regression of Dice < 0.7 on the logarithms in the same 1060
# hearts, rounded.
USUAL_UNEVENNESS, UNEVENNESS_WEIGHT = 0.18, 2.5
USUAL_WAVINESS_MM, WAVINESS_WEIGHT = 0.55, 3.0
USUAL_STRETCH_MM2, STRETCH_WEIGHT = 5.0, 0.7
USUAL_MISFIT_MM, MISFIT_WEIGHT = 0.86, 4.0
# Of ``incoherence``: logistic regression of a Dice below 0.7 (a slope of 0.025 about it) in 838
# hearts, rounded: those of tests/bench/self_check.py, seeds 1300000-1326079, without the right
# ventricles taken for the left one (``sides``), the breaking sets counting 0.4; and 38 of the
# demonstration's that moved (seeds 72000-72037). Usual values: medians of the first but for the
# breaking sets. Of 18 further values that were tried none made the order better.
USUAL_UNEXPLAINED, UNEXPLAINED_WEIGHT = 0.08, 3.0
USUAL_MOVED_MM, STEADY_MM, MOVED_WEIGHT = 1.6, 0.5, 2.0
USUAL_AXIS_DEG, AXIS_WEIGHT = 8.6, 0.09
USUAL_WAVES_MM, WAVY_WEIGHT = 0.66, 2.2
STRETCHED_WEIGHT = 1.2

FEWEST_RAYS = 36
PATCH_MM = np.arange(-16.0, 16.1, 2.0)
PATCH_ANGLES, PATCH_ROWS = 9, 5


def stretch_mm2(rays: Rays, ridge_mm: FloatArray, is_wall: BoolArray) -> float:
    """How much more the wall is widened along one direction in space than across it.

    Two walls a jump apart are wide where they face the jump and narrow beside it, whichever way
    the patient moved; noise and a filled cavity widen all alike. A jump widens both sides of the
    heart, while a bright right ventricle, liver or gut widen the side that they touch: of a ray
    and the one across the axis the narrower counts for both. A quadratic form of the rays'
    directions is fitted to the variance of the counts across the wall; a faint wall counts less.

    Parameters
    ----------
    rays : Rays
    ridge_mm : (rows, angles) float64 array
        Radius of the smooth ridge.
    is_wall : (rows, angles) bool array

    Returns
    -------
    float
        Largest minus smallest eigenvalue, mm2; 0 where there are too few rays.
    """
    variance, top = mid_wall.variance_across(rays, ridge_mm)
    used = _body(is_wall) & (top > 0.0)
    used &= _across(used)
    if int(used.sum()) < FEWEST_RAYS:
        return 0.0
    variance = np.minimum(variance, _across(variance))[used]
    x, y, z = directions()[1][used].T
    design = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z], axis=1)
    trust = np.sqrt(np.minimum(top[used] / float(np.median(top[used])), 1.0))
    fitted = np.linalg.lstsq(trust[:, None] * design, trust * variance, rcond=None)[0]
    xx, yy, zz, xy, xz, yz = fitted
    values = np.linalg.eigvalsh(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
    return float(values[-1] - values[0])


def _across(array: np.ndarray) -> np.ndarray:
    """(rows, angles) array with each ray's value from the other side of the axis."""
    return np.roll(array, ANGLES // 2, axis=1)


def unevenness(rays: Rays, is_wall: BoolArray) -> float:
    """Coefficient of variation of the counts on the ridge; 1 where no ray meets the wall.

    Parameters
    ----------
    rays : Rays
    is_wall : (rows, angles) bool array

    Returns
    -------
    float
    """
    counts = rays.peak[_body(is_wall)]
    return float(counts.std() / counts.mean()) if counts.size and counts.mean() > 0 else 1.0


def waviness_mm(ridge_mm: FloatArray, ellipsoid: Ellipsoid, is_wall: BoolArray) -> float:
    """Spread (SD, mm) of the smooth ridge about the ellipsoid; 9 where no ray meets the wall.

    Parameters
    ----------
    ridge_mm : (rows, angles) float64 array, mm
        Smooth radius of the ridge.
    ellipsoid : Ellipsoid
    is_wall : (rows, angles) bool array

    Returns
    -------
    float, mm
    """
    away = (ridge_mm - ellipsoid.radius()[:, None])[_body(is_wall)]
    return float(away.std()) if away.size else 9.0


def patch_prominence(rays: Rays, ridge_mm: FloatArray, is_wall: BoolArray) -> float:
    """How far the counts fall on both sides of the ridge once neighbouring rays are averaged.

    A ridge that was picked out of noise is prominent on its own ray and nowhere else; a wall is
    there on all rays of a patch (9 angles, 5 rows).

    Parameters
    ----------
    rays : Rays
    ridge_mm : (rows, angles) float64 array
        Radius of the smooth ridge, on which the rays are laid over each other.
    is_wall : (rows, angles) bool array

    Returns
    -------
    float
        Median over the wall, 0 to 1; 0 where no ray meets it.
    """
    from scipy.ndimage import uniform_filter1d

    used = _body(is_wall)
    if not used.any():
        return 0.0
    at = (ridge_mm[..., None] + PATCH_MM - RADIUS_MM[0]) / (RADIUS_MM[1] - RADIUS_MM[0])
    at = np.clip(at, 0.0, len(RADIUS_MM) - 1.001)
    low = at.astype(np.int64)
    near, far = (np.take_along_axis(rays.profile, low + step, axis=-1) for step in (0, 1))
    laid = near + (at - low) * (far - near)
    laid = uniform_filter1d(laid, PATCH_ANGLES, axis=1, mode="wrap")
    laid = uniform_filter1d(laid, PATCH_ROWS, axis=0, mode="nearest")[used]
    middle = len(PATCH_MM) // 2
    top = laid[:, middle - 2 : middle + 3].max(axis=1)
    fall = np.maximum(laid[:, : middle + 1].min(axis=1), laid[:, middle:].min(axis=1))
    return float(np.median(np.clip((top - fall) / np.maximum(top, 1e-12), 0.0, 1.0)))


def _body(is_wall: BoolArray) -> BoolArray:
    """Rays of the wall without the two rows about the apex, which stand close together."""
    body = is_wall.copy()
    body[:2] = False
    return body


def raggedness(unevenness: float, waviness_mm: float, stretch: float, misfit_mm: float) -> float:
    """How little a wall is like that of one ventricle; 0 for an ordinary one, higher is worse.

    Candidates of one study are compared by it, so that the noise does not matter.

    Parameters
    ----------
    unevenness, waviness_mm, stretch, misfit_mm : float
        As measured by the functions of these names (``stretch_mm2``) and ``mid_wall.smooth``.
    """
    return (
        UNEVENNESS_WEIGHT * math.log(max(unevenness, 0.05) / USUAL_UNEVENNESS)
        + WAVINESS_WEIGHT * math.log(max(waviness_mm, 0.1) / USUAL_WAVINESS_MM)
        + STRETCH_WEIGHT * math.log(max(stretch, 3.0) / USUAL_STRETCH_MM2)
        + MISFIT_WEIGHT * math.log(max(misfit_mm, 0.1) / USUAL_MISFIT_MM)
    )


def incoherence(
    *,
    unexplained: float,
    smoothed_drift_mm: float,
    axis_off_deg: float,
    waviness_mm: float,
    stretch: float,
) -> float:
    """How much speaks against the wall being the whole wall of a ventricle; usual hearts have 0.

    Each term grows with its value: a picture that the wall does not explain, a wall that moves
    when the picture is smoothed, an unusual axis, waves, a wall widened along one direction.

    Parameters
    ----------
    unexplained, waviness_mm, stretch : float
        As measured by the functions of these names (``stretch_mm2``).
    smoothed_drift_mm : float
        ``wall.smoothed_drift_mm``.
    axis_off_deg : float
        Angle between the long axis and the usual one.
    """
    return (
        UNEXPLAINED_WEIGHT * math.log(max(unexplained, 0.01) / USUAL_UNEXPLAINED)
        + MOVED_WEIGHT * math.log((smoothed_drift_mm + STEADY_MM) / (USUAL_MOVED_MM + STEADY_MM))
        + AXIS_WEIGHT * (axis_off_deg - USUAL_AXIS_DEG)
        + WAVY_WEIGHT * math.log(max(waviness_mm, 0.1) / USUAL_WAVES_MM)
        + STRETCHED_WEIGHT * math.log(max(stretch, 3.0) / USUAL_STRETCH_MM2)
    )

"""Whether what was followed is one wall, and all of it.

A patient who moved leaves two walls, each half as bright; a large defect leaves part of one. None
of the single values tells such a study from a noisy one; together they do.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.segmentation import surface
from mpss_lib.segmentation.surface import ANGLES, RADIUS_MM, Ellipsoid, Rays, directions
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

# Usual values: medians of the good hearts of tests/bench/self_check.py, seeds 900000-922060.
# Weights of ``raggedness``: logistic regression of Dice < 0.7 on the logarithms in the same 1060
# hearts, rounded.
USUAL_UNEVENNESS, UNEVENNESS_WEIGHT = 0.18, 2.5
USUAL_WAVINESS_MM, WAVINESS_WEIGHT = 0.55, 3.0
USUAL_STRETCH_MM2, STRETCH_WEIGHT = 5.0, 0.7
USUAL_MISFIT_MM, MISFIT_WEIGHT = 0.86, 4.0
USUAL_NOISE, NOISE_WEIGHT = 0.11, 2.7  # a quieter study has no excuse for a misfit
# Of ``incoherence``: weights of a logistic regression of Dice < 0.7 in the 493 hearts (38 wrong) of
# the seeds 1100000-1136009, rounded; that of an apex without counts, which few hearts have, was
# raised until the one wrong heart that shows nothing else lies with the others.
UNEVEN_WEIGHT, WAVY_WEIGHT, MOVED_WEIGHT = 2.5, 1.5, 1.2
USUAL_DRIFT_MM = 0.4  # median 0.36 of 445 good hearts, seeds 1000000-1022070
PLAIN_PATCH, PATCH_WEIGHT = 0.6, 8.0
PLAIN_LEAD, LEAD_WEIGHT = 0.4, 6.0
PLAIN_APEX, APEX_WEIGHT = 0.8, 9.0
CAP, EQUATOR = slice(0, 5), slice(3, 14)  # rows
NOISE_FILTER_MM = 5.8
NEAREST_MM, FARTHEST_MM = 12.0, 60.0
DARKEST, BRIGHTEST = 0.02, 0.35  # of the wall: outside it is air or another organ

FEWEST_RAYS = 36
PATCH_MM = np.arange(-16.0, 16.1, 2.0)
PATCH_ANGLES, PATCH_ROWS = 9, 5


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
    variance, top = surface.variance_across(rays, ridge_mm)
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
    """Coefficient of variation of the counts on the ridge; 1 where no ray meets the wall."""
    counts = rays.peak[_body(is_wall)]
    return float(counts.std() / counts.mean()) if counts.size and counts.mean() > 0 else 1.0


def waviness_mm(ridge_mm: FloatArray, ellipsoid: Ellipsoid, is_wall: BoolArray) -> float:
    """Spread (SD, mm) of the smooth ridge about the ellipsoid; 9 where no ray meets the wall."""
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
        As measured by the functions of these names (``stretch_mm2``) and ``surface.smooth``.
    """
    return (
        UNEVENNESS_WEIGHT * math.log(max(unevenness, 0.05) / USUAL_UNEVENNESS)
        + WAVINESS_WEIGHT * math.log(max(waviness_mm, 0.1) / USUAL_WAVINESS_MM)
        + STRETCH_WEIGHT * math.log(max(stretch, 3.0) / USUAL_STRETCH_MM2)
        + MISFIT_WEIGHT * math.log(max(misfit_mm, 0.1) / USUAL_MISFIT_MM)
    )


def apex_level(rays: Rays) -> float:
    """Divide the counts on the ridge about the apex by the wall's; 0 where the wall has none.

    Where the apex has no counts the length of the ventricle is a guess.
    """
    wall = float(np.median(rays.peak[EQUATOR]))
    around: FloatArray = rays.peak[CAP].mean(axis=1)
    area = np.sin(surface.PHI[CAP] + 0.05)
    return float(np.average(around, weights=area)) / wall if wall > 0 else 0.0


def doubleness(ragged: float, noise: float, drift_mm: float) -> float:
    """Raggedness of the wall that the noise does not explain, and its drift: two walls have it.

    Parameters
    ----------
    ragged, noise, drift_mm : float
        ``raggedness``, ``background_noise`` and ``wall.drift_mm``.
    """
    excused = NOISE_WEIGHT * math.log(max(noise / USUAL_NOISE, 1.0))
    return ragged - excused + math.log(max(drift_mm / USUAL_DRIFT_MM, 1.0))


def incoherence(
    *,
    unevenness: float,
    waviness_mm: float,
    drift_mm: float,
    patch_prominence: float,
    lead: float,
    apex_level: float,
) -> float:
    """How much speaks against the wall being the whole wall of a ventricle; usual hearts have 1.

    Uneven counts, waves and a wall that moves when it is followed again count for themselves. What
    is missing counts too, up to where more of it says nothing: prominence over the surroundings,
    lead over other structures, counts at the apex.

    Parameters
    ----------
    unevenness, waviness_mm, patch_prominence, apex_level : float
        As measured by the functions of these names.
    drift_mm : float
        ``wall.drift_mm``.
    lead : float
        Of ``wall.Choice``.
    """
    uneven = math.log(max(unevenness, 0.05) / USUAL_UNEVENNESS)
    wavy = math.log(max(waviness_mm, 0.1) / USUAL_WAVINESS_MM)
    moved = math.log(max(drift_mm / USUAL_DRIFT_MM, 1.0))
    return (
        UNEVEN_WEIGHT * uneven
        + WAVY_WEIGHT * wavy
        + MOVED_WEIGHT * moved
        + PATCH_WEIGHT * max(PLAIN_PATCH - patch_prominence, 0.0)
        + LEAD_WEIGHT * max(PLAIN_LEAD - lead, 0.0)
        + APEX_WEIGHT * max(PLAIN_APEX - apex_level, 0.0)
    )


def _around(array: BoolArray, margin: np.ndarray) -> tuple[slice, slice, slice]:
    """Box of a mask with a margin (voxels along each axis), within the array."""
    index = np.argwhere(array)
    low = np.maximum(index.min(axis=0) - margin, 0)
    high = np.minimum(index.max(axis=0) + margin + 1, array.shape)
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return first, second, third

"""Studies as clinics make them, for judging the segmentation's self-check: wider than the demo's.

On top of ``lifelike_shape``: several voxel sizes, filtered back-projection with a Butterworth
filter or OSEM of few to many updates with a Gaussian or Butterworth post-filter, so that the
Poisson noise of the projections comes out correlated as in clinical volumes; scatter that is not
corrected; motion of the patient between projections in any direction; volumes cropped tightly,
turned to the short axis by hand, empty outside the field of view. The physics is the demo's
projector; nothing here calls the segmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import lifelike_motion as motion
import numpy as np
from lifelike_shape import SHAPE, UPTAKE, Shape, draw_shape, shares_of, uptake_of
from scipy.ndimage import affine_transform, gaussian_filter, gaussian_filter1d

from mpss_lib.demo import _kernels, anatomy
from mpss_lib.volume import FloatArray, Mask, Volume, make_affine

FIELD_MM = (212.0, 384.0)  # along z, across
STILL_MM = 5.5  # SD of the blur of a usual reconstruction
Values = Mapping[str, float]

BODY: Values | Mapping[str, tuple[float, float]] = {
    name: anatomy.DEFAULTS[name]
    for name in (
        "axis_spread_deg", "lung", "soft", "stomach", "body_scale", "respiration_mm", "breast_mm",
    )
} | {
    "liver": (0.25, 0.9),
    "liver_gap_mm": (5.0, 22.0),
    "gut": (0.1, 0.6),
    "gut_gap_mm": (12.0, 40.0),
}  # fmt: skip
SCAN: Mapping[str, tuple[float, float]] = {
    "voxel_mm": (4.8, 4.8),
    "counts_millions": (1.5, 8.0),
    "scatter": (0.08, 0.25),
    "scatter_mm": (25.0, 45.0),  # SD
    "jump_mm": (0.0, 3.0),
    "creep_mm": (0.0, 3.0),
    "is_corrected": (0.0, 2.0),  # attenuation: below 1 not
    "updates": (16.0, 60.0),  # iterations times subsets of OSEM
    "is_back_projected": (0.0, 0.0),  # 1: filtered back-projection
    "order": (4.0, 10.0),  # of the Butterworth filter
    "cutoff_per_cm": (0.30, 0.55),
    "post_mm": (4.0, 10.0),  # FWHM of the Gaussian filter after OSEM
    "is_butterworth": (0.0, 1.4),  # 1 and more: that filter after OSEM instead
    "is_short_axis": (0.0, 0.0),
    "half_width_mm": (75.0, 150.0),
    "margin_mm": (20.0, 45.0),  # slices beyond the heart
    "turned_deg": (0.0, 8.0),  # error of the hand that turned it
}
RANGES: Mapping[str, tuple[float, float]] = {**SHAPE, **UPTAKE, **BODY, **SCAN}


@dataclass(frozen=True)
class Lifelike:
    """One study and its truth: masks MYO, ENDO, EPI on its grid, axis base to apex.

    The truth of a patient who moved is where the picture shows the heart (``lifelike_motion``).
    """

    volume: Volume
    truth: Mapping[str, Mask]
    axis: FloatArray
    orientation: str
    values: Values


def make_lifelike(seed: int, sex: str, changes: Mapping[str, tuple[float, float]]) -> Lifelike:
    """Make a study; ``changes`` replaces ranges of ``RANGES``."""
    if set(changes) - set(RANGES):
        raise KeyError(f"{sorted(set(changes) - set(RANGES))} not in RANGES")
    draws, forms, noise = (np.random.default_rng([20261126, seed, k]) for k in range(3))
    ranges = {**RANGES, **changes}
    values = {name: float(draws.uniform(*ranges[name])) for name in RANGES}
    shape = draw_shape(forms, values)
    affine, size = _grid(values["voxel_mm"])
    activity, mu = _paint(forms, shape, values, sex, affine, size)
    path = motion.draw_path(noise, values["jump_mm"], values["creep_mm"])
    array = _acquire(noise, activity, mu, values, path)
    near = _near(shape.heart, affine, array.shape)
    blurred = gaussian_filter(activity.transpose(2, 0, 1), STILL_MM / values["voxel_mm"])
    corner = affine[:3, :3] @ [part.start for part in near] + affine[:3, 3]
    shown = motion.fit_shown(
        array[near], blurred[near], corner, values["voxel_mm"], shape.heart, path
    )
    full = Volume(np.clip(array, 0.0, None), affine)
    is_short = values["is_short_axis"] >= 1.0
    volume = _short_axis(forms, full, shape, values) if is_short else _crop(full)
    moved = motion.MovedShape(shape, shown)
    shares = shares_of(moved, volume.affine, np.array(volume.array.shape), 3)
    epi, inside = shares[:3].sum(axis=0) >= 0.5, shares[1:3].sum(axis=0)
    endo = (inside >= 0.5) & epi
    truth = {"MYO": epi & ~endo, "ENDO": endo, "EPI": epi}
    masks = {name: Mask(array, volume.affine) for name, array in truth.items()}
    orientation = "short_axis" if is_short else "transaxial"
    return Lifelike(volume, masks, shape.heart.axis, orientation, values)


def _grid(voxel_mm: float) -> tuple[FloatArray, np.ndarray]:
    """Affine and size (z, y, x) of the reconstruction."""
    nz, n = (2 * round(mm / voxel_mm / 2.0) for mm in FIELD_MM)
    plane, height = -0.5 * (n - 1) * voxel_mm, -0.5 * (nz - 1) * voxel_mm
    spacing = (voxel_mm, voxel_mm, voxel_mm)
    affine = make_affine((plane, plane, height), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing)
    return affine, np.array([nz, n, n])


def _near(heart: anatomy.Heart, affine: FloatArray, size: tuple[int, ...]) -> tuple[slice, ...]:
    """Box of the heart in a volume of this size (z, y, x)."""
    grid = (int(size[0]), int(size[1]), int(size[2]))
    return tuple(slice(low, high) for low, high in anatomy.heart_box(heart, affine, grid))


def _paint(
    rng: np.random.Generator,
    shape: Shape,
    values: Values,
    sex: str,
    affine: FloatArray,
    size: np.ndarray,
) -> tuple[_kernels.Float32Array, _kernels.Float32Array]:
    """Activity and attenuation (y, x, z)."""
    voxel = values["voxel_mm"]
    organs, _ = anatomy.draw_organs(rng, values, shape.heart, sex)
    activity = np.zeros((size[1], size[2], size[0]), np.float32)
    mu = np.zeros_like(activity)
    _kernels.paint_organs(organs, affine[:3, 3].copy(), voxel, activity, mu)
    shares = shares_of(shape, affine, size, 3 if voxel > 4.0 else 2).transpose(0, 2, 3, 1)
    wall, cavity, muscle, right_wall, right_cavity = shares
    index = np.argwhere(wall > 0)
    position = index[:, [2, 0, 1]] @ affine[:3, :3].T + affine[:3, 3]
    uptake = uptake_of(rng, shape, values, position)
    rest = 1.0 - shares.sum(axis=0)
    activity = activity * rest + values["cavity"] * (cavity + right_cavity)
    activity += values["papillary"] * muscle + values["right_wall"] * right_wall
    activity[tuple(index.T)] += wall[tuple(index.T)] * uptake
    mu = mu + (1.0 - rest) * (anatomy.MU_SOFT - mu)
    blurred = gaussian_filter1d(activity, values["respiration_mm"] / voxel, axis=2)
    return (
        np.ascontiguousarray(blurred, dtype=np.float32),
        np.ascontiguousarray(mu, dtype=np.float32),
    )


def _acquire(
    rng: np.random.Generator,
    activity: _kernels.Float32Array,
    mu: _kernels.Float32Array,
    values: Values,
    path: FloatArray,
) -> FloatArray:
    """Project, move, scatter, count, reconstruct and filter: (z, y, x)."""
    voxel = values["voxel_mm"]
    angles = motion.view_angles()
    body = 165.0 * values["body_scale"], 115.0 * values["body_scale"]
    orbit = np.hypot(body[0] * np.cos(angles), body[1] * np.sin(angles)) + 35.0
    pixels = np.ascontiguousarray(np.argwhere((mu > 0).any(axis=2)).astype(np.int64))
    survival = _kernels.attenuation(mu, pixels, angles, voxel)
    seen = _kernels.acquire(activity, survival, pixels, angles, orbit, voxel)
    wide = values["scatter_mm"] / voxel
    seen = seen + values["scatter"] * gaussian_filter(seen, (0.0, wide, wide))
    seen = motion.move_views(seen, path, voxel)
    counts = rng.poisson(np.clip(seen, 0.0, None) * (values["counts_millions"] * 1e6 / seen.sum()))
    n = activity.shape[0]
    if values["is_back_projected"] >= 1.0:
        image = _back_project(counts.astype(np.float64), angles, pixels, values)
    else:
        if values["is_corrected"] < 1.0:
            survival = np.ones_like(survival)
        image = _kernels.osem(
            counts.astype(np.float32), survival, pixels, angles, round(values["updates"] / 6.0), 6
        )
    full = np.zeros((n, n, activity.shape[2]))
    full[pixels[:, 0], pixels[:, 1]] = image
    return np.ascontiguousarray(_post_filter(full, values).transpose(2, 0, 1))


def _butterworth(frequency_per_cm: FloatArray, values: Values) -> FloatArray:
    cut, order = values["cutoff_per_cm"], values["order"]
    gain: FloatArray = 1.0 / np.sqrt(1.0 + (frequency_per_cm / cut) ** (2.0 * order))
    return gain


def _back_project(
    counts: FloatArray, angles: FloatArray, pixels: np.ndarray, values: Values
) -> FloatArray:
    """Ramp and Butterworth filter of the views (view, u, z), then back-projection: (pixel, z)."""
    _, n, nz = counts.shape
    per_cm = 10.0 / values["voxel_mm"]
    fu, fz = np.fft.fftfreq(2 * n)[:, None] * per_cm, np.fft.rfftfreq(nz)[None, :] * per_cm
    gain = np.abs(fu) * _butterworth(np.hypot(fu, fz), values)
    filtered = np.fft.irfft2(np.fft.rfft2(counts, (2 * n, nz)) * gain, (2 * n, nz))[:, :n]
    middle = 0.5 * (n - 1)
    image = np.zeros((len(pixels), nz))
    for view, angle in zip(filtered, angles, strict=True):
        y, x = pixels.T - middle
        at = np.clip(middle + y * np.cos(angle) - x * np.sin(angle), 0.0, n - 1.001)
        low = at.astype(np.int64)
        f = (at - low)[:, None]
        image += (1.0 - f) * view[low] + f * view[low + 1]
    return image


def _post_filter(image: FloatArray, values: Values) -> FloatArray:
    """Filter after OSEM; back-projection has had its own."""
    if values["is_back_projected"] >= 1.0:
        return image
    if values["is_butterworth"] < 1.0:
        return gaussian_filter(image, values["post_mm"] / 2.3548 / values["voxel_mm"])
    per_cm = 10.0 / values["voxel_mm"]
    one, two = (np.fft.fftfreq(m) * per_cm for m in image.shape[:2])
    three = np.fft.rfftfreq(image.shape[2]) * per_cm
    radius = np.sqrt(one[:, None, None] ** 2 + two[None, :, None] ** 2 + three**2)
    filtered: FloatArray = np.fft.irfftn(
        np.fft.rfftn(image) * _butterworth(radius, values), image.shape, axes=(0, 1, 2)
    )
    return filtered


def _crop(full: Volume) -> Volume:
    """Keep the slices; cut the outer tenth of the plane, where the torso ends."""
    cut = full.array.shape[1] // 10
    affine = full.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([0.0, cut, cut])
    return Volume(np.ascontiguousarray(full.array[:, cut:-cut, cut:-cut]), affine)


def _short_axis(rng: np.random.Generator, full: Volume, shape: Shape, values: Values) -> Volume:
    """Turn to slices from apex to base, nearly along the axis; empty outside the field of view."""
    heart, voxel = shape.heart, values["voxel_mm"]
    lean = np.tan(np.radians(values["turned_deg"]))
    turn = rng.uniform(0.0, 2.0 * np.pi)
    axis = heart.axis + lean * (np.cos(turn) * heart.anterior + np.sin(turn) * heart.lateral)
    axis /= np.linalg.norm(axis)
    row = heart.lateral - float(heart.lateral @ axis) * axis
    row /= np.linalg.norm(row)
    column = np.cross(row, axis)
    ends = heart.base - values["margin_mm"], heart.long_endo + heart.wall + values["margin_mm"]
    nz, n = round((ends[1] - ends[0]) / voxel), 2 * round(values["half_width_mm"] / voxel)
    centre = heart.centre + rng.uniform(-12.0, 12.0) * row + rng.uniform(-12.0, 12.0) * column
    half = 0.5 * (n - 1) * voxel
    origin = centre + ends[1] * axis - half * (row + column)
    affine = make_affine(tuple(origin), tuple(row), tuple(column), (voxel, voxel, voxel))
    pull = np.linalg.inv(full.affine) @ affine
    turned = affine_transform(full.array, pull[:3, :3], pull[:3, 3], (nz, n, n), order=1)
    return Volume(turned, affine)

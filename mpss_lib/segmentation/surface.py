"""The wall of the left ventricle along rays: its ridge, and an ellipsoid through it.

Rays start on the long axis. The apical cap is sampled spherically (rows 0-8, every 10 degrees),
the rest in rings perpendicular to the axis (row 9 at the origin, then every 4 mm towards the
base), at 36 angles theta: 0 lateral, 90 anterior, 180 septum, 270 inferior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.segmentation.localise import Prior, Shell, anterior_of
from mpss_lib.volume import BoolArray, FloatArray, Volume

CAP_ROWS, RING_ROWS, ANGLES = 9, 17, 36
ROWS = CAP_ROWS + RING_ROWS
RING_STEP_MM = 4.0
RADIUS_MM = np.arange(3.0, 66.0, 1.5)
SEARCH_MM = (13.0, 10.0, 8.0)  # how far from the expected radius the wall is looked for
USUAL_ASPECT, ASPECT_PULL = 1.75, 0.01
"""Long over short semi-axis where no ray meets an apex without uptake, and the weight of that for
each ray that meets the wall: beside an apex that is seen it hardly counts."""
PEAK_CAP = 1.3  # counts above this times the median wall do not attract
THETA = np.arange(ANGLES) * 2.0 * math.pi / ANGLES
PHI = np.minimum(np.arange(ROWS), CAP_ROWS) * math.pi / (2 * CAP_ROWS)
RING_T = -np.maximum(np.arange(ROWS) - CAP_ROWS, 0) * RING_STEP_MM


@dataclass(frozen=True)
class Frame:
    """Heart frame: origin (x, y, z) LPS mm on the long axis and three unit vectors.

    ``axis`` base to apex, ``anterior``, ``lateral``; coordinates (t, a, s) along them.
    """

    origin: FloatArray
    axis: FloatArray
    anterior: FloatArray
    lateral: FloatArray

    @property
    def rotation(self) -> FloatArray:
        """(3, 3): rows axis, anterior, lateral."""
        return np.stack([self.axis, self.anterior, self.lateral])

    def to_local(self, position_mm: FloatArray) -> FloatArray:
        """Position in the patient to position in the heart.

        Parameters
        ----------
        position_mm : (n, 3) float64 array, mm
            (x, y, z), LPS.

        Returns
        -------
        (n, 3) float64 array, mm
            (t, a, s): along the axis, anterior, lateral.
        """
        local: FloatArray = (position_mm - self.origin) @ self.rotation.T
        return local

    def to_patient(self, local: FloatArray) -> FloatArray:
        """Position in the heart to position in the patient.

        Parameters
        ----------
        local : (n, 3) float64 array, mm
            (t, a, s).

        Returns
        -------
        (n, 3) float64 array, mm
            (x, y, z), LPS.
        """
        position: FloatArray = self.origin + local @ self.rotation
        return position


@dataclass(frozen=True)
class Ellipsoid:
    """Mid-wall ellipsoid on the axis: centre at ``middle`` (t), semi-axes ``long``, ``short``."""

    middle: float
    long: float
    short: float

    def radius(self) -> FloatArray:
        """Distance from the ray's start to the surface; a cylinder behind the middle.

        Returns
        -------
        (rows,) float64 array, mm
        """
        cos, sin = np.cos(PHI), np.sin(PHI)
        t = RING_T - self.middle
        ring = self.short * np.sqrt(np.clip(1.0 - (t / self.long) ** 2, 0.25, 1.0))
        ring = np.where(t < 0.0, np.maximum(ring, 0.86 * self.short), ring)
        a = (cos / self.long) ** 2 + (sin / self.short) ** 2
        b = -cos * self.middle / self.long**2
        c = (self.middle / self.long) ** 2 - 1.0
        cap = (-b + np.sqrt(np.maximum(b * b - a * c, 1e-9))) / a
        return np.where(np.arange(ROWS) < CAP_ROWS, cap, ring)


@dataclass(frozen=True)
class Rays:
    """What the rays saw: arrays (rows, angles).

    ``radius_mm`` of the ridge, its ``peak`` counts, ``prominence`` (0-1: how far the counts fall
    on both sides), ``is_ridge`` where there is a local maximum within reach.
    """

    radius_mm: FloatArray
    peak: FloatArray
    prominence: FloatArray
    is_ridge: BoolArray
    profile: FloatArray


def frame_of(shell: Shell, prior: Prior) -> Frame:
    """Frame of a shell: the origin one radius below the mid-wall apex."""
    anterior = anterior_of(shell.axis, prior)
    lateral = np.cross(anterior, shell.axis)
    origin = shell.apex - shell.radius_mm * shell.axis
    return Frame(origin, shell.axis, anterior, lateral)


def directions() -> tuple[FloatArray, FloatArray]:
    """Lay out the rays, in (t, a, s).

    Returns
    -------
    start : (rows, angles, 3) float64 array, mm
    way : (rows, angles, 3) float64 array
        Unit vectors.
    """
    start = np.zeros((ROWS, ANGLES, 3))
    start[..., 0] = RING_T[:, None]
    way = np.empty((ROWS, ANGLES, 3))
    way[..., 0] = np.cos(PHI)[:, None]
    way[..., 1] = np.sin(PHI)[:, None] * np.sin(THETA)
    way[..., 2] = np.sin(PHI)[:, None] * np.cos(THETA)
    return start, way


def sample(volume: Volume, position_mm: FloatArray) -> FloatArray:
    """Sample a volume, trilinear; zero outside.

    Parameters
    ----------
    volume : Volume
    position_mm : (..., 3) float64 array, mm
        (x, y, z), LPS.

    Returns
    -------
    (..., ) float64 array, counts
    """
    from scipy.ndimage import map_coordinates

    index = volume.to_index(position_mm.reshape(-1, 3)).T
    found: FloatArray = map_coordinates(volume.array, index, order=1, mode="constant", cval=0.0)
    return found.reshape(position_mm.shape[:-1])


def cast(volume: Volume, frame: Frame, expected_mm: FloatArray, reach_mm: float) -> Rays:
    """Find the ridge of the wall on every ray near the expected radius.

    Parameters
    ----------
    volume : Volume
    frame : Frame
    expected_mm : (rows, angles) float64 array
    reach_mm : float
        Half width of the search.

    Returns
    -------
    Rays
    """
    start, way = directions()
    local = start[:, :, None, :] + way[:, :, None, :] * RADIUS_MM[:, None]
    profile = sample(volume, frame.to_patient(local.reshape(-1, 3))).reshape(local.shape[:-1])
    off = np.abs(RADIUS_MM - expected_mm[..., None])
    is_near = off <= reach_mm
    wall: FloatArray = np.where(is_near, profile, 0.0).max(axis=-1)
    median = float(np.median(wall[2:-8]))
    worth = np.minimum(profile, PEAK_CAP * median) / max(median, 1e-9) - 0.5 * (off / 12.0) ** 2
    inner = profile[..., 1:-1]
    is_top = np.zeros(profile.shape, dtype=bool)
    is_top[..., 1:-1] = (inner >= profile[..., :-2]) & (inner > profile[..., 2:])
    is_ridge = np.asarray((is_top & is_near).any(axis=-1))
    choice = np.where(is_near & (is_top | ~is_ridge[..., None]), worth, -np.inf).argmax(axis=-1)
    choice = np.clip(choice, 1, len(RADIUS_MM) - 2)
    left, peak, right = (
        np.take_along_axis(profile, (choice + step)[..., None], axis=-1)[..., 0]
        for step in (-1, 0, 1)
    )
    bend = left - 2.0 * peak + right
    nudge = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1.0), 0.0)
    radius = RADIUS_MM[choice] + 1.5 * np.clip(nudge, -0.5, 0.5)
    fall = _falls(profile, choice)
    prominence = np.clip((peak - fall.max(axis=0)) / np.maximum(peak, 1e-9), 0.0, 1.0)
    return Rays(radius, peak, prominence, is_ridge, profile)


def _falls(profile: FloatArray, choice: np.ndarray) -> FloatArray:
    """Lowest counts inside and outside the ridge, within 16 mm: (2, rows, angles)."""
    place = np.arange(len(RADIUS_MM))
    away = place - choice[..., None]
    width = round(16.0 / 1.5)
    inside = np.where((away <= 0) & (away >= -width), profile, np.inf).min(axis=-1)
    outside = np.where((away >= 0) & (away <= width), profile, np.inf).min(axis=-1)
    return np.stack([inside, outside])


def points_of(radius_mm: FloatArray) -> FloatArray:
    """Radii to points.

    Parameters
    ----------
    radius_mm : (rows, angles) float64 array, mm

    Returns
    -------
    (rows, angles, 3) float64 array, mm
        (t, a, s).
    """
    start, way = directions()
    points: FloatArray = start + way * radius_mm[..., None]
    return points


def ray_weights(rays: Rays) -> FloatArray:
    """Trust: prominent ridges that are as bright as the wall.

    Parameters
    ----------
    rays : Rays

    Returns
    -------
    (rows, angles) float64 array
        0 to 0.6.
    """
    bright = np.median(rays.peak[3:14])
    level = np.clip((rays.peak / max(float(bright), 1e-9) - 0.35) / 0.35, 0.0, 1.0)
    weights: FloatArray = rays.is_ridge * np.clip(rays.prominence, 0.0, 0.6) * level
    weights[:CAP_ROWS] *= np.sin(PHI[:CAP_ROWS] + math.pi / 36)[:, None]  # equal area
    return weights


def fit_ellipsoid(
    rays: Rays, weights: FloatArray, start: Ellipsoid
) -> tuple[Ellipsoid, FloatArray]:
    """Robust ellipsoid through the ridge points: the axis follows them.

    Parameters
    ----------
    rays : Rays
    weights : (rows, angles) float64 array
    start : Ellipsoid

    Returns
    -------
    ellipsoid : Ellipsoid
        In the new frame.
    tilt : (4,) float64 array
        Offsets (a, s) of the axis at t = 0 and its slopes (a per t, s per t).
    """
    points = points_of(rays.radius_mm).reshape(-1, 3)
    trust = weights.ravel()
    keep = trust > 0.02
    points, trust = points[keep], trust[keep]
    x = np.array([start.middle, start.long, start.short, 0.0, 0.0, 0.0, 0.0])
    pull = np.array([2e-3, 1e-3, 0.0, 0.0, 0.0, 2.0, 2.0]) * max(len(points), 1)
    steps = np.array([0.5, 0.5, 0.5, 0.2, 0.2, 0.01, 0.01])
    first = x.copy()
    form = np.array([0.0, 1.0, -USUAL_ASPECT, 0.0, 0.0, 0.0, 0.0])
    form_pull = ASPECT_PULL * max(len(points), 1) * form
    misfit = _misfit(x, points)
    for _ in range(9):
        jacobian = np.stack(
            [(_misfit(x + step * unit, points) - misfit) / step
             for step, unit in zip(steps, np.eye(7), strict=True)], axis=1
        )  # fmt: skip
        robust = trust / (1.0 + (misfit / 3.5) ** 2)
        normal = jacobian.T @ (robust[:, None] * jacobian) + np.diag(pull + 1e-6)
        normal += np.outer(form_pull, form)
        slope = jacobian.T @ (robust * misfit) + pull * (x - first) + form_pull * (form @ x)
        change = np.linalg.solve(normal, -slope)
        x = x + np.clip(change, -8 * steps - 0.04, 8 * steps + 0.04)
        x[1], x[2] = np.clip(x[1], 20.0, 95.0), np.clip(x[2], 12.0, 50.0)
        misfit = _misfit(x, points)
    return Ellipsoid(float(x[0]), float(x[1]), float(x[2])), x[3:7]


def _misfit(x: FloatArray, points: FloatArray) -> FloatArray:
    """Distance (about, mm) of points (n, 3) to the ellipsoid of the parameters."""
    middle, long, short, a0, s0, a1, s1 = x
    t = points[:, 0]
    a = points[:, 1] - a0 - a1 * t
    s = points[:, 2] - s0 - s1 * t
    u, v = (t - middle) / long, np.sqrt(a * a + s * s) / short
    level = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / long) ** 2 + (v / short) ** 2) / np.maximum(level, 1e-9)
    distance: FloatArray = (level - 1.0) / np.maximum(slope, 1e-9)
    return distance


def move_frame(frame: Frame, tilt: FloatArray, ellipsoid: Ellipsoid, prior: Prior) -> Frame:
    """Frame along the fitted axis, its origin one short radius below the apex.

    Parameters
    ----------
    frame : Frame
    tilt : (4,) float64 array
        As ``fit_ellipsoid`` gives it: (a, s) at t = 0, and slopes.
    ellipsoid : Ellipsoid
    prior : Prior

    Returns
    -------
    Frame
    """
    a0, s0, a1, s1 = tilt
    direction = np.array([1.0, a1, s1]) @ frame.rotation
    axis = direction / float(np.linalg.norm(direction))
    anterior = anterior_of(axis, prior)
    foot = frame.to_patient(np.array([[0.0, a0, s0]]))[0]
    apex_t = ellipsoid.middle + ellipsoid.long
    origin = foot + (apex_t - ellipsoid.short) * axis
    return Frame(origin, axis, anterior, np.cross(anterior, axis))


def follow(volume: Volume, shell: Shell, prior: Prior) -> tuple[Frame, Ellipsoid, Rays]:
    """Follow the wall from a shell: rays and ellipsoid in turn, three times.

    Parameters
    ----------
    volume : Volume
    shell : Shell
    prior : Prior

    Returns
    -------
    frame : Frame
    ellipsoid : Ellipsoid
    rays : Rays
    """
    frame = frame_of(shell, prior)
    short = shell.radius_mm
    long = shell.radius_mm * shell.aspect
    ellipsoid = Ellipsoid(short - long, long, short)
    for reach in SEARCH_MM:
        expected = np.repeat(ellipsoid.radius()[:, None], ANGLES, axis=1)
        rays = cast(volume, frame, expected, reach)
        weights = ray_weights(rays)
        deepest = -(ellipsoid.long + ellipsoid.short)
        weights[deepest > RING_T] = 0.0
        fitted, tilt = fit_ellipsoid(rays, weights, ellipsoid)
        frame = move_frame(frame, tilt, fitted, prior)
        ellipsoid = replace(fitted, middle=fitted.short - fitted.long)
    expected = np.repeat(ellipsoid.radius()[:, None], ANGLES, axis=1)
    return frame, ellipsoid, cast(volume, frame, expected, SEARCH_MM[-1])

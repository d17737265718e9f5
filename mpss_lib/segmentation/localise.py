"""Find the left ventricle: a shell template over centres, axes and sizes, then refinement.

Everything is in patient coordinates (LPS, mm), so slice order and signs do not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mpss_lib.errors import StudyFaultError
from mpss_lib.segmentation import _kernels
from mpss_lib.volume import FloatArray, IntArray, Volume

TYPICAL_AXIS = np.array([0.60, -0.60, -0.50]) / math.sqrt(0.97)
"""Base to apex of a supine patient."""

RADII_MM = (21.0, 25.0, 29.0, 34.0, 40.0)
COARSE_ASPECT = 1.7
WALL_OFFSET_MM = 11.0
FLOOR_SHARE = 0.04
LEVEL_SHARE = 0.25
CENTRE_STEP_MM = 9.6
SUPPRESS_MM = 22.0
CANDIDATES = 14
REFINE_STEPS = 220


@dataclass(frozen=True)
class Prior:
    """What is known of the long axis beforehand.

    Parameters
    ----------
    axis : (3,) float64 array
        Unit vector base to apex, LPS.
    spread_deg : float
        Largest angle to it.
    anterior : (3,) float64 array or None
        Direction of the anterior wall where the patient's Superior does not give it.
    """

    axis: FloatArray
    spread_deg: float
    anterior: FloatArray | None = None


@dataclass(frozen=True)
class Shell:
    """A half-ellipsoid that looks like the ventricle.

    ``centre`` (x, y, z) LPS mm is at the widest place, ``axis`` points from base to apex,
    ``radius_mm`` is that of the mid-wall, ``aspect`` long over short semi-axis.
    """

    centre: FloatArray
    axis: FloatArray
    radius_mm: float
    aspect: float
    score: float

    @property
    def apex(self) -> FloatArray:
        """Mid-wall apex: (x, y, z) float64 array, LPS mm."""
        point: FloatArray = self.centre + self.radius_mm * self.aspect * self.axis
        return point


@dataclass(frozen=True)
class LogVolume:
    """Logarithm of the counts relative to a reference, with a floor.

    ``reference`` is the 98.5th percentile of the body's counts; ``to_index`` maps LPS mm to
    (z, y, x).
    """

    array: _kernels.Float32Array
    affine: FloatArray
    to_index: FloatArray
    floor: float
    level: float
    reference: float


def take_logarithm(volume: Volume) -> LogVolume:
    """Logarithm of a volume's counts for the search, smoothed a little.

    Parameters
    ----------
    volume : Volume
        Counts, (z, y, x); negative ones count as 0.

    Returns
    -------
    LogVolume

    Raises
    ------
    StudyFaultError
        If the volume has no voxel.
    """
    from scipy.ndimage import gaussian_filter

    if not volume.array.size:
        raise StudyFaultError(
            f"the volume of {' x '.join(map(str, volume.array.shape))} (z, y, x) has no voxel",
            way_out="send the series again",
        )
    counts = np.clip(volume.array, 0.0, None)
    smooth = gaussian_filter(counts, [2.4 / mm for mm in volume.spacing_mm], truncate=3.0)
    top = float(np.percentile(smooth, 99.8))
    body = smooth[smooth > 0.04 * top]
    reference = float(np.percentile(body, 97.0)) if body.size else 1.0
    array = np.log(np.maximum(smooth / reference, FLOOR_SHARE)).astype(np.float32)
    to_index = np.ascontiguousarray(np.linalg.inv(volume.affine)[:3])
    return LogVolume(
        array, volume.affine, to_index, math.log(FLOOR_SHARE), math.log(LEVEL_SHARE), reference
    )


def find_shells(logs: LogVolume, priors: list[Prior], seed: int) -> list[Shell]:
    """Candidate ventricles, best score first.

    Parameters
    ----------
    logs : LogVolume
    priors : list of Prior
        Every one is tried.
    seed : int
        Of the refinement's random steps.
    """
    found: list[Shell] = []
    steps = np.random.default_rng(seed).standard_normal((REFINE_STEPS, 8))
    for prior in priors:
        coarse = _coarse(logs, prior)
        if not len(coarse):
            continue
        limit = math.cos(math.radians(prior.spread_deg))
        scores = _kernels.refine(
            logs.array, logs.to_index, coarse, unit_points(10, 12), steps,
            prior.axis, 0.12, limit, logs.level, logs.floor,
        )  # fmt: skip
        for row, score in zip(coarse, scores, strict=True):
            found.append(
                Shell(row[:3].copy(), row[3:6].copy(), float(row[6]), float(row[7]), float(score))
            )
    found.sort(key=lambda shell: -shell.score)
    return found


def _coarse(logs: LogVolume, prior: Prior) -> FloatArray:
    """Best non-neighbouring templates (n, 8): centre, axis, radius, aspect."""
    axes = axes_around(prior)
    reach_mm = RADII_MM[-1] * COARSE_ASPECT + WALL_OFFSET_MM
    spacing = np.linalg.norm(logs.affine[:3, :3], axis=0)
    pad = np.ceil(reach_mm / spacing).astype(np.int64) + 1
    padded = np.pad(logs.array, [(int(p), int(p)) for p in pad], constant_values=logs.floor)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1], dtype=np.int64)
    unit = unit_points(6, 8)
    templates = [(axis, radius) for axis in axes for radius in RADII_MM]
    offsets = np.stack([_offsets(logs, unit, axis, radius, strides) for axis, radius in templates])
    bonus = np.array([0.12 * float(axis @ prior.axis) for axis, _ in templates])
    index = _centres(logs, spacing)
    flat = np.ascontiguousarray((index + pad) @ strides)
    score, which = _kernels.search(padded.ravel(), flat, offsets, len(unit), bonus, logs.level)
    position = index @ logs.affine[:3, :3].T + logs.affine[:3, 3]
    rows: list[FloatArray] = []
    for i in np.argsort(-score, kind="stable"):
        if all(np.linalg.norm(position[i] - row[:3]) > SUPPRESS_MM for row in rows):
            axis, radius = templates[which[i]]
            rows.append(np.array([*position[i], *axis, radius, COARSE_ASPECT]))
        if len(rows) == CANDIDATES:
            break
    return np.array(rows)


def axes_around(prior: Prior) -> list[FloatArray]:
    """List the prior's axis and six around it (22 degrees away), or the axis alone if well known.

    Parameters
    ----------
    prior : Prior

    Returns
    -------
    list of (x, y, z) float64 arrays
        Unit vectors, LPS.
    """
    axes = [prior.axis]
    if prior.spread_deg < 15.0:
        return axes
    first = np.cross(prior.axis, [0.0, 0.0, 1.0] if abs(prior.axis[2]) < 0.9 else [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(prior.axis, first)
    tilt = math.radians(22.0)
    for k in range(6):
        side = math.cos(k * math.pi / 3) * first + math.sin(k * math.pi / 3) * second
        axes.append(math.cos(tilt) * prior.axis + math.sin(tilt) * side)
    return axes


def anterior_of(axis: FloatArray, prior: Prior) -> FloatArray:
    """Make Superior (or the prior's direction) perpendicular to the axis: towards the anterior.

    Parameters
    ----------
    axis : (x, y, z) float64 array
        Unit vector base to apex, LPS.
    prior : Prior

    Returns
    -------
    (x, y, z) float64 array
        Unit vector, LPS.
    """
    up = np.array([0.0, 0.0, 1.0]) if prior.anterior is None else prior.anterior
    across = up - float(up @ axis) * axis
    unit: FloatArray = across / float(np.linalg.norm(across))
    return unit


def _centres(logs: LogVolume, spacing: FloatArray) -> IntArray:
    """List the centres (n, 3): a coarse grid inside the body, away from the edge."""
    step = np.maximum(np.round(CENTRE_STEP_MM / spacing), 1).astype(np.int64)
    margin = np.ceil(12.0 / spacing).astype(np.int64)
    shape = np.array(logs.array.shape)
    grids = [np.arange(m, n - m, s) for m, n, s in zip(margin, shape, step, strict=True)]
    index = np.stack(np.meshgrid(*grids, indexing="ij"), axis=-1).reshape(-1, 3)
    near = _maximum_near(logs.array, spacing)
    keep = near[tuple(index.T)] > logs.level - 0.2
    return np.ascontiguousarray(index[keep]).astype(np.int64)


def _maximum_near(array: _kernels.Float32Array, spacing: FloatArray) -> _kernels.Float32Array:
    """Largest value within about 2.5 cm: a centre far from any wall is not tried."""
    from scipy.ndimage import maximum_filter

    size = [2 * math.ceil(24.0 / mm) + 1 for mm in spacing]
    near: _kernels.Float32Array = maximum_filter(array, size=size, mode="nearest")
    return near


@lru_cache(maxsize=4)
def unit_points(rings: int, angles: int) -> FloatArray:
    """Lay template points on a unit ventricle.

    Parameters
    ----------
    rings : int
        The last two lie below the equator.
    angles : int
        Points of the widest ring.

    Returns
    -------
    (n, 5) float64 array
        cos phi, sin phi, cos theta, sin theta, below (radii); read-only.
    """
    rows = []
    phis = list(np.linspace(0.18, math.pi / 2, rings - 2)) + [math.pi / 2] * 2
    belows = [0.0] * (rings - 2) + [0.2, 0.4]
    for n, (phi, below) in enumerate(zip(phis, belows, strict=True)):
        count = max(3, round(angles * math.sin(phi)))
        for k in range(count):
            theta = 2 * math.pi * (k + 0.5 * (n % 2)) / count
            rows.append((math.cos(phi), math.sin(phi), math.cos(theta), math.sin(theta), below))
    points = np.array(rows)
    points.flags.writeable = False
    return points


def _offsets(
    logs: LogVolume, unit: FloatArray, axis: FloatArray, radius: float, strides: IntArray
) -> IntArray:
    """Flat offsets of a template: wall, inside, outside, opening."""
    up = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.95 else np.array([0.0, -1.0, 0.0])
    anterior = up - float(up @ axis) * axis
    anterior /= np.linalg.norm(anterior)
    lateral = np.cross(anterior, axis)
    c, s, ct, st, below = unit.T
    normal = np.stack([c / COARSE_ASPECT, s], axis=1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    parts = []
    for shift in (0.0, -WALL_OFFSET_MM, WALL_OFFSET_MM):
        t = radius * (COARSE_ASPECT * c - below) + shift * normal[:, 0]
        r = np.maximum(radius * s + shift * normal[:, 1], 0.0)
        parts.append(np.outer(t, axis) + np.outer(r * st, anterior) + np.outer(r * ct, lateral))
    angle = np.arange(8) * math.pi / 4
    ring = np.outer(np.sin(angle), anterior) + np.outer(np.cos(angle), lateral)
    parts.append(-radius * axis + 0.4 * radius * ring)
    index = np.rint(np.concatenate(parts) @ logs.to_index[:, :3].T).astype(np.int64)
    flat: IntArray = index @ strides
    return flat

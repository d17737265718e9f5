"""Basal plane: where the wall ends, at each angle, and a robust plane through these ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.segmentation.surface import (
    ANGLES,
    CAP_ROWS,
    RING_T,
    ROWS,
    Ellipsoid,
    Frame,
    points_of,
    sample,
)
from mpss_lib.volume import BoolArray, FloatArray, Volume

END_LEVEL = 0.5  # of the local wall counts above background
BRIGHT_PERCENT = 80.0  # of the wall's counts: beside a large defect the median is no wall's level
FINE_MM = 1.0
LOWEST_T, HIGHEST_T = -64.0, 8.0


@dataclass(frozen=True)
class BasalPlane:
    """Plane t = at + slope_a * a + slope_s * s in the heart frame, mm.

    ``residual_mm`` is the robust scatter of the ends about it, ``seen`` the share of angles at
    which an end was found.
    """

    at: float
    slope_a: float
    slope_s: float
    residual_mm: float
    seen: float

    def t(self, a: FloatArray, s: FloatArray) -> FloatArray:
        """Axial coordinate of the plane at (a, s).

        Parameters
        ----------
        a, s : (...) float64 arrays, mm, one of each for a point (a, s)

        Returns
        -------
        (..., ) float64 array, mm
        """
        height: FloatArray = self.at + self.slope_a * a + self.slope_s * s
        return height

    def has_on_apex_side(self, surface_mm: FloatArray) -> BoolArray:
        """Whether a ray meets the surface on the apex side of the plane.

        Parameters
        ----------
        surface_mm : (rows, angles) float64 array, mm

        Returns
        -------
        (rows, angles) bool array
        """
        points = points_of(surface_mm)
        found: BoolArray = points[..., 0] > self.t(points[..., 1], points[..., 2])
        return found


def find_basal_plane(
    volume: Volume, frame: Frame, surface_mm: FloatArray, ellipsoid: Ellipsoid
) -> BasalPlane:
    """Find the plane of the valve.

    Parameters
    ----------
    volume : Volume
    frame : Frame
    surface_mm : (rows, angles) float64 array
        Ridge radius, not corrected for curvature.
    ellipsoid : Ellipsoid

    Returns
    -------
    BasalPlane
    """
    held = _held(surface_mm, ellipsoid)
    counts = _ridge_counts(volume, frame, held)
    fine = np.arange(HIGHEST_T, LOWEST_T, -FINE_MM)
    rows = CAP_ROWS - fine / (-RING_T[CAP_ROWS + 1])
    along = np.stack(
        [np.interp(rows, np.arange(ROWS), counts[:, k]) for k in range(ANGLES)], axis=1
    )
    ends, is_end = _ends(along, fine)
    place = np.clip(CAP_ROWS - ends / 4.0, 0, ROWS - 1)
    radius = np.array([np.interp(row, np.arange(ROWS), held[:, k]) for k, row in enumerate(place)])
    theta = np.arange(ANGLES) * 2.0 * np.pi / ANGLES
    return fit_plane(radius * np.sin(theta), radius * np.cos(theta), ends, is_end)


def _held(surface_mm: FloatArray, ellipsoid: Ellipsoid) -> FloatArray:
    """Surface whose difference to the ellipsoid is frozen behind the middle third."""
    base = ellipsoid.radius()[:, None]
    offset = surface_mm - base
    last = CAP_ROWS + 6
    offset[last + 1 :] = offset[last - 2 : last + 1].mean(axis=0)
    held: FloatArray = base + offset
    return held


def _ridge_counts(volume: Volume, frame: Frame, radius_mm: FloatArray) -> FloatArray:
    """Measure the counts (rows, angles) on the ridge: the largest within 3 mm, smoothed around."""
    shells = [
        sample(volume, frame.to_patient(points_of(radius_mm + step).reshape(-1, 3)))
        for step in (-3.0, 0.0, 3.0)
    ]
    top = np.max(shells, axis=0).reshape(ROWS, ANGLES)
    counts: FloatArray = (
        0.25 * np.roll(top, 1, axis=1) + 0.5 * top + 0.25 * np.roll(top, -1, axis=1)
    )
    return counts


def _ends(along: FloatArray, fine: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Axial place (angles,) at which the counts first fall below the level; whether they do."""
    wall = along[(fine <= 0) & (fine > -20)]
    whole, bright = (float(np.percentile(wall, share)) for share in (50.0, BRIGHT_PERCENT))
    background = 0.12 * whole
    ends = np.full(ANGLES, fine[-1])
    found = np.zeros(ANGLES, dtype=bool)
    for k in range(ANGLES):
        line = along[:, k]
        local = float(np.median(line[(fine <= 4) & (fine > -16)]))
        local = min(max(local, 0.6 * whole), 1.2 * bright)
        limit = background + END_LEVEL * (local - background)
        below = np.flatnonzero((line < limit) & (fine < -4.0))
        if below.size:
            n = int(below[0])
            gap = (line[n - 1] - limit) / max(line[n - 1] - line[n], 1e-9)
            ends[k] = fine[n - 1] - FINE_MM * float(np.clip(gap, 0.0, 1.0))
            found[k] = True
    return ends, found


def fit_plane(a: FloatArray, s: FloatArray, ends: FloatArray, is_end: np.ndarray) -> BasalPlane:
    """Lay a robust plane through ends of the wall.

    Parameters
    ----------
    a, s, ends : (n,) float64 arrays, mm
        Ends at (a, s), and their height along the axis.
    is_end : (n,) bool array
        The others do not count.

    Returns
    -------
    BasalPlane
        With the spread of the ends about it, and their share.
    """
    design = np.stack([np.ones_like(a), a, s], axis=1)
    x = np.array([float(np.median(ends[is_end])) if is_end.any() else -24.0, 0.0, 0.0])
    scale = 6.0
    radius = max(float(np.hypot(a, s).mean()), 1.0)
    pull = np.diag([1e-6, 0.06 * radius**2, 0.06 * radius**2])
    for _ in range(8):
        off = ends - design @ x
        weights = is_end / (1.0 + (off / scale) ** 2)
        x = np.linalg.solve(
            design.T @ (weights[:, None] * design) + pull, design.T @ (weights * ends)
        )
        scale = 3.5
    spread = np.abs(ends - design @ x)[is_end]
    residual = float(np.median(spread)) * 1.48 if spread.size else 99.0
    return BasalPlane(float(x[0]), float(x[1]), float(x[2]), residual, float(is_end.mean()))

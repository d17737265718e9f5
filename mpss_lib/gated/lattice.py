"""The ventricle's own lattice: every gate is brought to it, every picture of a model is made on it.

The lattice lies along the heart's frame (axis, anterior, lateral), so that one pair of sparse
matrices serves all gates: from values on the rays' (rows, angles) to lattice points, and from a
picture on the lattice to its profiles along the rays.

The lattice is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from mpss_lib.segmentation.surface import (
    ANGLES,
    CAP_ROWS,
    RING_STEP_MM,
    ROWS,
    Frame,
    directions,
    sample,
)
from mpss_lib.segmentation.wall import Traced
from mpss_lib.volume import FloatArray, Volume

STEP_MM = 4.0
AROUND_MM, BELOW_MM, ABOVE_MM = 26.0, 28.0, 24.0
"""How far the lattice reaches beyond the mid-wall: across, below the base, beyond the apex."""
RADIUS_MM = np.arange(2.0, 65.0, 2.0)
"""Places on a ray at which its profile is known."""


@dataclass(frozen=True)
class Lattice:
    """Points of the heart's frame and what joins them to the rays.

    Parameters
    ----------
    frame : Frame
    shape : (3,) int
        Points along axis, anterior, lateral, ``STEP_MM`` apart.
    t, a, s, radius_mm : (n,) float64 arrays
        Coordinates of the points, mm; the radius along the ray through the point.
    from_rays : (n, rows * angles) sparse array
        Bilinear: value of a (rows, angles) array at each point.
    to_profiles : (rows * angles * radii, n) sparse array
        Trilinear: a picture's values at ``RADIUS_MM`` on every ray; nothing outside.
    """

    frame: Frame
    shape: tuple[int, int, int]
    t: FloatArray
    a: FloatArray
    s: FloatArray
    radius_mm: FloatArray
    from_rays: csr_array
    to_profiles: csr_array

    def bring(self, volume: Volume) -> FloatArray:
        """Sample the counts of a volume at the points, trilinear; zero outside.

        Parameters
        ----------
        volume : Volume

        Returns
        -------
        (n,) float64 array, counts
        """
        local = np.stack([self.t, self.a, self.s], axis=1)
        return sample(volume, self.frame.to_patient(local))

    def spread(self, values: FloatArray) -> FloatArray:
        """Give points the values of the rays.

        Parameters
        ----------
        values : (rows, angles) float64 array

        Returns
        -------
        (n,) float64 array
        """
        spread: FloatArray = self.from_rays @ values.ravel()
        return spread

    def profiles(self, picture: FloatArray) -> FloatArray:
        """Take the profiles of a picture along the rays.

        Parameters
        ----------
        picture : (n,) float64 array

        Returns
        -------
        (rows, angles, radii) float64 array
        """
        profiles: FloatArray = self.to_profiles @ picture.ravel()
        return profiles.reshape(ROWS, ANGLES, len(RADIUS_MM))

    def blur(self, pictures: FloatArray, sd_mm: float) -> FloatArray:
        """Blur pictures by a Gaussian, mirrored at the edges.

        Parameters
        ----------
        pictures : (k, n) float64 array
        sd_mm : float, mm
            Standard deviation.

        Returns
        -------
        (k, n) float64 array
        """
        first, second, third = (_gaussian(n, sd_mm) for n in self.shape)
        out = pictures.reshape(-1, *self.shape) @ third
        out = second @ out
        out = first @ out.reshape(len(out), self.shape[0], -1)
        return out.reshape(pictures.shape)


def _gaussian(n: int, sd_mm: float) -> FloatArray:
    """Blur along one axis as a symmetric matrix (n, n)."""
    place = np.arange(n)
    weight = np.zeros((n, n))
    for other in (place, -1 - place, 2 * n - 1 - place):
        weight += np.exp(-0.5 * ((place[:, None] - other) * (STEP_MM / sd_mm)) ** 2)
    total: FloatArray = weight / weight.sum(axis=0)
    return total


def build(traced: Traced) -> Lattice:
    """Lay the lattice about a ventricle that was followed in the sum of the gates."""
    across = 1.1 * traced.ellipsoid.short + AROUND_MM
    low = traced.plane.at - BELOW_MM
    high = traced.ellipsoid.short + ABOVE_MM
    axes = [
        low + STEP_MM * np.arange(math.ceil((high - low) / STEP_MM) + 1),
        *2 * [STEP_MM * np.arange(-math.ceil(across / STEP_MM), math.ceil(across / STEP_MM) + 1)],
    ]
    t, a, s = (grid.ravel() for grid in np.meshgrid(*axes, indexing="ij"))
    shape = (len(axes[0]), len(axes[1]), len(axes[2]))
    rho = np.hypot(a, s)
    is_cap = t > 0
    phi = np.arctan2(rho, np.maximum(t, 0.0))
    row = np.where(is_cap, phi / (np.pi / 2) * CAP_ROWS, CAP_ROWS - t / RING_STEP_MM)
    return Lattice(
        frame=traced.frame,
        shape=shape,
        t=t,
        a=a,
        s=s,
        radius_mm=np.where(is_cap, np.hypot(rho, t), rho),
        from_rays=_from_rays(row, np.arctan2(a, s)),
        to_profiles=_to_profiles(axes, shape),
    )


def _from_rays(row: FloatArray, theta: FloatArray) -> csr_array:
    n = len(row)
    row = np.clip(row, 0.0, ROWS - 1.001)
    low = row.astype(np.int64)
    angle = theta / (2.0 * np.pi) * ANGLES
    left = np.floor(angle).astype(np.int64)
    w, u = row - low, angle - left
    columns = [(low + up) * ANGLES + (left + right) % ANGLES for up in (0, 1) for right in (0, 1)]
    weights = [f * g for f in (1 - w, w) for g in (1 - u, u)]
    points = np.tile(np.arange(n), 4)
    return csr_array(
        (np.concatenate(weights), (points, np.concatenate(columns))), (n, ROWS * ANGLES)
    )


def _to_profiles(axes: Sequence[np.ndarray], shape: tuple[int, int, int]) -> csr_array:
    start, way = directions()
    place = (start[:, :, None, :] + way[:, :, None, :] * RADIUS_MM[:, None]).reshape(-1, 3)
    index = (place - np.array([axis[0] for axis in axes])) / STEP_MM
    low = np.floor(index).astype(np.int64)
    part = index - low
    inside = ((low >= 0) & (low < np.array(shape) - 1)).all(axis=1)
    rays = np.flatnonzero(inside)
    low, part = low[inside], part[inside]
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    rows, columns, weights = [], [], []
    for corner in np.ndindex(2, 2, 2):
        step = np.array(corner)
        rows.append(rays)
        columns.append((low + step) @ strides)
        weights.append(np.prod(np.where(step == 1, part, 1.0 - part), axis=1))
    size = (len(place), int(np.prod(shape)))
    return csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), size
    )

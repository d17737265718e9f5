"""Whether a ring lies as the left ventricle lies, or as the right one does.

On the left of the left ventricle lies lung, on its right the right ventricle, whose wall widens the
septum; its base is open. Of a right ventricle that was taken for it the opposite holds: its left
wall is the septum, wide because the left ventricle begins there, on its left lies a cavity, and
where the picture cuts it obliquely a wall closes it behind. So a left ventricle that is too dark
to be found as a ring still tells that the other ring is not the left one.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.segmentation import mid_wall, surface
from mpss_lib.segmentation.surface import ANGLES, Rays
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import FloatArray, Volume

ROWS_BESIDE = slice(5, 18)
HALF_SECTOR = 5  # angles, 50 degrees
BEYOND_MM = (15.0, 18.0, 21.0, 24.0)  # past the ridge: behind the wall, before the chest's
BEHIND_MM = np.arange(6.0, 46.0, 3.0)  # past the basal plane
DISK_SHARE = 0.5  # of the radius
FAINTEST = 0.2  # of the wall's counts, added to both sides: lung or an unseen chamber says little
SIDE_WEIGHT, WIDTH_WEIGHT, CLOSED_WEIGHT = 5.0, 6.0, 6.0
OPEN_LEVEL, CLOSED_LEVEL = 0.3, 0.7


def right_likeness(
    volume: Volume, frame: surface.Frame, rays: Rays, ridge_mm: FloatArray, plane: BasalPlane
) -> float:
    """How much the ring lies like a right ventricle: left ones have up to 1.7, usually -2.

    Logistic regression, rounded, of 18 right ventricles that were taken for the left one against
    780 left ones with a Dice of 0.6 and more (tests/bench/self_check.py, seeds 1300000-1326079).
    What is added to both sides was raised until a real heart whose right ventricle is as dark as
    the lung lies with the others; it also parts the phantoms better.

    Parameters
    ----------
    volume : Volume
    frame : Frame
    rays : Rays
    ridge_mm : (rows, angles) float64 array
        Radius of the smooth ridge.
    plane : BasalPlane

    Returns
    -------
    float
        ``SIDE_WEIGHT`` times the logarithm of the counts on the left of the ring over those on its
        right, both raised by ``FAINTEST`` of the wall's, ``WIDTH_WEIGHT`` times that of the widths
        of its left and right wall, and ``CLOSED_WEIGHT`` times the level of the counts behind the
        base above that of a cavity.
    """
    left, right = _sector(0), _sector(ANGLES // 2)
    wall = max(float(np.median(rays.peak[ROWS_BESIDE])), 1e-12)
    floor = FAINTEST * wall
    beside = [_beyond(volume, frame, ridge_mm, at) + floor for at in (left, right)]
    width = mid_wall.variance_across(rays, ridge_mm)[0][ROWS_BESIDE]
    widths = [max(float(np.median(width[:, at])), 1.0) for at in (left, right)]
    closed = _behind(volume, frame, ridge_mm, plane) / wall
    return (
        SIDE_WEIGHT * math.log(beside[0] / beside[1])
        + WIDTH_WEIGHT * math.log(widths[0] / widths[1])
        + CLOSED_WEIGHT * (min(max(closed, OPEN_LEVEL), CLOSED_LEVEL) - OPEN_LEVEL)
    )


def _sector(middle: int) -> list[int]:
    return [(middle + step) % ANGLES for step in range(-HALF_SECTOR, HALF_SECTOR + 1)]


def _beyond(volume: Volume, frame: surface.Frame, ridge_mm: FloatArray, angles: list[int]) -> float:
    """Median counts outside the wall of a sector."""
    layers = [
        surface.points_of(ridge_mm + far)[ROWS_BESIDE][:, angles].reshape(-1, 3)
        for far in BEYOND_MM
    ]
    counts = surface.sample(volume, frame.to_patient(np.stack(layers)))
    return float(np.median(np.clip(counts, 0.0, None).mean(axis=0)))


def _behind(volume: Volume, frame: surface.Frame, ridge_mm: FloatArray, plane: BasalPlane) -> float:
    """Largest mean counts of the disks about the axis behind the basal plane."""
    grid = np.linspace(-1.0, 1.0, 9)
    a, s = (part.ravel() for part in np.meshgrid(grid, grid))
    keep = a**2 + s**2 <= 1.0
    radius = DISK_SHARE * float(np.median(ridge_mm[ROWS_BESIDE]))
    a, s = radius * a[keep], radius * s[keep]
    t = plane.t(a, s) - BEHIND_MM[:, None]
    places = np.stack([t, np.broadcast_to(a, t.shape), np.broadcast_to(s, t.shape)], axis=-1)
    counts = surface.sample(volume, frame.to_patient(places.reshape(-1, 3))).reshape(t.shape)
    return float(counts.mean(axis=1).max())

"""From the ridge that rays meet to the mid-wall: smoothed, its blur measured, its bend undone.

Arrays (rows, angles) are those of ``surface``.
"""

from __future__ import annotations

import math

import numpy as np

from mpss_lib.segmentation.surface import (
    ANGLES,
    PHI,
    RADIUS_MM,
    RING_T,
    ROWS,
    THETA,
    Ellipsoid,
    Rays,
)
from mpss_lib.volume import BoolArray, FloatArray

ACROSS_MM = 12.0  # of the ridge: what counts as wall where its width is measured
BLUR_MM2 = 46.0  # usual variance of the blur across the wall, which moves the ridge inwards
BLUR_RANGE_MM2 = (30.0, 90.0)  # that is believed where it is measured
WIDTH_TO_BLUR = (3.0, 9.0)
"""Blur of the image as measured from the wall's width: 3 widths - 9 mm2. The width is a variance of
the counts above half of the top, a third of that of the Gaussian that they come from; 9 mm2 is
that of a wall of 10.4 mm that nothing blurs (10.4^2 / 12)."""


def smooth(rays: Rays, ellipsoid: Ellipsoid, weights: FloatArray) -> tuple[FloatArray, float]:
    """Smooth the mid-wall radius.

    Ridge regression of the difference to the ellipsoid on Legendre (0-5) along the rows times
    Fourier (0-3) around, reweighted against outliers.

    Parameters
    ----------
    rays : Rays
    ellipsoid : Ellipsoid
    weights : (rows, angles) float64 array

    Returns
    -------
    surface_mm : (rows, angles) float64 array, mm
    misfit_mm : float, mm
        Root mean square.
    """
    base = ellipsoid.radius()[:, None]
    design = _basis()
    offset = (rays.radius_mm - base).ravel()
    penalty = _penalty()
    trust = weights.ravel()
    fit = np.zeros_like(offset)
    scale = 4.0
    for _ in range(4):
        robust = trust / (1.0 + ((offset - fit) / scale) ** 2)
        normal = design.T @ (robust[:, None] * design) + np.diag(penalty)
        fit = design @ np.linalg.solve(normal, design.T @ (robust * offset))
        scale = 3.0
    rms = math.sqrt(float((robust * (offset - fit) ** 2).sum() / max(float(robust.sum()), 1e-9)))
    surface: FloatArray = base + np.clip(fit, -9.0, 9.0).reshape(ROWS, ANGLES)
    return surface, rms


def _basis() -> FloatArray:
    x = np.linspace(-1.0, 1.0, ROWS)
    legendre = np.polynomial.legendre.legvander(x, 5)
    fourier = [np.ones(ANGLES)]
    for k in (1, 2, 3):
        fourier += [np.cos(k * THETA), np.sin(k * THETA)]
    around = np.stack(fourier, axis=1)
    taper = np.ones((ROWS, around.shape[1]))
    taper[:, 1:] = np.sin(PHI)[:, None]
    full = np.einsum("rl,ak,rk->ralk", legendre, around, taper)
    design: FloatArray = full.reshape(ROWS * ANGLES, -1)
    return design


def _penalty() -> FloatArray:
    along = 1.0 + np.arange(6) ** 2
    around = 1.0 + np.repeat([0, 1, 2, 3], [1, 2, 2, 2]) ** 2
    weights: FloatArray = 0.6 * np.outer(along, around).ravel()
    return weights


def variance_across(rays: Rays, ridge_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Width of the wall along each ray.

    Parameters
    ----------
    rays : Rays
    ridge_mm : (rows, angles) float64 array, mm

    Returns
    -------
    variance_mm2 : (rows, angles) float64 array
        Variance about their middle of the counts above half of the top.
    top : (rows, angles) float64 array
        Largest counts within ``ACROSS_MM`` of the ridge.
    """
    off = RADIUS_MM - ridge_mm[..., None]
    near = np.where(np.abs(off) <= ACROSS_MM, rays.profile, 0.0)
    top: FloatArray = near.max(axis=-1)
    weight = np.clip(near / np.maximum(top, 1e-12)[..., None] - 0.5, 0.0, None)
    total = np.maximum(weight.sum(axis=-1), 1e-12)
    middle = (weight * off).sum(axis=-1) / total
    variance: FloatArray = (weight * (off - middle[..., None]) ** 2).sum(axis=-1) / total
    return variance, top


def measure_blur_mm2(rays: Rays, ridge_mm: FloatArray, is_wall: BoolArray) -> float:
    """Variance of the image's blur across the wall, from the wall's width.

    Parameters
    ----------
    rays : Rays
    ridge_mm : (rows, angles) float64 array, mm
    is_wall : (rows, angles) bool array

    Returns
    -------
    float, mm2
        ``BLUR_MM2`` where no ray meets the wall.
    """
    if not is_wall.any():
        return BLUR_MM2
    width = float(np.median(variance_across(rays, ridge_mm)[0][is_wall]))
    return float(np.clip(WIDTH_TO_BLUR[0] * width - WIDTH_TO_BLUR[1], *BLUR_RANGE_MM2))


def unbend(surface_mm: FloatArray, ellipsoid: Ellipsoid, blur_mm2: float) -> FloatArray:
    """Move the ridge outwards to the mid-wall: blur times curvature pulls it inwards.

    For a thin wall blurred by a Gaussian of variance s2 the ridge lies s2 (k1 + k2) / 2 inside.

    Parameters
    ----------
    surface_mm : (rows, angles) float64 array, mm
    ellipsoid : Ellipsoid
        Gives the curvatures k1 and k2.
    blur_mm2 : float, mm2
        Variance s2.

    Returns
    -------
    (rows, angles) float64 array, mm
    """
    curvature = _curvature(ellipsoid)
    return surface_mm + 0.5 * blur_mm2 * curvature[:, None]


def _curvature(ellipsoid: Ellipsoid) -> FloatArray:
    """Sum of the principal curvatures (rows,) of the ellipsoid, per mm; a cylinder behind."""
    radius = ellipsoid.radius()
    t = RING_T + radius * np.cos(PHI) - ellipsoid.middle
    rho = radius * np.sin(PHI)
    a, c = ellipsoid.short, ellipsoid.long
    t = np.clip(t, 0.0, c)
    h = np.sqrt((rho / a**2) ** 2 + (t / c**2) ** 2)
    meridian = 1.0 / (a**2 * c**2 * h**3)
    parallel = 1.0 / (a**2 * h)
    total: FloatArray = np.minimum(meridian + parallel, 0.12)
    return total

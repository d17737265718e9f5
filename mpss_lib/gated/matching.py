"""Move a model ventricle until its picture lies on that of a gate.

Maxima and edges of a blurred wall do not lie on the wall's middle and edges: blur and curvature
pull them inwards, more so in a small ventricle, and counts of the other wall, of blood and liver
move them too. The model's picture suffers all that alike: where it and the gate differ by a shift
across the wall, the wall is shifted.

The method is ours.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import uniform_filter

from mpss_lib.gated.lattice import RADIUS_MM, Lattice
from mpss_lib.gated.model import Look, Shape, picture
from mpss_lib.segmentation.surface import (
    ANGLES,
    CAP_ROWS,
    PHI,
    RING_STEP_MM,
    RING_T,
    ROWS,
    THETA,
)
from mpss_lib.volume import FloatArray

WINDOW_MM = 9.0  # across the wall: what is compared
LARGEST_STEP_MM, FARTHEST_MM = 4.0, 13.0  # of the wall at once, and from where the sum shows it
FARTHEST_BASE_MM = 14.0
SMALLEST_MM = 5.0
EDGE_ACROSS_MM, EDGE_ALONG_MM = 5.0, 13.0  # of the valve's plane: what is compared there
DOUBTFUL_MM = 2.5  # a ray whose shift is this far from the others' counts half
STIFFNESS = 0.02
GAIN_ROWS, GAIN_ANGLES = 3, 7


@lru_cache(maxsize=1)
def basis() -> FloatArray:
    """Smooth displacements (rows * angles, 35): Legendre 0-4 along, Fourier 0-3 around.

    Returns
    -------
    (rows * angles, 35) float64 array
        Read-only.
    """
    legendre = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, ROWS), 4)
    around = [np.ones(ANGLES)]
    for k in (1, 2, 3):
        around += [np.cos(k * THETA), np.sin(k * THETA)]
    taper = np.ones((ROWS, len(around)))
    taper[:, 1:] = np.sin(PHI)[:, None]
    full = np.einsum("rl,ka,rk->ralk", legendre, np.stack(around), taper)
    design: FloatArray = full.reshape(ROWS * ANGLES, -1)
    design.flags.writeable = False
    return design


@lru_cache(maxsize=1)
def stiffness() -> FloatArray:
    """Penalty (35,) of the displacements: more for those that wave more.

    Returns
    -------
    (35,) float64 array
        Read-only.
    """
    along = np.arange(5) ** 2
    around = np.repeat([0, 1, 2, 3], [1, 2, 2, 2]) ** 2
    weights: FloatArray = STIFFNESS * (0.1 + np.add.outer(along, around)).ravel()
    weights.flags.writeable = False
    return weights


def place_in_wall(shape: Shape) -> FloatArray:
    """Distance of the profiles' places from the mid-wall, along the ray.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    (rows, angles, radii) float64 array, mm
        Negative inside.
    """
    return RADIUS_MM - shape.mid_mm[..., None]


def heights(shape: Shape) -> FloatArray:
    """Height of the mid-wall above the valve plane.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    (rows, angles) float64 array, mm
        Along the axis, towards the apex.
    """
    rho = shape.mid_mm * np.sin(PHI)[:, None]
    t = RING_T[:, None] + shape.mid_mm * np.cos(PHI)[:, None]
    above: FloatArray = t - shape.plane.t(rho * np.sin(THETA), rho * np.cos(THETA))
    return above


def area_weights(shape: Shape) -> FloatArray:
    """Share of the wall that a ray stands for; 0 below the valve plane.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    (rows, angles) float64 array
        Relative: they do not sum to 1.
    """
    area = np.ones(ROWS)
    area[: CAP_ROWS + 1] = np.maximum(np.sin(PHI[: CAP_ROWS + 1]), 0.04)
    step = np.where(np.arange(ROWS) < CAP_ROWS, math.pi / (2 * CAP_ROWS), RING_STEP_MM / 30.0)
    weights: FloatArray = (area * step)[:, None] * np.clip(0.5 + heights(shape) / 4.0, 0.0, 1.0)
    return weights


def match(
    lattice: Lattice, seen: FloatArray, start: Shape, summed: Shape, look: Look, steps: int
) -> Shape:
    """Move a model onto a gate.

    Parameters
    ----------
    lattice : Lattice
    seen : (rows, angles, radii) float64 array
        The gate's profiles, counts normalised.
    start, summed : Shape
        Where to begin, and the ventricle of the sum, from which motion is bounded.
    look : Look
    steps : int
        Gauss-Newton steps.

    Returns
    -------
    Shape
    """
    shape = start
    for _ in range(steps):
        model, weights = _profiles(lattice, shape, look), weights_of(shape)
        gain = _gain(seen, model, weights)
        shift = _displacement(seen, model * gain[..., None], weights)
        far = np.clip(shape.mid_mm + shift - summed.mid_mm, -FARTHEST_MM, FARTHEST_MM)
        down = shape.plane.at + _base_shift(seen, model, shape) - summed.plane.at
        down = float(np.clip(down, -FARTHEST_BASE_MM, FARTHEST_BASE_MM))
        shape = replace(summed, mid_mm=np.maximum(summed.mid_mm + far, SMALLEST_MM)).moved(down)
    return shape


def misfit(lattice: Lattice, seen: FloatArray, shape: Shape, look: Look) -> float:
    """Root mean square difference between a gate and its model over the counts of the wall.

    Parameters
    ----------
    lattice : Lattice
    seen : (rows, angles, radii) float64 array
        The gate's profiles, counts normalised.
    shape : Shape
    look : Look

    Returns
    -------
    float
        A share of the counts of the wall.
    """
    model, weights = _profiles(lattice, shape, look), weights_of(shape)
    off = seen - _gain(seen, model, weights)[..., None] * model
    top = float((weights * seen).sum() / weights.sum())
    return math.sqrt(float((weights * off**2).sum() / weights.sum())) / max(top, 1e-9)


def weights_of(shape: Shape) -> FloatArray:
    """Weight of the profiles' places: near the wall, by area.

    Parameters
    ----------
    shape : Shape

    Returns
    -------
    (rows, angles, radii) float64 array
    """
    return _near(place_in_wall(shape), WINDOW_MM) * area_weights(shape)[..., None]


def _near(away: FloatArray, reach: float) -> FloatArray:
    """exp(-(away / reach)^4): about 1 within reach, 0 beyond."""
    square = (away / reach) ** 2
    near: FloatArray = np.exp(-square * square)
    return near


def _profiles(lattice: Lattice, shape: Shape, look: Look) -> FloatArray:
    return lattice.profiles(picture(lattice, shape, look))


def _gain(seen: FloatArray, model: FloatArray, weights: FloatArray) -> FloatArray:
    """Divide the counts by the model's (rows, angles), of neighbouring rays together."""
    over = smooth_rays((weights * seen * model).sum(axis=-1))
    under = smooth_rays((weights * model**2).sum(axis=-1))
    gain: FloatArray = np.clip(over / np.maximum(under, 1e-9 + 1e-3 * under.max()), 0.02, 10.0)
    return gain


def smooth_rays(values: FloatArray) -> FloatArray:
    """Take the mean over neighbouring rays.

    Parameters
    ----------
    values : (rows, angles, ...) float64 array

    Returns
    -------
    (rows, angles, ...) float64 array
    """
    size = (GAIN_ROWS, GAIN_ANGLES, *([1] * (values.ndim - 2)))
    mode = ("nearest", "wrap", *(["nearest"] * (values.ndim - 2)))
    smooth: FloatArray = uniform_filter(values, size, mode=mode)
    return smooth


def _displacement(seen: FloatArray, model: FloatArray, weights: FloatArray) -> FloatArray:
    """Smooth shift (rows, angles), mm along the rays, that brings the model onto the gate."""
    slope = np.gradient(model, RADIUS_MM[1] - RADIUS_MM[0], axis=-1)
    power = (weights * slope**2).sum(axis=-1)
    pull = -(weights * slope * (seen - model)).sum(axis=-1)
    shift = (pull / np.maximum(power, 1e-9 + 1e-3 * power.max())).ravel()
    design = basis()
    trust = power.ravel() / max(float(power.mean()), 1e-12)
    fit = np.zeros_like(shift)
    for _ in range(3):
        robust = trust / (1.0 + ((shift - fit) / DOUBTFUL_MM) ** 2)
        normal = design.T @ (robust[:, None] * design) + np.diag(stiffness() * robust.sum())
        fit = design @ np.linalg.solve(normal, design.T @ (robust * shift))
    bounded: FloatArray = np.clip(fit, -LARGEST_STEP_MM, LARGEST_STEP_MM)
    return bounded.reshape(ROWS, ANGLES)


def _base_shift(seen: FloatArray, model: FloatArray, shape: Shape) -> float:
    """Shift of the valve plane, mm along the axis, that brings the wall's end onto the gate's."""
    seen, model = seen[CAP_ROWS:], model[CAP_ROWS:]
    height = heights(shape)[CAP_ROWS:]
    near = _near(place_in_wall(shape)[CAP_ROWS:], EDGE_ACROSS_MM)
    inner = near * ((height > 5.0) & (height < 22.0))[..., None]
    over = (inner * seen * model).sum(axis=(0, 2))
    under = (inner * model**2).sum(axis=(0, 2))
    model = model * (over / np.maximum(under, 1e-9))[:, None]
    slope = -np.gradient(model, RING_STEP_MM, axis=0)
    weights = near * _near(height, EDGE_ALONG_MM)[..., None]
    power = (weights * slope**2).sum(axis=(0, 2))
    pull = -(weights * slope * (seen - model)).sum(axis=(0, 2))
    shift = pull / np.maximum(power, 1e-9 + 1e-3 * power.max())
    middle = 0.0
    for _ in range(4):
        trust = power / (1.0 + ((shift - middle) / DOUBTFUL_MM) ** 2)
        middle = float((trust * shift).sum() / max(float(trust.sum()), 1e-12))
    return float(np.clip(middle, -LARGEST_STEP_MM, LARGEST_STEP_MM))

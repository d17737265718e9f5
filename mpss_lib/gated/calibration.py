"""What no single gate tells: volume of the wall, blur of the image, counts of the parts.

A wider blur and a thicker wall both widen a profile, but a wall that thickens by a known factor
from end-diastole to end-systole grows wider and brighter only as much as the blur leaves. Over all
gates the two come apart: they are those that leave the smallest difference between the gates and
the pictures of one ventricle whose wall keeps its volume and its uptake.

Variable projection: Golub and Pereyra 1973; the model is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.gated.lattice import Lattice
from mpss_lib.gated.matching import area_weights, smooth_rays, weights_of
from mpss_lib.gated.model import Look, Shape, parts
from mpss_lib.volume import FloatArray

USUAL_WALL_MM, WALL_SPREAD = 10.0, 0.2
"""Wall at end-diastole, and the standard deviation of its logarithm: what is believed beforehand
(10 mm at end-diastole is the convention of the Emory toolbox; Faber et al., J Nucl Med 1999)."""
USUAL_BLUR_MM, BLUR_SPREAD = 5.3, 0.3
"""Blur of the image: a full width at half maximum of 12.5 mm."""
BLOOD, OUTSIDE = 0.12, 0.12  # counts over those of the wall where the gates do not tell
TRUST = np.array([1e-6, 0.05, 0.05])
FREE_PER_GATE = 100.0
"""Independent values about the wall in a gate: 230 ml over the 2.2 ml that noise correlates in."""
PROBE, LARGEST_CHANGE = 0.06, 0.25
NARROWEST_MM, WIDEST_MM = 2.5, 9.0


@dataclass(frozen=True)
class Calibration:
    """What all gates have in common, and how well it is known.

    ``wall_spread`` and ``blur_spread`` are the standard deviations of the logarithms of the wall's
    volume and of the blur, surfaces held: lower bounds.
    """

    look: Look
    wall_spread: float = WALL_SPREAD
    blur_spread: float = BLUR_SPREAD


def begin(summed: Shape, blur_mm: float, counts: float) -> Calibration:
    """Calibration to start from: the usual wall on the shape of the sum, and these counts in it."""
    ones = np.full_like(summed.mid_mm, counts)
    wall_ml = summed.wall_ml(USUAL_WALL_MM)
    return Calibration(Look(wall_ml, blur_mm, ones, OUTSIDE * ones, BLOOD * counts))


def calibrate(
    lattice: Lattice,
    seen: Sequence[FloatArray],
    shapes: Sequence[Shape],
    usual_ml: float,
    before: Calibration,
) -> Calibration:
    """Improve the calibration on gates whose surfaces are held: one Gauss-Newton step.

    The unknowns are the logarithms of the wall's volume and of the blur; for each trial of them
    the counts are solved for (variable projection).

    Parameters
    ----------
    lattice : Lattice
    seen : sequence of (rows, angles, radii) float64 array
        Profiles of the gates, counts normalised.
    shapes : sequence of Shape
        Of the same gates.
    usual_ml : float
        Volume of the wall that is expected beforehand.
    before : Calibration

    Returns
    -------
    Calibration
    """
    at = np.log([before.look.wall_ml, before.look.blur_mm])
    trials = [at, *(at + PROBE * np.eye(2))]
    pairs = [_differences(lattice, seen, shapes, trial, before.look) for trial in trials]
    off, counts = pairs[0]
    jacobian = np.stack([(other - off) / PROBE for other, _ in pairs[1:]])
    scale = FREE_PER_GATE * len(seen) / max(float(off @ off), 1e-12)
    belief = np.diag([WALL_SPREAD**-2, BLUR_SPREAD**-2])
    normal = scale * jacobian @ jacobian.T + belief
    expected = np.log([usual_ml, USUAL_BLUR_MM])
    change = np.linalg.solve(normal, belief @ (expected - at) - scale * jacobian @ off)
    at = at + np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE)
    wall_ml, blur_mm = math.exp(at[0]), float(np.clip(math.exp(at[1]), NARROWEST_MM, WIDEST_MM))
    spread = np.sqrt(np.diag(np.linalg.inv(normal)))
    look = _look(wall_ml, blur_mm, counts, shapes)
    return Calibration(look, float(spread[0]), float(spread[1]))


def _differences(
    lattice: Lattice,
    seen: Sequence[FloatArray],
    shapes: Sequence[Shape],
    at: FloatArray,
    look: Look,
) -> tuple[FloatArray, FloatArray]:
    """Weighted differences (all places,) for a volume and a blur of these logarithms.

    Also the counts (rows, angles, 3) of wall, blood and surroundings that leave the smallest.
    """
    wall_ml, blur_mm = math.exp(at[0]), math.exp(at[1])
    square = np.zeros((*shapes[0].mid_mm.shape, 3, 3))
    product = np.zeros((*shapes[0].mid_mm.shape, 3))
    shown, roots = [], []
    for profiles, shape in zip(seen, shapes, strict=True):
        pictures = lattice.blur(parts(lattice, shape, shape.thickness_mm(wall_ml)), blur_mm)
        root = np.sqrt(weights_of(shape))[..., None]
        part = np.stack([lattice.profiles(one) for one in pictures], axis=-1) * root
        square += part.swapaxes(-1, -2) @ part
        product += (part.swapaxes(-1, -2) @ (profiles[..., None] * root))[..., 0]
        shown.append(part)
        roots.append(root)
    counts = _solve(smooth_rays(square), smooth_rays(product), look)
    off = [
        (profiles[..., None] * root - part @ counts[..., None]).ravel()
        for profiles, root, part in zip(seen, roots, shown, strict=True)
    ]
    return np.concatenate(off), counts


def _solve(square: FloatArray, product: FloatArray, look: Look) -> FloatArray:
    """Solve for the counts (rows, angles, 3) of wall, blood and surroundings on every ray."""
    outside = OUTSIDE * float(np.median(look.wall))
    usual = np.stack(np.broadcast_arrays(look.wall, look.blood, outside), axis=-1)
    pull = TRUST * max(float(square[..., 0, 0].mean()), 1e-12)
    found = np.linalg.solve(square + np.diag(pull), (product + pull * usual)[..., None])[..., 0]
    counts: FloatArray = np.clip(found, 0.0, None)
    return counts


def _look(wall_ml: float, blur_mm: float, counts: FloatArray, shapes: Sequence[Shape]) -> Look:
    """Look of these counts; below the valve plane the wall's are those of its last rows."""
    used = np.mean([area_weights(shape) for shape in shapes], axis=0)
    wall, blood, outside = np.moveaxis(counts, -1, 0)
    last = (used > 0.5 * used.max(axis=0)).cumsum(axis=0).argmax(axis=0)
    row = np.minimum(np.arange(len(wall))[:, None], last)
    held = np.take_along_axis(wall, row, axis=0)
    return Look(wall_ml, blur_mm, held, outside, float((used * blood).sum() / used.sum()))

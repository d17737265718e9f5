"""A model ventricle in one gate: two surfaces and a plane, their volume and their blurred picture.

The wall keeps its volume through the beat (muscle is incompressible), so that the mid-wall surface,
the plane of the valve and one volume of the wall give both its surfaces.

The model is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.gated.lattice import STEP_MM, Lattice
from mpss_lib.segmentation.regions import Wall, build_wall
from mpss_lib.segmentation.surface import ANGLES, CAP_ROWS, PHI, RING_T, THETA
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import FloatArray

THINNEST_MM, THICKEST_MM = 3.0, 30.0
CAP_PHI = PHI[: CAP_ROWS + 1]


@dataclass(frozen=True)
class Shape:
    """The ventricle in one gate: mid-wall radius (rows, angles) in mm and the valve's plane."""

    mid_mm: FloatArray
    plane: BasalPlane

    def moved(self, base_mm: float) -> Shape:
        """Move the valve plane along the axis."""
        return replace(self, plane=replace(self.plane, at=self.plane.at + base_mm))

    def wall(self, thickness_mm: float) -> Wall:
        """Both surfaces for a wall of this thickness."""
        return build_wall(self.mid_mm, thickness_mm, "anatomical")

    def wall_ml(self, thickness_mm: float) -> float:
        """Volume of a wall of this thickness, ml."""
        wall = self.wall(thickness_mm)
        return enclosed_ml(wall.epi_mm, self.plane) - enclosed_ml(wall.endo_mm, self.plane)

    def thickness_mm(self, wall_ml: float) -> float:
        """Thickness with which the wall has a volume; within ``THINNEST_MM`` and ``THICKEST_MM``.

        The volume of a wall about its middle is nearly proportional to its thickness: four secant
        steps suffice.
        """
        thickness = 10.0
        for _ in range(4):
            got = max(self.wall_ml(thickness), 1e-3)
            thickness = float(np.clip(thickness * wall_ml / got, THINNEST_MM, THICKEST_MM))
        return thickness

    def cavity_ml(self, wall_ml: float) -> float:
        """Volume of the cavity, ml, inside a wall of this volume."""
        return enclosed_ml(self.wall(self.thickness_mm(wall_ml)).endo_mm, self.plane)


def enclosed_ml(radius_mm: FloatArray, plane: BasalPlane) -> float:
    """Volume between a surface and the valve plane, ml.

    Cap: the integral of r^3 / 3 over the solid angle; below it the area of each section, r^2 / 2
    over the angle, down to the plane, whose mean height over a sector lies at 2/3 of its radius.

    Parameters
    ----------
    radius_mm : (rows, angles) float64 array
        Along the rays of the heart's frame.
    plane : BasalPlane

    Returns
    -------
    float, ml
    """
    turn = 2.0 * np.pi / ANGLES
    cap = float((CAP_WEIGHTS[:, None] * radius_mm[: CAP_ROWS + 1] ** 3).sum()) * turn / 3.0
    square = radius_mm[CAP_ROWS:] ** 2
    depth = -RING_T[CAP_ROWS:]
    row = int(np.clip(round(-plane.at / (depth[1] - depth[0])), 0, len(depth) - 1))
    near = 2.0 / 3.0 * np.sqrt(square[row])
    base = np.clip(-plane.t(near * np.sin(THETA), near * np.cos(THETA)), 0.0, depth[-1] - 1e-6)
    step = depth[1] - depth[0]
    sums = np.concatenate(
        [np.zeros((1, ANGLES)), np.cumsum(0.5 * step * (square[1:] + square[:-1]), axis=0)]
    )
    low = (base / step).astype(np.int64)
    rest = base - low * step
    here = np.take_along_axis(square, low[None], axis=0)[0]
    below = np.take_along_axis(square, low[None] + 1, axis=0)[0]
    area = np.take_along_axis(sums, low[None], axis=0)[0]
    area = area + rest * (here + 0.5 * rest / step * (below - here))
    return (cap + 0.5 * turn * float(area.sum())) / 1e3


def _cap_weights() -> FloatArray:
    """Integrals of the hat functions of the cap's rows times sin(phi)."""
    step = CAP_PHI[1] - CAP_PHI[0]
    fine = np.linspace(0.0, np.pi / 2, 1801)
    hats = np.clip(1.0 - np.abs(fine - CAP_PHI[:, None]) / step, 0.0, None) * np.sin(fine)
    weights: FloatArray = np.trapezoid(hats, fine, axis=1)
    return weights


CAP_WEIGHTS = _cap_weights()


@dataclass(frozen=True)
class Look:
    """What makes a picture of a shape; the same in all gates.

    Parameters
    ----------
    wall_ml : float
        Volume of the wall.
    blur_mm : float
        Standard deviation of the image's blur.
    wall, outside : (rows, angles) float64 array
        Counts of the wall and of what lies around it, by ray.
    blood : float
        Counts of the cavity.
    """

    wall_ml: float
    blur_mm: float
    wall: FloatArray
    outside: FloatArray
    blood: float


def parts(lattice: Lattice, shape: Shape, thickness_mm: float) -> FloatArray:
    """Share of each lattice point in wall, blood and surroundings.

    Beyond the valve plane there is blood within the mid-wall radius.

    Parameters
    ----------
    lattice : Lattice
    shape : Shape
    thickness_mm : float, mm
        Of the wall.

    Returns
    -------
    (3, n) float64 array
        Each 0 to 1; they sum to 1 where muscle and blood leave room.
    """
    wall = shape.wall(thickness_mm)
    endo, epi = (
        np.clip(0.5 + (lattice.spread(one) - lattice.radius_mm) / STEP_MM, 0.0, 1.0)
        for one in (wall.endo_mm, wall.epi_mm)
    )
    height = lattice.t - shape.plane.t(lattice.a, lattice.s)
    above = np.clip(0.5 + height / STEP_MM, 0.0, 1.0)
    muscle = np.maximum(epi - endo, 0.0) * above
    blood = endo * above + 0.5 * (endo + epi) * (1.0 - above)
    return np.stack([muscle, blood, np.maximum(1.0 - muscle - blood, 0.0)])


def picture(lattice: Lattice, shape: Shape, look: Look) -> FloatArray:
    """Draw the blurred picture of the ventricle in its surroundings.

    Parameters
    ----------
    lattice : Lattice
    shape : Shape
    look : Look
        Counts of the parts, volume of the wall, blur.

    Returns
    -------
    (n,) float64 array
    """
    muscle, blood, rest = parts(lattice, shape, shape.thickness_mm(look.wall_ml))
    sharp = muscle * lattice.spread(look.wall) + look.blood * blood
    sharp += rest * lattice.spread(look.outside)
    blurred: FloatArray = lattice.blur(sharp[None], look.blur_mm)[0]
    return blurred

"""Anatomy of a digital phantom: torso, organs and a left ventricle drawn from a seed.

The patient frame is LPS in mm. In the heart's frame ``t`` runs along the axis from base to apex,
``a`` towards the anterior wall and ``s`` towards the lateral wall; theta = atan2(a, s).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mpss_lib.demo import _kernels
from mpss_lib.errors import WrongArgumentError
from mpss_lib.volume import FloatArray, IntArray

VESSELS = ("LAD", "LCX", "RCA")
MU_SOFT, MU_LUNG = 0.0150, 0.0042  # per mm at 140 keV
SIX_OWNER = ("LAD", "LAD", "RCA", "RCA", "LCX", "LCX")  # sectors from 60 degrees upwards
FOUR_OWNER = ("LAD", "LAD", "RCA", "LCX")  # apical sectors from 45 degrees upwards

DEFAULTS: Mapping[str, tuple[float, float]] = {
    # name: (lowest, highest) of the uniform draw
    "r_endo_mm": (20.0, 30.0),  # radius of the cavity; normal draw, see draw_parameters
    "elongation": (1.80, 2.10),
    "wall_mm": (9.5, 11.5),
    "apex_wall_factor": (0.75, 1.0),
    "base_fraction": (0.12, 0.38),  # how far the basal plane lies behind the widest place
    "base_tilt_deg": (0.0, 14.0),
    "swell": (0.0, 0.045),
    "axis_spread_deg": (0.0, 15.0),
    "cavity": (0.08, 0.16),
    "lung": (0.03, 0.06),
    "soft": (0.05, 0.09),
    "right_wall": (0.25, 0.45),
    "liver": (0.25, 0.75),
    "liver_gap_mm": (9.0, 22.0),
    "stomach": (0.08, 0.25),
    "gut": (0.10, 0.50),
    "gut_gap_mm": (20.0, 40.0),
    "breast_mm": (18.0, 42.0),
    "body_scale": (0.94, 1.07),
    "respiration_mm": (2.0, 6.0),
    "counts_millions": (3.0, 7.0),
    "defect": (0.0, 0.0),  # share of the uptake that is missing
    "defect_theta_deg": (0.0, 360.0),
    "defect_f": (0.25, 0.75),
    "defect_half_deg": (28.0, 45.0),
    "defect_half_f": (0.22, 0.35),
    "apex_loss": (0.0, 0.0),
}
"""Every quantity that ``PhantomSpec.anatomy`` may fix; the pair is its uniform range."""


@dataclass(frozen=True)
class Heart:
    """Left ventricle: two ellipsoids about one centre, cut by the basal plane.

    Lengths are mm. ``base_s`` and ``base_a`` are the slopes of the basal plane
    ``t = base + base_s * s + base_a * a``; ``harmonics`` deform the cross-section.
    """

    centre: FloatArray
    axis: FloatArray
    anterior: FloatArray
    lateral: FloatArray
    r_endo: float
    long_endo: float
    wall: float
    wall_apex: float
    base: float
    base_s: float
    base_a: float
    harmonics: FloatArray

    @property
    def vector(self) -> FloatArray:
        """All numbers in the order that ``paint_heart`` reads: one row of float64, mm."""
        right = (-6.0, -3.0, -(self.r_endo + self.wall + 7.0), 44.0, 32.0, 30.0, 4.0)
        numbers = (self.r_endo, self.long_endo, self.wall, self.wall_apex)
        base = (self.base, self.base_s, self.base_a)
        parts = (self.centre, self.axis, self.anterior, self.lateral)
        return np.concatenate([*parts, numbers, base, self.harmonics, right])

    def coordinates(self, position_mm: FloatArray) -> FloatArray:
        """Position in the patient to position in the heart.

        Parameters
        ----------
        position_mm : (n, 3) float64 array, mm
            (x, y, z), LPS.

        Returns
        -------
        (n, 3) float64 array, mm
            (t, a, s).
        """
        frame = np.stack([self.axis, self.anterior, self.lateral], axis=1)
        local: FloatArray = (position_mm - self.centre) @ frame
        return local

    def beat(self, contraction: float) -> Heart:
        """Shape between end-diastole (0) and end-systole (1), an ejection fraction near 60 %.

        The epicardium hardly moves, the wall thickens inwards, the base comes down to the apex,
        which stays; half way it is about the heart that was drawn.
        """
        outer = (self.r_endo + self.wall) * (1.02 - 0.05 * contraction)
        r_endo = self.r_endo * (1.10 - 0.28 * contraction)
        thickening = (outer - r_endo) / self.wall
        wall_apex = self.wall_apex * (1.0 + 0.5 * (thickening - 1.0))
        return replace(
            self,
            r_endo=r_endo,
            wall=outer - r_endo,
            wall_apex=wall_apex,
            long_endo=self.long_endo + self.wall_apex - wall_apex,
            base=self.base + 9.0 * (contraction - 0.5),
        )

    def surface(self) -> FloatArray:
        """Points of the epicardium, in steps of 10 degrees.

        Returns
        -------
        (n, 3) float64 array, mm
            (x, y, z), LPS.
        """
        theta, phi = np.meshgrid(np.arange(0, 2 * np.pi, np.pi / 18), np.linspace(0.0, 1.75, 15))
        rho = (self.r_endo + self.wall) * np.sin(phi).ravel()
        t = (self.long_endo + self.wall_apex) * np.cos(phi).ravel()
        local = np.stack([t, rho * np.sin(theta).ravel(), rho * np.cos(theta).ravel()], axis=1)
        points: FloatArray = self.centre + local @ np.stack(
            [self.axis, self.anterior, self.lateral]
        )
        return points


def draw_parameters(
    rng: np.random.Generator, fixed: Mapping[str, float], sex: str
) -> dict[str, float]:
    """One value for every entry of ``DEFAULTS``; ``fixed`` wins over the draw.

    All are drawn in one order whether fixed or not, so that fixing one leaves the others alone.
    """
    unknown = sorted(set(fixed) - set(DEFAULTS))
    if unknown:
        raise WrongArgumentError(
            f"anatomy {unknown} is unknown", way_out=f"use one of {', '.join(DEFAULTS)}"
        )
    values = {name: float(rng.uniform(low, high)) for name, (low, high) in DEFAULTS.items()}
    size = float(np.clip(rng.normal(26.2 if sex == "M" else 24.4, 2.3), 18.5, 32.0))
    values["r_endo_mm"] = size
    values.update({name: float(value) for name, value in fixed.items()})
    return values


def draw_heart(rng: np.random.Generator, values: Mapping[str, float]) -> Heart:
    """Place a ventricle in the chest."""
    axis = _unit(np.array([0.60, -0.60, -0.50]))
    side = _unit(np.cross(axis, rng.normal(size=3)))
    spread = math.radians(values["axis_spread_deg"])
    axis = _unit(math.cos(spread) * axis + math.sin(spread) * side)
    up = np.array([0.0, 0.0, 1.0])
    anterior = _unit(up - float(up @ axis) * axis)
    lateral = np.cross(anterior, axis)
    r_endo = values["r_endo_mm"]
    long_endo = values["elongation"] * r_endo
    middle = np.array([57.0, -38.0, 0.0]) + rng.uniform(-7.0, 7.0, size=3)
    tilt = math.tan(math.radians(values["base_tilt_deg"]))
    return Heart(
        centre=middle - 0.30 * long_endo * axis,
        axis=axis,
        anterior=anterior,
        lateral=lateral,
        r_endo=r_endo,
        long_endo=long_endo,
        wall=values["wall_mm"],
        wall_apex=values["wall_mm"] * values["apex_wall_factor"],
        base=-values["base_fraction"] * long_endo,
        base_s=-tilt,  # the septum is the shorter wall
        base_a=float(rng.uniform(-0.08, 0.08)),
        harmonics=rng.normal(size=6) * values["swell"] * np.repeat([1.0, 0.6, 0.4], 2),
    )


def draw_organs(
    rng: np.random.Generator, values: Mapping[str, float], heart: Heart, sex: str
) -> tuple[FloatArray, int]:
    """Ellipsoids (centre, semi-axes, activity, mu) in painting order, and the breast's row.

    Parameters
    ----------
    rng : numpy.random.Generator
    values : mapping of name to float
        Drawn anatomy: sizes in mm, activities relative to the heart's.
    heart : Heart
        Stomach, liver and gut keep their distance from it.
    sex : {"F", "M"}

    Returns
    -------
    organs : (n, 8) float64 array
    breast : int
        Row of the left breast, -1 where there is none.
    """
    scale, soft = values["body_scale"], values["soft"]
    edge = heart.surface()
    rows: list[tuple[float, ...]] = []
    if sex == "F":
        thick = values["breast_mm"]
        rows.append((78.0, -92.0 * scale, 12.0, 62.0, thick + 22.0, 58.0, soft, MU_SOFT))
    rows.append((0.0, 0.0, 0.0, 165.0 * scale, 115.0 * scale, 4000.0, soft, MU_SOFT))
    lung = (values["lung"], MU_LUNG)
    rows.append((-82.0 * scale, 10.0, 85.0, 58.0 * scale, 84.0 * scale, 125.0, *lung))
    rows.append((86.0 * scale, 14.0, 85.0, 55.0 * scale, 82.0 * scale, 130.0, *lung))
    middle = heart.centre + 0.2 * heart.long_endo * heart.axis
    reach = heart.r_endo + heart.wall + 9.0
    rows.append(
        (*(middle + np.array([-14.0, 6.0, 4.0])), reach + 30, reach + 14, reach + 16, soft, MU_SOFT)
    )
    stomach = np.array([82.0, 22.0, -60.0]) + rng.uniform(-8, 8, size=3)
    stomach = _below(stomach, np.array([44.0, 46.0, 38.0]), edge, 14.0)
    rows.append((*stomach, 44.0, 46.0, 38.0, values["stomach"], MU_SOFT))
    liver = np.array([-38.0, -18.0, -40.0]) + rng.uniform(-10, 10, size=3)
    liver_axes = np.array([112.0, 82.0, 66.0]) * scale
    liver = _below(liver, liver_axes, edge, values["liver_gap_mm"])
    rows.append((*liver, *liver_axes, values["liver"], MU_SOFT))
    start = np.array([float(rng.uniform(45, 65)), float(rng.uniform(-35, -15)), -45.0])
    gut = _below(start, np.array([15.0, 15.0, 15.0]), edge, values["gut_gap_mm"])
    bend = float(rng.uniform(-0.5, 0.5))
    for k in range(-3, 4):
        bead = gut + np.array([11.0 * k, 9.0 * bend * k, -1.2 * k * k])
        rows.append((*bead, 15.0, 15.0, 15.0, values["gut"], MU_SOFT))
    return np.array(rows), (0 if sex == "F" else -1)


def perfusion(
    rng: np.random.Generator,
    heart: Heart,
    values: Mapping[str, float],
    amplitude: Mapping[str, float],
    position_mm: FloatArray,
    index: IntArray,
) -> FloatArray:
    """Relative uptake (n,) of wall voxels.

    In each vessel's territory the smooth field (about 10 mm) has mean 1 and, before any defect,
    exactly the asked relative standard deviation.

    Parameters
    ----------
    rng : numpy.random.Generator
    heart : Heart
    values : mapping of name to float
        Defect (depth, middle, half-widths) and loss of the apex.
    amplitude : mapping of vessel to float
        Relative standard deviation that is asked for; .05 where a vessel is not named.
    position_mm : (n, 3) float64 array, mm
        (x, y, z) of the voxels.
    index : (n, 3) int64 array
        Their (y, x, z) in the grid, for the field.

    Returns
    -------
    (n,) float64 array
    """
    from scipy.ndimage import gaussian_filter

    t, a, s = heart.coordinates(position_mm).T
    theta = np.degrees(np.arctan2(a, s)) % 360.0
    f = (t - heart.base) / (heart.long_endo - heart.base)
    cells = index - index.min(axis=0)
    noise = rng.standard_normal((40, 40, 40))
    field = gaussian_filter(noise, 8.0 / 4.8, mode="wrap")[tuple((cells % 40).T)]
    uptake = np.ones(len(t))
    owners = territory(theta, f)
    for vessel in VESSELS:
        own = owners == VESSELS.index(vessel)
        part = field[own] - field[own].mean()
        uptake[own] += float(amplitude.get(vessel, 0.05)) * part / part.std()
    drift = 0.03 * np.cos(np.radians(theta - rng.uniform(0, 360)))
    uptake = np.clip(uptake, 0.25, 1.9) * (1.0 + drift)
    turn = (theta - values["defect_theta_deg"] + 180.0) % 360.0 - 180.0
    hole = np.exp(-0.5 * (np.abs(turn) / values["defect_half_deg"]) ** 4)
    hole *= np.exp(-0.5 * (np.abs(f - values["defect_f"]) / values["defect_half_f"]) ** 4)
    uptake = uptake * (1.0 - values["defect"] * hole)
    thinned: FloatArray = uptake * (1.0 - values["apex_loss"] / (1.0 + np.exp(-(f - 0.82) / 0.05)))
    return thinned


def territory(theta_deg: FloatArray, f: FloatArray) -> IntArray:
    """Vessel of each wall point by the 17-segment model.

    Parameters
    ----------
    theta_deg : (n,) float64 array, degrees
    f : (n,) float64 array
        Share of the way from base to apex; from 1 on it is the apex itself.

    Returns
    -------
    (n,) int64 array
        Index into ``VESSELS``.
    """
    six = np.floor(((theta_deg - 60.0) % 360.0) / 60.0).astype(np.int64)
    four = np.floor(((theta_deg - 45.0) % 360.0) / 90.0).astype(np.int64)
    six_owner = np.array([VESSELS.index(name) for name in SIX_OWNER])[np.clip(six, 0, 5)]
    four_owner = np.array([VESSELS.index(name) for name in FOUR_OWNER])[np.clip(four, 0, 3)]
    found: IntArray = np.where(f < 2 / 3, six_owner, np.where(f < 1.0, four_owner, 0))
    return found


def heart_box(heart: Heart, affine: FloatArray, shape: tuple[int, int, int]) -> IntArray:
    """Part of a grid that holds both ventricles.

    Parameters
    ----------
    heart : Heart
    affine : (4, 4) float64 array
        Index (z, y, x, 1) to LPS mm.
    shape : (z, y, x) int
        Of the grid.

    Returns
    -------
    (3, 2) int64 array
        First index and end along z, y and x.
    """
    right = heart.surface() - 66.0 * heart.lateral
    points = np.concatenate([heart.surface(), right])
    inverse = np.linalg.inv(affine)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.floor(index.min(axis=0)) - 2, 0, shape)
    high = np.clip(np.ceil(index.max(axis=0)) + 3, 0, shape)
    box: IntArray = np.ascontiguousarray(np.stack([low, high], axis=1).astype(np.int64))
    return box


def fractions(
    heart: Heart, affine: FloatArray, shape: tuple[int, int, int], sub: int = 3
) -> _kernels.Float32Array:
    """Share of each voxel in (wall, cavity, right wall, right cavity).

    Parameters
    ----------
    heart : Heart
    affine : (4, 4) float64 array
        Index (z, y, x, 1) to LPS mm.
    shape : (z, y, x) int
    sub : int
        Points of a voxel along each axis that are asked.

    Returns
    -------
    (4, z, y, x) float32 array
        0 to 1.
    """
    box = heart_box(heart, affine, shape)
    size = np.array(shape, dtype=np.int64)
    matrix = np.ascontiguousarray(affine)
    shares: _kernels.Float32Array = _kernels.paint_heart(matrix, size, box, heart.vector, sub)
    return shares


def _below(centre: FloatArray, axes: FloatArray, edge_mm: FloatArray, gap_mm: float) -> FloatArray:
    """Move an ellipsoid along z until it lies ``gap_mm`` under the heart's surface."""
    low, high = -260.0, 60.0
    for _ in range(24):
        z = 0.5 * (low + high)
        offset = edge_mm - np.array([centre[0], centre[1], z])
        level = np.sqrt(((offset / axes) ** 2).sum(axis=1))
        distance = np.linalg.norm(offset, axis=1) * (1.0 - 1.0 / np.maximum(level, 1e-6))
        if float(distance.min()) > gap_mm:
            low = z
        else:
            high = z
    return np.array([centre[0], centre[1], low])


def _unit(vector: FloatArray) -> FloatArray:
    return vector / float(np.linalg.norm(vector))

"""Left ventricles with what real ones have and an ellipsoid lacks, for ``lifelike_hearts``.

Both surfaces bend, ripple and flatten at the septum; the wall is unevenly thick; the base is a
notched, wavy line; papillary muscles stand in the cavity; the right ventricle may glow; the uptake
has defects and hot spots of any size. Drawn without any code of the segmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.ndimage import gaussian_filter

from mpss_lib.demo import anatomy
from mpss_lib.volume import FloatArray, IntArray

SHAPE: Mapping[str, tuple[float, float]] = {
    "r_endo_mm": (18.5, 31.0),
    "elongation": (1.65, 2.25),
    "wall_mm": (8.5, 12.5),
    "apex_wall_factor": (0.65, 1.0),
    "septal_thickening": (0.9, 1.2),
    "flat_septum": (0.0, 0.12),  # share by which the septal radius is shorter
    "bend_mm": (0.0, 5.0),  # of the axis at apex and base
    "ripple_mm": (0.0, 1.2),  # RMS of smooth bumps that both surfaces share
    "base_fraction": (0.12, 0.38),
    "base_tilt_deg": (0.0, 18.0),
    "notch_mm": (0.0, 14.0),  # membranous septum and outflow tract: no wall there
    "base_ripple_mm": (0.0, 2.5),
    "papillary_mm": (3.0, 6.0),
    "papillary": (0.0, 0.9),  # uptake
    "right_mm": (2.5, 4.5),  # thickness of the right ventricle's wall
    "right_wall": (0.2, 0.5),  # uptake
    "cavity": (0.08, 0.22),
}
UPTAKE: Mapping[str, tuple[float, float]] = {
    "mottle": (0.03, 0.14),  # relative SD of the smooth pattern
    "mottle_mm": (7.0, 14.0),
    "drift": (0.0, 0.12),
    "n_defects": (0.0, 0.0),
    "defect": (0.2, 0.95),
    "defect_half_deg": (15.0, 75.0),
    "defect_half_f": (0.1, 0.5),
    "n_hot": (0.0, 1.5),
    "hot": (0.1, 0.35),  # share that is added
    "hot_half_deg": (15.0, 40.0),
}


class Solid(Protocol):
    """What can be painted: the frame that it lies in and which of the five parts a point is in."""

    @property
    def heart(self) -> anatomy.Heart: ...

    def parts(self, position_mm: FloatArray) -> FloatArray: ...


@dataclass(frozen=True)
class Shape:
    """A drawn ventricle: the frame of ``anatomy.Heart`` and what deforms it."""

    heart: anatomy.Heart
    values: Mapping[str, float]
    bend: FloatArray  # (2,): a and s at t = long axis
    ripple: FloatArray  # (3, 7): powers of t times Fourier 0-3
    base_ripple: FloatArray  # (4,): Fourier 2-3
    notch_deg: float

    def parts(self, position_mm: FloatArray) -> FloatArray:
        """Whether points (n, 3) lie in wall, cavity, papillary, right wall or cavity: (5, n)."""
        t, a, s = self.heart.coordinates(position_mm).T
        long = self.heart.long_endo
        bent = np.clip(t / long, -1.2, 1.2) ** 2
        a, s = a - self.bend[0] * bent, s - self.bend[1] * bent
        theta = np.arctan2(a, s)
        rho = np.hypot(a, s) - self._ripples(t / long, theta)
        septal = np.clip(-np.cos(theta), 0.0, None) ** 2
        rho = rho / (1.0 - self.values["flat_septum"] * septal)
        wall = self.values["wall_mm"] * (1.0 + (self.values["septal_thickening"] - 1.0) * septal)
        inner, outer = self.heart.r_endo, self.heart.r_endo + wall
        is_epi = (rho / outer) ** 2 + (t / (long + self.heart.wall_apex)) ** 2 < 1.0
        is_endo = (rho / inner) ** 2 + (t / long) ** 2 < 1.0
        above = t > self._base(theta, np.clip(rho, 0.0, outer))
        is_epi &= above
        is_endo &= above
        muscle = is_endo & self._is_papillary(t, theta, rho)
        right = self._right(t, a, s) & ~is_epi
        return np.stack([is_epi & ~is_endo, is_endo & ~muscle, muscle, *right])

    def share(self, t: FloatArray) -> FloatArray:
        """Place along the ventricle: 0 at the base, 1 at the endocardial apex."""
        f: FloatArray = (t - self.heart.base) / (self.heart.long_endo - self.heart.base)
        return f

    def _ripples(self, x: FloatArray, theta: FloatArray) -> FloatArray:
        along = np.stack([np.ones_like(x), x, 2.0 * x * x - 1.0])
        around = np.stack(
            [np.ones_like(x), *(g(k * theta) for k in (1, 2, 3) for g in (np.cos, np.sin))]
        )
        taper = np.sqrt(np.clip(1.0 - np.clip(x, 0.0, 1.0) ** 2, 0.0, 1.0))
        total: FloatArray = taper * np.einsum("in,ik,kn->n", along, self.ripple, around)
        return total

    def _base(self, theta: FloatArray, rho: FloatArray) -> FloatArray:
        tilted = self.heart.base + rho * (
            self.heart.base_s * np.cos(theta) + self.heart.base_a * np.sin(theta)
        )
        waves = sum(
            w * g(k * theta)
            for w, (k, g) in zip(
                self.base_ripple, ((2, np.cos), (2, np.sin), (3, np.cos), (3, np.sin)), strict=True
            )
        )
        off = (theta - np.radians(self.notch_deg) + np.pi) % (2.0 * np.pi) - np.pi
        notch = self.values["notch_mm"] * np.exp(-0.5 * (off / np.radians(28.0)) ** 2)
        base: FloatArray = tilted + waves + notch
        return base

    def _is_papillary(self, t: FloatArray, theta: FloatArray, rho: FloatArray) -> FloatArray:
        f, reach = self.share(t), self.values["papillary_mm"]
        edge = self.heart.r_endo * np.sqrt(np.clip(1.0 - (t / self.heart.long_endo) ** 2, 0, 1))
        found = np.zeros(len(t), dtype=bool)
        for degrees in (50.0, 295.0):
            off = (theta - np.radians(degrees) + np.pi) % (2.0 * np.pi) - np.pi
            away = np.hypot(rho * off, rho - (edge - reach))
            found |= (away < reach) & (f > 0.3) & (f < 0.75)
        return found

    def _right(self, t: FloatArray, a: FloatArray, s: FloatArray) -> FloatArray:
        centre = (-6.0, -3.0, -(self.heart.r_endo + self.heart.wall + 7.0))
        axes, thick = np.array([44.0, 32.0, 30.0]), self.values["right_mm"]
        u, v, w = t - centre[0], a - centre[1], s - centre[2]
        outer = (u / axes[0]) ** 2 + (v / axes[1]) ** 2 + (w / axes[2]) ** 2 < 1.0
        axes = axes - thick
        inner = (u / axes[0]) ** 2 + (v / axes[1]) ** 2 + (w / axes[2]) ** 2 < 1.0
        return np.stack([outer & ~inner, inner])


def draw_shape(rng: np.random.Generator, values: Mapping[str, float]) -> Shape:
    """Draw one; ``values`` holds every name of ``SHAPE``."""
    heart = anatomy.draw_heart(rng, {"swell": 0.0, **values})
    turn = rng.uniform(0.0, 2.0 * np.pi)
    ripple = rng.standard_normal((3, 7)) / np.array([1, 1.5, 2])[:, None]
    ripple *= values["ripple_mm"] / np.array([2.5, 2, 2, 1.6, 1.6, 2, 2])
    wave = rng.standard_normal(4) * values["base_ripple_mm"] / np.array([1.4, 1.4, 2.0, 2.0])
    bend = values["bend_mm"] * np.array([np.cos(turn), np.sin(turn)])
    return Shape(heart, values, bend, ripple, wave, float(rng.uniform(110.0, 190.0)))


def shares_of(shape: Solid, affine: FloatArray, size: IntArray, sub: int) -> FloatArray:
    """Share of each voxel in the five ``parts``: (5, z, y, x)."""
    grid = (int(size[0]), int(size[1]), int(size[2]))
    box = anatomy.heart_box(shape.heart, affine, grid)
    axes = [np.arange(low, high) for low, high in box]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    part = np.zeros((5, len(index)))
    steps = (np.arange(sub) + 0.5) / sub - 0.5
    for dz in steps:
        for dy in steps:
            for dx in steps:
                at = (index + np.array([dz, dy, dx])) @ affine[:3, :3].T + affine[:3, 3]
                part += shape.parts(at)
    out = np.zeros((5, *grid))
    out[(slice(None), *(slice(low, high) for low, high in box))] = (part / sub**3).reshape(
        5, *(len(axis) for axis in axes)
    )
    return out


def uptake_of(
    rng: np.random.Generator, shape: Shape, values: Mapping[str, float], position_mm: FloatArray
) -> FloatArray:
    """Relative uptake (n,) of wall points (n, 3)."""
    t, a, s = shape.heart.coordinates(position_mm).T
    theta, f = np.degrees(np.arctan2(a, s)), shape.share(t)
    field = gaussian_filter(
        rng.standard_normal((48, 48, 48)), values["mottle_mm"] / 4.0, mode="wrap"
    )
    cell = np.floor(position_mm / 4.0).astype(np.int64) % 48
    uptake = 1.0 + values["mottle"] * field[tuple(cell.T)] / field.std()
    uptake += values["drift"] * np.cos(np.radians(theta - rng.uniform(0.0, 360.0)))

    def blob(half_deg: float, half_f: float, power: float) -> FloatArray:
        at_deg, at_f = rng.uniform(0.0, 360.0), rng.uniform(0.1, 1.0)
        turn = (theta - at_deg + 180.0) % 360.0 - 180.0
        turn = turn * np.clip(1.3 * (1.0 - f), 0.05, 1.0)  # angles mean less near the apex
        found: FloatArray = np.exp(
            -0.5 * np.abs(turn / half_deg) ** power - 0.5 * np.abs((f - at_f) / half_f) ** power
        )
        return found

    for _ in range(round(values["n_hot"])):
        uptake += values["hot"] * blob(values["hot_half_deg"], 0.25, 2.0)
    for _ in range(round(values["n_defects"])):
        uptake *= 1.0 - values["defect"] * blob(
            values["defect_half_deg"], values["defect_half_f"], 4.0
        )
    return np.clip(uptake, 0.02, 2.5)

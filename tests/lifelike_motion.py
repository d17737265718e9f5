"""A patient who moves between the views, and where the reconstruction shows the heart then.

A view is blind along its own direction, and tells most of the surfaces that it sees edge-on: of a
piece of wall with the normal n the reconstruction shows what the views across n saw (which edges
which rays show: Quinto, SIAM J Math Anal 1993;24:1215-25). A heart that jumped half-way through the
orbit is therefore shown in neither place where it lay, and out of shape: each piece of its wall is
where the views that look along it saw it. ``displacements`` moves each piece so, along its normal.
How much of that comes out depends on how many views agree, so ``fit_shown`` asks the picture: the
shift and the share of the deformation with which the heart at rest correlates best with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from lifelike_shape import Shape
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize

from mpss_lib.demo import anatomy
from mpss_lib.volume import FloatArray

VIEWS = 60
LEAST_MOVED_MM = 4.0  # who moved less is where the views saw him, by least squares
EDGE_ON = 0.26  # SD of the cosine between a normal and the direction of a view that shows it
NEAR_MM = 12.0  # SD: pieces of wall that are moved alike
HOLD = 0.05  # weight of the mean shift against the pieces near by
GRID_MM, MARGIN_MM = 8.0, 32.0


def view_angles() -> FloatArray:
    """Angles of the views, radians: 180 degrees from right anterior to left posterior."""
    angles: FloatArray = np.radians(-135.0 + (np.arange(VIEWS) + 0.5) * 180.0 / VIEWS)
    return angles


def draw_path(rng: np.random.Generator, jump_mm: float, creep_mm: float) -> FloatArray:
    """Where the patient lies in each view (view, 3), LPS mm, mean 0.

    One jump, perhaps back again, and a steady creep.
    """
    view = np.arange(VIEWS)
    first = int(rng.integers(12, 48))
    is_after = view >= first
    if rng.uniform() < 0.3:
        is_after &= view < first + int(rng.integers(6, 20))
    way, crept = rng.standard_normal(3) * [0.7, 0.7, 1.0], rng.standard_normal(3) * [0.4, 0.4, 1.0]
    path = jump_mm * is_after[:, None] * way / np.linalg.norm(way)
    path = path + creep_mm * (view / VIEWS)[:, None] * crept / np.linalg.norm(crept)
    centred: FloatArray = path - path.mean(axis=0)
    return centred


def move_views(seen: FloatArray, path: FloatArray, voxel_mm: float) -> FloatArray:
    """Shift the views (view, u, z) as the patient lay."""
    across = (_across() * path[:, :2]).sum(axis=1)
    fu = np.fft.fftfreq(2 * seen.shape[1])[:, None]
    fz = np.fft.rfftfreq(2 * seen.shape[2])[None, :]
    moved = np.empty_like(seen)
    for k in range(VIEWS):  # exact shifts: interpolation would blur
        du, dz = across[k] / voxel_mm, path[k, 2] / voxel_mm
        padded = np.pad(seen[k], ((0, seen.shape[1]), (0, seen.shape[2])), mode="symmetric")
        turned = np.fft.rfft2(padded) * np.exp(-2j * np.pi * (fu * du + fz * dz))
        moved[k] = np.fft.irfft2(turned, padded.shape)[: seen.shape[1], : seen.shape[2]]
    return moved


def _across() -> FloatArray:
    """Unit vectors (view, 2) of x and y along which a view tells places apart."""
    angles = view_angles()
    return np.stack([-np.sin(angles), np.cos(angles)], axis=1)


@dataclass(frozen=True)
class Shown:
    """How the picture shows a heart: shifted, and a share of ``grid`` moved besides.

    ``grid`` (i, j, k, 3) holds displacements, LPS mm, at ``corner`` + ``GRID_MM`` (i, j, k).
    """

    shift: FloatArray
    share: float
    corner: FloatArray
    grid: FloatArray

    def at_rest(self, position_mm: FloatArray) -> FloatArray:
        """Place (n, 3) in the heart at rest of what the picture shows at (n, 3), LPS mm."""
        moved = position_mm - self.shift
        if self.share == 0.0:
            return moved
        place: FloatArray = moved - self.share * self._bent(moved)
        return moved - self.share * self._bent(place)

    def _bent(self, position_mm: FloatArray) -> FloatArray:
        index = ((position_mm - self.corner) / GRID_MM).T
        return np.stack(
            [map_coordinates(part, index, order=1, mode="nearest") for part in self._parts],
            axis=1,
        )

    @cached_property
    def _parts(self) -> tuple[FloatArray, ...]:
        return tuple(np.ascontiguousarray(self.grid[..., k]) for k in range(3))


@dataclass(frozen=True)
class MovedShape:
    """A drawn ventricle as a picture shows it, to be painted in the place of ``Shape``."""

    shape: Shape
    shown: Shown

    @property
    def heart(self) -> anatomy.Heart:
        """Frame about which it is painted."""
        return replace(self.shape.heart, centre=self.shape.heart.centre + self.shown.shift)

    def parts(self, position_mm: FloatArray) -> FloatArray:
        """Whether points (n, 3) lie in wall, cavity, papillary, right wall or cavity: (5, n)."""
        return self.shape.parts(self.shown.at_rest(position_mm))


def wall_pieces(heart: anatomy.Heart) -> tuple[FloatArray, FloatArray]:
    """Points of the mid-wall (n, 3), LPS mm, and normals; the rim counts as a piece of the base."""
    long, short = heart.long_endo + 0.5 * heart.wall_apex, heart.r_endo + 0.5 * heart.wall
    phi = np.linspace(0.08, np.pi, 32)
    theta = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    phi, theta = (grid.ravel() for grid in np.meshgrid(phi, theta, indexing="ij"))
    keep = np.random.default_rng(0).uniform(size=phi.size) < np.sin(phi)  # equal areas
    t, radius = long * np.cos(phi[keep]), short * np.sin(phi[keep])
    a, s = radius * np.sin(theta[keep]), radius * np.cos(theta[keep])
    over = t - (heart.base + heart.base_s * s + heart.base_a * a)
    points = np.stack([t, a, s], axis=1)
    normals = points / np.array([long, short, short]) ** 2
    rim = np.abs(over) < 5.0
    flat = np.tile([1.0, -heart.base_a, -heart.base_s], (int(rim.sum()), 1))
    points = np.concatenate([points[over > -2.0], points[rim]])
    normals = np.concatenate([normals[over > -2.0], flat])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    frame = np.stack([heart.axis, heart.anterior, heart.lateral])
    return points @ frame + heart.centre, normals @ frame


def along_normals(normals: FloatArray, path: FloatArray) -> FloatArray:
    """How far each piece (n,) is shown along its normal, mm: the views that see it edge-on."""
    angles = view_angles()
    beam = np.stack([np.cos(angles), np.sin(angles), np.zeros(VIEWS)])
    weight = np.exp(-0.5 * (normals @ beam / EDGE_ON) ** 2)
    moved: FloatArray = (weight * (normals @ path.T)).sum(axis=1) / weight.sum(axis=1)
    return moved


def displacements(heart: anatomy.Heart, path: FloatArray) -> Shown:
    """Where a heart that lay along ``path`` (view, 3) is shown, by the rays alone."""
    points, normals = wall_pieces(heart)
    along = along_normals(normals, path)
    mean = np.linalg.lstsq(normals, along, rcond=None)[0]
    rest = along - normals @ mean
    corner = points.min(axis=0) - MARGIN_MM
    count = np.ceil((points.max(axis=0) + MARGIN_MM - corner) / GRID_MM).astype(int) + 1
    at = corner + GRID_MM * np.stack(np.meshgrid(*map(np.arange, count), indexing="ij"), axis=-1)
    away = ((at[..., None, :] - points) ** 2).sum(axis=-1)
    near = np.exp(-0.5 * away / NEAR_MM**2) + 1e-9
    square = np.einsum("...n,nj,nk->...jk", near, normals, normals, optimize=True)
    hold = HOLD * near.sum(axis=-1)[..., None, None] * np.eye(3)
    pull = (near * rest) @ normals
    grid = np.linalg.solve(square + hold, pull[..., None])[..., 0]
    return Shown(mean, 1.0, corner, grid)


def fit_shown(
    picture: FloatArray,
    still: FloatArray,
    corner: FloatArray,
    voxel_mm: float,
    heart: anatomy.Heart,
    path: FloatArray,
) -> Shown:
    """Where the reconstruction shows a patient who lay along ``path``.

    Parameters
    ----------
    picture, still : (z, y, x) float64 array
        The reconstruction and the blurred activity without motion, both about the heart.
    corner : (3,) float64 array
        Place (x, y, z) of their first voxel, LPS mm.
    voxel_mm : float
    heart : anatomy.Heart
        At rest.
    path : (view, 3) float64 array
        Offsets of the views, LPS mm.
    """
    by_rays = displacements(heart, path)
    least, most = path.min(axis=0), path.max(axis=0)
    if float((most - least).max()) < LEAST_MOVED_MM:
        return replace(by_rays, share=0.0)
    index = np.stack(np.meshgrid(*map(np.arange, picture.shape), indexing="ij"), axis=-1)
    places = corner + voxel_mm * index.reshape(-1, 3)[:, ::-1]

    def unlike(at: FloatArray) -> float:
        tried = replace(by_rays, shift=at[:3], share=float(at[3]))
        back = ((tried.at_rest(places) - corner) / voxel_mm)[:, ::-1].T
        moved = map_coordinates(still, back, order=1, mode="nearest")
        return -float(np.corrcoef(moved, picture.ravel())[0, 1])

    bounds = [*zip(least - 0.01, most + 0.01, strict=True), (0.0, 1.2)]
    start = [*np.clip(by_rays.shift, least, most), 0.7]
    options = {"xtol": 0.02, "ftol": 1e-4}
    found = minimize(unlike, start, method="Powell", bounds=bounds, options=options).x
    return replace(by_rays, shift=found[:3], share=float(found[3]))

"""Heart frame, surfaces and basal plane, found from given masks of cavity and epicardium.

What the automatic method finds in the counts is read from the masks here, in the same form, so
that regions, quality metrics and pictures treat both alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpss_lib.errors import GeometryError
from mpss_lib.segmentation import mid_wall, regions, surface, valve
from mpss_lib.segmentation.localise import Prior, anterior_of
from mpss_lib.segmentation.regions import Wall
from mpss_lib.segmentation.surface import ANGLES, CAP_ROWS, ROWS, Ellipsoid, Frame
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

FEWEST_OPENING = 6
"""Faces of the cavity that look out of the epicardium: with fewer the base is closed."""
RAY_MM = np.arange(0.5, 80.0, 0.5)
_WAY_OUT = "look at the contours beside the series that intake chose"


@dataclass(frozen=True)
class ContourSurfaces:
    """A ventricle as its masks show it; ``mid_mm`` (rows, angles) is the middle of the wall."""

    frame: Frame
    wall: Wall
    mid_mm: FloatArray
    plane: BasalPlane
    rays: surface.Rays
    wall_mm: float

    @property
    def is_wall(self) -> BoolArray:
        """(rows, angles): whether the ray meets the wall on the apex side of the basal plane."""
        return self.plane.has_on_apex_side(self.mid_mm)


def find_surfaces(volume: Volume, endo: BoolArray, epi: BoolArray, prior: Prior) -> ContourSurfaces:
    """Trace the ventricle.

    Parameters
    ----------
    volume : Volume
        Its counts give the ridge along the rays; nothing else depends on them.
    endo, epi : (z, y, x) bool arrays
        Cavity, and cavity with wall.
    prior : Prior
        Tells base from apex where the base is closed, and where anterior is.

    Returns
    -------
    ContourSurfaces

    Raises
    ------
    GeometryError
        If the masks enclose no ventricle: no cavity within a wall, or a wall that is too short.
    """
    opening = _opening(volume, endo, epi)
    inside = volume.to_patient(np.argwhere(epi).astype(np.float64))
    frame = _frame(volume, endo, inside, opening, prior)
    wall, plane = _surfaces(volume, endo, epi, frame, opening)
    mid = 0.5 * (wall.endo_mm + wall.epi_mm)
    ellipsoid = _ellipsoid(mid)
    bend = mid_wall.unbend(np.zeros_like(mid), ellipsoid, mid_wall.BLUR_MM2)
    rays = surface.cast(volume, frame, np.maximum(mid - bend, 2.0), surface.SEARCH_MM[-1])
    surfaces = ContourSurfaces(frame, wall, mid, plane, rays, math.nan)
    is_wall = surfaces.is_wall
    if not is_wall[:CAP_ROWS].any() or not is_wall[CAP_ROWS:].any():
        raise GeometryError("the masks enclose no ventricle with a wall", way_out=_WAY_OUT)
    across = (wall.epi_mm - wall.endo_mm) * regions.cosine_of(mid)
    return ContourSurfaces(frame, wall, mid, plane, rays, float(np.median(across[is_wall])))


def ridge_share(surfaces: ContourSurfaces) -> float:
    """Share of the wall's rays that meet a ridge of counts near the given wall."""
    return float(surfaces.rays.is_ridge[surfaces.is_wall].mean())


def misfit_mm(surfaces: ContourSurfaces) -> float:
    """Median distance between the given mid-wall and the ridge of counts, unbent."""
    ellipsoid = _ellipsoid(surfaces.mid_mm)
    unbent = mid_wall.unbend(surfaces.rays.radius_mm, ellipsoid, mid_wall.BLUR_MM2)
    return float(np.median(np.abs(unbent - surfaces.mid_mm)[surfaces.is_wall]))


def split_wall(volume: Volume, surfaces: ContourSurfaces, wall: BoolArray) -> dict[str, Mask]:
    """Split a given wall into the 17 segments and the three vascular regions of our definitions.

    Parameters
    ----------
    volume : Volume
    surfaces : ContourSurfaces
    wall : (z, y, x) bool array

    Returns
    -------
    dict of name to Mask
        S01 to S17, LAD3, LCX3, RCA3, on the volume's grid.
    """
    index = np.argwhere(wall)
    frame = surfaces.frame
    t, a, s = frame.to_local(volume.to_patient(index.astype(np.float64))).T
    theta = np.degrees(np.arctan2(a, s)) % 360.0
    f = (t - surfaces.plane.at) / (surfaces.wall.endo_apex_mm - surfaces.plane.at)
    number = regions.segment_number(theta, f)
    chosen = {f"S{n:02d}": number == n for n in range(1, 18)}
    for name in regions.SECTORS:
        chosen[name] = regions.is_in_vessel(name, theta, f, np.hypot(a, s))
    masks = {}
    for name, keep in chosen.items():
        array = np.zeros(wall.shape, dtype=np.bool_)
        array[tuple(index[keep].T)] = True
        masks[name] = Mask(array, volume.affine)
    return masks


def cavity_of(wall: BoolArray) -> BoolArray:
    """Cavity of a wall that was given without one: what its convex hull holds beside it.

    Parameters
    ----------
    wall : (z, y, x) bool array

    Returns
    -------
    (z, y, x) bool array
        The largest part where there are several.

    Raises
    ------
    GeometryError
        If the wall has no volume, or nothing lies within its hull beside it.
    """
    from scipy.ndimage import label
    from scipy.spatial import ConvexHull, QhullError

    index = np.argwhere(wall)
    try:
        hull = ConvexHull(index)
    except QhullError as error:
        raise GeometryError("the given myocardium has no volume", way_out=_WAY_OUT) from error
    low, high = index.min(axis=0), index.max(axis=0) + 1
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    box = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = (box @ hull.equations[:, :3].T + hull.equations[:, 3] <= 1e-9).all(axis=1)
    rest = np.zeros(wall.shape, dtype=np.bool_)
    rest[tuple(box[inside].T)] = True
    rest &= ~wall
    parts, n_parts = label(rest)
    if not n_parts:
        raise GeometryError("the given myocardium encloses no cavity", way_out=_WAY_OUT)
    cavity: BoolArray = parts == 1 + int(np.bincount(parts.ravel())[1:].argmax())
    return cavity


# ------------------------------------------------------------------------ the frame


def _opening(volume: Volume, endo: BoolArray, epi: BoolArray) -> FloatArray:
    """Places (n, 3), LPS mm, of the cavity's faces that look out of the epicardium: the base."""
    found = []
    for axis in range(3):
        for step in (-1, 1):
            beyond = np.roll(epi, -step, axis=axis)
            edge: list[slice | int] = [slice(None)] * 3
            edge[axis] = -1 if step > 0 else 0
            beyond[tuple(edge)] = False
            face = np.argwhere(endo & ~beyond).astype(np.float64)
            face[:, axis] += 0.5 * step
            found.append(face)
    return volume.to_patient(np.concatenate(found))


def _frame(
    volume: Volume, endo: BoolArray, inside: FloatArray, opening: FloatArray, prior: Prior
) -> Frame:
    cavity = volume.to_patient(np.argwhere(endo).astype(np.float64)).mean(axis=0)
    if len(opening) >= FEWEST_OPENING:
        axis = cavity - opening.mean(axis=0)
    else:
        _, vectors = np.linalg.eigh(np.cov((inside - inside.mean(axis=0)).T))
        axis = vectors[:, 2] * math.copysign(1.0, float(vectors[:, 2] @ prior.axis))
    size = float(np.linalg.norm(axis))
    if size < 1e-6:
        raise GeometryError("the cavity has no direction from base to apex", way_out=_WAY_OUT)
    axis = axis / size
    centre = cavity
    for _ in range(3):
        centre, axis = _centre_line(inside, centre, axis)
    t = (inside - centre) @ axis
    apex = float(t.max())
    rings = inside[(t > apex - 0.75 * (apex - t.min())) & (t < apex - 0.3 * (apex - t.min()))]
    across = rings - centre - np.outer((rings - centre) @ axis, axis)
    radius = math.sqrt(2.0) * float(np.sqrt((across**2).sum(axis=1).mean()))  # of a disc
    anterior = anterior_of(axis, prior)
    return Frame(centre + (apex - radius) * axis, axis, anterior, np.cross(anterior, axis))


def _centre_line(
    inside: FloatArray, centre: FloatArray, axis: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Line through the centroids of the whole cross-sections: neither the base nor the apex."""
    t = (inside - centre) @ axis
    low, high = float(t.min()), float(t.max())
    length = high - low
    edges = np.linspace(low + 0.3 * length, high - 0.12 * length, 9)
    points = [
        inside[(t >= a) & (t < b)].mean(axis=0)
        for a, b in pairwise(edges)
        if ((t >= a) & (t < b)).sum() >= FEWEST_OPENING
    ]
    if len(points) < 3:
        raise GeometryError(f"the given wall is only {length:.0f} mm long", way_out=_WAY_OUT)
    line = np.array(points)
    middle = line.mean(axis=0)
    _, _, vectors = np.linalg.svd(line - middle)
    direction: FloatArray = vectors[0] * math.copysign(1.0, float(vectors[0] @ axis))
    return middle, direction


# ---------------------------------------------------------------------- the surfaces


def _surfaces(
    volume: Volume, endo: BoolArray, epi: BoolArray, frame: Frame, opening: FloatArray
) -> tuple[Wall, BasalPlane]:
    start, way = surface.directions()
    local = start[:, :, None, :] + way[:, :, None, :] * RAY_MM[:, None]
    places = frame.to_patient(local.reshape(-1, 3))
    radii = []
    for mask in (endo, epi):
        share = Volume(mask.astype(np.float64), volume.affine)
        inside = surface.sample(share, places).reshape(local.shape[:-1]) >= 0.5
        radii.append(_reach(inside))
    plane = _plane(frame, opening, endo, volume)
    endo_mm, epi_mm = (_fill(radius, plane) for radius in radii)
    endo_mm = np.maximum(endo_mm, 2.0)
    return Wall(endo_mm, np.maximum(epi_mm, endo_mm + 1.0)), plane


def _reach(inside: BoolArray) -> FloatArray:
    """Radius (rows, angles) of the outermost place inside on each ray; NaN where there is none."""
    last = RAY_MM.size - 1 - np.argmax(inside[..., ::-1], axis=-1)
    return np.where(inside.any(axis=-1), RAY_MM[last] + 0.25, np.nan)


def _fill(radius: FloatArray, plane: BasalPlane) -> FloatArray:
    """Hold the last ring of the wall behind the base; there is no surface of its own there."""
    filled = radius.copy()
    points = surface.points_of(np.nan_to_num(radius, nan=0.0))
    beyond = points[..., 0] < plane.t(points[..., 1], points[..., 2]) + 2.0
    beyond[: CAP_ROWS + 1] = False
    filled[beyond] = np.nan
    whole = float(np.nanmedian(filled)) if np.isfinite(filled).any() else np.nan
    if not np.isfinite(whole):
        raise GeometryError("no ray meets the given wall", way_out=_WAY_OUT)
    for row in range(ROWS):
        before = filled[row - 1] if row else np.full(ANGLES, whole)
        filled[row] = np.where(np.isfinite(filled[row]), filled[row], before)
    return filled


def _plane(frame: Frame, opening: FloatArray, endo: BoolArray, volume: Volume) -> BasalPlane:
    if len(opening) < FEWEST_OPENING:
        cavity = frame.to_local(volume.to_patient(np.argwhere(endo).astype(np.float64)))
        return BasalPlane(float(cavity[:, 0].min()), 0.0, 0.0, 0.0, 0.0)
    t, a, s = frame.to_local(opening).T
    return valve.fit_plane(a, s, t, np.ones(len(t), dtype=np.bool_))


def _ellipsoid(mid_mm: FloatArray) -> Ellipsoid:
    """Ellipsoid about the surface: for the curvature only."""
    short = float(np.median(mid_mm[CAP_ROWS : CAP_ROWS + 4]))
    apex = float(mid_mm[0].mean())
    long = max(1.7 * short, 20.0)
    return Ellipsoid(apex - long, long, short)

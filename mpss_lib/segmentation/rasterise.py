"""Closed planar contours to a mask on a volume's grid.

The planes of the contours need not be the volume's slices: they may lie between them, be oblique
to them or stand at another distance. A voxel whose centre lies in a plane is in where the even-odd
rule over all contours of that plane says so (a contour inside another one is a hole). Between
planes the signed distances to the outlines of the nearest four are interpolated by a cubic (Raya
and Udupa 1990; Herman, Zheng and Bucholtz 1992): a line would cut what bulges. Beyond an end plane
the outline narrows on as it did before, for half a plane distance at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpss_lib.errors import GeometryError
from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume

PLANE_TOLERANCE_MM = 0.2
"""Corners of a contour, and contours of one plane, may lie this far out of it."""
PARALLEL_COSINE = 0.999
GAP = 1.5
"""Planes further apart than this times the usual distance are two pieces, not one."""
_WAY_OUT = "draw the region in parallel planes, or export it as a DICOM SEG"


@dataclass(frozen=True)
class Plane:
    """The outlines in one plane: distance along the normal (mm), corners (n, 2) of each."""

    at_mm: float
    outlines: tuple[FloatArray, ...]


@dataclass(frozen=True)
class Stack:
    """All outlines of a region: ``axes`` has rows u, v, normal (unit, LPS), planes by place."""

    axes: FloatArray
    planes: tuple[Plane, ...]
    step_mm: float

    @property
    def volume_ml(self) -> float:
        """Areas of the outlines times the distance of the planes: the volume without a grid."""
        total = sum(enclosed_mm2(plane.outlines) for plane in self.planes)
        return total * self.step_mm / 1000.0


def stack_contours(contours: Sequence[FloatArray], volume: Volume) -> Stack:
    """Sort contours into parallel planes.

    Parameters
    ----------
    contours : sequence of (n, 3) float64 arrays
        Corners (x, y, z), LPS mm. The same contour twice counts once.
    volume : Volume
        Gives the distance of the planes where there is only one of them.

    Returns
    -------
    Stack

    Raises
    ------
    GeometryError
        If a contour is not planar, encloses nothing, or they are not parallel.
    """
    if not contours:
        raise GeometryError("the region has no closed contour", way_out=_WAY_OUT)
    normals = np.array([_normal(points) for points in contours])
    first = normals[0]
    normals *= np.sign(normals @ first)[:, None]
    if (normals @ first).min() < PARALLEL_COSINE:
        raise GeometryError("the contours of the region are not parallel", way_out=_WAY_OUT)
    axes = _axes(_snap(normals.mean(axis=0), volume))
    places: list[tuple[float, FloatArray]] = []
    for points in contours:
        u, v, w = axes @ points.T
        if float(np.ptp(w)) > 2 * PLANE_TOLERANCE_MM:
            raise GeometryError(
                f"a contour leaves its plane by {np.ptp(w):.2f} mm", way_out=_WAY_OUT
            )
        places.append((float(w.mean()), np.stack([u, v], axis=1)))
    planes = _group(places)
    return Stack(axes, planes, _usual_step(planes, _voxel_mm(volume, axes[2])))


def fill(stack: Stack, volume: Volume) -> Mask:
    """Mask of a stack of contours on a volume's grid.

    Parameters
    ----------
    stack : Stack
    volume : Volume

    Returns
    -------
    Mask
        Voxels whose centre is inside; parts outside the volume are cut off.
    """
    array: BoolArray = np.zeros(volume.array.shape, dtype=np.bool_)
    index = _box(stack, volume)
    if not len(index):
        return Mask(array, volume.affine)
    place = volume.to_patient(index.astype(np.float64)) @ stack.axes.T
    inside = np.zeros(len(index), dtype=np.bool_)
    for piece in _pieces(stack):
        for low, high in pairwise(range(len(piece))):
            here = (place[:, 2] > piece[low].at_mm) & (place[:, 2] < piece[high].at_mm)
            nearest = piece[max(low - 1, 0) : high + 2]
            inside[here] = _interpolate(nearest, place[here]) > 0.0
        for end, before, sign in ((0, 1, -1.0), (-1, -2, 1.0)):
            off = sign * (place[:, 2] - piece[end].at_mm)
            here = (off > 0.0) & (off <= 0.5 * stack.step_mm + 1e-6)
            is_alone = len(piece) == 1
            inside[here] = _end(piece[end], None if is_alone else piece[before], place[here])
    for plane in stack.planes:  # a centre in the plane: the even-odd rule alone
        on = np.abs(place[:, 2] - plane.at_mm) <= PLANE_TOLERANCE_MM
        inside[on] = is_inside(plane.outlines, place[on, :2])
    array[tuple(index[inside].T)] = True
    return Mask(array, volume.affine)


def _pieces(stack: Stack) -> list[list[Plane]]:
    """Neighbouring planes that belong together."""
    pieces = [[stack.planes[0]]]
    for low, high in pairwise(stack.planes):
        if high.at_mm - low.at_mm > GAP * stack.step_mm:
            pieces.append([])
        pieces[-1].append(high)
    return pieces


def _interpolate(planes: Sequence[Plane], place: FloatArray) -> FloatArray:
    """Signed distance (n,) at places (n, 3): the polynomial through that of two to four planes."""
    depth = np.zeros(len(place))
    for plane in planes:
        weight = np.ones(len(place))
        for other in planes:
            if other is not plane:
                weight *= (place[:, 2] - other.at_mm) / (plane.at_mm - other.at_mm)
        depth += weight * signed_mm(plane.outlines, place[:, :2])
    return depth


def _end(plane: Plane, before: Plane | None, place: FloatArray) -> BoolArray:
    """Which places (n, 3) beyond an end plane are inside: within its outline, narrowing on."""
    inside = is_inside(plane.outlines, place[:, :2])
    if before is not None:
        inside[inside] = _interpolate((before, plane), place[inside]) > 0.0
    return inside


# ------------------------------------------------------------------------- in a plane


def is_inside(outlines: Sequence[FloatArray], points: FloatArray) -> BoolArray:
    """Even-odd rule over all outlines of a plane.

    Parameters
    ----------
    outlines : sequence of (m, 2) float64 arrays, mm
        Corners in the plane.
    points : (n, 2) float64 array, mm

    Returns
    -------
    (n,) bool array
    """
    odd: BoolArray = np.zeros(len(points), dtype=np.bool_)
    for corners in outlines:
        u0, v0 = corners.T
        u1, v1 = np.roll(corners, -1, axis=0).T
        u, v = points[:, :1], points[:, 1:]
        crosses = (v0 > v) != (v1 > v)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = u0 + (v - v0) * (u1 - u0) / (v1 - v0)
            odd ^= (np.where(crosses, u < at, False).sum(axis=1) % 2).astype(np.bool_)
    return odd


def signed_mm(outlines: Sequence[FloatArray], points: FloatArray) -> FloatArray:
    """Distance of points to the nearest outline of a plane; positive inside.

    Parameters
    ----------
    outlines : sequence of (m, 2) float64 arrays, mm
        Corners in the plane.
    points : (n, 2) float64 array, mm

    Returns
    -------
    (n,) float64 array, mm
    """
    nearest = np.full(len(points), np.inf)
    for corners in outlines:
        start, way = corners, np.roll(corners, -1, axis=0) - corners
        length2 = np.maximum((way**2).sum(axis=1), 1e-12)
        off = points[:, None, :] - start
        share = np.clip((off * way).sum(axis=2) / length2, 0.0, 1.0)
        gap2 = ((off - share[..., None] * way) ** 2).sum(axis=2).min(axis=1)
        nearest = np.minimum(nearest, np.sqrt(gap2))
    signed: FloatArray = np.where(is_inside(outlines, points), nearest, -nearest)
    return signed


def enclosed_mm2(outlines: Sequence[FloatArray]) -> float:
    """Area that the even-odd rule encloses, mm2; outlines do not cross each other.

    Parameters
    ----------
    outlines : sequence of (m, 2) float64 arrays, mm
        Corners in the plane.

    Returns
    -------
    float, mm2
    """
    total = 0.0
    for number, corners in enumerate(outlines):
        others = [other for i, other in enumerate(outlines) if i != number]
        depth = sum(bool(is_inside([other], corners[:1])[0]) for other in others)
        total += abs(_area(corners)) * (-1.0) ** depth
    return total


def _area(corners: FloatArray) -> float:
    u, v = corners.T
    return 0.5 * float(u @ np.roll(v, -1) - v @ np.roll(u, -1))


# --------------------------------------------------------------------------- planes


def _usual_step(planes: Sequence[Plane], voxel_mm: float) -> float:
    """Distance of neighbouring planes, mm; two planes alone may be two pieces, or neighbours."""
    steps = np.diff([plane.at_mm for plane in planes])
    if not steps.size:
        return voxel_mm
    if steps.size == 1:
        return min(float(steps[0]), voxel_mm)
    return float(np.quantile(steps, 0.25, method="lower"))


def _normal(points: FloatArray) -> FloatArray:
    """Give the unit normal of a closed contour by its area vector (Newell)."""
    centred = points - points.mean(axis=0)
    area = 0.5 * np.cross(centred, np.roll(centred, -1, axis=0)).sum(axis=0)
    size = float(np.linalg.norm(area))
    if size < 1e-6:
        raise GeometryError("a contour encloses no area", way_out=_WAY_OUT)
    unit: FloatArray = area / size
    return unit


def _snap(normal: FloatArray, volume: Volume) -> FloatArray:
    """Take the volume's own axis where the contours' normal is that but for rounding."""
    unit = normal / float(np.linalg.norm(normal))
    own = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    cosine = own.T @ unit
    best = int(np.abs(cosine).argmax())
    if abs(float(cosine[best])) > PARALLEL_COSINE:
        unit = own[:, best]
    return unit


def _axes(normal: FloatArray) -> FloatArray:
    helper = np.eye(3)[int(np.abs(normal).argmin())]
    u = np.cross(helper, normal)
    u /= float(np.linalg.norm(u))
    axes: FloatArray = np.stack([u, np.cross(normal, u), normal])
    return axes


def _voxel_mm(volume: Volume, normal: FloatArray) -> float:
    """Extent of a voxel along a direction, mm."""
    return float(np.abs(volume.affine[:3, :3].T @ normal).max())


def _group(places: list[tuple[float, FloatArray]]) -> tuple[Plane, ...]:
    """Planes by place; a contour that stands twice in one plane counts once."""
    planes: list[tuple[list[float], list[FloatArray]]] = []
    for at, corners in sorted(places, key=lambda one: one[0]):
        if not planes or at - planes[-1][0][0] > PLANE_TOLERANCE_MM:
            planes.append(([], []))
        heights, outlines = planes[-1]
        heights.append(at)
        if not any(_is_same(corners, other) for other in outlines):
            outlines.append(corners)
    return tuple(Plane(float(np.mean(at)), tuple(outlines)) for at, outlines in planes)


def _is_same(one: FloatArray, other: FloatArray) -> bool:
    """Whether two outlines have the same corners, wherever they start and whichever way."""
    if one.shape != other.shape:
        return False
    gap = np.abs(one[:, None, :] - other[None, :, :]).max(axis=2)
    return bool((gap.min(axis=0) < 1e-3).all() and (gap.min(axis=1) < 1e-3).all())


def _box(stack: Stack, volume: Volume) -> np.ndarray:
    """List the indices (n, 3) of the voxels that the contours may reach."""
    corners = [
        np.column_stack([outline, np.full(len(outline), plane.at_mm + sign * stack.step_mm)])
        for plane in stack.planes
        for outline in plane.outlines
        for sign in (-1.0, 1.0)
    ]
    index = volume.to_index(np.concatenate(corners) @ stack.axes)
    low = np.clip(np.floor(index.min(axis=0)), 0, volume.array.shape).astype(np.int64)
    high = np.clip(np.ceil(index.max(axis=0)) + 1, 0, volume.array.shape).astype(np.int64)
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

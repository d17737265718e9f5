"""Where the coronary arteries run, and what lies beside them, laid about one ventricle's surface.

Points in the heart's frame (height above the valve plane, anterior, lateral; mm), scaled by the
ventricle's own radius and length. LAD and posterior descending artery lie in the grooves between
the ventricles, at the borders of the septal segments (120 and 240 degrees; Cerqueira et al.,
Circulation 2002;105:539), diagonals and marginals on the wall between. LCX and RCA lie in the
grooves below the valve plane: that of the left around the mitral valve, that of the right about a
tricuspid valve as far to the right as the ventricle is wide. The left main artery runs from the
aortic root, wedged between both valves in front, to where LAD and LCX part (McAlpine, Heart and
Coronary Arteries, 1975); it begins at the wall that the CT shows, where it does (``aorta``). The
numbers are ours, rounded: they were not fitted to patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpss_lib.calcium.aorta import Aorta
from mpss_lib.calcium.heart import HeartSurface
from mpss_lib.volume import FloatArray

ON_WALL_MM, IN_GROOVE_MM = 5.0, 6.0  # artery to epicardium
STEP = 40  # points of a course
LAD_DEG, PDA_DEG, FORK_DEG, ROOT_DEG = 120.0, 240.0, 113.0, 157.0
ROOT_DEPTH_MM, ROOT_SHARE = 14.0, 0.64
LEAFLET_MM, WALL_MM = 13.0, 14.0
"""Radius of what calcifies in the aorta: leaflets and ring of its valve, its wall above."""
VALVE_MM, AORTA_MM = (-8.0, 12.0), (12.0, 75.0)
"""Heights of the two above the middle of the root, along the aorta."""
MAIN_FROM = 0.42  # of the way from the middle of the root to the fork: where its wall is
OSTIUM_MM = 10.0
"""Height of the left main's ostium above the middle of the root, where the CT shows the wall.

It lies 14 mm above the annulus, SD 3 (Tops et al., JACC Cardiovasc Imaging 2008;1:321); of 2, 6 and
10 mm the last had most lesions right on the seeds 720000-720299."""
DISC_SHARES = (0.0, 0.35, 0.7, 1.0)  # of the radius; the last is the wall
AORTA_LEAN = np.array([-0.2, -0.1, 1.0])
"""Way of the ascending aorta in the patient where few slabs show it: up, to the right, forward."""
RIGHT_DEG = (78.0, 305.0)  # of the right groove, from the root down
RIGHT_SHARE, GROOVE_SHARE, RIGHT_LOW_MM = 1.17, 0.75, 6.0
"""Centre of the tricuspid valve and radius of its groove, of the radius; how much lower it lies."""
ANNULUS_SHARES = (0.45, 0.78)
ANNULUS_MM = (-5.0, 6.0)
"""Ring of the mitral valve, all around: in front it stands for the edge of the aortic root too,
whose calcium passed for coronary in 4 of 107 chests without any where the ring was open there."""


@dataclass(frozen=True)
class Course:
    """Points (n, 3) of something in the heart's frame, and whose artery it is, if it is one."""

    name: str
    artery: str
    points: FloatArray


def root_of(heart: HeartSurface) -> FloatArray:
    """Where the middle of the aortic root should be.

    Parameters
    ----------
    heart : HeartSurface

    Returns
    -------
    (3,) float64 array, mm
        (x, y, z), LPS.
    """
    root = _polar([-ROOT_DEPTH_MM], [ROOT_DEG], [ROOT_SHARE * heart.radius_mm])
    (at,) = heart.to_patient(root)
    return np.asarray(at, dtype=np.float64)


def lay(heart: HeartSurface, tube: Aorta | None = None) -> list[Course]:
    """Lay arteries, aorta and mitral ring about a ventricle.

    Parameters
    ----------
    heart : HeartSurface
    tube : Aorta or None
        The ascending aorta where the CT shows it; else it is laid by the ventricle.

    Returns
    -------
    list of Course
        Points in the heart's frame, mm.
    """
    u = np.linspace(0.0, 1.0, STEP)
    long, radius = heart.length_mm, heart.radius_mm
    root = root_of(heart)
    fork = heart.to_patient(_polar([-7.0], [FORK_DEG], [radius + ON_WALL_MM]))[0]
    main = heart.to_heart(_main(root, fork, tube))

    def wall(low: float, high: float, first: float, last: float) -> FloatArray:
        height, degrees = long * (low + u * (high - low)), first + u * (last - first)
        return _polar(height, degrees, heart.radius_at(height, degrees) + ON_WALL_MM)

    groove = _polar(-5.0 + 0.0 * u, FORK_DEG - u * (FORK_DEG + 55.0), radius + IN_GROOVE_MM)
    arteries = {
        "LM": [main],
        "LAD": [wall(0.0, 0.97, LAD_DEG, LAD_DEG), wall(0.2, 0.8, 112.0, 75.0)],
        "LCX": [groove, wall(0.0, 0.6, 20.0, 5.0), wall(0.0, 0.5, -15.0, -25.0)],
        "RCA": [_right_groove(radius), wall(-0.03, 0.75, PDA_DEG, PDA_DEG)],
    }
    courses = [Course(name, name, line) for name, lines in arteries.items() for line in lines]
    return [
        *courses,
        Course("aorta", "", heart.to_heart(_laid(root) if tube is None else _seen(root, tube))),
        Course("mitral ring", "", _ring(radius)),
    ]


def _polar(
    height: Sequence[float] | FloatArray,
    degrees: Sequence[float] | FloatArray,
    radius: Sequence[float] | FloatArray | float,
) -> FloatArray:
    angle = np.radians(np.asarray(degrees, dtype=np.float64))
    points: FloatArray = np.stack(
        [np.asarray(height, dtype=np.float64), radius * np.sin(angle), radius * np.cos(angle)],
        axis=1,
    )
    return points


def _right_groove(radius: float) -> FloatArray:
    """From the aortic root to the right and down to the posterior groove."""
    psi = np.radians(np.linspace(RIGHT_DEG[0], RIGHT_DEG[1], 2 * STEP))
    ring = GROOVE_SHARE * radius
    height = np.interp(psi, [psi[0], 0.5 * (psi[0] + psi[-1]), psi[-1]], [-9.0, -2.0, -6.0])
    return np.stack(
        [height, ring * np.sin(psi) - RIGHT_LOW_MM, ring * np.cos(psi) - RIGHT_SHARE * radius],
        axis=1,
    )


def _main(root: FloatArray, fork: FloatArray, tube: Aorta | None) -> FloatArray:
    """Left main artery, from the aorta's wall to where it forks (LPS mm)."""
    if tube is None:
        return root + np.linspace(MAIN_FROM, 1.0, STEP)[:, None] * (fork - root)
    height = root[2] + OSTIUM_MM
    middle = tube.axis_at(np.array([height]))[0]
    way = (fork - middle)[:2] / np.hypot(*(fork - middle)[:2])
    ostium = middle + np.append(tube.radius_mm * way, 0.0)
    return np.linspace(ostium, fork, STEP)


def _laid(root: FloatArray) -> FloatArray:
    """Root and ascending aorta where no CT shows them, filled (LPS mm)."""
    way = AORTA_LEAN / np.linalg.norm(AORTA_LEAN)
    side = np.cross(way, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    front = np.cross(way, side)
    turn = np.radians(np.arange(0.0, 360.0, 20.0))
    around = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * front
    discs = np.concatenate([share * around for share in DISC_SHARES])
    tubes = [
        root + np.arange(*reach, 3.0)[:, None, None] * way + radius * discs
        for reach, radius in ((VALVE_MM, LEAFLET_MM), (AORTA_MM, WALL_MM))
    ]
    return np.concatenate(tubes).reshape(-1, 3)


def _seen(root: FloatArray, tube: Aorta) -> FloatArray:
    """Root, filled, and wall of the ascending aorta that the CT shows (LPS mm)."""
    turn = np.radians(np.arange(0.0, 360.0, 10.0))
    around = tube.radius_mm * np.stack([np.cos(turn), np.sin(turn), 0.0 * turn], axis=1)
    filled = [(VALVE_MM, share) for share in DISC_SHARES[:-1]]
    points = [
        tube.axis_at(root[2] + np.arange(*reach, 2.0))[:, None] + share * around
        for reach, share in (*filled, (AORTA_MM, 1.0))
    ]
    return np.concatenate(points).reshape(-1, 3)


def _ring(radius: float) -> FloatArray:
    """Ring of the mitral valve, filled."""
    height, share, degrees = np.meshgrid(
        np.linspace(*ANNULUS_MM, 4), np.linspace(*ANNULUS_SHARES, 4), np.arange(0.0, 360.0, 6.0)
    )
    return _polar(height.ravel(), degrees.ravel(), radius * share.ravel())


def distances(courses: Sequence[Course], heart_mm: FloatArray) -> Mapping[str, FloatArray]:
    """Distance of positions to the nearest point of each name.

    Parameters
    ----------
    courses : sequence of Course
        Several of one name count as one.
    heart_mm : (n, 3) float64 array, mm
        Height above the valve plane, anterior, lateral.

    Returns
    -------
    mapping of name to (n,) float64 array, mm
    """
    from scipy.spatial import cKDTree

    names = dict.fromkeys(course.name for course in courses)
    return {
        name: cKDTree(np.concatenate([c.points for c in courses if c.name == name])).query(
            heart_mm
        )[0]
        for name in names
    }

"""From surfaces to masks: endocardium, epicardium, 17 segments, vessel regions with gaps.

Segments follow Cerqueira et al. 2002. f runs from 0 at the basal plane to 1 at the endocardial
apex: basal below 1/3, mid below 2/3, apical below 1, the apex (17) beyond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mpss_lib.segmentation.surface import (
    ANGLES,
    CAP_ROWS,
    PHI,
    RING_STEP_MM,
    RING_T,
    ROWS,
    Frame,
)
from mpss_lib.segmentation.valve import BasalPlane
from mpss_lib.volume import BoolArray, FloatArray, IntArray, Mask, Volume

TERRITORY: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "LAD17": (1, 2, 7, 8, 13, 14, 17),
        "RCA17": (3, 4, 9, 10, 15),
        "LCX17": (5, 6, 11, 12, 16),
    }
)
SECTORS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"LAD3": (60.0, 180.0), "RCA3": (180.0, 300.0), "LCX3": (300.0, 420.0)}
)
GAP_MM, GAP_DEG = 5.0, 6.0  # each vessel region keeps this distance to its sector's edges
LOWEST_F, HIGHEST_F = 0.06, 0.87
APEX_THINNING = 0.12  # the anatomical wall is this share thinner at the apex
NAMES = ("ENDO", "EPI", "LAD3", "LCX3", "RCA3", *(f"S{n:02d}" for n in range(1, 18)))


@dataclass(frozen=True)
class Wall:
    """Both surfaces as radii (rows, angles) in mm along the rays of the frame."""

    endo_mm: FloatArray
    epi_mm: FloatArray

    @property
    def endo_apex_mm(self) -> float:
        """Axial coordinate of the endocardial apex."""
        return float(self.endo_mm[0].mean())


def build_wall(mid_mm: FloatArray, wall_mm: float, mode: str) -> Wall:
    """Lay a wall of the conventional thickness about the mid-wall surface.

    Parameters
    ----------
    mid_mm : (rows, angles) float64 array
    wall_mm : float
    mode : str
        ``anatomical``: thinner towards the apex; ``thick``: the same everywhere.

    Returns
    -------
    Wall
        Both surfaces, (rows, angles), mm.
    """
    thickness = np.full(ROWS, wall_mm)
    if mode == "anatomical":
        thickness = wall_mm * (1.0 - APEX_THINNING * np.cos(PHI) ** 2)
    half = 0.5 * thickness[:, None] / cosine_of(mid_mm)
    return Wall(np.maximum(mid_mm - half, 2.0), mid_mm + half)


def cosine_of(mid_mm: FloatArray) -> FloatArray:
    """Cosine of the angle between ray and surface normal, at least 0.75.

    Parameters
    ----------
    mid_mm : (rows, angles) float64 array, mm

    Returns
    -------
    (rows, angles) float64 array
        .75 to 1.
    """
    around = (np.roll(mid_mm, -1, axis=1) - np.roll(mid_mm, 1, axis=1)) / (4 * np.pi / ANGLES)
    across = around / np.maximum(mid_mm * np.sin(PHI)[:, None], 3.0)
    along = np.gradient(mid_mm, axis=0)
    is_cap = np.arange(ROWS)[:, None] < CAP_ROWS
    slope = np.where(is_cap, along / (np.pi / (2 * CAP_ROWS)) / mid_mm, along / RING_STEP_MM)
    cosine: FloatArray = 1.0 / np.sqrt(1.0 + across**2 + slope**2)
    return np.maximum(cosine, 0.75)


@dataclass(frozen=True)
class Voxels:
    """Voxels near the heart in heart coordinates: index (n, 3) and arrays (n,)."""

    index: IntArray
    t: FloatArray
    theta_deg: FloatArray
    rho_mm: FloatArray
    radius_mm: FloatArray
    row: FloatArray
    f: FloatArray
    is_above_base: BoolArray

    def on_surface(self, surface_mm: FloatArray) -> FloatArray:
        """Value of a surface at each voxel's ray, bilinear.

        Parameters
        ----------
        surface_mm : (rows, angles) float64 array, mm

        Returns
        -------
        (n,) float64 array, mm
        """
        row = np.clip(self.row, 0.0, ROWS - 1.001)
        low = row.astype(np.int64)
        w = row - low
        angle = self.theta_deg / 360.0 * ANGLES
        left = np.floor(angle).astype(np.int64)
        u = angle - left
        left, right = left % ANGLES, (left + 1) % ANGLES
        near = surface_mm[low, left] * (1 - u) + surface_mm[low, right] * u
        far = surface_mm[low + 1, left] * (1 - u) + surface_mm[low + 1, right] * u
        value: FloatArray = near * (1 - w) + far * w
        return value


def voxels_near(volume: Volume, frame: Frame, plane: BasalPlane, wall: Wall) -> Voxels:
    """Heart coordinates of all voxels within reach of the epicardium.

    Parameters
    ----------
    volume : Volume
    frame : Frame
    plane : BasalPlane
    wall : Wall

    Returns
    -------
    Voxels
    """
    reach = float(wall.epi_mm.max()) + 3.0
    corners = np.array(
        [[t, a, s] for t in (plane.at - reach, float(wall.epi_mm[0].max()) + 3.0)
         for a in (-reach, reach) for s in (-reach, reach)]
    )  # fmt: skip
    box = volume.to_index(frame.to_patient(corners))
    low = np.clip(np.floor(box.min(axis=0)), 0, volume.array.shape).astype(np.int64)
    high = np.clip(np.ceil(box.max(axis=0)) + 1, 0, volume.array.shape).astype(np.int64)
    axes = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    t, a, s = frame.to_local(volume.to_patient(index.astype(np.float64))).T
    rho = np.hypot(a, s)
    is_cap = t > 0
    phi = np.arctan2(rho, np.maximum(t, 0.0))
    row = np.where(is_cap, phi / (np.pi / 2) * CAP_ROWS, CAP_ROWS - t / RING_STEP_MM)
    return Voxels(
        index=index,
        t=t,
        theta_deg=np.degrees(np.arctan2(a, s)) % 360.0,
        rho_mm=rho,
        radius_mm=np.where(is_cap, np.hypot(rho, t), rho),
        row=row,
        f=(t - plane.at) / (wall.endo_apex_mm - plane.at),
        is_above_base=(t >= plane.t(a, s)) & (t > RING_T[-1]),
    )


def segment_number(theta_deg: FloatArray, f: FloatArray) -> IntArray:
    """AHA segment 1-17 of points by angle and f.

    Parameters
    ----------
    theta_deg : (n,) float64 array, degrees
        0 lateral, 90 anterior, 180 septum, 270 inferior.
    f : (n,) float64 array
        0 at the basal plane, 1 at the endocardial apex.

    Returns
    -------
    (n,) int64 array
    """
    six = np.floor(((theta_deg - 60.0) % 360.0) / 60.0).astype(np.int64)
    four = np.floor(((theta_deg - 45.0) % 360.0) / 90.0).astype(np.int64)
    six, four = np.minimum(six, 5), np.minimum(four, 3)
    number: IntArray = np.where(
        f < 1 / 3, six + 1, np.where(f < 2 / 3, six + 7, np.where(f < 1.0, four + 13, 17))
    )
    return number


def is_in_vessel(name: str, theta_deg: FloatArray, f: FloatArray, rho_mm: FloatArray) -> BoolArray:
    """Whether wall points belong to a vessel's region: its sector without margins.

    The apical cap (f >= 0.87) is the LAD's alone; the most basal 6 % belongs to nobody.

    Parameters
    ----------
    name : str
        A key of ``SECTORS``.
    theta_deg : (n,) float64 array, degrees
    f : (n,) float64 array
    rho_mm : (n,) float64 array, mm
        Distance from the long axis: the margin is a length.

    Returns
    -------
    (n,) bool array
    """
    low, high = SECTORS[name]
    margin = np.maximum(GAP_DEG, np.degrees(GAP_MM / np.maximum(rho_mm, 1e-6)))
    turn = (theta_deg - low) % 360.0
    is_sector = (turn > margin) & (turn < (high - low) - margin)
    if name == "LAD3":
        inside: BoolArray = (is_sector | (f >= HIGHEST_F)) & (f >= LOWEST_F)
    else:
        inside = is_sector & (f >= LOWEST_F) & (f < HIGHEST_F)
    return inside


def draw_masks(volume: Volume, voxels: Voxels, wall: Wall) -> dict[str, Mask]:
    """Draw all masks on the volume's grid: the 22 names and MYO.

    Parameters
    ----------
    volume : Volume
    voxels : Voxels
    wall : Wall

    Returns
    -------
    dict of name to Mask
    """
    is_epi = voxels.is_above_base & (voxels.radius_mm <= voxels.on_surface(wall.epi_mm))
    is_endo = is_epi & (voxels.radius_mm < voxels.on_surface(wall.endo_mm))
    is_wall = is_epi & ~is_endo
    number = segment_number(voxels.theta_deg, voxels.f)
    chosen = {"MYO": is_wall, "ENDO": is_endo, "EPI": is_epi}
    for name in SECTORS:
        chosen[name] = is_wall & is_in_vessel(name, voxels.theta_deg, voxels.f, voxels.rho_mm)
    for n in range(1, 18):
        chosen[f"S{n:02d}"] = is_wall & (number == n)
    masks = {}
    for name in ("MYO", *NAMES):
        array = np.zeros(volume.array.shape, dtype=np.bool_)
        array[tuple(voxels.index[chosen[name]].T)] = True
        masks[name] = Mask(array, volume.affine)
    return masks


def join_territories(masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """LAD17, LCX17 and RCA17 as unions of polar segments.

    Parameters
    ----------
    masks : mapping of name to Mask
        S01 to S17, of one grid.

    Returns
    -------
    dict of name to Mask
    """
    joined = {}
    for name in ("LAD17", "LCX17", "RCA17"):
        parts = [masks[f"S{n:02d}"] for n in TERRITORY[name]]
        array = np.logical_or.reduce([part.array for part in parts])
        joined[name] = Mask(array, parts[0].affine)
    return joined

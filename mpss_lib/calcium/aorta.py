"""The ascending aorta as the CT shows it: discs of blood in fat and lung, one above another.

A ventricle's surface says within a centimetre or two where the aorta begins, and not how it leans.
A CT without contrast agent shows its outline: in each slab the disc of soft tissue that stands out
most from what lies around it, then the straight line that most discs lie on. Where they agree on no
line (no fat, a CT that ends too low) there is none, and the guess from the surface has to do.

Widths: Wolak et al., JACC Cardiovasc Imaging 2008;1:200 (33 mm, SD 4, in CTs for calcium); the
search is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpss_lib.calcium.slabs import Slabs
from mpss_lib.volume import FloatArray, Volume

RADII_MM = np.arange(10.5, 22.6, 1.5)
"""16.5 mm, three standard deviations to each side."""
GRID_MM = 1.5
SOFT_FROM_HU = -30.0
"""Blood and muscle lie above, fat below (-190 to -30 HU: Antonopoulos et al., Sci Transl Med
2017;9:eaal2658)."""
WALL_MM, RIM_MM = (
    1.5,
    4.5,
)  # from the edge of a disc: what is on it and just outside is not looked at
REACH_MM, GUESS_ERROR_MM = 36.0, 15.0
"""From the guess to the middle of a disc: farthest, and standard deviation (14 and 4 mm in 297
chests). The pulmonary trunk stands as far off as both vessels are wide, and may stand out more."""
SETTLE_MM = 6.0  # within which a disc is moved to where it stands out most
LOOKED_AT_MM = (15.0, 60.0)  # above the guess of the root: sinuses end below, the arch begins above
LEAST_CONTRAST, LEAST_SHARE = 0.6, 0.5
"""Share of soft tissue in a disc, less that around it; share of the slabs that agree on the line.

Where all fat of the chests was made soft, the mediastinum between the lungs reached .55, and the
top of an atrium .85 in a third of the slabs; with fat the aorta has .9 and more."""
ON_LINE_MM = 3.0
FEWEST_DISCS = 3
STEEPEST = 1.0  # 45 degrees from the patient's axis
DISC_ERROR_MM, LEAN_ERROR = 1.0, 0.25
"""Of a disc's middle, and of the guess how the tube leans, which counts where few are seen."""


@dataclass(frozen=True)
class Aorta:
    """A straight tube.

    Parameters
    ----------
    middle : (2,) float64 array
        x and y of its axis at z = 0, LPS mm.
    lean : (2,) float64 array
        Change of both for each mm of z.
    radius_mm : float
        Of the tube, within the slices.
    """

    middle: FloatArray
    lean: FloatArray
    radius_mm: float

    def axis_at(self, z_mm: FloatArray) -> FloatArray:
        """Give points of the axis.

        Parameters
        ----------
        z_mm : (n,) float64 array, mm
            Heights, LPS.

        Returns
        -------
        (n, 3) float64 array, mm
            (x, y, z), LPS.
        """
        across = self.middle + np.asarray(z_mm)[:, None] * self.lean
        return np.concatenate([across, np.asarray(z_mm)[:, None]], axis=1)

    def from_wall(self, position_mm: FloatArray) -> FloatArray:
        """Distance from the wall within the slice, negative inside.

        Parameters
        ----------
        position_mm : (n, 3) float64 array, mm
            (x, y, z), LPS.

        Returns
        -------
        (n,) float64 array, mm
        """
        across = (position_mm - self.axis_at(position_mm[:, 2]))[:, :2]
        distance: FloatArray = np.hypot(across[:, 0], across[:, 1]) - self.radius_mm
        return distance


def find(ct: Volume, slabs: Slabs, guess: FloatArray, way: FloatArray) -> Aorta | None:
    """Look for the ascending aorta.

    Parameters
    ----------
    ct : Volume
    slabs : Slabs
    guess : (3,) float64 array, mm
        Where it should begin, LPS.
    way : (3,) float64 array
        How it should run from there.

    Returns
    -------
    Aorta or None
        None where the CT shows no such tube.
    """
    middle = np.zeros((len(slabs.first), 3))
    middle[:, 0] = 0.5 * (slabs.first + slabs.last)
    height = ct.to_patient(middle)[:, 2] - guess[2]
    wanted = np.flatnonzero((height >= LOOKED_AT_MM[0]) & (height <= LOOKED_AT_MM[1]))
    kernels = _kernels()
    discs = []
    for slab in wanted:
        centre = guess + height[slab] * way / way[2]
        contrast, x, y, radius = _best_disc(_patch(ct, slabs, int(slab), centre), kernels)
        if contrast >= LEAST_CONTRAST:
            discs.append((centre[0] + x, centre[1] + y, centre[2], radius))
    fewest = max(FEWEST_DISCS, math.ceil(LEAST_SHARE * len(wanted)))
    return _fit(np.array(discs).reshape(-1, 4), way[:2] / way[2], fewest)


def _kernels() -> list[tuple[float, FloatArray]]:
    """Mean of a disc less that of its rim, by radius."""
    side = np.arange(-(RADII_MM[-1] + RIM_MM), RADII_MM[-1] + RIM_MM + GRID_MM / 2, GRID_MM)
    distance = np.hypot(side[:, None], side[None, :])
    made = []
    for radius in RADII_MM:
        inside = distance <= radius - WALL_MM
        rim = (distance >= radius + WALL_MM) & (distance <= radius + RIM_MM)
        made.append((float(radius), inside / inside.sum() - rim / rim.sum()))
    return made


def _patch(ct: Volume, slabs: Slabs, slab: int, centre: FloatArray) -> FloatArray:
    """Soft tissue (1) or not (0) about a point, on a grid in the patient's x and y."""
    from scipy.ndimage import map_coordinates, uniform_filter

    reach = REACH_MM + RADII_MM[-1] + RIM_MM
    side = np.arange(-reach, reach + GRID_MM / 2, GRID_MM)
    y, x = np.meshgrid(side, side, indexing="ij")
    place = np.stack([centre[0] + x.ravel(), centre[1] + y.ravel(), np.full(x.size, centre[2])])
    inverse = np.linalg.inv(ct.affine)
    index = inverse[1:3, :3] @ place + inverse[1:3, 3:]
    hu = map_coordinates(slabs.array[slab], index, order=1, mode="constant", cval=-1000.0)
    soft: FloatArray = (uniform_filter(hu.reshape(x.shape), 3) > SOFT_FROM_HU).astype(np.float64)
    return soft


def _best_disc(
    soft: FloatArray, kernels: list[tuple[float, FloatArray]]
) -> tuple[float, float, float, float]:
    """Contrast, x and y (mm from the middle of the patch) and radius of the clearest disc there."""
    from scipy.signal import fftconvolve

    contrast = np.stack([fftconvolve(soft, kernel, mode="valid") for _, kernel in kernels])
    side = (np.arange(contrast.shape[1]) - 0.5 * (contrast.shape[1] - 1)) * GRID_MM
    off = np.hypot(side[:, None], side[None, :])
    value = contrast * np.exp(-0.5 * (off / GUESS_ERROR_MM) ** 2)
    _, row, column = np.unravel_index(int(value.argmax()), value.shape)
    near = np.hypot(side[:, None] - side[row], side[None, :] - side[column]) <= SETTLE_MM
    settled = np.where(near, contrast, -np.inf)
    which, row, column = np.unravel_index(int(settled.argmax()), settled.shape)
    found = float(contrast[which, row, column])
    return found, float(side[column]), float(side[row]), kernels[int(which)][0]


def _fit(discs: FloatArray, guess: FloatArray, fewest: int) -> Aorta | None:
    """Lay the line that most discs (x, y, z, radius) lie on, by all pairs, then by least squares.

    How it leans is also measured by the ``guess`` (2,).
    """
    if len(discs) < fewest:
        return None
    z = discs[:, 2]
    best = np.zeros(len(discs), dtype=bool)
    for one in range(len(discs)):
        for other in range(one + 1, len(discs)):
            lean = (discs[other, :2] - discs[one, :2]) / (z[other] - z[one])
            off = discs[:, :2] - discs[one, :2] - (z - z[one])[:, None] * lean
            is_on = np.hypot(off[:, 0], off[:, 1]) <= ON_LINE_MM
            if np.hypot(*lean) <= STEEPEST and is_on.sum() > best.sum():
                best = is_on
    if best.sum() < fewest:
        return None
    across, height = discs[best, :2], z[best] - z[best].mean()
    trust = (DISC_ERROR_MM / LEAN_ERROR) ** 2
    lean = (height @ across + trust * guess) / (height @ height + trust)
    middle = across.mean(axis=0) - z[best].mean() * lean
    return Aorta(middle, lean, float(np.median(discs[best, 3])))

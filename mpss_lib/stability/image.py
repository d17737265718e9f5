"""The image of a study on another grid, and with half of its counts.

Which perturbations: after Zwanenburg et al. 2019 (Sci. Rep. 9:614); halving by a coin is ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from mpss_lib.stability.perturbation import Perturbation
from mpss_lib.volume import BoolArray, FloatArray, Volume

REACH = 8
"""Voxels of the image beyond the new grid that a cubic spline is given: by then it has faded."""

PIXELS, NOISE = "pixels", "noise"
MOST_COUNTS = 1e12
"""Of a voxel, as far as a binomial number can be drawn; more of them have no noise to speak of."""


@dataclass(frozen=True)
class Grid:
    """A volume to be sampled: its spline, and the box about the heart that is sampled.

    Parameters
    ----------
    volume : Volume
        Cut out about the heart, with ``REACH`` voxels more where there are.
    spline : (z, y, x) float64 array
        Cubic spline coefficients of it.
    inner : (slice, slice, slice)
        Of the volume: what is measured.
    """

    volume: Volume
    spline: FloatArray
    inner: tuple[slice, slice, slice]

    @classmethod
    def about(cls, volume: Volume, box: tuple[slice, slice, slice]) -> Grid:
        """Cut a volume about a box.

        Parameters
        ----------
        volume : Volume
        box : tuple of slice
            Along z, y and x: what is measured.

        Returns
        -------
        Grid
        """
        from scipy.ndimage import spline_filter

        outer = [
            slice(max(part.start - REACH, 0), min(part.stop + REACH, size))
            for part, size in zip(box, volume.array.shape, strict=True)
        ]
        cut = crop(volume, (outer[0], outer[1], outer[2]))
        inner = [
            slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True)
        ]
        spline = spline_filter(cut.array, order=3, mode="mirror")
        return cls(cut, spline, (inner[0], inner[1], inner[2]))

    @property
    def own(self) -> Volume:
        """What is measured, on its own grid."""
        return crop(self.volume, self.inner)

    def moved(self, one: Perturbation, centre_mm: FloatArray) -> Volume:
        """Sample the image on a grid that is shifted, or turned about a centre.

        Cubic interpolation, the least smoothing of the usual ones. The result says where its voxels
        lie in the patient, so that surfaces need not move.

        Parameters
        ----------
        one : Perturbation
        centre_mm : (3,) float64 array
            LPS, mm.

        Returns
        -------
        Volume
        """
        from scipy.ndimage import affine_transform
        from scipy.spatial.transform import Rotation

        own = self.own
        turn = Rotation.from_rotvec(one.turn_deg, degrees=True).as_matrix()
        affine = own.affine.copy()
        affine[:3, :3] = turn @ own.affine[:3, :3]
        shift = own.affine[:3, :3] @ np.array(one.shift_voxels)
        affine[:3, 3] = centre_mm + turn @ (own.affine[:3, 3] - centre_mm) + shift
        there = np.linalg.inv(self.volume.affine) @ affine
        array = affine_transform(
            self.spline, there[:3, :3], there[:3, 3], own.array.shape,
            order=3, mode="mirror", prefilter=False,
        )  # fmt: skip
        return Volume(array, affine, own.unit)


def crop(volume: Volume, box: tuple[slice, slice, slice]) -> Volume:
    """Cut a box out of a volume; the affine goes with it.

    Parameters
    ----------
    volume : Volume
    box : tuple of slice
        Along z, y and x.

    Returns
    -------
    Volume
    """
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([part.start for part in box], np.float64)
    return Volume(np.ascontiguousarray(volume.array[box]), affine, volume.unit)


def halves(
    image: FloatArray, wall: BoolArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, str]:
    """Split the counts of an image into two halves: each count goes to one of them by a coin.

    Pixels that are whole numbers of 0 or more are taken for counts. Others have no counts to be
    split: as many are taken for them as have the noise of this wall, ``(mean / SD)^2`` in its
    mean, where the SD is that of the differences of neighbouring voxels. What is reconstructed
    and filtered has correlated noise, that of the coin is white: the halves are harsher than a
    scan of half the time.

    Parameters
    ----------
    image : (z, y, x) float64 array
    wall : (z, y, x) bool array
    rng : numpy.random.Generator

    Returns
    -------
    first, second : (z, y, x) float64 arrays
        They sum to the image; to its counts as whole numbers where these are taken from the noise.
    what : str
        ``pixels`` or ``noise``.
    """
    is_counts = bool((image >= 0).all()) and np.array_equal(image, np.floor(image))
    scale = 1.0 if is_counts else counts_per_unit(image, wall)
    counts = np.minimum(np.rint(np.maximum(image, 0.0) * scale), MOST_COUNTS)
    first = rng.binomial(counts.astype(np.int64), 0.5).astype(np.float64)
    return first / scale, (counts - first) / scale, PIXELS if is_counts else NOISE


def counts_per_unit(image: FloatArray, wall: BoolArray) -> float:
    """Estimate how many counts one unit of the image stands for, by the noise of the wall.

    Differences of voxels that are next to each other in the wall: their median size over 0.9539 is
    the SD of one voxel if noise were white, and less where it was filtered, so that more counts
    are taken than there were.

    Parameters
    ----------
    image : (z, y, x) float64 array
    wall : (z, y, x) bool array

    Returns
    -------
    float, counts
        1 where the wall has no mean or no spread.
    """
    found = []
    for axis in range(3):
        pairs = wall & np.roll(wall, -1, axis)
        pairs[tuple(slice(-1, None) if k == axis else slice(None) for k in range(3))] = False
        found.append((np.roll(image, -1, axis) - image)[pairs])
    steps = np.abs(np.concatenate(found))
    mean = float(image[wall].mean()) if wall.any() else 0.0
    sd = float(np.median(steps)) / 0.9539 if steps.size else 0.0
    if mean <= 0.0 or sd <= 0.0:
        return 1.0
    return mean / sd**2


def generator_of(study_key: str, seed: int, pair: int) -> np.random.Generator:
    """Random numbers of one pair of halves of one study."""
    word = int.from_bytes(hashlib.sha256(study_key.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, 1 + pair, word])

"""One storage order for the work, the volume's own for the result.

The search steps over a grid, so that a reversed axis would give masks that differ by a voxel here
and there. Working in the order nearest to (Superior, Posterior, Left) makes them equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpss_lib.volume import BoolArray, FloatArray, Mask, Volume


@dataclass(frozen=True)
class Storage:
    """How a volume was turned: its axes in canonical order, and which of them were reversed."""

    order: tuple[int, int, int]
    reversed_axes: tuple[int, ...]
    affine: FloatArray

    def restore(self, array: BoolArray) -> Mask:
        """Bring a mask in canonical order back to the volume's own grid.

        Parameters
        ----------
        array : (z, y, x) bool array
            In canonical order.

        Returns
        -------
        Mask
        """
        back = np.flip(array, self.reversed_axes).transpose(np.argsort(self.order))
        return Mask(np.ascontiguousarray(back), self.affine)


def canonical(volume: Volume) -> tuple[Volume, Storage]:
    """Turn a volume to the storage order nearest to (Superior, Posterior, Left).

    Parameters
    ----------
    volume : Volume

    Returns
    -------
    volume : Volume
    storage : Storage
        The way back.
    """
    order = _order(volume.affine)
    affine = volume.affine[:, [*order, 3]].copy()
    turned: list[int] = []
    for axis, patient_axis in enumerate((2, 1, 0)):
        if affine[patient_axis, axis] < 0:
            turned.append(axis)
            affine[:3, 3] += affine[:3, axis] * (volume.array.shape[order[axis]] - 1)
            affine[:3, axis] *= -1.0
    array = np.ascontiguousarray(np.flip(volume.array.transpose(order), tuple(turned)))
    canonical_volume = Volume(array, affine, volume.unit, volume.frame_of_reference)
    return canonical_volume, Storage(order, tuple(turned), volume.affine)


def _order(affine: FloatArray) -> tuple[int, int, int]:
    """For Superior, Posterior, Left: the axis of the array that runs along it most."""
    direction = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    best: tuple[int, int, int] = (0, 1, 2)
    best_sum = -1.0
    for one in range(3):
        for two in range(3):
            if one == two:
                continue
            trial = (one, two, 3 - one - two)
            total = float(direction[2, one] + direction[1, two] + direction[0, trial[2]])
            if total > best_sum + 1e-9:
                best, best_sum = trial, total
    return best

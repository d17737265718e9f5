"""Volumes and masks: an array (z, y, x), where it lies in the patient, and its unit.

The patient frame is DICOM's LPS in millimetres: +x towards the patient's Left, +y Posterior,
+z Superior. ``affine`` maps an index ``(z, y, x, 1)`` to ``(x, y, z, 1)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mpss_lib.errors import GeometryError

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
Triple: TypeAlias = tuple[float, float, float]

AFFINE_TOLERANCE_MM = 1e-3


def make_affine(origin_mm: Triple, row: Triple, column: Triple, spacing_mm: Triple) -> FloatArray:
    """Affine of a stack of slices from DICOM's own quantities.

    Parameters
    ----------
    origin_mm : (x, y, z) float, mm
        ImagePositionPatient of the first slice: centre of its first voxel.
    row, column : (x, y, z) float, unit vectors
        ImageOrientationPatient: direction of increasing column index, of increasing row index.
    spacing_mm : (dz, dy, dx) float, mm
        dz is signed: its sign is the stacking direction along ``row x column`` (PS3.3 C.8.4.15).

    Returns
    -------
    (4, 4) float64 array
        Maps the index (z, y, x, 1) to (x, y, z, 1) in LPS mm.
    """
    row_direction = np.asarray(row, dtype=np.float64)
    column_direction = np.asarray(column, dtype=np.float64)
    normal = np.cross(row_direction, column_direction)
    affine = np.eye(4)
    affine[:3, 0] = normal * spacing_mm[0]
    affine[:3, 1] = column_direction * spacing_mm[1]
    affine[:3, 2] = row_direction * spacing_mm[2]
    affine[:3, 3] = origin_mm
    return affine


@dataclass(frozen=True)
class Volume:
    """A scalar image in the patient.

    Parameters
    ----------
    array : (z, y, x) float64 array
    affine : (4, 4) float64 array
        Index (z, y, x, 1) to (x, y, z, 1), LPS mm.
    unit : str
        ``"counts"`` for SPECT; what the rescale left, otherwise.
    frame_of_reference : str
        FrameOfReferenceUID, empty where the object has none.
    """

    array: FloatArray
    affine: FloatArray
    unit: str = "counts"
    frame_of_reference: str = ""
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        _check(self.array, self.affine, dtype=np.float64)

    @property
    def spacing_mm(self) -> Triple:
        """Distance between neighbouring voxel centres, (dz, dy, dx) in mm, positive."""
        return _spacing(self.affine)

    def to_patient(self, index: FloatArray) -> FloatArray:
        """Map indices to positions.

        Parameters
        ----------
        index : (n, 3) float64 array
            (z, y, x).

        Returns
        -------
        (n, 3) float64 array, mm
            (x, y, z), LPS.
        """
        position: FloatArray = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return position

    def to_index(self, position_mm: FloatArray) -> FloatArray:
        """Map positions to fractional indices.

        Parameters
        ----------
        position_mm : (n, 3) float64 array, mm
            (x, y, z), LPS.

        Returns
        -------
        (n, 3) float64 array
            (z, y, x).
        """
        inverse = np.linalg.inv(self.affine)
        index: FloatArray = position_mm @ inverse[:3, :3].T + inverse[:3, 3]
        return index


@dataclass(frozen=True)
class Mask:
    """A region of a volume: bool array (z, y, x) on the same grid (``affine`` as in Volume)."""

    array: BoolArray
    affine: FloatArray

    def __post_init__(self) -> None:
        _check(self.array, self.affine, dtype=np.bool_)

    @property
    def spacing_mm(self) -> Triple:
        """Distance between neighbouring voxel centres, (dz, dy, dx) in mm, positive."""
        return _spacing(self.affine)

    @property
    def volume_ml(self) -> float:
        """Number of voxels times voxel volume, millilitres."""
        return float(self.array.sum()) * abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0


def check_same_grid(volume: Volume, mask: Mask) -> None:
    """Refuse a mask that does not lie on the volume's grid.

    Parameters
    ----------
    volume : Volume
    mask : Mask

    Raises
    ------
    GeometryError
        If the shapes differ, or the affines by more than ``AFFINE_TOLERANCE_MM``.
    """
    if volume.array.shape != mask.array.shape:
        raise GeometryError(
            f"mask shape {mask.array.shape} differs from volume shape {volume.array.shape}",
            way_out="make the mask on the grid of this volume",
        )
    if not np.allclose(volume.affine, mask.affine, atol=AFFINE_TOLERANCE_MM):
        raise GeometryError(
            "mask and volume have the same shape but lie at different places in the patient",
            way_out="resample the mask onto the volume's grid first",
        )


def _spacing(affine: FloatArray) -> Triple:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return float(lengths[0]), float(lengths[1]), float(lengths[2])


def _check(array: NDArray[np.generic], affine: FloatArray, dtype: type[np.generic]) -> None:
    if array.ndim != 3 or array.dtype != dtype:
        raise GeometryError(
            f"array has {array.ndim} axes of {array.dtype}, wanted (z, y, x) of {dtype.__name__}",
            way_out="convert the array before making a Volume or Mask",
        )
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise GeometryError(
            f"affine has shape {affine.shape} or non-finite entries",
            way_out="give a finite (4, 4) matrix from index (z, y, x, 1) to LPS mm",
        )
    if abs(float(np.linalg.det(affine[:3, :3]))) < 1e-9:
        raise GeometryError(
            "affine is singular: two axes of the grid coincide",
            way_out="check ImageOrientationPatient and the spacings",
        )

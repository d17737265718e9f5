"""A series with one slice in each object: sorted by position, checked for holes.

Positions and directions: PS3.3 C.7.6.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.header import NM_STORAGE, Header, read_header
from mpss_lib.dicom.pixels import DECIMAL_COMMA, read_frames, read_unit
from mpss_lib.errors import DicomFileError, GeometryError, UnreadableValueError
from mpss_lib.volume import FloatArray, Triple, Volume, make_affine

PET_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
"""Old GE stations store reconstructed SPECT as PET images, one slice in an object."""


COSINE_TOLERANCE = 1e-2
"""Direction cosines are rounded by some vendors; beyond this they are wrong."""
SPACING_TOLERANCE = 0.01
"""Relative irregularity of slice positions in a series of single slices."""
TRANSAXIAL_LIMIT_DEG = 10.0
"""Largest angle between the slice normal and the patient's z axis of a transaxial volume."""
LONG_AXIS = (0.62, -0.52, -0.59)
"""Usual direction of the left ventricle from base to apex: left, anterior, inferior (LPS)."""
SHORT_AXIS_LIMIT_DEG = 50.0
"""Largest angle between a short-axis normal and ``LONG_AXIS`` (either sense)."""


def how_slices_lie(normal: FloatArray) -> str:
    """Tell how slices lie by their normal.

    Parameters
    ----------
    normal : (x, y, z) float64 array
        Unit vector, LPS.

    Returns
    -------
    {"transaxial", "near_long_axis", "other"}
    """
    if abs(float(normal[2])) >= np.cos(np.radians(TRANSAXIAL_LIMIT_DEG)):
        return "transaxial"
    axis = np.asarray(LONG_AXIS) / np.linalg.norm(LONG_AXIS)
    if abs(float(normal @ axis)) >= np.cos(np.radians(SHORT_AXIS_LIMIT_DEG)):
        return "near_long_axis"
    return "other"


def directions_of(orientation: Sequence[float]) -> tuple[Triple, Triple]:
    """Orthonormal row and column directions nearest to rounded ones."""
    row = np.asarray(orientation[:3], dtype=np.float64)
    column = np.asarray(orientation[3:], dtype=np.float64)
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if (
        not np.isfinite(lengths).all()
        or (np.abs(lengths - 1.0) > COSINE_TOLERANCE).any()
        or abs(float(row @ column)) > COSINE_TOLERANCE
    ):
        raise GeometryError(
            f"ImageOrientationPatient {list(orientation)} is not a pair of orthogonal unit vectors",
            way_out="export the object again with its geometry",
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return _triple(row), _triple(column)


def _triple(values: FloatArray) -> Triple:
    return float(values[0]), float(values[1]), float(values[2])


@dataclass(frozen=True)
class _Slice:
    along_mm: float
    position_mm: Triple
    values: FloatArray


def from_single_frames(datasets: Sequence[Dataset]) -> Volume:
    """Stack the slices of a series by their positions; see ``read_volume``.

    Parameters
    ----------
    datasets : sequence of pydicom.Dataset
        One slice each, in any order.

    Returns
    -------
    Volume

    Raises
    ------
    GeometryError
        If there are fewer than two, or a slice is missing or stands twice.
    UnreadableValueError
        If a value that matters is there and cannot be read.
    """
    if len(datasets) < 2:
        raise GeometryError(
            f"{len(datasets)} single-frame object(s) make no volume",
            way_out="give all slices of the series",
        )
    headers = [read_header(dataset) for dataset in datasets]
    for header in headers:
        for keyword, what in header.unreadable.items():
            raise UnreadableValueError(keyword, what)
    _check_alike(headers)
    row, column = directions_of(headers[0].orientation or ())
    normal = np.cross(row, column)
    notes = [f"{DECIMAL_COMMA}:{keyword}" for header in headers for keyword in header.commas]
    slices = sorted(
        (
            _Slice(float(normal @ np.asarray(at_mm)), at_mm, read_frames(dataset, notes)[0])
            for dataset, header in zip(datasets, headers, strict=True)
            if (at_mm := header.position_mm) is not None
        ),
        key=lambda one: one.along_mm,
    )
    steps = np.diff([one.along_mm for one in slices])
    step = float(np.median(steps))
    if step <= 0 or (np.abs(steps - step) > SPACING_TOLERANCE * step).any():
        raise GeometryError(
            f"slices stand {steps.min():.3f} to {steps.max():.3f} mm apart:"
            " one is missing or stands twice",
            way_out="fetch the whole series again",
        )
    _check_step(headers[0], step)
    spacing = headers[0].pixel_spacing_mm or (0.0, 0.0)
    affine = make_affine(slices[0].position_mm, row, column, (step, *spacing))
    array = np.stack([one.values for one in slices])
    unique = tuple(dict.fromkeys(notes))
    return Volume(array, affine, read_unit(datasets[0]), headers[0].frame_of_reference, unique)


def _check_step(header: Header, step: float) -> None:
    """Compare the distance of the positions with the one that is stated."""
    stated = header.spacing_between_slices_mm
    if stated is not None and abs(abs(stated) - step) > SPACING_TOLERANCE * step:
        raise GeometryError(
            f"slices stand {step:.3f} mm apart, SpacingBetweenSlices says {stated:g}",
            way_out="fetch the whole series again: every other slice may be missing",
        )


def _check_alike(headers: Sequence[Header]) -> None:
    first = headers[0]
    for header in headers:
        if header.sop_class not in (NM_STORAGE, PET_STORAGE) or header.n_frames != 1:
            raise DicomFileError(
                f"an object of SOP class {header.sop_class or 'absent'} with {header.n_frames}"
                " frames among single slices",
                way_out="give the slices of one series, or one multi-frame object",
            )
        if header.orientation is None or header.position_mm is None:
            raise GeometryError(
                "a slice states no orientation or position", way_out="fetch the series again"
            )
        if (
            (header.rows, header.columns) != (first.rows, first.columns)
            or header.pixel_spacing_mm != first.pixel_spacing_mm
            or header.pixel_spacing_mm is None
            or not np.allclose(header.orientation, first.orientation or (), atol=COSINE_TOLERANCE)
            or header.frame_of_reference != first.frame_of_reference
        ):
            raise GeometryError(
                "slices differ in matrix, spacing, orientation or frame of reference",
                way_out="give the slices of one series",
            )

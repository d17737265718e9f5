"""A CT series, one slice in each object, as a volume in Hounsfield units.

PS3.3 A.3 and C.8.2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from mpss_lib.dicom.pixels import read_frames
from mpss_lib.dicom.slices import directions_of
from mpss_lib.dicom.values import number_of, numbers_of, read_numbers, text_of
from mpss_lib.errors import CtSeriesError, DicomFileError, GeometryError, UnreadableValueError
from mpss_lib.volume import FloatArray, Triple, Volume, make_affine

FEWEST_SLICES = 8
AIR_HU = -1024.0
STEP_TOLERANCE = 0.02
"""Relative irregularity of the distances of slices."""
DRIFT_MM = 0.1
"""By which a slice may lie beside the one before, in their plane: positions are rounded."""
TILT_DEG = 0.5
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "too_few_slices": f"fewer than {FEWEST_SLICES} slices",
        "mixed_series": "slices of several series, frames, matrices, spacings or voltages",
        "missing_slices": "a slice, or several, lack between others",
        "double_slices": "two slices at one place",
        "unequal_spacing": "distances of the slices differ",
        "gantry_tilt": "the gantry was tilted: slices are sheared against each other",
        "not_transaxial": "slices are not transaxial",
        "no_geometry": "a slice states no position, orientation or spacing",
        "no_exposure": "KVP or SliceThickness lacks",
        "unit_not_hu": "values are no Hounsfield units",
        "pixel_data": "pixel data cannot be read",
        "unreadable_value": "a number of the header is there and cannot be read",
    }
)
"""Why a series is refused (``CtSeriesError.reason``)."""
_UNITS = frozenset({"", "HU", "US"})


@dataclass(frozen=True)
class CtVolume:
    """A CT and how it was made.

    Parameters
    ----------
    volume : Volume
        HU (z, y, x), the first slice the most inferior; nothing below -1024 (padding).
    kvp : float
        Tube voltage, kV.
    thickness_mm : float
        SliceThickness; the distance of the slices is the volume's.
    kernel : str
        ConvolutionKernel, as it stands there.
    """

    volume: Volume
    kvp: float
    thickness_mm: float
    kernel: str


@dataclass(frozen=True)
class _Slice:
    dataset: Dataset
    position: FloatArray
    orientation: tuple[float, ...]
    alike: tuple[object, ...]


def read_ct(datasets: Sequence[Dataset]) -> CtVolume:
    """Stack the slices of a CT series by their positions.

    Parameters
    ----------
    datasets : sequence of Dataset
        CT Image Storage, uncompressed; in any order.

    Raises
    ------
    CtSeriesError
        With one of ``REASONS``.
    """
    try:
        return _read(datasets)
    except UnreadableValueError as error:
        raise _refuse("unreadable_value", error.problem) from error


def _read(datasets: Sequence[Dataset]) -> CtVolume:
    if len(datasets) < FEWEST_SLICES:
        raise _refuse("too_few_slices", f"the CT series has {len(datasets)} slices")
    slices = [_slice(one) for one in datasets]
    first = slices[0]
    if any(
        one.alike != first.alike or not np.allclose(one.orientation, first.orientation, atol=1e-3)
        for one in slices
    ):
        raise _refuse("mixed_series", "slices of the CT series are not of one kind")
    row, column = _directions(first)
    normal = np.cross(row, column)
    slices.sort(key=lambda one: float(normal @ one.position))
    step = _step(np.stack([one.position for one in slices]), normal)
    tilt = number_of(first.dataset, "GantryDetectorTilt")
    if tilt is not None and abs(tilt) > TILT_DEG:
        raise _refuse("gantry_tilt", f"the gantry was tilted by {tilt:g} degrees")
    kvp, thickness = (_stated(first.dataset, name) for name in ("KVP", "SliceThickness"))
    if not kvp or not thickness:
        raise _refuse("no_exposure", "the CT series states no KVP or no SliceThickness")
    rows_mm, columns_mm = numbers_of(first.dataset, "PixelSpacing", count=2)
    origin = first_of(slices[0].position)
    affine = make_affine(origin, row, column, (step, rows_mm, columns_mm))
    array = np.stack([_values(one.dataset) for one in slices])
    frame = text_of(first.dataset, "FrameOfReferenceUID")
    kernel = text_of(first.dataset, "ConvolutionKernel")
    return CtVolume(Volume(array, affine, "HU", frame), kvp, thickness, kernel)


def first_of(position: FloatArray) -> Triple:
    """Position as three plain numbers.

    Parameters
    ----------
    position : (x, y, z) float64 array, mm
        LPS.

    Returns
    -------
    tuple of float
        (x, y, z), mm.
    """
    return float(position[0]), float(position[1]), float(position[2])


def _refuse(reason: str, problem: str) -> CtSeriesError:
    return CtSeriesError(
        f"{problem}: {REASONS[reason]}",
        way_out="look at the series in the archive; have it sent again whole, or as it was"
        " reconstructed",
        reason=reason,
    )


def _slice(dataset: Dataset) -> _Slice:
    if text_of(dataset, "SOPClassUID") != CTImageStorage:
        raise _refuse("mixed_series", "an object of the CT series is no CT slice")
    position = numbers_of(dataset, "ImagePositionPatient")
    orientation = numbers_of(dataset, "ImageOrientationPatient")
    spacing = numbers_of(dataset, "PixelSpacing")
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2 or min(spacing) <= 0.0:
        raise _refuse("no_geometry", "a CT slice cannot be placed")
    if text_of(dataset, "RescaleType").upper() not in _UNITS:
        raise _refuse("unit_not_hu", "the CT series has a RescaleType of its own")
    alike = (
        *(text_of(dataset, name) for name in ("SeriesInstanceUID", "FrameOfReferenceUID")),
        *(_stated(dataset, name) for name in ("Rows", "Columns", "KVP", "SliceThickness")),
        spacing,
    )
    return _Slice(dataset, np.asarray(position, dtype=np.float64), orientation, alike)


def _stated(dataset: Dataset, keyword: str) -> float | None:
    """Read a number that may be empty (Type 2)."""
    values = read_numbers(dataset, keyword, may_be_empty=True).values
    return values[0] if values else None


def _directions(one: _Slice) -> tuple[Triple, Triple]:
    """Directions of rows and columns; turned so that the normal points to the head."""
    try:
        row, column = directions_of(one.orientation)
    except GeometryError as error:
        raise _refuse("no_geometry", error.problem) from error
    if abs(float(np.cross(row, column)[2])) < np.cos(np.radians(TILT_DEG + 0.5)):
        raise _refuse("not_transaxial", "the normal of the CT slices leaves the patient's axis")
    return row, column


def _step(position: FloatArray, normal: FloatArray) -> float:
    """Distance of neighbouring slices, mm, of positions (n, 3) in their order."""
    moves = np.diff(position, axis=0)
    steps = moves @ normal
    step = float(np.median(steps))
    if steps.min() < 0.01:
        raise _refuse("double_slices", f"two CT slices {steps.min():.3f} mm apart")
    beside = np.linalg.norm(moves - steps[:, None] * normal, axis=1)
    if beside.max() > DRIFT_MM:
        raise _refuse("gantry_tilt", f"CT slices lie {beside.max():.2f} mm beside each other")
    if (np.abs(steps - step) <= STEP_TOLERANCE * step).all():
        return step
    whole = np.rint(steps / step)
    is_gap = (np.abs(steps - whole * step) <= STEP_TOLERANCE * step) & (whole >= 1.0)
    if is_gap.all():
        raise _refuse("missing_slices", f"{int((whole - 1.0).sum())} CT slices lack")
    told = f"CT slices stand {steps.min():.2f} to {steps.max():.2f} mm apart"
    raise _refuse("unequal_spacing", told)


def _values(dataset: Dataset) -> FloatArray:
    try:
        values: FloatArray = np.maximum(read_frames(dataset, [])[0], AIR_HU)
    except DicomFileError as error:
        raise _refuse("pixel_data", error.problem) from error
    return values

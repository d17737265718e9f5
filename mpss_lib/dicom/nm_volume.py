"""NM object to ``Volume``: correct geometry, or an error that says why not. No network.

Geometry of a reconstructed tomogram (PS3.3 C.8.4.11, C.8.4.15): orientation and position stand in
the first item of DetectorInformationSequence and belong to slice number 1; SpacingBetweenSlices
is signed; SliceVector and TimeSlotVector say which frame is which, the order of storage does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.faults import object_fault
from mpss_lib.dicom.header import (
    NM_STORAGE,
    STATE_KEYWORDS,
    TEXT_KEYWORDS,
    Header,
    Source,
    read_dataset,
    read_header,
)
from mpss_lib.dicom.image_type import why_no_volume
from mpss_lib.dicom.parsing import FETCH_AGAIN
from mpss_lib.dicom.pixels import DECIMAL_COMMA, read_frames, read_unit
from mpss_lib.dicom.slices import COSINE_TOLERANCE, directions_of, from_single_frames
from mpss_lib.dicom.values import items, numbers_of, read_numbers, whole_numbers_of, whole_of
from mpss_lib.errors import (
    DicomFileError,
    GeometryError,
    StudyRejectedError,
    UnreadableValueError,
)
from mpss_lib.volume import FloatArray, Volume, make_affine

ORIENTATION_UNKNOWN = "orientation_unknown"
"""Note of a volume whose object states no orientation: the axes are assumed axial."""
POSITION_UNKNOWN = "position_unknown"


def read_volume(
    source: Source | Sequence[Source],
    *,
    gated: Literal["sum", "refuse"] = "sum",
    orientation: Literal["assume_axial", "require"] = "assume_axial",
) -> Volume:
    """Read a reconstructed tomogram.

    Parameters
    ----------
    source : path or Dataset, or a sequence of them
        One NM multi-frame object, or the objects of a series with one slice in each.
    gated : {"sum", "refuse"}
        What becomes of several time slots: their sum, or a refusal.
    orientation : {"assume_axial", "require"}
        Without ImageOrientationPatient, ``assume_axial`` gives axes x to the Left, y Posterior,
        slices towards Superior, origin 0, and notes ``orientation_unknown`` in ``Volume.notes``;
        ``require`` raises.

    Returns
    -------
    Volume
        Array (z, y, x) float64; z is the slice number, not the order of storage.

    Raises
    ------
    GeometryError
        If orientation (when required), spacing or frame order is missing or contradictory.
    DicomFileError
        If the file is truncated, its pixel data have the wrong length, or it is no tomogram;
        ``UnreadableValueError`` if a value that decides here is present and cannot be read.
    StudyRejectedError
        If it is gated and ``gated="refuse"``.
    """
    is_one = isinstance(source, str | Path | Dataset)
    given = [source] if isinstance(source, str | Path | Dataset) else source
    datasets = [read_dataset(one) for one in given]
    with object_fault("the volume cannot be read", FETCH_AGAIN):
        if is_one or (len(datasets) == 1 and whole_of(datasets[0], "NumberOfFrames") > 1):
            return _from_multiframe(datasets[0], gated, orientation)
        return from_single_frames(datasets)


def read_gates(source: Source) -> FloatArray:
    """Read the time slots of a tomogram that ``read_volume`` reads as their sum.

    Parameters
    ----------
    source : path or pydicom.Dataset
        One object.

    Returns
    -------
    (slots, z, y, x) float64 array, counts
        Slots in the order of TimeSlotVector (PS3.3 C.8.4.8); one of an object that is not gated.

    Raises
    ------
    GeometryError, DicomFileError
        As ``read_volume``.
    """
    dataset = read_dataset(source)
    with object_fault("the gates cannot be read", FETCH_AGAIN):
        order = frame_order(dataset)
        gates: FloatArray = np.ascontiguousarray(read_frames(dataset, [])[order])
    return gates


def _from_multiframe(dataset: Dataset, gated: str, orientation: str) -> Volume:
    header = read_header(dataset)
    _check_readable(header)
    _check_kind(header)
    notes = [f"{DECIMAL_COMMA}:{keyword}" for keyword in header.commas]
    order = frame_order(dataset)
    if order.shape[0] > 1 and gated == "refuse":
        raise StudyRejectedError(
            f"the object is gated ({order.shape[0]} time slots)",
            way_out="set intake.gated = 'sum' to use the sum over time slots",
            reasons=("gated",),
        )
    affine = _affine(header, orientation, notes)
    _check_detectors(dataset)
    frames = read_frames(dataset, notes)
    array = np.ascontiguousarray(frames[order].sum(axis=0))
    if order.shape[0] > 1:
        notes.append(f"sum_of_{order.shape[0]}_time_slots")
    return Volume(array, affine, read_unit(dataset), header.frame_of_reference, tuple(notes))


NOT_OF_THE_VOLUME = frozenset(
    {*TEXT_KEYWORDS, *STATE_KEYWORDS, "SeriesNumber", "Modality"} - {"ImageType"}
)
"""Keywords whose values say what the volume is and not how it lies: the rules of intake judge."""


def _check_readable(header: Header) -> None:
    for keyword, what in header.unreadable.items():
        if keyword not in NOT_OF_THE_VOLUME:
            raise UnreadableValueError(keyword, what)


def _check_kind(header: Header) -> None:
    if header.sop_class != NM_STORAGE:
        raise DicomFileError(
            f"SOP class {header.sop_class or 'absent'} is not Nuclear Medicine Image Storage",
            way_out="give an NM object; Modality NM alone proves nothing",
        )
    if why_no_volume(header.texts.get("ImageType", ())):
        kind = "\\".join(header.texts.get("ImageType", ())) or "absent"
        raise DicomFileError(
            f"ImageType is {kind!r}, not a reconstructed tomogram of the emission",
            way_out="give an object with RECON TOMO or RECON GATED TOMO, PRIMARY, EMISSION",
        )
    if not header.n_pixel_bytes:
        raise DicomFileError(
            "the object has no pixel data: truncated, or a header only", way_out=FETCH_AGAIN
        )
    if not (header.rows and header.columns and header.n_frames):
        raise DicomFileError(
            f"no image matrix: {header.rows} rows, {header.columns} columns,"
            f" {header.n_frames} frames",
            way_out=FETCH_AGAIN,
        )


# --------------------------------------------------------------------- frame order


def frame_order(dataset: Dataset) -> np.ndarray:
    """Index of the stored frame for each (time slot, slice) (PS3.3 C.8.4.8).

    Parameters
    ----------
    dataset : pydicom.Dataset

    Returns
    -------
    (slots, slices) intp array

    Raises
    ------
    GeometryError
        If the vectors are absent, of another length, or name a frame twice.
    """
    n_frames = whole_of(dataset, "NumberOfFrames") or 1
    for name in ("RRInterval", "EnergyWindow"):
        _check_single(dataset, f"{name}Vector", f"NumberOf{name}s")
    slices = _vector(dataset, "SliceVector", n_frames)
    slots = _vector(dataset, "TimeSlotVector", n_frames)
    if slices is None:
        if n_frames > 1:
            raise GeometryError(
                f"SliceVector is absent: the order of {n_frames} frames is unknown",
                way_out="export the object again with its NM vectors",
            )
        slices = np.ones(1, dtype=np.int64)
    if slots is None:
        slots = np.ones(n_frames, dtype=np.int64)
    n_slices, n_slots = int(slices.max()), int(slots.max())
    if min(int(slices.min()), int(slots.min())) < 1 or n_slices * n_slots != n_frames:
        raise GeometryError(
            f"{n_frames} frames are not {n_slots} time slots x {n_slices} slices counted from 1",
            way_out="export the object again: frames are missing or numbered wrongly",
        )
    _check_number(dataset, "NumberOfSlices", "SliceVector", n_slices)
    _check_number(dataset, "NumberOfTimeSlots", "TimeSlotVector", n_slots)
    order = np.full((n_slots, n_slices), -1, dtype=np.intp)
    order[slots - 1, slices - 1] = np.arange(n_frames)
    if (order < 0).any():
        slot, number = (int(i) + 1 for i in np.argwhere(order < 0)[0])
        raise GeometryError(
            f"slice {number} of time slot {slot} is missing and another one stands twice",
            way_out="export the object again: SliceVector repeats a slice",
        )
    return order


def _vector(dataset: Dataset, keyword: str, n_frames: int) -> np.ndarray | None:
    values = whole_numbers_of(dataset, keyword)
    if not values:
        return None
    if len(values) != n_frames:
        raise GeometryError(
            f"{keyword} has {len(values)} entries for {n_frames} frames",
            way_out="export the object again with its NM vectors",
        )
    return np.asarray(values, dtype=np.int64)


def _check_single(dataset: Dataset, vector: str, number: str) -> None:
    found = len(set(numbers_of(dataset, vector)))
    stated = whole_of(dataset, number)
    if found > 1:
        raise GeometryError(
            f"{vector} has {found} values ({number} = {stated}): frames of different kinds in one"
            " object",
            way_out="export one volume per object",
        )


def _check_number(dataset: Dataset, number: str, vector: str, found: int) -> None:
    """Compare a number of the header with what the frames are: one of the two is wrong.

    0 where there is no vector says, as some stations do, that nothing is counted.
    """
    stated = whole_of(dataset, number)
    is_uncounted = stated == 0 and vector not in dataset
    if number in dataset and stated != found and not is_uncounted:
        raise GeometryError(
            f"{number} is {stated}, {vector} counts {found}",
            way_out="export the object again: frames are missing, or its header is of another",
        )


# ------------------------------------------------------------------------ geometry


def _affine(header: Header, orientation: str, notes: list[str]) -> FloatArray:
    if header.pixel_spacing_mm is None or min(header.pixel_spacing_mm) <= 0:
        raise GeometryError(
            f"PixelSpacing is {header.pixel_spacing_mm or 'absent'}, wanted two positive numbers",
            way_out="export the object again with its geometry",
        )
    slice_mm = header.slice_spacing_mm
    if not slice_mm:
        raise GeometryError(
            "neither SpacingBetweenSlices nor SliceThickness is stated"
            if slice_mm is None
            else "the distance between slices is stated as 0 mm",
            way_out="export the object again with its geometry",
        )
    spacing = (slice_mm, *header.pixel_spacing_mm)
    if header.orientation is None:
        if orientation == "require":
            raise GeometryError(
                "ImageOrientationPatient is absent: nobody knows where the slices lie",
                way_out="export the object again from a station that writes"
                " DetectorInformationSequence",
            )
        notes.append(ORIENTATION_UNKNOWN)
        return make_affine(
            (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (abs(slice_mm), *spacing[1:])
        )
    row, column = directions_of(header.orientation)
    if header.position_mm is None:
        notes.append(POSITION_UNKNOWN)
    return make_affine(header.position_mm or (0.0, 0.0, 0.0), row, column, spacing)


def _check_detectors(dataset: Dataset) -> None:
    """Refuse an object in which the orientation stands several times and differs."""
    holders = [*items(dataset, "DetectorInformationSequence"), dataset]
    stated = [
        values
        for holder in holders
        if (
            values := read_numbers(
                holder, "ImageOrientationPatient", count=6, may_be_empty=True
            ).values
        )
    ]
    if any(not np.allclose(values, stated[0], atol=COSINE_TOLERANCE) for values in stated[1:]):
        raise GeometryError(
            f"{len(stated)} statements of ImageOrientationPatient in the object give different"
            " orientations",
            way_out="export the reconstructed volume as an object of its own",
        )

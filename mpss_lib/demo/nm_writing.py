"""``Volume`` to a valid NM RECON TOMO object, in the habits of a vendor. No clock, no chance.

Equal arguments give equal bytes. The modules are those of the NM Image IOD (PS3.3 A.5); the PET
attributes ReconstructionMethod and AttenuationCorrectionMethod that some vendors add make it a
Standard Extended SOP Class.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from mpss_lib.demo.nm_modules import (
    Habits,
    SeriesText,
    Subject,
    add_geometry,
    add_nm,
    add_rotation,
    add_texts,
    set_values,
)
from mpss_lib.dicom.header import NM_STORAGE
from mpss_lib.dicom.values import decimal
from mpss_lib.errors import GeometryError, WrongArgumentError
from mpss_lib.volume import FloatArray, Volume

IMPLEMENTATION_CLASS = "2.25.274953217043113984212713309861290563921"
IMPLEMENTATION_NAME = "MPSS_1"

STORED_MAX = 32767
"""Stations store each volume scaled to 15 or 16 bit, so that old readers take it as signed."""


def nm_dataset(
    volume: Volume,
    subject: Subject,
    series: SeriesText,
    habits: Habits,
    *,
    gated: FloatArray | None = None,
    image_type: tuple[str, ...] = (),
) -> Dataset:
    """Make an NM reconstructed tomogram.

    Parameters
    ----------
    volume : Volume
        Array (z, y, x) >= 0 on orthogonal axes.
    subject, series, habits : Subject, SeriesText, Habits
        What the object says of patient, study, series and station.
    gated : (slots, z, y, x) float64 array, optional
        Time slots of a gated tomogram in place of ``volume.array``.
    image_type : tuple of str, optional
        ImageType; by default DERIVED, PRIMARY and RECON TOMO or RECON GATED TOMO, EMISSION.

    Returns
    -------
    pydicom.Dataset
        Without file meta information.

    Raises
    ------
    GeometryError
        If the axes are not orthogonal.
    WrongArgumentError
        If the values are negative or not finite.
    """
    slots = volume.array[np.newaxis] if gated is None else gated
    if not np.isfinite(slots).all() or slots.min() < 0:
        raise WrongArgumentError(
            "counts are negative or not finite", way_out="clip the volume at 0 before writing it"
        )
    slots, affine = _stack(slots, volume.affine, habits)
    kind = "RECON TOMO" if gated is None else "RECON GATED TOMO"
    dataset = base_dataset(subject, series, habits, sop_class=NM_STORAGE, modality="NM")
    dataset.ImageType = list(image_type or ("DERIVED", "PRIMARY", kind, "EMISSION"))
    add_texts(dataset, series, habits)
    add_nm(dataset, n_detectors=1)
    add_geometry(dataset, affine, series)
    add_rotation(dataset, n_slots=slots.shape[0])
    _add_frames(dataset, slots, habits)
    return dataset


def base_dataset(
    subject: Subject, series: SeriesText, habits: Habits, *, sop_class: str, modality: str
) -> Dataset:
    """Make the modules that any object of a study has: patient, study, series, equipment."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(series.instance)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS)
    dataset.file_meta.ImplementationVersionName = IMPLEMENTATION_NAME
    for values in (
        {"SOPClassUID": sop_class, "SOPInstanceUID": series.instance, "Modality": modality},
        _of_subject(subject),
        _of_series(series, subject),
        _of_station(habits),
    ):
        set_values(dataset, values)
    return dataset


def _of_subject(subject: Subject) -> dict[str, Any]:
    return {
        "PatientName": subject.patient_name,
        "PatientID": subject.patient_id,
        "PatientBirthDate": subject.birth_date,
        "PatientSex": subject.sex,
        "PatientAge": f"{subject.age_years:03d}Y",
        "PatientSize": decimal(subject.height_m),
        "PatientWeight": decimal(subject.weight_kg),
        "StudyInstanceUID": subject.study,
        "StudyID": subject.accession_number,
        "StudyDate": subject.study_date,
        "StudyTime": subject.study_time,
        "AccessionNumber": subject.accession_number,
        "ReferringPhysicianName": "",
        "StudyDescription": subject.study_description,
        "FrameOfReferenceUID": subject.frame_of_reference,
        "PositionReferenceIndicator": "",
    }


def _of_series(series: SeriesText, subject: Subject) -> dict[str, Any]:
    moments = ("Series", "Content", "Acquisition")
    return {
        **{f"{moment}Date": subject.study_date for moment in moments},
        **{f"{moment}Time": subject.study_time for moment in moments},
        "SeriesInstanceUID": series.series,
        "SeriesNumber": series.number,
        "SeriesDescription": series.description,
        "BodyPartExamined": "HEART",
        "InstanceNumber": 1,
        "PatientOrientation": "",
        "ImageComments": "SYNTHETIC - FOR RESEARCH USE ONLY",
        **({"ProtocolName": series.protocol} if series.protocol else {}),
    }


def _of_station(habits: Habits) -> dict[str, Any]:
    return {
        "Manufacturer": habits.manufacturer,
        "ManufacturerModelName": habits.model,
        "SoftwareVersions": habits.software,
        "BurnedInAnnotation": "NO",
        "QualityControlImage": "YES",  # a phantom, no patient: the report says so
    }


def _add_frames(dataset: Dataset, slots: FloatArray, habits: Habits) -> None:
    n_slots, n_slices, n_rows, n_columns = slots.shape
    highest = float(slots.max())
    scale = STORED_MAX / highest if highest > 0 else 1.0
    stored = np.rint(slots * scale).astype("<u2")
    slices = np.tile(np.arange(1, n_slices + 1), n_slots)
    times = np.repeat(np.arange(1, n_slots + 1), n_slices)
    order = np.arange(slices.size)[:: -1 if habits.reversed_storage else 1]
    frames = stored.reshape(-1, n_rows, n_columns)[order]
    pointer = [Tag("SliceVector")]
    if n_slots > 1:
        pointer = [Tag("RRIntervalVector"), Tag("TimeSlotVector"), Tag("SliceVector")]
        dataset.NumberOfRRIntervals, dataset.NumberOfTimeSlots = 1, n_slots
        dataset.RRIntervalVector = [1] * slices.size
        dataset.TimeSlotVector = times[order].tolist()
    dataset.SliceVector = slices[order].tolist()
    dataset.NumberOfSlices = n_slices
    dataset.FrameIncrementPointer = pointer if len(pointer) > 1 else pointer[0]
    if habits.rescale:
        dataset.RescaleIntercept, dataset.RescaleSlope = decimal(0.0), decimal(1.0 / scale)
    add_pixels(dataset, frames)
    dataset.CountsAccumulated = min(int(slots.sum()), 2**31 - 1)


def add_pixels(dataset: Dataset, frames: np.ndarray) -> None:
    """Put pixels into a dataset, with the matrix that they have.

    Parameters
    ----------
    dataset : pydicom.Dataset
    frames : (frames, rows, columns) uint16 array
    """
    frames = np.ascontiguousarray(frames, dtype="<u2")
    highest = int(frames.max())
    set_values(
        dataset,
        {
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "NumberOfFrames": frames.shape[0],
            "Rows": frames.shape[1],
            "Columns": frames.shape[2],
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 0,
            "SmallestImagePixelValue": int(frames.min()),
            "LargestImagePixelValue": highest,
            "WindowCenter": decimal(highest / 2),
            "WindowWidth": decimal(max(highest, 1)),
        },
    )
    dataset.add_new(Tag("PixelData"), "OW", frames.tobytes())


# ------------------------------------------------------------------------ pieces


def _stack(slots: FloatArray, affine: FloatArray, habits: Habits) -> tuple[FloatArray, FloatArray]:
    """Put slice 1 at the end of the body where the vendor starts; the voxels do not move."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
        raise GeometryError(
            "the axes of the volume are not orthogonal",
            way_out="resample it onto an orthogonal grid: NM objects cannot hold it",
        )
    goes_up = affine[2, 0] > 0
    if goes_up != habits.head_first:
        return slots, affine
    flipped = affine.copy()
    flipped[:3, 0] = -affine[:3, 0]
    flipped[:3, 3] = affine[:3, 3] + (slots.shape[1] - 1) * affine[:3, 0]
    return slots[:, ::-1], flipped

"""What lies in the archive beside the wanted series: planar views, projections, pictures, CT.

All are valid objects and plainly synthetic; none of them may become a volume.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from mpss_lib.demo.nm_modules import (
    Habits,
    SeriesText,
    Subject,
    add_nm,
    add_rotation,
    coded,
    set_values,
)
from mpss_lib.demo.nm_writing import add_pixels, base_dataset
from mpss_lib.dicom import NM_STORAGE
from mpss_lib.dicom.header import SECONDARY_CAPTURE_STORAGE
from mpss_lib.dicom.values import decimal
from mpss_lib.volume import FloatArray, Volume

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
N_VIEWS = 16


def planar_dataset(
    subject: Subject, series: SeriesText, habits: Habits, rng: np.random.Generator
) -> Dataset:
    """Make a planar study: an anterior and a posterior view."""
    dataset = base_dataset(subject, series, habits, sop_class=NM_STORAGE, modality="NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
    add_nm(dataset, n_detectors=2)
    detectors = []
    for code, meaning in (("399348003", "Antero-posterior"), ("399106004", "Postero-anterior")):
        detector = Dataset()
        detector.CollimatorType = "PARA"
        detector.ImagePositionPatient, detector.ImageOrientationPatient = None, None
        detector.ViewCodeSequence = coded(code, "SCT", meaning)
        detectors.append(detector)
    dataset.DetectorInformationSequence = Sequence(detectors)
    _set_vectors(dataset, {"EnergyWindowVector": [1, 1], "DetectorVector": [1, 2]})
    dataset.PixelSpacing = [decimal(4.8), decimal(4.8)]
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.ActualFrameDuration = 300000
    blob = _blob(64)
    frames = rng.poisson(np.stack([blob, blob[:, ::-1]]) * 60.0)
    add_pixels(dataset, frames.astype(np.uint16))
    dataset.CountsAccumulated = int(frames.sum())
    return dataset


def projection_dataset(
    volume: Volume, subject: Subject, series: SeriesText, habits: Habits
) -> Dataset:
    """Make the projections of a volume: line integrals, ``N_VIEWS`` views over half a turn.

    Parameters
    ----------
    volume : Volume
    subject, series, habits : Subject, SeriesText, Habits
        As for ``nm_dataset``.

    Returns
    -------
    pydicom.Dataset
        NM, ORIGINAL TOMO.
    """
    dataset = base_dataset(subject, series, habits, sop_class=NM_STORAGE, modality="NM")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]
    add_nm(dataset, n_detectors=1)
    detector = Dataset()
    detector.CollimatorType = "PARA"
    detector.ImagePositionPatient = [decimal(v) for v in (-153.6, -250.0, 153.6)]
    detector.ImageOrientationPatient = [decimal(v) for v in (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)]
    dataset.DetectorInformationSequence = Sequence([detector])
    add_rotation(dataset, n_slots=1)
    dataset.RotationInformationSequence[0].NumberOfFramesInRotation = N_VIEWS
    dataset.RotationInformationSequence[0].AngularStep = decimal(180.0 / N_VIEWS)
    ones = [1] * N_VIEWS
    _set_vectors(
        dataset,
        {
            "EnergyWindowVector": ones,
            "DetectorVector": ones,
            "RotationVector": ones,
            "AngularViewVector": list(range(1, N_VIEWS + 1)),
        },
    )
    dataset.PixelSpacing = [decimal(4.8), decimal(4.8)]
    _add_state(dataset, series)
    views = _project(volume.array)
    scale = 2000.0 / max(float(views.max()), 1.0)
    add_pixels(dataset, np.rint(views * scale).astype(np.uint16))
    dataset.CountsAccumulated = int(views.sum() * scale)
    return dataset


def capture_dataset(
    volume: Volume, subject: Subject, series: SeriesText, habits: Habits
) -> Dataset:
    """Make a secondary capture that says Modality NM: maximum projections in one picture.

    Parameters
    ----------
    volume : Volume
    subject, series, habits : Subject, SeriesText, Habits
        As for ``nm_dataset``.

    Returns
    -------
    pydicom.Dataset
        Secondary capture.
    """
    dataset = base_dataset(
        subject, series, habits, sop_class=SECONDARY_CAPTURE_STORAGE, modality="NM"
    )
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    picture = np.concatenate([volume.array.max(axis=1), volume.array.max(axis=2)], axis=1)[::-1]
    levels = np.rint(picture * (255.0 / max(float(picture.max()), 1.0)))
    add_pixels(dataset, levels.astype(np.uint16)[np.newaxis])
    del dataset.NumberOfFrames
    return dataset


def ct_datasets(
    subject: Subject, series: SeriesText, habits: Habits, instances: list[str]
) -> list[Dataset]:
    """Make slices of a low-dose CT for attenuation correction: an ellipse of water in air."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    body = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < 1.0, 1024, 24).astype(np.uint16)
    made = []
    for number, instance in enumerate(instances, start=1):
        dataset = base_dataset(subject, series, habits, sop_class=CT_STORAGE, modality="CT")
        dataset.SOPInstanceUID = instance
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        set_values(
            dataset,
            {
                "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
                "InstanceNumber": number,
                "AcquisitionNumber": 1,
                "PatientPosition": "HFS",
                "KVP": decimal(120.0),
                "RescaleSlope": decimal(1.0),
                "RescaleIntercept": decimal(-1024.0),
                "PixelSpacing": [decimal(6.0), decimal(6.0)],
                "SliceThickness": decimal(5.0),
                "ImageOrientationPatient": [decimal(v) for v in (1, 0, 0, 0, 1, 0)],
                "ImagePositionPatient": [decimal(v) for v in (-189.0, -189.0, 5.0 * number)],
            },
        )
        add_pixels(dataset, body[np.newaxis])
        del dataset.NumberOfFrames
        made.append(dataset)
    return made


def gate(volume: Volume, n_slots: int = 8) -> FloatArray:
    """Split a volume over time slots whose sum is the volume.

    Parameters
    ----------
    volume : Volume
    n_slots : int

    Returns
    -------
    (slots, z, y, x) float64 array, counts
    """
    phase = 2.0 * np.pi * np.arange(n_slots) / n_slots
    weights = 1.0 + 0.08 * np.cos(phase)
    slots: FloatArray = (weights / weights.sum())[:, None, None, None] * volume.array
    return slots


def _set_vectors(dataset: Dataset, vectors: dict[str, list[int]]) -> None:
    set_values(dataset, dict(vectors))
    dataset.FrameIncrementPointer = [Tag(keyword) for keyword in vectors]


def _add_state(dataset: Dataset, series: SeriesText) -> None:
    dataset.AcquisitionContextSequence = Sequence([])
    if series.image_id:
        dataset.ImageID = series.image_id


def _project(array: FloatArray) -> FloatArray:
    """Rotate about the body axis and sum along y: (views, z, x) float64 array."""
    from scipy.ndimage import rotate

    angles = np.linspace(-45.0, 135.0, N_VIEWS, endpoint=False)
    return np.stack(
        [
            rotate(array, angle, axes=(1, 2), reshape=False, order=1).sum(axis=1)[::-1]
            for angle in angles
        ]
    )


def _blob(size: int) -> FloatArray:
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    blob: FloatArray = np.exp(-(((x - 0.2) / 0.3) ** 2) - ((y + 0.1) / 0.5) ** 2)
    return blob

"""Small CT series as a scanner writes them: a chest of boxes with bright cubes in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from mpss_lib.dicom import to_bytes

SPECT = "1.2.826.0.1.3680043.10.1.70"
"""Study Instance UID of the perfusion study that the CTs lie beside."""
SPACING_MM, STEP_MM = 1.0, 3.0
SHAPE = (12, 96, 96)


def chest(cubes: Sequence[tuple[int, int, int, int, float]] = ()) -> np.ndarray:
    """HU (z, y, x): soft tissue between two lungs; cubes (z, y, x, edge, HU)."""
    hu = np.full(SHAPE, 40.0)
    hu[:, 20:76, 8:34] = -850.0
    hu[:, 20:76, 62:88] = -850.0
    hu[:, :6] = hu[:, -6:] = -1000.0
    for z, y, x, edge, value in cubes:
        hu[z : z + 1, y : y + edge, x : x + edge] = value
    return hu


def series(
    hu: np.ndarray,
    *,
    patient_id: str = "PHANTOM-17",
    study: str = "1.2.826.0.1.3680043.10.1.77",
    series_uid: str = "1.2.826.0.1.3680043.10.1.77.9",
    description: str = "CaSc 3.0 B35f",
    step_mm: float = STEP_MM,
    frame: str = "1.2.826.0.1.3680043.10.1.77.4",
    **changes: object,
) -> list[Dataset]:
    """One object a slice, from the feet up."""
    return [
        _slice(number, plane, patient_id, study, series_uid, description, step_mm, frame, changes)
        for number, plane in enumerate(hu, start=1)
    ]


def _slice(
    number: int,
    plane: np.ndarray,
    patient_id: str,
    study: str,
    series_uid: str,
    description: str,
    step_mm: float,
    frame: str,
    changes: dict[str, object],
) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = CTImageStorage
    made.SOPInstanceUID = f"{series_uid}.{number}"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = study, series_uid
    made.FrameOfReferenceUID = frame
    made.PatientID, made.PatientName = patient_id, "Phantom^Seventeen"
    made.AccessionNumber = "ACC-4711"
    made.StudyDate, made.StudyTime = "20261119", "101500"
    made.Modality, made.SeriesDescription = "CT", description
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.KVP, made.SliceThickness, made.ConvolutionKernel = 120, 3, "B35f"
    made.SeriesNumber, made.InstanceNumber = 2, number
    made.PixelSpacing = [SPACING_MM, SPACING_MM]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = [-48, -48, round(step_mm * number - 18.0, 3)]
    made.RescaleSlope, made.RescaleIntercept, made.RescaleType = 1, -1024, "HU"
    made.Rows, made.Columns = plane.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = (plane + 1024.0).astype("<u2").tobytes()
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made


def files(datasets: Sequence[Dataset]) -> list[bytes]:
    """As DICOM files."""
    return [to_bytes(one) for one in datasets]

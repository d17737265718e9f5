"""Small NM objects for tests of the archive and of pull: 16-bit, several frames, invented names."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRLittleEndian,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
)

ROOT = "1.2.826.0.1.3680043.10.99"


def study_uid(number: int) -> str:
    return f"{ROOT}.1.{number}"


def series_uid(number: int, series: int = 1) -> str:
    return f"{ROOT}.2.{number}.{series}"


def sop_uid(number: int, series: int = 1, instance: int = 1) -> str:
    return f"{ROOT}.3.{number}.{series}.{instance}"


def make_nm(
    number: int = 1,
    *,
    series: int = 1,
    instance: int = 1,
    study_date: str = "20260302",
    study_time: str = "101500",
    seed: int | None = None,
    shape: tuple[int, int, int] = (3, 4, 5),
    **attributes: object,
) -> FileDataset:
    """An NM RECON TOMO object of patient ``number``; attributes by keyword override."""
    frames, rows, columns = shape
    rng = np.random.default_rng(number * 1000 + series * 10 + instance if seed is None else seed)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    meta.MediaStorageSOPInstanceUID = sop_uid(number, series, instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    values: dict[str, object] = {
        "SOPClassUID": NuclearMedicineImageStorage,
        "SOPInstanceUID": sop_uid(number, series, instance),
        "StudyInstanceUID": study_uid(number),
        "SeriesInstanceUID": series_uid(number, series),
        "PatientID": f"HOSP-{number:05d}",
        "PatientName": f"Invented^Person{number}",
        "PatientBirthDate": "19500615",
        "PatientSex": "F",
        "PatientWeight": "71.5",
        "AccessionNumber": f"ACC{number:07d}",
        "StudyID": f"SID{number}",
        "StudyDate": study_date,
        "StudyTime": study_time,
        "SeriesDate": study_date,
        "SeriesTime": study_time,
        "AcquisitionDate": study_date,
        "AcquisitionTime": "103000",
        "Modality": "NM",
        "Manufacturer": "GE MEDICAL SYSTEMS",
        "SeriesDescription": "STRESS AC OSEM",
        "ImageID": "STRESS AC",
        "SeriesNumber": str(series),
        "InstanceNumber": str(instance),
        "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "NumberOfFrames": str(frames),
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelSpacing": ["4.8", "4.8"],
        "SliceThickness": "4.8",
        "SpacingBetweenSlices": "-4.8",
        "SliceVector": list(range(1, frames + 1)),
        "NumberOfSlices": frames,
        "CorrectedImage": ["ATTN", "SCAT"],
        "FrameOfReferenceUID": f"{ROOT}.4.{number}",
        "DetectorInformationSequence": Sequence([_detector()]),
    }
    for keyword, value in (values | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    if "PixelData" not in dataset:
        pixels = rng.integers(0, 4000, size=shape, dtype=np.uint16)
        dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    return dataset


def make_capture(number: int, *, series: int = 9, **attributes: object) -> FileDataset:
    """A secondary capture that calls itself NM."""
    dataset = make_nm(
        number,
        series=series,
        SOPClassUID=SecondaryCaptureImageStorage,
        SeriesDescription="SAVE SCREEN",
        **attributes,
    )
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    return dataset


def _detector() -> Dataset:
    item = Dataset()
    item.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    item.ImagePositionPatient = ["-150", "-150", "60"]
    return item

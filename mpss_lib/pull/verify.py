"""Verification of received objects: whole, readable and the ones that were announced."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import NuclearMedicineImageStorage, RLELossless, SegmentationStorage

from mpss_lib.errors import DicomFileError
from mpss_lib.pull.answers import ObjectAnswer

_WAY_OUT = (
    "have the object sent to the archive again by its scanner or workstation, then"
    " `mpss quarantine retry`"
)


def read_received(path: Path, announced: ObjectAnswer, study_uid: str) -> FileDataset:
    """Read an object as received and verify it.

    Parameters
    ----------
    path : Path
        The file in the staging folder.
    announced : ObjectAnswer
        What C-FIND said about it.
    study_uid : str

    Returns
    -------
    FileDataset
        With uncompressed pixel data where it is an NM object.

    Raises
    ------
    DicomFileError
        If it cannot be read, is another object, or its pixel data do not have the length
        rows x columns x samples x frames x bytes.
    """
    with pydicom.config.disable_value_validation():
        received = _read(path)
        for keyword, wanted in (
            ("SOPInstanceUID", announced.sop_uid),
            ("SeriesInstanceUID", announced.series_uid),
            ("StudyInstanceUID", study_uid),
        ):
            if str(received.get(keyword, "")) != wanted:
                raise DicomFileError(
                    f"an object does not carry the {keyword} under which it was announced",
                    way_out=_WAY_OUT,
                )
        if received.get("SOPClassUID") in (NuclearMedicineImageStorage, SegmentationStorage):
            _check_pixels(received)
    return received


def _read(path: Path) -> FileDataset:
    try:
        received = dcmread(path)
        if received.file_meta.get("TransferSyntaxUID") == RLELossless:
            received.decompress()
        for tag in received.keys():  # noqa: SIM118 - iterating would decode every value
            received.get_item(tag)
    except (InvalidDicomError, EOFError, ValueError, OSError, AttributeError, KeyError) as error:
        raise DicomFileError(
            f"an object of {path.stat().st_size} bytes cannot be read ({type(error).__name__})",
            way_out=_WAY_OUT,
        ) from error
    return received


def _check_pixels(received: FileDataset) -> None:
    expected = 1
    try:
        for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"):
            expected *= int(received[keyword].value)
        expected = -(-expected * int(received.get("NumberOfFrames") or 1) // 8)
    except (KeyError, ValueError, TypeError) as error:
        raise DicomFileError(
            "an object does not state its rows, columns, samples, bits or frames",
            way_out=_WAY_OUT,
        ) from error
    pixels = received.get("PixelData")
    length = len(pixels) if isinstance(pixels, bytes) else 0
    if length != expected + expected % 2:
        raise DicomFileError(
            f"an object is truncated or inconsistent: pixel data of {length} bytes, its header"
            f" says {expected}",
            way_out=_WAY_OUT,
        )

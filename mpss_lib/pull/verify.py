"""Verification of received objects: whole, readable and the ones that were announced."""

from __future__ import annotations

from io import BytesIO

from pydicom.dataset import FileDataset
from pydicom.filereader import read_partial
from pydicom.uid import CTImageStorage, NuclearMedicineImageStorage, SegmentationStorage

from mpss_lib.dicom.decoding import check_claim, decompress
from mpss_lib.dicom.faults import SENT_AGAIN, object_fault
from mpss_lib.dicom.parsing import MAX_BYTES, parse
from mpss_lib.dicom.values import text_of
from mpss_lib.errors import DicomFileError
from mpss_lib.pull.archive.answers import ObjectAnswer

_WITH_PIXELS = (NuclearMedicineImageStorage, SegmentationStorage, CTImageStorage)


def class_received(content: bytes) -> str:
    """SOP class under which the archive sent an object; "" where the file does not say.

    It stands in the file meta information that our receiver writes, before a byte of the object.
    """
    with object_fault("an object has no file meta information"):
        meta = read_partial(BytesIO(content[:2048]), stop_when=lambda *_: True).file_meta
        return text_of(meta, "MediaStorageSOPClassUID")


def read_received(
    content: bytes, announced: ObjectAnswer, study_uid: str, max_bytes: int = MAX_BYTES
) -> FileDataset:
    """Read an object as received and verify it.

    Parameters
    ----------
    content : bytes
        Its file in the staging folder.
    announced : ObjectAnswer
        What C-FIND said about it.
    study_uid : str
    max_bytes : int
        Larger objects are refused before they are decoded.

    Returns
    -------
    FileDataset
        With uncompressed pixel data where it is an NM, SEG or CT object.

    Raises
    ------
    UndecodedError
        If it is too large, or in a transfer syntax that is not decoded.
    DicomFileError
        If it cannot be read, is another object, or its pixel data do not have the length
        rows x columns x samples x frames x bytes.
    """
    name = f"an object of {len(content)} bytes"
    received = parse(content, name, max_bytes)
    with object_fault(f"{name} cannot be read"):
        for keyword, wanted in (
            ("SOPInstanceUID", announced.sop_uid),
            ("SeriesInstanceUID", announced.series_uid),
            ("StudyInstanceUID", study_uid),
        ):
            if text_of(received, keyword) != wanted:
                raise DicomFileError(
                    f"an object does not carry the {keyword} under which it was announced",
                    way_out=SENT_AGAIN,
                )
        if received.get("SOPClassUID") in _WITH_PIXELS:
            decompress(received, max_bytes)
            _check_pixels(received, max_bytes)
    return received


def _check_pixels(received: FileDataset, max_bytes: int) -> None:
    claim = check_claim(received, max_bytes)
    bits = claim.rows * claim.columns * claim.samples * claim.frames * claim.bits
    expected = -(-bits // 8)
    pixels = received.get("PixelData")
    length = len(pixels) if isinstance(pixels, bytes) else 0
    if length != expected + expected % 2:
        raise DicomFileError(
            f"an object is truncated or inconsistent: pixel data of {length} bytes, its header"
            f" says {expected}",
            way_out=SENT_AGAIN,
        )

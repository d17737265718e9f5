"""Bytes of a DICOM file as a dataset: size first, every fault the object's own."""

from __future__ import annotations

import warnings
import zlib
from io import BytesIO

import pydicom
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError

from mpss_lib.dicom.endings import end_of_meta, ends_early
from mpss_lib.dicom.faults import TOO_LARGE, object_fault
from mpss_lib.errors import DicomFileError, UndecodedError

FETCH_AGAIN = "fetch the object again; if it comes the same, it is broken at the archive"

MAX_BYTES = 128 * 2**20
"""Largest object that is decoded where nobody says otherwise (see ``pull.max_object_mb``)."""

_DEFLATED = b"1.2.840.10008.1.2.1.99"


def parse(content: bytes, name: str, max_bytes: int = MAX_BYTES) -> FileDataset:
    """Parse the bytes of a DICOM file.

    Parameters
    ----------
    content : bytes
        As read by the caller: what the system says of the file is not the object's fault.
    name : str
        What messages call it.
    max_bytes : int
        Larger objects are refused, also where the size shows only when they are inflated.

    Raises
    ------
    UndecodedError
        ``too_large``.
    DicomFileError
        If it is no DICOM file, ends early or cannot be parsed.
    """
    _check_size(len(content), name, max_bytes)
    with object_fault(f"{name} cannot be parsed", FETCH_AGAIN):
        inflated = _inflated(content, max_bytes)
        _check_size(len(inflated), name, max_bytes)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                dataset = pydicom.dcmread(BytesIO(content))
        except InvalidDicomError as error:
            raise DicomFileError(
                f"{name} is no DICOM file: no DICM prefix",
                way_out="fetch the object again; an archive sends DICOM part 10 files",
            ) from error
    is_told = any("end of file" in str(warning.message).lower() for warning in caught)
    if is_told or ends_early(dataset, inflated or content):
        raise DicomFileError(
            f"{name} is truncated: {len(content)} bytes end inside an element",
            way_out=FETCH_AGAIN,
        )
    return dataset


def _inflated(content: bytes, limit: int) -> bytes:
    """Give a deflated dataset (PS3.5 A.5), at most ``limit`` + 1 bytes of it; none of any other."""
    if _DEFLATED not in content[:1024]:
        return b""
    packed = content[end_of_meta(content) :]
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, limit + 1)


def _check_size(n_bytes: int, name: str, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise UndecodedError(
            f"{name} is larger than {max_bytes / 2**20:g} MB",
            way_out="raise pull.max_object_mb if such objects are wanted",
            reason=TOO_LARGE,
        )

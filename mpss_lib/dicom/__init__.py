"""DICOM objects: header record, NM object to ``Volume``. No network."""

from __future__ import annotations

from mpss_lib.dicom.ct_volume import CtVolume, read_ct
from mpss_lib.dicom.header import NM_STORAGE, Header, Source, read_dataset, read_header, to_bytes
from mpss_lib.dicom.nm_volume import ORIENTATION_UNKNOWN, POSITION_UNKNOWN, read_gates, read_volume

__all__ = [
    "NM_STORAGE",
    "ORIENTATION_UNKNOWN",
    "POSITION_UNKNOWN",
    "CtVolume",
    "Header",
    "Source",
    "read_ct",
    "read_dataset",
    "read_gates",
    "read_header",
    "read_volume",
    "to_bytes",
]

"""DICOM objects: header record, NM object to ``Volume`` and back. No network."""

from __future__ import annotations

from mpss_lib.dicom.header import NM_STORAGE, Header, Source, read_dataset, read_header
from mpss_lib.dicom.modules import Habits, SeriesText, Subject
from mpss_lib.dicom.nm_volume import ORIENTATION_UNKNOWN, POSITION_UNKNOWN, read_volume
from mpss_lib.dicom.writing import nm_dataset, to_bytes

__all__ = [
    "NM_STORAGE",
    "ORIENTATION_UNKNOWN",
    "POSITION_UNKNOWN",
    "Habits",
    "Header",
    "SeriesText",
    "Source",
    "Subject",
    "nm_dataset",
    "read_dataset",
    "read_header",
    "read_volume",
    "to_bytes",
]

"""Whether the bytes of an object end where its last element does: pydicom does not ask."""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileDataset

from mpss_lib.dicom.values import quiet

_UNDEFINED = 0xFFFFFFFF
_HEADER = 8
"""Bytes of the shortest head of an element: tag, VR and length, or tag and length (PS3.5 7.1)."""
_META_AT = 144
"""First byte after FileMetaInformationGroupLength (PS3.10 7.1)."""


def end_of_meta(content: bytes) -> int:
    """Give the place of the first byte after the file meta information, as its length states it."""
    return _META_AT + int.from_bytes(content[_META_AT - 4 : _META_AT], "little")


def ends_early(dataset: FileDataset, content: bytes) -> bool:
    """Say whether bytes end inside an element.

    An end between two elements cannot be seen. Zeros behind the last element are padding.

    Parameters
    ----------
    dataset : pydicom.FileDataset
        As ``dcmread`` gives it, its elements not looked at yet.
    content : bytes
        What its elements were read from: the whole object, or the inflated part of a deflated one.
    """
    last = [*dataset.keys()][-1:]
    if not last:
        return len(content) < end_of_meta(content) or _is_begun(content[end_of_meta(content) :])
    with quiet():
        element = dataset.get_item(last[0])
    if not isinstance(element, RawDataElement):
        end = _end_of_last_sequence(content)
    elif element.length == _UNDEFINED:
        end = element.value_tell + len(element.value or b"") + _HEADER
    else:
        end = element.value_tell + element.length
    return end > len(content) or _is_begun(content[end:])


def _is_begun(rest: bytes) -> bool:
    """Whether bytes behind an element are the begin of another one's head."""
    return len(rest) < _HEADER and any(rest)


def _end_of_last_sequence(content: bytes) -> int:
    """First byte after the last sequence delimiter (PS3.5 7.5.2); where there is none, the end."""
    delimiters = (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0")
    found = max(content.rfind(delimiter) for delimiter in delimiters)
    return len(content) if found < 0 else found + _HEADER

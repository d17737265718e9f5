"""Tolerant access to the values of a DICOM dataset.

What is absent or no valid value is empty, ``None`` or 0: the caller says what it needs.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue

from mpss_lib.errors import DicomFileError

_UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    NotImplementedError,
    KeyError,
    struct.error,
    BytesLengthException,
)
"""What pydicom raises when the bytes of one value are not of its kind."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's remarks on odd values to itself: the odd value is handled here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pydicom")
        yield


def texts_of(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of an attribute as stripped texts; empty where absent or unreadable."""
    try:
        with quiet():
            value = dataset.get(keyword)
    except _UNREADABLE:
        return ()
    if value is None or isinstance(value, pydicom.Sequence | bytes):
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(text for one in values if (text := str(one).strip(" \0")) != "")


def text_of(dataset: Dataset, keyword: str) -> str:
    """First value of an attribute as text, ``""`` where absent."""
    values = texts_of(dataset, keyword)
    return values[0] if values else ""


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values of an attribute as numbers; empty where absent or one of them is no number."""
    try:
        return tuple(float(text) for text in texts_of(dataset, keyword))
    except ValueError:
        return ()


def number_of(dataset: Dataset, keyword: str) -> float | None:
    """First value of an attribute as a number, None where absent."""
    values = numbers_of(dataset, keyword)
    return values[0] if values else None


def whole_of(dataset: Dataset, keyword: str) -> int:
    """First value of an attribute as a whole number, 0 where absent or not finite."""
    value = number_of(dataset, keyword)
    return int(value) if value is not None and abs(value) < 2**31 else 0


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence attribute, empty where absent.

    Raises
    ------
    DicomFileError
        If the bytes of the sequence cannot be parsed (pydicom parses it on first use).
    """
    try:
        with quiet():
            value = dataset.get(keyword)
    except (*_UNREADABLE, OSError, EOFError) as error:
        raise DicomFileError(
            f"{keyword} cannot be parsed: {type(error).__name__}",
            way_out="fetch the object again; if it comes the same, it is broken at the archive",
        ) from error
    return list(value) if isinstance(value, pydicom.Sequence) else []


def first_item(dataset: Dataset, keyword: str) -> Dataset | None:
    """First item of a sequence attribute, None where absent."""
    found = items(dataset, keyword)
    return found[0] if found else None


def parse_date(text: str) -> date | None:
    """Date of a DICOM (``19931124``) or ACR-NEMA (``1993.11.24``) text, None for anything else."""
    match = re.fullmatch(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})", text)
    if match is None:
        return None
    try:
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        return None

"""One object's faults: whatever goes wrong while its bytes are handled belongs to the object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mpss_lib.dicom.values import quiet
from mpss_lib.errors import DicomFileError, MpssError, place_of

SENT_AGAIN = (
    "have the object sent to the archive again by its scanner or workstation, then"
    " `mpss quarantine retry`"
)


UNREADABLE = "unreadable"
NOT_DELIVERED = "not_delivered"
TOO_LARGE = "too_large"
TRANSFER_SYNTAX = "transfer_syntax"
LOSSY = "lossy_compression"
FAULTS = (UNREADABLE, NOT_DELIVERED, TOO_LARGE, TRANSFER_SYNTAX, LOSSY)
"""Reasons of an object that is not on the lake which say nothing of what it is: an NM object with
one of them may have been the right volume."""


@contextmanager
def object_fault(problem: str, way_out: str = SENT_AGAIN) -> Iterator[None]:
    """Turn every exception of the block into a fault of the one object that it handles.

    The block works on bytes and numbers that are in memory: an ``OSError`` in it is a parser's,
    never the system's. Files are read before it and written after it. The error's type and place
    stay, so that a mistake of our own code is seen; its text, which may quote a value, does not.

    Parameters
    ----------
    problem : str
        What cannot be done with the object, without identifiers.
    way_out : str

    Raises
    ------
    DicomFileError
        In place of every other ``Exception`` that is not ours, ``MemoryError``,
        ``RecursionError`` and ``NotImplementedError`` included.
    """
    try:
        with quiet():
            yield
    except MpssError:
        raise
    except Exception as error:
        raise DicomFileError(
            f"{problem}: {type(error).__name__} at {place_of(error)}", way_out=way_out
        ) from error

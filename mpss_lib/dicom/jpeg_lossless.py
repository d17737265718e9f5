"""JPEG lossless (ISO 10918-1 process 14) of one component: the door to its decoder.

The decoders that come as packages end the whole process on some broken streams, or are not free
to be shipped with this platform; this one answers with the object's fault.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mpss_lib.dicom.faults import SENT_AGAIN
from mpss_lib.dicom.markers import segments
from mpss_lib.errors import DicomFileError

FRAME_HEADER = 0xC3
_TABLES, _SCAN, _RESTART = 0xC4, 0xDA, 0xDD


@dataclass
class _Stream:
    """What the marker segments before the scan say."""

    size: tuple[int, int] = (0, 0)
    precision: int = 0
    tables: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    restart: int = 0


def decode(stream: bytes, rows: int, columns: int) -> np.ndarray:
    """Decode one frame.

    Parameters
    ----------
    stream : bytes
    rows, columns : int
        As the DICOM header has them; the stream's own must be the same.

    Returns
    -------
    (rows, columns) uint16 array
        Stored values as they stand; signed ones in two's complement.

    Raises
    ------
    DicomFileError
        If the stream is not of this process, ends early or holds bits that are no code.
    """
    found = _Stream()
    for marker, segment, end in segments(stream):
        if marker == FRAME_HEADER:
            found.precision, height, width, components = struct.unpack(">BHHB", segment[:6])
            found.size = (height, width)
            _check(components == 1, f"{components} components, wanted 1")
        elif marker == _TABLES:
            found.tables |= _tables(segment)
        elif marker == _RESTART:
            found.restart = int.from_bytes(segment[:2], "big")
        elif marker == _SCAN:
            _check(found.size == (rows, columns), "another size than the header's")
            return _scan(found, segment, stream[end:])
    raise DicomFileError("a JPEG lossless stream has no scan", way_out=SENT_AGAIN)


def _scan(found: _Stream, segment: bytes, coded: bytes) -> np.ndarray:
    from mpss_lib.dicom import _kernels  # Numba: a fifth of the memory of a task that needs none

    count, _, table, predictor, _, low = struct.unpack(">6B", segment[:6])
    transform = low & 0x0F
    _check(count == 1 and 1 <= predictor <= 7, f"{count} components, predictor {predictor}")
    _check(2 <= found.precision <= 16 and transform < found.precision, "impossible precision")
    _check(table >> 4 in found.tables, "its Huffman table is absent")
    rows, columns = found.size
    _check(found.restart % columns == 0, "restarts within a row")
    bits, starts = _entropy(coded)
    codes, values = found.tables[table >> 4]
    samples = np.zeros((rows, columns), dtype=np.uint16)
    first = 1 << (found.precision - transform - 1)
    state = _kernels.decode_samples(
        bits, codes, values, predictor, first, found.restart // columns, starts, samples
    )
    _check(state != _kernels.CUT_SHORT, "it ends before the last pixel")
    _check(state == _kernels.DONE, "bits that are no code")
    shifted: np.ndarray = samples << transform
    return shifted


def _tables(segment: bytes) -> Mapping[int, tuple[np.ndarray, np.ndarray]]:
    """Huffman tables of a DHT segment (B.2.4.2), by number."""
    found = {}
    at = 0
    while at + 17 <= len(segment):
        counts = segment[at + 1 : at + 17]
        values = segment[at + 17 : at + 17 + sum(counts)]
        found[segment[at] & 0x0F] = (_codes(counts), np.array(list(values), dtype=np.int64))
        at += 17 + sum(counts)
    return found


def _codes(counts: bytes) -> np.ndarray:
    """For each length: smallest code, largest code, place of its first value (F.2.2.3)."""
    codes = np.zeros((16, 3), dtype=np.int64)
    code = place = 0
    for length, count in enumerate(counts):
        codes[length] = (code, code + count - 1 if count else -1, place)
        code, place = (code + count) << 1, place + count
    return codes


def _entropy(coded: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of the scan without stuffing and markers, and where restart intervals begin."""
    intervals: list[list[bytes]] = [[]]
    at = 0
    for mark in re.finditer(rb"\xff+([^\xff])", coded):
        following = mark[1][0]
        intervals[-1] += [coded[at : mark.start()], b"\xff" * (following == 0)]
        at = mark.end()
        if 0xD0 <= following <= 0xD7:
            intervals.append([])
        elif following:
            break
    else:
        intervals[-1].append(coded[at:])
    parts = [b"".join(interval) for interval in intervals]
    starts = np.cumsum([0, *map(len, parts[:-1])], dtype=np.int64)
    return np.frombuffer(b"".join(parts), dtype=np.uint8), starts


def _check(holds: object, problem: str) -> None:
    if not holds:
        raise DicomFileError(f"a JPEG lossless stream: {problem}", way_out=SENT_AGAIN)

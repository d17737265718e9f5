"""Marker segments of JPEG, JPEG-LS and JPEG 2000 streams."""

from __future__ import annotations

from collections.abc import Iterator

SCAN = 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Second bytes of markers without a segment."""


def segments(stream: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the marker segments up to the first scan header.

    Parameters
    ----------
    stream : bytes

    Yields
    ------
    (second byte of the marker, content, place in the stream after it)
    """
    at = 0
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            end = at + 2 + max(int.from_bytes(stream[at + 2 : at + 4], "big"), 2)
            yield marker, stream[at + 4 : end], end
            if marker == SCAN:
                return
            at = end

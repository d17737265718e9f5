"""Pixel data without the bits that hold no pixel: text can hide in them (PS3.5 8.1.1)."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.values import whole_of
from mpss_lib.errors import UnreadableValueError


def without_unused_bits(dataset: Dataset) -> bytes:
    """Give the pixel data with every bit that a reader ignores set to nothing.

    Bits above BitsStored become 0, copies of the sign where PixelRepresentation is 1; bits and
    bytes behind the last pixel become 0. The values that a reader gets do not change.

    Parameters
    ----------
    dataset : Dataset
        Native little endian pixel data.

    Returns
    -------
    bytes
        Of the same even length, or shorter where more than one byte stood behind the last pixel.
    """
    content = bytes(dataset.PixelData)
    bits, used = _whole(dataset, "BitsAllocated"), _whole(dataset, "BitsStored")
    n_bits = bits * _whole(dataset, "Rows") * _whole(dataset, "Columns")
    n_bits *= (_whole(dataset, "NumberOfFrames") or 1) * (_whole(dataset, "SamplesPerPixel") or 1)
    n_bytes = -(-n_bits // 8)
    if bits not in (1, 8, 16, 32) or not 0 < n_bytes <= len(content):
        return content
    pixels = content[:n_bytes]
    if bits == 1:
        pixels = pixels[:-1] + bytes([pixels[-1] & (0xFF >> (-n_bits % 8))])
    elif 0 < used < bits:
        kind = "i" if _whole(dataset, "PixelRepresentation") == 1 else "u"
        values = np.frombuffer(pixels, dtype=f"<{kind}{bits // 8}")
        pixels = ((values << (bits - used)) >> (bits - used)).astype(values.dtype).tobytes()
    return pixels + b"\0" * (len(pixels) % 2)


def _whole(dataset: Dataset, keyword: str) -> int:
    """Whole number of an attribute, 0 where there is none: the pixels are left as they are."""
    try:
        return whole_of(dataset, keyword, may_be_empty=True)
    except UnreadableValueError:
        return 0

"""Pixel data of a DICOM object as numbers, with their length checked first.

Values of frames: PS3.3 C.7.6.3 (pixels), C.11.1 (rescale).
"""

from __future__ import annotations

import numpy as np
from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from mpss_lib.dicom.decoding import decompress
from mpss_lib.dicom.parsing import FETCH_AGAIN
from mpss_lib.dicom.values import items, numbers_of, read_numbers, text_of, whole_of
from mpss_lib.errors import DicomFileError, UnreadableValueError
from mpss_lib.volume import FloatArray

DECIMAL_COMMA = "decimal_comma"
"""Note of a volume (with the keyword): a number had a comma, which was read as a point."""
SCALE_STATED_TWICE = "scale_stated_twice"
"""Note of a volume whose RescaleSlope and RealWorldValueSlope differ; the former is used."""


def is_compressed(dataset: Dataset) -> bool:
    """Whether the pixel data are encapsulated (a compressed transfer syntax)."""
    syntax = _transfer_syntax(dataset)
    return syntax.is_transfer_syntax and syntax.is_encapsulated


def _transfer_syntax(dataset: Dataset) -> UID:
    """Transfer syntax of the file, Explicit VR Little Endian for a dataset made in memory."""
    meta = getattr(dataset, "file_meta", None)
    text = text_of(meta, "TransferSyntaxUID") if isinstance(meta, Dataset) else ""
    return UID(text or ExplicitVRLittleEndian, validation_mode=IGNORE)


def pixel_length(dataset: Dataset) -> int:
    """Length of the pixel data element in bytes, 0 where there is none."""
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        value = dataset.get(keyword)
        if value is not None:
            return len(value)
    return 0


def expected_length(dataset: Dataset) -> int:
    """Bytes that the matrix, frames, samples and bits of the header ask for (without padding)."""
    bits = whole_of(dataset, "BitsAllocated")
    if "DoubleFloatPixelData" in dataset:
        bits = 64
    elif "FloatPixelData" in dataset:
        bits = 32
    pixels = whole_of(dataset, "Rows") * whole_of(dataset, "Columns")
    frames = whole_of(dataset, "NumberOfFrames") or 1
    return pixels * frames * (whole_of(dataset, "SamplesPerPixel") or 1) * bits // 8


def read_frames(dataset: Dataset, notes: list[str]) -> FloatArray:
    """Read the values of all frames, rescaled.

    Parameters
    ----------
    dataset : pydicom.Dataset
    notes : list of str
        Gets what was odd and could still be read.

    Returns
    -------
    (frames, rows, columns) float64 array
        In the unit that the rescale leaves.
    """
    stored = _stored(dataset)
    slope, intercept = _rescale(dataset, notes)
    if (slope, intercept) == (1.0, 0.0):
        return stored
    with np.errstate(invalid="ignore", over="ignore"):  # not finite counts are for intake to judge
        return stored * slope + intercept


def _stored(dataset: Dataset) -> FloatArray:
    length, wanted = pixel_length(dataset), expected_length(dataset)
    if length == 0:
        raise DicomFileError(
            "the object has no pixel data: truncated, or a header only", way_out=FETCH_AGAIN
        )
    shape = (
        whole_of(dataset, "NumberOfFrames") or 1,
        whole_of(dataset, "Rows"),
        whole_of(dataset, "Columns"),
    )
    if (whole_of(dataset, "SamplesPerPixel") or 1) != 1:
        raise DicomFileError(
            f"{whole_of(dataset, 'SamplesPerPixel')} samples per pixel: colour is no count image",
            way_out="give the volume, not a picture of it",
        )
    if not _transfer_syntax(dataset).is_transfer_syntax:
        raise DicomFileError(
            f"transfer syntax {_transfer_syntax(dataset)} is unknown",
            way_out="ask the archive for Explicit VR Little Endian",
        )
    if is_compressed(dataset):
        dataset = _decompressed(dataset)
        length = pixel_length(dataset)
    if length not in (wanted, wanted + wanted % 2):
        raise DicomFileError(
            f"pixel data have {length} bytes, the header asks for {wanted}"
            f"{': the object is truncated' if length < wanted else ''}",
            way_out=FETCH_AGAIN,
        )
    return _native(dataset, wanted).reshape(shape)


def _native(dataset: Dataset, n_bytes: int) -> FloatArray:
    for keyword, kind in (("DoubleFloatPixelData", "<f8"), ("FloatPixelData", "<f4")):
        if keyword in dataset:
            return np.frombuffer(dataset[keyword].value[:n_bytes], dtype=kind).astype(np.float64)
    bits, used = whole_of(dataset, "BitsAllocated"), whole_of(dataset, "BitsStored")
    if bits not in (8, 16, 32):
        raise DicomFileError(f"BitsAllocated is {bits}, wanted 8, 16 or 32", way_out=FETCH_AGAIN)
    syntax = _transfer_syntax(dataset)
    signed = numbers_of(dataset, "PixelRepresentation", count=1)
    if signed not in ((0.0,), (1.0,)):
        raise DicomFileError(
            f"PixelRepresentation is {signed[0] if signed else 'absent'}, wanted 0 (unsigned) or 1",
            way_out=FETCH_AGAIN,
        )
    values = np.frombuffer(
        dataset.PixelData[:n_bytes],
        dtype=f"{'<' if syntax.is_little_endian else '>'}{'ui'[int(signed[0])]}{bits // 8}",
    )
    unused = bits - used if 0 < used < bits else 0
    if unused:  # bits above BitsStored may hold overlays (PS3.5 8.1.1)
        values = (values << unused) >> unused
    return values.astype(np.float64)


def _decompressed(dataset: Dataset) -> Dataset:
    """Give a copy with plain pixel data; the dataset stays as it came."""
    plain = Dataset()
    plain.update({tag: dataset.get_item(tag) for tag in dataset.keys()})  # noqa: SIM118
    plain.file_meta = dataset.file_meta
    decompress(plain)
    return plain


def _rescale(dataset: Dataset, notes: list[str]) -> tuple[float, float]:
    """Slope and intercept; notes say where they come from, and what another statement says.

    Raises
    ------
    UnreadableValueError
        If a slope or an intercept is present and cannot be read: without it, counts would be wrong.
    """
    stated = _pair(dataset, "RescaleSlope", "RescaleIntercept", notes)
    mapped = {
        pair
        for item in items(dataset, "RealWorldValueMappingSequence")
        if (pair := _mapped(item, notes)) is not None
    }
    if len(mapped) > 1:
        raise UnreadableValueError(
            "RealWorldValueMappingSequence", f"{len(mapped)} items map values differently"
        )
    if stated is not None:
        if mapped and not np.allclose(mapped.copy().pop(), stated, rtol=1e-4, atol=1e-9):
            notes.append(SCALE_STATED_TWICE)
        notes.append("rescale_slope")
        return stated
    if mapped:
        notes.append("real_world_value")
        return mapped.pop()
    return 1.0, 0.0


def _mapped(item: Dataset, notes: list[str]) -> tuple[float, float] | None:
    pair = _pair(item, "RealWorldValueSlope", "RealWorldValueIntercept", notes)
    if pair is None:
        raise UnreadableValueError(
            "RealWorldValueMappingSequence", "an item without RealWorldValueSlope (a table)"
        )
    return pair


def _pair(
    dataset: Dataset, slope: str, intercept: str, notes: list[str]
) -> tuple[float, float] | None:
    """Slope and intercept, None where both are absent."""
    found = [read_numbers(dataset, keyword, count=1) for keyword in (slope, intercept)]
    notes += [
        f"{DECIMAL_COMMA}:{keyword}"
        for keyword, one in zip((slope, intercept), found, strict=True)
        if one.has_comma
    ]
    factor, offset = (one.values for one in found)
    if offset and offset[0] and not factor:
        raise UnreadableValueError(intercept, f"it stands there without {slope}")
    return (factor[0], offset[0] if offset else 0.0) if factor else None


def read_unit(dataset: Dataset) -> str:
    """Read the unit of the rescaled values, ``counts`` unless the object says otherwise."""
    unit = text_of(dataset, "Units") or text_of(dataset, "RescaleType")
    return "counts" if unit in ("", "CNTS", "US") else unit

"""Objects that go wrong, each in its own way: what a damaged file, a careless station or a full
disk leaves. Used by the tests of pull and by the benches."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from io import BytesIO

import jpeg_lossless
from pydicom import dcmwrite
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    UID,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)


def compressed(dataset: FileDataset, syntax: UID) -> FileDataset:
    """Encode the pixel data; every UID stays."""
    if syntax == JPEGLosslessSV1:
        frames = [jpeg_lossless.encode(frame, dataset.BitsStored) for frame in dataset.pixel_array]
        return encoded(dataset, frames, syntax)
    plugin = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls"}.get(syntax, "pylibjpeg")
    dataset.compress(syntax, encoding_plugin=plugin, generate_instance_uid=False)
    return dataset


def encoded(dataset: FileDataset, frames: list[bytes], syntax: UID) -> FileDataset:
    """Put encoded frames in, whatever they are."""
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def file_bytes(dataset: FileDataset) -> bytes:
    """Write the file; values that were put in as bytes (``raw``) are not looked at."""
    given = getattr(dataset, "given_raw", {})
    plain = FileDataset("", {}, preamble=b"\0" * 128, file_meta=dataset.file_meta)
    tags = [tag for tag in dataset.keys() if tag not in given]  # noqa: SIM118
    plain.update({tag: dataset.get_item(tag) for tag in tags})
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        head = BytesIO()
        dcmwrite(head, plain, enforce_file_format=True)
    content = head.getvalue()
    start = 144 + int.from_bytes(content[140:144], "little")
    parts = [(int(tag), _element(tag, *value)) for tag, value in given.items()]
    if parts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for tag in plain.keys():  # noqa: SIM118 - no value is decoded
                one = DicomBytesIO()
                one.is_implicit_VR, one.is_little_endian = False, True
                write_dataset(one, Dataset({tag: plain.get_item(tag)}))
                parts.append((int(tag), one.getvalue()))
        content = content[:start] + b"".join(value for _, value in sorted(parts))
    return content


def _element(tag: int, vr: str, value: bytes) -> bytes:
    long = vr in ("SQ", "OB", "OW", "UN")
    length = struct.pack("<2sL", b"", len(value)) if long else struct.pack("<H", len(value))
    return struct.pack("<2H", tag >> 16, tag & 0xFFFF) + vr.encode() + length + value


def raw(dataset: FileDataset, keyword: str, vr: str, value: bytes) -> None:
    """Let ``file_bytes`` write these bytes as they are."""
    if "given_raw" not in dataset.__dict__:
        dataset.__dict__["given_raw"] = {}
    dataset.__dict__["given_raw"][int(Tag(keyword))] = (vr, value)


# --------------------------------------------------------------- what goes wrong


def _pad_after_sequence(dataset: FileDataset) -> None:
    item = bytes.fromhex("feff00e0") + struct.pack("<L", 0)
    raw(dataset, "DetectorInformationSequence", "SQ", item + b"\0\0")


def _truncated(dataset: FileDataset) -> None:
    dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 4 * 2]


def _no_pixels(dataset: FileDataset) -> None:
    del dataset.PixelData


def _rle_claims_the_moon(dataset: FileDataset) -> None:
    compressed(dataset, RLELossless)
    dataset.Rows = dataset.Columns = 65535


def _rle_of_more_frames(dataset: FileDataset) -> None:
    compressed(dataset, RLELossless)
    dataset.NumberOfFrames = "100000"


def _rle_segments_beyond(dataset: FileDataset) -> None:
    frame = struct.pack("<16L", 2, 64, 4_000_000_000, *[0] * 13) + b"\x81\0" * 40
    encoded(dataset, [frame] * int(dataset.NumberOfFrames), RLELossless)


def _j2k_of_another_size(dataset: FileDataset) -> None:
    compressed(dataset, JPEG2000Lossless)
    dataset.Rows, dataset.Columns = dataset.Rows + 1, dataset.Columns - 1


def _j2k_claims_the_moon(dataset: FileDataset) -> None:
    compressed(dataset, JPEG2000Lossless)
    at = dataset.PixelData.index(b"\xff\x4f\xff\x51")
    size = struct.pack(">2L", 60000, 60000)
    dataset.PixelData = dataset.PixelData[: at + 8] + size + dataset.PixelData[at + 16 :]


def _jpeg_cut(dataset: FileDataset) -> None:
    frames = [jpeg_lossless.encode(frame, dataset.BitsStored)[:60] for frame in dataset.pixel_array]
    encoded(dataset, frames, JPEGLosslessSV1)


def _jpegls_garbage(dataset: FileDataset) -> None:
    encoded(
        dataset, [b"\xff\xd8" + b"no stream " * 30] * int(dataset.NumberOfFrames), JPEGLSLossless
    )


def _lossy(dataset: FileDataset) -> None:
    frames = [b"\xff\xd8\xff\xc0" + bytes(60)] * int(dataset.NumberOfFrames)
    encoded(dataset, frames, JPEGBaseline8Bit)


def _lossy_2000(dataset: FileDataset) -> None:
    compressed(dataset, JPEG2000Lossless)
    dataset.file_meta.TransferSyntaxUID = JPEG2000


def _lossy_in_disguise(dataset: FileDataset) -> None:
    frames = [b"\xff\xd8\xff\xc0" + bytes(60)] * int(dataset.NumberOfFrames)
    encoded(dataset, frames, JPEGLosslessSV1)


def _nested(dataset: FileDataset) -> None:
    """Two thousand sequences in one another: pydicom's recursion ends first."""
    start = bytes.fromhex("54002200") + b"SQ\0\0"
    item = bytes.fromhex("feff00e0")
    content = b""
    for _ in range(2000):
        content = item + struct.pack("<L", len(content)) + content
        content = start + struct.pack("<L", len(content)) + content
    raw(
        dataset,
        "DetectorInformationSequence",
        "SQ",
        item + struct.pack("<L", len(content)) + content,
    )


def _rows_are_a_word(dataset: FileDataset) -> None:
    raw(dataset, "Rows", "US", b"many")
    raw(dataset, "Columns", "US", b"x")


def _frames_are_a_word(dataset: FileDataset) -> None:
    raw(dataset, "NumberOfFrames", "IS", b"a few ")


def _frames_without_end(dataset: FileDataset) -> None:
    dataset.NumberOfFrames = str(2**31 - 1)


def _unknown_charset(dataset: FileDataset) -> None:
    raw(dataset, "SpecificCharacterSet", "CS", b"ISO 2022 IR 87\\NO SUCH SET ")
    raw(dataset, "SeriesDescription", "LO", b"STRESS \x1b$BAC\xff\xfe")


def _another_instance(dataset: FileDataset) -> None:
    dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.99"


POISONS: dict[str, Callable[[FileDataset], None]] = {
    "pad_after_sequence": _pad_after_sequence,
    "truncated": _truncated,
    "no_pixels": _no_pixels,
    "rle_claims_the_moon": _rle_claims_the_moon,
    "rle_of_more_frames": _rle_of_more_frames,
    "rle_segments_beyond": _rle_segments_beyond,
    "j2k_of_another_size": _j2k_of_another_size,
    "j2k_claims_the_moon": _j2k_claims_the_moon,
    "jpeg_cut": _jpeg_cut,
    "jpegls_garbage": _jpegls_garbage,
    "lossy": _lossy,
    "lossy_2000": _lossy_2000,
    "lossy_in_disguise": _lossy_in_disguise,
    "nested": _nested,
    "rows_are_a_word": _rows_are_a_word,
    "frames_are_a_word": _frames_are_a_word,
    "frames_without_end": _frames_without_end,
}
"""Kind -> what it does to a sound NM object: none of them can be used."""

ODD: dict[str, Callable[[FileDataset], None]] = {"unknown_charset": _unknown_charset}
"""Kind -> what it does to a sound NM object that stays usable."""

KEPT = frozenset({"pad_after_sequence"})
"""Kinds that pull stores: one value cannot be read, and intake refuses them for it."""

EXPECTED = dict.fromkeys(POISONS, "unreadable") | {
    "rle_claims_the_moon": "too_large",
    "rle_of_more_frames": "too_large",
    "frames_without_end": "too_large",
    "lossy": "lossy_compression",
    "lossy_2000": "lossy_compression",
}
"""Kind -> reason in ``core.series_flow``."""

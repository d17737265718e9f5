"""Compressed pixel data as plain ones: claims are compared with what is there, then decoded.

A header may ask for eight gigabytes and bring two kilobytes. Rows, columns, frames, samples and
bits are checked against a limit, against the fragments, and against the size that stands in each
code stream, before a decoder sees a byte.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames, parse_fragments
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from mpss_lib.dicom import jpeg_lossless, syntaxes
from mpss_lib.dicom.decoder_process import decode
from mpss_lib.dicom.faults import LOSSY, SENT_AGAIN, TOO_LARGE, TRANSFER_SYNTAX, object_fault
from mpss_lib.dicom.markers import segments
from mpss_lib.dicom.parsing import MAX_BYTES
from mpss_lib.dicom.values import text_of, whole_of
from mpss_lib.errors import DicomFileError, UndecodedError

_RLE_EXPANSION = 64
"""Bytes that one byte of RLE can become at most: two give 128 (PS3.5 G.3)."""
_LEAST_CPU_S, _BYTES_PER_S = 2, 8 * 2**20
"""Time that a decoder gets: its start, and what the slowest one needs by far."""
_WAITS = 60
"""Seconds that are waited for each second of CPU: a busy machine is no fault of the object."""
_DECODER_BYTES = 2**30
"""Address space of a decoder beside the pixels: the interpreter and its libraries."""
_FRAME_LEAST = 8
"""Bytes that a frame's code stream has at least."""


@dataclass(frozen=True)
class Claim:
    """What a header claims of its pixels."""

    rows: int
    columns: int
    samples: int
    bits: int
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * (self.bits // 8)


@dataclass(frozen=True)
class CodeStream:
    """What the code stream of a frame says of itself; ``loses`` where it is lossy."""

    rows: int
    columns: int
    samples: int
    bits: int
    loses: bool


def claim_of(dataset: Dataset) -> Claim:
    """Rows, columns, samples, bits and frames as the header claims them.

    Raises
    ------
    DicomFileError
        If one of them is absent, not readable or not positive.
    """
    claim = Claim(
        rows=whole_of(dataset, "Rows"),
        columns=whole_of(dataset, "Columns"),
        samples=whole_of(dataset, "SamplesPerPixel"),
        bits=whole_of(dataset, "BitsAllocated"),
        frames=whole_of(dataset, "NumberOfFrames") if text_of(dataset, "NumberOfFrames") else 1,
    )
    if min(astuple(claim)) <= 0:
        raise DicomFileError(
            "an object does not state its rows, columns, samples, bits or frames",
            way_out=SENT_AGAIN,
        )
    return claim


def check_claim(dataset: Dataset, max_bytes: int = MAX_BYTES) -> Claim:
    """Compare the size that a header claims with the limit.

    Raises
    ------
    UndecodedError
        ``too_large``.
    DicomFileError
        If the size is not stated.
    """
    claim = claim_of(dataset)
    n_bytes = -(-claim.rows * claim.columns * claim.samples * claim.bits * claim.frames // 8)
    if n_bytes > max_bytes:
        raise UndecodedError(
            f"an object claims {claim.frames} frames of {claim.rows} x {claim.columns} pixels:"
            f" {n_bytes / 2**20:.3g} MB, more than {max_bytes / 2**20:.3g} MB",
            way_out="raise pull.max_object_mb if such objects are wanted",
            reason=TOO_LARGE,
        )
    return claim


def decompress(dataset: Dataset, max_bytes: int = MAX_BYTES) -> None:
    """Decode the pixel data of a dataset in place; its UIDs and its header stay as they are.

    Parameters
    ----------
    dataset : Dataset
        With file meta; afterwards Explicit VR Little Endian. Unchanged where not compressed.
    max_bytes : int
        Limit of the decoded pixel data.

    Raises
    ------
    UndecodedError
        ``too_large``; ``transfer_syntax`` or ``lossy_compression`` with the syntax by name.
    DicomFileError
        If what is there does not fit what the header claims, or cannot be decoded.
    """
    syntax = UID(text_of(dataset.file_meta, "TransferSyntaxUID"), validation_mode=IGNORE)
    if syntax in (*syntaxes.PLAIN, DeflatedExplicitVRLittleEndian):
        return
    if syntax == ExplicitVRBigEndian:
        with object_fault("big-endian pixel data cannot be turned"):
            _turn(dataset, check_claim(dataset, max_bytes))
        return
    _check_syntax(syntax)
    with object_fault(f"{syntax.name}: pixel data cannot be decoded"):
        claim = check_claim(dataset, max_bytes)
        if claim.bits % 8:
            raise DicomFileError(
                f"{syntax.name}: {claim.bits} bits per sample are not decoded", way_out=SENT_AGAIN
            )
        _check_frames(dataset.PixelData, claim, syntax)
        _replace(dataset, _decoded(dataset, claim, syntaxes.DECODERS[syntax]), claim)


def _replace(dataset: Dataset, content: bytes, claim: Claim) -> None:
    """Put plain pixel data in; elements and file meta that a copy shares are not touched."""
    vr = "OW" if claim.bits > 8 else "OB"
    dataset["PixelData"] = DataElement("PixelData", vr, content + b"\0" * (len(content) % 2))
    meta = FileMetaDataset()
    meta.update(dataset.file_meta)
    del meta.TransferSyntaxUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta


def _turn(dataset: Dataset, claim: Claim) -> None:
    """Big-endian words as little-endian ones (PS3.5 7.3); what is no whole word stays."""
    content = bytes(dataset.PixelData)
    width = max(claim.bits // 8, 2 if dataset["PixelData"].VR == "OW" else 1)
    if width > 1:
        content = np.frombuffer(content, dtype=f"u{width}").byteswap().tobytes()
    _replace(dataset, content, claim)


def _check_syntax(syntax: UID) -> None:
    if syntax in syntaxes.DECODERS:
        return
    name = syntaxes.name_of(syntax)
    is_lossy = syntax in syntaxes.LOSSY
    raise UndecodedError(
        f"{name}: {'pixel values are not those that were measured' if is_lossy else 'not decoded'}",
        way_out="have the archive keep or send it uncompressed or in a lossless syntax",
        reason=LOSSY if is_lossy else TRANSFER_SYNTAX,
    )


def _decoded(dataset: Dataset, claim: Claim, plugin: str) -> bytes:
    """Bytes of all frames, little endian, in the width that BitsAllocated says."""
    kind = "i" if whole_of(dataset, "PixelRepresentation") == 1 else "u"
    wanted = np.dtype(f"<{kind}{claim.bits // 8}")
    content = bytes(dataset.PixelData)
    if plugin == syntaxes.OURS:
        found = b"".join(
            jpeg_lossless.decode(frame, claim.rows, claim.columns).astype(wanted).tobytes()
            for frame in generate_frames(content, number_of_frames=claim.frames)
        )
    else:
        options = _options(dataset, claim) | {"plugin": plugin, "dtype": wanted.str}
        is_python = dataset.file_meta.TransferSyntaxUID == RLELossless
        found = decode(options, content) if is_python else _decoded_apart(options, content)
    if len(found) != claim.frame_bytes * claim.frames:
        raise DicomFileError(
            f"{len(found)} bytes were decoded, the header asks for"
            f" {claim.frame_bytes * claim.frames}",
            way_out=SENT_AGAIN,
        )
    return found


def _options(dataset: Dataset, claim: Claim) -> dict[str, Any]:
    """Write down what the decoder is told, as plain values."""
    n_bytes = claim.frame_bytes * claim.frames
    image = {
        "rows": claim.rows,
        "columns": claim.columns,
        "samples_per_pixel": claim.samples,
        "bits_allocated": claim.bits,
        "bits_stored": whole_of(dataset, "BitsStored") or claim.bits,
        "pixel_representation": whole_of(dataset, "PixelRepresentation"),
        "photometric_interpretation": text_of(dataset, "PhotometricInterpretation"),
        "number_of_frames": claim.frames,
        "planar_configuration": whole_of(dataset, "PlanarConfiguration"),
        "pixel_keyword": "PixelData",
    }
    return {
        "syntax": str(dataset.file_meta.TransferSyntaxUID),
        "image": image,
        "cpu_s": _LEAST_CPU_S + n_bytes // _BYTES_PER_S,
        "max_bytes": _DECODER_BYTES + 8 * n_bytes,
    }


def _decoded_apart(options: dict[str, Any], content: bytes) -> bytes:
    """Decode in a process of its own: a broken stream can keep a decoder in C busy, or end it."""
    head = json.dumps(options).encode()
    script = Path(__file__).with_name("decoder_process.py")
    done = subprocess.run(
        [sys.executable, os.fspath(script)],
        input=len(head).to_bytes(8, "little") + head + content,
        capture_output=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        timeout=_WAITS * options["cpu_s"],
        check=False,
    )
    if done.returncode:
        why = f"signal {-done.returncode}" if done.returncode < 0 else "an error"
        raise DicomFileError(
            f"its decoder ended with {why} (at most {options['cpu_s']} s of CPU are given)",
            way_out=SENT_AGAIN,
        )
    return done.stdout


# ------------------------------------------------------------------- code streams


def _check_frames(content: bytes, claim: Claim, syntax: UID) -> None:
    """Compare each encoded frame with the claim."""
    n_fragments, _ = parse_fragments(content)
    if claim.frames > n_fragments or claim.frames * _FRAME_LEAST > len(content):
        raise DicomFileError(
            f"{syntax.name}: {n_fragments} fragments for {claim.frames} frames",
            way_out=SENT_AGAIN,
        )
    frames = list(generate_frames(content, number_of_frames=claim.frames))
    if len(frames) != claim.frames:
        raise DicomFileError(
            f"{syntax.name}: {len(frames)} frames, the header asks for {claim.frames}",
            way_out=SENT_AGAIN,
        )
    for frame in frames:
        _check_rle(frame, claim) if syntax == RLELossless else _check_stream(frame, claim, syntax)


def _check_rle(frame: bytes, claim: Claim) -> None:
    """Segments and their places (PS3.5 G.5), and whether they can hold what is claimed."""
    header = struct.unpack("<16L", frame[:64].ljust(64, b"\0"))
    count, places = header[0], [*header[1:16]][: header[0]]
    wanted = claim.samples * (claim.bits // 8)
    ends = [*places[1:], len(frame)]
    spans = [end - start for start, end in zip(places, ends, strict=True)]
    if count != wanted or places[:1] != [64] or min(spans) <= 0:
        raise DicomFileError(
            f"RLE: {count} segments out of order or cut short, wanted {wanted}", way_out=SENT_AGAIN
        )
    pixels = claim.rows * claim.columns
    if min(spans) * _RLE_EXPANSION < pixels:
        raise DicomFileError(
            f"RLE: {len(frame)} bytes cannot hold {claim.rows} x {claim.columns} pixels",
            way_out=SENT_AGAIN,
        )


def _check_stream(frame: bytes, claim: Claim, syntax: UID) -> None:
    if syntax == JPEG2000Lossless:
        found = jpeg2000_stream(frame)
    else:
        found = jpeg_stream(frame, 0xF7 if syntax == JPEGLSLossless else 0xC3)
    if found.loses:
        raise UndecodedError(
            f"{syntax.name}: the code stream itself is lossy",
            way_out="have the archive keep or send it uncompressed",
            reason=LOSSY,
        )
    stated = (claim.rows, claim.columns, claim.samples)
    if (found.rows, found.columns, found.samples) != stated or found.bits > claim.bits:
        raise DicomFileError(
            f"{syntax.name}: the code stream has {found.rows} x {found.columns} pixels of"
            f" {found.samples} x {found.bits} bits, the header {claim.rows} x {claim.columns} of"
            f" {claim.samples} x {claim.bits}",
            way_out=SENT_AGAIN,
        )


def jpeg_stream(frame: bytes, wanted: int) -> CodeStream:
    """Read the frame header (SOF) of a JPEG or JPEG-LS stream (ISO 10918-1 B.2.2, 14495-1 C.2).

    Parameters
    ----------
    frame : bytes
    wanted : int
        Second byte of the marker that the transfer syntax asks for.

    Raises
    ------
    DicomFileError
        If it has none, or another one: the stream is not what its syntax says.
    """
    size: tuple[int, int, int, int] | None = None
    for marker, segment, _ in segments(frame):
        if marker in _FRAME_HEADERS:
            if marker != wanted or size is not None:
                break
            bits, rows, columns, samples = struct.unpack(">BHHB", segment[:6])
            size = (rows, columns, samples, bits)
        elif marker == 0xDA and size is not None:
            is_near = near_of(segment) > 0 if wanted == 0xF7 else False
            return CodeStream(*size, loses=is_near)
    raise DicomFileError(
        f"a code stream has no frame header FF{wanted:02X}: not what its transfer syntax says",
        way_out=SENT_AGAIN,
    )


def near_of(segment: bytes) -> int:
    """NEAR of a JPEG-LS scan header: 0 loses nothing (ISO 14495-1 C.2.3)."""
    return segment[1 + 2 * segment[0]]


_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})


def jpeg2000_stream(frame: bytes) -> CodeStream:
    """Read SIZ and COD of a JPEG 2000 code stream (ISO 15444-1 A.5.1, A.6.1).

    Raises
    ------
    DicomFileError
        If it does not begin with SOC and SIZ, its tiles are no grid, or COD is absent.
    """
    at = frame[:256].find(b"\xff\x4f\xff\x51")  # some writers put the stream into a JP2 box
    if at < 0 or len(frame) < at + 44:
        raise DicomFileError("a JPEG 2000 stream has no SIZ segment", way_out=SENT_AGAIN)
    x, y, x0, y0, tx, ty, tx0, ty0 = struct.unpack(">8L", frame[at + 8 : at + 40])
    samples = int.from_bytes(frame[at + 40 : at + 42], "big")
    bits = (frame[at + 42] & 0x7F) + 1
    is_grid = x0 < x and y0 < y and tx and ty and tx0 <= x0 and ty0 <= y0
    if not is_grid or -(-(x - tx0) // tx) * -(-(y - ty0) // ty) > _MOST_TILES:
        raise DicomFileError("a JPEG 2000 stream has tiles that are no grid", way_out=SENT_AGAIN)
    start = at + 4 + int.from_bytes(frame[at + 4 : at + 6], "big")
    coding = next((s for m, s, _ in segments(frame[start:]) if m == 0x52), b"")
    if len(coding) < 10:
        raise DicomFileError("a JPEG 2000 stream has no COD segment", way_out=SENT_AGAIN)
    return CodeStream(y - y0, x - x0, samples, bits, loses=coding[9] == 0)


_MOST_TILES = 1024
"""Tiles of a frame: real ones have one, or a few hundred."""

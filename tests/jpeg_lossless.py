"""A slow JPEG lossless encoder, written from ISO 10918-1: the decoder's counterpart."""

from __future__ import annotations

import struct

import numpy as np

VALUES = list(range(17))
LENGTHS = [0, 0, 0, 0, 17, *[0] * 11]  # seventeen codes of five bits


def encode(
    frame: np.ndarray,
    precision: int,
    predictor: int = 1,
    *,
    transform: int = 0,
    restart_rows: int = 0,
) -> bytes:
    """One frame of one component; ``restart_rows`` puts a restart after so many rows."""
    rows, columns = frame.shape
    mask = (1 << precision) - 1
    samples = (frame.astype(np.int64) & mask) >> transform
    head = b"\xff\xd8"
    head += _segment(0xC3, struct.pack(">BHHB3B", precision, rows, columns, 1, 1, 0x11, 0))
    head += _segment(0xC4, bytes([0, *LENGTHS, *VALUES]))
    if restart_rows:
        head += _segment(0xDD, struct.pack(">H", restart_rows * columns))
    head += _segment(0xDA, bytes([1, 1, 0, predictor, 0, transform]))
    parts = []
    step = restart_rows or rows
    for number, start in enumerate(range(0, rows, step)):
        bits = _bits(samples[start : start + step], predictor, 1 << (precision - transform - 1))
        parts.append(_stuffed(bits))
        if start + step < rows:
            parts.append(bytes([0xFF, 0xD0 + number % 8]))
    return head + b"".join(parts) + b"\xff\xd9"


def predictions(samples: np.ndarray, predictor: int, first: int) -> np.ndarray:
    """What the standard's table H.1 predicts for each sample."""
    found = np.zeros_like(samples)
    for (row, column), _ in np.ndenumerate(samples):
        left = samples[row, column - 1] if column else None
        above = samples[row - 1, column] if row else None
        if row == 0:
            found[row, column] = first if left is None else left
        elif column == 0:
            found[row, column] = above
        else:
            corner = samples[row - 1, column - 1]
            found[row, column] = {
                1: left,
                2: above,
                3: corner,
                4: left + above - corner,
                5: left + ((above - corner) >> 1),
                6: above + ((left - corner) >> 1),
                7: (left + above) >> 1,
            }[predictor]
    return found


def _bits(samples: np.ndarray, predictor: int, first: int) -> str:
    differences = (samples - predictions(samples, predictor, first)) & 0xFFFF
    out = []
    for value in differences.ravel():
        difference = int(value) - 65536 if value > 32768 else int(value)
        size = 16 if difference == 32768 else abs(difference).bit_length()
        out.append(f"{size:05b}")
        if 0 < size < 16:
            more = difference if difference > 0 else difference + (1 << size) - 1
            out.append(f"{more:0{size}b}")
    return "".join(out)


def _stuffed(bits: str) -> bytes:
    padded = bits + "1" * (-len(bits) % 8)
    content = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    return content.replace(b"\xff", b"\xff\x00")


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content

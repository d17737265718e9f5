"""Loop of the JPEG lossless decoder: bits to samples (ISO 10918-1 annexes F.2.2 and H.2)."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.int64]

DONE, CUT_SHORT, NO_CODE = 0, 1, 2
"""What ``decode_samples`` answers: all samples, the bits ended, bits that are no code."""


@njit(cache=True, error_model="numpy", nogil=True)
def decode_samples(
    bits: Bytes,
    codes: Words,
    values: Words,
    predictor: int,
    first: int,
    restart_rows: int,
    starts: Words,
    samples: NDArray[np.uint16],
) -> int:
    """Decode the samples of one scan with one component.

    Parameters
    ----------
    bits : (n,) uint8 array
        Entropy-coded bytes, stuffing and restart markers taken out.
    codes : (16, 3) int64 array
        For code lengths 1 to 16: smallest code, largest code (-1: none), place of its first value.
    values : (n_values,) int64 array
        Number of bits of the difference for each code.
    predictor : int
        1 to 7 (table H.1).
    first : int
        Prediction of the first sample: 2 ** (precision - point transform - 1).
    restart_rows : int
        Rows between restarts; 0: none.
    starts : (n_intervals,) int64 array
        Byte of ``bits`` where each restart interval begins.
    samples : (rows, columns) uint16 array
        Filled.
    """
    rows, columns = samples.shape
    n_bits = bits.shape[0] * 8
    at = 0
    for row in range(rows):
        is_first_row = row == 0
        if restart_rows and row and row % restart_rows == 0:
            interval = row // restart_rows
            if interval >= starts.shape[0]:
                return CUT_SHORT
            at = starts[interval] * 8
            is_first_row = True
        for column in range(columns):
            code, length, n_more = 0, 0, -1
            while length < 16:
                if at >= n_bits:
                    return CUT_SHORT
                code = (code << 1) | ((int(bits[at >> 3]) >> (7 - (at & 7))) & 1)
                at += 1
                if code <= codes[length, 1] and codes[length, 1] >= 0:
                    place = codes[length, 2] + code - codes[length, 0]
                    if 0 <= place < values.shape[0]:
                        n_more = values[place]
                    break
                length += 1
            if n_more < 0 or n_more > 16:
                return NO_CODE
            difference = 0
            if n_more == 16:
                difference = 32768
            elif n_more:
                if at + n_more > n_bits:
                    return CUT_SHORT
                for _ in range(n_more):
                    difference = (difference << 1) | ((int(bits[at >> 3]) >> (7 - (at & 7))) & 1)
                    at += 1
                if difference < (1 << (n_more - 1)):
                    difference += 1 - (1 << n_more)
            if is_first_row:
                predicted = np.int64(samples[row, column - 1]) if column else np.int64(first)
            elif column == 0:
                predicted = np.int64(samples[row - 1, 0])
            else:
                left = np.int64(samples[row, column - 1])
                above = np.int64(samples[row - 1, column])
                corner = np.int64(samples[row - 1, column - 1])
                if predictor == 1:
                    predicted = left
                elif predictor == 2:
                    predicted = above
                elif predictor == 3:
                    predicted = corner
                elif predictor == 4:
                    predicted = left + above - corner
                elif predictor == 5:
                    predicted = left + ((above - corner) >> 1)
                elif predictor == 6:
                    predicted = above + ((left - corner) >> 1)
                else:
                    predicted = (left + above) >> 1
            samples[row, column] = np.uint16((predicted + difference) & 0xFFFF)
    return DONE

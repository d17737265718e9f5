"""The JPEG lossless decoder against an encoder written from the standard, and without jit."""

from __future__ import annotations

import os
import subprocess
import sys

import jpeg_lossless as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpss_lib.dicom.jpeg_lossless import decode
from mpss_lib.errors import DicomFileError

SCAN = b"\xff\xda\x00\x08\x01\x01\x00"

TINY = """
import numpy as np
import jpeg_lossless as oracle
from mpss_lib.dicom.jpeg_lossless import decode
frame = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
for predictor in range(1, 8):
    assert (decode(oracle.encode(frame, 16, predictor), 4, 5) == frame).all()
"""


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    predictor=st.integers(1, 7),
    precision=st.sampled_from([2, 8, 12, 15, 16]),
    restart_rows=st.sampled_from([0, 1, 3]),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_decoded_is_what_was_encoded(seed, predictor, precision, restart_rows, shape):
    rng = np.random.default_rng(seed)
    frame = rng.integers(0, 1 << precision, shape).astype(np.uint16)
    stream = oracle.encode(frame, precision, predictor, restart_rows=restart_rows)
    np.testing.assert_array_equal(decode(stream, *shape), frame)


def test_the_largest_difference_has_no_more_bits():
    frame = np.array([[0, 32768, 0, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(decode(oracle.encode(frame, 16), 1, 4), frame)


def test_a_point_transform_shifts_back():
    frame = np.array([[8, 16, 24]], dtype=np.uint16)
    np.testing.assert_array_equal(decode(oracle.encode(frame, 12, transform=3), 1, 3), frame)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda s: s[:-10], "ends before the last pixel"),
        (lambda s: s[: s.index(b"\xff\xda")], "has no scan"),
        (lambda s: s.replace(b"\xff\xc4", b"\xff\xfe"), "Huffman table is absent"),
        (lambda s: s.replace(SCAN + b"\1", SCAN + b"\x09"), "predictor 9"),
        (lambda s: s + b"", "another size"),
    ],
)  # fmt: skip
def test_a_broken_stream_is_named(change, problem):
    stream = oracle.encode(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900, 16)
    rows = 9 if problem == "another size" else 8
    with pytest.raises(DicomFileError, match=problem):
        decode(change(stream), rows, 8)


def test_bits_that_are_no_code_are_named():
    stream = oracle.encode(np.zeros((2, 40), dtype=np.uint16), 16)
    at = stream.index(b"\xff\xda") + 10
    with pytest.raises(DicomFileError, match="no code"):
        decode(stream[:at] + b"\xfe" * 60 + stream[-2:], 2, 40)


def test_it_decodes_without_the_compiler():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", TINY], env=environment, check=True)

"""One poisonous object never holds up anything else."""

from __future__ import annotations

import subprocess
import time
from io import BytesIO

import numpy as np
import pytest
from nm_objects import small_object
from pacs_objects import make_nm, series_uid, sop_uid
from peak_memory import forget_peak, peak_mb
from poison_objects import EXPECTED, KEPT, ODD, POISONS, compressed, encoded, file_bytes
from pydicom import dcmread, dcmwrite
from pydicom.uid import (
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mpss_lib.dicom.decoding import decompress
from mpss_lib.dicom.syntaxes import DECODERS, name_of
from mpss_lib.errors import DicomFileError, UndecodedError
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.taking import Left, Piece, Taken, Taker, TakingOrder
from mpss_lib.sections import PullSettings

SHAPE = (6, 32, 32)
NM = "1.2.840.10008.5.1.4.1.1.20"


@pytest.fixture
def take(tmp_path):
    """Take a dataset as pull does, from the bytes of its file."""
    subject = Subject("P1", -10, "20260302", "101500", "19500615", "MPSS")
    taker = Taker(PullSettings(max_object_mb=128), lambda u: u)

    def take_it(dataset, expected=NM, content=None):
        path = tmp_path / "00000.dcm"
        path.write_bytes(file_bytes(dataset) if content is None else content)
        announced = ObjectAnswer(series_uid(1), sop_uid(1), expected)
        piece = Piece(path, announced, expected, "NM")
        order = TakingOrder("1.2.826.0.1.3680043.10.99.1.1", subject, (piece,))
        return taker.take_all(order).found[sop_uid(1)]

    return take_it


def read(content):
    return dcmread(BytesIO(content))


@pytest.mark.parametrize("kind", sorted(set(POISONS) - KEPT))
def test_a_poison_is_left_with_its_reason(kind, take):
    dataset = make_nm(1, shape=SHAPE)
    POISONS[kind](dataset)
    before, started = forget_peak(), time.perf_counter()
    found = take(dataset)
    assert isinstance(found, Left), kind
    assert found.reason == EXPECTED[kind]
    assert found.detail
    assert found.way_out
    assert time.perf_counter() - started < 5
    assert peak_mb() - before < 300
    for secret in ("Invented", "HOSP-", "1.2.826.0.1"):
        assert secret not in found.detail


@pytest.mark.parametrize("kind", [*ODD, *sorted(KEPT)])
def test_an_odd_object_is_taken(kind, take):
    dataset = make_nm(1, shape=SHAPE)
    (ODD | POISONS)[kind](dataset)
    assert isinstance(take(dataset), Taken)


def test_a_fault_names_type_and_place_and_not_the_text(take, monkeypatch):
    def broken(*_):
        raise KeyError("Invented^Person1")

    monkeypatch.setattr(Deidentifier, "file_bytes", broken)
    found = take(make_nm(1))
    assert found.reason == "unreadable"
    assert "KeyError at test_poison.py:" in found.detail
    assert "from taking.py:" in found.detail
    assert "Invented" not in found.detail


@pytest.mark.parametrize("error", [RecursionError, MemoryError, NotImplementedError, OSError])
def test_every_exception_is_the_objects(error, take, monkeypatch):
    monkeypatch.setattr(Deidentifier, "file_bytes", lambda *_: (_ for _ in ()).throw(error()))
    assert f"{error.__name__} at" in take(make_nm(1)).detail


def test_a_file_that_the_system_refuses_is_not_the_objects_fault(take, monkeypatch):
    from pathlib import Path

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(PermissionError):
        take(make_nm(1))


# -------------------------------------------------------------------- decoding


def _twin(syntax, **attributes):
    plain = make_nm(1, shape=SHAPE, **attributes)
    twin = make_nm(1, shape=SHAPE, **attributes)
    twin.PixelData = plain.PixelData
    return plain, compressed(twin, syntax)


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=name_of
)
@pytest.mark.parametrize(
    "pixels",
    [
        {},
        {"BitsStored": 12, "HighBit": 11, "seed": 3},
        {"PixelRepresentation": 1},
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
    ],
    ids=["16", "12 in 16", "signed", "8"],
)
def test_a_lossless_syntax_gives_equal_pixels_under_the_same_uid(syntax, pixels, take):
    if pixels.get("BitsAllocated") == 8:
        values = np.random.default_rng(1).integers(0, 255, SHAPE).astype(np.uint8)
        pixels = pixels | {"PixelData": values.tobytes()}
    plain, twin = _twin(syntax, **pixels)
    assert twin.file_meta.TransferSyntaxUID == syntax
    found = take(twin)
    assert isinstance(found, Taken), found
    ours, theirs = read(found.content), read(take(plain).content)
    assert ours.PixelData == theirs.PixelData
    ours.PixelData = theirs.PixelData = b""
    ours["PixelData"].VR = theirs["PixelData"].VR = "OW"  # 8 bits may be called OB
    assert ours == theirs


def test_decompression_keeps_the_sop_instance_uid():
    _, twin = _twin(RLELossless)
    decompress(twin)
    assert twin.SOPInstanceUID == sop_uid(1)
    assert twin.file_meta.MediaStorageSOPInstanceUID == sop_uid(1)


def test_a_shared_element_stays_as_it_came():
    from mpss_lib.dicom import read_volume

    dataset = small_object()
    twin = compressed(small_object(), RLELossless)
    before = twin.PixelData
    assert twin.file_meta.TransferSyntaxUID == RLELossless
    np.testing.assert_array_equal(read_volume(twin).array, read_volume(dataset).array)
    assert twin.PixelData == before
    assert twin.file_meta.TransferSyntaxUID == RLELossless


def test_big_endian_counts_are_the_same(take):
    plain, twin = make_nm(1, shape=SHAPE), make_nm(1, shape=SHAPE)
    twin.PixelData = np.frombuffer(plain.PixelData, "<u2").byteswap().tobytes()
    twin.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    buffer = BytesIO()
    dcmwrite(buffer, twin, implicit_vr=False, little_endian=False, force_encoding=True)
    found = take(twin, content=buffer.getvalue())
    assert read(found.content).PixelData == plain.PixelData


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("dcmcrle", []),
        ("dcmcjpeg", ["+e1", "+un"]),
        ("dcmcjpeg", ["+el", "+un"]),
        ("dcmcjpls", []),
    ],
    ids=["RLE", "JPEG lossless SV1", "JPEG lossless", "JPEG-LS"],
)
def test_what_dcmtk_encodes_is_equal(program, arguments, installed, take, tmp_path):
    plain = make_nm(1, shape=SHAPE)
    source, target = tmp_path / "plain.dcm", tmp_path / "encoded.dcm"
    source.write_bytes(file_bytes(plain))
    subprocess.run([installed(program), *arguments, source, target], check=True)
    twin = dcmread(target)
    assert twin.file_meta.TransferSyntaxUID in DECODERS
    found = take(twin, content=target.read_bytes())
    assert isinstance(found, Taken), found
    assert read(found.content).PixelData == plain.PixelData


def test_a_syntax_that_is_not_decoded_is_named(take):
    dataset = make_nm(1, shape=SHAPE)
    POISONS["lossy"](dataset)
    assert "JPEG Baseline (Process 1)" in take(dataset).detail
    assert name_of("1.2.840.113619.5.2") == "transfer syntax 1.2.840.113619.5.2"
    assert name_of("19500615.4711") == "transfer syntax unknown"


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless])
def test_a_code_stream_of_another_size_is_refused_before_it_is_decoded(syntax):
    _, twin = _twin(syntax)
    twin.Rows = 16
    with pytest.raises(DicomFileError, match="the code stream has 32 x 32 pixels"):
        decompress(twin)


def test_near_lossless_under_the_lossless_syntax_is_lossy():
    import jpeg_ls

    frames = make_nm(1, shape=SHAPE).pixel_array
    twin = make_nm(1, shape=SHAPE)

    streams = [bytes(jpeg_ls.encode_array(frame, lossy_error=3)) for frame in frames]
    with pytest.raises(UndecodedError, match="code stream itself is lossy") as caught:
        decompress(encoded(twin, streams, JPEGLSLossless))
    assert caught.value.reason == "lossy_compression"


def test_the_limit_is_a_setting():
    _, twin = _twin(RLELossless)
    with pytest.raises(
        UndecodedError, match=r"6 frames of 32 x 32 pixels: 0\.0117 MB, more than 0\.01 MB"
    ):
        decompress(twin, max_bytes=10486)
    decompress(twin, max_bytes=2 * 6 * 32 * 32)


def test_a_deflated_bomb_is_measured_before_it_is_read():
    import zlib

    from mpss_lib.dicom.parsing import parse

    plain = file_bytes(make_nm(1))
    start = 144 + int.from_bytes(plain[140:144], "little")
    meta = plain[132:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = len(meta) - (start - 132)
    where = meta.index(b"1.2.840.10008.1.2.1.99")
    meta = meta[: where - 2] + (22).to_bytes(2, "little") + meta[where:]
    meta = meta[:8] + (start - 144 + grown).to_bytes(4, "little") + meta[12:]
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(plain[start:] + bytes(400 * 2**20)) + packer.flush()
    before = forget_peak()
    with pytest.raises(UndecodedError, match="larger than 128 MB"):
        parse(plain[:132] + meta + bomb, "a bomb")
    assert peak_mb() - before < 600  # the bomb itself is made here
    sound = zlib.compressobj(wbits=-15)
    whole = plain[:132] + meta + sound.compress(plain[start:]) + sound.flush()
    assert parse(whole, "sound").PixelData == make_nm(1).PixelData


def test_a_decoder_that_does_not_end_costs_one_object_and_two_seconds(monkeypatch):
    """A broken JPEG-LS stream of 1.7 kB keeps CharLS busy for minutes."""
    from mpss_lib.dicom import decoding

    monkeypatch.setattr(decoding, "__file__", _script("while True: pass"))
    _, twin = _twin(JPEGLSLossless)
    started = time.perf_counter()
    with pytest.raises(DicomFileError, match=r"its decoder ended with signal \d+ \(at most 2 s"):
        decompress(twin)
    assert time.perf_counter() - started < 60


def test_a_decoder_that_crashes_costs_one_object(monkeypatch):
    from mpss_lib.dicom import decoding

    monkeypatch.setattr(decoding, "__file__", _script("import os; os.abort()"))
    _, twin = _twin(JPEG2000Lossless)
    with pytest.raises(DicomFileError, match="its decoder ended with signal 6"):
        decompress(twin)


def _script(line):
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp())
    limit = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (2, 2))"
    (folder / "decoder_process.py").write_text(f"{limit}\n{line}\n")
    return str(folder / "decoding.py")

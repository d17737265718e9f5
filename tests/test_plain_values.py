"""What is read from the bytes of a value is what pydicom reads from them."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nm_objects import small_object
from pacs_objects import make_nm
from pydicom import dcmread
from pydicom.config import disable_value_validation
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mpss_lib.dicom import to_bytes
from mpss_lib.dicom.values import plain_texts, quiet, read_numbers, texts_of
from mpss_lib.dicom.writing import file_bytes, written_sequence
from mpss_lib.errors import UnreadableValueError, WrongArgumentError
from mpss_lib.pull.deidentification.deidentifier import IMPLEMENTATION, Deidentifier, Subject

SUBJECT = Subject(
    "P0123456789abcdef", -100, "20260302", "101500", "19500615", "m", ("Long^Ann",), ("4711",)
)
KEYWORDS = {
    "AS": "PatientAge",
    "CS": "ImageType",
    "DA": "AcquisitionDate",
    "DT": "AcquisitionDateTime",
    "LO": "SeriesDescription",
    "SH": "ImageID",
    "TM": "AcquisitionTime",
    "UI": "FrameOfReferenceUID",
}
ASCII = st.binary(max_size=24).map(lambda content: bytes(byte & 0x7F for byte in content))
CONTENTS = [
    *(b"", b" ", b"\0", b"\\", b"\\\\", b" a ", b"a\0", b"a \\ b\0\\c ", b"\ta", b"a\x1b(Bb"),
    *(b"M\xfcller", b"1.2.3\0", b" 1.2.3 \\4.5 ", b"20260302", b"101500.5 ", b"ORIGINAL\\PRIMARY"),
]


def holding(keyword: str, vr: str, content: bytes, *, little: bool = True) -> Dataset:
    dataset, tag = Dataset(), Tag(keyword)
    dataset[tag] = RawDataElement(tag, vr, len(content), content, 0, False, little)
    return dataset


def outcome(read, dataset: Dataset, keyword: str) -> object:
    try:
        return read(dataset, keyword)
    except UnreadableValueError as error:
        return error.keyword, error.what


def by_pydicom(dataset: Dataset) -> Dataset:
    """Have pydicom read every value that it can read."""
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: S112 (that one stays as it is)
            continue
        if element.VR == "SQ":
            for item in element.value:
                by_pydicom(item)
    return dataset


def assert_same_texts(vr: str, content: bytes) -> None:
    keyword = KEYWORDS[vr]
    read = by_pydicom(holding(keyword, vr, content))
    assert plain_texts(read, keyword) is None
    there = outcome(texts_of, holding(keyword, vr, content), keyword)
    assert there == outcome(texts_of, read, keyword)
    plain = plain_texts(holding(keyword, vr, content), keyword)
    assert (plain is None) == (not content.isascii() or b"\x1b" in content)
    if plain is not None:
        value = read[keyword].value
        assert plain.values == ([value] if isinstance(value, str) else list(value))


@pytest.fixture(autouse=True)
def as_a_pull_reads():
    with disable_value_validation(), quiet():
        yield


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("vr", KEYWORDS)
def test_a_text_of_ascii_is_what_pydicom_reads(vr, content):
    assert_same_texts(vr, content)


@given(st.sampled_from(sorted(KEYWORDS)), ASCII)
def test_any_text_of_ascii_is_what_pydicom_reads(vr, content):
    assert_same_texts(vr, content)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize(
    "content", [b"\x40\0", b"\0\x40", b"\xff\xff", b"", b"\x40", b"\1\0\2\0", b"\1\0\2"]
)
def test_a_binary_number_is_what_pydicom_reads(content, little):
    raw, read = (holding("Rows", "US", content, little=little) for _ in range(2))
    assert outcome(read_numbers, raw, "Rows") == outcome(read_numbers, by_pydicom(read), "Rows")


def test_a_number_that_was_read_before_is_refused_again_where_it_may_not_be_empty():
    for _ in range(2):
        empty = holding("SliceThickness", "DS", b" ")
        assert not read_numbers(empty, "SliceThickness", may_be_empty=True).values
        with pytest.raises(UnreadableValueError, match="empty"):
            read_numbers(empty, "SliceThickness")
        assert read_numbers(holding("SliceThickness", "DS", b"4,5 "), "SliceThickness").has_comma
        with pytest.raises(UnreadableValueError, match="2 are wanted"):
            read_numbers(holding("PixelSpacing", "DS", b"4.5 "), "PixelSpacing", count=2)


VALUES = [
    ("ImageType", "CS", b"ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION "),
    ("SeriesDescription", "LO", b"STRESS AC Ann \\ Long"),
    ("SeriesDescription", "LO", "M\xfcller Stress".encode("latin-1")),
    ("FrameOfReferenceUID", "UI", b" 1.2.3\\1.2.4 "),
    ("AcquisitionTime", "TM", b"10:16:05"),
    ("AcquisitionDate", "DA", b"20260303\\20260304"),
    ("PatientAge", "AS", b"061Y"),
    ("PatientSex", "CS", b"m "),
    ("SliceThickness", "DS", b"04,50 "),
    ("PixelSpacing", "DS", b"4.5\\x "),
    ("SeriesNumber", "IS", b"4711"),
    ("SmallestImagePixelValue", "SS", b"\xff\xff"),
    ("SmallestImagePixelValue", "US", b"\xff\xff"),
    ("NumberOfSlices", "US", b"\1\0\2\0"),
    ("NumberOfSlices", "US", b"\1"),
    ("NumberOfSlices", "IS", b"40"),
    ("FrameIncrementPointer", "AT", b"\x54\0\x10\0"),
    ("RealWorldValueSlope", "FD", struct.pack("<d", 0.5)),
    ("RealWorldValueSlope", "FD", struct.pack("<d", 1e300)),
    ("PatientWeight", "FL", struct.pack("<f", 70.5)),
    ("StudyDescription", "US", b"\1\0"),
    ("DetectorInformationSequence", "LO", b"a text"),
    ("BurnedInAnnotation", "CS", b"no"),
]


def new_uid(original: str) -> str:
    return f"2.25.{sum(map(ord, original)) * 7919}"


def made(content: bytes, *elements: RawDataElement, reads_before: bool = False) -> bytes:
    received = dcmread(BytesIO(content))
    for element in elements:
        received[element.tag] = element
    if reads_before:
        by_pydicom(received)
    return Deidentifier(SUBJECT, lambda uid: f"2.25.{sum(map(ord, uid)) * 7919}").file_bytes(
        received
    )


@pytest.mark.parametrize(("keyword", "vr", "value"), VALUES)
@pytest.mark.parametrize("base", [small_object, lambda: make_nm(1)], ids=["small", "nm"])
def test_an_object_is_de_identified_alike_whoever_read_its_values(base, keyword, vr, value):
    content = to_bytes(base())
    element = holding(keyword, vr, value).get_item(Tag(keyword))
    first = made(content, element)
    assert made(content, element, reads_before=True) == first
    assert made(content, element) == first  # now that its numbers are remembered


def test_what_is_remembered_of_a_number_is_not_changed_by_the_object_that_holds_it():
    content = to_bytes(make_nm(1))
    first = made(content)
    kept = dcmread(BytesIO(first))
    kept.Rows, kept.SliceThickness = 1, "9"
    assert made(content) == first


def test_a_sequence_that_was_written_ahead_has_the_bytes_of_one_that_was_not():
    items = [Dataset() for _ in range(2)]
    for number, item in enumerate(items):
        item.CodeValue, item.CodingSchemeDesignator = f"11310{number}", "DCM"
    plain, ahead = small_object(), small_object()
    plain.DeidentificationMethodCodeSequence = items
    element = written_sequence("DeidentificationMethodCodeSequence", items)
    ahead[element.tag] = element
    assert file_bytes(ahead, IMPLEMENTATION) == file_bytes(plain, IMPLEMENTATION)
    ahead.SeriesDescription = plain.SeriesDescription = "M\xfcller"  # all of it is pydicom's now
    ahead.SpecificCharacterSet = plain.SpecificCharacterSet = "ISO_IR 100"
    assert file_bytes(ahead, IMPLEMENTATION) == file_bytes(plain, IMPLEMENTATION)


def test_a_sequence_in_another_alphabet_cannot_be_written_ahead():
    item = Dataset()
    item.CodeMeaning = "Herzm\xfcdigkeit"
    with pytest.raises(WrongArgumentError, match="CodeSequence"):
        written_sequence("ViewCodeSequence", [item])

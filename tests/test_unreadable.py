"""A value that is present and cannot be read is never taken for absent: read, or refused."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from nm_objects import HABITS, MARK, small_object, small_volume
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from mpss_lib.dicom import read_header, read_volume, to_bytes
from mpss_lib.dicom.values import read_numbers
from mpss_lib.errors import DicomFileError, GeometryError, UnreadableValueError
from mpss_lib.intake.candidate import REASONS
from mpss_lib.intake.series import inspect
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.sections import IntakeSettings

SUBJECT = Subject("P" + "1" * 24, -30, "20010203", "101500", "19500101", "MPSS test")


def put(dataset: Dataset, keyword: str, content: bytes, vr: str = "") -> None:
    """Write the bytes of a value, whatever they are."""
    tag = Tag(keyword)
    vr = vr or dictionary_VR(tag)
    content += b" " * (len(content) % 2) if vr in ("DS", "IS", "LO", "SH", "UN") else b""
    dataset[tag] = RawDataElement(tag, vr, len(content), content, 0, False, True)


def again(dataset: Dataset) -> Dataset:
    """Write and read: values are then bytes, which are written again as they are."""
    return dcmread(BytesIO(to_bytes(dataset)))


def holder_of(dataset: Dataset, keyword: str) -> Dataset:
    if keyword in ("ImageOrientationPatient", "ImagePositionPatient"):
        return dataset.DetectorInformationSequence[0]
    return dataset


def made(keyword: str, content: bytes, vr: str = "") -> Dataset:
    dataset = again(small_object(habits=replace(HABITS, rescale=True)))
    put(holder_of(dataset, keyword), keyword, content, vr)
    return again(dataset)


def deidentified(dataset: Dataset) -> Dataset:
    content = Deidentifier(SUBJECT, lambda uid: "2.25." + str(abs(hash(uid)))).file_bytes(dataset)
    return dcmread(BytesIO(content))


def as_it_comes(dataset: Dataset) -> Dataset:
    return dataset


@pytest.fixture(params=[as_it_comes, deidentified])
def seen(request):
    """The object as received, and as it stands on the lake."""
    return request.param


COMMAS = {
    "RescaleSlope": (b"0,03", lambda v: v.array[MARK], 32767 * 0.03),
    "RescaleIntercept": (b"2,5", lambda v: v.array.min() > 2.4, True),
    "SpacingBetweenSlices": (b"-4,8", lambda v: v.affine[2, 0], -4.8),
    "PixelSpacing": (b"4,8\\4,8", lambda v: v.spacing_mm[1:], (4.8, 4.8)),
    "ImagePositionPatient": (b"-20,5\\-150,0\\30", lambda v: v.affine[0, 3], -20.5),
    "ImageOrientationPatient": (b"1,0\\0,0\\0,0\\0,0\\1,0\\0,0", lambda v: v.affine[0, 2], 4.8),
}


@pytest.mark.parametrize("keyword", COMMAS)
def test_decimal_comma_is_read_as_a_point_and_said(seen, keyword):
    content, look, want = COMMAS[keyword]
    volume = read_volume(seen(made(keyword, content)))
    assert look(volume) == pytest.approx(want)
    assert f"decimal_comma:{keyword}" in volume.notes


NUMBERS = (b"NaN", b"inf", b"-Infinity", b"", b"SMITH", b"1.2.3", b"1,234,5", b"1.234,5", b"1_0",
           b"4.8 mm", b"--4.8", b"0x10", b"1e999")  # fmt: skip
SINGLE = ("RescaleSlope", "RescaleIntercept", "SpacingBetweenSlices")
OTHERS = [
    ("PixelSpacing", b"4.8"),
    ("PixelSpacing", b"4.8\\4.8\\4.8"),
    ("PixelSpacing", b"4.8\\"),
    ("PixelSpacing", b"4,8,4,8"),
    ("PixelSpacing", b""),
    ("RescaleSlope", b"1\\2"),
    ("ImageOrientationPatient", b"1\\0\\0\\0\\1"),
    ("ImageOrientationPatient", b"1\\0\\0\\0\\x\\0"),
    ("ImagePositionPatient", b"1\\2"),
    ("ImagePositionPatient", b"1\\NaN\\2"),
    ("NumberOfFrames", b"seven"),
    ("NumberOfFrames", b"7.5"),
    ("NumberOfSlices", b""),
    ("SliceVector", b""),
    ("SliceVector", b"\1"),
    ("TimeSlotVector", b""),
    ("NumberOfTimeSlots", b""),
    ("RRIntervalVector", b"\1\0\1"),
    ("BitsStored", b""),
]


@pytest.mark.parametrize(
    ("keyword", "content"), [(keyword, text) for keyword in SINGLE for text in NUMBERS] + OTHERS
)
def test_a_number_that_cannot_be_read_refuses_with_its_keyword(seen, keyword, content):
    with pytest.raises(UnreadableValueError) as caught:
        read_volume(seen(made(keyword, content)))
    assert caught.value.keyword == keyword
    if content.isalpha() and seen is as_it_comes:
        assert content.decode() in str(caught.value)


def test_no_name_travels_in_a_number():
    stored = deidentified(made("RescaleSlope", b"SMITH"))
    assert b"SMITH" not in to_bytes(stored)
    assert "RescaleSlope" in stored


def test_of_a_type_2_attribute_empty_means_absent():
    """Orientation and position are of Type 2 in the NM Detector module (PS3.3 C.8.4.11)."""
    header = read_header(made("ImageOrientationPatient", b""))
    assert (header.orientation, dict(header.unreadable)) == (None, {})
    assert "position_unknown" in read_volume(made("ImagePositionPatient", b"")).notes


def test_thickness_decides_only_where_no_spacing_is_stated():
    assert read_volume(made("SliceThickness", b"thick")).spacing_mm[0] == pytest.approx(4.8)
    dataset = made("SliceThickness", b"4,8")
    del dataset.SpacingBetweenSlices
    assert read_volume(dataset).spacing_mm[0] == pytest.approx(4.8)
    assert "decimal_comma:SliceThickness" in read_volume(dataset).notes
    put(dataset, "SliceThickness", b"thick")
    with pytest.raises(UnreadableValueError, match="SliceThickness is present"):
        read_volume(dataset)


def test_a_distance_of_nought_is_not_replaced_by_the_thickness():
    with pytest.raises(GeometryError, match="0 mm"):
        read_volume(made("SpacingBetweenSlices", b"0"))


@pytest.mark.parametrize("vr", ["UN", "LO", "SH"])
def test_a_number_of_another_vr_is_read(vr):
    assert read_volume(made("RescaleSlope", b"0.03", vr)).array[MARK] == pytest.approx(983.01)


@pytest.mark.parametrize("vr", ["OB", "OW", "FD", "US", "FL", "UL"])
@pytest.mark.parametrize("content", [b"\xff\xfe\xff\xfe", b"0.03", b"0.030000"])
def test_bytes_in_place_of_a_number_refuse(vr, content):
    """Four bytes of a text are a number of a binary VR too, and another one."""
    with pytest.raises(UnreadableValueError, match="RescaleSlope"):
        read_volume(made("RescaleSlope", content, vr))


def mapping(*items: Dataset) -> Dataset:
    dataset = small_object()
    dataset.RealWorldValueMappingSequence = Sequence(items)
    return again(dataset)


def mapped(slope: float | None, intercept: float = 0.0) -> Dataset:
    item = Dataset()
    if slope is not None:
        item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, intercept
    return item


def test_one_mapping_of_real_world_values_is_used(seen):
    volume = read_volume(seen(mapping(mapped(0.03), mapped(0.03))))
    assert volume.array[MARK] == pytest.approx(983.01)


@pytest.mark.parametrize(
    "items",
    [(mapped(None),), (mapped(0.03), mapped(0.05)), (mapped(0.03), mapped(None)),
     (mapped(float("nan")),)],
    ids=["empty item", "two slopes", "one of two empty", "not finite"],
)  # fmt: skip
def test_mappings_that_cannot_be_read_refuse(seen, items):
    with pytest.raises(UnreadableValueError, match="RealWorldValue"):
        read_volume(seen(mapping(*items)))


def test_a_broken_sequence_is_not_an_absent_one(seen):
    dataset = again(small_object())
    put(dataset, "RealWorldValueMappingSequence", b"SMITH^JOHN", "LO")
    with pytest.raises(UnreadableValueError, match="RealWorldValueMappingSequence"):
        read_volume(seen(again(dataset)))


def test_two_scales_that_differ_are_noted():
    dataset = mapping(mapped(0.05))
    dataset.RescaleSlope, dataset.RescaleIntercept = "0.03", "0"
    volume = read_volume(dataset)
    assert volume.array[MARK] == pytest.approx(983.01)
    assert volume.notes == ("scale_stated_twice", "rescale_slope")


NUMBERS_STATED = [("NumberOfSlices", 64), ("NumberOfSlices", 3), ("NumberOfTimeSlots", 8)]


@pytest.mark.parametrize(("keyword", "value"), NUMBERS_STATED)
def test_numbers_and_vectors_are_compared(keyword, value):
    dataset = small_object()
    setattr(dataset, keyword, value)
    with pytest.raises(GeometryError, match=f"{keyword} is {value}"):
        read_volume(dataset)


@pytest.mark.parametrize("given", [b"\1\0\2\0", b"", None])
def test_whether_pixels_are_signed_must_be_said(given):
    dataset = made("PixelRepresentation", given) if given is not None else small_object()
    if given is None:
        del dataset.PixelRepresentation
    with pytest.raises(DicomFileError, match="PixelRepresentation"):
        read_volume(dataset)


# ------------------------------------------------------------------------- at the gate


@pytest.mark.parametrize(
    ("keyword", "content", "reason"),
    [
        ("RescaleSlope", b"abc", "unreadable_value"),
        ("RescaleSlope", b"NaN", "not_finite"),
        ("SpacingBetweenSlices", b"", "unreadable_value"),
        ("SeriesNumber", b"12A", "unreadable_value"),
        ("Rows", b"", "unreadable_value"),
    ],
)
def test_intake_refuses_with_the_keyword(tmp_path: Path, keyword, content, reason):
    path = tmp_path / "object.dcm"
    path.write_bytes(to_bytes(made(keyword, content)))
    seen = inspect(path, IntakeSettings())
    assert seen.reasons == (reason,)
    assert reason in REASONS
    assert keyword in seen.answers["object"].value


def test_no_number_is_made_up(tmp_path: Path):
    """Any text in any number: the right value, a refusal, and never the default."""
    rng = np.random.default_rng(9)
    letters = list(b"0123456789.,-+eE nNaAiIfF\\/x")
    for _ in range(400):
        text = bytes(rng.choice(letters, rng.integers(1, 9)).astype(np.uint8))
        dataset = Dataset()
        put(dataset, "RescaleSlope", text)
        try:
            found = read_numbers(dataset, "RescaleSlope", count=1)
        except UnreadableValueError:
            continue
        assert len(found.values) == 1
        assert found.values[0] == float(text.decode().strip().replace(",", "."))
        assert found.has_comma == (b"," in text)


def test_small_volume_stays_as_it_was():
    assert read_volume(small_object()).array.shape == small_volume().array.shape


def test_orientation_is_read_where_it_is_stated():
    """An empty item, or an empty value, is no statement: the first one counts."""
    dataset = small_object()
    stated = dataset.DetectorInformationSequence[0]
    dataset.DetectorInformationSequence = Sequence([Dataset(), stated])
    assert read_volume(dataset).notes == read_volume(small_object()).notes
    empty = Dataset()
    empty.ImageOrientationPatient = None
    dataset.DetectorInformationSequence = Sequence([empty])
    for keyword in ("ImageOrientationPatient", "ImagePositionPatient"):
        setattr(dataset, keyword, getattr(stated, keyword))
    header = read_header(dataset)
    assert header.orientation_from == "top level"
    np.testing.assert_allclose(read_volume(dataset).affine, small_volume().affine, atol=1e-9)


def test_a_state_whose_name_has_no_code_is_read_by_its_words():
    dataset = small_object()
    del dataset.AcquisitionContextSequence[0].ConceptNameCodeSequence[0].CodeValue
    assert read_header(dataset).texts["AcquisitionContextSequence"][0] == "432655005"


# ---------------------------------------------------------------- one object's own faults


@pytest.mark.parametrize(
    "error", [RecursionError, MemoryError, NotImplementedError, OSError, ZeroDivisionError]
)
def test_every_exception_of_reading_belongs_to_the_object(tmp_path: Path, monkeypatch, error):
    def fail(*_: object) -> None:
        raise error("PATIENT^NAME")

    path = tmp_path / "object.dcm"
    path.write_bytes(to_bytes(small_object()))
    with monkeypatch.context() as patch:
        patch.setattr("mpss_lib.dicom.header._header", fail)
        with pytest.raises(DicomFileError, match=error.__name__) as caught:
            read_header(path)
        assert "PATIENT" not in str(caught.value)
        assert inspect(path, IntakeSettings()).reasons == ("unreadable",)
    monkeypatch.setattr("mpss_lib.dicom.nm_volume.frame_order", fail)
    with pytest.raises(DicomFileError, match=error.__name__):
        read_volume(path)
    assert inspect(path, IntakeSettings()).reasons == ("pixel_data",)


def test_a_file_that_is_not_there_is_no_fault_of_the_object(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_volume(tmp_path / "gone.dcm")


def test_no_time_slots_where_nothing_counts_them_is_one_volume():
    dataset = small_object()
    dataset.NumberOfTimeSlots = 0
    assert read_volume(dataset).array.shape == (7, 10, 9)
    dataset.NumberOfSlices = 0  # contradicts the vector
    with pytest.raises(GeometryError, match="NumberOfSlices"):
        read_volume(dataset)


def test_a_long_number_of_a_series_is_read_and_no_other_one():
    """Stations count series by moments: longer than IS may be, and one number all the same."""
    dataset = made("SeriesNumber", b"20260302101500")
    assert read_header(dataset).series_number == 20260302101500
    with pytest.raises(UnreadableValueError, match="NumberOfFrames"):
        read_volume(made("NumberOfFrames", b"20260302101500"))


@pytest.mark.parametrize("vr", ["US", "FL", "SL"])
@pytest.mark.parametrize("keyword", ["SeriesDescription", "CorrectedImage", "ImageType"])
def test_a_number_in_place_of_a_text_is_no_text(keyword, vr):
    assert keyword in read_header(made(keyword, b"\1\0\2\0", vr)).unreadable

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mpss_lib.errors import UnreadableValueError
from mpss_lib.pull.archive.answers import modalities_of, number_of, study_answer
from mpss_lib.pull.texts import normal_text, text_or_empty, whole_text


def raw(content, charset=None, keyword="PatientID", vr="LO"):
    """A dataset as it is read from the network: its elements are bytes."""
    found = Dataset()
    if charset is not None:
        charset = charset.encode()
        tag = Tag("SpecificCharacterSet")
        found[tag] = RawDataElement(tag, "CS", len(charset), charset, 0, False, True)
    tag = Tag(keyword)
    found[tag] = RawDataElement(tag, vr, len(content), content, 0, False, True)
    return found


@pytest.mark.parametrize(
    ("content", "charset", "text"),
    [
        (b"HOSP-1 ", None, "HOSP-1"),
        (b" HOSP-1\0", None, "HOSP-1"),
        (b"HOSP-1 \0 ", None, "HOSP-1"),
        (b"A\\B", None, "A\\B"),
        (b"\\\\", None, "\\\\"),
        (b"12\0\x0734", None, "12\0\x0734"),
        ("MÜ".encode(), "ISO_IR 192", "MÜ"),
        ("MU\u0308".encode(), "ISO_IR 192", "MÜ"),  # decomposed
        (b"M\xdc", "ISO_IR 100", "MÜ"),
        (b"M\xdc", None, "MÜ"),
        ("MÜ".encode(), None, "MÜ"),
        (b"M\xdc", "ISO_IR 192", "MÜ"),  # not what was declared
        ("MÜ".encode(), "UTF-8", "MÜ"),
        (b"M\xdc", "ISO-IR-100", "MÜ"),
        (b"M\xdc", "iso 2022 ir 100", "MÜ"),
        (b"M\xdc", "NONSENSE", "MÜ"),
        (b"M\xdc", "\\ISO 2022 IR 87", "MÜ"),
        ("Ω".encode("iso8859_7"), "ISO_IR 126", "Ω"),
        ("患者".encode("gb18030"), "GB18030", "患者"),
        ("患者-1".encode("iso2022_jp"), "\\ISO 2022 IR 87", "患者-1"),
        (b"", None, ""),
        (b"   ", None, ""),
    ],
)
def test_a_text_is_what_was_stored(content, charset, text):
    assert whole_text(raw(content, charset), "PatientID") == text


def test_two_identifiers_never_become_one():
    contents = [b"M\xdc", b"M\xdd", b"M", b"M?", b"M\\", b"m\xdc", b"0M\xdc"]
    for charset in (None, "ISO_IR 192", "ISO_IR 100", "NONSENSE"):
        texts = {whole_text(raw(content, charset), "PatientID") for content in contents}
        assert len(texts) == len(contents)


def test_what_is_no_text_is_not_absent():
    sequence = Dataset()
    sequence.add_new(0x00100020, "SQ", [Dataset()])
    replaced = raw("M\ufffd".encode(), "ISO_IR 192")
    for dataset in (sequence, replaced, raw(b"x" * 5000)):
        with pytest.raises(UnreadableValueError, match="PatientID is present"):
            whole_text(dataset, "PatientID")
        assert text_or_empty(dataset, "PatientID") == ""
    assert whole_text(Dataset(), "PatientID") == ""


def test_an_answer_with_an_unreadable_patient_says_so():
    answer = Dataset()
    answer.StudyInstanceUID = "1.2.3"
    answer.add_new(0x00100020, "SQ", [Dataset()])
    found = study_answer(answer)
    assert found.unreadable == ("PatientID",)


@given(st.text(max_size=20))
def test_the_normal_form_stays(text):
    assert normal_text(normal_text(text)) == normal_text(text)
    assert normal_text(f" {text}\0") == normal_text(text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x1b\ufffd"), max_size=16))
def test_what_is_written_is_read(text):
    assert whole_text(raw(text.encode(), "ISO_IR 192"), "PatientID") == normal_text(text)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"NM", ("NM",)),
        (b"CT\\NM ", ("CT", "NM")),
        (b"nm/ct", ("CT", "NM")),
        (b"CT,NM", ("CT", "NM")),
        (b"CT; NM", ("CT", "NM")),
        (b"CT NM", ("CT", "NM")),
        (b"CT|NM|NM", ("CT", "NM")),
        (b"", ()),
        (b" \\ ", ()),
    ],
)
def test_modalities_in_any_writing(value, found):
    assert modalities_of(raw(value, keyword="ModalitiesInStudy", vr="CS"), "ModalitiesInStudy") == (
        found
    )


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"12", 12),
        (b" 12 ", 12),
        (b"+3", 3),
        (b"3.0", 3),
        (b"", None),
        (b"-1", None),
        (b"many", None),
        (b"9" * 5000, None),
        (b"3\\4", None),
    ],
)
def test_counts(value, number):
    keyword = "NumberOfStudyRelatedSeries"
    assert number_of(raw(value, keyword=keyword, vr="IS"), keyword) == number

"""Numbers, codes, UIDs, bits and objects: what stays of them, and what goes."""

from __future__ import annotations

import itertools
from io import BytesIO

import numpy as np
import pytest
from nm_objects import MARK, small_object
from pacs_objects import ROOT, make_nm
from pydicom import dcmread
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mpss_lib.dicom import read_volume
from mpss_lib.errors import UnreadableValueError
from mpss_lib.pull.deidentification import companion_attributes, contour_attributes
from mpss_lib.pull.deidentification.attributes import KEPT, NUMBER
from mpss_lib.pull.deidentification.coded import is_verhoeff, kept_code
from mpss_lib.pull.deidentification.deidentifier import Deidentifier, Subject
from mpss_lib.pull.deidentification.names import Named, named_by
from mpss_lib.pull.deidentification.pictures import why_picture
from mpss_lib.pull.deidentification.plausible import RANGES

SUBJECT = Subject(
    "P0123456789abcdef", -100, "20260302", "101500", "19500615", "m", ("Long^Ann",), ("4711",)
)


def new_uid(original: str) -> str:
    return f"2.25.{sum(map(ord, original)) * 7919}"


def cleaned(dataset) -> tuple[bytes, Dataset]:
    content = Deidentifier(SUBJECT, new_uid).file_bytes(dataset)
    return content, dcmread(BytesIO(content))


def code(value: str, scheme: str, meaning: str = "Counts") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


# ---------------------------------------------------------------------- numbers


def test_every_number_that_is_kept_has_its_limits():
    kept = set().union(
        *(
            {keyword for keyword, action in table.items() if action == NUMBER}
            for table in (
                *(KEPT, *contour_attributes.KEPT_OF.values()),
                *companion_attributes.KEPT_OF.values(),
            )
        )
    )
    tags = {keyword for keyword in kept if dictionary_VR(tag_for_keyword(keyword)) == "AT"}
    assert kept - tags == set(RANGES)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SeriesNumber", "4711007"), ("SeriesNumber", "19500615"), ("SeriesNumber", "-1"),
        ("SeriesNumber", "4711"), ("InstanceNumber", "4711007"), ("AcquisitionNumber", "4711007"),
        ("SeriesNumber", "0004711"), ("PatientWeight", "4711007"), ("PatientSize", "170"),
        ("HeartRate", "4711"), ("RadionuclideTotalDose", "441234567"), ("WindowCenter", "19500615"),
        ("ActualFrameDuration", "441234567"), ("ZoomFactor", "4711\\12"), ("TableHeight", "99999"),
    ],
)  # fmt: skip
def test_a_number_that_its_attribute_cannot_mean_goes(keyword, value):
    dataset = make_nm(1)
    tag = tag_for_keyword(keyword)
    dataset.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))
    content, kept = cleaned(dataset)
    assert kept[keyword].is_empty
    assert len(value) < 4 or value.split("\\")[0].lstrip("0").encode() not in content


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("RescaleSlope", "4711007"), ("SpacingBetweenSlices", "19500615"),
     ("PixelSpacing", "12\\3\\50"), ("PixelSpacing", "4711007\\4.8"), ("RescaleSlope", "15.06.50"),
     ("SliceThickness", "12/03/50"),
     ("RescaleIntercept", "0441234567")],
)  # fmt: skip
def test_a_number_that_makes_a_volume_goes_and_does_not_pass_for_absent(keyword, value):
    dataset = small_object()
    tag = tag_for_keyword(keyword)
    if keyword == "SliceThickness":
        del dataset.SpacingBetweenSlices
    if keyword == "RescaleIntercept":
        dataset.RescaleSlope = "1"
    dataset.add(DataElement(tag, "LO", value, validation_mode=IGNORE))
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    content, kept = cleaned(dcmread(BytesIO(buffer.getvalue())))
    assert value.encode() not in content
    with pytest.raises(UnreadableValueError, match=keyword):
        read_volume(kept)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("SeriesNumber", "600"), ("SeriesNumber", "9001"), ("PatientWeight", "71.5"),
     ("PatientSize", "1.72"), ("HeartRate", "72"), ("RadionuclideTotalDose", "740.25"),
     ("SpacingBetweenSlices", "-4.8"), ("RescaleSlope", "1e-4"), ("WindowWidth", "32767")],
)  # fmt: skip
def test_a_plausible_number_stays_to_the_letter(keyword, value):
    _, kept = cleaned(make_nm(1, **{keyword: value}))
    assert kept.get_item(keyword).value.decode().strip() == value


def test_zeros_in_front_of_a_number_may_be_of_an_identifier():
    dataset = make_nm(1)
    dataset.add(DataElement("SeriesNumber", "IS", "+000012", validation_mode=IGNORE))
    _, kept = cleaned(dataset)
    assert kept.get_item("SeriesNumber").value == b"12"


def test_a_tag_that_names_no_attribute_goes():
    dataset = make_nm(1, FrameIncrementPointer=[0x00540080, 0x19500615])
    assert cleaned(dataset)[1]["FrameIncrementPointer"].is_empty


# ----------------------------------------------------------------- codes and UIDs


@pytest.mark.parametrize(
    ("scheme", "value", "kept"),
    [
        ("DCM", "109054", "109054"), ("DCM", "123456", ""), ("DCM", "Miller", ""),
        ("SCT", "103340004", "103340004"), ("SCT", "432655005", "432655005"),
        ("SCT", "71388002", "71388002"),  # a procedure: form and check digit are right
        ("SCT", "103340005", ""), ("SCT", "441234567", ""), ("SCT", "1", ""),
        ("SRT", "F-05019", "F-05019"), ("SNM3", "G-A186", "G-A186"),
        ("99SDM", "F-01604", "F-01604"),
        ("SRT", "F-47110", ""), ("SRT", "T-1950", ""), ("99HOSP", "109054", ""), ("", "109054", ""),
        ("L", "109054", ""), ("99GEMS", "F-05019", ""), ("LN", "18748-4", ""),
        ("UCUM", "mm", "mm"), ("UCUM", "MBq", "MBq"), ("UCUM", "kBq/mL", "kBq/mL"),
        ("UCUM", "{counts}", "{counts}"), ("UCUM", "mL{Smith}", "mL"), ("UCUM", "{Smith}", "1"),
        ("UCUM", "{1950}", "1"), ("UCUM", "Smith", ""), ("UCUM", "mL{Sm{ith}}", ""),
        ("UCUM", "{Smith}/min", "/min"), ("UCUM", "4711007", ""), ("UCUM", "", ""),
    ],
)  # fmt: skip
def test_codes_stay_where_a_public_registry_has_them(scheme, value, kept):
    assert kept_code(scheme, value, Named()) == kept


def test_a_code_that_is_an_identifier_goes():
    assert kept_code("SCT", "103340004", named_by((), ("103340004",))) == ""


def test_the_check_digit_catches_every_single_mistake():
    for place, digit in itertools.product(range(9), "0123456789"):
        changed = "103340004"[:place] + digit + "103340004"[place + 1 :]
        assert is_verhoeff(changed) == (changed == "103340004")


def test_one_item_that_goes_does_not_take_the_others():
    agent = Dataset()
    agent.RadionuclideCodeSequence = Sequence(
        [Dataset(), code("1", "99X"), code("72454006", "SCT")]
    )
    _, kept = cleaned(make_nm(1, RadiopharmaceuticalInformationSequence=Sequence([agent])))
    [item] = kept.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence
    assert item.CodeValue == "72454006"


@pytest.mark.parametrize(
    ("uid", "stays"),
    [("1.2.840.10008.5.1.4.1.1.20", True), ("1.2.840.10008.4711.19500615", False),
     ("1.2.840.10008.5.1.4.1.1.20.4711", False), ("1.2.840.10008", False), (f"{ROOT}.1", False)],
)  # fmt: skip
def test_a_uid_stays_where_dicom_has_registered_it(uid, stays):
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uid, f"{ROOT}.9.9"
    content, kept = cleaned(make_nm(1, ReferencedImageSequence=Sequence([reference])))
    found = kept.ReferencedImageSequence[0].ReferencedSOPClassUID
    assert found == (uid if stays else new_uid(uid))
    assert stays or b"4711" not in content


# -------------------------------------------------------------------------- names


def test_names_of_every_depth_and_of_the_vault_go():
    doctor, person = Dataset(), Dataset()
    person.CodeMeaning = "Stress"
    doctor.PersonIdentificationCodeSequence = Sequence([person])
    dataset = make_nm(
        1,
        PatientName="Rest^A",
        ReferringPhysicianName="Heart^Dr",
        OperatorsName=["NM", "Wall^B"],
        SeriesDescription="STRESS REST HEART WALL LONG RING HEAD AC",
        ReferringPhysicianIdentificationSequence=Sequence([doctor]),
    )
    block = dataset.private_block(0x0009, "MAKER", create=True)
    block.add_new(0x01, "PN", "Ring^C")
    assert cleaned(dataset)[1].SeriesDescription == "HEAD AC"


def test_identifiers_of_every_depth_go():
    other, order = Dataset(), Dataset()
    other.PatientID, order.AccessionNumber = "OSEM8", "SA-3"
    dataset = make_nm(
        1,
        PatientID="FLASH3D",
        SeriesDescription="OSEM8 FLASH3D SA 3 AC",
        OtherPatientIDsSequence=Sequence([other]),
        RequestAttributesSequence=Sequence([order]),
    )
    assert cleaned(dataset)[1].SeriesDescription == "AC"


def test_defined_terms_stay_whoever_is_called_so():
    _, kept = cleaned(make_nm(1, PatientName="Primary^Emission"))
    assert list(kept.ImageType) == ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]
    _, kept = cleaned(make_nm(1, ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "MILLER 12 3 50"]))
    assert list(kept.ImageType) == ["ORIGINAL", "PRIMARY", "RECON TOMO", ""]


def test_a_date_across_the_values_of_an_attribute_goes():
    dataset = make_nm(1, SoftwareVersions=["15", "06", "50"])
    for keyword, values in (
        ("SeriesDescription", ["STRESS 15", "06 AC", "50 REST"]),
        ("ImageType", ["ORIGINAL", "PRIMARY", "RECON TOMO", "STRESS 15", "6 AC"]),
    ):
        tag = tag_for_keyword(keyword)
        element = DataElement(tag, dictionary_VR(tag), values, validation_mode=IGNORE)
        dataset.add(element)
    _, kept = cleaned(dataset)
    assert "SoftwareVersions" not in kept
    assert list(kept.SeriesDescription) == ["STRESS", "AC", "REST"]
    assert list(kept.ImageType) == ["ORIGINAL", "PRIMARY", "RECON TOMO", "STRESS", "AC"]
    assert list(cleaned(make_nm(1, SoftwareVersions=["4.0", "3.1"]))[1].SoftwareVersions) == [
        "4.0",
        "3.1",
    ]


# --------------------------------------------------------------------------- bits


def hidden(values, bits_stored, text):
    """Write a text into the bits above BitsStored, a bit to a pixel."""
    flat = values.ravel().copy()
    bits = np.unpackbits(np.frombuffer(text, dtype=np.uint8))
    flat[: bits.size] |= bits.astype(flat.dtype) << bits_stored
    return flat


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("bits_stored", [12, 15])
def test_bits_above_those_stored_are_masked(is_signed, bits_stored):
    rng = np.random.default_rng(4)
    low = -(2 ** (bits_stored - 1)) if is_signed else 0
    values = rng.integers(low, low + 2**bits_stored, size=(3, 8, 10))
    stored = (values & (2**bits_stored - 1)).astype("<u2")
    planted = hidden(stored, bits_stored, b"MILLER 19500615")
    dataset = make_nm(
        1, shape=(3, 8, 10), BitsStored=bits_stored, HighBit=bits_stored - 1,
        PixelRepresentation=int(is_signed), PixelData=planted.astype("<u2").tobytes(),
    )  # fmt: skip
    before = read_volume(dataset).array
    _, kept = cleaned(dataset)
    np.testing.assert_array_equal(before, values)
    np.testing.assert_array_equal(read_volume(kept).array, values)
    found = np.frombuffer(kept.PixelData, dtype="<i2" if is_signed else "<u2")
    np.testing.assert_array_equal(found.reshape(values.shape), values)


def test_bytes_behind_the_last_pixel_are_nothing():
    pixels = bytes(range(1, 106))
    dataset = make_nm(
        1, shape=(3, 5, 7), BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=pixels + b"\x4d"
    )
    assert cleaned(dataset)[1].PixelData == pixels + b"\0"


def test_pixel_data_in_an_item_go():
    dataset = make_nm(1)
    item = dataset.DetectorInformationSequence[0]
    item.add(DataElement(tag_for_keyword("PixelData"), "OW", b"MILLER 19500615 "))
    content, kept = cleaned(dataset)
    assert b"MILLER" not in content
    assert "PixelData" not in kept.DetectorInformationSequence[0]
    assert kept.PixelData == dataset.PixelData


def test_pixels_of_full_width_do_not_change():
    dataset = small_object()
    _, kept = cleaned(dataset)
    assert kept.PixelData == dataset.PixelData
    assert read_volume(kept).array[MARK] == read_volume(dataset).array[MARK]


# ----------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("said", "written"),
    [("NO", "NO"), ("no ", "NO"), (None, None), ("", None), ("UNKNOWN", None), (["NO", "?"], None)],
)
def test_burned_in_annotation_is_denied_only_where_it_was(said, written):
    dataset = make_nm(1)
    if said is not None:
        dataset.add(
            DataElement(tag_for_keyword("BurnedInAnnotation"), "CS", said, validation_mode=IGNORE)
        )
    assert cleaned(dataset)[1].get("BurnedInAnnotation") == written


@pytest.mark.parametrize(("said", "written"), [("YES", "YES"), ("NO", None), ("JOHN", None)])
def test_what_shows_no_patient_says_so_still(said, written):
    for keyword in ("QualityControlImage", "SyntheticData"):
        kept = cleaned(make_nm(1, **{keyword: said}))[1]
        assert kept.get("QualityControlImage") == written
        assert "SyntheticData" not in kept


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({}, ""),
        ({"ImageType": ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]}, ""),
        ({"ImageType": ["DERIVED", "PRIMARY", "RECON GATED TOMO", "EMISSION"]}, ""),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"]}, ""),
        ({"ImageType": ["DERIVED", "SECONDARY", "RECON TOMO", "EMISSION"]}, "secondary"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, "secondary"),
        ({"ImageType": ["ORIGINAL", "SECONDARY", "STATIC"]}, "secondary"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen"),
        ({"SeriesDescription": "SAVE SCREEN"}, "screen"),
        ({"SeriesDescription": "Saved Screens AC"}, "screen"),
        ({"SeriesDescription": "STRESS_SCREENSHOT_1"}, "screen"),
        ({"SeriesDescription": "Bildschirmfoto"}, "screen"),
        ({"SeriesDescription": "Capture d'écran"}, "screen"),
        ({"ImageID": "AC SNAPSHOT"}, "screen"),
        ({"SeriesDescription": "SCREENING STRESS AC"}, ""),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]}, "static"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]}, "static"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"]}, ""),
        ({"ImageType": None}, ""),
        ({"PhotometricInterpretation": "RGB"}, "colour"),
        ({"PhotometricInterpretation": "YBR_FULL_422"}, "colour"),
    ],
)
def test_pictures_of_nm_class_are_told_from_volumes(attributes, why):
    assert why_picture(make_nm(1, **attributes)) == why

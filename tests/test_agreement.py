"""Two statements of one fact in an object are compared: a flag, or a refusal."""

from __future__ import annotations

from copy import deepcopy

import pytest
from nm_objects import small_object
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from mpss_lib.demo.nm_modules import coded
from mpss_lib.dicom import read_header, read_volume
from mpss_lib.dicom.agreement import Announced, differences
from mpss_lib.dicom.said import Said, read_said
from mpss_lib.errors import GeometryError, LakeCorruptError


def rules(dataset: Dataset, announced: Announced | None = None) -> list[str]:
    return [one.rule for one in differences(dataset, read_header(dataset), announced)]


def changed(change) -> Dataset:
    dataset = small_object()
    change(dataset)
    return dataset


def detector(dataset: Dataset) -> Dataset:
    return dataset.DetectorInformationSequence[0]


def second_detector(dataset: Dataset, **values: object) -> None:
    item = deepcopy(detector(dataset))
    for keyword, value in values.items():
        setattr(item, keyword, value)
    dataset.DetectorInformationSequence.append(item)


def set_to(**values: object):
    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def put(dataset: Dataset, keyword: str, content: bytes) -> None:
    tag = Tag(keyword)
    dataset[tag] = RawDataElement(tag, "DS", len(content), content, 0, False, True)


def test_a_sound_object_has_no_differences():
    assert rules(small_object(), Announced("NM", "20010203")) == []


FLAGS = {
    "thickness": (set_to(SliceThickness="9.6"), "spacing_said_twice"),
    "no direction": (lambda d: d.pop("SpacingBetweenSlices"), "direction_of_slices_not_stated"),
    "pixels in the detector": (
        lambda d: setattr(detector(d), "PixelSpacing", ["6.4", "6.4"]), "PixelSpacing_said_twice"),
    "slices in the detector": (
        lambda d: setattr(detector(d), "SpacingBetweenSlices", "-4.8"),
        "SpacingBetweenSlices_said_twice"),
    "aspect": (set_to(PixelAspectRatio=["2", "1"]), "pixel_aspect_said_twice"),
    "position at top": (set_to(ImagePositionPatient=["0", "0", "0"]), "position_said_twice"),
    "two positions": (
        lambda d: second_detector(d, ImagePositionPatient=["0", "0", "9"]), "position_said_twice"),
    "unreadable position of a second detector": (
        lambda d: (second_detector(d), put(d.DetectorInformationSequence[1],
                                           "ImagePositionPatient", b"1\\2\\x")),
        "ImagePositionPatient_unreadable"),
    "unreadable position at top": (
        lambda d: put(d, "ImagePositionPatient", b"1\\2\\x"), "ImagePositionPatient_unreadable"),
    "unreadable pixels in the detector": (
        lambda d: put(detector(d), "PixelSpacing", b"4.8\\?"), "PixelSpacing_unreadable"),
    "bits": (set_to(HighBit=11), "bits_said_twice"),
    "more bits": (set_to(BitsStored=32, HighBit=31), "bits_said_twice"),
    "units": (set_to(Units="BQML", RescaleType="US"), "unit_said_twice"),
    "gated": (
        set_to(ImageType=["DERIVED", "PRIMARY", "RECON GATED TOMO", "EMISSION"]),
        "gating_said_twice"),
    "kind": (set_to(ImageType=["DERIVED", "PRIMARY", "RECON TOMO"]), "image_type_not_listed"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAGS)
def test_a_difference_is_told(name):
    change, want = FLAGS[name]
    assert rules(changed(change)) == [want]


AGREE = {
    "overlap": set_to(SliceThickness="5.0"),
    "no time slots": set_to(NumberOfTimeSlots=0),
    "empty position of a second detector": lambda d: second_detector(d, ImagePositionPatient=None),
    "same position": set_to(ImagePositionPatient=["-20", "-150", "30"]),
    "same units": set_to(Units="CNTS", RescaleType="US"),
    "aspect": set_to(PixelAspectRatio=["1", "1"]),
    "same detector twice": second_detector,
    "same spacing in the detector": lambda d: setattr(detector(d), "PixelSpacing", [4.8, 4.8]),
}


@pytest.mark.parametrize("name", AGREE)
def test_what_agrees_is_not_told(name):
    assert rules(changed(AGREE[name])) == []


def test_a_position_for_each_slice_agrees_with_the_spacing_or_not():
    def with_steps(step: float) -> Dataset:
        dataset = small_object()
        for number in range(1, dataset.NumberOfSlices):
            second_detector(dataset, ImagePositionPatient=[-20.0, -150.0, 30.0 + step * number])
        return dataset

    assert rules(with_steps(4.8)) == []
    assert rules(with_steps(-4.8)) == ["position_said_twice"]
    assert rules(with_steps(2.4)) == ["position_said_twice"]


@pytest.mark.parametrize(
    "change",
    [
        set_to(ImageOrientationPatient=["1", "0", "0", "0", "-1", "0"]),
        lambda d: second_detector(d, ImageOrientationPatient=["0", "1", "0", "1", "0", "0"]),
    ],
    ids=["at top", "second detector"],
)
def test_two_orientations_refuse(change):
    with pytest.raises(GeometryError, match="different orientations"):
        read_volume(changed(change))


@pytest.mark.parametrize(
    ("announced", "want"),
    [
        (Announced("PT", "20010203"), ["modality_said_twice"]),
        (Announced("NM", "20010204"), ["study_date_said_twice"]),
        (Announced("NM", "2001.02.03"), []),
        (Announced("", ""), []),
    ],
)
def test_lists_and_object_are_compared(announced, want):
    assert rules(small_object(), announced) == want


def test_view_codes_in_three_states():
    def with_view(*code: str) -> Said:
        dataset = small_object()
        detector(dataset).ViewCodeSequence = coded(*code) if code else Sequence([Dataset()])
        return read_said(dataset)

    unknown = with_view("X-9", "99SITE", "Something")
    assert [one.rule for one in unknown.differences] == ["view_code_unknown"]
    assert [one.rule for one in with_view().differences] == ["view_code_unknown"]
    assert with_view("X-9", "99SITE", "Short Axis").answers["view"].answer == "short_axis"
    torn = with_view("62824007", "SCT", "Short Axis").answers["view"]
    assert (torn.answer, torn.rule) == ("unknown", "contradiction")


def test_views_of_all_detectors_are_read():
    dataset = small_object()
    second_detector(dataset, ViewCodeSequence=coded("103340004", "SCT", "Short Axis"))
    assert read_said(dataset).answers["view"].rule == "contradiction"


def test_said_keeps_codes_and_no_text():
    dataset = small_object()
    dataset.SeriesDescription = "STRESS SMITH^JOHN w/o AC"
    text = read_said(dataset).as_json()
    assert "SMITH" not in text
    assert Said.from_json(text).as_json() == text
    assert Said.from_json(text).answers["attenuation"].rule == "contradiction"


@pytest.mark.parametrize("keyword", ["QualityControlImage", "SyntheticData"])
@pytest.mark.parametrize(("value", "is_so"), [("YES", True), ("NO", False), (None, False)])
def test_said_tells_what_shows_no_patient(keyword, value, is_so):
    dataset = small_object()
    del dataset.QualityControlImage
    if value is not None:
        setattr(dataset, keyword, value)
    text = read_said(dataset).as_json()
    assert Said.from_json(text).is_phantom is is_so
    assert ("phantom" in text) is is_so  # else the bytes of lakes that are there would change


@pytest.mark.parametrize("text", ["{}", "no", '{"answers": 3}'])
def test_what_is_no_statement_is_refused(text):
    with pytest.raises(LakeCorruptError, match="column said"):
        Said.from_json(text)

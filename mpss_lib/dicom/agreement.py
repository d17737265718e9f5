"""Two statements of one fact in an object, compared: each difference is for a person to look at.

What geometry cannot do without (orientation, numbers of slices and time slots) refuses in
``read_volume``; what the rules of intake ask (stress, attenuation, reconstruction, view) is
``unknown`` where strong statements differ. The rest stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from mpss_lib.dicom.header import Header
from mpss_lib.dicom.image_type import is_gated, is_outside_the_list, names_another_thing
from mpss_lib.dicom.values import items, number_of, numbers_of, read_numbers, text_of, whole_of
from mpss_lib.errors import UnreadableValueError

KIND_SAID_TWICE = "kind_said_twice"
"""Rule of an object whose texts name another thing than its ImageType: a map, a picture."""
THICKNESS_TOLERANCE = 0.1
"""Relative difference of SliceThickness and SpacingBetweenSlices: slices may overlap a little."""
POSITION_TOLERANCE_MM = 0.1
_TWICE = ("ImagePositionPatient", "PixelSpacing", "SpacingBetweenSlices", "SliceThickness")
SIZE_TOLERANCE = 0.01


@dataclass(frozen=True)
class Difference:
    """A difference: the rule that found it and the attributes that it compared."""

    rule: str
    keyword: str


@dataclass(frozen=True)
class Announced:
    """What C-FIND said of the object's series and study; "" where it did not."""

    modality: str = ""
    study_date: str = ""


def differences(
    dataset: Dataset, header: Header, announced: Announced | None = None
) -> list[Difference]:
    """Every fact that the object states twice and differently.

    Parameters
    ----------
    dataset, header
        The object, as received, and its header record.
    announced : Announced, optional
        What the archive's lists said of it.
    """
    found = [*_of_kind(header), *_of_spacing(dataset, header), *_of_pixels(dataset)]
    found += _of_detectors(dataset, header)
    found += _unread(dataset)
    if announced is not None:
        found += _of_lists(dataset, announced)
    return list(dict.fromkeys(found))


def _of_kind(header: Header) -> list[Difference]:
    kinds = header.texts.get("ImageType", ())
    found = []
    if is_outside_the_list(kinds):
        found.append(Difference("image_type_not_listed", "ImageType"))
    found += [
        Difference(KIND_SAID_TWICE, f"ImageType / {keyword}")
        for keyword in ("ImageID", "SeriesDescription")
        if any(names_another_thing(text) for text in header.texts.get(keyword, ()))
    ]
    if is_gated(kinds) != (header.n_time_slots > 1):
        found.append(Difference("gating_said_twice", "ImageType / TimeSlotVector"))
    return found


def _of_spacing(dataset: Dataset, header: Header) -> list[Difference]:
    between, thickness = header.spacing_between_slices_mm, header.slice_thickness_mm
    if between is None:
        return [Difference("direction_of_slices_not_stated", "SpacingBetweenSlices")]
    found = []
    if thickness and not _near(abs(between), thickness, THICKNESS_TOLERANCE):
        found.append(Difference("spacing_said_twice", "SpacingBetweenSlices / SliceThickness"))
    for keyword, mine in (
        ("PixelSpacing", header.pixel_spacing_mm),
        ("SpacingBetweenSlices", (between,)),
        ("SliceThickness", (thickness,) if thickness else None),
    ):
        for item in _items(dataset, "DetectorInformationSequence"):
            theirs = _numbers(item, keyword)
            if mine and theirs and not _alike(mine, theirs, SIZE_TOLERANCE * abs(mine[0])):
                found.append(Difference(f"{keyword}_said_twice", keyword))
    return found + _of_aspect(dataset, header.pixel_spacing_mm)


def _of_aspect(dataset: Dataset, spacing: tuple[float, float] | None) -> list[Difference]:
    aspect = _numbers(dataset, "PixelAspectRatio")
    if not spacing or len(aspect) != 2 or min(*aspect, *spacing) <= 0:
        return []
    if _near(aspect[0] / aspect[1], spacing[0] / spacing[1], SIZE_TOLERANCE):
        return []
    return [Difference("pixel_aspect_said_twice", "PixelSpacing / PixelAspectRatio")]


def _of_detectors(dataset: Dataset, header: Header) -> list[Difference]:
    """Positions in several places: one origin, or one for each slice along the stated direction."""
    holders = [*_items(dataset, "DetectorInformationSequence"), dataset]
    at = [p for one in holders if len(p := _numbers(one, "ImagePositionPatient")) == 3]
    if len(at) < 2 or all(_alike(at[0], one, POSITION_TOLERANCE_MM) for one in at[1:]):
        return []
    step = header.slice_spacing_mm
    if header.orientation is not None and step and len(at) == (header.n_slices or header.n_frames):
        row, column = header.orientation[:3], header.orientation[3:]
        along = np.diff(np.asarray(at) @ np.cross(row, column))
        if np.allclose(along, step, atol=POSITION_TOLERANCE_MM):
            return []
    return [Difference("position_said_twice", "ImagePositionPatient / SpacingBetweenSlices")]


def _unread(dataset: Dataset) -> list[Difference]:
    """Second statements that cannot be read, and so not be compared with the first."""
    found = []
    for holder in (*_items(dataset, "DetectorInformationSequence"), dataset):
        for keyword in _TWICE:
            try:
                read_numbers(holder, keyword, may_be_empty=True)
            except UnreadableValueError:
                found.append(Difference(f"{keyword}_unreadable", keyword))
    return found


def _of_pixels(dataset: Dataset) -> list[Difference]:
    found = []
    try:
        allocated, stored = whole_of(dataset, "BitsAllocated"), whole_of(dataset, "BitsStored")
        high = number_of(dataset, "HighBit")
    except UnreadableValueError:
        return []  # the pixel data cannot be read either: refused by name
    if stored > allocated or (high is not None and stored and int(high) != stored - 1):
        found.append(Difference("bits_said_twice", "BitsStored / HighBit"))
    units = [_text(dataset, keyword) for keyword in ("Units", "RescaleType")]
    counts = ["counts" if unit in ("CNTS", "US") else unit for unit in units if unit]
    if len(set(counts)) > 1:
        found.append(Difference("unit_said_twice", "Units / RescaleType"))
    return found


def _of_lists(dataset: Dataset, announced: Announced) -> list[Difference]:
    found = []
    modality, day = _text(dataset, "Modality"), _text(dataset, "StudyDate")
    if announced.modality and modality and modality != announced.modality:
        found.append(Difference("modality_said_twice", "Modality"))
    told = announced.study_date.replace(".", "").replace("-", "")
    if told and day and day.replace(".", "").replace("-", "") != told:
        found.append(Difference("study_date_said_twice", "StudyDate"))
    return found


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    try:
        return items(dataset, keyword)
    except UnreadableValueError:
        return []  # one that decides is listed in Header.unreadable


def _numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    try:
        return numbers_of(dataset, keyword)
    except UnreadableValueError:
        return ()  # one that decides is listed in Header.unreadable, another one in _unread


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        return text_of(dataset, keyword)
    except UnreadableValueError:
        return ""


def _near(one: float, other: float, relative: float) -> bool:
    """Whether two finite numbers differ by little, as ``numpy.isclose`` says it."""
    return abs(one - other) <= 1e-8 + relative * abs(other)


def _alike(mine: tuple[float, ...], theirs: tuple[float, ...], tolerance: float) -> bool:
    return len(mine) == len(theirs) and bool(np.allclose(mine, theirs, rtol=0, atol=tolerance))

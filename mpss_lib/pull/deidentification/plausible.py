"""Numbers of an object: kept where they are what their attribute can mean, else emptied.

A number that cannot be read never passes for absent, whose default would be taken: a question mark
stands for it (an empty value where the VR is binary). A decimal comma, NaN or infinity stays as it
was written: it says nothing of anybody, and reading it is for others. A number that can be read
and is none that its attribute can mean leaves an empty value, and a question mark where a volume
is made by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType
from typing import TypeGuard

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from mpss_lib.dicom.writing import written_element
from mpss_lib.pull.deidentification.names import UNREADABLE, Named

Limits = tuple[float, float]

_NUMBER = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"(?i)[+-]?(nan|inf|infinity)")
_BINARY_VRS = frozenset(("US", "SS", "UL", "SL", "FL", "FD"))
_TEXT_VRS = frozenset(("AE", "CS", "DS", "IS", "LO", "SH", "UT", "UC", "LT", "ST", "UN"))


def _each(low: float, high: float, keywords: str) -> dict[str, Limits]:
    return dict.fromkeys(keywords.split(), (low, high))


RANGES: Mapping[str, Limits] = MappingProxyType(
    # Places in a list. A station counts its series by thousands at most.
    _each(0, 9999, "SeriesNumber InstanceNumber AcquisitionNumber ReferencedFrameNumber")
    | _each(0, 99999, "ROINumber ReferencedROINumber ObservationNumber ContourNumber")
    | _each(0, 99999, "NumberOfContourPoints DimensionIndexValues")
    | _each(0, 65535, "SegmentNumber ReferencedSegmentNumber MaximumFractionalValue")
    # Matrix and pixel values.
    | _each(0, 65535, "Rows Columns NumberOfFrames")
    | _each(0, 64, "SamplesPerPixel BitsAllocated BitsStored HighBit PixelRepresentation")
    | _each(-32768, 65535, "SmallestImagePixelValue LargestImagePixelValue PixelPaddingValue")
    | _each(-32768, 65535, "RealWorldValueFirstValueMapped RealWorldValueLastValueMapped")
    | _each(-1e6, 1e6, "RescaleIntercept RescaleSlope RealWorldValueIntercept RealWorldValueSlope")
    | _each(-131072, 131072, "WindowCenter WindowWidth")
    | _each(0, 9999, "PixelAspectRatio")
    # Geometry, mm and cosines.
    | _each(-1000, 1000, "PixelSpacing SliceThickness SpacingBetweenSlices")
    | _each(-100, 100, "ImageOrientationPatient")
    | _each(-10000, 10000, "ImagePositionPatient ContourData")
    | _each(-10000, 10000, "FocalDistance XFocusCenter YFocusCenter ZoomCenter RadialPosition")
    | _each(-10000, 10000, "DistanceSourceToDetector DistanceSourceToPatient TableTraverse")
    | _each(-10000, 10000, "TableHeight CenterOfRotationOffset")
    | _each(20, 200, "KVP")
    | _each(0, 3000, "FieldOfViewDimensions ReconstructionDiameter ReconstructionFieldOfView")
    | _each(0, 100, "ZoomFactor")
    | _each(-720, 720, "GantryDetectorTilt StartAngle AngularStep ScanArc")
    # Frames, and what each of them is.
    | _each(0, 9999, "EnergyWindowVector DetectorVector PhaseVector RotationVector")
    | _each(0, 9999, "RRIntervalVector TimeSlotVector SliceVector AngularViewVector")
    | _each(0, 9999, "TimeSliceVector EnergyWindowNumber NumberOfEnergyWindows")
    | _each(0, 9999, "NumberOfDetectors NumberOfPhases NumberOfRotations NumberOfRRIntervals")
    | _each(0, 9999, "NumberOfTimeSlots NumberOfSlices NumberOfFramesInRotation")
    | _each(0, 9999, "NumberOfFramesInPhase NumberOfTriggersInPhase")
    | _each(0, 999, "NumberOfIterations NumberOfSubsets")
    # Times: ms (AcquisitionDuration: s), an hour at most for one frame.
    | _each(0, 3.6e6, "ActualFrameDuration PhaseDelay PauseBetweenFrames FrameTime")
    | _each(0, 86400, "AcquisitionDuration")
    | _each(0, 1e5, "TriggerTime TimeSlotTime IntervalsAcquired IntervalsRejected")
    | _each(0, 10000, "LowRRValue HighRRValue NominalInterval SkipBeats")
    | _each(0, 400, "HeartRate")
    # Counts, energy in keV, dose in MBq, half-life in s, volume in ml.
    | _each(0, 2**31 - 1, "CountsAccumulated")
    | _each(0, 1e7, "SyringeCounts ResidualSyringeCounts RadionuclideHalfLife")
    | _each(0, 3000, "EnergyWindowLowerLimit EnergyWindowUpperLimit")
    | _each(0, 10000, "RadionuclideTotalDose")
    | _each(0, 1, "RadionuclidePositronFraction")
    | _each(0, 1000, "RadiopharmaceuticalVolume")
    # The patient: m and kg. Anything measured in the acquisition context.
    | _each(0, 3, "PatientSize")
    | _each(0, 500, "PatientWeight")
    | _each(-9999, 9999, "NumericValue")
)
"""Keyword -> smallest and largest value that it can mean, both included."""

DECIDING: frozenset[str] = frozenset(
    (
        *("RescaleSlope", "RescaleIntercept", "PixelSpacing", "SliceThickness", "NumberOfFrames"),
        *("SpacingBetweenSlices", "ImageOrientationPatient", "ImagePositionPatient", "ContourData"),
    )
)
"""Numbers by which a volume is made."""

_ORDINALS = frozenset({"SeriesNumber", "InstanceNumber", "AcquisitionNumber"})
_SHORT, _REMEMBERED = 128, 2048
"""Bytes of a text, and number of them, that are remembered with what is written for them."""


def kept_number(source: Dataset, keyword: str, named: Named) -> DataElement | RawDataElement:
    """Give the element that is written for a number, a list of numbers or an attribute tag.

    Parameters
    ----------
    source : Dataset
        It holds the keyword.
    keyword : str
        One of ``RANGES``, or of an attribute whose values are tags (VR AT).
    named : Named
        A number that is an identifier of the patient goes too.
    """
    tag = _tag(keyword)
    raw = source.get_item(tag, keep_deferred=True)
    if keyword in _ORDINALS or not _is_short(raw, tag):
        return _kept(source, keyword, named)
    return _kept_short(keyword, raw.VR, raw.value or b"") or _empty(tag)


def _is_short(raw: object, tag: BaseTag) -> TypeGuard[RawDataElement]:
    """Whether a number stands there as it was received, and is worth to be remembered."""
    if not isinstance(raw, RawDataElement) or raw.value is None or len(raw.value) > _SHORT:
        return False
    wanted = _wanted_vrs(tag)[0]
    is_text = wanted in ("DS", "IS") and raw.VR in (None, *_TEXT_VRS)
    return is_text or (wanted == raw.VR in _BINARY_VRS and raw.is_little_endian)


@lru_cache(_REMEMBERED)
def _kept_short(keyword: str, vr: str | None, content: bytes) -> RawDataElement | None:
    """Give what is written for a number that is no ordinal one, None for an empty value.

    It depends on nothing else; the studies of a camera say the same of most attributes.
    """
    alone, tag = Dataset(), _tag(keyword)
    alone[tag] = RawDataElement(tag, vr, len(content), content, 0, vr is None, True)
    kept = _kept(alone, keyword, Named())
    if isinstance(kept, RawDataElement):
        return kept
    return None if kept.value is None else written_element(tag, kept.VR, content)


def _kept(source: Dataset, keyword: str, named: Named) -> DataElement | RawDataElement:
    tag = _tag(keyword)
    try:
        parts, vr, value = _parts(source, tag)
    except UNREADABLE:
        return _unreadable(tag)
    if not any(parts):
        return _empty(tag)
    if vr == "AT":
        tags = value if isinstance(value, MultiValue | list) else [value]
        is_known = all(isinstance(one, BaseTag) and keyword_for_tag(one) for one in tags)
        return DataElement(tag, vr, value) if is_known else _empty(tag)
    if not _has_count(tag, len(parts)) or not all(_is_number(part) for part in parts):
        return _unreadable(tag)
    is_identifier = keyword in _ORDINALS and any(named.has_number(part) for part in parts)
    if is_identifier or not all(_is_in_range(part, keyword) for part in parts):
        return _unreadable(tag) if keyword in DECIDING else _empty(tag)
    if vr not in ("DS", "IS"):
        return DataElement(tag, vr, value)
    return _written(tag, vr, "\\".join(_canonical(part) for part in parts))


@cache
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def _empty(tag: BaseTag) -> DataElement:
    return DataElement(tag, dictionary_VR(tag).split(" or ")[0], None)


def _unreadable(tag: BaseTag) -> DataElement | RawDataElement:
    vr = dictionary_VR(tag)
    return _written(tag, vr, "?") if vr in ("DS", "IS") else _empty(tag)


def _written(tag: BaseTag, vr: str, text: str) -> RawDataElement:
    """Write a decimal or integer string as it is, without reading it as a number."""
    return written_element(tag, vr, text.encode("ascii"))


def _parts(source: Dataset, tag: BaseTag) -> tuple[list[str], str, object]:
    """Values as they are written, without blanks around; the VR to write; the value as read.

    Raises
    ------
    ValueError, TypeError, AttributeError, KeyError
        If the bytes are not of the VR, or the VR is not the attribute's.
    """
    wanted = _wanted_vrs(tag)
    raw = source.get_item(tag)
    is_raw = isinstance(raw, RawDataElement) and raw.VR in (None, *_TEXT_VRS)
    if is_raw and wanted[0] in ("DS", "IS"):
        text = (raw.value or b"").decode("ascii")
        return [part.strip(" \0\t\r\n") for part in text.split("\\")], wanted[0], None
    element = source[tag]
    if element.VR not in wanted:
        raise ValueError(f"VR {element.VR}, not {wanted[0]}")
    value = element.value
    many = value if isinstance(value, MultiValue | list) else [value]
    texts = [str(getattr(one, "original_string", one)).strip() for one in many if one is not None]
    return texts or [""], element.VR, value


@cache
def _wanted_vrs(tag: BaseTag) -> tuple[str, ...]:
    return (*dictionary_VR(tag).split(" or "), dictionary_VR(tag))


@cache
def _has_count(tag: BaseTag, count: int) -> bool:
    """Whether an attribute may have so many values (VM "1", "1-2", "1-n", "3-3n")."""
    least, _, most = dictionary_VM(tag).partition("-")
    if most.endswith("n"):
        return count >= int(least) and count % int(most[:-1] or 1) == 0
    return int(least) <= count <= int(most or least)


def _is_number(part: str) -> bool:
    return bool(_NUMBER.fullmatch(part) or _NOT_FINITE.fullmatch(part))


def _is_in_range(part: str, keyword: str) -> bool:
    low, high = RANGES[keyword]
    return bool(_NOT_FINITE.fullmatch(part)) or low <= float(part.replace(",", ".")) <= high


def _canonical(part: str) -> str:
    """Leave zeros and a plus sign in front of a number out: they may be part of an identifier."""
    return re.sub(r"^0+(?=[0-9])", "", re.sub(r"^([+-]?)0+(?=[0-9])", r"\1", part).lstrip("+"))

"""What de-identification keeps of an RTSTRUCT or SEG object; everything else is dropped.

Far less than of an image: where the regions lie, which region each is, and what they were drawn
on. Labels, descriptions, observers, reviewers and operators go. A region keeps its name only as
one of ours (``dicom.region_names``); regions of a structure set with another name are dropped
whole, contours and all.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom.dataset import Dataset
from pydicom.uid import UID, RTStructureSetStorage, SegmentationStorage

from mpss_lib.pull.deidentification import attributes as table
from mpss_lib.pull.deidentification.attributes import listed

NAME = "name"
"""Replaced by our name of the region, ``UNKNOWN`` where nobody knows it."""
CLOSED = "closed"
"""Kept where it is one of ``TERMS``, else dropped."""

TERMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ApprovalStatus": frozenset({"APPROVED", "UNAPPROVED", "REJECTED"}),
        "ROIGenerationAlgorithm": frozenset({"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"}),
        "ContourGeometricType": frozenset(
            {"POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
        ),
        "SegmentationType": frozenset({"BINARY", "FRACTIONAL"}),
        "SegmentationFractionalType": frozenset({"PROBABILITY", "OCCUPANCY"}),
        "SegmentAlgorithmType": frozenset({"AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"}),
        "SegmentsOverlap": frozenset({"YES", "NO", "UNDEFINED"}),
        "Modality": frozenset({"RTSTRUCT", "SEG"}),
        "ImageType": frozenset({"DERIVED", "PRIMARY"}),
        "PhotometricInterpretation": frozenset({"MONOCHROME2"}),
        "LossyImageCompression": frozenset({"00", "01"}),
    }
)
"""Enumerated values: attribute -> what it may say."""


_BOTH: dict[str, str] = (
    {**table.BESIDE}
    | listed(table.NUMBER, "ReferencedFrameNumber")
    | listed(table.VERSION, "SoftwareVersions")
    | listed(CLOSED, "Modality")
)

_STRUCTURES: dict[str, str] = (
    listed(table.INSTANCE_UID, "ReferencedFrameOfReferenceUID")
    | listed(
        table.NUMBER,
        """ROINumber ReferencedROINumber ObservationNumber NumberOfContourPoints ContourNumber
        ContourData""",
    )
    | listed(table.DATE, "StructureSetDate")
    | listed(table.TIME, "StructureSetTime")
    | listed(NAME, "ROIName")
    | listed(CLOSED, "ApprovalStatus ROIGenerationAlgorithm ContourGeometricType")
    | listed(
        table.ITEMS,
        """ReferencedFrameOfReferenceSequence RTReferencedStudySequence
        RTReferencedSeriesSequence ContourImageSequence StructureSetROISequence
        ROIContourSequence ContourSequence RTROIObservationsSequence""",
    )
)

_SEGMENTS: dict[str, str] = (
    listed(table.INSTANCE_UID, "DimensionOrganizationUID")
    | listed(
        table.NUMBER,
        """SamplesPerPixel NumberOfFrames Rows Columns BitsAllocated BitsStored HighBit
        PixelRepresentation MaximumFractionalValue SegmentNumber ReferencedSegmentNumber
        PixelSpacing SliceThickness SpacingBetweenSlices ImageOrientationPatient
        ImagePositionPatient DimensionIndexValues DimensionIndexPointer FunctionalGroupPointer""",
    )
    | listed(NAME, "SegmentLabel")
    | listed(
        CLOSED,
        """ImageType PhotometricInterpretation LossyImageCompression SegmentationType
        SegmentationFractionalType SegmentAlgorithmType SegmentsOverlap""",
    )
    | listed(
        table.ITEMS,
        """SegmentSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence
        PixelMeasuresSequence PlaneOrientationSequence PlanePositionSequence FrameContentSequence
        SegmentIdentificationSequence DerivationImageSequence SourceImageSequence
        DimensionOrganizationSequence DimensionIndexSequence ReferencedSeriesSequence
        ReferencedInstanceSequence""",
    )
    | listed(
        table.CODES,
        """SegmentedPropertyCategoryCodeSequence SegmentedPropertyTypeCodeSequence
        AnatomicRegionSequence DerivationCodeSequence PurposeOfReferenceCodeSequence""",
    )
    | listed(table.PIXELS, "PixelData")
)

KEPT_OF: Mapping[UID, Mapping[str, str]] = MappingProxyType(
    {
        RTStructureSetStorage: MappingProxyType(_BOTH | _STRUCTURES),
        SegmentationStorage: MappingProxyType(_BOTH | _SEGMENTS),
    }
)
"""SOP class -> keyword -> what is done with it."""

CONSTANTS: Mapping[UID, Mapping[str, str]] = MappingProxyType(
    {
        RTStructureSetStorage: MappingProxyType({"StructureSetLabel": "CONTOURS"}),
        SegmentationStorage: MappingProxyType(
            {"ContentLabel": "SEGMENTS", "ContentDescription": "", "ContentCreatorName": ""}
        ),
    }
)
"""SOP class -> attributes that must be there and say nothing."""


_ABSENT_OF_BOTH = "PatientSex PositionReferenceIndicator StudyDate StudyTime"
ABSENT: Mapping[UID, Mapping[str, str]] = MappingProxyType(
    {
        RTStructureSetStorage: MappingProxyType(
            listed("", _ABSENT_OF_BOTH)
            | listed("", "SeriesNumber OperatorsName Manufacturer")
            | listed("", "StructureSetDate StructureSetTime")
        ),
        SegmentationStorage: MappingProxyType(
            listed("", _ABSENT_OF_BOTH)
            | listed("REMOVED", "Manufacturer ManufacturerModelName")
            | listed("REMOVED", "DeviceSerialNumber SoftwareVersions")
        ),
    }
)
"""SOP class -> attributes that must be there, with what they say where nothing was kept."""

REVIEW = ("ReviewDate", "ReviewTime", "ReviewerName")
"""Must be there, empty, where a structure set was approved or rejected (PS3.3 C.8.8.16)."""


def complete(kept: Dataset, sop_class: UID) -> None:
    """Put in what the class asks to be present, empty or constant."""
    for keyword, value in CONSTANTS.get(sop_class, {}).items():
        setattr(kept, keyword, value)
    for keyword, value in ABSENT.get(sop_class, {}).items():
        if kept.get(keyword) in (None, ""):
            setattr(kept, keyword, value)
    if kept.get("ApprovalStatus") in ("APPROVED", "REJECTED"):
        for keyword in REVIEW:
            setattr(kept, keyword, "")
    for item in kept.get("RTROIObservationsSequence") or []:
        item.RTROIInterpretedType, item.ROIInterpreter = "", ""
    for item in kept.get("StructureSetROISequence") or []:
        if "ROIGenerationAlgorithm" not in item:
            item.ROIGenerationAlgorithm = ""

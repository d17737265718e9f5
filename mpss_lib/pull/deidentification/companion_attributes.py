"""What de-identification keeps of a CT slice and of a structured report; the rest is dropped.

Of a CT: where and how its slices lie, their values, and how the beam and the reconstruction were.
Of a report: when it was written, whether it is final, what it replaces. Nothing of its content
tree: what a report says of calcium is read as it was received (``companions``), and a tree of codes
and numbers is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom.uid import UID, CTImageStorage

from mpss_lib.pull.archive.companion_classes import REPORT_CLASSES
from mpss_lib.pull.deidentification import attributes as table
from mpss_lib.pull.deidentification.attributes import listed
from mpss_lib.pull.deidentification.contour_attributes import CLOSED

_CT: dict[str, str] = (
    listed(
        table.NUMBER,
        """AcquisitionNumber SamplesPerPixel Rows Columns BitsAllocated BitsStored HighBit
        PixelRepresentation PixelPaddingValue RescaleIntercept RescaleSlope PixelSpacing
        SliceThickness SpacingBetweenSlices ImageOrientationPatient ImagePositionPatient
        GantryDetectorTilt ReconstructionDiameter KVP""",
    )
    | listed(table.CLEAN, "ConvolutionKernel RescaleType")
    | listed(table.TERM, "ImageType Modality PatientPosition PhotometricInterpretation")
    | listed(table.TERM, "LossyImageCompression")
    | listed(table.PIXELS, "PixelData")
)

_REPORT: dict[str, str] = listed(
    CLOSED, "Modality CompletionFlag VerificationFlag PreliminaryFlag"
) | listed(
    table.ITEMS,
    "PredecessorDocumentsSequence ReferencedSeriesSequence ReferencedSOPSequence",
)

KEPT_OF: Mapping[UID, Mapping[str, str]] = MappingProxyType(
    {CTImageStorage: MappingProxyType({**table.BESIDE} | _CT)}
    | dict.fromkeys(REPORT_CLASSES, MappingProxyType({**table.BESIDE} | _REPORT))
)
"""SOP class -> keyword -> what is done with it."""

TERMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "Modality": frozenset({"SR"}),
        "CompletionFlag": frozenset({"PARTIAL", "COMPLETE"}),
        "VerificationFlag": frozenset({"UNVERIFIED", "VERIFIED"}),
        "PreliminaryFlag": frozenset({"PRELIMINARY", "FINAL"}),
    }
)
"""Enumerated values of a report: attribute -> what it may say."""

"""What de-identification keeps of an NM object: a table, everything else is dropped.

The basis is DICOM PS3.15 Annex E, Basic Application Level Confidentiality Profile (113100) with
the options Clean Descriptors (113105), Retain Longitudinal Temporal Information With Modified
Dates (113107) and Retain Patient Characteristics (113108). It is turned around: PS3.15 lists what
to remove, this table lists what to keep, at every depth. An attribute that is not here is dropped,
and so is every private one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NUMBER = "number"
"""Numbers and attribute tags, as they are; emptied where they are not what it can mean."""
CLEAN = "clean"
"""Text: only words of the allow-list stay, and no name."""
TERM = "term"
"""A defined term of ``TERMS`` as it is, else as a text."""
MAKER = "maker"
MODEL = "model"
VERSION = "version"
"""Words of equipment, with the numbers of known models, or with versions."""
INSTANCE_UID = "instance_uid"
"""Replaced by the pseudonym of the UID."""
CLASS_UID = "class_uid"
"""Kept where DICOM has registered it, else replaced like an instance's."""
DATE = "date"
TIME = "time"
DATETIME = "datetime"
"""Shifted: the study begins at midnight of its shifted date, all other times stay relative."""
AGE = "age"
"""Years up to 89; older is 090Y."""
SEX = "sex"
ITEMS = "items"
"""A sequence: the same table is applied to its items."""
CODES = "codes"
"""A sequence of coded concepts: items whose code has the form of its public scheme."""
PIXELS = "pixels"


def listed(action: str, keywords: str) -> dict[str, str]:
    """Give keywords, written in one text, each with what is done with it."""
    return dict.fromkeys(keywords.split(), action)


KEPT: Mapping[str, str] = MappingProxyType(
    listed(
        NUMBER,
        """SeriesNumber InstanceNumber AcquisitionNumber PatientSize PatientWeight
        SamplesPerPixel NumberOfFrames FrameIncrementPointer Rows Columns PixelSpacing BitsAllocated
        BitsStored HighBit PixelRepresentation SmallestImagePixelValue LargestImagePixelValue
        PixelPaddingValue RescaleIntercept RescaleSlope WindowCenter WindowWidth
        SliceThickness SpacingBetweenSlices ImageOrientationPatient ImagePositionPatient
        EnergyWindowVector NumberOfEnergyWindows DetectorVector NumberOfDetectors PhaseVector
        NumberOfPhases RotationVector NumberOfRotations RRIntervalVector NumberOfRRIntervals
        TimeSlotVector NumberOfTimeSlots SliceVector NumberOfSlices AngularViewVector
        TimeSliceVector NumberOfFramesInRotation NumberOfFramesInPhase NumberOfTriggersInPhase
        CountsAccumulated ActualFrameDuration PhaseDelay PauseBetweenFrames AcquisitionDuration
        EnergyWindowLowerLimit EnergyWindowUpperLimit EnergyWindowNumber RadionuclideTotalDose
        RadionuclideHalfLife RadionuclidePositronFraction RadiopharmaceuticalVolume SyringeCounts
        ResidualSyringeCounts FieldOfViewDimensions FocalDistance XFocusCenter YFocusCenter
        ZoomCenter ZoomFactor CenterOfRotationOffset GantryDetectorTilt DistanceSourceToDetector
        DistanceSourceToPatient StartAngle AngularStep ScanArc RadialPosition TableTraverse
        TableHeight HeartRate LowRRValue HighRRValue IntervalsAcquired IntervalsRejected FrameTime
        NominalInterval SkipBeats TriggerTime TimeSlotTime RealWorldValueIntercept
        RealWorldValueSlope RealWorldValueFirstValueMapped RealWorldValueLastValueMapped
        NumericValue ReconstructionDiameter NumberOfIterations NumberOfSubsets
        ReconstructionFieldOfView ReferencedFrameNumber PixelAspectRatio""",
    )
    | listed(
        CLEAN,
        """StudyDescription SeriesDescription ProtocolName ImageID BodyPartExamined
        RescaleType ConvolutionKernel ProcessingFunction ReconstructionMethod ReconstructionType
        ReconstructionAlgorithm IterativeReconstructionMethod AttenuationCorrectionMethod
        ScatterCorrectionMethod EnergyWindowName CollimatorGridName RadiopharmaceuticalRoute
        Radiopharmaceutical InterventionDrugName TriggerSourceOrType PVCRejection LUTLabel
        LUTExplanation FilterType PatientState""",
    )
    | listed(
        TERM,
        """ImageType Modality PatientPosition Laterality PhotometricInterpretation CorrectedImage
        LossyImageCompression AttenuationCorrected ScatterCorrected DecayCorrection DecayCorrected
        Units CollimatorType FieldOfViewShape RotationDirection CardiacFramingType
        BeatRejectionFlag SliceProgressionDirection AcquisitionTerminationCondition
        WholeBodyTechnique TypeOfDetectorMotion ValueType ContinuityOfContent SeriesType""",
    )
    | listed(MAKER, "Manufacturer")
    | listed(MODEL, "ManufacturerModelName")
    | listed(VERSION, "SoftwareVersions")
    | listed(
        INSTANCE_UID,
        """StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID
        ReferencedSOPInstanceUID""",
    )
    | listed(CLASS_UID, "SOPClassUID ReferencedSOPClassUID")
    | listed(DATE, "StudyDate SeriesDate AcquisitionDate ContentDate")
    | listed(
        TIME,
        """StudyTime SeriesTime AcquisitionTime ContentTime RadiopharmaceuticalStartTime
        RadiopharmaceuticalStopTime InterventionDrugStartTime InterventionDrugStopTime""",
    )
    | listed(
        DATETIME,
        """AcquisitionDateTime RadiopharmaceuticalStartDateTime RadiopharmaceuticalStopDateTime
        DecayCorrectionDateTime""",
    )
    | listed(AGE, "PatientAge")
    | listed(SEX, "PatientSex")
    | listed(
        ITEMS,
        """EnergyWindowInformationSequence EnergyWindowRangeSequence
        RadiopharmaceuticalInformationSequence CalibrationDataSequence DetectorInformationSequence
        RotationInformationSequence PhaseInformationSequence GatedInformationSequence
        DataInformationSequence TimeSlotInformationSequence
        InterventionDrugInformationSequence InterventionSequence AcquisitionContextSequence
        RealWorldValueMappingSequence ReferencedImageSequence SourceImageSequence""",
    )
    | listed(
        CODES,
        """RadionuclideCodeSequence RadiopharmaceuticalCodeSequence AdministrationRouteCodeSequence
        InterventionDrugCodeSequence ViewCodeSequence ViewModifierCodeSequence
        PatientOrientationCodeSequence PatientOrientationModifierCodeSequence
        PatientGantryRelationshipCodeSequence AnatomicRegionSequence
        AnatomicRegionModifierSequence PrimaryAnatomicStructureSequence ConceptNameCodeSequence
        ConceptCodeSequence MeasurementUnitsCodeSequence""",
    )
    | listed(PIXELS, "PixelData")
)
"""Keyword -> what is done with it."""

BESIDE: Mapping[str, str] = MappingProxyType(
    listed(CLASS_UID, "SOPClassUID ReferencedSOPClassUID")
    | listed(
        INSTANCE_UID,
        """StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID
        ReferencedSOPInstanceUID""",
    )
    | listed(NUMBER, "SeriesNumber InstanceNumber")
    | listed(DATE, "StudyDate SeriesDate ContentDate")
    | listed(TIME, "StudyTime SeriesTime ContentTime")
    | listed(MAKER, "Manufacturer")
    | listed(MODEL, "ManufacturerModelName")
    | listed(AGE, "PatientAge")
    | listed(SEX, "PatientSex")
)
"""What is kept of every object beside a study's images, whatever it is; its own list adds to it."""

TYPE_2: frozenset[str] = frozenset(
    listed(
        "",
        """PatientBirthDate PatientSex ReferringPhysicianName StudyID AccessionNumber
        StudyDate StudyTime SeriesNumber Laterality PositionReferenceIndicator Manufacturer
        InstanceNumber PatientOrientation ContentDate ContentTime PixelSpacing CountsAccumulated
        EnergyWindowInformationSequence RadiopharmaceuticalInformationSequence
        RadionuclideCodeSequence RadiopharmaceuticalCodeSequence DetectorInformationSequence
        RotationInformationSequence GatedInformationSequence PhaseInformationSequence
        DataInformationSequence TimeSlotInformationSequence CollimatorType ImageOrientationPatient
        ImagePositionPatient ViewModifierCodeSequence PatientOrientationCodeSequence
        PatientOrientationModifierCodeSequence PatientGantryRelationshipCodeSequence
        AcquisitionContextSequence DistanceSourceToDetector FocalDistance TriggerTime
        StructureSetDate StructureSetTime OperatorsName ROIName ROIGenerationAlgorithm""",
    )
)
"""Attributes that an object has, if only empty: what goes leaves an empty value (PS3.5 7.4.3)."""

CONTENT = ("ConceptNameCodeSequence", "ConceptCodeSequence")
"""Question and answer of a content item (PS3.3 10.2): one without the other says nothing."""

TERMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        keyword: frozenset(term.strip() for term in terms.split(","))
        for keyword, terms in {
            "ImageType": "ORIGINAL, DERIVED, PRIMARY, SECONDARY, STATIC, DYNAMIC, GATED,"
            " WHOLE BODY, TOMO, GATED TOMO, RECON TOMO, RECON GATED TOMO, EMISSION, TRANSMISSION",
            "Modality": "NM, PT, CT",
            "PatientPosition": "HFS, HFP, HFDR, HFDL, FFS, FFP, FFDR, FFDL",
            "Laterality": "L, R",
            "PhotometricInterpretation": "MONOCHROME1, MONOCHROME2, PALETTE COLOR",
            "CorrectedImage": "UNIF, COR, NCO, DECY, ATTN, SCAT, DTIM, NRGY, LIN, MOTN, PMOT, CLN,"
            " RAN, NORM, RADL, SENS, DCAL, FLIP",
            "LossyImageCompression": "00, 01",
            "AttenuationCorrected": "YES, NO",
            "ScatterCorrected": "YES, NO",
            "DecayCorrected": "YES, NO",
            "DecayCorrection": "NONE, START, ADMIN",
            "Units": "CNTS, NONE, CM2, CM2ML, PCNT, CPS, BQML, MGMINML, UMOLMINML, MLMING, MLG,"
            " 1CM, UMOLML, PROPCNTS, PROPCPS, MLMINML, MLML, GML, STDDEV, US",
            "CollimatorType": "PARA, PINH, FANB, CONE, SLNT, ASTG, DIVG, NONE, UNKN",
            "FieldOfViewShape": "RECTANGLE, ROUND, HEXAGONAL",
            "RotationDirection": "CW, CC",
            "CardiacFramingType": "FORW, BACK, PCNT",
            "BeatRejectionFlag": "Y, N",
            "SliceProgressionDirection": "APEX_TO_BASE, BASE_TO_APEX, ANT_TO_INF, INF_TO_ANT,"
            " SEPTUM_TO_WALL, WALL_TO_SEPTUM",
            "AcquisitionTerminationCondition": "CNTS, DENS, MANU, OVFL, TIME, TRIG, RDD",
            "WholeBodyTechnique": "1PASS, 2PASS, PCN, MSP",
            "TypeOfDetectorMotion": "NONE, CONTINUOUS, STEP AND SHOOT",
            "ValueType": "CODE, NUMERIC, TEXT, PNAME, DATE, TIME, UIDREF",
            "ContinuityOfContent": "SEPARATE, CONTINUOUS",
            "SeriesType": "STATIC, DYNAMIC, GATED, WHOLE BODY, IMAGE, REPROJECTION",
        }.items()
    }
)
"""Terms that the standard defines for an attribute: they say nothing of a person."""

OPTION_CODES: tuple[tuple[str, str], ...] = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""What was done, for DeidentificationMethodCodeSequence (PS3.16 CID 7050)."""

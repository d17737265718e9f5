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
"""Numbers and attribute tags, as they are; dropped where the value is no number."""
CLEAN = "clean"
"""Text: only words of the allow-list stay."""
INSTANCE_UID = "instance_uid"
"""Replaced by the pseudonym of the UID."""
CLASS_UID = "class_uid"
"""Kept where DICOM itself has registered it, else dropped."""
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


def _listed(action: str, keywords: str) -> dict[str, str]:
    return dict.fromkeys(keywords.split(), action)


KEPT: Mapping[str, str] = MappingProxyType(
    _listed(
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
    | _listed(
        CLEAN,
        """ImageType Modality Manufacturer ManufacturerModelName SoftwareVersions StudyDescription
        SeriesDescription ProtocolName ImageID BodyPartExamined PatientPosition Laterality
        PhotometricInterpretation CorrectedImage LossyImageCompression RescaleType ConvolutionKernel
        ProcessingFunction ReconstructionMethod ReconstructionType ReconstructionAlgorithm
        IterativeReconstructionMethod AttenuationCorrectionMethod ScatterCorrectionMethod
        AttenuationCorrected ScatterCorrected DecayCorrection DecayCorrected Units
        EnergyWindowName CollimatorGridName CollimatorType FieldOfViewShape RotationDirection
        RadiopharmaceuticalRoute Radiopharmaceutical InterventionDrugName CardiacFramingType
        TriggerSourceOrType BeatRejectionFlag PVCRejection SliceProgressionDirection
        AcquisitionTerminationCondition WholeBodyTechnique ValueType ContinuityOfContent LUTLabel
        LUTExplanation FilterType SeriesType PatientState""",
    )
    | _listed(
        INSTANCE_UID,
        """StudyInstanceUID SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID
        ReferencedSOPInstanceUID""",
    )
    | _listed(CLASS_UID, "SOPClassUID ReferencedSOPClassUID")
    | _listed(DATE, "StudyDate SeriesDate AcquisitionDate ContentDate")
    | _listed(
        TIME,
        """StudyTime SeriesTime AcquisitionTime ContentTime RadiopharmaceuticalStartTime
        RadiopharmaceuticalStopTime InterventionDrugStartTime InterventionDrugStopTime""",
    )
    | _listed(
        DATETIME,
        """AcquisitionDateTime RadiopharmaceuticalStartDateTime RadiopharmaceuticalStopDateTime
        DecayCorrectionDateTime""",
    )
    | _listed(AGE, "PatientAge")
    | _listed(SEX, "PatientSex")
    | _listed(
        ITEMS,
        """EnergyWindowInformationSequence EnergyWindowRangeSequence
        RadiopharmaceuticalInformationSequence CalibrationDataSequence DetectorInformationSequence
        RotationInformationSequence PhaseInformationSequence GatedInformationSequence
        DataInformationSequence TimeSlotInformationSequence
        InterventionDrugInformationSequence InterventionSequence AcquisitionContextSequence
        RealWorldValueMappingSequence ReferencedImageSequence SourceImageSequence""",
    )
    | _listed(
        CODES,
        """RadionuclideCodeSequence RadiopharmaceuticalCodeSequence AdministrationRouteCodeSequence
        InterventionDrugCodeSequence ViewCodeSequence ViewModifierCodeSequence
        PatientOrientationCodeSequence PatientOrientationModifierCodeSequence
        PatientGantryRelationshipCodeSequence AnatomicRegionSequence
        AnatomicRegionModifierSequence PrimaryAnatomicStructureSequence ConceptNameCodeSequence
        ConceptCodeSequence MeasurementUnitsCodeSequence""",
    )
    | _listed(PIXELS, "PixelData")
)
"""Keyword -> what is done with it."""

CODE_FORMS: Mapping[str, str] = MappingProxyType(
    {
        # CID numbers and DICOM codes have six digits and begin with 1 (PS3.16 Annex D).
        "DCM": r"1[0-9]{5}",
        # A SNOMED CT concept has partition 00 or 10 before its check digit.
        "SCT": r"[0-9]{3,15}[01]0[0-9]",
        "SRT": r"[A-Z]-[0-9A-F]{4,5}",
        "SNM3": r"[A-Z]-[0-9A-F]{4,5}",
        "99SDM": r"[A-Z]-[0-9A-F]{4,5}",
        "UCUM": r"[A-Za-z%]{1,6}([0-9]|/[A-Za-z]{1,3}[0-9]?)?|1|\{counts\}|\{[A-Za-z]{1,12}\}",
    }
)
"""Coding scheme -> form of its codes; other schemes are a site's own and are dropped."""

OPTION_CODES: tuple[tuple[str, str], ...] = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113105", "Clean Descriptors Option"),
    ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    ("113108", "Retain Patient Characteristics Option"),
)
"""What was done, for DeidentificationMethodCodeSequence (PS3.16 CID 7050)."""

_STATE = """STRESS REST STR RST EXERCISE EXER PHARM PHARMACOLOGICAL PHARMACOLOGIC ADENOSINE
REGADENOSON DIPYRIDAMOLE DOBUTAMINE TREADMILL BICYCLE ERGOMETER BELASTUNG RUHE EFFORT REPOS
LEXISCAN PERSANTINE RESTING STRS REDIST SIRAC RIRAC SIRNC RIRNC STOMO RTOMO
STRESSAC STRESSNAC RESTAC RESTNAC STRAC STRNAC RSTAC RSTNAC ACSTRESS NACSTRESS ACREST NACREST
SGATE RGATE SGATED RGATED GSTRESS GREST GSTR GRST PEAK POST REDISTRIBUTION DELAYED EARLY LATE
ONE TWO DAY STATE PATIENT CARDIAC CONDITION"""
_CORRECTION = """AC NAC NOAC ATT ATTN ATTENUATION CORRECTED UNCORRECTED UNCORR
CORRECTION CORR CTAC NC
SC SCAT SCATT SCATTER NOSC DEW TEW DUAL TRIPLE ENERGY WINDOW WINDOWS IRAC IRNC IRACSC IRACRR ACSC
RR RESOLUTION RECOVERY MEASURED TRANSMISSION MODEL MODELED MAP MUMAP UMAP CT CTMAP NON NO NONE WITH
WITHOUT SMOOTH UNIF COR NCO DECY START ADMIN DECAY MOTN MOTION MOCO LIN RAN NORM DTIM PMT RADL
DCAL FLIP BRST GATED"""
_RECONSTRUCTION = """OSEM MLEM FBP IR EM ITER ITERATIVE ITERATION ITERATIONS SUBSET SUBSETS
RECON RECONS RECONSTRUCTED RECONSTRUCTION FLASH FLASH3D EVOLUTION ASTONISH BUTTERWORTH BUTTER BW
RAMP HANNING HANN HAMMING GAUSS GAUSSIAN WIENER WNR METZ FILTER FILTERED FILT FILTERING BACK
PROJECTION PROJECTIONS BACKPROJECTION BACKPROJ PROJ FWHM ORDER CUTOFF CUT OFF POSTFILTER PREFILTER
OSEM2D OSEM3D OSEM3 2D 3D 4D FLASH3DAC WBR XPRESS XSPECT OSCG OSCGM WIDE BUT
AUTO ALGORITHM METHOD"""
_IMAGE = """ORIGINAL DERIVED PRIMARY SECONDARY EMISSION TOMO GATED GATE GATING UNGATED STATIC
DYNAMIC WHOLE BODY WB PLANAR ANTERIOR POSTERIOR ANT POSTE LAO RAO LAT LATERAL LEFT RIGHT SCOUT
SUMMED SUM RAW RECONSTRUCTED TRANSAXIAL TRANSVERSE TRANSVERSAL AXIAL TRA TRANS SAGITTAL CORONAL
SHORT LONG AX AXIS AXES LONGAX SHORTAX
SA SAX HLA VLA HORIZONTAL VERTICAL OBLIQUE SLICE SLICES FRAME FRAMES VIEW VIEWS
VOLUME ISO ISOTROPIC VOXEL MATRIX IMAGE IMAGES SERIES STUDY SCAN SAVE SCREEN RESULT RESULTS
MONOCHROME1 MONOCHROME2 NM PT SPECT CTSPECT PET CARDIAC CARD HEART MYOCARDIUM MYOCARDIAL MYO
PERFUSION PERF VENTRICLE VENTRICULAR LV RV MPI MPS MPSS GSPECT GS SPECTCT TETRO MIBI CHEST THORAX
STEP SHOOT CONTINUOUS ISOCENTRIC LIST MODE PROTOCOL ACQUISITION ACQ PROCESSED PROCESSING RESLICED
REORIENTED FEET HEAD FIRST SUPINE PRONE HFS HFP FFS FFP UPRIGHT RECUMBENT FORWARD BACKWARD
ECG EKG BEAT BEATS RATE BPM FORW PCNT DUALTRIGGER TRIGGER CW CC APEX_TO_BASE BASE_TO_APEX APEX BASE
TO ANT_TO_INF INF_TO_ANT INF SEPTUM_TO_WALL WALL_TO_SEPTUM SEPTUM WALL RECTANGLE ROUND HEXAGONAL
CYLINDRICAL RING PARA PINH FANB CONE SLNT ASTG DIVG UNKN PARALLEL HOLE COLLIMATOR FAN BEAM PINHOLE
LEHR LEGP LEAP LEHS LEUHR MELP MEGP HEGP HEHR VXGP SMARTZOOM SIAC CARDIOFOCAL YES ARC MM CM CMM
KEV MIN SEC MSEC COUNT COUNTS CNTS BQML HZ PERCENT MANU DENS RDD CNT TIME CODE NUM NUMERIC TEXT
IDENTITY US"""
_TRACER = """TC TC99 TC99M 99TC 99MTC 99TCM TECHNETIUM 99M TL TL201 201TL THALLIUM 201 SESTAMIBI
TETROFOSMIN CARDIOLITE MYOVIEW IV INTRAVENOUS INTRAVENOUSLY ROUTE INJECTION MBQ MCI DOSE ISOTOPE
AGENT"""
_MAKER = """GE GEMS MEDICAL SYSTEMS HEALTHCARE SIEMENS HEALTHINEERS PHILIPS ADAC PICKER ELSCINT
MARCONI TOSHIBA CANON DIGIRAD SPECTRUM DYNAMICS DSPECT MIE MEDISO HERMES INFINIA HAWKEYE DISCOVERY
OPTIMA MILLENNIUM VENTRI ALCYONE VARICAM MYOSIGHT XELERIS STARGUIDE SYMBIA INTEVO BOLD PRO SPECTA
EVO EXCEL SYNGO SYNGOVIA MI APPS ESOFT ICON ECAM CCAM BRIGHTVIEW XCT PRECEDENCE SKYLIGHT FORTE
VERTEX CARDIOMD JETSTREAM AUTOSPECT PEGASYS INTELLISPACE EBW WORKSPACE IMAGING T2 T6 T16 VG VH MG
VENDOR DEMO PHANTOM SYNTHETIC SIMULATED SIMULATOR TEST INC GMBH CORP CORPORATION LTD COMPANY
NUCLEAR MEDICINE VA VB VC"""
_GLUE = """RESEARCH USE ANTERO POSTERO HEADFIRST OF AND THE FOR ON IN AT BY OR VIA PER NOT USED
ONLY ANY ALL NEW SET DATA"""

WORDS: frozenset[str] = frozenset(
    word
    for text in (_STATE, _CORRECTION, _RECONSTRUCTION, _IMAGE, _TRACER, _MAKER, _GLUE)
    for word in text.split()
)
"""Words that may stay in a text, in capitals."""

NUMBER_WORD = (
    r"[0-9]{1,2}|[0-9]{1,2}I[0-9]{1,2}S?|OSEM[0-9]{1,2}(I[0-9]{1,2}S)?|"
    r"[0-9]{1,4}(MM|CM|I|S|IT|ITER|SUB|SS|MIN|SEC|MS|KEV|MBQ|MCI|BPM|FR|DEG|D|X|PCT)"
)
"""Numbers that may stay: up to 99, or with a unit; as a full match of one word in capitals."""
VERSION_WORD = r"[A-Z]{0,2}[0-9]{1,4}[A-Z]?"
"""Words that may stay in SoftwareVersions and ManufacturerModelName beside the others."""

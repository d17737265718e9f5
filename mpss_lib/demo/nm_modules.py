"""Modules of the NM Image IOD (PS3.3 A.5) as the writer fills them, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mpss_lib.dicom.header import PATIENT_STATE
from mpss_lib.dicom.values import decimal
from mpss_lib.volume import FloatArray

STATES = {
    "stress": (("F-05019", "SRT", "Cardiac Stress State"), ("432655005", "SCT", "Cardiac stress")),
    "rest": (("F-01604", "SRT", "Resting State"), ("128975004", "SCT", "Resting state")),
}
"""CID 3101 in the old (SRT) and the new (SCT) coding."""

VIEWS = {
    "transaxial": ("62824007", "SCT", "Transverse"),
    "short_axis": ("103340004", "SCT", "Short Axis"),
}
"""CID 26: what the slices of the volume are."""


@dataclass(frozen=True)
class Subject:
    """Patient and study: what every object of a study has in common. Dates as ``YYYYMMDD``."""

    patient_name: str
    patient_id: str
    birth_date: str
    sex: Literal["M", "F"]
    study: str
    frame_of_reference: str
    accession_number: str
    study_date: str
    study_time: str
    study_description: str
    age_years: int
    height_m: float
    weight_kg: float


@dataclass(frozen=True)
class SeriesText:
    """What one series says of itself; empty texts are left out of the object."""

    series: str
    instance: str
    number: int
    description: str
    protocol: str = ""
    image_id: str = ""
    corrected: tuple[str, ...] = ()
    attenuation_method: str = ""
    reconstruction: str = ""
    processing: str = ""
    state: Literal["stress", "rest", ""] = ""
    view: Literal["transaxial", "short_axis", ""] = ""


@dataclass(frozen=True)
class Habits:
    """How a vendor's station writes.

    Parameters
    ----------
    head_first : bool
        Slice 1 is the one nearest to the head; SpacingBetweenSlices is then negative.
    reversed_storage : bool
        Frames are stored from the last slice to the first; SliceVector says so.
    state_coding : {"SRT", "SCT"}
        Coding of the patient state.
    has_value_type : bool
        Whether the patient state carries ValueType (some stations forget it).
    rescale : bool
        Write RescaleSlope, so that stored values times slope are counts.
    """

    manufacturer: str
    model: str
    software: str
    head_first: bool = False
    reversed_storage: bool = False
    state_coding: Literal["SRT", "SCT"] = "SCT"
    has_value_type: bool = True
    rescale: bool = False


def add_texts(dataset: Dataset, series: SeriesText, habits: Habits) -> None:
    """Add what a person or a station says of the series, and the patient state as a code."""
    values = {
        "ImageID": series.image_id,
        "CorrectedImage": list(series.corrected),
        "AttenuationCorrectionMethod": series.attenuation_method,
        "ReconstructionMethod": series.reconstruction,
        "ProcessingFunction": series.processing,
    }
    set_values(dataset, {keyword: value for keyword, value in values.items() if value})
    context = []
    if series.state:
        state = STATES[series.state][0 if habits.state_coding == "SRT" else 1]
        item = Dataset()
        if habits.has_value_type:
            item.ValueType = "CODE"
        item.ConceptNameCodeSequence = coded(PATIENT_STATE, "DCM", "Patient State")
        item.ConceptCodeSequence = coded(*state)
        context.append(item)
    dataset.AcquisitionContextSequence = Sequence(context)


def add_nm(dataset: Dataset, *, n_detectors: int) -> None:
    """Isotope and energy window of a technetium study."""
    limits = Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = decimal(126.5), decimal(154.5)
    window = Dataset()
    window.EnergyWindowName = "Tc99m"
    window.EnergyWindowRangeSequence = Sequence([limits])
    agent = Dataset()
    agent.Radiopharmaceutical = "Tc-99m agent"
    agent.RadionuclideCodeSequence = coded("72454006", "SCT", "^99m^Technetium")
    agent.RadiopharmaceuticalCodeSequence = coded("424118002", "SCT", "Tc-99m tetrofosmin")
    set_values(
        dataset,
        {
            "NumberOfEnergyWindows": 1,
            "EnergyWindowInformationSequence": Sequence([window]),
            "RadiopharmaceuticalInformationSequence": Sequence([agent]),
            "NumberOfDetectors": n_detectors,
            "PatientOrientationCodeSequence": coded("102538003", "SCT", "recumbent"),
            "PatientGantryRelationshipCodeSequence": coded("102540008", "SCT", "headfirst"),
        },
    )
    dataset.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = coded(
        "40199007", "SCT", "supine"
    )
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"


def add_geometry(dataset: Dataset, affine: FloatArray, series: SeriesText) -> None:
    """Add orientation, position and signed spacing; slice 1 lies at the origin of ``affine``.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Gets the values (PS3.3 C.8.4.11, C.8.4.15).
    affine : (4, 4) float64 array
        Index (z, y, x, 1) to LPS mm.
    series : SeriesText
        Names the view, where there is one.
    """
    row, column = affine[:3, 2], affine[:3, 1]
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    normal = np.cross(row / lengths[2], column / lengths[1])
    step = float(normal @ affine[:3, 0])
    detector = Dataset()
    detector.CollimatorType = "PARA"
    cosines = (*(row / lengths[2]), *(column / lengths[1]))
    detector.ImagePositionPatient = [decimal(value) for value in affine[:3, 3]]
    detector.ImageOrientationPatient = [decimal(value) for value in cosines]
    if series.view:
        detector.ViewCodeSequence = coded(*VIEWS[series.view])
    dataset.DetectorInformationSequence = Sequence([detector])
    dataset.PixelSpacing = [decimal(lengths[1]), decimal(lengths[2])]
    dataset.SliceThickness = decimal(abs(step))
    dataset.SpacingBetweenSlices = decimal(step)


def add_rotation(dataset: Dataset, *, n_slots: int) -> None:
    """Add one half turn of 60 views, and the gate where there are several time slots."""
    rotation = Dataset()
    rotation.TableHeight = decimal(0.0)
    rotation.TableTraverse = decimal(0.0)
    rotation.RotationDirection = "CC"
    rotation.RadialPosition = [decimal(250.0)]
    rotation.ScanArc = decimal(180.0)
    rotation.StartAngle = decimal(315.0)
    rotation.AngularStep = decimal(3.0)
    rotation.NumberOfFramesInRotation = 60
    rotation.ActualFrameDuration = 25000
    dataset.NumberOfRotations = 1
    dataset.RotationInformationSequence = Sequence([rotation])
    dataset.TypeOfDetectorMotion = "STEP AND SHOOT"
    if n_slots > 1:
        dataset.GatedInformationSequence = Sequence([_gate(n_slots)])


def _gate(n_slots: int) -> Dataset:
    interval = Dataset()
    interval.FrameTime = decimal(1000.0 / n_slots)
    interval.LowRRValue, interval.HighRRValue = 600, 1200
    interval.IntervalsAcquired, interval.IntervalsRejected = 60, 0
    gate = Dataset()
    gate.TriggerTime = decimal(0.0)
    gate.CardiacFramingType = "FORW"
    gate.DataInformationSequence = Sequence([interval])
    return gate


def set_values(dataset: Dataset, values: dict[str, Any]) -> None:
    """Set attributes by keyword."""
    for keyword, value in values.items():
        setattr(dataset, keyword, value)


def coded(value: str, scheme: str, meaning: str) -> Sequence:
    """Make a code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])

"""The calcium CT of a demo patient, and what two workstations wrote of it: a study of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mpss_lib.demo.chest import ARTERIES, PIXEL_MM, STEP_MM, DemoChest, make_chest
from mpss_lib.demo.distractors import CT_STORAGE
from mpss_lib.demo.nm_modules import Habits, SeriesText, Subject, coded, set_values
from mpss_lib.demo.nm_writing import add_pixels, base_dataset
from mpss_lib.demo.plan import PlannedStudy, uid
from mpss_lib.dicom.values import decimal

ROLES = ("regular", "late_ct", "impossible_value")
DRAFT_SHARE = 0.2
"""Of the reports: with a preliminary one before it."""
READER_SD = 0.04
"""Of the logarithm of a score, between registry and report."""
REPORT_STORAGE = "1.2.840.10008.5.1.4.1.1.88.33"
CODES = {
    "LM": ("T-43107", "Left Main Coronary Artery"),
    "LAD": ("T-43110", "Anterior Descending Branch"),
    "LCX": ("T-43120", "Circumflex Coronary Artery"),
    "RCA": ("T-43200", "Right Coronary Artery"),
}
WORDS = {"LM": "Hauptstamm", "LAD": "RIVA", "LCX": "RCX", "RCA": "RCA"}


@dataclass(frozen=True)
class Beside:
    """Objects of the patient's calcium study, and their truth."""

    datasets: tuple[Dataset, ...]
    truth: dict[str, Any]


def make_beside(
    study: PlannedStudy, labels: Mapping[str, Any], habits: Habits, seed: int
) -> Beside | None:
    """Make the calcium study of a patient; None where there is none.

    The CT lies in the frame of reference of the perfusion study, as if both were of one session.

    Parameters
    ----------
    study : PlannedStudy
    labels : mapping
        Of the phantom: where the heart lies.
    habits : Habits
        Of the station.
    seed : int
        Of the hospital: makes the UIDs.
    """
    if study.role not in ROLES or "axis_x" not in labels:
        return None
    rng = np.random.default_rng([20261127, study.seed, 2])
    cac = {name: study.person.cac[name.lower()] for name in ARTERIES}
    subject = _subject(study, seed)
    reported = {k: round(v * float(np.exp(rng.normal(0.0, READER_SD))), 1) for k, v in cac.items()}
    is_coded, has_draft = bool(rng.uniform() < 0.5), bool(rng.uniform() < DRAFT_SHARE)
    made: list[Dataset] = []
    chest = make_chest(labels, cac, study.seed)
    made += _slices(chest, subject, habits, seed)
    for number, is_final in enumerate([False, True] if has_draft else [True], start=1):
        scores = reported if is_final else {name: 2.0 * value for name, value in reported.items()}
        series = SeriesText(
            uid(seed, subject.study, "report series"), uid(seed, subject.study, "report", number),
            900, "CALCIUM SCORE",
        )  # fmt: skip
        made.append(_report(scores, subject, series, habits, is_coded=is_coded, is_final=is_final))
    truth = {"cac_days": study.cac_days, "reported": reported, "has_draft": has_draft}
    return Beside(
        tuple(made),
        {"calcium": truth | {"planted": dict(chest.units)}},
    )


def _subject(study: PlannedStudy, seed: int) -> Subject:
    day = date.fromisoformat(study.subject.study_date) + timedelta(days=study.cac_days)
    return replace(
        study.subject,
        study=uid(seed, study.subject.study, "calcium study"),
        accession_number=study.subject.accession_number[:-1] + "K",
        study_date=f"{day:%Y%m%d}",
        study_description="CT CORONARY CALCIUM",
    )


def _slices(chest: DemoChest, subject: Subject, habits: Habits, seed: int) -> list[Dataset]:
    made = []
    x, y, z = chest.corner_mm
    series = SeriesText(uid(seed, subject.study, "series"), "", 2, "CaSc 3.0 B35f")
    for number, plane in enumerate(chest.hu, start=1):
        own = replace(series, instance=uid(seed, subject.study, "slice", number))
        one = base_dataset(subject, own, habits, sop_class=CT_STORAGE, modality="CT")
        set_values(
            one,
            {
                "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
                "InstanceNumber": number,
                "AcquisitionNumber": 1,
                "PatientPosition": "HFS",
                "KVP": decimal(120.0),
                "ConvolutionKernel": "B35f",
                "RescaleSlope": decimal(1.0),
                "RescaleIntercept": decimal(-1024.0),
                "RescaleType": "HU",
                "PixelSpacing": [decimal(PIXEL_MM), decimal(PIXEL_MM)],
                "SliceThickness": decimal(STEP_MM),
                "ImageOrientationPatient": [decimal(v) for v in (1, 0, 0, 0, 1, 0)],
                "ImagePositionPatient": [
                    *(decimal(v) for v in (x, y)),
                    decimal(round(z + STEP_MM * (number - 1), 6)),
                ],
            },
        )
        add_pixels(one, (plane[np.newaxis] + 1024.0).astype(np.uint16))
        del one.NumberOfFrames
        made.append(one)
    return made


def _report(
    scores: Mapping[str, float],
    subject: Subject,
    series: SeriesText,
    habits: Habits,
    *,
    is_coded: bool,
    is_final: bool,
) -> Dataset:
    made = base_dataset(subject, series, habits, sop_class=REPORT_STORAGE, modality="SR")
    made.InstanceNumber = 1
    made.ContentDate, made.ContentTime = subject.study_date, "170000" if is_final else "160000"
    made.CompletionFlag = "COMPLETE" if is_final else "PARTIAL"
    made.VerificationFlag = "UNVERIFIED"
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = coded("18748-4", "LN", "Imaging Report")
    total = round(sum(scores.values()), 1)
    items = _coded(scores, total) if is_coded else _in_words(scores, total)
    made.ContentSequence = Sequence(items)
    return made


def _coded(scores: Mapping[str, float], total: float) -> list[Dataset]:
    """Boxes by artery with codes of SNOMED RT, the total beside them."""
    boxes = []
    for name, value in scores.items():
        site = _item("CODE", "HAS CONCEPT MOD", "G-C0E3", "SRT", "Finding Site")
        site.ConceptCodeSequence = coded(CODES[name][0], "SRT", CODES[name][1])
        box = _item("CONTAINER", "CONTAINS", "121070", "DCM", "Findings")
        box.ContentSequence = Sequence([site, _number(value, "112058", "DCM", "Calcium score")])
        boxes.append(box)
    analysis = _item("CONTAINER", "CONTAINS", "122603", "DCM", "Calcium Scoring Analysis")
    whole = _number(total, "112058", "DCM", "Calcium score")
    analysis.ContentSequence = Sequence([*boxes, whole])
    return [analysis]


def _in_words(scores: Mapping[str, float], total: float) -> list[Dataset]:
    """Private codes whose German meaning says what each number is."""
    numbers = [
        _number(value, f"K{k}", "99DEMO", f"Kalkscore {WORDS[name]}")
        for k, (name, value) in enumerate(scores.items())
    ]
    whole = _number(total, "K9", "99DEMO", "Kalkscore gesamt (Agatston)")
    box = _item("CONTAINER", "CONTAINS", "K", "99DEMO", "Koronarkalk")
    box.ContentSequence = Sequence([*numbers, whole])
    return [box]


def _number(value: float, code: str, scheme: str, meaning: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue = decimal(value)
    measured.MeasurementUnitsCodeSequence = coded("1", "UCUM", "no units")
    made = _item("NUM", "CONTAINS", code, scheme, meaning)
    made.MeasuredValueSequence = Sequence([measured])
    return made


def _item(kind: str, relation: str, code: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.RelationshipType, made.ValueType = relation, kind
    made.ConceptNameCodeSequence = coded(code, scheme, meaning)
    return made

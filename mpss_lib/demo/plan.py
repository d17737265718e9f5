"""Who has which studies, with what in them: the script of the demo hospital, drawn from a seed.

``patients`` people have a study that the platform should take (or hold, where it is spoilt by an
artefact). A few more people and series are there to be left out, each for a known reason.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import numpy as np

from mpss_lib.demo.clinical import Person, Signal, draw_people
from mpss_lib.demo.nm_modules import Subject
from mpss_lib.demo.vendors import VENDORS

FIRST_DAY = date(2001, 3, 5)
"""A Monday, plainly in the past."""
N_WEEKDAYS = 50
"""Weekdays over which the studies are spread (70 days); follow-ups may come a few days later."""

ARTEFACT_SHARE = 0.08
ARTEFACTS = (
    "hot_gut",
    "motion",
    "liver_spill",
    "low_counts",
    "truncation",
    "apical_thinning",
    "breast",
    "over_correction",
    "misregistration",
)
"""Classes that spoilt studies take in turn."""

EXPECTED: dict[str, tuple[str, ...]] = {
    "stress": (),
    "nac": ("not_attenuation_corrected",),
    "fbp": ("not_iterative",),
    "rest": ("rest",),
    "wrong_voxel": ("voxel_size",),
    "gated": ("not_best",),
    "only_gated": (),
    "beating": ("voxel_size",),
    "short_axis": ("not_best",),
    "duplicate": ("duplicate", "not_best"),
    "projections": ("not_reconstructed",),
    "planar": ("static",),
    "capture": ("sop_class",),
    "ct": ("modality",),
}
"""Kind of series -> reasons for which intake (or pull) leaves it; empty: chosen."""

_JUDGED = ("included", "quality_hold", "review_pending")

EXPECTED_FLOW: dict[str, tuple[str, ...]] = {
    "regular": _JUDGED,
    "rest": ("intake_rejected",),
    "second": ("patient_included", *_JUDGED),
    "abnormal": ("reading_not_normal", "quality_hold", "review_pending"),
    "equivocal": ("reading_not_normal", "quality_hold", "review_pending"),
    "no_clinical": ("clinical_missing", "quality_hold", "review_pending"),
    "impossible_value": ("clinical_rejected", "quality_hold", "review_pending"),
    "late_ct": ("cac_too_far", "quality_hold", "review_pending"),
    "wrong_voxel": ("intake_rejected",),
    "planar": ("intake_rejected",),
    "only_nac": ("intake_rejected",),
    "only_gated": _JUDGED,
}
"""Role of a study -> first reasons that ``core.cohort_flow`` may give it.

The quality rules come before those of the registry and may hold a picture that nobody spoilt.
"""

BESIDE: tuple[tuple[str, float], ...] = (
    ("nac", 0.10),
    ("ct", 0.12),
    ("projections", 0.08),
    ("capture", 0.08),
    ("short_axis", 0.05),
    ("gated", 0.04),
    ("fbp", 0.04),
    ("duplicate", 0.04),
)
"""Series beside the wanted one: kind, and the share of regular studies that has it."""

BEATING_SHARE = 0.5
"""Of the studies with a stress series, where the hospital has gates that move."""

FURTHER: tuple[tuple[str, float], ...] = (("rest", 0.08), ("second", 0.03))
"""Further studies of regular patients, with the share of patients."""

EXTRA: tuple[tuple[str, float], ...] = (
    ("abnormal", 0.04),
    ("equivocal", 0.015),
    ("no_clinical", 0.03),
    ("impossible_value", 0.03),
    ("late_ct", 0.015),
    ("wrong_voxel", 0.03),
    ("planar", 0.03),
    ("only_nac", 0.015),
    ("only_gated", 0.015),
)
"""People beside the regular ones: role of their only study, as a share of ``patients``."""

IMPOSSIBLE: tuple[dict[str, object], ...] = (
    {"cac_total": -5.0},
    {"bmi": 412.0, "height_m": 0.17},
    {"lvef": 650.0},
    {"age": 219},
)
"""Mistakes of typing that a registry row can carry."""


@dataclass(frozen=True)
class PlannedStudy:
    """One study of the demo hospital.

    Parameters
    ----------
    index : int
        From 1; names the files.
    role : str
        ``regular``, a name of ``FURTHER`` or ``EXTRA``.
    series : tuple of str
        Kinds of series, in the order of their numbers.
    has_row : bool
        Whether the registry knows the study.
    mistakes : mapping
        Values that replace the true ones in the registry.
    """

    index: int
    role: str
    person: Person
    subject: Subject
    vendor: str
    seed: int
    series: tuple[str, ...]
    artefact: str = ""
    reading: str = "normal"
    has_row: bool = True
    cac_days: int = 0
    mistakes: dict[str, object] = field(default_factory=dict)


def uid(seed: int, *parts: object) -> str:
    """UID under 2.25 (PS3.5 B.2) that follows from the seed and its name alone."""
    text = "/".join(map(str, ("mpss demo", seed, *parts)))
    return f"2.25.{int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big')}"


def plan_hospital(patients: int, seed: int, signal: Signal) -> list[PlannedStudy]:
    """Draw the script.

    Parameters
    ----------
    patients : int
        Number of people with a study that should be taken.
    seed : int
    signal : Signal

    Returns
    -------
    list of PlannedStudy
        By study date.
    """
    extras = [role for role, share in EXTRA for _ in range(_few(patients, share))]
    people = draw_people(patients + len(extras), np.random.default_rng([seed, 1]), signal)
    rng = np.random.default_rng([seed, 2])
    roles = ["regular"] * patients + extras
    studies = [
        _first_study(seed, number, person, role, rng)
        for number, (person, role) in enumerate(zip(people, roles, strict=True), start=1)
    ]
    studies[:patients] = _add_beside(studies[:patients], rng)
    studies[:patients] = _add_artefacts(studies[:patients], rng)
    studies = _set_mistakes(studies)
    studies += _further(studies[:patients], seed, rng)
    ordered = sorted(
        studies, key=lambda one: (one.subject.study_date, one.subject.study_time, one.index)
    )
    return [replace(study, index=index) for index, study in enumerate(ordered, start=1)]


def _few(patients: int, share: float) -> int:
    return max(1, round(patients * share))


def _first_study(
    seed: int, number: int, person: Person, role: str, rng: np.random.Generator
) -> PlannedStudy:
    weekday = int(rng.integers(N_WEEKDAYS))
    day = FIRST_DAY + timedelta(days=weekday // 5 * 7 + weekday % 5)
    clock = f"{int(rng.integers(8, 16)):02d}{int(rng.integers(60)):02d}00"
    birthday = day.replace(year=day.year - person.age) - timedelta(days=int(rng.integers(365)))
    subject = Subject(
        patient_name=f"DEMO^PATIENT {number:04d}",
        patient_id=f"DEMO-{number:04d}",
        birth_date=f"{birthday:%Y%m%d}",
        sex="M" if person.sex == "M" else "F",
        study=uid(seed, number, "study"),
        frame_of_reference=uid(seed, number, "frame"),
        accession_number=f"DEMOACC{number:04d}A",
        study_date=f"{day:%Y%m%d}",
        study_time=clock,
        study_description="MYOCARDIAL PERFUSION STRESS",
        age_years=person.age,
        height_m=person.height_m,
        weight_kg=person.weight_kg,
    )
    kinds = {"wrong_voxel": "wrong_voxel", "planar": "planar", "only_nac": "nac"}
    return PlannedStudy(
        index=number,
        role=role,
        person=person,
        subject=subject,
        vendor=list(VENDORS)[int(rng.integers(len(VENDORS)))],
        seed=seed * 100_000 + number,
        series=("only_gated" if role == "only_gated" else kinds.get(role, "stress"),),
        artefact="fixed_defect" if role == "abnormal" else "",
        reading=role if role in ("abnormal", "equivocal") else "normal",
        has_row=role != "no_clinical",
        cac_days=200 if role == "late_ct" else int(rng.integers(-45, 46)),
    )


def _add_beside(studies: list[PlannedStudy], rng: np.random.Generator) -> list[PlannedStudy]:
    made = list(studies)
    for kind, share in BESIDE:
        count = min(_few(len(made), share), len(made))
        for i in rng.choice(len(made), count, replace=False):
            made[i] = replace(made[i], series=(*made[i].series, kind))
    return made


def _add_artefacts(studies: list[PlannedStudy], rng: np.random.Generator) -> list[PlannedStudy]:
    made = list(studies)
    chosen = rng.choice(len(made), min(_few(len(made), ARTEFACT_SHARE), len(made)), replace=False)
    for turn, i in enumerate(chosen):
        made[i] = replace(made[i], artefact=ARTEFACTS[turn % len(ARTEFACTS)])
    return made


def _set_mistakes(studies: list[PlannedStudy]) -> list[PlannedStudy]:
    made, turn = list(studies), 0
    for i, study in enumerate(made):
        if study.role == "impossible_value":
            made[i] = replace(study, mistakes=dict(IMPOSSIBLE[turn % len(IMPOSSIBLE)]))
            turn += 1
    return made


def _further(
    studies: list[PlannedStudy], seed: int, rng: np.random.Generator
) -> list[PlannedStudy]:
    """Rest studies on the day after, and second stress studies two weeks later."""
    made = []
    for role, share in FURTHER:
        days, letter = (1, "B") if role == "rest" else (14, "C")
        for i in rng.choice(len(studies), min(_few(len(studies), share), len(studies)), False):
            first = studies[i]
            day = date.fromisoformat(first.subject.study_date) + timedelta(days=days)
            subject = replace(
                first.subject,
                study=uid(seed, i + 1, role, "study"),
                frame_of_reference=uid(seed, i + 1, role, "frame"),
                accession_number=first.subject.accession_number[:-1] + letter,
                study_date=f"{day:%Y%m%d}",
                study_description=f"MYOCARDIAL PERFUSION {'REST' if role == 'rest' else 'STRESS'}",
            )
            made.append(
                replace(
                    first,
                    role=role,
                    subject=subject,
                    seed=first.seed + 50_000,
                    series=("rest",) if role == "rest" else ("stress",),
                    artefact="",
                    has_row=role != "rest",
                    cac_days=first.cac_days - days,
                )
            )
    return made


def with_beating(studies: list[PlannedStudy], seed: int) -> list[PlannedStudy]:
    """Give a share of the stress studies a gated series that moves, and all that have one.

    It takes the place of one that does not move, and comes last elsewhere: the other series are as
    they are without.
    """
    rng = np.random.default_rng([seed, 3])
    made = []
    for study in studies:
        has_beat = bool(rng.uniform() < BEATING_SHARE)
        series = tuple("beating" if kind == "gated" else kind for kind in study.series)
        if "stress" in series and "beating" not in series and has_beat:
            series = (*series, "beating")
        made.append(replace(study, series=series))
    return made

"""Calcium from structured reports: twelve habits read right, broken ones refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import calcium_reports as reports
import numpy as np
import pytest
from calcium_reports import ANALYSIS, PATIENT, SCORE, STUDY, box, number, report, text
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from mpss_lib.calcium.report_figures import number_in
from mpss_lib.calcium.report_words import site_in
from mpss_lib.calcium.structured_report import (
    NOTES,
    REASONS,
    ReportedCalcium,
    newest,
    parse_report,
    read_report,
)
from mpss_lib.errors import CalciumReportError, MpssError

at = datetime.fromisoformat


def read(dataset: Dataset, **more: object) -> ReportedCalcium | None:
    """Read it as it comes from an archive: as bytes."""
    return parse_report(reports.as_bytes(dataset), "SR", patient_id=PATIENT, **more)


def found_in(dataset: Dataset, **more: object) -> ReportedCalcium:
    found = read(dataset, **more)
    assert found is not None
    return found


@pytest.mark.parametrize("habit", reports.HABITS, ids=lambda one: one.__name__)
def test_every_habit_is_read(habit: Callable[[], Dataset]) -> None:
    found = found_in(habit(), study_uids=[STUDY])
    assert dict(found.scores) == pytest.approx({**reports.SCORES, "total": reports.TOTAL})
    assert found.status == "final"
    assert not found.is_verified
    assert found.written == at("2026-11-20T10:15:30")
    assert found.sop_instance_uid == STUDY + ".5"
    assert set(found.notes) <= set(NOTES)


def test_method_volume_and_mass() -> None:
    whole = found_in(reports.everything_at_once())
    assert whole.method == "agatston"
    assert dict(whole.volumes_mm3) == pytest.approx({"total": 310.0})
    assert dict(whole.masses_mg) == {"total": 66.0}
    assert found_in(reports.one_of([12])).method == "unstated"
    spanish = found_in(reports.spanish_boxes())
    assert spanish.volumes_mm3["LAD"] == pytest.approx(0.8 * 231.5)
    assert found_in(reports.segments_only()).notes == ("segments_added", "total_added")


def test_no_text_of_the_report_leaves() -> None:
    shown = repr(found_in(reports.free_text()))
    for word in ("dictated", "percentile", "Phantom", PATIENT, "slices"):
        assert word not in shown


BROKEN: dict[str, tuple[str, Callable[[], Dataset]]] = {
    "no value": ("score_missing", lambda: reports.one_of([None])),
    "empty value": ("score_missing", lambda: reports.one_of([""])),
    "empty analysis": ("score_missing", lambda: report(box(ANALYSIS, text(None, "see PDF")))),
    "totals differ": ("scores_differ", reports.totals_that_differ),
    "arteries differ": (
        "scores_differ",
        lambda: report(*[number(("P", "99X", "Agatston LAD"), v) for v in (3, 70)]),
    ),
    "negative": ("not_a_score", lambda: reports.one_of([-4])),
    "not finite": ("not_a_score", lambda: reports.one_of(["NaN"])),
    "word": ("not_a_score", lambda: reports.one_of(["high"])),
    "too large": ("not_a_score", lambda: reports.one_of([1e6])),
    "two ways": (
        "not_a_score",
        lambda: report(text(("121071", "DCM", "Finding"), "Total Agatston score 1,234")),
    ),
    "other patient": (
        "other_patient",
        lambda: reports.changed(reports.one_of([12]), PatientID="PHANTOM-18"),
    ),
    "no patient": ("other_patient", lambda: reports.changed(reports.one_of([12]), PatientID=None)),
    "other subject": (
        "other_patient",
        lambda: report(
            text(("121030", "DCM", "Subject ID"), "PHANTOM-18"), box(ANALYSIS, number(SCORE, 3))
        ),
    ),
    "no reference": (
        "other_study",
        lambda: reports.changed(reports.one_of([12]), StudyInstanceUID="1.2.3"),
    ),
    "no concept": ("no_concept", lambda: report(box(ANALYSIS, number(None, 12)))),
    "part of itself": ("tree_broken", reports.part_of_itself),
    "too deep": ("tree_broken", lambda: reports.nested(60)),
    "no class": (
        "tree_broken",
        lambda: reports.changed(reports.one_of([12]), SOPClassUID=""),
    ),
    "no tree": (
        "tree_broken",
        lambda: reports.changed(reports.one_of([12]), ContentSequence=None),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ones_are_refused_by_name(name: str) -> None:
    reason, make = BROKEN[name]
    with pytest.raises(CalciumReportError) as caught:
        read(make(), study_uids=[STUDY])
    assert caught.value.reason == reason
    assert reason in REASONS
    for secret in ("PHANTOM", "Seventeen", STUDY):
        assert secret not in str(caught.value)


def test_every_reason_was_seen() -> None:
    assert {reason for reason, _ in BROKEN.values()} == set(REASONS)


@pytest.mark.parametrize("habit", [reports.everything_at_once, reports.free_text])
def test_a_tree_that_ends_early_is_never_a_smaller_report(habit: Callable[[], Dataset]) -> None:
    whole = reports.as_bytes(habit())
    start = whole.index(b"\x40\x00\x30\xa7SQ")  # ContentSequence
    for end in range(start, len(whole) - 1, 61):
        with pytest.raises(MpssError):
            parse_report(whole[:end], "SR", patient_id=PATIENT)
    for end in range(400, start, 61):  # the header alone: no tree, or no DICOM
        with pytest.raises(MpssError):
            parse_report(whole[:end], "SR", patient_id=PATIENT)


def test_what_says_nothing_of_calcium_is_nothing() -> None:
    stenosis = number(("408716009", "SCT", "Stenosis"), 40)
    assert read(report(box(("121070", "DCM", "Findings"), stenosis))) is None
    assert read(report(text(("121071", "DCM", "Finding"), "No acute finding. EF 62."))) is None
    dose = number(("113813", "DCM", "CT Dose Length Product Total"), 41)
    assert read(report(dose)) is None
    picture = reports.changed(reports.one_of([1]), SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    assert read(picture) is None


def test_another_patients_dose_report_is_not_refused() -> None:
    other = reports.changed(report(number(("113813", "DCM", "DLP"), 41)), PatientID="X")
    assert read(other) is None


def test_status_and_evidence() -> None:
    draft = reports.changed(
        reports.one_of([5]), PreliminaryFlag="PRELIMINARY", VerificationFlag="VERIFIED"
    )
    assert found_in(draft).status == "preliminary"
    assert found_in(draft).is_verified
    partial = found_in(reports.changed(reports.one_of([5]), CompletionFlag="PARTIAL"))
    assert partial.status == "preliminary"
    undated = found_in(reports.changed(reports.one_of([5]), ContentDate=""))
    assert (undated.written, undated.notes) == (None, ("undated",))
    elsewhere = reports.changed(reports.one_of([5]), StudyInstanceUID="1.2.3")
    evidence = Dataset()
    evidence.StudyInstanceUID = STUDY
    elsewhere.CurrentRequestedProcedureEvidenceSequence = Items([evidence])
    assert found_in(elsewhere, study_uids=[STUDY]).scores["total"] == 5.0


def test_an_amended_report_names_what_it_replaces() -> None:
    dataset = reports.one_of([7])
    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = dataset.SOPClassUID, "1.9"
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "1.8", Items([instance])
    study.StudyInstanceUID, study.ReferencedSeriesSequence = STUDY, Items([series])
    dataset.PredecessorDocumentsSequence = Items([study])
    found = found_in(dataset)
    assert (found.status, found.predecessors) == ("amended", ("1.9",))


def test_the_newest_final_one_counts() -> None:
    first = found_in(reports.one_of([5]))
    early = replace(first, sop_instance_uid="1.1", written=at("2026-01-01"))
    late = replace(first, sop_instance_uid="1.2", written=at("2026-02-01"))
    draft = replace(first, sop_instance_uid="1.3", written=at("2026-03-01"),
                    status="preliminary")  # fmt: skip
    undated = replace(first, sop_instance_uid="1.4", written=None)
    chosen, others = newest([early, draft, undated, late])
    assert chosen is late
    assert others == [early, undated, draft]
    amended = replace(early, sop_instance_uid="1.5", status="amended", predecessors=("1.2",))
    assert newest([late, amended])[0] is amended
    assert newest([replace(amended, status="preliminary"), late])[0] is late
    assert newest([]) == (None, [])


def test_rounded_totals_do_not_differ() -> None:
    assert found_in(reports.totals_that_differ(380, "379.6")).scores["total"] == 379.6
    odd = report(*[number(("P", "99X", f"Agatston {a}"), v)
                   for a, v in (("LAD", 3), ("LCX", 4), ("RCA", 5), ("total", 90))])  # fmt: skip
    assert found_in(odd).notes == ("total_is_not_the_sum",)
    posterior = report(*[number(("P", "99X", f"Agatston {a}"), v)
                         for a, v in (("LAD", 3), ("LCX", 4), ("RCA", 5), ("PDA", 2))])  # fmt: skip
    assert dict(found_in(posterior).scores) == {"LAD": 3, "LCX": 4, "RCA": 7, "total": 14}


@pytest.mark.parametrize(
    ("name", "site"),
    [("Ramus circumflexus", "LCX"), ("Ramus interventricularis anterior", "LAD"),
     ("Descendante antérieure", "LAD"), ("left main", "LM"), ("Koronarkalk gesamt", "total"),
     ("Left coronary artery", "branch"), ("Ramus intermedius", "branch"),
     ("1st diagonal", "branch"), ("Aortenklappe", "not coronary"), ("Score antérieur", "prior"),
     ("DA", "LAD"), ("score da coronária", ""), ("Arteria coronaria destra", "RCA")],
)  # fmt: skip
def test_names_of_arteries(name: str, site: str) -> None:
    assert site_in(name) == site


def test_a_branch_is_no_total() -> None:
    values = (("LAD", 3), ("left coronary artery", 8), ("total", 12))
    dataset = report(*[number(("P", "99X", f"Agatston {name}"), v) for name, v in values])
    found = found_in(dataset)
    assert dict(found.scores) == {"LAD": 3, "total": 12}
    assert found.notes == ("branch_left_out",)


@pytest.mark.parametrize(
    ("written", "value"),
    [("12", 12), ("12,5", 12.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("0.125", 0.125)],
)
def test_numbers_that_people_write(written: str, value: float) -> None:
    assert number_in(written) == value


WHOLE = [reports.as_bytes(habit()) for habit in reports.HABITS]


@given(which=st.integers(0, len(WHOLE) - 1), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_changed_bytes_end_as_errors_of_the_object(which: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(WHOLE[which])
    for at in rng.integers(200, len(content), rng.integers(1, 12)):
        content[at] = int(rng.integers(0, 256))
    try:
        found = parse_report(bytes(content), "SR", patient_id=PATIENT)
    except MpssError:
        return
    assert found is None or all(np.isfinite(value) for value in found.scores.values())


def test_read_report_takes_a_dataset() -> None:
    found = read_report(reports.one_of([5]), patient_id=PATIENT)
    assert found is not None
    assert dict(found.scores) == {"total": 5.0}

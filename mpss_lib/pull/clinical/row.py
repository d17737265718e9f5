"""The check of one row of the clinical registry by the contract.

A value that cannot be typed becomes null; every broken rule is named with the value where the
value is a number (a text may name a patient). A missing value breaks no rule, except where the
row could not be linked or judged without it: it is flagged. Nothing is imputed; what is computed
from other values of the row (body mass index, age) is flagged too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from mpss_lib.contract import (
    AGE_TOLERANCE,
    ARTERIES,
    BMI_TOLERANCE,
    CAC_TOLERANCE,
    CODES,
    FLAGS,
    OLDEST_AGE,
    RANGES,
)
from mpss_lib.pull.clinical import cells
from mpss_lib.pull.clinical.cells import Notes
from mpss_lib.sections import UNITS, PullSettings

COVARIATES = ("sex", "race", "age", "bmi", "lvef", *FLAGS, "stress_agent")

CONTRACT_VERSION = "3"
"""Raised when the same row may be judged otherwise: it is in the digest of the rows."""

FAULT = "row_fault"
"""Column in which the reader of a file says why a whole row cannot be read."""


@dataclass
class CheckedRow:
    """One row, typed; ``reasons`` say why it is not accepted, ``flags`` what to know of it."""

    patient_id: str
    accession_number: str
    study_date: date | None
    cac_date: date | None
    values: dict[str, object]
    reasons: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def check_row(
    raw: Mapping[str, object],
    settings: PullSettings,
    *,
    zone: tzinfo = UTC,
    today: date | None = None,
) -> CheckedRow:
    """Type the values of one row and check it by the contract.

    Parameters
    ----------
    raw : mapping of our column names to the values as the source gives them
    settings : PullSettings
        The site's codes (``registry_codes``) and how it writes (``registry_format``).
    zone : tzinfo
        Of the site (``site.timezone``): a moment with a zone becomes its day there.
    today : date, optional
        No date may be later; tomorrow by UTC, so that no time zone is ahead, by default.
    """
    today = datetime.now(UTC).date() + timedelta(days=1) if today is None else today
    calendar = cells.Calendar(zone, today)
    notes, form = Notes(), settings.registry_format
    if raw.get(FAULT):
        notes.reasons.append(str(raw[FAULT]))
    values: dict[str, object] = {}
    for name, allowed in CODES.items():
        own = settings.registry_codes.get(name, {})
        values[name] = cells.code(name, raw.get(name), allowed, own, notes)
    for name, limits in RANGES.items():
        values[name] = cells.number(name, raw.get(name), limits, form, notes)
    for name in FLAGS:
        values[name] = cells.flag(name, raw.get(name), notes)
    row = CheckedRow(
        patient_id=cells.identifier("patient_id", raw.get("patient_id"), notes),
        accession_number=cells.identifier("accession_number", raw.get("accession_number"), notes),
        study_date=cells.day("study_date", raw.get("study_date"), form, calendar, notes),
        cac_date=cells.day("cac_date", raw.get("cac_date"), form, calendar, notes),
        values=values,
        reasons=notes.reasons,
        flags=notes.flags,
    )
    if not raw.get(FAULT):
        born = cells.any_day("birth_date", raw.get("birth_date"), form, calendar, notes)
        _check_presence(row, notes)
        _check_body(row, notes)
        _check_age(row, born, notes)
        _check_calcium(row, notes)
        notes.flags += [f"{name}_missing" for name in COVARIATES if _is_missing(row, name, notes)]
    return row


def _is_missing(row: CheckedRow, name: str, notes: Notes) -> bool:
    return row.values[name] is None and not notes.has(name)


def _check_presence(row: CheckedRow, notes: Notes) -> None:
    required = {
        "patient_id": row.patient_id,
        "study_date": row.study_date,
        "reading": row.values["reading"],
    }
    for name, value in required.items():
        if not value and not notes.has(name):
            notes.reasons.append(f"{name}_missing")


def _check_body(row: CheckedRow, notes: Notes) -> None:
    height, weight, bmi = (_real(row.values[name]) for name in ("height_m", "weight_kg", "bmi"))
    if height is None or weight is None:
        return
    computed = weight / height**2
    low, high = RANGES["bmi"]
    if bmi is None and not notes.has("bmi") and low <= computed <= high:
        row.values["bmi"] = computed
        notes.flags.append("bmi_derived: from height and weight")
    elif bmi is None and not notes.has("bmi"):
        notes.reasons.append(f"bmi_range: height and weight give {computed:.1f}")
    elif bmi is not None and abs(bmi - computed) > BMI_TOLERANCE:
        in_pounds = computed * UNITS["weight_kg"]["lb"]
        notes.reasons.append(
            f"weight_kg_unit: {weight:g} reads as lb (pull.registry_format.units)"
            if abs(bmi - in_pounds) <= BMI_TOLERANCE
            else f"bmi_mismatch: {bmi:g}, height and weight give {computed:.1f}"
        )


def _check_age(row: CheckedRow, born: date | None, notes: Notes) -> None:
    age = _real(row.values["age"])
    if born is not None:
        for name, when in (("study_date", row.study_date), ("cac_date", row.cac_date)):
            if when is not None and when < born:
                notes.reasons.append(f"{name}_before_birth")
    if born is not None and row.study_date is not None and row.study_date >= born:
        computed = (row.study_date - born).days // 365.25
        if age is None and not notes.has("age") and computed <= RANGES["age"][1]:
            age = computed
            notes.flags.append("age_derived: from the birth date")
        elif age is not None and abs(age - computed) > AGE_TOLERANCE:
            told = min(computed, OLDEST_AGE)
            notes.reasons.append(f"age_mismatch: {age:g}, the birth date gives {told:g}")
    if age is not None and age > OLDEST_AGE:
        notes.flags.append(f"age_capped: at {OLDEST_AGE:g}")
    row.values["age"] = None if age is None else min(age, OLDEST_AGE)


def _check_calcium(row: CheckedRow, notes: Notes) -> None:
    total = _real(row.values["cac_total"])
    scores = [_real(row.values[name]) for name in ARTERIES]
    known = [score for score in scores if score is not None]
    if total is None:
        if known and not notes.has("cac_total"):
            notes.reasons.append("cac_total_missing")
        return
    above = sum(known) - total
    if above > CAC_TOLERANCE or (len(known) == len(scores) and above < -CAC_TOLERANCE):
        notes.reasons.append(f"cac_sum: total {total:g}, arteries {sum(known):g}")
    if row.cac_date is None and not notes.has("cac_date"):
        notes.reasons.append("cac_date_missing")
    notes.flags += [f"{name}_missing" for name in ARTERIES if _is_missing(row, name, notes)]


def _real(value: object) -> float | None:
    return value if isinstance(value, float) else None

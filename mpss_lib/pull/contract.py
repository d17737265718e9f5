"""What a row of the clinical registry must satisfy, as data, and the check of one row.

A value that cannot be typed becomes null; every broken rule is named with the value where the
value is a number (a text may name a patient). A missing value breaks no rule, except where the
row could not be linked or judged without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import TypeVar

COLUMNS: tuple[str, ...] = (
    *("patient_id", "accession_number", "study_date", "cac_date", "reading", "sex", "race", "age"),
    *("height_m", "weight_kg", "bmi", "lvef", "smoking", "diabetes", "hypertension"),
    *("hyperlipidemia", "family_history", "stress_agent", "cac_total", "cac_lm", "cac_lad"),
    *("cac_lcx", "cac_rca"),
)
"""What is read of the registry, by our names."""

OPTIONAL: frozenset[str] = frozenset({"height_m", "weight_kg", "accession_number"})
"""Columns that a registry may lack altogether."""

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "reading": ("normal", "abnormal", "equivocal"),
        "sex": ("F", "M"),
        "race": ("White", "Black", "Asian", "Hispanic", "American Indian", "Pacific Islander",
                 "Other", "Unknown"),
        "stress_agent": ("exercise", "adenosine", "dipyridamole", "regadenoson", "dobutamine"),
    }
)  # fmt: skip
"""Allowed codes; capitals do not matter, a site's own codes are mapped in the settings."""

RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "age": (0.0, 120.0),  # years
        "height_m": (0.5, 2.5),
        "weight_kg": (20.0, 400.0),
        "bmi": (8.0, 100.0),  # kg/m2
        "lvef": (5.0, 100.0),  # per cent
        "cac_total": (0.0, 20000.0),  # Agatston
        "cac_lm": (0.0, 20000.0),
        "cac_lad": (0.0, 20000.0),
        "cac_lcx": (0.0, 20000.0),
        "cac_rca": (0.0, 20000.0),
    }
)

FLAGS = ("smoking", "diabetes", "hypertension", "hyperlipidemia", "family_history")
ARTERIES = ("cac_lm", "cac_lad", "cac_lcx", "cac_rca")
OLDEST_AGE = 90.0
"""Older patients are stored as 90 (PS3.15: an age above 89 identifies)."""

FIRST_DATE = date(1990, 1, 1)
BMI_TOLERANCE = 1.0
CAC_TOLERANCE = 1.0
"""Agatston units by which the arteries may miss the total (rounding of four scores)."""

_YES_NO = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}

T = TypeVar("T")


@dataclass
class CheckedRow:
    """One row, typed; ``reasons`` say why it is not accepted."""

    patient_id: str
    accession_number: str
    study_date: date | None
    cac_date: date | None
    values: dict[str, object]
    reasons: list[str] = field(default_factory=list)


def check_row(raw: Mapping[str, object], codes: Mapping[str, Mapping[str, str]]) -> CheckedRow:
    """Type the values of one row and check it by the contract.

    Parameters
    ----------
    raw : mapping of our column names to the values as the database gives them
    codes : mapping of column to {site's code: ours}
    """
    reasons: list[str] = []
    values: dict[str, object] = {}
    for name in CODES:
        values[name] = _code(name, raw.get(name), codes.get(name, {}), reasons)
    for name in RANGES:
        values[name] = _number(name, raw.get(name), reasons)
    for name in FLAGS:
        values[name] = _flag(name, raw.get(name), reasons)
    row = CheckedRow(
        patient_id=_text(raw.get("patient_id")),
        accession_number=_text(raw.get("accession_number")),
        study_date=_date("study_date", raw.get("study_date"), reasons),
        cac_date=_date("cac_date", raw.get("cac_date"), reasons),
        values=values,
        reasons=reasons,
    )
    _check_presence(row)
    _check_body(row)
    _check_calcium(row)
    return row


def _check_presence(row: CheckedRow) -> None:
    required = {
        "patient_id": row.patient_id,
        "study_date": row.study_date,
        "reading": row.values["reading"],
    }
    for name, value in required.items():
        if not value and not any(reason.startswith(name) for reason in row.reasons):
            row.reasons.append(f"{name}_missing")


def _check_body(row: CheckedRow) -> None:
    height, weight, bmi = (_real(row.values[name]) for name in ("height_m", "weight_kg", "bmi"))
    if height is not None and weight is not None:
        computed = weight / height**2
        if bmi is None and not _has_reason(row, "bmi"):
            row.values["bmi"] = computed
        elif bmi is not None and abs(bmi - computed) > BMI_TOLERANCE:
            row.reasons.append(f"bmi_mismatch: {bmi:g}, height and weight give {computed:.1f}")
    age = _real(row.values["age"])
    if age is not None:
        row.values["age"] = min(age, OLDEST_AGE)


def _check_calcium(row: CheckedRow) -> None:
    total = _real(row.values["cac_total"])
    scores = [_real(row.values[name]) for name in ARTERIES]
    known = [score for score in scores if score is not None]
    if total is not None and len(known) == len(scores) and abs(sum(known) - total) > CAC_TOLERANCE:
        row.reasons.append(f"cac_sum: total {total:g}, arteries {sum(known):g}")
    if total is None and known and not _has_reason(row, "cac_total"):
        row.reasons.append("cac_total_missing")
    if total is not None and row.cac_date is None and not _has_reason(row, "cac_date"):
        row.reasons.append("cac_date_missing")


def _has_reason(row: CheckedRow, name: str) -> bool:
    return any(reason.startswith(name + "_") for reason in row.reasons)


def _real(value: object) -> float | None:
    return value if isinstance(value, float) else None


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _typed(
    name: str, value: object, kind: str, convert: Callable[[str], T], reasons: list[str]
) -> T | None:
    text = _text(value)
    if not text:
        return None
    try:
        return convert(text)
    except (ValueError, KeyError):
        reasons.append(f"{name}_type: no {kind}")
        return None


def _number(name: str, value: object, reasons: list[str]) -> float | None:
    number = _typed(name, value, "number", _finite, reasons)
    low, high = RANGES[name]
    if number is not None and not low <= number <= high:
        reasons.append(f"{name}_range: {number:g} not in {low:g}..{high:g}")
        return None
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _flag(name: str, value: object, reasons: list[str]) -> bool | None:
    return _typed(
        name, value, "0 or 1", lambda text: _YES_NO[text.lower().removesuffix(".0")], reasons
    )


def _code(name: str, value: object, own: Mapping[str, str], reasons: list[str]) -> str | None:
    text = _text(value)
    if not text:
        return None
    text = own.get(text, text)
    for code in CODES[name]:
        if code.lower() == text.lower():
            return code
    reasons.append(f"{name}_code: not one of {', '.join(CODES[name])}")
    return None


def _date(name: str, value: object, reasons: list[str]) -> date | None:
    if isinstance(value, datetime):
        found: date | None = value.date()
    elif isinstance(value, date):
        found = value
    else:
        found = _typed(name, value, "date YYYY-MM-DD", _iso_date, reasons)
    if found is not None and found < FIRST_DATE:
        reasons.append(f"{name}_range: before {FIRST_DATE.year}")
        return None
    return found


def _iso_date(text: str) -> date:
    return datetime.fromisoformat(text).date()

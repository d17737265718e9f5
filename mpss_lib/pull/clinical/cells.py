"""One cell of the registry: text, number, date, flag or code, or why it is none.

A cell that cannot be typed becomes null and gives a reason, which never quotes text: a text may
name a patient. What is read otherwise than it was written gives a flag.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from decimal import Decimal

from mpss_lib.sections import UNITS, RegistryFormat

FIRST_DATE = date(1990, 1, 1)
MAX_IDENTIFIER = 64
"""Longest PatientID of DICOM (VR LO)."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([.,' \u00a0\u202f\u2019]\d{3})+([.,]\d*)?", re.ASCII)
_ISO = re.compile(
    r"\d{4}-?(\d{2}-?\d{2}|W\d{2}-?\d)"  # a day, also of a week
    r"([T ](?!24)\d{2}(:?\d{2}(:?\d{2}([.,]\d+)?)?)?(Z|[+-]\d{2}(:?\d{2}(:?\d{2})?)?)?)?",
    re.ASCII,
)
_SERIAL = re.compile(r"[1-9]\d{4}(\.\d+)?", re.ASCII)
_SPREADSHEET_ERROR = re.compile(r"#(\w|/)+[!?]?")
_YES_NO = {"0": False, "1": True, "false": False, "true": True, "no": False, "yes": True}

# A value that is out of range and fits in this unit was probably written in it.
_PROBABLE_UNITS: Mapping[str, tuple[str, ...]] = {
    "height_m": ("cm", "in"),
    "weight_kg": ("g",),
    "lvef": ("fraction",),
}


@dataclass
class Notes:
    """What is wrong with a row (``reasons``), and what was read otherwise (``flags``)."""

    reasons: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether a column already has a reason."""
        return any(reason.startswith(name + "_") for reason in self.reasons)


def text_of(value: object) -> str:
    """Give a cell as text, without the white space around it; null is empty."""
    return "" if value is None else str(value).strip()


def identifier(name: str, value: object, notes: Notes) -> str:
    """Read an identifier; one that cannot be one is left out and gives a reason."""
    text = text_of(value)
    if any(unicodedata.category(sign) == "Cs" for sign in text):
        problem = "encoding: not in the encoding that pull.registry_format names"
    elif any(unicodedata.category(sign) in {"Cc", "Cf"} for sign in text):
        problem = "control: a control character"
    elif len(text) > MAX_IDENTIFIER:
        problem = f"long: {len(text)} characters, at most {MAX_IDENTIFIER}"
    elif _SPREADSHEET_ERROR.fullmatch(text):
        problem = "type: an error value of a spreadsheet"
    elif text[:1] in {"=", "@", "+", "-"}:
        problem = "formula: begins as a formula of a spreadsheet"
    else:
        return text
    notes.reasons.append(f"{name}_{problem}")
    return ""


def number(
    name: str, value: object, limits: tuple[float, float], form: RegistryFormat, notes: Notes
) -> float | None:
    """Read a number in our unit, inside its limits."""
    read = _finite(value, form)
    if read is None:
        return None
    if isinstance(read, str):
        notes.reasons.append(f"{name}_type: {read}")
        return None
    if math.copysign(1.0, read) < 0 and read == 0:
        notes.flags.append(f"{name}_negative_zero")
    unit = form.units.get(name)
    scaled = (read + 0.0) * (UNITS[name][unit] if unit else 1.0)
    low, high = limits
    if not low <= scaled <= high:
        notes.reasons.append(_out_of_range(name, scaled, limits, unit))
        return None
    if unit and UNITS[name][unit] != 1.0:
        notes.flags.append(f"{name}_converted: from {unit}")
    return scaled


def _out_of_range(name: str, value: float, limits: tuple[float, float], unit: str | None) -> str:
    low, high = limits
    for probable in () if unit else _PROBABLE_UNITS.get(name, ()):
        if low <= value * UNITS[name][probable] <= high and value > 0:
            return f"{name}_unit: {value:g} reads as {probable} (pull.registry_format.units)"
    return f"{name}_range: {value:g} not in {low:g}..{high:g}"


def _finite(value: object, form: RegistryFormat) -> float | str | None:
    """Read a number; a text says why it is none, null that there is nothing."""
    if isinstance(value, bool):
        return "a truth value, no number"
    if isinstance(value, (int, float, Decimal)):
        return float(value) if math.isfinite(value) else "not finite"
    text = text_of(value)
    if not text:
        return None
    plain = text.replace(",", ".") if form.decimal == "," and "." not in text else text
    if _NUMBER.fullmatch(plain) and not (form.decimal == "," and "." in text):
        found = float(plain)
        return found if math.isfinite(found) else "not finite"
    return _why_no_number(text, form)


def _why_no_number(text: str, form: RegistryFormat) -> str:
    other = "," if form.decimal == "." else "."
    if _SPREADSHEET_ERROR.fullmatch(text):
        return "an error value of a spreadsheet"
    if text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        return "not finite"
    if _THOUSANDS.fullmatch(text):
        return "a thousands separator, or another decimal sign than pull.registry_format.decimal"
    if _NUMBER.fullmatch(text.replace(other, ".")):
        return "another decimal sign than pull.registry_format.decimal"
    return "no number"


def flag(name: str, value: object, notes: Notes) -> bool | None:
    """Read yes or no."""
    text = text_of(value).lower().removesuffix(".0")
    if not text:
        return None
    if text not in _YES_NO:
        notes.reasons.append(f"{name}_type: no 0 or 1")
        return None
    return _YES_NO[text]


def code(
    name: str, value: object, allowed: Sequence[str], own: Mapping[str, str], notes: Notes
) -> str | None:
    """Read a code; capitals do not matter, ``own`` maps the site's codes to ours."""
    text = text_of(value)
    if not text:
        return None
    text = own.get(text, text)
    for one in allowed:
        if one.lower() == text.lower():
            return one
    notes.reasons.append(f"{name}_code: not one of {', '.join(allowed)}")
    return None


@dataclass(frozen=True)
class Calendar:
    """Where a registry's days are counted: the site's time zone, and the last day that may be."""

    zone: tzinfo
    today: date


def day(
    name: str, value: object, form: RegistryFormat, calendar: Calendar, notes: Notes
) -> date | None:
    """Read a date that is neither before ``FIRST_DATE`` nor after today."""
    found = any_day(name, value, form, calendar, notes)
    if found is not None and found < FIRST_DATE:
        notes.reasons.append(f"{name}_range: before {FIRST_DATE.year}")
        return None
    if found is not None and found > calendar.today:
        notes.reasons.append(f"{name}_future: after the day of the import")
        return None
    return found


def any_day(
    name: str, value: object, form: RegistryFormat, calendar: Calendar, notes: Notes
) -> date | None:
    """Read a date, whenever it is.

    A moment that names its distance from UTC is the day that the site's calendar showed then;
    one that does not is the site's own clock, whose day stands as written.
    """
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = text_of(value)
    if not text:
        return None
    try:
        moment = value if isinstance(value, datetime) else _parsed(text, form)
        if moment.utcoffset() is None:
            return moment.date()
        found = moment.astimezone(calendar.zone).date()
    except (ValueError, OverflowError):
        notes.reasons.append(f"{name}_type: {_why_no_date(text, form)}")
        return None
    if found != moment.date():
        notes.flags.append(f"{name}_zone: the site's day of a moment that names another one")
    return found


def _parsed(text: str, form: RegistryFormat) -> datetime:
    """Read a date or a moment; ``24:00`` is refused: it belongs to two days."""
    if form.date:
        return datetime.strptime(text, form.date)  # noqa: DTZ007 -- the zone is looked at later
    if not _ISO.fullmatch(text):
        raise ValueError("no ISO 8601")
    return datetime.fromisoformat(text)


def _why_no_date(text: str, form: RegistryFormat) -> str:
    wanted = form.date or "YYYY-MM-DD"
    if _SERIAL.fullmatch(text):
        return f"a serial number of a spreadsheet, no date {wanted}"
    if _SPREADSHEET_ERROR.fullmatch(text):
        return "an error value of a spreadsheet"
    if re.search(r"[T ]24(:?00)*", text):
        return f"24:00 belongs to two days, no date {wanted}"
    swapped = (form.date or "%Y-%m-%d").translate(str.maketrans("md", "dm"))
    try:
        datetime.strptime(text, swapped)  # noqa: DTZ007 -- a day has no zone
    except ValueError:
        return f"no date {wanted}"
    return f"day and month may be swapped, no date {wanted}"

"""Dates and times of an object: shifted by the patient's days, relative to the study's start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pydicom.dataset import Dataset

from mpss_lib.dicom.values import parse_date, parse_time, plain_texts

_DATE_OF = {
    "StudyTime": "StudyDate",
    "SeriesTime": "SeriesDate",
    "AcquisitionTime": "AcquisitionDate",
    "ContentTime": "ContentDate",
    "StructureSetTime": "StructureSetDate",
}
_TIME_OF = {day: clock for clock, day in _DATE_OF.items()}


@dataclass(frozen=True)
class Moments:
    """Moves the moments of one study: its start goes to midnight of its shifted date.

    Parameters
    ----------
    shift : timedelta
        Added to every date.
    start : datetime or None
        The study's true start; without it no time of day is kept.
    """

    shift: timedelta
    start: datetime | None

    def shifted(self, source: Dataset, keyword: str, value: object) -> str | None:
        """Shift a date; a time of day beside it may carry it over midnight."""
        day = parse_date(str(value))
        if day is None:
            return None
        clock = parse_time(_text(source, _TIME_OF.get(keyword, "")))
        moved = self._moved(day, clock) if clock and keyword != "StudyDate" else None
        return f"{(moved or datetime.combine(day, time()) + self.shift):%Y%m%d}"

    def since_start(self, source: Dataset, keyword: str, value: object) -> str | None:
        """Give a time of day as time since the study's start."""
        clock = parse_time(str(value))
        if clock is None or self.start is None:
            return None
        if keyword == "StudyTime":
            return "000000"
        day = parse_date(_text(source, _DATE_OF.get(keyword, ""))) or self.start.date()
        moved = self._moved(day, clock)
        return None if moved is None else f"{moved:%H%M%S}"

    def moved(self, text: str) -> str | None:
        """Move a date with its time of day; a distance from UTC goes."""
        day, clock = parse_date(text[:8]), parse_time(text[8:14])
        moved = self._moved(day, clock) if day and clock else None
        return None if moved is None else f"{moved:%Y%m%d%H%M%S}"

    def _moved(self, day: date, clock: time) -> datetime | None:
        if self.start is None:
            return None
        midnight = datetime.combine(self.start.date(), time()) + self.shift
        return midnight + (datetime.combine(day, clock) - self.start)


def _text(source: Dataset, keyword: str) -> str:
    """Text of the date or time beside another one, "" where there is none."""
    plain = plain_texts(source, keyword) if keyword else None
    if plain is not None and len(plain.values) == 1:
        return plain.values[0]
    return str(source.get(keyword, ""))

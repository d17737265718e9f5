"""Queries: the identifiers of C-FIND and C-GET, and how a window of days is split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from itertools import pairwise

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from mpss_lib.pull.archive.answers import ObjectAnswer

DAY_S = 86400
_SHORTEST_SPLIT_S = 60


Days = tuple[date, date]


@dataclass(frozen=True)
class Slice:
    """A part of a window that is asked for by itself.

    Parameters
    ----------
    days : (date, date) or None
        First and last StudyDate, both included; None: any date, or none.
    seconds : (int, int)
        Of the day, the second one excluded.
    id_end : str
        Last characters of the PatientID; "" for all.
    """

    days: Days | None
    seconds: tuple[int, int] = (0, DAY_S)
    id_end: str = ""

    @property
    def n_days(self) -> int:
        """Number of days; 0 where no date is asked for."""
        return 0 if self.days is None else (self.days[1] - self.days[0]).days + 1

    @property
    def is_whole_day(self) -> bool:
        """Whether times of the day do not matter."""
        return self.seconds == (0, DAY_S)

    @property
    def is_one_minute(self) -> bool:
        """Whether it cannot be split by time."""
        return self.seconds[1] - self.seconds[0] <= _SHORTEST_SPLIT_S

    def single_days(self) -> list[Slice]:
        """Each of its days by itself."""
        if self.days is None:
            return []
        first = self.days[0]
        days = [first + timedelta(days=n) for n in range(self.n_days)]
        return [replace(self, days=(day, day)) for day in days]

    def halves(self) -> list[Slice]:
        """Split in two: by days, and a single day by its seconds; [] if that cannot be.

        A minute is not split further, nor what is asked for without a date.
        """
        if self.days is None:
            return []
        if self.n_days > 1:
            middle = self.days[0] + timedelta(days=self.n_days // 2 - 1)
            after = middle + timedelta(days=1)
            return [
                replace(self, days=(self.days[0], middle)),
                replace(self, days=(after, self.days[1])),
            ]
        low, high = self.seconds
        if high - low <= _SHORTEST_SPLIT_S:
            return []
        return [
            replace(self, seconds=(low, (low + high) // 2)),
            replace(self, seconds=((low + high) // 2, high)),
        ]

    def split_at(self, days: Sequence[date], clocks: Sequence[time]) -> list[Slice]:
        """Split so that what is known to lie in it falls into different parts, if that can be.

        Parameters
        ----------
        days, clocks : sequence of date, of time
            StudyDates and StudyTimes of studies in this slice.

        Returns
        -------
        list of Slice
            Two or three that cover it: cut before the middle one of the days (of the minutes, in a
            single day), or around it where all lie in one; [] where nothing tells where to cut.
        """
        if self.days is not None and self.n_days > 1:
            first, last = self.days
            numbers = sorted((day - first).days for day in days if first <= day <= last)
            parts = _cuts(numbers, 0, self.n_days)
            day = timedelta(days=1)
            return [replace(self, days=(first + day * a, first + day * (b - 1))) for a, b in parts]
        low, high = (second // 60 for second in self.seconds)
        minutes = sorted(clock.hour * 60 + clock.minute for clock in clocks)
        parts = _cuts([minute for minute in minutes if low <= minute < high], low, high)
        return [replace(self, seconds=(60 * a, 60 * b)) for a, b in parts]


def _cuts(numbers: Sequence[int], low: int, high: int) -> list[tuple[int, int]]:
    """Parts of [low, high): cut before the middle number, or around it where all are the same."""
    if not numbers or high - low < 2:
        return []
    middle = numbers[len(numbers) // 2]
    edges = [middle] if numbers[0] < middle else [middle, middle + 1]
    if numbers[0] == middle < numbers[-1]:
        edges = [middle + 1]
    points = [low, *(edge for edge in edges if low < edge < high), high]
    return list(pairwise(points)) if len(points) > 2 else []


STUDY_KEYS = (
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "ModalitiesInStudy",
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "AccessionNumber",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)
"""What is asked of a study (PS3.4 table C.6-5)."""

SERIES_KEYS = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")
OBJECT_KEYS = ("SOPInstanceUID", "SOPClassUID", "AvailableTransferSyntaxUID")
"""What is asked of a series, of an object."""

MATCHING_KEYS = {
    "STUDY": (
        *("StudyInstanceUID", "StudyDate", "StudyTime"),
        *("ModalitiesInStudy", "PatientID", "AccessionNumber"),
    ),
    "SERIES": ("StudyInstanceUID",),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID"),
}
"""By which of them it is asked, at each level."""


def make_query(level: str, **keys: str | list[str]) -> Dataset:
    """Make an identifier with matching keys; a text is one value, whatever stands in it."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        _add(query, keyword, value)
    if not all("".join(value).isascii() for value in keys.values()):
        query.SpecificCharacterSet = "ISO_IR 192"
    return query


def _add(query: Dataset, keyword: str, value: str | list[str]) -> None:
    tag = Tag(keyword)
    query.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=IGNORE))


def study_query(**keys: str | list[str]) -> Dataset:
    """Ask for studies by these keys, with all that is asked of a study."""
    return make_query("STUDY", **(dict.fromkeys(STUDY_KEYS, "") | keys))


def level_query(level: str, asked: Sequence[str], **keys: str | list[str]) -> Dataset:
    """Ask for what is below a study by these keys, with what is asked of it."""
    return make_query(level, **(dict.fromkeys(asked, "") | keys))


def studies_query(study_uids: Sequence[str]) -> Dataset:
    """Ask for all objects of studies (C-GET, C-MOVE; PS3.4 C.4.2.1.4)."""
    return make_query("STUDY", StudyInstanceUID=list(study_uids))


def slice_query(part: Slice, modality: str) -> Dataset:
    """Ask for the studies of a part of a window; modality "" for all of them."""
    keys = {"ModalitiesInStudy": modality}
    if part.days is not None:
        first, last = (f"{day:%Y%m%d}" for day in part.days)
        keys["StudyDate"] = first if first == last else f"{first}-{last}"
    if not part.is_whole_day:
        keys["StudyTime"] = _time_range(part.seconds)
    if part.id_end:
        keys["PatientID"] = f"*{part.id_end}"
    return study_query(**keys)


def literal_key(text: str) -> str:
    """Turn a value into a matching key that finds it, and perhaps others (PS3.4 C.2.2.2.4).

    A backslash would separate a list, a star would match everything: a question mark stands for
    one character of any kind. Whoever asks compares the answers with the text itself.
    """
    return "".join("?" if sign in "\\*" or not sign.isprintable() else sign for sign in text)


def _time_range(seconds: tuple[int, int]) -> str:
    low, high = seconds[0], seconds[1] - 1
    return (
        f"{low // 3600:02d}{low // 60 % 60:02d}{low % 60:02d}-"
        f"{high // 3600:02d}{high // 60 % 60:02d}{high % 60:02d}.999999"
    )


def get_queries(
    study_uid: str, wanted: Sequence[ObjectAnswer], whole_series: frozenset[str], size: int
) -> Iterator[Dataset]:
    """C-GET identifiers: whole series by lists of series, the others by lists of objects."""
    by_series: dict[str, list[str]] = {}
    for one in wanted:
        by_series.setdefault(one.series_uid, []).append(one.sop_uid)
    whole = [uid for uid in by_series if uid in whole_series]
    for start in range(0, len(whole), size):
        query = make_query("SERIES", StudyInstanceUID=study_uid)
        _add(query, "SeriesInstanceUID", whole[start : start + size])
        yield query
    for series_uid, sop_uids in by_series.items():
        if series_uid in whole_series:
            continue
        for start in range(0, len(sop_uids), size):
            query = make_query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
            _add(query, "SOPInstanceUID", sop_uids[start : start + size])
            yield query


def object_query(study_uid: str, one: ObjectAnswer) -> Dataset:
    """Ask for one object."""
    return make_query(
        "IMAGE",
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=one.series_uid,
        SOPInstanceUID=one.sop_uid,
    )

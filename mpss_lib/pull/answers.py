"""What the archive announces: its answers, read tolerantly, and the queries that ask for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pydicom
from pydicom.dataset import Dataset

from mpss_lib.errors import IncompleteStudyError, PlatformFaultError

DAY_S = 86400
_SHORTEST_SPLIT_S = 60
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True)
class StudyAnswer:
    """One study as the archive announces it; counts are None where it does not say them."""

    study_uid: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    accession_number: str
    study_date: str
    study_time: str
    modalities: tuple[str, ...]
    n_series: int | None
    n_objects: int | None


@dataclass(frozen=True)
class SeriesAnswer:
    """One series as the archive announces it."""

    series_uid: str
    modality: str
    n_objects: int | None


@dataclass(frozen=True)
class ObjectAnswer:
    """One object as the archive announces it; class and syntax are "" where it does not say."""

    series_uid: str
    sop_uid: str
    sop_class: str
    syntax: str = ""


@dataclass(frozen=True)
class WindowAnswer:
    """Every study of a window, once, and what it took to be sure of that."""

    studies: tuple[StudyAnswer, ...]
    n_requests: int
    n_unusable: int


def is_uid(text: str) -> bool:
    """Whether a text is a UID (PS3.5 section 9.1): digits and dots, at most 64 characters."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def check_uids(uids: Sequence[str], what: str) -> None:
    """Refuse a list in which a UID is missing, not valid or listed twice."""
    bad = sum(not is_uid(uid) for uid in uids)
    if bad or len(set(uids)) != len(uids):
        raise IncompleteStudyError(
            f"the archive announces {len(uids)} {what}s, {bad} without a valid UID,"
            f" {len(uids) - len(set(uids))} more than once",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )


def text_of(answer: Dataset, keyword: str) -> str:
    """Read a value as text, "" where there is none."""
    with pydicom.config.disable_value_validation():
        value = answer.get(keyword)
    return "" if value is None else str(value).strip().strip("\0")


def texts_of(answer: Dataset, keyword: str) -> tuple[str, ...]:
    """Read all values as texts, sorted, each once."""
    with pydicom.config.disable_value_validation():
        value = answer.get(keyword)
    if value is None or value == "":
        return ()
    many: Sequence[object] = [value] if isinstance(value, str) else list(value)
    return tuple(sorted({str(part).strip() for part in many if str(part).strip()}))


def number_of(answer: Dataset, keyword: str) -> int | None:
    """Read a count, None where the archive does not say it."""
    text = text_of(answer, keyword)
    return int(text) if re.fullmatch(r"[0-9]+", text) else None


def make_query(level: str, **keys: str) -> Dataset:
    """Make an identifier with matching keys."""
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def window_query(days: tuple[date, date], seconds: tuple[int, int], modality: str) -> Dataset:
    """Ask for the studies of some days and, where it is not the whole day, times of day."""
    query = make_query("STUDY", StudyDate=f"{days[0]:%Y%m%d}-{days[1]:%Y%m%d}")
    query.StudyTime = "" if seconds == (0, DAY_S) else _time_range(seconds)
    query.ModalitiesInStudy = modality
    for keyword in (
        "StudyInstanceUID",
        "PatientID",
        "IssuerOfPatientID",
        "PatientName",
        "PatientBirthDate",
        "AccessionNumber",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ):
        setattr(query, keyword, "")
    return query


def _time_range(seconds: tuple[int, int]) -> str:
    low, high = seconds[0], seconds[1] - 1
    return (
        f"{low // 3600:02d}{low // 60 % 60:02d}{low % 60:02d}-"
        f"{high // 3600:02d}{high // 60 % 60:02d}{high % 60:02d}.999999"
    )


def halves(
    days: tuple[date, date], seconds: tuple[int, int]
) -> list[tuple[tuple[date, date], tuple[int, int]]]:
    """Split a window in two: by days, and a single day by its seconds.

    Raises
    ------
    PlatformFaultError
        If it is a minute already.
    """
    n_days = (days[1] - days[0]).days + 1
    if n_days > 1:
        middle = days[0] + timedelta(days=n_days // 2 - 1)
        return [
            ((days[0], middle), seconds),
            ((middle + timedelta(days=1), days[1]), seconds),
        ]
    if seconds[1] - seconds[0] <= _SHORTEST_SPLIT_S:
        raise PlatformFaultError(
            "the archive cuts the list of studies short even for one minute of a day",
            way_out="ask the PACS team to raise the limit of C-FIND answers for our AE title,"
            " or correct site.find_limit",
        )
    middle_s = (seconds[0] + seconds[1]) // 2
    return [(days, (seconds[0], middle_s)), (days, (middle_s, seconds[1]))]


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
        query.SeriesInstanceUID = whole[start : start + size]
        yield query
    for series_uid, sop_uids in by_series.items():
        if series_uid in whole_series:
            continue
        for start in range(0, len(sop_uids), size):
            query = make_query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
            query.SOPInstanceUID = sop_uids[start : start + size]
            yield query


def object_query(study_uid: str, one: ObjectAnswer) -> Dataset:
    """Ask for one object."""
    return make_query(
        "IMAGE",
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=one.series_uid,
        SOPInstanceUID=one.sop_uid,
    )

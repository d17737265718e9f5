"""What the archive announces: its answers, read tolerantly.

No answer can raise a foreign error: what is there and cannot be read is named (``unreadable``),
and never taken for what is absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from mpss_lib.errors import IncompleteStudyError, UnreadableValueError
from mpss_lib.pull.archive.habits import NOTHING_KNOWN, Habits
from mpss_lib.pull.texts import text_or_empty, whole_text

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_COUNT = re.compile(r"\+?([0-9]{1,9})(\.0*)?")
_NOT_IN_MODALITY = re.compile(r"[^A-Z0-9_]+")


@dataclass(frozen=True)
class StudyAnswer:
    """One study as the archive announces it; counts are None where it does not say them.

    Parameters
    ----------
    persons : tuple of (PatientID, IssuerOfPatientID)
        Everybody whom the rows of this study name, sorted; ("", "") where a row names nobody.
    unreadable : tuple of str
        Keywords of values that are there and cannot be read; their fields are "" here.
    """

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
    persons: tuple[tuple[str, str], ...] = ()
    unreadable: tuple[str, ...] = ()


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
    """Every study of a window, once, and what it took to be sure of that.

    Parameters
    ----------
    doubts : tuple of str
        Why the list may lack studies beside the unusable ones, in words for the operator.
    seen : Habits
        What the archive was seen to do.
    """

    studies: tuple[StudyAnswer, ...]
    n_requests: int
    n_unusable: int
    doubts: tuple[str, ...] = ()
    seen: Habits = NOTHING_KNOWN

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything for which the list may lack studies, in words for the operator."""
        if not self.n_unusable:
            return self.doubts
        told = f"{self.n_unusable} answers of the archive carry no valid Study Instance UID"
        return (told, *self.doubts)


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


def study_answer(answer: Dataset) -> StudyAnswer | None:
    """Read an answer of level STUDY; None where it carries no valid Study Instance UID."""
    uid = text_of(answer, "StudyInstanceUID")
    if not is_uid(uid):
        return None
    unreadable: list[str] = []

    def text(keyword: str) -> str:
        try:
            return whole_text(answer, keyword)
        except UnreadableValueError:
            unreadable.append(keyword)
            return ""

    patient_id, issuer = text("PatientID"), text("IssuerOfPatientID")
    return StudyAnswer(
        study_uid=uid,
        patient_id=patient_id,
        issuer=issuer,
        patient_name=text("PatientName"),
        birth_date=text("PatientBirthDate"),
        accession_number=text("AccessionNumber"),
        study_date=text("StudyDate"),
        study_time=text("StudyTime"),
        modalities=modalities_of(answer, "ModalitiesInStudy"),
        n_series=number_of(answer, "NumberOfStudyRelatedSeries"),
        n_objects=number_of(answer, "NumberOfStudyRelatedInstances"),
        persons=((patient_id, issuer),),
        unreadable=tuple(unreadable),
    )


def joined_answers(first: StudyAnswer, other: StudyAnswer) -> StudyAnswer:
    """Join two answers about one study: an archive may send a row for each modality or patient.

    What one of them leaves empty is the other's; two persons stay two (``persons``).
    """
    lead, rest = sorted((first, other), key=_rank)
    filled = {
        name: getattr(rest, name)
        for name in ("birth_date", "patient_name", "accession_number", "study_date", "study_time")
        if not getattr(lead, name)
    }
    return replace(
        lead,
        **filled,
        modalities=tuple(sorted({*lead.modalities, *rest.modalities})),
        n_series=_larger(lead.n_series, rest.n_series),
        n_objects=_larger(lead.n_objects, rest.n_objects),
        persons=tuple(sorted({*lead.persons, *rest.persons})),
        unreadable=tuple(sorted({*lead.unreadable, *rest.unreadable})),
    )


def _rank(answer: StudyAnswer) -> tuple[bool, str, str, str, str, tuple[str, ...]]:
    """Order that does not hang on the order of the rows; an answer that names a person leads."""
    return (
        not answer.patient_id,
        answer.patient_id,
        answer.issuer,
        answer.study_date,
        answer.study_time,
        answer.modalities,
    )


def _larger(one: int | None, other: int | None) -> int | None:
    return max((n for n in (one, other) if n is not None), default=None)


def text_of(answer: Dataset, keyword: str) -> str:
    """Read a value as one text, "" where there is none or where it cannot be read."""
    return text_or_empty(answer, keyword)


def texts_of(answer: Dataset, keyword: str) -> tuple[str, ...]:
    """Read all values as texts, sorted, each once."""
    parts = (part.strip() for part in text_or_empty(answer, keyword).split("\\"))
    return tuple(sorted({part for part in parts if part}))


def modalities_of(answer: Dataset, keyword: str) -> tuple[str, ...]:
    """Read modalities (PS3.5: CS) in capitals, whatever stands between them, sorted."""
    parts = _NOT_IN_MODALITY.split(text_or_empty(answer, keyword).upper())
    return tuple(sorted({part for part in parts if part}))


def number_of(answer: Dataset, keyword: str) -> int | None:
    """Read a count, None where the archive does not say it."""
    match = _COUNT.fullmatch(text_or_empty(answer, keyword))
    return int(match[1]) if match else None

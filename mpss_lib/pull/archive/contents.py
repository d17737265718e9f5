"""What several studies hold, asked for at once: their series, then the objects of some of them.

A question below the level STUDY has one study (PS3.4 C.4.1.2.1); many archives answer for a list of
them all the same. What they answer counts only where it is as many series and objects as the
archive has announced; every other study is asked for alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from mpss_lib.errors import StudyFaultError
from mpss_lib.pull.archive.answers import (
    ObjectAnswer,
    SeriesAnswer,
    StudyAnswer,
    check_uids,
    number_of,
    text_of,
)
from mpss_lib.pull.archive.queries import OBJECT_KEYS, SERIES_KEYS, level_query
from mpss_lib.pull.texts import whole_text

Find = Callable[[Dataset], Iterable[Dataset | None]]
"""Asks, gives the answers; None for one that cannot be decoded."""


class StrayAnswerError(Exception):
    """An answer for what was not asked: the archive does not match lists of studies."""


@dataclass(frozen=True)
class Contents:
    """What an archive has just listed of a study.

    Parameters
    ----------
    series : tuple of SeriesAnswer
        All of them, by UID.
    objects : mapping of Series Instance UID to tuple of ObjectAnswer
        Of the series that were asked for, by UID.
    """

    series: tuple[SeriesAnswer, ...]
    objects: Mapping[str, tuple[ObjectAnswer, ...]]


def series_answer(answer: Dataset) -> SeriesAnswer:
    """Read an answer of level SERIES.

    Raises
    ------
    UnreadableValueError
        If a modality is there and cannot be read.
    """
    return SeriesAnswer(
        text_of(answer, "SeriesInstanceUID"),
        whole_text(answer, "Modality").upper(),
        number_of(answer, "NumberOfSeriesRelatedInstances"),
    )


def object_answer(answer: Dataset, series_uid: str) -> ObjectAnswer:
    """Read an answer of level IMAGE."""
    return ObjectAnswer(
        series_uid,
        text_of(answer, "SOPInstanceUID"),
        text_of(answer, "SOPClassUID"),
        text_of(answer, "AvailableTransferSyntaxUID"),
    )


def sorted_series(found: Iterable[SeriesAnswer]) -> list[SeriesAnswer]:
    """Check the UIDs of the series of one study; give them in their order."""
    series = sorted(found, key=lambda one: one.series_uid)
    check_uids([one.series_uid for one in series], "series")
    return series


def sorted_objects(found: Iterable[ObjectAnswer]) -> list[ObjectAnswer]:
    """Check the UIDs of the objects of one series; give them in their order."""
    objects = sorted(found, key=lambda one: one.sop_uid)
    check_uids([one.sop_uid for one in objects], "object")
    return objects


def list_contents(
    find: Find, rows: Sequence[StudyAnswer], modalities: Collection[str]
) -> dict[str, Contents]:
    """List series and objects of several studies.

    Parameters
    ----------
    find : callable
    rows : sequence of StudyAnswer
        What the archive has just answered for the studies.
    modalities : collection of str
        Series whose objects are listed.

    Returns
    -------
    dict of str to Contents
        By Study Instance UID; those whose lists are as long as was announced.

    Raises
    ------
    StrayAnswerError
        The archive answers for what was not asked.
    """
    series = _series_of(find, rows)
    wanted = {
        one.series_uid: study_uid
        for study_uid, many in series.items()
        for one in many
        if one.modality in modalities
    }
    objects = _objects_of(find, wanted) if wanted else {}
    found = {}
    for study_uid, many in series.items():
        mine = {one.series_uid: one.n_objects for one in many if one.series_uid in wanted}
        if all(len(objects.get(uid, ())) == count for uid, count in mine.items()):
            found[study_uid] = Contents(tuple(many), {uid: tuple(objects[uid]) for uid in mine})
    return found


def _series_of(find: Find, rows: Sequence[StudyAnswer]) -> dict[str, list[SeriesAnswer]]:
    query = level_query("SERIES", SERIES_KEYS, StudyInstanceUID=[one.study_uid for one in rows])
    answers = _by(find(query), "StudyInstanceUID", {one.study_uid for one in rows})
    found = {}
    for row in rows:
        mine = answers.get(row.study_uid, [])
        try:
            series = sorted_series(map(series_answer, mine))
        except StudyFaultError:
            continue  # asked for alone, it is named
        if series and len(series) == row.n_series:
            found[row.study_uid] = series
    return found


def _objects_of(find: Find, wanted: Mapping[str, str]) -> dict[str, list[ObjectAnswer]]:
    studies = sorted(set(wanted.values()))
    keys = {"StudyInstanceUID": studies, "SeriesInstanceUID": sorted(wanted)}
    answers = _by(find(level_query("IMAGE", OBJECT_KEYS, **keys)), "SeriesInstanceUID", wanted)
    found = {}
    for uid, mine in answers.items():
        try:
            found[uid] = sorted_objects(object_answer(one, uid) for one in mine)
        except StudyFaultError:
            continue
    return found


def _by(
    answers: Iterable[Dataset | None], keyword: str, wanted: Collection[str]
) -> dict[str, list[Dataset]]:
    found: dict[str, list[Dataset]] = {}
    for answer in answers:
        uid = "" if answer is None else text_of(answer, keyword)
        if answer is None or uid not in wanted:
            raise StrayAnswerError
        found.setdefault(uid, []).append(answer)
    return found

"""Questions to the archive (C-FIND): lists of studies, series and objects, read tolerantly."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import reduce
from typing import TypeVar

from pydicom.dataset import Dataset

from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveRefusedError,
    IncompleteStudyError,
    StudyFaultError,
)
from mpss_lib.pull.archive.answers import (
    ObjectAnswer,
    SeriesAnswer,
    StudyAnswer,
    WindowAnswer,
    is_uid,
    joined_answers,
    study_answer,
)
from mpss_lib.pull.archive.association import (
    OUT_OF_RESOURCES,
    SUCCESS,
    ArchiveAssociation,
    QueryFailedError,
)
from mpss_lib.pull.archive.contents import (
    Contents,
    StrayAnswerError,
    list_contents,
    object_answer,
    series_answer,
    sorted_objects,
    sorted_series,
)
from mpss_lib.pull.archive.dialogue import PENDING
from mpss_lib.pull.archive.habits import NOTHING_KNOWN, Habits
from mpss_lib.pull.archive.listing import Listed, RangeRefusedError
from mpss_lib.pull.archive.modalities import list_undated, list_window, with_series
from mpss_lib.pull.archive.probe import probe
from mpss_lib.pull.archive.queries import (
    OBJECT_KEYS,
    SERIES_KEYS,
    Slice,
    level_query,
    literal_key,
    slice_query,
    study_query,
)
from mpss_lib.pull.texts import normal_text

log = logging.getLogger(__name__)

T = TypeVar("T")

CUT_SHORT = frozenset({OUT_OF_RESOURCES, 0xFE00})
"""Statuses, without their last byte, of a list that ended early (PS3.4 table C.4-1): out of
resources, cancelled."""
CANNOT_PROCESS = frozenset({0xA, 0xC})
"""First digits of the statuses with which a query is refused (PS3.4 table C.4-1)."""
PENDING_ANSWER = 0xFF00


class ArchiveQuestions(ArchiveAssociation):
    """An association over which lists are asked for; ``n_requests`` counts them."""

    _takes_lists = True
    _takes_contents = True

    def find_studies(
        self, date_from: date, date_to: date, modality: str, known: Habits = NOTHING_KNOWN
    ) -> WindowAnswer:
        """List all studies of a window that have a series of the modality.

        How the list is proved to be whole: ``mpss_lib.pull.archive.listing``.

        Parameters
        ----------
        date_from, date_to : date
            True study dates, both included.
        modality : str
        known : Habits, optional
            What is known of the archive.

        Raises
        ------
        PlatformFaultError
            If a minute's list is still cut short: the window would not be complete.
        """
        before = self.n_requests
        limit = self.settings.find_limit
        listed = list_window(
            self._list_slice, self._modalities_in, (date_from, date_to), modality, known, limit
        )
        seen = listed.seen
        if not known.is_probed and listed.studies:
            seen = self._probed(listed.studies, modality).joined(seen)
        return replace(listed, n_requests=self.n_requests - before, seen=seen)

    def _probed(self, studies: tuple[StudyAnswer, ...], modality: str) -> Habits:
        """Ask for habits on purpose; an archive that breaks off then is asked another night."""
        try:
            return probe(self._list_slice, studies, modality)
        except (ArchiveBusyError, ArchiveRefusedError) as error:
            log.warning("the archive's habits could not be learned: %s", error.problem)
            return NOTHING_KNOWN

    def find_undated(self, modality: str, known: Habits = NOTHING_KNOWN) -> WindowAnswer:
        """List the studies of any date of which the archive tells no date that can be read."""
        before = self.n_requests
        limit = self.settings.find_limit
        listed = list_undated(self._list_slice, self._modalities_in, modality, known, limit)
        return replace(listed, n_requests=self.n_requests - before)

    def find_study(self, study_uid: str) -> StudyAnswer | None:
        """Ask for one study by its UID, whatever its date; None where the archive has none."""
        rows = self._list_studies(study_query(StudyInstanceUID=study_uid))
        mine = [one for one in rows.studies if one.study_uid == study_uid]
        if rows.n_unusable and not mine:
            raise IncompleteStudyError(
                "the archive's answer for this study cannot be read",
                way_out="look at this study in the archive; then `mpss quarantine retry`",
            )
        return reduce(joined_answers, mine) if mine else None

    def find_listed(self, study_uids: Sequence[str]) -> dict[str, StudyAnswer]:
        """Ask for several studies by a list of UIDs (PS3.4 C.2.2.2.2), whatever their dates.

        Returns
        -------
        dict of str to StudyAnswer
            What came; an archive that cannot do it, or answers beside the list, gives less or
            nothing: who asks asks for each of the others alone.
        """
        if len(study_uids) < 2 or not self._takes_lists:
            return {}
        found: dict[str, StudyAnswer] = {}
        n_strays = 0
        try:
            for answer in self._find_each(study_query(StudyInstanceUID=list(study_uids))):
                study = None if answer is None else study_answer(answer)
                if study is None or study.study_uid not in study_uids:
                    n_strays += 1
                elif study.study_uid in found:
                    found[study.study_uid] = joined_answers(found[study.study_uid], study)
                else:
                    found[study.study_uid] = study
                if n_strays > len(study_uids):
                    break
        except ArchiveBusyError as error:
            log.info("the archive does not answer for a list of studies: %s", error.problem)
            self.drop()
            found = {}
        self._takes_lists = bool(found) and not n_strays
        return found if self._takes_lists else {}

    def find_accession(self, accession_number: str) -> list[StudyAnswer]:
        """Ask for the studies of an accession number, whatever their date, by UID."""
        wanted = normal_text(accession_number)
        rows = self._list_studies(study_query(AccessionNumber=literal_key(wanted)))
        return _joined(one for one in rows.studies if one.accession_number == wanted)

    def find_named(self, name: str) -> list[StudyAnswer]:
        """Ask for studies by StudyInstanceUID or, where none has it, by accession number."""
        name = normal_text(name)
        by_uid = self.find_study(name) if is_uid(name) else None
        if by_uid is not None:
            return [by_uid]
        return self.find_accession(name) if name else []

    def find_patient(self, patient_id: str) -> list[StudyAnswer]:
        """Ask for all studies of a patient by PatientID, whatever their date, by UID.

        Rows that name another PatientID than was asked for are left out.

        Raises
        ------
        IncompleteStudyError
            The archive cut the list short: a study may be missing.
        """
        wanted = normal_text(patient_id)
        if not wanted:
            return []
        rows = self._list_studies(study_query(PatientID=literal_key(wanted)))
        if rows.is_cut:
            raise IncompleteStudyError(
                f"the archive cuts the list of a patient's studies at {rows.n_rows}",
                way_out="ask the PACS team to raise its limit of C-FIND answers",
            )
        return _joined(one for one in rows.studies if one.patient_id == wanted)

    def of_modality(self, studies: Iterable[StudyAnswer], modality: str) -> list[StudyAnswer]:
        """Keep the studies that hold a modality."""
        return with_series(studies, modality, self._modalities_in)

    def find_series(self, study_uid: str) -> list[SeriesAnswer]:
        """List the series of a study (C-FIND, SERIES level), by UID.

        Raises
        ------
        UnreadableValueError
            If a modality is there and cannot be read.
        """
        query = level_query("SERIES", SERIES_KEYS, StudyInstanceUID=study_uid)
        return sorted_series(map(series_answer, self._find(query)))

    def find_objects(self, study_uid: str, series_uid: str) -> list[ObjectAnswer]:
        """List the objects of a series (C-FIND, IMAGE level), by UID."""
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        answers = self._find(level_query("IMAGE", OBJECT_KEYS, **keys))
        return sorted_objects(object_answer(one, series_uid) for one in answers)

    def find_contents(
        self, rows: Sequence[StudyAnswer], modalities: Collection[str]
    ) -> dict[str, Contents]:
        """List series and objects of several studies by two questions; see ``contents``.

        Returns
        -------
        dict of str to Contents
            By Study Instance UID; whoever lacks is asked for alone.
        """
        if len(rows) < 2 or not self._takes_contents:
            return {}
        found: dict[str, Contents] = {}
        try:
            found = list_contents(self._find_each, rows, modalities)
        except StrayAnswerError:
            log.info("the archive does not answer for the contents of several studies")
        except ArchiveBusyError as error:
            log.info("the archive lists the contents of one study at a time: %s", error.problem)
            self.drop()
        self._takes_contents = bool(found)
        return found

    def persistently(self, what: str, operation: Callable[[], T], attempts: int) -> T:
        """Repeat a read-only operation for one study when the archive breaks it off.

        Raises
        ------
        IncompleteStudyError
            If it always breaks while a C-ECHO succeeds: the fault lies with this study, the
            others must go on.
        ArchiveBusyError
            If the archive does not answer a C-ECHO either, or no such question about others.
        """
        return repeated(what, operation, attempts, self.drop, self._is_well)

    def _is_well(self, problem: str) -> str:
        self.echo()
        self.doubt_lists(problem)
        return "the archive"

    def doubt_lists(self, problem: str) -> None:
        """Raise where lists of other studies fail as well; here no other study is known."""

    # --------------------------------------------------------------- C-FIND

    def _list_slice(self, where: Slice, modality: str) -> Listed:
        """Ask for a part of a window.

        Raises
        ------
        RangeRefusedError
            If the archive cannot process the query, and a range of dates or times or the end of
            a PatientID stands in it.
        """
        try:
            return self._list_studies(slice_query(where, modality))
        except QueryFailedError as error:
            is_plain = where.n_days <= 1 and where.is_whole_day and not where.id_end
            if not is_plain and error.status >> 12 in CANNOT_PROCESS:
                raise RangeRefusedError from error
            raise

    def _list_studies(self, query: Dataset) -> Listed:
        """Ask for studies; an answer that names none is counted, a list cut short is no error."""
        studies: list[StudyAnswer] = []
        n_unusable = 0
        is_cut = False
        try:
            for answer in self._find_each(query):
                study = None if answer is None else study_answer(answer)
                if study is None:
                    n_unusable += 1
                else:
                    studies.append(study)
        except QueryFailedError as error:
            if error.status & 0xFF00 not in CUT_SHORT:
                raise
            is_cut = True
        return Listed(tuple(studies), n_unusable, is_cut)

    def _modalities_in(self, study_uid: str) -> tuple[str, ...]:
        """Modalities of a study's series; () where they cannot be listed: its fetch says why."""
        try:
            series = self.persistently("the list of series", lambda: self.find_series(study_uid), 2)
        except StudyFaultError:
            return ()
        return tuple(sorted({one.modality for one in series}))

    def _find(self, query: Dataset) -> list[Dataset]:
        answers = list(self._find_each(query))
        if not all(answers):
            raise self.failed("C-FIND (an answer that cannot be read)", PENDING_ANSWER)
        return [answer for answer in answers if answer is not None]

    def _find_each(self, query: Dataset) -> Iterator[Dataset | None]:
        """Yield the answers, None for one that cannot be decoded.

        A list is a result only if this ends without an error.
        """
        self.n_requests += 1
        for code, answer in self.association().find(query):
            if code is None:
                raise self.lost("C-FIND")
            if code in PENDING:
                yield answer
            elif code != SUCCESS:
                raise self.failed("C-FIND", code)


def _joined(rows: Iterable[StudyAnswer]) -> list[StudyAnswer]:
    """Join the rows of each study; by UID."""
    by_uid: dict[str, StudyAnswer] = {}
    for one in rows:
        before = by_uid.get(one.study_uid)
        by_uid[one.study_uid] = one if before is None else joined_answers(before, one)
    return [by_uid[uid] for uid in sorted(by_uid)]


def repeated(
    what: str,
    operation: Callable[[], T],
    attempts: int,
    drop: Callable[[], None],
    is_well: Callable[[str], str],
) -> T:
    """Repeat an operation when the archive breaks it off, over another association.

    Parameters
    ----------
    is_well : callable
        Called with what went wrong last, when it has always broken: raises where the fault is not
        this study's, else says who is well.

    Raises
    ------
    IncompleteStudyError
        Who was asked is well, and the operation always breaks.
    """
    problem = ""
    for attempt in range(attempts):
        try:
            return operation()
        except ArchiveBusyError as error:
            problem = error.problem
            drop()
        wait_before(attempt + 1)
    raise IncompleteStudyError(
        f"{what} failed {attempts} times, {is_well(problem)} is well otherwise; last: {problem}",
        way_out="look at this study in the archive; then `mpss quarantine retry`",
    )


def wait_before(attempt: int) -> None:
    """Wait longer before each further attempt: none, 0.2, 0.4, ... at most 5 s."""
    if attempt:
        time.sleep(min(0.1 * 2.0**attempt, 5.0))

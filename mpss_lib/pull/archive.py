"""Client of the hospital's archive (PACS): C-ECHO, C-FIND and C-GET in one association.

Nothing that the archive says about its own success is believed: a list counts only when its last
status is 0x0000, and what was fetched is what lies in the staging folder. ``"Status" not in s``
(an answer without a status) is how a lost association looks. No message quotes a patient, a UID
or an answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from mpss_lib.config import Sites
from mpss_lib.errors import ArchiveBusyError, IncompleteStudyError, PlatformFaultError
from mpss_lib.pull.answers import (
    DAY_S,
    ObjectAnswer,
    SeriesAnswer,
    StudyAnswer,
    WindowAnswer,
    check_uids,
    get_queries,
    halves,
    is_uid,
    make_query,
    number_of,
    object_query,
    text_of,
    texts_of,
    window_query,
)
from mpss_lib.pull.association import (
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    PENDING,
    SUCCESS,
    ArchiveAssociation,
    QueryFailedError,
)

T = TypeVar("T")

_CANNOT_SEND = tuple(f"status 0x{code:04X}" for code in (0xA702, 0xB000, *range(0xC000, 0xD000)))
"""Ends of what ``_try_get`` says where the archive has the object and cannot send it
(PS3.4 C.4.3.1.4): no accepted transfer syntax, a file that it cannot read."""


@dataclass(frozen=True)
class Delivery:
    """One object as it came.

    Parameters
    ----------
    path : Path
        A DICOM file: our file meta and the bytes as received.
    has_twin : bool
        The same SOP Instance UID came again with other bytes.
    problem : str
        Why it did not come; "" where it did.
    """

    path: Path
    has_twin: bool
    problem: str = ""


@dataclass
class _Count:
    requests: int = 0
    unusable: int = 0


class _Receiver:
    """Takes the objects of one fetch; runs in the association's thread."""

    def __init__(self, folder: Path, sop_uids: Sequence[str]) -> None:
        self._paths = {uid: folder / f"{n:05d}.dcm" for n, uid in enumerate(sop_uids)}
        self.delivered: dict[str, Delivery] = {}
        self.error: OSError | None = None

    def take(self, sop_uid: str, content: bytes) -> int:
        path = self._paths.get(sop_uid)
        if path is None:
            return SUCCESS  # not asked for (it came to the series since): the next query sees it
        try:
            return self._keep(sop_uid, path, content)
        except OSError as error:
            self.error = error
            return OUT_OF_RESOURCES

    def give_up(self, refused: Mapping[str, str]) -> None:
        """Note of objects that did not come why they did not."""
        for uid, problem in refused.items():
            self.delivered.setdefault(
                uid, Delivery(self._paths[uid], has_twin=False, problem=problem)
            )

    def _keep(self, sop_uid: str, path: Path, content: bytes) -> int:
        before = self.delivered.get(sop_uid)
        if before is not None:
            has_twin = before.has_twin or before.path.read_bytes() != content
            self.delivered[sop_uid] = Delivery(path, has_twin)
            return SUCCESS
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        self.delivered[sop_uid] = Delivery(path, has_twin=False)
        return SUCCESS


class ArchiveSession(ArchiveAssociation):
    """Queries and retrievals over one association; use it in a ``with`` statement."""

    # ------------------------------------------------------------- services

    def find_studies(self, date_from: date, date_to: date, modality: str) -> WindowAnswer:
        """List all studies of a window that have a series of the modality.

        A list that the archive cut short (status 0xA700, or ``find_limit`` answers) is asked for
        again in halves: by dates, then by times of the day.

        Raises
        ------
        PlatformFaultError
            If a minute's list is still cut short: the window would not be complete.
        """
        found: dict[str, StudyAnswer] = {}
        count = _Count()
        self._find_window(found, count, (date_from, date_to), (0, DAY_S), modality)
        wanted = [study for study in found.values() if modality in study.modalities]
        wanted.sort(key=lambda study: study.study_uid)
        return WindowAnswer(tuple(wanted), count.requests, count.unusable)

    def find_series(self, study_uid: str) -> list[SeriesAnswer]:
        """List the series of a study (C-FIND, SERIES level), by UID."""
        query = make_query("SERIES", StudyInstanceUID=study_uid)
        for keyword in ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances"):
            setattr(query, keyword, "")
        series = [
            SeriesAnswer(
                text_of(answer, "SeriesInstanceUID"),
                text_of(answer, "Modality"),
                number_of(answer, "NumberOfSeriesRelatedInstances"),
            )
            for answer in self._find(query)
        ]
        check_uids([one.series_uid for one in series], "series")
        return sorted(series, key=lambda one: one.series_uid)

    def find_objects(self, study_uid: str, series_uid: str) -> list[ObjectAnswer]:
        """List the objects of a series (C-FIND, IMAGE level), by UID."""
        query = make_query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
        query.SOPInstanceUID = ""
        query.SOPClassUID = ""
        query.AvailableTransferSyntaxUID = ""
        objects = [
            ObjectAnswer(
                series_uid,
                text_of(answer, "SOPInstanceUID"),
                text_of(answer, "SOPClassUID"),
                text_of(answer, "AvailableTransferSyntaxUID"),
            )
            for answer in self._find(query)
        ]
        check_uids([one.sop_uid for one in objects], "object")
        return sorted(objects, key=lambda one: one.sop_uid)

    def fetch(
        self,
        study_uid: str,
        wanted: Sequence[ObjectAnswer],
        whole_series: frozenset[str],
        folder: Path,
        attempts: int,
        spared: frozenset[str] = frozenset(),
    ) -> dict[str, Delivery]:
        """Fetch objects into a folder by C-GET, and again one by one what did not come.

        Parameters
        ----------
        study_uid : str
        wanted : sequence of ObjectAnswer
            The manifest.
        whole_series : frozenset of str
            Series of which every object is wanted: asked for as a whole.
        folder : Path
            Must be there. File names are made here, never by the archive.
        attempts : int
            How often a missing object is asked for.
        spared : frozenset of str
            SOP Instance UIDs of objects that nobody waits for.

        Returns
        -------
        dict of str to Delivery
            By SOP Instance UID; every wanted object is in it. One that the archive has and, asked
            for alone, says it cannot send, and a spared one that does not come, carry a problem.

        Raises
        ------
        IncompleteStudyError
            If objects are still missing while the archive is well.
        ArchiveBusyError
            If the archive went away.
        """
        receiver = self.receiver = _Receiver(folder, [one.sop_uid for one in wanted])
        size = self.settings.uids_per_request
        problem = ""
        refused: dict[str, str] = {}
        try:
            for query in get_queries(study_uid, wanted, whole_series, size):
                problem = self._try_get(query) or problem
            for attempt in range(attempts):
                missing = [one for one in wanted if one.sop_uid not in receiver.delivered]
                if not missing or receiver.error is not None:
                    break
                _wait_before(attempt)
                for one in missing:
                    answer = self._try_get(object_query(study_uid, one))
                    problem = answer or problem
                    if one.sop_uid in spared or answer.endswith(_CANNOT_SEND):
                        refused[one.sop_uid] = answer or "the request ended with success"
        finally:
            self.receiver = None
        receiver.give_up(refused)
        self._check_delivery(receiver, len(wanted), problem)
        return receiver.delivered

    def _check_delivery(self, receiver: _Receiver, n_wanted: int, problem: str) -> None:
        if receiver.error is not None:
            raise PlatformFaultError(
                f"the staging folder refused a file: {receiver.error.strerror}",
                way_out="free disk space or correct its rights, then run again",
            ) from receiver.error
        n_missing = n_wanted - len(receiver.delivered)
        if n_missing:
            self.echo()  # raises where the archive itself is gone
            raise IncompleteStudyError(
                f"{n_missing} of {n_wanted} announced objects did not come"
                f" ({problem or 'every request ended with success'})",
                way_out="look at this study in the archive; then `mpss quarantine retry`",
            )

    def persistently(self, what: str, operation: Callable[[], T], attempts: int) -> T:
        """Repeat a read-only operation for one study when the archive breaks it off.

        Raises
        ------
        IncompleteStudyError
            If it always breaks while a C-ECHO succeeds: the fault lies with this study, the
            others must go on.
        ArchiveBusyError
            If the archive does not answer a C-ECHO either.
        """
        for attempt in range(attempts):
            try:
                return operation()
            except ArchiveBusyError as error:
                problem = error.problem
                self.drop()
            _wait_before(attempt + 1)
        self.echo()
        raise IncompleteStudyError(
            f"{what} failed {attempts} times, the archive is well otherwise; last: {problem}",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )

    # --------------------------------------------------------------- C-FIND

    def _find_window(
        self,
        found: dict[str, StudyAnswer],
        count: _Count,
        days: tuple[date, date],
        seconds: tuple[int, int],
        modality: str,
    ) -> None:
        is_cut = False
        answers: list[Dataset] = []
        count.requests += 1
        try:
            for answer in self._find_each(window_query(days, seconds, modality)):
                answers.append(answer)  # noqa: PERF402 - kept when the list ends in an error
        except QueryFailedError as error:
            if error.status & 0xFF00 != OUT_OF_RESOURCES:
                raise
            is_cut = True
        limit = self.settings.find_limit
        is_cut = is_cut or bool(limit and len(answers) >= limit)
        for answer in answers:
            self._take_study(found, count, answer)
        if is_cut:
            for half_days, half_seconds in halves(days, seconds):
                self._find_window(found, count, half_days, half_seconds, modality)

    def _take_study(self, found: dict[str, StudyAnswer], count: _Count, answer: Dataset) -> None:
        uid = text_of(answer, "StudyInstanceUID")
        if not is_uid(uid):
            count.unusable += 1
            return
        if uid in found:
            return
        modalities = texts_of(answer, "ModalitiesInStudy")
        n_series = number_of(answer, "NumberOfStudyRelatedSeries")
        if not modalities:  # the archive does not compute it: look at the series
            series = self.find_series(uid)
            modalities = tuple(sorted({one.modality for one in series}))
            n_series = len(series)
        found[uid] = StudyAnswer(
            study_uid=uid,
            patient_id=text_of(answer, "PatientID"),
            issuer=text_of(answer, "IssuerOfPatientID"),
            patient_name=text_of(answer, "PatientName"),
            birth_date=text_of(answer, "PatientBirthDate"),
            accession_number=text_of(answer, "AccessionNumber"),
            study_date=text_of(answer, "StudyDate"),
            study_time=text_of(answer, "StudyTime"),
            modalities=tuple(sorted(modalities)),
            n_series=n_series,
            n_objects=number_of(answer, "NumberOfStudyRelatedInstances"),
        )

    def _find(self, query: Dataset) -> list[Dataset]:
        return list(self._find_each(query))

    def _find_each(self, query: Dataset) -> Iterator[Dataset]:
        """Yield the answers; a list is a result only if this ends without an error."""
        model = StudyRootQueryRetrieveInformationModelFind
        for status, answer in self.association().send_c_find(query, model):
            if "Status" not in status:
                raise self.lost("C-FIND")
            code = int(status.Status)
            if code in PENDING:
                if answer is None:
                    raise self.failed("C-FIND (an answer that cannot be read)", code)
                yield answer
            elif code != SUCCESS:
                raise self.failed("C-FIND", code)

    # ---------------------------------------------------------------- C-GET

    def _try_get(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did."""
        try:
            model = StudyRootQueryRetrieveInformationModelGet
            code = SUCCESS
            for status, _ in self.association().send_c_get(query, model):
                if "Status" not in status:
                    raise self.lost("C-GET")
                code = int(status.Status)
            if code in NOT_AUTHORISED:
                raise self.failed("C-GET", code)
        except ArchiveBusyError as error:
            self.drop()
            return error.problem
        return "" if code == SUCCESS else f"C-GET ended with status 0x{code:04X}"


def echo(sites: Sites) -> None:
    """Verify the archive of a site (C-ECHO); raises what is wrong, with the way out."""
    with ArchiveSession(sites.archive) as session:
        session.echo()


def _wait_before(attempt: int) -> None:
    """Wait longer before each further attempt: none, 0.2, 0.4, ... at most 5 s."""
    if attempt:
        time.sleep(min(0.1 * 2.0**attempt, 5.0))

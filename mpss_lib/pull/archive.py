"""Client of the hospital's archive (PACS): C-ECHO, C-FIND and C-GET in one association.

Nothing that the archive says about its own success is believed: a list counts only when its last
status is 0x0000, and what was fetched is what lies in the staging folder. ``"Status" not in s``
(an answer without a status) is how a lost association looks. No message quotes a patient, a UID
or an answer.
"""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE, _config, build_role, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from mpss_lib.config import Sites, SiteSettings
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveDownError,
    ArchiveRefusedError,
    IncompleteStudyError,
    PlatformFaultError,
)

log = logging.getLogger(__name__)

FETCHED_CLASSES: tuple[UID, ...] = (
    NuclearMedicineImageStorage,
    # Only asked for where the archive does not say the class of an object of modality NM.
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)
MAXIMUM_PDU = 131072

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_AUTHORISED = frozenset({0x0122, 0x0124})
PENDING = frozenset({0xFF00, 0xFF01})

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_SHORTEST_SPLIT_S = 60
_DAY_S = 86400

T = TypeVar("T")


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
    """One object as the archive announces it; ``sop_class`` is "" where it does not say it."""

    series_uid: str
    sop_uid: str
    sop_class: str


@dataclass(frozen=True)
class WindowAnswer:
    """Every study of a window, once, and what it took to be sure of that."""

    studies: tuple[StudyAnswer, ...]
    n_requests: int
    n_unusable: int


class QueryFailedError(ArchiveBusyError):
    """The archive ended a query with a status that is not success; ``status`` says which."""

    def __init__(self, problem: str, *, way_out: str, status: int) -> None:
        super().__init__(problem, way_out=way_out)
        self.status = status


class ArchiveSession:
    """One association with the archive, opened when needed and again when it was lost.

    Use it in a ``with`` statement. Not for several threads at once.

    Parameters
    ----------
    settings : SiteSettings
        Host, port, AE titles, time-outs.
    """

    def __init__(self, settings: SiteSettings) -> None:
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines may quote patients
        self.settings = settings
        self._assoc: Association | None = None
        self._receiver: _Receiver | None = None
        self._is_reached = False

    def __enter__(self) -> ArchiveSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association."""
        if self._assoc is not None and self._assoc.is_established:
            self._assoc.release()
        self._assoc = None

    # ------------------------------------------------------------- services

    def echo(self) -> None:
        """Verify that the archive answers (C-ECHO).

        Raises
        ------
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError
        """
        status = self._association().send_c_echo()
        if "Status" not in status:
            raise self._lost("C-ECHO")
        if status.Status != SUCCESS:
            raise self._failed("C-ECHO", int(status.Status))

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
        self._find_window(found, count, (date_from, date_to), (0, _DAY_S), modality)
        wanted = [study for study in found.values() if modality in study.modalities]
        wanted.sort(key=lambda study: study.study_uid)
        return WindowAnswer(tuple(wanted), count.requests, count.unusable)

    def find_series(self, study_uid: str) -> list[SeriesAnswer]:
        """List the series of a study (C-FIND, SERIES level), by UID."""
        query = _query("SERIES", StudyInstanceUID=study_uid)
        for keyword in ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances"):
            setattr(query, keyword, "")
        series = [
            SeriesAnswer(
                _text(answer, "SeriesInstanceUID"),
                _text(answer, "Modality"),
                _number(answer, "NumberOfSeriesRelatedInstances"),
            )
            for answer in self._find(query)
        ]
        _check_uids([one.series_uid for one in series], "series")
        return sorted(series, key=lambda one: one.series_uid)

    def find_objects(self, study_uid: str, series_uid: str) -> list[ObjectAnswer]:
        """List the objects of a series (C-FIND, IMAGE level), by UID."""
        query = _query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
        query.SOPInstanceUID = ""
        query.SOPClassUID = ""
        objects = [
            ObjectAnswer(series_uid, _text(answer, "SOPInstanceUID"), _text(answer, "SOPClassUID"))
            for answer in self._find(query)
        ]
        _check_uids([one.sop_uid for one in objects], "object")
        return sorted(objects, key=lambda one: one.sop_uid)

    def fetch(
        self,
        study_uid: str,
        wanted: Sequence[ObjectAnswer],
        whole_series: frozenset[str],
        folder: Path,
        attempts: int,
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

        Returns
        -------
        dict of str to Delivery
            By SOP Instance UID; every wanted object is in it.

        Raises
        ------
        IncompleteStudyError
            If objects are still missing while the archive is well.
        ArchiveBusyError
            If the archive went away.
        """
        receiver = self._receiver = _Receiver(folder, [one.sop_uid for one in wanted])
        problem = ""
        try:
            for query in _requests(study_uid, wanted, whole_series, self.settings.uids_per_request):
                problem = self._try_get(query) or problem
            for attempt in range(attempts):
                missing = [one for one in wanted if one.sop_uid not in receiver.delivered]
                if not missing:
                    break
                time.sleep(min(0.1 * 2**attempt, 5.0) if attempt else 0.0)
                for one in missing:
                    problem = self._try_get(_object_query(study_uid, one)) or problem
        finally:
            self._receiver = None
        if receiver.error is not None:
            raise PlatformFaultError(
                f"the staging folder refused a file: {receiver.error.strerror}",
                way_out="free disk space or correct its rights, then run again",
            ) from receiver.error
        missing_count = len(wanted) - len(receiver.delivered)
        if missing_count:
            raise self._incomplete(missing_count, len(wanted), problem)
        return receiver.delivered

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
                self._drop()
            time.sleep(min(0.1 * 2**attempt, 5.0))
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
            for answer in self._find_each(_window_query(days, seconds, modality)):
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
            for half_days, half_seconds in _halves(days, seconds):
                self._find_window(found, count, half_days, half_seconds, modality)

    def _take_study(self, found: dict[str, StudyAnswer], count: _Count, answer: Dataset) -> None:
        uid = _text(answer, "StudyInstanceUID")
        if not is_uid(uid):
            count.unusable += 1
            return
        if uid in found:
            return
        modalities = _texts(answer, "ModalitiesInStudy")
        n_series = _number(answer, "NumberOfStudyRelatedSeries")
        if not modalities:  # the archive does not compute it: look at the series
            series = self.find_series(uid)
            modalities = tuple(sorted({one.modality for one in series}))
            n_series = len(series)
        found[uid] = StudyAnswer(
            study_uid=uid,
            patient_id=_text(answer, "PatientID"),
            issuer=_text(answer, "IssuerOfPatientID"),
            patient_name=_text(answer, "PatientName"),
            birth_date=_text(answer, "PatientBirthDate"),
            accession_number=_text(answer, "AccessionNumber"),
            study_date=_text(answer, "StudyDate"),
            study_time=_text(answer, "StudyTime"),
            modalities=tuple(sorted(modalities)),
            n_series=n_series,
            n_objects=_number(answer, "NumberOfStudyRelatedInstances"),
        )

    def _find(self, query: Dataset) -> list[Dataset]:
        return list(self._find_each(query))

    def _find_each(self, query: Dataset) -> Iterator[Dataset]:
        """Yield the answers; a list is a result only if this ends without an error."""
        model = StudyRootQueryRetrieveInformationModelFind
        for status, answer in self._association().send_c_find(query, model):
            if "Status" not in status:
                raise self._lost("C-FIND")
            code = int(status.Status)
            if code in PENDING:
                if answer is None:
                    raise self._failed("C-FIND (an answer that cannot be read)", code)
                yield answer
            elif code != SUCCESS:
                raise self._failed("C-FIND", code)

    # ---------------------------------------------------------------- C-GET

    def _try_get(self, query: Dataset) -> str:
        """Ask once; say what went wrong, "" if nothing did."""
        try:
            model = StudyRootQueryRetrieveInformationModelGet
            code = SUCCESS
            for status, _ in self._association().send_c_get(query, model):
                if "Status" not in status:
                    raise self._lost("C-GET")
                code = int(status.Status)
            if code in NOT_AUTHORISED:
                raise self._failed("C-GET", code)
        except ArchiveBusyError as error:
            self._drop()
            return error.problem
        return "" if code == SUCCESS else f"C-GET ended with status 0x{code:04X}"

    def _incomplete(self, n_missing: int, n_wanted: int, problem: str) -> IncompleteStudyError:
        self.echo()  # raises where the archive itself is gone
        return IncompleteStudyError(
            f"{n_missing} of {n_wanted} announced objects did not come"
            f" ({problem or 'every request ended with success'})",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )

    # ---------------------------------------------------------- association

    def _association(self) -> Association:
        if self._assoc is not None and self._assoc.is_established:
            return self._assoc
        self._drop()
        site = self.settings
        entity = _application_entity(site)
        self._is_reached = False
        roles = [build_role(uid, scp_role=True) for uid in FETCHED_CLASSES]
        with pydicom.config.disable_value_validation():
            assoc = entity.associate(
                site.archive_host,
                site.archive_port,
                ae_title=site.called_aet,
                ext_neg=roles,
                evt_handlers=[
                    (evt.EVT_CONN_OPEN, self._on_open),
                    (evt.EVT_C_STORE, self._on_store),
                ],
            )
        if not assoc.is_established:
            raise self._not_established(assoc)
        self._assoc = assoc
        self._check_contexts(assoc)
        return assoc

    def _drop(self) -> None:
        if self._assoc is not None and self._assoc.is_established:
            self._assoc.abort()
        self._assoc = None

    def _on_open(self, event: evt.Event) -> None:
        """Note that somebody answered; set TCP_NODELAY (Nagle costs 40 ms for each object)."""
        self._is_reached = True
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _on_store(self, event: evt.Event) -> int:
        if self._receiver is None:
            return SUCCESS  # a late object of a request that was given up: nothing keeps it
        return self._receiver.take(
            str(event.request.AffectedSOPInstanceUID), event.encoded_dataset()
        )

    def _check_contexts(self, assoc: Association) -> None:
        accepted = {context.abstract_syntax: context for context in assoc.accepted_contexts}
        storage = accepted.get(NuclearMedicineImageStorage)
        lacking = [
            name
            for name, is_there in (
                ("C-FIND", StudyRootQueryRetrieveInformationModelFind in accepted),
                ("C-GET", StudyRootQueryRetrieveInformationModelGet in accepted),
                ("NM objects over C-GET (role SCP)", storage is not None and storage.as_scp),
            )
            if not is_there
        ]
        if lacking:
            assoc.release()
            self._assoc = None
            raise ArchiveRefusedError(
                f"the archive at {self._where()} does not offer {', '.join(lacking)}",
                way_out="ask the PACS team to allow these services for our AE title",
            )

    def _not_established(self, assoc: Association) -> PlatformFaultError | ArchiveBusyError:
        if not self._is_reached:
            return ArchiveDownError(
                f"nobody answers at {self._where()}",
                way_out="check host and port (site.archive_host, site.archive_port), the network"
                " and whether the archive runs",
            )
        answer = assoc.acceptor.primitive
        if assoc.is_rejected and answer is not None:
            return self._rejected(answer)
        if assoc.rejected_contexts:
            return ArchiveRefusedError(
                f"the archive at {self._where()} accepts none of our services",
                way_out="ask the PACS team to allow C-ECHO, C-FIND and C-GET for our AE title",
            )
        return ArchiveBusyError(
            f"the archive at {self._where()} broke off while we called",
            way_out="try again; if it lasts, ask the PACS team for its log (AE title, TLS)",
        )

    def _rejected(self, answer: Any) -> ArchiveRefusedError | ArchiveBusyError:
        reason = str(answer.reason_str)
        if answer.result == 0x02:  # transient (PS3.8 table 9-21)
            return ArchiveBusyError(
                f"the archive at {self._where()} is busy: {reason}",
                way_out="try again later; use fewer associations (pool mpss_pacs)",
            )
        return ArchiveRefusedError(
            f"the archive at {self._where()} refused us: {reason}",
            way_out="let the PACS team enter our AE title, or correct site.calling_aet and"
            " site.called_aet",
        )

    def _lost(self, service: str) -> ArchiveBusyError:
        self._drop()
        return ArchiveBusyError(
            f"{service}: the archive at {self._where()} broke off or did not answer in"
            f" {self.settings.dimse_timeout_s:g} s",
            way_out="try again; if it lasts, check that the archive knows our AE title and raise"
            " site.dimse_timeout_s",
        )

    def _failed(self, service: str, code: int) -> PlatformFaultError | ArchiveBusyError:
        problem = f"{service}: the archive at {self._where()} answered 0x{code:04X}"
        if code in NOT_AUTHORISED:
            return ArchiveRefusedError(
                problem, way_out="ask the PACS team to allow this service for our AE title"
            )
        return QueryFailedError(
            problem, way_out="try again; if it lasts, ask the PACS team for its log", status=code
        )

    def _where(self) -> str:
        site = self.settings
        return (
            f"{site.archive_host}:{site.archive_port}"
            f" (called {site.called_aet}, calling {site.calling_aet})"
        )


@dataclass(frozen=True)
class Delivery:
    """One object as it came.

    Parameters
    ----------
    path : Path
        A DICOM file: our file meta and the bytes as received.
    has_twin : bool
        The same SOP Instance UID came again with other bytes.
    """

    path: Path
    has_twin: bool


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


def echo(sites: Sites) -> None:
    """Verify the archive of a site (C-ECHO); raises what is wrong, with the way out."""
    with ArchiveSession(sites.archive) as session:
        session.echo()


def is_uid(text: str) -> bool:
    """Whether a text is a UID (PS3.5 section 9.1): digits and dots, at most 64 characters."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def _application_entity(site: SiteSettings) -> AE:
    entity = AE(site.calling_aet)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.connection_timeout = site.connection_timeout_s
    entity.acse_timeout = site.acse_timeout_s
    entity.dimse_timeout = site.dimse_timeout_s
    entity.network_timeout = None  # an idle association is the archive's to end
    entity.add_requested_context(Verification)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    for uid in FETCHED_CLASSES:
        entity.add_requested_context(
            uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless]
        )
    return entity


def _query(level: str, **keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def _window_query(days: tuple[date, date], seconds: tuple[int, int], modality: str) -> Dataset:
    query = _query("STUDY", StudyDate=f"{days[0]:%Y%m%d}-{days[1]:%Y%m%d}")
    query.StudyTime = "" if seconds == (0, _DAY_S) else _time_range(seconds)
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


def _halves(
    days: tuple[date, date], seconds: tuple[int, int]
) -> list[tuple[tuple[date, date], tuple[int, int]]]:
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


def _requests(
    study_uid: str, wanted: Sequence[ObjectAnswer], whole_series: frozenset[str], size: int
) -> Iterator[Dataset]:
    """C-GET identifiers: whole series by lists of series, the others by lists of objects."""
    by_series: dict[str, list[str]] = {}
    for one in wanted:
        by_series.setdefault(one.series_uid, []).append(one.sop_uid)
    whole = [uid for uid in by_series if uid in whole_series]
    for start in range(0, len(whole), size):
        query = _query("SERIES", StudyInstanceUID=study_uid)
        query.SeriesInstanceUID = whole[start : start + size]
        yield query
    for series_uid, sop_uids in by_series.items():
        if series_uid in whole_series:
            continue
        for start in range(0, len(sop_uids), size):
            query = _query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid)
            query.SOPInstanceUID = sop_uids[start : start + size]
            yield query


def _object_query(study_uid: str, one: ObjectAnswer) -> Dataset:
    return _query(
        "IMAGE",
        StudyInstanceUID=study_uid,
        SeriesInstanceUID=one.series_uid,
        SOPInstanceUID=one.sop_uid,
    )


def _check_uids(uids: Sequence[str], what: str) -> None:
    bad = sum(not is_uid(uid) for uid in uids)
    if bad or len(set(uids)) != len(uids):
        raise IncompleteStudyError(
            f"the archive announces {len(uids)} {what}s, {bad} without a valid UID,"
            f" {len(uids) - len(set(uids))} more than once",
            way_out="look at this study in the archive; then `mpss quarantine retry`",
        )


def _text(answer: Dataset, keyword: str) -> str:
    with pydicom.config.disable_value_validation():
        value = answer.get(keyword)
    return "" if value is None else str(value).strip().strip("\0")


def _texts(answer: Dataset, keyword: str) -> tuple[str, ...]:
    with pydicom.config.disable_value_validation():
        value = answer.get(keyword)
    if value is None or value == "":
        return ()
    many: Sequence[object] = [value] if isinstance(value, str) else list(value)
    return tuple(sorted({str(part).strip() for part in many if str(part).strip()}))


def _number(answer: Dataset, keyword: str) -> int | None:
    text = _text(answer, keyword)
    return int(text) if re.fullmatch(r"[0-9]+", text) else None

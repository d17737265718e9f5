"""Client of the hospital's archive (PACS): C-ECHO, C-FIND and C-GET in one association.

Nothing that the archive says about its own success is believed: a list counts only when its last
status is 0x0000, and what was fetched is what lies in the staging folder. ``"Status" not in s``
(an answer without a status) is how a lost association looks. No message quotes a patient, a UID
or an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet

from mpss_lib.config import Sites
from mpss_lib.dicom.syntaxes import NAMED
from mpss_lib.errors import ArchiveBusyError, IncompleteStudyError, PlatformFaultError
from mpss_lib.pull.answers import ObjectAnswer
from mpss_lib.pull.association import LOSSLESS, NOT_AUTHORISED, OUT_OF_RESOURCES, SUCCESS
from mpss_lib.pull.queries import get_queries, object_query
from mpss_lib.pull.questions import ArchiveQuestions, wait_before

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
            missing = Delivery(self._paths[uid], has_twin=False, problem=problem)
            self.delivered.setdefault(uid, missing)

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


class ArchiveSession(ArchiveQuestions):
    """Queries and retrievals over one association; use it in a ``with`` statement."""

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
                wait_before(attempt)
                for one in missing:
                    answer = self._try_get(object_query(study_uid, one))
                    problem = answer or problem
                    if one.sop_uid in spared or answer.endswith(_CANNOT_SEND):
                        refused[one.sop_uid] = answer or "the request ended with success"
            self._ask_in_any_syntax(study_uid, [one for one in wanted if one.sop_uid in refused])
        finally:
            self.receiver = None
        receiver.give_up(refused)
        self._check_delivery(receiver, len(wanted), problem)
        return receiver.delivered

    def _ask_in_any_syntax(self, study_uid: str, refused: Sequence[ObjectAnswer]) -> None:
        """Ask once more for what the archive cannot send, in syntaxes that are not decoded.

        What then comes is left, but by the name of its syntax. They are not offered otherwise:
        an archive might prefer them.
        """
        if not refused:
            return
        self.drop()
        self.offered = NAMED
        try:
            for one in refused:
                self._try_get(object_query(study_uid, one))
        finally:
            self.drop()
            self.offered = LOSSLESS

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

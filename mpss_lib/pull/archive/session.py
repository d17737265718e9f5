"""Client of the hospital's archive (PACS): C-ECHO, C-FIND and C-GET in one association.

Nothing that the archive says about its own success is believed: a list counts only when its last
status is 0x0000, and what was fetched is what lies in the staging folder. ``"Status" not in s``
(an answer without a status) is how a lost association looks. No message quotes a patient, a UID
or an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet

from mpss_lib.config import Sites
from mpss_lib.dicom.syntaxes import LOSSLESS, NAMED
from mpss_lib.errors import (
    ArchiveBusyError,
    IncompleteStudyError,
    PlatformFaultError,
    SettingsError,
)
from mpss_lib.pull.archive.answers import ObjectAnswer
from mpss_lib.pull.archive.association import (
    NOT_AUTHORISED,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from mpss_lib.pull.archive.queries import get_queries, object_query
from mpss_lib.pull.archive.questions import ArchiveQuestions, wait_before
from mpss_lib.tables import Lake

_NAMES = frozenset(syntax.name for syntax in NAMED)

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
    syntax : str
        Name of the transfer syntax in which it is stored, where that is why it did not come.
    """

    path: Path
    has_twin: bool
    problem: str = ""
    syntax: str = ""


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

    def give_up(self, sop_uid: str, problem: str, syntax: str) -> None:
        """Note of an object that did not come why it did not."""
        missing = Delivery(self._paths[sop_uid], False, problem, syntax)
        self.delivered.setdefault(sop_uid, missing)

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
        answers: dict[str, str] = {}
        try:
            for query in get_queries(study_uid, wanted, whole_series, size):
                problem = self._try_get(query) or problem
            for attempt in range(attempts):
                missing = [one for one in wanted if one.sop_uid not in receiver.delivered]
                if not missing or receiver.error is not None:
                    break
                wait_before(attempt)
                for one in missing:
                    answers[one.sop_uid] = self._try_get(object_query(study_uid, one))
                    problem = answers[one.sop_uid] or problem
            self._fetch_otherwise(study_uid, wanted, receiver)
        finally:
            self.receiver = None
        for uid, answer in answers.items():
            syntax = self.stored_as.get(uid, "")
            syntax = syntax if syntax in _NAMES else ""
            if uid in spared or syntax or answer.endswith(_CANNOT_SEND):
                receiver.give_up(uid, answer or "every request ended with success", syntax)
        self._check_delivery(receiver, len(wanted), problem)
        return receiver.delivered

    def _fetch_otherwise(
        self, study_uid: str, wanted: Sequence[ObjectAnswer], receiver: _Receiver
    ) -> None:
        """Ask for what did not come in the syntaxes in which it may be stored.

        Some archives send over the first context that they accepted and cannot where the object is
        compressed. What comes in a syntax that is not accepted is not kept; ``stored_as`` names it.
        """
        for syntaxes in (LOSSLESS, NAMED):
            missing = [
                one
                for one in wanted
                if one.sop_uid not in receiver.delivered and one.sop_uid not in self.stored_as
            ]
            if not missing or receiver.error is not None:
                return
            with self.offering(syntaxes):
                for one in missing:
                    self._try_get(object_query(study_uid, one))

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
                f" ({self._why_not(problem)})",
                way_out="look at this study in the archive; then `mpss quarantine retry`",
            )

    def _why_not(self, problem: str) -> str:
        names = sorted({name for name in self.stored_as.values() if name in _NAMES})
        stored = f"; stored as {', '.join(names)}, which is not accepted" if names else ""
        return (problem or "every request ended with success") + stored

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


@contextmanager
def archive_of(
    sites: Sites, lake: Lake, session: ArchiveSession | None = None
) -> Iterator[ArchiveSession]:
    """Use the caller's association, or one of our own that ends with the block.

    Raises
    ------
    SettingsError
        The vault or the staging folder lies inside the lake, which researchers read.
    """
    root = lake.root.resolve()
    for name, path in (("vault", sites.vault), ("staging", sites.staging)):
        if path.resolve().is_relative_to(root):
            raise SettingsError(
                f"the {name} ({path.name}) lies inside the lake",
                way_out="put it beside the lake: it holds identifiers",
            )
    with ArchiveSession(sites.archive) if session is None else nullcontext(session) as archive:
        yield archive

"""An association with the archive: opened when needed, its faults named by what to do next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from types import TracebackType
from typing import Any, Protocol, TypeVar

from pydicom.config import disable_value_validation
from pydicom.uid import (
    UID,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from pynetdicom import AE, _config, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.dicom.syntaxes import LOSSLESS, NAMED, PLAIN
from mpss_lib.errors import (
    ArchiveBusyError,
    ArchiveClosedError,
    ArchiveDownError,
    ArchiveRefusedError,
    PlatformFaultError,
)
from mpss_lib.pull.archive.dialogue import Dialogue
from mpss_lib.pull.archive.gate import Gate
from mpss_lib.pull.archive.line import Line
from mpss_lib.pull.archive.tls import ToldContext, tls_arguments, why_refused

CONTOUR_CLASSES: tuple[UID, ...] = (RTStructureSetStorage, SegmentationStorage)
"""Regions that somebody drew: fetched where the archive offers them."""
FETCHED_CLASSES: tuple[UID, ...] = (
    NuclearMedicineImageStorage,
    *CONTOUR_CLASSES,
    # Only asked for where the archive does not say the class of an object of modality NM.
    SecondaryCaptureImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)
OFFER: tuple[tuple[UID, ...], ...] = (PLAIN, *((syntax,) for syntax in LOSSLESS))
"""Transfer syntaxes of the presentation contexts of each class: what is compressed each in one of
its own, so that an archive that does not decompress can send every object as it is stored. Nothing
lossy is offered: an archive might prefer it."""
MAXIMUM_PDU = 131072

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700
NOT_AUTHORISED = frozenset({0x0122, 0x0124})

Self = TypeVar("Self", bound="ArchiveAssociation")


class QueryFailedError(ArchiveBusyError):
    """The archive ended a query with a status that is not success; ``status`` says which."""

    def __init__(self, problem: str, *, way_out: str, status: int) -> None:
        super().__init__(problem, way_out=way_out)
        self.status = status


class Receiver(Protocol):
    """Takes the objects that the archive sends."""

    def take(self, sop_uid: str, content: bytes) -> int:
        """Keep an object; the answer is the status of its C-STORE."""


class ArchiveAssociation:
    """One association with the archive, opened when needed and again when it was lost.

    Use it in a ``with`` statement. Not for several threads at once.

    Parameters
    ----------
    settings : ArchiveSettings
        Host, port, AE titles, time-outs.
    gate : Gate, optional
        What every request passes; nothing holds it up by default.
    also : sequence of UID
        SOP classes that are fetched beside ``FETCHED_CLASSES``.
    """

    def __init__(
        self, settings: ArchiveSettings, gate: Gate | None = None, also: Sequence[UID] = ()
    ) -> None:
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines may quote patients
        self.settings = settings
        self.gate = gate or Gate(None, settings)
        self.n_requests = 0
        self._assoc: Dialogue | None = None
        self.receiver: Receiver | None = None
        self.quiet_elsewhere_s: Callable[[], float] | None = None
        self._line: Line | None = None
        self._offer = OFFER
        self._classes = (*FETCHED_CLASSES, *also)
        self.stored_as: dict[str, str] = {}

    def __enter__(self: Self) -> Self:
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
        if self._assoc is not None:
            self._assoc.release()
        self._forget()

    def echo(self) -> None:
        """Verify that the archive answers (C-ECHO).

        Raises
        ------
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError
        """
        code = self.association().echo()
        if code is None:
            raise self.lost("C-ECHO")
        if code != SUCCESS:
            raise self.failed("C-ECHO", code)

    # ---------------------------------------------------------- association

    def association(self) -> Dialogue:
        """Open the association, or give the one that is open.

        Raises
        ------
        ArchiveDownError, ArchiveRefusedError, ArchiveBusyError, ArchiveClosedError
        """
        self._check_gate()
        if self._assoc is not None and self._assoc.is_established:
            return self._assoc
        self.drop()
        self.gate.sit()
        to = self.settings
        entity = requesting_entity(to, self._offer, self._classes)
        tls = tls_arguments(to)
        roles = [build_role(uid, scp_role=True) for uid in self._classes if self._gets]
        try:
            with disable_value_validation():  # UIDs of a negotiation are compared, never kept
                assoc = entity.associate(
                    to.host,
                    to.port,
                    ae_title=to.called_aet,
                    max_pdu=MAXIMUM_PDU,
                    ext_neg=roles,
                    tls_args=tls,
                    evt_handlers=[(evt.EVT_CONN_OPEN, self._on_open)],
                )
        except OSError as unknown:  # the host's name is not known
            raise self._down() from unknown
        if self._line is None or not assoc.is_established:
            error = self._tls_refused(tls) or self._not_established(assoc)
            self._forget(assoc)
            raise error
        self._assoc = Dialogue(assoc, self._line, to.dimse_timeout_s, self._on_store)
        if self._offer is OFFER:
            self._check_contexts()
        return self._assoc

    @contextmanager
    def offering(self, syntaxes: Sequence[UID]) -> Iterator[None]:
        """Open other associations within the block: nothing but these syntaxes is accepted."""
        self.drop()
        self._offer = tuple((syntax,) for syntax in syntaxes)
        try:
            yield
        finally:
            self.drop()
            self._offer = OFFER

    def drop(self) -> None:
        """Abort the association: the next request opens another one."""
        if self._assoc is not None:
            self._assoc.abort()
        self._forget()

    def _forget(self, refused: Association | None = None) -> None:
        """Close the socket: pynetdicom leaves one that the archive has closed first open."""
        if refused is not None and refused.dul.is_alive():
            refused.dul.join(timeout=1.0)
        if self._line is not None:
            self._line.socket.close()
        self._assoc = self._line = None
        self.gate.stand()

    def _check_gate(self) -> None:
        """Break off, also in the middle of a transfer, where somebody has stopped all traffic."""
        try:
            self.gate.check()
        except ArchiveClosedError:
            self.drop()
            raise

    def _on_open(self, event: evt.Event) -> None:
        """Note that somebody answered, and watch the line."""
        self._line = Line(
            event.assoc, self.settings.dimse_timeout_s, self._quiet_elsewhere_s, self.gate.check
        )

    def _quiet_elsewhere_s(self) -> float:
        return inf if self.quiet_elsewhere_s is None else self.quiet_elsewhere_s()

    def _on_store(self, sop_uid: str, syntax: UID, file: bytes) -> int:
        if self.receiver is None:
            return SUCCESS  # a late object of a request that was given up: nothing keeps it
        if self._offer is not OFFER:
            self.stored_as[sop_uid] = syntax.name
            if syntax in NAMED:
                return SUCCESS
        return self.receiver.take(sop_uid, file)

    @property
    def _gets(self) -> bool:
        return self.settings.retrieve != "c-move"

    def offers(self, sop_class: str) -> bool:
        """Whether the archive sends objects of a class: over C-GET it says so."""
        return self.lacks_for_get() != "" or _sends(self.association(), sop_class)

    def lacks_for_get(self) -> str:
        """Say what the archive does not offer for C-GET, "" where it can be tried."""
        assoc = self.association()
        if not self._gets or not _accepts(assoc, StudyRootQueryRetrieveInformationModelGet):
            return "the archive does not offer C-GET"
        if not _sends(assoc, NuclearMedicineImageStorage):
            return "the archive does not offer NM objects over C-GET (role SCP)"
        return ""

    def lacks_for_move(self) -> str:
        """Say what the archive does not offer for C-MOVE, "" where it can be tried."""
        if _accepts(self.association(), StudyRootQueryRetrieveInformationModelMove):
            return ""
        return "the archive does not offer C-MOVE"

    def _check_contexts(self) -> None:
        """Refuse an archive that lists nothing, or sends nothing by any way that is allowed.

        Raises
        ------
        ArchiveRefusedError
        """
        lacking = []
        if not _accepts(self.association(), StudyRootQueryRetrieveInformationModelFind):
            lacking = ["the archive does not offer C-FIND"]
        by_way = {"c-get": self.lacks_for_get, "c-move": self.lacks_for_move}
        asked = [ask() for name, ask in by_way.items() if self.settings.retrieve in ("auto", name)]
        if all(asked):
            lacking += asked
        if lacking:
            self.close()
            raise ArchiveRefusedError(
                f"{'; '.join(lacking)} ({self._where()})",
                way_out="ask the PACS team to allow these services for our AE title",
            )

    def _not_established(self, assoc: Association) -> PlatformFaultError | ArchiveBusyError:
        if self._line is None:
            return self._down()
        answer = assoc.acceptor.primitive if assoc.is_rejected else _unread_rejection(assoc)
        if answer is not None:
            return self._rejected(answer)
        if assoc.rejected_contexts:
            return ArchiveRefusedError(
                f"the archive at {self._where()} accepts none of our services",
                way_out="ask the PACS team to allow C-ECHO, C-FIND and C-GET or C-MOVE for our AE"
                " title",
            )
        return ArchiveBusyError(
            f"the archive at {self._where()} broke off while we called",
            way_out="try again; if it lasts, ask the PACS team for its log (AE title, TLS)",
        )

    def _tls_refused(self, tls: tuple[ToldContext, str] | None) -> ArchiveRefusedError | None:
        """Say why there is no TLS connection, where that is what is wrong."""
        refusal = None if tls is None else tls[0].refusal
        refusal = refusal or (None if self._line is None else self._line.refusal)
        if refusal is None:
            return None
        return ArchiveRefusedError(
            f"no TLS with the archive at {self._where()}: {why_refused(refusal)}",
            way_out="correct archive.tls and the files and the name it goes with, or have the PACS"
            " team correct its certificate",
        )

    def _down(self) -> ArchiveDownError:
        return ArchiveDownError(
            f"nobody answers at {self._where()}",
            way_out="check host and port (in Airflow the connection mpss_pacs decides, in the shell"
            " archive.host and archive.port), the network and whether the archive runs",
        )

    def _rejected(self, answer: Any) -> ArchiveRefusedError | ArchiveBusyError:
        reason = str(answer.reason_str)
        if answer.result == 0x02 or answer.result_source == 0x03:  # transient, or congestion
            return ArchiveBusyError(
                f"the archive at {self._where()} is busy: {reason}",
                way_out="try again later; use fewer associations (pool mpss_pacs)",
            )
        return ArchiveRefusedError(
            f"the archive at {self._where()} refused us: {reason}",
            way_out="let the PACS team enter our AE title, or correct archive.calling_aet and"
            " archive.called_aet",
        )

    def lost(self, service: str) -> ArchiveBusyError:
        """Name an answer without a status: the association broke or timed out."""
        self.drop()
        return ArchiveBusyError(
            f"{service}: the archive at {self._where()} broke off or did not answer in"
            f" {self.settings.dimse_timeout_s:g} s",
            way_out="try again; if it lasts, check that the archive knows our AE title and raise"
            " archive.dimse_timeout_s",
        )

    def failed(self, service: str, code: int) -> PlatformFaultError | ArchiveBusyError:
        """Name a status that is not success."""
        problem = f"{service}: the archive at {self._where()} answered 0x{code:04X}"
        if code in NOT_AUTHORISED:
            return ArchiveRefusedError(
                problem, way_out="ask the PACS team to allow this service for our AE title"
            )
        return QueryFailedError(
            problem, way_out="try again; if it lasts, ask the PACS team for its log", status=code
        )

    def _where(self) -> str:
        to = self.settings
        return f"{to.host}:{to.port} (called {to.called_aet}, calling {to.calling_aet})"


def _unread_rejection(assoc: Association) -> A_ASSOCIATE | None:
    """Give a rejection that came, and closed the connection, before pynetdicom looked for it.

    It looks first whether the connection is there, and takes one that is closed by then for one
    that was never made.
    """
    answer = assoc.dul.peek_next_pdu()
    return answer if isinstance(answer, A_ASSOCIATE) and answer.result in (1, 2) else None


def _accepts(assoc: Dialogue, service: str) -> bool:
    return any(context.abstract_syntax == service for context in assoc.contexts)


def _sends(assoc: Dialogue, sop_class: str) -> bool:
    return any(
        context.abstract_syntax == sop_class and context.as_scp for context in assoc.contexts
    )


def requesting_entity(
    to: ArchiveSettings,
    offer: Sequence[Sequence[UID]] = OFFER,
    classes: Sequence[UID] | None = None,
) -> AE:
    """Make the entity that asks an archive: its contexts, time-outs and limits."""
    entity = AE(to.calling_aet)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.connection_timeout = to.connection_timeout_s
    entity.acse_timeout = to.acse_timeout_s
    entity.dimse_timeout = to.dimse_timeout_s
    entity.network_timeout = None  # an idle association is the archive's to end
    entity.add_requested_context(Verification)
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    if to.retrieve != "c-get":
        entity.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    if to.retrieve == "c-move":
        return entity
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    for uid in FETCHED_CLASSES if classes is None else classes:
        for syntaxes in offer:
            entity.add_requested_context(uid, list(syntaxes))
    return entity

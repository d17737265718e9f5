"""The receiver: takes what the archive sends by C-MOVE, for as long as the platform runs.

It decodes nothing. An object's bytes are on the disk, whole and under their name, before the
archive is told "success" (``arrivals``); else it is told why not, and sends it again another time:

======  ==========================================================================
status  when
======  ==========================================================================
0x0000  the object is on the disk
0x0124  no task has announced its study: nothing is taken that nobody asked for
0xA700  less room than ``receiver.min_free_gb``, or the disk refused it
0xC000  its Study Instance UID cannot be read
======  ==========================================================================

Callers are known by AE title and by address; a stranger's connection is closed. An association
that sends no byte for ``archive.dimse_timeout_s`` is ended; all are, while traffic is stopped. One
whose connection is gone gives its place (``receiver.max_associations``) back at once. How the talks
ended is noted in the ledger (``arrivals.Seen``): the archive tells the task no more than a status.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import socketserver
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from types import TracebackType

import pydicom
from pydicom.config import IGNORE
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification
from pynetdicom.transport import ThreadedAssociationServer

from mpss_lib.archive_sections import ArchiveSettings, ReceiverSettings
from mpss_lib.config import Sites
from mpss_lib.dicom.syntaxes import LOSSLESS, PLAIN
from mpss_lib.errors import PlatformFaultError, SettingsError
from mpss_lib.pull.archive.association import (
    FETCHED_CLASSES,
    MAXIMUM_PDU,
    OUT_OF_RESOURCES,
    SUCCESS,
)
from mpss_lib.pull.archive.companion_classes import COMPANION_CLASSES
from mpss_lib.pull.archive.gate import stop_of
from mpss_lib.pull.archive.line import Line
from mpss_lib.pull.archive.tls import ToldContext, server_context, why_refused
from mpss_lib.pull.receiver.arrivals import Arrivals, Seen, UnaskedError, arrivals_of
from mpss_lib.pull.receiver.callers import callers_of, is_within
from mpss_lib.pull.receiver.listening import Listening
from mpss_lib.whole_files import write_json

log = logging.getLogger(__name__)

NOT_ASKED = 0x0124
CANNOT_UNDERSTAND = 0xC000
COUNTS_FILE = "receiver.json"
EACH_S = 0.5
"""How often bytes and counts are told to the tasks, and dead associations are looked for."""
_STUDY_UID = 0x0020000D
_LOCAL_LIMIT = (0x03, 0x02)
"""Source and reason of a rejection: local limit exceeded (PS3.8 9.3.4)."""


class Receiver:
    """A running receiver; use it in a ``with`` statement.

    Parameters
    ----------
    archive : ArchiveSettings
        Who may send, where the receiver's own lists are empty, and the time-out.
    settings : ReceiverSettings
        ``port`` 0 takes a free one here.
    arrivals : Arrivals
        Where it keeps what comes.

    Raises
    ------
    PlatformFaultError
        Another receiver serves the ledger, or the address cannot be listened at.
    """

    def __init__(
        self, archive: ArchiveSettings, settings: ReceiverSettings, arrivals: Arrivals
    ) -> None:
        _config.LOG_REQUEST_IDENTIFIERS = False
        _config.LOG_RESPONSE_IDENTIFIERS = False
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # its lines may quote patients
        self.archive, self.settings, self.arrivals = archive, settings, arrivals
        self.aet = settings.aet or archive.calling_aet
        self.counts: Counter[str] = Counter()
        self._networks = callers_of(settings, archive)
        self._lines: dict[Association, tuple[Line, Listening]] = {}
        self._guard = threading.Lock()
        self._stack = ExitStack()
        self._told: dict[str, int] | None = None
        self._told_byte = time.monotonic()

    def __enter__(self) -> Receiver:
        with ExitStack() as opening:
            try:
                opening.enter_context(self.arrivals.served())
                server = self._make_server()
            except BlockingIOError as error:
                raise PlatformFaultError(
                    "another receiver takes objects for this home",
                    way_out="end it (`mpss down`, or its service) before you start one",
                ) from error
            except OSError as error:
                raise PlatformFaultError(
                    f"the receiver cannot listen at {self.settings.host}:{self.settings.port}"
                    f" ({error.strerror})",
                    way_out="correct receiver.host and receiver.port, or end what listens there",
                ) from error
            opening.callback(self._stop, server, _serving(server))
            self._stack = opening.pop_all()
        self.port = int(server.server_address[1])
        self.look_after()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def look_after(self) -> None:
        """Tell the tasks about bytes and counts; end associations that send nothing."""
        with self._guard:
            lines = dict(self._lines)
        is_stopped = self._is_stopped()
        for association, (line, listening) in lines.items():
            if association.ident is None:  # its connection has just opened
                continue
            if is_stopped and association.is_alive():
                self._count("stopped")
                self.arrivals.note(Seen.CUT)
                _end(association, line, listening)
            if not association.is_alive():
                line.socket.close()  # pynetdicom leaves that of a dead line open
                with self._guard:
                    self._lines.pop(association, None)
            elif line.quiet_s() > self.archive.dimse_timeout_s:
                self._count("ended_without_a_byte")
                self.arrivals.note(Seen.CUT)
                _end(association, line, listening)
        last = max((line.last_byte for line, _ in lines.values()), default=self._told_byte)
        if last > self._told_byte:
            self._told_byte = last
            self.arrivals.note(Seen.BYTE)
        now = dict(self.counts)
        if now != self._told:
            self._told = now
            told = {"aet": self.aet, "host": self.settings.host, "port": self.port, "counts": now}
            write_json(self.arrivals.folder / COUNTS_FILE, told, mode=0o600)

    # ---------------------------------------------------------------- server

    def _make_server(self) -> ThreadedAssociationServer:
        entity = receiving_entity(self.archive, self.settings)
        server = entity.make_server(
            (self.settings.host, self.settings.port),
            contexts=entity.supported_contexts,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, self._on_open),
                (evt.EVT_CONN_CLOSE, self._on_close),
                (evt.EVT_REJECTED, self._on_rejected),
            ],
        )
        server.verify_request = self._knows  # before a word is read
        if self.archive.tls:
            server.finish_request = partial(
                self._shake_hands, server_context(self.archive), server.finish_request
            )
        return server

    def _stop(self, server: ThreadedAssociationServer, thread: threading.Thread) -> None:
        with self._guard:
            lines = dict(self._lines)
        for association, parts in lines.items():
            if association.is_alive():
                _end(association, *parts)
        socketserver.BaseServer.shutdown(server)  # pynetdicom's own polls twice a second
        server.server_close()
        thread.join()
        self.look_after()
        for association, (line, _) in lines.items():
            association.join(timeout=5.0)
            line.socket.close()

    def _knows(self, _request: object, client_address: Sequence[object]) -> bool:
        if self._is_stopped():
            self._count("stopped")
            return False
        if is_within(str(client_address[0]), self._networks):
            return True
        self._count("strange_address")
        self.arrivals.note(Seen.HEARD)
        return False

    def _is_stopped(self) -> bool:
        return stop_of(self.arrivals.folder.parent) is not None

    def _shake_hands(
        self,
        context: ToldContext,
        finish: Callable[[socket.socket, object], None],
        request: socket.socket,
        client_address: object,
    ) -> None:
        """Ask for TLS in the connection's own thread: a silent caller holds up no other."""
        request.settimeout(self.archive.acse_timeout_s)
        try:
            request = context.wrap_socket(request, server_side=True)
        except OSError as error:
            self._count("tls_refused")
            self.arrivals.note(Seen.HEARD if _is_refusal(error) else Seen.LOST)
            log.warning("receiver: no TLS with a caller: %s", why_refused(error))
            request.close()
            return
        finish(request, client_address)

    def _on_open(self, event: evt.Event) -> None:
        wait_s = self.archive.dimse_timeout_s
        line = Line(event.assoc, wait_s)
        listening = Listening(event.assoc, line, wait_s, self._on_object, self.arrivals.note)
        with self._guard:
            self._lines[event.assoc] = line, listening

    def _on_close(self, event: evt.Event) -> None:
        """Free the place of a caller who is gone: pynetdicom waits on for his request."""
        if event.assoc.requestor.primitive is None:
            event.assoc.dul.to_user_queue.put(None)
        with self._guard:
            parts = self._lines.get(event.assoc)
        if parts is not None and parts[1].is_lost and not event.assoc.is_rejected:
            self.arrivals.note(Seen.LOST)

    def _on_rejected(self, event: evt.Event) -> None:
        self._count("rejected")
        answer = event.assoc.acceptor.primitive
        is_full = (answer.result_source, answer.diagnostic) == _LOCAL_LIMIT
        self.arrivals.note(Seen.FULL if is_full else Seen.HEARD)

    def _on_object(self, sop_uid: str, _syntax: UID, content: bytes) -> int:
        status, what = self._take(sop_uid, content)
        self._count(what)
        if status == OUT_OF_RESOURCES:
            self.arrivals.note(Seen.NO_ROOM)
        return status

    def _take(self, sop_uid: str, content: bytes) -> tuple[int, str]:
        try:
            if self.arrivals.free_bytes() < self.settings.min_free_bytes:
                return OUT_OF_RESOURCES, "disk_full"
            study_uid = study_uid_of(content)
        except OSError:
            return OUT_OF_RESOURCES, "disk_refused"
        except Exception as error:  # what a sender does must never end the receiver
            log.warning("receiver: an object cannot be read (%s)", type(error).__name__)
            return CANNOT_UNDERSTAND, "unreadable"
        try:
            self.arrivals.keep(study_uid, sop_uid, content)
        except UnaskedError:
            return NOT_ASKED, "unasked"
        except OSError as error:
            log.error("receiver: the disk refused an object: %s", error.strerror)
            return OUT_OF_RESOURCES, "disk_refused"
        return SUCCESS, "stored"

    def _count(self, what: str) -> None:
        with self._guard:
            self.counts[what] += 1


def receiving_entity(archive: ArchiveSettings, settings: ReceiverSettings) -> AE:
    """Make the entity that the archive calls: its contexts, time-outs and limits."""
    entity = AE(settings.aet or archive.calling_aet)
    entity.maximum_pdu_size = MAXIMUM_PDU
    entity.maximum_associations = settings.max_associations
    entity.require_called_aet = True
    entity.require_calling_aet = list(settings.callers or (one.called_aet for one in archive.every))
    entity.acse_timeout = archive.acse_timeout_s
    entity.dimse_timeout = archive.dimse_timeout_s
    entity.network_timeout = None  # ``look_after`` ends what is dead
    entity.add_supported_context(Verification)
    for uid in (*FETCHED_CLASSES, *COMPANION_CLASSES):
        entity.add_supported_context(uid, [*PLAIN, *LOSSLESS])
    return entity


def _is_refusal(error: OSError) -> bool:
    """Whether a handshake failed for what one side said, not for a line that broke off."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)


def _end(association: Association, line: Line, listening: Listening) -> None:
    """End an association; one that is served, or has not said who it is, is cut off."""
    if association.is_established and not listening.is_serving:
        association.abort()
    else:
        with suppress(OSError):
            line.socket.shutdown(socket.SHUT_RDWR)


def study_uid_of(content: bytes) -> str:
    """Read the Study Instance UID of a DICOM file, and nothing after it; "" where it has none."""

    def is_behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return int(tag) > _STUDY_UID

    header = read_partial(BytesIO(content), is_behind)
    return str(header.get("StudyInstanceUID", ""))


def serve_forever(sites: Sites, *, ready: Callable[[int], None]) -> None:
    """Receive until SIGTERM or SIGINT; ``ready`` is called with the port.

    Raises
    ------
    SettingsError
        ``receiver.port`` is not set.
    PlatformFaultError
        Another receiver serves this home, or the address cannot be listened at.
    """
    if not sites.receiver.port:
        raise SettingsError(
            "receiver.port is not set: this site has no receiver",
            way_out="set receiver.port to the port that the archive knows for our AE title",
        )
    _spare_work()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with Receiver(sites.archive, sites.receiver, arrivals_of(sites)) as receiver:
        ready(receiver.port)
        while not ended.wait(EACH_S):
            receiver.look_after()


def _spare_work() -> None:
    """Leave out of this process what is half of the work of a small association.

    pynetdicom collects all garbage each time it looks for connections: what is loaded by now is no
    garbage. UIDs of a negotiation are compared, never kept; those of an object are checked where
    they become names (``Arrivals.keep``).
    """
    pydicom.config.settings.reading_validation_mode = IGNORE
    gc.collect()
    gc.freeze()


def _serving(server: ThreadedAssociationServer) -> threading.Thread:
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    return thread


def counts_file(sites: Sites) -> Path:
    """File in which the receiver of a site tells what it took and refused."""
    return arrivals_of(sites).folder / COUNTS_FILE

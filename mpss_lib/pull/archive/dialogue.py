"""Requests over an association that pynetdicom has negotiated, read by who asks.

pynetdicom gives each association two threads that look for work a thousand times a second, and
decodes and encodes every part of a message on its way: it gets 100 to 160 small objects a second.
Its threads end here when the association stands; what follows is read from the socket by the
thread that waits for it. So no thread can take an answer before who asked for it, and time-outs
count from the last byte.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dsutils import decode, encode
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from mpss_lib.pull.archive import messages
from mpss_lib.pull.archive.line import CHUNK, Line
from mpss_lib.pull.archive.messages import Assembly, BrokenMessageError, Message
from mpss_lib.pull.archive.wire import BrokenOffError, Wire

PENDING = frozenset({0xFF00, 0xFF01})
NOT_SUPPORTED = 0x0122
MEDIUM = 0x0000
_CLOSES_S = 0.5
"""How long a peer has to close an association that was aborted."""

Store = Callable[[str, UID, bytes], int]
"""``store(sop_uid, syntax, file)``: keeps an object that came, gives the status of its C-STORE."""


class Dialogue:
    """One association, open and negotiated. For one thread at a time.

    Parameters
    ----------
    assoc : Association
        As pynetdicom has negotiated it; its threads are ended.
    line : Line
        Its connection.
    timeout_s : float
        No answer is waited for longer than this without a byte.
    store : callable
        Takes the objects of C-GET.
    """

    def __init__(self, assoc: Association, line: Line, timeout_s: float, store: Store) -> None:
        self._line, self._store = line, store
        self._wire = Wire(line, timeout_s, timeout_s)
        self._by_id: dict[int, PresentationContext] = {
            int(one.context_id or 0): one for one in assoc.accepted_contexts
        }
        self._limit = assoc.acceptor.maximum_length or 0
        self._release_s = assoc.acse_timeout or timeout_s
        self._assembly = Assembly()
        self._waiting: deque[Message] = deque()
        self._number = 0
        self._is_open = _is_taken_over(assoc)

    @property
    def contexts(self) -> Sequence[PresentationContext]:
        """Presentation contexts that the peer accepted, by their number."""
        return [self._by_id[key] for key in sorted(self._by_id)]

    @property
    def is_established(self) -> bool:
        """Whether a request can be sent: a peer may have ended an association that was idle."""
        if self._is_open and self._has_ended():
            self._close()
        return self._is_open

    # --------------------------------------------------------------- requests

    def echo(self) -> int | None:
        """Send C-ECHO; the status, None where none came."""
        answers = self._request(messages.C_ECHO, Verification, None)
        return next((code for code, _ in answers), None)

    def find(self, query: Dataset) -> Iterator[tuple[int | None, Dataset | None]]:
        """Send C-FIND; yield status and identifier of each answer.

        The status is None where the association broke off; the identifier is None where it cannot
        be decoded.
        """
        model = StudyRootQueryRetrieveInformationModelFind
        for code, answer in self._request(messages.C_FIND, model, query):
            yield code, None if answer is None else self._decoded(answer)

    def get(self, query: Dataset) -> Iterator[int | None]:
        """Send C-GET; yield the status of each answer, None where the association broke off."""
        model = StudyRootQueryRetrieveInformationModelGet
        for code, _ in self._request(messages.C_GET, model, query):
            yield code

    def move(self, query: Dataset, to: str) -> Iterator[int | None]:
        """Send C-MOVE to an AE title; yield as ``get``."""
        model = StudyRootQueryRetrieveInformationModelMove
        for code, _ in self._request(messages.C_MOVE, model, query, to):
            yield code

    def release(self) -> None:
        """End the association in order."""
        if self._is_open:
            with suppress(OSError, BrokenOffError, BrokenMessageError):
                self._wire.send(messages.RELEASE_REQUEST)
                self._wire.timeout_s = min(self._wire.timeout_s, self._release_s)
                while self._wire.pdu()[0] == messages.P_DATA:
                    continue  # what was on its way
        self._close()

    def abort(self) -> None:
        """End the association at once; the peer has a moment to close it (PS3.8 9.2: Sta13)."""
        if self._is_open:
            with suppress(OSError):
                self._wire.send(messages.ABORT_REQUEST)
                self._line.socket.settimeout(_CLOSES_S)
                until = time.monotonic() + _CLOSES_S
                while self._line.socket.recv(CHUNK) and time.monotonic() < until:
                    continue
        self._close()

    # --------------------------------------------------------------- messages

    def _request(
        self, field: int, model: UID, query: Dataset | None, destination: str = ""
    ) -> Iterator[tuple[int | None, Message | None]]:
        context = self._context_of(model)
        command: dict[int, int | str] = {messages.SOP_CLASS: model, messages.FIELD: field}
        self._number = self._number % 0xFFFF + 1
        command[messages.MESSAGE_ID] = self._number
        if query is not None:
            command[messages.PRIORITY] = MEDIUM
        if destination:
            command[messages.DESTINATION] = destination
        data = b"" if query is None else _encoded(query, context.transfer_syntax[0])
        is_ended = False
        try:
            number = int(context.context_id or 0)
            self._wire.send(messages.pdus(number, command, data, self._limit))
            for code, answer in self._answers(field | messages.RESPONSE):
                is_ended = code not in PENDING
                yield code, answer
        except (OSError, BrokenOffError, BrokenMessageError):
            yield None, None
        finally:
            if not is_ended:  # what comes later would be taken for the answer to another request
                self.abort()

    def _answers(self, field: int) -> Iterator[tuple[int | None, Message]]:
        code: int | None = 0xFF00
        while code in PENDING:
            message = self._message()
            kind = message.number(messages.FIELD)
            if kind == messages.C_STORE:
                self._keep(message)
                continue
            code = message.number(messages.STATUS)
            if kind != field or code is None:
                raise BrokenMessageError
            yield code, message

    def _keep(self, message: Message) -> None:
        """Take an object and answer."""
        sop_class, sop_uid = (
            message.text(element) for element in (messages.SOP_CLASS, messages.SOP_INSTANCE)
        )
        context = self._by_id.get(message.context_id)
        status = NOT_SUPPORTED
        if context is not None and context.as_scp and context.abstract_syntax == sop_class:
            syntax = context.transfer_syntax[0]
            file = messages.as_file(sop_class, sop_uid, syntax, message.data or b"")
            status = self._store(sop_uid, syntax, file)
        answer: dict[int, int | str] = {
            messages.SOP_CLASS: sop_class,
            messages.FIELD: messages.C_STORE | messages.RESPONSE,
            messages.ANSWERED_ID: message.number(messages.MESSAGE_ID) or 0,
            messages.STATUS: status,
            messages.SOP_INSTANCE: sop_uid,
        }
        self._wire.send(messages.pdus(message.context_id, answer, b"", self._limit))

    def _message(self) -> Message:
        while not self._waiting:
            kind, content = self._wire.pdu()
            if kind == messages.RELEASE_RQ:
                with suppress(OSError):
                    self._wire.send(messages.RELEASE_RESPONSE)
            if kind != messages.P_DATA:
                self._close()
                raise BrokenOffError
            self._waiting.extend(self._assembly.add(content))
        return self._waiting.popleft()

    def _context_of(self, model: UID) -> PresentationContext:
        for one in self.contexts:
            if one.abstract_syntax == model and one.as_scu:
                return one
        raise ValueError(f"no presentation context for {model.name} was accepted")

    def _decoded(self, answer: Message) -> Dataset | None:
        context = self._by_id.get(answer.context_id)
        if context is None or answer.data is None:
            return None
        syntax = context.transfer_syntax[0]
        kinds = (syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        try:
            decoded: Dataset = decode(BytesIO(answer.data), *kinds)
        except Exception:  # an answer that cannot be read is counted by who asked
            return None
        return decoded

    # --------------------------------------------------------- the connection

    def _has_ended(self) -> bool:
        """Whether the peer has said something, or closed, while nothing was asked."""
        if self._wire.has_more:
            return True
        if not select.select([self._line.socket], [], [], 0)[0]:
            return False
        self._line.socket.settimeout(0.0)
        try:
            self._line.socket.recv(6)
        except (BlockingIOError, ssl.SSLWantReadError):  # of TLS itself: nothing for us
            return False
        except OSError:
            return True
        return True

    def _close(self) -> None:
        self._is_open = False
        with suppress(OSError):
            self._line.socket.shutdown(socket.SHUT_RDWR)
        self._line.socket.close()


def _is_taken_over(assoc: Association) -> bool:
    """End the threads of pynetdicom; whether the association still stands then."""
    assoc._kill = True
    assoc._reactor_checkpoint.set()
    assoc.join()
    assoc.dul.kill_dul()
    assoc.dul.join()
    is_quiet = assoc.dul.event_queue.empty() and assoc.dul.to_user_queue.empty()
    return bool(assoc.is_established and is_quiet)


def _encoded(query: Dataset, syntax: UID) -> bytes:
    content = encode(query, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if content is None:
        raise ValueError("an identifier cannot be encoded")
    return bytes(content)

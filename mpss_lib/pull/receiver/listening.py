"""What a sender says on an association that pynetdicom has accepted.

pynetdicom takes apart and rebuilds each part of a message, in two threads that look for work a
thousand times a second. Here its thread that reads the connection goes on by itself: with the first
byte after the negotiation it reads messages and answers them until the sender ends the association.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from math import inf

from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from mpss_lib.pull.archive import messages
from mpss_lib.pull.archive.dialogue import NOT_SUPPORTED
from mpss_lib.pull.archive.line import Line
from mpss_lib.pull.archive.messages import Assembly, BrokenMessageError, Message
from mpss_lib.pull.archive.wire import BrokenOffError, Wire

_NEGOTIATED = 2
"""Reads of the connection before it is negotiated: head and content of the request."""
_ACCEPTED_S = 1.0
"""How long who accepts may take to say so after the answer went out."""

Store = Callable[[str, UID, bytes], int]
"""``store(sop_uid, syntax, file)``: keeps an object that came, gives the status of its C-STORE."""


class Listening:
    """Serves one association from its first message on.

    Parameters
    ----------
    assoc : Association
        Of a server of pynetdicom, its connection just opened.
    line : Line
    send_s : float
        How long a sender may take no answer.
    store : callable
    """

    def __init__(self, assoc: Association, line: Line, send_s: float, store: Store) -> None:
        self._assoc, self._store = assoc, store
        self._wire = Wire(line, inf, send_s)  # who looks after the lines ends what is dead
        self._read = assoc.dul.socket.recv
        self._n_reads = 0
        self._by_id: dict[int, PresentationContext] = {}
        self.is_serving = False
        assoc.dul.socket.recv = self._receive

    def _receive(self, n_bytes: int) -> bytearray:
        """Stand in for the reading of pynetdicom; what is empty ends the association for it."""
        self._n_reads += 1
        if self._n_reads <= _NEGOTIATED or not self._is_accepted():
            content: bytearray = self._read(n_bytes)
            return content
        self._assoc._reactor_checkpoint.clear()
        self.is_serving = True
        try:
            with suppress(OSError, BrokenOffError, BrokenMessageError):
                self._serve()
        finally:
            self._assoc._reactor_checkpoint.set()
        return bytearray()

    def _is_accepted(self) -> bool:
        until = time.monotonic() + _ACCEPTED_S
        while not self._assoc.is_established and time.monotonic() < until:
            time.sleep(0.001)
        return bool(self._assoc.is_established)

    def _serve(self) -> None:
        self._by_id = {int(one.context_id or 0): one for one in self._assoc.accepted_contexts}
        assembly = Assembly()
        while True:
            kind, content = self._wire.pdu()
            if kind == messages.RELEASE_RQ:
                self._wire.send(messages.RELEASE_RESPONSE)
            if kind != messages.P_DATA:
                return
            for message in assembly.add(content):
                self._answer(message)

    def _answer(self, message: Message) -> None:
        field = message.number(messages.FIELD)
        if field not in (messages.C_ECHO, messages.C_STORE):
            raise BrokenMessageError
        sop_class = message.text(messages.SOP_CLASS)
        answer: dict[int, int | str] = {
            messages.SOP_CLASS: sop_class,
            messages.FIELD: field | messages.RESPONSE,
            messages.ANSWERED_ID: message.number(messages.MESSAGE_ID) or 0,
        }
        context = self._by_id.get(message.context_id)
        is_agreed = context is not None and context.abstract_syntax == sop_class
        status = 0x0000 if is_agreed else NOT_SUPPORTED
        if field == messages.C_STORE:
            sop_uid = message.text(messages.SOP_INSTANCE)
            answer[messages.SOP_INSTANCE] = sop_uid
            if context is not None and is_agreed:
                syntax = context.transfer_syntax[0]
                file = messages.as_file(sop_class, sop_uid, syntax, message.data or b"")
                status = self._store(sop_uid, syntax, file)
        answer[messages.STATUS] = status
        limit = self._assoc.requestor.maximum_length or 0
        self._wire.send(messages.pdus(message.context_id, answer, b"", limit))

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
from mpss_lib.pull.receiver.arrivals import Seen

_OPEN, _OVER = "Sta6", "Sta13"
"""States of PS3.8 9.2: messages may come; the connection is to be closed."""
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
    tell : callable
        Told how the association ended, where it was served.
    """

    def __init__(
        self,
        assoc: Association,
        line: Line,
        send_s: float,
        store: Store,
        tell: Callable[[Seen], None],
    ) -> None:
        self._assoc, self._store, self._tell = assoc, store, tell
        self._wire = Wire(line, inf, send_s)  # who looks after the lines ends what is dead
        self._read = assoc.dul.socket.recv
        self._by_id: dict[int, PresentationContext] = {}
        self.is_serving = self._has_spoken = False
        assoc.dul.socket.recv = self._receive

    @property
    def is_lost(self) -> bool:
        """Whether a connection that is closed had begun to speak and was never served."""
        return self._has_spoken and not self.is_serving

    def _receive(self, n_bytes: int) -> bytearray:
        """Stand in for the reading of pynetdicom; what is empty ends the association for it."""
        state = self._assoc.dul.state_machine.current_state
        if state == _OVER:
            return bytearray()
        if state != _OPEN or not self._is_accepted():
            content: bytearray = self._read(n_bytes)
            self._has_spoken |= bool(content)
            return content
        self._assoc._reactor_checkpoint.clear()
        self.is_serving = True
        try:
            self._serve()
        except (OSError, BrokenOffError, BrokenMessageError):
            self._tell(Seen.LOST)
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
            if kind != messages.P_DATA:
                self._tell(Seen.HEARD)  # before he hears of it, and tells the task
            if kind == messages.RELEASE_RQ:
                with suppress(OSError):
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

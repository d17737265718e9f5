"""The line to a peer, watched byte by byte: a slow one may take its time, a dead one may not.

pynetdicom waits for whole messages: an object that takes longer than the time-out never comes,
though its bytes flow, and a peer that stops in the middle of a PDU holds its thread for ever.
Here time-outs count from the last byte.
"""

from __future__ import annotations

import queue
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association

CHUNK = 65536
LOOK_S = 1.0
"""How often a wait looks whether the connection is still there."""


class Line:
    """Watches an association from the moment its connection is open.

    Parameters
    ----------
    assoc : Association
    timeout_s : float
        No wait lives longer than this without a byte.
    quiet_elsewhere_s : callable, optional
        Seconds since the last byte on another line that belongs to the request (C-MOVE).
    check : callable, optional
        Called while bytes are waited for: raises where the talk must end.
    """

    def __init__(
        self,
        assoc: Association,
        timeout_s: float,
        quiet_elsewhere_s: Callable[[], float] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.check = check
        self._transport: Any = assoc.dul.socket
        self.socket: socket.socket = self._transport.socket
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout_s)
        self._elsewhere = quiet_elsewhere_s
        self.refusal: ssl.SSLError | None = None
        self.last_byte = time.monotonic()
        self._transport.recv = self._receive
        messages: Any = _Messages(self)
        assoc.dimse.msg_queue = messages

    @property
    def is_open(self) -> bool:
        """Whether the connection is there: pynetdicom waits on where the peer has closed it."""
        return self._transport.socket is not None

    def quiet_s(self) -> float:
        """Seconds since the last byte of the peer."""
        here = time.monotonic() - self.last_byte
        return here if self._elsewhere is None else min(here, self._elsewhere())

    def _receive(self, n_bytes: int) -> bytearray:
        """Read so many bytes, fewer where the peer closed the connection."""
        content = bytearray()
        while len(content) < n_bytes:
            try:
                part = self._transport.socket.recv(min(n_bytes - len(content), CHUNK))
            except ssl.SSLError as error:  # TLS 1.3: how the peer refuses our certificate
                self.refusal = error
                raise
            if not part:
                break
            content += part
            self.last_byte = time.monotonic()
        return content


class _Messages(queue.Queue[Any]):
    """Messages of a peer; waits for one as long as bytes come."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not block or timeout is None:
            return super().get(block, timeout)
        left = timeout
        began = time.monotonic()
        while True:
            try:
                return super().get(True, max(min(left, LOOK_S), 0.001))
            except queue.Empty:
                left = timeout - min(self._line.quiet_s(), time.monotonic() - began)
                if left <= 0 or not self._line.is_open:
                    raise

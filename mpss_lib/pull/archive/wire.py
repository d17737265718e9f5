"""PDUs on a connection (PS3.8), read and sent by the thread that waits for them."""

from __future__ import annotations

import struct
import time

from mpss_lib.pull.archive.line import LOOK_S, Line
from mpss_lib.pull.archive.messages import ABORT, P_DATA, BrokenMessageError

LARGEST_PDU = 2**28
"""Of a peer that does not keep to the limit; more is no PDU."""
AHEAD = 2**18
"""Bytes that are read at once, where so many are there: an answer is two PDUs of some hundred."""
_HEAD = 6


class BrokenOffError(Exception):
    """The association ended, or no byte came for too long."""


class Wire:
    """The connection of an association, after its negotiation.

    Parameters
    ----------
    line : Line
    timeout_s : float
        How long a PDU is waited for without a byte.
    send_s : float
        How long a peer may take nothing.
    """

    def __init__(self, line: Line, timeout_s: float, send_s: float) -> None:
        self._line, self.timeout_s, self._send_s = line, timeout_s, send_s
        self._ahead = memoryview(bytearray(AHEAD))
        self._start = self._end = 0

    @property
    def has_more(self) -> bool:
        """Whether bytes of the peer were read that nobody has asked for yet."""
        return self._start < self._end

    def pdu(self) -> tuple[int, memoryview]:
        """Read one PDU: its type, and what follows the first six bytes, until the next is read.

        Raises
        ------
        BrokenOffError, BrokenMessageError, OSError
        """
        began = time.monotonic()
        kind, _, length = struct.unpack(">BBL", self._exactly(_HEAD, began))
        if not P_DATA <= kind <= ABORT or length > LARGEST_PDU:
            raise BrokenMessageError
        return kind, self._exactly(length, began)

    def send(self, content: bytes) -> None:
        """Send PDUs.

        Raises
        ------
        OSError
        """
        self._wait_at_most(self._send_s)
        self._line.socket.sendall(content)

    def _exactly(self, n_bytes: int, began: float) -> memoryview:
        """Give so many bytes; what comes with them is kept for the next."""
        if n_bytes > AHEAD:
            return self._large(n_bytes, began)
        if AHEAD - self._start < n_bytes:
            n_there = self._end - self._start
            self._ahead[:n_there] = bytes(self._ahead[self._start : self._end])
            self._start, self._end = 0, n_there
        while self._end - self._start < n_bytes:
            self._end += self._read(self._ahead[self._end :], began)
        content = self._ahead[self._start : self._start + n_bytes]
        self._start += n_bytes
        if self._start == self._end:
            self._start = self._end = 0
        return content

    def _large(self, n_bytes: int, began: float) -> memoryview:
        content = memoryview(bytearray(n_bytes))
        n_read = self._end - self._start
        content[:n_read] = self._ahead[self._start : self._end]
        self._start = self._end = 0
        while n_read < n_bytes:
            n_read += self._read(content[n_read:], began)
        return content

    def _read(self, into: memoryview, began: float) -> int:
        """Read some bytes; as long as some come, each wait begins anew."""
        self._wait_at_most(min(LOOK_S, self.timeout_s))
        while True:
            self._line.check()
            try:
                n_new = self._line.socket.recv_into(into)
            except TimeoutError:
                quiet_s = min(self._line.quiet_s(), time.monotonic() - began)
                if quiet_s >= self.timeout_s:
                    raise BrokenOffError from None
                continue
            if not n_new:
                raise BrokenOffError
            self._line.last_byte = time.monotonic()
            return n_new

    def _wait_at_most(self, timeout_s: float) -> None:
        if self._line.socket.gettimeout() != timeout_s:
            self._line.socket.settimeout(timeout_s)

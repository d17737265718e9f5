"""PDUs on a connection (PS3.8), read and sent by the thread that waits for them."""

from __future__ import annotations

import struct
import time

from mpss_lib.pull.archive.line import LOOK_S, Line
from mpss_lib.pull.archive.messages import ABORT, P_DATA, BrokenMessageError

LARGEST_PDU = 2**28
"""Of a peer that does not keep to the limit; more is no PDU."""


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

    def pdu(self) -> tuple[int, bytearray]:
        """Read one PDU: its type, and what follows the first six bytes.

        Raises
        ------
        BrokenOffError, BrokenMessageError, OSError
        """
        began = time.monotonic()
        kind, _, length = struct.unpack(">BBL", self._exactly(6, began))
        if not P_DATA <= kind <= ABORT or length > LARGEST_PDU:
            raise BrokenMessageError
        return kind, self._exactly(length, began)

    def send(self, content: bytes) -> None:
        """Send PDUs.

        Raises
        ------
        OSError
        """
        self._line.socket.settimeout(self._send_s)
        self._line.socket.sendall(content)

    def _exactly(self, n_bytes: int, began: float) -> bytearray:
        """Read so many bytes; as long as some come, each wait begins anew."""
        content = bytearray(n_bytes)
        view, n_read = memoryview(content), 0
        self._line.socket.settimeout(min(LOOK_S, self.timeout_s))
        while n_read < n_bytes:
            self._line.check()
            try:
                n_new = self._line.socket.recv_into(view[n_read:])
            except TimeoutError:
                quiet_s = min(self._line.quiet_s(), time.monotonic() - began)
                if quiet_s >= self.timeout_s:
                    raise BrokenOffError from None
                continue
            if not n_new:
                raise BrokenOffError
            n_read += n_new
            self._line.last_byte = time.monotonic()
        return content

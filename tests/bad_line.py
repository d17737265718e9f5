"""A bad line between two peers: a TCP proxy that is slow, cuts, stalls or spoils what passes."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 1024


@dataclass
class BadLine:
    """What is wrong with the line; nothing by default. It may be changed while it is in use.

    Parameters
    ----------
    target : int
        Port of the peer, on loopback.
    refuses : bool
        A connection is closed at once.
    cut_after : int or None
        Bytes, of both directions together, after which a connection is closed.
    resets : bool
        It is closed by RST.
    stall_after : int or None
        Bytes after which nothing passes any more, and the connection stays open.
    spoil_after : int or None
        Bytes after which the next 64 are replaced.
    rate : float or None
        Bytes a second.
    n_bad : int or None
        Connections that are bad before the line is good; None: all.
    """

    target: int
    refuses: bool = False
    cut_after: int | None = None
    resets: bool = False
    stall_after: int | None = None
    spoil_after: int | None = None
    rate: float | None = None
    n_bad: int | None = None
    port: int = 0
    n_connections: int = 0
    _open: list[socket.socket] = field(default_factory=list)

    def is_bad(self) -> bool:
        return self.n_bad is None or self.n_connections <= self.n_bad

    def heal(self) -> None:
        """Mend the line: what was stuck on it is gone, further connections are good."""
        self.n_bad = 0
        self.end_all()

    def end_all(self) -> None:
        ended, self._open = self._open, []
        for end in ended:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class _Passage:
    """One connection: both directions count towards the same limits."""

    def __init__(self, line: BadLine, client: socket.socket, peer: socket.socket) -> None:
        self.line, self.ends, self.is_bad = line, (client, peer), line.is_bad()
        self.n_passed = 0
        self._guard = threading.Lock()
        for source, to in ((client, peer), (peer, client)):
            threading.Thread(target=self._pass, args=(source, to), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(CHUNK):
                if self.is_bad and not self._spoiled(to, content):
                    return
                if not self.is_bad:
                    to.sendall(content)
        self.close()

    def _spoiled(self, to: socket.socket, content: bytes) -> bool:
        """Pass a part on a bad line; whether the connection lives on."""
        line = self.line
        with self._guard:
            before, self.n_passed = self.n_passed, self.n_passed + len(content)
        if line.rate:
            time.sleep(len(content) / line.rate)
        if _crosses(line.spoil_after, before, self.n_passed):
            content = b"\xa5" * min(64, len(content)) + content[64:]
        if line.stall_after is not None and self.n_passed > line.stall_after:
            return False  # the sockets stay open
        if line.cut_after is not None and self.n_passed > line.cut_after:
            to.sendall(content[: len(content) // 2])
            self.close()
            return False
        to.sendall(content)
        return True

    def close(self) -> None:
        for end in self.ends:
            if self.line.resets and self.is_bad:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _crosses(limit: int | None, before: int, after: int) -> bool:
    return limit is not None and before <= limit < after


@contextmanager
def bad_line(target: int, *, port: int = 0, **faults: object) -> Iterator[BadLine]:
    """Open a line to a port of loopback; ``port`` 0 takes a free one."""
    line = BadLine(target, **faults)
    listener = socket.create_server(("127.0.0.1", port))
    line.port = int(listener.getsockname()[1])
    thread = threading.Thread(target=_accept, args=(listener, line), daemon=True)
    thread.start()
    try:
        yield line
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
        line.end_all()


def _accept(listener: socket.socket, line: BadLine) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            line.n_connections += 1
            if line.refuses and line.is_bad():
                client.close()
                continue
            try:
                peer = socket.create_connection(("127.0.0.1", line.target), timeout=5)
            except OSError:
                client.close()
                continue
            peer.settimeout(None)
            for end in (client, peer):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line._open += [client, peer]
            _Passage(line, client, peer)

"""TLS in front of an archive that has none: what it hears comes over TLS, what it sends goes so."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from certificates import Issuer, Signed

CHUNK = 4096
"""A record of TLS is seen when all of it is there: on a slow line large ones look like silence."""


def server_side(signed: Signed, issuer: Issuer | None) -> ssl.SSLContext:
    """Who calls must show a certificate of the issuer, where one is named."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    if issuer is not None:
        context.load_verify_locations(issuer.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_side(signed: Signed, issuer: Issuer) -> ssl.SSLContext:
    """Show a certificate to whom is called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(signed.certificate, signed.key)
    context.load_verify_locations(issuer.path)
    return context


@contextmanager
def front(
    target: int,
    *,
    heard: ssl.SSLContext | None = None,
    said: ssl.SSLContext | None = None,
    port: int = 0,
) -> Iterator[int]:
    """Pass connections on to a port of loopback; gives the port that is listened at.

    ``heard`` ends the TLS of who calls, ``said`` begins TLS with the target.
    """
    listener = socket.create_server(("127.0.0.1", port))
    thread = threading.Thread(target=_accept, args=(listener, target, heard, said), daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def _accept(
    listener: socket.socket,
    target: int,
    heard: ssl.SSLContext | None,
    said: ssl.SSLContext | None,
) -> None:
    with suppress(OSError):
        while True:
            caller, _ = listener.accept()
            parts = (caller, target, heard, said)
            threading.Thread(target=_passage, args=parts, daemon=True).start()


def _passage(
    caller: socket.socket, target: int, heard: ssl.SSLContext | None, said: ssl.SSLContext | None
) -> None:
    called: socket.socket | None = None
    try:
        caller.settimeout(10)
        if heard is not None:
            caller = heard.wrap_socket(caller, server_side=True)
        called = socket.create_connection(("127.0.0.1", target), timeout=10)
        if said is not None:
            called = said.wrap_socket(called, server_hostname="127.0.0.1")
        _pass(caller, called)
    except OSError:
        pass  # a bad line is what it is tried with
    finally:
        for end in (caller, called):
            if end is not None:
                end.close()


def _pass(*ends: socket.socket) -> None:
    """Pass bytes both ways in one thread: a TLS connection is not for two at once."""
    while True:
        ready = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
        for end in ready or select.select(ends, [], [])[0]:
            end.settimeout(0.0)
            try:
                content = end.recv(CHUNK)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            if not content:
                return
            other = ends[0] if end is ends[1] else ends[1]
            other.settimeout(30)
            other.sendall(content)

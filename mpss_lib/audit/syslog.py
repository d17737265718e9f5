"""Lines of the audit log as syslog messages (RFC 5424) over TLS (RFC 5425, PS3.15 A.6).

The log is the queue: ``sent.json`` says up to which line the receiver was given. While it is away
lines wait in the log, and go in order when it is back; one that was cut off in the middle is sent
again (``sequenceId`` is the same). Syslog has no receipt: given is not stored.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mpss_lib.audit.chain import Chain, Line, files_of, lines_of, locked
from mpss_lib.audit.message import as_xml
from mpss_lib.audit.vocabulary import SUCCESS
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.sections import AuditSettings

log = logging.getLogger(__name__)

PAUSE_S = 60.0
"""For so long a receiver that was away is not called again by a door."""
MOST_AT_ONCE = 500
"""Lines that one door sends of those that wait."""
SECURITY, NOTICE, WARNING = 10, 5, 4
"""Facility and severities (PS3.15 A.6: facility 10, severity 5, or 4 for a warning)."""


@dataclass(frozen=True)
class Sent:
    """How far the receiver is: last line given, when it was away last (seconds since 1970), why."""

    seq: int = 0
    failed_at: float = 0.0
    problem: str = ""


def sent_of(folder: Path) -> Sent:
    """How far the receiver is; nothing was sent where no file says so."""
    try:
        return Sent(**json.loads((folder / "sent.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return Sent()


def waiting(chain: Chain) -> Iterator[Line]:
    """Lines that the receiver was not given yet, in order; what was edited is not passed on."""
    seq = sent_of(chain.folder).seq
    for path in reversed(files_of(chain.folder)):  # most nights all of them stand in the last file
        first = next((line for line in lines_of(path) if line), None)
        if first is not None and first.seq <= seq + 1:
            start = path
            break
    else:
        start = None
    for path in files_of(chain.folder):
        if start is None or path >= start:
            yield from (line for line in lines_of(path) if line and line.seq > seq)


def send(chain: Chain, settings: AuditSettings, *, most: int | None = None) -> int:
    """Give the receiver what waits; a receiver that is away is told in the process's log.

    Parameters
    ----------
    most : int, optional
        Lines at most; with it a receiver that was away a moment ago is not called. All by default.

    Returns
    -------
    int
        Lines that still wait, as far as this call has looked; 0 where another process sends.
    """
    if not settings.syslog_host:
        return 0
    with locked(chain.folder / "send.lock", waits=most is None) as is_ours:
        before = sent_of(chain.folder)
        if not is_ours or (most is not None and time.time() - before.failed_at < PAUSE_S):
            return 0
        lines = [line for _, line in zip(range(most or 1 << 31), waiting(chain), strict=False)]
        if not lines:
            return 0
        try:
            _give(lines, settings)
        except OSError as error:
            problem = getattr(error, "verify_message", "") or error.strerror or type(error).__name__
            _note(chain.folder, Sent(before.seq, time.time(), str(problem)))
            log.warning(
                "the syslog receiver %s:%d takes no audit message (%s): %d lines wait in audit/,"
                " they are sent when it is back (`mpss audit send`)",
                *(settings.syslog_host, settings.syslog_port, problem, len(lines)),
            )
            return len(lines)
        _note(chain.folder, Sent(lines[-1].seq))
        return 0


def _give(lines: list[Line], settings: AuditSettings) -> None:
    to = (settings.syslog_host, settings.syslog_port)
    context = _context(settings)
    with (
        socket.create_connection(to, timeout=settings.syslog_timeout_s) as plain,
        context.wrap_socket(plain, server_hostname=settings.syslog_host) as line_to,
    ):
        for line in lines:
            line_to.sendall(framed(line))
        with suppress(ssl.SSLEOFError, TimeoutError):  # a receiver that never says goodbye
            line_to.unwrap()  # else it has read all (RFC 5425 4.4: close_notify)


def _context(settings: AuditSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.syslog_issuers or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.syslog_certificate:
        context.load_cert_chain(settings.syslog_certificate, settings.syslog_key or None)
    return context


def framed(line: Line) -> bytes:
    """Give a line as a message of RFC 5424 in the frame of RFC 5425 (length, space, message)."""
    event = line.message["EventIdentification"]
    severity = NOTICE if event["EventOutcomeIndicator"] == SUCCESS else WARNING
    head = (
        f"<{SECURITY * 8 + severity}>1 {event['EventDateTime']} {socket.gethostname()} mpss -"
        f' DICOM+RFC3881 [meta sequenceId="{line.seq}"] '
    )
    content = head.encode("ascii") + b"\xef\xbb\xbf" + as_xml(line.message).encode()
    return f"{len(content)} ".encode() + content


def _note(folder: Path, sent: Sent) -> None:
    path = folder / "sent.json"
    part = path.with_suffix(".part")
    part.touch(mode=PRIVATE_FILE)
    part.write_text(json.dumps(asdict(sent)))
    part.replace(path)

"""The archive of a home: whether it answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

from mpss_lib.doctor.finding import Finding, Subject
from mpss_lib.errors import MpssError
from mpss_lib.pull.archive.session import echo

LONGEST_S = 3.0


def archive(subject: Subject) -> Iterator[Finding]:
    """Ask the archive by C-ECHO (or its own way), for three seconds at most."""
    if subject.home is None:
        return
    known = subject.home.sites.archive
    if known.retrieve not in ("dicomweb", "folder") and (why := _away(known.host, known.port)):
        yield Finding(
            "archive",
            f"nobody answers at {known.host}:{known.port}: {why}",
            advice="check archive.host and archive.port, the network and whether the PACS runs",
        )
        return
    times = ("connection_timeout_s", "acse_timeout_s", "dimse_timeout_s")
    short = known.model_copy(update={name: min(getattr(known, name), LONGEST_S) for name in times})
    try:
        echo(replace(subject.home.sites, archive=short))
    except MpssError as error:
        yield Finding("archive", error.problem, advice=error.way_out)


def _away(host: str, port: int) -> str:
    """Find out whether nobody listens: why, else "". An association would try longer."""
    try:
        socket.create_connection((host, port), timeout=LONGEST_S).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""

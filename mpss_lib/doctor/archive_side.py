"""The archives of a home: whether they answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

from mpss_lib.archive_sections import ArchiveSettings
from mpss_lib.config import Sites
from mpss_lib.doctor.finding import Finding, Subject
from mpss_lib.errors import ArchiveClosedError, MpssError
from mpss_lib.pull.archive.session import echo

LONGEST_S = 3.0


def archive(subject: Subject) -> Iterator[Finding]:
    """Ask each archive by C-ECHO (or its own way), for three seconds at most."""
    if subject.home is None:
        return
    for known in subject.home.sites.archive.every:
        yield from _asked(subject.home.sites, known)


def _asked(sites: Sites, known: ArchiveSettings) -> Iterator[Finding]:
    if known.retrieve not in ("dicomweb", "folder") and (why := _away(known.host, known.port)):
        yield Finding(
            "archive",
            f"nobody answers at {known.host}:{known.port}: {why}",
            advice="check host and port in [archive], the network and whether the PACS runs",
        )
        return
    times = ("connection_timeout_s", "acse_timeout_s", "dimse_timeout_s")
    short = {name: min(getattr(known, name), LONGEST_S) for name in times}
    try:
        echo(replace(sites, archive=known.model_copy(update={**short, "others": {}})))
    except ArchiveClosedError as error:  # as it was told to be: out of hours, or stopped
        yield Finding("archive", error.problem, level="warning", advice=error.way_out)
    except MpssError as error:
        yield Finding("archive", error.problem, advice=error.way_out)


def _away(host: str, port: int) -> str:
    """Find out whether nobody listens: why, else "". An association would try longer."""
    try:
        socket.create_connection((host, port), timeout=LONGEST_S).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""

"""What is known of a home at one moment: gathered from outside, each part by itself.

A part that cannot be gathered is unknown, which is neither sound nor wrong: the alarms that rest on
it stay as they are, and the alarm ``blind`` says so.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError

from mpss_lib.alarms.nights import Orchestra, read_orchestra
from mpss_lib.alarms.studies import Studies, read_studies
from mpss_lib.errors import MpssError
from mpss_lib.maintenance.copies import every_copy
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.services import Services

CONNECT_S = 3.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class Backups:
    """When the newest copy was made, if there is one, and where it should be."""

    newest: datetime | None
    wanted_in: str


@dataclass(frozen=True)
class Facts:
    """What is known of a home now; a part that is None could not be gathered, or is not there.

    Parameters
    ----------
    now : datetime
        UTC.
    orchestra : Orchestra or None
    studies : Studies or None
    free_gb : mapping of folder to room in GB
    certificates : mapping of file to the end of its validity (UTC)
    backups : Backups or None
    receiver : str
        "" where none is wanted or it answers; else what happened.
    dead : tuple of str
        Services that were started and are gone.
    has_services : bool
        Whether this home was started and not ended (``mpss up`` without ``mpss down``).
    unknown : mapping of part to reason
    """

    now: datetime
    orchestra: Orchestra | None = None
    studies: Studies | None = None
    free_gb: Mapping[str, float] = field(default_factory=dict)
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    backups: Backups | None = None
    receiver: str = ""
    dead: tuple[str, ...] = ()
    has_services: bool = False
    unknown: Mapping[str, str] = field(default_factory=dict)


def gather(home: Home, now: datetime | None = None) -> Facts:
    """Look at a home.

    Parameters
    ----------
    home : Home
    now : datetime, optional
        UTC; the clock's by default.
    """
    now = now or datetime.now(UTC)
    unknown: dict[str, str] = {}

    def part(name: str, look: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return look()
        except MpssError as error:
            unknown[name] = error.problem
        except (OSError, SQLAlchemyError, ValueError) as error:
            # The text of a foreign error may quote an address with its password: its type does not.
            unknown[name] = f"{type(error).__name__}"
        return otherwise

    orchestra = part("orchestra", lambda: _orchestra(home), None)
    runs = [] if orchestra is None else [run.run_id for run in orchestra.nights]
    services = Services(home.root)
    recorded = services.recorded()
    return Facts(
        now=now,
        orchestra=orchestra,
        studies=part("studies", lambda: read_studies(home.lake, runs, now), None),
        free_gb=part("disk", lambda: _free(home), {}),
        certificates=part("certificates", lambda: _certificates(home), {}),
        backups=part("backups", lambda: _backups(home), None),
        receiver=_receiver(home),
        dead=tuple(name for name in recorded if not services.is_alive(name)),
        has_services=bool(recorded),
        unknown=unknown,
    )


def _orchestra(home: Home) -> Orchestra | None:
    return None if home.airflow is None else read_orchestra(home.airflow.environment)


def _free(home: Home) -> dict[str, float]:
    """Room of the disks of home and backups; a target that is not there is not measured here."""
    places = [home.root]
    if home.config.maintenance.backup_target:
        places.append(Path(home.config.maintenance.backup_target))
    return {str(p): shutil.disk_usage(p).free / 2**30 for p in places if p.is_dir()}


def _certificates(home: Home) -> dict[str, datetime]:
    """Read the end of our certificates' validity, and of the issuers that the archives may have."""
    secure = [one for one in home.sites.archive.every if one.tls]
    names = {name for one in secure for name in (one.tls_certificate, one.tls_issuers)}
    found: dict[str, datetime] = {}
    for name in sorted(names):
        parts = x509.load_pem_x509_certificates(Path(name).read_bytes())
        found[name] = min(part.not_valid_after_utc for part in parts)
    return found


def _backups(home: Home) -> Backups:
    target = home.config.maintenance.backup_target
    copies = [
        copy
        for copy in every_copy(home)
        if not target or (copy.path.is_dir() and copy.path.parent == Path(target).resolve())
    ]
    newest = max((copy.made_at for copy in copies), default=None)
    return Backups(newest, target or "the folder backup/ of the home")


def has_receiver(home: Home) -> bool:
    """Whether this home should have a receiver of C-MOVE."""
    return bool(home.config.receiver.port) and home.config.archive.retrieve != "c-get"


def _receiver(home: Home) -> str:
    if not has_receiver(home):
        return ""
    receiver = home.config.receiver
    host = "127.0.0.1" if receiver.host in ("", "0.0.0.0") else receiver.host  # noqa: S104
    try:
        socket.create_connection((host, receiver.port), timeout=CONNECT_S).close()
    except OSError as error:
        return f"port {receiver.port}: {error.strerror or type(error).__name__}"
    return ""

"""The examination: every check by itself, side by side where one waits for others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from mpss_lib import config as settings
from mpss_lib.alarms import Facts, gather
from mpss_lib.config import Config, sites_of
from mpss_lib.doctor import (
    airflow_side,
    alarm_side,
    archive_side,
    files,
    lake_side,
    people,
    processes,
    settings_file,
)
from mpss_lib.doctor.facts import facts_of
from mpss_lib.doctor.finding import Finding, Subject, mpss
from mpss_lib.errors import MpssError
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake

Check = Callable[[Subject], Iterable[Finding]]

CHECKS: tuple[Check, ...] = (
    settings_file.old_names,
    files.open_files,
    files.rubbish,
    files.backups,
    files.vault,
    processes.services,
    processes.orphans,
    processes.ports,
    lake_side.snapshot,
    lake_side.shared,
    lake_side.quarantine,
    lake_side.differences,
    lake_side.purges,
    lake_side.out_of_date,
    alarm_side.undelivered,
    people.accounts,
)


@dataclass(frozen=True)
class Report:
    """What was found.

    Parameters
    ----------
    findings : tuple of Finding
        Faults first.
    facts : dict
        For whoever asks.
    seconds : float
        How long it took.
    """

    findings: tuple[Finding, ...]
    facts: dict[str, Any]
    seconds: float

    @property
    def is_healthy(self) -> bool:
        """Whether there is no fault; warnings may be there."""
        return all(finding.level != "fault" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "healthy": self.is_healthy,
            "findings": [asdict(finding) for finding in self.findings],
            "facts": self.facts,
            "seconds": round(self.seconds, 1),
        }


def examine(root: Path, *, asks_outside: bool = True) -> Report:
    """Look at a home, whatever is wrong with it.

    Parameters
    ----------
    root : Path
    asks_outside : bool
        Ask archive and Airflow's own program too; without it an answer takes less than a second
        or two, as a page or a monitor wants it.
    """
    begun = time.monotonic()
    if not root.is_dir():
        what = f"there is no home {root}: MPSS_HOME is not set, or another folder is meant"
        missing = Finding("home", what, f"mkdir -m 711 {root} && {mpss(None, 'up')}")
        return Report((missing,), {}, time.monotonic() - begun)
    subject, found = _opened(root)
    with ThreadPoolExecutor(2) as pool:
        outside = asks_outside and subject.home is not None
        airflow = pool.submit(airflow_side.examined, subject) if outside else None
        archive = pool.submit(_checked, archive_side.archive, subject) if outside else None
        for check in CHECKS:
            found += _checked(check, subject)
        facts = gather(subject.home) if subject.home else Facts(now=_now())
        found += list(alarm_side.wrong_now(subject, facts))
        found += airflow.result()[1] if airflow else []
        found += archive.result() if archive else []
    found.sort(key=lambda finding: finding.level != "fault")
    return Report(tuple(found), facts_of(subject, facts), time.monotonic() - begun)


def _opened(root: Path) -> tuple[Subject, list[Finding]]:
    problem = settings_file.problem_of(root)
    if problem is not None:
        return Subject(root, Config(), None), [problem]
    config = settings.load(root)
    try:
        return Subject(root, config, Home.open(root)), []
    except MpssError as error:
        home = Home(root, Lake(root / "lake"), config, sites_of(config, root))
        told = Finding("home", error.problem, advice=error.way_out)
        return Subject(root, config, home), [told]


def _checked(check: Check, subject: Subject) -> list[Finding]:
    """Do one check; one that cannot be done is a finding, and the others go on."""
    try:
        return list(check(subject))
    except MpssError as error:
        return [Finding(check.__name__, error.problem, advice=error.way_out)]
    except (OSError, SQLAlchemyError, ValueError, KeyError) as error:
        what = f"{check.__name__.replace('_', ' ')} cannot be looked at: {type(error).__name__}"
        return [Finding(check.__name__, what, advice="logs of the home; rights of this account")]


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)

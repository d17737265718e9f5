"""What every talk with an archive passes: a stop, hours, a number of associations, a rate.

It holds for all processes of a home together, the command line as well as Airflow's tasks. What it
keeps lies in ``traffic/`` beside the vault: whether somebody has stopped all traffic, a lock file
for each association that an archive allows (held by the process that uses it, however that ends),
and when a study was begun last.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mpss_lib.archive_sections import ArchiveSettings, hours_of
from mpss_lib.config import Sites
from mpss_lib.errors import ArchiveBusyError, ArchiveClosedError
from mpss_lib.secrecy import PRIVATE_FILE, PRIVATE_FOLDER
from mpss_lib.whole_files import read_json_there, write_json

log = logging.getLogger(__name__)

FOLDER = "traffic"
LOOK_S = 0.2
"""How often a wait looks again."""
SEAT_PATIENCE_S = 600.0
"""For so long one waits for an association that other processes of the home use."""


@dataclass(frozen=True)
class Stop:
    """All traffic with the archives was stopped: by whom, when (ISO, UTC), and why."""

    by: str
    at: str
    reason: str


def stop_of(root: Path) -> Stop | None:
    """Give the stop of a home; None where traffic is allowed."""
    found = read_json_there(root / FOLDER / "stopped.json")
    if found is None:
        return None
    return Stop(*(str(found.get(name, "")) for name in ("by", "at", "reason")))


def stop_traffic(root: Path, by: str, reason: str = "") -> None:
    """Stop all traffic of a home: transfers break off within some seconds, nothing new begins."""
    told = {"by": by, "at": datetime.now(UTC).isoformat(timespec="seconds"), "reason": reason}
    _folder(root)
    write_json(root / FOLDER / "stopped.json", told, mode=PRIVATE_FILE)


def allow_traffic(root: Path) -> None:
    """Let tasks and commands talk with the archives again."""
    (root / FOLDER / "stopped.json").unlink(missing_ok=True)


@dataclass
class Gate:
    """The gate of one archive, for one session.

    Parameters
    ----------
    root : Path or None
        The home; None: nothing is shared and nothing is limited.
    settings : ArchiveSettings
    zone : str
        IANA zone of the hours.
    is_night : bool
        The nightly pull, which has hours of its own.
    """

    root: Path | None
    settings: ArchiveSettings
    zone: str = "UTC"
    is_night: bool = False
    _seat: int | None = field(default=None, init=False)
    _looks_at: float = field(default=0.0, init=False)

    def check(self) -> None:
        """Raise where somebody has stopped all traffic; looks five times a second at most.

        Raises
        ------
        ArchiveClosedError
        """
        now = time.monotonic()
        if self.root is None or now < self._looks_at:
            return
        self._looks_at = now + LOOK_S
        stop = stop_of(self.root)
        if stop is not None:
            self._looks_at = 0.0
            why = f": {stop.reason}" if stop.reason else ""
            raise ArchiveClosedError(
                f"traffic with the archives was stopped by {stop.by} at {stop.at}{why}",
                way_out="`mpss pacs start` allows it again; tasks wait for that",
            )

    def begin_study(self) -> None:
        """Wait until a study may be fetched.

        Raises
        ------
        ArchiveClosedError
            Traffic was stopped, or it is not the hour for it.
        """
        self.check()
        self._check_hours(datetime.now(ZoneInfo(self.zone)))
        rate = self.settings.max_studies_per_minute
        if rate and self.root is not None:
            self._wait_turn(60.0 / rate)

    def _check_hours(self, now: datetime) -> None:
        name = "night_window" if self.is_night else "window"
        opens = opens_at(getattr(self.settings, name), now)
        if opens is not None:
            raise ArchiveClosedError(
                f"studies are fetched from this archive at"
                f" {getattr(self.settings, name)} only (archive.{name}), next from"
                f" {opens:%Y-%m-%d %H:%M}",
                way_out="wait, tasks do; or change the setting",
                until=opens,
            )

    def _wait_turn(self, pause_s: float) -> None:
        """Let ``pause_s`` go by since the last study that any process of the home began."""
        path = self._path("pace")
        while True:
            with _tried(path) as handle:
                if handle is not None:
                    last = os.fstat(handle).st_mtime if os.fstat(handle).st_size else 0.0
                    left = last + pause_s - time.time()
                    if left <= 0 or left > pause_s:  # a clock that was set back: begin to count
                        os.pwrite(handle, b"1", 0)
                        os.utime(handle)
                    if left <= 0:
                        return
            time.sleep(LOOK_S)
            self.check()

    def sit(self) -> None:
        """Take one of the archive's associations; waits for one that another process uses.

        Raises
        ------
        ArchiveClosedError
            Traffic was stopped.
        ArchiveBusyError
            None was given back for ten minutes.
        """
        self.check()
        if self.root is None or self._seat is not None:
            return
        began, told = time.monotonic(), False
        while self._seat is None:
            self._seat = self._free_seat()
            if self._seat is None:
                if time.monotonic() - began > SEAT_PATIENCE_S:
                    raise ArchiveBusyError(
                        f"all {self.settings.max_associations} associations that this archive"
                        " allows are used by other processes of this home",
                        way_out="try again later, or raise archive.max_associations if the PACS"
                        " team allows it",
                    )
                if not told:
                    log.info("waiting for one of %d associations", self.settings.max_associations)
                    told = True
                time.sleep(LOOK_S)
                self.check()

    def stand(self) -> None:
        """Give the association back."""
        if self._seat is not None:
            os.close(self._seat)
            self._seat = None

    def n_taken(self) -> int:
        """Associations that processes of the home use now."""
        taken = 0
        for n in range(self.settings.max_associations):
            with _tried(self._path(f"seat{n}")) as handle:
                taken += handle is None
        return taken

    def _free_seat(self) -> int | None:
        for n in range(self.settings.max_associations):
            handle = os.open(self._path(f"seat{n}"), os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
            else:
                return handle
        return None

    def _path(self, name: str) -> Path:
        root = Path() if self.root is None else self.root
        mark = hashlib.sha256(self.settings.address.encode()).hexdigest()[:12]
        return _folder(root) / f"{mark}.{name}.lock"


def gate_of(sites: Sites) -> Gate:
    """Gate of a site's archive; a folder of objects is no archive that could be held up."""
    root = None if sites.archive.retrieve == "folder" else sites.vault.parent
    return Gate(root, sites.archive, sites.zone, sites.is_night)


def opens_at(window: str, now: datetime) -> datetime | None:
    """When the next hours of a window begin; None within them, and where there is none.

    Parameters
    ----------
    window : str
        ``19:00-06:00``; "" for always.
    now : datetime
        In the site's zone.
    """
    hours = hours_of(window)
    if hours is None:
        return None
    first, last = hours
    clock = now.time().replace(tzinfo=None)
    is_in = first <= clock < last if first < last else clock >= first or clock < last
    if is_in:
        return None
    opens = datetime.combine(now.date(), first, now.tzinfo)
    return opens if opens > now else datetime.combine(now.date() + timedelta(1), first, now.tzinfo)


def _folder(root: Path) -> Path:
    folder = root / FOLDER
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    return folder


@contextmanager
def _tried(path: Path) -> Iterator[int | None]:
    """Hold a lock file within the block, if nobody else does: its handle, else None."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield handle
    except BlockingIOError:
        yield None
    finally:
        os.close(handle)


def gates_of(sites: Sites) -> list[Gate]:
    """Gate of each archive of a site."""
    return [gate_of(replace(sites, archive=one)) for one in sites.archive.every]


def state_of(gate: Gate) -> dict[str, Any]:
    """Say what the gate of an archive lets pass now, for people."""
    archive, now = gate.settings, datetime.now(ZoneInfo(gate.zone))

    def told(window: str) -> str:
        opens = opens_at(window, now)
        return "open" if opens is None else f"from {opens:%Y-%m-%d %H:%M}"

    return {
        "archive": archive.address,
        "associations": 0 if gate.root is None else gate.n_taken(),
        "max_associations": archive.max_associations,
        "window": told(archive.window),
        "night_window": told(archive.night_window),
        "max_studies_per_minute": archive.max_studies_per_minute or "no limit",
    }

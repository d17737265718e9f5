"""Starts again what ended by itself, with growing pauses; keeps the logs short.

The supervisor is no parent of what it watches: it knows the services by their records
(``processes.json``), so that it may end and be started again while they run on.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from mpss_lib.runtime.cluster.shape import folder_of
from mpss_lib.runtime.services import Program, Services
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.whole_files import read_json_there, write_json

EVERY_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
STEADY_S = 60.0
"""A service that has run so long ended for a new reason: its pauses begin anew."""
LOG_BYTES, LOGS_KEPT = 20_000_000, 4


@dataclass
class Past:
    """What happened to one service while it was watched."""

    starts: int = 0
    pause_s: float = FIRST_PAUSE_S
    started: float = 0.0
    due: float | None = None
    ended_at: str = ""


@dataclass
class Supervisor:
    """Watches services of one home.

    Parameters
    ----------
    root : Path
    programs : mapping
        What to start again, by the service's name.
    now : callable
        Gives seconds that never run backwards.
    """

    root: Path
    programs: Mapping[str, Program]
    now: Callable[[], float] = time.monotonic
    past: dict[str, Past] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nothing has happened yet."""
        self.services = Services(self.root)
        self.past = {name: Past(started=self.now()) for name in self.programs}
        self._tell()

    def run(self, stop: Event) -> None:
        """Look again and again, until somebody asks to stop."""
        while not stop.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Start what is due, note what has ended, cut logs that grew too long."""
        reap()
        before = {name: (past.starts, past.due) for name, past in self.past.items()}
        dead = {name for name in self.programs if not self.services.is_alive(name)}
        for name in self.programs:
            if name in dead:
                self._care(name, dead)
            cut_log(self.root / "logs" / f"{name}.log")
        if before != {name: (past.starts, past.due) for name, past in self.past.items()}:
            self._tell()

    def _care(self, name: str, dead: set[str]) -> None:
        past, program, now = self.past[name], self.programs[name], self.now()
        if past.due is None:
            if now - past.started > STEADY_S:
                past.pause_s = FIRST_PAUSE_S
            past.ended_at = datetime.now(UTC).isoformat(timespec="seconds")
            past.due = now + past.pause_s
            past.pause_s = min(2 * past.pause_s, LONGEST_PAUSE_S)
        if now < past.due or dead.intersection(program.needs):
            return
        self.services.end({name})  # what its first process had left behind
        self.services.launch(name, program)
        past.started, past.due, past.starts = now, None, past.starts + 1

    def _tell(self) -> None:
        told = {
            name: {"starts": past.starts, "ended_at": past.ended_at}
            for name, past in self.past.items()
        }
        write_json(_state_file(self.root), told, mode=PRIVATE_FILE)


def state_of(root: Path) -> dict[str, Any]:
    """Give what the supervisor told last: by service, ``starts`` and ``ended_at``."""
    return read_json_there(_state_file(root)) or {}


def reap() -> None:
    """Take the exit status of own children that have ended: else they stay as zombies."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def cut_log(path: Path, most: int = LOG_BYTES) -> None:
    """Put a log that is too long aside, numbered, and go on in the same file.

    The file is copied and emptied: its process has it open to append. Lines that are written
    between the two are lost.
    """
    if not path.exists() or path.stat().st_size <= most:
        return
    for number in range(LOGS_KEPT, 1, -1):
        older = path.with_name(f"{path.name}.{number - 1}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))
    shutil.copy(path, path.with_name(f"{path.name}.1"))
    os.truncate(path, 0)


def _state_file(root: Path) -> Path:
    return folder_of(root) / "supervisor.json"

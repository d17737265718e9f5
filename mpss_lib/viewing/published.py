"""The newest snapshot, opened once and asked by many: a server has no 50 ms for each question."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mpss_lib.snapshot_file import open_snapshot
from mpss_lib.tables import Lake


@dataclass
class _Opened:
    """One snapshot, open; ``facts`` was worked out from it, ``users`` ask it now."""

    identity: tuple[int, int]
    connection: duckdb.DuckDBPyConnection
    users: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Published:
    """A connection of its own for each question, to the snapshot that is the newest then.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    """

    connection: duckdb.DuckDBPyConnection
    _facts: dict[str, Any]

    def once(self, name: str, make: Callable[[duckdb.DuckDBPyConnection], Any]) -> Any:
        """Give what ``make`` finds in this snapshot; worked out once a snapshot."""
        if name not in self._facts:
            self._facts[name] = make(self.connection)
        return self._facts[name]


_LOCK = threading.Lock()
_OPENED: dict[Path, list[_Opened]] = {}


@contextmanager
def published(lake: Lake) -> Iterator[Published]:
    """Ask the newest snapshot of a lake, from any thread.

    Raises
    ------
    PlatformFaultError
        Nothing has been published there, or the file cannot be read.
    MovedHomeError
        The home was copied or moved since.
    """
    with _LOCK:
        newest = _newest(lake.snapshot)
        newest.users += 1
        cursor = newest.connection.cursor()
    try:
        cursor.execute("use mpss")
        yield Published(cursor, newest.facts)
    finally:
        cursor.close()
        with _LOCK:
            newest.users -= 1
            _close_old(lake.snapshot)


def _newest(path: Path) -> _Opened:
    opened = _OPENED.setdefault(path, [])
    identity = _identity(path)
    if not opened or opened[-1].identity != identity:
        opened.append(_Opened(identity, open_snapshot(path)))
        _close_old(path)
    return opened[-1]


def _close_old(path: Path) -> None:
    """Let go of snapshots that are not the newest and that nobody asks: a purge may be why."""
    opened = _OPENED[path]
    for one in [old for old in opened[:-1] if not old.users]:
        one.connection.close()
        opened.remove(one)


def _identity(path: Path) -> tuple[int, int]:
    """Tell one published file from the next; (0, 0) where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns

"""The end of the audit log as the vault knows it: a log cut at its end is found by it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mpss_lib.errors import PlatformFaultError

TABLE = "audit_anchor"
_MAKE = (
    f"create table if not exists {TABLE}"
    " (one integer primary key check (one = 1), seq integer not null, hash text not null)"
)


@dataclass(frozen=True)
class Head:
    """A line of the log: its number, and its hash (64 hex digits)."""

    seq: int
    hash: str


def read_anchor(vault: Path) -> Head | None:
    """Give the last line that the vault knows; None where there is no vault, or nothing in it."""
    if not vault.exists():
        return None
    with _opened(vault) as database:
        if database.execute("select 1 from sqlite_master where name = ?", (TABLE,)).fetchone():
            row = database.execute(f"select seq, hash from {TABLE}").fetchone()  # noqa: S608
            return None if row is None else Head(int(row[0]), str(row[1]))
    return None


def set_anchor(vault: Path, head: Head) -> None:
    """Let the vault know a line; where there is none (a host that only computes) nobody does."""
    if not vault.exists():
        return
    with _opened(vault) as database:
        database.execute(_MAKE)
        database.execute(
            f"insert or replace into {TABLE} (one, seq, hash) values (1, ?, ?)",  # noqa: S608
            (head.seq, head.hash),
        )


@contextmanager
def _opened(vault: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(vault, timeout=60, isolation_level=None)) as database:
            yield database
    except sqlite3.Error as error:
        raise PlatformFaultError(
            f"the vault does not take the end of the audit log ({error.sqlite_errorname})",
            way_out="correct the rights of its folder or free disk space: nothing that touches"
            " identities is done without a line in the log",
        ) from error

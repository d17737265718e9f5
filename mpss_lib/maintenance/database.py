"""Copies of databases made by the databases themselves, so that their writers go on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from mpss_lib.errors import PlatformFaultError
from mpss_lib.whole_files import replacing

EMPTIED = ("drop schema public cascade", "create schema public")


def copy_sqlite(source: Path, to: Path) -> None:
    """Copy an SQLite file by its own backup interface, mode 0600; writers may go on."""
    with replacing(to) as temporary:
        temporary.chmod(0o600)
        with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(temporary)) as new:
            old.backup(new)
            new.execute("pragma journal_mode = delete")


def is_sound(path: Path) -> bool:
    """Whether SQLite finds no fault in a file."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as db:
            return bool(db.execute("pragma integrity_check").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


def dump_postgres(url: str, to: Path) -> None:
    """Dump a PostgreSQL database (pg_dump, custom format): one consistent moment of it."""
    parsed = make_url(url)
    with replacing(to) as temporary:
        temporary.chmod(0o600)
        _run(["pg_dump", "--format=custom", f"--file={temporary}"], parsed)


def load_postgres(url: str, dump: Path) -> None:
    """Bring a database back from its dump (pg_restore), and nothing else stays in it.

    The schema ``public`` is emptied first: tables of a later version, of which the dump knows
    nothing, would stand in that version's way when it comes again.
    """
    parsed = make_url(url)
    _run(["pg_restore", "--list", str(dump)], parsed)  # it can be read, before anything is dropped
    for statement in EMPTIED:
        _run(["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-c", statement], parsed)
    command = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error"]
    _run([*command, f"--dbname={parsed.database}", str(dump)], parsed)


def _run(command: Sequence[str], url: URL) -> None:
    """Run one of PostgreSQL's programs; the password goes by the environment."""
    if shutil.which(command[0]) is None:
        raise PlatformFaultError(
            f"{command[0]} is not installed",
            way_out="install PostgreSQL's client programs, of the server's version or newer",
        )
    environment = os.environ | {
        "PGHOST": str(url.host or url.query.get("host", "")),
        "PGPORT": str(url.port or 5432),
        "PGUSER": url.username or "",
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": url.database or "",
    }
    done = subprocess.run(
        list(command), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise PlatformFaultError(
            f"{command[0]} failed: {last[:300]}",
            way_out="check that the database runs and that its user may read and write it",
        )

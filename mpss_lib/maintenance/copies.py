"""Which backups there are, whom they still hold, when they expire, and the tombstones beside them.

A home remembers the folders that backups were written to (``backups.json``). Beside the backups of
a folder lies ``tombstones.json``: a purge adds its tombstones there, so that restoring an older
backup elsewhere can apply them again.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mpss_lib.errors import LakeCorruptError
from mpss_lib.pull.vault import key_of
from mpss_lib.runtime.home import Home
from mpss_lib.secrecy import PRIVATE_FILE
from mpss_lib.whole_files import read_json, read_json_there, write_json

MANIFEST = "manifest.json"
TOMBSTONES = "tombstones.json"
TARGETS = "backups.json"
TIME = "%Y%m%dT%H%M%S%f"
NAME = re.compile(r"\d{8}T\d{6}\d{6}")
VAULT_NAME = "vault.sqlite"


@dataclass(frozen=True)
class Copy:
    """One backup: of the vault alone (weekly, in the home) or of a whole home.

    Parameters
    ----------
    path : Path
        The vault's copy, or the folder of the whole home's.
    vault : Path
        The vault's copy.
    made_at : datetime
        UTC.
    expires_at : datetime or None
        When maintenance removes it; None where it stays for ever or cannot be reached.
    is_readable : bool
        False where nobody can tell whom it holds.
    """

    path: Path
    vault: Path
    made_at: datetime
    expires_at: datetime | None
    is_readable: bool = True


def targets_of(root: Path) -> list[Path]:
    """Folders that backups of this home were written to."""
    kept = read_json_there(root / TARGETS)
    return [Path(text) for text in kept["targets"]] if kept else []


def remember_target(root: Path, target: Path) -> None:
    """Write down that backups of this home lie in a folder."""
    known = {str(path) for path in targets_of(root)} | {str(target.resolve())}
    write_json(root / TARGETS, {"targets": sorted(known)}, mode=PRIVATE_FILE)


def whole_copies(target: Path) -> list[Path]:
    """Folders of the complete backups below a target, oldest first."""
    found = target.iterdir() if target.is_dir() else ()
    return sorted(p for p in found if NAME.fullmatch(p.name) and (p / MANIFEST).is_file())


def vault_copies(vault: Path) -> list[Path]:
    """Weekly copies of a vault, oldest first."""
    return sorted((vault.parent / "backup").glob(f"{vault.stem}-*{vault.suffix}"))


def every_copy(home: Home) -> Iterator[Copy]:
    """Every backup of a home that can be reached, oldest first in each folder."""
    vault, days = home.sites.vault, home.config.maintenance.backups_days
    for path in vault_copies(vault):
        made = time_of(path)
        yield Copy(path, path, made, _expiry(made, days))
    for target in targets_of(home.root):
        for folder in whole_copies(target):
            made = time_of(folder)
            yield Copy(folder, folder / VAULT_NAME, made, _expiry(made, days))


def copies_with(home: Home, request: str, study_keys: Sequence[str]) -> list[Copy]:
    """Backups that still hold a study or patient, and those of which nobody can tell."""
    found = []
    for copy in every_copy(home):
        holds = _holds(copy.vault, {request, *study_keys})
        if holds is None:
            found.append(Copy(copy.path, copy.vault, copy.made_at, copy.expires_at, False))
        elif holds:
            found.append(copy)
    now = datetime.now(UTC)
    found += [
        Copy(target, target, now, None, is_readable=False)
        for target in targets_of(home.root)
        if not target.is_dir()
    ]
    return found


def share_tombstones(root: Path, marks: Iterable[str]) -> list[Path]:
    """Add tombstones beside the backups that can be reached; returns their folders."""
    reached = [target for target in targets_of(root) if target.is_dir()]
    marks = list(marks)
    for target in reached:
        add_tombstones(target, marks)
    return reached


def add_tombstones(target: Path, marks: Iterable[str]) -> None:
    """Add tombstones beside the backups of a folder."""
    known = set(read_tombstones(target / TOMBSTONES))
    write_json(target / TOMBSTONES, {"marks": sorted(known | set(marks))}, mode=PRIVATE_FILE)


def read_tombstones(file: Path) -> list[str]:
    """Read tombstones; none where there is no such file."""
    if not file.exists():
        return []
    marks = read_json(file).get("marks")
    if not isinstance(marks, list) or not all(re.fullmatch("X[0-9a-f]{16}", m) for m in marks):
        raise LakeCorruptError(
            f"{file.name} holds no list of tombstones",
            way_out="restore it from another backup folder: without it, withdrawn patients would"
            " come back",
        )
    return [str(mark) for mark in marks]


def expire(home: Home, now: datetime) -> dict[str, int]:
    """Remove backups whose time is over; the newest of each folder stays.

    Returns
    -------
    dict
        ``vaults`` and ``homes`` removed.
    """
    counts = {"vaults": 0, "homes": 0}
    every = list(every_copy(home))
    newest = {max(c.path for c in every if c.path.parent == one.path.parent) for one in every}
    for copy in every:
        if copy.expires_at is None or copy.expires_at > now or copy.path in newest:
            continue
        if copy.path.is_dir():
            shutil.rmtree(copy.path)
            counts["homes"] += 1
        else:
            copy.path.unlink()
            key_of(copy.path).unlink(missing_ok=True)
            counts["vaults"] += 1
    return counts


def _holds(vault: Path, keys: Iterable[str]) -> bool | None:
    wanted = sorted(keys)
    marks = ", ".join("?" * len(wanted))
    sql = f"select 1 from identity where study_key in ({marks}) or patient_key in ({marks})"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"file:{vault}?mode=ro&immutable=1", uri=True)) as db:
            return db.execute(sql, wanted * 2).fetchone() is not None
    except sqlite3.Error:
        return None


def time_of(copy: Path) -> datetime:
    """Time that the name of a copy tells, UTC."""
    return datetime.strptime(copy.stem.rpartition("-")[2], TIME).replace(tzinfo=UTC)


def _expiry(made: datetime, days: float) -> datetime | None:
    return made + timedelta(days=days) if days else None

"""An upgrade taken back: the home is as its backup has it, for the version that made it.

The files of the backup are laid out beside those of the home, then each takes the other's place by
renaming; a rollback that was killed is run again and goes on where it stood. The audit log stays:
what happened is not taken back. Task logs and pictures stay too.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mpss_lib.audit.doors import FOLDER as AUDIT
from mpss_lib.audit.doors import recording
from mpss_lib.config import STAGES
from mpss_lib.errors import LakeCorruptError, WrongArgumentError
from mpss_lib.maintenance.backup import POSTGRES_COPY, read_manifest, verify
from mpss_lib.maintenance.copies import TOMBSTONES, VAULT_NAME, read_tombstones
from mpss_lib.maintenance.database import load_postgres
from mpss_lib.maintenance.upgrade import Journal, check_at_rest
from mpss_lib.runtime.home import Home
from mpss_lib.runtime.services import only_one
from mpss_lib.runtime.start import database_running
from mpss_lib.secrecy import seal
from mpss_lib.whole_files import read_json, write_bytes

FOLDER = "rollback"
READY = "ready"
LOGS_OF_SQLITE = ("-wal", "-shm")


@dataclass(frozen=True)
class RolledBack:
    """What a rollback brought back: the backup, and the version that reads it."""

    backup: Path
    code_version: str
    n_discarded: int


def roll_back(root: Path, *, discard: bool = False) -> RolledBack:
    """Bring a home to the state before its last upgrade.

    Parameters
    ----------
    root : Path
        A home in which nothing runs.
    discard : bool
        Lose what nights have written since the upgrade.

    Raises
    ------
    WrongArgumentError
        There was no upgrade, or something would be lost, or a patient withdrawn since would come
        back.
    LakeCorruptError
        The backup is not sound.
    """
    journal = Journal.of(root)
    backup = journal.backup
    if backup is None or journal.told.get("rolled_back_at"):
        raise WrongArgumentError(
            f"there is no upgrade of {root.name} to take back",
            way_out="`mpss upgrade --run FOLDER` makes a backup that this one would use",
        )
    with only_one(root), database_running(root):
        home = Home.as_it_is(root)
        check_at_rest(home)
        place = root / FOLDER
        n_since = 0
        if not (place / READY).exists():
            n_since = _check_may(home, backup, discard=discard)
            with recording("rollback", root, home.config, things=[str(backup)]) as told:
                told.details = {"state": "begun"}  # the log asks the vault, which moves next
                _lay_out(backup, place)
        _swap(place, root)
        with recording("rollback", root, home.config, things=[str(backup)]):
            if (root / POSTGRES_COPY).exists() and home.airflow is not None:
                load_postgres(home.airflow.places().database_url, root / POSTGRES_COPY)
                (root / POSTGRES_COPY).unlink()
        seal(root)
        shutil.rmtree(place)
        now = datetime.now(UTC).isoformat()
        journal.note(ended_at=journal.told.get("ended_at") or now, rolled_back_at=now)
    return RolledBack(backup, str(read_manifest(backup)["code_version"]), n_since)


def records_since(home: Home, backup: Path) -> int:
    """Count what stages of the chain have recorded in the lake since a backup of it."""
    known = set(read_manifest(backup)["files"])
    folders = [home.lake.root / "manifest" / stage for stage in STAGES]
    there = (path for folder in folders for path in folder.glob("*.json"))
    return sum(
        f"lake/{home.lake.relative(path)}" not in known and bool(read_json(path).get("units"))
        for path in there
    )


def _check_may(home: Home, backup: Path, *, discard: bool) -> int:
    if wrong := verify(backup):
        raise LakeCorruptError(
            f"{len(wrong)} files of the backup are not sound, first: {wrong[0]}",
            way_out="`mpss backup restore` of another one into a new home",
        )
    marks = set(read_tombstones(backup.parent / TOMBSTONES)) - set(_tombstones_then(backup))
    if marks:
        raise WrongArgumentError(
            f"{len(marks)} withdrawals are newer than the upgrade: they would come back",
            way_out="`mpss backup restore` of this backup into a new home withdraws them again",
        )
    n_since = records_since(home, backup)
    if n_since and not discard:
        raise WrongArgumentError(
            f"{n_since} batches were done since the upgrade, and would be lost",
            way_out="add --discard, and run their nights again; or keep this version",
        )
    return n_since


def _tombstones_then(backup: Path) -> list[str]:
    file = f"file:{backup / VAULT_NAME}?mode=ro&immutable=1"
    with closing(sqlite3.connect(file, uri=True)) as db:
        return [str(row[0]) for row in db.execute("select mark from tombstone")]


def _lay_out(backup: Path, place: Path) -> None:
    """Copy the backup's files to a place in the home, whole."""
    shutil.rmtree(place, ignore_errors=True)
    for name in read_manifest(backup)["files"]:
        if name.split("/")[0] != AUDIT:
            to = place / "restored" / name
            to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy2(backup / name, to)
    write_bytes(place / READY, b"")


def _swap(place: Path, root: Path) -> None:
    """Let the restored files take the place of those that are there; done again, it goes on."""
    for name in _units(place / "restored"):
        restored, here = place / "restored" / name, root / name
        replaced = place / "replaced" / name
        replaced.parent.mkdir(parents=True, exist_ok=True)
        if here.exists() and not replaced.exists():
            here.rename(replaced)
        if here.is_dir():  # made since, by what looked at a home without a lake
            shutil.rmtree(here)
        for end in LOGS_OF_SQLITE:
            here.with_name(here.name + end).unlink(missing_ok=True)
        here.parent.mkdir(parents=True, exist_ok=True)
        restored.rename(here)


def _units(restored: Path) -> list[str]:
    """Name what is put in its place by one renaming: the lake whole, each other file."""
    found = [p.relative_to(restored).as_posix() for p in restored.rglob("*") if p.is_file()]
    files = sorted(name for name in found if not name.startswith("lake/"))
    return [*files, *(["lake"] if (restored / "lake").is_dir() else [])]

"""Backup of a whole home: vault, lake, settings and Airflow's database, with a digest of each file.

Writers may go on. The manifest of the lake is copied first, then every other file: those never
change, and all that a record names was there before it. The vault comes last: it knows every study
on the lake. The snapshot is not copied; restoring builds it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mpss_lib.audit.doors import FOLDER as AUDIT
from mpss_lib.audit.doors import chain_of, recording
from mpss_lib.batch import code_version
from mpss_lib.clock import now_after
from mpss_lib.config import STAGES, Address
from mpss_lib.errors import LakeCorruptError, PlatformFaultError, WrongArgumentError
from mpss_lib.locks import working
from mpss_lib.maintenance.copies import (
    MANIFEST,
    TIME,
    VAULT_NAME,
    add_tombstones,
    remember_target,
    time_of,
    whole_copies,
)
from mpss_lib.maintenance.database import copy_sqlite, dump_postgres, is_sound
from mpss_lib.pull.vault import Vault, key_of
from mpss_lib.runtime.home import Home
from mpss_lib.tables import Lake, sha256_of
from mpss_lib.warehouse.compaction import prefer_batches, read_batches
from mpss_lib.warehouse.layout import VERSION as LAYOUT
from mpss_lib.warehouse.layout import is_left_over, version_of
from mpss_lib.warehouse.manifest import check_there, current_paths, read_ledger
from mpss_lib.warehouse.pointers import read_pointers
from mpss_lib.whole_files import read_json, write_json

VERSION = 1
FIRST = ("manifest", "active.json")
"""Of the lake, copied before the files that they name."""

NOT_COPIED = (".tmp-", "warehouse.duckdb", "work.lock", "order.lock", "layout.lock")
HOME_FILES = (
    *("mpss.toml", "hospital.json"),
    *("airflow/secrets.json", "airflow/passwords.json", "airflow/webserver_config.py"),
)
SQLITE_COPY, POSTGRES_COPY = "airflow/airflow.db", "airflow/airflow.dump"

Entry = dict[str, Any]


def create(home: Home, target: Path) -> Path:
    """Write a backup into a new folder below ``target``, whole or not at all.

    Files that the newest backup there has already are linked, not copied: only what is new takes
    space.

    Parameters
    ----------
    home : Home
    target : Path
        A folder outside the home; made if absent, mode 0700.

    Returns
    -------
    Path
        The backup's folder.

    Raises
    ------
    WrongArgumentError
        The target lies in the home: it would be lost with it.
    PlatformFaultError
        There is no vault, or the disk refuses.
    LakeCorruptError
        The lake lacks a file that its manifest names.
    """
    target = target.resolve()
    if target.is_relative_to(home.root.resolve()):
        raise WrongArgumentError(
            f"the target {target.name} lies in the home", way_out="name a folder on another disk"
        )
    if not home.sites.vault.exists():
        raise PlatformFaultError("there is no vault to copy", way_out="pull a study first")
    with recording("backup", home.root, home.config, things=[str(target)], begins=True):
        return _create(home, target)


def _create(home: Home, target: Path) -> Path:
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_unfinished(target)
    copies = whole_copies(target)
    now = now_after(time_of(copies[-1]) if copies else None)
    folder = target / f".unfinished-{now:{TIME}}"
    folder.mkdir(mode=0o700)
    with working(home.lake.root):
        files = _copy_lake(home.lake, folder, _previous(target))
        files |= _copy_home(home, folder)
        vault = Vault(home.sites.vault)
        add_tombstones(target, vault.tombstones())
    _check_whole(folder)
    write_json(folder / MANIFEST, _manifest(now, vault.key_id, files))
    final = target / f"{now:{TIME}}"
    folder.rename(final)
    remember_target(home.root, target)
    return final


def verify(folder: Path) -> list[str]:
    """Read every file of a backup again.

    Returns
    -------
    list of str
        What is wrong, each with the name of the file; empty where all is sound.
    """
    manifest = read_manifest(folder)
    wrong = []
    for name, entry in sorted(manifest["files"].items()):
        path = folder / name
        if not path.is_file():
            wrong.append(f"{name}: gone")
        elif path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            wrong.append(f"{name}: other bytes than were written")
    listed = set(manifest["files"]) | {MANIFEST}
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    wrong += [f"{name}: not in the manifest" for name in sorted(there - listed)]
    wrong += [
        f"{name}: SQLite finds it damaged"
        for name in (VAULT_NAME, SQLITE_COPY)
        if name in listed and not is_sound(folder / name)
    ]
    return wrong


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a backup.

    Raises
    ------
    WrongArgumentError
        The folder is no whole backup, or of a version that this one cannot read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise WrongArgumentError(
            f"{folder.name} is no whole backup: it has no {MANIFEST}",
            way_out="`mpss backup ls TARGET` lists the backups of a folder",
        )
    manifest = read_json(path)
    if manifest.get("version") != VERSION:
        raise WrongArgumentError(
            f"backup {folder.name} is of version {manifest.get('version')}, not {VERSION}",
            way_out="restore it with the release that wrote it",
        )
    return manifest


# --------------------------------------------------------------------------- pieces


def _manifest(now: datetime, key_id: str, files: dict[str, Entry]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "made_at": now.isoformat(),
        "code_version": code_version(),
        "vault_key_id": key_id,
        "n_files": len(files),
        "bytes": sum(int(entry["bytes"]) for entry in files.values()),
        "files": files,
    }


def _remove_unfinished(target: Path) -> None:
    """Remove what a killed backup left; a backup at work is younger than a day."""
    limit = datetime.now(UTC).timestamp() - 86400.0
    for folder in target.glob(".unfinished-*"):
        if folder.stat().st_mtime < limit:
            shutil.rmtree(folder)


def _previous(target: Path) -> tuple[Path, dict[str, Entry]] | None:
    known = whole_copies(target)
    return (known[-1], read_manifest(known[-1])["files"]) if known else None


def _copy_lake(
    lake: Lake, folder: Path, previous: tuple[Path, dict[str, Entry]] | None
) -> dict[str, Entry]:
    files: dict[str, Entry] = {}
    for path in (*_lake_files(lake, first=True), *_lake_files(lake, first=False)):
        name = f"lake/{lake.relative(path)}"
        try:
            files[name] = _copy(path, folder / name, name, previous)
        except FileNotFoundError:
            continue  # a superseded file that maintenance has just removed; checked afterwards
    return files


def _lake_files(lake: Lake, *, first: bool) -> Iterator[Path]:
    is_old = version_of(lake) < LAYOUT  # what is left over today are its files
    for path in sorted(lake.root.rglob("*")):
        is_first = path.relative_to(lake.root).parts[0] in FIRST
        is_ours = not path.name.startswith(NOT_COPIED) and (is_old or not is_left_over(path))
        if path.is_file() and is_ours and is_first == first:
            yield path


def _copy(path: Path, to: Path, name: str, previous: tuple[Path, dict[str, Entry]] | None) -> Entry:
    state = path.stat()
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if previous is not None:
        folder, known = previous
        entry = known.get(name)
        if entry and (entry["bytes"], entry["mtime_ns"]) == (state.st_size, state.st_mtime_ns):
            os.link(folder / name, to)
            return entry
    shutil.copy2(path, to)
    return _entry(to, state.st_mtime_ns)


def _entry(path: Path, mtime_ns: int = 0) -> Entry:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path), "mtime_ns": mtime_ns}


def _copy_home(home: Home, folder: Path) -> dict[str, Entry]:
    names = [name for name in HOME_FILES if (home.root / name).is_file()]
    for name in names:
        (folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(home.root / name, folder / name)
    (folder / "airflow").mkdir(mode=0o700, exist_ok=True)
    names += _copy_airflow(home, folder)
    copy_sqlite(home.sites.vault, folder / VAULT_NAME)
    shutil.copy2(key_of(home.sites.vault), folder / f"{VAULT_NAME}.key")
    names += [VAULT_NAME, f"{VAULT_NAME}.key", *_copy_audit(home, folder)]
    return {name: _entry(folder / name) for name in names}


def _copy_audit(home: Home, folder: Path) -> list[str]:
    """Copy the audit log, after the vault: it holds the line at least that the vault knows."""
    chain = chain_of(home.root, home.config)
    with chain.held():
        files = [path for path in sorted(chain.folder.iterdir()) if path.suffix != ".lock"]
        (folder / AUDIT).mkdir(mode=0o700)
        for path in files:
            shutil.copy2(path, folder / AUDIT / path.name)
    return [f"{AUDIT}/{path.name}" for path in files]


def _copy_airflow(home: Home, folder: Path) -> list[str]:
    if home.airflow is None:
        return []
    places = home.airflow.places()
    if places.sqlite is not None:
        copy_sqlite(places.sqlite, folder / SQLITE_COPY)
        return [SQLITE_COPY]
    dump_postgres(places.database_url, folder / POSTGRES_COPY)
    return [POSTGRES_COPY]


def _check_whole(folder: Path) -> None:
    """Refuse a copy that lacks a file which its own manifest publishes."""
    lake = Lake(folder / "lake")
    if not lake.root.is_dir():
        return
    pointers = dict.fromkeys(STAGES, Address("", "")) | read_pointers(lake)
    shown = current_paths(lake, read_ledger(lake), pointers)
    readings = prefer_batches(shown, read_batches(lake))
    try:
        check_there(lake, (reading.paths for reading in readings.values()))
    except LakeCorruptError as error:
        raise LakeCorruptError(
            f"the copy is not whole: {error.problem}", way_out=error.way_out
        ) from error
